//! Folders for the time of a command.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;

/// A folder that goes away with this value.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes `folder`, which belongs to this process alone, and what is above it.
    pub fn new(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(Scratch(folder))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves it where it is.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {e}", self.0.display());
        }
    }
}
