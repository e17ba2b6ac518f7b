//! [`Thread`]: accepts, shakes hands and reads, with no connection in the way of another.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno as Refusal;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};
use rustix::process::{Resource, geteuid, getrlimit};

use super::batch::{Batch, Record};
use super::bind::Bound;
use super::queue::{Queues, Room};
use super::slots::Slots;
use super::stats::ConnectionStats;
use super::{Connection, Peer};
use crate::wire::{self, Handshake, MAX_HANDSHAKE};

/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// Connections that are accepted before others are read again.
const ACCEPTS: usize = 64;
/// After this time it is looked again whether what was full has room, and whether fds are free.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// How long the listener rests when there are no fds, not even for a moment.
const REST: Duration = Duration::from_millis(100);
/// Little is going on if no connection brought more records, or bytes, at a time. Then it is better
/// to let some gather: nobody is woken for each, neither here nor, to wake us, in the sandbox.
const LITTLE: (usize, u64) = (24, 16 << 10);
/// How long. A sandbox can have fewer than 300 small messages in its queue before it loses any.
const GATHERING: Duration = Duration::from_millis(1);

/// What an epoll event is about, other than a connection. Connections count from 2.
const STOP: u64 = 0;
const LISTENER: u64 = 1;

pub(super) struct Thread {
    epoll: OwnedFd,
    listener: Bound,
    queues: Arc<Queues>,
    sockets: HashMap<u64, Socket>,
    /// Those that have not shaken hands, oldest first, and until when they may. Some of them may be
    /// gone, or have done so meanwhile.
    strangers: VecDeque<(Instant, u64)>,
    /// Those that nothing is read from while their queue is full.
    full: Vec<u64>,
    /// The listener is not looked at before.
    rests_until: Option<Instant>,
    last_number: u64,
    max_connections: usize,
    /// Given up to accept, and refuse, where no other fd can be had.
    reserve: Option<OwnedFd>,
    staged: Batch,
}

struct Socket {
    fd: OwnedFd,
    peer: Peer,
    is_stranger: bool,
    stats: ConnectionStats,
}

/// How reading from one connection ended.
enum Reading {
    /// For now there is no more, or others have their turn; so many records and bytes were read.
    Paused(usize, u64),
    /// Nothing more may be read while its queue is full.
    Full,
    /// There will be no more.
    Ended,
}

impl Thread {
    /// Receives at `listener`; `stop` becomes readable when it is over.
    pub fn new(
        listener: Bound,
        queues: Arc<Queues>,
        stop: &OwnedFd,
        max_connections: usize,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, stop, epoll::EventData::new_u64(STOP), epoll::EventFlags::IN)?;
        let data = epoll::EventData::new_u64(LISTENER);
        epoll::add(&epoll, &listener.socket, data, epoll::EventFlags::IN)?;
        // The rest of the program needs some as well.
        let fds = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / 2;
        let max_connections = max_connections.min(usize::try_from(fds).unwrap_or(usize::MAX));
        Ok(Thread {
            epoll,
            listener,
            queues,
            sockets: HashMap::new(),
            strangers: VecDeque::new(),
            full: Vec::new(),
            rests_until: None,
            last_number: LISTENER,
            max_connections: max_connections.max(1),
            reserve: reserve(),
            staged: Batch::default(),
        })
    }

    pub fn run(mut self) {
        if let Err(error) = self.receive() {
            self.queues.fail(error.kind());
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut slots = Slots::new();
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            let timeout = self.timeout();
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let (mut records, mut bytes) = (0, 0);
            for event in &events {
                match event.data.u64() {
                    STOP => return Ok(()),
                    LISTENER => self.accept()?,
                    number => {
                        let read = self.look_at(number, &mut slots);
                        (records, bytes) = (records.max(read.0), bytes.max(read.1));
                    }
                }
            }
            self.refuse_late();
            self.read_again()?;
            if self.rests_until.is_some_and(|until| until <= Instant::now()) {
                self.listen_again()?;
            }
            let is_little = (1..=LITTLE.0).contains(&records) && bytes <= LITTLE.1;
            if is_little && self.full.is_empty() {
                thread::sleep(GATHERING);
            }
        }
    }

    /// How long there is nothing to do unless something arrives.
    fn timeout(&self) -> Option<Duration> {
        let now = Instant::now();
        let until = |at: Instant| at.saturating_duration_since(now);
        let strangers = self.strangers.front().map(|&(deadline, _)| until(deadline));
        let full = (!self.full.is_empty()).then_some(LOOK_AGAIN);
        let rest = self.rests_until.map(until);
        [strangers, full, rest].into_iter().flatten().min()
    }

    // Connections come …

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..ACCEPTS {
            match self.accept_one() {
                Ok(socket) => self.welcome(socket),
                Err(Errno::AGAIN) => break,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => {
                    if !self.refuse_for_fds() {
                        self.rest()?;
                        break;
                    }
                }
                // It is gone already, or a signal came.
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn accept_one(&self) -> Result<OwnedFd, Errno> {
        accept_with(&self.listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
    }

    /// Without an fd left, whoever connects would wait for ever, and the listener would be ready for
    /// ever: gives up the reserve to tell them no.
    fn refuse_for_fds(&mut self) -> bool {
        self.reserve = None;
        let refused = self.accept_one().is_ok();
        self.reserve = reserve();
        if refused {
            self.queues.count(|stats| stats.refused_fds += 1);
        }
        refused
    }

    fn rest(&mut self) -> io::Result<()> {
        epoll::delete(&self.epoll, &self.listener.socket)?;
        self.rests_until = Some(Instant::now() + REST);
        Ok(())
    }

    fn listen_again(&mut self) -> io::Result<()> {
        self.rests_until = None;
        self.reserve = self.reserve.take().or_else(reserve);
        let data = epoll::EventData::new_u64(LISTENER);
        Ok(epoll::add(&self.epoll, &self.listener.socket, data, epoll::EventFlags::IN)?)
    }

    fn welcome(&mut self, fd: OwnedFd) {
        let Ok(credentials) = getsockopt(&fd, PeerCredentials) else { return };
        let peer = Peer { pid: credentials.pid(), uid: credentials.uid() };
        // Anybody can connect to an abstract name.
        if !self.listener.is_file && peer.uid != 0 && peer.uid != geteuid().as_raw() {
            self.queues.count(|stats| stats.refused_user += 1);
            return;
        }
        let strangers = self.sockets.values().filter(|socket| socket.is_stranger).count();
        if strangers + self.queues.connections() >= self.max_connections
            && !self.refuse_oldest_stranger()
        {
            self.queues.count(|stats| stats.refused_many += 1);
            return;
        }
        self.last_number += 1;
        let number = self.last_number;
        let socket = Socket { fd, peer, is_stranger: true, stats: ConnectionStats::default() };
        if self.watch(number, &socket).is_err() {
            self.queues.count(|stats| stats.refused_fds += 1);
            return;
        }
        self.sockets.insert(number, socket);
        if self.strangers.len() > 2 * self.max_connections {
            // Most are gone.
            let sockets = &self.sockets;
            let is_there =
                |number: &u64| sockets.get(number).is_some_and(|socket| socket.is_stranger);
            self.strangers.retain(|(_, number)| is_there(number));
        }
        self.strangers.push_back((Instant::now() + HANDSHAKE_TIME, number));
    }

    fn watch(&self, number: u64, socket: &Socket) -> Result<(), Errno> {
        let data = epoll::EventData::new_u64(number);
        epoll::add(&self.epoll, &socket.fd, data, epoll::EventFlags::IN)
    }

    /// Whoever means it has shaken hands within a moment: the oldest makes room.
    fn refuse_oldest_stranger(&mut self) -> bool {
        while let Some((_, number)) = self.strangers.pop_front() {
            if self.is_stranger(number) {
                self.sockets.remove(&number);
                self.queues.count(|stats| stats.refused_many += 1);
                return true;
            }
        }
        false
    }

    fn refuse_late(&mut self) {
        while let Some(&(deadline, number)) = self.strangers.front() {
            let is_stranger = self.is_stranger(number);
            if is_stranger && deadline > Instant::now() {
                break;
            }
            self.strangers.pop_front();
            if is_stranger {
                self.sockets.remove(&number);
                self.queues.count(|stats| stats.refused_late += 1);
            }
        }
    }

    fn is_stranger(&self, number: u64) -> bool {
        self.sockets.get(&number).is_some_and(|socket| socket.is_stranger)
    }

    // … and are read.

    /// Reads from a connection that has something; how many records and bytes.
    fn look_at(&mut self, number: u64, slots: &mut Slots) -> (usize, u64) {
        let Some(socket) = self.sockets.get_mut(&number) else { return (0, 0) };
        if socket.is_stranger {
            if !shake_hands(socket, &self.queues) {
                self.sockets.remove(&number);
                return (0, 0);
            }
            socket.is_stranger = false;
            self.queues.open(Connection(number), socket.peer);
        }
        self.staged.reset(Connection(number));
        match read(socket, slots, &mut self.staged, &self.queues) {
            Reading::Paused(records, bytes) => return (records, bytes),
            Reading::Full => {
                // It would be ready all the time.
                if epoll::delete(&self.epoll, &socket.fd).is_ok() {
                    self.full.push(number);
                }
            }
            Reading::Ended => {
                self.queues.close(Connection(number), &socket.stats);
                self.sockets.remove(&number);
            }
        }
        (0, 0)
    }

    /// Goes on with those whose queues have room again.
    fn read_again(&mut self) -> io::Result<()> {
        let mut at = 0;
        while let Some(&number) = self.full.get(at) {
            let Some(socket) = self.sockets.get(&number) else {
                self.full.swap_remove(at);
                continue;
            };
            if self.queues.room_for(Connection(number)) == Room::Full {
                at += 1;
                continue;
            }
            self.watch(number, socket)?;
            self.full.swap_remove(at);
        }
        Ok(())
    }
}

/// Answers a handshake. Whether there was a right one.
fn shake_hands(socket: &mut Socket, queues: &Queues) -> bool {
    let mut handshake = Vec::with_capacity(MAX_HANDSHAKE);
    let flags = RecvFlags::TRUNC | RecvFlags::DONTWAIT;
    let answered = match recv(&socket.fd, spare_capacity(&mut handshake), flags) {
        Ok((_, 0)) => {
            queues.count(|stats| stats.empty += 1);
            return false;
        }
        Ok((_, len)) if len <= MAX_HANDSHAKE && Handshake::read(&handshake).is_ok() => {
            let ours = Handshake::ours().encode_to_bytes();
            send(&socket.fd, &ours, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_ok()
        }
        _ => false,
    };
    if !answered {
        queues.count(|stats| stats.refused_handshake += 1);
    }
    answered
}

/// Reads records of one connection into its queue, until others have their turn.
fn read(socket: &mut Socket, slots: &mut Slots, staged: &mut Batch, queues: &Queues) -> Reading {
    if queues.room_for(staged.connection()) == Room::Full {
        return Reading::Full;
    }
    match slots.read(&socket.fd) {
        Ok(()) => {}
        // The last one is told once, before the records that are there and the end, where the sandbox
        // did not read our handshake.
        Err(Refusal::EAGAIN | Refusal::EINTR | Refusal::ECONNRESET) => {
            return Reading::Paused(0, 0);
        }
        Err(_) => return Reading::Ended,
    }
    let stats = &mut socket.stats;
    let before = stats.bytes;
    let received_ns = now_ns();
    let mut has_ended = false;
    let records = slots.records();
    let read = records.len();
    for (record, is_cut) in records {
        if record.is_empty() {
            // Also after an empty record, which is none of gVisor's.
            has_ended = true;
            break;
        }
        match wire::parse(record) {
            _ if is_cut => stats.too_long += 1,
            Ok((header, payload)) => {
                stats.records += 1;
                stats.bytes += payload.len() as u64;
                stats.note_dropped(header.dropped);
                staged.push(Record { kind: header.kind, received_ns, payload });
                if staged.is_full() {
                    queues.append(staged, stats);
                }
            }
            Err(_) => stats.garbled += 1,
        }
    }
    let bytes = stats.bytes - before;
    let room = queues.append(staged, stats);
    match (has_ended, room) {
        (true, _) => Reading::Ended,
        (false, Room::Full) => Reading::Full,
        (false, Room::Free) => Reading::Paused(read, bytes),
    }
}

/// An fd that can be given up.
fn reserve() -> Option<OwnedFd> {
    eventfd(0, EventfdFlags::CLOEXEC).ok()
}

/// Now, in nanoseconds since the epoch. The C library's clock: rustix looks for the kernel's by itself,
/// which valgrind hides.
pub(crate) fn now_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
