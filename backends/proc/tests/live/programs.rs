//! The files that processes run from.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use falco_proc::Proc;
use falco_source::snapshot::Thread;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Process, eventually, found, is_root, myself};

/// A copy of `sleep` in a directory.
fn copy_of_sleep(to: &Path) -> PathBuf {
    let from = ["/usr/bin/sleep", "/bin/sleep"].into_iter().find(|path| Path::new(path).exists());
    let to = to.join("tool");
    fs::copy(from.unwrap(), &to).unwrap();
    fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
    to
}

#[test]
fn a_program_in_memory_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let memfd = memfd_create(c"payload", MemfdFlags::CLOEXEC).unwrap();
    let mut file = File::from(memfd);
    file.write_all(&fs::read(copy_of_sleep(dir.path())).unwrap()).unwrap();
    let child =
        Process::start(Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())).arg("60"));
    let thread = eventually(|| found(child.pid()).filter(|f| f.thread.exe_from_memfd)).thread;
    assert_eq!(thread.exepath, b"memfd:payload");
    assert_eq!(thread.exe_ino, file.metadata().unwrap().ino());
    assert!(!thread.exe_upper_layer && !thread.exe_lower_layer);
    // Others have none.
    assert!(!found(myself()).unwrap().thread.exe_from_memfd);
}

#[test]
fn a_deleted_program_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let tool = copy_of_sleep(dir.path());
    let child = Process::start(Command::new(&tool).arg("60"));
    child.running("tool");
    let ino = fs::metadata(&tool).unwrap().ino();
    fs::remove_file(&tool).unwrap();
    let thread = found(child.pid()).unwrap().thread;
    assert_eq!(thread.exepath, [tool.as_os_str().as_encoded_bytes(), b" (deleted)"].concat());
    assert_eq!((thread.exe_ino, thread.exe_from_memfd), (ino, false));
}

#[test]
fn programs_are_writable_for_who_may_write_them() {
    if !is_root("running as other users") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let tool = copy_of_sleep(dir.path());
    let run = |ids: &str, groups: &str, mode: u32, uid: u32, gid: u32| {
        chown(&tool, Some(uid), Some(gid)).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(mode)).unwrap();
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={ids}")).arg(format!("--regid={ids}"));
        command.arg(if groups.is_empty() {
            "--clear-groups".into()
        } else {
            format!("--groups={groups}")
        });
        let child = Process::start(command.arg(&tool).arg("60"));
        let thread = child.running("tool").thread;
        assert_eq!((thread.uid, thread.gid), (ids.parse().unwrap(), ids.parse().unwrap()));
        if ids != "0" {
            assert_eq!((thread.cap_effective, thread.cap_permitted), (0, 0));
        }
        thread.exe_writable
    };
    assert!(run("0", "", 0o555, 12345, 0), "root may do anything");
    assert!(!run("12345", "", 0o755, 0, 0), "another's");
    assert!(run("12345", "", 0o555, 12345, 0), "its own");
    assert!(run("12345", "", 0o757, 0, 0), "anyone's");
    assert!(run("12345", "", 0o775, 0, 12345), "its group's");
    assert!(run("12345", "777", 0o775, 0, 777), "a further group's");
    assert!(!run("12345", "778", 0o775, 0, 777), "another group's");
}

#[test]
fn layers_of_an_overlay_are_told() {
    if !is_root("mounting an overlay") {
        return;
    }
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    for name in ["lower/bin", "upper/bin", "work", "merged"] {
        fs::create_dir_all(dir.path().join(name)).unwrap();
    }
    copy_of_sleep(&dir.path().join("lower/bin"));
    let script = "cd \"$0\" && mount -t overlay overlay \
        -o lowerdir=$0/lower,upperdir=$0/upper,workdir=$0/work $0/merged || exit 9
        cp merged/bin/tool merged/bin/fresh
        cp merged/bin/tool merged/bin/gone
        merged/bin/tool 60 & merged/bin/fresh 60 & merged/bin/gone 60 & 
        sleep 1; rm merged/bin/gone; wait";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script]).arg(dir.path()).stdin(Stdio::null());
    command.process_group(0);
    let mut child = Process(command.spawn().unwrap());
    let mut proc = Proc::new("/");
    let threads = eventually(|| {
        if let Some(status) = child.0.try_wait().unwrap() {
            println!("IGNORED: layers of an overlay because mount says {status}");
            return Some(Vec::new());
        }
        let mut threads = proc.snapshot().unwrap().threads;
        threads.retain(|thread| thread.ptid == child.pid() && thread.comm != b"sh");
        let gone = |thread: &Thread| thread.exepath.ends_with(b"gone (deleted)");
        (threads.len() == 3 && threads.iter().any(gone)).then_some(threads)
    });
    let group = Pid::from_child(&child.0);
    for thread in &threads {
        let layers = (thread.exe_upper_layer, thread.exe_lower_layer);
        let is_lower = thread.comm == b"tool";
        assert_eq!(layers, (!is_lower, is_lower), "{}", String::from_utf8_lossy(&thread.exepath));
        assert!(thread.exe_writable);
    }
    let _ = kill_process_group(group, Signal::KILL);
}
