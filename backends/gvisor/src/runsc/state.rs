//! [`Sandbox`] and [`Container`]: what stands in runsc's state files.
//!
//! They are read, not locked: a file that is being written is read again at the next look. Those of
//! other users than root may say anything. Shape: gVisor's `runsc/container/container.go`.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, open};
use serde::Deserialize;

use super::roots::Name;

/// Longest state file that is read, in bytes. Those of Docker have about 12,000.
const MAX_STATE: usize = 4 << 20;

/// A sandbox with its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// The directory that runsc keeps its state in (`runsc --root`).
    pub root: PathBuf,
    /// Its id: that of its first container.
    pub id: String,
    /// Its process on the host.
    pub pid: i32,
    /// Version of the runsc that made it, if it says (builds of 2024 do, those of 2022 do not).
    pub version: Option<String>,
    /// Its first container runs.
    pub is_running: bool,
    /// Its containers, the first one first.
    pub containers: Vec<Arc<Container>>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// The sandbox that it is in.
    pub sandbox: String,
    /// `creating`, `created`, `running`, `stopped` or `paused`, when it was last written.
    pub status: String,
    /// The sandbox's process on the host.
    pub pid: i32,
    /// Version of runsc, if it says.
    pub version: Option<String>,
    /// The file that says so. What else stands in it, [`Told`](crate::containers::Told) reads.
    pub state_file: PathBuf,
}

/// Reads the state file `path`.
///
/// # Errors
/// If it cannot be read, is no regular file, is too long or no such state.
pub fn read(name: &Name, path: &Path) -> io::Result<Container> {
    // Not followed if it is a link, not waited for if it is a pipe.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = std::fs::File::from(open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut json = Vec::new();
    file.take(MAX_STATE as u64 + 1).read_to_end(&mut json)?;
    parse(name, path, &json)
}

/// Reads what stands in the state file `path`.
///
/// # Errors
/// If it is too long or no such state.
pub fn parse(name: &Name, path: &Path, json: &[u8]) -> io::Result<Container> {
    if json.len() > MAX_STATE {
        return Err(io::Error::other("it is too long"));
    }
    let state: State = serde_json::from_slice(json)?;
    if state.status.is_empty() {
        return Err(io::Error::other("it has no status"));
    }
    let version = state.sandbox.metric_metadata.version;
    Ok(Container {
        id: name.container.clone(),
        sandbox: name.sandbox.clone(),
        status: state.status,
        pid: state.sandbox.pid,
        version: Some(version).filter(|version| !version.is_empty()),
        state_file: path.to_owned(),
    })
}

impl Container {
    /// Whether this is the first one of its sandbox.
    pub fn is_first(&self) -> bool {
        self.id == self.sandbox
    }
}

impl Sandbox {
    /// Puts the containers of `root` together, in the order of the sandboxes' ids. Containers whose
    /// sandbox is not there are left out.
    pub fn together(
        root: &Path,
        containers: impl IntoIterator<Item = Arc<Container>>,
    ) -> Vec<Self> {
        let mut by_sandbox = BTreeMap::<String, Vec<Arc<Container>>>::new();
        for container in containers {
            by_sandbox.entry(container.sandbox.clone()).or_default().push(container);
        }
        let sandbox = |(id, mut containers): (String, Vec<Arc<Container>>)| {
            containers.sort_by(|a, b| (!a.is_first(), &a.id).cmp(&(!b.is_first(), &b.id)));
            let first = containers.first().filter(|first| first.is_first())?;
            Some(Sandbox {
                root: root.to_owned(),
                id,
                pid: first.pid,
                version: first.version.clone(),
                is_running: first.status == "running",
                containers,
            })
        };
        by_sandbox.into_iter().filter_map(sandbox).collect()
    }
}

/// A state file. What is not needed is not read; Go writes null for what is empty in some places.
#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    status: String,
    sandbox: SandboxState,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SandboxState {
    pid: i32,
    #[serde(deserialize_with = "or_default")]
    metric_metadata: MetricMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MetricMetadata {
    version: String,
}

fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_2024: &str = r#"{"id":"x","spec":{"ociVersion":"1.0.0","process":{"user":{"uid":0},
        "args":["/bin/sh","-c","true"],"env":["A=b"],"cwd":"/w","capabilities":null},
        "root":{"path":"/b/rootfs","readonly":true},"mounts":null,"linux":{"namespaces":null}},
        "status":"running","goferPid":1,"sandbox":{"id":"x","pid":10716,"uid":0,
        "metricMetadata":{"platform":"ptrace","version":"0.0~20240729.0"}},"saver":{}}"#;

    fn named(container: &str, sandbox: &str) -> Name {
        Name { container: container.into(), sandbox: sandbox.into() }
    }

    #[test]
    fn a_state_file_is_read() {
        let parse = |json: &str| parse(&named("x", "x"), Path::new("/r/f"), json.as_bytes());
        let container = parse(OF_2024).unwrap();
        assert_eq!((container.pid, container.status.as_str()), (10716, "running"));
        assert_eq!(container.version.as_deref(), Some("0.0~20240729.0"));
        let (begin, _) = OF_2024.split_once("\"metricMetadata\"").unwrap();
        assert_eq!(parse(&format!("{begin}\"gid\":0}}}}")).unwrap().version, None);
        for wrong in ["", "null", "[]", "{\"sandbox\":{\"pid\":\"1\"}}", "{\"status\":"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x_sandbox:x.state");
        let read = || read(&named("x", "x"), &path);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR).unwrap();
        assert!(read().is_err());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(read().is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, " ".repeat(MAX_STATE + 1)).unwrap();
        assert_eq!(read().unwrap_err().to_string(), "it is too long");
        std::fs::write(&path, OF_2024).unwrap();
        assert_eq!(read().unwrap().pid, 10716);
    }

    #[test]
    fn containers_of_a_sandbox_come_together() {
        let container = |id: &str, sandbox: &str, status: &str| {
            let (id, sandbox, status) = (id.to_owned(), sandbox.to_owned(), status.to_owned());
            Arc::new(Container { id, sandbox, status, pid: 5, ..Container::default() })
        };
        let containers = [
            container("b", "pod", "running"),
            container("a", "pod", "stopped"),
            container("pod", "pod", "running"),
            container("lost", "gone", "running"),
            container("new", "new", "created"),
        ];
        let sandboxes = Sandbox::together(Path::new("/r"), containers);
        let ids =
            |sandbox: &Sandbox| sandbox.containers.iter().map(|c| c.id.clone()).collect::<Vec<_>>();
        assert_eq!(sandboxes.len(), 2);
        assert_eq!((sandboxes[0].is_running, ids(&sandboxes[0])), (false, vec!["new".to_owned()]));
        assert!(sandboxes[1].is_running);
        assert_eq!(ids(&sandboxes[1]), ["pod", "a", "b"]);
    }
}
