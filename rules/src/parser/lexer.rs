//! The cursor over a condition's text and the tokens of the language.
//!
//! Every `take_*` either consumes its token and remembers it in [`Lexer::last`], or leaves cursor
//! and `last` alone. Tokens are matched longest first at the cursor; nothing is tokenised ahead,
//! because the same text is a word, an operator or a macro depending on where it stands.

use std::borrow::Cow;

use crate::ast::Pos;
use crate::escape::{EscapeError, unescape};

/// The cursor.
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    pos: Pos,
    /// The token taken last, blanks not counted; error messages quote it.
    pub(super) last: Cow<'t, [u8]>,
}

/// A place to come back to.
pub(super) struct Mark<'t>(Pos, Cow<'t, [u8]>);

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Lexer {
            text: text.as_bytes(),
            pos: Pos { index: 0, line: 1, column: 1 },
            last: Cow::Borrowed(b""),
        }
    }

    pub(super) fn pos(&self) -> Pos {
        self.pos
    }

    pub(super) fn at_end(&self) -> bool {
        self.pos.index >= self.text.len()
    }

    pub(super) fn mark(&self) -> Mark<'t> {
        Mark(self.pos, self.last.clone())
    }

    pub(super) fn reset(&mut self, mark: Mark<'t>) {
        self.pos = mark.0;
        self.last = mark.1;
    }

    pub(super) fn rest(&self) -> &'t [u8] {
        self.text.get(self.pos.index..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos.index).copied()
    }

    fn advance(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.pos.column += 1;
            if matches!(byte, b'\r' | b'\n') {
                self.pos.column = 1;
                self.pos.line += 1;
            }
        }
        self.pos.index += bytes.len();
    }

    /// Consumes the first `len` bytes as a token; none if `len` is 0.
    fn take(&mut self, len: usize) -> bool {
        let Some(token) = self.rest().get(..len).filter(|t| !t.is_empty()) else { return false };
        self.advance(token);
        self.last = Cow::Borrowed(token);
        true
    }

    /// Skips blanks; whether there were any.
    pub(super) fn take_blank(&mut self) -> bool {
        let len = run(self.rest(), is_blank);
        let blanks = self.rest().get(..len).unwrap_or_default();
        self.advance(blanks);
        len > 0
    }

    pub(super) fn take_str(&mut self, token: &str) -> bool {
        self.rest().starts_with(token.as_bytes()) && self.take(token.len())
    }

    /// The first of `tokens` that stands at the cursor.
    pub(super) fn take_any(&mut self, tokens: &[&'static str]) -> Option<&'static str> {
        tokens.iter().copied().find(|t| self.take_str(t))
    }

    /// The first of `words` that stands at the cursor and has a blank behind it, which is skipped.
    pub(super) fn take_word(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| {
            let mark = self.mark();
            let found = self.take_str(word) && self.take_blank();
            if !found {
                self.reset(mark);
            }
            found
        })
    }

    /// `not` and the white space behind it, as one token.
    pub(super) fn take_not(&mut self) -> bool {
        let Some(after) = self.rest().strip_prefix(b"not") else { return false };
        match run(after, is_space) {
            0 => false,
            blanks => self.take(3 + blanks),
        }
    }

    pub(super) fn take_identifier(&mut self) -> bool {
        self.take(identifier(self.rest()))
    }

    /// Identifiers joined by dots, two or more.
    pub(super) fn take_field_name(&mut self) -> bool {
        let rest = self.rest();
        let mut len = identifier(rest);
        let mut dotted = false;
        while len > 0
            && let Some((b'.', after)) = rest.get(len..).and_then(<[u8]>::split_first)
        {
            match identifier(after) {
                0 => break,
                part => len += 1 + part,
            }
            dotted = true;
        }
        dotted && self.take(len)
    }

    pub(super) fn take_bare_argument(&mut self) -> bool {
        let len = run(self.rest(), |b| !is_space(b) && !matches!(b, b'[' | b']' | b'"' | b'\''));
        self.take(len)
    }

    pub(super) fn take_bare_string(&mut self) -> bool {
        self.take(bare_string(self.rest()))
    }

    /// A hexadecimal or decimal number. Whether it suits the field is for the type check to say.
    pub(super) fn take_number(&mut self) -> bool {
        let len = match hexadecimal(self.rest()) {
            0 => decimal(self.rest()),
            len => len,
        };
        self.take(len)
    }

    /// A quoted string; `last` becomes its content. An unclosed quote is no token.
    pub(super) fn take_quoted(&mut self) -> Result<bool, EscapeError> {
        let Some(quote @ (b'"' | b'\'')) = self.peek() else { return Ok(false) };
        let rest = self.rest();
        let mut previous = b'\\';
        for (i, &byte) in rest.iter().enumerate() {
            match byte {
                0 => return Ok(false),
                // A backslash before the quote escapes it, even if it is escaped itself.
                b if b == quote && previous != b'\\' => {
                    let quoted = rest.get(..=i).unwrap_or_default();
                    self.advance(quoted);
                    self.last = Cow::Borrowed(quoted);
                    self.last = Cow::Owned(unescape(quoted)?);
                    return Ok(true);
                }
                other => previous = other,
            }
        }
        Ok(false)
    }
}

/// Blanks between tokens.
fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | 0x08 | b'\r' | b'\n')
}

/// POSIX `[:space:]`, which `not` and bare words go by.
fn is_space(b: u8) -> bool {
    matches!(b, b' ' | 0x09..=0x0d)
}

fn run(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|&&b| belongs(b)).count()
}

fn digits(text: &[u8]) -> usize {
    run(text, |b| b.is_ascii_digit())
}

/// Length of `[A-Za-z][A-Za-z0-9_]*` at the start.
pub(super) fn identifier(text: &[u8]) -> usize {
    match text.first() {
        Some(b) if b.is_ascii_alphabetic() => run(text, |b| b.is_ascii_alphanumeric() || b == b'_'),
        _ => 0,
    }
}

/// Length of the bare word at the start.
pub(super) fn bare_string(text: &[u8]) -> usize {
    run(text, |b| !is_space(b) && !matches!(b, b'(' | b')' | b'"' | b'\'' | b'=' | b','))
}

fn hexadecimal(text: &[u8]) -> usize {
    match text {
        [b'0', b'x' | b'X', rest @ ..] => match run(rest, |b| b.is_ascii_hexdigit()) {
            0 => 0,
            len => 2 + len,
        },
        _ => 0,
    }
}

/// Length of `[+-]?[0-9]+[.]?[0-9]*([eE][+-][0-9]+)?` at the start.
fn decimal(text: &[u8]) -> usize {
    let at = |from: usize| text.get(from..).unwrap_or_default();
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let whole = digits(at(sign));
    if whole == 0 {
        return 0;
    }
    let mut len = sign + whole;
    if at(len).starts_with(b".") {
        len += 1 + digits(at(len + 1));
    }
    if let [b'e' | b'E', b'+' | b'-', exponent @ ..] = at(len) {
        let exponent = digits(exponent);
        if exponent > 0 {
            len += 2 + exponent;
        }
    }
    len
}
