//! Socket addresses and tuples as parameters of events.
//!
//! An address is a family byte and what the family has: address and port (in host order), or a path. A
//! tuple has both ends: the local one is the source of what goes out, the destination of what comes in.
//! Kernel addresses of Unix sockets are not to be seen from user space: they are 0.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_event::net::{AF_INET, AF_INET6, AF_UNIX, Endpoint};
use falco_proc::held::Ends;

/// Bytes of struct sockaddr_un: no address is longer.
pub(super) const MAX_ADDRESS: usize = 110;

/// The shortest addresses that the kernel takes: flow and scope may be missing.
const MIN_INET: usize = 8;
const MIN_INET6: usize = 24;
/// Longest path of a Unix socket.
const MAX_PATH: usize = 108;
/// Family and padding.
const AF_UNSPEC: u16 = 0;

/// Of a message, or of a new connection, which goes out, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Outgoing,
    Incoming,
    Connecting,
}

/// The address that a caller passed, as far as it can be read: struct sockaddr.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// `None` if there is not even a family.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() >= 2).then_some(Name(bytes))
    }

    fn family(self) -> u16 {
        super::params::word16(self.0, 0)
    }

    fn port(self) -> u16 {
        super::params::word16(self.0, 2).swap_bytes()
    }

    fn v4(self) -> Option<Endpoint> {
        let ip: [u8; 4] = *self.0.get(4..MIN_INET)?.first_chunk()?;
        Some(Endpoint { ip: Ipv4Addr::from(ip).into(), port: self.port() })
    }

    fn v6(self) -> Option<Endpoint> {
        let ip: [u8; 16] = *self.0.get(8..MIN_INET6)?.first_chunk()?;
        Some(Endpoint { ip: Ipv6Addr::from(ip).into(), port: self.port() })
    }

    fn path(self) -> &'a [u8] {
        let path = self.0.get(2..).unwrap_or_default();
        let path = path.get(..MAX_PATH).unwrap_or(path);
        // Abstract names begin with a NUL, which events leave out.
        falco_event::raw::until_nul(path.strip_prefix(b"\0").unwrap_or(path))
    }

    /// Whether something can be connected to it: AF_UNSPEC ends a connection.
    pub(super) fn is_destination(self) -> bool {
        matches!(u8::try_from(self.family()), Ok(AF_INET | AF_INET6 | AF_UNIX))
    }

    /// Writes it as a parameter; nothing for other families, or if it is too short.
    pub(super) fn write(self, to: &mut Vec<u8>) {
        match u8::try_from(self.family()) {
            Ok(AF_INET) => self.v4().map(|end| write_address(to, end)),
            Ok(AF_INET6) => self.v6().map(|end| write_address(to, end)),
            Ok(AF_UNIX) => {
                to.push(AF_UNIX);
                to.extend_from_slice(self.path());
                to.push(0);
                None
            }
            _ => None,
        };
    }
}

/// Writes an address of the Internet as a parameter.
pub(super) fn write_address(to: &mut Vec<u8>, end: Endpoint) {
    to.push(if end.ip.is_ipv4() { AF_INET } else { AF_INET6 });
    write_end(to, end);
}

fn write_end(to: &mut Vec<u8>, end: Endpoint) {
    match end.ip {
        IpAddr::V4(ip) => to.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => to.extend_from_slice(&ip.octets()),
    }
    to.extend_from_slice(&end.port.to_le_bytes());
}

fn write_pair(to: &mut Vec<u8>, local: Endpoint, remote: Endpoint, direction: Direction) {
    to.push(if local.ip.is_ipv4() { AF_INET } else { AF_INET6 });
    let (source, destination) = match direction {
        Direction::Incoming => (remote, local),
        _ => (local, remote),
    };
    write_end(to, source);
    write_end(to, destination);
}

/// Writes a tuple. `name` is where a message goes to, comes from, or what is connected to, if the
/// caller names it. Nothing is written where a message went to an end that nobody knows.
pub(super) fn write(to: &mut Vec<u8>, ends: &Ends, name: Option<Name<'_>>, direction: Direction) {
    match ends {
        Ends::Inet { local, remote, is_datagram, .. } => {
            let is_connected = remote.port != 0;
            let name = name.filter(|_| counts(is_connected, *is_datagram, direction));
            let remote = name.and_then(|name| named_remote(*local, name)).unwrap_or(*remote);
            write_pair(to, *local, remote, direction);
        }
        Ends::Unix { local, peer, is_connected, is_datagram } => {
            let is_named = |name: &Name<'_>| {
                direction != Direction::Incoming
                    && name.0.len() > 2
                    && counts(*is_connected, *is_datagram, direction)
            };
            let name = name.filter(is_named);
            if name.is_none() && direction != Direction::Incoming && !is_connected {
                return;
            }
            to.push(AF_UNIX);
            to.extend_from_slice(&[0; 16]);
            match (name, direction) {
                (Some(name), _) => to.extend_from_slice(name.path()),
                (None, Direction::Incoming) => to.extend_from_slice(until_nul(local)),
                (None, _) => to.extend_from_slice(until_nul(peer)),
            }
            to.push(0);
        }
    }
}

fn until_nul(path: &[u8]) -> &[u8] {
    falco_event::raw::until_nul(path.get(..MAX_PATH).unwrap_or(path))
}

/// Writes a tuple of which the socket cannot be asked: only the other end is known, as the caller named
/// it.
pub(super) fn write_named(to: &mut Vec<u8>, name: Name<'_>, direction: Direction) {
    let end = match u8::try_from(name.family()) {
        Ok(AF_INET) => name.v4(),
        Ok(AF_INET6) => name.v6(),
        Ok(AF_UNIX) if direction != Direction::Incoming => {
            to.push(AF_UNIX);
            to.extend_from_slice(&[0; 16]);
            to.extend_from_slice(name.path());
            to.push(0);
            return;
        }
        _ => return,
    };
    let Some(remote) = end else { return };
    let none: IpAddr = match remote.ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    write_pair(to, Endpoint { ip: none, port: 0 }, remote, direction);
}

/// Whether an address that the caller names is where a message goes to, or comes from: always without
/// a connection, and in spite of one for datagrams; a stream ignores it. Of a new connection the socket
/// knows better, if it knows anything.
fn counts(is_connected: bool, is_datagram: bool, direction: Direction) -> bool {
    !is_connected || (direction != Direction::Connecting && is_datagram)
}

/// The other end that a name stands for, at a socket with this local end.
fn named_remote(local: Endpoint, name: Name<'_>) -> Option<Endpoint> {
    let family = name.family();
    if local.ip.is_ipv4() {
        // The kernel takes AF_UNSPEC for AF_INET here.
        return if family == AF_INET.into() || family == AF_UNSPEC { name.v4() } else { None };
    }
    if family == AF_INET6.into() {
        return name.v6();
    }
    // Where an IPv6 socket may, it goes out as IPv4.
    match name.v4().filter(|_| family == AF_INET.into())? {
        Endpoint { ip: IpAddr::V4(ip), port } => {
            Some(Endpoint { ip: ip.to_ipv6_mapped().into(), port })
        }
        end => Some(end),
    }
}

#[cfg(test)]
mod tests {
    use falco_event::net::{SockAddr, SockTuple};
    use falco_source::snapshot::L4Proto;
    use proptest::prelude::*;

    use super::*;

    fn end(text: &str) -> Endpoint {
        let address: std::net::SocketAddr = text.parse().unwrap();
        Endpoint { ip: address.ip(), port: address.port() }
    }

    fn udp(local: &str, remote: &str) -> Ends {
        let (local, remote) = (end(local), end(remote));
        Ends::Inet { local, remote, proto: L4Proto::Udp, is_datagram: true, is_listening: false }
    }

    fn tuple(ends: &Ends, name: &[u8], direction: Direction) -> Vec<u8> {
        let mut to = Vec::new();
        write(&mut to, ends, Name::new(name), direction);
        to
    }

    const V4: &[u8] = &[2, 0, 0, 53, 9, 9, 9, 9];

    #[test]
    fn a_name_counts_where_the_kernel_takes_it() {
        let ends = udp("10.0.0.1:1000", "10.0.0.2:80");
        let dst = |param: &[u8]| match SockTuple::decode(param) {
            Some(SockTuple::Inet { dst, .. }) => dst,
            other => panic!("{other:?}"),
        };
        assert_eq!(dst(&tuple(&ends, V4, Direction::Outgoing)), end("9.9.9.9:53"));
        assert_eq!(dst(&tuple(&ends, V4, Direction::Connecting)), end("10.0.0.2:80"));
        assert_eq!(dst(&tuple(&ends, &V4[..7], Direction::Outgoing)), end("10.0.0.2:80"));
        assert_eq!(dst(&tuple(&ends, V4, Direction::Incoming)), end("10.0.0.1:1000"));
        let ends = udp("[::1]:7", "[::]:0");
        assert_eq!(dst(&tuple(&ends, V4, Direction::Outgoing)), end("[::ffff:9.9.9.9]:53"));
    }

    #[test]
    fn unix_names_have_no_nul() {
        let mut to = Vec::new();
        Name::new(b"\x01\0\0abstract\0x").unwrap().write(&mut to);
        assert_eq!(SockAddr::decode(&to), Some(SockAddr::Unix(b"abstract")));
        to.clear();
        Name::new(b"\x01\0").unwrap().write(&mut to);
        assert_eq!(to, [1, 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_address_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..130)) {
            let Some(name) = Name::new(&bytes) else { return Ok(()) };
            for family in [0, 1, 2, 10, bytes[0]] {
                let mut bytes = bytes.clone();
                bytes[..2].copy_from_slice(&[family, 0]);
                let mut to = Vec::new();
                Name::new(&bytes).unwrap().write(&mut to);
                prop_assert!(to.is_empty() || SockAddr::decode(&to).is_some());
                for direction in [Direction::Outgoing, Direction::Incoming, Direction::Connecting] {
                    to.clear();
                    write_named(&mut to, name, direction);
                    prop_assert!(to.is_empty() || SockTuple::decode(&to).is_some());
                    for ends in [udp("1.2.3.4:5", "0.0.0.0:0"), udp("[::1]:5", "[::2]:6")] {
                        prop_assert!(SockTuple::decode(&tuple(&ends, &bytes, direction)).is_some());
                    }
                }
            }
        }
    }
}
