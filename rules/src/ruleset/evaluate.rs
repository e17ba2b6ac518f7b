//! Running a [`Program`] on an event.

use std::borrow::Cow;

use super::Matching;
use super::code::{Chunk, Code, Gates, KEPT_TEXTS, Program, Rule, Step, StepRef, Test};
use crate::catalogue::{EventContext, Scope};
use crate::value::Value;
use crate::verdicts::{PER_WORD, Verdicts};

/// Working memory of an evaluation, one a thread, reused for all events.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The current event's number, counted here.
    epoch: u32,
    /// By stamp: verdict in the lowest bit, above it the event that it is about.
    stamps: Box<[u32]>,
    /// Texts of the current event that had to be made.
    texts: [Vec<u8>; KEPT_TEXTS],
}

impl Scratch {
    pub(super) fn new(stamps: u32) -> Self {
        Scratch { epoch: 0, stamps: vec![0; stamps as usize].into(), texts: Default::default() }
    }

    fn next_event(&mut self) {
        self.epoch = (self.epoch + 1) & (u32::MAX >> 1);
        if self.epoch == 0 {
            // What is left from two thousand million events ago must not look current.
            self.stamps.fill(0);
            self.epoch = 1;
        }
    }
}

/// Runs `program`; see [`super::Ruleset::evaluate`].
#[inline]
pub(super) fn run<C: EventContext>(
    program: &Program,
    code: &Code,
    ctx: &C,
    matching: Matching,
    scratch: &mut Scratch,
    mut on_match: impl FnMut(usize),
) {
    scratch.next_event();
    let process = ctx.verdicts(Scope::Process);
    let texts = [Seen::Unknown; KEPT_TEXTS];
    let mut run = Run { code, ctx, scratch, process, lineage: None, texts };
    for chunk in &program.chunks {
        let process = run.known(chunk.process, Scope::Process);
        let lineage = run.known(chunk.lineage, Scope::Lineage);
        // A gate that is known to be shut keeps its rule from being looked at.
        let mut open = chunk.all & !(process.shut() | lineage.shut());
        for (screen, rules) in &chunk.screens {
            if open & rules != 0 && !run.step(*screen) {
                open &= !rules;
            }
        }
        while open != 0 {
            let bit = open.trailing_zeros();
            open &= open - 1;
            if let Some(rule) = chunk.rules.get(bit as usize)
                && run.rule(rule, chunk, bit, process, lineage)
            {
                on_match(rule.number);
                if matching == Matching::First {
                    return;
                }
            }
        }
    }
}

/// A process's memo with the generation that is true now.
type Memo<'e> = Option<(&'e Verdicts, u32)>;

/// What is remembered of the gates of a chunk.
#[derive(Clone, Copy, Default)]
struct Known {
    known: u16,
    open: u16,
}

impl Known {
    fn shut(self) -> u16 {
        self.known & !self.open
    }
}

/// The evaluation of one event.
struct Run<'e, C> {
    code: &'e Code,
    ctx: &'e C,
    scratch: &'e mut Scratch,
    process: Memo<'e>,
    /// Looked up when first needed.
    lineage: Option<Memo<'e>>,
    texts: [Seen<'e>; KEPT_TEXTS],
}

/// What is known of a text that several tests want.
#[derive(Clone, Copy)]
enum Seen<'e> {
    Unknown,
    Missing,
    Borrowed(&'e [u8]),
    /// It had to be made and is in [`Scratch::texts`].
    Made,
}

impl<'e, C: EventContext> Run<'e, C> {
    fn memo(&mut self, scope: Scope) -> Memo<'e> {
        match scope {
            Scope::Process => self.process,
            Scope::Lineage => {
                let ctx = self.ctx;
                *self.lineage.get_or_insert_with(|| ctx.verdicts(Scope::Lineage))
            }
            Scope::Event => None,
        }
    }

    /// What is known of a chunk's gates.
    #[inline]
    fn known(&mut self, gates: Gates, scope: Scope) -> Known {
        if gates.mask == 0 {
            return Known::default();
        }
        let word = self.memo(scope).map(|(memo, generation)| memo.word(gates.word, generation));
        word.map_or(Known::default(), |(known, open)| Known { known, open })
    }

    /// Whether a rule matches that its screen lets pass and whose gates are not known to be shut.
    fn rule(
        &mut self,
        rule: &Rule,
        chunk: &Chunk,
        bit: u32,
        process: Known,
        lineage: Known,
    ) -> bool {
        let unknown = |gates: Gates, known: Known| (gates.mask & !known.known) >> bit & 1 != 0;
        (!unknown(chunk.process, process)
            || self.gate(Scope::Process, chunk.process, bit, rule.process))
            && self.step(rule.rest)
            // Last, because any process that forks or exits may outdate it.
            && (!unknown(chunk.lineage, lineage)
                || self.gate(Scope::Lineage, chunk.lineage, bit, rule.lineage))
    }

    /// Evaluates a gate and remembers the verdict.
    fn gate(&mut self, scope: Scope, gates: Gates, bit: u32, gate: StepRef) -> bool {
        let open = self.step(gate);
        if let Some((memo, generation)) = self.memo(scope) {
            memo.set(gates.word * PER_WORD + bit, generation, open, self.slots(scope));
        }
        open
    }

    fn slots(&self, scope: Scope) -> u32 {
        match scope {
            Scope::Process => self.code.process_slots,
            Scope::Lineage => self.code.lineage_slots,
            Scope::Event => 0,
        }
    }

    fn step(&mut self, step: StepRef) -> bool {
        let code = self.code;
        let children = |start: u32, end: u32| {
            code.children.get(start as usize..end as usize).unwrap_or_default()
        };
        // Every reference has its step.
        let found = code.steps.get(step.number()).copied().unwrap_or(Step::True);
        step.verdict(match found {
            Step::True => true,
            Step::And(start, end) => children(start, end).iter().all(|&c| self.step(c)),
            Step::Or(start, end) => children(start, end).iter().any(|&c| self.step(c)),
            Step::Test(test) => code.tests.get(test as usize).is_some_and(|test| self.test(test)),
            Step::Process(slot, inner) => self.remembered(Scope::Process, slot, inner),
            Step::Lineage(slot, inner) => self.remembered(Scope::Lineage, slot, inner),
            Step::Event(stamp, inner) => self.stamped(stamp, inner),
        })
    }

    fn remembered(&mut self, scope: Scope, slot: u32, inner: StepRef) -> bool {
        let Some((memo, generation)) = self.memo(scope) else { return self.step(inner) };
        if let Some(verdict) = memo.get(slot, generation) {
            return verdict;
        }
        let verdict = self.step(inner);
        memo.set(slot, generation, verdict, self.slots(scope));
        verdict
    }

    fn stamped(&mut self, stamp: u32, inner: StepRef) -> bool {
        let epoch = self.scratch.epoch;
        if let Some(&seen) = self.scratch.stamps.get(stamp as usize)
            && seen >> 1 == epoch
        {
            return seen & 1 != 0;
        }
        let verdict = self.step(inner);
        if let Some(seen) = self.scratch.stamps.get_mut(stamp as usize) {
            *seen = epoch << 1 | u32::from(verdict);
        }
        verdict
    }

    fn test(&mut self, test: &Test) -> bool {
        let (Some(field), Some(place)) = (test.matcher.text_field(), test.kept_text) else {
            return test.matcher.holds(self.ctx);
        };
        let Some(seen) = self.texts.get_mut(place) else {
            return test.matcher.holds(self.ctx);
        };
        if let Seen::Unknown = seen {
            *seen = match self.ctx.value(field) {
                Some(Value::Text(Cow::Borrowed(text))) => Seen::Borrowed(text),
                Some(Value::Text(Cow::Owned(text))) => match self.scratch.texts.get_mut(place) {
                    Some(kept) => {
                        *kept = text;
                        Seen::Made
                    }
                    None => return test.matcher.matches_text(&text),
                },
                _ => Seen::Missing,
            };
        }
        match seen {
            Seen::Unknown | Seen::Missing => false,
            Seen::Borrowed(text) => test.matcher.matches_text(text),
            Seen::Made => {
                self.scratch.texts.get(place).is_some_and(|text| test.matcher.matches_text(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_old_do_not_look_current_when_event_numbers_wrap() {
        let mut scratch = Scratch::new(2);
        scratch.next_event();
        scratch.stamps[0] = scratch.epoch << 1 | 1;
        scratch.epoch = u32::MAX >> 1;
        scratch.next_event();
        assert_eq!((scratch.epoch, scratch.stamps[0]), (1, 0));
        scratch.next_event();
        assert_eq!(scratch.epoch, 2);
    }
}
