//! Tokens → the tree of nodes.

use std::collections::HashMap;

use super::position::Lines;
use super::scanner::{Scanner, Token, TokenKind};
use super::{Content, Documents, Id, MAX_DEPTH, MAX_NODES, Mark, YamlError, scalar};

type Parsed<T = ()> = Result<T, YamlError>;

/// A finished node: its place in the arena, and how many nodes it stands for, aliases expanded.
#[derive(Clone, Copy)]
struct Finished {
    id: Id,
    weight: u64,
}

pub(super) struct Parser {
    lines: Lines,
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    documents: Documents,
    /// Finished anchored nodes of this document.
    anchors: HashMap<String, Finished>,
    /// Collections that are open, innermost last. No recursion: depth costs no stack.
    open: Vec<Open>,
    end: usize,
}

impl Parser {
    pub(super) fn parse(text: &str) -> Parsed<Documents> {
        let mut parser = Parser {
            lines: Lines::new(text),
            tokens: Scanner::scan(text).into_iter().peekable(),
            documents: Documents::default(),
            anchors: HashMap::new(),
            open: Vec::new(),
            end: text.len(),
        };
        while parser.directives()? && parser.kind()?.is_some() {
            parser.document()?;
        }
        Ok(parser.documents)
    }

    fn error<T>(&self, mark: Mark, message: impl Into<String>) -> Parsed<T> {
        Err(YamlError { mark, message: message.into() })
    }

    fn error_here<T>(&mut self, message: impl Into<String>) -> Parsed<T> {
        let mark = self.mark();
        self.error(mark, message)
    }

    /// The next token's kind; an error if scanning stopped there.
    fn kind(&mut self) -> Parsed<Option<&TokenKind>> {
        let Some(token) = self.tokens.peek() else { return Ok(None) };
        let message = match &token.kind {
            TokenKind::Error(message) => (*message).to_owned(),
            TokenKind::BadEscape(c) => format!("unknown escape character: {c}"),
            kind => return Ok(Some(kind)),
        };
        Err(YamlError { mark: self.lines.mark(token.offset), message })
    }

    fn is_next(&mut self, kind: &TokenKind) -> Parsed<bool> {
        Ok(self.kind()? == Some(kind))
    }

    /// Takes the next token if it is of this kind.
    fn take(&mut self, kind: &TokenKind) -> Parsed<bool> {
        let found = self.is_next(kind)?;
        if found {
            self.tokens.next();
        }
        Ok(found)
    }

    /// Where the next token is.
    fn mark(&mut self) -> Mark {
        match self.tokens.peek() {
            Some(token) if !token.at_end => self.lines.mark(token.offset),
            _ => Mark { column: 0, ..self.lines.mark(self.end) },
        }
    }

    /// Skips directives; only the version's is looked at.
    fn directives(&mut self) -> Parsed<bool> {
        let mut version_seen = false;
        while let Some(TokenKind::Directive(name, parameters)) = self.kind()? {
            let message = match (name.as_str(), parameters.as_slice()) {
                ("YAML", [version]) => match version.split_once('.') {
                    _ if version_seen => Some("repeated YAML directive".to_owned()),
                    Some((major, minor))
                        if major.parse::<u32>().is_ok() && minor.parse::<u32>().is_ok() =>
                    {
                        version_seen = true;
                        let too_large = major.parse::<u32>().is_ok_and(|major| major > 1);
                        too_large.then(|| "YAML major version too large".to_owned())
                    }
                    _ => Some(format!("bad YAML version: {version}")),
                },
                ("YAML", _) => Some("YAML directives must have exactly one argument".to_owned()),
                ("TAG", [_, _]) => None,
                ("TAG", _) => Some("TAG directives must have exactly two arguments".to_owned()),
                _ => None,
            };
            if let Some(message) = message {
                return self.error_here(message);
            }
            self.tokens.next();
        }
        Ok(true)
    }

    fn document(&mut self) -> Parsed {
        let before = self.tokens.len();
        self.anchors.clear();
        self.take(&TokenKind::DocumentStart)?;
        let mut child = self.node()?;
        while let Some(mut open) = self.open.pop() {
            child = if self.goes_on(&mut open, child)? {
                self.open.push(open);
                self.node()?
            } else {
                Some(self.close(open)?)
            };
        }
        self.documents.roots.extend(child.map(|root| root.id));
        while self.take(&TokenKind::DocumentEnd)? {}
        // What follows is the next document, but a token that begins none would be so for ever.
        if self.tokens.len() == before {
            return self.error_here("unexpected token");
        }
        Ok(())
    }

    fn push(&mut self, mark: Mark, content: Content) -> Finished {
        let id = self.documents.push(mark, content);
        Finished { id, weight: 1 }
    }

    fn null(&mut self, mark: Mark) -> Finished {
        self.push(mark, Content::Null)
    }

    /// Reads a node. A collection is only opened, and gives None.
    fn node(&mut self) -> Parsed<Option<Finished>> {
        let mark = self.mark();
        match self.kind()? {
            None => return Ok(Some(self.null(mark))),
            // A value by itself belongs to a map without braces.
            Some(TokenKind::Value) => return self.open(mark, None, Shape::Pair),
            Some(TokenKind::Alias(name)) => {
                let name = name.clone();
                let Some(finished) = self.anchors.get(&name).copied() else {
                    return self
                        .error(mark, format!("the referenced anchor is not defined: {name}"));
                };
                self.tokens.next();
                return Ok(Some(finished));
            }
            Some(_) => {}
        }
        let (anchor, tagged) = self.properties()?;
        let in_flow_sequence =
            self.open.last().is_some_and(|open| open.shape == Shape::FlowSequence);
        let shape = match self.kind()? {
            Some(TokenKind::FlowSequenceStart) => Shape::FlowSequence,
            Some(TokenKind::FlowMapStart) => Shape::FlowMap,
            Some(TokenKind::BlockSequenceStart) => Shape::BlockSequence,
            Some(TokenKind::BlockMapStart) => Shape::BlockMap,
            Some(TokenKind::Key) if in_flow_sequence => {
                return self.open(mark, anchor, Shape::Pair);
            }
            Some(TokenKind::Plain(_) | TokenKind::Scalar(_)) => {
                let content = match self.tokens.next().map(|token| token.kind) {
                    Some(TokenKind::Plain(text)) if !tagged && scalar::is_null(&text) => {
                        Content::Null
                    }
                    Some(TokenKind::Plain(text) | TokenKind::Scalar(text)) => Content::Scalar(text),
                    _ => Content::Null,
                };
                let node = self.push(mark, content);
                return Ok(Some(self.finish(node, anchor)));
            }
            next => {
                let content = match tagged && next.is_some() {
                    true => Content::Scalar(String::new()),
                    false => Content::Null,
                };
                let node = self.push(mark, content);
                return Ok(Some(self.finish(node, anchor)));
            }
        };
        self.tokens.next();
        self.open(mark, anchor, shape)
    }

    fn finish(&mut self, node: Finished, anchor: Option<String>) -> Finished {
        if let Some(name) = anchor {
            self.anchors.insert(name, node);
        }
        node
    }

    /// Anchor, and whether there is a tag.
    fn properties(&mut self) -> Parsed<(Option<String>, bool)> {
        let (mut anchor, mut tagged) = (None, false);
        loop {
            let message = match self.kind()? {
                Some(TokenKind::Tag) if tagged => "cannot assign multiple tags to the same node",
                Some(TokenKind::Tag) => {
                    tagged = true;
                    self.tokens.next();
                    continue;
                }
                Some(TokenKind::Anchor(_)) if anchor.is_some() => {
                    "cannot assign multiple anchors to the same node"
                }
                Some(TokenKind::Anchor(name)) => {
                    anchor = Some(name.clone());
                    self.tokens.next();
                    continue;
                }
                _ => return Ok((anchor, tagged)),
            };
            return self.error_here(message);
        }
    }

    /// Opens a collection, or reads an empty one.
    fn open(
        &mut self,
        mark: Mark,
        anchor: Option<String>,
        shape: Shape,
    ) -> Parsed<Option<Finished>> {
        if self.open.len() >= MAX_DEPTH {
            return self.error(mark, "bad file");
        }
        let Finished { id, weight } = self.null(mark);
        let mut open = Open { id, shape, mark, anchor, weight, key: None, children: Vec::new() };
        if self.next_child(&mut open)? {
            self.open.push(open);
            return Ok(None);
        }
        self.close(open).map(Some)
    }

    fn close(&mut self, open: Open) -> Parsed<Finished> {
        let Open { id, shape, anchor, weight, children, .. } = open;
        if weight > MAX_NODES {
            return self.error(open.mark, format!("more than {MAX_NODES} nodes, aliases expanded"));
        }
        let content = match shape {
            Shape::BlockSequence | Shape::FlowSequence => Content::Sequence(children),
            Shape::BlockMap | Shape::FlowMap | Shape::Pair => {
                let pairs = children.chunks_exact(2);
                Content::Map(pairs.filter_map(|p| Some((*p.first()?, *p.last()?))).collect())
            }
        };
        self.documents.set(id, content);
        Ok(self.finish(Finished { id, weight }, anchor))
    }

    /// Adds a child. Whether another node comes next; if not, the collection has ended.
    fn goes_on(&mut self, open: &mut Open, child: Option<Finished>) -> Parsed<bool> {
        // It was opened just now, and its first child is next.
        let Some(child) = child else { return Ok(true) };
        match open.shape {
            Shape::BlockSequence => open.add(child),
            Shape::FlowSequence => {
                open.add(child);
                self.flow_separator(&TokenKind::FlowSequenceEnd, END_OF_FLOW_SEQUENCE)?;
            }
            Shape::BlockMap | Shape::FlowMap | Shape::Pair => match open.key.take() {
                Some(key) => self.pair(open, key, child)?,
                None if self.take(&TokenKind::Value)? => {
                    open.key = Some(child);
                    return Ok(true);
                }
                None => {
                    let value = self.null(open.mark);
                    self.pair(open, child, value)?;
                }
            },
        }
        if open.shape == Shape::Pair { Ok(false) } else { self.next_child(open) }
    }

    /// Whether a node of the collection comes next.
    fn next_child(&mut self, open: &mut Open) -> Parsed<bool> {
        loop {
            match open.shape {
                Shape::BlockSequence => {
                    if self.take(&TokenKind::BlockSequenceEnd)? {
                        return Ok(false);
                    }
                    if !self.take(&TokenKind::BlockEntry)? {
                        return self.error_here("end of sequence not found");
                    }
                    let mark = self.mark();
                    match self.kind()? {
                        Some(TokenKind::BlockEntry | TokenKind::BlockSequenceEnd) => {
                            let empty = self.null(mark);
                            open.add(empty);
                            continue;
                        }
                        _ => return Ok(true),
                    }
                }
                Shape::FlowSequence if self.take(&TokenKind::FlowSequenceEnd)? => return Ok(false),
                Shape::FlowSequence if self.kind()?.is_none() => {
                    return self.error_here(END_OF_FLOW_SEQUENCE);
                }
                Shape::FlowSequence => return Ok(true),
                Shape::BlockMap if self.take(&TokenKind::BlockMapEnd)? => return Ok(false),
                Shape::BlockMap => match self.kind()? {
                    Some(TokenKind::Key | TokenKind::Value) => {}
                    _ => return self.error_here("end of map not found"),
                },
                Shape::FlowMap if self.take(&TokenKind::FlowMapEnd)? => return Ok(false),
                Shape::FlowMap if self.kind()?.is_none() => {
                    return self.error_here(END_OF_FLOW_MAP);
                }
                Shape::FlowMap | Shape::Pair => {}
            }
            // A pair, either half of which may be missing.
            open.mark = self.mark();
            if self.take(&TokenKind::Key)? {
                return Ok(true);
            }
            let key = self.null(open.mark);
            if self.take(&TokenKind::Value)? {
                open.key = Some(key);
                return Ok(true);
            }
            let value = self.null(open.mark);
            self.pair(open, key, value)?;
        }
    }

    fn pair(&mut self, open: &mut Open, key: Finished, value: Finished) -> Parsed {
        open.add(key);
        open.add(value);
        match open.shape {
            Shape::FlowMap => self.flow_separator(&TokenKind::FlowMapEnd, END_OF_FLOW_MAP),
            _ => Ok(()),
        }
    }

    /// A `,`, or the end, which stays.
    fn flow_separator(&mut self, end: &TokenKind, message: &str) -> Parsed {
        if self.take(&TokenKind::FlowEntry)? || self.is_next(end)? {
            return Ok(());
        }
        self.error_here(message)
    }
}

const END_OF_FLOW_SEQUENCE: &str = "end of sequence flow not found";
const END_OF_FLOW_MAP: &str = "end of map flow not found";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    BlockSequence,
    BlockMap,
    FlowSequence,
    FlowMap,
    /// `key: value` within a flow sequence, without braces.
    Pair,
}

/// A collection that is being read.
struct Open {
    id: Id,
    shape: Shape,
    /// Where it begins, and then where its last pair does.
    mark: Mark,
    anchor: Option<String>,
    weight: u64,
    /// The key whose value comes next.
    key: Option<Finished>,
    /// Elements; in maps keys and values by turns.
    children: Vec<Id>,
}

impl Open {
    fn add(&mut self, child: Finished) {
        self.weight = self.weight.saturating_add(child.weight);
        self.children.push(child.id);
    }
}
