//! [`framing`]: how the event decoder's input holds a sequence of events.

pub mod framing;
