//! `falco doctor`: whether this host can be watched, which events are seen, and what to do if not.
//!
//! * [`options`]: the command line.
//! * `host`: what the host tells; `checks`: what that means; `probe`: the probe, tried out.
//! * `gvisor`: what there is of gVisor, and what rules miss there. `ptrace`: whether processes can be
//!   watched where nothing else can.
//! * `rules`: what rules miss; `report`: all of it as text or JSON.

mod checks;
mod gvisor;
mod host;
pub mod options;
mod probe;
mod ptrace;
mod report;
mod rules;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use falco_enrich::selection::{self, Selection, SyscallSet};

use crate::config::Config;
use crate::limits::{Gvisor, Limits, Ptrace};
use crate::live::probe::options as probe_options;
use crate::live::sources::{Kinds, rules_want};
use crate::session;
use checks::Grade;
use host::Host;
use options::DoctorOptions;
use probe::{Trial, names_of};
use report::Report;

/// Looks, tries, and prints what it found. The exit code is 0 if all that rules need is seen.
///
/// # Errors
/// If configuration or rules are wrong, or stdout fails.
pub fn run(options: &DoctorOptions) -> Result<ExitCode> {
    let config = session::tool_config(&options.input)?;
    let kinds = Kinds::wanted(&config);
    let wanted = Wanted::find(options, &config)?;
    let host = Host::look();
    // Whoever watches sandboxes or processes alone need not hear of the kernel.
    let watches_host = kinds.ebpf || !(kinds.gvisor || kinds.ptrace);
    let trial = watches_host
        .then(|| anyhow::Ok(Trial::run(probe_options(&config, &wanted.syscalls)?)))
        .transpose()?;
    let is_stuck = matches!(trial, Some(Trial::Fails(_)));
    let report = Report {
        kernel: if watches_host { checks::kernel(&host) } else { Vec::new() },
        privileges: if watches_host { checks::privileges(&host) } else { Vec::new() },
        ptrace: (kinds.ptrace || is_stuck).then(|| ptrace::Trees::look(&config, kinds.ptrace)),
        gvisor: gvisor::Sandboxes::look(&config, kinds, &wanted)?,
        host,
        wanted,
        trial,
    };
    let mut out = io::stdout().lock();
    let text = if options.json { format!("{}\n", report.json()) } else { report.text() };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout")?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The system calls that are to be seen.
#[derive(Debug)]
struct Wanted {
    /// All of them.
    syscalls: SyscallSet,
    /// Those among them without which rules miss something; the others serve the tables.
    by_rules: SyscallSet,
    /// Those of rules that are not delivered, because of their number or by configuration.
    undelivered: SyscallSet,
    /// Why these.
    reason: String,
    /// What the rules miss in sandboxes of gVisor; none without rules.
    limits: Option<Limits>,
    /// The same of processes that ptrace watches.
    limits_by_ptrace: Option<Limits>,
}

impl Wanted {
    fn find(options: &DoctorOptions, config: &Config) -> Result<Self> {
        let has_rules = !options.input.rules.is_empty() || !config.rules_files.is_empty();
        if options.all_syscalls || !has_rules {
            let reason = if options.all_syscalls {
                "every system call".to_owned()
            } else {
                "every system call, since no rules are given (-r FILE)".to_owned()
            };
            let undelivered = SyscallSet::empty();
            let all = selection::all();
            let by_rules = all.clone();
            return Ok(Wanted {
                by_rules,
                syscalls: all,
                undelivered,
                reason,
                limits: None,
                limits_by_ptrace: None,
            });
        }
        let (engine, files) = session::tool_rules(&options.input, config)?;
        let rules = engine.loader.rules();
        let enabled = rules.iter().filter(|rule| rule.enabled).count();
        let by_rules = rules_want(rules)?;
        let Selection { syscalls, undelivered, .. } =
            Selection::new(&by_rules, &config.base_syscalls());
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let reason = format!(
            "what {enabled} rule{} of {files} file{} and the tables need",
            plural(enabled),
            plural(files)
        );
        let limits = Some(Limits::of(rules, &Gvisor));
        let limits_by_ptrace = Some(Limits::of(rules, &Ptrace));
        Ok(Wanted { syscalls, by_rules, undelivered, reason, limits, limits_by_ptrace })
    }

    fn undelivered_names(&self) -> Vec<&'static str> {
        names_of(self.undelivered.iter())
    }
}

impl Report {
    /// Whether all that rules need is seen, as far as it can be.
    fn is_good(&self) -> bool {
        let is_seen = match &self.trial {
            Some(Trial::Works(watched)) => watched.sees(|id| self.wanted.by_rules.contains(id)),
            Some(Trial::Fails(_)) => false,
            None => true,
        };
        let gvisor = self.gvisor.as_ref().map_or(Grade::Ok, gvisor::Sandboxes::worst);
        let ptrace = self.ptrace.as_ref().map_or(Grade::Ok, ptrace::Trees::worst);
        is_seen && gvisor.max(ptrace) < Grade::Bad
    }

    /// The worst grade of the checks.
    fn worst(&self) -> Grade {
        let grades = self.kernel.iter().chain(&self.privileges).map(|check| check.grade);
        let gvisor = self.gvisor.as_ref().map(gvisor::Sandboxes::worst);
        let ptrace = self.ptrace.as_ref().map(ptrace::Trees::worst);
        grades.chain(gvisor).chain(ptrace).max().unwrap_or(Grade::Ok)
    }
}
