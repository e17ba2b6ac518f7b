//! Which system calls keep the state up to date that fields speak of: they must be seen even if no
//! rule asks for them.

use std::collections::BTreeSet;

use falco_event::table::EVENTS;
use falco_event::{EventCode, EventFlags};
use falco_rules::catalogue::EventTypes;

/// A part of the state.
#[derive(Debug)]
pub struct Need {
    /// What it is.
    pub state: &'static str,
    /// What keeps it up to date.
    pub calls: BTreeSet<&'static str>,
    /// The fields that speak of it.
    pub fields: BTreeSet<String>,
}

/// Part of the state, calls that keep it, and whether a field speaks of it.
type Part = (&'static str, &'static [&'static str], fn(&str) -> bool);

const PARTS: &[Part] = &[
    (
        "processes and their programs",
        &["clone", "clone3", "fork", "vfork", "execve", "execveat", "procexit", "prctl"],
        |field| {
            ["proc.", "thread.", "user.", "group.", "container.", "k8s."]
                .iter()
                .any(|class| field.starts_with(class))
        },
    ),
    (
        "users and groups of processes",
        &[
            "setuid",
            "setreuid",
            "setresuid",
            "setgid",
            "setregid",
            "setresgid",
            "useradded",
            "userdeleted",
            "groupadded",
            "groupdeleted",
        ],
        |field| field.starts_with("user.") || field.starts_with("group."),
    ),
    ("sessions", &["setsid"], |field| {
        ["proc.sid", "proc.sname", "proc.is_sid_leader", "proc.sexe"]
            .iter()
            .any(|prefix| field.starts_with(prefix))
    }),
    ("capabilities", &["capset", "unshare", "setns"], |field| field.starts_with("thread.cap_")),
    ("working directories", &["chdir", "fchdir", "chroot", "getcwd"], |field| {
        ["proc.cwd", "fs.path", "fd.name", "fd.directory", "evt.abspath"]
            .iter()
            .any(|prefix| field.starts_with(prefix))
    }),
    ("limits", &["setrlimit", "prlimit"], |field| {
        field.starts_with("proc.fdlimit") || field.starts_with("proc.fdusage")
    }),
    (
        "open files",
        &[
            "open",
            "openat",
            "openat2",
            "open_by_handle_at",
            "creat",
            "close",
            "close_range",
            "dup",
            "dup2",
            "dup3",
            "fcntl",
            "pipe",
            "pipe2",
            "memfd_create",
            "eventfd",
            "eventfd2",
            "pidfd_open",
            "pidfd_getfd",
            "signalfd",
            "signalfd4",
            "timerfd_create",
            "inotify_init",
            "inotify_init1",
            "userfaultfd",
            "epoll_create",
            "epoll_create1",
            "io_uring_setup",
        ],
        |field| field.starts_with("fd.") || field.starts_with("fs.path"),
    ),
    (
        "sockets",
        &[
            "socket",
            "socketpair",
            "bind",
            "connect",
            "accept",
            "accept4",
            "close",
            "close_range",
            "dup",
            "dup2",
            "dup3",
            "fcntl",
            "sendto",
            "recvfrom",
            "sendmsg",
            "recvmsg",
            "getsockopt",
        ],
        |field| field.starts_with("fd."),
    ),
];

/// What `fields` need beyond the events of `types`, which are called `names`.
pub fn of(fields: &BTreeSet<String>, types: &EventTypes, names: &BTreeSet<String>) -> Vec<Need> {
    // Events that make their fd tell all of it themselves.
    let infos = EVENTS.iter().zip(0_u16..).filter(|(_, code)| types.contains(*code));
    let uses_fds = infos.into_iter().any(|(info, code)| {
        info.flags.contains(EventFlags::USES_FD)
            && !EventCode(code).has(EventFlags::CREATES_FD)
            && !info.flags.intersects(EventFlags::OLD.union(EventFlags::UNUSED))
    });
    let mut needs = Vec::new();
    for (state, calls, speaks_of) in PARTS {
        if matches!(*state, "open files" | "sockets") && !uses_fds {
            continue;
        }
        let fields: BTreeSet<String> = fields.iter().filter(|f| speaks_of(f)).cloned().collect();
        let calls: BTreeSet<&str> =
            calls.iter().copied().filter(|call| !names.contains(*call)).collect();
        if !fields.is_empty() && !calls.is_empty() {
            needs.push(Need { state, calls, fields });
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_keep_state_are_those_of_the_event_table() {
        for call in PARTS.iter().flat_map(|(_, calls, _)| *calls) {
            let changes = |info: &&falco_event::EventInfo| {
                info.name == *call
                    && (info.flags.intersects(EventFlags::STATE)
                        || matches!(
                            *call,
                            "setns"
                                | "unshare"
                                | "getcwd"
                                | "setrlimit"
                                | "prlimit"
                                | "fcntl"
                                | "setregid"
                        ))
            };
            assert!(EVENTS.iter().any(|info| changes(&info)), "{call}");
        }
    }

    #[test]
    fn an_event_that_makes_its_fd_needs_no_table_of_fds() {
        let fields = BTreeSet::from(["fd.name".to_owned(), "proc.name".to_owned()]);
        let of = |code: EventCode, name: &str| {
            let types: EventTypes = [code.0].into_iter().collect();
            let needs = of(&fields, &types, &BTreeSet::from([name.to_owned()]));
            needs.into_iter().map(|need| need.state).collect::<Vec<_>>()
        };
        let opens = of(EventCode::SYSCALL_OPENAT_2_X, "openat");
        assert_eq!(opens, ["processes and their programs", "working directories"]);
        let reads = of(EventCode::SYSCALL_READ_X, "read");
        assert!(reads.contains(&"open files") && reads.contains(&"sockets"), "{reads:?}");
    }
}
