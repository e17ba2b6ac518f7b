//! Which container this process itself is in, for a sensor that was started inside of one and watches
//! its neighbours there.
//!
//! Cgroups say it only where the container has none of its own namespace of them: today's engines give
//! it one, in which every path is `/`. What is left then:
//!
//! * Engines mount files that they keep for each container by id: `/etc/hostname`, `/etc/hosts` and
//!   `/etc/resolv.conf` (Docker, Podman), `/run/.containerenv` and `/run/secrets` (Podman, CRI-O). In a
//!   pod, the first three are those of the pod's sandbox, which is another container, and tell nothing.
//! * Amazon's ECS names the container in the path of its cgroup, or in the environment.
//! * Files and variables that engines leave for programs that want to know where they are.
//!
//! Files of an image prove nothing by themselves: virtual machines are made of images, too. So
//! whoever is in the first pid and cgroup namespaces is on the host (or in a container whose
//! cgroups say so). gVisor, whose sandboxes are containers, has no cgroup namespaces at all.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::mounts::Mount;
use crate::text::{between, decimal};

/// The id of a container that nobody knows the id of: still it is not the host.
pub const UNKNOWN: &[u8] = b"unknown";

/// The first namespaces of every kernel (Linux, `PROC_CGROUP_INIT_INO` and `PROC_PID_INIT_INO`).
const FIRST_CGROUP_NAMESPACE: u64 = 0xefff_fffb;
const FIRST_PID_NAMESPACE: u64 = 0xefff_fffc;

/// Characters of an id that engines make.
const ID: usize = 64;
/// Characters of the first half of an id of Fargate: a task's.
const TASK: usize = 32;

/// What engines mount for each container: where, and whether it is the container's own in a pod, too.
const MOUNTED: [(&[u8], bool); 5] = [
    (b"/run/.containerenv", true),
    (b"/run/secrets", true),
    (b"/etc/hostname", false),
    (b"/etc/hosts", false),
    (b"/etc/resolv.conf", false),
];

/// What is only in containers: files of Docker and Podman.
const FILES: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];
/// And variables: of Podman, LXC and systemd; Kubernetes; ECS; Cloud Run.
const VARIABLES: [&str; 5] =
    ["container", IN_A_POD, "ECS_CONTAINER_METADATA_URI_V4", "AWS_EXECUTION_ENV", "K_SERVICE"];
const IN_A_POD: &str = "KUBERNETES_SERVICE_HOST";

/// The id of the container that this process is in, as its engine has it, or [`UNKNOWN`]. `None` on the
/// host.
pub fn find() -> Option<Vec<u8>> {
    let namespace = |kind: &str| {
        let link = fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
        let link = link.into_os_string().into_vec();
        between(&link, &format!("{kind}:["), "]").and_then(decimal)
    };
    let namespaces = Namespaces::of(namespace("pid"), namespace("cgroup"));
    if namespaces == Namespaces::OfTheHost {
        return None;
    }
    let read = |path: &str| fs::read(path).unwrap_or_default();
    let env = |name: &str| std::env::var_os(name).map(OsStringExt::into_vec);
    let texts = Texts {
        mountinfo: &read("/proc/self/mountinfo"),
        cgroup: &read("/proc/self/cgroup"),
        containerenv: &read("/run/.containerenv"),
        metadata_uri: &env("ECS_CONTAINER_METADATA_URI_V4").unwrap_or_default(),
        in_a_pod: env(IN_A_POD).is_some(),
    };
    let is_marked = || {
        FILES.iter().any(|file| Path::new(file).exists())
            || VARIABLES.iter().any(|name| env(name).is_some_and(|value| !value.is_empty()))
    };
    let is_contained = || is_marked() || namespaces == Namespaces::OfAContainer;
    texts.id().or_else(|| is_contained().then(|| UNKNOWN.to_vec()))
}

/// Whose namespaces of pids and cgroups a process is in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Namespaces {
    OfTheHost,
    /// One of its own: of a container, or of somebody who called unshare(1).
    Unclear,
    /// Nobody but engines makes both, whatever the engine is.
    OfAContainer,
}

impl Namespaces {
    /// By their numbers; `None` where there is no such namespace, or it cannot be read.
    fn of(pid: Option<u64>, cgroup: Option<u64>) -> Self {
        let own_pids = pid.is_some_and(|pid| pid != FIRST_PID_NAMESPACE);
        let own_cgroups = cgroup.is_some_and(|cgroup| cgroup != FIRST_CGROUP_NAMESPACE);
        match (own_pids, own_cgroups) {
            (true, true) => Namespaces::OfAContainer,
            // gVisor's kernel.
            (true, false) if cgroup.is_none() => Namespaces::OfAContainer,
            (false, false) => Namespaces::OfTheHost,
            _ => Namespaces::Unclear,
        }
    }
}

/// Where ids are found.
#[derive(Default)]
struct Texts<'a> {
    mountinfo: &'a [u8],
    cgroup: &'a [u8],
    containerenv: &'a [u8],
    metadata_uri: &'a [u8],
    in_a_pod: bool,
}

impl Texts<'_> {
    fn id(&self) -> Option<Vec<u8>> {
        let id = self.of_cgroups().or_else(|| self.of_mounts()).or_else(|| self.of_containerenv());
        id.or_else(|| {
            let last = self.metadata_uri.rsplit(|&b| b == b'/').next()?;
            is_id(last).then(|| last.to_vec())
        })
    }

    /// ECS: `/ecs/<task>/<id>`.
    fn of_cgroups(&self) -> Option<Vec<u8>> {
        self.cgroup.split(|&b| b == b'\n').find_map(|line| {
            let path = line.splitn(3, |&b| b == b':').nth(2)?;
            let last = path.strip_prefix(b"/ecs/")?.rsplit(|&b| b == b'/').next()?;
            is_id(last).then(|| last.to_vec())
        })
    }

    fn of_mounts(&self) -> Option<Vec<u8>> {
        let mounts: Vec<_> =
            self.mountinfo.split(|&b| b == b'\n').filter_map(Mount::parse).collect();
        let mut wanted = MOUNTED.iter().filter(|(_, also_in_pods)| *also_in_pods || !self.in_a_pod);
        wanted.find_map(|(point, _)| {
            let mut here = mounts.iter().filter(|(_, mount)| mount.point == *point);
            here.find_map(|(_, mount)| {
                let parts: Vec<_> = mount.root.split(|&b| b == b'/').collect();
                // What containerd keeps for a pod.
                let of_sandbox = parts.contains(&&b"sandboxes"[..]);
                let id = parts.into_iter().rev().find(|part| is_engine_id(part))?;
                (!of_sandbox).then(|| id.to_vec())
            })
        })
    }

    /// Podman writes more into it for some containers: `id="…"`.
    fn of_containerenv(&self) -> Option<Vec<u8>> {
        let mut lines = self.containerenv.split(|&b| b == b'\n');
        let id = lines.find_map(|line| between(line, "id=\"", "\""))?;
        is_id(id).then(|| id.to_vec())
    }
}

fn is_id(text: &[u8]) -> bool {
    is_engine_id(text) || is_fargate_id(text)
}

fn is_engine_id(text: &[u8]) -> bool {
    text.len() == ID && text.iter().all(u8::is_ascii_hexdigit)
}

/// A task's id, and a number of the container in it.
fn is_fargate_id(text: &[u8]) -> bool {
    let Some((task, number)) = text.split_at_checked(TASK) else { return false };
    task.iter().all(u8::is_ascii_hexdigit)
        && number.strip_prefix(b"-").is_some_and(|number| decimal(number).is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "7951fb549ab99e0722a949b6c121634e1f3a36b5bacbe5392991e3b12251e6b8";
    const B: &str = "c0ffee0123456789abcdef0123456789abcdef0123456789abcdef0123456789";

    fn of_mounts(lines: &[(&str, &str)], in_a_pod: bool) -> Option<String> {
        let line = |(root, point): &(&str, &str)| {
            let root = root.replace("{A}", A).replace("{B}", B);
            format!("116 99 8:1 {root} {point} rw,relatime master:1 - ext4 /dev/sda1 rw\n")
        };
        let mountinfo: String = lines.iter().map(line).collect();
        let texts = Texts { mountinfo: mountinfo.as_bytes(), in_a_pod, ..Texts::default() };
        texts.id().map(|id| String::from_utf8(id).unwrap())
    }

    #[test]
    fn namespaces_tell_containers_and_sandboxes_of_gvisor_from_hosts() {
        let (pid, cgroup) = (Some(FIRST_PID_NAMESPACE), Some(FIRST_CGROUP_NAMESPACE));
        for (pids, cgroups, whose) in [
            (pid, cgroup, Namespaces::OfTheHost),
            (None, None, Namespaces::OfTheHost),
            // Before Linux 4.6.
            (pid, None, Namespaces::OfTheHost),
            (Some(4_026_532_201), cgroup, Namespaces::Unclear),
            (pid, Some(4_026_532_202), Namespaces::Unclear),
            (Some(4_026_532_201), Some(4_026_532_202), Namespaces::OfAContainer),
            // runsc of 2022 and 2024.
            (Some(205), None, Namespaces::OfAContainer),
            (Some(1), None, Namespaces::OfAContainer),
        ] {
            assert_eq!(Namespaces::of(pids, cgroups), whose, "{pids:?} {cgroups:?}");
        }
    }

    #[test]
    fn engines_mount_files_that_they_keep_by_id() {
        for lines in [
            &[("/var/lib/docker/containers/{A}/hostname", "/etc/hostname")][..],
            // Where that directory is a file system of its own.
            &[("/{A}/resolv.conf", "/etc/resolv.conf")],
            &[("/containers/{A}/hosts", "/etc/hosts")],
            &[("/containers/storage/overlay-containers/{A}/userdata/hosts", "/etc/hosts")],
            &[("/x/overlay-containers/{A}/userdata/.containerenv", "/run/.containerenv")],
            &[("/x/{A}/userdata/run/secrets", "/run/secrets"), ("/{B}/hosts", "/etc/hosts")],
        ] {
            assert_eq!(of_mounts(lines, false).as_deref(), Some(A), "{lines:?}");
        }
    }

    #[test]
    fn what_else_is_mounted_says_nothing() {
        for lines in [
            &[("/", "/"), ("/var/lib/docker/overlay2/{A}/diff", "/srv")][..],
            &[("/docker/{A}", "/sys/fs/cgroup/cpu")],
            &[("/var/lib/docker/containers/{A}0/hostname", "/etc/hostname")],
            &[("/etc/resolv.conf", "/etc/resolv.conf"), ("broken", "")],
            &[("/x/io.containerd.grpc.v1.cri/sandboxes/{A}/hostname", "/etc/hostname")],
            &[],
        ] {
            assert_eq!(of_mounts(lines, false), None, "{lines:?}");
        }
    }

    /// The files of a pod are those of its sandbox, a container of its own.
    #[test]
    fn a_sandboxs_id_is_not_taken_for_its_containers() {
        let hostname = ("/var/lib/docker/containers/{B}/hostname", "/etc/hostname");
        assert_eq!(of_mounts(&[hostname], true), None);
        let own = ("/x/overlay-containers/{A}/userdata/run/secrets", "/run/secrets");
        assert_eq!(of_mounts(&[hostname, own], true).as_deref(), Some(A));
    }

    #[test]
    fn ecs_and_podman_say_it_themselves() {
        let fargate = "cd189a933e5849daa93386466019ab50-2495160603";
        let task = "/ecs/cd189a933e5849daa93386466019ab50";
        let id = |texts: Texts<'_>| texts.id().map(|id| String::from_utf8(id).unwrap());
        for id_of_it in [fargate, A] {
            let cgroup = format!("9:name=systemd:/\n4:memory:{task}/{id_of_it}\n");
            let found = id(Texts { cgroup: cgroup.as_bytes(), ..Texts::default() });
            assert_eq!(found.as_deref(), Some(id_of_it));
        }
        let uri = |last: &str| format!("http://169.254.170.2/v4/{last}");
        let of_uri = |uri: &str| id(Texts { metadata_uri: uri.as_bytes(), ..Texts::default() });
        assert_eq!(of_uri(&uri(fargate)).as_deref(), Some(fargate));
        // On EC2 it is an id of the endpoint.
        assert_eq!(of_uri(&uri("f26c0a55-9c8e-4f0f-8f38-0b4b1a1ad4ae")), None);
        let containerenv = format!("engine=\"podman-4.3.1\"\nname=\"web\"\nid=\"{A}\"\n");
        let podman = Texts { containerenv: containerenv.as_bytes(), ..Texts::default() };
        assert_eq!(id(podman).as_deref(), Some(A));
        let nothing = Texts { cgroup: b"0::/\n", containerenv: b"id=\"\"\n", ..Texts::default() };
        assert_eq!(id(nothing), None);
    }

    proptest! {
        #[test]
        fn any_texts_are_read_without_a_panic(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let texts = Texts {
                mountinfo: &text, cgroup: &text, containerenv: &text, metadata_uri: &text,
                in_a_pod: false,
            };
            prop_assert!(texts.id().is_none_or(|id| is_id(&id)));
        }
    }
}
