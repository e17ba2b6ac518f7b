//! Working directory and root.

use falco_event::raw::until_nul;

use super::path::{concatenate_paths, with_slash};
use super::{NA, Parser};
use crate::record::{Bytes, bytes};

impl Parser<'_, '_> {
    pub(super) fn chdir(&mut self) {
        if !self.failed() {
            self.change_directory(self.text(1));
        }
    }

    pub(super) fn fchdir(&mut self) {
        if self.failed() {
            return;
        }
        if let Some(name) = self.fd_ref().map(|fd| fd.name.clone()) {
            self.change_directory(&name);
        }
    }

    pub(super) fn getcwd(&mut self) {
        if !self.failed() {
            self.change_directory(self.text(1));
        }
    }

    /// Moves the process to a directory, given from the root or from where it is.
    fn change_directory(&mut self, to: &[u8]) {
        let Some(main) = self.thread.and_then(|slot| self.state.threads.main_of(slot)) else {
            return;
        };
        let Some(thread) = self.state.threads.get(main) else { return };
        let cwd = directory(&thread.record.cwd, to);
        // getcwd confirms most of the time; that is not news.
        if *cwd != *thread.record.cwd {
            self.state.threads.update(main, |facts| facts.cwd = cwd);
        }
    }

    pub(super) fn chroot(&mut self) {
        if self.res() != Some(0) || self.thread.is_none() {
            return;
        }
        let path = self.text(1);
        let root = if path == NA || path.is_empty() || path[0] == b'/' {
            bytes(path)
        } else {
            bytes(&concatenate_paths(self.cwd(), path))
        };
        self.update(|facts| facts.root = root);
    }
}

/// A working directory, with a slash at its end.
pub(crate) fn directory(from: &[u8], to: &[u8]) -> Bytes {
    bytes(&with_slash(&concatenate_paths(from, until_nul(to))))
}
