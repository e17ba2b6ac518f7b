//! The stage on which the actor attacks the host.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::actor::{Actor, FAKES, all_installed, dying_with_its_starter, in_namespaces, succeed};
use crate::attack::{Attack, Deed, now};

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

/// Whether the machine has what the stage needs.
///
/// # Errors
/// The first thing that is missing.
pub fn needs() -> Result<(), String> {
    all_installed(PROGRAMS)?;
    if let Some(missing) = DIRECTORIES.iter().find(|path| !Path::new(path).is_dir()) {
        return Err(format!("there is no directory {missing}"));
    }
    match FILES.iter().find(|path| !Path::new(path).is_file()) {
        Some(missing) => Err(format!("there is no file {missing}")),
        None => Ok(()),
    }
}

impl Actor {
    /// Carries out an attack on the host.
    pub fn attack<'a>(&self, attack: &'a Attack) -> Deed<'a> {
        let began = now();
        let mut stage = in_namespaces(&["--pid", "--mount-proc", "--net", "--ipc", "--uts"]);
        stage.args(["sh", "-c", include_str!("stage.sh"), "stage"]);
        stage.arg(self.path()).args([attack.token().as_str(), attack.script]).args(FAKES);
        succeed(&mut in_time(&stage));
        Deed { attack, container_id: "host".into(), sandboxed: false, began, ended: now() }
    }
}

/// The same command, killed when it takes too long.
fn in_time(command: &Command) -> Command {
    let mut limited = dying_with_its_starter();
    limited.args(["timeout", "-s", "KILL", SECONDS]).arg(command.get_program());
    limited.args(command.get_args()).stdin(Stdio::null());
    limited
}
