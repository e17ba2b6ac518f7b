//! Handshake and framing of the `remote` sink: what is around a message, not what is in it.
//!
//! A sandbox connects to a `SOCK_SEQPACKET` socket and both sides send one [`Handshake`]. From then
//! on it sends records, and nobody answers. A record is a header in the machine's byte order
//! (`u16` size of the header, `u16` kind of the message, `u32` messages lost so far) and a protobuf
//! message. Source of these facts: gVisor's `pkg/sentry/seccheck/sinks/remote/wire`.

use prost::Message as _;
use thiserror::Error;

/// Version of the protocol that this build speaks.
pub const VERSION: u32 = 1;

/// Bytes of a handshake at most; gVisor reads no more either.
pub const MAX_HANDSHAKE: usize = 10_240;

/// Bytes of a record at most. Sandboxes send up to the size of their socket's buffer, 212,960 bytes
/// unless `net.core.wmem_default` was raised.
pub const MAX_RECORD: usize = 300 << 10;

/// Bytes of the header that this build knows. Later ones may be longer, never shorter.
const HEADER_LEN: usize = 8;

/// Why bytes are neither handshake nor record.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// Fewer bytes than a header.
    #[error("a record of {have} bytes is shorter than its header of {HEADER_LEN}")]
    ShortRecord {
        /// Bytes that there are.
        have: usize,
    },
    /// The header claims a length that it cannot have.
    #[error("a record of {have} bytes claims a header of {claimed}")]
    BadHeader {
        /// What it claims.
        claimed: u16,
        /// Bytes that there are.
        have: usize,
    },
    /// No protobuf, or too long.
    #[error("{have} bytes are no handshake")]
    BadHandshake {
        /// Bytes that there are.
        have: usize,
    },
    /// A version that never was.
    #[error("handshake of version 0, where {VERSION} is the first")]
    BadVersion,
}

/// The header of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which message follows (`MessageType` of gVisor's `common.proto`).
    pub kind: u16,
    /// Messages that this session lost before this one, since it began; wraps around.
    pub dropped: u32,
}

impl Header {
    /// The bytes of a record with this header. Sandboxes do this; here it is for tests and benches.
    pub fn record(self, payload: &[u8]) -> Vec<u8> {
        let mut record = Vec::with_capacity(HEADER_LEN + payload.len());
        record.extend_from_slice(&(HEADER_LEN as u16).to_ne_bytes());
        record.extend_from_slice(&self.kind.to_ne_bytes());
        record.extend_from_slice(&self.dropped.to_ne_bytes());
        record.extend_from_slice(payload);
        record
    }
}

/// Takes a record apart into its header and the message.
///
/// # Errors
/// If there is no room for a header, or it claims to be shorter than any is or longer than the record.
#[inline]
pub fn parse(record: &[u8]) -> Result<(Header, &[u8]), WireError> {
    let have = record.len();
    let Some(&[s0, s1, k0, k1, d0, d1, d2, d3]) = record.first_chunk() else {
        return Err(WireError::ShortRecord { have });
    };
    let claimed = u16::from_ne_bytes([s0, s1]);
    let payload = record.get(usize::from(claimed)..).filter(|_| usize::from(claimed) >= HEADER_LEN);
    let payload = payload.ok_or(WireError::BadHeader { claimed, have })?;
    let kind = u16::from_ne_bytes([k0, k1]);
    Ok((Header { kind, dropped: u32::from_ne_bytes([d0, d1, d2, d3]) }, payload))
}

/// What both sides send first, without a header.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Handshake {
    /// Version of the protocol that the sender speaks.
    #[prost(uint32, tag = "1")]
    pub version: u32,
}

impl Handshake {
    /// That of this build.
    pub fn ours() -> Self {
        Handshake { version: VERSION }
    }

    /// Its bytes.
    pub fn encode_to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Reads the other side's. Newer versions are fine: they say the same and more.
    ///
    /// # Errors
    /// If it is too long or none, or of version 0.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let bad = WireError::BadHandshake { have: bytes.len() };
        if bytes.len() > MAX_HANDSHAKE {
            return Err(bad);
        }
        let handshake = Handshake::decode(bytes).map_err(|_| bad)?;
        if handshake.version == 0 { Err(WireError::BadVersion) } else { Ok(handshake) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_comes_apart() {
        let header = Header { kind: 7, dropped: u32::MAX };
        assert_eq!(parse(&header.record(b"abc")), Ok((header, &b"abc"[..])));
        assert_eq!(parse(&header.record(b"")), Ok((header, &b""[..])));
    }

    #[test]
    fn what_a_longer_header_adds_is_passed_over() {
        let mut record = Header { kind: 1, dropped: 0 }.record(b"++++message");
        record[..2].copy_from_slice(&12_u16.to_ne_bytes());
        assert_eq!(parse(&record).unwrap().1, b"message");
    }

    #[test]
    fn sizes_that_lie_are_refused() {
        assert_eq!(parse(b"1234567"), Err(WireError::ShortRecord { have: 7 }));
        let mut record = Header { kind: 1, dropped: 0 }.record(b"x");
        for claimed in [0_u16, 7, 10, u16::MAX] {
            record[..2].copy_from_slice(&claimed.to_ne_bytes());
            assert_eq!(parse(&record), Err(WireError::BadHeader { claimed, have: 9 }));
        }
    }

    #[test]
    fn handshakes() {
        assert_eq!(Handshake::ours().encode_to_bytes(), [8, 1]);
        assert_eq!(Handshake::read(&[8, 1]), Ok(Handshake { version: 1 }));
        // Of the future: a version that is higher, with a field that nobody knows.
        assert_eq!(Handshake::read(&[8, 9, 0x12, 1, b'x']), Ok(Handshake { version: 9 }));
        assert_eq!(Handshake::read(&[]), Err(WireError::BadVersion));
        assert_eq!(Handshake::read(&[8, 0]), Err(WireError::BadVersion));
        assert_eq!(Handshake::read(&[0xff; 4]), Err(WireError::BadHandshake { have: 4 }));
        assert!(Handshake::read(&vec![0x12; MAX_HANDSHAKE + 1]).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
            let _ = Handshake::read(&bytes);
        }
    }
}
