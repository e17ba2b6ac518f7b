//! Binding the socket, so that nobody but its owner and root can connect, and nothing is replaced that
//! somebody uses.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, fchmod, flock};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

use super::ReceiverError;

/// Connections that wait to be accepted, at most; the kernel may allow fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 1024;

/// A socket that is listened on.
#[derive(Debug)]
pub(super) struct Bound {
    pub socket: OwnedFd,
    /// Whether its name is in a file system, where permissions keep others from connecting.
    pub is_file: bool,
    /// Removed when this is dropped.
    _file: Option<SocketFile>,
}

/// The name of a socket in a file system.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode: somebody else's socket of the same name is left alone.
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Ok(found) = self.path.symlink_metadata()
            && (found.dev(), found.ino()) == self.id
        {
            // There is nowhere to report that it cannot be removed; the next one replaces it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`; a leading `@` means a name in the abstract namespace, as in gVisor's sessions.
pub(super) fn listen_at(path: &Path) -> Result<Bound, ReceiverError> {
    let failed = |what| move |error| ReceiverError::io(what, path, error);
    let socket = new_socket().map_err(failed("cannot make a socket for"))?;
    if let Some(name) = path.as_os_str().as_bytes().strip_prefix(b"@") {
        let address = SocketAddrUnix::new_abstract_name(name);
        let address = address.map_err(|_| ReceiverError::BadPath { path: path.to_owned() })?;
        bind(&socket, &address).map_err(|error| match error {
            Errno::ADDRINUSE => ReceiverError::InUse { path: path.to_owned() },
            error => ReceiverError::io("cannot listen at", path, error),
        })?;
        listen(&socket, BACKLOG).map_err(failed("cannot listen at"))?;
        return Ok(Bound { socket, is_file: false, _file: None });
    }
    let bad_path = || ReceiverError::BadPath { path: path.to_owned() };
    // Sandboxes are told the path and run elsewhere: it has to be absolute.
    let address = SocketAddrUnix::new(path).ok().filter(|_| path.is_absolute());
    let address = address.ok_or_else(bad_path)?;
    let dir = path.parent().filter(|_| path.file_name().is_some()).ok_or_else(bad_path)?;
    let dir = open_dir(dir, path)?;
    // Two of us that begin at once must not take each other's socket for a dead one.
    flock(&dir, FlockOperation::LockExclusive).map_err(failed("cannot lock the directory of"))?;
    remove_stale(path, &address)?;
    // The file gets the socket's mode when it is made: there is no moment when others can connect.
    fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(failed("cannot restrict"))?;
    bind(&socket, &address).map_err(failed("cannot listen at"))?;
    let made = path.symlink_metadata();
    let made = made.map_err(|error| ReceiverError::io("cannot look at", path, error))?;
    let file = SocketFile { path: path.to_owned(), id: (made.dev(), made.ino()) };
    listen(&socket, BACKLOG).map_err(failed("cannot listen at"))?;
    Ok(Bound { socket, is_file: true, _file: Some(file) })
}

fn new_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
}

/// Opens the directory of `socket`, made if it is not there, and checks that others cannot put
/// something else in the socket's place.
fn open_dir(dir: &Path, socket: &Path) -> Result<File, ReceiverError> {
    let failed = |what| move |error: io::Error| ReceiverError::io(what, dir, error);
    check_owners(dir, socket)?;
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(dir).map_err(failed("cannot make the directory"))?;
    // Where links lead.
    let real = dir.canonicalize().map_err(failed("cannot find the directory"))?;
    check_owners(&real, socket)?;
    File::open(dir).map_err(failed("cannot open the directory"))
}

/// Checks that only root and we ourselves can change what is on the way to `dir`. What is not there
/// yet is passed over.
fn check_owners(dir: &Path, socket: &Path) -> Result<(), ReceiverError> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    for at in dir.ancestors() {
        let found = match at.symlink_metadata() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(ReceiverError::io("cannot look at", at, error)),
        };
        let is_known = |owner, ours| owner == 0 || owner == ours;
        let mode = found.mode();
        let others_write =
            mode & 0o002 != 0 || (mode & 0o020 != 0 && !is_known(found.gid(), group));
        // In a sticky directory, nobody can rename or remove what belongs to others.
        let is_open = found.is_dir() && others_write && mode & 0o1000 == 0;
        let why = if !is_known(found.uid(), user) {
            "belongs to another user"
        } else if is_open {
            "can be written by other users"
        } else {
            continue;
        };
        let (path, at) = (socket.to_owned(), at.to_owned());
        return Err(ReceiverError::Unsafe { path, at, why });
    }
    Ok(())
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), ReceiverError> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ReceiverError::io("cannot look at", path, error)),
    };
    // What it may be, and where a link may lead, is none of our business.
    if !found.file_type().is_socket() {
        return Err(ReceiverError::NotASocket { path: path.to_owned() });
    }
    let probe = new_socket().map_err(|e| ReceiverError::io("cannot make a socket for", path, e))?;
    match connect(&probe, address) {
        Err(Errno::CONNREFUSED) => match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ReceiverError::io("cannot remove the left-over socket", path, error))
            }
            _ => Ok(()),
        },
        Err(Errno::NOENT) => Ok(()),
        // EAGAIN: its queue is full; EPROTOTYPE: it is of another type. Somebody listens.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => {
            Err(ReceiverError::InUse { path: path.to_owned() })
        }
        Err(error) => Err(ReceiverError::io("cannot tell who uses", path, error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn refusal(path: &Path) -> String {
        listen_at(path).unwrap_err().to_string()
    }

    #[test]
    fn the_socket_and_its_directory_are_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/gvisor.sock");
        let bound = listen_at(&path).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_left_over_socket_is_replaced_and_one_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let socket = new_socket().unwrap();
        bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        drop(socket);
        let first = listen_at(&path).unwrap();
        assert!(refusal(&path).contains("another process listens"), "{}", refusal(&path));
        drop(first);
        let stream = UnixListener::bind(&path).unwrap();
        assert!(refusal(&path).contains("another process listens"));
        drop(stream);
        listen_at(&path).unwrap();
    }

    #[test]
    fn a_socket_that_somebody_put_in_its_place_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let bound = listen_at(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        drop(bound);
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "precious").unwrap();
        assert!(refusal(&file).contains("is no socket"));
        let link = dir.path().join("link");
        symlink(dir.path().join("nowhere"), &link).unwrap();
        assert!(refusal(&link).contains("is no socket"));
        assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    }

    #[test]
    fn a_directory_where_others_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(refusal(&open.join("s")).contains("other users"));
        // Also behind a link, and above.
        let link = dir.path().join("link");
        symlink(&open, &link).unwrap();
        assert!(refusal(&link.join("s")).contains("other users"));
        assert!(refusal(&open.join("inner/s")).contains("other users"));
        std::fs::set_permissions(&open, PermissionsExt::from_mode(0o1777)).unwrap();
        listen_at(&open.join("s")).unwrap();
    }

    #[test]
    fn names_that_cannot_be() {
        let long = PathBuf::from(format!("/{}", "x".repeat(108)));
        assert!(refusal(&long).contains("107 bytes"));
        assert!(refusal(Path::new("relative/s")).contains("absolute"));
        assert!(refusal(Path::new("/")).contains("absolute"));
    }

    #[test]
    fn an_abstract_name_is_taken_once() {
        let name = PathBuf::from(format!("@falco-bind-test-{}", std::process::id()));
        let first = listen_at(&name).unwrap();
        assert!(!first.is_file);
        assert!(refusal(&name).contains("another process listens"));
        drop(first);
        listen_at(&name).unwrap();
    }
}
