//! The command line of `falco doctor`.

use clap::Parser;

use crate::cli::input::Input;

const EXAMPLES: &str = "\
Examples:
  falco doctor -r falco_rules.yaml       whether everything that these rules need can be seen here
  falco doctor                           the same for the installed configuration and rules
  falco doctor --all-syscalls --json     every system call, for programs
  falco doctor -o engine.kind=gvisor     the sandboxes of gVisor, and what rules miss there
  falco doctor -o engine.kind=ptrace -o engine.ptrace.pids=4711
                                         whether that process can be watched without privileges

The probe is loaded and attached for a moment, as a run would do it, and nothing is recorded. The
exit code is 0 if all that the rules need is seen, as far as engine.kind can see it, else 1.";

/// `falco doctor`: whether this host can be watched, and what is missing if not.
#[derive(Debug, Parser)]
#[command(
    name = "falco doctor",
    about = "Check whether this host can be watched: kernel, privileges, probe, and which events are seen",
    disable_version_flag = true,
    max_term_width = 110,
    after_help = EXAMPLES
)]
pub struct DoctorOptions {
    /// Configuration and rules.
    #[command(flatten)]
    pub input: Input,

    /// Check every system call, whatever rules need
    #[arg(long = "all-syscalls")]
    pub all_syscalls: bool,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}
