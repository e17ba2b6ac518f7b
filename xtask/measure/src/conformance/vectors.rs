//! The vectors of Falco's unit tests: evaluated by the integration tests of the libraries, which
//! print `conformance <file> [(<part>)]: <passed>/<total>`; collected here.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{Options, Tally, Verdict};
use crate::paths;

/// Which vector files (without extension) belong to which question.
const GROUPS: [(&str, &[&str]); 3] = [
    ("fields", &["fields", "all_fields", "formats", "format_compile", "render", "converter"]),
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
    (
        "rules",
        &[
            "falco_engine",
            "falco_resolvers",
            "falco_ruleset",
            "rules-L",
            "falco_config",
            "falco_utils",
        ],
    ),
];

/// Runs the tests once and reports the `asked` groups.
pub fn compare(asked: &[&str], options: &Options) -> Result<Vec<Verdict>> {
    let results = results(options)?;
    let mut verdicts = Vec::new();
    for (name, files) in GROUPS.iter().filter(|(name, _)| asked.contains(name)) {
        println!("{name}: vectors of Falco's unit tests");
        let mut all = Tally::default();
        for file in *files {
            let mut rows = results.iter().filter(|(of, _)| of.file == *file).peekable();
            if rows.peek().is_none() {
                println!("  {file:<30} not compared yet");
            }
            for (Vectors { file, part }, tally) in rows {
                all.add(*tally);
                let (Tally { equal, total }, title) = (tally, format!("{file} {part}"));
                println!("  {title:<30} {equal:>9} of {total:>9}  {:7.3} %", tally.percent());
            }
        }
        verdicts.push(Verdict { name, tally: all });
    }
    Ok(verdicts)
}

/// What a result is about: a file of vectors, or a part of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Vectors {
    file: String,
    /// In parentheses, or empty.
    part: String,
}

fn results(options: &Options) -> Result<BTreeMap<Vectors, Tally>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut tests = Command::new(cargo);
    tests.current_dir(paths::root()).stdin(Stdio::null());
    tests.args(["test", "--locked", "--no-fail-fast", "--quiet", "--test", "conf*", "--test"]);
    tests.args(["conv*", "--package", "falco-capture", "--package", "falco-rules", "--package"]);
    tests.args(["falco-enrich", "--", "--nocapture"]);
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

/// Reads a result, which libtest may have put after words of its own.
fn parse(line: &str) -> Option<(Vectors, Tally)> {
    let (_, result) = line.split_once("conformance ")?;
    let (name, counts) = result.split_once(": ")?;
    let (equal, total) = counts.trim().split_once('/')?;
    let tally = Tally { equal: equal.parse().ok()?, total: total.parse().ok()? };
    let (file, part) = name.split_once(' ').unwrap_or((name, ""));
    let file = file.trim_end_matches(".jsonl").trim_end_matches(".json");
    Some((Vectors { file: file.to_owned(), part: part.to_owned() }, tally))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_read() {
        let tally = Tally { equal: 12, total: 13 };
        let vectors = |part: &str| Vectors { file: "parse".into(), part: part.into() };
        assert_eq!(parse("conformance parse.jsonl: 12/13"), Some((vectors(""), tally)));
        let among_others = "test parse ... conformance parse.jsonl (mock): 12/13";
        assert_eq!(parse(among_others), Some((vectors("(mock)"), tally)));
        assert_eq!(parse("running conformance tests"), None);
    }
}
