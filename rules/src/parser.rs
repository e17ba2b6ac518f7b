//! Condition text → [`Node`]: Falco's grammar by recursive descent.
//!
//! ```text
//! Or        := And ( 'or' ( blank And | '(' Or ')' ) )*
//! And       := Not ( 'and' ( blank Not | '(' Or ')' ) )*
//! Not       := ( 'not' blank )* ( 'not(' Or ')' | Check )
//! Check     := '(' Or ')' | Left Condition | Identifier
//! Left      := Field | Transformer '(' Argument ( ',' Argument )* ')' [ '[' FieldArg ']' ]
//! Condition := 'exists' | NumOp Number | StrOp [ Modifier List ] String | ListOp List
//! ```
//!
//! The right side may also be `val(Field)` or a transformer. Names are not looked up and types are
//! not checked here ([`crate::check`] does); an identifier is a macro reference. Accepted texts,
//! positions and error texts are those of libsinsp's parser, so the odd corners are deliberate.

mod lexer;

use std::borrow::Cow;
use std::sync::Arc;

use crate::ast::{Node, NodeKind, Pos, Text};
use lexer::Lexer;

/// How deep Falco lets rule conditions nest, in grammar levels (a parenthesis takes five).
pub const RULE_DEPTH: usize = 1000;

/// How deep libsinsp lets other filters nest, in the same levels.
pub const FILTER_DEPTH: usize = 100;

const EXISTS: &str = "exists";
const NUM_OPS: &[&str] = &["<=", "<", ">=", ">"];
const SYMBOL_OPS: &[&str] = &["==", "=", "!="];
const WORD_OPS: &[&str] = &[
    "glob",
    "iglob",
    "contains",
    "icontains",
    "bcontains",
    "startswith",
    "bstartswith",
    "endswith",
    "regex",
];
const LIST_OPS: &[&str] = &["intersects", "in", "pmatch"];
const MODIFIERS: &[&str] = &["oneof", "anyof", "allof"];
const VAL: &str = "val";
const TRANSFORMERS: &[&str] =
    &["tolower", "toupper", "b64", "basename", "len", "join", "concat", "getopt"];

/// Every comparison operator, unary first, as error messages list them.
pub fn operators() -> impl Iterator<Item = &'static str> {
    [EXISTS]
        .into_iter()
        .chain([NUM_OPS, SYMBOL_OPS, WORD_OPS, LIST_OPS].into_iter().flatten().copied())
}

/// The operators whose right side is a list without a modifier.
pub fn list_operators() -> &'static [&'static str] {
    LIST_OPS
}

/// Whether `op` is a string operator with a list modifier, such as `startswith oneof`.
pub fn is_modified_operator(op: &str) -> bool {
    let Some((op, modifier)) = op.split_once(' ') else { return false };
    MODIFIERS.contains(&modifier) && (SYMBOL_OPS.contains(&op) || WORD_OPS.contains(&op))
}

/// Names of the transformers, `val` first.
pub fn transformers() -> impl Iterator<Item = &'static str> {
    [VAL].into_iter().chain(TRANSFORMERS.iter().copied())
}

/// Whether a macro of this name can be referred to: `[A-Za-z][A-Za-z0-9_]*`.
pub fn is_identifier(name: &str) -> bool {
    !name.is_empty() && lexer::identifier(name.as_bytes()) == name.len()
}

/// Whether a list of this name can be referred to: one bare word.
pub fn is_bare_string(name: &str) -> bool {
    !name.is_empty() && lexer::bare_string(name.as_bytes()) == name.len()
}

/// A condition that is not in the language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter error at index {}, line {}, column {}: {message}", pos.index, pos.line, pos.column)]
pub struct ParseError {
    /// Where the cursor stood.
    pub pos: Pos,
    /// What was expected there, in Falco's words.
    pub message: String,
}

/// Parses a rule's condition ([`RULE_DEPTH`]).
///
/// # Errors
/// If the text is not a condition or nests too deep.
pub fn parse(text: &str) -> Result<Node, ParseError> {
    parse_with_depth(text, RULE_DEPTH)
}

/// Parses a condition that may nest `max_depth` grammar levels.
///
/// # Errors
/// If the text is not a condition or nests too deep.
pub fn parse_with_depth(text: &str, max_depth: usize) -> Result<Node, ParseError> {
    run(text, max_depth, |parser| {
        if text.is_empty() {
            return Err("filter input string is empty".into());
        }
        let node = parser.or()?;
        if !parser.lexer.at_end() {
            return Err(format!(
                "unexpected token after '{}', expecting 'or', 'and'",
                parser.last()
            ));
        }
        Ok(node)
    })
}

/// Parses what may stand left of an operator: a field or a transformer. The rest of `text` is
/// ignored, as Falco does where exceptions name their fields.
///
/// # Errors
/// If `text` begins with neither.
pub fn parse_left(text: &str) -> Result<Node, ParseError> {
    parse_left_prefix(text).map(|(node, _)| node)
}

/// [`parse_left`] with the length of what was taken, in bytes: output templates go on behind it.
///
/// # Errors
/// As [`parse_left`].
pub fn parse_left_prefix(text: &str) -> Result<(Node, usize), ParseError> {
    let mut taken = 0;
    let node = run(text, FILTER_DEPTH, |parser| {
        let pos = parser.lexer.pos();
        let node = parser
            .try_left(pos)?
            .ok_or_else(|| format!("unexpected token after '{}", parser.last()))?;
        taken = parser.lexer.pos().index;
        Ok(node)
    })?;
    Ok((node, taken))
}

/// A message; the position is the cursor's when parsing stopped.
type Message = String;

fn run(
    text: &str,
    max_depth: usize,
    parse: impl FnOnce(&mut Parser<'_>) -> Result<Node, Message>,
) -> Result<Node, ParseError> {
    let mut parser = Parser { lexer: Lexer::new(text), depth: 0, max_depth };
    parse(&mut parser).map_err(|message| ParseError { pos: parser.lexer.pos(), message })
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    depth: usize,
    max_depth: usize,
}

impl Parser<'_> {
    /// Runs one grammar level, which counts against the depth limit.
    fn level<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, Message>,
    ) -> Result<T, Message> {
        if self.depth + 1 >= self.max_depth {
            return Err(format!("exceeded max depth limit of {}", self.max_depth));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn last(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.lexer.last)
    }

    fn last_string(&self) -> String {
        self.last().into_owned()
    }

    fn last_text(&self) -> Text {
        Text(self.lexer.last.to_vec())
    }

    fn expect(&mut self, token: &str, message: &str) -> Result<(), Message> {
        if self.lexer.take_str(token) { Ok(()) } else { Err(message.into()) }
    }

    fn or(&mut self) -> Result<Node, Message> {
        self.junction("or", Self::and, NodeKind::Or)
    }

    fn and(&mut self) -> Result<Node, Message> {
        self.junction("and", Self::not, NodeKind::And)
    }

    /// One or more operands joined by `word`.
    fn junction(
        &mut self,
        word: &str,
        operand: fn(&mut Self) -> Result<Node, Message>,
        kind: fn(Arc<[Node]>) -> NodeKind,
    ) -> Result<Node, Message> {
        self.level(|p| {
            let pos = p.lexer.pos();
            p.lexer.take_blank();
            let first = operand(p)?;
            p.lexer.take_blank();
            let mut others = Vec::new();
            while p.lexer.take_str(word) {
                others.push(if p.lexer.take_blank() {
                    operand(p)?
                } else if p.lexer.take_str("(") {
                    p.parenthesised()?
                } else {
                    return Err(format!("expected blank or '(' after '{word}'"));
                });
                p.lexer.take_blank();
            }
            if others.is_empty() {
                return Ok(first);
            }
            others.insert(0, first);
            Ok(Node { pos, kind: kind(others.into()) })
        })
    }

    fn not(&mut self) -> Result<Node, Message> {
        self.level(|p| {
            let pos = p.lexer.pos();
            p.lexer.take_blank();
            let mut negated = false;
            while p.lexer.take_not() {
                negated = !negated;
            }
            let child = if p.lexer.take_str("not(") {
                negated = !negated;
                p.parenthesised()?
            } else {
                p.check()?
            };
            Ok(if negated { Node { pos, kind: NodeKind::Not(Arc::new(child)) } } else { child })
        })
    }

    /// What follows an opening parenthesis.
    fn parenthesised(&mut self) -> Result<Node, Message> {
        self.level(|p| {
            p.lexer.take_blank();
            let child = p.or()?;
            p.lexer.take_blank();
            p.expect(")", "expected a ')' token")?;
            Ok(child)
        })
    }

    fn check(&mut self) -> Result<Node, Message> {
        self.level(|p| {
            let pos = p.lexer.pos();
            p.lexer.take_blank();
            if p.lexer.take_str("(") {
                return p.parenthesised();
            }
            if let Some(left) = p.try_left(pos)? {
                return p.condition(left, pos);
            }
            if p.lexer.take_identifier() {
                return Ok(Node { pos, kind: NodeKind::Identifier(p.last_string()) });
            }
            Err("expected a '(' token, a field check, or an identifier".into())
        })
    }

    /// A field or a transformer at the cursor, if there is one.
    fn try_left(&mut self, pos: Pos) -> Result<Option<Node>, Message> {
        if self.lexer.take_field_name() {
            return self.field_rest(pos).map(Some);
        }
        match self.take_transformer() {
            Some(name) => {
                self.lexer.take_blank();
                self.transformer_rest(name, pos).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The field whose name was just taken.
    fn field_rest(&mut self, pos: Pos) -> Result<Node, Message> {
        self.level(|p| {
            let name = p.last_string();
            let arg = p.argument()?;
            Ok(Node { pos, kind: NodeKind::Field { name, arg } })
        })
    }

    /// `[argument]`, if it is there.
    fn argument(&mut self) -> Result<Option<String>, Message> {
        if !self.lexer.take_str("[") {
            return Ok(None);
        }
        if !self.quoted()? && !self.lexer.take_bare_argument() {
            return Err("expected a valid field argument: a quoted string or a bare string".into());
        }
        let arg = self.last_string();
        self.expect("]", "expected a ']' token")?;
        Ok(Some(arg))
    }

    fn quoted(&mut self) -> Result<bool, Message> {
        self.lexer.take_quoted().map_err(|e| e.to_string())
    }

    /// The name of a transformer with its opening parenthesis.
    fn take_transformer(&mut self) -> Option<&'static str> {
        self.take_call(TRANSFORMERS)
    }

    fn take_call(&mut self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| {
            let mark = self.lexer.mark();
            if !self.lexer.take_str(name) {
                return false;
            }
            if self.lexer.take_str("(") {
                self.lexer.last = Cow::Borrowed(name.as_bytes());
                return true;
            }
            self.lexer.reset(mark);
            false
        })
    }

    /// The arguments of the transformer `name`, whose parenthesis is open.
    fn transformer_rest(&mut self, name: &str, pos: Pos) -> Result<Node, Message> {
        self.level(|p| {
            p.lexer.take_blank();
            let mut args = Vec::new();
            loop {
                args.push(p.transformer_arg()?);
                p.lexer.take_blank();
                if !p.lexer.take_str(",") {
                    break;
                }
            }
            p.expect(")", "expected a ')' token closing the transformer")?;
            let arg = p.argument()?;
            Ok(Node {
                pos,
                kind: NodeKind::Transformer { name: name.into(), args: args.into(), arg },
            })
        })
    }

    fn transformer_arg(&mut self) -> Result<Node, Message> {
        let pos = self.lexer.pos();
        self.level(|p| {
            p.lexer.take_blank();
            if p.lexer.take_number() || p.quoted()? {
                return Ok(Node { pos, kind: NodeKind::Value(p.last_text()) });
            }
            if p.lexer.take_str("(") {
                return p.transformer_list(pos);
            }
            // Transformers before fields here: neither is a prefix of the other.
            if let Some(name) = p.take_transformer() {
                return p.transformer_rest(name, pos);
            }
            if p.lexer.take_field_name() {
                return p.field_rest(pos);
            }
            Err("expected field transformer argument: \
                 field, transformer, quoted string, number, or transformer list"
                .into())
        })
    }

    /// The list, whose parenthesis is open, that a transformer such as `join` takes.
    fn transformer_list(&mut self, pos: Pos) -> Result<Node, Message> {
        let mut items = Vec::new();
        self.lexer.take_blank();
        if !self.lexer.take_str(")") {
            loop {
                items.push(self.transformer_list_item(pos)?);
                self.lexer.take_blank();
                if !self.lexer.take_str(",") {
                    break;
                }
                self.lexer.take_blank();
            }
            self.expect(")", "expected ')'")?;
        }
        Ok(Node { pos, kind: NodeKind::TransformerList(items.into()) })
    }

    /// Items carry the position of their list.
    fn transformer_list_item(&mut self, pos: Pos) -> Result<Node, Message> {
        if let Some(item) = self.try_left(pos)? {
            return Ok(item);
        }
        if self.quoted()? || self.lexer.take_number() {
            return Ok(Node { pos, kind: NodeKind::Value(self.last_text()) });
        }
        Err("expected transformer list argument: field, transformer, quoted string, or number"
            .into())
    }

    /// The operator and the right side.
    fn condition(&mut self, left: Node, pos: Pos) -> Result<Node, Message> {
        self.level(|p| {
            p.lexer.take_blank();
            let left = Arc::new(left);
            if p.lexer.take_str(EXISTS) {
                return Ok(Node { pos, kind: NodeKind::Unary { left, op: EXISTS.into() } });
            }
            let (op, right) = if let Some(op) = p.lexer.take_any(NUM_OPS) {
                (op.into(), p.number()?)
            } else if let Some(op) = p.lexer.take_any(SYMBOL_OPS) {
                let blank = p.lexer.take_blank();
                p.string_condition(op, blank)?
            } else if let Some(op) = p.lexer.take_word(WORD_OPS) {
                p.string_condition(op, true)?
            } else if let Some(op) = p.lexer.take_any(LIST_OPS) {
                (op.into(), p.list()?)
            } else {
                return Err(format!(
                    "expected a valid check operator: one of {}",
                    quoted_names(operators())
                ));
            };
            Ok(Node { pos, kind: NodeKind::Binary { left, op, right: Arc::new(right) } })
        })
    }

    /// What follows a string operator. A modifier needs a blank before it, and counts as one only
    /// if something like a list follows; else the word is the value.
    fn string_condition(
        &mut self,
        op: &'static str,
        blank_before: bool,
    ) -> Result<(String, Node), Message> {
        let mark = self.lexer.mark();
        if blank_before
            && let Some(modifier) = self.lexer.take_word(MODIFIERS)
            && self.list_follows()
            && !self.keyword_follows()
        {
            return Ok((format!("{op} {modifier}"), self.modified_list()?));
        }
        self.lexer.reset(mark);
        Ok((op.into(), self.string()?))
    }

    fn list_follows(&self) -> bool {
        let rest = self.lexer.rest();
        rest.first() == Some(&b'(') || lexer::identifier(rest) > 0
    }

    /// Whether `and`, `or` or `not` comes next, as a word (`_` ends one here).
    fn keyword_follows(&self) -> bool {
        let rest = self.lexer.rest();
        ["and", "or", "not"].iter().any(|word| {
            rest.strip_prefix(word.as_bytes())
                .is_some_and(|after| !after.first().is_some_and(u8::is_ascii_alphanumeric))
        })
    }

    fn number(&mut self) -> Result<Node, Message> {
        self.level(|p| {
            p.lexer.take_blank();
            let pos = p.lexer.pos();
            if let Some(call) = p.try_right_call()? {
                return Ok(call);
            }
            if p.lexer.take_number() {
                return Ok(Node { pos, kind: NodeKind::Value(p.last_text()) });
            }
            Err(expected("a number value or"))
        })
    }

    fn string(&mut self) -> Result<Node, Message> {
        self.level(|p| {
            p.lexer.take_blank();
            let pos = p.lexer.pos();
            if let Some(call) = p.try_right_call()? {
                return Ok(call);
            }
            if p.quoted()? || p.lexer.take_bare_string() {
                return Ok(Node { pos, kind: NodeKind::Value(p.last_text()) });
            }
            Err(expected("a string value or"))
        })
    }

    fn list(&mut self) -> Result<Node, Message> {
        self.level(|p| {
            p.lexer.take_blank();
            let pos = p.lexer.pos();
            if let Some(list) = p.try_list()? {
                return Ok(list);
            }
            if let Some(call) = p.try_right_call()? {
                return Ok(call);
            }
            if p.lexer.take_identifier() {
                return Ok(Node { pos, kind: NodeKind::Value(p.last_text()) });
            }
            Err(expected("a list, an identifier, or"))
        })
    }

    /// The list after a modifier.
    fn modified_list(&mut self) -> Result<Node, Message> {
        self.level(|p| {
            p.lexer.take_blank();
            let pos = p.lexer.pos();
            if let Some(list) = p.try_list()? {
                return Ok(list);
            }
            if p.lexer.take_identifier() {
                return Ok(Node { pos, kind: NodeKind::Value(p.last_text()) });
            }
            Err("expected a list or an identifier".into())
        })
    }

    /// `(value, …)`, if a parenthesis is at the cursor.
    fn try_list(&mut self) -> Result<Option<Node>, Message> {
        let pos = self.lexer.pos();
        if !self.lexer.take_str("(") {
            return Ok(None);
        }
        let mut values = Vec::new();
        // Anything that is no value makes the list an empty one, which must close here.
        if let Ok(first) = self.list_item() {
            values.push(first);
            self.lexer.take_blank();
            while self.lexer.take_str(",") {
                values.push(self.list_item()?);
                self.lexer.take_blank();
            }
        }
        self.expect(")", "expected a ')' token")?;
        Ok(Some(Node { pos, kind: NodeKind::List(values.into()) }))
    }

    fn list_item(&mut self) -> Result<Text, Message> {
        self.level(|p| {
            p.lexer.take_blank();
            if p.quoted()? || p.lexer.take_bare_string() {
                return Ok(p.last_text());
            }
            Err("expected a string value".into())
        })
    }

    /// `val(field)` or a transformer at the cursor, if there is one.
    fn try_right_call(&mut self) -> Result<Option<Node>, Message> {
        self.level(|p| {
            p.lexer.take_blank();
            let pos = p.lexer.pos();
            if p.take_call(&[VAL]).is_some() {
                return p.val_rest(pos).map(Some);
            }
            if let Some(name) = p.take_transformer() {
                p.lexer.take_blank();
                return p.transformer_rest(name, pos).map(Some);
            }
            Ok(None)
        })
    }

    fn val_rest(&mut self, pos: Pos) -> Result<Node, Message> {
        self.lexer.take_blank();
        let field_pos = self.lexer.pos();
        if !self.lexer.take_field_name() {
            return Err(format!("expected a field within '{VAL}' transformer"));
        }
        let field = self.field_rest(field_pos)?;
        self.lexer.take_blank();
        self.expect(")", "expected a ')' token closing the transformer")?;
        let arg = self.argument()?;
        Ok(Node {
            pos,
            kind: NodeKind::Transformer { name: VAL.into(), args: [field].into(), arg },
        })
    }
}

fn expected(what: &str) -> Message {
    format!("expected {what} a field with a valid transformer: {}", quoted_names(transformers()))
}

/// `'a', 'b'`.
fn quoted_names(names: impl Iterator<Item = &'static str>) -> String {
    names.map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ")
}
