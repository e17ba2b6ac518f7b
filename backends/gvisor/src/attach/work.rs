//! What is done with a single sandbox: a session begun or ended, its processes asked for, its
//! containers read. Each takes as long as runsc takes, on a thread that has nothing else to do.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags, open};

use super::connections::{Connections, Key, Wanted};
use super::{NoAnswer, Outcome};
use crate::containers::Told;
use crate::points::{self, Version};
use crate::receiver::{Connection, now_ns};
use crate::runsc::cli::{RunscError, is_sandbox};
use crate::runsc::process::Processes;
use crate::runsc::{Container, Runsc, Sandbox};

/// Most containers of a sandbox that are asked for their processes one by one.
const MAX_CONTAINERS: usize = 64;
/// Longest state file that is read for what it tells of its container, in bytes.
const MAX_STATE: u64 = 4 << 20;
/// Most programs whose versions are remembered.
const MAX_VERSIONS: usize = 64;

/// What jobs need to know.
#[derive(Debug)]
pub(super) struct Tools {
    /// Where sessions send to.
    pub socket: PathBuf,
    /// Where the host's root is.
    pub host_root: PathBuf,
    /// The program, where it is not to be looked for.
    pub runsc: Option<PathBuf>,
    /// What sessions tell of.
    pub wanted: Wanted,
    pub connections: Connections,
    /// What versions programs are, by device and inode.
    pub versions: Mutex<HashMap<(u64, u64), Version>>,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Begin a session, in place of the one that there may be.
    Attach(Arc<Sandbox>),
    /// End its session.
    Detach(Arc<Sandbox>),
    /// Tell a connection the processes of its sandbox, and its containers.
    Processes(Connection, Arc<Sandbox>),
    /// Tell a connection of one of its containers.
    Container(Connection, Arc<Container>),
}

impl Tools {
    /// Does it. What is found goes to `tell`.
    ///
    /// # Errors
    /// If runsc cannot be run, or fails, or `cancelled` becomes true.
    pub fn work(
        &self,
        job: &Job,
        cancelled: &AtomicBool,
        tell: &dyn Fn(Outcome),
    ) -> Result<(), NoAnswer> {
        match job {
            Job::Attach(sandbox) => self.attach(sandbox, cancelled)?,
            Job::Detach(sandbox) => {
                self.runsc(sandbox)?.trace_delete(&sandbox.root, &sandbox.id, cancelled)?;
            }
            Job::Processes(connection, sandbox) => {
                for container in &sandbox.containers {
                    self.container(*connection, container, tell);
                }
                let taken_ns = now_ns();
                match self.processes(sandbox, cancelled) {
                    Ok(processes) => {
                        let Processes { processes, refused, shortened } = processes;
                        let connection = *connection;
                        tell(Outcome::Processes { connection, taken_ns, processes });
                        if refused + shortened > 0 {
                            tell(Outcome::Note(format!(
                                "gVisor sandbox {}: {refused} processes that run already could not \
                                 be read and {shortened} not in full",
                                sandbox.id
                            )));
                        }
                    }
                    Err(why) => {
                        let why = why.to_string();
                        tell(Outcome::NoProcesses { connection: *connection, why });
                    }
                }
            }
            Job::Container(connection, container) => self.container(*connection, container, tell),
        }
        Ok(())
    }

    fn attach(&self, sandbox: &Sandbox, cancelled: &AtomicBool) -> Result<(), NoAnswer> {
        let runsc = self.runsc(sandbox)?;
        let version = self.version(&runsc, sandbox, cancelled);
        let wanted: Vec<u16> = self.wanted.iter().copied().collect();
        let config = points::session(&wanted, version, &self.socket);
        let key = Key::of(sandbox);
        let mut start =
            |command: &mut Command| self.connections.start(&key, &self.wanted, || command.spawn());
        Ok(runsc.trace_create(&sandbox.root, &sandbox.id, &config, &mut start, cancelled)?)
    }

    /// The processes of a sandbox, with the containers that they belong to.
    fn processes(&self, sandbox: &Sandbox, cancelled: &AtomicBool) -> Result<Processes, NoAnswer> {
        let runsc = self.runsc(sandbox)?;
        let mut found = runsc.procfs(&sandbox.root, &sandbox.id, cancelled)?;
        let mut owners = BTreeMap::new();
        // Those of no other container are of the first one.
        for container in sandbox.containers.iter().skip(1).take(MAX_CONTAINERS) {
            // One that ended by now has none.
            let pids = runsc.ps(&sandbox.root, &container.id, cancelled).unwrap_or_default();
            owners.extend(pids.into_iter().map(|pid| (pid, &container.id)));
        }
        for process in &mut found.processes {
            let owner = owners.get(&process.pid).copied().unwrap_or(&sandbox.id);
            process.container_id = Some(owner.clone());
        }
        Ok(found)
    }

    /// Tells what a container is, once.
    fn container(&self, connection: Connection, container: &Container, tell: &dyn Fn(Outcome)) {
        if !self.connections.tell(connection, &container.id) {
            return;
        }
        let root = container.state_file.parent().unwrap_or(Path::new("/"));
        let state = read(&container.state_file);
        let told = state.and_then(|state| Told::read(&state, root, &self.host_root));
        if let Some(told) = told {
            tell(Outcome::Container { connection, told: Box::new(told) });
        }
    }

    /// The program to ask about a sandbox.
    fn runsc(&self, sandbox: &Sandbox) -> Result<Runsc, NoAnswer> {
        let proc = self.host_root.join("proc");
        if !is_sandbox(&proc, sandbox.pid, &sandbox.id) {
            return Err(NoAnswer::Gone { sandbox: sandbox.id.clone() });
        }
        let own = Runsc::of_sandbox(&proc, sandbox.pid, &sandbox.id);
        let given = || self.runsc.as_deref().map(Runsc::at);
        let in_path = || Runsc::in_path(&std::env::var("PATH").unwrap_or_default());
        match own {
            Ok(runsc) => Ok(runsc),
            Err(why) => given().or_else(in_path).ok_or(NoAnswer::Runsc(why)),
        }
    }

    /// The version of `runsc`: by its points, else by its number.
    fn version(&self, runsc: &Runsc, sandbox: &Sandbox, cancelled: &AtomicBool) -> Version {
        let versions = || self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = runsc.identity();
        if let Some(version) = identity.and_then(|identity| versions().get(&identity).copied()) {
            return version;
        }
        let by_points = runsc.points(cancelled).map(|points| Version::having(&points));
        let version = by_points
            .unwrap_or_else(|_| Version::numbered(sandbox.version.as_deref().unwrap_or_default()));
        if let Some(identity) = identity {
            let mut versions = versions();
            if versions.len() >= MAX_VERSIONS {
                versions.clear();
            }
            versions.insert(identity, version);
        }
        version
    }
}

impl Key {
    /// The sandbox's.
    pub(super) fn of(sandbox: &Sandbox) -> Self {
        Key { root: sandbox.root.as_path().into(), id: sandbox.id.as_str().into() }
    }
}

impl Job {
    /// The sandbox that runsc is run for; none if it is not.
    pub fn sandbox(&self) -> Option<&Arc<Sandbox>> {
        match self {
            Job::Attach(sandbox) | Job::Detach(sandbox) | Job::Processes(_, sandbox) => {
                Some(sandbox)
            }
            Job::Container(..) => None,
        }
    }
}

/// A small regular file.
fn read(path: &Path) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(open(path, flags, Mode::empty()).ok()?);
    let mut bytes = Vec::new();
    file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    file.take(MAX_STATE).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

impl From<RunscError> for NoAnswer {
    fn from(error: RunscError) -> Self {
        NoAnswer::Runsc(error)
    }
}
