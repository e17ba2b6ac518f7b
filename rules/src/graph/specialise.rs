//! A condition as one event type sees it: comparisons of the type's name become constants.

use std::collections::HashMap;

use super::test::Test;
use super::{Graph, Node, NodeId};
use crate::check::names::EventNames;
use crate::expr::{Predicate, Right};
use crate::literal::Constant;
use crate::operators::Op;

/// The field whose value is the name on every event. (`syscall.type` is the same name, but only
/// system calls have it.)
const NAME_FIELD: &str = "evt.type";

/// Specialises nodes for one event type.
pub(crate) struct Specialiser<'g> {
    graph: &'g mut Graph,
    names: &'g EventNames,
    code: u16,
    done: HashMap<NodeId, NodeId>,
}

impl<'g> Specialiser<'g> {
    pub(crate) fn new(graph: &'g mut Graph, names: &'g EventNames, code: u16) -> Self {
        Specialiser { graph, names, code, done: HashMap::new() }
    }

    /// The graph that nodes come from and go to.
    pub(crate) fn graph(&mut self) -> &mut Graph {
        self.graph
    }

    /// What is left of `node` on events of this type.
    pub(crate) fn node(&mut self, node: NodeId) -> NodeId {
        if !self.graph.is_typed(node) {
            return node;
        }
        if let Some(&done) = self.done.get(&node) {
            return done;
        }
        let special = match self.graph.node(node).clone() {
            Node::Constant(_) => node,
            Node::Not(child) => {
                let child = self.node(child);
                self.graph.not(child)
            }
            Node::And(children) => {
                let children = children.iter().map(|&c| self.node(c)).collect();
                self.graph.and(children)
            }
            Node::Or(children) => {
                let children = children.iter().map(|&c| self.node(c)).collect();
                self.graph.or(children)
            }
            Node::Test(id) => match self.graph.leaf(id).and_then(|test| self.verdict(test)) {
                Some(verdict) => self.graph.constant(verdict),
                None => node,
            },
        };
        self.done.insert(node, special);
        special
    }

    /// Whether a leaf holds on every event of this type, or on none.
    fn verdict(&self, test: &Test) -> Option<bool> {
        match test {
            Test::Texts(field, texts) if !texts.is_more_than_equality() => {
                let everywhere = field.info.name == NAME_FIELD;
                let mut verdicts = texts.equal.iter().map(|t| self.names.is_called(self.code, t));
                if everywhere && verdicts.clone().any(|called| called == Some(true)) {
                    return Some(true);
                }
                verdicts.all(|called| called == Some(false)).then_some(false)
            }
            Test::Other(predicate) => match &**predicate {
                Predicate { op: Op::Ne, modifier: None, right: Right::Constants(all), left } => {
                    let [Constant::Text(name)] = all.as_slice() else { return None };
                    let everywhere = left.name() == NAME_FIELD;
                    match self.names.is_called(self.code, name)? {
                        true => Some(false),
                        false => everywhere.then_some(true),
                    }
                }
                _ => None,
            },
            Test::Texts(..) => None,
        }
    }
}
