//! Questions that fields and recordings ask of the tables: parents, leaders, fds, calls under way.

use falco_event::RawEvent;

use super::{Current, State, StateStats};
use crate::fd::{Fd, FdTable};
use crate::thread::{Thread, flags};

/// Which leader is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaderOf {
    /// Session (`proc.sid`).
    Session,
    /// Process group, id in the process's pid namespace (`proc.vpgid`).
    VirtualProcessGroup,
    /// Process group, id in the host's pid namespace (`proc.pgid`).
    ProcessGroup,
}

impl LeaderOf {
    fn id(self, thread: &Thread) -> i64 {
        match self {
            LeaderOf::Session => thread.record.sid,
            LeaderOf::VirtualProcessGroup => thread.record.vpgid,
            LeaderOf::ProcessGroup => thread.record.pgid,
        }
    }
}

/// Iterator over the parents of a thread; see [`State::ancestors`].
#[derive(Clone, Debug)]
pub struct Ancestors<'a> {
    state: &'a State,
    next: Option<&'a Thread>,
    /// Runs ahead twice as fast: where it meets `next`, parents turn in a circle.
    ahead: Option<&'a Thread>,
}

impl<'a> Iterator for Ancestors<'a> {
    type Item = &'a Thread;

    fn next(&mut self) -> Option<&'a Thread> {
        let state = self.state;
        let up = |thread: &'a Thread| state.thread(thread.ptid);
        let thread = self.next.take()?;
        let next = up(thread);
        for _ in 0..2 {
            self.ahead = self.ahead.and_then(up);
            if let (Some(slow), Some(fast)) = (next, self.ahead)
                && slow.tid == fast.tid
            {
                return Some(thread);
            }
        }
        self.next = next.filter(|slow| slow.tid != slow.ptid);
        Some(thread)
    }
}

impl State {
    /// The thread with this id (host's pid namespace).
    #[inline]
    pub fn thread(&self, tid: i64) -> Option<&Thread> {
        self.threads.get(self.threads.find(tid)?)
    }

    /// The enter events that are kept because their exits are still to come, or are the latest
    /// event, in the order of time.
    pub fn pending_enters(&self, latest: &Current) -> Vec<RawEvent<'_>> {
        let is_needed = |thread: &&Thread| !thread.enter_is_done || thread.tid == latest.tid;
        let kept = self.threads.iter().filter(is_needed).map(|thread| &thread.enter);
        let mut enters: Vec<_> =
            kept.filter_map(|bytes| RawEvent::parse(bytes, 0, 0).ok()).collect();
        enters.sort_by_key(|enter| (enter.ts(), enter.tid()));
        enters
    }

    /// The main thread of a thread's process: itself if it is one; none if it was lost.
    #[inline]
    pub fn main_thread<'a>(&'a self, thread: &'a Thread) -> Option<&'a Thread> {
        if thread.is_main() {
            return Some(thread);
        }
        let first = self.threads.group_of(thread)?.first?;
        self.threads.get(first).filter(|main| main.is_main())
    }

    /// The main thread of the parent process.
    #[inline]
    pub fn parent<'a>(&'a self, thread: &'a Thread) -> Option<&'a Thread> {
        self.ancestor(thread, 1)
    }

    /// The main thread of the `n`th process upwards: 0 is the process itself, 1 its parent.
    pub fn ancestor<'a>(&'a self, thread: &'a Thread, n: u32) -> Option<&'a Thread> {
        let mut at = self.main_thread(thread)?;
        for _ in 0..n {
            at = self.main_thread(self.thread(at.ptid)?)?;
        }
        Some(at)
    }

    /// The parents of a thread, nearest first, itself excluded; ends at the top or when they turn
    /// in a circle. A parent is the thread that is named as such, not always a main thread.
    pub fn ancestors<'a>(&'a self, thread: &'a Thread) -> Ancestors<'a> {
        let next = self.thread(thread.ptid);
        Ancestors { state: self, next, ahead: next.and_then(|t| self.thread(t.ptid)) }
    }

    /// The leader of a thread's session or process group, as far as it is known: the thread of
    /// that id, or, where the id is not the host's, the highest ancestor that has the same.
    pub fn leader<'a>(&'a self, thread: &'a Thread, of: LeaderOf) -> Option<&'a Thread> {
        let id = of.id(thread);
        if id == -1 {
            return None;
        }
        let is_host_id = of == LeaderOf::ProcessGroup || !thread.is_in_pid_namespace();
        if let (true, Some(leader)) = (is_host_id, self.thread(id)) {
            return Some(leader);
        }
        self.ancestors(thread).take_while(|ancestor| of.id(ancestor) == id).last()
    }

    /// The fds that a thread works with: those of its main thread, unless it shares none.
    #[inline]
    pub fn fds<'a>(&'a self, thread: &'a Thread) -> Option<&'a FdTable> {
        if thread.flags & flags::CLONE_FILES == 0 {
            return Some(&thread.fds);
        }
        Some(&self.main_thread(thread)?.fds)
    }

    /// An fd of a thread's process by number.
    #[inline]
    pub fn fd<'a>(&'a self, thread: &'a Thread, num: i64) -> Option<&'a Fd> {
        self.fds(thread)?.get(num)
    }

    /// How many fds a thread's process has open (`proc.fdopencount`).
    pub fn fd_open_count(&self, thread: &Thread) -> usize {
        self.main_thread(thread).map_or(0, |main| main.fds.len())
    }

    /// Soft limit of open fds of a thread's process (`proc.fdlimit`); 0 if its main thread was
    /// lost, −1 if unknown.
    pub fn fd_limit(&self, thread: &Thread) -> i64 {
        self.main_thread(thread).map_or(0, |main| main.record.fdlimit)
    }

    /// Working directory of a thread's process, ending with `/` (`./` if its main thread was lost).
    pub fn cwd<'a>(&'a self, thread: &'a Thread) -> &'a [u8] {
        self.main_thread(thread).map_or(b"./", |main| &main.record.cwd)
    }

    /// Environment of a thread's process: `NAME=value`, each followed by a NUL.
    pub fn env<'a>(&'a self, thread: &'a Thread) -> &'a [u8] {
        &self.main_thread(thread).unwrap_or(thread).record.env
    }

    /// Live threads of a thread's process, the main one included (`proc.nthreads`).
    pub fn nthreads(&self, thread: &Thread) -> u64 {
        self.threads.group_of(thread).map_or(0, |group| u64::from(group.alive))
    }

    /// Live threads of a thread's process, the main one excluded (`proc.nchilds`).
    pub fn nchilds(&self, thread: &Thread) -> u64 {
        let main_lives = self.main_thread(thread).is_some_and(|main| !main.is_dead());
        self.nthreads(thread).saturating_sub(u64::from(main_lives))
    }

    /// All threads, in no particular order.
    pub fn threads(&self) -> impl Iterator<Item = &Thread> {
        self.threads.iter()
    }

    /// Counters since the start; `n_threads`, `n_fds` and `n_bytes` are
    /// those of now.
    pub fn stats(&self) -> StateStats {
        StateStats {
            n_threads: self.threads.len() as u64,
            n_bytes: self.meter.used() as u64,
            n_cut_records: self.threads.n_cut,
            n_fds: self.threads.iter().map(|thread| thread.fds.len() as u64).sum(),
            ..self.stats
        }
    }
}
