//! Whatever events come, in whatever order and however broken: no panic, and the tables stay
//! sound.

use falco_event::{EventBuilder, EventCode, RawEvent};
use proptest::collection::vec;
use proptest::prelude::*;

use super::World;
use super::live::FakeHost;
use crate::state::{Limits, Purging, State};

/// Event types that change state, most of all.
fn codes() -> impl Strategy<Value = EventCode> {
    let state: Vec<EventCode> = EventCode::all().filter(|code| code.modifies_state()).collect();
    prop_oneof![
        6 => proptest::sample::select(state),
        1 => (0..460_u16).prop_map(EventCode),
        4 => proptest::sample::select(vec![
            EventCode::SYSCALL_CLONE_20_X,
            EventCode::SYSCALL_EXECVE_19_X,
            EventCode::PROCEXIT_1_E,
            EventCode::SYSCALL_VFORK_20_X,
        ]),
    ]
}

/// A parameter: small numbers that are ids, fds and flags alike, texts, addresses, rubbish.
fn params() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![5 => 0..6_i64, 1 => Just(-1), 1 => Just(-100), 1 => any::<i64>()];
    let flags = prop_oneof![Just(0_u32), Just(1 << 13), Just(1 << 29), Just(1 << 12), any::<u32>()];
    let texts = ["/a", "b", "../c", "cpu=/x\0io=/y\0", "A=1\0B\0", "", "(NULL)\0"];
    prop_oneof![
        8 => number.prop_map(|n| n.to_le_bytes().to_vec()),
        3 => flags.prop_map(|n| n.to_le_bytes().to_vec()),
        2 => proptest::sample::select(texts.to_vec()).prop_map(|t| t.as_bytes().to_vec()),
        1 => Just(vec![2, 127, 0, 0, 1, 80, 0, 10, 0, 0, 1, 90, 0]),
        1 => vec(any::<u8>(), 0..40),
        1 => (0..5_000_usize).prop_map(|len| [vec![b'x'; len], vec![0]].concat()),
        1 => Just(Vec::new()),
    ]
}

fn bytes_of(tid: i64, ts: u64, code: EventCode, params: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = EventBuilder::new();
    builder.start(ts, tid, code);
    for param in params {
        builder.bytes(param);
    }
    builder.finish(0, 0).unwrap().bytes().to_vec()
}

/// Threads that a host tells of, as wrong as can be: ids, processes and parents; or no host.
fn hosts() -> impl Strategy<Value = Option<Vec<(i64, i64, i64)>>> {
    proptest::option::of(vec((0..12_i64, -1..12_i64, -1..12_i64), 0..12))
}

fn go_live(state: &mut State, host: Option<Vec<(i64, i64, i64)>>) {
    let Some(threads) = host else { return };
    let asked = FakeHost::default();
    threads.into_iter().for_each(|(tid, pid, ptid)| asked.add(tid, pid, ptid));
    state.set_live(true);
    state.set_lookup(Box::new(asked));
    state.set_purging(Purging { interval_ns: 1, thread_timeout_ns: 2_000_000_000 });
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_events_leave_sound_tables(
        events in vec((0..8_i64, codes(), vec(params(), 0..31), 0..3_000_000_000_u64), 1..80),
        host in hosts(),
    ) {
        let mut w = World::new();
        go_live(&mut w.state, host);
        w.state.limits.max_threads = 12;
        w.state.limits.max_fds = 8;
        let mut ts = 1;
        for (tid, code, params, pause) in events {
            ts += pause;
            let bytes = bytes_of(tid, ts, code, &params);
            let event = RawEvent::parse(&bytes, 0, 0).unwrap();
            w.state.purge(ts);
            let current = w.state.process(&event);
            w.state.threads.check();
            prop_assert!(w.state.threads().count() <= 12);
            prop_assert!(w.state.threads().all(|t| t.fds.len() <= 8));
            // What fields ask must end, whatever the tree looks like.
            if let Some(thread) = w.state.event_thread(&current) {
                prop_assert!(w.state.ancestors(thread).count() <= 24);
                let _ = (w.state.parent(thread), w.state.cwd(thread), w.state.env(thread));
                let _ = (w.state.nthreads(thread), w.state.event_fd(&current));
            }
        }
    }

    #[test]
    fn tables_never_hold_more_bytes_than_allowed(
        max_bytes in 4_000..60_000_usize,
        events in vec((0..40_i64, codes(), vec(params(), 0..31), 0..3_000_000_000_u64), 1..200),
        host in hosts(),
    ) {
        let mut state = State::new(Limits { max_bytes, ..Limits::default() });
        go_live(&mut state, host);
        let mut ts = 1;
        for (tid, code, params, pause) in events {
            ts += pause;
            let bytes = bytes_of(tid, ts, code, &params);
            state.process(&RawEvent::parse(&bytes, 0, 0).unwrap());
            state.purge(ts);
            state.threads.check();
            let stats = state.stats();
            prop_assert!(stats.n_bytes as usize <= max_bytes, "{stats:?}");
        }
        let mut other = State::new(Limits::default());
        other.restore(&state.snapshot());
        other.threads.check();
        prop_assert_eq!(state.threads().count(), other.threads().count());
        state.restore(&falco_source::Snapshot::default());
        prop_assert_eq!(state.stats().n_bytes, 0);
    }
}
