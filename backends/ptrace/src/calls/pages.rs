//! [`Pages`]: whether memory of a process is its own alone. Facts: Linux
//! `Documentation/admin-guide/mm/pagemap.rst`.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Pages that a path can be on.
const MOST_PAGES: usize = 2;

/// The page is in memory.
const PRESENT: u64 = 1 << 63;
/// It belongs to a file, or to memory that processes can share (`MAP_SHARED`).
const IS_SHARED: u64 = 1 << 61;

/// `/proc/PID/pagemap`, of the program that the process executed last.
#[derive(Debug)]
pub(super) struct Pages(Option<File>);

impl Pages {
    pub(super) fn of(pid: i64) -> Self {
        Pages(File::open(format!("/proc/{pid}/pagemap")).ok())
    }

    /// Whether nobody but this process can have these bytes in its own memory, and write to them. Not
    /// known of pages that are not there.
    pub(super) fn are_private(&self, address: u64, len: usize) -> bool {
        let Some(file) = &self.0 else { return false };
        let Some(last) = address.checked_add((len as u64).saturating_sub(1)) else { return false };
        let (first, last) = (address / PAGE, last / PAGE);
        let mut bytes = [0; MOST_PAGES * 8];
        let count = usize::try_from(last - first).unwrap_or(usize::MAX).saturating_add(1);
        let Some(bytes) = count.checked_mul(8).and_then(|len| bytes.get_mut(..len)) else {
            return false;
        };
        let is_read = first.checked_mul(8).is_some_and(|at| file.read_exact_at(bytes, at).is_ok());
        let (pages, _) = bytes.as_chunks::<8>();
        let mut pages = pages.iter().map(|page| u64::from_le_bytes(*page));
        is_read && pages.all(|page| page & (PRESENT | IS_SHARED) == PRESENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ones_own_alone_or_not_there_is_not_private() {
        let pages = Pages::of(std::process::id().into());
        let at = |bytes: &[u8]| bytes.as_ptr().expose_provenance() as u64;
        let heap = vec![1_u8; 3 * PAGE as usize];
        let first = at(&heap).next_multiple_of(PAGE);
        assert!(pages.are_private(first, 1));
        assert!(pages.are_private(first + PAGE - 1, 2));
        assert!(pages.are_private(first, PAGE as usize));
        // More than any path can be on.
        assert!(!pages.are_private(first - 1, PAGE as usize + 2));
        // Text of the program, and what is not there.
        assert!(!pages.are_private(at(b"a text of the program"), 4));
        for nowhere in [0, 8, u64::MAX, u64::MAX - PAGE, 1 << 63] {
            assert!(!pages.are_private(nowhere, 4), "{nowhere:#x}");
        }
        assert!(!Pages::of(0).are_private(first, 1));
    }
}
