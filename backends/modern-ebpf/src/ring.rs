//! Reading a BPF ring buffer where it lies, without copying and without a system call an event.
//!
//! The kernel maps a page with the consumer's position, which is ours to write, a page with the
//! producer's, and the data twice in a row, so that a record is always in one piece. A record is a
//! header of eight bytes (its length, with a bit for "still being written" and one for "never mind"),
//! then its bytes; the next one begins at a multiple of eight. Source: Linux `kernel/bpf/ringbuf.c`,
//! `Documentation/bpf/ringbuf.rst`.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use falco_event::raw::HEADER_LEN;

use crate::merge::Queue;
use crate::sys::{Map, Mapping, page_size};

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
    /// Records that were no events.
    invalid: u64,
}

impl Ring {
    /// Maps a map of type `BPF_MAP_TYPE_RINGBUF`.
    pub(crate) fn new(map: &Map, cpu: u16) -> io::Result<Self> {
        let (size, page) = (map.max_entries() as usize, page_size());
        let consumer = Mapping::new(map.as_fd(), page, 0, true)?;
        let producer = Mapping::new(map.as_fd(), page + 2 * size, page, false)?;
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
        let start = self.offset(self.at + RECORD_HEADER);
        // SAFETY: `look` has set `len` only if the record ends before the producer's position and
        // within the size of the ring, so it lies in the two mappings of the data in a row. It is
        // complete (not busy), and the kernel writes there no more until the consumer's position,
        // which only `pop` and `look` move, and they need `&mut self`, is past it.
        unsafe { std::slice::from_raw_parts(self.data().add(start), self.len as usize) }
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
        // SAFETY: the mapping is a page and twice the data long.
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
