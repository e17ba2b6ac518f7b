//! `bench rules`: loading and compiling the official rule files, the process around it included.

use std::process::Command;

use anyhow::Result;

use super::{median, process};
use crate::paths;

/// Runs per figure; the median counts.
const RUNS: usize = 11;

/// Falco's CPU seconds to load and compile, from `shared/captures/FIGURES.md`.
const FALCO: [(&str, bool, f64); 2] = [("stable rules", false, 0.075), ("three files", true, 0.2)];

/// Prints the time for the stable file and for all three.
pub fn run() -> Result<()> {
    let Some(shared) = paths::shared() else { return Ok(()) };
    println!("falco --dry-run, medians of {RUNS}");
    println!(
        "{:<14} {:>8} {:>8} {:>9} {:>12}",
        "rules", "CPU ms", "wall ms", "peak MiB", "Falco CPU ms"
    );
    for (name, all, falco) in FALCO {
        let mut command = Command::new(paths::falco()?);
        command.arg("--dry-run").arg("-e").arg(shared.join("captures/kmod.scap"));
        for file in paths::official_rules(&shared, all) {
            command.arg("-r").arg(file);
        }
        let runs = (0..RUNS).map(|_| process::measure(&mut command)).collect::<Result<Vec<_>>>()?;
        println!(
            "{name:<14} {:>8.1} {:>8.1} {:>9.1} {:>12.0}",
            1e3 * median(runs.iter().map(|r| r.cpu).collect()),
            1e3 * median(runs.iter().map(|r| r.wall).collect()),
            median(runs.iter().map(|r| r.peak).collect()),
            1e3 * falco,
        );
    }
    Ok(())
}
