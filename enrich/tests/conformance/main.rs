//! Fields against what Falco gave for the same captures (`shared/conformance`, `shared/captures`).
//!
//! Each test prints `conformance <what>: <passed>/<total>` and the misses by cause, and fails below
//! the share that was once reached. Without the shared folder every test says that it is ignored.
#![allow(clippy::unwrap_used)] // tests may end at the first surprise

mod golden;
mod replay;
mod scopes;
mod tally;
mod vectors;
