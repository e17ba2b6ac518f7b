//! What is run: nodes in evaluation order, with the places where verdicts are kept.

use crate::graph::test::Matcher;

/// Number of a step.
pub(super) type StepId = u32;

/// A piece of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Constant(bool),
    /// All of a range of [`Code::children`].
    And(u32, u32),
    /// One of a range of [`Code::children`].
    Or(u32, u32),
    Not(StepId),
    /// A matcher by number.
    Test(u32),
    /// Remembered in the process record, in this slot.
    Process(u32, StepId),
    /// Remembered beside the process record until an ancestor changes, in this slot.
    Lineage(u32, StepId),
    /// Remembered for this event, under this stamp.
    Event(u32, StepId),
}

/// A matcher, and where the text of its field is kept for others if it had to be made.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) matcher: Matcher,
    pub(super) cached_text: Option<u32>,
}

/// All pieces of all rules.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) steps: Vec<Step>,
    pub(super) children: Vec<StepId>,
    pub(super) tests: Vec<Test>,
    /// Size of the process record's memo, gates first.
    pub(super) process_slots: u32,
    /// Size of the lineage's memo.
    pub(super) lineage_slots: u32,
    /// Size of the event's memo.
    pub(super) stamps: u32,
    /// How many texts are kept during an event.
    pub(super) cached_texts: u32,
}

/// The rules of one event type.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) chunks: Box<[Chunk]>,
}

/// Up to sixteen rules, whose gates share a word of the process record's memo.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Which word.
    pub(super) word: u32,
    /// Bit `n`: rule `n` has a gate.
    pub(super) gated: u16,
    pub(super) rules: Box<[Rule]>,
}

/// A rule as one event type sees it: all three hold.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its number in the ruleset.
    pub(super) number: usize,
    /// What only reads the process.
    pub(super) gate: StepId,
    /// What is cheaper than a gate that is not known yet.
    pub(super) screen: StepId,
    /// Everything else.
    pub(super) rest: StepId,
}
