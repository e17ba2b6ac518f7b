//! Sandboxes of busybox, each with a runsc state of its own in a temporary directory. Whatever runs
//! is ended when this goes away, also when a test panics.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::builds::Build;

pub struct Sandboxes {
    pub build: Build,
    directory: tempfile::TempDir,
    ids: Vec<String>,
    number: usize,
    pub pod_init: Option<PathBuf>,
}

impl Sandboxes {
    pub fn new(build: &Build) -> Self {
        let directory = tempfile::Builder::new().prefix("falco-runsc").tempdir().unwrap();
        let bin = directory.path().join("root/bin");
        fs::create_dir_all(&bin).unwrap();
        for also in ["root/etc", "root/proc", "root/tmp", "root/dev", "run"] {
            fs::create_dir(directory.path().join(also)).unwrap();
        }
        symlink("/proc", directory.path().join("proc")).unwrap();
        fs::write(directory.path().join("root/etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
        fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        for applet in ["sh", "sleep", "cat", "true"] {
            symlink("busybox", bin.join(applet)).unwrap();
        }
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Sandboxes { build: build.clone(), directory, ids: Vec::new(), number, pod_init: None }
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where runsc keeps its state, as if this were the root of the host.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("run/runsc")
    }

    fn runsc(&self) -> Command {
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", "60"]).arg(&self.build.program).arg("--root").arg(self.state());
        command.arg(format!("--platform={}", self.build.platform));
        command.args(["--network=none", "--ignore-cgroups", "--overlay2=all:memory"]);
        if let Some(file) = &self.pod_init {
            command.arg("--pod-init-config").arg(file);
        }
        let log =
            || fs::File::options().append(true).create(true).open(self.directory().join("log"));
        command.stdin(Stdio::null()).stdout(log().unwrap()).stderr(log().unwrap());
        command
    }

    fn must(&self, mut command: Command) {
        let status = command.status().unwrap();
        let log = fs::read_to_string(self.directory().join("log")).unwrap_or_default();
        assert!(status.success(), "{command:?}: {status}\n{log}");
    }

    /// The id of the container that is called so here. Builds of 2022 want ids that are unique on the
    /// machine: their control sockets are abstract.
    pub fn id(&self, name: &str) -> String {
        format!("{name}-{}-{}", std::process::id(), self.number)
    }

    /// Starts a container that runs `script`, in the sandbox `pod` or in one of its own.
    pub fn start(&mut self, name: &str, pod: Option<&str>, script: &str) {
        let (id, pod) = (&self.id(name), pod.map(|pod| self.id(pod)));
        let bundle = self.directory().join(format!("bundle-{id}"));
        fs::create_dir(&bundle).unwrap();
        let annotations = pod.as_ref().map(|pod| {
            let kind = if pod == id { "sandbox" } else { "container" };
            json!({
                "io.kubernetes.cri.container-type": kind,
                "io.kubernetes.cri.sandbox-id": pod,
                "io.kubernetes.cri.container-name": format!("name-of-{id}"),
            })
        });
        let config = json!({
            "ociVersion": "1.0.0",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": ["/bin/sh", "-c", script],
                "env": ["PATH=/bin", "MARK=here"],
                "cwd": "/tmp",
            },
            "root": {"path": self.directory().join("root"), "readonly": true},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "annotations": annotations.unwrap_or_else(|| json!({})),
            "linux": {"namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
            ]},
        });
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        self.ids.push(id.clone());
        let mut create = self.runsc();
        create.args(["create", "--bundle"]).arg(&bundle).arg(id);
        self.must(create);
        let mut start = self.runsc();
        start.args(["start", id]);
        self.must(start);
    }

    pub fn kill(&self, name: &str) {
        self.kill_id(&self.id(name));
    }

    fn kill_id(&self, id: &str) {
        let _ = self.runsc().args(["kill", id, "KILL"]).status();
        let _ = self.runsc().args(["delete", "--force", id]).status();
    }

    /// The sandbox's process on this machine.
    pub fn pid(&self, name: &str) -> i32 {
        let id = self.id(name);
        let file = self.state().join(format!("{id}_sandbox:{id}.state"));
        let state: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        state["sandbox"]["pid"].as_i64().unwrap().try_into().unwrap()
    }
}

impl Drop for Sandboxes {
    fn drop(&mut self) {
        // The sandbox of a pod goes after its other containers.
        for id in std::mem::take(&mut self.ids).iter().rev() {
            self.kill_id(id);
        }
    }
}

/// Waits until there is something.
#[track_caller]
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
