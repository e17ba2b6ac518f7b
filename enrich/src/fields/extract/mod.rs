//! The values of fields: one module a class. [`Context::extract`] dispatches.
//!
//! "No value" is `None`; what Falco gives as an empty text or as the text `<NA>` is a value here,
//! too, since `exists` and comparisons see the difference (`reference/fields.md`).

mod arg;
mod container;
mod evt;
pub(crate) mod fd;
mod fdlist;
mod fspath;
mod generic;
mod net;
mod open;
mod process;
mod relatives;
mod user;

use std::borrow::Cow;

use falco_rules::value::Value;

use super::table::{Event, Fd, Generic, Key, Process, Util};
use super::{Argument, Resolved};
use crate::context::Context;

impl<'a> Context<'a> {
    /// The value of a field as conditions compare it.
    #[inline]
    pub(crate) fn extract(&self, field: &'a Resolved) -> Option<Value<'a>> {
        match field.key {
            Key::Generic(generic) => self.generic(generic),
            Key::Event(event) => self.event_field(event, &field.arg),
            Key::Process(process) => self.process(process, &field.arg),
            Key::User(user) => self.user(user),
            Key::Group(group) => self.group(group),
            Key::Fd(fd) => self.fd_field(fd, &field.arg),
            Key::FsPath(path) => self.fs_path(path),
            Key::FdList(list) => self.fd_list(list),
            Key::Util(Util::Cnt) => {
                let Argument::Memory(memory) = &field.arg else { return None };
                memory.answer(self.current.num, |m| Some(m.count())).map(Value::Uint)
            }
            Key::Static => {
                let Argument::Key(fixed) = &field.arg else { return None };
                text(fixed)
            }
            Key::Container(container) => self.container(container, &field.arg),
        }
    }

    /// Times, which are numbers in JSON however they are formatted in text.
    pub(crate) fn number_in_json(&self, field: &'a Resolved) -> Option<u64> {
        match field.key {
            Key::Generic(
                Generic::Time
                | Generic::TimeS
                | Generic::TimeIso8601
                | Generic::Datetime
                | Generic::DatetimeS,
            )
            | Key::Event(Event::Outputtime) => Some(self.event.ts()),
            Key::Generic(
                Generic::RawtimeNs | Generic::Reltime | Generic::ReltimeS | Generic::ReltimeNs,
            )
            | Key::Event(Event::LatencyNs | Event::DeltatimeNs) => match self.extract(field)? {
                Value::Uint(n) => Some(n),
                _ => None,
            },
            _ => None,
        }
    }

    /// Offers the candidates of a field to `test` until it accepts one.
    pub(crate) fn any_candidate(
        &self,
        field: &'a Resolved,
        test: &mut dyn FnMut(&Value<'_>) -> bool,
    ) -> bool {
        match field.key {
            Key::Process(process) => self.any_ancestor(process, test),
            Key::Fd(fd @ (Fd::Ip | Fd::Net | Fd::Port | Fd::Proto)) => self.any_end(fd, test),
            Key::Fd(fd) => self.any_name(fd, test),
            _ => self.extract(field).is_some_and(|value| test(&value)),
        }
    }
}

/// Borrowed text.
#[inline]
fn text(bytes: &[u8]) -> Option<Value<'_>> {
    Some(Value::Text(Cow::Borrowed(bytes)))
}

/// Text made for this extraction.
#[inline]
fn made<'a>(bytes: impl Into<Vec<u8>>) -> Option<Value<'a>> {
    Some(Value::Text(Cow::Owned(bytes.into())))
}

#[inline]
fn uint<'a>(n: impl Into<u64>) -> Option<Value<'a>> {
    Some(Value::Uint(n.into()))
}

#[inline]
fn int<'a>(n: i64) -> Option<Value<'a>> {
    Some(Value::Int(n))
}

#[inline]
fn boolean<'a>(b: bool) -> Option<Value<'a>> {
    Some(Value::Bool(b))
}

/// Zero is how "unknown" is stored.
#[inline]
fn unless_zero<'a>(n: u64) -> Option<Value<'a>> {
    (n != 0).then_some(Value::Uint(n))
}

/// Whether the field's key is one whose value depends on earlier events.
pub(super) fn remembers(key: Key) -> bool {
    matches!(
        key,
        Key::Util(Util::Cnt)
            | Key::Event(Event::Deltatime | Event::DeltatimeS | Event::DeltatimeNs)
            | Key::Process(
                Process::ThreadExectime
                    | Process::ThreadTotexectime
                    | Process::ThreadCpu
                    | Process::ThreadCpuUser
                    | Process::ThreadCpuSystem
            )
    )
}
