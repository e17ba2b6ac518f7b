//! Replay through the binary: alerts, statistics, configuration and how a run ends.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/scenario.rs"]
mod scenario;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::{falco, run};
use falco_capture::{CaptureWriter, Compression};
use falco_event::{EventBuilder, EventCode};
use serde_json::Value;
use tempfile::TempDir;

const RULES: &str = r#"
- macro: opened
  condition: evt.type in (open, openat) and fd.num >= 0
- rule: Read shadow
  desc: Somebody opens /etc/shadow
  condition: opened and fd.name = /etc/shadow
  output: Opened %fd.name (proc=%proc.name parent=%proc.aname[9] n=%evt.num)
  priority: WARNING
  tags: [b, a]
- rule: Any file
  desc: Somebody opens something
  condition: opened
  output: Opened %fd.name by %toupper(proc.name)
  priority: INFO
"#;

/// A directory with the capture and the rules.
struct Desk {
    dir: TempDir,
    capture: PathBuf,
    rules: PathBuf,
}

fn desk() -> Desk {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let capture = scenario::write(dir.path(), Compression::None);
    let rules = dir.path().join("rules.yaml");
    fs::write(&rules, RULES).unwrap();
    Desk { dir, capture, rules }
}

impl Desk {
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        text(&path)
    }

    /// Replays with these further options, by default with only stdout configured.
    fn replay(&self, more: &[&str]) -> common::Run {
        let mut args =
            vec!["-e", self.capture.to_str().unwrap(), "-r", self.rules.to_str().unwrap()];
        let config = self.file("plain.yaml", "stdout_output: {enabled: true}\n");
        if !more.contains(&"-c") {
            args.extend(["-c", config.as_str()]);
        }
        run(args.iter().chain(more))
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn text_alerts_and_statistics_are_on_stdout_and_nothing_on_stderr() {
    let run = desk().replay(&[]).exits(0);
    assert_eq!(
        run.stdout(),
        "04:28:08.000000000: Warning Opened /etc/shadow (proc=bash parent=<NA> n=1)\n\
         04:28:09.000000000: Informational Opened /tmp/a \\\"b\\\" by BASH\n\
         Events detected: 2\n\
         Rule counts by severity:\n   WARNING: 1\n   INFO: 1\n\
         Triggered rules by rule name:\n   Read shadow: 1\n   Any file: 1\n"
    );
    assert_eq!(run.stderr(), "");
}

#[test]
fn without_a_configuration_file_the_shipped_settings_hold() {
    if Path::new("/etc/falco/falco.yaml").exists() {
        eprintln!("IGNORED: /etc/falco/falco.yaml exists, so there always is a configuration file");
        return;
    }
    let desk = desk();
    let suggested = " container_id=host container_name=host container_image_repository= \
                     container_image_tag= k8s_pod_name=<NA> k8s_ns_name=<NA>\n";
    run(["-e", &text(&desk.capture), "-r", &text(&desk.rules)])
        .exits(0)
        .prints(&format!("(proc=bash parent=<NA> n=1){suggested}"));
    if !Path::new("/etc/falco").exists() {
        let nothing: [&str; 0] = [];
        run(nothing)
            .exits(1)
            .says("Error: You must create a config file at /etc/falco/falco.yaml or by passing -c");
    }
}

#[test]
fn json_alerts_have_falcos_keys_in_falcos_order() {
    let desk = desk();
    let run = desk.replay(&["-o", "json_output=true", "-o", "time_format_iso_8601=true"]).exits(0);
    assert_eq!(
        run.stdout().lines().next().unwrap(),
        r#"{"hostname":"node1","output":"2026-11-23T04:28:08.000000000+0000: Warning Opened /etc/shadow (proc=bash parent=<NA> n=1)","output_fields":{"evt.num":1,"evt.time.iso8601":1795408088000000000,"fd.name":"/etc/shadow","proc.aname[9]":null,"proc.name":"bash"},"priority":"Warning","rule":"Read shadow","source":"syscall","tags":["a","b"],"time":"2026-11-23T04:28:08.000000000Z"}"#
    );
    // A transformer gives the field that it transforms.
    let second: Value = serde_json::from_str(run.stdout().lines().nth(1).unwrap()).unwrap();
    assert_eq!(second["output_fields"]["proc.name"], "bash");
    assert_eq!(second["output_fields"]["evt.time.iso8601"], 1_795_408_089_000_000_000_u64);

    let minimal = desk.replay(&[
        "-o",
        "json_output=yes",
        "-o",
        "json_include_output_property=false",
        "-o",
        "json_include_output_fields_property=false",
        "-o",
        "json_include_tags_property=false",
    ]);
    assert_eq!(
        minimal.exits(0).stdout().lines().next().unwrap(),
        r#"{"hostname":"node1","priority":"Warning","rule":"Read shadow","source":"syscall","time":"2026-11-23T04:28:08.000000000Z"}"#
    );
}

#[test]
fn configuration_changes_what_is_loaded_matched_and_shown() {
    let desk = desk();
    let all = desk.replay(&["-o", "rule_matching=all"]).exits(0);
    all.prints("Events detected: 3").prints("   Any file: 2");
    desk.replay(&["-o", "priority=warning"]).exits(0).prints("Events detected: 1\n");
    desk.replay(&["-o", "rules[].disable.rule=Any*"]).exits(0).prints("Events detected: 1\n");
    desk.replay(&["-o", "rules[].disable.rule=*", "-o", "rules[].enable.tag=a"])
        .exits(0)
        .prints("Events detected: 1\n");
    // One second of event time.
    desk.replay(&["-M", "1"]).exits(0).prints("Events detected: 1\n");
    desk.replay(&["-v"]).exits(0).says("Captured Events: 4,");

    let config = desk.file(
        "falco.yaml",
        "stdout_output: {enabled: true}\njson_output: true\nappend_output:\n\
         - {match: {tags: [a]}, extra_output: 'u=%user.name', extra_fields: [evt.cpu, {x: 'n-%evt.num'}]}\n\
         - suggested_output: true\n",
    );
    let run = desk.replay(&["-c", &config]).exits(0);
    let alert: Value = serde_json::from_str(run.stdout().lines().next().unwrap()).unwrap();
    let output = alert["output"].as_str().unwrap();
    assert!(output.contains("n=1) u=root container_id=host container_name=host"), "{output}");
    assert_eq!(alert["output_fields"]["evt.cpu"], 1);
    assert_eq!(alert["output_fields"]["x"], "n-1");
    let alert: Value = serde_json::from_str(run.stdout().lines().nth(1).unwrap()).unwrap();
    assert!(alert["output_fields"].get("evt.cpu").is_none());
}

/// Recorders keep the enter events of a few calls, to complete or check their exit events.
#[test]
fn enter_events_kept_for_their_exits_raise_no_alerts() {
    let desk = desk();
    let path = desk.dir.path().join("enter.scap");
    let mut writer = CaptureWriter::create(&path, Compression::None).unwrap();
    writer.snapshot(&scenario::snapshot()).unwrap();
    let mut event = EventBuilder::new();
    let enter = event.start(1, scenario::PID, EventCode::SYSCALL_OPENAT_2_E);
    enter.i64(-100).text("/etc/hosts").u32(1).u32(0);
    writer.event(&event.finish(0, 0).unwrap()).unwrap();
    let exit = event.start(2, scenario::PID, EventCode::SYSCALL_OPENAT_2_X);
    exit.i64(3).i64(-100).text("/etc/hosts").u32(1).u32(0).u32(0).u64(7);
    writer.event(&event.finish(0, 0).unwrap()).unwrap();
    event.start(3, scenario::PID, EventCode::SOCKET_CONNECT_E).i64(4).empty();
    writer.event(&event.finish(0, 0).unwrap()).unwrap();
    writer.finish().unwrap();
    let rules = desk.file(
        "any.yaml",
        "- {rule: Any, desc: d, condition: 'evt.type in (openat, connect)', output: '%evt.num', \
         priority: INFO}\n",
    );
    let config = desk.file("plain.yaml", "stdout_output: {enabled: true}\n");
    let capture = text(&path);
    let run = run(["-c", &config, "-e", &capture, "-r", &rules]).exits(0);
    run.prints("Events detected: 1\n").prints(": Informational 2\n");
}

#[test]
fn static_fields_are_in_conditions_and_outputs() {
    let desk = desk();
    let config = desk.file(
        "falco.yaml",
        "stdout_output: {enabled: true}\njson_output: true\nstatic_fields: {site: north, rack: 7}\n\
         append_output: [{suggested_output: true}]\n",
    );
    let rules = desk.file(
        "site.yaml",
        "- {rule: Here, desc: d, condition: evt.type=openat and static.site=north, \
         output: at %static.rack, priority: INFO}\n",
    );
    let capture = text(&desk.capture);
    let run = run(["-c", &config, "-e", &capture, "-r", &rules]).exits(0);
    let alert: Value = serde_json::from_str(run.stdout().lines().next().unwrap()).unwrap();
    let output = alert["output"].as_str().unwrap();
    assert!(output.contains("at 7"), "{output}");
    assert!(output.contains(" static_site=north") && output.contains(" static_rack=7"), "{output}");
    assert_eq!(alert["output_fields"]["static.rack"], "7");
}

#[test]
fn the_memory_of_the_tables_is_bounded_by_configuration() {
    let desk = desk();
    desk.replay(&["-o", "falco_libs.state_memory_mb=64"]).exits(0).prints("Events detected: 2");
    // Without memory nothing is known of any process, and rules on them are silent.
    desk.replay(&["-o", "falco_libs.state_memory_mb=0"]).exits(0).prints("Events detected: 0");
    desk.replay(&["-o", "falco_libs.state_memory_mb=x"])
        .exits(1)
        .says("falco_libs.state_memory_mb");
}

#[test]
fn a_replay_can_be_configured_wholly_in_the_file() {
    let desk = desk();
    let (capture, rules) = (text(&desk.capture), text(&desk.rules));
    let config = desk.file(
        "falco.yaml",
        &format!(
            "engine: {{kind: replay, replay: {{capture_file: {capture}}}}}\n\
             rules_files: [/nonexistent.yaml, {rules}]\nstdout_output: {{enabled: true}}\n"
        ),
    );
    run(["-c", &config])
        .exits(0)
        .prints("Events detected: 2")
        .says("/nonexistent.yaml does not exist");
    run(["-c", &config, "--dry-run"]).exits(0);
    run(["-c", &config, "-o", "stdout_output.enabled=false"])
        .exits(1)
        .says("Error: No output configured");
}

#[test]
fn a_wrong_configuration_is_told_with_file_line_and_key() {
    let desk = desk();
    let config = desk.file("falco.yaml", "\njson_output: maybe\n");
    desk.replay(&["-c", &config]).exits(1).says(&format!(
        "Error: Error reading config file ({config}): {config}:2: json_output: 'maybe' is not a \
         boolean; write true or false"
    ));
    let config = desk.file("falco.yaml", "stdout_output: {enabled: true}\njsn_output: true\n");
    desk.replay(&["-c", &config]).exits(0).says(&format!(
        "{config}:2: unknown key 'jsn_output' is ignored (did you mean 'json_output'?)"
    ));
    let config = desk.file("falco.yaml", "a: [1\n");
    desk.replay(&["-c", &config]).exits(1).says(&format!("({config}): {config}:"));
    desk.replay(&["-o", "priority=foo"])
        .exits(1)
        .says("Unknown priority \"foo\"--must be one of emergency");
    desk.replay(&["-o", "rule_matching=foo"])
        .exits(1)
        .says("Unknown rule matching strategy \"foo\"");
    desk.replay(&["-o", "a"]).exits(1).says("Error: Error parsing config option \"a\". Must be");
    run(["-c", "/nonexistent.yaml", "--version"])
        .exits(1)
        .says("Error: Could not find configuration file at /nonexistent.yaml");
    let twice = desk.file("falco.yaml", "rules_files: [a]\nrules_file: [b]\n");
    run(["-c", &twice, "-L"]).exits(1).says("both 'rules_files' and 'rules_file' keys set");
    run(["-c", &twice, "-o", "engine.kind=ebpf"])
        .exits(1)
        .says("engine.kind 'ebpf' is not a valid kind.");
}

#[test]
fn drop_ins_are_merged_by_their_strategy() {
    let desk = desk();
    let rules = text(&desk.rules);
    let other = desk.file("other.yaml", "- rule: Close\n  desc: d\n  condition: evt.type=close\n  output: closed\n  priority: DEBUG\n");
    let dir = desk.dir.path().join("config.d");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("1"), format!("rules_files: [{other}]\njson_output: true\n")).unwrap();
    fs::write(dir.join("2"), "json_output: ${NO_SUCH_VARIABLE}false\n").unwrap();
    let config = desk.file(
        "falco.yaml",
        &format!(
            "config_files: [{}]\nrules_files: [{rules}]\nstdout_output: {{enabled: true}}\n",
            dir.display()
        ),
    );
    let run = run(["-c", &config, "-e", &text(&desk.capture)]).exits(0);
    assert!(run.stdout().starts_with("04:28:08"), "{}", run.stdout());
    run.prints("   Close: 1");
}

#[test]
fn captures_that_cannot_be_read_are_told_with_name_position_and_cause() {
    let desk = desk();
    let replay = |capture: &str| run(["-e", capture, "-r", &text(&desk.rules)]);
    replay("/nonexistent.scap")
        .exits(1)
        .says("Error: cannot open capture /nonexistent.scap: No such file");
    replay(&text(desk.dir.path())).exits(1).says(&text(desk.dir.path()));
    let empty = desk.file("empty.scap", "");
    replay(&empty).exits(1).says(&empty);
    let garbage = desk.file("garbage.scap", &"not a capture ".repeat(100));
    replay(&garbage).exits(1).says(&garbage).says("byte");

    let whole = fs::read(&desk.capture).unwrap();
    let cut = desk.dir.path().join("cut.scap");
    fs::write(&cut, &whole[..whole.len() - 20]).unwrap();
    // Everything before the cut was processed, and the statistics say so.
    replay(&text(&cut))
        .exits(1)
        .says("truncated")
        .says(&text(&cut))
        .prints("Opened /etc/shadow")
        .prints("Events detected: 2");
}

/// Whatever a capture holds, the program says what is wrong with it or replays it; it never
/// panics. Every length in the file is hit by some of these.
#[test]
fn hostile_captures_do_no_harm() {
    let desk = desk();
    let whole = fs::read(&desk.capture).unwrap();
    let path = desk.dir.path().join("hostile.scap");
    for at in (0..whole.len()).step_by(13) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        bytes.truncate(whole.len() - at % 7);
        fs::write(&path, &bytes).unwrap();
        let run = run(["-e", &text(&path), "-r", &text(&desk.rules)]);
        let code = run.0.status.code();
        assert!(matches!(code, Some(0 | 1)), "byte {at}: {code:?}\n{}", run.stderr());
        assert!(!run.stderr().contains("panicked"), "byte {at}: {}", run.stderr());
    }
}

#[test]
fn compressed_captures_and_standard_input_give_the_same() {
    let desk = desk();
    let plain = run(["-e", &text(&desk.capture), "-r", &text(&desk.rules)]).exits(0).stdout();
    let other = tempfile::tempdir().unwrap();
    let compressed = scenario::write(other.path(), Compression::Gzip);
    assert_eq!(run(["-e", &text(&compressed), "-r", &text(&desk.rules)]).exits(0).stdout(), plain);
    let stdin = fs::File::open(&compressed).unwrap();
    let output = falco().args(["-e", "-", "-r", &text(&desk.rules)]).stdin(stdin).output().unwrap();
    assert_eq!(common::Run(output).exits(0).stdout(), plain);
}

#[test]
fn sigterm_ends_cleanly_with_everything_printed() {
    let desk = desk();
    let mut child = falco()
        .args(["-e", "-", "-r", &text(&desk.rules), "-o", "buffered_outputs=true"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The capture stops in the middle of its last event: the program waits for more, and would
    // call the capture truncated if it had not been asked to stop.
    let mut stdin = child.stdin.take().unwrap();
    let capture = fs::read(&desk.capture).unwrap();
    stdin.write_all(&capture[..capture.len() - 20]).unwrap();
    stdin.flush().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    drop(stdin);
    let run = common::Run(child.wait_with_output().unwrap()).exits(0);
    run.prints("Opened /etc/shadow").prints("Events detected: 2");
}

#[test]
fn a_pid_file_that_cannot_be_written_is_exit_code_255() {
    let desk = desk();
    desk.replay(&["-P", "/nonexistent/pid"]).exits(255).says("/nonexistent/pid");
    let pid = desk.dir.path().join("pid");
    desk.replay(&["-P", &text(&pid)]).exits(0);
    assert!(fs::read_to_string(&pid).unwrap().trim().parse::<u32>().is_ok());
}

#[test]
fn missing_sources_and_configuration_are_told() {
    let desk = desk();
    let config = desk.file("falco.yaml", "stdout_output: {enabled: true}\n");
    run(["-c", &config, "-r", &text(&desk.rules), "-o", "engine.kind=kmod"])
        .exits(1)
        .says("engine.kind 'kmod' is not supported by this version");
    run(["-e", &text(&desk.capture)])
        .exits(1)
        .says("You must specify at least one rules file/directory");
    run(["-e", &text(&desk.capture), "-r", "/nonexistent.yaml"])
        .exits(1)
        .says("Error: Could not open file /nonexistent.yaml for reading");
    run(["-x"]).exits(1).says("Error: Option ‘x’ does not exist");
    desk.replay(&["stray"]).exits(0).says("argument 'stray' is ignored");
    run(["evnts"]).exits(1).says("did you mean 'falco events'?");
}

#[test]
fn support_tells_version_configuration_rules_and_machine() {
    let desk = desk();
    let config = desk.file("falco.yaml", "priority: info\n");
    let run = run(["-c", &config, "-r", &text(&desk.rules), "--support"]).exits(0);
    let support: Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(support["config"]["priority"], "info");
    assert_eq!(support["rules_files"][0]["variants"][0]["content"], RULES);
    assert_eq!(support["system_info"]["sysname"], "Linux");
    assert_eq!(support["engine_info"]["engine_version_semver"], "0.63.0");
    assert!(support["cmdline"].as_str().unwrap().contains("--support"));
}
