//! The sensor and gVisor's sandboxes: real runsc, two builds and two platforms, busybox in bundles, in
//! Docker and in containerd.
//!
//! * [`attacks`]: what is done in a sandbox, and which rules report it with what fields: each alert
//!   must be in the table, and each in the table must come.
//! * [`sandbox`]: bundles, run; [`builds`]: the builds of runsc.
//! * [`lives`]: sandboxes and sensors that come, go, restart and stall.
//! * [`engines`]: Docker and containerd with runsc.
//!
//! Needs root, and the builds of runsc that `cargo xtask unit` puts in place; says so loudly and passes
//! where something is missing.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

#[path = "../common/actor.rs"]
mod actor;
#[path = "../common/attack.rs"]
mod attack;
mod attacks;
mod builds;
#[path = "../common/containers.rs"]
mod containers;
mod engines;
#[path = "../common/image.rs"]
mod image;
mod lives;
mod sandbox;
#[path = "../common/sensor.rs"]
mod sensor;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use actor::{Actor, all_installed};
use attack::{Attack, Deed, RuleSet, fields_judged, now};
use builds::Build;
use common::{assert_same, run};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use sandbox::{Sandboxes, Spec, new_id};
use sensor::{Ended, Sensor, Setup};
use serde_json::Value;

/// How long anything may take before the test says that it will not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Past the capture of test output: who reads the log must know what was not tested.
fn ignored(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "IGNORED: {what} because {why}");
}

/// A build of runsc and the actor, or loud words why they cannot be had here.
fn gvisor(what: &str, build: &str) -> Option<(Build, Actor)> {
    let missing = if std::env::var_os("FALCO_LIVE_TESTS").is_some_and(|value| value == "off") {
        Err("FALCO_LIVE_TESTS=off".to_owned())
    } else if !rustix::process::geteuid().is_root() {
        Err("it needs root".to_owned())
    } else {
        all_installed(&["busybox", "nsenter", "setpriv", "unshare", "timeout"])
    };
    let found = missing.and_then(|()| Ok((Build::get(build)?, Actor::compile()?)));
    found.inspect_err(|why| ignored(what, why)).ok()
}

fn our_rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/default/falco_rules.yaml")
}

/// The rule files of a set; none if they are not at hand.
fn rules_of(set: RuleSet) -> Option<Vec<PathBuf>> {
    match set {
        RuleSet::Ours => Some(vec![our_rules()]),
        RuleSet::Official => {
            let rules = common::shared()?.join("rules");
            let names = ["falco_rules.yaml", "falco-incubating_rules.yaml"];
            Some(names.map(|name| rules.join(name)).to_vec())
        }
    }
}

/// Where a sensor and its sandboxes meet.
struct Meeting {
    dir: tempfile::TempDir,
    setup: Setup,
}

impl Meeting {
    /// A sensor to be, with these rules, that watches sandboxes of this build. It knows where their
    /// state is once it is told.
    fn new(build: &Build, rules: &[PathBuf], fields: BTreeSet<&'static str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup { rules: rules.to_vec(), fields, ..Setup::default() };
        Meeting { dir, setup }.told_of(build, &[])
    }

    /// With the state directories that its sandboxes are in; none: it finds them itself.
    fn told_of(mut self, build: &Build, roots: &[&Path]) -> Self {
        let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
        self.setup.engine = format!(
            "{{kind: gvisor, gvisor: {{socket: {}, runsc: {}, root: [{}]}}}}",
            self.socket().display(),
            build.program.display(),
            roots.join(", ")
        );
        self
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("gvisor.sock")
    }

    /// What runsc is given for the sensor's rules as `--pod-init-config`.
    #[track_caller]
    fn pod_init(&self, build: &Build) -> PathBuf {
        let args = ["gvisor".to_owned(), "init-config".into()].into_iter().chain(self.input(build));
        let config = run(args).exits(0).stdout();
        let path = self.dir.path().join("pod-init.json");
        fs::write(&path, config).unwrap();
        path
    }

    /// Rules, socket and runsc, as arguments of `falco gvisor`.
    fn input(&self, build: &Build) -> Vec<String> {
        let rules = self.setup.rules.iter();
        let mut args: Vec<String> =
            rules.flat_map(|rules| ["-r".to_owned(), rules.display().to_string()]).collect();
        for setting in [
            format!("engine.gvisor.socket={}", self.socket().display()),
            format!("engine.gvisor.runsc={}", build.program.display()),
        ] {
            args.extend(["-o".to_owned(), setting]);
        }
        args
    }

    /// Starts the sensor and waits until it listens.
    #[track_caller]
    fn watch(&self) -> Sensor {
        let sensor = Sensor::start(&self.setup);
        self.wait_until_listening(&sensor);
        sensor
    }

    /// What `falco gvisor sessions` says while the sensor runs; it is written once a second.
    #[track_caller]
    fn sessions(&self, state: &Path) -> Vec<Value> {
        let socket = format!("engine.gvisor.socket={}", self.socket().display());
        let root = format!("engine.gvisor.root={}", state.display());
        let stdout = run(["gvisor", "sessions", "--json", "-o", &socket, "-o", &root]).exits(0);
        let said: Value = serde_json::from_str(&stdout.stdout()).unwrap();
        said["sandboxes"].as_array().unwrap().clone()
    }

    /// The alerts of a recording of what the sensor saw.
    #[track_caller]
    fn replay(&self, capture: &Path) -> Vec<Value> {
        let config = self.setup.write(self.dir.path());
        let args = ["-c".as_ref(), config.as_os_str(), "-e".as_ref(), capture.as_os_str()];
        let stdout = run(args).exits(0).stdout();
        let lines = stdout.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A connection that says nothing is no harm.
    #[track_caller]
    fn wait_until_listening(&self, sensor: &Sensor) {
        let begin = Instant::now();
        let address = SocketAddrUnix::new(self.socket()).unwrap();
        let listens = || {
            let socket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
            connect(&socket, &address).is_ok()
        };
        while !listens() {
            let said = sensor.stderr_so_far();
            assert!(begin.elapsed() < PATIENCE, "the sensor does not listen:\n{said}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Tries until it succeeds; shows what the sensor said if it never does.
#[track_caller]
fn eventually(sensor: &Sensor, mut succeeds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !succeeds() {
        assert!(
            begin.elapsed() < PATIENCE,
            "the sensor reports nothing:\n{}",
            sensor.stderr_so_far()
        );
    }
}

/// A script for the first shell of a sandbox that carries out all attacks, those that wait beside the
/// others.
fn script(attacks: &[Attack]) -> String {
    let addresses = attacks::ADDRESSES.iter();
    let mut script: String =
        addresses.map(|address| format!("ip addr add {address}/32 dev lo\n")).collect();
    for attack in attacks {
        let beside = if attack.script.contains(" late ") { " &" } else { "" };
        script += &format!(
            "{{ FALCO_LIVE={} S={} /bin/sh -ec 'eval \"$S\"\n:' || echo FAILED {}; }}{beside}\n",
            attack.token(),
            quoted(attack.script),
            attack.name,
        );
    }
    script + "wait\n"
}

/// As one word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Carries out all attacks in a sandbox that is traced from its start, and judges what one set of
/// rules reports. Once more if the machine was too busy, which is no fault of the sensor: a sandbox
/// drops what nobody takes in time, and a debug build is ten times slower than what people run.
#[track_caller]
fn attack_a_sandbox(build: &Build, actor: &Actor, set: RuleSet) {
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        let Err(lost) = try_attack(build, actor, set) else { return };
        let _ = writeln!(std::io::stderr(), "AGAIN: {lost}");
    }
    panic!("events were lost {TRIES} times");
}

/// # Errors
/// If alerts are wrong and events were lost.
#[track_caller]
fn try_attack(build: &Build, actor: &Actor, set: RuleSet) -> Result<(), String> {
    let Some(rules) = rules_of(set) else { return Ok(()) };
    let attacks = attacks::attacks();
    let meeting = Meeting::new(build, &rules, fields_judged(&attacks));
    let sandboxes = Sandboxes::new(build, actor, Some(&meeting.pod_init(build)));
    let mut meeting = meeting.told_of(build, &[&sandboxes.state()]);
    let capture = meeting.dir.path().join("whole.scap");
    meeting.setup.args = vec!["-w".into(), capture.display().to_string()];
    let sensor = meeting.watch();

    let id = new_id();
    let began = now();
    let script = format!("S={}", script(&attacks));
    let args = ["/bin/sh", "-c", "eval \"$S\""];
    let printed = sandboxes.run(&Spec { id: &id, args: &args, env: &[&script], pod: None }).wait();
    assert!(!printed.contains("FAILED"), "{printed}");
    let ended = now();
    let Ended { status, alerts, stderr } = sensor.terminate();

    let container_id: String = id.chars().take(12).collect();
    let deeds = attacks.iter().map(|attack| Deed {
        attack,
        container_id: container_id.clone(),
        sandboxed: true,
        began,
        ended,
    });
    let wrong: Vec<String> = deeds.flat_map(|deed| deed.judge(set, &alerts)).collect();
    if let Some(line) = stderr.lines().find(|line| line.contains("events were lost"))
        && !wrong.is_empty()
    {
        return Err(line.to_owned());
    }
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} alerts are wrong:\n{}\n{stderr}", wrong.join("\n"));
    assert!(status.success(), "{status}\n{stderr}");
    let stray: Vec<&str> =
        alerts.iter().filter(|a| a.field("token").is_empty()).map(|a| a.output()).collect();
    assert!(stray.is_empty(), "{stray:?}");
    // A replay asks nobody whose address that is.
    let again = alerts.into_iter().filter(|alert| alert.rule() != attacks::BY_HOST_NAME);
    let reported: Vec<Value> = again.map(|alert| alert.json).collect();
    assert_same(&meeting.replay(&capture), &reported);
    Ok(())
}

#[test]
fn attacks_in_sandboxes_are_reported_2022_ptrace() {
    let Some((build, actor)) = gvisor("attacks in sandboxes", "2022-ptrace") else { return };
    attack_a_sandbox(&build, &actor, RuleSet::Official);
    attack_a_sandbox(&build, &actor, RuleSet::Ours);
}

#[test]
fn attacks_in_sandboxes_are_reported_2024_ptrace() {
    let Some((build, actor)) = gvisor("attacks in sandboxes", "2024-ptrace") else { return };
    attack_a_sandbox(&build, &actor, RuleSet::Official);
}

#[test]
fn attacks_in_sandboxes_are_reported_2024_systrap() {
    let Some((build, actor)) = gvisor("attacks in sandboxes", "2024-systrap") else { return };
    attack_a_sandbox(&build, &actor, RuleSet::Official);
    attack_a_sandbox(&build, &actor, RuleSet::Ours);
}

#[test]
fn every_attack_has_a_name_of_its_own() {
    let mut times = BTreeMap::new();
    for attack in attacks::attacks() {
        *times.entry(attack.name).or_insert(0) += 1;
    }
    times.retain(|_, count| *count > 1);
    assert!(times.is_empty(), "{times:?}");
}
