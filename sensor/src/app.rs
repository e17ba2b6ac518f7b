//! What Falco's flat options ask for, in the order in which Falco carries it out
//! (`reference/cli.md`): some end the run after printing, the last one processes events.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use falco_capture::CaptureReader;
use falco_enrich::state::State;
use falco_rules::catalogue::Catalogue;
use falco_rules::loader::SYSCALL_SOURCE;
use falco_rules::ruleset::Matching;

use crate::alert::AlertFormatter;
use crate::cli::Options;
use crate::config::{self, AppendOutput, Config, EngineKind, Loaded};
use crate::engine::{Engine, Validation};
use crate::event_loop::{AlertLines, EventLoop, NoHousekeeping, Outcome};
use crate::list::ListOptions;
use crate::log::Log;
use crate::outputs::Stdout;
use crate::rules_files::{self, Found};
use crate::signals::Stop;
use crate::{event_sources, list, list_events, preamble, suggest, support, version};

/// Falco's configuration file, if none is named.
const DEFAULT_CONFIG: &str = "/etc/falco/falco.yaml";
/// Falco's exit code for a pid file that cannot be written.
const PIDFILE_FAILURE: u8 = 255;

/// Carries the options out. `cmdline` is the whole command line, for `--support`.
///
/// # Errors
/// With the message that Falco prints behind `Error: `; the exit code is then 1.
pub fn run(options: &Options, cmdline: &str) -> Result<ExitCode> {
    options.strays.iter().for_each(|stray| {
        let hint = suggest::closest(stray, ["events", "rules"]);
        let hint = hint.map(|like| format!("; did you mean 'falco {like}'?")).unwrap_or_default();
        notice(&format!("argument '{stray}' is ignored, it is no option{hint}"));
    });
    if options.used_markdown() {
        notice("--markdown is deprecated, use --format markdown instead.");
    }
    let config_file = config_file(options)?;

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
    if config_file.is_none() && !works_without_config(options) {
        bail!("You must create a config file at {DEFAULT_CONFIG} or by passing -c");
    }
    run_configured(options, cmdline, &loaded, out)
}

/// What needs fields and rules.
fn run_configured(
    options: &Options,
    cmdline: &str,
    loaded: &Loaded,
    mut out: BufWriter<impl Write>,
) -> Result<ExitCode> {
    let config = &loaded.config;
    let log = Log::new(config);
    log_start(options, loaded, &log);
    let mut engine = Engine::new(config, options.print.as_deref());
    if let Some(source) = &options.list {
        list_fields(options, source, &engine, &mut out)?;
        return done(out);
    }
    let replaying = config.engine_kind == EngineKind::Replay;
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
    load_rules(config, &mut engine, &found, &log)?;
    if options.describe_all || options.describe.is_some() {
        let description = engine.describe(options.describe.as_deref())?;
        print_description(&description, config, &mut out)?;
        return done(out);
    }
    if options.support {
        writeln!(out, "{}", support::report(cmdline, loaded, &found.files))?;
        return done(out);
    }
    // The loop takes stdout over.
    drop(out);
    process_events(options, config, engine, &log)
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

fn config_file(options: &Options) -> Result<Option<PathBuf>> {
    match &options.config {
        Some(path) => {
            fs::File::open(path).with_context(|| {
                format!("Could not find configuration file at {}", path.display())
            })?;
            Ok(Some(path.clone()))
        }
        None => Ok(Some(PathBuf::from(DEFAULT_CONFIG)).filter(|p| p.exists())),
    }
}

/// Whether what is asked for needs nothing that only a configuration file can say. Falco insists
/// on a file for these, too; a replay or a check of rules at a desk should not need one.
fn works_without_config(options: &Options) -> bool {
    options.capture.is_some()
        || options.list.is_some()
        || !options.validate.is_empty()
        || (!options.rules.is_empty() && (options.describe_all || options.describe.is_some()))
        || (!options.rules.is_empty() && options.dry_run)
}

/// The configuration with what the options change in it.
fn load_config(options: &Options, file: Option<&Path>) -> Result<Loaded> {
    // `-e` is written as the overrides that it stands for; `-o` goes before it.
    let mut overrides = options.overrides.clone();
    if let Some(capture) = &options.capture {
        let capture = capture
            .to_str()
            .ok_or_else(|| anyhow!("-e {}: the path is not UTF-8", capture.display()))?;
        overrides.push("engine.kind=replay".to_owned());
        overrides.push(format!("engine.replay.capture_file={capture}"));
    }
    let mut loaded = config::load(file, &overrides).map_err(|message| anyhow!(message))?;
    if file.is_none() {
        shipped_defaults(&mut loaded);
    }
    loaded.config.buffered_outputs &= !options.unbuffered;
    Ok(loaded)
}

/// Without a file, what Falco's shipped file has and its code does not: alerts on stdout, with the
/// fields that the source suggests.
fn shipped_defaults(loaded: &mut Loaded) {
    let Loaded { config, tree, .. } = loaded;
    if tree.at("stdout_output.enabled").is_none() {
        config.stdout_enabled = true;
    }
    if tree.get("append_output").is_none() {
        config.append_output =
            vec![AppendOutput { suggested_output: true, ..AppendOutput::default() }];
    }
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

fn load_rules(config: &Config, engine: &mut Engine, found: &Found, log: &Log) -> Result<()> {
    found.notes.iter().for_each(|note| log.warning(note));
    if found.files.is_empty() {
        log.warning("no rules file was loaded");
    }
    engine.load_all(&found.files, log)?;
    engine.select(&config.rules, log);
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

fn process_events(
    options: &Options,
    config: &Config,
    mut engine: Engine,
    log: &Log,
) -> Result<ExitCode> {
    let unsupported = config.unsupported();
    if !unsupported.is_empty() {
        let keys = unsupported.join(", ");
        log.warning(&format!("not supported by this version and ignored: {keys}"));
    }
    if !config.stdout_enabled {
        bail!(
            "No output configured, please make sure at least one output is configured and enabled."
        );
    }
    let hostname = hostname(log);
    let program = engine.compile();
    let formatter =
        AlertFormatter::new(config, &hostname, engine.loader.rules(), &mut engine.fields)?;
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
    if config.engine_kind != EngineKind::Replay {
        bail!(
            "live event sources are not supported by this version; replay a capture with -e FILE"
        );
    }
    let mut source = CaptureReader::open(&config.capture_file)?;
    let mut output = Stdout::new(config.buffered_outputs);
    let outcome = EventLoop {
        source: &mut source,
        prepare: preamble::as_falco_replays,
        state: State::new(config.limits()),
        fields: &engine.fields,
        rules: engine.loader.rules().len(),
        program: &program,
        matching: match config.rule_matching {
            config::Matching::First => Matching::First,
            config::Matching::All => Matching::All,
        },
        matches: &mut AlertLines::new(formatter, &mut output),
        observers: &mut [],
        housekeeping: &mut NoHousekeeping,
        seen_until: 0,
        duration_ns: options.duration.saturating_mul(1_000_000_000),
        stop: &stop,
    }
    .run();
    if stop.requested() {
        log.info("SIGINT received, exiting...");
    }
    finish(options, &engine, outcome, log)
}

/// Prints what Falco prints at the end.
fn finish(options: &Options, engine: &Engine, outcome: Outcome, log: &Log) -> Result<ExitCode> {
    if options.verbose > 0 {
        let (seconds, events) = (outcome.seconds, outcome.events);
        writeln!(
            io::stderr(),
            "Elapsed time: {seconds:.3}, Captured Events: {events}, {:.2} eps",
            events as f64 / seconds.max(1e-9)
        )?;
    }
    let source = &outcome.source;
    for (count, what) in [
        (source.skipped_unknown, "of types that this version does not know were skipped"),
        (source.dropped_ring, "were lost because a buffer was full"),
    ] {
        if count > 0 {
            log.warning(&format!("{count} events {what}"));
        }
    }
    let rules = engine.loader.rules().iter().map(|r| (r.name.as_str(), r.priority));
    let mut out = io::stdout().lock();
    let printed = outcome.alerts.print(rules, &mut out).and_then(|()| out.flush());
    // The first error is the one to tell.
    if let Some(error) = outcome.error {
        return Err(error);
    }
    printed.context("stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// The name in JSON alerts: `FALCO_HOSTNAME`, or that of the running host.
fn hostname(log: &Log) -> String {
    match std::env::var("FALCO_HOSTNAME") {
        Ok(name) => {
            log.info(&format!(
                "Hostname value has been overridden via environment variable to: {name}"
            ));
            name
        }
        Err(_) => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
}
