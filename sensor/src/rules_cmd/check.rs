//! `falco rules check`: everything that is wrong or suspicious in rules files, for people, programs
//! and code review tools.
//!
//! The loader finds it all; here files are gathered and findings put together.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use falco_rules::loader::{Finding, Severity};
use serde_json::{Value, json};

use super::options::{CheckFormat, CheckOptions};
use super::sarif;
use crate::config::Config;
use crate::engine::Engine;
use crate::rules_files;

/// Codes of findings that a later file may settle.
const SETTLED_LATER: [&str; 2] = ["LOAD_UNUSED_MACRO", "LOAD_UNUSED_LIST"];

/// Checks all files, each on top of those before it.
///
/// # Errors
/// If a file cannot be read or stdout fails.
pub fn run(options: &CheckOptions) -> Result<ExitCode> {
    let found = rules_files::read(&options.files, &[])?;
    if found.files.is_empty() {
        bail!("there is no rules file (*.yaml) among what is named");
    }
    for note in &found.notes {
        // There is nowhere to report that stderr is closed.
        let _ = writeln!(io::stderr(), "{note}");
    }
    let names: Vec<&str> = found.files.iter().map(|file| file.name.as_str()).collect();
    let mut engine = Engine::new(&Config::default(), None);
    engine.loader.report_all_errors();
    let mut findings: Vec<Finding> = Vec::new();
    for file in &found.files {
        let result = engine.load(file);
        findings.retain(|finding| !SETTLED_LATER.contains(&finding.code));
        for finding in result.findings() {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    let place = |finding: &Finding| {
        let file = names.iter().position(|name| *name == finding.file);
        (file, finding.line, finding.column, finding.severity)
    };
    findings.sort_by_key(place);
    let plugin = engine.loader.check_required_plugins().err();

    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let errors = count(Severity::Error) + usize::from(plugin.is_some());
    let warnings = count(Severity::Warning);
    let failed = errors > 0 || (options.strict && warnings > 0);
    let mut out = BufWriter::new(io::stdout().lock());
    match options.format {
        CheckFormat::Text => {
            for finding in &findings {
                write_finding(finding, &mut out)?;
            }
            if let Some(message) = &plugin {
                writeln!(out, "error: {message}\n")?;
            }
            let files = plural(names.len(), "file");
            let (errors, warnings) = (plural(errors, "error"), plural(warnings, "warning"));
            writeln!(out, "{files} checked: {errors}, {warnings}")?;
        }
        CheckFormat::Json => {
            let report = json!({
                "successful": !failed,
                "files": names,
                "errors": errors,
                "warnings": warnings,
                "required_plugins": plugin,
                "findings": findings.iter().map(to_json).collect::<Vec<_>>(),
            });
            writeln!(out, "{report:#}")?;
        }
        CheckFormat::Sarif => {
            writeln!(out, "{:#}", sarif::log(&findings, plugin.as_deref(), &names))?;
        }
    }
    out.flush()?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The word for a severity.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// The message, or where there is none, what the code means.
pub fn message(finding: &Finding) -> &str {
    if finding.message.is_empty() { &finding.summary } else { &finding.message }
}

fn write_finding(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}[{}]: {}", word(finding.severity), finding.code, message(finding))?;
    let item = match &finding.item {
        Some((kind, name)) => format!(" ({kind} '{name}')"),
        None => String::new(),
    };
    writeln!(out, "  --> {}:{}:{}{item}", finding.file, finding.line, finding.column)?;
    for line in finding.excerpt.lines() {
        writeln!(out, "  | {line}")?;
    }
    if let Some(hint) = &finding.hint {
        writeln!(out, "  = {hint}")?;
    }
    writeln!(out)
}

fn to_json(finding: &Finding) -> Value {
    json!({
        "severity": word(finding.severity),
        "code": finding.code,
        "summary": finding.summary,
        "message": message(finding),
        "hint": finding.hint,
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "item": finding.item.as_ref().map(|(kind, name)| json!({ "kind": kind, "name": name })),
    })
}

fn plural(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
