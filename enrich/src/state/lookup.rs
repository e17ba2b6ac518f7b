//! Questions that fields ask of the tables: parents, leaders, fds.

use super::{State, StateStats};
use crate::fd::{Fd, FdTable};
use crate::thread::Thread;

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

/// Iterator over the parents of a thread; see [`State::ancestors`].
#[derive(Clone, Debug)]
pub struct Ancestors<'a> {
    state: &'a State,
    next: Option<&'a Thread>,
    left: usize,
}

impl<'a> Iterator for Ancestors<'a> {
    type Item = &'a Thread;

    fn next(&mut self) -> Option<&'a Thread> {
        let thread = self.next.take()?;
        self.left = self.left.checked_sub(1)?;
        self.next = self.state.thread(thread.ptid);
        Some(thread)
    }
}

impl State {
    /// The thread with this id (host's pid namespace).
    #[inline]
    pub fn thread(&self, tid: i64) -> Option<&Thread> {
        self.threads.get(self.threads.find(tid)?)
    }

    /// The main thread of a thread's process: itself if it is one; none if it was lost.
    #[inline]
    pub fn main_thread<'a>(&'a self, thread: &'a Thread) -> Option<&'a Thread> {
        if thread.is_main() { Some(thread) } else { self.thread(thread.pid) }
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
    /// in a circle.
    pub fn ancestors<'a>(&'a self, thread: &'a Thread) -> Ancestors<'a> {
        Ancestors { state: self, next: self.thread(thread.ptid), left: self.threads.len() }
    }

    /// The leader of a thread's session or process group, as far as it is known.
    pub fn leader<'a>(&'a self, thread: &'a Thread, of: LeaderOf) -> Option<&'a Thread> {
        let _ = of;
        self.thread(thread.record.sid)
    }

    /// The fds that a thread works with: those of its main thread.
    #[inline]
    pub fn fds<'a>(&'a self, thread: &'a Thread) -> Option<&'a FdTable> {
        Some(&self.main_thread(thread)?.fds)
    }

    /// An fd of a thread's process by number.
    #[inline]
    pub fn fd<'a>(&'a self, thread: &'a Thread, num: i64) -> Option<&'a Fd> {
        self.fds(thread)?.get(num)
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
        self.main_thread(thread).map_or(0, |main| u64::from(main.nthreads))
    }

    /// Live threads of a thread's process, the main one excluded (`proc.nchilds`).
    pub fn nchilds(&self, thread: &Thread) -> u64 {
        self.nthreads(thread).saturating_sub(1)
    }

    /// All threads, in no particular order.
    pub fn threads(&self) -> impl Iterator<Item = &Thread> {
        self.threads.iter()
    }

    /// Counters since the start.
    pub fn stats(&self) -> StateStats {
        self.stats
    }
}
