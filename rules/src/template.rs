//! Output templates: `Opened %fd.name (user=%user.name)`.
//!
//! A token is `%`, an optional width, and a field or a transformer. Tokens are not delimited: the
//! longest text that is a field or transformer counts, so `%proc.nameand` is `%proc.name` and `and`.

use std::sync::Arc;

use thiserror::Error;

use crate::ast::{Node, NodeKind};
use crate::catalogue::{Catalogue, EventContext};
use crate::check::{Side, resolve_side};
use crate::operand::Operand;
use crate::parser;
use crate::print::print_lossy;
use crate::render_value::{BufferFormat, to_json_with, write_text_with};
use crate::value::{Print, ValueType};

/// What prints where there is no value.
const MISSING: &[u8] = b"<NA>";
/// Widths above this are cut to it, in bytes: a template must not make a line of gigabytes.
const MAX_WIDTH: usize = 1 << 16;
/// How many shorter readings of a transformer with a bracket behind it are tried.
const MAX_RETRIES: usize = 16;

/// Why a template does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Falco's message.
    pub message: String,
}

/// A compiled template. Clones share what it was compiled to.
#[derive(Clone, Debug)]
pub struct Template {
    /// Whether missing values print as `<NA>`.
    tolerant: bool,
    buffers: BufferFormat,
    parts: Arc<[Part]>,
    keys: Arc<[Key]>,
}

/// A piece of the text.
#[derive(Clone, Debug)]
enum Part {
    Literal(Box<[u8]>),
    /// A value, padded or cut to a width in bytes if there is one.
    Value {
        operand: Operand,
        width: Option<usize>,
    },
}

/// A value for JSON.
#[derive(Clone, Debug)]
struct Key {
    name: String,
    operand: Operand,
    transformed: bool,
}

impl Template {
    /// Compiles a template. A leading `*` means that missing values print as `<NA>`; without it a
    /// missing value ends the text (Falco adds it to every rule's output).
    ///
    /// # Errors
    /// If a token is no field or transformer, or the template ends within one.
    pub fn compile(text: &str, catalogue: &mut dyn Catalogue) -> Result<Self, TemplateError> {
        let fail = |message: &str| Err(TemplateError { message: message.into() });
        if text.is_empty() {
            return fail("empty formatting token");
        }
        let (tolerant, mut rest) = match text.strip_prefix('*') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mut parts, mut keys) = (Vec::new(), Vec::new());
        while let Some((literal, token)) = rest.split_once('%') {
            push_literal(&mut parts, literal);
            if token.is_empty() {
                return fail("invalid formatting syntax: formatting cannot end with a %");
            }
            let unpadded = token.trim_start_matches(|c: char| c.is_ascii_digit());
            if unpadded.is_empty() {
                return fail("invalid formatting syntax: formatting cannot end with a number");
            }
            let digits = token.get(..token.len() - unpadded.len()).unwrap_or_default();
            let width = match digits.parse() {
                // No digits, or too many.
                Err(_) => (!digits.is_empty()).then_some(MAX_WIDTH),
                Ok(0) => None,
                Ok(width) => Some(MAX_WIDTH.min(width)),
            };
            let Some((node, operand, taken)) = longest_token(unpadded, catalogue) else {
                return fail("unknown filter: unexpected token after '");
            };
            KeyCollector { catalogue, keys: &mut keys, after: false }.visit(&node);
            parts.push(Part::Value { operand, width });
            rest = unpadded.get(taken..).unwrap_or_default();
        }
        push_literal(&mut parts, rest);
        let buffers = BufferFormat::default();
        Ok(Template { tolerant, buffers, parts: parts.into(), keys: keys.into() })
    }

    /// Chooses how raw buffers print.
    #[must_use]
    pub fn with_buffer_format(mut self, buffers: BufferFormat) -> Self {
        self.buffers = buffers;
        self
    }

    /// The keys of [`Self::json_values`] in reading order, transformed ones included: field with
    /// argument (`proc.aname[2]`) or transformer in canonical form (`toupper(proc.name)`).
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.name.as_str())
    }

    /// Appends the text to `out`. Returns false if a value was missing and the template does not
    /// begin with `*`; what came before the missing value has then been written.
    pub fn render_text<C: EventContext>(&self, ctx: &C, out: &mut Vec<u8>) -> bool {
        for part in self.parts.iter() {
            match part {
                Part::Literal(text) => out.extend_from_slice(text),
                Part::Value { operand, width } => {
                    let start = out.len();
                    if !self.write_value(operand, ctx, out) {
                        if !self.tolerant {
                            return false;
                        }
                        out.truncate(start);
                        out.extend_from_slice(MISSING);
                    }
                    if let Some(width) = width {
                        out.resize(start + width, b' ');
                    }
                }
            }
        }
        true
    }

    fn write_value<C: EventContext>(&self, operand: &Operand, ctx: &C, out: &mut Vec<u8>) -> bool {
        operand.value(ctx).is_some_and(|value| {
            let (ty, print) = printed_as(operand, ctx);
            write_text_with(&value, ty, print, self.buffers, out)
        })
    }

    /// Calls `with` with the text of each key's value, keys in reading order; transformed ones only
    /// if `transformed`. Returns false if a value was missing and the template does not begin with
    /// `*`; the values before it have then been given.
    pub fn text_values<C: EventContext>(
        &self,
        ctx: &C,
        transformed: bool,
        mut with: impl FnMut(&str, &[u8]),
    ) -> bool {
        let mut text = Vec::new();
        for key in self.keys.iter().filter(|key| transformed || !key.transformed) {
            text.clear();
            if !self.write_value(&key.operand, ctx, &mut text) {
                if !self.tolerant {
                    return false;
                }
                text.clear();
                text.extend_from_slice(MISSING);
            }
            with(&key.name, &text);
        }
        true
    }

    /// Inserts the values of the fields under their names: numbers, booleans, arrays, text, or null
    /// for no value. A transformer token contributes the untransformed field under its own name,
    /// and itself too if `transformed`. Returns false if a value was missing and the template does
    /// not begin with `*`.
    pub fn json_values<C: EventContext>(
        &self,
        ctx: &C,
        transformed: bool,
        out: &mut serde_json::Map<String, serde_json::Value>,
    ) -> bool {
        for key in self.keys.iter().filter(|key| transformed || !key.transformed) {
            let operand = &key.operand;
            let number = match operand {
                Operand::Field(field) => ctx.json_number(field.id),
                _ => None,
            };
            let json = match (number, operand.value(ctx)) {
                (Some(number), _) => number.into(),
                (None, None) => serde_json::Value::Null,
                (None, Some(value)) => {
                    let (ty, print) = printed_as(operand, ctx);
                    to_json_with(&value, ty, print, self.buffers)
                }
            };
            if json.is_null() && !self.tolerant {
                return false;
            }
            out.insert(key.name.clone(), json);
        }
        true
    }
}

/// How the operand's value prints on this event.
fn printed_as<C: EventContext>(operand: &Operand, ctx: &C) -> (ValueType, Print) {
    let own = match operand {
        Operand::Field(field) => ctx.printed_as(field.id),
        _ => None,
    };
    own.unwrap_or_else(|| (operand.result().ty, operand.print()))
}

/// The longest field or transformer at the start of `text`, and its length.
fn longest_token(text: &str, catalogue: &mut dyn Catalogue) -> Option<(Node, Operand, usize)> {
    let whole = parser::parse_left_prefix(text);
    let is_transformer = match &whole {
        Ok((node, taken)) => {
            if let Some(operand) = resolve(node, catalogue) {
                return Some((node.clone(), operand, *taken));
            }
            matches!(node.kind, NodeKind::Transformer { .. })
        }
        Err(_) => true,
    };
    if !is_transformer {
        return longest_field(text, catalogue);
    }
    // What looked like an argument in brackets may be text behind the token.
    let ends = text.match_indices(")[").map(|(at, _)| at + 1);
    for end in ends.collect::<Vec<_>>().into_iter().rev().take(MAX_RETRIES) {
        if let Ok((node, taken)) = parser::parse_left_prefix(text.get(..end)?)
            && let Some(operand) = resolve(&node, catalogue)
        {
            return Some((node, operand, taken));
        }
    }
    longest_field(text, catalogue)
}

/// The longest field without bracketed argument at the start of `text`.
fn longest_field(text: &str, catalogue: &mut dyn Catalogue) -> Option<(Node, Operand, usize)> {
    let mut candidate = text;
    while let Some(length) = catalogue.field_prefix(candidate) {
        candidate = candidate.get(..length)?;
        if let Ok((node, taken)) = parser::parse_left_prefix(candidate)
            && taken == length
            && let Some(operand) = resolve(&node, catalogue)
        {
            return Some((node, operand, taken));
        }
        // The longest name may need an argument that is not there, a shorter one may not.
        candidate = candidate.get(..length.checked_sub(1)?)?;
    }
    None
}

fn resolve(node: &Node, catalogue: &mut dyn Catalogue) -> Option<Operand> {
    match resolve_side(node, catalogue, &mut Vec::new()) {
        Ok(Side::Operand(operand)) => Some(operand),
        _ => None,
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Literal(text.as_bytes().into()));
    }
}

/// Collects what a token contributes to JSON: the fields in it, and the outermost transformer. A
/// transformer right before the end of an enclosing one gives way to it.
struct KeyCollector<'a> {
    catalogue: &'a mut dyn Catalogue,
    keys: &'a mut Vec<Key>,
    /// Whether the latest key is a transformer.
    after: bool,
}

impl KeyCollector<'_> {
    fn visit(&mut self, node: &Node) {
        match &node.kind {
            NodeKind::Field { .. } => self.push(node, false),
            NodeKind::TransformerList(children) => children.iter().for_each(|c| self.visit(c)),
            NodeKind::Transformer { args, .. } => {
                args.iter().for_each(|arg| self.visit(arg));
                if self.after {
                    self.keys.pop();
                }
                self.push(node, true);
            }
            _ => {}
        }
    }

    fn push(&mut self, node: &Node, transformed: bool) {
        // Every part of a token that resolved resolves.
        if let Some(operand) = resolve(node, self.catalogue) {
            self.keys.push(Key { name: print_lossy(node), operand, transformed });
            self.after = transformed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Event, Fields};
    use crate::value::Value;

    fn values() -> Vec<(&'static str, Value<'static>)> {
        vec![
            ("proc.name", Value::text(b"cat")),
            ("proc.aname[1]", Value::text(b"bash")),
            ("proc.pid", Value::Int(7)),
            ("evt.is_io", Value::Bool(true)),
            ("evt.flags", Value::Uint(0x2a)),
            ("evt.buffer", Value::Bytes(b"a\0b"[..].into())),
            ("fd.types", Value::List(vec![Value::text(b"file"), Value::text(b"pipe")])),
        ]
    }

    /// Text, whether no value was missing, and JSON.
    fn render(template: &str) -> (String, bool, serde_json::Value) {
        let mut fields = Fields::default();
        let template = Template::compile(template, &mut fields).unwrap();
        let event = Event::new(&fields, &values());
        let (mut text, mut json) = (Vec::new(), serde_json::Map::new());
        let complete = template.render_text(&event, &mut text);
        template.json_values(&event, false, &mut json);
        (String::from_utf8(text).unwrap(), complete, json.into())
    }

    fn text(template: &str) -> String {
        render(template).0
    }

    #[test]
    fn the_longest_reading_of_a_token_counts() {
        assert_eq!(text("a %proc.nameand %proc.pid."), "a catand 7.");
        assert_eq!(text("%proc.aname[1]%proc.name[1]"), "bashcat[1]");
        assert_eq!(text("%toupper(proc.name)[x]"), "CAT[x]");
        assert_eq!(text("%toupper( tolower( proc.name ) )"), "CAT");
        assert_eq!(text("*%join(\", \", (proc.name, proc.pid))"), "cat, 7");
    }

    #[test]
    fn widths_cut_and_pad() {
        assert_eq!(text("<%2proc.name>"), "<ca>");
        assert_eq!(text("<%5proc.name>"), "<cat  >");
        assert_eq!(text("<%0proc.name>"), "<cat>");
        assert_eq!(text("*<%6fd.name>"), "<<NA>  >");
        assert_eq!(text("%99999999999999999999proc.name").len(), MAX_WIDTH);
    }

    #[test]
    fn a_missing_value_ends_the_text_unless_it_is_tolerated() {
        let (shown, complete, json) = render("%proc.name %fd.name %proc.pid");
        assert_eq!((shown.as_str(), complete), ("cat ", false));
        assert_eq!(json, serde_json::json!({"proc.name": "cat"}));
        let (shown, complete, json) = render("*%proc.name %fd.name");
        assert_eq!((shown.as_str(), complete), ("cat <NA>", true));
        assert_eq!(json, serde_json::json!({"proc.name": "cat", "fd.name": null}));
        assert_eq!(text("**"), "*");
    }

    #[test]
    fn values_keep_their_types_in_json() {
        let (shown, _, json) =
            render("%proc.pid %evt.is_io %evt.flags %evt.buffer %fd.types %toupper(proc.name)");
        assert_eq!(shown, "7 true 2A a.b (file,pipe) CAT");
        let expected = serde_json::json!({
            "proc.pid": 7, "evt.is_io": true, "evt.flags": "2A", "evt.buffer": "a.b",
            "fd.types": ["file", "pipe"], "proc.name": "cat",
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn buffers_print_as_chosen() {
        let mut fields = Fields::default();
        let template = Template::compile("%evt.buffer", &mut fields).unwrap();
        let template = template.with_buffer_format(BufferFormat::Base64);
        let mut text = Vec::new();
        template.render_text(&Event::new(&fields, &values()), &mut text);
        assert_eq!(text, b"YQBi");
    }

    #[test]
    fn keys_are_fields_and_outermost_transformers() {
        let keys = |template: &str| {
            let template = Template::compile(template, &mut Fields::default()).unwrap();
            template.fields().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            keys("%tolower(toupper(proc.name))"),
            ["proc.name", "tolower(toupper(proc.name))"]
        );
        let joined = "join(->,(toupper(proc.name),tolower(fd.name)))";
        assert_eq!(
            keys("%join(\"->\", (toupper(proc.name), tolower(fd.name)))"),
            ["proc.name", "toupper(proc.name)", "fd.name", joined]
        );
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let unknown = "unknown filter: unexpected token after '";
        for (template, message) in [
            ("", "empty formatting token"),
            ("a %", "invalid formatting syntax: formatting cannot end with a %"),
            ("a %10", "invalid formatting syntax: formatting cannot end with a number"),
            ("%%", unknown),
            ("% proc.name", unknown),
            ("%no.field", unknown),
            ("%evt.arg[", unknown),
            ("%toupper(evt.num)", unknown),
            ("%toupper(proc.name", unknown),
        ] {
            let error = Template::compile(template, &mut Fields::default()).unwrap_err();
            assert_eq!(error.message, message, "{template}");
        }
    }
}
