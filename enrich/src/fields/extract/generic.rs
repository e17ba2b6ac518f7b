//! Class `evt`, fields of every event.

use falco_event::{EventCode, Origin};
use falco_rules::value::Value;

use super::{boolean, made, text, uint};
use crate::context::Context;
use crate::fields::table::Generic;
use crate::render::time::{Parts, iso8601, local};

const SECOND: u64 = 1_000_000_000;

impl<'a> Context<'a> {
    pub(super) fn generic(&self, field: Generic) -> Option<Value<'a>> {
        let ts = self.event.ts();
        let time_of_day = |date, nanoseconds| made(local(ts, Parts { date, nanoseconds }));
        match field {
            Generic::Num => uint(self.current.num),
            Generic::Time => time_of_day(false, true),
            Generic::TimeS => time_of_day(false, false),
            Generic::TimeIso8601 => made(iso8601(ts)),
            Generic::Datetime => time_of_day(true, true),
            Generic::DatetimeS => time_of_day(true, false),
            Generic::Rawtime => uint(ts),
            Generic::RawtimeS => uint(ts / SECOND),
            Generic::RawtimeNs => uint(ts % SECOND),
            Generic::Reltime => uint(self.relative_time()),
            Generic::ReltimeS => uint(self.relative_time() / SECOND),
            Generic::ReltimeNs => uint(self.relative_time() % SECOND),
            // No plugin made this event.
            Generic::Pluginname | Generic::Plugininfo => None,
            Generic::Source if self.is_of_plugin() => None,
            Generic::Source => text(b"syscall"),
            Generic::IsAsync => boolean(self.is_meta()),
            Generic::Asynctype => self.is_meta().then(|| self.name()).and_then(text),
            Generic::Hostname => text(&self.state.machine().hostname),
        }
    }

    /// Nanoseconds since the first event of the machine itself; before it, since the epoch.
    fn relative_time(&self) -> u64 {
        let first = self.state.first_event_ts().unwrap_or(0);
        self.event.ts().wrapping_sub(first)
    }

    /// Events that a plugin made or announced name it; its source is not known here.
    fn is_of_plugin(&self) -> bool {
        let code = self.event.code();
        matches!(code, EventCode::PLUGINEVENT_E | EventCode::ASYNCEVENT_E)
            && self.event.u64(0).is_some_and(|plugin| plugin != 0)
    }

    fn is_meta(&self) -> bool {
        self.event.info().origin == Origin::Metaevent
    }

    /// The event's name; asynchronous events carry theirs.
    pub(super) fn name(&self) -> &'a [u8] {
        if self.event.code() == EventCode::ASYNCEVENT_E {
            return self.param(1).map_or(b"<NA>", |name| name.text());
        }
        self.event.info().name.as_bytes()
    }
}
