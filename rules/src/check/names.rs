//! [`EventNames`]: what is known in advance of comparisons of the event's type.

use std::collections::HashMap;

use crate::catalogue::{Catalogue, EventTypes};

/// Which event types can bear a name, and which bear exactly one.
#[derive(Debug, Default)]
pub(crate) struct EventNames {
    /// By name: the types on which the event can have this name.
    types: HashMap<Box<[u8]>, EventTypes>,
    /// By event type: its name, where that is always the same.
    fixed: HashMap<u16, Box<[u8]>>,
}

impl EventNames {
    /// Remembers the types that `name` stands for.
    pub(super) fn learn(&mut self, name: &[u8], types: EventTypes) {
        self.types.insert(name.into(), types);
    }

    /// Remembers the names of `types` that have fixed ones, if names matter at all.
    pub(super) fn learn_fixed(&mut self, catalogue: &dyn Catalogue, types: &EventTypes) {
        if self.types.is_empty() {
            return;
        }
        for code in types.iter() {
            if let Some(name) = catalogue.event_name(code) {
                self.fixed.insert(code, name.as_bytes().into());
            }
        }
    }

    /// Whether an event of type `code` is called `name`; none if that depends on the event.
    pub(crate) fn is_called(&self, code: u16, name: &[u8]) -> Option<bool> {
        match self.fixed.get(&code) {
            Some(fixed) => Some(fixed.as_ref() == name),
            None => self.types.get(name).filter(|types| !types.contains(code)).map(|_| false),
        }
    }
}
