//! `engine.kind: ptrace`: the sensor itself, watching processes that run, as an ordinary user.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::ignored;
use crate::nobody::{Nobody, Running, run};

const PATIENCE: Duration = Duration::from_secs(20);

/// Makes directories n0, n1, … and tells each.
const MAKER: &str =
    "i=0; while [ -e go ]; do mkdir n$i; echo $i; i=$((i+1)); sleep 0.01; done; exit 8";

/// A process that makes directories until the file `go` is gone; none where users may not trace.
fn maker(nobody: &Nobody, what: &str) -> Option<Running> {
    nobody.file("go", "");
    let mut maker = Running::start(&mut nobody.command(["sh", "-c", MAKER]));
    assert_eq!(maker.line(), "0");
    let pid = maker.child.id().to_string();
    let probe = run(&mut nobody.trace(["-q", "-M", "1", "--pid", &pid]));
    if probe.stderr.contains("yama") || probe.stderr.contains("seccomp") {
        ignored(what, &probe.stderr);
        return None;
    }
    probe.exits(0);
    Some(maker)
}

fn rule(name: &str, condition: &str) -> String {
    format!(
        "- rule: {name}\n  desc: A test.\n  condition: {condition}\n  \
         output: {name} %evt.arg.path of %proc.pname user %user.uid\n  priority: notice\n"
    )
}

/// The sensor with these options, which logs to stderr.
fn sensor(nobody: &Nobody, options: &[&str]) -> Command {
    let mut falco = nobody.command([nobody.falco()]);
    falco.args(["-r", "rules.yaml", "-o", "log_stderr=true", "-o", "log_level=info"]).args(options);
    falco
}

/// The numbers of the directories that a rule told of.
fn told(output: &str, rule: &str) -> Vec<u32> {
    let begin = format!(" {rule} /");
    let number = |line: &str| {
        let path = line.split_once(&begin)?.1.split(' ').next()?;
        path.rsplit_once("/n")?.1.parse().ok()
    };
    output.lines().filter_map(number).collect()
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what}: it does not come");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_sensor_watches_processes_by_ptrace_and_a_reload_loses_nothing() {
    let nobody = Nobody::new();
    let Some(mut maker) = maker(&nobody, "the engine ptrace") else { return };
    let pid = maker.child.id().to_string();
    let made = |rules: &str| nobody.file("rules.yaml", rules);
    let first = rule("made", "evt.type in (mkdir, mkdirat) and evt.rawres = 0");
    made(&first);
    let (out, err) = (nobody.file("out", ""), nobody.file("err", ""));
    let mut falco = sensor(&nobody, &["-U", "--pid", &pid]);
    falco.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
    let mut falco = falco.spawn().unwrap();
    let signal = |signal| {
        let pid = rustix::process::Pid::from_raw(falco.id() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    };
    let output = || fs::read_to_string(&out).unwrap();
    until("the first alert", || !told(&output(), "made").is_empty());
    assert!(output().contains(&format!("of sh user {}", nobody.uid())), "{}", output());

    // Another rule, of a call that nobody looked at before.
    made(&format!(
        "{first}{}",
        rule("renamed", "evt.type in (rename, renameat2) and evt.rawres = 0")
    ));
    signal(Signal::HUP);
    until("the restart", || fs::read_to_string(&err).unwrap().contains("restarting"));
    let seen = told(&output(), "made").len();
    until("alerts after the restart", || told(&output(), "made").len() > seen + 20);

    // A list of processes that is another one is refused, and everything goes on.
    nobody.file("rules.yaml", "- rule: broken\n");
    signal(Signal::HUP);
    until("the refusal", || output().contains("hot restart failure"));
    let seen = told(&output(), "made").len();
    until("alerts after the refusal", || told(&output(), "made").len() > seen + 20);

    // The tree ends, and so does the sensor.
    fs::remove_file(nobody.dir.path().join("go")).unwrap();
    assert_eq!(maker.code(), Some(8));
    let status = falco.wait().unwrap();
    assert!(status.success(), "{status}: {}", fs::read_to_string(&err).unwrap());
    let numbers = told(&output(), "made");
    let (begin, end) = (numbers[0], numbers[numbers.len() - 1]);
    // Each once, none missing.
    assert_eq!(numbers, (begin..=end).collect::<Vec<_>>());
    assert!(nobody.dir.path().join(format!("n{end}")).is_dir());
    assert!(!nobody.dir.path().join(format!("n{}", end + 1)).exists());
}

#[test]
fn a_sensor_that_is_stopped_or_killed_lets_the_processes_go_on() {
    let nobody = Nobody::new();
    let Some(mut maker) = maker(&nobody, "the end of the engine ptrace") else { return };
    nobody.file("rules.yaml", &rule("made", "evt.type in (mkdir, mkdirat)"));
    let pid = maker.child.id().to_string();
    for signal in [Signal::TERM, Signal::KILL] {
        let options = ["-o", "engine.kind=ptrace", "-o", &format!("engine.ptrace.pids={pid}")];
        let mut falco = Running::start(&mut sensor(&nobody, &options));
        let alert = falco.line();
        assert!(alert.contains(" made /"), "{alert}");
        falco.send(signal);
        match signal {
            Signal::TERM => assert_eq!(falco.code(), Some(0)),
            _ => assert_eq!(falco.code(), Some(-9)),
        }
        let status = || fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        until("the release", || status().contains("TracerPid:\t0"));
        let before = fs::read_dir(nobody.dir.path()).unwrap().count();
        until("more directories", || fs::read_dir(nobody.dir.path()).unwrap().count() > before + 3);
    }
    fs::remove_file(nobody.dir.path().join("go")).unwrap();
    assert_eq!(maker.code(), Some(8));
}

#[test]
fn events_of_one_process_can_be_looked_at() {
    let nobody = Nobody::new();
    let Some(maker) = maker(&nobody, "falco events --pid") else { return };
    let pid = maker.child.id().to_string();
    let mut events = nobody.timely([nobody.falco()]);
    events.args(["events", "--engine", "ptrace", "--pid", &pid, "-n", "3"]);
    events.args(["--filter", "evt.type in (mkdir, mkdirat)"]);
    let done = run(events.args(["--fields", "proc.name,evt.type"])).exits(0);
    assert_eq!(done.stdout.lines().count(), 3, "{done:#?}");
    assert!(done.stdout.lines().all(|line| line.contains("mkdir")), "{done:#?}");
    fs::remove_file(nobody.dir.path().join("go")).unwrap();
}

#[test]
fn the_doctor_shows_an_ordinary_user_the_way_out() {
    let nobody = Nobody::new();
    let doctor = |options: &[&str]| {
        let mut doctor = nobody.timely([nobody.falco()]);
        let done = run(doctor.args(["doctor", "--json"]).args(options));
        let json: Value =
            serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:#?}"));
        (done.status.code(), json)
    };
    let own = std::process::id().to_string();
    let pids = format!("engine.ptrace.pids={own}");
    let (code, json) = doctor(&["-o", "engine.kind=ptrace", "-o", &pids]);
    let grade = |json: &Value, name: &str| {
        let checks = json["ptrace"]["checks"].as_array().unwrap().clone();
        let check = checks.into_iter().find(|check| check["name"] == name).unwrap();
        check["grade"].as_str().unwrap().to_owned()
    };
    assert_eq!(grade(&json, "falco trace -- CMD"), "ok", "{json:#}");
    assert_eq!(json["probe"], Value::Null);
    if nobody.uid() != crate::nobody::UID {
        return ignored("what the doctor says of others' processes", "this is not root");
    }
    assert_eq!((code, &*grade(&json, "process")), (Some(1), "bad"));
    // Without any wish: eBPF is refused, this is not.
    let (code, json) = doctor(&[]);
    assert_eq!((code, &json["ptrace"]["wanted"]), (Some(1), &Value::Bool(false)));
    assert_eq!(grade(&json, "falco trace -- CMD"), "ok", "{json:#}");
    nobody.file("rules.yaml", &rule("made", "evt.type = mkdir"));
    let refused = run(&mut sensor(&nobody, &[])).exits(1);
    assert!(refused.stderr.contains("falco trace -- CMD"), "{refused:#?}");
}

#[test]
fn what_cannot_be_traced_is_told_with_the_reason() {
    let nobody = Nobody::new();
    nobody.file("rules.yaml", &rule("made", "evt.type = mkdir"));
    let done = run(&mut sensor(&nobody, &["--pid", "4194304"])).exits(1);
    assert!(done.stderr.contains("there is no process 4194304"), "{done:#?}");
    let done = run(&mut sensor(&nobody, &["-o", "engine.kind=ptrace"])).exits(1);
    assert!(done.stderr.contains("engine.ptrace.pids"), "{done:#?}");
    let done =
        run(&mut sensor(&nobody, &["-o", "engine.kind[]=ptrace", "-o", "engine.kind[]=gvisor"]));
    assert!(done.exits(1).stderr.contains("'ptrace' cannot run beside another kind"));
    if nobody.uid() == crate::nobody::UID {
        // This test's own process is root's.
        let own = std::process::id().to_string();
        let done = run(&mut sensor(&nobody, &["--pid", &own])).exits(1);
        assert!(done.stderr.contains("belongs to user 0; run falco as that user"), "{done:#?}");
    }
}
