//! Conformance with vectors recorded from Falco's own unit tests (`../shared/conformance`).
//!
//! Each test prints `conformance <file>: <passed>/<total>` and the first differences. Without the
//! vectors the tests say so and pass.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic is the report

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use falco_rules::ast::{Node, NodeKind, Pos, Text};
use falco_rules::loader::{Selection, macros};
use falco_rules::{details, escape, parser, print};
use serde_json::{Value, json};

/// The vectors of a file; None, loudly, if they are not there.
fn vectors(file: &str) -> Option<Vec<Value>> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("IGNORED: {} is not there, so nothing is compared with Falco", path.display());
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Runs `compare` on every vector; it returns the difference, if there is one.
fn run(file: &str, compare: impl Fn(&Value) -> Result<(), String>) {
    let Some(vectors) = vectors(file) else { return };
    let mut failures = Vec::new();
    for (i, vector) in vectors.iter().enumerate() {
        if let Err(difference) = compare(vector) {
            failures.push(format!("{file}:{}: {difference}", i + 1));
        }
    }
    println!("conformance {file}: {}/{}", vectors.len() - failures.len(), vectors.len());
    assert!(
        failures.is_empty(),
        "{}",
        failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
}

/// `key`, or `key_hex` decoded.
fn bytes(vector: &Value, key: &str) -> Option<Vec<u8>> {
    if let Some(text) = vector[key].as_str() {
        return Some(text.as_bytes().to_vec());
    }
    let hex = vector[format!("{key}_hex")].as_str()?;
    Some(
        (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
            .collect(),
    )
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, ours: T, theirs: T) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: ours {ours:?}, Falco's {theirs:?}")) }
}

#[test]
fn escaping() {
    run("escaping.jsonl", |v| {
        let input = bytes(v, "in").unwrap();
        let ours = if v["fn"] == "unescape_str" {
            escape::unescape(&input).map_err(|e| e.to_string())
        } else {
            let mut out = Vec::new();
            escape::escape(&input, &mut out);
            Ok(out)
        };
        let theirs = bytes(v, "out").ok_or_else(|| v["error"].as_str().unwrap().to_owned());
        equal(&format!("{:?}", String::from_utf8_lossy(&input)), ours, theirs)
    });
}

fn pos_json(pos: Pos) -> Value {
    json!([pos.index, pos.line, pos.column])
}

fn text_json(Text(text): &Text) -> Value {
    match std::str::from_utf8(text) {
        Ok(text) => json!(text),
        Err(_) => {
            json!({ "hex": text.iter().map(|b| format!("{b:02x}")).collect::<String>() })
        }
    }
}

/// The tree as the vectors write it.
fn ast_json(node: &Node) -> Value {
    let list = |t: &str, nodes: &[Node]| json!({ "t": t, "c": nodes.iter().map(ast_json).collect::<Vec<_>>() });
    let mut out = match &node.kind {
        NodeKind::And(children) => list("and", children),
        NodeKind::Or(children) => list("or", children),
        NodeKind::Not(child) => json!({ "t": "not", "c": ast_json(child) }),
        NodeKind::Identifier(name) => json!({ "t": "id", "v": name }),
        NodeKind::Value(text) => json!({ "t": "value", "v": text_json(text) }),
        NodeKind::List(values) => {
            json!({ "t": "list", "v": values.iter().map(text_json).collect::<Vec<_>>() })
        }
        NodeKind::TransformerList(children) => list("tlist", children),
        NodeKind::Unary { left, op } => json!({ "t": "unary", "op": op, "l": ast_json(left) }),
        NodeKind::Binary { left, op, right } => {
            json!({ "t": "binary", "op": op, "l": ast_json(left), "r": ast_json(right) })
        }
        NodeKind::Field { name, arg } => {
            let mut out = json!({ "t": "field", "name": name });
            if let Some(arg) = arg {
                out["arg"] = json!(arg);
            }
            out
        }
        NodeKind::Transformer { name, args, arg } => {
            let mut out = list("transformer", args);
            out["name"] = json!(name);
            if let Some(arg) = arg {
                out["arg"] = json!(arg);
            }
            out
        }
    };
    out["pos"] = pos_json(node.pos);
    out
}

#[test]
fn parse() {
    run("parse.jsonl", |v| {
        let expr = v["expr"].as_str().unwrap();
        let depth = usize::try_from(v["max_depth"].as_u64().unwrap()).unwrap();
        assert_eq!(v["partial"], false, "partial parsing is no part of the language");
        match parser::parse_with_depth(expr, depth) {
            Ok(node) => {
                equal(expr, None, v["error"].as_str())?;
                equal(expr, ast_json(&node), v["ast"].clone())?;
                equal(expr, print::print(&node), bytes(v, "str").unwrap())
            }
            Err(e) => {
                equal(expr, Some(e.message.as_str()), v["error"].as_str())?;
                equal(expr, pos_json(e.pos), v["pos"].clone())
            }
        }
    });
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect()
}

/// Trees that the tests made by hand print in ways that do not parse: a separator `,` unquoted.
fn condition(text: &Value) -> Node {
    parser::parse(&text.as_str().unwrap().replace("join(,,", "join(\",\",")).unwrap()
}

fn resolve_macros(v: &Value) -> Result<(), String> {
    let macros: BTreeMap<&str, Node> = v["macros"]
        .as_object()
        .unwrap()
        .iter()
        // One of them is a field by itself, which is no condition; it is never put in.
        .filter_map(|(name, text)| Some((name.as_str(), parser::parse(text.as_str()?).ok()?)))
        .collect();
    let mut node = condition(&v["in"]);
    let lookup = |name: &str| macros.get_key_value(name).map(|(name, node)| (*name, node));
    let ours = macros::resolve(&mut node, &lookup, &mut 1000);
    // Positions in the vectors are made up, so only names are compared.
    let names = |references: &[macros::Reference]| -> Vec<String> {
        references.iter().map(|(name, _)| name.clone()).collect()
    };
    let theirs = |key: &str| -> Vec<String> {
        let references = v[key].as_array().unwrap();
        references.iter().map(|r| r[0].as_str().unwrap().to_owned()).collect()
    };
    equal("out", print::print(&node), print::print(&condition(&v["out"])))?;
    equal("resolved", names(&ours.resolved), theirs("resolved"))?;
    equal("unknown", names(&ours.unknown), theirs("unknown"))?;
    equal("errors", names(&ours.errors), theirs("errors"))?;
    equal("result", !ours.resolved.is_empty(), v["result"].as_bool().unwrap())
}

fn resolve_details(v: &Value) -> Result<(), String> {
    let known = |key: &str| -> HashSet<&str> { strings(&v[key]).into_iter().collect() };
    let macros = known("known_macros");
    let ours = details::details(&condition(&v["in"]), &macros, &known("known_lists"));
    for (key, ours) in [
        ("fields", ours.fields),
        ("operators", ours.operators),
        ("macros", ours.macros),
        ("lists", ours.lists),
        ("evtnames", ours.event_names),
        ("transformers", ours.transformers),
    ] {
        equal(key, ours, strings(&v[key]).into_iter().map(str::to_owned).collect())?;
    }
    Ok(())
}

#[test]
fn resolvers() {
    run("falco_resolvers.jsonl", |v| match v["op"].as_str().unwrap() {
        "macro_resolver_run" => resolve_macros(v),
        "details_resolver_run" => resolve_details(v),
        "warning_resolver_run" => {
            let ours = details::bad_practice(&condition(&v["in"])) != Default::default();
            equal("has_warnings", ours, v["has_warnings"].as_bool().unwrap())
        }
        other => Err(format!("unknown operation {other}")),
    });
}

#[test]
fn ruleset() {
    /// Rules with their tags, and those enabled, by test object.
    #[derive(Default)]
    struct Rules {
        tags: BTreeMap<String, BTreeSet<String>>,
        enabled: BTreeMap<u64, BTreeSet<String>>,
    }
    let state = std::cell::RefCell::new(BTreeMap::<String, Rules>::new());
    run("falco_ruleset.jsonl", |v| {
        let mut state = state.borrow_mut();
        let rules = state.entry(format!("{} {} {}", v["suite"], v["test"], v["obj"])).or_default();
        let enabled = rules.enabled.entry(v["ruleset_id"].as_u64().unwrap()).or_default();
        match v["op"].as_str().unwrap() {
            "add" => {
                let tags = strings(&v["arg"]["tags"]).into_iter().map(str::to_owned).collect();
                rules.tags.insert(v["arg"]["name"].as_str().unwrap().to_owned(), tags);
            }
            op @ ("enable_tags" | "disable_tags") => {
                for tag in strings(&v["arg"]) {
                    let selection = Selection::Tag(tag);
                    for (name, _) in rules.tags.iter().filter(|(n, t)| selection.matches(n, t)) {
                        match op {
                            "enable_tags" => enabled.insert(name.clone()),
                            _ => enabled.remove(name),
                        };
                    }
                }
            }
            "enabled_count" => {
                return equal("count", enabled.len() as u64, v["result"].as_u64().unwrap());
            }
            other => return Err(format!("unknown operation {other}")),
        }
        Ok(())
    });
}

#[test]
fn rule_schema() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/reference/falco-tables/rule-schema.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("IGNORED: {} is not there, so nothing is compared with Falco", path.display());
        return;
    };
    let theirs: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(falco_rules::schema::rules_file_json(), theirs);
    println!("conformance rule-schema.json: 1/1");
}
