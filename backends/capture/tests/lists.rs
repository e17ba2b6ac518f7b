//! The blocks before the events, in every version that was ever written.
#![allow(clippy::unwrap_used)] // a panic is the report

mod common;

use std::net::IpAddr;

use common::{Blocks, Bytes};
use falco_event::net::Endpoint;
use falco_source::SourceError;
use falco_source::snapshot::{Fd, FdKind, Group, Interface, L4Proto, Machine, Thread, User};

const PROCESS_TYPES: [(u32, u8); 12] = [
    (0x202, 1),
    (0x8000_ABCD, 1),
    (0x207, 2),
    (0x8013_ABCD, 2),
    (0x209, 3),
    (0x8014_ABCD, 3),
    (0x210, 4),
    (0x211, 5),
    (0x212, 6),
    (0x213, 7),
    (0x214, 8),
    (0x215, 9),
];

/// The fields of a process entry that follow from the version, without a length.
fn process(tid: u64, version: u8) -> Bytes {
    let when = |since: u8, out: Bytes, f: fn(Bytes) -> Bytes| {
        if version >= since { f(out) } else { out }
    };
    let mut out = Bytes::new().u64(tid).u64(20).u64(1);
    out = when(6, out, |out| out.u64(21));
    out = when(8, out, |out| out.u64(22));
    out = out.text("comm").text("exe");
    out = when(7, out, |out| out.text("/bin/exe"));
    out = out.text("a\0b\0").text("/tmp/").u64(1024).u32(7).u32(1000).u32(1001);
    out = when(2, out, |out| out.u32(1).u32(2).u32(3).u64(4).u64(5));
    out = when(3, out, |out| out.text("A=1\0"));
    out = when(4, out, |out| out.u64(31).u64(32).text("cpu=/x\0"));
    when(5, out, |out| out.text("/root"))
}

fn thread(tid: i64, version: u8) -> Thread {
    let mut t = Thread {
        tid,
        pid: 20,
        ptid: 1,
        comm: b"comm".to_vec(),
        exe: b"exe".to_vec(),
        args: b"a\0b\0".to_vec(),
        cwd: b"/tmp/".to_vec(),
        fdlimit: 1024,
        flags: 7,
        uid: 1000,
        gid: 1001,
        ..Thread::default()
    };
    if version >= 2 {
        (t.vmsize_kb, t.vmrss_kb, t.vmswap_kb, t.pfmajor, t.pfminor) = (1, 2, 3, 4, 5);
    }
    if version >= 3 {
        t.env = b"A=1\0".to_vec();
    }
    if version >= 4 {
        (t.vtid, t.vpid, t.cgroups) = (31, 32, b"cpu=/x\0".to_vec());
    }
    if version >= 5 {
        t.root = b"/root".to_vec();
    }
    if version >= 6 {
        t.sid = 21;
    }
    if version >= 7 {
        t.exepath = b"/bin/exe".to_vec();
    }
    if version >= 8 {
        t.vpgid = 22;
    }
    t
}

#[test]
fn process_lists_of_every_version() {
    for (block_type, version) in PROCESS_TYPES {
        let entry = |tid| match version {
            9 => process(tid, version).sized(),
            _ => process(tid, version),
        };
        let body = Bytes::new().raw(&entry(5).0).raw(&entry(6).0);
        let snapshot = Blocks::new().block(block_type, body).snapshot();
        assert_eq!(snapshot.threads, [thread(5, version), thread(6, version)], "version {version}");
    }
}

#[test]
fn appended_process_fields_are_read_as_far_as_the_entry_goes() {
    let whole = process(5, 9)
        .u64(100) // pidns_init_start_ts
        .u32(101) // tty
        .u32(102) // loginuid
        .u8(1) // exe_writable
        .u64(103)
        .u64(104)
        .u64(105)
        .u8(1) // exe_upper_layer
        .u64(106)
        .u64(107)
        .u64(108)
        .u8(1) // exe_from_memfd
        .u8(1) // exe_lower_layer
        .u64(109) // pgid
        .raw(b"of a later version");
    let snapshot = Blocks::new().block(0x215, whole.clone().sized()).snapshot();
    let want = Thread {
        pidns_init_start_ts: 100,
        tty: 101,
        loginuid: 102,
        exe_writable: true,
        cap_inheritable: 103,
        cap_permitted: 104,
        cap_effective: 105,
        exe_upper_layer: true,
        exe_ino: 106,
        exe_ino_ctime: 107,
        exe_ino_mtime: 108,
        exe_from_memfd: true,
        exe_lower_layer: true,
        pgid: 109,
        ..thread(5, 9)
    };
    assert_eq!(snapshot.threads, [want]);

    // Any shorter entry is one too; what is missing has its default.
    let fixed = process(5, 9).0.len();
    for len in fixed..whole.0.len() {
        let entry = Bytes(whole.0[..len].to_vec()).sized();
        let snapshot = Blocks::new().block(0x215, entry).snapshot();
        assert_eq!(snapshot.threads[0].root, b"/root", "{len}");
        assert_eq!(snapshot.threads[0].tid, 5, "{len}");
    }
}

#[test]
fn process_entries_before_libs_0_10_lack_two_fields_in_the_middle() {
    let entry = process(5, 9).u32(102).u8(1).u64(103).u64(104).u64(105).sized();
    let snapshot = Blocks::new().block(0x215, entry).snapshot();
    let want = Thread {
        loginuid: 102,
        exe_writable: true,
        cap_inheritable: 103,
        cap_permitted: 104,
        cap_effective: 105,
        ..thread(5, 9)
    };
    assert_eq!(snapshot.threads, [want]);
}

#[test]
fn machine_info() {
    let mut hostname = [0; 128];
    hostname[..5].copy_from_slice(b"node1");
    let body = Bytes::new().u32(2).u64(3).u64(4).raw(&hostname).u64(5).u64(6).u64(0).u64(0);
    for block_type in [0x201, 0x8002_ABCD] {
        let snapshot = Blocks::new().block(block_type, body.clone()).snapshot();
        let want = Machine {
            cpus: 2,
            memory: 3,
            max_pid: 4,
            hostname: b"node1".to_vec(),
            boot_ts: 5,
            flags: 6,
        };
        assert_eq!(snapshot.machine, Some(want));
    }
}

/// Every kind of fd: its number in the format, its payload and what it is.
fn fd_kinds() -> Vec<(u8, Bytes, FdKind)> {
    let v4 = |last| IpAddr::from([10, 0, 0, last]);
    let v6 = |last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
    let octets6 = |last| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let end = |ip, port| Endpoint { ip, port };
    let name = || Bytes::new().text("name");
    let named = |scap_type| FdKind::Named { scap_type, name: b"name".to_vec() };
    let mut kinds = vec![
        (0, Bytes::new(), FdKind::Unknown),
        (1, name(), FdKind::File { name: b"name".to_vec(), open_flags: 0, dev: 0 }),
        (2, name(), FdKind::Directory { name: b"name".to_vec() }),
        (
            3,
            Bytes::new().raw(&[10, 0, 0, 1, 10, 0, 0, 2]).u16(1000).u16(80).u8(2),
            FdKind::Inet { src: end(v4(1), 1000), dst: end(v4(2), 80), proto: L4Proto::Tcp },
        ),
        (
            4,
            Bytes::new().raw(&octets6(1)).raw(&octets6(2)).u16(1000).u16(53).u8(3),
            FdKind::Inet { src: end(v6(1), 1000), dst: end(v6(2), 53), proto: L4Proto::Udp },
        ),
        (
            5,
            Bytes::new().raw(&[10, 0, 0, 1]).u16(22).u8(99),
            FdKind::InetServer { local: end(v4(1), 22), proto: L4Proto::Unknown },
        ),
        (
            6,
            Bytes::new().raw(&octets6(1)).u16(22).u8(5),
            FdKind::InetServer { local: end(v6(1), 22), proto: L4Proto::Raw },
        ),
        (
            8,
            Bytes::new().u64(11).u64(12).text("name"),
            FdKind::Unix { src: 11, dst: 12, name: b"name".to_vec() },
        ),
    ];
    for scap_type in [7, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21] {
        kinds.push((scap_type, name(), named(scap_type)));
    }
    kinds
}

#[test]
fn fd_lists_of_both_versions_with_every_kind() {
    let kinds = fd_kinds();
    let entry = |num: usize, scap_type: u8, payload: &Bytes| {
        Bytes::new().u64(num as u64).u64(7).u8(scap_type).raw(&payload.0)
    };
    let want: Vec<Fd> = kinds
        .iter()
        .enumerate()
        .map(|(num, (_, _, kind))| Fd { num: num as i64, ino: 7, kind: kind.clone() })
        .collect();
    for (block_type, sized) in [(0x203, false), (0x8001_ABCD, false), (0x218, true)] {
        let mut body = Bytes::new().u64(5);
        for (num, (scap_type, payload, _)) in kinds.iter().enumerate() {
            let entry = entry(num, *scap_type, payload);
            body = body.raw(&if sized { entry.sized() } else { entry }.0);
        }
        let snapshot = Blocks::new().block(block_type, body).snapshot();
        assert_eq!(snapshot.fds, [(5, want.clone())], "{block_type:#x}");
    }
}

#[test]
fn the_device_of_a_file_is_read_if_the_entry_has_it() {
    let without = Bytes::new().u64(3).u64(7).u8(16).u32(1).text("/etc/passwd");
    let with = without.clone().u32(77);
    let file = |dev| FdKind::File { name: b"/etc/passwd".to_vec(), open_flags: 1, dev };
    let list = |block_type, entry: Bytes| {
        let body = Bytes::new().u64(5).raw(&entry.0);
        Blocks::new().block(block_type, body).snapshot().fds.remove(0).1.remove(0).kind
    };
    assert_eq!(list(0x218, with.sized()), file(77));
    assert_eq!(list(0x218, without.clone().sized()), file(0));
    assert_eq!(list(0x203, without), file(0));
}

#[test]
fn fds_of_later_kinds_are_passed_over_by_their_length() {
    let unknown = Bytes::new().u64(3).u64(7).u8(200).raw(b"whatever it is").sized();
    let known = Bytes::new().u64(4).u64(8).u8(2).text("/").sized();
    let body = Bytes::new().u64(5).raw(&unknown.0).raw(&known.0);
    let fds = Blocks::new().block(0x218, body).snapshot().fds.remove(0).1;
    let name = b"unknown-type:[200]".to_vec();
    assert_eq!(fds[0].kind, FdKind::Named { scap_type: 10, name });
    assert_eq!(fds[1].kind, FdKind::Directory { name: b"/".to_vec() });
}

#[test]
fn interface_lists_of_both_versions() {
    let v4 = |kind: u16| {
        Bytes::new().u16(kind).u16(4).raw(&[10, 0, 0, 1, 255, 0, 0, 0, 10, 255, 255, 255])
    };
    let v6 = |kind: u16| Bytes::new().u16(kind).u16(2).raw(&[1; 16]).raw(&[255; 16]).raw(&[0; 16]);
    let entries = [
        v4(1).u64(1_000_000_000).raw(b"eth0"),
        v6(2).u64(9).raw(b"lo"),
        v4(3).raw(b"eth1"),
        v6(4).raw(b"l6"),
    ];
    let interface = |name: &str, v4: bool, linkspeed| Interface {
        name: name.as_bytes().to_vec(),
        addr: if v4 { [10, 0, 0, 1].into() } else { [1_u8; 16].into() },
        netmask: if v4 { [255, 0, 0, 0].into() } else { [255_u8; 16].into() },
        broadcast: if v4 { [10, 255, 255, 255].into() } else { [0_u8; 16].into() },
        linkspeed,
    };
    let want = [
        interface("eth0", true, 1_000_000_000),
        interface("lo", false, 9),
        interface("eth1", true, 0),
        interface("l6", false, 0),
    ];
    for (block_type, sized) in [(0x205, false), (0x8011_ABCD, false), (0x219, true)] {
        let mut body = Bytes::new();
        for entry in &entries {
            if sized {
                // This length does not count itself; something of a later version follows.
                body = body.u32(entry.0.len() as u32 + 5).raw(&entry.0).raw(b"later");
            } else {
                body = body.raw(&entry.0);
            }
        }
        let snapshot = Blocks::new().block(block_type, body).snapshot();
        assert_eq!(snapshot.interfaces, want, "{block_type:#x}");
    }
}

#[test]
fn user_lists_of_both_versions() {
    let user = Bytes::new().u8(0).u32(1000).u32(1001).text("alice").text("/home/alice").text("sh");
    let group = Bytes::new().u8(1).u32(27).text("sudo");
    let want = User {
        uid: 1000,
        gid: 1001,
        name: b"alice".to_vec(),
        home: b"/home/alice".to_vec(),
        shell: b"sh".to_vec(),
    };
    for (block_type, sized) in [(0x206, false), (0x8012_ABCD, false), (0x220, true)] {
        let entry =
            |entry: &Bytes| if sized { entry.clone().raw(b"later").sized() } else { entry.clone() };
        let body = Bytes::new().raw(&entry(&user).0).raw(&entry(&group).0);
        let snapshot = Blocks::new().block(block_type, body).snapshot();
        assert_eq!(snapshot.users, std::slice::from_ref(&want));
        assert_eq!(snapshot.groups, [Group { gid: 27, name: b"sudo".to_vec() }]);
    }
}

#[test]
fn repeated_lists_add_threads_and_replace_users() {
    let user = |uid| Bytes::new().u8(0).u32(uid).u32(0).text("u").text("").text("").sized();
    let snapshot = Blocks::new()
        .block(0x220, user(1))
        .block(0x215, process(5, 9).sized())
        .block(0x220, user(2))
        .block(0x215, process(6, 9).sized())
        .snapshot();
    assert_eq!(snapshot.users.iter().map(|u| u.uid).collect::<Vec<_>>(), [2]);
    assert_eq!(snapshot.threads.iter().map(|t| t.tid).collect::<Vec<_>>(), [5, 6]);
}

#[test]
fn text_ends_at_a_nul() {
    let entry = Bytes::new().u8(1).u32(27).text("sudo\0junk").sized();
    assert_eq!(Blocks::new().block(0x220, entry).snapshot().groups[0].name, b"sudo");
}

#[test]
fn blocks_of_later_formats_are_passed_over() {
    let snapshot = Blocks::new()
        .block(0x999, Bytes::new().raw(&[7; 1000]))
        .block(0x220, Bytes::new().u8(1).u32(27).text("sudo").sized())
        .block(0xFFFF_FFFF, Bytes::new())
        .snapshot();
    assert_eq!(snapshot.groups.len(), 1);
}

#[test]
fn section_headers_may_carry_options() {
    let body = Bytes::new().u32(0x1A2B_3C4D).u16(1).u16(9).u64(0).raw(b"a pcapng option");
    let capture = Blocks::default().block(0x0A0D_0D0A, body).any_event();
    assert_eq!(capture.read().ok().events.len(), 1);
}

#[track_caller]
fn assert_corrupt(error: SourceError, words: &str, at: u64) {
    let SourceError::Corrupt { name, what, offset } = &error else { panic!("{error:?}") };
    assert_eq!(name, "test.scap");
    assert!(what.contains(words), "{what:?} does not say {words:?}");
    assert_eq!(*offset, at, "{what}");
}

#[test]
fn section_headers_that_cannot_be_read() {
    let header = |magic, major| {
        let body = Bytes::new().u32(magic).u16(major).u16(0).u64(0);
        Blocks::default().block(0x0A0D_0D0A, body).refused()
    };
    assert_corrupt(header(0x4D3C_2B1A, 1), "big-endian", 8);
    assert_corrupt(header(0x1234_5678, 1), "wrong magic number 0x12345678", 8);
    assert_corrupt(header(0x1A2B_3C4D, 2), "version 2.0 is newer", 12);
    assert_corrupt(Blocks::default().refused(), "a section header is expected", 0);
    let pcap = CaptureBytes(b"\xd4\xc3\xb2\xa1 a pcap file, not a scap one".to_vec());
    assert_corrupt(pcap.refused(), "a section header is expected", 0);
    assert_corrupt(CaptureBytes(Vec::new()).refused(), "the capture is empty", 0);
    assert_corrupt(
        Blocks::new().block(0x0A0D_0D0A, Bytes::new()).refused(),
        "a section without events",
        28,
    );
    let no_events = CaptureBytes(Blocks::new().bytes).refused();
    assert_corrupt(no_events, "there are no events", 28);
}

struct CaptureBytes(Vec<u8>);

impl CaptureBytes {
    fn refused(self) -> SourceError {
        use falco_source::Source;
        falco_capture::CaptureReader::from_bytes("test.scap", self.0).start().unwrap_err()
    }
}

#[test]
fn entries_that_do_not_fit_are_named_with_their_place() {
    // The section header takes 28 bytes, a block header 8.
    let long = Bytes::new().u32(1000).raw(&[0; 20]);
    assert_corrupt(Blocks::new().block(0x215, long).refused(), "length 1000 does not fit", 36);
    let tiny = Bytes::new().u32(3).raw(&[0; 20]);
    assert_corrupt(Blocks::new().block(0x215, tiny).refused(), "length 3 does not fit", 36);
    let cut = Bytes(process(5, 9).0[..50].to_vec()).sized();
    assert_corrupt(Blocks::new().block(0x215, cut).refused(), "process entry", 36 + 52);
    let short = Bytes::new().u32(1);
    assert_corrupt(Blocks::new().block(0x201, short).refused(), "machine info", 40);
    let strange = Bytes::new().u16(9).u16(0).raw(&[0; 20]);
    assert_corrupt(Blocks::new().block(0x205, strange).refused(), "interface type 9", 40);
    let lying = Bytes::new().u32(4).u16(1).u16(0).raw(&[0; 20]);
    assert_corrupt(Blocks::new().block(0x219, lying).refused(), "its length says 4", 40);
}

#[test]
fn a_block_whose_two_lengths_differ_is_corrupt() {
    for block_type in [0x220, 0x999] {
        let mut capture = Blocks::new().block(block_type, Bytes::new().u32(4).u32(4));
        let end = capture.bytes.len();
        capture.bytes[end - 4] = 16;
        let SourceError::Corrupt { what, .. } = capture.refused() else { panic!() };
        assert!(what.contains("length") && what.contains("20"), "{what}");
    }
}
