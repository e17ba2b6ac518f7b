//! The leaves of the graph: [`Test`] says what is compared, [`Matcher`] does it fast.

use std::sync::Arc;

use super::texts::{TextMatcher, Texts};
use crate::catalogue::{Comparison, EventContext, Field, FieldFlags, FieldId, Scope};
use crate::expr::{Predicate, Right};
use crate::literal::Constant;
use crate::operand::Operand;
use crate::operators::regex::Regex;
use crate::operators::{Modifier, Op, compare};
use crate::oracle;
use crate::value::{Value, ValueType};

/// A leaf.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// The field, or one of its candidates, is one of some texts, begins with one, and so on.
    Texts(Field, Texts),
    /// Any other comparison.
    Other(Arc<Predicate>),
}

impl Test {
    pub(crate) fn new(predicate: &Arc<Predicate>) -> Self {
        match texts(predicate) {
            Some((field, texts)) => Test::Texts(field, texts),
            None => Test::Other(Arc::clone(predicate)),
        }
    }

    /// Whether it holds on no event at all.
    pub(crate) fn is_never(&self) -> bool {
        matches!(self, Test::Texts(_, texts) if texts.is_empty())
    }

    /// Whether it reads the name of the event's type.
    pub(crate) fn is_typed(&self) -> bool {
        let comparison = match self {
            Test::Texts(field, _) => field.comparison,
            Test::Other(predicate) => predicate.comparison(),
        };
        comparison == Comparison::EventType
    }

    pub(crate) fn scope(&self) -> Scope {
        match self {
            Test::Texts(field, _) => field.scope,
            Test::Other(predicate) => predicate.scope(),
        }
    }

    /// A rough price of the test, in nanoseconds, dearer if it rarely fails: only the order matters.
    pub(crate) fn cost(&self) -> u32 {
        const CANDIDATES: u32 = 5;
        match self {
            Test::Texts(field, texts) => match field.comparison {
                Comparison::AnyCandidate => CANDIDATES * (10 + texts.cost()),
                _ => 8 + texts.cost(),
            },
            Test::Other(predicate) => match (&predicate.left, predicate.op) {
                (_, Op::Regex) => 300,
                (Operand::Field(field), op) => match field.comparison {
                    Comparison::AnyCandidate => CANDIDATES * 50,
                    Comparison::EitherEnd | Comparison::HostName => 30,
                    _ if field.info.flags.contains(FieldFlags::LIST) => 150,
                    _ if field.info.ty.is_text() && op != Op::Exists => 40,
                    // Equality of numbers and truth values rejects most events.
                    _ if op == Op::Eq => 6,
                    _ => 8,
                },
                _ => 100,
            },
        }
    }
}

/// A comparison of a field with constant texts as one set, if it is one.
fn texts(predicate: &Predicate) -> Option<(Field, Texts)> {
    let Operand::Field(field) = &predicate.left else { return None };
    let Right::Constants(constants) = &predicate.right else { return None };
    if !field.info.ty.is_text() || field.info.flags.contains(FieldFlags::LIST) {
        return None;
    }
    // Modifiers over candidates only look at the first text, which the plain evaluator knows.
    match (field.comparison, predicate.modifier) {
        (Comparison::Plain | Comparison::EventType, None | Some(Modifier::AnyOf)) => {}
        (Comparison::AnyCandidate, None) => {}
        _ => return None,
    }
    let one = constants.len() == 1 || predicate.modifier.is_some();
    let mut texts = Texts::default();
    let kind = match predicate.op {
        Op::In | Op::Intersects if predicate.modifier.is_none() => &mut texts.equal,
        Op::Pmatch if predicate.modifier.is_none() => &mut texts.paths,
        Op::Eq if one => &mut texts.equal,
        Op::StartsWith if one => &mut texts.prefixes,
        Op::EndsWith if one => &mut texts.suffixes,
        Op::Contains if one => &mut texts.substrings,
        _ => return None,
    };
    for constant in constants {
        match constant {
            Constant::Text(text) => kind.insert(text.clone()),
            _ => return None,
        };
    }
    Some((*field, texts))
}

/// A leaf ready to run.
#[derive(Debug)]
pub(crate) enum Matcher {
    /// Whether the field is true (or false).
    Bool { field: FieldId, wanted: bool },
    /// A number against a bound.
    Number { field: FieldId, op: Op, bound: i128 },
    /// A number among others.
    Numbers { field: FieldId, numbers: Box<[i128]> },
    /// Whether there is a value.
    Exists { field: FieldId },
    /// A text against many.
    Texts { field: FieldId, texts: TextMatcher },
    /// Candidate after candidate against many texts.
    CandidateTexts { field: FieldId, texts: TextMatcher },
    /// A text against one other, by any operator for texts.
    Text { field: FieldId, op: Op, text: Box<[u8]> },
    /// A text against a pattern.
    Regex { field: FieldId, pattern: Regex },
    /// Whatever else.
    Other(Arc<Predicate>),
}

impl Matcher {
    pub(crate) fn new(test: &Test) -> Self {
        match test {
            Test::Texts(field, texts) => {
                let (field, texts, comparison) =
                    (field.id, TextMatcher::new(texts), field.comparison);
                match comparison {
                    Comparison::AnyCandidate => Matcher::CandidateTexts { field, texts },
                    _ => Matcher::Texts { field, texts },
                }
            }
            Test::Other(predicate) => {
                simple(predicate).unwrap_or_else(|| Matcher::Other(Arc::clone(predicate)))
            }
        }
    }

    /// The field, if its value is a text that other tests may want too.
    pub(crate) fn text_field(&self) -> Option<FieldId> {
        match self {
            Matcher::Texts { field, .. }
            | Matcher::Text { field, .. }
            | Matcher::Regex { field, .. } => Some(*field),
            _ => None,
        }
    }

    /// Whether the test holds for a text; only for those with a [`Self::text_field`].
    #[inline]
    pub(crate) fn matches_text(&self, value: &[u8]) -> bool {
        match self {
            Matcher::Texts { texts, .. } => texts.matches(value),
            Matcher::Text { op, text, .. } => compare::text(*op, value, text),
            Matcher::Regex { pattern, .. } => pattern.matches(value),
            _ => false,
        }
    }

    /// Whether the test holds on an event.
    #[inline]
    pub(crate) fn holds<C: EventContext>(&self, ctx: &C) -> bool {
        match self {
            Matcher::Bool { field, wanted } => {
                matches!(ctx.value(*field), Some(Value::Bool(b)) if b == *wanted)
            }
            Matcher::Number { field, op, bound } => {
                number(ctx, *field).is_some_and(|n| compare::order(*op, &n, bound))
            }
            Matcher::Numbers { field, numbers } => {
                number(ctx, *field).is_some_and(|n| numbers.binary_search(&n).is_ok())
            }
            Matcher::Exists { field } => ctx.value(*field).is_some(),
            Matcher::Texts { field, .. }
            | Matcher::Text { field, .. }
            | Matcher::Regex { field, .. } => {
                matches!(ctx.value(*field), Some(Value::Text(text)) if self.matches_text(&text))
            }
            Matcher::CandidateTexts { field, texts } => ctx.candidates(
                *field,
                &mut |value| matches!(value, Value::Text(text) if texts.matches(text)),
            ),
            Matcher::Other(predicate) => oracle::holds(predicate, ctx),
        }
    }
}

#[inline]
fn number<C: EventContext>(ctx: &C, field: FieldId) -> Option<i128> {
    match ctx.value(field)? {
        Value::Int(n) => Some(i128::from(n)),
        Value::Uint(n) => Some(i128::from(n)),
        _ => None,
    }
}

/// The fast form of a comparison of one plain value with constants, if it has one.
fn simple(predicate: &Predicate) -> Option<Matcher> {
    let Operand::Field(field) = &predicate.left else { return None };
    let plain = matches!(field.comparison, Comparison::Plain | Comparison::EventType);
    let list = field.info.flags.contains(FieldFlags::LIST);
    if !plain || predicate.modifier.is_some() {
        return None;
    }
    let (field, ty, op) = (field.id, field.info.ty, predicate.op);
    let constants = match &predicate.right {
        Right::Nothing if op == Op::Exists => return Some(Matcher::Exists { field }),
        Right::Constants(constants) if !list => constants.as_slice(),
        Right::Regexes(patterns) => {
            let pattern = patterns.first()?.clone();
            return Some(Matcher::Regex { field, pattern });
        }
        _ => return None,
    };
    match (op, constants) {
        (Op::Eq | Op::Ne, [Constant::Bool(b)]) => {
            Some(Matcher::Bool { field, wanted: *b == (op == Op::Eq) })
        }
        // `in` and `pmatch` are sets of texts.
        (Op::In | Op::Intersects | Op::Pmatch, [Constant::Text(_)]) => None,
        (op, [Constant::Text(text)]) => Some(Matcher::Text { field, op, text: text.clone() }),
        (Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge, [constant]) => {
            Some(Matcher::Number { field, op, bound: integer(constant)? })
        }
        (Op::In | Op::Intersects, constants) if ty != ValueType::Double => {
            let mut numbers = constants.iter().map(integer).collect::<Option<Vec<_>>>()?;
            numbers.sort_unstable();
            Some(Matcher::Numbers { field, numbers: numbers.into() })
        }
        _ => None,
    }
}

fn integer(constant: &Constant) -> Option<i128> {
    match constant {
        Constant::Int(n) => Some(i128::from(*n)),
        Constant::Uint(n) => Some(i128::from(*n)),
        _ => None,
    }
}
