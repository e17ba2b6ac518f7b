//! A process as a test describes it, and the state before the first event made of such.

use falco_rules::yaml::Node;
use falco_source::Snapshot;
use falco_source::snapshot::{Fd, FdKind, Group, Interface, L4Proto, Machine, Thread, User};

use super::encode::{ALL_CAPABILITIES, capabilities, endpoint, strings};
use super::reader::{Keys, Problem, Read, boolean, number, text};

/// Keys of a process.
pub const PROCESS_KEYS: &[&str] = &[
    "pid",
    "tid",
    "parent",
    "name",
    "exe",
    "exepath",
    "args",
    "env",
    "cwd",
    "root",
    "uid",
    "gid",
    "user",
    "loginuid",
    "caps",
    "tty",
    "sid",
    "pgid",
    "vpid",
    "container",
    "exe_writable",
    "exe_upper_layer",
    "exe_lower_layer",
    "exe_from_memfd",
    "fds",
];

/// Linux's largest process id.
const MAX_PID: i64 = 1 << 22;

/// 2024-01-01, nanoseconds since the epoch: when tests happen.
pub const START_NS: u64 = 1_704_067_200_000_000_000;
/// When programs were installed: a day before. Rules on fresh executables stay silent.
pub const INSTALLED_NS: u64 = START_NS - 86_400_000_000_000;

/// What a test says of a process; what it does not say is None.
#[derive(Clone, Default)]
pub struct Process<'d> {
    pub pid: Option<i64>,
    pub tid: Option<i64>,
    pub parent: Option<i64>,
    pub name: Option<&'d str>,
    pub exe: Option<&'d str>,
    pub exepath: Option<&'d str>,
    /// NUL-separated, as `env`.
    pub args: Option<Vec<u8>>,
    pub env: Option<Vec<u8>>,
    pub cwd: Option<&'d str>,
    pub root: Option<&'d str>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub user: Option<&'d str>,
    pub loginuid: Option<u32>,
    pub caps: Option<u64>,
    pub tty: Option<u32>,
    pub sid: Option<i64>,
    pub pgid: Option<i64>,
    pub vpid: Option<i64>,
    /// `subsys=path` of its container, or the host's.
    pub cgroups: Option<Vec<u8>>,
    pub exe_writable: bool,
    pub exe_upper_layer: bool,
    pub exe_lower_layer: bool,
    pub exe_from_memfd: bool,
    pub fds: Vec<Fd>,
}

impl<'d> Process<'d> {
    /// Reads the keys of a process.
    ///
    /// # Errors
    /// For the first value that cannot be.
    pub fn read(keys: &Keys<'d>) -> Read<Self> {
        fn opt<'d, T>(
            keys: &Keys<'d>,
            name: &str,
            read: impl Fn(Node<'d>, &str) -> Read<T>,
        ) -> Read<Option<T>> {
            keys.get(name).map(|node| read(node, name)).transpose()
        }
        let id = |name| {
            let id = opt(keys, name, number::<i64>)?;
            match id.filter(|id| !(1..=MAX_PID).contains(id)) {
                Some(_) => Err(keys.problem(name, format!("{name} must be from 1 to {MAX_PID}"))),
                None => Ok(id),
            }
        };
        let flag = |name| Ok(opt(keys, name, boolean)?.unwrap_or(false));
        let user = opt(keys, "user", text)?;
        let uid = match (opt(keys, "uid", unsigned)?, user) {
            (None, Some("root")) => Some(0),
            (None, Some(name)) => {
                let message = format!("user '{name}' needs a uid, too (uid: 1000)");
                return Err(keys.problem("user", message));
            }
            (uid, _) => uid,
        };
        Ok(Process {
            pid: id("pid")?,
            tid: id("tid")?,
            parent: id("parent")?,
            name: opt(keys, "name", text)?,
            exe: opt(keys, "exe", text)?,
            exepath: opt(keys, "exepath", text)?,
            args: opt(keys, "args", strings)?,
            env: opt(keys, "env", strings)?,
            cwd: opt(keys, "cwd", text)?,
            root: opt(keys, "root", text)?,
            uid,
            gid: opt(keys, "gid", unsigned)?,
            user,
            loginuid: opt(keys, "loginuid", unsigned)?,
            caps: keys.get("caps").map(capabilities).transpose()?,
            tty: opt(keys, "tty", unsigned)?,
            sid: id("sid")?,
            pgid: id("pgid")?,
            vpid: id("vpid")?,
            cgroups: keys.get("container").map(cgroups).transpose()?,
            exe_writable: flag("exe_writable")?,
            exe_upper_layer: flag("exe_upper_layer")?,
            exe_lower_layer: flag("exe_lower_layer")?,
            exe_from_memfd: flag("exe_from_memfd")?,
            fds: keys.get("fds").map(fds).transpose()?.unwrap_or_default(),
        })
    }

    /// The path of its program.
    pub fn path(&self) -> Option<&'d str> {
        self.exepath.or(self.exe)
    }

    /// What `comm` is: its name, or that of its program, cut as the kernel does.
    pub fn comm(&self) -> Option<&'d str> {
        let name = self.name.or_else(|| self.path()?.rsplit('/').next())?;
        let mut end = name.len().min(15);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.get(..end)
    }

    /// The user that it names.
    pub fn named_user(&self) -> Option<User> {
        let (name, uid) = (self.user?, self.uid?);
        let home = if uid == 0 { "/root".to_owned() } else { format!("/home/{name}") };
        Some(User {
            uid,
            gid: self.gid.unwrap_or(uid),
            name: name.into(),
            home: home.into(),
            shell: b"/bin/bash".to_vec(),
        })
    }

    /// Its thread in a snapshot, taking after `parent` in what it does not say.
    pub fn thread(&self, parent: &Thread) -> Thread {
        let pid = self.pid.unwrap_or(0);
        let tid = self.tid.unwrap_or(pid);
        let uid = self.uid.unwrap_or(parent.uid);
        let caps = self.caps.unwrap_or(default_caps(uid));
        let own = |given: Option<&str>, else_: &[u8]| given.map_or(else_.to_vec(), Into::into);
        // What the system's first process starts leads a session of its own.
        let sid = self.sid.unwrap_or(if parent.pid <= 1 { pid } else { parent.sid });
        let pgid = self.pgid.unwrap_or(pid);
        let vpid = self.vpid.unwrap_or(pid);
        let path = self.path().or(self.name);
        // A thread runs its process's program.
        let inherited = |of: &[u8]| if tid == pid { Vec::new() } else { of.to_vec() };
        Thread {
            tid,
            pid,
            ptid: if tid == pid { parent.tid } else { parent.ptid },
            sid,
            vpgid: pgid,
            pgid,
            vtid: if tid == pid { vpid } else { tid },
            vpid,
            comm: own(self.comm(), &parent.comm),
            exe: own(self.exe.or(path), &parent.exe),
            exepath: own(path, &parent.exepath),
            args: self.args.clone().unwrap_or_else(|| inherited(&parent.args)),
            env: self.env.clone().unwrap_or_else(|| parent.env.clone()),
            cwd: own(self.cwd, &parent.cwd),
            root: own(self.root, &parent.root),
            cgroups: self.cgroups.clone().unwrap_or_else(|| parent.cgroups.clone()),
            fdlimit: 1024,
            // CLONE_THREAD and CLONE_FILES of threads that are not the main one.
            flags: if tid == pid { 0 } else { 8192 | 1 },
            uid,
            gid: self.gid.unwrap_or(if self.uid.is_some() { uid } else { parent.gid }),
            loginuid: self.loginuid.unwrap_or(parent.loginuid),
            tty: self.tty.unwrap_or(parent.tty),
            exe_writable: self.exe_writable,
            exe_upper_layer: self.exe_upper_layer,
            exe_lower_layer: self.exe_lower_layer,
            exe_from_memfd: self.exe_from_memfd,
            cap_inheritable: 0,
            cap_permitted: caps,
            cap_effective: caps,
            exe_ino: 1001,
            exe_ino_ctime: INSTALLED_NS,
            exe_ino_mtime: INSTALLED_NS,
            ..Thread::default()
        }
    }
}

/// Root can do all, others nothing.
pub fn default_caps(uid: u32) -> u64 {
    if uid == 0 { ALL_CAPABILITIES } else { 0 }
}

/// An unsigned number; −1 is none.
fn unsigned(node: Node<'_>, what: &str) -> Read<u32> {
    if node.scalar() == Some("-1") { Ok(u32::MAX) } else { number(node, what) }
}

/// The cgroups of a container: 12 or 64 hexadecimal digits are Docker's, another name is LXC's;
/// `host` is no container.
fn cgroups(node: Node<'_>) -> Read<Vec<u8>> {
    let id = text(node, "container")?;
    let hexadecimal = id.bytes().all(|b| b.is_ascii_hexdigit());
    let path = match id.len() {
        _ if id == "host" => "/".to_owned(),
        12 | 64 if hexadecimal => format!("/docker/{id:0<64}"),
        0 => return Err(Problem::at(node, "container must be an id of 12 characters, or host")),
        _ if id.contains(['/', '\0', '=']) => {
            return Err(Problem::at(node, format!("'{id}' is no id of a container")));
        }
        _ => format!("/lxc/{id}"),
    };
    Ok(format!("cpu={path}\0memory={path}\0").into_bytes())
}

fn fds(node: Node<'_>) -> Read<Vec<Fd>> {
    let keys = Keys::any(node, "fds")?;
    let mut fds = Vec::new();
    for (name, key, value) in keys.iter() {
        let num = name
            .parse::<i64>()
            .ok()
            .filter(|num| *num >= 0)
            .ok_or_else(|| Problem::at(key, format!("'{name}' is no number of an fd")))?;
        fds.push(Fd { num, ino: 5000 + num.unsigned_abs(), kind: fd_kind(value)? });
    }
    Ok(fds)
}

fn fd_kind(node: Node<'_>) -> Read<FdKind> {
    let written = text(node, "an fd")?;
    let (proto, ends) = match written.split_once(' ') {
        Some(("udp", ends)) => (L4Proto::Udp, ends),
        Some(("tcp", ends)) => (L4Proto::Tcp, ends),
        _ => (L4Proto::Tcp, written),
    };
    if let Some((src, dst)) = ends.split_once("->")
        && let (Some(src), Some(dst)) = (endpoint(src), endpoint(dst))
    {
        return Ok(FdKind::Inet { src, dst, proto });
    }
    if let Some(local) = endpoint(ends) {
        return Ok(FdKind::InetServer { local, proto });
    }
    let named = |scap_type| FdKind::Named { scap_type, name: written.into() };
    if let Some(path) = written.strip_prefix("unix:") {
        return Ok(FdKind::Unix { src: 1, dst: 2, name: path.into() });
    }
    match written {
        _ if written.starts_with("pipe:") => Ok(named(7)),
        _ if written.starts_with("memfd:") => Ok(named(20)),
        _ if written.starts_with('/') && written.len() > 1 && written.ends_with('/') => {
            Ok(FdKind::Directory { name: written.trim_end_matches('/').into() })
        }
        _ if written.starts_with('/') => {
            Ok(FdKind::File { name: written.into(), open_flags: 1, dev: 0 })
        }
        _ => Err(Problem::at(
            node,
            format!(
                "'{written}' is no fd: /a/file, /a/directory/, 10.0.0.2:40000->203.0.113.9:443, \
                 udp 10.0.0.2:40000->203.0.113.9:53, 0.0.0.0:80 (listening), unix:/run/x.sock, \
                 pipe:[1] or memfd:name"
            ),
        )),
    }
}

/// The first process, of which all others come.
fn init() -> Thread {
    Thread {
        tid: 1,
        pid: 1,
        ptid: 0,
        sid: 1,
        vpgid: 1,
        pgid: 1,
        vtid: 1,
        vpid: 1,
        comm: b"systemd".to_vec(),
        exe: b"/usr/lib/systemd/systemd".to_vec(),
        exepath: b"/usr/lib/systemd/systemd".to_vec(),
        env: b"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0".to_vec(),
        cwd: b"/".to_vec(),
        root: b"/".to_vec(),
        cgroups: b"cpu=/\0memory=/\0".to_vec(),
        fdlimit: 1024,
        cap_permitted: ALL_CAPABILITIES,
        cap_effective: ALL_CAPABILITIES,
        exe_ino: 1000,
        exe_ino_ctime: INSTALLED_NS,
        exe_ino_mtime: INSTALLED_NS,
        ..Thread::default()
    }
}

/// The state before the first event: the machine of tests with its first process.
pub fn machine() -> Snapshot {
    let user = |uid, name: &str, home: &str| User {
        uid,
        gid: uid,
        name: name.into(),
        home: home.into(),
        shell: b"/bin/bash".to_vec(),
    };
    let near = |ip: [u8; 4], netmask: [u8; 4], name: &str| Interface {
        name: name.into(),
        addr: ip.into(),
        netmask: netmask.into(),
        broadcast: [0, 0, 0, 0].into(),
        linkspeed: 0,
    };
    Snapshot {
        is_live: false,
        machine: Some(Machine {
            cpus: 1,
            memory: 1 << 30,
            max_pid: 1 << 22,
            hostname: b"test".to_vec(),
            ..Machine::default()
        }),
        interfaces: vec![
            near([127, 0, 0, 1], [255, 0, 0, 0], "lo"),
            near([10, 0, 0, 2], [255, 255, 255, 0], "eth0"),
        ],
        users: vec![user(0, "root", "/root"), user(65_534, "nobody", "/")],
        groups: vec![
            Group { gid: 0, name: b"root".to_vec() },
            Group { gid: 65_534, name: b"nogroup".to_vec() },
        ],
        threads: vec![init()],
        fds: Vec::new(),
    }
}

/// Adds the processes that a test lists to `snapshot`.
pub fn add(snapshot: &mut Snapshot, nodes: &[Node<'_>]) -> Read<()> {
    for &node in nodes {
        let keys = Keys::of(node, "a process", PROCESS_KEYS)?;
        let process = Process::read(&keys)?;
        let Some(pid) = process.pid else {
            return Err(Problem::at(node, "a process needs a pid"));
        };
        let tid = process.tid.unwrap_or(pid);
        if process.path().is_none() && process.name.is_none() && tid == pid {
            let message = format!("process {pid} needs an exe (exe: /bin/bash) or a name");
            return Err(Problem::at(node, message));
        }
        if tid == 1 {
            // Said anew, the first process is as said.
            snapshot.threads.retain(|thread| thread.tid != 1);
            snapshot.threads.insert(0, process.thread(&init()));
        } else {
            if snapshot.threads.iter().any(|thread| thread.tid == tid) {
                return Err(Problem::at(node, format!("there are two processes {tid}")));
            }
            let wanted = if tid == pid { process.parent.unwrap_or(1) } else { pid };
            let parent = snapshot.threads.iter().find(|t| t.tid == wanted).ok_or_else(|| {
                let at = keys.get("parent").unwrap_or(node);
                Problem::at(at, format!("there is no process {wanted} before this one"))
            })?;
            let thread = process.thread(parent);
            snapshot.threads.push(thread);
        }
        if let Some(user) = process.named_user() {
            add_user(snapshot, user);
        }
        if !process.fds.is_empty() {
            snapshot.fds.push((tid, process.fds));
        }
    }
    Ok(())
}

/// Adds a user, in place of one with the same id.
pub fn add_user(snapshot: &mut Snapshot, user: User) {
    snapshot.users.retain(|known| known.uid != user.uid);
    snapshot.groups.retain(|known| known.gid != user.gid);
    snapshot.groups.push(Group { gid: user.gid, name: user.name.clone() });
    snapshot.users.push(user);
}
