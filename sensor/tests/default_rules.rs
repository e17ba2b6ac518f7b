//! The rules that the project ships: they load without a word, each has a test that sees it report
//! an attack and one that sees it stay silent, all those tests pass, and on recorded machines
//! ordinary work raises nothing while attacks raise a lot.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::run;
use falco_rules::yaml::{Documents, Node};
use serde_json::Value;

/// How many rules the file has at least.
const AT_LEAST: usize = 44;
/// What the tests are about that are of all rules: none may report what they do.
const ORDINARY: &str = "Ordinary work";

fn default_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/default")
}

fn rules_file() -> PathBuf {
    default_dir().join("falco_rules.yaml")
}

fn test_files() -> Vec<PathBuf> {
    let entries = fs::read_dir(default_dir().join("tests")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.iter().all(|file| file.extension().is_some_and(|e| e == "yaml")), "{files:?}");
    files
}

fn parse(path: &Path) -> Documents {
    Documents::parse(&fs::read_to_string(path).unwrap()).unwrap()
}

fn text(node: Node<'_>, key: &str) -> String {
    node.get(key).and_then(Node::scalar).unwrap_or_default().to_owned()
}

fn texts(node: Node<'_>, key: &str) -> Vec<String> {
    let entries = node.get(key).and_then(Node::sequence).into_iter().flatten();
    entries.map(|entry| entry.scalar().unwrap().to_owned()).collect()
}

struct Rule {
    name: String,
    desc: String,
    priority: String,
    tags: Vec<String>,
    exceptions: usize,
}

fn rules() -> Vec<Rule> {
    let documents = parse(&rules_file());
    let items = documents.roots().filter_map(Node::sequence).flatten();
    let rules = items.filter(|item| item.get("rule").is_some()).map(|item| Rule {
        name: text(item, "rule"),
        desc: text(item, "desc"),
        priority: text(item, "priority"),
        tags: texts(item, "tags"),
        exceptions: item.get("exceptions").and_then(Node::sequence).map_or(0, |s| s.len()),
    });
    rules.collect()
}

#[test]
fn the_file_loads_without_a_warning() {
    let path = rules_file();
    let path = path.to_str().unwrap();
    let run = run(["-V", path]).exits(0);
    assert_eq!(run.stdout(), format!("{path}: Ok\n"));
    assert!(!run.stderr().contains("LOAD_"), "{}", run.stderr());
}

#[test]
fn the_demo_tells_its_story() {
    let test = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/test.yaml");
    run(["rules", "test", test.to_str().unwrap()]).exits(0);
}

#[test]
fn every_rule_says_why_how_grave_and_where_in_attack() {
    let rules = rules();
    assert!(rules.len() >= AT_LEAST, "only {} rules", rules.len());
    let mut names = BTreeSet::new();
    for Rule { name, desc, tags, exceptions, .. } in &rules {
        assert!(names.insert(name), "two rules are called {name}");
        assert!(desc.len() > 80, "{name}: the description does not say what to do: {desc}");
        let tagged = |is: fn(&str) -> bool| tags.iter().any(|tag| is(tag));
        assert!(tagged(|tag| tag == "host" || tag == "container"), "{name}: {tags:?}");
        assert!(tagged(|tag| tag.starts_with("mitre_")), "{name}: {tags:?}");
        assert!(tagged(is_technique), "{name}: {tags:?}");
        assert!(*exceptions > 0, "{name} has no exception for a site to fill in");
    }
}

/// `T1059` or `T1059.004`.
fn is_technique(tag: &str) -> bool {
    tag.strip_prefix('T').is_some_and(|rest| {
        let (number, sub) = rest.split_once('.').unwrap_or((rest, "001"));
        let digits =
            |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
        digits(number, 4) && digits(sub, 3)
    })
}

#[test]
fn every_rule_has_a_test_that_alerts_and_one_that_is_silent() {
    let names: BTreeSet<String> = rules().into_iter().map(|rule| rule.name).collect();
    let (mut attacked, mut spared) = (BTreeSet::new(), BTreeSet::new());
    for file in test_files() {
        let documents = parse(&file);
        for test in documents.roots().filter_map(Node::sequence).flatten() {
            let title = text(test, "test");
            let (about, _) = title.split_once(": ").unwrap_or_default();
            if about == ORDINARY {
                continue;
            }
            assert!(names.contains(about), "{}: no rule is called as '{title}'", file.display());
            let expected = test.get("expect").and_then(Node::sequence);
            let mut expected = expected.unwrap_or_else(|| panic!("'{title}' expects nothing"));
            if expected.len() == 0 {
                // Silence of this rule alone would let another one report the near-miss.
                assert!(test.get("expect_only").is_none(), "'{title}' is judged in part");
                spared.insert(about.to_owned());
            } else {
                let found = expected.any(|alert| text(alert, "rule") == about);
                assert!(found, "'{title}' expects other rules only");
                attacked.insert(about.to_owned());
            }
        }
    }
    let without =
        |tested: &BTreeSet<String>| -> Vec<String> { names.difference(tested).cloned().collect() };
    assert_eq!(without(&attacked), Vec::<String>::new(), "no test makes these report");
    assert_eq!(without(&spared), Vec::<String>::new(), "no near-miss of these stays silent");
}

#[test]
fn the_tests_of_the_rules_pass() {
    let mut args = vec!["rules".into(), "test".into(), "-r".into(), rules_file().into_os_string()];
    args.extend(test_files().into_iter().map(PathBuf::into_os_string));
    let run = run(args).exits(0);
    assert!(run.stdout().contains(" passed, 0 failed"), "{}", run.stdout());
}

/// The table of the README is what people choose rules from.
#[test]
fn the_readme_lists_every_rule() {
    let readme = fs::read_to_string(default_dir().join("README.md")).unwrap();
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let rules = rules();
    for Rule { name, priority, tags, .. } in &rules {
        let row = rows.iter().find(|row| row.first() == Some(&name.as_str()));
        let row = row.unwrap_or_else(|| panic!("README.md has no row for '{name}'"));
        let techniques: Vec<&str> =
            tags.iter().map(String::as_str).filter(|tag| is_technique(tag)).collect();
        let tactics: Vec<String> = tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("mitre_"))
            .map(|tactic| tactic.replace('_', " "))
            .collect();
        let expected =
            [name.clone(), tactics.join(", "), techniques.join(", "), priority.to_lowercase()];
        assert_eq!(row[..], expected, "README.md is not up to date");
    }
    assert!(readme.contains(&format!("{} rules", rules.len())), "the number of rules is wrong");
}

#[test]
fn what_the_readme_says_of_overrides_works() {
    let readme = fs::read_to_string(default_dir().join("README.md")).unwrap();
    let blocks = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let local: String = blocks.filter(|block| block.starts_with("- ")).collect();
    assert!(local.matches("override:").count() >= 4, "{local}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("local.yaml");
    fs::write(&path, local).unwrap();
    let rules = rules_file();
    let run = run(["-V".as_ref(), rules.as_os_str(), "-V".as_ref(), path.as_os_str()]).exits(0);
    assert!(!run.stdout().contains("LOAD_") && !run.stderr().contains("LOAD_"), "{}", run.stdout());
}

/// Counts of alerts, by rule, of a recorded machine.
fn alerts(capture: &str) -> Option<BTreeMap<String, usize>> {
    let capture = common::shared()?.join("captures").join(capture);
    let run = common::run([
        "-r".as_ref(),
        rules_file().as_os_str(),
        "-e".as_ref(),
        capture.as_os_str(),
        "-o".as_ref(),
        "json_output=true".as_ref(),
        "-o".as_ref(),
        "rule_matching=all".as_ref(),
    ])
    .exits(0);
    let mut counts = BTreeMap::new();
    for line in run.stdout().lines().filter(|line| line.starts_with('{')) {
        let alert: Value = serde_json::from_str(line).unwrap();
        *counts.entry(alert["rule"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    Some(counts)
}

#[test]
fn ordinary_work_is_silent() {
    for capture in ["workload.scap", "workload-all.scap"] {
        let Some(counts) = alerts(capture) else { return };
        assert!(counts.is_empty(), "{capture}: {counts:?}");
    }
}

#[test]
fn attacks_are_reported() {
    let Some(host) = alerts("attack-host.scap") else { return };
    let container = alerts("attack-container.scap").unwrap();
    for (counts, reported) in [(host, 30), (container, 30)] {
        assert!(counts.len() >= reported, "only {} rules report: {counts:?}", counts.len());
    }
}
