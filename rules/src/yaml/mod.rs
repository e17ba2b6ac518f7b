//! YAML with positions, read as Falco's YAML library (yaml-cpp) reads it.
//!
//! Documents are trees in an arena. An alias is the node that it names, not a copy, so a small file
//! cannot blow up ("billion laughs"); what it would expand to is bounded too, since readers may
//! walk it. Merge keys (`<<`) mean nothing special, duplicate keys are kept, the first one counts.
//! Positions are byte offsets, lines and columns from 0.

mod position;
pub mod scalar;

use saphyr_parser::{Event, Parser, ScalarStyle};

use position::Positions;

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

/// A text that is not YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error at line {}, column {}: {message}", mark.line + 1, mark.column + 1)]
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
        Builder::new(text.strip_prefix('\u{feff}').unwrap_or(text)).build()
    }
}

/// A collection whose end has not come yet.
struct Open {
    id: Id,
    /// Nodes in it so far, aliases expanded.
    weight: u64,
    /// The key that waits for its value, in a map.
    key: Option<Id>,
}

struct Builder<'t> {
    positions: Positions<'t>,
    documents: Documents,
    open: Vec<Open>,
    /// Finished anchored nodes by anchor number, with their weights.
    anchors: std::collections::HashMap<usize, (Id, u64)>,
    /// End of the last event, from where block scalars' headers are found.
    previous_end: usize,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        Builder {
            positions: Positions::new(text),
            documents: Documents::default(),
            open: Vec::new(),
            anchors: Default::default(),
            previous_end: 0,
        }
    }

    fn error(&self, offset: usize, message: impl Into<String>) -> YamlError {
        YamlError { mark: self.positions.mark(offset), message: message.into() }
    }

    fn build(mut self) -> Result<Documents, YamlError> {
        let mut anchors_of_open: Vec<usize> = Vec::new();
        let mut parser = Parser::new_from_str(self.positions.text());
        while let Some(event) = parser.next_event() {
            let (event, span) = event
                .map_err(|e| self.error(self.positions.offset(e.marker().index()), e.info()))?;
            let start = self.positions.offset(span.start.index());
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let plain = style == ScalarStyle::Plain && tag.is_none();
                    let (mark, content) = if plain && text.is_empty() {
                        (self.positions.token_after(start), Content::Null)
                    } else if plain && scalar::is_null(&text) {
                        (self.positions.mark(start), Content::Null)
                    } else {
                        let start = match style {
                            ScalarStyle::Literal | ScalarStyle::Folded if anchor == 0 => {
                                self.positions.block_header(self.previous_end, start)
                            }
                            _ => start,
                        };
                        (self.positions.mark(start), Content::Scalar(text.into_owned()))
                    };
                    let id = self.push(mark, content);
                    self.finish(id, 1, anchor)?;
                }
                Event::SequenceStart(anchor, _) => {
                    self.start(start, Content::Sequence(Vec::new()))?;
                    anchors_of_open.push(anchor);
                }
                Event::MappingStart(anchor, _) => {
                    self.start(start, Content::Map(Vec::new()))?;
                    anchors_of_open.push(anchor);
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let (Some(open), Some(anchor)) = (self.open.pop(), anchors_of_open.pop()) {
                        self.finish(open.id, open.weight, anchor)?;
                    }
                }
                Event::Alias(anchor) => {
                    let Some(&(id, weight)) = self.anchors.get(&anchor) else {
                        return Err(self.error(start, "the referenced anchor is not finished yet"));
                    };
                    self.finish(id, weight, 0)?;
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
            }
            self.previous_end = self.positions.offset(span.end.index());
        }
        Ok(self.documents)
    }

    fn push(&mut self, mark: Mark, content: Content) -> Id {
        self.documents.nodes.push(Data { mark, content });
        self.documents.nodes.len() - 1
    }

    fn start(&mut self, offset: usize, content: Content) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error(offset, format!("more than {MAX_DEPTH} nested collections")));
        }
        let id = self.push(self.positions.mark(offset), content);
        self.open.push(Open { id, weight: 1, key: None });
        Ok(())
    }

    /// Puts a finished node into the collection that is open, or makes it a document's root.
    fn finish(&mut self, id: Id, weight: u64, anchor: usize) -> Result<(), YamlError> {
        if anchor > 0 {
            self.anchors.insert(anchor, (id, weight));
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.roots.push(id);
            return Ok(());
        };
        open.weight = open.weight.saturating_add(weight);
        if open.weight > MAX_NODES {
            let offset = self.documents.nodes.get(id).map_or(0, |d| d.mark.offset);
            return Err(
                self.error(offset, format!("more than {MAX_NODES} nodes, aliases expanded"))
            );
        }
        match self.documents.nodes.get_mut(open.id).map(|d| &mut d.content) {
            Some(Content::Sequence(items)) => items.push(id),
            Some(Content::Map(pairs)) => match open.key.take() {
                None => open.key = Some(id),
                Some(key) => pairs.push((key, id)),
            },
            _ => {}
        }
        Ok(())
    }
}
