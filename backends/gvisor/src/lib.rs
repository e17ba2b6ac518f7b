//! gVisor sandboxes as a source of events: what the Sentry of `runsc` tells in trace sessions becomes
//! the scap events that any other source sends.
//!
//! From the outside in:
//!
//! * [`runsc`]: the sandboxes of this host, and what `runsc` can be told and asked about them.
//! * [`points`]: which points of a trace session the rules need, as the JSON that runsc reads.
//! * [`receiver`]: the socket that sandboxes send to, and everything that arrives there, unread;
//!   [`replay`]: recorded sessions, sent again.
//! * [`wire`]: handshake and framing; [`message`]: one message decoded; [`proto`]: its parts.
//! * [`mapper`]: messages of one sandbox to events.
//! * [`containers`]: what a container is, told as events.
//! * [`attach`]: sessions begun, begun anew and ended beside the flow of events.
//! * [`source`]: [`Gvisor`], which puts all of this together; [`status`]: what it tells other processes.
//! * [`coverage`]: what gVisor tells of each system call, and what it does not.
//!
//! A sandbox is hostile: every size, text and number that it sends is checked and bounded, and what
//! is wrong is counted. Protocol and message facts: gVisor's `pkg/sentry/seccheck`.
#![forbid(unsafe_code)]

pub mod attach;
pub mod containers;
pub mod coverage;
pub mod mapper;
pub mod message;
pub mod points;
pub mod proto;
pub mod receiver;
pub mod replay;
pub mod runsc;
pub mod source;
pub mod status;
pub mod wire;

pub use coverage::{Coverage, coverage_of};
pub use receiver::Receiver;
pub use source::{Gvisor, Options};
