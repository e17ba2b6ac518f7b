//! Linux's flags and numbers (x86-64 and the generic ABI) in the portable values of events, for
//! sources that get them as programs pass them. The eBPF probe does the same in C
//! (`backends/modern-ebpf/probe`), and this must give what it gives.
//!
//! Sources of the kernel's values: `include/uapi/asm-generic/{fcntl,mman-common,socket,resource}.h`,
//! `include/uapi/linux/{sched,fcntl,ptrace,eventpoll}.h`.

/// Adds `to` for each pair of which a bit of `from` is set in `flags`.
const fn bits(flags: u32, pairs: &[(u32, u32)]) -> u32 {
    let (mut out, mut at) = (0, 0);
    while at < pairs.len() {
        if flags & pairs[at].0 != 0 {
            out |= pairs[at].1;
        }
        at += 1;
    }
    out
}

const O_CREAT: u32 = 0o100;
const O_NONBLOCK: u32 = 0o4000;
const O_DIRECT: u32 = 0o40000;
const O_CLOEXEC: u32 = 0o2_000_000;
const O_DSYNC: u32 = 0o10000;
/// Two bits each.
const O_SYNC: u32 = 0o4_000_000 | O_DSYNC;
const O_TMPFILE: u32 = 0o20_000_000 | 0o200_000;

/// Flags of open(2) (`FILE_FLAGS`). As Falco's, `O_TMPFILE` and `O_SYNC` are told if any of their
/// two bits is set.
pub const fn open_flags(flags: u32) -> u32 {
    let access = match flags & 3 {
        1 => 2,
        2 => 3,
        _ => 1,
    };
    access
        | bits(
            flags,
            &[
                (O_CREAT, 4),
                (0o2000, 8),
                (O_DSYNC, 16),
                (0o200, 32),
                (O_NONBLOCK, 64),
                (O_SYNC, 128),
                (0o1000, 256),
                (O_DIRECT, 512),
                (0o200_000, 1024),
                (0o100_000, 2048),
                (O_CLOEXEC, 4096),
                (O_TMPFILE, 8192),
            ],
        )
}

/// The mode of open(2), which counts only where a file may be made.
pub const fn open_mode(flags: u32, mode: u32) -> u32 {
    if flags & (O_CREAT | O_TMPFILE) != 0 { mode & 0o7777 } else { 0 }
}

/// `O_NONBLOCK` and `O_CLOEXEC` in `FILE_FLAGS`, as eventfd2(2), accept4(2) and others take them
/// under names of their own.
pub const fn nonblock_cloexec(flags: u32) -> u32 {
    bits(flags, &[(O_NONBLOCK, 64), (O_CLOEXEC, 4096)])
}

/// Flags of pipe2(2) (`FILE_FLAGS`).
pub const fn pipe_flags(flags: u32) -> u32 {
    nonblock_cloexec(flags) | bits(flags, &[(O_DIRECT, 512)])
}

/// Flags of dup3(2) (`FILE_FLAGS`).
pub const fn dup_flags(flags: u32) -> u32 {
    bits(flags, &[(O_CLOEXEC, 4096)])
}

/// Flags of clone(2), unshare(2) and setns(2) (`CLONE_FLAGS`).
pub const fn clone_flags(flags: u32) -> u32 {
    bits(
        flags,
        &[
            (0x0000_0400, 1),
            (0x0000_0200, 1 << 1),
            (0x8000_0000, 1 << 2),
            (0x0800_0000, 1 << 3),
            (0x4000_0000, 1 << 4),
            (0x0002_0000, 1 << 5),
            (0x2000_0000, 1 << 6),
            (0x0400_0000, 1 << 7),
            (0x0000_8000, 1 << 8),
            (0x0010_0000, 1 << 9),
            (0x0000_2000, 1 << 10),
            (0x0000_0800, 1 << 11),
            (0x0004_0000, 1 << 12),
            (0x0001_0000, 1 << 13),
            (0x0080_0000, 1 << 14),
            (0x0000_0100, 1 << 15),
            (0x1000_0000, 1 << 20),
            (0x0020_0000, 1 << 23),
            (0x0100_0000, 1 << 24),
            (0x0008_0000, 1 << 25),
            (0x0000_4000, 1 << 27),
            (0x0200_0000, 1 << 28),
        ],
    )
}

/// Protection of mmap(2) and mprotect(2) (`PROT_FLAGS`).
pub const fn prot_flags(prot: u32) -> u32 {
    (prot & 0xf) | bits(prot, &[(0x0100_0000, 16), (0x0200_0000, 32)])
}

/// Flags of mmap(2) (`MMAP_FLAGS`).
pub const fn mmap_flags(flags: u32) -> u32 {
    (flags & 3)
        | bits(
            flags,
            &[
                (0x10, 4),
                (0x20, 8),
                (0x40, 16),
                (0x100, 512),
                (0x800, 1024),
                (0x1000, 2048),
                (0x2000, 16384),
                (0x4000, 64),
                (0x8000, 128),
                (0x10000, 256),
            ],
        )
}

/// A command of fcntl(2) (`FCNTL_COMMANDS`); 0 is one that events do not know.
pub const fn fcntl_command(command: u32) -> u8 {
    match command {
        // F_DUPFD to F_SETLKW, F_SETOWN, F_GETOWN.
        0..=6 => [1, 2, 3, 4, 5, 6, 8][command as usize],
        7 => 9,
        8 => 10,
        9 => 12,
        10 => 13,
        11 => 15,
        12 => 17,
        13 => 18,
        14 => 19,
        15 => 21,
        16 => 22,
        36..=38 => 30 + (command - 36) as u8,
        1024 => 23,
        1025 => 24,
        1026 => 27,
        1029 => 25,
        1030 => 26,
        1031 => 28,
        1032 => 29,
        _ => 0,
    }
}

/// A request of ptrace(2) (`PTRACE_REQUESTS`); 0 is one that events do not know.
pub const fn ptrace_request(request: u32) -> u16 {
    const LOW: [u8; 34] = [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 26, 27, 28, 29, 11, 12, 30, 31, 0, 32, 0, 0, 13, 33,
        34, 0, 0, 0, 35, 36, 37, 38,
    ];
    match request {
        0..34 => LOW[request as usize] as u16,
        // SETOPTIONS to SETSIGMASK are in the same order.
        0x4200..=0x420b => 14 + (request - 0x4200) as u16,
        _ => 0,
    }
}

/// A resource of setrlimit(2) (`RLIMIT_RESOURCES`).
pub const fn rlimit_resource(resource: u32) -> u8 {
    if resource <= 15 { resource as u8 } else { 255 }
}

/// An address family (`SOCKET_FAMILIES`); those that events do not know are `AF_UNSPEC`.
pub const fn socket_family(family: u32) -> u32 {
    match family {
        27 | 28 => 0,
        0..=39 => family,
        _ => 0,
    }
}

/// How shutdown(2) shuts (`SHUTDOWN_HOW`, in a byte).
pub const fn shutdown_how(how: u32) -> u8 {
    if how <= 2 { how as u8 } else { 255 }
}

/// A level of setsockopt(2) (`SOCKOPT_LEVELS`).
pub const fn sockopt_level(level: u32) -> u8 {
    match level {
        1 => 1,
        6 => 2,
        _ => 0,
    }
}

/// An option of level `SOL_SOCKET` (`SOCKOPT_OPTIONS`), 0 for other levels.
pub const fn sockopt_option(level: u32, name: u32) -> u8 {
    match (level, name) {
        // The last of these is named anew where times have 64 bits.
        (1, 1..=31 | 34..=50) => name as u8,
        (1, 32) => 32,
        (1, 33) => 33,
        (1, 55) => 52,
        (1, 57) => 53,
        (1, 59) => 51,
        (1, 66) => 20,
        (1, 67) => 21,
        _ => 0,
    }
}

/// An operation of flock(2) (`FLOCK_FLAGS`).
pub const fn flock_flags(operation: u32) -> u32 {
    operation & 0xf
}

/// Resolution of openat2(2) (`OPENAT2_FLAGS`).
pub const fn resolve_flags(resolve: u32) -> u32 {
    bits(resolve, &[(1, 16), (2, 4), (4, 8), (8, 1), (16, 2), (32, 32)])
}

/// Mode of access(2) (`ACCESS_FLAGS`).
pub const fn access_flags(mode: u32) -> u32 {
    mode & 7
}

/// Flags of unlinkat(2) (`UNLINKAT_FLAGS`).
pub const fn unlinkat_flags(flags: u32) -> u32 {
    flags & 0x200
}

/// Flags of linkat(2) (`LINKAT_FLAGS`).
pub const fn linkat_flags(flags: u32) -> u32 {
    flags & 0x1400
}

/// Flags of newfstatat(2) (`NEWFSTATAT_FLAGS`).
pub const fn newfstatat_flags(flags: u32) -> u32 {
    flags & 0x1900
}

/// Flags of fchownat(2) (`FCHOWNAT_FLAGS`, whose `AT_SYMLINK_NOFOLLOW` is Linux's
/// `AT_SYMLINK_FOLLOW`, as Falco sets it).
pub const fn fchownat_flags(flags: u32) -> u32 {
    flags & 0x1400
}

/// Flags of execveat(2) (`EXECVEAT_FLAGS`).
pub const fn execveat_flags(flags: u32) -> u32 {
    bits(flags, &[(0x1000, 1), (0x100, 2)])
}

/// Mode of mknod(2) (`MKNOD_MODE`): no type is a regular file.
pub const fn mknod_mode(mode: u32) -> u32 {
    let ty = mode & 0o170_000;
    (mode & 0o7777) | if ty == 0 { 0o100_000 } else { ty }
}

/// The device of mknod(2), as Falco tells it: encoded as if the caller had given it in the kernel's
/// own form.
pub const fn device(dev: u32) -> u32 {
    let (major, minor) = (dev >> 20, dev & 0xfffff);
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// Flags of mount(2) (`MOUNT_FLAGS`), without the mark of old programs (`MS_MGC_VAL`).
pub const fn mount_flags(flags: u32) -> u32 {
    if flags & 0xffff_0000 == 0xc0ed_0000 { flags & 0xffff } else { flags }
}

/// Flags of delete_module(2) (`DELETE_MODULE_FLAGS`).
pub const fn delete_module_flags(flags: u32) -> u32 {
    bits(flags, &[(O_NONBLOCK, 2), (0o1000, 1)])
}

/// Flags of io_uring_setup(2) (`IO_URING_SETUP_FLAGS`).
pub const fn io_uring_setup_flags(flags: u32) -> u32 {
    (flags & 3) | ((flags & 0x7c) << 1)
}

/// A command of semctl(2) (`SEMCTL_COMMANDS`); 0 is one that events do not know.
pub const fn semctl_command(command: u32) -> u16 {
    const COMMANDS: [u16; 20] =
        [4, 2, 1, 8, 0, 0, 0, 0, 0, 0, 0, 256, 512, 64, 128, 1024, 4096, 2048, 32, 16];
    let command = command & !0x100;
    if command < 20 { COMMANDS[command as usize] } else { 0 }
}

/// Flags of semget(2) (`SEMGET_FLAGS`).
pub const fn semget_flags(flags: u32) -> u32 {
    bits(flags, &[(0o1000, 8192), (0o2000, 16384)])
}

/// An operation of futex(2) (`FUTEX_OPERATIONS`) with its flags.
pub const fn futex_operation(op: u32) -> u16 {
    let command = op & 0x7f;
    let known = if command <= 12 { command } else { 0 };
    (known | (op & 0x180)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flagsets::*;
    use crate::types::NamedValue;

    fn named(set: &[NamedValue], value: u32) -> Vec<&str> {
        set.iter().filter(|v| v.value != 0 && value & v.value == v.value).map(|v| v.name).collect()
    }

    fn one(set: &[NamedValue], value: u32) -> &'static str {
        set.iter().find(|v| v.value == value).map_or("", |v| v.name)
    }

    #[test]
    fn opens_have_falcos_names() {
        let create = 0o1 | O_CREAT | 0o1000;
        assert_eq!(named(FILE_FLAGS, open_flags(create)), ["O_TRUNC", "O_CREAT", "O_WRONLY"]);
        assert_eq!(
            named(FILE_FLAGS, open_flags(0o2 | O_CLOEXEC)),
            ["O_RDWR", "O_WRONLY", "O_RDONLY", "O_CLOEXEC"]
        );
        assert_eq!(open_mode(create, 0o100_644), 0o644);
        assert_eq!(open_mode(0, 0o644), 0);
        assert_eq!(named(FILE_FLAGS, nonblock_cloexec(0o2_004_000)), ["O_NONBLOCK", "O_CLOEXEC"]);
    }

    #[test]
    fn clones_have_falcos_names() {
        let thread = clone_flags(0x100 | 0x200 | 0x400 | 0x800 | 0x10000);
        assert_eq!(
            named(CLONE_FLAGS, thread),
            ["CLONE_FILES", "CLONE_FS", "CLONE_SIGHAND", "CLONE_THREAD", "CLONE_VM"]
        );
        assert_eq!(named(CLONE_FLAGS, clone_flags(0x4000)), ["CLONE_VFORK"]);
        assert_eq!(named(CLONE_FLAGS, clone_flags(0x1000_0000)), ["CLONE_NEWUSER"]);
        assert_eq!(named(CLONE_FLAGS, clone_flags(0x8000_0000)), ["CLONE_IO"]);
    }

    #[test]
    fn enumerations_have_the_kernels_names() {
        for (command, name) in [
            (0, "F_DUPFD"),
            (1, "F_GETFD"),
            (2, "F_SETFD"),
            (3, "F_GETFL"),
            (4, "F_SETFL"),
            (5, "F_GETLK"),
            (6, "F_SETLK"),
            (7, "F_SETLKW"),
            (8, "F_SETOWN"),
            (9, "F_GETOWN"),
            (10, "F_SETSIG"),
            (11, "F_GETSIG"),
            (12, "F_GETLK64"),
            (16, "F_GETOWN_EX"),
            (36, "F_OFD_GETLK"),
            (38, "F_OFD_SETLKW"),
            (1024, "F_SETLEASE"),
            (1026, "F_NOTIFY"),
            (1029, "F_CANCELLK"),
            (1030, "F_DUPFD_CLOEXEC"),
            (1032, "F_GETPIPE_SZ"),
            (999, "UNKNOWN"),
        ] {
            assert_eq!(one(FCNTL_COMMANDS, fcntl_command(command).into()), name, "{command}");
        }
        for (request, name) in [
            (0, "PTRACE_TRACEME"),
            (12, "PTRACE_GETREGS"),
            (16, "PTRACE_ATTACH"),
            (17, "PTRACE_DETACH"),
            (24, "PTRACE_SYSCALL"),
            (33, "PTRACE_SINGLEBLOCK"),
            (0x4200, "PTRACE_SETOPTIONS"),
            (0x4206, "PTRACE_SEIZE"),
            (0x420b, "PTRACE_SETSIGMASK"),
            (77, "PTRACE_UNKNOWN"),
        ] {
            assert_eq!(one(PTRACE_REQUESTS, ptrace_request(request).into()), name, "{request}");
        }
        for (name, number) in [("SO_REUSEADDR", 2), ("SO_PEERGROUPS", 59), ("SO_RCVTIMEO", 66)] {
            assert_eq!(one(SOCKOPT_OPTIONS, sockopt_option(1, number).into()), name);
        }
        assert_eq!(one(SEMCTL_COMMANDS, semctl_command(16).into()), "SETVAL");
        assert_eq!(one(SEMCTL_COMMANDS, semctl_command(0x100).into()), "IPC_RMID");
        assert_eq!(one(SHUTDOWN_HOW, 1), "SHUT_WR");
        assert_eq!(futex_operation(128 | 1), 129);
        assert_eq!(named(MMAP_FLAGS, mmap_flags(0x22)), ["MAP_PRIVATE", "MAP_ANONYMOUS"]);
        assert_eq!(
            named(OPENAT2_FLAGS, resolve_flags(1 | 8)),
            ["RESOLVE_BENEATH", "RESOLVE_NO_XDEV"]
        );
        assert_eq!(mknod_mode(0o644), 0o100_644);
        assert_eq!(device(0x103), 0x10_0003);
    }
}
