//! Sandboxes: bundles of our image, run by a real runsc with state of its own. Whatever runs is ended
//! when this goes away, also when a test panics.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::actor::{Actor, dying_with_its_starter};
use crate::builds::Build;
use crate::image;

/// How long a container, or a command to runsc, may take.
const SECONDS: u64 = 60;

/// What root has in a container of ours.
const CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
    "CAP_SYS_PTRACE",
];

/// One runsc with its state, and the sandboxes that it runs.
pub struct Sandboxes {
    build: Build,
    /// State, image and bundles.
    dir: tempfile::TempDir,
    pod_init: Option<PathBuf>,
    ids: Mutex<Vec<String>>,
}

/// A container to be.
pub struct Spec<'a> {
    pub id: &'a str,
    /// Its first program with its arguments.
    pub args: &'a [&'a str],
    /// `NAME=VALUE`
    pub env: &'a [&'a str],
    /// The sandbox that it is to be in, if it is not to be one of its own; its own id for the first
    /// container of a pod.
    pub pod: Option<&'a str>,
}

/// A container that runs before our eyes. Killed when it goes away.
pub struct Running {
    id: String,
    child: Child,
    printed: Option<JoinHandle<String>>,
}

/// An id as engines make them, different each time and between test programs.
pub fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = u64::from(std::process::id()) << 16 | NEXT.fetch_add(1, Ordering::Relaxed);
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{mixed:016x}{number:048x}")
}

impl Sandboxes {
    /// No sandboxes yet. `pod_init` is the configuration with which each is to begin.
    pub fn new(build: &Build, actor: &Actor, pod_init: Option<&Path>) -> Self {
        let dir = tempfile::Builder::new().prefix("gvisor").tempdir().unwrap();
        image::lay_out(&dir.path().join("root"), actor.path());
        let pod_init = pod_init.map(Path::to_owned);
        Sandboxes { build: build.clone(), dir, pod_init, ids: Mutex::default() }
    }

    /// runsc's state, as falco is told of it.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A command to runsc, killed when it takes too long or the thread that starts it ends.
    pub fn runsc(&self) -> Command {
        let mut command = dying_with_its_starter();
        command.args(["timeout", "-s", "KILL", &SECONDS.to_string()]).arg(&self.build.program);
        command.arg("--root").arg(self.state());
        command.args(options(&self.build));
        if let Some(file) = &self.pod_init {
            command.arg("--pod-init-config").arg(file);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Starts a container in a sandbox of its own and stays with it.
    pub fn run(&self, spec: &Spec<'_>) -> Running {
        let bundle = self.bundle(spec);
        let mut runsc = self.runsc();
        runsc.args(["run", "--bundle"]).arg(bundle).arg(spec.id);
        // A pipe: a sandbox overwrites what a file begins with.
        let (mut reader, writer) = std::io::pipe().unwrap();
        runsc.stdout(writer.try_clone().unwrap()).stderr(writer);
        let child = runsc.spawn().unwrap();
        // It holds the other end of the pipe.
        drop(runsc);
        let printed = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = reader.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Running { id: spec.id.to_owned(), child, printed: Some(printed) }
    }

    /// Creates and starts a container and leaves it alone.
    pub fn start(&self, spec: &Spec<'_>) {
        let bundle = self.bundle(spec);
        let log = self.dir.path().join("log");
        let mut create = self.runsc();
        create.args(["create", "--bundle"]).arg(bundle).arg(spec.id);
        let mut start = self.runsc();
        start.args(["start", spec.id]);
        for mut command in [create, start] {
            // What runs on keeps these files open: pipes would never end.
            let log = OpenOptions::new().create(true).append(true).open(&log).unwrap();
            command.stdout(log.try_clone().unwrap()).stderr(log);
            let status = command.status().unwrap();
            assert!(status.success(), "{command:?}\n{}", self.log());
        }
    }

    /// What containers that were left alone, and runsc about them, have printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Runs a program in a container, as `docker exec` does.
    #[track_caller]
    pub fn exec(&self, id: &str, env: &[&str], args: &[&str]) -> Output {
        let mut exec = self.runsc();
        exec.arg("exec");
        for variable in env {
            exec.args(["--env", variable]);
        }
        let output = exec.arg(id).args(args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{exec:?}: {}\n{text}", output.status);
        output
    }

    /// Waits until a program of this name runs in a sandbox.
    #[track_caller]
    pub fn wait_for_program(&self, id: &str, name: &str) {
        let begin = Instant::now();
        loop {
            let output = self.runsc().args(["ps", id]).output().unwrap();
            if String::from_utf8_lossy(&output.stdout).contains(name) {
                return;
            }
            assert!(begin.elapsed().as_secs() < SECONDS, "{name} does not run in {id}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends a container and all that is in it.
    pub fn kill(&self, id: &str) {
        // Any of these fails if it is not there any more.
        let _ = self.runsc().args(["kill", id, "KILL"]).output();
        let _ = self.runsc().args(["delete", "--force", id]).output();
    }

    fn bundle(&self, spec: &Spec<'_>) -> PathBuf {
        self.ids.lock().unwrap().push(spec.id.to_owned());
        let bundle = self.dir.path().join(format!("bundle-{}", spec.id));
        fs::create_dir(&bundle).unwrap();
        let config = config(spec, &self.dir.path().join("root"));
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        bundle
    }
}

impl Drop for Sandboxes {
    fn drop(&mut self) {
        let ids = self.ids.get_mut().map(std::mem::take).unwrap_or_default();
        // The sandbox of a pod goes after its other containers.
        for id in ids.iter().rev() {
            if self.state().exists() {
                self.kill(id);
            }
        }
    }
}

/// How sandboxes are made: nothing of the machine's network or control groups, and what is written
/// goes away with them.
pub fn options(build: &Build) -> Vec<String> {
    let platform = format!("--platform={}", build.platform);
    let others = ["--network=none", "--net-raw", "--ignore-cgroups", "--overlay2=all:memory"];
    std::iter::once(platform).chain(others.map(str::to_owned)).collect()
}

/// The bundle's config.json.
fn config(spec: &Spec<'_>, root: &Path) -> Value {
    let env = ["PATH=/bin:/opt/live", "A=/opt/live/actor", "F=/opt/live", "HOME=/root"];
    let env: Vec<&str> = env.iter().chain(spec.env).copied().collect();
    let annotations = match spec.pod {
        None => json!({}),
        Some(sandbox) => {
            let kind = if sandbox == spec.id { "sandbox" } else { "container" };
            json!({
                "io.kubernetes.cri.container-type": kind,
                "io.kubernetes.cri.sandbox-id": sandbox,
            })
        }
    };
    let mount = |kind: &str, at: &str| json!({"destination": at, "type": kind, "source": kind});
    json!({
        "ociVersion": "1.0.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": spec.args,
            "env": env,
            "cwd": "/root",
            "capabilities": {
                "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES,
            },
        },
        "root": {"path": root},
        "hostname": "sandbox",
        "annotations": annotations,
        "mounts": [
            mount("proc", "/proc"), mount("tmpfs", "/dev"), mount("tmpfs", "/dev/shm"),
            mount("tmpfs", "/tmp"),
        ],
        "linux": {"namespaces": [
            {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
            {"type": "mount"},
        ]},
    })
}

impl Running {
    /// Waits for its end, which must be a good one; what it printed.
    #[track_caller]
    pub fn wait(mut self) -> String {
        let status = self.child.wait().unwrap();
        let printed = self.printed.take().unwrap().join().unwrap();
        assert!(status.success(), "{} ended with {status}\n{printed}", self.id);
        printed
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its sandbox dies with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
