//! Time of a snapshot with many processes, and of the same facts through the `procfs` crate.
//!
//! `cargo bench -p falco-proc -- [PROCESSES]` (500 if not said). Each process has seven fds: a pipe,
//! /dev/null twice, a file, a directory, a unix socket and a TCP socket that listens. They end when
//! this program does, since their pipe is closed then.
#![allow(clippy::print_stdout)] // its output is what it is for

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use falco_proc::{Limits, Proc};
use falco_source::lookup::ThreadLookup;
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 20;

fn main() {
    if std::env::args().any(|arg| arg == "--child") {
        return child();
    }
    let processes = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(500);
    let children: Vec<Child> = (0..processes).map(|_| spawn()).collect();
    std::thread::sleep(Duration::from_millis(500));

    let mut proc = Proc::new("/");
    let snapshot = proc.snapshot().expect("/proc is readable");
    let fds: usize = snapshot.fds.iter().map(|(_, fds)| fds.len()).sum();
    println!("{} threads, {fds} fds, {:?}", snapshot.threads.len(), proc.counters());
    for workers in [1, 2] {
        let mut limits = Limits::default();
        limits.workers = workers;
        let mut proc = Proc::with_limits("/", limits);
        report(&format!("snapshot, {workers} worker(s)"), || {
            proc.snapshot().expect("/proc is readable");
        });
    }
    report("procfs crate, the same facts", with_procfs);

    // As many look-ups as the rounds below make would be refused.
    let mut limits = Limits::default();
    (limits.lookups, limits.lookup_time) = (u32::MAX, Duration::MAX);
    let mut lookups = Proc::with_limits("/", limits);
    let mut ids = children.iter().map(|child| i64::from(child.id())).cycle();
    report("look-up of 20 threads", || {
        for id in ids.by_ref().take(20) {
            std::hint::black_box(lookups.thread(id));
        }
    });
    report("1000 times is_alive", || {
        for id in ids.by_ref().take(1000) {
            assert!(lookups.is_alive(id, id));
        }
    });
    for mut child in children {
        drop(child.stdin.take());
        child.wait().expect("a child can be waited for");
    }
}

fn report(what: &str, mut run: impl FnMut()) {
    run();
    let mut times: Vec<(Duration, Duration)> = (0..ROUNDS)
        .map(|_| {
            let (start, cpu) = (Instant::now(), cpu());
            run();
            (start.elapsed(), self::cpu() - cpu)
        })
        .collect();
    times.sort_unstable();
    let (wall, cpu) = times[ROUNDS / 2];
    let (least, _) = times[0];
    println!("{what:32} {wall:8.1?} (least {least:8.1?}), CPU {cpu:8.1?}");
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn spawn() -> Child {
    let itself = std::env::current_exe().expect("this program has a path");
    Command::new(itself)
        .arg("--child")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child can be started")
}

fn child() {
    let file = File::open("/etc/passwd");
    let directory = File::open("/");
    let pair = UnixStream::pair();
    let listener = TcpListener::bind("127.0.0.1:0");
    // Until the parent is gone.
    let _ = std::io::stdin().read(&mut [0]);
    drop((file, directory, pair, listener));
}

/// What the same facts cost through the crate.
fn with_procfs() {
    let mut found = 0;
    for process in procfs::process::all_processes().expect("/proc is readable").flatten() {
        let Ok(stat) = process.stat() else { continue };
        if stat.flags & 0x0020_0000 != 0 {
            continue;
        }
        let facts = (
            process.status().ok(),
            process.cmdline().ok(),
            process.environ().ok(),
            process.cgroups().ok(),
            process.exe().ok(),
            process.cwd().ok(),
            process.root().ok(),
            process.loginuid().ok(),
            process.limits().ok(),
            process.fd().map(|fds| fds.flatten().count()).ok(),
        );
        found += 1;
        std::hint::black_box((stat, facts));
    }
    let tables = (procfs::net::tcp().ok(), procfs::net::tcp6().ok(), procfs::net::unix().ok());
    std::hint::black_box((found, tables));
}
