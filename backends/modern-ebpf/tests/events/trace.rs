//! Watching the calls of the current thread through the real probe.

use std::collections::BTreeSet;

use falco_event::{EventCode, ParamInfo, Syscall};
use falco_modern_ebpf::{AttachMode, EbpfError, ModernEbpf, Options};
use falco_source::{Next, Source};

use crate::calls::{sys, tid};

/// An event, copied out of the ring.
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
pub const HAS_ADDRESSES: bool = true;

/// Whether such events come. The same scenarios are held against other sources, which see less.
pub fn tells(_: EventCode) -> bool {
    true
}

/// A parameter as this source sees it.
pub fn as_seen(_: EventCode, _: &ParamInfo, param: Vec<u8>) -> Vec<u8> {
    param
}

/// The fd of the calls that say where a trace begins and ends.
const MARK: i64 = -4242;

fn mark() {
    sys(libc::SYS_fchdir, [MARK as usize]);
}

/// The events of the calls that `run` makes, if they are named in `watched`; `None` where no probe can
/// run. They carry `snaplen` bytes of data. Programs hang on the tracepoint of all calls, or on the
/// functions of single ones with `FALCO_TEST_ATTACH=per_syscall`.
pub fn trace(watched: &[&str], snaplen: u32, run: impl FnOnce()) -> Option<Vec<Event>> {
    if std::env::var_os("FALCO_LIVE_TESTS").is_some_and(|value| value == "off") {
        eprintln!("IGNORED: events of the probe, because FALCO_LIVE_TESTS=off");
        return None;
    }
    let names: BTreeSet<&str> = watched.iter().copied().chain(["fchdir"]).collect();
    let syscalls = names.iter().map(|name| Syscall::by_name(name).unwrap().id).collect();
    let attach = match std::env::var("FALCO_TEST_ATTACH").as_deref() {
        Ok("per_syscall") => AttachMode::PerSyscall,
        _ => AttachMode::SysExit,
    };
    let mut source =
        match ModernEbpf::open(Options { syscalls, snaplen, attach, ..Options::default() }) {
            Ok(source) => source,
            Err(EbpfError::Unsupported { what, fix }) => {
                eprintln!("IGNORED: events of the probe, because {what}; {fix}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
    source.start().unwrap();
    let gaps: Vec<String> = source
        .coverage()
        .gaps()
        .map(|call| format!("{}: {:?}", call.name(), call.status))
        .collect();
    assert!(gaps.is_empty(), "refused programs: {gaps:#?}");
    mark();
    run();
    mark();
    source.stop_capture();
    let mut events = Vec::new();
    loop {
        match source.next().unwrap() {
            Next::Event(event) if event.tid() == tid() => events.push(Event {
                code: event.code(),
                params: event.params().map(<[u8]>::to_vec).collect(),
            }),
            Next::End => break,
            _ => {}
        }
    }
    let is_mark = |event: &Event| {
        event.code == EventCode::SYSCALL_FCHDIR_X && event.params[1] == MARK.to_le_bytes()
    };
    let begin = events.iter().position(is_mark).expect("a mark at the beginning");
    let end = events.iter().rposition(is_mark).expect("a mark at the end");
    assert!(begin < end, "one mark was lost");
    Some(events[begin + 1..end].to_vec())
}
