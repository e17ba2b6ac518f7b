//! TODO

use super::class;

class! {
    /// TODO
    User {
        Uid "user.uid" Uint32 Id [] Process
            "Effective uid of the thread";
        Name "user.name" CharBuf Na [] Lineage
            "User name looked up from passwd (HOST_ROOT or container rootfs); literal `<NA>` text when unknown, so the field always \"exists\"";
        Homedir "user.homedir" CharBuf Na [] Lineage
            "Home directory, `<NA>` text if unknown";
        Shell "user.shell" CharBuf Na [] Lineage
            "Login shell, `<NA>` text if unknown";
        Loginuid "user.loginuid" Int64 Id [] Process
            "Audit login uid; −1 when unset (UINT32_MAX)";
        Loginname "user.loginname" CharBuf Na [] Lineage
            "Name for loginuid, `<NA>` text when unknown";
    }
}

class! {
    /// TODO
    Group {
        Gid "group.gid" Uint32 Id [] Process
            "Effective gid of the thread";
        Name "group.name" CharBuf Na [] Lineage
            "Group name (`root` for gid 0 without lookup, `<NA>` text when unknown)";
    }
}
