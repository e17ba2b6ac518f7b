//! `falco trace`: one process tree through seccomp and ptrace, without privileges, from its first
//! program to its exit code.
//!
//! * [`options`]: the command line; `exit`: the exit codes.
//! * `tree`: the source, with what is done about processes that outlive the command.
//! * `signals`: signals to falco go to the command; `alerts`: alerts go where they do not disturb it.
//! * `coverage`: what is seen and what is not; `report`: the summary.

mod alerts;
mod coverage;
mod exit;
mod openings;
pub mod options;
mod report;
mod signals;
mod tree;

use std::io::{self, ErrorKind, Write};
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use falco_enrich::selection::Selection;
use falco_ptrace::{Command, Options, Ptrace, init};
use falco_rules::loader::LoadedRule;
use falco_rules::priority::Priority;
use falco_source::Source;

use crate::config::IfKilled;
use crate::engine::Engine;
use crate::event_loop::{AlertLines, EventLoop, Housekeeping, Moment, Outcome, Tick};
use crate::internal_alert::{InternalAlerts, now_ns};
use crate::live::resolver::Resolver;
use crate::live::tables::Tables;
use crate::live::{live_state, sources, trees};
use crate::log::Log;
use crate::outputs::Queue;
use crate::recording::{self, WhenFull};
use crate::rules_files::{self, Found, RulesFile};
use crate::session::{Session, config_file, load_overridden, load_rules};
use crate::signals::Stop;
use crate::tell_error;
use alerts::{Patient, Stream};
use options::{Rest, TraceOptions};
use report::Report;
use signals::Target;
use tree::Tree;

/// What falco watches with if nobody names rules: in an image there are no files beside the program.
const BUILT_IN_RULES: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../rules/default/falco_rules.yaml"));

/// Watches, tells its own failure on stderr, and gives the exit code (`exit`).
pub fn run(options: &TraceOptions) -> ExitCode {
    match watch(options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tell_error(&error);
            ExitCode::from(exit_code_of(&error))
        }
    }
}

/// The code with which `falco trace` itself fails, also for a command line that is wrong.
pub const FAILED: u8 = exit::FAILED;

/// A command that could not be run speaks as it does in a shell.
fn exit_code_of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<CannotRun>() {
        Some(CannotRun { error, .. }) if error.kind() == ErrorKind::NotFound => exit::NOT_FOUND,
        Some(_) => exit::CANNOT_RUN,
        None => exit::FAILED,
    }
}

/// The command cannot be run.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {program}: {}", why(.error))]
struct CannotRun {
    program: String,
    error: io::Error,
}

/// An error that may be one's own, without a text of the system.
fn why(error: &io::Error) -> String {
    match (error.raw_os_error(), error.kind()) {
        (None, ErrorKind::NotFound) => "there is no such program".to_owned(),
        (None, ErrorKind::PermissionDenied) => "it may not be executed".to_owned(),
        _ => error.to_string(),
    }
}

fn watch(options: &TraceOptions) -> Result<u8> {
    let is_init = process::id() == 1;
    // As process 1 of a container this forks, which must be before there are threads.
    init::become_init().context("cannot be process 1")?;
    let (session, to_stdout) = load(options)?;
    let source = source_options(options, &session)?;
    if options.list_calls {
        coverage::list_calls(&source, options.verbose)?;
        return Ok(0);
    }
    coverage::tell(options, &session);
    let stop = Stop::default();
    let ptrace = if options.pid.is_empty() {
        let name = options.command.first().map(|name| name.to_string_lossy().into_owned());
        let command = Command::new(&options.command)
            .map_err(|error| CannotRun { program: name.unwrap_or_default(), error })?;
        let ptrace = Ptrace::spawn(&command, source)?;
        signals::take_over(Target::Command(ptrace.control()))?;
        ptrace
    } else {
        let ptrace = trees::attach(&options.pid, source)?;
        signals::take_over(Target::Watch(stop.clone()))?;
        ptrace
    };
    let resolver = Resolver::start(session.program.ruleset.host_names(), session.log);
    // With process 1 the kernel ends the others.
    let rest = if is_init { Rest::Kill } else { options.rest };
    let tree = Tree::new(ptrace, options, rest);
    run_loop(options, session, to_stdout, tree, resolver.as_ref(), &stop)
}

/// Configuration and rules; and whether alerts go to stdout. Unlike a sensor that serves a whole host,
/// this reads no configuration that it is not told of.
fn load(options: &TraceOptions) -> Result<(Session, bool)> {
    let file = options.config.as_deref().map(|named| config_file(Some(named))).transpose()?;
    let mut loaded = load_overridden(&options.overrides, file.flatten().as_deref())?;
    let to_stdout = match loaded.tree.at("stdout_output.enabled") {
        Some(_) => loaded.config.stdout_enabled,
        None => false,
    };
    // There is always an output.
    loaded.config.stdout_enabled = true;
    let log = Log::new(&loaded.config);
    loaded.warnings.iter().for_each(|warning| log.warning(warning));
    let mut engine = Engine::new(&loaded.config, None);
    let found = if options.rules.is_empty() && loaded.config.rules_files.is_empty() {
        let content = BUILT_IN_RULES.to_vec();
        let built_in = RulesFile { name: "the rules built into falco".to_owned(), content };
        Found { files: vec![built_in], notes: Vec::new() }
    } else {
        rules_files::read(&options.rules, &loaded.config.rules_files)?
    };
    load_rules(&loaded.config, &mut engine, found, &log)?;
    Ok((Session::new(loaded.config, engine, log)?, to_stdout))
}

/// What the source is to stop at: what rules look at, and what `base_syscalls` names. It keeps the
/// tables true by itself.
fn source_options(options: &TraceOptions, session: &Session) -> Result<Options> {
    let Session { config, log, .. } = session;
    let rules = sources::rules_want(&session.rules)?;
    let base = config.base_syscalls();
    let selection = Selection::new(&rules, &base);
    sources::tell_selection(&rules, &selection, log);
    let wanted = trees::wanted(&rules, selection, &base);
    // What was started without falco should outlive it.
    let default = if options.pid.is_empty() { IfKilled::Kill } else { IfKilled::Free };
    let if_killed = options.if_killed.unwrap_or(default);
    Ok(Options {
        seccomp: !options.no_filter,
        openings: openings::that_matter(options, session, &base),
        ..trees::options(config, &wanted, if_killed)
    })
}

fn run_loop(
    options: &TraceOptions,
    session: Session,
    to_stdout: bool,
    mut tree: Tree,
    resolver: Option<&Resolver>,
    stop: &Stop,
) -> Result<u8> {
    let matching = session.matching();
    let Session { config, fields, rules, program, formatter, internal, log } = session;
    let buffered = config.buffered_outputs;
    let queue =
        Queue::start(config.outputs_queue_capacity, move || Stream::new(to_stdout, buffered))
            .context("cannot start the thread that writes alerts")?;
    let told = InternalAlerts::new(internal, queue.handle());
    let write = options.write.as_deref();
    // Recording may wait: whoever is stopped waits for it, and nothing is lost.
    let tell = Box::new(move |alert| told.raise(&alert, now_ns()));
    let mut recorders = recording::recorders(&config, &rules, write, WhenFull::Wait, log, tell)?;
    let mut state = live_state(&config, tree.lookup());
    if let Some(resolver) = resolver {
        state.set_host_names(resolver.names());
    }
    let mut output = queue.handle().output(log);
    let mut alerts = Patient::new(AlertLines::new(formatter, &mut output));
    let outcome = EventLoop {
        source: &mut tree,
        begun: None,
        prepare: |snapshot| snapshot.is_live = true,
        state,
        fields: &fields,
        rules: rules.len(),
        program: &program,
        matching,
        matches: &mut alerts,
        observers: &mut recorders,
        housekeeping: &mut Upkeep::new(options, log),
        seen_until: 0,
        duration_ns: 0,
        stop,
    }
    .run();
    let mut unwritten = alerts.error;
    let handle = queue.handle();
    match queue.finish(Duration::from_millis(u64::from(config.output_timeout_ms))) {
        Ok(0) => {}
        Ok(lost) => log.warning(&format!("an output is blocked: {lost} alerts were not written")),
        Err(error) => unwritten = Some(unwritten.unwrap_or(error.into())),
    }
    if handle.dropped() > 0 {
        let dropped = handle.dropped();
        log.warning(&format!("{dropped} alerts were dropped because the outputs queue was full"));
    }
    if let Some(error) = unwritten {
        log.warning(&format!("alerts could not be written: {error:#}"));
    }
    let worst = worst(&outcome, &rules);
    let report = Report { outcome: &outcome, rules: &rules, tree: &tree, options };
    if !options.quiet {
        report.print();
    }
    let status = tree.exit_status();
    if let Some(error) = outcome.error {
        return Err(tree.explain(error));
    }
    let command = status.map_or(0, exit::of_command);
    Ok(exit::of_gate(options.fail_on, worst).unwrap_or(command))
}

/// The priority of the most severe alert.
fn worst(outcome: &Outcome, rules: &[LoadedRule]) -> Option<Priority> {
    let fired = rules.iter().zip(outcome.alerts.counts());
    fired.filter(|(_, count)| *count > 0).map(|(rule, _)| rule.priority).min()
}

/// What is done beside events.
struct Upkeep {
    started: Instant,
    /// How long to watch; none is for ever.
    duration: Option<Duration>,
    tables: Tables,
}

impl Upkeep {
    /// Event time between two looks at what is to be done, in nanoseconds.
    const PERIOD_NS: u64 = 10_000_000;

    fn new(options: &TraceOptions, log: Log) -> Self {
        let duration = options.duration.filter(|&s| s > 0).map(Duration::from_secs);
        Upkeep { started: Instant::now(), duration, tables: Tables::new(log) }
    }
}

impl Housekeeping for Upkeep {
    fn tick(&mut self, moment: &mut Moment<'_>) -> Result<Tick> {
        let time = moment.latest.filter(|_| !moment.idle).unwrap_or_else(now_ns);
        self.tables.tend(moment.state, time);
        if self.duration.is_some_and(|duration| self.started.elapsed() >= duration) {
            return Ok(Tick::End);
        }
        Ok(Tick::At(moment.latest.map_or(0, |latest| latest.saturating_add(Self::PERIOD_NS))))
    }
}

/// A word on stderr.
fn tell(text: &str) {
    // There is nowhere to report that stderr is closed.
    let _ = writeln!(crate::outputs::Waiting(io::stderr()), "falco: {text}");
}
