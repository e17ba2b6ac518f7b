//! [`Thread`]: one thread's place in the process tree, its current record and its fds.

use std::sync::Arc;

use crate::fd::FdTable;
use crate::record::ProcessRecord;

/// A thread. Fds and working directory are those of the main thread of its group.
#[derive(Debug)]
pub struct Thread {
    /// Thread id in the host's pid namespace.
    pub tid: i64,
    /// Id of its process (thread group); equals `tid` for the main thread.
    pub pid: i64,
    /// Thread id of the parent process's main thread (or the thread that cloned it, as the kernel
    /// says); 0 or −1 is none.
    pub ptid: i64,
    /// Portable clone flags (`PPM_CL_*`) with which it was made.
    pub flags: u32,
    /// What is known of its image and credentials now.
    pub record: Arc<ProcessRecord>,
    /// Its fds; empty for threads that are not the main one.
    pub fds: FdTable,
    /// Virtual memory in kB at the last sample.
    pub vmsize_kb: u32,
    /// Resident memory in kB.
    pub vmrss_kb: u32,
    /// Swapped memory in kB.
    pub vmswap_kb: u32,
    /// Major page faults since the start.
    pub pfmajor: u64,
    /// Minor page faults since the start.
    pub pfminor: u64,
    /// Fd of the last event that named one; −1 is none.
    pub lastevent_fd: i64,
    /// Time of its latest event, nanoseconds since the epoch.
    pub lastevent_ts: u64,
    /// Live threads of the group, kept on the main thread.
    pub nthreads: u32,
    /// Live child processes and threads that name this one as parent. Changes of a thread with
    /// children change the lineage generation.
    pub nchildren: u32,
    /// The entry was made from an event that named an unknown thread; only `tid` is known.
    pub is_placeholder: bool,
}

impl Thread {
    /// Whether it is the main thread of its process.
    #[inline]
    pub fn is_main(&self) -> bool {
        self.tid == self.pid
    }
}
