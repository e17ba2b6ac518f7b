//! What is printed when a run is over.

use std::io::{self, Write};

use anyhow::{Context, Result};
use falco_rules::loader::LoadedRule;

use crate::event_loop::Outcome;
use crate::log::Log;

/// Prints what Falco prints at the end: how often which rule matched, on stdout, and more on
/// stderr if it is to be `verbose`.
///
/// # Errors
/// If stdout fails and the run itself did not.
pub fn print(outcome: &Outcome, rules: &[LoadedRule], verbose: bool, log: &Log) -> Result<()> {
    if verbose {
        let (seconds, events) = (outcome.seconds, outcome.events);
        writeln!(
            io::stderr(),
            "Elapsed time: {seconds:.3}, Captured Events: {events}, {:.2} eps",
            events as f64 / seconds.max(1e-9)
        )?;
    }
    let source = &outcome.source;
    for (count, what) in [
        (source.skipped_unknown, "of types that this version does not know were skipped"),
        (source.dropped_ring, "were lost because a buffer was full"),
        (source.dropped_scratch, "were lost because there was no memory to build them in"),
        (source.dropped_too_large, "were lost because they were too large"),
        (source.dropped_page_faults, "were lost because memory could not be read"),
        (source.invalid, "were not valid and were skipped"),
    ] {
        if count > 0 {
            log.warning(&format!("{count} events {what}"));
        }
    }
    let named = rules.iter().map(|r| (r.name.as_str(), r.priority));
    let mut out = io::stdout().lock();
    let printed = outcome.alerts.print(named, &mut out).and_then(|()| out.flush());
    // The first error is the one to tell.
    if outcome.error.is_some() { Ok(()) } else { printed.context("stdout") }
}
