//! Processes, threads, namespaces, and who may see them.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use falco_proc::Proc;
use falco_source::lookup::{Found, ThreadLookup};
use falco_source::snapshot::{FdKind, Thread};

use crate::fds::fd;
use crate::{Process, eventually, found, is_root, myself, sleep};

#[test]
fn a_process_is_told_with_all_its_facts() {
    let dir = tempfile::tempdir().unwrap();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let script = "ulimit -n 77; exec sleep 60";
    let mut command = Command::new("sh");
    command.args(["-c", script]).env_clear().env("PATH", "/usr/bin:/bin").env("A", "b c");
    command.current_dir(dir.path());
    let child = Process::start(&mut command);
    let Found { thread, fds } = child.running("sleep");
    assert_eq!((thread.tid, thread.pid, thread.ptid), (child.pid(), child.pid(), myself()));
    assert_eq!((thread.exe.as_slice(), thread.args.as_slice()), (&b"sleep"[..], &b"60\0"[..]));
    let path = fs::read_link(format!("/proc/{}/exe", child.pid())).unwrap();
    assert_eq!(thread.exepath, path.as_os_str().as_encoded_bytes());
    let env: Vec<_> = thread.env.split_inclusive(|&b| b == 0).collect();
    assert!(env.contains(&&b"A=b c\0"[..]), "{env:?}");
    assert_eq!(thread.cwd, fs::canonicalize(dir.path()).unwrap().as_os_str().as_encoded_bytes());
    assert_eq!((thread.root.as_slice(), thread.fdlimit, thread.flags), (&b"/"[..], 77, 0));
    assert_eq!((thread.vtid, thread.vpid), (child.pid(), child.pid()));
    let exe = fs::metadata(&path).unwrap();
    assert_eq!(thread.exe_ino, exe.ino());
    let nanoseconds = |s: i64, ns: i64| s as u64 * 1_000_000_000 + ns as u64;
    assert_eq!(thread.exe_ino_ctime, nanoseconds(exe.ctime(), exe.ctime_nsec()));
    assert_eq!(thread.exe_ino_mtime, nanoseconds(exe.mtime(), exe.mtime_nsec()));
    assert!(!thread.exe_from_memfd && thread.vmsize_kb > 0 && thread.vmrss_kb > 0);
    assert!(thread.pfminor > 0);
    // Start times count in ticks of 10 ms.
    let start = Duration::from_nanos(thread.clone_ts);
    assert!(start + Duration::from_millis(50) > before, "{start:?} {before:?}");
    assert!(start < before + Duration::from_secs(20), "{start:?} {before:?}");
    assert!(fds.iter().any(|fd| fd.num == 0));

    // The same by another's parser.
    let other = procfs::process::Process::new(child.pid() as i32).unwrap();
    let (stat, status) = (other.stat().unwrap(), other.status().unwrap());
    assert_eq!((thread.pgid, thread.sid), (stat.pgrp.into(), stat.session.into()));
    assert_eq!((thread.tty, thread.pfminor), (stat.tty_nr as u32, stat.minflt));
    assert_eq!((thread.uid, thread.gid), (status.euid, status.egid));
    assert_eq!(thread.ruid_suid, Some((status.ruid, status.suid)));
    assert_eq!(thread.cap_permitted, status.capprm);
    assert_eq!(thread.cap_effective, status.capeff);
    assert_eq!(u64::from(thread.vmsize_kb), status.vmsize.unwrap());
    let loginuid = other.loginuid().unwrap_or(u32::MAX);
    assert_eq!(thread.loginuid, loginuid);
    let cgroups = other.cgroups().unwrap();
    let text = String::from_utf8(thread.cgroups.clone()).unwrap();
    for group in cgroups.0.iter().filter(|group| group.hierarchy != 0) {
        for controller in &group.controllers {
            assert!(text.contains(&format!("{controller}={}\0", group.pathname)), "{text:?}");
        }
    }
}

#[test]
fn snapshots_and_look_ups_agree() {
    let child = Process::start(&mut sleep());
    let looked_up = child.running("sleep");
    let mut proc = Proc::new("/");
    let snapshot = proc.snapshot().unwrap();
    let same = |thread: &&Thread| thread.tid == child.pid();
    let scanned = snapshot.threads.iter().find(same).unwrap();
    // Each has asked for the time of the boot itself.
    let without_times = |thread: &Thread| Thread {
        clone_ts: 0,
        pidns_init_start_ts: 0,
        vmrss_kb: 0,
        ..thread.clone()
    };
    assert_eq!(without_times(scanned), without_times(&looked_up.thread));
    assert_eq!(proc.thread(child.pid()).unwrap().thread.clone_ts, scanned.clone_ts);
    let (_, fds) = snapshot.fds.iter().find(|(tid, _)| *tid == child.pid()).unwrap();
    assert_eq!(*fds, looked_up.fds);
    assert!(snapshot.users.iter().any(|user| user.uid == 0));
    let boot = snapshot.machine.as_ref().unwrap().boot_ts / 1_000_000_000;
    let btime = fs::read_to_string("/proc/stat").unwrap();
    let btime = btime.lines().find_map(|line| line.strip_prefix("btime ")).unwrap();
    assert!(boot.abs_diff(btime.parse().unwrap()) <= 1);
    assert!(snapshot.interfaces.iter().any(|i| i.addr.is_loopback() && i.name == b"lo"));
}

#[test]
fn every_running_process_is_told_once() {
    let children: Vec<_> = (0..20).map(|_| Process::start(&mut sleep())).collect();
    let snapshot = Proc::new("/").snapshot().unwrap();
    for id in children.iter().map(Process::pid).chain([myself(), 1]) {
        assert_eq!(snapshot.threads.iter().filter(|t| t.tid == id && t.pid == id).count(), 1);
    }
    let mut ids: Vec<_> = snapshot.threads.iter().map(|t| t.tid).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    for process in procfs::process::all_processes().unwrap().flatten() {
        let is_kernel = |stat: procfs::process::Stat| stat.flags & 0x0020_0000 != 0;
        if process.stat().is_ok_and(is_kernel) {
            assert!(!ids.contains(&process.pid.into()), "{} is the kernel's", process.pid);
        }
    }
}

#[test]
fn threads_are_told_with_their_process() {
    let (name, (tell, told), (end, ended)) =
        ("a) R 1\\\n(b", mpsc::channel(), mpsc::channel::<()>());
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        tell.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        let _ = ended.recv();
    });
    let thread = thread.unwrap();
    let tid = i64::from(told.recv().unwrap());
    let snapshot = Proc::new("/").snapshot().unwrap();
    let same = |thread: &&Thread| thread.tid == tid;
    let scanned = snapshot.threads.iter().find(same).unwrap();
    assert_eq!((scanned.pid, scanned.vtid, scanned.vpid), (myself(), tid, myself()));
    assert_eq!((scanned.flags, scanned.env.as_slice()), (0x2001, &b""[..]));
    assert_eq!(scanned.comm, name.as_bytes());
    let first = snapshot.threads.iter().find(|thread| thread.tid == myself()).unwrap();
    assert_eq!((&scanned.exepath, &scanned.cgroups), (&first.exepath, &first.cgroups));
    assert_eq!(snapshot.fds.iter().filter(|(id, _)| *id == tid).count(), 0);

    let mut proc = Proc::new("/");
    let found = proc.thread(tid).unwrap();
    assert_eq!((found.thread.pid, found.thread.flags), (myself(), 0x2001));
    assert_eq!((found.thread.comm.as_slice(), found.fds.len()), (name.as_bytes(), 0));
    assert!(proc.is_alive(myself(), tid));
    assert!(!proc.is_alive(1, tid), "it is no thread of that process");
    end.send(()).unwrap();
    thread.join().unwrap();
    eventually(|| (!proc.is_alive(myself(), tid)).then_some(()));
    assert_eq!(proc.thread(tid), None);
}

#[test]
fn what_has_ended_is_not_told() {
    let mut child = Process::start(&mut Command::new("true"));
    let id = child.pid();
    // Nobody has waited for it yet.
    let state = || fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    eventually(|| state().contains(") Z ").then_some(()));
    let mut proc = Proc::new("/");
    assert_eq!(proc.thread(id), None);
    assert!(proc.snapshot().unwrap().threads.iter().all(|thread| thread.tid != id));
    child.0.wait().unwrap();
    assert!(!proc.is_alive(id, id));
    assert_eq!((proc.thread(id), proc.thread(0), proc.thread(-1)), (None, None, None));
    assert_eq!((proc.fd(id, 0), proc.fd(myself(), 1 << 40), proc.fd(-1, -1)), (None, None, None));
}

#[test]
fn processes_in_a_pid_namespace_have_ids_of_their_own() {
    if !is_root("pid namespaces") {
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "sh", "-c", "sleep 60 & wait"]);
    let outer = Process::start(&mut command);
    let child_of = |parent: i64| {
        let mut proc = Proc::new("/");
        eventually(|| {
            let snapshot = proc.snapshot().unwrap();
            let all = snapshot.threads.iter();
            let mut children = all.filter(|t| t.ptid == parent && t.comm != b"unshare");
            children.next().cloned()
        })
    };
    let init = child_of(outer.pid());
    let inner = eventually(|| Some(child_of(init.tid)).filter(|t| t.comm == b"sleep"));
    assert_eq!((init.vtid, init.vpid), (1, 1));
    assert_eq!((inner.vtid, inner.vpid), (2, 2));
    assert_eq!(init.pidns_init_start_ts, init.clone_ts);
    assert_eq!(inner.pidns_init_start_ts / 1_000_000_000, init.clone_ts / 1_000_000_000);
    let outside = found(myself()).unwrap().thread;
    assert!(outside.pidns_init_start_ts < init.clone_ts);
    // A look-up has to find the first process of the namespace itself.
    let found = found(inner.tid).unwrap().thread;
    assert_eq!(found.pidns_init_start_ts / 1_000_000_000, init.clone_ts / 1_000_000_000);
    assert_eq!((found.vtid, found.ptid), (2, init.tid));
}

#[test]
fn a_terminal_is_told_by_its_device() {
    let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
    let terminal = rustix::pty::openpt(flags).unwrap();
    rustix::pty::grantpt(&terminal).unwrap();
    rustix::pty::unlockpt(&terminal).unwrap();
    let name: CString = rustix::pty::ptsname(&terminal, Vec::new()).unwrap();
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).custom_flags(libc::O_NOCTTY);
    let slave = options.open(name.to_str().unwrap()).unwrap();
    let device = slave.metadata().unwrap().rdev();
    let mut command = Command::new("setsid");
    command.args(["--ctty", "sleep", "60"]).stdin(slave).stdout(Stdio::null());
    let child = Process(command.spawn().unwrap());
    let thread = child.running("sleep").thread;
    assert_eq!(u64::from(thread.tty), device);
    assert_eq!((thread.sid, thread.pgid), (child.pid(), child.pid()));
    let without = Process::start(Command::new("setsid").args(["sleep", "60"]));
    assert_eq!(without.running("sleep").thread.tty, 0);
}

#[test]
fn cgroups_of_a_namespace_are_those_of_the_host() {
    if !is_root("cgroup namespaces") {
        return;
    }
    let outside = found(myself()).unwrap().thread.cgroups;
    // Namespaces belong to threads, so that the rest of this process keeps its own.
    let inside = std::thread::spawn(|| {
        // SAFETY: a system call that changes nothing but the cgroup namespace of this thread.
        let result = unsafe { libc::unshare(libc::CLONE_NEWCGROUP) };
        (result == 0).then(|| found(myself()).unwrap().thread.cgroups)
    });
    match inside.join().unwrap() {
        Some(inside) => {
            assert_eq!(String::from_utf8_lossy(&inside), String::from_utf8_lossy(&outside));
        }
        None => println!("IGNORED: cgroup namespaces because they cannot be made here"),
    }
}

/// What another user sees: all processes, but of others' only what anybody may see.
#[test]
fn who_may_see_less_is_told_less() {
    if !is_root("running as another user") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = dir.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let others = Process::start(&mut sleep());
    others.running("sleep");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]);
    command.arg(&copy).args(["--exact", "processes::as_another_user", "--ignored", "--nocapture"]);
    let output = command.env("OTHERS", others.pid().to_string()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "run by who_may_see_less_is_told_less"]
fn as_another_user() {
    let others: i64 = std::env::var("OTHERS").unwrap().parse().unwrap();
    let mut proc = Proc::new("/");
    let snapshot = proc.snapshot().unwrap();
    let thread = |id| snapshot.threads.iter().find(|thread| thread.tid == id).unwrap();
    let theirs = thread(others);
    assert_eq!((theirs.comm.as_slice(), theirs.args.as_slice()), (&b"sleep"[..], &b"60\0"[..]));
    assert_eq!((theirs.exepath.as_slice(), theirs.env.as_slice()), (&b""[..], &b""[..]));
    assert!(!theirs.cgroups.is_empty() && theirs.uid == 0);
    assert!(!thread(myself()).exepath.is_empty());
    assert!(proc.counters().denied > 0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(matches!(fd(&listener).kind, FdKind::InetServer { .. }));
}

/// Processes that come and go while they are read.
#[test]
fn a_busy_host_is_read_without_an_error() {
    let busy = std::thread::spawn(|| {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < Duration::from_secs(2) {
            let mut child = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
            let mut text = String::new();
            child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
            child.wait().unwrap();
            count += 1;
        }
        count
    });
    let mut proc = Proc::new("/");
    let mut snapshots = 0;
    while !busy.is_finished() {
        let snapshot = proc.snapshot().unwrap();
        assert!(snapshot.threads.iter().any(|thread| thread.tid == myself()));
        snapshots += 1;
    }
    assert!(busy.join().unwrap() > 0 && snapshots > 0);
}
