//! The syntax tree of a condition, as the parser makes it and every later stage reads it.
//!
//! Node kinds and positions are those of libsinsp's `filter/ast.h`, so that conformance vectors
//! compare node by node. Nothing here resolves names: `Field` may name a field that no catalogue
//! has, `Identifier` is a macro reference that may not exist.

use std::fmt;

/// Where a node begins in the condition's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Pos {
    /// Byte offset, 0-based.
    pub index: usize,
    /// Line, 1-based.
    pub line: usize,
    /// Column, 1-based.
    pub column: usize,
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub pos: Pos,
    /// What it is.
    pub kind: NodeKind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// All children hold.
    And(Vec<Node>),
    /// Any child holds.
    Or(Vec<Node>),
    /// The child does not hold.
    Not(Box<Node>),
    /// A macro reference (or, before macros are resolved, anything that looks like one).
    Identifier(String),
    /// A constant on the right side.
    Value(Text),
    /// A list of constants on the right side.
    List(Vec<Text>),
    /// Arguments of a transformer that takes a list.
    TransformerList(Vec<Node>),
    /// `field exists`.
    Unary {
        /// Field or transformer.
        left: Box<Node>,
        /// Operator text.
        op: String,
    },
    /// `field op value`.
    Binary {
        /// Field or transformer.
        left: Box<Node>,
        /// Operator text, with its modifier (`startswith oneof`).
        op: String,
        /// Value, list, field (`val(…)`) or transformer.
        right: Box<Node>,
    },
    /// A field.
    Field {
        /// Dotted name.
        name: String,
        /// Text between `[` and `]`.
        arg: Option<String>,
    },
    /// `name(children)[arg]`.
    Transformer {
        /// Name.
        name: String,
        /// Arguments.
        args: Vec<Node>,
        /// Text between `[` and `]`.
        arg: Option<String>,
    },
}

/// A constant: conditions may hold any byte (`\xHH` escapes), so it need not be UTF-8.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(pub Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}
