//! The state before the first event: what `/proc`, a runtime or a capture's preamble tells.
//!
//! Field names and defaults follow the `.scap` process, fd, interface and user lists, which hold
//! the most of any source. Strings are bytes: paths and arguments need not be UTF-8.

use std::net::IpAddr;

use falco_event::net::Endpoint;

/// Everything known at the start of a stream or section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What follows was seen live by a sensor of this program, or is: tables follow it in every way
    /// right, and not in the ways in which Falco's follow a capture.
    pub is_live: bool,
    /// The machine on which the events happened.
    pub machine: Option<Machine>,
    /// Its network addresses.
    pub interfaces: Vec<Interface>,
    /// Users.
    pub users: Vec<User>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Threads, in the source's order.
    pub threads: Vec<Thread>,
    /// Open fds by thread id, in the source's order.
    pub fds: Vec<(i64, Vec<Fd>)>,
}

impl Snapshot {
    /// Takes in what another source tells of the same time. Machine and interfaces are those that are
    /// known first; it is live if both are.
    pub fn join(&mut self, other: Snapshot) {
        self.is_live &= other.is_live;
        self.machine = self.machine.take().or(other.machine);
        if self.interfaces.is_empty() {
            self.interfaces = other.interfaces;
        }
        self.users.extend(other.users);
        self.groups.extend(other.groups);
        self.threads.extend(other.threads);
        self.fds.extend(other.fds);
    }
}

/// The machine on which events happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// CPUs.
    pub cpus: u32,
    /// Physical memory in bytes.
    pub memory: u64,
    /// Largest pid.
    pub max_pid: u64,
    /// Host name.
    pub hostname: Vec<u8>,
    /// Boot time, nanoseconds since the epoch.
    pub boot_ts: u64,
    /// Flags of the capture format (opaque).
    pub flags: u64,
}

/// One address of a network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name (`eth0`).
    pub name: Vec<u8>,
    /// Address.
    pub addr: IpAddr,
    /// Network mask.
    pub netmask: IpAddr,
    /// Broadcast address (unspecified if none).
    pub broadcast: IpAddr,
    /// Link speed in bit/s, 0 if unknown.
    pub linkspeed: u64,
}

/// A user of the host or of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Name.
    pub name: Vec<u8>,
    /// Home directory.
    pub home: Vec<u8>,
    /// Login shell.
    pub shell: Vec<u8>,
}

/// A group of the host or of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Group id.
    pub gid: u32,
    /// Name.
    pub name: Vec<u8>,
}

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // names are those of the process list of the capture format
pub struct Thread {
    pub tid: i64,
    pub pid: i64,
    pub ptid: i64,
    pub sid: i64,
    pub vpgid: i64,
    pub pgid: i64,
    pub vtid: i64,
    pub vpid: i64,
    pub comm: Vec<u8>,
    pub exe: Vec<u8>,
    pub exepath: Vec<u8>,
    /// `argv[1..]`, NUL-separated.
    pub args: Vec<u8>,
    /// `NAME=value`, NUL-separated.
    pub env: Vec<u8>,
    pub cwd: Vec<u8>,
    pub root: Vec<u8>,
    /// `subsys=path`, NUL-separated.
    pub cgroups: Vec<u8>,
    pub fdlimit: u64,
    /// Portable clone flags (`PPM_CL_*`).
    pub flags: u32,
    pub uid: u32,
    pub gid: u32,
    pub loginuid: u32,
    pub tty: u32,
    pub vmsize_kb: u32,
    pub vmrss_kb: u32,
    pub vmswap_kb: u32,
    pub pfmajor: u64,
    pub pfminor: u64,
    /// Start of the pid namespace's init, nanoseconds since the epoch.
    pub pidns_init_start_ts: u64,
    pub exe_writable: bool,
    pub exe_upper_layer: bool,
    pub exe_lower_layer: bool,
    pub exe_from_memfd: bool,
    pub cap_inheritable: u64,
    pub cap_permitted: u64,
    pub cap_effective: u64,
    pub exe_ino: u64,
    pub exe_ino_ctime: u64,
    pub exe_ino_mtime: u64,
    /// When the thread began, nanoseconds since the epoch; 0 is unknown. Captures have no room for
    /// it, live sources know it.
    pub clone_ts: u64,
    /// Real and saved user id, if they are known. Captures tell the effective one only.
    pub ruid_suid: Option<(u32, u32)>,
}

impl Default for Thread {
    /// The values of an entry whose source does not tell them.
    fn default() -> Self {
        Thread {
            tid: 0,
            pid: 0,
            ptid: 0,
            sid: -1,
            vpgid: -1,
            pgid: -1,
            vtid: -1,
            vpid: -1,
            comm: Vec::new(),
            exe: Vec::new(),
            exepath: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: Vec::new(),
            root: Vec::new(),
            cgroups: Vec::new(),
            fdlimit: 0,
            flags: 0,
            uid: 0,
            gid: 0,
            loginuid: u32::MAX,
            tty: 0,
            vmsize_kb: 0,
            vmrss_kb: 0,
            vmswap_kb: 0,
            pfmajor: 0,
            pfminor: 0,
            pidns_init_start_ts: 0,
            exe_writable: false,
            exe_upper_layer: false,
            exe_lower_layer: false,
            exe_from_memfd: false,
            cap_inheritable: 0,
            cap_permitted: 0,
            cap_effective: 0,
            exe_ino: 0,
            exe_ino_ctime: 0,
            exe_ino_mtime: 0,
            clone_ts: 0,
            ruid_suid: None,
        }
    }
}

/// One open file descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fd {
    /// Number.
    pub num: i64,
    /// Inode.
    pub ino: u64,
    /// What it is.
    pub kind: FdKind,
}

/// The transport protocols of the fd lists (`SCAP_L4_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum L4Proto {
    #[default]
    Unknown = 0,
    Na = 1,
    Tcp = 2,
    Udp = 3,
    Icmp = 4,
    Raw = 5,
}

/// What an fd is, with what is known of it. Numbers are `SCAP_FD_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FdKind {
    /// 0, and fds that nothing is known of.
    Unknown,
    /// 1 and 16; `open_flags` are portable `PPM_O_*` bits.
    File { name: Vec<u8>, open_flags: u32, dev: u32 },
    /// 2
    Directory { name: Vec<u8> },
    /// 3 and 4
    Inet { src: Endpoint, dst: Endpoint, proto: L4Proto },
    /// 5 and 6
    InetServer { local: Endpoint, proto: L4Proto },
    /// 8
    Unix { src: u64, dst: u64, name: Vec<u8> },
    /// Everything that has only a name: the number is `SCAP_FD_*` (7 fifo, 9 event, 10
    /// unsupported, 11 signalfd, 12 eventpoll, 13 inotify, 14 timerfd, 15 netlink, 17 bpf,
    /// 18 userfaultfd, 19 io_uring, 20 memfd, 21 pidfd).
    Named { scap_type: u8, name: Vec<u8> },
}
