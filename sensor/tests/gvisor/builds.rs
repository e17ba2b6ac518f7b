//! The builds of runsc that tests watch.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A build of runsc on one of its platforms.
#[derive(Clone, Debug)]
pub struct Build {
    pub program: PathBuf,
    /// How system calls of a sandbox reach its kernel.
    pub platform: &'static str,
}

/// Each as its name, the year of its release, and its platform.
const BUILDS: &[(&str, &str, &str)] = &[
    ("2022-ptrace", "2022", "ptrace"),
    ("2024-ptrace", "2024", "ptrace"),
    ("2024-systrap", "2024", "systrap"),
];

impl Build {
    /// The build of this name: the year of its release and the platform, `2024-systrap`.
    ///
    /// # Errors
    /// Why it is not at hand, and how to have it.
    pub fn get(name: &str) -> Result<Self, String> {
        let known = BUILDS.iter().find(|(known, ..)| *known == name);
        let &(_, year, platform) = known.unwrap_or_else(|| panic!("no build {name}"));
        let mut candidates =
            [given(year), Some(fetched(year))].into_iter().flatten().chain(on_path());
        match candidates.find(|program| is_of(program, year)) {
            Some(program) => Ok(Build { program, platform }),
            None => Err(format!(
                "there is no runsc of {year} (`cargo xtask unit` has it; or set FALCO_RUNSC_{year})"
            )),
        }
    }
}

/// The one that the environment names.
fn given(year: &str) -> Option<PathBuf> {
    Some(std::env::var_os(format!("FALCO_RUNSC_{year}"))?.into())
}

/// Where `cargo xtask unit` puts it: in the target folder of this very program.
fn fetched(year: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap();
    target.join("runsc").join(year).join("usr/bin/runsc")
}

/// Every runsc on the path.
fn on_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join("runsc")).collect()
}

/// `runsc version 0.0~20221219.0` and `runsc version release-20240729.0` are.
fn is_of(program: &Path, year: &str) -> bool {
    let Ok(output) = Command::new(program).arg("--version").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.lines().next().unwrap_or_default().split(|c: char| !c.is_ascii_digit());
    numbers.into_iter().any(|number| number.len() == 8 && number.starts_with(year))
}
