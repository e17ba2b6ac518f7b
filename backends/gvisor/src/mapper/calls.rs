//! System calls that gVisor tells with paths: files, fds, directories, users, limits.
//!
//! The enter messages of calls make no events. They tell what fds were before the call (a closed one has
//! no path any more), and what was asked for before the program could change it.

use falco_event::EventCode;
use falco_event::portable;

use super::tables::hash;
use super::texts::Text;
use super::{At, Mapper, raw, result_of, texts, write};
use crate::message::Message;
use crate::proto::{ContextData, Dup, Fcntl, Open, Prlimit, Read, Setid, Setresid, Write};
use falco_source::events::Events;

/// Linux's `O_CLOEXEC`, which `SOCK_CLOEXEC`, `EFD_CLOEXEC` and the like are, too.
pub(super) const O_CLOEXEC: u32 = 0o2_000_000;
const F_DUPFD: i32 = 0;
const F_SETFD: i32 = 2;
const F_DUPFD_CLOEXEC: i32 = 1030;

/// Numbers of calls on x86-64 that one message stands for several of.
mod nr {
    pub(super) const READ: u64 = 0;
    pub(super) const WRITE: u64 = 1;
    pub(super) const OPEN: u64 = 2;
    pub(super) const PREAD64: u64 = 17;
    pub(super) const PWRITE64: u64 = 18;
    pub(super) const READV: u64 = 19;
    pub(super) const WRITEV: u64 = 20;
    pub(super) const PIPE2: u64 = 293;
    pub(super) const DUP: u64 = 32;
    pub(super) const DUP2: u64 = 33;
    pub(super) const VFORK: u64 = 58;
    pub(super) const FCHDIR: u64 = 81;
    pub(super) const CREAT: u64 = 85;
    pub(super) const SETUID: u64 = 105;
    pub(super) const SETGID: u64 = 106;
    pub(super) const SETRESUID: u64 = 117;
    pub(super) const INOTIFY_INIT: u64 = 253;
    pub(super) const SIGNALFD: u64 = 282;
    pub(super) const EVENTFD: u64 = 284;
}

/// The fd that a call works on, and its path.
fn fd_of(message: &Message) -> Option<(i64, &[u8])> {
    Some(match message {
        Message::Open(m) => (m.fd, &m.fd_path),
        Message::Close(m) => (m.fd, &m.fd_path),
        Message::Read(m) => (m.fd, &m.fd_path),
        Message::Write(m) => (m.fd, &m.fd_path),
        Message::Connect(m) => (m.fd, &m.fd_path),
        Message::Execve(m) => (m.fd, &m.fd_path),
        Message::Chdir(m) => (m.fd, &m.fd_path),
        Message::Fcntl(m) => (m.fd.into(), &m.fd_path),
        Message::Dup(m) => (m.old_fd.into(), &m.fd_path),
        Message::Signalfd(m) => (m.fd.into(), &m.fd_path),
        Message::Bind(m) => (m.fd.into(), &m.fd_path),
        Message::Accept(m) => (m.fd.into(), &m.fd_path),
        Message::Listen(m) => (m.fd.into(), &m.fd_path),
        Message::TimerfdSetTime(m) => (m.fd.into(), &m.fd_path),
        Message::TimerfdGetTime(m) => (m.fd.into(), &m.fd_path),
        Message::InotifyAddWatch(m) => (m.fd.into(), &m.fd_path),
        Message::InotifyRmWatch(m) => (m.fd.into(), &m.fd_path),
        Message::Mmap(m) => (m.fd, &m.fd_path),
        _ => return None,
    })
}

impl Mapper {
    /// A system call that is no execution.
    pub(super) fn system_call(
        &mut self,
        message: &Message,
        context: &ContextData,
        at: At,
        out: &mut Events,
    ) {
        if let Some((fd, path)) = fd_of(message) {
            self.use_fd(fd, path, at, out);
        }
        let Some((sysno, exit)) = message.call() else { return };
        let Some(exit) = exit else { return self.entered(message, at) };
        let res = result_of(exit);
        if let Message::Syscall(call) = message {
            return self.raw_call(call, context, res, at, out);
        }
        self.spoken.insert(sysno);
        use EventCode as E;
        match message {
            Message::Open(m) => self.opened(m, res, at, out),
            Message::Close(m) => self.closed(m.fd, res, at, out),
            Message::Read(m) => self.read(m, res, at, out),
            Message::Write(m) => self.written(m, res, at, out),
            Message::Chdir(m) if m.sysno == nr::FCHDIR => {
                self.tell(out, at, E::SYSCALL_FCHDIR_X, |b| {
                    b.i64(res).i64(m.fd);
                });
                self.moved(&m.fd_path, res, context, at, out);
            }
            Message::Chdir(m) => {
                let path = if m.pathname.is_empty() { &context.cwd } else { &m.pathname };
                self.tell(out, at, E::SYSCALL_CHDIR_X, |b| write::path(b.i64(res), path));
                self.moved(path, res, context, at, out);
            }
            Message::Chroot(m) => {
                self.tell(out, at, E::SYSCALL_CHROOT_X, |b| write::path(b.i64(res), &m.pathname));
            }
            Message::Setid(m) => self.set_id(m, context, res, at, out),
            Message::Setresid(m) => self.set_ids(m, context, res, at, out),
            Message::Prlimit(m) => self.prlimit(m, res, at, out),
            Message::Pipe(m) => {
                let [first, second] = self.pair_opened([m.reader, m.writer], m.flags, res, at);
                let is_two = m.sysno == nr::PIPE2;
                let code = if is_two { E::SYSCALL_PIPE2_X } else { E::SYSCALL_PIPE_X };
                self.tell(out, at, code, |b| {
                    // Its number is told only by paths.
                    b.i64(res).i64(first).i64(second).u64(0);
                    if is_two {
                        b.u32(portable::pipe_flags(m.flags));
                    }
                });
            }
            Message::Fcntl(m) => self.fcntl(m, res, at, out),
            Message::Dup(m) => self.duplicated(m, res, at, out),
            Message::Signalfd(m) => {
                let flags = m.flags as u32;
                self.made(res, flags & O_CLOEXEC != 0, at);
                // The low word of the set: signals 1 to 32.
                let mask = m.sigset as u32;
                if m.sysno == nr::SIGNALFD {
                    self.tell(out, at, E::SYSCALL_SIGNALFD_X, |b| {
                        b.i64(res).i64(m.fd.into()).u32(mask).u8(0);
                    });
                } else {
                    self.tell(out, at, E::SYSCALL_SIGNALFD4_X, |b| {
                        b.i64(res).u16(portable::nonblock_cloexec(flags) as u16);
                        b.i64(m.fd.into()).u32(mask);
                    });
                }
            }
            Message::Eventfd(m) => {
                self.made(res, m.flags & O_CLOEXEC != 0, at);
                let initial = u64::from(m.val as u32);
                if m.sysno == nr::EVENTFD {
                    self.tell(out, at, E::SYSCALL_EVENTFD_X, |b| {
                        b.i64(res).u64(initial).u32(0);
                    });
                } else {
                    self.tell(out, at, E::SYSCALL_EVENTFD2_X, |b| {
                        b.i64(res).u16(portable::nonblock_cloexec(m.flags) as u16).u64(initial);
                    });
                }
            }
            Message::TimerfdCreate(m) => {
                let flags = m.flags as u32;
                self.made(res, flags & O_CLOEXEC != 0, at);
                self.tell(out, at, E::SYSCALL_TIMERFD_CREATE_X, |b| {
                    // One byte for flags: O_CLOEXEC does not fit.
                    let shown = portable::nonblock_cloexec(flags) as u8;
                    b.i64(res).u8(m.clock_id as u8).u8(shown);
                });
            }
            Message::InotifyInit(m) => {
                let flags = m.flags as u32;
                self.made(res, flags & O_CLOEXEC != 0, at);
                if m.sysno == nr::INOTIFY_INIT {
                    self.tell(out, at, E::SYSCALL_INOTIFY_INIT_X, |b| {
                        b.i64(res).u8(0);
                    });
                } else {
                    self.tell(out, at, E::SYSCALL_INOTIFY_INIT1_X, |b| {
                        b.i64(res).u16(portable::nonblock_cloexec(flags) as u16);
                    });
                }
            }
            Message::Clone(m) => {
                let flags = portable::clone_flags(m.flags as u32);
                self.clone_returned(E::SYSCALL_CLONE_20_X, flags, at, res, out);
            }
            Message::Fork(m) => {
                let is_vfork = m.sysno == nr::VFORK;
                let code = if is_vfork { E::SYSCALL_VFORK_20_X } else { E::SYSCALL_FORK_20_X };
                self.clone_returned(code, 0, at, res, out);
            }
            Message::Mmap(m) => {
                self.sees_mmap = true;
                self.tell(out, at, E::SYSCALL_MMAP_X, |b| {
                    b.i64(res).empty().empty().empty().u64(m.addr).u64(m.length);
                    b.u32(portable::prot_flags(m.prot)).u32(portable::mmap_flags(m.flags));
                    b.i64(m.fd).u64(m.offset as u64);
                });
            }
            Message::Ptrace(m) => {
                let request = portable::ptrace_request(m.request as u32);
                self.tell(out, at, E::SYSCALL_PTRACE_X, |b| {
                    b.i64(res).empty().empty().u16(request).i64(m.pid.into());
                });
            }
            Message::Socket(_)
            | Message::Connect(_)
            | Message::Bind(_)
            | Message::Listen(_)
            | Message::Accept(_)
            | Message::SocketPair(_) => self.socket_call(message, res, at, out),
            // Calls without an event of their own.
            _ => self.generic(sysno, at, out),
        }
    }

    /// A call begins: what it asks for is kept where the program could change it under way.
    fn entered(&mut self, message: &Message, at: At) {
        let (sysno, asked) = match message {
            Message::Open(open) => (open.sysno, &open.pathname),
            Message::Connect(connect) => (connect.sysno, &connect.address),
            _ => return,
        };
        let asked = self.tables.meter.keep(texts::path(asked));
        if let Some(thread) = self.tables.threads.get_mut(&at.tid) {
            thread.asked = (!asked.is_empty()).then_some((sysno, asked));
        }
    }

    /// What a call had asked for when it began.
    pub(super) fn asked(&mut self, sysno: u64, at: At) -> Option<Text> {
        let (begun, asked) = self.tables.threads.get_mut(&at.tid)?.asked.take()?;
        (begun == sysno).then_some(asked)
    }

    fn opened(&mut self, open: &Open, res: i64, at: At, out: &mut Events) {
        let asked = self.asked(open.sysno, at);
        let name = asked.as_deref().unwrap_or(&open.pathname);
        self.made(res, open.flags & O_CLOEXEC != 0, at);
        let flags = portable::open_flags(open.flags);
        let mode = portable::open_mode(open.flags, open.mode);
        // Device and inode are not told.
        match open.sysno {
            nr::OPEN => self.tell(out, at, EventCode::SYSCALL_OPEN_X, |b| {
                write::path(b.i64(res), name);
                b.u32(flags).u32(mode).empty().empty();
            }),
            nr::CREAT => self.tell(out, at, EventCode::SYSCALL_CREAT_X, |b| {
                write::path(b.i64(res), name);
                b.u32(open.mode & 0o7777).empty().empty().u16(0);
            }),
            _ => self.tell(out, at, EventCode::SYSCALL_OPENAT_2_X, |b| {
                write::path(b.i64(res).i64(open.fd), name);
                b.u32(flags).u32(mode).empty().empty();
            }),
        }
    }

    pub(super) fn closed(&mut self, fd: i64, res: i64, at: At, out: &mut Events) {
        if res >= 0
            && let Some(process) = self.tables.processes.get_mut(&at.pid)
        {
            process.fds.close(fd);
            process.unbind(fd);
        }
        self.tell(out, at, EventCode::SYSCALL_CLOSE_X, |b| {
            b.i64(res).i64(fd);
        });
    }

    fn read(&mut self, read: &Read, res: i64, at: At, out: &mut Events) {
        let (size, moved) = (read.count as u32, res.max(0) as u32);
        let (fd, offset) = (read.fd, read.offset as u64);
        // No data: gVisor tells none.
        match read.sysno {
            nr::READ => self.tell(out, at, EventCode::SYSCALL_READ_X, |b| {
                b.i64(res).empty().i64(fd).u32(size);
            }),
            nr::PREAD64 => self.tell(out, at, EventCode::SYSCALL_PREAD_X, |b| {
                b.i64(res).empty().i64(fd).u32(size).u64(offset);
            }),
            nr::READV => self.tell(out, at, EventCode::SYSCALL_READV_X, |b| {
                b.i64(res).u32(moved).empty().i64(fd);
            }),
            // preadv2 has no event of its own.
            _ => self.tell(out, at, EventCode::SYSCALL_PREADV_X, |b| {
                b.i64(res).u32(moved).empty().i64(fd).u64(offset);
            }),
        }
    }

    fn written(&mut self, write: &Write, res: i64, at: At, out: &mut Events) {
        let (size, fd, offset) = (write.count as u32, write.fd, write.offset as u64);
        let (code, has_offset) = match write.sysno {
            nr::WRITE => (EventCode::SYSCALL_WRITE_X, false),
            nr::PWRITE64 => (EventCode::SYSCALL_PWRITE_X, true),
            nr::WRITEV => (EventCode::SYSCALL_WRITEV_X, false),
            // pwritev2 has no event of its own.
            _ => (EventCode::SYSCALL_PWRITEV_X, true),
        };
        self.tell(out, at, code, |b| {
            b.i64(res).empty().i64(fd).u32(size);
            if has_offset {
                b.u64(offset);
            }
        });
    }

    /// A process has changed its directory to `path`. The tables work out by names where that is; the
    /// context knows.
    pub(super) fn moved(
        &mut self,
        path: &[u8],
        res: i64,
        context: &ContextData,
        at: At,
        out: &mut Events,
    ) {
        if res >= 0
            && let Some(process) = self.tables.processes.get_mut(&at.pid)
        {
            process.cwd = if path == context.cwd { hash(path) } else { 0 };
        }
        self.correct_cwd(context, at, out);
    }

    fn set_id(&mut self, set: &Setid, context: &ContextData, res: i64, at: At, out: &mut Events) {
        match set.sysno {
            nr::SETUID => self.tell(out, at, EventCode::SYSCALL_SETUID_X, |b| {
                b.i64(res).u32(set.id);
            }),
            nr::SETGID => self.tell(out, at, EventCode::SYSCALL_SETGID_X, |b| {
                b.i64(res).u32(set.id);
            }),
            _ => self.set_session(res, at, out),
        }
        self.correct_credentials(context, at, out);
    }

    pub(super) fn set_session(&mut self, res: i64, at: At, out: &mut Events) {
        let mut sid = res;
        if res >= 0
            && let Some(process) = self.tables.processes.get_mut(&at.pid)
        {
            process.pgid = at.pid;
            if res == 0 {
                // The sandboxes of 2022 tell 0. The session is always the caller's own.
                sid = process.vpid.into();
            }
        }
        self.tell(out, at, EventCode::SYSCALL_SETSID_X, |b| {
            b.i64(sid);
        });
    }

    fn set_ids(
        &mut self,
        set: &Setresid,
        context: &ContextData,
        res: i64,
        at: At,
        out: &mut Events,
    ) {
        let is_user = set.sysno == nr::SETRESUID;
        let code =
            if is_user { EventCode::SYSCALL_SETRESUID_X } else { EventCode::SYSCALL_SETRESGID_X };
        self.tell(out, at, code, |b| {
            b.i64(res).u32(set.rid).u32(set.eid).u32(set.sid);
        });
        self.correct_credentials(context, at, out);
    }

    fn prlimit(&mut self, set: &Prlimit, res: i64, at: At, out: &mut Events) {
        let pair = |limit: Option<&crate::proto::StructRlimit>| {
            limit.map_or([-1, -1], |limit| [limit.cur as i64, limit.max as i64])
        };
        let new = pair(set.new_limit.as_ref());
        let old = pair(set.old_limit.as_ref().filter(|_| res == 0));
        let pid = self.known_pid(set.pid, at);
        self.tell(out, at, EventCode::SYSCALL_PRLIMIT_X, |b| {
            b.i64(res).i64(new[0]).i64(new[1]).i64(old[0]).i64(old[1]);
            match pid {
                Some(pid) => b.i64(pid),
                None => b.empty(),
            };
            b.u8(portable::rlimit_resource(u32::try_from(set.resource).unwrap_or(u32::MAX)));
        });
    }

    /// A process that a program of a container names, as events name it: the tables look it up. 0 is
    /// the caller; none if it is not known.
    pub(super) fn known_pid(&self, vpid: i32, at: At) -> Option<i64> {
        if vpid == 0 {
            return Some(0);
        }
        let container = self.tables.processes.get(&at.pid)?.container;
        self.tables.by_vpid(container, vpid).map(|pid| self.id(pid))
    }

    fn fcntl(&mut self, call: &Fcntl, res: i64, at: At, out: &mut Events) {
        let fd = i64::from(call.fd);
        if let Some(process) = self.tables.processes.get_mut(&at.pid)
            && res >= 0
        {
            match call.cmd {
                F_SETFD => process.fds.set_cloexec(fd, call.args & 1 != 0),
                F_DUPFD | F_DUPFD_CLOEXEC => {
                    process.duplicate(fd, res, call.cmd == F_DUPFD_CLOEXEC);
                }
                _ => {}
            }
        }
        self.tell(out, at, EventCode::SYSCALL_FCNTL_X, |b| {
            b.i64(res).i64(fd).u8(portable::fcntl_command(call.cmd as u32)).u64(call.args as u64);
        });
    }

    fn duplicated(&mut self, call: &Dup, res: i64, at: At, out: &mut Events) {
        let (old, new) = (i64::from(call.old_fd), i64::from(call.new_fd));
        if let Some(process) = self.tables.processes.get_mut(&at.pid)
            && res >= 0
            && res != old
        {
            process.duplicate(old, res, call.flags & O_CLOEXEC != 0);
        }
        match call.sysno {
            nr::DUP => self.tell(out, at, EventCode::SYSCALL_DUP_1_X, |b| {
                b.i64(res).i64(old);
            }),
            nr::DUP2 => self.tell(out, at, EventCode::SYSCALL_DUP2_X, |b| {
                b.i64(res).i64(old).i64(new);
            }),
            _ => self.tell(out, at, EventCode::SYSCALL_DUP3_X, |b| {
                b.i64(res).i64(old).i64(new).u32(portable::dup_flags(call.flags));
            }),
        }
    }

    /// A call made an fd, if it succeeded, and its event tells of it.
    pub(super) fn made(&mut self, fd: i64, cloexec: bool, at: At) {
        if fd >= 0
            && let Some(process) = self.tables.processes.get_mut(&at.pid)
        {
            process.fds.open(fd, cloexec);
            process.unbind(fd);
        }
    }

    /// A call made two fds, if it succeeded; as events have them.
    pub(super) fn pair_opened(&mut self, fds: [i32; 2], flags: u32, res: i64, at: At) -> [i64; 2] {
        if res < 0 {
            return [-1, -1];
        }
        let fds = fds.map(i64::from);
        for fd in fds {
            self.made(fd, flags & O_CLOEXEC != 0, at);
        }
        fds
    }

    /// A call without an event of its own: which one it was.
    pub(super) fn generic(&mut self, sysno: u64, at: At, out: &mut Events) {
        let Ok(number) = u16::try_from(sysno) else { return };
        self.tell(out, at, EventCode::GENERIC_X, |b| {
            b.u16(raw::portable_id(number)).u16(number);
        });
    }
}

/// Calls that are told in full, by number: their raw messages say nothing new.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spoken([u64; raw::NUMBERS / 64]);

impl Spoken {
    fn insert(&mut self, sysno: u64) {
        if let Some(word) = self.0.get_mut((sysno / 64) as usize) {
            *word |= 1 << (sysno % 64);
        }
    }

    pub(super) fn contains(&self, sysno: u64) -> bool {
        self.0.get((sysno / 64) as usize).is_some_and(|word| word & (1 << (sysno % 64)) != 0)
    }
}
