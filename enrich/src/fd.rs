//! [`Fd`]: what is known of one open file descriptor, and the per-process [`FdTable`].

use std::sync::Arc;

use bitflags::bitflags;
use falco_event::net::Endpoint;
use falco_source::snapshot::L4Proto;

/// What an fd is. Letters and names (`fd.typechar`, `fd.type`) are in `fields::fd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the variants are the names of fd.type
pub enum FdType {
    Unknown,
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
    /// Socket role and connection, layer and origin of an fd: libsinsp's `FLAGS_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct FdFlags: u16 {
        /// From a snapshot, not from an event.
        const FROM_PROC = 1;
        /// The process called connect.
        const ROLE_CLIENT = 2;
        /// The process called accept.
        const ROLE_SERVER = 4;
        /// Made by socketpair.
        const SOCKET_PIPE = 8;
        /// connect succeeded.
        const CONNECTED = 16;
        /// connect is in progress.
        const PENDING = 32;
        /// connect failed.
        const FAILED = 64;
        /// Inherited through clone.
        const CLONED = 128;
        /// File in an overlayfs upper layer.
        const OVERLAY_UPPER = 256;
        /// File in an overlayfs lower layer.
        const OVERLAY_LOWER = 512;
    }
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

/// One open file descriptor.
#[derive(Clone, Debug)]
pub struct Fd {
    /// What it is.
    pub ty: FdType,
    /// Flags.
    pub flags: FdFlags,
    /// Absolute path, tuple text or other name (`fd.name`).
    pub name: Arc<[u8]>,
    /// Path as the program gave it; empty when the same as `name` or not a file (`fd.nameraw`).
    pub name_raw: Arc<[u8]>,
    /// Portable open flags (`PPM_O_*`).
    pub open_flags: u32,
    /// Device number.
    pub dev: u32,
    /// Inode.
    pub ino: u64,
    /// Ends of a socket.
    pub socket: Socket,
}

/// The fds of one process: dense for the small numbers that nearly all fds have, a map above.
#[derive(Debug, Default, Clone)]
pub struct FdTable {
    dense: Vec<Option<Box<Fd>>>,
    sparse: hashbrown::HashMap<i64, Box<Fd>>,
    len: usize,
}

/// Numbers below this are dense.
const DENSE: i64 = 1024;

impl FdTable {
    /// The fd of this number.
    #[inline]
    pub fn get(&self, num: i64) -> Option<&Fd> {
        if (0..DENSE).contains(&num) {
            self.dense.get(num as usize)?.as_deref()
        } else {
            self.sparse.get(&num).map(|b| &**b)
        }
    }

    /// The fd of this number, to change.
    #[inline]
    pub fn get_mut(&mut self, num: i64) -> Option<&mut Fd> {
        if (0..DENSE).contains(&num) {
            self.dense.get_mut(num as usize)?.as_deref_mut()
        } else {
            self.sparse.get_mut(&num).map(|b| &mut **b)
        }
    }

    /// Sets the fd of this number and returns the one that it replaced.
    pub fn insert(&mut self, num: i64, fd: Fd) -> Option<Box<Fd>> {
        let fd = Box::new(fd);
        let old = if (0..DENSE).contains(&num) {
            let at = num as usize;
            if at >= self.dense.len() {
                self.dense.resize_with(at + 1, || None);
            }
            self.dense[at].replace(fd)
        } else {
            self.sparse.insert(num, fd)
        };
        self.len += usize::from(old.is_none());
        old
    }

    /// Forgets the fd of this number.
    pub fn remove(&mut self, num: i64) -> Option<Box<Fd>> {
        let old = if (0..DENSE).contains(&num) {
            self.dense.get_mut(num as usize)?.take()
        } else {
            self.sparse.remove(&num)
        };
        self.len -= usize::from(old.is_some());
        old
    }

    /// How many fds are open.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All fds: the dense ones in ascending order, then the others.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Fd)> {
        let dense = self.dense.iter().enumerate();
        let dense = dense.filter_map(|(n, fd)| Some((n as i64, &**fd.as_ref()?)));
        dense.chain(self.sparse.iter().map(|(&n, fd)| (n, &**fd)))
    }

    /// Forgets all fds.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
