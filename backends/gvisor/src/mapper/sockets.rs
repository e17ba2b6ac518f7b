//! System calls on sockets. gVisor tells what programs pass and what accept(2) gives them; the ends of
//! connections that nobody names are unknown. Where a socket was bound is remembered, so that what it
//! accepts has a local end.

use std::sync::Arc;

use falco_event::EventCode;
use falco_event::portable;

use super::addresses::{Address, tuple};
use super::calls::O_CLOEXEC;
use super::tables::Process;
use super::{At, Mapper};
use crate::message::Message;
use crate::proto::{Accept, Connect};
use falco_source::events::Events;

/// Most bound sockets of a process that are remembered.
const MAX_BOUND: usize = 16;
const EINPROGRESS: i64 = 115;
/// Number of accept(2) on x86-64; accept4(2) is the other.
const NR_ACCEPT: u64 = 43;
const SOCK_STREAM: u32 = 1;
/// The type in a socket's type, which has flags, too.
const SOCK_TYPE_MASK: i32 = 0xf;

impl Mapper {
    pub(super) fn socket_call(&mut self, message: &Message, res: i64, at: At, out: &mut Events) {
        use EventCode as E;
        match message {
            Message::Socket(m) => {
                let ty = m.r#type as u32;
                self.made(res, ty & O_CLOEXEC != 0, at);
                self.tell(out, at, E::SOCKET_SOCKET_X, |b| {
                    b.i64(res).u32(portable::socket_family(m.domain as u32)).u32(ty);
                    b.u32(m.protocol as u32).u32(portable::nonblock_cloexec(ty));
                });
            }
            Message::SocketPair(m) => {
                let ty = m.r#type as u32;
                let [first, second] = self.pair_opened([m.socket1, m.socket2], ty, res, at);
                self.tell(out, at, E::SOCKET_SOCKETPAIR_X, |b| {
                    // Addresses in the kernel are not told.
                    b.i64(res).i64(first).i64(second).u64(0).u64(0);
                    b.u32(portable::socket_family(m.domain as u32)).u32(ty).u32(m.protocol as u32);
                });
            }
            Message::Bind(m) => {
                let (fd, address) = (i64::from(m.fd), Address::read(&m.address));
                self.make_socket(fd, address.as_ref(), 0, at, out);
                if res >= 0
                    && let Some(address) = &address
                {
                    self.bind(fd, address, at);
                }
                self.tell(out, at, E::SOCKET_BIND_X, |b| {
                    b.i64(res).bytes(address.as_ref().map_or(&[], Address::param)).i64(fd);
                });
            }
            Message::Listen(m) => {
                let (fd, address) = (i64::from(m.fd), Address::read(&m.address));
                let ty = (m.socket_type & SOCK_TYPE_MASK) as u32;
                self.make_socket(fd, address.as_ref(), ty, at, out);
                if let Some(address) = &address {
                    self.bind(fd, address, at);
                }
                self.tell(out, at, E::SOCKET_LISTEN_X, |b| {
                    b.i64(res).i64(fd).bytes(&m.backlog.to_le_bytes());
                });
            }
            Message::Connect(m) => self.connected(m, res, at, out),
            Message::Accept(m) => self.accepted(m, res, at, out),
            _ => {}
        }
    }

    fn connected(&mut self, connect: &Connect, res: i64, at: At, out: &mut Events) {
        let asked = self.asked(connect.sysno, at);
        let address = Address::read(asked.as_deref().unwrap_or(&connect.address));
        self.make_socket(connect.fd, address.as_ref(), 0, at, out);
        let own = self.bound_to(connect.fd, at);
        let ends = match &address {
            Some(to) if res >= 0 || res == -EINPROGRESS => tuple(own.as_ref(), Some(to)),
            _ => Vec::new(),
        };
        self.tell(out, at, EventCode::SOCKET_CONNECT_X, |b| {
            b.i64(res).bytes(&ends).i64(connect.fd);
            b.bytes(address.as_ref().map_or(&[], Address::param));
        });
    }

    fn accepted(&mut self, accept: &Accept, res: i64, at: At, out: &mut Events) {
        let flags = accept.flags as u32;
        let peer = Address::read(&accept.address).filter(|_| res >= 0);
        let own = self.bound_to(accept.fd.into(), at).filter(|_| res >= 0);
        // Nobody asked for the peer's address, or a Unix socket's has none.
        let peer = peer.or_else(|| own.as_ref().and_then(|own| Address::none(own.family())));
        let ends = peer.map_or_else(Vec::new, |peer| match &own {
            Some(own) if own.family() == peer.family() => tuple(Some(&peer), Some(own)),
            _ => tuple(Some(&peer), None),
        });
        self.made(res, flags & O_CLOEXEC != 0, at);
        let is_plain = accept.sysno == NR_ACCEPT;
        let code =
            if is_plain { EventCode::SOCKET_ACCEPT_5_X } else { EventCode::SOCKET_ACCEPT4_6_X };
        self.tell(out, at, code, |b| {
            // How many wait is not told.
            b.i64(res).bytes(&ends).u8(0).u32(0).u32(0);
            if !is_plain {
                b.u32(portable::nonblock_cloexec(flags));
            }
        });
    }

    /// Tells of a socket that was made before we looked, once its family shows. If its type (0) is not
    /// told it is taken for a stream: most that are bound or connected are.
    fn make_socket(
        &mut self,
        fd: i64,
        address: Option<&Address>,
        ty: u32,
        at: At,
        out: &mut Events,
    ) {
        let Some(address) = address else { return };
        let Some(process) = self.tables.processes.get_mut(&at.pid) else { return };
        if fd < 0 || process.fds.knows(fd) {
            return;
        }
        process.fds.open(fd, false);
        self.correct(out, at, EventCode::SOCKET_SOCKET_X, |b| {
            b.i64(fd).u32(address.family().into()).u32(ty.max(SOCK_STREAM)).u32(0).u32(0);
        });
    }

    fn bound_to(&self, fd: i64, at: At) -> Option<Address> {
        let bound = &self.tables.processes.get(&at.pid)?.bound;
        bound.iter().find(|(bound, _)| *bound == fd).and_then(|(_, address)| Address::kept(address))
    }

    fn bind(&mut self, fd: i64, address: &Address, at: At) {
        let kept = self.tables.meter.keep(address.param());
        let Some(process) = self.tables.processes.get_mut(&at.pid) else { return };
        process.unbind(fd);
        if process.bound.len() < MAX_BOUND {
            process.bound.push((fd, Arc::new(kept)));
        }
    }
}

impl Process {
    /// Forgets where a socket was bound.
    pub(super) fn unbind(&mut self, fd: i64) {
        self.bound.retain(|&(bound, _)| bound != fd);
    }

    /// `new` is what `old` is.
    pub(super) fn duplicate(&mut self, old: i64, new: i64, cloexec: bool) {
        self.unbind(new);
        let bound = self.bound.iter().find(|&&(bound, _)| bound == old).cloned();
        if let (Some((_, address)), true) = (bound, self.bound.len() < MAX_BOUND) {
            self.bound.push((new, address));
        }
        if self.fds.knows(old) {
            self.fds.open(new, cloexec);
        } else {
            // The tables cannot copy what they do not know: its path has to tell.
            self.fds.close(new);
        }
    }
}
