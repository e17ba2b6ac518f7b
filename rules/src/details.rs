//! What a condition refers to: fields, operators, lists, macros, event names, transformers; and
//! what in it is bad practice. Both read the syntax tree, whether macros are resolved or not.

use std::collections::{BTreeSet, HashSet};

use crate::ast::{Node, NodeKind, Text};

/// Names that a condition uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Fields with their arguments (`proc.aname[2]`).
    pub fields: BTreeSet<String>,
    /// Operators with their modifiers.
    pub operators: BTreeSet<String>,
    /// Known macros.
    pub macros: BTreeSet<String>,
    /// Known lists, as elements of lists on the right side.
    pub lists: BTreeSet<String>,
    /// Values that `evt.type` and `evt.asynctype` are compared with.
    pub event_names: BTreeSet<String>,
    /// Transformers on either side.
    pub transformers: BTreeSet<String>,
}

/// Collects the names that `node` uses.
pub fn details(node: &Node, known_macros: &HashSet<&str>, known_lists: &HashSet<&str>) -> Details {
    let mut collector = Collector { known_macros, known_lists, details: Details::default() };
    collector.condition(node);
    collector.details
}

struct Collector<'k> {
    known_macros: &'k HashSet<&'k str>,
    known_lists: &'k HashSet<&'k str>,
    details: Details,
}

impl Collector<'_> {
    fn condition(&mut self, node: &Node) {
        match &node.kind {
            NodeKind::And(children) | NodeKind::Or(children) => {
                children.iter().for_each(|child| self.condition(child));
            }
            NodeKind::Not(child) => self.condition(child),
            NodeKind::Identifier(name) if self.known_macros.contains(name.as_str()) => {
                self.details.macros.insert(name.clone());
            }
            NodeKind::Unary { left, op } => {
                self.operand(left);
                self.details.operators.insert(op.clone());
            }
            NodeKind::Binary { left, op, right } => {
                let field = self.operand(left);
                self.details.operators.insert(op.clone());
                let events = matches!(field.as_deref(), Some("evt.type" | "evt.asynctype"));
                self.right(right, events);
            }
            _ => {}
        }
    }

    /// A field or transformer; returns the last field in it.
    fn operand(&mut self, node: &Node) -> Option<String> {
        match &node.kind {
            NodeKind::Field { name, arg } => {
                let field = field_name(name, arg.as_deref());
                self.details.fields.insert(field.clone());
                Some(field)
            }
            NodeKind::Transformer { name, args, .. } => {
                self.details.transformers.insert(name.clone());
                args.iter().filter_map(|arg| self.operand(arg)).last()
            }
            NodeKind::TransformerList(items) => {
                items.iter().filter_map(|item| self.operand(item)).last()
            }
            _ => None,
        }
    }

    fn right(&mut self, node: &Node, events: bool) {
        match &node.kind {
            NodeKind::Value(value) if events => {
                self.details.event_names.insert(lossy(value));
            }
            NodeKind::List(values) => {
                for value in values.iter() {
                    let value = lossy(value);
                    if self.known_lists.contains(value.as_str()) {
                        self.details.lists.insert(value);
                    } else if events {
                        self.details.event_names.insert(value);
                    }
                }
            }
            _ => {
                self.operand(node);
            }
        }
    }
}

/// A field as it is written, the argument only if there is any.
pub fn field_name(name: &str, arg: Option<&str>) -> String {
    match arg {
        Some(arg) if !arg.is_empty() => format!("{name}[{arg}]"),
        _ => name.to_owned(),
    }
}

fn lossy(Text(text): &Text) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// A field that should not be used any more, with what Falco says about it in conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeprecatedField {
    /// Name.
    pub name: &'static str,
    /// Message.
    pub message: &'static str,
}

const LATENCY: &str = "field is not available due to the drop of enter events.";

/// Every deprecated field, in the order in which they are reported.
pub const DEPRECATED_FIELDS: [DeprecatedField; 6] = [
    DeprecatedField {
        name: "evt.dir",
        message: "due to the drop of enter events, 'evt.dir = <' always evaluates to true, and \
                  'evt.dir = >' always evaluates to false. The rule expression can be simplified \
                  by removing the condition on 'evt.dir'",
    },
    DeprecatedField { name: "evt.latency", message: LATENCY },
    DeprecatedField { name: "evt.latency.s", message: LATENCY },
    DeprecatedField { name: "evt.latency.ns", message: LATENCY },
    DeprecatedField { name: "evt.latency.human", message: LATENCY },
    DeprecatedField { name: "evt.wait_latency", message: LATENCY },
];

/// Bad practice in a condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadPractice {
    /// A field of a source of JSON events is compared with `<NA>`, which tells nothing about
    /// whether it has a value.
    pub unsafe_na_check: bool,
    /// Indices into [`DEPRECATED_FIELDS`].
    pub deprecated_fields: BTreeSet<usize>,
}

/// Looks for bad practice.
pub fn bad_practice(node: &Node) -> BadPractice {
    let mut found = BadPractice::default();
    look(node, &mut found);
    found
}

fn look(node: &Node, found: &mut BadPractice) {
    match &node.kind {
        NodeKind::And(children) | NodeKind::Or(children) => {
            children.iter().for_each(|child| look(child, found));
        }
        NodeKind::Not(child) => look(child, found),
        NodeKind::Unary { left, .. } => {
            look_at_operand(left, found);
        }
        NodeKind::Binary { left, op, right } => {
            let compares_with_na = match &right.kind {
                NodeKind::Value(Text(value)) => value == b"<NA>",
                NodeKind::List(values) => values.iter().any(|Text(value)| value == b"<NA>"),
                _ => false,
            };
            let equality = ["==", "=", "!=", "in", "intersects", "pmatch"].contains(&op.as_str());
            let unsafe_field = look_at_operand(left, found);
            found.unsafe_na_check |= unsafe_field && equality && compares_with_na;
        }
        _ => {}
    }
}

/// Whether the last field of the operand is one of a source of JSON events. Lists within
/// transformers are not looked at.
fn look_at_operand(node: &Node, found: &mut BadPractice) -> bool {
    match &node.kind {
        NodeKind::Field { name, .. } => {
            let deprecated = DEPRECATED_FIELDS.iter().position(|f| f.name == name);
            found.deprecated_fields.extend(deprecated);
            name.starts_with("ka.") || name.starts_with("jevt.")
        }
        NodeKind::Transformer { args, .. } => {
            let fields = args.iter().filter(|arg| {
                matches!(arg.kind, NodeKind::Field { .. } | NodeKind::Transformer { .. })
            });
            fields.map(|arg| look_at_operand(arg, found)).last().unwrap_or_default()
        }
        _ => false,
    }
}
