//! The source on the running kernel: what it hands out, counts and leaves behind.
//!
//! Needs a kernel with BTF and the rights to load eBPF programs; says so and passes where they are
//! missing. What single events tell is the matter of `events`.

#![allow(clippy::unwrap_used)] // a panic is the report

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use falco_event::{EventCode, Syscall};
use falco_modern_ebpf::coverage::{Attachment, Status};
use falco_modern_ebpf::{AttachMode, EbpfError, ModernEbpf, Options};
use falco_source::{Next, Source};

/// Whether the kernel can be watched here; says why, if not.
fn can_watch(what: &str) -> bool {
    let missing = if std::env::var("FALCO_LIVE_TESTS").is_ok_and(|value| value == "off") {
        "FALCO_LIVE_TESTS is off"
    // SAFETY: asks for a number.
    } else if unsafe { libc::geteuid() } != 0 {
        "this is not root"
    } else if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        "this kernel has no BTF"
    } else {
        return true;
    };
    eprintln!("IGNORED: {what} because {missing}");
    false
}

fn options(calls: &[&str]) -> Options {
    let id = |name: &&str| Syscall::by_name(name).unwrap().id;
    Options {
        syscalls: calls.iter().map(id).collect(),
        buffer_bytes: 1 << 20,
        ..Options::default()
    }
}

fn started(options: Options) -> ModernEbpf {
    let mut source = ModernEbpf::open(options).unwrap();
    source.start().unwrap();
    source
}

/// What the tests look at of an event.
#[derive(Clone, Debug)]
struct Seen {
    ts: u64,
    tid: i64,
    code: EventCode,
    /// The first parameter, as a number.
    first: i64,
    /// The parameter `name`.
    name: Vec<u8>,
}

/// All events until the source ends, which it is told to.
fn rest(source: &mut ModernEbpf) -> Vec<Seen> {
    source.stop_capture();
    let mut all = Vec::new();
    loop {
        match source.next().unwrap() {
            Next::Event(event) => all.push(Seen {
                ts: event.ts(),
                tid: event.tid(),
                code: event.code(),
                first: event.i64(0).unwrap_or_default(),
                name: event.param_named("name").unwrap_or_default().to_vec(),
            }),
            Next::Idle => {}
            Next::End => return all,
            Next::Snapshot(_) => panic!("a snapshot in the middle"),
        }
    }
}

fn tid() -> i64 {
    // SAFETY: asks for a number.
    unsafe { libc::syscall(libc::SYS_gettid) }
}

/// A system call that nothing else of these tests makes.
fn getppid() {
    // SAFETY: asks for a number.
    unsafe { libc::syscall(libc::SYS_getppid) };
}

/// Runs on one CPU from now on.
fn pin(cpu: usize) {
    // SAFETY: a set of CPUs is bits, for which zero is a value; it outlives the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu % num_cpus(), &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

fn num_cpus() -> usize {
    thread::available_parallelism().unwrap().get()
}

fn now_ns() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

/// Opens a file and asks for the parent, then checks what `source` tells of this.
fn sees_its_own_process(mut source: ModernEbpf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seen");
    let before = now_ns();
    fs::write(&path, "x").unwrap();
    getppid();
    let after = now_ns();
    let own: Vec<Seen> = rest(&mut source).into_iter().filter(|seen| seen.tid == tid()).collect();
    let wanted = [path.as_os_str().as_encoded_bytes(), b"\0"].concat();
    let exits: Vec<_> = own
        .iter()
        .filter(|s| s.code == EventCode::SYSCALL_OPENAT_2_X && s.name == wanted)
        .collect();
    assert_eq!(exits.len(), 1, "{own:?}");
    assert!(exits[0].first >= 0, "{own:?}");
    let enters: Vec<_> = own
        .iter()
        .filter(|s| s.code == EventCode::SYSCALL_OPENAT_2_E && s.name == wanted)
        .collect();
    assert_eq!(enters.len(), 1, "{own:?}");
    let parents: Vec<_> = own.iter().filter(|s| s.code == EventCode::GENERIC_X).collect();
    assert_eq!(parents.len(), 1, "{own:?}");
    assert_eq!(parents[0].first, i64::from(Syscall::by_name("getppid").unwrap().id));
    // Clocks are read within a microsecond or so of each other.
    let slack = 1_000_000;
    for seen in [enters[0], exits[0], parents[0]] {
        assert!(seen.ts + slack > before && seen.ts < after + slack, "{before} {seen:?} {after}");
    }
    assert!(enters[0].ts < exits[0].ts && exits[0].ts < parents[0].ts);
    let stats = source.stats();
    assert_eq!((stats.dropped(), stats.invalid), (0, 0), "{stats:?}");
}

#[test]
fn a_source_sees_what_its_own_process_does() {
    if !can_watch("watching this process") {
        return;
    }
    let options = options(&["openat", "getppid", "sched_process_exit"]);
    let source = started(Options { attach: AttachMode::SysExit, ..options });
    assert_eq!(source.coverage().attachment, Attachment::SysExit);
    assert_eq!(source.coverage().gaps().count(), 0, "{:?}", source.coverage());
    assert_eq!(source.coverage().calls.len(), 3);
    sees_its_own_process(source);
}

#[test]
fn programs_at_single_calls_see_the_same() {
    if !can_watch("watching single system calls") {
        return;
    }
    let options = options(&["openat", "getppid"]);
    match ModernEbpf::open(Options { attach: AttachMode::PerSyscall, ..options }) {
        Ok(mut source) => {
            source.start().unwrap();
            assert_eq!(source.coverage().attachment, Attachment::PerSyscall);
            assert_eq!(source.coverage().gaps().count(), 0, "{:?}", source.coverage());
            sees_its_own_process(source);
        }
        Err(EbpfError::Unsupported { what, .. }) => {
            eprintln!("IGNORED: watching single system calls because {what}");
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn two_sources_do_not_disturb_each_other() {
    if !can_watch("two sources at once") {
        return;
    }
    let mut first = started(options(&["getppid"]));
    let mut second = started(options(&["getppid", "close"]));
    let own = |source: &mut ModernEbpf| {
        let seen = rest(source);
        seen.iter().filter(|s| s.tid == tid() && s.code == EventCode::GENERIC_X).count()
    };
    getppid();
    assert_eq!(own(&mut first), 1);
    drop(first);
    getppid();
    assert_eq!(own(&mut second), 2);
}

#[test]
fn nothing_is_lost_at_the_end_and_nothing_comes_after_it() {
    if !can_watch("ending a watch") {
        return;
    }
    let mut source = started(options(&["getppid"]));
    (0..1000).for_each(|_| getppid());
    source.stop_capture();
    (0..1000).for_each(|_| getppid());
    let own = rest(&mut source).iter().filter(|seen| seen.tid == tid()).count();
    assert_eq!(own, 1000);
    assert!(matches!(source.next().unwrap(), Next::End));
}

#[test]
fn every_event_is_delivered_or_counted() {
    if !can_watch("filling a ring") {
        return;
    }
    let small = Options { buffer_bytes: 4096, ..options(&["getppid"]) };
    let mut source = started(small);
    // A record takes 48 bytes; the second half does not fit whatever else happens.
    (0..1000).for_each(|_| getppid());
    let delivered = rest(&mut source).len() as u64;
    let stats = source.stats();
    assert!(stats.dropped_ring > 0, "{stats:?}");
    assert_eq!(stats.seen, delivered + stats.dropped_ring, "{stats:?}");
    assert_eq!((stats.events, stats.invalid), (delivered, 0));
}

#[test]
fn a_flood_does_not_push_out_births_and_deaths() {
    if !can_watch("flooding a ring") {
        return;
    }
    let calls = ["getppid", "execve", "clone", "clone3", "vfork", "fork", "sched_process_exit"];
    let mut source = started(Options { buffer_bytes: 4096, ..options(&calls) });
    (0..1000).for_each(|_| getppid());
    let mut child = Command::new("true").spawn().unwrap();
    let pid = i64::from(child.id());
    assert!(child.wait().unwrap().success());
    let seen = rest(&mut source);
    let of_child = |code| seen.iter().filter(|s| s.tid == pid && s.code == code).count();
    // Failed attempts along PATH aside, there is one that went well.
    let executions = seen
        .iter()
        .filter(|s| s.tid == pid && s.code == EventCode::SYSCALL_EXECVE_19_X && s.first == 0);
    assert_eq!(executions.count(), 1, "{seen:?}");
    assert_eq!(of_child(EventCode::PROCEXIT_1_E), 1);
    let stats = source.stats();
    assert!(stats.dropped_ring > 0, "{stats:?}");
    let births = stats.dropped_by_class.clone_fork_exit + stats.dropped_by_class.execve_exit;
    assert_eq!((births, stats.dropped_by_class.proc_exit), (0, 0), "{stats:?}");
}

#[test]
fn rings_of_several_cpus_give_one_stream_in_order() {
    if !can_watch("rings of several CPUs") {
        return;
    }
    for cpus_per_buffer in [0, 1] {
        let mut source = started(Options { cpus_per_buffer, ..options(&["getppid"]) });
        let threads: Vec<_> = (0..num_cpus().min(4))
            .map(|cpu| {
                thread::spawn(move || {
                    pin(cpu);
                    (0..2000).for_each(|_| getppid());
                    tid()
                })
            })
            .collect();
        let tids: HashSet<i64> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let seen = rest(&mut source);
        let own: Vec<&Seen> = seen.iter().filter(|seen| tids.contains(&seen.tid)).collect();
        assert_eq!(own.len(), tids.len() * 2000, "{:?}", source.stats());
        for tid in &tids {
            assert!(own.iter().filter(|seen| seen.tid == *tid).is_sorted_by_key(|seen| seen.ts));
        }
        // CPUs that share a ring take their places in it some nanoseconds after their times.
        let turns = own.windows(2).filter(|pair| pair[0].ts > pair[1].ts + 1_000_000).count();
        assert_eq!(turns, 0, "with {cpus_per_buffer} CPUs a ring");
    }
}

#[test]
fn failed_calls_are_dropped_on_demand() {
    if !can_watch("dropping failed calls") {
        return;
    }
    for drop_failed_exit in [false, true] {
        let mut source = started(Options { drop_failed_exit, ..options(&["openat"]) });
        assert!(fs::read("/nonexistent/file").is_err());
        let seen = rest(&mut source);
        let failed = seen.iter().filter(|s| {
            s.code == EventCode::SYSCALL_OPENAT_2_X
                && s.tid == tid()
                && s.name == b"/nonexistent/file\0"
        });
        assert_eq!(failed.count(), usize::from(!drop_failed_exit));
    }
}

#[test]
fn calls_that_are_not_wanted_do_not_come() {
    if !can_watch("selecting system calls") {
        return;
    }
    let mut source = started(options(&["getppid"]));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("unseen"), "x").unwrap();
    getppid();
    let codes: BTreeSet<EventCode> = rest(&mut source).iter().map(|seen| seen.code).collect();
    assert_eq!(codes, BTreeSet::from([EventCode::GENERIC_X]));
}

#[test]
fn a_call_that_no_kernel_has_is_no_obstacle() {
    if !can_watch("wanting a call that does not exist") {
        return;
    }
    // create_module left Linux with 2.6.
    let source = started(options(&["getppid", "create_module"]));
    let is_bad = |status: &Status| matches!(status, Status::Refused(_));
    assert!(!source.coverage().calls.iter().any(|call| is_bad(&call.status)));
}

#[test]
fn an_idle_source_costs_next_to_nothing() {
    if !can_watch("idling") {
        return;
    }
    // Nobody reboots.
    let mut source = started(options(&["reboot"]));
    let cpu = || {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the structure is written by the call alone.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let (begin, used) = (Instant::now(), cpu());
    let mut longest = Duration::ZERO;
    while begin.elapsed() < Duration::from_secs(2) {
        let call = Instant::now();
        assert!(matches!(source.next().unwrap(), Next::Idle));
        let _stats = source.stats();
        longest = longest.max(call.elapsed());
    }
    let used = cpu() - used;
    // Half a percent of a core is promised. What a machine can do with that differs, so sleeping
    // alone, as often as the source does in the end, is the measure.
    let (begin, alone) = (Instant::now(), cpu());
    while begin.elapsed() < Duration::from_secs(2) {
        thread::sleep(Duration::from_millis(10));
    }
    let alone = cpu() - alone;
    println!("idle for two seconds: {used:?}, sleeping alone {alone:?}, longest call {longest:?}");
    assert!(used < alone * 4 + Duration::from_millis(2), "{used:?}, sleeping alone {alone:?}");
}

/// Whoever is killed cannot clean up, so the kernel must be able to: nothing is left of what the
/// child of this test held.
#[test]
fn a_killed_source_leaves_nothing_behind() {
    if !can_watch("killing a source") {
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_watches_until_it_is_killed", "--nocapture"])
        .env("FALCO_TEST_WATCH", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("watching")), "the child watches nothing");
    let (programs, maps) = held_by(child.id());
    assert!(programs.len() >= 3 && maps.len() >= 5, "{programs:?} {maps:?}");
    let alive = || {
        let loaded: HashSet<u32> =
            aya::programs::loaded_programs().flatten().map(|program| program.id()).collect();
        let made: HashSet<u32> = aya::maps::loaded_maps().flatten().map(|map| map.id()).collect();
        let programs: Vec<_> = programs.intersection(&loaded).copied().collect();
        let maps: Vec<_> = maps.intersection(&made).copied().collect();
        (programs, maps)
    };
    let (before, _) = alive();
    assert_eq!(before.len(), programs.len());
    child.kill().unwrap();
    child.wait().unwrap();
    // The kernel frees what is freed once no CPU uses it.
    let end = Instant::now() + Duration::from_secs(20);
    while alive() != (Vec::new(), Vec::new()) {
        assert!(Instant::now() < end, "left: {:?}", alive());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Programs and maps that a process holds, by the kernel's numbers.
fn held_by(pid: u32) -> (HashSet<u32>, HashSet<u32>) {
    let (mut programs, mut maps) = (HashSet::new(), HashSet::new());
    for file in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        for line in text.lines() {
            let number = |line: &str| line.split_whitespace().last().unwrap().parse().unwrap();
            match line.split(':').next() {
                Some("prog_id") => _ = programs.insert(number(line)),
                Some("map_id") => _ = maps.insert(number(line)),
                _ => {}
            }
        }
    }
    (programs, maps)
}

/// Not a test: the other process of the one above.
#[test]
fn child_that_watches_until_it_is_killed() {
    if std::env::var_os("FALCO_TEST_WATCH").is_none() {
        return;
    }
    let mut source = started(options(&["openat", "getppid", "execve", "sched_process_exit"]));
    println!("watching");
    static KILLED: AtomicBool = AtomicBool::new(false);
    while !KILLED.load(Ordering::Relaxed) {
        let _any = source.next().unwrap();
    }
}
