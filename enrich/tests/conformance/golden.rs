//! The goldens of whole captures: some forty fields of each event, as alerts show them in JSON.

use std::collections::HashMap;

use falco_enrich::fields::SyscallFields;
use falco_event::EventCode;
use falco_rules::catalogue::EventContext;
use falco_rules::template::Template;
use serde_json::{Map, Value as Json};

use super::replay::{done_in_utc, json_lines, replay, shared};
use super::tally::Tally;

/// Compares a golden; `least` values in a thousand must agree.
fn compare(test: &str, capture: &str, least: usize) {
    if done_in_utc(test) {
        return;
    }
    let golden = shared(&format!("captures/golden/{capture}.events.jsonl.gz"));
    let (Some(golden), Some(scap)) = (golden, shared(&format!("captures/{capture}.scap"))) else {
        return;
    };
    let mut by_number: HashMap<u64, Map<String, Json>> = HashMap::new();
    for line in json_lines(&golden).take(most()) {
        let Json::Object(values) = line else { panic!("{golden:?} holds something else") };
        by_number.insert(values["evt.num"].as_u64().unwrap(), values);
    }
    let names = by_number.values().next().unwrap().keys();
    let format: String = names.map(|name| format!("%{name} ")).collect();
    let mut fields = SyscallFields::new();
    let template = Template::compile(&format!("*{format}"), &mut fields).unwrap();

    let mut tally = Tally::default();
    replay(&scap, &fields, |ctx| {
        let Some(wanted) = by_number.remove(&ctx.number()) else { return };
        let mut got = Map::new();
        template.json_values(ctx, false, &mut got);
        for (name, wanted) in &wanted {
            let got = &got[name];
            tally.compare(
                got == wanted,
                || format!("{name} on {}", EventCode(ctx.event_type()).info().id),
                || format!("#{}: {got} for {wanted}", ctx.number()),
            );
        }
    });
    for number in by_number.into_keys() {
        tally.compare(false, || "event missing".to_owned(), || number.to_string());
    }
    tally.finish(&format!("{capture}.events.jsonl"), least);
}

/// Events that a test compares; `FALCO_CONFORMANCE=full` means all.
pub fn most() -> usize {
    match std::env::var("FALCO_CONFORMANCE") {
        Ok(value) if value == "full" => usize::MAX,
        _ => 5_000,
    }
}

#[test]
fn attack_container() {
    compare("golden::attack_container", "attack-container", 1000);
}

#[test]
fn attack_host() {
    compare("golden::attack_host", "attack-host", 1000);
}

#[test]
fn edge() {
    compare("golden::edge", "edge", 1000);
}

#[test]
fn kmod() {
    compare("golden::kmod", "kmod", 1000);
}

#[test]
fn workload() {
    compare("golden::workload", "workload", 1000);
}

#[test]
fn workload_all() {
    compare("golden::workload_all", "workload-all", 1000);
}
