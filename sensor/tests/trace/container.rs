//! As process 1 of a Docker container, as an ordinary user, under Docker's own seccomp profile.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::actor::{Actor, is_installed};
use crate::containers::{Containers, IMAGE};
use crate::ignored;
use crate::nobody::{Done, Nobody, UID, run};

const PATIENCE: Duration = Duration::from_secs(30);

/// Why there can be no containers here.
fn why_not() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, for a Docker daemon".to_owned());
    }
    let needed = ["dockerd", "docker", "busybox", "nsenter", "tar"];
    let missing = needed.iter().find(|program| !is_installed(program))?;
    Some(format!("{missing} is not installed"))
}

/// The static binary (`cargo xtask static`), if it is built.
pub fn static_falco() -> Option<PathBuf> {
    let built = PathBuf::from(crate::common::falco().get_program());
    let musl = built.ancestors().nth(2).unwrap().join("x86_64-unknown-linux-musl");
    let given = std::env::var_os("FALCO_STATIC").map(PathBuf::from);
    let profiles = ["release", "debug"].map(|profile| musl.join(profile).join("falco"));
    given.into_iter().chain(profiles).find(|path| path.is_file())
}

/// It, or this build with the libraries that it is linked with, as options of `docker run`.
fn falco(nobody: &Nobody) -> Vec<String> {
    let mount = |from: &str, to: &str| ["-v".to_owned(), format!("{from}:{to}:ro")];
    match static_falco() {
        Some(binary) => {
            let own = nobody.dir.path().join("falco-static");
            fs::copy(binary, &own).unwrap();
            mount(&own.display().to_string(), "/falco").to_vec()
        }
        None => {
            let own = nobody.falco().display().to_string();
            let mut mounts = mount(&own, "/falco").to_vec();
            mounts.extend(["/lib", "/lib64", "/usr/lib"].iter().flat_map(|dir| mount(dir, dir)));
            mounts
        }
    }
}

/// A daemon, and falco with its user.
pub struct Wrapped {
    pub nobody: Nobody,
    pub containers: Containers,
}

impl Wrapped {
    /// `None` if there can be no containers, which is told.
    pub fn start(what: &str) -> Option<Self> {
        let actor = match why_not().map_or_else(Actor::compile, Err) {
            Ok(actor) => actor,
            Err(why) => {
                ignored(what, &why);
                return None;
            }
        };
        let containers = Containers::start(&actor, &[], "{}");
        Some(Wrapped { nobody: Nobody::new(), containers })
    }

    /// `docker run` with falco mounted and these options, up to the image.
    pub fn docker(&self, options: &[&str]) -> Command {
        let mut docker = self.containers.docker();
        docker.args(["run", "--network=none"]).args(falco(&self.nobody)).args(options);
        docker
    }

    /// The same as an ordinary user, with falco before the command.
    pub fn trace(&self, options: &[&str]) -> Command {
        let mut docker =
            self.docker(&["--entrypoint", "/falco", "--user", &format!("{UID}:{UID}")]);
        docker.args(options).args([IMAGE, "trace"]);
        docker
    }

    /// What the daemon says of a container.
    pub fn inspect(&self, name: &str, format: &str) -> String {
        let mut inspect = self.containers.docker();
        let done = run(inspect.args(["inspect", "--format", format, name])).exits(0);
        done.stdout.trim().to_owned()
    }

    /// What a container has said.
    pub fn logs(&self, name: &str) -> Done {
        let mut logs = self.containers.docker();
        run(logs.args(["logs", name]).stdin(Stdio::null()))
    }

    /// `docker stop` of a container whose program ends well with a signal, if it gets it: it must not be
    /// killed. `docker` has everything up to the arguments of falco.
    pub fn stops_well(&self, name: &str, mut docker: Command) {
        let script =
            "trap 'echo stopped well; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
        run(docker.args(["-q", "--", "/bin/sh", "-c", script])).exits(0);
        let begin = Instant::now();
        while !self.logs(name).stdout.contains("ready") {
            assert!(begin.elapsed() < PATIENCE, "{:#?}", self.logs(name));
            thread::sleep(Duration::from_millis(50));
        }
        let begin = Instant::now();
        let mut stop = self.containers.docker();
        run(stop.args(["stop", "--time", "20", name])).exits(0);
        assert!(begin.elapsed() < Duration::from_secs(15), "{name} was killed, not stopped");
        assert!(self.logs(name).stdout.contains("stopped well"), "{:#?}", self.logs(name));
        assert_eq!(self.inspect(name, "{{.State.ExitCode}}"), "0");
    }
}

#[test]
fn in_a_container_it_wraps_the_entry_point() {
    let Some(wrapped) = Wrapped::start("falco trace in a container") else { return };
    // Alerts of the built-in rules; the command's streams and exit code.
    let mut alerts = wrapped.trace(&[]);
    let script = "cp /bin/busybox /tmp/.hidden; /tmp/.hidden true; echo out; exit 7";
    let done = run(alerts.args(["--", "/bin/sh", "-c", script])).exits(7);
    assert_eq!(done.stdout, "out\n");
    assert!(done.stderr.contains("Hidden program run"), "{done:#?}");

    // A gate.
    let mut gate = wrapped.trace(&[]);
    let script = "cp /bin/busybox /tmp/.x; /tmp/.x true";
    let gate = run(gate.args(["--fail-on", "debug", "-q", "--", "/bin/sh", "-c", script]));
    let code = gate.status.code();
    assert!(code.is_some_and(|code| (100..=107).contains(&code)), "{code:?}");

    // `docker stop` sends SIGTERM to process 1.
    wrapped.stops_well("stopped", wrapped.trace(&["--detach", "--name", "stopped"]));
}

/// The Dockerfile that we show people: around an image, one file.
#[test]
fn the_sample_makes_an_image_that_guards_its_program() {
    let what = "the sample Dockerfile";
    let Some(binary) = static_falco() else {
        return ignored(what, "there is no static binary (cargo xtask static)");
    };
    let Some(Wrapped { containers, nobody }) = Wrapped::start(what) else { return };
    let context = tempfile::tempdir().unwrap();
    fs::copy(binary, context.path().join("falco")).unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/trace/Dockerfile");
    let mut build = containers.docker();
    // BuildKit would want an image of its own for the syntax, and a plugin.
    build.env("DOCKER_BUILDKIT", "0").args(["build", "--network=none", "-q", "-t", "guarded"]);
    build.args(["--build-arg", &format!("BASE={IMAGE}"), "-f", sample]).arg(context.path());
    run(&mut build).exits(0);
    let mut guarded = containers.docker();
    let done = run(guarded.args(["run", "--network=none", "guarded"])).exits(0);
    assert_eq!(done.stdout, "done\n");
    // That nobody is a service is in the image's own table of users, which is known from the start.
    assert!(done.stderr.contains("Service runs a program from a scratch directory"), "{done:#?}");

    // Another command, and rules of one's own.
    let rules = nobody.rules(&[("Hosts", "WARNING", "evt.type = openat and fd.name = /etc/hosts")]);
    let mut own = containers.docker();
    own.args(["run", "--network=none", "-v"]);
    own.arg(format!("{}:/etc/falco/falco_rules.yaml:ro", rules.display()));
    let done =
        run(own.args(["guarded", "/bin/sh", "-c", "read line < /etc/hosts; exit 5"])).exits(5);
    assert!(done.stderr.contains("Warning seen sh openat /etc/hosts"), "{done:#?}");
}
