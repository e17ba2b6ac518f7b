//! Alert streams of whole replays: line by line what Falco printed, in its order.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Options, Tally, Verdict};
use crate::paths;

/// Differences shown per replay, unless all are asked for.
const SHOWN: usize = 5;

/// One replay that Falco's answer is known for: `NAME.RULES.MATCHING.jsonl[.gz]`.
struct Case {
    capture: String,
    /// `stable` or `all`.
    rules: String,
    /// `first` or `all`.
    matching: String,
    file: String,
}

/// Replays every capture that has a golden and compares the streams.
pub fn compare(shared: &Path, options: &Options) -> Result<Verdict> {
    println!("alerts: rule, event, priority, time, tags, output and output_fields, in order");
    let mut tally = Tally::default();
    for case in cases(shared)?.iter().filter(|c| options.wants(&c.capture)) {
        let golden = Stream::golden(shared, case)?;
        let ours = replay(shared, case)?;
        let mut differences = diff(&golden.alerts, &ours.alerts);
        if golden.statistics != ours.statistics {
            let (t, o) = (golden.statistics.join("\n        "), ours.statistics.join("\n        "));
            differences
                .push(format!("    ~ statistics\n      -\n        {t}\n      +\n        {o}"));
        }
        // An alert too many counts too: otherwise printing everything twice would be perfect.
        // The statistics at the end count as one more.
        let total = golden.alerts.len().max(ours.alerts.len()) as u64 + 1;
        let own = Tally { equal: total.saturating_sub(differences.len() as u64), total };
        tally.add(own);
        let mark = if differences.is_empty() { "ok" } else { "DIFFERS" };
        println!(
            "  {:<18} {:<6} {:<5} {:>4} of {:>4}  {mark}",
            case.capture, case.rules, case.matching, own.equal, own.total
        );
        let shown = if options.verbose { differences.len() } else { SHOWN };
        for difference in differences.iter().take(shown) {
            println!("{difference}");
        }
        if differences.len() > shown {
            println!("    … {} more (--verbose shows all)", differences.len() - shown);
        }
    }
    Ok(Verdict { name: "alerts", tally })
}

fn cases(shared: &Path) -> Result<Vec<Case>> {
    let folder = shared.join("captures/golden");
    let mut cases = Vec::new();
    for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let stem = file.trim_end_matches(".gz");
        if let [capture, rules, matching, "jsonl"] = stem.split('.').collect::<Vec<_>>()[..] {
            let [capture, rules, matching] = [capture, rules, matching].map(str::to_owned);
            cases.push(Case { capture, rules, matching, file });
        }
    }
    cases.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(cases)
}

fn replay(shared: &Path, case: &Case) -> Result<Stream> {
    let mut falco = Command::new(paths::falco()?);
    falco.env("FALCO_HOSTNAME", "node1").env("TZ", "UTC").stdin(Stdio::null());
    falco.env("HOST_ROOT", paths::root().join("sensor/tests/golden_host"));
    falco.arg("-c").arg(shared.join("captures/golden/falco.yaml"));
    falco.arg("-e").arg(shared.join("captures").join(format!("{}.scap", case.capture)));
    for file in paths::official_rules(shared, case.rules == "all") {
        falco.arg("-r").arg(file);
    }
    falco.arg("-o").arg(format!("rule_matching={}", case.matching));
    let output = falco.output().context("cannot run falco")?;
    ensure!(
        output.status.success(),
        "{falco:?} ended with {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Stream::read(&output.stdout[..])
}

/// What a replay prints.
#[derive(Default)]
struct Stream {
    alerts: Vec<Alert>,
    /// How many alerts by severity and rule, as printed at the end.
    statistics: Vec<String>,
}

impl Stream {
    fn read(lines: impl BufRead) -> Result<Self> {
        let mut stream = Stream::default();
        for line in lines.lines() {
            let line = line.context("cannot read what was printed")?;
            if line.starts_with('{') {
                let value =
                    serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))?;
                stream.alerts.push(Alert { line, value });
            } else if STATISTICS.iter().any(|s| line.starts_with(s)) && !line.starts_with("   -") {
                stream.statistics.push(line);
            }
        }
        Ok(stream)
    }

    /// Falco's answer, which lies in two files.
    fn golden(shared: &Path, case: &Case) -> Result<Self> {
        let folder = shared.join("captures/golden");
        let Case { capture, rules, matching, file } = case;
        let statistics = folder.join(format!("{capture}.{rules}.{matching}.stats.txt"));
        let alerts = Self::read(paths::open(&folder.join(file))?)?.alerts;
        Ok(Stream { alerts, statistics: Self::read(paths::open(&statistics)?)?.statistics })
    }
}

/// How the lines of the statistics begin. Others around them hold times and speeds.
const STATISTICS: [&str; 4] =
    ["Events detected:", "Rule counts by severity:", "Triggered rules by rule name:", "   "];

/// An alert as printed, and its parts.
struct Alert {
    line: String,
    value: Value,
}

impl Alert {
    /// Event number and rule identify an alert.
    fn key(&self) -> (i64, &str) {
        let num = self.value["output_fields"]["evt.num"].as_i64().unwrap_or(-1);
        (num, self.value["rule"].as_str().unwrap_or_default())
    }
}

/// What is different, an item an alert, ready to print.
fn diff(golden: &[Alert], ours: &[Alert]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut left: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, alert) in ours.iter().enumerate().rev() {
        left.entry(alert.key()).or_default().push(at);
    }
    let mut latest = None;
    for theirs in golden {
        let (num, rule) = theirs.key();
        let Some(at) = left.get_mut(&theirs.key()).and_then(Vec::pop) else {
            differences.push(format!("    - missing  evt {num} {rule}\n        {}", theirs.line));
            continue;
        };
        let out_of_order = latest.is_some_and(|l| at < l);
        latest = latest.max(Some(at));
        let mut lines = parts(&theirs.value, &ours[at].value);
        if lines.is_empty() && theirs.line != ours[at].line {
            lines.push(format!("        - {}\n        + {}", theirs.line, ours[at].line));
        }
        if out_of_order {
            lines.push("        comes after an alert that Falco gives later".into());
        }
        if !lines.is_empty() {
            differences.push(format!("    ~ differs  evt {num} {rule}\n{}", lines.join("\n")));
        }
    }
    let mut extra: Vec<usize> = left.into_values().flatten().collect();
    extra.sort_unstable();
    for at in extra {
        let (num, rule) = ours[at].key();
        differences.push(format!("    + extra    evt {num} {rule}\n        {}", ours[at].line));
    }
    differences
}

/// The keys whose values differ, a line or two each; `output_fields` one by one.
fn parts(theirs: &Value, ours: &Value) -> Vec<String> {
    let empty = serde_json::Map::new();
    let map = |v: &Value| v.as_object().cloned().unwrap_or_else(|| empty.clone());
    let (theirs, ours) = (map(theirs), map(ours));
    let mut keys: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut lines = Vec::new();
    for key in keys {
        let (t, o) = (theirs.get(key), ours.get(key));
        if t == o {
            continue;
        }
        if let (Some(t @ Value::Object(_)), Some(o @ Value::Object(_))) = (t, o) {
            lines.extend(parts(t, o));
            continue;
        }
        let show = |v: Option<&Value>| v.map_or("(absent)".into(), Value::to_string);
        lines.push(format!("        {key}\n          - {}\n          + {}", show(t), show(o)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(alerts: &[(i64, &str, &str)]) -> Vec<Alert> {
        let lines = alerts.iter().map(|(num, rule, output)| {
            format!("{{\"output\":\"{output}\",\"output_fields\":{{\"evt.num\":{num}}},\"rule\":\"{rule}\"}}\n")
        });
        Stream::read(lines.collect::<String>().as_bytes()).unwrap().alerts
    }

    #[test]
    fn statistics_are_told_from_the_rest() {
        let text = "Events detected: 1\nRule counts by severity:\n   WARNING: 1\n\
            Triggered rules by rule name:\n   a: 1\n2026-11-23T04:30:21+0000: Falco\n   - num: 0\n";
        assert_eq!(Stream::read(text.as_bytes()).unwrap().statistics.len(), 5);
    }

    #[test]
    fn equal_streams_have_no_difference() {
        let a = stream(&[(1, "a", "x"), (1, "b", "x"), (2, "a", "y"), (2, "a", "y")]);
        assert!(diff(&a, &a).is_empty());
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let golden = stream(&[(1, "a", "x"), (2, "a", "y"), (3, "c", "z")]);
        let ours = stream(&[(1, "a", "X"), (3, "c", "z"), (4, "d", "q")]);
        let found = diff(&golden, &ours);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("differs  evt 1 a") && found[0].contains("+ \"X\""));
        assert!(found[1].contains("missing  evt 2 a"));
        assert!(found[2].contains("extra    evt 4 d"));
    }

    #[test]
    fn order_and_text_matter() {
        let golden = stream(&[(1, "a", "x"), (1, "b", "x")]);
        let swapped = stream(&[(1, "b", "x"), (1, "a", "x")]);
        assert_eq!(diff(&golden, &swapped).len(), 1);
        let spaced =
            vec![Alert { line: golden[0].line.replace(':', ": "), value: golden[0].value.clone() }];
        assert_eq!(diff(&golden[..1], &spaced).len(), 1);
    }
}
