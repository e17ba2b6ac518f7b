//! From conditions to a [`Ruleset`]: which rules each event type has, and how each is split.

use std::collections::{BTreeSet, HashMap};

use super::Ruleset;
use super::code::Program;
use super::emit::Emitter;
use crate::catalogue::{EventTypes, Scope};
use crate::check::Checked;
use crate::check::names::EventNames;
use crate::graph::specialise::Specialiser;
use crate::graph::{Graph, Node, NodeId};
use crate::verdicts::PER_WORD;

/// What costs at most this much is not worth remembering on the process, and is tried before an
/// unknown gate.
pub(super) const CHEAP: u32 = 10;

/// Collects conditions and compiles them.
#[derive(Debug, Default)]
pub struct RulesetBuilder {
    graph: Graph,
    names: EventNames,
    /// Each rule's condition and the event types that reach it.
    rules: Vec<(NodeId, EventTypes)>,
    host_names: BTreeSet<Box<[u8]>>,
}

impl RulesetBuilder {
    /// No rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition behind the others; returns the rule's number (0, 1, …).
    pub fn add(&mut self, condition: &Checked) -> usize {
        let types = condition.event_types.clone().union(&condition.neutral_event_types);
        self.push(condition, types)
    }

    /// Adds a condition that is no rule's but a filter: it is tried on every event on which it can
    /// hold, whatever event types Falco's analysis finds.
    pub fn add_filter(&mut self, condition: &Checked) -> usize {
        self.push(condition, (0..EventTypes::CAPACITY).collect())
    }

    fn push(&mut self, condition: &Checked, types: EventTypes) -> usize {
        self.names.extend(&condition.names);
        condition.expr.collect_host_names(&mut self.host_names);
        let node = self.graph.lower(&condition.expr);
        self.rules.push((node, types));
        self.rules.len() - 1
    }

    /// Compiles what was added.
    pub fn build(self) -> Ruleset {
        let RulesetBuilder { mut graph, names, rules, host_names } = self;
        let all = rules.iter().fold(EventTypes::empty(), |all, (_, types)| all.union(types));
        let mut by_type = vec![0; usize::from(EventTypes::CAPACITY)];
        let mut event_types = EventTypes::empty();
        // Event types often see the same of all rules: calls and their returns, old versions.
        let mut programs: HashMap<Vec<Split>, u16> = HashMap::new();
        let mut ordered: Vec<Vec<Split>> = Vec::new();
        for code in all.iter() {
            let split = split_rules(&mut graph, &names, &rules, code);
            if split.is_empty() {
                continue;
            }
            event_types.insert(code);
            let number = *programs.entry(split).or_insert_with_key(|split| {
                ordered.push(split.clone());
                ordered.len() as u16
            });
            if let Some(entry) = by_type.get_mut(usize::from(code)) {
                *entry = number;
            }
        }
        let uses = count_uses(&graph, &ordered);
        let mut emitter = Emitter::new(&mut graph, uses);
        let program = |rules: &Vec<Split>| Program {
            chunks: rules.chunks(PER_WORD as usize).map(|rules| emitter.chunk(rules)).collect(),
        };
        Ruleset {
            by_type: by_type.into(),
            programs: ordered.iter().map(program).collect(),
            code: emitter.finish(),
            event_types,
            rules: rules.len(),
            host_names: host_names.into_iter().collect(),
        }
    }
}

/// What the rules that events of type `code` reach look like there, but for those that never match.
fn split_rules(
    graph: &mut Graph,
    names: &EventNames,
    rules: &[(NodeId, EventTypes)],
    code: u16,
) -> Vec<Split> {
    let mut specialiser = Specialiser::new(graph, names, code);
    let reached = rules.iter().enumerate().filter(|(_, (_, types))| types.contains(code));
    let special = reached.filter_map(|(number, &(node, _))| {
        let node = specialiser.node(node);
        Split::new(number, node, specialiser.graph())
    });
    special.collect()
}

/// A rule's condition on one event type, as four parts that must all hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Split {
    pub(super) number: usize,
    /// What only reads the process.
    pub(super) process: NodeId,
    /// What only reads the process and its ancestors.
    pub(super) lineage: NodeId,
    /// What is cheap to find out about the event.
    pub(super) screen: NodeId,
    /// Everything else.
    pub(super) rest: NodeId,
}

impl Split {
    /// Splits `node`; none if it never holds.
    fn new(number: usize, node: NodeId, graph: &mut Graph) -> Option<Self> {
        let conjuncts = match graph.node(node) {
            Node::Constant(false) => return None,
            Node::And(children) => children.to_vec(),
            _ => vec![node],
        };
        let mut choose = |wanted: &dyn Fn(&Graph, NodeId) -> bool| {
            let chosen = conjuncts.iter().copied().filter(|&c| wanted(graph, c)).collect();
            graph.and(chosen)
        };
        let is_cheap = |graph: &Graph, c| graph.cost(c) <= CHEAP;
        let is_event = |graph: &Graph, c| graph.scope(c) == Scope::Event;
        Some(Split {
            number,
            process: choose(&|graph, c| graph.scope(c) == Scope::Process),
            lineage: choose(&|graph, c| graph.scope(c) == Scope::Lineage),
            screen: choose(&|graph, c| is_event(graph, c) && is_cheap(graph, c)),
            rest: choose(&|graph, c| is_event(graph, c) && !is_cheap(graph, c)),
        })
    }
}

/// The distinct screens of a chunk of rules.
pub(super) fn screens(rules: &[Split]) -> Vec<NodeId> {
    let mut screens: Vec<NodeId> = rules.iter().map(|rule| rule.screen).collect();
    screens.sort_unstable();
    screens.dedup();
    screens
}

/// How many parents each node has at most within the rules of one event type. Rules count as parents
/// of their parts, chunks as parents of their rules' screens.
fn count_uses(graph: &Graph, programs: &[Vec<Split>]) -> HashMap<NodeId, u32> {
    let mut most = HashMap::new();
    for rules in programs {
        let mut uses: HashMap<NodeId, u32> = HashMap::new();
        let mut open: Vec<NodeId> =
            rules.iter().flat_map(|rule| [rule.process, rule.lineage, rule.rest]).collect();
        open.extend(rules.chunks(PER_WORD as usize).flat_map(screens));
        while let Some(node) = open.pop() {
            let count = uses.entry(node).or_insert(0);
            *count += 1;
            // Only the first visit goes deeper: what is shared is shared through this node.
            if *count == 1 {
                match graph.node(node) {
                    Node::And(children) | Node::Or(children) => open.extend_from_slice(children),
                    Node::Not(child) => open.push(*child),
                    Node::Constant(_) | Node::Test(_) => {}
                }
            }
        }
        for (node, count) in uses {
            let entry = most.entry(node).or_insert(0);
            *entry = count.max(*entry);
        }
    }
    most
}
