//! Runs a command and counts its stops: `stops [--calls=openat,close] [--enter-only] [--no-filter]
//! [--no-pin] -- COMMAND …`, or `stops [--calls=…] --pid=N` until that process ends. For measuring the
//! tracer alone: nothing is decoded, no event is made.
#![allow(clippy::print_stdout)]

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use falco_ptrace::OnDeath;
use falco_ptrace::command::Command;
use falco_ptrace::memory::Memory;
use falco_ptrace::plan::{Check, Plan};
use falco_ptrace::stop::{Birth, End, Exec, Hooks, Stop, Until};
use falco_ptrace::tracer::{Settings, Taken, Tree};
use falco_source::events::Events;

#[derive(Clone, Default)]
struct Counts {
    enters: Arc<AtomicU64>,
    exits: Arc<AtomicU64>,
    births: Arc<AtomicU64>,
    execs: Arc<AtomicU64>,
    ends: Arc<AtomicU64>,
    enter_only: bool,
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

impl Hooks for Counts {
    fn attached(&mut self, _: i64, _: i64, _: &mut Events) {}

    fn enter(&mut self, _: &Stop, _: &Memory, _: &mut Events) -> Until {
        add(&self.enters);
        if self.enter_only { Until::Next } else { Until::Exit }
    }

    fn exit(&mut self, _: &Stop, _: &Memory, _: &mut Events) {
        add(&self.exits);
    }

    fn born(&mut self, _: &Birth, _: &Memory, _: &mut Events) {
        add(&self.births);
    }

    fn executed(&mut self, _: &Exec, _: &Memory, _: &mut Events) {
        add(&self.execs);
    }

    fn ended(&mut self, _: &End, _: &mut Events) {
        add(&self.ends);
    }
}

fn main() -> std::io::Result<()> {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let split = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let (options, command) = args.split_at(split);
    let has = |name: &str| options.iter().any(|option| option == name);
    let value = |name: &str| {
        let option = options.iter().filter_map(|option| option.to_str());
        option.into_iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    };
    let mut plan = Plan::new();
    for call in value("--calls").unwrap_or_default().split(',').filter(|call| !call.is_empty()) {
        assert!(plan.stop_name(call, Check::always()), "there is no call {call}");
    }
    let counts = Counts { enter_only: has("--enter-only"), ..Counts::default() };
    let settings = Settings {
        on_death: OnDeath::Kill,
        seccomp: !has("--no-filter"),
        no_new_privs: true,
        pin: !has("--no-pin"),
        queue_bytes: 1 << 20,
    };
    let started = Instant::now();
    let tree = match value("--pid") {
        Some(pid) => {
            let pid = pid.parse().map_err(std::io::Error::other)?;
            Tree::attach(&[pid], settings, plan, counts.clone())?
        }
        None => {
            let command = Command::new(command.get(1..).unwrap_or_default())?;
            Tree::spawn(&command, settings, plan, counts.clone())?
        }
    };
    tree.begin()?;
    let begun = started.elapsed();
    let mut events = Events::new();
    while tree.take(&mut events, Duration::from_secs(10)) != Taken::End {}
    let all = [&counts.enters, &counts.exits, &counts.births, &counts.execs, &counts.ends];
    let [enters, exits, births, execs, ends] = all.map(|count| count.load(Ordering::Relaxed));
    eprintln!(
        "{:?}, status {:?}, {:.1} ms, begun after {:.1} ms: {enters} enters, {exits} exits, {births} births, \
         {execs} executions, {ends} ends",
        tree.mode(),
        tree.status(),
        started.elapsed().as_secs_f64() * 1e3,
        begun.as_secs_f64() * 1e3,
    );
    Ok(())
}
