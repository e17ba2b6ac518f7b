//! Poses as a sandbox: `sandbox SESSION SOCKET TIMES` sends a recorded session that often over one
//! connection, as fast as it is taken.

use std::path::Path;
use std::process::ExitCode;

use falco_gvisor::replay::{Recording, Sender};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sandbox: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> anyhow::Result<()> {
    let [session, socket, times] = args else {
        anyhow::bail!("it wants SESSION SOCKET TIMES");
    };
    let recording = Recording::parse(&std::fs::read(session)?)?;
    let connection = Sender::connect(Path::new(socket))?;
    for _ in 0..times.parse::<u64>()? {
        for record in &recording.records {
            connection.send_retrying(record)?;
        }
    }
    Ok(())
}
