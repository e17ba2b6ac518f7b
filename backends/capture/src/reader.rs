//! [`CaptureReader`]: a capture as a [`Source`].
//!
//! The reader holds one block at a time in a window over the uncompressed bytes (`stream`). An
//! event that is of today's schema is borrowed from there; one that is not passes through
//! [`Converter`]. What is inside blocks is decoded in [`crate::blocks`].

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use falco_event::RawEvent;
use falco_event::raw::HEADER_LEN as EVENT_HEADER_LEN;
use falco_source::mapped::MappedFile;
use falco_source::{Capabilities, Next, Progress, Snapshot, Source, SourceError, Stats};

use crate::blocks::additions::Additions;
use crate::blocks::event::{self, Form};
use crate::blocks::{
    HEADER_LEN, Kind, Malformed, TRAILER_LEN, additions, fds, interfaces, machine, processes,
    section, users,
};
use crate::convert::{Converter, Verdict, convertibility};
use crate::inflate::is_gzip;
use crate::stream::{End, Memory, Stream};

/// Most bytes before the events. A list of all threads of a large machine is some megabytes.
const MAX_PREAMBLE: usize = 1 << 30;
/// Bytes that are read at once from a pipe or a compressed file.
const INPUT_BUFFER: usize = 64 << 10;

/// Reads a `.scap` capture, plain or gzip-compressed.
///
/// ```
/// use falco_capture::CaptureReader;
/// use falco_source::{Next, Source};
///
/// fn count(path: &str) -> Result<u64, falco_source::SourceError> {
///     let mut capture = CaptureReader::open(path)?;
///     let _threads_and_fds = capture.start()?;
///     let mut events = 0;
///     loop {
///         match capture.next()? {
///             Next::Event(_) => events += 1,
///             Next::End => return Ok(events),
///             _ => {}
///         }
///     }
/// }
/// # assert!(count("/nonexistent.scap").is_err());
/// ```
pub struct CaptureReader {
    name: String,
    stream: Stream,
    /// Bytes of the block that was given out last; they are passed over with the next call.
    given: usize,
    state: Cell<State>,
    converter: Converter,
    /// A version 1 event with the header of today.
    modern: Vec<u8>,
    stats: Stats,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the section header.
    New,
    /// At a block behind the preamble.
    Events,
    /// Behind the last block, or behind an error.
    Done,
}

/// Where the event of a block is.
enum Found {
    /// In the block in the window.
    Block(Form),
    /// In the converter, as it came from the event.
    Converted {
        cpu: u16,
        flags: u32,
    },
    /// In `modern`.
    Modern {
        cpu: u16,
        flags: u32,
    },
    Section,
    End,
}

impl Found {
    #[inline]
    fn is_event(&self) -> bool {
        !matches!(self, Found::Section | Found::End)
    }
}

impl CaptureReader {
    /// Opens the capture at `path`; `-` is standard input. Plain files are mapped, everything
    /// else is streamed.
    ///
    /// # Errors
    /// If the file cannot be opened or read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            return Self::piped("standard input".to_owned(), io::stdin());
        }
        let name = path.display().to_string();
        let io = |error| SourceError::Io { what: format!("cannot open capture {name}"), error };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        match MappedFile::map(&file) {
            Ok(mapped) if metadata.is_file() && is_gzip(&mapped) => {
                let input = BufReader::with_capacity(INPUT_BUFFER, file);
                Ok(Self::new(name, Stream::refilled(Box::new(input), Some(metadata.len()), true)))
            }
            Ok(mapped) if metadata.is_file() => {
                mapped.read_sequentially();
                Ok(Self::new(name, Stream::whole(Memory::Mapped(mapped))))
            }
            _ => Self::piped(name, file),
        }
    }

    /// Reads a capture that is in memory. `name` stands in messages.
    pub fn from_bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        let stream = if is_gzip(&bytes) {
            let total = bytes.len() as u64;
            Stream::refilled(Box::new(Cursor::new(bytes)), Some(total), true)
        } else {
            Stream::whole(Memory::Owned(bytes))
        };
        Self::new(name.into(), stream)
    }

    fn piped(name: String, mut input: impl Read + Send + 'static) -> Result<Self, SourceError> {
        // Two bytes tell gzip from plain; a pipe may give them one by one.
        let mut magic = Vec::new();
        if let Err(error) = input.by_ref().take(2).read_to_end(&mut magic) {
            return Err(SourceError::Io { what: format!("cannot read capture {name}"), error });
        }
        let gzip = is_gzip(&magic);
        let input = Cursor::new(magic).chain(input);
        let input = BufReader::with_capacity(INPUT_BUFFER, input);
        Ok(Self::new(name, Stream::refilled(Box::new(input), None, gzip)))
    }

    fn new(name: String, stream: Stream) -> Self {
        CaptureReader {
            name,
            stream,
            given: 0,
            state: Cell::new(State::New),
            converter: Converter::new(),
            modern: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Makes the block at the position available: its kind and length. `None` at a clean end.
    fn block(&mut self) -> Result<Option<(Kind, usize)>, SourceError> {
        let have = self.stream.fill(HEADER_LEN);
        if have < HEADER_LEN {
            return if have == 0 { self.ended() } else { Err(self.short("a block header")) };
        }
        let window = self.stream.window();
        let (Some(block_type), Some(len)) = (event::u32_at(window, 0), event::u32_at(window, 4))
        else {
            return Err(self.short("a block header"));
        };
        Ok(Some((Kind::of(block_type), len as usize)))
    }

    /// Makes all `len` bytes of the block at the position available.
    fn whole_block(&mut self, len: usize, what: &str) -> Result<(), SourceError> {
        if self.stream.fill(len) < len {
            return Err(self.short(what));
        }
        let trailer = event::u32_at(self.stream.window(), len - TRAILER_LEN);
        if trailer != Some(len as u32) {
            return Err(self.bad_trailer(len));
        }
        Ok(())
    }

    /// Reads the section at the position up to its first event.
    fn section(&mut self) -> Result<Snapshot, SourceError> {
        self.converter.clear();
        match self.block()? {
            Some((Kind::Section, len)) => {
                self.list_block(len, "the section header")?;
                let result = section::check(self.body(len));
                self.checked(result)?;
                self.stream.consume(len);
            }
            Some(_) => return Err(self.corrupt(0, "a section header is expected here")),
            None => return Err(self.corrupt(0, "the capture is empty")),
        }
        let start = self.stream.offset();
        let mut snapshot = Snapshot::default();
        let mut additions = None;
        while self.preamble_block(&mut snapshot, &mut additions)? {
            if self.stream.offset() - start > MAX_PREAMBLE as u64 {
                return Err(self.corrupt(0, "more than 1 GiB of lists stand before the events"));
            }
        }
        if let Some(additions) = additions {
            additions.apply(&mut snapshot);
        }
        Ok(snapshot)
    }

    /// Reads the block at the position unless it is an event; returns whether it was not.
    fn preamble_block(
        &mut self,
        snapshot: &mut Snapshot,
        additions: &mut Option<Additions>,
    ) -> Result<bool, SourceError> {
        let Some((kind, len)) = self.block()? else {
            return Err(self.corrupt(0, "there are no events: the capture ends with its preamble"));
        };
        match kind {
            Kind::Event(_) => return Ok(false),
            Kind::Section => return Err(self.corrupt(0, "a section without events")),
            Kind::Machine => {
                self.list_block(len, "the machine info")?;
                let result = machine::decode(self.body(len));
                snapshot.machine = Some(self.checked(result)?);
            }
            Kind::Processes(version) => {
                self.list_block(len, "the process list")?;
                let result = processes::decode(self.body(len), version, &mut snapshot.threads);
                self.checked(result)?;
            }
            Kind::Fds { sized } => {
                self.list_block(len, "an fd list")?;
                let result = fds::decode(self.body(len), sized);
                snapshot.fds.push(self.checked(result)?);
            }
            Kind::Interfaces { sized } => {
                self.list_block(len, "the interface list")?;
                let result = interfaces::decode(self.body(len), sized);
                snapshot.interfaces = self.checked(result)?;
            }
            Kind::Users { sized } => {
                self.list_block(len, "the user list")?;
                let result = users::decode(self.body(len), sized);
                (snapshot.users, snapshot.groups) = self.checked(result)?;
            }
            Kind::Additions => {
                self.list_block(len, "the additions")?;
                let result = additions::decode(self.body(len));
                *additions = Some(self.checked(result)?);
            }
            Kind::Unknown => return self.skip_block(len).map(|()| true),
        }
        self.stream.consume(len);
        Ok(true)
    }

    /// Makes a block of the preamble available whole.
    fn list_block(&mut self, len: usize, what: &str) -> Result<(), SourceError> {
        if !(HEADER_LEN + TRAILER_LEN..=MAX_PREAMBLE).contains(&len) {
            return Err(self.corrupt(4, &format!("{what} has an impossible length of {len}")));
        }
        self.whole_block(len, what)
    }

    /// Passes over a block of a newer format.
    fn skip_block(&mut self, len: usize) -> Result<(), SourceError> {
        let Some(rest) = len.checked_sub(TRAILER_LEN).filter(|&rest| rest >= HEADER_LEN) else {
            return Err(self.corrupt(4, &format!("a block has an impossible length of {len}")));
        };
        let start = self.stream.offset();
        if self.stream.skip(rest) < rest || self.stream.fill(TRAILER_LEN) < TRAILER_LEN {
            return Err(match self.short("a block of unknown type") {
                SourceError::Truncated { name, what, .. } => {
                    SourceError::Truncated { name, what, offset: start }
                }
                other => other,
            });
        }
        if event::u32_at(self.stream.window(), 0) != Some(len as u32) {
            return Err(self.corrupt(0, &format!("a block ends with another length than {len}")));
        }
        self.stream.consume(TRAILER_LEN);
        Ok(())
    }

    /// The body of the block in the window.
    fn body(&self, len: usize) -> &[u8] {
        self.stream.window().get(HEADER_LEN..len - TRAILER_LEN).unwrap_or_default()
    }

    /// Goes to the next event that is delivered, whatever it takes.
    fn find(&mut self) -> Result<Found, SourceError> {
        loop {
            self.stream.consume(self.given);
            self.given = 0;
            let Some((kind, len)) = self.block()? else { return Ok(Found::End) };
            let Kind::Event(form) = kind else { return Ok(Found::Section) };
            let result = form.check_len(len);
            self.checked_at(0, result)?;
            self.whole_block(len, "an event")?;
            self.given = len;

            let event = self.event_bytes(form);
            let Some(code) = event::code_of(event) else { continue };
            if !code.is_known() {
                self.stats.skipped_unknown += 1;
                continue;
            }
            if form.v1 {
                if let Some(found) = self.modernize(form)? {
                    return Ok(found);
                }
                continue;
            }
            // `check_len` left room for the header.
            let nparams = event::u32_at(event, EVENT_HEADER_LEN - 4).unwrap_or(0);
            match convertibility(code, nparams as usize) {
                Ok(Verdict::Pass) => return Ok(Found::Block(form)),
                _ => {
                    if let Some(found) = self.convert(form)? {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// The event in the block in the window, with its padding.
    #[inline]
    fn event_bytes(&self, form: Form) -> &[u8] {
        let end = self.given - TRAILER_LEN;
        self.stream.window().get(form.event_at()..end).unwrap_or_default()
    }

    /// Gives the version 1 event in the window a header of today, and converts it if need be.
    fn modernize(&mut self, form: Form) -> Result<Option<Found>, SourceError> {
        let mut modern = std::mem::take(&mut self.modern);
        let result = event::modernize_v1(self.event_bytes(form), &mut modern);
        self.modern = modern;
        self.checked_at(form.event_at(), result)?;
        self.convert(form)
    }

    /// Converts the event in `modern` (version 1) or the window; `None` if it is not delivered.
    fn convert(&mut self, form: Form) -> Result<Option<Found>, SourceError> {
        let (cpu, flags) = form.cpu_and_flags(self.stream.window());
        let range = form.event_at()..self.given - TRAILER_LEN;
        let bytes = match form.v1 {
            true => self.modern.as_slice(),
            false => self.stream.window().get(range).unwrap_or_default(),
        };
        let result =
            RawEvent::parse(bytes, cpu, flags).map_err(|e| e.to_string()).and_then(|event| {
                let nparams = event.nparams();
                match convertibility(event.code(), nparams).map_err(|e| e.to_string())? {
                    Verdict::Pass => Ok(Some(Found::Modern { cpu, flags })),
                    Verdict::Drop => Ok(None),
                    Verdict::Convert => match self.converter.convert(&event) {
                        Ok(Some(_)) => Ok(Some(Found::Converted { cpu, flags })),
                        Ok(None) => Ok(None),
                        Err(error) => Err(error.to_string()),
                    },
                }
            });
        if let Ok(None) = result {
            self.stats.converted_away += 1;
        }
        result.map_err(|what| self.corrupt(form.event_at(), &what))
    }

    fn checked<T>(&self, result: Result<T, Malformed>) -> Result<T, SourceError> {
        self.checked_at(HEADER_LEN, result)
    }

    /// Turns what is wrong inside the block at the position, counted from `at`, into an error.
    #[inline]
    fn checked_at<T>(&self, at: usize, result: Result<T, Malformed>) -> Result<T, SourceError> {
        result.map_err(|bad| self.corrupt(at + bad.at, &bad.what))
    }

    #[cold]
    fn bad_trailer(&self, len: usize) -> SourceError {
        let trailer = event::u32_at(self.stream.window(), len - TRAILER_LEN).unwrap_or(0);
        let what = format!("a block's length is {len} at its begin but {trailer} at its end");
        self.corrupt(4, &what)
    }

    /// An error at `at` bytes from the position.
    #[cold]
    fn corrupt(&self, at: usize, what: &str) -> SourceError {
        self.state.set(State::Done);
        let offset = self.stream.offset() + at as u64;
        SourceError::Corrupt { name: self.name.clone(), what: what.to_owned(), offset }
    }

    #[cold]
    fn truncated(&self, what: &str) -> SourceError {
        self.state.set(State::Done);
        let offset = self.stream.offset();
        SourceError::Truncated { name: self.name.clone(), what: what.to_owned(), offset }
    }

    /// The error for a stream that ended inside `what`.
    #[cold]
    fn short(&mut self, what: &str) -> SourceError {
        self.state.set(State::Done);
        match self.stream.end() {
            End::Clean => self.truncated(&format!("the capture ends inside {what}")),
            broken => self.broken(broken),
        }
    }

    /// The end of the stream between two blocks, which is clean unless compression says otherwise.
    #[cold]
    fn ended<T>(&mut self) -> Result<Option<T>, SourceError> {
        self.state.set(State::Done);
        match self.stream.end() {
            End::Clean => Ok(None),
            broken => Err(self.broken(broken)),
        }
    }

    fn broken(&self, end: End) -> SourceError {
        match end {
            End::Clean | End::Truncated => self.truncated("the gzip stream breaks off"),
            End::Corrupt(what) => self.corrupt(self.stream.window().len(), &what),
            End::Io(error) => {
                SourceError::Io { what: format!("cannot read capture {}", self.name), error }
            }
        }
    }
}

impl Source for CaptureReader {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "replay", live: false, enter_events: true }
    }

    fn start(&mut self) -> Result<Snapshot, SourceError> {
        let snapshot = self.section()?;
        self.state.set(State::Events);
        Ok(snapshot)
    }

    #[inline]
    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        if self.state.get() != State::Events {
            return Ok(Next::End);
        }
        self.stream.consume(self.given);
        self.given = 0;
        if let Some((len, cpu)) = event::common_block(self.stream.window()) {
            self.given = len;
            self.stats.events += 1;
            return match RawEvent::parse(self.event_bytes(Form::V2), cpu, 0) {
                Ok(event) => Ok(Next::Event(event)),
                Err(error) => Err(self.corrupt(Form::V2.event_at(), &error.to_string())),
            };
        }
        let found = self.find()?;
        self.stats.events += u64::from(found.is_event());
        let event = match found {
            Found::End => return Ok(Next::End),
            Found::Section => return Ok(Next::Snapshot(Box::new(self.section()?))),
            Found::Block(form) => {
                let (cpu, flags) = form.cpu_and_flags(self.stream.window());
                RawEvent::parse(self.event_bytes(form), cpu, flags)
            }
            Found::Modern { cpu, flags } => RawEvent::parse(&self.modern, cpu, flags),
            Found::Converted { cpu, flags } => self.converter.converted(cpu, flags),
        };
        event.map(Next::Event).map_err(|error| self.corrupt(HEADER_LEN, &error.to_string()))
    }

    fn stats(&self) -> Stats {
        Stats {
            enters_missing: self.converter.enters_missing(),
            enters_evicted: self.converter.enters_evicted(),
            ..self.stats
        }
    }

    fn progress(&self) -> Option<Progress> {
        self.stream.progress()
    }
}
