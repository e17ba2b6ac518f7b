//! Event blocks: where the event lies inside, and the header that version 1 lacks.

use falco_event::raw::HEADER_LEN;
use falco_event::{EventCode, RawEvent};

use super::cursor::Malformed;
use super::{HEADER_LEN as BLOCK_HEADER_LEN, TRAILER_LEN};
use crate::convert::passes;

/// Longest body and trailer of a block that is not LARGE (libscap `READER_BUF_SIZE`).
const MAX_SMALL: usize = 1 << 16;
/// Longest body and trailer of a LARGE block. Libscap sets no bound; no plugin comes near.
const MAX_LARGE: usize = 64 << 20;
/// Bytes of an event header without a parameter count (version 1).
const V1_HEADER_LEN: usize = HEADER_LEN - 4;

/// How an event lies in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Whether the header lacks the parameter count (before format 1.1).
    pub v1: bool,
    /// Whether flags stand before the event.
    pub flags: bool,
    /// Whether the block may be longer than 64 KiB.
    pub large: bool,
}

impl Form {
    /// 0x204
    pub const V1: Form = Form { v1: true, flags: false, large: false };
    /// 0x208
    pub const V1_FLAGS: Form = Form { v1: true, flags: true, large: false };
    /// 0x216
    pub const V2: Form = Form { v1: false, flags: false, large: false };
    /// 0x217
    pub const V2_FLAGS: Form = Form { v1: false, flags: true, large: false };
    /// 0x221
    pub const V2_LARGE: Form = Form { v1: false, flags: false, large: true };
    /// 0x222
    pub const V2_LARGE_FLAGS: Form = Form { v1: false, flags: true, large: true };

    /// Offset of the event in its block.
    #[inline]
    pub fn event_at(self) -> usize {
        BLOCK_HEADER_LEN + if self.flags { 2 + 4 } else { 2 }
    }

    /// Checks the length of a whole block of this form.
    ///
    /// # Errors
    /// If an event header does not fit, or the block is longer than its form may be.
    #[inline]
    pub fn check_len(self, len: usize) -> Result<(), Malformed> {
        let header = if self.v1 { V1_HEADER_LEN } else { HEADER_LEN };
        let min = self.event_at() + header + TRAILER_LEN;
        let max = BLOCK_HEADER_LEN + if self.large { MAX_LARGE } else { MAX_SMALL };
        if (min..=max).contains(&len) {
            return Ok(());
        }
        let what = format!("event block of {len} bytes; possible are {min} to {max}");
        Err(Malformed::new(4, what))
    }

    /// The CPU and the capture flags of a whole block of checked length.
    #[inline]
    pub fn cpu_and_flags(self, block: &[u8]) -> (u16, u32) {
        let cpu = block.get(8..10).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes);
        if !self.flags {
            return (cpu, 0);
        }
        let flags = block.get(10..14).and_then(|b| b.try_into().ok());
        (cpu, flags.map_or(0, u32::from_le_bytes))
    }
}

/// Recognizes the most common block in a few steps: version 2 without flags, wholly in `window`,
/// its event one of today's. Gives the block's length and the CPU. Whatever else the block may be,
/// or be wrong with it, is found out with [`Form`].
#[inline]
pub(crate) fn common_block(window: &[u8]) -> Option<(usize, u16)> {
    const EVENT_AT: usize = BLOCK_HEADER_LEN + 2;
    let head = window.first_chunk::<{ EVENT_AT + HEADER_LEN }>()?;
    let [t0, t1, t2, t3, l0, l1, l2, l3, c0, c1, ..] = *head;
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let possible = head.len() + TRAILER_LEN..=BLOCK_HEADER_LEN + MAX_SMALL;
    if u32::from_le_bytes([t0, t1, t2, t3]) != 0x216 || !possible.contains(&len) {
        return None;
    }
    if window.get(len - TRAILER_LEN..len)? != [l0, l1, l2, l3] {
        return None;
    }
    let code = EventCode(u16_at(head, EVENT_AT + 20)?);
    let nparams = u32_at(head, EVENT_AT + 22)?;
    passes(code, nparams).then_some((len, u16::from_le_bytes([c0, c1])))
}

/// Longest event that every reader takes.
pub(crate) fn max_event_len(large: bool) -> usize {
    let around = 2 + 4 + 3 + TRAILER_LEN; // CPU, flags, padding, trailer
    if large { MAX_LARGE - around } else { MAX_SMALL - around }
}

/// The block type for an event with these capture flags.
pub(crate) fn type_for(event: &RawEvent<'_>, flags: u32) -> u32 {
    match (event.is_large(), flags != 0) {
        (false, false) => 0x216,
        (false, true) => 0x217,
        (true, false) => 0x221,
        (true, true) => 0x222,
    }
}

/// Gives a version 1 event the header of today in `out`.
///
/// The parameter count is not in the file: it is the largest one, at most today's, with which the
/// parameter lengths add up to the event's length.
///
/// # Errors
/// If there is no such count, or the event does not fit `event`. Offsets count from its begin.
pub(crate) fn modernize_v1(event: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (Some(header), Some(code), Some(len)) =
        (event.get(..V1_HEADER_LEN), u16_at(event, 20), u32_at(event, 16))
    else {
        return Err(Malformed::new(0, "an event shorter than its header"));
    };
    let code = EventCode(code);
    // These two recorded three bytes more than they wrote.
    let excess = match code {
        EventCode::NOTIFICATION_E | EventCode::INFRASTRUCTURE_EVENT_E => 3,
        _ => 0,
    };
    let len = (len as usize).saturating_sub(excess);
    let Some(payload) = event.get(V1_HEADER_LEN..len) else {
        let what =
            format!("event length {len} does not fit the {} bytes of the block", event.len());
        return Err(Malformed::new(16, what));
    };
    let Some(nparams) = count_params(payload, code.info().params.len()) else {
        let what = format!("{code:?}: no parameter count fits the {} bytes", payload.len());
        return Err(Malformed::new(20, what));
    };
    out.clear();
    out.extend_from_slice(header);
    out[16..20].copy_from_slice(&((len + 4) as u32).to_le_bytes());
    out.extend_from_slice(&(nparams as u32).to_le_bytes());
    out.extend_from_slice(payload);
    Ok(())
}

/// The largest `n <= max` for which `n` lengths and as many bytes as they say are all of `payload`.
fn count_params(payload: &[u8], max: usize) -> Option<usize> {
    for n in (0..=max).rev() {
        let Some(lens) = payload.get(..n * 2) else { continue };
        let data: usize =
            lens.chunks_exact(2).map(|l| usize::from(u16::from_le_bytes([l[0], l[1]]))).sum();
        let total = lens.len() + data;
        if total == payload.len() {
            return Some(n);
        }
        if total < payload.len() {
            return None; // fewer parameters would be shorter still
        }
    }
    None
}

/// The type of the event at the start of `event`.
#[inline]
pub(crate) fn code_of(event: &[u8]) -> Option<EventCode> {
    u16_at(event, 20).map(EventCode)
}

#[inline]
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
