//! [`Slots`]: reads many records with one system call.
//!
//! Not for the call's own sake, which is a small part of what a record costs: where eBPF watches the
//! host beside us, it looks at each of our calls, too.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg};

use crate::wire::MAX_RECORD;

/// Records that are read at a time, at most.
const COUNT: usize = 32;
/// Bytes between the beginnings of two slots. Not a multiple of a page, so that short records do not
/// compete for the same lines of a cache. What no record reaches takes no memory.
const STRIDE: usize = MAX_RECORD + 192;

/// Room for records.
pub(super) struct Slots {
    bytes: Vec<u8>,
    headers: MultiHeaders<()>,
    /// Of each record that was read, its length, and whether it was longer.
    read: Vec<(usize, bool)>,
}

impl Slots {
    pub fn new() -> Self {
        Slots {
            bytes: vec![0; COUNT * STRIDE],
            headers: MultiHeaders::preallocate(COUNT, None),
            read: Vec::with_capacity(COUNT),
        }
    }

    /// Reads what there is, without waiting for it. None is there if this fails with `EAGAIN`.
    pub fn read(&mut self, socket: &OwnedFd) -> Result<(), Errno> {
        self.read.clear();
        let whole = self.bytes.chunks_exact_mut(STRIDE);
        let mut slots: Vec<_> = whole
            .map(|slot| [IoSliceMut::new(slot.get_mut(..MAX_RECORD).unwrap_or_default())])
            .collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let (fd, headers) = (socket.as_raw_fd(), &mut self.headers);
        let read = recvmmsg(fd, headers, slots.iter_mut(), flags, None)?;
        self.read.extend(read.map(|it| (it.bytes, it.flags.contains(MsgFlags::MSG_TRUNC))));
        Ok(())
    }

    /// What was read: each record, and whether it was longer than there is room.
    pub fn records(&self) -> impl ExactSizeIterator<Item = (&[u8], bool)> {
        let slots = self.bytes.chunks_exact(STRIDE);
        let read = self.read.iter().zip(slots);
        read.map(|(&(len, is_cut), slot)| (slot.get(..len).unwrap_or_default(), is_cut))
    }
}
