//! [`Thread`]: one thread's place in the process tree, its current record and its fds.

use std::sync::Arc;

use falco_event::EventCode;

use crate::fd::FdTable;
use crate::record::{ProcessFacts, ProcessRecord};
use crate::state::meter::Charge;
use crate::state::threads::{GroupSlot, Slot};

/// Portable clone flags (`PPM_CL_*`) that the state machine reads or sets.
#[allow(missing_docs)] // the names are those of clone(2) or explained there
pub mod flags {
    pub const CLONE_FILES: u32 = 1;
    pub const CLONE_NEWPID: u32 = 1 << 6;
    pub const CLONE_PARENT: u32 = 1 << 8;
    pub const CLONE_THREAD: u32 = 1 << 13;
    /// The child's event came before the parent's.
    pub const CLONE_INVERTED: u32 = 1 << 16;
    /// The name is new (set by exec; kept for captures).
    pub const NAME_CHANGED: u32 = 1 << 17;
    /// The thread has exited.
    pub const CLOSED: u32 = 1 << 18;
    /// The thread has done something since its clone.
    pub const ACTIVE: u32 = 1 << 19;
    pub const CLONE_NEWUSER: u32 = 1 << 20;
    /// Writes into a shell pipe.
    pub const PIPE_SRC: u32 = 1 << 21;
    /// Reads from a shell pipe.
    pub const PIPE_DST: u32 = 1 << 22;
    pub const CLONE_VFORK: u32 = 1 << 27;
    /// The thread is in a pid namespace other than the host's.
    pub const CHILD_IN_PIDNS: u32 = 1 << 29;
    /// A main thread whose tid is not its pid.
    pub const IS_MAIN_THREAD: u32 = 1 << 30;
}

/// Bytes of a thread with its record: both, their places in the table and its maps, the memos of
/// verdicts and of the command line's head.
const BASE: usize = size_of::<Thread>() + size_of::<ProcessRecord>() + 512;

/// What every thread counts for at least: its texts cut to the bone fit into it, so that a record
/// can always change ([`ProcessFacts::cut`]).
pub(crate) const FLOOR: usize = BASE + ProcessFacts::CUT_BYTES;

/// A thread. Fds and working directory are those of the main thread of its group.
#[derive(Debug)]
pub struct Thread {
    /// Thread id in the host's pid namespace.
    pub tid: i64,
    /// Id of its process (thread group); equals `tid` for the main thread; −1 is unknown.
    pub pid: i64,
    /// Thread id of the thread that is its parent; 0 or −1 is none known.
    pub ptid: i64,
    /// Portable clone flags ([`flags`]).
    pub flags: u32,
    /// What is known of its image and credentials now.
    pub record: Arc<ProcessRecord>,
    /// Its own fds. Threads share those of the main thread, so look up through
    /// [`crate::state::State::fds`].
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
    /// Fd of the last event that named or made one; negative is none.
    pub lastevent_fd: i64,
    /// Time of its latest event, nanoseconds since the epoch; 0 is none seen.
    pub lastevent_ts: u64,
    /// When the host is to be asked about it (again), nanoseconds since the epoch.
    pub(crate) ask_ts: u64,
    /// Live threads that name this one as parent. Changes of a thread with children change the
    /// lineage generation.
    pub nchildren: u32,
    /// The thread that inherits its children, as the kernel said at exit; 0 or −1 is unknown.
    pub(crate) reaper_tid: i64,
    /// Latest enter event.
    pub(crate) enter_code: Option<EventCode>,
    /// Whether the event now processed is the exit of `enter_code`.
    pub(crate) enter_matches: bool,
    /// Bytes of the latest enter event that an exit event needs; empty is none.
    pub(crate) enter: Vec<u8>,
    /// Its exit has come: it goes with the thread's next event.
    pub(crate) enter_is_done: bool,
    pub(crate) links: Links,
    /// What it and its record count for ([`Thread::bytes`]), apart from its fds.
    pub(crate) charge: Charge,
    /// What `enter` counts for.
    pub(crate) enter_charge: Charge,
}

/// A thread's places in the lists that run through the table: the members of its group and the
/// children of its parent.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Links {
    pub(crate) group: Option<GroupSlot>,
    pub(crate) next_member: Option<Slot>,
    pub(crate) prev_member: Option<Slot>,
    pub(crate) parent: Option<Slot>,
    pub(crate) first_child: Option<Slot>,
    pub(crate) next_sibling: Option<Slot>,
    pub(crate) prev_sibling: Option<Slot>,
}

impl Thread {
    /// A thread of which only the id is known. Its facts name it `<NA>`, as Falco does for threads
    /// that it meets in the middle of their lives.
    pub(crate) fn placeholder(tid: i64) -> Self {
        let na: Arc<[u8]> = crate::record::bytes(b"<NA>");
        let facts = ProcessFacts { comm: na.clone(), exe: na, ..ProcessFacts::default() };
        Thread { ptid: -1, ..Thread::new(tid, -1, facts) }
    }

    /// A thread that is in no table yet.
    pub(crate) fn new(tid: i64, pid: i64, facts: ProcessFacts) -> Self {
        Thread {
            tid,
            pid,
            ptid: -1,
            flags: flags::NAME_CHANGED,
            record: Arc::new(ProcessRecord::new(0, facts)),
            fds: FdTable::default(),
            vmsize_kb: 0,
            vmrss_kb: 0,
            vmswap_kb: 0,
            pfmajor: 0,
            pfminor: 0,
            lastevent_fd: 0,
            lastevent_ts: 0,
            ask_ts: u64::MAX,
            nchildren: 0,
            reaper_tid: -1,
            enter_code: None,
            enter_matches: false,
            enter_is_done: false,
            enter: Vec::new(),
            links: Links::default(),
            charge: Charge::default(),
            enter_charge: Charge::default(),
        }
    }

    /// What it counts for, its fds and enter event apart: at least [`FLOOR`].
    pub(crate) fn bytes(&self) -> usize {
        FLOOR.max(BASE + self.record.facts().text_bytes())
    }

    /// Whether it is the main thread of its process.
    #[inline]
    pub fn is_main(&self) -> bool {
        self.tid == self.pid || self.flags & flags::IS_MAIN_THREAD != 0
    }

    /// Whether only its id is known: it was met in the middle of its life, or its parent is
    /// unknown. Such a thread has neither group nor parent.
    #[inline]
    pub fn is_placeholder(&self) -> bool {
        self.tid < 0 || self.pid < 0 || self.ptid < 0
    }

    /// Whether it has exited (its entry stays until the next event, a main thread's as long as
    /// its process has other threads).
    #[inline]
    pub fn is_dead(&self) -> bool {
        self.flags & flags::CLOSED != 0
    }

    /// Whether it runs in a pid namespace other than the host's.
    #[inline]
    pub fn is_in_pid_namespace(&self) -> bool {
        let vtid = self.record.vtid;
        self.flags & flags::CHILD_IN_PIDNS != 0 || (self.tid != vtid && vtid >= 0)
    }
}
