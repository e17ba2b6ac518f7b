//! `bench replay`: a whole replay, start-up included, as Falco was measured
//! (`../shared/captures/FIGURES.md`).

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Scratch, callgrind, median, process};
use crate::paths;

/// Runs per figure; the median counts.
const RUNS: usize = 5;

/// Functions shown of a profile.
const FUNCTIONS: usize = 15;

/// Crates with less than this share of the instructions are not shown.
const SHARE: f64 = 0.005;

/// CPU seconds and peak MiB of Falco 0.44 on the same capture, uncompressed, from
/// `shared/captures/FIGURES.md`: 2 vCPU EPYC, medians of 5, start-up included.
struct Falco {
    capture: &'static str,
    events: u64,
    never: f64,
    stable: f64,
    all: f64,
}

const FALCO: [Falco; 2] = [
    Falco { capture: "workload", events: 523_869, never: 0.41, stable: 1.13, all: 3.40 },
    Falco { capture: "workload-all", events: 535_772, never: 0.23, stable: 0.33, all: 0.80 },
];

/// Falco's peak resident size in replay in MiB, same source.
const FALCO_PEAK: [(&str, f64); 2] = [("stable rules", 30.0), ("three files", 36.0)];

/// A rule that matches nothing and looks at every event: what reading and state alone cost.
const NEVER: &str = "\
- rule: Never
  desc: Matches no event
  condition: evt.num=0
  output: never
  priority: DEBUG
";

/// What is replayed against which rules.
struct Load {
    name: &'static str,
    rules: Vec<PathBuf>,
    /// Falco's CPU seconds for the same, if known.
    falco: Option<f64>,
}

/// Runs `[CAPTURE] [--rules FILE]...`.
pub fn run(args: &[String]) -> Result<()> {
    let (capture, own) = options(args);
    let Some(shared) = paths::shared() else { return Ok(()) };
    let capture = capture.unwrap_or_else(|| shared.join("captures/workload.scap"));
    let stem = capture.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = std::env::temp_dir().join(format!("falco-bench-{}", std::process::id()));
    let scratch = Scratch::new(folder)?;
    let plain = scratch.0.join(format!("{stem}.scap"));
    unpack(&capture, &plain)?;
    let never = scratch.0.join("never.yaml");
    fs::write(&never, NEVER).with_context(|| format!("cannot write {}", never.display()))?;

    let falco = FALCO.iter().find(|f| f.capture == stem);
    let loads = if own.is_empty() {
        vec![
            Load { name: "never-matching rule", rules: vec![never], falco: falco.map(|f| f.never) },
            Load {
                name: "stable rules",
                rules: paths::official_rules(&shared, false),
                falco: falco.map(|f| f.stable),
            },
            Load {
                name: "three files",
                rules: paths::official_rules(&shared, true),
                falco: falco.map(|f| f.all),
            },
        ]
    } else {
        vec![Load { name: "given rules", rules: own, falco: None }]
    };

    let events = match falco {
        Some(f) => f.events,
        None => count_events(&plain)?,
    };
    println!(
        "{} ({events} events, uncompressed), start-up included, medians of {RUNS}",
        plain.display()
    );
    println!(
        "{:<20} {:>8} {:>12} {:>9} {:>8} {:>9} {:>11} {:>7}",
        "rules", "CPU s", "events/s", "ns/event", "wall s", "peak MiB", "Falco CPU s", "times"
    );
    for load in &loads {
        time(&plain, load, events)?;
    }
    println!("Falco's figures are another machine's: the ratio is a hint. {}", falco_peak());
    for load in &loads {
        count(&plain, load, events, &scratch.0)?;
    }
    Ok(())
}

fn falco_peak() -> String {
    let peaks: Vec<_> = FALCO_PEAK.iter().map(|(rules, mib)| format!("{mib} ({rules})")).collect();
    format!("Its peak MiB: {}.", peaks.join(", "))
}

/// The capture and the rule files that were asked for.
fn options(args: &[String]) -> (Option<PathBuf>, Vec<PathBuf>) {
    let (mut capture, mut rules) = (None, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rules" => rules.extend(args.next().map(PathBuf::from)),
            _ => capture = Some(PathBuf::from(arg)),
        }
    }
    (capture, rules)
}

fn unpack(from: &Path, to: &Path) -> Result<()> {
    let mut reader = paths::open(from)?;
    let mut file = File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
    io::copy(&mut reader, &mut file)
        .with_context(|| format!("cannot unpack {}", from.display()))?;
    Ok(())
}

fn replay(capture: &Path, rules: &[PathBuf]) -> Result<Command> {
    let mut falco = Command::new(paths::falco()?);
    falco.env("FALCO_HOSTNAME", "node1").env("TZ", "UTC");
    falco.args(["-o", "json_output=true", "-e"]).arg(capture);
    for file in rules {
        falco.arg("-r").arg(file);
    }
    Ok(falco)
}

fn count_events(capture: &Path) -> Result<u64> {
    let mut falco = Command::new(paths::falco()?);
    let output = falco.args(["events", "--fields", "evt.num", "-e"]).arg(capture).output()?;
    ensure!(output.status.success(), "{falco:?} ended with {}", output.status);
    Ok(output.stdout.iter().filter(|&&b| b == b'\n').count() as u64)
}

fn time(capture: &Path, load: &Load, events: u64) -> Result<()> {
    let mut command = replay(capture, &load.rules)?;
    process::measure(&mut command)?; // warms the page cache
    let runs = (0..RUNS).map(|_| process::measure(&mut command)).collect::<Result<Vec<_>>>()?;
    let cpu = median(runs.iter().map(|r| r.cpu).collect());
    let wall = median(runs.iter().map(|r| r.wall).collect());
    let peak = median(runs.iter().map(|r| r.peak).collect());
    let (theirs, times) = match load.falco {
        Some(falco) => (format!("{falco:.2}"), format!("{:.1}", falco / cpu)),
        None => ("-".into(), "-".into()),
    };
    println!(
        "{:<20} {cpu:>8.3} {:>12.0} {:>9.0} {wall:>8.3} {peak:>9.1} {theirs:>11} {times:>7}",
        load.name,
        events as f64 / cpu,
        1e9 * cpu / events as f64,
    );
    Ok(())
}

fn count(capture: &Path, load: &Load, events: u64, scratch: &Path) -> Result<()> {
    let command = replay(capture, &load.rules)?;
    let profile = callgrind::profile(&command, &scratch.join("callgrind.out"))?;
    println!(
        "\n{}: {:.0} instructions per event, start-up included ({} in all)",
        load.name,
        profile.total as f64 / events as f64,
        profile.total
    );
    let share = |count: u64| count as f64 / profile.total as f64;
    println!("  by crate, what is inlined into its functions included:");
    for (count, name) in profile.crates.iter().take_while(|(count, _)| share(*count) >= SHARE) {
        println!("    {:5.1} %  {name}", 100.0 * share(*count));
    }
    println!("  by function:");
    for (count, name) in profile.functions.iter().take(FUNCTIONS) {
        println!("    {:5.1} %  {name}", 100.0 * share(*count));
    }
    Ok(())
}
