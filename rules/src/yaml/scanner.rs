//! Text → tokens.
//!
//! Indentation becomes start and end tokens of block collections. A node is a key only if a `:`
//! follows on its line, so wherever a key may stand the tokens that make it one are put down as
//! undecided, and confirmed or withdrawn later.
//!
//! What is accepted is what yaml-cpp 0.8 accepts, because Falco does: flow collections and quoted
//! scalars need no indentation, tabs may separate tokens, an undecided key at the very end is one.
//! Error texts are its too.

use super::cursor::Cursor;
use super::scalars;

/// A token with where it begins.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) offset: usize,
    pub(super) kind: TokenKind,
    /// Put down when the text had ended, where yaml-cpp is back at column 0.
    pub(super) at_end: bool,
    status: Status,
}

/// Whether a token or an indentation stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Valid,
    Undecided,
    Withdrawn,
}

/// What a token is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Name and parameters.
    Directive(String, Vec<String>),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMapStart,
    BlockSequenceEnd,
    BlockMapEnd,
    BlockEntry,
    FlowSequenceStart,
    FlowMapStart,
    FlowSequenceEnd,
    FlowMapEnd,
    FlowEntry,
    Key,
    Value,
    Anchor(String),
    Alias(String),
    /// Which one does not matter here.
    Tag,
    Plain(String),
    /// A quoted or block scalar.
    Scalar(String),
    /// Scanning stopped here.
    Error(&'static str),
    /// Scanning stopped at an escape that does not exist.
    BadEscape(char),
}

/// Why scanning stops: an error token, and where.
pub(super) type Stop = (usize, TokenKind);

/// A key cannot be longer, in bytes.
const MAX_KEY: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Collection {
    Sequence,
    Map,
}

/// A block collection that is open, if its status is valid.
struct Indent {
    column: usize,
    collection: Collection,
    status: Status,
}

/// A place where a key may have begun.
struct PossibleKey {
    /// Flow collections around it.
    level: usize,
    offset: usize,
    line: usize,
    /// Number of its key token.
    token: usize,
    /// Number of the indentation that it opened; the token before is then the map's start.
    indent: Option<usize>,
}

pub(super) struct Scanner<'t> {
    cursor: Cursor<'t>,
    tokens: Vec<Token>,
    indents: Vec<Indent>,
    flows: Vec<Collection>,
    /// At most one a level, innermost last.
    keys: Vec<PossibleKey>,
    /// Whether a key may begin here.
    key_allowed: bool,
    /// Whether a `:` right behind is a value (`"a":1` in flow collections).
    value_adjacent: bool,
    /// Whether the text has ended.
    ended: bool,
    /// The first token whose status was decided while scanning the present one.
    just_decided: Option<usize>,
}

impl<'t> Scanner<'t> {
    /// The tokens of a text; the last one is an error if there is one.
    pub(super) fn scan(text: &'t str) -> Vec<Token> {
        let mut scanner = Scanner {
            cursor: Cursor::new(text),
            tokens: Vec::new(),
            indents: Vec::new(),
            flows: Vec::new(),
            keys: Vec::new(),
            key_allowed: true,
            value_adjacent: false,
            ended: false,
            just_decided: None,
        };
        loop {
            match scanner.next() {
                Ok(true) => {}
                Ok(false) => break,
                Err((offset, kind)) => {
                    // Who reads tokens waits at an undecided one, so what is behind is not seen.
                    let undecided =
                        scanner.tokens.iter().position(|t| t.status == Status::Undecided);
                    let seen = undecided.into_iter().chain(scanner.just_decided).min();
                    scanner.tokens.truncate(seen.unwrap_or(usize::MAX));
                    scanner.push_at(offset, kind);
                    break;
                }
            }
        }
        scanner.tokens.retain(|token| token.status != Status::Withdrawn);
        scanner.tokens
    }

    fn in_flow(&self) -> bool {
        !self.flows.is_empty()
    }

    fn push_at(&mut self, offset: usize, kind: TokenKind) {
        self.tokens.push(Token { offset, kind, at_end: self.ended, status: Status::Valid });
    }

    fn push(&mut self, kind: TokenKind) {
        self.push_at(self.cursor.offset(), kind);
    }

    /// Pushes a token of `len` bytes and goes behind it.
    fn take(&mut self, kind: TokenKind, len: usize) {
        self.push(kind);
        self.cursor.advance(len);
    }

    fn error<T>(&self, message: &'static str) -> Result<T, Stop> {
        Err((self.cursor.offset(), TokenKind::Error(message)))
    }

    /// Scans one token (or what it needs before it). False at the end.
    fn next(&mut self) -> Result<bool, Stop> {
        self.just_decided = None;
        self.skip_to_token();
        self.close_blocks_deeper_than(self.cursor.column());
        let at_line_start = self.cursor.column() == 0;
        let Some(byte) = self.cursor.peek() else {
            self.ended = true;
            self.close_all_blocks();
            return Ok(false);
        };
        let separated = self.cursor.blank_or_end_at(1);
        match byte {
            b'%' if at_line_start => self.directive(),
            _ if at_line_start && self.cursor.at_document_indicator() => {
                self.document_indicator(byte)
            }
            b'[' | b'{' => self.flow_start(byte),
            b']' | b'}' => self.flow_end(byte)?,
            b',' => self.flow_entry(),
            b'-' if separated => self.block_entry()?,
            b'?' if self.cursor.blank_at(1) => self.key()?,
            b':' if self.is_value(separated) => self.value()?,
            b'*' | b'&' => self.anchor_or_alias(byte)?,
            b'!' => self.tag()?,
            b'|' | b'>' if !self.in_flow() => self.block_scalar()?,
            b'\'' | b'"' => self.quoted_scalar()?,
            _ if self.plain_may_start(byte) => self.plain_scalar()?,
            _ => return self.error("unknown token"),
        }
        Ok(true)
    }

    fn skip_to_token(&mut self) {
        loop {
            match self.cursor.peek() {
                Some(b' ') => self.cursor.advance(1),
                Some(b'\t') => {
                    // A tab is no indentation, so no key may follow it.
                    self.key_allowed &= self.in_flow();
                    self.cursor.advance(1);
                }
                Some(b'#') => self.cursor.skip_line(),
                Some(b'\n' | b'\r') => {
                    self.cursor.skip_break();
                    self.forget_key();
                    self.key_allowed |= !self.in_flow();
                }
                _ => return,
            }
        }
    }

    // Block structure.

    /// Ends the collections that a token in this column does not belong to.
    fn close_blocks_deeper_than(&mut self, column: usize) {
        if self.in_flow() {
            return;
        }
        while let Some(indent) = self.indents.last() {
            let is_entry = self.cursor.peek() == Some(b'-') && self.cursor.blank_or_end_at(1);
            // A sequence may stand in the column of the key that it is the value of.
            let ends = indent.column > column
                || indent.column == column
                    && indent.collection == Collection::Sequence
                    && !is_entry;
            if !ends {
                break;
            }
            self.close_block();
        }
        while self.indents.last().is_some_and(|indent| indent.status == Status::Withdrawn) {
            self.close_block();
        }
    }

    fn close_all_blocks(&mut self) {
        while !self.in_flow() && !self.indents.is_empty() {
            self.close_block();
        }
    }

    fn close_block(&mut self) {
        let Some(indent) = self.indents.pop() else { return };
        match indent.collection {
            _ if indent.status != Status::Valid => self.forget_key(),
            Collection::Sequence => self.push(TokenKind::BlockSequenceEnd),
            Collection::Map => self.push(TokenKind::BlockMapEnd),
        }
    }

    /// Opens a block collection here unless this column already belongs to one. Whether it did.
    fn open_block(&mut self, collection: Collection) -> bool {
        let column = self.cursor.column();
        let opens = match self.indents.last() {
            None => true,
            Some(top) if top.column == column => {
                collection == Collection::Sequence && top.collection == Collection::Map
            }
            Some(top) => top.column < column,
        };
        let opens = opens && !self.in_flow();
        if opens {
            self.push(match collection {
                Collection::Sequence => TokenKind::BlockSequenceStart,
                Collection::Map => TokenKind::BlockMapStart,
            });
            self.indents.push(Indent { column, collection, status: Status::Valid });
        }
        opens
    }

    // Keys.

    /// Puts down the tokens of a key in case that what follows is one.
    fn save_key(&mut self) {
        let level = self.flows.len();
        if !self.key_allowed || self.keys.last().is_some_and(|key| key.level == level) {
            return;
        }
        let indent = self.open_block(Collection::Map).then(|| self.indents.len() - 1);
        self.push(TokenKind::Key);
        let token = self.tokens.len() - 1;
        let key = PossibleKey {
            level,
            offset: self.cursor.offset(),
            line: self.cursor.line(),
            token,
            indent,
        };
        self.decide(&key, Status::Undecided);
        self.keys.push(key);
    }

    fn decide(&mut self, key: &PossibleKey, status: Status) {
        let first = key.token - usize::from(key.indent.is_some());
        if status != Status::Undecided {
            self.just_decided = Some(self.just_decided.map_or(first, |token| token.min(first)));
        }
        let tokens = first..=key.token;
        for token in self.tokens.get_mut(tokens).into_iter().flatten() {
            token.status = status;
        }
        // An indentation that has ended was decided then.
        if let Some(indent) = key.indent.and_then(|i| self.indents.get_mut(i)) {
            indent.status = status;
        }
    }

    /// The possible key on this level.
    fn pop_key(&mut self) -> Option<PossibleKey> {
        let level = self.flows.len();
        self.keys.pop_if(|key| key.level == level)
    }

    /// What was scanned last on this level is no key.
    fn forget_key(&mut self) {
        if let Some(key) = self.pop_key() {
            self.decide(&key, Status::Withdrawn);
        }
    }

    /// Decides the possible key on this level. Whether there was any and it is one.
    fn confirm_key(&mut self) -> bool {
        let Some(key) = self.pop_key() else { return false };
        let is_key = key.line == self.cursor.line() && self.cursor.offset() - key.offset <= MAX_KEY;
        self.decide(&key, if is_key { Status::Valid } else { Status::Withdrawn });
        is_key
    }

    // Tokens.

    fn leave_document(&mut self) {
        self.close_all_blocks();
        self.keys.clear();
        self.key_allowed = false;
        self.value_adjacent = false;
    }

    fn directive(&mut self) {
        self.leave_document();
        let offset = self.cursor.offset();
        self.cursor.advance(1);
        let name = self.cursor.take_word();
        let mut parameters = Vec::new();
        loop {
            self.cursor.skip_blanks();
            match self.cursor.peek() {
                None | Some(b'\n' | b'\r' | b'#') => break,
                Some(_) => parameters.push(self.cursor.take_word()),
            }
        }
        self.push_at(offset, TokenKind::Directive(name, parameters));
    }

    fn document_indicator(&mut self, byte: u8) {
        self.leave_document();
        let start = byte == b'-';
        self.take(if start { TokenKind::DocumentStart } else { TokenKind::DocumentEnd }, 3);
    }

    fn flow_start(&mut self, byte: u8) {
        self.save_key();
        self.key_allowed = true;
        self.value_adjacent = false;
        let (kind, collection) = match byte {
            b'[' => (TokenKind::FlowSequenceStart, Collection::Sequence),
            _ => (TokenKind::FlowMapStart, Collection::Map),
        };
        self.flows.push(collection);
        self.take(kind, 1);
    }

    /// An element of a flow collection ends; in a map it may have been a key without a value.
    fn end_flow_element(&mut self) {
        match self.flows.last().copied() {
            Some(Collection::Map) if self.confirm_key() => self.push(TokenKind::Value),
            Some(Collection::Sequence) => self.forget_key(),
            Some(Collection::Map) | None => {}
        }
    }

    fn flow_end(&mut self, byte: u8) -> Result<(), Stop> {
        self.end_flow_element();
        let kind = match (self.flows.last(), byte) {
            (Some(Collection::Sequence), b']') => TokenKind::FlowSequenceEnd,
            (Some(Collection::Map), b'}') => TokenKind::FlowMapEnd,
            _ => return self.error("illegal flow end"),
        };
        self.flows.pop();
        self.key_allowed = false;
        self.value_adjacent = true;
        self.take(kind, 1);
        Ok(())
    }

    fn flow_entry(&mut self) {
        self.end_flow_element();
        self.key_allowed = true;
        self.value_adjacent = false;
        self.take(TokenKind::FlowEntry, 1);
    }

    fn block_entry(&mut self) -> Result<(), Stop> {
        if self.in_flow() || !self.key_allowed {
            return self.error("illegal block entry");
        }
        self.open_block(Collection::Sequence);
        self.key_allowed = true;
        self.value_adjacent = false;
        self.take(TokenKind::BlockEntry, 1);
        Ok(())
    }

    /// A `?` or a `:` that no key precedes opens a map itself.
    fn open_map_here(&mut self, message: &'static str) -> Result<(), Stop> {
        if !self.in_flow() {
            if !self.key_allowed {
                return self.error(message);
            }
            self.open_block(Collection::Map);
        }
        self.key_allowed = !self.in_flow();
        Ok(())
    }

    fn key(&mut self) -> Result<(), Stop> {
        self.open_map_here("illegal map key")?;
        self.take(TokenKind::Key, 1);
        Ok(())
    }

    fn is_value(&self, separated: bool) -> bool {
        if !self.in_flow() {
            return separated;
        }
        self.value_adjacent
            || self.cursor.blank_at(1)
            || matches!(self.cursor.peek_at(1), Some(b',' | b']' | b'}'))
    }

    fn value(&mut self) -> Result<(), Stop> {
        let has_key = self.confirm_key();
        self.value_adjacent = false;
        if has_key {
            self.key_allowed = false;
        } else {
            self.open_map_here("illegal map value")?;
        }
        self.take(TokenKind::Value, 1);
        Ok(())
    }

    /// Before a node that may be a key, with no other key within it.
    fn start_node(&mut self) -> usize {
        self.save_key();
        self.key_allowed = false;
        self.value_adjacent = false;
        self.cursor.offset()
    }

    fn anchor_or_alias(&mut self, byte: u8) -> Result<(), Stop> {
        let offset = self.start_node();
        let is_alias = byte == b'*';
        self.cursor.advance(1);
        let name = self.cursor.take_while(|b| {
            !matches!(b, b'[' | b']' | b'{' | b'}' | b',' | b' ' | b'\t' | b'\r' | b'\n')
        });
        if name.is_empty() {
            return self.error(match is_alias {
                true => "alias not found after *",
                false => "anchor not found after &",
            });
        }
        if matches!(self.cursor.peek(), Some(b'[' | b'{')) {
            return self.error(match is_alias {
                true => "illegal character found while scanning alias",
                false => "illegal character found while scanning anchor",
            });
        }
        let name = name.to_owned();
        let kind = if is_alias { TokenKind::Alias(name) } else { TokenKind::Anchor(name) };
        self.push_at(offset, kind);
        Ok(())
    }

    fn tag(&mut self) -> Result<(), Stop> {
        let offset = self.start_node();
        self.cursor.advance(1);
        if self.cursor.peek() == Some(b'<') {
            self.cursor.take_while(|b| !matches!(b, b'>' | b' ' | b'\t' | b'\r' | b'\n'));
            if self.cursor.peek() != Some(b'>') {
                return self.error("end of verbatim tag not found");
            }
            self.cursor.advance(1);
        } else {
            self.cursor
                .take_while(|b| b.is_ascii_alphanumeric() || b"-!#;/?:@&=+$_.~*'()%".contains(&b));
        }
        self.push_at(offset, TokenKind::Tag);
        Ok(())
    }

    fn block_scalar(&mut self) -> Result<(), Stop> {
        let offset = self.cursor.offset();
        let parent = self.indents.last().map(|indent| indent.column);
        let text = scalars::block(&mut self.cursor, parent)?;
        // The next token is on a new line.
        self.key_allowed = true;
        self.value_adjacent = false;
        self.push_at(offset, TokenKind::Scalar(text));
        Ok(())
    }

    fn quoted_scalar(&mut self) -> Result<(), Stop> {
        let offset = self.start_node();
        let text = scalars::quoted(&mut self.cursor)?;
        self.value_adjacent = true;
        self.push_at(offset, TokenKind::Scalar(text));
        Ok(())
    }

    fn plain_may_start(&self, byte: u8) -> bool {
        match byte {
            b']' | b'}' | b'[' | b'{' | b',' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\''
            | b'"' | b'%' | b'@' | b'`' => false,
            b'?' if self.in_flow() => false,
            b'-' | b':' if self.in_flow() => {
                !matches!(self.cursor.peek_at(1), None | Some(b' ' | b'\t'))
            }
            b'-' | b'?' | b':' => !self.cursor.blank_or_end_at(1),
            _ => true,
        }
    }

    fn plain_scalar(&mut self) -> Result<(), Stop> {
        let in_flow = self.in_flow();
        let indent = match self.indents.last() {
            Some(indent) if !in_flow => indent.column + 1,
            _ => 0,
        };
        let offset = self.start_node();
        let (text, ended_by_indent) = scalars::plain(&mut self.cursor, in_flow, indent)?;
        self.key_allowed = ended_by_indent;
        self.push_at(offset, TokenKind::Plain(text));
        Ok(())
    }
}
