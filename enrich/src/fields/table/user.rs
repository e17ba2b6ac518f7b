//! Classes `user` and `group`: credentials. Names change with the user tables, which count as the
//! lineage.

use super::class;

class! {
    /// Fields of users.
    User {
        Uid "user.uid" Uint32 Id [] Process
            "Effective user id of the thread";
        Name "user.name" CharBuf Na [] Lineage
            "Name of the user, `<NA>` if it is not known";
        Homedir "user.homedir" CharBuf Na [] Lineage
            "Home directory of the user, `<NA>` if it is not known";
        Shell "user.shell" CharBuf Na [] Lineage
            "Login shell of the user, `<NA>` if it is not known";
        Loginuid "user.loginuid" Int64 Id [] Process
            "User id with which the session logged in (the kernel's audit id), -1 if there was no \
             login";
        Loginname "user.loginname" CharBuf Na [] Lineage
            "Name of that user, `<NA>` if it is not known";
    }
}

class! {
    /// Fields of groups.
    Group {
        Gid "group.gid" Uint32 Id [] Process
            "Effective group id of the thread";
        Name "group.name" CharBuf Na [] Lineage
            "Name of the group, `<NA>` if it is not known";
    }
}
