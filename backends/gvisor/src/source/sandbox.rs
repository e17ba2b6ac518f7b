//! [`Sandbox`]: one connection, from its messages to events.
//!
//! A *gate* holds messages back until that has come which explains them: a dump of processes, or what is
//! known of a container. What is held stays in the receiver's queue, whose memory is bounded; time is
//! bounded here.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::numbers::{Number, Numbers};
use crate::mapper::Mapper;
use crate::message::{self, Message};
use crate::receiver::{Connection, Record, now_ns};
use crate::status::SessionInfo;
use falco_source::events::Events;

/// How long messages may be held back for a dump of processes, which takes a run of runsc.
const DUMP_TIME: Duration = Duration::from_secs(1);
/// How long for what is known of a container, which takes a look at files.
const CONTAINER_TIME: Duration = Duration::from_millis(100);
/// Dumps that a sandbox gets at once, and after what time it gets one more. Each costs a process of
/// runsc, and a hostile sandbox can make a new process with every message.
const DUMPS: u32 = 8;
const DUMP_EACH: Duration = Duration::from_secs(2);
/// Containers of a sandbox that are told of.
const MAX_CONTAINERS: usize = 256;
/// Bytes of a container's id that are kept. Those of containerd have up to 76.
const MAX_ID: usize = 256;

/// One connection and what is behind it.
#[derive(Debug)]
pub(super) struct Sandbox {
    /// Whether it ran already, so that a dump of what ran before comes by itself.
    pub is_attached: bool,
    /// Its first container; empty before it is known.
    id: Vec<u8>,
    containers: HashSet<Vec<u8>>,
    /// The container of the message before.
    last_container: Vec<u8>,
    number: Option<Number>,
    mapper: Option<Mapper>,
    /// For what messages are held back, and until when at most.
    gate: Option<(For, Instant)>,
    /// When it was closed, in nanoseconds since the epoch.
    held_ns: u64,
    /// The next message passes the gate whatever it is: it was held for long enough.
    lets_pass: bool,
    /// A dump was asked for and is not there yet.
    awaits_dump: bool,
    dumps: Budget,
    /// It was said that there was none.
    has_complained: bool,
    floor_ns: u64,
    since_ns: u64,
    pub counters: Counters,
}

/// What is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// The processes that ran before the connection.
    Beginning,
    /// The process that the next message comes from.
    Processes,
    /// What is told of the container that the next message comes from: its name, its image.
    Container(String),
}

/// What came of messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub messages: u64,
    pub events: u64,
    pub unknown: u64,
    pub malformed: u64,
    pub lag_ns: u64,
}

/// What is to be done about a record.
#[derive(Debug)]
pub(super) enum Handled {
    /// It is used up.
    Done,
    /// It, and all after it, have to wait for this, which is to be asked for now.
    Hold(For),
}

impl Sandbox {
    /// Of a connection that began, or was taken over, at `since_ns`; no event is told as earlier
    /// than `floor_ns`. Both are in nanoseconds since the epoch.
    pub fn new(since_ns: u64, floor_ns: u64) -> Self {
        Sandbox {
            is_attached: false,
            id: Vec::new(),
            containers: HashSet::new(),
            last_container: Vec::new(),
            number: None,
            mapper: None,
            gate: None,
            held_ns: 0,
            lets_pass: false,
            awaits_dump: false,
            dumps: Budget::new(DUMPS, DUMP_EACH),
            has_complained: false,
            floor_ns,
            since_ns,
            counters: Counters::default(),
        }
    }

    /// Takes one record; its events are appended to `out`. `can_ask` says whether there is anybody to
    /// ask; it waits for nothing if not.
    pub fn handle(
        &mut self,
        record: &Record<'_>,
        can_ask: bool,
        numbers: &Numbers,
        out: &mut Events,
    ) -> Handled {
        let message = match message::decode(record.kind, record.payload) {
            Ok(Some(message)) => message,
            Ok(None) => {
                self.counters.unknown += 1;
                return Handled::Done;
            }
            Err(_) => {
                self.counters.malformed += 1;
                return Handled::Done;
            }
        };
        let new_container = self.note_container(&message);
        let may_wait = can_ask && !std::mem::take(&mut self.lets_pass);
        if may_wait && let Some(id) = new_container {
            return self.hold(For::Container(id));
        }
        if self.mapper(numbers).is_unannounced(&message) && may_wait && self.may_ask() {
            return self.hold(For::Processes);
        }
        self.counters.messages += 1;
        let before = out.len();
        if let Some(mapper) = &mut self.mapper {
            mapper.message(&message, record.received_ns, out);
        }
        self.counters.events += out.len().saturating_sub(before) as u64;
        Handled::Done
    }

    /// Notes the container of a message; gives its id if it is new.
    fn note_container(&mut self, message: &Message) -> Option<String> {
        let id = message.container_id();
        // Nearly all are of the same container as the one before.
        if id == self.last_container || id.is_empty() || id.len() > MAX_ID {
            return None;
        }
        self.last_container.clear();
        self.last_container.extend_from_slice(id);
        if self.id.is_empty() {
            self.id = id.to_vec();
        }
        self.meet_container(id).then(|| text(id))
    }

    /// Notes a container; whether it is new.
    fn meet_container(&mut self, id: &[u8]) -> bool {
        self.containers.len() < MAX_CONTAINERS && self.containers.insert(id.to_vec())
    }

    /// The attacher knows which sandbox it is.
    pub fn identify(&mut self, id: &str) {
        if self.id.is_empty() {
            self.id = id.as_bytes().to_vec();
        }
    }

    fn mapper(&mut self, numbers: &Numbers) -> &mut Mapper {
        let (id, floor_ns, since_ns) = (&self.id, self.floor_ns, self.since_ns);
        let number = self.number.get_or_insert_with(|| numbers.assign(id));
        self.mapper.get_or_insert_with(|| Mapper::new(number.get(), id, floor_ns, since_ns))
    }

    /// Takes a dump of processes, made at `taken_ns`. Whether it explains what is held back: one that
    /// was asked for earlier, for another process, may be too old to have this one.
    pub fn processes(
        &mut self,
        processes: &[crate::runsc::Process],
        taken_ns: u64,
        numbers: &Numbers,
        out: &mut Events,
    ) -> bool {
        let before = out.len();
        let is_old = matches!(self.gate, Some((For::Processes, _))) && taken_ns < self.held_ns;
        self.awaits_dump = is_old;
        // Of these, the attacher has told already.
        for id in processes.iter().filter_map(|process| process.container_id.as_ref()) {
            self.meet_container(id.as_bytes());
        }
        self.mapper(numbers).processes(processes, taken_ns, out);
        self.counters.events += out.len().saturating_sub(before) as u64;
        !is_old
    }

    /// There will be no dump.
    pub fn no_processes(&mut self) {
        self.awaits_dump = false;
        if let Some(mapper) = &mut self.mapper {
            mapper.forget_wish();
        }
    }

    /// The id to complain about a missing dump with, if nobody has yet.
    pub fn begin_complaint(&mut self) -> Option<String> {
        (!std::mem::replace(&mut self.has_complained, true)).then(|| text(&self.id))
    }

    /// Whether a dump should be asked for, although no message has to wait for it.
    pub fn wants_dump(&mut self) -> bool {
        let wants = self.mapper.as_ref().is_some_and(Mapper::wants_processes);
        wants && !self.awaits_dump && self.may_ask() && {
            self.awaits_dump = true;
            true
        }
    }

    fn may_ask(&mut self) -> bool {
        self.awaits_dump || self.dumps.take(Instant::now())
    }

    /// Holds messages back from now on.
    pub fn hold(&mut self, why: For) -> Handled {
        let limit = match why {
            For::Container(_) => CONTAINER_TIME,
            For::Beginning | For::Processes => DUMP_TIME,
        };
        self.awaits_dump |= !matches!(why, For::Container(_));
        self.gate = Some((why.clone(), Instant::now() + limit));
        self.held_ns = now_ns();
        Handled::Hold(why)
    }

    /// Lets messages through. Whether they were held.
    pub fn release(&mut self) -> bool {
        let gate = self.gate.take();
        self.lets_pass |= matches!(gate, Some((For::Processes, _)));
        gate.is_some()
    }

    /// Whether messages wait for what is told of a container.
    pub fn awaits_container(&self) -> bool {
        matches!(self.gate, Some((For::Container(_), _)))
    }

    /// Whether messages are held back for too long.
    pub fn is_late(&self, now: Instant) -> bool {
        self.gate.as_ref().is_some_and(|(_, until)| *until <= now)
    }

    /// Whether both connections are of one sandbox, as far as that is known. A sandbox could say that
    /// it is another one, so that the attacher has to have begun the later session.
    pub fn is_same(&self, earlier: &Sandbox) -> bool {
        self.is_attached && !self.id.is_empty() && self.id == earlier.id
    }

    /// The sandbox has ended: so have its threads.
    pub fn close(&mut self, now_ns: u64, out: &mut Events) {
        if let Some(mapper) = &mut self.mapper {
            mapper.close(now_ns, out);
        }
    }

    /// What other processes are told of it.
    pub fn info(&self) -> SessionInfo {
        let Counters { messages, events, unknown, malformed, lag_ns } = self.counters;
        let mut containers: Vec<_> = self.containers.iter().map(|id| text(id)).collect();
        containers.sort_unstable();
        SessionInfo {
            sandbox: text(&self.id),
            containers,
            number: self.number.as_ref().map_or(0, Number::get),
            attached: self.is_attached,
            since_ns: self.since_ns,
            messages,
            events,
            unknown,
            invalid: malformed,
            lag_ns,
            ..SessionInfo::default()
        }
    }
}

fn text(id: &[u8]) -> String {
    String::from_utf8_lossy(id).into_owned()
}

/// How often something may be done: so many times at once, and once more after each period.
#[derive(Debug)]
struct Budget {
    most: u32,
    each: Duration,
    left: u32,
    since: Instant,
}

impl Budget {
    fn new(most: u32, each: Duration) -> Self {
        Budget { most, each, left: most, since: Instant::now() }
    }

    fn take(&mut self, now: Instant) -> bool {
        while self.left < self.most && now.saturating_duration_since(self.since) >= self.each {
            self.left += 1;
            self.since += self.each;
        }
        if self.left == self.most {
            self.since = now;
        }
        let may = self.left > 0;
        self.left -= u32::from(may);
        may
    }
}

/// The connections of a source.
pub(super) type Sandboxes = std::collections::HashMap<Connection, Sandbox>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_and_comes_back() {
        let start = Instant::now();
        let mut budget = Budget { most: 2, each: Duration::from_secs(2), left: 2, since: start };
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(budget.take(at(0)) && budget.take(at(0)));
        assert!(!budget.take(at(0)) && !budget.take(at(1)));
        assert!(budget.take(at(2)) && !budget.take(at(3)));
        assert!(budget.take(at(100)) && budget.take(at(100)) && !budget.take(at(100)));
    }
}
