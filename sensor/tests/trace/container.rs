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
fn static_falco() -> Option<PathBuf> {
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

#[test]
fn in_a_container_it_wraps_the_entry_point() {
    if let Some(why) = why_not() {
        return ignored("falco trace in a container", &why);
    }
    let actor = match Actor::compile() {
        Ok(actor) => actor,
        Err(why) => return ignored("falco trace in a container", &why),
    };
    let nobody = Nobody::new();
    let containers = Containers::start(&actor, &[], "{}");
    let user = format!("{UID}:{UID}");
    let docker = |name: &str, detach: bool| {
        let mut docker = containers.docker();
        docker.args(["run", "--network=none", "--name", name, "--user", &user]);
        docker.args(falco(&nobody)).args(detach.then_some("--detach"));
        docker.args(["--entrypoint", "/falco", IMAGE, "trace"]);
        docker
    };
    let done = |mut command: Command| -> Done { run(&mut command) };

    // Alerts of the built-in rules; the command's streams and exit code.
    let mut wrapped = docker("alerts", false);
    wrapped.args([
        "--",
        "/bin/sh",
        "-c",
        "cp /bin/busybox /tmp/.hidden; /tmp/.hidden true; echo out; exit 7",
    ]);
    let wrapped = done(wrapped).exits(7);
    assert_eq!(wrapped.stdout, "out\n");
    assert!(wrapped.stderr.contains("Hidden program run"), "{wrapped:#?}");

    // A gate.
    let mut gate = docker("gate", false);
    gate.args([
        "--fail-on",
        "debug",
        "-q",
        "--",
        "/bin/sh",
        "-c",
        "cp /bin/busybox /tmp/.x; /tmp/.x true",
    ]);
    let code = done(gate).status.code();
    assert!(code.is_some_and(|code| (100..=107).contains(&code)), "{code:?}");

    // `docker stop` sends SIGTERM to process 1.
    let script = "trap 'echo stopped well; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    let mut stopped = docker("stopped", true);
    stopped.args(["-q", "--", "/bin/sh", "-c", script]);
    done(stopped).exits(0);
    let logs = || {
        let mut logs = containers.docker();
        run(logs.args(["logs", "stopped"]).stdin(Stdio::null()))
    };
    let begin = Instant::now();
    while !logs().stdout.contains("ready") {
        assert!(begin.elapsed() < PATIENCE, "{:#?}", logs());
        thread::sleep(Duration::from_millis(50));
    }
    let mut stop = containers.docker();
    let begin = Instant::now();
    done({
        stop.args(["stop", "--time", "20", "stopped"]);
        stop
    })
    .exits(0);
    assert!(begin.elapsed() < Duration::from_secs(15), "it was killed, not stopped");
    assert!(logs().stdout.contains("stopped well"), "{:#?}", logs());
    let mut inspect = containers.docker();
    inspect.args(["inspect", "--format", "{{.State.ExitCode}}", "stopped"]);
    assert_eq!(done(inspect).stdout, "0\n");
}

/// The Dockerfile that we show people: around an image, one file.
#[test]
fn the_sample_makes_an_image_that_guards_its_program() {
    let what = "the sample Dockerfile";
    if let Some(why) = why_not() {
        return ignored(what, &why);
    }
    let Some(binary) = static_falco() else {
        return ignored(what, "there is no static binary (cargo xtask static)");
    };
    let actor = match Actor::compile() {
        Ok(actor) => actor,
        Err(why) => return ignored(what, &why),
    };
    let context = tempfile::tempdir().unwrap();
    fs::copy(binary, context.path().join("falco")).unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/trace/Dockerfile");
    let containers = Containers::start(&actor, &[], "{}");
    let mut build = containers.docker();
    // BuildKit would want an image of its own for the syntax, and a plugin.
    build.env("DOCKER_BUILDKIT", "0").args(["build", "--network=none", "-q", "-t", "guarded"]);
    build.args(["--build-arg", &format!("BASE={IMAGE}"), "-f", sample]).arg(context.path());
    run(&mut build).exits(0);
    let mut guarded = containers.docker();
    let done = run(guarded.args(["run", "--network=none", "guarded"])).exits(0);
    assert_eq!(done.stdout, "done\n");
    assert!(done.stderr.contains("Hidden program run"), "{done:#?}");
}
