//! All conditions of one event source as one program.
//!
//! A rule here is a number: its place in the order of [`RulesetBuilder::add`]. Name, priority,
//! output and so on stay with whoever added it, in a list with the same order.
//!
//! For every event type there is a list of the rules that can match it. Each rule is split: its two
//! *gates* are the conjuncts that only read the process, or the process and its ancestors, whose
//! verdicts are remembered with the process ([`EventContext::verdicts`]), sixteen rules a word; the
//! rest is evaluated cheapest first. On most events reading two words is all it takes to pass over
//! most rules. What conditions have in common is evaluated at most once an event.
//!
//! * `build`: which rules an event type has, and how each is split.
//! * `emit`: the order of evaluation and the places where verdicts are kept.
//! * `code`: the result.
//! * `evaluate`: running it.
//!
//! The verdicts that a process record remembers belong to one ruleset: a state that is to serve
//! another one must not keep them.

mod build;
mod code;
mod emit;
mod evaluate;

use crate::catalogue::{EventContext, EventTypes};
pub use build::RulesetBuilder;
use code::{Code, Program};
pub use evaluate::Scratch;

/// How many rules may match one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Matching {
    /// The first in definition order.
    #[default]
    First,
    /// Every one.
    All,
}

/// Compiled rules.
#[derive(Debug)]
pub struct Ruleset {
    /// By event type: one more than the number of its program, or 0.
    by_type: Box<[u16]>,
    programs: Box<[Program]>,
    code: Code,
    event_types: EventTypes,
    rules: usize,
    host_names: Box<[Box<[u8]>]>,
}

impl Ruleset {
    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules == 0
    }

    /// Memory to evaluate with.
    pub fn scratch(&self) -> Scratch {
        Scratch::new(self.code.stamps)
    }

    /// The event types on which a rule can match, neutral ones included. On others
    /// [`Self::evaluate`] does nothing.
    pub fn event_types(&self) -> &EventTypes {
        &self.event_types
    }

    /// The names of hosts that conditions compare an address's names with, in order, each once. Which
    /// addresses they have is for the [`EventContext`] to know ([`Comparison::HostName`]).
    ///
    /// [`Comparison::HostName`]: crate::catalogue::Comparison::HostName
    pub fn host_names(&self) -> &[Box<[u8]>] {
        &self.host_names
    }

    /// Calls `on_match` with the number of each rule that matches the event, in ascending order;
    /// after the first one, stops if `matching` says so.
    #[inline]
    pub fn evaluate<C: EventContext>(
        &self,
        ctx: &C,
        matching: Matching,
        scratch: &mut Scratch,
        on_match: impl FnMut(usize),
    ) {
        let program = self.by_type.get(usize::from(ctx.event_type())).copied().unwrap_or(0);
        if let Some(program) = usize::from(program).checked_sub(1)
            && let Some(program) = self.programs.get(program)
        {
            evaluate::run(program, &self.code, ctx, matching, scratch, on_match);
        }
    }
}
