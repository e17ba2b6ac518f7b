//! Globs as POSIX `fnmatch` without flags: `*` and `?` also match `/` and leading dots, `[…]` is a
//! set of bytes, a backslash makes the next byte literal.

/// Whether the whole `text` matches `pattern`; with `fold`, ASCII letters match either case.
pub fn matches(pattern: &[u8], text: &[u8], fold: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // The latest star: where the pattern goes on behind it, and how much text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            None if t == text.len() => return true,
            None => None,
            Some(_) => text.get(t).and_then(|&byte| one(pattern, p, byte, fold)),
        };
        match (step, star) {
            (Some(next), _) => (p, t) = (next, t + 1),
            // Only the latest star need give: an earlier one could only shift what lies between.
            (None, Some((behind, taken))) if taken < text.len() => {
                (p, t) = (behind, taken + 1);
                star = Some((behind, taken + 1));
            }
            (None, _) => return false,
        }
    }
}

/// Matches `byte` with the one-byte pattern at `p`, which is no star; the pattern's next position
/// if it does.
fn one(pattern: &[u8], p: usize, byte: u8, fold: bool) -> Option<usize> {
    let same = |a: u8, b: u8| if fold { a.eq_ignore_ascii_case(&b) } else { a == b };
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => match set(pattern, p + 1, byte, fold) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            // A bracket that nothing closes stands for itself.
            None => (byte == b'[').then_some(p + 1),
        },
        // A backslash at the end matches nothing.
        b'\\' => same(*pattern.get(p + 1)?, byte).then_some(p + 2),
        literal => same(literal, byte).then_some(p + 1),
    }
}

/// The set whose first byte behind `[` is at `start`: whether it has `byte`, and the position behind
/// its `]`. None if it is not closed.
fn set(pattern: &[u8], start: usize, byte: u8, fold: bool) -> Option<(bool, usize)> {
    let lower = |b: u8| if fold { b.to_ascii_lowercase() } else { b };
    let wanted = lower(byte);
    let mut p = start;
    let negated = matches!(pattern.get(p)?, b'!' | b'^');
    p += usize::from(negated);
    let mut found = false;
    let mut first = true;
    loop {
        let mut low = *pattern.get(p)?;
        if low == b']' && !first {
            return Some((found != negated, p + 1));
        }
        first = false;
        if low == b'['
            && pattern.get(p + 1) == Some(&b':')
            && let Some((member, next)) = class(pattern, p + 2, byte, fold)
        {
            // A class that does not exist spoils the whole set.
            let Some(member) = member else { return Some((false, next)) };
            found |= member;
            p = next;
            continue;
        }
        if low == b'\\' {
            p += 1;
            low = *pattern.get(p)?;
        }
        p += 1;
        let ends_range = |p: usize| pattern.get(p).is_some_and(|&b| b != b']');
        if pattern.get(p) == Some(&b'-') && ends_range(p + 1) {
            p += 1;
            let mut high = *pattern.get(p)?;
            if high == b'\\' {
                p += 1;
                high = *pattern.get(p)?;
            }
            p += 1;
            found |= (lower(low)..=lower(high)).contains(&wanted);
        } else {
            found |= lower(low) == wanted;
        }
    }
}

/// A class `[:name:]` whose name is at `start`: whether it has `byte` (none if there is no such
/// class), and the position behind it. None if it is not closed.
fn class(pattern: &[u8], start: usize, byte: u8, fold: bool) -> Option<(Option<bool>, usize)> {
    let rest = pattern.get(start..)?;
    let length = rest.iter().take_while(|b| b.is_ascii_lowercase()).count();
    if rest.get(length..length + 2)? != b":]" {
        return None;
    }
    let member = match rest.get(..length)? {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase() || fold && byte.is_ascii_uppercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase() || fold && byte.is_ascii_lowercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return Some((None, start + length + 2)),
    };
    Some((Some(member), start + length + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_fnmatch_does() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "a/b", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXb", false),
            ("?", "/", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[]]", "]", true),
            ("[]-a]", "]", true),
            ("[a", "[a", true),
            ("[a-]", "-", true),
            ("[[:digit:]]*", "7up", true),
            ("[[:digit:]x]", "x", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", false),
            ("/opt/*/sub?", "/opt/x/y/sub1", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), expected, "{pattern}");
        }
        assert!(matches(b"*EXE", b"my.exe", true));
        assert!(matches(b"[A-C]", b"b", true));
        assert!(!matches(b"*EXE", b"my.exe", false));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = b"*a".repeat(100);
        let text = vec![b'b'; 10_000];
        assert!(!matches(&pattern, &text, false));
    }
}
