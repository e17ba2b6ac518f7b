//! `cargo xtask fuzz`: the targets of `fuzz/` for a bounded time, by cargo-fuzz on stable Rust.
//!
//! No sanitizer: the fuzzed crates forbid unsafe code, so what there is to find are panics, hangs
//! and memory that grows without bound, and a stable compiler is enough.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::packages::{self, CXX};
use crate::{Result, process, run};

const VERSION: &str = "0.13.2";

const TARGETS: [&str; 7] = [
    "capture_reader",
    "event_decoder",
    "rules_loader",
    "condition_parser",
    "runsc_output",
    "gvisor_messages",
    "traced_calls",
];

/// Captures recorded from Falco's tests: more inputs to start from, where they are at hand.
const RECORDED: &str = "../shared/conformance/fields";

/// Fuzzes one target or all, as many at a time as there are cores.
pub fn run(args: &[String]) -> Result {
    let (chosen, seconds) = options(args)?;
    packages::ensure(&[CXX])?;
    packages::ensure_cargo("fuzz", "cargo-fuzz", VERSION)?;
    process::run(&mut process::cargo(&["fuzz", "build", "--sanitizer", "none"]))?;
    let test = ["test", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--lib"];
    process::run(&mut process::cargo(&test))?;
    let mut seeds = process::cargo(&["run", "--quiet", "--manifest-path", "fuzz/Cargo.toml"]);
    process::run(seeds.args(["--example", "seeds", "--", "fuzz/corpus", RECORDED]))?;

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for batch in chosen.chunks(cores) {
        println!("{seconds} s each: {}", batch.join(", "));
        let running = batch.iter().map(|t| start(t, seconds)).collect::<Result<Vec<_>>>()?;
        for (target, (child, log)) in batch.iter().zip(running) {
            finish(target, child, &log)?;
        }
    }
    Ok(())
}

fn options(args: &[String]) -> Result<(Vec<&'static str>, u32)> {
    let mut chosen = TARGETS.to_vec();
    let mut seconds = 60;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            let number = args.next().and_then(|n| n.parse().ok());
            seconds = number.ok_or("--seconds wants a whole number")?;
        } else {
            chosen.retain(|t| t == arg);
        }
    }
    if chosen.is_empty() {
        return Err(format!("the targets are: {}", TARGETS.join(", ")));
    }
    Ok((chosen, seconds))
}

/// Starts a target; what it prints goes to the returned file.
fn start(target: &str, seconds: u32) -> Result<(Child, PathBuf)> {
    let mut fuzz = process::cargo(&["fuzz", "run", "--sanitizer", "none", target]);
    // Hostile input may not make us slow or large either: seconds and megabytes an input.
    fuzz.args([
        "--",
        "-timeout=10",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
        "-max_len=16384",
    ]);
    fuzz.arg(format!("-max_total_time={seconds}"));
    // The build's folder, which need not be the workspace's own.
    let logs = run::target()?.join("fuzz");
    let log = logs.join(format!("{target}.log"));
    let open = || -> std::io::Result<(File, File)> {
        fs::create_dir_all(&logs)?;
        let file = File::create(&log)?;
        Ok((file.try_clone()?, file))
    };
    let (out, err) = open().map_err(|e| format!("{}: {e}", log.display()))?;
    fuzz.stdin(Stdio::null()).stdout(out).stderr(err);
    let child = fuzz.spawn().map_err(|e| process::refused(&fuzz, &e))?;
    Ok((child, log))
}

/// Waits for a target and reports.
fn finish(target: &str, mut child: Child, log: &PathBuf) -> Result {
    let status = child.wait().map_err(|e| format!("cannot wait for {target}: {e}"))?;
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
        println!("{target}: clean, {runs} inputs, peak {peak} MiB");
        return fs::remove_file(log).map_err(|e| format!("{}: {e}", log.display()));
    }
    let tail: Vec<&str> = text.lines().rev().take(60).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    println!("{}", tail.join("\n"));
    Err(format!(
        "fuzz target {target} failed ({status}); the input is named above. Again with it alone:\n  \
         cargo fuzz run --sanitizer none {target} fuzz/artifacts/{target}/INPUT"
    ))
}
