//! Debian packages without installing them: apt with a root of its own for each suite, and packages
//! unpacked into a folder.
//!
//! apt checks signatures (with the host's archive keys) and hashes. Nothing of the system's apt is
//! changed; its proxies and credentials are used. No right of root is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::packages::{self, DEBIAN_KEYRING, DEBIAN_KEYS};
use crate::{Result, process};

/// One suite of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// `trixie`, `bookworm-security`, …
    pub name: &'static str,
    /// The archive that it is in, below the mirror's host: `debian` or `debian-security`.
    pub archive: &'static str,
}

/// apt with a root of its own that knows one suite.
pub struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Opens apt for `suite` below `folder`; its package lists are fetched anew.
    pub fn open(folder: &Path, suite: Suite) -> Result<Self> {
        if process::find("apt-get").is_none() || process::find("dpkg-deb").is_none() {
            return Err("fetching Debian packages needs apt-get and dpkg-deb".into());
        }
        packages::ensure(&[DEBIAN_KEYS])?;
        let apt = Apt { folder: folder.join("apt").join(suite.name) };
        for empty in ["state/lists/partial", "cache/archives/partial"] {
            create_dir(&apt.folder.join(empty))?;
        }
        let source = format!(
            "deb [signed-by={DEBIAN_KEYRING}] {}{} {} main\n",
            mirror(),
            suite.archive,
            suite.name
        );
        write(&apt.folder.join("sources.list"), &source)?;
        write(&apt.folder.join("status"), "")?;
        write(&apt.folder.join("apt.conf"), &apt.configuration()?)?;
        process::output(apt.command("apt-get").args([
            "-q",
            "update",
            "-o",
            "APT::Update::Error-Mode=any",
        ]))?;
        Ok(apt)
    }

    fn configuration(&self) -> Result<String> {
        let folder = self.folder.to_str().ok_or("the target folder's path is not UTF-8")?;
        Ok(format!(
            "Dir::State \"{folder}/state\";\n\
             Dir::State::status \"{folder}/status\";\n\
             Dir::Cache \"{folder}/cache\";\n\
             Dir::Etc::sourcelist \"{folder}/sources.list\";\n\
             Dir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferences \"/dev/null\";\n\
             Dir::Etc::preferencesparts \"/dev/null\";\n\
             APT::Architecture \"amd64\";\n\
             APT::Architectures \"amd64\";\n\
             APT::Sandbox::User \"\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
             Acquire::IndexTargets::deb::CNF::DefaultEnabled \"false\";\n\
             Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\n\
             Acquire::Retries \"3\";\n"
        ))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.folder.join("apt.conf")).env("LC_ALL", "C");
        command
    }

    /// What `package` depends on directly, by name.
    pub fn depends(&self, package: &str) -> Result<Vec<String>> {
        let mut depends = self.command("apt-cache");
        depends.args(["depends", "--important", package]);
        let text = process::output(&mut depends)?;
        let names = text.lines().filter_map(|l| l.trim().strip_prefix("Depends: "));
        Ok(names.map(str::to_owned).collect())
    }

    /// The version of `package` that would be fetched.
    pub fn version(&self, package: &str) -> Result<String> {
        let policy = process::output(self.command("apt-cache").args(["policy", package]))?;
        let candidate = policy.lines().find_map(|l| l.trim().strip_prefix("Candidate: "));
        candidate.map(str::to_owned).ok_or_else(|| format!("Debian has no package {package}"))
    }

    /// Fetches `packages` alone and unpacks them into `into`.
    pub fn unpack(&self, packages: &[String], into: &Path) -> Result {
        let debs = self.folder.join("debs");
        create_dir(&debs)?;
        process::output(
            self.command("apt-get").args(["-q", "download"]).args(packages).current_dir(&debs),
        )?;
        unpack_all(&debs, into)
    }

    /// Fetches `package` with all that it depends on and unpacks them into `into`.
    pub fn unpack_with_dependencies(&self, package: &str, into: &Path) -> Result {
        let mut install = self.command("apt-get");
        install.args(["-q", "install", "--yes", "--download-only", "--no-install-recommends"]);
        process::output(install.arg(package))?;
        unpack_all(&self.folder.join("cache/archives"), into)
    }
}

/// The mirror's host as this machine's apt has it, with a closing slash.
fn mirror() -> String {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
    let uris = process::output(&mut targets).unwrap_or_default();
    let host = uris.lines().find_map(|uri| uri.strip_suffix("debian/"));
    host.unwrap_or("http://deb.debian.org/").to_owned()
}

/// Unpacks every package in `folder` into `into`, and removes it from `folder`. All or nothing: a
/// folder that is there is complete.
fn unpack_all(folder: &Path, into: &Path) -> Result {
    let partial = into.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(|e| format!("{}: {e}", partial.display()))?;
    }
    create_dir(&partial)?;
    let mut found = false;
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for deb in
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "deb"))
    {
        process::output(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(&partial))?;
        fs::remove_file(&deb).map_err(|e| format!("{}: {e}", deb.display()))?;
        found = true;
    }
    if !found {
        return Err(format!("apt-get left no package in {}", folder.display()));
    }
    fs::rename(&partial, into).map_err(|e| format!("{}: {e}", into.display()))
}

fn create_dir(path: &Path) -> Result {
    fs::create_dir_all(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Result {
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
