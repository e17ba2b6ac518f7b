//! Rules files through the binary: validation, description and every class of refusal.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::PathBuf;

use common::run;
use serde_json::Value;
use tempfile::TempDir;

const GOOD: &str = "- rule: R\n  desc: Says something\n  condition: evt.type=open\n  output: x\n  priority: INFO\n";

fn file(dir: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path: PathBuf = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn rule(key: &str, value: &str) -> String {
    let mut keys = [
        ("rule", "R"),
        ("desc", "d"),
        ("condition", "evt.type=open"),
        ("output", "x"),
        ("priority", "INFO"),
    ];
    keys.iter_mut().filter(|(k, _)| *k == key).for_each(|(_, v)| *v = value);
    let lines: Vec<_> = keys.iter().map(|(k, v)| format!("{k}: {v}")).collect();
    format!("- {}\n", lines.join("\n  "))
}

#[test]
fn each_class_of_error_is_told_with_code_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&str, Vec<u8>); 6] = [
        ("LOAD_ERR_YAML_PARSE", b"- rule: [\n".to_vec()),
        ("LOAD_ERR_YAML_VALIDATE", b"a: b\n".to_vec()),
        ("LOAD_ERR_YAML_VALIDATE", rule("priority", "LOUD").into()),
        ("LOAD_ERR_COMPILE_CONDITION", rule("condition", "evt.type=open and").into()),
        ("LOAD_ERR_COMPILE_OUTPUT", rule("output", "'%no.such.field'").into()),
        ("LOAD_ERR_VALIDATE", rule("condition", "evt.type=open and no_such_macro").into()),
    ];
    for (code, content) in cases {
        let path = file(&dir, "rules.yaml", content);
        let validated = run(["-V", &path]).exits(1);
        validated
            .says(code)
            .prints(&format!("{path}: Invalid"))
            .prints(code)
            .prints(&format!("{path}:"));
        let json = run(["-V", &path, "-o", "json_output=true"]).exits(1);
        let results: Value = serde_json::from_str(&json.stdout()).unwrap();
        let result = &results["falco_load_results"][0];
        assert_eq!(result["successful"], false, "{result}");
        assert_eq!(result["errors"][0]["code"], code, "{result}");
        run(["-r", &path, "--dry-run"]).exits(1).says(code).says(&path);
    }
    run(["-V", "/nonexistent.yaml"])
        .exits(1)
        .says("Error: Could not open file /nonexistent.yaml for reading");
}

#[test]
fn good_files_are_ok_and_warnings_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let good = file(&dir, "good.yaml", GOOD);
    assert_eq!(run(["-V", &good]).exits(0).stdout(), format!("{good}: Ok\n"));
    let warned =
        file(&dir, "warned.yaml", format!("{GOOD}- macro: unused\n  condition: evt.type=close\n"));
    run(["-V", &warned])
        .exits(0)
        .prints(&format!("{warned}: Ok, with warnings"))
        .says("LOAD_UNUSED_MACRO");
    let both = run(["-V", &good, "-V", &warned, "-o", "json_output=true"]).exits(0);
    let results: Value = serde_json::from_str(&both.stdout()).unwrap();
    assert_eq!(results["falco_load_results"].as_array().unwrap().len(), 2);
    assert_eq!(results["falco_load_results"][1]["warnings"][0]["code"], "LOAD_UNUSED_MACRO");
}

#[test]
fn rules_are_described() {
    let dir = tempfile::tempdir().unwrap();
    let good = file(&dir, "good.yaml", GOOD);
    run(["-r", &good, "-L"]).exits(0).prints("Says something");
    let json = run(["-r", &good, "-l", "R", "-o", "json_output=true"]).exits(0);
    let description: Value = serde_json::from_str(&json.stdout()).unwrap();
    assert_eq!(description["rules"][0]["info"]["name"], "R");
    let unknown = run(["-r", &good, "-l", "x"]).exits(1);
    assert_eq!(unknown.stderr(), "Runtime error: Rule \"x\" is not loaded. Exiting.\n");
}

#[test]
fn files_of_other_names_are_passed_over_aloud() {
    let dir = tempfile::tempdir().unwrap();
    let other = file(&dir, "rules.txt", GOOD);
    run(["-r", &other, "--dry-run"]).exits(0).says("rules files are called *.yaml or *.yml");
}

#[test]
fn the_official_rules_load_as_in_falco() {
    let Some(shared) = common::shared() else { return };
    let rules = shared.join("rules");
    let mut args = Vec::new();
    for name in ["falco_rules.yaml", "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml"] {
        args.extend(["-V".into(), rules.join(name)]);
    }
    run(args).exits(0);
}
