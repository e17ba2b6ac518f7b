//! A path that another thread changes while the kernel works on it.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use falco_event::EventCode;

use crate::calls::{close, ok, sys};
use crate::trace::trace;

fn write(path: &[AtomicU8], text: &[u8]) {
    for (byte, text) in path.iter().zip(text.iter().chain([&0])) {
        byte.store(*text, Ordering::SeqCst);
    }
}

/// The open of a FIFO waits for the other end after the kernel has read its path.
#[test]
fn the_path_that_was_opened_is_told_whatever_memory_says_now() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = std::fs::canonicalize(directory.path()).unwrap().join("fifo");
    let name = CString::new(fifo.as_os_str().as_bytes()).unwrap();
    ok(libc::SYS_mknod, [name.as_ptr() as usize, (libc::S_IFIFO | 0o600) as usize, 0]);
    let path: Vec<AtomicU8> = (0..256).map(|_| AtomicU8::new(0)).collect();
    write(&path, name.to_bytes());
    let Some(events) = trace(&["openat"], 80, || {
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(100));
                write(&path, b"/dev/null");
                let flags = (libc::O_WRONLY | libc::O_CLOEXEC) as usize;
                close(ok(libc::SYS_open, [name.as_ptr() as usize, flags, 0]));
            });
            let at = path.as_ptr() as usize;
            let fd =
                sys(libc::SYS_openat, [libc::AT_FDCWD as usize, at, libc::O_RDONLY as usize, 0]);
            close(usize::try_from(fd).unwrap());
        });
    }) else {
        return;
    };
    let opened: Vec<_> =
        events.iter().filter(|event| event.code == EventCode::SYSCALL_OPENAT_2_X).collect();
    let names: Vec<_> = opened.iter().map(|event| event.params[2].as_slice()).collect();
    assert_eq!(names, [name.to_bytes_with_nul()]);
}
