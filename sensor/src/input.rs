//! What `falco events` and `falco record` look at: a capture, or this host.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use falco_capture::CaptureReader;
use falco_enrich::state::{Limits, State};
use falco_modern_ebpf::ModernEbpf;
use falco_source::{Snapshot, Source, Stats};

use crate::cli::LiveOptions;
use crate::config::Config;
use crate::filter::{self, Filter};
use crate::live::resolver::Resolver;
use crate::live::{live_state, probe};
use crate::log::Log;
use crate::preamble;

/// A source, and empty tables for it.
pub struct Input {
    /// Where events come from.
    pub source: Box<dyn Source>,
    /// The tables.
    pub state: State,
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
            state: State::new(Limits::default()),
            prepare: preamble::as_falco_replays,
            _resolver: None,
        })
    }

    /// What happens on this host, for `filter`.
    ///
    /// # Errors
    /// If the kernel, or what is allowed here, does not suffice.
    pub fn live(filter: Option<&Filter>, options: &LiveOptions) -> Result<Self> {
        let config = Config { snaplen: options.snaplen.unwrap_or(0), ..Config::default() };
        let names = filter.map_or(&[][..], Filter::host_names);
        let resolver = Resolver::start(names, Log::new(&config));
        let syscalls = filter::to_deliver(filter, options.all_syscalls);
        let mut how = probe::options(&config, &syscalls)?;
        if let Some(mb) = options.buffer_size {
            how.buffer_bytes = mb << 20;
        }
        let source = ModernEbpf::open(how)?;
        let mut state = live_state(&config);
        if let Some(resolver) = &resolver {
            state.set_host_names(resolver.names());
        }
        let prepare: fn(&mut Snapshot) = |snapshot| snapshot.is_live = true;
        Ok(Input { source: Box::new(source), state, prepare, _resolver: resolver })
    }

    /// Whether events happen now.
    pub fn is_live(&self) -> bool {
        self.source.capabilities().live
    }
}

/// Says on stderr that a live source watches now, as tcpdump says that it listens.
pub fn tell_watching() {
    // There is nowhere to report that stderr is closed.
    let _ = writeln!(io::stderr(), "watching this host; Ctrl-C ends it");
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
