//! Lists: their items with other lists in them resolved, and their substitution in conditions.
//!
//! Substitution is textual and happens before parsing: the name of a list, wherever delimiters
//! surround it, becomes its items. Quotes do not protect a name. All of it is Falco's behaviour,
//! including that a list within a list within a list stays a name unless definition order helps.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::definitions::Definitions;
use super::result::LoadError;
use super::trace::{Layer, Stretch};

/// A list with the lists in it resolved.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) name: String,
    pub(super) items: Vec<String>,
    /// Whether anything refers to it.
    pub(super) used: bool,
    /// What the name becomes in conditions.
    text: String,
    /// Lists whose names are words of `text`.
    mentions: Vec<usize>,
}

/// All lists, in order of first definition.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    lists: Vec<List>,
    index: HashMap<String, usize>,
    /// Lists whose names are not single words, so that looking up words does not find them.
    odd: Vec<usize>,
    /// How long conditions were so far, in bytes.
    substituted: usize,
}

/// How long all lists together may become in bytes: lists in lists multiply.
const MAX_LISTS: usize = 16 << 20;

/// How long a condition may become in bytes.
const MAX_CONDITION: usize = 4 << 20;

/// How long all conditions together may become in bytes.
const MAX_CONDITIONS: usize = 32 << 20;

/// An item or exception value as it is put into conditions: in double quotes if it has a blank and
/// no quote of its own.
pub(super) fn quote(item: &str) -> Cow<'_, str> {
    if item.contains(' ') && !item.starts_with(['"', '\'']) {
        Cow::Owned(format!("\"{item}\""))
    } else {
        Cow::Borrowed(item)
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_delimiter(c: char) -> bool {
    is_blank(c) || matches!(c, '(' | ')' | ',' | '=')
}

/// The words of a condition between delimiters: each may be the name of a list.
pub(super) fn words(condition: &str) -> impl Iterator<Item = &str> {
    condition.split(is_delimiter).filter(|word| !word.is_empty())
}

impl Lists {
    /// Resolves every list: an item that names a list first defined before this one's last change
    /// becomes that list's items as they are written.
    ///
    /// # Errors
    /// If the lists become too long.
    pub(super) fn resolve(definitions: &Definitions) -> Result<Self, LoadError> {
        let mut out = Lists::default();
        let mut used = Vec::new();
        let mut total = 0;
        for list in definitions.lists.iter() {
            let mut items: Vec<String> = Vec::new();
            let mut add = |item: &str| {
                total += item.len() + 1;
                items.push(item.to_owned());
                total <= MAX_LISTS
            };
            let fits = list.items.iter().all(|item| match definitions.lists.get(item) {
                Some(inner) if inner.order.first < list.order.last => {
                    used.push(inner.name.clone());
                    inner.items.iter().all(|item| add(item))
                }
                _ => add(item),
            });
            if !fits {
                return Err(LoadError::definition(
                    format!("Lists expand to more than {MAX_LISTS} bytes"),
                    &list.context,
                ));
            }
            out.push(list.name.clone(), items);
        }
        for name in used {
            if let Some(list) = out.index.get(&name).and_then(|&i| out.lists.get_mut(i)) {
                list.used = true;
            }
        }
        for i in 0..out.lists.len() {
            let text = out.lists.get(i).map(|l| l.text.as_str()).unwrap_or_default();
            let mentions = out.words(text).collect();
            if let Some(list) = out.lists.get_mut(i) {
                list.mentions = mentions;
            }
        }
        Ok(out)
    }

    fn push(&mut self, name: String, items: Vec<String>) {
        let i = self.lists.len();
        if name.contains(is_delimiter) {
            self.odd.push(i);
        }
        self.index.insert(name.clone(), i);
        let text = items.iter().map(|item| quote(item)).collect::<Vec<_>>().join(", ");
        self.lists.push(List { name, items, used: false, text, mentions: Vec::new() });
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, List> {
        self.lists.iter()
    }

    /// The lists whose names are words of `text`.
    fn words<'a>(&'a self, text: &'a str) -> impl Iterator<Item = usize> + 'a {
        words(text).filter_map(|word| self.index.get(word).copied())
    }

    /// Puts the items of lists into a condition, list by list in order, and marks those that it
    /// names as used. Returns the text and what each list changed.
    ///
    /// # Errors
    /// A message, if that makes it, or all conditions so far, too long.
    pub(super) fn substitute(&mut self, condition: &str) -> Result<(String, Vec<Layer>), String> {
        let left = MAX_CONDITIONS.saturating_sub(self.substituted);
        let mut text = condition.to_owned();
        let mut layers = Vec::new();
        let mut wanted: BTreeSet<usize> = self.words(condition).collect();
        wanted.extend(&self.odd);
        while let Some(i) = wanted.pop_first() {
            let Some(list) = self.lists.get_mut(i) else { continue };
            let Some((new, layer)) = replace(&text, &list.name, &list.text) else { continue };
            list.used = true;
            if new.len() > MAX_CONDITION.min(left) {
                return Err(format!(
                    "Lists make the condition longer than {MAX_CONDITION} bytes, or all conditions \
                     longer than {MAX_CONDITIONS} bytes"
                ));
            }
            // Only lists that come later get a chance in what was put in.
            wanted.extend(list.mentions.iter().filter(|&&mentioned| mentioned > i));
            text = new;
            layers.push(layer);
        }
        self.substituted = self.substituted.saturating_add(text.len());
        Ok((text, layers))
    }
}

/// Replaces every delimited `name` in `text` by `items`, with one blank before and behind. An empty
/// list takes one comma with it. None if there is none; stops early beyond
/// [`MAX_CONDITION`].
fn replace(text: &str, name: &str, items: &str) -> Option<(String, Layer)> {
    let mut out = String::new();
    let mut layer = Layer::new();
    let mut found = false;
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest.get(from..).and_then(|r| r.find(name)).map(|i| i + from) {
        let (head, tail) = (rest.get(..at)?, rest.get(at + name.len()..)?);
        let before = head.chars().next_back().or_else(|| out.chars().next_back());
        let after = tail.chars().next();
        if !(before.is_none_or(is_delimiter) && after.is_none_or(is_delimiter)) {
            from = at + name.chars().next()?.len_utf8();
            continue;
        }
        found = true;
        // `rest` is an end of `text`, so this is where it begins.
        let from_text = text.len() - rest.len();
        layer.push(Stretch { start: out.len(), from: from_text, kept: true });
        layer.push(Stretch { start: 0, from: from_text + at, kept: false });
        out.push_str(head);
        out.truncate(out.trim_end_matches(is_blank).len());
        rest = tail.trim_start_matches(is_blank);
        if items.is_empty() {
            if out.ends_with(',') {
                out.pop();
            } else {
                rest = rest.strip_prefix(',').unwrap_or(rest);
            }
        }
        // At the very beginning Falco puts no blank, and looks on one character too late.
        from = 0;
        if out.is_empty() {
            from = rest.chars().next().map_or(0, char::len_utf8);
        } else {
            out.push(' ');
        }
        if let Some(items) = layer.last_mut() {
            items.start = out.len();
        }
        out.push_str(items);
        out.push(' ');
        if out.len() > MAX_CONDITION {
            break;
        }
    }
    layer.push(Stretch { start: out.len(), from: text.len() - rest.len(), kept: true });
    out.push_str(rest);
    found.then_some((out, layer))
}

#[cfg(test)]
mod tests {
    use super::replace;

    #[test]
    fn names_are_replaced_between_delimiters() {
        let cases = [
            ("a in (l)", "a in ( x, y )"),
            ("a in (l, l)", "a in ( x, y , x, y )"),
            ("a in (l2, xl, l.1)", "a in (l2, xl, l.1)"),
            ("a=l", "a= x, y "),
            ("l", "x, y "),
            ("a = \"see l here\"", "a = \"see x, y here\""),
        ];
        for (text, expected) in cases {
            let replaced = replace(text, "l", "x, y").map(|(text, _)| text);
            assert_eq!(replaced.unwrap_or(text.into()), expected);
        }
    }

    #[test]
    fn empty_lists_take_one_comma_with_them() {
        let cases = [
            ("a in (l)", "a in (  )"),
            ("a in (l, b)", "a in (   b)"),
            ("a in (b, l)", "a in (b  )"),
            ("a in (b, l, c)", "a in (b  , c)"),
        ];
        for (text, expected) in cases {
            assert_eq!(replace(text, "l", "").unwrap().0, expected);
        }
    }
}
