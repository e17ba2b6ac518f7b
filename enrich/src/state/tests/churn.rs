//! Tables must not grow while things come and go.

use falco_event::{EventBuilder, EventCode as E};

use super::{Clone, Exec, World};
use crate::state::{Limits, State};

/// How many slots there are, used or not.
fn room(state: &State) -> u32 {
    state.threads.room()
}

#[test]
fn processes_that_come_and_go_leave_nothing() {
    let mut w = World::new();
    let cycle = |w: &mut World, tid: i64| {
        w.fork(10, tid);
        w.thread_of(tid, tid + 1);
        w.exec(Exec { tid, ptid: 10, ..Exec::default() });
        w.open(tid, 3, "/etc/hosts", 1);
        w.close(tid, 3);
        w.exit(tid, 0);
    };
    cycle(&mut w, 100);
    w.pause();
    let (threads, room_then) = (w.state.threads().count(), room(&w.state));
    for round in 0..2_000 {
        cycle(&mut w, 100 + round % 500 * 2);
    }
    w.pause();
    assert_eq!((w.state.threads().count(), room(&w.state)), (threads, room_then));
    assert_eq!(w.thread(10).nchildren, 0);
    assert_eq!(w.state.stats().n_fds, 1);
}

/// A million clones and exits, and as many opens and closes. Events are made once; the time that
/// checking all lists after each would take is what keeps `World` out of this test.
#[test]
fn a_million_cycles_leave_the_tables_as_they_were() {
    let mut w = World::new();
    let mut state = State::new(Limits::default());
    std::mem::swap(&mut w.state, &mut state);
    let mut builder = EventBuilder::new();
    let mut ts = 1_000_000_000;
    let mut room_then = None;
    for round in 0..1_000_000_i64 {
        let tid = 100 + round % 30_000;
        ts += 1_000_000;
        let clone = builder.start(ts, tid, E::SYSCALL_CLONE_20_X);
        clone.i64(0).text("x").empty().i64(tid).i64(tid).i64(10).text("").i64(0);
        clone.u64(0).u64(0).u32(0).u32(0).u32(0).text("x").empty().u32(0).u32(0).u32(0);
        state.process(&clone.i64(tid).i64(tid).u64(0).finish(0, 0).unwrap());
        let open = builder.start(ts, 10, E::SYSCALL_OPEN_X);
        open.i64(3 + round % 50).text("/tmp/f").u32(1).u32(0).u32(0).u64(round as u64);
        state.process(&open.finish(0, 0).unwrap());
        let close = builder.start(ts, 10, E::SYSCALL_CLOSE_X).i64(0).i64(3 + round % 50);
        state.process(&close.finish(0, 0).unwrap());
        let exit = builder.start(ts, tid, E::PROCEXIT_1_E).i64(0).i64(0).u8(0).u8(0).i64(0);
        state.process(&exit.finish(0, 0).unwrap());
        if round == 1_000 {
            room_then = Some(room(&state));
        }
    }
    assert_eq!(Some(room(&state)), room_then);
    assert!(state.threads().count() <= 3, "init, the shell and who exits just now");
    assert_eq!(state.stats().n_added_threads, 1_000_002);
    state.threads.check();
}

#[test]
fn a_full_table_takes_no_more_and_says_so() {
    let mut w = World::new();
    w.state.limits.max_threads = 5;
    for tid in 20..30 {
        w.fork(10, tid);
    }
    assert_eq!(w.state.threads().count(), 5);
    assert!(w.state.stats().n_drops_full_threadtable >= 7);
    for tid in 40..50 {
        let current = w.open(tid, 3, "/x", 1);
        assert!(!current.has_thread);
    }
    assert_eq!(w.state.threads().count(), 5);
    w.exit(20, 0);
    w.fork(10, 60);
    assert!(w.get(60).is_some());
}

#[test]
fn memory_is_given_back() {
    let mut w = World::new();
    w.pause();
    let before = w.state.stats().n_bytes;
    w.fork(10, 20);
    w.thread_of(20, 21);
    w.exec(Exec { tid: 20, ptid: 10, env: "A=1\0", args: "-x\0", ..Exec::default() });
    for fd in [3, 900, 5_000] {
        w.open(20, fd, "/some/file", 1);
    }
    w.event(20, E::SYSCALL_DUP2_X, |b| {
        b.i64(4).i64(3).i64(4);
    });
    w.fork(20, 30);
    w.event(30, E::SYSCALL_FCNTL_X, |b| {
        b.i64(0).i64(3).u8(3).u64(1);
    });
    assert!(w.state.stats().n_bytes > before + 3_000);
    w.exit(20, 0);
    w.exit(30, 0);
    w.pause();
    assert_eq!(w.state.stats().n_bytes, before);
}

/// A world with room for some two hundred threads.
fn small_world() -> World {
    let mut w = World::new();
    w.state = State::new(Limits { max_bytes: 300_000, ..Limits::default() });
    w
}

#[test]
fn short_of_memory_new_things_are_refused() {
    let mut w = small_world();
    let init = Clone { tid: 1, pid: 1, ptid: 0, ..Clone::default() };
    w.clone(1, 0, init);
    for tid in 2..2_000 {
        w.clone(tid, 0, Clone { tid, pid: tid, ..Clone::default() });
    }
    let stats = w.state.stats();
    assert!((100..600).contains(&stats.n_threads), "{stats:?}");
    assert!(stats.n_bytes <= 300_000 && stats.n_drops_full_memory > 1_000, "{stats:?}");
    w.open(1, 3, &"/x".repeat(400), 1);
    assert!(w.fd(1, 3).is_none() || w.state.stats().n_bytes <= 300_000);
    // A program with more text than there is room for is known by its short ones.
    let env = "A=1\0".repeat(2_000);
    w.exec(Exec { tid: 2, exe: "nc", env: &env, ..Exec::default() });
    assert_eq!((&*w.thread(2).record.comm, &*w.thread(2).record.env), (&b"nc"[..], &b""[..]));
    assert_eq!(w.state.stats().n_cut_records, 1);
    // What ends makes room.
    for tid in 3..10 {
        w.exit(tid, 0);
    }
    w.clone(5_000, 0, Clone { tid: 5_000, pid: 5_000, ..Clone::default() });
    assert!(w.get(5_000).is_some());
}

#[test]
fn placeholders_go_first_the_most_silent_ones_before() {
    let mut w = small_world();
    let mut tid = 100;
    while w.state.stats().n_drops_full_memory == 0 {
        w.close(tid, 0);
        tid += 1;
    }
    let full = w.state.stats().n_threads;
    // Those who still do something stay.
    w.state.next_eviction = u64::MAX;
    w.close(100, 0);
    w.state.next_eviction = 0;
    w.clone(1, 0, Clone { tid: 1, pid: 1, ptid: 0, ..Clone::default() });
    w.pause();
    assert!(w.state.stats().n_evicted_threads >= full / 2);
    assert!(w.get(100).is_some() && w.get(101).is_none());
    w.clone(1, 0, Clone { tid: 1, pid: 1, ptid: 0, ..Clone::default() });
    assert_eq!(w.thread(1).pid, 1);
}
