//! The converter against every step that libscap's own converter tests take.
#![allow(clippy::unwrap_used)] // a panic is the report

mod common;

use std::collections::BTreeMap;

use falco_capture::convert::{Converter, Verdict, convertibility};
use falco_event::RawEvent;
use serde_json::Value;

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Drop => "drop",
        Verdict::Convert => "continue",
    }
}

/// What the converter does with one recorded line: the result and the event, if there is one.
fn run(line: &Value, converter: &mut Converter) -> Result<(String, Option<Vec<u8>>), String> {
    let input = unhex(line["in_hex"].as_str().unwrap());
    let event = RawEvent::parse(&input, 0, 0).map_err(|e| e.to_string())?;
    let fail = |e: falco_capture::convert::ConvertError| e.to_string();
    let bytes = |event: Option<RawEvent<'_>>| event.map(|event| event.bytes().to_vec());
    match line["op"].as_str().unwrap() {
        "convert" => {
            let (verdict, event) = converter.step(&event).map_err(fail)?;
            Ok((word(verdict).to_owned(), bytes(event)))
        }
        "convert_full" => {
            let event = bytes(converter.convert(&event).map_err(fail)?);
            Ok((if event.is_some() { "pass" } else { "drop" }.to_owned(), event))
        }
        "convertibility" => {
            let verdict = convertibility(event.code(), event.nparams()).map_err(fail)?;
            Ok((word(verdict).to_owned(), None))
        }
        "storage_presence" => {
            let stored = converter.stored(event.tid()) == Some(&input[..]);
            Ok((if stored { "present" } else { "absent" }.to_owned(), None))
        }
        other => Err(format!("unknown operation {other}")),
    }
}

#[test]
fn converts_as_libscap_does() {
    let Some(path) = common::shared("conformance/converter.jsonl") else { return };
    let mut tests: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        tests.entry(line["test"].as_str().unwrap().to_owned()).or_default().push(line);
    }
    let (mut lines, mut wrong) = (0, Vec::new());
    for (test, mut steps) in tests {
        steps.sort_by_key(|line| line["seq"].as_u64());
        let mut converter = Converter::new();
        for line in steps {
            lines += 1;
            let want = line["result"].as_str().unwrap();
            match run(&line, &mut converter) {
                Ok((got, _)) if got != want => wrong.push(format!("{test}: {got}, not {want}")),
                Ok((_, event)) => {
                    let want = line["out_hex"].as_str().map(unhex);
                    if want.is_some() && event != want {
                        wrong.push(format!("{test}: {event:x?}, not {want:x?}"));
                    }
                }
                Err(_) if want == "error" => {}
                Err(error) => wrong.push(format!("{test}: {error}")),
            }
        }
    }
    println!("conformance converter.jsonl: {}/{lines}", lines - wrong.len());
    assert!(wrong.is_empty(), "{} of {lines} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(lines > 400, "only {lines} steps were found");
}
