//! What `falco events` and `falco record` look at: a capture, or this host.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use falco_capture::CaptureReader;
use falco_enrich::state::{Limits, State};
use falco_source::{Next, Snapshot, Source, Stats};

use crate::cli::{LiveEngine, LiveOptions};
use crate::config::{Config, EngineKind};
use crate::filter::{self, Filter};
use crate::live::live_state;
use crate::live::resolver::Resolver;
use crate::live::sources::{self, Kept, Kinds};
use crate::log::Log;
use crate::preamble;
use crate::session::{load_overridden, pid_overrides};

/// How long the end of a live source may take.
const LONGEST_END: Duration = Duration::from_secs(8);

/// A source, and empty tables for it.
pub struct Input {
    /// Where events come from.
    pub source: Box<dyn Source>,
    /// What it told at its start; none if it is to be started yet.
    pub begun: Option<Snapshot>,
    /// The tables.
    pub state: State,
    /// What is watched, in words.
    watching: &'static str,
    /// Completes what the source tells of the time before its first event.
    pub prepare: fn(&mut Snapshot),
    /// Looks up the hosts that the filter names, while this lives.
    _resolver: Option<Resolver>,
}

impl Input {
    /// The events of a capture; `-` is stdin.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn capture(path: &Path) -> Result<Self> {
        Ok(Input {
            source: Box::new(CaptureReader::open(path)?),
            begun: None,
            watching: "a capture",
            state: State::new(Limits::default()),
            prepare: preamble::as_falco_replays,
            _resolver: None,
        })
    }

    /// What happens on this host, or in its sandboxes, for `filter`.
    ///
    /// # Errors
    /// If the kernel, or what is allowed here, does not suffice.
    pub fn live(filter: Option<&Filter>, options: &LiveOptions) -> Result<Self> {
        let config = config(options)?;
        let log = Log::new(&config);
        let names = filter.map_or(&[][..], Filter::host_names);
        let resolver = Resolver::start(names, log);
        let syscalls = filter::to_deliver(filter, options.all_syscalls);
        let opened = sources::open_for(&config, &syscalls, &Kept::default(), &log)?;
        let mut state = live_state(&config, opened.lookup);
        if let Some(resolver) = &resolver {
            state.set_host_names(resolver.names());
        }
        let prepare: fn(&mut Snapshot) = |snapshot| snapshot.is_live = true;
        let (source, begun) = (opened.source, Some(opened.snapshot));
        let watching = match opened.kinds {
            Kinds { ebpf: true, gvisor: true, .. } => "this host and its gVisor sandboxes",
            Kinds { gvisor: true, .. } => "gVisor sandboxes",
            Kinds { ptrace: true, .. } => "these processes",
            _ => "this host",
        };
        Ok(Input { source, begun, watching, state, prepare, _resolver: resolver })
    }

    /// Whether events happen now.
    pub fn is_live(&self) -> bool {
        self.source.capabilities().live
    }

    /// What is watched, if events happen now.
    pub fn watching(&self) -> Option<&'static str> {
        self.is_live().then_some(self.watching)
    }
}

/// The condition of `--filter` and `--pid`, with the options that it comes from.
pub fn condition(filter: Option<&str>, options: &LiveOptions) -> Option<(&'static str, String)> {
    // Where nothing else is watched there is nothing to choose.
    let is_chosen = !options.pid.is_empty() && !options.engine.contains(&LiveEngine::Ptrace);
    let processes = is_chosen.then(|| {
        let of_one = |pid: &u32| format!("proc.pid = {pid} or proc.apid = {pid}");
        let all: Vec<_> = options.pid.iter().map(of_one).collect();
        format!("({})", all.join(" or "))
    });
    match (filter, processes) {
        (Some(filter), Some(processes)) => {
            Some(("--filter with --pid", format!("{processes} and ({filter})")))
        }
        (Some(filter), None) => Some(("--filter", filter.to_owned())),
        (None, Some(processes)) => Some(("--pid", processes)),
        (None, None) => None,
    }
}

/// Ends a live source, from which nothing more is wanted, and waits until it has let go of what it
/// watched, but not for ever.
pub fn close(source: &mut dyn Source) {
    let since = Instant::now();
    source.stop_capture();
    while since.elapsed() < LONGEST_END
        && let Ok(Next::Event(_) | Next::Idle | Next::Snapshot(_)) = source.next()
    {}
}

/// The configuration that the options stand for. No file is read: what a running sensor watches need
/// not be what is looked at here.
fn config(options: &LiveOptions) -> Result<Config> {
    let mut overrides = options.overrides.clone();
    overrides.extend(options.snaplen.map(|bytes| format!("falco_libs.snaplen={bytes}")));
    overrides.extend(options.buffer_size.map(|mb| format!("engine.modern_ebpf.buf_size_mb={mb}")));
    let engines: Vec<String> =
        options.engine.iter().map(|engine| format!("engine.kind[]={}", engine.name())).collect();
    overrides.extend(engines);
    if options.engine.contains(&LiveEngine::Ptrace) {
        overrides.extend(pid_overrides(&options.pid));
    }
    let config = load_overridden(&overrides, None)?.config;
    if config.engines.is(EngineKind::Replay) {
        bail!("engine.kind: to look at a capture, use -e FILE");
    }
    Ok(config)
}

/// Says on stderr that a live source watches now, as tcpdump says that it listens.
pub fn tell_watching(what: &str) {
    // There is nowhere to report that stderr is closed.
    let _ = writeln!(io::stderr(), "watching {what}; Ctrl-C ends it");
}

/// Says on stderr how much was lost, if anything was.
pub fn tell_losses(stats: &Stats) {
    if let Some(text) = losses(stats) {
        // There is nowhere to report that stderr is closed.
        let _ = writeln!(io::stderr(), "WARNING: {text}");
    }
}

fn losses(stats: &Stats) -> Option<String> {
    let causes = [
        (stats.dropped_ring, "because a ring buffer was full"),
        (stats.dropped_scratch, "for want of memory in the kernel"),
        (stats.dropped_too_large, "because they were too large"),
        (stats.dropped_page_faults, "because memory could not be read"),
        (stats.invalid, "because they were malformed"),
    ];
    let told: Vec<_> = causes
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, cause)| format!("{count} {cause}"))
        .collect();
    if told.is_empty() {
        return None;
    }
    let lost = stats.dropped() + stats.invalid;
    Some(format!("{lost} events were lost beside {}: {}", stats.events, told.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_by_cause() {
        let stats = Stats { events: 10, dropped_ring: 2, dropped_too_large: 1, ..Stats::default() };
        assert_eq!(
            losses(&stats).unwrap(),
            "3 events were lost beside 10: 2 because a ring buffer was full, \
             1 because they were too large"
        );
        assert_eq!(losses(&Stats { events: 10, ..Stats::default() }), None);
    }
}
