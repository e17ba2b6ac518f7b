//! [`Ptrace`]: the source.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use falco_proc::Proc;
use falco_source::{Capabilities, Next, Snapshot, Source, SourceError, Stats, ThreadLookup};
use thiserror::Error;

use crate::calls::Calls;
use crate::command::Command;
use crate::refusals;
use crate::tracer::{Control, Settings, Taken, Tree};
use falco_source::events::Events;

/// How long the queue is left alone after events were taken out of it, and at most, when there are
/// none. Each look costs a switch of threads; each wait delays an alert.
const SHORT_WAIT: Duration = Duration::from_millis(2);
const LONG_WAIT: Duration = Duration::from_millis(30);
/// Bytes of events that a source which takes over is told for its tables.
const MOST_COPIES: usize = 64 << 20;

/// Why a tree cannot be watched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PtraceError {
    /// The operating system refused.
    #[error("cannot {what}: {error}{advice}")]
    Refused {
        /// What was tried.
        what: String,
        /// The refusal.
        error: io::Error,
        /// What it means and what to do about it, as the end of a sentence; empty if nobody can tell.
        advice: &'static str,
    },
}

/// Rather nothing than alerts without files and sockets.
fn may_look(options: &Options) -> Result<(), PtraceError> {
    Proc::new(&options.host_root).may_look().map_err(|error| {
        let what = "look at files with statx(2)".to_owned();
        PtraceError::Refused { what, advice: refusals::of_looking(&error), error }
    })
}

/// What becomes of a tree when whoever watches it dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDeath {
    /// It is killed (`PTRACE_O_EXITKILL`): nothing ever runs unwatched.
    #[default]
    Kill,
    /// It goes on unwatched. A seccomp filter cannot be taken off, and calls that it stops fail with
    /// ENOSYS when nobody traces; so there is none then, and every call costs two stops.
    Free,
}

/// How a tree is watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// The wanted system calls, as portable ids.
    pub syscalls: Vec<u16>,
    /// Most bytes of data that an event shows.
    pub snaplen: u32,
    /// What becomes of the tree when this process dies.
    pub on_death: OnDeath,
    /// Whether to stop at the wanted calls alone, through a seccomp filter, if the kernel lets us.
    pub seccomp: bool,
    /// Whether setuid programs may lose their privileges for that (`PR_SET_NO_NEW_PRIVS`), where a
    /// filter cannot be had otherwise: that is, without `CAP_SYS_ADMIN`. Traced, they have none
    /// anyway if the tracer lacks `CAP_SYS_PTRACE` (ptrace(2)).
    pub no_new_privs: bool,
    /// Whether a single busy thread may be kept on the tracer's CPU.
    pub pin: bool,
    /// Most bytes of events that wait; the tree is slowed down beyond.
    pub queue_bytes: usize,
    /// Below which `/proc` and `/etc` are read.
    pub host_root: PathBuf,
    /// Which openat(2) is told of, where the path that it is given says enough; all, if there is none. Those
    /// that are not told cost one stop instead of two. What their fds are is told when that matters.
    pub openings: Option<Openings>,
}

/// Whether anybody cares about an openat(2) of a path, which is absolute.
#[derive(Clone)]
pub struct Openings(Arc<OfPath>);

type OfPath = dyn Fn(&[u8]) -> bool + Send + Sync;

impl Openings {
    /// Asks `matter` on the tracer's thread, while the caller is stopped.
    pub fn new(matter: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Openings(Arc::new(matter))
    }

    pub(crate) fn matter(&self, path: &[u8]) -> bool {
        (self.0)(path)
    }
}

impl fmt::Debug for Openings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Openings").finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            syscalls: Vec::new(),
            snaplen: 80,
            on_death: OnDeath::default(),
            seccomp: true,
            no_new_privs: true,
            pin: true,
            queue_bytes: 8 << 20,
            host_root: PathBuf::from("/"),
            openings: None,
        }
    }
}

impl Options {
    fn settings(&self) -> Settings {
        Settings {
            on_death: self.on_death,
            seccomp: self.seccomp,
            no_new_privs: self.no_new_privs,
            pin: self.pin,
            queue_bytes: self.queue_bytes,
        }
    }
}

/// How calls are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The wanted ones alone, by a seccomp filter.
    Seccomp,
    /// All of them, at entry and exit (`PTRACE_SYSCALL`): there is no filter.
    AllCalls,
}

/// A process tree.
#[derive(Debug)]
pub struct Ptrace {
    watched: Watched,
    /// The calls that it asks for, if another one watched the tree before.
    asks_for: Option<Vec<u16>>,
    taken: Events,
    wait: Duration,
    patience: Duration,
    events: u64,
    phase: Phase,
}

/// How far a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    /// Nobody asked for an event yet.
    Started,
    Watching,
    /// The tree was let go.
    Stopped,
    /// What it has taken is all that it will tell: another one goes on.
    Relieved,
}

/// A tree that runs and is watched, for a source that is to take over from another: a process can have
/// one tracer only.
#[derive(Clone, Debug)]
pub struct Watched {
    tree: Arc<Tree>,
    /// What the present source took since the next one looked at the tree, whose tables need it.
    copies: Arc<Mutex<Option<Events>>>,
    host_root: PathBuf,
    /// Of whoever watches at present.
    syscalls: Arc<Mutex<Vec<u16>>>,
}

impl Ptrace {
    /// Makes the process of a command. It executes when the source [starts](Source::start).
    ///
    /// # Errors
    /// If no process can be made or traced.
    pub fn spawn(command: &Command, options: Options) -> Result<Self, PtraceError> {
        may_look(&options)?;
        let calls = Calls::new(&options);
        let plan = calls.plan();
        let tree = Tree::spawn(command, options.settings(), plan, calls).map_err(|error| {
            let what = "trace a process of its own".to_owned();
            PtraceError::Refused { what, advice: refusals::of_tracing(&error), error }
        })?;
        Ok(Self::of(tree, options))
    }

    /// Attaches to processes that run, with all their threads and descendants.
    ///
    /// # Errors
    /// If one of them is no process or may not be traced.
    pub fn attach(roots: &[i32], options: Options) -> Result<Self, PtraceError> {
        may_look(&options)?;
        let calls = Calls::new(&options);
        let plan = calls.plan();
        let tree = Tree::attach(roots, options.settings(), plan, calls).map_err(|error| {
            let pids: Vec<_> = roots.iter().map(ToString::to_string).collect();
            let what = format!("attach to process {}", pids.join(", "));
            PtraceError::Refused { what, advice: "", error }
        })?;
        Ok(Self::of(tree, options))
    }

    fn of(tree: Tree, options: Options) -> Self {
        let Options { host_root, syscalls, .. } = options;
        let (tree, copies) = (Arc::new(tree), Arc::default());
        let syscalls = Arc::new(Mutex::new(syscalls));
        Self::new(Watched { tree, copies, host_root, syscalls }, None)
    }

    /// Takes over from the source that `watched` is of, which must [hand over](Source::hand_over) when
    /// this one has started. Other calls may be asked for; everything else stays as it was.
    pub fn succeed(watched: Watched, syscalls: Vec<u16>) -> Self {
        Self::new(watched, Some(syscalls))
    }

    fn new(watched: Watched, asks_for: Option<Vec<u16>>) -> Self {
        Ptrace {
            watched,
            asks_for,
            taken: Events::new(),
            wait: SHORT_WAIT,
            patience: LONG_WAIT,
            events: 0,
            phase: Phase::New,
        }
    }

    /// What another source needs to take over.
    pub fn watched(&self) -> Watched {
        self.watched.clone()
    }

    /// Steers the tree from other threads.
    pub fn control(&self) -> Control {
        self.watched.tree.control().clone()
    }

    /// How the root command ended, if it has, and there is one only.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.watched.tree.status().map(ExitStatus::from_raw)
    }

    /// How calls are stopped; known once the source has started.
    pub fn mode(&self) -> Mode {
        self.watched.tree.mode()
    }

    /// Why there is no seccomp filter although one was wanted, once the source has started.
    pub fn no_filter(&self) -> Option<String> {
        self.watched.tree.no_filter()
    }

    /// Whether setuid programs have lost their privileges for the filter.
    pub fn gave_up_setuid(&self) -> bool {
        self.watched.tree.gave_up_setuid()
    }
}

/// One that never took over leaves everything as it was.
impl Drop for Ptrace {
    fn drop(&mut self) {
        if self.asks_for.is_some() && self.phase == Phase::Started {
            *lock(&self.watched.copies) = None;
            let syscalls = lock(&self.watched.syscalls).clone();
            self.watched.tree.select(&syscalls);
        }
    }
}

impl Watched {
    /// Keeps what the present source has taken for the next one, if there is one. If that is too much,
    /// its tables ask for what they miss.
    fn keep_copies(&self, taken: &Events) {
        let mut copies = lock(&self.copies);
        if let Some(kept) = &mut *copies {
            kept.append_all(taken);
            if kept.bytes() > MOST_COPIES {
                *copies = None;
            }
        }
    }
}

/// A thread that panicked left whole events behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source for Ptrace {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "ptrace", live: true, enter_events: false }
    }

    /// The tree and its ancestors; and lets it go.
    ///
    /// # Errors
    /// If the command cannot be executed: `NotFound` or `PermissionDenied`, as from
    /// [`Command::new`].
    fn start(&mut self) -> Result<Snapshot, SourceError> {
        let tree = &self.watched.tree;
        let processes = match &self.asks_for {
            None => tree.processes().to_vec(),
            // Until the other one hands over, both get what they want.
            Some(more) => {
                *lock(&self.watched.copies) = Some(Events::new());
                let of_both = [&lock(&self.watched.syscalls)[..], more].concat();
                tree.select(&of_both)
            }
        };
        let pids: Vec<i64> = processes.into_iter().map(i64::from).collect();
        let snapshot = Proc::new(&self.watched.host_root).naming_own_container().snapshot_of(&pids);
        let snapshot = snapshot.map_err(|error| SourceError::Io {
            what: "cannot read the processes of the tree".to_owned(),
            error: io::Error::other(error),
        })?;
        if self.asks_for.is_none() {
            tree.begin().map_err(|error| SourceError::Io {
                what: "cannot execute the command".to_owned(),
                error,
            })?;
        }
        self.phase = Phase::Started;
        Ok(snapshot)
    }

    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        match self.phase {
            Phase::New => return Ok(Next::End),
            Phase::Relieved if self.taken.is_empty() => return Ok(Next::End),
            Phase::Started => {
                self.phase = Phase::Watching;
                if let Some(syscalls) = self.asks_for.take() {
                    self.watched.tree.select(&syscalls);
                    *lock(&self.watched.syscalls) = syscalls;
                    let copies = lock(&self.watched.copies).take().unwrap_or_default();
                    self.taken.hidden(|taken| taken.append_all(&copies));
                }
            }
            Phase::Watching | Phase::Stopped | Phase::Relieved => {}
        }
        if self.taken.is_empty() {
            match self.watched.tree.take(&mut self.taken, self.wait.min(self.patience)) {
                Taken::Events => {
                    self.wait = SHORT_WAIT;
                    self.watched.keep_copies(&self.taken);
                }
                Taken::Nothing => {
                    self.wait = (self.wait * 2).min(LONG_WAIT);
                    return Ok(Next::Idle);
                }
                Taken::End => return Ok(Next::End),
            }
        }
        Ok(match self.taken.pop() {
            Some(event) => {
                self.events += 1;
                Next::Event(event)
            }
            None => Next::Idle,
        })
    }

    fn set_patience(&mut self, longest: Duration) {
        self.patience = longest;
    }

    /// Who was there before the tree, and what else its events name, is in `/proc`.
    fn lookup(&self) -> Option<Box<dyn ThreadLookup>> {
        Some(Box::new(Proc::new(&self.watched.host_root).naming_own_container()))
    }

    /// A tree that was attached to is let go. One that was started goes on to be traced, since its
    /// filter cannot be taken off: it is the caller's to end it ([`Control`]), or to wait.
    fn stop_capture(&mut self) {
        if matches!(self.phase, Phase::Started | Phase::Watching) {
            self.phase = Phase::Stopped;
            if !self.watched.tree.has_filter() {
                self.watched.tree.control().detach();
            }
        }
    }

    /// The tree stays as it is; this one tells what has happened up to now, and the other one what comes
    /// then. There is nothing that both see.
    fn hand_over(&mut self, _since: u64) -> u64 {
        let mut rest = Events::new();
        self.watched.tree.take(&mut rest, Duration::ZERO);
        self.watched.keep_copies(&rest);
        self.taken.append_all(&rest);
        self.phase = Phase::Relieved;
        0
    }

    fn stats(&self) -> Stats {
        Stats {
            events: self.events,
            seen: self.events,
            invalid: self.watched.tree.panics(),
            ..Stats::default()
        }
    }
}
