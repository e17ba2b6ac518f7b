//! Rule files → rules: YAML, required versions, lists, macros, rules, overrides, exceptions, and
//! the findings that Falco reports about them.
//!
//! Definitions accumulate over the files; after each file everything is compiled again, as a later
//! file may redefine a list that an earlier rule uses. Evaluation is not here ([`crate::ruleset`]),
//! nor is finding and reading the files.

mod compile;
mod context;
mod decode;
mod definitions;
mod describe;
mod exceptions;
mod hints;
mod lists;
pub mod macros;
mod output;
mod read;
mod requirements;
mod result;
mod select;
mod trace;
mod version;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::ast;
use crate::catalogue::Catalogue;
use crate::check::Checked;
use crate::priority::Priority;
use crate::ruleset::{Ruleset, RulesetBuilder};
use crate::schema;
use crate::template::Template;
use crate::yaml::{self, Documents, Node};
use compile::{Compiled, compile};
use context::{Context, File};
use definitions::Definitions;
use read::Reader;
use result::LoadError;
pub use result::{ErrorCode, Finding, LoadResult, Severity, WarningCode};
pub use select::Selection;

/// Version of the rule language that this loader implements; Falco's `required_engine_version` is
/// compared with it.
pub const ENGINE_VERSION: &str = "0.63.0";

/// The source of system calls: rules without a `source` belong to it.
pub const SYSCALL_SOURCE: &str = "syscall";

/// An event source with its fields.
pub struct Source<'a> {
    /// Name, as a rule's `source` says it.
    pub name: &'a str,
    /// Fields.
    pub catalogue: &'a mut dyn Catalogue,
}

/// Which rules an addition to outputs applies to; empty conditions hold for every rule.
#[derive(Clone, Debug, Default)]
pub struct RuleMatch {
    /// The rule's source.
    pub source: Option<String>,
    /// The rule's name.
    pub rule: Option<String>,
    /// Tags that the rule must all have.
    pub tags: BTreeSet<String>,
}

/// Text for the end of outputs, as `append_output` gives it.
#[derive(Clone, Debug, Default)]
pub struct ExtraOutput {
    /// For which rules.
    pub applies: RuleMatch,
    /// Template text, appended behind a blank.
    pub format: Option<String>,
    /// Whether the fields that the source suggests are appended too (` a_b=%a.b`).
    pub suggested_output: bool,
}

/// A field more in an alert's `output_fields`.
#[derive(Clone, Debug)]
pub struct ExtraField {
    /// For which rules.
    pub applies: RuleMatch,
    /// Key.
    pub key: String,
    /// Template of the value; None for the plain value of the field that `key` names.
    pub format: Option<String>,
}

/// Something that fulfils `required_plugin_versions`.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Name of the plugin.
    pub name: String,
    /// Its semantic version.
    pub version: String,
}

/// How to load.
#[derive(Clone, Debug, Default)]
pub struct LoaderOptions {
    /// Less severe rules are compiled and described, but never enabled.
    pub min_priority: Priority,
    /// Additions to outputs, in order.
    pub extra_outputs: Vec<ExtraOutput>,
    /// Additions to `output_fields`.
    pub extra_fields: Vec<ExtraField>,
    /// What fulfils `required_plugin_versions`; native features count as the plugin they replace.
    pub providers: Vec<Provider>,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub struct LoadedRule {
    /// Name.
    pub name: String,
    /// Event source.
    pub source: String,
    /// Text for people.
    pub description: String,
    /// Severity.
    pub priority: Priority,
    /// Sorted, without duplicates.
    pub tags: BTreeSet<String>,
    /// The output's text with all that was appended.
    pub output: String,
    /// The output compiled, with the leading `*` that lets missing values print as `<NA>`.
    pub template: Template,
    /// Additional `output_fields` by key, in key order.
    pub extra_fields: Vec<LoadedExtraField>,
    /// Whether an alert starts a recording.
    pub capture: bool,
    /// How long the recording lasts, in ms; 0 for the configured default.
    pub capture_duration: u32,
    /// Whether it is enabled and severe enough.
    pub enabled: bool,
    /// Fields that its exceptions compare.
    pub exception_fields: BTreeSet<String>,
    /// The condition with lists, exceptions and macros resolved.
    pub condition: ast::Node,
    /// The condition compiled.
    pub checked: Checked,
}

/// A compiled addition to `output_fields`.
#[derive(Clone, Debug)]
pub struct LoadedExtraField {
    /// Key.
    pub key: String,
    /// Text of the template.
    pub text: String,
    /// Template of the value, beginning with `*`.
    pub template: Template,
    /// Whether the value is the field's typed value instead of the template's text.
    pub raw: bool,
}

/// The enabled rules of one source.
#[derive(Debug)]
pub struct SourceRules {
    /// Compiled conditions; rule `n` of it is `rules[n]`.
    pub ruleset: Ruleset,
    /// Indices into all rules.
    pub rules: Vec<usize>,
}

impl SourceRules {
    /// Compiles the enabled rules of a source into one program. `rules` are all that there are.
    pub fn of(rules: &[LoadedRule], source: &str) -> Self {
        let mut builder = RulesetBuilder::new();
        let mut enabled = Vec::new();
        for (i, rule) in rules.iter().enumerate() {
            if rule.enabled && rule.source == source {
                builder.add(&rule.checked);
                enabled.push(i);
            }
        }
        SourceRules { ruleset: builder.build(), rules: enabled }
    }
}

/// The sources that there are.
struct Sources<'s, 'c>(&'s mut [Source<'c>]);

impl Sources<'_, '_> {
    fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|source| source.name == name)
    }

    fn catalogue(&mut self, name: &str) -> Option<&mut dyn Catalogue> {
        self.0.iter_mut().find(|source| source.name == name).map(|source| {
            // Shortens the trait object's lifetime.
            let catalogue: &mut dyn Catalogue = source.catalogue;
            catalogue
        })
    }
}

/// Loads rule files one after the other.
#[derive(Debug)]
pub struct Loader {
    options: LoaderOptions,
    /// Whether loading goes on behind an error, to find the others.
    all_errors: bool,
    definitions: Definitions,
    compiled: Compiled,
}

impl Loader {
    /// Nothing loaded.
    pub fn new(options: LoaderOptions) -> Self {
        Loader {
            options,
            all_errors: false,
            definitions: Definitions::default(),
            compiled: Compiled::default(),
        }
    }

    /// Makes [`Loader::load`] report every broken item instead of stopping at the first, as Falco
    /// does. Broken items are left out and the others still checked; what only fails because
    /// something that it names is broken is left out too, but not reported.
    pub fn report_all_errors(&mut self) {
        self.all_errors = true;
    }

    /// Loads a file's `content` on top of what was loaded before. `name` is what messages call it.
    ///
    /// If the result is not successful, [`Loader::rules`] stays as it was before, but definitions
    /// that came before the error are kept: Falco stops at the first bad file.
    pub fn load(&mut self, name: &str, content: &[u8], sources: &mut [Source<'_>]) -> LoadResult {
        let mut result = LoadResult::new(name);
        let content = yaml::decode(content).into_owned();
        let file = Context::file(Arc::new(File { name: name.into(), content }));
        let sources = &mut Sources(sources);
        if let Err(error) = self.read_and_compile(&file, sources, &mut result) {
            result.fail(error);
        }
        hints::add(&mut result, &self.definitions, sources);
        result
    }

    fn read_and_compile(
        &mut self,
        file: &Context,
        sources: &mut Sources<'_, '_>,
        result: &mut LoadResult,
    ) -> Result<(), LoadError> {
        let documents = Documents::parse(file.content()).map_err(|e| {
            LoadError::new(ErrorCode::YamlParse, e.to_string(), &file.at_mark(e.mark))
        })?;
        let roots: Vec<Node<'_>> = documents.roots().collect();
        if !roots.is_empty() {
            let schema = schema::rules_file();
            result.set_schema_findings(roots.iter().flat_map(|&r| schema.validate(r)).collect());
        }
        let all_errors = self.all_errors;
        let definitions = &mut self.definitions;
        let mut reader = Reader { definitions, sources, result, all_errors };
        for root in roots {
            match reader.document(root, file) {
                Err(error) if all_errors => reader.result.fail(error),
                other => other?,
            }
        }
        self.compiled = compile(&mut self.definitions, &self.options, all_errors, sources, result)?;
        Ok(())
    }

    /// Every compiled rule, in order of first definition, whether enabled or not.
    pub fn rules(&self) -> &[LoadedRule] {
        &self.compiled.rules
    }

    /// Checks `required_plugin_versions` of all files against [`LoaderOptions::providers`].
    ///
    /// # Errors
    /// Falco's message about the first requirement that is not fulfilled.
    pub fn check_required_plugins(&self) -> Result<(), String> {
        requirements::check(&self.definitions.plugins, &self.options.providers)
    }

    /// Enables or disables rules. Rules that are not severe enough stay disabled. Returns how many
    /// rules the selection matches.
    pub fn select(&mut self, selection: Selection<'_>, enabled: bool) -> usize {
        let min_priority = self.options.min_priority;
        let rules = self.compiled.rules.iter_mut();
        let selected = rules.filter(|rule| selection.matches(&rule.name, &rule.tags));
        selected.map(|rule| rule.enabled = enabled && rule.priority <= min_priority).count()
    }

    /// [`SourceRules::of`] what is loaded.
    pub fn ruleset(&self, source: &str) -> SourceRules {
        SourceRules::of(self.rules(), source)
    }

    /// The rules alone, as in [`Loader::rules`], for a program that loads no more files: those that were
    /// loaded, lists and macros go.
    pub fn into_rules(self) -> Vec<LoadedRule> {
        self.compiled.rules
    }

    /// What `-L` (no name) and `-l NAME` print as JSON; [`crate::describe::to_text`] makes the
    /// text of it.
    ///
    /// # Errors
    /// If no rule of this name is loaded.
    pub fn describe(
        &self,
        rule: Option<&str>,
        sources: &mut [Source<'_>],
    ) -> Result<serde_json::Value, UnknownRule> {
        describe::describe(&self.definitions, &self.compiled, rule, &mut Sources(sources))
    }
}

/// `-l` names a rule that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Rule \"{0}\" is not loaded")]
pub struct UnknownRule(pub String);
