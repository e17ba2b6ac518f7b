//! What is run: nodes in evaluation order, with the places where verdicts are kept.

use crate::graph::test::Matcher;

/// A step or its negation: the number, and in the lowest bit whether it is negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StepRef(u32);

impl StepRef {
    pub(super) fn new(step: u32) -> Self {
        StepRef(step << 1)
    }

    pub(super) fn negated(self) -> Self {
        StepRef(self.0 ^ 1)
    }

    #[inline]
    pub(super) fn number(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// The verdict on this reference, given the verdict on its step.
    #[inline]
    pub(super) fn verdict(self, step: bool) -> bool {
        step != (self.0 & 1 != 0)
    }
}

/// A piece of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    True,
    /// All of a range of [`Code::children`].
    And(u32, u32),
    /// One of a range of [`Code::children`].
    Or(u32, u32),
    /// A matcher by number.
    Test(u32),
    /// Remembered in the process record, in this slot.
    Process(u32, StepRef),
    /// Remembered beside the process record until an ancestor changes, in this slot.
    Lineage(u32, StepRef),
    /// Remembered for this event, under this stamp.
    Event(u32, StepRef),
}

/// How many texts are kept while an event is evaluated, at most.
pub(super) const KEPT_TEXTS: usize = 12;

/// A matcher, and at which place below [`KEPT_TEXTS`] the text of its field is kept for others.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) matcher: Matcher,
    pub(super) kept_text: Option<usize>,
}

/// All pieces of all rules.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) steps: Vec<Step>,
    pub(super) children: Vec<StepRef>,
    pub(super) tests: Vec<Test>,
    /// Size of the process record's memo, gates first.
    pub(super) process_slots: u32,
    /// Size of the lineage's memo, gates first.
    pub(super) lineage_slots: u32,
    /// Size of the event's memo.
    pub(super) stamps: u32,
}

/// The rules of one event type.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) chunks: Box<[Chunk]>,
}

/// Up to sixteen rules, whose gates share a word of each memo. In masks, bit `n` is rule `n`.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) process: Gates,
    pub(super) lineage: Gates,
    /// What is cheap to find out about the event, and the rules that need it.
    pub(super) screens: Box<[(StepRef, u16)]>,
    pub(super) rules: Box<[Rule]>,
    /// All of them.
    pub(super) all: u16,
}

/// Where the verdicts on the gates of a chunk are remembered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gates {
    /// Which word.
    pub(super) word: u32,
    /// The rules that have a gate.
    pub(super) mask: u16,
}

/// A rule as one event type sees it: beside its screen, all three hold.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its number in the ruleset.
    pub(super) number: usize,
    /// What only reads the process.
    pub(super) process: StepRef,
    /// What only reads the process and its ancestors.
    pub(super) lineage: StepRef,
    /// Everything else.
    pub(super) rest: StepRef,
}
