//! What every backend is: a [`Source`] of scap events with a [`Snapshot`] of what ran before.
//!
//! One trait unifies live kernels, sandboxes and captures, so that everything behind it is written
//! once. This crate knows no backend and no rule.
//!
//! * [`accounts`]: users and groups as the files below a root tell them.
//! * [`coverage`]: how much of what happens a source can tell.
//! * [`snapshot`]: threads, fds, users, groups, interfaces and the machine at start.
//! * [`events`]: where events wait that a source made of something else.
//! * [`ids`]: thread ids where several kernels are watched.
//! * [`lookup`]: asking about threads that no table knows.
//! * [`stats`]: counters of events and losses by cause.
//! * [`several`]: several sources as one.
//! * [`mapped`]: a read-only file mapping (the one `unsafe` of this crate).

pub mod accounts;
pub mod coverage;
pub mod events;
pub mod ids;
pub mod lookup;
pub mod mapped;
pub mod several;
pub mod snapshot;
pub mod stats;

use std::time::Duration;

use falco_event::{EventCode, RawEvent};
use thiserror::Error;

pub use lookup::ThreadLookup;
pub use several::Several;
pub use snapshot::Snapshot;
pub use stats::{Drops, Stats};

/// Why a source cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system refused.
    #[error("{what}: {error}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// The refusal.
        #[source]
        error: std::io::Error,
    },
    /// The input is not what it claims to be. Everything before `offset` was delivered.
    #[error("{name}: {what} (at byte {offset})")]
    Corrupt {
        /// File or stream.
        name: String,
        /// What is wrong, in a sentence's words.
        what: String,
        /// Position in the uncompressed stream, in bytes.
        offset: u64,
    },
    /// The input ends in the middle of something. Everything before it was delivered.
    #[error("{name}: truncated: {what} (at byte {offset}); everything before it was processed")]
    Truncated {
        /// File or stream.
        name: String,
        /// What was being read.
        what: String,
        /// Position in the uncompressed stream, in bytes.
        offset: u64,
    },
}

/// What a call of [`Source::next`] brought.
#[derive(Debug)]
pub enum Next<'a> {
    /// An event. The borrow ends before the next call.
    Event(RawEvent<'a>),
    /// The tables start anew (a further section of a concatenated capture).
    Snapshot(Box<Snapshot>),
    /// Nothing happened for a while; live sources return so that timers can run.
    Idle,
    /// There will be no more events.
    End,
}

/// What a source can and cannot see.
#[derive(Clone, Debug, Default)]
pub struct Capabilities {
    /// Name as in `engine.kind` and metrics (`replay`, `modern_ebpf`, …).
    pub name: &'static str,
    /// Whether events happen now (a host whose `/proc` belongs to them) or are replayed.
    pub live: bool,
    /// Whether enter events of the five TOCTOU calls arrive.
    pub enter_events: bool,
}

/// How far a finite source is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Bytes of input consumed.
    pub done: u64,
    /// Bytes of input in all.
    pub total: u64,
}

/// Whether events of this type, where a stream begins with them, belong to its preamble: users,
/// groups and containers that a recorder found at start, and what plugins dumped of their state.
pub const fn is_initial_state(code: EventCode) -> bool {
    matches!(
        code,
        EventCode::CONTAINER_JSON_2_E
            | EventCode::USER_ADDED_E
            | EventCode::USER_DELETED_E
            | EventCode::GROUP_ADDED_E
            | EventCode::GROUP_DELETED_E
            | EventCode::ASYNCEVENT_E
    )
}

/// Whether events of this type are recorded just to complete or check their exit event: enter
/// events that tables need and no rule ever sees (libsinsp: `~sinsp_evt_filter`).
pub const fn completes_exit(code: EventCode) -> bool {
    matches!(
        code,
        EventCode::SYSCALL_OPEN_E
            | EventCode::SYSCALL_OPENAT_2_E
            | EventCode::SYSCALL_OPENAT2_E
            | EventCode::SYSCALL_CREAT_E
            | EventCode::SOCKET_CONNECT_E
            | EventCode::SYSCALL_EXECVE_19_E
            | EventCode::SYSCALL_EXECVEAT_E
    )
}

/// Whether an event is for the tables only and no rule ever sees it: a capture marks it so, or it
/// is [recorded for its exit event](completes_exit).
pub fn only_updates_state(event: &RawEvent<'_>) -> bool {
    event.flags() & falco_event::raw::DUMP_STATE_ONLY != 0 || completes_exit(event.code())
}

/// A stream of events. Implementations validate everything that they hand out.
pub trait Source {
    /// What this source can see.
    fn capabilities(&self) -> Capabilities;

    /// Opens the stream and tells the state before its first event.
    ///
    /// # Errors
    /// If the source cannot be opened or its preamble is unreadable.
    fn start(&mut self) -> Result<Snapshot, SourceError>;

    /// The next event, in the order of the stream.
    ///
    /// # Numbers (`evt.num`)
    /// The consumer numbers what it is given: 1 for the first event, and one more for every
    /// further one, also for those that it does not evaluate:
    ///
    /// * events for which [`only_updates_state`] holds change the tables and are not evaluated, but count;
    /// * the events of [`is_initial_state`] with which a stream begins belong to its preamble:
    ///   they are not evaluated, but count. Those with which a *further* section begins
    ///   ([`Next::Snapshot`]) are neither evaluated nor counted, and numbers go on from the
    ///   section before;
    /// * what [`Stats`] counts as unknown or converted away was never given out and has no number.
    ///
    /// (libsinsp: `sinsp::next`, `sinsp_evt_filter`, `consume_initialstate_events`,
    /// `restart_capture`.)
    ///
    /// # Errors
    /// If the stream is broken; what was delivered before stays valid. After an error there is
    /// only [`Next::End`].
    fn next(&mut self) -> Result<Next<'_>, SourceError>;

    /// The longest time that [`next`](Self::next) may wait for an event before it says
    /// [`Next::Idle`]. Sources have a limit of their own, which holds if it is shorter. Set before
    /// any call of `next`, so it must cost nothing.
    fn set_patience(&mut self, longest: Duration) {
        let _ = longest;
    }

    /// Stops watching: [`next`](Self::next) then gives what happened before, and ends. Sources that
    /// end by themselves may ignore it.
    fn stop_capture(&mut self) {}

    /// Another source of the same kind goes on from here: it was watching for certain at `since`, in
    /// nanoseconds since the epoch. This one still tells what happened until then, and what it has
    /// taken in that no other source can see, and ends. Gives the time until which it will have told
    /// what the other one sees, too: `since`, or when it is further already, later.
    fn hand_over(&mut self, since: u64) -> u64 {
        self.stop_capture();
        since
    }

    /// Somebody who can be asked about the threads that events of this source name; none for
    /// captures.
    fn lookup(&self) -> Option<Box<dyn ThreadLookup>> {
        None
    }

    /// Counters since the start.
    fn stats(&self) -> Stats;

    /// The counters of each of the sources that this one is made of, by their names.
    fn stats_by_source(&self) -> Vec<(&'static str, Stats)> {
        vec![(self.capabilities().name, self.stats())]
    }

    /// How far the source is, if it is finite and its size is known.
    fn progress(&self) -> Option<Progress> {
        None
    }
}
