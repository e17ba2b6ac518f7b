//! [`Verdicts`]: remembered truth of predicates that only read process state, kept in the process
//! record that they are about.
//!
//! Each word carries the generation of the state for which its verdicts hold, so a change of the
//! state invalidates by bumping a number, and readers on other threads need no lock: a word is
//! written whole.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Verdicts a word: 16 "known" bits and 16 values beside a 32-bit generation.
pub const PER_WORD: u32 = 16;

/// A bounded memo of verdicts by slot number. Slots beyond its capacity are simply not remembered.
#[derive(Debug, Default)]
pub struct Verdicts {
    words: OnceLock<Box<[AtomicU64]>>,
}

impl Verdicts {
    /// The verdict of `slot` if it was remembered for `generation`.
    #[inline]
    pub fn get(&self, slot: u32, generation: u32) -> Option<bool> {
        let word = self.words.get()?.get((slot / PER_WORD) as usize)?.load(Relaxed);
        let bit = slot % PER_WORD;
        if (word >> 32) as u32 != generation || word & (1 << bit) == 0 {
            return None;
        }
        Some(word & (1 << (bit + PER_WORD)) != 0)
    }

    /// The verdicts of the slots `16 * word` to `16 * word + 15`, slot `16 * word + n` at bit `n`:
    /// which are remembered for `generation`, and what they are.
    #[inline]
    pub fn word(&self, word: u32, generation: u32) -> (u16, u16) {
        let bits = self.words.get().and_then(|words| words.get(word as usize));
        match bits.map(|bits| bits.load(Relaxed)) {
            Some(bits) if (bits >> 32) as u32 == generation => (bits as u16, (bits >> 16) as u16),
            _ => (0, 0),
        }
    }

    /// Remembers a verdict. `slots` is how many slots the program has (the capacity is fixed by
    /// the first call).
    #[inline]
    pub fn set(&self, slot: u32, generation: u32, verdict: bool, slots: u32) {
        let words = self
            .words
            .get_or_init(|| (0..slots.div_ceil(PER_WORD)).map(|_| AtomicU64::new(0)).collect());
        let Some(cell) = words.get((slot / PER_WORD) as usize) else { return };
        let bit = slot % PER_WORD;
        let mut word = cell.load(Relaxed);
        if (word >> 32) as u32 != generation {
            word = u64::from(generation) << 32;
        }
        word |= 1 << bit;
        word &= !(1 << (bit + PER_WORD));
        word |= u64::from(verdict) << (bit + PER_WORD);
        cell.store(word, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_die_with_their_generation() {
        let v = Verdicts::default();
        assert_eq!(v.get(3, 1), None);
        v.set(3, 1, true, 40);
        v.set(4, 1, false, 40);
        v.set(39, 1, true, 40);
        assert_eq!((v.get(3, 1), v.get(4, 1), v.get(39, 1)), (Some(true), Some(false), Some(true)));
        assert_eq!(v.get(3, 2), None);
        v.set(4, 2, true, 40);
        assert_eq!((v.get(3, 2), v.get(4, 2)), (None, Some(true)));
        v.set(1000, 2, true, 40);
        assert_eq!(v.get(1000, 2), None);
        assert_eq!(v.word(0, 2), (1 << 4, 1 << 4));
        assert_eq!(v.word(0, 3), (0, 0));
        assert_eq!(v.word(1000, 2), (0, 0));
    }
}
