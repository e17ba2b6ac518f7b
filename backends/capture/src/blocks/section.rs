//! The section header, with which every capture begins.

use super::cursor::{Cursor, Malformed, Writer};

/// Block type, the same as pcapng's.
pub const TYPE: u32 = 0x0A0D_0D0A;
const MAGIC: u32 = 0x1A2B_3C4D;
const MAJOR: u16 = 1;
const MINOR: u16 = 2;

/// Checks a section header. Options that follow it (pcapng) are passed over.
///
/// # Errors
/// If it is short, of the other byte order, or of a newer major version.
pub fn check(body: &[u8]) -> Result<(), Malformed> {
    let mut body = Cursor::new(body, "section header");
    let magic = body.u32()?;
    let (major, minor) = (body.u16()?, body.u16()?);
    let _length = body.u64()?;
    if magic == MAGIC.swap_bytes() {
        return Err(Malformed::new(0, "the capture is big-endian; only little-endian is read"));
    }
    if magic != MAGIC {
        return Err(Malformed::new(0, format!("wrong magic number {magic:#010x}")));
    }
    if major > MAJOR {
        let what = format!("format version {major}.{minor} is newer than {MAJOR}.{MINOR}");
        return Err(Malformed::new(4, what));
    }
    Ok(())
}

pub(crate) fn encode(out: &mut Writer) {
    let unknown_length = u64::MAX;
    out.u32(MAGIC).u16(MAJOR).u16(MINOR).u64(unknown_length);
}
