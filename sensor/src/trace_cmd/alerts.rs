//! Where the alerts of `falco trace` go: stderr, since stdout is the command's, or stdout on demand.
//! An output that fails, as when whoever read it has gone, must not end the command: it is told at
//! the end.

use std::io::{self, Stderr, Write};

use anyhow::Result;
use falco_enrich::context::Context;

use crate::event_loop::{AlertLines, Matches};
use crate::outputs::{Output, Stdout, Waiting};

/// Standard error or output.
pub enum Stream {
    /// Each line with one call, so that lines of the command and ours do not mix within a line.
    Stderr(Waiting<Stderr>, Vec<u8>),
    /// As without `trace`.
    Stdout(Stdout),
}

impl Stream {
    /// The one that is asked for.
    pub fn new(to_stdout: bool, buffered: bool) -> Self {
        match to_stdout {
            true => Stream::Stdout(Stdout::new(buffered)),
            false => Stream::Stderr(Waiting(io::stderr()), Vec::new()),
        }
    }
}

impl Output for Stream {
    fn alert(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Stream::Stderr(stderr, whole) => {
                whole.clear();
                whole.extend_from_slice(line);
                whole.push(b'\n');
                stderr.write_all(whole)
            }
            Stream::Stdout(stdout) => stdout.alert(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Stderr(..) => Ok(()),
            Stream::Stdout(stdout) => stdout.flush(),
        }
    }
}

/// Alerts whose failure is kept for later.
pub struct Patient<'a> {
    lines: AlertLines<'a>,
    /// Why alerts could not be delivered, once they could not.
    pub error: Option<anyhow::Error>,
}

impl<'a> Patient<'a> {
    /// Alerts as `lines`.
    pub fn new(lines: AlertLines<'a>) -> Self {
        Patient { lines, error: None }
    }

    fn keep(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }
}

impl Matches for Patient<'_> {
    fn matched(&mut self, rule: usize, ctx: &Context<'_>, ts: u64) -> Result<()> {
        if self.error.is_none() {
            let delivered = self.lines.matched(rule, ctx, ts);
            self.keep(delivered);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let flushed = self.lines.flush();
        self.keep(flushed);
        Ok(())
    }
}
