//! A session of a sandbox that the test plays: it connects to the sensor's socket as runsc does, and
//! sends messages. What real sandboxes do is in `gvisor`.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/watching.rs"]
mod watching;

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{falco, live, run};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, connect, recv, send, socket,
};
use rustix::process::Signal;
use serde_json::Value;
use watching::{PATIENCE, Watching};

const RULE: &str = "
- rule: Watched file
  desc: A file is opened
  condition: evt.type in (open, openat) and fd.name startswith /watched/
  output: RULE opened (file=%fd.name by=%proc.name container=%container.id)
  priority: NOTICE

- rule: Datagram received
  desc: gVisor does not tell of this
  condition: evt.type = recvfrom
  output: Datagram received
  priority: NOTICE
";
/// Id of the container that is played.
const CONTAINER: &str = "c0ffee0123456789c0ffee0123456789c0ffee0123456789c0ffee0123456789";
/// Kinds of messages.
const START: u16 = 1;
const OPEN: u16 = 7;

/// The bytes of a protobuf message (protobuf.dev, "Encoding"), as far as they are needed.
#[derive(Default)]
struct Proto(Vec<u8>);

impl Proto {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }
}

/// Where things happen: thread 1 of the container, now.
fn context() -> Proto {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    Proto::default()
        .number(1, now)
        .number(2, 1)
        .number(4, 1)
        .bytes(6, CONTAINER.as_bytes())
        .bytes(7, &[])
        .bytes(8, b"/root")
        .bytes(9, b"reader")
}

/// A sandbox that is played.
struct Sandbox(OwnedFd);

impl Sandbox {
    /// Connects, shakes hands, and begins its first container.
    fn start(path: &Path) -> Self {
        let begin = Instant::now();
        let address = SocketAddrUnix::new(path).unwrap();
        let fd = loop {
            let fd = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
            match connect(&fd, &address) {
                Ok(()) => break fd,
                Err(error) => assert!(begin.elapsed() < PATIENCE, "{}: {error}", path.display()),
            }
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(send(&fd, &[8, 1], SendFlags::empty()).unwrap(), 2);
        let mut answer = [0; 16];
        let (_, length) = recv(&fd, &mut answer, RecvFlags::empty()).unwrap();
        assert_eq!(answer[..length], [8, 1]);
        let sandbox = Sandbox(fd);
        let start = Proto::default()
            .bytes(1, &context().0)
            .bytes(2, CONTAINER.as_bytes())
            .bytes(3, b"/root")
            .bytes(4, b"/bin/reader")
            .bytes(4, b"--all");
        sandbox.send(START, &start);
        sandbox
    }

    fn send(&self, kind: u16, message: &Proto) {
        let mut record = 8_u16.to_le_bytes().to_vec();
        record.extend(kind.to_le_bytes());
        record.extend(0_u32.to_le_bytes());
        record.extend(&message.0);
        assert_eq!(send(&self.0, &record, SendFlags::NOSIGNAL).unwrap(), record.len());
    }

    /// Its program opens a file.
    fn open(&self, name: &str) {
        // openat(AT_FDCWD, name, O_RDONLY) = 3
        let open = Proto::default()
            .bytes(1, &context().0)
            .bytes(2, &Proto::default().number(1, 3).0)
            .number(3, 257)
            .number(4, -100_i64 as u64)
            .bytes(6, name.as_bytes());
        self.send(OPEN, &open);
    }
}

/// A directory with rules and the socket, where nothing of real sandboxes is known.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Desk(tempfile::tempdir().unwrap());
        desk.write_rule("first");
        fs::create_dir(desk.path("none")).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("gvisor.sock")
    }

    fn write_rule(&self, word: &str) {
        fs::write(self.path("rules.yaml"), RULE.replace("RULE", word)).unwrap();
    }

    /// The program with these arguments, and with what it has to know of gVisor.
    fn falco(&self, args: &[&str]) -> Command {
        let mut command = falco();
        command.env("PATH", self.path("none")).args(args);
        let socket = format!("engine.gvisor.socket={}", self.socket().display());
        let root = format!("engine.gvisor.root={}", self.path("none").display());
        command.args(["-o", &socket, "-o", &root]);
        command
    }

    /// A sensor that watches.
    fn watch(&self, args: &[&str]) -> Watching {
        let mut command = self.falco(&["-o", "log_stderr=true"]);
        command.arg("-r").arg(self.path("rules.yaml")).args(args);
        Watching::start(&mut command, "Opening 'syscall' source with gVisor")
    }
}

/// The files of all alerts by these words, in order.
fn files(seen: &str) -> Vec<String> {
    let alerts = seen.lines().filter(|line| line.contains(" opened (file="));
    let file = |line: &str| {
        let rest = line.split("(file=").nth(1).unwrap();
        rest.split(' ').next().unwrap().to_owned()
    };
    alerts.map(file).collect()
}

#[test]
fn what_a_sandbox_sends_raises_alerts() {
    let desk = Desk::new();
    let mut watching = desk.watch(&["-o", "engine.kind=gvisor"]);
    let warning = watching.wait_for("cannot fire");
    assert!(warning.contains("1 of 2 rules cannot fire: Datagram received"), "{warning}");
    let sandbox = Sandbox::start(&desk.socket());
    sandbox.open("/etc/passwd");
    sandbox.open("/watched/one");
    let alert = watching.wait_for("first opened (file=/watched/one");
    assert!(alert.contains("by=reader container=c0ffee012345"), "{alert}");
    drop(sandbox);
    let begin = Instant::now();
    let seen = watching.terminate();
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
    assert_eq!(files(&seen), ["/watched/one"]);
    assert!(seen.contains("Events detected: 1\n"), "{seen}");
    assert!(!desk.socket().exists(), "the socket is left behind");
}

#[test]
fn a_reload_in_the_midst_of_a_session_loses_and_repeats_nothing() {
    let desk = Desk::new();
    let mut watching = desk.watch(&["-o", "engine.kind=gvisor"]);
    let sandbox = Sandbox::start(&desk.socket());
    let mut sent = Vec::new();
    let mut open = || {
        let name = format!("/watched/{}", sent.len());
        sandbox.open(&name);
        sent.push(name);
        thread::sleep(Duration::from_millis(1));
    };
    (0..200).for_each(|_| open());
    for word in ["second", "third"] {
        desk.write_rule(word);
        watching.send(Signal::HUP);
        // Loading takes its time; the change is somewhere in here.
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(1500) {
            open();
        }
        watching.wait_for("SIGHUP received, restarting...");
        watching.wait_for(&format!("{word} opened"));
    }
    let last = sent.last().unwrap().clone();
    watching.wait_for(&format!("file={last} "));
    let seen = watching.terminate();
    assert_eq!(files(&seen), sent);
    // The third session, too, knows who did it, which was told to the first one.
    assert!(seen.contains(&format!("third opened (file={last} by=reader container=c0ffee012345)")));
}

#[test]
fn what_was_sent_before_a_stop_is_told() {
    let desk = Desk::new();
    let watching = desk.watch(&["-o", "engine.kind=gvisor"]);
    let sandbox = Sandbox::start(&desk.socket());
    let sent: Vec<String> = (0..100).map(|i| format!("/watched/{i}")).collect();
    sent.iter().for_each(|name| sandbox.open(name));
    let seen = watching.terminate();
    assert_eq!(files(&seen), sent);
}

#[test]
fn a_second_sensor_does_not_take_the_socket_away() {
    let desk = Desk::new();
    let mut watching = desk.watch(&["-o", "engine.kind=gvisor"]);
    let second = desk.falco(&["events", "--engine", "gvisor"]).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another process listens there already"), "{said}");
    let sandbox = Sandbox::start(&desk.socket());
    sandbox.open("/watched/one");
    watching.wait_for("first opened");
    watching.terminate();
}

#[test]
fn sessions_of_the_running_sensor_are_listed() {
    let desk = Desk::new();
    let mut watching = desk.watch(&["-o", "engine.kind=gvisor"]);
    let sandbox = Sandbox::start(&desk.socket());
    sandbox.open("/watched/one");
    watching.wait_for("first opened");
    let begin = Instant::now();
    let line = loop {
        let output = desk.falco(&["gvisor", "sessions", "--json"]).output().unwrap();
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        if told["sandboxes"][0]["session"]["messages"].as_u64() >= Some(2) {
            break told["sandboxes"][0].clone();
        }
        assert!(begin.elapsed() < PATIENCE, "{told}");
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((&line["sandbox"], &line["watched"]), (&CONTAINER.into(), &true.into()));
    assert_eq!(line["session"]["attached"], false);
    assert_eq!(line["session"]["dropped"], 0);
    let table = desk.falco(&["gvisor", "sessions"]).output().unwrap();
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("falco (process ") && table.contains("\nc0ffee012345"), "{table}");
    watching.terminate();
}

#[test]
fn the_host_and_sandboxes_are_watched_at_once() {
    if !live("sandboxes beside the host") {
        return;
    }
    let desk = Desk::new();
    let watched = desk.path("watched");
    fs::create_dir(&watched).unwrap();
    let rules = RULE.replace("startswith /watched/", &format!("contains {}/", watched.display()));
    fs::write(desk.path("rules.yaml"), rules).unwrap();
    let mut watching = desk.watch(&[
        "-o",
        "engine.kind[]=modern_ebpf",
        "-o",
        "engine.kind[]=gvisor",
        "-o",
        "base_syscalls.custom_set[]=close",
    ]);
    let sandbox = Sandbox::start(&desk.socket());
    for round in 0..2 {
        let (inside, host) = (format!("inside{round}"), format!("host{round}"));
        let inside = watched.join(inside).display().to_string();
        let host = watched.join(host).display().to_string();
        sandbox.open(&inside);
        fs::write(&host, "").unwrap();
        // Each is told in a while, in whatever order.
        let mut missing = vec![inside, host];
        while !missing.is_empty() {
            let line = watching.wait_for(" opened (file=");
            missing.retain(|name| !line.contains(&format!("file={name} ")));
        }
        if round == 0 {
            watching.send(Signal::HUP);
            watching.wait_for("SIGHUP received, restarting...");
        }
    }
    let seen = watching.terminate();
    assert!(seen.contains("not on the host, which eBPF watches"), "{seen}");
}

#[test]
fn events_are_printed_and_recordings_replay_to_the_same_alerts() {
    let desk = Desk::new();
    let fields = ["events", "--engine", "gvisor", "--fields", "evt.type,proc.name,fd.name"];
    let mut command = desk.falco(&fields);
    let mut printing = Watching::start(&mut command, "watching gVisor sandboxes");
    let sandbox = Sandbox::start(&desk.socket());
    sandbox.open("/watched/printed");
    printing.wait_for("openat\treader\t/watched/printed");
    printing.terminate();
    drop(sandbox);

    let capture = desk.path("c.scap");
    let file = capture.to_str().unwrap();
    let mut command = desk.falco(&["record", "--engine", "gvisor", "-w", file]);
    let recording = Watching::start(&mut command, "watching gVisor sandboxes");
    let sandbox = Sandbox::start(&desk.socket());
    (0..10).for_each(|i| sandbox.open(&format!("/watched/{i}")));
    thread::sleep(Duration::from_millis(500));
    recording.terminate();
    let rules = desk.path("rules.yaml");
    let args = ["-e".as_ref(), capture.as_os_str(), "-r".as_ref(), rules.as_os_str()];
    let replayed = run(args).exits(0).stdout();
    let expected: Vec<String> = (0..10).map(|i| format!("/watched/{i}")).collect();
    assert_eq!(files(&replayed), expected);
    assert!(replayed.contains("by=reader container=c0ffee012345"), "{replayed}");
}
