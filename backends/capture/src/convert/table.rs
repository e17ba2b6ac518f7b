//! How events of older schemas become today's: one line a shape.
//!
//! Until schema 4.0 a call's parameters were split between its enter and its exit event; today
//! the exit event has them all. So enter events are kept until their exit event takes what it
//! lacks, and calls that got further parameters over time have one line for each count. A result
//! that is itself listed is converted again, until it is a shape of today.
//!
//! ```text
//! TYPE  parameters => store               keep it for the exit event; it is not delivered
//!                  => pass                deliver it
//!                  => store_and_pass      both
//!                  => append [SOURCES]    the same type with further parameters
//!                  => OTHER_TYPE [SOURCES]
//!
//! sources:  O2      parameter 2 of this event (O0_7: those from 0 to 7)
//!           E2      parameter 2 of the enter event; the type's default if that was lost
//!           e2      parameter 2 of the enter event; empty if that was lost
//!           0       the type's default: zero, for user and group ids "none"
//!           _       empty
//!           JSON    the description of a container, from its four parameters
//! ```
//!
//! Source of the facts: falcosecurity/libs `engine/savefile/converter/table.cpp`. This module
//! holds the table and finds lines in it; [`super`] applies them.

use falco_event::EventCode;

/// Where a parameter of the new event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The parameters from `first` to `last` of the event that is converted.
    Old { first: u8, last: u8 },
    /// A parameter of the enter event, or its type's default.
    Enter(u8),
    /// A parameter of the enter event, or nothing.
    EnterOrEmpty(u8),
    /// The type's default.
    Default,
    /// Nothing.
    Empty,
    /// A JSON description of the container whose id, type, name and image the event has.
    ContainerJson,
}

/// What is done with a shape.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Store,
    Pass,
    StoreAndPass,
    Append(&'static [Source]),
    Become(EventCode, &'static [Source]),
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Entry {
    pub code: EventCode,
    pub nparams: u8,
    pub action: Action,
}

/// The line for events of type `code` with `nparams` parameters.
pub(super) fn find(code: EventCode, nparams: usize) -> Option<&'static Entry> {
    let start = usize::from(*START.get(usize::from(code.0))?);
    let lines = ENTRIES.get(start..)?.iter().take_while(|entry| entry.code == code);
    lines.into_iter().find(|entry| usize::from(entry.nparams) == nparams)
}

/// The parameter count with which events of this type pass as they are, if there is one.
pub(super) const fn passes_with(code: usize) -> Option<u8> {
    let mut i = 0;
    while i < ENTRIES.len() {
        if ENTRIES[i].code.0 as usize == code && matches!(ENTRIES[i].action, Action::Pass) {
            return Some(ENTRIES[i].nparams);
        }
        i += 1;
    }
    None
}

/// Where the lines of each type begin; they stand together. Types without a line point behind the
/// table.
static START: [u16; EventCode::COUNT] = {
    let mut start = [ENTRIES.len() as u16; EventCode::COUNT];
    let mut i = ENTRIES.len();
    while i > 0 {
        i -= 1;
        start[ENTRIES[i].code.0 as usize] = i as u16;
    }
    start
};

macro_rules! source {
    (_) => {
        Source::Empty
    };
    (0) => {
        Source::Default
    };
    ($name:ident) => {
        sources::$name
    };
}

macro_rules! action {
    (store) => { Action::Store };
    (pass) => { Action::Pass };
    (store_and_pass) => { Action::StoreAndPass };
    (append [$($source:tt)*]) => { Action::Append(&[$(source!($source)),*]) };
    ($to:ident [$($source:tt)*]) => { Action::Become(EventCode::$to, &[$(source!($source)),*]) };
}

macro_rules! conversions {
    ($($code:ident $nparams:literal => $what:ident $([$($source:tt)*])?)*) => {
        const ENTRIES: &[Entry] = &[$(Entry {
            code: EventCode::$code,
            nparams: $nparams,
            action: action!($what $([$($source)*])?),
        }),*];
    };
}

conversions! {
    GENERIC_E                   2 => store
    GENERIC_X                   1 => append [e1]
    SYSCALL_OPEN_E              0 => append [_ _ _]
    SYSCALL_OPEN_E              3 => pass
    SYSCALL_OPEN_X              4 => append [_]
    SYSCALL_OPEN_X              5 => append [_]
    SYSCALL_CLOSE_E             1 => store
    SYSCALL_CLOSE_X             1 => append [E0]
    SYSCALL_READ_E              2 => store
    SYSCALL_READ_X              2 => append [E0 E1]
    SYSCALL_LINK_E              2 => store
    SYSCALL_LINK_X              1 => SYSCALL_LINK_2_X [O0 e0 e1]
    SYSCALL_LINKAT_E            4 => store
    SYSCALL_LINKAT_X            1 => SYSCALL_LINKAT_2_X [O0 e0 e1 e2 e3 _]
    SYSCALL_UNLINK_E            1 => store
    SYSCALL_UNLINK_X            1 => SYSCALL_UNLINK_2_X [O0 e0]
    SYSCALL_UNLINKAT_E          2 => store
    SYSCALL_UNLINKAT_X          1 => SYSCALL_UNLINKAT_2_X [O0 e0 e1 _]
    SYSCALL_PREAD_E             3 => store
    SYSCALL_PREAD_X             2 => append [E0 E1 E2]
    SYSCALL_DUP_E               1 => store
    SYSCALL_DUP_X               1 => SYSCALL_DUP_1_X [O0 e0]
    SYSCALL_SIGNALFD_E          3 => store
    SYSCALL_SIGNALFD_X          1 => append [E0 E1 E2]
    SYSCALL_KILL_E              2 => store
    SYSCALL_KILL_X              1 => append [E0 E1]
    SYSCALL_TKILL_E             2 => store
    SYSCALL_TKILL_X             1 => append [E0 E1]
    SYSCALL_TGKILL_E            3 => store
    SYSCALL_TGKILL_X            1 => append [E0 E1 E2]
    SYSCALL_NANOSLEEP_E         1 => store
    SYSCALL_NANOSLEEP_X         1 => append [E0]
    SYSCALL_TIMERFD_CREATE_E    2 => store
    SYSCALL_TIMERFD_CREATE_X    1 => append [E0 E1]
    SYSCALL_INOTIFY_INIT_E      1 => store
    SYSCALL_INOTIFY_INIT_X      1 => append [E0]
    SYSCALL_GETRLIMIT_E         1 => store
    SYSCALL_GETRLIMIT_X         3 => append [E0]
    SYSCALL_SETRLIMIT_E         1 => store
    SYSCALL_SETRLIMIT_X         3 => append [E0]
    SYSCALL_PRLIMIT_E           2 => store
    SYSCALL_PRLIMIT_X           5 => append [e0 e1]
    SCHEDSWITCH_1_E             1 => SCHEDSWITCH_6_E [O0 _ _ _ _ _]
    SYSCALL_FCNTL_E             2 => store
    SYSCALL_FCNTL_X             1 => append [E0 E1]
    SYSCALL_FCNTL_X             3 => append [0]
    SYSCALL_BRK_1_E             1 => store
    SYSCALL_BRK_1_X             1 => SYSCALL_BRK_4_X [O0 e0 _ _ _]
    SYSCALL_BRK_4_E             1 => store
    SYSCALL_BRK_4_X             4 => append [e0]
    SYSCALL_EXECVE_8_E          0 => SYSCALL_EXECVE_13_E []
    SYSCALL_EXECVE_8_X          8 => SYSCALL_EXECVE_13_X [O0_7 _ _ _ _ _]
    SYSCALL_EXECVE_13_E         0 => SYSCALL_EXECVE_14_E []
    SYSCALL_EXECVE_13_X        13 => SYSCALL_EXECVE_14_X [O0_12 _]
    SYSCALL_EXECVE_14_E         0 => SYSCALL_EXECVE_15_E []
    SYSCALL_EXECVE_14_X        14 => SYSCALL_EXECVE_15_X [O0_12 _ O13]
    SYSCALL_EXECVE_15_E         0 => SYSCALL_EXECVE_16_E []
    SYSCALL_EXECVE_15_X        15 => SYSCALL_EXECVE_16_X [O0_13 _ O14]
    SYSCALL_EXECVE_16_E         0 => SYSCALL_EXECVE_17_E []
    SYSCALL_EXECVE_16_X        16 => SYSCALL_EXECVE_17_X [O0_15 _]
    SYSCALL_EXECVE_17_E         0 => SYSCALL_EXECVE_18_E [_]
    SYSCALL_EXECVE_17_X        17 => SYSCALL_EXECVE_18_X [O0_16]
    SYSCALL_EXECVE_18_E         1 => SYSCALL_EXECVE_19_E [O0]
    SYSCALL_EXECVE_18_X        17 => SYSCALL_EXECVE_19_X [O0_16 _]
    SYSCALL_EXECVE_19_E         1 => store_and_pass
    SYSCALL_EXECVE_19_X        18 => append [_]
    SYSCALL_EXECVE_19_X        19 => append [_]
    SYSCALL_EXECVE_19_X        20 => append [_ _ _]
    SYSCALL_EXECVE_19_X        23 => append [_ _ _]
    SYSCALL_EXECVE_19_X        26 => append [_]
    SYSCALL_EXECVE_19_X        27 => append [_]
    SYSCALL_EXECVE_19_X        28 => append [_]
    SYSCALL_EXECVE_19_X        29 => append [_]
    SYSCALL_EXECVE_19_X        30 => append [e0]
    SYSCALL_CLONE_11_X         11 => SYSCALL_CLONE_16_X [O0_7 _ _ _ _ _ O8 O9 O10]
    SYSCALL_CLONE_16_X         16 => SYSCALL_CLONE_17_X [O0_12 _ O13 O14 O15]
    SYSCALL_CLONE_17_X         17 => SYSCALL_CLONE_20_X [O0_13 _ O14 O15 O16 _ _]
    SYSCALL_CLONE_20_X         20 => append [_]
    SOCKET_BIND_E               1 => store
    SOCKET_BIND_X               2 => append [E0]
    SOCKET_CONNECT_E            1 => append [0]
    SOCKET_CONNECT_E            2 => store_and_pass
    SOCKET_CONNECT_X            2 => append [E0]
    SOCKET_CONNECT_X            3 => append [E1]
    PROCEXIT_E                  0 => PROCEXIT_1_E [_ _ _ _ _]
    SOCKET_SOCKET_E             3 => store
    SOCKET_SOCKET_X             1 => append [E0 E1 E2]
    SOCKET_SOCKET_X             4 => append [0]
    SOCKET_LISTEN_E             2 => store
    SOCKET_LISTEN_X             1 => append [E0 E1]
    SOCKET_ACCEPT_X             3 => SOCKET_ACCEPT_5_X [O0 O1 O2 0 0]
    SYSCALL_WRITE_E             2 => store
    SYSCALL_WRITE_X             2 => append [E0 E1]
    SYSCALL_PWRITE_E            3 => store
    SYSCALL_PWRITE_X            2 => append [E0 E1 E2]
    SYSCALL_READV_E             1 => store
    SYSCALL_READV_X             3 => append [E0]
    SYSCALL_WRITEV_E            2 => store
    SYSCALL_WRITEV_X            2 => append [E0 E1]
    SYSCALL_PREADV_E            2 => store
    SYSCALL_PREADV_X            3 => append [E0 E1]
    SYSCALL_PWRITEV_E           3 => store
    SYSCALL_PWRITEV_X           2 => append [E0 E1 E2]
    SYSCALL_SETRESUID_E         3 => store
    SYSCALL_SETRESUID_X         1 => append [e0 e1 e2]
    SYSCALL_SETUID_E            1 => store
    SYSCALL_SETUID_X            1 => append [e0]
    SOCKET_RECV_E               2 => store
    SOCKET_RECV_X               2 => append [E0 E1 0]
    SOCKET_RECVFROM_E           2 => store
    SOCKET_RECVFROM_X           3 => append [E0 E1]
    SOCKET_SEND_E               2 => store
    SOCKET_SEND_X               2 => append [E0 E1 0]
    SOCKET_SENDTO_E             3 => store
    SOCKET_SENDTO_X             2 => append [E0 E1 E2]
    SOCKET_SHUTDOWN_E           2 => store
    SOCKET_SHUTDOWN_X           1 => append [E0 E1]
    SOCKET_SOCKETPAIR_E         3 => store
    SOCKET_SOCKETPAIR_X         5 => append [E0 E1 E2]
    SOCKET_SENDMSG_E            3 => store
    SOCKET_SENDMSG_X            2 => append [E0 E1 E2]
    SOCKET_SENDMMSG_X           0 => append [0 _ _ _ _]
    SOCKET_RECVMSG_E            1 => store
    SOCKET_RECVMSG_X            4 => append [0]
    SOCKET_RECVMSG_X            5 => append [E0]
    SOCKET_RECVMMSG_X           0 => append [0 _ _ _ _ _]
    SYSCALL_CREAT_E             0 => append [_ _]
    SYSCALL_CREAT_E             2 => pass
    SYSCALL_CREAT_X             3 => append [_]
    SYSCALL_CREAT_X             4 => append [_]
    SYSCALL_CREAT_X             5 => append [_]
    SYSCALL_EVENTFD_E           2 => store
    SYSCALL_EVENTFD_X           1 => append [E0 E1]
    SYSCALL_MKDIR_2_E           1 => store
    SYSCALL_MKDIR_2_X           2 => append [e0]
    SYSCALL_MKDIR_E             2 => store
    SYSCALL_MKDIR_X             1 => SYSCALL_MKDIR_2_X [O0 e0 e1]
    SYSCALL_RMDIR_E             1 => store
    SYSCALL_RMDIR_X             1 => SYSCALL_RMDIR_2_X [O0 e0]
    SYSCALL_OPENAT_E            4 => store
    SYSCALL_OPENAT_X            1 => SYSCALL_OPENAT_2_X [O0 e0 e1 e2 e3 _ _]
    SYSCALL_OPENAT_2_E          0 => append [_ _ _ _]
    SYSCALL_OPENAT_2_E          4 => pass
    SYSCALL_OPENAT_2_X          5 => append [_]
    SYSCALL_OPENAT_2_X          6 => append [_]
    SYSCALL_UNSHARE_E           1 => store
    SYSCALL_UNSHARE_X           1 => append [E0]
    SYSCALL_FUTEX_E             3 => store
    SYSCALL_FUTEX_X             1 => append [E0 E1 E2]
    SYSCALL_FSTAT_E             1 => store
    SYSCALL_FSTAT_X             1 => append [E0]
    SYSCALL_EPOLLWAIT_E         1 => store
    SYSCALL_EPOLLWAIT_X         1 => append [E0]
    SYSCALL_POLL_E              2 => store
    SYSCALL_POLL_X              2 => append [E1]
    SYSCALL_NEWSELECT_X         1 => SYSCALL_SELECT_X [O0]
    SYSCALL_LSEEK_E             3 => store
    SYSCALL_LSEEK_X             1 => append [E0 E1 E2]
    SYSCALL_LLSEEK_E            3 => store
    SYSCALL_LLSEEK_X            1 => append [E0 E1 E2]
    SYSCALL_IOCTL_2_E           2 => store
    SYSCALL_IOCTL_2_X           1 => SYSCALL_IOCTL_3_X [O0 e0 e1 _]
    SYSCALL_IOCTL_3_E           3 => store
    SYSCALL_IOCTL_3_X           1 => append [E0 E1 E2]
    SYSCALL_MMAP_E              6 => store
    SYSCALL_MMAP_X              4 => append [E0 E1 E2 E3 E4 E5]
    SYSCALL_MMAP2_E             6 => store
    SYSCALL_MMAP2_X             4 => append [E0 E1 E2 E3 E4 E5]
    SYSCALL_MUNMAP_E            2 => store
    SYSCALL_MUNMAP_X            4 => append [E0 E1]
    SYSCALL_SPLICE_E            4 => store
    SYSCALL_SPLICE_X            1 => append [E0 E1 E2 E3]
    SYSCALL_PTRACE_E            2 => store
    SYSCALL_PTRACE_X            0 => append [_ _ _]
    SYSCALL_PTRACE_X            3 => append [e0 e1]
    SYSCALL_FORK_X             16 => SYSCALL_FORK_17_X [O0_12 _ O13 O14 O15]
    SYSCALL_FORK_17_X          17 => SYSCALL_FORK_20_X [O0_13 _ O14 O15 O16 _ _]
    SYSCALL_FORK_20_X          20 => append [_]
    SYSCALL_VFORK_X            16 => SYSCALL_VFORK_17_X [O0_12 _ O13 O14 O15]
    SYSCALL_VFORK_17_X         17 => SYSCALL_VFORK_20_X [O0_13 _ O14 O15 O16 _ _]
    SYSCALL_VFORK_20_X         20 => append [_]
    SYSCALL_SENDFILE_E          4 => store
    SYSCALL_SENDFILE_X          2 => append [E0 E1 E3]
    SYSCALL_QUOTACTL_E          4 => store
    SYSCALL_QUOTACTL_X         14 => append [E0 E1 E2 E3]
    SYSCALL_FCHDIR_E            1 => store
    SYSCALL_FCHDIR_X            1 => append [e0]
    SYSCALL_GETDENTS_E          1 => store
    SYSCALL_GETDENTS_X          1 => append [E0]
    SYSCALL_GETDENTS64_E        1 => store
    SYSCALL_GETDENTS64_X        1 => append [E0]
    SYSCALL_SETNS_E             2 => store
    SYSCALL_SETNS_X             1 => append [e0 e1]
    SYSCALL_FLOCK_E             2 => store
    SYSCALL_FLOCK_X             1 => append [E0 E1]
    SYSCALL_SEMOP_E             1 => store
    SYSCALL_SEMOP_X             8 => append [E0]
    SYSCALL_SEMCTL_E            4 => store
    SYSCALL_SEMCTL_X            1 => append [E0 E1 E2 E3]
    SYSCALL_PPOLL_E             3 => store
    SYSCALL_PPOLL_X             2 => append [E1 E2]
    SYSCALL_MOUNT_E             1 => store
    SYSCALL_MOUNT_X             4 => append [E0]
    SYSCALL_UMOUNT_X            2 => SYSCALL_UMOUNT_1_X [O0 O1]
    SYSCALL_SEMGET_E            3 => store
    SYSCALL_SEMGET_X            1 => append [E0 E1 E2]
    SYSCALL_ACCESS_E            1 => store
    SYSCALL_ACCESS_X            2 => append [E0]
    CONTAINER_E                 4 => CONTAINER_JSON_E [JSON]
    CONTAINER_JSON_E            1 => CONTAINER_JSON_2_E [O0]
    SYSCALL_SETGID_E            1 => store
    SYSCALL_SETGID_X            1 => append [e0]
    SYSCALL_SETPGID_E           2 => store
    SYSCALL_SETPGID_X           1 => append [e0 e1]
    SYSCALL_BPF_E               1 => store
    SYSCALL_BPF_X               1 => SYSCALL_BPF_2_X [O0 e0]
    SYSCALL_SECCOMP_E           1 => append [0]
    SYSCALL_SECCOMP_E           2 => store
    SYSCALL_SECCOMP_X           1 => append [E0 E1]
    SYSCALL_OPENAT2_E           0 => append [_ _ _ _ _]
    SYSCALL_OPENAT2_E           5 => pass
    SYSCALL_OPENAT2_X           6 => append [_ _]
    SYSCALL_MPROTECT_E          3 => store
    SYSCALL_MPROTECT_X          1 => append [E0 E1 E2]
    SYSCALL_EXECVEAT_E          3 => pass
    SYSCALL_EXECVEAT_X         19 => append [_]
    SYSCALL_EXECVEAT_X         20 => append [_ _ _]
    SYSCALL_EXECVEAT_X         23 => append [_ _ _]
    SYSCALL_EXECVEAT_X         26 => append [_]
    SYSCALL_EXECVEAT_X         27 => append [_]
    SYSCALL_EXECVEAT_X         28 => append [_]
    SYSCALL_EXECVEAT_X         29 => append [_]
    SYSCALL_COPY_FILE_RANGE_E   3 => store
    SYSCALL_COPY_FILE_RANGE_X   3 => append [E0 E1 E2]
    SYSCALL_CLONE3_X           20 => append [_]
    SYSCALL_EPOLL_CREATE_E      1 => store
    SYSCALL_EPOLL_CREATE_X      1 => append [E0]
    SYSCALL_EPOLL_CREATE1_E     1 => store
    SYSCALL_EPOLL_CREATE1_X     1 => append [E0]
    SYSCALL_SETRESGID_E         3 => store
    SYSCALL_SETRESGID_X         1 => append [e0 e1 e2]
    SOCKET_ACCEPT4_E            1 => store
    SOCKET_ACCEPT4_X            3 => SOCKET_ACCEPT4_6_X [O0 O1 O2 0 0 E0]
    SOCKET_ACCEPT4_5_E          1 => store
    SOCKET_ACCEPT4_5_X          5 => SOCKET_ACCEPT4_6_X [O0_4 E0]
    SOCKET_ACCEPT4_6_E          1 => store
    SOCKET_ACCEPT4_6_X          5 => append [E0]
    SYSCALL_UMOUNT2_E           1 => store
    SYSCALL_UMOUNT2_X           2 => append [E0]
    SYSCALL_EVENTFD2_E          1 => store
    SYSCALL_EVENTFD2_X          2 => append [E0]
    SYSCALL_SIGNALFD4_E         2 => store
    SYSCALL_SIGNALFD4_X         2 => append [E0 E1]
}

/// The names of the sources in the table.
mod sources {
    use super::Source::{self, ContainerJson, Enter, EnterOrEmpty};

    const fn old(first: u8, last: u8) -> Source {
        Source::Old { first, last }
    }

    pub(super) const O0: Source = old(0, 0);
    pub(super) const O1: Source = old(1, 1);
    pub(super) const O2: Source = old(2, 2);
    pub(super) const O8: Source = old(8, 8);
    pub(super) const O9: Source = old(9, 9);
    pub(super) const O10: Source = old(10, 10);
    pub(super) const O13: Source = old(13, 13);
    pub(super) const O14: Source = old(14, 14);
    pub(super) const O15: Source = old(15, 15);
    pub(super) const O16: Source = old(16, 16);
    pub(super) const O0_4: Source = old(0, 4);
    pub(super) const O0_7: Source = old(0, 7);
    pub(super) const O0_12: Source = old(0, 12);
    pub(super) const O0_13: Source = old(0, 13);
    pub(super) const O0_15: Source = old(0, 15);
    pub(super) const O0_16: Source = old(0, 16);
    pub(super) const E0: Source = Enter(0);
    pub(super) const E1: Source = Enter(1);
    pub(super) const E2: Source = Enter(2);
    pub(super) const E3: Source = Enter(3);
    pub(super) const E4: Source = Enter(4);
    pub(super) const E5: Source = Enter(5);
    #[allow(non_upper_case_globals)]
    pub(super) mod or_empty {
        use super::{EnterOrEmpty, Source};
        pub(crate) const e0: Source = EnterOrEmpty(0);
        pub(crate) const e1: Source = EnterOrEmpty(1);
        pub(crate) const e2: Source = EnterOrEmpty(2);
        pub(crate) const e3: Source = EnterOrEmpty(3);
    }
    pub(super) use or_empty::{e0, e1, e2, e3};
    pub(super) const JSON: Source = ContainerJson;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use falco_event::EventFlags;

    use super::*;

    #[test]
    fn lines_of_a_type_stand_together_and_each_shape_has_one() {
        let mut shapes = HashSet::new();
        let mut done = HashSet::new();
        for pair in ENTRIES.windows(2) {
            if pair[0].code != pair[1].code {
                done.insert(pair[0].code);
            }
            assert!(!done.contains(&pair[1].code), "{:?}", pair[1].code);
        }
        for entry in ENTRIES {
            assert!(shapes.insert((entry.code, entry.nparams)), "{entry:?}");
            let found = find(entry.code, usize::from(entry.nparams)).unwrap();
            assert_eq!((found.code, found.nparams), (entry.code, entry.nparams));
        }
        assert_eq!(ENTRIES.len(), 253);
        assert!(find(EventCode::SYSCALL_OPEN_X, 6).is_none());
        assert!(find(EventCode(9999), 0).is_none());
    }

    #[test]
    fn every_line_leads_towards_a_shape_of_today() {
        for entry in ENTRIES {
            assert!(entry.code.has(EventFlags::CONV), "{entry:?}");
            let old = usize::from(entry.nparams);
            let width = |sources: &[Source]| -> usize {
                let width = |source: &Source| match source {
                    Source::Old { first, last } => {
                        assert!(usize::from(*last) < old, "{entry:?}");
                        usize::from(last - first) + 1
                    }
                    _ => 1,
                };
                sources.iter().map(width).sum()
            };
            let (code, nparams) = match entry.action {
                Action::Append(sources) => (entry.code, old + width(sources)),
                Action::Become(code, sources) => (code, width(sources)),
                _ => continue,
            };
            let today = code.info().params.len();
            assert!(nparams <= today, "{entry:?} makes {nparams} of {today} parameters");
            let complete = nparams == today && !code.has(EventFlags::OLD);
            let goes_on = find(code, nparams).is_some();
            let dropped = code.has(EventFlags::OLD) && !code.has(EventFlags::CONV);
            assert!(complete || goes_on || dropped, "{entry:?} ends nowhere");
        }
    }

    #[test]
    fn enter_sources_exist_in_the_enter_event() {
        for entry in ENTRIES {
            let (Action::Append(sources) | Action::Become(_, sources)) = entry.action else {
                continue;
            };
            for source in sources {
                if let Source::Enter(i) | Source::EnterOrEmpty(i) = source {
                    let enter = EventCode(entry.code.0 - 1);
                    assert!(usize::from(*i) < enter.info().params.len(), "{entry:?}");
                }
            }
        }
    }
}
