//! What rules miss of sandboxes: gVisor tells of fewer system calls than a kernel, and less of each.
//!
//! What is found here is never too much: a rule is said to be unable to fire only if none of the
//! events that its condition can match ever comes, or comes with what it compares (`reach`).

mod reach;

use std::collections::{BTreeMap, BTreeSet};

use falco_enrich::selection;
use falco_event::Syscall;
use falco_gvisor::coverage::{Coverage, coverage_of, field_gap};
use falco_rules::loader::{LoadedRule, SYSCALL_SOURCE};

use crate::log::Log;

/// Rules that one line of the log names.
const MOST_NAMES: usize = 30;

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
    /// What these rules miss.
    pub fn of(rules: &[LoadedRule]) -> Self {
        let mut limits = Limits::default();
        for rule in rules.iter().filter(|rule| rule.enabled && rule.source == SYSCALL_SOURCE) {
            limits.rules += 1;
            match Miss::of(rule) {
                Some((miss, true)) => limits.blind.push(miss),
                Some((miss, false)) => limits.partly.push(miss),
                None => {}
            }
        }
        limits
    }

    /// Says it once, in the log. `beside_ebpf`: the host is watched, too.
    pub fn tell(&self, beside_ebpf: bool, log: &Log) {
        if let Some(text) = self.summary(beside_ebpf) {
            log.warning(&text);
        }
    }

    fn summary(&self, beside_ebpf: bool) -> Option<String> {
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
        let what = match (blind, partly) {
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => one,
            (Some(blind), Some(partly)) => format!("{blind}; {partly}"),
        };
        let scope = match beside_ebpf {
            true => "In sandboxes of gVisor (not on the host, which eBPF watches)",
            false => "In sandboxes of gVisor",
        };
        Some(format!(
            "{scope}, {what}. gVisor tells of fewer system calls than a kernel (falco doctor says \
             which)"
        ))
    }
}

impl Miss {
    /// What a rule misses, and whether that is all; `None` if nothing.
    fn of(rule: &LoadedRule) -> Option<(Self, bool)> {
        let calls = selection::of_condition(&rule.condition).ok()?;
        let mut reasons = BTreeMap::<Reason, BTreeSet<String>>::new();
        let mut add = |reason, about: &str| {
            reasons.entry(reason).or_default().insert(about.to_owned());
        };
        // A rule that does not say which events is seen with every one that comes.
        let mut can_fire = match calls == selection::all() {
            true => reach::can_hold(&rule.condition, None),
            false => calls.is_empty(),
        };
        let named = calls.iter().filter_map(Syscall::by_id).filter(|_| calls != selection::all());
        for call in named {
            match coverage_of(call) {
                Coverage::Full => {}
                Coverage::Partly(what) => add(Reason::Lacking(what), call.name),
                Coverage::NotAtAll(why) => {
                    add(Reason::Unseen(why), call.name);
                    continue;
                }
            }
            can_fire = can_fire || reach::can_hold(&rule.condition, Some(call));
        }
        for field in &rule.checked.fields {
            if let Some(why) = field_gap(&field.name) {
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
        let begin = |blind, partly, ebpf| limits(blind, partly).summary(ebpf).unwrap();
        assert!(begin(1, 1, false).starts_with(
            "In sandboxes of gVisor, 1 of 50 rules cannot fire: R0; 1 rule may miss something. "
        ));
        assert!(begin(0, 3, true).starts_with(
            "In sandboxes of gVisor (not on the host, which eBPF watches), 3 rules may miss something."
        ));
        assert!(begin(40, 0, false).contains(", R29 and 10 more. gVisor tells of fewer"));
        assert_eq!(limits(0, 0).summary(false), None);
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
