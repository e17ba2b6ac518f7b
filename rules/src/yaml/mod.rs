//! YAML with positions, read as Falco's YAML library (yaml-cpp) reads it.
//!
//! Documents are trees in an arena. An alias is the node that it names, not a copy, so a small file
//! cannot blow up ("billion laughs"); what it would expand to is bounded too, since readers may
//! walk it. Merge keys (`<<`) mean nothing special, duplicate keys are kept, the first one counts.
//! Positions are byte offsets, lines and columns from 0.

mod cursor;
mod encoding;
mod parser;
mod position;
pub mod scalar;
mod scalars;
mod scanner;
mod source;

pub use encoding::decode;
pub use source::source_offset;

/// How deep collections may nest.
pub const MAX_DEPTH: usize = 500;

/// How many nodes a document may have, counting each alias as all that it stands for.
pub const MAX_NODES: u64 = 4_000_000;

/// A place in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Bytes from the beginning.
    pub offset: usize,
    /// Line, from 0.
    pub line: usize,
    /// Bytes from the beginning of the line.
    pub column: usize,
}

/// A text that is not YAML. The words are those that Falco's users know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("yaml-cpp: error at line {}, column {}: {message}", mark.line + 1, mark.column + 1)]
pub struct YamlError {
    /// Where.
    pub mark: Mark,
    /// Why.
    pub message: String,
}

/// The documents of a text.
#[derive(Debug, Default)]
pub struct Documents {
    nodes: Vec<Data>,
    roots: Vec<Id>,
}

/// Index into [`Documents::nodes`].
type Id = usize;

#[derive(Debug)]
struct Data {
    mark: Mark,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Null,
    Scalar(String),
    Sequence(Vec<Id>),
    Map(Vec<(Id, Id)>),
}

/// A node: a value in the tree.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    documents: &'d Documents,
    id: Id,
}

impl<'d> Node<'d> {
    fn data(self) -> Option<&'d Data> {
        self.documents.nodes.get(self.id)
    }

    fn at(self, id: Id) -> Self {
        Node { id, ..self }
    }

    /// Where it begins; an empty node "begins" at the token behind it.
    pub fn mark(self) -> Mark {
        self.data().map(|d| d.mark).unwrap_or_default()
    }

    /// Whether it is empty or a plain `~` or `null`.
    pub fn is_null(self) -> bool {
        matches!(self.data(), None | Some(Data { content: Content::Null, .. }))
    }

    /// The text of a scalar.
    pub fn scalar(self) -> Option<&'d str> {
        match &self.data()?.content {
            Content::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a sequence.
    pub fn sequence(self) -> Option<impl ExactSizeIterator<Item = Node<'d>> + 'd> {
        match &self.data()?.content {
            Content::Sequence(ids) => Some(ids.iter().map(move |&id| self.at(id))),
            _ => None,
        }
    }

    /// The pairs of a map, in order, duplicates included.
    pub fn map(self) -> Option<impl ExactSizeIterator<Item = (Node<'d>, Node<'d>)> + 'd> {
        match &self.data()?.content {
            Content::Map(ids) => Some(ids.iter().map(move |&(k, v)| (self.at(k), self.at(v)))),
            _ => None,
        }
    }

    /// The value of the first pair with this key; None too if this is no map.
    pub fn get(self, key: &str) -> Option<Node<'d>> {
        self.map()?.find(|(k, _)| k.scalar() == Some(key)).map(|(_, v)| v)
    }
}

impl Documents {
    /// The root of each document, in order.
    pub fn roots(&self) -> impl Iterator<Item = Node<'_>> {
        self.roots.iter().map(|&id| Node { documents: self, id })
    }

    /// Reads a text.
    ///
    /// # Errors
    /// If it is not YAML, nests deeper than [`MAX_DEPTH`] or has more than [`MAX_NODES`] nodes.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        parser::Parser::parse(text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    fn push(&mut self, mark: Mark, content: Content) -> Id {
        self.nodes.push(Data { mark, content });
        self.nodes.len() - 1
    }

    fn set(&mut self, id: Id, content: Content) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.content = content;
        }
    }
}
