//! Real containers: a Docker daemon of our own in private namespaces, an image of our own, containers
//! of Docker and of the containerd below it.

// Every test program is a crate of its own and uses only a part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::actor::{Actor, in_namespaces, succeed};
use crate::attack::{Attack, Deed, Place, now};
use crate::image;

const PATIENCE: Duration = Duration::from_secs(30);
/// The image that every container is of.
pub const IMAGE: &str = "live:1";
/// The container that containerd makes by itself.
pub const BY_CONTAINERD: &str = "containerd";
/// Its id, of the kind that Kubernetes gives.
const CONTAINERD_ID: &str = "c0ffee0123456789abcdef0123456789abcdef0123456789abcdef0123456789";
/// Runs the script in `$S`, as the stage does.
const RUN_S: &str = "eval \"$S\"\n:";
/// Where the daemon's containerd listens, in the daemon's own `/run`.
const CONTAINERD: &str = "/run/docker/containerd/containerd.sock";
/// What it needs of the machine.
pub const PROGRAMS: &[&str] = &["dockerd", "docker", "ctr", "busybox", "nsenter", "tar"];

/// The daemon with its containers. All of it dies with the thread that started it.
pub struct Containers {
    /// The parent of the daemon, which ends with it.
    unshare: Child,
    /// `docker`'s socket; nothing that a daemon keeps.
    dir: tempfile::TempDir,
    /// Full ids by name.
    ids: BTreeMap<&'static str, String>,
    /// Those control groups of engines that were there already.
    parents_before: Vec<PathBuf>,
}

impl Containers {
    /// Starts the daemon and loads the image. The daemon's network has these addresses on its
    /// loopback device, and no other device. `configuration` is its daemon.json.
    pub fn start(actor: &Actor, addresses: &[&str], configuration: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("live").tempdir().expect("a temporary directory");
        let at = |name: &str| dir.path().join(name);
        for name in ["data", "client"] {
            fs::create_dir(at(name)).expect("a directory");
        }
        fs::write(at("daemon.json"), configuration).expect("the daemon's configuration");
        let parents_before = cgroup_parents();
        // What daemons keep is on a file system that only they see; /run and /opt are no places
        // to leave anything in either.
        let script = "set -e; mount -t tmpfs live \"$1/data\"; mount -t tmpfs live /run
            mount -t tmpfs live /opt; actor=$2; dir=$1; shift 2; \"$actor\" network \"$@\"
            exec dockerd --config-file \"$dir/daemon.json\" --data-root \"$dir/data\" \
                --pidfile \"$dir/pid\" --host \"unix://$dir/docker.sock\" \
                --exec-opt native.cgroupdriver=cgroupfs --bridge none --iptables=false \
                --ip6tables=false --ip-forward=false";
        let mut command = in_namespaces(&["--pid", "--mount-proc", "--net"]);
        command.args(["sh", "-c", script, "sh"]).arg(dir.path());
        // /run may hold the actor.
        fs::copy(actor.path(), at("actor")).expect("the actor can be copied");
        command.arg(at("actor")).args(addresses);
        let log = fs::File::create(at("log")).expect("a log");
        command.stdout(Stdio::null()).stderr(log);
        let unshare = command.spawn().expect("setpriv (util-linux) runs");
        let mut containers = Containers { unshare, dir, ids: BTreeMap::new(), parents_before };
        containers.wait_until_ready();
        containers.load_image(actor.path());
        containers
    }

    /// The daemon: process 1 of its namespace, and the only child of `unshare`.
    pub fn daemon(&self) -> Option<i32> {
        let unshare = self.unshare.id();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"));
        children.ok()?.trim().parse().ok()
    }

    fn wait_until_ready(&mut self) {
        let begin = Instant::now();
        let ready = || self.docker().arg("version").output().is_ok_and(|o| o.status.success());
        while !ready() {
            let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(begin.elapsed() < PATIENCE, "dockerd does not answer:\n{log}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn load_image(&self, actor: &Path) {
        let root = self.dir.path().join("root");
        image::lay_out(&root, actor);
        let tar = self.dir.path().join("root.tar");
        succeed(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg("."));
        succeed(self.docker().arg("import").arg(&tar).arg(IMAGE));
    }

    /// A `docker` that talks to the daemon and knows nothing of this machine's user.
    pub fn docker(&self) -> Command {
        let mut docker = Command::new("docker");
        docker.env("DOCKER_CONFIG", self.dir.path().join("client")).env_remove("DOCKER_CONTEXT");
        docker.env(
            "DOCKER_HOST",
            format!("unix://{}", self.dir.path().join("docker.sock").display()),
        );
        docker.stdin(Stdio::null());
        docker
    }

    fn ctr(&self) -> Command {
        // It mounts the image to look for users in it, where the daemon must see that.
        let mut ctr = Command::new("nsenter");
        let daemon = self.daemon().expect("the daemon runs").to_string();
        ctr.args(["--mount", "--pid", "--target", &daemon, "--", "ctr"]);
        ctr.args(["-a", CONTAINERD]);
        ctr.stdin(Stdio::null());
        ctr
    }

    /// Starts a container that waits, as an attack: its first program is judged, too.
    pub fn run<'a>(
        &mut self,
        attack: &'a Attack,
        name: &'static str,
        options: &[&str],
    ) -> Deed<'a> {
        let began = now();
        let mut docker = self.docker();
        docker.args(["run", "--detach", "--name", name]).args(options);
        docker.args(self::options(attack)).arg(IMAGE).args(["/bin/sleep", "600"]);
        let id = String::from_utf8_lossy(&succeed(&mut docker).stdout).trim().to_owned();
        self.ids.insert(name, id);
        self.wait_until_executed(name, "sleep");
        self.deed(attack, name, began)
    }

    /// `docker run --detach` comes back when the runtime's init process was told to go on, which may be
    /// before it has executed the container's program.
    fn wait_until_executed(&self, name: &str, program: &str) {
        let begin = Instant::now();
        let mut comm = self.docker();
        comm.args(["exec", name, "/bin/cat", "/proc/1/comm"]);
        while String::from_utf8_lossy(&succeed(&mut comm).stdout).trim() != program {
            assert!(begin.elapsed() < PATIENCE, "{name} does not execute {program}");
        }
    }

    /// Carries out an attack as the only program of a container that containerd starts by itself, with
    /// these options of `ctr run`.
    pub fn run_by_containerd<'a>(&mut self, attack: &'a Attack, options: &[&str]) -> Deed<'a> {
        let began = now();
        let tar = self.dir.path().join("image.tar");
        succeed(self.docker().args(["save", "-o"]).arg(&tar).arg(IMAGE));
        succeed(self.ctr().args(["images", "import"]).arg(&tar));
        let mut run = self.ctr();
        run.args(["run", "--rm"]).args(options);
        for variable in environment(attack) {
            run.args(["--env", &variable]);
        }
        run.args([&format!("docker.io/library/{IMAGE}"), CONTAINERD_ID]);
        succeed(run.args(["/bin/sh", "-ec", RUN_S]));
        self.ids.insert(BY_CONTAINERD, CONTAINERD_ID.to_owned());
        self.deed(attack, BY_CONTAINERD, began)
    }

    /// Carries out an attack in the container that it names.
    pub fn attack<'a>(&self, attack: &'a Attack) -> Deed<'a> {
        let began = now();
        let (name, terminal) = match attack.place {
            Place::Container(name) => (name, false),
            Place::Terminal(name) => (name, true),
            Place::Host => panic!("{} is an attack on the host", attack.name),
        };
        let mut exec = self.docker();
        exec.arg("exec").args(options(attack)).args(terminal.then_some("--tty")).arg(name);
        match terminal {
            true => exec.args(["sh", "-c", attack.script]),
            false => exec.args(["sh", "-ec", RUN_S]),
        };
        succeed(&mut exec);
        self.deed(attack, name, began)
    }

    fn deed<'a>(&self, attack: &'a Attack, name: &str, began: u128) -> Deed<'a> {
        let id = self.ids.get(name).unwrap_or_else(|| panic!("there is no container {name}"));
        let container_id = id.chars().take(12).collect();
        Deed { attack, container_id, sandboxed: false, began, ended: now() }
    }
}

/// What the programs of an attack find in their environment, as on the stage.
fn environment(attack: &Attack) -> [String; 5] {
    let token = format!("FALCO_LIVE={}", attack.token());
    let script = format!("S={}", attack.script);
    [token, script, "A=/opt/live/actor".into(), "F=/opt/live".into(), "HOME=/root".into()]
}

/// The same as options for `docker`.
fn options(attack: &Attack) -> impl Iterator<Item = String> {
    environment(attack).into_iter().flat_map(|variable| ["-e".to_owned(), variable])
}

impl Drop for Containers {
    fn drop(&mut self) {
        // Everything in the namespace is killed with its process 1.
        match self.daemon().and_then(Pid::from_raw) {
            Some(daemon) => drop(kill_process(daemon, Signal::KILL)),
            None => drop(self.unshare.kill()),
        }
        let _ = self.unshare.wait();
        let begin = Instant::now();
        // Directories of processes that are still dying cannot be removed yet.
        while !self.remove_cgroups() && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Containers {
    /// Removes the control groups that the containers had; whether none is left.
    fn remove_cgroups(&self) -> bool {
        let mut none_left = true;
        for parent in cgroup_parents() {
            for id in self.ids.values() {
                none_left &= remove_tree(&parent.join(id));
            }
            if !self.parents_before.contains(&parent) {
                // Another daemon may be using it by now: then it is not empty and stays.
                let _ = fs::remove_dir(&parent);
            }
        }
        none_left
    }
}

/// Where engines put their containers: in every hierarchy of version 1, or in the one of version 2.
fn cgroup_parents() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let parents = |dir: PathBuf| ["docker", "default"].map(|name| dir.join(name));
    hierarchies.chain([root.to_owned()]).flat_map(parents).filter(|dir| dir.is_dir()).collect()
}

/// Removes a control group and those in it; whether it is gone.
fn remove_tree(dir: &Path) -> bool {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
    !dir.exists()
}
