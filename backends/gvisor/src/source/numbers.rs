//! [`Numbers`]: which numbers sandboxes have, and with that, which thread ids exist.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use falco_source::ThreadLookup;
use falco_source::lookup::Found;

use crate::mapper::sandbox_number;

/// The numbers that are in use, shared by who gives them out and who asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers(Arc<RwLock<HashSet<u32>>>);

impl Numbers {
    /// A number for the sandbox of container `id`.
    pub fn assign(&self, id: &[u8]) -> Number {
        let mut used = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let number = sandbox_number(id, |number| used.contains(&number));
        used.insert(number);
        Number { number, numbers: self.clone() }
    }

    /// Who can be asked about threads.
    pub fn lookup(&self) -> Box<dyn ThreadLookup> {
        Box::new(Lookup(self.clone()))
    }
}

/// The number of a sandbox, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Number {
    number: u32,
    numbers: Numbers,
}

impl Number {
    pub fn get(&self) -> u32 {
        self.number
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        let mut used = self.numbers.0.write().unwrap_or_else(PoisonError::into_inner);
        used.remove(&self.number);
    }
}

/// Says that a thread lives as long as its sandbox: its end is an event of its own, always.
#[derive(Debug)]
struct Lookup(Numbers);

impl ThreadLookup for Lookup {
    fn thread(&mut self, _tid: i64) -> Option<Found> {
        None
    }

    fn is_alive(&mut self, _pid: i64, tid: i64) -> bool {
        // Threads of the host have the upper half 0, which is no sandbox's number.
        let number = u32::try_from(tid >> 32).unwrap_or(0);
        let used = self.0.0.read().unwrap_or_else(PoisonError::into_inner);
        used.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_once_at_a_time() {
        let numbers = Numbers::default();
        let first = numbers.assign(b"0000abc4567");
        let second = numbers.assign(b"0000abc4567");
        assert_eq!((first.get(), second.get()), (0xabc, 0xabd));
        drop(first);
        assert_eq!(numbers.assign(b"0000abc4567").get(), 0xabc);
    }

    #[test]
    fn a_thread_lives_as_long_as_its_sandbox() {
        let numbers = Numbers::default();
        let mut lookup = numbers.lookup();
        let number = numbers.assign(b"7");
        let tid = i64::from(number.get()) << 32 | 1;
        assert!(lookup.is_alive(tid, tid));
        for other in [1, 0, -1, i64::MAX, 8 << 32 | 1] {
            assert!(!lookup.is_alive(other, other), "{other}");
        }
        assert_eq!(lookup.thread(tid), None);
        drop(number);
        assert!(!lookup.is_alive(tid, tid));
    }
}
