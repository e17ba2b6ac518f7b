//! Sockets of the Internet: made, bound, connected, accepted, shut down.

use std::net::SocketAddr;

use falco_event::EventCode;

use crate::calls::{BAD, at, bound, close, local, ok, out, raw, sys};
use crate::expect::{Expected, NONE, address, i64, tuple, u8, u32};
use crate::trace::trace;

const CALLS: &[&str] = &[
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "accept4",
    "getsockname",
    "getpeername",
    "shutdown",
];

const EINPROGRESS: i64 = -115;

/// Portable bits of flags.
const NONBLOCK: u32 = 64;
const CLOEXEC: u32 = 4096;

fn socket(expected: &mut Expected, domain: i32, kind: i32, protocol: i32) -> i64 {
    let fd = sys(libc::SYS_socket, [domain as usize, kind as usize, protocol as usize]);
    let mut flags = 0;
    flags |= if kind & libc::SOCK_NONBLOCK != 0 { NONBLOCK } else { 0 };
    flags |= if kind & libc::SOCK_CLOEXEC != 0 { CLOEXEC } else { 0 };
    // Families up to AF_NFC have numbers in events, all but AF_IB and AF_MPLS.
    let family = if domain <= 39 && ![27, 28].contains(&domain) { domain as u32 } else { 0 };
    expected.push(
        EventCode::SOCKET_SOCKET_X,
        [i64(fd), u32(family), u32(kind as u32), u32(protocol as u32), u32(flags)],
    );
    fd
}

fn bind(expected: &mut Expected, fd: i64, to: SocketAddr) -> i64 {
    let bytes = raw(to);
    let result = sys(libc::SYS_bind, [fd as usize, at(bytes.as_slice()), bytes.len()]);
    expected.push(EventCode::SOCKET_BIND_X, [i64(result), address(to), i64(fd)]);
    result
}

fn listen(expected: &mut Expected, fd: i64, backlog: i32) {
    let result = sys(libc::SYS_listen, [fd as usize, backlog as usize]);
    expected.push(EventCode::SOCKET_LISTEN_X, [i64(result), i64(fd), u32(backlog as u32)]);
}

/// `peer` is where the socket says that it is connected to.
fn connect(expected: &mut Expected, fd: i64, to: SocketAddr, peer: SocketAddr) -> i64 {
    let bytes = raw(to);
    expected.push(EventCode::SOCKET_CONNECT_E, [i64(fd), address(to)]);
    let result = sys(libc::SYS_connect, [fd as usize, at(bytes.as_slice()), bytes.len()]);
    let is_connected = result == 0 || result == EINPROGRESS;
    let ends = if is_connected { tuple(local(fd as usize), peer) } else { NONE };
    expected.push(EventCode::SOCKET_CONNECT_X, [i64(result), ends, i64(fd), address(to)]);
    result
}

#[test]
fn tells_of_tcp_connections() {
    for (ip, domain) in [("127.0.0.1", libc::AF_INET), ("::1", libc::AF_INET6)] {
        let mut expected = Expected::default();
        // getsockname, which the test itself needs, is not watched.
        let calls: Vec<&str> =
            CALLS.iter().copied().filter(|call| *call != "getsockname").collect();
        let Some(events) = trace(&calls, 80, || tcp(&mut expected, ip, domain)) else { return };
        expected.check(&events);
    }
}

fn tcp(expected: &mut Expected, ip: &str, domain: i32) {
    let any_port = SocketAddr::new(ip.parse().unwrap(), 0);
    let server = socket(expected, domain, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
    bind(expected, server, any_port);
    let address = local(server as usize);
    assert_eq!(bind(expected, server, address), -i64::from(libc::EINVAL));
    listen(expected, server, 5);
    // Two wait to be accepted, one of them in the midst of things.
    let first = socket(expected, domain, libc::SOCK_STREAM, libc::IPPROTO_TCP);
    assert_eq!(connect(expected, first, address, address), 0);
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
    let second = socket(expected, domain, kind, libc::IPPROTO_TCP);
    let result = connect(expected, second, address, address);
    assert!(result == EINPROGRESS || result == 0, "{result}");

    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    let accepted = sys(libc::SYS_accept4, [server as usize, 0, 0, flags as usize]);
    let ends = tuple(local(first as usize), address);
    expected.push(
        EventCode::SOCKET_ACCEPT4_6_X,
        [i64(accepted), ends.clone(), u8(20), u32(1), u32(5), u32(NONBLOCK | CLOEXEC)],
    );
    let other = sys(libc::SYS_accept, [server as usize, 0, 0]);
    let other_ends = tuple(local(second as usize), address);
    expected.push(EventCode::SOCKET_ACCEPT_5_X, [i64(other), other_ends, u8(0), u32(0), u32(5)]);
    // Not even a listening socket.
    let result = sys(libc::SYS_accept4, [first as usize, 0, 0, libc::SOCK_CLOEXEC as usize]);
    assert_eq!(result, -i64::from(libc::EINVAL));
    expected.push(
        EventCode::SOCKET_ACCEPT4_6_X,
        [i64(result), NONE, u8(0), u32(0), u32(0), u32(CLOEXEC)],
    );
    let result = sys(libc::SYS_accept, [9999, 0, 0]);
    expected.push(EventCode::SOCKET_ACCEPT_5_X, [i64(result), NONE, u8(0), u32(0), u32(0)]);

    sys(libc::SYS_getpeername, [first as usize, BAD, BAD]);
    expected.push(EventCode::SOCKET_GETPEERNAME_X, []);
    for (how, told) in [(libc::SHUT_RD, 0), (libc::SHUT_WR, 1), (libc::SHUT_RDWR, 2), (77, 255)] {
        let result = sys(libc::SYS_shutdown, [accepted as usize, how as usize]);
        expected.push(EventCode::SOCKET_SHUTDOWN_X, [i64(result), i64(accepted), u8(told)]);
    }
    for fd in [server, first, second, accepted, other] {
        close(fd as usize);
    }
}

#[test]
fn tells_an_ipv4_peer_of_an_ipv6_socket_as_mapped() {
    let mut expected = Expected::default();
    let Some(events) = trace(&["connect", "accept"], 80, || {
        let (server, _) = bound("::", libc::SOCK_STREAM);
        ok(libc::SYS_listen, [server, 1]);
        let port = local(server).port();
        let client = ok(libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_STREAM as usize, 0]);
        let to = SocketAddr::new("127.0.0.1".parse().unwrap(), port);
        connect(&mut expected, client as i64, to, to);
        let accepted = sys(libc::SYS_accept, [server, 0, 0]);
        let mapped = |port| SocketAddr::new("::ffff:127.0.0.1".parse().unwrap(), port);
        let ends = tuple(mapped(local(client).port()), mapped(port));
        expected.push(EventCode::SOCKET_ACCEPT_5_X, [i64(accepted), ends, u8(0), u32(0), u32(1)]);
        for fd in [server, client, accepted as usize] {
            close(fd);
        }
    }) else {
        return;
    };
    expected.check(&events);
}

#[test]
fn tells_what_udp_sockets_are_connected_to() {
    for (ip, short) in [("127.0.0.1", 7), ("::1", 23)] {
        let mut expected = Expected::default();
        let Some(events) = trace(&["connect"], 80, || {
            let ((fd, _), (other, to)) = (bound(ip, libc::SOCK_DGRAM), bound(ip, libc::SOCK_DGRAM));
            connect(&mut expected, fd as i64, to, to);
            // Any address at all is this host, as the kernel has it.
            let any: SocketAddr =
                if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
            connect(&mut expected, fd as i64, SocketAddr::new(any.ip(), to.port()), to);
            // An address that ends too early has no place to tell its end.
            let bytes = raw(to);
            expected.push(EventCode::SOCKET_CONNECT_E, [i64(fd as i64), NONE]);
            let result = sys(libc::SYS_connect, [fd, at(bytes.as_slice()), short]);
            expected.push(EventCode::SOCKET_CONNECT_X, [i64(result), NONE, i64(fd as i64), NONE]);
            // AF_UNSPEC ends the connection, whatever is behind it.
            let mut nothing = bytes;
            nothing[..2].fill(0);
            expected.push(EventCode::SOCKET_CONNECT_E, [i64(fd as i64), NONE]);
            let result = sys(libc::SYS_connect, [fd, at(nothing.as_slice()), nothing.len()]);
            assert_eq!(result, 0);
            let ends = tuple(local(fd), any);
            expected.push(EventCode::SOCKET_CONNECT_X, [i64(0), ends, i64(fd as i64), NONE]);
            close(fd);
            close(other);
        }) else {
            return;
        };
        expected.check(&events);
    }
}

#[test]
fn tells_of_calls_that_fail() {
    let mut expected = Expected::default();
    let Some(events) = trace(CALLS, 80, || {
        let somewhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let refused = socket(&mut expected, libc::AF_INET, libc::SOCK_STREAM, 0);
        assert_eq!(connect(&mut expected, refused, somewhere, somewhere), -111);
        close(refused as usize);
        // No fd, a negative one, and a file that is no socket.
        let null = ok(libc::SYS_open, [at(c"/dev/null".to_bytes_with_nul()), 0]);
        for fd in [9999, -1, null as i64] {
            assert!(connect(&mut expected, fd, somewhere, somewhere) < 0);
            assert!(bind(&mut expected, fd, somewhere) < 0);
            listen(&mut expected, fd, -7);
        }
        close(null);
        // No address at all, and none that could be read.
        let fd = socket(&mut expected, libc::AF_INET, libc::SOCK_DGRAM, 0) as usize;
        for (from, len) in [(0, 0), (0, 16), (BAD, 16), (usize::MAX - 7, 16), (at(&[2_u8; 2]), 1)] {
            expected.push(EventCode::SOCKET_CONNECT_E, [i64(fd as i64), NONE]);
            let result = sys(libc::SYS_connect, [fd, from, len]);
            assert!(result < 0);
            expected.push(EventCode::SOCKET_CONNECT_X, [i64(result), NONE, i64(fd as i64), NONE]);
            let result = sys(libc::SYS_bind, [fd, from, len]);
            assert!(result < 0);
            expected.push(EventCode::SOCKET_BIND_X, [i64(result), NONE, i64(fd as i64)]);
        }
        // Lengths that the kernel refuses, of an address that is there.
        let bytes = raw(somewhere);
        for len in [129, 1 << 20, usize::MAX] {
            let result = sys(libc::SYS_bind, [fd, at(bytes.as_slice()), len]);
            assert_eq!(result, -i64::from(libc::EINVAL));
            let to = address(somewhere);
            expected.push(EventCode::SOCKET_BIND_X, [i64(result), to, i64(fd as i64)]);
        }
        sys(libc::SYS_getsockname, [fd, BAD, BAD]);
        expected.push(EventCode::SOCKET_GETSOCKNAME_X, []);
        close(fd);
    }) else {
        return;
    };
    expected.check(&events);
}

#[test]
fn tells_of_sockets_of_all_families() {
    let mut expected = Expected::default();
    let Some(events) = trace(&["socket", "bind"], 80, || {
        for domain in 0..50 {
            let fd = socket(&mut expected, domain, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
            if fd >= 0 {
                close(fd as usize);
            }
        }
        for (domain, kind) in [(-1, libc::SOCK_STREAM), (libc::AF_INET, 99), (1 << 20, 1)] {
            let fd = sys(libc::SYS_socket, [domain as usize, kind as usize, 0]);
            assert!(fd < 0);
            let family = if domain == libc::AF_INET { 2 } else { 0 };
            let kind = u32(kind as u32);
            expected.push(EventCode::SOCKET_SOCKET_X, [i64(fd), u32(family), kind, u32(0), u32(0)]);
        }
        // Addresses of such families are not told.
        let fd = ok(libc::SYS_socket, [libc::AF_NETLINK as usize, libc::SOCK_RAW as usize, 0]);
        let fd = fd as i64;
        expected.push(EventCode::SOCKET_SOCKET_X, [i64(fd), u32(16), u32(3), u32(0), u32(0)]);
        let mut netlink = [0_u8; 12];
        netlink[0] = libc::AF_NETLINK as u8;
        let result = sys(libc::SYS_bind, [fd as usize, out(&mut netlink), 12]);
        assert_eq!(result, 0);
        expected.push(EventCode::SOCKET_BIND_X, [i64(0), NONE, i64(fd)]);
        close(fd as usize);
    }) else {
        return;
    };
    expected.check(&events);
}
