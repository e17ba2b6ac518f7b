//! [`LoadResult`]: what loading a file found, as JSON and as text.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use super::context::{Context, Spot};

/// Why a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // the variants are Falco's codes themselves
pub enum ErrorCode {
    FileRead,
    YamlParse,
    YamlValidate,
    CompileCondition,
    CompileOutput,
    Validate,
    Extension,
}

impl ErrorCode {
    /// Falco's code, `LOAD_ERR_…`.
    pub fn code(self) -> &'static str {
        self.texts().0
    }

    /// One line on what the code means.
    pub fn summary(self) -> &'static str {
        self.texts().1
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            ErrorCode::FileRead => ("LOAD_ERR_FILE_READ", "File read error"),
            ErrorCode::YamlParse => ("LOAD_ERR_YAML_PARSE", "YAML parse error"),
            ErrorCode::YamlValidate => {
                ("LOAD_ERR_YAML_VALIDATE", "Error validating internal structure of YAML file")
            }
            ErrorCode::CompileCondition => {
                ("LOAD_ERR_COMPILE_CONDITION", "Error compiling condition")
            }
            ErrorCode::CompileOutput => ("LOAD_ERR_COMPILE_OUTPUT", "Error compiling output"),
            ErrorCode::Validate => {
                ("LOAD_ERR_VALIDATE", "Error validating rule/macro/list/exception objects")
            }
            ErrorCode::Extension => ("LOAD_ERR_EXTENSION", "Error in extension item"),
        }
    }
}

/// What is suspicious in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // the variants are Falco's codes themselves
pub enum WarningCode {
    UnknownSource,
    UnsafeNaCheck,
    NoEvttype,
    UnknownFilter,
    UnusedMacro,
    UnusedList,
    UnknownItem,
    DeprecatedItem,
    WarningExtension,
    AppendNoValues,
    ExceptionNameNotUnique,
    InvalidMacroName,
    InvalidListName,
    CompileCondition,
    UnknownKey,
}

impl WarningCode {
    /// Falco's code, `LOAD_…`.
    pub fn code(self) -> &'static str {
        self.texts().0
    }

    /// One line on what the code means.
    pub fn summary(self) -> &'static str {
        self.texts().1
    }

    /// The code's `codedesc` in JSON.
    pub fn description(self) -> &'static str {
        self.texts().2
    }

    /// Code, summary, description. JSON consumers compare all three, so they are Falco's.
    fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            WarningCode::UnknownSource => (
                "LOAD_UNKNOWN_SOURCE",
                "Unknown event source",
                "A rule has a unknown event source. This can occur when reading rules content \
                 without having a corresponding plugin loaded, etc. The rule will be silently \
                 ignored.",
            ),
            WarningCode::UnsafeNaCheck => (
                "LOAD_UNSAFE_NA_CHECK",
                "Unsafe <NA> comparison in condition",
                "Comparing a field value with <NA> is unsafe and can lead to unpredictable \
                 behavior of the rule condition. If you need to check for the existence of a \
                 field, consider using the 'exists' operator instead.",
            ),
            WarningCode::NoEvttype => (
                "LOAD_NO_EVTTYPE",
                "Condition has no event-type restriction",
                "A rule condition matches too many evt.type values. This has a significant \
                 performance penalty. Make the condition more specific by adding an evt.type \
                 field or further restricting the number of evt.type values in the condition.",
            ),
            WarningCode::UnknownFilter => (
                "LOAD_UNKNOWN_FILTER",
                "Unknown field or event-type in condition or output",
                "A rule condition or output refers to a field or evt.type that does not exist. \
                 This is normally an error, but if a rule has a skip-if-unknown-filter property, \
                 the error is downgraded to a warning.",
            ),
            WarningCode::UnusedMacro => (
                "LOAD_UNUSED_MACRO",
                "Unused macro",
                "A macro is defined in the rules content but is not used by any other macro or \
                 rule.",
            ),
            WarningCode::UnusedList => (
                "LOAD_UNUSED_LIST",
                "Unused list",
                "A list is defined in the rules content but is not used by any other list, \
                 macro, or rule.",
            ),
            WarningCode::UnknownItem => (
                "LOAD_UNKNOWN_ITEM",
                "Unknown rules file item",
                "An unknown top-level object is in the rules content. It will be ignored.",
            ),
            WarningCode::DeprecatedItem => (
                "LOAD_DEPRECATED_ITEM",
                "Used deprecated item",
                "A deprecated item is employed by lists, macros, or rules.",
            ),
            WarningCode::WarningExtension => (
                "LOAD_WARNING_EXTENSION",
                "Warning in extension item",
                "An extension item has a warning",
            ),
            WarningCode::AppendNoValues => (
                "LOAD_APPEND_NO_VALUES",
                "Overriding/appending with no values",
                "A rule exception is overriding/appending with no values",
            ),
            WarningCode::ExceptionNameNotUnique => (
                "LOAD_EXCEPTION_NAME_NOT_UNIQUE",
                "Multiple exceptions defined with the same name",
                "A rule is defining multiple exceptions with the same name",
            ),
            WarningCode::InvalidMacroName => (
                "LOAD_INVALID_MACRO_NAME",
                "Invalid macro name",
                "A macro is defined with an invalid name",
            ),
            WarningCode::InvalidListName => (
                "LOAD_INVALID_LIST_NAME",
                "Invalid list name",
                "A list is defined with an invalid name",
            ),
            WarningCode::CompileCondition => (
                "LOAD_COMPILE_CONDITION",
                "Warning in rule condition",
                "A rule condition or output have been parsed with a warning",
            ),
            WarningCode::UnknownKey => (
                "LOAD_UNKNOWN_KEY",
                "Unknown key in item definition",
                "An item in the rules content contains an unrecognized key. The key will be \
                 ignored. This may indicate a typo or a property placed on the wrong item type.",
            ),
        }
    }
}

/// An error with its place, on its way to the [`LoadResult`].
#[derive(Clone, Debug)]
pub(super) struct LoadError {
    pub(super) code: ErrorCode,
    pub(super) message: String,
    pub(super) context: Context,
    /// The word that was probably meant, as a sentence.
    pub(super) hint: Option<String>,
}

impl LoadError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>, context: &Context) -> Self {
        LoadError { code, message: message.into(), context: context.clone(), hint: None }
    }

    /// The file's structure is wrong.
    pub(super) fn structure(message: impl Into<String>, context: &Context) -> Self {
        Self::new(ErrorCode::YamlValidate, message, context)
    }

    /// Whether it says that something was not defined before.
    pub(super) fn is_about_missing_definition(&self) -> bool {
        self.message.ends_with("by that name already exists")
    }

    /// A definition is wrong.
    pub(super) fn definition(message: impl Into<String>, context: &Context) -> Self {
        Self::new(ErrorCode::Validate, message, context)
    }
}

#[derive(Clone, Debug)]
struct Warning {
    code: WarningCode,
    message: String,
    context: Context,
    /// The field that should not be used any more, if that is the matter.
    deprecated_field: Option<&'static str>,
    /// As in [`LoadError::hint`].
    hint: Option<String>,
}

impl Warning {
    fn summary(&self) -> String {
        match self.deprecated_field {
            Some(field) => format!("{}: field '{field}'", self.code.summary()),
            None => self.code.summary().into(),
        }
    }

    fn to_json(&self) -> Value {
        let mut out = json!({
            "context": self.context.to_json(),
            "code": self.code.code(),
            "codedesc": self.code.description(),
            "message": self.message,
        });
        if let Some(field) = self.deprecated_field {
            out["deprecated_field"] = json!(field);
        }
        out
    }
}

/// The result of loading one file.
#[derive(Clone, Debug)]
pub struct LoadResult {
    name: String,
    /// What the check against the rule schema found; None if it did not run.
    schema_findings: Option<Vec<String>>,
    errors: Vec<LoadError>,
    warnings: Vec<Warning>,
    /// Suspicions that Falco does not have.
    notes: Vec<Note>,
}

/// A suspicion that Falco does not have, with its place.
#[derive(Clone, Debug)]
struct Note {
    message: String,
    context: Context,
}

/// So many findings of each severity are given; nobody reads more.
const MAX_FINDINGS: usize = 1000;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// Falco warns of it.
    Warning,
    /// Only we point it out.
    Note,
}

/// Something found in a file, for people and tools that show files: unlike in Falco's own report,
/// the position is that of the very token in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Falco's code, `LOAD_…`; `NOTE` if it is ours.
    pub code: &'static str,
    /// One line on what the code means.
    pub summary: String,
    /// Falco's message.
    pub message: String,
    /// What was probably meant: `did you mean 'proc.name'?`.
    pub hint: Option<String>,
    /// The file, as [`super::Loader::load`] was told to call it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Offset in bytes from the beginning of the file (as UTF-8).
    pub offset: usize,
    /// Kind (`rule`, `macro`, `list`, …) and name of the definition that it is in, if it is in one.
    pub item: Option<(&'static str, String)>,
    /// The line of the file and a caret below the token.
    pub excerpt: String,
}

impl Finding {
    fn new(
        severity: Severity,
        code: &'static str,
        summary: String,
        message: &str,
        context: &Context,
    ) -> Self {
        let Spot { file, offset, line, column, excerpt } = context.spot();
        Finding {
            severity,
            code,
            summary,
            message: message.to_owned(),
            hint: None,
            file,
            line,
            column,
            offset,
            item: context.item(),
            excerpt,
        }
    }
}

impl fmt::Display for Finding {
    /// Several lines, ending in a newline: message, place, the line with its caret, and the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}): {}", self.code, self.summary, self.message)?;
        write!(f, "  --> {}:{}:{}", self.file, self.line, self.column)?;
        if let Some((kind, name)) = &self.item {
            write!(f, " in {kind} '{name}'")?;
        }
        writeln!(f)?;
        for line in self.excerpt.lines() {
            writeln!(f, "  | {line}")?;
        }
        match &self.hint {
            Some(hint) => writeln!(f, "  = {hint}"),
            None => Ok(()),
        }
    }
}

impl LoadResult {
    pub(super) fn new(name: &str) -> Self {
        LoadResult {
            name: name.into(),
            schema_findings: None,
            errors: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn fail(&mut self, error: LoadError) {
        self.errors.push(error);
    }

    pub(super) fn note(&mut self, message: String, context: Context) {
        self.notes.push(Note { message, context });
    }

    pub(super) fn errors(&self) -> &[LoadError] {
        &self.errors
    }

    pub(super) fn set_warning_hint(&mut self, warning: usize, hint: String) {
        if let Some(warning) = self.warnings.get_mut(warning) {
            warning.hint = Some(hint);
        }
    }

    pub(super) fn set_hint(&mut self, error: usize, hint: String) {
        if let Some(error) = self.errors.get_mut(error) {
            error.hint = Some(hint);
        }
    }

    pub(super) fn warn(
        &mut self,
        code: WarningCode,
        message: impl Into<String>,
        context: &Context,
    ) {
        let context = context.clone();
        self.warnings.push(Warning {
            code,
            message: message.into(),
            context,
            deprecated_field: None,
            hint: None,
        });
    }

    pub(super) fn warn_deprecated_field(
        &mut self,
        field: &'static str,
        message: impl Into<String>,
        context: &Context,
    ) {
        self.warn(WarningCode::DeprecatedItem, message, context);
        if let Some(warning) = self.warnings.last_mut() {
            warning.deprecated_field = Some(field);
        }
    }

    pub(super) fn set_schema_findings(&mut self, findings: Vec<String>) {
        self.schema_findings = Some(findings);
    }

    /// Whether the file was taken.
    pub fn successful(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether there is anything to warn about.
    pub fn has_warnings(&self) -> bool {
        !self.warnings.is_empty()
    }

    /// Code and message of the first error; the only one, unless
    /// [`super::Loader::report_all_errors`] was called.
    pub fn error(&self) -> Option<(ErrorCode, &str)> {
        self.errors.first().map(|e| (e.code, e.message.as_str()))
    }

    /// What was found: errors, warnings, then notes, each in the order of discovery, and the first
    /// 1,000 of each, since finding the place of each in the file takes time.
    pub fn findings(&self) -> Vec<Finding> {
        let errors = self.errors.iter().take(MAX_FINDINGS).map(|e| {
            let summary = e.code.summary().to_owned();
            let (code, message) = (e.code.code(), &e.message);
            let finding = Finding::new(Severity::Error, code, summary, message, &e.context);
            Finding { hint: e.hint.clone(), ..finding }
        });
        let warnings = self.warnings.iter().take(MAX_FINDINGS).map(|w| {
            let (code, message) = (w.code.code(), &w.message);
            let finding = Finding::new(Severity::Warning, code, w.summary(), message, &w.context);
            Finding { hint: w.hint.clone(), ..finding }
        });
        let notes = self.notes.iter().map(|n| {
            let summary = "Suspicion".to_owned();
            Finding::new(Severity::Note, "NOTE", summary, &n.message, &n.context)
        });
        errors.chain(warnings).chain(notes).collect()
    }

    /// Codes and messages of the warnings.
    pub fn warnings(&self) -> impl Iterator<Item = (WarningCode, &str)> {
        self.warnings.iter().map(|w| (w.code, w.message.as_str()))
    }

    /// What the check against the rule schema said: `ok`, the first violation, or `none` if the
    /// file could not be read that far. Violations never make loading fail.
    pub fn schema_validation(&self) -> &str {
        match &self.schema_findings {
            None => "none",
            Some(findings) => findings.first().map_or("ok", String::as_str),
        }
    }

    /// As Falco's `--validate` prints it with `json_output`.
    pub fn to_json(&self) -> Value {
        let errors: Vec<Value> = self
            .errors
            .iter()
            .map(|e| {
                json!({
                    "context": e.context.to_json(),
                    "code": e.code.code(),
                    "codedesc": e.code.summary(),
                    "message": e.message,
                })
            })
            .collect();
        let warnings: Vec<Value> = self.warnings.iter().map(Warning::to_json).collect();
        let mut out = json!({
            "name": self.name,
            "successful": self.successful(),
            "errors": errors,
            "warnings": warnings,
        });
        if let Some(findings) = &self.schema_findings {
            out["schema_valid"] = json!(findings.is_empty());
            out["schema_warnings"] = json!(findings);
        }
        out
    }

    /// As text, as Falco prints it: codes only, or with `verbose` each finding with its place and a
    /// snippet. Does not end in a newline unless something verbose was found.
    pub fn to_text(&self, verbose: bool) -> String {
        let mut out = String::new();
        if !self.name.is_empty() {
            let _ = write!(out, "{}: ", self.name);
        }
        out.push_str(match (self.successful(), self.has_warnings()) {
            (false, _) => "Invalid",
            (true, false) => "Ok",
            (true, true) => "Ok, with warnings",
        });
        if verbose {
            self.write_findings(&mut out)
        } else {
            self.write_codes(&mut out)
        }
        out
    }

    fn write_codes(&self, out: &mut String) {
        let mut section = |what: &str, items: Vec<String>| {
            if !items.is_empty() {
                let _ = write!(out, "\n {} {what}: [{}]", items.len(), items.join(" "));
            }
        };
        section("schema warnings", self.schema_findings.clone().unwrap_or_default());
        let error = |e: &LoadError| format!("{} ({})", e.code.code(), e.code.summary());
        section("errors", self.errors.iter().map(error).collect());
        let warning = |w: &Warning| format!("{} ({})", w.code.code(), w.summary());
        section("warnings", self.warnings.iter().map(warning).collect());
    }

    fn write_findings(&self, out: &mut String) {
        if let Some(findings) = self.schema_findings.as_ref().filter(|f| !f.is_empty()) {
            let _ = writeln!(out, "\n{} Schema warnings:", findings.len());
            for finding in findings {
                let _ = writeln!(out, "{RULE}{finding}");
            }
            out.push_str(RULE);
        }
        if !self.errors.is_empty() {
            let _ = writeln!(out, "\n{} Errors:", self.errors.len());
        }
        for e in &self.errors {
            finding(&e.context, e.code.code(), e.code.summary(), &e.message, out);
        }
        if !self.warnings.is_empty() {
            let _ = writeln!(out, "\n{} Warnings:", self.warnings.len());
        }
        for w in &self.warnings {
            finding(&w.context, w.code.code(), &w.summary(), &w.message, out);
        }
    }

    /// Errors and notes for a person at a terminal: message, place in the file, a caret under the
    /// very token (Falco's own caret often misses it in conditions), and what was probably meant.
    /// Empty if there is nothing to explain. Warnings are left to [`LoadResult::findings`].
    pub fn explain(&self) -> String {
        let findings = self.findings().into_iter().filter(|f| f.severity != Severity::Warning);
        findings.map(|finding| finding.to_string()).collect()
    }
}

const RULE: &str = "------\n";

fn finding(context: &Context, code: &str, summary: &str, message: &str, out: &mut String) {
    let (places, snippet) = (context.to_text(), context.snippet());
    let _ = writeln!(out, "{places}{RULE}{snippet}{RULE}{code} ({summary}): {message}");
}
