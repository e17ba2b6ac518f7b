//! One stream out of several rings, in the order of time.
//!
//! Each ring is nearly in order by itself: a program takes its time first and its place in the ring
//! some microseconds later. Across rings, the oldest head goes first, but only once it is so old that
//! no older event can still be on its way to another ring ([`SETTLED_NS`]). Time is read once a round;
//! within a round no ring that was found empty is looked at again, and the ring that is being read is
//! read on while its head is not newer than the next best: one comparison an event.

/// How long after its time an event is in its ring, in nanoseconds: longer than a program runs.
pub(crate) const SETTLED_NS: u64 = 100_000;

/// An event that seems to be this far in the future has a wrong time, since the clock was set back
/// when it was on its way. It does not wait for its time.
const FUTURE_NS: u64 = 50_000_000;

/// Something with a head: a ring, or a test's list.
pub(crate) trait Queue {
    /// The time of the first event in nanoseconds; `None` if there is none yet.
    fn head(&mut self) -> Option<u64>;

    /// Removes the first event.
    fn pop(&mut self);
}

/// The queues, and which of them is being read.
#[derive(Debug)]
pub(crate) struct Merge<Q> {
    queues: Vec<Q>,
    /// Times of their heads as last seen.
    heads: Vec<u64>,
    /// The queue that was chosen.
    current: usize,
    /// Up to when it may be read without asking the others.
    limit: u64,
    /// Up to when events are settled in this round.
    settled: u64,
    /// Whether the head of `current` was given out.
    is_lent: bool,
}

/// The time of no event.
const NONE: u64 = u64::MAX;

impl<Q: Queue> Merge<Q> {
    pub(crate) fn new(queues: Vec<Q>) -> Self {
        let heads = vec![NONE; queues.len()];
        Merge { queues, heads, current: 0, limit: 0, settled: 0, is_lent: false }
    }

    pub(crate) fn queues(&self) -> &[Q] {
        &self.queues
    }

    /// The queue with the current event at its head, if there is one.
    #[inline]
    pub(crate) fn current(&self) -> Option<&Q> {
        // `current` is the place of a queue; none has been chosen if there are no queues.
        self.is_lent.then(|| &self.queues[self.current])
    }

    /// Goes on to the next event. `now` tells the time in nanoseconds; [`u64::MAX`] settles
    /// everything, when no event comes any more. False if no event is settled.
    #[inline]
    pub(crate) fn advance(&mut self, now: impl FnOnce() -> u64) -> bool {
        if self.is_lent {
            self.is_lent = false;
            let queue = &mut self.queues[self.current];
            queue.pop();
            let head = queue.head().unwrap_or(NONE);
            self.heads[self.current] = head;
            self.is_lent = head <= self.limit;
        }
        if !self.is_lent && !self.choose() {
            self.begin_round(now());
            self.choose();
        }
        self.is_lent
    }

    /// Looks at all queues, after having read the time.
    #[cold]
    fn begin_round(&mut self, now: u64) {
        // NONE is never settled.
        self.settled = now.saturating_sub(SETTLED_NS).min(NONE - 1);
        for (queue, head) in self.queues.iter_mut().zip(&mut self.heads) {
            *head = queue.head().unwrap_or(NONE);
            if *head != NONE && *head > now.saturating_add(FUTURE_NS) {
                *head = self.settled;
            }
        }
    }

    /// Chooses the queue with the oldest head, if that is settled.
    fn choose(&mut self) -> bool {
        let (mut first, mut second, mut at) = (NONE, NONE, 0);
        for (index, &head) in self.heads.iter().enumerate() {
            if head < first {
                (second, first, at) = (first, head, index);
            } else {
                second = second.min(head);
            }
        }
        if first > self.settled {
            return false;
        }
        self.current = at;
        self.limit = second.min(self.settled);
        self.is_lent = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// Events `(time, number)` of which some are not there yet.
    #[derive(Debug, Default)]
    struct List {
        coming: VecDeque<(u64, u64, u32)>,
        here: VecDeque<(u64, u32)>,
    }

    impl List {
        /// What has arrived by `now`.
        fn arrive(&mut self, now: u64) {
            while let Some(&(at, time, number)) = self.coming.front()
                && at <= now
            {
                self.here.push_back((time, number));
                self.coming.pop_front();
            }
        }
    }

    impl Queue for List {
        fn head(&mut self) -> Option<u64> {
            self.here.front().map(|event| event.0)
        }

        fn pop(&mut self) {
            self.here.pop_front();
        }
    }

    impl Merge<List> {
        fn next(&mut self, now: impl FnOnce() -> u64) -> Option<&List> {
            self.advance(now);
            self.current()
        }
    }

    proptest! {
        /// Whatever arrives when, nothing is lost or doubled, and the order is that of time, up to the
        /// disorder that a ring has by itself.
        #[test]
        fn everything_comes_once_and_in_order(
            rings in proptest::collection::vec(
                proptest::collection::vec((0..400_000_u64, 0..SETTLED_NS, 0..3_000_u64), 0..60),
                0..6,
            ),
            step in 1..200_000_u64,
        ) {
            let mut number = 0;
            let mut expected = Vec::new();
            let mut lists = Vec::new();
            for ring in rings {
                // Events happen, and arrive up to SETTLED_NS later, in the order of arrival.
                let mut start = 1_000_000;
                let mut arrived = 0;
                let mut list = List::default();
                for (pause, delay, _) in ring {
                    start += pause;
                    // A ring's order is that of arrival, within what settles.
                    arrived = (start + delay).max(arrived).min(start + SETTLED_NS);
                    number += 1;
                    expected.push((start, number));
                    list.coming.push_back((arrived, start, number));
                }
                lists.push(list);
            }
            let mut merge = Merge::new(lists);
            let mut got = Vec::new();
            let mut now = 1_000_000;
            while got.len() < expected.len() {
                for list in &mut merge.queues {
                    list.arrive(now);
                }
                // Some rounds end early, in the middle of what is settled.
                for _ in 0..7 {
                    match merge.next(|| now) {
                        Some(list) => got.push(list.here[0]),
                        None => break,
                    }
                }
                now += step;
                prop_assert!(now < 1_000_000_000_000, "events stay away");
            }
            prop_assert!(merge.next(|| NONE).is_none());
            // Rings are in order by themselves here, so the whole must be.
            prop_assert!(got.is_sorted_by_key(|event| event.0), "{got:?}");
            got.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(got, expected);
        }

        /// Rings whose events are out of order by up to `jitter` give a stream that is so, too.
        #[test]
        fn disorder_does_not_grow(
            rings in proptest::collection::vec(
                proptest::collection::vec((0..5_000_u64, 0..2_000_u64), 0..80),
                1..5,
            ),
        ) {
            let mut total = 0;
            let lists = rings.iter().map(|ring| {
                let mut time = 0;
                let mut list = List::default();
                for &(pause, jitter) in ring {
                    time += pause;
                    total += 1;
                    list.here.push_back((time + jitter, 0));
                }
                list
            });
            let mut merge = Merge::new(lists.collect());
            let (mut newest, mut count) = (0, 0);
            while let Some(list) = merge.next(|| NONE) {
                let time = list.here[0].0;
                prop_assert!(time + 2_000 >= newest, "{time} comes after {newest}");
                newest = newest.max(time);
                count += 1;
            }
            prop_assert_eq!(count, total);
        }
    }

    #[test]
    fn an_event_waits_until_it_is_settled() {
        let mut list = List::default();
        list.here.extend([(1_000_000, 1), (1_000_001, 2)]);
        let mut merge = Merge::new(vec![List::default(), list]);
        assert!(merge.next(|| 1_000_000).is_none());
        assert!(merge.next(|| 1_000_000 + SETTLED_NS - 1).is_none());
        assert_eq!(merge.next(|| 1_000_000 + SETTLED_NS).unwrap().here[0].1, 1);
        assert!(merge.next(|| 1_000_000 + SETTLED_NS).is_none());
        assert_eq!(merge.next(|| 1_000_001 + SETTLED_NS).unwrap().here[0].1, 2);
        assert!(merge.next(|| NONE).is_none());
    }

    #[test]
    fn an_event_from_before_the_clock_was_set_back_does_not_wait_for_its_time() {
        let mut list = List::default();
        list.here.extend([(9_000_000_000, 1), (9_000_000_001, 2), (1_000_000, 3)]);
        let mut other = List::default();
        other.here.extend([(900_000, 4)]);
        let mut merge = Merge::new(vec![list, other]);
        let mut got = Vec::new();
        while let Some(list) = merge.next(|| 2_000_000) {
            got.push(list.here[0].1);
        }
        assert_eq!(got, [4, 1, 2, 3]);
    }
}
