//! Births, programs and deaths of threads and processes.

use falco_event::EventCode;

use super::{Clone, Exec, World};
use crate::state::LeaderOf;
use crate::thread::flags;

fn comm(world: &World, tid: i64) -> String {
    String::from_utf8_lossy(&world.thread(tid).record.comm).into()
}

fn chain(world: &World, tid: i64) -> Vec<i64> {
    world.state.ancestors(world.thread(tid)).map(|t| t.tid).collect()
}

#[test]
fn a_child_takes_after_its_parent_in_both_orders() {
    for caller_first in [true, false] {
        let mut w = World::new();
        let caller = Clone { tid: 10, pid: 10, ..Clone::default() };
        let child = Clone { tid: 20, pid: 20, ptid: 10, args: "-c\0x\0", ..Clone::default() };
        if caller_first {
            w.clone(10, 20, Clone { args: "-c\0x\0", ..caller });
        }
        let current = w.clone(20, 0, child);
        assert!(current.has_thread && current.tid == 20);
        if !caller_first {
            w.clone(10, 20, caller);
        }
        let t = w.thread(20);
        assert_eq!((t.pid, t.ptid, t.is_main()), (20, 10, true));
        assert_eq!(&*t.record.exepath, b"/bin/sh");
        assert_eq!(&*t.record.args, b"-c\0x\0");
        assert_eq!((t.record.sid, t.record.vpid), (10, 20));
        assert_eq!(t.record.pidns_init_start_ts, 1000);
        assert_eq!(w.cwd(20), "/root/");
        assert_eq!(w.state.env(t), b"HOME=/root\0");
        assert_eq!(w.fd_name(20, 0).as_deref(), Some("/dev/tty1"));
        assert_eq!(t.flags & flags::CLONE_INVERTED != 0, !caller_first);
        assert_eq!(chain(&w, 20), [10, 1]);
        assert_eq!(w.thread(10).nchildren, 1);
    }
}

#[test]
fn a_child_in_a_pid_namespace_is_told_by_itself_alone() {
    let mut w = World::new();
    // For the caller, the child's id is one of the namespace.
    let new_namespace = flags::CLONE_NEWPID;
    w.clone(10, 2, Clone { tid: 10, pid: 10, flags: new_namespace, ..Clone::default() });
    assert!(w.get(2).is_none());
    let cgroups = "cpu=/docker/7951fb549ab99e0722a949b6c121634e1f3a36b5bacbe5392991e3b12251e6b8\0";
    let child = Clone { tid: 20, pid: 20, ptid: 10, vtid: 1, vpid: 1, cgroups, ..Clone::default() };
    w.clone(20, 0, Clone { flags: flags::CHILD_IN_PIDNS, ..child });
    let t = w.thread(20);
    assert!(t.is_in_pid_namespace());
    assert_eq!(&*t.record.container_id, b"7951fb549ab9");
    assert_eq!(t.record.pidns_init_start_ts, 1077);
    // Its child is not told by it, either: ids there are the namespace's.
    w.clone(20, 2, Clone { tid: 20, pid: 20, vtid: 1, vpid: 1, ..Clone::default() });
    assert!(w.get(2).is_none());
}

#[test]
fn a_vfork_caller_does_not_bring_its_child_back() {
    let mut w = World::new();
    let child = Clone { code: EventCode::SYSCALL_VFORK_20_X, ..Clone::default() };
    w.clone(20, 0, Clone { tid: 20, pid: 20, ptid: 10, ..child });
    w.exit(20, 0);
    w.clone(10, 20, Clone { tid: 10, pid: 10, ..child });
    assert!(w.get(20).is_none());
    // Nor does a plain clone, shortly after the exit.
    w.clone(20, 0, Clone { tid: 20, pid: 20, ptid: 10, ..Clone::default() });
    w.exit(20, 0);
    w.clone(10, 20, Clone { tid: 10, pid: 10, ..Clone::default() });
    assert!(w.get(20).is_none());
    w.ts += 3_000_000_000;
    w.clone(10, 20, Clone { tid: 10, pid: 10, ..Clone::default() });
    assert!(w.get(20).is_some());
}

#[test]
fn exec_replaces_the_image_and_closes_what_it_should() {
    let mut w = World::new();
    w.fork(10, 20);
    w.open(20, 3, "stays", 1);
    w.open(20, 4, "goes", 1 << 12);
    let before = w.thread(20).record.generation;
    w.exec(Exec {
        tid: 20,
        ptid: 10,
        exe: "ls",
        args: "-l\0/tmp\0",
        env: "A=1\0B=2\0",
        path: "/usr/bin/ls (deleted)",
        ..Exec::default()
    });
    let r = &w.thread(20).record;
    assert_ne!(r.generation, before);
    assert_eq!((&*r.comm, &*r.exe, &*r.exepath), (&b"ls"[..], &b"ls"[..], &b"/usr/bin/ls"[..]));
    assert_eq!((&*r.args, &*r.env), (&b"-l\0/tmp\0"[..], &b"A=1\0B=2\0"[..]));
    assert_eq!((r.tty, r.loginuid, r.vpgid, r.pgid), (34816, 1000, 20, 20));
    assert!(r.exe_writable && r.exe_from_memfd && !r.exe_upper_layer);
    assert_eq!((r.cap_permitted, r.cap_effective), (3, 7));
    assert_eq!(r.exe_ino_ctime_duration_clone_ts, r.clone_ts - 5_000);
    assert_eq!(r.exe_ino_ctime_duration_pidns_start, 4_000);
    assert_eq!(w.fd_name(20, 3).as_deref(), Some("/root/stays"));
    assert!(w.fd(20, 4).is_none());
    assert_eq!(comm(&w, 10), "sh");
}

#[test]
fn exec_ends_the_other_threads() {
    let mut w = World::new();
    w.fork(10, 20);
    w.thread_of(20, 21);
    w.thread_of(20, 22);
    assert_eq!(w.state.nthreads(w.thread(22)), 3);
    // The thread that execs takes the main thread's id, which may already have exited.
    w.exit(20, 0);
    w.pause();
    assert!(w.thread(20).is_dead());
    w.exec(Exec { tid: 20, ptid: 10, ..Exec::default() });
    assert!(w.get(21).is_none() && w.get(22).is_none());
    assert!(!w.thread(20).is_dead());
    assert_eq!(w.state.nthreads(w.thread(20)), 1);
}

#[test]
fn threads_share_fds_and_directory_of_their_process() {
    let mut w = World::new();
    w.fork(10, 20);
    w.thread_of(20, 21);
    let t = w.thread(21);
    assert_eq!((t.pid, t.ptid, t.is_main()), (20, 10, false));
    w.open(21, 5, "x", 1);
    assert_eq!(w.fd_name(20, 5).as_deref(), Some("/root/x"));
    let before = w.thread(21).record.generation;
    w.event(20, EventCode::SYSCALL_CHDIR_X, |b| {
        b.i64(0).text("/tmp");
    });
    assert_eq!(w.cwd(21), "/tmp/");
    // What a thread answers from its main thread counts as its own change.
    assert_ne!(w.thread(21).record.generation, before);
    w.event(21, EventCode::SYSCALL_CHDIR_X, |b| {
        b.i64(0).text("a/../b");
    });
    assert_eq!(w.cwd(20), "/tmp/b/");
    // The main thread stays as long as it has threads.
    w.exit(20, 0);
    w.pause();
    assert_eq!((w.state.nthreads(w.thread(21)), w.state.nchilds(w.thread(21))), (1, 1));
    assert_eq!(w.fd_name(21, 5).as_deref(), Some("/root/x"));
    w.exit(21, 0);
    assert!(w.get(21).is_some(), "rules still see it");
    w.pause();
    assert!(w.get(20).is_none() && w.get(21).is_none());
}

#[test]
fn orphans_go_to_whom_the_kernel_says_or_to_the_reaper() {
    let mut w = World::new();
    w.fork(10, 20);
    w.fork(20, 30);
    w.fork(30, 40);
    w.exit(30, 10);
    w.pause();
    assert_eq!((w.thread(40).ptid, w.thread(10).nchildren), (10, 2));
    // Without a word from the kernel: the next subreaper upwards.
    w.fork(40, 50);
    w.event(10, EventCode::SYSCALL_PRCTL_X, |b| {
        b.i64(0).u32(36).text("").i64(1);
    });
    w.exit(40, 0);
    w.pause();
    assert_eq!(w.thread(50).ptid, 10);
    // A thread's children go to another of its process first.
    w.thread_of(20, 21);
    w.fork(20, 60);
    w.exit(20, 0);
    w.pause();
    assert_eq!(w.thread(60).ptid, 21);
    // The last resort is init.
    w.exit(21, 0);
    w.pause();
    assert_eq!(w.thread(60).ptid, 10);
    w.exit(10, 0);
    w.pause();
    assert_eq!(w.thread(60).ptid, 1);
}

#[test]
fn a_reused_id_is_another_thread() {
    let mut w = World::new();
    w.fork(10, 20);
    w.open(20, 3, "old", 1);
    w.fork(20, 30);
    // The exit of 20 was lost.
    w.ts += 5_000_000_000;
    w.clone(20, 0, Clone { tid: 20, pid: 20, ptid: 1, comm: "new", ..Clone::default() });
    assert_eq!((comm(&w, 20), w.thread(20).ptid), ("new".into(), 1));
    assert!(w.fd(20, 3).is_none());
    assert_ne!(w.thread(30).ptid, 20, "it was the other's child");
}

#[test]
fn an_unknown_thread_is_a_placeholder_until_it_tells_of_itself() {
    let mut w = World::new();
    let current = w.open(99, 3, "/etc/passwd", 1);
    assert!(current.has_thread);
    let t = w.thread(99);
    assert!(t.is_placeholder() && t.pid == -1);
    assert_eq!((&*t.record.comm, t.record.uid), (&b"<NA>"[..], u32::MAX));
    assert_eq!(w.fd_name(99, 3).as_deref(), Some("/etc/passwd"));
    assert_eq!(w.cwd(99), "./");
    assert_eq!(w.state.nthreads(t), 0);
    assert!(w.state.parent(t).is_none());
    w.exec(Exec { tid: 99, ptid: 10, exe: "nc", ..Exec::default() });
    let t = w.thread(99);
    assert_eq!((t.pid, t.ptid, t.is_placeholder()), (99, 10, false));
    assert_eq!(w.state.parent(t).map(|p| p.tid), Some(10));
    // Exits and clones of unknown threads make none.
    assert!(!w.exit(77, 0).has_thread);
    assert!(w.get(77).is_none());
}

#[test]
fn a_clone_completes_an_unknown_caller() {
    let mut w = World::new();
    w.clone(50, 60, Clone { tid: 50, pid: 50, ptid: 10, comm: "web", ..Clone::default() });
    let caller = w.thread(50);
    assert_eq!((caller.pid, caller.ptid, comm(&w, 50)), (50, 10, "web".into()));
    assert_eq!(chain(&w, 60), [50, 10, 1]);
    // A thread completes its unknown main thread.
    let flags = flags::CLONE_THREAD;
    w.clone(71, 0, Clone { tid: 71, pid: 70, ptid: 10, comm: "db", flags, ..Clone::default() });
    assert_eq!((w.thread(70).ptid, comm(&w, 70)), (10, "db".into()));
    assert_eq!(w.state.main_thread(w.thread(71)).map(|t| t.tid), Some(70));
}

#[test]
fn old_captures_tell_the_path_by_the_enter_event() {
    let mut w = World::new();
    w.event(10, EventCode::SYSCALL_EXECVE_19_E, |b| {
        b.text("./bin/../x");
    });
    w.event(10, EventCode::SYSCALL_EXECVE_19_X, |b| {
        b.i64(0).text("x").empty().i64(10).i64(10).i64(1);
    });
    assert_eq!(&*w.thread(10).record.exepath, b"/root/x");
    w.open(10, 7, "/opt", 1 << 10);
    w.event(10, EventCode::SYSCALL_EXECVEAT_E, |b| {
        b.i64(7).text("tool").u32(0);
    });
    w.event(10, EventCode::SYSCALL_EXECVE_19_X, |b| {
        b.i64(0).text("tool").empty().i64(10).i64(10).i64(1);
    });
    assert_eq!(&*w.thread(10).record.exepath, b"/opt/tool");
    assert_eq!(w.event_fd_name().as_deref(), Some("/opt"));
}

#[test]
fn leaders_are_found_by_id_or_among_ancestors() {
    let mut w = World::new();
    w.fork(10, 20);
    let sid = |w: &World, tid| w.state.leader(w.thread(tid), LeaderOf::Session).map(|t| t.tid);
    assert_eq!(sid(&w, 20), Some(10));
    w.event(20, EventCode::SYSCALL_SETSID_X, |b| {
        b.i64(20);
    });
    assert_eq!(sid(&w, 20), Some(20));
    assert_eq!(w.state.leader(w.thread(20), LeaderOf::ProcessGroup).map(|t| t.tid), None);
    // In a pid namespace ids are others: the highest ancestor with the same one leads.
    let inside = flags::CHILD_IN_PIDNS;
    for (tid, ptid, vtid) in [(30, 20, 1), (31, 30, 2), (32, 31, 3)] {
        let ids = Clone { tid, pid: tid, ptid, vtid, vpid: vtid, ..Clone::default() };
        w.clone(tid, 0, Clone { flags: inside, ..ids });
        let session = if tid == 30 { 1 } else { 2 };
        w.event(tid, EventCode::SYSCALL_SETSID_X, |b| {
            b.i64(session);
        });
    }
    assert_eq!(sid(&w, 32), Some(31));
}

#[test]
fn a_circle_of_parents_ends() {
    let mut w = World::new();
    w.fork(10, 20);
    w.fork(20, 30);
    let (a, b) = (w.state.threads.find(10).unwrap(), w.state.threads.find(30).unwrap());
    w.state.threads.adopt(b, a);
    assert!(chain(&w, 30).len() <= 3);
    assert!(w.state.ancestor(w.thread(30), 1000).is_some());
    w.exit(20, 0);
    w.pause();
    assert!(w.get(20).is_none());
}

#[test]
fn lineage_changes_with_ancestors_only() {
    let mut w = World::new();
    w.fork(10, 20);
    w.fork(20, 30);
    let generation = |w: &World| w.state.lineage_generation();
    let before = generation(&w);
    w.exec(Exec { tid: 30, ptid: 20, ..Exec::default() });
    w.exit(30, 0);
    w.fork(10, 40);
    w.pause();
    assert_eq!(generation(&w), before, "30 and 40 are nobody's ancestors");
    w.fork(20, 31);
    w.exec(Exec { tid: 20, ptid: 10, ..Exec::default() });
    assert_ne!(generation(&w), before);
    let before = generation(&w);
    w.exit(20, 0);
    w.pause();
    assert_ne!(generation(&w), before);
    let before = generation(&w);
    w.event(0, EventCode::USER_ADDED_E, |b| {
        b.u32(7).u32(7).text("u").text("/").text("sh").text("");
    });
    assert_ne!(generation(&w), before);
}

#[test]
fn a_main_thread_found_late_changes_what_its_threads_answer() {
    let mut w = World::new();
    let thread = falco_source::snapshot::Thread { tid: 31, pid: 30, ..Default::default() };
    w.state.restore(&falco_source::Snapshot { threads: vec![thread], ..Default::default() });
    assert_eq!(w.cwd(31), "./");
    let before = (w.thread(31).record.generation, w.state.lineage_generation());
    w.clone(30, 33, Clone { tid: 30, pid: 30, ..Clone::default() });
    assert_eq!(w.state.main_thread(w.thread(31)).map(|t| t.tid), Some(30));
    let after = (w.thread(31).record.generation, w.state.lineage_generation());
    assert!(after.0 != before.0 && after.1 != before.1);
}

#[test]
fn event_numbers_count_all_and_the_preamble_is_skipped() {
    let mut w = World::new();
    let user = |b: &mut falco_event::EventBuilder| {
        b.u32(7).u32(7).text("u").text("/").text("sh").text("");
    };
    let first = w.event(0, EventCode::USER_ADDED_E, user);
    assert!(first.skipped && first.num == 1);
    assert_eq!(w.state.first_event_ts(), None);
    let second = w.close(10, 0);
    assert!(!second.skipped && second.num == 2);
    assert_eq!(w.state.first_event_ts(), Some(w.ts));
    assert!(!w.event(0, EventCode::USER_ADDED_E, user).skipped);
    w.state.restore(&falco_source::Snapshot::default());
    assert_eq!(w.event(0, EventCode::USER_ADDED_E, user).num, 4);
}
