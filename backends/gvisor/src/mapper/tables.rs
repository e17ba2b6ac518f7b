//! What is remembered of a sandbox's threads and processes between messages: who is known, and what
//! the tables behind the events were told of each. Ids are those of the sandbox's root pid namespace.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::fds::Fds;
use super::texts::{Meter, Text};
use crate::proto::Credentials;

/// Most threads of a sandbox.
pub(super) const MAX_THREADS: usize = 32_768;
/// Which part of them goes when there is no more room.
const EVICTED_PART: usize = 16;
/// Most containers of a sandbox that are told apart.
const MAX_CONTAINERS: usize = 1024;
/// Longest id of a container.
const MAX_ID: usize = 256;
/// Threads that ended last, whose late messages are not taken for those of new ones.
const MAX_ENDED: usize = 256;

/// A thread.
#[derive(Debug)]
pub(super) struct Thread {
    /// Its process.
    pub pid: i32,
    /// Its id in its container.
    pub vtid: i32,
    /// When it began, by the sandbox's clock; 0 is unknown.
    pub start_ns: i64,
    /// When it was last heard of.
    pub seen_ns: u64,
    /// Users and groups that the tables know of it.
    pub credentials: Option<Credentials>,
    /// The child that it made and of which its own call has not told yet.
    pub child: Option<i32>,
    /// The number of a call under way, and what it asked for when it began.
    pub asked: Option<(u64, Text)>,
    /// The execution that it has begun.
    pub exec: Option<Box<Exec>>,
    /// A program was loaded; the call has not returned yet.
    pub is_executed: bool,
}

/// An execution under way.
#[derive(Debug)]
pub(super) struct Exec {
    /// The program, as it was passed.
    pub pathname: Text,
    /// Arguments, each followed by a NUL.
    pub argv: Text,
    /// Environment, the same way.
    pub env: Text,
    /// The call returned 0, which newer sandboxes say before they know.
    pub has_returned: bool,
}

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    /// Its threads.
    pub tids: Vec<i32>,
    /// The thread that made it; 0 for a container's first.
    pub ptid: i32,
    /// Its id in its container.
    pub vpid: i32,
    /// Process group; 0 is unknown.
    pub pgid: i32,
    /// Its container's place.
    pub container: u16,
    /// Its program.
    pub image: Arc<Image>,
    /// Hash of the working directory that the tables know; 0 is none.
    pub cwd: u64,
    /// Fds that the tables know.
    pub fds: Fds,
    /// Addresses that its sockets are bound to, by fd.
    pub bound: Vec<(i64, Arc<Text>)>,
    /// It was met unannounced, and a dump of processes would tell more.
    pub is_stub: bool,
    /// Its leader ends because another thread has become it.
    pub is_leader_replaced: bool,
}

/// A program and how it was called.
#[derive(Debug)]
pub(super) struct Image {
    /// Name of the thread (`comm`).
    pub comm: Text,
    /// The first argument.
    pub exe: Text,
    /// The others, each followed by a NUL.
    pub args: Text,
    /// The executable, resolved; empty if it is not known.
    pub path: Text,
    /// `path` is only what the caller named.
    pub is_path_guessed: bool,
}

impl Image {
    /// A program of which only the name is known.
    pub(super) fn named(meter: &Meter, comm: &[u8]) -> Arc<Self> {
        let keep = |text: &[u8]| meter.keep(text);
        Arc::new(Image {
            comm: keep(comm),
            exe: keep(comm),
            args: keep(&[]),
            path: keep(&[]),
            is_path_guessed: true,
        })
    }
}

/// How ids of threads are counted in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PidNamespace {
    /// As in the whole sandbox, as far as is known.
    Sandbox,
    /// From 1 on; this was the last one given.
    Own(i32),
}

/// A container.
#[derive(Debug)]
pub(super) struct Container {
    /// Its id.
    pub id: Vec<u8>,
    /// Its first process; 0 is unknown.
    pub init: i32,
    /// How its ids are counted.
    pub pids: PidNamespace,
}

/// All that is remembered of a sandbox.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) threads: HashMap<i32, Thread>,
    pub(super) processes: HashMap<i32, Process>,
    pub(super) containers: Vec<Container>,
    pub(super) meter: Meter,
    ended: VecDeque<(i32, i64)>,
}

impl Tables {
    /// Puts a thread in, in place of any other of its id; its process must be there.
    pub(super) fn insert(&mut self, tid: i32, thread: Thread) {
        if self.threads.get(&tid).is_some_and(|other| other.pid != thread.pid) {
            self.remove(tid);
        }
        self.ended.retain(|&(ended, _)| ended != tid);
        if let Some(process) = self.processes.get_mut(&thread.pid)
            && !process.tids.contains(&tid)
        {
            process.tids.push(tid);
        }
        self.threads.insert(tid, thread);
    }

    /// Takes a thread out, and its process with its last one.
    pub(super) fn remove(&mut self, tid: i32) -> Option<Thread> {
        let thread = self.threads.remove(&tid)?;
        if let Some(process) = self.processes.get_mut(&thread.pid) {
            process.tids.retain(|&other| other != tid);
            if process.tids.is_empty() {
                self.processes.remove(&thread.pid);
            }
        }
        if self.ended.len() >= MAX_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back((tid, thread.start_ns));
        Some(thread)
    }

    /// Whether a thread that is not known is one that ended a moment ago. One that began at
    /// another time is another.
    pub(super) fn has_ended(&self, tid: i32, start_ns: i64) -> bool {
        let is_it = |&(ended, start): &(i32, i64)| {
            ended == tid && (start == start_ns || start == 0 || start_ns == 0)
        };
        self.ended.iter().rev().any(is_it)
    }

    /// The threads that were silent for longest, if there is no room for another; their processes'
    /// others stay.
    pub(super) fn to_evict(&self) -> Vec<i32> {
        if self.threads.len() < MAX_THREADS {
            return Vec::new();
        }
        let mut by_time: Vec<(u64, i32)> =
            self.threads.iter().map(|(&tid, thread)| (thread.seen_ns, tid)).collect();
        let part = by_time.len() / EVICTED_PART;
        by_time.select_nth_unstable(part);
        by_time.truncate(part.max(1));
        by_time.into_iter().map(|(_, tid)| tid).collect()
    }

    /// The place of the container `id`, where there is room for it; the sandbox's own otherwise, and
    /// if it is not told.
    pub(super) fn container(&mut self, id: &[u8]) -> u16 {
        let id = &id[..id.len().min(MAX_ID)];
        if id.is_empty() {
            return 0;
        }
        let known = self.containers.iter().position(|container| container.id == id);
        let place = known.unwrap_or_else(|| {
            if self.containers.len() >= MAX_CONTAINERS {
                return 0;
            }
            let pids = PidNamespace::Sandbox;
            self.containers.push(Container { id: id.to_vec(), init: 0, pids });
            self.containers.len() - 1
        });
        u16::try_from(place).unwrap_or(0)
    }

    /// Id of the container at `place`.
    pub(super) fn container_id(&self, place: u16) -> &[u8] {
        self.containers.get(usize::from(place)).map_or(&[], |container| &container.id)
    }

    /// The thread of a container that has this id there.
    pub(super) fn by_vpid(&self, container: u16, vpid: i32) -> Option<i32> {
        let counts = self.containers.get(usize::from(container)).map(|container| container.pids);
        if counts == Some(PidNamespace::Sandbox) {
            return self.processes.contains_key(&vpid).then_some(vpid);
        }
        let is_it = |process: &Process| process.container == container && process.vpid == vpid;
        self.processes.iter().find(|(_, process)| is_it(process)).map(|(&pid, _)| pid)
    }
}

/// A number that tells texts apart; never 0.
pub(super) fn hash(text: &[u8]) -> u64 {
    use std::hash::BuildHasher;
    std::sync::LazyLock::force(&HASHER).hash_one(text) | 1
}

static HASHER: std::sync::LazyLock<hashbrown::DefaultHashBuilder> =
    std::sync::LazyLock::new(hashbrown::DefaultHashBuilder::default);
