//! The time of events. Programs know the time since boot; events have the time since the epoch. What
//! lies between is measured here, told to the programs, and told anew when somebody sets the clock.
//!
//! All clocks of this process use the same difference, so that an event which two sources see has the
//! same time in both: by that one knows what the other told already.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::clock_ns;

/// How often the difference is measured anew, in nanoseconds.
const INTERVAL_NS: u64 = 1_000_000_000;
/// A difference that is off by more than this was set; less is the measuring itself.
const TOLERANCE_NS: u64 = 1_000_000;

/// The difference that was found last; 0 before the first time.
static FOUND_NS: AtomicU64 = AtomicU64::new(0);

/// The difference between two clocks.
#[derive(Debug)]
pub(crate) struct Clock {
    offset_ns: u64,
    measured_at: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let mut clock =
            Clock { offset_ns: FOUND_NS.load(Ordering::Relaxed), measured_at: boot_ns() };
        clock.correct(measure());
        clock
    }

    /// What to add to the time since boot.
    pub(crate) fn offset_ns(&self) -> u64 {
        self.offset_ns
    }

    /// The time of an event that would happen now, in nanoseconds since the epoch.
    pub(crate) fn now(&self) -> u64 {
        boot_ns().wrapping_add(self.offset_ns)
    }

    /// Measures again if it is time to; whether the difference is another one now.
    pub(crate) fn has_changed(&mut self) -> bool {
        let now = boot_ns();
        if now.saturating_sub(self.measured_at) < INTERVAL_NS {
            return false;
        }
        self.measured_at = now;
        self.correct(measure())
    }

    fn correct(&mut self, measured: u64) -> bool {
        let changed = measured.abs_diff(self.offset_ns) > TOLERANCE_NS;
        if changed {
            // Whoever else has found it out since then has found the same.
            let found = FOUND_NS.load(Ordering::Relaxed);
            self.offset_ns = match measured.abs_diff(found) > TOLERANCE_NS {
                true => measured,
                false => found,
            };
            FOUND_NS.store(self.offset_ns, Ordering::Relaxed);
        }
        changed
    }
}

/// Nanoseconds since boot, as `bpf_ktime_get_boot_ns` gives them.
pub(crate) fn boot_ns() -> u64 {
    clock_ns(libc::CLOCK_BOOTTIME)
}

/// Between two looks at the one clock, one at the other; the shortest of some tries is the most exact.
fn measure() -> u64 {
    let tries = (0..5).map(|_| {
        let before = boot_ns();
        let epoch = clock_ns(libc::CLOCK_REALTIME);
        let took = boot_ns().saturating_sub(before);
        (took, epoch.wrapping_sub(before + took / 2))
    });
    tries.min().map_or(0, |(_, offset)| offset)
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// What one test finds, others use.
    fn lock() -> MutexGuard<'static, ()> {
        static TESTS: Mutex<()> = Mutex::new(());
        TESTS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn the_time_of_events_is_that_of_the_wall_clock() {
        let _one_at_a_time = lock();
        let clock = Clock::new();
        let (before, now, after) =
            (clock_ns(libc::CLOCK_REALTIME), clock.now(), clock_ns(libc::CLOCK_REALTIME));
        assert!(now + 1_000_000 > before && now < after + 1_000_000, "{before} {now} {after}");
    }

    #[test]
    fn all_clocks_tell_the_same_time() {
        let _one_at_a_time = lock();
        let (first, second) = (Clock::new(), Clock::new());
        assert_eq!(first.offset_ns(), second.offset_ns());
    }

    #[test]
    fn only_a_clock_that_was_set_changes_the_difference() {
        let _one_at_a_time = lock();
        let mut clock = Clock::new();
        assert!(!clock.has_changed());
        let offset = clock.offset_ns();
        assert!(!clock.correct(offset + 10_000));
        assert_eq!(clock.offset_ns(), offset);
        assert!(clock.correct(offset - 3_600_000_000_000));
        assert_eq!(clock.offset_ns(), offset - 3_600_000_000_000);
        assert!(clock.correct(offset));
    }
}
