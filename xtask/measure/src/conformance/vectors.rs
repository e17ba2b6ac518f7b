//! The vectors of Falco's unit tests: evaluated by the integration tests of `rules` and `enrich`,
//! which print `conformance <file>: <passed>/<total>`; collected here.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{Options, Tally, Verdict};
use crate::paths;

/// Percent of a group's vectors that must give Falco's answer.
const TARGET: f64 = 60.0;

/// Which vector files (without `.jsonl`) belong to which question.
const GROUPS: [(&str, &[&str]); 3] = [
    (
        "fields",
        &["fields", "all_fields", "formats", "format_compile", "render", "converter", "captures"],
    ),
    (
        "filters",
        &[
            "filters",
            "mock_filters",
            "compile",
            "parse",
            "escaping",
            "ppm_codes",
            "compare",
            "values",
            "transformers",
            "utils",
        ],
    ),
    ("rules", &["falco_engine", "falco_resolvers", "falco_ruleset", "falco_utils", "falco_config"]),
];

/// Runs the tests once and reports the `asked` groups.
pub fn compare(asked: &[&str], options: &Options) -> Result<Vec<Verdict>> {
    let results = results(options)?;
    let mut verdicts = Vec::new();
    for (name, files) in GROUPS.iter().filter(|(name, _)| asked.contains(name)) {
        println!("{name}: vectors of Falco's unit tests");
        let mut all = Tally::default();
        for file in *files {
            match results.get(*file) {
                Some(tally) => {
                    all.add(*tally);
                    let Tally { equal, total } = tally;
                    println!("  {file:<18} {equal:>9} of {total:>9}  {:7.3} %", tally.percent());
                }
                None => println!("  {file:<18} no test prints it"),
            }
        }
        verdicts.push(Verdict { name, tally: all, target: TARGET });
    }
    Ok(verdicts)
}

fn results(options: &Options) -> Result<BTreeMap<String, Tally>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut tests = Command::new(cargo);
    tests.current_dir(paths::root()).stdin(Stdio::null());
    tests.args(["test", "--locked", "--no-fail-fast", "--quiet", "--test", "*"]);
    tests.args(["--package", "falco-rules", "--package", "falco-enrich", "--", "--nocapture"]);
    let output = tests.output().context("cannot run cargo test")?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if options.verbose {
        println!("{stdout}{stderr}");
    }
    let results: BTreeMap<_, _> = stdout.lines().chain(stderr.lines()).filter_map(parse).collect();
    ensure!(!results.is_empty(), "{tests:?} printed no result ({})\n{stderr}", output.status);
    Ok(results)
}

/// Reads `conformance <file>: <passed>/<total>`, which libtest may have put after words of its own.
fn parse(line: &str) -> Option<(String, Tally)> {
    let (_, result) = line.split_once("conformance ")?;
    let (file, counts) = result.split_once(": ")?;
    let (equal, total) = counts.trim().split_once('/')?;
    let tally = Tally { equal: equal.parse().ok()?, total: total.parse().ok()? };
    Some((file.trim_end_matches(".jsonl").to_owned(), tally))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_read() {
        let tally = Tally { equal: 12, total: 13 };
        assert_eq!(parse("conformance parse.jsonl: 12/13"), Some(("parse".into(), tally)));
        assert_eq!(parse("test parse ... conformance parse: 12/13"), Some(("parse".into(), tally)));
        assert_eq!(parse("running conformance tests"), None);
    }
}
