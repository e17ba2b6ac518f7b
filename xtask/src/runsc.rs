//! The second build of gVisor that tests watch.
//!
//! Debian 12's own package is of 2022; its backports have the build of 2024, which is also that of
//! Debian 13 and later. It is unpacked in `target/runsc/2024`, beside the installed one and on no PATH.

use std::path::PathBuf;

use crate::debian::{Apt, Suite};
use crate::{Result, packages, process, run};

/// The environment variable that tells tests where the program is. Without it they look where
/// [`newer`] puts it.
pub const NEWER: &str = "FALCO_RUNSC_2024";

/// Where the build of 2024 comes from.
const SUITE: Suite = Suite { name: "bookworm-backports", archive: "debian" };

/// The program of 2024, fetched unless it is there; none, loudly, where live tests cannot run or it
/// cannot be had: archives let go of old suites.
pub fn newer() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os(NEWER) {
        return Some(given.into());
    }
    if !packages::is_root() || process::find("apt-get").is_none() {
        return None;
    }
    fetched().inspect_err(|why| println!("IGNORED: runsc of 2024, because {why}")).ok()
}

fn fetched() -> Result<PathBuf> {
    let cache = run::target()?.join("runsc");
    let folder = cache.join("2024");
    if !folder.is_dir() {
        println!("fetching runsc of 2024");
        Apt::open(&cache, SUITE)?.unpack(&["runsc".to_owned()], &folder)?;
    }
    let program = folder.join("usr/bin/runsc");
    match program.is_file() {
        true => Ok(program),
        false => {
            Err(format!("{} is not there; remove that folder to have it again", program.display()))
        }
    }
}
