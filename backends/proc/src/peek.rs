//! Looking at single sockets through a duplicate of the fd (pidfd_getfd(2), Linux 5.6).
//!
//! It takes some 6 µs a socket, whatever else the host has open, where a table of all connections
//! takes milliseconds; and it tells of sockets that no table lists, because they are bound to
//! nothing yet. The duplicate lives for a few microseconds; nothing is read from it or written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Instant;

use falco_event::net::Endpoint;
use falco_source::snapshot::{FdKind, L4Proto};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_protocol, socket_type};
use rustix::net::{AddressFamily, SocketAddrAny, SocketType, getpeername, getsockname, ipproto};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::held::Ends;
use crate::sockets::{NETLINK, Socket, inet};

/// Finds out what each of these sockets (by inode) is; stops at `deadline`. Sockets that are gone,
/// or of families that nobody asks for, stay unexplained.
///
/// # Errors
/// If this process may not do that.
pub(crate) fn all(sockets: &mut [(u64, &mut Socket)], deadline: Option<Instant>) -> Result<()> {
    sockets.sort_unstable_by_key(|(_, socket)| socket.pid);
    let mut process: Option<(u64, OwnedFd)> = None;
    for (inode, socket) in sockets {
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            break;
        }
        if process.as_ref().is_none_or(|(pid, _)| *pid != socket.pid) {
            process = permitted(open(socket.pid))?.map(|fd| (socket.pid, fd));
        }
        let Some((_, pidfd)) = &process else { continue };
        let Ok(num) = i32::try_from(socket.num) else { continue };
        let flags = PidfdGetfdFlags::empty();
        let Some(fd) = permitted(pidfd_getfd(pidfd, num, flags))? else { continue };
        // The number may have come to mean another file, or another process.
        if rustix::fs::fstat(&fd).is_ok_and(|stat| stat.st_ino == *inode) {
            socket.is = what_is(fd);
        }
    }
    Ok(())
}

/// What vanished is nothing; what is forbidden is an error.
pub(crate) fn permitted<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ (Errno::PERM | Errno::ACCESS | Errno::NOSYS | Errno::MFILE | Errno::NFILE)) => {
            Err(error)
        }
        Err(_) => Ok(None),
    }
}

pub(crate) fn open(pid: u64) -> Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    pidfd_open(pid, PidfdFlags::empty())
}

/// A socket's ends as the kernel has them. `None` for families without an interest.
pub(crate) fn ends(pidfd: &OwnedFd, num: i32) -> Result<Option<Ends>> {
    let Some(fd) = permitted(pidfd_getfd(pidfd, num, PidfdGetfdFlags::empty()))? else {
        return Ok(None);
    };
    let Ok(domain) = socket_domain(&fd) else { return Ok(None) };
    let is_datagram = matches!(socket_type(&fd), Ok(SocketType::DGRAM | SocketType::RAW));
    let none = match domain {
        AddressFamily::INET => Some(Ipv4Addr::UNSPECIFIED.into()),
        AddressFamily::INET6 => Some(Ipv6Addr::UNSPECIFIED.into()),
        _ => None,
    };
    if let Some(ip) = none {
        let none = Endpoint { ip, port: 0 };
        let local = getsockname(&fd).ok().and_then(endpoint).unwrap_or(none);
        let remote = getpeername(&fd).ok().flatten().and_then(endpoint).unwrap_or(none);
        let is_listening = socket_acceptconn(&fd).unwrap_or(false);
        return Ok(Some(Ends::Inet {
            local,
            remote,
            proto: protocol(&fd),
            is_datagram,
            is_listening,
        }));
    }
    if domain != AddressFamily::UNIX {
        return Ok(None);
    }
    let socket = UnixStream::from(fd);
    let peer = socket.peer_addr();
    Ok(Some(Ends::Unix {
        local: socket.local_addr().map(unix_name).unwrap_or_default(),
        is_connected: peer.is_ok(),
        peer: peer.map(unix_name).unwrap_or_default(),
        is_datagram,
    }))
}

/// The path that a socket is bound to, or its abstract name; empty if it has none. rustix panics at a
/// path that takes all the room there is, without a NUL (`read_sockaddr_unix` of 1.1).
fn unix_name(address: SocketAddr) -> Vec<u8> {
    let name = address.as_abstract_name().map(<[u8]>::to_vec);
    name.or_else(|| Some(address.as_pathname()?.as_os_str().as_bytes().to_vec()))
        .unwrap_or_default()
}

fn what_is(owned: OwnedFd) -> Option<FdKind> {
    let fd = owned.as_fd();
    match socket_domain(fd).ok()? {
        AddressFamily::INET => {
            let none = Endpoint { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };
            let local = getsockname(fd).ok().and_then(endpoint).unwrap_or(none);
            let remote = getpeername(fd).ok().flatten().and_then(endpoint).unwrap_or(none);
            Some(inet(local, remote, protocol(fd)))
        }
        AddressFamily::INET6 => {
            let none = Endpoint { ip: IpAddr::V6(Ipv6Addr::UNSPECIFIED), port: 0 };
            let local = getsockname(fd).ok().and_then(endpoint).unwrap_or(none);
            let remote = getpeername(fd).ok().flatten().and_then(endpoint).unwrap_or(none);
            Some(inet(local, remote, protocol(fd)))
        }
        AddressFamily::UNIX => {
            let name = UnixStream::from(owned).local_addr().map(unix_name).unwrap_or_default();
            Some(FdKind::Unix { src: 0, dst: 0, name })
        }
        AddressFamily::NETLINK => Some(FdKind::Named { scap_type: NETLINK, name: Vec::new() }),
        _ => None,
    }
}

fn endpoint(address: SocketAddrAny) -> Option<Endpoint> {
    let address = std::net::SocketAddr::try_from(address).ok()?;
    Some(Endpoint { ip: address.ip(), port: address.port() })
}

fn protocol(fd: impl AsFd) -> L4Proto {
    let fd = fd.as_fd();
    match (socket_type(fd).ok(), socket_protocol(fd).ok().flatten()) {
        (_, Some(ipproto::ICMP | ipproto::ICMPV6)) => L4Proto::Icmp,
        (Some(SocketType::RAW), _) => L4Proto::Raw,
        (Some(SocketType::STREAM), Some(ipproto::TCP | ipproto::MPTCP)) => L4Proto::Tcp,
        (Some(SocketType::DGRAM), Some(ipproto::UDP)) => L4Proto::Udp,
        _ => L4Proto::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::{SocketAddrUnix, bind, socket};

    use super::*;

    #[test]
    fn a_path_that_takes_all_the_room_is_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().to_str().unwrap();
        let path = format!("{dir}/{}", "x".repeat(108 - 1 - dir.len()));
        let fd = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        bind(&fd, &SocketAddrUnix::new(path.as_str()).unwrap()).unwrap();
        let name = path.into_bytes();
        assert_eq!(what_is(fd), Some(FdKind::Unix { src: 0, dst: 0, name }));
    }
}
