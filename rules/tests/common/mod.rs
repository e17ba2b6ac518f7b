//! A small catalogue for tests of the loader: a few text and number fields and two event types.

use falco_rules::catalogue::{
    Catalogue, Comparison, EventTypes, Field, FieldError, FieldFlags, FieldId, FieldInfo, Scope,
};
use falco_rules::value::{Print, ValueType};

const fn info(name: &'static str, ty: ValueType, flags: FieldFlags) -> FieldInfo {
    FieldInfo { name, ty, print: Print::Dec, flags, class: "test", desc: "for tests" }
}

const TEXT: ValueType = ValueType::CharBuf;

static FIELDS: [FieldInfo; 7] = [
    info("evt.type", TEXT, FieldFlags::empty()),
    info("evt.dir", TEXT, FieldFlags::DEPRECATED),
    info("proc.name", TEXT, FieldFlags::empty()),
    info("proc.pname", TEXT, FieldFlags::empty()),
    info("proc.aname", TEXT, FieldFlags::ARG_ALLOWED),
    info("fd.num", ValueType::Int64, FieldFlags::empty()),
    info("container.id", TEXT, FieldFlags::SUGGESTED),
];

#[derive(Debug, Default)]
pub struct TestFields;

impl Catalogue for TestFields {
    fn fields(&self) -> &[FieldInfo] {
        &FIELDS
    }

    fn resolve(&mut self, name: &str, arg: Option<&str>) -> Result<Field, FieldError> {
        let found = FIELDS.iter().position(|f| f.name == name).ok_or(FieldError::Unknown)?;
        let info = FIELDS[found];
        if arg.is_some() && !info.flags.contains(FieldFlags::ARG_ALLOWED) {
            return Err(FieldError::BadArgument("no argument".into()));
        }
        let comparison = if name == "evt.type" { Comparison::EventType } else { Comparison::Plain };
        Ok(Field { id: FieldId(found as u32), info, comparison, scope: Scope::Event })
    }

    fn field_prefix(&self, text: &str) -> Option<usize> {
        FIELDS.iter().map(|f| f.name).filter(|n| text.starts_with(n)).map(str::len).max()
    }

    fn event_types(&self, name: &str) -> Option<EventTypes> {
        let code = self.event_names().iter().position(|n| *n == name)?;
        Some([code as u16].into_iter().collect())
    }

    fn event_names(&self) -> Vec<&str> {
        vec!["open", "execve", "asyncevent"]
    }

    fn all_event_types(&self) -> EventTypes {
        (0..200).collect()
    }

    fn neutral_event_types(&self) -> EventTypes {
        [2].into_iter().collect()
    }
}
