//! A source that takes over a tree from another.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use falco_event::EventCode;
use falco_event::Syscall;
use falco_event::raw::DUMP_STATE_ONLY;
use falco_ptrace::{OnDeath, Options, Ptrace};
use falco_source::{Next, Source};

fn ids(names: &[&str]) -> Vec<u16> {
    names.iter().map(|name| Syscall::by_name(name).unwrap().id).collect()
}

/// A shell that does what it is told.
fn shell() -> (Child, ChildStdin) {
    let mut shell =
        Command::new("/bin/sh").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let stdin = shell.stdin.take().unwrap();
    (shell, stdin)
}

/// The paths of directories that events tell of, until `last` is among them, or the source ends.
fn made(source: &mut Ptrace, last: &str) -> Vec<String> {
    let (mut all, begin) = (Vec::new(), Instant::now());
    loop {
        match source.next().unwrap() {
            Next::Event(event) if event.code() == EventCode::SYSCALL_MKDIR_2_X => {
                if event.flags() & DUMP_STATE_ONLY != 0 {
                    continue;
                }
                let path = event.param_named("path").unwrap();
                all.push(String::from_utf8_lossy(falco_event::raw::until_nul(path)).into_owned());
            }
            Next::End => break,
            _ => {}
        }
        if all.iter().any(|path| path.ends_with(last)) {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{last} does not come: {all:?}");
    }
    all
}

#[test]
fn another_source_goes_on_with_a_tree_and_nothing_is_lost_or_told_twice() {
    let (mut shell, mut stdin) = shell();
    let directory = tempfile::tempdir().unwrap();
    let mut make = |name: &str| {
        let path = directory.path().join(name);
        writeln!(stdin, "/bin/mkdir {}", path.display()).unwrap();
    };
    let options =
        Options { syscalls: ids(&["mkdir"]), on_death: OnDeath::Free, ..Options::default() };
    let pid = shell.id().try_into().unwrap();
    let mut first = match Ptrace::attach(&[pid], options) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("IGNORED: succession, because {error}");
            drop(shell.kill());
            return;
        }
    };
    first.start().unwrap();
    make("a");
    let mut told = made(&mut first, "a");
    let watched = first.watched();
    let mut second = Ptrace::succeed(watched.clone(), ids(&["mkdir", "rmdir"]));
    let snapshot = second.start().unwrap();
    assert!(snapshot.threads.iter().any(|thread| thread.pid == i64::from(pid)));
    make("b");
    make("c");
    let begin = Instant::now();
    while !directory.path().join("c").exists() {
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(first.hand_over(0), 0);
    told.extend(made(&mut first, "nothing"));
    drop(first);
    // Its tables hear of what happened between its start and then: of /bin/mkdir, twice.
    let mut started = 0;
    while started < 2 {
        match second.next().unwrap() {
            Next::Event(event) if event.code() == EventCode::SYSCALL_EXECVE_19_X => {
                assert_eq!(event.flags() & DUMP_STATE_ONLY, DUMP_STATE_ONLY);
                started += 1;
            }
            Next::Event(_) => {}
            other => panic!("{other:?} after {started}"),
        }
    }
    make("d");
    told.extend(made(&mut second, "d"));
    let names: Vec<_> = told.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);

    // A third that is dropped before its turn leaves what the second one asked for.
    let mut third = Ptrace::succeed(watched, ids(&["mkdir"]));
    third.start().unwrap();
    drop(third);

    // It asks for more than the first one did, and has the tree alone.
    let gone = directory.path().join("d");
    writeln!(stdin, "/bin/rmdir {}; exit 3", gone.display()).unwrap();
    let mut removed = 0;
    let begin = Instant::now();
    loop {
        match second.next().unwrap() {
            Next::Event(event) => {
                removed += usize::from(event.code() == EventCode::SYSCALL_RMDIR_2_X)
            }
            Next::End => break,
            _ => {}
        }
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(removed, 1);
    // The tracer, another thread of this process, has waited for it.
    assert_eq!(second.exit_status().and_then(|status| status.code()), Some(3));
}
