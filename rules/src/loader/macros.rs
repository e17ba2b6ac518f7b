//! Macros: identifiers in a condition are replaced by what they stand for.
//!
//! Works on trees, so a macro's condition is one operand whatever its operators. Expansion is
//! bounded in depth and size, because macros in macros multiply.

use std::sync::Arc;

use crate::ast::{Node, NodeKind, Pos};

/// How deep a condition may nest with its macros resolved.
const MAX_DEPTH: usize = 500;

/// How many nodes all conditions of a load may have together with their macros resolved.
pub const MAX_NODES: usize = 1_000_000;

/// A name or message with the place in the condition that it is about; the place is in a macro's
/// condition if it came from there.
pub type Reference = (String, Pos);

/// What resolving found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Macros that were put in, inner ones before those that hold them.
    pub resolved: Vec<Reference>,
    /// Identifiers that stay: they are no macros, or have no end.
    pub unknown: Vec<Reference>,
    /// Messages.
    pub errors: Vec<Reference>,
}

/// Replaces every identifier in `node` that `lookup` knows (it returns the macro's name as it knows
/// it and its condition), and those in what it stands for. `budget` is how many nodes this may come
/// to; it is reduced by what was used.
pub fn resolve<'m>(
    node: &mut Node,
    lookup: &dyn Fn(&str) -> Option<(&'m str, &'m Node)>,
    budget: &mut usize,
) -> Resolution {
    let mut resolver =
        Resolver { lookup, path: Vec::new(), budget, resolution: Resolution::default() };
    if let Some(resolved) = resolver.visit(node, 0) {
        *node = resolved;
    }
    resolver.resolution
}

struct Resolver<'r, 'm> {
    lookup: &'r dyn Fn(&str) -> Option<(&'m str, &'m Node)>,
    /// The macros that are being resolved, outermost first.
    path: Vec<&'m str>,
    budget: &'r mut usize,
    resolution: Resolution,
}

impl Resolver<'_, '_> {
    /// What the node becomes, if it does not stay as it is.
    fn visit(&mut self, node: &Node, depth: usize) -> Option<Node> {
        if depth + self.path.len() > MAX_DEPTH || *self.budget == 0 {
            // One message is enough; there would be very many.
            if self.resolution.errors.is_empty() {
                let message = "macros make the condition too large or nest too deep";
                self.resolution.errors.push((message.into(), node.pos));
            }
            return None;
        }
        *self.budget -= 1;
        let kind = match &node.kind {
            NodeKind::And(children) => NodeKind::And(self.visit_all(children, depth + 1)?),
            NodeKind::Or(children) => NodeKind::Or(self.visit_all(children, depth + 1)?),
            NodeKind::Not(child) => NodeKind::Not(self.visit(child, depth + 1)?.into()),
            NodeKind::Identifier(name) => {
                let condition = self.expand(name, node.pos, depth);
                if condition.is_none() {
                    self.resolution.unknown.push((name.clone(), node.pos));
                }
                return condition;
            }
            // Only where a check could stand is an identifier a macro.
            NodeKind::Value(_)
            | NodeKind::List(_)
            | NodeKind::TransformerList(_)
            | NodeKind::Unary { .. }
            | NodeKind::Binary { .. }
            | NodeKind::Field { .. }
            | NodeKind::Transformer { .. } => return None,
        };
        Some(Node { pos: node.pos, kind })
    }

    fn visit_all(&mut self, children: &[Node], depth: usize) -> Option<Arc<[Node]>> {
        let visited: Vec<_> = children.iter().map(|child| self.visit(child, depth)).collect();
        let unchanged = visited.iter().all(Option::is_none);
        let all = visited.into_iter().zip(children);
        (!unchanged).then(|| all.map(|(new, old)| new.unwrap_or_else(|| old.clone())).collect())
    }

    fn expand(&mut self, name: &str, pos: Pos, depth: usize) -> Option<Node> {
        let (name, definition) = (self.lookup)(name)?;
        if self.path.contains(&name) {
            let message = format!("reference loop in macro '{name}'");
            self.resolution.errors.push((message, pos));
            return None;
        }
        self.path.push(name);
        let condition = self.visit(definition, depth).unwrap_or_else(|| definition.clone());
        self.path.pop();
        self.resolution.resolved.push((name.to_owned(), pos));
        Some(condition)
    }
}
