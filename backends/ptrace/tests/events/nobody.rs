//! The same scenarios once more, as an ordinary user without any capability.

use std::env;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

/// Of no account.
const UID: u32 = 61234;

#[test]
fn an_ordinary_user_is_told_the_same() {
    // Whoever is an ordinary user has run the others as such.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(directory.path(), Some(UID), Some(UID)).unwrap();
    // Where the build is may be closed to others.
    let program = directory.path().join("events");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let uid = UID.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "--inh-caps=-all"]);
    command.arg("--bounding-set=-all").arg(&program).args(["--skip", "nobody::", "--nocapture"]);
    let output = command
        .current_dir(directory.path())
        .env("TMPDIR", directory.path())
        .output()
        .expect("setpriv (util-linux) runs");
    let told = String::from_utf8_lossy(&output.stdout);
    let ignored = String::from_utf8_lossy(&output.stderr);
    if ignored.contains("IGNORED") {
        return eprintln!("IGNORED: events as an ordinary user, because {ignored}");
    }
    assert!(output.status.success(), "{told}\n{ignored}");
    assert!(!told.contains("running 0 tests"), "{told}");
}
