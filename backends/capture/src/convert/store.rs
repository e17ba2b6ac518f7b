//! The enter events that wait for their exit event, one a thread, in bounded memory.

use hashbrown::HashMap;

/// Enter events by thread.
///
/// Threads leave without a trace in a capture that lost events, so what is kept must be bounded.
/// Events live in a young and an old generation; when the young one is full, the old one is
/// forgotten and the young one takes its place. A thread that is inside a call for long may thus
/// lose its enter event, which is counted; one that comes back to the kernel never does.
#[derive(Debug, Default)]
pub(super) struct EnterStore {
    young: Generation,
    old: Generation,
    evicted: u64,
}

/// Most threads in a generation.
const MAX_THREADS: usize = 1 << 16;
/// Most bytes of events in a generation.
const MAX_BYTES: usize = 16 << 20;

#[derive(Debug, Default)]
struct Generation {
    /// Whole events; empty for threads whose event was used, so that its memory is reused.
    events: HashMap<i64, Vec<u8>>,
    /// Bytes held by `events`.
    bytes: usize,
}

impl EnterStore {
    /// Keeps the enter event of `tid`, in place of an older one.
    pub(super) fn put(&mut self, tid: i64, event: &[u8]) {
        self.take_old(tid);
        let young = &mut self.young;
        let full = young.events.len() >= MAX_THREADS && !young.events.contains_key(&tid)
            || young.bytes + event.len() > MAX_BYTES;
        if full {
            self.evicted += self.old.waiting();
            self.old = std::mem::take(young);
            self.take_old(tid);
        }
        let slot = self.young.events.entry(tid).or_default();
        let before = slot.capacity();
        slot.clear();
        slot.extend_from_slice(event);
        self.young.bytes += slot.capacity() - before;
    }

    /// The enter event of `tid`.
    pub(super) fn get(&self, tid: i64) -> Option<&[u8]> {
        let event = self.young.events.get(&tid).or_else(|| self.old.events.get(&tid))?;
        if event.is_empty() { None } else { Some(event) }
    }

    /// Forgets the enter event of `tid`.
    pub(super) fn remove(&mut self, tid: i64) {
        match self.young.events.get_mut(&tid) {
            Some(event) => event.clear(),
            None => self.take_old(tid),
        }
    }

    /// Forgets everything, as at the begin of a section.
    pub(super) fn clear(&mut self) {
        self.young = Generation::default();
        self.old = Generation::default();
    }

    /// How many waiting events were forgotten for want of room.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn take_old(&mut self, tid: i64) {
        if let Some(event) = self.old.events.remove(&tid) {
            self.old.bytes -= event.capacity();
        }
    }
}

impl Generation {
    fn waiting(&self) -> u64 {
        self.events.values().filter(|event| !event.is_empty()).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_a_thread_until_it_is_used() {
        let mut store = EnterStore::default();
        store.put(1, b"a");
        store.put(1, b"bb");
        store.put(2, b"c");
        assert_eq!(store.get(1), Some(&b"bb"[..]));
        store.remove(1);
        assert_eq!(store.get(1), None);
        store.remove(1);
        assert_eq!(store.get(2), Some(&b"c"[..]));
        store.clear();
        assert_eq!(store.get(2), None);
        assert_eq!(store.evicted(), 0);
    }

    #[test]
    fn many_threads_evict_the_oldest_and_are_counted() {
        let mut store = EnterStore::default();
        let threads = 3 * MAX_THREADS as i64;
        for tid in 0..threads {
            store.put(tid, b"event");
        }
        assert_eq!(store.get(0), None);
        assert_eq!(store.get(threads - 1), Some(&b"event"[..]));
        assert_eq!(store.get(threads - MAX_THREADS as i64 - 1), Some(&b"event"[..]));
        assert_eq!(store.evicted(), MAX_THREADS as u64);
        assert!(store.young.events.len() <= MAX_THREADS);
    }

    #[test]
    fn long_events_are_bounded_by_their_bytes() {
        let mut store = EnterStore::default();
        let event = vec![7; 64 << 10];
        for tid in 0..2000 {
            store.put(tid, &event);
            assert!(store.young.bytes <= MAX_BYTES + event.len());
            assert!(store.old.bytes <= MAX_BYTES + event.len());
        }
        assert!(store.evicted() > 0);
        assert_eq!(store.get(1999), Some(&event[..]));
    }
}
