//! What being traced costs a sandbox: a load of system calls in a real one, not traced, with the
//! points that the rules need, and with all points that runsc has, by turns.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::sensor::Setup;
use crate::bench::live::load::Load;
use crate::bench::median;
use crate::paths;

/// The load: a sandbox makes some ten thousand system calls a second.
const LOAD: [&str; 4] = ["open=5000", "getpid=20000", "pipe=5000", "fork=100"];

/// The phases of it that are shown.
const PHASES: [&str; 5] = ["open", "getpid", "pipe", "fork", "total"];

/// Rounds; medians count.
const ROUNDS: usize = 5;

/// How sandboxes are traced.
const CASES: [&str; 3] = ["not traced", "our points", "all points"];

/// Builds of runsc: what names the program in the environment, what else it may be called, and the
/// platform to run it on.
const BUILDS: [(&str, &str, &str); 2] =
    [("FALCO_RUNSC_2022", "runsc", "ptrace"), ("FALCO_RUNSC_2024", "", "systrap")];

/// Measures every build of runsc that is at hand.
pub fn run(rules: &[PathBuf], scratch: &Path) -> Result<()> {
    for (variable, otherwise, platform) in BUILDS {
        let given = std::env::var_os(variable).unwrap_or_else(|| otherwise.into());
        match version(Path::new(&given)) {
            Some(version) => {
                println!("\nrunsc {version} on {platform}, {}", LOAD.join(" "));
                measure(&Build { program: given.into(), platform }, rules, scratch)?;
            }
            None => println!("IGNORED: {variable}, because there is no such runsc"),
        }
    }
    Ok(())
}

/// A build of runsc.
struct Build {
    program: PathBuf,
    platform: &'static str,
}

/// The version that a program says it is, if it can be run.
fn version(runsc: &Path) -> Option<String> {
    let output = Command::new(runsc).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.lines().next()?.strip_prefix("runsc version ")?.to_owned())
}

fn measure(build: &Build, rules: &[PathBuf], scratch: &Path) -> Result<()> {
    let setup = Setup { rules, scratch };
    let (ours, all) = (scratch.join("ours.json"), scratch.join("all.json"));
    let config = setup.init_config(&build.program)?;
    fs::write(&ours, &config)?;
    fs::write(&all, all_points(build, &setup.socket())?.to_string())?;
    let sensor = setup.start(setup.falco()?)?;
    let configs = [None, Some(ours.as_path()), Some(all.as_path())];
    let mut figures: BTreeMap<(&str, usize), Vec<f64>> = BTreeMap::new();
    for round in 0..ROUNDS {
        // Forth and back, so that none is always the one after another.
        let mut order: Vec<usize> = (0..configs.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for case in order {
            let load = load(build, configs[case], scratch)?;
            for phase in PHASES {
                let wall = load.phase(phase).with_context(|| format!("no phase {phase}"))?.wall;
                figures.entry((phase, case)).or_default().push(wall);
            }
        }
    }
    sensor.stop()?;
    let points = |config: &[u8]| {
        let config: Value = serde_json::from_slice(config).unwrap_or_default();
        config["trace_session"]["points"].as_array().map_or(0, Vec::len)
    };
    println!("our points: {}, all points: {}", points(&config), points(&fs::read(&all)?));
    println!("{:<8} {:>14} {:>22} {:>22}", "µs", CASES[0], CASES[1], CASES[2]);
    for phase in PHASES {
        let middle = |case| {
            let values = figures.get(&(phase, case)).cloned().unwrap_or_default();
            median(values) / 1e3
        };
        let alone = middle(0);
        let traced = |case| format!("{:.1} ({:.2} times)", middle(case), middle(case) / alone);
        println!("{phase:<8} {alone:>14.1} {:>22} {:>22}", traced(1), traced(2));
    }
    Ok(())
}

/// Runs the load in a sandbox that sees the host's files, read-only.
fn load(build: &Build, config: Option<&Path>, scratch: &Path) -> Result<Load> {
    let mut runsc = Command::new(&build.program);
    runsc.arg("--root").arg(scratch.join("state"));
    runsc.arg(format!("--platform={}", build.platform));
    runsc.args(["--network=none", "--ignore-cgroups"]);
    if let Some(config) = config {
        runsc.arg("--pod-init-config").arg(config);
    }
    runsc.arg("do").arg(paths::built("load")?).args(LOAD);
    let output = runsc.stdin(Stdio::null()).output().context("cannot run runsc")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{runsc:?} ended with {}\n{stderr}", output.status);
    Ok(Load::parse(&String::from_utf8_lossy(&output.stdout)))
}

/// A session with every point that this build has, those of single system calls by number among them,
/// and all that points can tell.
fn all_points(build: &Build, socket: &Path) -> Result<Value> {
    let mut metadata = Command::new(&build.program);
    let output = metadata.args(["trace", "metadata"]).output().context("cannot run runsc")?;
    ensure!(output.status.success(), "{metadata:?} ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let points: Vec<Value> = text.lines().filter_map(point).collect();
    ensure!(!points.is_empty(), "{metadata:?} names no point");
    let sink = json!({
        "name": "remote",
        "config": {"endpoint": socket, "retries": 3, "backoff": "25us", "backoff_max": "10ms"},
    });
    Ok(json!({"trace_session": {"name": "Default", "points": points, "sinks": [sink]}}))
}

/// Reads `Name: N, optional fields: [a|b], context fields: [c|d]`.
fn point(line: &str) -> Option<Value> {
    let (name, rest) = line.strip_prefix("Name: ")?.split_once(", optional fields: [")?;
    let (optional, rest) = rest.split_once("], context fields: [")?;
    let context = rest.strip_suffix(']')?;
    let list = |text: &str| -> Vec<String> {
        text.split('|').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    Some(json!({
        "name": name, "optional_fields": list(optional), "context_fields": list(context),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read() {
        let line = "Name: container/start, optional fields: [env], context fields: [time|cwd]";
        let expected = json!({
            "name": "container/start", "optional_fields": ["env"], "context_fields": ["time", "cwd"],
        });
        assert_eq!(point(line), Some(expected));
        let raw = "Name: syscall/sysno/0/enter, optional fields: [], context fields: []";
        let expected =
            json!({"name": "syscall/sysno/0/enter", "optional_fields": [], "context_fields": []});
        assert_eq!(point(raw), Some(expected));
        assert_eq!(point("SINKS (2)"), None);
    }
}
