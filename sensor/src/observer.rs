//! [`Observer`]: who looks over the event loop's shoulder. Recordings are made by observers.
//!
//! An observer cannot change what the loop does, except by an error, which ends it.

use anyhow::Result;
use falco_enrich::state::{Current, State};
use falco_event::RawEvent;
use falco_source::Snapshot;

/// Sees every event after the rules did.
pub trait Observer {
    /// The tables were filled anew: before the first event, and where a further section of a capture
    /// begins.
    ///
    /// # Errors
    /// If the observer cannot go on; the loop ends then.
    fn restored(&mut self, snapshot: &Snapshot) -> Result<()> {
        let _ = snapshot;
        Ok(())
    }

    /// Called for every event that was given to `state`, in their order, so that the n-th call is
    /// event number n (`evt.num`): also for those that only update tables and that no rule sees.
    /// `current` is what `state` learned of the event; it
    /// stands as the rules saw it. `matched` are the rules that matched, by their numbers
    /// among all loaded ones.
    ///
    /// # Errors
    /// If the observer cannot go on; the loop ends then.
    fn event(
        &mut self,
        event: &RawEvent<'_>,
        current: &Current,
        state: &State,
        matched: &[usize],
    ) -> Result<()>;

    /// Nothing has happened for a while, and it is `now` (nanoseconds since the epoch). Sources that
    /// replay do not idle.
    ///
    /// # Errors
    /// If the observer cannot go on; the loop ends then.
    fn idle(&mut self, now: u64) -> Result<()> {
        let _ = now;
        Ok(())
    }

    /// There will be no more events.
    ///
    /// # Errors
    /// If what was held back cannot be delivered.
    fn finish(&mut self) -> Result<()>;
}
