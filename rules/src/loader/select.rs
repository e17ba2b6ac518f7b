//! [`Selection`]: rules by name, pattern or tag.

use std::collections::BTreeSet;

/// Which rules to enable or disable, as `rules:` in the configuration says.
#[derive(Clone, Copy, Debug)]
pub enum Selection<'a> {
    /// The rule of this name; all for the empty one.
    Name(&'a str),
    /// Rules whose name contains this.
    Substring(&'a str),
    /// Rules whose name matches this pattern, in which `*` stands for any text.
    Wildcard(&'a str),
    /// Rules with this tag.
    Tag(&'a str),
}

impl Selection<'_> {
    /// Whether the rule with this name and these tags is meant.
    pub fn matches(self, name: &str, tags: &BTreeSet<String>) -> bool {
        match self {
            Selection::Name(wanted) => wanted.is_empty() || wanted == name,
            Selection::Substring(part) => name.contains(part),
            Selection::Wildcard(pattern) => matches_wildcard(pattern, name),
            Selection::Tag(tag) => tags.contains(tag),
        }
    }
}

/// Whether `text` is `pattern` with any text, possibly none, for each `*`. As in Falco, what
/// follows a `*` is looked for once, at its first place: `*b` does not match `abab`.
pub fn matches_wildcard(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    for part in rest.split('*').filter(|part| !part.is_empty()) {
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    pattern.ends_with('*') || text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::matches_wildcard;

    #[test]
    fn wildcards() {
        let yes = [
            ("*", ""),
            ("*", "a"),
            ("a*", "a"),
            ("*a", "ba"),
            ("a*c", "abc"),
            ("*b*", "abc"),
            ("a**c", "ac"),
            ("*second*r*", "second disabled rule"),
            ("", ""),
            ("ab", "ab"),
            ("a*a", "aa"),
            ("*ab*ab", "abab"),
            ("*hello*****world", "come on hello this world"),
        ];
        for (pattern, text) in yes {
            assert!(matches_wildcard(pattern, text), "{pattern} {text}");
        }
        let no = [
            ("", "a"),
            ("a", "ab"),
            ("a*a", "a"),
            ("*b", "abc"),
            ("a*b*c", "acb"),
            ("*ab*ab", "aab"),
            ("*b", "abab"),
        ];
        for (pattern, text) in no {
            assert!(!matches_wildcard(pattern, text), "{pattern} {text}");
        }
    }
}
