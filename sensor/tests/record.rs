//! Recordings made in replay: begun by rules, whole (`-w`), and by `falco record`.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;
#[allow(dead_code)] // of which only the processes are used
#[path = "common/scenario.rs"]
mod scenario;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{falco, run, shared};
use falco_capture::{CaptureWriter, Compression};
use falco_event::{EventBuilder, EventCode};
use serde_json::Value;
use tempfile::TempDir;

const MS: u64 = 1_000_000;
const START: u64 = 1_795_408_088_000_000_000;

/// A directory with a capture and rules.
struct Desk {
    dir: TempDir,
    capture: PathBuf,
    rules: PathBuf,
}

impl Desk {
    /// With a capture whose events open `files`, one at each of these times in ms.
    fn new(rules: &str, files: &[(u64, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let capture = dir.path().join("original.scap");
        let mut writer = CaptureWriter::create(&capture, Compression::Gzip).unwrap();
        writer.snapshot(&scenario::snapshot()).unwrap();
        let mut event = EventBuilder::new();
        for (ms, name) in files {
            event.start(START + ms * MS, scenario::PID, EventCode::SYSCALL_OPENAT_2_X);
            event.i64(3).i64(-100).text(name).u32(1).u32(0).u32(0).u64(7);
            writer.event(&event.finish(1, 0).unwrap()).unwrap();
        }
        writer.finish().unwrap();
        let path = dir.path().join("rules.yaml");
        fs::write(&path, rules).unwrap();
        Desk { dir, capture, rules: path }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Replays `capture` with JSON alerts and these further options.
    fn replay(&self, capture: &Path, more: &[&str]) -> common::Run {
        let fixed = [
            "-e",
            capture.to_str().unwrap(),
            "-r",
            self.rules.to_str().unwrap(),
            "-o",
            "json_output=true",
            "-o",
            "rule_matching=all",
        ];
        run(fixed.iter().chain(more))
    }

    /// Replays the capture with `capture.enabled` and these further options.
    fn record(&self, more: &[&str]) -> common::Run {
        let prefix = format!("capture.path_prefix={}", self.path("rec"));
        let mut args = vec!["-o", "capture.enabled=true", "-o", &prefix];
        args.extend(more);
        self.replay(&self.capture, &args)
    }

    /// The recordings, by name.
    fn recordings(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> =
            fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("rec_"));
        paths.sort();
        paths
    }
}

/// The names that events of a capture open, by `falco events`.
fn opened(capture: &Path) -> Vec<String> {
    let run = run(["events", "-e", capture.to_str().unwrap(), "--fields", "fd.name"]).exits(0);
    run.stdout().lines().map(str::to_owned).collect()
}

/// The alerts without their event numbers.
fn alerts(run: &common::Run) -> Vec<Value> {
    let stdout = run.stdout();
    let lines = stdout.lines().filter(|line| line.starts_with('{'));
    let parsed = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    parsed
        .map(|mut alert| {
            if let Some(fields) = alert["output_fields"].as_object_mut() {
                fields.remove("evt.num");
            }
            alert
        })
        .collect()
}

const RULES: &str = r#"
- rule: Capture
  desc: begins a recording of a second
  condition: evt.type = openat and fd.name = /start
  output: start %fd.name by %proc.name of %proc.pname in %proc.cwd
  priority: INFO
  capture: true
  capture_duration: 1000
- rule: Longer
  desc: puts the end of a recording off
  condition: evt.type = openat and fd.name = /longer
  output: longer %fd.name by %proc.name
  priority: INFO
  capture_duration: 3000
- rule: Any
  desc: just matches
  condition: evt.type = openat and fd.name startswith /any
  output: any %fd.name by %proc.name
  priority: INFO
"#;

#[test]
fn a_rule_begins_a_recording_that_ends_in_time_and_replays_to_the_same_alerts() {
    let desk = Desk::new(
        RULES,
        &[(0, "/any0"), (10, "/start"), (500, "/any1"), (1699, "/x"), (1700, "/y"), (1701, "/z")],
    );
    let original = desk.record(&["-o", "capture.default_duration=1200"]).exits(0);
    let files = desk.recordings();
    // Time and number of the event that matched, with twenty digits each.
    let name = "rec_01795408088010000000_00000000000000000002.scap";
    assert_eq!(files, [desk.dir.path().join(name)]);
    // From the one that matched to the first at or after the deadline.
    assert_eq!(opened(&files[0]), ["/start", "/any1", "/x", "/y"]);
    let again = alerts(&desk.replay(&files[0], &[]).exits(0));
    assert_eq!(again, alerts(&original)[1..]);
    assert_eq!(again.len(), 2);
    // Arguments and data in it are for its owner only.
    assert_eq!(fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn any_matching_rule_puts_the_end_off_and_the_next_match_begins_another_file() {
    let desk = Desk::new(
        RULES,
        &[
            (0, "/start"),
            (500, "/longer"),
            (900, "/start"),
            (3400, "/a"),
            (3500, "/b"),
            (3600, "/c"),
            (4000, "/start"),
            (4999, "/d"),
        ],
    );
    desk.record(&[]).exits(0);
    let files = desk.recordings();
    assert_eq!(files.len(), 2);
    assert_eq!(opened(&files[0]), ["/start", "/longer", "/start", "/a", "/b"]);
    // The capture ends before the recording would.
    assert_eq!(opened(&files[1]), ["/start", "/d"]);
}

#[test]
fn in_mode_all_rules_every_match_begins_a_recording_of_the_default_duration() {
    let desk = Desk::new(RULES, &[(0, "/any"), (100, "/x"), (250, "/y"), (300, "/any")]);
    desk.record(&[]).exits(0);
    assert!(desk.recordings().is_empty());
    desk.record(&["-o", "capture.mode=all_rules", "-o", "capture.default_duration=200"]).exits(0);
    let files = desk.recordings();
    assert_eq!(files.len(), 2);
    assert_eq!(opened(&files[0]), ["/any", "/x", "/y"]);
    assert_eq!(opened(&files[1]), ["/any"]);
    desk.record(&["-o", "capture.mode=some"])
        .exits(1)
        .says("capture.mode 'some' is not a valid mode.");
}

#[test]
fn a_recording_ends_when_it_is_large_enough_and_that_is_an_alert() {
    // Names that cannot be compressed.
    let mut seed = 1_u64;
    let mut name = || {
        let mut text = "/".to_owned();
        while text.len() < 1000 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push(char::from(b'0' + (seed >> 33) as u8 % 75));
        }
        text
    };
    let names: Vec<String> = (0..4000).map(|_| name()).collect();
    let mut files = vec![(0, "/start")];
    files.extend(names.iter().map(|name| (1, name.as_str())));
    files.push((2, "/start"));
    let desk = Desk::new(RULES, &files);
    let original = desk.record(&["-o", "capture.max_file_size_mb=2"]).exits(0);
    let alerts = alerts(&original);
    assert_eq!(alerts.len(), 3, "{alerts:?}");
    let limit = &alerts[1];
    assert_eq!(limit["rule"], "Falco internal: capture size limit reached");
    assert_eq!(limit["priority"], "Informational");
    assert_eq!(
        limit["output"],
        "Falco internal: capture size limit reached. Configured limit: 2 MB."
    );
    assert_eq!(limit["output_fields"]["max_file_size_mb"], 2);
    let recordings = desk.recordings();
    assert_eq!(recordings.len(), 2, "the match after the limit begins another recording");
    let size = fs::metadata(&recordings[0]).unwrap().len();
    assert_eq!(limit["output_fields"]["written_bytes"], size);
    // About 2 MiB: what is on its way when the limit is noticed comes on top.
    assert!((1 << 20..4 << 20).contains(&size), "{size}");
    let recorded = opened(&recordings[0]).len();
    assert!((1000..3999).contains(&recorded), "{recorded}");
    // A replay ends it at the same event each time.
    let first = fs::read(&recordings[0]).unwrap();
    desk.record(&["-o", "capture.max_file_size_mb=2"]).exits(0);
    assert_eq!(fs::read(&recordings[0]).unwrap(), first);
}

#[test]
fn what_cannot_be_written_is_told_once_and_alerts_go_on() {
    let desk = Desk::new(
        RULES,
        &[
            (0, "/start"),
            (1500, "/x"),
            (2000, "/start"),
            (3500, "/x"),
            (4000, "/start"),
            (5000, "/any"),
        ],
    );
    let prefix = format!("capture.path_prefix={}", desk.path("nowhere/rec"));
    let run = desk.record(&["-o", &prefix]).exits(0);
    assert_eq!(alerts(&run).len(), 4);
    let stderr = run.stderr();
    let first = desk.path("nowhere/rec_01795408088000000000_00000000000000000001.scap");
    assert!(stderr.contains(&format!("cannot record to {first}: No such file")), "{stderr}");
    assert_eq!(stderr.matches("cannot record").count(), 1, "{stderr}");
    assert!(stderr.contains("3 recordings failed"), "{stderr}");
}

#[test]
fn a_full_disk_is_told_and_alerts_go_on() {
    if !Path::new("/dev/full").exists() {
        eprintln!("IGNORED: there is no /dev/full, so no disk is full");
        return;
    }
    let desk = Desk::new(RULES, &[(0, "/start"), (10, "/any")]);
    let run = desk.replay(&desk.capture, &["-w", "/dev/full"]);
    assert_eq!(alerts(&run).len(), 2);
    run.exits(1).says("cannot record to /dev/full").says("No space left on device");
}

#[test]
fn the_name_of_a_recording_is_no_trap() {
    let desk = Desk::new(RULES, &[(0, "/start")]);
    let target = desk.path("target");
    fs::write(&target, "precious").unwrap();
    let name = desk.path("rec_01795408088000000000_00000000000000000001.scap");
    std::os::unix::fs::symlink(&target, &name).unwrap();
    desk.record(&[]).exits(0).says("File exists");
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    // A file is replaced, so that a replay can be repeated; not written into, if it has other names.
    fs::remove_file(&name).unwrap();
    fs::hard_link(&target, &name).unwrap();
    desk.record(&[]).exits(0);
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert_eq!(opened(Path::new(&name)), ["/start"]);
}

/// What a recording holds is complete when a signal ends the run in its middle.
#[test]
fn a_signal_leaves_a_whole_recording() {
    let desk = Desk::new(RULES, &[(0, "/start"), (1, "/a"), (2, "/b")]);
    let plain = desk.path("plain.scap");
    run(["record", "-e", desk.capture.to_str().unwrap(), "-w", &plain, "--uncompressed"]).exits(0);
    let prefix = format!("capture.path_prefix={}", desk.path("rec"));
    let mut child = falco()
        .args(["-e", "-", "-r", desk.rules.to_str().unwrap()])
        .args(["-o", "capture.enabled=true", "-o", &prefix])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // All events come, but the stream does not end.
    stdin.write_all(&fs::read(&plain).unwrap()).unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut alert = [0; 20];
    stdout.read_exact(&mut alert).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // The read that waits for more ends with the stream.
    drop(stdin);
    assert!(child.wait().unwrap().success());
    let files = desk.recordings();
    assert_eq!(files.len(), 1);
    let events = opened(&files[0]);
    assert!(events.starts_with(&["/start".to_owned()]), "{events:?}");
}

#[test]
fn the_whole_run_is_recorded_and_replays_with_the_same_numbers() {
    let desk = Desk::new(RULES, &[(0, "/any"), (1, "/start"), (2, "/x"), (3, "/any")]);
    let file = desk.path("whole.scap");
    let original = desk.replay(&desk.capture, &["-w", &file]).exits(0);
    let again = desk.replay(Path::new(&file), &[]).exits(0);
    assert_eq!(again.stdout(), original.stdout());
    desk.replay(&desk.capture, &["-w", &file]).exits(1).says("the file exists");
    desk.replay(&desk.capture, &["-w", "-"]).exits(1).says("alerts go to stdout already");
}

/// Where a program changed the address of a call while the kernel read it, rules see the one that the
/// kernel used, by the enter event; a recording that begins with the exit shows the same.
#[test]
fn a_recording_knows_how_its_first_call_began() {
    let rules = "- rule: Connection\n  desc: d\n  priority: INFO\n  capture: true\n  \
                 condition: evt.type = connect\n  output: \"%fd.name by %proc.name\"\n";
    let desk = Desk::new(rules, &[]);
    let mut writer = CaptureWriter::create(&desk.capture, Compression::None).unwrap();
    writer.snapshot(&scenario::snapshot()).unwrap();
    let mut event = EventBuilder::new();
    let end = |last: u8| [10, 0, 0, last, 80, 0];
    let addr = |last| [&[2_u8][..], &end(last)].concat();
    let tuple = |last| [&[2_u8][..], &end(1), &end(last)].concat();
    event.start(START, scenario::PID, EventCode::SOCKET_SOCKET_X);
    event.i64(3).u32(2).u32(1).u32(0);
    writer.event(&event.finish(0, 0).unwrap()).unwrap();
    event.start(START + 1, scenario::PID, EventCode::SOCKET_CONNECT_E).i64(3).bytes(&addr(66));
    writer.event(&event.finish(0, 0).unwrap()).unwrap();
    event.start(START + 2, scenario::PID, EventCode::SOCKET_CONNECT_X);
    event.i64(0).bytes(&tuple(7)).i64(3).bytes(&addr(7));
    writer.event(&event.finish(0, 0).unwrap()).unwrap();
    writer.finish().unwrap();
    let original = alerts(&desk.record(&[]).exits(0));
    assert_eq!(original.len(), 1);
    assert_eq!(original[0]["output_fields"]["fd.name"], "10.0.0.1:80->10.0.0.66:80");
    let files = desk.recordings();
    assert_eq!(alerts(&desk.replay(&files[0], &[]).exits(0)), original);
}

/// The official rules on a recording that the first alert begins give the alerts that they give on
/// the capture from there on, but for event numbers.
#[test]
fn recordings_of_attacks_give_the_alerts_of_the_attacks() {
    let Some(shared) = shared() else { return };
    for (name, least) in [("attack-host", 40), ("attack-container", 50)] {
        let desk = Desk::new("[]", &[(0, "/any")]);
        let capture = shared.join(format!("captures/{name}.scap"));
        let rules: Vec<_> = ["falco_rules", "falco-incubating_rules", "falco-sandbox_rules"]
            .iter()
            .map(|name| shared.join(format!("rules/{name}.yaml")).to_str().unwrap().to_owned())
            .collect();
        let mut args: Vec<&str> = rules.iter().flat_map(|path| ["-r", path]).collect();
        let extra =
            "append_output[]={\"extra_fields\": [\"evt.type\", \"thread.tid\", \"proc.pid\"]}";
        args.extend(["-o", extra, "-o", "append_output[]={\"suggested_output\": true}"]);
        let prefix = format!("capture.path_prefix={}", desk.path("rec"));
        let mut recording = args.clone();
        recording.extend(["-o", "capture.enabled=true", "-o", "capture.mode=all_rules"]);
        recording.extend(["-o", "capture.default_duration=4000000", "-o", &prefix]);
        let original = alerts(&desk.replay(&capture, &recording).exits(0));
        assert!(original.len() > least, "{}", original.len());
        let files = desk.recordings();
        assert_eq!(files.len(), 1);
        let again = alerts(&desk.replay(&files[0], &args).exits(0));
        for (again, original) in again.iter().zip(&original) {
            assert_eq!(again, original);
        }
        assert_eq!(again.len(), original.len());
        println!("{name}: {} alerts again", again.len());
    }
}

#[test]
fn falco_record_copies_filters_and_stops() {
    let desk = Desk::new(RULES, &[(0, "/a"), (1000, "/b"), (2000, "/c"), (3000, "/b")]);
    let original = desk.capture.to_str().unwrap();
    let record = |name: &str, more: &[&str]| {
        let file = desk.path(name);
        let run = run(["record", "-e", original, "-w", &file].iter().chain(more));
        (PathBuf::from(file), run)
    };
    let (all, told) = record("all.scap", &[]);
    told.exits(0).says("4 events, ");
    assert_eq!(opened(&all), ["/a", "/b", "/c", "/b"]);
    let bytes = fs::read(&all).unwrap();
    assert_eq!(bytes[..2], [0x1f, 0x8b], "compressed as Falco's are");
    assert_eq!(fs::metadata(&all).unwrap().permissions().mode() & 0o777, 0o600);

    let (_, told) = record("all.scap", &[]);
    told.exits(1).says("the file exists");
    assert_eq!(fs::read(&all).unwrap(), bytes);
    let (_, told) = record("all.scap", &["--force", "--uncompressed", "-n", "2"]);
    told.exits(0);
    assert_eq!(opened(&all), ["/a", "/b"]);
    assert_eq!(fs::read(&all).unwrap()[..4], [0x0a, 0x0d, 0x0d, 0x0a]);

    let (some, told) = record("some.scap", &["--filter", "fd.name = /b"]);
    told.exits(0).says("2 events, ").says("(and 2 for the tables)");
    assert_eq!(opened(&some), ["/b", "/b"]);
    let (some, told) = record("short.scap", &["--duration", "2"]);
    told.exits(0);
    assert_eq!(opened(&some), ["/a", "/b"]);
    let pid = scenario::PID.to_string();
    let (some, told) =
        record("pid.scap", &["--pid", &pid, "--filter", "fd.name = /c or fd.name = /a"]);
    told.exits(0);
    assert_eq!(opened(&some), ["/a", "/c"]);
    let (none, told) = record("none.scap", &["--pid", "7"]);
    told.exits(0).says("0 events, ");
    assert_eq!(opened(&none), [""; 0]);
    let (_, told) = record("bad.scap", &["--filter", "fd.nam = x"]);
    told.exits(1).says("--filter: ").says("did you mean 'fd.name'?");
    assert!(!Path::new(&desk.path("bad.scap")).exists(), "nothing is written for a bad filter");

    // To stdout, for a pipe.
    let piped = falco().args(["record", "-e", original, "-w", "-"]).output().unwrap();
    assert!(piped.status.success());
    let file = desk.path("piped.scap");
    fs::write(&file, piped.stdout).unwrap();
    assert_eq!(opened(Path::new(&file)), ["/a", "/b", "/c", "/b"]);
}

/// What is recorded of a capture, events and state, shows as the capture does.
#[test]
fn a_recorded_capture_shows_what_the_capture_shows() {
    let Some(shared) = shared() else { return };
    let desk = Desk::new("[]", &[(0, "/a")]);
    let capture = shared.join("captures/attack-host.scap");
    let copy = desk.path("copy.scap");
    let fields = "evt.num,evt.time,evt.type,evt.args,proc.cmdline,proc.aname[2],fd.name,user.name";
    let shown = |capture: &str, filter: &str, fields: &str| {
        run(["events", "-e", capture, "--filter", filter, "--fields", fields]).exits(0).stdout()
    };
    run(["record", "-e", capture.to_str().unwrap(), "-w", &copy]).exits(0);
    let capture = capture.to_str().unwrap();
    assert_eq!(shown(&copy, "evt.num > 0", fields), shown(capture, "evt.num > 0", fields));
    // With a filter, numbers are others.
    let some = desk.path("some.scap");
    let filter = "evt.type in (openat, connect) and proc.name != bash";
    run(["record", "-e", capture, "-w", &some, "--filter", filter]).exits(0);
    let fields = fields.strip_prefix("evt.num,").unwrap();
    assert_eq!(shown(&some, "evt.num > 0", fields), shown(capture, filter, fields));
}
