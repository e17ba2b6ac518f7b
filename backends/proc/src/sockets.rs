//! [`Sockets`]: what the sockets of processes are, from the tables of their network namespaces
//! (proc_pid_net(5)).
//!
//! A process shows its sockets by inode only. So inodes are collected first, by namespace; then
//! the tables of each namespace are read once, and only until every inode is explained. Memory is
//! bounded by the fds that were met, not by what the host has open.
//!
//! The tables of TCP come last, and only if [`peek`] cannot do without them: to print
//! them the kernel walks its hash table of all namespaces, 4.6 ms each on a host of 24 GiB even if
//! no connection is open, again for every namespace. The other tables take 25 µs or less.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use falco_event::net::Endpoint;
use falco_source::snapshot::{FdKind, L4Proto};
use rustix::fd::OwnedFd;
use rustix::fs::getxattr;

use crate::files::{Buffers, Name, directory, stat};
use crate::host::Host;
use crate::peek;
use crate::text::{decimal, hex, words};

/// `SCAP_FD_NETLINK`.
pub(crate) const NETLINK: u8 = 15;

/// Processes of a namespace that are tried before its tables are given up: any of them may have
/// ended meanwhile.
const WITNESSES: usize = 16;

/// Sockets of a namespace that are looked at one by one. More are cheaper from a table.
const PEEKS: usize = 1000;

/// So few are not worth reading the short tables.
const FEW: usize = 20;

/// How a table's lines are to be read.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Unix,
    Netlink,
    Inet(L4Proto),
}

const SHORT_TABLES: [(&CStr, Format); 8] = [
    (c"net/unix", Format::Unix),
    (c"net/netlink", Format::Netlink),
    (c"net/udp", Format::Inet(L4Proto::Udp)),
    (c"net/udp6", Format::Inet(L4Proto::Udp)),
    (c"net/raw", Format::Inet(L4Proto::Raw)),
    (c"net/raw6", Format::Inet(L4Proto::Raw)),
    (c"net/icmp", Format::Inet(L4Proto::Icmp)),
    (c"net/icmp6", Format::Inet(L4Proto::Icmp)),
];

const LONG_TABLES: [(&CStr, Format); 2] =
    [(c"net/tcp", Format::Inet(L4Proto::Tcp)), (c"net/tcp6", Format::Inet(L4Proto::Tcp))];

/// Sockets that were met, by network namespace and inode.
#[derive(Debug, Default)]
pub(crate) struct Sockets(HashMap<u64, HashMap<u64, Socket>>);

/// A socket, and one fd that is it.
#[derive(Debug)]
pub(crate) struct Socket {
    pub pid: u64,
    pub num: u64,
    pub is: Option<FdKind>,
}

impl Sockets {
    /// Notes a socket: fd `num` of process `pid`.
    pub(crate) fn want(&mut self, namespace: u64, inode: u64, pid: u64, num: u64) {
        let sockets = self.0.entry(namespace).or_default();
        sockets.entry(inode).or_insert(Socket { pid, num, is: None });
    }

    /// Takes over what another scan noted.
    pub(crate) fn merge(&mut self, other: Sockets) {
        for (namespace, sockets) in other.0 {
            match self.0.entry(namespace) {
                Entry::Occupied(mut mine) => mine.get_mut().extend(sockets),
                Entry::Vacant(mine) => _ = mine.insert(sockets),
            }
        }
    }

    /// Finds out what the sockets are, as far as that can be done until `deadline`.
    pub(crate) fn explain(
        &mut self,
        host: &Host,
        buffers: &mut Buffers,
        deadline: Option<Instant>,
    ) {
        for sockets in self.0.values_mut() {
            if host.has_our_pids && sockets.len() <= FEW && peeked(sockets, deadline) {
                continue;
            }
            let mut tables = Tables::new(host, buffers, deadline, sockets);
            tables.read(&SHORT_TABLES, sockets);
            check_unix(host, sockets);
            let many = unexplained(sockets).count() > PEEKS;
            if !host.has_our_pids || many || !peeked(sockets, deadline) {
                tables.read(&LONG_TABLES, sockets);
            }
        }
    }

    /// What a socket is. `None` if nobody could tell.
    pub(crate) fn get(&self, namespace: u64, inode: u64) -> Option<&FdKind> {
        self.0.get(&namespace)?.get(&inode)?.is.as_ref()
    }
}

/// Whether sockets could be looked at one by one.
fn peeked(sockets: &mut HashMap<u64, Socket>, deadline: Option<Instant>) -> bool {
    let mut left: Vec<_> = unexplained(sockets).collect();
    peek::all(&mut left, deadline).is_ok()
}

fn unexplained(sockets: &mut HashMap<u64, Socket>) -> impl Iterator<Item = (u64, &mut Socket)> {
    sockets.iter_mut().map(|(inode, socket)| (*inode, socket)).filter(|(_, s)| s.is.is_none())
}

/// The tables of one namespace.
struct Tables<'a> {
    host: &'a Host,
    buffers: &'a mut Buffers,
    deadline: Option<Instant>,
    /// The process through which they are read.
    dir: Option<OwnedFd>,
    /// Other processes of the namespace.
    witnesses: Vec<u64>,
}

impl<'a> Tables<'a> {
    fn new(
        host: &'a Host,
        buffers: &'a mut Buffers,
        deadline: Option<Instant>,
        sockets: &HashMap<u64, Socket>,
    ) -> Self {
        let mut witnesses = Vec::new();
        for socket in sockets.values() {
            if witnesses.len() < WITNESSES && !witnesses.contains(&socket.pid) {
                witnesses.push(socket.pid);
            }
        }
        Tables { host, buffers, deadline, dir: None, witnesses }
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() > deadline)
    }

    /// Reads tables until all sockets are explained.
    fn read(&mut self, tables: &[(&CStr, Format)], sockets: &mut HashMap<u64, Socket>) {
        for (name, format) in tables {
            if self.is_late() || unexplained(sockets).next().is_none() {
                return;
            }
            while !self.read_one(name, *format, sockets) {
                let Some(pid) = self.witnesses.pop() else { return };
                self.dir = directory(&self.host.proc, Name::of(pid).as_c_str()).ok();
            }
        }
    }

    /// Reads one table; whether there is a process through which that can be done.
    fn read_one(
        &mut self,
        name: &CStr,
        format: Format,
        sockets: &mut HashMap<u64, Socket>,
    ) -> bool {
        let Some(dir) = &self.dir else { return false };
        let mut left = unexplained(sockets).count();
        let (mut met, mut lines) = (HashSet::new(), 0_u32);
        let deadline = self.deadline;
        let read = self.buffers.lines(dir, name, |line| {
            if let Some((inode, kind)) = parse(format, line)
                && let Some(socket) = sockets.get_mut(&inode)
            {
                left -= usize::from(socket.is.is_none());
                // Whoever binds a unix socket chooses its name, line feeds and what looks like a
                // line of the table included: of two that claim an inode, neither is believed.
                socket.is = Some(match met.insert(inode) {
                    true => kind,
                    false => FdKind::Unix { src: 0, dst: 0, name: Vec::new() },
                });
            }
            lines += 1;
            let is_done = left == 0 && !matches!(format, Format::Unix);
            let is_late = || deadline.is_some_and(|deadline| Instant::now() > deadline);
            !(is_done || lines.is_multiple_of(256) && is_late())
        });
        // A table may be missing (there is no IPv6), or the process be gone.
        read.is_ok() || stat(dir, c"net/unix").is_ok()
    }
}

/// Asks the kernel whether what a table calls a unix socket is one. A socket's name could have put
/// lines into the table that claim the inodes of others.
fn check_unix(host: &Host, sockets: &mut HashMap<u64, Socket>) {
    for socket in sockets.values_mut().filter(|s| matches!(s.is, Some(FdKind::Unix { .. }))) {
        let protocol = protocol(host, socket.pid, socket.num);
        if protocol.is_some_and(|protocol| !protocol.starts_with(b"UNIX")) {
            socket.is = None;
        }
    }
}

/// The kernel's name of the protocol of the socket that an fd is, and NULs. `None` if it is no socket.
fn protocol(host: &Host, pid: u64, num: u64) -> Option<[u8; 32]> {
    let path = host.proc_path.join(format!("{pid}/fd/{num}"));
    let mut protocol = [0; 32];
    getxattr(&path, c"system.sockprotoname", &mut protocol[..]).ok()?;
    Some(protocol)
}

/// What socket(2) was asked for when the socket was made that an fd is: domain, type and protocol, as
/// far as the kernel's name of the protocol tells them. It takes a microsecond or two, and nothing that
/// an ordinary user lacks.
pub(crate) fn kind(host: &Host, pid: u64, num: u64) -> Option<(u32, u32, u32)> {
    let protocol = protocol(host, pid, num)?;
    let name = protocol.split(|&b| b == 0).next()?;
    Some(match name {
        b"TCP" => (2, 1, 6),
        b"TCPv6" => (10, 1, 6),
        b"MPTCP" => (2, 1, 262),
        b"MPTCPv6" => (10, 1, 262),
        b"UDP" => (2, 2, 17),
        b"UDPv6" => (10, 2, 17),
        b"PING" => (2, 2, 1),
        b"PINGv6" => (10, 2, 58),
        b"RAW" => (2, 3, 255),
        b"RAWv6" => (10, 3, 255),
        b"UNIX-STREAM" => (1, 1, 0),
        // Before Linux 5.15, of all types.
        b"UNIX" => (1, 2, 0),
        b"NETLINK" => (16, 3, 0),
        b"PACKET" => (17, 3, 0),
        _ => return None,
    })
}

/// One line of a table: inode, and what the socket is. `None` for a header, or what is no line.
fn parse(format: Format, line: &[u8]) -> Option<(u64, FdKind)> {
    match format {
        Format::Unix => unix(line),
        Format::Netlink => {
            let inode = decimal(words(line).nth(9)?)?;
            Some((inode, FdKind::Named { scap_type: NETLINK, name: Vec::new() }))
        }
        Format::Inet(proto) => {
            let mut words = words(line).skip(1);
            let (local, remote) = (endpoint(words.next()?)?, endpoint(words.next()?)?);
            // Connections without a process (TIME_WAIT) have inode 0.
            let inode = decimal(words.nth(6)?).filter(|inode| *inode != 0)?;
            Some((inode, inet(local, remote, proto)))
        }
    }
}

/// A socket that knows no other end counts as a server, whether it listens or not, as libscap has
/// it.
pub(crate) fn inet(local: Endpoint, remote: Endpoint, proto: L4Proto) -> FdKind {
    match remote.ip.is_unspecified() {
        true => FdKind::InetServer { local, proto },
        false => FdKind::Inet { src: local, dst: remote, proto },
    }
}

/// `Num: RefCount Protocol Flags Type St Inode Path`; a path may hold anything.
fn unix(line: &[u8]) -> Option<(u64, FdKind)> {
    let mut rest = line;
    let mut next = || {
        let start = rest.iter().position(|&b| b != b' ')?;
        let end = rest[start..].iter().position(|&b| b == b' ').map_or(rest.len(), |n| start + n);
        let word = &rest[start..end];
        rest = &rest[end..];
        Some(word)
    };
    // Kernels print a hash instead of the address unless they are told not to (`kptr_restrict`);
    // events have the address.
    let src = hex(next()?.strip_suffix(b":")?)?;
    let src = if src >> 48 == 0xffff { src } else { 0 };
    let inode = decimal((0..5).try_fold(&b""[..], |_, _| next()).and_then(|_| next())?)?;
    let path = rest.strip_prefix(b" ").unwrap_or(rest);
    // The mark of an abstract name. Events do not have it.
    let name = path.strip_prefix(b"@").unwrap_or(path).to_vec();
    Some((inode, FdKind::Unix { src, dst: 0, name }))
}

/// `0100007F:1F90`: 32-bit words in the byte order of the machine, and a port.
fn endpoint(text: &[u8]) -> Option<Endpoint> {
    let colon = text.iter().position(|&b| b == b':')?;
    let (address, port) = (&text[..colon], &text[colon + 1..]);
    let word = |text: &[u8]| Some(u32::try_from(hex(text)?).ok()?.to_ne_bytes());
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(address)?)),
        32 => {
            let mut ip = [0; 16];
            for (to, from) in ip.chunks_exact_mut(4).zip(address.chunks_exact(8)) {
                to.copy_from_slice(&word(from)?);
            }
            IpAddr::V6(Ipv6Addr::from(ip))
        }
        _ => return None,
    };
    Some(Endpoint { ip, port: u16::try_from(hex(port)?).ok()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(ip: &str, port: u16) -> Endpoint {
        Endpoint { ip: ip.parse().unwrap(), port }
    }

    #[test]
    fn a_socket_without_tables_has_a_kind() {
        use std::os::fd::AsRawFd;
        let host = Host::open(std::path::Path::new("/")).unwrap();
        let own = |fd: i32| kind(&host, std::process::id().into(), fd as u64);
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let file = std::fs::File::open("/").unwrap();
        assert_eq!(own(tcp.as_raw_fd()), Some((2, 1, 6)));
        assert_eq!(own(udp.as_raw_fd()), Some((2, 2, 17)));
        assert_eq!(own(file.as_raw_fd()), None);
    }

    #[test]
    fn inet_lines() {
        let line = b"   1: 0100007F:8AE4 0200000A:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 17745 1 0000 20 4 30 10 -1";
        let (src, dst) = (end("127.0.0.1", 0x8ae4), end("10.0.0.2", 443));
        let kind = FdKind::Inet { src, dst, proto: L4Proto::Tcp };
        assert_eq!(parse(Format::Inet(L4Proto::Tcp), line), Some((17745, kind)));
        let line = b"  20: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0 0";
        let kind = FdKind::InetServer { local: end("::1", 22), proto: L4Proto::Udp };
        assert_eq!(parse(Format::Inet(L4Proto::Udp), line), Some((99, kind)));
        let header = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
        assert_eq!(parse(Format::Inet(L4Proto::Udp), header), None);
    }

    #[test]
    fn unix_lines() {
        let parse = |line: &[u8]| parse(Format::Unix, line);
        let kind = |name: &[u8]| FdKind::Unix { src: 0, dst: 0, name: name.to_vec() };
        let line = b"ffff888100000040: 00000002 00000000 00010000 0001 01 1 /";
        let src = 0xffff_8881_0000_0040;
        assert_eq!(parse(line), Some((1, FdKind::Unix { src, dst: 0, name: b"/".into() })));
        let line = b"00000000ffff8880: 00000002 00000000 00010000 0001 01 1234 /run/a b ";
        assert_eq!(parse(line), Some((1234, kind(b"/run/a b "))));
        let line = b"00000000ffff8880: 00000002 00000000 00000000 0002 01    77";
        assert_eq!(parse(line), Some((77, kind(b""))));
        let line = b"00000000ffff8880: 00000002 00000000 00010000 0001 01 12 @/tmp/dbus-\xff";
        assert_eq!(parse(line), Some((12, kind(b"/tmp/dbus-\xff"))));
        assert_eq!(parse(b"Num       RefCount Protocol Flags    Type St Inode Path"), None);
    }

    #[test]
    fn netlink_lines() {
        let line = b"0000000000000000 0   1        00000550 0        0        0     2        0        7205";
        let kind = FdKind::Named { scap_type: NETLINK, name: Vec::new() };
        assert_eq!(parse(Format::Netlink, line), Some((7205, kind)));
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            for format in [Format::Unix, Format::Netlink, Format::Inet(L4Proto::Tcp)] {
                let _ = parse(format, &line);
            }
        }

        #[test]
        fn lines_that_look_right_are_read_without_a_panic(line in "[0-9A-F: @/\\n]{0,160}") {
            for format in [Format::Unix, Format::Netlink, Format::Inet(L4Proto::Tcp)] {
                let _ = parse(format, line.as_bytes());
            }
        }
    }
}
