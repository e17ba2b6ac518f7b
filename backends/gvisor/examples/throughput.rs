//! How many messages a second become events: `throughput FILE [MESSAGES]`.
//!
//! A recorded session is sent over a real socket from a thread on one CPU. On another, receiving,
//! decoding and mapping share what there is, as both threads of a sensor would. Prints one line of
//! JSON: messages a second, and nanoseconds of CPU time a message.

use std::error::Error;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use falco_gvisor::receiver::ReceiverOptions;
use falco_gvisor::replay::{Recording, Sender};
use falco_gvisor::{Gvisor, Options, Receiver};
use falco_source::{Next, Source};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use rustix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let file = args.next().ok_or("usage: throughput FILE [MESSAGES]")?;
    let messages = args.next().and_then(|text| text.to_str()?.parse().ok());
    let messages: u64 = messages.unwrap_or(2_000_000);
    let recording = Recording::parse(&std::fs::read(file)?)?;
    let dir = tempfile::tempdir()?;
    let socket = dir.path().join("gvisor.sock");
    // Before there are threads, which inherit it.
    run_on(0)?;
    let receiver = Receiver::bind(&ReceiverOptions::new(&socket))?;
    let options = Options {
        max_sandboxes: 4,
        roots: Some(vec![dir.path().join("none")]),
        runsc: Some(dir.path().join("none")),
        host_root: "/".into(),
        syscalls: Vec::new(),
        attach: false,
        floor_ns: 0,
    };
    let mut source = Gvisor::new(receiver.clone(), options);
    source.start()?;
    // It begins to take.
    let _ = source.next()?;
    let sender = thread::spawn(move || -> std::io::Result<Duration> {
        run_on(1)?;
        let sender = Sender::connect(&socket)?;
        let count = usize::try_from(messages).unwrap_or(usize::MAX);
        for record in recording.records.iter().cycle().take(count) {
            sender.send_retrying(record)?;
        }
        Ok(thread_time())
    });
    let (since, before) = (Instant::now(), process_time());
    let mut events = 0_u64;
    let mut bytes = 0_u64;
    loop {
        match source.next()? {
            Next::Event(event) => {
                events += 1;
                bytes += event.bytes().len() as u64;
            }
            Next::Idle if sender.is_finished() && receiver.stats().connections == 0 => break,
            _ => {}
        }
    }
    let seconds = since.elapsed().as_secs_f64();
    let sent = sender.join().map_err(|_| "the sender failed")??;
    let spent = (process_time() - before - sent).as_nanos() as f64 / messages as f64;
    let rate = messages as f64 / seconds;
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        r#"{{"messages":{messages},"events":{events},"event_bytes":{bytes},"messages_per_second":{rate:.0},"ns_per_message":{spent:.0}}}"#
    )?;
    Ok(())
}

fn run_on(cpu: usize) -> std::io::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cpus)?)
}

fn thread_time() -> Duration {
    duration(ClockId::ThreadCPUTime)
}

fn process_time() -> Duration {
    duration(ClockId::ProcessCPUTime)
}

fn duration(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}
