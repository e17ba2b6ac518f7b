//! Sets of texts to compare a text with: [`Texts`] says which, [`TextMatcher`] does it fast.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use hashbrown::HashSet;
use memchr::memmem;

use super::paths::PathSet;

/// A constant text.
type Text = Box<[u8]>;

/// The texts of one disjunction over one field: it holds if the value equals one of `equal`, begins
/// with one of `prefixes`, and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Texts {
    pub(crate) equal: BTreeSet<Text>,
    pub(crate) prefixes: BTreeSet<Text>,
    pub(crate) suffixes: BTreeSet<Text>,
    pub(crate) substrings: BTreeSet<Text>,
    /// Paths at or below which the value must lie.
    pub(crate) paths: BTreeSet<Text>,
}

impl Texts {
    /// Adds everything of `other`.
    pub(crate) fn extend(&mut self, other: &Texts) {
        self.equal.extend(other.equal.iter().cloned());
        self.prefixes.extend(other.prefixes.iter().cloned());
        self.suffixes.extend(other.suffixes.iter().cloned());
        self.substrings.extend(other.substrings.iter().cloned());
        self.paths.extend(other.paths.iter().cloned());
    }

    /// Whether nothing can match.
    pub(crate) fn is_empty(&self) -> bool {
        self.equal.is_empty() && !self.is_more_than_equality()
    }

    /// Whether anything but equality is asked.
    pub(crate) fn is_more_than_equality(&self) -> bool {
        ![&self.prefixes, &self.suffixes, &self.substrings, &self.paths]
            .into_iter()
            .all(BTreeSet::is_empty)
    }

    /// A rough price of a match, in nanoseconds.
    pub(crate) fn cost(&self) -> u32 {
        let step = |set: &BTreeSet<Text>, base: u32| if set.is_empty() { 0 } else { base };
        step(&self.equal, 4)
            + step(&self.prefixes, 8)
            + step(&self.suffixes, 8)
            + step(&self.substrings, 30)
            + step(&self.paths, 40)
    }
}

/// A compiled [`Texts`].
#[derive(Debug)]
pub(crate) struct TextMatcher {
    equal: Equal,
    prefixes: Prefixes,
    suffixes: Prefixes,
    substrings: Substrings,
    paths: Option<PathSet>,
}

impl TextMatcher {
    pub(crate) fn new(texts: &Texts) -> Self {
        let reversed = texts.suffixes.iter().map(|s| s.iter().rev().copied().collect());
        TextMatcher {
            equal: Equal::new(&texts.equal),
            prefixes: Prefixes::new(texts.prefixes.iter().cloned()),
            suffixes: Prefixes::new(reversed),
            substrings: Substrings::new(&texts.substrings),
            paths: (!texts.paths.is_empty()).then(|| PathSet::new(&texts.paths)),
        }
    }

    #[inline]
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.equal.contains(text)
            || self.prefixes.begin(text)
            || self.suffixes.begin_reversed(text)
            || self.substrings.are_in(text)
            || self.paths.as_ref().is_some_and(|paths| paths.are_above(text))
    }
}

/// A set of whole texts.
#[derive(Debug)]
enum Equal {
    Few(Box<[Text]>),
    Many {
        /// Bit `n` is set if a text has `n` bytes; the last bit stands for all longer ones.
        lengths: u64,
        texts: HashSet<Text>,
    },
}

/// Up to so many texts are compared one by one.
const FEW: usize = 3;

impl Equal {
    fn new(texts: &BTreeSet<Text>) -> Self {
        if texts.len() <= FEW {
            return Equal::Few(texts.iter().cloned().collect());
        }
        let lengths = texts.iter().fold(0, |bits, text| bits | Self::length_bit(text.len()));
        Equal::Many { lengths, texts: texts.iter().cloned().collect() }
    }

    fn length_bit(length: usize) -> u64 {
        1 << length.min(63)
    }

    #[inline]
    fn contains(&self, text: &[u8]) -> bool {
        match self {
            Equal::Few(texts) => texts.iter().any(|t| t.as_ref() == text),
            Equal::Many { lengths, texts } => {
                lengths & Self::length_bit(text.len()) != 0 && texts.contains(text)
            }
        }
    }
}

/// A set of prefixes, none of which begins with another, in ascending order.
///
/// A text that begins with one of them has it right before itself in that order, or is it: what lies
/// between a prefix and the text begins with that prefix too.
#[derive(Debug, Default)]
struct Prefixes(Box<[Text]>);

impl Prefixes {
    fn new(prefixes: impl Iterator<Item = Text>) -> Self {
        let mut sorted: Vec<Text> = prefixes.collect();
        sorted.sort_unstable();
        sorted.dedup_by(|later, kept| later.starts_with(kept));
        Prefixes(sorted.into())
    }

    /// Whether the text begins with one.
    #[inline]
    fn begin(&self, text: &[u8]) -> bool {
        let behind = self.0.partition_point(|prefix| prefix.as_ref() <= text);
        let before = behind.checked_sub(1).and_then(|at| self.0.get(at));
        before.is_some_and(|prefix| text.starts_with(prefix))
    }

    /// Whether the text read backwards begins with one.
    #[inline]
    fn begin_reversed(&self, text: &[u8]) -> bool {
        let backwards = || text.iter().rev();
        let behind = self.0.partition_point(|prefix| prefix.iter().le(backwards()));
        let before = behind.checked_sub(1).and_then(|at| self.0.get(at));
        before.is_some_and(|prefix| {
            prefix.len() <= text.len() && prefix.iter().zip(backwards()).all(|(a, b)| a == b)
        })
    }
}

/// A set of substrings.
#[derive(Debug)]
enum Substrings {
    None,
    One(Box<memmem::Finder<'static>>),
    Many(AhoCorasick),
    /// Too many for an automaton.
    Each(Box<[memmem::Finder<'static>]>),
}

impl Substrings {
    fn new(texts: &BTreeSet<Text>) -> Self {
        let finder = |text: &Text| memmem::Finder::new(text.as_ref()).into_owned();
        match (texts.len(), texts.first()) {
            (_, None) => Substrings::None,
            (1, Some(only)) => Substrings::One(Box::new(finder(only))),
            _ => match AhoCorasick::new(texts) {
                Ok(automaton) => Substrings::Many(automaton),
                Err(_) => Substrings::Each(texts.iter().map(finder).collect()),
            },
        }
    }

    #[inline]
    fn are_in(&self, text: &[u8]) -> bool {
        match self {
            Substrings::None => false,
            Substrings::One(finder) => finder.find(text).is_some(),
            Substrings::Many(automaton) => automaton.is_match(text),
            Substrings::Each(finders) => finders.iter().any(|f| f.find(text).is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::path;
    use proptest::prelude::*;

    fn set(texts: &[String]) -> BTreeSet<Text> {
        texts.iter().map(|t| t.as_bytes().into()).collect()
    }

    proptest! {
        #[test]
        fn matchers_do_what_each_text_says(
            equal in prop::collection::vec("[ab/]{0,4}", 0..6),
            prefixes in prop::collection::vec("[ab/]{0,4}", 0..6),
            suffixes in prop::collection::vec("[ab/]{0,4}", 0..6),
            substrings in prop::collection::vec("[ab/]{1,4}", 0..4),
            paths in prop::collection::vec("[ab/*]{0,5}", 0..4),
            only in 0..6,
            text in "[ab/]{0,8}",
        ) {
            let choose = |kind: i32, texts: &[String]| {
                if only == 5 || only == kind { set(texts) } else { BTreeSet::new() }
            };
            let texts = Texts {
                equal: choose(0, &equal),
                prefixes: choose(1, &prefixes),
                suffixes: choose(2, &suffixes),
                substrings: choose(3, &substrings),
                paths: choose(4, &paths),
            };
            let text = text.as_bytes();
            let expected = texts.equal.contains(text)
                || texts.prefixes.iter().any(|p| text.starts_with(p))
                || texts.suffixes.iter().any(|s| text.ends_with(s))
                || texts.substrings.iter().any(|s| memmem::find(text, s).is_some())
                || texts.paths.iter().any(|p| path::is_prefix(p, text));
            prop_assert_eq!(TextMatcher::new(&texts).matches(text), expected);
        }
    }
}
