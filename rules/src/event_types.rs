//! On which event types a condition can hold.
//!
//! `evt.type` and `syscall.type` with `=`, `!=`, `in` name types, comparisons of `evt.num` may be
//! true or false whatever the event, everything else can hold on any type. Negation is pushed down
//! to these leaves. The result decides which warnings a rule gets and which events reach it, so it is
//! libsinsp's algorithm (`filter/ppm_codes.cpp`) to the letter, over-approximations included.

use crate::ast::{Node, NodeKind, Text};
use crate::catalogue::{Catalogue, EventTypes};
use crate::literal::parse_u64;

/// The event types on which `node` can hold, by `catalogue`.
///
/// # Errors
/// If the condition compares the event's type with a field, or a transformed event type (message as
/// libsinsp's).
pub fn event_types(node: &Node, catalogue: &dyn Catalogue) -> Result<EventTypes, String> {
    analyse(node, &catalogue.all_event_types(), &|name| {
        catalogue.event_types(name).unwrap_or_else(EventTypes::empty)
    })
}

/// [`event_types`] over any universe `all`; `named` gives the members that a name stands for. (The
/// numbers may also be those of system calls.)
///
/// # Errors
/// As [`event_types`].
pub fn analyse(
    node: &Node,
    all: &EventTypes,
    named: &dyn Fn(&str) -> EventTypes,
) -> Result<EventTypes, String> {
    Analysis { all, named }.node(node, false)
}

struct Analysis<'a> {
    all: &'a EventTypes,
    named: &'a dyn Fn(&str) -> EventTypes,
}

/// What is known of a comparison whatever the event.
enum Known {
    True,
    False,
    Nothing,
}

impl Analysis<'_> {
    fn node(&self, node: &Node, negated: bool) -> Result<EventTypes, String> {
        match &node.kind {
            NodeKind::And(children) => self.junction(children, !negated, negated),
            NodeKind::Or(children) => self.junction(children, negated, negated),
            NodeKind::Not(child) => self.node(child, !negated),
            NodeKind::Binary { left, op, right } => self.binary(left, op, right, negated),
            NodeKind::Unary { left, op } => {
                let names_types = is_event_type(left) && op == "exists";
                if !names_types {
                    leaf_names_types(left)?;
                }
                Ok(self.invert(self.all.clone(), negated && names_types))
            }
            _ => Ok(self.all.clone()),
        }
    }

    /// Intersection (`both`) or union of the children's types.
    fn junction(&self, children: &[Node], both: bool, negated: bool) -> Result<EventTypes, String> {
        let start = if both { self.all.clone() } else { EventTypes::empty() };
        children.iter().try_fold(start, |types, child| {
            let other = self.node(child, negated)?;
            Ok(if both { types.intersection(&other) } else { types.union(&other) })
        })
    }

    fn invert(&self, types: EventTypes, really: bool) -> EventTypes {
        if really { self.all.clone().difference(&types) } else { types }
    }

    fn binary(
        &self,
        left: &Node,
        op: &str,
        right: &Node,
        negated: bool,
    ) -> Result<EventTypes, String> {
        match known(left, op, right) {
            Known::True => return Ok(self.invert(self.all.clone(), negated)),
            Known::False => return Ok(self.invert(EventTypes::empty(), negated)),
            Known::Nothing => {}
        }
        if !matches!(op, "=" | "==" | "!=" | "in") {
            return Ok(self.all.clone());
        }
        if !is_event_type(left) {
            // A constant inside a transformer passes for a set of types, so a negation empties it.
            let names_types = leaf_names_types(left)?;
            return Ok(self.invert(self.all.clone(), negated && names_types));
        }
        let named = |Text(name): &Text| match std::str::from_utf8(name) {
            Ok(name) => (self.named)(name),
            Err(_) => EventTypes::empty(),
        };
        let types = match &right.kind {
            NodeKind::Value(name) => named(name),
            NodeKind::List(names) => {
                names.iter().fold(EventTypes::empty(), |types, name| types.union(&named(name)))
            }
            _ => {
                leaf_names_types(right)?;
                return Err(
                    "right-hand field comparisons on `evt.type`/`syscall.type` checks are \
                            not supported by event code search"
                        .into(),
                );
            }
        };
        Ok(self.invert(types, negated != (op == "!=")))
    }
}

fn is_event_type(node: &Node) -> bool {
    matches!(&node.kind, NodeKind::Field { name, arg: None }
        if name == "evt.type" || name == "syscall.type")
}

/// Whether the last leaf of an operand is a constant. Transformers of the event's type are an error.
fn leaf_names_types(node: &Node) -> Result<bool, String> {
    let mut last = matches!(node.kind, NodeKind::Value(_) | NodeKind::List(_));
    match &node.kind {
        NodeKind::TransformerList(children) => {
            for child in children.iter() {
                last = leaf_names_types(child)?;
            }
        }
        NodeKind::Transformer { args, .. } => {
            for arg in args.iter() {
                last = leaf_names_types(arg)?;
                if ends_in_event_type(arg) {
                    return Err(
                        "event code search does not support `evt.type` checks with transformers"
                            .into(),
                    );
                }
            }
        }
        _ => {}
    }
    Ok(last)
}

/// Whether the last leaf of a transformer's argument is the event's type.
fn ends_in_event_type(node: &Node) -> bool {
    match &node.kind {
        NodeKind::TransformerList(children) => children.last().is_some_and(ends_in_event_type),
        _ => is_event_type(node),
    }
}

/// What is known of comparisons of `evt.num`, which is never below 1.
fn known(left: &Node, op: &str, right: &Node) -> Known {
    if !matches!(&left.kind, NodeKind::Field { name, arg: None } if name == "evt.num") {
        return Known::Nothing;
    }
    if let ("in", NodeKind::List(values)) = (op, &right.kind) {
        let zero = |Text(text): &Text| parse_u64(text) == Some(0);
        return if values.iter().all(zero) { Known::False } else { Known::Nothing };
    }
    let NodeKind::Value(Text(text)) = &right.kind else { return Known::Nothing };
    let Some(n) = parse_u64(text) else { return Known::Nothing };
    match (op, n) {
        ("=" | "==" | "<=", 0) | ("<", 0 | 1) => Known::False,
        ("!=" | ">", 0) | (">=", 0 | 1) => Known::True,
        _ => Known::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser;
    use crate::testing::Fields;

    #[test]
    fn types_follow_the_logic_of_the_condition() {
        for (condition, types) in [
            ("evt.type = open", &[10, 11][..]),
            ("evt.type != open", &[20, 30, 40]),
            ("not evt.type != open", &[10, 11]),
            ("evt.type in (open, close) and not evt.type = close", &[10, 11]),
            ("not (evt.type = open or proc.name = cat)", &[20, 30, 40]),
            ("not (evt.type = open and evt.type = close)", &[10, 11, 20, 30, 40]),
            ("proc.name = cat", &[10, 11, 20, 30, 40]),
            ("evt.type startswith open", &[10, 11, 20, 30, 40]),
            ("evt.num = 0", &[]),
            ("not evt.num > 0", &[]),
            ("evt.num > 1", &[10, 11, 20, 30, 40]),
            ("not evt.type exists", &[]),
            ("not concat(\"a\", \"b\") = ab", &[]),
        ] {
            let node = parser::parse(condition).unwrap();
            let found = event_types(&node, &Fields::default()).unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), types, "{condition}");
        }
    }

    #[test]
    fn types_compared_with_fields_are_refused() {
        for condition in ["evt.type = val(proc.name)", "tolower(evt.type) = open"] {
            let node = parser::parse(condition).unwrap();
            assert!(event_types(&node, &Fields::default()).is_err(), "{condition}");
        }
    }
}
