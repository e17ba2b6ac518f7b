//! [`Reader`]: one process of procfs, with its threads and fds.
//!
//! Everything is opened relative to the directory of the process, which stays that of the same
//! process even if another one gets its id meanwhile. What vanishes while it is read is no error;
//! what may not be read is counted, and the rest of the process is told all the same.

use std::ffi::CStr;
use std::ops::Range;

use falco_source::snapshot::{Fd, FdKind, Thread};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Statx, StatxAttributes};
use rustix::io::{Errno, Result};

use crate::cgroups::Cgroups;
use crate::fds::{self, Place, is_memfd};
use crate::files::{Buffers, Name, directory, open, stat};
use crate::host::Host;
use crate::mounts::{Layer, Mounts, layer};
use crate::task::{Stat, Status};
use crate::text::{between, decimal, words};
use crate::{Counters, Limits};

/// Bytes of arguments, and of environment, that are told (`SCAP_MAX_ARGS_SIZE`,
/// `SCAP_MAX_ENV_SIZE`).
pub(crate) const ARGUMENTS: usize = 4096;

/// More than any other file of a process has.
const TEXT: usize = 16 << 10;

/// `PPM_CL_CLONE_THREAD | PPM_CL_CLONE_FILES`: what libscap assumes of a thread that is not the
/// first of its process.
const THREAD_FLAGS: u32 = 1 << 13 | 1;

/// No limit of open files, or an unknown one: −1 in fields and captures.
const UNLIMITED: u64 = u64::MAX;

const CAP_DAC_OVERRIDE: u64 = 1 << 1;
const CAP_FOWNER: u64 = 1 << 3;

/// A process as it was found.
#[derive(Debug, Default)]
pub(crate) struct Process {
    /// The thread that was asked for; in a scan, the first one.
    pub thread: Thread,
    /// The other threads, if they were asked for.
    pub others: Vec<Thread>,
    /// Fds by number, if `thread` is the first one. Sockets are [`FdKind::Unknown`].
    pub fds: Vec<Fd>,
    /// Network namespace, if there are sockets.
    pub net: Option<u64>,
    /// Pid namespace, if it is below that of procfs.
    pub pid_namespace: Option<u64>,
    /// Where its arguments and environment are, in its memory.
    pub strings: [Range<u64>; 2],
}

/// Which threads are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    All,
    One,
    /// One, without its fds.
    Bare,
}

/// Reads processes. Keeps what reading one has in common with reading the next.
#[derive(Default)]
pub(crate) struct Reader {
    pub buffers: Buffers,
    pub counters: Counters,
    pub limits: Limits,
    pub mounts: Mounts,
    pub cgroups: Cgroups,
    /// What [`Limits`] leave of a snapshot.
    threads_left: usize,
    fds_left: usize,
    /// Whether something of the current process may not be read.
    is_denied: bool,
}

/// What need not be read, because whoever asks knows it already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    pub fdlimit: Option<u64>,
    pub loginuid: Option<u32>,
    /// Arguments, environment and root directory.
    pub texts: bool,
}

/// Where a process comes from.
#[derive(Debug)]
pub(crate) struct Birth {
    pub vpid: i64,
    pub parent: i64,
    pub start: u64,
    pub pid_namespace: Option<u64>,
}

impl Reader {
    pub(crate) fn new(limits: Limits) -> Self {
        let (threads_left, fds_left) = (limits.threads, limits.fds);
        Reader { limits, threads_left, fds_left, ..Reader::default() }
    }

    /// Begins to read up to so many threads and fds.
    pub(crate) fn begin(&mut self, threads: usize, fds: usize) {
        (self.threads_left, self.fds_left) = (threads, fds);
    }

    /// Forgets what was learned of mounts and cgroups: it may have changed.
    pub(crate) fn clear(&mut self) {
        self.mounts.clear();
        self.cgroups.clear();
    }

    /// Process or thread `id`. `None` if it has ended or is the kernel's: neither has a program,
    /// and captures leave them out, too.
    pub(crate) fn read(
        &mut self,
        host: &Host,
        boot_ts: u64,
        id: u64,
        threads: Threads,
    ) -> Option<Process> {
        self.is_denied = false;
        let process = self.process(host, boot_ts, id, threads);
        self.counters.denied += u64::from(self.is_denied);
        process
    }

    fn process(&mut self, host: &Host, boot_ts: u64, id: u64, threads: Threads) -> Option<Process> {
        let dir = self.seen(directory(&host.proc, Name::of(id).as_c_str()))?;
        self.process_in(host, boot_ts, (id, dir.as_fd()), threads, Known::default())
    }

    /// Process or thread `id`, whose directory is `dir`.
    pub(crate) fn process_in(
        &mut self,
        host: &Host,
        boot_ts: u64,
        (id, dir): (u64, BorrowedFd<'_>),
        threads: Threads,
        known: Known,
    ) -> Option<Process> {
        let facts = |text: &[u8]| {
            let strings = known.texts.then(|| Stat::strings(text)).flatten();
            (Stat::parse(text), strings.unwrap_or_default())
        };
        let (facts, strings) = self.text(dir, c"stat", TEXT, facts)?;
        let facts = facts?;
        if facts.is_kernel_thread {
            return None;
        }
        let mut thread = Thread { tid: id.try_into().ok()?, ..Thread::default() };
        let exepath = self.buffers.link(dir, c"exe").map(<[u8]>::to_vec);
        let has_ended = exepath == Err(Errno::NOENT);
        thread.exepath = self.seen(exepath).unwrap_or_default();
        if !known.texts {
            self.text(dir, c"cmdline", ARGUMENTS, |text| arguments(text, &mut thread));
        }
        // A first thread that ended before the others is told: it is what they belong to.
        if has_ended && thread.exe.is_empty() && facts.threads <= 1 {
            return None;
        }
        let exe = match thread.exepath.is_empty() {
            true => None,
            false => self.seen(stat(dir, c"exe")),
        };
        let group = exe.map(|exe| exe.stx_gid);
        let status = self.text(dir, c"status", TEXT, |text| Status::parse(text, group))??;
        let others = facts.threads > 1 && threads == Threads::All;
        fill(&mut thread, facts, &status, |ticks| host.time_of(ticks, boot_ts));
        if let Some(exe) = &exe {
            self.executable(host, dir, exe, &status, &mut thread);
        }
        thread.cwd = self.link(dir, c"cwd").unwrap_or_default();
        if !known.texts {
            thread.root = self.link(dir, c"root").unwrap_or_default();
        }
        let Reader { buffers, cgroups, .. } = self;
        if let Ok(text) = buffers.read_at_most(dir, c"cgroup", TEXT) {
            thread.cgroups = cgroups.list(text, host);
        }
        // Kernels without auditing have no such file.
        thread.loginuid = known.loginuid.unwrap_or_else(|| {
            let loginuid = buffers.read_at_most(dir, c"loginuid", TEXT).ok();
            let loginuid = loginuid.and_then(|text| decimal(text.trim_ascii()));
            loginuid.and_then(|uid| uid.try_into().ok()).unwrap_or(u32::MAX)
        });
        thread.fdlimit = known.fdlimit.unwrap_or_else(|| {
            let limits = buffers.read_at_most(dir, c"limits", TEXT).ok();
            limits.and_then(open_files).unwrap_or(UNLIMITED)
        });

        let mut process = Process { strings, ..Process::default() };
        if status.is_in_pid_namespace {
            process.pid_namespace = self.namespace(dir, c"ns/pid", "pid:[");
        }
        if others {
            self.others(host, boot_ts, dir, &thread, &mut process.others);
        }
        if thread.tid == thread.pid {
            if !known.texts {
                let environment = |text: &[u8]| closed(text, ARGUMENTS);
                thread.env = self.text(dir, c"environ", ARGUMENTS, environment).unwrap_or_default();
            }
            if threads != Threads::Bare {
                self.fds(dir, &mut process);
            }
        }
        process.thread = thread;
        self.counters.threads += 1;
        Some(process)
    }

    /// Fd `num` of a process, and what is needed to tell a socket.
    pub(crate) fn read_fd(&mut self, host: &Host, pid: u64, num: u64) -> Option<Process> {
        let dir = self.seen(directory(&host.proc, Name::of(pid).as_c_str()))?;
        let fds = self.seen(directory(&dir, c"fd"))?;
        let place = Place { process: dir.as_fd(), fds: fds.as_fd() };
        let fd = fds::read(&place, num, &mut self.buffers, &mut self.mounts);
        let fd = self.seen(fd)?;
        self.counters.fds += 1;
        let net =
            (fd.kind == FdKind::Unknown).then(|| self.namespace(dir.as_fd(), c"ns/net", "net:["));
        let pid = pid.try_into().ok()?;
        let thread = Thread { tid: pid, pid, ..Thread::default() };
        Some(Process { thread, fds: vec![fd], net: net.flatten(), ..Process::default() })
    }

    /// Where a process comes from.
    pub(crate) fn read_birth(&mut self, host: &Host, boot_ts: u64, id: u64) -> Option<Birth> {
        let dir = self.seen(directory(&host.proc, Name::of(id).as_c_str()))?;
        let dir = dir.as_fd();
        let stat = self.text(dir, c"stat", TEXT, Stat::parse)??;
        let status = self.text(dir, c"status", TEXT, |text| Status::parse(text, None))??;
        Some(Birth {
            vpid: status.vpid?,
            parent: stat.ppid,
            start: host.time_of(stat.start, boot_ts),
            pid_namespace: self.namespace(dir, c"ns/pid", "pid:["),
        })
    }

    /// The threads of a process besides `first`, from which they have what all of them share.
    fn others(
        &mut self,
        host: &Host,
        boot_ts: u64,
        process: BorrowedFd<'_>,
        first: &Thread,
        others: &mut Vec<Thread>,
    ) {
        let Some(dir) = self.seen(open(process, c"task")) else { return };
        let most = self.limits.threads_per_process.saturating_add(1).min(self.threads_left);
        let Some(ids) = self.list(dir.as_fd(), most) else { return };
        for id in ids {
            let mut thread = Thread { tid: id.try_into().unwrap_or(0), ..first.clone() };
            if thread.tid == first.tid {
                continue;
            }
            let file = |name| Name::of(id).text(name);
            let stat = self.text(dir.as_fd(), file("/stat").as_c_str(), TEXT, Stat::parse);
            let status = |text: &[u8]| Status::parse(text, None);
            let status = self.text(dir.as_fd(), file("/status").as_c_str(), TEXT, status);
            let (Some(Some(stat)), Some(Some(status))) = (stat, status) else { continue };
            fill(&mut thread, stat, &status, |ticks| host.time_of(ticks, boot_ts));
            others.push(thread);
        }
        self.counters.threads += others.len() as u64;
        self.threads_left -= others.len().min(self.threads_left);
    }

    /// What the file tells from which a process runs.
    fn executable(
        &mut self,
        host: &Host,
        dir: BorrowedFd<'_>,
        exe: &Statx,
        status: &Status,
        thread: &mut Thread,
    ) {
        thread.exe_ino = exe.stx_ino;
        thread.exe_ino_ctime = nanoseconds(&exe.stx_ctime);
        thread.exe_ino_mtime = nanoseconds(&exe.stx_mtime);
        if is_memfd(&thread.exepath, exe.stx_nlink) {
            thread.exe_from_memfd = true;
            // As events of an execution name it.
            let name = thread.exepath.strip_suffix(b" (deleted)").unwrap_or(&thread.exepath);
            thread.exepath = name.strip_prefix(b"/").unwrap_or(name).to_vec();
        }
        let mount = self.mounts.get(exe.stx_mnt_id, dir, &mut self.buffers);
        if let Some(mount) = mount {
            let layer = layer(mount, &thread.exepath, &host.root);
            thread.exe_upper_layer = layer == Some(Layer::Upper);
            thread.exe_lower_layer = layer == Some(Layer::Lower);
        }
        let is_read_only = mount.is_some_and(|mount| mount.is_read_only)
            || exe.stx_attributes.contains(StatxAttributes::IMMUTABLE);
        thread.exe_writable = !is_read_only
            && (is_writable(exe, status)
                || status.cap_effective & (CAP_DAC_OVERRIDE | CAP_FOWNER) != 0
                    && self.is_mapped(dir, exe));
    }

    /// Whether the owner of a file has a name in the user namespace of a process, so that the
    /// capabilities of the process hold for the file (Linux, `capable_wrt_inode_uidgid`).
    fn is_mapped(&mut self, dir: BorrowedFd<'_>, file: &Statx) -> bool {
        let holds = |map: &[u8], id: u32| {
            map.split(|&b| b == b'\n').any(|line| {
                let mut numbers = words(line).filter_map(decimal).skip(1);
                let (Some(start), Some(count)) = (numbers.next(), numbers.next()) else {
                    return false;
                };
                u64::from(id).checked_sub(start).is_some_and(|offset| offset < count)
            })
        };
        let maps = [(c"uid_map", file.stx_uid), (c"gid_map", file.stx_gid)];
        maps.iter().all(|(name, id)| {
            self.buffers.read_at_most(dir, name, TEXT).is_ok_and(|map| holds(map, *id))
        })
    }

    fn fds(&mut self, dir: BorrowedFd<'_>, process: &mut Process) {
        let Some(fds) = self.seen(open(dir, c"fd")) else { return };
        let most = self.limits.fds_per_process.min(self.fds_left);
        let Some(numbers) = self.list(fds.as_fd(), most) else { return };
        let place = Place { process: dir, fds: fds.as_fd() };
        for num in numbers {
            let fd = fds::read(&place, num, &mut self.buffers, &mut self.mounts);
            if matches!(fd, Err(Errno::ACCESS | Errno::PERM)) {
                // Nor may the others be read.
                self.is_denied = true;
                break;
            }
            process.fds.extend(fd);
        }
        self.counters.fds += process.fds.len() as u64;
        self.fds_left -= process.fds.len().min(self.fds_left);
        if process.fds.iter().any(|fd| fd.kind == FdKind::Unknown) {
            process.net = self.namespace(dir, c"ns/net", "net:[");
        }
    }

    /// The numbers in a directory, up to a limit; what is beyond it is counted.
    fn list(&mut self, dir: BorrowedFd<'_>, most: usize) -> Option<Vec<u64>> {
        let mut numbers = Vec::new();
        let has_more = self.buffers.numbers(dir, most, &mut numbers);
        self.counters.cut += u64::from(self.seen(has_more)?);
        Some(numbers)
    }

    fn namespace(&mut self, dir: BorrowedFd<'_>, name: &CStr, before: &str) -> Option<u64> {
        let link = self.link(dir, name)?;
        between(&link, before, "]").and_then(decimal)
    }

    fn link(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> Option<Vec<u8>> {
        let link = self.buffers.link(dir, name).map(<[u8]>::to_vec);
        self.seen(link)
    }

    fn text<T>(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        most: usize,
        parse: impl FnOnce(&[u8]) -> T,
    ) -> Option<T> {
        let text = self.buffers.read_at_most(dir, name, most).map(parse);
        self.seen(text)
    }

    /// What could be read; notes what may not be.
    fn seen<T>(&mut self, result: Result<T>) -> Option<T> {
        self.is_denied |= matches!(result, Err(Errno::ACCESS | Errno::PERM));
        result.ok()
    }
}

/// Takes over what the two status files of a thread tell.
fn fill(thread: &mut Thread, stat: Stat, status: &Status, time_of: impl Fn(u64) -> u64) {
    thread.pid = status.tgid;
    thread.ptid = status.ppid;
    thread.sid = stat.sid;
    thread.pgid = stat.pgid;
    thread.vpgid = status.vpgid.unwrap_or(stat.pgid);
    thread.vtid = status.vtid.unwrap_or(thread.tid);
    thread.vpid = status.vpid.unwrap_or(thread.pid);
    thread.comm = stat.comm;
    thread.flags = if thread.tid == thread.pid { 0 } else { THREAD_FLAGS };
    thread.uid = status.euid;
    thread.gid = status.egid;
    thread.ruid_suid = Some((status.ruid, status.suid));
    thread.tty = stat.tty;
    thread.vmsize_kb = status.vmsize_kb;
    thread.vmrss_kb = status.vmrss_kb;
    thread.vmswap_kb = status.vmswap_kb;
    thread.pfmajor = stat.pfmajor;
    thread.pfminor = stat.pfminor;
    thread.cap_inheritable = status.cap_inheritable;
    thread.cap_permitted = status.cap_permitted;
    thread.cap_effective = status.cap_effective;
    thread.clone_ts = time_of(stat.start);
}

/// Whether its owner, group and mode let a process write its executable; its owner could always
/// make it writable (as probes have it: `extract__exe_writable`).
fn is_writable(exe: &Statx, status: &Status) -> bool {
    let mode = match status.fsgid == exe.stx_gid || status.in_group {
        true => exe.stx_mode >> 3,
        false => exe.stx_mode,
    };
    status.fsuid == exe.stx_uid || mode & 0o2 != 0
}

/// Takes over what the memory of a process holds: arguments, and environment.
pub(crate) fn set_strings(thread: &mut Thread, args: &[u8], env: &[u8]) {
    arguments(args, thread);
    thread.env = closed(env, ARGUMENTS);
}

/// `argv`, each followed by a NUL: the first is the program's name, the others its arguments.
fn arguments(text: &[u8], thread: &mut Thread) {
    let all = closed(text, ARGUMENTS);
    let first = all.iter().position(|&b| b == 0).unwrap_or(all.len());
    thread.exe = all[..first].to_vec();
    thread.args = all.get(first + 1..).unwrap_or_default().to_vec();
}

/// A list whose every entry is followed by a NUL. Of one that is longer than `most` bytes, the
/// last entry that was read is cut.
fn closed(text: &[u8], most: usize) -> Vec<u8> {
    let mut list = text.to_vec();
    if list.last().is_some_and(|last| *last != 0) {
        list.truncate(most - 1);
        list.push(0);
    }
    list
}

/// The soft limit of open files in `limits` (proc_pid_limits(5)).
fn open_files(text: &[u8]) -> Option<u64> {
    let mut lines = text.split(|&b| b == b'\n');
    let limit = lines.find_map(|line| words(line.strip_prefix(b"Max open files")?).next())?;
    if limit == b"unlimited" { Some(UNLIMITED) } else { decimal(limit) }
}

fn nanoseconds(time: &rustix::fs::StatxTimestamp) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.into())
}
