//! [`Tree`]: processes that are traced, on a thread of their own.
//!
//! ptrace(2) binds tracees to one thread, and a tracee that stopped waits for it; so that thread does
//! nothing else. It calls [`Hooks`], whose events wait in a queue that the reader comes by and empties:
//! nobody is woken for an event. If the reader is too slow, the tree is, too: nothing is lost.
//!
//! # What a program can notice
//! Exit codes, signals with what they carry, group stops, job control, restarts of interrupted calls and
//! affinities are as untraced; `tests/tracer` holds one against the other. What is not:
//!
//! * It has a tracer: `PTRACE_TRACEME` and attaching fail with EPERM, `TracerPid` says so.
//! * Setuid programs get no privileges, unless the tracer has `CAP_SYS_PTRACE` (ptrace(2)). To install a
//!   filter without `CAP_SYS_ADMIN`, `no_new_privs` is set as well, which children inherit.
//! * A filter of its own that refuses a call hides that call: the strictest answer of all filters wins,
//!   and refusals are stricter than stops (seccomp(2)). One that asks for a tracer is answered as if
//!   there were none.
//! * It cannot listen to its own filter (EBUSY), nor set limits of its tracer's process (EPERM): `guard`.
//! * If the tracer lacks `CAP_SYS_PTRACE`, it stays dumpable although it is told otherwise: `veil`.
//! * If the tracer is killed, so is the tree, or it is freed, as [`OnDeath`] says; the latter goes with
//!   stops at every call, since filtered ones fail without a tracer.
//! * Calls that waited when a running process was attached to or let go are interrupted once; the few
//!   that no kernel restarts fail with EINTR, as after SIGSTOP and SIGCONT (signal(7)).
//!
//! # What it costs
//! A call that nobody wants costs what the kernel's bitmap of allowed calls costs, some nanoseconds. One
//! that stops takes three system calls of the tracer and two switches of threads, as often again if its
//! result is wanted; of opens, only if a rule can match their path. `examples/stops.rs` measures; on 2 cores of a virtual machine with other load (Linux
//! 6.18), a stop took 7 µs, an open with both of its stops 14 µs where strace with a filter took 18, and
//! getpid(2) 1.2 to 1.3 times as long as untraced.
//!
//! * `stops`: the loop over everything that happens to a tracee; `threads`: what is known of each.
//! * `abi`: system calls of all kinds of programs, told as those of 64-bit ones.
//! * `guard`: what a program may not do, so as not to get out of sight; `veil`: keeping it readable.
//! * `attach`: trees that run already. `requests`: what other threads ask for. `place`: on which CPU tracer and tracee are.

pub(crate) mod abi;
mod attach;
mod guard;
mod place;
mod requests;
mod stops;
mod threads;
mod veil;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

use crate::command::Command;
use crate::filter::Filter;
use crate::plan::{Check, Plan};
use crate::source::{Mode, OnDeath};
use crate::stop::Hooks;
use crate::sys;
use falco_source::events::Events;
use stops::Tracer;

/// The signal that wakes the tracer's thread: ignored by default, so that nothing happens if it comes
/// late.
const WAKE: Signal = Signal::SIGURG;

/// How a tree is traced.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What becomes of the tree when this process dies.
    pub on_death: OnDeath,
    /// Whether calls stop by a seccomp filter, if the kernel lets us.
    pub seccomp: bool,
    /// Whether setuid programs may lose their privileges for that.
    pub no_new_privs: bool,
    /// Whether a single busy thread may be kept on the tracer's CPU.
    pub pin: bool,
    /// Most bytes of events that wait.
    pub queue_bytes: usize,
}

/// How far a tree is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// It is there, but was not let go.
    #[default]
    Ready,
    Running,
    /// Nothing is traced any more.
    Ended,
}

/// What both threads know.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// The most urgent [`Request`] so far.
    request: AtomicU8,
    /// Whether there is a `selection`.
    has_selection: AtomicBool,
    /// Stops of the thread that is kept where it is (see [`place`]); 0 if none is.
    kept_stops: AtomicU64,
    /// Processes that are traced.
    processes: AtomicU32,
    /// `kept_stops` when the reader looked last, and when that was.
    kept_stops_seen: AtomicU64,
    kept_looked_at: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    events: Events,
    phase: Phase,
    /// Whether the reader let the tree go.
    may_run: bool,
    mode: Option<Mode>,
    gave_up_setuid: bool,
    /// Why there is no filter although one was wanted.
    no_filter: Option<String>,
    /// Why the tree could not be begun.
    failure: Option<io::Error>,
    /// How the root ended.
    status: Option<i32>,
    /// The calls that are asked for from now on, until the tracer's thread has seen that.
    selection: Option<Vec<u16>>,
    /// The processes that were traced when it had.
    processes: Vec<i32>,
    /// The tracer's thread has seen this request.
    obeyed: u8,
    /// Nobody will take events any more.
    is_deserted: bool,
    /// Calls of hooks that panicked.
    panics: u64,
}

/// What the tracer's thread is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Request {
    /// Let everything go.
    Detach = 1,
    /// Kill everything.
    Kill = 2,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left whole events behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State>, longest: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(guard, longest).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// What a look for events brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Some.
    Events,
    /// None yet.
    Nothing,
    /// There will be no more.
    End,
}

/// Processes that are traced.
#[derive(Debug)]
pub struct Tree {
    shared: Arc<Shared>,
    control: Control,
    thread: Option<JoinHandle<()>>,
    /// What the end of the tracer means for it.
    at_drop: Request,
    processes: Vec<i32>,
}

impl Tree {
    /// Makes the process of a command, traced; it waits before it executes the command until
    /// [`Tree::begin`].
    ///
    /// # Errors
    /// If no process can be made or traced.
    pub fn spawn(
        command: &Command,
        settings: Settings,
        plan: Plan,
        hooks: impl Hooks + 'static,
    ) -> io::Result<Self> {
        let wants_filter = settings.seccomp && settings.on_death == OnDeath::Kill;
        let filter = wants_filter.then(|| Filter::new(&with_own_needs(&plan)));
        let at_drop = if wants_filter { Request::Kill } else { Request::Detach };
        let command = command.clone();
        Self::on_a_thread(at_drop, None, move |shared| {
            let child = sys::fork(&sys::Program {
                path: &command.path,
                argv: &command.argv,
                env: &command.env,
                filter: filter.as_ref().map(Filter::code),
                may_give_up_setuid: settings.no_new_privs,
            })?;
            Tracer::spawned(child, filter.is_some(), settings, plan, hooks, shared)
        })
    }

    /// Attaches to processes with all of their threads and descendants. They run on meanwhile; what
    /// they do is told after [`Tree::begin`].
    ///
    /// # Errors
    /// If one of `roots` is no process, or may not be traced.
    pub fn attach(
        roots: &[i32],
        settings: Settings,
        plan: Plan,
        hooks: impl Hooks + 'static,
    ) -> io::Result<Self> {
        let root = if let [root] = roots { *root } else { 0 };
        let roots = roots.to_vec();
        Self::on_a_thread(Request::Detach, Some(root), move |shared| {
            Tracer::attached(&roots, settings, plan, hooks, shared)
        })
    }

    /// Starts a thread that makes its tracer and runs it. `root` is who gets signals; by default, the
    /// first process, and nobody if it is 0.
    fn on_a_thread<H: Hooks + 'static>(
        at_drop: Request,
        root: Option<i32>,
        make: impl FnOnce(Arc<Shared>) -> io::Result<Tracer<H>> + Send + 'static,
    ) -> io::Result<Self> {
        sys::let_interrupt(WAKE as i32)?;
        sys::no_signal_for_stops()?;
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let thread =
            std::thread::Builder::new().name("tracer".to_owned()).spawn(move || {
                match make(Arc::clone(&for_thread)) {
                    Ok(tracer) => {
                        leave_signals_to_others();
                        let processes = tracer.threads.processes();
                        let _is_waited_for = tell.send(Ok((sys::gettid(), processes)));
                        tracer.run();
                    }
                    Err(error) => {
                        let _is_waited_for = tell.send(Err(error));
                    }
                }
            })?;
        let (tracer, processes) = told
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread of the tracer panicked")))?;
        let root = root.or_else(|| processes.first().copied()).and_then(Root::of);
        let control = Control { shared: Arc::clone(&shared), tracer, root: root.map(Arc::new) };
        Ok(Tree { shared, control, thread: Some(thread), at_drop, processes })
    }

    /// The processes that there were when it was made.
    pub fn processes(&self) -> &[i32] {
        &self.processes
    }

    /// Whether the tree cannot be let go without harm.
    pub fn has_filter(&self) -> bool {
        self.at_drop == Request::Kill && self.mode() == Mode::Seccomp
    }

    /// Lets the tree go; returns when its command was executed.
    ///
    /// # Errors
    /// If it cannot be executed.
    pub fn begin(&self) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.may_run = true;
        self.shared.changed.notify_all();
        while state.phase == Phase::Ready {
            state = self.shared.wait(state, Duration::from_secs(1));
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
        }
        state.failure.take().map_or(Ok(()), Err)
    }

    /// Asks for the events of other calls (portable ids) from now on; the processes that are traced then.
    /// A tree with a [filter](Self::has_filter) goes on as before, since that cannot be changed.
    pub fn select(&self, syscalls: &[u16]) -> Vec<i32> {
        let mut state = self.shared.lock();
        if state.phase == Phase::Running {
            state.selection = Some(syscalls.to_vec());
            self.shared.has_selection.store(true, Ordering::SeqCst);
        }
        while state.selection.is_some() && state.phase == Phase::Running {
            // As in `Control::ask`.
            sys::signal_thread(self.control.tracer, WAKE as i32);
            state = self.shared.wait(state, Duration::from_millis(2));
        }
        state.processes.clone()
    }

    /// Takes all events that wait into `events`, which must be empty; waits for some at most that long.
    pub fn take(&self, events: &mut Events, patience: Duration) -> Taken {
        self.look_at_place();
        let mut state = self.shared.lock();
        if state.events.is_empty() && state.phase != Phase::Ended && !patience.is_zero() {
            state = self.shared.wait(state, patience);
        }
        if state.events.is_empty() {
            let is_over = state.phase == Phase::Ended
                || self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            return if is_over { Taken::End } else { Taken::Nothing };
        }
        events.clear();
        std::mem::swap(&mut state.events, events);
        // The tracer may wait for room.
        self.shared.changed.notify_all();
        Taken::Events
    }

    /// Wakes the tracer if the thread that is kept where it is does not stop any more: the tracer waits
    /// and would not notice.
    fn look_at_place(&self) {
        let Shared { kept_stops, kept_stops_seen, kept_looked_at, .. } = &*self.shared;
        let stops = kept_stops.load(Ordering::Relaxed);
        let now = sys::now();
        if stops == 0 || now.abs_diff(kept_looked_at.load(Ordering::Relaxed)) < place::LOOK_NS {
            return;
        }
        kept_looked_at.store(now, Ordering::Relaxed);
        let before = kept_stops_seen.swap(stops, Ordering::Relaxed);
        if stops.saturating_sub(before) < place::BUSY {
            sys::signal_thread(self.control.tracer, WAKE as i32);
        }
    }

    /// Steers the tree from any thread.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// How the root ended, as wait(2) encodes it, if it has and is the only one.
    pub fn status(&self) -> Option<i32> {
        self.shared.lock().status
    }

    /// How calls are stopped; known after [`Tree::begin`].
    pub fn mode(&self) -> Mode {
        self.shared.lock().mode.unwrap_or(Mode::AllCalls)
    }

    /// Calls of hooks that panicked, whose events are missing: a bug, if it is not 0.
    pub fn panics(&self) -> u64 {
        self.shared.lock().panics
    }

    /// Why there is no seccomp filter although one was wanted.
    pub fn no_filter(&self) -> Option<String> {
        self.shared.lock().no_filter.clone()
    }

    /// Whether setuid programs have lost their privileges for the filter.
    pub fn gave_up_setuid(&self) -> bool {
        self.shared.lock().gave_up_setuid
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.is_deserted = true;
            state.may_run = true;
            self.shared.changed.notify_all();
        }
        self.control.ask(self.at_drop);
        if let Some(thread) = self.thread.take() {
            // If it panicked, the kernel has freed or killed the tree.
            let _panicked = thread.join();
        }
    }
}

/// Steers a tree from other threads.
#[derive(Clone, Debug)]
pub struct Control {
    shared: Arc<Shared>,
    tracer: i32,
    /// The root, if there is one only.
    root: Option<Arc<Root>>,
}

impl Control {
    /// Sends a signal to the root process. Nothing happens if it has ended, or there are several.
    pub fn signal(&self, signal: i32) {
        let Some(root) = &self.root else { return };
        if !root.signal(signal) && self.shared.lock().status.is_none() {
            // Between the end of the root and its status, its id may come to mean another process: there
            // is no better way left.
            sys::signal(root.pid.as_raw_pid(), signal);
        }
    }

    /// How many processes are traced now.
    pub fn processes(&self) -> usize {
        self.shared.processes.load(Ordering::Relaxed) as usize
    }

    /// Kills everything that is traced.
    pub fn kill_tree(&self) {
        self.ask(Request::Kill);
    }

    /// Lets everything go. Where there is a seccomp filter, calls that it stops fail with ENOSYS from
    /// then on; better is to [kill](Self::kill_tree), or to wait.
    pub fn detach(&self) {
        self.ask(Request::Detach);
    }

    /// Returns when the tracer has seen the request, or is no more.
    fn ask(&self, request: Request) {
        let request = request as u8;
        self.shared.request.fetch_max(request, Ordering::SeqCst);
        let mut state = self.shared.lock();
        while state.obeyed < request && state.phase != Phase::Ended {
            // A signal that comes just before it waits is missed; the next one is not.
            sys::signal_thread(self.tracer, WAKE as i32);
            state = self.shared.wait(state, Duration::from_millis(2));
        }
    }
}

/// Signals to this process are taken by other threads, which know what to do. Not earlier: what was
/// forked here would have them blocked, too.
fn leave_signals_to_others() {
    let mut all = SigSet::all();
    all.remove(WAKE);
    // It is refused for no set.
    let _blocked = all.thread_set_mask();
}

/// Who gets signals.
#[derive(Debug)]
struct Root {
    pid: Pid,
    /// What never comes to mean another process. Seccomp profiles of old container engines refuse it.
    pidfd: Option<OwnedFd>,
}

impl Root {
    /// `None` if there is nobody.
    fn of(pid: i32) -> Option<Self> {
        let pid = Pid::from_raw(pid)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty());
        match pidfd {
            Err(Errno::SRCH) => None,
            pidfd => Some(Root { pid, pidfd: pidfd.ok() }),
        }
    }

    /// Sends a signal; `false` if that is refused.
    fn signal(&self, signal: i32) -> bool {
        self.pidfd.as_ref().is_some_and(|pidfd| sys::signal_process(pidfd, signal))
    }
}

/// What the tracer itself has to see: attempts to get out of sight, and who asks for affinities.
fn with_own_needs(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.stop(abi::SCHED_GETAFFINITY, Check::always());
    plan.stop(abi::SCHED_SETAFFINITY, Check::always());
    guard::watch(&mut plan, sys::is_blind());
    plan
}
