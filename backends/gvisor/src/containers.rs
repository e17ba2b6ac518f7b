//! [`Told`]: what a container is (name, image, pod, users), as events, from the state that runsc keeps
//! of it.
//!
//! runsc keeps the OCI configuration of every container beside its state, and runtimes put into its
//! annotations what they know: containerd and CRI-O name pod, container and image there. Docker
//! does not; more than id, mounts and privileges is then for whoever asks Docker itself.
//!
//! The file is root's, but its texts are the choice of whoever made the container: sizes are bounded.
//! Annotations: containerd `internal/cri/annotations`, CRI-O `pkg/annotations`; the shape of the
//! configuration: OCI runtime specification, `config.md` and `config-linux.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use falco_event::EventCode;
use falco_source::accounts::Accounts;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use falco_source::events::Events;

/// Characters of a container's id that are shown.
const SHOWN: usize = 12;
/// Users, and groups, of a container that are told at most.
const MAX_ACCOUNTS: usize = 1024;
/// Mounts that are told at most.
const MAX_MOUNTS: usize = 64;
/// Bytes of the JSON at most; a parameter of an event has 65,535.
const MAX_JSON: usize = 60_000;

/// What is to be told of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The id as `container.id` shows it.
    id: String,
    /// The object that container events carry.
    json: Vec<u8>,
    accounts: Accounts,
}

impl Told {
    /// Reads what `state`, the text of a `*.state` file in runsc's directory `root`, says, and the
    /// account files of the container. Paths in it are those of the host, whose root is seen here as
    /// `host_root`. Reads from disk; `None` if the text is not such a file.
    pub fn read(state: &[u8], root: &Path, host_root: &Path) -> Option<Self> {
        let state: State = serde_json::from_slice(state).ok()?;
        let id = shown(&state.id).to_owned();
        let accounts =
            state.rootfs(host_root).map(|rootfs| Accounts::read(&rootfs)).unwrap_or_default();
        let mut container = state.describe(root);
        let mut json = json!({ "container": container }).to_string().into_bytes();
        if json.len() > MAX_JSON {
            // The lists are what can be long.
            container.remove("Mounts");
            container.remove("labels");
            json = json!({ "container": container }).to_string().into_bytes();
        }
        if json.len() > MAX_JSON {
            json.clear();
        }
        Some(Told { id, json, accounts })
    }

    /// Tells it: an event of the container, and one for each of its users and groups. A user or group
    /// whose texts are longer than an event can hold is passed over.
    pub fn push(&self, ts: u64, events: &mut Events) {
        if !self.json.is_empty() {
            let _ = events.push((ts, -1, EventCode::ASYNCEVENT_E), 0, |event| {
                // No plugin made it.
                event.u32(0).text("container").text(&self.json);
            });
        }
        for user in self.accounts.users.iter().take(MAX_ACCOUNTS) {
            let _ = events.push((ts, -1, EventCode::USER_ADDED_E), 0, |event| {
                event.u32(user.uid).u32(user.gid).text(&user.name).text(&user.home);
                event.text(&user.shell).text(&self.id);
            });
        }
        for group in self.accounts.groups.iter().take(MAX_ACCOUNTS) {
            let _ = events.push((ts, -1, EventCode::GROUP_ADDED_E), 0, |event| {
                event.u32(group.gid).text(&group.name).text(&self.id);
            });
        }
    }
}

/// The part of a container's id that is shown.
fn shown(id: &str) -> &str {
    id.char_indices().nth(SHOWN).map_or(id, |(end, _)| id.get(..end).unwrap_or(id))
}

/// A state file, as far as it is read. Names are runsc's and those of the specification.
#[derive(Deserialize)]
struct State {
    id: String,
    #[serde(default, rename = "bundleDir")]
    bundle: PathBuf,
    #[serde(default)]
    spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    root: Root,
    #[serde(deserialize_with = "nullable")]
    mounts: Vec<Mount>,
    #[serde(deserialize_with = "nullable")]
    annotations: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    linux: Linux,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Root {
    path: PathBuf,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Mount {
    destination: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(deserialize_with = "nullable")]
    options: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Linux {
    #[serde(deserialize_with = "nullable")]
    namespaces: Vec<Namespace>,
    #[serde(deserialize_with = "nullable")]
    resources: Resources,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources {
    #[serde(deserialize_with = "nullable")]
    devices: Vec<Device>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Device {
    allow: bool,
    #[serde(rename = "type")]
    kind: String,
    access: String,
}

/// What is not there, Go leaves out or writes as null.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    of: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(of)?.unwrap_or_default())
}

/// Labels of Kubernetes, which CRI-O's annotations are named after, and containerd's annotations for
/// the same.
const LABELS: [(&str, &str); 4] = [
    ("io.kubernetes.container.name", "io.kubernetes.cri.container-name"),
    ("io.kubernetes.pod.name", "io.kubernetes.cri.sandbox-name"),
    ("io.kubernetes.pod.namespace", "io.kubernetes.cri.sandbox-namespace"),
    ("io.kubernetes.pod.uid", "io.kubernetes.cri.sandbox-uid"),
];

impl State {
    /// Where the container's files are, if that can be said from outside of the runtime.
    fn rootfs(&self, host_root: &Path) -> Option<PathBuf> {
        let path = self.bundle.join(&self.spec.root.path);
        Some(host_root.join(path.strip_prefix("/").ok()?))
    }

    /// The object of a container event.
    fn describe(&self, root: &Path) -> Map<String, Value> {
        let Spec { mounts, linux, .. } = &self.spec;
        let shares = |kind: &str| !linux.namespaces.iter().any(|of| of.kind == kind);
        let image =
            self.annotation(&["io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"]);
        let (repository, tag, digest) = image_parts(image);
        let pod =
            self.annotation(&["io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"]);
        let told = json!({
            "id": shown(&self.id),
            "full_id": self.id,
            "type": self.engine(root),
            "name": self.name(),
            "image": image,
            "imageid": "",
            "imagerepo": repository,
            "imagetag": tag,
            "imagedigest": digest,
            "ip": "",
            "cni_json": "",
            "privileged": self.is_privileged(),
            "host_pid": shares("pid"),
            "host_network": shares("network"),
            "host_ipc": shares("ipc"),
            "Mounts": mounts.iter().filter(|m| m.is_told()).take(MAX_MOUNTS).map(Mount::describe)
                .collect::<Vec<_>>(),
            "labels": self.labels(),
            "pod_sandbox_id": pod,
            "pod_sandbox_labels": {},
        });
        match told {
            Value::Object(told) => told,
            _ => Map::new(),
        }
    }

    /// The first of these annotations that there is.
    fn annotation(&self, names: &[&str]) -> &str {
        let found = names.iter().find_map(|&name| self.spec.annotations.get(name));
        found.map_or("", String::as_str)
    }

    /// Labels as Kubernetes names them, from the annotations of either runtime.
    fn labels(&self) -> BTreeMap<&str, &str> {
        let label = |(label, containerds)| {
            let value = self.annotation(&[containerds, label]);
            (!value.is_empty()).then_some((label, value))
        };
        LABELS.into_iter().filter_map(label).collect()
    }

    /// The name that the runtime gave it.
    fn name(&self) -> &str {
        self.annotation(&[
            "io.kubernetes.cri-o.Name",
            "io.kubernetes.cri.container-name",
            "io.kubernetes.container.name",
        ])
    }

    /// Number of the engine (`container.type`), by its annotations or by where its runsc keeps state.
    fn engine(&self, root: &Path) -> u16 {
        const DOCKER: u16 = 0;
        const CONTAINERD: u16 = 7;
        const CRIO: u16 = 8;
        const UNKNOWN: u16 = u16::MAX;
        let annotated =
            |prefix: &str| self.spec.annotations.keys().any(|name| name.starts_with(prefix));
        let below = |dir: &str| root.iter().any(|part| part == dir);
        if annotated("io.kubernetes.cri-o.") {
            CRIO
        } else if annotated("io.kubernetes.cri.") {
            CONTAINERD
        } else if below("moby") || below("docker") {
            DOCKER
        } else if below("containerd") {
            CONTAINERD
        } else {
            UNKNOWN
        }
    }

    /// Runtimes let a privileged container use every device, and no other.
    fn is_privileged(&self) -> bool {
        let all = |device: &Device| {
            device.allow && device.access == "rwm" && matches!(device.kind.as_str(), "" | "a")
        };
        self.spec.linux.resources.devices.iter().any(all)
    }
}

impl Mount {
    /// Those that bring something of the host into the container.
    fn is_told(&self) -> bool {
        self.kind == "bind" || self.options.iter().any(|o| o == "bind" || o == "rbind")
    }

    fn describe(&self) -> Value {
        let has = |option: &str| self.options.iter().any(|o| o == option);
        let propagation = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];
        json!({
            "Source": self.source,
            "Destination": self.destination,
            "Mode": "",
            "RW": !has("ro"),
            "Propagation": propagation.into_iter().find(|p| has(p)).unwrap_or_default(),
        })
    }
}

/// Repository, tag and digest of `host:port/path:tag@digest`.
fn image_parts(image: &str) -> (&str, &str, &str) {
    let (name, digest) = image.split_once('@').unwrap_or((image, ""));
    let file = name.rfind('/').map_or(0, |at| at + 1);
    match name.get(file..).and_then(|last| last.rfind(':')) {
        Some(at) => (
            name.get(..file + at).unwrap_or_default(),
            name.get(file + at + 1..).unwrap_or_default(),
            digest,
        ),
        None => (name, "", digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `Told::push` tells, as the types of the events and their texts.
    fn told(state: &Value, root: &str) -> (Value, Vec<(EventCode, String)>) {
        let told =
            Told::read(state.to_string().as_bytes(), Path::new(root), Path::new("/")).unwrap();
        let mut events = Events::new();
        told.push(7, &mut events);
        let (mut json, mut accounts) = (Value::Null, Vec::new());
        while let Some(event) = events.pop() {
            if event.code() == EventCode::ASYNCEVENT_E {
                assert_eq!(event.text(1), Some(&b"container"[..]));
                json = serde_json::from_slice(event.text(2).unwrap()).unwrap();
            } else {
                let name = if event.code() == EventCode::USER_ADDED_E { 2 } else { 1 };
                let name = String::from_utf8(event.text(name).unwrap().to_vec()).unwrap();
                accounts.push((event.code(), name));
            }
        }
        (json["container"].clone(), accounts)
    }

    #[test]
    fn pods_of_containerd_are_told() {
        let (id, pod) = ("a".repeat(64), "b".repeat(64));
        let state = json!({ "id": id, "bundleDir": "/nowhere", "spec": {
            "root": { "path": "rootfs" },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc" },
                { "destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind", "ro"] },
            ],
            "annotations": {
                "io.kubernetes.cri.container-type": "container",
                "io.kubernetes.cri.container-name": "main",
                "io.kubernetes.cri.image-name": "registry:5000/library/web:1.2",
                "io.kubernetes.cri.sandbox-id": pod,
                "io.kubernetes.cri.sandbox-name": "mypod",
                "io.kubernetes.cri.sandbox-namespace": "prod",
                "io.kubernetes.cri.sandbox-uid": "0f1e",
            },
            "linux": { "namespaces": [{ "type": "pid" }, { "type": "ipc" }],
                "resources": { "devices": [{ "allow": true, "access": "rwm" }] } },
        } });
        let (of, _) = told(&state, "/run/containerd/runsc/k8s.io");
        assert_eq!(
            (&of["id"], &of["full_id"], &of["type"]),
            (&json!("aaaaaaaaaaaa"), &json!(id), &json!(7))
        );
        assert_eq!(of["image"], "registry:5000/library/web:1.2");
        assert_eq!(
            (&of["imagerepo"], &of["imagetag"]),
            (&json!("registry:5000/library/web"), &json!("1.2"))
        );
        assert_eq!((&of["name"], &of["pod_sandbox_id"]), (&json!("main"), &json!(pod)));
        assert_eq!(
            of["labels"],
            json!({
                "io.kubernetes.container.name": "main",
                "io.kubernetes.pod.name": "mypod",
                "io.kubernetes.pod.namespace": "prod",
                "io.kubernetes.pod.uid": "0f1e",
            })
        );
        assert_eq!(of["privileged"], true);
        let shared = ["host_pid", "host_network", "host_ipc"].map(|kind| of[kind].clone());
        assert_eq!(shared, [json!(false), json!(true), json!(false)]);
        assert_eq!(of["Mounts"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&of["Mounts"][0]["Source"], &of["Mounts"][0]["RW"]),
            (&json!("/srv"), &json!(false))
        );
    }

    #[test]
    fn users_are_those_of_the_containers_own_files() {
        let bundle = tempfile::tempdir().unwrap();
        let etc = bundle.path().join("rootfs/etc");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(
            etc.join("passwd"),
            format!("long:x:6:6:x:/{}:/bin/sh\napp:x:7:7::/srv:/bin/sh\n", "x".repeat(70_000)),
        )
        .unwrap();
        std::fs::write(etc.join("group"), "team:x:8:\n").unwrap();
        let state = json!({ "id": "short", "bundleDir": bundle.path(), "spec": {
            "root": { "path": "rootfs" },
            "linux": { "resources": { "devices": [{ "allow": false, "access": "rwm" }] } },
        } });
        let seen_below = |host_root: &str| {
            Told::read(state.to_string().as_bytes(), Path::new("/"), Path::new(host_root)).unwrap()
        };
        assert!(!seen_below("/").accounts.users.is_empty());
        assert!(seen_below("/nowhere").accounts.users.is_empty());
        let (of, accounts) = told(&state, "/run/docker/runtime-runc/moby");
        assert_eq!((&of["id"], &of["type"]), (&json!("short"), &json!(0)));
        assert_eq!((&of["privileged"], &of["image"]), (&json!(false), &json!("")));
        let expected = [(EventCode::USER_ADDED_E, "app"), (EventCode::GROUP_ADDED_E, "team")];
        assert_eq!(accounts, expected.map(|(code, name)| (code, name.to_owned())));
    }

    #[test]
    fn odd_texts_are_no_containers() {
        let read = |text: &str| Told::read(text.as_bytes(), Path::new("/"), Path::new("/"));
        for text in ["", "{}", "[]", "{\"id\": 7}", "{\"id\": \"x\", \"spec\": 7}"] {
            assert_eq!(read(text), None, "{text}");
        }
        let nulls = r#"{"id":"x","spec":{"mounts":null,"annotations":null,
            "linux":{"namespaces":null,"resources":{"devices":null}}}}"#;
        assert!(read(nulls).is_some());
        // More than an event holds: what can be long is left out.
        let annotations: BTreeMap<_, _> =
            [("io.kubernetes.cri.sandbox-name", "x".repeat(100_000))].into();
        let state = json!({ "id": "é".repeat(40), "spec": { "annotations": annotations } });
        let (of, _) = told(&state, "/");
        assert_eq!(of["id"], "é".repeat(12));
        assert_eq!(of.get("labels"), None);
    }

    #[test]
    fn images_are_taken_apart() {
        assert_eq!(image_parts("a/b:1@sha256:f"), ("a/b", "1", "sha256:f"));
        assert_eq!(image_parts("h:5000/b"), ("h:5000/b", "", ""));
        assert_eq!(image_parts(""), ("", "", ""));
    }
}
