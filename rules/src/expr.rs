//! Typed expressions: what [`check`](crate::check::check) makes of a condition.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::catalogue::{Comparison, Scope};
use crate::literal::Constant;
use crate::operand::Operand;
use crate::operators::regex::Regex;
use crate::operators::{Modifier, Op};

/// A boolean expression over predicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// All hold; true if empty.
    And(Vec<Expr>),
    /// One holds; false if empty.
    Or(Vec<Expr>),
    /// The other does not hold.
    Not(Box<Expr>),
    /// A single comparison.
    Test(Arc<Predicate>),
}

/// A comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Predicate {
    /// What is compared.
    pub left: Operand,
    /// How.
    pub op: Op,
    /// How many values on the right must satisfy the operator, if it has a list that it would not
    /// take by itself.
    pub modifier: Option<Modifier>,
    /// With what.
    pub right: Right,
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Nothing (`exists`).
    Nothing,
    /// Constants of the left side's type; one, unless the operator takes a list.
    Constants(Vec<Constant>),
    /// Patterns of `regex`.
    Regexes(Vec<Regex>),
    /// Another field or transformer.
    Operand(Operand),
}

impl Predicate {
    /// How the left side deviates from the generic comparison.
    pub fn comparison(&self) -> Comparison {
        match &self.left {
            Operand::Field(field) => field.comparison,
            _ => Comparison::Plain,
        }
    }

    /// How long a verdict holds.
    pub fn scope(&self) -> Scope {
        match &self.right {
            Right::Operand(right) => self.left.scope().max(right.scope()),
            _ => self.left.scope(),
        }
    }

    /// The hosts whose addresses must be known to compare: what the event's host is said to be, not
    /// texts that are only a part of its name.
    fn host_names(&self) -> impl Iterator<Item = &[u8]> {
        let names_hosts = self.comparison() == Comparison::HostName
            && matches!(self.op, Op::Eq | Op::Ne | Op::In | Op::Intersects);
        let constants = match &self.right {
            Right::Constants(constants) if names_hosts => constants.as_slice(),
            _ => &[],
        };
        constants.iter().filter_map(Constant::as_bytes)
    }
}

impl Expr {
    /// How long a verdict holds.
    pub fn scope(&self) -> Scope {
        match self {
            Expr::And(children) | Expr::Or(children) => {
                children.iter().map(Expr::scope).max().unwrap_or(Scope::Process)
            }
            Expr::Not(child) => child.scope(),
            Expr::Test(predicate) => predicate.scope(),
        }
    }

    /// Adds the names of hosts that comparisons have constants of.
    pub(crate) fn collect_host_names(&self, names: &mut BTreeSet<Box<[u8]>>) {
        match self {
            Expr::And(children) | Expr::Or(children) => {
                children.iter().for_each(|child| child.collect_host_names(names));
            }
            Expr::Not(child) => child.collect_host_names(names),
            Expr::Test(predicate) => names.extend(predicate.host_names().map(Box::from)),
        }
    }
}
