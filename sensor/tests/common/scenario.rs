//! A small capture made here, so that the tests need nothing from outside: a shell reads
//! `/etc/shadow`, writes a temporary file and ends.

use std::path::{Path, PathBuf};

use falco_capture::{CaptureWriter, Compression};
use falco_event::{EventBuilder, EventCode};
use falco_source::Snapshot;
use falco_source::snapshot::{Machine, Thread, User};

/// Time of the first event, nanoseconds since the epoch: 2026-11-23T04:28:08Z.
const START: u64 = 1_795_408_088_000_000_000;
/// The shell's pid.
pub const PID: i64 = 42;

/// Writes the capture into `dir` and gives its path.
pub fn write(dir: &Path, compression: Compression) -> PathBuf {
    let path = dir.join("scenario.scap");
    let mut writer = CaptureWriter::create(&path, compression).expect("a writable directory");
    writer.snapshot(&snapshot()).expect("the snapshot is written");
    let mut event = EventBuilder::new();
    for (i, (name, fd, flags)) in
        [("/etc/shadow", 3, 1_u32), ("/tmp/a \"b\"", 4, 2), ("/nonexistent", -2, 1)]
            .into_iter()
            .enumerate()
    {
        event.start(START + i as u64 * 1_000_000_000, PID, EventCode::SYSCALL_OPENAT_2_X);
        event.i64(fd).i64(-100).text(name).u32(flags).u32(0).u32(0).u64(7);
        writer.event(&event.finish(1, 0).expect("a valid event")).expect("the event is written");
    }
    event.start(START + 3_000_000_000, PID, EventCode::SYSCALL_CLOSE_X).i64(0).i64(3);
    writer.event(&event.finish(0, 0).expect("a valid event")).expect("the event is written");
    writer.finish().expect("the capture is written");
    path
}

/// What runs at the start.
pub fn snapshot() -> Snapshot {
    let thread = Thread {
        tid: PID,
        pid: PID,
        ptid: 1,
        vtid: PID,
        vpid: PID,
        comm: b"bash".to_vec(),
        exe: b"/bin/bash".to_vec(),
        exepath: b"/usr/bin/bash".to_vec(),
        args: b"-c\0true\0".to_vec(),
        cwd: b"/root/".to_vec(),
        root: b"/".to_vec(),
        ..Thread::default()
    };
    let init = Thread { tid: 1, pid: 1, ptid: 0, comm: b"init".to_vec(), ..thread.clone() };
    Snapshot {
        machine: Some(Machine { cpus: 2, hostname: b"node1".to_vec(), ..Machine::default() }),
        users: vec![User { name: b"root".to_vec(), ..User::default() }],
        threads: vec![init, thread],
        ..Snapshot::default()
    }
}
