//! Plays a sandbox: sends a recorded session to a socket, over and over, as fast as it is taken.
//!
//! `replay SOCKET FILE [MESSAGES] [CPU]`: FILE is a tracereplay file; it is sent again from its start
//! until so many messages were sent (one round if none are given), from that CPU. Prints one line of
//! JSON. For benchmarks of whoever listens.

use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use falco_gvisor::replay::{Recording, Sender};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [socket, file, rest @ ..] = &args[..] else {
        return Err("usage: replay SOCKET FILE [MESSAGES] [CPU]".into());
    };
    let recording = Recording::parse(&std::fs::read(file)?)?;
    if recording.records.is_empty() {
        return Err("the recording has no messages".into());
    }
    let number = |at: usize| rest.get(at).and_then(|text| text.to_str()?.parse::<usize>().ok());
    let messages = number(0).unwrap_or(recording.records.len());
    if let Some(cpu) = number(1) {
        let mut cpus = CpuSet::new();
        cpus.set(cpu)?;
        sched_setaffinity(Pid::from_raw(0), &cpus)?;
    }
    let sender = Sender::connect(Path::new(socket))?;
    let since = Instant::now();
    for record in recording.records.iter().cycle().take(messages) {
        sender.send(record)?;
    }
    let seconds = since.elapsed().as_secs_f64();
    let mut stdout = std::io::stdout();
    writeln!(stdout, r#"{{"messages":{messages},"seconds":{seconds:.6}}}"#)?;
    Ok(())
}
