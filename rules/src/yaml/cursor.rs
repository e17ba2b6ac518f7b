//! The place in a text, with line and column.

/// A place in a text. Offsets and columns count bytes; lines end with `\n`.
pub(super) struct Cursor<'t> {
    text: &'t str,
    offset: usize,
    line: usize,
    line_start: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Cursor { text, offset: 0, line: 0, line_start: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    pub(super) fn column(&self) -> usize {
        self.offset - self.line_start
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.offset + ahead).copied()
    }

    /// Whether a blank or line break stands that far ahead.
    pub(super) fn blank_at(&self, ahead: usize) -> bool {
        matches!(self.peek_at(ahead), Some(b' ' | b'\t' | b'\n' | b'\r'))
    }

    pub(super) fn blank_or_end_at(&self, ahead: usize) -> bool {
        self.blank_at(ahead) || self.peek_at(ahead).is_none()
    }

    pub(super) fn at_break(&self) -> bool {
        matches!(self.peek(), Some(b'\n' | b'\r'))
    }

    pub(super) fn at_blank(&self) -> bool {
        matches!(self.peek(), Some(b' ' | b'\t'))
    }

    /// Whether `---` or `...` stands here by itself. Only in column 0 does it mean anything.
    pub(super) fn at_document_indicator(&self) -> bool {
        let rest = self.rest();
        (rest.starts_with("---") || rest.starts_with("...")) && self.blank_or_end_at(3)
    }

    /// Goes ahead in the line; over a line break with [`Cursor::skip_break`].
    pub(super) fn advance(&mut self, bytes: usize) {
        self.offset = (self.offset + bytes).min(self.text.len());
    }

    /// Goes behind the line break here, if there is one: `\n`, `\r\n` or `\r`.
    pub(super) fn skip_break(&mut self) {
        if self.peek() == Some(b'\r') {
            self.advance(1);
        }
        if self.peek() != Some(b'\n') {
            return;
        }
        self.advance(1);
        self.line += 1;
        self.line_start = self.offset;
    }

    /// Goes to the end of the line.
    pub(super) fn skip_line(&mut self) {
        self.take_while(|b| !matches!(b, b'\n' | b'\r'));
    }

    pub(super) fn skip_blanks(&mut self) {
        self.take_while(|b| matches!(b, b' ' | b'\t'));
    }

    /// Takes text within the line.
    pub(super) fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.bytes().take_while(|&b| belongs(b)).count();
        self.advance(len);
        rest.get(..len).unwrap_or_default()
    }

    /// Takes text up to a blank.
    pub(super) fn take_word(&mut self) -> String {
        self.take_while(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r')).to_owned()
    }

    /// Takes one character.
    pub(super) fn take_char(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.advance(c.len_utf8());
        Some(c)
    }
}
