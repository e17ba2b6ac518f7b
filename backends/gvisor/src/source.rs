//! [`Gvisor`]: the source.
//!
//! It takes turns with the connections of its [`Receiver`]: each record becomes events, which are
//! lent one by one. What has to be asked of runsc, the [`Attacher`] asks on threads of its own.
//!
//! * `sandbox`: one connection and its gate; `numbers`: which thread ids exist.

mod numbers;
mod sandbox;

use std::fmt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use falco_source::{Capabilities, Next, Snapshot, Source, SourceError, Stats, ThreadLookup};

use crate::attach::{AttachOptions, Attacher, Link, Outcome};
use crate::receiver::{Batch, Connection, Consumer, Receiver, ReceiverStats, Taken, now_ns};
use crate::status::{self, SessionInfo};
use falco_source::events::Events;
use numbers::Numbers;
use sandbox::{For, Handled, Sandbox, Sandboxes};

/// Longest pause when there is nothing to tell.
const PATIENCE: Duration = Duration::from_millis(30);
/// Longest pause while messages are held back: what they wait for comes beside them.
const GATE_PATIENCE: Duration = Duration::from_millis(2);
/// How long it may take to end all sessions, and to hear the last of them afterwards.
const DETACH_TIME: Duration = Duration::from_millis(4500);
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// How often other processes are told, and how often that there is nothing to tell.
const STATUS_EVERY: Duration = Duration::from_secs(1);
const STATUS_IDLE: Duration = Duration::from_secs(5);

/// How sandboxes are watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most sandboxes at a time.
    pub max_sandboxes: usize,
    /// State directories of runsc; found automatically if none are given.
    pub roots: Option<Vec<PathBuf>>,
    /// The program; found in PATH if it is not given.
    pub runsc: Option<PathBuf>,
    /// Where the host's root is (`HOST_ROOT`): usual directories and processes are below it.
    pub host_root: PathBuf,
    /// The wanted system calls, as portable ids.
    pub syscalls: Vec<u16>,
    /// Begin sessions in sandboxes that run already.
    pub attach: bool,
    /// No event is told as earlier than this, in nanoseconds since the epoch.
    pub floor_ns: u64,
}

/// How far a source is.
#[derive(Debug)]
enum Phase {
    /// Another one may still take from the receiver.
    Waiting,
    Watching,
    /// Sessions are being ended.
    Detaching,
    /// They have been; what they sent before is taken until then at most.
    Draining(Instant),
    /// Nothing is taken any more; events that wait are told.
    Over,
}

/// Takes lines for a log.
type Notes = Box<dyn FnMut(&str) + Send>;

/// The sandboxes of this host.
pub struct Gvisor {
    receiver: Receiver,
    options: Options,
    phase: Phase,
    consumer: Option<Consumer>,
    attacher: Option<Attacher>,
    sandboxes: Sandboxes,
    numbers: Numbers,
    /// Records that are being worked on.
    batch: Option<Batch>,
    /// How many connections are held back.
    gates: usize,
    events: Events,
    patience: Duration,
    floor_ns: u64,
    told: u64,
    /// Of connections that are gone.
    unknown: u64,
    malformed: u64,
    /// Messages of sandboxes beyond the limit.
    ignored: u64,
    /// Counters of the receiver when this source began to take from it.
    before: Option<ReceiverStats>,
    status: Option<status::Writer>,
    status_due: Instant,
    notes: Option<Notes>,
}

impl fmt::Debug for Gvisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gvisor { receiver, options, phase, .. } = self;
        let mut out = f.debug_struct("Gvisor");
        out.field("receiver", receiver).field("options", options).field("phase", phase);
        out.finish_non_exhaustive()
    }
}

/// What there was to do.
enum Step {
    Done,
    Nothing,
    End,
}

impl Gvisor {
    /// Watches what `receiver` receives, from the first call of [`Source::next`] on: until then, and
    /// as long as it lives, another source may.
    pub fn new(receiver: Receiver, options: Options) -> Self {
        let floor_ns = options.floor_ns;
        Gvisor {
            receiver,
            options,
            phase: Phase::Waiting,
            consumer: None,
            attacher: None,
            sandboxes: Sandboxes::new(),
            numbers: Numbers::default(),
            batch: None,
            gates: 0,
            events: Events::new(),
            patience: PATIENCE,
            floor_ns,
            told: 0,
            unknown: 0,
            malformed: 0,
            ignored: 0,
            before: None,
            status: None,
            status_due: Instant::now(),
            notes: None,
        }
    }

    /// Where to put lines for a log: sandboxes that were attached, or could not be.
    pub fn set_notes(&mut self, notes: impl FnMut(&str) + Send + 'static) {
        self.notes = Some(Box::new(notes));
    }

    /// The sandboxes that are watched now.
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let info = |(&connection, sandbox): (&Connection, &Sandbox)| {
            let received = self.receiver.connection_stats(connection).unwrap_or_default();
            let mut info = sandbox.info();
            info.dropped = received.dropped;
            info.invalid += received.garbled + received.too_long;
            info.queued_bytes = received.queued_bytes;
            (connection, info)
        };
        let mut all: Vec<_> = self.sandboxes.iter().map(info).collect();
        all.sort_unstable_by_key(|&(connection, _)| connection);
        all.into_iter().map(|(_, info)| info).collect()
    }

    fn note(&mut self, line: &str) {
        if let Some(notes) = &mut self.notes {
            notes(line);
        }
    }

    /// Becomes the one who takes from the receiver, if nobody else does.
    fn take_over(&mut self) -> Step {
        let Some(consumer) = self.receiver.consumer() else {
            thread::sleep(self.patience);
            return Step::Nothing;
        };
        if consumer.is_successor() {
            // Rules saw what is older already, and tell it by its time.
            self.floor_ns = self.floor_ns.max(now_ns() + 1);
        }
        self.before = Some(self.receiver.stats());
        self.consumer = Some(consumer);
        let options = AttachOptions {
            socket: self.receiver.socket().to_owned(),
            roots: self.options.roots.clone(),
            runsc: self.options.runsc.clone(),
            host_root: self.options.host_root.clone(),
            syscalls: self.options.syscalls.clone(),
            attach: self.options.attach,
            max_sandboxes: self.options.max_sandboxes,
        };
        match Attacher::start(options, self.receiver.sandboxes().clone()) {
            Ok(attacher) => self.attacher = Some(attacher),
            Err(error) => self.note(&format!("gVisor: running sandboxes are not found: {error}")),
        }
        match status::Writer::start(self.receiver.socket()) {
            Ok(writer) => self.status = Some(writer),
            Err(error) => self.note(&format!("gVisor: falco gvisor sessions cannot tell: {error}")),
        }
        self.phase = Phase::Watching;
        Step::Done
    }

    /// Does the next thing. Called when no event waits.
    fn step(&mut self) -> Result<Step, SourceError> {
        match &self.phase {
            Phase::Waiting => return Ok(self.take_over()),
            Phase::Over => return Ok(Step::End),
            Phase::Watching | Phase::Detaching | Phase::Draining(_) => {}
        }
        if let Some(batch) = self.batch.take() {
            self.work(batch);
            return Ok(Step::Done);
        }
        self.hear_attacher();
        self.open_late_gates();
        self.publish();
        if !self.events.is_empty() {
            return Ok(Step::Done);
        }
        self.take()
    }

    /// Takes what arrived, or waits for it.
    fn take(&mut self) -> Result<Step, SourceError> {
        let Some(consumer) = &self.consumer else { return Ok(Step::End) };
        let patience = match (&self.phase, self.gates) {
            (Phase::Draining(_), _) => Duration::ZERO,
            (_, 0) => self.patience.min(PATIENCE),
            (_, _) => self.patience.min(GATE_PATIENCE),
        };
        match consumer.take(patience) {
            Ok(Some(Taken::Records(batch))) => self.begin_batch(batch),
            Ok(Some(Taken::Opened { connection, peer })) => self.opened(connection, peer.pid),
            Ok(Some(Taken::Closed { connection, .. })) => self.closed(connection),
            Ok(None) => return Ok(self.nothing_arrived()),
            Err(error) => {
                self.phase = Phase::Over;
                let what = format!("cannot receive at {}", self.receiver.socket().display());
                return Err(SourceError::Io { what, error });
            }
        }
        Ok(Step::Done)
    }

    fn nothing_arrived(&mut self) -> Step {
        match &self.phase {
            Phase::Detaching if self.attacher.as_ref().is_none_or(Attacher::has_stopped) => {
                self.phase = Phase::Draining(Instant::now() + DRAIN_TIME);
                Step::Done
            }
            // Connections whose sessions ended are closed, and so leave the table.
            Phase::Draining(until) if self.sandboxes.is_empty() || *until < Instant::now() => {
                self.phase = Phase::Over;
                Step::End
            }
            Phase::Draining(_) => {
                thread::sleep(Duration::from_millis(1));
                Step::Nothing
            }
            _ => Step::Nothing,
        }
    }

    // Connections …

    fn opened(&mut self, connection: Connection, peer_pid: i32) {
        if self.sandboxes.len() >= self.options.max_sandboxes {
            return;
        }
        let mut sandbox = Sandbox::new(now_ns(), self.floor_ns);
        let link = self.attacher.as_ref().map(|attacher| attacher.opened(connection, peer_pid));
        if let Some((_, id)) = self.receiver.sandboxes().sandbox(connection) {
            sandbox.identify(&id);
        }
        sandbox.is_attached = link == Some(Link::Attached);
        if sandbox.is_attached && matches!(self.phase, Phase::Watching) {
            sandbox.hold(For::Beginning);
            self.hold(connection, true);
        }
        self.sandboxes.insert(connection, sandbox);
    }

    fn closed(&mut self, connection: Connection) {
        let Some(mut sandbox) = self.sandboxes.remove(&connection) else { return };
        self.gates = self.gates.saturating_sub(usize::from(sandbox.release()));
        self.unknown += sandbox.counters.unknown;
        self.malformed += sandbox.counters.malformed;
        if let Some(attacher) = &self.attacher {
            attacher.closed(connection);
        }
        if !matches!(self.phase, Phase::Watching) {
            // It is watched no more, and goes on.
            return;
        }
        let now_ns = now_ns();
        if self.sandboxes.values().any(|other| other.is_same(&sandbox)) {
            // Its session began anew, and its threads are told again with another number.
            self.events.hidden(|events| sandbox.close(now_ns, events));
        } else {
            sandbox.close(now_ns, &mut self.events);
        }
    }

    // … their records …

    fn begin_batch(&mut self, batch: Batch) {
        match self.sandboxes.get_mut(&batch.connection()) {
            Some(sandbox) => {
                let received = batch.first().map_or(0, |record| record.received_ns);
                sandbox.counters.lag_ns = now_ns().saturating_sub(received);
                self.batch = Some(batch);
            }
            None => {
                self.ignored += batch.len() as u64;
                self.recycle(batch);
            }
        }
    }

    /// Works on a batch until there is an event.
    fn work(&mut self, mut batch: Batch) {
        let connection = batch.connection();
        let Some(sandbox) = self.sandboxes.get_mut(&connection) else {
            return self.recycle(batch);
        };
        let attacher = self.attacher.as_ref().filter(|_| matches!(self.phase, Phase::Watching));
        while let Some(record) = batch.first() {
            let (numbers, events) = (&self.numbers, &mut self.events);
            if let Handled::Hold(why) = sandbox.handle(&record, attacher.is_some(), numbers, events)
            {
                match (why, attacher) {
                    (For::Container(id), Some(attacher)) => attacher.identified(connection, &id),
                    (_, Some(attacher)) => attacher.want_processes(connection),
                    (_, None) => {}
                }
                if let Some(consumer) = &self.consumer {
                    consumer.put_back(batch);
                }
                return self.hold(connection, true);
            }
            batch.advance();
            if !self.events.is_empty() {
                break;
            }
        }
        if !batch.is_empty() {
            self.batch = Some(batch);
            return;
        }
        if let Some(attacher) = attacher
            && sandbox.wants_dump()
        {
            attacher.want_processes(connection);
        }
        self.recycle(batch);
    }

    fn recycle(&self, batch: Batch) {
        if let Some(consumer) = &self.consumer {
            consumer.recycle(batch);
        }
    }

    // … and gates.

    fn hold(&mut self, connection: Connection, is_held: bool) {
        self.gates = if is_held { self.gates + 1 } else { self.gates.saturating_sub(1) };
        if let Some(consumer) = &self.consumer {
            consumer.hold(connection, is_held);
        }
    }

    fn release(&mut self, connection: Connection) {
        if self.sandboxes.get_mut(&connection).is_some_and(Sandbox::release) {
            self.hold(connection, false);
        }
    }

    fn no_processes(&mut self, connection: Connection) {
        if let Some(sandbox) = self.sandboxes.get_mut(&connection) {
            sandbox.no_processes();
        }
        self.release(connection);
    }

    /// Tells the log why there is no dump, once a sandbox.
    fn note_no_processes(&mut self, connection: Connection, why: &str) {
        let Some(sandbox) = self.sandboxes.get_mut(&connection) else { return };
        if let Some(id) = sandbox.begin_complaint() {
            self.note(&format!(
                "gVisor sandbox {id}: what is known of processes that nobody announced is only what \
                 they do: {why}"
            ));
        }
    }

    fn open_late_gates(&mut self) {
        if self.gates == 0 {
            return;
        }
        let now = Instant::now();
        let late = self.sandboxes.iter().filter(|(_, sandbox)| sandbox.is_late(now));
        let late: Vec<_> = late.map(|(&connection, _)| connection).collect();
        for connection in late {
            self.release(connection);
        }
    }

    /// Hears what the attacher has found out.
    fn hear_attacher(&mut self) {
        while let Some(outcome) = self.attacher.as_ref().and_then(Attacher::outcome) {
            match outcome {
                Outcome::Processes { connection, taken_ns, processes } => {
                    let Some(sandbox) = self.sandboxes.get_mut(&connection) else { continue };
                    let (numbers, events) = (&self.numbers, &mut self.events);
                    if sandbox.processes(&processes, taken_ns, numbers, events) {
                        self.release(connection);
                    }
                }
                Outcome::NoProcesses { connection, why } => {
                    self.note_no_processes(connection, &why);
                    self.no_processes(connection);
                }
                Outcome::Container { connection, told } => {
                    told.push(now_ns().max(self.floor_ns), &mut self.events);
                    if self.sandboxes.get(&connection).is_some_and(Sandbox::awaits_container) {
                        self.release(connection);
                    }
                }
                Outcome::Note(line) => self.note(&line),
            }
        }
    }

    fn publish(&mut self) {
        let now = Instant::now();
        if now < self.status_due {
            return;
        }
        self.status_due = now + if self.sandboxes.is_empty() { STATUS_IDLE } else { STATUS_EVERY };
        if let Some(writer) = &self.status {
            writer.publish(self.sessions());
        }
    }

    /// Leaves everything to whoever takes from the receiver next. Events that wait are still told.
    fn leave(&mut self) {
        if let Some((consumer, batch)) = self.consumer.as_ref().zip(self.batch.take()) {
            consumer.put_back(batch);
        }
        self.consumer = None;
        self.attacher = None;
        self.status = None;
        self.phase = Phase::Over;
    }
}

impl Source for Gvisor {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "gvisor", live: true, enter_events: false }
    }

    /// There is nothing to tell: sandboxes are met one by one, and told of in the stream.
    fn start(&mut self) -> Result<Snapshot, SourceError> {
        Ok(Snapshot { is_live: true, ..Snapshot::default() })
    }

    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        while self.events.is_empty() {
            match self.step()? {
                Step::Done => {}
                Step::Nothing => return Ok(Next::Idle),
                Step::End => return Ok(Next::End),
            }
        }
        self.told += 1;
        Ok(self.events.pop().map_or(Next::Idle, Next::Event))
    }

    fn set_patience(&mut self, longest: Duration) {
        self.patience = longest.min(PATIENCE);
    }

    /// Sessions are ended beside, as that takes runsc a while; what is sent meanwhile is told.
    fn stop_capture(&mut self) {
        if matches!(self.phase, Phase::Waiting) {
            // What arrived already is told, and sessions of a source before this one are ended.
            self.take_over();
        }
        match self.phase {
            Phase::Waiting => self.phase = Phase::Over,
            Phase::Watching => {
                if let Some(attacher) = &mut self.attacher {
                    attacher.stop(DETACH_TIME);
                }
                self.phase = Phase::Detaching;
                // No dump will come.
                let all: Vec<_> = self.sandboxes.keys().copied().collect();
                all.into_iter().for_each(|connection| self.no_processes(connection));
            }
            Phase::Detaching | Phase::Draining(_) | Phase::Over => {}
        }
    }

    /// Sessions and connections stay. What waits in the receiver's queues is for the next one, which
    /// tells nothing as earlier than when it takes over.
    fn hand_over(&mut self, since: u64) -> u64 {
        self.leave();
        since
    }

    fn lookup(&self) -> Option<Box<dyn ThreadLookup>> {
        Some(self.numbers.lookup())
    }

    fn stats(&self) -> Stats {
        let Some(before) = self.before else { return Stats::default() };
        let (now, before) = (self.receiver.stats().records, before.records);
        let dropped = now.dropped.saturating_sub(before.dropped).saturating_add(self.ignored);
        let sum = |count: fn(&Sandbox) -> u64| self.sandboxes.values().map(count).sum::<u64>();
        let malformed = self.malformed + sum(|sandbox| sandbox.counters.malformed);
        Stats {
            events: self.told,
            seen: self.told.saturating_add(dropped),
            dropped_ring: dropped,
            dropped_too_large: now.too_long.saturating_sub(before.too_long),
            skipped_unknown: self.unknown + sum(|sandbox| sandbox.counters.unknown),
            invalid: malformed + now.garbled.saturating_sub(before.garbled),
            ..Stats::default()
        }
    }
}

impl Drop for Gvisor {
    fn drop(&mut self) {
        self.leave();
    }
}
