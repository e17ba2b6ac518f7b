//! [`Fd`]: what is known of one open file descriptor, and the per-process [`FdTable`].

use std::sync::Arc;

use bitflags::bitflags;
use falco_event::net::Endpoint;
use falco_source::snapshot::L4Proto;

use crate::record::{Bytes, empty};

/// What an fd is. Letters and names (`fd.typechar`, `fd.type`) are in `fields::fd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the variants are the names of fd.type
pub enum FdType {
    Unknown,
    /// What a memfd_create that failed leaves behind in Falco.
    Uninitialized,
    File,
    Directory,
    Ipv4,
    Ipv6,
    /// A listening or bound IPv4 socket.
    Ipv4Server,
    /// A listening or bound IPv6 socket.
    Ipv6Server,
    Unix,
    Pipe,
    Event,
    Signalfd,
    Eventpoll,
    Inotify,
    Timerfd,
    Netlink,
    Bpf,
    Userfaultfd,
    IoUring,
    Memfd,
    Pidfd,
    Unsupported,
}

bitflags! {
    /// Role and connection of a socket, layer and origin of an fd: libsinsp's `FLAGS_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct FdFlags: u16 {
        /// From a snapshot, not from an event.
        const FROM_PROC = 1;
        /// The client end of a connection.
        const ROLE_CLIENT = 2;
        /// The server end of a connection, or a bound socket.
        const ROLE_SERVER = 4;
        /// Connected, or once used for data.
        const CONNECTED = 16;
        /// File in an overlayfs upper layer.
        const OVERLAY_UPPER = 256;
        /// File in an overlayfs lower layer.
        const OVERLAY_LOWER = 512;
    }
}

/// Portable open flags (`PPM_O_*`) that the state machine reads or sets.
#[allow(missing_docs)] // the names are those of open(2)
pub mod open_flags {
    pub const DIRECTORY: u32 = 1 << 10;
    pub const CLOEXEC: u32 = 1 << 12;
    /// The call made the file.
    pub const F_CREATED: u32 = 1 << 14;
    /// The file is in an overlayfs upper layer.
    pub const FD_UPPER_LAYER: u32 = 1 << 15;
    /// The file is in an overlayfs lower layer.
    pub const FD_LOWER_LAYER: u32 = 1 << 16;
    /// `EPOLL_CLOEXEC` and `MFD_CLOEXEC`, which are in other sets than open's.
    pub const OTHER_CLOEXEC: u32 = 1;
}

/// The ends of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// Not a socket, or nothing known.
    None,
    /// An IP connection: source is the client.
    Inet {
        /// Client end.
        src: Endpoint,
        /// Server end.
        dst: Endpoint,
        /// Transport.
        proto: L4Proto,
    },
    /// A bound or listening IP socket.
    InetServer {
        /// Bound end.
        local: Endpoint,
        /// Transport.
        proto: L4Proto,
    },
    /// A unix socket: kernel addresses of both ends.
    Unix {
        /// Source socket.
        src: u64,
        /// Destination socket.
        dst: u64,
    },
}

impl Socket {
    /// The transport of an IP socket.
    pub fn proto(&self) -> L4Proto {
        match self {
            Socket::Inet { proto, .. } | Socket::InetServer { proto, .. } => *proto,
            Socket::None | Socket::Unix { .. } => L4Proto::Unknown,
        }
    }
}

/// One open file descriptor.
#[derive(Clone, Debug)]
pub struct Fd {
    /// What it is.
    pub ty: FdType,
    /// Flags.
    pub flags: FdFlags,
    /// Absolute path, tuple text or other name (`fd.name`).
    pub name: Bytes,
    /// Path as the program gave it (`fd.nameraw`); empty if it was not opened by path.
    pub name_raw: Bytes,
    /// Portable open flags (`PPM_O_*`).
    pub open_flags: u32,
    /// Device number.
    pub dev: u32,
    /// Inode.
    pub ino: u64,
    /// Ends of a socket.
    pub socket: Socket,
    /// The transport that socket(2) asked for.
    pub(crate) l4proto: L4Proto,
    /// The process that a pidfd stands for; 0 otherwise.
    pub pid: i64,
}

impl Fd {
    /// An fd without a name.
    pub fn new(ty: FdType) -> Self {
        Fd {
            ty,
            flags: FdFlags::empty(),
            name: empty(),
            name_raw: empty(),
            open_flags: 0,
            dev: 0,
            ino: 0,
            socket: Socket::None,
            l4proto: L4Proto::Unknown,
            pid: 0,
        }
    }

    /// An fd with a name.
    pub(crate) fn named(ty: FdType, name: Bytes) -> Self {
        Fd { name, ..Fd::new(ty) }
    }

    /// Whether it is the data end of an IP connection (not a bound or listening socket).
    pub fn is_inet(&self) -> bool {
        matches!(self.ty, FdType::Ipv4 | FdType::Ipv6)
    }

    /// Whether it is known to be neither client nor server.
    pub fn has_no_role(&self) -> bool {
        !self.flags.intersects(FdFlags::ROLE_CLIENT | FdFlags::ROLE_SERVER)
    }

    /// Whether exec closes it.
    pub fn is_close_on_exec(&self) -> bool {
        let other = matches!(self.ty, FdType::Eventpoll | FdType::Memfd);
        self.open_flags & open_flags::CLOEXEC != 0
            || (other && self.open_flags & open_flags::OTHER_CLOEXEC != 0)
    }

    /// Sets or clears close-on-exec.
    pub(crate) fn set_close_on_exec(&mut self, on: bool) {
        self.open_flags &= !(open_flags::CLOEXEC | open_flags::OTHER_CLOEXEC);
        if on {
            self.open_flags |= open_flags::CLOEXEC;
        }
    }
}

/// The fds of one process: dense for the small numbers that nearly all fds have, a map above.
///
/// A clone shares everything until one of the two changes, so that fork is cheap.
#[derive(Debug, Default, Clone)]
pub struct FdTable {
    /// None while there was never an fd: most threads of a process have no table of their own.
    fds: Option<Arc<Fds>>,
}

#[derive(Debug, Default, Clone)]
struct Fds {
    dense: Vec<Option<Arc<Fd>>>,
    sparse: hashbrown::HashMap<i64, Arc<Fd>>,
    len: usize,
}

/// Numbers below this are dense.
const DENSE: i64 = 1024;

impl FdTable {
    /// The fd of this number.
    #[inline]
    pub fn get(&self, num: i64) -> Option<&Fd> {
        let fds = self.fds.as_deref()?;
        if (0..DENSE).contains(&num) {
            fds.dense.get(num as usize)?.as_deref()
        } else {
            fds.sparse.get(&num).map(|fd| &**fd)
        }
    }

    /// The fd of this number, to change.
    pub fn get_mut(&mut self, num: i64) -> Option<&mut Fd> {
        self.get(num)?;
        let fds = Arc::make_mut(self.fds.as_mut()?);
        let fd = if (0..DENSE).contains(&num) {
            fds.dense.get_mut(num as usize)?.as_mut()
        } else {
            fds.sparse.get_mut(&num)
        };
        fd.map(Arc::make_mut)
    }

    /// Sets the fd of this number; whether it is a further one, not a replacement.
    pub fn insert(&mut self, num: i64, fd: Fd) -> bool {
        let fd = Arc::new(fd);
        let fds = Arc::make_mut(self.fds.get_or_insert_default());
        let old = if (0..DENSE).contains(&num) {
            let at = num as usize;
            if at >= fds.dense.len() {
                fds.dense.resize(at + 1, None);
            }
            fds.dense[at].replace(fd)
        } else {
            fds.sparse.insert(num, fd)
        };
        fds.len += usize::from(old.is_none());
        old.is_none()
    }

    /// Forgets the fd of this number; whether there was one.
    pub fn remove(&mut self, num: i64) -> bool {
        if self.get(num).is_none() {
            return false;
        }
        let Some(fds) = &mut self.fds else { return false };
        let fds = Arc::make_mut(fds);
        let old = if (0..DENSE).contains(&num) {
            fds.dense.get_mut(num as usize).and_then(Option::take)
        } else {
            fds.sparse.remove(&num)
        };
        fds.len -= usize::from(old.is_some());
        old.is_some()
    }

    /// Keeps the fds for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(i64, &Fd) -> bool) {
        // Looking first keeps a shared table shared.
        if self.iter().all(|(num, fd)| keep(num, fd)) {
            return;
        }
        let Some(fds) = &mut self.fds else { return };
        let fds = Arc::make_mut(fds);
        let mut len = 0;
        for (num, fd) in fds.dense.iter_mut().enumerate() {
            if fd.as_ref().is_some_and(|fd| !keep(num as i64, fd)) {
                *fd = None;
            }
            len += usize::from(fd.is_some());
        }
        fds.sparse.retain(|&num, fd| keep(num, fd));
        fds.len = len + fds.sparse.len();
    }

    /// Changes every fd for which `which` is true.
    pub(crate) fn change(&mut self, which: impl Fn(i64) -> bool, change: impl Fn(&mut Fd)) {
        let nums: Vec<i64> = self.iter().map(|(num, _)| num).filter(|&n| which(n)).collect();
        for num in nums {
            if let Some(fd) = self.get_mut(num) {
                change(fd);
            }
        }
    }

    /// How many fds are open.
    pub fn len(&self) -> usize {
        self.fds.as_ref().map_or(0, |fds| fds.len)
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All fds: the dense ones in ascending order, then the others.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Fd)> {
        let fds = self.fds.as_deref();
        let dense = fds.map_or(&[][..], |fds| &fds.dense).iter().enumerate();
        let dense = dense.filter_map(|(n, fd)| Some((n as i64, &**fd.as_ref()?)));
        let sparse = fds.into_iter().flat_map(|fds| &fds.sparse);
        dense.chain(sparse.map(|(&n, fd)| (n, &**fd)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Fd {
        Fd::named(FdType::File, name.as_bytes().into())
    }

    fn names(table: &FdTable) -> Vec<(i64, String)> {
        let mut all: Vec<_> =
            table.iter().map(|(n, f)| (n, String::from_utf8_lossy(&f.name).into())).collect();
        all.sort();
        all
    }

    #[test]
    fn dense_and_sparse_numbers_behave_alike() {
        let mut t = FdTable::default();
        for num in [0, 1, 1023, 1024, 1 << 40, -22] {
            assert!(t.insert(num, file("a")));
            assert!(!t.insert(num, file("b")));
            assert_eq!(t.get(num).map(|f| &*f.name), Some(&b"b"[..]));
        }
        assert_eq!(t.len(), 6);
        assert!(t.get(-1).is_none());
        assert!(t.remove(1 << 40) && t.remove(-22) && t.remove(0) && !t.remove(0));
        assert_eq!(t.len(), 3);
        t.retain(|n, _| n != 1023);
        assert_eq!(t.iter().map(|(n, _)| n).collect::<Vec<_>>(), [1, 1024]);
        assert_eq!(t.len(), 2);
    }

    #[test]
    fn a_clone_is_independent() {
        let mut parent = FdTable::default();
        parent.insert(3, file("three"));
        let mut child = parent.clone();
        child.insert(4, file("four"));
        child.get_mut(3).unwrap().set_close_on_exec(true);
        child.retain(|_, fd| !fd.is_close_on_exec());
        assert_eq!(names(&parent), [(3, "three".into())]);
        assert_eq!(names(&child), [(4, "four".into())]);
        assert!(!parent.get(3).unwrap().is_close_on_exec());
    }
}
