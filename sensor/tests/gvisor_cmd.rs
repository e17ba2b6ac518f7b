//! `falco gvisor …`, `falco doctor` and the configuration of gVisor, on a host that has none of it: no
//! runsc is in the `PATH` of these tests, and no sandbox in the directory that they are told of.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Run, falco};
use serde_json::Value;

const RULES: &str = "
- rule: Read sensitive file
  desc: A file is opened
  condition: evt.type in (open, openat) and evt.dir = < and fd.name startswith /etc/
  output: File opened (%fd.name)
  priority: WARNING

- rule: Datagram received
  desc: gVisor does not tell of this
  condition: evt.type = recvfrom
  output: Datagram received (%proc.name)
  priority: CRITICAL

- rule: Written to
  desc: No event of it is wanted, as it is off
  condition: evt.type = write
  output: Written (%fd.name)
  priority: NOTICE
  enabled: false
";

/// A directory with rules, and nothing of gVisor.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("rules.yaml"), RULES).unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        Desk(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs falco with these arguments; RULES, DESK are replaced.
    fn run(&self, args: &[&str]) -> Run {
        let mut command = falco();
        command.env("PATH", self.path("bin"));
        for arg in args {
            let arg = arg.replace("RULES", &self.text("rules.yaml"));
            command.arg(arg.replace("DESK", self.0.path().to_str().unwrap()));
        }
        // What gVisor has on this machine is not what the test is about.
        command.args(["-o", &format!("engine.gvisor.root={}", self.text("bin"))]);
        Run(command.output().unwrap())
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The names of a session's points.
fn points(session: &Value) -> Vec<&str> {
    let points = session["trace_session"]["points"].as_array().unwrap();
    points.iter().map(|point| point["name"].as_str().unwrap()).collect()
}

#[test]
fn init_config_names_the_points_that_rules_need() {
    let desk = Desk::new();
    let run = desk.run(&["gvisor", "init-config", "-r", "RULES", "--runsc-version", "2022"]);
    let session = json(&run.exits(0).stdout());
    let names = points(&session);
    for wanted in ["container/start", "sentry/clone", "sentry/task_exit", "syscall/openat/exit"] {
        assert!(names.contains(&wanted), "no {wanted} in {names:?}");
    }
    // A rule that is off wants nothing.
    assert!(!names.contains(&"syscall/write/exit"), "{names:?}");
    let trace = &session["trace_session"];
    assert_eq!((&trace["name"], &trace["ignore_missing"]), (&"Default".into(), &true.into()));
    let sink = &trace["sinks"][0];
    assert_eq!(sink["name"], "remote");
    assert_eq!(sink["config"]["endpoint"], "/run/falco/gvisor.sock");
    // A sandbox must start even if no falco runs.
    assert_eq!(sink["ignore_setup_error"], true);
}

#[test]
fn init_config_sends_to_the_socket_that_is_configured() {
    let desk = Desk::new();
    let socket = "engine.gvisor.socket=DESK/here.sock";
    let run = desk.run(&["gvisor", "init-config", "-r", "RULES", "-o", socket]);
    let printed = run.exits(0).stdout();
    let endpoint = |printed: &str| {
        json(printed)["trace_session"]["sinks"][0]["config"]["endpoint"]
            .as_str()
            .map(str::to_owned)
            .unwrap()
    };
    assert_eq!(endpoint(&printed), desk.text("here.sock"));
    // As Falco: the file that runsc is given says where.
    fs::write(desk.path("pod.json"), &printed).unwrap();
    let config = "engine.gvisor.config=DESK/pod.json";
    let again = desk.run(&["gvisor", "init-config", "-r", "RULES", "-o", config]);
    assert_eq!(endpoint(&again.exits(0).stdout()), desk.text("here.sock"));
}

#[test]
fn init_config_says_what_is_missing() {
    let desk = Desk::new();
    desk.run(&["gvisor", "init-config", "-r", "RULES", "--runsc-version", "x"])
        .exits(1)
        .says("Error: --runsc-version x: this is no version of runsc; expected a release");
    fs::write(desk.path("empty.yaml"), "{}\n").unwrap();
    desk.run(&["gvisor", "init-config", "-c", "DESK/empty.yaml"])
        .exits(1)
        .says("Error: You must specify at least one rules file");
    fs::write(desk.path("null.json"), r#"{"trace_session": {"sinks": [{"name": "null"}]}}"#)
        .unwrap();
    desk.run(&[
        "gvisor",
        "init-config",
        "-r",
        "RULES",
        "-o",
        "engine.gvisor.config=DESK/null.json",
    ])
    .exits(1)
    .says("null.json names no socket: trace_session.sinks has no sink 'remote'");
    desk.run(&["gvisor", "init-config", "-r", "RULES", "-o", "engine.gvisor.config=DESK/none"])
        .exits(1)
        .says("Error: engine.gvisor.config: cannot read");
}

#[test]
fn install_writes_what_init_config_prints_and_tells_the_rest() {
    let desk = Desk::new();
    let install = ["gvisor", "install", "-r", "RULES", "--config-file", "DESK/etc/gvisor.json"];
    let dry = desk.run(&[&install[..], &["--dry-run"]].concat()).exits(0).stdout();
    assert!(dry.starts_with("Would write "), "{dry}");
    assert!(!desk.path("etc").exists());
    let told = desk.run(&install).exits(0).stdout();
    assert!(told.starts_with("Wrote "), "{told}");
    let written = fs::read_to_string(desk.path("etc/gvisor.json")).unwrap();
    let printed = desk.run(&["gvisor", "init-config", "-r", "RULES"]).exits(0).stdout();
    assert_eq!(written, printed);
    let argument = format!("--pod-init-config={}", desk.text("etc/gvisor.json"));
    for text in [
        &format!("\"{argument}\""),
        "/etc/docker/daemon.json",
        "runtime_type = \"io.containerd.runsc.v1\"",
        &format!("pod-init-config = \"{}\"", desk.text("etc/gvisor.json")),
        &format!("exec /usr/local/bin/runsc {argument} \"$@\""),
        "for 2 rules",
    ] {
        assert!(told.contains(text), "no {text} in\n{told}");
    }
    // What is shown for Docker is what Docker reads.
    let from = told.find("      {").unwrap();
    let until = from + told[from..].find("\n      }\n").unwrap() + "\n      }\n".len();
    let docker = json(&told[from..until]);
    assert_eq!(docker["runtimes"]["runsc"]["runtimeArgs"][0], argument.as_str());
}

#[test]
fn sessions_are_told_without_a_sensor() {
    let desk = Desk::new();
    let socket = "engine.gvisor.socket=DESK/s.sock";
    desk.run(&["gvisor", "sessions", "-o", socket])
        .exits(0)
        .prints("no falco receives at ")
        .prints("no sandbox of gVisor runs here");
    let run = desk.run(&["gvisor", "sessions", "--json", "-o", socket]);
    let told = json(&run.exits(0).stdout());
    assert_eq!(told, serde_json::json!({"sensor_pid": null, "sandboxes": []}));
}

#[test]
fn the_doctor_says_what_rules_miss_in_sandboxes() {
    let desk = Desk::new();
    let args = ["doctor", "-r", "RULES", "-o", "engine.kind=gvisor"];
    let run = desk
        .run(&args)
        .exits(0)
        .prints("\n  note runsc: not in PATH\n")
        .prints("sandboxes: 0 running")
        .prints("cannot fire: Datagram received\n         recvfrom")
        .prints("see above which rules cannot fire in sandboxes");
    // Nobody asked about the kernel.
    assert!(!run.stdout().contains("Probe"), "{}", run.stdout());
    let report = json(&desk.run(&[&args[..], &["--json"]].concat()).exits(0).stdout());
    assert_eq!(report["probe"], Value::Null);
    let rules = &report["gvisor"]["rules"];
    assert_eq!(rules["enabled"], 2);
    assert_eq!(rules["cannot_fire"][0]["rule"], "Datagram received");
}

#[test]
fn the_doctor_finds_a_program_that_does_not_work() {
    let desk = Desk::new();
    desk.run(&[
        "doctor",
        "-r",
        "RULES",
        "-o",
        "engine.kind=gvisor",
        "-o",
        "engine.gvisor.runsc=/bin/false",
    ])
    .exits(1)
    .prints("  BAD  runsc: /bin/false: ");
}

#[test]
fn configurations_that_cannot_be_are_refused() {
    let desk = Desk::new();
    for (given, refusal) in [
        (&["engine.kind=gvisr"][..], "engine.kind 'gvisr' is not a valid kind."),
        (
            &["engine.kind[]=gvisor", "engine.kind[]=replay"],
            "engine.kind: 'replay' cannot run beside another kind",
        ),
        (
            &["engine.kind=gvisor", "engine.gvisor.socket=relative.sock"],
            "cannot listen at relative.sock: a socket needs an absolute path",
        ),
        (
            &["engine.kind=gvisor", "engine.gvisor.config=/none.json"],
            "engine.gvisor.config: cannot read /none.json: No such file",
        ),
    ] {
        let mut args = vec!["-r", "RULES"];
        args.extend(given.iter().flat_map(|given| ["-o", *given]));
        desk.run(&args).exits(1).says(refusal);
    }
    // What Falco 0.43 understood leads to what does it here.
    desk.run(&["--gvisor-generate-config"]).exits(1).says("use falco gvisor init-config");
    desk.run(&["-g", "/x"]).exits(1).says("-o engine.kind=gvisor -o engine.gvisor.config=FILE");
}
