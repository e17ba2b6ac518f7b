//! [`Events`]: where events wait between what they are made of, a message or a stop, and whoever asks
//! for the next one. One message can become several.

use std::collections::VecDeque;

use falco_event::raw::DUMP_STATE_ONLY;
use falco_event::{EventBuilder, EventCode, EventError, RawEvent};

/// Bytes of memory that are kept while nothing waits.
const KEPT: usize = 1 << 20;

/// Events in the order in which they happened, in one piece of memory that is used again.
#[derive(Debug, Default)]
pub struct Events {
    builder: EventBuilder,
    bytes: Vec<u8>,
    /// End of each waiting event in `bytes`, and its flags. The next one begins at `begin`.
    waiting: VecDeque<(usize, u32)>,
    begin: usize,
    /// Flags that all get that are appended.
    common_flags: u32,
}

impl Events {
    /// No events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an event of type `code` at `ts` nanoseconds since the epoch by thread `tid`, with the
    /// parameters that `fill` writes. `flags` are those of the capture format
    /// ([`DUMP_STATE_ONLY`] or 0).
    ///
    /// # Errors
    /// If a parameter is too long for its event, which is not appended then.
    pub fn push(
        &mut self,
        (ts, tid, code): (u64, i64, EventCode),
        flags: u32,
        fill: impl FnOnce(&mut EventBuilder),
    ) -> Result<(), EventError> {
        if self.waiting.is_empty() {
            self.begin_anew();
        }
        fill(self.builder.start(ts, tid, code));
        let flags = flags | self.common_flags;
        let event = self.builder.finish(0, flags)?;
        self.bytes.extend_from_slice(event.bytes());
        self.waiting.push_back((self.bytes.len(), flags));
        Ok(())
    }

    /// Appends an event that was made elsewhere.
    pub fn append(&mut self, event: &RawEvent<'_>) {
        if self.waiting.is_empty() {
            self.begin_anew();
        }
        self.bytes.extend_from_slice(event.bytes());
        self.waiting.push_back((self.bytes.len(), event.flags() | self.common_flags));
    }

    /// Appends all that wait in `other`, where they stay.
    pub fn append_all(&mut self, other: &Events) {
        if self.waiting.is_empty() {
            self.begin_anew();
        }
        let (to, from) = (self.bytes.len(), other.begin);
        self.bytes.extend_from_slice(other.bytes.get(from..).unwrap_or_default());
        let flags = self.common_flags;
        let ends = other.waiting.iter().map(|(end, own)| (to + end - from, own | flags));
        self.waiting.extend(ends);
    }

    /// Has `append` append events that are for the tables only: no rule sees them.
    pub fn hidden(&mut self, append: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.common_flags, DUMP_STATE_ONLY);
        append(self);
        self.common_flags = before;
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of the events that wait.
    pub fn bytes(&self) -> usize {
        self.bytes.len() - self.begin
    }

    /// Drops all of them.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.begin_anew();
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The next event, taken out.
    pub fn pop(&mut self) -> Option<RawEvent<'_>> {
        let (end, flags) = self.waiting.pop_front()?;
        let begin = std::mem::replace(&mut self.begin, end);
        // It was valid when it was appended.
        RawEvent::parse(self.bytes.get(begin..end)?, 0, flags).ok()
    }

    fn begin_anew(&mut self) {
        self.bytes.clear();
        self.begin = 0;
        // What many processes at once took is not needed for one.
        self.bytes.shrink_to(KEPT);
        self.waiting.shrink_to(KEPT / 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(events: &mut Events, fd: i64) {
        let who = (7, 1, EventCode::SYSCALL_CLOSE_X);
        let fill = |event: &mut EventBuilder| {
            event.i64(0).i64(fd);
        };
        events.push(who, 0, fill).unwrap();
    }

    fn pop(events: &mut Events) -> Option<(i64, u32)> {
        let event = events.pop()?;
        Some((i64::from_le_bytes(event.param(1)?.try_into().ok()?), event.flags()))
    }

    #[test]
    fn events_come_out_as_they_went_in() {
        let mut events = Events::new();
        assert_eq!(pop(&mut events), None);
        push(&mut events, 1);
        push(&mut events, 2);
        assert_eq!(pop(&mut events), Some((1, 0)));
        events.hidden(|events| push(events, 3));
        push(&mut events, 4);
        assert_eq!(events.len(), 3);
        let rest: Vec<_> = std::iter::from_fn(|| pop(&mut events)).collect();
        assert_eq!(rest, [(2, 0), (3, DUMP_STATE_ONLY), (4, 0)]);
    }

    #[test]
    fn events_can_wait_twice() {
        let (mut one, mut other) = (Events::new(), Events::new());
        (1..4).for_each(|fd| push(&mut one, fd));
        assert_eq!(pop(&mut one), Some((1, 0)));
        push(&mut other, 9);
        other.hidden(|other| other.append_all(&one));
        push(&mut other, 4);
        let all = |events: &mut Events| -> Vec<_> { std::iter::from_fn(|| pop(events)).collect() };
        let hidden = DUMP_STATE_ONLY;
        assert_eq!(all(&mut other), [(9, 0), (2, hidden), (3, hidden), (4, 0)]);
        assert_eq!(all(&mut one), [(2, 0), (3, 0)]);
    }

    #[test]
    fn memory_is_used_again() {
        let mut events = Events::new();
        for fd in 0..100_000 {
            push(&mut events, fd);
            assert_eq!(pop(&mut events), Some((fd, 0)));
        }
        assert!(events.bytes.capacity() < 1024);
        (0..100_000).for_each(|fd| push(&mut events, fd));
        while pop(&mut events).is_some() {}
        push(&mut events, 1);
        assert!(events.bytes.capacity() <= KEPT);
    }
}
