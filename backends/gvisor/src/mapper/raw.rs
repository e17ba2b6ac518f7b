//! System calls told by their numbers and arguments alone (`syscall/sysno/N`), on x86-64.
//!
//! Where numbers and flags are all that an event has, or most of it, it is the event of any other source;
//! what only memory holds (paths, texts, structures) is empty, "could not be read". A line reads as the
//! parameters of the event table, as in the eBPF probe (`backends/modern-ebpf/probe/events`). Calls
//! whose memory the tables would need (execve, capset, chdir …) and those without an event of their
//! own are told by name only.

use std::sync::LazyLock;

use falco_event::portable;
use falco_event::{EventBuilder, EventCode, EventFlags, Syscall};

use super::{At, Mapper, write};
use crate::proto::{self, ContextData};
use falco_source::events::Events;

/// Numbers that are kept account of.
pub(super) const NUMBERS: usize = 512;

/// How a parameter comes from a call. Arguments count from 0.
#[derive(Clone, Copy)]
enum Word {
    /// What the call returned, as 64 bits or 32.
    Result,
    Result32,
    /// How many bytes went over: the result, 0 if it failed.
    Moved,
    /// An `int` as 64 bits: an fd, a pid.
    Int(usize),
    /// An argument, by its width.
    U8(usize),
    U16(usize),
    U32(usize),
    U64(usize),
    /// Flags or a number of Linux's in those of events.
    Flags8(usize, fn(u32) -> u8),
    Flags16(usize, fn(u32) -> u16),
    Flags32(usize, fn(u32) -> u32),
    /// An `int` without its sign, as 64 bits.
    Flags32As64(usize),
    /// Level and name of a socket's option.
    SockoptLevel,
    SockoptName,
    /// A process that the tables look up.
    Known(usize),
    /// It could not be read: `N` parameters.
    Nothing(usize),
}

use Word::{
    Flags8, Flags16, Flags32, Flags32As64, Int, Known, Moved, Nothing, Result, Result32,
    SockoptLevel, SockoptName, U8, U16, U32, U64,
};

/// A path or another text.
const PATH: Word = Nothing(1);
/// What went over.
const DATA: Word = Nothing(1);
/// Sizes of memory.
const MEMORY: Word = Nothing(3);

/// The event of a call, and its parameters.
fn event_of(number: u64) -> Option<(EventCode, &'static [Word])> {
    use EventCode as E;
    Some(match number {
        // Data.
        0 => (E::SYSCALL_READ_X, &[Result, DATA, Int(0), U32(2)]),
        1 => (E::SYSCALL_WRITE_X, &[Result, DATA, Int(0), U32(2)]),
        17 => (E::SYSCALL_PREAD_X, &[Result, DATA, Int(0), U32(2), U64(3)]),
        18 => (E::SYSCALL_PWRITE_X, &[Result, DATA, Int(0), U32(2), U64(3)]),
        19 => (E::SYSCALL_READV_X, &[Result, Moved, DATA, Int(0)]),
        20 => (E::SYSCALL_WRITEV_X, &[Result, DATA, Int(0), Moved]),
        295 | 327 => (E::SYSCALL_PREADV_X, &[Result, Moved, DATA, Int(0), U64(3)]),
        296 | 328 => (E::SYSCALL_PWRITEV_X, &[Result, DATA, Int(0), Moved, U64(3)]),
        40 => (E::SYSCALL_SENDFILE_X, &[Result, Nothing(1), Int(0), Int(1), U64(3)]),
        310 => (E::SYSCALL_PROCESS_VM_READV_X, &[Result, Int(0), DATA]),
        311 => (E::SYSCALL_PROCESS_VM_WRITEV_X, &[Result, Int(0), DATA]),

        // Files by name.
        2 => (
            E::SYSCALL_OPEN_X,
            &[Result, PATH, Flags32(1, portable::open_flags), U32(2), Nothing(2)],
        ),
        257 => (
            E::SYSCALL_OPENAT_2_X,
            &[Result, Int(0), PATH, Flags32(2, portable::open_flags), U32(3), Nothing(2)],
        ),
        437 => (E::SYSCALL_OPENAT2_X, &[Result, Int(0), PATH, Nothing(5)]),
        85 => (E::SYSCALL_CREAT_X, &[Result, PATH, U32(1), Nothing(2), Nothing(1)]),
        304 => (
            E::SYSCALL_OPEN_BY_HANDLE_AT_X,
            &[Result, Int(0), Flags32(2, portable::open_flags), PATH, Nothing(2)],
        ),
        4 => (E::SYSCALL_STAT_X, &[Result, PATH]),
        6 => (E::SYSCALL_LSTAT_X, &[Result, PATH]),
        21 => (E::SYSCALL_ACCESS_X, &[Result, PATH, Flags32(1, portable::access_flags)]),
        262 => (
            E::SYSCALL_NEWFSTATAT_X,
            &[Result, Int(0), PATH, Flags32(3, portable::newfstatat_flags)],
        ),
        82 => (E::SYSCALL_RENAME_X, &[Result, PATH, PATH]),
        264 => (E::SYSCALL_RENAMEAT_X, &[Result, Int(0), PATH, Int(2), PATH]),
        316 => (E::SYSCALL_RENAMEAT2_X, &[Result, Int(0), PATH, Int(2), PATH, U32(4)]),
        83 => (E::SYSCALL_MKDIR_2_X, &[Result, PATH, U32(1)]),
        258 => (E::SYSCALL_MKDIRAT_X, &[Result, Int(0), PATH, U32(2)]),
        84 => (E::SYSCALL_RMDIR_2_X, &[Result, PATH]),
        86 => (E::SYSCALL_LINK_2_X, &[Result, PATH, PATH]),
        265 => (
            E::SYSCALL_LINKAT_2_X,
            &[Result, Int(0), PATH, Int(2), PATH, Flags32(4, portable::linkat_flags)],
        ),
        87 => (E::SYSCALL_UNLINK_2_X, &[Result, PATH]),
        263 => {
            (E::SYSCALL_UNLINKAT_2_X, &[Result, Int(0), PATH, Flags32(2, portable::unlinkat_flags)])
        }
        88 => (E::SYSCALL_SYMLINK_X, &[Result, PATH, PATH]),
        266 => (E::SYSCALL_SYMLINKAT_X, &[Result, PATH, Int(1), PATH]),
        90 => (E::SYSCALL_CHMOD_X, &[Result, PATH, Flags32(1, permissions)]),
        268 => (E::SYSCALL_FCHMODAT_X, &[Result, Int(0), PATH, Flags32(2, permissions)]),
        92 => (E::SYSCALL_CHOWN_X, &[Result, PATH, U32(1), U32(2)]),
        94 => (E::SYSCALL_LCHOWN_X, &[Result, PATH, U32(1), U32(2)]),
        260 => (
            E::SYSCALL_FCHOWNAT_X,
            &[Result, Int(0), PATH, U32(2), U32(3), Flags32(4, portable::fchownat_flags)],
        ),
        133 => (
            E::SYSCALL_MKNOD_X,
            &[Result, PATH, Flags32(1, portable::mknod_mode), Flags32(2, portable::device)],
        ),
        259 => (
            E::SYSCALL_MKNODAT_X,
            &[Result, Int(0), PATH, Flags32(2, portable::mknod_mode), Flags32(3, portable::device)],
        ),
        165 => (E::SYSCALL_MOUNT_X, &[Result, Nothing(3), Flags32(3, portable::mount_flags)]),
        166 => (E::SYSCALL_UMOUNT2_X, &[Result, PATH, Flags32(1, low4)]),
        431 => (E::SYSCALL_FSCONFIG_X, &[Result, Int(0), U32(1), Nothing(3), U32(4)]),

        // Files by fd.
        3 => (E::SYSCALL_CLOSE_X, &[Result, Int(0)]),
        5 => (E::SYSCALL_FSTAT_X, &[Result, Int(0)]),
        8 => (E::SYSCALL_LSEEK_X, &[Result, Int(0), U64(1), Flags8(2, whence)]),
        16 => (E::SYSCALL_IOCTL_3_X, &[Result, Int(0), U64(1), U64(2)]),
        73 => (E::SYSCALL_FLOCK_X, &[Result, Int(0), Flags32(1, portable::flock_flags)]),
        78 => (E::SYSCALL_GETDENTS_X, &[Result, Int(0)]),
        217 => (E::SYSCALL_GETDENTS64_X, &[Result, Int(0)]),
        81 => (E::SYSCALL_FCHDIR_X, &[Result, Int(0)]),
        91 => (E::SYSCALL_FCHMOD_X, &[Result, Int(0), Flags32(1, permissions)]),
        93 => (E::SYSCALL_FCHOWN_X, &[Result, Int(0), U32(1), U32(2)]),
        72 => (E::SYSCALL_FCNTL_X, &[Result, Int(0), Flags8(1, portable::fcntl_command), U64(2)]),
        32 => (E::SYSCALL_DUP_1_X, &[Result, Int(0)]),
        33 => (E::SYSCALL_DUP2_X, &[Result, Int(0), Int(1)]),
        292 => (E::SYSCALL_DUP3_X, &[Result, Int(0), Int(1), Flags32(2, portable::dup_flags)]),
        436 => (E::SYSCALL_CLOSE_RANGE_X, &[Result, U32(0), U32(1), Flags32(2, close_range_flags)]),
        275 => (E::SYSCALL_SPLICE_X, &[Result, Int(0), Int(2), U64(4), Flags32(5, low4)]),
        326 => (E::SYSCALL_COPY_FILE_RANGE_X, &[Result, Int(2), U64(3), Int(0), U64(1), U64(4)]),

        // Fds of other kinds.
        22 => (E::SYSCALL_PIPE_X, &[Result, Nothing(3)]),
        293 => (E::SYSCALL_PIPE2_X, &[Result, Nothing(3), Flags32(1, portable::pipe_flags)]),
        284 => (E::SYSCALL_EVENTFD_X, &[Result, Flags32As64(0), Nothing(1)]),
        290 => (E::SYSCALL_EVENTFD2_X, &[Result, Flags16(1, nonblock_cloexec), Flags32As64(0)]),
        282 => (E::SYSCALL_SIGNALFD_X, &[Result, Int(0), Nothing(2)]),
        289 => {
            (E::SYSCALL_SIGNALFD4_X, &[Result, Flags16(3, nonblock_cloexec), Int(0), Nothing(1)])
        }
        283 => (E::SYSCALL_TIMERFD_CREATE_X, &[Result, U8(0), Flags8(1, nonblock)]),
        253 => (E::SYSCALL_INOTIFY_INIT_X, &[Result, Nothing(1)]),
        294 => (E::SYSCALL_INOTIFY_INIT1_X, &[Result, Flags16(0, nonblock_cloexec)]),
        213 => (E::SYSCALL_EPOLL_CREATE_X, &[Result, U32(0)]),
        291 => (E::SYSCALL_EPOLL_CREATE1_X, &[Result, Flags32(0, epoll_flags)]),
        323 => (E::SYSCALL_USERFAULTFD_X, &[Result, U32(0)]),
        319 => (E::SYSCALL_MEMFD_CREATE_X, &[Result, PATH, Flags32(1, low3)]),
        434 => (E::SYSCALL_PIDFD_OPEN_X, &[Result, Known(0), Flags32(1, pidfd_flags)]),
        438 => (E::SYSCALL_PIDFD_GETFD_X, &[Result, Int(0), Int(1), U32(2)]),
        425 => (E::SYSCALL_IO_URING_SETUP_X, &[Result, U32(0), Nothing(6)]),
        426 => (
            E::SYSCALL_IO_URING_ENTER_X,
            &[Result, Int(0), U32(1), U32(2), Flags32(3, low4), U32(4)],
        ),
        427 => (E::SYSCALL_IO_URING_REGISTER_X, &[Result, Int(0), U16(1), U64(2), U32(3)]),
        321 => (E::SYSCALL_BPF_2_X, &[Result, U32(0)]),

        // Sockets.
        41 => (
            E::SOCKET_SOCKET_X,
            &[
                Result,
                Flags32(0, portable::socket_family),
                U32(1),
                U32(2),
                Flags32(1, portable::nonblock_cloexec),
            ],
        ),
        53 => (
            E::SOCKET_SOCKETPAIR_X,
            &[Result, Nothing(4), Flags32(0, portable::socket_family), U32(1), U32(2)],
        ),
        42 => (E::SOCKET_CONNECT_X, &[Result, Nothing(1), Int(0), Nothing(1)]),
        49 => (E::SOCKET_BIND_X, &[Result, Nothing(1), Int(0)]),
        50 => (E::SOCKET_LISTEN_X, &[Result, Int(0), U32(1)]),
        43 => (E::SOCKET_ACCEPT_5_X, &[Result, Nothing(4)]),
        288 => {
            (E::SOCKET_ACCEPT4_6_X, &[Result, Nothing(4), Flags32(3, portable::nonblock_cloexec)])
        }
        48 => (E::SOCKET_SHUTDOWN_X, &[Result, Int(0), Flags8(1, portable::shutdown_how)]),
        51 => (E::SOCKET_GETSOCKNAME_X, &[]),
        52 => (E::SOCKET_GETPEERNAME_X, &[]),
        44 => (E::SOCKET_SENDTO_X, &[Result, DATA, Int(0), U32(2), Nothing(1)]),
        45 => (E::SOCKET_RECVFROM_X, &[Result, DATA, Nothing(1), Int(0), U32(2)]),
        46 => (E::SOCKET_SENDMSG_X, &[Result, DATA, Int(0), Moved, Nothing(1)]),
        47 => (E::SOCKET_RECVMSG_X, &[Result, Moved, DATA, Nothing(2), Int(0)]),
        307 => (E::SOCKET_SENDMMSG_X, &[Result, Int(0), Nothing(3)]),
        299 => (E::SOCKET_RECVMMSG_X, &[Result, Int(0), Nothing(4)]),
        54 => (
            E::SOCKET_SETSOCKOPT_X,
            &[Result, Int(0), SockoptLevel, SockoptName, Nothing(1), U32(4)],
        ),
        55 => (E::SOCKET_GETSOCKOPT_X, &[Result, Int(0), SockoptLevel, SockoptName, Nothing(2)]),

        // Memory.
        9 => (
            E::SYSCALL_MMAP_X,
            &[
                Result,
                MEMORY,
                U64(0),
                U64(1),
                Flags32(2, portable::prot_flags),
                Flags32(3, portable::mmap_flags),
                Int(4),
                U64(5),
            ],
        ),
        10 => (E::SYSCALL_MPROTECT_X, &[Result, U64(0), U64(1), Flags32(2, portable::prot_flags)]),
        11 => (E::SYSCALL_MUNMAP_X, &[Result, MEMORY, U64(0), U64(1)]),
        12 => (E::SYSCALL_BRK_4_X, &[Result, MEMORY, U64(0)]),
        149 => (E::SYSCALL_MLOCK_X, &[Result, U64(0), U64(1)]),
        150 => (E::SYSCALL_MUNLOCK_X, &[Result, U64(0), U64(1)]),
        151 => (E::SYSCALL_MLOCKALL_X, &[Result, Flags32(0, low3)]),
        152 => (E::SYSCALL_MUNLOCKALL_X, &[Result]),
        325 => (E::SYSCALL_MLOCK2_X, &[Result, U64(0), U64(1), Flags32(2, low1)]),

        // Users, sessions, limits, namespaces.
        102 => (E::SYSCALL_GETUID_X, &[Result32]),
        104 => (E::SYSCALL_GETGID_X, &[Result32]),
        107 => (E::SYSCALL_GETEUID_X, &[Result32]),
        108 => (E::SYSCALL_GETEGID_X, &[Result32]),
        105 => (E::SYSCALL_SETUID_X, &[Result, U32(0)]),
        106 => (E::SYSCALL_SETGID_X, &[Result, U32(0)]),
        113 => (E::SYSCALL_SETREUID_X, &[Result, U32(0), U32(1)]),
        114 => (E::SYSCALL_SETREGID_X, &[Result, U32(0), U32(1)]),
        117 => (E::SYSCALL_SETRESUID_X, &[Result, U32(0), U32(1), U32(2)]),
        119 => (E::SYSCALL_SETRESGID_X, &[Result, U32(0), U32(1), U32(2)]),
        118 => (E::SYSCALL_GETRESUID_X, &[Result, Nothing(3)]),
        120 => (E::SYSCALL_GETRESGID_X, &[Result, Nothing(3)]),
        109 => (E::SYSCALL_SETPGID_X, &[Result, Int(0), Int(1)]),
        97 => (E::SYSCALL_GETRLIMIT_X, &[Result, Nothing(2), Flags8(0, portable::rlimit_resource)]),
        160 => {
            (E::SYSCALL_SETRLIMIT_X, &[Result, Nothing(2), Flags8(0, portable::rlimit_resource)])
        }
        302 => (
            E::SYSCALL_PRLIMIT_X,
            &[Result, Nothing(4), Known(0), Flags8(1, portable::rlimit_resource)],
        ),
        272 => (E::SYSCALL_UNSHARE_X, &[Result, Flags32(0, portable::clone_flags)]),
        308 => (E::SYSCALL_SETNS_X, &[Result, Int(0), Flags32(1, portable::clone_flags)]),
        317 => (E::SYSCALL_SECCOMP_X, &[Result, U64(0), Flags32As64(1)]),

        // Signals, tracing, waiting.
        62 => (E::SYSCALL_KILL_X, &[Result, Int(0), U8(1)]),
        200 => (E::SYSCALL_TKILL_X, &[Result, Int(0), U8(1)]),
        234 => (E::SYSCALL_TGKILL_X, &[Result, Int(0), Int(1), U8(2)]),
        101 => (
            E::SYSCALL_PTRACE_X,
            &[Result, Nothing(2), Flags16(0, portable::ptrace_request), Int(1)],
        ),
        35 => (E::SYSCALL_NANOSLEEP_X, &[Result, Nothing(1)]),
        202 => {
            (E::SYSCALL_FUTEX_X, &[Result, U64(0), Flags16(1, portable::futex_operation), U64(2)])
        }
        7 => (E::SYSCALL_POLL_X, &[Result, Nothing(1), Int(2)]),
        271 => (E::SYSCALL_PPOLL_X, &[Result, Nothing(3)]),
        23 => (E::SYSCALL_SELECT_X, &[Result]),
        232 => (E::SYSCALL_EPOLLWAIT_X, &[Result, Int(2)]),

        // The rest.
        64 => (E::SYSCALL_SEMGET_X, &[Result, U32(0), U32(1), Flags32(2, portable::semget_flags)]),
        65 => (E::SYSCALL_SEMOP_X, &[Result, U32(2), Nothing(6), U32(0)]),
        66 => (
            E::SYSCALL_SEMCTL_X,
            &[Result, U32(0), U32(1), Flags16(2, portable::semctl_command), Nothing(1)],
        ),
        175 => (E::SYSCALL_INIT_MODULE_X, &[Result, Nothing(1), U64(1), PATH]),
        313 => (E::SYSCALL_FINIT_MODULE_X, &[Result, Int(0), PATH, Flags32(2, low3)]),
        176 => {
            (E::SYSCALL_DELETE_MODULE_X, &[Result, PATH, Flags32(1, portable::delete_module_flags)])
        }
        250 => (E::SYSCALL_KEYCTL_X, &[Result, U32(0), Nothing(4)]),
        _ => return None,
    })
}

fn low1(flags: u32) -> u32 {
    flags & 1
}

fn low3(flags: u32) -> u32 {
    flags & 7
}

fn low4(flags: u32) -> u32 {
    flags & 15
}

fn permissions(mode: u32) -> u32 {
    mode & 0o7777
}

/// `CLOSE_RANGE_UNSHARE` and `CLOSE_RANGE_CLOEXEC`, which events have as they are.
fn close_range_flags(flags: u32) -> u32 {
    flags & 6
}

fn whence(whence: u32) -> u8 {
    if whence <= 2 { whence as u8 } else { 0 }
}

fn nonblock_cloexec(flags: u32) -> u16 {
    portable::nonblock_cloexec(flags) as u16
}

/// What fits into a byte of those two.
fn nonblock(flags: u32) -> u8 {
    portable::nonblock_cloexec(flags) as u8
}

/// `EPOLL_CLOEXEC` is `O_CLOEXEC`.
fn epoll_flags(flags: u32) -> u32 {
    u32::from(portable::dup_flags(flags) != 0)
}

/// `PIDFD_NONBLOCK` is `O_NONBLOCK`.
fn pidfd_flags(flags: u32) -> u32 {
    u32::from(portable::nonblock_cloexec(flags) & 64 != 0)
}

/// The portable id of a call by its number; 0 is unknown.
pub(super) fn portable_id(number: u16) -> u16 {
    static IDS: LazyLock<Box<[u16]>> = LazyLock::new(|| {
        let id = |number| Syscall::by_x86_64_number(number).map_or(0, |call| call.id);
        (0..NUMBERS as u16).map(id).collect()
    });
    IDS.get(usize::from(number)).copied().unwrap_or(0)
}

const NR_CLOSE: u64 = 3;
const NR_GETCWD: u64 = 79;
const NR_FCHDIR: u64 = 81;
const NR_PRCTL: u64 = 157;
const NR_CLONE: u64 = 56;
const NR_FORK: u64 = 57;
const NR_VFORK: u64 = 58;
const NR_SETSID: u64 = 112;
const NR_CLONE3: u64 = 435;
const NR_CLOSE_RANGE: u64 = 436;
const NR_MMAP: u64 = 9;
const NR_FCNTL: u64 = 72;
const CLOSE_RANGE_CLOEXEC: u64 = 4;
const PR_SET_NAME: u32 = 15;
const PR_GET_NAME: u32 = 16;
/// Its argument is an address that the answer is written to.
const PR_GET_CHILD_SUBREAPER: u32 = 37;

impl Mapper {
    /// A call by its number has returned.
    pub(super) fn raw_call(
        &mut self,
        call: &proto::Syscall,
        context: &ContextData,
        res: i64,
        at: At,
        out: &mut Events,
    ) {
        if self.spoken.contains(call.sysno) {
            return;
        }
        let args = [call.arg1, call.arg2, call.arg3, call.arg4, call.arg5, call.arg6];
        use EventCode as E;
        match call.sysno {
            NR_CLOSE => return self.closed(i64::from(args[0] as i32), res, at, out),
            NR_SETSID => return self.set_session(res, at, out),
            NR_CLONE => {
                let flags = portable::clone_flags(args[0] as u32);
                return self.clone_returned(E::SYSCALL_CLONE_20_X, flags, at, res, out);
            }
            NR_FORK => return self.clone_returned(E::SYSCALL_FORK_20_X, 0, at, res, out),
            NR_VFORK => return self.clone_returned(E::SYSCALL_VFORK_20_X, 0, at, res, out),
            // Its flags are in memory.
            NR_CLONE3 => return self.clone_returned(E::SYSCALL_CLONE3_X, 0, at, res, out),
            NR_GETCWD if !context.cwd.is_empty() => {
                return self.tell(out, at, E::SYSCALL_GETCWD_X, |b| {
                    write::path(b.i64(res), if res >= 0 { &context.cwd } else { &[] });
                });
            }
            NR_PRCTL if args[0] as u32 != PR_GET_CHILD_SUBREAPER => {
                let option = args[0] as u32;
                let is_name = matches!(option, PR_SET_NAME | PR_GET_NAME);
                return self.tell(out, at, E::SYSCALL_PRCTL_X, |b| {
                    let number = if is_name { 0 } else { args[1] };
                    b.i64(res).u32(option).empty().u64(number);
                });
            }
            _ => {}
        }
        let Some((code, words)) = event_of(call.sysno) else {
            return self.generic(call.sysno, at, out);
        };
        self.account_for(call.sysno, code, &args, res, at);
        let known = words.iter().find_map(|word| match *word {
            Known(n) => self.known_pid(args[n] as i32, at),
            _ => None,
        });
        self.tell(out, at, code, |b| words.iter().for_each(|word| word.put(&args, res, known, b)));
        if call.sysno == NR_FCHDIR {
            self.moved(&[], res, context, at, out);
        }
    }

    /// Keeps account of the fds that a call made or closed.
    fn account_for(&mut self, sysno: u64, code: EventCode, args: &[u64; 6], res: i64, at: At) {
        self.sees_mmap |= sysno == NR_MMAP;
        let Some(process) = self.tables.processes.get_mut(&at.pid) else { return };
        if res < 0 {
            return;
        }
        if sysno == NR_CLOSE_RANGE && args[2] & CLOSE_RANGE_CLOEXEC == 0 {
            process.fds.close_range(args[0] as u32 as i64, args[1] as u32 as i64);
        }
        if code.has(EventFlags::CREATES_FD) || sysno == NR_FCNTL {
            // What its event tells is no name, or nothing: a path is to tell, should one come.
            process.fds.close(res);
            process.unbind(res);
        }
    }
}

impl Word {
    fn put(self, args: &[u64; 6], res: i64, known: Option<i64>, b: &mut EventBuilder) {
        match self {
            Result => b.i64(res),
            Result32 => b.u32(res as u32),
            Moved => b.u32(res.max(0) as u32),
            Int(n) => b.i64(i64::from(args[n] as i32)),
            U8(n) => b.u8(args[n] as u8),
            U16(n) => b.u16(args[n] as u16),
            U32(n) => b.u32(args[n] as u32),
            U64(n) => b.u64(args[n]),
            Flags8(n, of) => b.u8(of(args[n] as u32)),
            Flags16(n, of) => b.u16(of(args[n] as u32)),
            Flags32(n, of) => b.u32(of(args[n] as u32)),
            Flags32As64(n) => b.u64((args[n] as u32).into()),
            SockoptLevel => b.u8(portable::sockopt_level(args[1] as u32)),
            SockoptName => b.u8(portable::sockopt_option(args[1] as u32, args[2] as u32)),
            Known(_) => match known {
                Some(pid) => b.i64(pid),
                None => b.empty(),
            },
            Nothing(count) => (0..count).fold(b, |b, _| b.empty()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use falco_event::ParamType;

    /// Every line has as many parameters as the table, each as wide as its type.
    #[test]
    fn lines_follow_the_event_table() {
        let mut lines = 0;
        for number in 0..NUMBERS as u64 {
            let Some((code, words)) = event_of(number) else { continue };
            lines += 1;
            let mut b = EventBuilder::new();
            b.start(1, 1, code);
            words.iter().for_each(|word| word.put(&[1; 6], 1, Some(1), &mut b));
            let event = b.finish(0, 0).unwrap();
            assert_eq!(event.nparams(), code.info().params.len(), "{code:?}");
            for (param, info) in event.params().zip(code.info().params) {
                let width = match info.ty {
                    _ if param.is_empty() => 0,
                    ParamType::Uint8 | ParamType::Flags8 | ParamType::EnumFlags8 => 1,
                    ParamType::SigType => 1,
                    ParamType::Uint16 | ParamType::Flags16 | ParamType::EnumFlags16 => 2,
                    ParamType::Uint32
                    | ParamType::Int32
                    | ParamType::Flags32
                    | ParamType::EnumFlags32
                    | ParamType::Uid
                    | ParamType::Gid
                    | ParamType::Mode
                    | ParamType::SigSet => 4,
                    _ => 8,
                };
                assert_eq!(param.len(), width, "{code:?} {}", info.name);
            }
            let name = Syscall::by_x86_64_number(number as u16).map(|call| call.name).unwrap();
            let shown = code.info().name;
            let same = name.starts_with(shown) || shown.starts_with(name);
            assert!(same || name == "prlimit64", "{number} is {name}, not {shown}");
        }
        assert!(lines > 120, "{lines}");
    }
}
