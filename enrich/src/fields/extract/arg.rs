//! `evt.arg`, `evt.rawarg`, `evt.abspath`, `evt.buffer`: the parameters of an event.

use std::borrow::Cow;

use falco_event::raw::{read_int, read_uint};
use falco_event::{EventCode, ParamType};
use falco_rules::value::Value;

use super::{made, text};
use crate::context::Context;
use crate::fields::Argument;
use crate::parse::concatenate_paths;
use crate::render::params::{AT_FDCWD, Param};

impl<'a> Context<'a> {
    /// `evt.arg.NAME`, `evt.arg[N]`.
    #[inline]
    pub(super) fn argument(&self, arg: &Argument) -> Option<Value<'a>> {
        let index = match arg {
            Argument::Parameter(index) => index.of(self.event.code())?,
            &Argument::Index(n) => usize::try_from(n).ok()?,
            _ => return None,
        };
        self.param_text(index).map(Value::Text)
    }

    /// `evt.rawarg.NAME`: the value in the parameter's own type.
    pub(super) fn raw_argument(&self, arg: &Argument) -> Option<Value<'a>> {
        let Argument::Raw(parameter) = arg else { return None };
        let index = parameter.index.of(self.event.code())?;
        raw_value(&self.param(index)?)
    }

    /// The data of an I/O event.
    pub(super) fn data(&self) -> Option<&'a [u8]> {
        self.event.param(self.event.info().param_index("data")?)
    }

    /// `evt.abspath`: the absolute path that a call with a directory fd worked on.
    pub(super) fn absolute_path(&self, arg: &Argument) -> Option<Value<'a>> {
        let &Argument::Index(which) = arg else { return None };
        let thread = self.thread?;
        let (dir, path) = match self.event.code() {
            EventCode::SYSCALL_RENAMEAT_X | EventCode::SYSCALL_RENAMEAT2_X => match which {
                2 => ("newdirfd", "newpath"),
                _ => ("olddirfd", "oldpath"),
            },
            EventCode::SYSCALL_LINKAT_2_X => match which {
                2 => ("newdir", "newpath"),
                _ => ("olddir", "oldpath"),
            },
            EventCode::SYSCALL_SYMLINKAT_X => ("linkdirfd", "linkpath"),
            EventCode::SYSCALL_OPENAT_2_X
            | EventCode::SYSCALL_OPENAT2_X
            | EventCode::SYSCALL_UNLINKAT_2_X => ("dirfd", "name"),
            EventCode::SYSCALL_MKDIRAT_X => ("dirfd", "path"),
            EventCode::SYSCALL_FCHMODAT_X => ("dirfd", "filename"),
            EventCode::SYSCALL_FCHOWNAT_X => ("dirfd", "pathname"),
            EventCode::SYSCALL_OPEN_BY_HANDLE_AT_X => {
                let is_open = self.result().is_some_and(|fd| fd > 0);
                return made(concatenate_paths(
                    b"",
                    is_open.then(|| self.param(3)).flatten()?.text(),
                ));
            }
            _ => return None,
        };
        let dir = self.event.i64(self.event.info().param_index(dir)?)?;
        let path = self.param(self.event.info().param_index(path)?)?;
        if path.bytes.is_empty() {
            return None;
        }
        let path = path.text();
        if dir == AT_FDCWD || path.starts_with(b"/") {
            return made(concatenate_paths(self.state.cwd(thread), path));
        }
        match self.state.fd(thread, dir) {
            Some(fd) => made(concatenate_paths(&[&fd.name[..], b"/"].concat(), path)),
            None => made(concatenate_paths(b"<UNKNOWN>/", path)),
        }
    }
}

/// A parameter as a value. Addresses and lists stay bytes. A number that the probe left empty shows
/// as `0` but equals no number: it is text.
fn raw_value<'a>(param: &Param<'a>) -> Option<Value<'a>> {
    let bytes = param.bytes;
    match param.info.ty {
        ty if bytes.is_empty() && shows_as_zero(ty) => text(b"0"),
        ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath => text(param.text()),
        ParamType::Int8
        | ParamType::Int16
        | ParamType::Int32
        | ParamType::Int64
        | ParamType::Errno
        | ParamType::Fd
        | ParamType::Pid
        | ParamType::Fd32
        | ParamType::Pid32 => read_int(bytes).map(Value::Int),
        ParamType::Uint8
        | ParamType::Uint16
        | ParamType::Uint32
        | ParamType::Uint64
        | ParamType::SyscallId
        | ParamType::SigType
        | ParamType::RelTime
        | ParamType::AbsTime
        | ParamType::Port
        | ParamType::L4Proto
        | ParamType::SockFamily
        | ParamType::Flags8
        | ParamType::Flags16
        | ParamType::Flags32
        | ParamType::EnumFlags8
        | ParamType::EnumFlags16
        | ParamType::EnumFlags32
        | ParamType::Uid
        | ParamType::Gid
        | ParamType::SigSet
        | ParamType::Mode => read_uint(bytes).map(Value::Uint),
        ParamType::Bool => read_uint(bytes).map(|n| Value::Bool(n != 0)),
        ParamType::Double => Some(Value::Double(f64::from_le_bytes(bytes.try_into().ok()?))),
        ParamType::Ipv4Addr | ParamType::Ipv6Addr | ParamType::IpAddr => {
            let v4 = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from));
            ip.ok().map(Value::Ip)
        }
        _ => Some(Value::Bytes(Cow::Borrowed(bytes))),
    }
}

/// Whether a parameter of this type that has no bytes shows as `0`.
fn shows_as_zero(ty: ParamType) -> bool {
    matches!(
        ty,
        ParamType::Int8
            | ParamType::Int16
            | ParamType::Int32
            | ParamType::Int64
            | ParamType::Errno
            | ParamType::Fd
            | ParamType::Pid
            | ParamType::Uint8
            | ParamType::Uint16
            | ParamType::Uint32
            | ParamType::Uint64
            | ParamType::RelTime
            | ParamType::AbsTime
            | ParamType::Port
            | ParamType::L4Proto
            | ParamType::Flags8
            | ParamType::Flags16
            | ParamType::Flags32
            | ParamType::EnumFlags8
            | ParamType::EnumFlags16
            | ParamType::EnumFlags32
            | ParamType::Uid
            | ParamType::Gid
    )
}
