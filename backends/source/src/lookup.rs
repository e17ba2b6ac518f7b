//! Asking about a thread that an event names and no table knows: its birth was lost, or it is older
//! than the source. Live sources have a host to ask; captures have not.

use crate::snapshot::{Fd, Thread};

/// What is known of a thread now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The thread.
    pub thread: Thread,
    /// The open fds of its process; empty if `thread` is not its leader (fds belong to the leader).
    pub fds: Vec<Fd>,
}

/// Something that knows which threads run now: `/proc`, or a sandbox's runtime.
pub trait ThreadLookup: Send {
    /// Thread `tid`, as the root pid namespace numbers it. `None` if there is none, or it cannot be
    /// read in time.
    fn thread(&mut self, tid: i64) -> Option<Found>;

    /// Whether thread `tid` of process `pid` runs. Cheap: used when tables are purged.
    fn is_alive(&mut self, pid: i64, tid: i64) -> bool;

    /// Fd `num` of process `pid` (its main thread), which the process got without a call that tells
    /// what it is: another process sent it (`SCM_RIGHTS`, unix(7)). `None` if it is not open any
    /// more, or nothing can be asked.
    fn fd(&mut self, pid: i64, num: i64) -> Option<Fd> {
        let _ = (pid, num);
        None
    }
}
