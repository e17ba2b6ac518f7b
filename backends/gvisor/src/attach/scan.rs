//! [`Scan`]: which sandboxes there are, from one look at runsc's directories to the next.
//!
//! A look reads the names in those directories, and of the files only what has changed.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::runsc::roots::state_files;
use crate::runsc::{Container, Roots, Sandbox, state};

/// Most containers that are known at a time.
const MAX_CONTAINERS: usize = 1 << 16;

/// The sandboxes of this host, as last seen.
#[derive(Debug)]
pub struct Scan {
    roots: Roots,
    /// What stands in each state file, and which version of the file that is.
    files: HashMap<PathBuf, (Stamp, Arc<Container>)>,
}

/// Tells versions of a file apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Scan {
    /// Has seen nothing yet.
    pub fn new(roots: Roots) -> Self {
        Scan { roots, files: HashMap::new() }
    }

    /// Looks.
    pub fn look(&mut self) -> Vec<Arc<Sandbox>> {
        let mut seen = HashMap::with_capacity(self.files.len());
        let mut sandboxes = Vec::new();
        for root in self.roots.directories() {
            let mut containers = Vec::new();
            for (name, path) in state_files(&root) {
                if seen.len() >= MAX_CONTAINERS {
                    break;
                }
                let Some(stamp) = Stamp::of(&path) else { continue };
                let known = self.files.get(&path).filter(|(known, _)| *known == stamp);
                let container = match known {
                    Some((_, container)) => container.clone(),
                    // Perhaps it is being written. It will have changed then.
                    None => match state::read(&name, &path) {
                        Ok(container) => Arc::new(container),
                        Err(_) => continue,
                    },
                };
                containers.push(container.clone());
                seen.insert(path, (stamp, container));
            }
            sandboxes.extend(Sandbox::together(&root, containers).into_iter().map(Arc::new));
        }
        self.files = seen;
        sandboxes
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let about = fs::symlink_metadata(path).ok()?;
        let changed = (about.ctime(), about.ctime_nsec());
        Some(Stamp { inode: about.ino(), size: about.size(), changed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_read_again_and_what_goes_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("box_sandbox:box.state");
        let mut scan = Scan::new(Roots::given(&[root.path().to_owned()]));
        assert_eq!(scan.look(), []);
        let write = |status: &str| {
            let state = format!(r#"{{"status":"{status}","sandbox":{{"pid":7}}}}"#);
            fs::write(&path, state).unwrap();
        };
        write("created");
        let first = scan.look();
        assert_eq!((first.len(), first[0].pid, first[0].is_running), (1, 7, false));
        assert!(Arc::ptr_eq(&scan.look()[0].containers[0], &first[0].containers[0]));
        write("running");
        assert!(scan.look()[0].is_running);
        fs::write(&path, "{\"status").unwrap();
        assert_eq!(scan.look(), []);
        write("running");
        assert_eq!(scan.look().len(), 1);
        fs::remove_file(&path).unwrap();
        assert_eq!(scan.look(), []);
        assert!(scan.files.is_empty());
    }
}
