//! Every key that Falco 0.44's `falco.yaml` has, so that a misspelt one can be told from one that
//! only later versions of this program use.

use super::tree::{Node, Value};

/// Keys by dotted path; `[]` are the items of a list, `*` is any name. A path covers all below it.
const KNOWN: &[&str] = &[
    "append_output[].extra_fields",
    "append_output[].extra_output",
    "append_output[].match.rule",
    "append_output[].match.source",
    "append_output[].match.tags",
    "append_output[].suggested_output",
    "base_syscalls.all",
    "base_syscalls.custom_set",
    "base_syscalls.repair",
    "buffer_format_base64",
    "buffered_outputs",
    "capture.default_duration",
    "capture.enabled",
    "capture.max_file_size_mb",
    "capture.mode",
    "capture.path_prefix",
    "config_files",
    "engine.kind",
    "engine.kmod.buf_size_preset",
    "engine.kmod.drop_failed_exit",
    "engine.modern_ebpf.buf_size_preset",
    "engine.modern_ebpf.cpus_for_each_buffer",
    "engine.modern_ebpf.disable_iterators",
    "engine.modern_ebpf.drop_failed_exit",
    "engine.replay.capture_file",
    "falco_libs.snaplen",
    "falco_libs.thread_table_auto_purging_interval_s",
    "falco_libs.thread_table_auto_purging_thread_timeout_s",
    "falco_libs.thread_table_size",
    "file_output.enabled",
    "file_output.filename",
    "file_output.keep_alive",
    "http_output.ca_bundle",
    "http_output.ca_cert",
    "http_output.ca_path",
    "http_output.client_cert",
    "http_output.client_key",
    "http_output.compress_uploads",
    "http_output.echo",
    "http_output.enabled",
    "http_output.insecure",
    "http_output.keep_alive",
    "http_output.max_consecutive_timeouts",
    "http_output.mtls",
    "http_output.url",
    "http_output.user_agent",
    "json_include_message_property",
    "json_include_output_fields_property",
    "json_include_output_property",
    "json_include_tags_property",
    "json_output",
    "libs_logger.enabled",
    "libs_logger.severity",
    "load_plugins",
    "log_level",
    "log_stderr",
    "log_syslog",
    "metrics.convert_memory_to_mb",
    "metrics.enabled",
    "metrics.include_empty_values",
    "metrics.interval",
    "metrics.jemalloc_stats_enabled",
    "metrics.kernel_event_counters_enabled",
    "metrics.kernel_event_counters_per_cpu_enabled",
    "metrics.kernel_iter_event_counters_enabled",
    "metrics.libbpf_stats_enabled",
    "metrics.output_file",
    "metrics.output_rule",
    "metrics.plugins_metrics_enabled",
    "metrics.resource_utilization_enabled",
    "metrics.rules_counters_enabled",
    "metrics.state_counters_enabled",
    "output_timeout",
    "outputs_queue.capacity",
    "plugins",
    "plugins_hostinfo",
    "priority",
    "program_output.enabled",
    "program_output.keep_alive",
    "program_output.program",
    "rule_matching",
    "rules[].disable.rule",
    "rules[].disable.tag",
    "rules[].enable.rule",
    "rules[].enable.tag",
    "rules_file",
    "rules_files",
    "static_fields",
    "stdout_output.enabled",
    "syscall_event_drops.actions",
    "syscall_event_drops.max_burst",
    "syscall_event_drops.rate",
    "syscall_event_drops.simulate_drops",
    "syscall_event_drops.threshold",
    "syscall_event_timeouts.max_consecutives",
    "syslog_output.enabled",
    "time_format_iso_8601",
    "watch_config_files",
    "webserver.enabled",
    "webserver.k8s_healthz_endpoint",
    "webserver.listen_address",
    "webserver.listen_port",
    "webserver.prometheus_metrics_enabled",
    "webserver.ssl_certificate",
    "webserver.ssl_enabled",
    "webserver.threadiness",
];

/// Keys that Falco 0.44 does not have.
const OURS: &[&str] = &[
    "engine.gvisor.attach",
    "engine.gvisor.config",
    "engine.gvisor.root",
    "engine.gvisor.runsc",
    "engine.gvisor.socket",
    "engine.modern_ebpf.attach",
    "engine.modern_ebpf.buf_size_mb",
    "engine.ptrace.if_killed",
    "engine.ptrace.pids",
    "falco_libs.state_memory_mb",
];

/// Keys that older releases of Falco had; 0.44 ignores them.
const REMOVED: &[&str] = &[
    "container_engines",
    "engine.ebpf",
    "grpc",
    "grpc_output",
    "metadata_download",
    "modern_bpf",
    "outputs",
    "outputs_queue.recovery",
    "syscall_buf_size_preset",
    "syscall_drop_failed_exit",
];

/// A warning for every key of the tree that no release of Falco knows, or that 0.44 no longer has.
pub fn unknown(root: &Node) -> Vec<String> {
    let mut warnings = Vec::new();
    walk(root, String::new(), &mut warnings);
    warnings
}

fn walk(node: &Node, path: String, warnings: &mut Vec<String>) {
    match &node.value {
        Value::Map(entries) => {
            for (i, (key, child)) in entries.iter().enumerate() {
                if entries.iter().take(i).any(|(k, _)| k == key) {
                    warnings.push(format!(
                        "{}: '{key}' stands twice in this map; the first one counts",
                        child.origin
                    ));
                }
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                if REMOVED.contains(&path.as_str()) {
                    warnings.push(format!(
                        "{}: '{path}' was removed from Falco and has no effect",
                        child.origin
                    ));
                } else if !KNOWN.contains(&path.as_str()) && !OURS.contains(&path.as_str()) {
                    if KNOWN.iter().chain(OURS).any(|k| leads_to(&path, k)) {
                        walk(child, path, warnings);
                    } else {
                        warnings.push(unknown_key(&path, child));
                    }
                }
            }
        }
        Value::List(items) => {
            items.iter().for_each(|item| walk(item, format!("{path}[]"), warnings));
        }
        Value::Null | Value::Scalar(_) => {}
    }
}

/// Whether `key` is somewhere below `path`.
fn leads_to(path: &str, key: &str) -> bool {
    key.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']))
}

fn unknown_key(path: &str, node: &Node) -> String {
    let mut text = format!("{}: unknown key '{path}' is ignored", node.origin);
    // Compare whole paths, and intermediate ones such as `engine` too.
    let candidates = KNOWN
        .iter()
        .chain(OURS)
        .flat_map(|k| k.match_indices('.').map(|(at, _)| &k[..at]).chain([*k]));
    if let Some(like) = crate::suggest::closest(path, candidates) {
        text += &format!(" (did you mean '{like}'?)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tree::{self, Origin};
    use super::*;

    fn warnings(text: &str) -> Vec<String> {
        unknown(&tree::parse(text, &|line| Origin::File("f".into(), line)).unwrap())
    }

    #[test]
    fn only_what_falco_never_had_is_unknown() {
        let text = "engine: {kind: kmod, replay: {capture_fil: x}}\nrules: [{disable: {rule: a}}]\n\
                    plugins: [{name: x, init_config: {any: thing}}]\nstatic_fields: {any: thing}\n\
                    webserer: {enabled: true}\ngrpc: {enabled: true}\njson_output: a\njson_output: b\n";
        assert_eq!(
            warnings(text),
            [
                "f:1: unknown key 'engine.replay.capture_fil' is ignored \
                 (did you mean 'engine.replay.capture_file'?)",
                "f:5: unknown key 'webserer' is ignored (did you mean 'webserver'?)",
                "f:6: 'grpc' was removed from Falco and has no effect",
                "f:8: 'json_output' stands twice in this map; the first one counts",
            ]
        );
    }

    /// Every leaf of Falco's own schema is known.
    #[test]
    fn the_list_covers_falcos_schema() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../shared/reference/falco-tables/config-schema.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!(
                "IGNORED: {} does not exist, so there is nothing to compare with",
                path.display()
            );
            return;
        };
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut leaves = Vec::new();
        collect(&schema, &schema["definitions"]["FalcoConfig"], String::new(), &mut leaves);
        assert!(leaves.len() > 100, "{leaves:?}");
        let known = |leaf: &str| {
            KNOWN.iter().any(|k| leaf == *k || leads_to(k, leaf))
                || REMOVED.iter().any(|k| leaf == *k || leads_to(k, leaf))
        };
        // The schema misspells this one.
        let missing: Vec<_> =
            leaves.iter().filter(|leaf| !known(leaf) && *leaf != "rule_files").collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    fn collect(
        schema: &serde_json::Value,
        node: &serde_json::Value,
        path: String,
        out: &mut Vec<String>,
    ) {
        if let Some(name) = node["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
            return collect(schema, &schema["definitions"][name], path, out);
        }
        if let Some(properties) = node["properties"].as_object() {
            for (key, child) in properties {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(schema, child, path, out);
            }
        } else if node.get("items").is_some_and(serde_json::Value::is_object) {
            collect(schema, &node["items"], format!("{path}[]"), out);
        } else {
            out.push(path.trim_end_matches("[]").to_owned());
        }
    }
}
