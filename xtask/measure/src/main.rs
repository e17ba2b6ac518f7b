//! Holds the release binary against Falco: the same answers (`conformance`), and how fast
//! (`bench`). Started by `cargo xtask`, which builds the binary and installs what is needed.
//!
//! What it is held against lies in `../shared`, recorded from Falco; without it there is nothing to
//! compare with, which is said and is no failure.
#![allow(clippy::print_stdout)] // What it prints is what it is for.

mod bench;
mod conformance;
mod paths;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((what, rest)) if what == "conformance" => conformance::run(rest),
        Some((what, rest)) if what == "bench" => bench::run(rest),
        _ => Err(anyhow::anyhow!("use `cargo xtask conformance` or `cargo xtask bench`")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why:#}");
            ExitCode::FAILURE
        }
    }
}
