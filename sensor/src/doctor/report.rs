//! What the doctor found, as text for reading and as JSON for programs.

use std::fmt::Write as _;

use falco_modern_ebpf::coverage::Status;
use serde_json::{Value, json};

use super::Wanted;
use super::checks::{Check, GRANT, Grade, mebibytes};
use super::gvisor::Sandboxes;
use super::host::Host;
use super::probe::{Trial, Watched};
use super::ptrace::Trees;
use super::rules;
use crate::limits::Limits;

/// Columns of a line of text.
const WIDTH: usize = 100;

/// Everything that was found.
#[derive(Debug)]
pub struct Report {
    /// The kernel and its settings.
    pub kernel: Vec<Check>,
    /// What this process may do.
    pub privileges: Vec<Check>,
    /// What the checks were made from.
    pub host: Host,
    /// What is to be seen.
    pub wanted: Wanted,
    /// What is seen; none if the host is not to be watched.
    pub trial: Option<Trial>,
    /// gVisor, if it is to be watched or is here.
    pub gvisor: Option<Sandboxes>,
    /// ptrace, if it is to watch, or nothing else can.
    pub ptrace: Option<Trees>,
}

impl Report {
    /// For reading.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if let Some(trial) = &self.trial {
            self.host_text(trial, &mut out);
        }
        let undelivered = self.wanted.undelivered_names();
        if !undelivered.is_empty() {
            let advice = "high-volume calls come with base_syscalls.all=true; others were taken \
                          away by base_syscalls";
            let names = undelivered.join(", ");
            line(
                &mut out,
                Grade::Note,
                "not delivered, though rules name them",
                &names,
                Some(advice),
            );
        }
        if let Some(gvisor) = &self.gvisor {
            section(&mut out, "gVisor", &gvisor.checks);
            gvisor.rules_text(&mut out);
        }
        if let Some(ptrace) = &self.ptrace {
            let title = match ptrace.is_wanted {
                true => "ptrace",
                false => "What could be watched instead, by ptrace",
            };
            section(&mut out, title, &ptrace.checks);
            if let Some(limits) = self.limits_by_ptrace() {
                rules::text(limits, "", &mut out);
            }
        }
        let _ = write!(out, "\n{}\n", self.verdict());
        out
    }

    fn host_text(&self, trial: &Trial, out: &mut String) {
        section(out, "Kernel", &self.kernel);
        let user = format!("Privileges of this process (user {})", self.host.uid);
        section(out, &user, &self.privileges);
        if self.privileges.iter().any(|check| check.grade != Grade::Ok) {
            wrap(out, "         ", GRANT);
        }
        *out += "\nProbe\n";
        match trial {
            Trial::Works(watched) => self.probe_text(watched, out),
            Trial::Fails(error) => line(out, Grade::Bad, "cannot watch", error, None),
        }
    }

    fn probe_text(&self, watched: &Watched, out: &mut String) {
        let Watched { coverage, load, start, threads, fds, .. } = watched;
        let why = coverage.no_per_syscall.as_deref();
        let why = why
            .map(|why| format!("not per system call, which would cost other calls nothing: {why}"));
        line(out, Grade::Ok, "attached", coverage.attachment.name(), why.as_deref());
        line(out, Grade::Ok, "rings", &self.rings(watched), None);
        let took = format!(
            "loaded in {} ms; attached and read {threads} threads with {fds} open files in {} ms",
            load.as_millis(),
            start.as_millis()
        );
        line(out, Grade::Ok, "start", &took, None);
        let seen = watched.names(|s| matches!(s, Status::Covered | Status::Partly(_)));
        let found = format!(
            "{} of {} system calls: {}",
            seen.len(),
            coverage.calls.len(),
            self.wanted.reason
        );
        line(out, Grade::Ok, "seen", &found, None);
        let absent = watched.names(|s| *s == Status::NotInKernel);
        if !absent.is_empty() {
            line(out, Grade::Ok, "not in this kernel", &absent.join(", "), None);
        }
        for (partly, names, refusal) in watched.refusals() {
            let (grade, what) = match partly {
                true => (Grade::Note, "not seen in every form"),
                false => (Grade::Bad, "NOT SEEN"),
            };
            let why = format!("program {}: {}", refusal.program, refusal.error);
            line(out, grade, what, &names.join(", "), Some(&why));
            for text in &refusal.log {
                let _ = writeln!(out, "           | {text}");
            }
        }
    }

    fn rings(&self, watched: &Watched) -> String {
        let size = mebibytes(watched.ring_bytes);
        match (watched.cpus_per_ring, self.host.cpus) {
            (0, _) => format!("one of {size} for all CPUs"),
            (per, Some(cpus)) => {
                let rings = cpus.div_ceil(usize::from(per));
                format!("{rings} of {size}, one for every {per} of {cpus} CPUs")
            }
            (per, None) => format!("one of {size} for every {per} CPUs"),
        }
    }

    /// What rules miss if ptrace is to watch.
    fn limits_by_ptrace(&self) -> Option<&Limits> {
        self.ptrace.as_ref().filter(|trees| trees.is_wanted)?;
        self.wanted.limits_by_ptrace.as_ref()
    }

    fn verdict(&self) -> &'static str {
        let in_sandboxes = self.gvisor.as_ref().is_some_and(Sandboxes::is_blind);
        let by_ptrace = self.limits_by_ptrace().is_some_and(|limits| !limits.blind.is_empty());
        match (self.is_good(), self.worst()) {
            (true, _) if in_sandboxes => {
                "All that can be seen is seen; see above which rules cannot fire in sandboxes."
            }
            (true, _) if by_ptrace => {
                "All that can be seen is seen; see above which rules cannot fire by ptrace."
            }
            (true, Grade::Ok) => "All that is needed is seen.",
            (true, _) => "All that is needed is seen; the notes above tell what could be better.",
            (false, _) => "Something that is needed is NOT seen; see above what to do about it.",
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let checks = |checks: &[Check]| -> Value {
            checks
                .iter()
                .map(|check| {
                    json!({
                        "name": check.name,
                        "grade": check.grade.word().to_ascii_lowercase(),
                        "found": check.found,
                        "advice": check.advice,
                    })
                })
                .collect()
        };
        json!({
            "ok": self.is_good(),
            "kernel_release": self.host.release,
            "machine": self.host.machine,
            "uid": self.host.uid,
            "capabilities": self.host.capabilities.map(|set| format!("{set:016x}")),
            "kernel": checks(&self.kernel),
            "privileges": checks(&self.privileges),
            "wanted": self.wanted.reason,
            "undelivered": self.wanted.undelivered_names(),
            "probe": match &self.trial {
                Some(Trial::Works(watched)) => self.probe_json(watched),
                Some(Trial::Fails(error)) => json!({ "error": error }),
                None => Value::Null,
            },
            "ptrace": self.ptrace.as_ref().map(|ptrace| json!({
                "wanted": ptrace.is_wanted,
                "checks": checks(&ptrace.checks),
                "rules": self.limits_by_ptrace().map(rules::json),
            })),
            "gvisor": self.gvisor.as_ref().map(|gvisor| gvisor.json(checks)),
        })
    }

    fn probe_json(&self, watched: &Watched) -> Value {
        let events = watched.coverage.calls.iter().map(|call| {
            let (status, refusal) = match &call.status {
                Status::Covered => ("covered", None),
                Status::Partly(refusal) => ("partly", Some(refusal)),
                Status::Refused(refusal) => ("refused", Some(refusal)),
                Status::NotInKernel => ("not_in_kernel", None),
            };
            let mut event = json!({
                "name": call.name(),
                "status": status,
                "needed_by_rules": self.wanted.by_rules.contains(call.id),
            });
            if let Some(refusal) = refusal {
                event["program"] = refusal.program.as_str().into();
                event["error"] = refusal.error.as_str().into();
                event["verifier_log"] = refusal.log.clone().into();
            }
            event
        });
        json!({
            "attached": watched.coverage.attachment.name(),
            "no_per_syscall": watched.coverage.no_per_syscall,
            "ring_bytes": watched.ring_bytes,
            "cpus_per_ring": watched.cpus_per_ring,
            "load_ms": watched.load.as_secs_f64() * 1e3,
            "start_ms": watched.start.as_secs_f64() * 1e3,
            "threads": watched.threads,
            "fds": watched.fds,
            "events": events.collect::<Vec<_>>(),
        })
    }
}

pub fn section(out: &mut String, title: &str, checks: &[Check]) {
    let gap = if out.is_empty() { "" } else { "\n" };
    // Writing to memory does not fail, here and below.
    let _ = writeln!(out, "{gap}{title}");
    checks.iter().for_each(|check| {
        line(out, check.grade, check.name, &check.found, check.advice.as_deref());
    });
}

pub fn line(out: &mut String, grade: Grade, name: &str, found: &str, advice: Option<&str>) {
    let first = format!("{name}: {found}");
    wrap(out, &format!("  {:<5}", grade.word()), &first);
    if let Some(advice) = advice {
        wrap(out, "         ", advice);
    }
}

/// Appends `text` behind `lead`, broken at blanks; further lines are indented.
fn wrap(out: &mut String, lead: &str, text: &str) {
    *out += lead;
    let indent = if lead.trim().is_empty() { lead.len() } else { lead.len() + 2 };
    let mut column = lead.len();
    let mut is_first = true;
    for word in text.split_whitespace() {
        let length = word.chars().count() + usize::from(!is_first);
        if !is_first && column + length > WIDTH {
            let _ = write!(out, "\n{:indent$}{word}", "");
            column = indent + word.chars().count();
        } else {
            *out += if is_first { "" } else { " " };
            *out += word;
            column += length;
        }
        is_first = false;
    }
    out.push('\n');
}
