//! Runs programs traced, and notes what the tracer tells of them.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, ExitStatus};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use falco_ptrace::memory::Memory;
use falco_ptrace::plan::{Check, Plan};
use falco_ptrace::stop::{Birth, End, Exec, Hooks, Signal, Stop, Until};
use falco_ptrace::tracer::{Settings, Taken, Tree};
use falco_ptrace::{Command, OnDeath};
use falco_source::events::Events;

/// No test takes longer.
const LONGEST: Duration = Duration::from_secs(120);

/// What was told.
#[derive(Clone, Debug)]
pub enum Told {
    Attached(i64),
    /// With the path that the second argument points at, if the call has one there.
    Enter(Stop, Option<String>),
    Exit(Stop),
    Born(Birth),
    Executed(Exec),
    Ended(End),
    Signalled(Signal),
}

/// Notes everything.
#[derive(Clone, Default)]
pub struct Recorder {
    told: Arc<Mutex<Vec<Told>>>,
    is_brief: bool,
}

impl Recorder {
    /// Notes nothing of calls.
    pub fn brief() -> Self {
        Recorder { is_brief: true, ..Recorder::default() }
    }

    fn note(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }

    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
}

impl Hooks for Recorder {
    fn attached(&mut self, tid: i64, _: i64, _: &mut Events) {
        self.note(Told::Attached(tid));
    }

    fn enter(&mut self, stop: &Stop, memory: &Memory, _: &mut Events) -> Until {
        if self.is_brief {
            return Until::Exit;
        }
        let path = match stop.number {
            Some(257) => Some(stop.args[1]),
            Some(2) => Some(stop.args[0]),
            _ => None,
        };
        let mut text = Vec::new();
        let path = path.and_then(|at| memory.text(at, 4096, &mut text));
        self.note(Told::Enter(*stop, path.map(|_| String::from_utf8_lossy(&text).into_owned())));
        Until::Exit
    }

    fn exit(&mut self, stop: &Stop, _: &Memory, _: &mut Events) {
        if !self.is_brief {
            self.note(Told::Exit(*stop));
        }
    }

    fn born(&mut self, birth: &Birth, _: &Memory, _: &mut Events) {
        self.note(Told::Born(*birth));
    }

    fn executed(&mut self, exec: &Exec, _: &Memory, _: &mut Events) {
        self.note(Told::Executed(*exec));
    }

    fn ended(&mut self, end: &End, _: &mut Events) {
        self.note(Told::Ended(*end));
    }

    fn wants_signals(&self) -> bool {
        true
    }

    fn signalled(&mut self, signal: &Signal, _: &mut Events) {
        self.note(Told::Signalled(*signal));
    }
}

/// How to trace, by default: with a filter, and nothing outlives the tracer.
pub const SETTINGS: Settings = Settings {
    on_death: OnDeath::Kill,
    seccomp: true,
    no_new_privs: true,
    pin: true,
    queue_bytes: 1 << 20,
};

/// Every way to trace a command.
pub const WAYS: [Settings; 3] = [
    SETTINGS,
    Settings { pin: false, ..SETTINGS },
    // No filter: every call stops.
    Settings { on_death: OnDeath::Free, seccomp: false, ..SETTINGS },
];

/// The calls that open and close files stop, and those that execute.
pub fn plan() -> Plan {
    plan_of(&["open", "openat", "close", "execve"])
}

pub fn plan_of(calls: &[&str]) -> Plan {
    let mut plan = Plan::new();
    for call in calls {
        assert!(plan.stop_name(call, Check::always()), "{call}");
    }
    plan
}

/// Where copies of this program find the actor.
pub const ACTOR_IS: &str = "FALCO_PTRACE_TEST_ACTOR";

/// The program of `actor.c`.
pub fn actor() -> &'static Path {
    static ACTOR: OnceLock<PathBuf> = OnceLock::new();
    ACTOR.get_or_init(|| {
        if let Some(made) = std::env::var_os(ACTOR_IS) {
            return made.into();
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tracer/actor.c");
        // Processes outlive the test that made them, so the program stays where cargo puts such things.
        let to = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("tracer-actor-{}", std::process::id()));
        let mut cc = Program::new("cc");
        cc.args(["-O1", "-Wall", "-Wno-return-type", "-pthread", "-o"]).arg(&to).arg(&source);
        assert!(cc.status().expect("a C compiler").success());
        to
    })
}

/// `actor` with its arguments.
pub fn deed(args: &[&str]) -> Vec<OsString> {
    let args = args.iter().map(OsString::from);
    std::iter::once(actor().as_os_str().to_owned()).chain(args).collect()
}

/// A traced run that has ended.
pub struct Run {
    pub status: ExitStatus,
    pub told: Vec<Told>,
}

/// Runs a command to its end.
pub fn trace(argv: &[OsString], settings: Settings, plan: Plan, recorder: Recorder) -> Run {
    let command = Command::new(argv).unwrap();
    let tree = Tree::spawn(&command, settings, plan, recorder.clone()).unwrap();
    tree.begin().unwrap();
    wait(&tree);
    let status = ExitStatus::from_raw(tree.status().unwrap());
    Run { status, told: recorder.told() }
}

/// Waits until nothing is traced any more.
pub fn wait(tree: &Tree) {
    let (begun, mut events) = (Instant::now(), Events::new());
    while tree.take(&mut events, Duration::from_millis(100)) != Taken::End {
        if begun.elapsed() > LONGEST {
            tree.control().kill_tree();
            panic!("still traced after {LONGEST:?}");
        }
    }
}

/// What a command prints, and how it ends, untraced.
pub fn untraced(argv: &[OsString]) -> (String, ExitStatus) {
    let output = Program::new(&argv[0]).args(&argv[1..]).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status)
}

/// The same, traced. Standard output is that of the traced process by way of a shell.
pub fn traced(argv: &[OsString], settings: Settings) -> (String, Run) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let shell = r#"out=$1; shift; exec "$@" >"$out""#;
    let mut all: Vec<OsString> = ["sh", "-c", shell, "sh"].map(OsString::from).to_vec();
    all.push(file.path().as_os_str().to_owned());
    all.extend_from_slice(argv);
    let run = trace(&all, settings, plan(), Recorder::brief());
    let mut text = String::new();
    File::read_to_string(file.as_file_mut(), &mut text).unwrap();
    (text, run)
}
