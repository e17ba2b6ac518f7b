//! Whoever dies, and whenever: nothing stays behind.

use std::os::unix::process::CommandExt;
use std::process::{Command as Program, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use falco_ptrace::memory::Memory;
use falco_ptrace::stop::{Birth, End, Exec, Hooks, Stop, Until};
use falco_ptrace::tracer::{Settings, Tree};
use falco_ptrace::{Command, OnDeath};
use falco_source::events::Events;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::recorder::{ACTOR_IS, Recorder, SETTINGS, actor, deed, plan, trace, wait};

/// Names what a copy of this test program is to be, instead of a test.
const ROLE: &str = "FALCO_PTRACE_TEST_ROLE";

/// A copy of this program in another role.
fn copy(role: &str) -> Program {
    let mut program = Program::new(std::env::current_exe().unwrap());
    program.args(["--exact", "ends::role", "--nocapture"]).env(ROLE, role).env(ACTOR_IS, actor());
    program.stdout(Stdio::null()).stderr(Stdio::null());
    program
}

/// Not a test, but what copies of this program do.
#[test]
fn role() {
    match std::env::var(ROLE).as_deref() {
        Ok("tracer") => {
            trace(&deed(&["everything"]), SETTINGS, plan(), Recorder::brief());
        }
        Ok("freeing") => {
            let settings = Settings { on_death: OnDeath::Free, ..SETTINGS };
            trace(&deed(&["spin"]), settings, plan(), Recorder::brief());
        }
        Ok("arena") => {
            let failed = arena();
            std::process::exit(i32::from(failed));
        }
        _ => {}
    }
}

/// Everything below this process, by /proc.
fn descendants() -> Vec<(i32, char)> {
    let mut children: Vec<(i32, i32, char)> = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut words = rest.split(' ');
        let state = words.next().and_then(|word| word.chars().next()).unwrap_or('?');
        let parent = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        children.push((pid, parent, state));
    }
    let mut found = Vec::new();
    let mut next = vec![std::process::id().cast_signed()];
    while let Some(parent) = next.pop() {
        for (pid, _, state) in children.iter().filter(|child| child.1 == parent) {
            found.push((*pid, *state));
            next.push(*pid);
        }
    }
    found
}

fn reap() {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            break;
        }
    }
}

/// Kills tracers, or what they trace, at random times; whatever loses its parent comes here. Returns
/// whether anything was left.
#[allow(clippy::zombie_processes)] // all children are reaped at once
fn arena() -> bool {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let rounds = std::env::var("FALCO_PTRACE_TEST_KILLS").ok().and_then(|text| text.parse().ok());
    let mut seed = u64::from(std::process::id()) | 1;
    let mut random = move |below: u64| {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for round in 0..rounds.unwrap_or(60) {
        let tracer = copy("tracer").process_group(0).spawn().unwrap();
        let tracer = Pid::from_raw(tracer.id().cast_signed());
        sleep(Duration::from_millis(10 + random(60)));
        if round % 2 == 0 {
            // Some of the traced die, and at last the tracer.
            for _ in 0..3 {
                let all = descendants();
                let traced: Vec<_> =
                    all.iter().filter(|(pid, _)| *pid != tracer.as_raw()).collect();
                if let Some((pid, _)) = traced.get(random(traced.len().max(1) as u64) as usize) {
                    let signal =
                        [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSTOP, Signal::SIGSEGV];
                    let _ended = kill(Pid::from_raw(*pid), signal[random(4) as usize]);
                }
                sleep(Duration::from_millis(random(5)));
            }
        }
        kill(tracer, Signal::SIGKILL).unwrap();
        let since = Instant::now();
        loop {
            reap();
            let left = descendants();
            if left.is_empty() {
                break;
            }
            if since.elapsed() > Duration::from_secs(20) {
                for (pid, state) in &left {
                    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
                    println!("round {round}: {pid} {state} is left: {status:?}");
                    let _ended = kill(Pid::from_raw(*pid), Signal::SIGKILL);
                }
                return true;
            }
            sleep(Duration::from_millis(2));
        }
    }
    false
}

#[test]
fn nothing_is_left_when_tracers_and_traced_are_killed() {
    let status = copy("arena").stdout(Stdio::inherit()).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_tree_may_outlive_its_tracer() {
    let mut tracer = copy("freeing").spawn().unwrap();
    let mut traced = None;
    for _ in 0..500 {
        sleep(Duration::from_millis(10));
        let task = format!("/proc/{0}/task", tracer.id());
        let children = std::fs::read_dir(task).unwrap().flatten().find_map(|task| {
            let text = std::fs::read_to_string(task.path().join("children")).ok()?;
            text.split_whitespace().next()?.parse::<i32>().ok()
        });
        let is_spinning = |pid: &i32| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|text| text.ends_with(b"spin\0"))
        };
        traced = children.filter(is_spinning);
        if traced.is_some() {
            break;
        }
    }
    let traced = traced.unwrap();
    tracer.kill().unwrap();
    tracer.wait().unwrap();
    sleep(Duration::from_millis(30));
    let status = std::fs::read_to_string(format!("/proc/{traced}/status")).unwrap();
    kill(Pid::from_raw(traced), Signal::SIGKILL).unwrap();
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
    assert!(!status.contains("State:\tt") && !status.contains("State:\tT"), "{status}");
}

#[test]
fn a_tree_that_is_dropped_is_killed() {
    let command = Command::new(&deed(&["everything"])).unwrap();
    let tree = Tree::spawn(&command, SETTINGS, plan(), Recorder::brief()).unwrap();
    let root = tree.processes()[0];
    tree.begin().unwrap();
    sleep(Duration::from_millis(100));
    drop(tree);
    assert!(!std::path::Path::new(&format!("/proc/{root}")).exists());
}

#[test]
fn a_tree_that_never_began_is_no_more() {
    let command = Command::new(&deed(&["everything"])).unwrap();
    let tree = Tree::spawn(&command, SETTINGS, plan(), Recorder::brief()).unwrap();
    let root = tree.processes()[0];
    drop(tree);
    assert!(!std::path::Path::new(&format!("/proc/{root}")).exists());
}

#[test]
fn signals_reach_the_root() {
    let command = Command::new(&deed(&["sleep"])).unwrap();
    let tree = Tree::spawn(&command, SETTINGS, plan(), Recorder::brief()).unwrap();
    tree.begin().unwrap();
    tree.control().signal(libc::SIGTERM);
    wait(&tree);
    assert_eq!(tree.status(), Some(libc::SIGTERM));
    // It is no more: nothing happens.
    tree.control().signal(libc::SIGTERM);
    tree.control().kill_tree();
    tree.control().detach();
}

#[test]
fn a_tree_that_is_killed_ends() {
    for args in [&["everything"][..], &["pool"], &["storm", "1000000"], &["exec_from_thread", "8"]]
    {
        let command = Command::new(&deed(args)).unwrap();
        let tree = Tree::spawn(&command, SETTINGS, plan(), Recorder::brief()).unwrap();
        tree.begin().unwrap();
        sleep(Duration::from_millis(50));
        tree.control().kill_tree();
        wait(&tree);
    }
}

#[test]
fn commands_that_cannot_be_executed_are_refused() {
    use std::io::ErrorKind;
    for (path, kind) in
        [("/nonexistent", ErrorKind::NotFound), ("/etc/passwd", ErrorKind::PermissionDenied)]
    {
        let command = Command::new(&[path.into()]).unwrap();
        for settings in crate::recorder::WAYS {
            let tree = Tree::spawn(&command, settings, plan(), Recorder::brief()).unwrap();
            assert_eq!(tree.begin().unwrap_err().kind(), kind);
            wait(&tree);
        }
    }
}

#[test]
fn a_file_that_is_no_program_is_run_by_a_shell() {
    use std::os::unix::fs::OpenOptionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o755).open(&path).unwrap();
    std::io::Write::write_all(&mut file, b"exit $(($1 + $#))\n").unwrap();
    drop(file);
    let argv = [path.into_os_string(), "40".into(), "x".into()];
    for settings in crate::recorder::WAYS {
        let run = trace(&argv, settings, plan(), Recorder::brief());
        assert_eq!(run.status.code(), Some(42));
    }
}

/// A bug in a hook costs an event, and nothing else.
#[test]
fn a_hook_that_panics_harms_nobody() {
    struct Panics;
    impl Hooks for Panics {
        fn attached(&mut self, _: i64, _: i64, _: &mut Events) {}

        fn enter(&mut self, _: &Stop, _: &Memory, _: &mut Events) -> Until {
            panic!("on purpose");
        }

        fn exit(&mut self, _: &Stop, _: &Memory, _: &mut Events) {}

        fn born(&mut self, _: &Birth, _: &Memory, _: &mut Events) {}

        fn executed(&mut self, _: &Exec, _: &Memory, _: &mut Events) {}

        fn ended(&mut self, _: &End, _: &mut Events) {}
    }
    let command = Command::new(&deed(&["open", "3"])).unwrap();
    let tree = Tree::spawn(&command, SETTINGS, plan(), Panics).unwrap();
    tree.begin().unwrap();
    wait(&tree);
    assert_eq!(tree.status(), Some(0));
    assert!(tree.panics() >= 6, "{}", tree.panics());
    assert_eq!(tree.control().processes(), 0);
}
