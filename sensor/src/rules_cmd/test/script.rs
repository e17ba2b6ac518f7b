//! The events that a test lists → [`Script`]: what each line means is worked out over a [`State`]
//! that takes in the events as they are made, so that what a line leaves out (ids, credentials,
//! free fds, the ends of a socket) follows from the lines before it.

use std::collections::{BTreeMap, BTreeSet};

use falco_enrich::container;
use falco_enrich::fd::FdType;
use falco_enrich::state::{Limits, State};
use falco_enrich::thread::Thread;
use falco_event::net::Endpoint;
use falco_event::table::EVENTS;
use falco_event::{EventBuilder, EventCode, EventFlags, EventInfo, Origin, ParamType, Syscall};
use falco_rules::yaml::Node;
use falco_source::Snapshot;
use falco_source::snapshot::User;

use super::containers;
use super::defaults::{Given, defaults};
use super::encode::{self, Address, Tuple, c_text, encode, parse_tuple};
use super::process::{self, PROCESS_KEYS, Process, START_NS, default_caps};
use super::reader::{Keys, Problem, Read, duration, number};
use super::source::Script;

/// Nanoseconds between two lines.
const STEP_NS: u64 = 1_000_000;
/// Nanoseconds between the events of one line.
const SUBSTEP_NS: u64 = 1_000;
/// Portable `CLONE_CHILD_IN_PIDNS`.
const CHILD_IN_PIDNS: u32 = 1 << 29;
/// What a process gets by execve.
const NEED_EXEC: &[&str] = &[
    "name",
    "args",
    "env",
    "caps",
    "tty",
    "loginuid",
    "pgid",
    "exe_writable",
    "exe_upper_layer",
    "exe_lower_layer",
    "exe_from_memfd",
];
/// Keys beside the event itself.
const LINE_KEYS: [&str; 3] = ["pid", "tid", "after"];
/// Words for several events at once.
const SUGAR: [&str; 3] = ["spawn", "exec", "exit"];

/// Reads the containers, processes and events of a test.
///
/// # Errors
/// For the first line that cannot be.
pub fn read(containers: &[Node<'_>], processes: &[Node<'_>], events: &[Node<'_>]) -> Read<Script> {
    let mut snapshot = process::machine();
    process::add(&mut snapshot, processes)?;
    let mut state = State::new(Limits::default());
    state.restore(&snapshot);
    let mut world =
        World { state, snapshot, events: Vec::new(), now: START_NS, known_users: BTreeSet::new() };
    for &container in containers {
        world.tell_container(container)?;
    }
    world.tell_users_of_snapshot(processes)?;
    for &event in events {
        world.line(event)?;
    }
    Ok(Script { snapshot: world.snapshot, events: world.events })
}

struct World {
    state: State,
    snapshot: Snapshot,
    events: Vec<Vec<u8>>,
    now: u64,
    /// Containers and user ids that events have told of.
    known_users: BTreeSet<(String, u32)>,
}

/// Values that a line gives, by parameter.
type Values = BTreeMap<&'static str, Vec<u8>>;

impl World {
    fn line(&mut self, node: Node<'_>) -> Read<()> {
        let keys = Keys::any(node, "an event")?;
        let (name, key, value) = what_happens(node, &keys)?;
        let after = keys.get("after").map(|node| duration(node, "after")).transpose()?;
        if !self.events.is_empty() || after.is_some() {
            self.now = self.now.saturating_add(after.unwrap_or(STEP_NS));
        }
        let at = keys.get("tid").or_else(|| keys.get("pid"));
        let Some(at) = at else {
            return Err(Problem::at(node, "an event needs the pid of a process"));
        };
        let tid = number::<i64>(at, "pid")?;
        if self.state.thread(tid).is_none_or(|t| t.is_dead() || t.is_placeholder()) {
            return Err(Problem::at(at, self.no_process(tid)));
        }
        if let (Some(pid), Some(thread)) = (keys.get("pid"), self.state.thread(tid))
            && number::<i64>(pid, "pid")? != thread.pid
        {
            let message = format!("thread {tid} is one of process {}", thread.pid);
            return Err(Problem::at(pid, message));
        }
        let now = self.now;
        let result = match name {
            "spawn" => self.spawn(tid, value),
            "exec" => self.exec(tid, value),
            "exit" => self.exit(tid, value),
            _ => self.event(tid, name, key, value),
        };
        self.now = now;
        result
    }

    fn no_process(&self, tid: i64) -> String {
        let mut known: Vec<i64> =
            self.state.threads().filter(|t| !t.is_dead()).map(|t| t.tid).collect();
        known.sort_unstable();
        let known = known.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        format!("there is no process {tid} (but {known}): list it under processes, or spawn it")
    }

    /// Tells of a container, as the container plugin does when it starts.
    fn tell_container(&mut self, node: Node<'_>) -> Read<()> {
        let data = containers::event_data(node)?;
        let params = [0u32.to_le_bytes().to_vec(), c_text(b"container"), data];
        self.emit(EventCode::ASYNCEVENT_E, 1, &params, node)
    }

    /// Tells the names of users of the containers in which processes run from the start.
    fn tell_users_of_snapshot(&mut self, nodes: &[Node<'_>]) -> Read<()> {
        let Some(&at) = nodes.first() else { return Ok(()) };
        let users: Vec<(i64, u32)> = self.state.threads().map(|t| (t.tid, t.record.uid)).collect();
        for (tid, uid) in users {
            let id = self.state.thread(tid).map(|t| t.record.container_id.to_vec());
            let named = self.snapshot.users.iter().find(|user| user.uid == uid).cloned();
            self.tell_users(&id.unwrap_or_default(), named, at)?;
        }
        Ok(())
    }

    /// Containers have users of their own: root, and `user` if it is given. An event tells of them
    /// when the first of their processes comes, as it does where containers are watched.
    fn tell_users(&mut self, container: &[u8], user: Option<User>, at: Node<'_>) -> Read<()> {
        if container.is_empty() {
            return Ok(());
        }
        let root = self.snapshot.users.iter().find(|user| user.uid == 0).cloned();
        for User { uid, gid, name, home, shell } in root.into_iter().chain(user) {
            let id = String::from_utf8_lossy(container).into_owned();
            if !self.known_users.insert((id, uid)) {
                continue;
            }
            let params = [
                uid.to_le_bytes().to_vec(),
                gid.to_le_bytes().into(),
                c_text(&name),
                c_text(&home),
                c_text(&shell),
                c_text(container),
            ];
            self.emit(EventCode::USER_ADDED_E, 1, &params, at)?;
        }
        Ok(())
    }

    /// As [`World::tell_users`], for a process that `process` describes.
    fn tell_users_of(&mut self, tid: i64, process: &Process<'_>, at: Node<'_>) -> Read<()> {
        let own =
            process.cgroups.as_deref().map(|c| container::find(c).unwrap_or_default().to_vec());
        let now = self.state.thread(tid);
        let container = own.or_else(|| Some(now?.record.container_id.to_vec())).unwrap_or_default();
        let uid = process.uid.or_else(|| Some(now?.record.uid));
        let named = self.snapshot.users.iter().find(|user| Some(user.uid) == uid).cloned();
        self.tell_users(&container, process.named_user().or(named), at)
    }

    /// Encodes an event, leaves it to the state and keeps it.
    fn emit(&mut self, code: EventCode, tid: i64, params: &[Vec<u8>], at: Node<'_>) -> Read<()> {
        let mut builder = EventBuilder::new();
        builder.start(self.now, tid, code);
        params.iter().for_each(|param| {
            builder.bytes(param);
        });
        let event = builder.finish(0, 0).map_err(|e| Problem::at(at, e.to_string()))?;
        self.state.process(&event);
        self.events.push(event.bytes().to_vec());
        self.now = self.now.saturating_add(SUBSTEP_NS);
        Ok(())
    }

    /// Emits an event with `values`, the others being as usual.
    fn emit_with(&mut self, code: EventCode, tid: i64, values: Values, at: Node<'_>) -> Read<()> {
        let params = defaults(&self.state, tid, code, &Given(values));
        self.emit(code, tid, &params, at)
    }

    /// clone by `tid`, what the child changes of itself, and execve.
    fn spawn(&mut self, tid: i64, node: Node<'_>) -> Read<()> {
        let keys = Keys::of(node, "spawn", PROCESS_KEYS)?;
        let child = Process::read(&keys)?;
        refuse(&keys, &["parent", "fds"], "a spawned process inherits it; use events of its own")?;
        let highest = self.state.threads().map(|t| t.tid).max().unwrap_or(1);
        let pid = child.pid.unwrap_or(highest.saturating_add(1));
        let child_tid = child.tid.unwrap_or(pid);
        if self.state.thread(child_tid).is_some_and(|t| !t.is_dead()) {
            let at = keys.get("tid").or_else(|| keys.get("pid")).unwrap_or(node);
            return Err(Problem::at(at, format!("there is a process {child_tid} already")));
        }
        if let Some(user) = child.named_user() {
            process::add_user(&mut self.snapshot, user);
        }
        self.tell_users_of(tid, &child, node)?;
        self.clone(tid, pid, child_tid, &child, node)?;
        if child.path().is_none() {
            let why = "only the start of a program sets it, so give an exe, too";
            refuse(&keys, NEED_EXEC, why)?;
        }
        if child_tid != pid {
            // A thread: it has no program of its own.
            refuse(
                &keys,
                &["exe", "exepath", "args", "env"],
                "a thread runs its process's program",
            )?;
            return Ok(());
        }
        self.change(child_tid, &child, &keys, node)?;
        if child.path().is_some() { self.execve(child_tid, &child, 0, node) } else { Ok(()) }
    }

    fn clone(
        &mut self,
        tid: i64,
        pid: i64,
        child_tid: i64,
        child: &Process<'_>,
        at: Node<'_>,
    ) -> Read<()> {
        let Some(parent) = self.state.thread(tid) else { return Ok(()) };
        let is_thread = child_tid != pid;
        let in_namespace =
            child.vpid.is_some_and(|vpid| vpid != pid) || parent.tid != parent.record.vtid;
        let vpid = child.vpid.unwrap_or(pid);
        let vtid = if is_thread { child_tid } else { vpid };
        let mut flags = if in_namespace { CHILD_IN_PIDNS } else { 0 };
        if is_thread {
            // CLONE_THREAD|CLONE_FILES|CLONE_FS|CLONE_SIGHAND|CLONE_VM.
            flags |= 8192 | 1 | 2 | 2048 | 32768;
        }
        let ptid = if is_thread { parent.ptid } else { tid };
        let returned = if in_namespace { vtid } else { child_tid };
        let values = Values::from([
            ("res", returned.to_le_bytes().to_vec()),
            ("flags", flags.to_le_bytes().into()),
        ]);
        let caller = defaults(&self.state, tid, EventCode::SYSCALL_CLONE_20_X, &Given(values));
        let mut values = Values::from([("flags", flags.to_le_bytes().to_vec())]);
        // The caller itself is not in the child's container.
        if let Some(cgroups) = &child.cgroups {
            values.insert("cgroups", cgroups.clone());
        }
        for (name, value) in [
            ("res", 0),
            ("tid", child_tid),
            ("pid", pid),
            ("ptid", ptid),
            ("vtid", vtid),
            ("vpid", vpid),
        ] {
            values.insert(name, value.to_le_bytes().into());
        }
        let callee = defaults(&self.state, tid, EventCode::SYSCALL_CLONE_20_X, &Given(values));
        self.emit(EventCode::SYSCALL_CLONE_20_X, tid, &caller, at)?;
        self.emit(EventCode::SYSCALL_CLONE_20_X, child_tid, &callee, at)
    }

    /// What a child changes of itself between clone and exec, each by the call that changes it.
    fn change(&mut self, tid: i64, to: &Process<'_>, keys: &Keys<'_>, at: Node<'_>) -> Read<()> {
        let Some(now) = self.state.thread(tid) else { return Ok(()) };
        let (cwd, root) = (self.state.cwd(now).to_vec(), now.record.root.to_vec());
        let (uid, gid) = (now.record.uid, now.record.gid);
        let one = |name, value: Vec<u8>| Values::from([(name, value)]);
        if let Some(sid) = to.sid {
            if sid != tid {
                let at = keys.get("sid").unwrap_or(at);
                let message = format!("a new session has its leader's id: sid can only be {tid}");
                return Err(Problem::at(at, message));
            }
            self.emit_with(EventCode::SYSCALL_SETSID_X, tid, Values::new(), at)?;
        }
        if let Some(dir) = to.root.filter(|dir| dir.as_bytes() != root) {
            self.emit_with(
                EventCode::SYSCALL_CHROOT_X,
                tid,
                one("path", c_text(dir.as_bytes())),
                at,
            )?;
        }
        let slash = |dir: &[u8]| dir.strip_suffix(b"/").unwrap_or(dir).to_vec();
        if let Some(dir) = to.cwd.filter(|dir| slash(dir.as_bytes()) != slash(&cwd)) {
            self.emit_with(
                EventCode::SYSCALL_CHDIR_X,
                tid,
                one("path", c_text(dir.as_bytes())),
                at,
            )?;
        }
        if let Some(new) = to.gid.filter(|new| *new != gid) {
            self.emit_with(
                EventCode::SYSCALL_SETGID_X,
                tid,
                one("gid", new.to_le_bytes().into()),
                at,
            )?;
        }
        if let Some(new) = to.uid.filter(|new| *new != uid) {
            self.emit_with(
                EventCode::SYSCALL_SETUID_X,
                tid,
                one("uid", new.to_le_bytes().into()),
                at,
            )?;
        }
        Ok(())
    }

    fn exec(&mut self, tid: i64, node: Node<'_>) -> Read<()> {
        let allowed: Vec<&str> = PROCESS_KEYS.iter().copied().chain(["res"]).collect();
        let keys = Keys::of(node, "exec", &allowed)?;
        refuse(
            &keys,
            &["pid", "tid", "parent", "fds", "vpid", "sid", "cwd", "root"],
            "execve does not change it; spawn a process, or use events of its own",
        )?;
        let program = Process::read(&keys)?;
        if program.path().is_none() {
            return Err(Problem::at(node, "exec needs an exe (exec: {exe: /usr/bin/id})"));
        }
        if let Some(user) = program.named_user() {
            process::add_user(&mut self.snapshot, user);
        }
        self.tell_users_of(tid, &program, node)?;
        let res = keys.get("res").map(|node| encode::result(node, "res")).transpose()?;
        self.execve(tid, &program, res.unwrap_or(0), node)
    }

    fn execve(&mut self, tid: i64, program: &Process<'_>, res: i64, at: Node<'_>) -> Read<()> {
        let Some(now) = self.state.thread(tid) else { return Ok(()) };
        let uid = program.uid.unwrap_or(now.record.uid);
        // Root keeps what it is bounded to; others have nothing but what a program gives them.
        let bounded = uid == 0 && now.record.uid == 0;
        let usual = if bounded { now.record.cap_permitted } else { default_caps(uid) };
        let caps = program.caps.unwrap_or(usual).to_le_bytes();
        let path = program.path().unwrap_or_default();
        let of_exe = [
            (program.exe_writable, 1_u32),
            (program.exe_upper_layer, 2),
            (program.exe_from_memfd, 4),
            (program.exe_lower_layer, 8),
        ];
        let of_exe: u32 = of_exe.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum();
        let mut values = Values::from([
            ("res", res.to_le_bytes().to_vec()),
            ("exe", c_text(program.exe.unwrap_or(path).as_bytes())),
            ("args", program.args.clone().unwrap_or_default()),
            ("flags", of_exe.to_le_bytes().into()),
            ("cap_permitted", caps.into()),
            ("cap_effective", caps.into()),
            ("uid", uid.to_le_bytes().into()),
            ("filename", c_text(path.as_bytes())),
        ]);
        if res >= 0 {
            values.insert("comm", c_text(program.comm().unwrap_or_default().as_bytes()));
            values.insert("trusted_exepath", c_text(path.as_bytes()));
        }
        let mut own = |name, value: Option<Vec<u8>>| {
            if let Some(value) = value {
                values.insert(name, value);
            }
        };
        own("env", program.env.clone());
        own("cgroups", program.cgroups.clone());
        own("tty", program.tty.map(|tty| tty.to_le_bytes().into()));
        own("loginuid", program.loginuid.map(|uid| uid.to_le_bytes().into()));
        own("gid", program.gid.map(|gid| gid.to_le_bytes().into()));
        own("pgid", program.pgid.map(|pgid| pgid.to_le_bytes().into()));
        own("vpgid", program.pgid.map(|pgid| pgid.to_le_bytes().into()));
        self.emit_with(EventCode::SYSCALL_EXECVE_19_X, tid, values, at)
    }

    fn exit(&mut self, tid: i64, node: Node<'_>) -> Read<()> {
        if node.is_null() {
            return self.emit_with(EventCode::PROCEXIT_1_E, tid, Values::new(), node);
        }
        self.encoded(tid, EventCode::PROCEXIT_1_E, "exit", node)
    }

    /// An event by its type.
    fn event(&mut self, tid: i64, name: &str, key: Node<'_>, node: Node<'_>) -> Read<()> {
        if let Some(code) = event_code(name) {
            return self.encoded(tid, code, name, node);
        }
        if let Some(syscall) = Syscall::by_name(name).filter(|s| s.is_generic()) {
            if !node.is_null() {
                Keys::of(node, name, &[])?;
            }
            let values = Values::from([("ID", syscall.id.to_le_bytes().to_vec())]);
            return self.emit_with(EventCode::GENERIC_X, tid, values, key);
        }
        let known: Vec<&str> = SUGAR.into_iter().chain(event_names()).collect();
        let hint = match crate::suggest::closest(name, known) {
            Some(like) => format!("; did you mean '{like}'?"),
            None => String::new(),
        };
        Err(Problem::at(
            key,
            format!(
                "there is no event '{name}'{hint} (spawn, exec, exit, or what falco --list-events \
                 names)"
            ),
        ))
    }

    /// An event whose parameters are given by their names in the event table.
    fn encoded(&mut self, tid: i64, code: EventCode, name: &str, node: Node<'_>) -> Read<()> {
        let info = code.info();
        let names: Vec<&str> = info.params.iter().map(|p| p.name).collect();
        // `connect: {}` and `connect:` are the same.
        let keys = if node.is_null() { Keys::default() } else { Keys::of(node, name, &names)? };
        let mut values = Values::new();
        for param in info.params {
            let found = keys.iter().find(|(key, ..)| *key == param.name);
            let Some((_, _, value)) = found else { continue };
            let bytes = match (param.ty, param.name) {
                // User names stand for ids that the test has given.
                (ParamType::Uid, _) => match self.user_id(value) {
                    Some(uid) => uid.to_le_bytes().into(),
                    None => encode(param, value)?,
                },
                _ => encode(param, value)?,
            };
            values.insert(param.name, bytes);
        }
        self.socket_before(tid, code, &keys, &mut values, node)?;
        ends(code, &keys, &mut values)?;
        self.emit_with(code, tid, values, node)
    }

    fn user_id(&self, node: Node<'_>) -> Option<u32> {
        let name = node.scalar()?.as_bytes();
        self.snapshot.users.iter().find(|user| user.name == name).map(|user| user.uid)
    }

    /// connect, bind and sends work on a socket: one that is not there is made first.
    fn socket_before(
        &mut self,
        tid: i64,
        code: EventCode,
        keys: &Keys<'_>,
        values: &mut Values,
        at: Node<'_>,
    ) -> Read<()> {
        use EventCode as E;
        let (peer, datagram) = match code {
            E::SOCKET_CONNECT_X | E::SOCKET_BIND_X => {
                (keys.get("addr").or(keys.get("tuple")), false)
            }
            E::SOCKET_SENDTO_X | E::SOCKET_SENDMSG_X => (keys.get("tuple"), true),
            _ => return Ok(()),
        };
        let Some(thread) = self.state.thread(tid) else { return Ok(()) };
        let fd = values
            .get("fd")
            .and_then(|fd| Some(i64::from_le_bytes(fd.as_slice().try_into().ok()?)));
        let Some(peer) = peer else { return Ok(()) };
        let fd = match fd {
            Some(fd) if self.state.fd(thread, fd).is_some() => return Ok(()),
            Some(fd) => fd,
            None if datagram && last_socket(&self.state, thread).is_some() => return Ok(()),
            None => free_fd(&self.state, thread),
        };
        values.insert("fd", fd.to_le_bytes().into());
        let family = match parse_tuple(peer)? {
            Tuple::Inet(src, _) => encode::family(&Address::Inet(src)),
            Tuple::Peer(address) => encode::family(&address),
        };
        let kind: u32 = if datagram { 2 } else { 1 };
        let socket = Values::from([
            ("fd", fd.to_le_bytes().to_vec()),
            ("domain", u32::from(family).to_le_bytes().into()),
            ("type", kind.to_le_bytes().into()),
        ]);
        self.emit_with(E::SOCKET_SOCKET_X, tid, socket, at)
    }
}

/// The one key of a line that says what happens, with its value.
fn what_happens<'d>(node: Node<'d>, keys: &Keys<'d>) -> Read<(&'d str, Node<'d>, Node<'d>)> {
    let mut events = keys.iter().filter(|(name, ..)| !LINE_KEYS.contains(name));
    let Some(event) = events.next() else {
        return Err(Problem::at(
            node,
            "an event needs a key that says what happens: spawn, exec, exit or an event type \
             (openat: {name: /etc/passwd})",
        ));
    };
    match events.next() {
        None => Ok(event),
        Some((other, key, _)) => Err(Problem::at(
            key,
            format!(
                "an event is one thing, not both '{}' and '{other}' (besides it: pid, tid, after)",
                event.0
            ),
        )),
    }
}

/// The tuple of a connection that gives only the address, and the other way round.
fn ends(code: EventCode, keys: &Keys<'_>, values: &mut Values) -> Read<()> {
    let accepts = matches!(code, EventCode::SOCKET_ACCEPT_5_X | EventCode::SOCKET_ACCEPT4_6_X);
    if let (true, Some(node)) = (accepts, keys.get("tuple"))
        && let Tuple::Peer(Address::Inet(peer)) = parse_tuple(node)?
    {
        // The peer is the client, so it stands first.
        let local = Endpoint { port: 80, ..encode::near(peer) };
        values.insert("tuple", encode::tuple(&Tuple::Inet(peer, local)));
    }
    if code != EventCode::SOCKET_CONNECT_X {
        return Ok(());
    }
    match (keys.get("addr"), keys.get("tuple")) {
        (Some(addr), None) => {
            let tuple = Tuple::Peer(encode::parse_address(addr)?);
            values.insert("tuple", encode::tuple(&tuple));
        }
        (None, Some(tuple)) => {
            let address = match parse_tuple(tuple)? {
                Tuple::Inet(_, dst) => Address::Inet(dst),
                Tuple::Peer(address) => address,
            };
            values.insert("addr", encode::address(address));
        }
        _ => {}
    }
    Ok(())
}

fn refuse(keys: &Keys<'_>, names: &[&str], why: &str) -> Read<()> {
    for (name, key, _) in keys.iter() {
        if names.contains(&name) {
            return Err(Problem::at(key, format!("'{name}' is not possible here: {why}")));
        }
    }
    Ok(())
}

/// The lowest number that a new fd may get. 0 to 2 are taken: every process has them.
pub fn free_fd(state: &State, thread: &Thread) -> i64 {
    (3..).find(|&num| state.fd(thread, num).is_none()).unwrap_or(3)
}

/// The highest fd that is a socket.
pub fn last_socket(state: &State, thread: &Thread) -> Option<i64> {
    let is_socket = |ty| {
        matches!(
            ty,
            FdType::Ipv4 | FdType::Ipv6 | FdType::Ipv4Server | FdType::Ipv6Server | FdType::Unix
        )
    };
    state.fds(thread)?.iter().filter(|(_, fd)| is_socket(fd.ty)).map(|(num, _)| num).max()
}

/// Whether a test can write events of this type.
fn is_writable(info: &EventInfo) -> bool {
    !info.flags.intersects(EventFlags::UNUSED.union(EventFlags::OLD))
        && matches!(info.origin, Origin::Syscall | Origin::Tracepoint | Origin::Metaevent)
        && info.name != "NA"
}

/// The event type that today's probes send under this name; the exit event of a system call.
fn event_code(name: &str) -> Option<EventCode> {
    // Later numbers are later forms.
    EventCode::all().collect::<Vec<_>>().into_iter().rev().find(|code| {
        let info = code.info();
        let right_side = !code.is_enter() || info.origin != Origin::Syscall;
        info.name == name && right_side && is_writable(info) && *code != EventCode::GENERIC_X
    })
}

fn event_names() -> impl Iterator<Item = &'static str> {
    EVENTS.iter().filter(|info| is_writable(info)).map(|info| info.name)
}
