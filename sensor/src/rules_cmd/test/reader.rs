//! Reading of YAML with positions: what is wrong is told with its place and with what may stand
//! there.

use falco_rules::yaml::{Mark, Node};

use crate::rules_cmd::excerpt::excerpt;
use crate::suggest;

/// Something wrong in a test file.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Where.
    pub mark: Mark,
    /// How many characters are wrong.
    pub length: usize,
    /// What, in a sentence's words.
    pub message: String,
}

/// What reading gives.
pub type Read<T> = Result<T, Problem>;

impl Problem {
    /// A problem with the value of `node`.
    pub fn at(node: Node<'_>, message: impl Into<String>) -> Self {
        let length = node.scalar().map_or(1, |text| text.lines().next().unwrap_or("").len());
        Problem { mark: node.mark(), length, message: message.into() }
    }

    /// `file:line:column: message` and the line with a caret.
    pub fn render(&self, file: &str, text: &str) -> String {
        let shown = excerpt(text, self.mark.line, self.mark.column, self.length);
        let (line, column) = self.place(text);
        format!("{file}:{line}:{column}: {}\n{shown}", self.message)
    }

    /// Line and column (in characters) in the file's text, both from 1.
    pub fn place(&self, text: &str) -> (usize, usize) {
        let Mark { line, column, .. } = self.mark;
        let shown = text.lines().nth(line).unwrap_or_default();
        let characters = shown.char_indices().take_while(|(at, _)| *at < column).count();
        (line + 1, characters + 1)
    }
}

/// A map whose keys have been checked.
#[derive(Clone, Default)]
pub struct Keys<'d> {
    pairs: Vec<(&'d str, Node<'d>, Node<'d>)>,
}

impl<'d> Keys<'d> {
    /// The pairs of `node`, which is called `what` (`a test`).
    ///
    /// # Errors
    /// If it is no map, or has a key that is not text or stands twice.
    pub fn any(node: Node<'d>, what: &str) -> Read<Self> {
        let Some(map) = node.map() else {
            return Err(Problem::at(
                node,
                format!("{what} must be a map (key: value), not {}", kind(node)),
            ));
        };
        let mut pairs: Vec<(&str, Node<'_>, Node<'_>)> = Vec::new();
        for (key, value) in map {
            let Some(name) = key.scalar() else {
                return Err(Problem::at(key, format!("a key of {what} must be text")));
            };
            if pairs.iter().any(|(other, ..)| *other == name) {
                return Err(Problem::at(key, format!("key '{name}' stands twice in {what}")));
            }
            pairs.push((name, key, value));
        }
        Ok(Keys { pairs })
    }

    /// As [`Keys::any`], of which only `allowed` may be there.
    ///
    /// # Errors
    /// As [`Keys::any`], and for other keys.
    pub fn of(node: Node<'d>, what: &str, allowed: &[&str]) -> Read<Self> {
        let keys = Self::any(node, what)?;
        for (name, key, _) in &keys.pairs {
            if !allowed.contains(name) {
                return Err(Problem::at(*key, unknown("key", name, what, allowed)));
            }
        }
        Ok(keys)
    }

    /// The value of a key; one that is null counts as not there.
    pub fn get(&self, name: &str) -> Option<Node<'d>> {
        let found = self.pairs.iter().find(|(key, ..)| *key == name);
        found.map(|(_, _, value)| *value).filter(|value| !value.is_null())
    }

    /// A problem with a key that is there.
    pub fn problem(&self, name: &str, message: impl Into<String>) -> Problem {
        let found = self.pairs.iter().find(|(key, ..)| *key == name);
        let mark = found.map(|(_, key, _)| key.mark()).unwrap_or_default();
        Problem { mark, length: name.len(), message: message.into() }
    }

    /// Name, key and value of each pair.
    pub fn iter(&self) -> impl Iterator<Item = (&'d str, Node<'d>, Node<'d>)> + '_ {
        self.pairs.iter().copied()
    }
}

/// The message for a word that is not among `allowed`.
pub fn unknown(kind: &str, word: &str, what: &str, allowed: &[&str]) -> String {
    if allowed.is_empty() {
        return format!("unknown {kind} '{word}': {what} takes none");
    }
    let hint = match suggest::closest(word, allowed.iter().copied()) {
        Some(like) => format!("did you mean '{like}'? "),
        None => String::new(),
    };
    format!("unknown {kind} '{word}' in {what}; {hint}allowed: {}", allowed.join(", "))
}

/// What a node is, in words.
fn kind(node: Node<'_>) -> &'static str {
    if node.is_null() {
        "nothing"
    } else if node.map().is_some() {
        "a map"
    } else if node.sequence().is_some() {
        "a list"
    } else {
        "a single value"
    }
}

/// A text.
pub fn text<'d>(node: Node<'d>, what: &str) -> Read<&'d str> {
    node.scalar()
        .ok_or_else(|| Problem::at(node, format!("{what} must be text, not {}", kind(node))))
}

/// The elements of a list; nothing is an empty one.
pub fn list<'d>(node: Node<'d>, what: &str) -> Read<Vec<Node<'d>>> {
    if node.is_null() {
        return Ok(Vec::new());
    }
    match node.sequence() {
        Some(nodes) => Ok(nodes.collect()),
        None => Err(Problem::at(node, format!("{what} must be a list, not {}", kind(node)))),
    }
}

/// A list of texts.
pub fn texts<'d>(node: Node<'d>, what: &str) -> Read<Vec<&'d str>> {
    list(node, what)?.into_iter().map(|node| text(node, &format!("an entry of {what}"))).collect()
}

/// A whole number: decimal, `0x…`, `0o…` or, as C writes it, `0…` for octal.
pub fn parse_number(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (radix, digits) = if let Some(hex) = digits.strip_prefix("0x") {
        (16, hex)
    } else if let Some(octal) = digits.strip_prefix("0o") {
        (8, octal)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (8, &digits[1..])
    } else {
        (10, digits)
    };
    // from_str_radix takes a sign of its own.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// A whole number of a range.
pub fn number<T: TryFrom<i128>>(node: Node<'_>, what: &str) -> Read<T> {
    let written = text(node, what)?;
    let value = parse_number(written)
        .ok_or_else(|| Problem::at(node, format!("{what} must be a number, not '{written}'")))?;
    T::try_from(value).map_err(|_| Problem::at(node, format!("{what} {written} is out of range")))
}

/// Yes or no.
pub fn boolean(node: Node<'_>, what: &str) -> Read<bool> {
    let written = text(node, what)?;
    falco_rules::yaml::scalar::to_bool(written)
        .ok_or_else(|| Problem::at(node, format!("{what} must be true or false, not '{written}'")))
}

/// A duration in nanoseconds: a number with `ns`, `us`, `ms`, `s`, `m` or `h`.
pub fn duration(node: Node<'_>, what: &str) -> Read<u64> {
    let written = text(node, what)?;
    let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &written[digits.len()..] {
        "ns" => Some(1),
        "us" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60_000_000_000),
        "h" => Some(3_600_000_000_000),
        _ => None,
    };
    let value = digits.parse::<u64>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(unit));
    value.ok_or_else(|| {
        Problem::at(node, format!("{what} must be a time such as 500ms, 2s or 1m, not '{written}'"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_cs_notations() {
        for (text, value) in
            [("0", 0), ("12", 12), ("-100", -100), ("0x1F", 31), ("0o755", 493), ("0755", 493)]
        {
            assert_eq!(parse_number(text), Some(value), "{text}");
        }
        for text in ["", "-", "0x", "+1", "--1", "0x-1", "1.5", "08", "a"] {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }
}
