//! `bench live`: what the sensor costs a machine that is at work, beside what Falco cost
//! (`../shared/captures/FIGURES.md`).
//!
//! A load of system calls (`src/bin/load.rs`) runs without a sensor and with one, by turns, so that
//! whatever else changes on the machine changes for all. Then sensors are started among idle
//! processes.
//!
//! * [`sensor`]: a sensor that runs meanwhile; [`load`]: the load and what it tells.
//! * [`table`]: the figures for people; as JSON with `--json FILE`.

pub mod load;
mod sensor;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use self::load::Load;
use self::sensor::{Seen, Sensor, Start};
use self::table::Table;
use super::process::Running;
use super::{Scratch, median};
use crate::paths;

/// Rounds, each with and without a sensor; medians count. `--rounds N`.
const ROUNDS: usize = 5;

/// Idle processes among which a sensor is started. `--processes N`.
const PROCESSES: usize = 500;

/// Runs `[open=N] [getpid=N] [pipe=N] [fork=N] [--rounds N] [--processes N] [--rules FILE]... [--json FILE]`.
pub fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let folder = std::env::temp_dir().join(format!("falco-bench-live-{}", std::process::id()));
    let scratch = Scratch::new(folder)?;
    let sets = options.sets();

    let mut without: Vec<Load> = Vec::new();
    let mut with: Vec<Vec<Loaded>> = sets.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        println!("round {} of {}", round + 1, options.rounds);
        without.push(Load::run(&options.load)?);
        // Forth and back, so that none is always the one after another.
        let mut order: Vec<usize> = (0..sets.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for set in order {
            with[set].push(loaded(&sets[set].rules, &options.load, &scratch.0)?);
        }
    }
    println!("\n{}", options.load.join(" "));
    Table { sets: &sets, without: &without, with: &with }.print();

    println!("\nstart-up among {} idle processes", options.processes);
    let starts = sets
        .iter()
        .map(|set| starts(&set.rules, &options, &scratch.0))
        .collect::<Result<Vec<_>>>()?;
    table::starts(&sets, &starts);

    if let Some(path) = &options.json {
        let sets = sets.iter().zip(&with).zip(&starts).map(|((set, with), starts)| {
            json!({
                "rules": set.name,
                "rounds": with.iter().map(Loaded::json).collect::<Vec<_>>(),
                "starts": starts.iter().map(|s| json!({"wall_s": s.wall, "cpu_s": s.cpu})).collect::<Vec<_>>(),
            })
        });
        let all = json!({
            "load": options.load,
            "without": without.iter().map(Load::json).collect::<Vec<_>>(),
            "with": sets.collect::<Vec<_>>(),
            "processes": options.processes,
        });
        fs::write(path, serde_json::to_string_pretty(&all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("\nevery round: {}", path.display());
    }
    Ok(())
}

/// What the command line asks for.
struct Options {
    /// Arguments of the load.
    load: Vec<String>,
    rounds: usize,
    processes: usize,
    rules: Vec<PathBuf>,
    json: Option<PathBuf>,
}

/// Rules with which the sensor is measured.
pub struct Set {
    pub name: &'static str,
    rules: Vec<PathBuf>,
    /// What Falco needed with them.
    pub falco: Option<&'static table::Falco>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Options {
            load: Vec::new(),
            rounds: ROUNDS,
            processes: PROCESSES,
            rules: Vec::new(),
            json: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} wants a value"));
            match arg.as_str() {
                "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
                "--processes" => options.processes = value()?.parse().context("--processes")?,
                "--rules" => options.rules.push(value()?.into()),
                "--json" => options.json = Some(value()?.into()),
                _ => options.load.push(arg.clone()),
            }
        }
        if options.load.is_empty() {
            options.load = load::FALCOS.map(str::to_owned).to_vec();
        }
        Ok(options)
    }

    /// The official rules, as Falco was measured with; without those at hand, the project's own.
    fn sets(&self) -> Vec<Set> {
        if !self.rules.is_empty() {
            return vec![Set { name: "given rules", rules: self.rules.clone(), falco: None }];
        }
        // Falco was measured under this load alone.
        let known = |falco| self.load.iter().eq(&load::FALCOS).then_some(falco);
        let Some(shared) = paths::shared() else {
            let rules = vec![paths::root().join("rules/default/falco_rules.yaml")];
            return vec![Set { name: "default rules", rules, falco: None }];
        };
        vec![
            Set {
                name: "stable rules",
                rules: paths::official_rules(&shared, false),
                falco: known(&table::FALCO_STABLE),
            },
            Set {
                name: "three files",
                rules: paths::official_rules(&shared, true),
                falco: known(&table::FALCO_ALL),
            },
        ]
    }
}

/// A load under a sensor.
pub struct Loaded {
    pub load: Load,
    /// What the sensor's start took.
    pub start: Start,
    /// CPU seconds of the sensor for the load: until it was through with its events.
    pub cpu: f64,
    /// The sensor's largest resident size in MiB.
    pub peak: f64,
    pub seen: Seen,
}

impl Loaded {
    fn json(&self) -> Value {
        json!({
            "load": self.load.json(),
            "start": {"wall_s": self.start.wall, "cpu_s": self.start.cpu},
            "sensor_cpu_s": self.cpu,
            "sensor_peak_mib": self.peak,
            "events": self.seen.events,
            "dropped": self.seen.dropped,
        })
    }
}

fn loaded(rules: &[PathBuf], arguments: &[String], scratch: &Path) -> Result<Loaded> {
    let (mut sensor, start) = Sensor::start(rules, scratch)?;
    let before = sensor.cpu()?;
    let load = Load::run(arguments)?;
    sensor.catch_up()?;
    let cpu = sensor.cpu()? - before;
    let (usage, seen) = sensor.stop()?;
    Ok(Loaded { load, start, cpu, peak: usage.peak, seen })
}

/// Starts sensors among idle processes.
fn starts(rules: &[PathBuf], options: &Options, scratch: &Path) -> Result<Vec<Start>> {
    let mut sleep = Command::new("sleep");
    // They end by themselves should this process be killed.
    sleep.arg("120").stdin(Stdio::null()).stdout(Stdio::null());
    let idle =
        (0..options.processes).map(|_| Running::start(&mut sleep)).collect::<Result<Vec<_>>>()?;
    let start = || {
        let (sensor, start) = Sensor::start(rules, scratch)?;
        sensor.stop()?;
        Ok(start)
    };
    let starts = (0..options.rounds).map(|_| start()).collect();
    drop(idle);
    starts
}
