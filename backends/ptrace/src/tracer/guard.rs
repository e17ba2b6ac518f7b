//! What a traced program can do to get out of sight, or at its tracer, and how it is kept from it.
//!
//! * Children without a tracer (`CLONE_UNTRACED`): the flag is taken away. clone3(2) has it in memory,
//!   where another thread can set it after that; so its exit is looked at, and a child of which the
//!   kernel did not tell is seized.
//! * A listener for its own seccomp filter (`SECCOMP_FILTER_FLAG_NEW_LISTENER`) could let calls go on
//!   past ours (`SECCOMP_USER_NOTIF_FLAG_CONTINUE`): there is one already, it is told (EBUSY).
//! * `PR_SET_DUMPABLE` would hide its memory and its `/proc` from a tracer without `CAP_SYS_PTRACE`: it
//!   is told that it worked. What else does that, is undone by [`veil`](super::veil).
//! * prlimit(2) for the tracer's process, which could then open nothing any more: EPERM.
//!
//! Signals to the tracer need no guard: if it is killed or stopped, so is the tree
//! ([`OnDeath`](crate::source::OnDeath)).

use std::fs;

use super::abi::{CLONE, CLONE_UNTRACED, CLONE3, Call};
use super::stops::Tracer;
use super::threads::Thread;
use crate::memory::Memory;
use crate::plan::{Check, Is, Plan, Test};
use crate::source::Mode;
use crate::stop::{Abi, Birth, Hooks, Stop};
use crate::sys;

/// Numbers on x86_64.
const PRCTL: u16 = 157;
const PRLIMIT64: u16 = 302;
const SECCOMP: u16 = 317;
/// setuid, setgid, setreuid, setregid, setresuid, setresgid, setfsuid, setfsgid, capset, unshare, setns.
const CREDENTIALS: [u16; 11] = [105, 106, 113, 114, 117, 119, 122, 123, 126, 272, 308];

const PR_GET_DUMPABLE: u32 = 3;
const PR_SET_DUMPABLE: u32 = 4;
const NEW_LISTENER: u32 = 8;
pub(super) const CLONE_NEWUSER: u32 = 0x1000_0000;

/// The calls that are looked at here. `can_be_veiled` is whether the tracer lacks `CAP_SYS_PTRACE`.
pub(super) fn watch(plan: &mut Plan, can_be_veiled: bool) {
    plan.stop(CLONE, Check::all([Test::any_bit(0, CLONE_UNTRACED as u32)]));
    // Its flags are in memory.
    plan.stop(CLONE3, Check::always());
    let new_listener = Test::any_bit(1, NEW_LISTENER);
    plan.stop(
        SECCOMP,
        Check::all([Test { arg: 0, mask: u32::MAX, is: Is::Equal(1) }, new_listener]),
    );
    plan.stop(PRLIMIT64, Check::all([Test::any_bit(0, u32::MAX)]));
    if can_be_veiled {
        plan.stop(PRCTL, Check::one_of(0, [PR_GET_DUMPABLE, PR_SET_DUMPABLE]));
        for number in CREDENTIALS {
            plan.stop(number, changes_credentials(number));
        }
    }
}

fn changes_credentials(number: u16) -> Check {
    match number {
        272 => Check::all([Test::any_bit(0, CLONE_NEWUSER)]),
        _ => Check::always(),
    }
}

impl<H: Hooks> Tracer<H> {
    /// A call is about to be made: what it returns, if it must not be.
    pub(super) fn guard(&mut self, tid: i32, call: &Call, memory: &Memory) -> Option<i64> {
        match call.number? {
            CLONE => keep_children_traced(tid, call, memory),
            CLONE3 => {
                keep_children_traced(tid, call, memory);
                self.looks_at_exit(tid);
            }
            SECCOMP => {
                let is_filter = call.args[0] as u32 == 1 && call.args[1] as u32 & NEW_LISTENER != 0;
                let is_listened_to = is_filter && self.mode == Mode::Seccomp;
                return is_listened_to.then_some(-i64::from(libc::EBUSY));
            }
            PRLIMIT64 => {
                let is_ours = names_this_process(tid, call.args[0] as i32);
                return is_ours.then_some(-i64::from(libc::EPERM));
            }
            PRCTL if self.can_be_veiled => return self.dumpable(tid, call.args),
            number if self.can_be_veiled && CREDENTIALS.contains(&number) => {
                self.looks_at_exit(tid);
            }
            _ => {}
        }
        None
    }

    fn looks_at_exit(&mut self, tid: i32) {
        if let Some(thread) = self.threads.known.get_mut(&tid) {
            (thread.own_exit, thread.has_child) = (true, false);
        }
    }

    /// A call of which the exit is looked at here, too, was made.
    pub(super) fn guard_exit(&mut self, tid: i32, call: &Stop, result: i64) {
        match call.number {
            Some(CLONE3) => {
                let has_child = self.threads.known.get(&tid).is_none_or(|thread| thread.has_child);
                if result > 0 && !has_child {
                    self.seize_strays(call, result);
                }
            }
            Some(number) if CREDENTIALS.contains(&number) && result == 0 => {
                if let Some(thread) = self.threads.known.get_mut(&tid) {
                    thread.eyes = None;
                }
                self.take_guise(tid);
                self.look_for_veil(tid);
            }
            // These return what was before.
            Some(122 | 123) => self.look_for_veil(tid),
            _ => {}
        }
    }

    /// What prctl(2) says of being dumped. It holds for all that share the memory: the process.
    fn dumpable(&mut self, tid: i32, args: [u64; 6]) -> Option<i64> {
        let Thread { pid, hides, .. } = *self.threads.known.get(&tid)?;
        match (args[0] as u32, args[1]) {
            (PR_GET_DUMPABLE, _) if hides => Some(0),
            (PR_SET_DUMPABLE, value @ 0..=1) => {
                let of_process = self.threads.known.values_mut().filter(|thread| thread.pid == pid);
                of_process.for_each(|thread| thread.hides = value == 0);
                (value == 0).then_some(0)
            }
            _ => None,
        }
    }

    /// Seizes children that were made without a tracer in spite of all.
    fn seize_strays(&mut self, call: &Stop, result: i64) {
        let (Ok(tid), Ok(pid)) = (i32::try_from(call.tid), i32::try_from(call.pid)) else { return };
        // A child of its parent (`CLONE_PARENT`) does not descend from it, but has a number.
        let child = i32::try_from(result).ok().filter(|_| is_numbered_as_we_are(tid));
        let child = child.and_then(super::attach::process_of);
        let mut roots = self.threads.processes();
        roots.extend(child.into_iter().chain([pid]));
        for tid in self.seize_trees(&roots) {
            let pid = self.threads.known.get(&tid).map_or(tid, |thread| thread.pid);
            let birth = Birth {
                tid: tid.into(),
                pid: pid.into(),
                by: Some(Stop { result: None, ..*call }),
                clone_flags: 0,
                ts: sys::now(),
            };
            self.born(&birth, &Memory::of(tid));
            // Without a filter, calls are seen from here on.
            let _ended = sys::interrupt(tid);
        }
    }
}

/// A call that asks that its child be not traced is made without.
fn keep_children_traced(tid: i32, call: &Call, memory: &Memory) {
    // If anything is refused, the thread was killed.
    if call.number == Some(CLONE3) {
        let at = call.args[0];
        if let Some(flags) = memory.u64(at)
            && flags & CLONE_UNTRACED != 0
        {
            let _killed = sys::write_word(tid, at, flags & !CLONE_UNTRACED);
        }
    } else if call.args[0] & CLONE_UNTRACED != 0
        && let Ok(mut regs) = sys::registers(tid)
    {
        match call.abi {
            Abi::I386 => regs.rbx &= !CLONE_UNTRACED,
            Abi::X86_64 | Abi::X32 => regs.rdi &= !CLONE_UNTRACED,
        }
        let _killed = sys::set_registers(tid, &regs);
    }
}

/// Has the call that a thread is about to make return `result` instead.
pub(super) fn answer(tid: i32, result: i64) {
    if let Ok(mut regs) = sys::registers(tid) {
        regs.orig_rax = u64::MAX;
        regs.rax = result.cast_unsigned();
        let _killed = sys::set_registers(tid, &regs);
    }
}

/// Whether `pid` is this process, or a thread of it, for thread `tid`.
fn names_this_process(tid: i32, pid: i32) -> bool {
    let own = std::process::id().cast_signed();
    pid > 0 && sys::is_thread_of(pid, own) && is_numbered_as_we_are(tid)
}

/// Whether a thread is in the pid namespace of this process.
fn is_numbered_as_we_are(tid: i32) -> bool {
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/pid")).ok();
    namespace("self").is_some_and(|own| namespace(&tid.to_string()) == Some(own))
}
