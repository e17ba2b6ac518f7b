//! [`LoadResult`]: what loading a file gave.

/// Why a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// What is suspicious in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
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

/// The result of loading one file: `--validate` prints it.
#[derive(Clone, Debug)]
pub struct LoadResult {
    name: String,
}

impl LoadResult {
    pub(super) fn new(name: &str) -> Self {
        LoadResult { name: name.into() }
    }

    /// Whether the file was taken.
    pub fn successful(&self) -> bool {
        true
    }

    /// Whether there is anything to warn about.
    pub fn has_warnings(&self) -> bool {
        false
    }

    /// What the check against the rule schema said: `ok` or `failed`; `none` if it did not run.
    pub fn schema_validation(&self) -> &'static str {
        "none"
    }

    /// As JSON, as Falco's `--validate` prints it with `json_output`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "name": self.name })
    }

    /// As text: one paragraph, or with `verbose` every finding with where it is.
    pub fn to_text(&self, verbose: bool) -> String {
        let _ = verbose;
        self.name.clone()
    }
}
