//! Sessions of gVisor sandboxes, recorded and made up, as rules see them: from the messages over events
//! and tables to fields.
#![allow(clippy::unwrap_used)] // tests may end at the first surprise

use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Limits, State};
use falco_event::EventCode;
use falco_event::raw::DUMP_STATE_ONLY;
use falco_gvisor::mapper::{Mapper, sandbox_number};
use falco_gvisor::message::{self, Message};
use falco_gvisor::proto::{self, ContextData};
use falco_gvisor::replay::Recording;
use falco_gvisor::{runsc, wire};
use falco_rules::template::Template;
use falco_source::events::Events;

/// When the stories that are made up begin.
const BEGIN: u64 = 1_795_000_000_000_000_000;

/// A sandbox, and what is known of it.
struct World {
    mapper: Mapper,
    events: Events,
    state: State,
    fields: SyscallFields,
    now: u64,
}

impl World {
    fn new(id: &[u8]) -> Self {
        let mut state = State::new(Limits::default());
        state.set_live(true);
        let number = sandbox_number(id, |_| false);
        World {
            mapper: Mapper::new(number, id, 0, BEGIN),
            events: Events::new(),
            state,
            fields: SyscallFields::new(),
            now: BEGIN,
        }
    }

    /// Takes a message in; what `template` is for each event that rules see.
    fn take(&mut self, message: &Message, template: &str) -> Vec<(EventCode, String)> {
        self.now = message.context().map_or(self.now, |context| context.time_ns as u64);
        self.mapper.message(message, self.now, &mut self.events);
        self.drain(template)
    }

    fn drain(&mut self, template: &str) -> Vec<(EventCode, String)> {
        // All of it, whatever of it is not known.
        let template = format!("*{}", if template.is_empty() { "%evt.type" } else { template });
        let template = Template::compile(&template, &mut self.fields).unwrap();
        let mut seen = Vec::new();
        while let Some(event) = self.events.pop() {
            let current = self.state.process(&event);
            assert_eq!(current.skipped, event.flags() & DUMP_STATE_ONLY != 0);
            if !current.skipped {
                let mut text = Vec::new();
                let context = Context::new(&self.state, &event, &current, &self.fields);
                template.render_text(&context, &mut text);
                seen.push((event.code(), String::from_utf8(text).unwrap()));
            }
        }
        seen
    }

    /// A message of thread `tid`, a millisecond after the one before.
    fn by(&mut self, tid: i32, mut message: Message, template: &str) -> Vec<String> {
        let context = ContextData {
            time_ns: self.now as i64 + 1_000_000,
            thread_id: tid,
            thread_group_id: tid,
            ..ContextData::default()
        };
        match &mut message {
            Message::Start(m) => m.context_data = Some(context),
            Message::CloneInfo(m) => m.context_data = Some(context),
            Message::ExecveInfo(m) => m.context_data = Some(context),
            Message::Read(m) => m.context_data = Some(context),
            Message::Connect(m) => m.context_data = Some(context),
            Message::Socket(m) => m.context_data = Some(context),
            Message::TaskExit(m) => m.context_data = Some(context),
            Message::Syscall(m) => m.context_data = Some(context),
            other => panic!("no context for {other:?}"),
        }
        self.take(&message, template).into_iter().map(|(_, text)| text).collect()
    }
}

/// The messages of a recorded session; none if it is not there.
fn recorded(name: &str) -> Option<Vec<Message>> {
    let path = format!(
        "{}/../../shared/samples/gvisor-and-runtimes/trace/{name}.tracereplay",
        env!("CARGO_MANIFEST_DIR")
    );
    let Ok(file) = std::fs::read(&path) else {
        eprintln!("IGNORED: {path} is absent, so no recorded session is followed");
        return None;
    };
    let records = Recording::parse(&file).unwrap().records;
    let messages = records.iter().map(|record| {
        let (header, payload) = wire::parse(record).unwrap();
        message::decode(header.kind, payload).unwrap().unwrap()
    });
    Some(messages.collect())
}

#[test]
fn a_recorded_pod_has_the_fields_of_its_processes() {
    let Some(messages) = recorded("pod2containers-runsc20221219") else { return };
    let mut world = World::new(messages[0].container_id());
    let template = "%container.id|%proc.name|%proc.exepath|%proc.cmdline|%proc.vpid|%proc.pname|\
                    %proc.cwd|%proc.pid|%user.uid|%fd.name|%proc.env[HOME]";
    let mut seen = Vec::new();
    for message in &messages {
        let told = world.take(message, template);
        let wanted = [
            EventCode::SYSCALL_EXECVE_19_X,
            EventCode::SYSCALL_OPENAT_2_X,
            EventCode::SYSCALL_WRITE_X,
        ];
        seen.extend(
            told.into_iter().filter(|(code, _)| wanted.contains(code)).map(|(_, text)| text),
        );
    }
    let script = "sh -c cat /etc/passwd; id; cat /etc/group; sleep 0.2";
    assert_eq!(
        seen,
        [
            "pod1|sleep|/bin/sleep|sleep 30|1|<NA>|/|<NA>|0|<NA>|".to_owned(),
            format!("pod2|sh|/bin/sh|{script}|1|<NA>|/|<NA>|0|<NA>|"),
            "pod2|exe|/bin/busybox|exe /etc/passwd|2|sh|/|<NA>|0|<NA>|/root".to_owned(),
            "pod2|exe|/bin/busybox|exe /etc/passwd|2|sh|/|<NA>|0|/etc/passwd|/root".to_owned(),
            format!("pod2|sh|/bin/sh|{script}|3|sh|/|<NA>|0|/etc/passwd|"),
            format!("pod2|sh|/bin/sh|{script}|3|sh|/|<NA>|0|/etc/group|"),
            format!("pod2|sh|/bin/sh|{script}|3|sh|/|<NA>|0|host:[5]|"),
            "pod2|exe|/bin/busybox|exe /etc/group|4|sh|/|<NA>|0|<NA>|/root".to_owned(),
            "pod2|exe|/bin/busybox|exe /etc/group|4|sh|/|<NA>|0|/etc/group|/root".to_owned(),
            "pod2|exe|/bin/busybox|exe 0.2|1|<NA>|/|<NA>|0|<NA>|/root".to_owned(),
        ]
    );
    // All have ended, and nothing stays in the tables.
    world.mapper.close(world.now, &mut world.events);
    world.drain("");
    let left: Vec<i64> =
        world.state.threads().filter(|thread| !thread.is_dead()).map(|t| t.tid).collect();
    assert_eq!(left, [0; 0]);
}

#[test]
fn recorded_calls_have_their_fds() {
    for name in ["sysx-runsc20221219-ptrace", "sysx-runsc20240729-systrap"] {
        let Some(messages) = recorded(name) else { return };
        let mut world = World::new(messages[0].container_id());
        let mut seen = Vec::new();
        for message in &messages {
            let told = world.take(message, "%evt.type %evt.rawres %fd.name %fd.type %fd.l4proto");
            seen.extend(told.into_iter().map(|(_, text)| text));
        }
        for line in [
            "open -2 /nonexistent <NA> <NA>",
            "preadv 8 /etc/passwd file <NA>",
            "openat 4 /tmp/f2 file <NA>",
            "dup3 51 /tmp/f2 file <NA>",
            "bind 0 127.0.0.1:8080 ipv4 tcp",
            "connect 0 0.0.0.0:0->127.0.0.1:8080 ipv4 tcp",
            "connect 0 :::0->::1:53 ipv6 udp",
            "setsid 8 <NA> <NA> <NA>",
        ] {
            assert!(
                seen.iter().any(|seen| seen == line),
                "{name}: no {line} in\n{}",
                seen.join("\n")
            );
        }
    }
}

#[test]
fn threads_of_an_attached_sandbox_are_known() {
    let mut world = World::new(b"0123456789abcdef");
    let process = |pid, ppid, exe: &str, args: &[&str]| runsc::Process {
        pid,
        ppid,
        comm: exe.rsplit('/').next().unwrap().into(),
        exe: exe.into(),
        args: args.iter().map(|&arg| arg.into()).collect(),
        env: vec!["LANG=C".into()],
        cwd: "/srv".into(),
        pgid: 1,
        sid: 1,
        fds: vec![runsc::process::Fd { number: 7, path: "/etc/shadow".into(), mode: 0o100_600 }],
        ..runsc::Process::default()
    };
    let dump = [process(2, 1, "/bin/cat", &["cat", "-"]), process(1, 0, "/bin/bash", &["-bash"])];
    world.mapper.processes(&dump, BEGIN, &mut world.events);
    assert!(world.drain("").is_empty());
    let read = proto::Read { fd: 7, exit: Some(proto::Exit::default()), ..Default::default() };
    let template = "%container.id %proc.name %proc.cmdline %proc.exepath %proc.pname %proc.aname[1] \
                    %proc.cwd %proc.env[LANG] %fd.name %proc.vpid %proc.pvpid %proc.sid %proc.sname \
                    %proc.tty %user.uid";
    assert_eq!(
        world.by(2, read.into(), template),
        ["0123456789ab cat cat - /bin/cat bash bash /srv/ C /etc/shadow 2 1 1 bash 0 0"]
    );
}

#[test]
fn a_terminal_is_a_terminal_for_children_and_sessions() {
    let mut world = World::new(b"7ab");
    let start = proto::Start { args: vec!["sh".into()], terminal: true, ..Default::default() };
    world.by(1, start.into(), "");
    let clone =
        proto::CloneInfo { created_thread_id: 2, created_thread_group_id: 2, ..Default::default() };
    world.by(1, clone.into(), "");
    let exec = proto::ExecveInfo {
        binary_path: "/usr/bin/id".into(),
        argv: vec!["id".into()],
        binary_mode: 0o755,
        binary_overlayfs_upper: true,
        binary_ino: 9,
        ..Default::default()
    };
    let template = "%evt.type %proc.name %proc.tty %proc.is_exe_upper_layer %proc.exe_ino %proc.pname \
                    %proc.is_sid_leader %proc.sname";
    assert_eq!(world.by(2, exec.into(), template), ["execve id 34816 true 9 sh false sh"]);
    assert_eq!(
        world.by(2, proto::TaskExit::default().into(), "%evt.type %proc.name"),
        ["procexit id"]
    );
}

#[test]
fn a_connection_of_a_socket_that_nobody_saw_being_made_has_its_ends() {
    let mut world = World::new(b"7ab");
    world.by(1, proto::Start { args: vec!["nc".into()], ..Default::default() }.into(), "");
    let address: &[u8] = &[2, 0, 0, 80, 10, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0];
    let connect = proto::Connect {
        sysno: 42,
        fd: 5,
        fd_path: "socket:[4]".into(),
        address: address.into(),
        exit: Some(proto::Exit::default()),
        ..Default::default()
    };
    let template = "%fd.name %fd.sip %fd.sport %fd.type";
    let told = world.by(1, connect.clone().into(), template);
    assert_eq!(told, ["0.0.0.0:0->10.0.0.9:80 10.0.0.9 80 ipv4"]);
    // Nobody tells of its own end, which is not taken for an address.
    let template = "%fd.cip %fd.cport %fd.lip %fd.lport %fd.rip %fd.rport";
    let told = world.by(1, connect.into(), template);
    assert_eq!(told, ["<NA> <NA> <NA> <NA> 10.0.0.9 80"]);
}

#[test]
fn a_path_that_is_not_told_is_not_the_working_directory() {
    let mut world = World::new(b"7ab");
    world.by(
        1,
        proto::Start { args: vec!["sh".into()], cwd: "/etc".into(), ..Default::default() }.into(),
        "",
    );
    let unlink =
        proto::Syscall { sysno: 87, exit: Some(proto::Exit::default()), ..Default::default() };
    let told = world.by(1, unlink.into(), "%evt.type %fs.path.name %fs.path.nameraw");
    assert_eq!(told, ["unlink <NA> <NA>"]);
}
