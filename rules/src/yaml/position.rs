//! From the YAML parser's positions (characters) to those that messages show (bytes, lines from 0).

use super::Mark;

/// A text with what is needed to find lines and characters in it.
pub(super) struct Positions<'t> {
    text: &'t str,
    /// Offset of the first byte of each line.
    lines: Vec<usize>,
    /// Offset of every [`STRIDE`]th character; empty if characters are bytes.
    characters: Vec<usize>,
}

const STRIDE: usize = 64;

impl<'t> Positions<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|&(_, b)| b == b'\n').map(|(i, _)| i + 1);
        let characters = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().step_by(STRIDE).map(|(offset, _)| offset).collect()
        };
        Positions { text, lines: std::iter::once(0).chain(newlines).collect(), characters }
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Byte offset of a character.
    pub(super) fn offset(&self, character: usize) -> usize {
        if self.characters.is_empty() {
            return character.min(self.text.len());
        }
        let start = self.characters.get(character / STRIDE).copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        rest.char_indices().nth(character % STRIDE).map_or(self.text.len(), |(i, _)| start + i)
    }

    /// The mark of a byte.
    pub(super) fn mark(&self, offset: usize) -> Mark {
        let line = self.lines.partition_point(|&start| start <= offset).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or_default();
        Mark { offset, line, column: offset.saturating_sub(start) }
    }

    /// The mark of the token behind an empty node: that is where yaml-cpp locates it. At the end
    /// of the text its scanner has gone back to column 0.
    pub(super) fn token_after(&self, offset: usize) -> Mark {
        let rest = self.text.get(offset..).unwrap_or_default();
        // The node stands before the `:` (or `-`, `?`, `,`) that has nothing behind it.
        let rest = rest.strip_prefix([':', '-', '?', ',']).unwrap_or(rest);
        let found = self.text.len() - skip_blanks_and_comments(rest).len();
        let mark = self.mark(found);
        if found >= self.text.len() { Mark { column: 0, ..mark } } else { mark }
    }

    /// Where the `|` or `>` of a block scalar stands whose content begins at `content`. It is
    /// searched from `from`, the end of what precedes the scalar; `content` if it is not found.
    pub(super) fn block_header(&self, from: usize, content: usize) -> usize {
        let mut rest = self.text.get(from..content).unwrap_or_default();
        loop {
            rest = skip_blanks_and_comments(rest);
            rest = match rest.as_bytes().first() {
                Some(b'|' | b'>') => return content - rest.len(),
                Some(b':' | b'-' | b'?') => rest.get(1..).unwrap_or_default(),
                // A tag, up to a blank.
                Some(b'!') => rest.trim_start_matches(|c: char| !c.is_ascii_whitespace()),
                _ => return content,
            };
        }
    }
}

fn skip_blanks_and_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches([' ', '\t', '\r', '\n']);
        match text.strip_prefix('#') {
            Some(comment) => text = comment.find('\n').and_then(|i| comment.get(i..)).unwrap_or(""),
            None => return text,
        }
    }
}
