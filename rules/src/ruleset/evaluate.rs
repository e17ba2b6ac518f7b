//! Running a [`Program`] on an event.

use std::borrow::Cow;

use super::Matching;
use super::code::{Chunk, Code, Program, Rule, Step, StepId, Test};
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
    /// Texts that had to be made, with the event that they are of.
    texts: Box<[(u32, Vec<u8>)]>,
}

impl Scratch {
    pub(super) fn new(stamps: u32, texts: u32) -> Self {
        Scratch {
            epoch: 0,
            stamps: vec![0; stamps as usize].into(),
            texts: vec![(0, Vec::new()); texts as usize].into(),
        }
    }

    fn next_event(&mut self) {
        self.epoch = (self.epoch + 1) & (u32::MAX >> 1);
        if self.epoch == 0 {
            // What is left from two thousand million events ago must not look current.
            self.stamps.fill(0);
            self.texts.iter_mut().for_each(|(epoch, _)| *epoch = 0);
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
    let mut run = Run { code, ctx, scratch, process, lineage: None };
    for chunk in &program.chunks {
        let (known, passed) =
            process.map_or((0, 0), |(verdicts, generation)| verdicts.word(chunk.word, generation));
        // A gate that is known to be shut keeps its rule from being looked at.
        let mut shut = known & !passed;
        for (bit, rule) in (0..).zip(&chunk.rules) {
            let open = shut & 1 == 0;
            shut >>= 1;
            if open && run.rule(rule, chunk, bit, known) {
                on_match(rule.number);
                if matching == Matching::First {
                    return;
                }
            }
        }
    }
}

/// The evaluation of one event.
struct Run<'e, C> {
    code: &'e Code,
    ctx: &'e C,
    scratch: &'e mut Scratch,
    process: Option<(&'e Verdicts, u32)>,
    /// Looked up when first needed.
    lineage: Option<Option<(&'e Verdicts, u32)>>,
}

impl<'e, C: EventContext> Run<'e, C> {
    /// Whether a rule matches whose gate is not known to be shut.
    fn rule(&mut self, rule: &Rule, chunk: &Chunk, bit: u32, known: u16) -> bool {
        if !self.step(rule.screen) {
            return false;
        }
        if (chunk.gated & !known) >> bit & 1 != 0 {
            let open = self.step(rule.gate);
            if let Some((verdicts, generation)) = self.process {
                let slot = chunk.word * PER_WORD + bit;
                verdicts.set(slot, generation, open, self.code.process_slots);
            }
            if !open {
                return false;
            }
        }
        self.step(rule.rest)
    }

    fn step(&mut self, id: StepId) -> bool {
        let code = self.code;
        let children = |start: u32, end: u32| {
            code.children.get(start as usize..end as usize).unwrap_or_default()
        };
        match code.steps.get(id as usize).copied().unwrap_or(Step::Constant(false)) {
            Step::Constant(value) => value,
            Step::And(start, end) => children(start, end).iter().all(|&c| self.step(c)),
            Step::Or(start, end) => children(start, end).iter().any(|&c| self.step(c)),
            Step::Not(child) => !self.step(child),
            Step::Test(test) => code.tests.get(test as usize).is_some_and(|test| self.test(test)),
            Step::Process(slot, inner) => {
                self.remembered(self.process, slot, code.process_slots, inner)
            }
            Step::Lineage(slot, inner) => {
                let ctx = self.ctx;
                let verdicts = *self.lineage.get_or_insert_with(|| ctx.verdicts(Scope::Lineage));
                self.remembered(verdicts, slot, code.lineage_slots, inner)
            }
            Step::Event(stamp, inner) => self.stamped(stamp, inner),
        }
    }

    fn remembered(
        &mut self,
        verdicts: Option<(&Verdicts, u32)>,
        slot: u32,
        slots: u32,
        inner: StepId,
    ) -> bool {
        let Some((verdicts, generation)) = verdicts else { return self.step(inner) };
        if let Some(verdict) = verdicts.get(slot, generation) {
            return verdict;
        }
        let verdict = self.step(inner);
        verdicts.set(slot, generation, verdict, slots);
        verdict
    }

    fn stamped(&mut self, stamp: u32, inner: StepId) -> bool {
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
        let cache = test.cached_text.and_then(|at| self.scratch.texts.get_mut(at as usize));
        let (Some(field), Some((of, text))) = (test.matcher.text_field(), cache) else {
            return test.matcher.holds(self.ctx);
        };
        if *of != self.scratch.epoch {
            match self.ctx.value(field) {
                // A borrowed text is there for the asking.
                Some(Value::Text(Cow::Borrowed(text))) => return test.matcher.matches_text(text),
                Some(Value::Text(Cow::Owned(made))) => (*of, *text) = (self.scratch.epoch, made),
                _ => return false,
            }
        }
        test.matcher.matches_text(text)
    }
}
