//! What the user wrote: a tree of YAML nodes, each of which knows its file and line.
//!
//! Scalars stay text: what a key's type is, is for the second step ([`super::Config`]) to say.
//! `${NAME}` in scalars of files is replaced here, as Falco does when it loads them.

use std::fmt;
use std::rc::Rc;

use falco_rules::yaml::{self, Documents};

/// Most nodes that aliases may blow a file up to.
const MAX_NODES: usize = 100_000;
/// Most text that the expansion of one scalar may give, in bytes.
const MAX_EXPANDED: usize = 1 << 20;

/// Where a node was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file and a line of it, counted from 1.
    File(Rc<str>, usize),
    /// `-o` with this text.
    Option(Rc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(file, line) => write!(f, "{file}:{line}"),
            Origin::Option(text) => write!(f, "-o {text}"),
        }
    }
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it was written.
    pub origin: Origin,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing (`key:`, `~`, `null`).
    Null,
    /// A scalar as text.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order written. A key may stand twice; the first one counts.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The child of this name, unless it is null.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, node)| node)
                .filter(|node| node.value != Value::Null),
            _ => None,
        }
    }

    /// The node at a dotted path of map keys.
    pub fn at(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }

    /// In an error message.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Why text is no YAML tree.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct TreeError {
    /// Where.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
}

/// Reads the first document of `text`. `origin` says where a line of it is, counted from 1.
///
/// # Errors
/// If it is no YAML or too large.
pub fn parse(text: &str, origin: &dyn Fn(usize) -> Origin) -> Result<Node, TreeError> {
    let documents = Documents::parse(text).map_err(|e| TreeError {
        origin: origin(e.mark.line + 1),
        message: format!("column {}: {}", e.mark.column + 1, e.message),
    })?;
    let mut left = MAX_NODES;
    match documents.roots().next() {
        Some(root) => copy(root, origin, &mut left),
        None => Ok(Node { origin: origin(1), value: Value::Null }),
    }
}

/// Copies a document, aliases written out, so that overrides can change it.
fn copy(
    node: yaml::Node<'_>,
    origin: &dyn Fn(usize) -> Origin,
    left: &mut usize,
) -> Result<Node, TreeError> {
    let origin_here = origin(node.mark().line + 1);
    let fail =
        |message: &str| TreeError { origin: origin_here.clone(), message: message.to_owned() };
    *left = left.checked_sub(1).ok_or_else(|| {
        fail(&format!("more than {MAX_NODES} values (aliases counted as copies)"))
    })?;
    let value = if let Some(text) = node.scalar() {
        Value::Scalar(text.to_owned())
    } else if let Some(items) = node.sequence() {
        Value::List(items.map(|item| copy(item, origin, left)).collect::<Result<_, _>>()?)
    } else if let Some(pairs) = node.map() {
        let mut entries = Vec::new();
        for (key, value) in pairs {
            let key = key.scalar().ok_or_else(|| fail("a map's key must be a single value"))?;
            entries.push((key.to_owned(), copy(value, origin, left)?));
        }
        Value::Map(entries)
    } else {
        Value::Null
    };
    Ok(Node { origin: origin_here, value })
}

/// Replaces `${NAME}` in every scalar below `node` (keys stay as they are).
///
/// # Errors
/// If values that contain `${…}` themselves never come to an end.
pub fn expand(node: &mut Node, var: &dyn Fn(&str) -> Option<String>) -> Result<(), TreeError> {
    match &mut node.value {
        Value::Null => {}
        Value::Scalar(text) => {
            if text.contains('$') {
                let expanded = expand_text(text, var)
                    .map_err(|message| TreeError { origin: node.origin.clone(), message })?;
                *text = expanded;
            }
        }
        Value::List(items) => items.iter_mut().try_for_each(|n| expand(n, var))?,
        Value::Map(entries) => entries.iter_mut().try_for_each(|(_, n)| expand(n, var))?,
    }
    Ok(())
}

/// Falco's rules: `${NAME}` is the variable or nothing, `$${NAME}` is a literal `${NAME}`,
/// replaced text is scanned again, and the first `$` that begins neither ends the scan.
fn expand_text(text: &str, var: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut done = String::new();
    let mut rest = text.to_owned();
    let mut replaced = 0;
    while let Some(at) = rest.find('$') {
        done.push_str(&rest[..at]);
        let tail = &rest[at..];
        if let Some(literal) = tail.strip_prefix("$${") {
            let Some(end) = literal.find('}') else { return Ok(done + tail) };
            done.push_str("${");
            done.push_str(&literal[..=end]);
            rest = literal[end + 1..].to_owned();
        } else if let Some(name) = tail.strip_prefix("${") {
            let Some(end) = name.find('}') else { return Ok(done + tail) };
            replaced += 1;
            rest = var(&name[..end]).unwrap_or_default() + &name[end + 1..];
            if replaced > 1000 || done.len() + rest.len() > MAX_EXPANDED {
                return Err(format!("the environment variables in '{text}' refer to each other"));
            }
        } else {
            return Ok(done + tail);
        }
    }
    done.push_str(&rest);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Node {
        parse(text, &|line| Origin::File("f".into(), line)).unwrap()
    }

    fn error(text: &str) -> String {
        parse(text, &|line| Origin::File("f".into(), line)).unwrap_err().to_string()
    }

    #[test]
    fn nodes_know_their_lines() {
        let t = tree("a: 1\nb:\n  - x\n  - {c: d}\nn: ~\n");
        assert_eq!(t.at("a").unwrap().origin.to_string(), "f:1");
        let Value::List(items) = &t.at("b").unwrap().value else { panic!() };
        assert_eq!(items[1].origin.to_string(), "f:4");
        assert_eq!(items[1].get("c").unwrap().value, Value::Scalar("d".into()));
        assert!(t.get("n").is_none());
        assert_eq!(tree("").value, Value::Null);
    }

    #[test]
    fn broken_and_hostile_files_are_refused_with_their_line() {
        assert!(error("a: 1\nb: [1\n").starts_with("f:"), "{}", error("a: 1\nb: [1\n"));
        assert!(error(&"[".repeat(10_000)).starts_with("f:1: "));
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..9 {
            let refs = vec![format!("*a{}", i - 1); 10].join(", ");
            laughs += &format!("a{i}: &a{i} [{refs}]\n");
        }
        assert!(error(&laughs).contains("aliases"));
    }

    #[test]
    fn variables_expand_as_in_falco() {
        let var = |name: &str| match name {
            "A" => Some("va".to_owned()),
            "B" => Some("<${A}>".to_owned()),
            "LOOP" => Some("${LOOP}".to_owned()),
            _ => None,
        };
        let e = |s: &str| expand_text(s, &var);
        assert_eq!(e("x${A}y${NONE}z").unwrap(), "xvayz");
        assert_eq!(e("${B}${A}").unwrap(), "<va>va");
        assert_eq!(e("$${A} ${A}").unwrap(), "${A} va");
        assert_eq!(e("$foo ${A}").unwrap(), "$foo ${A}");
        assert_eq!(e("${A").unwrap(), "${A");
        assert!(e("${LOOP}").is_err());
    }
}
