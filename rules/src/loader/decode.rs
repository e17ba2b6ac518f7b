//! Values of an item's keys, decoded or refused with Falco's words.

use std::collections::BTreeSet;

use super::context::{Context, ItemType};
use super::exceptions::{Entry, Exception, ExceptionValue};
use super::hints;
use super::result::{LoadError, LoadResult, WarningCode};
use crate::yaml::Node;
use crate::yaml::scalar::{to_bool, to_u32};

type Decoded<T> = Result<T, LoadError>;

/// What a scalar can be decoded to.
pub(super) trait Scalar: Sized {
    fn decode(text: &str) -> Option<Self>;
}

impl Scalar for String {
    fn decode(text: &str) -> Option<Self> {
        Some(text.into())
    }
}

impl Scalar for bool {
    fn decode(text: &str) -> Option<Self> {
        to_bool(text)
    }
}

impl Scalar for u32 {
    fn decode(text: &str) -> Option<Self> {
        to_u32(text)
    }
}

fn missing(item: Node<'_>, key: &str, context: &Context) -> LoadError {
    let present = item.map().into_iter().flatten().filter_map(|(key, _)| key.scalar());
    LoadError {
        hint: hints::of_missing_key(key, present),
        ..LoadError::structure(format!("Item has no mapping for key '{key}'"), context)
    }
}

fn scalar<T: Scalar>(value: Node<'_>, key: &str, context: &Context) -> Decoded<T> {
    if value.is_null() {
        return Err(LoadError::structure(format!("Mapping for key '{key}' is empty"), context));
    }
    let error =
        |message| LoadError::structure(message, &context.at(value, ItemType::ValueFor, key));
    let text = value.scalar().ok_or_else(|| error("Value is not a scalar value"))?;
    if text.is_empty() {
        return Err(error("Value must be non-empty"));
    }
    T::decode(text).ok_or_else(|| error("Can't decode YAML scalar value"))
}

/// The scalar of a key that must be there.
pub(super) fn required<T: Scalar>(item: Node<'_>, key: &str, context: &Context) -> Decoded<T> {
    scalar(item.get(key).ok_or_else(|| missing(item, key, context))?, key, context)
}

/// The scalar of a key that may be missing, but not empty.
pub(super) fn optional<T: Scalar>(
    item: Node<'_>,
    key: &str,
    context: &Context,
) -> Decoded<Option<T>> {
    item.get(key).map(|value| scalar(value, key, context)).transpose()
}

/// The scalar of a key that may be missing or empty.
pub(super) fn optional_or_empty<T: Scalar>(
    item: Node<'_>,
    key: &str,
    context: &Context,
) -> Decoded<Option<T>> {
    match item.get(key) {
        Some(value) if value.is_null() || value.scalar() == Some("") => Ok(None),
        _ => optional(item, key, context),
    }
}

fn texts<C: FromIterator<String>>(value: Node<'_>, key: &str, context: &Context) -> Decoded<C> {
    let context = || context.at(value, ItemType::ValueFor, key);
    let Some(items) = value.sequence() else {
        return Err(LoadError::structure("Value is not a sequence", &context()));
    };
    items
        .map(|item| match item.scalar() {
            Some(text) => Ok(text.to_owned()),
            None => Err(LoadError::structure(
                "sequence value is not scalar",
                &context().at(item, ItemType::ListItem, ""),
            )),
        })
        .collect()
}

/// The `items` of a list.
pub(super) fn items(item: Node<'_>, context: &Context) -> Decoded<Vec<String>> {
    texts(item.get("items").ok_or_else(|| missing(item, "items", context))?, "items", context)
}

/// The `tags` of a rule; none if the key is missing.
pub(super) fn tags(item: Node<'_>, context: &Context) -> Decoded<BTreeSet<String>> {
    match item.get("tags") {
        Some(value) => texts(value, "tags", context),
        None => Ok(BTreeSet::new()),
    }
}

/// A map's key as text.
pub(super) fn key_text<'d>(key: Node<'d>, context: &Context) -> Decoded<&'d str> {
    if key.is_null() {
        return Ok("null");
    }
    key.scalar().ok_or_else(|| {
        LoadError::definition("a key is not a scalar", &context.at(key, ItemType::ValueFor, ""))
    })
}

/// Warns of each key that the item does not have.
pub(super) fn warn_unknown_keys(
    item: Node<'_>,
    known: &[&str],
    context: &Context,
    result: &mut LoadResult,
) -> Decoded<()> {
    for (key, _) in item.map().into_iter().flatten() {
        let key = key_text(key, context)?;
        if !known.contains(&key) {
            let message = format!("Unknown key '{key}'. The key will be ignored.");
            result.warn(WarningCode::UnknownKey, message, context);
        }
    }
    Ok(())
}

/// What `override` says: keys to append to and keys to replace.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    pub(super) append: BTreeSet<String>,
    pub(super) replace: BTreeSet<String>,
}

impl Overrides {
    pub(super) fn is_empty(&self) -> bool {
        self.append.is_empty() && self.replace.is_empty()
    }
}

/// Decodes `override`, given the keys that can be appended to or replaced.
pub(super) fn overrides(
    item: Node<'_>,
    can_append: &[&str],
    can_replace: &[&str],
    context: &Context,
) -> Decoded<Overrides> {
    let mut out = Overrides::default();
    let Some(value) = item.get("override") else { return Ok(out) };
    let context = context.at(item, ItemType::Overrides, "");
    if value.sequence().is_some_and(|items| items.len() > 0) {
        let context = context.at(value, ItemType::Overrides, "");
        return Err(LoadError::definition("Value of override must be a mapping", &context));
    }
    for (key_node, operation_node) in value.map().into_iter().flatten() {
        let key = key_text(key_node, &context)?;
        let key_context = || context.at(key_node, ItemType::Overrides, key);
        match key_text(operation_node, &context)? {
            "append" if can_append.contains(&key) => out.append.insert(key.into()),
            "append" => {
                return Err(LoadError::structure(
                    format!("Key '{key}' cannot be appended to, use 'replace' instead"),
                    &key_context(),
                ));
            }
            "replace" if can_replace.contains(&key) => out.replace.insert(key.into()),
            "replace" => {
                return Err(LoadError::structure(
                    format!("Key '{key}' cannot be replaced"),
                    &key_context(),
                ));
            }
            other => {
                let append = if can_append.contains(&key) { "append " } else { "" };
                let replace = if can_replace.contains(&key) { "replace " } else { "" };
                return Err(LoadError::structure(
                    format!(
                        "Invalid override operation for key '{key}': '{other}'. \
                         Allowed values are: {append}{replace}"
                    ),
                    &context.at(operation_node, ItemType::ValueFor, key),
                ));
            }
        };
    }
    Ok(out)
}

/// The `exceptions` of a rule. `append` says whether they may lack fields, because they add to
/// exceptions that have them.
pub(super) fn exceptions(
    item: Node<'_>,
    append: bool,
    parent: &Context,
    result: &mut LoadResult,
) -> Decoded<Vec<Exception>> {
    let mut out: Vec<Exception> = Vec::new();
    let Some(value) = item.get("exceptions").filter(|v| !v.is_null()) else { return Ok(out) };
    let list_context = parent.at(value, ItemType::Exceptions, "");
    let Some(exceptions) = value.sequence() else {
        return Err(LoadError::structure("Rule exceptions must be a sequence", &list_context));
    };
    for exception in exceptions {
        let unnamed = list_context.at(exception, ItemType::Exception, "");
        if exception.map().is_none() {
            return Err(LoadError::structure("Rule exception must be a mapping", &unnamed));
        }
        let name: String = required(exception, "name", &unnamed)?;
        let context = parent.at(exception, ItemType::Exception, &name);
        if out.iter().any(|e| e.name == name) {
            result.warn(
                WarningCode::ExceptionNameNotUnique,
                format!("Multiple definitions of exception '{name}' in the same rule"),
                &context,
            );
        }
        let fields = match exception.get("fields") {
            Some(fields) => entry(fields, "fields", &context)?,
            None if append => Entry::default(),
            None => return Err(missing(exception, "fields", &context)),
        };
        let comps = match exception.get("comps") {
            Some(comps) => entry(comps, "comps", &context)?,
            None => Entry::default(),
        };
        let values = match exception.get("values") {
            Some(values) => exception_values(values, &context)?,
            None => {
                if append {
                    result.warn(
                        WarningCode::AppendNoValues,
                        "Overriding/appending exception with no values",
                        &context,
                    );
                }
                Vec::new()
            }
        };
        out.push(Exception { context, name, fields, comps, values });
    }
    Ok(out)
}

fn exception_values(values: Node<'_>, context: &Context) -> Decoded<Vec<ExceptionValue>> {
    let context = context.at(values, ItemType::ExceptionValues, "");
    let Some(values) = values.sequence() else {
        return Err(LoadError::structure("Rule exception values must be a sequence", &context));
    };
    values
        .map(|value| {
            let context = context.at(value, ItemType::ExceptionValue, "");
            Ok(ExceptionValue { entry: entry(value, "", &context)?, context })
        })
        .collect()
}

/// A scalar or lists of scalars; anything else is as if it was not there.
fn entry(value: Node<'_>, key: &str, context: &Context) -> Decoded<Entry> {
    if let Some(text) = value.scalar() {
        if text.is_empty() {
            let context = context.at(value, ItemType::ValueFor, key);
            return Err(LoadError::structure("Value must be non-empty", &context));
        }
        return Ok(Entry::Text(text.into()));
    }
    let Some(items) = value.sequence() else { return Ok(Entry::default()) };
    let context = context.at(value, ItemType::ValueFor, key);
    items
        .map(|item| entry(item, "", &context.at(item, ItemType::Exception, "")))
        .collect::<Decoded<_>>()
        .map(Entry::List)
}
