//! `cargo xtask fuzz`: the targets of `fuzz/` for a bounded time, by cargo-fuzz on stable Rust.
//!
//! No sanitizer: the fuzzed crates forbid unsafe code, so what there is to find are panics, hangs
//! and memory that grows without bound, and a stable compiler is enough.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::packages::{self, CXX};
use crate::{Result, deny, process};

const VERSION: &str = "0.13.2";

/// A target, and where more inputs to start from may lie.
struct Target {
    name: &'static str,
    seeds: &'static str,
}

const TARGETS: &[Target] = &[
    Target { name: "capture_reader", seeds: "../shared/conformance/fields" },
    Target { name: "event_decoder", seeds: "" },
    Target { name: "rules_loader", seeds: "../shared/rules" },
    Target { name: "condition_parser", seeds: "" },
];

/// Fuzzes one target or all, as many at a time as there are cores.
pub fn run(args: &[String]) -> Result {
    let (chosen, seconds) = options(args)?;
    packages::ensure(&[CXX])?;
    deny::install("fuzz", "cargo-fuzz", VERSION)?;
    process::run(&mut process::cargo(&["fuzz", "build", "--sanitizer", "none"]))?;
    let mut seeds = process::cargo(&["run", "--quiet", "--manifest-path", "fuzz/Cargo.toml"]);
    process::run(seeds.args(["--example", "seeds", "--", "fuzz/corpus"]))?;

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for batch in chosen.chunks(cores) {
        println!("{} s each: {}", seconds, names(batch));
        let running = batch.iter().map(|t| start(t, seconds)).collect::<Result<Vec<_>>>()?;
        for (target, (child, log)) in batch.iter().zip(running) {
            finish(target, child, &log)?;
        }
    }
    Ok(())
}

fn options(args: &[String]) -> Result<(Vec<&'static Target>, u32)> {
    let mut chosen: Vec<_> = TARGETS.iter().collect();
    let mut seconds = 60;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            let number = args.next().and_then(|n| n.parse().ok());
            seconds = number.ok_or("--seconds wants a whole number")?;
        } else {
            chosen.retain(|t| t.name == arg);
        }
    }
    if chosen.is_empty() {
        return Err(format!("the targets are: {}", names(&TARGETS.iter().collect::<Vec<_>>())));
    }
    Ok((chosen, seconds))
}

fn names(targets: &[&Target]) -> String {
    targets.iter().map(|t| t.name).collect::<Vec<_>>().join(", ")
}

/// Starts a target; what it prints goes to the returned file.
fn start(target: &Target, seconds: u32) -> Result<(Child, PathBuf)> {
    let corpus = format!("fuzz/corpus/{}", target.name);
    let mut fuzz = process::cargo(&["fuzz", "run", "--sanitizer", "none", target.name, &corpus]);
    if !target.seeds.is_empty() && process::root().join(target.seeds).is_dir() {
        fuzz.arg(target.seeds);
    }
    // Hostile input may not make us slow or large either: seconds and megabytes an input.
    fuzz.args(["--", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"]);
    fuzz.arg(format!("-max_total_time={seconds}"));
    let log = process::root().join("fuzz/target").join(format!("{}.log", target.name));
    let open = || -> std::io::Result<(File, File)> {
        let file = File::create(&log)?;
        Ok((file.try_clone()?, file))
    };
    let (out, err) = open().map_err(|e| format!("{}: {e}", log.display()))?;
    fuzz.stdin(Stdio::null()).stdout(out).stderr(err);
    let child = fuzz.spawn().map_err(|e| process::refused(&fuzz, &e))?;
    Ok((child, log))
}

/// Waits for a target and reports.
fn finish(target: &Target, mut child: Child, log: &PathBuf) -> Result {
    let status = child.wait().map_err(|e| format!("cannot wait for {}: {e}", target.name))?;
    let mut text = Vec::new();
    // What cannot be read cannot be shown; the verdict is the exit status.
    let _ = File::open(log).and_then(|mut f| f.read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let stat = |name: &str| {
        let line = text.lines().find(|l| l.starts_with(&format!("stat::{name}:")));
        line.and_then(|l| l.split_whitespace().nth(1)).unwrap_or("?").to_owned()
    };
    if status.success() {
        let (runs, peak) = (stat("number_of_executed_units"), stat("peak_rss_mb"));
        println!("{}: clean, {runs} inputs, peak {peak} MiB", target.name);
        return fs::remove_file(log).map_err(|e| format!("{}: {e}", log.display()));
    }
    let tail: Vec<&str> = text.lines().rev().take(60).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    println!("{}", tail.join("\n"));
    Err(format!(
        "fuzz target {} failed ({status}); the input is named above. Again with it alone:\n  \
         cargo fuzz run --sanitizer none {} fuzz/artifacts/{}/INPUT",
        target.name, target.name, target.name
    ))
}
