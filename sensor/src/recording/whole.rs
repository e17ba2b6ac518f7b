//! [`WholeRecorder`]: `-w FILE`. Everything that the rules are shown goes into one file, too, from
//! the first event to the last, so that event numbers are the same in both.

use anyhow::Result;
use falco_capture::Compression;
use falco_enrich::state::{Current, State};
use falco_event::RawEvent;
use falco_source::Snapshot;

use super::file::{Destination, Recording, Summary, WhenFull};
use crate::log::Log;
use crate::observer::Observer;

/// Records all there is.
pub struct WholeRecorder {
    /// Taken when the recording begins.
    destination: Option<Destination>,
    when_full: WhenFull,
    log: Log,
    recording: Option<Recording>,
    /// Why the file is not whole.
    failure: Option<anyhow::Error>,
}

impl WholeRecorder {
    /// To `destination`.
    pub fn new(destination: Destination, when_full: WhenFull, log: Log) -> Self {
        let destination = Some(destination);
        WholeRecorder { destination, when_full, log, recording: None, failure: None }
    }
}

impl WholeRecorder {
    /// Ends the recording. What is wrong with it is told at once, and is the run's error in the end.
    fn complete(&mut self) {
        let Some(recording) = self.recording.take() else { return };
        match recording.finish().join() {
            Ok(summary) => self.tell(&summary),
            Err(error) => {
                self.log.warning(&format!("{error:#}; alerts go on"));
                self.failure = Some(error);
            }
        }
    }

    fn tell(&self, summary: &Summary) {
        let Summary { path, bytes, events, lost, refused } = summary;
        let path = path.display();
        self.log.info(&format!("Recorded {events} events ({bytes} bytes) to {path}"));
        if lost + refused > 0 {
            self.log.warning(&format!(
                "{} events are missing in {path}: {lost} because the disk was too slow, {refused} \
                 because they are too long for the format",
                lost + refused
            ));
        }
    }
}

impl Observer for WholeRecorder {
    fn restored(&mut self, snapshot: &Snapshot) -> Result<()> {
        match (&mut self.recording, self.destination.take()) {
            (Some(recording), _) => recording.section(snapshot.clone()),
            (None, Some(destination)) => {
                let (compression, when_full) = (Compression::Gzip, self.when_full);
                let snapshot = snapshot.clone();
                self.recording =
                    Some(Recording::start(destination, compression, snapshot, when_full, None)?);
            }
            (None, None) => {}
        }
        Ok(())
    }

    #[inline]
    fn event(
        &mut self,
        event: &RawEvent<'_>,
        _current: &Current,
        _state: &State,
        _matched: &[usize],
    ) -> Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.event(event, event.flags());
            if recording.is_broken() {
                self.complete();
            }
        }
        Ok(())
    }

    fn idle(&mut self, now: u64) -> Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.tick(now);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.complete();
        self.failure.take().map_or(Ok(()), Err)
    }
}
