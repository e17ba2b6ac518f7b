//! Everything that the tables know, as a snapshot: what a recording begins with that begins in the
//! middle of a stream. The way back is `restore`.

use std::collections::HashSet;

use falco_source::Snapshot;
use falco_source::snapshot::{self, FdKind, Group, User};

use super::State;
use crate::fd::{Fd, FdFlags, FdType, Socket};
use crate::thread::Thread;

impl State {
    /// Everything that the tables know now, as the preamble of a recording that begins with the
    /// latest event: threads and fds that it ended are still there. Nearly all events can be taken
    /// in twice without harm; who records one that cannot (chdir to a relative path) takes back
    /// what it did.
    ///
    /// What a snapshot has no place for is lost: users and groups of containers, and the
    /// containers ([`State::users`] and [`State::containers`] tell them; captures have events for
    /// both); when programs were last executed; that a main thread has exited before its process;
    /// of fds, what is neither a file's open flags nor a connection's ends: close-on-exec of
    /// others, devices of directories, roles that do not follow from the ports on which processes
    /// listen, paths as programs gave them.
    pub fn snapshot(&self) -> Snapshot {
        let (mut threads, mut fds) = (Vec::new(), Vec::new());
        let all_fds = self.threads.iter().flat_map(|thread| thread.fds.iter());
        let ports = all_fds.filter_map(|(_, fd)| fd.listens_on()).collect();
        // Processes whole and main threads first: members come back in the order they have here.
        for slot in self.threads.slots() {
            let group = self.threads.get(slot).and_then(|thread| self.threads.group_of(thread));
            let members = match group {
                None => vec![slot],
                Some(group) if group.first == Some(slot) => self.threads.members(slot),
                Some(_) => continue,
            };
            for thread in members.into_iter().filter_map(|member| self.threads.get(member)) {
                threads.push(dumped(thread));
                let list: Vec<_> =
                    thread.fds.iter().filter_map(|(num, fd)| dumped_fd(num, fd, &ports)).collect();
                if !list.is_empty() {
                    fds.push((thread.tid, list));
                }
            }
        }
        let users = self.users.users().filter(|(container, _)| container.is_empty());
        let groups = self.users.groups().filter(|(container, _)| container.is_empty());
        let mut snapshot = Snapshot {
            is_live: self.is_live(),
            machine: Some(self.machine.clone()),
            interfaces: self.interfaces.clone(),
            users: users.map(|(_, user)| dumped_user(user)).collect(),
            groups: groups
                .map(|(_, group)| Group { gid: group.gid, name: group.name.to_vec() })
                .collect(),
            threads,
            fds,
        };
        snapshot.users.sort_by_key(|user| user.uid);
        snapshot.groups.sort_by_key(|group| group.gid);
        snapshot
    }
}

/// `ports` are those on which processes listen.
fn dumped_fd(num: i64, fd: &Fd, ports: &HashSet<u16>) -> Option<snapshot::Fd> {
    let name = fd.name.to_vec();
    let named = |scap_type| FdKind::Named { scap_type, name: fd.name.to_vec() };
    let kind = match fd.ty {
        FdType::Unknown | FdType::Uninitialized => return None,
        FdType::File => FdKind::File { name, open_flags: fd.open_flags, dev: fd.dev },
        FdType::Directory => FdKind::Directory { name },
        FdType::Ipv4 | FdType::Ipv6 => {
            let Socket::Inet { src, dst, proto } = fd.socket else { return None };
            // Snapshots tell connections from the view of their process, so that whoever reads them
            // turns those of servers round.
            let is_turned = fd.ty == FdType::Ipv4
                && fd.flags.contains(FdFlags::ROLE_SERVER)
                && ports.contains(&dst.port);
            let (src, dst) = if is_turned { (dst, src) } else { (src, dst) };
            FdKind::Inet { src, dst, proto }
        }
        FdType::Ipv4Server | FdType::Ipv6Server => {
            let Socket::InetServer { local, proto } = fd.socket else { return None };
            FdKind::InetServer { local, proto }
        }
        FdType::Unix => {
            let (src, dst) = match fd.socket {
                Socket::Unix { src, dst } => (src, dst),
                _ => (0, 0),
            };
            FdKind::Unix { src, dst, name }
        }
        FdType::Pipe => named(7),
        FdType::Event => named(9),
        FdType::Unsupported => named(10),
        FdType::Signalfd => named(11),
        FdType::Eventpoll => named(12),
        FdType::Inotify => named(13),
        FdType::Timerfd => named(14),
        FdType::Netlink => named(15),
        FdType::Bpf => named(17),
        FdType::Userfaultfd => named(18),
        FdType::IoUring => named(19),
        FdType::Memfd => named(20),
        FdType::Pidfd => named(21),
    };
    Some(snapshot::Fd { num, ino: fd.ino, kind })
}

fn dumped_user(user: &crate::users::User) -> User {
    User {
        uid: user.uid,
        gid: user.gid,
        name: user.name.to_vec(),
        home: user.homedir.to_vec(),
        shell: user.shell.to_vec(),
    }
}

fn dumped(thread: &Thread) -> snapshot::Thread {
    let facts = thread.record.facts();
    let known = facts.ruid != u32::MAX || facts.suid != u32::MAX;
    snapshot::Thread {
        tid: thread.tid,
        pid: thread.pid,
        ptid: thread.ptid,
        sid: facts.sid,
        vpgid: facts.vpgid,
        pgid: facts.pgid,
        vtid: facts.vtid,
        vpid: facts.vpid,
        comm: facts.comm.to_vec(),
        exe: facts.exe.to_vec(),
        exepath: facts.exepath.to_vec(),
        args: facts.args.to_vec(),
        env: facts.env.to_vec(),
        cwd: facts.cwd.to_vec(),
        root: facts.root.to_vec(),
        cgroups: facts.cgroups.to_vec(),
        fdlimit: facts.fdlimit as u64,
        flags: thread.flags,
        uid: facts.uid,
        gid: facts.gid,
        loginuid: facts.loginuid,
        tty: facts.tty,
        vmsize_kb: thread.vmsize_kb,
        vmrss_kb: thread.vmrss_kb,
        vmswap_kb: thread.vmswap_kb,
        pfmajor: thread.pfmajor,
        pfminor: thread.pfminor,
        pidns_init_start_ts: facts.pidns_init_start_ts,
        exe_writable: facts.exe_writable,
        exe_upper_layer: facts.exe_upper_layer,
        exe_lower_layer: facts.exe_lower_layer,
        exe_from_memfd: facts.exe_from_memfd,
        cap_inheritable: facts.cap_inheritable,
        cap_permitted: facts.cap_permitted,
        cap_effective: facts.cap_effective,
        exe_ino: facts.exe_ino,
        exe_ino_ctime: facts.exe_ino_ctime,
        exe_ino_mtime: facts.exe_ino_mtime,
        clone_ts: facts.clone_ts,
        ruid_suid: known.then_some((facts.ruid, facts.suid)),
    }
}
