//! Watching the calls of the current thread from another process.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, process, thread};

use falco_event::raw::DUMP_STATE_ONLY;
use falco_event::{EventCode, ParamInfo, ParamType, RawEvent, Syscall};
use falco_ptrace::{OnDeath, Options, Ptrace};
use falco_source::{Next, Source};

use crate::calls::{sys, tid};

/// An event, copied.
#[derive(Clone, Debug)]
pub struct Event {
    pub code: EventCode,
    pub params: Vec<Vec<u8>>,
}

impl Event {
    pub fn u64(&self, i: usize) -> u64 {
        u64::from_le_bytes(self.params[i].as_slice().try_into().unwrap())
    }
}

/// Whether kernel addresses of sockets are told.
pub const HAS_ADDRESSES: bool = false;

/// Whether such events come: there are no enter events.
pub fn tells(code: EventCode) -> bool {
    code != EventCode::SOCKET_CONNECT_E
}

/// A parameter as this source sees it: without kernel addresses, and connections that wait to be
/// accepted.
pub fn as_seen(_: EventCode, info: &ParamInfo, mut param: Vec<u8>) -> Vec<u8> {
    let is_queue = ["queuepct", "queuelen", "queuemax"].contains(&info.name);
    let is_address = ["source", "peer"].contains(&info.name) && info.ty == ParamType::Uint64;
    if is_queue || is_address {
        param.fill(0);
    }
    if info.ty == ParamType::SockTuple && param.first() == Some(&1) {
        param[1..17].fill(0);
    }
    param
}

/// The fd of the calls that say where a trace begins and ends.
const MARK: i64 = -4242;

fn mark() {
    sys(libc::SYS_fchdir, [MARK as usize]);
}

/// Variables by which the other process is told what to do.
const SOCKET: &str = "FALCO_TEST_SOCKET";
const PID: &str = "FALCO_TEST_PID";
const SYSCALLS: &str = "FALCO_TEST_SYSCALLS";
const SNAPLEN: &str = "FALCO_TEST_SNAPLEN";

/// A process has one tracer at a time.
static ONE: Mutex<()> = Mutex::new(());

/// The events of the calls that `run` makes, if they are named in `watched`; `None` where nobody may
/// trace. They carry `snaplen` bytes of data.
pub fn trace(watched: &[&str], snaplen: u32, run: impl FnOnce()) -> Option<Vec<Event>> {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let names: BTreeSet<&str> = watched.iter().copied().chain(["fchdir"]).collect();
    let ids: Vec<String> =
        names.iter().map(|name| Syscall::by_name(name).unwrap().id.to_string()).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    // Not a descendant: those are traced, too.
    let mut shell = Command::new("sh")
        .args(["-c", "\"$0\" \"$@\" &"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "trace::tracer_of_another_process", "--ignored", "--nocapture"])
        .env(SOCKET, &path)
        .env(PID, process::id().to_string())
        .env(SYSCALLS, ids.join(","))
        .env(SNAPLEN, snaplen.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    shell.wait().unwrap();
    let (mut tracer, _) = listener.accept().unwrap();
    tracer.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = [0];
    tracer.read_exact(&mut answer).unwrap();
    if answer != *b"R" {
        eprintln!("IGNORED: events of traced calls, because processes may not be traced here");
        return None;
    }
    mark();
    run();
    mark();
    tracer.shutdown(Shutdown::Write).unwrap();
    let mut bytes = Vec::new();
    tracer.read_to_end(&mut bytes).unwrap();
    let events = events_of(&bytes);
    let is_mark = |event: &Event| {
        event.code == EventCode::SYSCALL_FCHDIR_X && event.params[1] == MARK.to_le_bytes()
    };
    let begin = events.iter().position(is_mark).expect("a mark at the beginning");
    let end = events.iter().rposition(is_mark).expect("a mark at the end");
    assert!(begin < end, "one mark was lost");
    Some(events[begin + 1..end].to_vec())
}

/// The events of this thread, each behind its flags.
fn events_of(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some((flags, rest)) = bytes.split_first_chunk() {
        let flags = u32::from_le_bytes(*flags);
        let event = RawEvent::parse(rest, 0, flags).unwrap();
        let of_tables = flags & DUMP_STATE_ONLY != 0;
        if event.tid() == tid() && !of_tables {
            events.push(Event {
                code: event.code(),
                params: event.params().map(<[u8]>::to_vec).collect(),
            });
        }
        bytes = &rest[event.bytes().len()..];
    }
    events
}

/// Not a test: the process that traces, which `trace` starts.
#[test]
#[ignore = "the tracer of the other tests, which start it"]
fn tracer_of_another_process() {
    let Some(socket) = env::var_os(SOCKET) else { return };
    let number = |name: &str| env::var(name).unwrap().parse().unwrap();
    let syscalls = env::var(SYSCALLS).unwrap();
    let options = Options {
        syscalls: syscalls.split(',').map(|id| id.parse().unwrap()).collect(),
        snaplen: number(SNAPLEN),
        on_death: OnDeath::Free,
        ..Options::default()
    };
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut source = match Ptrace::attach(&[number(PID) as i32], options) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("{error}");
            return stream.write_all(b"N").unwrap();
        }
    };
    let control = source.control();
    let mut end = stream.try_clone().unwrap();
    source.start().unwrap();
    stream.write_all(b"R").unwrap();
    thread::spawn(move || {
        let _ = end.read(&mut [0]);
        control.detach();
    });
    loop {
        match source.next().unwrap() {
            Next::Event(event) => {
                stream.write_all(&event.flags().to_le_bytes()).unwrap();
                stream.write_all(event.bytes()).unwrap();
            }
            Next::End => return,
            _ => {}
        }
    }
}
