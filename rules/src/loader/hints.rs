//! "Did you mean …?" for what a [`LoadResult`] says.
//!
//! Falco's messages stay as they are, so what a message is about is read from its words; what could
//! have been meant is looked up in the fields, definitions and keywords that there are. All of it
//! happens after loading, and only if there is something to say.

use std::collections::BTreeSet;

use super::Sources;
use super::context::Context;
use super::definitions::Definitions;
use super::lists::words;
use super::result::{ErrorCode, LoadError, LoadResult, WarningCode};
use super::trace::SourceText;
use crate::ast::{Node, NodeKind, Text};
use crate::catalogue::Catalogue;
use crate::parser;
use crate::priority::Priority;
use crate::suggest::{closest, did_you_mean};

/// So many findings get hints; who has more does not read them.
const MAX_HINTS: usize = 100;

/// Adds hints to the errors and warnings of a result.
pub(super) fn add(
    result: &mut LoadResult,
    definitions: &Definitions,
    sources: &mut Sources<'_, '_>,
) {
    let mut hints = Vec::new();
    for (i, error) in result.errors().iter().enumerate().take(MAX_HINTS) {
        if error.hint.is_none() {
            hints.extend(of_error(error, definitions, sources).map(|hint| (i, hint)));
        }
    }
    hints.into_iter().for_each(|(i, hint)| result.set_hint(i, hint));
    let about_names = |code| {
        use WarningCode::{UnknownFilter, UnknownKey, UnknownSource};
        matches!(code, UnknownFilter | UnknownKey | UnknownSource)
    };
    let warnings = result.warnings().enumerate().filter(|(_, (code, _))| about_names(*code));
    let hints: Vec<_> = warnings
        .take(MAX_HINTS)
        .filter_map(|(i, (code, message))| Some((i, of_warning(code, message, sources)?)))
        .collect();
    hints.into_iter().for_each(|(i, hint)| result.set_warning_hint(i, hint));
}

/// What stands between two parts of a message.
fn between<'m>(message: &'m str, before: &str, after: &str) -> Option<&'m str> {
    message.strip_prefix(before)?.strip_suffix(after)
}

fn of_error(
    error: &LoadError,
    definitions: &Definitions,
    sources: &mut Sources<'_, '_>,
) -> Option<String> {
    let message = error.message.as_str();
    if let Some(field) = between(message, "filter_check called with nonexistent field ", "") {
        return field_hint(field, sources);
    }
    if let Some(field) = between(message, "'", "' is not a supported filter field") {
        return field_hint(field, sources);
    }
    if let Some(name) = between(message, "Undefined macro '", "' used in filter.") {
        let macros = definitions.macros.iter().map(|m| m.name.as_str());
        return did_you_mean(name, macros);
    }
    if let Some(name) = between(message, "unknown event type ", "") {
        let names: BTreeSet<String> = sources
            .0
            .iter()
            .flat_map(|source| source.catalogue.event_names())
            .map(str::to_owned)
            .collect();
        return did_you_mean(name, names.iter().map(String::as_str));
    }
    if let Some(op) = between(message, "'", "' is not a supported comparison operator") {
        return did_you_mean(op, parser::operators());
    }
    if let Some(value) = between(message, "", " is not a valid number") {
        return list_hint(value, definitions);
    }
    if message == "Invalid priority" {
        let written = error.context.word()?;
        return did_you_mean(&written.to_lowercase(), PRIORITIES).or_else(|| {
            let all = Priority::ALL.map(Priority::name).join(", ");
            Some(format!("priorities are {all}"))
        });
    }
    if error.code == ErrorCode::CompileCondition {
        return of_syntax(message, &error.context);
    }
    None
}

/// Priorities as rules write them.
const PRIORITIES: [&str; 9] = [
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "informational",
    "info",
    "debug",
];

/// The condition does not parse: the word where it stopped may be a misspelt keyword.
fn of_syntax(message: &str, context: &Context) -> Option<String> {
    let next = context.condition_word();
    if message.starts_with("expected a valid check operator") {
        return did_you_mean(next?, parser::operators());
    }
    if let Some(list) = context.list().filter(|_| message.starts_with("expected a '(' token")) {
        return Some(format!("'{list}' is a list: compare with it, as in 'proc.name in ({list})'"));
    }
    let rest = between(message, "unexpected token after '", "")?;
    let last = rest.split("', expecting").next().unwrap_or_default();
    match next {
        Some(word) => did_you_mean(word, ["and", "or"]),
        // A parenthesis behind a word makes it a transformer.
        None => did_you_mean(last, parser::transformers()),
    }
}

fn field_hint(field: &str, sources: &Sources<'_, '_>) -> Option<String> {
    let name = field.split('[').next().unwrap_or_default();
    let names = sources.0.iter().flat_map(|source| source.catalogue.fields());
    did_you_mean(name, names.map(|field| field.name))
}

fn list_hint(word: &str, definitions: &Definitions) -> Option<String> {
    let lists = definitions.lists.iter().map(|list| list.name.as_str());
    closest(word, lists).map(|list| format!("did you mean the list '{list}'?"))
}

fn of_warning(code: WarningCode, message: &str, sources: &Sources<'_, '_>) -> Option<String> {
    match code {
        WarningCode::UnknownKey => {
            let key = between(message, "Unknown key '", "'. The key will be ignored.")?;
            did_you_mean(key, super::read::KEYS.iter().copied())
        }
        WarningCode::UnknownSource => {
            let source = between(message, "Unknown source ", ", skipping")?;
            did_you_mean(source, sources.0.iter().map(|source| source.name))
        }
        WarningCode::UnknownFilter => {
            let field = between(message, "filter_check called with nonexistent field ", "")?;
            field_hint(field, sources)
        }
        _ => None,
    }
}

/// For an output that does not compile: the first `%name` in it that is no field.
pub(super) fn of_template(text: &str, catalogue: &dyn Catalogue) -> Option<String> {
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let names = || catalogue.fields().iter().map(|field| field.name);
    let tokens = text.split('%').skip(1).map(|token| {
        let end = token.find(|c| !belongs(c)).unwrap_or(token.len());
        token.get(..end).unwrap_or_default().trim_end_matches('.')
    });
    let mut unknown = tokens.filter(|token| !names().any(|name| name == *token));
    unknown.find_map(|token| did_you_mean(token, names()))
}

/// For an item that lacks a key: the key that it has instead.
pub(super) fn of_missing_key<'k>(
    key: &str,
    present: impl IntoIterator<Item = &'k str>,
) -> Option<String> {
    closest(key, present).map(|like| format!("is '{like}' meant to be '{key}'?"))
}

/// Notes on words in a condition that are compared as texts, but look like misspelt lists: a list's
/// name that is not one passes for a text without complaint.
pub(super) fn misspelt_lists(
    node: &Node,
    written: &SourceText,
    definitions: &Definitions,
    result: &mut LoadResult,
    traced: &dyn Fn(usize) -> Context,
) {
    let mut items = BTreeSet::new();
    collect_items(node, &mut items);
    let text = written.as_str();
    let worth_a_look = |word: &&str| {
        word.len() >= MIN_LIST_NAME
            && parser::is_identifier(word)
            && items.contains(word.as_bytes())
    };
    let candidates: BTreeSet<&str> = words(text).filter(worth_a_look).collect();
    for word in candidates.into_iter().take(MAX_HINTS) {
        let Some(hint) = list_hint(word, definitions) else { continue };
        // Words are parts of the text, so this is where it is.
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        result.note(format!("'{word}' is compared as text: {hint}"), traced(at));
    }
}

/// Shorter names are like too much.
const MIN_LIST_NAME: usize = 5;

/// The items of all lists that are compared with.
fn collect_items<'n>(node: &'n Node, items: &mut BTreeSet<&'n [u8]>) {
    match &node.kind {
        NodeKind::And(children) | NodeKind::Or(children) => {
            children.iter().for_each(|child| collect_items(child, items));
        }
        NodeKind::Not(child) => collect_items(child, items),
        NodeKind::Binary { right, .. } => match &right.kind {
            NodeKind::List(list) => items.extend(list.iter().map(|Text(text)| text.as_slice())),
            NodeKind::Value(Text(text)) => {
                items.insert(text.as_slice());
            }
            _ => {}
        },
        _ => {}
    }
}
