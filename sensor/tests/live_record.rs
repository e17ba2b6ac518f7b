//! Recordings of the running kernel: what is recorded live replays to what was reported live.
//!
//! The scenario is a script in a temporary directory: programs are copied and run, files that look
//! sensitive are opened, names change, a process drops its user, and a datagram goes to the loopback
//! address. Rules look at its processes only.
//!
//! Needs root and a kernel with BTF; says so and passes where one of them is missing.
//! `FALCO_LIVE_TESTS=off` passes over all of it.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/watching.rs"]
mod watching;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{assert_same, falco, live, run};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use watching::Watching;

/// Large rings, since a debug build does not keep up with a busy machine.
const LARGE_RINGS: [&str; 4] = [
    "-o",
    "engine.modern_ebpf.buf_size_preset=9",
    "-o",
    "engine.modern_ebpf.cpus_for_each_buffer=0",
];

/// What a scenario leaves in its environment, by which rules know its processes.
const TOKEN: &str = "FALCO_RECORD_TEST";

const SCRIPT: &str = r#"
cd "$1"
mkdir -p deep/er
cd deep
cat ../shadow > /dev/null
cd er
../../copied argument "with blank"
cat < ../../shadow > /dev/null
mv ../../shadow ../shadow.old
ln -s ../../copied link
chmod u+s ../../copied
( cd ..; exec ../copied again )
setpriv --reuid 65534 --clear-groups cat ../../readable > /dev/null
bash -c 'echo hello > /dev/udp/127.0.0.1/9'
bash -c 'exec -a renamed ../../copied'
sh -c 'sh -c "cat ../../readable; exit 3"' > /dev/null
./link last
"#;

/// In the alert about the last program.
const LAST: &str = "cmd=link last ";

/// A directory with the scenario and rules about it.
struct Desk {
    dir: TempDir,
    token: String,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().file_name().unwrap().to_str().unwrap().to_owned();
        let desk = Desk { dir, token: name };
        fs::write(desk.path("rules.yaml"), desk.rules()).unwrap();
        fs::write(desk.path("script"), SCRIPT).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn rules(&self) -> String {
        let mine = format!("proc.env[{TOKEN}] = {}", self.token);
        let show = "n=%evt.num type=%evt.type args=%evt.args host=%evt.hostname name=%proc.name \
                    exe=%proc.exe path=%proc.exepath cmd=%proc.cmdline pid=%proc.pid \
                    parent=%proc.pname grand=%proc.aname[2] great=%proc.aname[3] ppid=%proc.ppid \
                    cwd=%proc.cwd sid=%proc.sid leader=%proc.sname tty=%proc.tty user=%user.name \
                    uid=%user.uid login=%user.loginuid group=%group.name caps=%thread.cap_permitted \
                    since=%proc.duration started=%proc.pid.ts parent_since=%proc.ppid.duration \
                    ino=%proc.exe_ino ctime=%proc.exe_ino.ctime upper=%proc.is_exe_upper_layer \
                    container=%container.id fd=%fd.name raw=%fd.nameraw num=%fd.num kind=%fd.type \
                    server=%fd.sip port=%fd.sport new=%fd.name_changed";
        let rule = |name: &str, condition: &str, more: &str| {
            format!(
                "- rule: {name}\n  desc: {name}\n  condition: {mine} and {condition}\n  \
                 output: {show}\n  priority: NOTICE\n{more}"
            )
        };
        [
            rule("Program run", "evt.type in (execve, execveat)", ""),
            rule(
                "Sensitive file read",
                "evt.type in (open, openat, openat2) and fd.name contains /shadow",
                "  capture: true\n  capture_duration: 600000\n",
            ),
            rule(
                "Readable file read",
                "evt.type in (open, openat, openat2) and fd.name endswith /readable",
                "",
            ),
            rule(
                "Name changed",
                "evt.type in (rename, renameat, renameat2, symlink, symlinkat)",
                "",
            ),
            rule("Mode changed", "evt.type in (chmod, fchmod, fchmodat, fchmodat2)", ""),
            rule("Moved", "evt.type = chdir", ""),
            rule("User dropped", "evt.type in (setuid, setresuid)", ""),
            rule("Datagram", "evt.type = connect and fd.l4proto = udp", ""),
            rule("Process ended", "evt.type = procexit", ""),
        ]
        .concat()
    }

    /// Runs the scenario to its end.
    fn act(&self) {
        fs::write(self.path("shadow"), "secret").unwrap();
        fs::write(self.path("readable"), "anything").unwrap();
        fs::set_permissions(
            self.path("readable"),
            std::os::unix::fs::PermissionsExt::from_mode(0o644),
        )
        .unwrap();
        fs::set_permissions(self.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        fs::copy("/bin/true", self.path("copied")).unwrap();
        let status = Command::new("sh")
            .arg(self.path("script"))
            .arg(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env(TOKEN, &self.token)
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{status}");
        let _ = fs::remove_dir_all(self.path("deep"));
    }

    /// A sensor that watches.
    fn watch(&self, more: &[&str]) -> Watching {
        let mut command = falco();
        command.args(self.options()).args(LARGE_RINGS).args(["-v", "-o", "log_stderr=true"]);
        Watching::start(command.args(more), "Attached: ")
    }

    /// The options that are the same live and in replay.
    fn options(&self) -> Vec<String> {
        let rules = self.text("rules.yaml");
        let options = ["-r", &rules, "-o", "json_output=true", "-o", "rule_matching=all"];
        options.map(str::to_owned).to_vec()
    }

    /// The alerts of a replay.
    fn replay(&self, capture: &Path) -> Vec<Value> {
        let mut options = self.options();
        options.extend(["-e".to_owned(), capture.to_str().unwrap().to_owned()]);
        alerts(&run(options).exits(0).stdout())
    }

    /// The recording that a rule began.
    fn triggered(&self) -> PathBuf {
        let names = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut named =
            names.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("rec_"));
        let (first, second) = (named.next(), named.next());
        assert!(second.is_none(), "one recording covers it all");
        first.expect("a recording")
    }
}

fn alerts(stdout: &str) -> Vec<Value> {
    let lines = stdout.lines().filter(|line| line.starts_with("{\"hostname\""));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same without event numbers.
fn unnumbered(mut alerts: Vec<Value>) -> Vec<Value> {
    for alert in &mut alerts {
        alert["output_fields"].as_object_mut().unwrap().remove("evt.num");
        let output = alert["output"].as_str().unwrap();
        let (before, after) = output.split_once("n=").unwrap();
        let (_, after) = after.split_once(' ').unwrap();
        alert["output"] = format!("{before}{after}").into();
    }
    alerts
}

/// The same, as far as two probes can agree that each look at the clock, and number what they see.
fn timeless(mut alerts: Vec<Value>) -> Vec<Value> {
    for alert in &mut alerts {
        let fields = alert["output_fields"].as_object_mut().unwrap();
        for name in ["evt.num", "evt.time", "proc.duration", "proc.ppid.duration", "proc.pid.ts"] {
            fields.remove(name).unwrap();
        }
        // What is in it is in the fields.
        alert["output"].take();
        alert["time"].take();
    }
    alerts.sort_by_key(Value::to_string);
    alerts
}

/// Each rule of the scenario has matched, most of them more than once.
fn assert_complete(alerts: &[Value]) {
    let count = |rule: &str| alerts.iter().filter(|alert| alert["rule"] == rule).count();
    for (rule, least) in [
        ("Program run", 15),
        ("Sensitive file read", 2),
        ("Readable file read", 2),
        ("Name changed", 2),
        ("Mode changed", 1),
        ("Moved", 3),
        ("User dropped", 1),
        ("Datagram", 1),
        ("Process ended", 15),
    ] {
        assert!(count(rule) >= least, "{rule}: {} instead of {least}", count(rule));
    }
}

#[test]
fn what_a_sensor_reports_its_recordings_report_again() {
    if !live("recording beside alerts") {
        return;
    }
    let desk = Desk::new();
    let whole = desk.text("whole.scap");
    let prefix = format!("capture.path_prefix={}", desk.text("rec"));
    let mut sensor = desk.watch(&["-w", &whole, "-o", "capture.enabled=true", "-o", &prefix]);
    desk.act();
    sensor.wait_for(LAST);
    let output = sensor.terminate();
    assert!(!output.contains("missing in"), "{output}");
    let reported = alerts(&output);
    assert_complete(&reported);
    // The whole run: the same alerts, event numbers included.
    assert_same(&desk.replay(Path::new(&whole)), &reported);
    // From the alert that began the other recording.
    let first = reported.iter().position(|alert| alert["rule"] == "Sensitive file read").unwrap();
    let triggered = desk.replay(&desk.triggered());
    assert_same(&unnumbered(triggered), &unnumbered(reported[first..].to_vec()));
}

#[test]
fn falco_record_sees_what_a_sensor_sees() {
    if !live("falco record beside a sensor") {
        return;
    }
    let desk = Desk::new();
    let mut sensor = desk.watch(&[]);
    let file = desk.text("recorded.scap");
    let mut command = falco();
    command.args(["record", "-w", &file, "--buffer-size", "128"]);
    let recorder = Watching::start(&mut command, "watching this host");
    desk.act();
    sensor.wait_for(LAST);
    let told = recorder.terminate();
    assert!(told.contains("MB to ") && !told.contains("lost"), "{told}");
    let reported = alerts(&sensor.terminate());
    assert_complete(&reported);
    assert_same(&timeless(desk.replay(Path::new(&file))), &timeless(reported));
}

#[test]
fn a_filtered_recording_shows_what_matches_in_full() {
    if !live("falco record --filter") {
        return;
    }
    let desk = Desk::new();
    let file = desk.text("recorded.scap");
    let filter = format!("evt.type in (openat, execve) and proc.env[{TOKEN}] = {}", desk.token);
    let mut command = falco();
    command.args(["record", "-w", &file, "--filter", &filter]);
    let recorder = Watching::start(&mut command, "watching this host");
    desk.act();
    let told = recorder.terminate();
    assert!(told.contains(" for the tables)"), "{told}");
    let fields = "evt.type,proc.name,proc.pname,proc.cwd,fd.name";
    let shown = run(["events", "-e", &file, "--fields", fields]).exits(0).stdout();
    let deep = desk.text("deep");
    let line = format!("openat\tcat\tsh\t{deep}/\t{}", desk.text("shadow"));
    assert!(shown.contains(&line), "no {line} in\n{shown}");
    let others =
        shown.lines().filter(|line| !line.starts_with("openat\t") && !line.starts_with("execve\t"));
    assert_eq!(others.count(), 0, "{shown}");
}

#[test]
fn signals_leave_whole_files() {
    if !live("signals to falco record") {
        return;
    }
    for signal in [Signal::TERM, Signal::INT] {
        let desk = Desk::new();
        let file = desk.text("recorded.scap");
        let mut command = falco();
        let recorder = Watching::start(command.args(["record", "-w", &file]), "watching this host");
        // In the middle of a load.
        let mut load = Command::new("sh")
            .args(["-c", "i=0; while [ $i -lt 3000 ]; do /bin/true; i=$((i+1)); done"])
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let asked = Instant::now();
        recorder.send(signal);
        let (status, told) = recorder.end();
        let took = asked.elapsed();
        let _ = load.kill();
        let _ = load.wait();
        assert!(status.success(), "{status}: {told}");
        assert!(took < Duration::from_secs(20), "{took:?}");
        let events: u64 = told
            .lines()
            .find_map(|line| line.split_once(" events, ")?.0.parse().ok())
            .expect("how much was recorded");
        let shown = run(["events", "-e", &file, "--filter", "evt.num > 0", "--fields", "evt.num"])
            .exits(0)
            .stdout();
        let last: u64 = shown.lines().last().unwrap().parse().unwrap();
        // Enter events have numbers and are not shown.
        assert!(last <= events && last + 1000 > events, "{last} of {events}");
        assert!(last > 100, "{last}");
    }
}

#[test]
fn events_of_this_host_are_printed_until_a_signal() {
    if !live("falco events") {
        return;
    }
    let desk = Desk::new();
    let filter = format!("evt.type = execve and proc.env[{TOKEN}] = {}", desk.token);
    let mut command = falco();
    command.args(["events", "--filter", &filter, "--fields", "proc.name,proc.exepath", "--json"]);
    let mut events = Watching::start(&mut command, "watching this host");
    desk.act();
    // Shown while it goes on.
    let line = events.wait_for("\"proc.name\":\"link\"");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["proc.exepath"], desk.text("copied"));
    events.send(Signal::INT);
    let (status, told) = events.end();
    assert!(status.success(), "{status}: {told}");
}

#[test]
fn who_may_not_watch_is_told_what_is_missing() {
    if !live("falco events without privileges") {
        return;
    }
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"])
        .arg(falco().get_program())
        .args(["events", "-n", "1"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("failed to execute") {
        eprintln!("IGNORED: nobody may not run {:?}", falco().get_program());
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("root") || stderr.contains("CAP_BPF"), "{stderr}");
}
