//! What rules miss of sandboxes: gVisor tells of fewer system calls than a kernel, and less of each.
//!
//! What is found here is never too much: a rule is said to be unable to fire only if none of the
//! events that its condition can match ever comes.

use std::collections::BTreeMap;

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

/// What one rule misses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// The rule's name.
    pub rule: String,
    /// System calls that are not seen, by the reason why.
    pub unseen: BTreeMap<&'static str, Vec<&'static str>>,
    /// System calls of which less is seen, by what is missing.
    pub lacking: BTreeMap<&'static str, Vec<&'static str>>,
    /// Fields of the condition that are not known, by the reason why.
    pub fields: BTreeMap<&'static str, Vec<String>>,
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
        // A rule that does not say which events is seen with every one that comes.
        let calls = selection::of_condition(&rule.condition).ok()?;
        let named = calls != selection::all();
        let mut miss = Miss {
            rule: rule.name.clone(),
            unseen: BTreeMap::new(),
            lacking: BTreeMap::new(),
            fields: BTreeMap::new(),
        };
        let mut is_seen = !named || calls.is_empty();
        for call in calls.iter().filter_map(Syscall::by_id).filter(|_| named) {
            let missing = match coverage_of(call) {
                Coverage::Full => None,
                Coverage::Partly(what) => Some((&mut miss.lacking, what)),
                Coverage::NotAtAll(why) => Some((&mut miss.unseen, why)),
            };
            is_seen |= !matches!(coverage_of(call), Coverage::NotAtAll(_));
            if let Some((by_reason, reason)) = missing {
                let names = by_reason.entry(reason).or_default();
                if !names.contains(&call.name) {
                    names.push(call.name);
                }
            }
        }
        for field in &rule.checked.fields {
            if let Some(why) = field_gap(&field.name) {
                let names = miss.fields.entry(why).or_default();
                if !names.contains(&field.name) {
                    names.push(field.name.clone());
                }
            }
        }
        let misses_nothing =
            miss.unseen.is_empty() && miss.lacking.is_empty() && miss.fields.is_empty();
        (!misses_nothing).then_some((miss, !is_seen))
    }

    /// Why, in sentences without full stops.
    pub fn reasons(&self) -> Vec<String> {
        let unseen =
            self.unseen.iter().map(|(why, calls)| format!("{} not seen: {why}", calls.join(", ")));
        let lacking =
            self.lacking.iter().map(|(what, calls)| format!("{}: {what}", calls.join(", ")));
        let fields = self
            .fields
            .iter()
            .map(|(why, fields)| format!("field{} {}: {why}", plural(fields), fields.join(", ")));
        unseen.chain(lacking).chain(fields).collect()
    }
}

fn plural<T>(of: &[T]) -> &'static str {
    if of.len() == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn miss(rule: &str) -> Miss {
        Miss {
            rule: rule.to_owned(),
            unseen: BTreeMap::from([("it is not told", vec!["mount", "umount2"])]),
            lacking: BTreeMap::from([("no address", vec!["sendto"])]),
            fields: BTreeMap::from([("sandboxes do not tell it", vec!["proc.tty".to_owned()])]),
        }
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
            miss("x").reasons(),
            [
                "mount, umount2 not seen: it is not told",
                "sendto: no address",
                "field proc.tty: sandboxes do not tell it"
            ]
        );
    }
}
