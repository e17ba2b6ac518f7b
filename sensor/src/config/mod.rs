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

use falco_enrich::selection::BaseSyscalls;
use falco_enrich::state::Limits;
use falco_rules::priority::Priority;

pub use load::{Loaded, load};
use setting::Setting;
pub use setting::{
    AppendOutput, Attach, CaptureMode, DropActions, EngineKind, Engines, ExtraField, IfKilled,
    LogLevel, Matching, Selection, StaticFields,
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
    engines: Engines = Engines::only(EngineKind::Kmod), "engine.kind";
    /// CPUs that share one ring buffer; 0: one ring for all.
    ebpf_cpus_per_buffer: u16 = 2, "engine.modern_ebpf.cpus_for_each_buffer";
    /// Size of a ring buffer: 1 MiB · 2^(n−1), n from 1 to 10.
    ebpf_buffer_preset: u32 = 4, "engine.modern_ebpf.buf_size_preset";
    /// Size of a ring buffer in MiB, instead (ours, not Falco's).
    ebpf_buffer_mb: Option<u64> = None, "engine.modern_ebpf.buf_size_mb";
    /// The kernel drops the exit events of failed system calls.
    ebpf_drop_failed_exit: bool = false, "engine.modern_ebpf.drop_failed_exit";
    /// Fill the tables at start from `/proc` instead of BPF iterators. (This version always does.)
    ebpf_disable_iterators: bool = false, "engine.modern_ebpf.disable_iterators";
    /// How the probe hangs on system calls (ours, not Falco's).
    ebpf_attach: Attach = Attach::Auto, "engine.modern_ebpf.attach";
    /// The file that runsc is given as `--pod-init-config`, which names the socket.
    gvisor_config: PathBuf = PathBuf::new(), "engine.gvisor.config";
    /// State directories of runsc; none: those that there are.
    gvisor_roots: Vec<PathBuf> = Vec::new(), "engine.gvisor.root";
    /// The socket that sandboxes send to (ours, like those that follow).
    gvisor_socket: Option<PathBuf> = None, "engine.gvisor.socket";
    /// The program runsc; empty: that of PATH.
    gvisor_runsc: PathBuf = PathBuf::new(), "engine.gvisor.runsc";
    /// Trace sandboxes that run already, or were started without our configuration.
    gvisor_attach: bool = true, "engine.gvisor.attach";
    /// Running processes to watch with all that descends from them.
    ptrace_pids: Vec<u32> = Vec::new(), "engine.ptrace.pids";
    /// What becomes of them when this program is killed.
    ptrace_if_killed: IfKilled = IfKilled::Free, "engine.ptrace.if_killed";
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
    /// Recordings when rules fire.
    capture_enabled: bool = false, "capture.enabled";
    /// What the names of recordings begin with.
    capture_path_prefix: PathBuf = PathBuf::from("/tmp/falco"), "capture.path_prefix";
    /// Which rules start a recording.
    capture_mode: CaptureMode = CaptureMode::Rules, "capture.mode";
    /// Milliseconds that a recording lasts at least, unless the rule says how long.
    capture_default_duration_ms: u32 = 5000, "capture.default_duration";
    /// MiB at which a recording ends; 0: none. Approximate.
    capture_max_file_size_mb: u64 = 0, "capture.max_file_size_mb";
    /// Own log on stderr: all of it, none, or (unset) only warnings and worse.
    log_stderr: Option<bool> = None, "log_stderr";
    /// Least severe level of the own log.
    log_level: LogLevel = LogLevel::Info, "log_level";
    /// Most alerts that wait for the outputs; 0: as many as memory allows.
    outputs_queue_capacity: u64 = 0, "outputs_queue.capacity";
    /// Milliseconds for which an output may block before that is reported, and for which a stop
    /// waits for the outputs.
    output_timeout_ms: u32 = 2000, "output_timeout";
    /// System calls that replace those that the tables need; `!` before a name takes it away.
    base_custom_set: Vec<String> = Vec::new(), "base_syscalls.custom_set";
    /// Only the system calls that the tables need for those of the rules.
    base_repair: bool = false, "base_syscalls.repair";
    /// Keep the system calls of rules that move data, too.
    base_all: bool = false, "base_syscalls.all";
    /// Share of lost events in a second above which something is done about it.
    drops_threshold: f64 = 0.1, "syscall_event_drops.threshold";
    /// What is done.
    drops_actions: DropActions = DropActions::default(), "syscall_event_drops.actions";
    /// How often in a second, on average.
    drops_rate: f64 = 0.03333, "syscall_event_drops.rate";
    /// How often in a row.
    drops_max_burst: f64 = 1.0, "syscall_event_drops.max_burst";
    /// Act once a second as if an event had been lost.
    drops_simulate: bool = false, "syscall_event_drops.simulate_drops";
    /// How many times in a row no event may come, each time for 30 ms, before that is reported.
    max_timeouts: u32 = 1000, "syscall_event_timeouts.max_consecutives";
    /// Bytes of data that an event carries of a read, write, sendto …; 0: as many as by default.
    snaplen: u32 = 0, "falco_libs.snaplen";
    /// Seconds between two searches for threads whose end was missed.
    purge_interval_s: u32 = 300, "falco_libs.thread_table_auto_purging_interval_s";
    /// Seconds without an event after which a thread is searched for.
    purge_timeout_s: u32 = 300, "falco_libs.thread_table_auto_purging_thread_timeout_s";
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
        if self.engines.is(EngineKind::Replay) && self.capture_file.as_os_str().is_empty() {
            return Err(
                "engine.kind is 'replay' but no engine.replay.capture_file specified.".to_owned()
            );
        }
        if self.engines.is(EngineKind::Ptrace) && self.ptrace_pids.is_empty() {
            return Err(
                "engine.kind is 'ptrace' but no engine.ptrace.pids specified; name running \
                        processes (--pid PID), or start a command with falco trace -- CMD"
                    .to_owned(),
            );
        }
        if self.gvisor_socket.is_some() && !self.gvisor_config.as_os_str().is_empty() {
            return Err("both 'engine.gvisor.config', which names a socket, and \
                        'engine.gvisor.socket' keys set"
                .to_owned());
        }
        if !(0.0..=1.0).contains(&self.drops_threshold) {
            return Err(
                "syscall event drops threshold must be a double in the range [0, 1]".to_owned()
            );
        }
        if self.max_timeouts == 0 {
            return Err("the maximum consecutive timeouts without an event must be an unsigned \
                        integer > 0"
                .to_owned());
        }
        Ok(())
    }

    /// The user's wishes for the selection of system calls.
    pub fn base_syscalls(&self) -> BaseSyscalls {
        BaseSyscalls {
            custom_set: self.base_custom_set.clone(),
            all: self.base_all,
            repair: self.base_repair,
        }
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
        ]
        .into_iter()
        .filter_map(|(set, key)| set.then_some(key))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("falco.yaml");
        std::fs::write(&path, text).unwrap();
        load(Some(&path), &[]).map(|loaded| loaded.config)
    }

    #[test]
    fn the_keys_of_the_live_engine_are_read() {
        let config = config(
            "engine: {modern_ebpf: {cpus_for_each_buffer: 0, buf_size_preset: 7, \
               drop_failed_exit: true, attach: per_syscall}}\n\
             base_syscalls: {custom_set: [open, '!close'], repair: true}\n\
             falco_libs: {snaplen: 256, thread_table_auto_purging_interval_s: 60}\n\
             outputs_queue: {capacity: 1000}\n\
             syscall_event_drops: {threshold: 0.5, rate: .1, max_burst: 10, actions: [log, exit]}\n",
        )
        .unwrap();
        assert_eq!((config.ebpf_cpus_per_buffer, config.ebpf_buffer_preset), (0, 7));
        assert!(config.ebpf_drop_failed_exit && config.ebpf_attach == Attach::PerSyscall);
        let base = config.base_syscalls();
        assert_eq!((base.custom_set.len(), base.repair, base.all), (2, true, false));
        assert_eq!((config.snaplen, config.purge_interval_s), (256, 60));
        assert_eq!(config.outputs_queue_capacity, 1000);
        assert_eq!(config.drops_actions, DropActions { log: true, alert: false, exit: true });
        let drops = (config.drops_threshold, config.drops_rate, config.drops_max_burst);
        assert_eq!(drops, (0.5, 0.1, 10.0));
        // As Falco, which looks only at what stands before.
        let actions = "syscall_event_drops: {actions: [alert, ignore]}";
        assert!(self::config(actions).unwrap().drops_actions.alert);
    }

    #[test]
    fn engines_may_be_several() {
        let config = |text: &str| self::config(text).unwrap();
        let both = config(
            "engine: {kind: [modern_ebpf, GVISOR], gvisor: {root: /a, socket: /s, attach: no}}",
        );
        assert!(both.engines.has(EngineKind::ModernEbpf) && both.engines.has(EngineKind::Gvisor));
        assert!(!both.engines.is(EngineKind::ModernEbpf));
        assert_eq!(both.gvisor_roots, [PathBuf::from("/a")]);
        assert_eq!(both.gvisor_socket, Some(PathBuf::from("/s")));
        assert!(!both.gvisor_attach);
        let more = config("engine: {kind: [gvisor], gvisor: {root: [/a, /b], runsc: /r}}");
        assert!(more.engines.is(EngineKind::Gvisor) && more.gvisor_attach);
        assert_eq!((more.gvisor_roots.len(), more.gvisor_runsc), (2, PathBuf::from("/r")));
        assert!(config("engine: {kind: auto}").engines.is(EngineKind::Auto));
    }

    #[test]
    fn contradictions_are_refused_in_falcos_words() {
        for (given, refusal) in [
            (
                "syscall_event_drops: {actions: [ignore, log]}",
                "syscall event drop action \"log\" does not make sense with the \"ignore\" action",
            ),
            (
                "syscall_event_drops: {actions: [mail]}",
                "available actions for syscall event drops are \"ignore\", \"log\", \"alert\", and \
                 \"exit\"",
            ),
            (
                "syscall_event_drops: {threshold: 1.1}",
                "syscall event drops threshold must be a double in the range [0, 1]",
            ),
            ("syscall_event_drops: {rate: fast}", "'fast' is not a number"),
            ("syscall_event_drops: {threshold: nan}", "'nan' is not a number"),
            (
                "syscall_event_timeouts: {max_consecutives: 0}",
                "the maximum consecutive timeouts without an event must be an unsigned integer > 0",
            ),
            ("engine: {kind: ebpf}", "engine.kind 'ebpf' is not a valid kind."),
            ("engine: {kind: [gvisor, x]}", "engine.kind 'x' is not a valid kind."),
            ("engine: {kind: []}", "engine.kind: expected at least one kind, found none"),
            ("engine: {kind: {a: b}}", "engine.kind: expected a list, found a map"),
            ("engine: {kind: [gvisor, auto]}", "'auto' cannot run beside another kind"),
            ("engine: {kind: [nodriver, gvisor]}", "'nodriver' cannot run beside another kind"),
            ("engine: {kind: [kmod, modern_ebpf]}", "see the same events; choose one"),
            ("engine: {kind: [gvisor, gvisor]}", "engine.kind: 'gvisor' stands there twice"),
            (
                "engine: {kind: gvisor, gvisor: {config: /x.json, socket: /y.sock}}",
                "both 'engine.gvisor.config', which names a socket, and 'engine.gvisor.socket' \
                 keys set",
            ),
            ("engine: {gvisor: {attach: always}}", "'always' is not a boolean"),
            ("engine: {modern_ebpf: {attach: kprobe}}", "is none of auto, sys_exit, per_syscall"),
            (
                "engine: {modern_ebpf: {cpus_for_each_buffer: 65536}}",
                "'65536' is not a whole number from 0 to 65535",
            ),
        ] {
            let error = config(given).unwrap_err();
            assert!(error.contains(refusal), "{given}: {error}");
        }
    }
}
