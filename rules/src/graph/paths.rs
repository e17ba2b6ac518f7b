//! [`PathSet`]: many `pmatch` prefixes at once, as a tree of path components.

use std::collections::BTreeSet;

use crate::operators::{glob, path};

/// A set of path prefixes.
#[derive(Debug, Default)]
pub(super) struct PathSet {
    /// The first is the root, where every path begins.
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// A prefix ends here: everything below matches.
    terminal: bool,
    /// By component, ascending.
    children: Vec<(Box<[u8]>, u32)>,
    /// Components that are globs.
    globs: Vec<(Box<[u8]>, u32)>,
}

impl PathSet {
    pub(super) fn new(prefixes: &BTreeSet<Box<[u8]>>) -> Self {
        let mut set = PathSet { nodes: vec![Node::default()] };
        prefixes.iter().for_each(|prefix| set.insert(prefix));
        set
    }

    fn insert(&mut self, prefix: &[u8]) {
        let mut at = 0;
        for component in path::components(prefix) {
            let new = self.nodes.len() as u32;
            let Some(node) = self.nodes.get_mut(at as usize) else { return };
            let branch =
                if path::is_glob(component) { &mut node.globs } else { &mut node.children };
            match branch.binary_search_by(|(known, _)| known.as_ref().cmp(component)) {
                Ok(i) => at = branch.get(i).map_or(at, |&(_, child)| child),
                Err(i) => {
                    branch.insert(i, (component.into(), new));
                    self.nodes.push(Node::default());
                    at = new;
                }
            }
        }
        if let Some(node) = self.nodes.get_mut(at as usize) {
            node.terminal = true;
        }
    }

    /// Whether `path` lies at or below one of the prefixes.
    pub(super) fn are_above(&self, path: &[u8]) -> bool {
        self.nodes.first().is_some_and(|root| self.descend(root, path))
    }

    fn descend(&self, node: &Node, rest: &[u8]) -> bool {
        if node.terminal {
            return true;
        }
        let Some(start) = rest.iter().position(|&b| b != b'/') else { return false };
        let rest = rest.get(start..).unwrap_or_default();
        let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
        let (component, rest) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let below = |child: u32| {
            self.nodes.get(child as usize).is_some_and(|child| self.descend(child, rest))
        };
        let child = node.children.binary_search_by(|(known, _)| known.as_ref().cmp(component));
        child.is_ok_and(|i| node.children.get(i).is_some_and(|&(_, child)| below(child)))
            || node
                .globs
                .iter()
                .any(|(g, child)| glob::matches(g, component, false) && below(*child))
    }
}
