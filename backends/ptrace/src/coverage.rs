//! What this source tells of each system call, what it does not, and how far each event can be
//! trusted if a program works against it.
//!
//! Whatever runs in user space reads arguments that pointers lead to at another moment than the kernel
//! does. A thread alone in its memory stands still meanwhile, so that nothing can change; where several
//! threads or processes share memory, another one can change it between the two. [`honesty_of`] says
//! for each call which parts of its event that concerns, and what is done about it.
//!
//! | what | when it is read | can it be forged by another thread? |
//! |---|---|---|
//! | results, numbers, flags, fds: registers | at entry and exit | no |
//! | ids, credentials, programs, directories, what fds are | from `/proc`, while the thread stands still | no; what other threads do at that moment is seen or not |
//! | ends of sockets | from the socket itself (`pidfd_getfd`), or the tables of `/proc` | no |
//! | paths that were opened | after the call | noticed, as in memory that processes share: the file behind the new fd is compared |
//! | paths of opens that no rule can match, which are not told ([`Openings`](crate::Openings)) | before the call | no: only where the thread is alone in its memory, and the path in pages that are the process' own. Another process that may trace this one could write them (`process_vm_writev`, `/proc/PID/mem`) |
//! | other paths, texts, addresses, data | after the call, as the eBPF probe does | yes |
//! | path of an execution, as it was passed | before the call | yes; the program that runs is told beside it (`proc.exepath`) |

//!
//! What a program has the kernel do through a ring (io_uring) is no system call: `io_uring_setup` is told,
//! `io_uring_enter` if somebody asks, what the ring then opens or connects is not. The eBPF probe does not
//! see it either; a rule about `io_uring_setup` does.
//!
//! A program that works against being watched is held to it (`tracer`); without a filter (`--no-filter`)
//! a child that it makes untraced in a race can make a few calls before it is noticed.
//!
//! Where `pidfd_getfd` is refused, as by the default seccomp profiles of container engines, ends of
//! sockets come from the tables of `/proc/PID/net`, some twenty in a second, since a table of TCP takes
//! milliseconds, and from the addresses that callers pass. Then the local end of a connection may be
//! unknown, and the path that a Unix socket sends to; consumers keep what they know from its connect.

use falco_event::{ParamType, Syscall};

pub use falco_source::coverage::{Coverage, Known};

/// How far an event can be trusted where other threads share the caller's memory. With a caller that is
/// alone in its memory, all are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honesty {
    /// Nothing that it tells can be changed by another thread.
    Exact,
    /// Its path is compared with what the kernel used, and corrected.
    Checked,
    /// What its pointers lead to is read after the call: another thread may have changed it in the
    /// meantime.
    AfterTheCall,
    /// What its pointers lead to is read before the call, since it is gone afterwards; what came of it
    /// is told exactly.
    BeforeTheCall,
}

impl Honesty {
    /// In words, about an event.
    pub fn text(self) -> &'static str {
        match self {
            Honesty::Exact => "exact",
            Honesty::Checked => "its path is compared with what the kernel used",
            Honesty::AfterTheCall => {
                "what its pointers lead to is read after the call: another thread may have changed it"
            }
            Honesty::BeforeTheCall => {
                "what its pointers lead to is read before the call: another thread may change it; what \
                 came of it is exact"
            }
        }
    }
}

/// How much this source tells of `call`.
pub fn coverage_of(call: &Syscall) -> Coverage {
    use Coverage::{Full, NotAtAll, Partly};
    match call.name {
        "sched_switch" => NotAtAll("the scheduler's events cannot be seen from user space"),
        "page_fault_user" | "page_fault_kernel" => {
            NotAtAll("page faults cannot be seen from user space")
        }
        "exit" | "exit_group" => NotAtAll("it never returns; procexit tells of it"),
        "accept" | "accept4" => {
            Partly("how many connections wait to be accepted cannot be seen from user space")
        }
        "socketpair" => Partly("kernel addresses of sockets cannot be seen from user space"),
        name if BIRTHS.contains(&name) => {
            Partly("one that fails is not told; the caller's event comes when the child is born")
        }
        "mmap" => Partly("the old mmap of 32-bit programs, number 90, is not told"),
        _ if is_native(call) || is_tracepoint(call) => Full,
        _ => NotAtAll(
            "x86_64 has no such call; those of 32-bit programs are told by their 64-bit names",
        ),
    }
}

const BIRTHS: [&str; 4] = ["clone", "clone3", "fork", "vfork"];

fn is_native(call: &Syscall) -> bool {
    let calls = (0..crate::plan::NUMBERS as u16).filter_map(Syscall::by_x86_64_number);
    calls.into_iter().any(|native| native.id == call.id)
}

/// Not calls, but told all the same.
fn is_tracepoint(call: &Syscall) -> bool {
    matches!(call.name, "sched_process_exit" | "signal_deliver")
}

/// Why a filter field is unknown, or known only in part; none if nothing is wrong with it. Names are
/// without argument.
pub fn field_gap(name: &str) -> Option<&'static str> {
    Some(match name {
        "fd.is_upper_layer"
        | "fd.is_lower_layer"
        | "proc.is_exe_upper_layer"
        | "proc.is_exe_lower_layer" => {
            "layers of an overlay are told only where its upper directory can be seen, which is outside \
             of the container"
        }
        "container.name" | "container.type" | "container.full_id" => METADATA,
        _ if is_metadata(name) => METADATA,
        _ => return None,
    })
}

const METADATA: &str =
    "no container engine is asked: in a container, falco knows its own id at most";

/// What only a container engine could tell.
fn is_metadata(name: &str) -> bool {
    let of_container = name.strip_prefix("container.").is_some_and(|field| {
        !matches!(field, "id" | "start_ts" | "duration" | "name" | "type" | "full_id")
    });
    of_container || name.starts_with("k8s.") || name.starts_with("proc.is_container_")
}

/// What is certain of a field's value in events of `call`, if one is given, and in all others.
pub fn known(field: &str, call: Option<&Syscall>) -> Option<Known> {
    let is_birth = call.is_some_and(|call| BIRTHS.contains(&call.name));
    match field {
        "evt.res" if is_birth => Some(Known::Text("SUCCESS")),
        "evt.failed" if is_birth => Some(Known::Text("false")),
        "evt.rawres" if is_birth => Some(Known::AtLeast(0)),
        // True of nothing: not of the host, and not known in a container.
        "container.privileged"
        | "container.host_pid"
        | "container.host_network"
        | "container.host_ipc"
        | "proc.is_container_healthcheck"
        | "proc.is_container_liveness_probe"
        | "proc.is_container_readiness_probe" => Some(Known::AtMost("false")),
        _ if is_metadata(field) => Some(Known::AtMost("")),
        _ => None,
    }
}

/// How far the event of `call` can be trusted where memory is shared.
pub fn honesty_of(call: &Syscall) -> Honesty {
    match call.name {
        "execve" | "execveat" => Honesty::BeforeTheCall,
        "open" | "openat" | "openat2" | "creat" => Honesty::Checked,
        // What they tell comes from /proc or the new fd, or fits into registers after all.
        "clone" | "fork" | "vfork" | "open_by_handle_at" | "capset" | "accept" | "accept4" => {
            Honesty::Exact
        }
        // The flags are in memory.
        "clone3" => Honesty::AfterTheCall,
        _ if reads_memory(call) => Honesty::AfterTheCall,
        _ => Honesty::Exact,
    }
}

/// Whether an event of the call holds something that the caller's pointers lead to.
fn reads_memory(call: &Syscall) -> bool {
    // Numbers that callers have in structures.
    let has_structures = matches!(
        call.name,
        "pipe"
            | "pipe2"
            | "socketpair"
            | "nanosleep"
            | "semop"
            | "setrlimit"
            | "getrlimit"
            | "prlimit64"
            | "quotactl"
            | "getresuid"
            | "getresgid"
            | "sendfile"
            | "io_uring_setup"
    );
    let code = call.events.iter().rev().find(|code| !code.is_enter());
    let params = code.map_or(&[][..], |code| code.info().params);
    has_structures
        || params.iter().any(|param| {
            matches!(
                param.ty,
                ParamType::CharBuf
                    | ParamType::FsPath
                    | ParamType::FsRelPath
                    | ParamType::ByteBuf
                    | ParamType::SockAddr
                    | ParamType::SockTuple
                    | ParamType::FdList
                    | ParamType::SigSet
                    | ParamType::Dyn
            )
        })
}

#[cfg(test)]
mod tests {
    use falco_event::syscalls::SYSCALLS;

    use super::*;

    fn call(name: &str) -> &'static Syscall {
        Syscall::by_name(name).unwrap()
    }

    #[test]
    fn every_call_has_an_answer_that_fits_what_is_decoded() {
        for call in SYSCALLS {
            let (coverage, honesty) = (coverage_of(call), honesty_of(call));
            assert!(!matches!(coverage, Coverage::NotAtAll("") | Coverage::Partly("")));
            if call.is_generic() {
                assert_eq!(honesty, Honesty::Exact, "{}", call.name);
            }
        }
    }

    #[test]
    fn honesty_follows_what_is_read() {
        let of = |name| honesty_of(call(name));
        assert_eq!(of("openat"), Honesty::Checked);
        assert_eq!(of("execve"), Honesty::BeforeTheCall);
        for name in ["unlink", "connect", "sendto", "write", "poll", "prctl", "setsockopt"] {
            assert_eq!(of(name), Honesty::AfterTheCall, "{name}");
        }
        for name in ["close", "dup2", "setuid", "kill", "mprotect", "fchmod", "socket"] {
            assert_eq!(of(name), Honesty::Exact, "{name}");
        }
        assert_eq!(coverage_of(call("openat2")), coverage_of(call("open")));
        assert_eq!(coverage_of(call("close")), Coverage::Full);
        assert!(matches!(coverage_of(call("sched_switch")), Coverage::NotAtAll(_)));
        // A number of another architecture.
        assert!(matches!(coverage_of(call("s390_runtime_instr")), Coverage::NotAtAll(_)));
    }

    #[test]
    fn what_a_container_cannot_know_is_declared() {
        for name in ["container.name", "container.image.repository", "k8s.pod.name"] {
            assert!(field_gap(name).is_some_and(|why| why.contains("engine")), "{name}");
        }
        for name in ["container.id", "container.duration", "proc.name", "fd.name"] {
            assert_eq!((field_gap(name), known(name, None)), (None, None), "{name}");
        }
        assert!(field_gap("proc.is_exe_upper_layer").is_some());
        assert_eq!(known("k8s.ns.name", None), Some(Known::AtMost("")));
        // Of the host it is known.
        assert_eq!(known("container.name", None), None);
    }

    #[test]
    fn births_that_fail_are_declared() {
        for name in BIRTHS {
            assert!(matches!(coverage_of(call(name)), Coverage::Partly(_)), "{name}");
            assert_eq!(known("evt.res", Some(call(name))), Some(Known::Text("SUCCESS")));
        }
        assert_eq!(known("evt.res", Some(call("open"))), None);
        assert_eq!(known("evt.res", None), None);
    }
}
