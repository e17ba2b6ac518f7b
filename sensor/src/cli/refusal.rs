//! What is said about a command line that cannot be carried out: Falco's words where it has them
//! (`reference/cli.md`).

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Stop;
use crate::suggest;

/// Short and long options that Falco once had, the release that removed them and what to use.
const REMOVED: &[(&str, &str, &str)] = &[
    ("A", "0.40", "-o base_syscalls.all=true"),
    ("b", "0.40", "-o buffer_format_base64=true"),
    ("print-base64", "0.40", "-o buffer_format_base64=true"),
    ("S", "0.40", "-o falco_libs.snaplen=N"),
    ("snaplen", "0.40", "-o falco_libs.snaplen=N"),
    ("cri", "0.39", "the configuration of container metadata"),
    ("disable-cri-async", "0.39", "the configuration of container metadata"),
    ("D", "0.38", "-o 'rules[].disable.rule=NAME'"),
    ("t", "0.38", "-o 'rules[].enable.tag=TAG'"),
    ("T", "0.38", "-o 'rules[].disable.tag=TAG'"),
    ("g", "0.38", "-o engine.kind=gvisor -o engine.gvisor.config=FILE"),
    ("gvisor-config", "0.38", "-o engine.kind=gvisor -o engine.gvisor.config=FILE"),
    ("gvisor-root", "0.38", "-o engine.gvisor.root=DIRECTORY"),
    ("gvisor-generate-config", "0.44", "falco gvisor init-config"),
    ("modern-bpf", "0.37", "-o engine.kind=modern_ebpf"),
    ("nodriver", "0.37", "-o engine.kind=nodriver"),
    ("d", "0.35", "a service manager such as systemd"),
    ("daemon", "0.35", "a service manager such as systemd"),
    ("s", "0.35", "-o metrics.enabled=true -o metrics.output_file=FILE"),
    ("stats-interval", "0.35", "-o metrics.interval=TIME"),
    ("list-syscall-events", "0.35", "--list-events"),
];

/// As [`stop`], for a sub-command that has `commands` of its own.
pub(super) fn stop_of(sub: &str, commands: &[&str], error: &clap::Error) -> Stop {
    let name = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(name))) => Some(name),
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, _) => None,
        _ => return stop(error),
    };
    let like = name.and_then(|name| suggest::closest(name, commands.iter().copied()));
    Stop::Bad(match (name, like, commands.split_last()) {
        (Some(name), Some(like), _) => {
            format!("there is no 'falco {sub} {name}'; did you mean 'falco {sub} {like}'?")
        }
        (_, _, Some((last, others))) => {
            let others = others.join(", ");
            format!("falco {sub} needs a command: {others} or {last} (falco {sub} --help)")
        }
        (_, _, None) => format!("falco {sub} needs a command"),
    })
}

/// A parser's refusal in Falco's words, or its own where Falco has none.
pub(super) fn stop(error: &clap::Error) -> Stop {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(s)) => Some(s.clone()),
        Some(ContextValue::Strings(s)) => s.first().cloned(),
        _ => None,
    };
    let argument = || context(ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::DisplayHelp => Stop::Help(error.render().to_string()),
        ErrorKind::UnknownArgument => {
            let argument = argument();
            let name = argument.trim_start_matches('-');
            let mut message = format!("Option ‘{name}’ does not exist");
            if let Some((_, since, instead)) = REMOVED.iter().find(|(old, ..)| *old == name) {
                message += &format!(" (Falco {since} removed it; use {instead})");
            } else if let Some(like) = context(ContextKind::SuggestedArg) {
                message += &format!(" (did you mean {like}?)");
            }
            Stop::Bad(message)
        }
        ErrorKind::InvalidValue
            if context(ContextKind::InvalidValue).is_none_or(|v| v.is_empty()) =>
        {
            Stop::Bad(format!("Option ‘{}’ is missing an argument", bare_name(&argument())))
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            let value = context(ContextKind::InvalidValue).unwrap_or_default();
            Stop::Bad(format!(
                "Argument ‘{value}’ failed to parse (option ‘{}’)",
                bare_name(&argument())
            ))
        }
        ErrorKind::ArgumentConflict => Stop::Bad(first_line(error)),
        _ => Stop::Bad(first_line(error)),
    }
}

/// `-c <FILE>` → `c`, `--option <KEY=VAL>` → `option`.
fn bare_name(argument: &str) -> &str {
    argument.trim_start_matches('-').split([' ', '=', '[']).next().unwrap_or_default()
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    // "the following required arguments were not provided:" continues on the next line.
    match lines.next() {
        Some(next) if first.ends_with(':') => format!("{first} {next}"),
        _ => first,
    }
}
