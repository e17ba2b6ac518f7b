//! [`Plan`]: what the state machine does with each event type, worked out once from the event
//! table, so that the hot path asks one small array.

use falco_event::table::EVENTS;
use falco_event::{EventCode, EventFlags, Origin};

/// Which parser an event goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // one a parser, named after the calls
pub(crate) enum Action {
    None,
    StoreEnter,
    Read,
    Write,
    Open,
    UnshareSetns,
    MemfdCreate,
    Clone,
    PidfdOpen,
    PidfdGetfd,
    Exec,
    Exit,
    Pipe,
    Socket,
    Bind,
    Connect,
    Accept,
    Close,
    CloseRange,
    Fcntl,
    Eventfd,
    Chdir,
    Fchdir,
    Getcwd,
    Dup,
    SingleFd,
    Rlimit,
    Prlimit,
    Socketpair,
    Switch,
    Memory,
    SetUid,
    SetGid,
    Chroot,
    Setsid,
    Capset,
    User,
    Group,
    Prctl,
    Container,
}

/// How an event finds its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finds {
    /// Its thread does not matter to the state machine.
    Nothing,
    /// The entry that there is. Unknown threads stay unknown: the event makes them, ends them, or
    /// is the scheduler's.
    Existing,
    /// The entry that there is, else a placeholder.
    OrPlaceholder,
}

/// What to do with an event type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) action: Action,
    pub(crate) finds: Finds,
    /// The event is in the enter slot (tracepoints are, too).
    pub(crate) enter: bool,
    /// It works on an fd, which is parameter `fd_at`; negative is not known.
    pub(crate) uses_fd: bool,
    pub(crate) fd_at: i8,
    /// Not caused by the machine that is watched.
    pub(crate) meta: bool,
    /// Scheduler events do not count as something that the thread did.
    pub(crate) is_switch: bool,
    /// May stand before a capture's first ordinary event, to complete the snapshot.
    pub(crate) preamble: bool,
    /// No rule sees such events: they complete or check their exit event.
    pub(crate) state_only: bool,
}

/// The plan of an event type; numbers that the table does not know get one that does nothing.
#[inline]
pub(crate) fn of(code: EventCode) -> &'static Plan {
    PLANS.get(code.0 as usize).unwrap_or(&UNKNOWN)
}

static UNKNOWN: Plan = Plan {
    action: Action::None,
    finds: Finds::Nothing,
    enter: false,
    uses_fd: false,
    fd_at: -1,
    meta: true,
    is_switch: false,
    preamble: false,
    state_only: false,
};

static PLANS: [Plan; EventCode::COUNT] = {
    let mut plans = [UNKNOWN; EventCode::COUNT];
    let mut at = 0;
    while at < EventCode::COUNT {
        plans[at] = plan(EventCode(at as u16));
        at += 1;
    }
    plans
};

const fn plan(code: EventCode) -> Plan {
    let info = &EVENTS[code.0 as usize];
    let uses_fd = info.flags.bits() & EventFlags::USES_FD.bits() != 0;
    let enter = code.0 & 1 == 0;
    Plan {
        action: action(code),
        finds: finds(code, info.flags),
        enter,
        uses_fd,
        fd_at: if !uses_fd {
            -1
        } else if enter {
            enter_fd(code)
        } else {
            exit_fd(code)
        },
        meta: matches!(info.origin, Origin::Metaevent),
        is_switch: is(code, &[EventCode::SCHEDSWITCH_6_E]),
        preamble: falco_source::is_initial_state(code),
        state_only: falco_source::completes_exit(code),
    }
}

const fn is(code: EventCode, any: &[EventCode]) -> bool {
    let mut at = 0;
    while at < any.len() {
        if any[at].0 == code.0 {
            return true;
        }
        at += 1;
    }
    false
}

const fn finds(code: EventCode, flags: EventFlags) -> Finds {
    use EventCode as E;
    let skips = flags.bits() & EventFlags::SKIPPARSERESET.bits() != 0;
    let meta = &[
        E::CONTAINER_JSON_2_E,
        E::USER_ADDED_E,
        E::USER_DELETED_E,
        E::GROUP_ADDED_E,
        E::GROUP_DELETED_E,
        E::PLUGINEVENT_E,
        E::ASYNCEVENT_E,
    ];
    let existing = &[
        E::SYSCALL_CLONE_20_X,
        E::SYSCALL_CLONE3_X,
        E::SYSCALL_FORK_20_X,
        E::SYSCALL_VFORK_20_X,
        E::SCHEDSWITCH_6_E,
        E::PROCEXIT_1_E,
    ];
    if skips || is(code, meta) {
        Finds::Nothing
    } else if is(code, existing) {
        Finds::Existing
    } else {
        Finds::OrPlaceholder
    }
}

/// Where enter events that work on an fd have it.
const fn enter_fd(code: EventCode) -> i8 {
    match code {
        EventCode::SYSCALL_MMAP_E | EventCode::SYSCALL_MMAP2_E => 4,
        EventCode::SYSCALL_SPLICE_E => 1,
        _ => 0,
    }
}

/// Where exit events that work on an fd have it. Source: libscap `scap_event.c`; several that
/// carry an fd are not in its list, so neither are they here.
const fn exit_fd(code: EventCode) -> i8 {
    use EventCode as E;
    match code {
        E::SYSCALL_SETNS_X
        | E::SOCKET_LISTEN_X
        | E::SOCKET_SHUTDOWN_X
        | E::SYSCALL_FCHDIR_X
        | E::SYSCALL_LSEEK_X
        | E::SYSCALL_LLSEEK_X
        | E::SYSCALL_IOCTL_3_X
        | E::SYSCALL_FSTAT_X
        | E::SYSCALL_CLOSE_X
        | E::SYSCALL_GETDENTS_X
        | E::SYSCALL_GETDENTS64_X
        | E::SYSCALL_FLOCK_X
        | E::SYSCALL_COPY_FILE_RANGE_X
        | E::SYSCALL_FCNTL_X
        | E::SYSCALL_DUP_1_X
        | E::SYSCALL_DUP2_X
        | E::SYSCALL_DUP3_X
        | E::SYSCALL_NEWFSTATAT_X
        | E::SYSCALL_FCHOWNAT_X
        | E::SYSCALL_FCHMODAT_X
        | E::SYSCALL_MKDIRAT_X
        | E::SYSCALL_UNLINKAT_2_X
        | E::SYSCALL_MKNODAT_X
        | E::SOCKET_SENDMMSG_X
        | E::SOCKET_RECVMMSG_X
        | E::SYSCALL_IO_URING_REGISTER_X
        | E::SYSCALL_IO_URING_ENTER_X
        | E::SOCKET_SETSOCKOPT_X
        | E::SOCKET_GETSOCKOPT_X
        | E::SYSCALL_FSCONFIG_X
        | E::SYSCALL_FINIT_MODULE_X
        | E::SYSCALL_FCHMOD_X
        | E::SYSCALL_FCHOWN_X => 1,
        E::SYSCALL_READ_X
        | E::SYSCALL_PREAD_X
        | E::SOCKET_BIND_X
        | E::SYSCALL_WRITE_X
        | E::SYSCALL_PWRITE_X
        | E::SOCKET_RECV_X
        | E::SOCKET_SEND_X
        | E::SOCKET_SENDTO_X
        | E::SOCKET_SENDMSG_X
        | E::SYSCALL_SENDFILE_X
        | E::SYSCALL_SPLICE_X
        | E::SYSCALL_WRITEV_X
        | E::SYSCALL_PWRITEV_X
        | E::SOCKET_CONNECT_X
        | E::SYSCALL_SYMLINKAT_X => 2,
        E::SOCKET_RECVFROM_X | E::SYSCALL_READV_X | E::SYSCALL_PREADV_X => 3,
        E::SOCKET_RECVMSG_X => 5,
        E::SYSCALL_MMAP_X | E::SYSCALL_MMAP2_X => 8,
        _ => -1,
    }
}

const fn action(code: EventCode) -> Action {
    use EventCode as E;
    match code {
        E::SYSCALL_OPEN_E
        | E::SYSCALL_CREAT_E
        | E::SYSCALL_OPENAT_2_E
        | E::SYSCALL_OPENAT2_E
        | E::SYSCALL_EXECVE_19_E
        | E::SYSCALL_EXECVEAT_E
        | E::SOCKET_CONNECT_E => Action::StoreEnter,
        E::SYSCALL_READ_X
        | E::SYSCALL_READV_X
        | E::SYSCALL_PREAD_X
        | E::SYSCALL_PREADV_X
        | E::SOCKET_RECV_X
        | E::SOCKET_RECVFROM_X
        | E::SOCKET_RECVMSG_X
        | E::SOCKET_RECVMMSG_X => Action::Read,
        E::SYSCALL_WRITE_X
        | E::SYSCALL_WRITEV_X
        | E::SYSCALL_PWRITE_X
        | E::SYSCALL_PWRITEV_X
        | E::SOCKET_SEND_X
        | E::SOCKET_SENDTO_X
        | E::SOCKET_SENDMSG_X
        | E::SOCKET_SENDMMSG_X => Action::Write,
        E::SYSCALL_OPEN_X
        | E::SYSCALL_CREAT_X
        | E::SYSCALL_OPENAT_2_X
        | E::SYSCALL_OPENAT2_X
        | E::SYSCALL_OPEN_BY_HANDLE_AT_X => Action::Open,
        E::SYSCALL_UNSHARE_X | E::SYSCALL_SETNS_X => Action::UnshareSetns,
        E::SYSCALL_MEMFD_CREATE_X => Action::MemfdCreate,
        E::SYSCALL_CLONE_20_X
        | E::SYSCALL_FORK_20_X
        | E::SYSCALL_VFORK_20_X
        | E::SYSCALL_CLONE3_X => Action::Clone,
        E::SYSCALL_PIDFD_OPEN_X => Action::PidfdOpen,
        E::SYSCALL_PIDFD_GETFD_X => Action::PidfdGetfd,
        E::SYSCALL_EXECVE_19_X | E::SYSCALL_EXECVEAT_X => Action::Exec,
        E::PROCEXIT_1_E => Action::Exit,
        E::SYSCALL_PIPE_X | E::SYSCALL_PIPE2_X => Action::Pipe,
        E::SOCKET_SOCKET_X => Action::Socket,
        E::SOCKET_BIND_X => Action::Bind,
        E::SOCKET_CONNECT_X => Action::Connect,
        E::SOCKET_ACCEPT_5_X | E::SOCKET_ACCEPT4_6_X => Action::Accept,
        E::SYSCALL_CLOSE_X => Action::Close,
        E::SYSCALL_CLOSE_RANGE_X => Action::CloseRange,
        E::SYSCALL_FCNTL_X => Action::Fcntl,
        E::SYSCALL_EVENTFD_X | E::SYSCALL_EVENTFD2_X => Action::Eventfd,
        E::SYSCALL_CHDIR_X => Action::Chdir,
        E::SYSCALL_FCHDIR_X => Action::Fchdir,
        E::SYSCALL_GETCWD_X => Action::Getcwd,
        E::SYSCALL_DUP_1_X | E::SYSCALL_DUP2_X | E::SYSCALL_DUP3_X => Action::Dup,
        E::SYSCALL_SIGNALFD_X
        | E::SYSCALL_SIGNALFD4_X
        | E::SYSCALL_TIMERFD_CREATE_X
        | E::SYSCALL_INOTIFY_INIT_X
        | E::SYSCALL_INOTIFY_INIT1_X
        | E::SYSCALL_BPF_2_X
        | E::SYSCALL_USERFAULTFD_X
        | E::SYSCALL_IO_URING_SETUP_X
        | E::SYSCALL_EPOLL_CREATE_X
        | E::SYSCALL_EPOLL_CREATE1_X => Action::SingleFd,
        E::SYSCALL_GETRLIMIT_X | E::SYSCALL_SETRLIMIT_X => Action::Rlimit,
        E::SYSCALL_PRLIMIT_X => Action::Prlimit,
        E::SOCKET_SOCKETPAIR_X => Action::Socketpair,
        E::SCHEDSWITCH_6_E => Action::Switch,
        E::SYSCALL_BRK_4_X | E::SYSCALL_MMAP_X | E::SYSCALL_MMAP2_X | E::SYSCALL_MUNMAP_X => {
            Action::Memory
        }
        E::SYSCALL_SETRESUID_X | E::SYSCALL_SETREUID_X | E::SYSCALL_SETUID_X => Action::SetUid,
        E::SYSCALL_SETRESGID_X | E::SYSCALL_SETREGID_X | E::SYSCALL_SETGID_X => Action::SetGid,
        E::SYSCALL_CHROOT_X => Action::Chroot,
        E::SYSCALL_SETSID_X => Action::Setsid,
        E::SYSCALL_CAPSET_X => Action::Capset,
        E::USER_ADDED_E | E::USER_DELETED_E => Action::User,
        E::GROUP_ADDED_E | E::GROUP_DELETED_E => Action::Group,
        E::SYSCALL_PRCTL_X => Action::Prctl,
        E::ASYNCEVENT_E | E::CONTAINER_E | E::CONTAINER_JSON_E | E::CONTAINER_JSON_2_E => {
            Action::Container
        }
        _ => Action::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use falco_event::ParamType;

    #[test]
    fn fd_positions_name_fd_parameters() {
        for code in EventCode::all() {
            let plan = of(code);
            let params = code.info().params;
            if let Some(param) = usize::try_from(plan.fd_at).ok().and_then(|at| params.get(at)) {
                assert_eq!(param.ty, ParamType::Fd, "{code:?}");
            }
        }
    }

    #[test]
    fn what_makes_or_ends_a_thread_makes_no_placeholder() {
        assert_eq!(of(EventCode::SYSCALL_CLONE_20_X).finds, Finds::Existing);
        assert_eq!(of(EventCode::PROCEXIT_1_E).finds, Finds::Existing);
        assert_eq!(of(EventCode::SYSCALL_EXECVE_19_X).finds, Finds::OrPlaceholder);
        assert_eq!(of(EventCode::GENERIC_X).finds, Finds::OrPlaceholder);
        assert_eq!(of(EventCode::PAGE_FAULT_E).finds, Finds::Nothing);
        assert_eq!(of(EventCode(9999)).action, Action::None);
    }
}
