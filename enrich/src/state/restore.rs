//! Filling the tables from a snapshot.

use std::net::IpAddr;

use falco_event::net::Endpoint;
use falco_source::Snapshot;
use falco_source::snapshot::{self, FdKind, L4Proto};

use super::interfaces::complete_ends;
use super::{Limits, Slot, State, threads::Threads};
use crate::container::{Containers, container_id_of};
use crate::fd::{Fd, FdFlags, FdType, Socket};
use crate::parse::fs::directory;
use crate::parse::row::{cgroups, exepath, list};
use crate::parse::sockname::{connection, mapped_pair, push_endpoint};
use crate::record::{Bytes, ProcessFacts, bytes, empty};
use crate::thread::{Thread, flags};
use crate::users::Users;

impl State {
    /// Starts anew from what a source tells of the time before its first event. Event numbers and
    /// counters go on.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.threads = Threads::succeeding(&self.threads);
        self.users = Users::default();
        self.containers = Containers::default();
        self.last = None;
        self.exited.clear();
        self.pending_exit = None;
        self.pending_close = None;
        self.first_event_ts = None;
        self.was_live = snapshot.is_live;
        self.in_preamble = !self.is_live();
        self.server_ports.clear();
        self.purge.restart();
        self.machine = snapshot.machine.clone().unwrap_or_default();
        self.interfaces = snapshot.interfaces.clone();
        for user in &snapshot.users {
            let (name, home, shell) = (&user.name, &user.home, &user.shell);
            self.users.add_user(b"", user.uid, user.gid, name, home, shell);
        }
        for group in &snapshot.groups {
            self.users.add_group(b"", group.gid, &group.name);
        }
        for thread in &snapshot.threads {
            self.insert_restored(thread);
        }
        // Parents may stand behind their children.
        let slots: Vec<_> = self.threads.slots().collect();
        for &slot in &slots {
            self.threads.link(slot);
        }
        for (tid, fds) in &snapshot.fds {
            self.restore_fds(*tid, fds);
        }
        for &slot in &slots {
            self.note_server_ports(slot);
        }
        for slot in slots {
            self.orient_sockets(slot, |_| true);
        }
    }

    /// Puts a thread into the table if there is room; it is not yet linked to its process and
    /// parent.
    pub(super) fn insert_restored(&mut self, thread: &snapshot::Thread) -> Option<Slot> {
        let is_further = self.threads.find(thread.tid).is_none();
        if is_further && self.threads.len() >= self.limits.max_threads {
            self.stats.n_drops_full_threadtable += 1;
            return None;
        }
        let thread = restored(thread);
        if !self.has_room(thread.bytes()) {
            return None;
        }
        self.last = None;
        self.stats.n_added_threads += 1;
        Some(self.threads.insert(thread))
    }

    /// Puts fds into a thread's table, as far as there is room.
    pub(super) fn restore_fds(&mut self, tid: i64, fds: &[snapshot::Fd]) {
        let Limits { max_fds, .. } = self.limits;
        let Some(slot) = self.threads.find(tid) else { return };
        for entry in fds {
            let Some(mut fd) = restored_fd(entry) else { continue };
            complete_ends(&mut fd.socket, &self.interfaces);
            if fd.is_inet() {
                let Socket::Inet { src, dst, .. } = fd.socket else { continue };
                fd.name = pair(src, dst);
            }
            let Some(thread) = self.threads.get_mut(slot) else { return };
            if thread.fds.len() >= max_fds {
                self.stats.n_drops_full_fdtable += 1;
                return;
            }
            if !self.meter.has_room(thread.fds.cost_of(entry.num, &fd)) {
                self.stats.n_drops_full_memory += 1;
                return;
            }
            self.stats.n_added_fds += u64::from(thread.fds.insert(&self.meter, entry.num, fd));
        }
    }

    /// Notes the ports on which a thread's process listens.
    pub(super) fn note_server_ports(&mut self, thread: Slot) {
        let Some(thread) = self.threads.get(thread) else { return };
        self.server_ports.extend(thread.fds.iter().filter_map(|(_, fd)| fd.listens_on()));
    }

    /// Turns round connections of a thread that have just been restored, where that is due: the
    /// kernel lists them from the view of their process, rules want the client first. A connection
    /// is a server's if its own port is one on which some process listens.
    pub(super) fn orient_sockets(&mut self, thread: Slot, which: impl Fn(i64) -> bool) {
        let Some(thread) = self.threads.get_mut(thread) else { return };
        let wanted = |num: i64, fd: &Fd| fd.ty == FdType::Ipv4 && which(num);
        let nums: Vec<i64> =
            thread.fds.iter().filter(|(num, fd)| wanted(*num, fd)).map(|(num, _)| num).collect();
        for num in nums {
            let Some(fd) = thread.fds.get_mut(num) else { continue };
            let Socket::Inet { src, dst, proto } = fd.socket else { continue };
            if self.server_ports.contains(&src.port) {
                fd.socket = Socket::Inet { src: dst, dst: src, proto };
                fd.name = pair(dst, src);
                fd.flags |= FdFlags::ROLE_SERVER;
            } else {
                fd.flags |= FdFlags::ROLE_CLIENT;
            }
        }
    }
}

fn restored(from: &snapshot::Thread) -> Thread {
    let is_main = from.tid == from.pid;
    let none = empty();
    // Environment and working directory are the main thread's: threads have none.
    let (env, cwd) = if is_main {
        (list(&from.env, &none), directory(b"", &from.cwd))
    } else {
        (empty(), empty())
    };
    let cgroups = cgroups(&from.cgroups, &none).unwrap_or_else(empty);
    let (ruid, suid) = from.ruid_suid.unwrap_or((u32::MAX, u32::MAX));
    let facts = ProcessFacts {
        comm: bytes(&from.comm),
        exe: bytes(&from.exe),
        exepath: exepath(&from.exepath, &none),
        args: list(&from.args, &none),
        env,
        container_id: container_id_of(&cgroups),
        cgroups,
        root: bytes(&from.root),
        cwd,
        uid: from.uid,
        gid: from.gid,
        loginuid: from.loginuid,
        tty: from.tty,
        sid: from.sid,
        vpgid: from.vpgid,
        pgid: from.pgid,
        vtid: from.vtid,
        vpid: from.vpid,
        fdlimit: from.fdlimit as i64,
        cap_inheritable: from.cap_inheritable,
        cap_permitted: from.cap_permitted,
        cap_effective: from.cap_effective,
        exe_ino: from.exe_ino,
        exe_ino_ctime: from.exe_ino_ctime,
        exe_ino_mtime: from.exe_ino_mtime,
        pidns_init_start_ts: from.pidns_init_start_ts,
        exe_writable: from.exe_writable,
        exe_upper_layer: from.exe_upper_layer,
        exe_lower_layer: from.exe_lower_layer,
        exe_from_memfd: from.exe_from_memfd,
        clone_ts: from.clone_ts,
        exe_ino_ctime_duration_clone_ts: since(from.exe_ino_ctime, from.clone_ts),
        exe_ino_ctime_duration_pidns_start: if from.clone_ts == 0 {
            0
        } else {
            since(from.pidns_init_start_ts, from.exe_ino_ctime)
        },
        ruid,
        suid,
        ..ProcessFacts::default()
    };
    let mut thread = Thread::new(from.tid, from.pid, facts);
    thread.ptid = from.ptid;
    thread.flags |= from.flags & !flags::CLOSED | flags::ACTIVE;
    thread.vmsize_kb = from.vmsize_kb;
    thread.vmrss_kb = from.vmrss_kb;
    thread.vmswap_kb = from.vmswap_kb;
    thread.pfmajor = from.pfmajor;
    thread.pfminor = from.pfminor;
    thread
}

/// Nanoseconds from one point in time to a later one; 0 if one of them is unknown. Captures, which
/// do not tell when a thread began, tell no durations either.
fn since(from: u64, to: u64) -> u64 {
    if from == 0 || to == 0 { 0 } else { to.saturating_sub(from) }
}

fn restored_fd(from: &snapshot::Fd) -> Option<Fd> {
    let mut fd = match &from.kind {
        // Falco forgets those, too.
        FdKind::Unknown => return None,
        FdKind::File { name, open_flags, dev } => {
            let mut fd = Fd::named(FdType::File, bytes(name));
            (fd.open_flags, fd.dev) = (*open_flags, *dev);
            fd
        }
        FdKind::Directory { name } => Fd::named(FdType::Directory, bytes(name)),
        FdKind::Inet { src, dst, proto } => inet(*src, *dst, *proto),
        FdKind::InetServer { local, proto } => {
            let v4 = local.ip.is_ipv4();
            let mut fd = Fd::new(if v4 { FdType::Ipv4Server } else { FdType::Ipv6Server });
            fd.socket = Socket::InetServer { local: *local, proto: *proto };
            fd.l4proto = *proto;
            let mut name = Vec::new();
            push_endpoint(&mut name, *local);
            fd.name = bytes(&name);
            fd
        }
        FdKind::Unix { src, dst, name } => {
            let mut fd = Fd::named(FdType::Unix, bytes(name));
            fd.socket = Socket::Unix { src: *src, dst: *dst };
            let named = !name.is_empty();
            fd.flags = if named { FdFlags::ROLE_SERVER } else { FdFlags::ROLE_CLIENT };
            fd
        }
        FdKind::Named { scap_type, name } => Fd::named(named_type(*scap_type)?, bytes(name)),
    };
    fd.flags |= FdFlags::FROM_PROC;
    fd.ino = from.ino;
    Some(fd)
}

fn inet(src: Endpoint, dst: Endpoint, proto: L4Proto) -> Fd {
    let v4 = matches!((src.ip, dst.ip), (IpAddr::V4(_), _));
    let (src, dst, v4) = match mapped_pair(src, dst) {
        Some((src, dst)) => (src, dst, true),
        None => (src, dst, v4),
    };
    let mut fd = Fd::new(if v4 { FdType::Ipv4 } else { FdType::Ipv6 });
    fd.socket = Socket::Inet { src, dst, proto };
    fd.l4proto = proto;
    fd.flags.set(FdFlags::CONNECTED, proto == L4Proto::Tcp);
    fd
}

/// The name of a connection, whatever its transport.
fn pair(src: Endpoint, dst: Endpoint) -> Bytes {
    bytes(&connection(FdType::Ipv4, &Socket::Inet { src, dst, proto: L4Proto::Tcp }))
}

/// The type by its number in the fd lists (`SCAP_FD_*`).
fn named_type(scap_type: u8) -> Option<FdType> {
    Some(match scap_type {
        7 => FdType::Pipe,
        9 => FdType::Event,
        10 => FdType::Unsupported,
        11 => FdType::Signalfd,
        12 => FdType::Eventpoll,
        13 => FdType::Inotify,
        14 => FdType::Timerfd,
        15 => FdType::Netlink,
        17 => FdType::Bpf,
        18 => FdType::Userfaultfd,
        19 => FdType::IoUring,
        20 => FdType::Memfd,
        21 => FdType::Pidfd,
        _ => return None,
    })
}
