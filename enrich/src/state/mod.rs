//! [`State`]: everything that events say of threads, fds and users, kept up to date event by event.
//!
//! The work of one event is [`State::process`]: first what the event before it ended (closed fds,
//! exited threads) is removed, then the event is parsed. Until the next call the tables stand as
//! rules must see them, so that the close of an fd still shows its name.
//!
//! * `threads`: the thread table with its groups and the process tree.
//! * `lookup`: questions that fields ask (parents, leaders, fds).
//! * `restore`: filling the tables from a snapshot.
//! * `stats`: counters.

mod lookup;
mod restore;
pub(crate) mod stats;
pub(crate) mod threads;

use falco_event::RawEvent;
use falco_source::Snapshot;
use falco_source::snapshot::{Interface, Machine};

use crate::fd::Fd;
use crate::thread::Thread;
use crate::users::Users;

pub use lookup::{Ancestors, LeaderOf};
pub use stats::StateStats;
pub use threads::Slot;

/// Bounds of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads at most; further ones are counted and dropped (Falco's default: 131,072).
    pub max_threads: usize,
    /// Fds of one process at most; further ones are counted and dropped (Falco's default: 4,096
    /// for reading `/proc`; none for events. Ours holds for both).
    pub max_fds: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_threads: 131_072, max_fds: 65_536 }
    }
}

/// What processing learned of one event. Its slots stay true until the next [`State::process`].
#[derive(Clone, Copy, Debug)]
pub struct Current {
    /// The event's number (`evt.num`), from 1.
    pub num: u64,
    /// The thread that caused it.
    pub tid: i64,
    /// Whether the thread table has an entry for it (a placeholder counts).
    pub has_thread: bool,
    /// The fd that the event names or made, if any (`fd.num`): the thread's last event fd.
    pub fd_num: Option<i64>,
    /// The fd's name changed by this event (`fd.name_changed`).
    pub name_changed: bool,
    /// The event only updates tables: no rule is to see it.
    pub skipped: bool,
    /// The thread's place in the table.
    thread: Option<Slot>,
    /// The thread that holds its fds, if the event has a known fd.
    fds: Option<Slot>,
    /// Number of the event's fd in the table of `fds`.
    fd: i64,
}

/// Tables of one stream of events.
#[derive(Debug)]
pub struct State {
    limits: Limits,
    threads: threads::Threads,
    users: Users,
    machine: Machine,
    interfaces: Vec<Interface>,
    stats: StateStats,
    events: u64,
    first_event_ts: Option<u64>,
}

impl State {
    /// Empty tables.
    pub fn new(limits: Limits) -> Self {
        State {
            limits,
            threads: threads::Threads::default(),
            users: Users::default(),
            machine: Machine::default(),
            interfaces: Vec::new(),
            stats: StateStats::default(),
            events: 0,
            first_event_ts: None,
        }
    }

    /// Starts anew from what a source tells of the time before its first event. Event numbers go
    /// on.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.machine = snapshot.machine.clone().unwrap_or_default();
        self.interfaces = snapshot.interfaces.clone();
    }

    /// Removes what the event before ended and takes in `event`.
    pub fn process(&mut self, event: &RawEvent<'_>) -> Current {
        self.events += 1;
        self.first_event_ts.get_or_insert(event.ts());
        Current {
            num: self.events,
            tid: event.tid(),
            has_thread: false,
            fd_num: None,
            name_changed: false,
            skipped: false,
            thread: None,
            fds: None,
            fd: -1,
        }
    }

    /// The thread of the event.
    #[inline]
    pub fn event_thread(&self, current: &Current) -> Option<&Thread> {
        self.threads.get(current.thread?)
    }

    /// The fd of the event: what it opened, used or closes.
    #[inline]
    pub fn event_fd(&self, current: &Current) -> Option<&Fd> {
        self.threads.get(current.fds?)?.fds.get(current.fd)
    }

    /// Users and groups by container.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// The machine on which events happen (empty until told).
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Addresses of its network interfaces.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Time of the first event, nanoseconds since the epoch.
    pub fn first_event_ts(&self) -> Option<u64> {
        self.first_event_ts
    }

    /// Bounds of the tables.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Generation of verdicts over a process and its ancestors ([`crate::record::ProcessRecord::
    /// lineage`]): changes whenever a verdict over an ancestor could. It does not cover look-ups
    /// by session or process group id, which can lead outside the ancestors.
    #[inline]
    pub fn lineage_generation(&self) -> u32 {
        self.threads.lineage_generation()
    }
}
