//! [`Mounts`]: which device a file is on, and which layer of an overlay, by the id of its mount.
//!
//! `stat` gives another device number than events have where a file system invents numbers for its
//! files (overlay, btrfs); `mountinfo` has the one of the file system itself, as events do
//! (proc_pid_mountinfo(5)). Mount ids are unique on a host as long as the mount lives.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Statx, openat, openat2};
use rustix::io::Errno;

use crate::files::{Buffers, encode_dev};
use crate::text::{between, decimal, unescape_octal};

/// Mounts that are remembered at most. A host has some hundred, one of many containers thousands.
const MOST: usize = 65_536;

/// What is known of one mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Device of the file system.
    pub dev: u32,
    /// Whether the file system itself (not just this mount) is read-only.
    pub is_read_only: bool,
    /// Type of the file system.
    pub fs_type: Vec<u8>,
    /// Directory of the file system that is mounted.
    pub root: Vec<u8>,
    /// Where it is mounted, as its mount namespace sees it.
    pub point: Vec<u8>,
    /// Overlays: directory of the writable layer, as whoever mounted it saw it. Empty if there is
    /// none.
    upper: Vec<u8>,
    /// Cgroups: options, which name the subsystems of version 1. Empty elsewhere.
    pub options: Vec<u8>,
}

impl Mount {
    /// One line of `mountinfo`: the mount's id, and what it is.
    pub(crate) fn parse(line: &[u8]) -> Option<(u64, Self)> {
        let mut words = line.split(|&b| b == b' ');
        let id = decimal(words.next()?)?;
        let dev = words.nth(1)?;
        let colon = dev.iter().position(|&b| b == b':')?;
        let number = |text| u32::try_from(decimal(text)?).ok();
        let (major, minor) = (number(&dev[..colon])?, number(&dev[colon + 1..])?);
        let root = unescape_octal(words.next()?);
        let point = unescape_octal(words.next()?);
        // Optional words end with a dash.
        words.find(|word| *word == b"-")?;
        let fs_type = words.next()?.to_vec();
        let options = words.nth(1).unwrap_or_default();
        let mut mount =
            Mount { dev: encode_dev(major, minor), fs_type, root, point, ..Mount::default() };
        if mount.fs_type == b"cgroup" {
            mount.options = options.to_vec();
        }
        for option in split_options(options) {
            if option == b"ro" {
                mount.is_read_only = true;
            } else if mount.fs_type == b"overlay"
                && let Some(upper) = option.strip_prefix(b"upperdir=")
            {
                mount.upper = unescape_octal(upper);
            }
        }
        Some((id, mount))
    }

    /// Whether files of this mount have layers.
    pub(crate) fn is_overlay(&self) -> bool {
        self.fs_type == b"overlay"
    }

    /// The path of a file of this mount inside its file system, without the leading slash.
    fn path_inside(&self, path: &[u8]) -> Option<Vec<u8>> {
        let below = match self.point.as_slice() {
            b"/" => path,
            point => path.strip_prefix(point).filter(|rest| rest.starts_with(b"/"))?,
        };
        let mut inside = self.root.clone();
        inside.extend_from_slice(below);
        let from = inside.iter().position(|&b| b != b'/')?;
        inside.drain(..from);
        Some(inside)
    }
}

/// Options part at commas that no backslash precedes (overlay escapes those in paths).
fn split_options(options: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut escaped = false;
    options.split(move |&b| {
        let parts = b == b',' && !escaped;
        escaped = b == b'\\' && !escaped;
        parts
    })
}

/// The layer of an overlay that a file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Written since the overlay was mounted: not part of the image.
    Upper,
    /// Part of the image.
    Lower,
}

/// The mounts that files were met on so far.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    by_id: HashMap<u64, Mount>,
    /// Mount namespaces (inode) whose table was read.
    read: HashSet<u64>,
}

impl Mounts {
    /// Forgets all: ids may come again.
    pub(crate) fn clear(&mut self) {
        self.by_id.clear();
        self.read.clear();
    }

    /// The mount of a file that the process of `dir` has. `None` if it is in no namespace's table:
    /// the kernel's own (memfd, sockets), one that was detached, or one of another namespace.
    pub(crate) fn get(
        &mut self,
        id: u64,
        dir: BorrowedFd<'_>,
        buffers: &mut Buffers,
    ) -> Option<&Mount> {
        if !self.by_id.contains_key(&id) {
            self.read_namespace(dir, buffers);
        }
        self.by_id.get(&id)
    }

    fn read_namespace(&mut self, dir: BorrowedFd<'_>, buffers: &mut Buffers) {
        let Ok(link) = buffers.link(dir, c"ns/mnt") else { return };
        let Some(namespace) = between(link, "mnt:[", "]").and_then(decimal) else { return };
        if self.read.len() >= MOST || !self.read.insert(namespace) {
            return;
        }
        let by_id = &mut self.by_id;
        // A table that cannot be read tells nothing: its files have the device that stat gives.
        let _ = buffers.lines(dir, c"mountinfo", |line| {
            by_id.extend(Mount::parse(line));
            by_id.len() < MOST
        });
    }

    /// The device of a file as events have it.
    pub(crate) fn dev(&mut self, file: &Statx, dir: BorrowedFd<'_>, buffers: &mut Buffers) -> u32 {
        match self.get(file.stx_mnt_id, dir, buffers) {
            Some(mount) => mount.dev,
            None => encode_dev(file.stx_dev_major, file.stx_dev_minor),
        }
    }
}

/// Which layer the executable of a process comes from, if it is on an overlay and that can be told:
/// the overlay must name its upper directory by a path that still holds below `root`.
pub(crate) fn layer(mount: &Mount, path: &[u8], root: &Path) -> Option<Layer> {
    if !mount.is_overlay() {
        return None;
    }
    if mount.upper.is_empty() {
        return Some(Layer::Lower);
    }
    let is_deleted = path.ends_with(b" (deleted)");
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    let inside = CString::new(mount.path_inside(path)?).ok()?;
    let upper = upper_directory(&mount.upper, root)?;
    // Nobody's links are followed: the path of an executable has none, and the layer belongs to
    // the container.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match openat2(&upper, &inside, flags, Mode::empty(), resolve) {
        // A whiteout, a device 0:0, hides the file of the image.
        Ok(found) => Some(match is_regular(found.as_fd()) {
            true => Layer::Upper,
            false => Layer::Lower,
        }),
        // What was deleted and left no whiteout was never part of the image.
        Err(Errno::NOENT) if is_deleted => Some(Layer::Upper),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Some(Layer::Lower),
        Err(_) => None,
    }
}

fn upper_directory(upper: &[u8], root: &Path) -> Option<OwnedFd> {
    let relative = Path::new(std::ffi::OsStr::from_bytes(upper)).strip_prefix("/").ok()?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, root.join(relative), flags, Mode::empty()).ok()
}

fn is_regular(file: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(file)
        .is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::RegularFile)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_a_mount() {
        let line = br"36 35 98:260 /data /mnt\040x rw,noatime master:1 - ext4 /dev/root ro,errors=continue";
        let (id, mount) = Mount::parse(line).unwrap();
        assert_eq!((id, mount.dev), (36, encode_dev(98, 260)));
        assert_eq!(mount.point, b"/mnt x");
        assert!(mount.is_read_only && !mount.is_overlay());
        assert_eq!(mount.path_inside(b"/mnt x/bin/sh").unwrap(), b"data/bin/sh");
        assert_eq!(mount.path_inside(b"/mnt xy/sh"), None);
        assert_eq!(mount.path_inside(b"/sh"), None);
    }

    #[test]
    fn a_read_only_mount_of_a_writable_file_system_is_writable_elsewhere() {
        let (_, mount) = Mount::parse(b"1 2 8:1 / /ro ro,relatime - ext4 /dev/sda1 rw").unwrap();
        assert!(!mount.is_read_only);
    }

    #[test]
    fn an_overlay_names_its_layers() {
        let line = br"9 8 0:50 / / rw - overlay overlay rw,lowerdir=/a\,ro:/b,upperdir=/up\040x,workdir=/w";
        let (_, mount) = Mount::parse(line).unwrap();
        assert!(mount.is_overlay() && !mount.is_read_only);
        assert_eq!(mount.upper, b"/up x");
        assert_eq!(mount.path_inside(b"/bin/sh").unwrap(), b"bin/sh");
    }

    #[test]
    fn devices_are_encoded_as_the_kernel_does() {
        // new_encode_dev: minor in bits 0-7 and 20-31, major in 8-19.
        assert_eq!(encode_dev(8, 1), 0x801);
        assert_eq!(encode_dev(254, 0), 0xfe00);
        assert_eq!(encode_dev(0, 0x12345), 0x1230_0045);
        let file = crate::files::stat(CWD, c"/").unwrap();
        let libc = rustix::fs::stat("/").unwrap().st_dev;
        assert_eq!(u64::from(encode_dev(file.stx_dev_major, file.stx_dev_minor)), libc);
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line in "[0-9a-z:/,=\\\\ -]{0,80}") {
            if let Some((_, mount)) = Mount::parse(line.as_bytes()) {
                let _ = mount.path_inside(line.as_bytes());
            }
        }
    }
}
