//! Sockets: their making, naming, connection and roles.
//!
//! Where Falco keeps the ends of a socket in overlapping memory, an end that is told in one family
//! and read in another loses its transport; rules see `<unknown>` and `<NA>` there. The same comes
//! out here, without the garbage that overlapping memory can also show.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_event::EventCode;
use falco_event::net::{Endpoint, SockAddr, SockTuple};
use falco_source::snapshot::L4Proto;

use super::Parser;
use super::control::passed_fds;
use super::sockname::{connection, mapped, mapped_pair, push_unix, sockaddr, socktuple};
use crate::fd::{Fd, FdFlags, FdType, Socket, open_flags};
use crate::record::bytes;
use crate::state::interfaces::complete_ends;

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_NETLINK: u32 = 16;
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;
const SOCK_RAW: u32 = 3;
const IPPROTO_UDP: u32 = 17;
const EINPROGRESS: i64 = 115;

/// Which way data went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Parser<'_, '_> {
    pub(super) fn socket(&mut self) {
        let Some(num) = self.returned_fd() else { return };
        let fd = new_socket(self.u32(1), self.u32(2), self.u32(3), self.u32(4));
        self.add_fd(num, fd);
    }

    pub(super) fn socketpair(&mut self) {
        if self.failed() || self.thread.is_none() {
            return;
        }
        let (Some(fd1), Some(fd2)) = (self.event.i64(1), self.event.i64(2)) else { return };
        self.fd = None;
        if fd1 == fd2 {
            return;
        }
        let mut fd = Fd::new(FdType::Unix);
        let (src, dst) = (self.event.u64(3).unwrap_or(0), self.event.u64(4).unwrap_or(0));
        fd.socket = Socket::Unix { src, dst };
        self.add_fd(fd1, fd.clone());
        let first = self.fd;
        self.add_fd(fd2, fd);
        self.fd = first;
    }

    pub(super) fn bind(&mut self) {
        if self.failed() {
            return;
        }
        let param = self.event.param(1).unwrap_or_default();
        let Some(addr) = SockAddr::decode(param) else { return };
        let Some(fd) = self.fd_mut() else { return };
        // A port is bound to be listened on; without one, the kernel will choose at connect.
        if let SockAddr::Inet(end) = addr
            && end.port > 0
        {
            let local = mapped(end.ip).map_or(end, |ip| Endpoint { ip: ip.into(), ..end });
            fd.ty = if local.ip.is_ipv4() { FdType::Ipv4Server } else { FdType::Ipv6Server };
            fd.socket = Socket::InetServer { local, proto: fd.l4proto };
            fd.flags |= FdFlags::ROLE_SERVER;
        }
        self.rename(&sockaddr(param));
    }

    pub(super) fn connect(&mut self) {
        let res = self.res().unwrap_or(0);
        if self.fd_ref().is_none() || (res < 0 && res != -EINPROGRESS) {
            return;
        }
        self.mark_connected();
        self.with_enter(|parser, enter| {
            let asked = enter.and_then(|enter| SockAddr::decode(enter.param(1)?));
            let param = parser.event.param(1).unwrap_or_default();
            if param.is_empty() {
                // TCP fast open tells no tuple.
                if let Some(asked) = asked {
                    parser.connect_to(asked);
                }
                return;
            }
            let Some(tuple) = SockTuple::decode(param) else { return };
            let given = parser.event.param(3).and_then(SockAddr::decode);
            parser.connect_as(tuple, given.zip(asked));
        });
    }

    /// A connection of which only the destination is known.
    fn connect_to(&mut self, to: SockAddr<'_>) {
        let Some(fd) = self.fd_mut() else { return };
        match to {
            SockAddr::Inet(end) => {
                let dst = mapped(end.ip).map_or(end, |ip| Endpoint { ip: ip.into(), ..end });
                let src = match fd.socket {
                    Socket::Inet { src, .. } if src.ip.is_ipv4() == dst.ip.is_ipv4() => src,
                    _ => unspecified(dst.ip),
                };
                let proto = proto_as(fd, dst.ip);
                fd.ty = if dst.ip.is_ipv4() { FdType::Ipv4 } else { FdType::Ipv6 };
                fd.socket = Socket::Inet { src, dst, proto };
            }
            SockAddr::Unix(_) | SockAddr::Other(_) => self.rename(b"NULL"),
        }
    }

    /// A connection with both its ends. `asked` is the address that the program gave, as it stood
    /// after the call and before: where the kernel's own destination is that of after the call, it
    /// may have been changed in the meantime (TOCTOU), and that of before is what was used.
    fn connect_as(&mut self, tuple: SockTuple<'_>, asked: Option<(SockAddr<'_>, SockAddr<'_>)>) {
        let Some(fd) = self.fd_mut() else { return };
        match tuple {
            SockTuple::Inet { src, dst } => {
                let dst = match asked {
                    Some((SockAddr::Inet(after), SockAddr::Inet(before)))
                        if after == dst && before.ip.is_ipv4() == dst.ip.is_ipv4() =>
                    {
                        before
                    }
                    _ => dst,
                };
                let (src, dst) = mapped_pair(src, dst).unwrap_or((src, dst));
                let changed = set_ends(fd, src, dst, proto_as(fd, src.ip));
                if changed && fd.flags.contains(FdFlags::ROLE_SERVER) && is_v4(fd, L4Proto::Udp) {
                    swap_ends(fd);
                }
                let name = connection(fd.ty, &fd.socket);
                self.rename(&name);
            }
            SockTuple::Unix { src, dst, path } if fd.ty == FdType::Unix => {
                let path = match asked {
                    Some((SockAddr::Unix(after), SockAddr::Unix(before))) if after == path => {
                        before
                    }
                    _ => path,
                };
                fd.socket = Socket::Unix { src, dst };
                let mut name = Vec::new();
                push_unix(&mut name, src, dst, path);
                self.rename(&name);
            }
            SockTuple::Unix { .. } | SockTuple::Other(_) => return,
        }
        if let Some(fd) = self.fd_mut().filter(|fd| fd.has_no_role()) {
            fd.flags |= FdFlags::ROLE_CLIENT;
        }
    }

    pub(super) fn accept(&mut self) {
        let Some(num) = self.returned_fd() else { return };
        if let Some(thread) = self.thread_mut() {
            thread.lastevent_fd = num;
        }
        let param = self.event.param(1).unwrap_or_default();
        let (ty, socket) = match SockTuple::decode(param) {
            Some(SockTuple::Inet { src, dst }) => {
                let (src, dst) = mapped_pair(src, dst).unwrap_or((src, dst));
                let ty = if src.ip.is_ipv4() { FdType::Ipv4 } else { FdType::Ipv6 };
                (ty, Socket::Inet { src, dst, proto: L4Proto::Tcp })
            }
            Some(SockTuple::Unix { src, dst, .. }) => (FdType::Unix, Socket::Unix { src, dst }),
            Some(SockTuple::Other(_)) | None => return,
        };
        let mut fd = Fd::named(ty, bytes(&socktuple(param)));
        fd.socket = socket;
        fd.l4proto = socket.proto();
        fd.flags = FdFlags::ROLE_SERVER | FdFlags::CONNECTED;
        if self.event.code() == EventCode::SOCKET_ACCEPT4_6_X {
            fd.open_flags = self.u32(5) & open_flags::CLOEXEC;
        }
        self.add_fd(num, fd);
    }

    pub(super) fn read(&mut self) {
        let tuple = match self.event.code() {
            EventCode::SOCKET_RECVFROM_X => Some(2),
            EventCode::SOCKET_RECVMSG_X => Some(3),
            EventCode::SOCKET_RECVMMSG_X | EventCode::SOCKET_RECV_X => Some(4),
            _ => None,
        };
        self.transfer(tuple, Way::In);
        let control = match self.event.code() {
            EventCode::SOCKET_RECVMSG_X => 4,
            EventCode::SOCKET_RECVMMSG_X => 5,
            _ => return,
        };
        if self.state.has_host() {
            self.take_passed_fds(control);
        }
    }

    /// Takes the fds that came with a message over a unix socket. The event tells their numbers; what
    /// they are only the host knows.
    fn take_passed_fds(&mut self, control: usize) {
        let (Some(slot), false) = (self.thread, self.failed()) else { return };
        let is_unix = self.fd_ref().is_none_or(|fd| fd.ty == FdType::Unix);
        let Some(control) = self.event.param(control).filter(|_| is_unix) else { return };
        self.state.ask_about_fds(slot, passed_fds(control));
    }

    pub(super) fn write(&mut self) {
        let tuple = match self.event.code() {
            EventCode::SOCKET_SEND_X | EventCode::SOCKET_SENDTO_X | EventCode::SOCKET_SENDMSG_X => {
                self.infer_socket();
                Some(4)
            }
            EventCode::SOCKET_SENDMMSG_X => Some(4),
            _ => None,
        };
        self.transfer(tuple, Way::Out);
    }

    /// Data that went over an fd: a socket is connected then, and a datagram may tell new ends.
    fn transfer(&mut self, tuple: Option<usize>, way: Way) {
        // Old recvmmsg and sendmmsg events tell nothing, not even a result.
        if self.failed() || self.is_empty(0) {
            return;
        }
        let Some(fd) = self.fd_ref() else { return };
        let open = fd.name.is_empty() || !is_v4(fd, L4Proto::Tcp);
        if fd.is_inet() && !fd.flags.contains(FdFlags::CONNECTED) {
            self.mark_connected();
        }
        if let (Some(param), true) = (tuple.and_then(|at| self.event.param(at)), open) {
            self.take_tuple(param, way);
        }
    }

    /// A socket that sends without ever having been made: its making was lost. Most that send so
    /// are UDP.
    fn infer_socket(&mut self) {
        if self.fd_ref().is_some() || self.thread.is_none() || self.failed() {
            return;
        }
        let Some(num) = self.event.i64(2) else { return };
        let family = self.event.param(4).and_then(|tuple| tuple.first().copied());
        if let Some(family @ (falco_event::net::AF_INET | falco_event::net::AF_INET6)) = family {
            self.add_fd(num, new_socket(family.into(), SOCK_DGRAM, IPPROTO_UDP, 0));
        }
    }

    /// Takes the ends that came with data. For incoming data the source is the peer.
    fn take_tuple(&mut self, param: &[u8], way: Way) {
        let Some(tuple) = SockTuple::decode(param) else { return };
        let Some((owner, num)) = self.fd else { return };
        let found = self.state.threads.get(owner).and_then(|thread| thread.fds.get(num));
        let Some(mut fd) = found.cloned() else { return };
        let news = match tuple {
            SockTuple::Inet { src, dst } => take_ends(&mut fd, src, dst),
            SockTuple::Unix { src, dst, path } => {
                let socket = Socket::Unix { src, dst };
                let news = fd.socket != socket || path_of(&fd.name) != Some(path);
                fd.ty = FdType::Unix;
                fd.socket = socket;
                news
            }
            SockTuple::Other(_) => true,
        };
        if !news {
            return;
        }
        complete_ends(&mut fd.socket, &self.state.interfaces);
        let name = if fd.is_inet() {
            if fd.has_no_role() {
                // Servers begin with a read. IPv6 sockets of unknown role are not guessed.
                let server = fd.ty == FdType::Ipv4 && way == Way::In;
                fd.flags |= if server { FdFlags::ROLE_SERVER } else { FdFlags::ROLE_CLIENT };
            }
            // The tuple has the sender first, the name the client.
            let sender = match way {
                Way::In => FdFlags::ROLE_CLIENT,
                Way::Out => FdFlags::ROLE_SERVER,
            };
            if fd.flags.contains(sender) {
                swap_ends(&mut fd);
            }
            connection(fd.ty, &fd.socket)
        } else {
            socktuple(param)
        };
        if let Some(place) = self.fd_mut() {
            *place = fd;
        }
        self.rename(&name);
    }

    fn mark_connected(&mut self) {
        if let Some(fd) = self.fd_mut() {
            fd.flags |= FdFlags::CONNECTED;
        }
    }

    /// Names the event's fd anew.
    fn rename(&mut self, name: &[u8]) {
        let Some(fd) = self.fd_mut() else { return };
        if *fd.name != *name {
            fd.name = bytes(name);
            self.name_changed = true;
        }
    }
}

/// A socket as socket(2) makes it.
fn new_socket(domain: u32, ty: u32, protocol: u32, flags: u32) -> Fd {
    let mut fd = Fd::new(match domain {
        AF_UNIX => FdType::Unix,
        AF_INET => FdType::Ipv4,
        AF_INET6 => FdType::Ipv6,
        AF_NETLINK => FdType::Netlink,
        _ => FdType::Unknown,
    });
    fd.open_flags = flags;
    if fd.is_inet() {
        let raw = |proto| if ty == SOCK_RAW { L4Proto::Raw } else { proto };
        // The low byte of the type is the type, above it are flags.
        let proto = match (protocol, ty & 0xff) {
            (1, _) => raw(L4Proto::Icmp),
            (6, _) => raw(L4Proto::Tcp),
            (IPPROTO_UDP, _) => raw(L4Proto::Udp),
            (0, SOCK_STREAM) => L4Proto::Tcp,
            (0, SOCK_DGRAM) => L4Proto::Udp,
            (255, _) => L4Proto::Raw,
            _ => L4Proto::Unknown,
        };
        let none = unspecified(if domain == AF_INET {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        });
        fd.l4proto = proto;
        fd.socket = Socket::Inet { src: none, dst: none, proto };
    }
    fd
}

/// No address, of the family of `like`.
fn unspecified(like: IpAddr) -> Endpoint {
    let ip = match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    Endpoint { ip, port: 0 }
}

/// The transport of a socket once it has ends of the family of `ip`: lost when an IPv6 socket
/// turns out to talk IPv4.
fn proto_as(fd: &Fd, ip: IpAddr) -> L4Proto {
    match (fd.ty, ip) {
        (FdType::Ipv4 | FdType::Ipv4Server, IpAddr::V4(_)) => fd.socket.proto(),
        (FdType::Ipv6 | FdType::Ipv6Server, IpAddr::V6(_)) => fd.l4proto,
        _ => L4Proto::Unknown,
    }
}

fn is_v4(fd: &Fd, proto: L4Proto) -> bool {
    fd.ty == FdType::Ipv4 && fd.socket.proto() == proto
}

/// Sets both ends; whether they are new. The same ends the other way round are not.
fn set_ends(fd: &mut Fd, src: Endpoint, dst: Endpoint, proto: L4Proto) -> bool {
    let ty = if src.ip.is_ipv4() { FdType::Ipv4 } else { FdType::Ipv6 };
    if let Socket::Inet { src: a, dst: b, .. } = fd.socket
        && fd.ty == ty
        && ((a, b) == (src, dst) || (a, b) == (dst, src))
    {
        return false;
    }
    fd.ty = ty;
    fd.socket = Socket::Inet { src, dst, proto };
    true
}

/// Takes the ends that came with data; whether they are new.
fn take_ends(fd: &mut Fd, src: Endpoint, dst: Endpoint) -> bool {
    let pair = mapped_pair(src, dst);
    if pair.is_none() && src.ip.is_ipv6() && fd.ty == FdType::Ipv6Server {
        // A bound IPv6 socket stays one, with the peer's address for its own.
        let local = Endpoint { ip: src.ip, port: 0 };
        fd.socket = Socket::InetServer { local, proto: L4Proto::Unknown };
        return true;
    }
    let (src, dst) = pair.unwrap_or((src, dst));
    // A transport that is still unknown is UDP: TCP cannot get new ends.
    let proto = match proto_as(fd, src.ip) {
        L4Proto::Unknown => L4Proto::Udp,
        proto => proto,
    };
    set_ends(fd, src, dst, proto)
}

fn swap_ends(fd: &mut Fd) {
    if let Socket::Inet { src, dst, .. } = &mut fd.socket {
        std::mem::swap(src, dst);
    }
}

/// The path in the name of a unix connection (`src->dst path`).
fn path_of(name: &[u8]) -> Option<&[u8]> {
    let at = name.iter().position(|&b| b == b' ')?;
    name.get(at + 1..)
}
