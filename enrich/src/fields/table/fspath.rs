//! Class `fs.path`, paths of calls that change the file system, and class `util`, which is for tests.

use super::class;

class! {
    /// Fields of paths.
    FsPath {
        Name "fs.path.name" CharBuf Na [] Event
            "Absolute path on which the call worked (mkdir, rmdir, unlink, open, chmod, chown, \
             quotactl, umount and their kin)";
        Nameraw "fs.path.nameraw" CharBuf Na [] Event
            "The same path as the program gave it";
        Source "fs.path.source" CharBuf Na [] Event
            "Absolute path from which the call worked (rename, mount; for links, the new name)";
        Sourceraw "fs.path.sourceraw" CharBuf Na [] Event
            "The same path as the program gave it";
        Target "fs.path.target" CharBuf Na [] Event
            "Absolute path to which the call worked (rename, mount; for links, what is linked to)";
        Targetraw "fs.path.targetraw" CharBuf Na [] Event
            "The same path as the program gave it";
    }
}

class! {
    /// Fields for tests.
    Util {
        Cnt "util.cnt" Uint64 Id [HIDDEN] Event
            "Number of times that this field was asked for";
    }
}
