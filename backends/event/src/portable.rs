//! The kernel's flags and numbers in the portable ones of events (`PPM_*`).
//!
//! One function a kind of argument, named after it: for sources that have no probe to translate.
//! What an argument has no name for in events has no bit, or the value of "unknown". The kernel's
//! values are those of x86 (`include/uapi/asm-generic` and `arch/x86/include/uapi/asm`); where Falco
//! is odd, so is this, since rules know its events.

use crate::flagsets::*;
use crate::types::NamedValue;

/// The value that events know by `name`.
const fn named(set: &[NamedValue], name: &str) -> u32 {
    let mut at = 0;
    while at < set.len() {
        if is_equal(set[at].name.as_bytes(), name.as_bytes()) {
            return set[at].value;
        }
        at += 1;
    }
    panic!("events know no value of this name")
}

const fn is_equal(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// The kernel's bits, and the names that events have for them.
macro_rules! bits {
    ($set:ident { $($bits:literal $name:ident)* }) => {{
        const BITS: &[(u32, u32)] = &[$(($bits, named($set, stringify!($name)))),*];
        BITS
    }};
}

/// Values in events by the kernel's, from 0.
macro_rules! numbers {
    ($set:ident as $ty:ty { $($name:ident)* }) => {{
        const NUMBERS: &[$ty] = &[$(named($set, stringify!($name)) as $ty),*];
        NUMBERS
    }};
}

/// The portable bits of all entries of which any bit is set.
fn translate(flags: u32, bits: &[(u32, u32)]) -> u32 {
    bits.iter().filter(|(kernel, _)| flags & kernel != 0).fold(0, |out, (_, bit)| out | bit)
}

// Files.

/// Flags of open(2). Falco asks for any bit of `O_TMPFILE` and `O_SYNC`, which have two: its events
/// show `O_TMPFILE` for every `O_DIRECTORY`.
pub fn open_flags(flags: u32) -> u32 {
    let access = match flags & 3 {
        1 => const { named(FILE_FLAGS, "O_WRONLY") },
        2 => const { named(FILE_FLAGS, "O_RDWR") },
        _ => const { named(FILE_FLAGS, "O_RDONLY") },
    };
    let bits = bits!(FILE_FLAGS {
        0o100 O_CREAT
        0o200 O_EXCL
        0o1000 O_TRUNC
        0o2000 O_APPEND
        0o4000 O_NONBLOCK
        0o10000 O_DSYNC
        0o40000 O_DIRECT
        0o100000 O_LARGEFILE
        0o200000 O_DIRECTORY
        0o2000000 O_CLOEXEC
        0o4010000 O_SYNC
        0o20200000 O_TMPFILE
    });
    access | translate(flags, bits)
}

/// Mode of open(2): it counts only where a file may be made.
pub fn open_mode(flags: u32, mode: u32) -> u32 {
    if flags & (0o100 | 0o20_200_000) != 0 { permissions(mode) } else { 0 }
}

/// `O_NONBLOCK` and `O_CLOEXEC` of new fds, as sockets and anonymous inodes take them under names of
/// their own.
pub fn nonblock_cloexec(flags: u32) -> u32 {
    translate(flags, bits!(FILE_FLAGS { 0o4000 O_NONBLOCK 0o2000000 O_CLOEXEC }))
}

/// Flags of pipe2(2).
pub fn pipe_flags(flags: u32) -> u32 {
    nonblock_cloexec(flags) | translate(flags, bits!(FILE_FLAGS { 0o40000 O_DIRECT }))
}

/// Flags of dup3(2).
pub fn dup_flags(flags: u32) -> u32 {
    translate(flags, bits!(FILE_FLAGS { 0o2000000 O_CLOEXEC }))
}

/// `resolve` of openat2(2).
pub fn resolve_flags(resolve: u32) -> u32 {
    let bits = bits!(OPENAT2_FLAGS {
        0x01 RESOLVE_NO_XDEV
        0x02 RESOLVE_NO_MAGICLINKS
        0x04 RESOLVE_NO_SYMLINKS
        0x08 RESOLVE_BENEATH
        0x10 RESOLVE_IN_ROOT
        0x20 RESOLVE_CACHED
    });
    translate(resolve, bits)
}

/// Permission bits of a mode.
pub fn permissions(mode: u32) -> u32 {
    mode & 0o7777
}

/// Mode of mknod(2): permissions and the type, of which none is a regular file.
pub fn mknod_mode(mode: u32) -> u32 {
    let ty = mode & 0o170_000;
    permissions(mode) | if ty == 0 { 0o100_000 } else { ty }
}

/// The device of mknod(2). What the kernel has inside it encodes for user space (`new_encode_dev` of
/// `include/linux/kdev_t.h`); Falco encodes the argument, which is encoded already.
pub const fn device(dev: u32) -> u32 {
    let (major, minor) = (dev >> 20, dev & 0xf_ffff);
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// Mode of access(2).
pub fn access_flags(mode: u32) -> u32 {
    translate(mode, bits!(ACCESS_FLAGS { 1 X_OK 2 W_OK 4 R_OK }))
}

/// Flags of linkat(2).
pub fn linkat_flags(flags: u32) -> u32 {
    translate(flags, bits!(LINKAT_FLAGS { 0x400 AT_SYMLINK_FOLLOW 0x1000 AT_EMPTY_PATH }))
}

/// Flags of unlinkat(2).
pub fn unlinkat_flags(flags: u32) -> u32 {
    translate(flags, bits!(UNLINKAT_FLAGS { 0x200 AT_REMOVEDIR }))
}

/// Flags of fchownat(2). The flag that events call `AT_SYMLINK_NOFOLLOW` has the value of
/// `AT_SYMLINK_FOLLOW`, and Falco sets it for that one.
pub fn fchownat_flags(flags: u32) -> u32 {
    translate(flags, bits!(FCHOWNAT_FLAGS { 0x400 AT_SYMLINK_NOFOLLOW 0x1000 AT_EMPTY_PATH }))
}

/// Flags of newfstatat(2).
pub fn newfstatat_flags(flags: u32) -> u32 {
    let bits = bits!(NEWFSTATAT_FLAGS {
        0x100 AT_SYMLINK_NOFOLLOW
        0x800 AT_NO_AUTOMOUNT
        0x1000 AT_EMPTY_PATH
    });
    translate(flags, bits)
}

/// Flags of mount(2). Old programs mark them so (`MS_MGC_VAL`); the kernel ignores it.
pub fn mount_flags(flags: u32) -> u32 {
    if flags & 0xffff_0000 == 0xC0ED_0000 { flags & 0xffff } else { flags }
}

/// Flags of umount2(2).
pub fn umount_flags(flags: u32) -> u32 {
    flags & 0xf
}

/// Operation of flock(2).
pub fn flock_flags(operation: u32) -> u32 {
    translate(operation, bits!(FLOCK_FLAGS { 1 LOCK_SH 2 LOCK_EX 4 LOCK_NB 8 LOCK_UN }))
}

/// Command of fcntl(2).
pub fn fcntl_command(command: u32) -> u8 {
    // From 0, from 36 and from 1024.
    let low = numbers!(FCNTL_COMMANDS as u8 {
        F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN F_SETSIG
        F_GETSIG F_GETLK64 F_SETLK64 F_SETLKW64 F_SETOWN_EX F_GETOWN_EX
    });
    let ofd = numbers!(FCNTL_COMMANDS as u8 { F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW });
    let linux = numbers!(FCNTL_COMMANDS as u8 {
        F_SETLEASE F_GETLEASE F_NOTIFY UNKNOWN UNKNOWN F_CANCELLK F_DUPFD_CLOEXEC F_SETPIPE_SZ
        F_GETPIPE_SZ
    });
    let (first, commands) = match command {
        ..36 => (0, low),
        36..1024 => (36, ofd),
        _ => (1024, linux),
    };
    commands.get((command - first) as usize).copied().unwrap_or(0)
}

/// `whence` of lseek(2).
pub fn lseek_whence(whence: u64) -> u8 {
    if whence <= 2 { whence as u8 } else { 0 }
}

/// Flags of close_range(2).
pub fn close_range_flags(flags: u32) -> u32 {
    flags & 6
}

/// Flags of memfd_create(2).
pub fn memfd_flags(flags: u32) -> u32 {
    flags & 7
}

/// Flags of pidfd_open(2).
pub fn pidfd_flags(flags: u32) -> u32 {
    translate(flags, bits!(PIDFD_OPEN_FLAGS { 0o4000 PIDFD_NONBLOCK }))
}

/// Flags of epoll_create1(2).
pub fn epoll_create_flags(flags: u32) -> u32 {
    translate(flags, bits!(EPOLL_CREATE1_FLAGS { 0o2000000 EPOLL_CLOEXEC }))
}

/// Flags of splice(2).
pub fn splice_flags(flags: u32) -> u32 {
    flags & 0xf
}

/// Flags of io_uring_setup(2). Events have one more, `IORING_SQ_NEED_WAKEUP`, after the second.
pub fn io_uring_setup_flags(flags: u32) -> u32 {
    (flags & 3) | (flags & 0x7c) << 1
}

/// `features` that io_uring_setup(2) tells.
pub fn io_uring_features(features: u32) -> u32 {
    features & 0x7ff
}

/// Flags of io_uring_enter(2).
pub fn io_uring_enter_flags(flags: u32) -> u32 {
    flags & 0xf
}

/// Events of poll(2): what follows `POLLRDHUP` in events is in other places for the kernel.
pub fn poll_flags(flags: u16) -> u16 {
    (flags & 0x7) | (flags & 0x3f8) << 1 | (flags & 0x2000) >> 10
}

// Sockets.

/// Address family: the kernel's numbers, as far as events know them.
pub fn socket_family(family: u32) -> u32 {
    if family > 39 || family == 27 || family == 28 { 0 } else { family }
}

/// `how` of shutdown(2). "Unknown" has more bits than its parameter.
pub fn shutdown_how(how: u32) -> u8 {
    if how <= 2 { how as u8 } else { const { named(SHUTDOWN_HOW, "SHUT_UNKNOWN") as u8 } }
}

/// `level` of setsockopt(2).
pub fn sockopt_level(level: u32) -> u8 {
    match level {
        1 => const { named(SOCKOPT_LEVELS, "SOL_SOCKET") as u8 },
        6 => const { named(SOCKOPT_LEVELS, "SOL_TCP") as u8 },
        _ => 0,
    }
}

/// An option of a level of setsockopt(2): events know those of `SOL_SOCKET` only.
pub fn sockopt_option(level: u32, option: u32) -> u8 {
    if level == 1 { socket_option(option) } else { 0 }
}

fn socket_option(option: u32) -> u8 {
    let low = numbers!(SOCKOPT_OPTIONS as u8 {
        UNKNOWN SO_DEBUG SO_REUSEADDR SO_TYPE SO_ERROR SO_DONTROUTE SO_BROADCAST SO_SNDBUF SO_RCVBUF
        SO_KEEPALIVE SO_OOBINLINE SO_NO_CHECK SO_PRIORITY SO_LINGER SO_BSDCOMPAT SO_REUSEPORT
        SO_PASSCRED SO_PEERCRED SO_RCVLOWAT SO_SNDLOWAT SO_RCVTIMEO SO_SNDTIMEO
        SO_SECURITY_AUTHENTICATION SO_SECURITY_ENCRYPTION_TRANSPORT SO_SECURITY_ENCRYPTION_NETWORK
        SO_BINDTODEVICE SO_ATTACH_FILTER SO_DETACH_FILTER SO_PEERNAME SO_TIMESTAMP SO_ACCEPTCONN
        SO_PEERSEC SO_SNDBUFFORCE SO_RCVBUFFORCE SO_PASSSEC SO_TIMESTAMPNS SO_MARK SO_TIMESTAMPING
        SO_PROTOCOL SO_DOMAIN SO_RXQ_OVFL SO_WIFI_STATUS SO_PEEK_OFF SO_NOFCS SO_LOCK_FILTER
        SO_SELECT_ERR_QUEUE SO_BUSY_POLL SO_MAX_PACING_RATE SO_BPF_EXTENSIONS SO_INCOMING_CPU
        SO_ATTACH_BPF
    });
    match option {
        55 => const { named(SOCKOPT_OPTIONS, "SO_MEMINFO") as u8 },
        57 => const { named(SOCKOPT_OPTIONS, "SO_COOKIE") as u8 },
        59 => const { named(SOCKOPT_OPTIONS, "SO_PEERGROUPS") as u8 },
        // The same two with 64-bit times for everybody.
        66 => const { named(SOCKOPT_OPTIONS, "SO_RCVTIMEO") as u8 },
        67 => const { named(SOCKOPT_OPTIONS, "SO_SNDTIMEO") as u8 },
        _ => low.get(option as usize).copied().unwrap_or(0),
    }
}

// Processes.

/// Flags of clone(2), unshare(2) and setns(2).
pub fn clone_flags(flags: u32) -> u32 {
    let bits = bits!(CLONE_FLAGS {
        0x00000100 CLONE_VM
        0x00000200 CLONE_FS
        0x00000400 CLONE_FILES
        0x00000800 CLONE_SIGHAND
        0x00002000 CLONE_PTRACE
        0x00004000 CLONE_VFORK
        0x00008000 CLONE_PARENT
        0x00010000 CLONE_THREAD
        0x00020000 CLONE_NEWNS
        0x00040000 CLONE_SYSVSEM
        0x00080000 CLONE_SETTLS
        0x00100000 CLONE_PARENT_SETTID
        0x00200000 CLONE_CHILD_CLEARTID
        0x00800000 CLONE_UNTRACED
        0x01000000 CLONE_CHILD_SETTID
        0x02000000 CLONE_NEWCGROUP
        0x04000000 CLONE_NEWUTS
        0x08000000 CLONE_NEWIPC
        0x10000000 CLONE_NEWUSER
        0x20000000 CLONE_NEWPID
        0x40000000 CLONE_NEWNET
        0x80000000 CLONE_IO
    });
    translate(flags, bits)
}

/// Flags of execveat(2).
pub fn execveat_flags(flags: u32) -> u32 {
    translate(flags, bits!(EXECVEAT_FLAGS { 0x1000 AT_EMPTY_PATH 0x100 AT_SYMLINK_NOFOLLOW }))
}

/// Request of ptrace(2).
pub fn ptrace_request(request: u32) -> u16 {
    let low = numbers!(PTRACE_REQUESTS as u16 {
        PTRACE_TRACEME PTRACE_PEEKTEXT PTRACE_PEEKDATA PTRACE_PEEKUSR PTRACE_POKETEXT PTRACE_POKEDATA
        PTRACE_POKEUSR PTRACE_CONT PTRACE_KILL PTRACE_SINGLESTEP PTRACE_UNKNOWN PTRACE_UNKNOWN
        PTRACE_GETREGS PTRACE_SETREGS PTRACE_GETFPREGS PTRACE_SETFPREGS PTRACE_ATTACH PTRACE_DETACH
        PTRACE_GETFPXREGS PTRACE_SETFPXREGS PTRACE_UNKNOWN PTRACE_OLDSETOPTIONS PTRACE_UNKNOWN
        PTRACE_UNKNOWN PTRACE_SYSCALL PTRACE_GET_THREAD_AREA PTRACE_SET_THREAD_AREA PTRACE_UNKNOWN
        PTRACE_UNKNOWN PTRACE_UNKNOWN PTRACE_ARCH_PRCTL PTRACE_SYSEMU PTRACE_SYSEMU_SINGLESTEP
        PTRACE_SINGLEBLOCK
    });
    // From 0x4200.
    let late = numbers!(PTRACE_REQUESTS as u16 {
        PTRACE_SETOPTIONS PTRACE_GETEVENTMSG PTRACE_GETSIGINFO PTRACE_SETSIGINFO PTRACE_GETREGSET
        PTRACE_SETREGSET PTRACE_SEIZE PTRACE_INTERRUPT PTRACE_LISTEN PTRACE_PEEKSIGINFO
        PTRACE_GETSIGMASK PTRACE_SETSIGMASK
    });
    let (first, requests) = if request < 0x4200 { (0, low) } else { (0x4200, late) };
    requests.get((request - first) as usize).copied().unwrap_or(0)
}

/// Resource of getrlimit(2).
pub fn rlimit_resource(resource: u32) -> u8 {
    if resource <= 15 { resource as u8 } else { 255 }
}

/// Operation of futex(2), with its two flags.
pub fn futex_operation(op: u32) -> u16 {
    let command = op & 127;
    (if command <= 12 { command } else { 0 } | (op & (128 | 256))) as u16
}

/// Capabilities: those that events know, up to `CAP_CHECKPOINT_RESTORE`.
pub fn capabilities(set: u64) -> u64 {
    set & ((1 << 41) - 1)
}

// Memory.

/// Protection of mmap(2) and mprotect(2).
pub fn prot_flags(prot: u32) -> u32 {
    let bits = bits!(PROT_FLAGS {
        0x1 PROT_READ
        0x2 PROT_WRITE
        0x4 PROT_EXEC
        0x8 PROT_SEM
        0x01000000 PROT_GROWSDOWN
        0x02000000 PROT_GROWSUP
    });
    translate(prot, bits)
}

/// Flags of mmap(2).
pub fn mmap_flags(flags: u32) -> u32 {
    let bits = bits!(MMAP_FLAGS {
        0x1 MAP_SHARED
        0x2 MAP_PRIVATE
        0x10 MAP_FIXED
        0x20 MAP_ANONYMOUS
        0x40 MAP_32BIT
        0x100 MAP_GROWSDOWN
        0x800 MAP_DENYWRITE
        0x1000 MAP_EXECUTABLE
        0x2000 MAP_LOCKED
        0x4000 MAP_NORESERVE
        0x8000 MAP_POPULATE
        0x10000 MAP_NONBLOCK
    });
    translate(flags, bits)
}

/// Flags of mlockall(2).
pub fn mlockall_flags(flags: u32) -> u32 {
    flags & 7
}

/// Flags of mlock2(2).
pub fn mlock2_flags(flags: u32) -> u32 {
    flags & 1
}

// The system.

/// Flags of finit_module(2).
pub fn finit_module_flags(flags: u32) -> u32 {
    flags & 7
}

/// Flags of delete_module(2).
pub fn delete_module_flags(flags: u32) -> u32 {
    translate(flags, bits!(DELETE_MODULE_FLAGS { 0o4000 O_NONBLOCK 0o1000 O_TRUNC }))
}

/// Command of quotactl(2), which has the type in its low byte: those from `Q_SYNC`, 0x800001, and
/// XFS' from `Q_XQUOTAON`, `'X' << 8 | 1`.
pub fn quota_command(command: u32) -> u16 {
    let generic = numbers!(QUOTACTL_CMDS as u16 {
        Q_SYNC Q_QUOTAON Q_QUOTAOFF Q_GETFMT Q_GETINFO Q_SETINFO Q_GETQUOTA Q_SETQUOTA
    });
    let xfs = numbers!(QUOTACTL_CMDS as u16 {
        Q_XQUOTAON Q_XQUOTAOFF Q_XGETQUOTA Q_XSETQLIM Q_XGETQSTAT Q_XQUOTARM Q_XQUOTASYNC
    });
    let number = command >> 8;
    let at = |first, commands: &[u16]| commands.get(number.wrapping_sub(first) as usize).copied();
    at(0x80_0001, generic).or_else(|| at(0x5801, xfs)).unwrap_or(0)
}

/// Type of quotactl(2), the low byte of its command.
pub fn quota_type(command: u32) -> u8 {
    match command & 0xff {
        0 => const { named(QUOTACTL_TYPES, "USRQUOTA") as u8 },
        1 => const { named(QUOTACTL_TYPES, "GRPQUOTA") as u8 },
        _ => 0,
    }
}

/// Format of quota files.
pub fn quota_format(format: u32) -> u8 {
    match format {
        1 => const { named(QUOTACTL_QUOTA_FMTS, "QFMT_VFS_OLD") as u8 },
        2 => const { named(QUOTACTL_QUOTA_FMTS, "QFMT_VFS_V0") as u8 },
        4 => const { named(QUOTACTL_QUOTA_FMTS, "QFMT_VFS_V1") as u8 },
        _ => const { named(QUOTACTL_QUOTA_FMTS, "QFMT_NOT_USED") as u8 },
    }
}

/// Flags of semop(2).
pub fn semop_flags(flags: u16) -> u16 {
    translate(flags.into(), bits!(SEMOP_FLAGS { 0o4000 IPC_NOWAIT 0x1000 SEM_UNDO })) as u16
}

/// Flags of semget(2).
pub fn semget_flags(flags: u32) -> u32 {
    translate(flags, bits!(SEMGET_FLAGS { 0o1000 IPC_CREAT 0o2000 IPC_EXCL }))
}

/// Command of semctl(2); 32-bit callers add `IPC_64`, 0x100.
pub fn semctl_command(command: u32) -> u16 {
    let low = numbers!(SEMCTL_COMMANDS as u16 { IPC_RMID IPC_SET IPC_STAT IPC_INFO });
    // From 11.
    let of_semaphores = numbers!(SEMCTL_COMMANDS as u16 {
        GETPID GETVAL GETALL GETNCNT GETZCNT SETVAL SETALL SEM_STAT SEM_INFO
    });
    let command = (command & !0x100) as usize;
    let at = command.checked_sub(11).and_then(|at| of_semaphores.get(at));
    low.get(command).or(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_the_values_of_events() {
        assert_eq!(open_flags(0), 1);
        assert_eq!(open_flags(0o2 | 0o2_000_000 | 0o1100), 3 | 4096 | 256 | 4);
        assert_eq!(open_flags(0o200_000), 1 | 1024 | 8192);
        assert_eq!((open_mode(0o101, 0o100_644), open_mode(1, 0o644)), (0o644, 0));
        assert_eq!(nonblock_cloexec(0o2_044_000), 4096 | 64);
        assert_eq!(pipe_flags(0o2_044_000), 4096 | 64 | 512);
        assert_eq!(dup_flags(0o2_044_000), 4096);
        assert_eq!(device(0x103), 0x10_0003);
        assert_eq!(clone_flags(0x1000_0000 | 0x0001_0000 | 0x11), 0x10_0000 | 0x2000);
        assert_eq!(mmap_flags(0x22), 10);
        assert_eq!(prot_flags(0x0100_0007), 23);
        assert_eq!(resolve_flags(0x08), 1);
        assert_eq!(semop_flags(0x1800), 3);
        assert_eq!(poll_flags(0x2019), 1 | 8 | 16 | 32);
    }

    #[test]
    fn commands_have_the_numbers_of_events() {
        let fcntl = [0, 2, 16, 36, 38, 1024, 1030, 1032].map(fcntl_command);
        assert_eq!(fcntl, [1, 3, 22, 30, 32, 23, 26, 29]);
        assert_eq!([17, 35, 39, 1023, 1033, u32::MAX].map(fcntl_command), [0; 6]);
        assert_eq!([0, 16, 24, 33].map(ptrace_request), [1, 11, 13, 38]);
        assert_eq!([0x4200, 0x4206, 0x420b].map(ptrace_request), [14, 20, 25]);
        assert_eq!([34, 0x41ff, 0x420c, u32::MAX].map(ptrace_request), [0; 4]);
        assert_eq!([1, 2, 50, 57, 66].map(socket_option), [1, 2, 50, 53, 20]);
        assert_eq!([0, 51, 54, u32::MAX].map(socket_option), [0; 4]);
        assert_eq!([0x8000_0200, 0x8000_0801, 0x0058_0100].map(quota_command), [1, 64, 256]);
        assert_eq!([0, 16, 0x110, 19].map(semctl_command), [4, 4096, 4096, 16]);
        assert_eq!([4, 10, 20, u32::MAX].map(semctl_command), [0; 4]);
    }

    #[test]
    fn any_value_has_a_translation() {
        for v in (0..70_000).chain((0..32).flat_map(|bit| [1 << bit, !(1 << bit), u32::MAX >> bit]))
        {
            let _ = (fcntl_command(v), ptrace_request(v), socket_option(v), quota_command(v));
            let _ = (semctl_command(v), futex_operation(v), shutdown_how(v), clone_flags(v));
        }
    }
}
