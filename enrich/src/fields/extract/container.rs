//! Classes `container` and `k8s`: what the thread's container is known to be.
//!
//! Without metadata (no engine was asked, or it does not know the container) only the id and the
//! times that the kernel tells have values. The host counts as a container of its own kind.

use falco_rules::value::Value;

use super::{boolean, made, text, uint};
use crate::container::{ContainerInfo, Labels, Mount};
use crate::context::Context;
use crate::fields::Argument;
use crate::fields::table::Container;

/// What the host is called where a container would have its id, its name and its kind.
const HOST: &[u8] = b"host";
/// Characters of a shown id.
const SHORT_ID: usize = 12;

impl<'a> Context<'a> {
    #[inline]
    pub(super) fn container(&self, field: Container, arg: &Argument) -> Option<Value<'a>> {
        if let Some(told) = self.told {
            return self.of_info(told, field, arg);
        }
        let record = &*self.thread?.record;
        let is_host = record.container_id.is_empty();
        match field {
            Container::Id if is_host => text(HOST),
            Container::Id => text(&record.container_id),
            Container::StartTs => match record.pidns_init_start_ts {
                0 => None,
                start => uint(start),
            },
            Container::Duration => match record.pidns_init_start_ts {
                0 => None,
                start => uint(self.event.ts().wrapping_sub(start)),
            },
            _ if is_host => of_host(field),
            _ => self.of_info(self.state.containers().get(&record.container_id)?, field, arg),
        }
    }

    /// What an engine told.
    fn of_info(
        &self,
        info: &'a ContainerInfo,
        field: Container,
        arg: &Argument,
    ) -> Option<Value<'a>> {
        let label = |key: &str| info.labels.get(key).and_then(|value| text(value.as_bytes()));
        match field {
            Container::Id => text(info.id.as_bytes()),
            Container::FullId => text(info.full_id.as_bytes()),
            Container::Name => text(info.name.as_bytes()),
            Container::Image => text(info.image.as_bytes()),
            Container::ImageId => text(info.image_id.as_bytes()),
            Container::ImageRepository => text(info.image_repository.as_bytes()),
            Container::ImageTag => text(info.image_tag.as_bytes()),
            Container::ImageDigest => text(info.image_digest.as_bytes()),
            Container::Type => text(info.kind().as_bytes()),
            Container::Privileged => boolean(info.privileged),
            Container::HostPid => boolean(info.host_pid),
            Container::HostNetwork => boolean(info.host_network),
            Container::HostIpc => boolean(info.host_ipc),
            Container::Ip => text(info.ip.as_bytes()),
            Container::CniJson => text(info.cni_json.as_bytes()),
            Container::Mounts => {
                made(info.mounts.iter().map(Mount::to_text).collect::<Vec<_>>().join(","))
            }
            Container::Mount
            | Container::MountSource
            | Container::MountDest
            | Container::MountMode
            | Container::MountRdwr
            | Container::MountPropagation => of_mount(field, find_mount(info, field, arg)?),
            Container::Label => info.labels.get(key(arg)?).and_then(|v| text(v.as_bytes())),
            Container::Labels => made(joined(&info.labels)),
            Container::K8sPodName => label("io.kubernetes.pod.name"),
            Container::K8sNsName => label("io.kubernetes.pod.namespace"),
            Container::K8sPodId | Container::K8sPodUid => label("io.kubernetes.pod.uid"),
            Container::K8sPodSandboxId => text(short(&info.pod_sandbox_id)),
            Container::K8sPodFullSandboxId => text(info.pod_sandbox_id.as_bytes()),
            Container::K8sPodLabel => {
                let of_sandbox = self.sandbox(info).map(|pod| &pod.pod_sandbox_labels);
                let all = of_sandbox.into_iter().chain([&info.pod_sandbox_labels]);
                let key = key(arg)?;
                all.filter_map(|labels| labels.get(key)).next().and_then(|v| text(v.as_bytes()))
            }
            Container::K8sPodLabels => {
                made(joined(&self.sandbox(info).unwrap_or(info).pod_sandbox_labels))
            }
            Container::K8sPodIp => text(self.pod(info)?.ip.as_bytes()),
            Container::K8sPodCniJson => text(self.pod(info)?.cni_json.as_bytes()),
            // The times are the thread's; the others are deprecated and have no value.
            _ => None,
        }
    }

    /// The sandbox of a container's pod, asked where the container itself does not know the pod's
    /// network.
    fn sandbox(&self, info: &ContainerInfo) -> Option<&'a ContainerInfo> {
        let id = short(&info.pod_sandbox_id);
        if info.cni_json.is_empty() { self.state.containers().get(id) } else { None }
    }

    /// Who tells of a pod's network: the container, or the sandbox for it.
    fn pod(&self, info: &'a ContainerInfo) -> Option<&'a ContainerInfo> {
        if info.cni_json.is_empty() { self.sandbox(info) } else { Some(info) }
    }
}

fn short(id: &str) -> &[u8] {
    id.as_bytes().get(..SHORT_ID).unwrap_or(id.as_bytes())
}

fn key(arg: &Argument) -> Option<&str> {
    let Argument::Key(key) = arg else { return None };
    std::str::from_utf8(key).ok()
}

/// A mount by number, or the first one whose destination (for its source) or source (for all else)
/// the pattern finds.
fn find_mount<'a>(info: &'a ContainerInfo, field: Container, arg: &Argument) -> Option<&'a Mount> {
    match arg {
        Argument::Index(at) => info.mounts.get(usize::try_from(*at).ok()?),
        Argument::Pattern(pattern) => info.mounts.iter().find(|mount| {
            let by_destination = field == Container::MountSource;
            pattern.is_match(if by_destination { &mount.destination } else { &mount.source })
        }),
        _ => None,
    }
}

fn of_mount(field: Container, mount: &Mount) -> Option<Value<'_>> {
    match field {
        Container::MountSource => text(mount.source.as_bytes()),
        Container::MountDest => text(mount.destination.as_bytes()),
        Container::MountMode => text(mount.mode.as_bytes()),
        Container::MountRdwr => text(if mount.rdwr { b"true" } else { b"false" }),
        Container::MountPropagation => text(mount.propagation.as_bytes()),
        _ => made(mount.to_text()),
    }
}

/// `key:value` of those that people gave: not annotations, not what Kubernetes adds for itself.
fn joined(labels: &Labels) -> String {
    let internal = |key: &str| key.starts_with("annotation.") || key.starts_with("io.kubernetes.");
    let pairs = labels
        .iter()
        .filter(|(key, _)| !internal(key))
        .map(|(key, value)| if value.is_empty() { key.clone() } else { format!("{key}:{value}") });
    pairs.collect::<Vec<_>>().join(", ")
}

/// The host's metadata: a name, and nothing of what an engine would tell.
fn of_host<'a>(field: Container) -> Option<Value<'a>> {
    match field {
        Container::FullId | Container::Name | Container::Type => text(HOST),
        Container::Privileged
        | Container::HostPid
        | Container::HostNetwork
        | Container::HostIpc => boolean(false),
        Container::Image
        | Container::ImageId
        | Container::ImageRepository
        | Container::ImageTag
        | Container::ImageDigest
        | Container::Mounts
        | Container::Ip
        | Container::CniJson
        | Container::Labels
        | Container::K8sPodSandboxId
        | Container::K8sPodFullSandboxId
        | Container::K8sPodLabels
        | Container::K8sPodIp
        | Container::K8sPodCniJson => text(b""),
        _ => None,
    }
}
