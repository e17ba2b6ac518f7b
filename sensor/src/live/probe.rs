//! Which system calls a session wants, and the source that delivers them.

use anyhow::{Result, bail};
use falco_enrich::selection::{self, Selection, SyscallSet};
use falco_event::Syscall;
use falco_modern_ebpf::coverage::{Coverage, Status};
use falco_modern_ebpf::{AttachMode, ModernEbpf, Options};
use falco_rules::loader::{LoadedRule, SYSCALL_SOURCE};
use falco_source::{Snapshot, Source};

use super::nodriver::NoDriver;
use super::resolver::Resolver;
use crate::config::{Attach, Config, EngineKind, LogLevel};
use crate::internal_alert::now_ns;
use crate::log::Log;
use crate::preamble;
use crate::session::Session;

/// A source that watches already: what it sees waits to be read.
pub struct Opened {
    /// The source, started.
    pub source: Box<dyn Source + Send>,
    /// What it told at its start.
    pub snapshot: Snapshot,
    /// Whether it is eBPF.
    pub is_ebpf: bool,
    /// When it was watching for certain, in nanoseconds since the epoch.
    pub since: u64,
    /// Looks up the hosts that rules name, if they name any.
    pub resolver: Option<Resolver>,
}

/// Opens and starts the source of a session.
///
/// # Errors
/// If the kernel cannot be watched, saying what to do about it.
pub fn open(session: &Session) -> Result<Opened> {
    let Session { config, log, .. } = session;
    if config.engine_kind == EngineKind::Nodriver {
        log.info("Opening 'syscall' source with no driver");
        return Opened::start(NoDriver::default(), false, |_| {});
    }
    // First, so that names are likely known when the first event comes.
    let resolver = Resolver::start(session.program.ruleset.host_names(), *log);
    let rules = rules_want(session.engine.loader.rules())?;
    let selection = Selection::new(&rules, &config.base_syscalls());
    tell_selection(&rules, &selection, log);
    let options = options(config, &selection.syscalls)?;
    log.info("Opening 'syscall' source with modern BPF probe.");
    log.info(&match options.cpus_per_buffer {
        0 => "One ring buffer for all CPUs.".to_owned(),
        cpus => format!("One ring buffer every '{cpus}' CPUs."),
    });
    if options.drop_failed_exit {
        log.info("Failed syscall exit events are dropped in the kernel driver");
    }
    let source = ModernEbpf::open(options)?;
    let opened = Opened::start(source, true, |source| tell_coverage(source.coverage(), log))?;
    Ok(Opened { resolver, ..opened })
}

impl Opened {
    fn start<S: Source + Send + 'static>(
        mut source: S,
        is_ebpf: bool,
        started: impl FnOnce(&S),
    ) -> Result<Self> {
        let snapshot = source.start()?;
        started(&source);
        let source = Box::new(source);
        Ok(Opened { source, snapshot, is_ebpf, since: now_ns(), resolver: None })
    }
}

/// The system calls that the enabled rules look at.
///
/// # Errors
/// If a condition compares the event's type with a field; such rules do not load.
pub fn rules_want(rules: &[LoadedRule]) -> Result<SyscallSet> {
    let mut wanted = SyscallSet::empty();
    for rule in rules.iter().filter(|rule| rule.enabled && rule.source == SYSCALL_SOURCE) {
        let calls = selection::of_condition(&rule.condition).map_err(anyhow::Error::msg)?;
        wanted = wanted.union(&calls);
    }
    Ok(wanted)
}

/// What the probe is asked for: these system calls, and the configuration's wishes.
///
/// # Errors
/// If the size of the rings is out of range.
pub fn options(config: &Config, syscalls: &SyscallSet) -> Result<Options> {
    let preset = config.ebpf_buffer_preset;
    if !(1..=10).contains(&preset) {
        bail!("The 'buf_size_preset' value must be between '1' and '10'");
    }
    let defaults = Options::default();
    Ok(Options {
        syscalls: syscalls.iter().collect(),
        buffer_bytes: 1 << (19 + preset),
        cpus_per_buffer: config.ebpf_cpus_per_buffer,
        drop_failed_exit: config.ebpf_drop_failed_exit,
        snaplen: if config.snaplen == 0 { defaults.snaplen } else { config.snaplen },
        attach: match config.ebpf_attach {
            Attach::Auto => AttachMode::Auto,
            Attach::SysExit => AttachMode::SysExit,
            Attach::PerSyscall => AttachMode::PerSyscall,
        },
        host_root: preamble::host_root(),
    })
}

/// Logs what Falco logs of a selection.
pub fn tell_selection(rules: &SyscallSet, selection: &Selection, log: &Log) {
    let debug = |what: &str, calls: &SyscallSet| {
        let names = names(calls);
        log.write(LogLevel::Debug, &format!("({}) {what}: {}", names.len(), names.join(", ")));
    };
    debug("syscalls in rules", rules);
    debug("syscalls selected in total (final set)", &selection.syscalls);
    if !selection.unknown_names.is_empty() {
        log.warning(&format!(
            "Invalid syscall names: warning (base_syscalls override): {}",
            selection.unknown_names.join(", ")
        ));
    }
    if !selection.undelivered.is_empty() {
        log.warning(&format!(
            "Loaded rules match syscalls that are not activated or unsupported with current \
             configuration: warning (unsupported-evttype): {}. High-volume ones are activated by \
             base_syscalls.all=true; others were taken away by base_syscalls",
            names(&selection.undelivered).join(", ")
        ));
    }
}

/// Names in alphabetical order.
pub fn names(calls: &SyscallSet) -> Vec<&'static str> {
    let mut names: Vec<_> = calls.iter().filter_map(Syscall::by_id).map(|call| call.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Logs how the probe is attached and what it does not see.
fn tell_coverage(coverage: &Coverage, log: &Log) {
    let is_seen = |status: &Status| matches!(status, Status::Covered | Status::Partly(_));
    let seen = coverage.calls.iter().filter(|call| is_seen(&call.status)).count();
    let absent = coverage.calls.iter().filter(|call| call.status == Status::NotInKernel).count();
    let refused = coverage.calls.len() - seen - absent;
    let why = match &coverage.no_per_syscall {
        Some(why) => format!(" (not per syscall: {why})"),
        None => String::new(),
    };
    log.info(&format!(
        "Attached: {}{why}; {seen} syscalls are seen, {refused} refused, {absent} not in this \
         kernel",
        coverage.attachment.name()
    ));
    for call in coverage.gaps() {
        let (what, refusal) = match &call.status {
            Status::Partly(refusal) => ("not seen in every form", refusal),
            Status::Refused(refusal) => ("not seen", refusal),
            Status::Covered | Status::NotInKernel => continue,
        };
        log.warning(&format!(
            "{} is {what}: {}: {} (falco doctor tells more)",
            call.name(),
            refusal.program,
            refusal.error
        ));
    }
}
