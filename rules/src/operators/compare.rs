//! One value against one other: what each operator means.
//!
//! Text is compared up to the first NUL, as C does; only transformed text can hold one. Everything
//! here is total: an operator that does not suit the values gives false (it cannot compile either).

use memchr::memmem;

use super::{Op, glob, path};
use crate::value::Value;

/// Text up to its first NUL.
pub fn up_to_nul(text: &[u8]) -> &[u8] {
    match memchr::memchr(0, text) {
        Some(end) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// Text without the NULs at its end: how `in`, `pmatch` and `regex` see it.
pub fn without_final_nuls(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or(text)
}

/// Whether `left op right`. Sets and `regex` are not meant here: `in` and `intersects` are equality
/// with the one value, `pmatch` and `regex` are false.
pub fn compare(op: Op, left: &Value<'_>, right: &Value<'_>) -> bool {
    if op == Op::Exists {
        return true;
    }
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => text(op, up_to_nul(a), up_to_nul(b)),
        (Value::Bytes(a), Value::Bytes(b)) => bytes(op, a, b),
        (Value::Ip(ip), Value::Net(net)) => equality(op, net.contains(*ip)),
        (Value::Bool(a), Value::Bool(b)) => equality(op, a == b),
        (Value::Ip(a), Value::Ip(b)) => equality(op, a == b),
        (Value::Net(a), Value::Net(b)) => equality(op, a == b),
        (Value::Double(a), Value::Double(b)) => order(op, a, b),
        _ => match (integer(left), integer(right)) {
            (Some(a), Some(b)) => order(op, &a, &b),
            _ => false,
        },
    }
}

/// A number wide enough for both signed and unsigned ones.
fn integer(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(n) => Some(i128::from(*n)),
        Value::Uint(n) => Some(i128::from(*n)),
        _ => None,
    }
}

fn equality(op: Op, equal: bool) -> bool {
    match op {
        Op::Eq | Op::In | Op::Intersects => equal,
        Op::Ne => !equal,
        _ => false,
    }
}

/// Whether `a op b`, for what has an order.
#[inline]
pub(crate) fn order<T: PartialOrd>(op: Op, a: &T, b: &T) -> bool {
    match op {
        Op::Eq | Op::In | Op::Intersects => a == b,
        Op::Ne => a != b,
        Op::Lt => a < b,
        Op::Le => a <= b,
        Op::Gt => a > b,
        Op::Ge => a >= b,
        _ => false,
    }
}

/// Whether `a op b`, for texts without NUL.
pub(crate) fn text(op: Op, a: &[u8], b: &[u8]) -> bool {
    match op {
        Op::Contains => memmem::find(a, b).is_some(),
        Op::Icontains => contains_folded(a, b),
        Op::StartsWith => a.starts_with(b),
        Op::EndsWith => a.ends_with(b),
        Op::Glob => glob::matches(b, a, false),
        Op::Iglob => glob::matches(b, a, true),
        _ => order(op, &a, &b),
    }
}

fn bytes(op: Op, a: &[u8], b: &[u8]) -> bool {
    match op {
        Op::Contains | Op::Bcontains => memmem::find(a, b).is_some(),
        Op::StartsWith | Op::BstartsWith => a.starts_with(b),
        Op::EndsWith => a.ends_with(b),
        _ => equality(op, a == b),
    }
}

/// Whether `text` contains `wanted`, ASCII letters in either case.
pub fn contains_folded(text: &[u8], wanted: &[u8]) -> bool {
    let Some((first, rest)) = wanted.split_first() else { return true };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(lower, upper, text).any(|at| {
        text.get(at + 1..at + wanted.len()).is_some_and(|tail| tail.eq_ignore_ascii_case(rest))
    })
}

/// Whether path `text` lies at or below path `prefix`.
pub fn is_below(prefix: &[u8], text: &[u8]) -> bool {
    path::is_prefix(prefix, without_final_nuls(text))
}
