//! What an attack is, what it must raise, and whether it did.

// Every test program is a crate of its own and uses only a part of this.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sensor::Alert;

/// Where an attack takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the stage (`stage.sh`).
    Host,
    /// In a container of this name.
    Container(&'static str),
    /// The same, at a terminal: the script is the shell's own command.
    Terminal(&'static str),
}

/// One attack, or near-miss, and all that it must raise.
pub struct Attack {
    /// Short, without blanks: part of the token that its processes carry.
    pub name: &'static str,
    /// What is done: a script for sh; `$A` is the actor, `$F` the directory of its copies.
    pub script: &'static str,
    pub place: Place,
    pub events: Vec<Event>,
    /// Ancestors of the test that keep these alerts from being raised.
    pub spoiled_by: &'static [&'static str],
}

/// One event that rules report.
pub struct Event {
    /// The rules of the official stable set that report it.
    pub official: &'static [&'static str],
    /// Those of rules/default.
    pub ours: &'static [&'static str],
    /// Fields that every one of these alerts has. `*` stands for any text.
    pub fields: &'static [(&'static str, &'static str)],
}

/// An attack on the host that raises nothing yet.
pub fn attack(name: &'static str, script: &'static str) -> Attack {
    Attack { name, script, place: Place::Host, events: Vec::new(), spoiled_by: &[] }
}

impl Attack {
    /// An event of it: the official rules and our own that report it, and its fields.
    pub fn raises(
        mut self,
        official: &'static [&'static str],
        ours: &'static [&'static str],
        fields: &'static [(&'static str, &'static str)],
    ) -> Self {
        self.events.push(Event { official, ours, fields });
        self
    }

    /// Takes place in a container.
    pub fn inside(self, container: &'static str) -> Self {
        Attack { place: Place::Container(container), ..self }
    }

    /// Takes place at a terminal in a container.
    pub fn at_terminal_inside(self, container: &'static str) -> Self {
        Attack { place: Place::Terminal(container), ..self }
    }

    /// Cannot be judged when the test runs below one of these programs, which rules except.
    pub fn spoiled_by(self, spoiled_by: &'static [&'static str]) -> Self {
        Attack { spoiled_by, ..self }
    }

    /// What its processes have as `FALCO_LIVE` in their environment, in this run of the tests.
    pub fn token(&self) -> String {
        format!("{}-{}", self.name, std::process::id())
    }
}

/// Which of the two rule files a sensor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleSet {
    Official,
    Ours,
}

impl Event {
    pub fn rules(&self, set: RuleSet) -> &'static [&'static str] {
        match set {
            RuleSet::Official => self.official,
            RuleSet::Ours => self.ours,
        }
    }
}

/// An attack that was carried out.
pub struct Deed<'a> {
    pub attack: &'a Attack,
    /// `container.id` of its processes.
    pub container_id: String,
    /// Whether these are of a sandbox with a kernel of its own: they have no ids on this host.
    pub sandboxed: bool,
    /// Nanoseconds since 1970 between which it happened.
    pub began: u128,
    pub ended: u128,
}

/// Nanoseconds since 1970.
pub fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_nanos()
}

/// The names of the fields that the attacks are judged by.
pub fn fields_judged<'a>(attacks: impl IntoIterator<Item = &'a Attack>) -> BTreeSet<&'static str> {
    let events = attacks.into_iter().flat_map(|attack| &attack.events);
    events.flat_map(|event| event.fields).map(|(name, _)| *name).collect()
}

impl Deed<'_> {
    /// Compares what it raised under a rule set with what it must raise, one to one. An empty list
    /// is the verdict that all is well.
    pub fn judge(&self, set: RuleSet, alerts: &[Alert]) -> Vec<String> {
        let token = self.attack.token();
        let mut left: Vec<&Alert> = alerts.iter().filter(|a| a.field("token") == token).collect();
        let mut wrong: Vec<String> = left.iter().flat_map(|a| self.flaws(a)).collect();
        for event in &self.attack.events {
            for rule in event.rules(set) {
                let differences = |a: &Alert| differences(a, event.fields);
                let of_rule = || left.iter().enumerate().filter(|(_, a)| a.rule() == *rule);
                let found = of_rule().find(|(_, a)| differences(a).is_empty()).map(|(n, _)| n);
                if let Some(found) = found {
                    left.swap_remove(found);
                    continue;
                }
                let closest = of_rule().map(|(_, a)| differences(a)).min_by_key(Vec::len);
                let mut text = format!("missing: {rule:?} {:?}", event.fields);
                if let Some(closest) = closest {
                    let _ = write!(text, "\n        closest: {}", closest.join(", "));
                }
                wrong.push(text);
            }
        }
        wrong.extend(left.iter().map(|a| format!("not expected: {:?}: {}", a.rule(), a.output())));
        wrong.iter().map(|what| format!("{} ({set:?}): {what}", self.attack.name)).collect()
    }

    /// What is wrong with an alert whatever its rule.
    fn flaws(&self, alert: &Alert) -> Vec<String> {
        let mut flaws = Vec::new();
        let mut expect = |name: &str, is_right: bool| {
            if !is_right {
                flaws.push(format!("{:?} has {name} {:?}", alert.rule(), alert.field(name)));
            }
        };
        expect("container.id", alert.field("container.id") == self.container_id);
        let time: u128 = alert.field("evt.rawtime").parse().unwrap_or_default();
        expect("evt.rawtime", self.began <= time && time <= self.ended);
        let number = |name: &str| alert.field(name).parse::<i64>().unwrap_or_default();
        if self.sandboxed {
            for name in ["proc.pid", "proc.ppid", "thread.tid"] {
                expect(name, alert.field(name).is_empty());
            }
        } else {
            expect("proc.pid", number("proc.pid") > 1);
            expect("proc.ppid", number("proc.ppid") > 1);
            expect("thread.tid", number("thread.tid") == number("proc.pid"));
            expect("proc.vpid", number("proc.vpid") < number("proc.pid"));
        }
        expect("proc.vpid", number("proc.vpid") > 0);
        let names_user = self.attack.events.iter().any(|event| {
            event.fields.iter().any(|(name, _)| ["user.uid", "user.name"].contains(name))
        });
        if !names_user {
            expect("user.uid", alert.field("user.uid") == "0");
            expect("user.name", alert.field("user.name") == "root");
        }
        if !flaws.is_empty() {
            flaws.push(format!("it was done from {} to {}", self.began, self.ended));
        }
        if alert.json["hostname"] != "node1" || alert.json["source"] != "syscall" {
            flaws.push(format!(
                "{:?} is not of node1's system calls: {}",
                alert.rule(),
                alert.json
            ));
        }
        flaws
    }
}

fn differences(alert: &Alert, fields: &[(&str, &str)]) -> Vec<String> {
    let differs = |(name, pattern): &(&str, &str)| {
        let value = alert.field(name);
        (!matches(pattern, &value)).then(|| format!("{name}={value:?} instead of {pattern:?}"))
    };
    fields.iter().filter_map(differs).collect()
}

/// Whether a text is of a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, text) in [("a", "a"), ("*", ""), ("a*", "abc"), ("*c", "abc"), ("a*c*e", "abcde")]
    {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in
        [("a", "ab"), ("a*", "ba"), ("*c", "cb"), ("a*c*e", "aec"), ("ab*b", "ab")]
    {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}
