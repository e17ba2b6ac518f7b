//! The command lines of `falco events` and `falco record`.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

const EVENTS_EXAMPLES: &str = "\
Examples:
  falco events --filter 'proc.name = nginx and evt.type in (open, openat)'
  falco events --engine gvisor                      inside gVisor's sandboxes
  falco events --engine ptrace --pid 4711           one process tree, without privileges
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
    /// Where events come from, as engine.kind; several may be joined by commas [default: modern_ebpf]
    #[arg(long = "engine", value_name = "KIND", conflicts_with = "capture")]
    #[arg(value_enum, value_delimiter = ',')]
    pub engine: Vec<LiveEngine>,

    /// Only events of this process and of its descendants; may be repeated
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Vec<u32>,

    /// Override one configuration key of the engine; may be repeated
    #[arg(short = 'o', long = "option", value_name = "KEY=VAL", conflicts_with = "capture")]
    pub overrides: Vec<String>,

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

/// What can be watched live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum LiveEngine {
    /// This host, through eBPF.
    ModernEbpf,
    /// The sandboxes of gVisor.
    Gvisor,
    /// The processes of --pid and what they start, by ptrace(2), without privileges.
    Ptrace,
    /// Whatever of the first two there is here.
    Auto,
}

impl LiveEngine {
    /// As `engine.kind` has it.
    pub fn name(self) -> &'static str {
        match self {
            LiveEngine::ModernEbpf => "modern_ebpf",
            LiveEngine::Gvisor => "gvisor",
            LiveEngine::Ptrace => "ptrace",
            LiveEngine::Auto => "auto",
        }
    }
}

const RECORD_EXAMPLES: &str = "\
Examples:
  falco record -w host.scap                         until Ctrl-C
  falco record -w host.scap --duration 60 --max-size 500
  falco record -w pods.scap --engine gvisor         inside gVisor's sandboxes
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
