//! The actor, compiled: one program that does what an intruder's tools do (`actor.c`). And what tests
//! with attacks need to run programs.

// Every test program is a crate of its own and uses only a part of this.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The names under which there are copies of the actor.
pub const FAKES: &[&str] = &[
    "auditctl", "chisel", "crontab", "curl", "dd", "debugfs", "kubectl", "linpeas", "mkfs",
    "mysqld", "nc", "ncat", "nginx", "nmap", "nsenter", "pkexec", "postgres", "reboot", "rm",
    "scp", "setcap", "shred", "sleep", "ssh", "sshd", "sudo", "sudoedit", "touch", "useradd",
    "vim", "xmrig", "apt", "zsh", ".hidden",
];

/// The compiled actor.
pub struct Actor {
    path: PathBuf,
    _dir: Option<tempfile::TempDir>,
}

impl Actor {
    /// Compiles it: statically, so that it also runs where there is no other file. A machine
    /// without a compiler is given one (FALCO_LIVE_ACTOR).
    ///
    /// # Errors
    /// If there is no compiler.
    pub fn compile() -> Result<Self, String> {
        if let Some(path) = std::env::var_os("FALCO_LIVE_ACTOR") {
            return Ok(Actor { path: path.into(), _dir: None });
        }
        all_installed(&["cc"])?;
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("actor");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/actor.c");
        let mut cc = Command::new("cc");
        cc.args(["-static", "-O1", "-pthread", "-Wall", "-Wextra", "-Wno-unused-parameter", "-o"]);
        succeed(cc.arg(&path).arg(source));
        Ok(Actor { path, _dir: Some(dir) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A command that is killed when the thread that started it ends, however it ends.
pub fn dying_with_its_starter() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    command
}

/// A command in new namespaces, a mount namespace always among them, without a terminal. All of its
/// processes die with the thread that starts it, and with the first of them.
pub fn in_namespaces(kinds: &[&str]) -> Command {
    let mut command = dying_with_its_starter();
    command.args(["setsid", "unshare", "--fork", "--kill-child", "--mount"]);
    command.args(["--propagation", "private"]).args(kinds).arg("--").stdin(Stdio::null());
    command
}

/// Runs a command that must end well.
#[track_caller]
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{command:?}\n{stderr}", output.status);
    output
}

/// A program of this name on the path.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Whether all these programs are on the path.
///
/// # Errors
/// The first that is not.
pub fn all_installed(programs: &[&str]) -> Result<(), String> {
    match programs.iter().find(|program| !is_installed(program)) {
        Some(missing) => Err(format!("{missing} is not installed")),
        None => Ok(()),
    }
}
