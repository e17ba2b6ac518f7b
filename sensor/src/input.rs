//! What `falco events` and `falco record` look at: a capture, or this host.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use falco_capture::CaptureReader;
use falco_enrich::selection::SyscallSet;
use falco_enrich::state::{Limits, State};
use falco_modern_ebpf::ModernEbpf;
use falco_source::{Snapshot, Source, Stats};

use crate::config::Config;
use crate::live::{live_state, probe};
use crate::preamble;

/// A source, and empty tables for it.
pub struct Input {
    /// Where events come from.
    pub source: Box<dyn Source>,
    /// The tables.
    pub state: State,
    /// Completes what the source tells of the time before its first event.
    pub prepare: fn(&mut Snapshot),
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
        })
    }

    /// What happens on this host. `snaplen` is in bytes of data an event, none for the default.
    ///
    /// # Errors
    /// If the kernel, or what is allowed here, does not suffice.
    pub fn live(syscalls: &SyscallSet, snaplen: Option<u32>) -> Result<Self> {
        let config = Config { snaplen: snaplen.unwrap_or(0), ..Config::default() };
        let source = ModernEbpf::open(probe::options(&config, syscalls)?)?;
        let state = live_state(&config);
        Ok(Input { source: Box::new(source), state, prepare: |snapshot| snapshot.is_live = true })
    }

    /// Whether events happen now.
    pub fn is_live(&self) -> bool {
        self.source.capabilities().live
    }
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
