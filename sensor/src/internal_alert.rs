//! Alerts that no rule raises: the program speaks of itself (`Falco internal: …`).
//!
//! Their source is `internal`, they have no tags, `priority` does not hold them back, and their JSON
//! has neither time nor priority in `output`. Falco's words and fields: `reference/outputs.md`.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use falco_rules::priority::Priority;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::outputs::QueueHandle;

/// One such alert.
#[derive(Clone, Debug, PartialEq)]
pub struct InternalAlert {
    /// What stands for a rule's name.
    pub rule: &'static str,
    /// How bad it is.
    pub priority: Priority,
    /// The whole message; by custom it begins with `rule`.
    pub message: String,
    /// What it is about.
    pub fields: Map<String, Value>,
}

/// Makes lines of them.
#[derive(Clone, Debug)]
pub struct InternalFormatter {
    json: bool,
    hostname: String,
}

impl InternalFormatter {
    /// Lines for a host of this name.
    pub fn new(json: bool, hostname: &str) -> Self {
        InternalFormatter { json, hostname: hostname.to_owned() }
    }

    /// The alert's line without a line end. `ts` is in nanoseconds since the epoch.
    pub fn line(&self, alert: &InternalAlert, ts: u64) -> Vec<u8> {
        // 64 bits of nanoseconds end in 2554, well within what a timestamp holds.
        let time = Timestamp::from_nanosecond(i128::from(ts)).unwrap_or(Timestamp::MAX);
        let InternalAlert { rule, priority, message, fields } = alert;
        if self.json {
            return serde_json::json!({
                "hostname": self.hostname,
                "output": message,
                "output_fields": fields,
                "priority": priority.name(),
                "rule": rule,
                "source": "internal",
                "time": time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string(),
            })
            .to_string()
            .into_bytes();
        }
        let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let time = time.to_zoned(TimeZone::system());
        let time = time.strftime("%H:%M:%S.%9f");
        format!("{time}: {} {message} ({})", priority.name(), fields.join(" ")).into_bytes()
    }
}

/// Takes such alerts and queues them for the outputs. Clones share the queue.
#[derive(Clone)]
pub struct InternalAlerts {
    formatter: InternalFormatter,
    queue: QueueHandle,
}

impl InternalAlerts {
    /// Lines of `formatter` for `queue`.
    pub fn new(formatter: InternalFormatter, queue: QueueHandle) -> Self {
        InternalAlerts { formatter, queue }
    }

    /// Raises an alert at `ts`, in nanoseconds since the epoch.
    ///
    /// # Errors
    /// If the output has failed.
    pub fn raise(&self, alert: &InternalAlert, ts: u64) -> Result<()> {
        self.queue.push(&self.formatter.line(alert, ts)).context("stdout").map(drop)
    }
}

/// Now, in nanoseconds since the epoch.
pub fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_falcos() {
        let mut fields = Map::new();
        fields.insert("n_drops".to_owned(), "7".into());
        fields.insert("count".to_owned(), 3.into());
        let alert = InternalAlert {
            rule: "Falco internal: x",
            priority: Priority::Debug,
            message: "Falco internal: x. \"Much\".".to_owned(),
            fields,
        };
        let line = |json, alert| {
            let line = InternalFormatter::new(json, "node1").line(alert, 1_795_408_088_620_980_300);
            String::from_utf8(line).unwrap()
        };
        assert_eq!(
            line(true, &alert),
            "{\"hostname\":\"node1\",\"output\":\"Falco internal: x. \\\"Much\\\".\",\
             \"output_fields\":{\"count\":3,\"n_drops\":\"7\"},\"priority\":\"Debug\",\
             \"rule\":\"Falco internal: x\",\"source\":\"internal\",\
             \"time\":\"2026-11-23T04:28:08.620980300Z\"}"
        );
        let text = line(false, &alert);
        assert!(
            text.ends_with(
                ":08.620980300: Debug Falco internal: x. \"Much\". (count=3 n_drops=\"7\")"
            ),
            "{text}"
        );
        let bare = InternalAlert { fields: Map::new(), ..alert.clone() };
        assert!(line(false, &bare).ends_with("\"Much\". ()"));
    }
}
