//! The command line as users and scripts meet it: outputs, exit codes, signals, running processes.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::actor::is_installed;
use crate::ignored;
use crate::nobody::{Nobody, Running, run, run_with};

const PATIENCE: Duration = Duration::from_secs(30);

/// A rule for what [`OPEN`] does, and its priority.
fn opened(priority: &'static str) -> [(&'static str, &'static str, &'static str); 1] {
    [("Hosts read", priority, "evt.type in (open, openat) and fd.name = /etc/hosts")]
}

/// Reads the file by a program that is no shell.
const OPEN: &str = "cat /etc/hosts >/dev/null";

#[test]
fn the_command_keeps_its_streams_and_alerts_go_to_stderr() {
    let nobody = Nobody::new();
    let rules = nobody.rules(&opened("WARNING"));
    let script = format!("cat; echo error >&2; {OPEN}; exit 3");
    let mut trace = nobody.trace(["-r"]);
    trace.arg(&rules).args(["--", "sh", "-c", &script]);
    let done = run_with(&mut trace, "what it reads\n").exits(3);
    assert_eq!(done.stdout, "what it reads\n");
    assert!(done.stderr.contains("error\n"), "{done:#?}");
    assert!(done.stderr.contains("Warning seen cat openat /etc/hosts"), "{done:#?}");
    assert!(done.stderr.contains("sh ended with exit code 3"), "{done:#?}");
    assert!(done.stderr.contains("1 alert\n"), "{done:#?}");
    assert!(done.stderr.contains("Warning        Hosts read\n"), "{done:#?}");
}

#[test]
fn without_alerts_and_summary_there_is_nothing_but_the_command() {
    let nobody = Nobody::new();
    let rules = nobody.rules(&opened("WARNING"));
    let mut trace = nobody.trace(["-q", "-r"]);
    let done = run(trace.arg(&rules).args(["echo", "one", "--two"])).exits(0);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("one --two\n", ""));
}

#[test]
fn json_goes_to_stdout_on_demand() {
    let nobody = Nobody::new();
    let rules = nobody.rules(&opened("WARNING"));
    let mut trace =
        nobody.trace(["-q", "-o", "stdout_output.enabled=true", "-o", "json_output=true", "-r"]);
    let done = run(trace.arg(&rules).args(["--", "sh", "-c", OPEN])).exits(0);
    let alert: serde_json::Value = serde_json::from_str(done.stdout.trim()).unwrap();
    assert_eq!((&alert["rule"], &alert["priority"]), (&"Hosts read".into(), &"Warning".into()));
    assert_eq!(done.stderr, "");
}

#[test]
fn built_in_rules_hold_where_nobody_names_others() {
    let nobody = Nobody::new();
    let done = run(nobody.trace(["--", "sh", "-c"]).arg(
        "cp /bin/true /dev/shm/falco-trace-test &&
        /dev/shm/falco-trace-test; rm -f /dev/shm/falco-trace-test",
    ))
    .exits(0);
    assert!(done.stderr.contains("Program run from shared memory"), "{done:#?}");
}

#[test]
fn exit_codes_are_those_of_shells() {
    let nobody = Nobody::new();
    let rules = nobody.rules(&opened("WARNING"));
    let rules = rules.to_str().unwrap();
    let code = |args: &[&str]| run(nobody.trace(["-q", "-r", rules]).args(args)).status.code();
    assert_eq!(code(&["true"]), Some(0));
    assert_eq!(code(&["--", "sh", "-c", "exit 255"]), Some(255));
    assert_eq!(code(&["--", "sh", "-c", "kill -TERM $$"]), Some(143));
    assert_eq!(code(&["--", "sh", "-c", "kill -KILL $$"]), Some(137));
    assert_eq!(code(&["--", "nonesuch-program"]), Some(127));
    assert_eq!(code(&["--", "/nonexistent/program"]), Some(127));
    let plain = nobody.file("plain", "true\n");
    assert_eq!(code(&["--", plain.to_str().unwrap()]), Some(126));
    assert_eq!(code(&["--", "/etc"]), Some(126));
    assert_eq!(code(&["--nonesuch-option", "--", "true"]), Some(125));
    assert_eq!(code(&[]), Some(125));
    assert_eq!(code(&["-r", "/nonexistent/rules.yaml", "--", "true"]), Some(125));
}

#[test]
fn the_gate_has_codes_of_its_own() {
    let nobody = Nobody::new();
    let cases = [
        ("WARNING", "warning", Some(104)),
        ("CRITICAL", "warning", Some(102)),
        ("NOTICE", "warning", Some(5)),
        ("INFO", "debug", Some(106)),
    ];
    for (priority, limit, code) in cases {
        let rules = nobody.rules(&opened(priority));
        let mut trace = nobody.trace(["--fail-on", limit, "-q", "-r"]);
        let script = format!("{OPEN}; exit 5");
        let done = run(trace.arg(&rules).args(["--", "sh", "-c", &script]));
        assert_eq!(done.status.code(), code, "{priority} {limit}: {done:#?}");
    }
}

#[test]
fn a_script_without_an_interpreter_line_is_run_as_shells_do() {
    let nobody = Nobody::new();
    let script = nobody.file("script", "echo no interpreter named $1\n");
    run(nobody.command(["chmod", "755"]).arg(&script)).exits(0);
    let done = run(nobody.trace(["-q", "--"]).arg(&script).arg("here")).exits(0);
    assert_eq!(done.stdout, "no interpreter named here\n");
}

#[test]
fn help_teaches() {
    let nobody = Nobody::new();
    let done = run(&mut nobody.trace(["--help"])).exits(0);
    for text in ["--fail-on", "Examples:", "Exit codes:", "no_new_privs", "--pid", "125"] {
        assert!(done.stdout.contains(text), "{text} is missing:\n{}", done.stdout);
    }
    assert!(done.stdout.lines().all(|line| line.chars().count() <= 110), "{}", done.stdout);
}

/// Without `timeout` in between, so that the process that is signalled is falco.
fn trace_directly(nobody: &Nobody, args: &[&str]) -> std::process::Command {
    let falco = nobody.falco().to_str().unwrap();
    let mut command = nobody.command([falco, "trace", "-q"]);
    command.args(args);
    command
}

#[test]
fn signals_are_passed_on() {
    let nobody = Nobody::new();
    for (signal, name, number) in [
        (Signal::TERM, "TERM", 15),
        (Signal::INT, "INT", 2),
        (Signal::HUP, "HUP", 1),
        (Signal::USR1, "USR1", 10),
        (Signal::USR2, "USR2", 12),
        (Signal::QUIT, "QUIT", 3),
    ] {
        // One that handles it, and one that does not.
        let script = format!(
            "trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.05; done"
        );
        let mut running =
            Running::start(&mut trace_directly(&nobody, &["--", "sh", "-c", &script]));
        assert_eq!(running.line(), "ready");
        running.send(signal);
        assert_eq!(running.line(), format!("got {name}"));
        assert_eq!(running.code(), Some(9), "{name}");

        let script = "ulimit -c 0; echo ready; exec sleep 60";
        let mut running = Running::start(&mut trace_directly(&nobody, &["--", "sh", "-c", script]));
        assert_eq!(running.line(), "ready");
        running.send(signal);
        assert_eq!(running.code(), Some(128 + number), "{name}");
    }
}

/// What the terminal's Ctrl-C sends goes to the command by itself: falco must neither end nor send it
/// a second time.
#[test]
fn the_terminals_ctrl_c_reaches_the_command_once() {
    if !is_installed("script") {
        return ignored("Ctrl-C at a terminal", "script (bsdutils) is not installed");
    }
    let nobody = Nobody::new();
    let counts = nobody.file(
        "counts.sh",
        "n=0; trap 'n=$((n+1))' INT; i=0
         while [ $i -lt 40 ]; do sleep 0.05; i=$((i+1)); done; echo caught $n; exit 6\n",
    );
    // script(1) has a shell run the line, and that would die of the signal when falco ends.
    let line = format!("exec {} trace -q -- sh {}", nobody.falco().display(), counts.display());
    // The pipe is the keyboard: 0x03 is Ctrl-C.
    let keyboard =
        "(sleep 1; printf '\\003'; sleep 4) | script -qec \"$0\" /dev/null; echo code $?";
    let done = run(&mut nobody.timely(["sh", "-c", keyboard, &line]));
    assert!(done.stdout.contains("code 6"), "{done:#?}");
    assert!(done.stdout.contains("caught 1"), "{done:#?}");
}

#[test]
fn what_outlives_the_command_is_watched_or_ended() {
    let nobody = Nobody::new();
    let rules = nobody.rules(&opened("WARNING"));
    let rules = rules.to_str().unwrap();
    let script = format!("(sleep 1; {OPEN}; echo late) & echo early");
    let done = run(nobody.trace(["-r", rules, "--", "sh", "-c"]).arg(&script)).exits(0);
    assert_eq!(done.stdout, "early\nlate\n");
    assert!(done.stderr.contains("seen cat openat"), "{done:#?}");
    assert!(done.stderr.contains("2 processes that it started go on"), "{done:#?}");

    let begin = Instant::now();
    let script = "sleep 60 & echo early; exit 4";
    let done =
        run(nobody.trace(["--rest", "kill", "-q", "-r", rules, "--", "sh", "-c"]).arg(script))
            .exits(4);
    assert_eq!(done.stdout, "early\n");
    assert!(begin.elapsed() < PATIENCE);
}

/// What runs already is watched from outside, all of its threads and children, and goes on unharmed.
#[test]
fn running_processes_are_watched_and_let_go() {
    let nobody = Nobody::new();
    let rules = nobody.rules(&opened("WARNING"));
    let script = format!(
        "echo ready; i=0; while [ $i -lt 200 ]; do {OPEN}; sleep 0.02; i=$((i+1)); done; echo unharmed; exit 8"
    );
    let mut target = Running::start(&mut nobody.command(["sh", "-c", &script]));
    assert_eq!(target.line(), "ready");
    let pid = target.child.id().to_string();
    let probe = run(&mut nobody.trace(["-M", "1", "-r", rules.to_str().unwrap(), "--pid", &pid]));
    if probe.stderr.contains("not permitted") {
        return ignored("watching a running process", "ptrace is restricted here (yama)");
    }
    let probe = probe.exits(0);
    assert!(probe.stderr.contains("seen cat openat /etc/hosts"), "{probe:#?}");

    let mut watch = trace_directly(&nobody, &["-r", rules.to_str().unwrap(), "--pid", &pid]);
    let mut watch = Running::start(&mut watch);
    thread::sleep(Duration::from_millis(700));
    watch.send(Signal::INT);
    assert_eq!(watch.code(), Some(0));
    assert_eq!(target.line(), "unharmed");
    assert_eq!(target.code(), Some(8));
}

#[test]
fn a_process_that_does_not_exist_cannot_be_watched() {
    let nobody = Nobody::new();
    let done = run(&mut nobody.trace(["--pid", "4194304"])).exits(125);
    assert!(done.stderr.contains("4194304"), "{done:#?}");
}

/// As process 1 of a PID namespace falco forwards signals, reaps what loses its parent, and ends with
/// its command.
#[test]
fn as_process_1_it_reaps_and_forwards() {
    let nobody = Nobody::new();
    let falco = nobody.falco().to_str().unwrap().to_owned();
    let namespaces =
        ["unshare", "--user", "--map-root-user", "--pid", "--mount", "--mount-proc", "--fork"];
    if !run(&mut nobody.timely(namespaces.iter().chain(&["true"]))).status.success() {
        return ignored("falco trace as process 1", "user namespaces are refused here");
    }
    let within = |script: &str| {
        let mut command = nobody.timely(namespaces);
        run(command.args([&falco, "trace", "-q", "--", "sh", "-c", script]))
    };
    // Orphans end while the command lives; then there must be no zombie.
    let script = "for i in 1 2 3 4 5; do (sleep 0.1 & ) ; done; sleep 0.5; \
        grep -l '^State:.Z' /proc/[0-9]*/status; exit 17";
    let done = within(script).exits(17);
    assert_eq!(done.stdout, "", "zombies");
    // A supervisor outside ends process 1, and so the command.
    let script = "trap 'echo got it; exit 12' TERM; kill -TERM 1; while :; do sleep 0.05; done";
    let done = within(script).exits(12);
    assert_eq!(done.stdout, "got it\n");
    // Who does not wait for what it started does not keep process 1 alive.
    let done = within("sleep 30 & exit 3");
    assert_eq!(done.status.code(), Some(3), "{done:#?}");
}

#[test]
fn a_recording_replays_to_the_same_alerts() {
    let nobody = Nobody::new();
    let rules = nobody.rules(&opened("WARNING"));
    let scap = nobody.dir.path().join("run.scap");
    let mut trace = nobody.trace(["-q", "-r"]);
    trace.arg(&rules).arg("-w").arg(&scap).args(["--", "sh", "-c", OPEN]);
    let live = run(&mut trace).exits(0);
    let mut replay = nobody.timely([nobody.falco()]);
    let replayed = run(replay.arg("-r").arg(&rules).arg("-e").arg(&scap)).exits(0);
    let alert = |text: &str| {
        text.lines()
            .find(|line| line.contains("Hosts read") || line.contains("seen cat"))
            .map(str::to_owned)
    };
    assert_eq!(alert(&live.stderr).unwrap(), alert(&replayed.stdout).unwrap());
}
