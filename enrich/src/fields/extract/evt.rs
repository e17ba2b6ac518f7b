//! Class `evt`, fields of system calls. Arguments are in `arg`, opening calls in `open`.

use falco_event::{Category, EventCode, EventFlags, Syscall};
use falco_rules::value::Value;

use super::{boolean, int, made, text, uint};
use crate::context::Context;
use crate::fd::{Fd, FdType};
use crate::fields::Argument;
use crate::fields::table::{Event, Generic};

const SECOND: u64 = 1_000_000_000;

/// Calls that make a file descriptor of a path.
const OPENS: [EventCode; 5] = [
    EventCode::SYSCALL_OPEN_X,
    EventCode::SYSCALL_CREAT_X,
    EventCode::SYSCALL_OPENAT_2_X,
    EventCode::SYSCALL_OPENAT2_X,
    EventCode::SYSCALL_OPEN_BY_HANDLE_AT_X,
];

/// Calls that make or name a connection.
const CONNECTS: [EventCode; 3] =
    [EventCode::SOCKET_ACCEPT_5_X, EventCode::SOCKET_ACCEPT4_6_X, EventCode::SOCKET_CONNECT_X];

/// What an error concerns (`evt.count.error.*`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Concern {
    File,
    Net,
    Memory,
    Other,
}

impl<'a> Context<'a> {
    #[inline]
    pub(super) fn event_field(&self, field: Event, arg: &'a Argument) -> Option<Value<'a>> {
        match field {
            Event::Type => text(self.type_name()),
            Event::Arg => self.argument(arg),
            Event::IsOpenRead | Event::IsOpenWrite | Event::IsOpenExec | Event::IsOpenCreate => {
                boolean(self.opens(field))
            }
            Event::Rawres => int(self.result()?),
            Event::Res => self.result_text(),
            _ => self.rarer_event_field(field, arg),
        }
    }

    /// The others, out of line so that the common ones stay small where they are inlined.
    #[inline(never)]
    fn rarer_event_field(&self, field: Event, arg: &'a Argument) -> Option<Value<'a>> {
        let code = self.event.code();
        match field {
            Event::Type
            | Event::Arg
            | Event::IsOpenRead
            | Event::IsOpenWrite
            | Event::IsOpenExec
            | Event::IsOpenCreate
            | Event::Rawres
            | Event::Res => self.event_field(field, arg),
            Event::Latency
            | Event::LatencyS
            | Event::LatencyNs
            | Event::LatencyQuantized
            | Event::WaitLatency => uint(0u64),
            Event::LatencyHuman => text(b"0ns"),
            Event::Deltatime | Event::DeltatimeS | Event::DeltatimeNs => {
                let Argument::Memory(memory) = arg else { return None };
                let delta = memory.answer(self.current.num, |m| Some(m.delta(self.event.ts())))?;
                uint(match field {
                    Event::DeltatimeS => delta / SECOND,
                    Event::DeltatimeNs => delta % SECOND,
                    _ => delta,
                })
            }
            Event::Outputtime => self.generic(Generic::Time),
            Event::Dir => text(if code.is_enter() { b">" } else { b"<" }),
            Event::TypeIs => {
                let Argument::Types(types) = arg else { return None };
                uint(types.contains(&code.0))
            }
            Event::SyscallType => text(code.is_syscall().then(|| self.type_name())?),
            Event::Category => text(self.category()),
            Event::Cpu => int(i64::from(self.event.cpu() as i16)),
            // The parameters of generic events are of internal use only.
            Event::Args | Event::Info if code == EventCode::GENERIC_X => text(b""),
            Event::Args | Event::Info => made(self.params_text()),
            Event::Rawarg => self.raw_argument(arg),
            Event::Buffer => {
                let data = self.data()?;
                Some(Value::Bytes(data.into()))
            }
            Event::Buflen => self.transferred(None, |_| true),
            Event::Failed => boolean(self.result()? < 0),
            Event::IsIo => boolean(code.has(EventFlags::READS | EventFlags::WRITES)),
            Event::IsIoRead => boolean(code.has(EventFlags::READS)),
            Event::IsIoWrite => boolean(code.has(EventFlags::WRITES)),
            Event::IoDir if code.has(EventFlags::WRITES) => text(b"write"),
            Event::IoDir if code.has(EventFlags::READS) => text(b"read"),
            Event::IoDir => None,
            Event::IsWait => boolean(code.has(EventFlags::WAITS)),
            Event::IsSyslog => boolean(code.has(EventFlags::WRITES) && self.names_syslog()),
            Event::Count => uint(1u64),
            Event::CountError => uint(self.error_count()?),
            Event::CountErrorFile => uint(self.error_of(Concern::File)?),
            Event::CountErrorNet => uint(self.error_of(Concern::Net)?),
            Event::CountErrorMemory => uint(self.error_of(Concern::Memory)?),
            Event::CountErrorOther => uint(self.error_of(Concern::Other)?),
            Event::CountExit => (!code.is_enter()).then_some(Value::Uint(1)),
            Event::CountProcinfo => {
                let is_main = self.thread.is_some_and(|thread| thread.is_main());
                uint(code == EventCode::PROCINFO_E && is_main)
            }
            Event::CountThreadinfo => uint(code == EventCode::PROCINFO_E),
            Event::Around => {
                let &Argument::Index(ts) = arg else { return None };
                uint(self.event.ts().abs_diff(ts as u64))
            }
            Event::Abspath => self.absolute_path(arg),
            Event::BuflenIn => self.transferred(Some(Category::IoRead), |_| true),
            Event::BuflenOut => self.transferred(Some(Category::IoWrite), |_| true),
            Event::BuflenFile => self.transferred(None, is_file),
            Event::BuflenFileIn => self.transferred(Some(Category::IoRead), is_file),
            Event::BuflenFileOut => self.transferred(Some(Category::IoWrite), is_file),
            Event::BuflenNet => self.transferred(None, is_inet),
            Event::BuflenNetIn => self.transferred(Some(Category::IoRead), is_inet),
            Event::BuflenNetOut => self.transferred(Some(Category::IoWrite), is_inet),
            Event::InfraDockerName => self.infrastructure(b"Event"),
            Event::InfraDockerContainerId => self.infrastructure(b"ID"),
            Event::InfraDockerContainerName => self.infrastructure(b"name"),
            Event::InfraDockerContainerImage => self.infrastructure(b"Image"),
        }
    }

    /// The name in `evt.type`: that of the system call for generic events.
    #[inline]
    pub(super) fn type_name(&self) -> &'a [u8] {
        if self.event.code() != EventCode::GENERIC_X {
            return self.name();
        }
        let syscall = match self.event.u64(0).unwrap_or(0) as u16 {
            // A call that the recorder did not know.
            0 => self.event.u64(1).and_then(|nr| Syscall::by_x86_64_number(nr as u16)),
            id => Syscall::by_id(id),
        };
        syscall.map_or(b"unknown", |syscall| syscall.name.as_bytes())
    }

    /// The return value, if the event has one. It is the first parameter, whatever its name.
    #[inline]
    pub(super) fn result(&self) -> Option<i64> {
        let code = self.event.code();
        let has = code != EventCode::GENERIC_X && code.is_syscall() && !code.is_enter();
        let param = has.then(|| self.event.param(0)).flatten()?;
        Some(match param.len() {
            4 | 8 => self.event.i64(0).unwrap_or(0),
            _ => 0,
        })
    }

    fn result_text(&self) -> Option<Value<'a>> {
        if self.result()? >= 0 {
            return text(b"SUCCESS");
        }
        self.param_text(0).map(Value::Text)
    }

    fn category(&self) -> &'static [u8] {
        match self.event.info().category {
            Category::Unknown => b"unknown",
            Category::Other => b"other",
            Category::File => b"file",
            Category::Net => b"net",
            Category::Ipc => b"IPC",
            Category::Memory => b"memory",
            Category::Process => b"process",
            Category::Sleep => b"sleep",
            Category::System => b"system",
            Category::Signal => b"signal",
            Category::User => b"user",
            Category::Time => b"time",
            Category::Processing => b"processing",
            Category::IoRead | Category::IoWrite | Category::IoOther => self.io_category(),
            Category::Wait => b"wait",
            Category::Scheduler => b"scheduler",
            Category::Internal => b"internal",
        }
    }

    /// Input and output belong to the class of their descriptor.
    fn io_category(&self) -> &'static [u8] {
        match self.event_fd().map(|fd| fd.ty) {
            Some(FdType::File | FdType::Directory) => b"file",
            Some(ty) if is_inet(ty) => b"net",
            Some(
                FdType::Pipe
                | FdType::Unix
                | FdType::Event
                | FdType::Signalfd
                | FdType::Inotify
                | FdType::Userfaultfd,
            ) => b"ipc",
            _ => b"unknown",
        }
    }

    /// The descriptor of the event itself, without the look-up by number that `fd.*` falls back to.
    #[inline]
    pub(super) fn event_fd(&self) -> Option<&'a Fd> {
        self.state.event_fd(self.current)
    }

    fn names_syslog(&self) -> bool {
        let log = b"/dev/log";
        self.event_fd().is_some_and(|fd| fd.name.windows(log.len()).any(|part| part == log))
    }

    fn error_count(&self) -> Option<u64> {
        Some(u64::from(self.result()? < 0))
    }

    fn error_of(&self, concern: Concern) -> Option<u64> {
        let code = self.event.code();
        let is_memory = self.event.info().category == Category::Memory;
        let found = match self.event_fd().map(|fd| fd.ty) {
            Some(FdType::File | FdType::Directory) => Concern::File,
            Some(ty) if is_inet(ty) || ty == FdType::Unix => Concern::Net,
            Some(_) => Concern::Other,
            None if OPENS.contains(&code) => Concern::File,
            None if CONNECTS.contains(&code) => Concern::Net,
            None if is_memory => Concern::Memory,
            None => Concern::Other,
        };
        // Memory errors are told by the category alone, and count beside the descriptor's class.
        let matches = if concern == Concern::Memory { is_memory } else { found == concern };
        if matches { self.error_count() } else { None }
    }

    /// The bytes that an I/O event moved, if it is of the category (of any, if none is given) and
    /// works on such a descriptor.
    fn transferred(&self, wanted: Option<Category>, fd: fn(FdType) -> bool) -> Option<Value<'a>> {
        let category = self.event.info().category;
        let fits = match wanted {
            Some(wanted) => category == wanted,
            None => matches!(category, Category::IoRead | Category::IoWrite | Category::IoOther),
        };
        if !fits || !fd(self.event_fd()?.ty) {
            return None;
        }
        let moved = u64::try_from(self.result()?).ok()?;
        uint(moved)
    }

    /// One part of the description of a docker event (`Event:start;ID:0123;…`).
    fn infrastructure(&self, key: &[u8]) -> Option<Value<'a>> {
        if self.event.code() != EventCode::INFRASTRUCTURE_EVENT_E {
            return None;
        }
        let description = self.param(2)?.text();
        let parts = description.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        let part = parts.into_iter().find(|part| part.starts_with(key))?;
        let colon = part.iter().position(|&b| b == b':')?;
        let value = part.get(colon + 1..)?;
        let is_image = key == b"Image";
        let end = match value.iter().position(|&b| b == b'@') {
            Some(at) if is_image => at,
            // A digest has a colon of its own.
            _ if is_image && value.windows(6).any(|w| w == b"sha256") => value.len(),
            _ => value.iter().position(|&b| b == b':').unwrap_or(value.len()),
        };
        let value = value.get(..end)?.trim_ascii();
        text(if key == b"ID" { value.get(..12).unwrap_or(value) } else { value })
    }
}

fn is_file(ty: FdType) -> bool {
    ty == FdType::File
}

/// IPv4 and IPv6 sockets, connected or listening.
pub(super) fn is_inet(ty: FdType) -> bool {
    matches!(ty, FdType::Ipv4 | FdType::Ipv6 | FdType::Ipv4Server | FdType::Ipv6Server)
}
