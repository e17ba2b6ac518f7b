//! Sessions, and the events that must come of them.

mod births;
mod calls;
mod execs;
mod random;
mod samples;

use falco_event::raw::{read_int, until_nul};
use falco_event::{EventCode, ParamType, RawEvent};

use super::*;
use crate::proto;
use prost::bytes::Bytes;

/// A time that all stories begin at, in nanoseconds since the epoch.
const BEGIN: u64 = 1_795_000_000_000_000_000;
/// Number of the sandbox `7ab`.
const NUMBER: u32 = 0x7ab;

/// An event that came out.
#[derive(Debug)]
struct Told {
    code: EventCode,
    ts: u64,
    /// Its thread in the sandbox; the upper half has been checked.
    tid: i32,
    /// Rules do not see it.
    is_state: bool,
    params: Vec<(&'static str, ParamType, Vec<u8>)>,
}

impl Told {
    fn of(event: &RawEvent<'_>, number: u32) -> Self {
        let again = RawEvent::parse(event.bytes(), 0, event.flags()).unwrap();
        let infos = event.code().info().params;
        assert_eq!(again.nparams(), infos.len(), "{:?}", event.code());
        assert_eq!((event.tid() >> 32) as u32, number);
        let params = infos.iter().zip(event.params());
        Told {
            code: event.code(),
            ts: event.ts(),
            tid: event.tid() as i32,
            is_state: event.flags() & DUMP_STATE_ONLY != 0,
            params: params.map(|(info, bytes)| (info.name, info.ty, bytes.to_vec())).collect(),
        }
    }

    fn bytes(&self, name: &str) -> &[u8] {
        let found = self.params.iter().find(|(of, ..)| *of == name);
        &found.unwrap_or_else(|| panic!("{:?} has no {name}", self.code)).2
    }

    /// A number; panics if it was not told.
    fn int(&self, name: &str) -> i64 {
        read_int(self.bytes(name)).unwrap_or_else(|| panic!("{:?} does not tell {name}", self.code))
    }

    /// A thread or process of the sandbox.
    fn id(&self, name: &str) -> i64 {
        let id = self.int(name);
        assert_eq!(id >> 32, i64::from(NUMBER), "{name}");
        id & 0xffff_ffff
    }

    fn text(&self, name: &str) -> &str {
        std::str::from_utf8(until_nul(self.bytes(name))).unwrap()
    }

    /// Texts that end with a NUL each.
    fn list(&self, name: &str) -> Vec<&str> {
        let text = std::str::from_utf8(self.bytes(name)).unwrap();
        text.split_terminator('\0').collect()
    }

    fn is_told(&self, name: &str) -> bool {
        !self.bytes(name).is_empty()
    }

    /// Name and parameters, for comparison as a whole.
    fn line(&self) -> String {
        let mut line = format!("{}{:?}", if self.is_state { "(" } else { "" }, self.code);
        line.truncate(line.rfind('(').unwrap_or(line.len()));
        for (name, ty, bytes) in &self.params {
            let value = match (ty, read_int(bytes)) {
                (_, _) if bytes.is_empty() => continue,
                (ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath, _) => {
                    String::from_utf8_lossy(until_nul(bytes)).into_owned()
                }
                (ParamType::ByteBuf | ParamType::SockAddr | ParamType::SockTuple, _)
                | (_, None) => bytes.escape_ascii().to_string(),
                (_, Some(number)) if number >> 32 == i64::from(NUMBER) => {
                    format!("#{}", number & 0xffff_ffff)
                }
                (_, Some(number)) => number.to_string(),
            };
            line += &format!(" {name}={value}");
        }
        line
    }
}

/// A sandbox that is watched.
struct World {
    mapper: Mapper,
    events: Events,
    now: u64,
    /// What messages say of who sends them, unless they say otherwise.
    context: ContextData,
}

impl World {
    fn new() -> Self {
        let container_id = Bytes::from_static(b"7ab");
        let context = ContextData {
            thread_id: 1,
            thread_group_id: 1,
            thread_start_time_ns: BEGIN as i64,
            container_id,
            ..ContextData::default()
        };
        World {
            mapper: Mapper::new(NUMBER, b"7ab", 0, BEGIN),
            events: Events::new(),
            now: BEGIN,
            context,
        }
    }

    /// One whose first process, `sh`, runs.
    fn started() -> Self {
        let mut world = World::new();
        world.send(proto::Start {
            id: b"7ab"[..].into(),
            cwd: b"/"[..].into(),
            args: vec![b"/bin/sh"[..].into(), b"-c"[..].into()],
            env: vec![b"A=1"[..].into()],
            ..Default::default()
        });
        world
    }

    /// Sends a message of the present context, a millisecond after the one before.
    fn send(&mut self, message: impl Into<Message>) -> Vec<Told> {
        self.now += 1_000_000;
        let mut message = message.into();
        let mut context = self.context.clone();
        context.time_ns = self.now as i64;
        set_context(&mut message, context);
        self.send_as_it_is(&message)
    }

    fn send_as_it_is(&mut self, message: &Message) -> Vec<Told> {
        // What is sent is read as it would be from a socket.
        let read = crate::message::decode(message.kind(), &message.encode()).unwrap().unwrap();
        assert_eq!(read, *message);
        self.mapper.message(&read, self.now, &mut self.events);
        self.taken()
    }

    /// As [`World::send`], of which one event that rules see must come.
    fn one(&mut self, message: impl Into<Message>) -> Told {
        let mut told = self.send(message);
        told.retain(|event| !event.is_state);
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }

    fn lines(&mut self, message: impl Into<Message>) -> Vec<String> {
        self.send(message).iter().map(Told::line).collect()
    }

    /// The line of the one event that rules see.
    fn line(&mut self, message: impl Into<Message>) -> String {
        self.one(message).line()
    }

    fn taken(&mut self) -> Vec<Told> {
        let number = self.mapper.number;
        let mut told = Vec::new();
        while let Some(event) = self.events.pop() {
            told.push(Told::of(&event, number));
        }
        told
    }

    /// Makes `pid` a child of the present process, and it the present one.
    fn fork(&mut self, pid: i32) -> Vec<Told> {
        let start = BEGIN as i64 + i64::from(pid);
        let told = self.send(proto::CloneInfo {
            created_thread_id: pid,
            created_thread_group_id: pid,
            created_thread_start_time_ns: start,
            ..Default::default()
        });
        self.be(pid, pid);
        self.context.thread_start_time_ns = start;
        told
    }

    /// Whose messages come next.
    fn be(&mut self, tid: i32, pid: i32) {
        self.context.thread_id = tid;
        self.context.thread_group_id = pid;
        self.context.thread_start_time_ns = 0;
    }
}

fn ok(result: i64) -> Option<Exit> {
    Some(Exit { result, errorno: 0 })
}

fn failed(errno: i64) -> Option<Exit> {
    Some(Exit { result: 0, errorno: errno })
}

fn set_context(message: &mut Message, context: ContextData) {
    macro_rules! set {
        ($($name:ident)*) => {
            match message {
                $(Message::$name(message) => message.context_data = Some(context),)*
            }
        };
    }
    set! {
        Start CloneInfo ExecveInfo ExitNotifyParentInfo TaskExit MmapInfo Syscall Open Close Read
        Connect Execve Socket Chdir Setid Setresid Prlimit Pipe Fcntl Dup Signalfd Chroot Eventfd
        Clone Bind Accept TimerfdCreate TimerfdSetTime TimerfdGetTime Fork InotifyInit
        InotifyAddWatch InotifyRmWatch SocketPair Write Mmap Listen Ptrace
    }
}
