//! What the tracer tells: a system call at which a thread stopped, and births, executions and ends of
//! threads. [`Hooks`] is who is told.

use crate::memory::Memory;
use crate::plan::Plan;
use falco_source::events::Events;

/// The kind of system call that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Abi {
    /// A 64-bit call.
    X86_64,
    /// A 32-bit call (`int 0x80`, `sysenter`), by whatever program. Pointers, `long` and structures in
    /// memory are those of 32-bit programs.
    I386,
    /// A 64-bit call with 32-bit pointers (`__X32_SYSCALL_BIT`). Few kernels take them.
    X32,
}

/// A thread that stopped at the entry or the exit of a system call, and stays so until the hook returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The thread, as the pid namespace of the tracer numbers it.
    pub tid: i64,
    /// Its process.
    pub pid: i64,
    /// Nanoseconds since the epoch.
    pub ts: u64,
    /// The kind of call.
    pub abi: Abi,
    /// Its number on x86_64 whatever the `abi`; `None` if it has none there with the same arguments
    /// in the same order. Arguments of `socketcall(2)` have been taken apart.
    pub number: Option<u16>,
    /// The number as it was called.
    pub raw_number: u32,
    /// Its arguments at entry, at exit too. Those of 32-bit calls have 32 bits.
    pub args: [u64; 6],
    /// At exit, what it returned: a negative value is an errno, -512 to -516 are `ERESTART*` (the call
    /// was interrupted and is made again, or becomes `EINTR`).
    pub result: Option<i64>,
}

/// A new thread, or process; its first stop, before its first instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// The new thread.
    pub tid: i64,
    /// Its process: `tid` itself, if it is a new one.
    pub pid: i64,
    /// Who made it: the call with its arguments (`result` is `None`). `None` if its parent was killed
    /// before it could tell.
    pub by: Option<Stop>,
    /// The flags of clone(2) that it was made with, those of fork and vfork included: the lowest byte
    /// is the signal at its end. 0 if `by` is not known, or the memory of clone3's cannot be read.
    pub clone_flags: u64,
    /// Nanoseconds since the epoch.
    pub ts: u64,
}

/// A program that was executed: the thread is alone in its process now, and the new image is in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The thread, which has the id of its process from now on.
    pub pid: i64,
    /// The id that it had when it called: another, if it was not the first thread.
    pub former_tid: i64,
    /// The call, as it was at entry, if it stopped there (with the former tid; its pointers are of an
    /// address space that is gone).
    pub call: Option<Stop>,
    /// Nanoseconds since the epoch.
    pub ts: u64,
}

/// A thread that is no more. Nothing can be read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The thread.
    pub tid: i64,
    /// Its process.
    pub pid: i64,
    /// How, as wait(2) encodes it.
    pub status: i32,
    /// Nanoseconds since the epoch.
    pub ts: u64,
}

/// A signal that a thread is about to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The thread.
    pub tid: i64,
    /// Its process.
    pub pid: i64,
    /// Which.
    pub number: i32,
    /// Who sent it, if a process did; else 0.
    pub sender: i64,
    /// Nanoseconds since the epoch.
    pub ts: u64,
}

/// Until when a thread runs after it stopped at the entry of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until the exit of this call: [`Hooks::exit`] is called.
    Exit,
    /// Until something else happens.
    Next,
}

/// Who is told, on the thread of the tracer. While a hook of a thread runs, that thread stands still
/// (not so in [`ended`](Hooks::ended)), so that it should be quick.
pub trait Hooks: Send {
    /// A thread that ran before it was attached to, or the first one of a tree that was started: it
    /// has not executed its command yet.
    fn attached(&mut self, tid: i64, pid: i64, events: &mut Events);

    /// A call that stops by the [`Plan`] is about to be made.
    fn enter(&mut self, stop: &Stop, memory: &Memory, events: &mut Events) -> Until;

    /// A call has been made, after [`Until::Exit`]. Executions that succeed do not come here.
    fn exit(&mut self, stop: &Stop, memory: &Memory, events: &mut Events);

    /// A thread was born. Comes before everything else of it.
    fn born(&mut self, birth: &Birth, memory: &Memory, events: &mut Events);

    /// A program was executed. The ends of other threads of the process may come before or after; the
    /// former id of the thread, and its leader's record, end here.
    fn executed(&mut self, exec: &Exec, memory: &Memory, events: &mut Events);

    /// A thread ended. The first thread of a process comes last.
    fn ended(&mut self, end: &End, events: &mut Events);

    /// Events of other calls are asked for from now on (portable ids): at which calls threads have to
    /// stop for them. `None` if that cannot be changed.
    fn select(&mut self, syscalls: &[u16]) -> Option<Plan> {
        let _ = syscalls;
        None
    }

    /// Whether [`signalled`](Self::signalled) wants to be called, which costs a system call a signal.
    fn wants_signals(&self) -> bool {
        false
    }

    /// A thread is about to be given a signal.
    fn signalled(&mut self, signal: &Signal, events: &mut Events) {
        let _ = (signal, events);
    }
}
