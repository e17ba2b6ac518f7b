//! How many messages of sandboxes a sensor takes a second when it has one processor.
//!
//! A recorded session is sent over a real socket by a process on another processor, so that receiving,
//! decoding, what becomes of it, the tables and the rules are all part of it. Nothing is lost: who
//! sends waits where gVisor would drop. What a processor can do is what its time suffices for; where it
//! has other work, too, less was done.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use falco_gvisor::replay::Recording;

use super::sensor::Setup;
use crate::bench::{callgrind, median};
use crate::paths;

/// Messages of a timed run, at least.
const MESSAGES: usize = 2_000_000;

/// Messages of the shorter of two runs in which instructions are counted.
const COUNTED: usize = 40_000;

/// Runs per figure; the median counts.
const RUNS: usize = 5;

/// What one consumer core has to do (issue 6).
const TARGET: f64 = 500_000.0;

/// The processors of the sensor and of who sends.
const SENSOR: &str = "0";
const SENDER: &str = "1";

/// Crates with less than this share of the instructions are not shown.
const SHARE: f64 = 0.01;

/// What one run used.
struct Taken {
    messages: f64,
    /// Seconds from the first message until the sensor had ended.
    wall: f64,
    /// The sensor's CPU seconds for them.
    cpu: f64,
    peak: f64,
}

/// Measures with the session in a tracereplay file.
pub fn run(session: &Path, rules: &[PathBuf], scratch: &Path) -> Result<()> {
    let file = fs::read(session).with_context(|| format!("cannot read {}", session.display()))?;
    let records = Recording::parse(&file)?.records.len();
    ensure!(records > 0, "{} is empty", session.display());
    let setup = Setup { rules, scratch };
    println!("{}: {records} messages, again and again; medians of {RUNS}", session.display());
    let runs = (0..RUNS)
        .map(|_| timed(&setup, session, MESSAGES.div_ceil(records), records))
        .collect::<Result<Vec<_>>>()?;
    let middle = |figure: &dyn Fn(&Taken) -> f64| median(runs.iter().map(figure).collect());
    let rate = middle(&|t| t.messages / t.cpu);
    let verdict = if rate >= TARGET { "reached" } else { "MISSED" };
    println!("messages/s of CPU time        {rate:>12.0}   (target {TARGET:.0}: {verdict})");
    println!("messages/s as it was          {:>12.0}", middle(&|t| t.messages / t.wall));
    println!("CPU ns a message              {:>12.0}", 1e9 / rate);
    println!("peak MiB                      {:>12.1}", middle(&|t| t.peak));

    let times = COUNTED.div_ceil(records);
    let shorter = counted(&setup, session, times)?;
    let longer = counted(&setup, session, 2 * times)?;
    let messages = (times * records) as f64;
    let more = longer.total.saturating_sub(shorter.total) as f64;
    println!("instructions a message        {:>12.0}   (start-up not counted)", more / messages);
    let before = |name: &str| {
        let same = shorter.crates.iter().find(|(_, other)| other == name);
        same.map_or(0, |(count, _)| *count)
    };
    let mut crates: Vec<(u64, &String)> = longer
        .crates
        .iter()
        .map(|(count, name)| (count.saturating_sub(before(name)), name))
        .collect();
    crates.sort_by(|a, b| b.cmp(a));
    for (count, name) in crates {
        let share = count as f64 / more;
        if share >= SHARE {
            println!("    {:5.1} %  {name}", 100.0 * share);
        }
    }
    Ok(())
}

/// Lets a sensor take `times` sessions.
fn timed(setup: &Setup<'_>, session: &Path, times: usize, records: usize) -> Result<Taken> {
    let sensor = setup.start(on_processor(SENSOR, &setup.falco()?))?;
    let before = sensor.running.cpu()?;
    let begin = Instant::now();
    send(setup, session, times)?;
    let usage = sensor.stop()?;
    let wall = begin.elapsed().as_secs_f64();
    let messages = (times * records) as f64;
    Ok(Taken { messages, wall, cpu: usage.cpu - before, peak: usage.peak })
}

/// The same with instructions counted.
fn counted(setup: &Setup<'_>, session: &Path, times: usize) -> Result<callgrind::Profile> {
    let out = setup.scratch.join("callgrind.out");
    let sensor = setup.start(callgrind::below_valgrind(&setup.falco()?, &out))?;
    send(setup, session, times)?;
    sensor.stop()?;
    callgrind::read(&out)
}

/// Sends the session from another processor; returns when all of it is sent.
fn send(setup: &Setup<'_>, session: &Path, times: usize) -> Result<()> {
    let mut sender = Command::new(paths::built("sandbox")?);
    sender.arg(session).arg(setup.socket()).arg(times.to_string());
    let mut sender = on_processor(SENDER, &sender);
    let status = sender.stdin(Stdio::null()).status().context("cannot run taskset")?;
    ensure!(status.success(), "{sender:?} ended with {status}");
    Ok(())
}

/// `command` on one processor alone.
fn on_processor(processor: &str, command: &Command) -> Command {
    let mut taskset = Command::new("taskset");
    taskset.args(["-c", processor]).arg(command.get_program()).args(command.get_args());
    taskset
}
