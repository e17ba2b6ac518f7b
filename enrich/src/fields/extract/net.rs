//! Class `fd`: addresses and ports of sockets.

use std::net::IpAddr;

use falco_event::net::Endpoint;
use falco_rules::value::Value;
use falco_source::ids::is_of_host;

use super::{boolean, made, text, uint};
use crate::context::Context;
use crate::fd::{Fd as OpenFd, FdType, Socket};
use crate::fields::table::Fd;

impl<'a> Context<'a> {
    pub(super) fn net_field(&self, field: Fd, fd: &OpenFd) -> Option<Value<'a>> {
        match field {
            // Only candidates are compared; that there is a descriptor makes the field exist.
            Fd::Ip | Fd::Net => Some(Value::List(Vec::new())),
            Fd::Port | Fd::Proto => Some(Value::List(Vec::new())),
            Fd::Cip | Fd::Cnet => self.known(client(fd)?).map(ip),
            Fd::Sip | Fd::Snet => self.known(server(fd)?).map(ip),
            Fd::Lip | Fd::Lnet => self.local(fd).map(ip),
            Fd::Rip | Fd::Rnet => self.remote(fd).map(ip),
            Fd::Cport => uint(self.known(client(fd)?)?.port),
            Fd::Sport => uint(self.known(server_port(fd)?)?.port),
            Fd::Lport => uint(self.local(fd)?.port),
            Fd::Rport => uint(self.remote(fd)?.port),
            Fd::Cproto => match client(fd).and_then(|end| self.known(end)) {
                Some(end) => service(end.port),
                // A socket with a role that is no connection has an empty service.
                None if !fd.has_no_role() => text(b""),
                None => None,
            },
            Fd::Sproto => match (server_port(fd)?, &fd.socket) {
                (end, Socket::Inet { .. }) => service(end.port),
                _ => text(b""),
            },
            Fd::Lproto => service(self.local(fd)?.port),
            Fd::Rproto => service(self.remote(fd)?.port),
            Fd::IsServer => boolean(match (fd.ty, &fd.socket) {
                (FdType::Ipv4Server | FdType::Ipv6Server, _) => true,
                (FdType::Ipv4 | FdType::Ipv6, Socket::Inet { dst, .. }) => self.is_local(dst.ip),
                _ => false,
            }),
            Fd::CipName | Fd::SipName | Fd::LipName | Fd::RipName => {
                let names = self.state.host_names.as_ref()?;
                made(names.first_of(self.named_end(field, fd)?.ip)?)
            }
            _ => None,
        }
    }

    /// An end of a socket, unless it is one that nobody told of. gVisor tells the addresses that a
    /// call was given, never those that a sandbox's kernel chose: the own end of a connection is
    /// 0.0.0.0:0 then, as in Falco's engine. But rules ask with `fd.ip != "0.0.0.0"` whether a socket
    /// is connected at all, and so would report no connection of any sandbox. On the host, where
    /// this address is a fact, everything is as Falco has it.
    fn known(&self, end: Endpoint) -> Option<Endpoint> {
        let is_unknown = end.port == 0 && end.ip.is_unspecified() && !is_of_host(self.event.tid());
        (!is_unknown).then_some(end)
    }

    /// Offers both ends of the event's socket, or the one that it has.
    pub(super) fn any_end(&self, field: Fd, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        let Some(fd) = self.fd() else { return false };
        let mut offer = |end: Endpoint| match (self.known(end), field) {
            (None, _) => false,
            (Some(end), Fd::Port | Fd::Proto) => test(&Value::Uint(u64::from(end.port))),
            (Some(end), _) => test(&ip(end)),
        };
        match (fd.ty, &fd.socket) {
            (FdType::Ipv4 | FdType::Ipv6, &Socket::Inet { src, dst, .. }) => {
                offer(src) || offer(dst)
            }
            (FdType::Ipv4Server | FdType::Ipv6Server, &Socket::InetServer { local, .. }) => {
                offer(local)
            }
            _ => false,
        }
    }

    /// Offers the address whose name is asked for (`fd.cip.name` …), and its names.
    pub(super) fn any_name(&self, field: Fd, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        let Some(fd) = self.fd() else { return false };
        let Some(end) = self.named_end(field, fd) else { return false };
        // A bound socket has names, but Falco compares addresses of connections only.
        if connection(fd).is_some() && test(&ip(end)) {
            return true;
        }
        let Some(names) = &self.state.host_names else { return false };
        names.any_of(end.ip, |name| test(&Value::text(name)))
    }

    /// The end whose name is asked for.
    fn named_end(&self, field: Fd, fd: &OpenFd) -> Option<Endpoint> {
        match field {
            Fd::CipName => self.known(client(fd)?),
            Fd::SipName => self.known(server(fd)?),
            Fd::LipName => self.local(fd),
            Fd::RipName => self.remote(fd),
            _ => None,
        }
    }

    fn local(&self, fd: &OpenFd) -> Option<Endpoint> {
        self.known(self.local_remote(fd)?.0)
    }

    fn remote(&self, fd: &OpenFd) -> Option<Endpoint> {
        self.known(self.local_remote(fd)?.1)
    }

    /// The ends of a connection, this host's first: the client's if it has an address of this
    /// host, otherwise the server's. The end that a sandbox does not know is its own.
    fn local_remote(&self, fd: &OpenFd) -> Option<(Endpoint, Endpoint)> {
        let (src, dst) = connection(fd)?;
        let is_src = self.known(src).is_none() || self.is_local(src.ip);
        Some(if is_src { (src, dst) } else { (dst, src) })
    }

    /// Whether an address is one of this host's interfaces. For IPv6 the network part is enough.
    /// A container's addresses come with its metadata: without them, none is local to it.
    fn is_local(&self, ip: IpAddr) -> bool {
        if self.thread.is_some_and(|thread| !thread.record.container_id.is_empty()) {
            return false;
        }
        self.state.interfaces().iter().any(|interface| match (interface.addr, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => own == ip,
            (IpAddr::V6(own), IpAddr::V6(ip)) => own.segments()[..4] == ip.segments()[..4],
            _ => false,
        })
    }
}

fn ip<'a>(end: Endpoint) -> Value<'a> {
    Value::Ip(end.ip)
}

fn service<'a>(port: u16) -> Option<Value<'a>> {
    made(port.to_string())
}

/// Both ends of a connection of which it is known who is the client.
fn connection(fd: &OpenFd) -> Option<(Endpoint, Endpoint)> {
    match (fd.ty, &fd.socket) {
        (FdType::Ipv4 | FdType::Ipv6, &Socket::Inet { src, dst, .. }) if !fd.has_no_role() => {
            Some((src, dst))
        }
        _ => None,
    }
}

fn client(fd: &OpenFd) -> Option<Endpoint> {
    connection(fd).map(|(src, _)| src)
}

/// The server's end: that of a connection, or a bound one that has a role.
fn server(fd: &OpenFd) -> Option<Endpoint> {
    server_port(fd).filter(|_| !fd.has_no_role())
}

/// As [`server`]; for the port a bound socket needs no role.
fn server_port(fd: &OpenFd) -> Option<Endpoint> {
    match (fd.ty, &fd.socket) {
        (FdType::Ipv4Server | FdType::Ipv6Server, Socket::InetServer { local, .. }) => Some(*local),
        _ => connection(fd).map(|(_, dst)| dst),
    }
}
