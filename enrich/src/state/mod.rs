//! [`State`]: everything that events say of threads, fds and users, kept up to date event by event.
//!
//! The work of one event is [`State::process`]: first what the event before it ended (closed fds,
//! exited threads) is removed, then the event is parsed. Until the next call the tables stand as
//! rules must see them, so that the close of an fd still shows its name.
//!
//! * `threads`: the thread table with its groups and the process tree.
//! * `lookup`: questions that fields ask (parents, leaders, fds).
//! * `restore`: filling the tables from a snapshot; `interfaces`: completing half-known sockets.
//! * `replay`: what Falco changes in the snapshot of a capture.
//! * `meter`: how many bytes the tables hold.
//! * `exited`: ids of threads that have just gone; `stats`: counters.
//!
//! What only live sources need: `host` asks about threads that no table knows, `purge` removes
//! those whose exit was lost, `accounts` follows the files of users and groups. And for
//! recordings, `dump` tells everything that the tables know as a snapshot.

mod accounts;
mod dump;
mod exited;
mod host;
pub(crate) mod interfaces;
mod lookup;
pub(crate) mod meter;
mod purge;
mod replay;
mod restore;
mod stats;
#[cfg(test)]
mod tests;
pub(crate) mod threads;

use std::collections::HashSet;
use std::sync::Arc;

use falco_event::RawEvent;
use falco_event::raw::DUMP_STATE_ONLY;
use falco_source::snapshot::{Interface, Machine};

use crate::container::{ContainerInfo, Containers};
use crate::fd::Fd;
use crate::host_names::HostNames;
use crate::parse::Parser;
use crate::parse::plan::Plan;
use crate::thread::Thread;
use crate::users::{Accounts, Users};
use meter::Meter;

pub use lookup::{Ancestors, LeaderOf};
pub use purge::Purging;
pub use replay::as_falco_replays;
pub use stats::StateStats;
pub use threads::Slot;

/// Bounds of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads at most; further ones are counted and dropped (Falco's `thread_table_size`).
    pub max_threads: usize,
    /// Fds of one process at most; further ones are counted and dropped. (Falco's bound is 4,096,
    /// which big servers exceed; the names of their connections would be lost.)
    pub max_fds: usize,
    /// Bytes of all threads, their texts and fds at most. Short of it, in this order: new fds and
    /// threads are refused, records that grow lose their long texts (environment, arguments,
    /// paths), and before the next event the placeholders that have been silent longest go, half
    /// of them at a time. All of it is counted ([`StateStats`]). What two processes share counts
    /// as told in `meter`; the table's own arrays (some 100 bytes for each of `max_threads`),
    /// users and containers have bounds of their own and do not count.
    pub max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_threads: 262_144, max_fds: 65_536, max_bytes: 512 << 20 }
    }
}

/// What processing learned of one event. Its slots stay true until the next [`State::process`].
#[derive(Clone, Copy, Debug)]
pub struct Current {
    /// The event's number (`evt.num`), from 1.
    pub num: u64,
    /// The thread that caused it.
    pub tid: i64,
    /// Whether the thread table has an entry for it (a placeholder counts).
    pub has_thread: bool,
    /// The thread's last event fd (`fd.num`): what the event named or made, −1 if neither. It need
    /// not be known.
    pub fd_num: Option<i64>,
    /// The fd's name changed by this event (`fd.name_changed`).
    pub name_changed: bool,
    /// The event only updates tables: no rule is to see it.
    pub skipped: bool,
    pub(crate) thread: Option<Slot>,
    /// The thread in whose table the event's fd is.
    pub(crate) fds: Option<Slot>,
    /// Its number there.
    pub(crate) fd: i64,
}

/// Tables of one stream of events.
#[derive(Debug)]
pub struct State {
    limits: Limits,
    pub(crate) meter: Meter,
    /// Something was refused for want of memory, and it is worth looking for what can go.
    is_short: bool,
    /// Number of the event before which nothing is looked for again.
    next_eviction: u64,
    pub(crate) threads: threads::Threads,
    /// The latest thread that was looked up: most events follow one of the same thread.
    last: Option<(i64, Slot)>,
    pub(crate) users: Users,
    containers: Containers,
    /// The container that an event told of, with the number of that event.
    pub(crate) container_of_event: Option<(u64, ContainerInfo)>,
    pub(crate) machine: Machine,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) stats: StateStats,
    events: u64,
    first_event_ts: Option<u64>,
    /// A capture has not come to its first ordinary event.
    in_preamble: bool,
    /// The thread whose exit was the latest event.
    pub(crate) pending_exit: Option<i64>,
    /// Thread and number of the fd whose close was the latest event.
    pub(crate) pending_close: Option<(i64, i64)>,
    exited: exited::Exited,
    /// Events happen now: what Falco gets wrong in replay, and must be kept there, is put right.
    is_live: bool,
    /// The snapshot says that it is of events that were followed live.
    was_live: bool,
    /// Whom to ask about unknown threads.
    host: Option<Box<host::Host>>,
    purge: purge::Purge,
    accounts: Option<Box<accounts::Watch>>,
    /// Ports on which processes listened when they were read from a snapshot or looked up.
    server_ports: HashSet<u16>,
    /// The addresses of the hosts that rules name, if anybody looks them up.
    pub(crate) host_names: Option<Arc<HostNames>>,
    /// Room for making paths.
    pub(crate) scratch: Vec<u8>,
}

impl State {
    /// Empty tables.
    pub fn new(limits: Limits) -> Self {
        let meter = Meter::new(limits.max_bytes);
        State {
            limits,
            meter: meter.clone(),
            is_short: false,
            next_eviction: 0,
            threads: threads::Threads::new(meter),
            last: None,
            users: Users::default(),
            containers: Containers::default(),
            container_of_event: None,
            machine: Machine::default(),
            interfaces: Vec::new(),
            stats: StateStats::default(),
            events: 0,
            first_event_ts: None,
            in_preamble: false,
            pending_exit: None,
            pending_close: None,
            exited: exited::Exited::default(),
            is_live: false,
            was_live: false,
            host: None,
            purge: purge::Purge::default(),
            accounts: None,
            server_ports: HashSet::new(),
            host_names: None,
            scratch: Vec::new(),
        }
    }

    /// Removes what the event before ended and takes in `event`.
    #[inline]
    pub fn process(&mut self, event: &RawEvent<'_>) -> Current {
        if self.pending_exit.is_some() || self.pending_close.is_some() || self.is_short {
            self.finish_previous(event.ts());
        }
        self.events += 1;
        Parser::run(self, event, self.events)
    }

    /// The thread of the event.
    #[inline]
    pub fn event_thread(&self, current: &Current) -> Option<&Thread> {
        self.threads.get(current.thread?)
    }

    /// The fd of the event: what it opened, used or closes. None if the event has nothing to do
    /// with fds, or names one of which nothing is known.
    #[inline]
    pub fn event_fd(&self, current: &Current) -> Option<&Fd> {
        self.threads.get(current.fds?)?.fds.get(current.fd)
    }

    /// Users and groups by container.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// Takes over all users and groups of the host (empty id) or of a container, as live sources
    /// read them from files; whether that was news. Verdicts over the old ones die.
    pub fn set_accounts(&mut self, container_id: &[u8], accounts: &Accounts) -> bool {
        let news = self.users.replace(container_id, accounts);
        if news {
            self.threads.touch_container(container_id);
        }
        news
    }

    /// What is known of containers.
    pub fn containers(&self) -> &Containers {
        &self.containers
    }

    /// Takes over what is known of a container. Verdicts over what was known before die.
    pub fn add_container(&mut self, info: ContainerInfo) {
        if self.containers.add(info) {
            self.threads.bump_lineage();
        }
    }

    /// Forgets a container (its id as the cgroups name it).
    pub fn remove_container(&mut self, id: &[u8]) {
        if self.containers.remove(id).is_some() {
            self.threads.bump_lineage();
        }
    }

    /// The container that the event itself tells of, if it tells of one.
    #[inline]
    pub fn event_container(&self, current: &Current) -> Option<&ContainerInfo> {
        let (num, info) = self.container_of_event.as_ref()?;
        (*num == current.num).then_some(info)
    }

    /// The machine on which events happen (empty until told).
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Addresses of its network interfaces.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Time of the first event that the machine itself caused, nanoseconds since the epoch.
    pub fn first_event_ts(&self) -> Option<u64> {
        self.first_event_ts
    }

    /// Bounds of the tables.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Generation of verdicts over a process and its ancestors ([`crate::record::ProcessRecord::
    /// lineage`]): changes whenever a verdict over an ancestor could. It does not cover look-ups
    /// by session or process group id, which can lead outside the ancestors.
    #[inline]
    pub fn lineage_generation(&self) -> u32 {
        self.threads.lineage_generation()
    }

    /// Kills all remembered verdicts: the rules, or something that fields read beside these
    /// tables, have changed.
    pub fn forget_verdicts(&mut self) {
        self.threads.touch_all();
    }

    /// Says that user and group events at the start of the stream are events like others. Where
    /// [events happen now](State::set_live), they always are.
    pub fn end_preamble(&mut self) {
        self.in_preamble = false;
    }

    /// Says whether events happen now, on a machine that can be asked, or are replayed. To be said
    /// before [`State::restore`].
    ///
    /// What Falco's tables get wrong is kept in replay, since alerts must be the same there.
    /// Where events happen now it is put right: capabilities and ids follow setuid(2) and its kin,
    /// a birth and an exit are believed in whatever order they come, and a snapshot of threads is
    /// not followed by a preamble of events.
    pub fn set_live(&mut self, live: bool) {
        self.is_live = live;
        self.in_preamble &= !live;
    }

    /// The names that hosts have in `fd.cip.name` and its like, which are none without: those of
    /// the rules, with addresses that somebody keeps up to date.
    pub fn set_host_names(&mut self, names: Arc<HostNames>) {
        self.host_names = Some(names);
    }

    /// Whether events happen now ([`State::set_live`]), or did for the sensor that recorded them
    /// ([`Snapshot::is_live`](falco_source::Snapshot::is_live)): the tables must say again what
    /// they said to its rules.
    #[inline]
    pub fn is_live(&self) -> bool {
        self.is_live || self.was_live
    }

    // What parsers need.

    /// Removes what the event before ended. `ts` is the time of the event that comes.
    fn finish_previous(&mut self, ts: u64) {
        if let Some(tid) = self.pending_exit.take() {
            let slot = self.find_thread(tid);
            let ptid = slot.and_then(|slot| self.threads.get(slot)).map_or(-1, |t| t.ptid);
            self.exited.record(tid, ptid, ts);
            if let Some(slot) = slot {
                self.remove_thread(slot);
            }
        }
        if let Some((tid, num)) = self.pending_close.take() {
            let owner = self.find_thread(tid).and_then(|slot| self.threads.fds_of(slot));
            let removed = owner
                .and_then(|owner| self.threads.get_mut(owner))
                .is_some_and(|thread| thread.fds.remove(num));
            self.stats.n_removed_fds += u64::from(removed);
        }
        if std::mem::take(&mut self.is_short) && self.events >= self.next_eviction {
            self.evict();
        }
    }

    /// Evicts placeholders. Looking at all threads costs as much as many events, so it is not done
    /// again before as many have passed.
    fn evict(&mut self) {
        self.next_eviction = self.events + self.threads.len() as u64;
        self.last = None;
        let evicted = self.threads.evict_placeholders() as u64;
        self.stats.n_evicted_threads += evicted;
        self.stats.n_removed_threads += evicted;
    }

    /// Whether so many bytes more may be held; if not, that is counted and remembered.
    fn has_room(&mut self, bytes: usize) -> bool {
        let has_room = self.meter.has_room(bytes);
        if !has_room {
            self.stats.n_drops_full_memory += 1;
            self.is_short = true;
        }
        has_room
    }

    #[inline]
    pub(crate) fn find_thread(&mut self, tid: i64) -> Option<Slot> {
        if let Some((last, slot)) = self.last
            && last == tid
        {
            self.stats.n_cached_thread_lookups += 1;
            return Some(slot);
        }
        let slot = self.threads.find(tid);
        match slot {
            Some(slot) => {
                self.stats.n_noncached_thread_lookups += 1;
                self.last = Some((tid, slot));
            }
            None => self.stats.n_failed_thread_lookups += 1,
        }
        slot
    }

    /// The thread with this id. For an unknown one the host is asked, if there is one to ask; if
    /// nothing is known there either, it gets an entry if there is room. `ts` is the time of the
    /// event that names it.
    #[inline]
    pub(crate) fn find_or_placeholder(&mut self, tid: i64, ts: u64) -> Option<Slot> {
        match self.find_thread(tid) {
            Some(slot) if self.host.is_none() || !self.is_to_ask(slot, ts) => Some(slot),
            _ if self.host.is_some() => self.ask_about(tid, ts),
            _ => self.insert_placeholder(tid),
        }
    }

    /// Gives an unknown thread an entry, if there is room.
    fn insert_placeholder(&mut self, tid: i64) -> Option<Slot> {
        if self.threads.len() >= self.limits.max_threads {
            return None;
        }
        let thread = Thread::placeholder(tid);
        if !self.has_room(thread.bytes()) {
            return None;
        }
        self.stats.n_added_threads += 1;
        Some(self.threads.insert(thread))
    }

    /// Puts a thread into the table and joins it to its process and parent, if there is room.
    pub(crate) fn insert_thread(&mut self, thread: Thread) -> Option<Slot> {
        if self.threads.len() >= self.limits.max_threads {
            self.stats.n_drops_full_threadtable += 1;
            return None;
        }
        if !self.has_room(thread.bytes()) {
            return None;
        }
        self.last = None;
        self.stats.n_added_threads += 1;
        let slot = self.threads.insert(thread);
        self.threads.link(slot);
        Some(slot)
    }

    /// Removes a thread that has exited or was replaced.
    pub(crate) fn remove_thread(&mut self, slot: Slot) {
        self.last = None;
        let reaper_tid = self.threads.get(slot).map_or(-1, |t| t.reaper_tid);
        let reaper = if reaper_tid > 0 { self.threads.find(reaper_tid) } else { None };
        self.stats.n_removed_threads += self.threads.remove(slot, reaper) as u64;
    }

    /// Removes all threads of a process, as if they had exited.
    pub(crate) fn remove_process(&mut self, pid: i64) {
        for member in self.threads.members_of(pid) {
            self.remove_thread(member);
        }
    }

    pub(crate) fn has_recently_exited(&self, tid: i64, ptid: i64, ts: u64) -> bool {
        // The exit of a thread that was never known is remembered without a parent.
        self.exited.contains(tid, ptid, ts) || (self.is_live() && self.exited.contains(tid, -1, ts))
    }

    /// The thread in whose table an fd of a thread is, if the fd is known.
    #[inline]
    pub(crate) fn find_fd(&mut self, thread: Slot, num: i64) -> Option<Slot> {
        if num < 0 {
            return None;
        }
        let owner = self.threads.fds_of(thread)?;
        let known = self.threads.get(owner)?.fds.get(num).is_some();
        self.stats.n_noncached_fd_lookups += u64::from(known);
        self.stats.n_failed_fd_lookups += u64::from(!known);
        known.then_some(owner)
    }

    /// Sets an fd of a thread; returns in whose table it is now.
    pub(crate) fn insert_fd(&mut self, thread: Slot, num: i64, fd: Fd) -> Option<Slot> {
        let owner = self.threads.fds_of(thread)?;
        let table = &self.threads.get(owner)?.fds;
        if table.len() >= self.limits.max_fds && table.get(num).is_none() {
            self.stats.n_drops_full_fdtable += 1;
            return None;
        }
        let cost = table.cost_of(num, &fd);
        if !self.has_room(cost) {
            return None;
        }
        let table = &mut self.threads.get_mut(owner)?.fds;
        self.stats.n_added_fds += u64::from(table.insert(&self.meter, num, fd));
        Some(owner)
    }

    /// Whether rules are not to see an event. Notes the first ordinary event.
    #[inline]
    pub(crate) fn is_skipped(&mut self, event: &RawEvent<'_>, plan: &Plan) -> bool {
        if !plan.meta {
            self.first_event_ts.get_or_insert(event.ts());
        }
        self.in_preamble &= plan.preamble;
        self.in_preamble || plan.state_only || event.flags() & DUMP_STATE_ONLY != 0
    }
}
