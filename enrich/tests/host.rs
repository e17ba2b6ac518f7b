//! The tables and the real `/proc`: this test's own process is unknown, does something, and is
//! known with all that it has.
#![allow(clippy::unwrap_used)] // tests may end at the first surprise

use std::fs::File;
use std::os::fd::AsRawFd;

use falco_enrich::fd::FdType;
use falco_enrich::state::{Limits, Purging, State};
use falco_event::{EventBuilder, EventCode};
use falco_proc::Proc;

const SECOND: u64 = 1_000_000_000;

fn live() -> State {
    let mut state = State::new(Limits::default());
    state.set_live(true);
    state.set_lookup(Box::new(Proc::new("/")));
    state
}

fn own_pid() -> i64 {
    i64::from(std::process::id())
}

fn do_something(state: &mut State, tid: i64, ts: u64) {
    let mut event = EventBuilder::new();
    event.start(ts, tid, EventCode::GENERIC_X).u16(1).u16(1);
    state.process(&event.finish(0, 0).unwrap());
}

#[test]
fn an_unknown_process_is_found() {
    let file = File::open("/etc/passwd").unwrap();
    let mut state = live();
    do_something(&mut state, own_pid(), SECOND);
    let own = state.thread(own_pid()).unwrap();
    let comm = std::fs::read("/proc/self/comm").unwrap();
    // Leaders of test programs are named as the program.
    let leader = std::fs::read(format!("/proc/{}/comm", own_pid())).unwrap_or(comm);
    assert_eq!(*own.record.comm, *leader.trim_ascii_end());
    let exe = std::env::current_exe().unwrap();
    assert_eq!(*own.record.exepath, *exe.as_os_str().as_encoded_bytes());
    assert_eq!(own.ptid, i64::from(std::os::unix::process::parent_id()));
    let fd = state.fd(own, i64::from(file.as_raw_fd())).unwrap();
    assert_eq!((fd.ty, &*fd.name), (FdType::File, &b"/etc/passwd"[..]));
    assert!(state.ancestors(own).count() > 0 && own.record.clone_ts > 0);
}

#[test]
fn an_fd_that_came_over_a_socket_is_found() {
    let mut state = live();
    do_something(&mut state, own_pid(), SECOND);
    // Opened when the process was known already.
    let file = File::open("/etc/group").unwrap();
    let num = i64::from(file.as_raw_fd());
    let mut control = 20_u64.to_le_bytes().to_vec();
    for word in [1, 1, file.as_raw_fd()] {
        control.extend(word.to_le_bytes());
    }
    let mut event = EventBuilder::new();
    event.start(2 * SECOND, own_pid(), EventCode::SOCKET_RECVMSG_X);
    event.i64(1).u32(1).bytes(b"x").bytes(b"").bytes(&control).i64(1_000_000);
    state.process(&event.finish(0, 0).unwrap());
    let own = state.thread(own_pid()).unwrap();
    assert_eq!(state.fd(own, num).map(|fd| &*fd.name), Some(&b"/etc/group"[..]));
}

#[test]
fn a_child_that_has_gone_is_purged_and_a_live_one_is_not() {
    let mut state = live();
    state.set_purging(Purging { interval_ns: SECOND, thread_timeout_ns: SECOND });
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = i64::from(child.id());
    do_something(&mut state, own_pid(), SECOND);
    do_something(&mut state, pid, SECOND);
    let round = |state: &mut State, from: u64| {
        let mut now = state.purge(from);
        for _ in 0..1000 {
            now = state.purge(now);
        }
        now
    };
    let now = round(&mut state, 10 * SECOND);
    assert_eq!(state.thread(pid).map(|child| child.ptid), Some(own_pid()));
    child.kill().unwrap();
    child.wait().unwrap();
    round(&mut state, now);
    assert!(state.thread(pid).is_none() && state.thread(own_pid()).is_some());
    assert_eq!(state.stats().n_purged_threads, 1);
}
