//! Programs that want to do something unseen, or harm falco (`evasion.c`): what they do is told all the
//! same, and what they are told is what they would be told untraced, as far as it can be.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::ignored;
use crate::nobody::{Done, Nobody, compile, run};

const WAYS: &[&[&str]] = &[&[], &["--no-filter"]];

/// What is to be opened unseen: a file that is not there.
const SECRET: &str = "/nonexistent/secret";

struct Evader {
    nobody: Nobody,
    program: PathBuf,
    rules: PathBuf,
}

impl Evader {
    fn new(nobody: Nobody) -> Option<Self> {
        let program = compile(&nobody, "trace/evasion.c").map_err(|why| ignored("evasion", &why));
        let types = "evt.type in (open, openat, openat2)";
        let rules =
            nobody.rules(&[("Seen", "WARNING", &format!("{types} and fd.name = {SECRET}"))]);
        Some(Evader { program: program.ok()?, rules, nobody })
    }

    fn watched(&self, way: &[&str], words: &[&OsStr]) -> Command {
        let mut command = self.nobody.trace(["-q", "-r"]);
        command.arg(&self.rules).args(way).arg("--").args(words);
        command
    }

    /// What a program says that does what `word` names, and that it was seen.
    #[track_caller]
    fn is_seen(&self, way: &[&str], word: &str) -> Vec<String> {
        let words = [self.program.as_os_str(), OsStr::new(word), OsStr::new(SECRET)];
        seen(run(&mut self.watched(way, &words)), word)
    }
}

/// The lines of a program that was seen once.
#[track_caller]
fn seen(done: Done, word: &str) -> Vec<String> {
    let done = done.exits(0);
    assert_eq!(done.stderr.matches("Warning seen").count(), 1, "{word}: {done:#?}");
    done.stdout.lines().map(str::to_owned).collect()
}

const MISSED: &str = "open: No such file or directory";

/// A listener that lets calls go on would let them go on past our filter.
#[test]
fn an_own_seccomp_listener_does_not_hide_calls() {
    let Some(evader) = Evader::new(Nobody::new()) else { return };
    for way in WAYS {
        assert_eq!(evader.is_seen(way, "notify"), [MISSED]);
    }
}

/// Nothing of a process that may not be dumped can be read by others without `CAP_SYS_PTRACE`.
#[test]
fn programs_that_may_not_be_dumped_are_seen() {
    let Some(evader) = Evader::new(Nobody::new()) else { return };
    for way in WAYS {
        let said = evader.is_seen(way, "undumpable");
        let expected =
            ["PR_SET_DUMPABLE: done", "dumpable: 0", "dumpable: 0", MISSED, "dumpable: 1"];
        assert_eq!(said, expected);
    }
}

/// An executable that may be executed only makes a process that may not be dumped.
#[test]
fn programs_that_may_not_be_read_are_seen() {
    let Some(evader) = Evader::new(Nobody::new()) else { return };
    // `compile` has made it as root; nobody but others may execute it then.
    fs::set_permissions(&evader.program, fs::Permissions::from_mode(0o111)).unwrap();
    for way in WAYS {
        assert_eq!(evader.is_seen(way, "unreadable"), ["dumpable: 0", MISSED]);
    }
}

/// Containers run as root without `CAP_SYS_PTRACE`, and what they run gives up root: with an execution
/// after that, as gosu does, or without, as nginx; and may go on into a user namespace of its own.
#[test]
fn processes_that_gave_up_root_are_seen() {
    if !rustix::process::geteuid().is_root() {
        return ignored("giving up root", "this is not root");
    }
    let Some(evader) = Evader::new(Nobody::myself()) else { return };
    let nobody = crate::nobody::UID;
    let program = evader.program.display();
    let dropped = "setpriv --inh-caps=-sys_ptrace --bounding-set=-sys_ptrace";
    let with_exec =
        format!("setpriv --reuid {nobody} --regid {nobody} --clear-groups {program} look {SECRET}");
    let without = format!(
        "perl -e '$) = \"{nobody} {nobody}\"; $( = {nobody}; $< = $> = {nobody}; if (fork) {{ wait }} \
         else {{ open(F, \"<\", \"{SECRET}\") or print \"open: $!\\n\" }}'"
    );
    let in_namespace = with_exec.replace("--clear-groups", "--clear-groups unshare --user");
    let may_unshare =
        run(&mut Nobody::new().command(["unshare", "--user", "true"])).status.success();
    let falco = evader.nobody.falco().display();
    let rules = evader.rules.display();
    for way in WAYS {
        for command in [&with_exec, &without, &in_namespace] {
            if *command == in_namespace && !may_unshare {
                ignored("giving up root in a user namespace", "user namespaces are refused here");
                continue;
            }
            let way = way.join(" ");
            let line = format!("{dropped} {falco} trace -q {way} -r {rules} -- {command}");
            let done = run(&mut evader.nobody.timely(["sh", "-c", &line]));
            assert_eq!(seen(done, command), [MISSED], "{command}");
        }
    }
}

#[test]
fn traced_programs_cannot_get_at_falco() {
    let Some(evader) = Evader::new(Nobody::new()) else { return };
    for way in WAYS {
        let said = evader.is_seen(way, "at-tracer");
        let expected = [
            "PTRACE_SEIZE: Operation not permitted",
            "memory: Permission denied",
            "fds: Permission denied",
            "prlimit of the process: Operation not permitted",
            "prlimit of the thread: Operation not permitted",
            "prlimit of itself: done",
            MISSED,
        ];
        assert_eq!(said, expected);
    }
}

/// A child that is not traced is traced as soon as it is noticed.
#[test]
fn children_do_not_escape_by_a_race() {
    let Some(evader) = Evader::new(Nobody::new()) else { return };
    for way in WAYS {
        assert_eq!(evader.is_seen(way, "race"), ["untraced: 0", MISSED]);
    }
}

/// Standard error is shared: whoever shares it decides whether it blocks.
#[test]
fn alerts_wait_for_a_full_pipe_that_does_not_block() {
    let Some(evader) = Evader::new(Nobody::new()) else { return };
    let words = [evader.program.as_os_str(), OsStr::new("nonblock"), OsStr::new(SECRET)];
    let mut command = evader.watched(&[], &words);
    let mut falco = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Nobody reads while the program runs.
    thread::sleep(Duration::from_secs(2));
    let mut told = String::new();
    falco.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(falco.wait().unwrap().success());
    let told: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
    assert!(told.len() == 1 && told[0].contains("Warning seen"), "{told:?}");
}
