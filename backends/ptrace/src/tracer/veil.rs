//! Keeping what is traced readable.
//!
//! A tracer without `CAP_SYS_PTRACE` can read nothing of a process that may not be dumped: neither its
//! memory nor what its fds are. So become programs that their user may not read, and processes that
//! change their credentials (kernel/cred.c: `commit_creds`); a hostile one would use that. But any process
//! may make itself dumpable again. So the next call of such a thread is replaced by that one
//! (`PR_SET_DUMPABLE`), and made after it.
//!
//! And without that capability, nobody can look at processes of another user, even as root, as which
//! containers commonly run: their programs give up root, and would be out of sight. Where we may
//! be any user (`CAP_SETUID`), this thread looks with the eyes of the one that stopped: for files, of which
//! `/proc` is one (setfsuid(2)), or, where that is not enough, since it is in a user namespace that its user
//! made, as its effective user.

use std::fs::File;

use super::stops::Tracer;
use super::threads::Eyes;
use crate::filter::{ARCH_I386, X32_BIT};
use crate::stop::{Exec, Hooks};
use crate::sys::{self, SyscallInfo};

/// prctl(2) on x86_64, and for 32-bit programs.
const PRCTL: u64 = 157;
const PRCTL_COMPAT: u64 = 172;
const PR_SET_DUMPABLE: u64 = 4;

/// What is done about a thread that cannot be read.
#[derive(Debug)]
pub(super) struct Veil {
    /// The execution that led to it, which is told when there is something to be read of it.
    exec: Option<Exec>,
    /// The registers of the call that was replaced.
    replaced: Option<Box<libc::user_regs_struct>>,
}

/// As whom this thread looks at files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guise {
    is_needed: bool,
    own: Eyes,
    now: Eyes,
}

impl Guise {
    pub(super) fn new() -> Self {
        let own = Eyes { ids: sys::file_ids(), wholly: false };
        Guise { is_needed: sys::is_blind() && sys::may_be_anybody(), own, now: own }
    }

    fn look(&mut self, eyes: Eyes) {
        if eyes != self.now {
            sys::look_as(self.own.ids, eyes.ids, eyes.wholly);
            self.now = eyes;
        }
    }

    /// With whose eyes a thread can be looked at.
    fn eyes_for(&mut self, tid: i32) -> Eyes {
        let ids = super::attach::ids_of(tid).unwrap_or(self.own.ids);
        let eyes = Eyes { ids, wholly: false };
        self.look(eyes);
        if ids == self.own.ids || !is_veiled(tid) {
            return eyes;
        }
        self.look(Eyes { ids, wholly: true });
        if is_veiled(tid) { eyes } else { self.now }
    }
}

impl<H: Hooks> Tracer<H> {
    /// Looks with the eyes of a thread that stopped.
    pub(super) fn take_guise(&mut self, tid: i32) {
        if !self.guise.is_needed {
            return;
        }
        let Some(thread) = self.threads.known.get_mut(&tid) else { return };
        let eyes = *thread.eyes.get_or_insert_with(|| self.guise.eyes_for(tid));
        self.guise.look(eyes);
    }

    /// Is itself again, for good.
    pub(super) fn drop_guise(&mut self) {
        self.guise.look(self.guise.own);
        self.guise.is_needed = false;
    }

    /// If this thread cannot be read, it will be soon.
    pub(super) fn look_for_veil(&mut self, tid: i32) {
        if self.can_be_veiled && !self.veils.contains_key(&tid) && is_veiled(tid) {
            self.veils.insert(tid, Veil { exec: None, replaced: None });
            self.pretend(tid);
        }
    }

    /// A program was executed. Whether it is told later, when it can be read.
    pub(super) fn is_told_later(&mut self, exec: &Exec, tid: i32) -> bool {
        if !self.can_be_veiled || !is_veiled(tid) {
            return false;
        }
        self.veils.insert(tid, Veil { exec: Some(*exec), replaced: None });
        self.pretend(tid);
        true
    }

    /// As far as it can see, it may not be dumped.
    fn pretend(&mut self, tid: i32) {
        if let Some(thread) = self.threads.known.get_mut(&tid) {
            thread.hides = true;
        }
    }

    /// The entry of a call: whether it was replaced, or is the one that replaces another.
    pub(super) fn replaces_call(&mut self, tid: i32, info: &SyscallInfo) -> bool {
        let Some(veil) = self.veils.get_mut(&tid) else { return false };
        if veil.replaced.is_some() {
            return true;
        }
        let Ok(regs) = sys::registers(tid) else { return false };
        let mut call = regs;
        if info.arch == ARCH_I386 {
            (call.orig_rax, call.rbx, call.rcx) = (PRCTL_COMPAT, PR_SET_DUMPABLE, 1);
        } else {
            let x32 = regs.orig_rax & u64::from(X32_BIT);
            (call.orig_rax, call.rdi, call.rsi) = (PRCTL | x32, PR_SET_DUMPABLE, 1);
        }
        if sys::set_registers(tid, &call).is_err() {
            return false;
        }
        veil.replaced = Some(Box::new(regs));
        true
    }

    /// The exit of a call: whether it was one that replaced another, which is made now.
    pub(super) fn makes_replaced_call(&mut self, tid: i32) -> bool {
        let Some(mut regs) = self.veils.get_mut(&tid).and_then(|veil| veil.replaced.take()) else {
            return false;
        };
        // As the kernel makes a call again that was interrupted; all ways to make one have two bytes.
        regs.rax = regs.orig_rax;
        regs.rip = regs.rip.wrapping_sub(2);
        regs.orig_rax = u64::MAX;
        let _killed = sys::set_registers(tid, &regs);
        self.lift_veil(tid);
        true
    }

    /// Tells what waited to be read, as far as it can be now.
    pub(super) fn lift_veil(&mut self, tid: i32) {
        let Some(veil) = self.veils.remove(&tid) else { return };
        if let Some(thread) = self.threads.known.get_mut(&tid) {
            thread.eyes = None;
        }
        self.take_guise(tid);
        if let Some(exec) = veil.exec {
            self.tell_executed(tid, &exec);
        }
    }
}

/// Whether a process cannot be read, though it is there.
fn is_veiled(tid: i32) -> bool {
    File::open(format!("/proc/{tid}/mem"))
        .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}
