//! Fds of every kind.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use falco_event::net::Endpoint;
use falco_proc::Proc;
use falco_source::lookup::ThreadLookup;
use falco_source::snapshot::{Fd, FdKind, L4Proto};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::{MemfdFlags, inotify, memfd_create};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

use crate::{Process, found, is_root, myself};

/// An fd of this process as a look-up tells it, and as a look-up of that fd alone does.
pub fn fd(file: &impl AsRawFd) -> Fd {
    let num = i64::from(file.as_raw_fd());
    let all = found(myself()).unwrap().fds;
    let fd = all.into_iter().find(|fd| fd.num == num).unwrap_or_else(|| panic!("no fd {num}"));
    let alone = Proc::new("/").fd(myself(), num).unwrap();
    assert_eq!(without_pointer(alone), without_pointer(fd.clone()));
    fd
}

fn named(scap_type: u8, name: &str) -> FdKind {
    FdKind::Named { scap_type, name: name.into() }
}

fn endpoint(address: std::net::SocketAddr) -> Endpoint {
    Endpoint { ip: address.ip(), port: address.port() }
}

#[test]
fn files_have_flags_and_devices() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a file");
    let mut options = OpenOptions::new();
    let file =
        options.append(true).create(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    let told = fd(&file);
    let of = file.metadata().unwrap();
    assert_eq!(told.ino, of.ino());
    let FdKind::File { name, open_flags, dev } = told.kind else { panic!("{told:?}") };
    assert_eq!(name, path.as_os_str().as_encoded_bytes());
    // WRONLY, APPEND, NONBLOCK, LARGEFILE, CLOEXEC; O_CREAT is not kept.
    assert_eq!(open_flags, 1 << 1 | 1 << 3 | 1 << 6 | 1 << 11 | 1 << 12);
    assert_eq!(u64::from(dev), of.dev());

    fs::remove_file(&path).unwrap();
    let FdKind::File { name, .. } = fd(&file).kind else { panic!() };
    assert_eq!(name, [path.as_os_str().as_encoded_bytes(), b" (deleted)"].concat());

    let null = File::open("/dev/null").unwrap();
    let FdKind::File { name, open_flags, .. } = fd(&null).kind else { panic!() };
    assert!(null.metadata().unwrap().file_type().is_char_device());
    assert_eq!((&*name, open_flags & 3), (&b"/dev/null"[..], 1));

    let told = fd(&File::open(dir.path()).unwrap()).kind;
    assert_eq!(told, FdKind::Directory { name: dir.path().as_os_str().as_encoded_bytes().into() });
}

#[test]
fn pipes_and_anonymous_inodes_have_kinds() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let told = fd(&reader);
    assert_eq!(told.kind, named(7, &format!("pipe:[{}]", told.ino)));
    assert_eq!(told.ino, rustix::fs::fstat(&reader).unwrap().st_ino);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let fifo = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    assert_eq!(fd(&fifo).kind, named(7, path.to_str().unwrap()));

    let anonymous: [(OwnedFd, u8); 6] = [
        (eventfd(0, EventfdFlags::CLOEXEC).unwrap(), 9),
        (signalfd(), 11),
        (epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(), 12),
        (inotify::init(inotify::CreateFlags::CLOEXEC).unwrap(), 13),
        (timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).unwrap(), 14),
        (pidfd_open(getpid(), PidfdFlags::empty()).unwrap(), 21),
    ];
    for (file, kind) in &anonymous {
        let told = fd(file);
        assert_eq!(told.kind, named(*kind, ""));
        assert_eq!(told.ino, rustix::fs::fstat(file).unwrap().st_ino);
    }
    let memfd = memfd_create(c"a name", MemfdFlags::CLOEXEC).unwrap();
    assert_eq!(fd(&memfd).kind, named(20, "/memfd:a name (deleted)"));
}

fn signalfd() -> OwnedFd {
    // SAFETY: `sigset_t` is plain data, and all zeroes is a value of it.
    let mut mask: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the mask is one that we own; the call makes an fd that nobody else has.
    unsafe {
        libc::sigemptyset(&raw mut mask);
        let fd = libc::signalfd(-1, &raw const mask, libc::SFD_CLOEXEC);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    }
}

/// Sockets of every kind that is told, with what they are.
fn sockets(dir: &Path) -> Vec<(OwnedFd, FdKind)> {
    let mut all: Vec<(OwnedFd, FdKind)> = Vec::new();
    let proto = L4Proto::Tcp;
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let local = endpoint(listener.local_addr().unwrap());
        let remote = endpoint(client.local_addr().unwrap());
        all.push((client.into(), FdKind::Inet { src: remote, dst: local, proto }));
        all.push((server.into(), FdKind::Inet { src: local, dst: remote, proto }));
        all.push((listener.into(), FdKind::InetServer { local, proto }));

        let proto = L4Proto::Udp;
        let bound = UdpSocket::bind(address).unwrap();
        let connected = UdpSocket::bind(address).unwrap();
        connected.connect(bound.local_addr().unwrap()).unwrap();
        let dst = endpoint(bound.local_addr().unwrap());
        let src = endpoint(connected.local_addr().unwrap());
        all.push((bound.into(), FdKind::InetServer { local: dst, proto }));
        all.push((connected.into(), FdKind::Inet { src, dst, proto }));
    }
    let unix = |name: &[u8]| FdKind::Unix { src: 0, dst: 0, name: name.into() };
    let path = dir.join("so cket");
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let (server, _) = listener.accept().unwrap();
    all.push((listener.into(), unix(path.as_os_str().as_encoded_bytes())));
    all.push((server.into(), unix(path.as_os_str().as_encoded_bytes())));
    all.push((client.into(), unix(b"")));
    let name = format!("falco-proc-{}", dir.display());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    all.push((UnixDatagram::bind_addr(&address).unwrap().into(), unix(name.as_bytes())));
    all.push((UnixStream::pair().unwrap().0.into(), unix(b"")));
    let route = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
    all.push((route, named(15, "")));
    all
}

/// The kernel's address of a socket is told only if tables were read and have it.
fn without_pointer(mut fd: Fd) -> Fd {
    if let FdKind::Unix { src, .. } = &mut fd.kind {
        *src = 0;
    }
    fd
}

#[test]
fn sockets_are_told_by_look_ups() {
    let dir = tempfile::tempdir().unwrap();
    for (socket, kind) in sockets(dir.path()) {
        assert_eq!(without_pointer(fd(&socket)).kind, kind);
    }
    let unbound = socket(AddressFamily::INET6, SocketType::STREAM, None).unwrap();
    let local = Endpoint { ip: IpAddr::from([0_u8; 16]), port: 0 };
    assert_eq!(fd(&unbound).kind, FdKind::InetServer { local, proto: L4Proto::Tcp });
}

#[test]
fn sockets_are_told_by_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    let sockets = sockets(dir.path());
    // So many that the tables are read.
    let _more: Vec<_> = (0..30).map(|_| UnixStream::pair().unwrap()).collect();
    let snapshot = Proc::new("/").snapshot().unwrap();
    let (_, fds) = snapshot.fds.iter().find(|(tid, _)| *tid == myself()).unwrap();
    for (socket, kind) in &sockets {
        let num = i64::from(socket.as_raw_fd());
        let told = fds.iter().find(|fd| fd.num == num).unwrap_or_else(|| panic!("{kind:?}"));
        assert_eq!(without_pointer(told.clone()).kind, *kind);
        assert_eq!(told.ino, rustix::fs::fstat(socket).unwrap().st_ino);
    }
}

/// A name of a socket is a line of a table if it has line feeds in it.
#[test]
fn a_socket_cannot_pass_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
    let forged = format!("x\n0000000000000000: 00000002 00000000 00010000 0001 01 {inode} y");
    let _forger = UnixListener::bind(dir.path().join(forged)).unwrap();
    let _more: Vec<_> = (0..30).map(|_| UnixStream::pair().unwrap()).collect();
    let snapshot = Proc::new("/").snapshot().unwrap();
    let (_, fds) = snapshot.fds.iter().find(|(tid, _)| *tid == myself()).unwrap();
    let told = fds.iter().find(|fd| fd.ino == inode).unwrap();
    assert!(matches!(told.kind, FdKind::InetServer { .. }), "{told:?}");
}

#[test]
fn sockets_of_other_network_namespaces_are_told() {
    if !is_root("sockets of other network namespaces") {
        return;
    }
    let script = "ip link set lo up 2>/dev/null; exec python3 -c '
import socket, time
s = [socket.socket(socket.AF_UNIX) for _ in range(30)]
t = socket.socket(); t.bind((\"0.0.0.0\", 4242)); t.listen()
print(\"ready\", flush=True); time.sleep(60)'";
    if Command::new("python3").arg("-V").output().is_err() {
        println!("IGNORED: sockets of other network namespaces because there is no python3");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", script]).stdout(Stdio::piped()).stdin(Stdio::null());
    let mut child = Process(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let snapshot = Proc::new("/").snapshot().unwrap();
    let (_, fds) = snapshot.fds.iter().find(|(tid, _)| *tid == child.pid()).unwrap();
    let local = Endpoint { ip: IpAddr::from([0, 0, 0, 0]), port: 4242 };
    let server = FdKind::InetServer { local, proto: L4Proto::Tcp };
    assert!(fds.iter().any(|fd| fd.kind == server), "{fds:?}");
    assert_eq!(fds.iter().filter(|fd| matches!(fd.kind, FdKind::Unix { .. })).count(), 30);
    let found = found(child.pid()).unwrap();
    assert!(found.fds.iter().any(|fd| fd.kind == server));
}
