//! Times of day and dates. Only output formats times; no rule condition should.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

const SECOND: u64 = 1_000_000_000;

/// What to show of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) date: bool,
    pub(crate) nanoseconds: bool,
}

/// `[YYYY-MM-DD ]HH:MM:SS[.nnnnnnnnn]` in the local zone, with the offset that holds now (as
/// Falco), not the one that held then. `TZ` chooses the zone.
pub(crate) fn local(ts: u64, parts: Parts) -> String {
    let zone = TimeZone::system();
    text(ts, parts, zone.to_offset(Timestamp::now()))
}

fn text(ts: u64, parts: Parts, offset: Offset) -> String {
    let t = offset.to_datetime(timestamp(ts));
    let mut out = String::with_capacity(32);
    if parts.date {
        out += &format!("{:04}-{:02}-{:02} ", t.year(), t.month(), t.day());
    }
    out += &format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second());
    if parts.nanoseconds {
        out += &format!(".{:09}", ts % SECOND);
    }
    out
}

/// `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+0000`.
pub(crate) fn iso8601(ts: u64) -> String {
    let t = Offset::UTC.to_datetime(timestamp(ts));
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}+0000",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        ts % SECOND
    )
}

/// `YYYY-MM-DD HH:MM:SS.nnnnnnnnn` in the local zone, with the offset that held then.
pub(crate) fn absolute(ts: u64) -> String {
    let offset = TimeZone::system().to_offset(timestamp(ts));
    text(ts, Parts { date: true, nanoseconds: true }, offset)
}

/// Nanoseconds since the epoch reach the year 2554, well within a `Timestamp`.
fn timestamp(ts: u64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(ts)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_and_dates() {
        let ts = 1_534_527_348_514_682_170;
        let both = Parts { date: true, nanoseconds: true };
        let neither = Parts { date: false, nanoseconds: false };
        assert_eq!(text(ts, both, Offset::UTC), "2018-08-17 17:35:48.514682170");
        assert_eq!(text(ts, neither, Offset::constant(2)), "19:35:48");
        assert_eq!(iso8601(ts), "2018-08-17T17:35:48.514682170+0000");
        assert_eq!(iso8601(u64::MAX), "2554-07-21T23:34:33.709551615+0000");
    }
}
