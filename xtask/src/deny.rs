//! `cargo xtask deny`: what dependencies are allowed to be (`deny.toml`), by cargo-deny.

use crate::Result;
use crate::process;

/// As tried; an installed one of any version is used as it is.
const VERSION: &str = "0.20.2";

/// Checks licences, bans and sources, and advisories if their database can be fetched.
pub fn run(_: &[String]) -> Result {
    install("deny", "cargo-deny", VERSION)?;
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        println!("{manifest}: bans, licences, sources");
        deny(manifest, &["check", "--hide-inclusion-graph", "bans", "licenses", "sources"])?;
    }
    if let Err(why) = process::output(&mut process::cargo(&["deny", "--locked", "fetch", "db"])) {
        println!("advisories: NOT CHECKED, their database cannot be fetched here\n{why}");
        return Ok(());
    }
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        println!("{manifest}: advisories");
        deny(manifest, &["check", "--disable-fetch", "advisories"])?;
    }
    Ok(())
}

fn deny(manifest: &str, args: &[&str]) -> Result {
    let mut deny = process::cargo(&["deny", "--locked", "--manifest-path", manifest]);
    process::run(deny.args(args))
}

/// Sees to it that `cargo SUBCOMMAND` is there: builds its crate if not.
pub fn install(subcommand: &str, name: &str, version: &str) -> Result {
    if process::output(&mut process::cargo(&[subcommand, "--version"])).is_ok() {
        return Ok(());
    }
    println!("installing {name} {version} (once)");
    let mut install = process::cargo(&["install", "--quiet", "--locked", name]);
    // Its build takes longer than its runs: do not optimise.
    process::run(install.args(["--version", version]).env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"))
}
