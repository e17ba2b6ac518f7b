//! [`EventBuilder`]: makes the bytes of one event. Used by backends that have no kernel to do it
//! (gVisor, ptrace), by the capture reader when it converts old events, and by tests.

use crate::raw::{EventError, HEADER_LEN, RawEvent};
use crate::table::EventCode;
use crate::types::EventFlags;

/// Collects parameters and writes an event. Reusable: [`EventBuilder::start`] begins anew.
#[derive(Debug, Default, Clone)]
pub struct EventBuilder {
    ts: u64,
    tid: i64,
    code: u16,
    lens: Vec<u32>,
    data: Vec<u8>,
    out: Vec<u8>,
}

impl EventBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins an event of type `code` at `ts` nanoseconds since the epoch by thread `tid`.
    pub fn start(&mut self, ts: u64, tid: i64, code: EventCode) -> &mut Self {
        self.ts = ts;
        self.tid = tid;
        self.code = code.0;
        self.lens.clear();
        self.data.clear();
        self
    }

    /// Appends a parameter byte for byte. An empty one means "could not be read".
    pub fn bytes(&mut self, param: &[u8]) -> &mut Self {
        self.lens.push(param.len() as u32);
        self.data.extend_from_slice(param);
        self
    }

    /// Appends an empty parameter.
    pub fn empty(&mut self) -> &mut Self {
        self.bytes(&[])
    }

    /// Appends a `u8`.
    pub fn u8(&mut self, v: u8) -> &mut Self {
        self.bytes(&[v])
    }

    /// Appends a `u16`.
    pub fn u16(&mut self, v: u16) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }

    /// Appends a `u32` (flags, modes, uids, …).
    pub fn u32(&mut self, v: u32) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }

    /// Appends a `u64`.
    pub fn u64(&mut self, v: u64) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }

    /// Appends an `i64` (results, fds, pids).
    pub fn i64(&mut self, v: i64) -> &mut Self {
        self.bytes(&v.to_le_bytes())
    }

    /// Appends text with its NUL.
    pub fn text(&mut self, v: impl AsRef<[u8]>) -> &mut Self {
        let v = v.as_ref();
        self.lens.push(v.len() as u32 + 1);
        self.data.extend_from_slice(v);
        self.data.push(0);
        self
    }

    /// How many parameters there are so far.
    pub fn nparams(&self) -> usize {
        self.lens.len()
    }

    /// Writes the event and views it. Parameters over 65,535 bytes of an event that is not LARGE
    /// are refused.
    ///
    /// # Errors
    /// [`EventError::BadParams`] if a parameter is too long for the event's length width.
    pub fn finish(&mut self, cpu: u16, flags: u32) -> Result<RawEvent<'_>, EventError> {
        let large = EventCode(self.code).has(EventFlags::LARGE);
        let width = if large { 4 } else { 2 };
        let len = HEADER_LEN + self.lens.len() * width + self.data.len();
        let nparams = self.lens.len() as u32;
        if len > u32::MAX as usize || (!large && self.lens.iter().any(|&l| l > u32::from(u16::MAX)))
        {
            return Err(EventError::BadParams {
                code: self.code,
                nparams,
                len: u32::try_from(len).unwrap_or(u32::MAX),
            });
        }
        let out = &mut self.out;
        out.clear();
        out.reserve(len);
        out.extend_from_slice(&self.ts.to_le_bytes());
        out.extend_from_slice(&self.tid.to_le_bytes());
        out.extend_from_slice(&(len as u32).to_le_bytes());
        out.extend_from_slice(&self.code.to_le_bytes());
        out.extend_from_slice(&nparams.to_le_bytes());
        for &l in &self.lens {
            if large {
                out.extend_from_slice(&l.to_le_bytes());
            } else {
                out.extend_from_slice(&(l as u16).to_le_bytes());
            }
        }
        out.extend_from_slice(&self.data);
        RawEvent::parse_as(out, cpu, flags, large)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_reads_back() {
        let mut b = EventBuilder::new();
        let e = b
            .start(7, 42, EventCode::SYSCALL_OPEN_X)
            .i64(3)
            .text("/etc/passwd")
            .u32(1)
            .u32(0o644)
            .empty()
            .u64(99)
            .finish(2, 0)
            .unwrap();
        assert_eq!((e.ts(), e.tid(), e.code(), e.cpu()), (7, 42, EventCode::SYSCALL_OPEN_X, 2));
        assert_eq!(e.nparams(), 6);
        assert_eq!(e.i64(0), Some(3));
        assert_eq!(e.text(1), Some(&b"/etc/passwd"[..]));
        assert_eq!(e.u32(2), Some(1));
        assert_eq!(e.param(4), Some(&[][..]));
        assert_eq!(e.u32(4), None);
        assert_eq!(e.u64(5), Some(99));
        assert_eq!(e.param(6), None);
        assert_eq!(e.params().count(), 6);
        assert_eq!(e.param_named("mode"), Some(&0o644u32.to_le_bytes()[..]));
    }

    #[test]
    fn large_events_have_wide_lengths() {
        let mut b = EventBuilder::new();
        let big = vec![b'x'; 100_000];
        let e = b
            .start(1, 1, EventCode::ASYNCEVENT_E)
            .u32(0)
            .text("container")
            .bytes(&big)
            .finish(0, 0)
            .unwrap();
        assert!(e.is_large());
        assert_eq!(e.param(2).map(<[u8]>::len), Some(100_000));
        b.start(1, 1, EventCode::SYSCALL_OPEN_X).bytes(&big);
        assert!(b.finish(0, 0).is_err());
    }

    #[test]
    fn hostile_lengths_are_errors() {
        let mut b = EventBuilder::new();
        let good = b.start(1, 1, EventCode::SYSCALL_CLOSE_X).i64(0).i64(3).finish(0, 0).unwrap();
        let good = good.bytes().to_vec();
        for end in 0..good.len() {
            assert!(RawEvent::parse(&good[..end], 0, 0).is_err());
        }
        for (at, byte) in [(16, 0), (16, 255), (22, 255), (25, 255), (26, 255), (29, 255)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(RawEvent::parse(&bad, 0, 0).is_err(), "byte {at}={byte}");
        }
    }
}
