//! [`Users`]: users and groups of the host and of containers, from snapshots, events and files.
//!
//! * `reader`: a thread that reads the files.

pub(crate) mod reader;

use hashbrown::HashMap;

use crate::record::{Bytes, bytes};

pub use falco_source::accounts::{AccountFiles, Accounts};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Name.
    pub name: Bytes,
    /// Home directory.
    pub homedir: Bytes,
    /// Login shell.
    pub shell: Bytes,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Group id.
    pub gid: u32,
    /// Name.
    pub name: Bytes,
}

/// The users and groups of one container or of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Book {
    users: HashMap<u32, User>,
    groups: HashMap<u32, Group>,
}

/// Users and groups by container id; the host's id is empty.
#[derive(Clone, Debug, Default)]
pub struct Users {
    books: HashMap<Vec<u8>, Book>,
    entries: usize,
}

/// Users and groups at most, in all: far more than any host has, few enough to bear.
const MAX_ENTRIES: usize = 1 << 20;

impl Users {
    /// A user of a container (empty id: the host).
    pub fn user(&self, container_id: &[u8], uid: u32) -> Option<&User> {
        self.books.get(container_id)?.users.get(&uid)
    }

    /// A group of a container (empty id: the host).
    pub fn group(&self, container_id: &[u8], gid: u32) -> Option<&Group> {
        self.books.get(container_id)?.groups.get(&gid)
    }

    /// All users with the containers that they are of.
    pub fn users(&self) -> impl Iterator<Item = (&[u8], &User)> {
        self.books
            .iter()
            .flat_map(|(id, book)| book.users.values().map(|user| (id.as_slice(), user)))
    }

    /// All groups with the containers that they are of.
    pub fn groups(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.books
            .iter()
            .flat_map(|(id, book)| book.groups.values().map(|group| (id.as_slice(), group)))
    }

    /// Adds a user or renews what is known of it; whether that is news. Entries that stand for
    /// others elsewhere (NIS) are not users.
    pub(crate) fn add_user(
        &mut self,
        container_id: &[u8],
        uid: u32,
        gid: u32,
        name: &[u8],
        homedir: &[u8],
        shell: &[u8],
    ) -> bool {
        if is_nis(name) || self.entries >= MAX_ENTRIES {
            return false;
        }
        let user =
            User { uid, gid, name: bytes(name), homedir: bytes(homedir), shell: bytes(shell) };
        let users = &mut self.book(container_id).users;
        let old = users.insert(uid, user);
        let news = old.as_ref() != users.get(&uid);
        self.entries += usize::from(old.is_none());
        news
    }

    /// Adds a group or renews what is known of it; whether that is news.
    pub(crate) fn add_group(&mut self, container_id: &[u8], gid: u32, name: &[u8]) -> bool {
        if is_nis(name) || self.entries >= MAX_ENTRIES {
            return false;
        }
        let groups = &mut self.book(container_id).groups;
        let old = groups.insert(gid, Group { gid, name: bytes(name) });
        let news = old.as_ref() != groups.get(&gid);
        self.entries += usize::from(old.is_none());
        news
    }

    /// Forgets a user; whether there was one.
    pub(crate) fn remove_user(&mut self, container_id: &[u8], uid: u32) -> bool {
        self.remove(container_id, |book| book.users.remove(&uid).is_some())
    }

    /// Forgets a group; whether there was one.
    pub(crate) fn remove_group(&mut self, container_id: &[u8], gid: u32) -> bool {
        self.remove(container_id, |book| book.groups.remove(&gid).is_some())
    }

    fn remove(&mut self, container_id: &[u8], take: impl FnOnce(&mut Book) -> bool) -> bool {
        let Some(book) = self.books.get_mut(container_id) else { return false };
        let found = take(book);
        self.entries -= usize::from(found);
        if book.users.is_empty() && book.groups.is_empty() {
            self.books.remove(container_id);
        }
        found
    }

    /// Makes `accounts` all that is known of a container's users and groups (empty id: the
    /// host's); whether that is news.
    pub(crate) fn replace(&mut self, container_id: &[u8], accounts: &Accounts) -> bool {
        let old = self.books.remove(container_id).unwrap_or_default();
        self.entries -= old.users.len() + old.groups.len();
        for user in &accounts.users {
            let (name, home, shell) = (&user.name, &user.home, &user.shell);
            self.add_user(container_id, user.uid, user.gid, name, home, shell);
        }
        for group in &accounts.groups {
            self.add_group(container_id, group.gid, &group.name);
        }
        let new = self.books.get(container_id);
        new.map_or(!old.users.is_empty() || !old.groups.is_empty(), |new| *new != old)
    }

    /// Gives a container of which nothing is known the users and groups of the host; whether that is
    /// news.
    pub(crate) fn share(&mut self, container_id: &[u8]) -> bool {
        let Some(host) = self.books.get(&b""[..]).cloned() else { return false };
        let entries = host.users.len() + host.groups.len();
        if self.books.contains_key(container_id) || self.entries + entries > MAX_ENTRIES {
            return false;
        }
        self.entries += entries;
        self.books.insert(container_id.to_vec(), host);
        true
    }

    fn book(&mut self, container_id: &[u8]) -> &mut Book {
        self.books.entry_ref(container_id).or_default()
    }
}

fn is_nis(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'+' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_have_users_of_their_own() {
        let mut users = Users::default();
        assert!(users.add_user(b"", 1000, 1000, b"alice", b"/home/alice", b"/bin/sh"));
        assert!(!users.add_user(b"", 1000, 1000, b"alice", b"/home/alice", b"/bin/sh"));
        assert!(users.add_user(b"c1", 1000, 1000, b"bob", b"/", b"/bin/sh"));
        assert!(users.add_group(b"c1", 5, b"tty"));
        assert!(!users.add_user(b"", 0, 0, b"+@admins", b"", b""));
        assert_eq!(users.user(b"", 1000).map(|u| &*u.name), Some(&b"alice"[..]));
        assert_eq!(users.user(b"c1", 1000).map(|u| &*u.name), Some(&b"bob"[..]));
        assert_eq!(users.group(b"", 5), None);
        assert!(users.remove_user(b"c1", 1000) && !users.remove_user(b"c1", 1000));
        assert_eq!((users.users().count(), users.groups().count()), (1, 1));
    }

    #[test]
    fn a_container_shares_what_the_host_has() {
        let mut users = Users::default();
        assert!(!users.share(b"c1"), "nothing is known");
        users.add_user(b"", 5, 5, b"host", b"/", b"sh");
        users.add_group(b"", 7, b"g");
        assert!(users.share(b"c1") && !users.share(b"c1"));
        assert_eq!(users.user(b"c1", 5).map(|u| &*u.name), Some(&b"host"[..]));
        assert_eq!(users.group(b"c1", 7).map(|g| &*g.name), Some(&b"g"[..]));
        assert_eq!(users.entries, 4);
        users.add_user(b"c2", 5, 5, b"own", b"/", b"sh");
        assert!(!users.share(b"c2"));
        assert_eq!(users.user(b"c2", 5).map(|u| &*u.name), Some(&b"own"[..]));
        assert!(users.replace(b"c1", &Accounts::default()));
        assert_eq!(users.entries, 3);
    }

    #[test]
    fn files_replace_all_that_is_known_of_a_container() {
        use falco_source::snapshot;
        let mut users = Users::default();
        users.add_user(b"c1", 5, 5, b"old", b"/", b"sh");
        users.add_user(b"", 5, 5, b"host", b"/", b"sh");
        let new = snapshot::User { uid: 6, name: b"new".to_vec(), ..Default::default() };
        let group = snapshot::Group { gid: 7, name: b"g".to_vec() };
        let accounts = Accounts { users: vec![new], groups: vec![group] };
        assert!(users.replace(b"c1", &accounts));
        assert!(!users.replace(b"c1", &accounts), "no news");
        assert_eq!((users.user(b"c1", 5), users.entries), (None, 3));
        assert_eq!(users.user(b"c1", 6).map(|u| &*u.name), Some(&b"new"[..]));
        assert!(users.user(b"", 5).is_some());
        assert!(users.replace(b"c1", &Accounts::default()));
        assert!(!users.replace(b"c1", &Accounts::default()));
        assert_eq!((users.entries, users.books.len()), (1, 1));
    }
}
