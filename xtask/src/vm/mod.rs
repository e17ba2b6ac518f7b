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
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::scratch::Scratch;
use crate::{Result, run};
use kernel::{Kernel, SERIES};
use payload::{Payload, Step};
use qemu::{End, Qemu};

/// Boots each kernel that `args` name (all if none) and runs the live tests: with words after `--`
/// those alone whose name contains one of them; with `--run LINE` a line of one's own instead, for
/// which files come along that `--with PATH` names.
pub fn run(args: &[String]) -> Result {
    let options = Options::parse(args)?;
    let cache = cache()?;
    if options.update && cache.is_dir() {
        fs::remove_dir_all(&cache).map_err(|e| format!("{}: {e}", cache.display()))?;
    }
    let (failed, missing) = each(&options.kernels, &options.what)?;
    match [failed, missing].concat() {
        none if none.is_empty() => Ok(()),
        some => Err(format!("failed on kernel {}", some.join(", "))),
    }
}

/// The verifiers of all kernels (or those that `args` name) accept the probe. A kernel that cannot
/// be had is no failure: archives let go of old ones.
pub fn verifier(args: &[String]) -> Result {
    let kernels = Options::parse(args)?.kernels;
    let (failed, missing) = each(&kernels, &What::Verifier)?;
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

/// Runs `what` on one kernel after the other and sums up: on which it failed, and which could not be
/// had.
fn each(kernels: &[String], what: &What) -> Result<(Vec<String>, Vec<String>)> {
    let cache = cache()?;
    let scratch = Scratch::new(cache.join(format!("run-{}", std::process::id())))?;
    let payload = Payload::make(what, scratch.path())?;
    let qemu = Qemu::get(&cache)?;
    let (mut failed, mut missing, mut table) = (Vec::new(), Vec::new(), Vec::new());
    for name in kernels {
        println!("\n--- kernel {name}");
        let begin = Instant::now();
        let (release, result) = match Kernel::get(name, &cache) {
            Ok(kernel) => {
                let (release, result) = one(&qemu, &kernel, &payload, scratch.path());
                if result.is_err() {
                    failed.push(name.clone());
                }
                (release, result)
            }
            Err(why) => {
                println!("{why}");
                missing.push(name.clone());
                (String::new(), Err("not to be had".to_owned()))
            }
        };
        let seconds = begin.elapsed().as_secs_f64();
        let verdict = result.map_or_else(|why| format!("FAILED: {why}"), |()| "ok".to_owned());
        table.push(format!("{name:<6} {release:<30} {seconds:6.1} s  {verdict}"));
    }
    println!("\n{}", table.join("\n"));
    Ok((failed, missing))
}

/// Runs `payload` on `kernel`: its exact version, and in a line what went wrong.
fn one(qemu: &Qemu, kernel: &Kernel, payload: &Payload, scratch: &Path) -> (String, Result) {
    // The guest ends a step that takes too long; this is for a guest that does not.
    let limit: Duration = payload.steps.iter().map(|s| s.limit).sum();
    let limit = limit + Duration::from_secs(30);
    let booted =
        payload.image(kernel, scratch).and_then(|initrd| qemu.boot(kernel, &initrd, limit));
    let report = match booted {
        Ok(report) => report,
        Err(why) => {
            println!("{why}");
            return (String::new(), Err(why.lines().next().unwrap_or_default().to_owned()));
        }
    };
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
    let result = if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) };
    (report.release, result)
}
