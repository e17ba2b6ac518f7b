//! Tables must not grow while things come and go.

use falco_event::{EventBuilder, EventCode as E};

use super::{Exec, World};
use crate::state::{Limits, State};

/// How many slots there are, used or not.
fn room(state: &State) -> usize {
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
