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

    /// Remembers the fixed names among the types that the names stand for.
    pub(super) fn learn_fixed(&mut self, catalogue: &dyn Catalogue) {
        let types = self.types.values().fold(EventTypes::empty(), EventTypes::union);
        for code in types.iter() {
            if let Some(name) = catalogue.event_name(code) {
                self.fixed.insert(code, name.as_bytes().into());
            }
        }
    }

    /// Adds what another condition has learnt from the same catalogue.
    pub(crate) fn extend(&mut self, other: &EventNames) {
        self.types.extend(other.types.iter().map(|(name, types)| (name.clone(), types.clone())));
        self.fixed.extend(other.fixed.iter().map(|(code, name)| (*code, name.clone())));
    }

    /// Whether an event of type `code` is called `name`; none if that depends on the event.
    pub(crate) fn is_called(&self, code: u16, name: &[u8]) -> Option<bool> {
        match self.fixed.get(&code) {
            Some(fixed) => Some(fixed.as_ref() == name),
            None => self.types.get(name).filter(|types| !types.contains(code)).map(|_| false),
        }
    }
}
