//! Which event types an `evt.type` value selects.

use falco_event::syscalls::SYSCALLS;
use falco_event::{EventCode, Origin};
use falco_rules::catalogue::EventTypes;

/// Names of events that the container support announces; they arrive as `asyncevent`.
const ASYNC_NAMES: [&str; 2] = ["container", "container_removed"];

/// The event types of this name. Names of system calls without an event of their own select the
/// generic pair; `evt.type` then compares the call's name.
pub(crate) fn event_types(name: &str) -> Option<EventTypes> {
    let named = EventCode::all().filter(|code| code.0 >= 2 && code.info().name == name);
    let types: EventTypes = named.map(|code| code.0).collect();
    if !types.is_empty() {
        return Some(types);
    }
    if ASYNC_NAMES.contains(&name) {
        return Some([EventCode::ASYNCEVENT_E.0].into_iter().collect());
    }
    if SYSCALLS.iter().any(|syscall| syscall.name == name) || name == "unknown" {
        let generic = [EventCode::GENERIC_E.0, EventCode::GENERIC_X.0];
        return Some(generic.into_iter().collect());
    }
    // The generic pair's own name: a value that exists and that no event carries.
    (name == EventCode::GENERIC_X.info().name).then(EventTypes::empty)
}

/// Every name that [`event_types`] gives types for.
pub(super) fn all_names() -> Vec<&'static str> {
    let generic = |code: &EventCode| matches!(*code, EventCode::GENERIC_E | EventCode::GENERIC_X);
    let events = EventCode::all().filter(|code| !generic(code)).map(|code| code.info().name);
    let calls = SYSCALLS.iter().filter(|call| call.is_generic()).map(|call| call.name);
    events.chain(calls).collect()
}

/// The `evt.type` of every event of this type, where it is not the event that says it.
pub(super) fn fixed(code: u16) -> Option<&'static str> {
    let varies = [EventCode::GENERIC_E, EventCode::GENERIC_X, EventCode::ASYNCEVENT_E];
    let code = EventCode::all().find(|known| known.0 == code)?;
    (!varies.contains(&code)).then(|| code.info().name)
}

/// Every known event type.
pub(super) fn all() -> EventTypes {
    EventCode::all().map(|code| code.0).collect()
}

/// Types that reach every rule, whatever it selects.
pub(super) fn neutral() -> EventTypes {
    let is_async = |code: &EventCode| {
        code.info().origin == Origin::Metaevent && code.info().name == "asyncevent"
    };
    EventCode::all().filter(is_async).map(|code| code.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_select_all_versions_or_the_generic_pair() {
        let codes = |name| event_types(name).map(|t| t.iter().collect::<Vec<_>>());
        assert_eq!(codes("openat"), Some(vec![102, 103, 306, 307]));
        assert_eq!(codes("getpid"), Some(vec![0, 1]));
        assert_eq!(codes("no_such_call"), None);
        assert_eq!(all().len(), 454);
        assert_eq!(neutral().iter().collect::<Vec<_>>(), [402]);
    }
}
