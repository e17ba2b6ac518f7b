//! Conformance of the condition compiler, the event type analysis and output templates over the
//! system call fields, with vectors recorded from Falco's own unit tests (`../shared/conformance`).
//!
//! Each test prints `conformance <file>: <passed>/<total>` and the first differences. Without the
//! vectors the tests say so and pass.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic in a test is its report

use std::collections::BTreeSet;
use std::path::PathBuf;

use falco_enrich::fields::SyscallFields;
use falco_enrich::selection;
use falco_event::syscalls::SYSCALLS;
use falco_event::{Category, Syscall};
use falco_rules::ast::{NodeKind, Pos};
use falco_rules::catalogue::{Catalogue, EventTypes};
use falco_rules::check::check;
use falco_rules::event_types::event_types;
use falco_rules::parser;
use falco_rules::template::Template;
use serde_json::Value as Json;

/// Runs `compare` on every vector that concerns it (others give None); an error is the difference.
fn run(file: &str, what: &str, compare: impl Fn(&Json) -> Option<Result<(), String>>) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("IGNORED: {} is not there, so nothing is compared with Falco", path.display());
        return;
    };
    let mut total = 0;
    let mut failures = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let Some(result) = compare(&serde_json::from_str(line).unwrap()) else { continue };
        total += 1;
        if let Err(difference) = result {
            failures.push(format!("{file}:{}: {difference}", i + 1));
        }
    }
    println!("conformance {file}{what}: {}/{total}", total - failures.len());
    let shown = failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{shown}");
}

fn equal<T: PartialEq + std::fmt::Debug>(ours: T, falco: T, about: &Json) -> Result<(), String> {
    if ours == falco { Ok(()) } else { Err(format!("{ours:?} instead of {falco:?}: {about}")) }
}

fn position(json: &Json) -> Option<[u64; 3]> {
    json.as_array().map(|p| [0, 1, 2].map(|i| p[i].as_u64().unwrap()))
}

fn numbers(pos: Pos) -> [u64; 3] {
    [pos.index as u64, pos.line as u64, pos.column as u64]
}

#[test]
fn filters_compile_as_in_falco() {
    run("compile.jsonl", " (system calls)", |vector| {
        if vector["factory"] != "sinsp_filter_factory" {
            return None;
        }
        // A few filters are bytes that no JSON text holds; conditions come as text here.
        let filter = vector["filter"].as_str()?;
        let mut fields = SyscallFields::new();
        let compiled = match parser::parse_with_depth(filter, parser::FILTER_DEPTH) {
            Err(e) => Err((e.to_string(), None)),
            Ok(node) => check(&node, &mut fields).map_err(|e| (e.message, Some(numbers(e.pos)))),
        };
        Some(match compiled {
            Err((message, pos)) => {
                let falco = vector["error"].as_str().map(str::to_owned);
                let falco_pos = pos.and_then(|_| position(&vector["pos"]));
                equal((Some(message), pos), (falco, falco_pos), vector)
            }
            Ok(checked) => {
                let warnings = checked.warnings.into_iter();
                let ours = warnings.map(|w| (w.message, Some(numbers(w.pos)))).collect::<Vec<_>>();
                let falco = vector["warnings"].as_array().into_iter().flatten();
                let falco =
                    falco.map(|w| (w["msg"].as_str().unwrap().to_owned(), position(&w["pos"])));
                equal((true, ours), (vector["compiles"] == true, falco.collect()), vector)
            }
        })
    });
}

/// What a vector of `ppm_codes.jsonl` lists, in our terms: the numbers of the set.
fn listed(
    vector: &Json,
    all: &EventTypes,
    number: &dyn Fn(&str) -> u16,
) -> Result<EventTypes, String> {
    if let Some(error) = vector["error"].as_str() {
        return Err(error.to_owned());
    }
    let codes = vector["codes"].as_array().unwrap().iter();
    let codes: EventTypes = codes.map(|code| number(code.as_str().unwrap())).collect();
    Ok(if vector["complement"] == true { all.clone().difference(&codes) } else { codes })
}

#[test]
fn event_types_are_those_that_falco_finds() {
    run("ppm_codes.jsonl", " (event types)", |vector| {
        if vector["fn"] != "ppm_event_codes" {
            return None;
        }
        let fields = SyscallFields::new();
        let node = parser::parse(vector["expr"].as_str().unwrap()).unwrap();
        let number = |code: &str| code.rsplit(':').next().unwrap().parse().unwrap();
        let falco = listed(vector, &fields.all_event_types(), &number);
        Some(equal(event_types(&node, &fields), falco, vector))
    });
}

#[test]
fn system_calls_are_those_that_falco_finds() {
    let all = selection::all();
    run("ppm_codes.jsonl", " (system calls)", |vector| {
        if vector["fn"] != "ppm_sc_codes" {
            return None;
        }
        let node = parser::parse(vector["expr"].as_str().unwrap()).unwrap();
        let number =
            |name: &str| SYSCALLS.iter().find(|call| call.name == name).map_or(0, |call| call.id);
        let falco = listed(vector, &all, &number);
        Some(equal(selection::of_condition(&node), falco, vector))
    });
}

#[test]
fn sets_of_system_calls_are_falcos() {
    use Category as C;
    run("tables/sc_sets.jsonl", "", |vector| {
        let set = vector["set"].as_str().unwrap();
        let ours = match set {
            "sinsp_state_sc_set" => selection::state(),
            "io_sc_set" => selection::of_categories(&[C::IoRead, C::IoWrite]),
            "io_other_sc_set" => selection::of_categories(&[C::IoOther]),
            "file_sc_set" => selection::of_categories(&[C::File]),
            "net_sc_set" => selection::of_categories(&[C::Net]),
            "proc_sc_set" => selection::of_categories(&[C::Process]),
            "sys_sc_set" => selection::of_categories(&[C::System, C::Memory, C::Signal]),
            // A set of fixed names that Falco itself never selects by.
            "enforce_simple_sc_set({})" => return None,
            repaired => {
                let rest = repaired.strip_prefix("sinsp_repair_state_sc_set({").unwrap();
                let call = Syscall::by_name(rest.strip_suffix("})").unwrap());
                selection::repaired(&call.map(|call| call.id).into_iter().collect())
            }
        };
        let name = |id| SYSCALLS.iter().find(|call| call.id == id).unwrap().name;
        let ours: BTreeSet<&str> = ours.iter().map(name).collect();
        let falco = vector["sc"].as_array().unwrap().iter();
        Some(equal(ours, falco.map(|name| name.as_str().unwrap()).collect(), vector))
    });
}

#[test]
fn templates_compile_as_in_falco() {
    run("format_compile.jsonl", "", |vector| {
        let ours = Template::compile(vector["format"].as_str().unwrap(), &mut SyscallFields::new())
            .map(|template| template.fields().map(str::to_owned).collect::<BTreeSet<_>>())
            .map_err(|e| e.message);
        let falco = match vector["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => {
                let fields = vector["fields"].as_array().unwrap().iter();
                Ok(fields.map(|field| field.as_str().unwrap().to_owned()).collect())
            }
        };
        Some(equal(ours, falco, vector))
    });
}

/// Falco's stable rules compile, and a rule without `evt.type` reaches every event type.
#[test]
fn conditions_without_a_type_reach_all() {
    let mut fields = SyscallFields::new();
    let node = parser::parse("proc.name = cat and fd.name startswith /etc").unwrap();
    assert!(matches!(node.kind, NodeKind::And(_)));
    let checked = check(&node, &mut fields).unwrap();
    assert_eq!(checked.event_types, fields.all_event_types());
    let node = parser::parse("evt.type in (open, openat) and proc.name = cat").unwrap();
    let checked = check(&node, &mut fields).unwrap();
    assert_eq!(checked.event_types.iter().collect::<Vec<_>>(), [2, 3, 102, 103, 306, 307]);
    assert_eq!(checked.neutral_event_types.iter().collect::<Vec<_>>(), [402]);
}
