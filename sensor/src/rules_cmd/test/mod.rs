//! `falco rules test`: rule tests. Events that a test writes down (or a capture) go through state
//! and rules exactly as those of a replay do; the alerts are compared with those expected.
//!
//! * `file`: test files, read by `reader`, which tells what is wrong and where.
//! * `script`: the events of a test, encoded; `containers`, `process`, `encode`, `defaults` are its
//!   parts.
//! * `source`: such events as a source.
//! * `judge`: runs; `compare`: compares; `why` explains missing alerts; `report` prints.

mod compare;
mod containers;
mod defaults;
mod encode;
mod file;
mod judge;
mod process;
mod reader;
mod report;
mod script;
mod source;
mod why;

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use super::options::TestOptions;
use crate::config::Config;
use crate::engine::Engine;
use crate::rules_files;
use crate::signals::Stop;
use file::Test;
use judge::{Loaded, Unfit, judge};
use report::Report;

/// Runs the tests of all files.
///
/// # Errors
/// If a file cannot be read, rules cannot be loaded or stdout fails. Failed and malformed tests are
/// told in the report; the exit code is then 1.
pub fn run(options: &TestOptions) -> Result<ExitCode> {
    let stop = Stop::install().context("cannot handle SIGINT and SIGTERM")?;
    let mut report = Report::new(options.format);
    let mut engines = Engines::default();
    let mut out = BufWriter::new(io::stdout().lock());
    for path in files(&options.files)? {
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = String::from_utf8_lossy(&text);
        let dir = path.parent().unwrap_or(Path::new(""));
        let file = file::read(&text, dir);
        let name = path.display().to_string();
        report.begin(&name, &text);
        for problem in &file.problems {
            report.problems(std::slice::from_ref(problem), None, &mut out)?;
        }
        for test in &file.tests {
            if stop.requested() {
                bail!("interrupted");
            }
            let rules = engines.of(test, &options.rules, &name)?;
            match judge(test, rules, &stop) {
                Ok(verdict) => report.verdict(test, &verdict, &mut out)?,
                Err(Unfit::Problems(problems)) => {
                    report.problems(&problems, Some(test), &mut out)?;
                }
                Err(Unfit::Error(error)) => report.error(test, &error, &mut out)?,
            }
        }
    }
    let successful = report.finish(&mut out)?;
    out.flush()?;
    Ok(if successful { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The test files that are meant: files, and those of directories in order.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let found = rules_files::list(path)?;
        if found.is_empty() {
            bail!("there is no *.yaml in {}", path.display());
        }
        files.extend(found);
    }
    Ok(files)
}

/// Loaded rules by the files that they come from: many tests share theirs.
#[derive(Default)]
struct Engines(HashMap<Vec<PathBuf>, Loaded>);

impl Engines {
    /// The rules of a test: those that it names, else those of the command line.
    fn of(&mut self, test: &Test, given: &[PathBuf], file: &str) -> Result<&mut Loaded> {
        let paths = if test.rules.is_empty() { given } else { &test.rules };
        if paths.is_empty() {
            bail!(
                "{file}:{}: test '{}' names no rules, and there is no -r (rules: \
                 [../my_rules.yaml], or falco rules test -r my_rules.yaml …)",
                test.line,
                test.name
            );
        }
        if !self.0.contains_key(paths) {
            let engine = load(paths).with_context(|| format!("{file}:{}: rules", test.line))?;
            self.0.insert(paths.to_vec(), Loaded::new(engine));
        }
        self.0.get_mut(paths).context("rules that were loaded")
    }
}

/// Loads rules.
///
/// # Errors
/// If a file cannot be read or is refused.
pub fn load(paths: &[PathBuf]) -> Result<Engine> {
    let mut engine = Engine::new(&Config::default(), None);
    for file in rules_files::read(paths, &[])?.files {
        let result = engine.load(&file);
        if !result.successful() {
            bail!("{}", result.explain().trim_end());
        }
    }
    Ok(engine)
}
