//! The recorded captures beside the repository: counts, and that writing and reading is the
//! identity on every one of them.
#![allow(clippy::unwrap_used)] // a panic is the report

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use common::{Read, read, shared};
use falco_capture::{CaptureReader, CaptureWriter, Compression};
use falco_event::{EventCode, RawEvent};
use falco_source::{is_initial_state, only_updates_state};

/// Events that Falco read from each capture (`captures/README.md`).
const EVENTS: [(&str, usize); 6] = [
    ("attack-container.scap", 12_522),
    ("attack-host.scap", 18_304),
    ("edge.scap", 226_858),
    ("kmod.scap", 27_330),
    ("workload-all.scap", 535_772),
    ("workload.scap", 523_869),
];

fn read_file(path: &Path) -> Read {
    read(CaptureReader::open(path).unwrap())
}

#[test]
fn recorded_captures_have_as_many_events_as_falco_reads() {
    let Some(captures) = shared("captures") else { return };
    for (name, want) in EVENTS {
        let capture = read_file(&captures.join(name)).ok();
        // Falco's count leaves out what belongs to the preamble.
        let initial = capture.events.iter().take_while(|e| is_initial_state(e.code)).count();
        assert_eq!(capture.events.len() - initial, want, "{name}");
        let [snapshot] = &capture.snapshots[..] else { panic!("{name} has one section") };
        let machine = snapshot.machine.as_ref().unwrap();
        assert_eq!(machine.hostname, b"node1", "{name}");
        assert_eq!(capture.stats.skipped_unknown, 0, "{name}");
    }
}

/// Every capture that there is.
fn all_captures() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for folder in ["captures", "conformance/fields"] {
        let Some(folder) = shared(folder) else { continue };
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.extend(entries.filter(|path| path.extension().is_some_and(|ext| ext == "scap")));
    }
    paths
}

#[test]
fn rewritten_captures_read_the_same() {
    let paths = all_captures();
    for path in &paths {
        let original = read_file(path);
        let mut writer = CaptureWriter::new(Vec::new(), Compression::None);
        writer.snapshot(&original.snapshots[0]).unwrap();
        for event in &original.events {
            let event = RawEvent::parse(&event.bytes, event.cpu, event.flags).unwrap();
            writer.event(&event).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let again = read(CaptureReader::from_bytes("again", bytes)).ok();
        assert_eq!(again.snapshots[0], original.snapshots[0], "{}", path.display());
        assert!(again.events == original.events, "{}", path.display());
        assert_eq!(again.stats.events, original.stats.events);
    }
    println!("{} captures read the same after being rewritten", paths.len());
}

#[test]
fn unit_test_captures_deliver_what_falco_delivers() {
    let Some(path) = shared("conformance/captures.jsonl") else { return };
    let fields = shared("conformance/fields").unwrap();
    let (mut checked, mut wrong) = (0, Vec::new());
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = line["scap"].as_str().unwrap();
        if !fields.join(name).exists() || !line["replay_error"].is_null() {
            continue;
        }
        checked += 1;
        let capture = read_file(&fields.join(name));
        let initial = capture.events.iter().take_while(|e| is_initial_state(e.code)).count();
        let got = (capture.events.len() - initial) as u64;
        let count = |key: &str| line[key].as_u64().unwrap();
        let want = count("delivered_on_replay") + count("filtered_on_replay");
        if capture.error.is_some() || got != want {
            wrong.push(format!("{name}: {got}, not {want}: {:?}", capture.error));
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    println!("{checked} captures deliver the recorded number of events");
}

/// Where a capture's listing of events leaves out what nobody reads (`captures/README.md`).
const UNLISTED: [(&str, &[&str]); 2] =
    [("edge", &["switch", "page_fault"]), ("workload-all", &["switch", "page_fault"])];

#[test]
fn numbers_and_visible_events_are_those_of_falco() {
    let Some(captures) = shared("captures") else { return };
    for (name, _) in EVENTS {
        let name = name.trim_end_matches(".scap");
        let listing = captures.join(format!("golden/{name}.events.jsonl.gz"));
        let listing = std::fs::File::open(listing).unwrap();
        let listing = BufReader::new(flate2::read::MultiGzDecoder::new(listing));
        let unlisted = UNLISTED.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, u)| u);

        let capture = read_file(&captures.join(format!("{name}.scap"))).ok();
        let initial = capture.events.iter().take_while(|e| is_initial_state(e.code)).count();
        let mut visible = capture.events.iter().enumerate().skip(initial).filter(|(_, given)| {
            let event = RawEvent::parse(&given.bytes, given.cpu, given.flags).unwrap();
            !only_updates_state(&event) && !unlisted.contains(&given.code.info().name)
        });
        let mut compared = 0;
        for line in listing.lines().take(15_000) {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            let (at, given) = visible.next().unwrap();
            let event = RawEvent::parse(&given.bytes, given.cpu, given.flags).unwrap();
            assert_eq!(line["evt.num"].as_u64(), Some(at as u64 + 1), "{name}");
            assert_eq!(line["evt.rawtime"].as_u64(), Some(event.ts()), "{name} {}", at + 1);
            if given.code != EventCode::GENERIC_X {
                let name = given.code.info().name;
                assert_eq!(line["evt.type"].as_str(), Some(name), "{}", at + 1);
            }
            compared += 1;
        }
        println!("{name}: {compared} event numbers are equal");
        assert!(compared > 10_000, "{name}: only {compared}");
    }
}
