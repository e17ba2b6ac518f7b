//! Trees that run already.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command as Program, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use falco_ptrace::tracer::{Settings, Tree};

use crate::recorder::{Recorder, SETTINGS, Told, actor, plan, wait};

/// A program that is killed at the end, however a test ends.
struct Running(Child);

impl Running {
    fn id(&self) -> u32 {
        self.0.id()
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

fn start(args: &[&str]) -> Running {
    let mut program = Program::new(actor());
    program.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    let child = program.spawn().unwrap();
    sleep(Duration::from_millis(50));
    Running(child)
}

fn attach(child: &Running, recorder: &Recorder) -> Tree {
    let settings = Settings { on_death: falco_ptrace::OnDeath::Free, ..SETTINGS };
    Tree::attach(&[child.id().cast_signed()], settings, plan(), recorder.clone()).unwrap()
}

fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap()
}

fn tracer(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    line.unwrap().trim().to_owned()
}

/// Waits until it is so: the machine may be busy.
fn eventually(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(10), "not even after ten seconds");
        sleep(Duration::from_millis(1));
    }
}

fn enters(recorder: &Recorder) -> usize {
    recorder.told().iter().filter(|one| matches!(one, Told::Enter(..))).count()
}

#[test]
fn calls_of_a_process_that_runs_are_told_until_it_is_let_go() {
    let mut child = start(&["spin"]);
    let recorder = Recorder::default();
    let tree = attach(&child, &recorder);
    tree.begin().unwrap();
    assert_ne!(tracer(child.id()), "0");
    eventually(|| enters(&recorder) > 10);
    tree.control().detach();
    wait(&tree);
    assert_eq!(tracer(child.id()), "0");
    assert!(matches!(state(child.id()), 'R' | 'S' | 'D'), "{}", state(child.id()));
    assert!(!child.has_ended());
}

#[test]
fn a_process_that_sleeps_goes_on_sleeping() {
    let child = start(&["sleep"]);
    let recorder = Recorder::default();
    let tree = attach(&child, &recorder);
    tree.begin().unwrap();
    sleep(Duration::from_millis(20));
    drop(tree);
    assert_eq!(tracer(child.id()), "0");
    eventually(|| state(child.id()) == 'S');
}

#[test]
fn a_process_that_is_stopped_stays_so() {
    let child = start(&["spin"]);
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    eventually(|| state(child.id()) == 'T');
    let recorder = Recorder::default();
    let tree = attach(&child, &recorder);
    tree.begin().unwrap();
    sleep(Duration::from_millis(20));
    assert!(matches!(state(child.id()), 'T' | 't'));
    assert_eq!(enters(&recorder), 0);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
    eventually(|| enters(&recorder) > 0);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    // Stopped while it is traced, and again, by the kernel, when it is let go.
    eventually(|| matches!(state(child.id()), 'T' | 't'));
    drop(tree);
    assert_eq!(tracer(child.id()), "0");
    eventually(|| state(child.id()) == 'T');
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
    eventually(|| state(child.id()) != 'T');
}

/// Threads that come and go while they are attached to and let go, over and over.
#[test]
fn threads_that_begin_meanwhile_are_seized_too() {
    let mut child = start(&["pool"]);
    for _ in 0..20 {
        let recorder = Recorder::default();
        let tree = attach(&child, &recorder);
        tree.begin().unwrap();
        sleep(Duration::from_millis(15));
        // Every thread is traced.
        if let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", child.id())) {
            for task in tasks.flatten() {
                let status = std::fs::read_to_string(task.path().join("status"));
                let Ok(status) = status else { continue };
                let dead = status.contains("State:\tX") || status.contains("State:\tZ");
                assert!(dead || !status.contains("TracerPid:\t0\n"), "{status}");
            }
        }
        drop(tree);
        assert_eq!(tracer(child.id()), "0");
        assert!(!child.has_ended());
    }
}

/// It is another's child, who is told as well.
#[test]
fn the_end_of_what_was_attached_to_is_the_end() {
    let mut shell = Program::new("sh");
    shell.args(["-c", r#""$0" spin & echo $!; wait $!; echo $?"#]).arg(actor());
    let mut shell = shell.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
    let pid: i32 = lines.next().unwrap().unwrap().parse().unwrap();
    sleep(Duration::from_millis(50));
    let recorder = Recorder::default();
    let tree = Tree::attach(&[pid], SETTINGS, plan(), recorder.clone()).unwrap();
    tree.begin().unwrap();
    tree.control().signal(libc::SIGTERM);
    wait(&tree);
    assert_eq!(tree.status(), Some(libc::SIGTERM));
    assert_eq!(lines.next().unwrap().unwrap(), (128 + libc::SIGTERM).to_string());
    shell.wait().unwrap();
}

#[test]
fn what_is_not_there_cannot_be_attached_to() {
    let mut child = start(&["exit", "0"]);
    assert!(child.0.wait().unwrap().success());
    let settings = SETTINGS;
    let error = Tree::attach(&[child.id().cast_signed()], settings, plan(), Recorder::default())
        .unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
}
