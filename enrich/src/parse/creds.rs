//! Users, groups, capabilities, sessions, limits and memory figures of threads; the lists of
//! users and groups.

use falco_event::EventCode;

use super::{Parser, caps};
use crate::state::Slot;
use crate::thread::flags;

/// Portable number of `RLIMIT_NOFILE`.
const RLIMIT_NOFILE: u64 = 7;
/// `PR_SET_CHILD_SUBREAPER`, `PR_GET_CHILD_SUBREAPER`.
const CHILD_SUBREAPER: [u32; 2] = [36, 37];
const PR_SET_KEEPCAPS: u32 = 8;
const PR_SET_SECUREBITS: u32 = 28;
/// All capabilities that are known (0 to 40).
const ALL_CAPS: u64 = (1 << 41) - 1;

impl Parser<'_, '_> {
    pub(super) fn set_uid(&mut self) {
        if self.state.is_live() {
            self.set_uid_now();
            return;
        }
        let param = if self.event.code() == EventCode::SYSCALL_SETUID_X { 1 } else { 2 };
        if let (Some(0), Some(uid)) = (self.res(), self.event.u32(param)) {
            self.update(|facts| facts.uid = uid);
        }
    }

    /// As the kernel does it, for all ids that the call may set, and capabilities.
    fn set_uid_now(&mut self) {
        if self.res() != Some(0) {
            return;
        }
        let code = self.event.code();
        let [first, second, third] = [1, 2, 3].map(|at| self.event.u32(at).unwrap_or(u32::MAX));
        self.update(|facts| match code {
            EventCode::SYSCALL_SETUID_X => caps::setuid(facts, first),
            EventCode::SYSCALL_SETREUID_X => caps::setreuid(facts, first, second),
            _ => caps::setresuid(facts, first, second, third),
        });
    }

    pub(super) fn set_gid(&mut self) {
        let param = if self.event.code() == EventCode::SYSCALL_SETGID_X { 1 } else { 2 };
        if let (Some(0), Some(gid)) = (self.res(), self.event.u32(param)) {
            // −1 leaves the id as it is. Falco takes it for the id.
            if gid == u32::MAX && self.state.is_live() {
                return;
            }
            self.update(|facts| facts.gid = gid);
        }
    }

    pub(super) fn setsid(&mut self) {
        if let Some(sid) = self.res().filter(|&sid| sid >= 0) {
            self.update(|facts| facts.sid = sid);
        }
    }

    pub(super) fn capset(&mut self) {
        if self.failed() {
            return;
        }
        let cap = |param| self.event.u64(param).unwrap_or(0);
        let (inheritable, permitted, effective) = (cap(1), cap(2), cap(3));
        self.set_caps(inheritable, permitted, effective);
    }

    /// Whoever enters a new user namespace has all capabilities there.
    pub(super) fn unshare_setns(&mut self) {
        if self.failed() {
            return;
        }
        let param = if self.event.code() == EventCode::SYSCALL_UNSHARE_X { 1 } else { 2 };
        if self.u32(param) & flags::CLONE_NEWUSER != 0 {
            self.set_caps(ALL_CAPS, ALL_CAPS, ALL_CAPS);
            if self.state.is_live() {
                self.update(|facts| facts.securebits = 0);
            }
        }
    }

    fn set_caps(&mut self, inheritable: u64, permitted: u64, effective: u64) {
        self.update(|facts| {
            facts.cap_inheritable = inheritable;
            facts.cap_permitted = permitted;
            facts.cap_effective = effective;
        });
    }

    pub(super) fn prctl(&mut self) {
        if self.failed() {
            return;
        }
        let (option, arg) = (self.u32(1), self.event.i64(3).unwrap_or(0));
        let on = arg != 0;
        match option {
            PR_SET_KEEPCAPS if self.state.is_live() => {
                self.update(|facts| caps::keep_caps(facts, on));
            }
            PR_SET_SECUREBITS if self.state.is_live() => {
                self.update(|facts| facts.securebits = arg as u32);
            }
            _ => {}
        }
        if !CHILD_SUBREAPER.contains(&option) {
            return;
        }
        let group = self.thread.and_then(|slot| self.state.threads.group_of_mut(slot));
        if let Some(group) = group {
            group.reaper = on;
        }
    }

    pub(super) fn rlimit(&mut self) {
        if self.failed() || self.event.u64(3) != Some(RLIMIT_NOFILE) {
            return;
        }
        let Some(slot) = self.thread else { return };
        self.set_fdlimit(slot, self.event.i64(1));
    }

    pub(super) fn prlimit(&mut self) {
        if self.res() != Some(0) || self.event.u64(6) != Some(RLIMIT_NOFILE) {
            return;
        }
        let Some(tid) = self.event.i64(5) else { return };
        let tid = if tid == 0 { self.event.tid() } else { tid };
        let Some(slot) = self.state.find_or_placeholder(tid, self.event.ts()) else { return };
        if self.state.threads.get(slot).is_some_and(|t| !t.is_placeholder()) {
            self.set_fdlimit(slot, self.event.i64(1));
        }
    }

    fn set_fdlimit(&mut self, slot: Slot, limit: Option<i64>) {
        let Some(limit) = limit.filter(|&limit| limit != -1) else { return };
        if let Some(main) = self.state.threads.main_of(slot) {
            self.state.threads.update(main, |facts| facts.fdlimit = limit);
        }
    }

    // Memory figures change too often, and matter too little, for a version of the record.

    pub(super) fn memory(&mut self) {
        let [vmsize, vmrss, vmswap] = [1, 2, 3].map(|param| self.event.u32(param));
        let Some(thread) = self.thread_mut() else { return };
        if let Some(vmsize) = vmsize {
            thread.vmsize_kb = vmsize;
        }
        if let (Some(vmrss), Some(vmswap)) = (vmrss, vmswap) {
            thread.vmrss_kb = vmrss;
            thread.vmswap_kb = vmswap;
        }
    }

    pub(super) fn switch(&mut self) {
        let Some(slot) = self.thread else { return };
        let Some(vmswap) = self.event.u32(5) else { return };
        let faults = (self.event.u64(1), self.event.u64(2));
        let memory = (self.event.u32(3), self.event.u32(4));
        if let Some(thread) = self.state.threads.get_mut(slot) {
            thread.pfmajor = faults.0.unwrap_or(thread.pfmajor);
            thread.pfminor = faults.1.unwrap_or(thread.pfminor);
        }
        let main = self.state.threads.main_of(slot);
        if let Some(main) = main.and_then(|slot| self.state.threads.get_mut(slot)) {
            main.vmsize_kb = memory.0.unwrap_or(main.vmsize_kb);
            main.vmrss_kb = memory.1.unwrap_or(main.vmrss_kb);
            main.vmswap_kb = vmswap;
        }
    }

    pub(super) fn user(&mut self) {
        let Some(uid) = self.event.u32(0) else { return };
        let container = self.container_of_entry(5);
        let users = &mut self.state.users;
        let changed = if self.event.code() == EventCode::USER_ADDED_E {
            let gid = self.event.u32(1).unwrap_or(u32::MAX);
            let [name, home, shell] =
                [2, 3, 4].map(|at| super::text(self.event.param(at).unwrap_or_default()));
            users.add_user(container, uid, gid, name, home, shell)
        } else {
            users.remove_user(container, uid)
        };
        if changed {
            self.state.threads.touch_all();
        }
    }

    pub(super) fn group(&mut self) {
        let Some(gid) = self.event.u32(0) else { return };
        let container = self.container_of_entry(2);
        let users = &mut self.state.users;
        let changed = if self.event.code() == EventCode::GROUP_ADDED_E {
            users.add_group(container, gid, super::text(self.event.param(1).unwrap_or_default()))
        } else {
            users.remove_group(container, gid)
        };
        if changed {
            self.state.threads.touch_all();
        }
    }
}

impl<'e> Parser<'_, 'e> {
    /// The container that a user or group belongs to; empty is the host.
    fn container_of_entry(&self, param: usize) -> &'e [u8] {
        self.event.text(param).unwrap_or_default()
    }
}
