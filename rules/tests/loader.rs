//! What the loader makes of rule files, and what it says about bad ones.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic is the report

mod common;

use common::TestFields;
use falco_rules::loader::{
    ErrorCode, ExtraField, ExtraOutput, LoadResult, Loader, LoaderOptions, RuleMatch, Selection,
    Source, WarningCode,
};
use falco_rules::priority::Priority;
use falco_rules::{describe, print, schema};

fn load_into(loader: &mut Loader, text: &str) -> LoadResult {
    let mut fields = TestFields;
    let mut sources = [Source { name: "syscall", catalogue: &mut fields }];
    loader.load("rules.yaml", text.as_bytes(), &mut sources)
}

fn load(text: &str) -> (Loader, LoadResult) {
    let mut loader = Loader::new(LoaderOptions::default());
    let result = load_into(&mut loader, text);
    (loader, result)
}

/// A rule with this condition and more lines.
fn rule(name: &str, condition: &str, more: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: out\n  priority: info\n{more}"
    )
}

/// The compiled conditions of all rules.
fn conditions(loader: &Loader) -> Vec<String> {
    loader.rules().iter().map(|rule| print::print_lossy(&rule.condition)).collect()
}

/// The compiled condition of the only rule of a file that loads.
fn condition(text: &str) -> String {
    let (loader, result) = load(text);
    assert!(result.successful(), "{}", result.to_text(true));
    conditions(&loader).remove(0)
}

#[track_caller]
fn refused(text: &str, code: ErrorCode, message: &str) {
    let (_, result) = load(text);
    assert_eq!(result.error(), Some((code, message)), "{text}");
}

fn warnings(text: &str) -> Vec<WarningCode> {
    let (_, result) = load(text);
    assert!(result.successful(), "{}", result.to_text(true));
    result.warnings().map(|(code, _)| code).collect()
}

#[test]
fn files_that_are_no_rules_files() {
    use ErrorCode::{YamlParse, YamlValidate};
    assert!(load("").1.successful());
    assert!(load("[]").1.successful());
    assert!(load("# nothing\n---\n...\n").1.successful());
    refused("a: b", YamlValidate, "Rules content is not yaml array of objects");
    refused("text", YamlValidate, "Rules content is not yaml");
    refused(
        "- text",
        YamlValidate,
        "Unexpected element type. Each element should be a yaml associative array.",
    );
    refused(
        "- rule: [",
        YamlParse,
        "yaml-cpp: error at line 1, column 1: end of sequence flow not found",
    );
    assert_eq!(warnings("- nothing: known\n"), [WarningCode::UnknownItem]);
    assert_eq!(warnings("- <<: {list: l}\n"), [WarningCode::UnknownItem]);
}

#[test]
fn structure_of_items() {
    use ErrorCode::{Validate, YamlValidate};
    let base = rule("r", "proc.name=a", "");
    refused("- rule: r\n  desc: d\n", YamlValidate, "Item has no mapping for key 'condition'");
    refused("- rule: r\n", YamlValidate, "Item has no mapping for key 'enabled'");
    refused("- macro: m\n  condition:\n", YamlValidate, "Mapping for key 'condition' is empty");
    refused("- macro: m\n  condition: ''\n", YamlValidate, "Value must be non-empty");
    refused("- macro: m\n  condition: [a]\n", YamlValidate, "Value is not a scalar value");
    refused("- list: l\n  items: a\n", YamlValidate, "Value is not a sequence");
    refused("- list: l\n  items: [[a]]\n", YamlValidate, "sequence value is not scalar");
    refused(&base.replace("info", "nothing"), YamlValidate, "Invalid priority");
    let more = "  enabled: perhaps\n";
    refused(&rule("r", "a", more), YamlValidate, "Can't decode YAML scalar value");
    refused(
        "- required_engine_version: abc\n",
        YamlValidate,
        "Unable to parse engine version 'abc' as a semver string. Expected \"x.y.z\" semver format.",
    );
    refused(
        "- required_engine_version: 64\n",
        Validate,
        "Rules require engine version 0.64.0, but engine version is 0.63.0",
    );
    refused(
        "- required_engine_version: 1.0.0\n",
        Validate,
        "Rules require engine version 1.0.0, but engine version is 0.63.0",
    );
    assert!(
        load("- required_engine_version: 0.63.0\n- required_engine_version: 2\n").1.successful()
    );
}

#[test]
fn redefinition_keeps_the_place_and_replaces_everything_else() {
    let text = rule("a", "proc.name=a", "  tags: [t]\n") + &rule("b", "proc.name=b", "");
    let (loader, _) = load(&(text + &rule("a", "proc.name=c", "")));
    assert_eq!(conditions(&loader), ["proc.name = c", "proc.name = b"]);
    assert!(loader.rules()[0].tags.is_empty());
}

#[test]
fn appending_and_overriding() {
    use ErrorCode::{Validate, YamlValidate};
    let base = rule("r", "proc.name=a", "");
    let update = |lines: &str| format!("{base}- rule: r\n{lines}");
    let appended = "  condition: or proc.name=b\n";
    assert_eq!(
        condition(&update(&format!("{appended}  append: true\n"))),
        "(proc.name = a or proc.name = b)"
    );
    assert_eq!(
        condition(&update(&format!("{appended}  override: {{condition: append}}\n"))),
        "(proc.name = a or proc.name = b)"
    );
    let (loader, _) = load(&update(
        "  output: new\n  tags: [x]\n  priority: error\n  enabled: false\n  \
         override: {output: append, tags: append, priority: replace, enabled: replace}\n",
    ));
    let changed = &loader.rules()[0];
    assert_eq!((changed.output.as_str(), changed.priority), ("out new", Priority::Error));
    assert!(!changed.enabled && changed.tags.contains("x"));

    refused(
        "- rule: r\n  condition: a\n  append: true\n",
        Validate,
        "Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists",
    );
    refused(
        &update("  append: true\n"),
        Validate,
        "Appended rule must have exceptions or condition property",
    );
    refused(
        &update("  desc: x\n  condition: a\n  override: {condition: append}\n"),
        YamlValidate,
        "Unexpected key 'desc': no corresponding entry under 'override' is defined.",
    );
    refused(
        &update("  override: {condition: something}\n"),
        YamlValidate,
        "Invalid override operation for key 'condition': 'something'. Allowed values are: append replace ",
    );
    refused(
        &update("  source: other\n  condition: and x\n  append: true\n"),
        Validate,
        "Rule has been re-defined with a different source",
    );
    refused(
        &update("  condition: a\n  append: true\n  override: {condition: append}\n"),
        YamlValidate,
        "Keys 'override' and 'append: true' cannot be used together. Add an 'append' entry (e.g. \
         'condition: append') under 'override' instead.",
    );
    assert_eq!(warnings(&update("  enabled: false\n"))[0], WarningCode::DeprecatedItem);
    refused(
        "- rule: r\n  enabled: false\n",
        Validate,
        "Rule has 'enabled' key but no rule by that name already exists",
    );
}

#[test]
fn lists_are_substituted_as_text() {
    let lists = |lists: &str, condition_text: &str| {
        condition(&(lists.to_owned() + &rule("r", condition_text, "")))
    };
    let ab = "- list: l\n  items: [a, b c]\n";
    assert_eq!(lists(ab, "proc.name in (l, x)"), "proc.name in (a, \"b c\", x)");
    // One level only, unless an outer list was defined before the inner one.
    let three =
        "- list: l1\n  items: [a, b]\n- list: l2\n  items: [l1, c]\n- list: l4\n  items: [l2, d]\n";
    assert_eq!(lists(three, "proc.name in (l4)"), "proc.name in (l1, c, d)");
    let late = "- list: o\n  items: [i, x]\n- list: i\n  items: [a]\n";
    assert_eq!(lists(late, "proc.name in (o)"), "proc.name in (a, x)");
    // Even within quotes, if blanks are around.
    let plain = "- list: l\n  items: [a, b]\n";
    assert_eq!(lists(plain, "proc.name = 'see l here'"), "proc.name = \"see a, b here\"");
    assert_eq!(lists(plain, "proc.name = 'l'"), "proc.name = l");
}

#[test]
fn empty_lists() {
    let empty = "- list: l\n  items: []\n".to_owned();
    let text = |condition: &str| empty.clone() + &rule("r", condition, "");
    assert_eq!(condition(&text("proc.name in (l)")), "proc.name in ()");
    assert_eq!(condition(&text("proc.name in (l, a)")), "proc.name in (a)");
    assert_eq!(condition(&text("proc.name in (a, l)")), "proc.name in (a)");
}

#[test]
fn lists_of_later_files_and_definitions_count() {
    let mut loader = Loader::new(LoaderOptions::default());
    let first = "- list: l\n  items: [a]\n".to_owned() + &rule("r", "proc.name in (l)", "");
    assert!(load_into(&mut loader, &first).successful());
    let second = "- list: l\n  items: [b]\n  override: {items: append}\n";
    assert!(load_into(&mut loader, second).successful());
    assert_eq!(conditions(&loader), ["proc.name in (a, b)"]);
}

#[test]
fn macros_see_what_was_defined_before_them() {
    let text = |macros: &str| macros.to_owned() + &rule("r", "not m", "");
    assert_eq!(
        condition(&text("- macro: m\n  condition: proc.name=a or proc.name=b\n")),
        "not (proc.name = a or proc.name = b)"
    );
    let undefined = |name: &str| format!("Undefined macro '{name}' used in filter.");
    refused(&rule("r", "nothing", ""), ErrorCode::Validate, &undefined("nothing"));
    refused(&text("- macro: m\n  condition: m\n"), ErrorCode::Validate, &undefined("m"));
    let forward = "- macro: m\n  condition: n\n- macro: n\n  condition: proc.name=a\n";
    refused(&text(forward), ErrorCode::Validate, &undefined("n"));
    // A redefinition is honoured, whatever comes first.
    let redefined = "- macro: n\n  condition: proc.name=a\n- macro: m\n  condition: n\n\
                     - macro: n\n  condition: proc.name=b\n";
    assert_eq!(condition(&text(redefined)), "not proc.name = b");
    let cycle = "- macro: n\n  condition: proc.name=a\n- macro: m\n  condition: n\n\
                 - macro: n\n  condition: m\n";
    refused(&text(cycle), ErrorCode::Validate, "reference loop in macro 'm'");
}

#[test]
fn exceptions_become_conditions() {
    let with = |exceptions: &str| {
        condition(&rule("r", "proc.name=a", &format!("  exceptions:\n{exceptions}")))
    };
    assert_eq!(
        with(
            "  - name: e\n    fields: [proc.name, fd.num]\n    comps: [in, '=']\n    values:\n    - [[x, y z], 1]\n    - [w, 2]\n"
        ),
        "(proc.name = a and not ((proc.name in (x, \"y z\") and fd.num = 1) or (proc.name in (w) and fd.num = 2)))"
    );
    assert_eq!(
        with("  - name: e\n    fields: proc.name\n    values: [x, y]\n"),
        "(proc.name = a and not proc.name in (x, y))"
    );
    assert_eq!(
        with(
            "  - name: e\n    fields: [proc.name]\n    comps: [startswith oneof]\n    values: [[x]]\n"
        ),
        "(proc.name = a and not proc.name startswith oneof (x))"
    );
    assert_eq!(with("  - name: e\n    fields: proc.name\n"), "proc.name = a");
}

#[test]
fn exceptions_that_are_wrong() {
    use ErrorCode::{CompileCondition, Validate, YamlValidate};
    let with = |exception: &str| {
        rule("r", "proc.name=a", &format!("  exceptions:\n  - name: e\n{exception}"))
    };
    let fields = "    fields: [proc.name, fd.num]\n";
    refused(&with(""), YamlValidate, "Item has no mapping for key 'fields'");
    refused(
        &with(&format!("{fields}    values: [[a]]\n")),
        Validate,
        "Fields and values lists must have equal length",
    );
    refused(
        &with(&format!("{fields}    comps: ['=']\n")),
        Validate,
        "Fields and comps lists must have equal length",
    );
    refused(
        &with(&format!("{fields}    comps: ['=', foo]\n")),
        Validate,
        "'foo' is not a supported comparison operator",
    );
    refused(
        &with("    fields: [x.y]\n    values: [[a]]\n"),
        Validate,
        "'x.y' is not a supported filter field",
    );
    refused(
        &with("    fields: proc.name\n    values: [[a]]\n"),
        Validate,
        "Expected values array to contain a list of strings",
    );
    refused(
        &with("    fields: proc.name\n    values: a\n"),
        YamlValidate,
        "Rule exception values must be a sequence",
    );
    // A blank in a scalar that a list operator gets is not quoted.
    refused(
        &with("    fields: [proc.name]\n    comps: [in]\n    values: [[c d]]\n"),
        CompileCondition,
        "expected a ')' token",
    );
}

#[test]
fn conditions_and_outputs_that_do_not_compile() {
    use ErrorCode::{CompileCondition, CompileOutput};
    refused(&rule("r", "(proc.name=a", ""), CompileCondition, "expected a ')' token");
    refused(
        &rule("r", "no.field = a", ""),
        CompileCondition,
        "filter_check called with nonexistent field no.field",
    );
    let output = rule("r", "proc.name=a", "").replace("out\n", "'%no.field'\n");
    assert_eq!(load(&output).1.error().unwrap().0, CompileOutput);
    let skip = "  skip-if-unknown-filter: true\n";
    let (loader, result) = load(&rule("r", "no.field = a", skip));
    assert!(loader.rules().is_empty());
    assert_eq!(result.warnings().map(|w| w.0).collect::<Vec<_>>(), [WarningCode::UnknownFilter]);
}

#[test]
fn warnings_about_valid_files() {
    use WarningCode::*;
    let list = "- list: 'a b'\n  items: [x]\n";
    assert_eq!(warnings(list), [InvalidListName, UnusedList]);
    assert_eq!(
        warnings("- macro: a-b\n  condition: proc.name=a\n"),
        [InvalidMacroName, UnusedMacro]
    );
    let typed = |more: &str| rule("r", "evt.type=open", more);
    assert_eq!(warnings(&rule("r", "proc.name=a", "")), [NoEvttype]);
    assert_eq!(warnings(&rule("r", "proc.name=a", "  warn_evttypes: false\n")), []);
    assert_eq!(warnings(&typed("  colour: red\n")), [UnknownKey]);
    assert_eq!(warnings(&typed("  source: k8s_audit\n")), [UnknownSource]);
    assert_eq!(warnings(&rule("r", "evt.type=open and evt.dir=<", "")), [DeprecatedItem]);
    let same = "  - {name: e, fields: [proc.name], values: [[a]]}\n".repeat(2);
    assert_eq!(warnings(&typed(&format!("  exceptions:\n{same}"))), [ExceptionNameNotUnique]);
}

#[test]
fn priorities_and_selections_enable_rules() {
    let text = rule("low", "evt.type=open", "  tags: [x]\n")
        + &rule("high", "evt.type=open", "").replace("info", "CRITICAL")
        + &rule("off", "evt.type=open", "  enabled: false\n").replace("info", "alert");
    let options = LoaderOptions { min_priority: Priority::Error, ..LoaderOptions::default() };
    let mut loader = Loader::new(options);
    assert!(load_into(&mut loader, &text).successful());
    let enabled = |loader: &Loader| -> Vec<String> {
        loader.rules().iter().filter(|r| r.enabled).map(|r| r.name.clone()).collect()
    };
    assert_eq!(enabled(&loader), ["high"]);
    assert_eq!(loader.select(Selection::Wildcard("*"), true), 3);
    assert_eq!(enabled(&loader), ["high", "off"], "too low a priority stays off");
    assert_eq!(loader.select(Selection::Tag("x"), true), 1);
    loader.select(Selection::Name("high"), false);
    assert_eq!(enabled(&loader), ["off"]);
    assert_eq!(loader.ruleset("syscall").rules, [2]);
    assert_eq!(loader.ruleset("other").rules, [0usize; 0]);
}

#[test]
fn outputs_get_what_is_appended() {
    let only = |rule: &str| RuleMatch { rule: Some(rule.into()), ..RuleMatch::default() };
    let options = LoaderOptions {
        extra_outputs: vec![
            ExtraOutput {
                format: Some("all".into()),
                suggested_output: true,
                ..Default::default()
            },
            ExtraOutput {
                applies: only("b"),
                format: Some("b=%proc.name".into()),
                ..Default::default()
            },
        ],
        extra_fields: vec![
            ExtraField { applies: only("a"), key: "proc.name".into(), format: None },
            ExtraField {
                applies: RuleMatch::default(),
                key: "f".into(),
                format: Some("x %fd.num".into()),
            },
        ],
        ..LoaderOptions::default()
    };
    let mut loader = Loader::new(options);
    let text = rule("a", "evt.type=open", "") + &rule("b", "evt.type=open", "");
    assert!(load_into(&mut loader, &text).successful());
    let [a, b] = loader.rules() else { panic!("two rules") };
    assert_eq!(a.output, "out all container_id=%container.id");
    assert_eq!(b.output, "out all container_id=%container.id b=%proc.name");
    let keys: Vec<(&str, bool)> = a.extra_fields.iter().map(|f| (f.key.as_str(), f.raw)).collect();
    assert_eq!(keys, [("f", false), ("proc.name", true)]);
    assert_eq!(b.extra_fields.len(), 1);
}

#[test]
fn explanations_point_at_the_very_token() {
    let text = rule("r", "evt.type=open and proc.name is x", "");
    let (_, result) = load(&text);
    let explanation = result.explain();
    let lines: Vec<&str> = explanation.lines().collect();
    assert!(
        lines[0].starts_with("LOAD_ERR_COMPILE_CONDITION (Error compiling condition): expected")
    );
    assert_eq!(lines[1], "  --> rules.yaml:3:42 in rule 'r'");
    assert_eq!(lines[2], "  |   condition: evt.type=open and proc.name is x");
    assert_eq!(lines[3], "  |                                          ^");
    // In the file itself if it is not about a condition.
    let (_, result) = load(&text.replace("info", "nothing"));
    let explanation = result.explain();
    let lines: Vec<&str> = explanation.lines().collect();
    assert_eq!(
        lines[1..4],
        ["  --> rules.yaml:5:13 in rule 'r'", "  |   priority: nothing", "  |             ^"]
    );
}

#[test]
fn descriptions_as_text() {
    let words = "word ".repeat(20);
    let described =
        serde_json::json!({ "rules": [{ "info": { "name": "é", "description": words } }] });
    let text = describe::to_text(&described);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("{:<50} Description", "Rule"));
    assert_eq!(lines[2], format!("é{} {}", " ".repeat(48), "word ".repeat(11)));
    assert_eq!(lines[3], format!("{}{}", " ".repeat(51), "word ".repeat(9)));
    assert_eq!(lines.len(), 5);
}

#[test]
fn the_schema_never_refuses_a_file() {
    let (_, result) = load(&rule("r", "evt.type=open", "").replace("info", "Info"));
    assert!(result.successful());
    assert_eq!(
        result.schema_validation(),
        "failed for <root>[0][priority]: Failed to match against any enum values."
    );
    assert_eq!(result.to_json()["schema_valid"], false);
    assert_eq!(schema::rules_file_json()["type"], "array");
}
