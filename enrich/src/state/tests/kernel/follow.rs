//! Whether the tables follow a little kernel: wholly while every event arrives, soundly when
//! some are lost.

use std::collections::BTreeSet;

use falco_capture::{CaptureReader, CaptureWriter, Compression};
use falco_event::{EventBuilder, EventCode as E};
use falco_source::Source;
use falco_source::snapshot::Snapshot;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Kernel, acts};
use crate::state::{Limits, State};
use crate::thread::flags;

/// What a snapshot says when what differs by the order of births is left out.
fn regardless_of_order(state: &State) -> Snapshot {
    let mut snapshot = state.snapshot();
    for thread in &mut snapshot.threads {
        thread.flags &= !flags::CLONE_INVERTED;
        // The time of whichever event came first.
        thread.clone_ts = 0;
    }
    snapshot.threads.sort_by_key(|thread| thread.tid);
    snapshot.fds.sort_by_key(|(tid, _)| *tid);
    snapshot
}

/// Tables made from what others tell in a recording.
fn recorded_and_restored(state: &State) -> State {
    let mut writer = CaptureWriter::new(Vec::new(), Compression::None);
    writer.snapshot(&state.snapshot()).unwrap();
    // Without an event there is no capture.
    let mut event = EventBuilder::new();
    event.start(1, 1, E::GENERIC_X).u16(1).u16(1);
    writer.event(&event.finish(0, 0).unwrap()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), writer.finish().unwrap()).unwrap();
    let mut restored = State::new(Limits::default());
    restored.restore(&CaptureReader::open(file.path()).unwrap().start().unwrap());
    restored.threads.check();
    restored
}

/// Both tables tell the same of every thread, but for what the capture format has no room for.
fn assert_same(before: &State, after: &State) {
    assert_eq!(before.threads().count(), after.threads().count());
    for t in before.threads() {
        let u = after.thread(t.tid).unwrap_or_else(|| panic!("{} is missing", t.tid));
        assert_eq!((t.pid, t.ptid, t.is_main()), (u.pid, u.ptid, u.is_main()), "{}", t.tid);
        let mut facts = t.record.facts().clone();
        facts.lastexec_ts = 0;
        // Until its own exec, a thread has these of whoever it was cloned from.
        let restored = u.record.facts();
        facts.exe_ino_ctime_duration_clone_ts = restored.exe_ino_ctime_duration_clone_ts;
        facts.exe_ino_ctime_duration_pidns_start = restored.exe_ino_ctime_duration_pidns_start;
        // A recording cannot tell an unknown directory from the root one.
        let is_known = before.cwd(t).starts_with(b"/");
        if t.is_main() && !is_known {
            facts.cwd = b"/"[..].into();
        }
        assert_eq!(facts, *restored, "{}", t.tid);
        if is_known {
            assert_eq!(before.cwd(t), after.cwd(u));
        }
        assert_eq!(before.env(t), after.env(u));
        let parent = |state: &State, t| state.parent(t).map(|p| p.tid);
        assert_eq!(parent(before, t), parent(after, u));
        let fds = |state: &State, t| {
            let fds = state.fds(t).into_iter().flat_map(|fds| fds.iter());
            fds.map(|(num, fd)| (num, fd.ty, fd.name.clone(), fd.open_flags, fd.dev, fd.ino))
                .collect::<Vec<_>>()
        };
        assert_eq!(fds(before, t), fds(after, u), "{}", t.tid);
        // A snapshot cannot tell that a main thread has exited before its process.
        if before.main_thread(t).is_some_and(|main| !main.is_dead()) {
            assert_eq!(before.nthreads(t), after.nthreads(u), "{}", t.tid);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_tables_follow_the_kernel(acts in vec((any::<u16>(), acts()), 1..120)) {
        let mut kernel = Kernel::new(Limits::default(), Vec::new());
        for (chosen, act) in &acts {
            kernel.act(*chosen, act);
            kernel.compare();
            kernel.check_soundness();
        }
    }

    #[test]
    fn losses_leave_sound_tables(
        acts in vec((any::<u16>(), acts()), 1..150),
        losses in vec(proptest::bool::weighted(0.15), 400),
        max_bytes in prop_oneof![Just(512 << 20), 8_000..40_000_usize],
    ) {
        let mut kernel = Kernel::new(Limits { max_bytes, ..Limits::default() }, losses);
        for (chosen, act) in &acts {
            kernel.act(*chosen, act);
            kernel.check_soundness();
        }
    }

    #[test]
    fn the_order_of_the_two_births_does_not_matter(
        acts in vec((any::<u16>(), acts()), 1..100),
        is_live in any::<bool>(),
    ) {
        let new = || if is_live { Kernel::live(vec![]) } else { Kernel::new(Limits::default(), vec![]) };
        let (mut one, mut other) = (new(), new());
        other.inverted = true;
        for (chosen, act) in &acts {
            one.act(*chosen, act);
            other.act(*chosen, act);
        }
        one.compare();
        other.compare();
        let [one, other] = [&one, &other].map(|kernel| regardless_of_order(&kernel.world.state));
        assert_eq!(one, other);
    }

    #[test]
    fn live_tables_follow_the_kernel(acts in vec((any::<u16>(), acts()), 1..100)) {
        let mut kernel = Kernel::live(Vec::new());
        for (chosen, act) in &acts {
            kernel.tell_host();
            kernel.act(*chosen, act);
            kernel.compare();
        }
        assert!(kernel.host.known().asked.is_empty());
    }

    #[test]
    fn live_tables_heal_of_losses(
        acts in vec((any::<u16>(), acts()), 1..150),
        losses in vec(proptest::bool::weighted(0.15), 400),
    ) {
        let mut kernel = Kernel::live(losses);
        for (chosen, act) in &acts {
            kernel.tell_host();
            kernel.act(*chosen, act);
        }
        kernel.losses = Vec::new().into_iter();
        kernel.tell_host();
        kernel.world.pause();
        // Everyone is silent for an hour, and who is dead is found to be.
        let w = &mut kernel.world;
        let hour = 3_600_000_000_000;
        let mut now = w.state.purge(w.ts).max(w.ts + hour);
        for _ in 0..10 {
            now = w.state.purge(now);
        }
        w.state.threads.check();
        w.ts = now;
        let lives: BTreeSet<i64> =
            kernel.processes.iter().flat_map(|(&pid, p)| p.threads.keys().copied().chain([pid])).collect();
        for thread in kernel.world.state.threads() {
            assert!(lives.contains(&thread.tid), "{} is a ghost", thread.tid);
        }
        // Whoever does something is known again, with its process and fds.
        for (pid, tid) in kernel.tasks() {
            kernel.world.event(tid, E::GENERIC_X, |b| {
                b.u16(1).u16(1);
            });
            let thread = kernel.world.thread(tid);
            assert_eq!((thread.pid, thread.is_main()), (pid, tid == pid));
            if kernel.processes[&pid].threads.contains_key(&pid) {
                assert!(kernel.world.state.fds(thread).is_some(), "{tid} without fds");
            }
        }
    }

    #[test]
    fn a_recording_restores_the_tables(
        acts in vec((any::<u16>(), acts()), 1..80),
        losses in vec(proptest::bool::weighted(0.02), 400),
    ) {
        let mut kernel = Kernel::new(Limits::default(), losses);
        for (chosen, act) in &acts {
            kernel.act(*chosen, act);
        }
        kernel.world.pause();
        let state = &kernel.world.state;
        assert_same(state, &recorded_and_restored(state));
    }
}
