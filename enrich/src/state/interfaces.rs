//! Completing connections of which one end is unspecified, by the machine's addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_source::snapshot::Interface;

use crate::fd::Socket;

/// Fills in an end without address: it must be on this machine.
pub(crate) fn complete_ends(socket: &mut Socket, interfaces: &[Interface]) {
    let Socket::Inet { src, dst, .. } = socket else { return };
    let same_port = src.port == dst.port;
    let (missing, known) = if src.ip.is_unspecified() {
        (&mut src.ip, dst.ip)
    } else if dst.ip.is_unspecified() {
        (&mut dst.ip, src.ip)
    } else {
        return;
    };
    let found = nearest(known, interfaces);
    // A connection of a socket with itself is not made up.
    if !(found == known && same_port) {
        *missing = found;
    }
}

/// This machine's address from which `ip` is reached: itself, one of its network, or any that is
/// not the loopback's.
fn nearest(ip: IpAddr, interfaces: &[Interface]) -> IpAddr {
    let same_family = || interfaces.iter().filter(|i| i.addr.is_ipv4() == ip.is_ipv4());
    let itself = same_family().find(|i| i.addr == ip);
    let neighbour = || same_family().find(|i| is_near(ip, i));
    let any = || same_family().find(|i| !i.addr.is_loopback());
    match itself.or_else(neighbour).or_else(any) {
        Some(interface) => interface.addr,
        None if ip.is_ipv4() => Ipv4Addr::UNSPECIFIED.into(),
        None => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Whether an address is in an interface's network; that of an IPv6 one has 64 bits.
fn is_near(ip: IpAddr, interface: &Interface) -> bool {
    match (ip, interface.addr, interface.netmask) {
        (IpAddr::V4(ip), IpAddr::V4(own), IpAddr::V4(mask)) => {
            let mask = u32::from(mask);
            u32::from(ip) & mask == u32::from(own) & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(own), _) => ip.octets()[..8] == own.octets()[..8],
        _ => false,
    }
}
