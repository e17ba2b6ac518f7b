//! The `falco` binary. Everything is in the library, so that tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    falco::run(std::env::args_os().collect())
}
