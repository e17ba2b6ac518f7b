//! `--list`, `--list-events`, `-i`, `--version`: against what Falco prints.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::run;
use serde_json::Value;

fn table(name: &str) -> Option<String> {
    let path = common::shared()?.join("reference/falco-tables").join(name);
    Some(fs::read_to_string(path).expect("a reference table"))
}

#[test]
fn field_names_are_falcos_with_the_container_fields_native() {
    let names = run(["--list", "-N"]).exits(0).stdout();
    assert_eq!(run(["--list=syscall", "-N"]).exits(0).stdout(), names);
    if let Some(golden) = table("list-names.txt") {
        let (ours, falcos): (BTreeSet<_>, BTreeSet<_>) =
            (names.lines().collect(), golden.lines().collect());
        assert_eq!(falcos.difference(&ours).collect::<Vec<_>>(), Vec::<&&str>::new(), "missing");
        assert_eq!(ours.difference(&falcos).collect::<Vec<_>>(), Vec::<&&str>::new(), "extra");
    }
}

#[test]
fn the_schema_of_rules_files_is_falcos() {
    let printed = run(["--rule-schema"]).exits(0).stdout();
    let ours: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(ours["items"]["$ref"], "#/definitions/FalcoRule");
    if let Some(golden) = table("rule-schema.json") {
        assert_eq!(printed, golden);
    }
}

#[test]
fn fields_are_listed_in_three_forms() {
    run(["--list"]).exits(0).prints("Field Class:").prints("proc.aname");
    run(["--list", "-v"]).exits(0).prints("(Type: CHARBUF)");
    run(["--list", "--format", "markdown"]).exits(0).prints("`fd.types` | LIST(CHARBUF) | ");
    run(["--list", "--markdown"]).exits(0).says("WARNING: --markdown is deprecated");
    let json: Value =
        serde_json::from_str(&run(["--list", "--format=json"]).exits(0).stdout()).unwrap();
    let classes = json["fieldclasses"].as_array().unwrap();
    let fields: Vec<_> = classes.iter().flat_map(|c| c["fields"].as_array().unwrap()).collect();
    let aname = fields.iter().find(|f| f["name"] == "proc.aname").unwrap();
    assert_eq!(aname["argument"]["required"], false);
    assert_eq!(aname["type"], "CHARBUF");
    run(["--list=nonesuch"]).exits(1).says("Error: Value for --list must be a valid source type");
}

/// Events as text, since Falco lists the generic ones in no order.
fn events(list: &Value) -> (Vec<String>, BTreeSet<String>) {
    let (generic, own): (Vec<_>, Vec<_>) =
        list.as_array().unwrap().iter().partition(|e| e["params"][1]["name"] == "nativeID");
    (own.iter().map(|e| e.to_string()).collect(), generic.iter().map(|e| e.to_string()).collect())
}

#[test]
fn events_are_falcos() {
    let ours: Value =
        serde_json::from_str(&run(["--list-events", "--format", "json"]).exits(0).stdout())
            .unwrap();
    if let Some(golden) = table("list-events.json") {
        let falcos: Value = serde_json::from_str(&golden).unwrap();
        assert_eq!(ours["schema_version"], falcos["schema_version"]);
        for section in ["Syscall events", "Tracepoint events", "Plugin events", "Metaevents"] {
            let (ours, falcos) = (events(&ours[section]), events(&falcos[section]));
            for (a, b) in ours.0.iter().zip(&falcos.0) {
                assert_eq!(a, b, "{section}");
            }
            assert_eq!(ours, falcos, "{section}");
        }
    }
    run(["--list-events"])
        .exits(0)
        .prints("The events below are valid for Falco *Schema Version*: 4.3.0\n## Syscall events\n")
        .prints("> open(FSPATH **name**, FLAGS32 **flags**: O_LARGEFILE, ");
    run(["--list-events", "--format", "markdown"]).exits(0).prints("No | `<` | `write` | ");
}

#[test]
fn ignored_calls_are_falcos() {
    let ours = run(["-i"]).exits(0).stdout();
    assert!(ours.starts_with("Ignored syscall(s):\n- "));
    if let Some(golden) = table("ignored-events.txt") {
        let set = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(set(&ours), set(&golden));
    }
}

#[test]
fn versions_have_falcos_layout_and_keys() {
    let text = run(["--version"]).exits(0).stdout();
    if let Some(golden) = table("version.txt") {
        let labels = |text: &str| -> Vec<String> {
            let lines = text.lines().skip_while(|l| !l.starts_with("Falco version:"));
            lines.map(|l| l.split(':').next().unwrap_or_default().to_owned()).collect()
        };
        let (ours, falcos) = (labels(&text), labels(&golden));
        assert_eq!(ours[..falcos.len()], falcos);
        for line in ["Engine:        0.63.0", "  Schema version: 4.3.0"] {
            assert!(golden.contains(line) && text.contains(line), "{text}");
        }
    }
    let json = run(["--version", "-o", "json_output=true"]).exits(0).stdout();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["engine_version"], "63");
    assert_eq!(json["sensor_version"], env!("CARGO_PKG_VERSION"));
    run(["--page-size"]).exits(0).prints(" bytes");
    run(["--help"]).exits(0).prints("Examples:");
}
