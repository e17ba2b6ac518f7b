//! [`Receiver`]: the socket that sandboxes send to, and everything that arrives there, unread.

/// Receives what sandboxes send.
#[derive(Clone, Debug)]
pub struct Receiver {}
