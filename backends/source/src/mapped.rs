//! A read-only mapping of a whole file: the one place of this crate that needs `unsafe`.

use std::fs::File;
use std::io;
use std::ops::{Deref, Range};

/// A file mapped read-only into memory.
#[derive(Debug)]
pub struct MappedFile(memmap2::Mmap);

impl MappedFile {
    /// Maps `file`.
    ///
    /// # Errors
    /// If the file cannot be mapped (a pipe, a directory, no address space).
    pub fn map(file: &File) -> io::Result<Self> {
        // SAFETY: the mapping is private and read-only and lives as long as the slice that
        // `Deref` lends. A writer that changes the file under us changes bytes that every reader
        // validates again on each access path (`RawEvent::parse` copies no length out of the
        // mapping and re-checks slices), so no Rust invariant depends on their value. A truncation
        // under us raises SIGBUS, which ends the process as for every mapping reader; captures
        // are finished files, growing ones are read through `-e -`.
        unsafe { memmap2::MmapOptions::new().map(file) }.map(MappedFile)
    }

    /// Tells the kernel that the file will be read from front to back. Advice only: a kernel that
    /// does not take it changes nothing.
    pub fn read_sequentially(&self) {
        let _advice = self.0.advise(memmap2::Advice::Sequential);
    }

    /// Gives back the memory of a part that has been read, so that a long file does not count as
    /// resident. Reading it again is possible and goes to the file again.
    pub fn release(&self, part: Range<usize>) {
        let end = part.end.min(self.0.len());
        let part = part.start.min(end)..end;
        // SAFETY: MADV_DONTNEED on a private, read-only file mapping drops page-table entries; the
        // next access maps the same file contents anew, so what slices see does not change (beyond
        // what a writer of the file can change anyway, see `map`).
        let _advice = unsafe {
            self.0.unchecked_advise_range(
                memmap2::UncheckedAdvice::DontNeed,
                part.start,
                part.len(),
            )
        };
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_released_part_reads_the_same_again() {
        let mut file = tempfile::tempfile().unwrap();
        let data: Vec<u8> = (0..50_000_u32).map(|i| (i % 251) as u8).collect();
        file.write_all(&data).unwrap();
        let mapped = MappedFile::map(&file).unwrap();
        mapped.read_sequentially();
        assert_eq!(&mapped[..], &data[..]);
        mapped.release(0..40_000);
        mapped.release(10_000..1_000_000);
        mapped.release(60_000..70_000);
        assert_eq!(&mapped[..], &data[..]);
    }
}
