//! Users and groups of the host and of its containers, followed while events happen now: their
//! files are read when a container first runs a program, and again when they have changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hashbrown::HashMap;

use super::{Slot, State};
use crate::record::{Bytes, empty};
use crate::users::Accounts;
use crate::users::reader::Reader;

/// From one look at all files to the next, in nanoseconds.
const INTERVAL_NS: u64 = 5_000_000_000;
/// How long the first program of a container waits for its users' names.
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// Containers whose files are read at most.
const MAX_CONTAINERS: usize = 4096;

/// Whose files are followed.
#[derive(Debug)]
pub(super) struct Watch {
    root: PathBuf,
    reader: Reader,
    /// When the files are looked at next.
    due: u64,
    /// A process in whose root directory a container's files are.
    containers: HashMap<Bytes, i64>,
}

impl Watch {
    fn ask_for_container(&mut self, id: &Bytes, pid: i64) -> bool {
        self.reader.ask(id.clone(), self.root.join(format!("proc/{pid}/root")))
    }
}

impl State {
    /// Follows the files of users and groups below `root` (`/`, or `HOST_ROOT`) and, through
    /// `/proc` there, those of containers. To be called after [`State::restore`].
    ///
    /// # Errors
    /// If the system refuses the thread that reads them.
    pub fn watch_accounts(&mut self, root: impl Into<PathBuf>) -> std::io::Result<()> {
        let reader = Reader::start()?;
        let root = root.into();
        self.accounts = Some(Box::new(Watch { root, reader, due: 0, containers: HashMap::new() }));
        let slots: Vec<_> = self.threads.slots().collect();
        for slot in slots {
            self.meet_container(slot, Duration::ZERO);
        }
        Ok(())
    }

    /// Looks whether account files have changed, every 5 seconds, and takes over what they say.
    /// `now_ns` is the time of the latest event, or of the clock, in nanoseconds since the epoch.
    /// Returns when to call again; calling earlier costs next to nothing. Nothing here waits for
    /// a disk: what is asked for now is taken over by a later call.
    pub fn refresh_accounts(&mut self, now_ns: u64) -> u64 {
        let Some(mut watch) = self.accounts.take() else { return u64::MAX };
        self.take_answers(&mut watch, Duration::ZERO);
        // A reader that has not answered all is slow or stuck; more questions do not help.
        if now_ns >= watch.due && watch.reader.is_idle() {
            watch.due = now_ns.saturating_add(INTERVAL_NS);
            self.find_processes(&mut watch);
            let root = watch.root.clone();
            let mut asked = watch.reader.ask(empty(), root);
            let containers: Vec<_> =
                watch.containers.iter().map(|(id, &pid)| (id.clone(), pid)).collect();
            for (id, pid) in containers {
                asked = asked && watch.ask_for_container(&id, pid);
            }
        }
        let soon = now_ns.saturating_add(INTERVAL_NS / 50);
        let due = if watch.reader.is_idle() { watch.due } else { soon };
        self.accounts = Some(watch);
        due
    }

    /// Notes the container of a thread that has just come or executed a program. If it is new, its
    /// users are asked for.
    #[inline]
    pub(crate) fn meet_container_of(&mut self, slot: Slot) {
        if self.accounts.is_some() {
            self.meet_container(slot, FIRST_WAIT);
        }
    }

    fn meet_container(&mut self, slot: Slot, wait: Duration) {
        let Some(thread) = self.threads.get(slot) else { return };
        let (id, pid) = (&thread.record.container_id, thread.pid);
        // The accounts of a sandbox's containers come as events.
        if id.is_empty() || pid <= 0 || !falco_source::ids::is_of_host(pid) {
            return;
        }
        let Some(watch) = &mut self.accounts else { return };
        if watch.containers.contains_key(id) || watch.containers.len() >= MAX_CONTAINERS {
            return;
        }
        let id = id.clone();
        // A sensor in a container reads its own accounts before it watches its neighbours.
        if watch.root == Path::new("/") && has_own_root(pid) && self.users.share(&id) {
            self.threads.touch_container(&id);
        }
        // Whoever is stuck on one container's files must not make others wait.
        let wait = if watch.reader.is_idle() { wait } else { Duration::ZERO };
        if watch.ask_for_container(&id, pid) {
            watch.containers.insert(id, pid);
        }
        if let Some(mut watch) = self.accounts.take() {
            self.take_answers(&mut watch, wait);
            self.accounts = Some(watch);
        }
    }

    fn take_answers(&mut self, watch: &mut Watch, wait: Duration) {
        for answer in watch.reader.answers(wait) {
            // Not of a container that has gone meanwhile.
            let is_known = answer.id.is_empty() || watch.containers.contains_key(&answer.id);
            if let (Some(accounts), true) = (answer.news, is_known) {
                self.set_accounts(&answer.id, &accounts);
            }
        }
    }

    /// Finds each container a process that lives, and forgets containers without one.
    fn find_processes(&mut self, watch: &mut Watch) {
        let lives = |id: &Bytes, pid: i64| {
            self.thread(pid).is_some_and(|t| !t.is_dead() && t.record.container_id == *id)
        };
        if watch.containers.iter().all(|(id, &pid)| lives(id, pid)) {
            return;
        }
        let mut found: HashMap<Bytes, i64> = HashMap::new();
        for thread in self.threads.iter().filter(|t| t.is_main() && !t.is_dead()) {
            let id = &thread.record.container_id;
            if watch.containers.contains_key(id) {
                found.entry_ref(id).or_insert(thread.pid);
            }
        }
        let gone: Vec<_> =
            watch.containers.keys().filter(|id| !found.contains_key(*id)).cloned().collect();
        watch.containers = found;
        for id in gone {
            watch.reader.forget(id.clone());
            self.set_accounts(&id, &Accounts::default());
        }
    }
}

/// Whether a process sees the same files as this one. Links are read, and no file system is asked: one
/// may never answer.
fn has_own_root(pid: i64) -> bool {
    let link = |of: &str, what: &str| fs::read_link(format!("/proc/{of}/{what}")).ok();
    let other = pid.to_string();
    ["ns/mnt", "root"].iter().all(|what| {
        let own = link("self", what);
        own.is_some() && own == link(&other, what)
    })
}
