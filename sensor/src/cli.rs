//! The command line: Falco's options, and our sub-commands beside them.
//!
//! Falco's options are flat. The first argument may instead name a sub-command (`falco events …`),
//! which has options of its own. Messages for bad input are Falco's where it has them
//! (`reference/cli.md`). Nothing here acts on an option.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Parser, ValueEnum};

use crate::doctor::options::DoctorOptions;
use crate::rules_cmd::options::RulesOptions;
use crate::suggest;
use crate::trace_cmd::options::TraceOptions;

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

const EXAMPLES: &str = "\
Examples:
  falco -r falco_rules.yaml                         watch this host (as root) until Ctrl-C
  falco -e attack.scap -r falco_rules.yaml          alerts of a capture, as Falco gives them
  falco -e attack.scap -r rules.d -o json_output=true -o rule_matching=all
  falco events -e attack.scap --filter 'evt.type=execve' --fields proc.name,proc.cmdline

With -r, or rules in /etc/falco, no configuration file is needed: Falco's shipped settings hold, and
alerts go to stdout. -e FILE (which Falco removed in 0.37) is -o engine.kind=replay
-o engine.replay.capture_file=FILE. Exit codes: 0 done, 1 error, 255 no pid file.";

const TEMPLATE: &str = "\
{about}

{usage-heading} falco [OPTIONS]           replay or watch, and print alerts
       falco events [OPTIONS]    print the events themselves (falco events --help)
       falco record [OPTIONS]    write the events to a capture (falco record --help)
       falco trace [OPT] -- CMD  watch one command, without privileges (falco trace --help)
       falco rules COMMAND       test, check and explain rules (falco rules --help)
       falco doctor [OPTIONS]    whether this host can be watched (falco doctor --help)

{all-args}
{after-help}
";

/// Falco's options.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "falco",
    about = "Runtime security sensor that speaks Falco's language",
    disable_version_flag = true,
    disable_help_flag = true,
    args_override_self = false,
    max_term_width = 110,
    help_template = TEMPLATE,
    after_help = EXAMPLES
)]
pub struct Options {
    /// Replay a capture (.scap, plain or gzip; - is stdin) instead of watching
    #[arg(short = 'e', value_name = "FILE", help_heading = "Run")]
    pub capture: Option<PathBuf>,

    /// Rules file or directory; may be repeated; replaces rules_files
    #[arg(short = 'r', value_name = "PATH", help_heading = "Run")]
    pub rules: Vec<PathBuf>,

    /// Configuration file [default: /etc/falco/falco.yaml]
    #[arg(short = 'c', value_name = "FILE", help_heading = "Run")]
    pub config: Option<PathBuf>,

    /// Override one configuration key; may be repeated
    #[arg(short = 'o', long = "option", value_name = "KEY=VAL", help_heading = "Run")]
    pub overrides: Vec<String>,

    /// Stop after SECONDS of event time; 0 is never
    #[arg(short = 'M', value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    #[arg(help_heading = "Run")]
    pub duration: u64,

    /// Flush every alert, whatever buffered_outputs says
    #[arg(short = 'U', long = "unbuffered", help_heading = "Run")]
    pub unbuffered: bool,

    /// Record everything that the rules are shown to the capture FILE, too
    #[arg(short = 'w', long = "writefile", value_name = "FILE", help_heading = "Run")]
    pub write: Option<PathBuf>,

    /// Write the process id to FILE
    #[arg(short = 'P', long = "pidfile", value_name = "FILE", help_heading = "Run")]
    pub pidfile: Option<PathBuf>,

    /// Load everything, process nothing
    #[arg(long = "dry-run", help_heading = "Run")]
    pub dry_run: bool,

    /// More detail in warnings, errors and lists
    #[arg(short = 'v', action = ArgAction::Count, help_heading = "Run")]
    pub verbose: u8,

    /// Validate a rules file or directory and exit; may be repeated
    #[arg(short = 'V', long = "validate", value_name = "PATH", help_heading = "Rules")]
    pub validate: Vec<PathBuf>,

    /// Describe all rules (in full as JSON with json_output) and exit
    #[arg(short = 'L', help_heading = "Rules")]
    pub describe_all: bool,

    /// Describe one rule and exit
    #[arg(short = 'l', value_name = "RULE", help_heading = "Rules")]
    pub describe: Option<String>,

    /// List fields, of all sources or of one, and exit
    #[arg(long = "list", value_name = "SOURCE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "", help_heading = "Lists")]
    pub list: Option<String>,

    /// With --list: names only
    #[arg(short = 'N', help_heading = "Lists")]
    pub names_only: bool,

    /// List event types and exit
    #[arg(long = "list-events", help_heading = "Lists")]
    pub list_events: bool,

    /// Format of the lists: text, markdown or json
    #[arg(long = "format", value_name = "FORMAT", help_heading = "Lists")]
    pub format: Option<String>,

    /// List the system calls that are ignored by default and exit
    #[arg(short = 'i', help_heading = "Lists")]
    pub ignored: bool,

    /// Print versions and exit (as JSON with json_output)
    #[arg(long = "version", help_heading = "About")]
    pub version: bool,

    /// Print version, machine, configuration and rules as JSON and exit
    #[arg(long = "support", help_heading = "About")]
    pub support: bool,

    /// Print the system's page size and exit
    #[arg(long = "page-size", help_heading = "About")]
    pub page_size: bool,

    /// Print this help and exit
    #[arg(short = 'h', long = "help", action = ArgAction::SetTrue, help_heading = "About")]
    pub help: bool,

    /// Append TEXT to every output (deprecated in Falco)
    #[arg(short = 'p', long = "print", value_name = "TEXT", hide = true)]
    pub print: Option<String>,

    #[arg(long = "markdown", hide = true)]
    markdown: bool,

    /// Turn an event source off.
    #[arg(long = "disable-source", value_name = "SOURCE", hide = true)]
    pub disable_source: Vec<String>,

    /// Use only these event sources.
    #[arg(long = "enable-source", value_name = "SOURCE", hide = true)]
    pub enable_source: Vec<String>,

    #[arg(long = "list-plugins", hide = true)]
    list_plugins: bool,

    #[arg(long = "plugin-info", value_name = "PLUGIN", hide = true)]
    plugin_info: Option<String>,

    #[arg(long = "config-schema", hide = true)]
    config_schema: bool,

    /// Print the JSON schema of rules files and exit
    #[arg(long = "rule-schema", help_heading = "About")]
    pub rule_schema: bool,

    /// Arguments that are no options; Falco ignores them, we say so.
    #[arg(hide = true)]
    pub strays: Vec<String>,

    /// `--format` and `--markdown` made one.
    #[arg(skip)]
    pub list_format: ListFormat,
}

/// How lists are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For reading.
    #[default]
    Text,
    /// For pages.
    Markdown,
    /// For programs.
    Json,
}

const EVENTS_EXAMPLES: &str = "\
Examples:
  falco events --filter 'proc.name = nginx and evt.type in (open, openat)'
  falco events -e attack.scap
  falco events -e attack.scap --filter 'evt.type=openat and fd.name startswith /etc' -n 20
  falco events -e attack.scap --fields proc.name,proc.pname,fd.name --json
  falco events -e attack.scap --format '%evt.num %proc.name opened %fd.name'

Without -e, this host is watched (as root) until Ctrl-C. The filter has the language of rule
conditions, the format that of rule outputs. `falco --list` names the fields.";

/// `falco events`: prints events as tcpdump prints packets.
#[derive(Debug, Parser)]
#[command(
    name = "falco events",
    about = "Print the events of this host, or of a capture, one line each",
    disable_version_flag = true,
    max_term_width = 110,
    after_help = EVENTS_EXAMPLES
)]
pub struct EventsOptions {
    /// Capture to read (.scap, plain or gzip; - is stdin) instead of watching
    #[arg(short = 'e', value_name = "FILE")]
    pub capture: Option<PathBuf>,

    /// Print only events for which this condition holds
    #[arg(long, value_name = "COND")]
    pub filter: Option<String>,

    /// Print these fields instead of the default line
    #[arg(long, value_name = "F1,F2,…")]
    pub fields: Option<String>,

    /// Print one JSON object an event: evt.num and the fields, null where there is no value
    #[arg(long)]
    pub json: bool,

    /// Print this output template
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["fields", "json"])]
    pub format: Option<String>,

    /// Stop after COUNT printed events
    #[arg(short = 'n', value_name = "COUNT")]
    pub count: Option<u64>,

    /// How to watch.
    #[command(flatten)]
    pub live: LiveOptions,
}

/// What `falco events` and `falco record` are told about watching this host.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct LiveOptions {
    /// Watch all system calls, those that just move data, too (they come anyway if the filter names
    /// them)
    #[arg(long = "all-syscalls", conflicts_with = "capture")]
    pub all_syscalls: bool,

    /// Bytes of data that an event carries [default: 80]
    #[arg(long = "snaplen", value_name = "BYTES", conflicts_with = "capture")]
    pub snaplen: Option<u32>,

    /// Size of a ring buffer, one for each two CPUs: larger ones survive longer bursts [default: 8]
    #[arg(long = "buffer-size", value_name = "MB", conflicts_with = "capture")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub buffer_size: Option<u64>,
}

const RECORD_EXAMPLES: &str = "\
Examples:
  falco record -w host.scap                         until Ctrl-C
  falco record -w host.scap --duration 60 --max-size 500
  falco record -w web.scap --filter 'proc.name = nginx or proc.aname = nginx'
  falco record -e host.scap -w part.scap --filter 'evt.type in (open, openat)'
  falco record -w - | ssh desk 'cat > host.scap'

Falco, sysdig and Stratoshark read these captures. Whatever FILE is called, it is compressed by gzip,
as Falco's recordings are, unless --uncompressed is given. It is made readable for its owner only. With
a filter, events that do not match are kept, for the tables only, if they change what is known of
processes and files, so that those that match are shown in full; numbers (evt.num) then differ.";

/// `falco record`: writes events to a capture.
#[derive(Debug, Parser)]
#[command(
    name = "falco record",
    about = "Write what happens on this host, or a part of a capture, to a capture",
    disable_version_flag = true,
    max_term_width = 110,
    after_help = RECORD_EXAMPLES
)]
pub struct RecordOptions {
    /// Capture to write (- is stdout)
    #[arg(short = 'w', value_name = "FILE", required = true)]
    pub file: PathBuf,

    /// Overwrite FILE if it exists
    #[arg(long)]
    pub force: bool,

    /// Do not compress: larger, but replays a little faster
    #[arg(long)]
    pub uncompressed: bool,

    /// Capture to read (.scap, plain or gzip; - is stdin) instead of watching
    #[arg(short = 'e', value_name = "FILE")]
    pub capture: Option<PathBuf>,

    /// Record only events for which this condition holds
    #[arg(long, value_name = "COND")]
    pub filter: Option<String>,

    /// Record only events of this process and of its descendants
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,

    /// Stop after COUNT events (of those that match)
    #[arg(short = 'n', value_name = "COUNT")]
    pub count: Option<u64>,

    /// Stop after SECONDS
    #[arg(short = 'M', long = "duration", value_name = "SECONDS")]
    pub duration: Option<u64>,

    /// Stop when the file has about MB megabytes (of 1,048,576 bytes)
    #[arg(long = "max-size", value_name = "MB")]
    pub max_size: Option<u64>,

    /// How to watch.
    #[command(flatten)]
    pub live: LiveOptions,
}

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
    ("modern-bpf", "0.37", "-o engine.kind=modern_ebpf"),
    ("nodriver", "0.37", "-o engine.kind=nodriver"),
    ("d", "0.35", "a service manager such as systemd"),
    ("daemon", "0.35", "a service manager such as systemd"),
    ("s", "0.35", "-o metrics.enabled=true -o metrics.output_file=FILE"),
    ("stats-interval", "0.35", "-o metrics.interval=TIME"),
    ("list-syscall-events", "0.35", "--list-events"),
];

/// Reads the command line; `args` begins with the program's name.
///
/// # Errors
/// [`Stop::Bad`] for anything wrong, [`Stop::Help`] if help was asked for.
pub fn parse(args: Vec<OsString>) -> Result<Command, Stop> {
    if args.get(1).is_some_and(|a| a == "events") {
        let rest = std::iter::once(OsString::from("falco events")).chain(args.into_iter().skip(2));
        return EventsOptions::try_parse_from(rest)
            .map(|o| Command::Events(Box::new(o)))
            .map_err(|e| stop(&e));
    }
    if args.get(1).is_some_and(|a| a == "record") {
        let rest = std::iter::once(OsString::from("falco record")).chain(args.into_iter().skip(2));
        return RecordOptions::try_parse_from(rest)
            .map(|o| Command::Record(Box::new(o)))
            .map_err(|e| stop(&e));
    }
    if args.get(1).is_some_and(|a| a == "rules") {
        let rest = std::iter::once(OsString::from("falco rules")).chain(args.into_iter().skip(2));
        return RulesOptions::try_parse_from(rest)
            .map(|o| Command::Rules(Box::new(o)))
            .map_err(|e| stop_of_rules(&e));
    }
    if args.get(1).is_some_and(|a| a == "doctor") {
        let rest = std::iter::once(OsString::from("falco doctor")).chain(args.into_iter().skip(2));
        return DoctorOptions::try_parse_from(rest)
            .map(|o| Command::Doctor(Box::new(o)))
            .map_err(|e| stop(&e));
    }
    if args.get(1).is_some_and(|a| a == "trace") {
        let rest = std::iter::once(OsString::from("falco trace")).chain(args.into_iter().skip(2));
        return TraceOptions::try_parse_from(rest)
            .map(|o| Command::Trace(Box::new(o)))
            .map_err(|e| stop(&e));
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

impl Options {
    /// Options that Falco has and this build does not: a clear word instead of silence.
    fn refuse_unsupported(&self) -> Result<(), String> {
        let asked = [
            (self.list_plugins, "--list-plugins"),
            (self.plugin_info.is_some(), "--plugin-info"),
            (self.config_schema, "--config-schema"),
        ];
        match asked.iter().find(|(asked, _)| *asked) {
            Some((_, name)) => Err(format!("{name} is not supported by this version")),
            None => Ok(()),
        }
    }

    /// Whether `--markdown`, the deprecated form of `--format markdown`, was given.
    pub fn used_markdown(&self) -> bool {
        self.markdown
    }
}

fn list_format(options: &Options) -> Result<ListFormat, String> {
    match &options.format {
        Some(_) if options.markdown => {
            Err("Cannot specify both --markdown and --format options together".to_owned())
        }
        Some(word) => ListFormat::from_str(word, true).map_err(|_| {
            format!("Invalid format '{word}'. Valid values are: text, markdown, json")
        }),
        None if options.markdown => Ok(ListFormat::Markdown),
        None => Ok(ListFormat::Text),
    }
}

/// As [`stop`], for `falco rules`.
fn stop_of_rules(error: &clap::Error) -> Stop {
    const COMMANDS: [&str; 3] = ["test", "check", "explain"];
    let name = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(name))) => Some(name),
        (ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, _) => None,
        _ => return stop(error),
    };
    let like = name.and_then(|name| suggest::closest(name, COMMANDS));
    Stop::Bad(match (name, like) {
        (Some(name), Some(like)) => {
            format!("there is no 'falco rules {name}'; did you mean 'falco rules {like}'?")
        }
        _ => "falco rules needs a command: test, check or explain (falco rules --help)".to_owned(),
    })
}

/// A parser's refusal in Falco's words, or its own where Falco has none.
fn stop(error: &clap::Error) -> Stop {
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

#[cfg(test)]
mod tests {
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
    fn help_fits_a_screen_and_names_every_group() {
        let Err(Stop::Help(help)) = run(&["--help"]) else { panic!() };
        for word in ["Run:", "Rules:", "Lists:", "About:", "Examples:", "falco events"] {
            assert!(help.contains(word), "{word} is missing in\n{help}");
        }
        assert!(help.lines().count() <= 50, "{} lines:\n{help}", help.lines().count());
        let Err(Stop::Help(help)) = run(&["events", "--help"]) else { panic!() };
        assert!(help.contains("--filter"));
    }
}
