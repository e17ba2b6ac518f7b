//! The command line: Falco's options, and our sub-commands beside them.
//!
//! Falco's options are flat. The first argument may instead name a sub-command (`falco events …`),
//! which has options of its own. Messages for bad input are Falco's where it has them
//! (`reference/cli.md`). Nothing here acts on an option.

//! * `run`: Falco's options; `watch`: `falco events` and `falco record`; [`gvisor`]: `falco gvisor`.
//! * `refusal`: what is said about what cannot be carried out.

pub mod gvisor;
pub mod input;
mod refusal;
mod run;
mod watch;

use std::ffi::OsString;

use clap::Parser;

use crate::doctor::options::DoctorOptions;
use crate::rules_cmd::options::RulesOptions;
use crate::trace_cmd::options::TraceOptions;
use gvisor::GvisorOptions;
use refusal::{stop, stop_of};
use run::list_format;
pub use run::{ListFormat, Options};
pub use watch::{EventsOptions, LiveEngine, LiveOptions, RecordOptions};

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Falco's flat options.
    Run(Box<Options>),
    /// `falco events`.
    Events(Box<EventsOptions>),
    /// `falco record`.
    Record(Box<RecordOptions>),
    /// `falco rules`.
    Rules(Box<RulesOptions>),
    /// `falco doctor`.
    Doctor(Box<DoctorOptions>),
    /// `falco gvisor`.
    Gvisor(Box<GvisorOptions>),
    /// `falco trace`.
    Trace(Box<TraceOptions>),
}

/// A command line that cannot be carried out, or that only asked for help.
#[derive(Debug)]
pub enum Stop {
    /// Text for stdout; the exit code is 0.
    Help(String),
    /// A message for stderr after `Error: `; the exit code is 1.
    Bad(String),
}

/// Reads the command line; `args` begins with the program's name.
///
/// # Errors
/// [`Stop::Bad`] for anything wrong, [`Stop::Help`] if help was asked for.
pub fn parse(args: Vec<OsString>) -> Result<Command, Stop> {
    let name = args.get(1).and_then(|name| name.to_str()).unwrap_or_default();
    let rest = |name| std::iter::once(OsString::from(name)).chain(args.iter().skip(2).cloned());
    match name {
        "events" => return sub(rest("falco events"), Command::Events, stop),
        "record" => return sub(rest("falco record"), Command::Record, stop),
        "trace" => return sub(rest("falco trace"), Command::Trace, stop),
        "doctor" => return sub(rest("falco doctor"), Command::Doctor, stop),
        "rules" => {
            let commands = ["test", "check", "explain"];
            return sub(rest("falco rules"), Command::Rules, |e| stop_of("rules", &commands, e));
        }
        "gvisor" => {
            let commands = ["init-config", "install", "sessions"];
            return sub(rest("falco gvisor"), Command::Gvisor, |e| stop_of("gvisor", &commands, e));
        }
        _ => {}
    }
    let mut options = Options::try_parse_from(args).map_err(|e| stop(&e))?;
    if options.help {
        let help = <Options as clap::CommandFactory>::command().render_help();
        return Err(Stop::Help(help.to_string()));
    }
    options.list_format = list_format(&options).map_err(Stop::Bad)?;
    options.refuse_unsupported().map_err(Stop::Bad)?;
    Ok(Command::Run(Box::new(options)))
}

/// Reads the options of a sub-command.
fn sub<O: Parser>(
    args: impl Iterator<Item = OsString>,
    command: impl FnOnce(Box<O>) -> Command,
    stop: impl FnOnce(&clap::Error) -> Stop,
) -> Result<Command, Stop> {
    O::try_parse_from(args).map(|options| command(Box::new(options))).map_err(|e| stop(&e))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn run(args: &[&str]) -> Result<Command, Stop> {
        parse(std::iter::once("falco").chain(args.iter().copied()).map(OsString::from).collect())
    }

    fn options(args: &[&str]) -> Options {
        match run(args) {
            Ok(Command::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    fn refusal(args: &[&str]) -> String {
        match run(args) {
            Err(Stop::Bad(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn falcos_options_are_read() {
        let o = options(&[
            "-c", "f.yaml", "-e", "a.scap", "-r", "a.yaml", "-r", "b.yaml", "-o", "x=1,2", "-M5",
            "-vU",
        ]);
        assert_eq!(o.config, Some("f.yaml".into()));
        assert_eq!(o.rules, [PathBuf::from("a.yaml"), "b.yaml".into()]);
        assert_eq!(o.overrides, ["x=1,2"]);
        assert_eq!((o.duration, o.verbose, o.unbuffered), (5, 1, true));
        assert_eq!(options(&["-pc"]).print.as_deref(), Some("c"));
        assert_eq!(options(&["--validate", "x"]).validate, [PathBuf::from("x")]);
    }

    #[test]
    fn list_takes_its_source_only_after_an_equals_sign() {
        assert_eq!(options(&["--list"]).list.as_deref(), Some(""));
        assert_eq!(options(&["--list=syscall", "-N"]).list.as_deref(), Some("syscall"));
        let o = options(&["--list", "syscall"]);
        assert_eq!((o.list.as_deref(), o.strays.len()), (Some(""), 1));
    }

    #[test]
    fn refusals_are_falcos() {
        assert_eq!(refusal(&["-x"]), "Option ‘x’ does not exist");
        assert_eq!(refusal(&["--nonesuch"]), "Option ‘nonesuch’ does not exist");
        assert_eq!(
            refusal(&["--list-event"]),
            "Option ‘list-event’ does not exist (did you mean --list-events?)"
        );
        assert!(
            refusal(&["-A"])
                .starts_with("Option ‘A’ does not exist (Falco 0.40 removed it; use -o")
        );
        for option in ["-g", "--gvisor-config", "--gvisor-root", "--gvisor-generate-config"] {
            let text = refusal(&[option, "x"]);
            let name = option.trim_start_matches('-');
            assert!(
                text.starts_with(&format!("Option ‘{name}’ does not exist (Falco 0.")),
                "{text}"
            );
            assert!(
                text.contains("gvisor.") || text.contains("falco gvisor init-config"),
                "{text}"
            );
        }
        assert_eq!(refusal(&["-c"]), "Option ‘c’ is missing an argument");
        assert_eq!(refusal(&["-M", "x"]), "Argument ‘x’ failed to parse (option ‘M’)");
        assert_eq!(
            refusal(&["--format", "xml"]),
            "Invalid format 'xml'. Valid values are: text, markdown, json"
        );
        assert_eq!(
            refusal(&["--format", "json", "--markdown"]),
            "Cannot specify both --markdown and --format options together"
        );
        assert_eq!(options(&["--format", "JSON"]).list_format, ListFormat::Json);
        assert!(
            refusal(&["events", "-e", "x", "--json", "--format", "y"]).contains("cannot be used")
        );
    }

    #[test]
    fn sub_commands_of_gvisor_are_read() {
        let command = |args: &[&str]| match run(args) {
            Ok(Command::Gvisor(options)) => options.command,
            other => panic!("{other:?}"),
        };
        let gvisor::GvisorCommand::InitConfig(options) =
            command(&["gvisor", "init-config", "-r", "a.yaml", "--runsc-version", "2022"])
        else {
            panic!()
        };
        assert_eq!(options.points.input.rules, [PathBuf::from("a.yaml")]);
        assert_eq!(options.points.runsc_version.as_deref(), Some("2022"));
        assert_eq!(
            refusal(&["gvisor", "init-confg"]),
            "there is no 'falco gvisor init-confg'; did you mean 'falco gvisor init-config'?"
        );
        assert_eq!(
            refusal(&["gvisor"]),
            "falco gvisor needs a command: init-config, install or sessions (falco gvisor --help)"
        );
    }

    #[test]
    fn what_is_watched_live_can_be_chosen() {
        let Ok(Command::Events(options)) = run(&["events", "--engine", "modern_ebpf,gvisor"])
        else {
            panic!()
        };
        assert_eq!(options.live.engine, [LiveEngine::ModernEbpf, LiveEngine::Gvisor]);
        let Ok(Command::Record(options)) =
            run(&["record", "-w", "x", "--engine", "ptrace", "--pid", "7", "--pid", "8"])
        else {
            panic!()
        };
        assert_eq!((options.live.engine, options.live.pid), (vec![LiveEngine::Ptrace], vec![7, 8]));
        assert!(refusal(&["events", "--engine", "kmod"]).contains("failed to parse"));
        assert!(refusal(&["record", "-w", "x", "-e", "y", "--engine", "gvisor"]).contains("used"));
    }

    #[test]
    fn help_fits_a_screen_and_names_every_group() {
        let Err(Stop::Help(help)) = run(&["--help"]) else { panic!() };
        for word in ["Run:", "Rules:", "Lists:", "About:", "Examples:", "falco events"] {
            assert!(help.contains(word), "{word} is missing in\n{help}");
        }
        assert!(help.lines().count() <= 51, "{} lines:\n{help}", help.lines().count());
        let Err(Stop::Help(help)) = run(&["events", "--help"]) else { panic!() };
        assert!(help.contains("--filter"));
    }
}
