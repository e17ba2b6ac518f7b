//! Findings as a SARIF log (Static Analysis Results Interchange Format, OASIS 2.1.0), which GitHub,
//! GitLab and editors show beside the lines of a file.

use falco_rules::loader::{Finding, Severity};
use serde_json::{Value, json};

use super::check::message;
use crate::version;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// The rule of the one finding that is in no file.
const REQUIRED_PLUGIN: &str = "LOAD_ERR_REQUIRED_PLUGIN";

/// The log of a check of `files`. `plugin` is a requirement that is not fulfilled.
pub fn log(findings: &[Finding], plugin: Option<&str>, files: &[&str]) -> Value {
    let mut rules: Vec<Value> = Vec::new();
    let mut ids: Vec<&str> = Vec::new();
    let mut results = Vec::new();
    for finding in findings {
        let level = level(finding.severity);
        let index = ids.iter().position(|id| *id == finding.code).unwrap_or_else(|| {
            ids.push(finding.code);
            // The summary may name what this finding is about.
            let summary = finding.summary.split(':').next().unwrap_or_default();
            rules.push(rule(finding.code, summary, level));
            ids.len() - 1
        });
        results.push(result(finding, index, level));
    }
    if let Some(text) = plugin {
        rules.push(rule(REQUIRED_PLUGIN, "A required plugin is missing", "error"));
        results.push(json!({
            "ruleId": REQUIRED_PLUGIN,
            "ruleIndex": rules.len() - 1,
            "level": "error",
            "message": { "text": text },
        }));
    }
    let artifacts: Vec<Value> =
        files.iter().map(|file| json!({ "location": { "uri": uri(file) } })).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "falco rules check",
                "version": version::SENSOR,
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "artifacts": artifacts,
            "results": results,
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn rule(id: &str, summary: &str, level: &str) -> Value {
    json!({
        "id": id,
        "shortDescription": { "text": summary },
        "defaultConfiguration": { "level": level },
    })
}

fn result(finding: &Finding, index: usize, level: &str) -> Value {
    let mut text = message(finding).to_owned();
    if let Some(hint) = &finding.hint {
        text = format!("{text} ({hint})");
    }
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&finding.file) },
            "region": { "startLine": finding.line, "startColumn": finding.column },
        },
    });
    if let Some((kind, name)) = &finding.item {
        location["logicalLocations"] = json!([{ "name": name, "kind": kind }]);
    }
    json!({
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": level,
        "message": { "text": text },
        "locations": [location],
    })
}

/// A path as a URI reference (RFC 3986): absolute ones as `file:`, relative ones as they are.
fn uri(path: &str) -> String {
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    let path = path.strip_prefix("./").unwrap_or(path);
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'~' | b'-' => {
                out.push(byte.into());
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("./rules/a b.yaml"), "rules/a%20b.yaml");
        assert_eq!(uri("/etc/falco/é.yaml"), "file:///etc/falco/%C3%A9.yaml");
        assert_eq!(uri("../x:y.yaml"), "../x%3Ay.yaml");
    }
}
