//! The files that containers under attack find: busybox, the actor and its copies, and what attacks are
//! after.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::actor::FAKES;

/// What shells in the image are links to.
const APPLETS: &[&str] = &[
    "ash", "cat", "chmod", "chroot", "cp", "dd", "echo", "find", "grep", "id", "ip", "ln", "ls",
    "mkdir", "mknod", "mount", "mv", "rm", "sh", "sleep", "tar", "true", "umount",
];

const DIRECTORIES: &[&str] = &[
    "bin",
    "dev",
    "etc/cron.d",
    "home/alice/.ssh",
    "host/etc",
    "lib",
    "opt/live",
    "proc",
    "root/.ssh",
    "srv/app/public",
    "sys",
    "tmp",
    "usr/local/bin",
    "var/log",
    "var/run/secrets/kubernetes.io/serviceaccount",
];

const FILES: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/shadow", "root:*:19000:0:99999:7:::\n"),
    ("etc/sudoers", "root ALL=(ALL:ALL) ALL\n"),
    ("home/alice/.ssh/id_rsa", "not a key\n"),
    ("lib/liblzma.so.5.6.0", "not a library\n"),
    ("root/.bash_history", "ls\n"),
    ("root/.ssh/id_rsa", "not a key\n"),
    ("srv/app/page", "text\n"),
    ("var/log/app.log", "began\n"),
    ("var/log/syslog", "began\n"),
    ("var/run/secrets/kubernetes.io/serviceaccount/token", "none\n"),
];

/// Makes `root` the root of a container's file system: the actor is `/opt/live/actor`, with its copies
/// beside it.
pub fn lay_out(root: &Path, actor: &Path) {
    for path in DIRECTORIES {
        fs::create_dir_all(root.join(path)).expect("a directory of the image");
    }
    let for_all = PermissionsExt::from_mode(0o1777);
    fs::set_permissions(root.join("tmp"), for_all).expect("a mode of the image");
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).expect("a link of the image");
    }
    let own = root.join("opt/live/actor");
    fs::copy(actor, &own).expect("the actor can be copied");
    for fake in FAKES {
        fs::hard_link(&own, root.join("opt/live").join(fake)).expect("a link of the image");
    }
    for (path, text) in FILES {
        fs::write(root.join(path), text).expect("a file of the image");
    }
}
