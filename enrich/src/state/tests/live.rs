//! What only live sources need: asking the host, purging, ids and capabilities that follow the
//! kernel, accounts of containers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use falco_event::EventCode as E;
use falco_source::ThreadLookup;
use falco_source::lookup::Found;
use falco_source::snapshot::{Fd, FdKind, Snapshot, Thread};

use super::{Clone as CloneEvent, Exec, World};
use crate::state::{Limits, Purging, State};
use crate::thread::flags;

const SECOND: u64 = 1_000_000_000;

/// A host that tells what it is told, and counts what it is asked.
#[derive(Clone, Default)]
pub(super) struct FakeHost(Arc<Mutex<Known>>);

#[derive(Default)]
pub(super) struct Known {
    pub(super) threads: BTreeMap<i64, Found>,
    pub(super) asked: Vec<i64>,
    questions: usize,
}

impl FakeHost {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    /// A process with a file at fd 3.
    pub(super) fn add(&self, tid: i64, pid: i64, ptid: i64) {
        let comm = format!("h{tid}");
        let thread = Thread {
            tid,
            pid,
            ptid,
            vtid: tid,
            vpid: pid,
            comm: comm.clone().into(),
            exe: comm.into(),
            cwd: b"/srv".to_vec(),
            flags: if tid == pid { 0 } else { flags::CLONE_THREAD | flags::CLONE_FILES },
            clone_ts: 5,
            ..Thread::default()
        };
        let fds = if tid == pid { vec![file(3, "/three")] } else { Vec::new() };
        self.known().threads.insert(tid, Found { thread, fds });
    }

    fn asked(&self) -> Vec<i64> {
        std::mem::take(&mut self.known().asked)
    }
}

impl ThreadLookup for FakeHost {
    fn thread(&mut self, tid: i64) -> Option<Found> {
        self.known().asked.push(tid);
        self.known().threads.get(&tid).cloned()
    }

    fn is_alive(&mut self, pid: i64, tid: i64) -> bool {
        self.known().questions += 1;
        self.known().threads.get(&tid).is_some_and(|found| found.thread.pid == pid)
    }

    fn fd(&mut self, pid: i64, num: i64) -> Option<Fd> {
        self.known().asked.push(num);
        let found = self.known().threads.get(&pid).cloned()?;
        found.fds.into_iter().find(|fd| fd.num == num)
    }
}

fn file(num: i64, name: &str) -> Fd {
    Fd { num, ino: 1, kind: FdKind::File { name: name.into(), open_flags: 1, dev: 7 } }
}

/// The world of the other stories, on a host that can be asked.
fn world() -> (World, FakeHost) {
    let (mut world, host) = (World::new(), FakeHost::default());
    world.state.set_live(true);
    world.state.set_lookup(Box::new(host.clone()));
    host.add(1, 1, 0);
    host.add(10, 10, 1);
    (world, host)
}

fn read(w: &mut World, tid: i64, fd: i64) {
    w.event(tid, E::SYSCALL_READ_X, |b| {
        b.i64(0).bytes(b"").i64(fd).u32(0);
    });
}

#[test]
fn an_unknown_thread_is_asked_about_with_its_relatives() {
    let (mut w, host) = world();
    host.add(20, 20, 10);
    host.add(30, 30, 20);
    host.add(31, 30, 20);
    read(&mut w, 31, 3);
    assert_eq!(w.event_fd_name().as_deref(), Some("/three"));
    assert_eq!((w.cwd(31), w.thread(31).ptid), ("/srv/".into(), 20));
    assert_eq!((w.thread(30).ptid, w.thread(20).ptid), (20, 10));
    assert_eq!(w.state.nthreads(w.thread(31)), 2);
    let ancestors: Vec<_> = w.state.ancestors(w.thread(31)).map(|t| t.tid).collect();
    assert_eq!(ancestors, [20, 10, 1]);
    assert_eq!(host.asked(), [31, 30, 20]);
    read(&mut w, 30, 3);
    assert!(host.asked().is_empty());
    assert_eq!(w.state.stats().n_host_lookups_found, 3);
}

#[test]
fn births_and_exits_are_not_asked_about() {
    let (mut w, host) = world();
    host.add(50, 50, 10);
    w.clone(50, 0, CloneEvent { tid: 50, pid: 50, ptid: 10, ..CloneEvent::default() });
    w.exit(60, 0);
    w.pause();
    assert!(host.asked().is_empty() && w.get(60).is_none());
    assert_eq!(*w.thread(50).record.comm, *b"sh");
    // An unknown parent is.
    host.add(70, 70, 1);
    w.clone(71, 0, CloneEvent { tid: 71, pid: 71, ptid: 70, ..CloneEvent::default() });
    assert_eq!(host.asked(), [70]);
    assert_eq!(w.fd_name(71, 3).as_deref(), Some("/three"));
}

#[test]
fn who_is_not_found_is_left_alone_for_a_while() {
    let (mut w, host) = world();
    for _ in 0..100 {
        read(&mut w, 40, 3);
    }
    assert_eq!(host.asked(), [40]);
    assert!(w.thread(40).is_placeholder());
    assert_eq!(w.state.stats().n_host_lookups_failed, 1);
    host.add(40, 40, 10);
    w.ts += 9 * SECOND;
    read(&mut w, 40, 3);
    assert!(host.asked().is_empty());
    w.ts += SECOND;
    read(&mut w, 40, 3);
    assert_eq!((host.asked(), w.thread(40).pid), (vec![40], 40));
    assert_eq!(w.event_fd_name().as_deref(), Some("/three"));
}

#[test]
fn a_flood_of_unknown_threads_is_asked_about_in_part() {
    let (mut w, host) = world();
    for tid in 1000..6000 {
        w.builder.start(w.ts, tid, E::GENERIC_X).u16(1).u16(1);
        let event = w.builder.finish(0, 0).unwrap();
        w.state.process(&event);
    }
    let stats = w.state.stats();
    let asked = host.asked().len() as u64;
    assert!((500..5000).contains(&asked), "{asked}");
    assert_eq!(stats.n_host_lookups_failed, asked);
    assert_eq!(stats.n_host_lookups_refused, 5000 - asked);
}

#[test]
fn answers_about_others_and_circles_are_borne() {
    let (mut w, host) = world();
    host.add(80, 80, 81);
    host.add(81, 81, 80);
    read(&mut w, 80, 3);
    assert_eq!(w.event_fd_name().as_deref(), Some("/three"));
    let mut wrong = host.known().threads[&81].clone();
    wrong.thread.tid = 5;
    host.known().threads.insert(90, wrong);
    read(&mut w, 90, 3);
    assert!(w.thread(90).is_placeholder() && w.get(5).is_none());
    // Ever further parents end.
    for tid in 200..300 {
        host.add(tid, tid, tid + 1);
    }
    host.asked();
    read(&mut w, 200, 3);
    assert!(host.asked().len() < 12);
    w.state.threads.check();
}

#[test]
fn a_full_table_asks_and_refuses() {
    let host = FakeHost::default();
    let mut w = World::new();
    w.state = State::new(Limits { max_threads: 2, ..Limits::default() });
    w.state.set_lookup(Box::new(host.clone()));
    for tid in 20..30 {
        host.add(tid, tid, tid - 1);
        read(&mut w, tid, 3);
    }
    assert_eq!(w.state.threads().count(), 2);
    assert!(w.state.stats().n_drops_full_threadtable >= 8);
}

#[test]
fn threads_whose_exit_was_lost_go_once_they_have_been_silent() {
    let (mut w, host) = world();
    w.fork(10, 20);
    w.fork(20, 21);
    w.thread_of(20, 22);
    host.add(21, 21, 20);
    let start = w.ts;
    let mut now = start;
    let mut round = |w: &mut World, until: u64| {
        while now < until {
            now = w.state.purge(now).min(until);
            w.state.threads.check();
        }
    };
    // In the first round everyone has been heard of late.
    round(&mut w, start + 100 * SECOND);
    assert_eq!(host.known().questions, 0);
    w.ts = start + 299 * SECOND;
    w.pause();
    round(&mut w, start + 400 * SECOND);
    let tids = |w: &World| {
        let mut tids: Vec<_> = w.state.threads().map(|t| t.tid).collect();
        tids.sort_unstable();
        tids
    };
    // 20 and its thread are gone; 21 lives, 10 and 1 do, too.
    assert_eq!(tids(&w), [1, 10, 21]);
    assert_eq!((w.thread(21).ptid, w.state.stats().n_purged_threads), (1, 2));
    // Silent ones are asked about in each round, but once.
    let asked = std::mem::take(&mut host.known().questions);
    round(&mut w, start + 600 * SECOND);
    assert_eq!(asked, 4, "10, 20, 21 and 22");
    assert_eq!(host.known().questions, 0);
}

#[test]
fn without_a_host_nothing_is_purged() {
    let mut w = World::new();
    assert_eq!(w.state.purge(u64::MAX - 5), u64::MAX);
    assert_eq!(w.state.threads().count(), 2);
}

#[test]
fn a_large_table_is_purged_in_pieces() {
    let (mut w, _host) = world();
    let thread = |tid| Thread { tid, pid: tid, ptid: 1, ..Thread::default() };
    let threads: Vec<_> = (1..5000).map(thread).collect();
    w.state.restore(&Snapshot { threads, ..Snapshot::default() });
    w.state.set_purging(Purging { interval_ns: SECOND, thread_timeout_ns: SECOND });
    let mut now = w.state.purge(w.ts);
    let mut steps = 0;
    while w.state.threads().count() > 2 {
        let before = w.state.threads().count();
        now = w.state.purge(now);
        steps += 1;
        assert!(before - w.state.threads().count() <= 32, "a pause");
        assert!(steps < 1000);
    }
    assert!(steps > 100);
}

#[test]
fn a_reused_id_is_another_thread() {
    let (mut w, _host) = world();
    w.fork(10, 20);
    w.thread_of(20, 21);
    w.fork(20, 22);
    // The exits of 20 and 21 are lost, and an hour later 20 is another process.
    w.ts += 3600 * SECOND;
    let child = CloneEvent { tid: 20, pid: 20, ptid: 1, comm: "new", ..CloneEvent::default() };
    w.clone(20, 0, child);
    assert_eq!((&*w.thread(20).record.comm, w.thread(20).ptid), (&b"new"[..], 1));
    assert_eq!(w.state.nthreads(w.thread(20)), 1);
    assert!(w.get(21).is_none());
    assert_eq!(w.thread(22).ptid, 1, "init has it, not who came later");
    // The same if only the caller tells of it.
    w.ts += 3600 * SECOND;
    w.clone(10, 20, CloneEvent { tid: 10, pid: 10, comm: "newer", ..CloneEvent::default() });
    assert_eq!((&*w.thread(20).record.comm, w.thread(20).ptid), (&b"newer"[..], 10));
}

#[test]
fn a_caller_that_was_stopped_does_not_make_its_child_anew() {
    let (mut w, _host) = world();
    w.clone(20, 0, CloneEvent { tid: 20, pid: 20, ptid: 10, ..CloneEvent::default() });
    w.exec(Exec { tid: 20, ptid: 10, exe: "cat", ..Exec::default() });
    w.ts += 60 * SECOND;
    w.clone(10, 20, CloneEvent { tid: 10, pid: 10, ..CloneEvent::default() });
    assert_eq!(*w.thread(20).record.comm, *b"cat");
}

#[test]
fn a_thread_that_the_host_told_of_is_not_made_anew_by_its_birth() {
    let (mut w, host) = world();
    host.add(20, 20, 10);
    // /proc tells times to 10 ms, and by another clock.
    host.known().threads.get_mut(&20).unwrap().thread.clone_ts = w.ts + 20_000_000;
    read(&mut w, 20, 3);
    w.clone(20, 0, CloneEvent { tid: 20, pid: 20, ptid: 10, ..CloneEvent::default() });
    w.clone(10, 20, CloneEvent { tid: 10, pid: 10, ..CloneEvent::default() });
    assert_eq!(*w.thread(20).record.comm, *b"h20");
}

#[test]
fn who_exits_unknown_is_not_born_later() {
    let (mut w, _host) = world();
    w.exit(20, 0);
    w.clone(10, 20, CloneEvent { tid: 10, pid: 10, ..CloneEvent::default() });
    w.pause();
    assert!(w.get(20).is_none());
}

#[test]
fn exec_tells_of_a_parent_that_took_over() {
    let (mut w, _host) = world();
    w.fork(10, 20);
    w.fork(20, 21);
    // The exit of 20 is lost.
    w.exec(Exec { tid: 21, ptid: 1, ..Exec::default() });
    assert_eq!(w.thread(21).ptid, 1);
    w.exec(Exec { tid: 21, ptid: 999, ..Exec::default() });
    assert_eq!(w.thread(21).ptid, 1, "of 999 nothing is known");
}

#[test]
fn exec_of_an_unknown_thread_is_seen_with_its_fds() {
    let (mut w, host) = world();
    host.add(20, 20, 10);
    w.exec(Exec { tid: 20, ptid: 10, exe: "cat", ..Exec::default() });
    assert_eq!(*w.thread(20).record.comm, *b"cat");
    assert_eq!((w.cwd(20), w.fd_name(20, 3)), ("/srv/".into(), Some("/three".into())));
}

#[test]
fn fds_that_come_over_a_socket_are_asked_about() {
    let (mut w, host) = world();
    host.known().threads.get_mut(&10).unwrap().fds.push(file(7, "/etc/shadow"));
    w.event(10, E::SOCKET_SOCKET_X, |b| {
        b.i64(4).u32(1).u32(1).u32(0);
    });
    let mut control = 24_u64.to_le_bytes().to_vec();
    for word in [1_u32, 1, 7, 8] {
        control.extend(word.to_le_bytes());
    }
    let receive = |w: &mut World, fd: i64, res: i64| {
        w.event(10, E::SOCKET_RECVMSG_X, |b| {
            b.i64(res).u32(1).bytes(b"x").bytes(b"").bytes(&control).i64(fd);
        });
    };
    receive(&mut w, 0, 1);
    receive(&mut w, 4, -11);
    assert!(host.asked().is_empty(), "a terminal and a failure bring nothing");
    receive(&mut w, 4, 1);
    assert_eq!(host.asked(), [7, 8]);
    assert_eq!(w.fd_name(10, 7).as_deref(), Some("/etc/shadow"));
    assert_eq!((w.fd(10, 8).is_none(), w.last.unwrap().fd_num), (true, Some(4)));
    w.event(10, E::SOCKET_RECVMMSG_X, |b| {
        b.i64(1).i64(4).u32(1).bytes(b"x").bytes(b"").bytes(&control);
    });
    assert_eq!(host.asked(), [7, 8]);
}

/// Effective user, permitted and effective capabilities of thread 10.
fn credentials(w: &World) -> (u32, u64, u64) {
    let record = &w.thread(10).record;
    (record.uid, record.cap_permitted, record.cap_effective)
}

/// A shell that is root gives that up, as the events of three calls tell it.
fn become_nobody(w: &mut World) {
    let all = (1 << 41) - 1;
    w.event(10, E::SYSCALL_CAPSET_X, |b| {
        b.i64(0).u64(0).u64(all).u64(all);
    });
    w.event(10, E::SYSCALL_SETRESUID_X, |b| {
        b.i64(0).u32(u32::MAX).u32(65534).u32(u32::MAX);
    });
}

#[test]
fn capabilities_follow_user_ids_only_live() {
    let all = (1 << 41) - 1;
    let mut replayed = World::new();
    become_nobody(&mut replayed);
    assert_eq!(credentials(&replayed), (65534, all, all));

    let (mut w, _host) = world();
    become_nobody(&mut w);
    assert_eq!(credentials(&w), (65534, all, 0));
    w.event(10, E::SYSCALL_PRCTL_X, |b| {
        b.i64(0).u32(8).text("").i64(1);
    });
    w.event(10, E::SYSCALL_SETRESUID_X, |b| {
        b.i64(0).u32(5).u32(5).u32(5);
    });
    assert_eq!(credentials(&w), (5, all, 0), "kept by prctl");
    w.event(10, E::SYSCALL_SETREUID_X, |b| {
        b.i64(0).u32(u32::MAX).u32(u32::MAX);
    });
    w.event(10, E::SYSCALL_SETREGID_X, |b| {
        b.i64(0).u32(u32::MAX).u32(u32::MAX);
    });
    assert_eq!((credentials(&w).0, w.thread(10).record.gid), (5, 0), "−1 changes nothing");
    w.event(10, E::SYSCALL_SETUID_X, |b| {
        b.i64(-1).u32(0);
    });
    assert_eq!(credentials(&w).0, 5, "a call that fails changes nothing");
}

#[test]
fn users_at_the_start_of_a_live_stream_are_events() {
    let added = |w: &mut World| {
        w.event(0, E::USER_ADDED_E, |b| {
            b.u32(7).u32(7).text("u").text("/").text("sh").text("");
        })
    };
    assert!(added(&mut World::new()).skipped);
    let mut w = World::new();
    w.state.set_live(true);
    assert!(!added(&mut w).skipped);
    w.state.restore(&Snapshot::default());
    assert!(!added(&mut w).skipped);
}

#[test]
fn users_of_containers_are_read_when_they_first_run_a_program() {
    let root = tempfile::tempdir().unwrap();
    let etc = |below: &str, passwd: &str| {
        let etc = root.path().join(below).join("etc");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(etc.join("passwd"), passwd).unwrap();
    };
    etc("", "host:x:5:5::/:sh\n");
    etc("proc/20/root", "inside:x:5:5::/:sh\n");
    let (mut w, _host) = world();
    w.state.watch_accounts(root.path()).unwrap();
    let id = "7951fb549ab9";
    let cgroups = format!("cpu=/docker/{id}{}\0", "e".repeat(52));
    let name = |w: &World, container: &str| {
        let user = w.state.users().user(container.as_bytes(), 5);
        user.map(|user| String::from_utf8_lossy(&user.name).into_owned())
    };
    // Until something is there: the reader is a thread of its own.
    let wait = |w: &mut World, container: &str, want: Option<&str>| {
        for _ in 0..2000 {
            w.ts += SECOND;
            w.state.refresh_accounts(w.ts);
            if name(w, container).as_deref() == want {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("no {want:?} in {container:?}, but {:?}", name(w, container));
    };
    wait(&mut w, "", Some("host"));
    w.fork(10, 20);
    w.exec(Exec { tid: 20, ptid: 10, cgroups: &cgroups, ..Exec::default() });
    assert_eq!(*w.thread(20).record.container_id, *id.as_bytes());
    wait(&mut w, id, Some("inside"));
    etc("proc/20/root", "other:x:5:5::/:sh\n# longer\n");
    wait(&mut w, id, Some("other"));
    // Another process of the container takes the place of the first.
    w.fork(20, 21);
    w.exec(Exec { tid: 21, ptid: 20, cgroups: &cgroups, ..Exec::default() });
    etc("proc/21/root", "third:x:5:5::/:sh\n");
    w.exit(20, 21);
    w.pause();
    wait(&mut w, id, Some("third"));
    w.exit(21, 0);
    w.pause();
    wait(&mut w, id, None);
    assert_eq!(name(&w, "").as_deref(), Some("host"));
}

/// A sensor that is in the container itself knows its users before the first event.
#[test]
fn users_of_the_sensors_own_container_are_known_at_once() {
    let own = i64::from(std::process::id());
    let id = "7951fb549ab9";
    let cgroups = format!("cpu=/docker/{id}{}\0", "e".repeat(52)).into_bytes();
    let thread = Thread { tid: own, pid: own, ptid: 1, cgroups, ..Thread::default() };
    let user =
        falco_source::snapshot::User { uid: 0, name: b"root".to_vec(), ..Default::default() };
    let (mut w, _host) = world();
    w.state.restore(&Snapshot { threads: vec![thread], users: vec![user], ..Snapshot::default() });
    w.state.watch_accounts("/").unwrap();
    assert_eq!(*w.state.users().user(id.as_bytes(), 0).unwrap().name, *b"root");
}

#[test]
fn users_of_sandboxes_are_those_that_events_tell() {
    let root = tempfile::tempdir().unwrap();
    let (mut w, _host) = world();
    w.state.watch_accounts(root.path()).unwrap();
    let id = "7951fb549ab9";
    w.event(0, E::USER_ADDED_E, |b| {
        b.u32(5).u32(5).text("inside").text("/").text("sh").text(id);
    });
    let cgroups = format!("gvisor_container_id=/{id}{}\0", "e".repeat(52));
    let tid = falco_source::ids::in_sandbox(7, 1);
    w.exec(Exec { tid, ptid: 1, cgroups: &cgroups, ..Exec::default() });
    assert_eq!(*w.thread(tid).record.container_id, *id.as_bytes());
    for _ in 0..20 {
        w.ts += SECOND;
        w.state.refresh_accounts(w.ts);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(*w.state.users().user(id.as_bytes(), 5).unwrap().name, *b"inside");
}
