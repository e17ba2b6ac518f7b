//! What `falco trace` tells when it is done: how the command ended, and which rules fired how often.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use falco_rules::loader::LoadedRule;
use falco_source::Source as _;

use super::exit;
use super::options::TraceOptions;
use super::tree::Tree;
use crate::event_loop::Outcome;
use crate::outputs::Waiting;

/// All that there is to tell.
pub struct Report<'a> {
    pub outcome: &'a Outcome,
    pub rules: &'a [LoadedRule],
    pub tree: &'a Tree,
    pub options: &'a TraceOptions,
}

impl Report<'_> {
    /// Writes it to stderr at once.
    pub fn print(&self) {
        // There is nowhere to report that stderr is closed.
        let _ = Waiting(io::stderr()).write_all(self.text().as_bytes());
    }

    fn text(&self) -> String {
        let Report { outcome, rules, tree, options } = self;
        let name = options.command.first().map(|name| name.to_string_lossy());
        let ended = match (name, tree.exit_status()) {
            (Some(name), Some(status)) => format!("{name} ended with {}", exit::told(status)),
            (Some(name), None) => format!("{name} was watched"),
            (None, _) => "done".to_owned(),
        };
        let alerts: u64 = outcome.alerts.counts().sum();
        let plural = if alerts == 1 { "" } else { "s" };
        let (seconds, stats) = (outcome.seconds, tree.stats());
        let mut text = format!("falco: {ended} after {seconds:.1} s: {alerts} alert{plural}\n");
        let mut fired: Vec<_> =
            rules.iter().zip(outcome.alerts.counts()).filter(|(_, count)| *count > 0).collect();
        fired.sort_by_key(|(rule, count)| (rule.priority, std::cmp::Reverse(*count)));
        for (rule, count) in fired {
            // Writing to memory does not fail.
            let _ =
                writeln!(text, "falco: {count:>7}  {:<13}  {}", rule.priority.name(), rule.name);
        }
        if options.verbose {
            let how = match tree.is_filtered() {
                true => "a filter in the kernel chose what stopped",
                false => "every system call stopped, without a filter",
            };
            let _ = writeln!(text, "falco: {} events; {how}", stats.events);
            if tree.gave_up_setuid() {
                text += "falco: setuid programs ran without their privileges (no_new_privs)\n";
            }
        }
        let lost = stats.dropped();
        if lost > 0 {
            let _ = writeln!(text, "falco: {lost} events were lost");
        }
        text
    }
}
