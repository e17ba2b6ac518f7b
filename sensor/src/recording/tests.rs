//! A recording that begins anywhere in a capture shows the events from there on as the capture does.

use std::collections::HashMap;
use std::path::Path;

use falco_capture::CaptureReader;
use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Current, Limits, State};
use falco_event::RawEvent;
use falco_rules::catalogue::{Catalogue, FieldFlags};
use falco_rules::template::Template;
use falco_source::{Next, Source};

use super::WhenFull;
use super::triggered::{RuleSetting, Settings, TriggeredRecorder};
use crate::config::Config;
use crate::log::Log;
use crate::observer::Observer;
use crate::preamble;

/// Fields that a recording does not show as the capture does.
const OTHERWISE: &[&str] = &[
    // Counted or measured from the first event, or from that of the thread.
    "evt.num",
    "evt.reltime",
    "evt.reltime.s",
    "evt.reltime.ns",
    "evt.deltatime",
    "evt.deltatime.s",
    "evt.deltatime.ns",
    "util.cnt",
    "thread.exectime",
    "thread.totexectime",
    // Told by each fork of a process as it was then; the snapshot has what is known now.
    "proc.vmsize",
    "proc.vmrss",
    "thread.vmsize",
    "thread.vmsize.b",
    "thread.vmrss",
    "thread.vmrss.b",
    "thread.pfmajor",
    "thread.pfminor",
    // For these the capture format has no room in its lists of threads and fds.
    "proc.exe_ino.ctime_duration_proc_start",
    "proc.exe_ino.ctime_duration_pidns_start",
    "proc.fdopencount",
    "proc.fdusage",
    "proc.stdin.name",
    "fd.nameraw",
    "fd.types",
    "fd.cproto",
    "fd.dev",
    "fd.dev.major",
    "fd.dev.minor",
    "fd.is_upper_layer",
    "fd.is_lower_layer",
];

/// What else it does not show: of which events which fields.
fn has_no_room_for(event: &str, field: &str) -> bool {
    match event {
        // That a socket which was bound before is to be a server.
        "listen" | "close" => field == "fd.sip",
        // Whose fd a pidfd stands for.
        "pidfd_getfd" => true,
        _ => false,
    }
}

/// Fields with arguments to compare beside all those that need none.
const WITH_ARGUMENTS: &[&str] = &[
    "proc.aname[2]",
    "proc.aname[3]",
    "proc.acmdline[2]",
    "proc.aexepath[2]",
    "proc.aexe[2]",
    "proc.apid[2]",
    "proc.env[PATH]",
    "evt.abspath.src",
    "evt.abspath.dst",
];

/// All fields that can be shown.
fn templates(fields: &mut SyscallFields) -> Vec<(String, Template)> {
    let all: Vec<String> = fields
        .fields()
        .iter()
        .filter(|field| !field.flags.contains(FieldFlags::FILTER_ONLY))
        .map(|field| field.name.to_owned())
        .filter(|name| !OTHERWISE.contains(&name.as_str()))
        .chain(WITH_ARGUMENTS.iter().map(|&name| name.to_owned()))
        .collect();
    let compiled = all.into_iter().filter_map(|name| {
        // What remains needs an argument.
        let template = Template::compile(&format!("*%{name}"), fields).ok()?;
        Some((name, template))
    });
    compiled.collect()
}

fn line(fields: &[(String, Template)], ctx: &Context<'_>) -> Vec<Vec<u8>> {
    let text = |(_, template): &(String, Template)| {
        let mut text = Vec::new();
        template.render_text(ctx, &mut text);
        text
    };
    fields.iter().map(text).collect()
}

/// Calls `with` for each event of a capture.
fn replay(
    path: &Path,
    mut with: impl FnMut(&RawEvent<'_>, &Current, &State, Option<Context<'_>>),
    fields: &SyscallFields,
) {
    let mut source = CaptureReader::open(path).unwrap();
    let mut state = State::new(Limits::default());
    let mut snapshot = source.start().unwrap();
    preamble::as_falco_replays(&mut snapshot);
    state.restore(&snapshot);
    loop {
        match source.next().unwrap() {
            Next::Event(event) => {
                let current = state.process(&event);
                let ctx =
                    (!current.skipped).then(|| Context::new(&state, &event, &current, fields));
                with(&event, &current, &state, ctx);
            }
            Next::End => return,
            other => panic!("{other:?}"),
        }
    }
}

fn settings(prefix: &Path) -> Settings {
    Settings {
        prefix: prefix.to_owned(),
        all_rules: true,
        max_mb: 0,
        rules: vec![RuleSetting { capture: false, duration_ns: u64::MAX }],
        when_full: WhenFull::Wait,
    }
}

fn compare(name: &str, events: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures").join(name);
    if !path.exists() {
        eprintln!("IGNORED: {} is not there, so nothing is recorded of it", path.display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut fields = SyscallFields::new();
    let templates = templates(&mut fields);
    assert!(templates.len() > 150, "{}", templates.len());
    let mut lines: Vec<Option<Vec<Vec<u8>>>> = Vec::new();
    let mut active: Vec<(usize, TriggeredRecorder)> = Vec::new();
    let mut done = Vec::new();
    let mut of_type: HashMap<u16, usize> = HashMap::new();
    replay(
        &path,
        |event, current, state, ctx| {
            let at = lines.len();
            let seen = of_type.entry(event.code().0).or_default();
            *seen += 1;
            let begins = ctx.is_some()
                && (*seen <= 3 || seen.is_multiple_of(97))
                && active.len() < 12
                && done.len() < 150;
            let shown = begins || !active.is_empty();
            lines.push(ctx.filter(|_| shown).map(|ctx| line(&templates, &ctx)));
            if begins {
                let prefix = dir.path().join(at.to_string());
                let log = Log::new(&Config::default());
                active.push((
                    at,
                    TriggeredRecorder::new(settings(&prefix), log, Box::new(|_| Ok(()))),
                ));
            }
            for (start, recorder) in &mut active {
                let matched: &[usize] = if *start == at { &[0] } else { &[] };
                recorder.event(event, current, state, matched).unwrap();
            }
            active.retain_mut(|(start, recorder)| {
                if at - *start < events {
                    return true;
                }
                recorder.finish().unwrap();
                done.push(*start);
                false
            });
        },
        &fields,
    );
    for (start, mut recorder) in active {
        recorder.finish().unwrap();
        done.push(start);
    }
    let mut files: HashMap<usize, std::path::PathBuf> = HashMap::new();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        files.insert(name.split('_').next().unwrap().parse().unwrap(), path);
    }
    assert_eq!(files.len(), done.len());
    let mut differences: HashMap<String, (usize, String)> = HashMap::new();
    let mut compared = 0;
    for start in done {
        let mut expected = lines[start..].iter().flatten();
        let mut first = true;
        replay(
            &files[&start],
            |event, _, _, ctx| {
                let Some(ctx) = ctx else { return };
                let expected = expected.next().unwrap();
                let found = line(&templates, &ctx);
                for ((name, _), (expected, found)) in
                    templates.iter().zip(expected.iter().zip(&found))
                {
                    if expected != found && !has_no_room_for(event.info().name, name) {
                        let key = format!(
                            "{} {} {}",
                            if first { "first" } else { "later" },
                            event.info().name,
                            name
                        );
                        let text = format!(
                            "from {start}, at {}: {} instead of {}",
                            event.ts(),
                            String::from_utf8_lossy(found),
                            String::from_utf8_lossy(expected)
                        );
                        differences.entry(key).or_insert((0, text)).0 += 1;
                    }
                }
                compared += 1;
                first = false;
            },
            &fields,
        );
    }
    println!("{name}: {} recordings, {compared} events compared", files.len());
    let mut differences: Vec<_> = differences.into_iter().collect();
    differences.sort();
    for (key, (count, text)) in &differences {
        println!("{count:6} {key}: {text}");
    }
    assert!(differences.is_empty());
}

#[test]
fn recordings_of_attacks_show_what_the_capture_shows() {
    compare("attack-host.scap", 150);
}

#[test]
fn recordings_of_containers_show_what_the_capture_shows() {
    compare("attack-container.scap", 150);
}

#[test]
fn recordings_of_everything_show_what_the_capture_shows() {
    compare("edge.scap", 150);
}
