//! `falco rules test`, `check` and `explain` through the binary: what they print, how they fail.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{Run, run};
use serde_json::Value;
use tempfile::TempDir;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rules_test");

fn rules() -> String {
    format!("{DATA}/rules.yaml")
}

fn write(dir: &TempDir, name: &str, content: &str) -> String {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs the tests of `content` over the example rules.
fn test(content: &str) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let file = write(&dir, "t.yaml", content);
    run(["rules", "test", "-r", &rules(), &file])
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout()).unwrap()
}

#[test]
fn the_example_tests_pass() {
    let run =
        run(["rules", "test", &format!("{DATA}/files.yaml"), &format!("{DATA}/containers.yaml")])
            .exits(0);
    let stdout = run.stdout();
    assert!(stdout.ends_with("5 passed, 0 failed\n"), "{stdout}");
    assert_eq!(stdout.matches("ok     ").count(), 5, "{stdout}");
}

#[test]
fn a_failure_shows_alerts_events_and_why_an_alert_is_missing() {
    let run = test(
        "- test: sshd reads the shadow file
  processes:
    - {pid: 20, name: sshd, exe: /usr/sbin/sshd}
    - {pid: 21, exe: /usr/bin/cat}
  events:
    - {pid: 20, openat: {name: /etc/shadow}}
    - {pid: 21, openat: {name: /etc/shadow}}
  expect:
    - {rule: Shadow file read, priority: Error, fields: {proc.name: dog}, output: nowhere}
    - rule: Shell in a container
- test: Silence
  processes: [{pid: 20, name: sshd, exe: /usr/sbin/sshd}]
  events: [{pid: 20, openat: {name: /etc/shadow}}]
  expect: [Shadow file read]
- test: Too much
  processes: [{pid: 20, exe: /bin/cat}]
  events: [{pid: 20, openat: {name: /etc/shadow}}]
  expect: []
",
    )
    .exits(1);
    let run = run
        .prints("FAILED sshd reads the shadow file (")
        .prints("! event 2: Shadow file read")
        .prints("priority is Warning, expected Error")
        .prints("proc.name is 'cat', expected 'dog'")
        .prints("expected it to have 'nowhere'")
        .prints(
            "- Shell in a container\n             there is no event that it could match (execve",
        )
        .prints("1 sshd (20) openat fd=3(<f>/etc/shadow)")
        .prints("event 1 came nearest, but there it does not hold that")
        .prints("not proc.name in (sshd, login)\n                 where proc.name=sshd")
        .prints("+ event 1: Shadow file read\n             Shadow file read | command=cat");
    assert!(run.stdout().ends_with("0 passed, 3 failed\n"));
}

#[test]
fn malformed_tests_are_told_with_place_and_what_is_allowed() {
    let cases = [
        (
            "  events: [{pid: 1, opnat: {}}]",
            ":2:21: there is no event 'opnat'; did you mean 'openat'?",
        ),
        (
            "  events: [{pid: 1, openat: {nam: x}}]",
            ":2:30: unknown key 'nam' in openat; did you mean 'name'? allowed: fd, dirfd, name",
        ),
        (
            "  events: [{pid: 1, openat: {name: x, flags: O_RDONL}}]",
            "unknown value 'O_RDONL' in flags; did you mean 'O_RDONLY'?",
        ),
        ("  events: [{pid: 7, openat: {name: x}}]", "there is no process 7 (but 1)"),
        ("  events: [{openat: {name: x}}]", "an event needs the pid of a process"),
        ("  events: [{pid: 1, open: {name: x}, close: {}}]", "not both 'open' and 'close'"),
        ("  events: [{pid: 1, openat: {fd: ENOSUCH}}]", "'ENOSUCH' is no error of Linux"),
        ("  events: [{pid: 1, close: {fd: many}}]", "fd must be a number, not 'many'"),
        ("  events: [{pid: 1, connect: {addr: here}}]", "'here' is no address: 203.0.113.9:443"),
        ("  events: [{pid: 1, kill: {sig: SIGFOO}}]", "there is no signal 'SIGFOO'"),
        ("  events: [{pid: 1, exec: {}}]", "exec needs an exe"),
        ("  events: [{pid: 1}]", "an event needs a key that says what happens"),
        ("  events: [{pid: 1, syncfs: {fd: 1}}]", "unknown key 'fd': syncfs takes none"),
        ("  events: [{pid: 2, tid: 1, exit: }]", "thread 1 is one of process 1"),
        ("  events: [{pid: 1, exec: {exe: x, cwd: /}}]", "'cwd' is not possible here"),
        ("  events: [{pid: 1, spawn: {pid: 1}}]", "there is a process 1 already"),
        ("  events: [{pid: 1, after: soon, exit: {}}]", "must be a time such as 500ms"),
        ("  events: []\n  processes: [{exe: /bin/x}]", ":3:15: a process needs a pid"),
        (
            "  events: []\n  processes: [{pid: 5, name: x, parent: 4}]",
            "there is no process 4 before",
        ),
        ("  events: []\n  processes: [{pid: 5, nme: x}]", "did you mean 'name'?"),
        (
            "  events: []\n  processes: [{pid: 5, exe: x, caps: [CAP_X]}]",
            "there is no capability 'CAP_X'",
        ),
        ("  events: []\n  processes: [{pid: 5, exe: x, fds: {0: y}}]", "'y' is no fd: /a/file"),
        (
            "  events: []\n  capture: x.scap",
            "either a capture, or containers, processes and events",
        ),
        ("  events: [{pid: 1, spawn: {tty: 3}}]", "'tty' is not possible here: only the start of"),
        ("  events: [{pid: 1, spawn: {pid: 0}}]", "pid must be from 1 to 4194304"),
        ("  event: []", "unknown key 'event' in a test; did you mean 'events'?"),
    ];
    for (lines, message) in cases {
        test(&format!("- test: T\n{lines}\n  expect: []\n")).exits(1).prints(message).prints(" | ");
    }
    test("- test: T\n  events: []\n").exits(1).prints("a test needs the key 'expect'");
    test("- events: []\n  expect: []\n").exits(1).prints("a test needs the key 'test'");
    test("test: T\n").exits(1).prints("a test file must be a list, not a map");
    test("").exits(1).prints("there is no test in this file");
    test("- [\n").exits(1).prints("this is no YAML");
    let twice = "- {test: T, events: [], expect: []}\n";
    test(&twice.repeat(2))
        .exits(1)
        .prints("line 1 has a test of this name, too")
        .prints("1 passed, 1 failed");
}

#[test]
fn tests_name_rules_and_fields_that_exist() {
    test("- {test: T, events: [], expect: [{rule: Shadow file reed, fields: {proc.nmae: x}}]}")
        .exits(1)
        .prints("there is no rule 'Shadow file reed' (did you mean 'Shadow file read'?)")
        .prints("there is no field 'proc.nmae'; did you mean 'proc.name'?")
        .prints("0 passed, 1 failed");
    let dir = tempfile::tempdir().unwrap();
    let file = write(&dir, "t.yaml", "- {test: T, events: [], expect: []}");
    run(["rules", "test", &file]).exits(1).says("names no rules, and there is no -r");
    run(["rules", "test", "-r", "/nonexistent.yaml", &file]).exits(1).says("/nonexistent.yaml");
    run(["rules", "test", "/nonexistent.yaml"]).exits(1).says("cannot read /nonexistent.yaml");
    let empty = tempfile::tempdir().unwrap();
    run(["rules".as_ref(), "test".as_ref(), empty.path().as_os_str()]).exits(1).says("no *.yaml");
}

#[test]
fn results_come_as_json_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(
        &dir,
        "t.yaml",
        "- {test: A, events: [], expect: []}
- {test: B, events: [{pid: 1, openat: {name: /etc/shadow}}], expect: []}
- {test: C, event: []}
",
    );
    let run = run(["rules", "test", "-r", &rules(), "--format", "json", &file]).exits(1);
    let report = json(&run);
    assert_eq!((&report["passed"], &report["failed"]), (&1.into(), &2.into()), "{report}");
    let tests = report["tests"].as_array().unwrap();
    let by = |name: &str| tests.iter().find(|t| t["test"] == name).unwrap();
    assert_eq!((&by("A")["result"], &by("A")["line"]), (&"ok".into(), &1.into()));
    assert_eq!(by("B")["alerts"][0]["state"], "unexpected");
    assert_eq!(by("B")["events"][0]["num"], 1);
    let error = tests.iter().find(|t| t["result"] == "error").unwrap();
    assert_eq!((&error["line"], &error["column"]), (&3.into(), &13.into()), "{error}");
}

/// Every event that can be written encodes to what the event table wants, whatever is left out.
#[test]
fn every_event_can_be_left_to_its_defaults() {
    let listed = run(["--list-events"]).exits(0).stdout();
    let names: std::collections::BTreeSet<&str> = listed
        .lines()
        .filter_map(|line| line.trim_start_matches(['<', '>', ' ']).split('(').next())
        .filter(|name| {
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.len() > 100, "{names:?}");
    let mut tried = 0;
    for name in names {
        let outcome = test(&format!(
            "- test: T\n  events:\n    - {{pid: 1, {name}: }}\n    - {{pid: 1, openat: {{name: x}}}}\n  \
             expect: []\n"
        ));
        if outcome.stdout().contains(&format!("there is no event '{name}'")) {
            continue;
        }
        // The end of the first process is the end of events.
        if !matches!(name, "procexit" | "exit") {
            outcome.exits(0);
        }
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
}

/// What an event line encodes to, as `evt.args` shows it.
#[test]
fn events_mean_what_they_say() {
    let cases = [
        ("read: {fd: 3, data: hello}", "res=5 data=hello fd=3(<f>/etc/passwd) size=5"),
        ("write: {fd: 0, data: x}", "res=1 data=x fd=0(<4t>1.2.3.4:5->6.7.8.9:80) size=1"),
        (
            "connect: {fd: 20, addr: '[2001:db8::1]:443', res: EINPROGRESS}",
            "res=-115(EINPROGRESS) tuple=fd00::2:40000->2001:db8::1:443 \
             fd=20(<6t>fd00::2:40000->2001:db8::1:443) addr=2001:db8::1:443",
        ),
        (
            "accept4: {fd: 21, tuple: '203.0.113.7:5555'}",
            "fd=21(<4t>203.0.113.7:5555->10.0.0.2:80) tuple=203.0.113.7:5555->10.0.0.2:80 \
             queuepct=0 queuelen=0 queuemax=0 flags=0",
        ),
        (
            "dup2: {oldfd: 21, newfd: 1}",
            "res=1(<4t>203.0.113.7:5555->10.0.0.2:80) \
             oldfd=21(<4t>203.0.113.7:5555->10.0.0.2:80) newfd=1(<4t>203.0.113.7:5555->10.0.0.2:80)",
        ),
        (
            "fchmodat: {filename: x, mode: 04111}",
            "res=0 dirfd=-100(AT_FDCWD) filename=x(/tmp/x) mode=04111(S_IXOTH|S_IXGRP|S_IXUSR|S_ISUID)",
        ),
        (
            "chmod: {filename: /tmp/x, mode: S_ISUID|S_IXUSR}",
            "res=0 filename=/tmp/x mode=04100(S_IXUSR|S_ISUID)",
        ),
        (
            "renameat2: {oldpath: a, newpath: /b, res: EXDEV}",
            "res=-18(EXDEV) olddirfd=-100(AT_FDCWD) oldpath=a(/tmp/a) newdirfd=-100(AT_FDCWD) \
             newpath=/b flags=0",
        ),
        (
            "openat: {name: y, fd: EACCES, flags: O_WRONLY|O_CREAT, mode: '0600'}",
            "fd=-13(EACCES) dirfd=-100(AT_FDCWD) name=y(/tmp/y) flags=6(O_CREAT|O_WRONLY) \
             mode=0600 dev=0 ino=0",
        ),
        ("kill: {pid: 1, sig: SIGKILL}", "res=0 pid=1(systemd) sig=9(SIGKILL)"),
        (
            "ptrace: {request: PTRACE_ATTACH, pid: 1}",
            "res=0 addr=NULL data=NULL request=11(PTRACE_ATTACH) pid=1(systemd)",
        ),
        (
            "keyctl: {operation: KEYCTL_READ, arg2: 5}",
            "res=0 operation=11(KEYCTL_READ) arg2=5 \
             arg3=NULL arg4=NULL arg5=NULL",
        ),
        (
            "unshare: {flags: CLONE_NEWUSER|CLONE_NEWNS}",
            "res=0 flags=1048608(CLONE_NEWNS|CLONE_NEWUSER)",
        ),
        ("poll: {fds: [0, 3]}", "res=0 fds=0:41 3:f1 timeout=0"),
        ("setuid: {uid: alice}", "res=0 uid=1000(alice)"),
        ("init_module: {img: ~, uargs: a=b}", "res=0 img=NULL length=0 uargs=a=b"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let any = "- rule: Any\n  desc: d\n  condition: evt.num > 0 and evt.type != socket\n  \
               output: x\n  priority: INFO\n";
    let any = write(&dir, "any.yaml", any);
    let mut content = String::from(
        "- test: T
  processes:
    - {pid: 50, exe: /usr/bin/python3, cwd: /tmp, fds: {0: '1.2.3.4:5->6.7.8.9:80', 3: /etc/passwd}}
    - {pid: 51, exe: /bin/bash, user: alice, uid: 1000}
  events:
",
    );
    cases.iter().for_each(|(line, _)| content += &format!("    - {{pid: 50, {line}}}\n"));
    content += "  expect:\n";
    for (_, args) in cases {
        content += &format!("    - {{rule: Any, fields: {{evt.args: \"{args}\"}}}}\n");
    }
    let file = write(&dir, "t.yaml", &content);
    run(["rules", "test", "-r", &any, &file]).exits(0);
}

/// Processes take after their parents, and spawned ones change by the calls that change them.
#[test]
fn processes_are_what_the_test_says() {
    let dir = tempfile::tempdir().unwrap();
    let rule =
        "- rule: Exec\n  desc: d\n  condition: evt.type=execve\n  output: x\n  priority: INFO\n";
    let rules = write(&dir, "r.yaml", rule);
    let content = "- test: T
  processes:
    - {pid: 20, name: sshd, exe: /usr/sbin/sshd, container: 1f2e3d4c5b6a}
    - {pid: 21, parent: 20, exe: -bash, exepath: /bin/bash, uid: 1000, user: alice, loginuid: 1000, tty: 34816, cwd: /home/alice, env: [A=b]}
  events:
    - pid: 21
      spawn: {pid: 22, exe: /usr/bin/a-very-long-name-of-a-program, args: [-x, y z], cwd: /srv, uid: 33, user: www-data, sid: 22, caps: [CAP_NET_RAW, CAP_CHOWN], exe_upper_layer: true, exe_writable: true}
    - {pid: 22, after: 2s, exec: {exe: sh, exepath: /bin/dash, name: renamed, exe_from_memfd: true}}
    - {pid: 22, exec: {exe: /bin/none, res: ENOENT}}
    - {pid: 21, spawn: {pid: 30, exe: /bin/x, container: host, vpid: 5}}
  expect:
    - rule: Exec
      fields:
        proc.name: a-very-long-nam
        proc.exepath: /usr/bin/a-very-long-name-of-a-program
        proc.cmdline: a-very-long-nam -x y z
        proc.args: -x y z
        proc.pname: bash
        proc.pexe: -bash
        proc.aname[2]: sshd
        proc.cwd: /srv/
        proc.tty: 34816
        proc.sid: 22
        proc.env[A]: b
        proc.is_exe_upper_layer: true
        proc.is_exe_writable: true
        user.uid: 33
        user.name: www-data
        user.loginuid: 1000
        container.id: 1f2e3d4c5b6a
        thread.cap_effective: CAP_CHOWN CAP_NET_RAW
    - {rule: Exec, fields: {proc.name: renamed, proc.exe: sh, proc.exepath: /bin/dash, proc.is_exe_from_memfd: true, proc.is_exe_upper_layer: false}}
    - {rule: Exec, fields: {proc.name: renamed, evt.res: ENOENT, evt.arg.exe: /bin/none}}
    - {rule: Exec, fields: {container.id: host, proc.vpid: 5, proc.pid: 30, user.name: alice}}
";
    let file = write(&dir, "t.yaml", content);
    run(["rules", "test", "-r", &rules, &file]).exits(0);
}

#[test]
fn captures_are_tested_too() {
    test("- {test: T, capture: none.scap, expect: []}").exits(1).prints("none.scap");
    let Some(shared) = common::shared() else { return };
    // The alerts that Falco itself raised on this capture (golden/) begin with this one.
    let golden = shared.join("captures/golden");
    let capture = shared.join("captures/attack-host.scap");
    assert!(golden.is_dir() && capture.is_file());
    let content = format!(
        "- test: T
  capture: {}
  expect_only: [Shell in a container]
  expect: []
- test: U
  capture: {0}
  expect_only: [Shadow file read]
  expect: []
",
        capture.display()
    );
    let run = test(&content).exits(1);
    let stdout = run.stdout();
    assert!(stdout.starts_with("ok     T\nFAILED U"), "{stdout}");
    assert!(stdout.contains(": Shadow file read\n             Shadow file read | command="));
}

const BAD: &str = "\
- list: shells
  items: [bash, sh]

- rule: One
  desc: d
  condition: >
    evt.type=open
    and proc.nmae in (shells)
  output: x
  priority: INFO

- rule: Two
  desc: d
  condition: evt.type=open
  output: x
  priority: LOUD
  colour: red
";

#[test]
fn check_tells_all_findings_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let bad = write(&dir, "bad.yaml", BAD);
    let run_text = run(["rules", "check", &bad]).exits(1);
    let run_text = run_text
        .prints("error[LOAD_ERR_COMPILE_CONDITION]: ")
        .prints("bad.yaml:8:9 (rule 'One')\n  |     and proc.nmae in (shells)\n  |         ^\n")
        .prints("error[LOAD_ERR_YAML_VALIDATE]: Invalid priority")
        .prints("bad.yaml:16:13 (rule 'Two')");
    assert!(run_text.stdout().contains("1 file checked: 2 errors"), "{}", run_text.stdout());

    let report = json(&run(["rules", "check", "--format", "json", &bad]).exits(1));
    assert_eq!((&report["successful"], &report["errors"]), (&false.into(), &2.into()));
    let first = &report["findings"][0];
    assert_eq!((&first["line"], &first["column"]), (&8.into(), &9.into()), "{first}");
    assert_eq!(first["item"]["name"], "One");
}

#[test]
fn check_passes_warnings_unless_strict() {
    let dir = tempfile::tempdir().unwrap();
    let base = write(&dir, "a.yaml", "- macro: m\n  condition: evt.type=open\n");
    run(["rules", "check", &base]).exits(0).prints("warning[LOAD_UNUSED_MACRO]");
    run(["rules", "check", "--strict", &base])
        .exits(1)
        .prints("1 file checked: no errors, 1 warning");
    // A later file that uses it settles the matter.
    write(
        &dir,
        "b.yaml",
        "- rule: R\n  desc: d\n  condition: m and proc.name=x\n  output: x\n  priority: INFO\n",
    );
    let whole = dir.path().to_str().unwrap();
    run(["rules", "check", "--strict", whole])
        .exits(0)
        .prints("2 files checked: no errors, no warnings");
    run(["rules", "check", "/nonexistent.yaml"]).exits(1).says("/nonexistent.yaml");
}

#[test]
fn sarif_has_what_the_standard_demands() {
    let dir = tempfile::tempdir().unwrap();
    let bad = write(&dir, "bad.yaml", BAD);
    let log = json(&run(["rules", "check", "--format", "sarif", &bad]).exits(1));
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(run["tool"]["driver"]["name"].is_string());
    let results = run["results"].as_array().unwrap();
    assert!(results.len() >= 2);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
        assert!(place["region"]["startColumn"].as_u64().unwrap() >= 1);
        assert!(place["artifactLocation"]["uri"].as_str().unwrap().starts_with("file:///"));
    }
    let ids: std::collections::BTreeSet<&str> =
        rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len(), "each rule once");
    let clean =
        json(&common::run(["rules", "check", "--format", "sarif", &self::rules()]).exits(0));
    assert_eq!(clean["runs"][0]["results"], Value::Array(vec![]));
}

#[test]
fn explain_tells_condition_events_fields_state_and_cost() {
    run(["rules", "explain", "Shadow file read", "-r", &rules()])
        .exits(0)
        .prints("Condition   lists, macros and exceptions written out:\n")
        .prints("evt.type in (open, openat, openat2)")
        .prints("Events      4 names: asyncevent, open, openat, openat2")
        .prints("of the event (read for every event):\n              evt.is_open_read")
        .prints("of the process (kept until")
        .prints("Output      proc.cmdline, proc.pname, user.name")
        .prints("clone, clone3, execve")
        .prints("Cost        5 comparisons");
    let rule = json(
        &run(["rules", "explain", "Shadow file read", "-r", &rules(), "--format", "json"]).exits(0),
    );
    assert_eq!(rule["events"], serde_json::json!(["asyncevent", "open", "openat", "openat2"]));
    assert_eq!(rule["fields"]["process"], serde_json::json!(["proc.name"]));
    assert_eq!(rule["cost"]["distinct"], 5);
    assert_eq!(rule["cost"]["cached_per_process"], 1);
    // No other rule has a comparison of it.
    assert_eq!(rule["cost"]["shared_with_other_rules"], 0);
    run(["rules", "explain", "Shadow file reed", "-r", &rules()])
        .exits(1)
        .says("there is no rule 'Shadow file reed'; did you mean 'Shadow file read'?");
}

#[test]
fn help_teaches_by_example() {
    run(["rules", "--help"]).exits(0).prints("test").prints("check").prints("explain");
    run(["rules", "test", "--help"]).exits(0).prints("- test: An untrusted program");
    run(["rules", "check", "--help"]).exits(0).prints("--format sarif > falco.sarif");
    run(["rules", "explain", "--help"]).exits(0).prints("falco rules explain 'Read sensitive");
    run(["rules"]).exits(1).says("falco rules needs a command: test, check or explain");
    run(["rules", "tset"]).exits(1).says("did you mean 'falco rules test'?");
    assert!(Path::new(DATA).is_dir());
}
