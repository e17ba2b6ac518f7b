//! [`Processes`]: what is remembered of each traced process: who its threads are, what was told of
//! its program, and which fds and working directory consumers know it to have.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use falco_proc::Proc;
use falco_proc::held::{Held, Identity};
use falco_source::snapshot::Thread;
use rustix::process::{Resource, getrlimit};

use super::pages::Pages;

/// Processes whose directories are open at a time: each takes up to four fds of this process, and looks
/// take one more, for a moment.
const MOST_HELD: usize = 200;
const FDS_HELD: u64 = 5;

/// Fds that are left to the rest of this process.
const FDS_LEFT: u64 = 24;

/// Fds of a process that are remembered; a process with more has the same ones told again.
const MOST_TOLD: usize = 16_384;

/// What consumers were told an fd is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) identity: Identity,
    /// The text of its link, if that was asked for: what tells anonymous inodes apart.
    pub(super) link: Option<Box<[u8]>>,
}

/// One traced process.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) pid: i64,
    /// Its living threads.
    pub(super) threads: HashSet<i64>,
    /// Whether other processes have the same memory (CLONE_VM, vfork), or had once.
    pub(super) shares_memory: bool,
    /// Processes that it made and that live, as far as is known.
    pub(super) children: u32,
    /// The process that made it, if that is traced, too.
    pub(super) parent: i64,
    /// What was told of its program at the last execution, and of its ids at birth.
    pub(super) image: Option<Arc<Thread>>,
    pub(super) cwd: Option<Arc<[u8]>>,
    /// It may have moved.
    pub(super) cwd_is_old: bool,
    /// Its limits may have been changed.
    pub(super) limits_are_old: bool,
    /// Its credentials have been changed.
    pub(super) credentials_are_old: bool,
    told: Arc<HashMap<i64, Told>>,
    held: Option<Held>,
    pages: Option<Pages>,
}

impl Process {
    /// Whether another thread could change what a call's pointers point at while it runs.
    pub(super) fn can_race(&self) -> bool {
        self.threads.len() > 1 || self.shares_memory
    }

    /// Whether anybody else could change these bytes of it while it runs.
    ///
    /// Others who are allowed to trace it could in any case (process_vm_writev(2), `/proc/PID/mem`).
    pub(super) fn can_change(&mut self, address: u64, len: usize) -> bool {
        let pages = || Pages::of(self.pid);
        self.can_race() || !self.pages.get_or_insert_with(pages).are_private(address, len)
    }

    pub(super) fn told(&self, fd: i64) -> Option<&Told> {
        self.told.get(&fd)
    }

    pub(super) fn tell(&mut self, fd: i64, told: Told) {
        let all = Arc::make_mut(&mut self.told);
        if all.len() >= MOST_TOLD {
            all.clear();
        }
        all.insert(fd, told);
    }

    pub(super) fn forget(&mut self, fd: i64) {
        if self.told.contains_key(&fd) {
            Arc::make_mut(&mut self.told).remove(&fd);
        }
    }

    /// Forgets fds of a range.
    pub(super) fn forget_range(&mut self, first: i64, last: i64) {
        if !self.told.is_empty() {
            Arc::make_mut(&mut self.told).retain(|fd, _| *fd < first || *fd > last);
        }
    }

    /// Its directory; opened by [`Processes::hold`].
    pub(super) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    pub(super) fn held_mut(&mut self) -> Option<&mut Held> {
        self.held.as_mut()
    }

    /// A new program: which fds were closed for it is not known.
    pub(super) fn executed(&mut self) {
        self.told = Arc::default();
        self.shares_memory = false;
        self.pages = None;
    }
}

/// The traced processes.
#[derive(Debug)]
pub(super) struct Processes {
    by_pid: HashMap<i64, Process>,
    held: usize,
    most_held: usize,
}

impl Default for Processes {
    fn default() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most_held = limit.saturating_sub(FDS_LEFT) / FDS_HELD;
        let most_held = usize::try_from(most_held).unwrap_or(MOST_HELD).clamp(1, MOST_HELD);
        Processes { by_pid: HashMap::new(), held: 0, most_held }
    }
}

impl Processes {
    pub(super) fn get(&self, pid: i64) -> Option<&Process> {
        self.by_pid.get(&pid)
    }

    pub(super) fn get_mut(&mut self, pid: i64) -> Option<&mut Process> {
        self.by_pid.get_mut(&pid)
    }

    /// A process; a new one, if it is not known.
    pub(super) fn entry(&mut self, pid: i64) -> &mut Process {
        self.by_pid.entry(pid).or_insert_with(|| Process { pid, ..Process::default() })
    }

    /// A process, with its directory open if that is allowed.
    pub(super) fn hold(&mut self, pid: i64, proc: &mut Proc) -> &mut Process {
        let is_held = self.by_pid.get(&pid).is_some_and(|p| p.held.is_some());
        if !is_held && self.held >= self.most_held {
            for process in self.by_pid.values_mut() {
                (process.held, process.pages) = (None, None);
            }
            self.held = 0;
        }
        let held = &mut self.held;
        let process =
            self.by_pid.entry(pid).or_insert_with(|| Process { pid, ..Process::default() });
        if !is_held {
            process.held = proc.hold(pid);
            *held += usize::from(process.held.is_some());
        }
        process
    }

    /// A child of `parent`, which knows what that knows.
    pub(super) fn fork(&mut self, parent: i64, pid: i64, shares_memory: bool) -> &mut Process {
        let mut child = Process { pid, parent, shares_memory, ..Process::default() };
        if let Some(parent) = self.by_pid.get_mut(&parent) {
            parent.shares_memory |= shares_memory;
            parent.children += 1;
            child.image.clone_from(&parent.image);
            child.cwd.clone_from(&parent.cwd);
            child.cwd_is_old = parent.cwd_is_old;
            child.limits_are_old = parent.limits_are_old;
            child.credentials_are_old = parent.credentials_are_old;
            child.told.clone_from(&parent.told);
        }
        self.by_pid.insert(pid, child);
        self.entry(pid)
    }

    /// Forgets a process that ended.
    pub(super) fn remove(&mut self, pid: i64) {
        let Some(process) = self.by_pid.remove(&pid) else { return };
        self.held -= usize::from(process.held.is_some()).min(self.held);
        if let Some(parent) = self.by_pid.get_mut(&process.parent) {
            parent.children = parent.children.saturating_sub(1);
        }
    }
}
