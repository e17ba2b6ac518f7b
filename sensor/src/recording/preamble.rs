//! What a snapshot has no room for and a recording must know before its first event: told as events,
//! as Falco tells it.
//!
//! * The containers, and the users and groups inside of them.
//! * Enter events whose exits are still to come, or begin the recording.
//!
//! All are marked as for the tables only, so no rule is shown them.

use falco_enrich::state::{Current, State};
use falco_event::raw::DUMP_STATE_ONLY;
use falco_event::{EventBuilder, EventCode, EventError, RawEvent};
use falco_source::is_initial_state;

/// The thread of events that nobody causes.
const NOBODY: i64 = -1;
/// `asyncevent`s that are of no plugin with events of its own.
const NO_PLUGIN: u32 = 0;

/// Calls `store` with the events that go before `first`, and the flags to store them with.
pub fn events(
    state: &State,
    first: &RawEvent<'_>,
    current: &Current,
    mut store: impl FnMut(&RawEvent<'_>, u32),
) {
    let mut builder = EventBuilder::new();
    // One that cannot be encoded (a name of 64 KiB) is missing, as it would be on the wire.
    let mut told = |event: Result<RawEvent<'_>, EventError>| {
        if let Ok(event) = event {
            store(&event, DUMP_STATE_ONLY);
        }
    };
    let ts = first.ts();
    let mut containers: Vec<_> = state.containers().iter().collect();
    containers.sort_unstable_by_key(|info| &info.id);
    for info in containers {
        builder.start(ts, NOBODY, EventCode::ASYNCEVENT_E).u32(NO_PLUGIN).text("container");
        told(builder.text(info.to_json().to_string()).finish(0, 0));
    }
    let mut users: Vec<_> = state.users().users().filter(|(id, _)| !id.is_empty()).collect();
    users.sort_unstable_by_key(|(id, user)| (*id, user.uid));
    for (id, user) in users {
        builder.start(ts, NOBODY, EventCode::USER_ADDED_E).u32(user.uid).u32(user.gid);
        builder.text(&user.name).text(&user.homedir).text(&user.shell).text(id);
        told(builder.finish(0, 0));
    }
    let mut groups: Vec<_> = state.users().groups().filter(|(id, _)| !id.is_empty()).collect();
    groups.sort_unstable_by_key(|(id, group)| (*id, group.gid));
    for (id, group) in groups {
        builder.start(ts, NOBODY, EventCode::GROUP_ADDED_E).u32(group.gid);
        told(builder.text(&group.name).text(id).finish(0, 0));
    }
    for enter in state.pending_enters(current) {
        store(&enter, DUMP_STATE_ONLY);
    }
    // Where the first event is itself of a kind that fills tables, something ordinary must stand
    // before it, or no rule would see it.
    if is_initial_state(first.code())
        && let Ok(event) = builder.start(ts, NOBODY, ORDINARY).u32(0).finish(0, 0)
    {
        store(&event, DUMP_STATE_ONLY);
    }
}

/// An event that changes nothing and ends the preamble.
const ORDINARY: EventCode = EventCode::DROP_E;
