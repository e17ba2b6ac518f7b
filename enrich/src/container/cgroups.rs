//! The container that a thread's cgroups name.
//!
//! Only layouts that nothing but a container has are taken for one, and containers are found below
//! which processes have made cgroups of their own (systemd in a container). Ids are shortened to
//! 12 characters, as `docker ps` shows them; names of LXC and BPM are not.

use crate::record::{Bytes, ProcessFacts, bytes, bytes_like, empty};

/// Characters of a shown id.
const SHOWN: usize = 12;
/// Characters of an id that runtimes make.
const FULL: usize = 64;

/// Namespaces of containerd whose containers stand at `/<namespace>/<name>` when made by hand
/// (`ctr`, `nerdctl`). Other two-level cgroups are anybody's.
const CONTAINERD_NAMESPACES: [&[u8]; 4] = [b"default", b"k8s.io", b"moby", b"buildkit"];

/// The container of a thread with these `cgroups`, which share a text with `like` where they can;
/// empty on the host.
pub(crate) fn container_id(cgroups: &Bytes, like: &ProcessFacts) -> Bytes {
    if **cgroups == *like.cgroups {
        return like.container_id.clone();
    }
    match find(cgroups) {
        Some(id) => bytes_like(id, &like.container_id),
        None => empty(),
    }
}

/// As [`container_id`], without a known relative.
pub(crate) fn container_id_of(cgroups: &[u8]) -> Bytes {
    find(cgroups).map_or_else(empty, bytes)
}

/// The id in `subsys=path` entries, each followed by a NUL.
pub fn find(cgroups: &[u8]) -> Option<&[u8]> {
    cgroups.split(|&b| b == 0).find_map(|entry| {
        let at = entry.iter().position(|&b| b == b'=')?;
        let (subsys, path) = (&entry[..at], &entry[at + 1..]);
        let id = || path.strip_prefix(b"/").filter(|id| !id.is_empty());
        if subsys == b"gvisor_container_id" {
            return id().map(shown);
        }
        // What a sensor tells of the container that it is in itself.
        if subsys == b"container_id" {
            return id().map(|id| if is_full_id(id) { shown(id) } else { id });
        }
        in_path(path)
    })
}

/// The id in one cgroup path.
pub fn in_path(path: &[u8]) -> Option<&[u8]> {
    // The innermost container is the one: containers run in containers.
    let segments = || path.split(|&b| b == b'/').rev();
    segments().find_map(in_segment).or_else(|| lxc(path)).or_else(|| containerd(path))
}

/// The id in one part of a cgroup path.
fn in_segment(segment: &[u8]) -> Option<&[u8]> {
    // containerd's cgroupfs driver given a systemd path: `...:cri-containerd:<id>`.
    let last = segment.rsplit(|&b| b == b':').next().unwrap_or(segment);
    let by_runtime = |prefix: &[u8], scope: bool| {
        let id = last.strip_prefix(prefix)?;
        let id = if scope { id.strip_suffix(b".scope")? } else { id };
        is_full_id(id).then(|| shown(id))
    };
    let engines: [(&[u8], bool); 10] = [
        (b"", false),                // Docker, containerd (cgroupfs)
        (b"docker-", true),          // Docker (systemd)
        (b"cri-containerd-", true),  // containerd for Kubernetes
        (b"crio-", true),            // CRI-O (systemd)
        (b"crio-", false),           // CRI-O (cgroupfs)
        (b"libpod-", true),          // Podman (systemd)
        (b"libpod-", false),         // Podman (cgroupfs)
        (b"libpod-payload-", true),  // Podman, split cgroups
        (b"libpod-payload-", false), // the same without systemd
        (b"nerdctl-", true),         // nerdctl (systemd)
    ];
    engines
        .into_iter()
        .find_map(|(prefix, scope)| by_runtime(prefix, scope))
        .or_else(|| libvirt_lxc(segment))
        .or_else(|| bpm(segment))
}

fn is_full_id(id: &[u8]) -> bool {
    id.len() == FULL && id.iter().all(u8::is_ascii_hexdigit)
}

fn shown(id: &[u8]) -> &[u8] {
    &id[..id.len().min(SHOWN)]
}

/// `lxc/<name>`, `lxc.payload/<name>` and `lxc.payload.<name>`.
fn lxc(path: &[u8]) -> Option<&[u8]> {
    let mut segments = path.split(|&b| b == b'/');
    while let Some(segment) = segments.next() {
        let name = match segment {
            b"lxc" | b"lxc.payload" => segments.next(),
            _ => segment.strip_prefix(b"lxc.payload."),
        };
        if name.is_some_and(|name| !name.is_empty()) {
            return name;
        }
    }
    None
}

/// `<name>.libvirt-lxc` and `machine-lxc\x2d<id>\x2d<name>.scope`.
fn libvirt_lxc(segment: &[u8]) -> Option<&[u8]> {
    const MACHINE: &[u8] = b"machine-lxc\\x2d";
    let machine = || segment.strip_prefix(MACHINE)?.strip_suffix(b".scope");
    segment.strip_suffix(b".libvirt-lxc").or_else(machine).filter(|name| !name.is_empty())
}

/// Cloud Foundry's BOSH Process Manager: `bpm-<name>`, `bpm-<name>.scope`.
fn bpm(segment: &[u8]) -> Option<&[u8]> {
    let name = segment.strip_prefix(b"bpm-")?;
    let name = name.strip_suffix(b".scope").unwrap_or(name);
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    (!name.is_empty() && name.iter().all(allowed)).then_some(name)
}

/// Exactly `/<namespace>/<name>`, for namespaces that are containerd's.
fn containerd(path: &[u8]) -> Option<&[u8]> {
    let rest = path.strip_prefix(b"/")?;
    let at = rest.iter().position(|&b| b == b'/')?;
    let (namespace, name) = (&rest[..at], &rest[at + 1..]);
    let unit = [&b".service"[..], b".slice", b".scope"];
    (CONTAINERD_NAMESPACES.contains(&namespace)
        && !name.is_empty()
        && name.len() <= FULL
        && !name.contains(&b'/')
        && !unit.iter().any(|suffix| name.ends_with(suffix)))
    .then(|| shown(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7951fb549ab99e0722a949b6c121634e1f3a36b5bacbe5392991e3b12251e6b8";

    fn id(path: &str) -> Option<String> {
        in_path(path.as_bytes()).map(|id| String::from_utf8_lossy(id).into())
    }

    #[test]
    fn layouts_of_engines_give_short_ids() {
        for path in [
            "/docker/{}",
            "/docker.slice/docker-{}.scope",
            "/system.slice/docker-{}.scope",
            "/system.slice/docker-{}.scope/init.scope",
            "/docker/{}/kubelet.slice/kubelet.service",
            "/kubepods/besteffort/podac04f3f2-1f2c-11e9-b015-1ebee232acfa/{}",
            "/kubepods.slice/kubepods-pod63b3.slice/cri-containerd-{}.scope",
            "/kubepods-burstable-podbd12dd33.slice:cri-containerd:{}",
            "/kubepods/besteffort/pod63b3ebfc/crio-{}",
            "/kubepods.slice/kubepods-pod63b3.slice/crio-{}.scope",
            "/system.slice/libpod-{}",
            "/machine.slice/libpod-{}.scope",
            "/machine.slice/libpod-{}.scope/container",
            "/system.slice/ceph@mon.service/libpod-payload-{}",
            "/system.slice/ceph@mon.service/libpod-payload-{}.scope/container",
            "/user.slice/user-1000.slice/user@1000.service/libpod-{}",
            "/system.slice/nerdctl-{}.scope",
        ] {
            let path = path.replace("{}", ID);
            assert_eq!(id(&path).as_deref(), Some("7951fb549ab9"), "{path}");
        }
    }

    #[test]
    fn names_of_other_engines_stay_whole() {
        for (path, name) in [
            ("/lxc/web", "web"),
            ("/lxc.payload/web/init.scope", "web"),
            ("/lxc.payload.web/system.slice", "web"),
            ("/machine/web.libvirt-lxc", "web"),
            ("/machine.slice/machine-lxc\\x2d229\\x2dweb.scope/libvirt", "229\\x2dweb"),
            ("/system.slice/bpm-nats.scope", "nats"),
            ("/default/live1", "live1"),
            ("/k8s.io/my-test_container", "my-test_cont"),
        ] {
            assert_eq!(id(path).as_deref(), Some(name), "{path}");
        }
    }

    #[test]
    fn the_host_is_no_container() {
        for path in [
            "/",
            "",
            "/user.slice/user-1000.slice/user@1000.service/init.scope",
            "/user.slice/user-1000.slice",
            "/system.slice/ssh.service",
            "/mygroup/shell",
            "/default/some_short_id.service",
            "/default/a/b",
            "/lxc",
            "/lxc.monitor.web",
        ] {
            assert_eq!(id(path), None, "{path}");
        }
        let long = format!("/user.slice/libpod-{ID}{ID}");
        assert_eq!(id(&long), None);
        assert_eq!(id(&format!("/user.slice/libpod-{}g", &ID[1..])), None);
    }

    #[test]
    fn the_first_entry_with_a_container_counts() {
        let cgroups = format!("cpu=/\0memory=/docker/{ID}\0pids=/lxc/x\0");
        assert_eq!(find(cgroups.as_bytes()), Some(&ID.as_bytes()[..12]));
        assert_eq!(find(b"gvisor_container_id=/0123456789abcdef\0"), Some(&b"0123456789ab"[..]));
        assert_eq!(find(b"cpu=/\0"), None);
        let of_sensor = |id: &str| format!("cpu=/\0container_id=/{id}\0").into_bytes();
        assert_eq!(find(&of_sensor(ID)), Some(&ID.as_bytes()[..12]));
        assert_eq!(find(&of_sensor("unknown")), Some(&b"unknown"[..]));
        let fargate = "cd189a933e5849daa93386466019ab50-2495160603";
        assert_eq!(find(&of_sensor(fargate)), Some(fargate.as_bytes()));
        assert_eq!(find(&of_sensor("")), None);
    }
}
