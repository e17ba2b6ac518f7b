//! What Falco's flat options ask for, in the order in which Falco carries it out
//! (`reference/cli.md`): some end the run after printing, the last one processes events.

use std::cell::RefCell;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use falco_capture::CaptureReader;
use falco_enrich::state::State;
use falco_rules::catalogue::Catalogue;
use falco_rules::loader::SYSCALL_SOURCE;

use crate::cli::Options;
use crate::config::{Config, EngineKind, Loaded};
use crate::engine::{Engine, Validation};
use crate::event_loop::{AlertLines, EventLoop, NoHousekeeping};
use crate::internal_alert::now_ns;
use crate::list::ListOptions;
use crate::log::Log;
use crate::outputs::{Output, Stdout};
use crate::recording::{self, WhenFull};
use crate::session::{DEFAULT_CONFIG, Session, config_file, load_config, load_rules};
use crate::signals::Stop;
use crate::{event_sources, list, list_events, live, preamble, rules_files, suggest, summary};
use crate::{support, version};

/// Falco's exit code for a pid file that cannot be written.
const PIDFILE_FAILURE: u8 = 255;

/// Carries the options out. `cmdline` is the whole command line, for `--support`.
///
/// # Errors
/// With the message that Falco prints behind `Error: `; the exit code is then 1.
pub fn run(options: &Options, cmdline: &str) -> Result<ExitCode> {
    options.strays.iter().for_each(|stray| {
        let hint =
            suggest::closest(stray, ["events", "rules", "record", "doctor", "gvisor", "trace"]);
        let hint = hint.map(|like| format!("; did you mean 'falco {like}'?")).unwrap_or_default();
        notice(&format!("argument '{stray}' is ignored, it is no option{hint}"));
    });
    if options.used_markdown() {
        notice("--markdown is deprecated, use --format markdown instead.");
    }
    let config_file = config_file(options.config.as_deref())?;

    let mut out = BufWriter::new(io::stdout().lock());
    if options.rule_schema {
        // Without a last newline, as Falco.
        write!(out, "{:#}", falco_rules::schema::rules_file_json())?;
        return done(out);
    }
    if options.ignored {
        list_events::print_ignored(&mut out)?;
        return done(out);
    }
    if options.list_events {
        list_events::print(options.list_format, &mut out)?;
        return done(out);
    }
    let loaded = load_config(options, config_file.as_deref())?;
    if options.version {
        print_version(&loaded.config, &mut out)?;
        return done(out);
    }
    if options.page_size {
        writeln!(out, "Your system page size is: {} bytes", rustix::param::page_size())?;
        return done(out);
    }
    if config_file.is_none() && !works_without_config(options, &loaded.config) {
        bail!(
            "You must create a config file at {DEFAULT_CONFIG} or by passing -c (or name rules \
             with -r: without a file, Falco's shipped settings hold)"
        );
    }
    run_configured(options, cmdline, loaded, out)
}

/// What needs fields and rules.
fn run_configured(
    options: &Options,
    cmdline: &str,
    loaded: Loaded,
    mut out: BufWriter<impl Write>,
) -> Result<ExitCode> {
    let config = &loaded.config;
    let log = Log::new(config);
    log_start(options, &loaded, &log);
    let mut engine = Engine::new(config, options.print.as_deref());
    if let Some(source) = &options.list {
        list_fields(options, source, &engine, &mut out)?;
        return done(out);
    }
    let replaying = config.engines.is(EngineKind::Replay);
    event_sources::select(
        &[SYSCALL_SOURCE],
        &options.enable_source,
        &options.disable_source,
        replaying,
    )?;
    if !options.validate.is_empty() {
        validate(options, config, &mut engine, &log, &mut out)?;
        return done(out);
    }
    let found = rules_files::read(&options.rules, &config.rules_files)?;
    let report = options.support.then(|| support::report(cmdline, &loaded, &found.files));
    load_rules(config, &mut engine, found, &log)?;
    if options.describe_all || options.describe.is_some() {
        let description = engine.describe(options.describe.as_deref())?;
        print_description(&description, config, &mut out)?;
        return done(out);
    }
    if let Some(report) = report {
        writeln!(out, "{report}")?;
        return done(out);
    }
    // The loop takes stdout over.
    drop(out);
    process_events(options, Session::new(loaded.config, engine, log)?)
}

fn done(mut out: BufWriter<impl Write>) -> Result<ExitCode> {
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A word on stderr before there is a configuration that says whether to log.
fn notice(text: &str) {
    // There is nowhere to report that stderr is closed.
    let _ = writeln!(io::stderr(), "WARNING: {text}");
}

fn print_version(config: &Config, out: &mut dyn Write) -> io::Result<()> {
    if config.json_output {
        writeln!(out, "{}", serde_json::Value::Object(version::json()))
    } else {
        write!(out, "{}", version::text())
    }
}

/// The first lines of the log, as Falco writes them.
fn log_start(options: &Options, loaded: &Loaded, log: &Log) {
    log.info(&format!("Falco version: {} (sensor {})", version::FALCO, version::SENSOR));
    if !loaded.files.is_empty() {
        log.info("Falco initialized with configuration files:");
        loaded.files.iter().for_each(|file| log.info(&format!("   {}", file.display())));
    }
    loaded.warnings.iter().for_each(|warning| log.warning(warning));
    if options.print.is_some() {
        log.warning(
            "The -p/--print option is deprecated and will be removed. Use -o append_output=... \
             instead.",
        );
    }
}

fn list_fields(
    options: &Options,
    source: &str,
    engine: &Engine,
    out: &mut dyn Write,
) -> Result<()> {
    if !source.is_empty() && source != SYSCALL_SOURCE {
        bail!("Value for --list must be a valid source type");
    }
    let how = ListOptions {
        names_only: options.names_only,
        verbose: options.verbose > 0,
        format: options.list_format,
    };
    Ok(list::print(engine.fields.fields(), SYSCALL_SOURCE, how, out)?)
}

/// Whether what is asked for needs nothing that only a configuration file can say. Falco insists
/// on a file; with rules at hand, or none needed, its shipped settings will do.
fn works_without_config(options: &Options, config: &Config) -> bool {
    let has_rules = !options.rules.is_empty() || !config.rules_files.is_empty();
    has_rules || options.capture.is_some() || options.list.is_some() || !options.validate.is_empty()
}

fn validate(
    options: &Options,
    config: &Config,
    engine: &mut Engine,
    log: &Log,
    out: &mut dyn Write,
) -> Result<()> {
    let files = rules_files::read_all(&options.validate)?;
    let validation = Validation::run(engine, &files, log)?;
    let describe = validation.successful && (options.describe_all || options.describe.is_some());
    let description = describe.then(|| engine.describe(options.describe.as_deref())).transpose()?;
    if config.json_output {
        let mut object = serde_json::json!({ "falco_load_results": validation.results });
        if let Some(description) = description {
            object["falco_describe_results"] = description;
        }
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "{}", validation.summary)?;
        if let Some(description) = &description {
            writeln!(out, "\n{}", falco_rules::describe::to_text(description).trim_end())?;
        }
    }
    if !validation.successful {
        out.flush()?;
        bail!(validation.summary);
    }
    Ok(())
}

fn print_description(
    description: &serde_json::Value,
    config: &Config,
    out: &mut dyn Write,
) -> Result<()> {
    if config.json_output {
        writeln!(out, "{description}")?;
    } else {
        write!(out, "{}", falco_rules::describe::to_text(description))?;
    }
    Ok(())
}

fn process_events(options: &Options, session: Session) -> Result<ExitCode> {
    if options.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let stop = Stop::install().context("cannot handle SIGINT and SIGTERM")?;
    if let Some(path) = &options.pidfile
        && let Err(error) = fs::write(path, format!("{}\n", std::process::id()))
    {
        notice(&format!("Could not write pid to pid file {}: {error}", path.display()));
        return Ok(ExitCode::from(PIDFILE_FAILURE));
    }
    match session.config.engines.is(EngineKind::Replay) {
        true => replay(options, session, &stop),
        false => live::run(options, session, &stop),
    }
}

/// Sends the events of a capture through the rules.
fn replay(options: &Options, session: Session, stop: &Stop) -> Result<ExitCode> {
    let mut source = CaptureReader::open(&session.config.capture_file)?;
    let mut output = Rc::new(RefCell::new(Stdout::new(session.config.buffered_outputs)));
    let matching = session.matching();
    let Session { config, fields, rules, program, formatter, internal, log } = session;
    let mut told = Rc::clone(&output);
    let tell = move |alert| Ok(told.alert(&internal.line(&alert, now_ns()))?);
    let mut recorders = recording::recorders(
        &config,
        &rules,
        options.write.as_deref(),
        WhenFull::Wait,
        log,
        Box::new(tell),
    )?;
    let outcome = EventLoop {
        source: &mut source,
        begun: None,
        prepare: preamble::as_falco_replays,
        state: State::new(config.limits()),
        fields: &fields,
        rules: rules.len(),
        program: &program,
        matching,
        matches: &mut AlertLines::new(formatter, &mut output),
        observers: &mut recorders,
        housekeeping: &mut NoHousekeeping,
        seen_until: 0,
        duration_ns: options.duration.saturating_mul(1_000_000_000),
        stop,
    }
    .run();
    drop((output, recorders));
    if stop.requested() {
        log.info("SIGINT received, exiting...");
    }
    summary::print(&outcome, &rules, options.verbose > 0, &log)?;
    outcome.error.map_or(Ok(ExitCode::SUCCESS), Err)
}
