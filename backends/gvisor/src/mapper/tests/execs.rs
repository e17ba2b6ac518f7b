//! Programs that are run, in all orders in which sandboxes tell of it.

use super::*;
use proto::{CloneInfo, Execve, ExecveInfo, MmapInfo, TaskExit, Timespec};

fn texts(texts: &[&str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect()
}

/// `cat /etc/passwd`, as busybox runs it.
fn call(exit: Option<Exit>) -> Execve {
    Execve {
        sysno: 59,
        pathname: b"/proc/self/exe"[..].into(),
        argv: texts(&["cat", "/etc/passwd"]),
        envv: texts(&["HOME=/root"]),
        exit,
        ..Default::default()
    }
}

fn proof() -> ExecveInfo {
    ExecveInfo {
        binary_path: b"/bin/busybox"[..].into(),
        argv: texts(&["cat", "/etc/passwd"]),
        env: texts(&["HOME=/root"]),
        binary_mode: 0o100_755,
        ..Default::default()
    }
}

fn close() -> proto::Close {
    proto::Close { sysno: 3, fd: 3, exit: ok(0), ..Default::default() }
}

fn assert_is_cat(exec: &Told) {
    assert_eq!((exec.code, exec.int("res")), (EventCode::SYSCALL_EXECVE_19_X, 0));
    assert_eq!(
        (exec.text("exe"), exec.list("args"), exec.list("env")),
        ("cat", vec!["/etc/passwd"], vec!["HOME=/root"])
    );
    assert_eq!(
        (exec.text("trusted_exepath"), exec.text("filename")),
        ("/bin/busybox", "/proc/self/exe")
    );
    assert_eq!((exec.id("tid"), exec.id("pid"), exec.id("ptid")), (2, 2, 1));
    assert_eq!(exec.text("comm"), "exe");
}

#[test]
fn before_2025_the_proof_comes_before_the_exit() {
    let mut world = World::started();
    world.fork(2);
    assert!(world.send(call(None)).is_empty());
    assert_is_cat(&world.one(proof()));
    assert!(world.send(call(ok(0))).is_empty());
    // The next one is told again.
    world.send(call(None));
    assert_is_cat(&world.one(proof()));
    assert!(world.send(call(ok(0))).is_empty());
    // Children are what their parent is.
    let child = world.fork(3).remove(0);
    assert_eq!(
        (child.text("exe"), child.text("comm"), child.list("args")),
        ("cat", "exe", vec!["/etc/passwd"])
    );
}

#[test]
fn since_then_the_exit_comes_first_and_proves_nothing() {
    let mut world = World::started();
    world.fork(2);
    world.send(call(None));
    assert!(world.send(call(ok(0))).is_empty());
    assert_is_cat(&world.one(proof()));
    assert_eq!(world.lines(close()).len(), 1);
    // Without an enter message, the exit knows the name.
    assert!(world.send(call(ok(0))).is_empty());
    assert_is_cat(&world.one(proof()));
    // One that no proof follows has failed.
    assert!(world.send(call(ok(0))).is_empty());
    assert_eq!(world.lines(close()), ["SYSCALL_CLOSE_X res=0 fd=3"]);
    assert_eq!(world.mapper.stats().unproven_execs, 1);
    assert!(world.send(call(ok(0))).is_empty());
    assert_eq!(world.one(TaskExit::default()).code, EventCode::PROCEXIT_1_E);
}

#[test]
fn sessions_that_ask_for_proofs_alone_get_them() {
    let mut world = World::started();
    world.fork(2);
    let exec = world.one(proof());
    assert_eq!((exec.text("comm"), exec.text("filename")), ("busybox", "/bin/busybox"));
    // The newest say how the caller named it.
    let newest = ExecveInfo { execfn: b"./applet"[..].into(), ..proof() };
    let exec = world.one(newest);
    assert_eq!((exec.text("comm"), exec.text("filename")), ("applet", "./applet"));
}

#[test]
fn sessions_that_ask_for_no_proofs_have_what_calls_return() {
    let mut world = World::started();
    world.fork(2);
    // The first has to wait for what comes next.
    assert!(world.send(call(ok(0))).is_empty());
    let told = world.send(close());
    assert_eq!(
        told.iter().map(|event| event.code).collect::<Vec<_>>(),
        [EventCode::SYSCALL_EXECVE_19_X, EventCode::SYSCALL_CLOSE_X]
    );
    assert_eq!(
        (told[0].text("exe"), told[0].text("comm"), told[0].text("trusted_exepath")),
        ("cat", "exe", "/proc/self/exe")
    );
    // From then on it is known.
    let exec = world.one(call(ok(0)));
    assert_eq!(
        (exec.code, exec.list("args")),
        (EventCode::SYSCALL_EXECVE_19_X, vec!["/etc/passwd"])
    );
}

#[test]
fn failures_are_told_with_what_was_asked_for() {
    let mut world = World::started();
    world.fork(2);
    world.send(call(None));
    let exec = world.one(call(failed(2)));
    assert_eq!((exec.code, exec.int("res")), (EventCode::SYSCALL_EXECVE_19_X, -2));
    assert_eq!(
        (exec.text("exe"), exec.list("args"), exec.text("filename")),
        ("cat", vec!["/etc/passwd"], "/proc/self/exe")
    );
    // It stays what it is.
    assert_eq!((exec.text("comm"), exec.text("trusted_exepath")), ("sh", "/bin/sh"));
    let exec = world.one(Execve { sysno: 322, fd: -100, ..call(failed(13)) });
    assert_eq!((exec.code, exec.int("res")), (EventCode::SYSCALL_EXECVEAT_X, -13));
    // One that succeeded is an execve, as the kernel tells it.
    world.send(Execve { sysno: 322, ..call(None) });
    assert_eq!(world.one(proof()).code, EventCode::SYSCALL_EXECVE_19_X);
    assert!(world.send(Execve { sysno: 322, ..call(ok(0)) }).is_empty());
}

#[test]
fn the_newest_tell_of_the_file() {
    let mut world = World::started();
    world.context.credentials = Some(Credentials { effective_uid: 1000, ..Credentials::default() });
    let info = ExecveInfo {
        binary_uid: 0,
        binary_ino: 77,
        binary_ctime: Some(Timespec { sec: 1_700_000_000, nsec: 5 }),
        binary_overlayfs_upper: true,
        binary_overlayfs_lower: true,
        binary_in_memfd: true,
        binary_sha256: b"\xff\x00"[..].into(),
        stdin: Some(Box::default()),
        pipe_input_proc: Some(Box::default()),
        ..proof()
    };
    let exec = world.one(info.clone());
    assert_eq!(
        (exec.int("exe_ino"), exec.int("exe_ino_ctime"), exec.int("exe_ino_mtime")),
        (77, 1_700_000_000_000_000_005, 0)
    );
    // Upper layer, memfd; root's file is not writable.
    assert_eq!(exec.int("flags"), 2 | 4);
    let lower = ExecveInfo {
        binary_overlayfs_upper: false,
        binary_in_memfd: false,
        binary_mode: 0o100_777,
        ..info.clone()
    };
    assert_eq!(world.one(lower).int("flags"), 8 | 1);
    let own = ExecveInfo {
        binary_overlayfs_upper: false,
        binary_overlayfs_lower: false,
        binary_in_memfd: false,
        binary_uid: 1000,
        ..info.clone()
    };
    assert_eq!(world.one(own).int("flags"), 1);
    // Sessions without it tell nothing.
    let exec =
        world.one(ExecveInfo { binary_mode: 0, binary_ino: 0, binary_in_memfd: false, ..info });
    assert!(!exec.is_told("flags") && !exec.is_told("exe_ino"));
    let hostile = ExecveInfo {
        binary_ctime: Some(Timespec { sec: i64::MAX, nsec: -1 }),
        binary_ino: u64::MAX,
        ..proof()
    };
    assert_eq!(world.one(hostile).int("exe_ino_ctime"), -1);
}

/// Every version tells of files that are only in memory, by their path.
#[test]
fn memfds_are_known_by_their_name() {
    let mut world = World::started();
    let from = |path: &[u8]| ExecveInfo { binary_path: path.to_vec().into(), ..proof() };
    let exec = world.one(from(b"/memfd:payload (deleted)"));
    assert_eq!(exec.int("flags") & 4, 4);
    assert_eq!(exec.text("trusted_exepath"), "memfd:payload");
    for other in ["/tmp/memfd:payload (deleted)", "/memfd:payload", "/memfd:a/b (deleted)"] {
        let exec = world.one(from(other.as_bytes()));
        assert_eq!((exec.int("flags") & 4, exec.text("trusted_exepath")), (0, other));
    }
}

#[test]
fn fds_that_close_on_exec_are_unknown_afterwards() {
    let mut world = World::started();
    let open = |fd, flags| proto::Open {
        sysno: 257,
        fd: -100,
        pathname: b"/x"[..].into(),
        flags,
        exit: ok(fd),
        ..Default::default()
    };
    world.send(open(3, 0));
    world.send(open(4, 0o2_000_000));
    world.send(proof());
    let read =
        |fd| proto::Read { fd, fd_path: b"/y"[..].into(), exit: ok(0), ..Default::default() };
    assert_eq!(world.lines(read(3)).len(), 1);
    assert_eq!(
        world.lines(read(4))[0],
        "(SYSCALL_OPEN_BY_HANDLE_AT_X fd=4 mountfd=-1 flags=0 path=/y"
    );
}

#[test]
fn a_thread_that_executes_becomes_its_process() {
    let mut world = World::started();
    world.fork(2);
    for tid in [3, 4] {
        world.send(CloneInfo {
            created_thread_id: tid,
            created_thread_group_id: 2,
            ..Default::default()
        });
    }
    world.be(3, 2);
    let exec = world.one(proof());
    assert_eq!((exec.tid, exec.id("tid"), exec.id("pid")), (2, 2, 2));
    assert_eq!(world.mapper.thread_count(), 2);
    // The others end, the leader among them; the process does not.
    for tid in [4, 2] {
        world.be(tid, 2);
        assert!(world.send(TaskExit::default()).is_empty());
    }
    world.be(2, 2);
    assert!(world.send(call(ok(0))).is_empty());
    assert_eq!(world.line(close()), "SYSCALL_CLOSE_X res=0 fd=3");
    let exit = world.one(TaskExit::default());
    assert_eq!((exit.code, exit.tid), (EventCode::PROCEXIT_1_E, 2));
    assert_eq!(world.mapper.thread_count(), 1);
}

#[test]
fn executable_mappings_are_told_where_their_calls_are_not() {
    let mut world = World::started();
    assert!(world.send(MmapInfo { is_initial_mmap: true, ..Default::default() }).is_empty());
    assert_eq!(
        world.line(MmapInfo { mapped_path: b"/lib/x.so"[..].into(), ..Default::default() }),
        "SYSCALL_MMAP_X res=0 prot=5"
    );
    let map = proto::Mmap {
        sysno: 9,
        fd: 3,
        fd_path: b"/lib/x.so"[..].into(),
        addr: 0x1000,
        length: 4096,
        prot: 5,
        flags: 0x22,
        offset: 8192,
        exit: ok(0x7f00_0000),
        ..Default::default()
    };
    assert_eq!(
        world.lines(map),
        [
            "(SYSCALL_OPEN_BY_HANDLE_AT_X fd=3 mountfd=-1 flags=0 path=/lib/x.so",
            "SYSCALL_MMAP_X res=2130706432 addr=4096 length=4096 prot=5 flags=10 fd=3 offset=8192",
        ]
    );
    assert!(world.send(MmapInfo::default()).is_empty());
}

#[test]
fn texts_of_any_length_and_bytes_fit() {
    let mut world = World::started();
    let long = Bytes::from(vec![0xff; 100_000]);
    let info = ExecveInfo {
        binary_path: long.clone(),
        argv: vec![long.clone(); 3],
        env: vec![long.clone(); 3],
        execfn: long.clone(),
        ..Default::default()
    };
    let exec = world.one(info);
    assert_eq!((exec.bytes("args").len(), exec.bytes("env").len()), (0, 4096));
    assert!(exec.bytes("trusted_exepath").len() <= 4096 && exec.bytes("comm").len() <= 16);
    assert_eq!(world.mapper.stats().refused, 0);
}
