//! Recorded sessions, which are the truth where documents say otherwise.

use super::*;
use crate::replay::Recording;

/// The events of a recorded session; none if it is not there.
fn replay(name: &str) -> Option<(World, Vec<Told>)> {
    let path = format!(
        "{}/../../../shared/samples/gvisor-and-runtimes/trace/{name}.tracereplay",
        env!("CARGO_MANIFEST_DIR")
    );
    let Ok(file) = std::fs::read(&path) else {
        eprintln!("IGNORED: {path} is absent, so no recorded session is mapped");
        return None;
    };
    let recording = Recording::parse(&file).unwrap();
    let id = crate::message::decode(1, &recording.records[0][8..]).unwrap().unwrap();
    let mut world = World::new();
    world.mapper = Mapper::new(NUMBER, id.container_id(), 0, BEGIN);
    let mut all = Vec::new();
    for record in &recording.records {
        let (header, payload) = crate::wire::parse(record).unwrap();
        let message = crate::message::decode(header.kind, payload).unwrap().unwrap();
        assert!(!world.mapper.is_unannounced(&message), "{message:?}");
        world.now = message.context().map_or(0, |context| context.time_ns) as u64 + 1000;
        all.extend(world.send_as_it_is(&message));
    }
    Some((world, all))
}

/// What rules see, one line each with its thread.
fn seen(told: &[Told]) -> Vec<String> {
    let seen = told.iter().filter(|event| !event.is_state);
    seen.map(|event| format!("{} {}", event.tid, event.line())).collect()
}

fn assert_in_order(told: &[Told], expected: &[&str]) {
    let seen = seen(told);
    let mut rest = seen.iter();
    for line in expected {
        assert!(
            rest.any(|seen| seen == line),
            "{line}\nis not, or not there, in\n{}",
            seen.join("\n")
        );
    }
}

#[test]
fn two_containers_of_a_pod() {
    let Some((world, told)) = replay("pod2containers-runsc20221219") else { return };
    assert_in_order(
        &told,
        &[
            "3 SYSCALL_OPENAT_2_X fd=3 dirfd=-100 name=/etc/passwd flags=1 mode=0",
            "3 SYSCALL_CLOSE_X res=0 fd=3",
            "3 PROCEXIT_1_E status=0 ret=0 sig=0 core=0 reaper_tid=#2",
            "4 SYSCALL_READ_X res=30 fd=3 size=4096",
            "4 SYSCALL_WRITE_X res=24 fd=1 size=24",
            "1 PROCEXIT_1_E status=9 ret=0 sig=9 core=0 reaper_tid=-1",
        ],
    );
    let execs: Vec<_> =
        told.iter().filter(|event| event.code == EventCode::SYSCALL_EXECVE_19_X).collect();
    let shown: Vec<_> = execs
        .iter()
        .map(|exec| {
            (
                exec.tid,
                exec.text("exe"),
                exec.list("args"),
                exec.text("trusted_exepath"),
                exec.list("cgroups")[0],
            )
        })
        .collect();
    let script = "cat /etc/passwd; id; cat /etc/group; sleep 0.2";
    let (pod1, pod2) = ("gvisor_container_id=/pod1", "gvisor_container_id=/pod2");
    assert_eq!(
        shown,
        [
            (1, "/bin/sleep", vec!["30"], "/bin/sleep", pod1),
            (2, "/bin/sh", vec!["-c", script], "/bin/sh", pod2),
            (3, "cat", vec!["/etc/passwd"], "/bin/busybox", pod2),
            (5, "cat", vec!["/etc/group"], "/bin/busybox", pod2),
            (2, "sleep", vec!["0.2"], "/bin/busybox", pod2),
        ]
    );
    // Ids of the second container, as the calls of its processes tell them.
    let births = told
        .iter()
        .filter(|event| event.code == EventCode::SYSCALL_CLONE_20_X && event.int("res") == 0);
    let ids: Vec<_> =
        births.map(|event| (event.id("tid"), event.id("ptid"), event.int("vpid"))).collect();
    assert_eq!(ids, [(1, 0, 1), (2, 0, 1), (3, 2, 2), (4, 2, 3), (5, 2, 4)]);
    assert_eq!(world.mapper.containers().collect::<Vec<_>>(), [b"pod1", b"pod2"]);
    assert_eq!(world.mapper.thread_count(), 0);
    let stats = world.mapper.stats();
    assert_eq!(stats, MapperStats::default());
}

fn system_calls(name: &str) {
    let Some((world, told)) = replay(name) else { return };
    assert_in_order(
        &told,
        &[
            "1 SYSCALL_OPEN_X fd=-2 name=/nonexistent flags=1 mode=0",
            "1 SYSCALL_OPEN_X fd=3 name=/etc/passwd flags=1 mode=0",
            "1 SYSCALL_READV_X res=8 size=8 fd=3",
            "1 SYSCALL_CREAT_X fd=3 name=/tmp/f1 mode=416 creat_flags=0",
            "1 SYSCALL_OPENAT_2_X fd=4 dirfd=3 name=f2 flags=4103 mode=384",
            "1 SYSCALL_WRITE_X res=-9 fd=-1 size=1",
            "1 SYSCALL_FCNTL_X res=60 fd=4 cmd=26 arg=60",
            "1 SYSCALL_SIGNALFD4_X res=10 flags=4096 fd=-1 mask=512",
            "1 SOCKET_BIND_X res=0 addr=\\x02\\x7f\\x00\\x00\\x01\\x90\\x1f fd=16",
            "1 SOCKET_ACCEPT_5_X fd=19 tuple=\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\x00\\x00\\x01\\x90\\x1f \
         queuepct=0 queuelen=0 queuemax=0",
            "1 SOCKET_CONNECT_X res=-111 fd=20 addr=\\x02\\x7f\\x00\\x00\\x01\\x01\\x00",
            "1 SOCKET_BIND_X res=0 addr=\\x01abs\\x00 fd=22",
            "1 SYSCALL_CHDIR_X res=-2 path=/nope",
            "2 PROCEXIT_1_E status=768 ret=3 sig=0 core=0 reaper_tid=#1",
            "3 PROCEXIT_1_E status=9 ret=0 sig=9 core=0 reaper_tid=#1",
            "8 SYSCALL_SETSID_X res=8",
            "8 SYSCALL_SETRESUID_X res=-1 ruid=1 euid=2 suid=3",
        ],
    );
    let of = |code| told.iter().filter(move |event| event.code == code);
    // fork is no vfork.
    assert_eq!(of(EventCode::SYSCALL_VFORK_20_X).count(), 1);
    assert!(of(EventCode::SYSCALL_FORK_20_X).count() >= 6);
    let execs: Vec<_> = of(EventCode::SYSCALL_EXECVE_19_X)
        .map(|exec| (exec.int("res"), exec.text("exe")))
        .collect();
    assert_eq!(execs, [(0, "/bin/sysx"), (0, "sysx"), (0, "sysx"), (-2, "nope")]);
    // Whoever is born ends.
    let births = of(EventCode::SYSCALL_CLONE_20_X).filter(|event| event.int("res") == 0).count();
    assert_eq!(births, of(EventCode::PROCEXIT_1_E).count());
    assert_eq!(world.mapper.thread_count(), 0);
    assert_eq!(world.mapper.stats(), MapperStats::default());
}

#[test]
fn system_calls_of_2022() {
    system_calls("sysx-runsc20221219-ptrace");
}

#[test]
fn system_calls_of_2024() {
    system_calls("sysx-runsc20240729-systrap");
}
