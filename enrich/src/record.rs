//! [`ProcessRecord`]: one immutable version of what is known of a thread's process image and
//! credentials. exec, setuid, chdir and the like publish a new version; clone shares the parent's
//! texts.

use std::ops::Deref;
use std::sync::{Arc, LazyLock, OnceLock};

use falco_rules::verdicts::Verdicts;

/// Bytes shared between versions and children.
pub type Bytes = Arc<[u8]>;

/// The empty text, shared (an empty `Arc` of one's own would still allocate).
pub fn empty() -> Bytes {
    static EMPTY: LazyLock<Bytes> = LazyLock::new(|| Arc::from(&[][..]));
    EMPTY.clone()
}

/// The text, without an allocation if it is empty.
pub(crate) fn bytes(text: &[u8]) -> Bytes {
    if text.is_empty() { empty() } else { Arc::from(text) }
}

/// The text, shared with `like` if that is the same.
pub(crate) fn bytes_like(text: &[u8], like: &Bytes) -> Bytes {
    if **like == *text { like.clone() } else { bytes(text) }
}

/// What a version tells. Never changed after it is published behind an `Arc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFacts {
    /// `comm` of the task (at most 15 bytes).
    pub comm: Bytes,
    /// `argv[0]`.
    pub exe: Bytes,
    /// Resolved path of the executable.
    pub exepath: Bytes,
    /// `argv[1..]`, each followed by a NUL.
    pub args: Bytes,
    /// `NAME=value`, each followed by a NUL. Only the main thread's counts
    /// ([`crate::state::State::env`]).
    pub env: Bytes,
    /// `subsys=path`, each followed by a NUL, subsystems by their common names (`blkio`, `memory`,
    /// `perf_event`).
    pub cgroups: Bytes,
    /// Root directory (`/` unless chrooted).
    pub root: Bytes,
    /// Working directory; ends with `/`. Only the main thread's counts
    /// ([`crate::state::State::cwd`]).
    pub cwd: Bytes,
    /// Container that the cgroups name (12 characters); empty on the host.
    pub container_id: Bytes,
    /// Effective user id; `u32::MAX` is unknown.
    pub uid: u32,
    /// Effective group id; `u32::MAX` is unknown.
    pub gid: u32,
    /// Audit login uid; `u32::MAX` is none.
    pub loginuid: u32,
    /// Real user id; `u32::MAX` is unknown. Only followed where events happen now
    /// ([`crate::state::State::set_live`]), as are the next two.
    pub ruid: u32,
    /// Saved user id; `u32::MAX` is unknown.
    pub suid: u32,
    /// Secure bits (`SECBIT_*` of capabilities(7)), as far as prctl(2) told them.
    pub securebits: u32,
    /// Controlling terminal's device number; 0 is none.
    pub tty: u32,
    /// Session id; −1 is unknown.
    pub sid: i64,
    /// Process group id in the process's pid namespace; −1 is unknown.
    pub vpgid: i64,
    /// Process group id in the host's; −1 is unknown.
    pub pgid: i64,
    /// Thread id in the thread's pid namespace; −1 is unknown.
    pub vtid: i64,
    /// Process id in the thread's pid namespace; −1 is unknown.
    pub vpid: i64,
    /// Soft `RLIMIT_NOFILE`; −1 is unknown. Only the main thread's counts.
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
    /// Start of the pid namespace's init, nanoseconds since the epoch; 0 is unknown.
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
}

impl Default for ProcessFacts {
    /// Nothing known.
    fn default() -> Self {
        ProcessFacts {
            comm: empty(),
            exe: empty(),
            exepath: empty(),
            args: empty(),
            env: empty(),
            cgroups: empty(),
            root: empty(),
            cwd: empty(),
            container_id: empty(),
            uid: u32::MAX,
            gid: u32::MAX,
            loginuid: u32::MAX,
            ruid: u32::MAX,
            suid: u32::MAX,
            securebits: 0,
            tty: 0,
            sid: -1,
            vpgid: -1,
            pgid: -1,
            vtid: -1,
            vpid: -1,
            fdlimit: -1,
            cap_inheritable: 0,
            cap_permitted: 0,
            cap_effective: 0,
            exe_ino: 0,
            exe_ino_ctime: 0,
            exe_ino_mtime: 0,
            exe_ino_ctime_duration_clone_ts: 0,
            exe_ino_ctime_duration_pidns_start: 0,
            pidns_init_start_ts: 0,
            clone_ts: 0,
            lastexec_ts: 0,
            exe_writable: false,
            exe_upper_layer: false,
            exe_lower_layer: false,
            exe_from_memfd: false,
        }
    }
}

impl ProcessFacts {
    /// Longest text that [`ProcessFacts::cut`] leaves.
    const CUT: usize = 32;
    /// What [`ProcessFacts::text_bytes`] is at most after a cut.
    pub(crate) const CUT_BYTES: usize = 9 * (Self::CUT + 16) + 2 * Self::CUT;

    fn texts(&mut self) -> [&mut Bytes; 9] {
        [
            &mut self.comm,
            &mut self.exe,
            &mut self.exepath,
            &mut self.args,
            &mut self.env,
            &mut self.cgroups,
            &mut self.root,
            &mut self.cwd,
            &mut self.container_id,
        ]
    }

    /// Bytes of all texts, with the counts that stand before each, and of the command line made of
    /// two of them.
    pub(crate) fn text_bytes(&self) -> usize {
        let command_line = self.comm.len() + self.args.len();
        let once = self.exe.len() + self.exepath.len() + self.env.len() + self.cgroups.len();
        let more = self.root.len() + self.cwd.len() + self.container_id.len();
        9 * 16 + 2 * command_line + once + more
    }

    /// Forgets every text that is not very short, when there is no memory for them.
    pub(crate) fn cut(&mut self) {
        for text in self.texts() {
            if text.len() > Self::CUT {
                *text = empty();
            }
        }
    }
}

/// One version: facts (reached through `Deref`) and what was worked out of them.
#[derive(Debug)]
pub struct ProcessRecord {
    /// Distinguishes versions; the generation of [`ProcessRecord::own`] verdicts.
    pub generation: u32,
    facts: ProcessFacts,
    /// Memo: `comm` and arguments joined by blanks (`proc.cmdline`).
    pub cmdline: OnceLock<Box<[u8]>>,
    /// Memo of verdicts over this record alone.
    pub own: Verdicts,
    /// Memo of verdicts over this record and its ancestors.
    pub lineage: Verdicts,
}

impl ProcessRecord {
    /// A version.
    pub fn new(generation: u32, facts: ProcessFacts) -> Self {
        ProcessRecord {
            generation,
            facts,
            cmdline: OnceLock::new(),
            own: Verdicts::default(),
            lineage: Verdicts::default(),
        }
    }

    /// Publishes a changed version in place of the one behind `record`. Nobody else sees the
    /// change: a version that others hold stays as it is.
    pub(crate) fn publish(
        record: &mut Arc<ProcessRecord>,
        generation: u32,
        change: impl FnOnce(&mut ProcessFacts),
    ) {
        if let Some(sole) = Arc::get_mut(record) {
            change(&mut sole.facts);
            sole.generation = generation;
            sole.cmdline = OnceLock::new();
            // `own` verdicts carry the old generation and so are dead; `lineage` ones do not.
            sole.lineage = Verdicts::default();
        } else {
            let mut facts = record.facts.clone();
            change(&mut facts);
            *record = Arc::new(ProcessRecord::new(generation, facts));
        }
    }

    /// What this version tells.
    pub fn facts(&self) -> &ProcessFacts {
        &self.facts
    }
}

impl Deref for ProcessRecord {
    type Target = ProcessFacts;

    #[inline]
    fn deref(&self) -> &ProcessFacts {
        &self.facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_others_hold_does_not_change() {
        let mut now = Arc::new(ProcessRecord::new(1, ProcessFacts::default()));
        let before = now.clone();
        ProcessRecord::publish(&mut now, 2, |f| f.uid = 7);
        assert_eq!((before.uid, before.generation), (u32::MAX, 1));
        assert_eq!((now.uid, now.generation), (7, 2));
    }

    #[test]
    fn publishing_in_place_kills_verdicts_and_texts() {
        let mut now = Arc::new(ProcessRecord::new(1, ProcessFacts::default()));
        now.own.set(0, 1, true, 8);
        now.lineage.set(0, 9, true, 8);
        now.cmdline.set(b"x"[..].into()).unwrap();
        ProcessRecord::publish(&mut now, 2, |f| f.uid = 7);
        assert_eq!(now.own.get(0, now.generation), None);
        assert_eq!(now.lineage.get(0, 9), None);
        assert_eq!(now.cmdline.get(), None);
    }
}
