//! What is seen of a tree with these rules, and what is not.

use std::io::{self, Write};

use anyhow::Result;
use falco_event::Syscall;
use falco_ptrace::Options;
use falco_ptrace::calls::Calls;
use falco_ptrace::coverage::{Coverage, coverage_of, honesty_of};

use super::options::TraceOptions;
use super::tell as say;
use crate::limits::{Limits, Ptrace};
use crate::session::Session;

/// Says which rules cannot fire; in detail and with those that see a part, if that is wanted. Nobody has
/// chosen the rules that are built in: of them nothing is said otherwise.
pub fn tell(options: &TraceOptions, session: &Session) {
    let limits = Limits::of(&session.rules, &Ptrace);
    let are_chosen = !options.rules.is_empty() || !session.config.rules_files.is_empty();
    if options.verbose {
        for miss in &limits.blind {
            say(&format!("cannot fire: {} ({})", miss.rule, miss.texts().join("; ")));
        }
        for (reason, rules) in limits.partly_by_reason() {
            say(&format!("seen in part: {reason} ({})", rules.join(", ")));
        }
    } else if are_chosen {
        limits.tell_blind(&session.log);
    }
}

/// The calls at which a tree stops, beside births, executions and ends: names, or also how much is told
/// of each and how far that can be trusted.
pub fn list_calls(options: &Options, verbose: bool) -> Result<()> {
    let plan = Calls::new(options).plan();
    let mut calls: Vec<_> = plan.numbers().filter_map(Syscall::by_x86_64_number).collect();
    calls.sort_unstable_by_key(|call| call.name);
    let mut out = io::stdout().lock();
    for call in calls {
        match verbose {
            true => writeln!(out, "{:<24} {}", call.name, described(call))?,
            false => writeln!(out, "{}", call.name)?,
        }
    }
    Ok(out.flush()?)
}

fn described(call: &Syscall) -> String {
    let honesty = honesty_of(call).text();
    match coverage_of(call) {
        Coverage::Full => honesty.to_owned(),
        Coverage::Partly(what) => format!("{honesty}; {what}"),
        Coverage::NotAtAll(why) => format!("not told: {why}"),
    }
}
