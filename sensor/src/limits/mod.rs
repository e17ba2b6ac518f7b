//! What rules miss where a source tells of fewer system calls than a kernel, or less of each.
//!
//! * [`Witness`]: what a source tells; [`Gvisor`] and [`Ptrace`] are those that tell less.
//! * [`Limits`]: what follows for rules.
//!
//! What is found here is never too much: a rule is said to be unable to fire only if none of the
//! events that its condition can match ever comes, or comes with what it compares (`reach`).

mod gvisor;
mod ptrace;
mod reach;

use std::collections::{BTreeMap, BTreeSet};

use falco_enrich::selection;
use falco_event::Syscall;
use falco_rules::loader::{LoadedRule, SYSCALL_SOURCE};
use falco_source::coverage::{Coverage, Known};

use crate::log::Log;
pub use gvisor::Gvisor;
pub use ptrace::Ptrace;

/// Rules that one line of the log names.
const MOST_NAMES: usize = 30;

/// What a source tells, as its own crate declares it.
pub trait Witness {
    /// How much it tells of a system call.
    fn coverage_of(&self, call: &Syscall) -> Coverage;
    /// Why a field (without its argument) is unknown, or known only in part.
    fn field_gap(&self, name: &str) -> Option<&'static str>;
    /// What is certain of a field in all events of `call`; in all events, if none is given.
    fn known(&self, field: &str, arg: Option<&str>, call: Option<&Syscall>) -> Option<Known>;
}

/// What the enabled rules miss.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Enabled rules over system calls.
    pub rules: usize,
    /// Those of which no event comes.
    pub blind: Vec<Miss>,
    /// Those of which some events do not come, or tell less.
    pub partly: Vec<Miss>,
}

/// What one rule misses: reasons, and what of the rule each is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// The rule's name.
    pub rule: String,
    /// Why something is missing, by the system calls or fields that it is about.
    pub reasons: BTreeMap<Reason, BTreeSet<String>>,
}

/// Why a rule misses something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// These system calls are not seen.
    Unseen(&'static str),
    /// Of these system calls, something is missing.
    Lacking(&'static str),
    /// These fields of the condition are not known, or not always.
    Field(&'static str),
}

impl Limits {
    /// What these rules miss where only `witness` sees what happens.
    pub fn of(rules: &[LoadedRule], witness: &dyn Witness) -> Self {
        let mut limits = Limits::default();
        for rule in rules.iter().filter(|rule| rule.enabled && rule.source == SYSCALL_SOURCE) {
            limits.rules += 1;
            match Miss::of(rule, witness) {
                Some((miss, true)) => limits.blind.push(miss),
                Some((miss, false)) => limits.partly.push(miss),
                None => {}
            }
        }
        limits
    }

    /// Says it once, in the log: `scope` is of what it is true, `more` another sentence.
    pub fn tell(&self, scope: &str, more: &str, log: &Log) {
        if let Some(what) = self.summary() {
            log.warning(&format!("{scope}, {what}. {more}"));
        }
    }

    /// Says which rules cannot fire where ptrace watches, if there are some. That some see a part goes
    /// without saying: nearly all of it are fields that nothing but an engine knows.
    pub fn tell_blind(self, log: &Log) {
        let blind = Limits { partly: Vec::new(), ..self };
        blind.tell(
            "Watched by ptrace",
            "falco trace -v, or falco doctor -o engine.kind=ptrace, says why",
            log,
        );
    }

    /// What rules see in part, by reasons: in words about all that each concerns, with the rules.
    pub fn partly_by_reason(&self) -> Vec<(String, Vec<&str>)> {
        let mut all = BTreeMap::<Reason, (BTreeSet<String>, Vec<&str>)>::new();
        for miss in &self.partly {
            for (reason, about) in &miss.reasons {
                let (names, rules) = all.entry(*reason).or_default();
                names.extend(about.iter().cloned());
                rules.push(&miss.rule);
            }
        }
        all.into_iter().map(|(reason, (about, rules))| (reason.text(&about), rules)).collect()
    }

    fn summary(&self) -> Option<String> {
        let Limits { rules, blind, partly } = self;
        let names: Vec<&str> = blind.iter().take(MOST_NAMES).map(|miss| &*miss.rule).collect();
        let names = names.join(", ");
        let blind = match blind.len() {
            0 => None,
            count if count > MOST_NAMES => {
                let more = count - MOST_NAMES;
                Some(format!("{count} of {rules} rules cannot fire: {names} and {more} more"))
            }
            count => Some(format!("{count} of {rules} rules cannot fire: {names}")),
        };
        let partly = match partly.len() {
            0 => None,
            1 => Some("1 rule may miss something".to_owned()),
            count => Some(format!("{count} rules may miss something")),
        };
        match (blind, partly) {
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => Some(one),
            (Some(blind), Some(partly)) => Some(format!("{blind}; {partly}")),
        }
    }
}

impl Miss {
    /// What a rule misses, and whether that is all; `None` if nothing.
    fn of(rule: &LoadedRule, witness: &dyn Witness) -> Option<(Self, bool)> {
        let calls = selection::of_condition(&rule.condition).ok()?;
        let mut reasons = BTreeMap::<Reason, BTreeSet<String>>::new();
        let mut add = |reason, about: &str| {
            reasons.entry(reason).or_default().insert(about.to_owned());
        };
        // A rule that does not say which events is seen with every one that comes.
        let mut can_fire = match calls == selection::all() {
            true => reach::can_hold(&rule.condition, witness, None),
            false => calls.is_empty(),
        };
        let named = calls.iter().filter_map(Syscall::by_id).filter(|_| calls != selection::all());
        for call in named {
            match witness.coverage_of(call) {
                Coverage::Full => {}
                Coverage::Partly(what) => add(Reason::Lacking(what), call.name),
                Coverage::NotAtAll(why) => {
                    add(Reason::Unseen(why), call.name);
                    continue;
                }
            }
            can_fire = can_fire || reach::can_hold(&rule.condition, witness, Some(call));
        }
        for field in &rule.checked.fields {
            if let Some(why) = witness.field_gap(&field.name) {
                add(Reason::Field(why), &field.name);
            }
        }
        (!reasons.is_empty()).then(|| (Miss { rule: rule.name.clone(), reasons }, !can_fire))
    }

    /// Why, one reason each.
    pub fn texts(&self) -> Vec<String> {
        self.reasons.iter().map(|(reason, about)| reason.text(about)).collect()
    }
}

impl Reason {
    /// In words, about these.
    pub fn text(self, about: &BTreeSet<String>) -> String {
        let names = about.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Reason::Unseen(why) => format!("{names} not seen: {why}"),
            Reason::Lacking(why) | Reason::Field(why) => format!("{names}: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn miss(rule: &str) -> Miss {
        let about = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let reasons = BTreeMap::from([
            (Reason::Unseen("it is not told"), about(&["mount", "umount2"])),
            (Reason::Lacking("no address"), about(&["sendto"])),
            (Reason::Field("sandboxes do not tell it"), about(&["proc.tty"])),
        ]);
        Miss { rule: rule.to_owned(), reasons }
    }

    #[test]
    fn one_line_sums_up() {
        let limits = |blind: usize, partly: usize| Limits {
            rules: 50,
            blind: (0..blind).map(|i| miss(&format!("R{i}"))).collect(),
            partly: (0..partly).map(|_| miss("P")).collect(),
        };
        let summary = |blind, partly| limits(blind, partly).summary();
        let both = "1 of 50 rules cannot fire: R0; 1 rule may miss something";
        assert_eq!(summary(1, 1).as_deref(), Some(both));
        assert_eq!(summary(0, 3).as_deref(), Some("3 rules may miss something"));
        assert!(summary(40, 0).unwrap().ends_with(", R29 and 10 more"));
        assert_eq!(summary(0, 0), None);
    }

    #[test]
    fn reasons_name_what_they_are_about() {
        assert_eq!(
            miss("x").texts(),
            [
                "mount, umount2 not seen: it is not told",
                "sendto: no address",
                "proc.tty: sandboxes do not tell it"
            ]
        );
    }
}
