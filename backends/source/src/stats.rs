//! Counters of a source: what arrived and what was lost, by cause. Loss is never silent.

/// Counters since the start of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events read from the source, dropped ones not counted.
    pub events: u64,
    /// Events skipped because their type is unknown to this build (captures of newer schemas).
    pub skipped_unknown: u64,
    /// Events that the conversion of old captures consumed (enter events that became parameters).
    pub converted_away: u64,
    /// Exit events that were converted without their enter event (it was lost, or belongs to
    /// another call), so that its parameters are defaults or empty.
    pub enters_missing: u64,
    /// Enter events that the conversion forgot because too many threads were inside a call.
    pub enters_evicted: u64,
    /// Events lost because a ring was full.
    pub dropped_ring: u64,
    /// [`dropped_ring`](Self::dropped_ring) by what was lost.
    pub dropped_by_class: Drops,
    /// Events lost because memory to build them in was not to be had.
    pub dropped_scratch: u64,
    /// Events lost because they were larger than an event can be.
    pub dropped_too_large: u64,
    /// Events lost because reading memory faulted (kernel module only).
    pub dropped_page_faults: u64,
    /// Events that the kernel side saw and wanted to send, lost ones included; 0 where nobody counts.
    pub seen: u64,
    /// Bytes or records that were no valid event and were skipped; a bug, if it is not 0.
    pub invalid: u64,
}

impl Stats {
    /// Events lost, whatever the cause.
    pub fn dropped(&self) -> u64 {
        self.dropped_ring + self.dropped_scratch + self.dropped_too_large + self.dropped_page_faults
    }
}

/// Lost events by the class of system call, as Falco's drop metrics have them
/// (`n_drops_buffer_*_exit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// clone, clone3, fork and vfork.
    pub clone_fork_exit: u64,
    /// execve and execveat.
    pub execve_exit: u64,
    /// connect.
    pub connect_exit: u64,
    /// open, creat, openat, openat2 and open_by_handle_at.
    pub open_exit: u64,
    /// Directories and links: chmod, chown, link, mkdir, mknod, rename, rmdir, symlink, unlink …
    pub dir_file_exit: u64,
    /// What else users look at most: accept, bind, ptrace, set*id, setns, mount …
    pub other_interest_exit: u64,
    /// close.
    pub close_exit: u64,
    /// The end of processes and threads.
    pub proc_exit: u64,
}
