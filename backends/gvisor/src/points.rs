//! Which points of a trace session the rules need, as the JSON that runsc reads.
//!
//! A sandbox makes and sends a message for every point that a session names, on the thread that made
//! the system call, so each point slows the container down: a session names only what the wanted
//! calls and the tables need, and of fields only what [`crate::mapper`] uses.
//!
//! A system call has points in up to two forms. The *schematized* one carries texts and addresses;
//! about sixty calls have it. The *raw* one carries the registers: numbers and flags, but of whatever
//! is passed by pointer just the pointer. It is asked for where there is no other. Points and their
//! fields: gVisor's `pkg/sentry/seccheck/metadata*.go`, and `runsc trace metadata` of each version.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use falco_event::Syscall;
use serde_json::{Value, json};

use crate::runsc::text::PointFields;

/// What a version of runsc has, as far as versions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Schematized points of mmap.
    mmap: Has,
    /// Schematized points of listen.
    listen: Has,
    /// Schematized points of ptrace.
    ptrace: Has,
    /// Messages tell of exec sessions and of the parent's thread group.
    tells_exec_sessions: bool,
    /// The highest number of a call that has raw points.
    last_raw: u16,
}

/// Whether a version has a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    Yes,
    No,
    /// Nobody knows: asked for is this and what is there without it. Sandboxes skip what they lack.
    Perhaps,
}

impl Version {
    /// Builds of 2022, as in Debian 12.
    pub const V2022: Version = Version {
        mmap: Has::No,
        listen: Has::No,
        ptrace: Has::No,
        tells_exec_sessions: false,
        last_raw: 441,
    };
    /// Builds of 2024, as in Debian 13: the same points.
    pub const V2024: Version = Version::V2022;
    /// The source of August 2026.
    pub const CURRENT: Version = Version {
        mmap: Has::Yes,
        listen: Has::Yes,
        ptrace: Has::Yes,
        tells_exec_sessions: true,
        last_raw: 441,
    };
    /// Any version, at the price of a few points more.
    pub const UNKNOWN: Version = Version {
        mmap: Has::Perhaps,
        listen: Has::Perhaps,
        ptrace: Has::Perhaps,
        tells_exec_sessions: true,
        last_raw: 441,
    };

    /// The version that has these points, as [`Runsc::points`](crate::runsc::Runsc::points) gives
    /// them.
    pub fn having(points: &BTreeMap<String, PointFields>) -> Self {
        let has = |name: &str| if points.contains_key(name) { Has::Yes } else { Has::No };
        let raw = |name: &String| {
            name.strip_prefix("syscall/sysno/")?.strip_suffix("/enter")?.parse::<u16>().ok()
        };
        let tells = |field: &str| {
            points.get("sentry/clone").is_some_and(|point| point.context.iter().any(|f| f == field))
        };
        Version {
            mmap: has("syscall/mmap/exit"),
            listen: has("syscall/listen/exit"),
            ptrace: has("syscall/ptrace/exit"),
            tells_exec_sessions: tells("is_exec_session") || tells("parent_thread_group_id"),
            last_raw: points.keys().filter_map(raw).max().unwrap_or(0),
        }
    }

    /// The version with this number (`0.0~20240729.0`, `release-20221219.0`), where its points cannot
    /// be asked for.
    pub fn numbered(version: &str) -> Self {
        let digits = version.split(|c: char| !c.is_ascii_digit()).find(|part| part.len() == 8);
        match digits.and_then(|date| date.parse::<u32>().ok()) {
            Some(..=20_240_729) => Version::V2024,
            // What messages tell came last, with release-20260721.
            Some(20_260_721..) => Version::CURRENT,
            _ => Version::UNKNOWN,
        }
    }

    /// Whether `call`, which has schematized points in some version, has them in this one.
    fn has(&self, call: &str) -> Has {
        match call {
            "mmap" => self.mmap,
            "listen" => self.listen,
            "ptrace" => self.ptrace,
            _ => Has::Yes,
        }
    }
}

/// How much of the thread's state comes with a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// Who: enough for a thread that is known, and for a makeshift of one that is not.
    Who,
    /// And its working directory: the call has a path, or changes the directory.
    Where,
    /// And when it began: the call begins or ends threads or programs.
    When,
}

/// The schematized points of one call.
struct Schematized {
    call: &'static str,
    /// Its enter point is asked for, too.
    enter: bool,
    optional: &'static [&'static str],
    detail: Detail,
}

const fn both(
    call: &'static str,
    optional: &'static [&'static str],
    detail: Detail,
) -> Schematized {
    Schematized { call, enter: true, optional, detail }
}

const fn exit(
    call: &'static str,
    optional: &'static [&'static str],
    detail: Detail,
) -> Schematized {
    Schematized { call, enter: false, optional, detail }
}

const NONE: &[&str] = &[];
const FD: &[&str] = &["fd_path"];

/// Calls with schematized points.
///
/// * Enter points of open, openat, creat and connect are asked for, since a program can change what it
///   has passed while the call runs: what counts is what it asked for at first.
/// * So are those of execve, for the path as it was passed: `sentry/execve` comes before the exit in
///   builds until 2025, and has only the path of what was found there. The environment comes with
///   `sentry/execve`, so it need not come thrice.
/// * clone and its like tell what id the new thread has in its container. That there is one, and what
///   it is, `sentry/clone` says.
/// * close is asked for without the path: there is none any more at its exit, and the tables know it.
const SCHEMATIZED: &[Schematized] = &[
    exit("read", FD, Detail::Who),
    exit("readv", FD, Detail::Who),
    exit("pread64", FD, Detail::Who),
    exit("preadv", FD, Detail::Who),
    exit("preadv2", FD, Detail::Who),
    exit("write", FD, Detail::Who),
    exit("writev", FD, Detail::Who),
    exit("pwrite64", FD, Detail::Who),
    exit("pwritev", FD, Detail::Who),
    exit("pwritev2", FD, Detail::Who),
    both("open", NONE, Detail::Where),
    both("openat", FD, Detail::Where),
    both("creat", FD, Detail::Where),
    exit("close", NONE, Detail::Who),
    exit("pipe", NONE, Detail::Who),
    exit("pipe2", NONE, Detail::Who),
    exit("dup", FD, Detail::Who),
    exit("dup2", FD, Detail::Who),
    exit("dup3", FD, Detail::Who),
    exit("fcntl", FD, Detail::Who),
    exit("socket", NONE, Detail::Who),
    exit("socketpair", NONE, Detail::Who),
    both("connect", FD, Detail::Where),
    exit("accept", FD, Detail::Who),
    exit("accept4", FD, Detail::Who),
    exit("bind", FD, Detail::Where),
    exit("listen", FD, Detail::Who),
    exit("clone", NONE, Detail::Who),
    exit("fork", NONE, Detail::Who),
    exit("vfork", NONE, Detail::Who),
    both("execve", NONE, Detail::When),
    both("execveat", FD, Detail::When),
    exit("chdir", NONE, Detail::Where),
    exit("fchdir", FD, Detail::Where),
    exit("chroot", NONE, Detail::Where),
    exit("setuid", NONE, Detail::Who),
    exit("setgid", NONE, Detail::Who),
    exit("setsid", NONE, Detail::Who),
    exit("setresuid", NONE, Detail::Who),
    exit("setresgid", NONE, Detail::Who),
    exit("prlimit64", NONE, Detail::Who),
    exit("eventfd", NONE, Detail::Who),
    exit("eventfd2", NONE, Detail::Who),
    exit("signalfd", FD, Detail::Who),
    exit("signalfd4", FD, Detail::Who),
    exit("timerfd_create", NONE, Detail::Who),
    exit("timerfd_settime", FD, Detail::Who),
    exit("timerfd_gettime", FD, Detail::Who),
    exit("inotify_init", NONE, Detail::Who),
    exit("inotify_init1", NONE, Detail::Who),
    exit("inotify_add_watch", FD, Detail::Where),
    exit("inotify_rm_watch", FD, Detail::Who),
    exit("mmap", FD, Detail::Who),
    exit("ptrace", NONE, Detail::Who),
];

/// Calls that the points in every session tell of.
const TOLD_ANYWAY: &[&str] = &["sched_process_exit"];

/// Calls whose raw points are not worth their price. Tables want them for the addresses of whom they
/// talk to, which the registers do not have, and servers make them all the time.
const NOT_WORTH_IT: &[&str] = &["recvfrom", "recvmsg", "recvmmsg", "sendmmsg", "getsockopt"];

/// How gVisor tells of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// With texts and addresses.
    Schematized,
    /// By the points that every session has.
    Anyway,
    /// By its registers.
    Raw(u16),
    /// Not at all.
    Not,
}

/// How a sandbox of this version tells of `call` in our sessions.
pub fn told(call: &Syscall, version: Version) -> Told {
    if TOLD_ANYWAY.contains(&call.name) {
        return Told::Anyway;
    }
    match schematized(call, version) {
        Some(_) => Told::Schematized,
        None => raw(call, version).map_or(Told::Not, Told::Raw),
    }
}

/// The schematized points of `call`, if this version has them, or perhaps has.
fn schematized(call: &Syscall, version: Version) -> Option<&'static Schematized> {
    let of = SCHEMATIZED.iter().find(|of| of.call == call.name)?;
    (version.has(of.call) != Has::No).then_some(of)
}

/// The number of the raw points of `call` that are asked for where there are no others.
fn raw(call: &Syscall, version: Version) -> Option<u16> {
    let number = raw_number(call).filter(|&number| number <= version.last_raw)?;
    (!NOT_WORTH_IT.contains(&call.name)).then_some(number)
}

/// The number by which the raw points of `call` are named.
#[cfg(target_arch = "x86_64")]
fn raw_number(call: &Syscall) -> Option<u16> {
    static NUMBERS: LazyLock<BTreeMap<u16, u16>> = LazyLock::new(|| {
        // The last number of today's kernels is below 500.
        let id = |number| Some((Syscall::by_x86_64_number(number)?.id, number));
        (0..500).filter_map(id).collect()
    });
    NUMBERS.get(&call.id).copied()
}

/// Numbers of other machines are not known to the event table.
#[cfg(not(target_arch = "x86_64"))]
fn raw_number(_: &Syscall) -> Option<u16> {
    None
}

/// The configuration (`--pod-init-config`) of a session that tells of the `wanted` calls (`PPM_SC_*`)
/// and of what the tables need, and sends it to `socket`. Points and fields that a sandbox does not
/// have are skipped by it.
pub fn session(wanted: &[u16], version: Version, socket: &Path) -> Value {
    json!({ "trace_session": {
        "name": crate::runsc::cli::SESSION,
        "ignore_missing": true,
        "points": points(wanted, version),
        "sinks": [{
            "name": "remote",
            "config": {
                "endpoint": socket.to_string_lossy(),
                // A sensor that is behind for a moment loses nothing, and one that hangs makes a
                // container wait for a fifth of a millisecond at each call.
                "retries": 3,
                "backoff": "25us",
                "backoff_max": "10ms",
            },
            // Containers start without the sensor, too.
            "ignore_setup_error": true,
        }],
    } })
}

/// The points of such a session, in a stable order.
fn points(wanted: &[u16], version: Version) -> Vec<Value> {
    let point = |name: &str, optional: &[&str], detail| {
        let mut point = json!({ "name": name, "context_fields": context(detail, version) });
        if !optional.is_empty() {
            point["optional_fields"] = json!(optional);
        }
        point
    };
    // What threads there are and what they run.
    let mut points = vec![
        point("container/start", &["env"], Detail::When),
        point("sentry/clone", NONE, Detail::When),
        point("sentry/execve", &["binary_info"], Detail::When),
        point("sentry/task_exit", NONE, Detail::When),
    ];
    let mut ids = wanted.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let calls = ids.into_iter().filter_map(Syscall::by_id);
    for call in calls.filter(|call| told(call, version) != Told::Anyway) {
        let schematized = schematized(call, version);
        if let Some(of) = schematized {
            if of.enter {
                points.push(point(&format!("syscall/{}/enter", of.call), of.optional, of.detail));
            }
            points.push(point(&format!("syscall/{}/exit", of.call), of.optional, of.detail));
        }
        let is_enough = schematized.is_some_and(|of| version.has(of.call) == Has::Yes);
        if let (false, Some(number)) = (is_enough, raw(call, version)) {
            // The exit point takes its fields from those of the enter point, which therefore has to
            // be there (seen in all versions).
            for end in ["enter", "exit"] {
                points.push(point(&format!("syscall/sysno/{number}/{end}"), NONE, Detail::Who));
            }
        }
    }
    points
}

/// The fields about thread and container.
fn context(detail: Detail, version: Version) -> Vec<&'static str> {
    // Programs begun by `runsc exec` are told of by nothing but what they do, so that each message
    // has to say enough of a process that is over before runsc can be asked about it.
    let mut fields =
        vec!["time", "thread_id", "group_id", "container_id", "credentials", "process_name"];
    if version.tells_exec_sessions {
        fields.extend(["parent_thread_group_id", "is_exec_session"]);
    }
    if detail >= Detail::Where {
        fields.push("cwd");
    }
    if detail >= Detail::When {
        fields.push("task_start_time");
    }
    fields
}

#[cfg(test)]
mod tests;
