//! Births, executions and ends.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use falco_event::EventCode;

use crate::watch::{Seen, run};

const THREAD: i64 = 1 << 13;
const VM: i64 = 1 << 15;

/// Who the program of a test is.
fn root(seen: &Seen) -> i64 {
    seen.events[0].tid()
}

#[test]
fn an_execution_is_told_whole() {
    let args = ["/bin/sh", "-c", "cd /; exec /bin/echo one 'two three' ''"];
    let Some(seen) = run(&args, &["execve"]) else { return };
    assert_eq!(seen.status, 0);
    // Who is watched, and who started it.
    let pids: Vec<_> = seen.snapshot.threads.iter().map(|thread| thread.pid).collect();
    assert!(pids.contains(&root(&seen)) && pids.contains(&std::process::id().into()));
    let (sh, echo) = (seen.exec("/bin/sh"), seen.exec("/bin/echo"));
    let file = fs::canonicalize("/bin/echo").unwrap();
    let stat = fs::metadata(&file).unwrap();
    assert_eq!(sh.text("exe"), "/bin/sh");
    assert_eq!(sh.param("args"), format!("-c\0{}\0", args[2]).as_bytes());
    assert_eq!(echo.param("args"), b"one\0two three\0\0");
    assert_eq!((echo.text("comm"), echo.number("res")), ("echo".to_owned(), 0));
    assert_eq!(echo.text("trusted_exepath"), file.to_str().unwrap());
    assert_eq!(echo.number("exe_ino"), stat.ino() as i64);
    assert_eq!(echo.number("exe_ino_mtime"), stat.mtime() * 1_000_000_000 + stat.mtime_nsec());
    assert_eq!(echo.number("exe_ino_ctime"), stat.ctime() * 1_000_000_000 + stat.ctime_nsec());
    let pid = root(&seen);
    assert_eq!([echo.number("tid"), echo.number("pid")], [pid; 2]);
    let path = format!("PATH={}\0", std::env::var("PATH").unwrap());
    let env = echo.param("env");
    assert!(env.len() <= 4096 && env.ends_with(b"\0"));
    let is_cut = env.len() == 4096;
    assert!(is_cut || env.windows(path.len()).any(|window| window == path.as_bytes()));
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let line = |key: &str| own.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    let effective = line("Uid:").split_whitespace().nth(2).unwrap().parse::<i64>().unwrap();
    assert_eq!(echo.number("uid"), effective);
    assert!(!echo.param("cgroups").is_empty());
    // It was in / then: told before.
    let moved = seen.of(EventCode::SYSCALL_CHDIR_X);
    assert!(moved.iter().all(|event| event.is_for_tables()));
    assert_eq!(moved.last().unwrap().text("path"), "/");
}

#[test]
fn a_script_is_told_by_its_own_name() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    fs::write(&script, "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let name = script.to_str().unwrap();
    let Some(seen) = run(&[name, "x"], &["execve"]) else { return };
    assert_eq!(seen.status, 7);
    let exec = seen.exec(name);
    let shell = fs::canonicalize("/bin/sh").unwrap();
    assert_eq!(exec.text("trusted_exepath"), shell.to_str().unwrap());
    assert_eq!(exec.param("args"), format!("{name}\0x\0").as_bytes());
}

#[test]
fn executions_that_fail_are_told_if_somebody_asks() {
    let script = "/nonexistent/x 'a b'; exit 0";
    let Some(seen) = run(&["/bin/sh", "-c", script], &["execve"]) else { return };
    let failed = seen.exec("/nonexistent/x");
    assert_eq!(failed.number("res"), -2);
    assert_eq!((failed.text("exe"), failed.text("comm")), ("/nonexistent/x".into(), "sh".into()));
    assert_eq!(failed.param("args"), b"a b\0");
    assert!(failed.param("env").ends_with(b"\0"));
    let seen = run(&["/bin/sh", "-c", script], &[]).unwrap();
    assert_eq!(seen.of(EventCode::SYSCALL_EXECVE_19_X).len(), 1);
}

#[test]
fn births_and_ends_are_told() {
    // A subshell is a fork, a command of it a child with its own end.
    let script = "(exit 5); (kill -9 $BASHPID 2>/dev/null || sh -c 'kill -9 $$'); exit 2";
    let Some(seen) = run(&["/bin/sh", "-c", script], &["execve"]) else { return };
    assert_eq!(seen.status, 2);
    let births: Vec<_> = seen
        .events
        .iter()
        .filter(|event| event.code().info().params.iter().any(|param| param.name == "vtid"))
        .filter(|event| !event.is_for_tables())
        .collect();
    assert!(births.len() >= 2, "{:#?}", seen.events);
    for birth in &births {
        let tid = birth.tid();
        assert_eq!([birth.number("tid"), birth.number("pid"), birth.number("vtid")], [tid; 3]);
        assert_eq!(birth.number("res"), 0);
        assert_eq!(birth.text("comm"), "sh");
        let ends = seen.of(EventCode::PROCEXIT_1_E);
        assert_eq!(ends.iter().filter(|end| end.tid() == tid).count(), 1);
    }
    assert_eq!(births[0].number("ptid"), root(&seen));
    let ends = seen.of(EventCode::PROCEXIT_1_E);
    assert!(ends.iter().any(|end| end.number("status") == 5 << 8 && end.number("ret") == 5));
    assert!(ends.iter().any(|end| end.number("status") == 9 && end.number("sig") == 9));
    let last = ends.last().unwrap();
    assert_eq!((last.tid(), last.number("ret")), (root(&seen), 2));
    // One end of each.
    assert_eq!(ends.len(), births.len() + 1);
}

#[test]
fn threads_are_told_with_their_process() {
    let Some(python) = python() else { return };
    let script = "import threading\nt = threading.Thread(target=lambda: None)\nt.start()\nt.join()";
    let Some(seen) = run(&[&python, "-c", script], &["execve"]) else { return };
    assert_eq!(seen.status, 0);
    let births = seen.events.iter().filter(|event| {
        matches!(event.code(), EventCode::SYSCALL_CLONE3_X | EventCode::SYSCALL_CLONE_20_X)
            && !event.is_for_tables()
    });
    let births: Vec<_> = births.collect();
    assert_eq!(births.len(), 1, "{:#?}", seen.events);
    let birth = births[0];
    assert_eq!(birth.number("flags") & (THREAD | VM), THREAD | VM);
    assert_eq!((birth.number("tid"), birth.number("pid")), (birth.tid(), root(&seen)));
    assert_ne!(birth.tid(), root(&seen));
    // As that of its process.
    assert_eq!(birth.number("ptid"), seen.exec(&python).number("ptid"));
}

#[test]
fn the_callers_side_is_told_if_somebody_asks() {
    let Some(seen) = run(&["/bin/sh", "-c", "(exit 0); exit 0"], &["clone", "fork", "vfork"])
    else {
        return;
    };
    let of_caller = seen.events.iter().find(|event| {
        event.tid() == root(&seen)
            && event.raw().param_named("vtid").is_some()
            && event.number("res") > 0
    });
    let child = of_caller.unwrap().number("res");
    assert!(seen.of(EventCode::PROCEXIT_1_E).iter().any(|end| end.tid() == child));
}

/// An interpreter with threads.
pub fn python() -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').map(|dir| format!("{dir}/python3")).find(|file| {
        // Not a script that looks for the right one.
        fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
    });
    if found.is_none() {
        eprintln!("IGNORED: threads, because there is no python3");
    }
    found
}

#[test]
fn a_thread_that_executes_takes_the_place_of_its_process() {
    let Some(python) = python() else { return };
    let script = "import os, threading\n\
        threading.Thread(target=lambda: os.execv('/bin/sh', ['sh', '-c', 'cd /; exit 4'])).start()\n\
        import time\ntime.sleep(30)";
    let Some(seen) = run(&[&python, "-c", script], &["execve", "chdir"]) else { return };
    assert_eq!(seen.status, 4);
    let (exec, pid) = (seen.exec("/bin/sh"), root(&seen));
    assert_eq!([exec.tid(), exec.number("tid"), exec.number("pid")], [pid; 3]);
    assert_eq!((exec.text("exe"), exec.text("comm")), ("sh".to_owned(), "sh".to_owned()));
    // What it does next is its process's doing.
    let moved = seen.of(EventCode::SYSCALL_CHDIR_X);
    assert!(moved.iter().all(|event| event.tid() == pid));
    let ends = seen.of(EventCode::PROCEXIT_1_E);
    assert_eq!(ends.last().unwrap().tid(), pid);
}

#[test]
fn a_program_in_memory_is_told_as_such() {
    let Some(python) = python() else { return };
    let script = "import os\n\
        fd = os.memfd_create('hidden')\n\
        os.write(fd, open('/bin/true', 'rb').read())\n\
        os.execve(f'/proc/self/fd/{fd}', ['true'], {})";
    let Some(seen) = run(&[&python, "-c", script], &["execve", "memfd_create"]) else { return };
    assert_eq!(seen.status, 0);
    const EXE_FROM_MEMFD: i64 = 4;
    let execs = seen.of(EventCode::SYSCALL_EXECVE_19_X);
    let exec = execs.last().unwrap();
    assert_eq!(exec.number("flags") & EXE_FROM_MEMFD, EXE_FROM_MEMFD, "{exec:?}");
    assert_eq!(exec.text("trusted_exepath"), "memfd:hidden");
    assert!(exec.text("filename").starts_with("/proc/self/fd/"));
    assert_eq!(
        (exec.text("exe"), exec.param("args"), exec.param("env")),
        ("true".into(), vec![], vec![])
    );
    let made = seen.of(EventCode::SYSCALL_MEMFD_CREATE_X);
    assert_eq!(made[0].text("name"), "hidden");
}

/// Ids are those of this process's namespace; beside them those that the process itself sees.
#[test]
fn processes_of_a_pid_namespace_have_two_ids() {
    let probe = std::process::Command::new("unshare").args(["-p", "-f", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("IGNORED: a pid namespace, because none can be made here");
        return;
    }
    let args = ["unshare", "-p", "-f", "/bin/sh", "-c", "(exit 1); (exit 2); exit 3"];
    let Some(seen) = run(&args, &["execve", "unshare"]) else { return };
    assert_eq!(seen.status, 3);
    let births: Vec<_> = seen
        .events
        .iter()
        .filter(|event| event.raw().param_named("vtid").is_some() && !event.is_for_tables())
        .collect();
    let ids: Vec<_> = births.iter().map(|birth| birth.number("vpid")).collect();
    assert_eq!(ids[0], 1, "{:#?}", seen.events);
    assert!(ids.len() == 3 && ids[1] > 1 && ids[2] > ids[1], "{ids:?}");
    const CHILD_IN_PIDNS: i64 = 1 << 29;
    for birth in &births {
        assert_eq!(birth.number("pid"), birth.tid());
        assert_ne!(birth.number("vpid"), birth.number("pid"));
        assert_eq!(birth.number("flags") & CHILD_IN_PIDNS, CHILD_IN_PIDNS, "{birth:?}");
    }
    let sh = seen.exec("/bin/sh");
    assert_eq!(sh.number("pid"), births[0].tid());
}

#[test]
fn signals_are_told_if_somebody_asks() {
    let script = "trap : USR1; kill -USR1 $$; :";
    let Some(seen) = run(&["/bin/sh", "-c", script], &["signal_deliver"]) else { return };
    assert_eq!(seen.status, 0);
    let told = seen.of(EventCode::SIGNALDELIVER_E);
    let told: Vec<_> = told.iter().map(|event| (event.tid(), event.number("sig"))).collect();
    assert_eq!(told, [(root(&seen), 10)]);
    let Some(seen) = run(&["/bin/sh", "-c", script], &["kill"]) else { return };
    assert!(seen.of(EventCode::SIGNALDELIVER_E).is_empty());
}
