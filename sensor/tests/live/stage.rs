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
