//! Real processes and fds of every kind, made by the tests themselves.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic is a test's report, and so is text

mod fds;
mod held;
mod processes;
mod programs;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use falco_proc::Proc;
use falco_source::lookup::{Found, ThreadLookup};
use rustix::process::getpid;

/// A process of a test's; it ends with the test, whatever happens.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Process(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    fn pid(&self) -> i64 {
        self.0.id().into()
    }

    /// The process once it runs the program of this name and waits for something. While a program
    /// is loaded, the process has its name, but neither arguments nor memory.
    fn running(&self, comm: &str) -> Found {
        eventually(|| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
            let found = found(self.pid())?;
            let is_loaded = stat.contains(&format!("({comm}) S ")) && !found.thread.args.is_empty();
            (is_loaded && found.thread.comm == comm.as_bytes()).then_some(found)
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually<T>(mut get: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = get() {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it did not happen in time");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn found(tid: i64) -> Option<Found> {
    Proc::new("/").thread(tid)
}

fn sleep() -> Command {
    let mut command = Command::new("sleep");
    command.arg("60");
    command
}

fn myself() -> i64 {
    getpid().as_raw_nonzero().get().into()
}

fn is_root(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("IGNORED: {what} because this user is not root");
    }
    is_root
}
