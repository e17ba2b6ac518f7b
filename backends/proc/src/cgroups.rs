//! [`Cgroups`]: the cgroups of a process as captures have them, `subsystem=path` for each
//! subsystem.
//!
//! Version 1 says so itself in `/proc/<pid>/cgroup` (cgroups(7)). Version 2 has one path for all
//! subsystems; which of them work there, and which further up, stands in `cgroup.controllers` of
//! its directories.
//!
//! Paths are relative to the cgroup namespace of whoever reads them. A sensor in a container has
//! one of its own; then the place of that namespace comes before them, which is found by looking
//! for the sensor in the hierarchies of the host.

use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, openat};

use crate::files::{Buffers, directory, open};
use crate::host::Host;
use crate::mounts::Mount;
use crate::text::{between, decimal, words};

/// Bytes of the list of one process at most (`SCAP_MAX_CGROUPS_SIZE`).
const MOST_BYTES: usize = 4096;

/// Different lists, and directories of version 2, that are remembered at most.
const MOST_REMEMBERED: usize = 16_384;

/// Directories in which this process is looked for at most.
const MOST_SEARCHED: usize = 20_000;

/// The first cgroup namespace of every kernel (Linux, `PROC_CGROUP_INIT_INO` in `linux/proc_ns.h`).
const INITIAL_NAMESPACE: u64 = 0xefff_fffb;

/// The subsystems that events tell of, in their order.
const OF_EVENTS: [&[u8]; 5] = [b"cpuset", b"cpu", b"cpuacct", b"io", b"memory"];

/// Formats lists of cgroups. Most processes of a host share a few lists, so each is made once.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    hierarchies: Option<Hierarchies>,
    /// Finished lists by the text of `/proc/<pid>/cgroup`.
    lists: HashMap<Vec<u8>, Vec<u8>>,
    /// Subsystems by directory of version 2.
    controllers: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    /// The container that this process is in, to be told of others that share its namespace.
    own_container: Option<Vec<u8>>,
}

/// Where cgroups are mounted, and where this process is in them if it has a namespace of its own.
#[derive(Debug, Default)]
struct Hierarchies {
    /// The directory on which version 2 is mounted with subsystems.
    v2: Option<OwnedFd>,
    /// Own path in version 2; empty if paths need nothing before them.
    own_v2: Vec<u8>,
    /// Own path by subsystem of version 1.
    own_v1: HashMap<Vec<u8>, Vec<u8>>,
}

impl Cgroups {
    /// Forgets lists: directories may have got other subsystems.
    pub(crate) fn clear(&mut self) {
        self.lists.clear();
        self.controllers.clear();
    }

    /// The container of those who share this process's cgroup namespace.
    pub(crate) fn set_own_container(&mut self, id: Option<Vec<u8>>) {
        self.lists.clear();
        self.own_container = id;
    }

    /// The list of a process by the text of its `/proc/<pid>/cgroup`.
    pub(crate) fn list(&mut self, text: &[u8], host: &Host) -> Vec<u8> {
        if let Some(list) = self.lists.get(text) {
            return list.clone();
        }
        let list = self.make(text, host);
        if self.lists.len() < MOST_REMEMBERED {
            self.lists.insert(text.to_vec(), list.clone());
        }
        list
    }

    fn make(&mut self, text: &[u8], host: &Host) -> Vec<u8> {
        let hierarchies = self.hierarchies.get_or_insert_with(|| Hierarchies::find(host));
        let (mut list, mut unified, mut is_outside) = (Vec::new(), None, false);
        for line in text.split(|&b| b == b'\n') {
            // Number, subsystems, path; only the path may hold colons.
            let mut parts = line.splitn(3, |&b| b == b':');
            let (Some(_), Some(subsystems), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            // Seen from within a namespace, what is not below it.
            is_outside |= path == b"/.." || path.starts_with(b"/../");
            if subsystems.is_empty() {
                let path = absolute(&hierarchies.own_v2, path);
                if let Some(root) = &hierarchies.v2 {
                    push_unified(&mut list, &path, root, &mut self.controllers);
                }
                unified = Some(path);
                continue;
            }
            for subsystem in subsystems.split(|&b| b == b',') {
                let own = hierarchies.own_v1.get(subsystem).map_or(&b""[..], Vec::as_slice);
                push(&mut list, subsystem, &absolute(own, path));
            }
        }
        // Nothing tells of subsystems, but there is a path by which containers can be told.
        if let (true, Some(path)) = (list.is_empty(), unified) {
            for subsystem in OF_EVENTS {
                push(&mut list, subsystem, &path);
            }
        }
        // Last: what cgroups themselves tell comes first.
        if let (false, Some(id)) = (is_outside, &self.own_container) {
            push(&mut list, b"container_id", &[b"/", id.as_slice()].concat());
        }
        list
    }
}

fn push(list: &mut Vec<u8>, subsystem: &[u8], path: &[u8]) {
    if list.len() + subsystem.len() + path.len() + 2 <= MOST_BYTES {
        list.extend_from_slice(subsystem);
        list.push(b'=');
        list.extend_from_slice(path);
        list.push(0);
    }
}

/// Names each subsystem of version 2 with the lowest directory, from `path` upwards, in which it
/// works.
fn push_unified(
    list: &mut Vec<u8>,
    path: &[u8],
    root: &OwnedFd,
    known: &mut HashMap<Vec<u8>, Vec<Vec<u8>>>,
) {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut at = path;
    loop {
        if !known.contains_key(at) && known.len() < MOST_REMEMBERED {
            known.insert(at.to_vec(), controllers(root, at));
        }
        for subsystem in known.get(at).into_iter().flatten() {
            if !found.contains(subsystem) {
                push(list, subsystem, at);
                found.push(subsystem.clone());
            }
        }
        if at.len() <= 1 {
            return;
        }
        at = match at.iter().rposition(|&b| b == b'/') {
            Some(slash) if slash > 0 => &at[..slash],
            _ => b"/",
        };
    }
}

/// The subsystems of a directory of version 2; none if it is gone.
fn controllers(root: &OwnedFd, path: &[u8]) -> Vec<Vec<u8>> {
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    let Ok(file) = CString::new([b"./", relative, b"/cgroup.controllers"].concat()) else {
        return Vec::new();
    };
    let mut text = [0; 1024];
    let len = open(root, &file).and_then(|file| rustix::io::read(file, &mut text)).unwrap_or(0);
    text[..len].split(|&b| b == b'\n').flat_map(words).map(<[u8]>::to_vec).collect()
}

/// A path relative to a cgroup namespace, as the root namespace has it. `own` is where the
/// namespace is; empty if that is not needed.
fn absolute(own: &[u8], path: &[u8]) -> Vec<u8> {
    if own.is_empty() {
        return path.to_vec();
    }
    let (mut own, mut rest) = (own, path);
    while let Some(after) = rest.strip_prefix(b"/..")
        && (after.is_empty() || after.starts_with(b"/"))
    {
        rest = after;
        own = &own[..own.iter().rposition(|&b| b == b'/').unwrap_or(0)];
    }
    let own = own.strip_suffix(b"/").unwrap_or(own);
    let rest = rest.strip_suffix(b"/").unwrap_or(rest);
    match [own, rest].concat() {
        path if path.is_empty() => b"/".to_vec(),
        path => path,
    }
}

impl Hierarchies {
    fn find(host: &Host) -> Self {
        let mut buffers = Buffers::default();
        let mut namespace = |path| {
            let link = buffers.link(&host.proc, path).ok()?;
            between(link, "cgroup:[", "]").and_then(decimal)
        };
        let of_host = namespace(c"1/ns/cgroup").unwrap_or(INITIAL_NAMESPACE);
        let has_own_namespace = namespace(c"thread-self/ns/cgroup").is_some_and(|n| n != of_host);
        let mut mounts = Vec::new();
        let mut collect = |line: &[u8]| {
            let cgroup = |mount: &Mount| matches!(&*mount.fs_type, b"cgroup" | b"cgroup2");
            mounts.extend(Mount::parse(line).map(|(_, mount)| mount).filter(cgroup));
            true
        };
        if buffers.lines(&host.proc, c"1/mountinfo", &mut collect).is_err() {
            // Nothing is known of cgroups then; lists have what `/proc/<pid>/cgroup` says.
            let _ = buffers.lines(&host.proc, c"thread-self/mountinfo", &mut collect);
        }
        let mut found = Hierarchies::default();
        for mount in mounts {
            let Some(root) = open_mount(host, &mount.point) else { continue };
            let own = || has_own_namespace.then(|| search(&root)).flatten();
            if mount.fs_type == b"cgroup" {
                let Some(own) = own() else { continue };
                for subsystem in mount.options.split(|&b| b == b',') {
                    found.own_v1.insert(subsystem.to_vec(), own.clone());
                }
            } else if found.v2.is_none() {
                found.own_v2 = own().unwrap_or_default();
                found.v2 = (!controllers(&root, b"/").is_empty()).then_some(root);
            }
        }
        found
    }
}

/// The directory of a mount of the host's, through the root of its first process if that is
/// allowed.
fn open_mount(host: &Host, point: &[u8]) -> Option<OwnedFd> {
    const FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    let path = CString::new([b"1/root", point].concat()).ok()?;
    directory(&host.proc, &path)
        .or_else(|_| {
            let below = OsStr::from_bytes(point.strip_prefix(b"/").unwrap_or(point));
            openat(CWD, host.root.join(below), FLAGS, Mode::empty())
        })
        .ok()
}

/// The path of this process's cgroup below the root of a hierarchy.
fn search(root: &OwnedFd) -> Option<Vec<u8>> {
    let pid = u64::from(std::process::id());
    let mut buffers = Buffers::default();
    let mut to_do = vec![Vec::new()];
    let mut seen = 0;
    while let Some(path) = to_do.pop() {
        let dir = match path.as_slice() {
            b"" => open(root, c"."),
            path => open(root, &CString::new(path.strip_prefix(b"/")?).ok()?),
        };
        let Ok(dir) = dir else { continue };
        let mut is_here = false;
        // A directory may be gone, or have threads only: the search goes on.
        let _ = buffers.lines(dir.as_fd(), c"cgroup.procs", |line| {
            is_here = decimal(line) == Some(pid);
            !is_here
        });
        if is_here {
            return Some(if path.is_empty() { b"/".to_vec() } else { path });
        }
        seen += 1;
        if seen > MOST_SEARCHED {
            return None;
        }
        for entry in Dir::read_from(&dir).ok()?.flatten() {
            let name = entry.file_name().to_bytes();
            if entry.file_type() == FileType::Directory && !name.starts_with(b".") {
                to_do.push([&path, &b"/"[..], name].concat());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn version_1_names_its_subsystems() {
        let host = Host::fake(&tempfile::tempdir().unwrap());
        let text = b"9:name=systemd:/a\n3:cpu,cpuacct:/b:c\n1:cpuset:/\n0::/x\nnonsense\n";
        let list = Cgroups::default().list(text, &host);
        assert_eq!(list, b"name=systemd=/a\0cpu=/b:c\0cpuacct=/b:c\0cpuset=/\0");
    }

    #[test]
    fn a_path_without_subsystems_stands_for_those_of_events() {
        let host = Host::fake(&tempfile::tempdir().unwrap());
        let list = Cgroups::default().list(b"0::/p\n", &host);
        assert_eq!(list, b"cpuset=/p\0cpu=/p\0cpuacct=/p\0io=/p\0memory=/p\0");
        assert_eq!(Cgroups::default().list(b"", &host), b"");
    }

    #[test]
    fn the_own_container_is_told_of_those_inside() {
        let host = Host::fake(&tempfile::tempdir().unwrap());
        let mut cgroups = Cgroups::default();
        cgroups.set_own_container(Some(b"abc".to_vec()));
        assert_eq!(cgroups.list(b"2:cpu:/\n0::/\n", &host), b"cpu=/\0container_id=/abc\0");
        assert_eq!(cgroups.list(b"2:cpu:/a/..b\n", &host), b"cpu=/a/..b\0container_id=/abc\0");
        assert_eq!(cgroups.list(b"2:cpu:/../x\n1:cpuset:/\n", &host), b"cpu=/../x\0cpuset=/\0");
        assert_eq!(cgroups.list(b"2:cpu:/..\n", &host), b"cpu=/..\0");
    }

    #[test]
    fn version_2_looks_upwards_for_subsystems() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::fake(&dir);
        let below = |path: &str| dir.path().join("sys/fs/cgroup").join(path);
        fs::create_dir_all(below("user.slice/app")).unwrap();
        fs::write(below("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
        fs::write(below("user.slice/cgroup.controllers"), "cpu memory\n").unwrap();
        fs::write(below("user.slice/app/cgroup.controllers"), "memory\n").unwrap();
        fs::create_dir_all(dir.path().join("proc/1")).unwrap();
        let mount = "30 2 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        fs::write(dir.path().join("proc/1/mountinfo"), mount).unwrap();
        let mut cgroups = Cgroups::default();
        assert_eq!(
            cgroups.list(b"0::/user.slice/app\n", &host),
            b"memory=/user.slice/app\0cpu=/user.slice\0cpuset=/\0io=/\0pids=/\0"
        );
        // One that is gone has what works above it.
        assert_eq!(
            cgroups.list(b"0::/gone\n", &host),
            b"cpuset=/\0cpu=/\0io=/\0memory=/\0pids=/\0"
        );
    }

    #[test]
    fn paths_of_a_namespace_are_put_together() {
        for (own, path, want) in [
            ("/a/b", "/", "/a/b"),
            ("/a/b", "/c", "/a/b/c"),
            ("/a/b", "/..", "/a"),
            ("/a/b", "/../..", "/"),
            ("/a/b", "/../../../..", "/"),
            ("/a/b", "/../x/y", "/a/x/y"),
            ("/a/b", "/..x", "/a/b/..x"),
            ("/", "/x", "/x"),
            ("/", "/", "/"),
            ("", "/../x", "/../x"),
        ] {
            let got = absolute(own.as_bytes(), path.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), want, "{own} {path}");
        }
    }

    #[test]
    fn lists_are_bounded() {
        let host = Host::fake(&tempfile::tempdir().unwrap());
        let text = format!("1:cpu:/{}\n2:cpuset:/ok\n", "x".repeat(5000));
        assert_eq!(Cgroups::default().list(text.as_bytes(), &host), b"cpuset=/ok\0");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[0-9a-z:/.,=\\n]{0,80}", own in "[/a.]{0,12}") {
            let host = Host::fake(&tempfile::tempdir().unwrap());
            let list = Cgroups::default().list(text.as_bytes(), &host);
            prop_assert!(list.is_empty() || list.ends_with(&[0]));
            let _ = absolute(own.as_bytes(), text.as_bytes());
        }
    }
}
