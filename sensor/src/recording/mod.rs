//! Recordings: captures that the sensor writes of what it sees.
//!
//! * [`triggered`]: `capture` of the configuration; a rule that matches begins a recording.
//! * [`whole`]: `-w FILE`; everything from the first event to the last.
//! * [`file`](mod@file): one capture file, written on a thread of its own.
//! * `preamble`: what a recording must know before its first event; `rewind`: so that this event
//!   means the same again.
//!
//! `falco record` uses the same files without rules.

mod file;
mod preamble;
mod rewind;
#[cfg(test)]
mod tests;
pub mod triggered;
pub mod whole;

use std::path::Path;

use anyhow::{Result, bail};
use falco_rules::loader::LoadedRule;

pub use file::{Destination, Recording, WhenFull};
use triggered::{Settings, Tell, TriggeredRecorder};
use whole::WholeRecorder;

use crate::config::Config;
use crate::log::Log;
use crate::observer::Observer;

/// The recorders of a run: what `config` asks for, and `-w` if `whole` names a file. `tell` gets the
/// alerts about recordings.
///
/// # Errors
/// If the named file cannot be opened.
pub fn recorders(
    config: &Config,
    rules: &[LoadedRule],
    whole: Option<&Path>,
    when_full: WhenFull,
    log: Log,
    tell: Tell,
) -> Result<Vec<Box<dyn Observer>>> {
    let mut recorders: Vec<Box<dyn Observer>> = Vec::new();
    if let Some(path) = whole {
        if path.as_os_str() == "-" {
            bail!("-w -: alerts go to stdout already; name a file, or use falco record");
        }
        let destination = Destination::named(path, false)?;
        recorders.push(Box::new(WholeRecorder::new(destination, when_full, log)));
    }
    if config.capture_enabled {
        let settings = Settings::new(config, rules, when_full);
        recorders.push(Box::new(TriggeredRecorder::new(settings, log, tell)));
    }
    Ok(recorders)
}
