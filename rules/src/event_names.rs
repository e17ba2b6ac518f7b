//! The names of the events on which a condition can hold, as `-L` lists them.
//!
//! Evaluation goes by event types ([`crate::check::Checked::event_types`]), but generic system calls
//! share a type and have names of their own.

use std::collections::BTreeSet;

use crate::ast::Node;
use crate::catalogue::{Catalogue, EventTypes};
use crate::event_types::analyse;

/// Asynchronous events reach every rule.
const ALWAYS: &str = "asyncevent";

/// The sorted names, that of asynchronous events always among them.
pub fn event_names(condition: &Node, catalogue: &dyn Catalogue) -> BTreeSet<String> {
    let all: BTreeSet<&str> = catalogue.event_names().into_iter().collect();
    let all: Vec<&str> = all.into_iter().collect();
    let mut names = BTreeSet::from([ALWAYS.to_owned()]);
    // The analysis treats each name by itself, so it may as well see them portion by portion.
    for portion in all.chunks(usize::from(EventTypes::CAPACITY)) {
        let universe: EventTypes = (0..).zip(portion).map(|(i, _)| i).collect();
        let named = |name: &str| match portion.binary_search(&name) {
            Ok(i) => u16::try_from(i).into_iter().collect(),
            Err(_) => EventTypes::empty(),
        };
        let possible = analyse(condition, &universe, &named).unwrap_or(universe);
        names
            .extend(possible.iter().filter_map(|i| portion.get(usize::from(i))).map(|&n| n.into()));
    }
    names
}
