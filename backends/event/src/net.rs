//! Socket addresses ([`SockAddr`]) and tuples ([`SockTuple`]) as parameters carry them.
//!
//! First byte: address family (portable `AF_*`); then for IPv4 `4+2` bytes an end, for IPv6
//! `16+2`, for unix sockets a path (address) or `8+8` kernel pointers and a path (tuple).
//! Addresses are in network byte order, ports and pointers little-endian.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::raw::until_nul;

/// Portable `AF_UNIX`.
pub const AF_UNIX: u8 = 1;
/// Portable `AF_INET`.
pub const AF_INET: u8 = 2;
/// Portable `AF_INET6`.
pub const AF_INET6: u8 = 10;

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address.
    pub ip: IpAddr,
    /// The port, in host order.
    pub port: u16,
}

/// A decoded [`crate::ParamType::SockAddr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockAddr<'a> {
    /// An IPv4 or IPv6 end.
    Inet(Endpoint),
    /// A unix socket path (without NUL).
    Unix(&'a [u8]),
    /// Another family.
    Other(u8),
}

/// A decoded [`crate::ParamType::SockTuple`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SockTuple<'a> {
    /// An IPv4 or IPv6 connection.
    Inet {
        /// Source end.
        src: Endpoint,
        /// Destination end.
        dst: Endpoint,
    },
    /// A unix socket connection.
    Unix {
        /// Kernel address of the source socket.
        src: u64,
        /// Kernel address of the destination socket.
        dst: u64,
        /// Path (without NUL).
        path: &'a [u8],
    },
    /// Another family.
    Other(u8),
}

impl<'a> SockAddr<'a> {
    /// Decodes a parameter; `None` if it is empty or too short for its family.
    pub fn decode(param: &'a [u8]) -> Option<Self> {
        let (&family, rest) = param.split_first()?;
        Some(match family {
            AF_INET => SockAddr::Inet(end4(rest)?.0),
            AF_INET6 => SockAddr::Inet(end6(rest)?.0),
            AF_UNIX => SockAddr::Unix(until_nul(rest)),
            other => SockAddr::Other(other),
        })
    }
}

impl<'a> SockTuple<'a> {
    /// Decodes a parameter; `None` if it is empty or too short for its family.
    pub fn decode(param: &'a [u8]) -> Option<Self> {
        let (&family, rest) = param.split_first()?;
        Some(match family {
            AF_INET => {
                let (src, rest) = end4(rest)?;
                SockTuple::Inet { src, dst: end4(rest)?.0 }
            }
            AF_INET6 => {
                let (src, rest) = end6(rest)?;
                SockTuple::Inet { src, dst: end6(rest)?.0 }
            }
            AF_UNIX => {
                let (src, rest) = rest.split_first_chunk::<8>()?;
                let (dst, path) = rest.split_first_chunk::<8>()?;
                SockTuple::Unix {
                    src: u64::from_le_bytes(*src),
                    dst: u64::from_le_bytes(*dst),
                    path: until_nul(path),
                }
            }
            other => SockTuple::Other(other),
        })
    }
}

fn end4(bytes: &[u8]) -> Option<(Endpoint, &[u8])> {
    let (ip, rest) = bytes.split_first_chunk::<4>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let ip = IpAddr::V4(Ipv4Addr::from(*ip));
    Some((Endpoint { ip, port: u16::from_le_bytes(*port) }, rest))
}

fn end6(bytes: &[u8]) -> Option<(Endpoint, &[u8])> {
    let (ip, rest) = bytes.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let ip = IpAddr::V6(Ipv6Addr::from(*ip));
    Some((Endpoint { ip, port: u16::from_le_bytes(*port) }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_an_ipv4_tuple() {
        let raw = [AF_INET, 10, 0, 0, 1, 0x39, 0x30, 10, 0, 0, 2, 80, 0];
        let Some(SockTuple::Inet { src, dst }) = SockTuple::decode(&raw) else { panic!() };
        assert_eq!((src.ip.to_string().as_str(), src.port), ("10.0.0.1", 12345));
        assert_eq!((dst.ip.to_string().as_str(), dst.port), ("10.0.0.2", 80));
        for end in 0..raw.len() {
            assert!(SockTuple::decode(&raw[..end]).is_none());
        }
    }
}
