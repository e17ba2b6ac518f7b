//! The uncompressed bytes of a capture as a window that moves forward.
//!
//! Whether the bytes lie in memory (a mapping, a vector) or come piece by piece (a pipe, gzip),
//! the reader sees one slice from its position on, asks for more with [`Stream::fill`] and moves
//! on with [`Stream::consume`]. Events are borrowed from the window, never copied out of it.

use std::io::{self, BufRead};
use std::ops::Range;

use falco_source::Progress;
use falco_source::mapped::MappedFile;

use crate::inflate::{Gunzip, Outcome};

/// Bytes of a capture that are all in memory.
pub(crate) enum Memory {
    Mapped(MappedFile),
    Owned(Vec<u8>),
}

impl AsRef<[u8]> for Memory {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Memory::Mapped(file) => file,
            Memory::Owned(bytes) => bytes,
        }
    }
}

impl Memory {
    /// Says that a part is not needed again.
    #[cold]
    fn release(&self, part: Range<usize>) {
        match self {
            Memory::Mapped(file) => file.release(part),
            Memory::Owned(_) => {}
        }
    }
}

/// Bytes of a mapping that stay resident behind the position.
const RELEASE: usize = 1 << 20;

/// Why there are no more bytes.
pub(crate) enum End {
    /// The input ends here.
    Clean,
    /// The compressed stream breaks off.
    Truncated,
    /// The compressed stream is broken.
    Corrupt(String),
    /// The operating system refused.
    Io(io::Error),
}

/// The window.
pub(crate) enum Stream {
    Whole { bytes: Memory, at: usize, released: usize },
    Refilled(Box<Refilled>),
}

impl Stream {
    pub(crate) fn whole(bytes: Memory) -> Self {
        Stream::Whole { bytes, at: 0, released: 0 }
    }

    /// Reads from `input`, of `total` bytes if that is known, decompressing if `gzip`.
    pub(crate) fn refilled(input: Box<dyn BufRead + Send>, total: Option<u64>, gzip: bool) -> Self {
        Stream::Refilled(Box::new(Refilled {
            input,
            gunzip: gzip.then(Gunzip::default),
            buf: vec![0; BUFFER],
            start: 0,
            end: 0,
            offset: 0,
            taken: 0,
            total,
            ended: None,
        }))
    }

    /// What is available from the position on.
    #[inline]
    pub(crate) fn window(&self) -> &[u8] {
        match self {
            Stream::Whole { bytes, at, .. } => &bytes.as_ref()[*at..],
            Stream::Refilled(stream) => &stream.buf[stream.start..stream.end],
        }
    }

    /// Makes `n` bytes available, or all that are left. Returns how many are.
    #[inline]
    pub(crate) fn fill(&mut self, n: usize) -> usize {
        match self {
            Stream::Whole { bytes, at, .. } => bytes.as_ref().len() - *at,
            Stream::Refilled(stream) => {
                let have = stream.end - stream.start;
                if have >= n { have } else { stream.refill(n) }
            }
        }
    }

    /// Moves the position by `n` available bytes.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) {
        match self {
            Stream::Whole { bytes, at, released } => {
                *at = (*at + n).min(bytes.as_ref().len());
                if *at - *released >= RELEASE {
                    bytes.release(*released..*at);
                    *released = *at;
                }
            }
            Stream::Refilled(stream) => {
                let n = n.min(stream.end - stream.start);
                stream.start += n;
                stream.offset += n as u64;
            }
        }
    }

    /// Moves the position by `n` bytes, available or not. Returns how many there were.
    pub(crate) fn skip(&mut self, n: usize) -> usize {
        let mut skipped = 0;
        while skipped < n {
            let step = self.fill((n - skipped).min(BUFFER)).min(n - skipped);
            if step == 0 {
                break;
            }
            self.consume(step);
            skipped += step;
        }
        skipped
    }

    /// The position in the uncompressed stream, in bytes.
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Stream::Whole { at, .. } => *at as u64,
            Stream::Refilled(stream) => stream.offset,
        }
    }

    /// Why [`Stream::fill`] gave fewer bytes than asked for.
    pub(crate) fn end(&mut self) -> End {
        match self {
            Stream::Whole { .. } => End::Clean,
            Stream::Refilled(stream) => stream.ended.take().unwrap_or(End::Clean),
        }
    }

    /// How much of the input (compressed, if it is) is used up.
    pub(crate) fn progress(&self) -> Option<Progress> {
        match self {
            Stream::Whole { bytes, at, .. } => {
                Some(Progress { done: *at as u64, total: bytes.as_ref().len() as u64 })
            }
            Stream::Refilled(stream) => Some(Progress { done: stream.taken, total: stream.total? }),
        }
    }
}

/// The usual size of the buffer in bytes: it and the decompressor's window fit a core's cache.
const BUFFER: usize = 256 << 10;

/// A buffer that is refilled from an input.
pub(crate) struct Refilled {
    input: Box<dyn BufRead + Send>,
    gunzip: Option<Gunzip>,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Position of `start` in the uncompressed stream.
    offset: u64,
    /// Bytes of input used up.
    taken: u64,
    total: Option<u64>,
    ended: Option<End>,
}

impl Refilled {
    /// Reads until `n` bytes are available or the input ends.
    ///
    /// The buffer grows only when it is full of data, so a length that promises what the input
    /// does not hold costs nothing.
    #[cold]
    fn refill(&mut self, n: usize) -> usize {
        self.buf.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buf.len() > BUFFER && n <= BUFFER {
            self.buf.truncate(BUFFER);
            self.buf.shrink_to_fit();
        }
        while self.end < n && self.ended.is_none() {
            if self.end == self.buf.len() {
                self.buf.resize(self.buf.len().saturating_mul(2).min(n), 0);
            }
            self.ended = self.read_once();
        }
        self.end
    }

    /// One piece of input to the free end of the buffer (which is not empty).
    fn read_once(&mut self) -> Option<End> {
        let input = match self.input.fill_buf() {
            Ok(input) => input,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return None,
            Err(error) => return Some(End::Io(error)),
        };
        let output = &mut self.buf[self.end..];
        let (read, written, ended) = match &mut self.gunzip {
            Some(gunzip) if input.is_empty() && !gunzip.at_member_end() => {
                // What the decompressor still holds comes out before the bad news.
                let rest = gunzip.inflate(&[], output).written;
                (0, rest, (rest == 0).then_some(End::Truncated))
            }
            _ if input.is_empty() => (0, 0, Some(End::Clean)),
            None => {
                let n = input.len().min(output.len());
                output[..n].copy_from_slice(&input[..n]);
                (n, n, None)
            }
            Some(gunzip) => {
                let done = gunzip.inflate(input, output);
                let ended = match done.outcome {
                    Outcome::More => None,
                    Outcome::TrailingGarbage => Some(End::Clean),
                    Outcome::Corrupt(what) => Some(End::Corrupt(what)),
                };
                (done.read, done.written, ended)
            }
        };
        self.input.consume(read);
        self.taken += read as u64;
        self.end += written;
        ended
    }
}
