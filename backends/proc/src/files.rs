//! Reading small files, links and directories of procfs with few system calls and reused buffers.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, Statx, StatxFlags, openat, readlinkat_raw, statx};
use rustix::io::{Errno, Result};

use crate::text;

/// Bytes of one file that are read at most. More than any file of a process that has to be read
/// whole (`status`, `stat`, `limits`, `cgroup`).
const FILE: usize = 64 << 10;

/// Bytes for the entries of a directory that one call brings: about 1,300 fds.
const ENTRIES: usize = 32 << 10;

/// Opens a directory to reach what is below it.
pub(crate) fn directory(dir: impl AsFd, name: &CStr) -> Result<OwnedFd> {
    openat(dir, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens a file or directory for reading.
pub(crate) fn open(dir: impl AsFd, name: &CStr) -> Result<OwnedFd> {
    openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// What `statx` tells of a file and of the mount it is on; links are followed. No file server is
/// asked, nothing is mounted for it.
pub(crate) fn stat(dir: impl AsFd, name: &CStr) -> Result<Statx> {
    stat_only(dir, name, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
}

/// The same for what is asked alone.
pub(crate) fn stat_only(dir: impl AsFd, name: &CStr, what: StatxFlags) -> Result<Statx> {
    match statx(&dir, name, AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT, what) {
        // gVisor does not know the second flag, and mounts nothing by itself.
        Err(Errno::INVAL) => statx(dir, name, AtFlags::STATX_DONT_SYNC, what),
        result => result,
    }
}

/// A device number in 32 bits, as events carry it (Linux, `new_encode_dev` in `linux/kdev_t.h`).
pub(crate) fn encode_dev(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | (minor & !0xff) << 12
}

/// A short path below a directory, put together without an allocation.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    /// The last byte stays NUL.
    text: [u8; 64],
    len: usize,
}

impl Name {
    /// A number as the name of a file.
    pub(crate) fn of(number: u64) -> Self {
        Name { text: [0; 64], len: 0 }.number(number)
    }

    pub(crate) fn new(text: &str) -> Self {
        Name { text: [0; 64], len: 0 }.text(text)
    }

    /// Appends text; what does not fit is left out.
    pub(crate) fn text(mut self, text: &str) -> Self {
        for (to, from) in self.text.iter_mut().take(63).skip(self.len).zip(text.bytes()) {
            *to = from;
            self.len += 1;
        }
        self
    }

    /// Appends a number.
    pub(crate) fn number(self, number: u64) -> Self {
        let mut digits = [b'0'; 20];
        let count = number.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut rest = number;
        for digit in digits.iter_mut().take(count).rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.text(digits.get(..count).and_then(|d| std::str::from_utf8(d).ok()).unwrap_or_default())
    }

    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.text).unwrap_or_default()
    }
}

/// The buffers that all reading of one scan shares.
pub(crate) struct Buffers {
    bytes: Box<[u8]>,
    entries: Box<[MaybeUninit<u8>]>,
}

impl Default for Buffers {
    fn default() -> Self {
        Buffers { bytes: vec![0; FILE].into_boxed_slice(), entries: Box::new_uninit_slice(ENTRIES) }
    }
}

impl Buffers {
    /// A file, or as much of it as [`FILE`] bytes hold.
    pub(crate) fn read(&mut self, dir: impl AsFd, name: &CStr) -> Result<&[u8]> {
        self.read_at_most(dir, name, FILE)
    }

    /// The first `most` bytes of a file. Files of procfs fill a buffer in one call as far as they
    /// can, so one that was not filled is the end.
    pub(crate) fn read_at_most(
        &mut self,
        dir: impl AsFd,
        name: &CStr,
        most: usize,
    ) -> Result<&[u8]> {
        let file = open(dir, name)?;
        let most = most.min(self.bytes.len());
        loop {
            match rustix::io::read(&file, &mut self.bytes[..most]) {
                Ok(len) => return Ok(&self.bytes[..len]),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Calls `line` with every line of a file of any size, until it answers `false`; lines that do
    /// not fit into the buffer are passed over.
    pub(crate) fn lines(
        &mut self,
        dir: impl AsFd,
        name: &CStr,
        mut line: impl FnMut(&[u8]) -> bool,
    ) -> Result<()> {
        let file = open(dir, name)?;
        let (mut held, mut too_long) = (0, false);
        loop {
            let got = match rustix::io::read(&file, &mut self.bytes[held..]) {
                Ok(0) => break,
                Ok(got) => got,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error),
            };
            let (end, mut start) = (held + got, 0);
            while let Some(len) = memchr::memchr(b'\n', &self.bytes[start..end]) {
                if !std::mem::take(&mut too_long) && !line(&self.bytes[start..start + len]) {
                    return Ok(());
                }
                start += len + 1;
            }
            self.bytes.copy_within(start..end, 0);
            held = end - start;
            if held == self.bytes.len() {
                (held, too_long) = (0, true);
            }
        }
        if held > 0 && !too_long {
            line(&self.bytes[..held]);
        }
        Ok(())
    }

    /// Where a symbolic link leads.
    pub(crate) fn link(&mut self, dir: impl AsFd, name: &CStr) -> Result<&[u8]> {
        let len = readlinkat_raw(dir, name, &mut self.bytes[..])?;
        Ok(&self.bytes[..len])
    }

    /// The entries of a directory whose names are numbers, at most `most`; whether there are more.
    pub(crate) fn numbers(
        &mut self,
        dir: impl AsFd,
        most: usize,
        into: &mut Vec<u64>,
    ) -> Result<bool> {
        let mut entries = RawDir::new(dir, &mut self.entries);
        while let Some(entry) = entries.next() {
            let Some(number) = text::decimal(entry?.file_name().to_bytes()) else { continue };
            if into.len() >= most {
                return Ok(true);
            }
            into.push(number);
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::CWD;

    use super::*;

    #[test]
    fn names_are_put_together() {
        assert_eq!(Name::of(0).as_c_str(), c"0");
        assert_eq!(Name::of(u64::MAX).as_c_str(), c"18446744073709551615");
        assert_eq!(Name::of(10).text("/task/").number(1234).as_c_str(), c"10/task/1234");
        let long = Name::new(&"x".repeat(100)).number(7);
        assert_eq!(long.as_c_str().to_bytes().len(), 63);
    }

    #[test]
    fn lines_of_any_length_are_parted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let long = "l".repeat(FILE + 5);
        let fits = "f".repeat(FILE - 1);
        fs::write(&path, format!("a\n\n{long}\nb\n{fits}\n{long}")).unwrap();
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        let mut seen = Vec::new();
        let mut buffers = Buffers::default();
        buffers
            .lines(CWD, &name, |line| {
                seen.push(line.len());
                true
            })
            .unwrap();
        assert_eq!(seen, [1, 0, 1, FILE - 1]);
        seen.clear();
        buffers
            .lines(CWD, &name, |line| {
                seen.push(line.len());
                false
            })
            .unwrap();
        assert_eq!(seen, [1]);
        assert!(buffers.lines(CWD, c"/nowhere", |_| true).is_err());
    }

    #[test]
    fn only_numbers_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["1", "22", "self", "3x", "-4", "18446744073709551616"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let dir =
            open(CWD, &std::ffi::CString::new(dir.path().to_str().unwrap()).unwrap()).unwrap();
        let (mut found, mut buffers) = (Vec::new(), Buffers::default());
        assert!(!buffers.numbers(&dir, 10, &mut found).unwrap());
        found.sort_unstable();
        assert_eq!(found, [1, 22]);
    }
}
