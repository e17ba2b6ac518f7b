//! `regex`: RE2's POSIX syntax, matched against the whole text.
//!
//! The syntax is egrep's: no `\d`, no `(?…)`, no lazy repetition, and `^`, `$` match at line ends.
//! Patterns are parsed here, with RE2's own messages where they are wrong, and handed on in the
//! syntax of the `regex` crate.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

/// RE2's bound on the counts of a repetition, and of repetitions in each other multiplied.
const MAX_REPEAT: u32 = 1000;
/// How deep groups may nest, as compiling takes stack for each level. (RE2: 1000.)
const MAX_NESTING: usize = 300;
/// Bound on a pattern, in bytes. What RE2 makes of a longer one is too large for it in any case.
const MAX_PATTERN: usize = 256 << 10;
/// Bound on a compiled pattern, in bytes.
const SIZE_LIMIT: usize = 4 << 20;
/// Bound on what matching may remember of a pattern, in bytes; forgetting costs time, but it stays
/// linear in the text.
const CACHE_LIMIT: usize = 2 << 20;

const TOO_LARGE: &str = "pattern too large - compile failed";

/// A compiled pattern. Two are equal if their sources are.
#[derive(Clone)]
pub struct Regex {
    source: Box<[u8]>,
    compiled: regex::Regex,
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If it is not in the syntax or too large; the message is RE2's.
    pub fn new(pattern: &[u8]) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN {
            return Err(TOO_LARGE.into());
        }
        let text = std::str::from_utf8(pattern).map_err(|_| "invalid UTF-8")?;
        let translated = Translator::run(text)?;
        let compiled = regex::RegexBuilder::new(&translated)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(CACHE_LIMIT)
            .nest_limit(MAX_NESTING as u32)
            .build()
            .map_err(|_| TOO_LARGE)?;
        Ok(Regex { source: pattern.into(), compiled })
    }

    /// Whether the whole `text` matches. Invalid UTF-8 counts as U+FFFD.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.compiled.is_match(&sanitized(text))
    }
}

/// What a pattern is matched against: U+FFFD for each part of `text` that is not UTF-8.
pub fn sanitized(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Regex {}

impl Hash for Regex {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Regex({:?})", String::from_utf8_lossy(&self.source))
    }
}

/// An open group: what was emitted since its parenthesis.
#[derive(Default)]
struct Group {
    /// The text of the group so far.
    text: String,
    /// Where the latest atom begins; none where a repetition would have nothing to repeat.
    atom: Option<usize>,
    /// How many operators follow on the latest atom.
    operators: usize,
    /// How often the latest atom repeats what is innermost in it.
    times: u32,
    /// The most often that anything in the group is repeated.
    most_times: u32,
}

/// Reads RE2's syntax and writes the `regex` crate's.
struct Translator<'p> {
    whole: &'p str,
    rest: &'p str,
    groups: Vec<Group>,
    current: Group,
}

impl<'p> Translator<'p> {
    fn run(pattern: &'p str) -> Result<String, String> {
        let mut t = Translator {
            whole: pattern,
            rest: pattern,
            groups: Vec::new(),
            current: Group::default(),
        };
        while let Some(c) = t.rest.chars().next() {
            t.token(c)?;
        }
        if !t.groups.is_empty() {
            return Err(format!("missing ): {}", t.whole));
        }
        Ok(format!("\\A(?:{})\\z", t.current.text))
    }

    fn token(&mut self, c: char) -> Result<(), String> {
        match c {
            '(' => {
                self.skip(c);
                if self.groups.len() >= MAX_NESTING {
                    return Err("expression nests too deeply".into());
                }
                self.groups.push(std::mem::take(&mut self.current));
            }
            ')' => {
                let Some(outer) = self.groups.pop() else {
                    return Err(format!("unexpected ): {}", self.whole));
                };
                self.skip(c);
                let inner = std::mem::replace(&mut self.current, outer);
                self.atom(&format!("(?:{})", inner.text));
                self.count_times(inner.most_times);
            }
            '|' => {
                self.skip(c);
                self.current.text.push('|');
                self.current.atom = None;
            }
            '^' => self.single(c, "(?m:^)"),
            '$' => self.single(c, "(?m:$)"),
            '.' => self.single(c, "[^\\n]"),
            '[' => {
                let set = self.class()?;
                self.atom(&set);
            }
            '*' | '+' | '?' => {
                let operator = self.skip(c);
                self.repeat(operator)?;
            }
            '{' => match repetition(self.rest) {
                Some((operator, min, max)) => {
                    self.rest = self.rest.get(operator.len()..).unwrap_or_default();
                    let wrong = || Err(format!("invalid repetition size: {operator}"));
                    if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || max < min) {
                        return wrong();
                    }
                    self.repeat(operator)?;
                    let times = self.current.times.saturating_mul(max.unwrap_or(min).max(1));
                    if times > MAX_REPEAT {
                        return wrong();
                    }
                    self.count_times(times);
                }
                None => self.single(c, "\\{"),
            },
            '\\' => {
                let c = self.escape()?;
                self.atom(&literal(c));
            }
            _ => self.single(c, &literal(c)),
        }
        Ok(())
    }

    /// Consumes `c`, which is next; its text.
    fn skip(&mut self, c: char) -> &'p str {
        let (taken, rest) = self.rest.split_at_checked(c.len_utf8()).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn single(&mut self, c: char, emitted: &str) {
        self.skip(c);
        self.atom(emitted);
    }

    fn atom(&mut self, emitted: &str) {
        self.current.atom = Some(self.current.text.len());
        self.current.text.push_str(emitted);
        self.current.operators = 0;
        self.count_times(1);
    }

    /// Sets how often the latest atom repeats its innermost part.
    fn count_times(&mut self, times: u32) {
        self.current.times = times.max(1);
        self.current.most_times = self.current.most_times.max(self.current.times);
    }

    fn repeat(&mut self, operator: &str) -> Result<(), String> {
        let Some(start) = self.current.atom else {
            return Err(format!("no argument for repetition operator: {operator}"));
        };
        self.current.operators += 1;
        if self.current.operators > MAX_NESTING {
            return Err(TOO_LARGE.into());
        }
        // Operators stack in POSIX (`a+?` is an optional `a+`), so each gets its own group.
        self.current.text.insert_str(start, "(?:");
        self.current.text.push(')');
        self.current.text.push_str(operator);
        Ok(())
    }

    /// The character of an escape sequence, which is next.
    fn escape(&mut self) -> Result<char, String> {
        let begin = self.rest;
        self.skip('\\');
        let Some(c) = self.rest.chars().next() else {
            return Err("trailing \\".into());
        };
        self.skip(c);
        let decoded = match c {
            '0'..='7' => self.octal(c),
            'x' => self.hexadecimal(),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'a' => Some('\x07'),
            'f' => Some('\x0c'),
            'v' => Some('\x0b'),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' => Some(c),
            _ => None,
        };
        decoded.ok_or_else(|| {
            let consumed = begin.len() - self.rest.len();
            format!("invalid escape sequence: {}", begin.get(..consumed).unwrap_or(begin))
        })
    }

    fn octal(&mut self, first: char) -> Option<char> {
        let mut code = first.to_digit(8)?;
        let next = |t: &Self| t.rest.chars().next().and_then(|c| c.to_digit(8));
        // A single digit other than 0 would be a back reference.
        if first != '0' && next(self).is_none() {
            return None;
        }
        for _ in 0..2 {
            let Some(digit) = next(self) else { break };
            code = code * 8 + digit;
            self.skip('0');
        }
        char::from_u32(code)
    }

    fn hexadecimal(&mut self) -> Option<char> {
        let braced = self.rest.starts_with('{');
        if braced {
            self.skip('{');
        }
        let (mut code, mut digits) = (0u32, 0);
        while let Some(c) = self.rest.chars().next() {
            let Some(digit) = c.to_digit(16) else { break };
            self.skip(c);
            code = code.checked_mul(16)?.checked_add(digit)?;
            digits += 1;
            if !braced && digits == 2 {
                break;
            }
        }
        if braced {
            if !self.rest.starts_with('}') || digits == 0 {
                return None;
            }
            self.skip('}');
        } else if digits != 2 {
            return None;
        }
        char::from_u32(code)
    }

    /// A set in brackets, which is next.
    fn class(&mut self) -> Result<String, String> {
        let whole = self.rest;
        let missing = || format!("missing ]: {whole}");
        self.skip('[');
        let mut emitted = String::from("[");
        if self.rest.starts_with('^') {
            self.skip('^');
            emitted.push('^');
        }
        let mut first = true;
        loop {
            let c = self.rest.chars().next().ok_or_else(missing)?;
            if c == ']' && !first {
                self.skip(c);
                emitted.push(']');
                return Ok(emitted);
            }
            // A dash stands for itself only at either end.
            if c == '-' && !first && !self.rest.starts_with("-]") {
                let end = self.rest.chars().take(2).map(char::len_utf8).sum();
                let shown = self.rest.get(..end).unwrap_or_default();
                return Err(format!("invalid character class range: {shown}"));
            }
            first = false;
            if let Some(end) = self.rest.strip_prefix("[:").and_then(|rest| rest.find(":]")) {
                let (name, rest) = self.rest.split_at_checked(end + 4).ok_or_else(missing)?;
                if !is_posix_class(name) {
                    return Err(format!("invalid character class range: {name}"));
                }
                emitted.push_str(name);
                self.rest = rest;
                continue;
            }
            let begin = self.rest;
            let low = self.member().ok_or_else(missing)??;
            if self.rest.starts_with('-') && self.rest.len() >= 2 && !self.rest.starts_with("-]") {
                self.skip('-');
                let high = self.member().ok_or_else(missing)??;
                if high < low {
                    let shown = begin.get(..begin.len() - self.rest.len()).unwrap_or(begin);
                    return Err(format!("invalid character class range: {shown}"));
                }
                emitted.push_str(&format!("{}-{}", literal(low), literal(high)));
            } else {
                emitted.push_str(&literal(low));
            }
        }
    }

    /// One character of a set; none at the end of the pattern.
    fn member(&mut self) -> Option<Result<char, String>> {
        let c = self.rest.chars().next()?;
        if c == '\\' {
            return Some(self.escape());
        }
        self.skip(c);
        Some(Ok(c))
    }
}

/// A character by number: nothing to quote, inside brackets or outside.
fn literal(c: char) -> String {
    format!("\\x{{{:X}}}", u32::from(c))
}

/// `{n}`, `{n,}` or `{n,m}` at the start of `text`, with its counts; none if it is no repetition.
fn repetition(text: &str) -> Option<(&str, u32, Option<u32>)> {
    let end = text.find('}')?;
    let inner = text.get(1..end)?;
    let operator = text.get(..=end)?;
    // Falco's RE2 refuses counts by their value, so those that do not fit become too large.
    let count = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let padded = digits.len() > 1 && digits.starts_with('0');
        (plain && !padded).then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (min, max) = match inner.split_once(',') {
        None => (count(inner)?, Some(count(inner)?)),
        Some((min, "")) => (count(min)?, None),
        Some((min, max)) => (count(min)?, Some(count(max)?)),
    };
    Some((operator, min, max))
}

/// Whether `[:name:]` or `[:^name:]` is a class that RE2 knows.
fn is_posix_class(class: &str) -> bool {
    let name = class.trim_start_matches("[:").trim_end_matches(":]");
    matches!(
        name.strip_prefix('^').unwrap_or(name),
        "alnum"
            | "alpha"
            | "ascii"
            | "blank"
            | "cntrl"
            | "digit"
            | "graph"
            | "lower"
            | "print"
            | "punct"
            | "space"
            | "upper"
            | "word"
            | "xdigit"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expected) in [
            ("a.c", "abc", true),
            ("a.c", "xabc", false),
            ("a|bc", "bc", true),
            ("(a|b)+?", "", true),
            ("[[:alpha:]_-]+", "a_-Z", true),
            ("[]a]+", "]a", true),
            ("[^a]", "\n", true),
            (".", "\n", false),
            (".", "é", true),
            ("a{2,3}", "aaa", true),
            ("a{2,3}", "aaaa", false),
            ("a{,3}", "a{,3}", true),
            ("^a$", "a", true),
            ("a\\.b", "a.b", true),
            ("\\x41\\101", "AA", true),
            ("", "", true),
            ("a||b", "", true),
        ] {
            let regex = Regex::new(pattern.as_bytes()).unwrap();
            assert_eq!(regex.matches(text.as_bytes()), expected, "{pattern} {text}");
        }
        assert!(Regex::new(b"a\xff").is_err());
        assert!(Regex::new(b"a.b").unwrap().matches(b"a\xffb"));
    }

    #[test]
    fn messages_are_those_of_re2() {
        for (pattern, message) in [
            ("(", "missing ): ("),
            ("a)", "unexpected ): a)"),
            ("[a", "missing ]: [a"),
            ("*a", "no argument for repetition operator: *"),
            ("a|{2}", "no argument for repetition operator: {2}"),
            ("a{2,1}", "invalid repetition size: {2,1}"),
            ("a{1001}", "invalid repetition size: {1001}"),
            ("\\d", "invalid escape sequence: \\d"),
            ("\\", "trailing \\"),
            ("\\1", "invalid escape sequence: \\1"),
            ("[z-a]", "invalid character class range: z-a"),
            ("[a-b-c]", "invalid character class range: -c"),
            ("[[:foo:]]", "invalid character class range: [:foo:]"),
            ("(?:a)", "no argument for repetition operator: ?"),
        ] {
            assert_eq!(Regex::new(pattern.as_bytes()).unwrap_err(), message, "{pattern}");
        }
    }

    #[test]
    fn pathological_patterns_are_bounded() {
        let started = std::time::Instant::now();
        for (pattern, message) in [
            ("(((a{1,1000}){1,1000}){1,1000})".to_owned(), "invalid repetition size: {1,1000}"),
            ("((a{100}b?){10}c){2}".to_owned(), "invalid repetition size: {2}"),
            ("(a{2}){2,}".repeat(3) + "((x{30,}y){34}|z)", "invalid repetition size: {34}"),
            ("a".repeat(1 << 20), TOO_LARGE),
            ("(".repeat(200_000) + &")".repeat(50_000), "expression nests too deeply"),
            (".{1000}".repeat(30_000), TOO_LARGE),
            ("([[:alpha:]é]{10}|[^a]{5}){100}".repeat(5_000), TOO_LARGE),
            ("a*".to_owned() + &"?".repeat(250_000), TOO_LARGE),
        ] {
            let error = Regex::new(pattern.as_bytes()).unwrap_err();
            assert_eq!(error, message, "{:.50}", pattern);
        }
        // What RE2 takes is taken: products up to its bound, groups up to its depth.
        for pattern in [
            "((a{10}){10}){10}".to_owned(),
            "(a{2}){2}".repeat(500),
            "(".repeat(290) + "a" + &")".repeat(290),
            "(".repeat(50) + "a" + &"|b)*".repeat(50),
            "(".repeat(40) + "a" + &"[b-c]d)?+".repeat(40),
            "a".to_owned() + &"?+".repeat(70),
            "a?".repeat(1000) + &"a".repeat(1000),
            "a".repeat(20_000),
        ] {
            assert_eq!(Regex::new(pattern.as_bytes()).err(), None, "{pattern:.50}");
        }
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    #[test]
    fn matching_takes_time_linear_in_the_text() {
        let text = "a".repeat(1 << 16) + "c";
        let started = std::time::Instant::now();
        for pattern in ["(a*)*b", "(a|aa)+b", "((a+)+)+b", "(a?){50}a{50}b", ".*.*.*=.*"] {
            assert!(!Regex::new(pattern.as_bytes()).unwrap().matches(text.as_bytes()), "{pattern}");
        }
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
