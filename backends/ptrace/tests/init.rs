//! The first process of a pid namespace reaps, passes signals on, and ends as its child does. A program
//! of its own, since tests of the usual kind run on threads, and a first process starts without.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::ffi::OsString;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use falco_ptrace::memory::Memory;
use falco_ptrace::plan::Plan;
use falco_ptrace::stop::{Birth, End, Exec, Hooks, Stop, Until};
use falco_ptrace::tracer::{Settings, Taken, Tree};
use falco_ptrace::{OnDeath, init};
use falco_source::events::Events;

/// Set for the copy of this program that is the first process.
const ROLE: &str = "FALCO_PTRACE_TEST_FIRST";

struct Nothing;

impl Hooks for Nothing {
    fn attached(&mut self, _: i64, _: i64, _: &mut Events) {}

    fn enter(&mut self, _: &Stop, _: &Memory, _: &mut Events) -> Until {
        Until::Next
    }

    fn exit(&mut self, _: &Stop, _: &Memory, _: &mut Events) {}

    fn born(&mut self, _: &Birth, _: &Memory, _: &mut Events) {}

    fn executed(&mut self, _: &Exec, _: &Memory, _: &mut Events) {}

    fn ended(&mut self, _: &End, _: &mut Events) {}
}

/// Traces a shell command, and ends as it does.
fn run_first(shell: OsString) -> ! {
    init::become_init().unwrap();
    assert_ne!(std::process::id(), 1);
    let argv = ["/bin/sh".into(), "-c".into(), shell];
    let command = falco_ptrace::Command::new(&argv).unwrap();
    let settings = Settings {
        on_death: OnDeath::Kill,
        seccomp: true,
        no_new_privs: true,
        pin: false,
        queue_bytes: 1 << 20,
    };
    let tree = Tree::spawn(&command, settings, Plan::new(), Nothing).unwrap();
    tree.begin().unwrap();
    let mut events = Events::new();
    while tree.take(&mut events, Duration::from_millis(5)) != Taken::End && tree.status().is_none()
    {
    }
    let status = ExitStatus::from_raw(tree.status().unwrap());
    // As the first process, it ends the namespace with its command.
    std::process::exit(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
}

/// Runs a shell command in a pid namespace of its own, with a copy of this program as the first process.
fn in_a_namespace(shell: &str) -> Option<i32> {
    let how = if rustix::process::geteuid().is_root() { "-pf" } else { "-Urpf" };
    let mut unshare = Command::new("timeout");
    unshare.args(["-s", "KILL", "60", "unshare", how, "--kill-child", "--mount-proc", "--"]);
    unshare.arg(std::env::current_exe().unwrap()).env(ROLE, shell).process_group(0);
    unshare.status().unwrap().code()
}

fn main() {
    if let Some(shell) = std::env::var_os(ROLE) {
        run_first(shell);
    }
    let probe = Command::new("unshare").args(["-Urpf", "--mount-proc", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        println!("ignored: pid namespaces are not to be had here");
        return;
    }
    let expected = [
        // The command is no first process, and its code is passed on.
        (r#"[ $$ != 1 ] && exit 7"#, 7),
        // The end of a command by a signal is told as shells do.
        ("kill -KILL $$", 128 + 9),
        // Signals to the first process reach its child, which here dies of them, and the tree with it.
        ("kill -TERM 1; sleep 30", 128 + 15),
        // What loses its parent is reaped: nothing is left as a zombie.
        (
            r#"for i in 1 2 3 4 5 6 7 8; do (sh -c 'sleep 0.02; true' & true); done; sleep 0.3
               if grep -l '^State:.*zombie' /proc/[0-9]*/status; then exit 1; fi; exit 4"#,
            4,
        ),
        // With the command ends what it left behind.
        ("sleep 100 & exit 5", 5),
    ];
    for (shell, code) in expected {
        assert_eq!(in_a_namespace(shell), Some(code), "{shell}");
        println!("ok: {shell}");
    }
}
