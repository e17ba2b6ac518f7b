//! What `/proc` tells of this host: its threads, their open files, its accounts and interfaces.
//!
//! [`Proc::snapshot`] is the state before the first event of a live source. [`Proc`] also answers
//! for threads that an event names and no table knows ([`ThreadLookup`]). It only tells; it keeps no
//! tables and knows no events.
//!
//! * `process`: one process, its threads and fds; `task` parses its status files.
//! * `fds`, `sockets`, `peek`: what fds are; sockets from the tables of their namespaces, or one by
//!   one.
//! * `mounts`, `cgroups`: devices and layers of files, cgroups as captures have them.
//! * `host`: where procfs is, the machine and its interfaces. Users and groups are read by
//!   [`falco_source::accounts`].
//! * `scan`: the whole host, on one or several threads; `budget`: how much look-ups may cost.
//! * [`own_container`]: the container that this process itself is in.
//! * [`held`]: a process that is stopped and looked at often, by directories that stay open.
//! * `files`, `text`: reading with few system calls, and the kinds of text in procfs.
//!
//! # What it costs
//! Nine tenths are the kernel's time: opening, reading and closing eight files a process, and one for
//! each open file (`cargo bench -p falco-proc`; 2 cores of an AMD EPYC at a load of 12, which makes all
//! of it slower):
//!
//! | 500 processes of 11 fds and what else ran: 600 threads, 5,900 fds | CPU |
//! |---|---|
//! | snapshot | 85 to 120 ms |
//! | the same processes through the `procfs` crate, without flags and devices of files | 100 to 150 ms |
//! | look-up of one thread with its fds | 0.15 ms |
//! | whether a thread runs | 1.5 µs |
//!
//! So files are read raw, not through the crate. Also, the crate wants UTF-8 where names may be any
//! bytes, and cannot tell the mount of a file. Tests hold both against each other.
#![forbid(unsafe_code)]

mod budget;
mod cgroups;
mod fds;
mod files;
pub mod held;
mod host;
mod mounts;
pub mod own_container;
mod peek;
mod process;
mod scan;
mod sockets;
mod task;
mod text;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use falco_source::Snapshot;
use falco_source::ids::is_of_host;
use falco_source::lookup::{Found, ThreadLookup};
use falco_source::snapshot::{Fd, FdKind};
use thiserror::Error;

use budget::Budget;
use files::Name;
use host::Host;
use process::{Process, Reader, Threads};
use sockets::Sockets;

/// Why nothing can be told at all. What is missing of one process is never an error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProcError {
    /// `/proc` itself cannot be read.
    #[error(
        "cannot read {path}: {error}; mount proc there, or set HOST_ROOT to the root of the host"
    )]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// The refusal.
        #[source]
        error: std::io::Error,
    },
}

/// How much is read at most. What is beyond a limit is left out and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Threads of one process, besides its first.
    pub threads_per_process: usize,
    /// Threads of a snapshot.
    pub threads: usize,
    /// Fds of one process.
    pub fds_per_process: usize,
    /// Fds of a snapshot.
    pub fds: usize,
    /// Threads of this process that read a snapshot. More than one shorten it where cores are idle;
    /// the time that all of them take together stays the same.
    pub workers: usize,
    /// Look-ups of threads and fds in any second.
    pub lookups: u32,
    /// Time that look-ups take in any second. Falco's look-ups have no bound by default.
    pub lookup_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            threads_per_process: 32_768,
            threads: 262_144,
            fds_per_process: 16_384,
            fds: 524_288,
            workers: 1,
            lookups: 1000,
            lookup_time: Duration::from_millis(100),
        }
    }
}

/// What was read and what was not, since [`Proc::new`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Threads read.
    pub threads: u64,
    /// Fds read, sockets that nobody could explain included.
    pub fds: u64,
    /// Sockets that no table explains: of families without an interest (packet, vsock, …), or
    /// closed meanwhile. They are not told.
    pub unknown_sockets: u64,
    /// Processes of which something may not be read: this process lacks `CAP_SYS_PTRACE` over them.
    /// What may be read is told.
    pub denied: u64,
    /// Directories of which [`Limits`] cut something off.
    pub cut: u64,
    /// Look-ups of threads and single fds.
    pub lookups: u64,
    /// Look-ups refused because there were too many in a second, or they took too long.
    pub lookups_refused: u64,
}

impl Counters {
    fn add(&mut self, other: &Counters) {
        let Counters { threads, fds, unknown_sockets, denied, cut, lookups, lookups_refused } =
            other;
        self.threads += threads;
        self.fds += fds;
        self.unknown_sockets += unknown_sockets;
        self.denied += denied;
        self.cut += cut;
        self.lookups += lookups;
        self.lookups_refused += lookups_refused;
    }
}

/// `/proc` of one host.
pub struct Proc {
    root: PathBuf,
    limits: Limits,
    host: Option<Host>,
    reader: Reader,
    boot_ts: u64,
    /// Starts of the first processes of pid namespaces (inode), nanoseconds since the epoch.
    inits: HashMap<u64, u64>,
    budget: Budget,
    /// When what was learned of mounts and cgroups was last forgotten, for [`held`].
    learned: Option<Instant>,
}

impl std::fmt::Debug for Proc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Proc { root, limits, .. } = self;
        let counters = self.counters();
        f.debug_struct("Proc")
            .field("root", root)
            .field("limits", limits)
            .field("counters", &counters)
            .finish_non_exhaustive()
    }
}

impl Proc {
    /// `/proc` and `/etc` below `root`: `HOST_ROOT`, or `/`. Nothing is read yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::with_limits(root, Limits::default())
    }

    /// The same, with other limits.
    pub fn with_limits(root: impl Into<PathBuf>, limits: Limits) -> Self {
        Proc {
            root: root.into(),
            limits,
            host: None,
            reader: Reader::new(limits),
            boot_ts: Host::boot_ts(),
            inits: HashMap::new(),
            budget: Budget::new(limits.lookups, limits.lookup_time),
            learned: None,
        }
    }

    /// Whether the system lets this process look at files at all, by statx(2). Kernels have it since Linux
    /// 4.11; seccomp profiles of before 2018 do not know it.
    ///
    /// # Errors
    /// The refusal.
    pub fn may_look(&self) -> std::io::Result<()> {
        let root = std::fs::File::open(&self.root)?;
        Ok(files::stat(&root, c".").map(drop)?)
    }

    /// For a sensor that may be in a container with those whom it watches: tells their container, too,
    /// where their cgroups do not, since they have a cgroup namespace of their own, which is this
    /// process's ([`own_container`]). Their lists end with `container_id=/<id>` then.
    #[must_use]
    pub fn naming_own_container(mut self) -> Self {
        // Below another root there is somebody else's /proc.
        if self.root == std::path::Path::new("/") {
            self.reader.cgroups.set_own_container(own_container::find());
        }
        self
    }

    /// Everything that runs now, but for kernel threads and for processes that have ended and wait
    /// to be reaped, which captures leave out, too.
    ///
    /// Threads are told in the order of their processes' ids, the first of each process before its
    /// others. Processes that start or end meanwhile may be missing or incomplete; a live source
    /// attaches first and scans then, so that events tell of them.
    ///
    /// # Errors
    /// If `/proc` cannot be read at all.
    pub fn snapshot(&mut self) -> Result<Snapshot, ProcError> {
        let mut snapshot = self.surroundings()?;
        let Some(host) = &self.host else { return Ok(snapshot) };
        let (mut processes, mut sockets) = scan::scan(host, &mut self.reader, self.boot_ts)?;
        sockets.explain(host, &mut self.reader.buffers, None);
        self.inits = scan::name_inits(&mut processes, self.boot_ts);
        for mut process in processes {
            name_sockets(&mut process, &sockets, &mut self.reader.counters);
            snapshot.fds.push((process.thread.tid, process.fds));
            snapshot.threads.push(process.thread);
            snapshot.threads.append(&mut process.others);
        }
        Ok(snapshot)
    }

    /// What is there but for processes: machine, interfaces, accounts.
    ///
    /// # Errors
    /// If `/proc` cannot be read at all.
    pub fn surroundings(&mut self) -> Result<Snapshot, ProcError> {
        let host = match self.host.take() {
            Some(host) => host,
            None => Host::open(&self.root)?,
        };
        let host = self.host.insert(host);
        self.boot_ts = Host::boot_ts();
        self.reader.clear();
        let accounts = falco_source::accounts::Accounts::read(&self.root);
        Ok(Snapshot {
            machine: Some(host.machine(self.boot_ts, &mut self.reader.buffers)),
            interfaces: host::interfaces(),
            users: accounts.users,
            groups: accounts.groups,
            ..Snapshot::default()
        })
    }

    /// What was read and what was not so far.
    pub fn counters(&self) -> Counters {
        self.reader.counters
    }

    /// The host, as soon as procfs can be read.
    fn host(&mut self) -> Option<&Host> {
        if self.host.is_none() {
            self.host = Host::open(&self.root).ok();
        }
        self.host.as_ref()
    }

    /// Runs one look-up, if there is still time for one in this second. `None` if not.
    fn look_up<T>(
        &mut self,
        look: impl FnOnce(&Host, &mut Reader, u64, Option<Instant>) -> Option<T>,
    ) -> Option<T> {
        let start = Instant::now();
        let Some(left) = self.budget.open(start) else {
            self.reader.counters.lookups_refused += 1;
            return None;
        };
        self.reader.counters.lookups += 1;
        if left.is_new_period {
            self.reader.clear();
        }
        self.reader.begin(self.limits.threads, self.limits.fds);
        self.host()?;
        let host = self.host.as_ref()?;
        let found = look(host, &mut self.reader, self.boot_ts, start.checked_add(left.time));
        self.budget.close(start.elapsed());
        found
    }
}

/// Puts into the fds of a process what its sockets are. Those of which nothing is known go.
fn name_sockets(process: &mut Process, sockets: &Sockets, counters: &mut Counters) {
    let Process { fds, net, .. } = process;
    fds.retain_mut(|fd| {
        if fd.kind == FdKind::Unknown {
            match net.and_then(|net| sockets.get(net, fd.ino)) {
                Some(kind) => fd.kind = kind.clone(),
                None => counters.unknown_sockets += 1,
            }
        }
        fd.kind != FdKind::Unknown
    });
}

impl ThreadLookup for Proc {
    fn thread(&mut self, tid: i64) -> Option<Found> {
        let id = u64::try_from(tid).ok().filter(|id| *id > 0 && is_of_host(tid))?;
        let inits = std::mem::take(&mut self.inits);
        let found = self.look_up(|host, reader, boot_ts, deadline| {
            let mut process = reader.read(host, boot_ts, id, Threads::One)?;
            process.thread.pidns_init_start_ts = match process.pid_namespace {
                None => boot_ts,
                Some(namespace) => inits.get(&namespace).copied().unwrap_or_else(|| {
                    scan::init_of(host, reader, boot_ts, namespace, &process.thread)
                }),
            };
            let mut sockets = Sockets::default();
            scan::want_sockets(&process, &mut sockets);
            sockets.explain(host, &mut reader.buffers, deadline);
            name_sockets(&mut process, &sockets, &mut reader.counters);
            Some(Found { thread: process.thread, fds: process.fds })
        });
        self.inits = inits;
        found
    }

    /// Counts who has ended and was not reaped as alive. Where procfs hides processes of others
    /// (`hidepid`), this process needs `CAP_SYS_PTRACE`, or they seem to have ended.
    fn is_alive(&mut self, pid: i64, tid: i64) -> bool {
        if !is_of_host(pid) {
            return false;
        }
        let (Ok(pid), Ok(tid)) = (u64::try_from(pid), u64::try_from(tid)) else { return false };
        let Some(host) = self.host() else { return true };
        let name = Name::of(pid).text("/task/").number(tid);
        files::stat(&host.proc, name.as_c_str()).is_ok()
    }

    fn fd(&mut self, pid: i64, num: i64) -> Option<Fd> {
        if !is_of_host(pid) {
            return None;
        }
        let (pid, num) = (u64::try_from(pid).ok()?, u64::try_from(num).ok()?);
        self.look_up(|host, reader, _, deadline| {
            let mut process = reader.read_fd(host, pid, num)?;
            let mut sockets = Sockets::default();
            scan::want_sockets(&process, &mut sockets);
            sockets.explain(host, &mut reader.buffers, deadline);
            name_sockets(&mut process, &sockets, &mut reader.counters);
            process.fds.pop()
        })
    }
}
