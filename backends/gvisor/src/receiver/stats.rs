//! Counters: what was received, and what was lost or refused.

/// Of one connection, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionStats {
    /// Records that were received and are fine, as far as their headers go.
    pub records: u64,
    /// Bytes of their messages.
    pub bytes: u64,
    /// Messages that the sandbox says it could not send.
    pub dropped: u64,
    /// Records with a header that cannot be.
    pub garbled: u64,
    /// Records that were longer than [`MAX_RECORD`](crate::wire::MAX_RECORD); the rest was lost.
    pub too_long: u64,
    /// Bytes of memory that its queue takes now.
    pub queued_bytes: u64,
    /// What the sandbox said last of its losses.
    pub(super) said: u32,
}

impl ConnectionStats {
    /// Notes what a header says of losses: a number that only grows, and wraps around.
    #[inline]
    pub(super) fn note_dropped(&mut self, said: u32) {
        if said == self.said {
            return;
        }
        let more = said.wrapping_sub(self.said);
        self.said = said;
        // More than half way round is a step back: a sandbox that lies.
        if more <= i32::MAX as u32 {
            self.dropped = self.dropped.saturating_add(u64::from(more));
        } else {
            self.garbled += 1;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.records = self.records.saturating_add(other.records);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.garbled = self.garbled.saturating_add(other.garbled);
        self.too_long = self.too_long.saturating_add(other.too_long);
    }
}

/// Of a receiver, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Open connections.
    pub connections: u64,
    /// Connections that completed the handshake.
    pub accepted: u64,
    /// Connections that ended before the handshake; `runsc trace create` without `--force` makes such.
    pub empty: u64,
    /// Connections refused since they sent no handshake, or a wrong one.
    pub refused_handshake: u64,
    /// Connections that sent no handshake in time.
    pub refused_late: u64,
    /// Connections refused since there were too many.
    pub refused_many: u64,
    /// Connections refused since this process, or the host, has no file descriptors left.
    pub refused_fds: u64,
    /// Connections to an abstract socket by users who may not.
    pub refused_user: u64,
    /// Bytes of memory in queues now.
    pub queued_bytes: u64,
    /// The most that there ever were.
    pub most_queued_bytes: u64,
    /// All connections together, closed ones included.
    pub records: ConnectionStats,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_once_and_across_the_wrap() {
        let mut stats = ConnectionStats::default();
        for said in [0, 5, 5, i32::MAX as u32, u32::MAX - 1, 3] {
            stats.note_dropped(said);
        }
        assert_eq!((stats.dropped, stats.garbled), ((1 << 32) + 3, 0));
    }

    #[test]
    fn a_step_back_is_no_loss() {
        let mut stats = ConnectionStats::default();
        stats.note_dropped(10);
        stats.note_dropped(9);
        stats.note_dropped(11);
        assert_eq!((stats.dropped, stats.garbled), (12, 1));
    }
}
