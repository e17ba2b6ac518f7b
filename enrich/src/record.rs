//! [`ProcessRecord`]: one immutable version of what is known of a thread's process image and
//! credentials. exec, setuid, chdir and the like publish a new version; clone shares the parent's.

use std::sync::Arc;
use std::sync::OnceLock;

use falco_rules::verdicts::Verdicts;

/// Bytes shared between versions and children.
pub type Bytes = Arc<[u8]>;

/// One version. Never changed after it is published behind an `Arc`; verdicts and joined texts in
/// it are memos.
#[derive(Debug)]
pub struct ProcessRecord {
    /// Distinguishes versions; the generation of [`ProcessRecord::own`] verdicts.
    pub generation: u32,
    /// `comm` of the task (at most 15 bytes).
    pub comm: Bytes,
    /// `argv[0]`.
    pub exe: Bytes,
    /// Resolved path of the executable.
    pub exepath: Bytes,
    /// `argv[1..]`, each followed by a NUL.
    pub args: Bytes,
    /// `NAME=value`, each followed by a NUL.
    pub env: Bytes,
    /// `subsys=path`, each followed by a NUL.
    pub cgroups: Bytes,
    /// Root directory (`/` unless chrooted).
    pub root: Bytes,
    /// Working directory; ends with `/`. Only the main thread's counts.
    pub cwd: Bytes,
    /// Container that the cgroups name (12 characters); empty on the host.
    pub container_id: Bytes,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Audit login uid; `u32::MAX` is none.
    pub loginuid: u32,
    /// Controlling terminal's device number; 0 is none.
    pub tty: u32,
    /// Session id.
    pub sid: i64,
    /// Process group id in the process's pid namespace.
    pub vpgid: i64,
    /// Process group id in the host's.
    pub pgid: i64,
    /// Thread id in the thread's pid namespace; −1 is unknown.
    pub vtid: i64,
    /// Process id in the thread's pid namespace; −1 is unknown.
    pub vpid: i64,
    /// Soft `RLIMIT_NOFILE`.
    pub fdlimit: i64,
    /// Inheritable capabilities, bit `n` is capability `n`.
    pub cap_inheritable: u64,
    /// Permitted capabilities.
    pub cap_permitted: u64,
    /// Effective capabilities.
    pub cap_effective: u64,
    /// Inode of the executable; 0 is unknown.
    pub exe_ino: u64,
    /// Its ctime, nanoseconds since the epoch.
    pub exe_ino_ctime: u64,
    /// Its mtime, nanoseconds since the epoch.
    pub exe_ino_mtime: u64,
    /// Nanoseconds from the executable's ctime to the clone of the process.
    pub exe_ino_ctime_duration_clone_ts: u64,
    /// Nanoseconds from the pid namespace's start to the executable's ctime.
    pub exe_ino_ctime_duration_pidns_start: u64,
    /// Start of the pid namespace's init, nanoseconds since the epoch.
    pub pidns_init_start_ts: u64,
    /// When the process was cloned, nanoseconds since the epoch; 0 is unknown.
    pub clone_ts: u64,
    /// Last exec, nanoseconds since the epoch; 0 is none seen.
    pub lastexec_ts: u64,
    /// The executable is writable by the user that runs it.
    pub exe_writable: bool,
    /// The executable is in an overlayfs upper layer.
    pub exe_upper_layer: bool,
    /// The executable is in an overlayfs lower layer.
    pub exe_lower_layer: bool,
    /// The executable is a memfd.
    pub exe_from_memfd: bool,
    /// Memo: `comm` and arguments joined by blanks (`proc.cmdline`).
    pub cmdline: OnceLock<Box<[u8]>>,
    /// Memo of verdicts over this record alone.
    pub own: Verdicts,
    /// Memo of verdicts over this record and its ancestors.
    pub lineage: Verdicts,
}
