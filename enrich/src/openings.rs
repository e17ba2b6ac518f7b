//! [`Openings`]: whether any rule can match an open of a path, before the kernel makes it.
//!
//! A source that has to stop a program twice to tell of an open, at its entry and at its exit, can spare
//! the second stop, and the event, where no rule can match whatever comes out.
//!
//! Why no alert is lost: of each rule that opens reach, what must hold of the path alone is taken
//! ([`weakened`]), and tried on every value that the fields of the path can have on the event. Where a rule
//! could match without looking at the path, or looks at the whole table of fds, every open matters.

use std::cell::RefCell;

use falco_event::EventCode;
use falco_rules::catalogue::{Comparison, EventContext, EventTypes, FieldId, Scope};
use falco_rules::check::Checked;
use falco_rules::expr::{Expr, Predicate, Right};
use falco_rules::operand::Operand;
use falco_rules::oracle::evaluate;
use falco_rules::value::Value;
use falco_rules::verdicts::Verdicts;
use falco_rules::weaken::weakened;

use crate::fields::extract::fd::{file_name, parent, without_double_slashes};
use crate::parse::concatenate_paths_into;

/// The one event that this is about; nearly all programs open by openat(2).
const OPENAT: EventCode = EventCode::SYSCALL_OPENAT_2_X;

/// Fields whose values also depend on fds that no event is about, so that each has to be told.
const OF_ALL_FDS: [&str; 3] = ["fd.types", "proc.fdopencount", "proc.fdusage"];

/// Conditions on paths of openat(2).
#[derive(Clone, Debug, Default)]
pub struct Openings {
    conditions: Vec<Expr>,
    fields: Fields,
    /// What can become of an open, as far as that makes a difference to the conditions.
    outcomes: Vec<Outcome>,
}

impl Openings {
    /// What these conditions want of opens. `None` if any can matter, whatever its path is.
    pub fn of<'a>(conditions: impl IntoIterator<Item = &'a Checked>) -> Option<Self> {
        let mut openings = Openings::default();
        for Checked { expr, event_types, neutral_event_types, fields, .. } in conditions {
            if fields.iter().any(|field| OF_ALL_FDS.contains(&field.name.as_str())) {
                return None;
            }
            let reaches = |types: &EventTypes| types.contains(OPENAT.0);
            if reaches(event_types) || reaches(neutral_event_types) {
                let fields = &mut openings.fields;
                openings.conditions.push(weakened(expr, &mut |test| fields.know(test))?);
            }
        }
        openings.outcomes = openings.fields.outcomes();
        // Of a thread for which the tables have no room, nothing is known.
        let by_nobody = Opening { fields: &openings.fields, path: b"", name: b"", outcome: None };
        (!openings.can_match(&by_nobody)).then_some(openings)
    }

    /// Whether one of them can match an openat(2) of `path`, which is absolute. Of others, nothing is known.
    pub fn matter(&self, path: &[u8]) -> bool {
        thread_local! {
            static NAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        path.first() != Some(&b'/')
            || NAME.with_borrow_mut(|name| {
                // As events of absolute paths are parsed.
                concatenate_paths_into(name, b".", path);
                self.outcomes.iter().any(|&outcome| {
                    let fields = &self.fields;
                    self.can_match(&Opening { fields, path, name, outcome: Some(outcome) })
                })
            })
    }

    fn can_match(&self, opening: &Opening<'_>) -> bool {
        self.conditions.iter().any(|condition| evaluate(condition, opening))
    }
}

/// Fields that the path decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OfPath {
    /// `evt.type`, which is always the same.
    Type,
    Name,
    Nameraw,
    Directory,
    Filename,
}

/// Which fields of the catalogue these are.
#[derive(Clone, Debug, Default)]
struct Fields {
    of_path: Vec<(FieldId, OfPath)>,
}

impl Fields {
    /// Whether a comparison can be made.
    fn know(&mut self, predicate: &Predicate) -> bool {
        let Operand::Field(field) = &predicate.left else { return false };
        let of_path = match field.info.name {
            "evt.type" => OfPath::Type,
            "fd.name" => OfPath::Name,
            "fd.nameraw" => OfPath::Nameraw,
            "fd.directory" => OfPath::Directory,
            "fd.filename" => OfPath::Filename,
            _ => return false,
        };
        let is_plain = matches!(field.comparison, Comparison::Plain | Comparison::EventType);
        if !is_plain || matches!(predicate.right, Right::Operand(_)) {
            return false;
        }
        if !self.of_path.iter().any(|(id, _)| *id == field.id) {
            self.of_path.push((field.id, of_path));
        }
        true
    }

    /// The outcomes on which these fields differ.
    fn outcomes(&self) -> Vec<Outcome> {
        let has = |field| self.of_path.iter().any(|(_, of_path)| *of_path == field);
        let mut outcomes = vec![Outcome::File];
        if has(OfPath::Directory) || has(OfPath::Filename) {
            outcomes.push(Outcome::Directory);
        }
        if has(OfPath::Filename) {
            outcomes.push(Outcome::Failed);
        }
        outcomes
    }
}

/// What can become of an open, as fields see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    File,
    Directory,
    Failed,
}

/// An open with an outcome.
struct Opening<'a> {
    fields: &'a Fields,
    path: &'a [u8],
    /// As it is parsed.
    name: &'a [u8],
    /// `None` if fields know nothing but the kind of the event.
    outcome: Option<Outcome>,
}

impl EventContext for Opening<'_> {
    fn event_type(&self) -> u16 {
        OPENAT.0
    }

    fn value(&self, field: FieldId) -> Option<Value<'_>> {
        let (_, field) = self.fields.of_path.iter().find(|(id, _)| *id == field)?;
        let text = match (field, self.outcome) {
            (OfPath::Type, _) => b"openat",
            (_, None) | (OfPath::Filename, Some(Outcome::Directory | Outcome::Failed)) => {
                return None;
            }
            (OfPath::Nameraw, _) => {
                return Some(Value::Text(without_double_slashes(self.path.into())));
            }
            (OfPath::Name, _) | (OfPath::Directory, Some(Outcome::Directory)) => self.name,
            (OfPath::Directory, _) => parent(self.name),
            (OfPath::Filename, Some(Outcome::File)) => file_name(self.name),
        };
        Some(Value::text(text))
    }

    fn candidates(&self, _: FieldId, _: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        false
    }

    fn verdicts(&self, _: Scope) -> Option<(&Verdicts, u32)> {
        None
    }
}

#[cfg(test)]
mod tests;
