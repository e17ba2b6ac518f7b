//! [`Queues`]: one queue a connection between the thread that receives and the one that consumes.
//!
//! Memory is shared by a *dynamic threshold*: a connection may hold as much as is still free for all.
//! A single one that floods gets half of everything and a newcomer always finds room; many share
//! evenly. (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches".)
//! Whoever consumes serves the connections in turn, so that a full queue delays nobody else's.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::stats::{ConnectionStats, ReceiverStats};
use super::{Connection, Peer, Taken};
use crate::wire::MAX_RECORD;

/// Batches that are kept to be used again.
const SPARE: usize = 64;
/// What took more memory than this is given back instead: a large message came once.
const SPARE_BYTES: usize = 96 << 10;

#[derive(Debug)]
pub(super) struct Queues {
    inner: Mutex<Inner>,
    arrived: Condvar,
    /// Bytes that all queues together may take.
    limit: usize,
}

#[derive(Debug, Default)]
struct Inner {
    connections: HashMap<Connection, Queue>,
    /// Who has something to tell, each once, in the order of service.
    ready: VecDeque<Connection>,
    spare: Vec<Batch>,
    /// Bytes of memory in all queues.
    bytes: usize,
    most_bytes: usize,
    has_consumer: bool,
    /// The consumer waits: it has to be woken.
    is_waited_for: bool,
    /// Whether there ever was one.
    was_consumed: bool,
    /// Why nothing is received any more.
    failure: Option<io::ErrorKind>,
    /// Of connections that are gone, and of all that never got so far.
    totals: ReceiverStats,
}

#[derive(Debug)]
struct Queue {
    peer: Peer,
    /// The consumer knows of it.
    is_told: bool,
    /// This consumer does, or one before it.
    was_told: bool,
    /// Nothing more will come.
    is_closed: bool,
    /// The consumer wants nothing of it for the time being.
    is_held: bool,
    is_ready: bool,
    batches: VecDeque<Batch>,
    bytes: usize,
    stats: ConnectionStats,
}

impl Queue {
    fn has_news(&self) -> bool {
        !self.is_held && (!self.is_told || self.is_closed || !self.batches.is_empty())
    }
}

/// Whether more may be read from a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    Full,
}

impl Queues {
    pub fn new(limit: usize) -> Self {
        Queues {
            inner: Mutex::default(),
            arrived: Condvar::new(),
            limit: limit.max(2 * MAX_RECORD),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What a panic left behind is still whole: no step below is halfway at a call that can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // For the thread that receives.

    pub fn open(&self, connection: Connection, peer: Peer) {
        let mut inner = self.lock();
        inner.totals.accepted += 1;
        let queue = Queue {
            peer,
            is_told: false,
            was_told: false,
            is_closed: false,
            is_held: false,
            is_ready: false,
            batches: VecDeque::new(),
            bytes: 0,
            stats: ConnectionStats::default(),
        };
        inner.connections.insert(connection, queue);
        inner.announce(connection);
        self.unlock(inner);
    }

    /// Wakes the consumer if there is something for it. Not before the lock is free: both may share one
    /// CPU, and the consumer wants the lock first of all.
    fn unlock(&self, mut inner: MutexGuard<'_, Inner>) {
        let wakes = !inner.ready.is_empty() && std::mem::take(&mut inner.is_waited_for);
        drop(inner);
        if wakes {
            self.arrived.notify_one();
        }
    }

    /// Appends the records of `staged`, which is empty afterwards, to their connection's queue.
    pub fn append(&self, staged: &mut Batch, stats: &ConnectionStats) -> Room {
        let connection = staged.connection();
        let mut guard = self.lock();
        let inner = &mut *guard;
        let Some(queue) = inner.connections.get_mut(&connection) else { return Room::Full };
        queue.stats = *stats;
        if !staged.is_empty() {
            let before = queue.bytes;
            match queue.batches.back_mut() {
                Some(last) if last.has_room_for(staged) => {
                    let footprint = last.footprint();
                    last.append(staged);
                    queue.bytes = queue.bytes - footprint + last.footprint();
                }
                _ => {
                    let empty = inner.spare.pop().unwrap_or_default();
                    let full = std::mem::replace(staged, empty);
                    queue.bytes += full.footprint();
                    queue.batches.push_back(full);
                }
            }
            inner.bytes = inner.bytes - before + queue.bytes;
            inner.most_bytes = inner.most_bytes.max(inner.bytes);
            staged.reset(connection);
            inner.announce(connection);
        }
        let room = self.room(inner, connection);
        self.unlock(guard);
        room
    }

    /// Whether more may be read from `connection` now.
    pub fn room_for(&self, connection: Connection) -> Room {
        self.room(&self.lock(), connection)
    }

    fn room(&self, inner: &Inner, connection: Connection) -> Room {
        let free = self.limit.saturating_sub(inner.bytes);
        let queue = inner.connections.get(&connection);
        let fits = queue.is_some_and(|queue| queue.bytes <= free) && free > MAX_RECORD;
        if fits { Room::Free } else { Room::Full }
    }

    /// Nothing more will come from `connection`.
    pub fn close(&self, connection: Connection, stats: &ConnectionStats) {
        let mut inner = self.lock();
        let Some(queue) = inner.connections.get_mut(&connection) else { return };
        queue.stats = *stats;
        queue.is_closed = true;
        if queue.batches.is_empty() && !queue.was_told {
            // Nobody knows of it, and it has nothing to say.
            inner.forget(connection);
        } else {
            inner.announce(connection);
        }
        self.unlock(inner);
    }

    /// How many connections the consumer has to be told of, closed ones included.
    pub fn connections(&self) -> usize {
        self.lock().connections.len()
    }

    pub fn count(&self, change: impl FnOnce(&mut ReceiverStats)) {
        change(&mut self.lock().totals);
    }

    /// Nothing will be received any more.
    pub fn fail(&self, why: io::ErrorKind) {
        self.lock().failure = Some(why);
        self.arrived.notify_one();
    }

    // For the consumer.

    /// Begins consumption anew; `None` if somebody consumes. Says whether somebody did before.
    pub fn begin(&self) -> Option<bool> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if std::mem::replace(&mut inner.has_consumer, true) {
            return None;
        }
        inner.ready.clear();
        for (&connection, queue) in &mut inner.connections {
            (queue.is_told, queue.is_held, queue.is_ready) = (false, false, true);
            inner.ready.push_back(connection);
        }
        Some(std::mem::replace(&mut inner.was_consumed, true))
    }

    pub fn end(&self) {
        self.lock().has_consumer = false;
    }

    pub fn take(&self, patience: Duration) -> io::Result<Option<Taken>> {
        let mut inner = self.lock();
        if let Some(taken) = inner.next() {
            return Ok(Some(taken));
        }
        let until = Instant::now() + patience;
        loop {
            if let Some(why) = inner.failure {
                return Err(why.into());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                inner.is_waited_for = false;
                return Ok(None);
            }
            inner.is_waited_for = true;
            inner =
                self.arrived.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
            if let Some(taken) = inner.next() {
                inner.is_waited_for = false;
                return Ok(Some(taken));
            }
        }
    }

    /// Gives back what is left of a batch: it is the next one of its connection.
    pub fn put_back(&self, batch: Batch) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let connection = batch.connection();
        if let Some(queue) = inner.connections.get_mut(&connection)
            && !batch.is_empty()
        {
            let bytes = batch.footprint();
            queue.bytes += bytes;
            inner.bytes += bytes;
            queue.batches.push_front(batch);
            inner.announce(connection);
        } else {
            inner.recycle(batch);
        }
    }

    /// A batch that is used up.
    pub fn recycle(&self, batch: Batch) {
        self.lock().recycle(batch);
    }

    /// Gives out nothing of `connection`, or begins to again.
    pub fn hold(&self, connection: Connection, is_held: bool) {
        let mut inner = self.lock();
        if let Some(queue) = inner.connections.get_mut(&connection) {
            queue.is_held = is_held;
            inner.announce(connection);
        }
    }

    // For whoever asks.

    pub fn stats(&self) -> ReceiverStats {
        let inner = self.lock();
        let mut stats = inner.totals;
        stats.queued_bytes = inner.bytes as u64;
        stats.most_queued_bytes = inner.most_bytes as u64;
        for queue in inner.connections.values() {
            stats.connections += u64::from(!queue.is_closed);
            stats.records.add(&queue.stats);
        }
        stats
    }

    pub fn connection_stats(&self, connection: Connection) -> Option<ConnectionStats> {
        let inner = self.lock();
        let queue = inner.connections.get(&connection)?;
        Some(ConnectionStats { queued_bytes: queue.bytes as u64, ..queue.stats })
    }
}

impl Inner {
    /// Puts a connection that has something to tell among those that wait for it.
    fn announce(&mut self, connection: Connection) {
        if let Some(queue) = self.connections.get_mut(&connection)
            && !queue.is_ready
            && queue.has_news()
        {
            queue.is_ready = true;
            self.ready.push_back(connection);
        }
    }

    fn next(&mut self) -> Option<Taken> {
        while let Some(connection) = self.ready.pop_front() {
            let Some(queue) = self.connections.get_mut(&connection) else { continue };
            queue.is_ready = false;
            if !queue.has_news() {
                continue;
            }
            if !queue.is_told {
                (queue.is_told, queue.was_told) = (true, true);
                let peer = queue.peer;
                self.announce(connection);
                return Some(Taken::Opened { connection, peer });
            }
            if let Some(batch) = queue.batches.pop_front() {
                let bytes = batch.footprint();
                queue.bytes -= bytes;
                self.bytes -= bytes;
                self.announce(connection);
                return Some(Taken::Records(batch));
            }
            let stats = queue.stats;
            self.forget(connection);
            return Some(Taken::Closed { connection, stats });
        }
        None
    }

    fn recycle(&mut self, mut batch: Batch) {
        if self.spare.len() < SPARE && batch.footprint() <= SPARE_BYTES {
            batch.reset(Connection::default());
            self.spare.push(batch);
        }
    }

    fn forget(&mut self, connection: Connection) {
        if let Some(queue) = self.connections.remove(&connection) {
            self.bytes -= queue.bytes;
            self.totals.records.add(&queue.stats);
        }
    }
}
