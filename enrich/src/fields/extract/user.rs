//! Classes `user` and `group`.

use falco_rules::value::Value;

use super::{int, text, uint};
use crate::context::Context;
use crate::fields::table::{Group, User};

/// What stands for a user or group that is not known. A value like any other.
const UNKNOWN: &[u8] = b"<NA>";

impl<'a> Context<'a> {
    #[inline]
    pub(super) fn user(&self, field: User) -> Option<Value<'a>> {
        let record = &*self.thread?.record;
        let find = |uid| self.state.users().user(&record.container_id, uid);
        match field {
            User::Uid => uint(record.uid),
            User::Name => text(match find(record.uid) {
                Some(user) => &user.name,
                None if record.uid == 0 => b"root",
                None => UNKNOWN,
            }),
            User::Homedir => text(match find(record.uid) {
                Some(user) => &user.homedir,
                None if record.uid == 0 => b"/root",
                None => UNKNOWN,
            }),
            User::Shell => text(find(record.uid).map_or(UNKNOWN, |user| &user.shell)),
            User::Loginuid if record.loginuid == u32::MAX => int(-1),
            User::Loginuid => int(i64::from(record.loginuid)),
            User::Loginname => text(match find(record.loginuid) {
                Some(user) => &user.name,
                None if record.loginuid == 0 => b"root",
                None => UNKNOWN,
            }),
        }
    }

    #[inline]
    pub(super) fn group(&self, field: Group) -> Option<Value<'a>> {
        let record = &*self.thread?.record;
        match field {
            Group::Gid => uint(record.gid),
            Group::Name => text(match self.state.users().group(&record.container_id, record.gid) {
                Some(group) => &group.name,
                None if record.gid == 0 => b"root",
                None => UNKNOWN,
            }),
        }
    }
}
