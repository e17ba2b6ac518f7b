//! `stdout_output`: a line an alert.

use std::io::{self, BufWriter, StdoutLock, Write};

use super::{Output, Waiting};

/// Standard output, flushed after every alert unless `buffered_outputs`.
#[derive(Debug)]
pub struct Stdout {
    writer: BufWriter<Waiting<StdoutLock<'static>>>,
    buffered: bool,
}

impl Stdout {
    /// Takes stdout over.
    pub fn new(buffered: bool) -> Self {
        let writer = Waiting(io::stdout().lock());
        Stdout { writer: BufWriter::with_capacity(64 * 1024, writer), buffered }
    }
}

impl Output for Stdout {
    fn alert(&mut self, line: &[u8]) -> io::Result<()> {
        self.writer.write_all(line)?;
        self.writer.write_all(b"\n")?;
        if self.buffered { Ok(()) } else { self.writer.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
