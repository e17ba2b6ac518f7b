//! What Falco makes of a capture's preamble before it replays it.
//!
//! * Ids that the capture does not explain are looked up on the machine that replays: captures that
//!   Falco writes tell every user of their host, but other writers tell few or none. What the
//!   capture tells goes first.
//! * The machine is forgotten (Falco clears its description after it was read), so that
//!   `evt.hostname` is empty and times since boot (`proc.pidns_init_start_ts`,
//!   `container.start_ts`) stay relative to it.
//!
//! What one of our sensors recorded live is not Falco's, and shows what it showed then.

use std::collections::HashSet;
use std::path::Path;

use falco_source::Snapshot;
use falco_source::snapshot::Machine;

use crate::users::Accounts;

/// Changes the preamble of a capture as Falco does. `root` is where the files of the machine that
/// replays are (`/`, or `HOST_ROOT` in a container).
pub fn as_falco_replays(snapshot: &mut Snapshot, root: &Path) {
    if snapshot.is_live {
        return;
    }
    let local = Accounts::read(root);
    let known: HashSet<_> = snapshot.users.iter().map(|u| u.uid).collect();
    snapshot.users.extend(local.users.into_iter().filter(|u| !known.contains(&u.uid)));
    let known: HashSet<_> = snapshot.groups.iter().map(|g| g.gid).collect();
    snapshot.groups.extend(local.groups.into_iter().filter(|g| !known.contains(&g.gid)));
    if let Some(machine) = &mut snapshot.machine {
        *machine = Machine::default();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use falco_source::snapshot::{Group, User};

    use super::*;

    #[test]
    fn the_capture_goes_first_and_the_machine_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), "root:x:0:0::/root:sh\na:x:5:6::/h:sh\n")
            .unwrap();
        fs::write(root.path().join("etc/group"), "users:x:100:a\n").unwrap();
        let mut snapshot = Snapshot {
            users: vec![User { uid: 5, name: b"told".to_vec(), ..User::default() }],
            groups: vec![Group { gid: 100, name: b"told".to_vec() }],
            machine: Some(Machine { boot_ts: 7, hostname: b"host".to_vec(), ..Machine::default() }),
            ..Snapshot::default()
        };
        as_falco_replays(&mut snapshot, root.path());
        let users: Vec<_> = snapshot.users.iter().map(|u| (u.uid, u.name.as_slice())).collect();
        assert_eq!(users, [(5, &b"told"[..]), (0, b"root")]);
        assert_eq!(snapshot.groups.len(), 1);
        assert_eq!(snapshot.machine, Some(Machine::default()));
    }
}
