//! The filter fields of system call events: [`SyscallFields`] resolves their names, once, for rules
//! and templates; [`crate::context::Context`] yields their values, event by event.
//!
//! * [`table`]: every field with type, flags and description, by class.
//! * `argument`: what may stand behind a name (`[N]`, `[KEY]`, `.NAME`), and what it means.
//! * `statics`: the fields `static.<key>` that a configuration makes.
//! * `names`: which event types an `evt.type` value selects.
//! * `extract`: the values.

mod argument;
pub(crate) mod extract;
mod memory;
pub(crate) mod names;
mod statics;
pub mod table;

use std::collections::HashMap;

use falco_rules::catalogue::{Catalogue, EventTypes, Field, FieldError, FieldId, FieldInfo, Scope};

pub(crate) use argument::Argument;
use statics::Statics;
use table::{INFOS, Key};

/// A field that something refers to: what to extract.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) key: Key,
    pub(crate) arg: Argument,
}

/// The catalogue of system call fields. Interns what it resolves, so that extraction dispatches on
/// a number.
#[derive(Debug, Default)]
pub struct SyscallFields {
    statics: Statics,
    resolved: Vec<Resolved>,
    fields: Vec<Field>,
    by_text: HashMap<(String, Option<String>), FieldId>,
}

impl SyscallFields {
    /// A catalogue in which nothing is resolved yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A catalogue with further fields `static.<name>` of fixed texts (the configuration's
    /// `static_fields`), which take part in the suggested output.
    pub fn with_static<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        SyscallFields { statics: Statics::new(fields), ..Self::default() }
    }

    /// What to extract for an id that [`Catalogue::resolve`] of this catalogue gave.
    #[inline]
    pub(crate) fn resolved(&self, id: FieldId) -> Option<&Resolved> {
        self.resolved.get(id.0 as usize)
    }
}

impl SyscallFields {
    /// Gives a field an id.
    fn intern(
        &mut self,
        text: (String, Option<String>),
        key: Key,
        arg: Argument,
        info: FieldInfo,
        scope: Scope,
    ) -> Field {
        let id = FieldId(self.resolved.len() as u32);
        let field = Field { id, info, comparison: key.comparison(&arg), scope };
        self.resolved.push(Resolved { key, arg });
        self.fields.push(field);
        self.by_text.insert(text, id);
        field
    }
}

impl Catalogue for SyscallFields {
    fn fields(&self) -> &[FieldInfo] {
        self.statics.all_fields().unwrap_or(&INFOS)
    }

    fn resolve(&mut self, name: &str, arg: Option<&str>) -> Result<Field, FieldError> {
        let text = (name.to_owned(), arg.map(str::to_owned));
        if let Some(id) = self.by_text.get(&text)
            && let Some(field) = self.fields.get(id.0 as usize)
        {
            return Ok(*field);
        }
        if let Some((info, value)) = self.statics.get(name) {
            if arg.is_some() {
                return Err(FieldError::Unknown);
            }
            let argument = Argument::Key(value.into());
            return Ok(self.intern(text, Key::Static, argument, info, Scope::Process));
        }
        let (row, argument) = argument::parse(name, arg)?;
        let mut info = INFOS[row];
        let row = &table::ROWS[row];
        if let Argument::Raw(parameter) = &argument {
            (info.ty, info.print) = (parameter.ty, parameter.print);
        }
        let scope = scope(row, &argument);
        Ok(self.intern(text, row.key, argument, info, scope))
    }

    fn field_prefix(&self, text: &str) -> Option<usize> {
        self.statics.name_prefix(text).max(argument::name_prefix(text))
    }

    fn event_types(&self, name: &str) -> Option<EventTypes> {
        names::event_types(name)
    }

    fn event_name(&self, code: u16) -> Option<&str> {
        names::fixed(code)
    }

    fn event_names(&self) -> Vec<&str> {
        names::all_names()
    }

    fn plugin_of(&self, field: &str) -> Option<&str> {
        let row = table::ROWS.get(*table::BY_NAME.get(field)?)?;
        matches!(row.key, Key::Container(_)).then_some("container")
    }

    fn all_event_types(&self) -> EventTypes {
        names::all()
    }

    fn neutral_event_types(&self) -> EventTypes {
        names::neutral()
    }
}

/// How long a verdict over the field holds. Index 0 of an ancestor field is the process's own main
/// thread, whose changes do not count as a change of the lineage of its other threads.
fn scope(row: &table::Row, argument: &Argument) -> Scope {
    match (row.scope, argument) {
        (Scope::Lineage, Argument::Index(0)) => Scope::Event,
        (Scope::Lineage, Argument::None) if row.key == Key::Process(table::Process::Apid) => {
            // Bare in a filter: the ancestors; bare in output: the process itself.
            Scope::Event
        }
        (scope, _) => scope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use falco_rules::catalogue::{Comparison, FieldFlags};
    use falco_rules::value::ValueType;

    #[test]
    fn the_catalogue_is_complete_and_unambiguous() {
        let fields = SyscallFields::new();
        assert_eq!(fields.fields().len(), 233 + 61);
        assert_eq!(table::BY_NAME.len(), 233 + 61);
        let suggested = fields.fields().iter().filter(|f| f.flags.contains(FieldFlags::SUGGESTED));
        assert_eq!(
            suggested.map(|f| f.name).collect::<Vec<_>>(),
            [
                "container.id",
                "container.name",
                "container.image.repository",
                "container.image.tag",
                "k8s.pod.name",
                "k8s.ns.name"
            ]
        );
    }

    #[test]
    fn the_same_text_gives_the_same_id() {
        let mut fields = SyscallFields::new();
        let a = fields.resolve("proc.aname", Some("2")).unwrap();
        let b = fields.resolve("proc.aname", Some("3")).unwrap();
        let c = fields.resolve("proc.aname", Some("2")).unwrap();
        assert_eq!(a.id, c.id);
        assert_ne!(a.id, b.id);
        assert_eq!(a.comparison, Comparison::Plain);
        assert_eq!(
            fields.resolve("proc.aname", None).unwrap().comparison,
            Comparison::AnyCandidate
        );
    }

    #[test]
    fn raw_arguments_have_the_type_of_the_parameter() {
        let mut fields = SyscallFields::new();
        assert_eq!(fields.resolve("evt.rawarg.res", None).unwrap().info.ty, ValueType::Errno);
        assert_eq!(fields.resolve("evt.rawarg.flags", None).unwrap().info.ty, ValueType::Flags32);
    }
}
