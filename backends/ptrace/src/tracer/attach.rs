//! Trees that run already: every thread is seized, without stopping it, until there are no others.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::stops::{Tracer, options};
use super::threads::Thread;
use super::{Settings, Shared};
use crate::plan::Plan;
use crate::source::Mode;
use crate::stop::Hooks;
use crate::sys;

/// Looks at the tree until two in a row find the same. Threads that are seized tell of their children
/// themselves, so that every look finds fewer new ones; a bomb of forks ends it here.
const MOST_LOOKS: usize = 1000;

/// How often, and how long each time, a child is waited for that was forked from a process that is private
/// already (`sys::be_private`).
const CHILD_TRIES: u32 = 100;
const CHILD_PAUSE: Duration = Duration::from_millis(1);

impl<H: Hooks> Tracer<H> {
    /// Seizes `roots` with all that descends from them.
    pub(super) fn attached(
        roots: &[i32],
        settings: Settings,
        plan: Plan,
        hooks: H,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let mut tracer = Self::new(settings, Mode::AllCalls, plan, hooks, shared);
        if let [root] = roots {
            tracer.root = Some(*root);
        }
        for root in roots {
            if tracer.seize_threads(*root)?.is_empty() {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        tracer.seize_trees(roots);
        Ok(tracer)
    }

    /// Seizes `roots` with all that descends from them, as far as they can be; which threads are new.
    pub(super) fn seize_trees(&mut self, roots: &[i32]) -> Vec<i32> {
        let mut all = Vec::new();
        for _ in 0..MOST_LOOKS {
            let before = all.len();
            for pid in descendants(roots) {
                // Of those, some may have ended; others have more privileges than we.
                all.append(&mut self.seize_threads(pid).unwrap_or_default());
            }
            if all.len() == before {
                break;
            }
        }
        all
    }

    /// Seizes the threads of a process; which are new.
    fn seize_threads(&mut self, pid: i32) -> io::Result<Vec<i32>> {
        let mut found = Vec::new();
        loop {
            let before = found.len();
            for tid in numbers(&format!("/proc/{pid}/task")) {
                if self.threads.known.contains_key(&tid) {
                    continue;
                }
                match sys::seize(tid, options(self.settings.on_death)) {
                    Ok(()) => {
                        self.threads.known.insert(tid, Thread::of(pid));
                        found.push(tid);
                    }
                    Err(_) if needs_nothing(tid) => {}
                    Err(error) => return Err(error),
                }
            }
            if found.len() == before {
                return Ok(found);
            }
        }
    }
}

/// The processes at and below `roots`.
fn descendants(roots: &[i32]) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for pid in numbers("/proc") {
        let parent = in_status(pid, "PPid:").and_then(|parent| parent.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    let mut next = roots.to_vec();
    while let Some(pid) = next.pop() {
        if seen.insert(pid) {
            all.push(pid);
            next.extend(children.get(&pid).into_iter().flatten());
        }
    }
    all
}

/// Whether a thread that cannot be seized need not be: it is a child of one that was seized, and tells
/// itself, or it has ended.
fn needs_nothing(tid: i32) -> bool {
    let tracer = in_status(tid, "TracerPid:");
    let state = in_status(tid, "State:").unwrap_or_default();
    tracer.is_some_and(|tracer| tracer == sys::gettid().to_string())
        || state.is_empty()
        || state.starts_with(['Z', 'X'])
}

/// The process of a thread.
pub(super) fn process_of(tid: i32) -> Option<i32> {
    in_status(tid, "Tgid:")?.parse().ok()
}

/// The effective user and group of a thread.
pub(super) fn ids_of(tid: i32) -> Option<(u32, u32)> {
    let effective = |name| in_status(tid, name)?.split_whitespace().nth(1)?.parse().ok();
    Some((effective("Uid:")?, effective("Gid:")?))
}

fn in_status(tid: i32, name: &str) -> Option<String> {
    let status = fs::read(format!("/proc/{tid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim().to_owned())
}

/// The names in a directory that are numbers.
fn numbers(directory: &str) -> Vec<i32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Seizes a child of this process, which may have to make itself readable first.
pub(super) fn seize_child(pid: i32, options: u32) -> io::Result<()> {
    for _ in 0..CHILD_TRIES {
        match sys::seize(pid, options) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                thread::sleep(CHILD_PAUSE);
            }
            done => return done,
        }
    }
    sys::seize(pid, options)
}
