//! `cargo xtask vm KERNEL…`: boots kernels under QEMU and runs the live tests on each.
//!
//! * [`kernel`]: which kernels there are; [`debian`]: how they are fetched.
//! * [`image`]: the guest's files; [`payload`]: what runs in it.
//! * [`qemu`]: the virtual machine, and what it reports. Its first process is `vm-tests/init`.
//!
//! Everything that is fetched is kept in `target/vm`.

mod debian;
mod image;
mod kernel;
mod payload;
mod qemu;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::Result;
use crate::run;
use kernel::{Kernel, SERIES};
use payload::{Payload, Step};
use qemu::{End, Qemu};

/// Boots each kernel that `args` name (all if none) and runs the payload: the live tests, those
/// alone whose name contains an argument after `--`, or, with `--run`, a command of one's own.
pub fn run(args: &[String]) -> Result {
    let options = Options::parse(args)?;
    let cache = cache()?;
    if options.update && cache.is_dir() {
        fs::remove_dir_all(&cache).map_err(|e| format!("{}: {e}", cache.display()))?;
    }
    let payload = Payload::make(&options.what, &cache)?;
    each(&options.kernels, &payload)
}

/// What the command line asks for.
#[derive(Debug, PartialEq)]
struct Options {
    kernels: Vec<String>,
    what: What,
    update: bool,
}

/// What to run in the guest.
#[derive(Debug, PartialEq)]
pub enum What {
    /// The verifier's answer to every program, and the live tests that have one of these words in
    /// their name, or all.
    Tests(Vec<String>),
    /// A line for the shell.
    Line(String),
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options =
            Options { kernels: Vec::new(), what: What::Tests(Vec::new()), update: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--update" => options.update = true,
                "--run" => {
                    let line = args.next().ok_or("--run wants a line for the shell")?;
                    options.what = What::Line(line.clone());
                }
                "--" => options.what = What::Tests(args.by_ref().cloned().collect()),
                flag if flag.starts_with('-') => return Err(format!("vm does not know {flag}")),
                kernel => options.kernels.push(kernel.to_owned()),
            }
        }
        if options.kernels.is_empty() {
            options.kernels = SERIES.map(|s| s.name.to_owned()).to_vec();
        }
        Ok(options)
    }
}

/// Where what was fetched is kept.
fn cache() -> Result<PathBuf> {
    Ok(run::target()?.join("vm"))
}

/// Runs `payload` on one kernel after the other and sums up.
fn each(kernels: &[String], payload: &Payload) -> Result {
    let cache = cache()?;
    let qemu = Qemu::get(&cache)?;
    let mut table = Vec::new();
    let mut failed = Vec::new();
    for name in kernels {
        println!("\n--- kernel {name}");
        let begin = Instant::now();
        let result = Kernel::get(name, &cache).and_then(|kernel| one(&qemu, &kernel, payload));
        let seconds = begin.elapsed().as_secs_f64();
        match result {
            Ok((release, verdict)) => {
                if let Verdict::Failed(_) = verdict {
                    failed.push(name.as_str());
                }
                table.push(format!("{name:<6} {release:<30} {seconds:6.1} s  {verdict}"));
            }
            Err(why) => {
                println!("{why}");
                failed.push(name);
                let first = why.lines().next().unwrap_or_default();
                table.push(format!("{name:<6} {:<30} {seconds:6.1} s  FAILED: {first}", ""));
            }
        }
    }
    println!("\n{}", table.join("\n"));
    if failed.is_empty() { Ok(()) } else { Err(format!("failed on {}", failed.join(", "))) }
}

/// What came of the payload on one kernel.
enum Verdict {
    Passed(usize),
    Failed(Vec<String>),
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Verdict::Passed(steps) => write!(f, "ok ({steps} steps)"),
            Verdict::Failed(steps) => write!(f, "FAILED: {}", steps.join("; ")),
        }
    }
}

fn one(qemu: &Qemu, kernel: &Kernel, payload: &Payload) -> Result<(String, Verdict)> {
    let scratch = run::target()?.join("vm").join(format!("boot-{}", std::process::id()));
    fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let result = payload.image(kernel, &scratch).and_then(|initrd| {
        // The guest ends a step that takes too long; this is for a guest that does not.
        let limit: Duration = payload.steps.iter().map(|s| s.limit).sum();
        qemu.boot(kernel, &initrd, limit + Duration::from_secs(30))
    });
    // A folder left behind is found again: it lies in the target folder.
    let _ = fs::remove_dir_all(&scratch);
    let report = result?;
    println!("{} ({}), first step after {:.1} s", report.release, report.version, report.boot);
    let mut wrong = Vec::new();
    for (Step { name, .. }, (end, seconds)) in payload.steps.iter().zip(&report.steps) {
        let word = match end {
            End::Code(0) => "ok".to_owned(),
            End::Code(code) => format!("exit code {code}"),
            End::Other(how) => how.clone(),
        };
        println!("{name:<40} {seconds:6.1} s  {word}");
        if *end != End::Code(0) {
            wrong.push(format!("{name}: {word}"));
        }
    }
    let verdict = match wrong.is_empty() {
        true => Verdict::Passed(report.steps.len()),
        false => Verdict::Failed(wrong),
    };
    Ok((report.release, verdict))
}
