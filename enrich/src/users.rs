//! [`Users`]: users and groups of the host and of containers.

use std::sync::Arc;

use hashbrown::HashMap;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Name.
    pub name: Arc<[u8]>,
    /// Home directory.
    pub homedir: Arc<[u8]>,
    /// Login shell.
    pub shell: Arc<[u8]>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Group id.
    pub gid: u32,
    /// Name.
    pub name: Arc<[u8]>,
}

/// Users and groups by container id; the host's id is empty.
#[derive(Clone, Debug, Default)]
pub struct Users {
    users: HashMap<Box<[u8]>, HashMap<u32, User>>,
    groups: HashMap<Box<[u8]>, HashMap<u32, Group>>,
}

impl Users {
    /// A user of a container (empty id: the host).
    pub fn user(&self, container_id: &[u8], uid: u32) -> Option<&User> {
        self.users.get(container_id)?.get(&uid)
    }

    /// A group of a container (empty id: the host).
    pub fn group(&self, container_id: &[u8], gid: u32) -> Option<&Group> {
        self.groups.get(container_id)?.get(&gid)
    }
}
