//! Docker and containerd with runsc as their runtime.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::actor::all_installed;
use crate::attack::{Deed, attack};
use crate::builds::Build;
use crate::common::run;
use crate::containers::{BY_CONTAINERD, Containers, PROGRAMS};
use crate::lives::{READ, RUN, SLOW, expect, fields, rules};
use crate::sandbox::options;
use crate::sensor::{Alert, Sensor};
use crate::{Meeting, PATIENCE, eventually, gvisor, ignored};

/// Containers, and Docker's runtimes for them: with and without our configuration.
const TRACED: &str = "traced";
const PLAIN: &str = "plain";

/// Waits for an alert of something that was done.
#[track_caller]
fn reported(sensor: &Sensor, deed: &Deed<'_>, rule: &str, program: &str) -> Alert {
    let token = deed.attack.token();
    let is_it = |alert: &Alert| {
        alert.rule() == rule && alert.field("proc.name") == program && alert.field("token") == token
    };
    let said = || format!("{token}: no {rule:?} by {program}\n{}", sensor.stderr_so_far());
    assert!(sensor.wait_for(PATIENCE, is_it), "{}", said());
    let alert = sensor.find(is_it).unwrap();
    expect(&alert, &[("container.id", &deed.container_id), ("user.uid", "0")]);
    alert
}

/// What `falco gvisor install` writes for the sensor's rules, and says of Docker and containerd.
#[track_caller]
fn install(meeting: &Meeting, build: &Build, into: &Path) -> PathBuf {
    let file = into.join("gvisor.json");
    let mut args = vec!["gvisor".to_owned(), "install".into(), "--config-file".into()];
    args.push(file.display().to_string());
    args.extend(meeting.input(build));
    let output = run(&args).exits(0);
    let said = output.stdout() + &output.stderr();
    for word in [&*file.to_string_lossy(), "pod-init-config", "daemon.json", "containerd"] {
        assert!(said.contains(word), "nothing of {word} in\n{said}");
    }
    file
}

/// A runtime for containerd's shim, which takes a program and no options for it.
fn wrapper(build: &Build, pod_init: &Path, into: &Path) -> String {
    let path = into.join("runsc-traced");
    let options = options(build).join(" ");
    let (runsc, file) = (build.program.display(), pod_init.display());
    let text = format!("#!/bin/sh\nexec {runsc} {options} --pod-init-config={file} \"$@\"\n");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn daemon_json(build: &Build, pod_init: &Path) -> String {
    let plain = options(build);
    let mut traced = plain.clone();
    traced.push(format!("--pod-init-config={}", pod_init.display()));
    let runtime = |options: &[String]| json!({"path": build.program, "runtimeArgs": options});
    json!({"runtimes": {TRACED: runtime(&traced), PLAIN: runtime(&plain)}}).to_string()
}

#[test]
fn docker_and_containerd_are_watched() {
    let what = "Docker and containerd with runsc";
    let Some((build, actor)) = gvisor(what, "2022-ptrace") else { return };
    if let Err(why) = all_installed(PROGRAMS) {
        return ignored(what, &why);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut meeting = Meeting::new(&build, &[rules(dir.path())], fields());
    let pod_init = install(&meeting, &build, dir.path());
    let mut containers = Containers::start(&actor, &[], &daemon_json(&build, &pod_init));
    meeting.setup.inside = containers.daemon();

    // One container is older than the sensor.
    let network = "--network=none";
    let before = attack("docker-before", "").inside(PLAIN);
    containers.run(&before, PLAIN, &["--runtime", PLAIN, network]);
    let sensor = meeting.watch();
    let begin = attack("docker-run", "").inside(TRACED);
    let begun = containers.run(&begin, TRACED, &["--runtime", TRACED, network]);
    let alert = reported(&sensor, &begun, RUN, "sleep");
    expect(
        &alert,
        &[
            ("proc.cmdline", "sleep 600"),
            // gVisor tells how a container's first program was called, not which file that is.
            ("proc.exepath", "/bin/sleep"),
            ("proc.vpid", "1"),
            ("evt.type", "execve"),
        ],
    );

    // A shell that Docker puts into each of them. The older sandbox may not be attached to yet, and on a
    // busy machine runsc may need too long to say what the shell is.
    for (name, container) in [("docker-exec-traced", TRACED), ("docker-exec-plain", PLAIN)] {
        let exec = attack(name, SLOW).inside(container);
        let is_known = |a: &Alert| a.field("proc.name") == "sh" && a.field("token") == exec.token();
        let mut deed = None;
        eventually(&sensor, || {
            deed = Some(containers.attack(&exec));
            sensor.wait_for(Duration::from_secs(1), is_known)
        });
        let deed = deed.unwrap();
        let cat = reported(&sensor, &deed, READ, "cat");
        expect(&cat, &[("proc.cmdline", "cat /etc/shadow"), ("proc.pname", "sh")]);
        let shell = reported(&sensor, &deed, RUN, "sh");
        expect(&shell, &[("proc.exepath", "/bin/busybox"), ("proc.pname", "")]);
        assert!(shell.field("proc.cmdline").starts_with("sh -ec eval"), "{}", shell.json);
    }

    let script = attack("containerd-run", "/bin/cat /etc/shadow").inside(BY_CONTAINERD);
    let runtime = wrapper(&build, &pod_init, dir.path());
    let deed = containers.run_by_containerd(&script, &["--runc-binary", &runtime]);
    let alert = reported(&sensor, &deed, READ, "cat");
    expect(&alert, &[("proc.cmdline", "cat /etc/shadow"), ("fd.name", "/etc/shadow")]);
    let ended = sensor.terminate();
    assert!(ended.status.success(), "{}\n{}", ended.status, ended.stderr);
}
