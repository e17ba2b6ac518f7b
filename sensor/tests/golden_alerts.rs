//! The promise of the whole: on the same capture with the same rules, the same alerts as Falco.
//!
//! Each golden file holds the alerts that Falco 0.44 printed; the binary is run the same way and
//! must print the same lines in the same order, and the same statistics behind them. `cargo xtask
//! conformance alerts` does this with the release build.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

const RULES: [&str; 3] =
    ["falco_rules.yaml", "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml"];
/// Differences to show of one run.
const SHOWN: usize = 30;

#[test]
fn attack_host() {
    compare("attack-host");
}

#[test]
fn attack_container() {
    compare("attack-container");
}

#[test]
fn edge() {
    compare("edge");
}

#[test]
fn kmod() {
    compare("kmod");
}

#[test]
fn workload() {
    compare("workload");
}

#[test]
fn workload_all() {
    compare("workload-all");
}

#[track_caller]
fn compare(capture: &str) {
    let Some(shared) = common::shared() else { return };
    let mut report = String::new();
    for (rules, files) in [("stable", &RULES[..1]), ("all", &RULES[..])] {
        for matching in ["first", "all"] {
            let name = format!("{capture}.{rules}.{matching}");
            let differences = differences(&shared, capture, &name, files, matching);
            if !differences.is_empty() {
                let _ = writeln!(report, "{name}: {} differences", differences.len());
                for difference in differences.iter().take(SHOWN) {
                    let _ = writeln!(report, "  {difference}");
                }
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

fn differences(
    shared: &Path,
    capture: &str,
    name: &str,
    rules: &[&str],
    matching: &str,
) -> Vec<String> {
    let golden = shared.join("captures/golden");
    let mut falco = common::falco();
    falco.arg("-c").arg(golden.join("falco.yaml"));
    falco.arg("-e").arg(shared.join(format!("captures/{capture}.scap")));
    for file in rules {
        falco.arg("-r").arg(shared.join("rules").join(file));
    }
    falco.args(["-o", &format!("rule_matching={matching}")]);
    // `kmod` tells only root, so Falco took the others of the machine that made the goldens.
    falco.env("HOST_ROOT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden_host"));
    let output = falco.output().expect("the binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{stderr}", output.status);
    let stdout = String::from_utf8(output.stdout).expect("alerts are UTF-8");
    let expected = fs::read_to_string(golden.join(format!("{name}.jsonl"))).expect("golden file");
    let got: Vec<_> = stdout.lines().filter(|l| l.starts_with('{')).collect();
    let expected: Vec<_> = expected.lines().collect();
    if got == expected {
        let stats = fs::read_to_string(golden.join(format!("{name}.stats.txt"))).expect("golden");
        return stats_differences(&stdout, &stats);
    }
    line_differences(&got, &expected)
}

/// The statistics at the end must be Falco's, too.
fn stats_differences(stdout: &str, golden: &str) -> Vec<String> {
    let is_stats = |l: &&str| l.starts_with("Events detected") || l.starts_with("   ");
    let got: Vec<_> = stdout.lines().filter(|l| !l.starts_with('{')).filter(is_stats).collect();
    let expected: Vec<_> =
        golden.lines().filter(is_stats).filter(|l| !l.starts_with("   - ")).collect();
    if got == expected { vec![] } else { vec![format!("statistics: {got:?}, not {expected:?}")] }
}

/// What differs, alert by alert: by event number and rule, then by field.
fn line_differences(got: &[&str], expected: &[&str]) -> Vec<String> {
    let (got, expected) = (index(got), index(expected));
    let mut out = Vec::new();
    for (key, (_, alert)) in &expected {
        match got.get(key) {
            None => out.push(format!("missing: event {} {:?}", key.0, key.1)),
            Some((_, other)) => {
                field_differences(&format!("event {} {:?}", key.0, key.1), other, alert, &mut out)
            }
        }
    }
    for (key, (_, alert)) in got.iter().filter(|(key, _)| !expected.contains_key(*key)) {
        out.push(format!("extra: event {} {:?}: {}", key.0, key.1, alert["output"]));
    }
    if out.is_empty() {
        out.push("the same alerts in another order or spelling".to_owned());
    }
    out
}

type Key = (u64, String, usize);

/// Alerts by event number, rule and how many of the same came before.
fn index(lines: &[&str]) -> BTreeMap<Key, (usize, Value)> {
    let mut alerts = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        let alert: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let num = alert["output_fields"]["evt.num"].as_u64().unwrap_or(0);
        let rule = alert["rule"].as_str().unwrap_or_default().to_owned();
        let mut key = (num, rule, 0);
        while alerts.contains_key(&key) {
            key.2 += 1;
        }
        alerts.insert(key, (at, alert));
    }
    alerts
}

fn field_differences(at: &str, got: &Value, expected: &Value, out: &mut Vec<String>) {
    let (Some(got), Some(expected)) = (got.as_object(), expected.as_object()) else {
        if got != expected {
            out.push(format!("{at}: {got}, not {expected}"));
        }
        return;
    };
    for (key, value) in expected {
        // The text repeats the fields; it is worth showing only if they are equal.
        let repeats = ["output", "message"].contains(&key.as_str());
        if repeats && got.get("output_fields") != expected.get("output_fields") {
            continue;
        }
        match got.get(key) {
            Some(other) => field_differences(&format!("{at} {key}"), other, value, out),
            None => out.push(format!("{at} {key}: missing, not {value}")),
        }
    }
    for (key, value) in got.iter().filter(|(key, _)| !expected.contains_key(*key)) {
        out.push(format!("{at} {key}: {value}, not there"));
    }
}
