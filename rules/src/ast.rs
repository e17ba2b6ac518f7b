//! The syntax tree of a condition, as the parser makes it and every later stage reads it.
//!
//! Node kinds and positions are those of libsinsp's `filter/ast.h`, so that conformance vectors
//! compare node by node. Nothing here resolves names: `Field` may name a field that no catalogue
//! has, `Identifier` is a macro reference that may not exist.
//!
//! What is below a node is shared, not copied, when the node is: every rule holds the macros that it
//! uses, and most use the same ones.

use std::fmt;
use std::sync::Arc;

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
    And(Arc<[Node]>),
    /// Any child holds.
    Or(Arc<[Node]>),
    /// The child does not hold.
    Not(Arc<Node>),
    /// A macro reference (or, before macros are resolved, anything that looks like one).
    Identifier(String),
    /// A constant on the right side.
    Value(Text),
    /// A list of constants on the right side.
    List(Arc<[Text]>),
    /// Arguments of a transformer that takes a list.
    TransformerList(Arc<[Node]>),
    /// `field exists`.
    Unary {
        /// Field or transformer.
        left: Arc<Node>,
        /// Operator text.
        op: String,
    },
    /// `field op value`.
    Binary {
        /// Field or transformer.
        left: Arc<Node>,
        /// Operator text, with its modifier (`startswith oneof`).
        op: String,
        /// Value, list, field (`val(…)`) or transformer.
        right: Arc<Node>,
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
        args: Arc<[Node]>,
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
