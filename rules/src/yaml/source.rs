//! From a byte of a scalar's decoded text back to the byte of the file that it was written as.
//!
//! Folding and chomping only concern blanks and line breaks, so the n-th character that is neither
//! was the n-th in the file too, escapes counting as what they stand for. That is all that messages
//! need: a token does not begin with a blank.

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// The offset in `content` of byte `at` of the text `decoded` of the scalar at `offset`. Behind its
/// last character it is the place behind that character in the file.
pub fn source_offset(content: &str, offset: usize, decoded: &str, at: usize) -> usize {
    let bom = if content.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let start = bom + offset;
    let Some(source) = content.get(start..) else { return offset };
    let before = decoded.get(..decoded.floor_char_boundary(at)).unwrap_or_default();
    let count = before.chars().filter(|&c| !is_blank(c)).count();
    let at_end = decoded.get(before.len()..).is_none_or(|rest| rest.chars().all(is_blank));
    let mut written = Written::new(source);
    let found = if at_end && count > 0 {
        written.nth(count - 1).map(|span| span.1)
    } else {
        written.nth(count).map(|span| span.0)
    };
    start - bom + found.unwrap_or_default()
}

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Raw,
    Single,
    Double,
}

/// The characters of a scalar that are not blank, as they are written: begin and end.
struct Written<'s> {
    text: &'s str,
    at: usize,
    style: Style,
}

impl<'s> Written<'s> {
    fn new(text: &'s str) -> Self {
        // Tags and anchors come first.
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| rest.starts_with(['!', '&'])) {
            let word = rest.find(is_blank).unwrap_or(rest.len());
            let blanks = rest.get(word..).unwrap_or_default();
            at += word + (blanks.len() - blanks.trim_start_matches(is_blank).len());
        }
        let rest = text.get(at..).unwrap_or_default();
        let (style, header) = match rest.chars().next() {
            Some('\'') => (Style::Single, 1),
            Some('"') => (Style::Double, 1),
            Some('|' | '>') => (Style::Raw, rest.find(['\n', '\r']).unwrap_or(rest.len())),
            _ => (Style::Raw, 0),
        };
        Written { text, at: at + header, style }
    }

    fn take(&mut self) -> Option<char> {
        let c = self.text.get(self.at..)?.chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }
}

impl Iterator for Written<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let begin = self.at;
            let blank = match (self.take()?, self.style) {
                ('\'', Style::Single) => {
                    self.take();
                    false
                }
                ('\\', Style::Double) => {
                    let letter = self.take()?;
                    let digits = match letter {
                        'x' => 2,
                        'u' => 4,
                        'U' => 8,
                        _ => 0,
                    };
                    let code = self.text.get(self.at..self.at + digits).unwrap_or_default();
                    self.at += code.len();
                    let decoded = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
                    matches!(letter, 'n' | 'r' | 't') || is_blank(decoded.unwrap_or(letter))
                }
                (c, _) => is_blank(c),
            };
            if !blank {
                return Some((begin, self.at));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Documents;

    #[test]
    fn every_word_is_found_where_it_is_written() {
        for text in [
            "k: one two three",
            "k: one\n  two\n\n  three",
            "k: 'one ''two''\n  three'",
            "k: \"one\\ttwo\\x20\\\n  three \\u00e9 é four\"",
            "k: |\n  one\n    two\n\n  three\n",
            "k: >-\n  one\n  two\n\n  \tthree\n",
            "k: >2 # note\n    one\n  two é three\n",
            "k: !!str &a\n  one two",
            "\u{feff}k: one two",
        ] {
            let documents = Documents::parse(text).unwrap();
            let node = documents.roots().next().unwrap().get("k").unwrap();
            let decoded = node.scalar().unwrap();
            for word in ["one", "two", "three", "é", "four"] {
                let Some(at) = decoded.find(word) else { continue };
                let found = source_offset(text, node.mark().offset, decoded, at);
                let stripped = text.trim_start_matches('\u{feff}');
                let shown = &stripped[found..];
                assert!(shown.starts_with(word) || shown.starts_with("\\u00e9"), "{text:?} {word}");
            }
            let end = source_offset(text, node.mark().offset, decoded, decoded.len());
            assert!(
                decoded.trim_end().ends_with(&text.trim_start_matches('\u{feff}')[end - 1..end])
            );
        }
    }
}
