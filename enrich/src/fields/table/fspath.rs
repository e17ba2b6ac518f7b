//! TODO

use super::class;

class! {
    /// TODO
    FsPath {
        Name "fs.path.name" CharBuf Na [] Event
            "Absolute path a single-path fs syscall worked on (mkdir*, rmdir, unlink*, open/openat/openat2, chmod family, chown family, quotactl, umount*)";
        Nameraw "fs.path.nameraw" CharBuf Na [] Event
            "The path argument as given";
        Source "fs.path.source" CharBuf Na [] Event
            "Absolute source of rename*/link*/symlink*/mount (see note on link/symlink swap)";
        Sourceraw "fs.path.sourceraw" CharBuf Na [] Event
            "Raw source argument";
        Target "fs.path.target" CharBuf Na [] Event
            "Absolute target of two-path calls";
        Targetraw "fs.path.targetraw" CharBuf Na [] Event
            "Raw target argument";
    }
}

class! {
    /// TODO
    Util {
        Cnt "util.cnt" Uint64 Id [HIDDEN] Event
            "Counter incremented at every extraction (hidden class)";
    }
}
