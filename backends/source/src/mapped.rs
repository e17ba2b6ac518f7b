//! A read-only mapping of a whole file: the one place of this crate that needs `unsafe`.

use std::fs::File;
use std::io;
use std::ops::Deref;

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
