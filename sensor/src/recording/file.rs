//! [`Recording`]: one capture file, written on a thread of its own.
//!
//! The event path only copies events into a buffer. Full buffers go to the thread, which compresses
//! and writes them, and come back empty. Their number bounds the memory; when none is free, the event
//! path waits ([`WhenFull::Wait`]) or loses the event and counts it ([`WhenFull::Lose`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow, bail};
use falco_capture::{CaptureWriter, Compression, append_event};
use falco_event::RawEvent;
use falco_source::Snapshot;

/// Bytes of events after which a buffer is passed on.
const BUFFER: usize = 256 << 10;
/// Buffers of a recording: a burst of so much is taken in while the disk is busy. They are only made
/// when they are needed.
const BUFFERS: usize = 64;
/// All buffers together hold at most this part of what a file may become: they may be full of what
/// cannot be compressed, and are written when the limit is noticed.
const PART_OF_LIMIT: u64 = 4;
/// How often what there is is brought to the file, in nanoseconds: a capture that is being recorded
/// can be read up to here, and whoever waits for its beginning sees it.
const FLUSH_NS: u64 = 1_000_000_000;
/// How many times smaller events become by compression, to estimate what is not written yet.
const USUAL_RATIO: u64 = 7;

/// What the event path does when the writing thread is behind by all buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Waits.
    Wait,
    /// Loses the event and counts it: alerts do not wait for recordings.
    Lose,
}

/// Where a recording goes.
#[derive(Debug)]
pub enum Destination {
    /// A new file, readable by its owner only (events hold arguments, environments and data). A
    /// file of this name is removed first, never written to: in a directory that others can write
    /// to (`/tmp`), the name may be a trap.
    New(PathBuf),
    /// What is open already, with the name to tell.
    Open(PathBuf, File),
}

impl Destination {
    /// A file that the user named, opened now so that nothing is watched in vain; `-` is stdout. A
    /// regular file that is there already is only overwritten by `force`; pipes and devices are
    /// written to.
    ///
    /// # Errors
    /// If it exists, or cannot be opened.
    pub fn named(path: &Path, force: bool) -> Result<Self> {
        if path.as_os_str() == "-" {
            let stdout = io::stdout();
            if stdout.is_terminal() {
                bail!("-w -: a capture is not for a terminal; redirect stdout");
            }
            let stdout = stdout.as_fd().try_clone_to_owned().context("stdout")?;
            return Ok(Destination::Open(PathBuf::from("stdout"), File::from(stdout)));
        }
        let context = || format!("-w {}", path.display());
        let mut how = OpenOptions::new();
        how.write(true).mode(0o600);
        let file = match how.clone().create_new(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !force && fs::metadata(path).with_context(context)?.is_file() {
                    bail!("-w {}: the file exists; name another one", path.display());
                }
                how.truncate(true).open(path)
            }
            opened => opened,
        };
        Ok(Destination::Open(path.to_owned(), file.with_context(context)?))
    }

    fn path(&self) -> &Path {
        match self {
            Destination::New(path) | Destination::Open(path, _) => path,
        }
    }

    fn open(self) -> io::Result<File> {
        match self {
            Destination::Open(_, file) => Ok(file),
            Destination::New(path) => {
                if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
                    fs::remove_file(&path)?;
                }
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
            }
        }
    }
}

/// A capture that is being written.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    when_full: WhenFull,
    /// Events on their way.
    buffer: Vec<u8>,
    free: Vec<Vec<u8>>,
    work: Sender<Work>,
    done: Receiver<Done>,
    thread: JoinHandle<Result<u64>>,
    events: u64,
    lost: u64,
    refused: u64,
    /// Bytes of the file, as last told by the thread.
    written: u64,
    /// Bytes of events that are passed on, but not part of `written`.
    under_way: u64,
    /// When the file is next brought up to date, nanoseconds since the epoch.
    flush_due: u64,
    /// The thread has ended early; what is wrong comes out at the end.
    broken: bool,
}

/// What the thread is given.
#[derive(Debug)]
enum Work {
    Section(Box<Snapshot>),
    Events(Vec<u8>),
    Flush,
}

/// What the thread gives back.
#[derive(Debug)]
struct Done {
    buffer: Vec<u8>,
    /// Bytes of events that it brought.
    brought: u64,
    /// Bytes of the file so far.
    written: u64,
}

/// What became of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Events in it.
    pub events: u64,
    /// Events that are not in it because the writing thread was behind.
    pub lost: u64,
    /// Events that are not in it because the format has no room for them.
    pub refused: u64,
}

impl Recording {
    /// Starts the thread; it makes the file and writes `snapshot`. `limit` is the size in bytes at
    /// which the caller will end it, if there is one.
    ///
    /// # Errors
    /// If there can be no further thread. What is wrong with the file comes out at the end.
    pub fn start(
        destination: Destination,
        compression: Compression,
        snapshot: Snapshot,
        when_full: WhenFull,
        limit: Option<u64>,
    ) -> Result<Self> {
        let path = destination.path().to_owned();
        let (work, todo) = mpsc::channel();
        let (give_back, done) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || write(destination, compression, &todo, &give_back))
            .with_context(|| format!("cannot record to {}: no thread", path.display()))?;
        let mut recording = Recording {
            path,
            when_full,
            buffer: Vec::with_capacity(BUFFER),
            free: vec![Vec::new(); buffers(limit) - 1],
            work,
            done,
            thread,
            events: 0,
            lost: 0,
            refused: 0,
            written: 0,
            under_way: 0,
            flush_due: 0,
            broken: false,
        };
        recording.give(Work::Section(Box::new(snapshot)));
        Ok(recording)
    }

    /// Stores an event. `flags` stand for its own.
    #[inline]
    pub fn event(&mut self, event: &RawEvent<'_>, flags: u32) {
        if self.buffer.len() >= BUFFER && !self.pass_on() {
            self.lost += u64::from(!self.broken);
            return;
        }
        match append_event(event, flags, &mut self.buffer) {
            Ok(()) => self.events += 1,
            Err(_) => self.refused += 1,
        }
        self.tick(event.ts());
    }

    /// Brings everything so far into the file if it is time to, unless the thread is behind anyway.
    /// Events tell the time, too; who has none calls it with `now`, nanoseconds since the epoch.
    #[inline]
    pub fn tick(&mut self, now: u64) {
        if now >= self.flush_due {
            self.flush();
            self.flush_due = now.saturating_add(FLUSH_NS);
        }
    }

    /// Begins a further section: the tables start anew.
    pub fn section(&mut self, snapshot: Snapshot) {
        self.hand_over();
        self.give(Work::Section(Box::new(snapshot)));
    }

    #[cold]
    fn flush(&mut self) {
        if !self.buffer.is_empty() && self.pass_on() {
            self.give(Work::Flush);
        }
    }

    /// About how large the file is, in bytes, when all that was stored is written.
    #[inline]
    pub fn size(&self) -> u64 {
        self.written + (self.under_way + self.buffer.len() as u64) / USUAL_RATIO
    }

    /// Whether the file cannot be written any more: [`Finishing::join`] says why.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Ends the recording. The thread writes the rest.
    pub fn finish(mut self) -> Finishing {
        self.hand_over();
        let Recording { path, thread, events, lost, refused, .. } = self;
        Finishing { thread, summary: Summary { path, bytes: 0, events, lost, refused } }
    }

    /// Passes the buffer on, if there is another to go on with; whether there is.
    #[cold]
    fn pass_on(&mut self) -> bool {
        let Some(empty) = self.empty_buffer() else { return false };
        let full = std::mem::replace(&mut self.buffer, empty);
        self.under_way += full.len() as u64;
        self.give(Work::Events(full));
        !self.broken
    }

    /// Passes the buffer on even if there is no other.
    fn hand_over(&mut self) {
        if !self.buffer.is_empty() {
            let rest = std::mem::take(&mut self.buffer);
            self.under_way += rest.len() as u64;
            self.give(Work::Events(rest));
        }
    }

    fn give(&mut self, work: Work) {
        self.broken |= self.work.send(work).is_err();
    }

    fn empty_buffer(&mut self) -> Option<Vec<u8>> {
        match self.when_full {
            // Taking back just what is needed, an estimated size depends on the events alone and
            // not on how fast the disk is: a replay records the same every time.
            WhenFull::Wait if self.free.is_empty() => match self.done.recv() {
                Ok(done) => self.take_back(done),
                Err(_) => self.broken = true,
            },
            WhenFull::Wait => {}
            WhenFull::Lose => {
                while let Ok(done) = self.done.try_recv() {
                    self.take_back(done);
                }
            }
        }
        let mut empty = self.free.pop()?;
        empty.reserve(BUFFER);
        Some(empty)
    }

    fn take_back(&mut self, done: Done) {
        self.written = done.written;
        self.under_way = self.under_way.saturating_sub(done.brought);
        self.free.push(done.buffer);
    }
}

/// How many buffers a recording with this limit has.
fn buffers(limit: Option<u64>) -> usize {
    let part = limit.map_or(u64::MAX, |bytes| bytes / PART_OF_LIMIT) / BUFFER as u64;
    usize::try_from(part).unwrap_or(usize::MAX).clamp(2, BUFFERS)
}

/// A recording whose last events are being written.
#[derive(Debug)]
pub struct Finishing {
    thread: JoinHandle<Result<u64>>,
    summary: Summary,
}

impl Finishing {
    /// Whether [`Finishing::join`] would not wait.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// If something could not be written, with path and cause.
    pub fn join(self) -> Result<Summary> {
        let path = &self.summary.path;
        let bytes = match self.thread.join() {
            Ok(result) => result.with_context(|| format!("cannot record to {}", path.display()))?,
            Err(_) => return Err(anyhow!("cannot record to {}: its thread died", path.display())),
        };
        Ok(Summary { bytes, ..self.summary })
    }
}

/// A file that counts what is written to it.
struct Counted {
    file: File,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The thread: writes what it is given until nobody can give it more. Returns the file's size.
fn write(
    destination: Destination,
    compression: Compression,
    todo: &Receiver<Work>,
    give_back: &Sender<Done>,
) -> Result<u64> {
    let output = Counted { file: destination.open()?, bytes: 0 };
    let mut writer = CaptureWriter::new(output, compression);
    for work in todo {
        match work {
            Work::Section(snapshot) => {
                writer.snapshot(&snapshot)?;
                writer.flush()?;
            }
            Work::Events(mut buffer) => {
                writer.blocks(&buffer)?;
                let brought = buffer.len() as u64;
                buffer.clear();
                buffer.shrink_to(2 * BUFFER);
                // Nobody may be there any more to take it back.
                let _ = give_back.send(Done { buffer, brought, written: writer.output().bytes });
            }
            Work::Flush => writer.flush()?,
        }
    }
    Ok(writer.finish()?.bytes)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use falco_event::{EventBuilder, EventCode};

    use super::*;

    /// Waits until `path` is larger than `size`; its size.
    fn grown(path: &Path, size: u64) -> u64 {
        let begin = Instant::now();
        loop {
            let now = fs::metadata(path).map_or(0, |found| found.len());
            if now > size {
                return now;
            }
            assert!(begin.elapsed() < Duration::from_secs(30), "still {now} bytes");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_recording_reaches_its_file_even_if_there_is_no_pause() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("a.scap");
        let new = Destination::New(path.clone());
        let snapshot = Snapshot::default();
        let started = Recording::start(new, Compression::Gzip, snapshot, WhenFull::Lose, None);
        let mut recording = started.unwrap();
        let beginning = grown(&path, 0);
        let mut builder = EventBuilder::new();
        for n in 0..=2 {
            builder.start(n * FLUSH_NS / 2, 1, EventCode::SYSCALL_CLOSE_X).i64(0).i64(3);
            recording.event(&builder.finish(0, 0).unwrap(), 0);
        }
        grown(&path, beginning);
        assert_eq!(recording.finish().join().unwrap().events, 3);
    }
}
