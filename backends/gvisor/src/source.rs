//! [`Gvisor`]: the source.

use std::path::PathBuf;

use falco_source::{Capabilities, Next, Snapshot, Source, SourceError, Stats};

use crate::receiver::Receiver;

/// How sandboxes are watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// The socket that sandboxes send to.
    pub socket: PathBuf,
    /// Most bytes of messages that wait to be read.
    pub queue_bytes: usize,
    /// Most sandboxes at a time.
    pub max_sandboxes: usize,
    /// State directories of runsc; found automatically if none are given.
    pub roots: Option<Vec<PathBuf>>,
    /// The program; found in PATH if it is not given.
    pub runsc: Option<PathBuf>,
    /// The wanted system calls, as portable ids.
    pub syscalls: Vec<u16>,
    /// Begin sessions in sandboxes that run already.
    pub attach: bool,
    /// No event is told as earlier than this, in nanoseconds since the epoch.
    pub floor_ns: u64,
}

/// The sandboxes of this host.
#[derive(Debug)]
pub struct Gvisor {}

impl Gvisor {
    /// Watches what `receiver` receives.
    pub fn new(receiver: Receiver, options: Options) -> Self {
        let _ = (receiver, options);
        Gvisor {}
    }
}

impl Source for Gvisor {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "gvisor", live: true, enter_events: false }
    }

    fn start(&mut self) -> Result<Snapshot, SourceError> {
        Ok(Snapshot { is_live: true, ..Snapshot::default() })
    }

    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        Ok(Next::Idle)
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}
