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

/// The compiled actor.
pub struct Actor {
    dir: tempfile::TempDir,
}

impl Actor {
    /// Compiles it: statically, so that it also runs where there is no other file.
    pub fn compile() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/actor.c");
        let mut cc = Command::new("cc");
        cc.args([
            "-static",
            "-O1",
            "-pthread",
            "-Wall",
            "-Wextra",
            "-Wno-unused-parameter",
            "-Werror",
        ]);
        cc.arg("-o").arg(dir.path().join("actor")).arg(source);
        succeed(&mut cc);
        Actor { dir }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("actor")
    }

    /// Carries out an attack on the host.
    pub fn attack<'a>(&self, attack: &'a Attack) -> Deed<'a> {
        let began = now();
        let mut stage = in_namespaces(&["--pid", "--mount-proc", "--net", "--ipc", "--uts"]);
        stage.args(["sh", "-c", include_str!("stage.sh"), "stage"]);
        stage.arg(self.path()).args([attack.token().as_str(), attack.script]).args(FAKES);
        succeed(&mut stage);
        Deed { attack, container_id: "host".into(), began, ended: now() }
    }
}

/// A command in new namespaces, without a terminal, which ends in time, and all of whose processes
/// die with the thread that starts it. A mount namespace is always among them.
pub fn in_namespaces(kinds: &[&str]) -> Command {
    let mut command = dying_with_its_starter();
    command.args(["timeout", "-s", "KILL", SECONDS, "setsid", "unshare", "--fork", "--kill-child"]);
    command.args(["--mount", "--propagation", "private"]).args(kinds).arg("--");
    command.stdin(Stdio::null());
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
