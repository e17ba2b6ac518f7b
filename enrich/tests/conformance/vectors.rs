//! The vectors recorded from libsinsp's unit tests.

use std::collections::{BTreeMap, BTreeSet};

use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_event::EventCode;
use falco_rules::catalogue::{Catalogue, EventContext, Field, FieldFlags};
use falco_rules::check::{Checked, check};
use falco_rules::oracle;
use falco_rules::parser::parse;
use falco_rules::template::Template;
use serde_json::{Map, Value as Json};

use super::replay::{
    UnitCaptures, done_in_utc, expected, json_lines, lossy, resolve, shared, shown, text,
};
use super::tally::Tally;

/// Evaluates each line of a vector file right after its event. `prepare` resolves what the line
/// needs, `judge` compares. Lines whose event never comes count as misses.
fn compare<T>(
    name: &str,
    least: usize,
    mut prepare: impl FnMut(&mut SyscallFields, &Json) -> T,
    mut judge: impl FnMut(&Context<'_>, &Json, &T, &mut Tally),
) {
    let test = name.strip_suffix(".jsonl").unwrap_or(name);
    if done_in_utc(&format!("vectors::{test}")) {
        return;
    }
    let Some(captures) = UnitCaptures::find() else { return };
    let Some(path) = shared(&format!("conformance/{name}")) else { return };
    let mut by_capture: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for line in json_lines(&path) {
        by_capture.entry(text(&line["scap"])).or_default().push(line);
    }
    let mut tally = Tally::default();
    for (scap, lines) in by_capture {
        let mut fields = SyscallFields::new();
        let mut by_event: BTreeMap<u64, Vec<(Json, T)>> = BTreeMap::new();
        for line in lines {
            let prepared = prepare(&mut fields, &line);
            by_event.entry(line["evt"].as_u64().unwrap()).or_default().push((line, prepared));
        }
        captures.replay(&scap, &fields, |block, ctx| {
            for (line, prepared) in by_event.remove(&block).into_iter().flatten() {
                judge(ctx, &line, &prepared, &mut tally);
            }
        });
        for (line, _) in by_event.values().flatten() {
            tally.compare(false, || "event not delivered".to_owned(), || line.to_string());
        }
    }
    tally.finish(name, least);
}

fn event_name(ctx: &impl EventContext) -> &'static str {
    EventCode(ctx.event_type()).info().id
}

/// Where a line stands.
fn place(line: &Json) -> String {
    format!("{} #{}", text(&line["scap"]), line["evt"])
}

#[test]
fn fields() {
    compare(
        "fields.jsonl",
        1000,
        |fields, line| resolve(fields, &text(&line["field"])),
        |ctx, line, field, tally| {
            let got = field.as_ref().and_then(|field| shown(ctx, field));
            let wanted = expected(line, "value");
            tally.compare(
                got == wanted,
                || format!("{} on {}", line["field"], event_name(ctx)),
                || format!("{}: {} for {}", place(line), lossy(&got), lossy(&wanted)),
            );
        },
    );
}

#[test]
fn filters() {
    compare(
        "filters.jsonl",
        1000,
        |fields, line| -> Result<Checked, String> {
            let node = parse(&text(&line["filter"])).map_err(|e| format!("{e:?}"))?;
            check(&node, fields).map_err(|e| e.message)
        },
        |ctx, line, checked, tally| {
            let got = match checked {
                Ok(checked) => oracle::evaluate(&checked.expr, ctx).to_string(),
                Err(message) => message.clone(),
            };
            let wanted = line["result"].to_string();
            tally.compare(
                got == wanted,
                || format!("{} on {}", line["filter"], event_name(ctx)),
                || format!("{}: {got} for {wanted}", place(line)),
            );
        },
    );
}

#[test]
fn formats() {
    compare(
        "formats.jsonl",
        1000,
        |fields, line| Template::compile(&text(&line["format"]), fields).map_err(|e| e.to_string()),
        |ctx, line, template, tally| {
            let transformed = line["resolve_transformed"] == true;
            let got = match template {
                Ok(template) => formatted(template, ctx, &text(&line["mode"]), transformed),
                Err(message) => message.clone().into(),
            };
            let ok = line["ok"] == true;
            let wanted = match text(&line["mode"]).as_str() {
                _ if !ok => Json::Null,
                "resolve" => line["values"].clone(),
                "json" => serde_json::from_str(&text(&line["output"])).unwrap(),
                _ => line["output"].clone(),
            };
            tally.compare(
                got == wanted,
                || format!("{} ({}) on {}", line["format"], line["mode"], event_name(ctx)),
                || format!("{}: {got} for {wanted}", place(line)),
            );
        },
    );
}

/// A template's output; null if a value was missing that must not be.
fn formatted(template: &Template, ctx: &Context<'_>, mode: &str, transformed: bool) -> Json {
    let mut values = Map::new();
    let mut out = Vec::new();
    let complete = match mode {
        "json" => template.json_values(ctx, transformed, &mut values),
        "resolve" => template.text_values(ctx, transformed, |key, value| {
            values.insert(key.to_owned(), String::from_utf8_lossy(value).into());
        }),
        _ => template.render_text(ctx, &mut out),
    };
    match mode {
        _ if !complete => Json::Null,
        // Falco prints an object that nothing was put into as null.
        "json" if values.is_empty() => Json::Null,
        "json" | "resolve" => values.into(),
        _ => String::from_utf8_lossy(&out).into(),
    }
}

/// What Falco prints for (nearly) every field; a field that is left out has no value.
#[test]
#[allow(clippy::print_stdout)] // the reader of the test's output must know
fn all_fields() {
    for (field, why) in NOT_COMPARED {
        println!("not compared: {field} ({why})");
    }
    compare(
        "all_fields.jsonl",
        1000,
        |fields, line| {
            let given = line["fields"].as_object().unwrap();
            let given: BTreeSet<&str> =
                given.keys().map(|key| key.strip_suffix("_hex").unwrap_or(key)).collect();
            let without_arg: Vec<&'static str> = fields
                .fields()
                .iter()
                .filter(|info| {
                    let skip =
                        FieldFlags::ARG_REQUIRED | FieldFlags::FILTER_ONLY | FieldFlags::HIDDEN;
                    !info.flags.intersects(skip) && info.class != "container"
                })
                .map(|info| info.name)
                .collect();
            let names: BTreeSet<&str> = given.into_iter().chain(without_arg).collect();
            let names = names
                .into_iter()
                .filter(|name| !NOT_COMPARED.iter().any(|(excluded, _)| excluded == name));
            names.map(|name| (resolve(fields, name), name.to_owned())).collect::<Vec<_>>()
        },
        |ctx, line, names: &Vec<(Option<Field>, String)>, tally| {
            for (field, name) in names {
                let got = field.as_ref().and_then(|field| shown(ctx, field));
                let wanted = expected(&line["fields"], name);
                tally.compare(
                    got == wanted,
                    || format!("{name} on {}", event_name(ctx)),
                    || format!("{}: {} for {}", place(line), lossy(&got), lossy(&wanted)),
                );
            }
        },
    );
}

/// Fields of which the vectors tell nothing, and why: the only ones that are not compared.
const NOT_COMPARED: [(&str, &str); 8] = [
    ("proc.exe_ino.ctime_duration_proc_start", RANDOM),
    ("proc.exe_ino.ctime_duration_pidns_start", RANDOM),
    ("evt.deltatime", NEW_CHECK),
    ("evt.deltatime.s", NEW_CHECK),
    ("evt.deltatime.ns", NEW_CHECK),
    ("thread.cpu", SHARED_MEMORY),
    ("thread.cpu.user", SHARED_MEMORY),
    ("thread.cpu.system", SHARED_MEMORY),
];

const RANDOM: &str = "Falco gives another number each time";
const NEW_CHECK: &str = "asked of a new check for every event, so that it is always 0";
const SHARED_MEMORY: &str =
    "the three share one memory in Falco, so that each is off by the others";
