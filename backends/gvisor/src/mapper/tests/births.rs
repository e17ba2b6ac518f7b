//! Containers, threads and processes, and dumps of them.

use super::*;
use crate::runsc::Process;
use crate::runsc::process::{Fd, Ids};
use proto::{CloneInfo, ExitNotifyParentInfo, Fork, Start, TaskExit};

/// As Falco's: a thread of its process, all of it shared.
const THREAD_FLAGS: u64 = 0x3d0f00;
const THREAD: i64 = 1 << 13;

fn credentials(uid: u32) -> Option<Credentials> {
    Some(Credentials {
        real_uid: uid,
        effective_uid: uid,
        saved_uid: uid,
        real_gid: uid,
        effective_gid: uid,
        saved_gid: uid,
    })
}

fn codes(told: &[Told]) -> Vec<(EventCode, bool)> {
    told.iter().map(|event| (event.code, event.is_state)).collect()
}

fn close() -> proto::Close {
    proto::Close { sysno: 3, fd: 3, exit: ok(0), ..Default::default() }
}

#[test]
fn a_container_begins_with_a_process_and_its_program() {
    let mut world = World::new();
    world.context.credentials = credentials(1000);
    let told = world.send(Start {
        id: b"7ab"[..].into(),
        cwd: b"/home"[..].into(),
        args: ["/bin/sh", "-c", "id"].map(|arg| arg.into()).to_vec(),
        env: ["A=1", "B=2"].map(|variable| variable.into()).to_vec(),
        terminal: true,
        ..Default::default()
    });
    let expected = [
        (EventCode::SYSCALL_CLONE_20_X, false),
        (EventCode::SYSCALL_CHDIR_X, true),
        (EventCode::SYSCALL_SETSID_X, true),
        (EventCode::SYSCALL_EXECVE_19_X, false),
    ];
    assert_eq!(codes(&told), expected);
    let [clone, chdir, setsid, exec] = &told[..] else { panic!() };
    assert!(told.iter().all(|event| event.tid == 1 && event.ts == BEGIN + 1_000_000));
    assert_eq!(
        (clone.int("res"), clone.id("tid"), clone.id("pid"), clone.id("ptid")),
        (0, 1, 1, 0)
    );
    assert_eq!((clone.int("vtid"), clone.int("vpid"), clone.int("uid")), (1, 1, 1000));
    assert_eq!(clone.list("cgroups"), ["gvisor_container_id=/7ab"]);
    assert_eq!((chdir.text("path"), setsid.int("res")), ("/home", 1));
    assert_eq!(
        (exec.text("exe"), exec.text("comm"), exec.list("args")),
        ("/bin/sh", "sh", vec!["-c", "id"])
    );
    assert_eq!((exec.list("env"), exec.text("trusted_exepath")), (vec!["A=1", "B=2"], "/bin/sh"));
    assert_eq!((exec.int("tty"), exec.int("uid"), exec.int("gid")), (34816, 1000, 1000));
    assert_eq!((exec.id("pgid"), exec.int("vpgid")), (1, 1));
    // What gVisor does not tell is not made up.
    for unknown in ["cap_effective", "loginuid", "exe_ino", "flags", "vm_size", "fdlimit", "cwd"] {
        assert!(!exec.is_told(unknown), "{unknown}");
    }
    // Its program is named, not found.
    assert!(world.mapper.wants_processes());
    assert_eq!(world.mapper.containers().collect::<Vec<_>>(), [b"7ab"]);
}

#[test]
fn a_pod_has_containers_with_ids_of_their_own() {
    let mut world = World::started();
    world.be(2, 2);
    world.context.container_id = Bytes::from_static(b"web");
    let told = world.send(Start {
        id: b"web"[..].into(),
        args: vec![b"nginx"[..].into()],
        ..Default::default()
    });
    assert_eq!((told[0].id("tid"), told[0].int("vtid"), told[0].int("vpid")), (2, 1, 1));
    assert_eq!(told[0].list("cgroups"), ["gvisor_container_id=/web"]);
    // Named by PATH: where it is, is not known.
    let exec = told.last().unwrap();
    assert!(!exec.is_told("trusted_exepath"));
    assert_eq!(exec.text("filename"), "nginx");

    let child = world.fork(3).remove(0);
    assert_eq!(
        (child.id("tid"), child.id("ptid"), child.int("vtid"), child.int("vpid")),
        (3, 2, 2, 2)
    );
    assert_eq!(child.list("cgroups"), ["gvisor_container_id=/web"]);
    // What the call of its parent says of its id counts for those after it.
    world.be(2, 2);
    let caller = world.one(Fork { sysno: 57, exit: ok(7), ..Default::default() });
    assert_eq!((caller.code, caller.int("res"), caller.tid), (EventCode::SYSCALL_FORK_20_X, 7, 2));
    assert_eq!(world.fork(4).remove(0).int("vpid"), 8);
    // In the first container ids are the sandbox's.
    world.be(1, 1);
    world.context.container_id = Bytes::from_static(b"7ab");
    assert_eq!(world.fork(5).remove(0).int("vpid"), 5);
    assert_eq!(world.mapper.containers().collect::<Vec<_>>(), [&b"7ab"[..], b"web"]);
}

#[test]
fn threads_are_made_by_the_sentry_alone() {
    let mut world = World::started();
    world.context.credentials = credentials(7);
    let told = world.send(CloneInfo {
        created_thread_id: 9,
        created_thread_group_id: 1,
        created_thread_start_time_ns: 5,
        flags: THREAD_FLAGS,
        ..Default::default()
    });
    let thread = told.last().unwrap();
    assert_eq!((thread.tid, thread.id("tid"), thread.id("pid"), thread.id("ptid")), (9, 9, 1, 0));
    assert_eq!(thread.int("flags") & THREAD, THREAD);
    assert_eq!((thread.text("exe"), thread.int("uid")), ("/bin/sh", 7));
    // The caller's own event makes nothing: its result is an id of the container.
    let caller = world.line(proto::Clone {
        sysno: 56,
        flags: THREAD_FLAGS,
        exit: ok(9),
        ..Default::default()
    });
    assert!(
        caller.starts_with("SYSCALL_CLONE_20_X res=9 exe=/bin/sh args=-c\\x00 tid=#1 pid=#1"),
        "{caller}"
    );
    assert_eq!(world.mapper.thread_count(), 2);
    let failed = world.one(proto::Clone { sysno: 56, exit: failed(11), ..Default::default() });
    assert_eq!((failed.int("res"), failed.text("exe")), (-11, ""));
    let vfork = world.one(Fork { sysno: 58, exit: ok(4), ..Default::default() });
    assert_eq!(vfork.code, EventCode::SYSCALL_VFORK_20_X);
    // A flag that does not fit the ids is not believed.
    let told = world.send(CloneInfo {
        created_thread_id: 11,
        created_thread_group_id: 11,
        flags: THREAD_FLAGS,
        ..Default::default()
    });
    assert_eq!(told.last().unwrap().int("flags") & THREAD, 0);
}

#[test]
fn threads_and_processes_end() {
    let mut world = World::started();
    world.send(CloneInfo {
        created_thread_id: 2,
        created_thread_group_id: 1,
        ..Default::default()
    });
    world.fork(3);
    // A child of the first process, with exit code 3.
    let exit = world.one(TaskExit { exit_status: 768, ..Default::default() });
    assert_eq!(
        (exit.tid, exit.int("status"), exit.int("ret"), exit.int("sig"), exit.int("core")),
        (3, 768, 3, 0, 0)
    );
    assert_eq!(exit.id("reaper_tid"), 1);
    assert!(world.send(ExitNotifyParentInfo { exit_status: 768, ..Default::default() }).is_empty());
    // Late messages of the dead are no strangers'.
    assert!(world.send(close()).is_empty());
    assert!(!world.mapper.is_unannounced(&Message::from(close())));
    world.be(2, 1);
    assert_eq!(
        world.line(TaskExit::default()),
        "PROCEXIT_1_E status=0 ret=0 sig=0 core=0 reaper_tid=0"
    );
    // The end of a process is the end of all its threads, if theirs were not told.
    world.be(1, 1);
    world.send(CloneInfo {
        created_thread_id: 4,
        created_thread_group_id: 1,
        ..Default::default()
    });
    let told = world.send(ExitNotifyParentInfo { exit_status: 9 | 128, ..Default::default() });
    assert_eq!(told.iter().map(|event| event.tid).collect::<Vec<_>>(), [4, 1]);
    assert_eq!((told[1].int("sig"), told[1].int("core"), told[1].int("reaper_tid")), (9, 1, -1));
    assert_eq!(world.mapper.thread_count(), 0);
}

#[test]
fn the_end_of_a_sandbox_ends_its_threads() {
    let mut world = World::started();
    world.fork(2);
    world.send(CloneInfo {
        created_thread_id: 3,
        created_thread_group_id: 2,
        ..Default::default()
    });
    let now = world.now;
    world.mapper.close(now, &mut world.events);
    let told = world.taken();
    // Threads first, and who stands for the maker of the first process last.
    assert_eq!(told.iter().map(|event| event.tid).collect::<Vec<_>>(), [3, 1, 2, 0]);
    assert!(told.iter().all(|event| event.is_state && event.code == EventCode::PROCEXIT_1_E));
    assert_eq!(world.mapper.thread_count(), 0);
}

#[test]
fn an_id_that_is_given_again_is_another_thread() {
    let mut world = World::started();
    world.fork(2);
    world.context.thread_start_time_ns += 100;
    let told = world.send(close());
    assert_eq!((told[0].code, told[0].is_state, told[0].tid), (EventCode::PROCEXIT_1_E, true, 2));
    assert_eq!(told.last().unwrap().code, EventCode::SYSCALL_CLOSE_X);
    assert!(told.iter().any(|event| event.code == EventCode::SYSCALL_CLONE_20_X));
}

#[test]
fn an_exec_session_without_a_dump_is_told_from_its_messages() {
    let mut world = World::started();
    world.be(5, 5);
    world.context.process_name = b"bash"[..].into();
    world.context.cwd = b"/root"[..].into();
    world.context.credentials = credentials(33);
    assert!(world.mapper.is_unannounced(&{
        let mut message = Message::from(close());
        set_context(&mut message, world.context.clone());
        message
    }));
    let told = world.send(close());
    let expected = [
        (EventCode::SYSCALL_CLONE_20_X, false),
        (EventCode::SYSCALL_CHDIR_X, true),
        (EventCode::SYSCALL_SETSID_X, true),
        (EventCode::SYSCALL_EXECVE_19_X, false),
        (EventCode::SYSCALL_CLOSE_X, false),
    ];
    assert_eq!(codes(&told), expected);
    let exec = &told[3];
    assert_eq!((exec.text("comm"), exec.text("exe"), exec.int("uid")), ("bash", "bash", 33));
    assert!(world.mapper.wants_processes());
    assert_eq!(world.mapper.stats().strangers, 1);

    // A dump that comes later completes it, for the tables alone.
    let dump = Process {
        args: vec!["bash".into(), "-i".into()],
        exe: "/bin/bash".into(),
        ..process(5, 0)
    };
    let now = world.now;
    world.mapper.processes(&[dump], now, &mut world.events);
    let told = world.taken();
    assert!(told.iter().all(|event| event.is_state));
    let exec = told.iter().find(|event| event.code == EventCode::SYSCALL_EXECVE_19_X).unwrap();
    assert_eq!((exec.list("args"), exec.text("trusted_exepath")), (vec!["-i"], "/bin/bash"));
    assert!(!world.mapper.wants_processes());
}

fn process(pid: i32, ppid: i32) -> Process {
    Process {
        pid,
        ppid,
        comm: "sh".into(),
        exe: "/bin/sh".into(),
        args: vec!["sh".into()],
        cwd: "/".into(),
        root: "/".into(),
        started_ns: BEGIN as i64 + 5,
        pgid: pid,
        sid: pid,
        fd_limit: 1024,
        ..Process::default()
    }
}

#[test]
fn an_exec_session_is_told_from_a_dump() {
    let mut world = World::started();
    world.be(5, 5);
    let mut message = Message::from(close());
    set_context(&mut message, world.context.clone());
    assert!(world.mapper.is_unannounced(&message));
    let fd = |number, path: &str, mode| Fd { number, path: path.into(), mode };
    let session = Process {
        comm: "bash".into(),
        exe: "/bin/bash".into(),
        args: vec!["bash".into(), "-i".into()],
        env: vec!["HOME=/root".into()],
        cwd: "/root".into(),
        uid: Ids { real: 1000, effective: 0, saved: 0 },
        fds: vec![
            fd(0, "/dev/pts/0", 0o020_620),
            fd(1, "pipe:[7]", 0o010_600),
            fd(2, "socket:[9]", 0o140_777),
            fd(3, "/etc/passwd", 0o100_644),
        ],
        ..process(5, 0)
    };
    // A process that the dump shows, too, whose birth is still to be read.
    let young = process(6, 1);
    let now = world.now;
    world.mapper.processes(&[young, session], now, &mut world.events);
    let told = world.taken();
    assert!(told.iter().all(|event| event.tid == 5));
    let seen: Vec<_> = told.iter().filter(|event| !event.is_state).collect();
    assert_eq!(
        seen.iter().map(|event| event.code).collect::<Vec<_>>(),
        [EventCode::SYSCALL_CLONE_20_X, EventCode::SYSCALL_EXECVE_19_X]
    );
    let exec = seen[1];
    assert_eq!(
        (exec.text("exe"), exec.list("args"), exec.text("comm")),
        ("bash", vec!["-i"], "bash")
    );
    assert_eq!((exec.text("trusted_exepath"), exec.list("env")), ("/bin/bash", vec!["HOME=/root"]));
    assert_eq!(
        (exec.int("tty"), exec.int("uid"), exec.int("fdlimit"), exec.int("vpgid")),
        (34816, 0, 1024, 5)
    );
    let state: Vec<String> = told.iter().filter(|event| event.is_state).map(Told::line).collect();
    assert_eq!(
        state,
        [
            "(SYSCALL_CHDIR_X res=0 path=/root",
            "(SYSCALL_SETSID_X res=5",
            "(SYSCALL_SETRESUID_X res=0 ruid=1000 euid=0 suid=0",
            "(SYSCALL_SETRESGID_X res=0 rgid=0 egid=0 sgid=0",
            "(SYSCALL_OPEN_BY_HANDLE_AT_X fd=0 mountfd=-1 flags=0 path=/dev/pts/0",
            "(SYSCALL_PIPE_X res=0 fd1=1 fd2=1 ino=7",
            "(SYSCALL_OPEN_BY_HANDLE_AT_X fd=3 mountfd=-1 flags=0 path=/etc/passwd",
        ]
    );
    // Its message is nothing special then.
    assert!(!world.mapper.is_unannounced(&message));
    assert_eq!(codes(&world.send(close())), [(EventCode::SYSCALL_CLOSE_X, false)]);
}

#[test]
fn what_ran_before_we_looked_is_no_news_to_rules() {
    let mut world = World::new();
    let old = |pid, ppid| Process {
        started_ns: BEGIN as i64 - 1000 + i64::from(pid),
        ..process(pid, ppid)
    };
    let mut chrooted = old(4, 1);
    chrooted.root = "/jail".into();
    let now = world.now;
    // Children come before their parents in a dump.
    world.mapper.processes(&[chrooted, old(2, 1), old(1, 0)], now, &mut world.events);
    let told = world.taken();
    assert!(told.iter().all(|event| event.is_state));
    let births = told.iter().filter(|event| event.code == EventCode::SYSCALL_CLONE_20_X);
    assert_eq!(
        births.map(|event| (event.id("tid"), event.id("ptid"))).collect::<Vec<_>>(),
        [(1, 0), (2, 1), (4, 1)]
    );
    assert!(told.iter().any(|event| event.line() == "(SYSCALL_CHROOT_X res=0 path=/jail"));
    assert_eq!(world.mapper.thread_count(), 3);
    assert_eq!(world.mapper.stats().strangers, 0);

    // Threads that are no leaders are not in a dump.
    world.be(9, 2);
    let told = world.send(close());
    assert_eq!(
        codes(&told),
        [(EventCode::SYSCALL_CLONE_20_X, true), (EventCode::SYSCALL_CLOSE_X, false)]
    );
    assert_eq!(
        (told[0].id("tid"), told[0].id("pid"), told[0].int("flags") & THREAD),
        (9, 2, THREAD)
    );
    // A birth that the dump has told of already is news all the same, once.
    world.be(1, 1);
    let told = world.send(CloneInfo {
        created_thread_id: 2,
        created_thread_group_id: 2,
        created_thread_start_time_ns: BEGIN as i64 - 998,
        ..Default::default()
    });
    assert_eq!(codes(&told), [(EventCode::SYSCALL_CLONE_20_X, false)]);
    assert_eq!(world.mapper.thread_count(), 4);
}

#[test]
fn attached_without_a_dump_only_the_new_is_news() {
    let mut world = World::new();
    world.be(3, 3);
    world.context.thread_group_start_time_ns = BEGIN as i64 - 1;
    assert!(
        codes(&world.send(close()))
            .iter()
            .all(|&(code, is_state)| is_state == (code != EventCode::SYSCALL_CLOSE_X))
    );
    world.be(4, 4);
    world.context.is_exec_session = true;
    assert!(codes(&world.send(close())).contains(&(EventCode::SYSCALL_EXECVE_19_X, false)));
    // A child whose birth was lost: newer sandboxes name its parent.
    world.be(6, 6);
    world.context.is_exec_session = false;
    world.context.thread_group_start_time_ns = BEGIN as i64 + 1;
    world.context.parent_thread_group_id = 3;
    let told = world.send(close());
    assert!(!codes(&told).contains(&(EventCode::SYSCALL_EXECVE_19_X, false)));
    assert_eq!(told[0].id("ptid"), 3);
}

#[test]
fn where_a_process_is_and_who_it_is_follows_its_messages() {
    let mut world = World::started();
    world.context.cwd = b"/srv"[..].into();
    world.context.credentials = credentials(0);
    let told = world.lines(close());
    assert_eq!(told[0], "(SYSCALL_CHDIR_X res=0 path=/srv");
    assert_eq!(
        told[1..3],
        [
            "(SYSCALL_SETRESUID_X res=0 ruid=0 euid=0 suid=0",
            "(SYSCALL_SETRESGID_X res=0 rgid=0 egid=0 sgid=0"
        ]
    );
    // Once.
    assert_eq!(world.lines(close()).len(), 1);
    world.context.credentials.as_mut().unwrap().effective_uid = 5;
    assert_eq!(world.lines(close())[0], "(SYSCALL_SETRESUID_X res=0 ruid=0 euid=5 suid=0");
    world.context.container_id = Bytes::from_static(b"other");
    let told = world.send(close());
    assert_eq!((told[0].code, told[0].is_state), (EventCode::SYSCALL_EXECVE_19_X, true));
    assert_eq!(
        (told[0].list("cgroups"), told[0].list("args")),
        (vec!["gvisor_container_id=/other"], vec!["-c"])
    );
}

#[test]
fn threads_are_bounded_and_the_silent_go() {
    let mut world = World::started();
    for tid in 2..40_000 {
        world.send(CloneInfo {
            created_thread_id: tid,
            created_thread_group_id: tid,
            ..Default::default()
        });
        assert!(world.mapper.thread_count() <= tables::MAX_THREADS);
    }
    // Whoever sends messages stays.
    assert!(world.mapper.tables.threads.contains_key(&1));
    assert!(world.mapper.stats().evicted > 7000);
    assert!(world.mapper.tables.processes.len() <= tables::MAX_THREADS);
}

#[test]
fn sandboxes_are_numbered_as_falco_does() {
    let free = |_| false;
    assert_eq!(sandbox_number(b"7951fb549ab99e0722a9", free), 0x0795_1fb5);
    assert_eq!(sandbox_number(b"7ab", free), 0x7ab);
    assert_eq!(sandbox_number(b"pod1", free), u32::from_be_bytes(*b"pod1"));
    assert_eq!(sandbox_number(b"x", free), u32::from_be_bytes(*b"x000"));
    assert_eq!(sandbox_number(b"0000000000", free), 1);
    assert_eq!(sandbox_number(b"7ab", |number| number < 0x7ad), 0x7ad);
    assert_eq!(sandbox_number(b"7fffffff", |number| number == 0x7fff_ffff), 1);
    for hostile in [&b""[..], b"ffffffff", &[0xff; 300], b"+123456", "héllo".as_bytes()] {
        let number = sandbox_number(hostile, free);
        assert!(number > 0 && number <= 0x7fff_ffff, "{hostile:?}");
    }
}

#[test]
fn times_are_of_the_last_minute() {
    let mut world = World::started();
    world.mapper.floor_ns = world.now - 10_000_000;
    let mut at = |time_ns| {
        let mut message = Message::from(close());
        set_context(&mut message, ContextData { time_ns, thread_id: 1, ..ContextData::default() });
        world.send_as_it_is(&message)[0].ts
    };
    let (now, floor) = (BEGIN + 1_000_000, BEGIN - 9_000_000);
    assert_eq!(at(now as i64 - 500), now - 500);
    assert_eq!(at(0), now);
    assert_eq!(at(now as i64 + 5), now);
    assert_eq!(at(i64::MAX), now);
    assert_eq!(at(-5), now);
    assert_eq!(at(1), floor);
}

#[test]
fn messages_that_say_nothing_of_who_are_counted() {
    let mut world = World::started();
    assert!(world.send_as_it_is(&Message::from(close())).is_empty());
    let mut message = Message::from(close());
    set_context(&mut message, ContextData { thread_id: -4, ..ContextData::default() });
    assert!(world.send_as_it_is(&message).is_empty());
    assert_eq!(world.mapper.stats().unattributed, 2);
}
