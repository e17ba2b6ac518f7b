//! How fields come into the language: a [`Catalogue`] resolves names once, at compile time, to
//! [`Field`]s; an [`EventContext`] yields their values, event by event.
//!
//! A source of events (system calls, a plugin) implements both. The language knows of a field only
//! its type, how its comparisons deviate ([`Comparison`]) and how long a verdict over it holds
//! ([`Scope`]).

use std::fmt;
use std::hash::{Hash, Hasher};

use bitflags::bitflags;

use crate::value::{Print, Value, ValueType};
use crate::verdicts::Verdicts;

bitflags! {
    /// Restrictions and listing properties of a field: libsinsp's `EPF_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct FieldFlags: u16 {
        /// Takes an optional argument.
        const ARG_ALLOWED = 1;
        /// Takes a required argument.
        const ARG_REQUIRED = 2;
        /// The argument is an index (`[0]`).
        const ARG_INDEX = 4;
        /// The argument is a key (`[name]`).
        const ARG_KEY = 8;
        /// The value is a list.
        const LIST = 16;
        /// Only in filters.
        const FILTER_ONLY = 32;
        /// Only in output.
        const PRINT_ONLY = 64;
        /// Not on either side of a field-to-field comparison.
        const NO_RHS = 128;
        /// No transformer may be applied.
        const NO_TRANSFORMER = 256;
        /// Use gives a warning.
        const DEPRECATED = 512;
        /// Not listed.
        const HIDDEN = 1024;
        /// Appended to every output when `suggested_output` is on.
        const SUGGESTED = 2048;
    }
}

/// What a catalogue says of a field, argument aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    /// Dotted name.
    pub name: &'static str,
    /// Type of the value (of the elements, for lists).
    pub ty: ValueType,
    /// How numbers are printed.
    pub print: Print,
    /// Restrictions.
    pub flags: FieldFlags,
    /// Class, as `--list` groups fields (`evt`, `process`, …).
    pub class: &'static str,
    /// One sentence for `--list`.
    pub desc: &'static str,
}

/// A resolved field with its argument: an index into the catalogue that resolved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u32);

/// How comparisons of a field deviate from the generic operators (`reference/fields.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// As the type says.
    Plain,
    /// True as soon as one candidate (an ancestor) satisfies the operator; candidates come from
    /// [`EventContext::candidates`]. Only the first value of a modifier's list counts.
    AnyCandidate,
    /// Two ends (`fd.ip`, `fd.port`, `fd.net`): `=` if either matches, `!=` if both differ;
    /// candidates come from [`EventContext::candidates`].
    EitherEnd,
    /// As the type says, but only the first value of a modifier's list counts.
    FirstOnly,
    /// The constants are names of hosts, and the event's address may have several
    /// (`fd.*.name`). Candidates are the address and, as texts, its names; the value is the first
    /// of these. [`Ruleset::host_names`](crate::ruleset::Ruleset::host_names) are the names to know.
    HostName,
    /// The value selects event types (`evt.type`, `syscall.type`): values are validated at compile
    /// time through [`Catalogue::event_types`] and `=`, `!=`, `in` narrow the event types.
    EventType,
    /// The value is a distance in nanoseconds (`evt.around`): only `=` is allowed, and it asks
    /// whether the distance is at most the constant, which is in milliseconds.
    Within,
}

/// How long a verdict over a field stays true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Until the process record of the event's thread changes.
    Process,
    /// Until that or any ancestor changes.
    Lineage,
    /// For this event only.
    Event,
}

/// A resolved field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// What to ask an [`EventContext`] for.
    pub id: FieldId,
    /// Type, flags and so on, specialised for the argument (`fd.types[0]` is still a list, …).
    pub info: FieldInfo,
    /// How it compares.
    pub comparison: Comparison,
    /// How long a verdict holds.
    pub scope: Scope,
}

impl Hash for Field {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The rest follows from the id.
        self.id.hash(state);
    }
}

/// Why a name is not a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldError {
    /// No such field.
    Unknown,
    /// The field needs an argument (message as Falco's).
    MissingArgument(String),
    /// The field takes none, or not this one (message as Falco's).
    BadArgument(String),
}

/// A set of event types by number; bit `n` of word `n / 64`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventTypes {
    words: [u64; 8],
}

impl EventTypes {
    /// Largest event type number that fits, exclusive.
    pub const CAPACITY: u16 = 512;

    /// The empty set.
    pub const fn empty() -> Self {
        EventTypes { words: [0; 8] }
    }

    /// Adds a number; numbers of [`Self::CAPACITY`] and above are ignored.
    pub fn insert(&mut self, code: u16) {
        if let Some(word) = self.words.get_mut(usize::from(code) / 64) {
            *word |= 1 << (code % 64);
        }
    }

    /// Removes a number.
    pub fn remove(&mut self, code: u16) {
        if let Some(word) = self.words.get_mut(usize::from(code) / 64) {
            *word &= !(1 << (code % 64));
        }
    }

    /// Whether the number is in the set.
    #[inline]
    pub fn contains(&self, code: u16) -> bool {
        self.words.get(usize::from(code) / 64).is_some_and(|w| w & (1 << (code % 64)) != 0)
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&w| w == 0)
    }

    /// Numbers in this set or in `other`.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        self.words.iter_mut().zip(other.words).for_each(|(a, b)| *a |= b);
        self
    }

    /// Numbers in both sets.
    #[must_use]
    pub fn intersection(mut self, other: &Self) -> Self {
        self.words.iter_mut().zip(other.words).for_each(|(a, b)| *a &= b);
        self
    }

    /// Numbers in this set but not in `other`.
    #[must_use]
    pub fn difference(mut self, other: &Self) -> Self {
        self.words.iter_mut().zip(other.words).for_each(|(a, b)| *a &= !b);
        self
    }

    /// The numbers in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..Self::CAPACITY).filter(|&c| self.contains(c))
    }
}

impl FromIterator<u16> for EventTypes {
    fn from_iter<I: IntoIterator<Item = u16>>(codes: I) -> Self {
        let mut set = Self::empty();
        codes.into_iter().for_each(|c| set.insert(c));
        set
    }
}

impl fmt::Debug for EventTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The fields of one event source, resolved once at compile time.
pub trait Catalogue {
    /// Every field, listing order, hidden ones included.
    fn fields(&self) -> &[FieldInfo];

    /// Resolves a field as written (`proc.name`, `evt.arg.flags`) with its bracketed argument.
    /// The same name and argument give the same [`FieldId`].
    ///
    /// # Errors
    /// If there is no such field or the argument does not suit it.
    fn resolve(&mut self, name: &str, arg: Option<&str>) -> Result<Field, FieldError>;

    /// In output templates fields are not delimited: how many bytes at the start of `text` are the
    /// longest field name (dotted argument included, bracketed one not). `None` if none is.
    fn field_prefix(&self, text: &str) -> Option<usize>;

    /// The event types that an `evt.type` value names; `None` if no event has this name.
    fn event_types(&self, name: &str) -> Option<EventTypes>;

    /// The value of `evt.type` if it is the same on every event of this type; none if it varies
    /// (generic system calls, asynchronous events) or is not known. Lets `evt.type` comparisons be
    /// decided once instead of on every event.
    fn event_name(&self, _code: u16) -> Option<&str> {
        None
    }

    /// Every name that `evt.type` can be compared with: those of event types and those of system
    /// calls that share the generic types. For describing rules, not for evaluating them.
    fn event_names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The Falco plugin that brings this field, if one does: descriptions of rules name it, even
    /// where the field is native here.
    fn plugin_of(&self, _field: &str) -> Option<&str> {
        None
    }

    /// All event types that this source can deliver.
    fn all_event_types(&self) -> EventTypes;

    /// Event types that reach every rule of the source (`asyncevent`).
    fn neutral_event_types(&self) -> EventTypes;
}

/// One event with the state around it: what a compiled condition or template is evaluated on.
///
/// Evaluators are generic over it, so extraction is inlined. Nothing here may allocate unless the
/// value has to be made (an argument list joined by blanks).
pub trait EventContext {
    /// The event's type number.
    fn event_type(&self) -> u16;

    /// The value of a field, or none. `exists` asks whether there is one; so for
    /// [`Comparison::EitherEnd`] fields there must be some value, whichever, as soon as the event
    /// has an fd record, even where [`Self::candidates`] has none to offer.
    fn value(&self, field: FieldId) -> Option<Value<'_>>;

    /// A number that JSON output shows instead of the value: formatted and zero-padded times are
    /// plain nanoseconds there.
    fn json_number(&self, field: FieldId) -> Option<u64> {
        let _ = field;
        None
    }

    /// The type and print format of the field's value on this event, where they differ from those
    /// of the catalogue (`evt.rawarg`: parameters of one name have many types).
    fn printed_as(&self, field: FieldId) -> Option<(ValueType, Print)> {
        let _ = field;
        None
    }

    /// For [`Comparison::AnyCandidate`], [`Comparison::EitherEnd`] and [`Comparison::HostName`]:
    /// calls `test` with candidate after candidate until it returns true, and returns whether it
    /// did. Candidates are ancestors' values, the one or two ends, the end's address and names.
    fn candidates(&self, field: FieldId, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool;

    /// The memo of `scope` on the process that the event belongs to, with the generation that
    /// stored verdicts must carry to be true now. None if the process is unknown or `scope` is
    /// [`Scope::Event`].
    fn verdicts(&self, scope: Scope) -> Option<(&Verdicts, u32)>;
}
