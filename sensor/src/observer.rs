//! [`Observer`]: who looks over the event loop's shoulder. Recordings are made by observers.
//!
//! An observer cannot change what the loop does, except by an error, which ends it.

use anyhow::Result;
use falco_enrich::state::State;
use falco_event::RawEvent;

/// Sees every event after the rules did.
pub trait Observer {
    /// Called for every event that was given to `state`, in their order, so that the n-th call is
    /// event number n (`evt.num`): also for those that only update tables and that no rule sees.
    /// `state` stands as the rules saw it. `matched` are the rules that matched, by their numbers
    /// among all loaded ones.
    ///
    /// # Errors
    /// If the observer cannot go on; the loop ends then.
    fn event(&mut self, event: &RawEvent<'_>, state: &State, matched: &[usize]) -> Result<()>;

    /// There will be no more events.
    ///
    /// # Errors
    /// If what was held back cannot be delivered.
    fn finish(&mut self) -> Result<()>;
}
