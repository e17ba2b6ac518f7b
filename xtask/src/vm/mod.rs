//! `cargo xtask vm KERNEL…`: boots kernels under QEMU and runs the live tests on each.
//!
//! * [`kernel`]: which kernels there are, fetched by [`debian`](crate::debian).
//! * [`image`]: the guest's files; [`payload`]: what runs in it.
//! * [`qemu`]: the virtual machine, and what it reports. Its first process is `vm-tests/init`.
//!
//! Everything that is fetched is kept in `target/vm`.

mod image;
mod kernel;
mod payload;
mod qemu;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::scratch::Scratch;
use crate::{Result, run};
use kernel::{Kernel, SERIES};
use payload::{Payload, Step};
use qemu::{End, Qemu, Report};

/// How many guests load programs at once: what they do is the work of one core each.
const AT_ONCE: usize = 2;

/// Boots each kernel that `args` name (all if none) and runs the live tests: with words after `--`
/// those alone whose name contains one of them; with `--run LINE` a line of one's own instead, for
/// which files come along that `--with PATH` names.
pub fn run(args: &[String]) -> Result {
    let options = Options::parse(args)?;
    let cache = cache()?;
    if options.update && cache.is_dir() {
        fs::remove_dir_all(&cache).map_err(|e| format!("{}: {e}", cache.display()))?;
    }
    let (failed, missing) = each(&options.kernels, &options.what, 1)?;
    match [failed, missing].concat() {
        none if none.is_empty() => Ok(()),
        some => Err(format!("failed on kernel {}", some.join(", "))),
    }
}

/// The verifiers of all kernels (or those that `args` name) accept the probe. A kernel that cannot
/// be had is no failure: archives let go of old ones.
pub fn verifier(args: &[String]) -> Result {
    let kernels = Options::parse(args)?.kernels;
    let (failed, missing) = each(&kernels, &What::Verifier, AT_ONCE)?;
    for name in &missing {
        println!("IGNORED: kernel {name}, because it cannot be downloaded (see above)");
    }
    if !failed.is_empty() {
        return Err(format!("failed on kernel {}", failed.join(", ")));
    }
    if missing.len() == kernels.len() {
        return Err("not one kernel could be downloaded".into());
    }
    Ok(())
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
    /// The verifier's answer to every program.
    Verifier,
    /// The live tests that have one of these words in their name; all if there is none, and the
    /// verifier's answer to every program.
    Tests(Vec<String>),
    /// A line for the shell, and files of this machine that it needs, libraries aside.
    Line(String, Vec<PathBuf>),
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options =
            Options { kernels: Vec::new(), what: What::Tests(Vec::new()), update: false };
        let mut files = Vec::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--update" => options.update = true,
                "--run" => {
                    let line = args.next().ok_or("--run wants a line for the shell")?;
                    options.what = What::Line(line.clone(), Vec::new());
                }
                "--with" => files.push(args.next().ok_or("--with wants a path")?.into()),
                "--" => options.what = What::Tests(args.by_ref().cloned().collect()),
                flag if flag.starts_with('-') => return Err(format!("vm does not know {flag}")),
                kernel => options.kernels.push(kernel.to_owned()),
            }
        }
        if let What::Line(_, with) = &mut options.what {
            *with = files;
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

/// What came of a kernel.
struct Outcome<'a> {
    name: &'a str,
    /// Its exact version, if it came to tell.
    release: String,
    seconds: f64,
    /// In a line what went wrong.
    result: Result,
    /// Whether it could not even be had.
    is_missing: bool,
}

/// Runs `what` on the kernels, `at_once` at a time, and sums up: on which it failed, and which could
/// not be had.
fn each(kernels: &[String], what: &What, at_once: usize) -> Result<(Vec<String>, Vec<String>)> {
    let cache = cache()?;
    let scratch = Scratch::new(cache.join(format!("run-{}", std::process::id())))?;
    let payload = Payload::make(what, scratch.path())?;
    let qemu = Qemu::get(&cache)?;
    // One after the other: several that fetch would be in each other's way.
    let found: Vec<_> = kernels.iter().map(|name| (name, Kernel::get(name, &cache))).collect();

    let mut outcomes = Vec::new();
    for some in found.chunks(at_once) {
        std::thread::scope(|scope| {
            let run = |(name, kernel)| one(name, kernel, &qemu, &payload, scratch.path());
            let running: Vec<_> =
                some.iter().map(|(n, k)| scope.spawn(move || run((n, k)))).collect();
            outcomes.extend(running.into_iter().map(|thread| thread.join()));
        });
    }
    let outcomes = outcomes.into_iter().collect::<std::thread::Result<Vec<Outcome<'_>>>>();
    let outcomes = outcomes.map_err(|_| "a thread of xtask panicked")?;

    println!();
    for Outcome { name, release, seconds, result, .. } in &outcomes {
        let verdict = match result {
            Ok(()) => "ok",
            Err(why) => &format!("FAILED: {why}"),
        };
        println!("{name:<6} {release:<30} {seconds:6.1} s  {verdict}");
    }
    let named = |which: &dyn Fn(&Outcome<'_>) -> bool| {
        outcomes.iter().filter(|o| which(o)).map(|o| o.name.to_owned()).collect()
    };
    Ok((named(&|o| o.result.is_err() && !o.is_missing), named(&|o| o.is_missing)))
}

/// Runs `payload` on a kernel.
fn one<'a>(
    name: &'a str,
    kernel: &Result<Kernel>,
    qemu: &Qemu,
    payload: &Payload,
    scratch: &Path,
) -> Outcome<'a> {
    let mut outcome =
        Outcome { name, release: String::new(), seconds: 0.0, result: Ok(()), is_missing: false };
    let begin = Instant::now();
    let kernel = match kernel {
        Ok(kernel) => kernel,
        Err(why) => return Outcome { result: Err(why.clone()), is_missing: true, ..outcome },
    };
    // The guest ends a step that takes too long; this is for a guest that does not.
    let limit = payload.steps.iter().map(|s| s.limit).sum::<Duration>() + Duration::from_secs(30);
    let initrd = scratch.join(name.replace(['/', '.'], "_"));
    let report = payload.write(kernel, &initrd).and_then(|()| qemu.boot(kernel, &initrd, limit));
    outcome.seconds = begin.elapsed().as_secs_f64();
    match report {
        Ok(report) => {
            outcome.result = judge(name, &report, &payload.steps);
            outcome.release = report.release;
        }
        Err(why) => {
            println!("{name} | {why}");
            outcome.result = Err(why.lines().next().unwrap_or_default().to_owned());
        }
    }
    outcome
}

/// Tells how the steps ended; in a line those that did not end well.
fn judge(name: &str, report: &Report, steps: &[Step]) -> Result {
    let Report { release, version, boot, .. } = report;
    println!("{name} | {release} ({version}), first step after {boot:.1} s");
    let mut wrong = Vec::new();
    for (step, (end, seconds)) in steps.iter().zip(&report.steps) {
        let word = match end {
            End::Code(0) => "ok".to_owned(),
            End::Code(code) => format!("exit code {code}"),
            End::Other(how) => how.clone(),
        };
        println!("{name} | {:<40} {seconds:6.1} s  {word}", step.name);
        if *end != End::Code(0) {
            wrong.push(format!("{}: {word}", step.name));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}
