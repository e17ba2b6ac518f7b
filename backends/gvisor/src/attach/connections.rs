//! [`Connections`]: which sandbox is at the other end of each connection.
//!
//! A connection is made not by the sandbox but by the `runsc` that begins the session. Where we began
//! it, that process is known from the moment it was started; else the first message names the
//! container. What is known outlives reloads, as connections do.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::receiver::Connection;

/// How long a process that begins a session is remembered, if no connection of it comes.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How often a connection may name containers, in each span of [`BREATH`]. What it names is looked for
/// on disk, and it may name anything.
const MAX_NAMED: u32 = 64;
const BREATH: Duration = Duration::from_secs(10);
/// Most containers of a connection that are remembered as told.
const MAX_TOLD: usize = 4096;

/// The system calls that a session tells of, as portable ids.
pub(super) type Wanted = Arc<BTreeSet<u16>>;

/// A sandbox, on this host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The directory that runsc keeps its state in.
    pub root: Arc<Path>,
    /// Its id.
    pub id: Arc<str>,
}

/// What is known of each connection. Clones share it: whoever owns the receiver keeps one.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    connections: HashMap<Connection, Session>,
    /// Processes that begin sessions.
    started: HashMap<i32, (Key, Wanted, Instant)>,
}

#[derive(Debug)]
struct Session {
    sandbox: Option<Key>,
    /// What its session tells of, as far as we know: what was wanted when it was begun.
    wanted: Wanted,
    /// Containers of which all has been told.
    told: HashSet<String>,
    /// How many containers it has named since then.
    named: (Instant, u32),
    since: Instant,
}

/// What a connection is to us, when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// We began its session in a sandbox that ran already, or knew it before a reload: its processes
    /// will be told without being asked for, and what they do is not understood before.
    Attached,
    /// Its session began with its sandbox, as far as we know. Nothing is told before it is asked for.
    Unknown,
}

impl Connections {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The sandbox at the other end of a connection: the directory that runsc keeps its state in, and
    /// its id. None if that is not known yet.
    pub fn sandbox(&self, connection: Connection) -> Option<(PathBuf, String)> {
        let key = self.key(connection)?;
        Some((key.root.to_path_buf(), key.id.to_string()))
    }

    pub(super) fn key(&self, connection: Connection) -> Option<Key> {
        self.lock().connections.get(&connection)?.sandbox.clone()
    }

    /// Starts a process that begins a session in `sandbox`. No connection that it makes is looked at
    /// before this has returned.
    pub(super) fn start(
        &self,
        sandbox: &Key,
        wanted: &Wanted,
        start: impl FnOnce() -> io::Result<Child>,
    ) -> io::Result<Child> {
        let mut known = self.lock();
        let child = start()?;
        let now = Instant::now();
        known.started.retain(|_, (_, _, when)| now.duration_since(*when) < REMEMBERED);
        if let Ok(pid) = i32::try_from(child.id()) {
            known.started.insert(pid, (sandbox.clone(), wanted.clone(), now));
        }
        Ok(child)
    }

    /// A connection was opened by the process `peer_pid`, or is met again after a reload. Gives the
    /// sandbox, if it is known, and what its session tells of.
    pub(super) fn opened(
        &self,
        connection: Connection,
        peer_pid: i32,
        now_wanted: &Wanted,
    ) -> Option<(Key, Wanted)> {
        let mut known = self.lock();
        let started = known.started.remove(&peer_pid);
        let known = known.connections.entry(connection).or_insert_with(|| {
            let (sandbox, wanted) = match started {
                Some((key, wanted, _)) => (Some(key), wanted),
                None => (None, now_wanted.clone()),
            };
            let now = Instant::now();
            Session { sandbox, wanted, told: HashSet::new(), named: (now, 0), since: now }
        });
        // The consumer is new, or the connection is: all that was told must be told again.
        known.told.clear();
        Some((known.sandbox.clone()?, known.wanted.clone()))
    }

    pub(super) fn identified(&self, connection: Connection, sandbox: Key) {
        if let Some(connection) = self.lock().connections.get_mut(&connection) {
            connection.sandbox.get_or_insert(sandbox);
        }
    }

    /// Whether a container has not been told on this connection, which it is from now on.
    pub(super) fn tell(&self, connection: Connection, container: &str) -> bool {
        let mut known = self.lock();
        let Some(connection) = known.connections.get_mut(&connection) else { return false };
        if connection.told.len() >= MAX_TOLD {
            // Some are told again then.
            connection.told.clear();
        }
        connection.told.insert(container.to_owned())
    }

    /// Whether a connection may name one more container.
    pub(super) fn may_name(&self, connection: Connection) -> bool {
        let mut known = self.lock();
        let Some(connection) = known.connections.get_mut(&connection) else { return false };
        let (since, count) = &mut connection.named;
        if since.elapsed() >= BREATH {
            (*since, *count) = (Instant::now(), 0);
        }
        *count = count.saturating_add(1);
        *count <= MAX_NAMED
    }

    /// Forgets a connection. Gives the sandbox, and how long it was connected.
    pub(super) fn closed(&self, connection: Connection) -> Option<(Key, Duration)> {
        let closed = self.lock().connections.remove(&connection)?;
        Some((closed.sandbox?, closed.since.elapsed()))
    }

    /// Sandboxes that are connected, or are about to be.
    pub(super) fn sandboxes(&self) -> HashSet<Key> {
        let known = self.lock();
        let connected = known.connections.values().filter_map(|session| session.sandbox.clone());
        let begun = known.started.values().filter(|(_, _, when)| when.elapsed() < REMEMBERED);
        connected.chain(begun.map(|(key, _, _)| key.clone())).collect()
    }

    /// No session has begun in `sandbox` after all.
    pub(super) fn failed(&self, sandbox: &Key) {
        self.lock().started.retain(|_, (key, _, _)| key != sandbox);
    }

    /// The number of connections.
    pub(super) fn len(&self) -> usize {
        self.lock().connections.len()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Each change is complete by itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn key(id: &str) -> Key {
        Key { root: Path::new("/r").into(), id: id.into() }
    }

    #[test]
    fn a_connection_is_known_by_who_made_it_or_by_what_it_says() {
        let connections = Connections::new();
        let wanted = Wanted::new(BTreeSet::from([1]));
        let later = Wanted::new(BTreeSet::from([2]));
        let mut child =
            connections.start(&key("a"), &wanted, || Command::new("/bin/true").spawn()).unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(
            connections.opened(Connection(1), pid, &later),
            Some((key("a"), wanted.clone()))
        );
        // Another connection of that process, or of a later one of that number, is another's.
        assert_eq!(connections.opened(Connection(2), pid, &later), None);
        connections.identified(Connection(2), key("b"));
        connections.identified(Connection(1), key("wrong"));
        assert_eq!(connections.sandbox(Connection(1)), Some(("/r".into(), "a".into())));
        assert_eq!(connections.sandboxes(), HashSet::from([key("a"), key("b")]));
        assert!(
            connections.tell(Connection(1), "a")
                && !connections.tell(Connection(1), "a")
                && !connections.tell(Connection(3), "a")
        );
        // After a reload.
        assert_eq!(connections.opened(Connection(2), pid, &wanted), Some((key("b"), later)));
        assert_eq!(connections.opened(Connection(1), pid, &wanted), Some((key("a"), wanted)));
        assert!(connections.tell(Connection(1), "a"));
        let named = (0..1000).filter(|_| connections.may_name(Connection(1))).count();
        assert_eq!(named, MAX_NAMED as usize);
        assert_eq!(connections.closed(Connection(1)).map(|(key, _)| key), Some(key("a")));
        assert_eq!((connections.closed(Connection(1)), connections.len()), (None, 1));
    }
}
