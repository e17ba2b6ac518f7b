//! The sources that a session watches through: those that `engine.kind` names, opened and started, as
//! one.

use anyhow::{Context, Result, anyhow, bail};
use falco_enrich::selection::{self, Selection, SyscallSet};
use falco_event::Syscall;
use falco_gvisor::{Gvisor, Receiver};
use falco_modern_ebpf::ModernEbpf;
use falco_proc::Proc;
use falco_rules::loader::{LoadedRule, SYSCALL_SOURCE};
use falco_source::{Several, Snapshot, Source, ThreadLookup};

use super::nodriver::NoDriver;
use super::probe;
use super::resolver::Resolver;
use super::trees::{self, Trees};
use crate::config::{Config, EngineKind, LogLevel};
use crate::gvisor::{here, setup};
use crate::internal_alert::now_ns;
use crate::limits::{self, Limits};
use crate::log::Log;
use crate::preamble;
use crate::session::Session;

/// A source that watches already: what it sees waits to be read.
pub struct Opened {
    /// The source, started; several are one.
    pub source: Box<dyn Source + Send>,
    /// What it told at its start.
    pub snapshot: Snapshot,
    /// Whom to ask about threads.
    pub lookup: Option<Box<dyn ThreadLookup>>,
    /// What is among it.
    pub kinds: Kinds,
    /// When it was watching for certain, in nanoseconds since the epoch.
    pub since: u64,
    /// Looks up the hosts that rules name, if they name any.
    pub resolver: Option<Resolver>,
    /// What stays if another session takes over.
    pub kept: Kept,
}

/// What of a watch another session can take over, if it is to watch the same.
#[derive(Clone, Default)]
pub struct Kept {
    /// Where sandboxes send to. Connections live as long as one of its handles.
    pub receiver: Option<Receiver>,
    /// Processes that are traced.
    pub trees: Option<Trees>,
}

/// What is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// The host, through eBPF.
    pub ebpf: bool,
    /// The sandboxes of gVisor.
    pub gvisor: bool,
    /// Process trees, by ptrace(2).
    pub ptrace: bool,
}

impl Kinds {
    /// Those that the configuration wants. What `auto` means depends on what is there.
    pub fn wanted(config: &Config) -> Self {
        let engines = &config.engines;
        let auto = engines.is(EngineKind::Auto);
        Kinds {
            ebpf: auto || engines.has(EngineKind::ModernEbpf),
            gvisor: engines.has(EngineKind::Gvisor) || (auto && here::is_here(config)),
            ptrace: engines.has(EngineKind::Ptrace),
        }
    }

    /// Whether a long silence means that something is broken: a host always does something, sandboxes
    /// need not even be there, and a process may sleep.
    pub fn never_silent(self) -> bool {
        self.ebpf || !(self.gvisor || self.ptrace)
    }
}

/// Opens and starts the sources of a session. `kept` is what is watched at present.
///
/// # Errors
/// If something that is to be watched cannot be, saying what to do about it.
pub fn open(session: &Session, kept: &Kept) -> Result<Opened> {
    let Session { config, log, .. } = session;
    if config.engines.is(EngineKind::Nodriver) {
        log.info("Opening 'syscall' source with no driver");
        return Opening::default().add(NoDriver::default())?.done(Kinds::default());
    }
    let rules = &session.rules;
    let wanted = rules_want(rules)?;
    let base = config.base_syscalls();
    let selection = Selection::new(&wanted, &base);
    tell_selection(&wanted, &selection, log);
    let syscalls = match config.engines.is(EngineKind::Ptrace) {
        true => trees::wanted(&wanted, selection, &base),
        false => selection.syscalls,
    };
    // First, so that names are likely known when the first event comes.
    let resolver = Resolver::start(session.program.ruleset.host_names(), *log);
    let opened = open_for(config, &syscalls, kept, log)?;
    if opened.kinds.gvisor {
        let scope = match opened.kinds.ebpf {
            true => "In sandboxes of gVisor (not on the host, which eBPF watches)",
            false => "In sandboxes of gVisor",
        };
        let more = "gVisor tells of fewer system calls than a kernel (falco doctor says which)";
        Limits::of(rules, &limits::Gvisor).tell(scope, more, log);
    }
    if opened.kinds.ptrace {
        Limits::of(rules, &limits::Ptrace).tell_blind(log);
    }
    Ok(Opened { resolver, ..opened })
}

/// Opens and starts the sources that `config` names, for these system calls.
///
/// # Errors
/// As [`open`].
pub fn open_for(config: &Config, syscalls: &SyscallSet, kept: &Kept, log: &Log) -> Result<Opened> {
    let mut kinds = Kinds::wanted(config);
    let is_auto = config.engines.is(EngineKind::Auto);
    if config.engines.has(EngineKind::Kmod) {
        bail!(
            "engine.kind 'kmod' is not supported by this version; watch through eBPF with \
             -o engine.kind=modern_ebpf, or replay a capture with -e FILE"
        );
    }
    let mut opening = Opening::default();
    if kinds.ebpf {
        match open_ebpf(config, syscalls, log, &mut opening) {
            Err(error) if is_auto && kinds.gvisor => {
                kinds.ebpf = false;
                let why = crate::message(&error);
                log.warning(&format!("engine.kind auto: this host is not watched: {why}"));
            }
            Err(error) if is_auto => {
                return Err(error.context(
                    "engine.kind auto: no sandbox of gVisor is here, and this host cannot be \
                     watched",
                ));
            }
            tried => tried?,
        }
    }
    if kinds.gvisor {
        let receiver = setup::receiver(config, kept.receiver.as_ref())?;
        let options = setup::options(config, syscalls);
        let socket = receiver.socket().display();
        log.info(&format!("Opening 'syscall' source with gVisor. Sandboxes send to {socket}."));
        if !options.attach {
            log.info("Sandboxes that were not started to send there are left alone.");
        }
        opening.kept.receiver = Some(receiver.clone());
        let mut source = Gvisor::new(receiver, options);
        let log = *log;
        source.set_notes(move |line| log.warning(line));
        opening = opening.add(source)?;
    }
    if kinds.ptrace {
        let (source, trees) = trees::open(config, syscalls, kept.trees.as_ref())?;
        let pids: Vec<_> = config.ptrace_pids.iter().map(u32::to_string).collect();
        log.info(&format!(
            "Opening 'syscall' source with ptrace: {} and what they start",
            pids.join(", ")
        ));
        opening.kept.trees = Some(trees);
        opening = opening.add(source)?;
    }
    if kinds.gvisor && !kinds.ebpf {
        opening.add_surroundings(log);
    }
    opening.done(kinds)
}

fn open_ebpf(
    config: &Config,
    syscalls: &SyscallSet,
    log: &Log,
    opening: &mut Opening,
) -> Result<()> {
    let options = probe::options(config, syscalls)?;
    log.info("Opening 'syscall' source with modern BPF probe.");
    log.info(&match options.cpus_per_buffer {
        0 => "One ring buffer for all CPUs.".to_owned(),
        cpus => format!("One ring buffer every '{cpus}' CPUs."),
    });
    if options.drop_failed_exit {
        log.info("Failed syscall exit events are dropped in the kernel driver");
    }
    let mut source = ModernEbpf::open(options).map_err(|error| match rustix::process::geteuid()
        .is_root()
    {
        true => anyhow::Error::new(error),
        false => anyhow!(
            "{error}. Without privileges single commands can be watched: falco trace -- CMD (falco \
             doctor tells more)"
        ),
    })?;
    let snapshot = source.start()?;
    probe::tell_coverage(source.coverage(), log);
    opening.started(source, snapshot);
    Ok(())
}

/// Sources that are started one after the other.
#[derive(Default)]
struct Opening {
    sources: Vec<Box<dyn Source + Send>>,
    snapshot: Option<Snapshot>,
    kept: Kept,
}

impl Opening {
    fn add(mut self, mut source: impl Source + Send + 'static) -> Result<Self> {
        let snapshot = source.start()?;
        self.started(source, snapshot);
        Ok(self)
    }

    fn started(&mut self, source: impl Source + Send + 'static, snapshot: Snapshot) {
        match &mut self.snapshot {
            Some(whole) => whole.join(snapshot),
            None => self.snapshot = Some(snapshot),
        }
        self.sources.push(Box::new(source));
    }

    /// What sandboxes do not tell of the host that they are on.
    fn add_surroundings(&mut self, log: &Log) {
        let snapshot = self.snapshot.get_or_insert_default();
        match Proc::new(preamble::host_root()).surroundings() {
            Ok(surroundings) => snapshot.join(Snapshot { is_live: true, ..surroundings }),
            Err(error) => log.warning(&format!("the host is not known: {error}")),
        }
    }

    fn done(mut self, kinds: Kinds) -> Result<Opened> {
        let source = match self.sources.len() {
            0 | 1 => self.sources.pop().context("nothing is to be watched")?,
            _ => Box::new(Several::new(self.sources)),
        };
        Ok(Opened {
            lookup: source.lookup(),
            source,
            snapshot: self.snapshot.unwrap_or_default(),
            kinds,
            since: now_ns(),
            resolver: None,
            kept: self.kept,
        })
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
