//! Files and other fds: opening, duplicating, closing, directories.

use falco_event::EventCode as E;

use super::World;
use crate::fd::{FdFlags, FdType};

const CLOEXEC: u32 = 1 << 12;

#[test]
fn opens_are_named_from_where_they_are_relative_to() {
    let mut w = World::new();
    let current = w.open(10, 3, "../etc/./passwd", 1);
    assert!(current.name_changed);
    let fd = w.fd(10, 3).unwrap();
    assert_eq!((&*fd.name, &*fd.name_raw), (&b"/etc/passwd"[..], &b"../etc/./passwd"[..]));
    assert_eq!((fd.ty, fd.dev, fd.ino, fd.open_flags), (FdType::File, 9, 44, 1));
    assert_eq!(w.thread(10).lastevent_fd, 3);

    w.open(10, 4, "/srv", 1 << 10);
    assert_eq!(w.fd(10, 4).map(|fd| fd.ty), Some(FdType::Directory));
    let openat = |w: &mut World, dirfd: i64, name: &str, fd: i64| {
        w.event(10, E::SYSCALL_OPENAT_2_X, |b| {
            b.i64(fd).i64(dirfd).text(name).u32(1 | 1 << 15).u32(0).u32(1).u64(2);
        });
        w.fd_name(10, fd)
    };
    assert_eq!(openat(&mut w, 4, "a/b", 5).as_deref(), Some("/srv/a/b"));
    assert_eq!(openat(&mut w, 4, "/abs", 5).as_deref(), Some("/abs"));
    assert_eq!(openat(&mut w, -100, "x", 5).as_deref(), Some("/root/x"));
    assert_eq!(openat(&mut w, 99, "x", 5).as_deref(), Some("<UNKNOWN>x"));
    assert!(w.fd(10, 5).unwrap().flags.contains(FdFlags::OVERLAY_UPPER));

    w.event(10, E::SYSCALL_CREAT_X, |b| {
        b.i64(6).text("new").u32(0o644).u32(1).u64(2).u16(2);
    });
    assert!(w.fd(10, 6).unwrap().flags.contains(FdFlags::OVERLAY_LOWER));
    w.event(10, E::SYSCALL_OPEN_BY_HANDLE_AT_X, |b| {
        b.i64(7).i64(4).u32(1).text("/by/handle").u32(1).u64(2);
    });
    assert_eq!(w.fd_name(10, 7).as_deref(), Some("/by/handle"));
}

#[test]
fn a_failed_open_leaves_nothing() {
    let mut w = World::new();
    let current = w.open(10, -2, "/nowhere", 1);
    assert!(w.state.event_fd(&current).is_none() && !current.name_changed);
    assert_eq!(w.state.fd_open_count(w.thread(10)), 1);
}

#[test]
fn what_was_asked_at_entry_counts() {
    let mut w = World::new();
    w.event(10, E::SYSCALL_OPENAT_2_E, |b| {
        b.i64(-100).text("real").u32(3).u32(0);
    });
    w.event(10, E::SYSCALL_OPENAT_2_X, |b| {
        b.i64(3).i64(-100).text("/forged").u32(1 | 1 << 14).u32(0).u32(1).u64(2);
    });
    let fd = w.fd(10, 3).unwrap();
    assert_eq!((&*fd.name, fd.open_flags), (&b"/root/real"[..], 3 | 1 << 14));
    // It counts once.
    w.event(10, E::SYSCALL_OPENAT_2_X, |b| {
        b.i64(4).i64(-100).text("/other").u32(1).u32(0).u32(1).u64(2);
    });
    assert_eq!(w.fd_name(10, 4).as_deref(), Some("/other"));
}

#[test]
fn a_closed_fd_is_seen_by_its_close_only() {
    let mut w = World::new();
    w.open(10, 3, "/a", 1);
    w.close(10, 3);
    assert_eq!(w.event_fd_name().as_deref(), Some("/a"));
    w.pause();
    assert!(w.fd(10, 3).is_none());
    // A close that failed closes nothing.
    w.open(10, 3, "/a", 1);
    w.event(10, E::SYSCALL_CLOSE_X, |b| {
        b.i64(-4).i64(3);
    });
    w.pause();
    assert!(w.fd(10, 3).is_some());
}

#[test]
fn a_number_taken_again_right_after_its_close_is_kept() {
    let mut w = World::new();
    w.open(10, 3, "/a", 1);
    w.close(10, 3);
    w.open(10, 3, "/b", 1);
    w.pause();
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("/b"));
}

#[test]
fn duplicates_have_a_cloexec_of_their_own() {
    let mut w = World::new();
    w.open(10, 3, "/a", 1 | CLOEXEC);
    let dup = |w: &mut World, code, new: i64, flags: u32| {
        let current = w.event(10, code, |b| {
            b.i64(new).i64(3).i64(new).u32(flags);
        });
        assert!(!current.name_changed);
        let fd = w.fd(10, new).unwrap();
        assert_eq!(&*fd.name, b"/a");
        fd.is_close_on_exec()
    };
    assert!(!dup(&mut w, E::SYSCALL_DUP_1_X, 4, 0));
    assert!(!dup(&mut w, E::SYSCALL_DUP2_X, 1, 0));
    assert!(dup(&mut w, E::SYSCALL_DUP3_X, 6, CLOEXEC));
    let fcntl = |w: &mut World, res: i64, fd: i64, cmd: u8, arg: u64| {
        w.event(10, E::SYSCALL_FCNTL_X, |b| {
            b.i64(res).i64(fd).u8(cmd).u64(arg);
        });
    };
    fcntl(&mut w, 7, 3, 26, 0);
    assert!(w.fd(10, 7).unwrap().is_close_on_exec());
    fcntl(&mut w, 0, 7, 3, 0);
    assert!(!w.fd(10, 7).unwrap().is_close_on_exec());
    fcntl(&mut w, 0, 7, 3, 1);
    assert!(w.fd(10, 7).unwrap().is_close_on_exec());
}

#[test]
fn close_range_closes_or_marks() {
    let mut w = World::new();
    for fd in 3..8 {
        w.open(10, fd, "/a", 1);
    }
    let range = |w: &mut World, first: u32, last: u32, flags: u32| {
        w.event(10, E::SYSCALL_CLOSE_RANGE_X, |b| {
            b.i64(0).u32(first).u32(last).u32(flags);
        });
    };
    range(&mut w, 6, u32::MAX, 4);
    assert!(w.fd(10, 7).unwrap().is_close_on_exec() && !w.fd(10, 5).unwrap().is_close_on_exec());
    range(&mut w, 4, 5, 0);
    let left: Vec<i64> = w.state.fds(w.thread(10)).unwrap().iter().map(|(n, _)| n).collect();
    assert_eq!(left, [0, 3, 6, 7]);
}

#[test]
fn every_kind_of_fd_is_known() {
    let mut w = World::new();
    w.event(10, E::SYSCALL_PIPE2_X, |b| {
        b.i64(0).i64(3).i64(4).u64(55).u32(CLOEXEC);
    });
    let (a, b) = (w.fd(10, 3).unwrap(), w.fd(10, 4).unwrap());
    assert_eq!((a.ty, a.ino, b.ino, b.is_close_on_exec()), (FdType::Pipe, 55, 55, true));
    assert_eq!(w.thread(10).lastevent_fd, 4);
    for (code, ty) in [
        (E::SYSCALL_EVENTFD2_X, FdType::Event),
        (E::SYSCALL_SIGNALFD4_X, FdType::Signalfd),
        (E::SYSCALL_TIMERFD_CREATE_X, FdType::Timerfd),
        (E::SYSCALL_INOTIFY_INIT1_X, FdType::Inotify),
        (E::SYSCALL_EPOLL_CREATE1_X, FdType::Eventpoll),
        (E::SYSCALL_USERFAULTFD_X, FdType::Userfaultfd),
        (E::SYSCALL_IO_URING_SETUP_X, FdType::IoUring),
        (E::SYSCALL_BPF_2_X, FdType::Bpf),
    ] {
        w.event(10, code, |b| {
            b.i64(9).u32(0).u32(0);
        });
        assert_eq!(w.fd(10, 9).map(|fd| fd.ty), Some(ty), "{code:?}");
    }
    w.event(10, E::SYSCALL_MEMFD_CREATE_X, |b| {
        b.i64(10).text("blob").u32(1);
    });
    assert_eq!(w.fd_name(10, 10).as_deref(), Some("blob"));
    assert!(w.fd(10, 10).unwrap().is_close_on_exec());
}

#[test]
fn an_fd_comes_through_a_pidfd() {
    let mut w = World::new();
    w.fork(10, 20);
    w.open(20, 8, "/secret", 1);
    w.event(10, E::SYSCALL_PIDFD_OPEN_X, |b| {
        b.i64(3).i64(20).u32(0);
    });
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("/proc/20"));
    w.event(10, E::SYSCALL_PIDFD_GETFD_X, |b| {
        b.i64(4).i64(3).i64(8).u32(0);
    });
    assert_eq!(w.fd_name(10, 4).as_deref(), Some("/secret"));
    assert!(w.fd(10, 4).unwrap().is_close_on_exec());
}

#[test]
fn directories_follow_the_process() {
    let mut w = World::new();
    w.open(10, 3, "/srv/www", 1 << 10);
    w.event(10, E::SYSCALL_FCHDIR_X, |b| {
        b.i64(0).i64(3);
    });
    assert_eq!(w.cwd(10), "/srv/www/");
    w.event(10, E::SYSCALL_CHDIR_X, |b| {
        b.i64(0).text("../x");
    });
    assert_eq!(w.cwd(10), "/srv/x/");
    w.event(10, E::SYSCALL_CHDIR_X, |b| {
        b.i64(-2).text("/nowhere");
    });
    w.event(10, E::SYSCALL_GETCWD_X, |b| {
        b.i64(1).text("/moved");
    });
    assert_eq!(w.cwd(10), "/moved/");
    w.event(10, E::SYSCALL_CHROOT_X, |b| {
        b.i64(0).text("jail");
    });
    assert_eq!(&*w.thread(10).record.root, b"/moved/jail");
}

#[test]
fn a_process_has_no_more_fds_than_allowed() {
    let mut w = World::new();
    w.state.limits.max_fds = 3;
    for fd in 3..10 {
        w.open(10, fd, "/a", 1);
    }
    assert_eq!(w.state.fd_open_count(w.thread(10)), 3);
    assert_eq!(w.state.stats().n_drops_full_fdtable, 5);
    assert!(w.state.event_fd(&w.last.unwrap()).is_none());
    w.open(10, 4, "/b", 1);
    assert_eq!(w.fd_name(10, 4).as_deref(), Some("/b"), "a replacement fits");
}
