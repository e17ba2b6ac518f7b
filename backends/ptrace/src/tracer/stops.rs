//! [`Tracer`]: the loop over everything that happens to tracees. Facts are those of ptrace(2).

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::abi::{Call, EXECVE, EXECVEAT, SCHED_GETAFFINITY, SCHED_SETAFFINITY};
use super::attach::seize_child;
use super::guard;
use super::place::{BUSY, Place};
use super::threads::{Thread, Threads, Unborn};
use super::veil::{Guise, Veil};
use super::{Phase, Request, Settings, Shared};
use crate::filter::MARK;
use crate::memory::Memory;
use crate::plan::Plan;
use crate::refusals;
use crate::source::{Mode, OnDeath};
use crate::stop::{Abi, Birth, End, Exec, Hooks, Signal, Stop, Until};
use crate::sys::{self, Resume, SyscallInfo};
use falco_source::events::Events;

/// What a status says beside the signal (`PTRACE_EVENT_*`).
const EVENT_FORK: i32 = 1;
const EVENT_VFORK: i32 = 2;
const EVENT_CLONE: i32 = 3;
const EVENT_EXEC: i32 = 4;
const EVENT_SECCOMP: i32 = 7;
const EVENT_STOP: i32 = 128;

/// The signal of system call stops (`PTRACE_O_TRACESYSGOOD`).
const SYSCALL_TRAP: i32 = libc::SIGTRAP | 0x80;

/// `op` of [`SyscallInfo`].
const OP_ENTRY: u8 = 1;
const OP_EXIT: u8 = 2;
const OP_SECCOMP: u8 = 3;

/// How often, and how long each time, a thread whose parent has not told of it waits for that. Both stop
/// within microseconds of each other, unless the parent was killed in between.
const UNBORN_TRIES: u32 = 100;
const UNBORN_PAUSE: Duration = Duration::from_micros(200);

/// After how many stops all that wait are served in turn.
const TURNS: u32 = 16;

/// Who traces.
pub(crate) struct Tracer<H> {
    pub(super) hooks: H,
    pub(super) plan: Plan,
    pub(super) threads: Threads,
    pub(super) settings: Settings,
    pub(super) shared: Arc<Shared>,
    pub(super) mode: Mode,
    /// The process that was spawned, until it has executed its command.
    starting: Option<sys::Child>,
    pub(super) root: Option<i32>,
    pub(super) request: Option<Request>,
    pub(super) place: Place,
    /// Stops since a thread is kept where it is, and how many there were at the last look.
    kept_stops: (u64, u64),
    /// Counts stops up to [`TURNS`].
    turns: u32,
    /// Whether the kernel has `PTRACE_GET_SYSCALL_INFO`.
    has_info: bool,
    /// Whether a stop by the filter may be followed by one at the entry: before Linux 4.8, and in gVisor.
    entry_follows: bool,
    /// Whether processes can keep this one from reading them.
    pub(super) can_be_veiled: bool,
    pub(super) veils: HashMap<i32, Veil>,
    pub(super) guise: Guise,
}

/// What the kernel is asked to tell of.
pub(super) fn options(on_death: OnDeath) -> u32 {
    // PTRACE_O_TRACESYSGOOD, -TRACEFORK, -TRACEVFORK, -TRACECLONE, -TRACEEXEC, -TRACESECCOMP. Ends are
    // told by wait(2), so that no thread has to stop for its own (PTRACE_O_TRACEEXIT).
    let told = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 7);
    match on_death {
        OnDeath::Kill => told | (1 << 20),
        OnDeath::Free => told,
    }
}

/// Whatever ends it, nobody waits for it any more.
impl<H> Drop for Tracer<H> {
    fn drop(&mut self) {
        self.place.give_back();
        let mut state = self.shared.lock();
        state.phase = Phase::Ended;
        self.shared.changed.notify_all();
    }
}

impl<H: Hooks> Tracer<H> {
    /// Traces a process that was forked and waits.
    pub(super) fn spawned(
        child: sys::Child,
        has_filter: bool,
        settings: Settings,
        plan: Plan,
        hooks: H,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        // If this fails, the child ends by itself, since nobody tells it to go.
        seize_child(child.pid, options(settings.on_death))?;
        let mode = if has_filter { Mode::Seccomp } else { Mode::AllCalls };
        let mut tracer = Self::new(settings, mode, plan, hooks, shared);
        tracer.threads.known.insert(child.pid, Thread::of(child.pid));
        tracer.root = Some(child.pid);
        tracer.starting = Some(child);
        Ok(tracer)
    }

    pub(super) fn new(
        settings: Settings,
        mode: Mode,
        plan: Plan,
        hooks: H,
        shared: Arc<Shared>,
    ) -> Self {
        Tracer {
            hooks,
            plan,
            threads: Threads::default(),
            settings,
            shared,
            mode,
            starting: None,
            root: None,
            request: None,
            // Whoever outlives its tracer would stay for ever.
            place: Place::new(settings.pin && settings.on_death == OnDeath::Kill),
            kept_stops: (0, 0),
            turns: 0,
            has_info: true,
            entry_follows: true,
            can_be_veiled: sys::is_blind(),
            veils: HashMap::new(),
            guise: Guise::new(),
        }
    }

    /// Waits to be let go, and traces until nothing is left to trace.
    pub(super) fn run(mut self) {
        let mut state = self.shared.lock();
        while !state.may_run {
            state = self.shared.wait(state, Duration::from_secs(1));
        }
        drop(state);
        self.begin();
        let mut tries = 0;
        loop {
            self.look_for_requests();
            if self.request == Some(Request::Detach) && self.threads.known.is_empty() {
                break;
            }
            let block = self.threads.unborn.is_empty();
            match sys::wait(block) {
                Ok(Some(first)) => self.serve(first),
                Ok(None) if tries < UNBORN_TRIES => {
                    tries += 1;
                    std::thread::sleep(UNBORN_PAUSE);
                    continue;
                }
                Ok(None) => self.adopt(),
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => self.look_at_place(),
                // ECHILD: nothing is left.
                Err(_) => break,
            }
            tries = 0;
        }
    }

    /// One that stopped or ended; from time to time, all that have. The kernel tells of tracees in an order of
    /// its own: where many are busy, some would come again before others' turn, who would never get on
    /// (Python's test_4_daemon_threads, with forty threads that open files, did not end).
    fn serve(&mut self, first: (i32, i32)) {
        self.turns = self.turns.wrapping_add(1);
        if !self.turns.is_multiple_of(TURNS) {
            return self.on(first.0, first.1);
        }
        let mut all = vec![first];
        while let Ok(Some(next)) = sys::wait(false) {
            all.push(next);
        }
        all.into_iter().for_each(|(tid, status)| self.on(tid, status));
    }

    /// Sets what was prepared in motion.
    fn begin(&mut self) {
        let mut known: Vec<(i32, i32)> =
            self.threads.known.iter().map(|(tid, thread)| (*tid, thread.pid)).collect();
        self.count_processes(self.threads.processes().len() as u32, 0);
        known.sort_unstable_by_key(|(tid, pid)| (*pid, tid != pid, *tid));
        for (tid, pid) in known {
            self.tell(|hooks, events| hooks.attached(tid.into(), pid.into(), events));
            if self.starting.is_none() {
                // Calls are seen from here on. If it has ended, wait tells.
                let _ended = sys::interrupt(tid);
            }
        }
        sys::be_private();
        match &self.starting {
            // If that fails, the child has ended, and wait tells.
            Some(child) => drop(child.go()),
            None => self.is_running(),
        }
    }

    fn is_running(&mut self) {
        let mut state = self.shared.lock();
        state.mode = Some(self.mode);
        state.phase = Phase::Running;
        self.shared.changed.notify_all();
    }

    /// One status of wait(2).
    fn on(&mut self, tid: i32, status: i32) {
        if !libc::WIFSTOPPED(status) {
            return self.ended(tid, status);
        }
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        if self.request == Some(Request::Kill) {
            self.kill(tid);
        }
        if !self.threads.known.contains_key(&tid) {
            return self.threads.unborn.push(Unborn { tid, ended: None });
        }
        self.take_guise(tid);
        self.place.stopped(tid);
        self.count_kept();
        match event {
            EVENT_SECCOMP => self.call_stop(tid, true),
            0 if signal == SYSCALL_TRAP => self.call_stop(tid, false),
            0 => {
                self.signalled(tid, signal);
                self.go(tid, signal);
            }
            EVENT_STOP => match signal {
                libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => self.listen(tid),
                _ => self.go(tid, 0),
            },
            EVENT_FORK | EVENT_VFORK | EVENT_CLONE => {
                self.gave_birth(tid);
                self.go(tid, 0);
            }
            EVENT_EXEC => {
                self.executed(tid);
                self.go(tid, 0);
            }
            _ => self.go(tid, 0),
        }
    }

    /// Tells the reader that a thread is kept where it is, and how often it stops.
    fn count_kept(&mut self) {
        if self.place.is_kept() {
            self.kept_stops.0 += 1;
        } else if self.kept_stops.0 != 0 {
            self.kept_stops = (0, 0);
        } else {
            return;
        }
        self.shared.kept_stops.store(self.kept_stops.0, Ordering::Relaxed);
    }

    /// The reader has noticed that the thread that is kept where it is stops less often.
    fn look_at_place(&mut self) {
        let (now, before) = self.kept_stops;
        self.kept_stops.1 = now;
        if self.place.is_kept() && now - before < BUSY {
            self.place.give_back();
            self.count_kept();
        }
    }

    /// Lets a thread that stopped go on, as far as its stops matter. If it was killed meanwhile, wait
    /// tells; so refusals are no errors.
    fn go(&mut self, tid: i32, signal: i32) {
        if self.request == Some(Request::Detach) {
            let _killed = sys::resume(tid, Resume::Detach, signal);
            self.threads.known.remove(&tid);
            return;
        }
        let known = self.threads.known.get(&tid);
        let until_exit = known.is_some_and(|thread| thread.until_exit || thread.own_exit);
        let how = match self.mode {
            Mode::Seccomp if !until_exit && !self.veils.contains_key(&tid) => Resume::Cont,
            _ => Resume::Syscall,
        };
        let _killed = sys::resume(tid, how, signal);
    }

    /// A group stop: the thread stays in it, as it would untraced, and tells when it is over.
    fn listen(&mut self, tid: i32) {
        if self.request == Some(Request::Detach) {
            return self.go(tid, 0);
        }
        let _killed = sys::resume(tid, Resume::Listen, 0);
    }

    /// The entry or the exit of a call.
    fn call_stop(&mut self, tid: i32, by_seccomp: bool) {
        let Some(info) = self.info(tid, by_seccomp) else { return self.go(tid, 0) };
        match info.op {
            OP_ENTRY | OP_SECCOMP if self.replaces_call(tid, &info) => {}
            OP_EXIT if self.makes_replaced_call(tid) => {}
            OP_ENTRY | OP_SECCOMP => self.enter(tid, &info),
            OP_EXIT => self.exit(tid, &info),
            _ => {}
        }
        self.go(tid, 0);
    }

    fn enter(&mut self, tid: i32, info: &SyscallInfo) {
        let Some(thread) = self.threads.known.get_mut(&tid) else { return };
        let memory = Memory::of(tid);
        let call = Call::of_info(info, &memory);
        let stop = call.at((tid, thread.pid), sys::now());
        (thread.call, thread.until_exit, thread.is_inside) = (Some(stop), false, true);
        thread.entry_is_due = info.op == OP_SECCOMP && !self.has_info && self.entry_follows;
        thread.own_exit = false;
        if matches!(call.number, Some(SCHED_GETAFFINITY | SCHED_SETAFFINITY)) {
            self.place.give_back();
        }
        let mut answer = self.guard(tid, &call, &memory);
        if call.number.is_some_and(|number| self.plan.stops(number, &call.args)) {
            let until = self.tell(|hooks, events| hooks.enter(&stop, &memory, events));
            if let Some(thread) = self.threads.known.get_mut(&tid) {
                thread.until_exit = until == Some(Until::Exit);
            }
        }
        if info.op == OP_SECCOMP && info.data[7] as u32 != u32::from(MARK) {
            // A filter of the program itself stops this call for a tracer of its own. It can have none,
            // and so the call fails, as it does untraced (seccomp(2)).
            answer = Some(-i64::from(libc::ENOSYS));
        }
        if let Some(result) = answer {
            guard::answer(tid, result);
        }
    }

    fn exit(&mut self, tid: i32, info: &SyscallInfo) {
        let Some(thread) = self.threads.known.get_mut(&tid) else { return };
        thread.is_inside = false;
        let is_wanted = std::mem::take(&mut thread.until_exit);
        let is_own = std::mem::take(&mut thread.own_exit);
        let Some(call) = thread.call.take().filter(|_| is_wanted || is_own) else { return };
        let result = info.data[0].cast_signed();
        // Results of 32-bit calls have 32 bits; errors are extended already.
        let result = match call.abi {
            Abi::I386 => i64::from(result as i32),
            Abi::X86_64 | Abi::X32 => result,
        };
        if is_own {
            self.guard_exit(tid, &call, result);
        }
        if is_wanted {
            let stop = Stop { ts: sys::now(), result: Some(result), ..call };
            self.tell(|hooks, events| hooks.exit(&stop, &Memory::of(tid), events));
        }
    }

    /// What a system call stop is about; from the registers where the kernel does not tell.
    fn info(&mut self, tid: i32, by_seccomp: bool) -> Option<SyscallInfo> {
        if self.has_info {
            match sys::syscall_info(tid) {
                Ok(info) => return Some(info),
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return None,
                // Before Linux 5.3, and in sandboxes that have none.
                Err(_) => self.has_info = false,
            }
        }
        let is_inside = self.threads.known.get(&tid).is_some_and(|thread| thread.is_inside);
        let regs = sys::registers(tid).ok()?;
        let call = Call::of_registers(&regs, None, &Memory::of(tid));
        let mut info = SyscallInfo {
            arch: match call.abi {
                Abi::I386 => crate::filter::ARCH_I386,
                Abi::X86_64 | Abi::X32 => crate::filter::ARCH_X86_64,
            },
            ..SyscallInfo::default()
        };
        if !by_seccomp && is_inside {
            if self.is_entry_again(tid, regs.rax) {
                return Some(info);
            }
            info.op = OP_EXIT;
            info.data[0] = regs.rax;
            return Some(info);
        }
        info.op = if by_seccomp { OP_SECCOMP } else { OP_ENTRY };
        let [number, args @ .., data] = &mut info.data;
        *number = call.raw_number.into();
        *args = call.args;
        *data = match by_seccomp {
            true => sys::event_message(tid).unwrap_or(MARK.into()),
            false => 0,
        };
        Some(info)
    }

    /// Whether a stop after that by the filter is another one at the entry, where the result is ENOSYS. As
    /// soon as it is another result, it is known that no stop is. (Asked only where the kernel does not
    /// tell.)
    fn is_entry_again(&mut self, tid: i32, result: u64) -> bool {
        let Some(thread) = self.threads.known.get_mut(&tid) else { return false };
        let was_due = std::mem::take(&mut thread.entry_is_due) && self.entry_follows;
        let is_entry = result.cast_signed() == -i64::from(libc::ENOSYS);
        self.entry_follows &= is_entry || !was_due;
        was_due && is_entry
    }

    fn signalled(&mut self, tid: i32, number: i32) {
        if !self.hooks.wants_signals() {
            return;
        }
        let Some(thread) = self.threads.known.get(&tid) else { return };
        let signal = Signal {
            tid: tid.into(),
            pid: thread.pid.into(),
            number,
            sender: sys::signal_sender(tid).unwrap_or(0).into(),
            ts: sys::now(),
        };
        self.tell(|hooks, events| hooks.signalled(&signal, events));
    }

    /// A thread made another one.
    fn gave_birth(&mut self, tid: i32) {
        let Ok(child) = sys::event_message(tid) else { return };
        let Ok(child) = i32::try_from(child) else { return };
        let Some(parent) = self.threads.known.get_mut(&tid) else { return };
        parent.has_child = true;
        let parent = *parent;
        self.place.gave_birth(tid, child);
        if self.threads.known.contains_key(&child) {
            return;
        }
        let memory = Memory::of(tid);
        let arch = sys::syscall_info(tid).ok().map(|info| info.arch);
        let call = sys::registers(tid).ok().map(|regs| Call::of_registers(&regs, arch, &memory));
        let ts = sys::now();
        let birth = Birth {
            tid: child.into(),
            pid: if sys::is_thread_of(child, parent.pid) { parent.pid } else { child }.into(),
            by: call.map(|call| call.at((tid, parent.pid), ts)),
            clone_flags: call.map_or(0, |call| call.clone_flags(&memory)),
            ts,
        };
        self.born(&birth, &memory);
        match self.threads.take_unborn(child) {
            Some(Unborn { ended: Some(status), .. }) => self.ended(child, status),
            Some(Unborn { ended: None, .. }) => self.go(child, 0),
            None => {}
        }
    }

    pub(super) fn born(&mut self, birth: &Birth, memory: &Memory) {
        let (Ok(tid), Ok(pid)) = (i32::try_from(birth.tid), i32::try_from(birth.pid)) else {
            return;
        };
        let parent = birth.by.and_then(|by| i32::try_from(by.tid).ok());
        let parent = parent.and_then(|parent| self.threads.known.get(&parent));
        let mut thread = parent.map_or_else(|| Thread::of(pid), |parent| parent.child(pid));
        if birth.clone_flags & u64::from(guard::CLONE_NEWUSER) != 0 {
            thread.eyes = None;
        }
        self.threads.known.insert(tid, thread);
        self.count_processes(u32::from(tid == pid), 0);
        self.tell(|hooks, events| hooks.born(birth, memory, events));
    }

    /// Takes in threads whose parents cannot tell of them any more.
    pub(super) fn adopt(&mut self) {
        for Unborn { tid, ended } in std::mem::take(&mut self.threads.unborn) {
            // Of one that has ended, too, nobody will ever hear.
            if ended.is_some() {
                continue;
            }
            let pid = super::attach::process_of(tid).unwrap_or(tid);
            let birth = Birth {
                tid: tid.into(),
                pid: pid.into(),
                by: None,
                clone_flags: 0,
                ts: sys::now(),
            };
            self.born(&birth, &Memory::of(tid));
            self.go(tid, 0);
        }
    }

    /// A program was executed: `tid` is the process now, whichever thread called.
    fn executed(&mut self, tid: i32) {
        let former = sys::event_message(tid).ok().and_then(|former| i32::try_from(former).ok());
        let former = former.unwrap_or(tid);
        let call = self.threads.known.remove(&former).and_then(|thread| thread.call);
        self.threads.known.insert(tid, Thread::of(tid));
        let exec = Exec {
            pid: tid.into(),
            former_tid: former.into(),
            call: call.filter(|call| matches!(call.number, Some(EXECVE | EXECVEAT))),
            ts: sys::now(),
        };
        for tid in [former, tid] {
            self.veils.remove(&tid);
        }
        self.take_guise(tid);
        if !self.is_told_later(&exec, tid) {
            self.tell_executed(tid, &exec);
        }
        if self.root == Some(tid)
            && let Some(child) = self.starting.take()
        {
            self.started(&child.progress);
        }
    }

    pub(super) fn tell_executed(&mut self, tid: i32, exec: &Exec) {
        self.tell(|hooks, events| hooks.executed(exec, &Memory::of(tid), events));
    }

    /// The command was executed: what became of its filter is known.
    fn started(&mut self, progress: &sys::Progress) {
        let filter = progress.filter();
        if !matches!(filter, Ok(true)) {
            self.mode = Mode::AllCalls;
        }
        {
            let mut state = self.shared.lock();
            state.gave_up_setuid = progress.gave_up_setuid();
            state.no_filter = filter.err().map(|error| refusals::of_filter(&error));
        }
        self.is_running();
    }

    fn ended(&mut self, tid: i32, status: i32) {
        self.lift_veil(tid);
        let Some(thread) = self.threads.known.remove(&tid) else {
            match self.threads.unborn.iter_mut().find(|unborn| unborn.tid == tid) {
                Some(unborn) => unborn.ended = Some(status),
                None => self.threads.unborn.push(Unborn { tid, ended: Some(status) }),
            }
            return;
        };
        self.count_processes(0, u32::from(tid == thread.pid));
        let end = End { tid: tid.into(), pid: thread.pid.into(), status, ts: sys::now() };
        self.tell(|hooks, events| hooks.ended(&end, events));
        if self.root == Some(tid) {
            self.root_ended(status);
        }
    }

    fn root_ended(&mut self, status: i32) {
        let mut state = self.shared.lock();
        state.status = Some(status);
        if let Some(child) = self.starting.take() {
            let why = child.progress.refusal();
            state.failure = Some(why.unwrap_or_else(|| {
                io::Error::other("the process ended before it executed its command")
            }));
            state.phase = Phase::Running;
        }
        self.shared.changed.notify_all();
    }

    fn count_processes(&self, more: u32, fewer: u32) {
        let processes = &self.shared.processes;
        let now = processes.load(Ordering::Relaxed).saturating_add(more).saturating_sub(fewer);
        processes.store(now, Ordering::Relaxed);
    }

    /// Calls a hook, as soon as there is room for its events. `None` if it panicked: that is a bug of
    /// ours, for which no program that is traced should suffer.
    pub(super) fn tell<T>(&mut self, hook: impl FnOnce(&mut H, &mut Events) -> T) -> Option<T> {
        let most = self.settings.queue_bytes;
        let mut state = self.shared.lock();
        while state.events.bytes() > most && !state.is_deserted && self.request.is_none() {
            self.shared.changed.notify_all();
            state = self.shared.wait(state, Duration::from_millis(10));
            if self.shared.request.load(Ordering::SeqCst) != 0 {
                break;
            }
        }
        let before = state.events.bytes();
        // What a hook leaves half done is its own; events are whole or are not there.
        let told = AssertUnwindSafe(|| hook(&mut self.hooks, &mut state.events));
        let result = catch_unwind(told).ok();
        state.panics += u64::from(result.is_none());
        if state.is_deserted {
            state.events.clear();
        } else if before <= most / 2 && state.events.bytes() > most / 2 {
            self.shared.changed.notify_all();
        }
        result
    }
}
