//! The actor, compiled, and the stage on which it attacks the host.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::attack::{Attack, Deed, now};
use crate::sensor::dying_with_its_starter;

/// The names under which there are copies of the actor.
pub const FAKES: &[&str] = &[
    "auditctl", "chisel", "crontab", "curl", "dd", "debugfs", "kubectl", "linpeas", "mkfs",
    "mysqld", "nc", "ncat", "nginx", "nmap", "nsenter", "pkexec", "postgres", "reboot", "rm",
    "scp", "setcap", "shred", "sleep", "ssh", "sshd", "sudo", "sudoedit", "touch", "useradd",
    "vim", "xmrig", "apt", "zsh", ".hidden",
];

/// How long an attack may take.
const SECONDS: &str = "60";

/// What the stage and its attacks need of the machine, of which every Debian has all.
const PROGRAMS: &[&str] = &[
    "base64", "cat", "chmod", "cp", "dd", "env", "find", "grep", "head", "id", "ln", "mkdir",
    "mount", "mv", "rm", "setpriv", "setsid", "sh", "shred", "tee", "timeout", "unshare",
];
const DIRECTORIES: &[&str] = &[
    "/boot",
    "/etc",
    "/home",
    "/opt",
    "/root",
    "/srv",
    "/tmp",
    "/usr/libexec",
    "/usr/local",
    "/var/log",
    "/var/spool",
    "/var/tmp",
];
/// What sensors under test see copies of their own of.
const FILES: &[&str] = &["/etc/hosts", "/etc/nsswitch.conf"];

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
    /// What is missing for the actor and its stage.
    pub fn compile() -> Result<Self, String> {
        if let Some(missing) = PROGRAMS.iter().find(|name| !is_installed(name)) {
            return Err(format!("{missing} is not installed"));
        }
        if let Some(missing) = DIRECTORIES.iter().find(|path| !Path::new(path).is_dir()) {
            return Err(format!("there is no directory {missing}"));
        }
        if let Some(missing) = FILES.iter().find(|path| !Path::new(path).is_file()) {
            return Err(format!("there is no file {missing}"));
        }
        if let Some(path) = std::env::var_os("FALCO_LIVE_ACTOR") {
            return Ok(Actor { path: path.into(), _dir: None });
        }
        if !is_installed("cc") {
            return Err("cc is not installed".into());
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("actor");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/actor.c");
        let mut cc = Command::new("cc");
        cc.args(["-static", "-O1", "-pthread", "-Wall", "-Wextra", "-Wno-unused-parameter", "-o"]);
        succeed(cc.arg(&path).arg(source));
        Ok(Actor { path, _dir: Some(dir) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Carries out an attack on the host.
    pub fn attack<'a>(&self, attack: &'a Attack) -> Deed<'a> {
        let began = now();
        let mut stage = in_namespaces(&["--pid", "--mount-proc", "--net", "--ipc", "--uts"]);
        stage.args(["sh", "-c", include_str!("stage.sh"), "stage"]);
        stage.arg(self.path()).args([attack.token().as_str(), attack.script]).args(FAKES);
        succeed(&mut in_time(&stage));
        Deed { attack, container_id: "host".into(), began, ended: now() }
    }
}

/// A command in new namespaces, a mount namespace always among them, without a terminal. All of its
/// processes die with the thread that starts it, and with the first of them.
pub fn in_namespaces(kinds: &[&str]) -> Command {
    let mut command = dying_with_its_starter();
    command.args(["setsid", "unshare", "--fork", "--kill-child", "--mount"]);
    command.args(["--propagation", "private"]).args(kinds).arg("--").stdin(Stdio::null());
    command
}

/// The same command, killed when it takes too long.
fn in_time(command: &Command) -> Command {
    let mut limited = dying_with_its_starter();
    limited.args(["timeout", "-s", "KILL", SECONDS]).arg(command.get_program());
    limited.args(command.get_args()).stdin(Stdio::null());
    limited
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
