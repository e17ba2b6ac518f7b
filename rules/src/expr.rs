//! Typed expressions: what [`check`](crate::check::check) makes of a condition.

/// A boolean expression over predicates.
#[derive(Clone, Debug)]
pub enum Expr {
    /// All hold; true if empty.
    And(Vec<Expr>),
    /// One holds; false if empty.
    Or(Vec<Expr>),
    /// The other does not hold.
    Not(Box<Expr>),
}
