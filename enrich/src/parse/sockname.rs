//! Names of sockets: `10.0.0.1:34567->10.0.0.2:80`, `0.0.0.0:80`, `ff11->ff22 /run/x.sock`.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_event::net::{AF_INET, AF_INET6, AF_UNIX, Endpoint, SockAddr, SockTuple};
use falco_source::snapshot::L4Proto;

use crate::fd::{FdType, Socket};

/// The IPv4 address that an IPv6 one stands for. The unspecified one counts as IPv4, too.
pub(crate) fn mapped(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) if ip.is_unspecified() => Some(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(ip) => ip.to_ipv4_mapped(),
    }
}

/// Both ends as IPv4, if both are IPv4 in IPv6 clothes.
pub(crate) fn mapped_pair(src: Endpoint, dst: Endpoint) -> Option<(Endpoint, Endpoint)> {
    let end = |e: Endpoint| Some(Endpoint { ip: mapped(e.ip)?.into(), port: e.port });
    Some((end(src)?, end(dst)?))
}

/// Appends an address as inet_ntop(3) writes it.
pub(crate) fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    let written = match ip {
        IpAddr::V4(ip) => write!(out, "{ip}"),
        IpAddr::V6(ip) => match compatible(ip) {
            Some(v4) => write!(out, "::{v4}"),
            None => write!(out, "{ip}"),
        },
    };
    // Writing to a Vec does not fail.
    written.unwrap_or_default();
}

/// The address of `::a.b.c.d`, which inet_ntop(3) writes so and Rust does not.
fn compatible(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.octets() {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] if a != 0 || b != 0 => {
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

/// Appends `address:port`.
pub(crate) fn push_endpoint(out: &mut Vec<u8>, end: Endpoint) {
    push_ip(out, end.ip);
    write!(out, ":{}", end.port).unwrap_or_default();
}

fn push_pair(out: &mut Vec<u8>, src: Endpoint, dst: Endpoint) {
    push_endpoint(out, src);
    out.extend_from_slice(b"->");
    push_endpoint(out, dst);
}

/// The name of a connection, by its ends and transport.
pub(crate) fn connection(ty: FdType, socket: &Socket) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    let Socket::Inet { src, dst, proto } = *socket else { return out };
    match proto {
        L4Proto::Tcp | L4Proto::Udp => push_pair(&mut out, src, dst),
        L4Proto::Icmp => push_addresses(&mut out, src, dst),
        L4Proto::Raw if ty == FdType::Ipv4 => push_addresses(&mut out, src, dst),
        _ => out.extend_from_slice(b"<unknown>"),
    }
    out
}

fn push_addresses(out: &mut Vec<u8>, src: Endpoint, dst: Endpoint) {
    push_ip(out, src.ip);
    out.extend_from_slice(b"->");
    push_ip(out, dst.ip);
}

/// The text of a socket address parameter.
pub(crate) fn sockaddr(param: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match SockAddr::decode(param) {
        Some(SockAddr::Inet(end)) => push_endpoint(&mut out, end),
        Some(SockAddr::Unix(path)) => out.extend_from_slice(path),
        Some(SockAddr::Other(family)) => write!(out, "family {family}").unwrap_or_default(),
        None => out.extend_from_slice(invalid(param, b"<NA>")),
    }
    out
}

/// The text of a socket tuple parameter.
pub(crate) fn socktuple(param: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    match SockTuple::decode(param) {
        Some(SockTuple::Inet { src, dst }) => {
            let (src, dst) = mapped_pair(src, dst).unwrap_or((src, dst));
            push_pair(&mut out, src, dst);
        }
        Some(SockTuple::Unix { src, dst, path }) => push_unix(&mut out, src, dst, path),
        Some(SockTuple::Other(family)) => write!(out, "family {family}").unwrap_or_default(),
        None => out.extend_from_slice(invalid(param, b"NULL")),
    }
    out
}

/// Appends the name of a unix connection.
pub(crate) fn push_unix(out: &mut Vec<u8>, src: u64, dst: u64, path: &[u8]) {
    write!(out, "{src:x}->{dst:x} ").unwrap_or_default();
    out.extend_from_slice(path);
}

fn invalid(param: &[u8], empty: &'static [u8]) -> &'static [u8] {
    match param.first() {
        None => empty,
        Some(&AF_UNIX) => b"INVALID PATH",
        Some(&AF_INET) => b"INVALID IPv4",
        Some(&AF_INET6) => b"INVALID IPv6",
        Some(_) => b"INVALID SOCKADDR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> String {
        let mut out = Vec::new();
        push_ip(&mut out, text.parse().unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_are_written_as_the_c_library_does() {
        for same in
            ["127.0.0.1", "::", "::1", "fe80::1", "::ffff:10.0.0.1", "2001:db8::1:0:0:1", "::102"]
        {
            assert_eq!(ip(same), same);
        }
        assert_eq!(ip("::102:304"), "::1.2.3.4");
    }

    #[test]
    fn broken_parameters_have_a_text() {
        assert_eq!(sockaddr(&[]), b"<NA>");
        assert_eq!(socktuple(&[]), b"NULL");
        assert_eq!(socktuple(&[AF_INET, 1]), b"INVALID IPv4");
        assert_eq!(sockaddr(&[16, 1]), b"family 16");
        assert_eq!(sockaddr(b"\x01/run/x\0"), b"/run/x");
    }
}
