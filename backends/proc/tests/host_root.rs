//! A root that is no root: what a container, or a test, mounts as `HOST_ROOT`, with whatever a
//! hostile process could write into its own files.

#![allow(clippy::unwrap_used)] // a panic is a test's report

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use falco_proc::{Limits, Proc, ProcError};
use falco_source::Snapshot;
use falco_source::lookup::ThreadLookup;
use falco_source::snapshot::FdKind;

const STAT: &str = "S 1 20 30 34816 -1 4194304 120 5 7 0 0 0 0 0 20 0 1 0 100 3133440 382";
const STATUS: &str = "Name:\tx\nTgid:\tPID\nPPid:\t1\nUid:\t0\t7\t0\t7\nGid:\t0\t8\t0\t8\nGroups:\t\n\
    NStgid:\tPID\nNSpid:\tPID\nNSpgid:\t20\nVmSize:\t10 kB\nVmRSS:\t5 kB\nVmSwap:\t1 kB\n\
    CapInh:\t0\nCapPrm:\t1ff\nCapEff:\t0\n";

struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("proc/sys/kernel")).unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        Root(dir)
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.0.path().join(below)
    }

    fn process(&self, pid: u32, comm: &[u8], cmdline: &[u8]) -> std::path::PathBuf {
        let dir = self.path(&format!("proc/{pid}"));
        fs::create_dir_all(dir.join("fd")).unwrap();
        let stat = [format!("{pid} (").as_bytes(), comm, b") ", STAT.as_bytes(), b"\n"].concat();
        fs::write(dir.join("stat"), stat).unwrap();
        fs::write(dir.join("status"), STATUS.replace("PID", &pid.to_string())).unwrap();
        fs::write(dir.join("cmdline"), cmdline).unwrap();
        fs::write(dir.join("environ"), b"A=1\0B=\xff\0").unwrap();
        fs::write(dir.join("cgroup"), "2:cpu,cpuacct:/x\n").unwrap();
        fs::write(dir.join("loginuid"), "1000\n").unwrap();
        fs::write(dir.join("limits"), "Max open files   1024    4096   files\n").unwrap();
        symlink("/nowhere/program", dir.join("exe")).unwrap();
        symlink("/work dir", dir.join("cwd")).unwrap();
        symlink("/", dir.join("root")).unwrap();
        dir
    }

    fn snapshot(&self) -> Snapshot {
        Proc::new(self.0.path()).snapshot().unwrap()
    }
}

#[test]
fn a_host_is_read_below_its_root() {
    let root = Root::new();
    fs::write(root.path("etc/passwd"), "alice:x:7:8::/home/alice:/bin/sh\n").unwrap();
    fs::write(root.path("etc/group"), "staff:x:8:alice\n").unwrap();
    fs::write(root.path("proc/sys/kernel/pid_max"), "4194304\n").unwrap();
    let dir = root.process(42, b"prog", b"prog\0-a\0\0b c\0");
    symlink("/dev/some\nfile", dir.join("fd/3")).unwrap();
    symlink("pipe:[77]", dir.join("fd/0")).unwrap();
    symlink("socket:[78]", dir.join("fd/1")).unwrap();

    let snapshot = root.snapshot();
    assert_eq!(snapshot.machine.as_ref().unwrap().max_pid, 4_194_304);
    assert_eq!((snapshot.users[0].uid, &*snapshot.users[0].name), (7, &b"alice"[..]));
    assert_eq!((snapshot.groups[0].gid, &*snapshot.groups[0].name), (8, &b"staff"[..]));
    let [thread] = snapshot.threads.as_slice() else { panic!("{:?}", snapshot.threads) };
    assert_eq!((thread.tid, thread.pid, thread.ptid), (42, 42, 1));
    assert_eq!((thread.pgid, thread.vpgid, thread.sid, thread.tty), (20, 20, 30, 34816));
    assert_eq!((thread.vtid, thread.vpid), (42, 42));
    assert_eq!((&*thread.comm, &*thread.exe), (&b"prog"[..], &b"prog"[..]));
    assert_eq!(thread.args, b"-a\0\0b c\0");
    assert_eq!(thread.env, b"A=1\0B=\xff\0");
    assert_eq!(thread.exepath, b"/nowhere/program");
    assert_eq!((&*thread.cwd, &*thread.root), (&b"/work dir"[..], &b"/"[..]));
    assert_eq!(thread.cgroups, b"cpu=/x\0cpuacct=/x\0");
    assert_eq!((thread.uid, thread.gid, thread.loginuid), (7, 8, 1000));
    assert_eq!(thread.ruid_suid, Some((0, 0)));
    assert_eq!((thread.fdlimit, thread.flags), (1024, 0));
    assert_eq!((thread.vmsize_kb, thread.vmrss_kb, thread.vmswap_kb), (10, 5, 1));
    assert_eq!((thread.pfminor, thread.pfmajor), (120, 7));
    assert_eq!((thread.cap_permitted, thread.cap_effective), (0x1ff, 0));
    // One second after boot.
    assert_eq!(thread.clone_ts, snapshot.machine.unwrap().boot_ts + 1_000_000_000);
    // The pipe is known by its name alone; the socket has no table, the file does not exist.
    let [(42, fds)] = snapshot.fds.as_slice() else { panic!("{:?}", snapshot.fds) };
    assert_eq!(fds.len(), 1);
    assert_eq!((fds[0].num, fds[0].ino), (0, 77));
    assert!(matches!(&fds[0].kind, FdKind::Named { scap_type: 7, name } if name == b"pipe:[77]"));
}

#[test]
fn sockets_are_found_in_the_tables_of_their_process() {
    let root = Root::new();
    let dir = root.process(42, b"prog", b"prog\0");
    fs::create_dir_all(dir.join("net")).unwrap();
    fs::create_dir_all(dir.join("ns")).unwrap();
    symlink("net:[5]", dir.join("ns/net")).unwrap();
    let forged = "/run/x\n0000000000000000: 00000002 00000000 00010000 0001 01 12 /forged";
    let unix = format!(
        "Num RefCount Protocol Flags Type St Inode Path\n\
         0000000000000000: 00000002 00000000 00010000 0001 01 11 {forged}\n\
         0000000000000000: 00000002 00000000 00010000 0001 01 12 /true\n\
         0000000000000000: 00000002 00000000 00010000 0001 01 13 @abstract\n"
    );
    fs::write(dir.join("net/unix"), unix).unwrap();
    let tcp = "  sl  local_address rem_address\n   \
        0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 14 1\n   \
        1: 0100007F:0016 0200007F:1F90 01 00000000:00000000 00:00000000 00000000 0 0 15 1\n";
    fs::write(dir.join("net/tcp"), tcp).unwrap();
    for (num, inode) in [(3, 11), (4, 12), (5, 13), (6, 14), (7, 15), (8, 16)] {
        symlink(format!("socket:[{inode}]"), dir.join(format!("fd/{num}"))).unwrap();
    }
    let mut proc = Proc::new(root.0.path());
    let snapshot = proc.snapshot().unwrap();
    let kind = |num| {
        let fd = snapshot.fds[0].1.iter().find(|fd| fd.num == num);
        fd.map(|fd| format!("{:?}", fd.kind))
    };
    let unix =
        |name: &str| Some(format!("{:?}", FdKind::Unix { src: 0, dst: 0, name: name.into() }));
    assert_eq!(kind(3), unix("/run/x"));
    assert_eq!(kind(4), unix(""), "two lines claim it");
    assert_eq!(kind(5), unix("abstract"));
    assert!(kind(6).unwrap().starts_with("InetServer"), "{:?}", kind(6));
    assert!(kind(7).unwrap().starts_with("Inet {"), "{:?}", kind(7));
    assert_eq!(kind(8), None);
    assert_eq!(proc.counters().unknown_sockets, 1);
}

#[test]
fn hostile_processes_are_told_as_they_are() {
    let root = Root::new();
    root.process(10, b"a) R 1 (\\n\\\\", b"x\0");
    root.process(11, &[0xff, b'(', 0x80], &[b"\xff\xfe\0".to_vec(), vec![b'A'; 1 << 20]].concat());
    root.process(12, b"title", b"daemon: no arguments, just a title");
    root.process(13, b"", b"\0\0\0");
    let odd = root.process(14, b"odd", b"odd\0");
    fs::write(odd.join("status"), b"\xff\xff\xffTgid: x").unwrap();
    let bare = root.process(15, b"bare", b"bare\0");
    for file in ["environ", "cgroup", "loginuid", "limits", "cwd", "root", "exe"] {
        fs::remove_file(bare.join(file)).unwrap();
    }
    fs::remove_dir(bare.join("fd")).unwrap();
    fs::create_dir_all(root.path("proc/16")).unwrap();
    fs::create_dir_all(root.path("proc/99999999999999999999999")).unwrap();
    fs::create_dir_all(root.path("proc/-5")).unwrap();
    fs::write(root.path("proc/17"), "no directory").unwrap();

    let snapshot = root.snapshot();
    let ids: Vec<i64> = snapshot.threads.iter().map(|thread| thread.tid).collect();
    assert_eq!(ids, [10, 11, 12, 13, 15]);
    let thread = |tid| snapshot.threads.iter().find(|thread| thread.tid == tid).unwrap();
    assert_eq!(thread(10).comm, b"a) R 1 (\n\\");
    assert_eq!(thread(10).ptid, 1);
    assert_eq!(thread(11).comm, [0xff, b'(', 0x80]);
    assert_eq!(thread(11).exe, b"\xff\xfe");
    assert_eq!(thread(11).args.len(), 4096 - 3);
    assert!(thread(11).args.ends_with(b"A\0"));
    assert_eq!(thread(12).exe, b"daemon: no arguments, just a title");
    assert_eq!(thread(12).args, b"");
    assert_eq!((thread(13).exe.as_slice(), thread(13).args.as_slice()), (&b""[..], &b"\0\0"[..]));
    assert_eq!((thread(15).loginuid, thread(15).fdlimit), (u32::MAX, u64::MAX));
    assert_eq!(thread(15).cgroups, b"");
}

#[test]
fn kernel_threads_and_the_dead_are_left_out() {
    let root = Root::new();
    let kernel = root.process(2, b"kthreadd", b"");
    fs::write(kernel.join("stat"), format!("2 (k) {}", STAT.replace("4194304", "2129984")))
        .unwrap();
    let zombie = root.process(20, b"zombie", b"");
    fs::remove_file(zombie.join("exe")).unwrap();
    // The first thread has ended, another one lives.
    let first = root.process(21, b"first", b"");
    fs::remove_file(first.join("exe")).unwrap();
    let stat = STAT.replace("20 0 1 0 100", "20 0 2 0 100");
    fs::write(first.join("stat"), format!("21 (first) {stat}")).unwrap();
    for tid in [21, 22] {
        let task = first.join(format!("task/{tid}"));
        fs::create_dir_all(&task).unwrap();
        fs::write(task.join("stat"), format!("{tid} (other) {stat}")).unwrap();
        let status = STATUS.replace("NSpid:\tPID", &format!("NSpid:\t{tid}")).replace("PID", "21");
        fs::write(task.join("status"), status).unwrap();
    }
    let snapshot = root.snapshot();
    let ids: Vec<_> = snapshot.threads.iter().map(|t| (t.tid, t.pid, t.flags)).collect();
    assert_eq!(ids, [(21, 21, 0), (22, 21, 0x2001)]);
    assert_eq!(snapshot.threads[1].comm, b"other");
    assert_eq!(snapshot.threads[1].vtid, 22);
    assert_eq!(snapshot.fds.iter().map(|(tid, _)| *tid).collect::<Vec<_>>(), [21]);
    let mut proc = Proc::new(root.0.path());
    assert_eq!((proc.thread(2), proc.thread(20)), (None, None));
}

#[test]
fn limits_cut_and_count() {
    let root = Root::new();
    for pid in [30, 31] {
        let dir = root.process(pid, b"many", b"many\0");
        for num in 0..10 {
            symlink("pipe:[77]", dir.join(format!("fd/{num}"))).unwrap();
        }
    }
    let mut limits = Limits::default();
    (limits.fds_per_process, limits.fds) = (8, 12);
    let mut proc = Proc::with_limits(root.0.path(), limits);
    let snapshot = proc.snapshot().unwrap();
    assert_eq!(snapshot.fds.iter().map(|(_, fds)| fds.len()).collect::<Vec<_>>(), [8, 4]);
    assert_eq!((proc.counters().fds, proc.counters().cut), (12, 2));
    // What a snapshot used up does not keep look-ups from reading fds.
    assert_eq!(proc.thread(31).unwrap().fds.len(), 8);
}

#[test]
fn look_ups_are_refused_when_there_are_too_many() {
    let root = Root::new();
    root.process(40, b"a", b"a\0");
    let mut limits = Limits::default();
    limits.lookups = 3;
    let mut proc = Proc::with_limits(root.0.path(), limits);
    let found = (0..5).filter(|_| proc.thread(40).is_some()).count();
    assert_eq!(found, 3);
    assert_eq!((proc.counters().lookups, proc.counters().lookups_refused), (3, 2));
}

#[test]
fn several_workers_find_the_same() {
    let root = Root::new();
    for pid in 1..200 {
        let dir = root.process(pid, b"p", format!("p\0{pid}\0").as_bytes());
        symlink(format!("pipe:[{pid}]"), dir.join("fd/0")).unwrap();
    }
    let one = root.snapshot();
    let mut limits = Limits::default();
    limits.workers = 3;
    let mut proc = Proc::with_limits(root.0.path(), limits);
    let three = proc.snapshot().unwrap();
    let ids = |snapshot: &Snapshot| snapshot.threads.iter().map(|t| t.tid).collect::<Vec<_>>();
    assert_eq!(ids(&one), (1..200).collect::<Vec<_>>());
    assert_eq!(ids(&one), ids(&three));
    assert_eq!(one.fds, three.fds);
    assert_eq!((proc.counters().threads, proc.counters().fds), (199, 199));
}

#[test]
fn without_proc_there_is_an_error_that_says_so() {
    let error = Proc::new("/nowhere").snapshot().unwrap_err();
    assert!(
        matches!(&error, ProcError::Unreadable { path, .. } if path == Path::new("/nowhere/proc"))
    );
    let text = error.to_string();
    assert!(text.contains("/nowhere/proc") && text.contains("HOST_ROOT"), "{text}");
    let mut proc = Proc::new("/nowhere");
    assert_eq!(proc.thread(1), None);
    assert!(proc.is_alive(1, 1), "nobody knows");
}
