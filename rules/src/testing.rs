//! A small catalogue and its events, for the unit tests of this crate.

use std::collections::HashMap;

use crate::catalogue::{
    Catalogue, Comparison, EventContext, EventTypes, Field, FieldError, FieldFlags, FieldId,
    FieldInfo, Scope,
};
use crate::check::{CheckError, Checked, check};
use crate::oracle;
use crate::parser;
use crate::value::{Print, Value, ValueType};
use crate::verdicts::Verdicts;

/// `open` is 10 and 11, `close` 20, every generic call 30, asynchronous events 40.
pub(crate) const TYPES: [(&str, &[u16]); 4] =
    [("open", &[10, 11]), ("close", &[20]), ("getpid", &[30]), ("container", &[40])];

const fn info(name: &'static str, ty: ValueType, print: Print, flags: FieldFlags) -> FieldInfo {
    FieldInfo { name, ty, print, flags, class: "test", desc: "" }
}

/// One field of every kind.
pub(crate) const FIELDS: [(FieldInfo, Comparison); 19] = {
    use Comparison as C;
    use FieldFlags as F;
    use Print as P;
    use ValueType as T;
    let none = F::empty();
    let no_right = F::NO_RHS.union(F::NO_TRANSFORMER);
    [
        (info("evt.type", T::CharBuf, P::Na, none), C::EventType),
        (info("syscall.type", T::CharBuf, P::Na, none), C::EventType),
        (info("evt.num", T::Uint64, P::Dec, none), C::Plain),
        (info("evt.is_io", T::Bool, P::Na, none), C::Plain),
        (info("evt.buffer", T::ByteBuf, P::Na, none), C::Plain),
        (info("evt.rawarg", T::Int64, P::Dec, no_right), C::FirstOnly),
        (info("evt.arg", T::CharBuf, P::Na, F::ARG_REQUIRED), C::Plain),
        (info("evt.around", T::Uint64, P::Dec, no_right), C::Within),
        (info("evt.flags", T::Flags32, P::Hex, none), C::Plain),
        (info("proc.name", T::CharBuf, P::Na, none), C::Plain),
        (info("proc.pid", T::Int64, P::Id, none), C::Plain),
        (info("proc.aname", T::CharBuf, P::Na, no_right.union(F::ARG_ALLOWED)), C::AnyCandidate),
        (info("proc.apid", T::Int64, P::Id, no_right), C::AnyCandidate),
        (info("fd.name", T::CharBuf, P::Na, none), C::Plain),
        (info("fd.types", T::CharBuf, P::Dec, F::LIST), C::Plain),
        (info("fd.ip", T::IpAddr, P::Na, no_right), C::EitherEnd),
        (info("fd.net", T::IpNet, P::Na, no_right), C::EitherEnd),
        (info("fd.snet", T::IpNet, P::Na, no_right), C::FirstOnly),
        (info("fd.host", T::CharBuf, P::Na, no_right), C::HostName),
    ]
};

/// The catalogue. Fields with an argument in brackets are told apart from those without.
#[derive(Default)]
pub(crate) struct Fields {
    resolved: Vec<(String, Option<String>)>,
}

impl Catalogue for Fields {
    fn fields(&self) -> &[FieldInfo] {
        &[]
    }

    fn resolve(&mut self, name: &str, arg: Option<&str>) -> Result<Field, FieldError> {
        let at = FIELDS.iter().position(|(info, _)| info.name == name);
        let (info, comparison) = FIELDS[at.ok_or(FieldError::Unknown)?];
        match arg {
            None if info.flags.contains(FieldFlags::ARG_REQUIRED) => {
                return Err(FieldError::MissingArgument(format!("filter syntax error: {name}")));
            }
            Some(_)
                if !info.flags.intersects(FieldFlags::ARG_REQUIRED | FieldFlags::ARG_ALLOWED) =>
            {
                return Err(FieldError::Unknown);
            }
            _ => {}
        }
        let key = (name.to_owned(), arg.map(str::to_owned));
        let id = self.resolved.iter().position(|known| *known == key).unwrap_or_else(|| {
            self.resolved.push(key);
            self.resolved.len() - 1
        });
        let comparison = if arg.is_some() { Comparison::Plain } else { comparison };
        Ok(Field { id: FieldId(id as u32), info, comparison, scope: Scope::Event })
    }

    fn field_prefix(&self, text: &str) -> Option<usize> {
        let names = FIELDS.iter().map(|(info, _)| info.name).filter(|name| text.starts_with(name));
        names.map(str::len).max()
    }

    fn event_types(&self, name: &str) -> Option<EventTypes> {
        let (_, types) = TYPES.iter().find(|(known, _)| *known == name)?;
        Some(types.iter().copied().collect())
    }

    fn event_name(&self, code: u16) -> Option<&str> {
        match code {
            10 | 11 => Some("open"),
            20 => Some("close"),
            _ => None,
        }
    }

    fn all_event_types(&self) -> EventTypes {
        TYPES.iter().flat_map(|(_, types)| types.iter().copied()).collect()
    }

    fn neutral_event_types(&self) -> EventTypes {
        EventTypes::from_iter([40])
    }
}

/// An event: values by field as written (`proc.aname[1]`); candidates are the elements of lists.
pub(crate) struct Event {
    by_id: HashMap<u32, Value<'static>>,
}

impl Event {
    /// An event for the fields that `fields` has resolved.
    pub(crate) fn new(fields: &Fields, values: &[(&str, Value<'static>)]) -> Self {
        let text = |(name, arg): &(String, Option<String>)| match arg {
            Some(arg) => format!("{name}[{arg}]"),
            None => name.clone(),
        };
        let ids = (0u32..).zip(&fields.resolved);
        let by_id = ids.filter_map(|(id, key)| {
            let (_, value) = values.iter().find(|(name, _)| *name == text(key))?;
            Some((id, value.clone()))
        });
        Event { by_id: by_id.collect() }
    }
}

impl EventContext for Event {
    fn event_type(&self) -> u16 {
        10
    }

    fn value(&self, field: FieldId) -> Option<Value<'_>> {
        self.by_id.get(&field.0).cloned()
    }

    fn candidates(&self, field: FieldId, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        self.by_id.get(&field.0).is_some_and(|value| value.as_elements().iter().any(test))
    }

    fn verdicts(&self, _scope: Scope) -> Option<(&Verdicts, u32)> {
        None
    }
}

/// Compiles a condition.
pub(crate) fn compile(condition: &str, fields: &mut Fields) -> Result<Checked, CheckError> {
    check(&parser::parse(condition).unwrap(), fields)
}

/// Whether a condition holds on an event with these values.
pub(crate) fn holds(condition: &str, values: &[(&str, Value<'static>)]) -> bool {
    let mut fields = Fields::default();
    let checked = compile(condition, &mut fields).unwrap();
    oracle::evaluate(&checked.expr, &Event::new(&fields, values))
}
