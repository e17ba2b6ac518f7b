//! Rule files → compiled rules: the loader of the language with this program's configuration and
//! fields.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use falco_enrich::fields::SyscallFields;
use falco_rules::loader::{
    ExtraField, ExtraOutput, LoadResult, Loader, LoaderOptions, Provider, RuleMatch,
    SYSCALL_SOURCE, Selection, Source, SourceRules,
};

use crate::config::{self, AppendOutput, Config};
use crate::log::Log;
use crate::rules_files::RulesFile;

/// What is native here and a plugin in Falco: rules that require it are satisfied.
const CONTAINER_PLUGIN: (&str, &str) = ("container", "0.7.1");

/// Fields and the rules over them.
#[derive(Debug)]
pub struct Engine {
    /// Fields of system calls, with everything resolved that the rules use.
    pub fields: SyscallFields,
    /// The rules.
    pub loader: Loader,
}

impl Engine {
    /// No rules yet. `print` is `-p`.
    pub fn new(config: &Config, print: Option<&str>) -> Self {
        let (name, version) = CONTAINER_PLUGIN;
        let options = LoaderOptions {
            min_priority: config.priority,
            extra_outputs: extra_outputs(&config.append_output, print),
            extra_fields: config.append_output.iter().flat_map(extra_fields).collect(),
            providers: vec![Provider { name: name.to_owned(), version: version.to_owned() }],
        };
        let statics = config.static_fields.0.iter();
        let fields = SyscallFields::with_static(statics.map(|(k, v)| (k.as_str(), v.as_str())));
        Engine { fields, loader: Loader::new(options) }
    }

    /// Loads one file on top of the others.
    pub fn load(&mut self, file: &RulesFile) -> LoadResult {
        let mut sources = [Source { name: SYSCALL_SOURCE, catalogue: &mut self.fields }];
        self.loader.load(&file.name, &file.content, &mut sources)
    }

    /// Loads all files, logging what Falco logs. Each is let go when it was loaded: the loader has its
    /// own copy, for messages.
    ///
    /// # Errors
    /// At the first file that is refused: Falco's description of what is wrong with it, or of the
    /// plugin that the rules require.
    pub fn load_all(&mut self, files: Vec<RulesFile>, log: &Log) -> Result<()> {
        log.info("Loading rules from:");
        let mut refusal = None;
        for file in files {
            let result = self.load(&file);
            log.info(&format!(
                "   {} | schema validation: {}",
                file.name,
                result.schema_validation()
            ));
            if !result.successful() {
                refusal = Some(result.to_text(true));
                break;
            }
            if result.has_warnings() {
                log.warning(&result.to_text(true));
            }
        }
        // A missing plugin explains unknown fields, so its message goes first.
        if let Err(message) = self.loader.check_required_plugins() {
            bail!(message);
        }
        match refusal {
            Some(text) => bail!(text),
            None => Ok(()),
        }
    }

    /// Enables and disables rules as `rules:` says, in order.
    pub fn select(&mut self, selections: &[config::Selection], log: &Log) {
        for config::Selection { enable, rule, tag } in selections {
            let verb = if *enable { "Enabling" } else { "Disabling" };
            if let Some(name) = rule.as_deref().filter(|n| !n.is_empty()) {
                log.info(&format!("{verb} rules with name: {name}"));
                if self.loader.select(Selection::Wildcard(name), *enable) == 0 {
                    log.warning(&format!("{verb} rules with name '{name}': there is none"));
                }
            }
            if let Some(tag) = tag.as_deref().filter(|t| !t.is_empty()) {
                log.info(&format!("{verb} rules with tag: {tag}"));
                if self.loader.select(Selection::Tag(tag), *enable) == 0 {
                    log.warning(&format!("{verb} rules with tag '{tag}': there is none"));
                }
            }
        }
    }

    /// The program of the enabled rules over system calls.
    pub fn compile(&self) -> SourceRules {
        self.loader.ruleset(SYSCALL_SOURCE)
    }

    /// What `-L` (no name) and `-l` describe.
    ///
    /// # Errors
    /// If no rule has this name.
    pub fn describe(&mut self, rule: Option<&str>) -> Result<serde_json::Value> {
        let mut sources = [Source { name: SYSCALL_SOURCE, catalogue: &mut self.fields }];
        match self.loader.describe(rule, &mut sources) {
            Ok(description) => Ok(description),
            Err(unknown) => bail!("Runtime error: {unknown}. Exiting."),
        }
    }
}

fn applies(append: &AppendOutput) -> RuleMatch {
    let some = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    RuleMatch {
        source: some(&append.source),
        rule: some(&append.rule),
        tags: append.tags.iter().cloned().collect(),
    }
}

/// Additions to outputs in the order of `append_output`, then `-p`.
fn extra_outputs(appends: &[AppendOutput], print: Option<&str>) -> Vec<ExtraOutput> {
    let configured = appends.iter().map(|append| ExtraOutput {
        applies: applies(append),
        format: append.extra_output.clone().filter(|f| !f.is_empty()),
        suggested_output: append.suggested_output,
    });
    // These words once stood for container fields, which `suggested_output` gives now.
    let print = print.filter(|p| !matches!(*p, "c" | "container" | "k" | "kubernetes"));
    let printed = print.map(|text| ExtraOutput {
        applies: RuleMatch::default(),
        format: Some(text.to_owned()),
        suggested_output: false,
    });
    configured.chain(printed).collect()
}

fn extra_fields(append: &AppendOutput) -> impl Iterator<Item = ExtraField> + '_ {
    append.extra_fields.iter().map(|field| match field {
        config::ExtraField::Raw(name) => {
            ExtraField { applies: applies(append), key: name.clone(), format: None }
        }
        config::ExtraField::Formatted(name, format) => {
            ExtraField { applies: applies(append), key: name.clone(), format: Some(format.clone()) }
        }
    })
}

/// `-V` on one file after the other.
#[derive(Debug, Default)]
pub struct Validation {
    /// Whether every file is valid.
    pub successful: bool,
    /// One paragraph a file.
    pub summary: String,
    /// The results as JSON.
    pub results: Vec<serde_json::Value>,
}

impl Validation {
    /// Loads `files` one on top of the other and keeps what Falco prints of each.
    ///
    /// # Errors
    /// If the rules require a plugin that is not here.
    pub fn run(engine: &mut Engine, files: &[RulesFile], log: &Log) -> Result<Self> {
        let mut validation = Validation { successful: true, ..Validation::default() };
        log.info("Validating rules file(s):");
        files.iter().for_each(|file| log.info(&format!("   {}", file.name)));
        for file in files {
            let result = engine.load(file);
            if let Err(message) = engine.loader.check_required_plugins() {
                bail!(message);
            }
            validation.add(file, &result, log);
        }
        Ok(validation)
    }

    fn add(&mut self, file: &RulesFile, result: &LoadResult, log: &Log) {
        self.successful &= result.successful();
        self.results.push(result.to_json());
        if !self.summary.is_empty() {
            self.summary.push('\n');
        }
        if result.successful() && result.has_warnings() {
            // Writing to memory does not fail.
            let _ = write!(self.summary, "{}: Ok, with warnings", file.name);
            log.warning(&result.to_text(true));
        } else {
            self.summary += &result.to_text(true);
        }
    }
}
