//! Configuration in two steps: what the user wrote ([`tree`], [`mod@load`], `overrides`) becomes
//! what the program needs ([`Config`]), typed and validated once. Nothing deeper reads YAML.
//!
//! A new key is one line in the table below; its type says how it is read ([`setting`]).

pub mod keys;
pub mod load;
mod overrides;
pub mod setting;
pub mod tree;

use std::path::PathBuf;

use falco_enrich::state::Limits;
use falco_rules::priority::Priority;

pub use load::{Loaded, load};
use setting::Setting;
pub use setting::{
    AppendOutput, EngineKind, ExtraField, LogLevel, Matching, Selection, StaticFields,
};
use tree::{Node, TreeError};

/// Makes the typed configuration from lines `name: Type = default, "dotted.key";`.
macro_rules! configuration {
    ($($(#[$doc:meta])* $name:ident: $ty:ty = $default:expr, $key:literal;)*) => {
        /// The configuration that the program needs. Defaults are Falco's built-in ones.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($(#[$doc])* pub $name: $ty,)*
        }

        impl Default for Config {
            fn default() -> Self {
                Config { $($name: $default,)* }
            }
        }

        impl Config {
            /// Reads every key that the tree has; the others keep their defaults.
            ///
            /// # Errors
            /// If a value has the wrong type, naming its place, key and what would be right.
            fn read(root: &Node) -> Result<Self, TreeError> {
                let mut config = Config::default();
                $(if let Some(node) = root.at($key) {
                    config.$name = <$ty as Setting>::read(node, $key)?;
                })*
                Ok(config)
            }
        }
    };
}

configuration! {
    /// Alerts, validation results and descriptions as JSON.
    json_output: bool = false, "json_output";
    /// JSON alerts have `output`.
    json_include_output: bool = true, "json_include_output_property";
    /// JSON alerts have `message`.
    json_include_message: bool = false, "json_include_message_property";
    /// JSON alerts have `output_fields`.
    json_include_output_fields: bool = true, "json_include_output_fields_property";
    /// JSON alerts have `tags`.
    json_include_tags: bool = true, "json_include_tags_property";
    /// ISO-8601 UTC instead of local time of day.
    time_format_iso_8601: bool = false, "time_format_iso_8601";
    /// Byte buffers as base64 instead of printable text.
    buffer_format_base64: bool = false, "buffer_format_base64";
    /// Do not flush after every alert.
    buffered_outputs: bool = false, "buffered_outputs";
    /// Least severe priority of rules to load.
    priority: Priority = Priority::Debug, "priority";
    /// First matching rule of an event, or all.
    rule_matching: Matching = Matching::First, "rule_matching";
    /// Rules files and directories in order.
    rules_files: Vec<PathBuf> = Vec::new(), "rules_files";
    /// The deprecated name of `rules_files`.
    rules_file: Vec<PathBuf> = Vec::new(), "rules_file";
    /// Ordered directives that enable and disable rules.
    rules: Vec<Selection> = Vec::new(), "rules";
    /// Additions to the outputs of matching rules.
    append_output: Vec<AppendOutput> = Vec::new(), "append_output";
    /// Fields `static.<name>` with fixed values.
    static_fields: StaticFields = StaticFields::default(), "static_fields";
    /// Where events come from.
    engine_kind: EngineKind = EngineKind::Kmod, "engine.kind";
    /// The capture to replay.
    capture_file: PathBuf = PathBuf::new(), "engine.replay.capture_file";
    /// Alerts to stdout.
    stdout_enabled: bool = false, "stdout_output.enabled";
    /// Alerts to a file (not in this version).
    file_enabled: bool = false, "file_output.enabled";
    /// Alerts to syslog (not in this version).
    syslog_enabled: bool = false, "syslog_output.enabled";
    /// Alerts to a program (not in this version).
    program_enabled: bool = false, "program_output.enabled";
    /// Alerts to an HTTP endpoint (not in this version).
    http_enabled: bool = false, "http_output.enabled";
    /// Recordings when rules fire (not in this version).
    capture_enabled: bool = false, "capture.enabled";
    /// Own log on stderr: all of it, none, or (unset) only warnings and worse.
    log_stderr: Option<bool> = None, "log_stderr";
    /// Least severe level of the own log.
    log_level: LogLevel = LogLevel::Info, "log_level";
    /// Most threads that are tracked.
    thread_table_size: u32 = 262_144, "falco_libs.thread_table_size";
    /// Most memory for threads, their texts and fds, in MiB (ours, not Falco's).
    state_memory_mb: u32 = 512, "falco_libs.state_memory_mb";
}

impl Config {
    /// Checks what no single key can tell.
    ///
    /// # Errors
    /// Falco's message for the contradiction.
    fn validate(&mut self) -> Result<(), String> {
        if !self.rules_file.is_empty() {
            if !self.rules_files.is_empty() {
                return Err("both 'rules_files' and 'rules_file' keys set".to_owned());
            }
            self.rules_files = std::mem::take(&mut self.rules_file);
        }
        if self.engine_kind == EngineKind::Replay && self.capture_file.as_os_str().is_empty() {
            return Err(
                "engine.kind is 'replay' but no engine.replay.capture_file specified.".to_owned()
            );
        }
        Ok(())
    }

    /// Bounds of the tables.
    pub fn limits(&self) -> Limits {
        Limits {
            max_threads: self.thread_table_size as usize,
            max_bytes: (self.state_memory_mb as usize).saturating_mul(1 << 20),
            ..Limits::default()
        }
    }

    /// The keys that are set to something that this version does not do.
    pub fn unsupported(&self) -> Vec<&'static str> {
        [
            (self.file_enabled, "file_output"),
            (self.syslog_enabled, "syslog_output"),
            (self.program_enabled, "program_output"),
            (self.http_enabled, "http_output"),
            (self.capture_enabled, "capture"),
        ]
        .into_iter()
        .filter_map(|(set, key)| set.then_some(key))
        .collect()
    }
}
