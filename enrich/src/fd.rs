//! [`Fd`]: what is known of one open file descriptor, and the per-process [`FdTable`].

use std::sync::Arc;

use bitflags::bitflags;
use falco_event::net::Endpoint;
use falco_source::snapshot::L4Proto;

use crate::record::{Bytes, empty};
use crate::state::meter::{Charge, Meter};

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

    /// The port on which it listens (or to which it is bound), if it is such an IP socket.
    pub(crate) fn listens_on(&self) -> Option<u16> {
        match self.socket {
            Socket::InetServer { local, .. } => Some(local.port),
            _ => None,
        }
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
/// A copy shares everything until one of the two changes, so that fork is cheap.
#[derive(Debug, Default)]
pub struct FdTable {
    /// None while there was never an fd: most threads of a process have no table of their own.
    fds: Option<Arc<Fds>>,
    /// For the arrays of `fds`, as if they were not shared.
    charge: Charge,
}

#[derive(Debug, Default, Clone)]
struct Fds {
    dense: Vec<Option<Arc<Entry>>>,
    sparse: hashbrown::HashMap<i64, Arc<Entry>>,
    len: usize,
}

/// An fd with what it counts for.
#[derive(Debug, Clone)]
struct Entry {
    fd: Fd,
    charge: Charge,
}

/// Numbers below this are dense.
const DENSE: i64 = 1024;
/// Bytes of one place in each of the two: the map holds number and pointer, at most 7/8 full, and
/// a byte of its own.
const DENSE_SLOT: usize = size_of::<Option<Arc<Entry>>>();
const SPARSE_SLOT: usize = 24;
/// Room for the name of a socket: it changes while the socket lives, within these bounds (two
/// addresses, and the longest path of a unix socket).
const SOCKET_NAME: usize = 192;

impl Fds {
    fn bytes(&self) -> usize {
        size_of::<Fds>() + self.dense.capacity() * DENSE_SLOT + self.sparse.capacity() * SPARSE_SLOT
    }
}

impl Fd {
    /// What it counts for in a table.
    fn bytes(&self) -> usize {
        let is_file = matches!(self.ty, FdType::File | FdType::Directory);
        let name = if is_file { self.name.len() } else { self.name.len().max(SOCKET_NAME) };
        // Two counts before each shared text and the entry; a raw name like the name is shared.
        let raw = if Arc::ptr_eq(&self.name, &self.name_raw) { 0 } else { self.name_raw.len() };
        size_of::<Entry>() + 16 * 3 + name + raw
    }
}

impl FdTable {
    /// A copy for a child.
    pub(crate) fn share(&self) -> Self {
        FdTable { fds: self.fds.clone(), charge: self.charge.clone() }
    }

    /// The fd of this number.
    #[inline]
    pub fn get(&self, num: i64) -> Option<&Fd> {
        let fds = self.fds.as_deref()?;
        let entry = if (0..DENSE).contains(&num) {
            fds.dense.get(num as usize)?.as_deref()
        } else {
            fds.sparse.get(&num).map(|fd| &**fd)
        };
        entry.map(|entry| &entry.fd)
    }

    /// The fd of this number, to change; none, too, if others share it and there is no memory for
    /// one of its own. Only sockets may get other names.
    pub(crate) fn get_mut(&mut self, num: i64) -> Option<&mut Fd> {
        self.get(num)?;
        let fds = Arc::make_mut(self.fds.as_mut()?);
        let entry = if (0..DENSE).contains(&num) {
            fds.dense.get_mut(num as usize)?.as_mut()?
        } else {
            fds.sparse.get_mut(&num)?
        };
        if Arc::get_mut(entry).is_none() {
            let charge = &entry.charge;
            if charge.meter().is_some_and(|meter| !meter.has_room(charge.bytes())) {
                return None;
            }
        }
        Some(&mut Arc::make_mut(entry).fd)
    }

    /// Bytes that setting an fd may add, at most.
    pub(crate) fn cost_of(&self, num: i64, fd: &Fd) -> usize {
        let fds = self.fds.as_deref();
        let arrays = if (0..DENSE).contains(&num) {
            let has = fds.map_or(0, |fds| fds.dense.capacity());
            if num as usize >= has { DENSE_SLOT * (2 * num as usize + 4) } else { 0 }
        } else {
            let full = fds.is_none_or(|fds| fds.sparse.len() == fds.sparse.capacity());
            if full {
                SPARSE_SLOT * (fds.map_or(0, |fds| 2 * fds.sparse.capacity()) + 8)
            } else {
                0
            }
        };
        size_of::<Fds>() + arrays + fd.bytes()
    }

    /// Sets the fd of this number; whether it is a further one, not a replacement.
    pub(crate) fn insert(&mut self, meter: &Meter, num: i64, fd: Fd) -> bool {
        let charge = Charge::of(meter, fd.bytes());
        let fd = Arc::new(Entry { fd, charge });
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
        self.charge.set(meter, fds.bytes());
        old.is_none()
    }

    /// Forgets the fd of this number; whether there was one.
    pub(crate) fn remove(&mut self, num: i64) -> bool {
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
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(i64, &Fd) -> bool) {
        // Looking first keeps a shared table shared.
        if self.iter().all(|(num, fd)| keep(num, fd)) {
            return;
        }
        let Some(fds) = &mut self.fds else { return };
        let fds = Arc::make_mut(fds);
        let mut len = 0;
        for (num, fd) in fds.dense.iter_mut().enumerate() {
            if fd.as_ref().is_some_and(|entry| !keep(num as i64, &entry.fd)) {
                *fd = None;
            }
            len += usize::from(fd.is_some());
        }
        fds.sparse.retain(|&num, entry| keep(num, &entry.fd));
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
        let dense = dense.filter_map(|(n, fd)| Some((n as i64, &fd.as_ref()?.fd)));
        let sparse = fds.into_iter().flat_map(|fds| &fds.sparse);
        dense.chain(sparse.map(|(&n, entry)| (n, &entry.fd)))
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
        let (meter, mut t) = (Meter::new(1 << 20), FdTable::default());
        for num in [0, 1, 1023, 1024, 1 << 40, -22] {
            assert!(t.insert(&meter, num, file("a")));
            assert!(!t.insert(&meter, num, file("b")));
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
    fn a_copy_is_independent() {
        let (meter, mut parent) = (Meter::new(1 << 20), FdTable::default());
        parent.insert(&meter, 3, file("three"));
        let mut child = parent.share();
        child.insert(&meter, 4, file("four"));
        child.get_mut(3).unwrap().set_close_on_exec(true);
        child.retain(|_, fd| !fd.is_close_on_exec());
        assert_eq!(names(&parent), [(3, "three".into())]);
        assert_eq!(names(&child), [(4, "four".into())]);
        assert!(!parent.get(3).unwrap().is_close_on_exec());
    }

    #[test]
    fn what_is_shared_counts_once_but_for_the_arrays() {
        let meter = Meter::new(1 << 20);
        let mut parent = FdTable::default();
        for num in [0, 1, 2, 5000] {
            let before = meter.used();
            let cost = parent.cost_of(num, &file("/a/name"));
            parent.insert(&meter, num, file("/a/name"));
            assert!(meter.used() - before <= cost, "{num}");
        }
        let alone = meter.used();
        let mut child = parent.share();
        let arrays = child.charge.bytes();
        assert_eq!(meter.used(), alone + arrays);
        child.get_mut(1).unwrap().set_close_on_exec(true);
        assert_eq!(meter.used(), alone + arrays + file("/a/name").bytes());
        child.remove(2);
        assert_eq!(meter.used(), alone + arrays + file("/a/name").bytes());
        drop(parent);
        drop(child);
        assert_eq!(meter.used(), 0);
    }

    #[test]
    fn a_shared_fd_stays_as_it_is_when_there_is_no_memory() {
        let meter = Meter::new(500);
        let mut parent = FdTable::default();
        parent.insert(&meter, 0, file("/a"));
        let mut child = parent.share();
        assert!(!meter.has_room(file("/a").bytes()), "{}", meter.used());
        assert!(child.get_mut(0).is_none());
        drop(parent);
        assert!(child.get_mut(0).is_some());
    }
}
