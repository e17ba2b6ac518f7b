//! Processes that are held, and looked at often.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use falco_proc::Proc;
use falco_proc::held::{Ends, Held};
use falco_source::snapshot::FdKind;
use rustix::thread::gettid;

use crate::fds::fd;
use crate::{Process, myself};

fn hold() -> (Proc, Held) {
    let mut proc = Proc::new("/");
    let held = proc.hold(myself()).unwrap();
    (proc, held)
}

#[test]
fn a_file_is_the_same_by_its_fd_and_by_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let file = File::create(&path).unwrap();
    let num = file.as_raw_fd().into();
    let (mut proc, mut held) = hold();
    let identity = held.identity(num).unwrap().unwrap();
    assert_eq!(identity.ino, file.metadata().unwrap().ino());
    assert!(identity.has_type);
    assert_eq!(held.identity_of_path(None, path.as_os_str().as_bytes()), Some(identity));
    let open = File::open(directory.path()).unwrap();
    let directory = Some(open.as_raw_fd().into());
    assert_eq!(held.identity_of_path(directory, b"file"), Some(identity));
    assert_eq!(held.identity_of_path(directory, b"none"), None);
    assert_eq!(proc.opened(&held, num).unwrap().identity, identity);
    assert_eq!(proc.link(&held, num), Some(path.as_os_str().as_bytes()));
    // What is not open, and what is no fd.
    for num in [9999, -1, i64::MAX, i64::MIN] {
        assert_eq!(held.identity(num), Ok(None));
        assert_eq!((proc.opened(&held, num), proc.link(&held, num)), (None, None));
        assert_eq!(proc.ends(&mut held, num), None);
    }
    assert_eq!(proc.ends(&mut held, num), None);
}

#[test]
fn both_ends_of_a_connection_are_told() {
    let server = TcpListener::bind("[::1]:0").unwrap();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let (mut proc, mut held) = hold();
    let mut ends = |num: i32| proc.ends(&mut held, num.into()).unwrap();
    let Ends::Inet { local, remote, is_listening, .. } = ends(client.as_raw_fd()) else { panic!() };
    assert_eq!(
        (local.port, remote.port),
        (client.local_addr().unwrap().port(), server.local_addr().unwrap().port(),)
    );
    assert!(!is_listening && local.ip == remote.ip);
    let Ends::Inet { remote, is_listening, .. } = ends(server.as_raw_fd()) else { panic!() };
    assert!(is_listening && remote.port == 0);
}

/// A path that takes all room there is, so that the kernel's address has no NUL in it.
#[test]
fn the_longest_path_of_a_unix_socket_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut path = directory.path().join("").into_os_string().into_encoded_bytes();
    path.resize(108, b'l');
    // The standard library refuses it.
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    );
    let socket = UnixListener::from(socket.unwrap());
    let address = rustix::net::SocketAddrUnix::new(path.as_slice());
    let Ok(address) = address else {
        // Nor does rustix take it: a program of another kind binds it.
        return bound_by_a_program(&path);
    };
    rustix::net::bind(&socket, &address).unwrap();
    check(&mut hold(), socket.as_raw_fd().into(), &path);
    assert_eq!(fd(&socket).kind, FdKind::Unix { src: 0, dst: 0, name: path });
}

fn bound_by_a_program(path: &[u8]) {
    let Ok(path_text) = std::str::from_utf8(path) else { return };
    let script = format!(
        "import ctypes, os, socket, time\n\
         s = socket.socket(socket.AF_UNIX)\n\
         a = b'\\x01\\x00' + {path_text:?}.encode()\n\
         assert ctypes.CDLL(None).bind(s.fileno(), a, len(a)) == 0\n\
         os.dup2(s.fileno(), 50)\n\
         time.sleep(30)"
    );
    if !Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("IGNORED: the longest path of a socket, because there is no python3");
        return;
    }
    let process = Process::start(Command::new("python3").args(["-c", &script]));
    let mut proc = Proc::new("/");
    let mut held = proc.hold(process.pid()).unwrap();
    crate::eventually(|| held.identity(50).ok().flatten());
    let Some(Ends::Unix { local, .. }) = proc.ends(&mut held, 50) else { panic!() };
    assert_eq!(local, path);
    // Nor does a look-up, or a scan of the host, end in a panic.
    let found = crate::found(process.pid()).unwrap();
    let names = |kind: &FdKind| matches!(kind, FdKind::Unix { name, .. } if name == path);
    assert!(found.fds.iter().any(|fd| fd.num == 50 && names(&fd.kind)));
}

fn check((proc, held): &mut (Proc, Held), num: i64, path: &[u8]) {
    let Some(Ends::Unix { local, is_connected, .. }) = proc.ends(held, num) else { panic!() };
    assert_eq!((local.as_slice(), is_connected), (path, false));
}

#[test]
fn peers_of_unix_sockets_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _server = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let (mut proc, mut held) = hold();
    let ends = proc.ends(&mut held, client.as_raw_fd().into()).unwrap();
    let Ends::Unix { local, peer, is_connected, is_datagram } = ends else { panic!() };
    assert_eq!((local, peer), (Vec::new(), path.into_os_string().into_encoded_bytes()));
    assert!(is_connected && !is_datagram);
}

#[test]
fn ids_are_those_of_status() {
    let (mut proc, held) = hold();
    let tid = gettid().as_raw_nonzero().get().into();
    let ids = proc.ids(&held, tid).unwrap();
    assert_eq!((ids.pid, ids.vtid), (myself(), tid));
    let comm = fs::read("/proc/thread-self/comm").unwrap();
    assert_eq!(ids.comm, comm.strip_suffix(b"\n").unwrap());
    assert_eq!(proc.ids(&held, 0), None);
    let cwd = std::env::current_dir().unwrap();
    assert_eq!(proc.cwd(&held).as_deref(), Some(cwd.as_os_str().as_bytes()));
}

#[test]
fn a_snapshot_of_some_has_them_and_their_ancestors() {
    let process = Process::start(Command::new("sleep").arg("1000"));
    process.running("sleep");
    let snapshot = Proc::new("/").snapshot_of(&[process.pid(), -1, i64::MAX]).unwrap();
    let threads = &snapshot.threads;
    assert_eq!((threads[0].pid, threads[0].comm.as_slice()), (process.pid(), &b"sleep"[..]));
    assert_eq!(snapshot.fds[0].0, process.pid());
    assert!(!snapshot.fds[0].1.is_empty());
    let me = threads.iter().find(|thread| thread.pid == myself()).unwrap();
    assert_eq!(threads[0].ptid, me.tid);
    // Each once, and the parent of each but of the last.
    for pair in threads.windows(2) {
        assert_eq!(pair[0].ptid, pair[1].tid);
    }
}
