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
    HEADER_LEN, TRAILER_LEN, event, fds, interfaces, machine, processes, section, users,
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
                Output::Gzip(Box::new(GzEncoder::new(out, flate2::Compression::default())))
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
        let flags = event.flags() & !DUMP_LARGE;
        if event.is_large() != event.code().has(EventFlags::LARGE) {
            return Err(WriteError::WrongWidth(event.code().0));
        }
        let max = event::max_event_len(event.is_large());
        if event.bytes().len() > max {
            return Err(WriteError::EventTooLong { len: event.bytes().len(), max });
        }
        self.block(event::type_for(event, flags), |out| {
            out.u16(event.cpu());
            if flags != 0 {
                out.u32(flags);
            }
            out.put(event.bytes());
        })
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
        match &mut self.out {
            Output::Plain(out) => out.write_all(&block.bytes)?,
            Output::Gzip(out) => out.write_all(&block.bytes)?,
        }
        Ok(())
    }
}
