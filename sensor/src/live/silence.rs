//! `syscall_event_timeouts`: a source that has nothing to tell for long may be broken.
//!
//! Falco counts how often in a row its buffers were empty, waiting 30 ms each time once it is calm.
//! Here time itself is measured.

use std::time::{Duration, Instant};

use falco_rules::priority::Priority;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Map;

use crate::internal_alert::InternalAlert;

/// How long Falco waits when its buffers are empty.
pub const WAIT: Duration = Duration::from_millis(30);

/// Measures how long no event came.
#[derive(Debug)]
pub struct SilenceMonitor {
    max_timeouts: u32,
    since: Instant,
}

impl SilenceMonitor {
    /// Reports after `max_timeouts` times 30 ms without an event.
    pub fn new(max_timeouts: u32, now: Instant) -> Self {
        SilenceMonitor { max_timeouts, since: now }
    }

    /// There was an event.
    pub fn heard(&mut self, now: Instant) {
        self.since = now;
    }

    /// There was none; what to report, if it is time. `last` is when the latest event was, in
    /// nanoseconds since the epoch.
    pub fn nothing(&mut self, now: Instant, last: Option<u64>) -> Option<InternalAlert> {
        const RULE: &str = "Falco internal: timeouts notification";
        if now.duration_since(self.since) < WAIT.saturating_mul(self.max_timeouts) {
            return None;
        }
        self.since = now;
        let last = match last.and_then(|ts| Timestamp::from_nanosecond(i128::from(ts)).ok()) {
            Some(ts) => ts.to_zoned(TimeZone::system()).strftime("%H:%M:%S.%9f").to_string(),
            None => "none".to_owned(),
        };
        let mut fields = Map::new();
        fields.insert("last_event_time".to_owned(), last.into());
        Some(InternalAlert {
            rule: RULE,
            priority: Priority::Debug,
            message: format!("{RULE}. {} consecutive timeouts without event.", self.max_timeouts),
            fields,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_silence_is_reported_once() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut silence = SilenceMonitor::new(10, start);
        assert_eq!(silence.nothing(after(299), None), None);
        let alert = silence.nothing(after(300), None).unwrap();
        assert_eq!(
            alert.message,
            "Falco internal: timeouts notification. 10 consecutive timeouts without event."
        );
        assert_eq!(alert.fields["last_event_time"], "none");
        assert_eq!(silence.nothing(after(599), None), None);
        silence.heard(after(599));
        assert_eq!(silence.nothing(after(898), None), None);
        let alert = silence.nothing(after(899), Some(1_795_408_088_620_980_300)).unwrap();
        assert!(alert.fields["last_event_time"].as_str().unwrap().ends_with(":08.620980300"));
    }
}
