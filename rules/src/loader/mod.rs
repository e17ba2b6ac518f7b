//! Rule files → rules: YAML, required versions, lists, macros, rules, overrides, exceptions, and
//! the findings that Falco reports about them.
//!
//! Definitions accumulate over the files; after each file everything is compiled again, as a later
//! file may redefine a list that an earlier rule uses. Evaluation is not here ([`crate::ruleset`]),
//! nor is finding and reading the files.

use std::collections::BTreeSet;

use crate::ast::Node;
use crate::catalogue::Catalogue;
use crate::check::Checked;
use crate::priority::Priority;
use crate::ruleset::Ruleset;
use crate::template::Template;

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
#[derive(Clone, Debug)]
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
    pub condition: Node,
    /// The condition compiled.
    pub checked: Checked,
}

/// A compiled addition to `output_fields`.
#[derive(Clone, Debug)]
pub struct LoadedExtraField {
    /// Key.
    pub key: String,
    /// Template of the value, beginning with `*`.
    pub template: Template,
    /// Whether the value is the field's typed value instead of the template's text.
    pub raw: bool,
}

/// Which rules to enable or disable, as `rules:` in the configuration says.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// The rule of this name; all for the empty one.
    Name(&'a str),
    /// Rules whose name contains this.
    Substring(&'a str),
    /// Rules whose name matches this pattern, in which `*` stands for any text.
    Wildcard(&'a str),
    /// Rules with this tag.
    Tag(&'a str),
}

/// The enabled rules of one source.
#[derive(Debug)]
pub struct SourceRules {
    /// Compiled conditions; rule `n` of it is `rules[n]`.
    pub ruleset: Ruleset,
    /// Indices into [`Loader::rules`].
    pub rules: Vec<usize>,
}

mod result;
pub use result::{ErrorCode, LoadResult, WarningCode};

/// Loads rule files one after the other.
#[derive(Debug)]
pub struct Loader {
    options: LoaderOptions,
    rules: Vec<LoadedRule>,
}

impl Loader {
    /// Nothing loaded.
    pub fn new(options: LoaderOptions) -> Self {
        Loader { options, rules: Vec::new() }
    }

    /// Loads a file's `content` on top of what was loaded before. `name` is what messages call it.
    /// On failure the rules loaded before stay, but later loads may fail too: Falco stops then.
    pub fn load(&mut self, name: &str, content: &[u8], sources: &mut [Source<'_>]) -> LoadResult {
        let _ = (content, sources, &self.options);
        LoadResult::new(name)
    }

    /// Every compiled rule, in order of first definition, whether enabled or not.
    pub fn rules(&self) -> &[LoadedRule] {
        &self.rules
    }

    /// Checks `required_plugin_versions` of all files against [`LoaderOptions::providers`].
    ///
    /// # Errors
    /// Falco's message about the first requirement that is not fulfilled.
    pub fn check_required_plugins(&self) -> Result<(), String> {
        Ok(())
    }

    /// Enables or disables rules; those that are not severe enough stay disabled. Returns how many
    /// rules match.
    pub fn select(&mut self, selection: Selection<'_>, enabled: bool) -> usize {
        let _ = (selection, enabled);
        0
    }

    /// Compiles the enabled rules of a source into one program.
    pub fn ruleset(&self, source: &str) -> SourceRules {
        let _ = source;
        SourceRules { ruleset: crate::ruleset::RulesetBuilder::new().build(), rules: Vec::new() }
    }

    /// What `-L` (no name) and `-l NAME` print as JSON.
    ///
    /// # Errors
    /// If no rule of this name is loaded.
    pub fn describe(
        &self,
        rule: Option<&str>,
        sources: &mut [Source<'_>],
    ) -> Result<serde_json::Value, UnknownRule> {
        let _ = (rule, sources);
        Ok(serde_json::Value::Null)
    }
}

/// `-l` names a rule that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Rule \"{0}\" is not loaded")]
pub struct UnknownRule(pub String);
