//! Input that is cut off, damaged or made to harm: an error that names the place, everything
//! before it delivered, no panic and no memory for lengths that are only claimed.
#![allow(clippy::unwrap_used)] // a panic is the report

mod common;

use common::{Blocks, Bytes, Read, close, event, gzip, read};
use falco_capture::CaptureReader;
use falco_event::EventCode;
use falco_source::SourceError;

/// A capture with a block of each kind and events that are converted, skipped and delivered.
fn sample() -> Vec<u8> {
    let file = Bytes::new().u64(3).u64(7).u8(16).u32(1).text("/etc/passwd").u32(5).sized();
    let interface = Bytes::new().u16(1).u16(2).raw(&[10; 12]).u64(0).raw(b"lo");
    let interface = Bytes::new().u32(interface.0.len() as u32).raw(&interface.0);
    let thread = Bytes::new().u64(5).u64(5).u64(1).u64(5).u64(5).text("c").text("e").text("p");
    let thread = thread.text("a\0").text("/").raw(&[0; 20]).raw(&[0; 28]).text("E=1\0").u64(5);
    let thread = thread.u64(5).text("cpu=/\0").text("/").raw(&[0; 60]).sized();
    let old = event(EventCode::SYSCALL_READ_E, 5, &[&[9; 8], &[9; 4]]);
    let exit = event(EventCode::SYSCALL_READ_X, 5, &[&[4; 8], b"data"]);
    let v1 = common::event_v1(EventCode::SYSCALL_CLOSE_X, 5, &[&[0; 8], &[3; 8]]);
    Blocks::new()
        .block(0x201, Bytes::new().raw(&[1; 180]))
        .block(0x220, Bytes::new().u8(1).u32(27).text("sudo").sized())
        .block(0x219, interface)
        .block(0x215, thread)
        .block(0x218, Bytes::new().u64(5).raw(&file.0))
        .block(0x777, Bytes::new().raw(b"of a later format"))
        .any_event()
        .event(old)
        .event(exit)
        .block(0x204, Bytes::new().u16(1).raw(&v1.0))
        .event(event(EventCode(9999), 5, &[b"x"]))
        .block(0x222, Bytes::new().u16(1).u32(1).raw(&close(6).0))
        .section()
        .any_event()
        .bytes
}

fn read_bytes(bytes: Vec<u8>) -> Read {
    read(CaptureReader::from_bytes("sample.scap", bytes))
}

/// Ends of blocks, and where the first event begins.
fn boundaries(bytes: &[u8]) -> (Vec<usize>, usize) {
    let (mut ends, mut first_event) = (vec![0], bytes.len());
    while let Some(header) = bytes.get(ends[ends.len() - 1]..).filter(|rest| !rest.is_empty()) {
        let at = ends[ends.len() - 1];
        if header[..4] == 0x216_u32.to_le_bytes() {
            first_event = first_event.min(at);
        }
        ends.push(at + u32::from_le_bytes(header[4..8].try_into().unwrap()) as usize);
    }
    (ends, first_event)
}

#[test]
fn the_sample_is_good() {
    let whole = read_bytes(sample()).ok();
    assert_eq!(whole.events.len(), 5);
    assert_eq!(whole.snapshots.len(), 2);
    assert_eq!(whole.snapshots[0].threads[0].tid, 5);
}

#[test]
fn a_capture_cut_at_any_byte_gives_what_was_before_and_says_where_it_ends() {
    let sample = sample();
    let whole = read_bytes(sample.clone()).ok();
    let (ends, first_event) = boundaries(&sample);
    for len in 0..sample.len() {
        let cut = read_bytes(sample[..len].to_vec());
        assert_eq!(cut.events[..], whole.events[..cut.events.len()], "{len}");
        let between_events = ends.contains(&len) && len > first_event;
        match &cut.error {
            Some(SourceError::Truncated { name, offset, .. }) => {
                assert_eq!(name, "sample.scap");
                assert!(ends.contains(&(*offset as usize)), "{len}: {offset}");
                assert!(*offset as usize <= len, "{len}: {offset}");
            }
            Some(SourceError::Corrupt { what, .. }) => {
                let at_end = what.contains("no events") || what.contains("is empty");
                assert!(at_end && ends.contains(&len), "{len}: {what}");
            }
            Some(other) => panic!("{len}: {other}"),
            None => assert!(between_events, "{len}"),
        }
    }
}

#[test]
fn a_gzip_stream_cut_at_any_byte_loses_nothing_that_it_holds() {
    let mut sample = sample();
    for tid in 0..2000 {
        sample = Blocks { bytes: sample }.event(close(tid * 7919)).bytes;
    }
    let whole = read_bytes(sample.clone()).ok();
    let zipped = gzip(&sample);
    let mut most = 0;
    let tail = zipped.len() - 20;
    for len in (0..tail).step_by(7).chain(tail..zipped.len()) {
        let cut = read_bytes(zipped[..len].to_vec());
        assert_eq!(cut.events[..], whole.events[..cut.events.len()], "{len}");
        assert!(cut.error.is_some(), "{len}");
        if cut.events.len() > 10 {
            let error = cut.error.unwrap().to_string();
            assert!(error.contains("the gzip stream breaks off"), "{len}: {error}");
        }
        assert!(cut.events.len() >= most, "{len}: a longer stream gives less");
        most = cut.events.len();
    }
    assert_eq!(most, whole.events.len(), "only the checksum was cut off");
}

#[test]
fn a_damaged_gzip_stream_gives_what_is_before_the_damage() {
    let mut capture = Blocks::new();
    for tid in 0..50_000 {
        capture = capture.event(close(tid * 7919));
    }
    let mut zipped = gzip(&capture.bytes);
    let at = zipped.len() * 3 / 4;
    zipped[at..at + 16].fill(0xff);
    let read = read_bytes(zipped);
    assert!(read.events.len() > 20_000, "{}", read.events.len());
    let error = read.error.unwrap();
    assert!(error.to_string().contains("sample.scap: "), "{error}");

    let mut wrong_sum = gzip(&capture.bytes);
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    let read = read_bytes(wrong_sum);
    assert_eq!(read.events.len(), 50_000);
    let error = read.error.unwrap().to_string();
    assert!(error.contains("gzip stream is corrupt"), "{error}");
}

#[test]
fn no_damaged_byte_panics_or_loses_what_is_before_it() {
    let sample = sample();
    let whole = read_bytes(sample.clone()).ok();
    let (ends, _) = boundaries(&sample);
    for at in 0..sample.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, sample[at] ^ 1, sample[at].wrapping_add(4)] {
            let mut damaged = sample.clone();
            damaged[at] = value;
            let read = read_bytes(damaged);
            // Events of blocks that end before the damage.
            let safe = ends.iter().filter(|&&end| end <= at).count() - 1;
            let events = common::read(CaptureReader::from_bytes("", sample[..ends[safe]].to_vec()));
            let kept = events.events.len().min(read.events.len());
            assert_eq!(read.events[..kept], whole.events[..kept], "{at} {value}");
            assert!(read.events.len() >= events.events.len(), "{at} {value}");
        }
    }
}

#[test]
fn lengths_that_are_only_claimed_cost_no_memory() {
    let claims = [
        (0x215_u32, 0x3fff_fff0_u32), // a process list of 1 GiB
        (0x215, u32::MAX),
        (0x777, u32::MAX),
        (0x221, 64 << 20), // an event of 64 MiB
        (0x221, u32::MAX),
        (0x216, u32::MAX),
        (0x216, 0),
        (0x215, 0),
        (0x777, 11),
    ];
    for (block_type, len) in claims {
        let before =
            if block_type & 0xf0 == 0x10 { Blocks::new() } else { Blocks::new().any_event() };
        for before in [before, Blocks::new()] {
            let mut bytes = before.bytes;
            bytes.extend(Bytes::new().u32(block_type).u32(len).raw(&[0; 1000]).0);
            for bytes in [gzip(&bytes), bytes] {
                let error = read_bytes(bytes).error.unwrap();
                let broken =
                    matches!(error, SourceError::Corrupt { .. } | SourceError::Truncated { .. });
                assert!(broken, "{block_type:#x} {len}: {error}");
            }
        }
    }
    // A process list that claims 1 GiB must not have reserved it.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 500 << 10, "{peak} kB");
}

#[test]
fn a_parameter_count_or_length_beyond_the_event_is_corrupt() {
    for (at, byte) in [(16, 0xff), (16, 25), (22, 0xff), (25, 0x7f), (26, 0xff), (29, 1)] {
        let mut bad = close(5);
        bad.0[at] = byte;
        let read = Blocks::new().any_event().event(bad).any_event().read();
        assert_eq!(read.events.len(), 1, "byte {at}");
        assert!(matches!(read.error, Some(SourceError::Corrupt { .. })), "byte {at}");
    }
}
