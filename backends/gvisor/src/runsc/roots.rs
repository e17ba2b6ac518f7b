//! [`Roots`]: the directories in which runsc keeps what it knows of its containers.
//!
//! Each user of runsc has one: `runsc --root`. A directory is one of them if it holds files of the
//! form `CONTAINER_sandbox:SANDBOX.state` (gVisor: `runsc/container/state_file.go`).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Where runsc keeps its state if nobody says otherwise, below the root of the host; `*` is any one
/// name.
///
/// * without an engine: `/var/run/runsc` of root, `$XDG_RUNTIME_DIR/runsc` of others
///   (`runsc/config/config.go`);
/// * Docker: `<exec-root>/runtime-runc/moby`, whatever the runtime is called, since runsc is run by
///   the shim of runc; `runtime-*` for others (dockerd 20.10.24);
/// * containerd: `/run/containerd/runc/<namespace>` by the shim of runc,
///   `/run/containerd/runsc/<namespace>` by gVisor's own.
const PLACES: &[&str] = &[
    "run/runsc",
    "var/run/runsc",
    "run/user/*/runsc",
    "run/docker/runtime-*/*",
    "run/containerd/runc/*",
    "run/containerd/runsc/*",
    "run/user/*/containerd/runsc/*",
    "run/user/*/docker/runtime-*/*",
];
/// Most directories that are looked at.
const MAX_DIRECTORIES: usize = 1024;
/// Most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 1 << 16;

/// The directories in which runsc keeps its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// The usual places below this directory.
    Host(PathBuf),
    /// These.
    Given(Vec<PathBuf>),
}

/// The name of a container's state file, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The container.
    pub container: String,
    /// Its sandbox, which has the id of its first container.
    pub sandbox: String,
}

impl Roots {
    /// The usual places on the host whose root is at `host_root`.
    pub fn usual(host_root: &Path) -> Self {
        Roots { place: Place::Host(host_root.to_owned()) }
    }

    /// These directories. Paths that are not absolute begin where this process is.
    pub fn given(directories: &[PathBuf]) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        Roots { place: Place::Given(directories.iter().map(absolute).collect()) }
    }

    /// The directories among them that exist now.
    pub fn directories(&self) -> Vec<PathBuf> {
        let found: BTreeSet<PathBuf> = match &self.place {
            Place::Given(directories) => {
                directories.iter().filter(|d| d.is_dir()).cloned().collect()
            }
            Place::Host(host_root) => {
                PLACES.iter().flat_map(|place| matching(host_root, place)).collect()
            }
        };
        found.into_iter().take(MAX_DIRECTORIES).collect()
    }
}

/// The directories below `base` that `pattern` means. Symbolic links are not followed: `/var/run` is
/// one to a directory that is looked at anyway, and others may be there to mislead.
fn matching(base: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![base.to_owned()];
    for part in pattern.split('/') {
        found = match part.split_once('*') {
            None => found.iter().map(|directory| directory.join(part)).collect(),
            Some((begin, _)) => {
                found.iter().flat_map(|directory| names(directory, begin)).collect()
            }
        };
        found.retain(|path| fs::symlink_metadata(path).is_ok_and(|about| about.is_dir()));
        found.truncate(MAX_DIRECTORIES);
    }
    found
}

/// What is in `directory` and begins like this.
fn names(directory: &Path, begin: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let wanted = |name: &OsStr| name.as_encoded_bytes().starts_with(begin.as_bytes());
    let entries = entries.take(MAX_ENTRIES).flatten().filter(|entry| wanted(&entry.file_name()));
    entries.map(|entry| entry.path()).take(MAX_DIRECTORIES).collect()
}

/// The state files in `root`; none if it cannot be read.
pub fn state_files(root: &Path) -> Vec<(Name, PathBuf)> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let file = |entry: fs::DirEntry| {
        let name = Name::parse(entry.file_name().to_str()?)?;
        Some((name, entry.path()))
    };
    entries.take(MAX_ENTRIES).flatten().filter_map(file).collect()
}

impl Name {
    /// Takes apart the name of a state file.
    pub fn parse(file: &str) -> Option<Self> {
        let (container, sandbox) = file.strip_suffix(".state")?.split_once("_sandbox:")?;
        let valid = is_id(container) && is_id(sandbox);
        valid.then(|| Name { container: container.to_owned(), sandbox: sandbox.to_owned() })
    }

    /// Whether this is the first container of its sandbox.
    pub fn is_first(&self) -> bool {
        self.container == self.sandbox
    }
}

/// Whether runsc would take this for an id. Ids that would look like an option on its command line
/// are not taken: nobody has such.
fn is_id(text: &str) -> bool {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b',' | b'-' | b'.');
    !text.is_empty() && text.bytes().all(valid) && !matches!(text.as_bytes()[0], b'-' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_state_files() {
        let name = Name::parse("a-1_sandbox:b.c.state").unwrap();
        assert_eq!((name.container.as_str(), name.sandbox.as_str()), ("a-1", "b.c"));
        assert!(!name.is_first() && Name::parse("x_sandbox:x.state").unwrap().is_first());
        for wrong in [
            "a_sandbox:b.lock",
            "a.state",
            "_sandbox:b.state",
            "a_sandbox:.state",
            "--root_sandbox:b.state",
            "a_sandbox:-b.state",
            "..._sandbox:a.state",
            "a_sandbox:b/c.state",
            "a b_sandbox:c.state",
            "é_sandbox:c.state",
        ] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_usual_places_are_found_without_following_links() {
        let host = tempfile::tempdir().unwrap();
        let expected = [
            "run/containerd/runc/default",
            "run/containerd/runsc/k8s.io",
            "run/docker/runtime-runc/moby",
            "run/runsc",
            "run/user/1000/runsc",
        ];
        for place in expected.into_iter().chain(["run/docker/other/moby", "run/user/1001"]) {
            fs::create_dir_all(host.path().join(place)).unwrap();
        }
        fs::create_dir(host.path().join("var")).unwrap();
        std::os::unix::fs::symlink("/run", host.path().join("var/run")).unwrap();
        std::os::unix::fs::symlink("/etc", host.path().join("run/user/1001/runsc")).unwrap();
        fs::write(host.path().join("run/containerd/runsc/file"), "").unwrap();
        let found = Roots::usual(host.path()).directories();
        let expected: Vec<_> = expected.iter().map(|place| host.path().join(place)).collect();
        assert_eq!(found, expected);
        assert!(Roots::usual(Path::new("/nowhere")).directories().is_empty());
        let given = Roots::given(&[host.path().to_owned(), "/nowhere".into()]);
        assert_eq!(given.directories(), [host.path()]);
    }
}
