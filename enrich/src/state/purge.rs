//! Removing threads whose exit was lost: those that have been silent for long and that the host does
//! not know any more.
//!
//! The table is gone through a piece at a time, so that no event waits for long, however many
//! threads there are.

use super::{Slot, State};

/// Slots looked at in one call: some 50 µs.
const MAX_SLOTS: u32 = 1024;
/// Threads asked about in one call: some 300 µs if all have gone.
const MAX_QUESTIONS: usize = 32;
/// Time between two calls while a round is under way, in nanoseconds.
const STEP_NS: u64 = 10_000_000;
/// The first round begins at most so long after the first call, in nanoseconds.
const FIRST_NS: u64 = 30_000_000_000;

/// When threads are removed (`falco_libs.thread_table_auto_purging_*`). Both in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purging {
    /// From the beginning of one round through the table to that of the next.
    pub interval_ns: u64,
    /// How long a thread must have been silent to be asked about.
    pub thread_timeout_ns: u64,
}

impl Default for Purging {
    /// 300 seconds each.
    fn default() -> Self {
        let seconds = 1_000_000_000;
        Purging { interval_ns: 300 * seconds, thread_timeout_ns: 300 * seconds }
    }
}

/// How far the present round is.
#[derive(Debug, Default)]
pub(super) struct Purge {
    times: Purging,
    /// When there is something to do next; none before the first call.
    due: Option<u64>,
    /// When the present round began.
    began: u64,
    /// Where it goes on; 0 between rounds.
    cursor: u32,
}

impl Purge {
    /// Forgets the round under way: the table is another one.
    pub(super) fn restart(&mut self) {
        *self = Purge { times: self.times, ..Purge::default() };
    }
}

impl State {
    /// Sets how often threads are looked for whose exit was lost.
    pub fn set_purging(&mut self, times: Purging) {
        self.purge = Purge { times, ..Purge::default() };
    }

    /// Removes threads whose exit was lost, a few at a time: they have been silent for long, and
    /// the host ([`State::set_lookup`]; without one nothing is done) does not know them any more.
    /// They go as if their exit had come: children get other parents, fds are forgotten.
    ///
    /// `now_ns` is the time of the latest event, or of the clock while there is none, in
    /// nanoseconds since the epoch. Returns when to call again; calling earlier costs next to
    /// nothing. To be called between events.
    pub fn purge(&mut self, now_ns: u64) -> u64 {
        if self.host.is_none() {
            return u64::MAX;
        }
        let interval = self.purge.times.interval_ns;
        let due = *self.purge.due.get_or_insert(now_ns.saturating_add(interval.min(FIRST_NS)));
        if now_ns < due {
            return due;
        }
        if self.purge.cursor == 0 {
            self.purge.began = now_ns;
        }
        let due = if self.purge_some(now_ns) {
            self.purge.cursor = 0;
            self.purge.began.saturating_add(interval).max(now_ns.saturating_add(STEP_NS))
        } else {
            now_ns.saturating_add(STEP_NS)
        };
        self.purge.due = Some(due);
        due
    }

    /// Goes on with the round under way; whether it is over.
    fn purge_some(&mut self, now_ns: u64) -> bool {
        let Some(mut host) = self.host.take() else { return true };
        let timeout = self.purge.times.thread_timeout_ns;
        let (mut questions, mut slots) = (0, 0);
        let room = self.threads.room();
        while self.purge.cursor < room && slots < MAX_SLOTS && questions < MAX_QUESTIONS {
            let slot = Slot::at(self.purge.cursor);
            self.purge.cursor += 1;
            slots += 1;
            let Some(thread) = self.threads.get(slot) else { continue };
            if now_ns.saturating_sub(thread.lastevent_ts) <= timeout {
                continue;
            }
            questions += 1;
            // Of a placeholder only the id is known; /proc has every thread by its own id, too.
            let pid = if thread.pid > 0 { thread.pid } else { thread.tid };
            if !host.lookup.is_alive(pid, thread.tid) {
                let before = self.stats.n_removed_threads;
                self.remove_thread(slot);
                self.stats.n_purged_threads += self.stats.n_removed_threads - before;
            }
        }
        self.host = Some(host);
        self.purge.cursor >= room
    }
}
