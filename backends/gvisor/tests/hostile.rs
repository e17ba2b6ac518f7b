//! The real receiver on a temporary socket, and sandboxes that lie, flood and vanish: it neither
//! crashes nor grows, and others are served in time.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use falco_gvisor::receiver::{Connection, Consumer, Receiver, ReceiverOptions, Taken};
use falco_gvisor::replay::Sender;
use falco_gvisor::wire::{Handshake, Header, MAX_RECORD};

/// How long a good sandbox may have to wait for what it sent to be taken, whatever others do.
const IN_TIME: Duration = Duration::from_secs(1);

struct Room {
    receiver: Receiver,
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

fn room(change: impl FnOnce(&mut ReceiverOptions)) -> Room {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("gvisor.sock");
    let mut options = ReceiverOptions::new(&socket);
    change(&mut options);
    Room { receiver: Receiver::bind(&options).unwrap(), socket, _dir: dir }
}

fn record(kind: u16, payload: &[u8]) -> Vec<u8> {
    Header { kind, dropped: 0 }.record(payload)
}

/// What a consumer heard.
#[derive(Debug, Default)]
struct Heard {
    opened: Vec<Connection>,
    closed: Vec<(Connection, u64)>,
    records: Vec<(Connection, u16, Vec<u8>)>,
}

impl Heard {
    /// Takes until `enough`, at most `limit`; whether it was enough.
    fn take(
        &mut self,
        consumer: &Consumer,
        limit: Duration,
        enough: impl Fn(&Heard) -> bool,
    ) -> bool {
        let until = Instant::now() + limit;
        while !enough(self) {
            if Instant::now() > until {
                return false;
            }
            match consumer.take(Duration::from_millis(20)).unwrap() {
                Some(Taken::Opened { connection, .. }) => self.opened.push(connection),
                Some(Taken::Closed { connection, stats }) => {
                    self.closed.push((connection, stats.dropped));
                }
                Some(Taken::Records(mut batch)) => {
                    let connection = batch.connection();
                    while let Some(record) = batch.first() {
                        self.records.push((connection, record.kind, record.payload.to_vec()));
                        batch.advance();
                    }
                    consumer.recycle(batch);
                }
                None => {}
            }
        }
        true
    }

    fn has(&self, payload: &[u8]) -> bool {
        self.records.iter().any(|(_, _, found)| found == payload)
    }
}

/// A connection that is served now: what it sends is taken within [`IN_TIME`].
fn assert_serves(room: &Room, consumer: &Consumer, payload: &[u8]) {
    let since = Instant::now();
    let good = Sender::connect(&room.socket).unwrap();
    good.send(&record(7, payload)).unwrap();
    let mut heard = Heard::default();
    assert!(
        heard.take(consumer, IN_TIME, |heard| heard.has(payload)),
        "after {:?}",
        since.elapsed()
    );
    assert!(since.elapsed() < IN_TIME, "{:?}", since.elapsed());
}

#[test]
fn a_session_from_handshake_to_end() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    assert!(!consumer.is_successor());
    let sender = Sender::connect(&room.socket).unwrap();
    for i in 0..1000_u32 {
        sender.send(&record(9, &i.to_le_bytes())).unwrap();
    }
    drop(sender);
    let mut heard = Heard::default();
    assert!(heard.take(&consumer, IN_TIME, |heard| !heard.closed.is_empty()));
    let numbers = heard.records.iter().map(|(_, _, it)| it[..].try_into().unwrap());
    assert!(numbers.map(u32::from_le_bytes).eq(0..1000));
    assert_eq!(heard.opened.len(), 1);
    assert_eq!(room.receiver.stats().records.records, 1000);
}

#[test]
fn the_peer_is_who_connected() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    let _sender = Sender::connect(&room.socket).unwrap();
    let Some(Taken::Opened { peer, .. }) = consumer.take(IN_TIME).unwrap() else { panic!() };
    assert_eq!(peer.pid, std::process::id() as i32);
    assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
}

#[test]
fn handshakes_that_are_none_are_refused() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    let too_long = [&[8, 1][..], &[0x12, 0x80, 0x80, 0x01], &[b'x'; 1 << 14]].concat();
    for wrong in [&[8_u8, 0][..], &[0xff; 20], b"GET / HTTP/1.1\r\n\r\n", &too_long] {
        let sender = Sender::connect_only(&room.socket).unwrap();
        assert!(sender.shake_hands(wrong).is_err());
    }
    // Somebody who has a newer version, and knows more.
    let sender = Sender::connect_only(&room.socket).unwrap();
    assert_eq!(sender.shake_hands(&[8, 77, 0x12, 1, b'x']).unwrap(), Handshake::ours());
    // One that goes at once, as `runsc trace create` without --force.
    drop(Sender::connect_only(&room.socket).unwrap());
    assert_serves(&room, &consumer, b"good");
    let stats = room.receiver.stats();
    assert_eq!((stats.refused_handshake, stats.empty), (4, 1));
}

#[test]
fn one_that_never_shakes_hands_is_refused_in_time_and_delays_nobody() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    let silent = Sender::connect_only(&room.socket).unwrap();
    let since = Instant::now();
    assert_serves(&room, &consumer, b"good");
    while room.receiver.stats().refused_late == 0 {
        assert!(since.elapsed() < Duration::from_secs(7));
        thread::sleep(Duration::from_millis(20));
    }
    assert!(since.elapsed() >= Duration::from_millis(4900), "{:?}", since.elapsed());
    assert!(silent.send(&[8, 1]).is_err());
}

#[test]
fn garbage_is_counted_and_what_is_right_goes_on() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    let sender = Sender::connect(&room.socket).unwrap();
    let mut lies = record(1, b"x");
    lies[..2].copy_from_slice(&4000_u16.to_le_bytes());
    for garbage in [&b"1"[..], b"1234567", &[0; 8], &[0xff; 4096], &lies] {
        sender.send(garbage).unwrap();
    }
    sender.send(&record(0xffff, b"")).unwrap();
    sender.send(&record(3, b"fine")).unwrap();
    let mut heard = Heard::default();
    assert!(heard.take(&consumer, IN_TIME, |heard| heard.records.len() == 2));
    assert_eq!(heard.records[0].1, 0xffff);
    assert_eq!(heard.records[1].2, b"fine");
    let stats = room.receiver.connection_stats(heard.opened[0]).unwrap();
    assert_eq!((stats.garbled, stats.records), (5, 2));
}

#[test]
fn an_empty_record_ends_its_connection_alone() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    let sender = Sender::connect(&room.socket).unwrap();
    sender.send(&record(3, b"before")).unwrap();
    sender.send(b"").unwrap();
    let mut heard = Heard::default();
    assert!(heard.take(&consumer, IN_TIME, |heard| heard.closed.len() == 1));
    assert!(heard.has(b"before"));
    assert_serves(&room, &consumer, b"good");
}

#[test]
fn the_largest_records_arrive() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    let sender = Sender::connect(&room.socket).unwrap();
    // What fits into the socket's buffer at all.
    let most = 212_960 - 8;
    let mut heard = Heard::default();
    for round in 0..20 {
        sender.send(&record(round, &vec![round as u8; most])).unwrap();
        assert!(heard.take(&consumer, IN_TIME, |h| h.records.len() == usize::from(round) + 1));
    }
    assert!(heard.records.iter().all(|(_, kind, it)| *it == vec![*kind as u8; most]));
}

#[test]
fn a_record_that_is_too_long_is_counted() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    let sender = Sender::connect(&room.socket).unwrap();
    sender.set_buffer(4 * MAX_RECORD).unwrap();
    let sent = sender.try_send(&record(5, &vec![0; MAX_RECORD + 1]));
    if !matches!(sent, Ok(true)) {
        eprintln!("IGNORED: this system sends no record of {MAX_RECORD} bytes: {sent:?}");
        return;
    }
    sender.send(&record(5, b"next")).unwrap();
    let mut heard = Heard::default();
    assert!(heard.take(&consumer, IN_TIME, |heard| heard.has(b"next")));
    assert_eq!(heard.records.len(), 1);
    assert_eq!(room.receiver.connection_stats(heard.opened[0]).unwrap().too_long, 1);
}

#[test]
fn losses_that_jump_and_wrap_are_counted_as_they_are_told() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    let sender = Sender::connect(&room.socket).unwrap();
    // 5, then a jump, then around, then a step back, which is a lie.
    for dropped in [5, 5, 2_000_000_000, 4_000_000_000, 10, 9] {
        sender.send(&Header { kind: 1, dropped }.record(b"")).unwrap();
    }
    drop(sender);
    let mut heard = Heard::default();
    assert!(heard.take(&consumer, IN_TIME, |heard| !heard.closed.is_empty()));
    let wrapped = u64::from(u32::MAX) + 1 + 10;
    assert_eq!(heard.closed[0].1, wrapped);
    assert_eq!(room.receiver.stats().records.dropped, wrapped);
    assert_eq!(room.receiver.stats().records.garbled, 1);
}

#[test]
fn a_thousand_connections() {
    let room = room(|options| options.max_connections = 256);
    let consumer = room.receiver.consumer().unwrap();
    // Half of them say nothing, half shake hands and send some. All at once, as far as fds go.
    let mut open = Vec::new();
    for i in 0..1000_u32 {
        if i % 2 == 0 {
            open.push(Sender::connect_only(&room.socket).unwrap());
        } else if let Ok(sender) = Sender::connect(&room.socket) {
            let _ = sender.send(&record(1, &i.to_le_bytes()));
            open.push(sender);
        }
        if open.len() > 300 {
            open.drain(..100);
        }
        let mut heard = Heard::default();
        heard.take(&consumer, Duration::ZERO, |_| false);
    }
    let mut heard = Heard::default();
    heard.take(&consumer, Duration::from_millis(300), |_| false);
    let stats = room.receiver.stats();
    assert!(stats.connections <= 256, "{stats:?}");
    assert!(stats.refused_many > 0, "{stats:?}");
    // There is room again once they are gone.
    drop(open);
    heard.take(&consumer, Duration::from_millis(300), |_| false);
    assert_serves(&room, &consumer, b"good");
    drop(consumer);
    assert_eq!(room.receiver.stats().queued_bytes, 0);
}

#[test]
fn silent_ones_make_room_for_whoever_shakes_hands() {
    let room = room(|options| options.max_connections = 8);
    let consumer = room.receiver.consumer().unwrap();
    let silent: Vec<_> = (0..100).map(|_| Sender::connect_only(&room.socket).unwrap()).collect();
    assert_serves(&room, &consumer, b"good");
    drop(silent);
}

#[test]
fn many_that_nobody_consumes_stay_bounded() {
    let room = room(|options| options.max_connections = 16);
    for i in 0..200_u32 {
        let Ok(sender) = Sender::connect(&room.socket) else { continue };
        let _ = sender.send(&record(1, &i.to_le_bytes()));
    }
    // What has ended is not forgotten before it was told; more are refused instead.
    thread::sleep(Duration::from_millis(100));
    let stats = room.receiver.stats();
    assert!(stats.accepted <= 16 + stats.empty, "{stats:?}");
    let consumer = room.receiver.consumer().unwrap();
    let mut heard = Heard::default();
    heard.take(&consumer, Duration::from_millis(200), |_| false);
    assert_eq!(heard.closed.len(), heard.opened.len());
    assert_serves(&room, &consumer, b"good");
}

#[test]
fn sudden_ends_lose_nothing_that_was_sent() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    for i in 0..100_u32 {
        let sender = Sender::connect(&room.socket).unwrap();
        sender.send(&record(1, &i.to_le_bytes())).unwrap();
    }
    let mut heard = Heard::default();
    assert!(heard.take(&consumer, 2 * IN_TIME, |heard| heard.closed.len() == 100));
    assert_eq!(heard.records.len(), 100);
}

#[test]
fn one_that_ends_without_reading_our_handshake_loses_nothing_either() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    let sender = Sender::connect_only(&room.socket).unwrap();
    sender.send(&[8, 1]).unwrap();
    sender.send(&record(1, b"at once")).unwrap();
    let mut heard = Heard::default();
    assert!(heard.take(&consumer, IN_TIME, |heard| heard.has(b"at once")));
    consumer.hold(heard.opened[0], true);
    sender.send(&record(1, b"and last")).unwrap();
    drop(sender);
    consumer.hold(heard.opened[0], false);
    assert!(heard.take(&consumer, IN_TIME, |heard| !heard.closed.is_empty()));
    assert!(heard.has(b"and last"));
}

/// Sends as much as it can until told to stop, as a sandbox does that has lost its mind.
fn flood(socket: &Path, stop: &Arc<AtomicBool>) -> thread::JoinHandle<u64> {
    let (socket, stop) = (socket.to_owned(), Arc::clone(stop));
    thread::spawn(move || {
        let sender = Sender::connect(&socket).unwrap();
        let record = record(9, &[7; 60]);
        let mut sent = 0;
        while !stop.load(Ordering::Relaxed) {
            match sender.try_send(&record) {
                Ok(true) => sent += 1,
                Ok(false) => thread::yield_now(),
                Err(_) => break,
            }
        }
        sent
    })
}

#[test]
fn a_flood_delays_nobody_else() {
    let room = room(|options| options.queue_bytes = 8 << 20);
    let consumer = room.receiver.consumer().unwrap();
    let stop = Arc::<AtomicBool>::default();
    let floods = [flood(&room.socket, &stop), flood(&room.socket, &stop)];
    let good = Sender::connect(&room.socket).unwrap();
    let slowest = Arc::<AtomicU64>::default();
    let epoch = Instant::now();
    let sender = thread::spawn(move || {
        for _ in 0..40 {
            let now = epoch.elapsed().as_nanos() as u64;
            good.send(&record(7, &now.to_le_bytes())).unwrap();
            thread::sleep(Duration::from_millis(25));
        }
    });
    // A consumer that is slower than the flood: queues are full all the time.
    let mut good_ones = 0;
    let until = Instant::now() + Duration::from_secs(5);
    while good_ones < 40 && Instant::now() < until {
        if let Some(Taken::Records(mut batch)) = consumer.take(Duration::from_millis(20)).unwrap() {
            while let Some(record) = batch.first() {
                if record.kind == 7 {
                    let sent = u64::from_le_bytes(record.payload.try_into().unwrap());
                    let late = epoch.elapsed().as_nanos() as u64 - sent;
                    slowest.fetch_max(late, Ordering::Relaxed);
                    good_ones += 1;
                }
                batch.advance();
            }
            consumer.recycle(batch);
            thread::sleep(Duration::from_micros(500));
        }
    }
    stop.store(true, Ordering::Relaxed);
    sender.join().unwrap();
    let sent: u64 = floods.into_iter().map(|flood| flood.join().unwrap()).sum();
    let stats = room.receiver.stats();
    assert_eq!(good_ones, 40);
    assert!(sent > 10_000, "{sent}");
    let slowest = Duration::from_nanos(slowest.load(Ordering::Relaxed));
    assert!(slowest < IN_TIME, "{slowest:?}");
    assert!(stats.most_queued_bytes <= (8 << 20) + (64 << 10), "{stats:?}");
}

#[test]
fn a_consumer_that_stalls_costs_bounded_memory_and_loses_nothing_that_was_received() {
    const LIMIT: usize = 2 << 20;
    let room = room(|options| options.queue_bytes = LIMIT);
    let consumer = room.receiver.consumer().unwrap();
    let sender = Sender::connect(&room.socket).unwrap();
    let sent = Arc::<AtomicU64>::default();
    let stop = Arc::<AtomicBool>::default();
    let (count, until) = (Arc::clone(&sent), Arc::clone(&stop));
    let thread = thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            let number = count.load(Ordering::Relaxed);
            match sender.try_send(&record(9, &number.to_le_bytes())) {
                Ok(true) => count.store(number + 1, Ordering::Relaxed),
                Ok(false) => thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    });
    thread::sleep(Duration::from_secs(2));
    let stats = room.receiver.stats();
    let stalled = sent.load(Ordering::Relaxed);
    assert!(stats.queued_bytes <= LIMIT as u64, "{stats:?}");
    // One alone may have half of it.
    assert!(stats.queued_bytes >= LIMIT as u64 / 3, "{stats:?}");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(sent.load(Ordering::Relaxed), stalled, "the sandbox had to stop");
    // It goes on where it was, and the sandbox can send again.
    let mut heard = Heard::default();
    let enough = |heard: &Heard| heard.records.len() as u64 > stalled + 1000;
    assert!(heard.take(&consumer, 5 * IN_TIME, enough));
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    let all = sent.load(Ordering::Relaxed);
    assert!(heard.take(&consumer, 5 * IN_TIME, |heard| heard.records.len() as u64 == all));
    let numbers = heard.records.iter().map(|(_, _, it)| it[..].try_into().unwrap());
    assert!(numbers.map(u64::from_le_bytes).eq(0..all));
    let stats = room.receiver.stats();
    assert!(stats.most_queued_bytes <= LIMIT as u64 + (64 << 10), "{stats:?}");
}

#[test]
fn who_holds_back_one_hears_of_the_others() {
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    let held = Sender::connect(&room.socket).unwrap();
    let mut heard = Heard::default();
    assert!(heard.take(&consumer, IN_TIME, |heard| heard.opened.len() == 1));
    consumer.hold(heard.opened[0], true);
    held.send(&record(1, b"held")).unwrap();
    drop(held);
    assert_serves(&room, &consumer, b"good");
    assert!(!heard.take(&consumer, Duration::from_millis(100), |heard| heard.has(b"held")));
    consumer.hold(heard.opened[0], false);
    let closed = heard.opened[0];
    let is_over = |heard: &Heard| heard.closed.iter().any(|(it, _)| *it == closed);
    assert!(heard.take(&consumer, IN_TIME, is_over));
    assert!(heard.has(b"held"));
}

#[test]
fn another_consumer_goes_on_where_one_stopped() {
    let room = room(|_| {});
    let first = room.receiver.consumer().unwrap();
    assert!(room.receiver.consumer().is_none());
    let sender = Sender::connect(&room.socket).unwrap();
    for i in 0..100_u8 {
        sender.send(&record(1, &[i])).unwrap();
    }
    let mut batch = loop {
        match first.take(IN_TIME).unwrap().unwrap() {
            Taken::Records(batch) => break batch,
            Taken::Opened { connection, .. } => first.hold(connection, false),
            Taken::Closed { .. } => panic!(),
        }
    };
    batch.advance();
    let done = batch.first().map(|record| record.payload[0]).unwrap_or(1);
    first.put_back(batch);
    drop(first);
    let second = room.receiver.consumer().unwrap();
    assert!(second.is_successor());
    let mut heard = Heard::default();
    let rest = 100 - usize::from(done);
    assert!(heard.take(&second, IN_TIME, |heard| heard.records.len() == rest));
    assert_eq!(heard.opened.len(), 1);
    assert!(heard.records.iter().map(|(_, _, it)| it[0]).eq(done..100));
}

#[test]
fn what_ends_while_nobody_consumes_is_told_to_the_next() {
    let room = room(|_| {});
    let first = room.receiver.consumer().unwrap();
    let senders =
        [room.socket.clone(), room.socket.clone()].map(|it| Sender::connect(&it).unwrap());
    let mut heard = Heard::default();
    assert!(heard.take(&first, IN_TIME, |heard| heard.opened.len() == 2));
    // One ends before the first consumer does, who does not hear of it, and one after.
    let [one, another] = senders;
    drop(one);
    while room.receiver.stats().connections > 1 {
        thread::sleep(Duration::from_millis(1));
    }
    drop(first);
    drop(another);
    while room.receiver.stats().connections > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    let second = room.receiver.consumer().unwrap();
    let mut heard = Heard::default();
    assert!(heard.take(&second, IN_TIME, |heard| heard.closed.len() == 2));
    assert_eq!(heard.opened.len(), 2);
}

#[test]
fn without_file_descriptors_it_refuses_and_goes_on() {
    // The limit is this process's, so that the test is one of its own.
    const ALONE: &str = "FALCO_TEST_WITHOUT_FDS";
    if std::env::var_os(ALONE).is_none() {
        let name = "without_file_descriptors_it_refuses_and_goes_on";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--test-threads", "1"])
            .env(ALONE, "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let room = room(|_| {});
    let consumer = room.receiver.consumer().unwrap();
    // Whoever connects has to be able to: made before.
    let waiting: Vec<_> = (0..20).map(|_| Sender::unconnected().unwrap()).collect();
    let mut taken = Vec::new();
    let limit = rustix::process::Rlimit { current: Some(256), maximum: Some(256) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    for sender in &waiting {
        sender.connect_to(&room.socket).unwrap();
    }
    let until = Instant::now() + IN_TIME;
    while room.receiver.stats().refused_fds < 20 {
        assert!(Instant::now() < until, "{:?}", room.receiver.stats());
        thread::sleep(Duration::from_millis(5));
    }
    let busy = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    thread::sleep(Duration::from_millis(300));
    let later = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let spent = (later.tv_sec - busy.tv_sec) * 1_000_000_000 + later.tv_nsec - busy.tv_nsec;
    assert!(spent < 100_000_000, "it spins: {spent} ns");
    drop((taken, waiting));
    assert_serves(&room, &consumer, b"good");
}
