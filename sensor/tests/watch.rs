//! Watching through the binary, without a kernel: how a live run begins, what signals do to it and
//! how it ends. `engine.kind: nodriver` has no events, so that this runs everywhere.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/watching.rs"]
mod watching;

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use common::{falco, run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use watching::{PATIENCE, Watching};

const RULE: &str = "
- rule: Shell
  desc: A shell is started
  condition: evt.type=execve and proc.name=sh
  output: Shell (%proc.cmdline)
  priority: NOTICE
";

fn watch(rules: &Path, more: &[&str]) -> Watching {
    let mut command = falco();
    command.args(["-o", "engine.kind=nodriver", "-o", "log_stderr=true", "-r"]).arg(rules);
    Watching::start(command.args(more), "Opening 'syscall' source with no driver")
}

/// A directory with a rules file.
fn desk() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules.yaml");
    fs::write(&rules, RULE).unwrap();
    (dir, rules)
}

#[test]
fn sigterm_and_sigint_end_a_watch_with_its_statistics() {
    let (_dir, rules) = desk();
    for signal in [Signal::TERM, Signal::INT] {
        let watching = watch(&rules, &[]);
        watching.send(signal);
        let (status, seen) = watching.end();
        assert_eq!(status.code(), Some(0), "{seen}");
        for text in [
            "SIGINT received, exiting...",
            "Events detected: 0\nRule counts by severity:\nTriggered rules by rule name:\n",
            "Syscall event drop monitoring:\n   - event drop detected: 0 occurrences\n   \
             - num times actions taken: 0\n",
        ] {
            assert!(seen.contains(text), "no {text:?} in\n{seen}");
        }
    }
}

#[test]
fn a_time_limit_holds_without_events_too() {
    let (_dir, rules) = desk();
    let start = Instant::now();
    let (status, seen) = watch(&rules, &["-M", "1"]).end();
    assert_eq!(status.code(), Some(0), "{seen}");
    let took = start.elapsed();
    assert!(Duration::from_secs(1) <= took && took < PATIENCE, "{took:?}");
}

#[test]
fn sigusr1_opens_the_outputs_anew() {
    let (_dir, rules) = desk();
    let mut watching = watch(&rules, &[]);
    for _ in 0..2 {
        watching.send(Signal::USR1);
        watching.wait_for("SIGUSR1 received, reopening outputs...");
    }
    watching.terminate();
}

#[test]
fn long_silence_raises_an_alert_with_falcos_words() {
    let (_dir, rules) = desk();
    let more = ["-o", "syscall_event_timeouts.max_consecutives=10", "-o", "json_output=true"];
    let mut watching = watch(&rules, &more);
    let line = watching.wait_for("timeouts notification");
    let mut alert: Value = serde_json::from_str(&line).unwrap();
    alert["time"] = Value::Null;
    assert_eq!(
        alert.to_string(),
        "{\"hostname\":\"node1\",\"output\":\"Falco internal: timeouts notification. 10 \
         consecutive timeouts without event.\",\"output_fields\":{\"last_event_time\":\"none\"},\
         \"priority\":\"Debug\",\"rule\":\"Falco internal: timeouts notification\",\
         \"source\":\"internal\",\"time\":null}"
    );
    watching.wait_for("timeouts notification");
}

#[test]
fn sighup_loads_rules_anew_or_says_what_is_wrong_with_them() {
    let (_dir, rules) = desk();
    let mut watching = watch(&rules, &[]);
    fs::write(&rules, "- rule: Half\n  desc: a rule\n  condition: evt.type=\n").unwrap();
    watching.send(Signal::HUP);
    let alert = watching.wait_for("hot restart failure");
    assert!(alert.contains("Critical Falco internal: hot restart failure: "), "{alert}");
    watching.wait_for("LOAD_ERR_");
    // It goes on, and takes what is right. Several requests at once are one.
    fs::write(&rules, RULE.replace("Shell", "Other")).unwrap();
    (0..3).for_each(|_| watching.send(Signal::HUP));
    watching.wait_for("Opening 'syscall' source with no driver");
    watching.wait_for("SIGHUP received, restarting...");
    thread::sleep(Duration::from_millis(300));
    let seen = watching.terminate();
    assert_eq!(seen.matches("restarting...").count(), 1, "{seen}");
    assert_eq!(seen.matches("Events detected:").count(), 2, "{seen}");
}

#[test]
fn a_reader_of_stdout_that_stalls_does_not_keep_a_watch_from_ending() {
    let (_dir, rules) = desk();
    let mut command = falco();
    command.args(["-o", "engine.kind=nodriver", "-o", "output_timeout=100", "-r"]).arg(&rules);
    command.args(["-o", "syscall_event_timeouts.max_consecutives=1"]);
    // A pipe that is full from the start, and never read.
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(writer.as_fd()).unwrap();
    rustix::fs::fcntl_setfl(writer.as_fd(), flags | rustix::fs::OFlags::NONBLOCK).unwrap();
    while rustix::io::write(writer.as_fd(), &[0; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(writer.as_fd(), flags).unwrap();
    command.stdout(Stdio::from(writer)).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let start = Instant::now();
    let output = child.wait_with_output().unwrap();
    drop(reader);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("output channels still blocked"), "{stderr}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_dry_run_opens_nothing() {
    let (_dir, rules) = desk();
    let kind = ["-o", "engine.kind=modern_ebpf", "-o", "log_stderr=true"];
    let args = ["--dry-run", "-r", rules.to_str().unwrap()];
    let run = run(args.iter().chain(&kind)).exits(0);
    assert!(!run.stderr().contains("Opening"), "{}", run.stderr());
}

#[test]
fn rings_have_ten_sizes() {
    let (_dir, rules) = desk();
    for preset in ["0", "11"] {
        let preset = format!("engine.modern_ebpf.buf_size_preset={preset}");
        run(["-r", rules.to_str().unwrap(), "-o", &preset])
            .exits(1)
            .says("Error: The 'buf_size_preset' value must be between '1' and '10'");
    }
}
