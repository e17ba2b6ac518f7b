//! Builds events as the kernel probe of schema 4.x does: every parameter of each call, in the
//! shape of the event table, for processes whose fds and ids are kept track of.

use std::fs::File;

use falco_capture::{CaptureWriter, Compression, WriteError};
use falco_event::net::AF_INET;
use falco_event::{EventBuilder, EventCode};
use falco_source::Snapshot;
use falco_source::snapshot::{self, Fd, FdKind};

use super::process::{Process, User, comm, inode};

pub type Result<T = ()> = std::result::Result<T, WriteError>;

/// 2026-01-15 09:00 UTC in nanoseconds.
const BEGIN: u64 = 1_768_467_600_000_000_000;
/// The machine booted a day before.
pub const BOOT: u64 = BEGIN - 86_400_000_000_000;
const MS: u64 = 1_000_000;

/// Portable flags (`PPM_O_*`, `PPM_FD_*`, `PPM_EXE_*`, `PPM_CL_*`).
mod flag {
    pub(super) const O_RDONLY: u32 = 1;
    pub(super) const O_WRONLY: u32 = 2;
    pub(super) const O_RDWR: u32 = 3;
    pub(super) const O_CREAT: u32 = 4;
    pub(super) const O_TRUNC: u32 = 256;
    pub(super) const O_CLOEXEC: u32 = 4096;
    pub(super) const O_CREATED: u32 = 1 << 14;
    pub(super) const FD_UPPER_LAYER: u32 = 1 << 15;
    pub(super) const FD_LOWER_LAYER: u32 = 1 << 16;
    pub(super) const EXE_WRITABLE: u32 = 1;
    pub(super) const EXE_UPPER_LAYER: u32 = 2;
    pub(super) const EXE_FROM_MEMFD: u32 = 4;
    pub(super) const EXE_LOWER_LAYER: u32 = 8;
    pub(super) const MFD_CLOEXEC: u32 = 1;
    pub(super) const CHILD_CLEARTID_AND_SETTID: u32 = 0x0180_0000;
    pub(super) const CHILD_IN_PIDNS: u32 = 0x2000_0000;
}

const AT_FDCWD: i64 = -100;
const EACCES: i64 = -13;
/// An IPv4 address and a port.
#[derive(Clone, Copy)]
pub struct Addr(pub [u8; 4], pub u16);

/// Where events are made.
pub struct Stage {
    writer: CaptureWriter<File>,
    builder: EventBuilder,
    now: u64,
    events: u64,
    next_pid: i64,
    next_vpid: i64,
}

impl Stage {
    /// Begins the capture with what ran before.
    pub fn begin(
        path: &str,
        processes: &[&Process],
        users: &[&User],
        address: [u8; 4],
    ) -> Result<Self> {
        let interface =
            |name: &str, addr: [u8; 4], netmask: [u8; 4], broadcast: [u8; 4]| snapshot::Interface {
                name: name.as_bytes().to_vec(),
                addr: addr.into(),
                netmask: netmask.into(),
                broadcast: broadcast.into(),
                linkspeed: 0,
            };
        let [a, b, c, _] = address;
        let snapshot = Snapshot {
            is_live: false,
            machine: Some(snapshot::Machine {
                cpus: 2,
                memory: 4 << 30,
                max_pid: 4_194_304,
                hostname: b"demo".to_vec(),
                boot_ts: BOOT,
                flags: 0,
            }),
            interfaces: vec![
                interface("lo", [127, 0, 0, 1], [255, 0, 0, 0], [0; 4]),
                interface("eth0", address, [255, 255, 255, 0], [a, b, c, 255]),
            ],
            users: users.iter().map(|user| to_user(user)).collect(),
            groups: users.iter().map(|user| to_group(user)).collect(),
            threads: processes.iter().map(|process| process.thread()).collect(),
            fds: processes.iter().map(|process| (process.pid, to_fds(process))).collect(),
        };
        let mut writer = CaptureWriter::create(path, Compression::Gzip)?;
        writer.snapshot(&snapshot)?;
        Ok(Stage {
            writer,
            builder: EventBuilder::new(),
            now: BEGIN,
            events: 0,
            next_pid: 2400,
            next_vpid: 41,
        })
    }

    /// A user of a container, as the recorder of a live system tells it: by the short id.
    pub fn container_user(&mut self, id: &str, user: &User) -> Result {
        let id: String = id.chars().take(12).collect();
        self.event(-1, EventCode::USER_ADDED_E, |e| {
            e.u32(user.uid)
                .u32(user.gid)
                .text(user.name)
                .text(user.home)
                .text(user.shell)
                .text(&id);
        })?;
        self.event(-1, EventCode::GROUP_ADDED_E, |e| {
            e.u32(user.gid).text(user.name).text(&id);
        })
    }

    pub fn pause_ms(&mut self, ms: u64) {
        self.now += ms * MS;
    }

    pub fn finish(self) -> Result {
        self.writer.finish().map(drop)
    }

    fn event(
        &mut self,
        tid: i64,
        code: EventCode,
        params: impl FnOnce(&mut EventBuilder),
    ) -> Result {
        // Some tens of microseconds between two calls, never the same.
        self.events += 1;
        self.now += 21_000 + self.events * 7_919 % 60_000;
        self.builder.start(self.now, tid, code);
        params(&mut self.builder);
        let cpu = (tid.unsigned_abs() % 2) as u16;
        let event = self.builder.finish(cpu, 0).map_err(std::io::Error::other)?;
        assert_eq!(event.nparams(), code.info().params.len(), "{code:?} has another shape");
        self.writer.event(&event)
    }

    /// `clone` as `fork` uses it, seen by the parent and then by the child.
    pub fn fork(&mut self, parent: &mut Process) -> Result<Process> {
        let mut child = parent.clone();
        (child.pid, child.ppid) = (self.next_pid, parent.pid);
        self.next_pid += 3;
        child.vpid = child.pid;
        if parent.container.is_some() {
            child.vpid = self.next_vpid;
            self.next_vpid += 1;
        }
        self.clone_event(parent, child.vpid)?;
        self.clone_event(&child, 0)?;
        Ok(child)
    }

    fn clone_event(&mut self, who: &Process, res: i64) -> Result {
        let in_pidns = if who.container.is_some() { flag::CHILD_IN_PIDNS } else { 0 };
        self.event(who.pid, EventCode::SYSCALL_CLONE_20_X, |e| {
            e.i64(res).text(who.exe()).bytes(&who.args());
            e.i64(who.pid).i64(who.pid).i64(who.ppid).empty().i64(1024);
            e.u64(0).u64(310).u32(12_000).u32(6_400).u32(0);
            e.text(&who.comm).bytes(&who.cgroups());
            e.u32(flag::CHILD_CLEARTID_AND_SETTID | in_pidns);
            // When the pid namespace began, since boot; only the child's event tells it.
            let namespace = match (res, in_pidns) {
                (0, 0) => 936 * MS,
                (0, _) => 3_610_482 * MS,
                _ => 0,
            };
            e.u32(who.uid).u32(who.gid).i64(who.vpid).i64(who.vpid).u64(namespace);
        })
    }

    /// A login shell gets its session and its terminal.
    pub fn take_terminal(&mut self, who: &mut Process, pts: u32, loginuid: u32) -> Result {
        self.event(who.pid, EventCode::SYSCALL_SETSID_X, |e| {
            e.i64(who.vpid);
        })?;
        let terminal = self.open(who, &format!("/dev/pts/{pts}"), flag::O_RDWR, 0)?;
        for fd in 0..3 {
            self.dup2(who, terminal, fd)?;
        }
        self.close(who, terminal)?;
        *who = who.clone().on_terminal(pts, loginuid);
        Ok(())
    }

    /// `execve` of a program that the machine, or the image of the container, came with.
    pub fn exec(&mut self, who: &mut Process, filename: &str, argv: &[&str]) -> Result {
        let layer = if who.container.is_some() { flag::EXE_LOWER_LAYER } else { 0 };
        let exepath = match filename {
            "/bin/sh" => "/usr/bin/dash",
            "/bin/bash" => "/usr/bin/bash",
            "/usr/bin/vim" => "/usr/bin/vim.basic",
            file => file,
        };
        self.execve(who, exepath, filename, argv, layer)?;
        for library in ["/etc/ld.so.cache", "/lib/x86_64-linux-gnu/libc.so.6"] {
            let fd = self.open(who, library, flag::O_RDONLY | flag::O_CLOEXEC, 0)?;
            if library.ends_with(".6") {
                self.read(who, fd, b"\x7fELF\x02\x01\x01\x03")?;
            }
            self.close(who, fd)?;
        }
        Ok(())
    }

    /// `execve` of a program that was written to the container's upper layer.
    pub fn exec_dropped(&mut self, who: &mut Process, path: &str, argv: &[&str]) -> Result {
        self.execve(who, path, path, argv, flag::EXE_UPPER_LAYER | flag::EXE_WRITABLE)
    }

    /// A program is written to a memfd and run from there.
    pub fn exec_from_memory(&mut self, who: &mut Process, name: &str, argv: &[&str]) -> Result {
        let fd = who.free_fd();
        self.event(who.pid, EventCode::SYSCALL_MEMFD_CREATE_X, |e| {
            e.i64(fd).text(name).u32(flag::MFD_CLOEXEC);
        })?;
        let memfd = format!("memfd:{name}");
        who.fds.insert(fd, FdKind::Named { scap_type: 20, name: memfd.clone().into_bytes() });
        self.write(who, fd, b"\x7fELF\x02\x01\x01\x00")?;
        let flags = flag::EXE_FROM_MEMFD | flag::EXE_WRITABLE;
        self.execve(who, &memfd, &format!("/proc/self/fd/{fd}"), argv, flags)?;
        who.fds.remove(&fd);
        Ok(())
    }

    fn execve(
        &mut self,
        who: &mut Process,
        exepath: &str,
        filename: &str,
        argv: &[&str],
        flags: u32,
    ) -> Result {
        who.exepath = exepath.to_owned();
        who.argv = argv.iter().map(|&word| word.to_owned()).collect();
        // The kernel names a process after the file that was asked for.
        who.comm = if flags & flag::EXE_FROM_MEMFD != 0 { comm(exepath) } else { comm(filename) };
        let caps = who.capabilities();
        let who = &*who;
        self.event(who.pid, EventCode::SYSCALL_EXECVE_19_X, |e| {
            e.i64(0).text(who.exe()).bytes(&who.args());
            e.i64(who.pid).i64(who.pid).i64(who.ppid).empty().u64(1024);
            e.u64(0).u64(35).u32(428).u32(0).u32(0);
            e.text(&who.comm).bytes(&who.cgroups()).bytes(&who.env());
            e.u32(who.tty).i64(who.vpid).u32(who.loginuid).u32(flags);
            e.u64(0).u64(caps).u64(caps);
            e.u64(inode(exepath)).u64(BOOT).u64(BOOT);
            e.u32(who.uid).text(exepath).i64(who.pid).u32(who.gid).text(filename);
        })
    }

    /// The end of a process.
    pub fn exit(&mut self, who: Process, code: i64) -> Result {
        self.event(who.pid, EventCode::PROCEXIT_1_E, |e| {
            e.i64(code << 8).i64(code).u8(0).u8(0).i64(0);
        })
    }

    fn open(&mut self, who: &mut Process, path: &str, flags: u32, mode: u32) -> Result<i64> {
        let fd = who.free_fd();
        let layer = match (who.container, flags & flag::O_CREAT) {
            (None, _) => 0,
            (Some(_), 0) => flag::FD_LOWER_LAYER,
            (Some(_), _) => flag::FD_UPPER_LAYER,
        };
        self.event(who.pid, EventCode::SYSCALL_OPENAT_2_X, |e| {
            e.i64(fd).i64(AT_FDCWD).text(path).u32(flags | layer).u32(mode);
            e.u32(0xfe00).u64(inode(path));
        })?;
        let name = path.as_bytes().to_vec();
        who.fds.insert(fd, FdKind::File { name, open_flags: flags, dev: 0xfe00 });
        Ok(fd)
    }

    /// An `openat` for which the caller lacks the right.
    pub fn open_refused(&mut self, who: &mut Process, path: &str) -> Result {
        self.event(who.pid, EventCode::SYSCALL_OPENAT_2_X, |e| {
            e.i64(EACCES).i64(AT_FDCWD).text(path).u32(flag::O_RDONLY).u32(0).u32(0).u64(0);
        })
    }

    /// Opens, reads and closes a file of `size` bytes.
    pub fn read_file(&mut self, who: &mut Process, path: &str, size: u32) -> Result {
        let fd = self.open(who, path, flag::O_RDONLY | flag::O_CLOEXEC, 0)?;
        if size > 0 {
            self.event(who.pid, EventCode::SYSCALL_READ_X, |e| {
                e.i64(size.into()).bytes(b"...").i64(fd).u32(4096);
            })?;
        }
        self.close(who, fd)
    }

    /// Creates a file, writes `size` bytes and closes it.
    pub fn write_file(&mut self, who: &mut Process, path: &str, size: u32) -> Result {
        let flags = flag::O_WRONLY | flag::O_CREAT | flag::O_TRUNC | flag::O_CREATED;
        let fd = self.open(who, path, flags, 0o644)?;
        self.event(who.pid, EventCode::SYSCALL_WRITE_X, |e| {
            e.i64(size.into()).bytes(b"...").i64(fd).u32(size);
        })?;
        self.close(who, fd)
    }

    fn read(&mut self, who: &mut Process, fd: i64, data: &[u8]) -> Result {
        self.event(who.pid, EventCode::SYSCALL_READ_X, |e| {
            e.i64(data.len() as i64).bytes(data).i64(fd).u32(832);
        })
    }

    pub fn write(&mut self, who: &mut Process, fd: i64, data: &[u8]) -> Result {
        self.event(who.pid, EventCode::SYSCALL_WRITE_X, |e| {
            e.i64(data.len() as i64).bytes(data).i64(fd).u32(data.len() as u32);
        })
    }

    pub fn close(&mut self, who: &mut Process, fd: i64) -> Result {
        who.fds.remove(&fd);
        who.sockets.remove(&fd);
        self.event(who.pid, EventCode::SYSCALL_CLOSE_X, |e| {
            e.i64(0).i64(fd);
        })
    }

    pub fn unlink(&mut self, who: &mut Process, path: &str) -> Result {
        self.event(who.pid, EventCode::SYSCALL_UNLINKAT_2_X, |e| {
            e.i64(0).i64(AT_FDCWD).text(path).u32(0);
        })
    }

    pub fn dup2(&mut self, who: &mut Process, from: i64, to: i64) -> Result {
        self.event(who.pid, EventCode::SYSCALL_DUP2_X, |e| {
            e.i64(to).i64(from).i64(to);
        })?;
        if let Some(kind) = who.fds.get(&from).cloned() {
            who.fds.insert(to, kind);
        }
        Ok(())
    }

    /// `accept4` of a connection from `peer`.
    pub fn accept(&mut self, who: &mut Process, peer: Addr, local: Addr) -> Result<i64> {
        let fd = who.free_fd();
        let tuple = tuple(peer, local);
        self.event(who.pid, EventCode::SOCKET_ACCEPT4_6_X, |e| {
            e.i64(fd).bytes(&tuple).u8(0).u32(0).u32(128).u32(0);
        })?;
        who.add_socket(fd, peer, local, tuple);
        Ok(fd)
    }

    /// `socket` and `connect`, which succeeds.
    pub fn connect(&mut self, who: &mut Process, local: Addr, peer: Addr) -> Result<i64> {
        const SOCK_STREAM: u32 = 1;
        let fd = who.free_fd();
        self.event(who.pid, EventCode::SOCKET_SOCKET_X, |e| {
            e.i64(fd).u32(AF_INET.into()).u32(SOCK_STREAM).u32(6).u32(0);
        })?;
        let tuple = tuple(local, peer);
        let addr = [&[AF_INET][..], &end(peer)].concat();
        self.event(who.pid, EventCode::SOCKET_CONNECT_X, |e| {
            e.i64(0).bytes(&tuple).i64(fd).bytes(&addr);
        })?;
        who.add_socket(fd, local, peer, tuple);
        Ok(fd)
    }

    pub fn send(&mut self, who: &mut Process, fd: i64, data: &[u8]) -> Result {
        let tuple = who.sockets.get(&fd).cloned().unwrap_or_default();
        self.event(who.pid, EventCode::SOCKET_SENDTO_X, |e| {
            e.i64(data.len() as i64).bytes(data).i64(fd).u32(data.len() as u32).bytes(&tuple);
        })
    }

    pub fn receive(&mut self, who: &mut Process, fd: i64, data: &[u8]) -> Result {
        let tuple = who.sockets.get(&fd).cloned().unwrap_or_default();
        self.event(who.pid, EventCode::SOCKET_RECVFROM_X, |e| {
            e.i64(data.len() as i64).bytes(data).bytes(&tuple).i64(fd).u32(4096);
        })
    }
}

fn end(Addr(ip, port): Addr) -> Vec<u8> {
    [&ip[..], &port.to_le_bytes()].concat()
}

fn tuple(src: Addr, dst: Addr) -> Vec<u8> {
    [&[AF_INET][..], &end(src), &end(dst)].concat()
}

fn to_user(user: &User) -> snapshot::User {
    snapshot::User {
        uid: user.uid,
        gid: user.gid,
        name: user.name.into(),
        home: user.home.into(),
        shell: user.shell.into(),
    }
}

fn to_group(user: &User) -> snapshot::Group {
    snapshot::Group { gid: user.gid, name: user.name.into() }
}

fn to_fds(process: &Process) -> Vec<Fd> {
    let fds = process.fds.iter();
    fds.map(|(&num, kind)| Fd { num, ino: 40_000 + num as u64, kind: kind.clone() }).collect()
}
