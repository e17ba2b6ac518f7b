//! Loads the probe with everything that it can see, prints the coverage, then how many events of each
//! type came in each second: `probe_events [--attach sys_exit|per_syscall] [SECONDS [CALL…]]`.
//! `state` stands for all calls that change what is known of processes and files.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use falco_event::syscalls::SYSCALLS;
use falco_event::{EventFlags, Syscall};
use falco_modern_ebpf::{AttachMode, ModernEbpf, Options};
use falco_source::{Next, Source};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1).peekable();
    let mut attach = AttachMode::Auto;
    if args.next_if(|arg| arg == "--attach").is_some() {
        attach = match args.next().as_deref() {
            Some("sys_exit") => AttachMode::SysExit,
            Some("per_syscall") => AttachMode::PerSyscall,
            other => return Err(format!("no way to attach: {other:?}").into()),
        };
    }
    let seconds: u64 = args.next().map_or(Ok(5), |arg| arg.parse())?;
    let mut syscalls = Vec::new();
    for name in args {
        if name == "state" {
            let changes = |call: &&Syscall| {
                call.events.iter().any(|event| event.info().flags.contains(EventFlags::STATE))
            };
            syscalls.extend(SYSCALLS.iter().filter(changes).map(|call| call.id));
            continue;
        }
        let call = Syscall::by_name(&name).ok_or_else(|| format!("no system call {name:?}"))?;
        syscalls.push(call.id);
    }
    if syscalls.is_empty() {
        syscalls = SYSCALLS.iter().map(|call| call.id).collect();
    }
    let begin = Instant::now();
    let mut source = ModernEbpf::open(Options { syscalls, attach, ..Options::default() })?;
    println!("loaded in {:.1?}", begin.elapsed());
    let begin = Instant::now();
    let snapshot = source.start()?;
    println!("started in {:.1?}, {} threads", begin.elapsed(), snapshot.threads.len());
    let coverage = source.coverage();
    println!("attached: {}", coverage.attachment.name());
    if let Some(why) = &coverage.no_per_syscall {
        println!("not per system call: {why}");
    }
    for call in coverage.gaps() {
        println!("{}: {:?}", call.name(), call.status);
        for line in call.status.refusal().map_or(&[][..], |refusal| &refusal.log) {
            println!("    {line}");
        }
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut second = Instant::now() + Duration::from_secs(1);
    let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut first, mut newest, mut disorder) = (None, 0, 0_u64);
    while Instant::now() < end {
        for _ in 0..1000 {
            match source.next()? {
                Next::Event(event) => {
                    first.get_or_insert_with(|| begin.elapsed());
                    *counts.entry(event.info().name).or_default() += 1;
                    disorder += u64::from(event.ts() < newest);
                    newest = newest.max(event.ts());
                }
                _ => break,
            }
        }
        if Instant::now() >= second {
            second += Duration::from_secs(1);
            let total: u64 = counts.values().sum();
            println!("{total} events/s, {:?}", std::mem::take(&mut counts));
        }
    }
    let begin = Instant::now();
    source.stop_capture();
    println!("stopped in {:.1?}", begin.elapsed());
    let mut last = 0;
    while let Next::Event(_) | Next::Idle = source.next()? {
        last += 1;
    }
    println!(
        "first event {first:?} after the start, {disorder} out of order, {last} after the stop"
    );
    println!("{:?}", source.stats());
    Ok(())
}
