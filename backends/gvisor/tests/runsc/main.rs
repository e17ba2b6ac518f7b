//! runsc itself, asked and told, in the builds of Debian: sandboxes run, are attached and let go.
#![allow(clippy::unwrap_used)]

#[path = "../../../../sensor/tests/gvisor/builds.rs"]
mod builds;
mod sandbox;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use builds::Build;
use falco_event::Syscall;
use falco_gvisor::attach::{AttachOptions, Attacher, Connections, Link, Outcome};
use falco_gvisor::points::{self, Version};
use falco_gvisor::receiver::{Connection, Consumer, Receiver, ReceiverOptions, Taken};
use falco_gvisor::runsc::{Process, Roots, Runsc, Sandbox, roots, state};
use rustix::process::{Pid, Signal, kill_process};
use sandbox::{Sandboxes, wait_for};

/// A program that goes on, with an open file and a child.
const BUSY: &str = "exec 7</etc/passwd; while true; do cat /etc/passwd >/dev/null; sleep 0.2; done";
/// A program that does nothing any more.
const QUIET: &str = "exec 7</etc/passwd; sleep 1000; true";

/// The builds that run here; those that do not are told loudly.
fn builds() -> Vec<(&'static str, Build)> {
    let no = |what: &str, why: &str| {
        let _ = writeln!(std::io::stderr(), "IGNORED: {what} because {why}");
    };
    if std::env::var_os("FALCO_LIVE_TESTS").is_some_and(|value| value == "off") {
        no("runsc", "FALCO_LIVE_TESTS=off");
        return Vec::new();
    }
    if !rustix::process::geteuid().is_root() || !Path::new("/bin/busybox").exists() {
        no("runsc", "it needs root and busybox");
        return Vec::new();
    }
    let build = |name| Some((name, Build::get(name).inspect_err(|why| no(name, why)).ok()?));
    ["2022-ptrace", "2024-ptrace", "2024-systrap"].into_iter().filter_map(build).collect()
}

fn ids(names: &[&str]) -> Vec<u16> {
    names.iter().map(|name| Syscall::by_name(name).unwrap().id).collect()
}

fn named<'a>(processes: &'a [Process], comm: &str) -> Option<&'a Process> {
    processes.iter().find(|process| process.comm == comm)
}

#[test]
fn what_runsc_says_is_what_runs() {
    for (_, build) in builds() {
        let mut sandboxes = Sandboxes::new(&build);
        sandboxes.start("box", None, QUIET);
        let (state_root, id) = (sandboxes.state(), sandboxes.id("box"));
        let goes_on = AtomicBool::new(false);

        // The state files.
        let files = roots::state_files(&state_root);
        let containers = files.iter().map(|(name, path)| state::read(name, path).unwrap().into());
        let found = Sandbox::together(&state_root, containers);
        assert_eq!(found.len(), 1);
        assert!(found[0].is_running, "{found:?}");
        assert_eq!((found[0].id.as_str(), found[0].pid), (id.as_str(), sandboxes.pid("box")));

        // The program, as the sandbox runs it.
        let runsc = Runsc::of_sandbox(Path::new("/proc"), found[0].pid, &id).unwrap();
        let real = build.program.canonicalize().unwrap_or_else(|_| "/usr/bin/runsc".into());
        assert_eq!(runsc.path(), real);
        assert!(Runsc::of_sandbox(Path::new("/proc"), found[0].pid, "other").is_err());
        let version = runsc.version(&goes_on).unwrap();
        let points = runsc.points(&goes_on).unwrap();
        assert!(points.len() > 900, "{}", points.len());
        assert_eq!(Version::having(&points), Version::numbered(&version));

        // Lists.
        let listed = runsc.list(&state_root, &goes_on).unwrap();
        assert_eq!((listed[0].id.as_str(), listed[0].status.as_str()), (id.as_str(), "running"));
        assert_eq!(listed[0].pid, found[0].pid);
        assert_eq!(runsc.list(Path::new("/nowhere"), &goes_on).unwrap(), []);
        assert_eq!(runsc.trace_list(&state_root, &id, &goes_on).unwrap(), []);
        let error = runsc.trace_list(&state_root, "nobody", &goes_on).unwrap_err().to_string();
        assert!(error.contains("trace list nobody: ") && error.contains("128"), "{error}");

        // Processes.
        let processes = wait_for("sleep", || {
            let found = runsc.procfs(&state_root, &id, &goes_on).unwrap();
            named(&found.processes, "sleep").map(|_| found.clone())
        });
        assert_eq!((processes.refused, processes.shortened, processes.processes.len()), (0, 0, 2));
        let (sh, sleep) = (
            named(&processes.processes, "sh").unwrap(),
            named(&processes.processes, "sleep").unwrap(),
        );
        assert_eq!(sh.args, ["/bin/sh", "-c", QUIET]);
        assert_eq!(
            (sh.pid, sh.ppid, sh.exe.as_str(), sh.cwd.as_str()),
            (1, 0, "/bin/busybox", "/tmp")
        );
        assert_eq!((sleep.ppid, sleep.args.join(" ")), (1, "sleep 1000".to_owned()));
        assert!(sh.env.contains(&"MARK=here".to_owned()), "{:?}", sh.env);
        let fd = sh.fds.iter().find(|fd| fd.number == 7).unwrap();
        assert_eq!((fd.path.as_str(), fd.mode & 0o170_000), ("/etc/passwd", 0o100_000));
        assert!(sh.started_ns > 1_600_000_000_000_000_000 && sh.fd_limit > 0 && sh.vm_rss_kib > 0);
        let mut pids = runsc.ps(&state_root, &id, &goes_on).unwrap();
        pids.sort_unstable();
        assert_eq!(pids, [sh.pid, sleep.pid]);
    }
}

/// A receiver and an attacher, as a source has them.
struct Watch {
    receiver: Receiver,
    consumer: Consumer,
    attacher: Attacher,
    open: BTreeMap<Connection, Link>,
    records: BTreeMap<Connection, usize>,
    closed: Vec<Connection>,
    processes: Vec<(Connection, Vec<Process>)>,
    failed: Vec<String>,
    containers: Vec<Connection>,
    notes: Vec<String>,
}

fn options(sandboxes: &Sandboxes, calls: &[&str]) -> AttachOptions {
    AttachOptions {
        socket: sandboxes.directory().join("socket"),
        roots: Some(vec![sandboxes.state()]),
        runsc: None,
        host_root: "/".into(),
        syscalls: ids(calls),
        attach: true,
        max_sandboxes: 100,
    }
}

impl Watch {
    fn new(options: AttachOptions, connections: &Connections, receiver: Option<Receiver>) -> Self {
        let receiver = receiver
            .unwrap_or_else(|| Receiver::bind(&ReceiverOptions::new(&options.socket)).unwrap());
        let consumer = receiver.consumer().unwrap();
        let attacher = Attacher::start(options, connections.clone()).unwrap();
        Watch {
            receiver,
            consumer,
            attacher,
            open: BTreeMap::new(),
            records: BTreeMap::new(),
            closed: Vec::new(),
            processes: Vec::new(),
            failed: Vec::new(),
            containers: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Hears what happens until `until` is content.
    #[track_caller]
    fn until(&mut self, what: &str, until: impl Fn(&Watch) -> bool) {
        let begin = Instant::now();
        while !until(self) {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{what} does not come: {:?}",
                self.notes
            );
            self.hear();
        }
    }

    fn hear(&mut self) {
        match self.consumer.take(Duration::from_millis(20)).unwrap() {
            Some(Taken::Opened { connection, peer }) => {
                let link = self.attacher.opened(connection, peer.pid);
                self.open.insert(connection, link);
            }
            Some(Taken::Records(batch)) => {
                *self.records.entry(batch.connection()).or_default() += batch.len();
                self.consumer.recycle(batch);
            }
            Some(Taken::Closed { connection, .. }) => {
                self.attacher.closed(connection);
                self.open.remove(&connection);
                self.closed.push(connection);
            }
            None => {}
        }
        while let Some(outcome) = self.attacher.outcome() {
            match outcome {
                Outcome::Processes { connection, processes, taken_ns } => {
                    assert!(taken_ns > 1_600_000_000_000_000_000);
                    self.processes.push((connection, processes));
                }
                Outcome::NoProcesses { why, .. } => self.failed.push(why),
                Outcome::Container { connection, .. } => self.containers.push(connection),
                Outcome::Note(note) => self.notes.push(note),
            }
        }
    }

    fn stop(&mut self) -> Duration {
        let begin = Instant::now();
        self.attacher.stop(Duration::from_secs(5));
        while !self.attacher.has_stopped() {
            self.hear();
        }
        begin.elapsed()
    }
}

#[test]
fn a_running_sandbox_is_attached_asked_and_let_go() {
    for (name, build) in builds() {
        let mut sandboxes = Sandboxes::new(&build);
        sandboxes.start("box", None, BUSY);
        let connections = Connections::new();
        let mut watch = Watch::new(options(&sandboxes, &["openat"]), &connections, None);
        let begin = Instant::now();
        watch.until("the session", |watch| {
            !watch.processes.is_empty() && watch.records.values().any(|&records| records > 3)
        });
        eprintln!("{}: attached after {:?}", name, begin.elapsed());
        let (&connection, &link) = watch.open.first_key_value().unwrap();
        assert_eq!((watch.open.len(), link), (1, Link::Attached));
        let id = sandboxes.id("box");
        assert_eq!(connections.sandbox(connection), Some((sandboxes.state(), id.clone())));
        assert_eq!(
            (watch.processes[0].0, watch.containers.as_slice()),
            (connection, &[connection][..])
        );
        let sh = named(&watch.processes[0].1, "sh").unwrap();
        assert_eq!((sh.pid, sh.container_id.as_deref()), (1, Some(id.as_str())));
        // Asked again, it answers again.
        watch.attacher.want_processes(connection);
        watch.until("the second answer", |watch| watch.processes.len() == 2);

        // Somebody else ends the session; it is begun anew, but not at once.
        let root = sandboxes.state();
        let goes_on = AtomicBool::new(false);
        let runsc = Runsc::at(&build.program);
        assert_eq!(runsc.trace_list(&root, &id, &goes_on).unwrap().len(), 1);
        runsc.trace_delete(&root, &id, &goes_on).unwrap();
        watch.until("the end", |watch| watch.closed == [connection]);
        let begin = Instant::now();
        watch.until("a new session", |watch| watch.processes.len() == 3);
        assert!(begin.elapsed() > Duration::from_secs(2));

        let took = watch.stop();
        eprintln!("{}: let go after {took:?}", name);
        watch.until("the end", |watch| watch.open.is_empty());
        assert_eq!(runsc.trace_list(&root, &id, &goes_on).unwrap(), []);
        assert_eq!((watch.notes.len(), watch.failed.len()), (1, 0), "{:?}", watch.notes);
        assert!(watch.notes[0].contains("somebody else ended its session"), "{:?}", watch.notes);
        assert_eq!(runsc.list(&root, &goes_on).unwrap()[0].status, "running");
    }
}

#[test]
fn after_a_reload_what_is_known_stays_known_and_more_calls_begin_a_new_session() {
    for (_, build) in builds() {
        let mut sandboxes = Sandboxes::new(&build);
        sandboxes.start("box", None, QUIET);
        let connections = Connections::new();
        let first = options(&sandboxes, &["openat", "connect"]);
        let mut watch = Watch::new(first, &connections, None);
        watch.until("the session", |watch| watch.processes.len() == 1);
        let (&connection, _) = watch.open.first_key_value().unwrap();
        let receiver = watch.receiver.clone();
        drop(watch);

        // Less is wanted: the session stays, though it has not said a word.
        let mut watch =
            Watch::new(options(&sandboxes, &["openat"]), &connections, Some(receiver.clone()));
        watch.until("the processes", |watch| watch.processes.len() == 1);
        assert_eq!(watch.open, BTreeMap::from([(connection, Link::Attached)]));
        drop(watch);

        // More is wanted.
        let more = options(&sandboxes, &["openat", "bind"]);
        let mut watch = Watch::new(more, &connections, Some(receiver));
        watch.until("a new session", |watch| {
            watch.closed == [connection] && watch.processes.len() == 1
        });
        assert_eq!(watch.open.len(), 1);
        assert_ne!(watch.processes[0].0, connection);
        watch.stop();
    }
}

#[test]
fn the_processes_of_a_pod_know_their_containers() {
    for (_, build) in builds() {
        let mut sandboxes = Sandboxes::new(&build);
        let socket = sandboxes.directory().join("socket");
        let config = sandboxes.directory().join("pod.json");
        let session = points::session(&ids(&["openat"]), Version::V2022, &socket);
        std::fs::write(&config, session.to_string()).unwrap();
        sandboxes.pod_init = Some(config);
        let connections = Connections::new();
        // Directory and processes are found below the root of the host.
        let mut of_host = options(&sandboxes, &["openat"]);
        (of_host.roots, of_host.host_root) = (None, sandboxes.directory().to_owned());
        let mut watch = Watch::new(of_host, &connections, None);
        sandboxes.start("pod", Some("pod"), "sleep 1000; true");
        sandboxes.start("web", Some("pod"), "sleep 2000; true");
        watch.until("the connection", |watch| watch.records.values().any(|&records| records > 0));
        let (&connection, &link) = watch.open.first_key_value().unwrap();
        assert_eq!(link, Link::Unknown);
        assert_eq!(connections.sandbox(connection), None);
        watch.attacher.want_processes(connection);
        watch.until("the refusal", |watch| !watch.failed.is_empty());
        watch.attacher.identified(connection, &sandboxes.id("web"));
        watch.until("the container", |watch| watch.containers == [connection]);
        assert_eq!(connections.sandbox(connection), Some((sandboxes.state(), sandboxes.id("pod"))));
        watch.attacher.identified(connection, &sandboxes.id("pod"));
        watch.attacher.identified(connection, "nobody");
        watch.until("the containers", |watch| watch.containers.len() == 2);
        let sleeps = |processes: &[Process]| {
            let of = |time: &str| {
                let found = processes.iter().find(|process| process.args == ["sleep", time]);
                Some(found?.container_id.clone().unwrap_or_default())
            };
            of("1000").zip(of("2000"))
        };
        watch.attacher.want_processes(connection);
        watch.until("the processes", |watch| watch.processes.len() == 1);
        let (of_pod, of_web) = sleeps(&watch.processes[0].1).unwrap();
        assert_eq!((of_pod, of_web), (sandboxes.id("pod"), sandboxes.id("web")));

        // It has a session: it is not attached, however long it lasts.
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            watch.hear();
        }
        assert_eq!((watch.open.len(), watch.closed.len()), (1, 0));
        sandboxes.kill("web");
        sandboxes.kill("pod");
        watch.until("the end", |watch| watch.open.is_empty());
        assert_eq!(watch.notes, [""; 0]);
    }
}

#[test]
fn a_sandbox_that_hangs_keeps_nobody_waiting() {
    for (_, build) in builds() {
        let mut sandboxes = Sandboxes::new(&build);
        sandboxes.start("hangs", None, QUIET);
        let pid = Pid::from_raw(sandboxes.pid("hangs")).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        let connections = Connections::new();
        let mut watch = Watch::new(options(&sandboxes, &["openat"]), &connections, None);
        sandboxes.start("works", None, BUSY);
        watch.until("the session of the other", |watch| watch.processes.len() == 1);
        let took = watch.stop();
        kill_process(pid, Signal::CONT).unwrap();
        // Its own end cannot come, and that of the other came none the later.
        assert!(took < Duration::from_millis(5200), "{took:?}");
        let goes_on = AtomicBool::new(false);
        let runsc = Runsc::at(&build.program);
        assert_eq!(
            runsc.trace_list(&sandboxes.state(), &sandboxes.id("works"), &goes_on).unwrap(),
            []
        );
    }
}

#[test]
fn a_session_that_cannot_be_begun_is_told_once() {
    for (_, build) in builds().into_iter().take(1) {
        let mut sandboxes = Sandboxes::new(&build);
        sandboxes.start("box", None, QUIET);
        let mut options = options(&sandboxes, &["openat"]);
        let connections = Connections::new();
        let receiver = Receiver::bind(&ReceiverOptions::new(&options.socket)).unwrap();
        // Nobody listens there.
        options.socket = sandboxes.directory().join("nothing");
        let mut watch = Watch::new(options, &connections, Some(receiver));
        watch.until("the note", |watch| !watch.notes.is_empty());
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(8) {
            watch.hear();
        }
        assert_eq!(watch.notes.len(), 1, "{:?}", watch.notes);
        assert!(
            watch.notes[0]
                .starts_with(&format!("gVisor sandbox {}: cannot be watched", sandboxes.id("box"))),
            "{:?}",
            watch.notes
        );
        assert!(Roots::given(&[sandboxes.state()]).directories().len() == 1);
    }
}
