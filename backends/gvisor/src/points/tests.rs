use std::collections::BTreeSet;
use std::sync::LazyLock;

use falco_event::syscalls::SYSCALLS;
use proptest::prelude::*;

use super::*;
use crate::runsc::text;

/// The calls that the official stable rules and the tables want.
const STABLE: &[&str] = &[
    "open",
    "link",
    "ptrace",
    "dup",
    "dup2",
    "symlink",
    "init_module",
    "openat",
    "linkat",
    "symlinkat",
    "dup3",
    "socket",
    "connect",
    "sendto",
    "sendmsg",
    "finit_module",
    "openat2",
    "execve",
    "execveat",
    "close",
    "creat",
    "chdir",
    "mount",
    "pipe",
    "fcntl",
    "chroot",
    "setsid",
    "setrlimit",
    "fchdir",
    "prctl",
    "capset",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setuid",
    "setgid",
    "epoll_create",
    "inotify_init",
    "signalfd",
    "timerfd_create",
    "eventfd",
    "signalfd4",
    "eventfd2",
    "epoll_create1",
    "pipe2",
    "inotify_init1",
    "prlimit64",
    "bind",
    "accept",
    "socketpair",
    "recvfrom",
    "shutdown",
    "getsockopt",
    "sendmmsg",
    "recvmsg",
    "recvmmsg",
    "accept4",
    "fork",
    "vfork",
    "userfaultfd",
    "umount2",
    "clone",
    "clone3",
    "open_by_handle_at",
    "io_uring_setup",
    "memfd_create",
    "pidfd_getfd",
    "pidfd_open",
    "close_range",
    "sched_process_exit",
];

fn ids(names: &[&str]) -> Vec<u16> {
    names.iter().map(|name| Syscall::by_name(name).unwrap().id).collect()
}

fn names(session: &Value) -> Vec<String> {
    let points = session["trace_session"]["points"].as_array().unwrap();
    points.iter().map(|point| point["name"].as_str().unwrap().to_owned()).collect()
}

/// What `runsc trace metadata` of this version printed; none, loudly, without the samples.
fn metadata(date: u32) -> Option<&'static BTreeMap<String, PointFields>> {
    static OF_2022: LazyLock<Option<BTreeMap<String, PointFields>>> =
        LazyLock::new(|| read_metadata(20_221_219));
    static OF_2024: LazyLock<Option<BTreeMap<String, PointFields>>> =
        LazyLock::new(|| read_metadata(20_240_729));
    if date == 20_221_219 { OF_2022.as_ref() } else { OF_2024.as_ref() }
}

fn read_metadata(date: u32) -> Option<BTreeMap<String, PointFields>> {
    let path = format!(
        "{}/../../../shared/samples/gvisor-and-runtimes/trace/metadata-debian-{date}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text::points(&text)),
        Err(error) => {
            println!("IGNORED: the points of runsc {date}, because {path}: {error}");
            None
        }
    }
}

#[test]
fn the_stable_rules_get_what_they_need_and_no_more() {
    let session = session(&ids(STABLE), Version::V2022, Path::new("/run/falco/gvisor.sock"));
    let names = names(&session);
    let of_kind = |begin: &str| names.iter().filter(|name| name.starts_with(begin)).count();
    assert_eq!(
        names[..4],
        ["container/start", "sentry/clone", "sentry/execve", "sentry/task_exit"]
    );
    let raw: Vec<u16> = names
        .iter()
        .filter_map(|name| name.strip_prefix("syscall/sysno/")?.strip_suffix("/exit")?.parse().ok())
        .collect();
    let raw: Vec<&str> =
        raw.iter().map(|&number| Syscall::by_x86_64_number(number).unwrap().name).collect();
    let mut sorted = raw.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "capset",
            "clone3",
            "close_range",
            "epoll_create",
            "epoll_create1",
            "finit_module",
            "init_module",
            "io_uring_setup",
            "link",
            "linkat",
            "memfd_create",
            "mount",
            "open_by_handle_at",
            "openat2",
            "pidfd_getfd",
            "pidfd_open",
            "prctl",
            "ptrace",
            "sendmsg",
            "sendto",
            "setregid",
            "setreuid",
            "setrlimit",
            "shutdown",
            "symlink",
            "symlinkat",
            "umount2",
            "userfaultfd"
        ]
    );
    assert_eq!(of_kind("syscall/sysno/"), 2 * raw.len());
    assert_eq!(of_kind("syscall/"), 2 * raw.len() + 37 + 6);
    let points = session["trace_session"]["points"].as_array().unwrap();
    let openat = points.iter().find(|point| point["name"] == "syscall/openat/exit").unwrap();
    let who =
        ["time", "thread_id", "group_id", "container_id", "credentials", "process_name", "cwd"];
    assert_eq!(
        openat,
        &json!({ "name": "syscall/openat/exit", "optional_fields": ["fd_path"], "context_fields": who })
    );
    let sink = &session["trace_session"]["sinks"][0];
    assert_eq!(sink["config"]["endpoint"], "/run/falco/gvisor.sock");
    assert_eq!(session["trace_session"]["ignore_missing"], true);
    assert_eq!(sink["ignore_setup_error"], true);
}

#[test]
fn newer_versions_have_more_schematized_points() {
    let wanted = ids(&["mmap", "listen", "ptrace"]);
    let old = session(&wanted, Version::V2024, Path::new("/s"));
    assert_eq!(names(&old).len(), 4 + 6);
    assert!(names(&old).contains(&"syscall/sysno/101/enter".to_owned()));
    let new = session(&wanted, Version::CURRENT, Path::new("/s"));
    assert_eq!(
        names(&new)[4..],
        ["syscall/ptrace/exit", "syscall/mmap/exit", "syscall/listen/exit"]
    );
    assert!(new.to_string().contains("is_exec_session") && !old.to_string().contains("is_exec"));
    // Both, where nobody knows.
    let any = names(&session(&wanted, Version::UNKNOWN, Path::new("/s")));
    assert_eq!(any.len(), 4 + 3 + 6);
    assert!(names(&old).iter().chain(&names(&new)).all(|name| any.contains(name)));
}

#[test]
fn nothing_wanted_still_tells_of_threads() {
    let session = session(&[9999, 9999], Version::V2022, Path::new("@falco"));
    assert_eq!(names(&session).len(), 4);
}

#[test]
fn versions_are_known_by_number_and_by_points() {
    assert_eq!(Version::numbered("0.0~20221219.0"), Version::V2022);
    assert_eq!(Version::numbered("release-20260817.0"), Version::CURRENT);
    for unknown in ["VERSION_MISSING", "release-20250820.0", ""] {
        assert_eq!(Version::numbered(unknown), Version::UNKNOWN, "{unknown}");
    }
    for date in [20_221_219, 20_240_729] {
        if let Some(points) = metadata(date) {
            assert_eq!(Version::having(points), Version::V2022, "{date}");
        }
    }
    let fields = |field: &str| PointFields { optional: vec![], context: vec![field.to_owned()] };
    let newest =
        ["syscall/mmap/exit", "syscall/listen/exit", "syscall/ptrace/exit", "sentry/clone"]
            .into_iter()
            .chain(["syscall/sysno/441/enter"])
            .map(|name| (name.to_owned(), fields("is_exec_session")))
            .collect();
    assert_eq!(Version::having(&newest), Version::CURRENT);
}

#[test]
fn the_table_is_about_system_calls() {
    let mut seen = BTreeSet::new();
    for point in SCHEMATIZED {
        assert!(seen.insert(point.call), "{} twice", point.call);
        assert!(Syscall::by_name(point.call).is_some(), "{}", point.call);
    }
    for name in TOLD_ANYWAY.iter().chain(NOT_WORTH_IT) {
        assert!(Syscall::by_name(name).is_some() && seen.insert(name), "{name}");
    }
}

/// Every schematized point of a version is used by this table, and by no other.
#[test]
fn the_table_has_all_schematized_points() {
    let Some(points) = metadata(20_240_729) else { return };
    let known = |name: &str| {
        SCHEMATIZED.iter().any(|point| point.call == name) || TOLD_ANYWAY.contains(&name)
    };
    for name in points.keys() {
        let call = name.strip_prefix("syscall/").filter(|rest| !rest.starts_with("sysno/"));
        if let Some((call, _)) = call.and_then(|rest| rest.split_once('/')) {
            assert!(known(call), "{call}");
        }
    }
}

proptest! {
    #[test]
    fn every_point_and_field_exists(wanted in prop::collection::vec(0..SYSCALLS.len(), 0..80)) {
        let wanted: Vec<u16> = wanted.into_iter().map(|at| SYSCALLS[at].id).collect();
        for date in [20_221_219, 20_240_729] {
            let Some(points) = metadata(date) else { continue };
            let session = session(&wanted, Version::having(points), Path::new("/s"));
            let mut seen = BTreeSet::new();
            for point in session["trace_session"]["points"].as_array().unwrap() {
                let name = point["name"].as_str().unwrap();
                prop_assert!(seen.insert(name), "{} twice", name);
                let has = points.get(name);
                prop_assert!(has.is_some(), "{} {}", date, name);
                let has = has.unwrap();
                for (named, there) in
                    [("optional_fields", &has.optional), ("context_fields", &has.context)]
                {
                    for field in point[named].as_array().into_iter().flatten() {
                        let field = field.as_str().unwrap();
                        prop_assert!(there.iter().any(|f| f == field), "{} {}", name, field);
                    }
                }
            }
        }
    }
}
