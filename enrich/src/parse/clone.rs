//! clone, clone3, fork and vfork: both the caller's and the child's event can make the child's
//! entry, whichever comes first.

use falco_event::EventCode;

use super::Parser;
use super::row::{Row, cgroups, exepath, list};
use crate::container::container_id;
use crate::fd::FdTable;
use crate::record::{Bytes, ProcessFacts, bytes, bytes_like, empty};
use crate::state::Slot;
use crate::thread::{Thread, flags};

/// How old an entry may be to be that of the child whose event comes now, in nanoseconds. An older
/// one is of another thread that had the same id and whose exit was lost.
const STALE_NS: u64 = 2_000_000_000;

/// Ids of a new thread.
struct Ids {
    tid: i64,
    pid: i64,
    ptid: i64,
    vtid: i64,
    vpid: i64,
}

impl Parser<'_, '_> {
    pub(super) fn clone_exit(&mut self) {
        match self.res() {
            Some(0) => self.clone_child(),
            // In a pid namespace this is not the child's id for the host; `clone_caller` stops.
            Some(child) if child > 0 => self.clone_caller(child),
            _ => {}
        }
    }

    /// The event of the thread that called clone.
    fn clone_caller(&mut self, child_tid: i64) {
        let tid = self.event.tid();
        self.thread = self.state.find_or_placeholder(tid, self.event.ts());
        let (Some(mut caller), true) = (self.thread, child_tid != tid) else { return };
        let row = Row::of(self.event);
        let known = self.is_known(caller);
        if !known {
            let (vtid, vpid) = namespaced_ids(&row, tid);
            self.complete(caller, row.i64(4), row.i64(5), vtid, vpid);
        }

        let clone_flags = row.u32(15).unwrap_or(0);
        let Some(thread) = self.state.threads.get(caller) else { return };
        // The child's host id is unknown to the caller's event: the child's event will make it.
        let unknown_id = flags::CHILD_IN_PIDNS | flags::CLONE_NEWPID | flags::CLONE_PARENT;
        if clone_flags & unknown_id != 0 || tid != thread.record.vtid {
            return;
        }
        // With vfork the child runs first, so it has told of itself and may be gone by now.
        if clone_flags & flags::CLONE_VFORK != 0
            || self.event.code() == EventCode::SYSCALL_VFORK_20_X
            || self.state.has_recently_exited(child_tid, tid, self.event.ts())
        {
            return;
        }
        if let Some(existing) = self.state.find_thread(child_tid) {
            if self.is_born_already(existing, caller, clone_flags) {
                return;
            }
            self.state.remove_thread(existing);
            self.thread = self.state.find_thread(tid);
            let Some(slot) = self.thread else { return };
            caller = slot;
        }

        let Some(thread) = self.state.threads.get(caller) else { return };
        let is_thread = clone_flags & flags::CLONE_THREAD != 0;
        let (pid, ptid) = if is_thread { (thread.pid, thread.ptid) } else { (child_tid, tid) };
        let ids = Ids { tid: child_tid, pid, ptid, vtid: child_tid, vpid: pid };
        let origin = known.then_some(caller);
        let mut facts = self.child_facts(&row, &ids, origin, is_thread);
        facts.lastexec_ts = if is_thread { thread.record.lastexec_ts } else { 0 };
        facts.pidns_init_start_ts = self.state.machine.boot_ts;
        let image = (facts.exe.clone(), facts.comm.clone(), facts.args.clone());
        self.add_child(&row, ids, clone_flags, facts, origin);
        if !known {
            self.set_image(caller, image);
        }
    }

    /// Whether an entry with the child's id is the child's, not that of a thread whose exit was
    /// lost.
    fn is_born_already(&self, existing: Slot, caller: Slot, clone_flags: u32) -> bool {
        let threads = &self.state.threads;
        let (Some(thread), Some(caller)) = (threads.get(existing), threads.get(caller)) else {
            return false;
        };
        let told_itself = thread.flags & flags::CLONE_INVERTED != 0;
        if !self.state.is_live() {
            return told_itself;
        }
        let is_thread = clone_flags & flags::CLONE_THREAD != 0;
        let (pid, is_related) =
            if is_thread { (caller.pid, true) } else { (thread.tid, thread.ptid == caller.tid) };
        // A caller that was stopped returns long after its child has begun.
        let is_of_its_age = self.is_fresh(thread.record.clone_ts);
        thread.pid == pid && (is_of_its_age || (told_itself && is_related))
    }

    /// Whether a thread that began at `cloned` can be the one that the event tells of.
    fn is_fresh(&self, cloned: u64) -> bool {
        let ts = self.event.ts();
        if self.state.is_live() {
            // /proc tells times that are a little off, either way.
            ts.abs_diff(cloned) < STALE_NS
        } else {
            ts.wrapping_sub(cloned) < STALE_NS
        }
    }

    /// The event of the new thread.
    fn clone_child(&mut self) {
        let (tid, row) = (self.event.tid(), Row::of(self.event));
        let (pid, cloned) = self.thread_ref().map_or((-1, 0), |t| (t.pid, t.record.clone_ts));
        if let (Some(slot), true) = (self.thread, cloned != 0) {
            // A thread that was another process's a moment ago is another thread.
            let is_same = !self.state.is_live() || row.i64(4) == Some(pid);
            if is_same && self.is_fresh(cloned) {
                // The caller's event, or the host, has told of it.
                return;
            }
            self.state.remove_thread(slot);
            self.thread = None;
        }

        let clone_flags = row.u32(15).unwrap_or(0);
        let is_thread = clone_flags & flags::CLONE_THREAD != 0;
        let (vtid, vpid) = namespaced_ids(&row, tid);
        let pid = row.i64(4).unwrap_or(-1);
        let ids = Ids { tid, pid, ptid: row.i64(5).unwrap_or(-1), vtid, vpid };
        // A process takes after its parent, a thread after the main thread.
        let lookup = if is_thread { ids.pid } else { ids.ptid };
        let Some(origin) = self.state.find_or_placeholder(lookup, self.event.ts()) else {
            self.thread = None;
            return;
        };
        let known = self.is_known(origin);
        if !known && is_thread {
            self.complete(origin, Some(ids.pid), Some(ids.ptid), ids.vpid, ids.vpid);
        }

        let mut facts = self.child_facts(&row, &ids, known.then_some(origin), is_thread);
        let origin_exec = self.state.threads.get(origin).map_or(0, |t| t.record.lastexec_ts);
        facts.lastexec_ts = if known && is_thread { origin_exec } else { 0 };
        let namespaced =
            clone_flags & (flags::CHILD_IN_PIDNS | flags::CLONE_NEWPID) != 0 || ids.tid != ids.vtid;
        let boot_ts = self.state.machine.boot_ts;
        facts.pidns_init_start_ts = match (namespaced, row.u64(20)) {
            (false, _) => boot_ts,
            (true, Some(since_boot)) => since_boot.wrapping_add(boot_ts),
            (true, None) => 0,
        };
        if !known && is_thread {
            let image = (facts.exe.clone(), facts.comm.clone(), facts.args.clone());
            self.set_image(origin, image);
        }
        let inverted = clone_flags | flags::CLONE_INVERTED;
        self.thread = self.add_child(&row, ids, inverted, facts, known.then_some(origin));
    }

    /// What is known of a new thread from its or its caller's event and from `origin`.
    fn child_facts(
        &self,
        row: &Row<'_>,
        ids: &Ids,
        origin: Option<Slot>,
        is_thread: bool,
    ) -> ProcessFacts {
        let unknown = ProcessFacts::default();
        let origin = origin.and_then(|slot| self.state.threads.get(slot));
        let like = origin.map_or(&unknown, |thread| thread.record.facts());
        // Environment and working directory are the main thread's: threads have none.
        let (env, cwd) = match origin {
            Some(parent) if !is_thread => {
                let cwd = self.state.main_thread(parent).map(|main| main.record.cwd.clone());
                (like.env.clone(), cwd.unwrap_or_else(|| bytes(b"./")))
            }
            _ => (empty(), empty()),
        };
        let cgroups = match row.get(14) {
            [] => empty(),
            param => cgroups(param, &like.cgroups).unwrap_or_else(empty),
        };
        ProcessFacts {
            comm: bytes_like(row.comm(), &like.comm),
            exe: bytes_like(row.text(1), &like.exe),
            exepath: exepath(&like.exepath, &like.exepath),
            args: list(row.get(2), &like.args),
            env,
            cwd,
            container_id: container_id(&cgroups, like),
            cgroups,
            uid: row.u32(16).unwrap_or(u32::MAX),
            gid: row.u32(17).unwrap_or(u32::MAX),
            vtid: ids.vtid,
            vpid: ids.vpid,
            fdlimit: row.i64(7).unwrap_or(-1),
            clone_ts: self.event.ts(),
            exe_ino_ctime_duration_pidns_start: 0,
            ..like.clone()
        }
    }

    /// Puts a new thread into the table and joins it to its process and parent.
    fn add_child(
        &mut self,
        row: &Row<'_>,
        ids: Ids,
        clone_flags: u32,
        facts: ProcessFacts,
        origin: Option<Slot>,
    ) -> Option<Slot> {
        let is_thread = clone_flags & flags::CLONE_THREAD != 0;
        let parent = origin.and_then(|slot| self.state.threads.get(slot));
        if !is_thread && self.state.is_live() && parent.is_none_or(|p| p.pid != ids.pid) {
            // Whoever is in the new process's place has gone, and the exits were lost.
            self.state.remove_process(ids.pid);
        }
        let mut child = Thread::new(ids.tid, ids.pid, facts);
        child.ptid = ids.ptid;
        child.flags = clone_flags & !flags::CLOSED;
        child.take_memory(row);
        if is_thread {
            // As if every thread shared its process's fds. All do but exotic ones.
            child.flags |= flags::CLONE_FILES;
        } else {
            let fds = origin.and_then(|slot| self.state.threads.fds_of(slot));
            child.fds = fds
                .and_then(|slot| self.state.threads.get(slot))
                .map_or_else(FdTable::default, |parent| parent.fds.share());
            self.state.stats.n_added_fds += child.fds.len() as u64;
        }
        self.state.insert_thread(child)
    }

    fn is_known(&self, slot: Slot) -> bool {
        self.state.threads.get(slot).is_some_and(|t| !t.is_placeholder())
    }

    /// Makes a placeholder a known thread.
    pub(super) fn complete(
        &mut self,
        slot: Slot,
        pid: Option<i64>,
        ptid: Option<i64>,
        vtid: i64,
        vpid: i64,
    ) {
        if let Some(thread) = self.state.threads.get_mut(slot) {
            thread.pid = pid.unwrap_or(-1);
            thread.ptid = ptid.unwrap_or(-1);
        }
        self.state.threads.update(slot, |facts| {
            facts.vtid = vtid;
            facts.vpid = vpid;
        });
        self.state.threads.link(slot);
    }

    /// Gives a placeholder the image that its child was born with.
    fn set_image(&mut self, slot: Slot, (exe, comm, args): (Bytes, Bytes, Bytes)) {
        self.state.threads.update(slot, |facts| {
            facts.exe = exe;
            facts.comm = comm;
            facts.args = args;
        });
    }
}

/// Ids in the thread's pid namespace. Old events have none.
fn namespaced_ids(row: &Row<'_>, tid: i64) -> (i64, i64) {
    match row.i64(19) {
        Some(vpid) => (row.i64(18).unwrap_or(tid), vpid),
        None => (tid, -1),
    }
}

impl Thread {
    /// Takes the memory figures that clone and exec events carry. If the last is there, all are.
    pub(super) fn take_memory(&mut self, row: &Row<'_>) {
        let Some(vmswap) = row.u32(12) else { return };
        self.pfmajor = row.u64(8).unwrap_or(0);
        self.pfminor = row.u64(9).unwrap_or(0);
        self.vmsize_kb = row.u32(10).unwrap_or(0);
        self.vmrss_kb = row.u32(11).unwrap_or(0);
        self.vmswap_kb = vmswap;
    }
}
