//! Whether the tables stay small and quick while processes come and go: 5 million short-lived
//! processes with 10 fds each go through one state, 500 of them alive at a time.
//!
//! Prints resident memory after the warm-up (the first tenth) and at the end with its slope, and
//! the cost of an event in the first tenth and in the last, each by its quickest twentieth. Fails if
//! memory grows.
//!
//! `cargo bench -p falco-enrich --bench churn [-- PROCESSES]`
#![allow(clippy::print_stdout, clippy::unwrap_used)] // a program that measures and tells

use std::process::ExitCode;
use std::time::Instant;

use falco_enrich::state::{Limits, State};
use falco_event::{EventBuilder, EventCode as E, RawEvent};

const PROCESSES: u64 = 5_000_000;
/// Fds that each process opens; it closes half of them itself.
const FDS: i64 = 10;
/// Processes alive at a time.
const ALIVE: u64 = 500;
/// Lives that are written once; then their ids come round again, later than the two seconds for
/// which the state remembers who has exited.
const LIVES: u64 = 4_096;
/// Nanoseconds between the births of two processes.
const STEP_NS: u64 = 1_000_000;
/// Bytes by which resident memory may differ from that after the warm-up: noise of the allocator.
const NOISE: f64 = 4.0 * 1_048_576.0;
const SHELL: i64 = 10;

/// The events of one process's life, as a source gives them.
struct Life {
    birth: Vec<Vec<u8>>,
    death: Vec<Vec<u8>>,
}

impl Life {
    fn new(builder: &mut EventBuilder, tid: i64) -> Self {
        let args = format!("--job\0{tid}\0");
        let mut birth = vec![clone(builder, SHELL, tid, 0), clone(builder, tid, 0, SHELL)];
        birth.push(made(builder, tid, E::SYSCALL_EXECVE_19_X, |b| {
            b.i64(0).text("worker").bytes(args.as_bytes()).i64(tid).i64(tid).i64(SHELL);
            b.text("").u64(1024).u64(0).u64(0).u32(200).u32(150).u32(0).text("worker");
            b.bytes(b"cpu=/jobs\0").bytes(b"HOME=/root\0PATH=/usr/bin\0").u32(34816).i64(tid);
            b.u32(1000).u32(1).u64(0).u64(3).u64(7).u64(99).u64(5_000).u64(6_000).u32(0);
            b.text("/usr/bin/worker").i64(tid).u32(0).text("worker");
        }));
        birth.extend((0..FDS).map(|n| {
            let name = format!("/var/lib/jobs/{tid}/{n}");
            made(builder, tid, E::SYSCALL_OPEN_X, |b| {
                b.i64(3 + n).text(&name).u32(1).u32(0).u32(9).u64(44);
            })
        }));
        let mut death: Vec<_> = (0..FDS / 2)
            .map(|n| {
                made(builder, tid, E::SYSCALL_CLOSE_X, |b| {
                    b.i64(0).i64(3 + n);
                })
            })
            .collect();
        death.push(made(builder, tid, E::PROCEXIT_1_E, |b| {
            b.i64(0).i64(0).u8(0).u8(0).i64(0);
        }));
        Life { birth, death }
    }
}

fn clone(builder: &mut EventBuilder, tid: i64, res: i64, ptid: i64) -> Vec<u8> {
    made(builder, tid, E::SYSCALL_CLONE_20_X, |b| {
        b.i64(res).text("sh").empty().i64(tid).i64(tid).i64(ptid).text("").i64(1024);
        b.u64(0).u64(0).u32(100).u32(50).u32(0).text("sh").bytes(b"cpu=/\0").u32(0).u32(0).u32(0);
        b.i64(tid).i64(tid).u64(0);
    })
}

fn made(b: &mut EventBuilder, tid: i64, code: E, fill: impl FnOnce(&mut EventBuilder)) -> Vec<u8> {
    b.start(0, tid, code);
    fill(b);
    b.finish(0, 0).unwrap().bytes().to_vec()
}

/// Lets events happen at `ts`; returns how many.
fn happen(state: &mut State, events: &mut [Vec<u8>], ts: u64) -> u64 {
    for bytes in &mut *events {
        // The time stands first in an event.
        bytes[..8].copy_from_slice(&ts.to_le_bytes());
        state.process(&RawEvent::parse(bytes, 0, 0).unwrap());
    }
    events.len() as u64
}

/// Resident bytes of this process.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

/// Least-squares slope of `y` over `x`.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    covariance / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// The least of several costs: what other programs on the machine do only adds to them.
fn quickest(costs: &[f64]) -> f64 {
    costs.iter().copied().fold(f64::INFINITY, f64::min)
}

fn main() -> ExitCode {
    // `cargo test` runs benches, too, without `--bench`: a short look suffices there.
    let args: Vec<String> = std::env::args().skip(1).collect();
    let asked = args.iter().find_map(|arg| arg.parse().ok());
    let default = if args.iter().any(|arg| arg == "--bench") { PROCESSES } else { 100_000 };
    let processes: u64 = asked.unwrap_or(default).max(10_000);

    let mut builder = EventBuilder::new();
    let mut lives: Vec<Life> =
        (0..LIVES).map(|n| Life::new(&mut builder, 1_000 + n as i64)).collect();
    let mut state = State::new(Limits::default());
    let mut init = clone(&mut builder, SHELL, 0, 1);
    happen(&mut state, std::slice::from_mut(&mut init), STEP_NS);

    let tenth = processes / 10;
    let (mut events, mut points, mut costs) = (0, Vec::new(), Vec::new());
    let (mut before, mut started) = (0, Instant::now());
    for n in 0..processes + ALIVE {
        let ts = (n + 2) * STEP_NS;
        if n < processes {
            events += happen(&mut state, &mut lives[(n % LIVES) as usize].birth, ts);
        }
        if let Some(ended) = n.checked_sub(ALIVE) {
            events += happen(&mut state, &mut lives[(ended % LIVES) as usize].death, ts);
        }
        if (n + 1) % (tenth / 20) == 0 && n < processes {
            costs.push(started.elapsed().as_nanos() as f64 / (events - before) as f64);
            if n >= tenth {
                points.push((n as f64 / 1e6, resident()));
            }
            (before, started) = (events, Instant::now());
        }
    }

    let stats = state.stats();
    let mib = |bytes: f64| bytes / 1_048_576.0;
    let (warm, end) = (points[0].1, points[points.len() - 1].1);
    println!("{processes} processes, {} fds, {events} events", stats.n_added_fds);
    println!("resident: {:.1} MiB after warm-up, {:.1} MiB at the end", mib(warm), mib(end));
    println!("slope: {:+.1} KiB per million processes", slope(&points) / 1024.0);
    let tenths: Vec<String> =
        costs.chunks(20).map(|part| format!("{:.0}", quickest(part))).collect();
    println!("cost of an event by tenths, each by its quickest part, ns: {}", tenths.join(" "));
    println!("left: {} threads, {} fds, {} bytes", stats.n_threads, stats.n_fds, stats.n_bytes);
    if stats.n_added_fds < processes * FDS as u64 || end - warm > NOISE {
        println!("FAILED: the tables grew, or did not take everything");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
