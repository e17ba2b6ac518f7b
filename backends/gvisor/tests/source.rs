//! The source on a real receiver, with sandboxes that tests play.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use falco_event::EventCode;
use falco_gvisor::message::Message;
use falco_gvisor::proto::{Close, ContextData, Exit, Start, TaskExit};
use falco_gvisor::receiver::{Receiver, ReceiverOptions};
use falco_gvisor::replay::Sender;
use falco_gvisor::status::Status;
use falco_gvisor::wire::Header;
use falco_gvisor::{Gvisor, Options};
use falco_source::{Next, Source, Stats};

const SOON: Duration = Duration::from_secs(5);

struct Room {
    receiver: Receiver,
    socket: PathBuf,
    dir: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut ReceiverOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("gvisor.sock");
        let mut options = ReceiverOptions::new(&socket);
        change(&mut options);
        Room { receiver: Receiver::bind(&options).unwrap(), socket, dir }
    }

    /// Watches without a runsc that could be asked.
    fn watch(&self) -> Gvisor {
        let mut source = Gvisor::new(self.receiver.clone(), self.options());
        source.start().unwrap();
        source
    }

    fn options(&self) -> Options {
        Options {
            max_sandboxes: 16,
            roots: Some(vec![self.dir.path().join("no root")]),
            runsc: Some(self.dir.path().join("no runsc")),
            host_root: PathBuf::from("/"),
            syscalls: Vec::new(),
            attach: false,
            floor_ns: 0,
        }
    }

    fn connect(&self) -> Sender {
        Sender::connect(&self.socket).unwrap()
    }
}

/// A sandbox as runsc's files tell of it, with a runsc that is played: it prints a dump of processes
/// after a while, and fails at everything else.
struct Played<'a> {
    room: &'a Room,
    id: &'static str,
}

impl<'a> Played<'a> {
    fn new(room: &'a Room, id: &'static str, seconds: &str, dump: &str) -> Self {
        let dir = room.dir.path();
        let proc = dir.join("host/proc/4242");
        std::fs::create_dir_all(&proc).unwrap();
        std::fs::write(proc.join("cmdline"), format!("runsc-sandbox\0boot\0{id}\0")).unwrap();
        std::fs::create_dir(dir.join("root")).unwrap();
        let state = format!(r#"{{"id":"{id}","status":"running","sandbox":{{"pid":4242}}}}"#);
        std::fs::write(dir.join(format!("root/{id}_sandbox:{id}.state")), state).unwrap();
        std::fs::write(dir.join("dump"), dump).unwrap();
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *procfs*) sleep {seconds}; cat {}/dump;; *) exit 1;; esac\n",
            dir.display()
        );
        std::fs::write(dir.join("runsc"), script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.join("runsc"), mode).unwrap();
        Played { room, id }
    }

    fn watch(&self) -> Gvisor {
        let dir = self.room.dir.path();
        let options = Options {
            roots: Some(vec![dir.join("root")]),
            runsc: Some(dir.join("runsc")),
            host_root: dir.join("host"),
            ..self.room.options()
        };
        let mut source = Gvisor::new(self.room.receiver.clone(), options);
        source.set_notes(|note| eprintln!("{note}"));
        source.start().unwrap();
        source
    }

    fn connect(&self) -> Sender {
        let sandbox = self.room.connect();
        sandbox.send(&start(self.id)).unwrap();
        sandbox.send(&close(self.id, 1, 0)).unwrap();
        sandbox
    }
}

/// A process as `runsc trace procfs` prints it.
fn dumped(pid: i32, started_ns: u64, args: &str) -> String {
    format!(
        "PROCFS DUMP\n\n{{\"exe\":\"/bin/busybox\",\"args\":{args},\"env\":[],\"cwd\":\"/\",\"clone_ts\":{started_ns},\
         \"status\":{{\"comm\":\"sh\",\"pid\":{pid},\"ppid\":0}},\"stat\":{{\"pgid\":{pid},\"sid\":{pid}}}}}\n"
    )
}

/// One event, as far as tests look.
#[derive(Clone, Debug)]
struct Seen {
    ts: u64,
    tid: i64,
    code: EventCode,
    /// Whether rules see it.
    is_told: bool,
    /// Arguments, of executions.
    args: Vec<u8>,
}

/// Events until `enough` of them, or the end.
fn take(source: &mut Gvisor, enough: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
    let until = Instant::now() + SOON;
    let mut seen = Vec::new();
    while !enough(&seen) {
        match source.next().unwrap() {
            Next::Event(event) => {
                let args = event.param_named("args").unwrap_or_default().to_vec();
                let is_told = event.flags() & falco_event::raw::DUMP_STATE_ONLY == 0;
                let (ts, tid, code) = (event.ts(), event.tid(), event.code());
                seen.push(Seen { ts, tid, code, is_told, args });
            }
            Next::Idle => assert!(Instant::now() < until, "{seen:?}"),
            Next::End => break,
            Next::Snapshot(_) => panic!(),
        }
    }
    seen
}

fn all_closed(source: &mut Gvisor, count: usize) -> Vec<Seen> {
    take(source, |seen| closes(seen).count() >= count)
}

fn closes(seen: &[Seen]) -> impl Iterator<Item = &Seen> {
    seen.iter().filter(|event| event.code == EventCode::SYSCALL_CLOSE_X)
}

fn context(container: &str, tid: i32) -> Option<ContextData> {
    Some(ContextData {
        time_ns: now_ns() as i64,
        thread_id: tid,
        thread_group_id: tid,
        container_id: container.as_bytes().to_vec().into(),
        process_name: b"sh"[..].into(),
        ..ContextData::default()
    })
}

fn now_ns() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

fn record(message: &Message) -> Vec<u8> {
    Header { kind: message.kind(), dropped: 0 }.record(&message.encode())
}

fn start(container: &str) -> Vec<u8> {
    let id = container.as_bytes().to_vec().into();
    let context_data = context(container, 1);
    record(&Start { context_data, id, args: vec![b"sh"[..].into()], ..Start::default() }.into())
}

fn close(container: &str, tid: i32, fd: i64) -> Vec<u8> {
    let (context_data, exit) = (context(container, tid), Some(Exit::default()));
    record(&Close { context_data, exit, sysno: 3, fd, ..Close::default() }.into())
}

#[test]
fn a_container_from_start_to_end() {
    let room = Room::new();
    let mut source = room.watch();
    let mut lookup = source.lookup().unwrap();
    let sandbox = room.connect();
    sandbox.send(&start("00000ab111")).unwrap();
    sandbox.send(&close("00000ab111", 1, 3)).unwrap();
    let seen = all_closed(&mut source, 1);
    let codes: Vec<_> = seen.iter().map(|event| event.code).collect();
    assert!(codes.contains(&EventCode::SYSCALL_CLONE_20_X), "{codes:?}");
    assert!(codes.contains(&EventCode::SYSCALL_EXECVE_19_X), "{codes:?}");
    let tid = 0xab << 32 | 1;
    assert!(seen.iter().all(|event| event.tid == tid || event.tid == -1), "{seen:?}");
    assert!(lookup.is_alive(tid, tid));
    drop(sandbox);
    let ended = |seen: &[Seen]| seen.iter().any(|it| it.code == EventCode::PROCEXIT_1_E);
    take(&mut source, ended);
    assert!(!lookup.is_alive(tid, tid));
    assert!(source.sessions().is_empty());
}

#[test]
fn two_sandboxes_of_one_name_are_two() {
    let room = Room::new();
    let mut source = room.watch();
    let both = [room.connect(), room.connect()];
    for sandbox in &both {
        sandbox.send(&start("web")).unwrap();
        sandbox.send(&close("web", 1, 3)).unwrap();
    }
    let seen = all_closed(&mut source, 2);
    let mut tids: Vec<_> = closes(&seen).map(|event| event.tid).collect();
    tids.dedup();
    assert_eq!(tids.len(), 2);
    let sessions = source.sessions();
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|it| it.sandbox == "web" && it.containers == ["web"]));
    assert_ne!(sessions[0].number, sessions[1].number);
}

#[test]
fn what_cannot_be_read_is_counted() {
    let room = Room::new();
    let mut source = room.watch();
    let sandbox = room.connect();
    sandbox.send(&start("c")).unwrap();
    sandbox.send(&Header { kind: 999, dropped: 0 }.record(b"x")).unwrap();
    sandbox.send(&Header { kind: 8, dropped: 0 }.record(&[0xff; 9])).unwrap();
    sandbox.send(b"short").unwrap();
    let mut last = close("c", 1, 3);
    last[4..8].copy_from_slice(&7_u32.to_ne_bytes());
    sandbox.send(&last).unwrap();
    let seen = all_closed(&mut source, 1).len() as u64;
    let stats = source.stats();
    let expected = Stats {
        events: seen,
        seen: seen + 7,
        dropped_ring: 7,
        skipped_unknown: 1,
        invalid: 2,
        ..Stats::default()
    };
    assert_eq!(stats, expected);
    let session = source.sessions().remove(0);
    assert_eq!((session.messages, session.dropped), (2, 7));
    assert_eq!((session.unknown, session.invalid), (1, 2));
    drop(sandbox);
    take(&mut source, |seen| seen.iter().any(|it| it.code == EventCode::PROCEXIT_1_E));
    let after = source.stats();
    assert_eq!((after.skipped_unknown, after.invalid, after.dropped_ring), (1, 2, 7));
}

#[test]
fn an_unannounced_process_is_not_waited_for_where_nobody_can_be_asked() {
    let room = Room::new();
    let mut source = room.watch();
    let sandbox = room.connect();
    sandbox.send(&start("c")).unwrap();
    for tid in 2..20 {
        sandbox.send(&close("c", tid, 3)).unwrap();
    }
    let since = Instant::now();
    let seen = all_closed(&mut source, 18);
    // In order.
    assert!(closes(&seen).map(|event| event.tid & 0xffff).eq(2..20));
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

#[test]
fn a_hand_over_loses_and_doubles_nothing() {
    let room = Room::new();
    let mut first = room.watch();
    let sandbox = room.connect();
    sandbox.send(&start("c")).unwrap();
    let count = 2000;
    for fd in 0..count {
        sandbox.send(&close("c", 1, fd)).unwrap();
    }
    let mut told = closes(&all_closed(&mut first, 700)).count();
    // The next one is made while the first still watches, and has to wait for it.
    let mut second = room.watch();
    assert!(matches!(second.next().unwrap(), Next::Idle));
    first.hand_over(now_ns());
    told += closes(&take(&mut first, |_| false)).count();
    let latest = now_ns();
    drop(first);
    let rest = all_closed(&mut second, count as usize - told);
    assert_eq!(closes(&rest).count() + told, count as usize);
    assert!(rest.iter().all(|event| event.ts > latest), "rules would not see it");
    assert_eq!(second.sessions().len(), 1);
    sandbox.send(&close("c", 1, 1)).unwrap();
    all_closed(&mut second, 1);
}

#[test]
fn dropping_it_leaves_what_it_had_taken_to_the_next() {
    let room = Room::new();
    let sandbox = room.connect();
    sandbox.send(&start("c")).unwrap();
    for fd in 0..300 {
        sandbox.send(&close("c", 1, fd)).unwrap();
    }
    let mut first = room.watch();
    let told = closes(&all_closed(&mut first, 10)).count();
    drop(first);
    let mut second = room.watch();
    all_closed(&mut second, 300 - told);
}

#[test]
fn it_ends_when_told_to_and_tells_what_came_before() {
    let room = Room::new();
    let mut source = room.watch();
    let sandbox = room.connect();
    sandbox.send(&start("c")).unwrap();
    sandbox.send(&close("c", 1, 0)).unwrap();
    all_closed(&mut source, 1);
    for fd in 0..500 {
        sandbox.send(&close("c", 1, fd)).unwrap();
    }
    let exits = TaskExit { context_data: context("c", 1), exit_status: 0 };
    std::thread::sleep(Duration::from_millis(50));
    source.stop_capture();
    let seen = take(&mut source, |_| false);
    assert_eq!(closes(&seen).count(), 500);
    // The sandbox goes on, and nobody says that it ended.
    assert!(seen.iter().all(|event| event.code != EventCode::PROCEXIT_1_E));
    sandbox.send(&record(&exits.into())).unwrap();
    assert!(matches!(source.next().unwrap(), Next::End));
}

#[test]
fn a_sandbox_beyond_the_limit_is_counted_as_lost() {
    let room = Room::new();
    let mut source =
        Gvisor::new(room.receiver.clone(), Options { max_sandboxes: 1, ..room.options() });
    source.start().unwrap();
    let both = [room.connect(), room.connect()];
    for sandbox in &both {
        sandbox.send(&start("c")).unwrap();
        sandbox.send(&close("c", 1, 3)).unwrap();
    }
    all_closed(&mut source, 1);
    let until = Instant::now() + SOON;
    while source.stats().dropped() < 2 {
        let _ = source.next().unwrap();
        assert!(Instant::now() < until);
    }
    assert_eq!(source.sessions().len(), 1);
}

#[test]
fn a_clock_that_is_wrong_does_not_move_events() {
    let room = Room::new();
    let floor_ns = now_ns() + 1;
    let mut source = Gvisor::new(room.receiver.clone(), Options { floor_ns, ..room.options() });
    source.start().unwrap();
    let sandbox = room.connect();
    sandbox.send(&start("c")).unwrap();
    for time_ns in [i64::MIN, -1, 0, 1, i64::MAX] {
        let context_data = context("c", 1).map(|it| ContextData { time_ns, ..it });
        let exit = Some(Exit::default());
        sandbox
            .send(&record(&Close { context_data, exit, fd: 3, ..Close::default() }.into()))
            .unwrap();
    }
    let seen = all_closed(&mut source, 5);
    let now = now_ns();
    assert!(seen.iter().all(|event| (floor_ns..=now).contains(&event.ts)), "{seen:?}");
}

#[test]
fn other_processes_see_what_is_watched() {
    let room = Room::new();
    let mut source = room.watch();
    let sandbox = room.connect();
    sandbox.send(&start("c")).unwrap();
    sandbox.send(&close("c", 1, 3)).unwrap();
    all_closed(&mut source, 1);
    let until = Instant::now() + SOON;
    loop {
        let _ = source.next().unwrap();
        let status = Status::read(&room.socket).unwrap_or_default();
        if status.sessions.first().is_some_and(|it| it.messages == 2 && it.containers == ["c"]) {
            assert!(status.is_current());
            break;
        }
        assert!(Instant::now() < until, "{status:?}");
    }
    drop(source);
    assert!(Status::read(&room.socket).is_err());
}

#[test]
fn a_process_that_nobody_announced_is_asked_for_before_its_messages_are_told() {
    let room = Room::new();
    let later = now_ns() + 60_000_000_000;
    let played = Played::new(&room, "c0ffee", "0.7", &dumped(7, later, r#"["sh","-c","id"]"#));
    let mut source = played.watch();
    let sandbox = played.connect();
    all_closed(&mut source, 1);
    // What `runsc exec` began. Another sandbox has to wait for nothing.
    let since = Instant::now();
    sandbox.send(&close("c0ffee", 7, 1)).unwrap();
    sandbox.send(&close("c0ffee", 1, 2)).unwrap();
    let other = room.connect();
    other.send(&start("other")).unwrap();
    other.send(&close("other", 1, 3)).unwrap();
    let seen = all_closed(&mut source, 1);
    assert!(seen.iter().all(|event| event.tid >> 32 != 0xc0ffee), "{seen:?}");
    // The dump comes first, and then what was held, in order.
    let seen = all_closed(&mut source, 2);
    assert!(since.elapsed() >= Duration::from_millis(650), "{:?}", since.elapsed());
    let tids: Vec<_> = closes(&seen).map(|event| event.tid & 0xffff).collect();
    assert_eq!(tids, [7, 1]);
    let is_exec = |event: &Seen| event.code == EventCode::SYSCALL_EXECVE_19_X;
    let place = |of: &dyn Fn(&Seen) -> bool| seen.iter().position(of).unwrap();
    let exec = place(&|event| is_exec(event) && event.tid & 0xffff == 7);
    assert!(seen[exec].is_told);
    assert_eq!(seen[exec].args, b"-c\0id\0");
    assert!(exec < place(&|event| event.code == EventCode::SYSCALL_CLOSE_X));
}

#[test]
fn a_runsc_that_hangs_delays_messages_for_a_second_at_most() {
    let room = Room::new();
    let played = Played::new(&room, "c0ffee", "30", "");
    let mut source = played.watch();
    let sandbox = played.connect();
    all_closed(&mut source, 1);
    let since = Instant::now();
    sandbox.send(&close("c0ffee", 7, 1)).unwrap();
    let seen = all_closed(&mut source, 1);
    let waited = since.elapsed().as_millis();
    assert!((900..3000).contains(&waited), "{waited}");
    // What can be told of it without.
    let tells = |code| seen.iter().any(|event| event.code == code && event.tid & 0xffff == 7);
    assert!(tells(EventCode::SYSCALL_CLONE_20_X) && tells(EventCode::SYSCALL_EXECVE_19_X));
    // A stop does not wait for it either.
    let since = Instant::now();
    source.stop_capture();
    take(&mut source, |_| false);
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
}

#[test]
fn processes_without_end_do_not_stop_a_sandbox_for_long() {
    let room = Room::new();
    let played = Played::new(&room, "c0ffee", "0.05", "");
    let mut source = played.watch();
    let sandbox = played.connect();
    all_closed(&mut source, 1);
    let since = Instant::now();
    let count = 500;
    for tid in 10..10 + count {
        sandbox.send(&close("c0ffee", tid, 1)).unwrap();
    }
    all_closed(&mut source, count as usize);
    // Some dumps, and then no more for a while.
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
}
