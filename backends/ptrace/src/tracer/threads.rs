//! What is known of each thread that is traced.

use std::collections::HashMap;

use crate::stop::Stop;

/// One thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    pub(crate) pid: i32,
    /// The call at whose entry it stopped last.
    pub(crate) call: Option<Stop>,
    /// Whether the exit of that call is waited for.
    pub(crate) until_exit: bool,
    /// Whether it is inside a call, where only the order of stops tells entries from exits.
    pub(crate) is_inside: bool,
    /// Whether it stopped by the filter, and may stop at its entry as well.
    pub(crate) entry_is_due: bool,
    /// Whether the exit of that call is looked at by the tracer itself.
    pub(crate) own_exit: bool,
    /// Whether the kernel has told of a child that it made in that call.
    pub(crate) has_child: bool,
    /// Whether it believes that its memory may not be dumped (`veil`).
    pub(crate) hides: bool,
    /// With whose eyes it is looked at, if that was found out.
    pub(crate) eyes: Option<Eyes>,
}

/// With whose eyes a thread is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Eyes {
    /// User and group.
    pub(crate) ids: (u32, u32),
    /// Whether to be that user for everything, not for files alone.
    pub(crate) wholly: bool,
}

impl Thread {
    pub(crate) fn of(pid: i32) -> Self {
        Thread {
            pid,
            call: None,
            until_exit: false,
            is_inside: false,
            entry_is_due: false,
            own_exit: false,
            has_child: false,
            hides: false,
            eyes: None,
        }
    }

    /// A thread of process `pid` that this one made.
    pub(crate) fn child(&self, pid: i32) -> Self {
        Thread { hides: self.hides, eyes: self.eyes, ..Thread::of(pid) }
    }
}

/// A thread that stopped, or ended, before its parent told of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unborn {
    pub(crate) tid: i32,
    /// How it ended, if it has.
    pub(crate) ended: Option<i32>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    pub(crate) known: HashMap<i32, Thread>,
    pub(crate) unborn: Vec<Unborn>,
}

impl Threads {
    /// Takes out a thread that stopped before its parent told of it.
    pub(crate) fn take_unborn(&mut self, tid: i32) -> Option<Unborn> {
        let at = self.unborn.iter().position(|unborn| unborn.tid == tid)?;
        Some(self.unborn.swap_remove(at))
    }

    /// The processes of which there are threads.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mut all: Vec<i32> = self.known.values().map(|thread| thread.pid).collect();
        all.extend(self.unborn.iter().map(|unborn| unborn.tid));
        all.sort_unstable();
        all.dedup();
        all
    }
}
