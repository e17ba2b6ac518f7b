//! What is written reads back equal, whatever it is.
#![allow(clippy::unwrap_used)] // a panic is the report

mod common;

use common::read;
use falco_capture::{CaptureReader, CaptureWriter, Compression, WriteError};
use falco_event::net::Endpoint;
use falco_event::raw::DUMP_STATE_ONLY;
use falco_event::{EventBuilder, EventCode, EventFlags, RawEvent};
use falco_source::Snapshot;
use falco_source::snapshot::{Fd, FdKind, Group, Interface, L4Proto, Machine, Thread, User};
use proptest::collection::vec;
use proptest::prelude::*;

/// Text as the format keeps it: without NUL, within the limit.
fn text(max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![9 => vec(1..=255_u8, 0..20), 1 => vec(1..=255_u8, max..=max)]
}

fn endpoint(v4: bool) -> BoxedStrategy<Endpoint> {
    let ip = if v4 {
        any::<std::net::Ipv4Addr>().prop_map(Into::into).boxed()
    } else {
        any::<std::net::Ipv6Addr>().prop_map(Into::into).boxed()
    };
    (ip, any::<u16>()).prop_map(|(ip, port)| Endpoint { ip, port }).boxed()
}

fn proto() -> impl Strategy<Value = L4Proto> {
    use L4Proto::{Icmp, Na, Raw, Tcp, Udp, Unknown};
    prop::sample::select(vec![Unknown, Na, Tcp, Udp, Icmp, Raw])
}

fn fd() -> impl Strategy<Value = Fd> {
    let kind =
        prop_oneof![
            (text(1023), any::<u32>(), any::<u32>())
                .prop_map(|(name, open_flags, dev)| FdKind::File { name, open_flags, dev }),
            text(1023).prop_map(|name| FdKind::Directory { name }),
            any::<bool>()
                .prop_flat_map(|v4| (endpoint(v4), endpoint(v4), proto()))
                .prop_map(|(src, dst, proto)| FdKind::Inet { src, dst, proto }),
            any::<bool>()
                .prop_flat_map(|v4| (endpoint(v4), proto()))
                .prop_map(|(local, proto)| FdKind::InetServer { local, proto }),
            (any::<u64>(), any::<u64>(), text(1023)).prop_map(|(src, dst, name)| FdKind::Unix {
                src,
                dst,
                name
            }),
            (
                prop::sample::select(vec![7_u8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 20, 21]),
                text(1023)
            )
                .prop_map(|(scap_type, name)| FdKind::Named { scap_type, name }),
        ];
    (any::<i64>(), any::<u64>(), kind).prop_map(|(num, ino, kind)| Fd { num, ino, kind })
}

fn thread() -> impl Strategy<Value = Thread> {
    let ids = any::<[i64; 8]>();
    let texts = (text(1024), text(1024), text(1024), text(1024), text(1024));
    let lists = (vec(any::<u8>(), 0..50), vec(any::<u8>(), 0..50), vec(any::<u8>(), 4096..=4096));
    let words = any::<[u32; 11]>();
    let longs = any::<[u64; 11]>();
    let flags = any::<[bool; 5]>();
    (ids, texts, lists, words, longs, flags).prop_map(
        |(ids, (comm, exe, exepath, cwd, root), (args, env, cgroups), words, longs, flags)| {
            Thread {
                tid: ids[0],
                pid: ids[1],
                ptid: ids[2],
                sid: ids[3],
                vpgid: ids[4],
                pgid: ids[5],
                vtid: ids[6],
                vpid: ids[7],
                comm,
                exe,
                exepath,
                args,
                env,
                cwd,
                root,
                cgroups,
                fdlimit: longs[0],
                flags: words[0],
                uid: words[1],
                gid: words[2],
                loginuid: words[3],
                tty: words[4],
                vmsize_kb: words[5],
                vmrss_kb: words[6],
                vmswap_kb: words[7],
                pfmajor: longs[1],
                pfminor: longs[2],
                pidns_init_start_ts: longs[3],
                exe_writable: flags[0],
                exe_upper_layer: flags[1],
                exe_lower_layer: flags[2],
                exe_from_memfd: flags[3],
                cap_inheritable: longs[4],
                cap_permitted: longs[5],
                cap_effective: longs[6],
                exe_ino: longs[7],
                exe_ino_ctime: longs[8],
                exe_ino_mtime: longs[9],
                clone_ts: longs[10],
                ruid_suid: flags[4].then_some((words[9], words[10])),
            }
        },
    )
}

fn interface() -> impl Strategy<Value = Interface> {
    let addresses = any::<bool>().prop_flat_map(|v4| vec(endpoint(v4), 3));
    (text(1023), addresses, any::<u64>()).prop_map(|(name, addresses, linkspeed)| Interface {
        name,
        addr: addresses[0].ip,
        netmask: addresses[1].ip,
        broadcast: addresses[2].ip,
        linkspeed,
    })
}

fn user() -> impl Strategy<Value = User> {
    (any::<u32>(), any::<u32>(), text(255), text(255), text(255))
        .prop_map(|(uid, gid, name, home, shell)| User { uid, gid, name, home, shell })
}

fn machine() -> impl Strategy<Value = Machine> {
    (any::<u32>(), any::<[u64; 4]>(), text(127)).prop_map(|(cpus, n, hostname)| Machine {
        cpus,
        memory: n[0],
        max_pid: n[1],
        hostname,
        boot_ts: n[2],
        flags: n[3],
    })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    (
        (any::<bool>(), prop::option::of(machine())),
        vec(interface(), 0..4),
        vec(user(), 0..4),
        vec((any::<u32>(), text(255)).prop_map(|(gid, name)| Group { gid, name }), 0..4),
        vec(thread(), 0..4),
        vec((any::<i64>(), vec(fd(), 0..8)), 0..4),
    )
        .prop_map(|((is_live, machine), interfaces, users, groups, threads, fds)| Snapshot {
            is_live,
            machine,
            interfaces,
            users,
            groups,
            threads,
            fds,
        })
}

/// An event that the reader does not convert.
#[derive(Clone, Debug)]
struct Event {
    code: EventCode,
    ts: u64,
    tid: i64,
    params: Vec<Vec<u8>>,
    cpu: u16,
    flags: u32,
}

impl Event {
    fn build<'a>(&self, builder: &'a mut EventBuilder) -> RawEvent<'a> {
        builder.start(self.ts, self.tid, self.code);
        for param in &self.params {
            builder.bytes(param);
        }
        builder.finish(self.cpu, self.flags).unwrap()
    }
}

fn event() -> impl Strategy<Value = Event> {
    let never = EventFlags::UNUSED.union(EventFlags::OLD);
    let converted = |code: &EventCode| code.is_enter() && code.has(EventFlags::CONV);
    let codes = EventCode::all().filter(|code| !code.has(never)).filter(|code| !converted(code));
    let codes: Vec<EventCode> = codes.collect();
    prop::sample::select(codes).prop_flat_map(|code| {
        let n = code.info().params.len();
        let long = if code.has(EventFlags::LARGE) { 200_000 } else { 1500 };
        let param = prop_oneof![
            6 => vec(any::<u8>(), 0..16),
            1 => any::<u8>().prop_map(move |byte| vec![byte; long]),
        ];
        let flags = prop::sample::select(vec![0, 0, 0, DUMP_STATE_ONLY, 0x8000_0000]);
        (any::<u64>(), any::<i64>(), vec(param, n), any::<u16>(), flags).prop_map(
            move |(ts, tid, params, cpu, flags)| Event { code, ts, tid, params, cpu, flags },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn writing_and_reading_is_the_identity(
        sections in vec((snapshot(), vec(event(), 1..20)), 1..3),
        compress in any::<bool>(),
    ) {
        let compression = if compress { Compression::Gzip } else { Compression::None };
        let mut writer = CaptureWriter::new(Vec::new(), compression);
        let mut builder = EventBuilder::new();
        for (snapshot, events) in &sections {
            writer.snapshot(snapshot).unwrap();
            for event in events {
                writer.event(&event.build(&mut builder)).unwrap();
            }
        }
        let capture = CaptureReader::from_bytes("generated", writer.finish().unwrap());
        let again = read(capture).ok();
        let snapshots: Vec<Snapshot> = sections.iter().map(|(s, _)| s.clone()).collect();
        prop_assert_eq!(again.snapshots, snapshots);
        let events: Vec<&Event> = sections.iter().flat_map(|(_, events)| events).collect();
        prop_assert_eq!(again.events.len(), events.len());
        for (given, event) in again.events.iter().zip(events) {
            let built = event.build(&mut builder);
            prop_assert_eq!(&given.bytes, built.bytes());
            prop_assert_eq!((given.cpu, given.flags), (event.cpu, event.flags));
        }
    }

    #[test]
    fn reading_garbage_ends_without_a_panic(
        bytes in vec(any::<u8>(), 0..2000),
        behind_a_header in any::<bool>(),
    ) {
        let mut capture = if behind_a_header { common::Blocks::new().bytes } else { Vec::new() };
        capture.extend(bytes);
        prop_assert!(read(CaptureReader::from_bytes("garbage", capture)).error.is_some());
    }
}

#[test]
fn text_beyond_the_limits_of_readers_is_cut() {
    let long = vec![b'x'; 70_000];
    let thread = Thread { comm: long.clone(), args: long.clone(), ..Thread::default() };
    let file = FdKind::File { name: long.clone(), open_flags: 1, dev: 2 };
    let snapshot = Snapshot {
        threads: vec![thread],
        fds: vec![(1, vec![Fd { num: 3, ino: 4, kind: file }])],
        groups: vec![Group { gid: 1, name: long }],
        ..Snapshot::default()
    };
    let mut writer = CaptureWriter::new(Vec::new(), Compression::None);
    writer.snapshot(&snapshot).unwrap();
    let mut builder = EventBuilder::new();
    let event = builder.start(1, 1, EventCode::SYSCALL_CLOSE_X).i64(0).i64(3).finish(0, 0);
    writer.event(&event.unwrap()).unwrap();
    let bytes = writer.finish().unwrap();
    let again = read(CaptureReader::from_bytes("long", bytes)).ok();
    let snapshot = &again.snapshots[0];
    assert_eq!((snapshot.threads[0].comm.len(), snapshot.threads[0].args.len()), (1024, 4096));
    let FdKind::File { name, open_flags: 1, dev: 2 } = &snapshot.fds[0].1[0].kind else { panic!() };
    assert_eq!(name.len(), 1023);
    assert_eq!(snapshot.groups[0].name.len(), 255);
}

#[test]
fn events_that_no_reader_takes_are_refused() {
    let mut writer = CaptureWriter::new(Vec::new(), Compression::None);
    let mut builder = EventBuilder::new();
    let long = vec![0; 60_000];
    builder.start(1, 1, EventCode::SYSCALL_CLOSE_X).bytes(&long).bytes(&long);
    let error = writer.event(&builder.finish(0, 0).unwrap()).unwrap_err();
    assert!(matches!(error, WriteError::EventTooLong { len: 120_030, .. }), "{error}");

    // The longest that fits is read again, with flags and without.
    let fits = 65_536 - 13 - 26 - 4;
    for flags in [0, DUMP_STATE_ONLY] {
        let mut writer = CaptureWriter::new(Vec::new(), Compression::None);
        writer.snapshot(&Snapshot::default()).unwrap();
        let data = vec![7; fits];
        builder.start(1, 1, EventCode::SYSCALL_CLOSE_X).bytes(&data).empty();
        writer.event(&builder.finish(0, flags).unwrap()).unwrap();
        let bytes = writer.finish().unwrap();
        assert_eq!(read(CaptureReader::from_bytes("fits", bytes)).ok().events.len(), 1);
        builder.bytes(b"");
        builder.start(1, 1, EventCode::SYSCALL_CLOSE_X).bytes(&data).bytes(b"x");
        let mut writer = CaptureWriter::new(Vec::new(), Compression::None);
        assert!(writer.event(&builder.finish(0, flags).unwrap()).is_err());
    }

    builder.start(1, 1, EventCode::SYSCALL_CLOSE_X).i64(0);
    let bytes = builder.finish(0, 0).unwrap().bytes().to_vec();
    let wide = RawEvent::parse_as(&bytes, 0, 0, true);
    if let Ok(wide) = wide {
        assert!(matches!(writer.event(&wide), Err(WriteError::WrongWidth(5))));
    }
}

#[test]
fn many_threads_are_split_over_blocks_that_readers_put_together() {
    let threads: Vec<Thread> = (0..5000).map(|tid| Thread { tid, ..Thread::default() }).collect();
    let snapshot = Snapshot { threads, ..Snapshot::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.scap");
    let mut writer = CaptureWriter::create(&path, Compression::Gzip).unwrap();
    writer.snapshot(&snapshot).unwrap();
    let mut builder = EventBuilder::new();
    builder.start(1, 1, EventCode::SYSCALL_CLOSE_X).i64(0).i64(3);
    writer.event(&builder.finish(0, 0).unwrap()).unwrap();
    writer.finish().unwrap();
    let again = read(CaptureReader::open(&path).unwrap()).ok();
    assert_eq!(again.snapshots, [snapshot]);
}
