//! What every backend is: a [`Source`] of scap events with a [`Snapshot`] of what ran before.
//!
//! One trait unifies live kernels, sandboxes and captures, so that everything behind it is written
//! once. This crate knows no backend and no rule.
//!
//! * [`snapshot`]: threads, fds, users, groups, interfaces and the machine at start.
//! * [`stats`]: counters of events and losses by cause.
//! * [`mapped`]: a read-only file mapping (the one `unsafe` of this crate).

pub mod mapped;
pub mod snapshot;
pub mod stats;

use falco_event::RawEvent;
use thiserror::Error;

pub use snapshot::Snapshot;
pub use stats::Stats;

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

/// A stream of events. Implementations validate everything that they hand out.
pub trait Source {
    /// What this source can see.
    fn capabilities(&self) -> Capabilities;

    /// Opens the stream and tells the state before its first event.
    ///
    /// # Errors
    /// If the source cannot be opened or its preamble is unreadable.
    fn start(&mut self) -> Result<Snapshot, SourceError>;

    /// The next event, in time order.
    ///
    /// # Errors
    /// If the stream is broken; what was delivered before stays valid.
    fn next(&mut self) -> Result<Next<'_>, SourceError>;

    /// Counters since the start.
    fn stats(&self) -> Stats;

    /// How far the source is, if it is finite and its size is known.
    fn progress(&self) -> Option<Progress> {
        None
    }
}
