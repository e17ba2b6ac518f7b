//! The `falco` binary, from the command line to alerts.
//!
//! * [`cli`] reads the command line; [`app`] carries it out, in Falco's order of actions.
//! * [`config`]: what the user wrote → what the program needs.
//! * `rules_files`, `engine`: rule files → compiled rules with prepared alerts.
//! * `session`: what a run is made of before events flow; `live`: watching a running kernel.
//! * `event_loop`: the one loop from a [`Source`](falco_source::Source) over state and rules to
//!   alerts; `alert` formats them, `outputs` delivers them, `stats` counts them, an `observer` looks
//!   on.
//! * `recording`: captures of what is seen, begun by rules or whole.
//! * `events_cmd`, `record_cmd`: `falco events` and `falco record`; `input`, `filter` and `walk` are
//!   what they share.
//! * [`doctor`]: `falco doctor`, whether this host can be watched.
//! * [`rules_cmd`]: `falco rules`, the tools for authors of rules.
//! * `gvisor`: sandboxes of gVisor as a source, and `falco gvisor`.
//! * [`trace_cmd`]: `falco trace`, one command and all that it starts, without privileges.
//! * `event_sources`: which sources to open.
//! * `list`, `list_events`, `version`, `support`: what is printed instead of running.
//!
//! Rules, fields, state and captures are other crates; this one wires them together.

pub mod app;
pub mod cli;
pub mod config;
pub mod doctor;

mod alert;
mod engine;
mod event_loop;
mod event_sources;
mod events_cmd;
mod filter;
mod gvisor;
mod input;
mod internal_alert;
mod limits;
mod list;
mod list_events;
mod live;
mod log;
mod observer;
mod outputs;
mod preamble;
mod progress;
mod record_cmd;
mod recording;
pub mod rules_cmd;
mod rules_files;
mod session;
mod signals;
mod stats;
mod summary;
mod support;
pub mod trace_cmd;
mod version;
mod walk;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use falco_rules::suggest;

use cli::{Command, Stop};

/// Runs the program; `args` begins with its name.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let cmdline = args.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let failure = match args.get(1) {
        Some(word) if word == "trace" => ExitCode::from(trace_cmd::FAILED),
        _ => ExitCode::FAILURE,
    };
    let result = match cli::parse(args) {
        Ok(Command::Run(options)) => app::run(&options, &cmdline),
        Ok(Command::Events(options)) => events_cmd::run(&options).map(|()| ExitCode::SUCCESS),
        Ok(Command::Record(options)) => record_cmd::run(&options).map(|()| ExitCode::SUCCESS),
        Ok(Command::Rules(options)) => rules_cmd::run(&options),
        Ok(Command::Doctor(options)) => doctor::run(&options),
        Ok(Command::Gvisor(options)) => gvisor::run(&options).map(|()| ExitCode::SUCCESS),
        Ok(Command::Trace(options)) => return trace_cmd::run(&options),
        Err(Stop::Help(text)) => {
            io::stdout().write_all(text.as_bytes()).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        Err(Stop::Bad(message)) => Err(anyhow::anyhow!(message)),
    };
    result.unwrap_or_else(|error| {
        // Whoever read our stdout has seen enough (`falco events … | head`).
        if is_broken_pipe(&error) {
            return ExitCode::SUCCESS;
        }
        tell_error(&error);
        failure
    })
}

/// Says on stderr why the program ends.
fn tell_error(error: &anyhow::Error) {
    let message = message(error);
    // Falco says this word instead of the other where its engine throws.
    let prefix = if message.starts_with("Runtime error: ") { "" } else { "Error: " };
    // Nothing can be done if stderr is gone, too.
    let _ = writeln!(io::stderr(), "{prefix}{}", message.trim_end());
}

/// The error with its causes, leaving out those that the text before them already tells.
fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::message;

    #[test]
    fn causes_are_told_once() {
        let error =
            anyhow!("no such file").context("cannot open x: no such file").context("replay");
        assert_eq!(message(&error), "replay: cannot open x: no such file");
    }
}
