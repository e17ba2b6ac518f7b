//! Asking the host ([`ThreadLookup`]) about threads that an event names and no table knows: they
//! began while events were lost, or are older than the source.
//!
//! A look-up costs as much as a thousand events, and whoever starts threads decides how many there
//! are. So their number and the time that they take are bounded, and a thread that was not found is not
//! asked about again for a while: its entry in the table, a placeholder, says when.

use std::time::{Duration, Instant};

use falco_source::ThreadLookup;
use falco_source::lookup::Found;

use super::{Slot, State};

/// Within this time …
const WINDOW: Duration = Duration::from_secs(1);
/// … so many look-ups are made at most, of threads and of single fds …
const MAX_LOOKUPS: u32 = 1000;
/// … and none begins any more once they have taken so long: a tenth of one CPU.
const MAX_TIME: Duration = Duration::from_millis(100);

/// Threads looked up for one that an event names: its leader, its parents and theirs.
const MAX_RELATIVES: usize = 8;

/// How long a thread that the host does not know is left alone, in nanoseconds.
const NOT_FOUND_NS: u64 = 10_000_000_000;
/// How long one that could not be asked about is left alone.
const REFUSED_NS: u64 = 1_000_000_000;

/// Whom to ask, and what has been asked of late.
pub(super) struct Host {
    pub(super) lookup: Box<dyn ThreadLookup>,
    /// When the present window began.
    since: Instant,
    lookups: u32,
    time: Duration,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("lookups", &self.lookups).field("time", &self.time).finish()
    }
}

/// The outcome of one look-up.
enum Answer<T> {
    Found(T),
    None,
    /// Too much has been asked of late.
    Refused,
}

impl Host {
    fn new(lookup: Box<dyn ThreadLookup>) -> Self {
        Host { lookup, since: Instant::now(), lookups: 0, time: Duration::ZERO }
    }

    /// Asks, if that is within the bounds. Returns the time it took, too.
    fn ask<T>(
        &mut self,
        what: impl FnOnce(&mut dyn ThreadLookup) -> Option<T>,
    ) -> (Answer<T>, Duration) {
        let start = Instant::now();
        if start.duration_since(self.since) >= WINDOW {
            (self.since, self.lookups, self.time) = (start, 0, Duration::ZERO);
        }
        if self.lookups >= MAX_LOOKUPS || self.time >= MAX_TIME {
            return (Answer::Refused, Duration::ZERO);
        }
        let answer = what(&mut *self.lookup).map_or(Answer::None, Answer::Found);
        let took = start.elapsed();
        self.lookups += 1;
        self.time += took;
        (answer, took)
    }
}

impl State {
    /// Gives the state a host to ask about threads that no table knows. Without one, as in
    /// replay, they stay unknown until an event tells of them.
    ///
    /// Asking is bounded: at most 1,000 times and for 100 ms within a second. What was asked, found and
    /// refused is counted ([`super::StateStats`]).
    pub fn set_lookup(&mut self, lookup: Box<dyn ThreadLookup>) {
        self.host = Some(Box::new(Host::new(lookup)));
    }

    /// Whether a thread in the table is one of which nothing is known and the time to ask (again)
    /// has come.
    #[inline]
    pub(super) fn is_to_ask(&self, slot: Slot, ts: u64) -> bool {
        self.threads.get(slot).is_some_and(|thread| ts >= thread.ask_ts && thread.is_placeholder())
    }

    /// Asks the host about an unknown thread. If it is not known there either, the thread gets (or
    /// keeps) a placeholder, so that it is not asked about all the time.
    #[cold]
    pub(super) fn ask_about(&mut self, tid: i64, ts: u64) -> Option<Slot> {
        let mut host = self.host.take()?;
        let answer = self.ask_and_add(&mut host, tid);
        self.host = Some(host);
        let pause = match answer {
            Answer::Found(slot) => return Some(slot),
            Answer::None => NOT_FOUND_NS,
            Answer::Refused => REFUSED_NS,
        };
        let slot = self.threads.find(tid).or_else(|| self.insert_placeholder(tid))?;
        if let Some(thread) = self.threads.get_mut(slot) {
            thread.ask_ts = ts.saturating_add(pause);
        }
        Some(slot)
    }

    /// Asks about a thread and puts it into the table, with its leader and parents as far as they
    /// are unknown.
    fn ask_and_add(&mut self, host: &mut Host, tid: i64) -> Answer<Slot> {
        let found = match self.ask_thread(host, tid) {
            Answer::Found(found) => found,
            Answer::None => return Answer::None,
            Answer::Refused => return Answer::Refused,
        };
        let mut added = Vec::new();
        let mut wanted = vec![found.thread.ptid, found.thread.pid];
        let Some(slot) = self.insert_restored(&found.thread) else { return Answer::Refused };
        added.push((slot, found));
        while let Some(relative) = wanted.pop() {
            let known = self.threads.find(relative).and_then(|slot| self.threads.get(slot));
            if relative <= 0
                || known.is_some_and(|thread| !thread.is_placeholder())
                || added.len() > MAX_RELATIVES
            {
                continue;
            }
            let Answer::Found(found) = self.ask_thread(host, relative) else { continue };
            wanted.extend([found.thread.ptid, found.thread.pid]);
            let Some(slot) = self.insert_restored(&found.thread) else { break };
            added.push((slot, found));
        }
        // Parents stand behind their children: who is linked first must not miss its own.
        for (slot, found) in added.iter().rev() {
            self.threads.link(*slot);
            self.add_found_fds(found);
        }
        for (slot, _) in &added {
            self.meet_container_of(*slot);
        }
        // A thread that is its own ancestor took its place again.
        self.threads.find(tid).map_or(Answer::Refused, Answer::Found)
    }

    fn ask_thread(&mut self, host: &mut Host, tid: i64) -> Answer<Found> {
        let (answer, took) = host.ask(|lookup| {
            // An answer about another thread is none.
            lookup.thread(tid).filter(|found| found.thread.tid == tid && found.thread.pid > 0)
        });
        self.count_lookup(&answer, took);
        answer
    }

    fn count_lookup<T>(&mut self, answer: &Answer<T>, took: Duration) {
        self.stats.host_lookup_ns += took.as_nanos() as u64;
        match answer {
            Answer::Found(_) => self.stats.n_host_lookups_found += 1,
            Answer::None => self.stats.n_host_lookups_failed += 1,
            Answer::Refused => self.stats.n_host_lookups_refused += 1,
        }
    }

    fn add_found_fds(&mut self, found: &Found) {
        let tid = found.thread.tid;
        self.restore_fds(tid, &found.fds);
        if let Some(slot) = self.threads.find(tid) {
            self.note_server_ports(slot);
            self.orient_sockets(slot, |_| true);
        }
    }

    /// Asks about fds that a process got from another one, and puts them into its table.
    pub(crate) fn ask_about_fds(&mut self, thread: Slot, nums: impl Iterator<Item = i64>) {
        let Some(owner) = self.threads.fds_of(thread) else { return };
        let Some(pid) = self.threads.get(owner).map(|owner| owner.tid) else { return };
        let Some(mut host) = self.host.take() else { return };
        for num in nums {
            let (answer, took) = host.ask(|lookup| lookup.fd(pid, num));
            self.count_lookup(&answer, took);
            match answer {
                Answer::Found(fd) if fd.num == num => {
                    self.restore_fds(pid, &[fd]);
                    self.orient_sockets(owner, |n| n == num);
                }
                Answer::Found(_) | Answer::None => {}
                Answer::Refused => break,
            }
        }
        self.host = Some(host);
    }

    /// Whether there is a host to ask.
    #[inline]
    pub(crate) fn has_host(&self) -> bool {
        self.host.is_some()
    }
}
