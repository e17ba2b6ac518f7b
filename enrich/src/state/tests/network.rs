//! Sockets: names, roles, and what datagrams change.

use std::net::Ipv6Addr;

use falco_event::{EventBuilder, EventCode as E};

use super::World;
use crate::fd::{FdFlags, FdType, Socket};

fn addr4(ip: [u8; 4], port: u16) -> Vec<u8> {
    [&[2][..], &ip, &port.to_le_bytes()].concat()
}

fn tuple4(a: ([u8; 4], u16), b: ([u8; 4], u16)) -> Vec<u8> {
    [&[2][..], &a.0, &a.1.to_le_bytes(), &b.0, &b.1.to_le_bytes()].concat()
}

fn tuple6(a: (&str, u16), b: (&str, u16)) -> Vec<u8> {
    let ip = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    [&[10][..], &ip(a.0), &a.1.to_le_bytes(), &ip(b.0), &b.1.to_le_bytes()].concat()
}

const LO: [u8; 4] = [127, 0, 0, 1];
const WEB: [u8; 4] = [10, 0, 0, 2];

impl World {
    fn socket(&mut self, fd: i64, domain: u32, ty: u32) {
        self.event(10, E::SOCKET_SOCKET_X, |b| {
            b.i64(fd).u32(domain).u32(ty).u32(0).u32(0);
        });
    }

    fn connect(&mut self, fd: i64, res: i64, tuple: &[u8], addr: &[u8]) -> bool {
        let current = self.event(10, E::SOCKET_CONNECT_X, |b| {
            b.i64(res).bytes(tuple).i64(fd).bytes(addr);
        });
        current.name_changed
    }

    fn recvfrom(&mut self, fd: i64, tuple: &[u8]) -> bool {
        let current = self.event(10, E::SOCKET_RECVFROM_X, |b| {
            b.i64(5).bytes(b"hello").bytes(tuple).i64(fd).u32(600);
        });
        current.name_changed
    }

    fn sendto(&mut self, fd: i64, tuple: &[u8]) -> bool {
        let current = self.event(10, E::SOCKET_SENDTO_X, |b: &mut EventBuilder| {
            b.i64(5).bytes(b"hello").i64(fd).u32(5).bytes(tuple);
        });
        current.name_changed
    }

    fn role(&self, fd: i64) -> FdFlags {
        self.fd(10, fd).unwrap().flags & (FdFlags::ROLE_CLIENT | FdFlags::ROLE_SERVER)
    }
}

#[test]
fn a_client_connects() {
    let mut w = World::new();
    w.socket(3, 2, 1);
    assert_eq!(w.fd(10, 3).map(|fd| (fd.ty, fd.name.is_empty())), Some((FdType::Ipv4, true)));
    // Refused: nothing is known but that.
    assert!(!w.connect(3, -111, &[], &addr4(WEB, 80)));
    assert!(w.role(3).is_empty());
    assert!(w.connect(3, -115, &tuple4((LO, 4000), (WEB, 80)), &addr4(WEB, 80)));
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("127.0.0.1:4000->10.0.0.2:80"));
    assert_eq!(w.role(3), FdFlags::ROLE_CLIENT);
    assert!(w.fd(10, 3).unwrap().flags.contains(FdFlags::CONNECTED));
    assert_eq!(w.fd(10, 3).unwrap().socket.proto(), falco_source::snapshot::L4Proto::Tcp);
    // TCP data changes no names.
    assert!(!w.recvfrom(3, &tuple4((WEB, 80), (LO, 4000))));
}

#[test]
fn the_address_at_entry_counts_if_the_kernel_does_not_know_better() {
    let mut w = World::new();
    let enter = |w: &mut World, addr: Vec<u8>| {
        w.event(10, E::SOCKET_CONNECT_E, |b| {
            b.i64(3).bytes(&addr);
        });
    };
    w.socket(3, 2, 1);
    enter(&mut w, addr4(WEB, 80));
    assert_eq!(w.thread(10).lastevent_fd, 3);
    w.connect(3, 0, &tuple4((LO, 4000), (LO, 99)), &addr4(LO, 99));
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("127.0.0.1:4000->10.0.0.2:80"));
    enter(&mut w, addr4(WEB, 80));
    w.connect(3, 0, &tuple4((LO, 4000), ([8, 8, 8, 8], 53)), &addr4(LO, 99));
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("127.0.0.1:4000->8.8.8.8:53"));
}

#[test]
fn a_server_binds_and_accepts() {
    let mut w = World::new();
    w.socket(3, 2, 1);
    w.event(10, E::SOCKET_BIND_X, |b| {
        b.i64(0).bytes(&addr4([0; 4], 8080)).i64(3);
    });
    let fd = w.fd(10, 3).unwrap();
    assert_eq!((fd.ty, &*fd.name), (FdType::Ipv4Server, &b"0.0.0.0:8080"[..]));
    let current = w.event(10, E::SOCKET_ACCEPT4_6_X, |b| {
        b.i64(4).bytes(&tuple4((WEB, 5000), (LO, 8080))).u8(0).u32(0).u32(0).u32(1 << 12);
    });
    assert!(current.name_changed);
    assert_eq!(w.fd_name(10, 4).as_deref(), Some("10.0.0.2:5000->127.0.0.1:8080"));
    assert_eq!(w.role(4), FdFlags::ROLE_SERVER);
    assert!(w.fd(10, 4).unwrap().is_close_on_exec());
    // IPv4 in IPv6 clothes is IPv4.
    w.event(10, E::SOCKET_ACCEPT_5_X, |b| {
        let tuple = tuple6(("::ffff:10.0.0.9", 7), ("::ffff:127.0.0.1", 8080));
        b.i64(5).bytes(&tuple).u8(0).u32(0).u32(0);
    });
    assert_eq!(w.fd_name(10, 5).as_deref(), Some("10.0.0.9:7->127.0.0.1:8080"));
    assert_eq!(w.fd(10, 5).unwrap().ty, FdType::Ipv4);
}

#[test]
fn datagrams_name_their_socket_with_the_client_first() {
    let mut w = World::new();
    // A client that sends first.
    w.socket(3, 2, 2);
    assert!(w.sendto(3, &tuple4((LO, 4000), (WEB, 53))));
    assert_eq!(w.role(3), FdFlags::ROLE_CLIENT);
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("127.0.0.1:4000->10.0.0.2:53"));
    assert!(!w.recvfrom(3, &tuple4((WEB, 53), (LO, 4000))), "the answer is no other connection");
    assert!(w.sendto(3, &tuple4((LO, 4000), (WEB, 54))));
    // A server that answers.
    w.socket(4, 2, 2);
    w.event(10, E::SOCKET_BIND_X, |b| {
        b.i64(0).bytes(&addr4(LO, 53)).i64(4);
    });
    assert!(w.recvfrom(4, &tuple4((WEB, 9), (LO, 53))));
    assert!(!w.sendto(4, &tuple4((LO, 53), (WEB, 9))));
    assert_eq!(w.fd_name(10, 4).as_deref(), Some("10.0.0.2:9->127.0.0.1:53"));
    assert!(w.recvfrom(4, &tuple4((WEB, 10), (LO, 53))));
    assert_eq!(w.fd_name(10, 4).as_deref(), Some("10.0.0.2:10->127.0.0.1:53"));
}

#[test]
fn messages_name_their_socket_as_datagrams_do() {
    let mut w = World::new();
    w.socket(3, 2, 2);
    let there = tuple4((LO, 4000), (WEB, 53));
    let current = w.event(10, E::SOCKET_SENDMSG_X, |b| {
        b.i64(5).bytes(b"hello").i64(3).u32(5).bytes(&there);
    });
    assert!(current.name_changed);
    assert_eq!(w.role(3), FdFlags::ROLE_CLIENT);
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("127.0.0.1:4000->10.0.0.2:53"));
    let back = tuple4((WEB, 53), (LO, 4000));
    let current = w.event(10, E::SOCKET_RECVMSG_X, |b| {
        b.i64(5).u32(600).bytes(b"hello").bytes(&back).empty().i64(3);
    });
    assert!(!current.name_changed, "the answer is no other connection");
    assert_eq!(current.fd_num, Some(3));
}

#[test]
fn listen_and_shutdown_keep_what_is_known() {
    let mut w = World::new();
    w.socket(3, 2, 1);
    w.event(10, E::SOCKET_BIND_X, |b| {
        b.i64(0).bytes(&addr4(LO, 80)).i64(3);
    });
    let listen = w.event(10, E::SOCKET_LISTEN_X, |b| {
        b.i64(0).i64(3).u32(128);
    });
    let shutdown = w.event(10, E::SOCKET_SHUTDOWN_X, |b| {
        b.i64(0).i64(3).u8(2);
    });
    assert_eq!((listen.fd_num, shutdown.fd_num), (Some(3), Some(3)));
    assert!(!listen.name_changed && !shutdown.name_changed);
    let fd = w.fd(10, 3).unwrap();
    assert_eq!((fd.ty, &*fd.name), (FdType::Ipv4Server, &b"127.0.0.1:80"[..]));
}

#[test]
fn a_socket_whose_making_was_lost_is_inferred() {
    let mut w = World::new();
    w.sendto(9, &tuple4((LO, 4000), (WEB, 53)));
    let fd = w.fd(10, 9).unwrap();
    assert_eq!((fd.ty, fd.socket.proto() as u8), (FdType::Ipv4, 3));
    assert_eq!(&*fd.name, b"127.0.0.1:4000->10.0.0.2:53");
}

#[test]
fn ipv6_has_names_too() {
    let mut w = World::new();
    w.socket(3, 10, 1);
    w.connect(3, 0, &tuple6(("::1", 4000), ("2001:db8::5", 443)), &[]);
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("::1:4000->2001:db8::5:443"));
    assert_eq!(w.fd(10, 3).unwrap().ty, FdType::Ipv6);
    // Falco loses the transport of an IPv6 socket that talks IPv4.
    w.socket(4, 10, 1);
    w.connect(4, 0, &tuple6(("::ffff:10.0.0.1", 1), ("::ffff:10.0.0.2", 2)), &[]);
    let fd = w.fd(10, 4).unwrap();
    assert_eq!((fd.ty, &*fd.name), (FdType::Ipv4, &b"<unknown>"[..]));
}

#[test]
fn unix_sockets_are_named_by_address_and_path() {
    let mut w = World::new();
    let tuple = |src: u64, dst: u64, path: &[u8]| {
        [&[1][..], &src.to_le_bytes(), &dst.to_le_bytes(), path, &[0]].concat()
    };
    w.socket(3, 1, 1);
    w.connect(3, 0, &tuple(0xff11, 0xff22, b"/run/x"), b"\x01/run/x\0");
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("ff11->ff22 /run/x"));
    assert_eq!(w.fd(10, 3).unwrap().socket, Socket::Unix { src: 0xff11, dst: 0xff22 });
    assert!(!w.sendto(3, &tuple(0xff11, 0xff22, b"/run/x")));
    assert!(w.sendto(3, &tuple(0xff11, 0xff33, b"/run/y")));
    w.event(10, E::SOCKET_SOCKETPAIR_X, |b| {
        b.i64(0).i64(5).i64(6).u64(1).u64(2).u32(1).u32(1).u32(0);
    });
    assert_eq!(w.fd(10, 6).unwrap().socket, Socket::Unix { src: 1, dst: 2 });
}

#[test]
fn an_end_without_address_is_this_machine() {
    use falco_source::snapshot::Interface;
    let mut w = World::new();
    let interface = |addr: [u8; 4], netmask: [u8; 4]| Interface {
        name: b"e".to_vec(),
        addr: addr.into(),
        netmask: netmask.into(),
        broadcast: [0; 4].into(),
        linkspeed: 0,
    };
    w.state.interfaces =
        vec![interface(LO, [255, 0, 0, 0]), interface([10, 0, 0, 7], [255, 255, 255, 0])];
    w.socket(3, 2, 2);
    w.sendto(3, &tuple4(([0; 4], 4000), (WEB, 53)));
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("10.0.0.7:4000->10.0.0.2:53"));
    w.sendto(3, &tuple4(([0; 4], 4000), (LO, 53)));
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("127.0.0.1:4000->127.0.0.1:53"));
    w.sendto(3, &tuple4(([0; 4], 4000), ([1, 1, 1, 1], 53)));
    assert_eq!(w.fd_name(10, 3).as_deref(), Some("10.0.0.7:4000->1.1.1.1:53"));
}

#[test]
fn a_snapshot_orients_its_connections() {
    use falco_event::net::Endpoint;
    use falco_source::snapshot::{Fd, FdKind, L4Proto, Thread};
    let end = |ip: [u8; 4], port| Endpoint { ip: ip.into(), port };
    let tcp = |src, dst| FdKind::Inet { src, dst, proto: L4Proto::Tcp };
    let fds = [
        FdKind::InetServer { local: end([0; 4], 80), proto: L4Proto::Tcp },
        tcp(end(LO, 80), end(WEB, 4000)),
        tcp(end(LO, 4001), end(WEB, 443)),
    ];
    let fds = fds.into_iter().enumerate();
    let mut w = World::new();
    w.state.restore(&falco_source::Snapshot {
        threads: vec![Thread { tid: 10, pid: 10, ptid: 0, ..Thread::default() }],
        fds: vec![(10, fds.map(|(num, kind)| Fd { num: num as i64, ino: 0, kind }).collect())],
        ..Default::default()
    });
    assert_eq!(w.fd_name(10, 0).as_deref(), Some("0.0.0.0:80"));
    assert_eq!(w.fd_name(10, 1).as_deref(), Some("10.0.0.2:4000->127.0.0.1:80"));
    assert_eq!(w.role(1), FdFlags::ROLE_SERVER);
    assert_eq!(w.fd_name(10, 2).as_deref(), Some("127.0.0.1:4001->10.0.0.2:443"));
    assert_eq!(w.role(2), FdFlags::ROLE_CLIENT);
}
