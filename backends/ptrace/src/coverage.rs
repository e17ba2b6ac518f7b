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
//! | paths that were opened | after the call | noticed: the file behind the new fd is compared |
//! | other paths, texts, addresses, data | after the call, as the eBPF probe does | yes |
//! | path of an execution, as it was passed | before the call | yes; the program that runs is told beside it (`proc.exepath`) |

//!
//! Where `pidfd_getfd` is refused, as by the default seccomp profiles of container engines, ends of
//! sockets come from the tables of `/proc/PID/net`, some twenty in a second, since a table of TCP takes
//! milliseconds, and from the addresses that callers pass. Then the local end of a connection may be
//! unknown, and the path that a Unix socket sends to; consumers keep what they know from its connect.

use falco_event::{ParamType, Syscall};

/// How much of a system call this source tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// All that the eBPF probe tells of it.
    Full,
    /// Less: what is missing.
    Partly(&'static str),
    /// Nothing: why.
    NotAtAll(&'static str),
}

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
        "clone" | "clone3" | "fork" | "vfork" => {
            Partly("one that fails is not told; the caller's event comes when the child is born")
        }
        "execve" | "execveat" | "open" | "openat" | "openat2" | "creat" | "open_by_handle_at" => {
            Partly("layers of an overlay are told only where its upper directory can be seen")
        }
        "mmap" => Partly("the old mmap of 32-bit programs, number 90, is not told"),
        _ if is_native(call) || is_tracepoint(call) => Full,
        _ => NotAtAll("x86_64 has no such call"),
    }
}

fn is_native(call: &Syscall) -> bool {
    let calls = (0..crate::plan::NUMBERS as u16).filter_map(Syscall::by_x86_64_number);
    calls.into_iter().any(|native| native.id == call.id)
}

/// Not calls, but told all the same.
fn is_tracepoint(call: &Syscall) -> bool {
    matches!(call.name, "sched_process_exit" | "signal_deliver")
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
}
