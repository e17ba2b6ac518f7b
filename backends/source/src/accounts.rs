//! [`Accounts`]: what `/etc/passwd` and `/etc/group` below a root say; [`AccountFiles`] reads them
//! again once they have changed.
//!
//! The root of a container belongs to whoever runs it, so nothing there is trusted: symbolic links
//! do not lead out of it, what is no regular file is not opened for good, and size is bounded.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use crate::snapshot::{Group, User};

/// Bytes of one file that are read at most: some 50,000 users.
const MAX_FILE: u64 = 4 << 20;

/// Users and groups of the host or of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Users in the order of the file. If an id stands there twice, the last one counts.
    pub users: Vec<User>,
    /// Groups in the order of the file.
    pub groups: Vec<Group>,
}

impl Accounts {
    /// What the files below `root` say now. A file that cannot be read says nothing; a line that
    /// is malformed, or stands for entries elsewhere (NIS), is passed over.
    pub fn read(root: &Path) -> Self {
        AccountFiles::new(root).read()
    }
}

/// The account files below one root, and what they looked like when they were read.
#[derive(Debug)]
pub struct AccountFiles {
    root: PathBuf,
    /// Stamps of passwd and group as last read; none before the first time.
    read: Option<[Option<Stamp>; 2]>,
}

/// By what a changed file is known: inode, size, and mtime in seconds and nanoseconds.
type Stamp = (u64, u64, i64, i64);

impl AccountFiles {
    /// The files below `root` (`/`, or that of a container: `/proc/<pid>/root`, or its mount).
    /// Nothing is read yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        AccountFiles { root: root.into(), read: None }
    }

    /// What the files say if that may have changed since the last call; always at the first.
    pub fn changed(&mut self) -> Option<Accounts> {
        let now = NAMES.map(|name| Some(stamp(&open(&self.root, name)?)));
        (self.read != Some(now)).then(|| self.read())
    }

    fn read(&mut self) -> Accounts {
        let [passwd, group] = NAMES.map(|name| {
            let file = open(&self.root, name);
            let stamp = file.as_ref().map(stamp);
            (file.map(contents).unwrap_or_default(), stamp)
        });
        self.read = Some([passwd.1, group.1]);
        Accounts {
            users: passwd.0.split(|&b| b == b'\n').filter_map(user).collect(),
            groups: group.0.split(|&b| b == b'\n').filter_map(self::group).collect(),
        }
    }
}

const NAMES: [&str; 2] = ["passwd", "group"];

/// A regular file of `etc` below a root. Links are followed as if that were the root directory.
fn open(root: &Path, name: &str) -> Option<File> {
    // Without NONBLOCK, a FIFO would hang the sensor.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let dir = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
    let root = openat(CWD, root, dir, Mode::empty()).ok()?;
    let in_root = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let fd = match openat2(&root, format!("etc/{name}"), flags, Mode::empty(), in_root) {
        // Before Linux 5.6: no links at all.
        Err(Errno::NOSYS | Errno::PERM) => {
            let etc = openat(&root, "etc", dir | OFlags::NOFOLLOW, Mode::empty()).ok()?;
            openat(&etc, name, flags | OFlags::NOFOLLOW, Mode::empty()).ok()?
        }
        opened => opened.ok()?,
    };
    let file = File::from(fd);
    file.metadata().ok()?.is_file().then_some(file)
}

fn stamp(file: &File) -> Stamp {
    let of = |m: std::fs::Metadata| (m.ino(), m.size(), m.mtime(), m.mtime_nsec());
    file.metadata().map(of).unwrap_or_default()
}

/// What stands in the file, up to the last whole line that fits.
fn contents(file: File) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE).read_to_end(&mut bytes);
    if read.is_err() {
        return Vec::new();
    }
    if bytes.len() as u64 == MAX_FILE {
        let end = bytes.iter().rposition(|&b| b == b'\n').unwrap_or(0);
        bytes.truncate(end);
    }
    bytes
}

/// `name:password:uid:gid:gecos:home:shell`.
fn user(line: &[u8]) -> Option<User> {
    let mut fields = line.split(|&b| b == b':');
    Some(User {
        name: name(fields.next()?)?,
        uid: number(fields.nth(1)?)?,
        gid: number(fields.next()?)?,
        home: fields.nth(1)?.to_vec(),
        shell: fields.next()?.to_vec(),
    })
}

/// `name:password:gid:members`.
fn group(line: &[u8]) -> Option<Group> {
    let mut fields = line.split(|&b| b == b':');
    Some(Group { name: name(fields.next()?)?, gid: number(fields.nth(1)?)? })
}

fn name(field: &[u8]) -> Option<Vec<u8>> {
    (!field.is_empty() && !field.starts_with(b"#")).then(|| field.to_vec())
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn root(passwd: &str, group: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        fs::write(root.path().join("etc/group"), group).unwrap();
        root
    }

    fn names(accounts: &Accounts) -> Vec<String> {
        let users = accounts.users.iter().map(|u| &u.name);
        let groups = accounts.groups.iter().map(|g| &g.name);
        users.chain(groups).map(|name| String::from_utf8_lossy(name).into()).collect()
    }

    #[test]
    fn lines_are_read_and_malformed_ones_passed_over() {
        let root = root(
            "root:x:0:0:root:/root:/bin/bash\n# c:x:1:1:::\nbad\n+nis:x:y:z:::\n\na:x:5:6::/h:",
            "root:x:0:\nusers:x:100:a,b\n::1:\nbig:x:4294967296:\n",
        );
        let accounts = Accounts::read(root.path());
        assert_eq!(names(&accounts), ["root", "a", "root", "users"]);
        let a = &accounts.users[1];
        assert_eq!((a.uid, a.gid, &*a.home, &*a.shell), (5, 6, &b"/h"[..], &b""[..]));
        assert_eq!(accounts.groups[1].gid, 100);
        assert_eq!(Accounts::read(&root.path().join("none")), Accounts::default());
    }

    #[test]
    fn changes_are_seen_when_asked_for() {
        let root = root("a:x:1:1::/:sh\n", "");
        let mut files = AccountFiles::new(root.path());
        assert_eq!(names(&files.changed().unwrap()), ["a"]);
        assert_eq!(files.changed(), None);
        fs::write(root.path().join("etc/group"), "g:x:9:\n").unwrap();
        assert_eq!(names(&files.changed().unwrap()), ["a", "g"]);
        // As useradd does it: a new file takes the old one's place.
        fs::write(root.path().join("etc/passwd+"), "b:x:1:1::/:sh\n").unwrap();
        fs::rename(root.path().join("etc/passwd+"), root.path().join("etc/passwd")).unwrap();
        assert_eq!(names(&files.changed().unwrap()), ["b", "g"]);
        fs::remove_file(root.path().join("etc/passwd")).unwrap();
        assert_eq!(names(&files.changed().unwrap()), ["g"]);
        assert_eq!(files.changed(), None);
    }

    #[test]
    fn links_do_not_lead_out_of_the_root() {
        let outside = root("secret:x:1:1::/:sh\n", "secret:x:1:\n");
        let inside = root("", "");
        let etc = inside.path().join("etc");
        fs::remove_file(etc.join("passwd")).unwrap();
        symlink(outside.path().join("etc/passwd"), etc.join("passwd")).unwrap();
        fs::remove_file(etc.join("group")).unwrap();
        let up = format!("{}{}/etc/group", "../".repeat(30), outside.path().display());
        symlink(up, etc.join("group")).unwrap();
        assert_eq!(Accounts::read(inside.path()), Accounts::default());
        // One that stays inside is followed (NixOS, and images without an /etc of their own).
        fs::write(inside.path().join("accounts"), "a:x:1:1::/:sh\n").unwrap();
        fs::remove_file(etc.join("passwd")).unwrap();
        symlink("/accounts", etc.join("passwd")).unwrap();
        assert!(matches!(&names(&Accounts::read(inside.path()))[..], [a] if a == "a"));
    }

    #[test]
    fn odd_files_neither_hang_nor_fill_memory() {
        let odd = root("", "");
        let passwd = odd.path().join("etc/passwd");
        fs::remove_file(&passwd).unwrap();
        rustix::fs::mkfifoat(CWD, &passwd, Mode::RUSR | Mode::WUSR).unwrap();
        assert_eq!(Accounts::read(odd.path()), Accounts::default());
        fs::remove_file(&passwd).unwrap();
        fs::create_dir(&passwd).unwrap();
        assert_eq!(Accounts::read(odd.path()), Accounts::default());

        let line = "u:x:1:1::/:sh\n";
        let huge = line.repeat(MAX_FILE as usize / line.len() + 10);
        let huge = root(&huge, &"x".repeat(2 * MAX_FILE as usize));
        let accounts = Accounts::read(huge.path());
        assert_eq!(accounts.users.len(), MAX_FILE as usize / line.len());
        assert!(accounts.users.iter().all(|u| *u.shell == *b"sh"));
        assert_eq!(accounts.groups, []);
    }
}
