//! What fields give on single events: values, empty texts and no value at all.
#![allow(clippy::unwrap_used)] // tests may end at the first surprise

use std::fmt::Write as _;
use std::sync::Arc;

use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::host_names::HostNames;
use falco_enrich::state::{Limits, State};
use falco_event::{EventBuilder, EventCode};
use falco_rules::catalogue::{Catalogue, EventContext, FieldId};
use falco_rules::render_value::{BufferFormat, write_text};
use falco_rules::value::Value;
use falco_source::snapshot::{Fd, FdKind, L4Proto, Snapshot, Thread, User};

const TS: u64 = 1_700_000_000_123_456_789;
const AT_FDCWD: i64 = -100;

/// A host with a shell (10) and a program that it started (20), which has a file and a connection
/// open.
fn host() -> State {
    let thread = |tid: i64, ptid: i64, comm: &str| Thread {
        tid,
        pid: tid,
        ptid,
        sid: 10,
        vpgid: 20,
        pgid: 20,
        vtid: tid,
        vpid: tid,
        comm: comm.into(),
        exe: format!("./{comm}").into(),
        exepath: format!("/usr/bin/{comm}").into(),
        args: b"-a\0b c\0\0".to_vec(),
        env: b"HOME=/root\0EMPTY=\0".to_vec(),
        cwd: b"/srv/".to_vec(),
        uid: 5,
        ..Thread::default()
    };
    let end = |ip: &str, port| falco_event::net::Endpoint { ip: ip.parse().unwrap(), port };
    let file = FdKind::File { name: b"/etc/hosts".to_vec(), open_flags: 1, dev: 0xfe01 };
    let socket = FdKind::Inet {
        src: end("10.0.0.1", 40000),
        dst: end("10.0.0.2", 443),
        proto: L4Proto::Tcp,
    };
    let fds = vec![Fd { num: 3, ino: 7, kind: file }, Fd { num: 4, ino: 8, kind: socket }];
    let games = User { uid: 5, name: b"games".to_vec(), ..User::default() };
    let mut state = State::new(Limits::default());
    state.restore(&Snapshot {
        threads: vec![thread(10, 1, "bash"), thread(20, 10, "prog")],
        fds: vec![(20, fds)],
        users: vec![games],
        ..Snapshot::default()
    });
    state
}

/// Takes an event in and gives the texts of fields on it, `-` for no value, joined by ` | `.
fn show(state: &mut State, event: &mut EventBuilder, names: &str) -> String {
    let mut fields = SyscallFields::new();
    let mut resolve = |written: &str| {
        let (name, arg) = written.split_once('[').unwrap_or((written, ""));
        fields.resolve(name, arg.strip_suffix(']')).unwrap()
    };
    let resolved: Vec<_> = names.split(' ').map(&mut resolve).collect();
    let event = event.finish(1, 0).unwrap();
    let current = state.process(&event);
    let ctx = Context::new(state, &event, &current, &fields);
    let mut out = String::new();
    for field in resolved {
        let mut text = b"-".to_vec();
        if let Some(value) = ctx.value(field.id) {
            text.clear();
            let (ty, print) = ctx.printed_as(field.id).unwrap_or((field.info.ty, field.info.print));
            write_text(&value, ty, print, &mut text);
        }
        let separator = if out.is_empty() { "" } else { " | " };
        write!(out, "{separator}{}", String::from_utf8_lossy(&text)).unwrap();
    }
    out
}

fn openat(tid: i64, result: i64, path: &str) -> EventBuilder {
    let mut event = EventBuilder::new();
    event.start(TS, tid, EventCode::SYSCALL_OPENAT_2_X);
    event.i64(result).i64(AT_FDCWD).text(path).u32(1 | 1 << 12).u32(0o640).u32(0xfe01).u64(9);
    event
}

#[test]
fn an_open_names_its_file() {
    let mut event = openat(20, 5, "a/../b.txt");
    assert_eq!(
        show(&mut host(), &mut event, "evt.args"),
        "fd=5(<f>/srv/b.txt) dirfd=-100(AT_FDCWD) name=a/../b.txt(/srv/b.txt) \
         flags=4097(O_RDONLY|O_CLOEXEC) mode=0640 dev=FE01 ino=9"
    );
    assert_eq!(
        show(
            &mut host(),
            &mut event,
            "fd.num fd.name fd.nameraw fd.directory fd.filename fd.type fd.typechar fd.l4proto \
             fs.path.name fs.path.nameraw evt.arg.flags evt.arg[2] evt.rawarg.mode evt.res \
             evt.rawres evt.is_open_read evt.is_open_write"
        ),
        "5 | /srv/b.txt | a/../b.txt | /srv | b.txt | file | f | <NA> | /srv/b.txt | a/../b.txt | \
         O_RDONLY|O_CLOEXEC | /srv/b.txt | 640 | SUCCESS | 5 | true | false"
    );
}

#[test]
fn a_failed_open_still_names_its_file() {
    assert_eq!(
        show(
            &mut host(),
            &mut openat(20, -2, "../etc//shadow"),
            "fd.num fd.name fd.nameraw fd.directory fd.filename fd.type fd.typechar evt.res \
             evt.arg.fd evt.failed fs.path.name"
        ),
        "-1 | /etc/shadow | ../etc/shadow | /etc | - | - | f | ENOENT | ENOENT | true | <UNKNOWN>"
    );
}

#[test]
fn a_thread_that_nothing_is_known_of_has_hardly_a_value() {
    let mut event = EventBuilder::new();
    event.start(TS, 77, EventCode::SCHEDSWITCH_6_E).i64(20).u64(0).u64(0);
    assert_eq!(
        show(
            &mut State::new(Limits::default()),
            event.u32(0).u32(0).u32(0),
            "thread.tid evt.type evt.dir syscall.type evt.res fd.num container.name evt.arg.fd"
        ),
        "77 | switch | > | - | - | - | - | -"
    );
}

#[test]
fn what_is_not_there_is_an_empty_text_for_some_fields_and_no_value_for_others() {
    assert_eq!(
        show(
            &mut host(),
            &mut openat(20, 5, "/x"),
            "proc.args proc.args[0] proc.args[9] proc.env[HOME] proc.env[EMPTY] proc.env[NO] \
             proc.aname[1] proc.aname[2] proc.pname proc.ppid proc.sname proc.duration \
             user.name user.loginuid user.loginname container.id container.image.repository \
             k8s.pod.name evt.asynctype"
        ),
        "-a b c  | -a |  | /root |  |  | bash | - | bash | 10 | bash | - | games | -1 | <NA> | \
         host |  | - | -"
    );
    assert_eq!(
        show(&mut host(), &mut openat(20, 5, "/x"), "proc.cmdline proc.exeline proc.cmdnargs"),
        "prog -a b c  | ./prog -a b c  | 3"
    );
}

#[test]
fn sockets_have_two_ends() {
    let mut event = EventBuilder::new();
    event.start(TS, 20, EventCode::SYSCALL_WRITE_X).i64(3).bytes(b"a\x01b").i64(4).u32(3);
    let names = "fd.name fd.type fd.l4proto fd.cip fd.sport fd.lport fd.rip evt.buffer evt.buflen \
                 evt.io_dir evt.category fd.filename evt.args";
    assert_eq!(
        show(&mut host(), &mut event, names),
        "10.0.0.1:40000->10.0.0.2:443 | ipv4 | tcp | 10.0.0.1 | 443 | 443 | 10.0.0.1 | a.b | 3 | \
         write | net | - | res=3 data=a.b fd=4(<4t>10.0.0.1:40000->10.0.0.2:443) size=3"
    );
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Ip(ip) => ip.to_string(),
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

/// The candidates of a field.
fn offered(ctx: &Context<'_>, field: FieldId) -> String {
    let mut all = Vec::new();
    let accepted = ctx.candidates(field, &mut |value| {
        all.push(shown(value));
        false
    });
    assert!(!accepted);
    all.join(" ")
}

#[test]
fn either_end_and_ancestors_are_offered_as_candidates() {
    let mut fields = SyscallFields::new();
    let ip = fields.resolve("fd.ip", None).unwrap().id;
    let aname = fields.resolve("proc.aname", None).unwrap().id;
    let mut state = host();
    let mut event = EventBuilder::new();
    event.start(TS, 20, EventCode::SYSCALL_WRITE_X).i64(1).bytes(b"a").i64(4).u32(1);
    let event = event.finish(1, 0).unwrap();
    let current = state.process(&event);
    let ctx = Context::new(&state, &event, &current, &fields);
    assert_eq!(offered(&ctx, ip), "10.0.0.1 10.0.0.2");
    assert_eq!(offered(&ctx, aname), "bash");
    assert!(ctx.value(ip).is_some(), "an event with a descriptor has the field");
}

/// The names and the candidates of both ends of the program's connection.
fn names_of_ends(state: &mut State, event: &mut EventBuilder) -> String {
    let mut fields = SyscallFields::new();
    let named = ["cip", "sip", "lip", "rip"].map(|end| {
        let name = format!("fd.{end}.name");
        (end, fields.resolve(&name, None).unwrap().id)
    });
    let event = event.finish(1, 0).unwrap();
    let current = state.process(&event);
    let ctx = Context::new(state, &event, &current, &fields);
    let mut out = String::new();
    for (end, field) in named {
        let value = ctx.value(field).map_or("-".to_owned(), |value| shown(&value));
        writeln!(out, "{end} {value}: {}", offered(&ctx, field)).unwrap();
    }
    out
}

#[test]
fn hosts_have_the_names_that_were_found() {
    let mut write = EventBuilder::new();
    write.start(TS, 20, EventCode::SYSCALL_WRITE_X).i64(1).bytes(b"a").i64(4).u32(1);
    assert_eq!(
        names_of_ends(&mut host(), &mut write),
        "cip -: 10.0.0.1\nsip -: 10.0.0.2\nlip -: 10.0.0.2\nrip -: 10.0.0.1\n",
        "nobody looks names up"
    );

    let names = ["client", "other", "server", "web"].map(|name| name.as_bytes().into());
    let names = Arc::new(HostNames::new(names));
    let mut state = host();
    state.set_host_names(Arc::clone(&names));
    names.set(0, &["10.0.0.1".parse().unwrap()]);
    names.set(1, &["10.0.0.3".parse().unwrap()]);
    // Both name the same host: one is its value, conditions see both.
    let both = ["::1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
    names.set(3, &both);
    names.set(2, &both);
    assert_eq!(
        names_of_ends(&mut state, &mut write),
        "cip client: 10.0.0.1 client\nsip server: 10.0.0.2 server web\n\
         lip server: 10.0.0.2 server web\nrip client: 10.0.0.1 client\n"
    );

    let nothing = "cip -: \nsip -: \nlip -: \nrip -: \n";
    let mut read = EventBuilder::new();
    read.start(TS, 20, EventCode::SYSCALL_WRITE_X).i64(1).bytes(b"a").i64(3).u32(1);
    assert_eq!(names_of_ends(&mut state, &mut read), nothing, "a file");
    let mut yields = EventBuilder::new();
    yields.start(TS, 20, EventCode::GENERIC_X).u16(120).u16(24);
    assert_eq!(names_of_ends(&mut state, &mut yields), nothing, "nothing");
}

#[test]
fn buffers_in_arguments_follow_the_output_format() {
    let mut fields = SyscallFields::new();
    let data = fields.resolve("evt.arg.data", None).unwrap().id;
    let mut state = host();
    let mut event = EventBuilder::new();
    event.start(TS, 20, EventCode::SYSCALL_WRITE_X).i64(3).bytes(b"\x00hi").i64(4).u32(3);
    let event = event.finish(1, 0).unwrap();
    let current = state.process(&event);
    let ctx = Context::new(&state, &event, &current, &fields);
    assert_eq!(ctx.value(data), Some(Value::text(b".hi")));
    let ctx = ctx.with_buffer_format(BufferFormat::Base64);
    assert_eq!(ctx.value(data), Some(Value::text(b"AGhp")));
}

#[test]
fn generic_events_show_the_name_of_the_call_and_no_arguments() {
    let mut event = EventBuilder::new();
    event.start(TS, 20, EventCode::GENERIC_X).u16(16).u16(39);
    let names = "evt.type syscall.type evt.args evt.res evt.rawres";
    assert_eq!(show(&mut host(), &mut event, names), "getpid | getpid |  | - | -");
    // A call that the recorder had no portable id for.
    event.start(TS, 20, EventCode::GENERIC_X).u16(0).u16(39);
    assert_eq!(show(&mut host(), &mut event, "evt.type evt.arg.ID"), "getpid | unknown");
}

#[test]
fn static_fields_have_their_texts() {
    let mut state = host();
    let mut fields = SyscallFields::with_static([("foo", "bar"), ("empty", "")]);
    let ids = ["static.foo", "static.empty"].map(|name| fields.resolve(name, None).unwrap().id);
    let mut builder = EventBuilder::new();
    // They need no thread.
    builder.start(TS, 77, EventCode::SCHEDSWITCH_6_E);
    let event = builder.finish(0, 0).unwrap();
    let current = state.process(&event);
    let ctx = Context::new(&state, &event, &current, &fields);
    let values = ids.map(|id| format!("{:?}", ctx.value(id)));
    assert_eq!(
        values,
        [b"bar".as_slice(), b""].map(|t| format!("{:?}", Some(Value::Text(t.into()))))
    );
}

#[test]
fn around_tells_the_distance_in_time() {
    let mut state = host();
    let mut close = EventBuilder::new();
    close.start(TS, 20, EventCode::SYSCALL_CLOSE_X).i64(0).i64(3);
    let names = format!("evt.around[{}] evt.around[{}]", TS - 5, TS + 7);
    assert_eq!(show(&mut state, &mut close, &names), "5 | 7");
}
