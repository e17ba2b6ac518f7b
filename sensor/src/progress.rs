//! One line on the terminal while a capture is replayed: how far, how fast, how long still.
//!
//! Shown only when stderr is a terminal, and wiped before anything else is printed.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use falco_source::Progress;

/// Events between two looks at the clock.
const STRIDE: u64 = 4096;
/// Time between two updates, and before the first, so that short replays show nothing.
const INTERVAL: Duration = Duration::from_millis(250);

/// The line, or nothing if stderr is no terminal.
#[derive(Debug)]
pub struct ProgressLine {
    enabled: bool,
    start: Instant,
    last: Instant,
    drawn: bool,
}

impl ProgressLine {
    /// For this process's stderr.
    pub fn new() -> Self {
        let now = Instant::now();
        ProgressLine { enabled: io::stderr().is_terminal(), start: now, last: now, drawn: false }
    }

    /// Called for every event; `progress` is asked only when the line is due.
    #[inline]
    pub fn tick(&mut self, events: u64, progress: impl FnOnce() -> Option<Progress>) {
        if self.enabled && events.is_multiple_of(STRIDE) && self.last.elapsed() >= INTERVAL {
            self.last = Instant::now();
            self.draw(&line(events, self.start.elapsed(), progress()));
        }
    }

    /// Shows what `text` says, if the line is due.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        if self.enabled && self.last.elapsed() >= INTERVAL {
            self.last = Instant::now();
            self.draw(&text());
        }
    }

    fn draw(&mut self, text: &str) {
        self.drawn = true;
        // A progress line that cannot be shown is no loss.
        let _ = write!(io::stderr(), "\r{text}\x1b[K");
    }

    /// Wipes the line.
    pub fn clear(&mut self) {
        if self.drawn {
            self.drawn = false;
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(events: u64, elapsed: Duration, progress: Option<Progress>) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-3);
    let mut text = format!("{events} events, {:.0}/s", events as f64 / seconds);
    if let Some(Progress { done, total }) = progress.filter(|p| p.done > 0 && p.total > 0) {
        let part = (done as f64 / total as f64).min(1.0);
        let left = (seconds / part - seconds).round() as u64;
        let _ = write!(text, ", {:.0} %, {}:{:02} left", part * 100.0, left / 60, left % 60);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_rate_share_and_rest() {
        let progress = Some(Progress { done: 25, total: 100 });
        assert_eq!(
            line(1000, Duration::from_secs(30), progress),
            "1000 events, 33/s, 25 %, 1:30 left"
        );
        assert_eq!(line(10, Duration::from_secs(1), None), "10 events, 10/s");
        let empty = Some(Progress { done: 0, total: 0 });
        assert_eq!(line(10, Duration::from_secs(1), empty), "10 events, 10/s");
    }
}
