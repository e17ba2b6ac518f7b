//! What goes through sockets: sendto to recvmmsg, over UDP mostly.

use std::net::SocketAddr;

use falco_event::EventCode;

use crate::calls::{BAD, Iovec, Message, at, bound, close, iovec, local, ok, out, raw, sys};
use crate::expect::{Expected, NONE, Param, i64, tuple, u32};
use crate::trace::trace;

const CALLS: &[&str] = &["sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg"];

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn send(expected: &mut Expected, fd: usize, data: &[u8], name: &[u8], ends: Param) {
    let to = if name.is_empty() { 0 } else { at(name) };
    let result = sys(libc::SYS_sendto, [fd, at(data), data.len(), 0, to, name.len()]);
    assert_eq!(result, data.len() as i64);
    let told = data[..data.len().min(80)].to_vec();
    let size = u32(data.len() as u32);
    expected.push(EventCode::SOCKET_SENDTO_X, [i64(result), told, i64(fd as i64), size, ends]);
}

/// Into a buffer of 600 bytes; the sender's address, too, if that is asked for.
fn receive(expected: &mut Expected, fd: usize, data: &[u8], named: bool, ends: Param) {
    let (mut buffer, mut name, mut len) = ([0_u8; 600], [0_u8; 28], 28_u32);
    let (name, len) = if named { (out(&mut name), out(&mut len)) } else { (0, 0) };
    let result = sys(libc::SYS_recvfrom, [fd, out(&mut buffer), 600, 0, name, len]);
    assert_eq!(result, data.len() as i64);
    let told = data[..data.len().min(80)].to_vec();
    expected
        .push(EventCode::SOCKET_RECVFROM_X, [i64(result), told, ends, i64(fd as i64), u32(600)]);
}

#[test]
fn tells_where_datagrams_come_from_and_go_to() {
    for ip in ["127.0.0.1", "::1"] {
        let mut expected = Expected::default();
        let Some(events) = trace(CALLS, 80, || datagrams(&mut expected, ip)) else { return };
        expected.check(&events);
    }
}

fn datagrams(expected: &mut Expected, ip: &str) {
    let (server, to) = bound(ip, libc::SOCK_DGRAM);
    let (other, elsewhere) = bound(ip, libc::SOCK_DGRAM);
    let any = if to.is_ipv4() { addr("0.0.0.0:0") } else { addr("[::]:0") };
    let domain = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let client = ok(libc::SYS_socket, [domain as usize, libc::SOCK_DGRAM as usize, 0]);
    // The first message gives the client a port, but no address.
    let ends_of = |destination| tuple(local(client), destination);
    let data: Vec<u8> = (0..200).collect();
    ok(libc::SYS_connect, [client, at(raw(to).as_slice()), raw(to).len()]);
    let unspec = [0_u8; 28];
    send(expected, client, b"connected", &[], ends_of(to));
    // In spite of the connection.
    send(expected, client, b"elsewhere", &raw(elsewhere), ends_of(elsewhere));
    let client_addr = local(client);
    receive(expected, server, b"connected", true, tuple(client_addr, to));
    receive(expected, other, b"elsewhere", false, tuple(any, elsewhere));
    ok(libc::SYS_connect, [client, at(&unspec), raw(to).len()]);
    let ends = |client: usize| tuple(local(client), to);
    let result = sys(
        libc::SYS_sendto,
        [client, at(data.as_slice()), 200, 0, at(raw(to).as_slice()), raw(to).len()],
    );
    assert_eq!(result, 200);
    expected.push(
        EventCode::SOCKET_SENDTO_X,
        [i64(200), data[..80].to_vec(), i64(client as i64), u32(200), ends(client)],
    );
    let sender = SocketAddr::new(to.ip(), local(client).port());
    receive(expected, server, &data, true, tuple(sender, to));
    if to.is_ipv4() {
        // The kernel takes AF_UNSPEC for AF_INET, and so must whoever watches.
        let mut unspec = raw(to);
        unspec[0] = 0;
        send(expected, client, b"unspec", &unspec, ends(client));
        receive(expected, server, b"unspec", true, tuple(sender, to));
    }
    send(expected, client, b"", &raw(to), ends(client));
    receive(expected, server, b"", true, tuple(sender, to));
    for fd in [server, other, client] {
        close(fd);
    }
}

#[test]
fn tells_an_ipv4_destination_of_an_ipv6_socket_as_mapped() {
    let mut expected = Expected::default();
    let Some(events) = trace(CALLS, 80, || {
        let (server, to) = bound("127.0.0.1", libc::SOCK_DGRAM);
        let (client, from) = bound("::", libc::SOCK_DGRAM);
        let mapped = SocketAddr::new(addr("[::ffff:127.0.0.1]:0").ip(), to.port());
        send(&mut expected, client, b"mapped", &raw(to), tuple(from, mapped));
        send(&mut expected, client, b"mapped", &raw(mapped), tuple(from, mapped));
        let sender = SocketAddr::new(to.ip(), from.port());
        receive(&mut expected, server, b"mapped", true, tuple(sender, to));
        close(server);
        close(client);
    }) else {
        return;
    };
    expected.check(&events);
}

/// Both ends of a TCP connection, the client first.
fn connection() -> (usize, usize) {
    let (server, address) = bound("127.0.0.1", libc::SOCK_STREAM);
    ok(libc::SYS_listen, [server, 1]);
    let client = ok(libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_STREAM as usize, 0]);
    ok(libc::SYS_connect, [client, at(raw(address).as_slice()), 16]);
    let accepted = ok(libc::SYS_accept, [server, 0, 0]);
    close(server);
    (client, accepted)
}

#[test]
fn tells_of_streams() {
    let mut expected = Expected::default();
    let Some(events) = trace(CALLS, 80, || {
        let (client, server) = connection();
        let (from, to) = (local(client), local(server));
        let text = b"GET / HTTP/1.1\r\n\r\n";
        send(&mut expected, client, text, &[], tuple(from, to));
        // A stream goes where it goes, and does not say where it came from.
        send(&mut expected, client, text, &raw(addr("8.8.8.8:53")), tuple(from, to));
        let both = [&text[..], text].concat();
        receive(&mut expected, server, &both, true, tuple(from, to));
        // What has come to an end.
        ok(libc::SYS_shutdown, [client, libc::SHUT_WR as usize]);
        receive(&mut expected, server, b"", false, tuple(from, to));
        close(client);
        close(server);
    }) else {
        return;
    };
    expected.check(&events);
}

#[test]
fn tells_of_failures() {
    let mut expected = Expected::default();
    let Some(events) = trace(CALLS, 80, || {
        let (fd, to) = bound("127.0.0.1", libc::SOCK_DGRAM | libc::SOCK_NONBLOCK);
        let name = raw(to);
        let (fault, bad_fd) = (-i64::from(libc::EFAULT), -i64::from(libc::EBADF));
        // Data that cannot be read, and data of a call that fails.
        let result = sys(libc::SYS_sendto, [fd, BAD, 10, 0, at(name.as_slice()), 16]);
        assert_eq!(result, fault);
        expected
            .push(EventCode::SOCKET_SENDTO_X, [i64(result), NONE, i64(fd as i64), u32(10), NONE]);
        let result = sys(libc::SYS_sendto, [9999, at("data"), 4, 0, 0, 0]);
        assert_eq!(result, bad_fd);
        let data = b"data".to_vec();
        expected.push(EventCode::SOCKET_SENDTO_X, [i64(result), data, i64(9999), u32(4), NONE]);
        let result = sys(libc::SYS_recvfrom, [fd, BAD, 1 << 33 | 7, 0, 0, 0]);
        assert_eq!(result, -i64::from(libc::EAGAIN));
        expected
            .push(EventCode::SOCKET_RECVFROM_X, [i64(result), NONE, NONE, i64(fd as i64), u32(7)]);
        // No header, no vector.
        let result = sys(libc::SYS_sendmsg, [fd, BAD, 0]);
        assert_eq!(result, fault);
        expected.push(EventCode::SOCKET_SENDMSG_X, [i64(result), NONE, i64(fd as i64), NONE, NONE]);
        let message = Message { vector: BAD, count: 3, ..Message::default() };
        let result = sys(libc::SYS_sendmsg, [fd, at(&message), 0]);
        assert_eq!(result, fault);
        expected
            .push(EventCode::SOCKET_SENDMSG_X, [i64(result), NONE, i64(fd as i64), u32(0), NONE]);
        let vector = [iovec(b"three"), Iovec { base: BAD, len: 3 }];
        let message = Message::new(&vector);
        let result = sys(libc::SYS_sendmsg, [9999, at(&message), 0]);
        assert_eq!(result, bad_fd);
        let data = b"three".to_vec();
        expected.push(EventCode::SOCKET_SENDMSG_X, [i64(result), data, i64(9999), u32(8), NONE]);
        let result = sys(libc::SYS_recvmsg, [fd, at(&message), 0]);
        assert_eq!(result, -i64::from(libc::EAGAIN));
        expected.push(
            EventCode::SOCKET_RECVMSG_X,
            [i64(result), u32(0), NONE, NONE, NONE, i64(fd as i64)],
        );
        // Many that are none.
        let result = sys(libc::SYS_sendmmsg, [9999, BAD, 4, 0]);
        expected.push(EventCode::SOCKET_SENDMMSG_X, [i64(result), i64(9999), u32(0), NONE, NONE]);
        let result = sys(libc::SYS_sendmmsg, [fd, BAD, 0, 0]);
        assert_eq!(result, 0);
        expected.push(EventCode::SOCKET_SENDMMSG_X, [i64(0), i64(fd as i64), u32(0), NONE, NONE]);
        let result = sys(libc::SYS_recvmmsg, [9999, BAD, 4, 0, 0]);
        expected
            .push(EventCode::SOCKET_RECVMMSG_X, [i64(result), i64(9999), u32(0), NONE, NONE, NONE]);
        close(fd);
    }) else {
        return;
    };
    expected.check(&events);
}

#[test]
fn tells_messages_of_several_buffers() {
    let mut expected = Expected::default();
    let Some(events) = trace(CALLS, 80, || {
        let (server, to) = bound("127.0.0.1", libc::SOCK_DGRAM);
        let (client, from) = bound("127.0.0.1", libc::SOCK_DGRAM);
        let name = raw(to);
        let parts = [iovec(b"one"), iovec(b""), Iovec { base: BAD, len: 0 }, iovec(b"two")];
        let message = Message::new(&parts).named(&name);
        let result = sys(libc::SYS_sendmsg, [client, at(&message), 0]);
        assert_eq!(result, 6);
        let data = b"onetwo".to_vec();
        expected.push(
            EventCode::SOCKET_SENDMSG_X,
            [i64(6), data.clone(), i64(client as i64), u32(6), tuple(from, to)],
        );
        let (mut a, mut b, mut sender) = ([0_u8; 2], [0_u8; 100], [0_u8; 28]);
        let parts = [Iovec { base: out(&mut a), len: 2 }, Iovec { base: out(&mut b), len: 100 }];
        let mut message = Message { name: out(&mut sender), name_len: 28, ..Message::new(&parts) };
        let result = sys(libc::SYS_recvmsg, [server, out(&mut message), 0]);
        assert_eq!(result, 6);
        expected.push(
            EventCode::SOCKET_RECVMSG_X,
            [i64(6), u32(6), data, tuple(from, to), NONE, i64(server as i64)],
        );
        close(server);
        close(client);
    }) else {
        return;
    };
    expected.check(&events);
}

#[test]
fn tells_control_messages() {
    let (mut fds, mut control, mut sender) = ([-1_i32; 2], vec![0_u8; 64], 0_usize);
    let Some(events) = trace(&["recvmsg"], 80, || {
        ok(libc::SYS_socketpair, [1, libc::SOCK_DGRAM as usize, 0, out(&mut fds)]);
        sender = fds[0] as usize;
        // SOL_SOCKET, SCM_RIGHTS, one fd.
        let mut rights = [0_u8; 24];
        rights[0] = 20;
        rights[8] = 1;
        rights[12] = 1;
        rights[16..20].copy_from_slice(&fds[1].to_le_bytes());
        let parts = [iovec(b"f")];
        let message = Message::new(&parts).control(&rights);
        assert_eq!(sys(libc::SYS_sendmsg, [sender, at(&message), 0]), 1);
        let mut data = [0_u8; 8];
        let parts = [Iovec { base: out(&mut data), len: 8 }];
        let mut message = Message {
            control: out(control.as_mut_slice()),
            control_len: control.len(),
            ..Message::new(&parts)
        };
        assert_eq!(sys(libc::SYS_recvmsg, [fds[1] as usize, out(&mut message), 0]), 1);
        control.truncate(message.control_len);
        let received = i32::from_le_bytes(control[16..20].try_into().unwrap());
        for fd in [fds[0], fds[1], received] {
            close(fd as usize);
        }
    }) else {
        return;
    };
    assert_eq!(control.len(), 24);
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.code, EventCode::SOCKET_RECVMSG_X);
    assert_eq!(event.params[2], b"f");
    assert_eq!(event.params[4], control);
}

/// As many as the kernel takes at once; 16 are all that Falco shows.
#[test]
fn tells_every_message_of_many() {
    let mut expected = Expected::default();
    let Some(events) = trace(CALLS, 80, || {
        let (server, to) = bound("127.0.0.1", libc::SOCK_DGRAM);
        let (client, from) = bound("127.0.0.1", libc::SOCK_DGRAM);
        for count in [1, 33, 100] {
            let name = raw(to);
            let texts: Vec<String> = (0..count).map(|i| format!("message {i}")).collect();
            let parts: Vec<[Iovec; 2]> =
                texts.iter().map(|text| [iovec(b"> "), iovec(text.as_bytes())]).collect();
            let mut messages: Vec<Message> =
                parts.iter().map(|parts| Message::new(parts).named(&name)).collect();
            let sent = sys(libc::SYS_sendmmsg, [client, out(messages.as_mut_slice()), count, 0]);
            assert_eq!(sent, count as i64);
            for text in &texts {
                let (data, len) = ([b"> ", text.as_bytes()].concat(), text.len() as u32 + 2);
                expected.push(
                    EventCode::SOCKET_SENDMMSG_X,
                    [i64(len.into()), i64(client as i64), u32(len), data, tuple(from, to)],
                );
            }
            let mut buffers = vec![[0_u8; 64]; count];
            let mut names = vec![[0_u8; 16]; count];
            let parts: Vec<[Iovec; 1]> =
                buffers.iter_mut().map(|buffer| [Iovec { base: out(buffer), len: 64 }]).collect();
            let messages = parts.iter().zip(&mut names);
            let mut messages: Vec<Message> = messages
                .map(|(parts, name)| Message {
                    name: out(name),
                    name_len: 16,
                    ..Message::new(parts)
                })
                .collect();
            let mut received = 0;
            while received < count {
                let left = &mut messages[received..];
                let args = [server, out(left), count - received, libc::MSG_WAITFORONE as usize, 0];
                received += ok(libc::SYS_recvmmsg, args);
            }
            for text in &texts {
                let (data, len) = ([b"> ", text.as_bytes()].concat(), text.len() as u32 + 2);
                expected.push(
                    EventCode::SOCKET_RECVMMSG_X,
                    [i64(len.into()), i64(server as i64), u32(len), data, tuple(from, to), NONE],
                );
            }
        }
        close(server);
        close(client);
    }) else {
        return;
    };
    expected.check(&events);
}
