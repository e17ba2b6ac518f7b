//! `cargo xtask static`: the binary as one file that needs no other, to be copied into any image.

use std::path::PathBuf;

use crate::packages::{self, BUILD};
use crate::{Result, process, run};

/// Rust's target that links everything in, the C library too.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// Builds it and prints its path. `--debug` builds faster, and a slower binary.
pub fn run(args: &[String]) -> Result {
    let release = match args {
        [] => true,
        [only] if only == "--debug" => false,
        _ => return Err("static knows --debug only".into()),
    };
    println!("{}", build(release)?.display());
    Ok(())
}

/// Builds it; where it is.
///
/// # Errors
/// If the target cannot be had or the build fails.
pub fn build(release: bool) -> Result<PathBuf> {
    packages::ensure(&BUILD)?;
    ensure_target()?;
    let mut cargo =
        process::cargo(&["build", "--locked", "--package", "falco", "--target", TARGET]);
    if release {
        cargo.arg("--release");
    }
    process::run(&mut cargo)?;
    let profile = if release { "release" } else { "debug" };
    Ok(run::target()?.join(TARGET).join(profile).join("falco"))
}

/// Builds it for tests, without optimising, which takes long; they do without where the target cannot be
/// had, and say so.
pub fn for_tests(_: &[String]) -> Result {
    match ensure_target() {
        Ok(()) => build(false).map(drop),
        Err(why) => {
            println!("IGNORED: the static binary, and what is tested of it, because {why}");
            Ok(())
        }
    }
}

fn ensure_target() -> Result {
    let installed =
        process::output(&mut process::command("rustup", &["target", "list", "--installed"]));
    if installed.is_ok_and(|list| list.lines().any(|line| line == TARGET)) {
        return Ok(());
    }
    process::run(&mut process::command("rustup", &["target", "add", TARGET]))
        .map_err(|why| format!("{why}\nplease install Rust's standard library for {TARGET}"))
}
