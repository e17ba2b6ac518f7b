//! What Falco makes of a capture's preamble before it replays it, where that shows in alerts.
//!
//! * Ids that the capture does not explain are looked up on this machine: captures that Falco
//!   writes tell every user of their host, but other writers tell few or none. What the capture
//!   tells goes first. `HOST_ROOT` names another root than `/`, as for Falco.
//! * The boot time is forgotten (Falco clears the machine's description after it read it), so that
//!   times since boot (`proc.pidns_init_start_ts`, `container.start_ts`) stay relative to it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use falco_source::Snapshot;
use falco_source::snapshot::{Group, User};

/// Changes the preamble of a capture as Falco does.
pub fn as_falco_replays(snapshot: &mut Snapshot) {
    let root = std::env::var_os("HOST_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    add_local_users(snapshot, &root);
    if let Some(machine) = &mut snapshot.machine {
        machine.boot_ts = 0;
    }
}

/// Adds the users and groups of this machine whose ids the capture does not have.
fn add_local_users(snapshot: &mut Snapshot, root: &Path) {
    let (users, groups) = read(root);
    let known: HashSet<_> = snapshot.users.iter().map(|u| u.uid).collect();
    snapshot.users.extend(users.into_iter().filter(|u| !known.contains(&u.uid)));
    let known: HashSet<_> = snapshot.groups.iter().map(|g| g.gid).collect();
    snapshot.groups.extend(groups.into_iter().filter(|g| !known.contains(&g.gid)));
}

/// What `etc/passwd` and `etc/group` below `root` say; a file that cannot be read says nothing,
/// a line that is malformed is passed over.
fn read(root: &Path) -> (Vec<User>, Vec<Group>) {
    let lines = |name: &str| fs::read(root.join("etc").join(name)).unwrap_or_default();
    let users = lines("passwd").split(|&b| b == b'\n').filter_map(user).collect();
    let groups = lines("group").split(|&b| b == b'\n').filter_map(group).collect();
    (users, groups)
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
    use super::*;

    #[test]
    fn lines_are_read_and_malformed_ones_passed_over() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\n# c:x:1:1:::\nbad\n+nis:x:y:z:::\n\na:x:5:6::/h:";
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        fs::write(root.path().join("etc/group"), "root:x:0:\nusers:x:100:a,b\n::1:\n").unwrap();
        let (users, groups) = read(root.path());
        let names: Vec<_> = users.iter().map(|u| (u.uid, u.name.as_slice())).collect();
        assert_eq!(names, [(0, b"root".as_slice()), (5, b"a")]);
        assert_eq!((users[1].gid, users[1].home.as_slice()), (6, b"/h".as_slice()));
        assert_eq!(groups.iter().map(|g| g.gid).collect::<Vec<_>>(), [0, 100]);
        assert_eq!(read(&root.path().join("none")), (vec![], vec![]));

        let told = User { uid: 5, name: b"told".to_vec(), ..User::default() };
        let mut snapshot = Snapshot { users: vec![told], ..Snapshot::default() };
        add_local_users(&mut snapshot, root.path());
        let names: Vec<_> = snapshot.users.iter().map(|u| u.name.as_slice()).collect();
        assert_eq!(names, [b"told".as_slice(), b"root"]);
    }
}
