//! Programs that are hard on a tracer (`torture.c`): what they print and how they end is the same
//! watched and unwatched. And whatever is killed at whatever moment, nothing is left behind.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::actor::is_installed;
use crate::ignored;
use crate::nobody::{Nobody, compile, run};

/// Each word of `torture.c`, with its number.
const WORDS: &[(&str, &str)] = &[
    ("threads", "2000"),
    ("exec-by-thread", "6"),
    ("leader-first", ""),
    ("exit-race", "40"),
    ("forks", "6"),
    ("bomb", "200"),
    ("vforks", "100"),
    ("orphans", "60"),
    ("namespaces", ""),
    ("untraced", "10"),
    ("signals", "400"),
    ("interrupted", ""),
    ("stops", "200"),
    ("stopped-storm", "500"),
    ("kills", "60"),
    ("no-return", "20"),
    ("orphaned-vforks", "30"),
    ("killed-in-exec", "100"),
    ("execs", "300"),
    ("strings", ""),
    ("parents-deaths", "30"),
    ("own-filter", ""),
    ("compat", "20"),
    ("end", "6"),
    ("end", "11"),
    ("end", "1003"),
    ("state", ""),
];

/// What rules look at so that much stops, a rule each.
const LOOKED_AT: &[&str] = &[
    "open, openat, openat2, creat, close, dup, dup2, dup3, pipe, pipe2, chdir, fchdir",
    "execve, execveat, clone, clone3, fork, vfork, procexit, kill, tgkill, ptrace, prctl, setsid",
    "connect, accept, accept4, socket, bind, listen, mount, unshare, setns, memfd_create",
    "unlink, unlinkat, rename, renameat, renameat2, chmod, fchmod, fchmodat, mkdir, mkdirat",
    "symlink, symlinkat, link, linkat, setuid, setgid, setresuid, mprotect, mmap, signaldeliver",
];

/// Rules that look at all of that and never match.
fn everything(nobody: &Nobody) -> PathBuf {
    let conditions: Vec<String> = LOOKED_AT
        .iter()
        .map(|types| format!("evt.type in ({types}) and proc.name = none-of-this-name"))
        .collect();
    let names: Vec<String> = (1..=conditions.len()).map(|n| format!("Part {n}")).collect();
    let rules: Vec<_> = names
        .iter()
        .zip(&conditions)
        .map(|(name, condition)| (name.as_str(), "DEBUG", condition.as_str()))
        .collect();
    nobody.rules(&rules)
}

/// Under which options everything must be as without.
const WAYS: &[&[&str]] = &[&[], &["--no-filter"]];

fn watched(nobody: &Nobody, rules: &PathBuf, way: &[&str], words: &[&str]) -> Command {
    let mut command = nobody.trace(["-q", "-r"]);
    command.arg(rules).args(way).arg("--").args(words);
    command
}

#[test]
fn hard_programs_do_the_same_watched() {
    let nobody = Nobody::new();
    let torture = match compile(&nobody, "trace/torture.c") {
        Ok(torture) => torture.display().to_string(),
        Err(why) => return ignored("torture", &why),
    };
    let rules = everything(&nobody);
    for (word, number) in WORDS {
        let words: Vec<&str> =
            [torture.as_str(), word, number].into_iter().filter(|w| !w.is_empty()).collect();
        let alone = run(&mut nobody.timely(&words));
        for way in WAYS {
            let mut done = run(&mut watched(&nobody, &rules, way, &words));
            // falco tells of the signal as a shell does; `timeout` may have told so already.
            let code = |status: std::process::ExitStatus| {
                status.code().or_else(|| Some(128 + status.signal()?))
            };
            assert_eq!(code(done.status), code(alone.status), "{word} {way:?}: {done:#?}");
            done.status = alone.status;
            assert_eq!(done, alone, "{word} {way:?}");
        }
    }
}

/// A program that traces others is told that somebody traces it already.
#[test]
fn tracing_under_a_tracer_is_refused() {
    let nobody = Nobody::new();
    let torture = match compile(&nobody, "trace/torture.c") {
        Ok(torture) => torture.display().to_string(),
        Err(why) => return ignored("a tracer under falco", &why),
    };
    let rules = everything(&nobody);
    let done = run(&mut watched(&nobody, &rules, &[], &[&torture, "self-traced"])).exits(0);
    assert_eq!(done.stdout, "PTRACE_TRACEME: refused\n");
}

/// Directories of as many processes are open as fds may be: a low limit must not hide what they do.
#[test]
fn few_fds_are_enough_for_many_processes() {
    let nobody = Nobody::new();
    if !is_installed("python3") {
        return ignored("many processes with few fds", "python3 is not installed");
    }
    let script = nobody.file("crowd.py", CROWD);
    let condition = "evt.type = connect and fd.sip = 127.0.0.9";
    let rules = nobody.rules(&[("Connected", "WARNING", condition)]);
    for limit in [1024, 64, 32] {
        let line = format!(
            "ulimit -n {limit}; {} trace -q -r {} -- python3 {}",
            nobody.falco().display(),
            rules.display(),
            script.display()
        );
        let done = run(&mut nobody.timely(["sh", "-c", &line])).exits(0);
        let seen = done.stderr.matches("Warning seen").count();
        assert_eq!(seen, 200, "{limit} fds: {}", done.stderr);
    }
}

/// A hundred processes at a time, each with two connections.
const CROWD: &str = "\
import os, socket
ends = os.pipe()
for n in range(100):
    if os.fork() == 0:
        os.close(ends[1])
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(('127.0.0.9', 53))
        os.read(ends[0], 1)
        s.connect(('127.0.0.9', 54))
        os._exit(0)
os.close(ends[1])
for n in range(100):
    os.wait()
";

/// How many times something is killed: `FALCO_TRACE_KILLS`, or few enough for every run of the tests.
fn kills() -> u64 {
    std::env::var("FALCO_TRACE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

/// The living processes with this in their environment. (A zombie of the tree keeps falco from ending,
/// which is waited for; what falco leaves is init's to reap.)
fn marked(mark: &str) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_marked = |pid: &i32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|b| *b == 0).any(|entry| entry == mark.as_bytes())
    };
    pids.filter(is_marked).collect()
}

/// falco, its command, or any process of the tree is killed at a random moment. Whatever remains
/// ends by itself soon, and nothing stays stuck, stopped or a zombie.
#[test]
fn nothing_is_left_after_kills() {
    let nobody = Nobody::new();
    let torture = match compile(&nobody, "trace/torture.c") {
        Ok(torture) => torture.display().to_string(),
        Err(why) => return ignored("kills", &why),
    };
    let rules = everything(&nobody);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: u64| {
        // xorshift: the same moments in every run, as far as a machine lets them be.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for round in 0..kills() {
        let mark = format!("FALCO_TRACE_MARK={}-{round}", std::process::id());
        let word = [
            ("forks", "5"),
            ("threads", "3000"),
            ("bomb", "300"),
            ("vforks", "300"),
            ("stops", "2000"),
        ][next(5) as usize];
        let mut command =
            watched(&nobody, &rules, WAYS[next(2) as usize], &[&torture, word.0, word.1]);
        let (key, value) = mark.split_once('=').unwrap();
        command.env(key, value).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        thread::sleep(Duration::from_micros(next(150_000)));
        // The first is `timeout`; falco is the second.
        let mut pids = marked(&mark);
        pids.sort_unstable();
        let victim = match next(3) {
            0 => pids.get(1).copied(),
            // Not `timeout`: falco and its tree would go on, as they should, for as long as they need.
            1 => pids.iter().skip(1).next_back().copied(),
            _ => pids.get(1 + next(pids.len().max(2) as u64 - 1) as usize).copied(),
        };
        if let Some(victim) = victim.and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = kill_process(victim, Signal::KILL);
        }
        // What lives on, lives on only while it has something to do.
        let begin = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begin.elapsed() > Duration::from_secs(60) {
                let stuck = marked(&mark);
                let states: Vec<_> = stuck.iter().map(|pid| state(*pid)).collect();
                let _ = child.kill();
                panic!("round {round}, {word:?}, killed {victim:?}: stuck: {states:#?}");
            }
            thread::sleep(Duration::from_millis(2));
        }
        let begin = Instant::now();
        while !marked(&mark).is_empty() {
            let states: Vec<_> = marked(&mark).iter().map(|pid| state(*pid)).collect();
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "round {round}, {word:?}, killed {victim:?}: left: {states:#?}"
            );
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Name, state and tracer of a process, for a person.
fn state(pid: i32) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let keys = ["Name:", "State:", "PPid:", "TracerPid:"];
    let lines = status.lines().filter(|line| keys.iter().any(|key| line.starts_with(key)));
    format!("{pid} {}", lines.collect::<Vec<_>>().join(" "))
}
