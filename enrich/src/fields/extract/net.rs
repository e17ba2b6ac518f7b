//! Class `fd`: addresses and ports of sockets.

use std::net::IpAddr;

use falco_event::net::Endpoint;
use falco_rules::value::Value;

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
            Fd::Cip | Fd::Cnet => client(fd).map(ip),
            Fd::Sip | Fd::Snet => server(fd).map(ip),
            Fd::Lip | Fd::Lnet => self.local_remote(fd).map(|(local, _)| ip(local)),
            Fd::Rip | Fd::Rnet => self.local_remote(fd).map(|(_, remote)| ip(remote)),
            Fd::Cport => uint(client(fd)?.port),
            Fd::Sport => uint(server_port(fd)?.port),
            Fd::Lport => uint(self.local_remote(fd)?.0.port),
            Fd::Rport => uint(self.local_remote(fd)?.1.port),
            Fd::Cproto => match client(fd) {
                Some(end) => service(end.port),
                // A socket with a role that is no connection has an empty service.
                None if !fd.has_no_role() => text(b""),
                None => None,
            },
            Fd::Sproto => match (server_port(fd)?, &fd.socket) {
                (end, Socket::Inet { .. }) => service(end.port),
                _ => text(b""),
            },
            Fd::Lproto => service(self.local_remote(fd)?.0.port),
            Fd::Rproto => service(self.local_remote(fd)?.1.port),
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

    /// Offers both ends of the event's socket, or the one that it has.
    pub(super) fn any_end(&self, field: Fd, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        let Some(fd) = self.fd() else { return false };
        let mut offer = |end: Endpoint| match field {
            Fd::Port | Fd::Proto => test(&Value::Uint(u64::from(end.port))),
            _ => test(&ip(end)),
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
            Fd::CipName => client(fd),
            Fd::SipName => server(fd),
            Fd::LipName => self.local_remote(fd).map(|(local, _)| local),
            Fd::RipName => self.local_remote(fd).map(|(_, remote)| remote),
            _ => None,
        }
    }

    /// The ends of a connection, this host's first: the client's if it has an address of this
    /// host, otherwise the server's.
    fn local_remote(&self, fd: &OpenFd) -> Option<(Endpoint, Endpoint)> {
        let (src, dst) = connection(fd)?;
        Some(if self.is_local(src.ip) { (src, dst) } else { (dst, src) })
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
