//! Reading a BPF ring buffer where it lies, without copying and without a system call an event.
//!
//! The kernel maps a page with the consumer's position, which is ours to write, a page with the
//! producer's, and the data. A record is a header of eight bytes (its length, with a bit for "still
//! being written" and one for "never mind"), then its bytes; the next one begins at a multiple of
//! eight. Source: Linux `kernel/bpf/ringbuf.c`, `Documentation/bpf/ringbuf.rst`.
//!
//! The data could be mapped twice in a row, so that a record that goes on at the beginning is in one
//! piece. But then all of it counts twice as memory of this process, for the sake of one record a lap;
//! that one is copied instead.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use falco_event::raw::HEADER_LEN;

use crate::merge::Queue;
use crate::sys::{Mapping, page_size};

const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
const RECORD_HEADER: u64 = 8;

/// How much is read before the kernel is told, at most. Telling it costs a cache line that its
/// producers share with us.
const MAX_BATCH: u64 = 64 << 10;

/// One ring buffer, read by one.
#[derive(Debug)]
pub(crate) struct Ring {
    consumer: Mapping,
    producer: Mapping,
    /// Bytes of data: a power of two.
    size: u64,
    batch: u64,
    /// Position of the record that is read next; positions only grow.
    at: u64,
    /// The consumer's position that the kernel knows.
    told: u64,
    /// The producer's position when it was last looked at.
    end: u64,
    /// Bytes of the record at `at`, without its header; 0 if it was not looked at yet.
    len: u32,
    /// The CPU that events are said to be from: the first of those that share the ring.
    cpu: u16,
    /// The record at `at`, if it goes on at the beginning of the data.
    wrapped: Vec<u8>,
    /// Records that were no events.
    invalid: u64,
}

impl Ring {
    /// Maps a map of type `BPF_MAP_TYPE_RINGBUF` that has `size` bytes.
    pub(crate) fn new(map: BorrowedFd<'_>, size: u32, cpu: u16) -> io::Result<Self> {
        let (size, page) = (size as usize, page_size());
        if !size.is_power_of_two() || !size.is_multiple_of(page) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let consumer = Mapping::new(map, page, 0, true)?;
        let producer = Mapping::new(map, page + size, page, false)?;
        let mut ring = Ring {
            consumer,
            producer,
            size: size as u64,
            batch: MAX_BATCH.min(size as u64 / 8),
            at: 0,
            told: 0,
            end: 0,
            len: 0,
            cpu,
            wrapped: Vec::new(),
            invalid: 0,
        };
        ring.at = ring.consumer_position().load(Ordering::Acquire);
        (ring.told, ring.end) = (ring.at, ring.at);
        Ok(ring)
    }

    pub(crate) fn cpu(&self) -> u16 {
        self.cpu
    }

    pub(crate) fn invalid(&self) -> u64 {
        self.invalid
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that wait to be read.
    pub(crate) fn fill(&self) -> u64 {
        self.producer_position().load(Ordering::Relaxed).saturating_sub(self.at)
    }

    /// The record at the head, of at least an event header's length; empty if [`Queue::head`] has
    /// not found one.
    #[inline]
    pub(crate) fn record(&self) -> &[u8] {
        let (start, len) = (self.offset(self.at + RECORD_HEADER), self.len as usize);
        if start + len > self.size as usize {
            return &self.wrapped;
        }
        // SAFETY: the bytes lie in the mapping of the data, as was just checked. `look` has set `len`
        // only if the record ends before the producer's position; it is complete (not busy), and the
        // kernel writes there no more until the consumer's position is past it, which only `pop` and
        // `look` move, and they need `&mut self`.
        unsafe { std::slice::from_raw_parts(self.data().add(start), len) }
    }

    /// Puts the two parts of a record together, if it has two.
    fn unwrap(&mut self) {
        let (start, len) = (self.offset(self.at + RECORD_HEADER), self.len as usize);
        let size = self.size as usize;
        if start + len <= size {
            return;
        }
        self.wrapped.clear();
        // SAFETY: both parts lie in the mapping of the data: one to its end, and one, shorter than
        // the data as a record is, from its beginning. That they are not written to is said in
        // `record`.
        let (first, second) = unsafe {
            let first = std::slice::from_raw_parts(self.data().add(start), size - start);
            let second = std::slice::from_raw_parts(self.data(), start + len - size);
            (first, second)
        };
        self.wrapped.extend_from_slice(first);
        self.wrapped.extend_from_slice(second);
    }

    /// Finds the next record that is not discarded, and sets `len`; false if there is none yet.
    #[inline]
    fn look(&mut self) -> bool {
        loop {
            if self.at == self.end {
                self.end = self.producer_position().load(Ordering::Acquire);
                if self.at == self.end {
                    self.tell();
                    return false;
                }
            }
            let header = self.record_header().load(Ordering::Acquire);
            if header & BUSY != 0 {
                self.tell();
                return false;
            }
            let len = header & !(BUSY | DISCARD);
            let taken = (u64::from(len) + RECORD_HEADER).next_multiple_of(8);
            if taken > self.end.wrapping_sub(self.at) || taken > self.size {
                // Not what a kernel writes. Where the next record would be is unknown, so all that
                // was there is given up.
                self.invalid += 1;
                self.at = self.end;
                continue;
            }
            if header & DISCARD != 0 || (len as usize) < HEADER_LEN {
                self.invalid += u64::from(header & DISCARD == 0);
                self.skip(taken);
                continue;
            }
            self.len = len;
            self.unwrap();
            return true;
        }
    }

    fn skip(&mut self, taken: u64) {
        self.at += taken;
        self.len = 0;
        if self.at - self.told >= self.batch {
            self.tell();
        }
    }

    /// Tells the kernel how far we are, so that it can use the room again.
    fn tell(&mut self) {
        if self.told != self.at {
            self.told = self.at;
            self.consumer_position().store(self.at, Ordering::Release);
        }
    }

    fn consumer_position(&self) -> &AtomicU64 {
        // SAFETY: the mapping begins with the position, is writable and page-aligned, and lives as
        // long as `self`. The kernel only reads it.
        unsafe { self.consumer.start().cast().as_ref() }
    }

    fn producer_position(&self) -> &AtomicU64 {
        // SAFETY: the mapping begins with the position and is page-aligned, and lives as long as
        // `self`. The kernel alone writes it, as one word; we only load it.
        unsafe { self.producer.start().cast().as_ref() }
    }

    /// The first half of the header of the record at `at`.
    fn record_header(&self) -> &AtomicU32 {
        let start = self.offset(self.at);
        // SAFETY: positions are multiples of eight, so the header is aligned and, as the data has a
        // power of two of pages, in the mapping. The kernel writes it as one word; we only load it.
        unsafe { &*self.data().add(start).cast() }
    }

    /// Where the data is: behind the page of the producer's position.
    fn data(&self) -> *const u8 {
        // SAFETY: the mapping is a page and the data long.
        unsafe { self.producer.start().as_ptr().add(page_size()) }
    }

    fn offset(&self, position: u64) -> usize {
        (position & (self.size - 1)) as usize
    }
}

impl Queue for Ring {
    #[inline]
    fn head(&mut self) -> Option<u64> {
        self.look().then(|| {
            // `look` has seen to it that there are more bytes.
            self.record().first_chunk::<8>().map_or(0, |ts| u64::from_le_bytes(*ts))
        })
    }

    #[inline]
    fn pop(&mut self) {
        if self.len > 0 {
            self.skip((u64::from(self.len) + RECORD_HEADER).next_multiple_of(8));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::{AsFd, FromRawFd};
    use std::os::unix::fs::FileExt;

    use proptest::prelude::*;

    use super::*;

    /// Memory with a ring's layout, and a producer that writes as the kernel does.
    struct Fake {
        file: File,
        size: u64,
        end: u64,
    }

    impl Fake {
        fn new(size: u64) -> Self {
            // SAFETY: a name that ends with NUL; the fd is new and owned by the file alone.
            let file = unsafe { File::from_raw_fd(libc::memfd_create(c"ring".as_ptr(), 0)) };
            file.set_len(2 * page_size() as u64 + size).unwrap();
            Fake { file, size, end: 0 }
        }

        fn reader(&self) -> Ring {
            Ring::new(self.file.as_fd(), self.size as u32, 3).unwrap()
        }

        /// The consumer's position that a reader has told.
        fn told(&self) -> u64 {
            let mut bytes = [0; 8];
            self.file.read_exact_at(&mut bytes, 0).unwrap();
            u64::from_le_bytes(bytes)
        }

        /// Writes bytes at a position.
        fn write(&self, position: u64, bytes: &[u8]) {
            for (at, byte) in (position..).zip(bytes) {
                let place = 2 * page_size() as u64 + at % self.size;
                self.file.write_all_at(&[*byte], place).unwrap();
            }
        }

        /// Appends a record, if there is room; its position.
        fn push(&mut self, record: &[u8], bits: u32) -> Option<u64> {
            let taken = (record.len() as u64 + 8).next_multiple_of(8);
            if self.end + taken - self.told() > self.size {
                return None;
            }
            self.write(self.end, &(record.len() as u32 | bits).to_le_bytes());
            self.write(self.end + 8, record);
            self.end += taken;
            self.file.write_all_at(&self.end.to_le_bytes(), page_size() as u64).unwrap();
            Some(self.end - taken)
        }
    }

    /// A record that is as long as an event at least.
    fn record(number: u64, len: usize) -> Vec<u8> {
        let mut record = vec![number as u8; len.max(HEADER_LEN)];
        record[..8].copy_from_slice(&number.to_le_bytes());
        record
    }

    #[test]
    fn what_is_being_written_waits_and_what_is_discarded_never_shows() {
        let mut fake = Fake::new(4096);
        let mut ring = fake.reader();
        assert_eq!(ring.head(), None);
        fake.push(&record(1, 30), DISCARD).unwrap();
        let busy = fake.push(&record(2, 30), BUSY).unwrap();
        fake.push(&record(3, 30), 0).unwrap();
        assert_eq!(ring.head(), None);
        fake.write(busy, &30_u32.to_le_bytes());
        assert_eq!(ring.head(), Some(2));
        assert_eq!(ring.record(), record(2, 30));
        ring.pop();
        assert_eq!(ring.head(), Some(3));
        ring.pop();
        assert_eq!((ring.head(), ring.invalid()), (None, 0));
        // At the end, the kernel knows that everything was read.
        assert_eq!(fake.told(), fake.end);
    }

    #[test]
    fn what_is_no_record_is_counted_and_left_behind() {
        let mut fake = Fake::new(4096);
        let mut ring = fake.reader();
        // Shorter than an event.
        fake.push(&[1; 10], 0).unwrap();
        fake.push(&record(2, 40), 0).unwrap();
        assert_eq!((ring.head(), ring.invalid()), (Some(2), 1));
        ring.pop();
        // Longer than what was written, and longer than the ring.
        for len in [100_u32, 5000, DISCARD - 1] {
            let at = fake.push(&record(3, 40), 0).unwrap();
            fake.write(at, &len.to_le_bytes());
            assert_eq!(ring.head(), None);
            fake.push(&record(4, 40), 0).unwrap();
            assert_eq!(ring.head(), Some(4));
            ring.pop();
        }
        assert_eq!(ring.invalid(), 4);
    }

    #[test]
    fn the_kernel_is_told_in_time() {
        let mut fake = Fake::new(1 << 16);
        let mut ring = fake.reader();
        while fake.push(&record(1, 200), 0).is_some() {}
        let mut read = 0;
        while ring.head().is_some() {
            assert!(read - fake.told() <= (1 << 16) / 8, "{read} read, {} told", fake.told());
            ring.pop();
            read += 208;
        }
        assert_eq!(fake.told(), fake.end);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Whatever is written and read in turns, every record comes once, whole and in order.
        #[test]
        fn every_record_comes_once(
            turns in proptest::collection::vec((0..12_usize, 0..12_usize, 0..900_usize), 1..60),
        ) {
            let mut fake = Fake::new(4096);
            let mut ring = fake.reader();
            let (mut written, mut read) = (Vec::new(), Vec::new());
            let mut number = 0;
            for (writes, reads, len) in turns {
                for _ in 0..writes {
                    number += 1;
                    let record = record(number, len + number as usize % 50);
                    let bits = if number % 5 == 0 { DISCARD } else { 0 };
                    if fake.push(&record, bits).is_some() && bits == 0 {
                        written.push(record);
                    }
                }
                for _ in 0..reads {
                    if ring.head().is_some() {
                        read.push(ring.record().to_vec());
                        ring.pop();
                    }
                }
            }
            while ring.head().is_some() {
                read.push(ring.record().to_vec());
                ring.pop();
            }
            prop_assert_eq!(read, written);
            prop_assert_eq!((ring.invalid(), fake.told()), (0, fake.end));
        }
    }
}
