//! Loading rule files with the fields of system calls, compared with vectors recorded from Falco's
//! own unit tests (`../shared/conformance`) and with its `-L` of the official rules.
//!
//! Each test prints `conformance <file>: <passed>/<total>` and the first differences. Without the
//! vectors the tests say so and pass.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic is the report

use std::collections::BTreeMap;
use std::path::PathBuf;

use falco_enrich::fields::SyscallFields;
use falco_enrich::selection::{self, BaseSyscalls, Selection as Calls, SyscallSet};
use falco_event::Syscall;
use falco_rules::loader::{
    ExtraField, ExtraOutput, Loader, LoaderOptions, Provider, RuleMatch, Selection, Source,
};
use serde_json::{Value, json};

fn shared(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path)
}

/// A file of the shared folder; None, loudly, if it is not there.
fn read(path: &str) -> Option<String> {
    let path = shared(path);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("IGNORED: {} is not there, so nothing is compared with Falco", path.display());
    }
    text
}

fn report(file: &str, total: usize, failures: &[String]) {
    println!("conformance {file}: {}/{total}", total - failures.len());
    assert!(
        failures.is_empty(),
        "{}",
        failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// Arrays whose order means nothing in Falco (it keeps them in hash sets), sorted.
fn normalised(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                *inner = normalised(inner.take());
                let unordered = [
                    "condition_fields",
                    "condition_operators",
                    "events",
                    "exception_fields",
                    "exception_names",
                    "exception_operators",
                    "lists",
                    "macros",
                    "output_fields",
                    "plugins",
                ];
                if let Value::Array(items) = inner
                    && unordered.contains(&key.as_str())
                    && items.iter().all(Value::is_string)
                {
                    items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                    items.dedup();
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = normalised(item.take())),
        _ => {}
    }
    value
}

/// The first place where two values differ.
fn difference(path: &str, ours: &Value, theirs: &Value) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|k| {
                difference(&format!("{path}.{k}"), &ours[k.as_str()], &theirs[k.as_str()])
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(i, (x, y))| difference(&format!("{path}[{i}]"), x, y)),
        _ if ours == theirs => None,
        _ => Some(format!("{path}: ours {ours}, Falco's {theirs}")),
    }
}

fn compare(what: &str, ours: Value, theirs: &Value) -> Result<(), String> {
    match difference(what, &normalised(ours), &normalised(theirs.clone())) {
        None => Ok(()),
        Some(difference) => Err(difference),
    }
}

/// An engine of the unit tests: a loader and which rules are enabled in which of its rulesets.
#[derive(Debug)]
struct Engine {
    loader: Loader,
    options: LoaderOptions,
    /// The file loaded last.
    content: String,
    /// What was enabled by calls, by ruleset: kept for rules loaded since, as the fixture does.
    rulesets: BTreeMap<String, BTreeMap<String, bool>>,
    fields: SyscallFields,
}

impl Engine {
    fn new() -> Self {
        Engine {
            loader: Loader::new(LoaderOptions::default()),
            options: LoaderOptions::default(),
            content: String::new(),
            rulesets: BTreeMap::new(),
            fields: SyscallFields::new(),
        }
    }

    fn run(&mut self, v: &Value) -> Result<(), String> {
        let text = |key: &str| v[key].as_str().unwrap_or_default();
        let applies = || RuleMatch {
            source: Some(text("source").to_owned()),
            rule: Some(text("rule").to_owned()),
            tags: strings(&v["tags"]).into_iter().collect(),
        };
        match text("op") {
            "load_rules" => self.load(v),
            "describe_rule" => {
                let rule = v["rule"].as_str();
                let mut sources = [Source { name: "syscall", catalogue: &mut self.fields }];
                let ours = self.loader.describe(rule, &mut sources).map_err(|e| e.to_string());
                compare("describe", ours?, &v["result"])
            }
            "add_extra_output_format" => {
                self.options.extra_outputs.push(ExtraOutput {
                    applies: applies(),
                    format: Some(text("format").to_owned()),
                    suggested_output: false,
                });
                self.loader = Loader::new(self.options.clone());
                Ok(())
            }
            "add_extra_output_formatted_field" => {
                self.options.extra_fields.push(ExtraField {
                    applies: applies(),
                    key: text("key").to_owned(),
                    format: Some(text("format").to_owned()),
                });
                self.loader = Loader::new(self.options.clone());
                Ok(())
            }
            op @ ("enable_rule" | "enable_rule_wildcard" | "enable_rule_by_tag") => {
                let arg = text("arg");
                let tags = strings(&v["arg"]);
                let selections: Vec<Selection<'_>> = match op {
                    "enable_rule" => vec![Selection::Substring(arg)],
                    "enable_rule_wildcard" => vec![Selection::Wildcard(arg)],
                    _ => tags.iter().map(|tag| Selection::Tag(tag)).collect(),
                };
                let enabled = v["enabled"].as_bool().unwrap_or_default();
                let ruleset = self.rulesets.entry(text("ruleset").to_owned()).or_default();
                for rule in self.loader.rules() {
                    if selections.iter().any(|s| s.matches(&rule.name, &rule.tags)) {
                        ruleset.insert(rule.name.clone(), enabled);
                    }
                }
                Ok(())
            }
            "num_rules_for_ruleset" => {
                let ruleset = self.rulesets.entry(text("ruleset").to_owned()).or_default();
                let ours = ruleset.values().filter(|&&enabled| enabled).count();
                compare("num_rules", json!(ours), &v["result"])
            }
            "check_plugin_requirements" => {
                self.options.providers = v["plugins"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|p| Provider {
                        name: p["name"].as_str().unwrap().into(),
                        version: p["version"].as_str().unwrap().into(),
                    })
                    .collect();
                self.loader = Loader::new(self.options.clone());
                let mut sources = [Source { name: "syscall", catalogue: &mut self.fields }];
                self.loader.load("", self.content.as_bytes(), &mut sources);
                let ours = self.loader.check_required_plugins();
                compare("ok", json!(ours.is_ok()), &v["result"])?;
                compare("error", json!(ours.err().unwrap_or_default()), &v["error"])
            }
            "configure_interesting_sets" => self.select(v),
            other => Err(format!("unknown operation {other}")),
        }
    }

    fn select(&self, v: &Value) -> Result<(), String> {
        let set = &v["base_syscalls"];
        let base = BaseSyscalls {
            custom_set: strings(&set["custom_set"]),
            all: set["all"].as_bool().unwrap(),
            repair: set["repair"].as_bool().unwrap(),
        };
        let mut rules = SyscallSet::empty();
        for rule in self.loader.rules().iter().filter(|rule| rule.enabled) {
            rules = rules.union(&selection::of_condition(&rule.condition).unwrap());
        }
        let selected = Calls::new(&rules, &base).syscalls;
        let names = selected.iter().map(|id| Syscall::by_id(id).unwrap().name);
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        compare("selected_sc", json!(names), &v["selected_sc"])
    }

    fn load(&mut self, v: &Value) -> Result<(), String> {
        let name = v["filename"].as_str().unwrap();
        let content = v["rules_yaml"].as_str().unwrap();
        self.content = content.to_owned();
        let mut sources = [Source { name: "syscall", catalogue: &mut self.fields }];
        let result = self.loader.load(name, content.as_bytes(), &mut sources);
        compare("result", result.to_json(), &v["result"])?;
        compare("success", json!(result.successful()), &v["success"])?;
        compare("has_warnings", json!(result.has_warnings()), &v["has_warnings"])?;
        compare("schema", json!(result.schema_validation()), &v["schema_validation"])?;
        compare("text_brief", json!(result.to_text(false)), &v["text_brief"])?;
        compare("text", json!(result.to_text(true)), &v["text"])?;
        if result.successful() {
            // The default ruleset holds what the files enable.
            let default = self.rulesets.entry("falco-default-ruleset".into()).or_default();
            for rule in self.loader.rules() {
                default.insert(rule.name.clone(), rule.enabled);
            }
        }
        match v.get("describe").filter(|d| !d.is_null()) {
            Some(theirs) => {
                let ours = self.loader.describe(None, &mut sources).unwrap();
                compare("describe", ours, theirs)
            }
            None => Ok(()),
        }
    }
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|s| s.as_str().map(str::to_owned)).collect()
}

#[test]
fn falco_engine() {
    let Some(text) = read("conformance/falco_engine.jsonl") else { return };
    let mut vectors: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Sources are selected by the sensor, whose tests have these vectors. Selecting system calls
    // without an engine or configuration is an error in Falco; here it cannot be written down.
    vectors.retain(|v| {
        let missing = |key: &str| v.get(key).is_some_and(Value::is_null);
        let selects = v["op"] == "configure_interesting_sets";
        v["op"] != "select_event_sources"
            && !(selects && (missing("engine") || missing("base_syscalls")))
    });
    let mut engines: BTreeMap<String, Engine> = BTreeMap::new();
    let mut failures = Vec::new();
    for (i, v) in vectors.iter().enumerate() {
        let engine = v.get("engine").unwrap_or(&v["obj"]);
        let id = format!("{} {} {engine}", v["suite"], v["test"]);
        let engine = engines.entry(id.clone()).or_insert_with(Engine::new);
        if let Err(difference) = engine.run(v) {
            failures.push(format!("falco_engine.jsonl ({i}) {id} seq {}: {difference}", v["seq"]));
        }
    }
    report("falco_engine.jsonl", vectors.len(), &failures);
}

#[test]
fn official_rules_are_described_as_falco_does() {
    let Some(rules) = read("rules/falco_rules.yaml") else { return };
    let Some(theirs) = read("reference/falco-tables/rules-L.json") else { return };
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    let mut fields = SyscallFields::new();
    let mut sources = [Source { name: "syscall", catalogue: &mut fields }];
    // Falco's table was made with its stock configuration.
    let extra = ExtraOutput { suggested_output: true, ..ExtraOutput::default() };
    let options = LoaderOptions { extra_outputs: vec![extra], ..LoaderOptions::default() };
    let mut loader = Loader::new(options);
    let result = loader.load("falco_rules.yaml", rules.as_bytes(), &mut sources);
    assert!(result.successful(), "{}", result.to_text(true));
    let ours = loader.describe(None, &mut sources).unwrap();
    let (mut total, mut failures) = (0, Vec::new());
    for kind in ["rules", "macros", "lists"] {
        let (ours, theirs) = (ours[kind].as_array().unwrap(), theirs[kind].as_array().unwrap());
        assert_eq!(ours.len(), theirs.len(), "{kind}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            total += 1;
            let name = theirs["info"]["name"].as_str().unwrap();
            failures.extend(compare(name, ours.clone(), theirs).err());
        }
    }
    total += 2;
    for key in ["required_engine_version", "required_plugin_versions"] {
        failures.extend(compare(key, ours[key].clone(), &theirs[key]).err());
    }
    report("rules-L.json", total, &failures);
}

#[test]
fn official_rules_load_without_complaint() {
    let mut fields = SyscallFields::new();
    let mut sources = [Source { name: "syscall", catalogue: &mut fields }];
    let providers = vec![Provider { name: "container".into(), version: "0.7.1".into() }];
    let mut loader = Loader::new(LoaderOptions { providers, ..LoaderOptions::default() });
    for file in ["falco_rules.yaml", "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml"] {
        let Some(rules) = read(&format!("rules/{file}")) else { return };
        let started = std::time::Instant::now();
        let result = loader.load(file, rules.as_bytes(), &mut sources);
        println!("{file}: {} rules in all, {:?}", loader.rules().len(), started.elapsed());
        println!("{}", result.to_text(false));
        assert!(result.successful(), "{}", result.to_text(true));
    }
    loader.check_required_plugins().unwrap();
}
