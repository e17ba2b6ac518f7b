//! `falco events` through the binary.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/scenario.rs"]
mod scenario;

use std::io::Read;
use std::process::Stdio;

use common::{falco, run};
use falco_capture::Compression;
use serde_json::{Value, json};

/// How many events the scenario has.
const EVENTS: usize = 4;

struct Capture {
    _dir: tempfile::TempDir,
    path: String,
}

fn capture() -> Capture {
    let dir = tempfile::tempdir().unwrap();
    let path = scenario::write(dir.path(), Compression::Gzip).to_str().unwrap().to_owned();
    Capture { _dir: dir, path }
}

fn events(more: &[&str]) -> common::Run {
    let capture = capture();
    let args = ["events", "-e", &capture.path];
    run(args.iter().chain(more))
}

#[test]
fn a_line_tells_number_time_cpu_thread_type_and_arguments() {
    let run = events(&[]).exits(0);
    let stdout = run.stdout();
    assert_eq!(stdout.lines().count(), EVENTS);
    let first = stdout.lines().next().unwrap();
    assert!(
        first.starts_with("1 04:28:08.000000000 1 bash (42) < openat fd=3(<f>/etc/shadow)"),
        "{first}"
    );
}

#[test]
fn json_has_the_number_and_the_fields_asked_for() {
    let run = events(&[
        "--json",
        "--fields",
        "proc.name,fd.name,fd.num,proc.aname[7],toupper(proc.name)",
    ]);
    let lines: Vec<Value> =
        run.exits(0).stdout().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), EVENTS);
    assert_eq!(
        lines[0],
        json!({"evt.num": 1, "proc.name": "bash", "fd.name": "/etc/shadow", "fd.num": 3,
               "proc.aname[7]": null, "toupper(proc.name)": "BASH"})
    );
    let default: Value =
        serde_json::from_str(events(&["--json"]).exits(0).stdout().lines().next().unwrap())
            .unwrap();
    assert_eq!(default["evt.type"], "openat");
}

#[test]
fn events_are_filtered_counted_and_formatted() {
    let run =
        events(&["--filter", "evt.type=openat and fd.num>=0", "--format", "%evt.num: %fd.name"]);
    assert_eq!(run.exits(0).stdout(), "1: /etc/shadow\n2: /tmp/a \"b\"\n");
    let run = events(&["-n", "1", "--fields", "evt.num,evt.type,proc.aname[7]"]);
    assert_eq!(run.exits(0).stdout(), "1\topenat\t<NA>\n");
    assert_eq!(
        events(&["--filter", "evt.type=close", "--fields", "evt.num"]).exits(0).stdout(),
        "4\n"
    );
}

#[test]
fn mistakes_are_shown_where_they_are() {
    events(&["--filter", "evt.type=openat and proc.nmae=x"]).exits(1).says(
        "(did you mean 'proc.name'?)\n  evt.type=openat and proc.nmae=x\n                      ^",
    );
    events(&["--filter", "evt.type="]).exits(1).says("Error: --filter: ").says("^");
    events(&["--filter", "evt.type=nonesuch"]).exits(1).says("nonesuch");
    events(&["--fields", "fd.nam"])
        .exits(1)
        .says("there is no field 'fd.nam' (did you mean 'fd.name'?)");
    events(&["--fields", "evt.arg"]).exits(1).says("'evt.arg'");
    events(&["--format", "%nonesuch"]).exits(1).says("--format '%nonesuch'");
    run(["events", "-e", "/nonexistent"]).exits(1).says("cannot open capture /nonexistent");
    run(["events", "--help"]).exits(0).prints("--filter");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let Some(shared) = common::shared() else { return };
    let mut child = falco()
        .args(["events", "-e"])
        .arg(shared.join("captures/attack-host.scap"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 100]).unwrap();
    drop(stdout);
    let run = common::Run(child.wait_with_output().unwrap()).exits(0);
    assert_eq!(run.stderr(), "");
}
