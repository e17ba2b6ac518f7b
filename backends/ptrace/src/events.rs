//! [`Events`]: where events wait between the stop that they come from and whoever asks for the next
//! one. A stop can become several.

use std::collections::VecDeque;

use falco_event::{EventBuilder, EventCode, EventError, RawEvent};

/// Events in the order in which they happened, in one piece of memory that is used again.
#[derive(Debug, Default)]
pub struct Events {
    builder: EventBuilder,
    bytes: Vec<u8>,
    /// End of each waiting event in `bytes`, and its flags. The next one begins at `begin`.
    waiting: VecDeque<(usize, u32)>,
    begin: usize,
}

impl Events {
    /// No events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an event of type `code` at `ts` nanoseconds since the epoch by thread `tid`, with the
    /// parameters that `fill` writes. `flags` are those of the capture format
    /// ([`falco_event::raw::DUMP_STATE_ONLY`] or 0).
    ///
    /// # Errors
    /// If a parameter is too long for its event, which is not appended then.
    pub fn push(
        &mut self,
        (ts, tid, code): (u64, i64, EventCode),
        flags: u32,
        fill: impl FnOnce(&mut EventBuilder),
    ) -> Result<(), EventError> {
        fill(self.builder.start(ts, tid, code));
        let event = self.builder.finish(0, flags)?;
        self.bytes.extend_from_slice(event.bytes());
        self.waiting.push_back((self.bytes.len(), flags));
        Ok(())
    }

    /// Appends an event that was made elsewhere.
    pub fn append(&mut self, event: &RawEvent<'_>) {
        self.bytes.extend_from_slice(event.bytes());
        self.waiting.push_back((self.bytes.len(), event.flags()));
    }

    /// Bytes of the events that wait.
    pub fn bytes(&self) -> usize {
        self.bytes.len() - self.begin
    }

    /// Drops all of them.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.bytes.clear();
        self.begin = 0;
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next event, taken out.
    pub fn pop(&mut self) -> Option<RawEvent<'_>> {
        let Some((end, flags)) = self.waiting.pop_front() else {
            self.bytes.clear();
            self.begin = 0;
            return None;
        };
        let begin = std::mem::replace(&mut self.begin, end);
        // It was valid when it was appended.
        RawEvent::parse(self.bytes.get(begin..end)?, 0, flags).ok()
    }
}
