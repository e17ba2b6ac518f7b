//! System calls: each type of message, and raw ones.

use super::*;
use proto::*;

const PASSWD: &[u8] = b"/etc/passwd";

/// An IPv4 address as a program passes it.
fn inet(last: u8, port: u16) -> Bytes {
    let [high, low] = port.to_be_bytes();
    Bytes::from(vec![2, 0, high, low, 10, 0, 0, last, 0, 0, 0, 0, 0, 0, 0, 0])
}

fn open(sysno: u64, pathname: &'static [u8], exit: Option<Exit>) -> Open {
    Open {
        sysno,
        fd: -100,
        pathname: pathname.into(),
        flags: 0o2_000_101,
        mode: 0o644,
        exit,
        ..Default::default()
    }
}

#[test]
fn files_are_opened_and_closed() {
    let mut world = World::started();
    assert_eq!(
        world.line(open(2, PASSWD, ok(3))),
        "SYSCALL_OPEN_X fd=3 name=/etc/passwd flags=4102 mode=420"
    );
    assert_eq!(
        world.line(open(257, PASSWD, failed(13))),
        "SYSCALL_OPENAT_2_X fd=-13 dirfd=-100 name=/etc/passwd flags=4102 mode=420"
    );
    assert_eq!(
        world.line(open(85, b"/tmp/x", ok(4))),
        "SYSCALL_CREAT_X fd=4 name=/tmp/x mode=420 creat_flags=0"
    );
    // Without O_CREAT there is no mode.
    let read = Open { flags: 0, ..open(257, PASSWD, ok(5)) };
    assert_eq!(
        world.line(read),
        "SYSCALL_OPENAT_2_X fd=5 dirfd=-100 name=/etc/passwd flags=1 mode=0"
    );
    // A path that could not be read.
    assert_eq!(world.line(open(2, b"", failed(14))), "SYSCALL_OPEN_X fd=-14 flags=4102 mode=420");
    let close = |exit| Close {
        sysno: 3,
        fd: 3,
        exit,
        fd_path: b"[err: FD not found]"[..].into(),
        ..Default::default()
    };
    assert_eq!(world.lines(close(ok(0))), ["SYSCALL_CLOSE_X res=0 fd=3"]);
    assert_eq!(world.lines(close(failed(9))), ["SYSCALL_CLOSE_X res=-9 fd=3"]);
}

#[test]
fn what_a_call_began_with_counts() {
    let mut world = World::started();
    assert!(world.send(open(257, b"/etc/shadow", None)).is_empty());
    assert_eq!(world.one(open(257, b"/tmp/innocent", ok(3))).text("name"), "/etc/shadow");
    // For that call alone.
    assert_eq!(world.one(open(257, PASSWD, ok(3))).text("name"), "/etc/passwd");
    world.send(open(257, b"/etc/shadow", None));
    assert_eq!(world.one(open(2, PASSWD, ok(3))).text("name"), "/etc/passwd");
    let connect = |address, exit| Connect { sysno: 42, fd: 3, address, exit, ..Default::default() };
    world.send(connect(inet(1, 80), None));
    let told = world.one(connect(inet(2, 80), ok(0)));
    assert_eq!(told.bytes("addr"), [2, 10, 0, 0, 1, 80, 0]);
}

#[test]
fn fds_that_were_opened_before_we_looked_are_told_once() {
    let mut world = World::started();
    let read = |fd, path: &'static [u8]| Read {
        fd,
        fd_path: path.into(),
        count: 8,
        exit: ok(8),
        ..Default::default()
    };
    let used = |world: &mut World, fd, path| world.lines(read(fd, path)).swap_remove(0);
    assert_eq!(
        used(&mut world, 7, PASSWD),
        "(SYSCALL_OPEN_BY_HANDLE_AT_X fd=7 mountfd=-1 flags=0 path=/etc/passwd"
    );
    assert_eq!(used(&mut world, 7, PASSWD), "SYSCALL_READ_X res=8 fd=7 size=8");
    assert_eq!(
        used(&mut world, 0, b"host:[3]"),
        "(SYSCALL_OPEN_BY_HANDLE_AT_X fd=0 mountfd=-1 flags=0 path=host:[3]"
    );
    assert_eq!(used(&mut world, 8, b"pipe:[12]"), "(SYSCALL_PIPE_X res=0 fd1=8 fd2=8 ino=12");
    assert_eq!(used(&mut world, 9, b"anon_inode:[timerfd]"), "(SYSCALL_TIMERFD_CREATE_X res=9");
    // Nothing is known of these.
    for path in [&b"socket:[9]"[..], b"[err: FD not found]", b""] {
        assert_eq!(used(&mut world, 10, path), "SYSCALL_READ_X res=8 fd=10 size=8");
    }
    // Before a close, while it has a path.
    let close = |exit, path: &'static [u8]| Close {
        sysno: 3,
        fd: 11,
        fd_path: path.into(),
        exit,
        ..Default::default()
    };
    assert_eq!(
        world.lines(close(None, PASSWD)),
        ["(SYSCALL_OPEN_BY_HANDLE_AT_X fd=11 mountfd=-1 flags=0 path=/etc/passwd"]
    );
    assert_eq!(world.lines(close(ok(0), b"[err: FD not found]")), ["SYSCALL_CLOSE_X res=0 fd=11"]);
    // Opened again by something that is not seen.
    assert_eq!(
        used(&mut world, 11, b"/x"),
        "(SYSCALL_OPEN_BY_HANDLE_AT_X fd=11 mountfd=-1 flags=0 path=/x"
    );
    // Children know what their parents knew; what they do is theirs.
    world.fork(2);
    assert_eq!(used(&mut world, 11, b"/x"), "SYSCALL_READ_X res=8 fd=11 size=8");
    world.send(close(ok(0), b""));
    assert_eq!(
        used(&mut world, 11, b"/x"),
        "(SYSCALL_OPEN_BY_HANDLE_AT_X fd=11 mountfd=-1 flags=0 path=/x"
    );
    // A directory that a path is relative to.
    let at = Open {
        sysno: 257,
        fd: 20,
        fd_path: b"/srv"[..].into(),
        pathname: b"f"[..].into(),
        exit: ok(3),
        ..Default::default()
    };
    assert_eq!(
        world.lines(at),
        [
            "(SYSCALL_OPEN_BY_HANDLE_AT_X fd=20 mountfd=-1 flags=0 path=/srv",
            "SYSCALL_OPENAT_2_X fd=3 dirfd=20 name=f flags=1 mode=0",
        ]
    );
}

#[test]
fn all_ways_to_read_and_write() {
    let mut world = World::started();
    let read = |sysno| Read {
        sysno,
        fd: 3,
        count: 100,
        offset: 7,
        has_offset: true,
        exit: ok(64),
        ..Default::default()
    };
    assert_eq!(world.line(read(0)), "SYSCALL_READ_X res=64 fd=3 size=100");
    assert_eq!(world.line(read(17)), "SYSCALL_PREAD_X res=64 fd=3 size=100 pos=7");
    assert_eq!(world.line(read(19)), "SYSCALL_READV_X res=64 size=64 fd=3");
    assert_eq!(world.line(read(295)), "SYSCALL_PREADV_X res=64 size=64 fd=3 pos=7");
    assert_eq!(world.line(read(327)), "SYSCALL_PREADV_X res=64 size=64 fd=3 pos=7");
    let write = |sysno| Write {
        sysno,
        fd: 3,
        count: 100,
        offset: 7,
        exit: failed(28),
        ..Default::default()
    };
    assert_eq!(world.line(write(1)), "SYSCALL_WRITE_X res=-28 fd=3 size=100");
    assert_eq!(world.line(write(18)), "SYSCALL_PWRITE_X res=-28 fd=3 size=100 pos=7");
    assert_eq!(world.line(write(20)), "SYSCALL_WRITEV_X res=-28 fd=3 size=100");
    assert_eq!(world.line(write(296)), "SYSCALL_PWRITEV_X res=-28 fd=3 size=100 pos=7");
    assert_eq!(world.line(write(328)), "SYSCALL_PWRITEV_X res=-28 fd=3 size=100 pos=7");
}

#[test]
fn directories_are_changed() {
    let mut world = World::started();
    world.context.cwd = b"/"[..].into();
    world.send(Chdir::default());
    let chdir = |sysno, path: &'static [u8], exit| Chdir {
        sysno,
        fd: 3,
        pathname: path.into(),
        exit,
        ..Default::default()
    };
    assert_eq!(world.lines(chdir(80, b"/nope", failed(2))), ["SYSCALL_CHDIR_X res=-2 path=/nope"]);
    world.context.cwd = b"/tmp"[..].into();
    assert_eq!(world.lines(chdir(80, b"/tmp", ok(0))), ["SYSCALL_CHDIR_X res=0 path=/tmp"]);
    // Through a link: the context knows where that led.
    world.context.cwd = b"/var/lib"[..].into();
    assert_eq!(
        world.lines(chdir(80, b"link", ok(0))),
        ["SYSCALL_CHDIR_X res=0 path=link", "(SYSCALL_CHDIR_X res=0 path=/var/lib"]
    );
    world.context.cwd = b"/srv"[..].into();
    assert_eq!(
        world.lines(chdir(81, b"\x01garbage", ok(0))),
        ["SYSCALL_FCHDIR_X res=0 fd=3", "(SYSCALL_CHDIR_X res=0 path=/srv"]
    );
    assert_eq!(
        world.line(Chroot {
            sysno: 161,
            pathname: b"/jail"[..].into(),
            exit: failed(1),
            ..Default::default()
        }),
        "SYSCALL_CHROOT_X res=-1 path=/jail"
    );
}

#[test]
fn users_sessions_and_limits() {
    let mut world = World::started();
    let id = |sysno, id, exit| Setid { sysno, id, exit, ..Default::default() };
    assert_eq!(world.lines(id(105, 9, failed(1))), ["SYSCALL_SETUID_X res=-1 uid=9"]);
    assert_eq!(world.lines(id(106, 9, ok(0))), ["SYSCALL_SETGID_X res=0 gid=9"]);
    let ids =
        Setresid { sysno: 117, rid: 1, eid: 2, sid: u32::MAX, exit: ok(0), ..Default::default() };
    world.context.credentials =
        Some(Credentials { real_uid: 1, effective_uid: 2, saved_uid: 0, ..Default::default() });
    // What came of it is told after it.
    assert_eq!(
        world.lines(ids),
        [
            "SYSCALL_SETRESUID_X res=0 ruid=1 euid=2 suid=-1",
            "(SYSCALL_SETRESUID_X res=0 ruid=1 euid=2 suid=0",
            "(SYSCALL_SETRESGID_X res=0 rgid=0 egid=0 sgid=0",
        ]
    );
    let ids =
        Setresid { sysno: 119, rid: 1, eid: 2, sid: 3, exit: failed(1), ..Default::default() };
    assert_eq!(world.lines(ids), ["SYSCALL_SETRESGID_X res=-1 rgid=1 egid=2 sgid=3"]);
    // The sandboxes of 2022 tell 0.
    world.fork(5);
    assert_eq!(world.line(id(112, 0, ok(0))), "SYSCALL_SETSID_X res=5");
    assert_eq!(world.line(id(112, 0, ok(5))), "SYSCALL_SETSID_X res=5");
    assert_eq!(world.line(id(112, 0, failed(1))), "SYSCALL_SETSID_X res=-1");

    let garbage = Some(StructRlimit { cur: 77, max: 78 });
    let limit = |pid, new_limit, exit| Prlimit {
        sysno: 302,
        pid,
        resource: 7,
        new_limit,
        old_limit: garbage,
        exit,
        ..Default::default()
    };
    assert_eq!(
        world.line(limit(0, None, ok(0))),
        "SYSCALL_PRLIMIT_X res=0 newcur=-1 newmax=-1 oldcur=77 oldmax=78 pid=0 resource=7"
    );
    let new = Some(StructRlimit { cur: 5, max: u64::MAX });
    assert_eq!(
        world.line(limit(1, new, failed(1))),
        "SYSCALL_PRLIMIT_X res=-1 newcur=5 newmax=-1 oldcur=-1 oldmax=-1 pid=#1 resource=7"
    );
    // A process of the container is no process of the host.
    assert!(!world.one(limit(4242, new, ok(0))).is_told("pid"));
    assert_eq!(
        world.one(Prlimit { resource: -1, ..limit(0, None, ok(0)) }).bytes("resource"),
        [255]
    );
}

#[test]
fn fds_of_all_kinds() {
    let mut world = World::started();
    let (nonblock, cloexec) = (0o4000, 0o2_000_000);
    let pipe = |sysno, flags, exit| Pipe {
        sysno,
        flags,
        reader: 3,
        writer: 4,
        exit,
        ..Default::default()
    };
    assert_eq!(world.line(pipe(22, 0, ok(0))), "SYSCALL_PIPE_X res=0 fd1=3 fd2=4 ino=0");
    assert_eq!(
        world.line(pipe(293, cloexec, ok(0))),
        "SYSCALL_PIPE2_X res=0 fd1=3 fd2=4 ino=0 flags=4096"
    );
    assert_eq!(world.line(pipe(22, 0, failed(24))), "SYSCALL_PIPE_X res=-24 fd1=-1 fd2=-1 ino=0");
    let event =
        |sysno| Eventfd { sysno, val: 3, flags: nonblock, exit: ok(5), ..Default::default() };
    assert_eq!(world.line(event(284)), "SYSCALL_EVENTFD_X res=5 initval=3 flags=0");
    assert_eq!(world.line(event(290)), "SYSCALL_EVENTFD2_X res=5 flags=64 initval=3");
    let signal = |sysno| Signalfd {
        sysno,
        fd: -1,
        sigset: 0x200,
        flags: cloexec as i32,
        exit: ok(6),
        ..Default::default()
    };
    assert_eq!(world.line(signal(282)), "SYSCALL_SIGNALFD_X res=6 fd=-1 mask=512 flags=0");
    assert_eq!(world.line(signal(289)), "SYSCALL_SIGNALFD4_X res=6 flags=4096 fd=-1 mask=512");
    let timer = TimerfdCreate {
        sysno: 283,
        clock_id: 1,
        flags: nonblock as i32,
        exit: ok(7),
        ..Default::default()
    };
    assert_eq!(world.line(timer), "SYSCALL_TIMERFD_CREATE_X res=7 clockid=1 flags=64");
    let inotify =
        |sysno| InotifyInit { sysno, flags: cloexec as i32, exit: ok(8), ..Default::default() };
    assert_eq!(world.line(inotify(253)), "SYSCALL_INOTIFY_INIT_X res=8 flags=0");
    assert_eq!(world.line(inotify(294)), "SYSCALL_INOTIFY_INIT1_X res=8 flags=4096");
    // Calls without events of their own are told by name.
    assert_eq!(
        world.line(TimerfdSetTime { sysno: 286, exit: ok(0), ..Default::default() }),
        "GENERIC_X ID=223 nativeID=286"
    );
    assert_eq!(
        world.line(TimerfdGetTime { sysno: 287, exit: ok(0), ..Default::default() }),
        "GENERIC_X ID=224 nativeID=287"
    );
    assert_eq!(
        world.line(InotifyAddWatch { sysno: 254, exit: ok(1), ..Default::default() }),
        "GENERIC_X ID=195 nativeID=254"
    );
    assert_eq!(
        world.line(InotifyRmWatch { sysno: 255, exit: ok(0), ..Default::default() }),
        "GENERIC_X ID=196 nativeID=255"
    );
    let ptrace = Ptrace { sysno: 101, request: 16, pid: 12, exit: failed(1), ..Default::default() };
    assert_eq!(world.line(ptrace), "SYSCALL_PTRACE_X res=-1 request=11 pid=12");
}

#[test]
fn copies_of_fds() {
    let mut world = World::started();
    world.send(open(257, PASSWD, ok(3)));
    let dup = |sysno, old_fd, new_fd| Dup {
        sysno,
        old_fd,
        new_fd,
        flags: 0o2_000_000,
        exit: ok(new_fd.into()),
        ..Default::default()
    };
    assert_eq!(world.line(dup(32, 3, 4)), "SYSCALL_DUP_1_X res=4 oldfd=3");
    assert_eq!(world.line(dup(33, 3, 5)), "SYSCALL_DUP2_X res=5 oldfd=3 newfd=5");
    assert_eq!(world.line(dup(292, 3, 6)), "SYSCALL_DUP3_X res=6 oldfd=3 newfd=6 flags=4096");
    let fcntl = |cmd, args, exit| Fcntl { sysno: 72, fd: 3, cmd, args, exit, ..Default::default() };
    assert_eq!(world.line(fcntl(1030, 60, ok(60))), "SYSCALL_FCNTL_X res=60 fd=3 cmd=26 arg=60");
    assert_eq!(world.line(fcntl(2, 1, ok(0))), "SYSCALL_FCNTL_X res=0 fd=3 cmd=3 arg=1");
    // The copies are known; one of what is not known is not.
    let read = |fd| Read { fd, fd_path: PASSWD.into(), exit: ok(0), ..Default::default() };
    for fd in [4, 5, 6, 60] {
        assert_eq!(world.lines(read(fd)).len(), 1, "{fd}");
    }
    world.send(dup(33, 99, 4));
    assert_eq!(world.lines(read(4)).len(), 2);
}

#[test]
fn sockets_and_their_ends() {
    let mut world = World::started();
    let socket = Socket {
        sysno: 41,
        domain: 2,
        r#type: 0o2_000_001,
        protocol: 6,
        exit: ok(3),
        ..Default::default()
    };
    assert_eq!(world.line(socket), "SOCKET_SOCKET_X fd=3 domain=2 type=524289 proto=6 flags=4096");
    let bind = |fd, address, exit| Bind { sysno: 49, fd, address, exit, ..Default::default() };
    assert_eq!(
        world.line(bind(3, inet(1, 8080), ok(0))),
        "SOCKET_BIND_X res=0 addr=\\x02\\n\\x00\\x00\\x01\\x90\\x1f fd=3"
    );
    assert_eq!(
        world.line(Listen { sysno: 50, fd: 3, backlog: 128, exit: ok(0), ..Default::default() }),
        "SOCKET_LISTEN_X res=0 fd=3 backlog=128"
    );
    // Both ends: whom it comes from, and where it was bound.
    let accept = |sysno, address, exit| Accept {
        sysno,
        fd: 3,
        address,
        flags: 0o4000,
        exit,
        ..Default::default()
    };
    let told = world.one(accept(288, inet(9, 1234), ok(7)));
    assert_eq!(
        (told.code, told.int("fd"), told.int("flags")),
        (EventCode::SOCKET_ACCEPT4_6_X, 7, 64)
    );
    assert_eq!(told.bytes("tuple"), [2, 10, 0, 0, 9, 0xd2, 4, 10, 0, 0, 1, 0x90, 0x1f]);
    // Nobody asked who it is.
    let told = world.one(accept(43, Bytes::new(), ok(8)));
    assert_eq!((told.code, told.int("fd")), (EventCode::SOCKET_ACCEPT_5_X, 8));
    assert_eq!(told.bytes("tuple"), [2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1, 0x90, 0x1f]);
    let told = world.one(accept(43, inet(9, 1), failed(11)));
    assert_eq!((told.int("fd"), told.is_told("tuple")), (-11, false));

    let connect =
        |fd, address, exit| Connect { sysno: 42, fd, address, exit, ..Default::default() };
    let told = world.one(connect(3, inet(2, 443), ok(0)));
    assert_eq!(told.bytes("tuple"), [2, 10, 0, 0, 1, 0x90, 0x1f, 10, 0, 0, 2, 0xbb, 1]);
    // A failure has no ends, one that is under way does.
    assert!(!world.one(connect(3, inet(2, 443), failed(111))).is_told("tuple"));
    assert!(world.one(connect(3, inet(2, 443), failed(115))).is_told("tuple"));
    // A socket that was made before we looked: its family shows now.
    let lines = world.lines(connect(50, inet(2, 53), ok(0)));
    assert_eq!(lines[0], "(SOCKET_SOCKET_X fd=50 domain=2 type=1 proto=0 flags=0");
    assert_eq!(world.lines(connect(50, inet(2, 53), ok(0))).len(), 1);
    assert!(
        lines[1].starts_with("SOCKET_CONNECT_X res=0 tuple=\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\n"),
        "{}",
        lines[1]
    );
    // Unix sockets: the path; addresses of other families have no form in events.
    let unix = Bytes::from_static(b"\x01\x00/run/x.sock\0\0");
    let told = world.one(connect(3, unix, ok(0)));
    assert_eq!(told.bytes("addr"), b"\x01/run/x.sock\0");
    assert_eq!(told.bytes("tuple"), [&[1][..], &[0; 16], b"/run/x.sock\0"].concat());
    let told = world.one(connect(3, Bytes::from_static(&[16, 0, 0, 0, 0, 0]), ok(0)));
    assert!(!told.is_told("addr") && !told.is_told("tuple"));

    let pair = |exit| SocketPair {
        sysno: 53,
        domain: 1,
        r#type: 1,
        socket1: 9,
        socket2: 10,
        exit,
        ..Default::default()
    };
    assert_eq!(
        world.line(pair(ok(0))),
        "SOCKET_SOCKETPAIR_X res=0 fd1=9 fd2=10 source=0 peer=0 domain=1 type=1 proto=0"
    );
    assert_eq!(
        world.line(pair(failed(1))),
        "SOCKET_SOCKETPAIR_X res=-1 fd1=-1 fd2=-1 source=0 peer=0 domain=1 type=1 proto=0"
    );
}

#[test]
fn the_newest_listen_tells_where() {
    let mut world = World::started();
    let listen = Listen {
        sysno: 50,
        fd: 6,
        backlog: -1,
        address: inet(0, 22),
        socket_family: 2,
        socket_type: 1,
        exit: ok(0),
        ..Default::default()
    };
    assert_eq!(
        world.lines(listen),
        [
            "(SOCKET_SOCKET_X fd=6 domain=2 type=1 proto=0 flags=0",
            "SOCKET_LISTEN_X res=0 fd=6 backlog=-1"
        ]
    );
    let told = world.one(Accept {
        sysno: 43,
        fd: 6,
        address: inet(9, 5),
        exit: ok(7),
        ..Default::default()
    });
    assert_eq!(told.bytes("tuple"), [2, 10, 0, 0, 9, 5, 0, 10, 0, 0, 0, 22, 0]);
    // Where a socket was bound goes with it; another of its number was not.
    world.send(Close { sysno: 3, fd: 6, exit: ok(0), ..Default::default() });
    assert!(
        !world.one(Accept { sysno: 43, fd: 6, exit: ok(7), ..Default::default() }).is_told("tuple")
    );
}

fn raw(sysno: u64, args: &[u64], exit: Option<Exit>) -> Syscall {
    let arg = |n: usize| args.get(n).copied().unwrap_or(0);
    Syscall {
        sysno,
        arg1: arg(0),
        arg2: arg(1),
        arg3: arg(2),
        arg4: arg(3),
        arg5: arg(4),
        arg6: arg(5),
        exit,
        ..Default::default()
    }
}

#[test]
fn raw_calls_are_told_by_numbers_and_flags() {
    let mut world = World::started();
    let at_fdcwd = 4_294_967_196;
    // Paths could not be read.
    assert_eq!(world.line(raw(82, &[1, 2], ok(0))), "SYSCALL_RENAME_X res=0");
    assert_eq!(
        world.line(raw(263, &[at_fdcwd, 1, 0x200], failed(2))),
        "SYSCALL_UNLINKAT_2_X res=-2 dirfd=-100 flags=512"
    );
    assert_eq!(world.line(raw(90, &[1, 0o100_755], ok(0))), "SYSCALL_CHMOD_X res=0 mode=493");
    assert_eq!(
        world.line(raw(62, &[u64::from(u32::MAX), 9], ok(0))),
        "SYSCALL_KILL_X res=0 pid=-1 sig=9"
    );
    assert_eq!(
        world.line(raw(10, &[4096, 8192, 7], ok(0))),
        "SYSCALL_MPROTECT_X res=0 addr=4096 length=8192 prot=7"
    );
    assert_eq!(world.line(raw(101, &[16, 77], ok(0))), "SYSCALL_PTRACE_X res=0 request=11 pid=77");
    assert_eq!(
        world.line(raw(272, &[0x1000_0000], failed(1))),
        "SYSCALL_UNSHARE_X res=-1 flags=1048576"
    );
    assert_eq!(world.line(raw(50, &[3, 128], ok(0))), "SOCKET_LISTEN_X res=0 fd=3 backlog=128");
    assert_eq!(world.line(raw(44, &[3, 1, 100], ok(90))), "SOCKET_SENDTO_X res=90 fd=3 size=100");
    assert_eq!(world.line(raw(102, &[], ok(33))), "SYSCALL_GETUID_X uid=33");
    assert_eq!(
        world.line(raw(157, &[15, 0x7fff_0000], ok(0))),
        "SYSCALL_PRCTL_X res=0 option=15 arg2_int=0"
    );
    assert_eq!(world.line(raw(157, &[38, 1], ok(0))), "SYSCALL_PRCTL_X res=0 option=38 arg2_int=1");
    assert_eq!(world.line(raw(319, &[1, 1], ok(9))), "SYSCALL_MEMFD_CREATE_X fd=9 flags=1");
    // Those that have no event, or whose memory the tables would need, by name.
    assert_eq!(
        world.line(raw(24, &[], ok(0))),
        "GENERIC_X ID=24 nativeID=24".replace("ID=24 n", &format!("ID={} n", raw_id(24)))
    );
    assert_eq!(world.one(raw(126, &[], ok(0))).code, EventCode::GENERIC_X);
    assert_eq!(world.one(raw(59, &[], ok(0))).code, EventCode::GENERIC_X);
    assert_eq!(world.one(raw(231, &[3], ok(0))).int("nativeID"), 231);
    assert_eq!(world.line(raw(511, &[], ok(0))), "GENERIC_X ID=0 nativeID=511");
    assert!(world.send(raw(u64::MAX, &[], ok(0))).is_empty());
    // Nothing happens when they begin.
    assert!(world.send(raw(82, &[1, 2], None)).is_empty());
}

fn raw_id(number: u16) -> u16 {
    falco_event::Syscall::by_x86_64_number(number).unwrap().id
}

#[test]
fn raw_calls_keep_the_tables_right() {
    let mut world = World::started();
    world.context.cwd = b"/srv"[..].into();
    world.send(raw(24, &[], ok(0)));
    assert_eq!(world.line(raw(79, &[], ok(5))), "SYSCALL_GETCWD_X res=5 path=/srv");
    // Where an unnamed file was opened, its path tells later.
    world.send(raw(257, &[4_294_967_196], ok(5)));
    let read = Read { fd: 5, fd_path: PASSWD.into(), exit: ok(0), ..Default::default() };
    assert_eq!(
        world.lines(read.clone())[0],
        "(SYSCALL_OPEN_BY_HANDLE_AT_X fd=5 mountfd=-1 flags=0 path=/etc/passwd"
    );
    assert_eq!(world.lines(read.clone()).len(), 1);
    world.send(raw(436, &[5, 5, 0], ok(0)));
    assert_eq!(world.lines(read).len(), 2);
    // A process that a number of the container means.
    assert_eq!(world.one(raw(434, &[1, 0], ok(6))).id("pid"), 1);
    assert!(!world.one(raw(434, &[999, 0], ok(6))).is_told("pid"));
    // clone3 makes nothing; the Sentry tells of the thread.
    let told = world.one(raw(435, &[], ok(2)));
    assert_eq!(
        (told.code, told.int("res"), world.mapper.thread_count()),
        (EventCode::SYSCALL_CLONE3_X, 2, 1)
    );
    // A session that asks for a call twice gets it once.
    world.send(Close { sysno: 3, fd: 3, exit: ok(0), ..Default::default() });
    assert!(world.send(raw(3, &[3], ok(0))).is_empty());
}
