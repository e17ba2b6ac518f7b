//! The command lines of `falco gvisor …`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::input::Input;

const GVISOR_HELP: &str = "\
A sandbox of gVisor has a kernel of its own, so that eBPF on the host sees nothing of what happens
inside. That kernel can tell falco itself, over a socket. There are two ways to have it do so:

  * falco asks the sandboxes that run (needs nothing; falco must be allowed to run runsc as root):
        falco -o engine.kind=gvisor -r falco_rules.yaml
  * runsc asks for it when it starts a sandbox, so that its first process is seen, too:
        falco gvisor install -r falco_rules.yaml

Both together are best. engine.kind: [modern_ebpf, gvisor] watches the host, too (on the command line:
-o 'engine.kind[]=modern_ebpf' -o 'engine.kind[]=gvisor'), and auto whatever of both there is.";

/// `falco gvisor`: sandboxes of gVisor.
#[derive(Debug, Parser)]
#[command(
    name = "falco gvisor",
    about = "Set up the watching of gVisor's sandboxes, and look at it",
    disable_version_flag = true,
    disable_help_subcommand = true,
    max_term_width = 110,
    after_help = GVISOR_HELP
)]
pub struct GvisorOptions {
    /// What to do.
    #[command(subcommand)]
    pub command: GvisorCommand,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum GvisorCommand {
    /// Print the configuration with which runsc traces a sandbox from its start, for these rules
    #[command(after_help = INIT_CONFIG_HELP)]
    InitConfig(InitConfigOptions),
    /// Write that configuration to where runsc finds it, and show the settings of Docker and containerd
    #[command(after_help = INSTALL_HELP)]
    Install(InstallOptions),
    /// List the sandboxes, whether they are watched, what they sent and what was lost
    #[command(after_help = SESSIONS_HELP)]
    Sessions(SessionsOptions),
}

/// What decides which points are traced.
#[derive(Debug, clap::Args)]
pub struct Points {
    /// Configuration and rules.
    #[command(flatten)]
    pub input: Input,

    /// Version of runsc that is to read it: a release (20240729) or `runsc --version`'s word
    /// [default: that of the runsc found here]
    #[arg(long = "runsc-version", value_name = "VERSION")]
    pub runsc_version: Option<String>,
}

/// `falco gvisor init-config`.
#[derive(Debug, clap::Args)]
pub struct InitConfigOptions {
    /// What it is for.
    #[command(flatten)]
    pub points: Points,
}

const INIT_CONFIG_HELP: &str = "\
Examples:
  falco gvisor init-config -r falco_rules.yaml > /etc/falco/gvisor.json
  runsc --pod-init-config=/etc/falco/gvisor.json run --bundle DIRECTORY NAME

Only the points are traced that the enabled rules and what falco must know of processes need: each
costs the sandbox time. A running falco attaches to sandboxes with the same configuration.";

/// `falco gvisor install`.
#[derive(Debug, clap::Args)]
pub struct InstallOptions {
    /// What it is for.
    #[command(flatten)]
    pub points: Points,

    /// The file to write
    #[arg(long = "config-file", value_name = "PATH", default_value = "/etc/falco/gvisor.json")]
    pub file: PathBuf,

    /// Write nothing, only show what would be done
    #[arg(long = "dry-run")]
    pub dry_run: bool,
}

const INSTALL_HELP: &str = "\
Examples:
  falco gvisor install -r falco_rules.yaml --dry-run
  falco gvisor install                     with the installed configuration and rules

The file takes the place of an older one at once, never half written. The settings of Docker and of
containerd that make runsc read it are printed, not changed. Install again when rules have changed:
sandboxes that are started with an older configuration are brought up to date by a running falco.";

/// `falco gvisor sessions`.
#[derive(Debug, clap::Args)]
pub struct SessionsOptions {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    /// Configuration file [default: /etc/falco/falco.yaml]
    #[arg(short = 'c', value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Override one configuration key; may be repeated
    #[arg(short = 'o', long = "option", value_name = "KEY=VAL")]
    pub overrides: Vec<String>,
}

const SESSIONS_HELP: &str = "\
What is told comes from the falco that runs (with the same engine.gvisor.socket) and from runsc, so
that sandboxes which nobody watches are listed, too.

  SANDBOX   its id            STATE  watched | not watched, and why
  EVENTS    told to rules     DROPS  messages that the sandbox could not send
  LAG       how long ago what was told last had happened when it was told";
