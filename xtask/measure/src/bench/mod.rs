//! How fast, and with how much memory: on the same captures on which Falco was measured.
//!
//! * [`replay`]: events per second, instructions per event, peak memory and where the time goes.
//! * [`rules`]: the time to compile the official rule files.
//! * [`live`]: what the sensor costs a machine at work, and how fast it starts.
//! * [`gvisor`]: how many messages of sandboxes it takes, and what being traced costs a sandbox.
//! * [`trace`]: what `falco trace` costs the command that it watches, beside strace.
//! * [`process`]: running a command and what it used; [`callgrind`]: counting its instructions.

mod callgrind;
mod gvisor;
mod live;
pub mod process;
mod replay;
mod rules;
mod trace;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// Runs `replay`, `rules`, `live`, `gvisor` or `trace`, each with its own arguments.
pub fn run(args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((what, rest)) if what == "replay" => replay::run(rest),
        Some((what, _)) if what == "rules" => rules::run(),
        Some((what, rest)) if what == "live" => live::run(rest),
        Some((what, rest)) if what == "gvisor" => gvisor::run(rest),
        Some((what, rest)) if what == "trace" => trace::run(rest),
        _ => bail!("bench replay [CAPTURE] [--rules FILE]..., bench rules, live, gvisor or trace"),
    }
}

/// The middle one of an odd number of values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A folder that goes away with this value.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(path: PathBuf) -> Result<Self> {
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {e}", self.0.display());
        }
    }
}
