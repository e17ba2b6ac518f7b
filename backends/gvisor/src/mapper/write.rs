//! The parameters of births (`CLONE_20_X` and its like) and of executions (`EXECVE_19_X`,
//! `EXECVEAT_X`), which are many and mostly the same.
//!
//! gVisor tells no terminals, capabilities, memory figures nor login users: those are empty ("could not
//! be read"), and what the tables knew of them stays.

use falco_event::EventBuilder;

use super::texts;

/// What births and executions have in common.
pub(super) struct Who<'a> {
    /// Its id, its process's and that of the thread that made it, as events have them.
    pub tid: i64,
    pub pid: i64,
    pub ptid: i64,
    /// The first argument, and the others, each followed by a NUL.
    pub exe: &'a [u8],
    pub args: &'a [u8],
    pub comm: &'a [u8],
    pub container_id: &'a [u8],
    /// User and group that count; none if they are not told.
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Most fds, and memory in KiB, from a dump.
    pub measures: Option<Measures>,
}

/// What a dump of processes measures.
#[derive(Clone, Copy)]
pub(super) struct Measures {
    pub fd_limit: u64,
    pub vm_size_kib: u64,
    pub vm_rss_kib: u64,
}

/// The rest of a birth.
pub(super) struct Birth<'a> {
    pub who: Who<'a>,
    pub res: i64,
    /// As events have them.
    pub flags: u32,
    pub vtid: i32,
    pub vpid: i32,
}

/// The rest of an execution.
pub(super) struct Execution<'a> {
    pub who: Who<'a>,
    pub res: i64,
    /// Variables, each followed by a NUL.
    pub env: &'a [u8],
    /// Device number of the terminal; none if that is not known.
    pub tty: Option<u32>,
    /// Process group in the container and in events; none if they are not known.
    pub vpgid: Option<i32>,
    pub pgid: Option<i64>,
    /// Of the executable, in the bits of events.
    pub flags: Option<u32>,
    /// Number of the executable's inode, and when that was changed, in nanoseconds since the epoch.
    pub inode: Option<(u64, u64)>,
    /// The executable, resolved; empty if that is not known.
    pub path: &'a [u8],
    /// The program as the caller named it; none in events that do not have it.
    pub filename: Option<&'a [u8]>,
}

fn optional<T>(b: &mut EventBuilder, value: Option<T>, put: impl FnOnce(&mut EventBuilder, T)) {
    match value {
        Some(value) => put(b, value),
        None => {
            b.empty();
        }
    }
}

fn u32_of(b: &mut EventBuilder, value: Option<u32>) {
    optional(b, value, |b, value| {
        b.u32(value);
    });
}

/// A path; an empty one could not be read.
pub(super) fn path(b: &mut EventBuilder, path: &[u8]) {
    optional(b, (!path.is_empty()).then_some(path), |b, path| {
        b.text(texts::path(path));
    });
}

impl Who<'_> {
    /// Parameters exe to cgroups.
    fn write(&self, b: &mut EventBuilder) {
        b.text(self.exe).bytes(self.args).i64(self.tid).i64(self.pid).i64(self.ptid);
        // The tables know where it is.
        b.empty();
        optional(b, self.measures, |b, measures| {
            b.u64(measures.fd_limit);
        });
        b.empty().empty();
        match self.measures {
            Some(Measures { vm_size_kib, vm_rss_kib, .. }) => {
                let kib = |kib: u64| u32::try_from(kib).unwrap_or(u32::MAX);
                b.u32(kib(vm_size_kib)).u32(kib(vm_rss_kib)).u32(0);
            }
            None => {
                b.empty().empty().empty();
            }
        }
        b.text(self.comm);
        if self.container_id.is_empty() {
            b.empty();
        } else {
            let cgroups = [b"gvisor_container_id=/", self.container_id, b"\0"].concat();
            b.bytes(&cgroups);
        }
    }
}

impl Birth<'_> {
    /// All parameters.
    pub(super) fn write(&self, b: &mut EventBuilder) {
        b.i64(self.res);
        self.who.write(b);
        b.u32(self.flags);
        u32_of(b, self.who.uid);
        u32_of(b, self.who.gid);
        b.i64(self.vtid.into()).i64(self.vpid.into()).empty();
    }
}

impl Execution<'_> {
    /// All parameters.
    pub(super) fn write(&self, b: &mut EventBuilder) {
        b.i64(self.res);
        self.who.write(b);
        b.bytes(self.env);
        u32_of(b, self.tty);
        optional(b, self.vpgid, |b, vpgid| {
            b.i64(vpgid.into());
        });
        b.empty();
        u32_of(b, self.flags);
        b.empty().empty().empty();
        match self.inode {
            // When its contents were changed is not told.
            Some((ino, ctime)) => b.u64(ino).u64(ctime).u64(0),
            None => b.empty().empty().empty(),
        };
        u32_of(b, self.who.uid);
        path(b, self.path);
        optional(b, self.pgid, |b, pgid| {
            b.i64(pgid);
        });
        u32_of(b, self.who.gid);
        if let Some(filename) = self.filename {
            path(b, filename);
        }
    }
}
