//! Replaying a capture through the tables.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use falco_capture::CaptureReader;
use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Limits, State, as_falco_replays};
use falco_event::EventCode;
use falco_rules::catalogue::{Catalogue, EventContext, Field};
use falco_rules::render_value::write_text;
use falco_source::{Next, Snapshot, Source, is_initial_state};
use flate2::read::GzDecoder;
use serde_json::Value as Json;

/// Runs a test in a process of its own whose zone is UTC, as Falco's was, and tells that it did;
/// false if this is such a process.
pub fn done_in_utc(test: &str) -> bool {
    if std::env::var_os("TZ").is_some_and(|zone| zone == "UTC") {
        return false;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("TZ", "UTC")
        .status();
    assert!(status.unwrap().success(), "{test} failed, see above");
    true
}

/// A file or folder of the shared material; `None`, and a word about it, if it is not there.
#[allow(clippy::print_stdout)] // the reader of the test's output must know
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    println!("IGNORED: {} is not there, so nothing is compared with Falco", path.display());
    None
}

/// The objects of a JSON Lines file, gzip-compressed or not.
pub fn json_lines(path: &Path) -> impl Iterator<Item = Json> {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let input: Box<dyn BufRead> = if path.extension().is_some_and(|ext| ext == "gz") {
        Box::new(BufReader::new(GzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    input.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

/// Who was on the machine on which the goldens were recorded, and on that of the unit tests.
const GOLDEN_HOST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sensor/tests/golden_host");
const UNIT_HOST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/unit_host");

/// Takes every event of a capture in, as Falco replays it, and calls `seen` with its context. Ends
/// where the capture cannot be read further.
pub fn replay(path: &Path, fields: &SyscallFields, seen: impl FnMut(&Context<'_>)) {
    replay_on(GOLDEN_HOST, path, fields, seen);
}

fn replay_on(host: &str, path: &Path, fields: &SyscallFields, mut seen: impl FnMut(&Context<'_>)) {
    let mut source = CaptureReader::open(path).unwrap();
    let mut state = State::new(Limits::default());
    let restore = |state: &mut State, mut snapshot: Snapshot| {
        as_falco_replays(&mut snapshot, Path::new(host));
        state.restore(&snapshot);
    };
    let Ok(snapshot) = source.start() else { return };
    restore(&mut state, snapshot);
    loop {
        match source.next() {
            Ok(Next::Event(event)) => {
                let current = state.process(&event);
                seen(&Context::new(&state, &event, &current, fields));
            }
            Ok(Next::Snapshot(snapshot)) => restore(&mut state, *snapshot),
            Ok(Next::Idle) => {}
            Ok(Next::End) | Err(_) => return,
        }
    }
}

/// The captures of the unit tests, with the numbers of the blocks that they never deliver.
pub struct UnitCaptures {
    folder: PathBuf,
    undelivered: HashMap<String, Vec<u64>>,
}

impl UnitCaptures {
    pub fn find() -> Option<Self> {
        let list = shared("conformance/captures.jsonl")?;
        let undelivered = json_lines(&list).map(|line| {
            let blocks = line["not_delivered"].as_array().unwrap();
            (text(&line["scap"]), blocks.iter().map(|n| n.as_u64().unwrap()).collect())
        });
        Some(UnitCaptures {
            folder: shared("conformance/fields")?,
            undelivered: undelivered.collect(),
        })
    }

    /// The captures by name.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.undelivered.keys().cloned().collect();
        names.sort();
        names
    }

    /// Replays a capture; `seen` gets the number of the event's block in the file.
    pub fn replay(
        &self,
        scap: &str,
        fields: &SyscallFields,
        mut seen: impl FnMut(u64, &Context<'_>),
    ) {
        let undelivered = self.undelivered.get(scap).cloned().unwrap_or_default();
        let mut block = 0;
        let mut in_preamble = true;
        replay_on(UNIT_HOST, &self.folder.join(scap), fields, |ctx| {
            block += 1;
            // Falco takes the preamble in itself and calls some of it undelivered, others not.
            in_preamble &= is_initial_state(EventCode(ctx.event_type()));
            while !in_preamble && undelivered.contains(&block) {
                block += 1;
            }
            seen(block, ctx);
        });
    }
}

/// The text of a JSON string.
pub fn text(json: &Json) -> String {
    json.as_str().unwrap().to_owned()
}

/// The expected bytes under `key`, or in hexadecimal under `key_hex`; `None` for null.
pub fn expected(line: &Json, key: &str) -> Option<Vec<u8>> {
    if let Some(hex) = line.get(format!("{key}_hex")) {
        let hex = text(hex);
        let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
        return Some((0..hex.len()).step_by(2).map(byte).collect());
    }
    line[key].as_str().map(|s| s.as_bytes().to_vec())
}

/// Resolves a field as it is written: `proc.aname[2]`.
pub fn resolve(fields: &mut SyscallFields, written: &str) -> Option<Field> {
    let (name, arg) = match written.split_once('[') {
        Some((name, rest)) => (name, Some(rest.strip_suffix(']')?)),
        None => (written, None),
    };
    fields.resolve(name, arg).ok()
}

/// The text of a field's value.
pub fn shown(ctx: &Context<'_>, field: &Field) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let value = ctx.value(field.id)?;
    let (ty, print) = ctx.printed_as(field.id).unwrap_or((field.info.ty, field.info.print));
    write_text(&value, ty, print, &mut out).then_some(out)
}

/// For messages.
pub fn lossy(text: &Option<Vec<u8>>) -> String {
    match text {
        Some(text) => format!("{:?}", String::from_utf8_lossy(text)),
        None => "none".to_owned(),
    }
}
