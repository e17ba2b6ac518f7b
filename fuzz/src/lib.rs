//! How inputs hold sequences: [`framing`] of events, [`messages`] of what a gVisor sandbox sends.

pub mod framing;
pub mod messages;
