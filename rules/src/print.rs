//! [`Node`] back to text, as Falco's `condition_compiled` shows it.
//!
//! Conjunctions and disjunctions are always parenthesised, arguments of transformers are joined by
//! `,` without a blank, constants are quoted only when they need it ([`crate::escape`]).

use crate::ast::{Node, NodeKind, Text};
use crate::escape::escape;

/// The text of a condition. Bytes, because constants may hold any.
pub fn print(node: &Node) -> Vec<u8> {
    let mut out = Vec::new();
    write(node, &mut out);
    out
}

/// The text of a condition, invalid UTF-8 replaced.
pub fn print_lossy(node: &Node) -> String {
    match String::from_utf8(print(node)) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    }
}

fn write(node: &Node, out: &mut Vec<u8>) {
    match &node.kind {
        NodeKind::And(children) => nodes(children, " and ", out),
        NodeKind::Or(children) => nodes(children, " or ", out),
        NodeKind::Not(child) => {
            out.extend_from_slice(b"not ");
            write(child, out);
        }
        NodeKind::Identifier(name) => out.extend_from_slice(name.as_bytes()),
        NodeKind::Value(Text(value)) => escape(value, out),
        NodeKind::List(values) => {
            separated(values, ", ", out, |Text(value), out| escape(value, out))
        }
        NodeKind::TransformerList(children) => nodes(children, ",", out),
        NodeKind::Unary { left, op } => {
            write(left, out);
            out.push(b' ');
            out.extend_from_slice(op.as_bytes());
        }
        NodeKind::Binary { left, op, right } => {
            write(left, out);
            out.push(b' ');
            out.extend_from_slice(op.as_bytes());
            out.push(b' ');
            write(right, out);
        }
        NodeKind::Field { name, arg } => {
            out.extend_from_slice(name.as_bytes());
            argument(arg.as_deref(), out);
        }
        NodeKind::Transformer { name, args, arg } => {
            out.extend_from_slice(name.as_bytes());
            nodes(args, ",", out);
            argument(arg.as_deref(), out);
        }
    }
}

fn argument(arg: Option<&str>, out: &mut Vec<u8>) {
    match arg {
        None => {}
        Some("") => out.extend_from_slice(b"[\"\"]"),
        Some(arg) => {
            out.push(b'[');
            escape(arg.as_bytes(), out);
            out.push(b']');
        }
    }
}

fn nodes(nodes: &[Node], separator: &str, out: &mut Vec<u8>) {
    separated(nodes, separator, out, write);
}

/// `(a<separator>b…)`.
fn separated<T>(items: &[T], separator: &str, out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'(');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(separator.as_bytes());
        }
        write(item, out);
    }
    out.push(b')');
}
