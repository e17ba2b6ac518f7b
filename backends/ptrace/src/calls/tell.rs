//! [`Teller`]: events that bring a consumer's tables up to date, before an event that needs them.
//!
//! Calls that only make or move fds do not stop: what an fd is, and where a process is, is looked up
//! when an event is about it, and told if it is not what was told before. Such events are marked as
//! for the tables only ([`DUMP_STATE_ONLY`]): nobody made these calls now.

use falco_event::net::Endpoint;
use falco_event::raw::DUMP_STATE_ONLY;
use falco_event::{EventBuilder, EventCode};
use falco_proc::Proc;
use falco_proc::held::{Ends, Identity};
use falco_source::snapshot::{FdKind, L4Proto};

use super::processes::{Process, Told};
use super::tuple;
use falco_source::events::Events;

/// `AT_FDCWD`.
const AT_FDCWD: i64 = -100;
/// Portable `O_DIRECTORY`.
const O_DIRECTORY: u32 = 1 << 10;
/// Lowest port that Linux gives to clients (`ip_local_port_range`, by default).
const FIRST_CLIENT_PORT: u16 = 32_768;

/// Tells what one thread has.
pub(super) struct Teller<'a> {
    /// When, and by whom.
    pub(super) at: (u64, i64),
    pub(super) event: &'a mut EventBuilder,
    pub(super) events: &'a mut Events,
    pub(super) proc: &'a mut Proc,
    pub(super) process: &'a mut Process,
}

impl Teller<'_> {
    /// Where the process is, if it may have moved.
    pub(super) fn cwd(&mut self) {
        if !self.process.cwd_is_old {
            return;
        }
        let cwd = self.process.held().and_then(|held| self.proc.cwd(held));
        if let Some(cwd) = cwd {
            self.is_at(&cwd);
        }
    }

    /// The process is at `cwd`.
    pub(super) fn is_at(&mut self, cwd: &[u8]) {
        self.process.cwd_is_old = false;
        if self.process.cwd.as_deref() == Some(cwd) || cwd.is_empty() {
            return;
        }
        self.process.cwd = Some(cwd.into());
        self.push(EventCode::SYSCALL_CHDIR_X, |event| {
            event.i64(0).text(cwd);
        });
    }

    /// What fd `num` is. Of a socket `without_ends`, only its kind: its ends are told next.
    pub(super) fn fd(&mut self, num: i64, without_ends: bool) {
        let Some(held) = self.process.held() else { return };
        let Ok(identity) = held.identity(num) else { return };
        let Some(identity) = identity else {
            if self.process.told(num).is_some() {
                self.process.forget(num);
                self.push(EventCode::SYSCALL_CLOSE_X, |event| {
                    event.i64(0).i64(num);
                });
            }
            return;
        };
        if let Some(told) = self.process.told(num)
            && told.identity == identity
        {
            match &told.link {
                None if identity.has_type => return,
                None => {}
                Some(link) if self.proc.link(held, num) == Some(link) => return,
                Some(_) => {}
            }
        }
        let Some(fd) = self.proc.held_fd(held, num) else { return };
        let link = self.proc.link(held, num).map(Box::from);
        self.process.tell(num, Told { identity, link });
        self.kind(num, fd.ino, &fd.kind, without_ends);
    }

    /// Fd `num` has just been told by an event of its own; which file it is, if that is known.
    pub(super) fn given(&mut self, num: i64, identity: Option<Identity>) {
        let Some(held) = self.process.held() else { return };
        let identity = identity.or_else(|| held.identity(num).ok().flatten());
        let Some(identity) = identity else { return self.process.forget(num) };
        let link = match identity.has_type {
            true => None,
            false => self.proc.link(held, num).map(Box::from),
        };
        self.process.tell(num, Told { identity, link });
    }

    fn kind(&mut self, num: i64, ino: u64, kind: &FdKind, without_ends: bool) {
        match kind {
            FdKind::File { name, open_flags, dev } => self.file(num, name, *open_flags, *dev, ino),
            FdKind::Directory { name } => self.file(num, name, O_DIRECTORY | 1, 0, ino),
            FdKind::Named { scap_type, name } => self.named(num, ino, *scap_type, name),
            // A socket: its family tells more.
            _ => self.socket(num, without_ends),
        }
    }

    fn file(&mut self, num: i64, name: &[u8], flags: u32, dev: u32, ino: u64) {
        self.push(EventCode::SYSCALL_OPENAT_2_X, |event| {
            event.i64(num).i64(AT_FDCWD).text(name).u32(flags).u32(0).u32(dev).u64(ino);
        });
    }

    /// Kinds by the numbers of fd lists (`SCAP_FD_*`).
    fn named(&mut self, num: i64, ino: u64, scap_type: u8, name: &[u8]) {
        match scap_type {
            7 => self.push(EventCode::SYSCALL_PIPE_X, |event| {
                event.i64(0).i64(num).i64(num).u64(ino);
            }),
            9 => self.push(EventCode::SYSCALL_EVENTFD2_X, |event| {
                event.i64(num).u16(0).u64(0);
            }),
            11 => self.push(EventCode::SYSCALL_SIGNALFD4_X, |event| {
                event.i64(num).u16(0).i64(-1).u32(0);
            }),
            12 => self.push(EventCode::SYSCALL_EPOLL_CREATE1_X, |event| {
                event.i64(num).u32(0);
            }),
            13 => self.push(EventCode::SYSCALL_INOTIFY_INIT1_X, |event| {
                event.i64(num).u16(0);
            }),
            14 => self.push(EventCode::SYSCALL_TIMERFD_CREATE_X, |event| {
                event.i64(num).u8(0).u8(0);
            }),
            17 => self.push(EventCode::SYSCALL_BPF_2_X, |event| {
                event.i64(num).u32(0);
            }),
            18 => self.push(EventCode::SYSCALL_USERFAULTFD_X, |event| {
                event.i64(num).u32(0);
            }),
            19 => self.push(EventCode::SYSCALL_IO_URING_SETUP_X, |event| {
                event.i64(num);
                for _ in 0..7 {
                    event.u32(0);
                }
            }),
            20 => self.push(EventCode::SYSCALL_MEMFD_CREATE_X, |event| {
                event.i64(num).text(memfd_name(name)).u32(0);
            }),
            21 => self.push(EventCode::SYSCALL_PIDFD_OPEN_X, |event| {
                event.i64(num).i64(-1).u32(0);
            }),
            _ => self.file(num, name, 0, 0, ino),
        }
    }

    fn socket(&mut self, num: i64, without_ends: bool) {
        let ends = self.process.held_mut().and_then(|held| self.proc.ends(held, num));
        let Some(ends) = ends else {
            // Of another family, or nobody could tell: at least it is no longer what it was.
            let kind = self.process.held().and_then(|held| self.proc.socket_kind(held, num));
            let (domain, ty, protocol) = kind.unwrap_or_default();
            return self.new_socket(num, domain, ty, protocol);
        };
        match &ends {
            Ends::Inet { local, remote, proto, is_datagram, is_listening } => {
                let domain = if local.ip.is_ipv4() { 2 } else { 10 };
                let (ty, protocol) = type_of(*proto, *is_datagram);
                self.new_socket(num, domain, ty, protocol);
                if without_ends {
                    return;
                }
                if *is_listening {
                    self.bound(num, *local);
                } else if remote.port != 0 {
                    self.connected(num, *local, *remote, &ends);
                }
            }
            Ends::Unix { is_connected, is_datagram, .. } => {
                self.new_socket(num, 1, if *is_datagram { 2 } else { 1 }, 0);
                if *is_connected && !without_ends {
                    let mut param = Vec::new();
                    tuple::write(&mut param, &ends, None, tuple::Direction::Connecting);
                    self.push(EventCode::SOCKET_CONNECT_X, |event| {
                        event.i64(0).bytes(&param).i64(num).empty();
                    });
                }
            }
        }
    }

    fn new_socket(&mut self, num: i64, domain: u32, ty: u32, protocol: u32) {
        self.push(EventCode::SOCKET_SOCKET_X, |event| {
            event.i64(num).u32(domain).u32(ty).u32(protocol).u32(0);
        });
    }

    fn bound(&mut self, num: i64, local: Endpoint) {
        let mut param = Vec::new();
        tuple::write_address(&mut param, local);
        self.push(EventCode::SOCKET_BIND_X, |event| {
            event.i64(0).bytes(&param).i64(num);
        });
    }

    /// A connection that was not seen when it was made. Who made it is guessed: servers have the
    /// ports that clients are not given.
    fn connected(&mut self, num: i64, local: Endpoint, remote: Endpoint, ends: &Ends) {
        let is_server = local.port < FIRST_CLIENT_PORT && remote.port >= FIRST_CLIENT_PORT;
        let is_stream = matches!(ends, Ends::Inet { proto: L4Proto::Tcp, .. });
        let mut param = Vec::new();
        if is_server && is_stream {
            tuple::write(&mut param, ends, None, tuple::Direction::Incoming);
            self.push(EventCode::SOCKET_ACCEPT_5_X, |event| {
                event.i64(num).bytes(&param).u8(0).u32(0).u32(0);
            });
        } else {
            tuple::write(&mut param, ends, None, tuple::Direction::Connecting);
            self.push(EventCode::SOCKET_CONNECT_X, |event| {
                event.i64(0).bytes(&param).i64(num).empty();
            });
        }
    }

    fn push(&mut self, code: EventCode, fill: impl FnOnce(&mut EventBuilder)) {
        fill(self.event.start(self.at.0, self.at.1, code));
        // Names have been cut where they were read.
        if let Ok(event) = self.event.finish(0, DUMP_STATE_ONLY) {
            self.events.append(&event);
        }
    }
}

/// `type` and `protocol` of socket(2).
fn type_of(proto: L4Proto, is_datagram: bool) -> (u32, u32) {
    match proto {
        L4Proto::Tcp => (1, 6),
        L4Proto::Udp => (2, 17),
        L4Proto::Icmp => (2, 1),
        L4Proto::Raw => (3, 255),
        _ if is_datagram => (2, 0),
        _ => (1, 0),
    }
}

/// The name that memfd_create(2) was given, of the link's text.
fn memfd_name(link: &[u8]) -> &[u8] {
    let name = link.strip_suffix(b" (deleted)").unwrap_or(link);
    name.strip_prefix(b"/memfd:").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memfds_have_the_name_that_they_were_given() {
        assert_eq!(memfd_name(b"/memfd:x y (deleted)"), b"x y");
        assert_eq!(memfd_name(b"/memfd:"), b"");
    }
}
