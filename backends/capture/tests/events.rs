//! Event blocks in every form, what is skipped, what is converted, and sections behind events.

mod common;

use common::{Blocks, Bytes, close, event, event_v1, gzip, read};
use falco_capture::CaptureReader;
use falco_event::EventCode;
use falco_event::raw::DUMP_STATE_ONLY;
use falco_source::{Next, Source, SourceError};

#[test]
fn events_of_every_form_keep_cpu_and_flags() {
    let plain = |block_type, event: Bytes| (block_type, Bytes::new().u16(3).raw(&event.0), 0);
    let flagged = |block_type, event: Bytes| {
        (block_type, Bytes::new().u16(3).u32(DUMP_STATE_ONLY).raw(&event.0), DUMP_STATE_ONLY)
    };
    let code = EventCode::SYSCALL_CLOSE_X;
    let v1 = || event_v1(code, 5, &[&0_i64.to_le_bytes(), &3_i64.to_le_bytes()]);
    let forms = [
        plain(0x204, v1()),
        plain(0x8010_ABCD, v1()),
        flagged(0x208, v1()),
        plain(0x216, close(5)),
        flagged(0x217, close(5)),
        plain(0x221, close(5)),
        flagged(0x222, close(5)),
    ];
    for (block_type, body, flags) in forms {
        let read = Blocks::new().block(block_type, body).read().ok();
        let [given] = &read.events[..] else { panic!("{block_type:#x}") };
        assert_eq!((given.cpu, given.flags), (3, flags), "{block_type:#x}");
        assert_eq!(given.bytes, close(5).0, "{block_type:#x}");
    }
}

#[test]
fn large_events_have_wide_lengths_in_any_block() {
    let data = vec![7; 100_000];
    let len = 26 + 3 * 4 + 4 + 5 + data.len();
    let event = Bytes::new().u64(1).u64(2).u32(len as u32).u16(EventCode::ASYNCEVENT_E.0).u32(3);
    let event = event.u32(4).u32(5).u32(data.len() as u32).u32(9).raw(b"name\0").raw(&data);
    let body = Bytes::new().u16(0).raw(&event.0);
    let read = Blocks::new().block(0x221, body.clone()).read().ok();
    assert_eq!(read.events[0].params()[2], data);

    let SourceError::Corrupt { what, .. } = Blocks::new().block(0x216, body).read().error.unwrap()
    else {
        panic!()
    };
    assert!(what.contains("possible are 40 to 65544"), "{what}");
}

#[test]
fn version_1_events_get_the_parameter_count_that_fits() {
    // An open of long ago: four of today's six parameters.
    let open = event_v1(
        EventCode::SYSCALL_OPEN_X,
        5,
        &[&3_i64.to_le_bytes(), b"/etc/passwd\0", &1_u32.to_le_bytes(), &0_u32.to_le_bytes()],
    );
    let read = Blocks::new().block(0x204, Bytes::new().u16(0).raw(&open.0)).read().ok();
    let params = read.events[0].params();
    assert_eq!(params.len(), 6);
    assert_eq!(params[1], b"/etc/passwd\0");
    assert_eq!(params[4..], [b"", b""]);
}

#[test]
fn version_1_notifications_say_three_bytes_too_many() {
    let mut v1 = event_v1(EventCode::NOTIFICATION_E, 5, &[b"id\0", b"desc\0"]);
    let len = v1.0.len() as u32 + 3;
    v1.0[16..20].copy_from_slice(&len.to_le_bytes());
    let read = Blocks::new().block(0x204, Bytes::new().u16(0).raw(&v1.0)).read().ok();
    assert_eq!(read.events[0].params(), [&b"id\0"[..], b"desc\0"]);
}

#[test]
fn version_1_events_without_a_fitting_count_are_corrupt() {
    let code = EventCode::SYSCALL_CLOSE_X;
    let mut v1 = event_v1(code, 5, &[&0_i64.to_le_bytes(), &3_i64.to_le_bytes()]);
    v1.0[22] = 9; // the length of the first parameter
    let body = Bytes::new().u16(0).raw(&v1.0);
    let error = Blocks::new().any_event().block(0x204, body).read().error.unwrap();
    let SourceError::Corrupt { what, .. } = error else { panic!("{error}") };
    assert!(what.contains("no parameter count fits"), "{what}");

    v1.0[16] = 200; // the length of the event
    let body = Bytes::new().u16(0).raw(&v1.0);
    let error = Blocks::new().any_event().block(0x204, body).read().error.unwrap();
    assert!(error.to_string().contains("does not fit the"), "{error}");
}

#[test]
fn events_of_later_schemas_are_skipped_and_counted() {
    let unknown = event(EventCode(EventCode::COUNT as u16), 5, &[b"whatever"]);
    let beyond = event(EventCode(u16::MAX), 5, &[]);
    let flagged = Bytes::new().u16(0).u32(1).raw(&unknown.0);
    let read = Blocks::new()
        .event(unknown)
        .any_event()
        .event(beyond)
        .block(0x217, flagged)
        .any_event()
        .read()
        .ok();
    assert_eq!(read.events.len(), 2);
    assert_eq!((read.stats.events, read.stats.skipped_unknown), (2, 3));
}

#[test]
fn enter_events_of_old_captures_become_parameters() {
    let fd = 9_i64.to_le_bytes();
    let size = 100_u32.to_le_bytes();
    let res = 4_i64.to_le_bytes();
    let read = Blocks::new()
        .event(event(EventCode::SYSCALL_READ_E, 5, &[&fd, &size]))
        .event(event(EventCode::SYSCALL_READ_E, 6, &[&res, &size]))
        .event(event(EventCode::SYSCALL_READ_X, 5, &[&res, b"data"]))
        .event(event(EventCode::SYSCALL_READ_X, 7, &[&res, b"data"]))
        .read()
        .ok();
    assert_eq!(read.codes(), [EventCode::SYSCALL_READ_X; 2]);
    assert_eq!(read.events[0].params(), [&res[..], b"data", &fd, &size]);
    assert_eq!(read.events[1].params(), [&res[..], b"data", &[0; 8], &[0; 4]]);
    assert_eq!((read.stats.events, read.stats.converted_away), (2, 2));
    assert_eq!((read.stats.enters_missing, read.stats.enters_evicted), (1, 0));
}

#[test]
fn the_converted_event_keeps_cpu_and_flags() {
    let body = Bytes::new().u16(7).u32(DUMP_STATE_ONLY);
    let old = event(EventCode::SYSCALL_EXECVE_8_E, 5, &[]);
    let read = Blocks::new().block(0x217, body.raw(&old.0)).read().ok();
    let [given] = &read.events[..] else { panic!() };
    assert_eq!((given.code, given.cpu), (EventCode::SYSCALL_EXECVE_19_E, 7));
    assert_eq!(given.flags, DUMP_STATE_ONLY);
}

#[test]
fn unused_and_silent_events_are_not_delivered() {
    let read = Blocks::new()
        .event(event(EventCode::PROCEXIT_X, 5, &[])) // never sent
        .event(event(EventCode::SYSCALL_PIPE_E, 5, &[])) // an enter event that tells nothing
        .any_event()
        .read()
        .ok();
    assert_eq!(read.codes(), [EventCode::SYSCALL_CLOSE_X]);
    assert_eq!(read.stats.converted_away, 2);
}

#[test]
fn an_event_with_more_parameters_than_known_is_corrupt() {
    let params: [&[u8]; 3] = [&[0; 8]; 3];
    let close = event(EventCode::SYSCALL_CLOSE_X, 5, &params);
    let error = Blocks::new().any_event().event(close).read().error.unwrap();
    let SourceError::Corrupt { what, offset, .. } = error else { panic!("{error}") };
    assert!(what.contains("SYSCALL_CLOSE_X"), "{what}");
    let before = Blocks::new().any_event().bytes.len() as u64;
    assert_eq!(offset, before + 10);
}

#[test]
fn a_second_capture_behind_the_first_gives_a_snapshot_between_events() {
    let group = |gid| Bytes::new().u8(1).u32(gid).text("g").sized();
    let first = Blocks::new().block(0x220, group(1)).any_event().any_event();
    let second = Blocks::new().block(0x220, group(2)).any_event();
    let mut both = first.bytes.clone();
    both.extend(&second.bytes);
    let mut gzipped = gzip(&first.bytes);
    gzipped.extend(gzip(&second.bytes));
    for bytes in [both, gzipped] {
        let mut reader = CaptureReader::from_bytes("two", bytes);
        assert_eq!(reader.start().unwrap().groups[0].gid, 1);
        assert!(matches!(reader.next(), Ok(Next::Event(_))));
        assert!(matches!(reader.next(), Ok(Next::Event(_))));
        match reader.next() {
            Ok(Next::Snapshot(snapshot)) => assert_eq!(snapshot.groups[0].gid, 2),
            other => panic!("{other:?}"),
        }
        assert!(matches!(reader.next(), Ok(Next::Event(_))));
        assert!(matches!(reader.next(), Ok(Next::End)));
        assert!(matches!(reader.next(), Ok(Next::End)));
        assert_eq!(reader.stats().events, 3);
    }
}

#[test]
fn enter_events_do_not_reach_into_the_next_section() {
    let enter = event(EventCode::SYSCALL_READ_E, 5, &[&[9; 8], &[9; 4]]);
    let exit = event(EventCode::SYSCALL_READ_X, 5, &[&[4; 8], b"data"]);
    let read = Blocks::new().any_event().event(enter).section().event(exit).read().ok();
    assert_eq!(read.snapshots.len(), 2);
    assert_eq!(read.events[1].params()[2], [0; 8]);
}

#[test]
fn lists_behind_events_without_a_section_are_corrupt() {
    let group = Bytes::new().u8(1).u32(1).text("g").sized();
    let read = Blocks::new().any_event().block(0x220, group).any_event().read();
    assert_eq!(read.events.len(), 1);
    let error = read.error.unwrap().to_string();
    assert!(error.contains("a section header is expected here (at byte"), "{error}");
}

#[test]
fn next_before_start_gives_nothing() {
    let mut reader = Blocks::new().any_event().reader();
    assert!(matches!(reader.next(), Ok(Next::End)));
}

#[test]
fn files_plain_and_compressed_read_the_same() {
    let mut capture = Blocks::new();
    for tid in 0..50_000 {
        capture = capture.event(close(tid));
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("plain", capture.bytes.clone()), ("gzip", gzip(&capture.bytes))] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let mut reader = CaptureReader::open(&path).unwrap();
        reader.start().unwrap();
        assert_eq!(reader.progress().unwrap().total, bytes.len() as u64);
        for tid in 0..50_000 {
            match reader.next() {
                Ok(Next::Event(event)) => assert_eq!(event.bytes(), close(tid).0),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(reader.next(), Ok(Next::End)));
        let progress = reader.progress().unwrap();
        assert_eq!(progress.done, progress.total, "{name}");
    }
}

#[test]
fn pipes_are_streamed_plain_and_compressed() {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    let mut capture = Blocks::new();
    for tid in 0..20_000 {
        capture = capture.event(close(tid));
    }
    for bytes in [capture.bytes.clone(), gzip(&capture.bytes)] {
        let (from, mut to) = std::io::pipe().unwrap();
        let writer = std::thread::spawn(move || {
            // The first bytes come one by one.
            for byte in &bytes[..100] {
                to.write_all(&[*byte]).unwrap();
            }
            to.write_all(&bytes[100..]).unwrap();
        });
        let path = format!("/proc/self/fd/{}", from.as_raw_fd());
        let reader = CaptureReader::open(path).unwrap();
        assert!(reader.progress().is_none(), "nobody knows how long a pipe is");
        let read = read(reader).ok();
        writer.join().unwrap();
        assert_eq!(read.events.len(), 20_000);
        assert_eq!(read.events[19_999].bytes, close(19_999).0);
    }
}

#[test]
fn paths_that_cannot_be_read_are_named() {
    let error = CaptureReader::open("/nonexistent/x.scap").err().unwrap().to_string();
    assert!(error.starts_with("cannot open capture /nonexistent/x.scap: No such file"), "{error}");
    let error = CaptureReader::open("/").map(read).err().unwrap().to_string();
    assert!(error.starts_with("cannot read capture /: "), "{error}");
}
