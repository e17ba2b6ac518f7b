//! [`Context`]: one event with the state around it, as conditions and templates see it.

use std::cell::OnceCell;

use falco_event::RawEvent;
use falco_rules::catalogue::{EventContext, FieldId, Scope};
use falco_rules::render_value::BufferFormat;
use falco_rules::value::{Print, Value, ValueType};
use falco_rules::verdicts::Verdicts;

use crate::container::ContainerInfo;
use crate::fd::Fd;
use crate::fields::{Argument, SyscallFields};
use crate::state::{Current, State};
use crate::thread::Thread;

/// An event after [`State::process`] took it in. Cheap to make; everything in it is borrowed.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    pub(crate) state: &'a State,
    pub(crate) event: &'a RawEvent<'a>,
    pub(crate) current: &'a Current,
    pub(crate) fields: &'a SyscallFields,
    /// The event's thread, if it is known.
    pub(crate) thread: Option<&'a Thread>,
    /// The container that the event tells of: container fields speak of it, not of the thread's.
    pub(crate) told: Option<&'a ContainerInfo>,
    /// The descriptor that `fd` fields speak of, once one has asked.
    pub(crate) fd: OnceCell<Option<&'a Fd>>,
    /// How data among an event's arguments becomes text.
    pub(crate) buffer_format: BufferFormat,
}

impl<'a> Context<'a> {
    /// The context of `event`, of which `state` told `current`. `fields` must be the catalogue by
    /// which the conditions and templates were compiled.
    #[inline]
    pub fn new(
        state: &'a State,
        event: &'a RawEvent<'a>,
        current: &'a Current,
        fields: &'a SyscallFields,
    ) -> Self {
        let thread = if current.has_thread { state.event_thread(current) } else { None };
        let fd = OnceCell::new();
        let buffer_format = BufferFormat::default();
        let told = state.event_container(current);
        Context { state, event, current, fields, thread, told, fd, buffer_format }
    }

    /// The same with another format of data buffers in `evt.args` and `evt.arg`, for output:
    /// conditions always compare the printable form.
    #[must_use]
    pub fn with_buffer_format(self, buffer_format: BufferFormat) -> Self {
        Context { buffer_format, ..self }
    }

    /// The event's number (`evt.num`).
    pub fn number(&self) -> u64 {
        self.current.num
    }
}

impl EventContext for Context<'_> {
    #[inline]
    fn event_type(&self) -> u16 {
        self.event.code().0
    }

    #[inline]
    fn value(&self, field: FieldId) -> Option<Value<'_>> {
        self.extract(self.fields.resolved(field)?)
    }

    fn json_number(&self, field: FieldId) -> Option<u64> {
        self.number_in_json(self.fields.resolved(field)?)
    }

    fn printed_as(&self, field: FieldId) -> Option<(ValueType, Print)> {
        let Argument::Raw(parameter) = &self.fields.resolved(field)?.arg else { return None };
        parameter.printed_on(self.event.code())
    }

    fn candidates(&self, field: FieldId, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        self.fields.resolved(field).is_some_and(|resolved| self.any_candidate(resolved, test))
    }

    #[inline]
    fn verdicts(&self, scope: Scope) -> Option<(&Verdicts, u32)> {
        if self.told.is_some() {
            return None;
        }
        let record = &self.thread?.record;
        match scope {
            Scope::Process => Some((&record.own, record.generation)),
            Scope::Lineage => Some((&record.lineage, self.state.lineage_generation())),
            Scope::Event => None,
        }
    }
}
