//! Conditions as one graph: equal parts of all rules are one node.
//!
//! Nodes are interned with their children in canonical order, so structural equality is equality of
//! numbers. Building a node simplifies: constants vanish, conjunctions are flattened, comparisons of
//! one field with several texts merge into one.
//!
//! * `texts`, `paths`: sets of texts and how they match.
//! * `test`: the leaves, and their compiled form.
//! * `specialise`: a graph as one event type sees it.

mod paths;
pub(crate) mod specialise;
pub(crate) mod test;
pub(crate) mod texts;

use std::collections::HashMap;

use crate::catalogue::{FieldId, Scope};
use crate::expr::Expr;
use test::Test;

/// Number of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

/// Number of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TestId(pub(crate) u32);

/// A node. The children of junctions are sorted, distinct and at least two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Constant(bool),
    And(Box<[NodeId]>),
    Or(Box<[NodeId]>),
    Not(NodeId),
    Test(TestId),
}

/// What is known of a node.
#[derive(Clone, Copy, Debug)]
struct Facts {
    scope: Scope,
    cost: u32,
    /// Whether it depends on the name of the event's type.
    typed: bool,
}

/// The nodes.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<(Node, Facts)>,
    ids: HashMap<Node, NodeId>,
    tests: Vec<Test>,
    test_ids: HashMap<Test, TestId>,
}

/// Which junction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Junction {
    And,
    Or,
}

impl Graph {
    /// The node of an expression.
    pub(crate) fn lower(&mut self, expr: &Expr) -> NodeId {
        match expr {
            Expr::And(children) => {
                let children = children.iter().map(|child| self.lower(child)).collect();
                self.and(children)
            }
            Expr::Or(children) => {
                let children = children.iter().map(|child| self.lower(child)).collect();
                self.or(children)
            }
            Expr::Not(child) => {
                let child = self.lower(child);
                self.not(child)
            }
            Expr::Test(predicate) => self.test(Test::new(predicate)),
        }
    }

    pub(crate) fn constant(&mut self, value: bool) -> NodeId {
        self.intern(Node::Constant(value))
    }

    pub(crate) fn not(&mut self, child: NodeId) -> NodeId {
        match self.node(child) {
            Node::Constant(value) => {
                let value = !value;
                self.constant(value)
            }
            Node::Not(inner) => *inner,
            _ => self.intern(Node::Not(child)),
        }
    }

    /// All of `children`.
    pub(crate) fn and(&mut self, children: Vec<NodeId>) -> NodeId {
        let mut flat = Vec::with_capacity(children.len());
        for child in children {
            match self.node(child) {
                Node::And(inner) => flat.extend_from_slice(inner),
                _ => flat.push(child),
            }
        }
        self.merge_texts(&mut flat, Junction::And);
        self.junction(flat, Junction::And)
    }

    /// One of `children`.
    pub(crate) fn or(&mut self, mut children: Vec<NodeId>) -> NodeId {
        self.merge_texts(&mut children, Junction::Or);
        self.junction(children, Junction::Or)
    }

    fn junction(&mut self, mut children: Vec<NodeId>, kind: Junction) -> NodeId {
        // The constant that decides the junction; the other one has no say.
        let decisive = kind == Junction::Or;
        if children.iter().any(|&c| *self.node(c) == Node::Constant(decisive)) {
            return self.constant(decisive);
        }
        children.retain(|&c| *self.node(c) != Node::Constant(!decisive));
        children.sort_unstable();
        children.dedup();
        match *children.as_slice() {
            [] => self.constant(!decisive),
            [only] => only,
            _ if kind == Junction::And => self.intern(Node::And(children.into())),
            _ => self.intern(Node::Or(children.into())),
        }
    }

    /// Merges the text comparisons of one field among the children of a disjunction, and their
    /// negations among those of a conjunction.
    fn merge_texts(&mut self, children: &mut Vec<NodeId>, kind: Junction) {
        let mut merged: Vec<(FieldId, Test, usize)> = Vec::new();
        let mut rest = Vec::with_capacity(children.len());
        for &child in children.iter() {
            let leaf = match (kind, self.node(child)) {
                (Junction::Or, Node::Test(id)) => Some(*id),
                (Junction::And, Node::Not(inner)) => match self.node(*inner) {
                    Node::Test(id) => Some(*id),
                    _ => None,
                },
                _ => None,
            };
            match leaf.and_then(|id| self.leaf(id)) {
                Some(Test::Texts(field, texts)) => {
                    match merged.iter_mut().find(|(id, ..)| *id == field.id) {
                        Some((_, Test::Texts(_, all), count)) => {
                            all.extend(texts);
                            *count += 1;
                        }
                        _ => merged.push((field.id, Test::Texts(*field, texts.clone()), 1)),
                    }
                }
                _ => rest.push(child),
            }
        }
        if merged.iter().all(|(_, _, count)| *count == 1) {
            return;
        }
        for (_, test, _) in merged {
            let test = self.test(test);
            rest.push(if kind == Junction::And { self.not(test) } else { test });
        }
        *children = rest;
    }

    /// The node of a leaf.
    pub(crate) fn test(&mut self, test: Test) -> NodeId {
        if test.is_never() {
            return self.constant(false);
        }
        let next = TestId(self.tests.len() as u32);
        let id = *self.test_ids.entry(test).or_insert_with_key(|test| {
            self.tests.push(test.clone());
            next
        });
        self.intern(Node::Test(id))
    }

    fn intern(&mut self, node: Node) -> NodeId {
        if let Some(&id) = self.ids.get(&node) {
            return id;
        }
        let facts = self.facts_of(&node);
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push((node.clone(), facts));
        self.ids.insert(node, id);
        id
    }

    fn facts_of(&self, node: &Node) -> Facts {
        match node {
            Node::Constant(_) => Facts { scope: Scope::Process, cost: 0, typed: false },
            // What must not be rejects fewer events than what must be.
            Node::Not(child) => {
                let facts = self.facts(*child);
                Facts { cost: facts.cost.saturating_add(2), ..facts }
            }
            Node::And(children) | Node::Or(children) => {
                let none = Facts { scope: Scope::Process, cost: 1, typed: false };
                children.iter().map(|&c| self.facts(c)).fold(none, |all, child| Facts {
                    scope: all.scope.max(child.scope),
                    cost: all.cost.saturating_add(child.cost),
                    typed: all.typed || child.typed,
                })
            }
            Node::Test(id) => match self.leaf(*id) {
                None => Facts { scope: Scope::Event, cost: 0, typed: false },
                Some(test) => {
                    Facts { scope: test.scope(), cost: test.cost(), typed: test.is_typed() }
                }
            },
        }
    }

    /// A node by its number.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        self.nodes.get(id.0 as usize).map_or(&Node::Constant(false), |(node, _)| node)
    }

    fn facts(&self, id: NodeId) -> Facts {
        let none = Facts { scope: Scope::Event, cost: 0, typed: false };
        self.nodes.get(id.0 as usize).map_or(none, |(_, facts)| *facts)
    }

    /// How long a verdict over the node holds.
    pub(crate) fn scope(&self, id: NodeId) -> Scope {
        self.facts(id).scope
    }

    /// A rough price of the node's evaluation, in nanoseconds.
    pub(crate) fn cost(&self, id: NodeId) -> u32 {
        self.facts(id).cost
    }

    /// Whether the node depends on the name of the event's type.
    pub(crate) fn is_typed(&self, id: NodeId) -> bool {
        self.facts(id).typed
    }

    /// A leaf by its number.
    pub(crate) fn leaf(&self, id: TestId) -> Option<&Test> {
        self.tests.get(id.0 as usize)
    }
}
