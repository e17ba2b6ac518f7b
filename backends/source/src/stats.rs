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

    /// These counters with those of another source.
    #[must_use]
    pub fn plus(&self, other: &Stats) -> Stats {
        self.each(other, u64::saturating_add)
    }

    /// What was counted since these counters of the same source were `before`.
    #[must_use]
    pub fn since(&self, before: &Stats) -> Stats {
        self.each(before, u64::saturating_sub)
    }

    /// Every counter of both, combined.
    fn each(&self, other: &Stats, combine: impl Fn(u64, u64) -> u64) -> Stats {
        let (classes, others) = (&self.dropped_by_class, &other.dropped_by_class);
        Stats {
            events: combine(self.events, other.events),
            skipped_unknown: combine(self.skipped_unknown, other.skipped_unknown),
            converted_away: combine(self.converted_away, other.converted_away),
            enters_missing: combine(self.enters_missing, other.enters_missing),
            enters_evicted: combine(self.enters_evicted, other.enters_evicted),
            dropped_ring: combine(self.dropped_ring, other.dropped_ring),
            dropped_by_class: Drops {
                clone_fork_exit: combine(classes.clone_fork_exit, others.clone_fork_exit),
                execve_exit: combine(classes.execve_exit, others.execve_exit),
                connect_exit: combine(classes.connect_exit, others.connect_exit),
                open_exit: combine(classes.open_exit, others.open_exit),
                dir_file_exit: combine(classes.dir_file_exit, others.dir_file_exit),
                other_interest_exit: combine(
                    classes.other_interest_exit,
                    others.other_interest_exit,
                ),
                close_exit: combine(classes.close_exit, others.close_exit),
                proc_exit: combine(classes.proc_exit, others.proc_exit),
            },
            dropped_scratch: combine(self.dropped_scratch, other.dropped_scratch),
            dropped_too_large: combine(self.dropped_too_large, other.dropped_too_large),
            dropped_page_faults: combine(self.dropped_page_faults, other.dropped_page_faults),
            seen: combine(self.seen, other.seen),
            invalid: combine(self.invalid, other.invalid),
        }
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
