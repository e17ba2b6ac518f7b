//! [`Budget`]: how often, and for how long, threads are looked up in any second.
//!
//! A look-up runs between two events. If births of threads are lost by the thousand, looking all of
//! them up would take the time that the rings need to be emptied, and lose more.

use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_secs(1);

/// What is left of the current period.
#[derive(Debug)]
pub(crate) struct Budget {
    most: u32,
    most_time: Duration,
    period: Option<Instant>,
    count: u32,
    time: Duration,
}

/// Leave to look something up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leave {
    /// Time that it may take.
    pub time: Duration,
    /// Whether it is the first of its period.
    pub is_new_period: bool,
}

impl Budget {
    pub(crate) fn new(most: u32, most_time: Duration) -> Self {
        Budget { most, most_time, period: None, count: 0, time: Duration::ZERO }
    }

    /// Leave for one look-up that starts `now`.
    pub(crate) fn open(&mut self, now: Instant) -> Option<Leave> {
        let is_over = |start| now.saturating_duration_since(start) >= PERIOD;
        let is_new_period = self.period.is_none_or(is_over);
        if is_new_period {
            (self.period, self.count, self.time) = (Some(now), 0, Duration::ZERO);
        }
        let time = self.most_time.saturating_sub(self.time);
        if self.count >= self.most || time.is_zero() {
            return None;
        }
        self.count += 1;
        Some(Leave { time, is_new_period })
    }

    /// Tells how long the look-up took.
    pub(crate) fn close(&mut self, took: Duration) {
        self.time += took;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups_are_bounded_by_number_and_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut budget = Budget::new(3, Duration::from_millis(10));
        let leave =
            |time, is_new_period| Some(Leave { time: Duration::from_millis(time), is_new_period });
        assert_eq!(budget.open(at(0)), leave(10, true));
        budget.close(Duration::from_millis(4));
        assert_eq!(budget.open(at(5)), leave(6, false));
        assert_eq!(budget.open(at(6)), leave(6, false));
        assert_eq!(budget.open(at(7)), None, "too many");
        assert_eq!(budget.open(at(1000)), leave(10, true));
        budget.close(Duration::from_millis(11));
        assert_eq!(budget.open(at(1001)), None, "too long");
        assert_eq!(budget.open(at(2000)), leave(10, true));
    }
}
