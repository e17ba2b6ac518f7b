//! Unix sockets: paths, abstract names, none; pairs.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use falco_event::EventCode;

use crate::calls::{BAD, at, close, ok, out, sys};
use crate::expect::{Expected, NONE, i64, u8, u32, u64, unix_address, unix_tuple};
use crate::trace::{Event, HAS_ADDRESSES, trace};

/// `struct sockaddr_un` and its length. What is behind that must not be told.
struct UnixAddress {
    bytes: [u8; 128],
    len: usize,
}

fn unix(path: &[u8]) -> UnixAddress {
    let mut bytes = [b'X'; 128];
    bytes[..2].copy_from_slice(&1_u16.to_le_bytes());
    bytes[2..2 + path.len()].copy_from_slice(path);
    UnixAddress { bytes, len: 2 + path.len() }
}

impl UnixAddress {
    fn at(&self) -> usize {
        at(&self.bytes)
    }
}

fn socket(kind: i32) -> usize {
    ok(libc::SYS_socket, [libc::AF_UNIX as usize, kind as usize, 0])
}

fn bind(fd: usize, to: &UnixAddress) -> i64 {
    sys(libc::SYS_bind, [fd, to.at(), to.len])
}

fn connect(fd: usize, to: &UnixAddress) -> i64 {
    sys(libc::SYS_connect, [fd, to.at(), to.len])
}

fn send(fd: usize, to: Option<&UnixAddress>) -> i64 {
    let (name, len) = to.map_or((0, 0), |to| (to.at(), to.len));
    sys(libc::SYS_sendto, [fd, at("x"), 1, 0, name, len])
}

fn receive(fd: usize) -> i64 {
    let mut buffer = [0; 16];
    sys(libc::SYS_recvfrom, [fd, out(&mut buffer), 16, 0, 0, 0])
}

/// Both addresses in a tuple: destination and source.
fn ends(event: &Event, param: usize) -> (u64, u64) {
    let bytes = &event.params[param];
    assert_eq!(bytes[0], 1);
    let end = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    (end(1), end(9))
}

fn in_directory(directory: &Path, name: &str) -> Vec<u8> {
    directory.join(name).as_os_str().as_bytes().to_vec()
}

#[test]
fn tells_of_pairs() {
    let mut fds = [-1_i32; 2];
    let Some(events) = trace(&["socketpair", "sendto", "recvfrom"], 80, || {
        let kind = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC) as usize;
        let unix = libc::AF_UNIX as usize;
        assert_eq!(sys(libc::SYS_socketpair, [unix, kind, 0, out(&mut fds)]), 0);
        assert_eq!(send(fds[0] as usize, None), 1);
        assert_eq!(receive(fds[1] as usize), 1);
        assert_eq!(
            sys(libc::SYS_socketpair, [2, 1, 0, out(&mut [0_u64])]),
            -i64::from(libc::EOPNOTSUPP)
        );
        assert_eq!(sys(libc::SYS_socketpair, [unix, 2, 0, BAD]), -i64::from(libc::EFAULT));
        close(fds[0] as usize);
        close(fds[1] as usize);
    }) else {
        return;
    };
    // Kernel addresses are known from the events alone; they have to agree.
    let (source, peer) = (events[0].u64(3), events[0].u64(4));
    let are_addresses = source > u64::MAX / 2 && peer > u64::MAX / 2 && source != peer;
    assert!(are_addresses || !HAS_ADDRESSES && source == 0 && peer == 0);
    let mut expected = Expected::default();
    let (one, other) = (i64(fds[0].into()), i64(fds[1].into()));
    let kind = u32((libc::SOCK_STREAM | libc::SOCK_CLOEXEC) as u32);
    expected.push(
        EventCode::SOCKET_SOCKETPAIR_X,
        [i64(0), one.clone(), other.clone(), u64(source), u64(peer), u32(1), kind, u32(0)],
    );
    expected.push(
        EventCode::SOCKET_SENDTO_X,
        [i64(1), b"x".to_vec(), one, u32(1), unix_tuple(peer, source, b"")],
    );
    expected.push(
        EventCode::SOCKET_RECVFROM_X,
        [i64(1), b"x".to_vec(), unix_tuple(peer, source, b""), other, u32(16)],
    );
    for (result, domain, kind) in [(libc::EOPNOTSUPP, 2, 1), (libc::EFAULT, 1, 2)] {
        expected.push(
            EventCode::SOCKET_SOCKETPAIR_X,
            [
                i64(-i64::from(result)),
                i64(-1),
                i64(-1),
                u64(0),
                u64(0),
                u32(domain),
                u32(kind),
                u32(0),
            ],
        );
    }
    expected.check(&events);
}

/// A server and a client at a path, an abstract name, or a path that takes all room there is.
#[test]
fn tells_of_connections() {
    let directory = tempfile::tempdir().unwrap();
    let mut longest = in_directory(directory.path(), "");
    longest.resize(108, b'l');
    let abstract_name = [&b"\0falco test "[..], std::process::id().to_string().as_bytes()].concat();
    for path in [in_directory(directory.path(), "socket"), longest, abstract_name] {
        check_connection(&path);
    }
}

fn check_connection(path: &[u8]) {
    let told = path.strip_prefix(b"\0").unwrap_or(path);
    let address = unix(path);
    let (mut server, mut client, mut accepted) = (0, 0, 0);
    let calls = ["bind", "listen", "connect", "accept", "sendto", "recvfrom"];
    let Some(events) = trace(&calls, 80, || {
        server = socket(libc::SOCK_STREAM);
        client = socket(libc::SOCK_STREAM);
        assert_eq!(bind(server, &address), 0);
        assert_eq!(sys(libc::SYS_listen, [server, 2]), 0);
        assert_eq!(connect(client, &address), 0);
        accepted = sys(libc::SYS_accept, [server, 0, 0]) as usize;
        assert_eq!(send(client, None), 1);
        assert_eq!(receive(accepted), 1);
        assert_eq!(send(accepted, None), 1);
        assert_eq!(receive(client), 1);
        for fd in [server, client, accepted] {
            close(fd);
        }
    }) else {
        return;
    };
    let (inner, outer) = ends(&events[3], 1);
    assert!(inner != outer && inner != 0 && outer != 0 || !HAS_ADDRESSES);
    let [server, client, accepted] = [server, client, accepted].map(|fd| i64(fd as i64));
    let named = unix_tuple(inner, outer, told);
    let mut expected = Expected::default();
    expected.push(EventCode::SOCKET_BIND_X, [i64(0), unix_address(told), server.clone()]);
    expected.push(EventCode::SOCKET_LISTEN_X, [i64(0), server, u32(2)]);
    expected.push(EventCode::SOCKET_CONNECT_E, [client.clone(), unix_address(told)]);
    expected.push(
        EventCode::SOCKET_CONNECT_X,
        [i64(0), named.clone(), client.clone(), unix_address(told)],
    );
    expected.push(
        EventCode::SOCKET_ACCEPT_5_X,
        [i64(accepted_fd(&accepted)), named.clone(), u8(0), u32(0), u32(2)],
    );
    let data = b"x".to_vec();
    expected.push(
        EventCode::SOCKET_SENDTO_X,
        [i64(1), data.clone(), client.clone(), u32(1), named.clone()],
    );
    expected.push(
        EventCode::SOCKET_RECVFROM_X,
        [i64(1), data.clone(), named, accepted.clone(), u32(16)],
    );
    // Back, to the client, which has no path.
    let back = unix_tuple(outer, inner, b"");
    expected
        .push(EventCode::SOCKET_SENDTO_X, [i64(1), data.clone(), accepted, u32(1), back.clone()]);
    expected.push(EventCode::SOCKET_RECVFROM_X, [i64(1), data, back, client, u32(16)]);
    expected.check(&events);
}

fn accepted_fd(param: &[u8]) -> i64 {
    i64::from_le_bytes(param.try_into().unwrap())
}

#[test]
fn tells_where_datagrams_go() {
    let directory = tempfile::tempdir().unwrap();
    let paths = [in_directory(directory.path(), "one"), in_directory(directory.path(), "two")];
    let addresses = [unix(&paths[0]), unix(&paths[1])];
    let mut fds = [0; 3];
    let Some(events) = trace(&["connect", "sendto", "recvfrom"], 80, || {
        fds = [(); 3].map(|()| socket(libc::SOCK_DGRAM | libc::SOCK_NONBLOCK));
        assert_eq!(bind(fds[0], &addresses[0]), 0);
        assert_eq!(bind(fds[1], &addresses[1]), 0);
        assert_eq!(send(fds[2], Some(&addresses[0])), 1);
        assert_eq!(receive(fds[0]), 1);
        assert_eq!(connect(fds[2], &addresses[0]), 0);
        assert_eq!(send(fds[2], None), 1);
        // Connected to one, but sent to the other.
        assert_eq!(send(fds[2], Some(&addresses[1])), 1);
        assert_eq!(receive(fds[1]), 1);
        assert_eq!(receive(fds[1]), -i64::from(libc::EAGAIN));
        assert_eq!(send(fds[0], Some(&unix(b"/nowhere"))), -i64::from(libc::ENOENT));
        fds.into_iter().for_each(close);
    }) else {
        return;
    };
    let (_, sender) = ends(&events[0], 4);
    let mut received = events.iter().filter(|event| event.code == EventCode::SOCKET_RECVFROM_X);
    let (first, _) = ends(received.next().unwrap(), 2);
    let (second, _) = ends(received.next().unwrap(), 2);
    let fds = fds.map(|fd| i64(fd as i64));
    let data = b"x".to_vec();
    let mut expected = Expected::default();
    let sent = |expected: &mut Expected, to: u64, path: &[u8]| {
        let ends = unix_tuple(to, sender, path);
        expected
            .push(EventCode::SOCKET_SENDTO_X, [i64(1), data.clone(), fds[2].clone(), u32(1), ends]);
    };
    let received = |expected: &mut Expected, by: usize, socket: u64| {
        let ends = unix_tuple(socket, 0, &paths[by]);
        expected.push(
            EventCode::SOCKET_RECVFROM_X,
            [i64(1), b"x".to_vec(), ends, fds[by].clone(), u32(16)],
        );
    };
    sent(&mut expected, 0, &paths[0]);
    received(&mut expected, 0, first);
    expected.push(EventCode::SOCKET_CONNECT_E, [fds[2].clone(), unix_address(&paths[0])]);
    let connected = unix_tuple(first, sender, &paths[0]);
    expected.push(
        EventCode::SOCKET_CONNECT_X,
        [i64(0), connected, fds[2].clone(), unix_address(&paths[0])],
    );
    sent(&mut expected, first, &paths[0]);
    sent(&mut expected, 0, &paths[1]);
    received(&mut expected, 1, second);
    let again = i64(-i64::from(libc::EAGAIN));
    expected.push(EventCode::SOCKET_RECVFROM_X, [again, NONE, NONE, fds[1].clone(), u32(16)]);
    let nowhere = i64(-i64::from(libc::ENOENT));
    expected
        .push(EventCode::SOCKET_SENDTO_X, [nowhere, data.clone(), fds[0].clone(), u32(1), NONE]);
    expected.check(&events);
}

#[test]
fn tells_odd_addresses() {
    let directory = tempfile::tempdir().unwrap();
    let path = in_directory(directory.path(), "socket");
    let with_nul = [&path[..], b"\0behind"].concat();
    let abstract_with_nul = [&b"\0a\0b"[..], std::process::id().to_string().as_bytes()].concat();
    let mut expected = Expected::default();
    let Some(events) = trace(&["bind"], 80, || {
        let odd: [(&[u8], &[u8]); 4] =
            [(b"", b""), (&with_nul, &path), (&abstract_with_nul, b"a"), (b"\0", b"")];
        for (path, told) in odd {
            let fd = socket(libc::SOCK_DGRAM);
            let result = bind(fd, &unix(path));
            assert_eq!(result, 0, "{path:?}");
            expected.push(EventCode::SOCKET_BIND_X, [i64(0), unix_address(told), i64(fd as i64)]);
            close(fd);
        }
    }) else {
        return;
    };
    expected.check(&events);
}
