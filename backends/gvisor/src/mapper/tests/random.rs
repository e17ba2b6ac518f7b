//! Whatever a sandbox sends: no panic, no growth, and events that can be read.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::message::decode;

/// A field of a message: number, and a small number or some bytes.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let number = |field: u8, value: u64| {
        let mut out = vec![field << 3];
        varint(&mut out, value);
        out
    };
    let bytes = |field: u8, bytes: Vec<u8>| {
        let mut out = vec![field << 3 | 2];
        varint(&mut out, bytes.len() as u64);
        out.extend(bytes);
        out
    };
    let value = prop_oneof![0..10_u64, any::<u64>(), Just(u64::from(u32::MAX))];
    let text = prop_oneof![
        vec(any::<u8>(), 0..30),
        Just(b"/etc/passwd".to_vec()),
        Just(b"pipe:[7]".to_vec()),
        Just(b"socket:[7]".to_vec()),
        Just(vec![2, 0, 0, 80, 10, 0, 0, 1]),
        vec(any::<u8>(), 5000..5001),
    ];
    prop_oneof![
        (3..16_u8, value).prop_map(move |(field, value)| number(field, value)),
        (2..16_u8, text).prop_map(move |(field, text)| bytes(field, text)),
        Just(vec![2 << 3 | 2, 0]),
        (0..200_i64)
            .prop_map(move |errno| bytes(2, Exit { result: 0, errorno: errno }.encode_to_vec())),
        (-5..100_i64).prop_map(move |result| bytes(2, Exit { result, errorno: 0 }.encode_to_vec())),
    ]
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

fn context() -> impl Strategy<Value = ContextData> {
    let ids = (-1..6_i32, 0..6_i32, 0..3_i64, 0..3_i64);
    let texts = (prop_oneof!["", "7ab", "[a-z]{3}"], prop_oneof!["", "/", "/[a-z]{1,3}"]);
    (ids, texts, proptest::option::of(0..3_u32), any::<bool>(), any::<i64>()).prop_map(
        |((tid, tgid, start, tgid_start), (id, cwd), uid, is_exec_session, time_ns)| ContextData {
            time_ns,
            thread_id: tid,
            thread_start_time_ns: start,
            thread_group_id: tgid,
            thread_group_start_time_ns: tgid_start,
            container_id: id.into(),
            credentials: uid.map(|uid| Credentials { effective_uid: uid, ..Default::default() }),
            cwd: cwd.into(),
            is_exec_session,
            ..ContextData::default()
        },
    )
}

fn message() -> impl Strategy<Value = (u16, Vec<u8>)> {
    (1..39_u16, context(), vec(field(), 0..8)).prop_map(|(kind, context, fields)| {
        let context = context.encode_to_vec();
        let mut out = vec![1 << 3 | 2];
        varint(&mut out, context.len() as u64);
        out.extend(context);
        out.extend(fields.concat());
        (kind, out)
    })
}

fn process() -> impl Strategy<Value = crate::runsc::Process> {
    (-1..8_i32, 0..8_i32, any::<String>(), any::<i64>()).prop_map(
        |(pid, ppid, text, started_ns)| {
            let fd = crate::runsc::process::Fd { number: pid, path: text.clone(), mode: 0o020_620 };
            crate::runsc::Process {
                pid,
                ppid,
                exe: text.clone(),
                args: vec![text.clone(); 3],
                cwd: text.clone(),
                root: text,
                started_ns,
                fds: vec![fd],
                ..Default::default()
            }
        },
    )
}

use prost::Message as _;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_messages_become_events_that_can_be_read(
        sent in vec((message(), proptest::option::weighted(0.05, vec(process(), 0..4))), 1..60)
    ) {
        let mut world = World::new();
        for ((kind, payload), dump) in sent {
            world.now += 1000;
            let Ok(Some(message)) = decode(kind, &payload) else { continue };
            let _ = world.mapper.is_unannounced(&message);
            world.mapper.message(&message, world.now, &mut world.events);
            if let Some(dump) = dump {
                world.mapper.processes(&dump, world.now, &mut world.events);
            }
            for told in world.taken() {
                prop_assert!(told.ts <= world.now && told.ts + MAX_LATE_NS >= BEGIN);
                prop_assert!(told.tid >= 0);
            }
            let tables = &world.mapper.tables;
            // Every thread has its process, every process its threads, and nothing else is kept.
            for (tid, thread) in &tables.threads {
                prop_assert!(tables.processes[&thread.pid].tids.contains(tid));
            }
            let members: usize = tables.processes.values().map(|process| process.tids.len()).sum();
            prop_assert_eq!(members, tables.threads.len());
            prop_assert!(tables.processes.values().all(|process| !process.tids.is_empty()));
        }
        prop_assert_eq!(world.mapper.stats().refused, 0);
        let now = world.now;
        world.mapper.close(now, &mut world.events);
        world.taken();
        prop_assert_eq!(world.mapper.thread_count(), 0);
        prop_assert!(world.mapper.tables.processes.is_empty());
        prop_assert_eq!(world.mapper.tables.meter.used(), 0);
    }
}

#[test]
fn a_sandbox_that_makes_everything_different_stays_small() {
    let mut world = World::started();
    world.context.credentials = None;
    for n in 2..30_000 {
        world.be(1, 1);
        world.context.container_id = Bytes::from(format!("container-{n}"));
        world.context.process_name = Bytes::from(format!("name-{n}"));
        world.context.cwd = Bytes::from(format!("/{n}"));
        world.fork(n);
        world.send(proto::ExecveInfo {
            binary_path: Bytes::from(vec![b'x'; 4000]),
            argv: vec![Bytes::from(format!("{n:04000}"))],
            ..Default::default()
        });
        let address = Bytes::from(vec![1; 110]);
        world.send(proto::Bind { sysno: 49, fd: n, address, exit: ok(0), ..Default::default() });
    }
    assert!(world.mapper.tables.meter.used() <= 4 << 20);
    assert!(world.mapper.tables.containers.len() <= 1024);
    assert!(world.mapper.asked.len() <= MAX_ASKED);
}
