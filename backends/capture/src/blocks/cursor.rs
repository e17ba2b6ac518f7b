//! Reading a block's body front to back ([`Cursor`]) and writing one ([`Writer`]).

/// What is wrong with a block, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Offset within the body in bytes.
    pub at: usize,
    /// What is wrong, in a sentence's words.
    pub what: String,
}

impl Malformed {
    pub(crate) fn new(at: usize, what: impl Into<String>) -> Self {
        Malformed { at, what: what.into() }
    }
}

/// A position in bytes that are read as little-endian numbers and length-prefixed strings.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What the bytes are, for messages (`process entry`).
    what: &'static str,
    /// Where the bytes begin within the block's body.
    base: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Cursor { bytes, at: 0, what, base: 0 }
    }

    /// The offset within the block's body.
    pub(crate) fn at(&self) -> usize {
        self.base + self.at
    }

    /// Bytes left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether there is another entry: what is shorter than a length is padding.
    pub(crate) fn has_entry(&self) -> bool {
        self.left() >= 4
    }

    pub(crate) fn malformed(&self, what: impl Into<String>) -> Malformed {
        Malformed::new(self.at(), what)
    }

    /// The next `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        match self.bytes.get(self.at..).and_then(|rest| rest.get(..n)) {
            Some(bytes) => {
                self.at += n;
                Ok(bytes)
            }
            None => Err(self.malformed(format!(
                "{}: {n} bytes are needed, {} are left",
                self.what,
                self.left()
            ))),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A field that newer writers append: its bytes, or `None` if the entry ends before.
    pub(crate) fn appended<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.left() < N { None } else { self.array().ok() }
    }

    /// Bytes with a `u16` length before them.
    pub(crate) fn counted(&mut self) -> Result<Vec<u8>, Malformed> {
        let len = self.u16()?;
        Ok(self.take(usize::from(len))?.to_vec())
    }

    /// Text with a `u16` length before it, up to a NUL if it has one.
    pub(crate) fn text(&mut self) -> Result<Vec<u8>, Malformed> {
        let len = self.u16()?;
        Ok(falco_event::raw::until_nul(self.take(usize::from(len))?).to_vec())
    }

    /// An entry that begins with its length, which counts itself: a cursor behind that length.
    pub(crate) fn entry(&mut self) -> Result<Cursor<'a>, Malformed> {
        let (base, len) = (self.at(), self.u32()? as usize);
        let Some(rest) = len.checked_sub(4).filter(|&rest| rest <= self.left()) else {
            return Err(Malformed::new(
                base,
                format!("{}: length {len} does not fit the block", self.what),
            ));
        };
        Ok(Cursor { bytes: self.take(rest)?, at: 0, what: self.what, base: base + 4 })
    }
}

/// Appends to a block's body.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn u8(&mut self, v: u8) -> &mut Self {
        self.put(&[v])
    }

    pub(crate) fn u16(&mut self, v: u16) -> &mut Self {
        self.put(&v.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, v: u32) -> &mut Self {
        self.put(&v.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, v: u64) -> &mut Self {
        self.put(&v.to_le_bytes())
    }

    pub(crate) fn i64(&mut self, v: i64) -> &mut Self {
        self.put(&v.to_le_bytes())
    }

    /// Bytes with a `u16` length before them, at most `max` (the reader's limit).
    pub(crate) fn counted(&mut self, bytes: &[u8], max: u16) -> &mut Self {
        let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX).min(max);
        self.u16(len).put(&bytes[..usize::from(len)])
    }

    /// Writes an entry that begins with its length, which counts itself.
    pub(crate) fn entry(&mut self, write: impl FnOnce(&mut Self)) {
        let at = self.bytes.len();
        self.u32(0);
        write(self);
        let len = (self.bytes.len() - at) as u32; // entries are bounded by their u16 lengths
        self.bytes[at..at + 4].copy_from_slice(&len.to_le_bytes());
    }
}

/// Longest path, file name, command or host user string that every reader takes
/// (libscap `SCAP_MAX_PATH_SIZE`).
pub(crate) const MAX_PATH: u16 = 1024;
/// Longest arguments, environment and cgroups that every reader takes (`SCAP_MAX_ARGS_SIZE`).
pub(crate) const MAX_ARGS: u16 = 4096;
/// Longest user or group string that every reader takes (below `MAX_CREDENTIALS_STR_LEN`).
pub(crate) const MAX_CREDENTIAL: u16 = 255;
