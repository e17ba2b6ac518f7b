//! [`Receiver`]: the socket that sandboxes send to, and everything that arrives there, unread.
//!
//! A thread of its own accepts, shakes hands and reads, so that a sandbox need not wait for whoever
//! makes events of its messages: its own queue in the kernel holds fewer than 300. The thread serves
//! connections in turn, so many records each, and puts them into queues with bounded memory. Where a
//! queue is full it stops reading, and the sandbox counts what it cannot send.
//!
//! * `bind`: the socket; `receive`: the thread; `slots`: many records at a time.
//! * [`batch`]: records on their way; `queue`: where they wait; [`stats`]: counters.
//!
//! A receiver outlives those who consume what it receives: at a reload, connections stay.

pub mod batch;
mod bind;
mod queue;
mod receive;
mod slots;
pub mod stats;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use thiserror::Error;

use crate::attach::Connections;

pub use batch::{Batch, Record};
pub(crate) use receive::now_ns;
pub use stats::{ConnectionStats, ReceiverStats};

use queue::Queues;

/// Why nothing can be received.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReceiverError {
    /// The operating system refused.
    #[error("{what} {path}: {error}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The socket, or its directory.
        path: PathBuf,
        /// The refusal.
        #[source]
        error: io::Error,
    },
    /// A socket's name that cannot be.
    #[error(
        "cannot listen at {path}: a socket needs an absolute path of at most 107 bytes, or @ and a \
         name; choose another engine.gvisor.socket",
        path = path.display()
    )]
    BadPath {
        /// The name.
        path: PathBuf,
    },
    /// Somebody else has it.
    #[error(
        "cannot listen at {path}: another process listens there already, likely another falco; \
         stop it, or choose another engine.gvisor.socket",
        path = path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is there.
    #[error(
        "cannot listen at {path}: what is there is no socket; remove it, or choose another \
         engine.gvisor.socket",
        path = path.display()
    )]
    NotASocket {
        /// What was to be the socket.
        path: PathBuf,
    },
    /// Another user could put a socket in the place of ours.
    #[error(
        "will not listen at {path}: {at} {why}, who could receive in our place; choose an \
         engine.gvisor.socket in a directory that only root can write, as /run/falco",
        path = path.display(),
        at = at.display()
    )]
    Unsafe {
        /// The socket.
        path: PathBuf,
        /// The directory or link above it.
        at: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl ReceiverError {
    fn io(what: &'static str, path: &Path, error: impl Into<io::Error>) -> Self {
        ReceiverError::Io { what, path: path.to_owned(), error: error.into() }
    }
}

/// Where to receive, and how much.
#[derive(Clone, Debug)]
pub struct ReceiverOptions {
    /// The socket: an absolute path, or `@` and a name in the abstract namespace.
    pub socket: PathBuf,
    /// Bytes of memory that messages may take while they wait; at least 600 KiB are taken as a limit.
    pub queue_bytes: usize,
    /// Connections at a time; half of the file descriptors that this process may have at most.
    pub max_connections: usize,
}

impl ReceiverOptions {
    /// Bytes of memory for messages that wait.
    pub const QUEUE_BYTES: usize = 32 << 20;
    /// Connections at a time.
    pub const MAX_CONNECTIONS: usize = 512;

    /// The defaults, at `socket`.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let (queue_bytes, max_connections) = (Self::QUEUE_BYTES, Self::MAX_CONNECTIONS);
        ReceiverOptions { socket: socket.into(), queue_bytes, max_connections }
    }
}

/// One connection of a sandbox: a number that is never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Connection(pub(crate) u64);

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The process that connected: the short-lived runsc that began the session, not the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its process id; 0 if it is not to be seen from here.
    pub pid: i32,
    /// Its effective user.
    pub uid: u32,
}

/// What [`Consumer::take`] gives.
#[derive(Debug)]
pub enum Taken {
    /// A sandbox connected, or did before there was this consumer.
    Opened {
        /// Which.
        connection: Connection,
        /// By whose doing.
        peer: Peer,
    },
    /// Records, in order. To be given back by [`Consumer::recycle`] or [`Consumer::put_back`].
    Records(Batch),
    /// The connection ended, and nothing of it is left.
    Closed {
        /// Which.
        connection: Connection,
        /// Its counters.
        stats: ConnectionStats,
    },
}

/// Receives what sandboxes send. Clones are handles of the same receiver, which ends with the last.
#[derive(Clone, Debug)]
pub struct Receiver {
    inner: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    socket: PathBuf,
    queues: Arc<Queues>,
    /// Ends the thread when it becomes readable.
    stop: OwnedFd,
    sandboxes: Connections,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens, and begins to receive. The directory of the socket is made if it is not there, for
    /// its owner alone; a socket that nobody listens on is replaced.
    ///
    /// # Errors
    /// If the socket cannot be had, saying what to do about it.
    pub fn bind(options: &ReceiverOptions) -> Result<Self, ReceiverError> {
        let path = &options.socket;
        let failed = |what| move |error| ReceiverError::io(what, path, error);
        let bound = bind::listen_at(path)?;
        let queues = Arc::new(Queues::new(options.queue_bytes));
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|error| failed("cannot receive at")(error.into()))?;
        let most = options.max_connections;
        let thread = receive::Thread::new(bound, Arc::clone(&queues), &stop, most)
            .map_err(failed("cannot receive at"))?;
        let thread = thread::Builder::new()
            .name("gvisor-receive".to_owned())
            .spawn(move || thread.run())
            .map_err(failed("cannot start the thread that receives at"))?;
        let socket = path.clone();
        let (sandboxes, thread) = (Connections::default(), Some(thread));
        Ok(Receiver { inner: Arc::new(Running { socket, queues, stop, sandboxes, thread }) })
    }

    /// The socket as it was asked for.
    pub fn socket(&self) -> &Path {
        &self.inner.socket
    }

    /// What those who consumed found out about the sandboxes behind the connections. It is kept here,
    /// as the connections are.
    pub fn sandboxes(&self) -> &Connections {
        &self.inner.sandboxes
    }

    /// Begins to consume: first told are the connections that there are. `None` while somebody else
    /// consumes.
    pub fn consumer(&self) -> Option<Consumer> {
        let is_successor = self.inner.queues.begin()?;
        Some(Consumer { receiver: self.clone(), is_successor })
    }

    /// Counters.
    pub fn stats(&self) -> ReceiverStats {
        self.inner.queues.stats()
    }

    /// Counters of one connection; `None` once its end was told.
    pub fn connection_stats(&self, connection: Connection) -> Option<ConnectionStats> {
        self.inner.queues.connection_stats(connection)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An eventfd of which nobody reads takes a one.
        let _ = rustix::io::write(self.stop.as_fd(), &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // It panicked, then, and the panic was told.
            let _ = thread.join();
        }
    }
}

/// Whoever takes what was received; there is one at a time.
#[derive(Debug)]
pub struct Consumer {
    receiver: Receiver,
    is_successor: bool,
}

impl Consumer {
    /// Whether somebody else consumed before.
    pub fn is_successor(&self) -> bool {
        self.is_successor
    }

    /// The next that happened; `None` after `patience` without any. Connections are served in turn.
    ///
    /// # Errors
    /// If nothing can be received any more.
    pub fn take(&self, patience: Duration) -> io::Result<Option<Taken>> {
        self.queues().take(patience)
    }

    /// Gives back a batch whose records were all taken out.
    pub fn recycle(&self, batch: Batch) {
        self.queues().recycle(batch);
    }

    /// Gives back a batch with records that were not: they are the next ones of their connection, for
    /// this consumer or a later one.
    pub fn put_back(&self, batch: Batch) {
        self.queues().put_back(batch);
    }

    /// Takes nothing of `connection` until told otherwise; what it sends waits in its queue.
    pub fn hold(&self, connection: Connection, is_held: bool) {
        self.queues().hold(connection, is_held);
    }

    fn queues(&self) -> &Queues {
        &self.receiver.inner.queues
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.queues().end();
    }
}
