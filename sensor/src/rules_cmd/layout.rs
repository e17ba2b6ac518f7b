//! Conditions and lists broken into lines that fit a terminal.

use std::sync::Arc;

use falco_rules::ast::{Node, NodeKind, Text};
use falco_rules::escape::escape;
use falco_rules::print::print_lossy;

/// Longest line, in characters.
const WIDTH: usize = 100;

/// The text of a condition: a line for each part of a conjunction or disjunction that does not fit
/// one line, nested ones indented. Parsed again, it means the same.
pub fn condition(node: &Node, indent: usize) -> String {
    let mut out = Lines { text: String::new() };
    let node = &flatten(node);
    match &node.kind {
        NodeKind::And(children) => out.parts(children, "and ", indent),
        NodeKind::Or(children) => out.parts(children, "or ", indent),
        _ => out.part("", node, indent),
    }
    out.text
}

/// The same with conjunctions in conjunctions, and disjunctions in disjunctions, made one: macros
/// bring many.
pub fn flatten(node: &Node) -> Node {
    let children = |nodes: &[Node], is_and: bool| {
        let mut out = Vec::new();
        for node in nodes {
            let node = flatten(node);
            match node.kind {
                NodeKind::And(inner) if is_and => out.extend(inner.iter().cloned()),
                NodeKind::Or(inner) if !is_and => out.extend(inner.iter().cloned()),
                _ => out.push(node),
            }
        }
        out
    };
    let kind = match &node.kind {
        NodeKind::And(nodes) => NodeKind::And(children(nodes, true).into()),
        NodeKind::Or(nodes) => NodeKind::Or(children(nodes, false).into()),
        NodeKind::Not(node) => NodeKind::Not(Arc::new(flatten(node))),
        other => other.clone(),
    };
    Node { pos: node.pos, kind }
}

struct Lines {
    text: String,
}

impl Lines {
    fn line(&mut self, indent: usize, text: &str) {
        self.text += &" ".repeat(indent);
        self.text += text;
        self.text.push('\n');
    }

    fn parts(&mut self, nodes: &[Node], joint: &str, indent: usize) {
        for (i, node) in nodes.iter().enumerate() {
            self.part(if i == 0 { "" } else { joint }, node, indent);
        }
    }

    /// One part with what joins it to those before.
    fn part(&mut self, joint: &str, node: &Node, indent: usize) {
        let flat = format!("{joint}{}", print_lossy(node));
        if indent + flat.chars().count() <= WIDTH {
            return self.line(indent, &flat);
        }
        match &node.kind {
            NodeKind::And(children) => self.group(joint, children, "and ", indent),
            NodeKind::Or(children) => self.group(joint, children, "or ", indent),
            NodeKind::Not(child) => self.part(&format!("{joint}not "), child, indent),
            NodeKind::Binary { left, op, right } => match &right.kind {
                NodeKind::List(values) => {
                    self.line(indent, &format!("{joint}{} {op} (", print_lossy(left)));
                    let values: Vec<String> = values.iter().map(constant).collect();
                    for line in wrap(
                        values.iter().map(String::as_str),
                        ",",
                        WIDTH.saturating_sub(indent + 4),
                    ) {
                        self.line(indent + 4, &line);
                    }
                    self.line(indent, ")");
                }
                _ => self.line(indent, &flat),
            },
            _ => self.line(indent, &flat),
        }
    }

    fn group(&mut self, joint: &str, nodes: &[Node], inner: &str, indent: usize) {
        self.line(indent, &format!("{joint}("));
        self.parts(nodes, inner, indent + 4);
        self.line(indent, ")");
    }
}

fn constant(Text(value): &Text) -> String {
    let mut out = Vec::new();
    escape(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Words in lines of at most `width` characters (a longer word stands alone), `separator` behind
/// each but the last.
pub fn wrap<'w>(
    words: impl IntoIterator<Item = &'w str>,
    separator: &str,
    width: usize,
) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let end = if words.peek().is_some() { separator } else { "" };
        let needed = word.chars().count() + end.len();
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                *line = format!("{word}{end}");
            } else if line.chars().count() + 1 + needed <= width {
                *line += &format!(" {word}{end}");
            } else {
                lines.push(format!("{word}{end}"));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use falco_rules::parser::parse;

    #[test]
    fn what_is_laid_out_is_the_same_condition() {
        let names: Vec<String> = (0..60).map(|i| format!("program-{i}")).collect();
        let long = format!("proc.name in ({})", names.join(", "));
        let texts = [
            "evt.type=open".to_owned(),
            "evt.type=open and not fd.name startswith /etc".to_owned(),
            format!("evt.type=open and not ({long} or (fd.num=1 and {long})) and proc.pid exists"),
            format!("not ({long} and not {long})"),
            "a.a=b and (c.c=d and (e.e=f or (g.g=h or i.i=j)))".to_owned(),
            "evt.type=open and ((fd.name = \"a b\" or fd.name = c) and proc.pid = 1)".to_owned(),
        ];
        for text in texts {
            let node = parse(&text).unwrap();
            let shown = condition(&node, 2);
            let again = parse(&shown).unwrap();
            assert_eq!(print_lossy(&again), print_lossy(&flatten(&node)), "{shown}");
            assert!(shown.lines().all(|l| l.chars().count() <= WIDTH), "{shown}");
        }
    }

    #[test]
    fn words_are_wrapped() {
        assert_eq!(wrap(["a", "bb", "ccc"], ",", 5), ["a,", "bb,", "ccc"]);
        assert_eq!(wrap(["a", "bb", "ccc"], ",", 9), ["a, bb,", "ccc"]);
        assert_eq!(wrap([], ",", 9), [""]);
    }
}
