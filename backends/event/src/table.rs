//! The event table: every event type of schema 4.x with its parameters.
//!
//! One line an event type: number, `PPME_` name, the name that `evt.type` shows, category and
//! origin, flags, and the parameters in wire order as `name: Type {named values} @dirfd format`.
//! Numbers are never renumbered nor reused; the facts are those of libscap's
//! `driver/event_table.c`. Nothing here interprets events.

use crate::flagsets::*;
use crate::types::{Category, EventFlags, Origin, ParamInfo, ParamType, PrintFormat};

/// What is known of one event type.
#[derive(Clone, Copy, Debug)]
pub struct EventInfo {
    /// The `PPME_` name without its prefix.
    pub id: &'static str,
    /// The name that `evt.type` shows (`NA` for unused numbers).
    pub name: &'static str,
    /// Broad class.
    pub category: Category,
    /// Where it comes from.
    pub origin: Origin,
    /// Properties.
    pub flags: EventFlags,
    /// Parameters in wire order.
    pub params: &'static [ParamInfo],
}

/// The type of an event: libscap's `PPME_*` number. Even numbers are enter events, odd ones exit
/// events; tracepoints and meta events use the even slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventCode(pub u16);

#[rustfmt::skip] // rows of a table
macro_rules! category {
    (UNKNOWN) => { Category::Unknown };
    (OTHER) => { Category::Other };
    (FILE) => { Category::File };
    (NET) => { Category::Net };
    (IPC) => { Category::Ipc };
    (MEMORY) => { Category::Memory };
    (PROCESS) => { Category::Process };
    (SLEEP) => { Category::Sleep };
    (SYSTEM) => { Category::System };
    (SIGNAL) => { Category::Signal };
    (USER) => { Category::User };
    (TIME) => { Category::Time };
    (PROCESSING) => { Category::Processing };
    (IO_READ) => { Category::IoRead };
    (IO_WRITE) => { Category::IoWrite };
    (IO_OTHER) => { Category::IoOther };
    (WAIT) => { Category::Wait };
    (SCHEDULER) => { Category::Scheduler };
    (INTERNAL) => { Category::Internal };
}

#[rustfmt::skip] // rows of a table
macro_rules! origin {
    () => { Origin::None };
    (SYSCALL) => { Origin::Syscall };
    (TRACEPOINT) => { Origin::Tracepoint };
    (PLUGIN) => { Origin::Plugin };
    (METAEVENT) => { Origin::Metaevent };
    (ITER) => { Origin::Iter };
}

#[rustfmt::skip] // rows of a table
macro_rules! print_format {
    (na) => { PrintFormat::Na };
    (dec) => { PrintFormat::Dec };
    (hex) => { PrintFormat::Hex };
    (pad) => { PrintFormat::PaddedDec };
    (id) => { PrintFormat::Id };
    (dir) => { PrintFormat::Dir };
    (oct) => { PrintFormat::Oct };
}

#[rustfmt::skip] // rows of a table
macro_rules! or {
    ($default:expr,) => { $default };
    ($default:expr, $value:expr) => { $value };
}

macro_rules! event_table {
    ($($code:literal $id:ident $name:literal $cat:ident $(+ $origin:ident)? [$($flag:ident)*] ($(
        $param:ident : $ty:ident $({$set:ident})? $(@$dirfd:literal)? $format:ident
    ),*))*) => {
        /// Every event type, indexed by its number.
        pub static EVENTS: [EventInfo; EventCode::COUNT] = [$(EventInfo {
            id: stringify!($id),
            name: $name,
            category: category!($cat),
            origin: origin!($($origin)?),
            flags: EventFlags::empty()$(.union(EventFlags::$flag))*,
            params: &[$(ParamInfo {
                name: stringify!($param),
                ty: ParamType::$ty,
                format: print_format!($format),
                values: or!(&[], $($set)?),
                dirfd: or!(None, $(Some($dirfd))?),
            }),*],
        }),*];

        /// The numbers by name.
        #[allow(missing_docs)] // each is one line of the table
        impl EventCode {
            /// How many event types there are (libscap's `PPM_EVENT_MAX`).
            pub const COUNT: usize = [$($code),*].len();
            $(pub const $id: EventCode = EventCode($code);)*
        }
    };
}

event_table! {
    0 GENERIC_E "syscall" OTHER + SYSCALL [OLD CONV] (ID: SyscallId dec, nativeID: Uint16 dec)
    1 GENERIC_X "syscall" OTHER + SYSCALL [CONV] (ID: SyscallId dec, nativeID: Uint16 dec)
    2 SYSCALL_OPEN_E "open" FILE + SYSCALL [CREATES_FD STATE CONV] (name: FsPath na, flags: Flags32 {FILE_FLAGS} hex, mode: Uint32 oct)
    3 SYSCALL_OPEN_X "open" FILE + SYSCALL [CREATES_FD STATE CONV] (fd: Fd dec, name: FsPath na, flags: Flags32 {FILE_FLAGS} hex, mode: Uint32 oct, dev: Uint32 hex, ino: Uint64 dec)
    4 SYSCALL_CLOSE_E "close" IO_OTHER + SYSCALL [DESTROYS_FD USES_FD STATE OLD CONV] (fd: Fd dec)
    5 SYSCALL_CLOSE_X "close" IO_OTHER + SYSCALL [DESTROYS_FD USES_FD STATE CONV] (res: Errno dec, fd: Fd dec)
    6 SYSCALL_READ_E "read" IO_READ + SYSCALL [USES_FD READS OLD CONV] (fd: Fd dec, size: Uint32 dec)
    7 SYSCALL_READ_X "read" IO_READ + SYSCALL [USES_FD READS CONV] (res: Errno dec, data: ByteBuf na, fd: Fd dec, size: Uint32 dec)
    8 SYSCALL_WRITE_E "write" IO_WRITE + SYSCALL [USES_FD WRITES OLD CONV] (fd: Fd dec, size: Uint32 dec)
    9 SYSCALL_WRITE_X "write" IO_WRITE + SYSCALL [USES_FD WRITES CONV] (res: Errno dec, data: ByteBuf na, fd: Fd dec, size: Uint32 dec)
    10 SYSCALL_BRK_1_E "brk" MEMORY + SYSCALL [OLD CONV] (size: Uint32 dec)
    11 SYSCALL_BRK_1_X "brk" MEMORY + SYSCALL [OLD CONV] (res: Uint64 hex)
    12 SYSCALL_EXECVE_8_E "execve" PROCESS + SYSCALL [STATE OLD CONV] ()
    13 SYSCALL_EXECVE_8_X "execve" PROCESS + SYSCALL [STATE OLD CONV] (res: Errno dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Uint64 dec)
    14 SYSCALL_CLONE_11_E "clone" PROCESS + SYSCALL [STATE OLD] ()
    15 SYSCALL_CLONE_11_X "clone" PROCESS + SYSCALL [STATE OLD CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec)
    16 PROCEXIT_E "procexit" PROCESS + TRACEPOINT [STATE OLD CONV] ()
    17 PROCEXIT_X "NA" UNKNOWN [UNUSED] ()
    18 SOCKET_SOCKET_E "socket" NET + SYSCALL [CREATES_FD STATE OLD CONV] (domain: EnumFlags32 {SOCKET_FAMILIES} dec, type: Uint32 dec, proto: Uint32 dec)
    19 SOCKET_SOCKET_X "socket" NET + SYSCALL [CREATES_FD STATE CONV] (fd: Fd dec, domain: EnumFlags32 {SOCKET_FAMILIES} dec, type: Uint32 dec, proto: Uint32 dec, flags: Flags32 {FILE_FLAGS} hex)
    20 SOCKET_BIND_E "bind" NET + SYSCALL [USES_FD STATE OLD CONV] (fd: Fd dec)
    21 SOCKET_BIND_X "bind" NET + SYSCALL [USES_FD STATE CONV] (res: Errno dec, addr: SockAddr na, fd: Fd dec)
    22 SOCKET_CONNECT_E "connect" NET + SYSCALL [USES_FD STATE CONV] (fd: Fd dec, addr: SockAddr na)
    23 SOCKET_CONNECT_X "connect" NET + SYSCALL [USES_FD STATE CONV] (res: Errno dec, tuple: SockTuple na, fd: Fd dec, addr: SockAddr na)
    24 SOCKET_LISTEN_E "listen" NET + SYSCALL [USES_FD OLD CONV] (fd: Fd dec, backlog: Int32 dec)
    25 SOCKET_LISTEN_X "listen" NET + SYSCALL [USES_FD CONV] (res: Errno dec, fd: Fd dec, backlog: Int32 dec)
    26 SOCKET_ACCEPT_E "accept" NET + SYSCALL [CREATES_FD STATE OLD] ()
    27 SOCKET_ACCEPT_X "accept" NET + SYSCALL [CREATES_FD STATE OLD CONV] (fd: Fd dec, tuple: SockTuple na, queuepct: Uint8 dec)
    28 SOCKET_SEND_E "send" IO_WRITE + SYSCALL [USES_FD WRITES OLD CONV] (fd: Fd dec, size: Uint32 dec)
    29 SOCKET_SEND_X "send" IO_WRITE + SYSCALL [USES_FD WRITES CONV] (res: Errno dec, data: ByteBuf na, fd: Fd dec, size: Uint32 dec, tuple: SockTuple na)
    30 SOCKET_SENDTO_E "sendto" IO_WRITE + SYSCALL [USES_FD WRITES STATE OLD CONV] (fd: Fd dec, size: Uint32 dec, tuple: SockTuple na)
    31 SOCKET_SENDTO_X "sendto" IO_WRITE + SYSCALL [USES_FD WRITES STATE CONV] (res: Errno dec, data: ByteBuf na, fd: Fd dec, size: Uint32 dec, tuple: SockTuple na)
    32 SOCKET_RECV_E "recv" IO_READ + SYSCALL [USES_FD READS OLD CONV] (fd: Fd dec, size: Uint32 dec)
    33 SOCKET_RECV_X "recv" IO_READ + SYSCALL [USES_FD READS CONV] (res: Errno dec, data: ByteBuf na, fd: Fd dec, size: Uint32 dec, tuple: SockTuple na)
    34 SOCKET_RECVFROM_E "recvfrom" IO_READ + SYSCALL [USES_FD READS STATE OLD CONV] (fd: Fd dec, size: Uint32 dec)
    35 SOCKET_RECVFROM_X "recvfrom" IO_READ + SYSCALL [USES_FD READS STATE CONV] (res: Errno dec, data: ByteBuf na, tuple: SockTuple na, fd: Fd dec, size: Uint32 dec)
    36 SOCKET_SHUTDOWN_E "shutdown" NET + SYSCALL [USES_FD STATE OLD CONV] (fd: Fd dec, how: EnumFlags8 {SHUTDOWN_HOW} hex)
    37 SOCKET_SHUTDOWN_X "shutdown" NET + SYSCALL [USES_FD STATE CONV] (res: Errno dec, fd: Fd dec, how: EnumFlags8 {SHUTDOWN_HOW} hex)
    38 SOCKET_GETSOCKNAME_E "getsockname" NET + SYSCALL [OLD] ()
    39 SOCKET_GETSOCKNAME_X "getsockname" NET + SYSCALL [] ()
    40 SOCKET_GETPEERNAME_E "getpeername" NET + SYSCALL [OLD] ()
    41 SOCKET_GETPEERNAME_X "getpeername" NET + SYSCALL [] ()
    42 SOCKET_SOCKETPAIR_E "socketpair" IPC + SYSCALL [CREATES_FD STATE OLD CONV] (domain: EnumFlags32 {SOCKET_FAMILIES} dec, type: Uint32 dec, proto: Uint32 dec)
    43 SOCKET_SOCKETPAIR_X "socketpair" IPC + SYSCALL [CREATES_FD STATE CONV] (res: Errno dec, fd1: Fd dec, fd2: Fd dec, source: Uint64 hex, peer: Uint64 hex, domain: EnumFlags32 {SOCKET_FAMILIES} dec, type: Uint32 dec, proto: Uint32 dec)
    44 SOCKET_SETSOCKOPT_E "setsockopt" NET + SYSCALL [OLD] ()
    45 SOCKET_SETSOCKOPT_X "setsockopt" NET + SYSCALL [USES_FD] (res: Errno dec, fd: Fd dec, level: EnumFlags8 {SOCKOPT_LEVELS} dec, optname: EnumFlags8 {SOCKOPT_OPTIONS} dec, val: Dyn dec, optlen: Uint32 dec)
    46 SOCKET_GETSOCKOPT_E "getsockopt" NET + SYSCALL [STATE OLD] ()
    47 SOCKET_GETSOCKOPT_X "getsockopt" NET + SYSCALL [USES_FD STATE] (res: Errno dec, fd: Fd dec, level: EnumFlags8 {SOCKOPT_LEVELS} dec, optname: EnumFlags8 {SOCKOPT_OPTIONS} dec, val: Dyn dec, optlen: Uint32 dec)
    48 SOCKET_SENDMSG_E "sendmsg" IO_WRITE + SYSCALL [USES_FD WRITES STATE OLD CONV] (fd: Fd dec, size: Uint32 dec, tuple: SockTuple na)
    49 SOCKET_SENDMSG_X "sendmsg" IO_WRITE + SYSCALL [USES_FD WRITES STATE CONV] (res: Errno dec, data: ByteBuf na, fd: Fd dec, size: Uint32 dec, tuple: SockTuple na)
    50 SOCKET_SENDMMSG_E "sendmmsg" IO_WRITE + SYSCALL [OLD] ()
    51 SOCKET_SENDMMSG_X "sendmmsg" IO_WRITE + SYSCALL [USES_FD WRITES STATE CONV] (res: Errno dec, fd: Fd dec, size: Uint32 dec, data: ByteBuf na, tuple: SockTuple na)
    52 SOCKET_RECVMSG_E "recvmsg" IO_READ + SYSCALL [USES_FD READS STATE OLD CONV] (fd: Fd dec)
    53 SOCKET_RECVMSG_X "recvmsg" IO_READ + SYSCALL [USES_FD READS STATE CONV] (res: Errno dec, size: Uint32 dec, data: ByteBuf na, tuple: SockTuple na, msgcontrol: ByteBuf na, fd: Fd dec)
    54 SOCKET_RECVMMSG_E "recvmmsg" IO_READ + SYSCALL [OLD] ()
    55 SOCKET_RECVMMSG_X "recvmmsg" IO_READ + SYSCALL [USES_FD READS STATE CONV] (res: Errno dec, fd: Fd dec, size: Uint32 dec, data: ByteBuf na, tuple: SockTuple na, msgcontrol: ByteBuf na)
    56 SOCKET_ACCEPT4_E "accept" NET + SYSCALL [CREATES_FD STATE OLD CONV] (flags: Int32 hex)
    57 SOCKET_ACCEPT4_X "accept" NET + SYSCALL [CREATES_FD STATE OLD CONV] (fd: Fd dec, tuple: SockTuple na, queuepct: Uint8 dec)
    58 SYSCALL_CREAT_E "creat" FILE + SYSCALL [CREATES_FD STATE CONV] (name: FsPath na, mode: Uint32 oct)
    59 SYSCALL_CREAT_X "creat" FILE + SYSCALL [CREATES_FD STATE CONV] (fd: Fd dec, name: FsPath na, mode: Uint32 oct, dev: Uint32 hex, ino: Uint64 dec, creat_flags: Flags16 {CREAT_FLAGS} hex)
    60 SYSCALL_PIPE_E "pipe" IPC + SYSCALL [CREATES_FD STATE OLD] ()
    61 SYSCALL_PIPE_X "pipe" IPC + SYSCALL [CREATES_FD STATE] (res: Errno dec, fd1: Fd dec, fd2: Fd dec, ino: Uint64 dec)
    62 SYSCALL_EVENTFD_E "eventfd" IPC + SYSCALL [CREATES_FD STATE OLD CONV] (initval: Uint64 dec, flags: Uint32 hex)
    63 SYSCALL_EVENTFD_X "eventfd" IPC + SYSCALL [CREATES_FD STATE CONV] (res: Fd dec, initval: Uint64 dec, flags: Uint32 hex)
    64 SYSCALL_FUTEX_E "futex" IPC + SYSCALL [OLD CONV] (addr: Uint64 hex, op: Flags16 {FUTEX_OPERATIONS} hex, val: Uint64 dec)
    65 SYSCALL_FUTEX_X "futex" IPC + SYSCALL [CONV] (res: Errno dec, addr: Uint64 hex, op: Flags16 {FUTEX_OPERATIONS} hex, val: Uint64 dec)
    66 SYSCALL_STAT_E "stat" FILE + SYSCALL [OLD] ()
    67 SYSCALL_STAT_X "stat" FILE + SYSCALL [] (res: Errno dec, path: FsPath na)
    68 SYSCALL_LSTAT_E "lstat" FILE + SYSCALL [OLD] ()
    69 SYSCALL_LSTAT_X "lstat" FILE + SYSCALL [] (res: Errno dec, path: FsPath na)
    70 SYSCALL_FSTAT_E "fstat" FILE + SYSCALL [USES_FD OLD CONV] (fd: Fd na)
    71 SYSCALL_FSTAT_X "fstat" FILE + SYSCALL [USES_FD CONV] (res: Errno dec, fd: Fd na)
    72 SYSCALL_STAT64_E "stat64" FILE + SYSCALL [OLD] ()
    73 SYSCALL_STAT64_X "stat64" FILE + SYSCALL [] (res: Errno dec, path: FsPath na)
    74 SYSCALL_LSTAT64_E "lstat64" FILE + SYSCALL [OLD] ()
    75 SYSCALL_LSTAT64_X "lstat64" FILE + SYSCALL [] (res: Errno dec, path: FsPath na)
    76 SYSCALL_FSTAT64_E "fstat64" FILE + SYSCALL [USES_FD OLD] (fd: Fd na)
    77 SYSCALL_FSTAT64_X "fstat64" FILE + SYSCALL [] (res: Errno dec)
    78 SYSCALL_EPOLLWAIT_E "epoll_wait" WAIT + SYSCALL [WAITS OLD CONV] (maxevents: Errno dec)
    79 SYSCALL_EPOLLWAIT_X "epoll_wait" WAIT + SYSCALL [WAITS CONV] (res: Errno dec, maxevents: Errno dec)
    80 SYSCALL_POLL_E "poll" WAIT + SYSCALL [WAITS OLD CONV] (fds: FdList dec, timeout: Int64 dec)
    81 SYSCALL_POLL_X "poll" WAIT + SYSCALL [WAITS CONV] (res: Errno dec, fds: FdList dec, timeout: Int64 dec)
    82 SYSCALL_SELECT_E "select" WAIT + SYSCALL [WAITS OLD] ()
    83 SYSCALL_SELECT_X "select" WAIT + SYSCALL [WAITS] (res: Errno dec)
    84 SYSCALL_NEWSELECT_E "select" WAIT + SYSCALL [WAITS OLD] ()
    85 SYSCALL_NEWSELECT_X "select" WAIT + SYSCALL [WAITS OLD CONV] (res: Errno dec)
    86 SYSCALL_LSEEK_E "lseek" FILE + SYSCALL [USES_FD OLD CONV] (fd: Fd dec, offset: Uint64 dec, whence: EnumFlags8 {LSEEK_WHENCE} dec)
    87 SYSCALL_LSEEK_X "lseek" FILE + SYSCALL [USES_FD CONV] (res: Errno dec, fd: Fd dec, offset: Uint64 dec, whence: EnumFlags8 {LSEEK_WHENCE} dec)
    88 SYSCALL_LLSEEK_E "llseek" FILE + SYSCALL [USES_FD OLD CONV] (fd: Fd dec, offset: Uint64 dec, whence: EnumFlags8 {LSEEK_WHENCE} dec)
    89 SYSCALL_LLSEEK_X "llseek" FILE + SYSCALL [USES_FD CONV] (res: Errno dec, fd: Fd dec, offset: Uint64 dec, whence: EnumFlags8 {LSEEK_WHENCE} dec)
    90 SYSCALL_IOCTL_2_E "ioctl" IO_OTHER + SYSCALL [USES_FD OLD CONV] (fd: Fd dec, request: Uint64 hex)
    91 SYSCALL_IOCTL_2_X "ioctl" IO_OTHER + SYSCALL [USES_FD OLD CONV] (res: Errno dec)
    92 SYSCALL_GETCWD_E "getcwd" FILE + SYSCALL [OLD] ()
    93 SYSCALL_GETCWD_X "getcwd" FILE + SYSCALL [] (res: Errno dec, path: CharBuf na)
    94 SYSCALL_CHDIR_E "chdir" FILE + SYSCALL [STATE OLD] ()
    95 SYSCALL_CHDIR_X "chdir" FILE + SYSCALL [STATE] (res: Errno dec, path: CharBuf na)
    96 SYSCALL_FCHDIR_E "fchdir" FILE + SYSCALL [USES_FD STATE OLD CONV] (fd: Fd na)
    97 SYSCALL_FCHDIR_X "fchdir" FILE + SYSCALL [USES_FD STATE CONV] (res: Errno dec, fd: Fd na)
    98 SYSCALL_MKDIR_E "mkdir" FILE + SYSCALL [OLD CONV] (path: FsPath na, mode: Uint32 hex)
    99 SYSCALL_MKDIR_X "mkdir" FILE + SYSCALL [OLD CONV] (res: Errno dec)
    100 SYSCALL_RMDIR_E "rmdir" FILE + SYSCALL [OLD CONV] (path: FsPath na)
    101 SYSCALL_RMDIR_X "rmdir" FILE + SYSCALL [OLD CONV] (res: Errno dec)
    102 SYSCALL_OPENAT_E "openat" FILE + SYSCALL [CREATES_FD STATE OLD CONV] (dirfd: Fd dec, name: CharBuf na, flags: Flags32 {FILE_FLAGS} hex, mode: Uint32 oct)
    103 SYSCALL_OPENAT_X "openat" FILE + SYSCALL [CREATES_FD STATE OLD CONV] (fd: Fd dec)
    104 SYSCALL_LINK_E "link" FILE + SYSCALL [OLD CONV] (oldpath: FsPath na, newpath: FsPath na)
    105 SYSCALL_LINK_X "link" FILE + SYSCALL [OLD CONV] (res: Errno dec)
    106 SYSCALL_LINKAT_E "linkat" FILE + SYSCALL [OLD CONV] (olddir: Fd dec, oldpath: CharBuf na, newdir: Fd dec, newpath: CharBuf na)
    107 SYSCALL_LINKAT_X "linkat" FILE + SYSCALL [OLD CONV] (res: Errno dec)
    108 SYSCALL_UNLINK_E "unlink" FILE + SYSCALL [OLD CONV] (path: FsPath na)
    109 SYSCALL_UNLINK_X "unlink" FILE + SYSCALL [OLD CONV] (res: Errno dec)
    110 SYSCALL_UNLINKAT_E "unlinkat" FILE + SYSCALL [OLD CONV] (dirfd: Fd dec, name: CharBuf na)
    111 SYSCALL_UNLINKAT_X "unlinkat" FILE + SYSCALL [OLD CONV] (res: Errno dec)
    112 SYSCALL_PREAD_E "pread" IO_READ + SYSCALL [USES_FD READS OLD CONV] (fd: Fd dec, size: Uint32 dec, pos: Uint64 dec)
    113 SYSCALL_PREAD_X "pread" IO_READ + SYSCALL [USES_FD READS CONV] (res: Errno dec, data: ByteBuf na, fd: Fd dec, size: Uint32 dec, pos: Uint64 dec)
    114 SYSCALL_PWRITE_E "pwrite" IO_WRITE + SYSCALL [USES_FD WRITES OLD CONV] (fd: Fd dec, size: Uint32 dec, pos: Uint64 dec)
    115 SYSCALL_PWRITE_X "pwrite" IO_WRITE + SYSCALL [USES_FD WRITES CONV] (res: Errno dec, data: ByteBuf na, fd: Fd dec, size: Uint32 dec, pos: Uint64 dec)
    116 SYSCALL_READV_E "readv" IO_READ + SYSCALL [USES_FD READS OLD CONV] (fd: Fd dec)
    117 SYSCALL_READV_X "readv" IO_READ + SYSCALL [USES_FD READS CONV] (res: Errno dec, size: Uint32 dec, data: ByteBuf na, fd: Fd dec)
    118 SYSCALL_WRITEV_E "writev" IO_WRITE + SYSCALL [USES_FD WRITES OLD CONV] (fd: Fd dec, size: Uint32 dec)
    119 SYSCALL_WRITEV_X "writev" IO_WRITE + SYSCALL [USES_FD WRITES CONV] (res: Errno dec, data: ByteBuf na, fd: Fd dec, size: Uint32 dec)
    120 SYSCALL_PREADV_E "preadv" IO_READ + SYSCALL [USES_FD READS OLD CONV] (fd: Fd dec, pos: Uint64 dec)
    121 SYSCALL_PREADV_X "preadv" IO_READ + SYSCALL [USES_FD READS CONV] (res: Errno dec, size: Uint32 dec, data: ByteBuf na, fd: Fd dec, pos: Uint64 dec)
    122 SYSCALL_PWRITEV_E "pwritev" IO_WRITE + SYSCALL [USES_FD WRITES OLD CONV] (fd: Fd dec, size: Uint32 dec, pos: Uint64 dec)
    123 SYSCALL_PWRITEV_X "pwritev" IO_WRITE + SYSCALL [USES_FD WRITES CONV] (res: Errno dec, data: ByteBuf na, fd: Fd dec, size: Uint32 dec, pos: Uint64 dec)
    124 SYSCALL_DUP_E "dup" IO_OTHER + SYSCALL [CREATES_FD USES_FD STATE OLD CONV] (fd: Fd dec)
    125 SYSCALL_DUP_X "dup" IO_OTHER + SYSCALL [CREATES_FD USES_FD STATE OLD CONV] (res: Fd dec)
    126 SYSCALL_SIGNALFD_E "signalfd" SIGNAL + SYSCALL [CREATES_FD STATE OLD CONV] (fd: Fd dec, mask: Uint32 hex, flags: Uint8 hex)
    127 SYSCALL_SIGNALFD_X "signalfd" SIGNAL + SYSCALL [CREATES_FD STATE CONV] (res: Fd dec, fd: Fd dec, mask: Uint32 hex, flags: Uint8 hex)
    128 SYSCALL_KILL_E "kill" SIGNAL + SYSCALL [OLD CONV] (pid: Pid dec, sig: SigType dec)
    129 SYSCALL_KILL_X "kill" SIGNAL + SYSCALL [CONV] (res: Errno dec, pid: Pid dec, sig: SigType dec)
    130 SYSCALL_TKILL_E "tkill" SIGNAL + SYSCALL [OLD CONV] (tid: Pid dec, sig: SigType dec)
    131 SYSCALL_TKILL_X "tkill" SIGNAL + SYSCALL [CONV] (res: Errno dec, tid: Pid dec, sig: SigType dec)
    132 SYSCALL_TGKILL_E "tgkill" SIGNAL + SYSCALL [OLD CONV] (pid: Pid dec, tid: Pid dec, sig: SigType dec)
    133 SYSCALL_TGKILL_X "tgkill" SIGNAL + SYSCALL [CONV] (res: Errno dec, pid: Pid dec, tid: Pid dec, sig: SigType dec)
    134 SYSCALL_NANOSLEEP_E "nanosleep" SLEEP + SYSCALL [WAITS OLD CONV] (interval: RelTime dec)
    135 SYSCALL_NANOSLEEP_X "nanosleep" SLEEP + SYSCALL [WAITS CONV] (res: Errno dec, interval: RelTime dec)
    136 SYSCALL_TIMERFD_CREATE_E "timerfd_create" TIME + SYSCALL [CREATES_FD STATE OLD CONV] (clockid: Uint8 dec, flags: Uint8 hex)
    137 SYSCALL_TIMERFD_CREATE_X "timerfd_create" TIME + SYSCALL [CREATES_FD STATE CONV] (res: Fd dec, clockid: Uint8 dec, flags: Uint8 hex)
    138 SYSCALL_INOTIFY_INIT_E "inotify_init" IPC + SYSCALL [CREATES_FD STATE OLD CONV] (flags: Uint8 hex)
    139 SYSCALL_INOTIFY_INIT_X "inotify_init" IPC + SYSCALL [CREATES_FD STATE CONV] (res: Fd dec, flags: Uint8 hex)
    140 SYSCALL_GETRLIMIT_E "getrlimit" PROCESS + SYSCALL [OLD CONV] (resource: EnumFlags8 {RLIMIT_RESOURCES} dec)
    141 SYSCALL_GETRLIMIT_X "getrlimit" PROCESS + SYSCALL [CONV] (res: Errno dec, cur: Int64 dec, max: Int64 dec, resource: EnumFlags8 {RLIMIT_RESOURCES} dec)
    142 SYSCALL_SETRLIMIT_E "setrlimit" PROCESS + SYSCALL [OLD CONV] (resource: EnumFlags8 {RLIMIT_RESOURCES} dec)
    143 SYSCALL_SETRLIMIT_X "setrlimit" PROCESS + SYSCALL [CONV] (res: Errno dec, cur: Int64 dec, max: Int64 dec, resource: EnumFlags8 {RLIMIT_RESOURCES} dec)
    144 SYSCALL_PRLIMIT_E "prlimit" PROCESS + SYSCALL [OLD CONV] (pid: Pid dec, resource: EnumFlags8 {RLIMIT_RESOURCES} dec)
    145 SYSCALL_PRLIMIT_X "prlimit" PROCESS + SYSCALL [CONV] (res: Errno dec, newcur: Int64 dec, newmax: Int64 dec, oldcur: Int64 dec, oldmax: Int64 dec, pid: Int64 dec, resource: EnumFlags8 {RLIMIT_RESOURCES} dec)
    146 SCHEDSWITCH_1_E "switch" SCHEDULER + TRACEPOINT [SKIPPARSERESET OLD CONV] (next: Pid dec)
    147 SCHEDSWITCH_1_X "NA" UNKNOWN [UNUSED] ()
    148 DROP_E "drop" INTERNAL + METAEVENT [SKIPPARSERESET] (ratio: Uint32 dec)
    149 DROP_X "drop" INTERNAL + METAEVENT [SKIPPARSERESET] (ratio: Uint32 dec)
    150 SYSCALL_FCNTL_E "fcntl" IO_OTHER + SYSCALL [USES_FD STATE OLD CONV] (fd: Fd dec, cmd: EnumFlags8 {FCNTL_COMMANDS} dec)
    151 SYSCALL_FCNTL_X "fcntl" IO_OTHER + SYSCALL [USES_FD STATE CONV] (res: Fd dec, fd: Fd dec, cmd: EnumFlags8 {FCNTL_COMMANDS} dec, arg: Uint64 hex)
    152 SCHEDSWITCH_6_E "switch" SCHEDULER + TRACEPOINT [] (next: Pid dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec)
    153 SCHEDSWITCH_6_X "NA" UNKNOWN [UNUSED] ()
    154 SYSCALL_EXECVE_13_E "execve" PROCESS + SYSCALL [STATE OLD CONV] ()
    155 SYSCALL_EXECVE_13_X "execve" PROCESS + SYSCALL [STATE OLD CONV] (res: Errno dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Uint64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec)
    156 SYSCALL_CLONE_16_E "clone" PROCESS + SYSCALL [STATE OLD] ()
    157 SYSCALL_CLONE_16_X "clone" PROCESS + SYSCALL [STATE OLD CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec)
    158 SYSCALL_BRK_4_E "brk" MEMORY + SYSCALL [OLD CONV] (addr: Uint64 hex)
    159 SYSCALL_BRK_4_X "brk" MEMORY + SYSCALL [CONV] (res: Uint64 hex, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, addr: Uint64 hex)
    160 SYSCALL_MMAP_E "mmap" MEMORY + SYSCALL [USES_FD OLD CONV] (addr: Uint64 hex, length: Uint64 dec, prot: Flags32 {PROT_FLAGS} hex, flags: Flags32 {MMAP_FLAGS} hex, fd: Fd dec, offset: Uint64 dec)
    161 SYSCALL_MMAP_X "mmap" MEMORY + SYSCALL [USES_FD CONV] (res: Errno hex, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, addr: Uint64 hex, length: Uint64 dec, prot: Flags32 {PROT_FLAGS} hex, flags: Flags32 {MMAP_FLAGS} hex, fd: Fd dec, offset: Uint64 dec)
    162 SYSCALL_MMAP2_E "mmap2" MEMORY + SYSCALL [USES_FD OLD CONV] (addr: Uint64 hex, length: Uint64 dec, prot: Flags32 {PROT_FLAGS} hex, flags: Flags32 {MMAP_FLAGS} hex, fd: Fd dec, pgoffset: Uint64 dec)
    163 SYSCALL_MMAP2_X "mmap2" MEMORY + SYSCALL [USES_FD CONV] (res: Errno hex, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, addr: Uint64 hex, length: Uint64 dec, prot: Flags32 {PROT_FLAGS} hex, flags: Flags32 {MMAP_FLAGS} hex, fd: Fd dec, pgoffset: Uint64 dec)
    164 SYSCALL_MUNMAP_E "munmap" MEMORY + SYSCALL [OLD CONV] (addr: Uint64 hex, length: Uint64 dec)
    165 SYSCALL_MUNMAP_X "munmap" MEMORY + SYSCALL [CONV] (res: Errno dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, addr: Uint64 hex, length: Uint64 dec)
    166 SYSCALL_SPLICE_E "splice" IO_OTHER + SYSCALL [USES_FD OLD CONV] (fd_in: Fd dec, fd_out: Fd dec, size: Uint64 dec, flags: Flags32 {SPLICE_FLAGS} hex)
    167 SYSCALL_SPLICE_X "splice" IO_OTHER + SYSCALL [USES_FD CONV] (res: Errno dec, fd_in: Fd dec, fd_out: Fd dec, size: Uint64 dec, flags: Flags32 {SPLICE_FLAGS} hex)
    168 SYSCALL_PTRACE_E "ptrace" PROCESS + SYSCALL [OLD CONV] (request: EnumFlags16 {PTRACE_REQUESTS} dec, pid: Pid dec)
    169 SYSCALL_PTRACE_X "ptrace" PROCESS + SYSCALL [CONV] (res: Errno dec, addr: Dyn hex, data: Dyn hex, request: EnumFlags16 {PTRACE_REQUESTS} dec, pid: Pid dec)
    170 SYSCALL_IOCTL_3_E "ioctl" IO_OTHER + SYSCALL [USES_FD OLD CONV] (fd: Fd dec, request: Uint64 hex, argument: Uint64 hex)
    171 SYSCALL_IOCTL_3_X "ioctl" IO_OTHER + SYSCALL [USES_FD CONV] (res: Errno dec, fd: Fd dec, request: Uint64 hex, argument: Uint64 hex)
    172 SYSCALL_EXECVE_14_E "execve" PROCESS + SYSCALL [STATE OLD CONV] ()
    173 SYSCALL_EXECVE_14_X "execve" PROCESS + SYSCALL [STATE OLD CONV] (res: Errno dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Uint64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, env: ByteBuf na)
    174 SYSCALL_RENAME_E "rename" FILE + SYSCALL [OLD] ()
    175 SYSCALL_RENAME_X "rename" FILE + SYSCALL [] (res: Errno dec, oldpath: FsPath na, newpath: FsPath na)
    176 SYSCALL_RENAMEAT_E "renameat" FILE + SYSCALL [OLD] ()
    177 SYSCALL_RENAMEAT_X "renameat" FILE + SYSCALL [] (res: Errno dec, olddirfd: Fd dec, oldpath: FsRelPath @1 na, newdirfd: Fd dec, newpath: FsRelPath @3 na)
    178 SYSCALL_SYMLINK_E "symlink" FILE + SYSCALL [OLD] ()
    179 SYSCALL_SYMLINK_X "symlink" FILE + SYSCALL [] (res: Errno dec, target: CharBuf na, linkpath: FsPath na)
    180 SYSCALL_SYMLINKAT_E "symlinkat" FILE + SYSCALL [OLD] ()
    181 SYSCALL_SYMLINKAT_X "symlinkat" FILE + SYSCALL [USES_FD] (res: Errno dec, target: CharBuf na, linkdirfd: Fd dec, linkpath: FsRelPath @2 na)
    182 SYSCALL_FORK_E "fork" PROCESS + SYSCALL [STATE OLD] ()
    183 SYSCALL_FORK_X "fork" PROCESS + SYSCALL [STATE OLD CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec)
    184 SYSCALL_VFORK_E "vfork" PROCESS + SYSCALL [STATE OLD] ()
    185 SYSCALL_VFORK_X "vfork" PROCESS + SYSCALL [STATE OLD CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec)
    186 PROCEXIT_1_E "procexit" PROCESS + TRACEPOINT [STATE] (status: Errno dec, ret: Errno dec, sig: SigType dec, core: Uint8 dec, reaper_tid: Pid dec)
    187 PROCEXIT_1_X "NA" UNKNOWN [UNUSED] ()
    188 SYSCALL_SENDFILE_E "sendfile" IO_WRITE + SYSCALL [USES_FD OLD CONV] (out_fd: Fd dec, in_fd: Fd dec, offset: Uint64 dec, size: Uint64 dec)
    189 SYSCALL_SENDFILE_X "sendfile" IO_WRITE + SYSCALL [USES_FD CONV] (res: Errno dec, offset: Uint64 dec, out_fd: Fd dec, in_fd: Fd dec, size: Uint64 dec)
    190 SYSCALL_QUOTACTL_E "quotactl" USER + SYSCALL [OLD CONV] (cmd: Flags16 {QUOTACTL_CMDS} dec, type: Flags8 {QUOTACTL_TYPES} dec, id: Uint32 dec, quota_fmt: Flags8 {QUOTACTL_QUOTA_FMTS} dec)
    191 SYSCALL_QUOTACTL_X "quotactl" USER + SYSCALL [CONV] (res: Errno dec, special: CharBuf na, quotafilepath: CharBuf na, dqb_bhardlimit: Uint64 dec, dqb_bsoftlimit: Uint64 dec, dqb_curspace: Uint64 dec, dqb_ihardlimit: Uint64 dec, dqb_isoftlimit: Uint64 dec, dqb_btime: RelTime dec, dqb_itime: RelTime dec, dqi_bgrace: RelTime dec, dqi_igrace: RelTime dec, dqi_flags: Flags8 {QUOTACTL_DQI_FLAGS} dec, quota_fmt_out: Flags8 {QUOTACTL_QUOTA_FMTS} dec, cmd: Flags16 {QUOTACTL_CMDS} dec, type: Flags8 {QUOTACTL_TYPES} dec, id: Uint32 dec, quota_fmt: Flags8 {QUOTACTL_QUOTA_FMTS} dec)
    192 SYSCALL_SETRESUID_E "setresuid" USER + SYSCALL [STATE OLD CONV] (ruid: Uid dec, euid: Uid dec, suid: Uid dec)
    193 SYSCALL_SETRESUID_X "setresuid" USER + SYSCALL [STATE CONV] (res: Errno dec, ruid: Uid dec, euid: Uid dec, suid: Uid dec)
    194 SYSCALL_SETRESGID_E "setresgid" USER + SYSCALL [STATE OLD CONV] (rgid: Gid dec, egid: Gid dec, sgid: Gid dec)
    195 SYSCALL_SETRESGID_X "setresgid" USER + SYSCALL [STATE CONV] (res: Errno dec, rgid: Gid dec, egid: Gid dec, sgid: Gid dec)
    196 SCAPEVENT_E "scapevent" INTERNAL + METAEVENT [SKIPPARSERESET] (event_type: Uint32 dec, event_data: Uint64 dec)
    197 SCAPEVENT_X "NA" UNKNOWN [UNUSED] ()
    198 SYSCALL_SETUID_E "setuid" USER + SYSCALL [STATE OLD CONV] (uid: Uid dec)
    199 SYSCALL_SETUID_X "setuid" USER + SYSCALL [STATE CONV] (res: Errno dec, uid: Uid dec)
    200 SYSCALL_SETGID_E "setgid" USER + SYSCALL [STATE OLD CONV] (gid: Gid dec)
    201 SYSCALL_SETGID_X "setgid" USER + SYSCALL [STATE CONV] (res: Errno dec, gid: Gid dec)
    202 SYSCALL_GETUID_E "getuid" USER + SYSCALL [OLD] ()
    203 SYSCALL_GETUID_X "getuid" USER + SYSCALL [] (uid: Uid dec)
    204 SYSCALL_GETEUID_E "geteuid" USER + SYSCALL [OLD] ()
    205 SYSCALL_GETEUID_X "geteuid" USER + SYSCALL [] (euid: Uid dec)
    206 SYSCALL_GETGID_E "getgid" USER + SYSCALL [OLD] ()
    207 SYSCALL_GETGID_X "getgid" USER + SYSCALL [] (gid: Gid dec)
    208 SYSCALL_GETEGID_E "getegid" USER + SYSCALL [OLD] ()
    209 SYSCALL_GETEGID_X "getegid" USER + SYSCALL [] (egid: Gid dec)
    210 SYSCALL_GETRESUID_E "getresuid" USER + SYSCALL [OLD] ()
    211 SYSCALL_GETRESUID_X "getresuid" USER + SYSCALL [] (res: Errno dec, ruid: Uid dec, euid: Uid dec, suid: Uid dec)
    212 SYSCALL_GETRESGID_E "getresgid" USER + SYSCALL [OLD] ()
    213 SYSCALL_GETRESGID_X "getresgid" USER + SYSCALL [] (res: Errno dec, rgid: Gid dec, egid: Gid dec, sgid: Gid dec)
    214 SYSCALL_EXECVE_15_E "execve" PROCESS + SYSCALL [STATE OLD CONV] ()
    215 SYSCALL_EXECVE_15_X "execve" PROCESS + SYSCALL [STATE OLD CONV] (res: Errno dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Uint64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, env: ByteBuf na)
    216 SYSCALL_CLONE_17_E "clone" PROCESS + SYSCALL [STATE OLD] ()
    217 SYSCALL_CLONE_17_X "clone" PROCESS + SYSCALL [STATE OLD CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec)
    218 SYSCALL_FORK_17_E "fork" PROCESS + SYSCALL [STATE OLD] ()
    219 SYSCALL_FORK_17_X "fork" PROCESS + SYSCALL [STATE OLD CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec)
    220 SYSCALL_VFORK_17_E "vfork" PROCESS + SYSCALL [STATE OLD] ()
    221 SYSCALL_VFORK_17_X "vfork" PROCESS + SYSCALL [STATE OLD CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec)
    222 SYSCALL_CLONE_20_E "clone" PROCESS + SYSCALL [STATE OLD] ()
    223 SYSCALL_CLONE_20_X "clone" PROCESS + SYSCALL [STATE CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, cgroups: ByteBuf na, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec, vtid: Pid dec, vpid: Pid dec, pidns_init_start_ts: Uint64 dec)
    224 SYSCALL_FORK_20_E "fork" PROCESS + SYSCALL [STATE OLD] ()
    225 SYSCALL_FORK_20_X "fork" PROCESS + SYSCALL [STATE CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, cgroups: ByteBuf na, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec, vtid: Pid dec, vpid: Pid dec, pidns_init_start_ts: Uint64 dec)
    226 SYSCALL_VFORK_20_E "vfork" PROCESS + SYSCALL [STATE OLD] ()
    227 SYSCALL_VFORK_20_X "vfork" PROCESS + SYSCALL [STATE CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, cgroups: ByteBuf na, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec, vtid: Pid dec, vpid: Pid dec, pidns_init_start_ts: Uint64 dec)
    228 CONTAINER_E "container" INTERNAL + METAEVENT [STATE SKIPPARSERESET OLD CONV] (id: CharBuf na, type: Uint32 dec, name: CharBuf na, image: CharBuf na)
    229 CONTAINER_X "NA" UNKNOWN [UNUSED] ()
    230 SYSCALL_EXECVE_16_E "execve" PROCESS + SYSCALL [STATE OLD CONV] ()
    231 SYSCALL_EXECVE_16_X "execve" PROCESS + SYSCALL [STATE OLD CONV] (res: Errno dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Uint64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, cgroups: ByteBuf na, env: ByteBuf na)
    232 SIGNALDELIVER_E "signaldeliver" SIGNAL + TRACEPOINT [] (spid: Pid dec, dpid: Pid dec, sig: SigType dec)
    233 SIGNALDELIVER_X "NA" UNKNOWN [UNUSED] ()
    234 PROCINFO_E "procinfo" INTERNAL + METAEVENT [SKIPPARSERESET] (cpu_usr: Uint64 dec, cpu_sys: Uint64 dec)
    235 PROCINFO_X "NA" UNKNOWN [UNUSED] ()
    236 SYSCALL_GETDENTS_E "getdents" FILE + SYSCALL [USES_FD OLD CONV] (fd: Fd na)
    237 SYSCALL_GETDENTS_X "getdents" FILE + SYSCALL [USES_FD CONV] (res: Errno dec, fd: Fd na)
    238 SYSCALL_GETDENTS64_E "getdents64" FILE + SYSCALL [USES_FD OLD CONV] (fd: Fd na)
    239 SYSCALL_GETDENTS64_X "getdents64" FILE + SYSCALL [USES_FD CONV] (res: Errno dec, fd: Fd na)
    240 SYSCALL_SETNS_E "setns" PROCESS + SYSCALL [USES_FD OLD CONV] (fd: Fd na, nstype: Flags32 {CLONE_FLAGS} hex)
    241 SYSCALL_SETNS_X "setns" PROCESS + SYSCALL [USES_FD CONV] (res: Errno dec, fd: Fd na, nstype: Flags32 {CLONE_FLAGS} hex)
    242 SYSCALL_FLOCK_E "flock" FILE + SYSCALL [USES_FD OLD CONV] (fd: Fd na, operation: Flags32 {FLOCK_FLAGS} hex)
    243 SYSCALL_FLOCK_X "flock" FILE + SYSCALL [USES_FD CONV] (res: Errno dec, fd: Fd na, operation: Flags32 {FLOCK_FLAGS} hex)
    244 CPU_HOTPLUG_E "cpu_hotplug" SYSTEM + METAEVENT [STATE SKIPPARSERESET] (cpu: Uint32 dec, action: Uint32 dec)
    245 CPU_HOTPLUG_X "NA" UNKNOWN [UNUSED] ()
    246 SOCKET_ACCEPT_5_E "accept" NET + SYSCALL [CREATES_FD STATE OLD] ()
    247 SOCKET_ACCEPT_5_X "accept" NET + SYSCALL [CREATES_FD STATE] (fd: Fd dec, tuple: SockTuple na, queuepct: Uint8 dec, queuelen: Uint32 dec, queuemax: Uint32 dec)
    248 SOCKET_ACCEPT4_5_E "accept" NET + SYSCALL [CREATES_FD STATE OLD CONV] (flags: Int32 hex)
    249 SOCKET_ACCEPT4_5_X "accept" NET + SYSCALL [CREATES_FD STATE OLD CONV] (fd: Fd dec, tuple: SockTuple na, queuepct: Uint8 dec, queuelen: Uint32 dec, queuemax: Uint32 dec)
    250 SYSCALL_SEMOP_E "semop" PROCESS + SYSCALL [OLD CONV] (semid: Int32 dec)
    251 SYSCALL_SEMOP_X "semop" PROCESS + SYSCALL [CONV] (res: Errno dec, nsops: Uint32 dec, sem_num_0: Uint16 dec, sem_op_0: Int16 dec, sem_flg_0: Flags16 {SEMOP_FLAGS} hex, sem_num_1: Uint16 dec, sem_op_1: Int16 dec, sem_flg_1: Flags16 {SEMOP_FLAGS} hex, semid: Int32 dec)
    252 SYSCALL_SEMCTL_E "semctl" PROCESS + SYSCALL [OLD CONV] (semid: Int32 dec, semnum: Int32 dec, cmd: Flags16 {SEMCTL_COMMANDS} hex, val: Int32 dec)
    253 SYSCALL_SEMCTL_X "semctl" PROCESS + SYSCALL [CONV] (res: Errno dec, semid: Int32 dec, semnum: Int32 dec, cmd: Flags16 {SEMCTL_COMMANDS} hex, val: Int32 dec)
    254 SYSCALL_PPOLL_E "ppoll" WAIT + SYSCALL [WAITS OLD CONV] (fds: FdList dec, timeout: RelTime dec, sigmask: SigSet dec)
    255 SYSCALL_PPOLL_X "ppoll" WAIT + SYSCALL [WAITS CONV] (res: Errno dec, fds: FdList dec, timeout: RelTime dec, sigmask: SigSet dec)
    256 SYSCALL_MOUNT_E "mount" FILE + SYSCALL [STATE OLD CONV] (flags: Flags32 {MOUNT_FLAGS} hex)
    257 SYSCALL_MOUNT_X "mount" FILE + SYSCALL [STATE CONV] (res: Errno dec, dev: CharBuf na, dir: FsPath na, type: CharBuf na, flags: Flags32 {MOUNT_FLAGS} hex)
    258 SYSCALL_UMOUNT_E "umount" FILE + SYSCALL [STATE OLD] (flags: Flags32 {UMOUNT_FLAGS} hex)
    259 SYSCALL_UMOUNT_X "umount" FILE + SYSCALL [STATE OLD CONV] (res: Errno dec, name: FsPath na)
    260 K8S_E "k8s" INTERNAL + METAEVENT [STATE SKIPPARSERESET OLD] (json: CharBuf na)
    261 K8S_X "NA" UNKNOWN [UNUSED] ()
    262 SYSCALL_SEMGET_E "semget" PROCESS + SYSCALL [OLD CONV] (key: Int32 hex, nsems: Int32 dec, semflg: Flags32 {SEMGET_FLAGS} hex)
    263 SYSCALL_SEMGET_X "semget" PROCESS + SYSCALL [CONV] (res: Errno dec, key: Int32 hex, nsems: Int32 dec, semflg: Flags32 {SEMGET_FLAGS} hex)
    264 SYSCALL_ACCESS_E "access" FILE + SYSCALL [OLD CONV] (mode: Flags32 {ACCESS_FLAGS} hex)
    265 SYSCALL_ACCESS_X "access" FILE + SYSCALL [CONV] (res: Errno dec, name: FsPath na, mode: Flags32 {ACCESS_FLAGS} hex)
    266 SYSCALL_CHROOT_E "chroot" PROCESS + SYSCALL [STATE OLD] ()
    267 SYSCALL_CHROOT_X "chroot" PROCESS + SYSCALL [STATE] (res: Errno dec, path: FsPath na)
    268 TRACER_E "tracer" OTHER + METAEVENT [OLD] (id: Int64 dec, tags: CharBufArray na, args: CharBufPairArray na)
    269 TRACER_X "NA" UNKNOWN [UNUSED] (id: Int64 dec, tags: CharBufArray na, args: CharBufPairArray na)
    270 MESOS_E "mesos" INTERNAL + METAEVENT [STATE SKIPPARSERESET OLD] (json: CharBuf na)
    271 MESOS_X "NA" UNKNOWN [UNUSED] ()
    272 CONTAINER_JSON_E "container" PROCESS + METAEVENT [STATE OLD CONV] (json: CharBuf na)
    273 CONTAINER_JSON_X "NA" UNKNOWN [UNUSED] ()
    274 SYSCALL_SETSID_E "setsid" PROCESS + SYSCALL [STATE OLD] ()
    275 SYSCALL_SETSID_X "setsid" PROCESS + SYSCALL [STATE] (res: Pid dec)
    276 SYSCALL_MKDIR_2_E "mkdir" FILE + SYSCALL [OLD CONV] (mode: Uint32 hex)
    277 SYSCALL_MKDIR_2_X "mkdir" FILE + SYSCALL [CONV] (res: Errno dec, path: FsPath na, mode: Uint32 hex)
    278 SYSCALL_RMDIR_2_E "rmdir" FILE + SYSCALL [OLD] ()
    279 SYSCALL_RMDIR_2_X "rmdir" FILE + SYSCALL [] (res: Errno dec, path: FsPath na)
    280 NOTIFICATION_E "notification" OTHER + METAEVENT [SKIPPARSERESET] (id: CharBuf dec, desc: CharBuf na)
    281 NOTIFICATION_X "NA" UNKNOWN [UNUSED] ()
    282 SYSCALL_EXECVE_17_E "execve" PROCESS + SYSCALL [STATE OLD CONV] ()
    283 SYSCALL_EXECVE_17_X "execve" PROCESS + SYSCALL [STATE OLD CONV] (res: Errno dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Uint64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, cgroups: ByteBuf na, env: ByteBuf na, tty: Int32 dec)
    284 SYSCALL_UNSHARE_E "unshare" PROCESS + SYSCALL [OLD CONV] (flags: Flags32 {CLONE_FLAGS} hex)
    285 SYSCALL_UNSHARE_X "unshare" PROCESS + SYSCALL [CONV] (res: Errno dec, flags: Flags32 {CLONE_FLAGS} hex)
    286 INFRASTRUCTURE_EVENT_E "infra" INTERNAL + METAEVENT [SKIPPARSERESET] (source: CharBuf dec, name: CharBuf na, description: CharBuf na, scope: CharBuf na)
    287 INFRASTRUCTURE_EVENT_X "NA" UNKNOWN [UNUSED] ()
    288 SYSCALL_EXECVE_18_E "execve" PROCESS + SYSCALL [STATE OLD CONV] (filename: FsPath na)
    289 SYSCALL_EXECVE_18_X "execve" PROCESS + SYSCALL [STATE OLD CONV] (res: Errno dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Uint64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, cgroups: ByteBuf na, env: ByteBuf na, tty: Int32 dec)
    290 PAGE_FAULT_E "page_fault" OTHER + TRACEPOINT [SKIPPARSERESET] (addr: Uint64 hex, ip: Uint64 hex, error: Flags32 {PF_FLAGS} hex)
    291 PAGE_FAULT_X "NA" UNKNOWN [UNUSED] ()
    292 SYSCALL_EXECVE_19_E "execve" PROCESS + SYSCALL [STATE OLD CONV] (filename: FsPath na)
    293 SYSCALL_EXECVE_19_X "execve" PROCESS + SYSCALL [STATE CONV] (res: Errno dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Uint64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, cgroups: ByteBuf na, env: ByteBuf na, tty: Uint32 dec, vpgid: Pid dec, loginuid: Uid dec, flags: Flags32 {EXECVE_FLAGS} hex, cap_inheritable: Uint64 hex, cap_permitted: Uint64 hex, cap_effective: Uint64 hex, exe_ino: Uint64 dec, exe_ino_ctime: AbsTime dec, exe_ino_mtime: AbsTime dec, uid: Uid dec, trusted_exepath: FsPath na, pgid: Pid na, gid: Gid dec, filename: FsPath na)
    294 SYSCALL_SETPGID_E "setpgid" PROCESS + SYSCALL [OLD CONV] (pid: Pid dec, pgid: Pid dec)
    295 SYSCALL_SETPGID_X "setpgid" PROCESS + SYSCALL [CONV] (res: Errno dec, pid: Pid dec, pgid: Pid dec)
    296 SYSCALL_BPF_E "bpf" OTHER + SYSCALL [CREATES_FD OLD CONV] (cmd: Int64 dec)
    297 SYSCALL_BPF_X "bpf" OTHER + SYSCALL [CREATES_FD OLD CONV] (res_or_fd: Dyn dec)
    298 SYSCALL_SECCOMP_E "seccomp" OTHER + SYSCALL [OLD CONV] (op: Uint64 dec, flags: Uint64 hex)
    299 SYSCALL_SECCOMP_X "seccomp" OTHER + SYSCALL [CONV] (res: Errno dec, op: Uint64 dec, flags: Uint64 hex)
    300 SYSCALL_UNLINK_2_E "unlink" FILE + SYSCALL [OLD] ()
    301 SYSCALL_UNLINK_2_X "unlink" FILE + SYSCALL [] (res: Errno dec, path: FsPath na)
    302 SYSCALL_UNLINKAT_2_E "unlinkat" FILE + SYSCALL [OLD] ()
    303 SYSCALL_UNLINKAT_2_X "unlinkat" FILE + SYSCALL [USES_FD] (res: Errno dec, dirfd: Fd dec, name: FsRelPath @1 na, flags: Flags32 {UNLINKAT_FLAGS} hex)
    304 SYSCALL_MKDIRAT_E "mkdirat" FILE + SYSCALL [OLD] ()
    305 SYSCALL_MKDIRAT_X "mkdirat" FILE + SYSCALL [USES_FD] (res: Errno dec, dirfd: Fd dec, path: FsRelPath @1 na, mode: Uint32 hex)
    306 SYSCALL_OPENAT_2_E "openat" FILE + SYSCALL [CREATES_FD STATE CONV] (dirfd: Fd dec, name: FsRelPath @0 na, flags: Flags32 {FILE_FLAGS} hex, mode: Uint32 oct)
    307 SYSCALL_OPENAT_2_X "openat" FILE + SYSCALL [CREATES_FD STATE CONV] (fd: Fd dec, dirfd: Fd dec, name: FsRelPath @1 na, flags: Flags32 {FILE_FLAGS} hex, mode: Uint32 oct, dev: Uint32 hex, ino: Uint64 dec)
    308 SYSCALL_LINK_2_E "link" FILE + SYSCALL [OLD] ()
    309 SYSCALL_LINK_2_X "link" FILE + SYSCALL [] (res: Errno dec, oldpath: FsPath na, newpath: FsPath na)
    310 SYSCALL_LINKAT_2_E "linkat" FILE + SYSCALL [OLD] ()
    311 SYSCALL_LINKAT_2_X "linkat" FILE + SYSCALL [] (res: Errno dec, olddir: Fd dec, oldpath: FsRelPath @1 na, newdir: Fd dec, newpath: FsRelPath @3 na, flags: Flags32 {LINKAT_FLAGS} hex)
    312 SYSCALL_FCHMODAT_E "fchmodat" FILE + SYSCALL [OLD] ()
    313 SYSCALL_FCHMODAT_X "fchmodat" FILE + SYSCALL [USES_FD] (res: Errno dec, dirfd: Fd dec, filename: FsRelPath @1 na, mode: Mode {CHMOD_MODE} oct)
    314 SYSCALL_CHMOD_E "chmod" FILE + SYSCALL [OLD] ()
    315 SYSCALL_CHMOD_X "chmod" FILE + SYSCALL [] (res: Errno dec, filename: FsPath na, mode: Mode {CHMOD_MODE} oct)
    316 SYSCALL_FCHMOD_E "fchmod" FILE + SYSCALL [OLD] ()
    317 SYSCALL_FCHMOD_X "fchmod" FILE + SYSCALL [USES_FD] (res: Errno dec, fd: Fd dec, mode: Mode {CHMOD_MODE} oct)
    318 SYSCALL_RENAMEAT2_E "renameat2" FILE + SYSCALL [OLD] ()
    319 SYSCALL_RENAMEAT2_X "renameat2" FILE + SYSCALL [] (res: Errno dec, olddirfd: Fd dec, oldpath: FsRelPath @1 na, newdirfd: Fd dec, newpath: FsRelPath @3 na, flags: Flags32 {RENAMEAT2_FLAGS} hex)
    320 SYSCALL_USERFAULTFD_E "userfaultfd" FILE + SYSCALL [CREATES_FD STATE OLD] ()
    321 SYSCALL_USERFAULTFD_X "userfaultfd" FILE + SYSCALL [CREATES_FD STATE] (res: Errno dec, flags: Flags32 {FILE_FLAGS} hex)
    322 PLUGINEVENT_E "pluginevent" OTHER + PLUGIN [LARGE] (plugin_id: Uint32 dec, event_data: ByteBuf na)
    323 PLUGINEVENT_X "NA" UNKNOWN [UNUSED] ()
    324 CONTAINER_JSON_2_E "container" PROCESS + METAEVENT [STATE LARGE] (json: CharBuf na)
    325 CONTAINER_JSON_2_X "NA" UNKNOWN [UNUSED] ()
    326 SYSCALL_OPENAT2_E "openat2" FILE + SYSCALL [CREATES_FD STATE CONV] (dirfd: Fd dec, name: FsRelPath @0 na, flags: Flags32 {FILE_FLAGS} hex, mode: Uint32 oct, resolve: Flags32 {OPENAT2_FLAGS} hex)
    327 SYSCALL_OPENAT2_X "openat2" FILE + SYSCALL [CREATES_FD STATE CONV] (fd: Fd dec, dirfd: Fd dec, name: FsRelPath @1 na, flags: Flags32 {FILE_FLAGS} hex, mode: Uint32 oct, resolve: Flags32 {OPENAT2_FLAGS} hex, dev: Uint32 hex, ino: Uint64 dec)
    328 SYSCALL_MPROTECT_E "mprotect" MEMORY + SYSCALL [OLD CONV] (addr: Uint64 hex, length: Uint64 dec, prot: Flags32 {PROT_FLAGS} hex)
    329 SYSCALL_MPROTECT_X "mprotect" MEMORY + SYSCALL [CONV] (res: Errno dec, addr: Uint64 hex, length: Uint64 dec, prot: Flags32 {PROT_FLAGS} hex)
    330 SYSCALL_EXECVEAT_E "execveat" PROCESS + SYSCALL [STATE OLD CONV] (dirfd: Fd dec, pathname: FsRelPath @0 na, flags: Flags32 {EXECVEAT_FLAGS} hex)
    331 SYSCALL_EXECVEAT_X "execveat" PROCESS + SYSCALL [STATE CONV] (res: Errno dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Uint64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, cgroups: ByteBuf na, env: ByteBuf na, tty: Uint32 dec, vpgid: Pid dec, loginuid: Uid dec, flags: Flags32 {EXECVE_FLAGS} hex, cap_inheritable: Uint64 hex, cap_permitted: Uint64 hex, cap_effective: Uint64 hex, exe_ino: Uint64 dec, exe_ino_ctime: AbsTime dec, exe_ino_mtime: AbsTime dec, uid: Uid dec, trusted_exepath: FsPath na, pgid: Pid na, gid: Gid dec)
    332 SYSCALL_COPY_FILE_RANGE_E "copy_file_range" FILE + SYSCALL [USES_FD READS WRITES OLD CONV] (fdin: Fd dec, offin: Uint64 dec, len: Uint64 dec)
    333 SYSCALL_COPY_FILE_RANGE_X "copy_file_range" FILE + SYSCALL [USES_FD READS WRITES CONV] (res: Errno dec, fdout: Fd dec, offout: Uint64 dec, fdin: Fd dec, offin: Uint64 dec, len: Uint64 dec)
    334 SYSCALL_CLONE3_E "clone3" PROCESS + SYSCALL [STATE OLD] ()
    335 SYSCALL_CLONE3_X "clone3" PROCESS + SYSCALL [STATE CONV] (res: Pid dec, exe: CharBuf na, args: ByteBuf na, tid: Pid dec, pid: Pid dec, ptid: Pid dec, cwd: CharBuf na, fdlimit: Int64 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, comm: CharBuf na, cgroups: ByteBuf na, flags: Flags32 {CLONE_FLAGS} hex, uid: Uint32 dec, gid: Uint32 dec, vtid: Pid dec, vpid: Pid dec, pidns_init_start_ts: Uint64 dec)
    336 SYSCALL_OPEN_BY_HANDLE_AT_E "open_by_handle_at" FILE + SYSCALL [CREATES_FD STATE OLD] ()
    337 SYSCALL_OPEN_BY_HANDLE_AT_X "open_by_handle_at" FILE + SYSCALL [CREATES_FD STATE] (fd: Fd dec, mountfd: Fd dec, flags: Flags32 {FILE_FLAGS} hex, path: FsPath na, dev: Uint32 hex, ino: Uint64 dec)
    338 SYSCALL_IO_URING_SETUP_E "io_uring_setup" IO_OTHER + SYSCALL [CREATES_FD STATE OLD] ()
    339 SYSCALL_IO_URING_SETUP_X "io_uring_setup" IO_OTHER + SYSCALL [CREATES_FD STATE] (res: Errno dec, entries: Uint32 dec, sq_entries: Uint32 dec, cq_entries: Uint32 dec, flags: Flags32 {IO_URING_SETUP_FLAGS} hex, sq_thread_cpu: Uint32 dec, sq_thread_idle: Uint32 dec, features: Flags32 {IO_URING_SETUP_FEATS} hex)
    340 SYSCALL_IO_URING_ENTER_E "io_uring_enter" IO_OTHER + SYSCALL [OLD] ()
    341 SYSCALL_IO_URING_ENTER_X "io_uring_enter" IO_OTHER + SYSCALL [USES_FD] (res: Errno dec, fd: Fd dec, to_submit: Uint32 dec, min_complete: Uint32 dec, flags: Flags32 {IO_URING_ENTER_FLAGS} hex, sig: SigSet dec)
    342 SYSCALL_IO_URING_REGISTER_E "io_uring_register" IO_OTHER + SYSCALL [OLD] ()
    343 SYSCALL_IO_URING_REGISTER_X "io_uring_register" IO_OTHER + SYSCALL [USES_FD] (res: Errno dec, fd: Fd dec, opcode: EnumFlags16 {IO_URING_REGISTER_OPCODES} dec, arg: Uint64 hex, nr_args: Uint32 dec)
    344 SYSCALL_MLOCK_E "mlock" MEMORY + SYSCALL [OLD] ()
    345 SYSCALL_MLOCK_X "mlock" MEMORY + SYSCALL [] (res: Errno dec, addr: Uint64 hex, len: Uint64 dec)
    346 SYSCALL_MUNLOCK_E "munlock" MEMORY + SYSCALL [OLD] ()
    347 SYSCALL_MUNLOCK_X "munlock" MEMORY + SYSCALL [] (res: Errno dec, addr: Uint64 hex, len: Uint64 dec)
    348 SYSCALL_MLOCKALL_E "mlockall" MEMORY + SYSCALL [OLD] ()
    349 SYSCALL_MLOCKALL_X "mlockall" MEMORY + SYSCALL [] (res: Errno dec, flags: Flags32 {MLOCKALL_FLAGS} hex)
    350 SYSCALL_MUNLOCKALL_E "munlockall" MEMORY + SYSCALL [OLD] ()
    351 SYSCALL_MUNLOCKALL_X "munlockall" MEMORY + SYSCALL [] (res: Errno dec)
    352 SYSCALL_CAPSET_E "capset" PROCESS + SYSCALL [STATE OLD] ()
    353 SYSCALL_CAPSET_X "capset" PROCESS + SYSCALL [STATE] (res: Errno dec, cap_inheritable: Uint64 hex, cap_permitted: Uint64 hex, cap_effective: Uint64 hex)
    354 USER_ADDED_E "useradded" PROCESS + METAEVENT [STATE] (uid: Uint32 dec, gid: Uint32 dec, name: CharBuf na, home: CharBuf na, shell: CharBuf na, container_id: CharBuf na)
    355 USER_ADDED_X "NA" UNKNOWN [UNUSED] ()
    356 USER_DELETED_E "userdeleted" PROCESS + METAEVENT [STATE] (uid: Uint32 dec, gid: Uint32 dec, name: CharBuf na, home: CharBuf na, shell: CharBuf na, container_id: CharBuf na)
    357 USER_DELETED_X "NA" UNKNOWN [UNUSED] ()
    358 GROUP_ADDED_E "groupadded" PROCESS + METAEVENT [STATE] (gid: Uint32 dec, name: CharBuf na, container_id: CharBuf na)
    359 GROUP_ADDED_X "NA" UNKNOWN [UNUSED] ()
    360 GROUP_DELETED_E "groupdeleted" PROCESS + METAEVENT [STATE] (gid: Uint32 dec, name: CharBuf na, container_id: CharBuf na)
    361 GROUP_DELETED_X "NA" UNKNOWN [UNUSED] ()
    362 SYSCALL_DUP2_E "dup2" IO_OTHER + SYSCALL [CREATES_FD USES_FD STATE OLD] (fd: Fd dec)
    363 SYSCALL_DUP2_X "dup2" IO_OTHER + SYSCALL [CREATES_FD USES_FD STATE] (res: Fd dec, oldfd: Fd dec, newfd: Fd dec)
    364 SYSCALL_DUP3_E "dup3" IO_OTHER + SYSCALL [CREATES_FD USES_FD STATE OLD] (fd: Fd dec)
    365 SYSCALL_DUP3_X "dup3" IO_OTHER + SYSCALL [CREATES_FD USES_FD STATE] (res: Fd dec, oldfd: Fd dec, newfd: Fd dec, flags: Flags32 {FILE_FLAGS} hex)
    366 SYSCALL_DUP_1_E "dup" IO_OTHER + SYSCALL [CREATES_FD USES_FD STATE OLD] (fd: Fd dec)
    367 SYSCALL_DUP_1_X "dup" IO_OTHER + SYSCALL [CREATES_FD USES_FD STATE] (res: Fd dec, oldfd: Fd dec)
    368 SYSCALL_BPF_2_E "bpf" OTHER + SYSCALL [CREATES_FD OLD] (cmd: Int64 dec)
    369 SYSCALL_BPF_2_X "bpf" OTHER + SYSCALL [CREATES_FD] (fd: Fd dec, cmd: EnumFlags32 {BPF_COMMANDS} dec)
    370 SYSCALL_MLOCK2_E "mlock2" MEMORY + SYSCALL [OLD] ()
    371 SYSCALL_MLOCK2_X "mlock2" MEMORY + SYSCALL [] (res: Errno dec, addr: Uint64 hex, len: Uint64 dec, flags: Flags32 {MLOCK2_FLAGS} hex)
    372 SYSCALL_FSCONFIG_E "fsconfig" SYSTEM + SYSCALL [OLD] ()
    373 SYSCALL_FSCONFIG_X "fsconfig" SYSTEM + SYSCALL [USES_FD] (res: Errno dec, fd: Fd dec, cmd: EnumFlags32 {FSCONFIG_CMDS} dec, key: CharBuf na, value_bytebuf: ByteBuf na, value_charbuf: CharBuf na, aux: Int32 dec)
    374 SYSCALL_EPOLL_CREATE_E "epoll_create" WAIT + SYSCALL [CREATES_FD STATE OLD CONV] (size: Int32 dec)
    375 SYSCALL_EPOLL_CREATE_X "epoll_create" WAIT + SYSCALL [CREATES_FD STATE CONV] (res: Errno dec, size: Int32 dec)
    376 SYSCALL_EPOLL_CREATE1_E "epoll_create1" WAIT + SYSCALL [CREATES_FD STATE OLD CONV] (flags: Flags32 {EPOLL_CREATE1_FLAGS} hex)
    377 SYSCALL_EPOLL_CREATE1_X "epoll_create1" WAIT + SYSCALL [CREATES_FD STATE CONV] (res: Errno dec, flags: Flags32 {EPOLL_CREATE1_FLAGS} hex)
    378 SYSCALL_CHOWN_E "chown" FILE + SYSCALL [OLD] ()
    379 SYSCALL_CHOWN_X "chown" FILE + SYSCALL [] (res: Errno dec, path: FsPath na, uid: Uint32 dec, gid: Uint32 dec)
    380 SYSCALL_LCHOWN_E "lchown" FILE + SYSCALL [OLD] ()
    381 SYSCALL_LCHOWN_X "lchown" FILE + SYSCALL [] (res: Errno dec, path: FsPath na, uid: Uint32 dec, gid: Uint32 dec)
    382 SYSCALL_FCHOWN_E "fchown" FILE + SYSCALL [OLD] ()
    383 SYSCALL_FCHOWN_X "fchown" FILE + SYSCALL [USES_FD] (res: Errno dec, fd: Fd dec, uid: Uint32 dec, gid: Uint32 dec)
    384 SYSCALL_FCHOWNAT_E "fchownat" FILE + SYSCALL [OLD] ()
    385 SYSCALL_FCHOWNAT_X "fchownat" FILE + SYSCALL [USES_FD] (res: Errno dec, dirfd: Fd dec, pathname: FsRelPath @1 na, uid: Uint32 dec, gid: Uint32 dec, flags: Flags32 {FCHOWNAT_FLAGS} hex)
    386 SYSCALL_UMOUNT_1_E "umount" FILE + SYSCALL [STATE OLD] ()
    387 SYSCALL_UMOUNT_1_X "umount" FILE + SYSCALL [STATE] (res: Errno dec, name: FsPath na)
    388 SOCKET_ACCEPT4_6_E "accept4" NET + SYSCALL [CREATES_FD STATE OLD CONV] (flags: Int32 hex)
    389 SOCKET_ACCEPT4_6_X "accept4" NET + SYSCALL [CREATES_FD STATE CONV] (fd: Fd dec, tuple: SockTuple na, queuepct: Uint8 dec, queuelen: Uint32 dec, queuemax: Uint32 dec, flags: Int32 hex)
    390 SYSCALL_UMOUNT2_E "umount2" FILE + SYSCALL [STATE OLD CONV] (flags: Flags32 {UMOUNT_FLAGS} hex)
    391 SYSCALL_UMOUNT2_X "umount2" FILE + SYSCALL [STATE CONV] (res: Errno dec, name: FsPath na, flags: Flags32 {UMOUNT_FLAGS} hex)
    392 SYSCALL_PIPE2_E "pipe2" IPC + SYSCALL [CREATES_FD STATE OLD] ()
    393 SYSCALL_PIPE2_X "pipe2" IPC + SYSCALL [CREATES_FD STATE] (res: Errno dec, fd1: Fd dec, fd2: Fd dec, ino: Uint64 dec, flags: Flags32 {FILE_FLAGS} hex)
    394 SYSCALL_INOTIFY_INIT1_E "inotify_init1" IPC + SYSCALL [CREATES_FD STATE OLD] ()
    395 SYSCALL_INOTIFY_INIT1_X "inotify_init1" IPC + SYSCALL [CREATES_FD STATE] (res: Fd dec, flags: Flags16 {FILE_FLAGS} hex)
    396 SYSCALL_EVENTFD2_E "eventfd2" IPC + SYSCALL [CREATES_FD STATE OLD CONV] (initval: Uint64 dec)
    397 SYSCALL_EVENTFD2_X "eventfd2" IPC + SYSCALL [CREATES_FD STATE CONV] (res: Fd dec, flags: Flags16 {FILE_FLAGS} hex, initval: Uint64 dec)
    398 SYSCALL_SIGNALFD4_E "signalfd4" SIGNAL + SYSCALL [CREATES_FD STATE OLD CONV] (fd: Fd dec, mask: Uint32 hex)
    399 SYSCALL_SIGNALFD4_X "signalfd4" SIGNAL + SYSCALL [CREATES_FD STATE CONV] (res: Fd dec, flags: Flags16 {FILE_FLAGS} hex, fd: Fd dec, mask: Uint32 hex)
    400 SYSCALL_PRCTL_E "prctl" PROCESS + SYSCALL [STATE OLD] ()
    401 SYSCALL_PRCTL_X "prctl" PROCESS + SYSCALL [STATE] (res: Errno dec, option: EnumFlags32 {PRCTL_OPTIONS} dec, arg2_str: CharBuf na, arg2_int: Int64 dec)
    402 ASYNCEVENT_E "asyncevent" OTHER + METAEVENT [LARGE] (plugin_id: Uint32 dec, name: CharBuf na, data: ByteBuf na)
    403 ASYNCEVENT_X "NA" UNKNOWN [UNUSED] ()
    404 SYSCALL_MEMFD_CREATE_E "memfd_create" MEMORY + SYSCALL [CREATES_FD STATE OLD] ()
    405 SYSCALL_MEMFD_CREATE_X "memfd_create" MEMORY + SYSCALL [CREATES_FD STATE] (fd: Fd dec, name: CharBuf na, flags: Flags32 {MEMFD_CREATE_FLAGS} hex)
    406 SYSCALL_PIDFD_GETFD_E "pidfd_getfd" PROCESS + SYSCALL [CREATES_FD STATE OLD] ()
    407 SYSCALL_PIDFD_GETFD_X "pidfd_getfd" PROCESS + SYSCALL [CREATES_FD STATE] (fd: Fd dec, pid_fd: Fd dec, target_fd: Fd dec, flags: Uint32 hex)
    408 SYSCALL_PIDFD_OPEN_E "pidfd_open" PROCESS + SYSCALL [CREATES_FD STATE OLD] ()
    409 SYSCALL_PIDFD_OPEN_X "pidfd_open" PROCESS + SYSCALL [CREATES_FD STATE] (fd: Fd dec, pid: Pid dec, flags: Flags32 {PIDFD_OPEN_FLAGS} hex)
    410 SYSCALL_INIT_MODULE_E "init_module" OTHER + SYSCALL [OLD] ()
    411 SYSCALL_INIT_MODULE_X "init_module" OTHER + SYSCALL [] (res: Errno dec, img: ByteBuf na, length: Uint64 dec, uargs: CharBuf na)
    412 SYSCALL_FINIT_MODULE_E "finit_module" OTHER + SYSCALL [OLD] ()
    413 SYSCALL_FINIT_MODULE_X "finit_module" OTHER + SYSCALL [USES_FD READS] (res: Errno dec, fd: Fd dec, uargs: CharBuf na, flags: Flags32 {FINIT_MODULE_FLAGS} hex)
    414 SYSCALL_MKNOD_E "mknod" OTHER + SYSCALL [OLD] ()
    415 SYSCALL_MKNOD_X "mknod" OTHER + SYSCALL [] (res: Errno dec, path: FsPath na, mode: Mode {MKNOD_MODE} oct, dev: Uint32 dec)
    416 SYSCALL_MKNODAT_E "mknodat" OTHER + SYSCALL [OLD] ()
    417 SYSCALL_MKNODAT_X "mknodat" OTHER + SYSCALL [USES_FD] (res: Errno dec, dirfd: Fd dec, path: FsRelPath @1 na, mode: Mode {MKNOD_MODE} oct, dev: Uint32 dec)
    418 SYSCALL_NEWFSTATAT_E "newfstatat" FILE + SYSCALL [OLD] ()
    419 SYSCALL_NEWFSTATAT_X "newfstatat" FILE + SYSCALL [USES_FD] (res: Errno dec, dirfd: Fd dec, path: FsRelPath @1 na, flags: Flags32 {NEWFSTATAT_FLAGS} hex)
    420 SYSCALL_PROCESS_VM_READV_E "process_vm_readv" IPC + SYSCALL [OLD] ()
    421 SYSCALL_PROCESS_VM_READV_X "process_vm_readv" IPC + SYSCALL [] (res: Int64 dec, pid: Pid dec, data: ByteBuf na)
    422 SYSCALL_PROCESS_VM_WRITEV_E "process_vm_writev" IPC + SYSCALL [OLD] ()
    423 SYSCALL_PROCESS_VM_WRITEV_X "process_vm_writev" IPC + SYSCALL [] (res: Int64 dec, pid: Pid dec, data: ByteBuf na)
    424 SYSCALL_DELETE_MODULE_E "delete_module" OTHER + SYSCALL [OLD] ()
    425 SYSCALL_DELETE_MODULE_X "delete_module" OTHER + SYSCALL [] (res: Errno dec, name: CharBuf na, flags: Flags32 {DELETE_MODULE_FLAGS} hex)
    426 SYSCALL_SETREUID_E "setreuid" USER + SYSCALL [STATE OLD] ()
    427 SYSCALL_SETREUID_X "setreuid" USER + SYSCALL [STATE] (res: Errno dec, ruid: Uid dec, euid: Uid dec)
    428 SYSCALL_SETREGID_E "setregid" USER + SYSCALL [OLD] ()
    429 SYSCALL_SETREGID_X "setregid" USER + SYSCALL [STATE] (res: Errno dec, rgid: Uid dec, egid: Uid dec)
    430 ITER_TASK_E "task" PROCESS + ITER [STATE] (ppid: Pid32 dec, pgid: Pid32 dec, vpgid: Pid32 dec, sid: Pid32 dec, comm: CharBuf na, argv: CharBufArray na, exepath: FsPath na, flags: Flags32 {EXECVE_FLAGS} hex, env: CharBufArray na, cwd: CharBuf na, fdlimit: Uint64 dec, euid: Uid dec, egid: Gid dec, cap_permitted: Uint64 hex, cap_effective: Uint64 hex, cap_inheritable: Uint64 hex, exe_ino_num: Uint64 dec, exe_ino_ctime: AbsTime dec, exe_ino_mtime: AbsTime dec, vm_size: Uint32 dec, vm_rss: Uint32 dec, vm_swap: Uint32 dec, pgft_maj: Uint64 dec, pgft_min: Uint64 dec, vtgid: Pid32 dec, vpid: Pid32 dec, pidns_init_start_ts: Uint64 dec, cgroups: CharBufArray na, root: FsPath na, start_time: AbsTime dec, tty: Uint32 dec, loginuid: Uid dec)
    431 ITER_TASK_X "NA" UNKNOWN [UNUSED] ()
    432 ITER_TASK_FILE_PIPE_E "task_file_pipe" FILE + ITER [STATE] (fd: Fd32 dec, path: FsPath na, ino_num: Uint64 dec)
    433 ITER_TASK_FILE_PIPE_X "NA" UNKNOWN [UNUSED] ()
    434 ITER_TASK_FILE_MEMFD_E "task_file_memfd" FILE + ITER [STATE] (fd: Fd32 dec, path: FsPath na, ino_num: Uint64 dec)
    435 ITER_TASK_FILE_MEMFD_X "NA" UNKNOWN [UNUSED] ()
    436 ITER_TASK_FILE_REGULAR_E "task_file_regular" FILE + ITER [STATE] (fd: Fd32 dec, path: FsPath na, flags: Flags32 {FILE_FLAGS} hex, mnt_id: Uint32 dec, ino_num: Uint64 dec)
    437 ITER_TASK_FILE_REGULAR_X "NA" UNKNOWN [UNUSED] ()
    438 ITER_TASK_FILE_DIRECTORY_E "task_file_directory" FILE + ITER [STATE] (fd: Fd32 dec, path: FsPath na, ino_num: Uint64 dec)
    439 ITER_TASK_FILE_DIRECTORY_X "NA" UNKNOWN [UNUSED] ()
    440 ITER_TASK_FILE_SOCKET_INET_E "task_file_socket_inet" FILE + ITER [STATE] (fd: Fd32 dec, sk_type: Uint16 dec, sk_proto: Uint16 dec, local_ip: Ipv4Addr hex, local_port: Port hex, remote_ip: Ipv4Addr hex, remote_port: Port hex, ino_num: Uint64 dec)
    441 ITER_TASK_FILE_SOCKET_INET_X "NA" UNKNOWN [UNUSED] ()
    442 ITER_TASK_FILE_SOCKET_INET6_E "task_file_socket_inet6" FILE + ITER [STATE] (fd: Fd32 dec, sk_type: Uint16 dec, sk_proto: Uint16 dec, local_ip: Ipv6Addr hex, local_port: Port hex, remote_ip: Ipv6Addr hex, remote_port: Port hex, ino_num: Uint64 dec)
    443 ITER_TASK_FILE_SOCKET_INET6_X "NA" UNKNOWN [UNUSED] ()
    444 ITER_TASK_FILE_SOCKET_UNIX_E "task_file_socket_unix" FILE + ITER [STATE] (fd: Fd32 dec, sk_type: Uint16 dec, sk_proto: Uint16 dec, sk_pointer: Uint64 na, sun_path: FsPath na, ino_num: Uint64 dec)
    445 ITER_TASK_FILE_SOCKET_UNIX_X "NA" UNKNOWN [UNUSED] ()
    446 ITER_TASK_FILE_SOCKET_NETLINK_E "task_file_socket_netlink" FILE + ITER [STATE] (fd: Fd32 dec, sk_type: Uint16 dec, sk_proto: Uint16 dec, ino_num: Uint64 dec)
    447 ITER_TASK_FILE_SOCKET_NETLINK_X "NA" UNKNOWN [UNUSED] ()
    448 ITER_TASK_FILE_ANON_INODE_E "task_file_anon_inode" FILE + ITER [STATE] (fd: Fd32 dec, fd_type: Flags8 {ANON_INODE_FD_TYPES} dec, path: FsPath na, ino_num: Uint64 dec)
    449 ITER_TASK_FILE_ANON_INODE_X "NA" UNKNOWN [UNUSED] ()
    450 SYSCALL_CLOSE_RANGE_E "NA" UNKNOWN [UNUSED] ()
    451 SYSCALL_CLOSE_RANGE_X "close_range" IO_OTHER + SYSCALL [STATE] (res: Errno dec, first: Uint32 dec, last: Uint32 dec, flags: Flags32 {CLOSE_RANGE_FLAGS} hex)
    452 SYSCALL_KEYCTL_E "NA" UNKNOWN [UNUSED] ()
    453 SYSCALL_KEYCTL_X "keyctl" OTHER + SYSCALL [] (res: Errno dec, operation: EnumFlags32 {KEYCTL_OPERATIONS} dec, arg2: Dyn dec, arg3: Dyn dec, arg4: Dyn dec, arg5: Dyn dec)
}
