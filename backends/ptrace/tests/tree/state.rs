//! What changes without a stop, and is told before the event that needs it.

use std::fs;

use falco_event::EventCode;
use falco_ptrace::Options;

use crate::watch::{Event, Seen, run, run_with};

/// What is told of fds before an event, of which `is` tells the first one.
fn before(seen: &Seen, is: impl Fn(&Event) -> bool) -> Vec<&Event> {
    let at = seen.events.iter().position(is).unwrap_or_else(|| panic!("{:#?}", seen.events));
    seen.events[..at].iter().filter(|event| event.is_for_tables()).collect()
}

fn is_write_to(fd: i64) -> impl Fn(&Event) -> bool {
    move |event| event.code() == EventCode::SYSCALL_WRITE_X && event.number("fd") == fd
}

#[test]
fn a_file_that_was_opened_unseen_is_told_before_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {}; exec 7>first; echo one >&7; echo two >&7; exec 7>second; echo three >&7; exec 7>&-",
        directory.path().display()
    );
    let Some(seen) = run(&["/bin/sh", "-c", &script], &["write"]) else { return };
    assert_eq!(fs::read_to_string(directory.path().join("second")).unwrap(), "three\n");
    let first = before(&seen, is_write_to(1));
    let told = |name: &str| {
        let path = directory.path().join(name);
        seen.of(EventCode::SYSCALL_OPENAT_2_X)
            .into_iter()
            .filter(|event| event.text("name") == path.to_str().unwrap())
            .map(|event| event.number("fd"))
            .collect::<Vec<_>>()
    };
    // The shell writes through fd 1; each file is told once, however often it is written.
    assert_eq!((told("first"), told("second")), (vec![1], vec![1]), "{:#?}", seen.events);
    assert!(first.iter().all(|event| event.code() != EventCode::SYSCALL_WRITE_X));
    let written = seen.of(EventCode::SYSCALL_WRITE_X);
    let data: Vec<_> = written.iter().map(|event| event.param("data")).collect();
    assert_eq!(data, [b"one\n".to_vec(), b"two\n".to_vec(), b"three\n".to_vec()]);
}

#[test]
fn pipes_are_told() {
    let Some(seen) = run(&["/bin/sh", "-c", "echo x | cat >/dev/null"], &["write", "read"]) else {
        return;
    };
    let pipes = seen.of(EventCode::SYSCALL_PIPE_X);
    assert!(!pipes.is_empty() && pipes.iter().all(|event| event.is_for_tables()));
    let write = seen.events.iter().find(|event| is_write_to(1)(event)).unwrap();
    assert!(pipes.iter().any(|pipe| pipe.tid() == write.tid() && pipe.number("fd1") == 1));
}

#[test]
fn what_is_closed_is_told_before_it_is_gone() {
    let script = "exec 7</dev/null; exec 7<&-; exec 7</dev/zero; exec 7<&-";
    let Some(seen) = run(&["/bin/sh", "-c", script], &["close"]) else { return };
    let is_7 = |event: &&Event| {
        let is_open = event.code() == EventCode::SYSCALL_OPENAT_2_X;
        let is_close = event.code() == EventCode::SYSCALL_CLOSE_X;
        is_open && event.number("fd") == 7 || is_close && event.number("fd") == 7
    };
    let told: Vec<_> = seen.events.iter().filter(is_7).map(|event| event.code()).collect();
    let (open, close) = (EventCode::SYSCALL_OPENAT_2_X, EventCode::SYSCALL_CLOSE_X);
    assert_eq!(told, [open, close, open, close], "{:#?}", seen.events);
}

#[test]
fn a_new_directory_is_told_before_a_path_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let directory = fs::canonicalize(directory.path()).unwrap();
    fs::create_dir(directory.join("sub")).unwrap();
    let script = format!("cd {}; : >a; cd sub; : >b; (cd ..; : >c)", directory.display());
    let Some(seen) = run(&["/bin/sh", "-c", &script], &["openat"]) else { return };
    let cwd_of = |file: &str| {
        let is = |event: &Event| {
            event.code() == EventCode::SYSCALL_OPENAT_2_X && event.text("name") == file
        };
        let at = seen.events.iter().position(is).unwrap();
        let tid = seen.events[at].tid();
        let moves = seen.events[..at].iter().rev();
        let mut moves = moves.filter(|event| event.code() == EventCode::SYSCALL_CHDIR_X);
        moves.find(|event| event.tid() == tid).unwrap().text("path")
    };
    let path = |path: &str| directory.join(path).to_str().unwrap().to_owned();
    assert_eq!(
        (cwd_of("a"), cwd_of("b"), cwd_of("c")),
        (path("").trim_end_matches('/').into(), path("sub"), path("").trim_end_matches('/').into())
    );
}

#[test]
fn an_open_tells_what_was_opened() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let script =
        format!("cd {}; : >new; : >>new; cat new /nonexistent", directory.path().display());
    let Some(seen) = run(&["/bin/sh", "-c", &script], &["openat", "open"]) else { return };
    let stat = fs::metadata(directory.path().join("new")).unwrap();
    let opens: Vec<_> = seen
        .of(EventCode::SYSCALL_OPENAT_2_X)
        .into_iter()
        .filter(|event| event.text("name") == "new")
        .collect();
    assert_eq!(opens.len(), 3, "{:#?}", seen.events);
    for open in &opens {
        assert_eq!(open.number("ino"), stat.ino() as i64);
        assert!(open.number("dev") != 0 && open.number("fd") >= 3);
        assert_eq!(open.number("dirfd"), -100);
    }
    const O_F_CREATED: i64 = 1 << 14;
    let created: Vec<_> = opens.iter().map(|open| open.number("flags") & O_F_CREATED).collect();
    assert_eq!(created, [O_F_CREATED, 0, 0]);
    let failed = seen.events.iter().find(|event| {
        event.code() == EventCode::SYSCALL_OPENAT_2_X && event.text("name") == "/nonexistent"
    });
    let failed = failed.unwrap();
    assert_eq!((failed.number("fd"), failed.number("dev"), failed.number("ino")), (-2, 0, 0));
}

/// The same without a filter: all calls stop, and those that nobody asked for are passed over.
#[test]
fn without_a_filter_the_same_is_told() {
    let args = ["/bin/sh", "-c", "cd /tmp; echo x; (exit 3)"];
    let options = |seccomp| Options { seccomp, ..Options::default() };
    let Some(filtered) = run_with(&args, &["write", "openat"], options(true)) else { return };
    let all = run_with(&args, &["write", "openat"], options(false)).unwrap();
    let codes = |seen: &Seen| seen.events.iter().map(Event::code).collect::<Vec<_>>();
    assert_eq!(codes(&filtered), codes(&all));
}

/// A server and its client, of which only some calls are watched.
const TCP: &str = "import socket, threading\n\
    s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n\
    c = socket.create_connection(s.getsockname()); a, _ = s.accept()\n\
    c.sendto(b'ping', ('127.0.0.1', 1)); a.recvfrom(9); a.sendto(b'pong', ('127.0.0.1', 1)); c.close()";

#[test]
fn sockets_that_were_made_unseen_are_told_before_what_goes_through_them() {
    let Some(python) = crate::lifecycle::python() else { return };
    let Some(seen) = run(&[&python, "-c", TCP], &["connect", "sendto"]) else { return };
    assert_eq!(seen.status, 0);
    let is = |code: EventCode| move |event: &Event| event.code() == code && !event.is_for_tables();
    // The connect tells its own ends: before it, there is just a socket.
    let told = before(&seen, is(EventCode::SOCKET_CONNECT_X));
    let last = told.last().unwrap();
    assert_eq!(last.code(), EventCode::SOCKET_SOCKET_X);
    assert_eq!((last.number("domain"), last.number("type")), (2, 1));
    let connect = seen.events.iter().find(|event| is(EventCode::SOCKET_CONNECT_X)(event)).unwrap();
    assert_eq!(last.number("fd"), connect.number("fd"));
    // The accepted one was never seen.
    let sends: Vec<_> =
        seen.events.iter().filter(|event| is(EventCode::SOCKET_SENDTO_X)(event)).collect();
    let data: Vec<_> = sends.iter().map(|event| event.param("data")).collect();
    assert_eq!(data, [b"ping".to_vec(), b"pong".to_vec()]);
    assert_eq!(sends[0].param("tuple"), connect.param("tuple"));
    let (there, back) = (sends[0].param("tuple"), sends[1].param("tuple"));
    assert_eq!((&there[1..7], &there[7..13]), (&back[7..13], &back[1..7]));
    let told = before(&seen, |event| event.raw().bytes() == sends[1].raw().bytes());
    let accepted = sends[1].number("fd");
    assert!(told.iter().any(|event| {
        event.code() == EventCode::SOCKET_SOCKET_X && event.number("fd") == accepted
    }));
}
