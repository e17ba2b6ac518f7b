//! Class `container`: what the thread's container is known to be.
//!
//! Without metadata (no engine was asked, or it does not know the container) only the id and the
//! times that the kernel tells have values. The host counts as a container of its own kind.

use falco_rules::value::Value;

use super::{boolean, text, uint};
use crate::context::Context;
use crate::fields::table::Container;

/// What the host is called where a container would have its id, its name and its kind.
const HOST: &[u8] = b"host";

impl<'a> Context<'a> {
    #[inline]
    pub(super) fn container(&self, field: Container) -> Option<Value<'a>> {
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
            _ => None,
        }
    }
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
