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
    /// Collections that are open.
    depth: usize,
    /// Whether the innermost collection is a flow sequence, in which `a: b` is a map.
    in_flow_sequence: bool,
    end: usize,
}

impl Parser {
    pub(super) fn parse(text: &str) -> Parsed<Documents> {
        let mut parser = Parser {
            lines: Lines::new(text),
            tokens: Scanner::scan(text).into_iter().peekable(),
            documents: Documents::default(),
            anchors: HashMap::new(),
            depth: 0,
            in_flow_sequence: false,
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
        let offset = self.tokens.peek().map_or(self.end, |token| token.offset);
        self.lines.token_mark(offset)
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
                let mark = self.mark();
                return self.error(mark, message);
            }
            self.tokens.next();
        }
        Ok(true)
    }

    fn document(&mut self) -> Parsed {
        let before = self.tokens.len();
        self.anchors.clear();
        self.take(&TokenKind::DocumentStart)?;
        let root = self.node()?;
        self.documents.roots.push(root.id);
        while self.take(&TokenKind::DocumentEnd)? {}
        // What follows is the next document, but a token that begins none would be so for ever.
        if self.tokens.len() == before {
            let mark = self.mark();
            return self.error(mark, "unexpected token");
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

    fn node(&mut self) -> Parsed<Finished> {
        let mark = self.mark();
        match self.kind()? {
            None => return Ok(self.null(mark)),
            // A value by itself belongs to a map without braces.
            Some(TokenKind::Value) => {
                return self.collection(mark, None, Self::map_of_one_without_key);
            }
            Some(TokenKind::Alias(name)) => {
                let name = name.clone();
                let Some(finished) = self.anchors.get(&name).copied() else {
                    return self
                        .error(mark, format!("the referenced anchor is not defined: {name}"));
                };
                self.tokens.next();
                return Ok(finished);
            }
            Some(_) => {}
        }
        let (anchor, tagged) = self.properties()?;
        let in_flow_sequence = self.in_flow_sequence;
        let node = match self.kind()? {
            Some(TokenKind::Plain(_) | TokenKind::Scalar(_)) => match self.tokens.next() {
                Some(Token { kind: TokenKind::Plain(text), .. })
                    if !tagged && scalar::is_null(&text) =>
                {
                    self.null(mark)
                }
                Some(Token { kind: TokenKind::Plain(text) | TokenKind::Scalar(text), .. }) => {
                    self.push(mark, Content::Scalar(text))
                }
                _ => self.null(mark),
            },
            Some(TokenKind::FlowSequenceStart) => {
                return self.collection(mark, anchor, Self::flow_sequence);
            }
            Some(TokenKind::FlowMapStart) => {
                return self.collection(mark, anchor, Self::flow_map);
            }
            Some(TokenKind::BlockSequenceStart) => {
                return self.collection(mark, anchor, Self::block_sequence);
            }
            Some(TokenKind::BlockMapStart) => {
                return self.collection(mark, anchor, Self::block_map);
            }
            Some(TokenKind::Key) if in_flow_sequence => {
                return self.collection(mark, anchor, Self::map_of_one);
            }
            _ if tagged => self.push(mark, Content::Scalar(String::new())),
            _ => self.null(mark),
        };
        Ok(self.finish(node, anchor))
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
            let mark = self.mark();
            return self.error(mark, message);
        }
    }

    /// A collection whose content `read` reads.
    fn collection(
        &mut self,
        mark: Mark,
        anchor: Option<String>,
        read: fn(&mut Self, &mut Building) -> Parsed,
    ) -> Parsed<Finished> {
        if self.depth >= MAX_DEPTH {
            return self.error(mark, "bad file");
        }
        self.depth += 1;
        let around = self.in_flow_sequence;
        self.in_flow_sequence = false;
        let node = self.null(mark);
        let mut building = Building { weight: node.weight, ..Building::default() };
        read(self, &mut building)?;
        self.in_flow_sequence = around;
        self.depth -= 1;
        if building.weight > MAX_NODES {
            return self.error(mark, format!("more than {MAX_NODES} nodes, aliases expanded"));
        }
        let Building { content, weight, .. } = building;
        self.documents.set(node.id, content);
        Ok(self.finish(Finished { weight, ..node }, anchor))
    }

    /// Whether the collection that `end` ends goes on; takes `end` if not. What goes on must begin
    /// with one of `entries`.
    fn goes_on(&mut self, entries: &[TokenKind], end: &TokenKind, message: &str) -> Parsed<bool> {
        if self.take(end)? {
            return Ok(false);
        }
        match self.kind()? {
            Some(kind) if entries.contains(kind) => Ok(true),
            _ => {
                let mark = self.mark();
                self.error(mark, message)
            }
        }
    }

    fn block_sequence(&mut self, building: &mut Building) -> Parsed {
        self.tokens.next();
        let (entry, end) = ([TokenKind::BlockEntry], TokenKind::BlockSequenceEnd);
        while self.goes_on(&entry, &end, "end of sequence not found")? {
            self.tokens.next();
            let mark = self.mark();
            let empty =
                matches!(self.kind()?, Some(TokenKind::BlockEntry | TokenKind::BlockSequenceEnd));
            let node = if empty { self.null(mark) } else { self.node()? };
            building.item(node);
        }
        Ok(())
    }

    fn block_map(&mut self, building: &mut Building) -> Parsed {
        self.tokens.next();
        building.content = Content::Map(Vec::new());
        let (entries, end) = ([TokenKind::Key, TokenKind::Value], TokenKind::BlockMapEnd);
        while self.goes_on(&entries, &end, "end of map not found")? {
            let has_key = self.is_next(&TokenKind::Key)?;
            self.pair(has_key, building)?;
        }
        Ok(())
    }

    /// A key and its value, either of which may be missing. `has_key` if a key token comes next.
    fn pair(&mut self, has_key: bool, building: &mut Building) -> Parsed {
        let mark = self.mark();
        let key = if has_key {
            self.tokens.next();
            self.node()?
        } else {
            self.null(mark)
        };
        let value = if self.take(&TokenKind::Value)? { self.node()? } else { self.null(mark) };
        building.pair(key, value);
        Ok(())
    }

    fn flow_sequence(&mut self, building: &mut Building) -> Parsed {
        self.tokens.next();
        self.in_flow_sequence = true;
        while !self.take(&TokenKind::FlowSequenceEnd)? {
            self.not_at_end("end of sequence flow not found")?;
            let node = self.node()?;
            building.item(node);
            self.flow_separator(&TokenKind::FlowSequenceEnd, "end of sequence flow not found")?;
        }
        Ok(())
    }

    fn flow_map(&mut self, building: &mut Building) -> Parsed {
        self.tokens.next();
        building.content = Content::Map(Vec::new());
        while !self.take(&TokenKind::FlowMapEnd)? {
            self.not_at_end("end of map flow not found")?;
            let has_key = self.is_next(&TokenKind::Key)?;
            self.pair(has_key, building)?;
            self.flow_separator(&TokenKind::FlowMapEnd, "end of map flow not found")?;
        }
        Ok(())
    }

    fn not_at_end(&mut self, message: &str) -> Parsed {
        if self.kind()?.is_none() {
            let mark = self.mark();
            return self.error(mark, message);
        }
        Ok(())
    }

    /// A `,`, or the end, which stays.
    fn flow_separator(&mut self, end: &TokenKind, message: &str) -> Parsed {
        if self.take(&TokenKind::FlowEntry)? || self.is_next(end)? {
            return Ok(());
        }
        let mark = self.mark();
        self.error(mark, message)
    }

    /// `key: value` as an element of a flow sequence.
    fn map_of_one(&mut self, building: &mut Building) -> Parsed {
        building.content = Content::Map(Vec::new());
        self.pair(true, building)
    }

    /// `: value` by itself.
    fn map_of_one_without_key(&mut self, building: &mut Building) -> Parsed {
        building.content = Content::Map(Vec::new());
        let mark = self.mark();
        let key = self.null(mark);
        self.tokens.next();
        let value = self.node()?;
        building.pair(key, value);
        Ok(())
    }
}

/// A collection that is being read.
struct Building {
    content: Content,
    weight: u64,
}

impl Default for Building {
    fn default() -> Self {
        Building { content: Content::Sequence(Vec::new()), weight: 0 }
    }
}

impl Building {
    fn item(&mut self, node: Finished) {
        self.weight = self.weight.saturating_add(node.weight);
        if let Content::Sequence(items) = &mut self.content {
            items.push(node.id);
        }
    }

    fn pair(&mut self, key: Finished, value: Finished) {
        self.weight = self.weight.saturating_add(key.weight).saturating_add(value.weight);
        if let Content::Map(pairs) = &mut self.content {
            pairs.push((key.id, value.id));
        }
    }
}
