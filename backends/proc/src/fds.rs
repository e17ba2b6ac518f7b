//! The open fds of one process, as the fd lists of captures have them.
//!
//! Kinds and names are libscap's: anonymous inodes by their link's text, pipes and sockets with the
//! inode that stands in it, everything else by type of file. Sockets stay [`FdKind::Unknown`] until
//! their tables were read.

use falco_source::snapshot::{Fd, FdKind};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::FileType;
use rustix::io::Result;

use crate::files::{Buffers, Name, stat};
use crate::mounts::Mounts;
use crate::text::{between, decimal};

const FIFO: u8 = 7;
const UNSUPPORTED: u8 = 10;
const MEMFD: u8 = 20;

/// Where the fds of a process are read.
pub(crate) struct Place<'a> {
    /// `/proc/<pid>`
    pub process: BorrowedFd<'a>,
    /// `/proc/<pid>/fd`
    pub fds: BorrowedFd<'a>,
}

/// Fd `num` of a process.
///
/// # Errors
/// If it was closed meanwhile, or may not be read.
pub(crate) fn read(
    place: &Place<'_>,
    num: u64,
    buffers: &mut Buffers,
    mounts: &mut Mounts,
) -> Result<Fd> {
    let name = Name::of(num);
    let file = name.as_c_str();
    let link = buffers.link(place.fds, file)?;
    let fd = |ino, kind| Fd { num: num.try_into().unwrap_or(i64::MAX), ino, kind };
    if let Some(inode) = between(link, "socket:[", "]").and_then(decimal) {
        return Ok(fd(inode, FdKind::Unknown));
    }
    if let Some(inode) = between(link, "pipe:[", "]").and_then(decimal) {
        return Ok(fd(inode, FdKind::Named { scap_type: FIFO, name: link.to_vec() }));
    }
    let link = link.to_vec();
    let stat = stat(place.fds, file)?;
    let ino = stat.stx_ino;
    if let Some(kind) = link.strip_prefix(b"anon_inode:") {
        return Ok(fd(ino, anonymous(kind, &link)));
    }
    let kind = match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::Fifo => FdKind::Named { scap_type: FIFO, name: link },
        FileType::Directory => FdKind::Directory { name: link },
        FileType::RegularFile if is_memfd(&link, stat.stx_nlink) => {
            FdKind::Named { scap_type: MEMFD, name: link }
        }
        FileType::RegularFile
        | FileType::BlockDevice
        | FileType::CharacterDevice
        | FileType::Symlink => {
            let dev = mounts.dev(&stat, place.process, buffers);
            let open_flags = open_flags(place.process, num, buffers);
            FdKind::File { name: link, open_flags, dev }
        }
        FileType::Socket | FileType::Unknown => {
            FdKind::Named { scap_type: UNSUPPORTED, name: link }
        }
    };
    Ok(fd(ino, kind))
}

/// Whether a file lives in memory only (memfd_create(2)). A file of the root directory could be
/// called so, too, but has a link.
pub(crate) fn is_memfd(link: &[u8], nlink: u32) -> bool {
    nlink == 0 && link.starts_with(b"/memfd:")
}

/// Anonymous inodes by what follows `anon_inode:` in their link. Only what is not known by kind
/// has a name, as in captures.
fn anonymous(kind: &[u8], link: &[u8]) -> FdKind {
    let (scap_type, name) = match kind {
        b"[eventfd]" => (9, Vec::new()),
        b"[signalfd]" => (11, Vec::new()),
        b"[eventpoll]" => (12, Vec::new()),
        b"inotify" => (13, Vec::new()),
        b"[timerfd]" => (14, Vec::new()),
        b"bpf-map" | b"bpf-prog" | b"bpf-link" | b"bpf_link" | b"bpf_iter" => (17, Vec::new()),
        b"[userfaultfd]" => (18, Vec::new()),
        b"[io_uring]" => (19, Vec::new()),
        b"[pidfd]" => (21, Vec::new()),
        b"[perf_event]" => (UNSUPPORTED, Vec::new()),
        _ => (UNSUPPORTED, link.to_vec()),
    };
    FdKind::Named { scap_type, name }
}

/// The flags with which a file was opened, and close-on-exec, from `fdinfo`
/// (proc_pid_fdinfo(5)); 0 if they cannot be read.
fn open_flags(process: impl AsFd, num: u64, buffers: &mut Buffers) -> u32 {
    let path = Name::new("fdinfo/").number(num);
    // What is asked for stands in the first lines.
    let Ok(text) = buffers.read_at_most(process, path.as_c_str(), 512) else { return 0 };
    text.split(|&b| b == b'\n')
        .find_map(|line| line.strip_prefix(b"flags:"))
        .and_then(|flags| u32::from_str_radix(std::str::from_utf8(flags).ok()?.trim(), 8).ok())
        .map_or(0, portable_flags)
}

/// Flags of open(2) as events have them (`PPM_O_*`).
fn portable_flags(flags: u32) -> u32 {
    const RDONLY: u32 = 1 << 0;
    const WRONLY: u32 = 1 << 1;
    const BITS: [(i32, u32); 12] = [
        (libc::O_CREAT, 1 << 2),
        (libc::O_APPEND, 1 << 3),
        (libc::O_DSYNC, 1 << 4),
        (libc::O_EXCL, 1 << 5),
        (libc::O_NONBLOCK, 1 << 6),
        (libc::O_SYNC, 1 << 7),
        (libc::O_TRUNC, 1 << 8),
        (libc::O_DIRECT, 1 << 9),
        (libc::O_DIRECTORY, 1 << 10),
        (KERNEL_O_LARGEFILE, 1 << 11),
        (libc::O_CLOEXEC, 1 << 12),
        (libc::O_TMPFILE, 1 << 13),
    ];
    let access = match flags as i32 & libc::O_ACCMODE {
        libc::O_WRONLY => WRONLY,
        libc::O_RDWR => RDONLY | WRONLY,
        _ => RDONLY,
    };
    BITS.iter()
        .filter(|(native, _)| flags as i32 & native == *native)
        .fold(access, |bits, (_, portable)| bits | portable)
}

/// Programs of 64 bits never pass it, so that libc has 0 for it; the kernel sets it for them.
#[cfg(not(target_arch = "aarch64"))]
const KERNEL_O_LARGEFILE: i32 = 0o100_000;
#[cfg(target_arch = "aarch64")]
const KERNEL_O_LARGEFILE: i32 = 0o400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_captures() {
        // /dev/null of a daemon, its log, and the script of a shell, as Falco's captures have them.
        assert_eq!(portable_flags(0o100_000), 0x801);
        assert_eq!(portable_flags(0o102_001), 0x80a);
        assert_eq!(portable_flags(0o2_000_000), 0x1001);
        assert_eq!(portable_flags(0o2), 0x3);
        assert_eq!(portable_flags(libc::O_DSYNC as u32), 0x11);
        assert_eq!(portable_flags(libc::O_SYNC as u32), 0x91);
        assert_eq!(portable_flags((libc::O_TMPFILE | libc::O_RDWR) as u32), 0x2403);
    }

    #[test]
    fn a_file_is_no_memfd_because_of_its_name() {
        assert!(is_memfd(b"/memfd:x (deleted)", 0));
        assert!(!is_memfd(b"/memfd:x", 1));
        assert!(!is_memfd(b"/tmp/memfd:x", 0));
    }
}
