//! How inputs hold sequences: [`framing`] of events, [`messages`] of what a gVisor
//! sandbox sends, [`stops`] of a traced thread.

pub mod framing;
pub mod messages;
pub mod stops;
