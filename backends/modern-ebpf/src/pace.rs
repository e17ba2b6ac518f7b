//! How long to sleep between two looks at the rings. Programs wake nobody, so that sending an event
//! costs the traced process nothing; the reader comes by often enough that no ring fills up.

use std::time::Duration;

/// The first pause, and the shortest.
const FIRST: Duration = Duration::from_micros(500);
const SHORTEST: Duration = Duration::from_micros(100);
/// The longest pause: alerts are late by as much.
const LONGEST: Duration = Duration::from_millis(10);

/// Bytes a second that a ring is expected to take in a burst, at most. The longest pause is such that
/// a burst that begins with it fits into the ring.
const BURST: u64 = 200 << 20;

/// Grows and shrinks the pause.
#[derive(Debug)]
pub(crate) struct Pace {
    pause: Duration,
    longest: Duration,
}

impl Pace {
    /// For rings of this size.
    pub(crate) fn new(ring_bytes: u64) -> Self {
        let burst = Duration::from_micros(ring_bytes.saturating_mul(1_000_000) / BURST);
        Pace { pause: FIRST, longest: burst.clamp(SHORTEST, LONGEST) }
    }

    pub(crate) fn pause(&self) -> Duration {
        self.pause
    }

    /// Learns how full the fullest ring became during a pause.
    pub(crate) fn woke(&mut self, fill: u64, size: u64) {
        self.pause = match () {
            () if fill > size / 4 => self.pause / 4,
            () if fill > size / 16 => self.pause / 2,
            () => self.pause * 2,
        };
        self.pause = self.pause.clamp(SHORTEST, self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_rings_stay_empty_and_shrink_when_they_fill() {
        let mut pace = Pace::new(8 << 20);
        assert_eq!(pace.pause(), FIRST);
        for _ in 0..10 {
            pace.woke(0, 8 << 20);
        }
        assert_eq!(pace.pause(), LONGEST);
        pace.woke(3 << 20, 8 << 20);
        assert_eq!(pace.pause(), LONGEST / 4);
        pace.woke(1 << 20, 8 << 20);
        assert_eq!(pace.pause(), LONGEST / 8);
        for _ in 0..10 {
            pace.woke(8 << 20, 8 << 20);
        }
        assert_eq!(pace.pause(), SHORTEST);
    }

    #[test]
    fn small_rings_are_looked_at_more_often() {
        let mut pace = Pace::new(256 << 10);
        for _ in 0..10 {
            pace.woke(0, 256 << 10);
        }
        assert!(pace.pause() < Duration::from_millis(2), "{:?}", pace.pause());
    }
}
