//! [`Process`]: what `runsc trace procfs` tells of the processes in a sandbox.
//!
//! It is made from what the sandbox says, so nothing of it is trusted: sizes are bounded, what
//! cannot be read is left out and counted, fields that are not known are skipped. Shape: gVisor's
//! `runsc/boot/procfs/dump.go`.

use serde::Deserialize;

/// Most processes that are read from one dump.
const MAX_PROCESSES: usize = 1 << 16;
/// Most arguments, and most variables, of a process that are kept.
const MAX_TEXTS: usize = 4096;
/// Most bytes of a process's arguments, and of its variables, that are kept.
const MAX_TEXT_BYTES: usize = 1 << 16;
/// Longest path that is kept, in bytes (`PATH_MAX` of Linux).
const MAX_PATH: usize = 4096;
/// Most open files of a process that are kept.
const MAX_FDS: usize = 1 << 16;

/// A process of a sandbox: a group of threads, told by its leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its id in the sandbox's root pid namespace.
    pub pid: i32,
    /// Its parent's id, in the same namespace; 0 for the first process of a container.
    pub ppid: i32,
    /// The container that it belongs to, if runsc could be asked.
    pub container_id: Option<String>,
    /// Name of the thread (`comm`).
    pub comm: String,
    /// Path of the program, in the container.
    pub exe: String,
    /// Arguments, with the first.
    pub args: Vec<String>,
    /// Environment, `NAME=value` each.
    pub env: Vec<String>,
    /// Working directory, in the container.
    pub cwd: String,
    /// Root directory, in the container.
    pub root: String,
    /// When it began, in nanoseconds since the epoch by the sandbox's clock.
    pub started_ns: i64,
    /// User ids.
    pub uid: Ids,
    /// Group ids.
    pub gid: Ids,
    /// Process group, in the sandbox's root pid namespace.
    pub pgid: i32,
    /// Session, in the sandbox's root pid namespace.
    pub sid: i32,
    /// Size of its memory, in KiB.
    pub vm_size_kib: u64,
    /// Memory that it holds, in KiB.
    pub vm_rss_kib: u64,
    /// Most files that it may open (the soft limit).
    pub fd_limit: u64,
    /// Its open files.
    pub fds: Vec<Fd>,
}

/// Ids of users or groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ids {
    /// Real.
    pub real: u32,
    /// Effective.
    pub effective: u32,
    /// Saved.
    pub saved: u32,
}

/// An open file of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Fd {
    /// Its number.
    pub number: i32,
    /// Its path, or `host:[N]`, `pipe:[N]`, `socket:[N]`, `anon_inode:[eventfd]` and the like.
    pub path: String,
    /// Type and permissions, as `st_mode`.
    pub mode: u16,
}

/// What a dump brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    /// The processes, in the order of the dump.
    pub processes: Vec<Process>,
    /// Lines that could not be read, or were too many.
    pub refused: usize,
    /// Processes of which texts or files were left out for their number or length.
    pub shortened: usize,
}

/// Reads the output of `runsc trace procfs`.
pub fn parse(dump: &[u8]) -> Processes {
    let mut out = Processes::default();
    let lines = dump.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
    // Whatever else is printed (the heading, warnings) is no JSON object.
    for line in lines.filter(|line| line.first() == Some(&b'{')) {
        match serde_json::from_slice::<Line>(line) {
            Ok(line) if line.status.pid > 0 && out.processes.len() < MAX_PROCESSES => {
                let mut shortened = false;
                out.processes.push(line.process(&mut shortened));
                out.shortened += usize::from(shortened);
            }
            _ => out.refused += 1,
        }
    }
    out
}

/// One line of the dump. Go leaves out what is empty.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    exe: String,
    args: Vec<String>,
    env: Vec<String>,
    cwd: String,
    fdlist: Vec<Fd>,
    clone_ts: i64,
    root: String,
    limits: Limits,
    status: Status,
    stat: Stat,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Limits {
    #[serde(rename = "RLIMIT_NOFILE")]
    nofile: Limit,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Limit {
    cur: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    comm: String,
    pid: i32,
    ppid: i32,
    uid: Ids,
    gid: Ids,
    vm_size: u64,
    vm_rss: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stat {
    pgid: i32,
    sid: i32,
}

impl Line {
    fn process(self, shortened: &mut bool) -> Process {
        let mut path = |text| shorten(text, MAX_PATH, shortened);
        let (exe, cwd, root) = (path(self.exe), path(self.cwd), path(self.root));
        let comm = path(self.status.comm);
        let mut fds = self.fdlist;
        *shortened |= fds.len() > MAX_FDS;
        fds.truncate(MAX_FDS);
        for fd in &mut fds {
            fd.path = shorten(std::mem::take(&mut fd.path), MAX_PATH, shortened);
        }
        Process {
            pid: self.status.pid,
            ppid: self.status.ppid,
            container_id: None,
            comm,
            exe,
            args: within_limits(self.args, shortened),
            env: within_limits(self.env, shortened),
            cwd,
            root,
            started_ns: self.clone_ts,
            uid: self.status.uid,
            gid: self.status.gid,
            pgid: self.stat.pgid,
            sid: self.stat.sid,
            vm_size_kib: self.status.vm_size,
            vm_rss_kib: self.status.vm_rss,
            fd_limit: self.limits.nofile.cur,
            fds,
        }
    }
}

fn shorten(mut text: String, max: usize, shortened: &mut bool) -> String {
    if text.len() > max {
        *shortened = true;
        text.truncate(text.floor_char_boundary(max));
        text.shrink_to_fit();
    }
    text
}

/// The first of `texts`, as many as are allowed.
fn within_limits(mut texts: Vec<String>, shortened: &mut bool) -> Vec<String> {
    let mut bytes = 0;
    let fits = |text: &&String| {
        bytes += text.len() + 1;
        bytes <= MAX_TEXT_BYTES
    };
    let keep = texts.iter().take(MAX_TEXTS).take_while(fits).count();
    *shortened |= keep < texts.len();
    texts.truncate(keep);
    texts
}
