//! `engine.kind: nodriver`: no system calls at all.

use std::thread;
use std::time::Duration;

use falco_source::{Capabilities, Next, Snapshot, Source, SourceError, Stats};

/// How long [`Source::next`] takes to find out that there is nothing.
const PAUSE: Duration = Duration::from_millis(30);

/// A source without events.
#[derive(Debug, Default)]
pub struct NoDriver {
    stopped: bool,
}

impl Source for NoDriver {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "nodriver", live: true, enter_events: false }
    }

    fn start(&mut self) -> Result<Snapshot, SourceError> {
        Ok(Snapshot::default())
    }

    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        if self.stopped {
            return Ok(Next::End);
        }
        thread::sleep(PAUSE);
        Ok(Next::Idle)
    }

    fn stop_capture(&mut self) {
        self.stopped = true;
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}
