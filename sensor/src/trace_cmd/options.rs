//! The command line of `falco trace`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use falco_rules::priority::Priority;

use crate::config::IfKilled;

const EXAMPLES: &str = "\
Examples:
  falco trace -- make test                            alerts among what it prints on stderr
  falco trace -r my_rules.yaml -- ./server --port 80
  falco trace --fail-on warning -- npm ci             a CI gate: fails if a rule fires
  falco trace -o json_output=true -w run.scap -- sh   JSON alerts; the events, to be replayed
  falco trace --pid 4711 --pid 4712                   what runs already, until Ctrl-C

The command runs as it would without falco: same user, terminal, files, signals and exit code. It
needs no privileges. A filter in the kernel (seccomp) stops its processes only at system calls that
the rules look at; so neither it nor what it starts can gain privileges (no_new_privs: sudo does not
work) unless falco runs as root, and programs that trace others (strace, gdb) cannot do so.

Without -r, and without rules in -c or /etc/falco, the rules are those built into falco. Alerts go to
stderr, or to stdout with -o stdout_output.enabled=true.

Exit codes: that of the command, 128+N if signal N ended it; with --fail-on 100+N if a rule of that
priority or a more severe one fired, N being the most severe that did (0 Emergency, 1 Alert,
2 Critical, 3 Error, 4 Warning, 5 Notice, 6 Informational, 7 Debug); 125 if falco itself failed,
126 if the command cannot be run, 127 if it does not exist. With --pid 0 instead of the command's.";

/// `falco trace`: watches one process tree, without privileges.
#[derive(Debug, Parser)]
#[command(
    name = "falco trace",
    about = "Watch one command and all that it starts, without privileges (seccomp and ptrace)",
    override_usage = "falco trace [OPTIONS] -- CMD [ARGS]...\n       falco trace [OPTIONS] --pid PID...",
    disable_version_flag = true,
    max_term_width = 110,
    after_help = EXAMPLES
)]
pub struct TraceOptions {
    /// Rules file or directory; may be repeated
    #[arg(short = 'r', value_name = "PATH")]
    pub rules: Vec<PathBuf>,

    /// Configuration file [default: none, also if there is /etc/falco/falco.yaml]
    #[arg(short = 'c', value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Override one configuration key; may be repeated
    #[arg(short = 'o', long = "option", value_name = "KEY=VAL")]
    pub overrides: Vec<String>,

    /// Exit with 100+N if a rule of this priority, or a more severe one, fired
    #[arg(long, value_name = "PRIORITY", value_parser = priority)]
    pub fail_on: Option<Priority>,

    /// Watch this running process and its descendants instead of a command; may be repeated
    #[arg(short = 'p', long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(conflicts_with = "command")]
    pub pid: Vec<u32>,

    /// Stop watching after SECONDS (with --pid)
    #[arg(short = 'M', long = "duration", value_name = "SECONDS", requires = "pid")]
    pub duration: Option<u64>,

    /// Record everything that the rules are shown to the capture FILE, too
    #[arg(short = 'w', long = "writefile", value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// What to do with processes that are left when the command has ended
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub rest: Rest,

    /// What happens to the processes if falco itself is killed [default: kill; free with --pid]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub if_killed: Option<IfKilled>,

    /// Stop at every system call instead of using a filter: slow, but needs no seccomp
    #[arg(long)]
    pub no_filter: bool,

    /// No summary at the end
    #[arg(short = 'q', long)]
    pub quiet: bool,

    /// Also tell what is watched and what cannot be seen
    #[arg(short = 'v', long)]
    pub verbose: bool,

    /// List the system calls at which processes stop with these rules, and exit
    #[arg(long, conflicts_with_all = ["command", "pid"])]
    pub list_calls: bool,

    /// The command with its arguments
    #[arg(value_name = "CMD", trailing_var_arg = true)]
    #[arg(required_unless_present_any = ["pid", "list_calls"])]
    pub command: Vec<OsString>,
}

/// What to do with processes that outlive the command. As process 1 of a container there is no
/// choice: the kernel ends them with us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Rest {
    /// Go on watching until the last one has ended
    #[default]
    Wait,
    /// End them with the command
    Kill,
}

fn priority(name: &str) -> Result<Priority, String> {
    Priority::parse(name).ok_or_else(|| {
        let names: Vec<_> = Priority::ALL.iter().map(|p| p.name().to_lowercase()).collect();
        format!("write one of {}", names.join(", "))
    })
}
