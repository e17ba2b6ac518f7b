//! Watching the running kernel: reload without a gap, the alert about drops, `falco doctor`, and the
//! least privilege that suffices. What attacks raise, and how a watch ends, is in `live`.
//!
//! Needs root, a kernel with BTF, and `setcap` for file capabilities; says so and passes where one of
//! them is missing. `FALCO_LIVE_TESTS=off` passes over all of it.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/watching.rs"]
mod watching;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::{falco, live};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use watching::Watching;

/// The user `nobody`.
const NOBODY: u32 = 65_534;
/// Everything that a sensor can use.
const CAPABILITIES: &str = "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search";
/// Only the system calls of the rules and those without which files have no names, so that the rest
/// of the machine does not matter.
const FEW_CALLS: [&str; 2] = ["-o", "base_syscalls.custom_set[]=close"];
/// Large rings, since a debug build does not keep up with a busy machine.
const LARGE_RINGS: [&str; 2] = ["-o", "engine.modern_ebpf.buf_size_preset=8"];

/// A directory that anyone may read, with a folder for files that the rule is about.
struct Desk {
    dir: TempDir,
    rules: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("watched")).unwrap();
        let desk = Desk { rules: dir.path().join("rules.yaml"), dir };
        desk.write_rule("Watched file", "fd.num >= 0");
        desk
    }

    fn watched(&self) -> PathBuf {
        self.dir.path().join("watched")
    }

    fn write_rule(&self, name: &str, condition: &str) {
        let watched = self.watched();
        let text = format!(
            "- rule: {name}\n  desc: A file is opened\n  priority: NOTICE\n  \
             condition: evt.type in (open, openat, creat) and {condition} and fd.name startswith {}/\n  \
             output: {name} opened (file=%fd.name by=%proc.exepath cwd=%proc.cwd)\n",
            watched.display()
        );
        fs::write(&self.rules, text).unwrap();
    }

    /// A sensor that watches.
    fn watch(&self, program: Command, more: &[&str]) -> Watching {
        let mut program = program;
        program
            .args(FEW_CALLS)
            .args(LARGE_RINGS)
            .args(["-v", "-o", "log_stderr=true", "-r"])
            .arg(&self.rules)
            .args(more);
        Watching::start(&mut program, "Attached: ")
    }

    /// The binary with these file capabilities, started as nobody; none if there is no `setcap`.
    fn as_nobody(&self, capabilities: &str) -> Option<Command> {
        let binary = self.dir.path().join("falco");
        fs::copy(env!("CARGO_BIN_EXE_falco"), &binary).unwrap();
        if !capabilities.is_empty() {
            let set =
                Command::new("setcap").arg(format!("{capabilities}=ep")).arg(&binary).status();
            if set.is_err() {
                eprintln!("IGNORED: least privilege because there is no setcap (libcap2-bin)");
                return None;
            }
            assert!(set.unwrap().success(), "setcap {capabilities} on {}", binary.display());
        }
        let mut command = Command::new(binary);
        command.env("FALCO_HOSTNAME", "node1").env("TZ", "UTC").current_dir("/");
        command.uid(NOBODY).gid(NOBODY);
        Some(command)
    }
}

/// Every file is reported once, though rules and probe are exchanged meanwhile.
#[test]
fn a_reload_misses_nothing_and_repeats_nothing() {
    if !live("reload without a gap") {
        return;
    }
    let desk = Desk::new();
    let mut watching = desk.watch(falco(), &[]);
    let watched = desk.watched();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let opener = thread::spawn(move || {
        let mut files = 0;
        while stopped.recv_timeout(Duration::from_millis(1)).is_err() {
            fs::write(watched.join(files.to_string()), "").unwrap();
            files += 1;
        }
        files
    });
    watching.wait_for("Watched file opened");
    desk.write_rule("Watched again", "fd.num >= 0");
    watching.send(Signal::HUP);
    watching.wait_for("SIGHUP received, restarting...");
    watching.wait_for("Watched again opened");
    stop.send(()).unwrap();
    let files: usize = opener.join().unwrap();
    let seen = watching.terminate();

    let mut times: BTreeMap<usize, usize> = (0..files).map(|file| (file, 0)).collect();
    for line in seen.lines().filter(|line| line.contains(" opened (file=")) {
        let name = line.split_once("/watched/").unwrap().1.split(' ').next().unwrap();
        *times.get_mut(&name.parse().unwrap()).unwrap() += 1;
    }
    let wrong: Vec<_> = times.iter().filter(|(_, times)| **times != 1).collect();
    let told: Vec<_> = seen.lines().filter(|line| !line.contains(" opened (file=")).collect();
    assert!(wrong.is_empty(), "of {files} files, not once: {wrong:?}\n{}", told.join("\n"));
    assert!(seen.contains("Watched file opened") && seen.contains("Watched again opened"));
}

#[test]
fn simulated_drops_raise_the_alert_and_may_end_the_program() {
    if !live("simulated drops") {
        return;
    }
    let desk = Desk::new();
    let simulate = ["-o", "syscall_event_drops.simulate_drops=true", "-o", "json_output=true"];
    let mut watching = desk.watch(falco(), &simulate);
    // Seconds go by in the time of events.
    let watched = desk.watched();
    thread::spawn(move || {
        for _ in 0..40 {
            fs::write(watched.join("x"), "").unwrap_or_default();
            thread::sleep(Duration::from_millis(100));
        }
    });
    let alert = watching.wait_for("\"rule\":\"Falco internal: syscall event drop\"");
    let alert: Value = serde_json::from_str(&alert).unwrap();
    assert_eq!(alert["priority"], "Debug");
    assert_eq!(alert["output_fields"]["ebpf_enabled"], "1");
    let seen = watching.terminate();
    assert!(seen.contains("   - num times actions taken: 1\n"), "{seen}");

    let exit = [&simulate[..], &["-o", "syscall_event_drops.actions[]=exit"]].concat();
    let watching = desk.watch(falco(), &exit);
    let watched = desk.watched();
    let opener = thread::spawn(move || {
        for _ in 0..100 {
            fs::write(watched.join("x"), "").unwrap_or_default();
            thread::sleep(Duration::from_millis(50));
        }
    });
    let (status, seen) = watching.end();
    assert_eq!(status.code(), Some(1), "{seen}");
    assert!(seen.contains("Exiting.") && seen.contains("Drop manager internal error"), "{seen}");
    opener.join().unwrap();
}

#[test]
fn the_doctor_tells_what_is_seen() {
    if !live("falco doctor") {
        return;
    }
    let desk = Desk::new();
    let doctor = |more: &[&str]| {
        let rules = desk.rules.to_str().unwrap();
        common::run(["doctor", "-r", rules].iter().chain(&FEW_CALLS).chain(more))
    };
    let text = doctor(&[]).exits(0).stdout();
    for part in [
        "Kernel\n",
        "BTF: /sys/kernel/btf/vmlinux",
        "Privileges",
        "CAP_BPF: there",
        "Probe\n",
        "attached: ",
        "5 of 5 system calls: what 1 rule of 1 file and the tables need",
        "All that is needed is seen",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let report: Value = serde_json::from_str(&doctor(&["--json"]).exits(0).stdout()).unwrap();
    assert_eq!(report["ok"], true);
    let events = report["probe"]["events"].as_array().unwrap();
    let openat = events.iter().find(|event| event["name"] == "openat").unwrap();
    assert_eq!((&openat["status"], &openat["needed_by_rules"]), (&"covered".into(), &true.into()));
    assert!(report["probe"]["threads"].as_u64().unwrap() > 1, "{report}");
}

/// File capabilities are all that a sensor needs, to see events and to know processes of other users
/// that were there before it.
#[test]
fn a_user_with_four_capabilities_watches_everything() {
    if !live("least privilege") {
        return;
    }
    let desk = Desk::new();
    let Some(command) = desk.as_nobody(CAPABILITIES) else { return };
    // A process of root that is there before the sensor.
    let actor = format!("cd {}; read go; echo > mark", desk.watched().display());
    let mut actor = Command::new("sh")
        .args(["-c", &actor])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut watching = desk.watch(command, &[]);
    drop(actor.stdin.take());
    actor.wait().unwrap();
    let shell = fs::canonicalize("/bin/sh").unwrap();
    let mark = desk.watched().join("mark");
    let alert = watching.wait_for("Watched file opened");
    let expected = format!(
        "(file={} by={} cwd={}/)",
        mark.display(),
        shell.display(),
        desk.watched().display()
    );
    assert!(alert.contains(&expected), "{alert}");
    watching.terminate();
}

/// Events themselves need two.
#[test]
fn what_missing_capabilities_cost_is_told() {
    if !live("missing privilege") {
        return;
    }
    let desk = Desk::new();
    let doctor = |capabilities: &str| {
        let mut command = desk.as_nobody(capabilities)?;
        command.args(["doctor", "--json", "-r"]).arg(&desk.rules).args(FEW_CALLS);
        let output = command.output().unwrap();
        Some((output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap()))
    };
    let Some((code, report)) = doctor("cap_bpf,cap_perfmon") else { return };
    assert_eq!((code, &report["ok"]), (Some(0), &true.into()), "{report:#}");
    let grades: Vec<(&str, &str)> = report["privileges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| (check["name"].as_str().unwrap(), check["grade"].as_str().unwrap()))
        .filter(|(_, grade)| *grade != "ok")
        .collect();
    assert!(grades.contains(&("CAP_SYS_PTRACE", "note")), "{grades:?}");

    let (code, report) = doctor("").unwrap();
    assert_eq!((code, &report["ok"]), (Some(1), &false.into()), "{report:#}");
    let error = report["probe"]["error"].as_str().unwrap();
    assert!(error.contains("CAP_BPF and CAP_PERFMON"), "{error}");

    let mut command = desk.as_nobody("").unwrap();
    let output = command.arg("-r").arg(&desk.rules).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("Error: ") && stderr.contains("CAP_BPF"), "{stderr}");
}
