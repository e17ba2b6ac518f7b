//! The walk over a source from its first event to its last, for commands that have no rules.

use std::ops::ControlFlow;

use anyhow::Result;
use falco_event::RawEvent;
use falco_source::{Next, Snapshot, Source};

use crate::signals::Stop;

/// What is done on the way.
pub trait Walker {
    /// The tables start anew: before the first event, and where a further section of a capture
    /// begins.
    ///
    /// # Errors
    /// If the walk must end for it.
    fn restored(&mut self, snapshot: Snapshot) -> Result<()>;

    /// An event. A break ends the walk.
    ///
    /// # Errors
    /// If the walk must end for it.
    fn event(&mut self, event: &RawEvent<'_>) -> Result<ControlFlow<()>>;

    /// Nothing has happened for a while, on a live source. A break ends the walk.
    ///
    /// # Errors
    /// If the walk must end for it.
    fn idle(&mut self) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }

    /// Called between any two of these.
    #[inline]
    fn between(&mut self, source: &dyn Source) {
        let _ = source;
    }
}

/// Walks until the source ends, `walker` breaks, or `stop` is requested. A live source is then asked
/// to stop and what it has seen before is walked over, too. `begun` is what the source told at its
/// start, if it is started already.
///
/// # Errors
/// If the source or the walker fails.
pub fn walk(
    source: &mut dyn Source,
    begun: Option<Snapshot>,
    stop: &Stop,
    walker: &mut impl Walker,
) -> Result<()> {
    let live = source.capabilities().live;
    walker.restored(match begun {
        Some(snapshot) => snapshot,
        None => source.start()?,
    })?;
    let mut stopping = false;
    loop {
        if stop.requested() && !stopping {
            if !live {
                return Ok(());
            }
            stopping = true;
            source.stop_capture();
        }
        let flow = match source.next() {
            Ok(Next::Event(event)) => walker.event(&event)?,
            Ok(Next::Snapshot(snapshot)) => {
                walker.restored(*snapshot)?;
                ControlFlow::Continue(())
            }
            Ok(Next::Idle) => walker.idle()?,
            Ok(Next::End) => return Ok(()),
            // Whoever asks to stop in the middle of a stream need not hear that it is cut.
            Err(_) if stop.requested() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if flow.is_break() {
            return Ok(());
        }
        walker.between(source);
    }
}
