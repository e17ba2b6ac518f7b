//! Falco's options.

use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  falco -r falco_rules.yaml                         watch this host (as root) until Ctrl-C
  falco -e attack.scap -r falco_rules.yaml          alerts of a capture, as Falco gives them
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
       falco gvisor COMMAND      set up and look at gVisor's sandboxes (falco gvisor --help)

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

    /// Watch only this process and what it starts, by ptrace; may be repeated
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(conflicts_with = "capture", help_heading = "Run")]
    pub pid: Vec<u32>,

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

impl Options {
    /// Options that Falco has and this build does not: a clear word instead of silence.
    pub(super) fn refuse_unsupported(&self) -> Result<(), String> {
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

/// What `--format` and `--markdown` say together.
///
/// # Errors
/// If they contradict each other, or name no format.
pub(super) fn list_format(options: &Options) -> Result<ListFormat, String> {
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
