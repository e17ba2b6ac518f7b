//! [`Batch`]: records of one connection on their way from the socket to whoever decodes them.

use super::Connection;

/// Bytes of messages after which a batch is full, and the next one begins. Consumers serve connections
/// in turn, a batch at a time: the smaller it is, the shorter one waits for the others.
pub(super) const FULL: usize = 16 << 10;

/// One record as it came, without its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Which message it is (`MessageType` of gVisor's `common.proto`).
    pub kind: u16,
    /// When it was read from the socket, in nanoseconds since the epoch.
    pub received_ns: u64,
    /// The message, unread.
    pub payload: &'a [u8],
}

/// Records of one connection, in order.
#[derive(Debug, Default)]
pub struct Batch {
    connection: Connection,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    /// How many entries were taken out, and where the next one's bytes begin.
    taken: usize,
    begin: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// End of the payload in `bytes`.
    end: usize,
    kind: u16,
    received_ns: u64,
}

impl Batch {
    /// Whose records these are.
    pub fn connection(&self) -> Connection {
        self.connection
    }

    /// The first record that was not taken out yet; it stays.
    #[inline]
    pub fn first(&self) -> Option<Record<'_>> {
        let &Entry { end, kind, received_ns } = self.entries.get(self.taken)?;
        Some(Record { kind, received_ns, payload: self.bytes.get(self.begin..end)? })
    }

    /// Takes the first record out.
    #[inline]
    pub fn advance(&mut self) {
        if let Some(entry) = self.entries.get(self.taken) {
            self.begin = entry.end;
            self.taken += 1;
        }
    }

    /// How many records are left.
    pub fn len(&self) -> usize {
        self.entries.len() - self.taken
    }

    /// Whether no record is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins anew with the memory that there is.
    pub(super) fn reset(&mut self, connection: Connection) {
        self.connection = connection;
        self.entries.clear();
        self.bytes.clear();
        (self.taken, self.begin) = (0, 0);
    }

    pub(super) fn push(&mut self, record: Record<'_>) {
        self.bytes.extend_from_slice(record.payload);
        let Record { kind, received_ns, .. } = record;
        self.entries.push(Entry { end: self.bytes.len(), kind, received_ns });
    }

    /// Whether all of `other` fits, too.
    pub(super) fn has_room_for(&self, other: &Batch) -> bool {
        self.weight() + other.weight() <= FULL
    }

    /// Whether no further record should come.
    pub(super) fn is_full(&self) -> bool {
        self.weight() >= FULL
    }

    fn weight(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Appends what is left of `other`.
    pub(super) fn append(&mut self, other: &Batch) {
        let shift = self.bytes.len();
        self.bytes.extend_from_slice(other.bytes.get(other.begin..).unwrap_or_default());
        let left = other.entries.get(other.taken..).unwrap_or_default();
        let moved = |entry: &Entry| Entry { end: entry.end - other.begin + shift, ..*entry };
        self.entries.extend(left.iter().map(moved));
    }

    /// Bytes of memory that it takes, used or not.
    pub(super) fn footprint(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(payloads: &[&[u8]]) -> Batch {
        let mut batch = Batch::default();
        for (i, payload) in payloads.iter().enumerate() {
            batch.push(Record { kind: i as u16, received_ns: 7, payload });
        }
        batch
    }

    fn rest(mut batch: Batch) -> Vec<(u16, Vec<u8>)> {
        let mut records = Vec::new();
        while let Some(record) = batch.first() {
            records.push((record.kind, record.payload.to_vec()));
            batch.advance();
        }
        assert!(batch.is_empty());
        records
    }

    #[test]
    fn what_goes_in_comes_out() {
        assert_eq!(
            rest(batch(&[b"one", b"", b"three"])),
            [(0, b"one".to_vec()), (1, vec![]), (2, b"three".to_vec())]
        );
    }

    #[test]
    fn only_what_is_left_is_appended() {
        let mut all = batch(&[b"a"]);
        let mut other = batch(&[b"gone", b"bc", b"d"]);
        other.advance();
        all.append(&other);
        all.advance();
        assert_eq!(rest(all), [(1, b"bc".to_vec()), (2, b"d".to_vec())]);
    }
}
