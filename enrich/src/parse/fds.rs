//! Calls that make, duplicate and close fds other than files and sockets.

use falco_event::EventCode;

use super::Parser;
use crate::fd::{Fd, FdType, open_flags};
use crate::record::bytes;
use crate::thread::flags;

/// `EPOLL_CLOEXEC`, portable.
const EPOLL_CLOEXEC: u32 = 1;
/// `CLOSE_RANGE_CLOEXEC`, portable.
const CLOSE_RANGE_CLOEXEC: u32 = 4;
/// `FD_CLOEXEC` of `F_SETFD`.
const FD_CLOEXEC: u64 = 1;
/// Portable `F_*` commands.
const F_DUPFD: u64 = 1;
const F_SETFD: u64 = 3;
const F_DUPFD_CLOEXEC: u64 = 26;

impl Parser<'_, '_> {
    /// The fd that a call returned, if it succeeded and its thread is known.
    pub(super) fn returned_fd(&self) -> Option<i64> {
        self.thread?;
        self.res().filter(|&fd| fd >= 0)
    }

    pub(super) fn pipe(&mut self) {
        if self.failed() || self.thread.is_none() {
            return;
        }
        let (Some(fd1), Some(fd2)) = (self.event.i64(1), self.event.i64(2)) else { return };
        let mut fd = Fd::new(FdType::Pipe);
        fd.ino = self.event.u64(3).unwrap_or(0);
        if self.event.code() == EventCode::SYSCALL_PIPE2_X {
            fd.open_flags = self.u32(4);
        }
        self.add_fd(fd1, fd.clone());
        self.add_fd(fd2, fd);
    }

    pub(super) fn eventfd(&mut self) {
        let Some(num) = self.returned_fd() else { return };
        let mut fd = Fd::new(FdType::Event);
        if self.event.code() == EventCode::SYSCALL_EVENTFD2_X {
            fd.open_flags = self.u32(1);
        }
        self.add_fd(num, fd);
    }

    /// Calls that return an fd of which only the kind is known.
    pub(super) fn single_fd(&mut self) {
        let Some(num) = self.returned_fd() else { return };
        let code = self.event.code();
        let mut fd = Fd::new(match code {
            EventCode::SYSCALL_SIGNALFD_X | EventCode::SYSCALL_SIGNALFD4_X => FdType::Signalfd,
            EventCode::SYSCALL_TIMERFD_CREATE_X => FdType::Timerfd,
            EventCode::SYSCALL_INOTIFY_INIT_X | EventCode::SYSCALL_INOTIFY_INIT1_X => {
                FdType::Inotify
            }
            EventCode::SYSCALL_BPF_2_X => FdType::Bpf,
            EventCode::SYSCALL_USERFAULTFD_X => FdType::Userfaultfd,
            EventCode::SYSCALL_IO_URING_SETUP_X => FdType::IoUring,
            _ => FdType::Eventpoll,
        });
        fd.open_flags = match code {
            EventCode::SYSCALL_INOTIFY_INIT1_X | EventCode::SYSCALL_SIGNALFD4_X => self.u32(1),
            EventCode::SYSCALL_TIMERFD_CREATE_X => self.u32(2),
            EventCode::SYSCALL_EPOLL_CREATE1_X if self.u32(1) & EPOLL_CLOEXEC != 0 => {
                open_flags::CLOEXEC
            }
            _ => 0,
        };
        self.add_fd(num, fd);
    }

    /// One that failed leaves an entry under its error, as in Falco.
    pub(super) fn memfd_create(&mut self) {
        let Some(num) = self.res() else { return };
        if num < 0 {
            self.add_fd(num, Fd::new(FdType::Uninitialized));
            return;
        }
        let mut fd = Fd::named(FdType::Memfd, bytes(self.text(1)));
        fd.open_flags = self.u32(2);
        self.add_fd(num, fd);
    }

    pub(super) fn pidfd_open(&mut self) {
        let Some(num) = self.returned_fd() else { return };
        let pid = self.event.i64(1).unwrap_or(0);
        let mut fd = Fd::named(FdType::Pidfd, bytes(format!("/proc/{pid}").as_bytes()));
        fd.open_flags = self.u32(2);
        fd.pid = pid;
        self.add_fd(num, fd);
    }

    /// Another process's fd, got through its pidfd.
    pub(super) fn pidfd_getfd(&mut self) {
        let Some(num) = self.returned_fd() else { return };
        let (Some(pidfd), Some(target)) = (self.event.i64(1), self.event.i64(2)) else { return };
        let found = self.thread_ref().and_then(|thread| {
            let pidfd = self.state.fd(thread, pidfd).filter(|fd| fd.ty == FdType::Pidfd)?;
            self.state.fd(self.state.thread(pidfd.pid)?, target).cloned()
        });
        let Some(mut fd) = found else { return };
        fd.set_close_on_exec(true);
        self.add_duplicate(num, fd);
    }

    pub(super) fn dup(&mut self) {
        let Some(num) = self.returned_fd() else { return };
        let Some(mut fd) = self.fd_ref().cloned() else { return };
        // A shell that sets up a pipeline moves the pipe's ends to standard input and output.
        let part = match num {
            0 => flags::PIPE_DST,
            1 => flags::PIPE_SRC,
            _ => 0,
        };
        if let Some(thread) = self.thread_mut() {
            thread.flags |= part;
        }
        let dup3 = self.event.code() == EventCode::SYSCALL_DUP3_X;
        fd.set_close_on_exec(dup3 && self.u32(3) & open_flags::CLOEXEC != 0);
        self.add_duplicate(num, fd);
    }

    pub(super) fn fcntl(&mut self) {
        let Some(res) = self.returned_fd() else { return };
        match self.event.u64(2) {
            Some(F_SETFD) => {
                let on = self.event.u64(3).unwrap_or(0) & FD_CLOEXEC != 0;
                if let Some(fd) = self.fd_mut() {
                    fd.set_close_on_exec(on);
                }
            }
            Some(command @ (F_DUPFD | F_DUPFD_CLOEXEC)) => {
                let Some(mut fd) = self.fd_ref().cloned() else { return };
                fd.set_close_on_exec(command == F_DUPFD_CLOEXEC);
                self.add_duplicate(res, fd);
            }
            _ => {}
        }
    }

    /// The fd goes when the next event comes; rules see this one with it.
    pub(super) fn close(&mut self) {
        if self.failed() {
            return;
        }
        if let (Some(fd), Some(_)) = (self.fd, self.thread) {
            self.state.pending_close = Some((self.event.tid(), fd.1));
        }
    }

    pub(super) fn close_range(&mut self) {
        if self.failed() {
            return;
        }
        let (first, last) = (i64::from(self.u32(1)), i64::from(self.u32(2)));
        let cloexec = self.u32(3) & CLOSE_RANGE_CLOEXEC != 0;
        let within = move |num: i64| first <= num && num <= last;
        let Some(owner) = self.thread.and_then(|slot| self.state.threads.fds_of(slot)) else {
            return;
        };
        let Some(thread) = self.state.threads.get_mut(owner) else { return };
        if cloexec {
            thread.fds.change(within, |fd| fd.open_flags |= open_flags::CLOEXEC);
        } else {
            thread.fds.retain(|num, _| !within(num));
        }
    }
}
