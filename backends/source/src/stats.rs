//! Counters of a source: what arrived and what was lost, by cause. Loss is never silent.

/// Counters since the start of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events read from the source, dropped ones not counted.
    pub events: u64,
    /// Events skipped because their type is unknown to this build (captures of newer schemas).
    pub skipped_unknown: u64,
    /// Events that the conversion of old captures consumed (enter events that became parameters).
    pub converted_away: u64,
    /// Exit events that were converted without their enter event (it was lost, or belongs to
    /// another call), so that its parameters are defaults or empty.
    pub enters_missing: u64,
    /// Enter events that the conversion forgot because too many threads were inside a call.
    pub enters_evicted: u64,
    /// Events lost because a ring was full.
    pub dropped_ring: u64,
}
