//! A condition on the command line: compiled, with the system calls that it can match, or told in
//! one readable error.

use anyhow::{Result, anyhow};
use falco_enrich::fields::SyscallFields;
use falco_enrich::selection::{self, BaseSyscalls, Selection, SyscallSet};
use falco_event::syscalls::Syscall;
use falco_rules::ast::Pos;
use falco_rules::catalogue::{Catalogue, EventContext, FieldFlags};
use falco_rules::check::check;
use falco_rules::parser;
use falco_rules::ruleset::{Matching, Ruleset, RulesetBuilder, Scratch};

use crate::suggest;

/// A compiled condition.
pub struct Filter {
    ruleset: Ruleset,
    scratch: Scratch,
    /// The system calls that it can match; all, if it does not say.
    pub syscalls: SyscallSet,
}

impl Filter {
    /// Compiles `text`, which is the value of `option`.
    ///
    /// # Errors
    /// If it is no condition over `fields`: the message, the line that is wrong with a caret, and
    /// what may have been meant.
    pub fn new(option: &str, text: &str, fields: &mut SyscallFields) -> Result<Self> {
        let node = parser::parse(text)
            .map_err(|e| filter_error(option, text, e.pos, &e.message, fields))?;
        let checked = check(&node, fields)
            .map_err(|e| filter_error(option, text, e.pos, &e.message, fields))?;
        let syscalls = selection::of_condition(&node).map_err(|e| anyhow!("{option}: {e}"))?;
        let mut builder = RulesetBuilder::new();
        builder.add_filter(&checked);
        let ruleset = builder.build();
        Ok(Filter { scratch: ruleset.scratch(), ruleset, syscalls })
    }

    /// The names of the hosts that it looks for ([`Ruleset::host_names`]).
    pub fn host_names(&self) -> &[Box<[u8]>] {
        self.ruleset.host_names()
    }

    /// Whether the event is one of those that are wanted.
    #[inline]
    pub fn matches(&mut self, ctx: &impl EventContext) -> bool {
        let mut hit = false;
        self.ruleset.evaluate(ctx, Matching::First, &mut self.scratch, |_| hit = true);
        hit
    }
}

/// The message, the line that is wrong with a caret, and what may have been meant.
fn filter_error(
    option: &str,
    text: &str,
    pos: Pos,
    message: &str,
    fields: &SyscallFields,
) -> anyhow::Error {
    let shown = text.lines().nth(pos.line.saturating_sub(1)).unwrap_or(text);
    let caret = " ".repeat(pos.column.saturating_sub(1).min(shown.chars().count()));
    let rest = text.get(pos.index..).unwrap_or_default();
    let word = rest.split(|c: char| !(c.is_alphanumeric() || "._".contains(c))).next();
    let hint = match word {
        Some(word) if word.contains('.') && message.contains("nonexistent field") => {
            did_you_mean(word, fields)
        }
        _ => String::new(),
    };
    anyhow!("{option}: {message}{hint}\n  {shown}\n  {caret}^")
}

/// The field of the closest name, in brackets.
pub fn did_you_mean(field: &str, fields: &SyscallFields) -> String {
    let names = fields.fields().iter().filter(|f| !f.flags.contains(FieldFlags::HIDDEN));
    match suggest::closest(field, names.map(|f| f.name)) {
        Some(like) => format!(" (did you mean '{like}'?)"),
        None => " (falco --list names them all)".to_owned(),
    }
}

/// Tracepoints that are no system calls, and far too many to be watched unasked.
const UNASKED: &[&str] = &["sched_switch", "page_fault_user", "page_fault_kernel"];

/// The system calls that a live source has to deliver to show what `filter` wants, with the state
/// around it. Without a filter, or with one that does not say which, those that just move data are
/// left out unless `all` are wanted.
pub fn to_deliver(filter: Option<&Filter>, all: bool) -> SyscallSet {
    let wanted = match filter {
        Some(filter) if filter.syscalls != selection::all() => filter.syscalls.clone(),
        _ => {
            let unasked = UNASKED.iter().filter_map(|name| Syscall::by_name(name));
            let unasked: SyscallSet = unasked.map(|call| call.id).collect();
            let some = selection::all().difference(&unasked);
            if all { some } else { some.difference(&selection::too_frequent()) }
        }
    };
    // State and the end of processes, whatever was asked for.
    let base = BaseSyscalls { all: true, ..BaseSyscalls::default() };
    Selection::new(&wanted, &base).syscalls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(filter: &str, all: bool) -> impl Fn(&str) -> bool {
        let mut fields = SyscallFields::new();
        let filter = Filter::new("--filter", filter, &mut fields).unwrap();
        let set = to_deliver(Some(&filter), all);
        move |name| set.contains(Syscall::by_name(name).unwrap().id)
    }

    #[test]
    fn what_the_filter_names_is_delivered_with_the_state() {
        let named = delivered("evt.type in (read, sched_switch, switch)", false);
        assert!(named("read") && named("sched_switch"));
        assert!(named("clone") && named("openat") && named("sched_process_exit"));
        assert!(!named("write") && !named("getpid"));
    }

    #[test]
    fn frequent_calls_are_only_delivered_when_asked_for() {
        let some = delivered("proc.name = x", false);
        assert!(some("getpid") && some("openat") && !some("read") && !some("sched_switch"));
        let all = delivered("proc.name = x", true);
        assert!(all("read") && all("write") && !all("page_fault_user"));
    }
}
