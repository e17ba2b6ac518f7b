//! What tests came to, for reading or for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::compare::{Alert, Line};
use super::file::Test;
use super::judge::Verdict;
use super::reader::Problem;
use crate::rules_cmd::options::TestFormat;

/// Most of an event's line, in characters.
const SHOWN: usize = 140;

/// The report of a run.
pub struct Report {
    format: TestFormat,
    /// The file whose tests run, and its text.
    file: String,
    text: String,
    passed: usize,
    failed: usize,
    /// Results for JSON.
    results: Vec<Value>,
}

impl Report {
    /// Nothing yet.
    pub fn new(format: TestFormat) -> Self {
        let (file, text, results) = Default::default();
        Report { format, file, text, passed: 0, failed: 0, results }
    }

    /// What follows is of this file.
    pub fn begin(&mut self, file: &str, text: &str) {
        self.file = file.to_owned();
        self.text = text.to_owned();
    }

    /// What is wrong in one test, which counts as failed.
    pub fn problems(
        &mut self,
        problems: &[Problem],
        test: Option<&Test>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.failed += 1;
        for problem in problems {
            match self.format {
                TestFormat::Text => {
                    let name = test.map(|test| format!("{}: ", test.name)).unwrap_or_default();
                    write!(out, "ERROR  {name}{}", problem.render(&self.file, &self.text))?;
                }
                TestFormat::Json => {
                    let (line, column) = problem.place(&self.text);
                    self.results.push(json!({
                        "file": self.file,
                        "line": line,
                        "column": column,
                        "test": test.map(|test| test.name.as_str()),
                        "result": "error",
                        "message": problem.message,
                    }));
                }
            }
        }
        Ok(())
    }

    /// A test whose input cannot be read.
    pub fn error(
        &mut self,
        test: &Test,
        error: &anyhow::Error,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.failed += 1;
        match self.format {
            TestFormat::Text => {
                writeln!(out, "ERROR  {} ({}:{}): {error:#}", test.name, self.file, test.line)
            }
            TestFormat::Json => {
                self.results.push(json!({
                    "file": self.file,
                    "line": test.line,
                    "test": test.name,
                    "result": "error",
                    "message": format!("{error:#}"),
                }));
                Ok(())
            }
        }
    }

    /// A test that ran.
    pub fn verdict(
        &mut self,
        test: &Test,
        verdict: &Verdict,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let passed = verdict.passed();
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
        match self.format {
            TestFormat::Text if passed => writeln!(out, "ok     {}", test.name),
            TestFormat::Text => {
                writeln!(out, "FAILED {} ({}:{})", test.name, self.file, test.line)?;
                write_failure(verdict, out)
            }
            TestFormat::Json => {
                self.results.push(json!({
                    "file": self.file,
                    "line": test.line,
                    "test": test.name,
                    "result": if passed { "ok" } else { "failed" },
                    "alerts": verdict.lines.iter().map(line_json).collect::<Vec<_>>(),
                    "events": verdict.events.iter()
                        .map(|(num, text)| json!({ "num": num, "text": text }))
                        .collect::<Vec<_>>(),
                }));
                Ok(())
            }
        }
    }

    /// The summary. Whether all tests passed.
    pub fn finish(self, out: &mut dyn Write) -> io::Result<bool> {
        let (passed, failed) = (self.passed, self.failed);
        match self.format {
            TestFormat::Text => writeln!(out, "{passed} passed, {failed} failed")?,
            TestFormat::Json => {
                let report = json!({ "passed": passed, "failed": failed, "tests": self.results });
                writeln!(out, "{report:#}")?;
            }
        }
        Ok(failed == 0)
    }
}

fn write_failure(verdict: &Verdict, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "       alerts (+ not expected, - missing, ! different):")?;
    if verdict.lines.is_empty() {
        writeln!(out, "         none")?;
    }
    for line in &verdict.lines {
        match line {
            Line::Same(alert) => {
                writeln!(out, "           event {}: {}", alert.event, alert.rule)?;
            }
            Line::Different(alert, found) => {
                writeln!(out, "         ! event {}: {}", alert.event, alert.rule)?;
                for difference in found {
                    writeln!(out, "             {difference}")?;
                }
            }
            Line::Missing(rule, reasons) => {
                writeln!(out, "         - {rule}")?;
                for reason in reasons {
                    writeln!(out, "             {reason}")?;
                }
            }
            Line::Unexpected(alert) => {
                writeln!(out, "         + event {}: {}", alert.event, alert.rule)?;
                writeln!(out, "             {}", alert.output)?;
            }
        }
    }
    if !verdict.events.is_empty() {
        writeln!(out, "       events:")?;
    }
    for (num, text) in &verdict.events {
        // What matters of clone and exec stands first; JSON has all.
        let shown: String = text.chars().take(SHOWN).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        writeln!(out, "         {num:>3} {shown}{more}")?;
    }
    Ok(())
}

fn line_json(line: &Line) -> Value {
    let with = |alert: &Alert, state: &str| {
        json!({
            "state": state,
            "rule": alert.rule,
            "event": alert.event,
            "priority": alert.priority,
            "output": alert.output,
        })
    };
    match line {
        Line::Same(alert) => with(alert, "expected"),
        Line::Unexpected(alert) => with(alert, "unexpected"),
        Line::Missing(rule, reasons) => {
            json!({ "state": "missing", "rule": rule, "reasons": reasons })
        }
        Line::Different(alert, found) => {
            let mut value = with(alert, "different");
            value["differences"] = json!(found);
            value
        }
    }
}
