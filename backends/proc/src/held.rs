//! [`Held`]: a process whose directories stay open, for whoever stops it and looks at it often.
//!
//! Nothing here has a budget, as look-ups have: whoever stops a process for each look decides how
//! many there are. What is told is what holds at the moment of the call.

use std::cell::OnceCell;
use std::ops::Range;
use std::time::{Duration, Instant};

use falco_event::net::Endpoint;
use falco_source::Snapshot;
use falco_source::snapshot::{Fd, FdKind, L4Proto, Thread};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, StatxFlags};
use rustix::io::Errno;

use crate::fds::{self, Place};
use crate::files::{Name, directory, stat, stat_only};
use crate::host::{self, Host};
use crate::mounts::{Layer, layer};
use crate::process::{self, Process, Threads};
use crate::sockets::{self, Sockets};
use crate::task::Status;
use crate::text::unescape_comm;
use crate::{Proc, ProcError, name_sockets, peek, scan};

/// How long what was learned of mounts and cgroups is taken to hold.
const LEARNED: Duration = Duration::from_secs(1);

/// Parents of a process that are told with it.
const ANCESTORS: usize = 64;

/// A process that is looked at often. It stays the same process even if another one gets its id.
#[derive(Debug)]
pub struct Held {
    pid: u64,
    dir: OwnedFd,
    /// `fd` below it, once it was needed.
    fds: OnceCell<OwnedFd>,
    /// `None` until it is needed; `Some(None)` if it cannot be had, or fds may not be duplicated.
    pidfd: Option<Option<OwnedFd>>,
}

/// A process has ended, or may not be looked at: its program has more rights than this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden;

/// Which file an fd is, as far as one call tells: equal ones are the same file, but that all
/// anonymous inodes (eventfd, epoll, …) may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Device as `stat` has it.
    pub dev: (u32, u32),
    /// Inode.
    pub ino: u64,
    /// Whether it has a type: regular file, directory, socket, …; anonymous inodes have none.
    pub has_type: bool,
}

/// What events tell of a file that has just been opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Which file it is.
    pub identity: Identity,
    /// Device of its file system, in 32 bits as events have it.
    pub dev: u32,
    /// On an overlay: whether it comes from the writable layer; `None` elsewhere, or if that cannot
    /// be seen from here.
    pub is_upper: Option<bool>,
}

/// Both ends of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// IPv4 or IPv6. An end that there is not has no address and port 0.
    Inet {
        /// The address that it is bound to.
        local: Endpoint,
        /// The address that it is connected to.
        remote: Endpoint,
        /// Transport.
        proto: L4Proto,
        /// Whether it sends datagrams, so that each can have another destination.
        is_datagram: bool,
        /// Whether it accepts connections.
        is_listening: bool,
    },
    /// Unix: paths, or abstract names without their NUL; empty if there is none.
    Unix {
        /// The name that it is bound to.
        local: Vec<u8>,
        /// The name of the socket that it is connected to.
        peer: Vec<u8>,
        /// Whether it is connected.
        is_connected: bool,
        /// Whether it sends datagrams.
        is_datagram: bool,
    },
}

/// What of a process need not be read, because it has not changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its limit of open files.
    pub fdlimit: Option<u64>,
    /// Who logged in.
    pub loginuid: Option<u32>,
}

/// Where a process has its arguments and environment, in its own memory: addresses. Empty where they
/// may not be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    /// `argv`, each string with its NUL.
    pub args: Range<u64>,
    /// `NAME=value`, each with its NUL.
    pub env: Range<u64>,
}

impl Strings {
    /// Most bytes of either that are told.
    pub const MOST: usize = process::ARGUMENTS;

    /// Puts into a thread what was read at these places.
    pub fn set(thread: &mut Thread, args: &[u8], env: &[u8]) {
        let most = |text: &'_ [u8]| text.len().min(Self::MOST);
        process::set_strings(thread, &args[..most(args)], &env[..most(env)]);
    }
}

/// What `status` tells of a thread: name, ids, credentials and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // names are those of `Thread`
pub struct Ids {
    pub comm: Vec<u8>,
    pub pid: i64,
    pub ptid: i64,
    pub vtid: i64,
    pub vpid: i64,
    pub uid: u32,
    pub gid: u32,
    pub cap_inheritable: u64,
    pub cap_permitted: u64,
    pub cap_effective: u64,
    pub vmsize_kb: u32,
    pub vmrss_kb: u32,
    pub vmswap_kb: u32,
}

impl Held {
    /// The process, or thread.
    pub fn pid(&self) -> i64 {
        i64::try_from(self.pid).unwrap_or(-1)
    }

    /// Which file fd `num` is. `Ok(None)` if it is not open.
    ///
    /// # Errors
    /// If it may not be seen.
    pub fn identity(&self, num: i64) -> Result<Option<Identity>, Hidden> {
        let Ok(num) = u64::try_from(num) else { return Ok(None) };
        let what = StatxFlags::TYPE | StatxFlags::INO;
        match stat_only(self.fds().ok_or(Hidden)?, Name::of(num).as_c_str(), what) {
            Ok(stat) => Ok(Some(identity_of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(_) => Err(Hidden),
        }
    }

    fn fds(&self) -> Option<BorrowedFd<'_>> {
        if self.fds.get().is_none() {
            // Nobody else can have set it meanwhile.
            let _ = self.fds.set(directory(&self.dir, c"fd").ok()?);
        }
        self.fds.get().map(AsFd::as_fd)
    }

    /// Which file `path` is for the process: from its working directory, from fd `dir`, or from its
    /// root. Links that lead to the root of the file system lead to that of this process.
    pub fn identity_of_path(&self, dir: Option<i64>, path: &[u8]) -> Option<Identity> {
        let (base, rest): (Name, &[u8]) = match (path.strip_prefix(b"/"), dir) {
            (Some(rest), _) => (Name::new("root/"), rest),
            (None, Some(num)) => {
                (Name::new("fd/").number(u64::try_from(num).ok()?).text("/"), path)
            }
            (None, None) => (Name::new("cwd/"), path),
        };
        let mut full = base.as_c_str().to_bytes().to_vec();
        full.extend_from_slice(rest);
        let full = std::ffi::CString::new(full).ok()?;
        let what = StatxFlags::TYPE | StatxFlags::INO;
        stat_only(&self.dir, full.as_c_str(), what).ok().map(|stat| identity_of(&stat))
    }
}

fn identity_of(stat: &rustix::fs::Statx) -> Identity {
    Identity {
        dev: (stat.stx_dev_major, stat.stx_dev_minor),
        ino: stat.stx_ino,
        has_type: FileType::from_raw_mode(stat.stx_mode.into()) != FileType::Unknown,
    }
}

impl Proc {
    /// Opens a process, or thread, to look at it often. `None` if it has ended.
    pub fn hold(&mut self, pid: i64) -> Option<Held> {
        let pid = u64::try_from(pid).ok().filter(|pid| *pid > 0)?;
        let dir = directory(&self.host()?.proc, Name::of(pid).as_c_str()).ok()?;
        Some(Held { pid, dir, fds: OnceCell::new(), pidfd: None })
    }

    /// A thread with everything but its fds; an environment has the first thread of a process only.
    pub fn thread_without_fds(&mut self, tid: i64) -> Option<Thread> {
        let tid = u64::try_from(tid).ok().filter(|tid| *tid > 0)?;
        let dir = directory(&self.host()?.proc, Name::of(tid).as_c_str()).ok()?;
        Some(self.process_in((tid, dir.as_fd()), process::Known::default())?.thread)
    }

    /// The first thread of a process that is held, without its fds, its root, and what lies in its
    /// own memory: [`Strings`]. What is `known` is not read.
    pub fn held_thread(&mut self, held: &Held, known: Known) -> Option<(Thread, Strings)> {
        let Known { fdlimit, loginuid } = known;
        let known = process::Known { fdlimit, loginuid, texts: true };
        let process = self.process_in((held.pid, held.dir.as_fd()), known)?;
        let [args, env] = process.strings;
        Some((process.thread, Strings { args, env }))
    }

    fn process_in(&mut self, of: (u64, BorrowedFd<'_>), known: process::Known) -> Option<Process> {
        self.freshen();
        self.host()?;
        let host = self.host.as_ref()?;
        let mut process = self.reader.process_in(host, self.boot_ts, of, Threads::Bare, known)?;
        self.name_init(&mut process);
        Some(process)
    }

    /// These processes with all their threads and fds, and their ancestors without; machine and
    /// accounts as in [`Proc::snapshot`].
    ///
    /// # Errors
    /// If `/proc` cannot be read at all.
    pub fn snapshot_of(&mut self, pids: &[i64]) -> Result<Snapshot, ProcError> {
        if self.host.is_none() {
            self.host = Some(Host::open(&self.root)?);
        }
        let accounts = falco_source::accounts::Accounts::read(&self.root);
        let mut snapshot = Snapshot {
            is_live: true,
            interfaces: host::interfaces(),
            users: accounts.users,
            groups: accounts.groups,
            ..Snapshot::default()
        };
        self.reader.begin(self.limits.threads, self.limits.fds);
        let (mut told, mut parents) = (std::collections::HashSet::new(), Vec::new());
        for &pid in pids {
            let Some(host) = &self.host else { break };
            let Ok(id) = u64::try_from(pid) else { continue };
            let read = self.reader.read(host, self.boot_ts, id, Threads::All);
            let Some(mut process) = read.filter(|process| told.insert(process.thread.tid)) else {
                continue;
            };
            let mut sockets = Sockets::default();
            scan::want_sockets(&process, &mut sockets);
            sockets.explain(host, &mut self.reader.buffers, None);
            name_sockets(&mut process, &sockets, &mut self.reader.counters);
            self.name_init(&mut process);
            parents.push(process.thread.ptid);
            let of_process = std::iter::once(process.thread).chain(process.others);
            let begin = snapshot.threads.len();
            snapshot.threads.extend(of_process);
            if let Some(first) = snapshot.threads.get(begin) {
                snapshot.fds.push((first.tid, process.fds));
            }
        }
        for parent in parents {
            let mut tid = parent;
            for _ in 0..ANCESTORS {
                if tid <= 0 || !told.insert(tid) {
                    break;
                }
                let Some(thread) = self.thread_without_fds(tid) else { break };
                tid = thread.ptid;
                snapshot.fds.push((thread.tid, Vec::new()));
                snapshot.threads.push(thread);
            }
        }
        if let Some(host) = &self.host {
            snapshot.machine = Some(host.machine(self.boot_ts, &mut self.reader.buffers));
        }
        Ok(snapshot)
    }

    /// Tells a process when the first one of its pid namespace began.
    fn name_init(&mut self, process: &mut Process) {
        let start = match (process.pid_namespace, &self.host) {
            (Some(namespace), Some(host)) => match self.inits.get(&namespace) {
                Some(start) => *start,
                None => {
                    let thread = &process.thread;
                    scan::init_of(host, &mut self.reader, self.boot_ts, namespace, thread)
                }
            },
            _ => self.boot_ts,
        };
        process.thread.pidns_init_start_ts = start;
        for other in &mut process.others {
            other.pidns_init_start_ts = start;
        }
    }

    /// When this host was started, nanoseconds since the epoch.
    pub fn boot_ts(&self) -> u64 {
        self.boot_ts
    }

    /// Ids, credentials and memory of a process that is held, or of its thread `tid`.
    pub fn ids(&mut self, held: &Held, tid: i64) -> Option<Ids> {
        let name = match tid == held.pid() {
            true => Name::new("status"),
            false => Name::new("task/").number(u64::try_from(tid).ok()?).text("/status"),
        };
        let text = self.reader.buffers.read(&held.dir, name.as_c_str()).ok()?;
        let status = Status::parse(text, None)?;
        // The first line; the kernel escapes line feeds in it as in `stat`.
        let name =
            text.strip_prefix(b"Name:\t").and_then(|text| text.split(|&b| b == b'\n').next());
        Some(Ids {
            comm: unescape_comm(name.unwrap_or_default()),
            pid: status.tgid,
            ptid: status.ppid,
            vtid: status.vtid.unwrap_or(tid),
            vpid: status.vpid.unwrap_or(status.tgid),
            uid: status.euid,
            gid: status.egid,
            cap_inheritable: status.cap_inheritable,
            cap_permitted: status.cap_permitted,
            cap_effective: status.cap_effective,
            vmsize_kb: status.vmsize_kb,
            vmrss_kb: status.vmrss_kb,
            vmswap_kb: status.vmswap_kb,
        })
    }

    /// Where a process that is held is, with what it calls its root.
    pub fn cwd(&mut self, held: &Held) -> Option<Vec<u8>> {
        self.reader.buffers.link(&held.dir, c"cwd").ok().map(<[u8]>::to_vec)
    }

    /// The text of the link that fd `num` is.
    pub fn link(&mut self, held: &Held, num: i64) -> Option<&[u8]> {
        let name = Name::of(u64::try_from(num).ok()?);
        self.reader.buffers.link(held.fds()?, name.as_c_str()).ok()
    }

    /// Fd `num` of a process that is held. What sockets are is found out one by one, or from the
    /// tables of their namespace within the budget of look-ups; else they are
    /// [`FdKind::Unknown`].
    pub fn held_fd(&mut self, held: &Held, num: i64) -> Option<Fd> {
        self.freshen();
        let place = Place { process: held.dir.as_fd(), fds: held.fds()? };
        let num = u64::try_from(num).ok()?;
        let reader = &mut self.reader;
        fds::read(&place, num, &mut reader.buffers, &mut reader.mounts).ok()
    }

    /// What events tell of the file that fd `num` is.
    pub fn opened(&mut self, held: &Held, num: i64) -> Option<Opened> {
        self.freshen();
        let name = Name::of(u64::try_from(num).ok()?);
        let file = stat(held.fds()?, name.as_c_str()).ok()?;
        let reader = &mut self.reader;
        let dev = reader.mounts.dev(&file, held.dir.as_fd(), &mut reader.buffers);
        let mount = reader.mounts.get(file.stx_mnt_id, held.dir.as_fd(), &mut reader.buffers);
        let mount = mount.filter(|mount| mount.is_overlay()).cloned();
        let is_upper = mount.and_then(|mount| {
            let path = reader.buffers.link(held.fds()?, name.as_c_str()).ok()?.to_vec();
            Some(layer(&mount, &path, &self.root)? == Layer::Upper)
        });
        Some(Opened { identity: identity_of(&file), dev, is_upper })
    }

    /// Both ends of the socket that fd `num` is. `None` if it is none of the Internet's or Unix', or
    /// nobody could tell.
    pub fn ends(&mut self, held: &mut Held, num: i64) -> Option<Ends> {
        let number = i32::try_from(num).ok().filter(|num| *num >= 0)?;
        let pidfd = held.pidfd.get_or_insert_with(|| peek::open(held.pid).ok());
        if let Some(fd) = pidfd {
            match peek::ends(fd, number) {
                Ok(ends) => return ends,
                // Nor will it be allowed for the next one.
                Err(_) => *pidfd = None,
            }
        }
        match falco_source::ThreadLookup::fd(self, held.pid(), num)?.kind {
            FdKind::Inet { src, dst, proto } => Some(inet(src, dst, proto, false)),
            FdKind::InetServer { local, proto } => {
                let ip = match local.ip.is_ipv4() {
                    true => std::net::Ipv4Addr::UNSPECIFIED.into(),
                    false => std::net::Ipv6Addr::UNSPECIFIED.into(),
                };
                Some(inet(local, Endpoint { ip, port: 0 }, proto, true))
            }
            FdKind::Unix { name, .. } => Some(Ends::Unix {
                local: name,
                peer: Vec::new(),
                is_connected: false,
                is_datagram: false,
            }),
            _ => None,
        }
    }

    /// Domain, type and protocol of the socket that fd `num` is, as socket(2) takes them: what can always
    /// be told of a socket. `None` of rare families.
    pub fn socket_kind(&mut self, held: &Held, num: i64) -> Option<(u32, u32, u32)> {
        sockets::kind(self.host()?, held.pid, u64::try_from(num).ok()?)
    }

    /// Forgets now and then what may have changed.
    fn freshen(&mut self) {
        if self.learned.is_none_or(|at| at.elapsed() > LEARNED) {
            self.learned = Some(Instant::now());
            self.reader.clear();
        }
    }
}

fn inet(local: Endpoint, remote: Endpoint, proto: L4Proto, no_peer: bool) -> Ends {
    let is_datagram = proto != L4Proto::Tcp;
    Ends::Inet { local, remote, proto, is_datagram, is_listening: no_peer && !is_datagram }
}
