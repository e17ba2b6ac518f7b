//! Opens that nobody cares about.

use std::fs;
use std::path::Path;

use falco_event::EventCode;
use falco_ptrace::{Openings, Options};

use crate::lifecycle::python;
use crate::watch::{Event, Seen, run_with};

/// Watches a program with somebody who cares about opens of files called `secret` only.
fn run(args: &[&str], more: &[&str]) -> Option<Seen> {
    let is_secret = |path: &[u8]| path.ends_with(b"/secret");
    let options = Options { openings: Some(Openings::new(is_secret)), ..Options::default() };
    run_with(args, &[&["openat"], more].concat(), options)
}

fn directory_with(files: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    files.iter().for_each(|file| fs::write(directory.path().join(file), file).unwrap());
    directory
}

/// The opens in a directory that were told, or that were told before another event.
fn opened<'a>(seen: &'a Seen, directory: &Path) -> Vec<(&'a Event, String)> {
    let opens = seen.of(EventCode::SYSCALL_OPENAT_2_X).into_iter();
    let opens = opens.map(|event| (event, event.text("name")));
    let inside = directory.display().to_string();
    opens.filter(|(_, name)| name.starts_with(&inside) || !name.starts_with('/')).collect()
}

#[test]
fn only_opens_that_somebody_cares_about_are_told() {
    let directory = directory_with(&["plain", "secret"]);
    let path = directory.path().display();
    let script = format!(
        "cat {path}/plain; cat {path}/secret; cat {path}/none; cat {path}/none/secret; cd {path}; cat plain"
    );
    let Some(seen) = run(&["/bin/sh", "-c", &script], &[]) else { return };
    let opened = opened(&seen, directory.path());
    let names: Vec<_> = opened.iter().map(|(_, name)| name.as_str()).collect();
    // Where the last one is, nobody asks.
    let wanted = [format!("{path}/secret"), format!("{path}/none/secret"), "plain".to_owned()];
    assert_eq!(names, wanted, "{:#?}", seen.events);
    let numbers: Vec<_> = opened.iter().map(|(event, _)| event.number("fd")).collect();
    assert!(numbers[0] >= 3 && numbers[1] == -2 && numbers[2] >= 3, "{numbers:?}");
}

/// Its fd becomes another file's, which is told as soon as it matters.
#[test]
fn an_open_that_was_not_told_is_told_before_its_fd_is_used() {
    let directory = directory_with(&["plain", "secret"]);
    let path = directory.path().display();
    let script = format!("exec 7<{path}/secret; read x <&7; exec 7<{path}/plain; read x <&7");
    let Some(seen) = run(&["/bin/sh", "-c", &script], &["read"]) else { return };
    let told = opened(&seen, directory.path());
    let told: Vec<_> = told
        .iter()
        .map(|(event, name)| (name.rsplit('/').next().unwrap(), event.is_for_tables()))
        .collect();
    assert_eq!(told.first(), Some(&("secret", false)), "{:#?}", seen.events);
    assert!(told.contains(&("plain", true)), "{:#?}", seen.events);
    assert!(!told.contains(&("plain", false)), "{:#?}", seen.events);
}

/// Another thread could change the path behind our back.
#[test]
fn threads_can_hide_no_open() {
    let Some(python) = python() else { return };
    let directory = directory_with(&["plain"]);
    let path = directory.path().join("plain");
    let script = format!(
        "import os, threading\n\
         os.close(os.open('{0}', os.O_RDONLY))\n\
         go = threading.Event(); t = threading.Thread(target=go.wait); t.start()\n\
         os.close(os.open('{0}', os.O_RDONLY))\n\
         go.set(); t.join()",
        path.display()
    );
    let Some(seen) = run(&[&python, "-c", &script], &[]) else { return };
    assert_eq!(seen.status, 0);
    assert_eq!(opened(&seen, directory.path()).len(), 1, "{:#?}", seen.events);
}

/// Opens of paths in memory of its own, and in memory that processes share.
const C_OPEN: &str = "import ctypes, mmap, os, sys, time\n\
    path = sys.argv[1].encode(); openat = ctypes.CDLL(None).openat\n\
    own = ctypes.create_string_buffer(path)\n\
    shared = (ctypes.c_char * 4096).from_buffer(mmap.mmap(-1, 4096)); shared.value = path\n";

#[test]
fn opens_by_shared_memory_are_told() {
    let Some(python) = python() else { return };
    let directory = directory_with(&["plain"]);
    let path = directory.path().join("plain").display().to_string();
    let told = |memory: &str| {
        let script = format!("{C_OPEN}sys.exit(openat(-100, {memory}, 0) < 0)");
        let seen = run(&[&python, "-c", &script, &path], &[])?;
        assert_eq!(seen.status, 0);
        Some(opened(&seen, directory.path()).len())
    };
    let Some(own) = told("own") else { return };
    assert_eq!((own, told("shared")), (0, Some(1)));
}

/// While the open of a FIFO waits for the other end, another process puts another path there.
#[test]
fn processes_that_share_memory_can_hide_no_open() {
    let Some(python) = python() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret").display().to_string();
    let script = format!(
        "{C_OPEN}os.mkfifo(path)\n\
         if os.fork():\n    sys.exit(openat(-100, shared, 0) < 0)\n\
         time.sleep(0.1); shared.value = b'/dev/null'; os.open(path, os.O_WRONLY)"
    );
    let Some(seen) = run(&[&python, "-c", &script, &path], &[]) else { return };
    assert_eq!(seen.status, 0);
    let names: Vec<_> = opened(&seen, directory.path()).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, [path.as_str(), &path], "{:#?}", seen.events);
}
