//! The thread that decides what is done, and those that do it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::connections::Key;
use super::scan::Scan;
use super::work::{Job, Tools};
use super::{NoAnswer, Outcome, Request, Shared};
use crate::receiver::Connection;
use crate::runsc::Sandbox;
use crate::runsc::cli::is_sandbox;

/// Time between two looks at runsc's directories.
const LOOK: Duration = Duration::from_secs(2);
/// Threads that run runsc.
const WORKERS: usize = 4;
/// Most jobs that wait.
const MAX_WAITING: usize = 1 << 16;
/// How long a sandbox is left alone after the first failure; it doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// How long it is left alone at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A session that ended after less than this, in a sandbox that goes on, counts as failed: somebody
/// else may want it as much as we do.
const SHORT: Duration = Duration::from_secs(600);

/// How long before sessions must have ended those that have not are given up.
const GRACE: Duration = Duration::from_millis(500);

/// What the thread that decides begins with.
pub(super) struct Control {
    pub scan: Scan,
    pub tools: Arc<Tools>,
    pub requests: Sender<Request>,
    pub tell: Sender<Outcome>,
    pub shared: Arc<Shared>,
    pub attach: bool,
    pub max_sandboxes: usize,
}

/// Starts the threads.
pub(super) fn start(control: Control, requests: Receiver<Request>) -> io::Result<()> {
    let jobs = Arc::new(Jobs::default());
    for _ in 0..WORKERS {
        let worker = Worker {
            jobs: jobs.clone(),
            tools: control.tools.clone(),
            done: control.requests.clone(),
            tell: control.tell.clone(),
            shared: control.shared.clone(),
        };
        let name = "gvisor-runsc".to_owned();
        let started = thread::Builder::new().name(name).spawn(move || worker.run());
        if let Err(error) = started {
            jobs.close();
            return Err(error);
        }
    }
    let decider = Decider {
        control,
        jobs: jobs.clone(),
        busy: HashSet::new(),
        waiting: VecDeque::new(),
        failures: HashMap::new(),
        seen: HashSet::new(),
        sandboxes: Vec::new(),
        stop: None,
        is_full: false,
    };
    let name = "gvisor-attach".to_owned();
    let started = thread::Builder::new().name(name).spawn(move || decider.run(&requests));
    started.map(drop).inspect_err(|_| jobs.close())
}

/// Jobs on their way to those that do them.
#[derive(Default)]
struct Jobs {
    queue: Mutex<(VecDeque<Job>, bool)>,
    changed: Condvar,
}

impl Jobs {
    fn push(&self, job: Job) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).0.push_back(job);
        self.changed.notify_one();
    }

    /// Takes back the jobs that nobody has begun.
    fn clear(&self) -> Vec<Job> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).0.drain(..).collect()
    }

    /// No more jobs: those that do them end.
    fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }

    /// The next one; none if there will be no more.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if queue.1 {
                return None;
            }
            if let Some(job) = queue.0.pop_front() {
                return Some(job);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Worker {
    jobs: Arc<Jobs>,
    tools: Arc<Tools>,
    done: Sender<Request>,
    tell: Sender<Outcome>,
    shared: Arc<Shared>,
}

impl Worker {
    fn run(self) {
        while let Some(job) = self.jobs.next() {
            let tell = |outcome| drop(self.tell.send(outcome));
            let cancelled = match job {
                // The end of sessions is what everything else is given up for.
                Job::Detach(_) => &self.shared.is_late,
                _ => &self.shared.cancelled,
            };
            let result = self.tools.work(&job, cancelled, &tell);
            if self.done.send(Request::Done { job, result }).is_err() {
                break;
            }
        }
    }
}

/// What has become of a sandbox that could not be attached, or did not stay so.
struct Failure {
    times: u32,
    again: Instant,
    /// What was said of it; empty if all is well again.
    told: String,
}

/// The end of all sessions.
#[derive(Clone, Copy)]
struct Stop {
    /// When it must be over.
    end: Instant,
    /// Sessions that have not ended.
    left: usize,
    /// What has not ended yet is being given up.
    is_late: bool,
}

impl Stop {
    /// When something has to be done.
    fn next(&self) -> Instant {
        if self.is_late { self.end } else { self.end.checked_sub(GRACE).unwrap_or(self.end) }
    }
}

struct Decider {
    control: Control,
    jobs: Arc<Jobs>,
    /// Sandboxes for which runsc runs.
    busy: HashSet<Key>,
    /// Jobs that wait until it does not any more.
    waiting: VecDeque<Job>,
    failures: HashMap<Key, Failure>,
    /// Sandboxes that ran without a connection at the last look.
    seen: HashSet<Key>,
    /// All of them.
    sandboxes: Vec<Arc<Sandbox>>,
    /// Sessions are being ended.
    stop: Option<Stop>,
    /// It was said that there are too many sandboxes.
    is_full: bool,
}

impl Decider {
    fn run(mut self, requests: &Receiver<Request>) {
        // What runs already when we begin is attached at once.
        self.look();
        self.seen = self.unconnected().iter().map(|sandbox| Key::of(sandbox)).collect();
        self.attach_lasting();
        let mut next_look = Instant::now() + LOOK;
        loop {
            let now = Instant::now();
            let until = self.stop.map_or(next_look, |stop| stop.next());
            match requests.recv_timeout(until.saturating_duration_since(now)) {
                Ok(Request::Quit) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(request) => self.hear(request),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(stop) = &mut self.stop {
                let shared = &self.control.shared;
                if stop.left == 0 || Instant::now() >= stop.end {
                    shared.has_stopped.store(true, Ordering::Relaxed);
                    break;
                }
                if Instant::now() >= stop.next() {
                    stop.is_late = true;
                    shared.is_late.store(true, Ordering::Relaxed);
                }
            } else if Instant::now() >= next_look {
                // Else it is looked when somebody asks.
                if self.control.attach {
                    self.look();
                    self.attach_lasting();
                }
                next_look = Instant::now() + LOOK;
            }
        }
        self.jobs.close();
    }

    fn hear(&mut self, request: Request) {
        if let Some(stop) = &mut self.stop {
            // Nothing else counts any more.
            if let Request::Done { job, .. } = request {
                stop.left -= usize::from(matches!(job, Job::Detach(_)) && stop.left > 0);
                self.free(&job);
            }
            return;
        }
        match request {
            Request::Opened { connection, session } => {
                let Some((key, wanted)) = session else { return };
                // It may tell of less than what is wanted since a reload.
                let is_enough = self.control.tools.wanted.is_subset(&wanted);
                match self.sandbox(&key) {
                    Some(sandbox) if self.control.attach && !is_enough => {
                        self.give(Job::Attach(sandbox));
                    }
                    Some(_) => self.ask_processes(connection),
                    None => self.no_processes(connection, "its sandbox has ended"),
                }
            }
            Request::Identified { connection, container } => self.identify(connection, &container),
            Request::Processes { connection } => self.ask_processes(connection),
            Request::Closed { sandbox, after } => self.closed(sandbox, after),
            Request::Done { job, result } => self.done(&job, result),
            Request::Stop { end } => self.begin_stop(end),
            Request::Quit => {}
        }
    }

    /// Looks which sandboxes there are.
    fn look(&mut self) {
        self.sandboxes = self.control.scan.look();
        let keys: HashSet<Key> = self.sandboxes.iter().map(|sandbox| Key::of(sandbox)).collect();
        self.failures.retain(|key, _| keys.contains(key));
        let shared = &self.control.shared.sandboxes;
        *shared.lock().unwrap_or_else(PoisonError::into_inner) = self.sandboxes.clone();
    }

    /// The sandboxes that run and send nothing to us.
    fn unconnected(&self) -> Vec<Arc<Sandbox>> {
        let connected = self.control.tools.connections.sandboxes();
        let proc = self.control.tools.host_root.join("proc");
        let runs = |sandbox: &Sandbox| {
            // State files can be of a sandbox that is long dead.
            sandbox.is_running && is_sandbox(&proc, sandbox.pid, &sandbox.id)
        };
        let without =
            |sandbox: &&Arc<Sandbox>| !connected.contains(&Key::of(sandbox)) && runs(sandbox);
        self.sandboxes.iter().filter(without).cloned().collect()
    }

    /// Begins sessions in sandboxes that ran without one at the last look already. One that has just
    /// begun may have a session of which we have not heard yet.
    fn attach_lasting(&mut self) {
        if !self.control.attach {
            return;
        }
        let unconnected = self.unconnected();
        let now = Instant::now();
        let mut room =
            self.control.max_sandboxes.saturating_sub(self.control.tools.connections.len());
        for sandbox in &unconnected {
            let key = Key::of(sandbox);
            let pauses = self.failures.get(&key).is_some_and(|failure| now < failure.again);
            if !self.seen.contains(&key) || self.busy.contains(&key) || pauses {
                continue;
            }
            if room == 0 {
                if !std::mem::replace(&mut self.is_full, true) {
                    self.note(format!(
                        "gVisor: no more than {} sandboxes are watched at a time",
                        self.control.max_sandboxes
                    ));
                }
                break;
            }
            room -= 1;
            if self.failures.get(&key).is_some_and(|failure| failure.told.is_empty()) {
                self.note(format!(
                    "gVisor sandbox {}: somebody else ended its session; another one is begun",
                    sandbox.id
                ));
            }
            self.give(Job::Attach(sandbox.clone()));
        }
        self.seen = unconnected.iter().map(|sandbox| Key::of(sandbox)).collect();
    }

    fn identify(&mut self, connection: Connection, container: &str) {
        let connections = &self.control.tools.connections;
        let known = connections.key(connection);
        let holds = |sandbox: &&Arc<Sandbox>| {
            let is_its = known.as_ref().is_none_or(|key| *key == Key::of(sandbox));
            is_its && sandbox.containers.iter().any(|of| of.id == container)
        };
        let mut found = self.sandboxes.iter().find(holds).cloned();
        if found.is_none() {
            self.look();
            found = self.sandboxes.iter().find(holds).cloned();
        }
        // What says so is the sandbox itself: it could name a container of another one. That one's
        // connection was there before, or will be found to be another.
        let Some(sandbox) = found else { return };
        let key = Key::of(&sandbox);
        if known.is_none() {
            if self.control.tools.connections.sandboxes().contains(&key) {
                return;
            }
            self.control.tools.connections.identified(connection, key);
        }
        let container = sandbox.containers.iter().find(|of| of.id == container).cloned();
        if let Some(container) = container {
            self.give(Job::Container(connection, container));
        }
    }

    fn ask_processes(&mut self, connection: Connection) {
        let Some(key) = self.control.tools.connections.key(connection) else {
            return self.no_processes(connection, "its sandbox is not known");
        };
        match self.sandbox(&key) {
            Some(sandbox) => self.give(Job::Processes(connection, sandbox)),
            None => self.no_processes(connection, "its sandbox has ended"),
        }
    }

    fn closed(&mut self, key: Key, after: Duration) {
        self.is_full = false;
        let lives = self.sandbox(&key).is_some_and(|sandbox| {
            let proc = self.control.tools.host_root.join("proc");
            is_sandbox(&proc, sandbox.pid, &sandbox.id)
        });
        if after >= SHORT {
            self.failures.remove(&key);
        } else if lives && !self.busy.contains(&key) {
            // If it is about to end, this is forgotten soon.
            self.fail(key, None);
        }
    }

    fn done(&mut self, job: &Job, result: Result<(), NoAnswer>) {
        if let Job::Attach(sandbox) = job {
            let key = Key::of(sandbox);
            match result {
                // How often it failed is remembered: it may not last.
                Ok(()) => {
                    let told = self.failures.get_mut(&key).map(|failure| &mut failure.told);
                    if told.is_some_and(|told| !std::mem::take(told).is_empty()) {
                        self.note(format!("gVisor sandbox {}: is watched now", sandbox.id));
                    }
                }
                Err(error) => {
                    self.control.tools.connections.failed(&key);
                    if !matches!(error, NoAnswer::Gone { .. }) {
                        self.fail(key, Some(error.to_string()));
                    }
                }
            }
        }
        self.free(job);
    }

    /// Lets whoever waited for the sandbox of this job have it.
    fn free(&mut self, job: &Job) {
        let Some(sandbox) = job.sandbox() else { return };
        let key = Key::of(sandbox);
        self.busy.remove(&key);
        if let Some(at) = self.waiting.iter().position(|job| job.is_for(&key))
            && let Some(job) = self.waiting.remove(at)
        {
            self.give(job);
        }
    }

    /// Leaves a sandbox alone for a while.
    fn fail(&mut self, key: Key, why: Option<String>) {
        let now = Instant::now();
        let failure = self.failures.entry(key.clone()).or_insert(Failure {
            times: 0,
            again: now,
            told: String::new(),
        });
        let pause = FIRST_PAUSE.saturating_mul(1 << failure.times.min(10)).min(LONGEST_PAUSE);
        failure.times = failure.times.saturating_add(1);
        failure.again = now + pause;
        // Once for each reason: it may be tried for days.
        if let Some(why) = why.filter(|why| *why != failure.told) {
            let note = format!(
                "gVisor sandbox {}: cannot be watched, and is tried again from time to time: {why}",
                key.id
            );
            failure.told = why;
            self.note(note);
        }
    }

    /// Has a job done, now or when nothing runs for its sandbox any more.
    fn give(&mut self, job: Job) {
        if let Some(sandbox) = job.sandbox() {
            let key = Key::of(sandbox);
            if self.busy.contains(&key) {
                if self.waiting.len() >= MAX_WAITING {
                    return self.give_up(&job);
                }
                // The same twice would find the same.
                if !self.waiting.contains(&job) {
                    self.waiting.push_back(job);
                }
                return;
            }
            self.busy.insert(key);
        }
        self.jobs.push(job);
    }

    fn give_up(&self, job: &Job) {
        if let Job::Processes(connection, _) = job {
            self.no_processes(*connection, "too much is asked");
        }
    }

    fn begin_stop(&mut self, end: Instant) {
        // In those for which runsc runs, a session may just have begun.
        let mut concerned = self.control.tools.connections.sandboxes();
        concerned.extend(self.busy.iter().cloned());
        self.look();
        self.waiting.clear();
        for job in self.jobs.clear() {
            self.free(&job);
        }
        self.control.shared.cancelled.store(true, Ordering::Relaxed);
        let is_concerned = |sandbox: &&Arc<Sandbox>| concerned.contains(&Key::of(sandbox));
        let sandboxes: Vec<_> = self.sandboxes.iter().filter(is_concerned).cloned().collect();
        self.stop = Some(Stop { end, left: sandboxes.len(), is_late: false });
        for sandbox in sandboxes {
            self.give(Job::Detach(sandbox));
        }
    }

    /// A sandbox, if it is there.
    fn sandbox(&mut self, key: &Key) -> Option<Arc<Sandbox>> {
        let found = |sandboxes: &[Arc<Sandbox>]| {
            sandboxes.iter().find(|sandbox| Key::of(sandbox) == *key).cloned()
        };
        found(&self.sandboxes).or_else(|| {
            self.look();
            found(&self.sandboxes)
        })
    }

    fn no_processes(&self, connection: Connection, why: &str) {
        let _ = self.control.tell.send(Outcome::NoProcesses { connection, why: why.to_owned() });
    }

    fn note(&self, note: String) {
        let _ = self.control.tell.send(Outcome::Note(note));
    }
}

impl Job {
    fn is_for(&self, key: &Key) -> bool {
        self.sandbox().is_some_and(|sandbox| Key::of(sandbox) == *key)
    }
}
