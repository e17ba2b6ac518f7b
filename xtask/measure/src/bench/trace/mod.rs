//! `bench trace`: by how much `falco trace` slows down what it watches, beside strace with the same
//! set of system calls.
//!
//! Four jobs ([`jobs`]) run untraced and under each tracer ([`Tracer`]), by turns within one run, so
//! that whatever else changes on the machine changes for all. Of the rounds the fastest counts, since
//! what else a machine does only ever adds; what is printed are ratios to the untraced job.

mod jobs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use self::jobs::{JOBS, Job};
use super::Scratch;
use crate::paths;

/// Rounds, each with every job under every tracer. `--rounds N`.
const ROUNDS: usize = 5;

/// Most that the compile job may take beside untraced.
const COMPILE_TARGET: f64 = 1.05;
/// Most that a call nobody looks at may.
const GETPID_TARGET: f64 = 1.5;
/// What counts as the same. A call that nobody looks at costs what the kernel takes to find its number in
/// a bitmap, whoever has installed the filter: nobody can be faster than strace there.
const AS_FAST: f64 = 0.97;

/// Runs `[JOB]... [--rounds N] [--rules FILE]... [--json FILE]`.
pub fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    let folder = std::env::temp_dir().join(format!("falco-bench-trace-{}", std::process::id()));
    let scratch = Scratch::new(folder)?;
    let calls = calls(&options.rules)?;
    println!("{} system calls stop: {}\n", calls.len(), calls.join(" "));
    let tracers = Tracer::all(&options, &calls)?;

    // seconds[job][tracer]: one figure a round, seconds for a piece of work.
    let mut seconds = vec![vec![Vec::new(); tracers.len()]; options.jobs.len()];
    for round in 0..options.rounds {
        println!("round {} of {}", round + 1, options.rounds);
        for (job, figures) in options.jobs.iter().zip(&mut seconds) {
            // Forth and back, so that none is always the one after another.
            let mut order: Vec<usize> = (0..tracers.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for tracer in order {
                let took = (job.run)(&tracers[tracer], &scratch.0)
                    .with_context(|| format!("{} under {}", job.name, tracers[tracer].name))?;
                figures[tracer].push(took);
            }
        }
    }
    let least = |rounds: &Vec<f64>| rounds.iter().copied().fold(f64::INFINITY, f64::min);
    let best: Vec<Vec<f64>> = seconds.iter().map(|job| job.iter().map(least).collect()).collect();
    print(&options.jobs, &tracers, &best);
    if let Some(path) = &options.json {
        let jobs = options.jobs.iter().zip(&seconds).map(|(job, figures)| {
            let by_tracer: serde_json::Map<_, _> =
                tracers.iter().zip(figures).map(|(t, f)| (t.name.to_owned(), json!(f))).collect();
            json!({"job": job.name, "unit": job.unit, "seconds": by_tracer})
        });
        let all = json!({"calls": calls, "jobs": jobs.collect::<Vec<_>>()});
        fs::write(path, serde_json::to_string_pretty(&all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What the command line asks for.
struct Options {
    jobs: Vec<&'static Job>,
    rounds: usize,
    rules: Vec<PathBuf>,
    json: Option<PathBuf>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options =
            Options { jobs: Vec::new(), rounds: ROUNDS, rules: Vec::new(), json: None };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} wants a value"));
            match arg.as_str() {
                "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
                "--rules" => options.rules.push(value()?.into()),
                "--json" => options.json = Some(value()?.into()),
                name => match JOBS.iter().find(|job| job.name == name) {
                    Some(job) => options.jobs.push(job),
                    None => {
                        let names: Vec<_> = JOBS.iter().map(|job| job.name).collect();
                        bail!("there is no job {name}; there are {}", names.join(", "))
                    }
                },
            }
        }
        ensure!(options.rounds > 0, "--rounds 0 measures nothing");
        if options.jobs.is_empty() {
            options.jobs = JOBS.iter().collect();
        }
        if options.rules.is_empty() {
            // The stable rules are what people run; without them the project's own.
            options.rules = match paths::shared() {
                Some(shared) => paths::official_rules(&shared, false),
                None => vec![paths::root().join("rules/default/falco_rules.yaml")],
            };
        }
        Ok(options)
    }
}

/// A way to run a command watched, or not.
pub struct Tracer {
    pub name: &'static str,
    /// What stands before the command.
    prefix: Vec<String>,
}

impl Tracer {
    fn all(options: &Options, calls: &[String]) -> Result<Vec<Tracer>> {
        let text = |path: &Path| path.display().to_string();
        let mut falco = vec![text(&paths::falco()?), "trace".into(), "-q".into()];
        for rules in &options.rules {
            falco.extend(["-r".into(), text(rules)]);
        }
        falco.push("--".into());
        // A question mark: strace may not know every name.
        let set = calls.iter().map(|name| format!("?{name}")).collect::<Vec<_>>().join(",");
        let strace = |more: &[&str]| {
            let mut all = vec!["strace".to_owned(), "-f".into(), "-qq".into()];
            all.extend(more.iter().map(|&word| word.to_owned()));
            all.extend(["-o".into(), "/dev/null".into(), "-e".into(), format!("trace={set}")]);
            all
        };
        Ok(vec![
            Tracer { name: "untraced", prefix: Vec::new() },
            Tracer { name: "falco trace", prefix: falco },
            Tracer { name: "strace", prefix: strace(&[]) },
            Tracer { name: "strace --seccomp-bpf", prefix: strace(&["--seccomp-bpf"]) },
        ])
    }

    /// The command, watched this way. What the tracer says is thrown away: alerts are not what is
    /// measured.
    pub fn command(&self, command: &[&str]) -> Command {
        let mut words = self.prefix.iter().map(String::as_str).chain(command.iter().copied());
        let mut traced = Command::new(words.next().unwrap_or_default());
        traced.args(words).stdin(Stdio::null()).stderr(Stdio::null());
        traced
    }

    /// The same as words of a shell, each quoted.
    pub fn shell_words(&self, command: &[&str]) -> String {
        let words = self.prefix.iter().map(String::as_str).chain(command.iter().copied());
        let quoted = words.map(|word| format!("'{}'", word.replace('\'', r"'\''")));
        quoted.collect::<Vec<_>>().join(" ")
    }
}

/// The system calls at which `falco trace` stops with these rules.
fn calls(rules: &[PathBuf]) -> Result<Vec<String>> {
    let mut falco = Command::new(paths::falco()?);
    falco.args(["trace", "--list-calls"]);
    for path in rules {
        falco.arg("-r").arg(path);
    }
    let output = falco.output().context("cannot run falco")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

fn print(jobs: &[&Job], tracers: &[Tracer], best: &[Vec<f64>]) {
    let names: Vec<String> = tracers.iter().map(|t| format!("{:>21}", t.name)).collect();
    println!("\n{:<26}{}", "", names.join(""));
    for (job, best) in jobs.iter().zip(best) {
        let alone = best[0];
        let cells = best.iter().enumerate().map(|(n, took)| match n {
            0 => format!("{:>21}", format!("{:.3} {}", took * job.scale, job.unit)),
            _ => format!("{:>21}", format!("{:.2}x", took / alone)),
        });
        println!("{:<26}{}", job.name, cells.collect::<String>());
    }
    println!();
    for (job, best) in jobs.iter().zip(best) {
        let (alone, falco) = (best[0], best[1]);
        let verdict = |met: bool| if met { "met" } else { "MISSED" };
        let target = match job.name {
            "compile" => Some(COMPILE_TARGET),
            "getpid" => Some(GETPID_TARGET),
            _ => None,
        };
        if let Some(most) = target {
            let ratio = falco / alone;
            println!("{}: at most {most}x: {ratio:.3}x, {}", job.name, verdict(ratio <= most));
        }
        let fastest = best[2].min(best[3]);
        let advantage = fastest / falco;
        let (target, least) = match job.name {
            "getpid" => ("as fast as strace", AS_FAST),
            _ => ("faster than strace", 1.0),
        };
        println!(
            "{}: {target}: {advantage:.2} times as fast as the faster one, {}",
            job.name,
            verdict(advantage > least)
        );
    }
}
