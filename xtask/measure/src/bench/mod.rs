//! How fast, and with how much memory: on the same captures on which Falco was measured.
//!
//! * [`replay`]: events per second, instructions per event, peak memory and where the time goes.
//! * [`rules`]: the time to compile the official rule files.
//! * [`process`]: running a command and what it used; [`callgrind`]: counting its instructions.

mod callgrind;
mod process;
mod replay;
mod rules;

use anyhow::{Result, bail};

/// Runs `replay [CAPTURE] [--rules FILE]...` or `rules`.
pub fn run(args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((what, rest)) if what == "replay" => replay::run(rest),
        Some((what, _)) if what == "rules" => rules::run(),
        _ => bail!("bench replay [CAPTURE] [--rules FILE]..., or bench rules"),
    }
}

/// The middle one of an odd number of values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
