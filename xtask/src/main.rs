//! `cargo xtask`: every developer command of the project. CI calls nothing else.
//!
//! * [`run`]: watches this machine, or replays the demo; [`mod@test`]: everything that must hold, with each step alone.
//! * [`packages`]: the Debian packages that commands need, installed on demand; [`debian`]: those that
//!   are only unpacked; [`mod@runsc`]: the second of gVisor's builds, which is one of them.
//! * [`measure`]: hands over to the crate `measure`, which holds the binary against Falco.
//! * [`portable`]: the static binary.
//! * [`vm`]: the probe and the live tests on Debian's kernels, under QEMU.
//! * [`fresh_root`]: shows that a machine with nothing but rustup's Rust is enough.
//!
//! This crate has no dependencies: it has to work before anything else does.
#![allow(clippy::print_stdout)] // What it prints is what it is for.

mod debian;
mod deny;
mod fresh_root;
mod fuzz;
mod measure;
mod packages;
mod portable;
mod process;
mod run;
mod runsc;
mod scratch;
mod test;
mod vm;

use std::process::ExitCode;

/// Why a command failed, for a person: what happened and what to do.
type Result<T = ()> = std::result::Result<T, String>;

/// A developer command.
struct Command {
    name: &'static str,
    /// Arguments as the help shows them.
    args: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "run",
        args: "[--demo] [-- FALCO ARGUMENTS]",
        about: "watch this machine with the default rules, or replay the demo capture",
        run: run::run,
    },
    Command {
        name: "test",
        args: "",
        about: "everything below that must hold, as CI runs it",
        run: test::all,
    },
    Command { name: "fmt", args: "", about: "formatting", run: test::fmt },
    Command { name: "clippy", args: "", about: "lints, warnings are errors", run: test::clippy },
    Command { name: "doc", args: "", about: "API documentation builds cleanly", run: test::doc },
    Command {
        name: "deny",
        args: "",
        about: "licences, sources, duplicates and advisories of dependencies (cargo-deny)",
        run: deny::run,
    },
    Command {
        name: "unit",
        args: "[CARGO TEST ARGUMENTS]",
        about: "unit, integration and live tests (live ones as root)",
        run: test::unit,
    },
    Command {
        name: "conformance",
        args: "[alerts|events|fields|filters|rules|probe|all] [CAPTURE] [--verbose]",
        about: "the same answers as Falco on recorded captures and vectors",
        run: measure::conformance,
    },
    Command {
        name: "proto",
        args: "",
        about: "the Rust code of gVisor's messages, from their .proto files (committed)",
        run: proto,
    },
    Command {
        name: "fuzz",
        args: "[TARGET] [--seconds N]",
        about: "fuzz targets, 60 s each",
        run: fuzz::run,
    },
    Command {
        name: "bench",
        args: "replay [CAPTURE] [--rules FILE]... | rules | live [open=N]... [--json FILE] | \
               gvisor [SESSION] | trace [JOB]... [--rounds N] | churn [PROCESSES] | evaluate",
        about: "speed, cost and memory against Falco's; sandboxes; tables under churn; conditions",
        run: measure::bench,
    },
    Command {
        name: "static",
        args: "[--debug]",
        about: "the binary as one file without libraries, for images (falco trace)",
        run: portable::run,
    },
    Command {
        name: "verifier",
        args: "[KERNEL]...",
        about: "the verifiers of Debian's kernels accept the eBPF probe (QEMU)",
        run: vm::verifier,
    },
    Command {
        name: "vm",
        args: "[KERNEL]... [--update] [--run LINE [--with FILE]... | -- TEST NAMES]",
        about: "live tests on kernels under QEMU: 5.10, 6.1, 6.12, 7 (all if none), or the path of one",
        run: vm::run,
    },
    Command {
        name: "fresh-root",
        args: "[--suite NAME] [--test] [--keep]",
        about: "the README's commands in a new Debian root with only rustup's Rust",
        run: fresh_root::run,
    },
];

/// Writes `backends/gvisor/src/proto` anew.
fn proto(_: &[String]) -> Result {
    packages::ensure(&packages::BUILD)?;
    process::run(&mut process::cargo(&["run", "--quiet", "--locked", "--package", "proto"]))
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    let Some(command) = COMMANDS.iter().find(|c| c.name == name) else {
        help();
        let asked = matches!(name.as_str(), "" | "help" | "-h" | "--help");
        if !asked {
            eprintln!("\nerror: no command `{name}`");
        }
        return if asked { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    };
    match (command.run)(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn help() {
    eprintln!("cargo xtask COMMAND\n");
    for c in COMMANDS {
        eprintln!("  {} {}\n      {}", c.name, c.args, c.about);
    }
}
