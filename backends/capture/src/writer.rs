//! [`CaptureWriter`]: a snapshot and events as a capture that this crate, Falco and sysdig read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use falco_event::{EventFlags, RawEvent};
use falco_source::Snapshot;
use flate2::write::GzEncoder;
use thiserror::Error;

use crate::blocks::cursor::Writer;
use crate::blocks::{
    HEADER_LEN, TRAILER_LEN, additions, event, fds, interfaces, machine, processes, section, users,
};

/// Why a capture cannot be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The operating system refused.
    #[error("cannot write the capture: {0}")]
    Io(#[from] io::Error),
    /// No reader would take the event.
    #[error("an event of {len} bytes does not fit a capture block of at most {max}")]
    EventTooLong {
        /// Bytes of the event.
        len: usize,
        /// Bytes that its block may hold.
        max: usize,
    },
    /// The event's lengths are not of the width that readers expect of its type.
    #[error("event type {0} has lengths of the wrong width")]
    WrongWidth(u16),
}

/// Whether a capture is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not.
    None,
    /// By gzip: about an eighth of the size.
    Gzip,
}

/// How hard to compress. Measured on captures of a workload: 4 makes them 7.6 to 8.1 times smaller at
/// 300 MB/s, zlib's default (6) 8.5 to 8.8 times at half of that.
const LEVEL: u32 = 4;
/// Threads in one block; readers put blocks together.
const THREADS_PER_BLOCK: usize = 1024;

/// Capture flag that says in memory that an event is LARGE; it is never written.
const DUMP_LARGE: u32 = 4;

/// Writes a capture: [`CaptureWriter::snapshot`] first, then any number of
/// [`CaptureWriter::event`]s, then [`CaptureWriter::finish`].
///
/// What [`CaptureReader`](crate::CaptureReader) gives out and this writes reads back equal, but
/// for the limits of the format: strings are cut to what every reader takes (paths 1,024 bytes,
/// arguments, environment and cgroups 4,096, names of users 255) and end at a NUL, and fds of
/// unknown kind are left out.
///
/// A snapshot after events begins a further section.
#[derive(Debug)]
pub struct CaptureWriter<W: Write> {
    out: Output<W>,
    body: Writer,
}

#[derive(Debug)]
enum Output<W: Write> {
    Plain(BufWriter<W>),
    Gzip(Box<GzEncoder<BufWriter<W>>>),
}

impl CaptureWriter<File> {
    /// Creates the file at `path`, or empties it.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn create(path: impl AsRef<Path>, compression: Compression) -> Result<Self, WriteError> {
        Ok(Self::new(File::create(path)?, compression))
    }
}

impl<W: Write> CaptureWriter<W> {
    /// A capture that goes to `out`.
    pub fn new(out: W, compression: Compression) -> Self {
        let out = BufWriter::new(out);
        let out = match compression {
            Compression::None => Output::Plain(out),
            Compression::Gzip => {
                Output::Gzip(Box::new(GzEncoder::new(out, flate2::Compression::new(LEVEL))))
            }
        };
        CaptureWriter { out, body: Writer::default() }
    }

    /// Begins a section with the state before its first event.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), WriteError> {
        self.block(section::TYPE, section::encode)?;
        if let Some(machine) = &snapshot.machine {
            self.block(machine::TYPE, |out| machine::encode(machine, out))?;
        }
        if additions::is_needed(snapshot) {
            self.block(additions::TYPE, |out| additions::encode(snapshot, out))?;
        }
        if !snapshot.interfaces.is_empty() {
            self.block(interfaces::TYPE, |out| interfaces::encode(&snapshot.interfaces, out))?;
        }
        if !snapshot.users.is_empty() || !snapshot.groups.is_empty() {
            self.block(users::TYPE, |out| users::encode(&snapshot.users, &snapshot.groups, out))?;
        }
        for threads in snapshot.threads.chunks(THREADS_PER_BLOCK) {
            self.block(processes::TYPE, |out| {
                threads.iter().for_each(|thread| processes::encode(thread, out));
            })?;
        }
        for (tid, list) in &snapshot.fds {
            self.block(fds::TYPE, |out| fds::encode(*tid, list, out))?;
        }
        Ok(())
    }

    /// Appends an event, with its CPU and flags.
    ///
    /// # Errors
    /// If readers would not take the event, or the operating system refuses.
    pub fn event(&mut self, event: &RawEvent<'_>) -> Result<(), WriteError> {
        self.body.bytes.clear();
        append_event(event, event.flags(), &mut self.body.bytes)?;
        self.write_body()
    }

    /// Appends what [`append_event`] put into a buffer.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn blocks(&mut self, blocks: &[u8]) -> Result<(), WriteError> {
        match &mut self.out {
            Output::Plain(out) => out.write_all(blocks)?,
            Output::Gzip(out) => out.write_all(blocks)?,
        }
        Ok(())
    }

    /// Hands everything so far to the output, so that what there is can be read. Compression
    /// suffers if it is done often.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        match &mut self.out {
            Output::Plain(out) => out.flush()?,
            Output::Gzip(out) => out.flush()?,
        }
        Ok(())
    }

    /// Where the capture goes. What is still buffered has not come there.
    pub fn output(&self) -> &W {
        match &self.out {
            Output::Plain(out) => out.get_ref(),
            Output::Gzip(out) => out.get_ref().get_ref(),
        }
    }

    /// Writes what is still buffered and gives the output back.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn finish(self) -> Result<W, WriteError> {
        let out = match self.out {
            Output::Plain(out) => out,
            Output::Gzip(out) => out.finish()?,
        };
        out.into_inner().map_err(|error| WriteError::Io(error.into_error()))
    }

    fn block(&mut self, block_type: u32, body: impl FnOnce(&mut Writer)) -> Result<(), WriteError> {
        let block = &mut self.body;
        block.bytes.clear();
        block.u32(block_type).u32(0);
        body(block);
        block.bytes.resize(block.bytes.len().next_multiple_of(4), 0);
        let len = block.bytes.len() + TRAILER_LEN;
        let len = u32::try_from(len)
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "a block over 4 GiB"))?;
        block.bytes[4..HEADER_LEN].copy_from_slice(&len.to_le_bytes());
        block.u32(len);
        self.write_body()
    }

    fn write_body(&mut self) -> Result<(), WriteError> {
        let body = std::mem::take(&mut self.body);
        let result = self.blocks(&body.bytes);
        self.body = body;
        result
    }
}

/// Appends the block of an event to `out`, for [`CaptureWriter::blocks`]: so events can be
/// collected on one thread and written on another. `flags` stand for the event's own.
///
/// # Errors
/// If readers would not take the event; `out` is then as before.
#[inline]
pub fn append_event(event: &RawEvent<'_>, flags: u32, out: &mut Vec<u8>) -> Result<(), WriteError> {
    let flags = flags & !DUMP_LARGE;
    if event.is_large() != event.code().has(EventFlags::LARGE) {
        return Err(WriteError::WrongWidth(event.code().0));
    }
    let bytes = event.bytes();
    let max = event::max_event_len(event.is_large());
    if bytes.len() > max {
        return Err(WriteError::EventTooLong { len: bytes.len(), max });
    }
    let flags_len = if flags == 0 { 0 } else { 4 };
    let unpadded = HEADER_LEN + 2 + flags_len + bytes.len();
    let padded = unpadded.next_multiple_of(4);
    // At most 64 MiB (`max_event_len`).
    let len = (padded + TRAILER_LEN) as u32;
    out.reserve(padded + TRAILER_LEN);
    out.extend_from_slice(&event::type_for(event, flags).to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&event.cpu().to_le_bytes());
    if flags != 0 {
        out.extend_from_slice(&flags.to_le_bytes());
    }
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0; 3][..padded - unpadded]);
    out.extend_from_slice(&len.to_le_bytes());
    Ok(())
}
