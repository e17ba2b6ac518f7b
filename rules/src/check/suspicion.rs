//! Warnings about constants that are valid but probably not meant.

use super::{CheckWarning, CheckWarningKind};
use crate::ast::Pos;
use crate::catalogue::{Catalogue, FieldError};
use crate::operators::Op;
use crate::parser;

/// Looks at one constant; `pos` is that of the whole right side.
pub(super) fn look(
    text: &[u8],
    op: Op,
    pos: Pos,
    catalogue: &mut dyn Catalogue,
    warnings: &mut Vec<CheckWarning>,
) {
    let shown = String::from_utf8_lossy(text);
    let mut warn = |kind, message| warnings.push(CheckWarning { pos, kind, message });
    if op == Op::Regex && is_simple(text) {
        warn(
            CheckWarningKind::SimpleRegex,
            format!(
                "regex check with '{shown}' may be optimized with simpler operators such as '=', \
                 'contains', 'startswith', 'endswith'"
            ),
        );
    }
    let blank = |c: char| c.is_ascii_whitespace() || c == '\x0b';
    let bare: String = shown.chars().filter(|&c| !blank(c)).collect();
    match names_field(&bare, catalogue) {
        Ok(true) => warn(
            CheckWarningKind::FieldAsValue,
            format!("'{shown}' may be a valid field misused as a const string value"),
        ),
        Ok(false) => {}
        // Falco gives up on the constant here.
        Err(_) => return,
    }
    let reads_like = |name: &str| {
        bare.strip_prefix(name).is_some_and(|rest| rest.starts_with('(') && rest.ends_with(')'))
    };
    if parser::transformers().any(reads_like) {
        warn(
            CheckWarningKind::TransformerAsValue,
            format!("'{shown}' may be a valid field transformer misused as a const string value"),
        );
    }
}

/// Whether `text` names a field, bracketed argument included.
fn names_field(text: &str, catalogue: &mut dyn Catalogue) -> Result<bool, FieldError> {
    let (name, arg) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((name, arg)) => (name, Some(arg)),
        None => (text, None),
    };
    match catalogue.resolve(name, arg) {
        Ok(_) => Ok(true),
        Err(FieldError::Unknown) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a regular expression has nothing that plain operators could not do: no special characters
/// but anchors and a wildcard at either end.
fn is_simple(pattern: &[u8]) -> bool {
    let len = pattern.len();
    let mut i = 0;
    while let Some(&byte) = pattern.get(i) {
        let anchor = (i == 0 && byte == b'^') || (i + 1 == len && byte == b'$');
        let at_end = (i == 0 && len > 1) || i + 2 == len;
        let wildcard =
            at_end && byte == b'.' && pattern.get(i + 1).is_some_and(|b| b"+*?".contains(b));
        if wildcard {
            i += 1;
        } else if !anchor && b".+*?^$()[]{}|\\".contains(&byte) {
            return false;
        }
        i += 1;
    }
    true
}
