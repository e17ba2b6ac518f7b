//! From byte offsets to lines and columns.

use super::Mark;

/// The offsets at which the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let after_newline = |(i, byte): (usize, u8)| (byte == b'\n').then_some(i + 1);
        let starts = text.bytes().enumerate().filter_map(after_newline);
        Lines { starts: std::iter::once(0).chain(starts).collect() }
    }

    /// The line that a byte is in, from 0.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset).saturating_sub(1)
    }

    /// The mark of a byte.
    pub(super) fn mark(&self, offset: usize) -> Mark {
        let line = self.line(offset);
        let start = self.starts.get(line).copied().unwrap_or_default();
        Mark { offset, line, column: offset.saturating_sub(start) }
    }
}
