//! Calls that are easy to get wrong, or that change less than their names promise: Falco's tables
//! ignore much of what they do, and so do these.

use falco_event::EventCode as E;

use super::{Clone, Exec, World};
use crate::fd::FdType;
use crate::thread::flags;

const CLOEXEC: u32 = 1 << 12;

/// What may change by a call, in short.
fn picture(w: &World, tid: i64) -> (u64, usize, String, u32) {
    let t = w.thread(tid);
    (w.state.stats().n_threads, w.state.fd_open_count(t), w.cwd(tid), t.record.generation)
}

#[test]
fn an_unnamed_temporary_file_has_the_name_of_its_directory() {
    let mut w = World::new();
    // O_TMPFILE contains O_DIRECTORY; what is opened is a file all the same, but the portable
    // flags tell of no directory then.
    w.open(10, 3, "/tmp", 3 | 1 << 13);
    let fd = w.fd(10, 3).unwrap();
    assert_eq!((fd.ty, &*fd.name), (FdType::File, &b"/tmp"[..]));
}

#[test]
fn a_handle_is_no_fd_until_it_is_opened() {
    let mut w = World::new();
    w.pause();
    let before = picture(&w, 10);
    // name_to_handle_at has no event of its own.
    w.event(10, E::GENERIC_X, |b| {
        b.u16(303).u16(303);
    });
    assert_eq!(picture(&w, 10), before);
    w.event(10, E::SYSCALL_OPEN_BY_HANDLE_AT_X, |b| {
        b.i64(3).i64(4).u32(1 | 1 << 10).text("/srv").u32(1).u64(2);
    });
    let fd = w.fd(10, 3).unwrap();
    assert_eq!((fd.ty, &*fd.name, fd.dev, fd.ino), (FdType::Directory, &b"/srv"[..], 1, 2));
    w.event(10, E::SYSCALL_OPEN_BY_HANDLE_AT_X, |b| {
        b.i64(-116).i64(4).u32(1).text("").u32(0).u64(0);
    });
    assert_eq!(w.state.fd_open_count(w.thread(10)), 2);
}

#[test]
fn a_lost_path_is_na() {
    let mut w = World::new();
    w.event(10, E::SYSCALL_OPENAT_2_X, |b| {
        b.i64(3).i64(-100).empty().u32(1).u32(0).u32(0).u64(0);
    });
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("/root/<NA>"));
}

#[test]
fn a_duplicate_of_the_unknown_is_unknown() {
    let mut w = World::new();
    for (code, flags) in [(E::SYSCALL_DUP_1_X, 0), (E::SYSCALL_DUP3_X, CLOEXEC)] {
        w.event(10, code, |b| {
            b.i64(9).i64(8).i64(9).u32(flags);
        });
        assert!(w.fd(10, 9).is_none());
    }
    // A call that failed duplicates nothing.
    w.event(10, E::SYSCALL_DUP2_X, |b| {
        b.i64(-9).i64(0).i64(9);
    });
    assert!(w.fd(10, 9).is_none());
}

#[test]
fn cloexec_of_special_fds_is_in_flags_of_their_own() {
    let mut w = World::new();
    for (on, flags) in [(false, 0), (true, 1)] {
        w.event(10, E::SYSCALL_EPOLL_CREATE1_X, |b| {
            b.i64(5).u32(flags);
        });
        assert_eq!(w.fd(10, 5).unwrap().is_close_on_exec(), on);
    }
    w.event(10, E::SYSCALL_IO_URING_SETUP_X, |b| {
        b.i64(6).u32(8).u32(0).u32(0).u32(0).u32(0);
    });
    w.event(10, E::SYSCALL_USERFAULTFD_X, |b| {
        b.i64(7).u32(CLOEXEC);
    });
    w.exec(Exec { tid: 10, ..Exec::default() });
    assert!(w.fd(10, 5).is_none());
    // Of those two Falco keeps no flags, so that they outlive an exec.
    assert!(w.fd(10, 6).is_some() && w.fd(10, 7).is_some());
}

#[test]
fn what_works_on_an_io_uring_or_epoll_changes_no_table() {
    let mut w = World::new();
    w.event(10, E::SYSCALL_IO_URING_SETUP_X, |b| {
        b.i64(6).u32(8).u32(0).u32(0).u32(0).u32(0);
    });
    w.pause();
    let before = picture(&w, 10);
    w.event(10, E::SYSCALL_IO_URING_ENTER_X, |b| {
        b.i64(1).i64(6).u32(1).u32(1).u32(0).u64(0);
    });
    w.event(10, E::SYSCALL_IO_URING_REGISTER_X, |b| {
        b.i64(0).i64(6).u16(2).u64(0).u32(1);
    });
    w.event(10, E::SYSCALL_EPOLLWAIT_X, |b| {
        b.i64(1);
    });
    assert_eq!(picture(&w, 10), before);
}

#[test]
fn a_failed_bpf_or_pidfd_makes_no_fd() {
    let mut w = World::new();
    w.event(10, E::SYSCALL_BPF_2_X, |b| {
        b.i64(-1).u32(5);
    });
    w.event(10, E::SYSCALL_PIDFD_OPEN_X, |b| {
        b.i64(-3).i64(99).u32(0);
    });
    // An fd of a process, or through an fd, that is unknown.
    w.event(10, E::SYSCALL_PIDFD_OPEN_X, |b| {
        b.i64(3).i64(99).u32(0);
    });
    w.event(10, E::SYSCALL_PIDFD_GETFD_X, |b| {
        b.i64(4).i64(3).i64(0).u32(0);
    });
    w.event(10, E::SYSCALL_PIDFD_GETFD_X, |b| {
        b.i64(5).i64(0).i64(0).u32(0);
    });
    let fds: Vec<i64> = w.state.fds(w.thread(10)).unwrap().iter().map(|(n, _)| n).collect();
    assert_eq!(fds, [0, 3]);
    assert_eq!(w.fd(10, 3).map(|fd| (fd.ty, fd.pid)), Some((FdType::Pidfd, 99)));
}

#[test]
fn a_sharer_of_fds_that_is_no_thread_has_a_copy() {
    let mut w = World::new();
    let shares = Clone { flags: flags::CLONE_FILES, ..Clone::default() };
    w.clone(10, 20, Clone { tid: 10, pid: 10, ..shares });
    w.open(10, 3, "/later", 1);
    assert!(w.fd(20, 3).is_none());
    assert_eq!(w.fd_name(20, 0).as_deref(), Some("/dev/tty1"));
    w.open(20, 4, "/own", 1);
    assert!(w.fd(10, 4).is_none());
}

#[test]
fn clone_parent_makes_a_sibling_that_tells_of_itself() {
    let mut w = World::new();
    w.fork(10, 20);
    let sibling = Clone { flags: flags::CLONE_PARENT, ..Clone::default() };
    // The caller does not know who the parent is.
    w.clone(20, 30, Clone { tid: 20, pid: 20, ptid: 10, ..sibling });
    assert!(w.get(30).is_none());
    w.clone(30, 0, Clone { tid: 30, pid: 30, ptid: 10, ..sibling });
    assert_eq!((w.thread(30).ptid, w.thread(10).nchildren), (10, 2));
}

#[test]
fn exec_of_a_thread_goes_on_under_the_processs_id() {
    let mut w = World::new();
    w.fork(10, 20);
    w.thread_of(20, 21);
    w.thread_of(20, 22);
    w.fork(21, 30);
    w.open(22, 5, "/kept", 1);
    w.open(22, 6, "/gone", 1 | CLOEXEC);
    // 21 execs; the kernel ends 20 and 22, and 21 becomes 20. The exit of 22 is lost.
    w.exit(20, 21);
    w.exec(Exec { tid: 20, ptid: 10, exe: "new", ..Exec::default() });
    let t = w.thread(20);
    assert_eq!((&*t.record.comm, t.pid, t.ptid, w.state.nthreads(t)), (&b"new"[..], 20, 10, 1));
    assert!(w.get(21).is_none() && w.get(22).is_none());
    assert_eq!((w.thread(30).ptid, w.fd_name(20, 5).as_deref()), (20, Some("/kept")));
    assert!(w.fd(20, 6).is_none());
    // A failed exec changes nothing.
    let before = picture(&w, 20);
    w.event(20, E::SYSCALL_EXECVE_19_X, |b| {
        b.i64(-2).text("x").empty().i64(20).i64(20).i64(10);
    });
    assert_eq!(picture(&w, 20), before);
}

#[test]
fn a_subreaper_is_one_until_it_says_no() {
    let mut w = World::new();
    w.fork(10, 20);
    w.fork(20, 30);
    let prctl = |w: &mut World, on: i64| {
        w.event(10, E::SYSCALL_PRCTL_X, |b| {
            b.i64(0).u32(36).text("").i64(on);
        });
    };
    prctl(&mut w, 1);
    prctl(&mut w, 0);
    w.exit(20, 0);
    w.pause();
    assert_eq!(w.thread(30).ptid, 1);
}

#[test]
fn namespaces_change_capabilities_at_most() {
    let mut w = World::new();
    w.pause();
    let before = picture(&w, 10);
    // Into a mount namespace, and a user namespace that was not entered.
    w.event(10, E::SYSCALL_SETNS_X, |b| {
        b.i64(0).i64(0).u32(1 << 17);
    });
    w.event(10, E::SYSCALL_SETNS_X, |b| {
        b.i64(-1).i64(0).u32(1 << 20);
    });
    w.event(10, E::SYSCALL_UNSHARE_X, |b| {
        b.i64(-1).u32(1 << 20);
    });
    assert_eq!(picture(&w, 10), before);
}

#[test]
fn events_lost_in_between_leave_what_was_known() {
    let mut w = World::new();
    // An open was lost: its close has nothing to show.
    w.close(10, 7);
    assert_eq!(w.event_fd_name(), None);
    // A close was lost: the number's next owner takes its place.
    w.open(10, 3, "/old", 1);
    let current = w.open(10, 3, "/new", 1);
    assert!(current.name_changed);
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("/new"));
    // The enter event of an open was lost; the exit of another call stands in between.
    w.event(10, E::SYSCALL_OPENAT_2_E, |b| {
        b.i64(-100).text("entered").u32(3).u32(0);
    });
    w.event(10, E::SYSCALL_DUP_1_X, |b| {
        b.i64(8).i64(3);
    });
    w.event(10, E::SYSCALL_OPENAT_2_X, |b| {
        b.i64(4).i64(-100).text("/told").u32(1).u32(0).u32(1).u64(2);
    });
    assert_eq!(w.fd_name(10, 4).as_deref(), Some("/told"));
    // Both clone events were lost, then the exec: the first event that tells of the process makes
    // it, its exit ends it.
    w.open(50, 3, "/x", 1);
    w.exit(50, 0);
    w.pause();
    assert!(w.get(50).is_none());
    // Drops are told by events without a thread.
    let before = w.state.stats().n_threads;
    w.event(-1, E::DROP_E, |b| {
        b.u32(5);
    });
    assert_eq!(w.state.stats().n_threads, before);
}
