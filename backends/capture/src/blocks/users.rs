//! Users and groups.

use falco_source::snapshot::{Group, User};

use super::cursor::{Cursor, MAX_CREDENTIAL, Malformed, Writer};
use super::limit;

/// Block type that is written (version 2).
pub const TYPE: u32 = 0x220;
const USER: u8 = 0;
const GROUP: u8 = 1;

/// Reads a user list. `sized`: entries begin with their length (version 2).
///
/// # Errors
/// If an entry does not fit.
pub fn decode(body: &[u8], sized: bool) -> Result<(Vec<User>, Vec<Group>), Malformed> {
    let mut body = Cursor::new(body, "user entry");
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    while body.has_entry() {
        limit(&users, body.at(), "users")?;
        limit(&groups, body.at(), "groups")?;
        if sized {
            entry(&mut body.entry()?, &mut users, &mut groups)?;
        } else {
            entry(&mut body, &mut users, &mut groups)?;
        }
    }
    Ok((users, groups))
}

fn entry(
    entry: &mut Cursor<'_>,
    users: &mut Vec<User>,
    groups: &mut Vec<Group>,
) -> Result<(), Malformed> {
    if entry.u8()? == USER {
        users.push(User {
            uid: entry.u32()?,
            gid: entry.u32()?,
            name: entry.text()?,
            home: entry.text()?,
            shell: entry.text()?,
        });
    } else {
        groups.push(Group { gid: entry.u32()?, name: entry.text()? });
    }
    Ok(())
}

pub(crate) fn encode(users: &[User], groups: &[Group], out: &mut Writer) {
    for user in users {
        out.entry(|out| {
            out.u8(USER).u32(user.uid).u32(user.gid);
            out.counted(&user.name, MAX_CREDENTIAL);
            out.counted(&user.home, MAX_CREDENTIAL);
            out.counted(&user.shell, MAX_CREDENTIAL);
        });
    }
    for group in groups {
        out.entry(|out| {
            out.u8(GROUP).u32(group.gid).counted(&group.name, MAX_CREDENTIAL);
        });
    }
}
