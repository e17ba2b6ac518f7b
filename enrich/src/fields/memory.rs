//! What a few fields remember from event to event (`evt.deltatime`, `thread.exectime`, …).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Threads that are remembered at most; beyond, all are forgotten.
const MAX_THREADS: usize = 131_072;

/// The memory of one field. Its value is computed once an event, however often it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Inner>);

#[derive(Debug, Default)]
pub(crate) struct Inner {
    /// Number of the event for which `answer` holds.
    num: u64,
    answer: Option<u64>,
    /// Time of the last event on which the field was asked for, 0 before the first.
    last_ts: u64,
    /// Time of the last switch by CPU.
    switches: HashMap<u16, u64>,
    /// A number kept by thread.
    by_thread: HashMap<i64, u64>,
    count: u64,
}

impl Memory {
    /// The answer for event `num`: remembered, or made by `make`.
    pub(crate) fn answer(
        &self,
        num: u64,
        make: impl FnOnce(&mut Inner) -> Option<u64>,
    ) -> Option<u64> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.num != num {
            inner.answer = make(&mut inner);
            inner.num = num;
        }
        inner.answer
    }
}

impl Inner {
    /// Nanoseconds since the event on which this was last asked; 0 at first.
    pub(crate) fn delta(&mut self, ts: u64) -> u64 {
        let last = std::mem::replace(&mut self.last_ts, ts);
        if last == 0 { 0 } else { ts.wrapping_sub(last) }
    }

    /// Nanoseconds since the last switch on `cpu`; 0 at first.
    pub(crate) fn since_switch(&mut self, cpu: u16, ts: u64) -> u64 {
        let last = self.switches.insert(cpu, ts).unwrap_or(0);
        if last == 0 { 0 } else { ts.wrapping_sub(last) }
    }

    /// Adds to the thread's number and gives the sum.
    pub(crate) fn add(&mut self, tid: i64, n: u64) -> u64 {
        let sum = self.thread(tid);
        *sum = sum.wrapping_add(n);
        *sum
    }

    /// Sets the thread's number and gives the one before; 0 at first.
    pub(crate) fn replace(&mut self, tid: i64, n: u64) -> u64 {
        std::mem::replace(self.thread(tid), n)
    }

    /// How often this was called.
    pub(crate) fn count(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn thread(&mut self, tid: i64) -> &mut u64 {
        if self.by_thread.len() >= MAX_THREADS && !self.by_thread.contains_key(&tid) {
            self.by_thread.clear();
        }
        self.by_thread.entry(tid).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_its_event() {
        let memory = Memory::default();
        assert_eq!(memory.answer(1, |m| Some(m.delta(100))), Some(0));
        assert_eq!(memory.answer(2, |m| Some(m.delta(130))), Some(30));
        assert_eq!(memory.answer(2, |m| Some(m.delta(130))), Some(30));
        assert_eq!(memory.answer(3, |m| Some(m.delta(131))), Some(1));
    }
}
