//! String constants of conditions: the escapes that quoted strings may hold, and quoting.
//!
//! The two directions are not each other's inverse: [`unescape`] reads more than [`escape`] writes
//! (`\x41`, `\/`, either quote), and [`escape`] leaves text alone that needs no quotes.

/// Why a quoted string is refused. The texts are those that Falco prints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EscapeError {
    /// The other kind of quote needs no escape and must not have one.
    #[error("invalid \\{0} escape in {1}-quoted string")]
    OtherQuote(char, char),
    /// `\x` with fewer than two characters before the closing quote.
    #[error("truncated hex char escape sequence")]
    TruncatedHex,
    /// `\x` with something else than two hexadecimal digits.
    #[error("invalid hex char escape sequence: {}", String::from_utf8_lossy(.0))]
    InvalidHex([u8; 2]),
    /// An escape that the language does not have.
    #[error("unsupported string escape sequence: \\{}", String::from_utf8_lossy(.0))]
    Unsupported(Vec<u8>),
}

/// Reads a quoted string: `quoted` begins and ends with the quote that encloses it.
///
/// # Errors
/// If it holds an escape that the language does not have.
pub fn unescape(quoted: &[u8]) -> Result<Vec<u8>, EscapeError> {
    let [quote, body @ .., _] = quoted else { return Ok(Vec::new()) };
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        // A lone backslash at the very end means nothing.
        let Some((&escape, after)) = rest.split_first() else { break };
        rest = after;
        match escape {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            // Old rule files have "\ ", which always gave the backslash alone.
            b' ' | b'\\' => out.push(b'\\'),
            b'/' => out.push(b'/'),
            b'"' | b'\'' if escape == *quote => out.push(escape),
            b'"' => return Err(EscapeError::OtherQuote('"', '\'')),
            b'\'' => return Err(EscapeError::OtherQuote('\'', '"')),
            b'x' => {
                let [high, low, after @ ..] = rest else {
                    return Err(EscapeError::TruncatedHex);
                };
                let digit = |d: u8| char::from(d).to_digit(16);
                let (Some(h), Some(l)) = (digit(*high), digit(*low)) else {
                    return Err(EscapeError::InvalidHex([*high, *low]));
                };
                out.push((h * 16 + l) as u8);
                rest = after;
            }
            other => return Err(EscapeError::Unsupported(vec![other])),
        }
    }
    Ok(out)
}

/// Writes a constant so that a condition can hold it: as it is, or in double quotes with escapes
/// if it contains a blank, a quote, `=` or a control character that has an escape.
pub fn escape(text: &[u8], out: &mut Vec<u8>) {
    let quoted = text.iter().any(|b| {
        matches!(b, 0 | 0x08 | 0x0c | b'\n' | b'\r' | b'\t' | b' ' | b'=' | b'\\' | b'"' | b'\'')
    });
    if !quoted {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for &byte in text {
        match byte {
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            other => out.push(other),
        }
    }
    out.push(b'"');
}
