//! What events tell of containers: the asynchronous ones that the container plugin makes, and those
//! that older probes and captures have.

use falco_event::EventCode;

use super::Parser;
use crate::container::ContainerInfo;

/// Names of the asynchronous events.
const ADDED: &[u8] = b"container";
const REMOVED: &[u8] = b"container_removed";

impl Parser<'_, '_> {
    pub(super) fn container(&mut self) {
        let name = self.event.text(1).unwrap_or_default();
        let is_async = self.event.code() == EventCode::ASYNCEVENT_E;
        if is_async && name != ADDED && name != REMOVED {
            return;
        }
        let info = match self.event.code() {
            EventCode::CONTAINER_E => self.old_container(),
            _ => {
                let json = self.event.param(if is_async { 2 } else { 0 });
                ContainerInfo::from_json(json.unwrap_or_default())
            }
        };
        let Some(info) = info else { return };
        self.state.container_of_event = Some((self.num, info.clone()));
        if is_async && name == REMOVED {
            self.state.remove_container(info.id.as_bytes());
        } else {
            self.state.add_container(info);
        }
    }

    /// The first kind of container events has parameters of its own.
    fn old_container(&self) -> Option<ContainerInfo> {
        let text = |at| self.event.text(at).map(|text| String::from_utf8_lossy(text).into_owned());
        Some(ContainerInfo {
            id: text(0)?,
            engine: self.event.u32(1)? as u16,
            name: text(2)?,
            image: text(3)?,
            ..ContainerInfo::default()
        })
    }
}
