//! All conditions of one event source as one program.
//!
//! A rule here is a number: its place in the order of [`RulesetBuilder::add`]. Name, priority,
//! output and so on stay with whoever added it, in a list with the same order.

use crate::catalogue::{EventContext, EventTypes};
use crate::check::Checked;

/// How many rules may match one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Matching {
    /// The first in definition order.
    #[default]
    First,
    /// Every one.
    All,
}

/// Collects conditions and compiles them.
#[derive(Debug, Default)]
pub struct RulesetBuilder {}

impl RulesetBuilder {
    /// No rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition behind the others; returns the rule's number (0, 1, …).
    pub fn add(&mut self, condition: &Checked) -> usize {
        let _ = condition;
        0
    }

    /// Compiles what was added.
    pub fn build(self) -> Ruleset {
        Ruleset {}
    }
}

/// Working memory of an evaluation, one a thread, reused for all events.
#[derive(Debug, Default)]
pub struct Scratch {}

/// Compiled rules.
#[derive(Debug)]
pub struct Ruleset {}

impl Ruleset {
    /// Memory to evaluate with.
    pub fn scratch(&self) -> Scratch {
        Scratch::default()
    }

    /// The event types on which a rule can match, neutral ones included.
    pub fn event_types(&self) -> &EventTypes {
        const { &EventTypes::empty() }
    }

    /// Calls `on_match` with the number of each rule that matches the event, in ascending order;
    /// after the first one, stops if `matching` says so.
    pub fn evaluate<C: EventContext>(
        &self,
        ctx: &C,
        matching: Matching,
        scratch: &mut Scratch,
        mut on_match: impl FnMut(usize),
    ) {
        let _ = (ctx, matching, scratch, &mut on_match);
    }
}
