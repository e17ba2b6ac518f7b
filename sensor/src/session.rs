//! [`Session`]: everything that a run is made of before events flow. `Session::load` is what
//! happens again when a running program is asked to read configuration and rules anew.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use falco_enrich::fields::SyscallFields;
use falco_rules::loader::{LoadedRule, SYSCALL_SOURCE, SourceRules};
use falco_rules::ruleset;

use crate::alert::AlertFormatter;
use crate::cli::Options;
use crate::cli::input::Input;
use crate::config::{
    self, AppendOutput, Config, DropActions, EngineKind, Engines, Loaded, LogLevel, Matching,
};
use crate::engine::Engine;
use crate::internal_alert::InternalFormatter;
use crate::log::Log;
use crate::rules_files::{self, Found};

/// Falco's configuration file, if none is named.
pub const DEFAULT_CONFIG: &str = "/etc/falco/falco.yaml";
/// The rules files of Falco's shipped configuration.
const DEFAULT_RULES: [&str; 3] =
    ["/etc/falco/falco_rules.yaml", "/etc/falco/falco_rules.local.yaml", "/etc/falco/rules.d"];

/// What a run works with.
pub struct Session {
    /// The configuration.
    pub config: Config,
    /// Fields of system calls, with everything resolved that the rules use.
    pub fields: SyscallFields,
    /// All rules.
    pub rules: Vec<LoadedRule>,
    /// The enabled rules as a program.
    pub program: SourceRules,
    /// Makes alerts.
    pub formatter: AlertFormatter,
    /// Makes alerts about the program itself.
    pub internal: InternalFormatter,
    /// The own log.
    pub log: Log,
}

impl Session {
    /// Prepares a run with the rules of `engine`.
    ///
    /// # Errors
    /// If no output is configured.
    pub fn new(config: Config, engine: Engine, log: Log) -> Result<Self> {
        let unsupported = config.unsupported();
        if !unsupported.is_empty() {
            let keys = unsupported.join(", ");
            log.warning(&format!("not supported by this version and ignored: {keys}"));
        }
        if !config.stdout_enabled {
            bail!(
                "No output configured, please make sure at least one output is configured and \
                 enabled."
            );
        }
        let hostname = hostname(&log);
        let Engine { mut fields, loader } = engine;
        let rules = loader.into_rules();
        let program = SourceRules::of(&rules, SYSCALL_SOURCE);
        let formatter = AlertFormatter::new(&config, &hostname, &rules, &mut fields)?;
        let internal = InternalFormatter::new(config.json_output, &hostname);
        Ok(Session { config, fields, rules, program, formatter, internal, log })
    }

    /// Reads configuration and rules, and prepares a run.
    ///
    /// # Errors
    /// With Falco's message for what is wrong with them.
    pub fn load(options: &Options) -> Result<Self> {
        let loaded = load_config(options, config_file(options.config.as_deref())?.as_deref())?;
        let log = Log::new(&loaded.config);
        loaded.warnings.iter().for_each(|warning| log.warning(warning));
        let mut engine = Engine::new(&loaded.config, options.print.as_deref());
        let found = rules_files::read(&options.rules, &loaded.config.rules_files)?;
        load_rules(&loaded.config, &mut engine, found, &log)?;
        Session::new(loaded.config, engine, log)
    }

    /// First matching rule of an event, or all.
    pub fn matching(&self) -> ruleset::Matching {
        match self.config.rule_matching {
            Matching::First => ruleset::Matching::First,
            Matching::All => ruleset::Matching::All,
        }
    }
}

/// The configuration file to read: the one that is `named`, or Falco's if there is one.
///
/// # Errors
/// If one is named that cannot be opened.
pub fn config_file(named: Option<&Path>) -> Result<Option<PathBuf>> {
    match named {
        Some(path) => {
            fs::File::open(path).with_context(|| {
                format!("Could not find configuration file at {}", path.display())
            })?;
            Ok(Some(path.to_owned()))
        }
        None => Ok(Some(PathBuf::from(DEFAULT_CONFIG)).filter(|p| p.exists())),
    }
}

/// The configuration with what the options change in it.
///
/// # Errors
/// If something in it is wrong.
pub fn load_config(options: &Options, file: Option<&Path>) -> Result<Loaded> {
    // `-e` and `--pid` are written as the overrides that they stand for; `-o` goes before them.
    let mut overrides = options.overrides.clone();
    overrides.extend(pid_overrides(&options.pid));
    if let Some(capture) = &options.capture {
        let capture = capture
            .to_str()
            .ok_or_else(|| anyhow!("-e {}: the path is not UTF-8", capture.display()))?;
        overrides.push("engine.kind=replay".to_owned());
        overrides.push(format!("engine.replay.capture_file={capture}"));
    }
    let mut loaded = load_overridden(&overrides, file)?;
    loaded.config.buffered_outputs &= !options.unbuffered;
    Ok(loaded)
}

/// What `--pid` stands for.
pub fn pid_overrides(pids: &[u32]) -> Vec<String> {
    if pids.is_empty() {
        return Vec::new();
    }
    // The list begins anew after a single value.
    let mut overrides = vec!["engine.kind=ptrace".to_owned(), "engine.ptrace.pids=".to_owned()];
    overrides.extend(pids.iter().map(|pid| format!("engine.ptrace.pids[]={pid}")));
    overrides
}

/// The configuration of `file`, or Falco's shipped settings without one, with `-o` in it.
///
/// # Errors
/// If something in it is wrong.
pub fn load_overridden(overrides: &[String], file: Option<&Path>) -> Result<Loaded> {
    let mut loaded = config::load(file, overrides).map_err(|message| anyhow!(message))?;
    if file.is_none() {
        shipped_defaults(&mut loaded);
    }
    if loaded.tree.at("engine.kind").is_none() {
        // Falco's code has kmod here, its shipped file modern_ebpf.
        loaded.config.engines = Engines::only(EngineKind::ModernEbpf);
    }
    Ok(loaded)
}

/// Without a file, what Falco's shipped file has and its code does not: alerts on stdout, with the
/// fields that the source suggests, rules where they are installed, and a word about lost events.
fn shipped_defaults(loaded: &mut Loaded) {
    let Loaded { config, tree, .. } = loaded;
    if tree.at("stdout_output.enabled").is_none() {
        config.stdout_enabled = true;
    }
    if tree.get("append_output").is_none() {
        config.append_output =
            vec![AppendOutput { suggested_output: true, ..AppendOutput::default() }];
    }
    if tree.get("rules_files").is_none() && tree.get("rules_file").is_none() {
        let installed = DEFAULT_RULES.iter().map(PathBuf::from).filter(|path| path.exists());
        config.rules_files = installed.collect();
    }
    if tree.at("syscall_event_drops.actions").is_none() {
        config.drops_actions = DropActions { log: true, alert: true, exit: false };
    }
}

/// Loads the rules files that were `found` and enables those that the configuration says.
///
/// # Errors
/// If a file is refused.
pub fn load_rules(config: &Config, engine: &mut Engine, found: Found, log: &Log) -> Result<()> {
    found.notes.iter().for_each(|note| log.warning(note));
    if found.files.is_empty() {
        log.warning("no rules file was loaded");
    }
    engine.load_all(found.files, log)?;
    engine.select(&config.rules, log);
    Ok(())
}

/// The configuration for a tool, which prints what it has to say and logs only warnings, to stderr.
///
/// # Errors
/// If something in it is wrong.
pub fn tool_config(input: &Input) -> Result<Config> {
    let file = config_file(input.config.as_deref())?;
    let mut config = load_overridden(&input.overrides, file.as_deref())?.config;
    config.log_stderr.get_or_insert(true);
    config.log_level = config.log_level.min(LogLevel::Warning);
    Ok(config)
}

/// The rules for a tool, and how many files they are from.
///
/// # Errors
/// If a file is refused.
pub fn tool_rules(input: &Input, config: &Config) -> Result<(Engine, usize)> {
    let found = rules_files::read(&input.rules, &config.rules_files)?;
    let files = found.files.len();
    let mut engine = Engine::new(config, None);
    load_rules(config, &mut engine, found, &Log::new(config))?;
    Ok((engine, files))
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
