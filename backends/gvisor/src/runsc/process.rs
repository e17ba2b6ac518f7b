//! [`Process`]: what `runsc trace procfs` tells of the processes in a sandbox.
//!
//! It is made from what the sandbox says, so nothing of it is trusted: sizes are bounded, what
//! cannot be read is left out and counted, fields that are not known are skipped. Shape: gVisor's
//! `runsc/boot/procfs/dump.go`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

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
/// Most bytes of memory for all processes of a dump. What is short as text can be long in memory.
const MAX_BYTES: usize = 64 << 20;

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
    let mut bytes = 0_usize;
    let lines = dump.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
    // Whatever else is printed (the heading, warnings) is no JSON object.
    for line in lines.filter(|line| line.first() == Some(&b'{')) {
        match serde_json::from_slice::<Line>(line) {
            Ok(line) if line.status.pid > 0 && out.processes.len() < MAX_PROCESSES => {
                let mut shortened = false;
                let mut process = line.process(&mut shortened);
                if bytes + process.bytes() > MAX_BYTES {
                    shortened = true;
                    (process.args, process.env, process.fds) = Default::default();
                }
                bytes += process.bytes();
                out.processes.push(process);
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
    args: First<String, MAX_TEXTS>,
    env: First<String, MAX_TEXTS>,
    cwd: String,
    fdlist: First<Fd, MAX_FDS>,
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

/// The first `N` entries of a list; the others are read and dropped.
struct First<T, const N: usize> {
    entries: Vec<T>,
    is_all: bool,
}

impl<T, const N: usize> Default for First<T, N> {
    fn default() -> Self {
        First { entries: Vec::new(), is_all: true }
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for First<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T, const N: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Entries<T, N> {
            type Value = First<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut first = First::default();
                while first.entries.len() < N {
                    match list.next_element()? {
                        Some(entry) => first.entries.push(entry),
                        None => return Ok(first),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    first.is_all = false;
                }
                Ok(first)
            }
        }

        deserializer.deserialize_seq(Entries(PhantomData))
    }
}

impl Process {
    /// Bytes of memory that it takes, roughly.
    fn bytes(&self) -> usize {
        let texts = |texts: &[String]| texts.iter().map(|t| t.len() + size_of::<String>()).sum();
        let lists: [usize; 2] = [texts(&self.args), texts(&self.env)];
        let fds: usize = self.fds.iter().map(|fd| fd.path.len() + size_of::<Fd>()).sum();
        let paths = [&self.comm, &self.exe, &self.cwd, &self.root].map(String::len);
        size_of::<Self>() + lists.iter().sum::<usize>() + fds + paths.iter().sum::<usize>()
    }
}

impl Line {
    fn process(self, shortened: &mut bool) -> Process {
        let mut path = |text| shorten(text, MAX_PATH, shortened);
        let (exe, cwd, root) = (path(self.exe), path(self.cwd), path(self.root));
        let comm = path(self.status.comm);
        let mut fds = self.fdlist.entries;
        *shortened |= !self.fdlist.is_all;
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
fn within_limits(texts: First<String, MAX_TEXTS>, shortened: &mut bool) -> Vec<String> {
    let First { entries: mut texts, is_all } = texts;
    let mut bytes = 0;
    let fits = |text: &&String| {
        bytes += text.len() + 1;
        bytes <= MAX_TEXT_BYTES
    };
    let keep = texts.iter().take_while(fits).count();
    *shortened |= keep < texts.len() || !is_all;
    texts.truncate(keep);
    texts.shrink_to_fit();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `runsc trace procfs` prints of one process, with `{}` for more of its fields.
    fn dump(more: &str) -> String {
        let status =
            r#""status":{"comm":"sh","pid":3,"ppid":1,"uid":{"real":1,"effective":2,"saved":3}}"#;
        format!("PROCFS DUMP\n\n{{\"exe\":\"/bin/sh\",{more}{status}}}\n")
    }

    #[test]
    fn processes_are_read() {
        let found = parse(
            dump(
                r#""args":["sh","-c"],"fdlist":[{"number":7,"path":"/etc/passwd","mode":33188}],
                   "clone_ts":5,"limits":{"RLIMIT_NOFILE":{"cur":1024,"max":2048}},"new":{"a":[1]},"#
                    .replace('\n', "")
                    .as_str(),
            )
            .as_bytes(),
        );
        assert_eq!((found.refused, found.shortened, found.processes.len()), (0, 0, 1));
        let process = &found.processes[0];
        assert_eq!((process.pid, process.ppid, process.comm.as_str()), (3, 1, "sh"));
        assert_eq!(process.uid, Ids { real: 1, effective: 2, saved: 3 });
        assert_eq!((process.args.len(), process.started_ns, process.fd_limit), (2, 5, 1024));
        assert_eq!(process.fds, [Fd { number: 7, path: "/etc/passwd".into(), mode: 33188 }]);
        assert_eq!((process.cwd.as_str(), process.gid, process.pgid), ("", Ids::default(), 0));
    }

    #[test]
    fn what_is_wrong_is_counted_and_left_out() {
        let deep = format!("{{\"maps\":{}", "[".repeat(1_000_000));
        for wrong in [
            "{",
            "{}",
            "{\"status\":{\"pid\":0}}",
            "{\"status\":{\"pid\":-1}}",
            "{\"status\":{\"pid\":1e30}}",
            "{\"status\":{\"pid\":1},\"args\":\"sh\"}",
            deep.as_str(),
        ] {
            let found = parse(format!("{wrong}\n{}", dump("")).as_bytes());
            assert_eq!((found.refused, found.processes.len()), (1, 1), "{:.80}", wrong);
        }
        assert_eq!(parse(b""), Processes::default());
        assert_eq!(parse(b"PROCFS DUMP\nwarning: x\n\xff\n"), Processes::default());
    }

    #[test]
    fn what_is_too_much_is_shortened() {
        let long = "\u{e9}".repeat(MAX_PATH);
        let found = parse(dump(&format!("\"cwd\":\"{long}\",")).as_bytes());
        assert_eq!((found.shortened, found.processes[0].cwd.len()), (1, MAX_PATH));
        let args = vec!["a"; MAX_TEXTS + 1];
        let found = parse(dump(&format!("\"args\":{args:?},")).as_bytes());
        assert_eq!((found.shortened, found.processes[0].args.len()), (1, MAX_TEXTS));
        let env = ["b".repeat(MAX_TEXT_BYTES / 2), "c".repeat(MAX_TEXT_BYTES / 2)];
        let found = parse(dump(&format!("\"env\":{env:?},")).as_bytes());
        assert_eq!((found.shortened, found.processes[0].env.len()), (1, 1));
        let fds = vec!["{}"; MAX_FDS + 1].join(",");
        let found = parse(dump(&format!("\"fdlist\":[{fds}],")).as_bytes());
        assert_eq!((found.shortened, found.processes[0].fds.len()), (1, MAX_FDS));
    }

    #[test]
    fn all_processes_together_are_bounded() {
        let args = format!("\"args\":[{}],", ["\"\""; MAX_TEXTS].join(","));
        let one = dump(&args);
        let many = one.repeat(MAX_BYTES / (MAX_TEXTS * size_of::<String>()) + 10);
        let found = parse(many.as_bytes());
        let bytes: usize = found.processes.iter().map(Process::bytes).sum();
        assert!(bytes <= MAX_BYTES + 100 * size_of::<Process>(), "{bytes}");
        assert!(found.shortened > 0 && found.shortened < 100, "{}", found.shortened);
        assert_eq!(found.refused, 0);
    }

    #[test]
    fn a_real_dump_is_read() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/samples/gvisor-and-runtimes/trace/runsc-trace-procfs.txt"
        );
        let Ok(dump) = std::fs::read(path) else {
            println!("IGNORED: a real dump of processes, because {path} is not there");
            return;
        };
        let found = parse(&dump);
        assert_eq!((found.refused, found.shortened, found.processes.len()), (0, 0, 2));
        let [sh, sleep] = &found.processes[..] else { panic!("{found:?}") };
        assert_eq!((sh.pid, sh.comm.as_str(), sh.fds.len()), (1, "sh", 4));
        assert_eq!((sleep.pid, sleep.ppid, sleep.sid, sleep.vm_rss_kib), (3, 1, 1, 2920));
    }
}
