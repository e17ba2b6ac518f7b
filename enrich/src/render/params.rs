//! One parameter of an event as text: as it is, and resolved (an fd's name, a flag's names).
//!
//! `evt.args` shows both, `evt.arg.NAME` the resolved text if there is one. So the two are made
//! apart, and text that the event holds is lent, not copied.

use std::borrow::Cow;

use falco_event::raw::{read_int, read_uint, until_nul};
use falco_event::{EventCode, ParamInfo, ParamType, PrintFormat, Syscall};
use falco_source::snapshot::L4Proto;

use super::{bytes, flags, names, net, number, time};
use crate::context::Context;
use crate::fd::{Fd, FdType};
use crate::fields::extract::fd;
use crate::parse::concatenate_paths;

/// Text that is mostly borrowed.
pub(crate) type Text<'a> = Cow<'a, [u8]>;

/// The directory fd that stands for the working directory.
pub(crate) const AT_FDCWD: i64 = -100;

/// What a text parameter holds when the probe could not read it.
const NOT_AVAILABLE: &[u8] = b"<NA>";

/// One parameter of the event of a context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param<'a> {
    pub(crate) info: &'static ParamInfo,
    pub(crate) bytes: &'a [u8],
    /// Type and format of the value: the parameter's, or those that a dynamic one selects.
    ty: ParamType,
    format: PrintFormat,
}

impl<'a> Context<'a> {
    /// Parameter `index` of the event, if the event has it and the table knows it.
    pub(crate) fn param(&self, index: usize) -> Option<Param<'a>> {
        let info = self.event.info().params.get(index)?;
        Some(Param::new(self.event.code(), info, self.event.param(index)?))
    }

    /// The text of parameter `index`, resolved if it can be: what `evt.arg` gives.
    pub(crate) fn param_text(&self, index: usize) -> Option<Text<'a>> {
        let param = self.param(index)?;
        match param.resolved(self) {
            Some(text) if !text.is_empty() => Some(text),
            _ => Some(param.plain(self)),
        }
    }

    /// All parameters as `name=value` or `name=value(resolved)`, joined by blanks.
    pub(crate) fn params_text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (info, param) in self.event.info().params.iter().zip(self.event.params()) {
            let param = Param::new(self.event.code(), info, param);
            if !out.is_empty() {
                out.push(b' ');
            }
            out.extend_from_slice(info.name.as_bytes());
            out.push(b'=');
            out.extend_from_slice(&param.plain(self));
            if let Some(resolved) = param.resolved(self).filter(|text| !text.is_empty()) {
                out.push(b'(');
                out.extend_from_slice(&resolved);
                out.push(b')');
            }
        }
        out
    }
}

impl<'a> Param<'a> {
    fn new(code: EventCode, info: &'static ParamInfo, raw: &'a [u8]) -> Self {
        let plain = Param { info, bytes: raw, ty: info.ty, format: info.format };
        if info.ty != ParamType::Dyn {
            return plain;
        }
        let Some((&selector, value)) = raw.split_first() else { return plain };
        match dynamic_type(code, selector) {
            // The format stays the parameter's own.
            Some(ty) => Param { bytes: value, ty, ..plain },
            None => plain,
        }
    }

    /// Whether the probe could not read it.
    fn is_missing(&self) -> bool {
        self.bytes.is_empty() || (self.is_text() && self.bytes == b"(NULL)\0")
    }

    fn is_text(&self) -> bool {
        matches!(self.ty, ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath)
    }

    /// The text of a text parameter, `<NA>` if it could not be read.
    pub(crate) fn text(&self) -> &'a [u8] {
        if self.is_missing() { NOT_AVAILABLE } else { until_nul(self.bytes) }
    }

    fn uint(&self) -> u64 {
        read_uint(self.bytes).unwrap_or(0)
    }

    fn int(&self) -> i64 {
        read_int(self.bytes).unwrap_or(0)
    }

    /// The value as it is.
    pub(crate) fn plain(&self, ctx: &Context<'a>) -> Text<'a> {
        if self.bytes.is_empty() && !self.is_text() {
            return Cow::Borrowed(match self.info.ty {
                // Behind a selector, no data is no text.
                ParamType::Dyn if self.ty == ParamType::ByteBuf => b"",
                ParamType::ByteBuf
                | ParamType::SockTuple
                | ParamType::FdList
                | ParamType::CharBufArray
                | ParamType::CharBufPairArray
                | ParamType::Dyn => b"NULL",
                _ => NOT_AVAILABLE,
            });
        }
        let signed = matches!(
            self.ty,
            ParamType::Int8 | ParamType::Int16 | ParamType::Int32 | ParamType::Int64
        );
        owned(match self.ty {
            ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath => {
                return Cow::Borrowed(self.text());
            }
            ParamType::Int8
            | ParamType::Int16
            | ParamType::Int32
            | ParamType::Int64
            | ParamType::Uint8
            | ParamType::Uint16
            | ParamType::Uint32
            | ParamType::Uint64
            | ParamType::Mode => {
                number::integer(self.uint(), self.bytes.len(), self.format, signed)
            }
            ParamType::Fd | ParamType::Pid | ParamType::Errno => self.int().to_string(),
            ParamType::SyscallId | ParamType::SigType => self.uint().to_string(),
            ParamType::Flags8
            | ParamType::Flags16
            | ParamType::Flags32
            | ParamType::EnumFlags8
            | ParamType::EnumFlags16
            | ParamType::EnumFlags32 => self.uint().to_string(),
            ParamType::Uid | ParamType::Gid => (self.uint() as u32 as i32).to_string(),
            ParamType::RelTime if self.uint() == u64::MAX => "none".to_owned(),
            ParamType::RelTime => self.uint().to_string(),
            ParamType::AbsTime => time::absolute(self.uint()),
            ParamType::SigSet => names::signals(self.uint() as u32),
            ParamType::ByteBuf => {
                return Cow::Owned(bytes::text(self.bytes, ctx.buffer_format));
            }
            ParamType::SockAddr => return Cow::Owned(net::sockaddr(self.bytes)),
            ParamType::SockTuple => return Cow::Owned(net::socktuple(self.bytes)),
            ParamType::FdList => return Cow::Owned(fd_list(self.bytes, ctx)),
            ParamType::Dyn => "INVALID DYNAMIC PARAMETER".to_owned(),
            _ => "(n.a.)".to_owned(),
        })
    }

    /// What the value stands for; none if it stands for itself.
    pub(crate) fn resolved(&self, ctx: &Context<'a>) -> Option<Text<'a>> {
        if self.bytes.is_empty() {
            return None;
        }
        match self.ty {
            ParamType::Fd => resolved_fd(self.int(), ctx),
            ParamType::Pid => Some(Cow::Borrowed(&ctx.state.thread(self.int())?.record.comm)),
            ParamType::Errno if self.int() < 0 => names::error(self.int()).map(lent),
            ParamType::FsPath | ParamType::FsRelPath => self.resolved_path(ctx),
            ParamType::SyscallId => {
                Some(lent(Syscall::by_id(self.uint() as u16).map_or("unknown", |s| s.name)))
            }
            ParamType::SigType => names::signal(self.uint() as u8).map(lent),
            ParamType::RelTime if self.uint() != u64::MAX => {
                Some(owned(number::seconds(self.uint())))
            }
            ParamType::Flags8 | ParamType::Flags16 | ParamType::Flags32 => {
                Some(owned(flags::bits(self.uint() as u32, self.info.values)))
            }
            ParamType::EnumFlags8 | ParamType::EnumFlags16 | ParamType::EnumFlags32 => {
                Some(owned(flags::exact(self.uint() as u32, self.info.values)))
            }
            ParamType::Mode => Some(owned(flags::mode(self.uint() as u32, self.info.values))),
            ParamType::Uid => Some(user(ctx, self.uint() as u32)),
            ParamType::Gid => Some(group(ctx, self.uint() as u32)),
            _ => None,
        }
    }

    /// A relative path joined with the working directory, or with the directory of the fd that
    /// another parameter names.
    fn resolved_path(&self, ctx: &Context<'a>) -> Option<Text<'a>> {
        let path = self.text();
        let thread = ctx.thread?;
        if path == NOT_AVAILABLE || path.is_empty() || path.starts_with(b"/") {
            return None;
        }
        let dirfd = self.info.dirfd.and_then(|i| ctx.event.i64(usize::from(i)));
        let joined = match dirfd {
            Some(dirfd) if dirfd != AT_FDCWD => {
                let dir = ctx.state.fd(thread, dirfd).map(|fd| &*fd.name).unwrap_or_default();
                let slash: &[u8] = if dir.is_empty() || dir.ends_with(b"/") { b"" } else { b"/" };
                concatenate_paths(&[dir, slash].concat(), path)
            }
            _ => concatenate_paths(ctx.state.cwd(thread), path),
        };
        Some(Cow::Owned(joined))
    }
}

fn lent<'a>(text: &'static str) -> Text<'a> {
    Cow::Borrowed(text.as_bytes())
}

fn owned<'a>(text: String) -> Text<'a> {
    Cow::Owned(text.into_bytes())
}

/// What a dynamic parameter of this event holds behind its selector (libscap
/// `driver/dynamic_params_table.c`).
fn dynamic_type(code: EventCode, selector: u8) -> Option<ParamType> {
    let types: &[ParamType] = match code {
        EventCode::SOCKET_SETSOCKOPT_X | EventCode::SOCKET_GETSOCKOPT_X => &[
            ParamType::ByteBuf,
            ParamType::Errno,
            ParamType::Uint32,
            ParamType::Uint64,
            ParamType::RelTime,
        ],
        EventCode::SYSCALL_PTRACE_X => &[ParamType::Uint64, ParamType::SigType],
        EventCode::SYSCALL_BPF_X => &[ParamType::Fd, ParamType::Errno],
        EventCode::SYSCALL_KEYCTL_X => &[ParamType::Int64, ParamType::CharBuf],
        _ => &[],
    };
    types.get(usize::from(selector)).copied()
}

fn resolved_fd<'a>(num: i64, ctx: &Context<'a>) -> Option<Text<'a>> {
    let thread = ctx.thread?;
    if num == AT_FDCWD {
        return Some(lent("AT_FDCWD"));
    }
    if num < 0 {
        return names::error(num).map(lent);
    }
    Some(Cow::Owned(described(ctx.state.fd(thread, num)?)))
}

/// `<f>/path`, `<4t>1.2.3.4:5->6.7.8.9:10`.
fn described(fd: &Fd) -> Vec<u8> {
    let mut out = vec![b'<', fd::letter(fd.ty)];
    if matches!(fd.ty, FdType::Ipv4 | FdType::Ipv6 | FdType::Ipv4Server | FdType::Ipv6Server) {
        match fd::transport(fd) {
            L4Proto::Tcp => out.push(b't'),
            L4Proto::Udp => out.push(b'u'),
            L4Proto::Icmp => out.push(b'i'),
            L4Proto::Raw => out.push(b'r'),
            L4Proto::Unknown | L4Proto::Na => {}
        }
    }
    out.push(b'>');
    out.extend_from_slice(&fd.name);
    out
}

/// Longest text of an fd list; the rest is cut off.
const FD_LIST_MAX: usize = 1023;

/// `fd:letter events` for each entry, blanks between; `?` for fds that are not known. Numbers are
/// unsigned, so that −1, which poll skips, is a large one.
fn fd_list(param: &[u8], ctx: &Context<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(thread) = ctx.thread else { return out };
    for (num, events) in fd_list_entries(param) {
        let letter = ctx.state.fd(thread, num).map_or(b'?', |fd| fd::letter(fd.ty)) as char;
        if !out.is_empty() {
            out.push(b' ');
        }
        let entry = format!("{}:{letter}{:x}", num as u64, i32::from(events));
        out.extend_from_slice(entry.as_bytes());
        if out.len() >= FD_LIST_MAX {
            out.truncate(FD_LIST_MAX);
            break;
        }
    }
    out
}

/// The (fd, poll flags) pairs of an fd list parameter.
pub(crate) fn fd_list_entries(param: &[u8]) -> impl Iterator<Item = (i64, i16)> + '_ {
    let (count, entries) = match param.split_first_chunk::<2>() {
        Some((count, entries)) => (u16::from_le_bytes(*count), entries),
        None => (0, &[][..]),
    };
    entries.chunks_exact(10).take(usize::from(count)).filter_map(|entry| {
        let (num, events) = entry.split_first_chunk::<8>()?;
        Some((i64::from_le_bytes(*num), i16::from_le_bytes(events.try_into().ok()?)))
    })
}

fn user<'a>(ctx: &Context<'a>, uid: u32) -> Text<'a> {
    if uid == u32::MAX {
        return lent("<NONE>");
    }
    let found = ctx.thread.and_then(|t| ctx.state.users().user(&t.record.container_id, uid));
    named(found.map(|user| &*user.name))
}

fn group<'a>(ctx: &Context<'a>, gid: u32) -> Text<'a> {
    if gid == u32::MAX {
        return lent("<NONE>");
    }
    let found = ctx.thread.and_then(|t| ctx.state.users().group(&t.record.container_id, gid));
    named(found.map(|group| &*group.name))
}

fn named(name: Option<&[u8]>) -> Text<'_> {
    Cow::Borrowed(name.filter(|name| !name.is_empty()).unwrap_or(NOT_AVAILABLE))
}
