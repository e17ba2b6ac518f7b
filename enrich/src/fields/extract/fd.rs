//! Class `fd`: names and kinds. Addresses and ports are in `net`.

use falco_event::{EventCode, EventFlags};
use falco_rules::value::Value;
use falco_source::snapshot::L4Proto;

use super::{boolean, int, made, text, uint};
use crate::context::Context;
use crate::fd::{Fd as OpenFd, FdFlags, FdType, Socket};
use crate::fields::Argument;
use crate::fields::table::Fd;
use crate::parse::concatenate_paths;
use crate::render::params::{AT_FDCWD, Text};
use crate::thread::Thread;

/// Events that have anything to do with a descriptor; on others no `fd` field has a value.
const ON_FD: EventFlags =
    EventFlags::CREATES_FD.union(EventFlags::USES_FD).union(EventFlags::DESTROYS_FD);

impl<'a> Context<'a> {
    #[inline]
    pub(super) fn fd_field(&self, field: Fd, arg: &Argument) -> Option<Value<'a>> {
        let thread = self.fd_thread()?;
        match field {
            Fd::Num => int(thread.lastevent_fd),
            Fd::Name => self.fd_name(false).map(Value::Text),
            Fd::Nameraw => {
                let raw = match self.fd() {
                    Some(fd) => (&*fd.name_raw).into(),
                    None => self.name_from_event(true)?,
                };
                Some(Value::Text(without_double_slashes(raw)))
            }
            Fd::Directory => self.directory().map(Value::Text),
            Fd::Filename => {
                let fd = self.fd().filter(|fd| fd.ty == FdType::File)?;
                text(file_name(&fd.name))
            }
            Fd::Type => text(type_name(self.fd()?.ty)),
            Fd::Types => match arg {
                &Argument::Index(num) if num != -1 => {
                    let fd = self.state.fd(thread, num)?;
                    Some(Value::List(vec![Value::text(type_name(fd.ty))]))
                }
                _ => Some(Value::List(self.types(thread))),
            },
            Fd::Typechar => made([match self.fd() {
                Some(fd) => letter(fd.ty),
                None => letter_from_event(self.event.code()),
            }]),
            Fd::Containername => {
                let name = self.fd_name(false)?;
                made([&thread.record.container_id[..], b":", &name[..]].concat())
            }
            Fd::Containerdirectory => {
                let directory = self.directory()?;
                made([&thread.record.container_id[..], b":", &directory[..]].concat())
            }
            Fd::Uid => made(format!("{}{}", thread.tid, thread.lastevent_fd)),
            Fd::Connected => boolean(self.fd()?.flags.contains(FdFlags::CONNECTED)),
            Fd::NameChanged => self.fd().map(|_| Value::Bool(self.current.name_changed)),
            Fd::Dev => int(i64::from(self.fd()?.dev as i32)),
            Fd::DevMajor => uint((self.fd()?.dev & 0xf_ff00) >> 8),
            Fd::DevMinor => {
                let dev = self.fd()?.dev;
                uint(dev & 0xff | dev >> 12 & 0xf_ff00)
            }
            Fd::Ino => int(self.fd()?.ino as i64),
            Fd::IsUpperLayer => boolean(self.fd()?.flags.contains(FdFlags::OVERLAY_UPPER)),
            Fd::IsLowerLayer => boolean(self.fd()?.flags.contains(FdFlags::OVERLAY_LOWER)),
            Fd::L4proto => text(match transport(self.fd()?) {
                L4Proto::Tcp => b"tcp",
                L4Proto::Udp => b"udp",
                L4Proto::Icmp => b"icmp",
                L4Proto::Raw => b"raw",
                L4Proto::Unknown | L4Proto::Na => b"<NA>",
            }),
            Fd::Sockfamily => match self.fd()?.ty {
                ty if super::evt::is_inet(ty) => text(b"ip"),
                FdType::Unix => text(b"unix"),
                _ => None,
            },
            _ => self.net_field(field, self.fd()?),
        }
    }

    /// The event's thread, if the event has to do with a descriptor.
    #[inline]
    fn fd_thread(&self) -> Option<&'a Thread> {
        if self.event.code().has(ON_FD) { self.thread } else { None }
    }

    /// The descriptor that `fd` fields speak of: the event's, or else the last one that the thread
    /// used by number.
    #[inline]
    pub(super) fn fd(&self) -> Option<&'a OpenFd> {
        *self.fd.get_or_init(|| {
            let thread = self.fd_thread()?;
            self.event_fd().or_else(|| match thread.lastevent_fd {
                -1 => None,
                num => self.state.fd(thread, num),
            })
        })
    }

    /// `fd.name`; rebuilt from the event's arguments when there is no descriptor (a failed open).
    pub(super) fn fd_name(&self, raw: bool) -> Option<Text<'a>> {
        self.fd_thread()?;
        match self.fd() {
            Some(fd) => Some((&*fd.name).into()),
            None => self.name_from_event(raw),
        }
    }

    /// The name that an opening call would have given its descriptor.
    fn name_from_event(&self, raw: bool) -> Option<Text<'a>> {
        let code = self.event.code();
        if code.is_enter() {
            return None;
        }
        match code {
            EventCode::SYSCALL_OPEN_X
            | EventCode::SYSCALL_CREAT_X
            | EventCode::SOCKET_ACCEPT_5_X
            | EventCode::SOCKET_ACCEPT4_6_X
            | EventCode::SOCKET_CONNECT_X => self.param_text(1),
            EventCode::SYSCALL_OPENAT_2_X | EventCode::SYSCALL_OPENAT2_X => {
                let name = self.param(2).filter(|name| !name.bytes.is_empty())?.text();
                if raw {
                    return Some(name.into());
                }
                let dir = self.directory_of(self.event.i64(1)?, name);
                Some(concatenate_paths(&dir, name).into())
            }
            EventCode::SYSCALL_OPEN_BY_HANDLE_AT_X => self.param(3).map(|path| path.text().into()),
            _ => Some(b""[..].into()),
        }
    }

    /// The directory that a directory fd stands for, ending with `/`; `<UNKNOWN>` if it is not
    /// known. An absolute `path` needs none.
    pub(super) fn directory_of(&self, dirfd: i64, path: &[u8]) -> Text<'a> {
        let unknown = b"<UNKNOWN>"[..].into();
        if path.starts_with(b"/") {
            return b"."[..].into();
        }
        let Some(thread) = self.thread else { return unknown };
        if dirfd == AT_FDCWD {
            return self.state.cwd(thread).into();
        }
        match self.state.fd(thread, dirfd) {
            Some(fd) if fd.name.ends_with(b"/") => (&*fd.name).into(),
            Some(fd) => [&fd.name[..], b"/"].concat().into(),
            None => unknown,
        }
    }

    /// `fd.directory`: a directory itself, of a file everything before the last slash.
    fn directory(&self) -> Option<Text<'a>> {
        let fd = self.fd();
        let name = match fd {
            None => self.name_from_event(false)?,
            Some(fd) if matches!(fd.ty, FdType::File | FdType::Directory) => (&*fd.name).into(),
            Some(_) => return None,
        };
        if fd.is_some_and(|fd| fd.ty == FdType::Directory) {
            return Some(name);
        }
        Some(match name {
            Text::Borrowed(name) => parent(name).into(),
            Text::Owned(name) => parent(&name).to_vec().into(),
        })
    }

    /// The kinds of all descriptors of the process, each once, those of the latest first.
    fn types(&self, thread: &'a Thread) -> Vec<Value<'a>> {
        let mut types: Vec<&'static [u8]> = Vec::new();
        for (_, fd) in self.state.fds(thread).into_iter().flat_map(|fds| fds.iter()) {
            let name = type_name(fd.ty);
            types.retain(|&known| known != name);
            types.push(name);
        }
        types.into_iter().rev().map(Value::text).collect()
    }
}

/// Everything before the last slash; the whole path if it ends there, `/` if there is none.
pub(crate) fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&b| b == b'/') {
        None | Some(0) => b"/",
        Some(last) if last + 1 == path.len() => path,
        Some(last) => path.get(..last).unwrap_or_default(),
    }
}

/// Everything after the last slash; the whole name if it ends there, `/` if there is none.
pub(crate) fn file_name(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&b| b == b'/') {
        None => b"/",
        Some(last) if last + 1 == path.len() => path,
        Some(last) => path.get(last + 1..).unwrap_or_default(),
    }
}

pub(crate) fn without_double_slashes(path: Text<'_>) -> Text<'_> {
    if !path.windows(2).any(|pair| pair == b"//") {
        return path;
    }
    let mut path = path.into_owned();
    path.dedup_by(|a, b| *a == b'/' && *b == b'/');
    path.into()
}

/// `fd.type`.
pub(crate) fn type_name(ty: FdType) -> &'static [u8] {
    match ty {
        FdType::File => b"file",
        FdType::Directory => b"directory",
        FdType::Ipv4 | FdType::Ipv4Server => b"ipv4",
        FdType::Ipv6 | FdType::Ipv6Server => b"ipv6",
        FdType::Unix => b"unix",
        FdType::Pipe => b"pipe",
        FdType::Event => b"event",
        FdType::Signalfd => b"signalfd",
        FdType::Eventpoll => b"eventpoll",
        FdType::Inotify => b"inotify",
        FdType::Timerfd => b"timerfd",
        FdType::Netlink => b"netlink",
        FdType::Bpf => b"bpf",
        FdType::Userfaultfd => b"userfaultfd",
        FdType::IoUring => b"io_uring",
        FdType::Memfd => b"memfd",
        FdType::Pidfd => b"pidfd",
        FdType::Unknown | FdType::Uninitialized | FdType::Unsupported => b"<NA>",
    }
}

/// `fd.typechar`. Unix sockets and userfaultfds share a letter.
pub(crate) fn letter(ty: FdType) -> u8 {
    match ty {
        FdType::File => b'f',
        FdType::Directory => b'd',
        FdType::Ipv4 | FdType::Ipv4Server => b'4',
        FdType::Ipv6 | FdType::Ipv6Server => b'6',
        FdType::Unix | FdType::Userfaultfd => b'u',
        FdType::Pipe => b'p',
        FdType::Event => b'e',
        FdType::Signalfd => b's',
        FdType::Eventpoll => b'l',
        FdType::Inotify => b'i',
        FdType::Timerfd => b't',
        FdType::Netlink => b'n',
        FdType::Bpf => b'b',
        FdType::IoUring => b'r',
        FdType::Memfd => b'm',
        FdType::Pidfd => b'P',
        FdType::Unknown => b'o',
        FdType::Unsupported => b'X',
        FdType::Uninitialized => b'?',
    }
}

/// The letter when nothing is known but the event. A failed `open` is not among the files, and
/// every socket counts as IPv4; both as in Falco.
fn letter_from_event(code: EventCode) -> u8 {
    match EventCode(code.0 | 1) {
        EventCode::SYSCALL_OPENAT_2_X
        | EventCode::SYSCALL_OPENAT2_X
        | EventCode::SYSCALL_CREAT_X => b'f',
        EventCode::SOCKET_SOCKET_X
        | EventCode::SOCKET_ACCEPT_5_X
        | EventCode::SOCKET_ACCEPT4_6_X => b'4',
        EventCode::SYSCALL_PIPE_X | EventCode::SYSCALL_PIPE2_X => b'p',
        EventCode::SYSCALL_EVENTFD_X | EventCode::SYSCALL_EVENTFD2_X => b'e',
        EventCode::SYSCALL_SIGNALFD_X | EventCode::SYSCALL_SIGNALFD4_X => b's',
        EventCode::SYSCALL_TIMERFD_CREATE_X => b't',
        EventCode::SYSCALL_INOTIFY_INIT_X | EventCode::SYSCALL_INOTIFY_INIT1_X => b'i',
        _ => b'o',
    }
}

/// The transport of a socket. A connection whose ends have no role yet has none, unless raw.
pub(crate) fn transport(fd: &OpenFd) -> L4Proto {
    match fd.socket {
        Socket::Inet { proto: L4Proto::Raw, .. } => L4Proto::Raw,
        Socket::Inet { .. } if fd.has_no_role() => L4Proto::Na,
        Socket::Inet { proto, .. } | Socket::InetServer { proto, .. } => proto,
        Socket::None | Socket::Unix { .. } => L4Proto::Na,
    }
}
