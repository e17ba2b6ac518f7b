//! [`Exited`]: ids of threads that have just gone.
//!
//! A child can be born, run and exit before its parent's clone event comes. That event must not
//! bring it back: nothing would ever remove it again.

use std::collections::VecDeque;

use hashbrown::HashMap;

/// How long an id is remembered, in nanoseconds: shorter than ids take to come round again.
const MAX_AGE_NS: u64 = 2_000_000_000;
/// Ids remembered at most.
const MAX_LEN: usize = 8192;

/// The ids, with their parents', by time of exit.
#[derive(Debug, Default)]
pub(super) struct Exited {
    times: HashMap<(i64, i64), u64>,
    order: VecDeque<(i64, i64, u64)>,
}

impl Exited {
    pub(super) fn record(&mut self, tid: i64, ptid: i64, ts: u64) {
        while let Some(&(tid, ptid, old)) = self.order.front() {
            if self.order.len() < MAX_LEN && ts.wrapping_sub(old) < MAX_AGE_NS {
                break;
            }
            self.order.pop_front();
            if self.times.get(&(tid, ptid)) == Some(&old) {
                self.times.remove(&(tid, ptid));
            }
        }
        self.order.push_back((tid, ptid, ts));
        self.times.insert((tid, ptid), ts);
    }

    pub(super) fn contains(&self, tid: i64, ptid: i64, ts: u64) -> bool {
        let age = |&exit: &u64| ts.checked_sub(exit).is_some_and(|age| age < MAX_AGE_NS);
        self.times.get(&(tid, ptid)).is_some_and(age)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_forgotten_by_age_and_number() {
        let mut exited = Exited::default();
        exited.record(5, 1, 1000);
        assert!(exited.contains(5, 1, 1000) && exited.contains(5, 1, 1_000_000_000));
        assert!(!exited.contains(5, 2, 1000) && !exited.contains(5, 1, 999));
        assert!(!exited.contains(5, 1, 1000 + MAX_AGE_NS));
        for tid in 0..3 * MAX_LEN as i64 {
            exited.record(tid, 1, 2000);
        }
        assert_eq!((exited.order.len(), exited.times.len()), (MAX_LEN, MAX_LEN));
        exited.record(1, 1, 10 * MAX_AGE_NS);
        assert_eq!((exited.order.len(), exited.times.len()), (1, 1));
    }
}
