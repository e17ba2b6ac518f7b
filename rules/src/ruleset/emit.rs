//! From nodes to [`Step`]s: in which order children are evaluated, and which verdicts are kept
//! where.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::build::{CHEAP, Split, screens};
use super::code::{Chunk, Code, Gates, KEPT_TEXTS, Rule, Step, StepRef, Test};
use crate::catalogue::{FieldId, Scope};
use crate::graph::test::Matcher;
use crate::graph::{Graph, Node, NodeId, TestId};
use crate::verdicts::PER_WORD;

/// The price of looking up a remembered verdict.
const REMEMBERED: u32 = 2;

/// Turns nodes into steps.
pub(super) struct Emitter<'g> {
    graph: &'g mut Graph,
    uses: HashMap<NodeId, u32>,
    code: Code,
    /// By node: its step, remembered where that pays, and its step as such.
    steps: HashMap<NodeId, StepRef>,
    inner: HashMap<NodeId, StepRef>,
    tests: HashMap<TestId, u32>,
    /// Scopes of [`Code::tests`].
    scopes: Vec<Scope>,
    process_words: HashMap<Vec<NodeId>, u32>,
    lineage_words: HashMap<Vec<NodeId>, u32>,
}

/// The word for these gates: equal ones share a word, whatever the event type.
fn word(words: &mut HashMap<Vec<NodeId>, u32>, gates: Vec<NodeId>, always: NodeId) -> Gates {
    let mask =
        (0..).zip(&gates).filter(|(_, gate)| **gate != always).fold(0, |m, (i, _)| m | 1 << i);
    if mask == 0 {
        return Gates::default();
    }
    let next = words.len() as u32;
    Gates { word: *words.entry(gates).or_insert(next), mask }
}

impl<'g> Emitter<'g> {
    /// `uses`: how often each node is used within one event type.
    pub(super) fn new(graph: &'g mut Graph, uses: HashMap<NodeId, u32>) -> Self {
        Emitter {
            graph,
            uses,
            code: Code::default(),
            steps: HashMap::new(),
            inner: HashMap::new(),
            tests: HashMap::new(),
            scopes: Vec::new(),
            process_words: HashMap::new(),
            lineage_words: HashMap::new(),
        }
    }

    /// Up to [`PER_WORD`] rules.
    pub(super) fn chunk(&mut self, rules: &[Split]) -> Chunk {
        let always = self.graph.constant(true);
        let gates = |gate: fn(&Split) -> NodeId| rules.iter().map(gate).collect();
        let mask = |wanted: &dyn Fn(&Split) -> bool| {
            (0..).zip(rules).fold(0, |mask, (i, rule)| mask | u16::from(wanted(rule)) << i)
        };
        let mut screens = screens(rules);
        screens.retain(|&screen| screen != always);
        screens.sort_by_key(|&screen| self.price(screen));
        Chunk {
            screens: screens
                .into_iter()
                .map(|screen| (self.step(screen), mask(&|rule| rule.screen == screen)))
                .collect(),
            all: mask(&|_| true),
            process: word(&mut self.process_words, gates(|rule| rule.process), always),
            lineage: word(&mut self.lineage_words, gates(|rule| rule.lineage), always),
            rules: rules
                .iter()
                .map(|rule| Rule {
                    number: rule.number,
                    process: self.inner(rule.process),
                    lineage: self.inner(rule.lineage),
                    rest: self.step(rule.rest),
                })
                .collect(),
        }
    }

    /// The step of a node, remembered where that pays.
    fn step(&mut self, node: NodeId) -> StepRef {
        if let Some(&step) = self.steps.get(&node) {
            return step;
        }
        let inner = self.inner(node);
        let cost = self.graph.cost(node);
        let step = match (self.graph.node(node), self.graph.scope(node)) {
            (Node::Constant(_) | Node::Not(_), _) => inner,
            (_, Scope::Process) if cost > CHEAP => {
                let slot = self.code.process_slots;
                self.code.process_slots += 1;
                self.push(Step::Process(slot, inner))
            }
            (_, Scope::Lineage) => {
                let slot = self.code.lineage_slots;
                self.code.lineage_slots += 1;
                self.push(Step::Lineage(slot, inner))
            }
            (_, Scope::Event) if self.uses.get(&node).is_some_and(|&uses| uses > 1) => {
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
    fn inner(&mut self, node: NodeId) -> StepRef {
        if let Some(&step) = self.inner.get(&node) {
            return step;
        }
        let step = match self.graph.node(node).clone() {
            Node::Constant(true) => self.push(Step::True),
            Node::Constant(false) => self.push(Step::True).negated(),
            Node::Not(child) => self.step(child).negated(),
            Node::Test(id) => {
                let test = self.test(id);
                self.push(Step::Test(test))
            }
            Node::And(children) => {
                let (start, end) = self.junction(&children, Graph::and);
                self.push(Step::And(start, end))
            }
            Node::Or(children) => {
                let (start, end) = self.junction(&children, Graph::or);
                self.push(Step::Or(start, end))
            }
        };
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
        let steps: Vec<StepRef> = ordered.into_iter().map(|c| self.step(c)).collect();
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
            self.code.tests.push(Test { matcher: Matcher::new(test), kept_text: None });
            self.scopes.push(test.scope());
        }
        self.tests.insert(id, number);
        number
    }

    fn push(&mut self, step: Step) -> StepRef {
        self.code.steps.push(step);
        StepRef::new((self.code.steps.len() - 1) as u32)
    }

    /// What was emitted.
    pub(super) fn finish(self) -> Code {
        let mut code = self.code;
        // In both memos the gates come first, by word.
        let process_gates = self.process_words.len() as u32 * PER_WORD;
        let lineage_gates = self.lineage_words.len() as u32 * PER_WORD;
        code.process_slots += process_gates;
        code.lineage_slots += lineage_gates;
        for step in &mut code.steps {
            match step {
                Step::Process(slot, _) => *slot += process_gates,
                Step::Lineage(slot, _) => *slot += lineage_gates,
                _ => {}
            }
        }
        share_texts(&mut code.tests, &self.scopes);
        code
    }
}

/// Gives places to the texts that most tests want, those that depend on the event before those whose
/// verdicts are remembered anyway. `scopes` are the tests' scopes.
fn share_texts(tests: &mut [Test], scopes: &[Scope]) {
    let mut wanted: BTreeMap<FieldId, [usize; 2]> = BTreeMap::new();
    for (test, scope) in tests.iter().zip(scopes) {
        if let Some(field) = test.matcher.text_field() {
            let [of_event, all] = wanted.entry(field).or_default();
            *of_event += usize::from(*scope == Scope::Event);
            *all += 1;
        }
    }
    let mut shared: Vec<_> = wanted.into_iter().filter(|(_, [_, all])| *all > 1).collect();
    shared.sort_by_key(|&(_, counts)| Reverse(counts));
    shared.truncate(KEPT_TEXTS);
    for test in tests {
        let field = test.matcher.text_field();
        test.kept_text = shared.iter().position(|&(shared, _)| Some(shared) == field);
    }
}
