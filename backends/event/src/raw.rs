//! [`RawEvent`]: a borrowed view over one event's bytes, validated once, read without copying.
//!
//! Layout (V2 header, little-endian, packed): `u64 ts, u64 tid, u32 len, u16 type, u32 nparams`,
//! then `nparams` lengths (`u16`; `u32` for events flagged LARGE), then the parameters back to
//! back. Everything comes from outside, so nothing here panics, whatever the bytes are.

use thiserror::Error;

use crate::table::{EventCode, EventInfo};
use crate::types::EventFlags;

/// Bytes of the event header.
pub const HEADER_LEN: usize = 26;

/// Why bytes are not an event.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// Fewer bytes than a header.
    #[error("event of {have} bytes is shorter than its {HEADER_LEN}-byte header")]
    ShortHeader {
        /// Bytes that there are.
        have: usize,
    },
    /// The header's length disagrees with the bytes.
    #[error("event length {len} does not fit the {have} bytes that hold it")]
    BadLength {
        /// What the header says.
        len: u32,
        /// Bytes that there are.
        have: usize,
    },
    /// The parameter lengths do not fit.
    #[error("the {nparams} parameters of event type {code} do not fit its {len} bytes")]
    BadParams {
        /// Event type number.
        code: u16,
        /// Parameters that the header names.
        nparams: u32,
        /// Event length in bytes.
        len: u32,
    },
}

/// One event, borrowed from a ring, a mapping or a buffer.
#[derive(Clone, Copy, Debug)]
pub struct RawEvent<'a> {
    /// The whole event, header included.
    bytes: &'a [u8],
    /// The parameter lengths.
    lens: &'a [u8],
    /// The parameters.
    data: &'a [u8],
    code: EventCode,
    large: bool,
    cpu: u16,
    flags: u32,
}

/// Capture flag: update tables, do not evaluate (libscap `SCAP_DF_STATE_ONLY`).
pub const DUMP_STATE_ONLY: u32 = 1;

impl<'a> RawEvent<'a> {
    /// Reads the event at the start of `bytes`. Whether lengths are `u16` or `u32` follows from
    /// the table's LARGE flag.
    ///
    /// # Errors
    /// If the header is short, or its length or the parameters' do not fit the bytes.
    #[inline]
    pub fn parse(bytes: &'a [u8], cpu: u16, flags: u32) -> Result<Self, EventError> {
        let code = code_of(bytes)?;
        Self::parse_as(bytes, cpu, flags, code.has(EventFlags::LARGE))
    }

    /// As [`RawEvent::parse`], the caller saying how wide lengths are (captures have block types
    /// of their own for LARGE events).
    ///
    /// # Errors
    /// As [`RawEvent::parse`].
    #[inline]
    pub fn parse_as(
        bytes: &'a [u8],
        cpu: u16,
        flags: u32,
        large: bool,
    ) -> Result<Self, EventError> {
        let code = code_of(bytes)?;
        let len = read_u32(bytes, 16);
        let nparams = read_u32(bytes, 22);
        let bad = || EventError::BadParams { code: code.0, nparams, len };
        if (len as usize) < HEADER_LEN || len as usize > bytes.len() {
            return Err(EventError::BadLength { len, have: bytes.len() });
        }
        let bytes = &bytes[..len as usize];
        let width = if large { 4 } else { 2 };
        let lens_len = (nparams as usize).checked_mul(width).ok_or_else(bad)?;
        let data_at = HEADER_LEN.checked_add(lens_len).filter(|&at| at <= bytes.len());
        let data_at = data_at.ok_or_else(bad)?;
        let event = RawEvent {
            bytes,
            lens: &bytes[HEADER_LEN..data_at],
            data: &bytes[data_at..],
            code,
            large,
            cpu,
            flags,
        };
        // At most 2^30 lengths of less than 2^32 bytes each: no overflow in 64 bits.
        if total_len(event.lens, large) > event.data.len() {
            return Err(bad());
        }
        Ok(event)
    }

    /// Nanoseconds since the epoch.
    #[inline]
    pub fn ts(&self) -> u64 {
        read_u64(self.bytes, 0)
    }

    /// The thread that caused it.
    #[inline]
    pub fn tid(&self) -> i64 {
        read_u64(self.bytes, 8) as i64
    }

    /// The event type.
    #[inline]
    pub fn code(&self) -> EventCode {
        self.code
    }

    /// The table entry of the event type.
    #[inline]
    pub fn info(&self) -> &'static EventInfo {
        self.code.info()
    }

    /// The CPU on which it happened.
    #[inline]
    pub fn cpu(&self) -> u16 {
        self.cpu
    }

    /// Capture flags ([`DUMP_STATE_ONLY`]).
    #[inline]
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Whether lengths are `u32`.
    #[inline]
    pub fn is_large(&self) -> bool {
        self.large
    }

    /// The whole event, header included.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many parameters it carries (may differ from the table for old events).
    #[inline]
    pub fn nparams(&self) -> usize {
        self.lens.len() / if self.large { 4 } else { 2 }
    }

    #[inline]
    fn param_len(&self, i: usize) -> usize {
        if self.large {
            read_u32(self.lens, i * 4) as usize
        } else {
            u16::from_le_bytes([self.lens[i * 2], self.lens[i * 2 + 1]]) as usize
        }
    }

    /// The bytes of parameter `i`; `None` if the event has fewer parameters. A parameter that the
    /// probe could not fill is empty.
    #[inline]
    pub fn param(&self, i: usize) -> Option<&'a [u8]> {
        let width = if self.large { 4 } else { 2 };
        let (before, rest) = self.lens.split_at_checked(i.checked_mul(width)?)?;
        let len = total_len(rest.get(..width)?, self.large);
        let at = total_len(before, self.large);
        // In range: parse_as checked the sum of all lengths against the data.
        self.data.get(at..at + len)
    }

    /// All parameters in order.
    #[inline]
    pub fn params(&self) -> Params<'a> {
        Params { event: *self, next: 0, at: 0 }
    }

    /// The parameter of this name, by the table.
    pub fn param_named(&self, name: &str) -> Option<&'a [u8]> {
        self.param(self.info().param_index(name)?)
    }

    /// Parameter `i` as a little-endian signed number of its own width (1, 2, 4 or 8 bytes);
    /// `None` if absent, empty or of another width.
    #[inline]
    pub fn i64(&self, i: usize) -> Option<i64> {
        read_int(self.param(i)?)
    }

    /// Parameter `i` as a little-endian unsigned number of its own width.
    #[inline]
    pub fn u64(&self, i: usize) -> Option<u64> {
        read_uint(self.param(i)?)
    }

    /// Parameter `i` as a `u32`; `None` if absent, empty or of another width.
    #[inline]
    pub fn u32(&self, i: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.param(i)?.try_into().ok()?))
    }

    /// Parameter `i` as text without its NUL; `None` if absent or empty (no NUL even).
    #[inline]
    pub fn text(&self, i: usize) -> Option<&'a [u8]> {
        let bytes = self.param(i)?;
        if bytes.is_empty() { None } else { Some(until_nul(bytes)) }
    }
}

/// Iterator over the parameters of an event.
#[derive(Clone, Debug)]
pub struct Params<'a> {
    event: RawEvent<'a>,
    next: usize,
    at: usize,
}

impl<'a> Iterator for Params<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.next >= self.event.nparams() {
            return None;
        }
        let len = self.event.param_len(self.next);
        let bytes = self.event.data.get(self.at..self.at + len)?;
        self.next += 1;
        self.at += len;
        Some(bytes)
    }
}

/// The sum of parameter lengths as they stand in an event: without a branch a length, since every
/// look-up of a parameter sums those before it.
#[inline]
fn total_len(lens: &[u8], large: bool) -> usize {
    if large {
        let wide = lens.as_chunks::<4>().0.iter();
        wide.map(|&len| u32::from_le_bytes(len) as usize).sum()
    } else {
        let narrow = lens.as_chunks::<2>().0.iter();
        narrow.map(|&len| usize::from(u16::from_le_bytes(len))).sum()
    }
}

/// The bytes before the first NUL, or all of them.
#[inline]
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    match bytes.iter().position(|&b| b == 0) {
        Some(end) => &bytes[..end],
        None => bytes,
    }
}

/// A little-endian unsigned number of 1, 2, 4 or 8 bytes.
#[inline]
pub fn read_uint(bytes: &[u8]) -> Option<u64> {
    Some(match bytes.len() {
        1 => u64::from(bytes[0]),
        2 => u64::from(u16::from_le_bytes(bytes.try_into().ok()?)),
        4 => u64::from(u32::from_le_bytes(bytes.try_into().ok()?)),
        8 => u64::from_le_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

/// A little-endian signed number of 1, 2, 4 or 8 bytes.
#[inline]
pub fn read_int(bytes: &[u8]) -> Option<i64> {
    Some(match bytes.len() {
        1 => i64::from(bytes[0] as i8),
        2 => i64::from(i16::from_le_bytes(bytes.try_into().ok()?)),
        4 => i64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
        8 => i64::from_le_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

#[inline]
fn code_of(bytes: &[u8]) -> Result<EventCode, EventError> {
    if bytes.len() < HEADER_LEN {
        return Err(EventError::ShortHeader { have: bytes.len() });
    }
    Ok(EventCode(u16::from_le_bytes([bytes[20], bytes[21]])))
}

/// Callers have checked that the range exists.
#[inline]
fn read_u32(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

/// Callers have checked that the range exists.
#[inline]
fn read_u64(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}
