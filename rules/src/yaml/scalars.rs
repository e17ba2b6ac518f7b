//! The text of scalars: plain, quoted and block, with lines folded.

use super::cursor::Cursor;
use super::scanner::{Stop, TokenKind};

fn error<T>(cursor: &Cursor<'_>, message: &'static str) -> Result<T, Stop> {
    Err((cursor.offset(), TokenKind::Error(message)))
}

/// How the line breaks of plain and quoted scalars become text: one is a blank, more are one less.
#[derive(Default)]
struct FlowFold {
    /// Whether the line before was empty.
    empty_line: bool,
}

impl FlowFold {
    /// At the first non-blank of a new line. `escaped` if a backslash took the break away.
    fn line(&mut self, cursor: &Cursor<'_>, escaped: bool, text: &mut String) {
        let empty_line = cursor.at_break();
        if empty_line {
            text.push('\n');
        } else if !self.empty_line && !escaped {
            text.push(' ');
        }
        self.empty_line = empty_line;
    }
}

/// Scans a plain scalar; lines that belong to it are indented by at least `indent`. The second
/// value says whether it was ended by a line that is not.
pub(super) fn plain(
    cursor: &mut Cursor<'_>,
    in_flow: bool,
    indent: usize,
) -> Result<(String, bool), Stop> {
    let mut text = String::new();
    let mut fold = FlowFold::default();
    let mut ended_by_indent = false;
    while cursor.peek().is_some() {
        let line = plain_line(cursor, in_flow);
        text.push_str(line);
        if !cursor.at_break() || plain_ends(cursor, in_flow) {
            break;
        }
        text.truncate(text.len() - line.len() + line.trim_end_matches([' ', '\t']).len());
        cursor.skip_break();
        while cursor.at_blank() {
            if cursor.peek() == Some(b'\t') && cursor.column() < indent {
                return error(cursor, "illegal tab when looking for indentation");
            }
            if plain_ends(cursor, in_flow) {
                break;
            }
            cursor.advance(1);
        }
        fold.line(cursor, false, &mut text);
        if !cursor.at_break() && cursor.column() < indent {
            ended_by_indent = true;
            break;
        }
    }
    let trimmed = text.trim_end_matches([' ', '\t']).trim_end_matches('\n').len();
    text.truncate(trimmed);
    Ok((text, ended_by_indent))
}

/// The part of a plain scalar in this line, trailing blanks included.
fn plain_line<'t>(cursor: &mut Cursor<'t>, in_flow: bool) -> &'t str {
    let rest = cursor.rest();
    if cursor.column() == 0 && cursor.at_document_indicator() {
        return "";
    }
    let start = cursor.offset();
    while let Some(byte) = cursor.peek() {
        let may_end = matches!(
            byte,
            b' ' | b'\t' | b'\n' | b'\r' | b':' | b',' | b'?' | b'[' | b']' | b'{' | b'}'
        );
        if may_end && (cursor.at_break() || plain_ends(cursor, in_flow)) {
            break;
        }
        cursor.advance(1);
    }
    rest.get(..cursor.offset() - start).unwrap_or_default()
}

/// Whether a plain scalar ends here, line breaks aside.
fn plain_ends(cursor: &Cursor<'_>, in_flow: bool) -> bool {
    match cursor.peek() {
        Some(b' ' | b'\t' | b'\n') => cursor.peek_at(1) == Some(b'#'),
        Some(b'\r') => {
            let behind = if cursor.peek_at(1) == Some(b'\n') { 2 } else { 1 };
            cursor.peek_at(behind) == Some(b'#')
        }
        Some(b':') => {
            cursor.blank_or_end_at(1)
                || in_flow && matches!(cursor.peek_at(1), Some(b',' | b']' | b'}'))
        }
        Some(b',' | b'?' | b'[' | b']' | b'{' | b'}') => in_flow,
        Some(_) => false,
        None => true,
    }
}

/// Scans a quoted scalar, from its quote on.
pub(super) fn quoted(cursor: &mut Cursor<'_>) -> Result<String, Stop> {
    let quote = cursor.peek().unwrap_or(b'"');
    cursor.advance(1);
    let mut text = String::new();
    let mut fold = FlowFold::default();
    // Text before this was escaped or is not blank, so it stays as it is.
    let mut keep = 0;
    let mut escaped_until = None;
    // The end of the text is an error only within a line.
    let mut ended = cursor.peek().is_none();
    while !ended {
        if cursor.column() == 0 && cursor.at_document_indicator() {
            return error(cursor, "illegal document indicator in scalar");
        }
        let plain = cursor.take_while(|b| {
            b != quote && !matches!(b, b'\n' | b'\r') && (b != b'\\' || quote == b'\'')
        });
        text.push_str(plain);
        if !plain.trim_end_matches([' ', '\t']).is_empty() {
            keep = text.len() - (plain.len() - plain.trim_end_matches([' ', '\t']).len());
        }
        let escaped_break = match cursor.peek() {
            None => return error(cursor, "illegal EOF in scalar"),
            Some(b'\'') if quote == b'\'' && cursor.peek_at(1) == Some(b'\'') => {
                cursor.advance(2);
                text.push('\'');
                keep = text.len();
                escaped_until = Some(text.len());
                continue;
            }
            Some(byte) if byte == quote => {
                cursor.advance(1);
                break;
            }
            Some(b'\\') if matches!(cursor.peek_at(1), Some(b'\n' | b'\r')) => {
                cursor.advance(1);
                keep = text.len();
                escaped_until = Some(text.len());
                true
            }
            Some(b'\\') => {
                text.push(escape(cursor)?);
                keep = text.len();
                escaped_until = Some(text.len());
                continue;
            }
            Some(_) => false,
        };
        text.truncate(keep);
        cursor.skip_break();
        cursor.skip_blanks();
        fold.line(cursor, escaped_break, &mut text);
        keep = text.len();
        ended = cursor.peek().is_none();
    }
    // At most one line break stays at the end; two after an escape.
    let content = text.trim_end_matches('\n').len();
    let kept = match escaped_until {
        Some(escaped) if content <= escaped => escaped + 2,
        _ if content == 0 => 0,
        _ => content + 1,
    };
    text.truncate(kept.min(text.len()));
    Ok(text)
}

/// The character of an escape, from its backslash on.
fn escape(cursor: &mut Cursor<'_>) -> Result<char, Stop> {
    cursor.advance(1);
    let Some(letter) = cursor.take_char() else {
        return error(cursor, "illegal EOF in scalar");
    };
    let digits = match letter {
        '0' => return Ok('\0'),
        'a' => return Ok('\x07'),
        'b' => return Ok('\x08'),
        't' | '\t' => return Ok('\t'),
        'n' => return Ok('\n'),
        'v' => return Ok('\x0b'),
        'f' => return Ok('\x0c'),
        'r' => return Ok('\r'),
        'e' => return Ok('\x1b'),
        ' ' | '"' | '\'' | '\\' | '/' => return Ok(letter),
        'N' => return Ok('\u{85}'),
        '_' => return Ok('\u{a0}'),
        'L' => return Ok('\u{2028}'),
        'P' => return Ok('\u{2029}'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        other => return Err((cursor.offset(), TokenKind::BadEscape(other))),
    };
    let code = cursor.rest().get(..digits).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(code) = code.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
        cursor.advance(digits);
        return error(cursor, "bad character found while scanning hex number");
    };
    cursor.advance(digits);
    match char::from_u32(code) {
        Some(c) => Ok(c),
        None => error(cursor, "invalid unicode"),
    }
}

/// What happens to line breaks at the end of a block scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomp {
    Strip,
    Clip,
    Keep,
}

/// Scans a block scalar, from its `|` or `>` on. `parent` is the column of the collection that it
/// is in, if there is one.
pub(super) fn block(cursor: &mut Cursor<'_>, parent: Option<usize>) -> Result<String, Stop> {
    let folded = cursor.peek() == Some(b'>');
    cursor.advance(1);
    let (chomp, explicit) = block_header(cursor)?;
    let mut indent = parent.unwrap_or(0) + explicit.unwrap_or(1);
    let mut text = String::new();
    let mut fold = BlockFold { folded, ..BlockFold::default() };
    let mut found_text = false;
    cursor.skip_break();
    let mut first = true;
    loop {
        let detect = explicit.is_none() && !found_text;
        while cursor.peek() == Some(b' ') && (cursor.column() < indent || detect) {
            cursor.advance(1);
        }
        if detect {
            indent = indent.max(cursor.column());
        }
        if cursor.peek() == Some(b'\t') && cursor.column() < indent {
            return error(cursor, "illegal tab when looking for indentation");
        }
        let belongs = cursor.column() >= indent;
        fold.line(cursor, belongs, found_text, first, &mut text);
        first = false;
        if !cursor.at_break() && !belongs || cursor.peek().is_none() {
            break;
        }
        let line = cursor.take_while(|b| !matches!(b, b'\n' | b'\r'));
        found_text |= !line.is_empty();
        text.push_str(line);
        if cursor.peek().is_none() {
            break;
        }
        cursor.skip_break();
    }
    let content = text.trim_end_matches('\n').len();
    match chomp {
        Chomp::Keep => {}
        Chomp::Strip => text.truncate(content),
        Chomp::Clip => text.truncate((content + usize::from(content > 0)).min(text.len())),
    }
    Ok(text)
}

/// Chomping and indentation indicators, and the rest of their line.
fn block_header(cursor: &mut Cursor<'_>) -> Result<(Chomp, Option<usize>), Stop> {
    let mut chomp = None;
    let mut indent = None;
    loop {
        match cursor.peek() {
            Some(b'+') if chomp.is_none() => chomp = Some(Chomp::Keep),
            Some(b'-') if chomp.is_none() => chomp = Some(Chomp::Strip),
            Some(digit @ b'0'..=b'9') if indent.is_none() => {
                if digit == b'0' {
                    cursor.advance(1);
                    return error(cursor, "cannot set zero indentation for a block scalar");
                }
                indent = Some(usize::from(digit - b'0'));
            }
            _ => break,
        }
        cursor.advance(1);
    }
    cursor.skip_blanks();
    if cursor.peek() == Some(b'#') {
        cursor.skip_line();
    }
    if cursor.peek().is_some() && !cursor.at_break() {
        return error(cursor, "unexpected character in block scalar");
    }
    Ok((chomp.unwrap_or(Chomp::Clip), indent))
}

/// How the line breaks of block scalars become text.
#[derive(Default)]
struct BlockFold {
    /// `>`: single breaks between lines that begin in the same column are blanks.
    folded: bool,
    empty_line: bool,
    more_indented: bool,
    /// Breaks not written yet, because empty lines may follow.
    pending: usize,
    pending_after_more_indented: bool,
}

impl BlockFold {
    /// At the first character of a new line behind its indentation; `belongs` says whether the line
    /// is indented enough, `first` that it is the one below the header.
    fn line(
        &mut self,
        cursor: &Cursor<'_>,
        belongs: bool,
        found_text: bool,
        first: bool,
        text: &mut String,
    ) {
        let empty_line = cursor.at_break();
        let more_indented = cursor.at_blank();
        if self.pending == 0 && empty_line {
            self.pending_after_more_indented = self.more_indented;
        }
        if first {
            // The header's own break is no text.
        } else if !self.folded {
            text.push('\n');
        } else {
            let same = !self.empty_line && !self.more_indented && !more_indented && belongs;
            if empty_line {
                self.pending += 1;
            } else if same {
                text.push(' ');
            } else {
                text.push('\n');
            }
            if !empty_line && self.pending > 0 {
                let kept = self.pending_after_more_indented || more_indented || !found_text;
                let breaks = self.pending - usize::from(!kept);
                text.extend(std::iter::repeat_n('\n', breaks));
                self.pending = 0;
            }
        }
        self.empty_line = empty_line;
        self.more_indented = more_indented;
    }
}
