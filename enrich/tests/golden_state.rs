//! State against Falco's: after every event of the recorded captures, what the tables say of
//! process, user, fd and container must be what Falco 0.44 printed there.
//!
//! Fields have rules of their own for when they have no value; here only values that Falco does
//! print are compared, and the state behind them, not the fields. Without `../shared` the test
//! says so and passes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use falco_capture::CaptureReader;
use falco_enrich::fd::{Fd, FdFlags, FdType, Socket};
use falco_enrich::state::{Current, Limits, State};
use falco_enrich::thread::Thread;
use falco_event::RawEvent;
use falco_source::{Next, Source};
use serde_json::{Map, Value};

fn shared() -> Option<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("IGNORED: {} is absent, nothing to compare with", dir.display());
    None
}

/// What differs, by field and event type: how often, and the first few.
#[derive(Default)]
struct Differences {
    compared: u64,
    by_kind: BTreeMap<(String, String), (u64, Vec<String>)>,
}

impl Differences {
    fn compare(&mut self, field: &str, event: &str, num: u64, want: &Value, got: Value) {
        self.compared += 1;
        let broken = before_broken(want).is_some() && before_broken(want) == before_broken(&got);
        if *want == got || broken {
            return;
        }
        let (count, samples) =
            self.by_kind.entry((field.to_owned(), event.to_owned())).or_default();
        *count += 1;
        if samples.len() < 3 {
            samples.push(format!("#{num}: Falco {want}, ours {got}"));
        }
    }

    fn count(&self) -> u64 {
        self.by_kind.values().map(|(count, _)| count).sum()
    }
}

fn check(name: &str) {
    let Some(dir) = shared() else { return };
    let golden = File::open(dir.join(format!("golden/{name}.events.jsonl.gz"))).unwrap();
    let golden = BufReader::new(flate2::read::GzDecoder::new(golden));
    let mut golden = golden
        .lines()
        .map(|line| -> Map<String, Value> { serde_json::from_str(&line.unwrap()).unwrap() });
    let mut want = golden.next();

    let mut reader = CaptureReader::open(dir.join(format!("{name}.scap"))).unwrap();
    let mut state = State::new(Limits::default());
    state.restore(&reader.start().unwrap());
    let mut differences = Differences::default();
    while let Some(line) = &want {
        match reader.next().unwrap() {
            Next::Event(event) => {
                let current = state.process(&event);
                let num = line["evt.num"].as_u64().unwrap();
                // The goldens of some captures leave out switch and page_fault.
                if current.num < num {
                    continue;
                }
                assert_eq!(current.num, num, "{name}: Falco's event numbers are others");
                assert!(!current.skipped, "{name}: event {num} is skipped");
                assert_eq!(line["evt.rawtime"].as_u64(), Some(event.ts()), "{name}: event {num}");
                compare(&mut differences, &state, &event, &current, line);
                want = golden.next();
            }
            Next::Snapshot(snapshot) => state.restore(&snapshot),
            Next::Idle => {}
            Next::End => panic!("{name}: Falco has more events"),
        }
    }
    for ((field, event), (count, samples)) in &differences.by_kind {
        eprintln!("{name}: {field} on {event}: {count} times\n    {}", samples.join("\n    "));
    }
    let (wrong, all) = (differences.count(), differences.compared);
    eprintln!("{name}: {wrong} of {all} values differ");
    assert_eq!(wrong, 0, "{name}: state differs from Falco's, see above");
}

/// What stands before the first byte that is not UTF-8, if there is one: how such bytes are shown
/// is not the state's business.
fn before_broken(value: &Value) -> Option<&str> {
    Some(value.as_str()?.split_once('\u{fffd}')?.0)
}

fn text(bytes: &[u8]) -> Value {
    Value::from(String::from_utf8_lossy(bytes))
}

/// A NUL-terminated list, joined by blanks.
fn joined(list: &[u8]) -> Value {
    let list = list.strip_suffix(&[0]).unwrap_or(list);
    text(&list.iter().map(|&b| if b == 0 { b' ' } else { b }).collect::<Vec<_>>())
}

fn cmdline(thread: &Thread) -> Value {
    let mut out = thread.record.comm.to_vec();
    if !thread.record.args.is_empty() {
        out.push(b' ');
        out.extend_from_slice(&thread.record.args[..thread.record.args.len() - 1]);
    }
    text(&out.iter().map(|&b| if b == 0 { b' ' } else { b }).collect::<Vec<_>>())
}

fn fd_type(ty: FdType) -> &'static str {
    match ty {
        FdType::Unknown | FdType::Uninitialized | FdType::Unsupported => "<NA>",
        FdType::File => "file",
        FdType::Directory => "directory",
        FdType::Ipv4 | FdType::Ipv4Server => "ipv4",
        FdType::Ipv6 | FdType::Ipv6Server => "ipv6",
        FdType::Unix => "unix",
        FdType::Pipe => "pipe",
        FdType::Event => "event",
        FdType::Signalfd => "signalfd",
        FdType::Eventpoll => "eventpoll",
        FdType::Inotify => "inotify",
        FdType::Timerfd => "timerfd",
        FdType::Netlink => "netlink",
        FdType::Bpf => "bpf",
        FdType::Userfaultfd => "userfaultfd",
        FdType::IoUring => "io_uring",
        FdType::Memfd => "memfd",
        FdType::Pidfd => "pidfd",
    }
}

/// Server address and port, client address, as far as roles tell them.
fn ends(fd: &Fd) -> [Value; 3] {
    let known = fd.flags.intersects(FdFlags::ROLE_CLIENT | FdFlags::ROLE_SERVER);
    match fd.socket {
        Socket::Inet { src, dst, .. } if known && fd.is_inet() => {
            [dst.ip.to_string().into(), dst.port.into(), src.ip.to_string().into()]
        }
        Socket::InetServer { local, .. } => {
            [local.ip.to_string().into(), local.port.into(), Value::Null]
        }
        _ => [Value::Null, Value::Null, Value::Null],
    }
}

fn compare(
    differences: &mut Differences,
    state: &State,
    event: &RawEvent<'_>,
    current: &Current,
    line: &Map<String, Value>,
) {
    let ty = line["evt.type"].as_str().unwrap();
    let num = current.num;
    let mut check = |field: &str, got: Value| {
        let want = &line[field];
        if !want.is_null() {
            differences.compare(field, ty, num, want, got);
        }
    };
    check("thread.tid", event.tid().into());
    check("evt.cpu", event.cpu().into());
    let thread = state.event_thread(current);
    let is_known = !line["proc.name"].is_null();
    check("proc.name", thread.map_or(Value::Null, |t| text(&t.record.comm)));
    if is_known != thread.is_some() {
        differences.compare("thread", ty, num, &is_known.into(), thread.is_some().into());
    }
    let Some(thread) = thread else { return };
    let mut check = |field: &str, got: Value| {
        let want = &line[field];
        if !want.is_null() {
            differences.compare(field, ty, num, want, got);
        }
    };
    let record = &thread.record;
    check("proc.exe", text(&record.exe));
    check("proc.exepath", text(&record.exepath));
    check("proc.pid", thread.pid.into());
    check("proc.args", joined(&record.args));
    check("proc.cmdline", cmdline(thread));
    check("proc.cwd", text(state.cwd(thread)));
    check("proc.env", joined(state.env(thread)));
    check("proc.sid", record.sid.into());
    check("proc.vpid", record.vpid.into());
    check("proc.vpgid", record.vpgid.into());
    check("proc.tty", record.tty.into());
    check("proc.is_exe_writable", record.exe_writable.into());
    check("proc.is_exe_upper_layer", record.exe_upper_layer.into());
    check("user.uid", record.uid.into());
    check("group.gid", record.gid.into());
    let loginuid = if record.loginuid == u32::MAX { -1 } else { i64::from(record.loginuid) };
    check("user.loginuid", loginuid.into());
    if let Some(user) = state.users().user(&record.container_id, record.uid) {
        check("user.name", text(&user.name));
    }
    let container = if record.container_id.is_empty() { b"host" } else { &*record.container_id };
    check("container.id", text(container));
    let caps = line["thread.cap_effective"].as_str().map_or(0, |c| c.split_whitespace().count());
    differences.compare(
        "thread.cap_effective",
        ty,
        num,
        &caps.into(),
        (record.cap_effective.count_ones() as usize).into(),
    );

    let none = Value::Null;
    let parent = state.parent(thread);
    let name = |t: Option<&Thread>| t.map_or(none.clone(), |t| text(&t.record.comm));
    differences.compare("proc.pname", ty, num, &line["proc.pname"], name(parent));
    let grandparent = state.ancestor(thread, 2);
    differences.compare("proc.aname[2]", ty, num, &line["proc.aname[2]"], name(grandparent));
    if let (Some(parent), Some(ppid)) = (parent, line["proc.ppid"].as_i64()) {
        differences.compare("proc.ppid", ty, num, &ppid.into(), parent.pid.into());
    }

    if let Some(fd) = state.event_fd(current) {
        let mut check = |field: &str, got: Value| {
            differences.compare(field, ty, num, &line[field], got);
        };
        check("fd.num", thread.lastevent_fd.into());
        check("fd.type", fd_type(fd.ty).into());
        check("fd.name", text(&fd.name));
        let [server, port, client] = ends(fd);
        check("fd.sip", server);
        check("fd.sport", port);
        check("fd.cip", client);
    } else if !line["fd.type"].is_null() {
        differences.compare("fd.type", ty, num, &line["fd.type"], none);
    }
}

#[test]
fn attack_host() {
    check("attack-host");
}

#[test]
fn attack_container() {
    check("attack-container");
}

#[test]
fn edge() {
    check("edge");
}

#[test]
fn kmod() {
    check("kmod");
}

#[test]
fn workload() {
    check("workload");
}

#[test]
fn workload_all() {
    check("workload-all");
}
