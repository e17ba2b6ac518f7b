//! The types of configuration values: how each is read from a node, and what to say if it cannot.

use std::path::PathBuf;

use clap::ValueEnum;
use falco_rules::yaml::scalar as yaml;

use super::tree::{Node, TreeError, Value};

/// A type that a configuration key can have.
pub trait Setting: Sized {
    /// Reads the value of `key`.
    ///
    /// # Errors
    /// If the node is not of this type, saying what would be.
    fn read(node: &Node, key: &str) -> Result<Self, TreeError>;
}

/// An error at a node.
pub fn wrong(node: &Node, message: impl Into<String>) -> TreeError {
    TreeError { origin: node.origin.clone(), message: message.into() }
}

fn scalar<'n>(node: &'n Node, key: &str, expected: &str) -> Result<&'n str, TreeError> {
    match &node.value {
        Value::Scalar(text) => Ok(text),
        _ => Err(wrong(node, format!("{key}: expected {expected}, found {}", node.kind()))),
    }
}

impl Setting for bool {
    /// The spellings of YAML 1.1, which Falco reads.
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        let text = scalar(node, key, "true or false")?;
        yaml::to_bool(text).ok_or_else(|| {
            wrong(node, format!("{key}: '{text}' is not a boolean; write true or false"))
        })
    }
}

impl Setting for u32 {
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        let text = scalar(node, key, "a number")?;
        yaml::to_u32(text).ok_or_else(|| {
            wrong(node, format!("{key}: '{text}' is not a whole number from 0 to {}", u32::MAX))
        })
    }
}

impl Setting for u16 {
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        let number = u32::read(node, key)?;
        Self::try_from(number).map_err(|_| {
            wrong(node, format!("{key}: '{number}' is not a whole number from 0 to {}", u16::MAX))
        })
    }
}

impl Setting for u64 {
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        let text = scalar(node, key, "a number")?;
        yaml::to_u64(text).ok_or_else(|| {
            wrong(node, format!("{key}: '{text}' is not a whole number from 0 to {}", u64::MAX))
        })
    }
}

impl Setting for f64 {
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        let text = scalar(node, key, "a number")?;
        text.trim_ascii_end()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| wrong(node, format!("{key}: '{text}' is not a number")))
    }
}

impl Setting for String {
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        scalar(node, key, "a text").map(str::to_owned)
    }
}

impl Setting for PathBuf {
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        scalar(node, key, "a path").map(PathBuf::from)
    }
}

impl<T: Setting> Setting for Option<T> {
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        T::read(node, key).map(Some)
    }
}

impl<T: Setting> Setting for Vec<T> {
    /// A list; a single value counts as a list of one, as Falco reads it.
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        match &node.value {
            Value::List(items) => items.iter().map(|item| T::read(item, key)).collect(),
            Value::Scalar(_) => Ok(vec![T::read(node, key)?]),
            Value::Map(_) | Value::Null => {
                Err(wrong(node, format!("{key}: expected a list, found {}", node.kind())))
            }
        }
    }
}

/// The value of a key of a map, if the map has it.
fn member<T: Setting>(node: &Node, name: &str, key: &str) -> Result<Option<T>, TreeError> {
    node.get(name).map(|n| T::read(n, &format!("{key}.{name}"))).transpose()
}

/// Reads an enumeration by name.
macro_rules! named {
    ($ty:ty, $refusal:expr, $($name:literal => $value:expr),+ $(,)?) => {
        impl Setting for $ty {
            fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
                let text = scalar(node, key, "a name")?;
                match text.to_ascii_lowercase().as_str() {
                    $($name => Ok($value),)+
                    _ => Err(wrong(node, format!($refusal, text))),
                }
            }
        }
    };
}

/// `rule_matching`: whether rules after the first that matches are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// Stop at the first matching rule of an event.
    First,
    /// Report every matching rule.
    All,
}

named!(Matching, "Unknown rule matching strategy \"{}\"--must be one of first, all",
    "first" => Matching::First, "all" => Matching::All);

/// `capture.mode`: which rules start a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureMode {
    /// Those with `capture: true`.
    Rules,
    /// All.
    AllRules,
}

named!(CaptureMode, "capture.mode '{}' is not a valid mode.",
    "rules" => CaptureMode::Rules, "all_rules" => CaptureMode::AllRules);

/// One of `engine.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The kernel module.
    Kmod,
    /// The BPF probe.
    ModernEbpf,
    /// The sandboxes of gVisor.
    Gvisor,
    /// Process trees that are named, by ptrace(2).
    Ptrace,
    /// Whatever of the BPF probe and gVisor there is here.
    Auto,
    /// A capture.
    Replay,
    /// No system calls.
    Nodriver,
}

named!(EngineKind, "engine.kind '{}' is not a valid kind.",
    "kmod" => EngineKind::Kmod, "modern_ebpf" => EngineKind::ModernEbpf,
    "gvisor" => EngineKind::Gvisor, "ptrace" => EngineKind::Ptrace, "auto" => EngineKind::Auto,
    "replay" => EngineKind::Replay, "nodriver" => EngineKind::Nodriver);

impl EngineKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            EngineKind::Kmod => "kmod",
            EngineKind::ModernEbpf => "modern_ebpf",
            EngineKind::Gvisor => "gvisor",
            EngineKind::Ptrace => "ptrace",
            EngineKind::Auto => "auto",
            EngineKind::Replay => "replay",
            EngineKind::Nodriver => "nodriver",
        }
    }

    /// Whether it can be one of several.
    fn is_sociable(self) -> bool {
        matches!(self, EngineKind::Kmod | EngineKind::ModernEbpf | EngineKind::Gvisor)
    }
}

/// `engine.kind`: where events come from; several in the order written, none twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engines(Vec<EngineKind>);

impl Engines {
    /// Just this one.
    pub fn only(kind: EngineKind) -> Self {
        Engines(vec![kind])
    }

    /// Whether this one is it.
    pub fn is(&self, kind: EngineKind) -> bool {
        self.0 == [kind]
    }

    /// Whether this one is among them.
    pub fn has(&self, kind: EngineKind) -> bool {
        self.0.contains(&kind)
    }
}

impl Setting for Engines {
    /// One kind, or a list of those that can run beside each other.
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        let kinds = Vec::<EngineKind>::read(node, key)?;
        let unsociable = kinds.iter().find(|kind| !kind.is_sociable());
        match (&*kinds, unsociable) {
            ([], _) => Err(wrong(node, format!("{key}: expected at least one kind, found none"))),
            ([_, _, ..], Some(alone)) => {
                let name = alone.name();
                Err(wrong(node, format!("{key}: '{name}' cannot run beside another kind")))
            }
            _ if kinds.contains(&EngineKind::Kmod) && kinds.contains(&EngineKind::ModernEbpf) => {
                let message = "'kmod' and 'modern_ebpf' see the same events; choose one";
                Err(wrong(node, format!("{key}: {message}")))
            }
            _ => {
                let mut engines = Engines(Vec::new());
                for kind in kinds {
                    if engines.has(kind) {
                        let name = kind.name();
                        return Err(wrong(node, format!("{key}: '{name}' stands there twice")));
                    }
                    engines.0.push(kind);
                }
                Ok(engines)
            }
        }
    }
}

/// `engine.ptrace.if_killed` and `falco trace --if-killed`: what becomes of traced processes when falco is
/// killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IfKilled {
    /// They are killed, too: nothing runs unwatched
    Kill,
    /// They run on unwatched; a command is traced without a filter for that, which is slow
    Free,
}

named!(IfKilled, "engine.ptrace.if_killed '{}' is none of kill, free",
    "kill" => IfKilled::Kill, "free" => IfKilled::Free);

/// `engine.modern_ebpf.attach`: how the probe hangs on system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// On each wanted call where the kernel can, else on all.
    Auto,
    /// One program on the tracepoint that every system call of the host passes.
    SysExit,
    /// A trampoline on the function of each wanted call; the others pay nothing.
    PerSyscall,
}

named!(Attach, "engine.modern_ebpf.attach '{}' is none of auto, sys_exit, per_syscall",
    "auto" => Attach::Auto, "sys_exit" => Attach::SysExit, "per_syscall" => Attach::PerSyscall);

/// `syscall_event_drops.actions`: what is done when too many events were lost. None of them is
/// `ignore`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropActions {
    /// A line in the own log, of level debug.
    pub log: bool,
    /// The alert `Falco internal: syscall event drop`.
    pub alert: bool,
    /// The end of the program, with code 1.
    pub exit: bool,
}

impl Setting for DropActions {
    /// As Falco, `ignore` is refused only where a contradicting action follows it.
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        let mut actions = DropActions::default();
        let mut ignore = false;
        for action in Vec::<String>::read(node, key)? {
            match action.as_str() {
                "ignore" => ignore = true,
                "log" | "alert" if ignore => {
                    return Err(wrong(
                        node,
                        format!(
                            "syscall event drop action \"{action}\" does not make sense with the \
                             \"ignore\" action"
                        ),
                    ));
                }
                "log" => actions.log = true,
                "alert" => actions.alert = true,
                "exit" => actions.exit = true,
                _ => {
                    return Err(wrong(
                        node,
                        "available actions for syscall event drops are \"ignore\", \"log\", \
                         \"alert\", and \"exit\"",
                    ));
                }
            }
        }
        Ok(actions)
    }
}

/// Levels of the own log, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the variants are the names themselves
pub enum LogLevel {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

named!(LogLevel, "Unknown log level {}",
    "emergency" => LogLevel::Emergency, "alert" => LogLevel::Alert,
    "critical" => LogLevel::Critical, "error" => LogLevel::Error,
    "warning" => LogLevel::Warning, "notice" => LogLevel::Notice,
    "info" => LogLevel::Info, "informational" => LogLevel::Info, "debug" => LogLevel::Debug);

named!(super::Priority, "Unknown priority \"{}\"--must be one of emergency, alert, critical, \
    error, warning, notice, informational, debug",
    "emergency" => super::Priority::Emergency, "alert" => super::Priority::Alert,
    "critical" => super::Priority::Critical, "error" => super::Priority::Error,
    "warning" => super::Priority::Warning, "notice" => super::Priority::Notice,
    "info" => super::Priority::Informational,
    "informational" => super::Priority::Informational, "debug" => super::Priority::Debug);

/// One item of `rules`: turns the rules that it names on or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// On or off.
    pub enable: bool,
    /// Rules of this name; `*` stands for any text.
    pub rule: Option<String>,
    /// Rules with this tag.
    pub tag: Option<String>,
}

impl Setting for Selection {
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        let (enable, target) = match (node.get("enable"), node.get("disable")) {
            (Some(target), None) => (true, target),
            (None, Some(target)) => (false, target),
            _ => return Err(wrong(node, format!("{key}: expected either 'enable' or 'disable'"))),
        };
        let selection = Selection {
            enable,
            rule: member(target, "rule", key)?,
            tag: member(target, "tag", key)?,
        };
        if selection.rule.is_none() && selection.tag.is_none() {
            return Err(wrong(target, format!("{key}: expected 'rule' or 'tag'")));
        }
        Ok(selection)
    }
}

/// One item of `append_output`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendOutput {
    /// Only rules of this source.
    pub source: Option<String>,
    /// Only rules that have all these tags.
    pub tags: Vec<String>,
    /// Only the rule of this name.
    pub rule: Option<String>,
    /// Text appended to the output, after a blank.
    pub extra_output: Option<String>,
    /// Keys added to `output_fields`.
    pub extra_fields: Vec<ExtraField>,
    /// Append every field that the source suggests.
    pub suggested_output: bool,
}

/// A key added to `output_fields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtraField {
    /// A field, typed as it is.
    Raw(String),
    /// A key with an output template, always text.
    Formatted(String, String),
}

impl Setting for AppendOutput {
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        if !matches!(node.value, Value::Map(_)) {
            return Err(wrong(node, format!("{key}: expected a map, found {}", node.kind())));
        }
        let mut out = AppendOutput::default();
        if let Some(matching) = node.get("match") {
            out.source = member(matching, "source", key)?;
            out.tags = member(matching, "tags", key)?.unwrap_or_default();
            out.rule = member(matching, "rule", key)?;
        }
        out.extra_output = member(node, "extra_output", key)?;
        out.suggested_output = member(node, "suggested_output", key)?.unwrap_or_default();
        if let Some(fields) = node.get("extra_fields") {
            let Value::List(items) = &fields.value else {
                return Err(wrong(fields, format!("{key}.extra_fields: expected a list")));
            };
            for item in items {
                out.extra_fields.extend(extra_fields(item, key)?);
            }
        }
        Ok(out)
    }
}

fn extra_fields(item: &Node, key: &str) -> Result<Vec<ExtraField>, TreeError> {
    match &item.value {
        Value::Scalar(name) => Ok(vec![ExtraField::Raw(name.clone())]),
        Value::Map(entries) => entries
            .iter()
            .map(|(name, format)| {
                let format = String::read(format, &format!("{key}.extra_fields.{name}"))?;
                Ok(ExtraField::Formatted(name.clone(), format))
            })
            .collect(),
        Value::List(_) | Value::Null => Err(wrong(
            item,
            format!("{key}.extra_fields: expected a field name or {{name: format}}"),
        )),
    }
}

/// `static_fields`: names and values in the order written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticFields(pub Vec<(String, String)>);

impl Setting for StaticFields {
    fn read(node: &Node, key: &str) -> Result<Self, TreeError> {
        let Value::Map(entries) = &node.value else {
            return Err(wrong(node, format!("{key}: expected a map, found {}", node.kind())));
        };
        let pairs = entries.iter().map(|(name, value)| {
            String::read(value, &format!("{key}.{name}")).map(|value| (name.clone(), value))
        });
        pairs.collect::<Result<_, _>>().map(StaticFields)
    }
}
