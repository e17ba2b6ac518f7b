//! What this source tells of whole trees of processes: births, executions, ends, and what changes
//! between events without a stop.
//!
//! Says so and passes where processes may not be traced.

#![allow(clippy::unwrap_used)] // a panic is the report

mod lifecycle;
mod openings;
mod state;
mod succession;
mod watch;
