//! The program's own log on stderr: `<time>: <text>`, as Falco writes it.
//!
//! `log_stderr: true` shows everything down to `log_level`, `false` nothing; when it is not
//! configured, warnings and worse are shown, so that a plain `falco -e … -r …` stays quiet but
//! never hides a problem. Alerts do not go through here.

use std::io::{self, Write};

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::config::{Config, LogLevel};
use crate::outputs::Waiting;

/// Where log lines go.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    least: Option<LogLevel>,
    iso_8601: bool,
}

impl Log {
    /// As the configuration says.
    pub fn new(config: &Config) -> Self {
        let least = match config.log_stderr {
            Some(true) => Some(config.log_level),
            Some(false) => None,
            None => Some(LogLevel::Warning.min(config.log_level)),
        };
        Log { least, iso_8601: config.time_format_iso_8601 }
    }

    /// Writes a line, if its level is shown.
    pub fn write(&self, level: LogLevel, text: &str) {
        if self.least.is_none_or(|least| level > least) {
            return;
        }
        let now = Zoned::now();
        let line = if self.iso_8601 {
            let now = now.with_time_zone(TimeZone::UTC);
            format!("{}: {}\n", now.strftime("%Y-%m-%dT%H:%M:%S%z"), text.trim_end())
        } else {
            format!("{}: {}\n", now.strftime("%a %b %e %H:%M:%S %Y"), text.trim_end())
        };
        // There is nowhere to report that stderr is closed.
        let _ = Waiting(io::stderr()).write_all(line.as_bytes());
    }

    /// A line of level info.
    pub fn info(&self, text: &str) {
        self.write(LogLevel::Info, text);
    }

    /// A line of level warning.
    pub fn warning(&self, text: &str) {
        self.write(LogLevel::Warning, text);
    }
}
