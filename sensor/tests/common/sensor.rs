//! A sensor under test that watches: started, read while it runs, ended.

// Every test program is a crate of its own and uses only a part of this.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::actor::dying_with_its_starter;
use crate::common;

/// How long anything may take before the test says that it will not come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Settings of the ring buffers: one of 256 MiB for all processors.
const LARGE_BUFFERS: &str = "{buf_size_preset: 9, cpus_for_each_buffer: 0}";
/// The default ones.
const USUAL_BUFFERS: &str = "{}";
/// The program by whose execution tests know how far a sensor has come.
const MARKER: &str = "falco-marker";
/// The rule that reports it.
const MARKER_RULE: &str = "Live test marker";

/// The hosts that a sensor under test knows. It asks no name server about others.
const HOSTS: &str = "127.0.0.1 localhost\n10.96.0.1 kubernetes.default.svc.cluster.local\n";
/// Runs a command with files of its own in a directory instead of those that say how names are
/// looked up: `sh -c THIS sh DIRECTORY COMMAND...`
const WITH_OWN_HOSTS: &str = "set -e; own=$1; shift
    for file in hosts nsswitch.conf resolv.conf; do
        if [ -e /etc/$file ]; then mount --bind \"$own/$file\" /etc/$file; fi
    done
    exec \"$@\"";

/// One line of JSON.
#[derive(Clone)]
pub struct Alert {
    pub json: Value,
}

impl Alert {
    pub fn rule(&self) -> &str {
        self.json["rule"].as_str().unwrap_or_default()
    }

    pub fn output(&self) -> &str {
        self.json["output"].as_str().unwrap_or_default()
    }

    /// A field's value as text; a field without a value is empty.
    pub fn field(&self, name: &str) -> String {
        match &self.json["output_fields"][name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// A running sensor. It dies with the thread that started it, at the latest.
pub struct Sensor {
    child: Child,
    alerts: Arc<Alerts>,
    readers: Vec<JoinHandle<()>>,
    marker: PathBuf,
    /// Configuration, rules of ours, the marker, what it knows of hosts.
    _dir: tempfile::TempDir,
}

#[derive(Default)]
struct Alerts {
    all: Mutex<Vec<Alert>>,
    one_more: Condvar,
    stderr: Mutex<String>,
}

/// How a sensor ended, and all that it had to say.
pub struct Ended {
    pub status: ExitStatus,
    pub alerts: Vec<Alert>,
    pub stderr: String,
}

/// How a sensor under test is set up.
#[derive(Clone, Default)]
pub struct Setup {
    /// The `engine` of its configuration, in YAML's flow style.
    pub engine: String,
    /// Further settings, a line of YAML each.
    pub more: String,
    pub rules: Vec<PathBuf>,
    /// Fields in every alert beside those that all tests need.
    pub fields: BTreeSet<&'static str>,
    /// The process whose mount, PID and network namespaces it shares.
    pub inside: Option<i32>,
    /// Arguments beside the configuration.
    pub args: Vec<String>,
}

impl Setup {
    /// One that watches the kernel.
    pub fn modern_ebpf(buffers: &str, rules: &[&Path], fields: &BTreeSet<&'static str>) -> Self {
        Setup {
            engine: format!("{{kind: modern_ebpf, modern_ebpf: {buffers}}}"),
            rules: rules.iter().map(|&path| path.to_owned()).collect(),
            fields: fields.clone(),
            ..Setup::default()
        }
    }

    /// Writes the configuration, and what it needs, into a directory; its path.
    pub fn write(&self, dir: &Path) -> PathBuf {
        let (config, markers) = (dir.join("falco.yaml"), dir.join("marker.yaml"));
        fs::write(&markers, marker_rule()).expect("the marker's rule can be written");
        fs::write(&config, configuration(self, &markers)).expect("the configuration");
        config
    }
}

impl Sensor {
    /// Starts one that watches the kernel, with rules files, and with `fields` in every alert beside
    /// those that all tests need, and returns when it watches.
    ///
    /// Its buffers are large, since a debug build does not keep up with a busy machine.
    pub fn watch(rules: &[&Path], fields: &BTreeSet<&'static str>) -> Sensor {
        Self::watching(Setup::modern_ebpf(LARGE_BUFFERS, rules, fields))
    }

    /// The same with the buffers that users have by default.
    pub fn watch_with_usual_buffers(rules: &[&Path], fields: &BTreeSet<&'static str>) -> Sensor {
        Self::watching(Setup::modern_ebpf(USUAL_BUFFERS, rules, fields))
    }

    fn watching(setup: Setup) -> Sensor {
        let mut sensor = Self::start(&setup);
        sensor.catch_up();
        sensor
    }

    /// Starts one, which may not watch yet.
    pub fn start(setup: &Setup) -> Sensor {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let marker = dir.path().join(MARKER);
        fs::copy("/bin/true", &marker).expect("/bin/true can be copied");
        let config = setup.write(dir.path());
        let falco = common::falco();
        let files = [("hosts", HOSTS), ("nsswitch.conf", "hosts: files\n"), ("resolv.conf", "")];
        for (name, text) in files {
            fs::write(dir.path().join(name), text).expect("a file about hosts");
        }
        let mut command = dying_with_its_starter();
        if let Some(process) = setup.inside {
            command.args(["nsenter", "--mount", "--pid", "--net", "--target"]);
            command.args([process.to_string().as_str(), "--"]);
        }
        command.args(["unshare", "--mount", "--propagation", "private"]);
        command.args(["sh", "-c", WITH_OWN_HOSTS, "sh"]).arg(dir.path());
        command.arg(falco.get_program()).arg("-c").arg(&config).args(&setup.args);
        for (key, value) in falco.get_envs() {
            command.env(key, value.expect("nothing is unset"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("setpriv (util-linux) runs");
        let alerts = Arc::<Alerts>::default();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (collected, said) = (alerts.clone(), alerts.clone());
        let readers = vec![
            thread::spawn(move || stdout.lines().for_each(|line| collected.add(line))),
            thread::spawn(move || {
                for line in stderr.lines().map_while(Result::ok) {
                    *said.stderr.lock().expect("no reader panics") += &(line + "\n");
                }
            }),
        ];
        Sensor { child, alerts, readers, marker, _dir: dir }
    }

    /// The process of the sensor itself: where it shares namespaces, who entered them is above it.
    pub fn process(&self) -> Pid {
        let mut pid = Pid::from_child(&self.child);
        let children = |pid: Pid| {
            let own = pid.as_raw_nonzero();
            fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default()
        };
        let is_sensor = |pid: Pid| {
            let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
            name.is_ok_and(|name| name.trim() == "falco")
        };
        while !is_sensor(pid) {
            let child = children(pid).split_whitespace().next().and_then(|word| word.parse().ok());
            match child.and_then(Pid::from_raw) {
                Some(child) => pid = child,
                None => break,
            }
        }
        pid
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns when it has reported something that happened after this was called, so that it has
    /// also reported all that happened before.
    pub fn catch_up(&mut self) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let begin = Instant::now();
        // The first of them may run before it watches.
        while begin.elapsed() < PATIENCE {
            let number = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let ran = Command::new(&self.marker).arg(&number).status().expect("the marker runs");
            assert!(ran.success());
            let is_marker = |a: &Alert| a.rule() == MARKER_RULE && a.field("proc.args") == number;
            if self.wait_for(Duration::from_secs(1), is_marker) {
                return;
            }
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                panic!("the sensor ended, {status}:\n{}", self.stderr());
            }
        }
        panic!("the sensor reported nothing for {PATIENCE:?}");
    }

    /// Whether such an alert has come, or comes in time.
    pub fn wait_for(&self, patience: Duration, is_it: impl Fn(&Alert) -> bool) -> bool {
        let all = self.alerts.all.lock().expect("no reader panics");
        let none = |all: &mut Vec<Alert>| !all.iter().any(&is_it);
        let waited = self.alerts.one_more.wait_timeout_while(all, patience, none);
        !waited.expect("no reader panics").1.timed_out()
    }

    /// The first alert of this kind that has come.
    pub fn find(&self, is_it: impl Fn(&Alert) -> bool) -> Option<Alert> {
        let all = self.alerts.all.lock().expect("no reader panics");
        all.iter().find(|alert| is_it(alert)).cloned()
    }

    /// All that it has reported and said, for who wonders.
    pub fn all(&self) -> String {
        let all = self.alerts.all.lock().expect("no reader panics");
        let lines: String = all.iter().map(|alert| format!("{}\n", alert.json)).collect();
        lines + &self.stderr_so_far()
    }

    /// How many alerts of this kind have come.
    pub fn count(&self, is_it: impl Fn(&Alert) -> bool) -> usize {
        let all = self.alerts.all.lock().expect("no reader panics");
        all.iter().filter(|alert| is_it(alert)).count()
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(self) -> Ended {
        self.end(Signal::TERM)
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(self) -> Ended {
        self.end(Signal::KILL)
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.process(), signal).expect("it can be signalled");
    }

    fn end(mut self, signal: Signal) -> Ended {
        self.signal(signal);
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "the sensor ignores {signal:?}");
            thread::sleep(Duration::from_millis(5));
        };
        let stderr = self.stderr();
        let alerts = std::mem::take(&mut *self.alerts.all.lock().expect("no reader panics"));
        if status.signal().is_none() {
            assert!(!stderr.contains("panicked"), "{stderr}");
        }
        Ended { status, alerts, stderr }
    }

    /// What it said on stderr, once it has ended.
    fn stderr(&mut self) -> String {
        for reader in self.readers.drain(..) {
            reader.join().expect("no reader panics");
        }
        self.stderr_so_far()
    }

    /// What it has said on stderr.
    pub fn stderr_so_far(&self) -> String {
        self.alerts.stderr.lock().expect("no reader panics").clone()
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        // Also when a test fails. A sensor that has ended cannot be killed any more.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = rustix::process::kill_process(self.process(), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.stderr();
    }
}

impl Alerts {
    fn add(&self, line: std::io::Result<String>) {
        let Ok(line) = line else { return };
        // Messages may stand between the alerts.
        let Ok(json @ Value::Object(_)) = serde_json::from_str(&line) else { return };
        let mut all = self.all.lock().expect("no other reader panics");
        all.push(Alert { json });
        self.one_more.notify_all();
    }
}

fn marker_rule() -> String {
    format!(
        "- rule: {MARKER_RULE}\n  desc: Tells tests how far the sensor has come.\n  \
         condition: evt.type in (execve, execveat) and proc.name = {MARKER}\n  \
         output: marker %proc.args\n  priority: DEBUG\n"
    )
}

fn configuration(setup: &Setup, markers: &Path) -> String {
    let mut all = setup.fields.clone();
    all.extend([
        "container.id",
        "evt.rawtime",
        "evt.type",
        "proc.args",
        "proc.cmdline",
        "proc.pid",
    ]);
    all.extend(["proc.ppid", "proc.vpid", "thread.tid", "user.name", "user.uid"]);
    let fields: String = all.iter().map(|name| format!("      - {name}\n")).collect();
    let rules = setup.rules.iter().map(PathBuf::as_path).chain([markers]);
    let rules: String = rules.map(|path| format!("  - {}\n", path.display())).collect();
    let (engine, more) = (&setup.engine, &setup.more);
    format!(
        "engine: {engine}\nrules_files:\n{rules}priority: debug\nrule_matching: all\n\
         json_output: true\nbuffered_outputs: false\nstdout_output:\n  enabled: true\n\
         append_output:\n  - extra_fields:\n{fields}      - token: \"%proc.env[FALCO_LIVE]\"\n{more}"
    )
}
