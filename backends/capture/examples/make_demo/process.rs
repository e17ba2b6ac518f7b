//! What events say of the process that causes them: ids, names, user, container, open fds.

use std::collections::BTreeMap;

use falco_event::net::Endpoint;
use falco_source::snapshot::{FdKind, L4Proto, Thread};

use super::stage::{Addr, BOOT};

const ALL_CAPABILITIES: u64 = 0x01ff_ffff_ffff;
/// What Docker leaves root in a container.
const DOCKER_CAPABILITIES: u64 = 0xa804_25fb;
/// The login user of processes that no login led to.
const NO_LOGIN: u32 = u32::MAX;

pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub name: &'static str,
    pub home: &'static str,
    pub shell: &'static str,
}

/// A process as it is at a moment of the story.
#[derive(Clone)]
pub struct Process {
    pub pid: i64,
    pub ppid: i64,
    /// The pid inside the container.
    pub vpid: i64,
    pub exepath: String,
    pub argv: Vec<String>,
    pub comm: String,
    cwd: String,
    pub uid: u32,
    pub gid: u32,
    home: &'static str,
    name: &'static str,
    pub loginuid: u32,
    pub tty: u32,
    pub container: Option<&'static str>,
    cgroup: String,
    pub fds: BTreeMap<i64, FdKind>,
    pub sockets: BTreeMap<i64, Vec<u8>>,
}

impl Process {
    /// A process that ran before the story, with its standard fds.
    pub fn new(pid: i64, ppid: i64, exepath: &str, command: &str, user: &User) -> Self {
        let argv: Vec<String> = match command.split_once(": ") {
            Some(_) => vec![command.to_owned()], // a title, not a command line
            None => command.split(' ').map(str::to_owned).collect(),
        };
        let null = || FdKind::File { name: b"/dev/null".to_vec(), open_flags: 3, dev: 6 };
        Process {
            pid,
            ppid,
            vpid: pid,
            comm: comm(exepath),
            exepath: exepath.to_owned(),
            argv,
            cwd: "/".to_owned(),
            uid: user.uid,
            gid: user.gid,
            home: user.home,
            name: user.name,
            loginuid: NO_LOGIN,
            tty: 0,
            container: None,
            cgroup: format!("/system.slice/{}.service", comm(exepath)),
            fds: (0..3).map(|fd| (fd, null())).collect(),
            sockets: BTreeMap::new(),
        }
    }

    pub fn in_container(mut self, id: &'static str, vpid: i64) -> Self {
        self.container = Some(id);
        self.cgroup = format!("/system.slice/docker-{id}.scope");
        self.vpid = vpid;
        self
    }

    /// With a socket that waits for connections on `port`, on any address.
    pub fn listening(mut self, port: u16) -> Self {
        let local = Endpoint { ip: [0, 0, 0, 0].into(), port };
        let fd = self.free_fd();
        self.fds.insert(fd, FdKind::InetServer { local, proto: L4Proto::Tcp });
        self
    }

    /// On `/dev/pts/<pts>`, in a session into which `loginuid` logged in.
    pub fn on_terminal(mut self, pts: u32, loginuid: u32) -> Self {
        self.loginuid = loginuid;
        let session = 3 + pts;
        self.cgroup = format!("/user.slice/user-{loginuid}.slice/session-{session}.scope");
        self.tty = 34_816 + pts; // the device number of pts/0 and on
        for fd in 0..3 {
            let name = format!("/dev/pts/{pts}").into_bytes();
            self.fds.insert(fd, FdKind::File { name, open_flags: 3, dev: 24 });
        }
        self
    }

    pub fn at(mut self, cwd: &str) -> Self {
        self.cwd = cwd.to_owned();
        self
    }

    /// The number that the next fd gets.
    pub fn free_fd(&self) -> i64 {
        (0..).find(|fd| !self.fds.contains_key(fd)).unwrap_or(0)
    }

    pub fn exe(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    pub fn args(&self) -> Vec<u8> {
        joined(self.argv.get(1..).unwrap_or_default())
    }

    pub fn env(&self) -> Vec<u8> {
        joined(&[
            format!("HOME={}", self.home),
            format!("USER={}", self.name),
            "LANG=C.UTF-8".to_owned(),
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        ])
    }

    pub fn cgroups(&self) -> Vec<u8> {
        joined(
            &["cpuset", "cpu", "cpuacct", "io", "memory"].map(|s| format!("{s}={}", self.cgroup)),
        )
    }

    pub fn capabilities(&self) -> u64 {
        match (self.uid, self.container) {
            (0, None) => ALL_CAPABILITIES,
            (0, Some(_)) => DOCKER_CAPABILITIES,
            _ => 0,
        }
    }

    pub fn thread(&self) -> Thread {
        Thread {
            tid: self.pid,
            pid: self.pid,
            ptid: self.ppid,
            sid: self.vpid,
            vpgid: self.vpid,
            pgid: self.pid,
            vtid: self.vpid,
            vpid: self.vpid,
            comm: self.comm.clone().into_bytes(),
            exe: self.exe().as_bytes().to_vec(),
            exepath: self.exepath.clone().into_bytes(),
            args: self.args(),
            env: self.env(),
            cwd: self.cwd.clone().into_bytes(),
            root: b"/".to_vec(),
            cgroups: self.cgroups(),
            fdlimit: 1024,
            uid: self.uid,
            gid: self.gid,
            loginuid: self.loginuid,
            tty: self.tty,
            vmsize_kb: 12_000,
            vmrss_kb: 6_400,
            pidns_init_start_ts: BOOT,
            cap_permitted: self.capabilities(),
            cap_effective: self.capabilities(),
            exe_lower_layer: self.container.is_some(),
            exe_ino: inode(&self.exepath),
            exe_ino_ctime: BOOT,
            exe_ino_mtime: BOOT,
            ..Thread::default()
        }
    }

    /// Remembers a connection.
    pub fn add_socket(&mut self, fd: i64, src: Addr, dst: Addr, tuple: Vec<u8>) {
        let endpoint = |Addr(ip, port)| Endpoint { ip: ip.into(), port };
        let (src, dst) = (endpoint(src), endpoint(dst));
        self.fds.insert(fd, FdKind::Inet { src, dst, proto: L4Proto::Tcp });
        self.sockets.insert(fd, tuple);
    }
}

/// The name that the kernel gives a process: the file's, at most 15 bytes.
pub fn comm(exepath: &str) -> String {
    let name = exepath.rsplit('/').next().unwrap_or(exepath);
    name.chars().take(15).collect()
}

/// NUL-terminated words.
fn joined(words: &[String]) -> Vec<u8> {
    words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect()
}

/// An inode number that follows from the path.
pub fn inode(path: &str) -> u64 {
    let hash = path.bytes().fold(5381_u64, |hash, byte| hash * 33 % 1_000_003 + u64::from(byte));
    1000 + hash % 900_000
}
