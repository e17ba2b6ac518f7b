//! [`Attacher`]: sessions begun, begun anew and ended on threads of its own, beside the flow of
//! events.
//!
//! One thread decides (`control`): it looks at runsc's directories now and then, hears what becomes
//! of connections, and gives work to a few others, since each run of runsc takes a while and a
//! sandbox that hangs must not keep others waiting. For one sandbox there is never more than one run
//! at a time.
//!
//! The consumer of events asks and is told through channels, and never waits.
//!
//! * [`connections`]: which sandbox is at the other end of a connection.
//! * `scan`: which sandboxes there are. `work`: what is done with one of them.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::containers::Told;
use crate::receiver::Connection;
use crate::runsc::cli::RunscError;
use crate::runsc::{Process, Roots, Sandbox};

pub mod connections;
mod control;
mod scan;
mod work;

pub use connections::{Connections, Key, Link};

/// Longest time that the end of all sessions may take once it was asked for, whatever hangs.
const LONGEST_STOP: Duration = Duration::from_secs(5);

/// What is attached, and how.
#[derive(Clone, Debug)]
pub struct AttachOptions {
    /// The socket that sessions send to.
    pub socket: PathBuf,
    /// Directories in which runsc keeps its state; the usual ones if none are given.
    pub roots: Option<Vec<PathBuf>>,
    /// The program to run where a sandbox's own cannot be; looked for in `PATH` if it is not given.
    pub runsc: Option<PathBuf>,
    /// Where the host's root is (`HOST_ROOT`): the usual directories and processes are below it.
    pub host_root: PathBuf,
    /// The system calls that sessions tell of, as portable ids.
    pub syscalls: Vec<u16>,
    /// Begin sessions in sandboxes that run without one of ours.
    pub attach: bool,
    /// Most sandboxes that are connected at a time.
    pub max_sandboxes: usize,
}

/// What the attacher tells.
#[derive(Debug)]
pub enum Outcome {
    /// The processes of a connection's sandbox.
    Processes {
        /// The connection.
        connection: Connection,
        /// When they were asked for, in nanoseconds since the epoch by this host's clock.
        taken_ns: u64,
        /// All of them.
        processes: Vec<Process>,
    },
    /// The processes of a connection's sandbox cannot be told.
    NoProcesses {
        /// The connection.
        connection: Connection,
        /// Why not.
        why: String,
    },
    /// What a container of a connection's sandbox is.
    Container {
        /// The connection.
        connection: Connection,
        /// Name, image, pod, users.
        told: Box<Told>,
    },
    /// Something for the log.
    Note(String),
}

/// Why a sandbox was not asked, or gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// runsc cannot be run or failed.
    #[error(transparent)]
    Runsc(RunscError),
    /// The sandbox has ended.
    #[error("sandbox {sandbox} has ended")]
    Gone {
        /// Its id.
        sandbox: String,
    },
}

/// Why there is no attacher.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttachError {
    /// No thread for it could be started.
    #[error("cannot start a thread for gVisor's sandboxes: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the consumer tells the thread that decides, and what that is told by those that work.
enum Request {
    Opened { connection: Connection, session: Option<(Key, connections::Wanted)> },
    Identified { connection: Connection, container: String },
    Processes { connection: Connection },
    Closed { sandbox: Key, after: Duration },
    Done { job: work::Job, result: Result<(), NoAnswer> },
    Stop { end: Instant },
    Quit,
}

/// Begins sessions, and asks about sandboxes. Dropping it leaves sessions as they are.
#[derive(Debug)]
pub struct Attacher {
    requests: Sender<Request>,
    outcomes: Mutex<Receiver<Outcome>>,
    connections: Connections,
    wanted: connections::Wanted,
    shared: Arc<Shared>,
    /// When it will have stopped, whatever happens.
    stops_by: Option<Instant>,
}

/// What the threads share with the consumer.
#[derive(Debug, Default)]
struct Shared {
    /// What runs is to be given up.
    cancelled: AtomicBool,
    /// So is the end of sessions.
    is_late: AtomicBool,
    /// All sessions were ended, or given up on.
    has_stopped: AtomicBool,
    /// The sandboxes as last seen.
    sandboxes: Mutex<Vec<Arc<Sandbox>>>,
}

impl Attacher {
    /// Begins to look for sandboxes, and sessions in those that run. `connections` is what is known
    /// of connections, also by the attacher before this one.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(options: AttachOptions, connections: Connections) -> Result<Self, AttachError> {
        let wanted =
            connections::Wanted::new(options.syscalls.iter().copied().collect::<BTreeSet<_>>());
        let roots = match &options.roots {
            Some(given) => Roots::given(given),
            None => Roots::usual(&options.host_root),
        };
        let tools = work::Tools {
            socket: options.socket,
            host_root: options.host_root,
            runsc: options.runsc,
            wanted: wanted.clone(),
            connections: connections.clone(),
            versions: Mutex::new(HashMap::new()),
        };
        let (requests, requested) = channel();
        let (tell, outcomes) = channel();
        let shared = Arc::new(Shared::default());
        let control = control::Control {
            scan: scan::Scan::new(roots),
            tools: Arc::new(tools),
            requests: requests.clone(),
            tell,
            shared: shared.clone(),
            attach: options.attach,
            max_sandboxes: options.max_sandboxes,
        };
        control::start(control, requested)?;
        let outcomes = Mutex::new(outcomes);
        Ok(Attacher { requests, outcomes, connections, wanted, shared, stops_by: None })
    }

    /// Hears of a connection, which the process `peer_pid` made. To be called for each that is
    /// opened, and after a reload for each that is open.
    pub fn opened(&self, connection: Connection, peer_pid: i32) -> Link {
        let session = self.connections.opened(connection, peer_pid, &self.wanted);
        let link = if session.is_some() { Link::Attached } else { Link::Unknown };
        self.request(Request::Opened { connection, session });
        link
    }

    /// Hears which container messages of a connection come from. To be called for the first, and for
    /// each other that appears. A connection that names too many at a time is not heard.
    pub fn identified(&self, connection: Connection, container: &str) {
        if self.connections.may_name(connection) {
            self.request(Request::Identified { connection, container: container.to_owned() });
        }
    }

    /// Asks for the processes of a connection's sandbox. The answer, [`Outcome::Processes`] or
    /// [`Outcome::NoProcesses`], was found after the call; calls that wait together have one answer.
    pub fn want_processes(&self, connection: Connection) {
        self.request(Request::Processes { connection });
    }

    /// Hears that a connection was closed.
    pub fn closed(&self, connection: Connection) {
        if let Some((sandbox, after)) = self.connections.closed(connection) {
            self.request(Request::Closed { sandbox, after });
        }
    }

    /// The next that was found; none if there is nothing yet.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).try_recv().ok()
    }

    /// The sandboxes of this host, as last seen, whether they are connected or not.
    pub fn sandboxes(&self) -> Vec<Arc<Sandbox>> {
        self.shared.sandboxes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins to end the sessions of all sandboxes that are connected, and gives up everything else.
    /// Takes at most `limit`, and never more than 5 s, until [`has_stopped`](Self::has_stopped).
    pub fn stop(&mut self, limit: Duration) {
        let end = Instant::now() + limit.min(LONGEST_STOP);
        if self.stops_by.is_none() {
            self.stops_by = Some(end);
            self.request(Request::Stop { end });
        }
    }

    /// Whether all sessions were ended after [`stop`](Self::stop), or its time is over.
    pub fn has_stopped(&self) -> bool {
        self.shared.has_stopped.load(Ordering::Relaxed)
            || self.stops_by.is_some_and(|end| Instant::now() >= end)
    }

    fn request(&self, request: Request) {
        // There is nobody to hear it only if the thread is gone, and then nothing can be done.
        let _ = self.requests.send(request);
    }
}

impl Drop for Attacher {
    fn drop(&mut self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
        self.request(Request::Quit);
    }
}
