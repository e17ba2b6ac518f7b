//! Test files: YAML → [`Test`]s.

use std::path::{Path, PathBuf};

use falco_rules::priority::Priority;
use falco_rules::ruleset::Matching;
use falco_rules::yaml::{Documents, Mark, Node};

use super::reader::{Keys, Problem, Read, list, text, texts};
use super::script;
use super::source::Script;

const TEST_KEYS: &[&str] = &[
    "test",
    "desc",
    "rules",
    "matching",
    "containers",
    "processes",
    "events",
    "capture",
    "expect",
    "expect_only",
];
const EXPECTED_KEYS: &[&str] = &["rule", "priority", "fields", "output"];

/// One test.
#[derive(Debug)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// Where it begins, from 1.
    pub line: usize,
    /// Rules files that it names; empty for those of the command line.
    pub rules: Vec<PathBuf>,
    /// All rules that match an event, or only the first one.
    pub matching: Matching,
    /// What happens.
    pub input: Input,
    /// The alerts that this must raise, in order.
    pub expect: Vec<Expected>,
    /// Only alerts of these rules count.
    pub only: Option<Vec<Named>>,
}

/// Where events come from.
#[derive(Debug)]
pub enum Input {
    /// Written down in the test.
    Script(Script),
    /// A capture file.
    Capture(PathBuf),
}

/// The name of a rule, with its place.
#[derive(Clone, Debug)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Its place.
    pub mark: Mark,
}

/// An alert that a test expects.
#[derive(Debug)]
pub struct Expected {
    /// Its rule.
    pub rule: Named,
    /// The rule's priority.
    pub priority: Option<Priority>,
    /// Fields and their values as text.
    pub fields: Vec<(Named, String)>,
    /// A part of the message.
    pub output: Option<String>,
}

/// What reading a file gives: good tests, and what is wrong with the others.
#[derive(Debug, Default)]
pub struct TestFile {
    /// Tests in order.
    pub tests: Vec<Test>,
    /// What is wrong, in order.
    pub problems: Vec<Problem>,
}

/// Reads the tests of `content`; paths in it are relative to `dir`.
pub fn read(content: &str, dir: &Path) -> TestFile {
    let mut file = TestFile::default();
    let documents = match Documents::parse(content) {
        Ok(documents) => documents,
        Err(error) => {
            let message = format!("this is no YAML: {}", error.message);
            file.problems.push(Problem { mark: error.mark, length: 1, message });
            return file;
        }
    };
    for root in documents.roots() {
        let items = match list(root, "a test file") {
            Ok(items) => items,
            Err(problem) => {
                file.problems.push(problem);
                continue;
            }
        };
        for item in items {
            match test(item, dir) {
                Ok(test) => match file.tests.iter().find(|other| other.name == test.name) {
                    Some(other) => file.problems.push(Problem::at(
                        item.get("test").unwrap_or(item),
                        format!("line {} has a test of this name, too", other.line),
                    )),
                    None => file.tests.push(test),
                },
                Err(problem) => file.problems.push(problem),
            }
        }
    }
    if file.tests.is_empty() && file.problems.is_empty() {
        let message = "there is no test in this file (- test: A name)".to_owned();
        file.problems.push(Problem { mark: Mark::default(), length: 1, message });
    }
    file
}

fn test(node: Node<'_>, dir: &Path) -> Read<Test> {
    let keys = Keys::of(node, "a test", TEST_KEYS)?;
    let need = |name: &str, example: &str| {
        keys.get(name).ok_or_else(|| {
            Problem::at(node, format!("a test needs the key '{name}' ({name}: {example})"))
        })
    };
    let name = text(need("test", "What it shows")?, "test")?;
    if let Some(desc) = keys.get("desc") {
        text(desc, "desc")?;
    }
    let rules = keys.get("rules").map(|node| texts(node, "rules")).transpose()?;
    let nodes = |name| keys.get(name).map_or(Ok(Vec::new()), |node| list(node, name));
    let input = match keys.get("capture") {
        Some(capture) => {
            if let Some((_, key, _)) = keys
                .iter()
                .find(|(name, ..)| matches!(*name, "containers" | "processes" | "events"))
            {
                let message = "a test has either a capture, or containers, processes and events";
                return Err(Problem::at(key, message));
            }
            Input::Capture(dir.join(text(capture, "capture")?))
        }
        None => {
            need("events", "[{pid: 1, openat: {name: /etc/shadow}}], or capture: file.scap")?;
            let containers = nodes("containers")?;
            Input::Script(script::read(&containers, &nodes("processes")?, &nodes("events")?)?)
        }
    };
    // `expect: []` is silence; no key at all is a test that judges nothing.
    if !keys.iter().any(|(name, ..)| name == "expect") {
        return Err(Problem::at(
            node,
            "a test needs the key 'expect' (expect: [{rule: A rule}], or expect: [] for silence)",
        ));
    }
    let expect = nodes("expect")?.into_iter().map(expected).collect::<Read<Vec<_>>>()?;
    let only = match keys.get("expect_only") {
        Some(node) => {
            let names = list(node, "expect_only")?;
            Some(names.into_iter().map(|node| named(node, "a rule")).collect::<Read<Vec<_>>>()?)
        }
        None => None,
    };
    let matching = match keys.get("matching").map(|node| (node, node.scalar())) {
        None | Some((_, Some("all"))) => Matching::All,
        Some((_, Some("first"))) => Matching::First,
        Some((node, _)) => return Err(Problem::at(node, "matching is all or first")),
    };
    Ok(Test {
        matching,
        name: name.to_owned(),
        line: node.mark().line + 1,
        rules: rules.unwrap_or_default().into_iter().map(|path| dir.join(path)).collect(),
        input,
        expect,
        only,
    })
}

fn named(node: Node<'_>, what: &str) -> Read<Named> {
    Ok(Named { name: text(node, what)?.to_owned(), mark: node.mark() })
}

fn expected(node: Node<'_>) -> Read<Expected> {
    if node.scalar().is_some() {
        // The name alone.
        let rule = named(node, "rule")?;
        return Ok(Expected { rule, priority: None, fields: Vec::new(), output: None });
    }
    let keys = Keys::of(node, "an expected alert", EXPECTED_KEYS)?;
    let rule = keys.get("rule").ok_or_else(|| {
        Problem::at(node, "an expected alert needs the name of its rule (rule: A rule)")
    })?;
    let priority = keys.get("priority").map(priority).transpose()?;
    let mut fields = Vec::new();
    if let Some(node) = keys.get("fields") {
        for (name, key, value) in Keys::any(node, "fields")?.iter() {
            // Nothing is what a field without a value prints as.
            let value = if value.is_null() { "<NA>" } else { text(value, name)? };
            fields.push((Named { name: name.to_owned(), mark: key.mark() }, value.to_owned()));
        }
    }
    let output = keys.get("output").map(|node| text(node, "output")).transpose()?;
    let output = output.map(str::to_owned);
    Ok(Expected { rule: named(rule, "rule")?, priority, fields, output })
}

fn priority(node: Node<'_>) -> Read<Priority> {
    let written = text(node, "priority")?;
    Priority::parse(written).ok_or_else(|| {
        let names = Priority::ALL.map(Priority::name);
        Problem::at(node, super::reader::unknown("priority", written, "an alert", &names))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLES: [&str; 2] = [
        include_str!("../../../tests/data/rules_test/files.yaml"),
        include_str!("../../../tests/data/rules_test/containers.yaml"),
    ];

    #[test]
    fn examples_are_read_whole() {
        let counts = EXAMPLES.map(|text| {
            let file = read(text, Path::new("d"));
            assert!(file.problems.is_empty(), "{:?}", file.problems);
            file.tests.len()
        });
        assert_eq!(counts, [2, 3]);
        let file = read(EXAMPLES[0], Path::new("d"));
        assert_eq!(file.tests[0].rules, [PathBuf::from("d/rules.yaml")]);
        let Input::Script(script) = &file.tests[0].input else { panic!() };
        // Two of the clone, one each of execve, openat and exit.
        assert_eq!(script.events.len(), 5);
        assert_eq!(script.snapshot.threads.len(), 3);
    }

    /// Whatever a test file holds is read or refused: changed at every place, and cut there.
    #[test]
    fn damaged_files_are_no_reason_to_panic() {
        let damage = ["", "-1", "~", "{", "9223372036854775807", "é", ": ", "\n", "->", "E", "|"];
        for text in EXAMPLES {
            let places = text.char_indices().map(|(at, _)| at).step_by(3);
            for (at, damage) in places.zip(damage.iter().cycle()) {
                let (before, after) = text.split_at(at);
                let rest: String = after.chars().skip(1).collect();
                for damaged in [format!("{before}{damage}{rest}"), before.to_owned()] {
                    for problem in read(&damaged, Path::new("")).problems {
                        assert!(!problem.render("f", &damaged).is_empty());
                    }
                }
            }
        }
    }
}
