//! What the tests of this crate share: a builder of captures byte by byte, a collector of what a
//! reader gives out, and the way to the recorded material beside the repository.
#![allow(dead_code)] // each test crate uses its part
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic or a line is the report

use std::path::PathBuf;

use falco_capture::CaptureReader;
use falco_event::EventCode;
use falco_source::{Next, Snapshot, Source, SourceError, Stats};

/// Puts a capture together from blocks.
#[derive(Clone, Default)]
pub struct Blocks {
    pub bytes: Vec<u8>,
}

impl Blocks {
    /// A capture that begins with a section header.
    pub fn new() -> Self {
        Blocks::default().section()
    }

    pub fn section(self) -> Self {
        let body = Bytes::new().u32(0x1A2B_3C4D).u16(1).u16(2).u64(u64::MAX);
        self.block(0x0A0D_0D0A, body)
    }

    pub fn block(mut self, block_type: u32, body: Bytes) -> Self {
        let mut body = body.0;
        body.resize(body.len().next_multiple_of(4), 0);
        let len = body.len() as u32 + 12;
        let block = Bytes::new().u32(block_type).u32(len).raw(&body).u32(len);
        self.bytes.extend(block.0);
        self
    }

    /// A version 2 event block.
    pub fn event(self, event: Bytes) -> Self {
        self.block(0x216, Bytes::new().u16(3).raw(&event.0))
    }

    /// An event that needs no conversion.
    pub fn any_event(self) -> Self {
        self.event(close(1))
    }

    pub fn reader(&self) -> CaptureReader {
        CaptureReader::from_bytes("test.scap", self.bytes.clone())
    }

    pub fn read(&self) -> Read {
        read(self.reader())
    }

    /// The snapshot of a capture of which an event was not yet added.
    pub fn snapshot(self) -> Snapshot {
        self.any_event().read().ok().snapshots.remove(0)
    }

    /// The error with which opening fails.
    pub fn refused(self) -> SourceError {
        self.any_event().reader().start().expect_err("the capture is wrong")
    }
}

/// Little-endian bytes.
#[derive(Clone, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn new() -> Self {
        Bytes::default()
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn u8(self, v: u8) -> Self {
        self.raw(&[v])
    }

    pub fn u16(self, v: u16) -> Self {
        self.raw(&v.to_le_bytes())
    }

    pub fn u32(self, v: u32) -> Self {
        self.raw(&v.to_le_bytes())
    }

    pub fn u64(self, v: u64) -> Self {
        self.raw(&v.to_le_bytes())
    }

    /// Bytes with a `u16` length before them.
    pub fn text(self, text: &str) -> Self {
        self.u16(text.len() as u16).raw(text.as_bytes())
    }

    /// A `u32` length, which counts itself, before the bytes.
    pub fn sized(self) -> Self {
        let len = self.0.len() as u32 + 4;
        Bytes::new().u32(len).raw(&self.0)
    }
}

/// The bytes of an event with a version 2 header and `u16` lengths.
pub fn event(code: EventCode, tid: i64, params: &[&[u8]]) -> Bytes {
    let data: usize = params.iter().map(|p| p.len()).sum();
    let len = 26 + params.len() * 2 + data;
    let mut out = Bytes::new().u64(1_000_000_007).u64(tid as u64).u32(len as u32).u16(code.0);
    out = out.u32(params.len() as u32);
    out = params.iter().fold(out, |out, p| out.u16(p.len() as u16));
    params.iter().fold(out, |out, p| out.raw(p))
}

/// The same with the header of version 1.
pub fn event_v1(code: EventCode, tid: i64, params: &[&[u8]]) -> Bytes {
    let v2 = event(code, tid, params).0;
    let mut v1 = v2[..22].to_vec();
    v1.extend_from_slice(&v2[26..]);
    let len = v1.len() as u32;
    v1[16..20].copy_from_slice(&len.to_le_bytes());
    Bytes(v1)
}

/// A close event of today.
pub fn close(tid: i64) -> Bytes {
    event(EventCode::SYSCALL_CLOSE_X, tid, &[&0_i64.to_le_bytes(), &3_i64.to_le_bytes()])
}

/// An event that a reader gave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub bytes: Vec<u8>,
    pub code: EventCode,
    pub cpu: u16,
    pub flags: u32,
}

impl Given {
    pub fn params(&self) -> Vec<Vec<u8>> {
        let event = falco_event::RawEvent::parse(&self.bytes, self.cpu, self.flags).unwrap();
        event.params().map(<[u8]>::to_vec).collect()
    }
}

/// Everything that a reader gave out.
#[derive(Debug)]
pub struct Read {
    pub snapshots: Vec<Snapshot>,
    pub events: Vec<Given>,
    pub stats: Stats,
    pub error: Option<SourceError>,
}

impl Read {
    /// This, if no error ended it.
    pub fn ok(self) -> Self {
        assert!(self.error.is_none(), "{:?}", self.error);
        self
    }

    /// The event types.
    pub fn codes(&self) -> Vec<EventCode> {
        self.events.iter().map(|event| event.code).collect()
    }
}

/// Reads a capture to its end or first error.
pub fn read(mut reader: CaptureReader) -> Read {
    let (mut snapshots, mut events, mut error) = (Vec::new(), Vec::new(), None);
    match reader.start() {
        Ok(snapshot) => snapshots.push(snapshot),
        Err(e) => error = Some(e),
    }
    while error.is_none() {
        match reader.next() {
            Ok(Next::Event(event)) => events.push(Given {
                bytes: event.bytes().to_vec(),
                code: event.code(),
                cpu: event.cpu(),
                flags: event.flags(),
            }),
            Ok(Next::Snapshot(snapshot)) => snapshots.push(*snapshot),
            Ok(Next::Idle) => panic!("captures do not idle"),
            Ok(Next::End) => break,
            Err(e) => error = Some(e),
        }
    }
    if error.is_some() {
        assert!(matches!(reader.next(), Ok(Next::End)), "something follows an error");
    }
    Read { snapshots, events, stats: reader.stats(), error }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let level = flate2::Compression::fast();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The path of recorded material beside the repository, or `None`, said loudly, without it.
pub fn shared(path: &str) -> Option<PathBuf> {
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if shared.exists() {
        return Some(shared);
    }
    // Straight to the stream: the test harness would swallow what a passing test prints.
    let missing = format!("IGNORED: {} is not there, so a test checks nothing\n", shared.display());
    std::io::Write::write_all(&mut std::io::stderr(), missing.as_bytes()).unwrap();
    None
}
