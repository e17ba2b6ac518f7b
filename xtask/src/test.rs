//! `cargo xtask test`: everything that must hold, step by step, and each step as a command.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::packages::{self, BUILD, CLANG, CXX, STRIP};
use crate::process::{self, WORKSPACES};
use crate::{Result, deny, fuzz, measure, portable, runsc, vm};

/// One of the things that must hold.
struct Step {
    /// Also the command that runs it alone.
    name: &'static str,
    run: fn(&[String]) -> Result,
}

/// What fails fast comes first; what takes long comes last.
const STEPS: &[Step] = &[
    Step { name: "fmt", run: fmt },
    Step { name: "clippy", run: clippy },
    Step { name: "doc", run: doc },
    // Tests put it into a container.
    Step { name: "static", run: portable::for_tests },
    Step { name: "unit", run: unit },
    Step { name: "deny", run: deny::run },
    Step { name: "conformance", run: measure::conformance },
    Step { name: "verifier", run: vm::verifier },
    Step { name: "fuzz", run: fuzz::run },
];

/// Runs all steps; stops at the first that fails.
pub fn all(_: &[String]) -> Result {
    packages::ensure(&[CXX, CLANG, STRIP])?;
    let start = Instant::now();
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (n, step) in STEPS.iter().enumerate() {
        println!("\n=== {} ({} of {}) ===", step.name, n + 1, STEPS.len());
        let begin = Instant::now();
        (step.run)(&[]).map_err(|why| {
            let name = step.name;
            format!("{why}\n\nStep `{name}` failed. This step alone:  cargo xtask {name}")
        })?;
        println!("=== {} ok, {:.1} s ===", step.name, begin.elapsed().as_secs_f64());
        times.push((step.name, begin.elapsed()));
    }
    println!();
    for (name, time) in times {
        println!("{name:<12} {:6.1} s", time.as_secs_f64());
    }
    println!("{:<12} {:6.1} s\nAll steps passed.", "all", start.elapsed().as_secs_f64());
    Ok(())
}

/// Formatting is what `cargo fmt` makes.
pub fn fmt(_: &[String]) -> Result {
    for workspace in WORKSPACES {
        // `cargo fmt` reads no lock file, so it does not know `--locked`.
        let manifest = &workspace[..2];
        process::run(process::cargo(&["fmt", "--all", "--check"]).args(manifest))
            .map_err(|why| format!("{why}\nTo format: cargo fmt --all {}", manifest.join(" ")))?;
    }
    Ok(())
}

/// No lint warns, in all targets.
pub fn clippy(_: &[String]) -> Result {
    packages::ensure(&[CXX, CLANG, STRIP])?;
    for workspace in WORKSPACES {
        let mut clippy = process::cargo(&["clippy", "--workspace", "--all-targets"]);
        process::run(clippy.args(workspace).args(["--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// The API documentation builds without a warning.
pub fn doc(_: &[String]) -> Result {
    packages::ensure(&BUILD)?;
    let mut doc = process::cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
    process::run(doc.arg("--document-private-items").env("RUSTDOCFLAGS", "-D warnings"))
}

/// Unit, integration and live tests (as root); the sum of all test programs is the last line.
pub fn unit(args: &[String]) -> Result {
    packages::ensure(&BUILD)?;
    packages::ensure_live()?;
    let mut command = process::cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    command.args(args).stdout(Stdio::piped());
    if let Some(newer) = runsc::newer() {
        command.env(runsc::NEWER, newer);
    }
    let mut child = command.spawn().map_err(|e| process::refused(&command, &e))?;
    let mut sum = Sum::default();
    for line in BufReader::new(child.stdout.take().ok_or("no stdout")?).lines() {
        let line = line.map_err(|e| format!("cannot read what cargo test prints: {e}"))?;
        println!("{line}");
        // A test that runs itself anew prints a result, too: one with the others filtered out.
        if !args.is_empty() || line.contains("; 0 filtered out;") {
            sum.add(&line);
        }
    }
    let status = child.wait().map_err(|e| format!("cannot wait for cargo test: {e}"))?;
    let Sum { passed, failed, ignored } = sum;
    println!("\ntests: {passed} passed, {failed} failed, {ignored} skipped");
    if status.success() { Ok(()) } else { Err("tests failed".into()) }
}

/// Counts over several test programs.
#[derive(Debug, Default, PartialEq)]
struct Sum {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Sum {
    /// Adds the counts of libtest's closing line; other lines are let pass.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        for count in counts.split([';', '.']) {
            let Some((number, what)) = count.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_results_add_up() {
        let mut sum = Sum::default();
        sum.add("running 12 tests");
        sum.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.50s");
        sum.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 10.02s");
        assert_eq!(sum, Sum { passed: 15, failed: 2, ignored: 1 });
    }
}
