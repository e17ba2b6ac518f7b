//! [`Scripted`]: events that a test wrote down as a source, so that they go the way of all events.

use falco_event::RawEvent;
use falco_source::{Capabilities, Next, Snapshot, Source, SourceError, Stats};

/// The events of a test with the state before them.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Before the first event.
    pub snapshot: Snapshot,
    /// Encoded events, in order.
    pub events: Vec<Vec<u8>>,
}

/// A [`Script`] on its way.
#[derive(Debug)]
pub struct Scripted<'s> {
    script: &'s Script,
    next: usize,
}

impl<'s> Scripted<'s> {
    /// From the first event on.
    pub fn new(script: &'s Script) -> Self {
        Scripted { script, next: 0 }
    }
}

impl Source for Scripted<'_> {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "script", live: false, enter_events: false }
    }

    fn start(&mut self) -> Result<Snapshot, SourceError> {
        Ok(self.script.snapshot.clone())
    }

    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        let Some(bytes) = self.script.events.get(self.next) else { return Ok(Next::End) };
        self.next += 1;
        RawEvent::parse(bytes, 0, 0).map(Next::Event).map_err(|error| SourceError::Corrupt {
            name: "test".to_owned(),
            what: error.to_string(),
            offset: 0,
        })
    }

    fn stats(&self) -> Stats {
        Stats { events: self.next as u64, ..Stats::default() }
    }
}
