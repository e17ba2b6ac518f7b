//! Watching a running kernel: from the rules that are loaded to alerts, until a signal ends it.
//!
//! * `sources`: which system calls are wanted, and the sources that deliver them; `probe` is what
//!   eBPF is asked for, `trees` what ptrace is.
//! * `housekeeping`: what is done beside events; `tables` keeps the tables true, `drops` and `silence` are
//!   the alerts about losing events and about there being none, `reload` is SIGHUP.
//! * `resolver`: the addresses of the hosts that rules name.
//! * `nodriver`: a source without events.

mod drops;
mod housekeeping;
mod nodriver;
pub mod probe;
mod reload;
pub mod resolver;
mod silence;
pub mod sources;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod trees;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use falco_enrich::state::{Purging, State};
use falco_source::{Stats, ThreadLookup};

use crate::cli::Options;
use crate::config::Config;
use crate::event_loop::{AlertLines, EventLoop, Outcome};
use crate::internal_alert::{InternalAlerts, now_ns};
use crate::log::Log;
use crate::outputs::{Queue, Stdout};
use crate::recording::{self, WhenFull};
use crate::session::Session;
use crate::signals::{Requests, Stop};
use crate::summary;
use housekeeping::Housekeeper;
use reload::Reloader;
use sources::{Kept, Opened};

/// A session with the source that it watches through.
struct Watch {
    session: Session,
    source: Opened,
    /// Rules saw the events until then already (nanoseconds since the epoch).
    seen_until: u64,
    /// Nobody watched before.
    is_first: bool,
}

/// Watches until a signal asks to stop.
///
/// # Errors
/// If the kernel cannot be watched, or something is wrong that the loop cannot go on with.
pub fn run(options: &Options, session: Session, stop: &Stop) -> Result<ExitCode> {
    let requests = Requests::install().context("cannot handle SIGHUP and SIGUSR1")?;
    let options = Arc::new(options.clone());
    let source = sources::open(&session, &Kept::default())?;
    let mut watch = Watch { session, source, seen_until: 0, is_first: true };
    loop {
        match watch.run(&options, &requests, stop)? {
            Some(next) => watch = next,
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

impl Watch {
    /// Watches until the end, or until another session takes over.
    fn run(
        self,
        options: &Arc<Options>,
        requests: &Requests,
        stop: &Stop,
    ) -> Result<Option<Watch>> {
        let matching = self.session.matching();
        let Watch { session, source: mut opened, seen_until, is_first } = self;
        let Session { config, fields, rules, program, formatter, internal, log } = session;
        let buffered = config.buffered_outputs;
        let queue = Queue::start(config.outputs_queue_capacity, move || Stdout::new(buffered))
            .context("cannot start the thread that writes alerts")?;
        let internal = InternalAlerts::new(internal, queue.handle());
        // What comes after a reload would begin anew in the same file.
        let whole = options.write.as_deref().filter(|_| is_first);
        let told = internal.clone();
        let mut recorders = recording::recorders(
            &config,
            &rules,
            whole,
            WhenFull::Lose,
            log,
            Box::new(move |alert| told.raise(&alert, now_ns())),
        )?;
        let before = opened.source.stats_by_source();
        let mut housekeeper = Housekeeper::new(
            &config,
            requests.clone(),
            (queue.handle(), internal, log),
            (opened.kinds, before),
            Reloader::new(Arc::clone(options), opened.kept),
            Duration::from_secs(options.duration),
        );
        let mut state = live_state(&config, opened.lookup);
        if let Some(resolver) = &opened.resolver {
            state.set_host_names(resolver.names());
        }
        let mut outcome = EventLoop {
            source: &mut *opened.source,
            begun: Some(opened.snapshot),
            prepare: |snapshot| snapshot.is_live = true,
            state,
            fields: &fields,
            rules: rules.len(),
            program: &program,
            matching,
            matches: &mut AlertLines::new(formatter, &mut queue.handle().output(log)),
            observers: &mut recorders,
            housekeeping: &mut housekeeper,
            seen_until,
            duration_ns: options.duration.saturating_mul(1_000_000_000),
            stop,
        }
        .run();
        drop(opened.source);
        let (drops, next) = housekeeper.finish();
        let next = next.zip(outcome.told_until).map(|((session, source), seen_until)| Watch {
            session,
            source,
            seen_until,
            is_first: false,
        });
        // Who is to stop takes over all the same: sandboxes must be told that nobody listens any more.
        if next.is_none() && stop.requested() {
            log.info("SIGINT received, exiting...");
        } else if next.is_some() {
            log.info("SIGHUP received, restarting...");
            if let Some(path) = whole {
                log.warning(&format!("-w {}: ended by the restart", path.display()));
            }
        }
        let timeout = Duration::from_millis(config.output_timeout_ms.into());
        if finish_outputs(queue, timeout, &mut outcome, &log) {
            if options.verbose > 0 {
                tell_driver(&outcome.source);
            }
            summary::print(&outcome, &rules, options.verbose > 0, &log)?;
        }
        // There is nowhere to report that stderr is closed.
        let _ = io::stderr().write_all(drops.as_bytes());
        outcome.error.map_or(Ok(next), Err)
    }
}

/// Waits for the outputs; whether stdout is free again.
fn finish_outputs(queue: Queue, timeout: Duration, outcome: &mut Outcome, log: &Log) -> bool {
    let alerts = queue.handle();
    let lost = queue.finish(timeout).unwrap_or_else(|error| {
        outcome.error.get_or_insert(anyhow::Error::new(error).context("stdout"));
        0
    });
    if alerts.dropped() > 0 {
        let dropped = alerts.dropped();
        log.warning(&format!("{dropped} alerts were dropped because the outputs queue was full"));
    }
    if lost > 0 {
        log.warning(&format!(
            "output channels still blocked, discarding all remaining notifications ({lost})"
        ));
    }
    lost == 0
}

/// What Falco tells with `-v`.
fn tell_driver(stats: &Stats) {
    let (events, drops) = (stats.events + stats.dropped(), stats.dropped());
    // There is nowhere to report that stderr is closed.
    let _ = writeln!(io::stderr(), "Driver Events:{events}\nDriver Drops:{drops}");
}

/// Tables for events that happen now, on this host, before they are filled from a snapshot.
/// `lookup` is asked about threads that no event told of.
pub fn live_state(config: &Config, lookup: Option<Box<dyn ThreadLookup>>) -> State {
    let seconds = |seconds: u32| u64::from(seconds).saturating_mul(1_000_000_000);
    let mut state = State::new(config.limits());
    state.set_live(true);
    if let Some(lookup) = lookup {
        state.set_lookup(lookup);
    }
    state.set_purging(Purging {
        interval_ns: seconds(config.purge_interval_s),
        thread_timeout_ns: seconds(config.purge_timeout_s),
    });
    state
}
