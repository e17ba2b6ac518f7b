//! From conditions to [`Code`].

use std::collections::HashMap;

use super::Ruleset;
use super::code::{Chunk, Code, Program, Rule, Step, StepId, Test};
use crate::catalogue::{EventTypes, FieldId, Scope};
use crate::check::Checked;
use crate::check::names::EventNames;
use crate::graph::specialise::Specialiser;
use crate::graph::test::Matcher;
use crate::graph::{Graph, Node, NodeId, TestId};
use crate::verdicts::PER_WORD;

/// What costs at most this much is not worth remembering on the process, and is tried before an
/// unknown gate.
const CHEAP: u32 = 8;
/// The price of looking up a remembered verdict.
const REMEMBERED: u32 = 2;
/// How many made texts are kept during an event, at most.
const MAX_CACHED_TEXTS: u32 = 32;

/// Collects conditions and compiles them.
#[derive(Debug, Default)]
pub struct RulesetBuilder {
    graph: Graph,
    names: EventNames,
    /// Each rule's condition and the event types that reach it.
    rules: Vec<(NodeId, EventTypes)>,
}

impl RulesetBuilder {
    /// No rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition behind the others; returns the rule's number (0, 1, …).
    pub fn add(&mut self, condition: &Checked) -> usize {
        self.names.extend(&condition.names);
        let node = self.graph.lower(&condition.expr);
        let types = condition.event_types.clone().union(&condition.neutral_event_types);
        self.rules.push((node, types));
        self.rules.len() - 1
    }

    /// Compiles what was added.
    pub fn build(self) -> Ruleset {
        let RulesetBuilder { mut graph, names, rules } = self;
        let all = rules.iter().fold(EventTypes::empty(), |all, (_, types)| all.union(types));
        // By event type: the rules that are left there, split.
        let split: Vec<(u16, Vec<Split>)> = all
            .iter()
            .map(|code| {
                let mut specialiser = Specialiser::new(&mut graph, &names, code);
                let reached = rules.iter().enumerate().filter(|(_, (_, types))| types.contains(code));
                let special = reached.filter_map(|(number, &(node, _))| {
                    let node = specialiser.node(node);
                    Split::new(number, node, specialiser.graph())
                });
                (code, special.collect())
            })
            .collect();
        let split: Vec<_> = split.into_iter().filter(|(_, rules)| !rules.is_empty()).collect();
        let roots = split.iter().flat_map(|(_, rules)| rules).flat_map(|rule| rule.parts());
        let uses = count_uses(&graph, roots);
        let mut emitter = Emitter::new(&mut graph, uses);
        let programs = split
            .iter()
            .map(|(_, rules)| Program {
                chunks: rules.chunks(PER_WORD as usize).map(|rules| emitter.chunk(rules)).collect(),
            })
            .collect();
        let mut by_type = vec![0; usize::from(EventTypes::CAPACITY)];
        for (program, (code, _)) in (1..).zip(&split) {
            if let Some(entry) = by_type.get_mut(usize::from(*code)) {
                *entry = program;
            }
        }
        Ruleset {
            by_type: by_type.into(),
            programs,
            code: emitter.finish(),
            event_types: split.iter().map(|(code, _)| *code).collect(),
            rules: rules.len(),
        }
    }
}

/// A rule's condition on one event type, as three parts that must all hold.
#[derive(Debug)]
struct Split {
    number: usize,
    gate: NodeId,
    screen: NodeId,
    rest: NodeId,
}

impl Split {
    /// Splits `node`; none if it never holds.
    fn new(number: usize, node: NodeId, graph: &mut Graph) -> Option<Self> {
        let conjuncts = match graph.node(node) {
            Node::Constant(false) => return None,
            Node::And(children) => children.to_vec(),
            _ => vec![node],
        };
        let (gate, others): (Vec<_>, Vec<_>) =
            conjuncts.into_iter().partition(|&c| graph.scope(c) == Scope::Process);
        let (lineage, event): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|&c| graph.scope(c) == Scope::Lineage);
        let (screen, mut rest): (Vec<_>, Vec<_>) =
            event.into_iter().partition(|&c| graph.cost(c) <= CHEAP);
        // What reads ancestors is remembered as one.
        rest.push(graph.and(lineage));
        Some(Split {
            number,
            gate: graph.and(gate),
            screen: graph.and(screen),
            rest: graph.and(rest),
        })
    }

    fn parts(&self) -> [NodeId; 3] {
        [self.gate, self.screen, self.rest]
    }
}

/// How many parents each node has, below the distinct ones of `roots`; roots count as one.
fn count_uses(graph: &Graph, roots: impl Iterator<Item = NodeId>) -> HashMap<NodeId, u32> {
    let mut uses = HashMap::new();
    let mut open: Vec<NodeId> = roots.collect();
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
    uses
}

/// Turns nodes into steps.
struct Emitter<'g> {
    graph: &'g mut Graph,
    uses: HashMap<NodeId, u32>,
    code: Code,
    /// By node: its step, remembered where that pays, and its step as such.
    steps: HashMap<NodeId, StepId>,
    inner: HashMap<NodeId, StepId>,
    tests: HashMap<TestId, u32>,
    /// Words of the process record's memo, by the gates that they hold.
    words: HashMap<Vec<NodeId>, u32>,
    /// By slot beyond the words, counted from 0.
    process_slots: u32,
}

impl<'g> Emitter<'g> {
    fn new(graph: &'g mut Graph, uses: HashMap<NodeId, u32>) -> Self {
        Emitter {
            graph,
            uses,
            code: Code::default(),
            steps: HashMap::new(),
            inner: HashMap::new(),
            tests: HashMap::new(),
            words: HashMap::new(),
            process_slots: 0,
        }
    }

    fn chunk(&mut self, rules: &[Split]) -> Chunk {
        let gates: Vec<NodeId> = rules.iter().map(|rule| rule.gate).collect();
        let always = self.graph.constant(true);
        let gated = (0..).zip(&gates).fold(0, |bits, (i, gate)| {
            if *gate == always { bits } else { bits | 1 << i }
        });
        let next = self.words.len() as u32;
        let word = *self.words.entry(gates).or_insert(next);
        let rules = rules.iter().map(|rule| Rule {
            number: rule.number,
            gate: self.inner(rule.gate),
            screen: self.step(rule.screen),
            rest: self.step(rule.rest),
        });
        Chunk { word, gated, rules: rules.collect() }
    }

    /// The step of a node, remembered where that pays.
    fn step(&mut self, node: NodeId) -> StepId {
        if let Some(&step) = self.steps.get(&node) {
            return step;
        }
        let inner = self.inner(node);
        let cost = self.graph.cost(node);
        let trivial = matches!(self.graph.node(node), Node::Constant(_) | Node::Not(_));
        let step = match self.graph.scope(node) {
            _ if trivial => inner,
            Scope::Process if cost > CHEAP => {
                let slot = self.process_slots;
                self.process_slots += 1;
                self.push(Step::Process(slot, inner))
            }
            Scope::Lineage => {
                let slot = self.code.lineage_slots;
                self.code.lineage_slots += 1;
                self.push(Step::Lineage(slot, inner))
            }
            Scope::Event if self.uses.get(&node).is_some_and(|&uses| uses > 1) => {
                let stamp = self.code.stamps;
                self.code.stamps += 1;
                self.push(Step::Event(stamp, inner))
            }
            _ => inner,
        };
        self.steps.insert(node, step);
        step
    }

    /// The step of a node, itself not remembered.
    fn inner(&mut self, node: NodeId) -> StepId {
        if let Some(&step) = self.inner.get(&node) {
            return step;
        }
        let step = match self.graph.node(node).clone() {
            Node::Constant(value) => Step::Constant(value),
            Node::Not(child) => Step::Not(self.step(child)),
            Node::Test(id) => Step::Test(self.test(id)),
            Node::And(children) => {
                let (start, end) = self.junction(&children, Graph::and);
                Step::And(start, end)
            }
            Node::Or(children) => {
                let (start, end) = self.junction(&children, Graph::or);
                Step::Or(start, end)
            }
        };
        let step = self.push(step);
        self.inner.insert(node, step);
        step
    }

    /// The children of a junction, cheapest first; those that only read the process as one that is
    /// remembered, if there are others too.
    fn junction(
        &mut self,
        children: &[NodeId],
        join: fn(&mut Graph, Vec<NodeId>) -> NodeId,
    ) -> (u32, u32) {
        let (process, mut ordered): (Vec<_>, Vec<_>) =
            children.iter().partition(|&&c| self.graph.scope(c) == Scope::Process);
        if process.len() > 1 && !ordered.is_empty() {
            ordered.push(join(self.graph, process));
        } else {
            ordered.extend(process);
        }
        ordered.sort_by_key(|&c| self.price(c));
        let steps: Vec<StepId> = ordered.into_iter().map(|c| self.step(c)).collect();
        let start = self.code.children.len() as u32;
        self.code.children.extend(steps);
        (start, self.code.children.len() as u32)
    }

    /// What a node costs on average where verdicts are remembered.
    fn price(&self, node: NodeId) -> u32 {
        let cost = self.graph.cost(node);
        match self.graph.scope(node) {
            Scope::Process => cost.min(REMEMBERED),
            // Any process that forks or exits may outdate these.
            Scope::Lineage => REMEMBERED + cost / 4,
            Scope::Event => cost,
        }
    }

    fn test(&mut self, id: TestId) -> u32 {
        if let Some(&test) = self.tests.get(&id) {
            return test;
        }
        let number = self.code.tests.len() as u32;
        if let Some(test) = self.graph.leaf(id) {
            self.code.tests.push(Test { matcher: Matcher::new(test), cached_text: None });
        }
        self.tests.insert(id, number);
        number
    }

    fn push(&mut self, step: Step) -> StepId {
        self.code.steps.push(step);
        (self.code.steps.len() - 1) as StepId
    }

    fn finish(self) -> Code {
        let mut code = self.code;
        let gates = self.words.len() as u32 * PER_WORD;
        code.process_slots = gates + self.process_slots;
        for step in &mut code.steps {
            if let Step::Process(slot, _) = step {
                *slot += gates;
            }
        }
        // Texts that several tests want are kept while an event is evaluated.
        let mut wanted: HashMap<FieldId, u32> = HashMap::new();
        for field in code.tests.iter().filter_map(|test| test.matcher.text_field()) {
            *wanted.entry(field).or_default() += 1;
        }
        let mut places: HashMap<FieldId, u32> = HashMap::new();
        for test in &mut code.tests {
            let Some(field) = test.matcher.text_field() else { continue };
            let shared = wanted.get(&field).is_some_and(|&tests| tests > 1);
            let next = places.len() as u32;
            if shared && (next < MAX_CACHED_TEXTS || places.contains_key(&field)) {
                test.cached_text = Some(*places.entry(field).or_insert(next));
            }
        }
        code.cached_texts = places.len() as u32;
        code
    }
}
