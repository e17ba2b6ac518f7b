//! `cargo xtask deny`: what dependencies are allowed to be (`deny.toml`), by cargo-deny.

use crate::process::{self, WORKSPACES};
use crate::{Result, packages};

/// As tried; an installed one of any version is used as it is.
const VERSION: &str = "0.20.2";

/// Checks licences, bans and sources, and advisories if their database can be fetched.
pub fn run(_: &[String]) -> Result {
    packages::ensure_cargo("deny", "cargo-deny", VERSION)?;
    for workspace in WORKSPACES {
        deny(workspace, &["check", "--hide-inclusion-graph", "bans", "licenses", "sources"])?;
    }
    if let Err(why) = process::output(&mut process::cargo(&["deny", "--locked", "fetch", "db"])) {
        println!("advisories: NOT CHECKED, their database cannot be fetched here\n{why}");
        return Ok(());
    }
    for workspace in WORKSPACES {
        deny(workspace, &["check", "--disable-fetch", "advisories"])?;
    }
    Ok(())
}

fn deny(workspace: &[&str], args: &[&str]) -> Result {
    let mut deny = process::cargo(&["deny"]);
    process::run(deny.args(workspace).args(args))
}
