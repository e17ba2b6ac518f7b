//! [`ContainerInfo`]: what an engine tells of a container, as events carry it in JSON.
//!
//! The shape is that of Falco's container plugin: an object `container` with `id`, `name`, `image`
//! and so on, where whatever is missing is empty.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Labels by name, in the order of names.
pub type Labels = BTreeMap<String, String>;

/// Longest JSON that is read, in bytes.
const MAX_JSON: usize = 1 << 20;

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerInfo {
    /// Id as the cgroups name it (12 characters for most engines).
    pub id: String,
    /// Whole id.
    pub full_id: String,
    /// Number of the engine ([`ContainerInfo::kind`]).
    pub engine: u16,
    /// Name.
    pub name: String,
    /// Image, with its tag.
    pub image: String,
    /// Id of the image.
    pub image_id: String,
    /// Repository of the image.
    pub image_repository: String,
    /// Tag of the image.
    pub image_tag: String,
    /// Digest of the image.
    pub image_digest: String,
    /// First IPv4 address.
    pub ip: String,
    /// Network set-up in JSON, as the CNI plugin told it.
    pub cni_json: String,
    /// It may do everything.
    pub privileged: bool,
    /// Shares the host's pid namespace.
    pub host_pid: bool,
    /// Shares the host's network namespace.
    pub host_network: bool,
    /// Shares the host's IPC namespace.
    pub host_ipc: bool,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// Labels of the container; Kubernetes tells pod and namespace in them.
    pub labels: Labels,
    /// Whole id of the pod's sandbox; empty outside of pods.
    pub pod_sandbox_id: String,
    /// Labels of the pod.
    pub pod_sandbox_labels: Labels,
}

/// One mount of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// Path on the host.
    pub source: String,
    /// Path in the container.
    pub destination: String,
    /// Options.
    pub mode: String,
    /// It can be written to.
    pub rdwr: bool,
    /// Propagation.
    pub propagation: String,
}

impl Mount {
    /// `source:destination:mode:rdwr:propagation`.
    pub(crate) fn to_text(&self) -> String {
        let Mount { source, destination, mode, rdwr, propagation } = self;
        format!("{source}:{destination}:{mode}:{rdwr}:{propagation}")
    }
}

impl ContainerInfo {
    /// Reads the JSON of an event; none if it is malformed or too long, or a value is of the wrong
    /// type, as Falco takes nothing from such.
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let json = falco_event::raw::until_nul(json);
        if json.len() > MAX_JSON {
            return None;
        }
        let json: Value = serde_json::from_slice(json).ok()?;
        let of = json.get("container")?.as_object()?;
        Some(ContainerInfo {
            id: text(of, "id")?,
            full_id: text(of, "full_id")?,
            engine: match of.get("type") {
                Some(number) => number.as_u64()? as u16,
                None => u16::MAX,
            },
            name: text(of, "name")?,
            image: text(of, "image")?,
            image_id: text(of, "imageid")?,
            image_repository: text(of, "imagerepo")?,
            image_tag: text(of, "imagetag")?,
            image_digest: text(of, "imagedigest")?,
            ip: text(of, "ip")?,
            cni_json: text(of, "cni_json")?,
            privileged: boolean(of, "privileged")?,
            host_pid: boolean(of, "host_pid")?,
            host_network: boolean(of, "host_network")?,
            host_ipc: boolean(of, "host_ipc")?,
            mounts: mounts(of)?,
            labels: labels(of, "labels")?,
            pod_sandbox_id: text(of, "pod_sandbox_id")?,
            pod_sandbox_labels: labels(of, "pod_sandbox_labels")?,
        })
    }

    /// The JSON of an event that tells of it; [`ContainerInfo::from_json`] reads it back.
    pub fn to_json(&self) -> Value {
        let mount = |mount: &Mount| {
            json!({
                "Source": mount.source,
                "Destination": mount.destination,
                "Mode": mount.mode,
                "RW": mount.rdwr,
                "Propagation": mount.propagation,
            })
        };
        json!({ "container": {
            "id": self.id,
            "full_id": self.full_id,
            "type": self.engine,
            "name": self.name,
            "image": self.image,
            "imageid": self.image_id,
            "imagerepo": self.image_repository,
            "imagetag": self.image_tag,
            "imagedigest": self.image_digest,
            "ip": self.ip,
            "cni_json": self.cni_json,
            "privileged": self.privileged,
            "host_pid": self.host_pid,
            "host_network": self.host_network,
            "host_ipc": self.host_ipc,
            "Mounts": self.mounts.iter().map(mount).collect::<Vec<_>>(),
            "labels": self.labels,
            "pod_sandbox_id": self.pod_sandbox_id,
            "pod_sandbox_labels": self.pod_sandbox_labels,
        } })
    }

    /// The engine by name (`container.type`); empty if the number means none.
    pub fn kind(&self) -> &'static str {
        match self.engine {
            0 => "docker",
            1 => "lxc",
            2 => "libvirt-lxc",
            3 => "mesos",
            4 => "rkt",
            6 => "cri",
            7 => "containerd",
            8 => "cri-o",
            9 => "bpm",
            11 => "podman",
            0xfffe => "host",
            _ => "",
        }
    }

    /// Bytes that it holds, roughly, and never less than its texts.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [
            &self.id,
            &self.full_id,
            &self.name,
            &self.image,
            &self.image_id,
            &self.image_repository,
            &self.image_tag,
            &self.image_digest,
            &self.ip,
            &self.cni_json,
            &self.pod_sandbox_id,
        ];
        let texts: usize = texts.iter().map(|text| text.len()).sum();
        let mount = |m: &Mount| m.to_text().len() + size_of::<Mount>();
        let label = |(k, v): (&String, &String)| k.len() + v.len() + 2 * size_of::<String>();
        let labels = self.labels.iter().chain(&self.pod_sandbox_labels).map(label).sum::<usize>();
        size_of::<Self>() + texts + labels + self.mounts.iter().map(mount).sum::<usize>()
    }
}

/// A text; empty if it is missing, none if it is something else.
fn text(of: &Map<String, Value>, key: &str) -> Option<String> {
    of.get(key).map_or(Some(""), Value::as_str).map(str::to_owned)
}

fn boolean(of: &Map<String, Value>, key: &str) -> Option<bool> {
    of.get(key).map_or(Some(false), Value::as_bool)
}

/// Labels; old captures have null where there are none.
fn labels(of: &Map<String, Value>, key: &str) -> Option<Labels> {
    match of.get(key) {
        None | Some(Value::Null) => Some(Labels::new()),
        Some(value) => {
            let pair = |(k, v): (&String, &Value)| Some((k.clone(), v.as_str()?.to_owned()));
            value.as_object()?.iter().map(pair).collect()
        }
    }
}

fn mounts(of: &Map<String, Value>) -> Option<Vec<Mount>> {
    let mount = |mount: &Value| {
        let of = mount.as_object()?;
        Some(Mount {
            source: text(of, "Source")?,
            destination: text(of, "Destination")?,
            mode: text(of, "Mode")?,
            rdwr: boolean(of, "RW")?,
            propagation: text(of, "Propagation")?,
        })
    };
    match of.get("Mounts") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(mount).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_reads_back() {
        let labels = |text: &str| Labels::from([(format!("{text}k"), text.to_owned())]);
        let info = ContainerInfo {
            id: "id".into(),
            full_id: "full".into(),
            engine: 7,
            name: "name \"é\"".into(),
            image: "image".into(),
            image_id: "image id".into(),
            image_repository: "repository".into(),
            image_tag: "tag".into(),
            image_digest: "digest".into(),
            ip: "1.2.3.4".into(),
            cni_json: "{\"cni\": 1}".into(),
            privileged: true,
            host_pid: true,
            host_network: true,
            host_ipc: true,
            mounts: vec![Mount {
                source: "source".into(),
                destination: "destination".into(),
                mode: "mode".into(),
                rdwr: true,
                propagation: "propagation".into(),
            }],
            labels: labels("a"),
            pod_sandbox_id: "sandbox".into(),
            pod_sandbox_labels: labels("b"),
        };
        let read = |info: &ContainerInfo| {
            ContainerInfo::from_json(info.to_json().to_string().as_bytes()).unwrap()
        };
        assert_eq!(read(&info), info);
        let nothing = ContainerInfo::default();
        assert_eq!(read(&nothing), nothing);
    }

    #[test]
    fn what_is_missing_is_empty_and_what_is_wrong_spoils_all() {
        let info = |json: &str| ContainerInfo::from_json(json.as_bytes());
        let least = info(r#"{"container":{"id":"a","labels":null,"Mounts":null}}"#).unwrap();
        let empty = ContainerInfo { id: "a".into(), engine: u16::MAX, ..Default::default() };
        assert_eq!(least, empty);
        assert_eq!(least.kind(), "");
        for wrong in [
            r#"{"container":{"id":5}}"#,
            r#"{"container":{"name":null}}"#,
            r#"{"container":{"privileged":"yes"}}"#,
            r#"{"container":{"labels":["a"]}}"#,
            r#"{"container":{"Mounts":[{"RW":1}]}}"#,
            r#"{"container":[]}"#,
            r#"{"id":"a"}"#,
            "[]",
            "",
        ] {
            assert_eq!(info(wrong), None, "{wrong}");
        }
        let deep = format!(r#"{{"container":{{"id":"a","x":{}"#, "[".repeat(100_000));
        assert_eq!(info(&deep), None);
        let long = format!(r#"{{"container":{{"id":"{}"}}}}"#, "a".repeat(MAX_JSON));
        assert_eq!(info(&long), None);
    }
}
