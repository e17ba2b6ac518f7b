//! Socket addresses and tuples.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_event::net::{AF_INET, AF_INET6, AF_UNIX, Endpoint, SockAddr, SockTuple};
use falco_rules::render_value::write_ip;

/// Appends `address:port`; IPv6 addresses without brackets.
fn endpoint(end: Endpoint, out: &mut Vec<u8>) {
    write_ip(end.ip, out);
    out.extend_from_slice(format!(":{}", end.port).as_bytes());
}

/// The text of a socket address.
pub(crate) fn sockaddr(param: &[u8]) -> Vec<u8> {
    match SockAddr::decode(param) {
        Some(SockAddr::Inet(end)) => {
            let mut text = Vec::new();
            endpoint(end, &mut text);
            text
        }
        Some(SockAddr::Unix(path)) => path.to_vec(),
        Some(SockAddr::Other(family)) => format!("family {family}").into_bytes(),
        None => invalid(param, "INVALID SOCKADDR").into(),
    }
}

/// The text of a socket tuple.
pub(crate) fn socktuple(param: &[u8]) -> Vec<u8> {
    match SockTuple::decode(param) {
        Some(SockTuple::Inet { src, dst }) => {
            let (src, dst) = unmap(src, dst);
            let mut text = Vec::new();
            endpoint(src, &mut text);
            text.extend_from_slice(b"->");
            endpoint(dst, &mut text);
            text
        }
        Some(SockTuple::Unix { src, dst, path }) => {
            let mut text = format!("{src:x}->{dst:x} ").into_bytes();
            text.extend_from_slice(path);
            text
        }
        Some(SockTuple::Other(family)) => format!("family {family}").into_bytes(),
        None => invalid(param, "INVALID SOCKTUPLE").into(),
    }
}

fn invalid(param: &[u8], other: &'static str) -> &'static str {
    match param.first() {
        Some(&AF_UNIX) => "INVALID PATH",
        Some(&AF_INET) => "INVALID IPv4",
        Some(&AF_INET6) => "INVALID IPv6",
        _ => other,
    }
}

/// An IPv6 tuple whose ends are both IPv4 addresses in disguise (or unspecified), as IPv4.
fn unmap(src: Endpoint, dst: Endpoint) -> (Endpoint, Endpoint) {
    match (mapped(src.ip), mapped(dst.ip)) {
        (Some(s), Some(d)) => (
            Endpoint { ip: IpAddr::V4(s), port: src.port },
            Endpoint { ip: IpAddr::V4(d), port: dst.port },
        ),
        _ => (src, dst),
    }
}

fn mapped(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(ip) => ip.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_read_as_source_to_destination() {
        let v4 = [AF_INET, 10, 0, 0, 1, 0x39, 0x30, 10, 0, 0, 2, 80, 0];
        assert_eq!(socktuple(&v4), b"10.0.0.1:12345->10.0.0.2:80");
        assert_eq!(socktuple(&v4[..5]), b"INVALID IPv4");
        assert_eq!(sockaddr(&[AF_UNIX, b'/', b'a', 0]), b"/a");
        assert_eq!(sockaddr(&[16, 0]), b"family 16");
        let mut unix = vec![AF_UNIX];
        unix.extend([1u64, 0xab].iter().flat_map(|n| n.to_le_bytes()));
        unix.extend(b"/run/x\0");
        assert_eq!(socktuple(&unix), b"1->ab /run/x");
    }

    #[test]
    fn ipv4_in_ipv6_reads_as_ipv4() {
        let mut v6 = vec![AF_INET6];
        v6.extend(Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets());
        v6.extend([1, 0]);
        v6.extend(Ipv6Addr::UNSPECIFIED.octets());
        v6.extend([2, 0]);
        assert_eq!(socktuple(&v6), b"127.0.0.1:1->0.0.0.0:2");
    }
}
