//! The plain evaluator: walks the tree and does what the language says, nothing else.
//!
//! It is the yardstick of the compiled [`ruleset`](crate::ruleset) (property tests compare the two),
//! and what the ruleset falls back to for comparisons that have no faster form. Where libsinsp
//! deviates from its own rules, so does this; each such corner is named here.

use crate::catalogue::{Comparison, EventContext, Field};
use crate::expr::{Expr, Predicate, Right};
use crate::operand::Operand;
use crate::operators::compare::{compare, is_below, without_final_nuls};
use crate::operators::{Modifier, Op};
use crate::value::{Value, ValueType};

/// Whether `expr` holds on the event.
pub fn evaluate<C: EventContext>(expr: &Expr, ctx: &C) -> bool {
    match expr {
        Expr::And(children) => children.iter().all(|e| evaluate(e, ctx)),
        Expr::Or(children) => children.iter().any(|e| evaluate(e, ctx)),
        Expr::Not(child) => !evaluate(child, ctx),
        Expr::Test(predicate) => holds(predicate, ctx),
    }
}

/// Whether one comparison holds on the event. Without a value nothing does.
pub fn holds<C: EventContext>(predicate: &Predicate, ctx: &C) -> bool {
    let Operand::Field(field) = &predicate.left else { return generic(predicate, ctx) };
    match field.comparison {
        Comparison::Plain | Comparison::EventType => generic(predicate, ctx),
        Comparison::AnyCandidate => {
            ctx.candidates(field.id, &mut |value| lone(predicate, field.info.ty, value))
        }
        Comparison::FirstOnly if field.info.ty == ValueType::IpNet => generic(predicate, ctx),
        Comparison::FirstOnly => {
            ctx.value(field.id).is_some_and(|value| lone(predicate, field.info.ty, &value))
        }
        Comparison::EitherEnd => either_end(predicate, field, ctx),
        Comparison::HostName => host_name(predicate, field, ctx),
        Comparison::Within => within(predicate, field, ctx),
    }
}

/// The comparison as the type says.
fn generic<C: EventContext>(predicate: &Predicate, ctx: &C) -> bool {
    let Some(left) = predicate.left.value(ctx) else { return false };
    let ty = predicate.left.result();
    let right_value;
    let constants: Vec<Value<'_>>;
    let right: &[Value<'_>] = match &predicate.right {
        Right::Nothing | Right::Regexes(_) => &[],
        Right::Constants(all) => {
            constants = all.iter().map(|c| c.as_value()).collect();
            &constants
        }
        Right::Operand(operand) => match operand.value(ctx) {
            None => return false,
            Some(value) => {
                right_value = value;
                right_value.as_elements()
            }
        },
    };
    if predicate.op == Op::Exists {
        return true;
    }
    if ty.list {
        // Bytes are compared as they are: a transformed text's NUL makes it differ from constants.
        let mut elements = left.as_elements().iter();
        return match predicate.op {
            Op::In => elements.all(|e| is_member(ty.ty, e, right)),
            Op::Intersects => elements.any(|e| is_member(ty.ty, e, right)),
            _ => false,
        };
    }
    let Some(left) = left.as_elements().first() else { return false };
    match predicate.modifier {
        Some(modifier) => modified(predicate, modifier, ty.ty, left, right),
        None => match predicate.op {
            Op::In | Op::Intersects => is_member(ty.ty, &stripped(left), right),
            Op::Pmatch => is_below_any(left, right),
            Op::Regex => regex(predicate, 0, left),
            op => right.first().is_some_and(|right| compare(op, left, right)),
        },
    }
}

/// A comparison with a modifier.
fn modified(
    predicate: &Predicate,
    modifier: Modifier,
    ty: ValueType,
    left: &Value<'_>,
    right: &[Value<'_>],
) -> bool {
    let op = predicate.op;
    let (count, satisfied): (usize, &dyn Fn(usize) -> bool) = match &predicate.right {
        Right::Regexes(patterns) => (patterns.len(), &|i| regex(predicate, i, left)),
        _ => (right.len(), &|i| right.get(i).is_some_and(|right| compare(op, left, right))),
    };
    if count == 0 {
        return false;
    }
    // `= anyof` and `!= allof` are set look-ups in Falco, and an address is never found in a set of
    // networks.
    let found = || ty != ValueType::IpNet && is_member(ty, &stripped(left), right);
    match (modifier, op) {
        (Modifier::AnyOf, Op::Eq) => found(),
        (Modifier::AllOf, Op::Ne) => !found(),
        (Modifier::OneOf, _) => (0..count).filter(|&i| satisfied(i)).count() == 1,
        (Modifier::AnyOf, _) => (0..count).any(satisfied),
        (Modifier::AllOf, _) => (0..count).all(satisfied),
    }
}

/// A comparison of a value whose length Falco does not pass on: only the first constant counts, and
/// nothing but texts and networks is ever `in` a list.
fn lone(predicate: &Predicate, ty: ValueType, left: &Value<'_>) -> bool {
    match (predicate.op, &predicate.right) {
        (Op::Exists, _) => true,
        (Op::Regex, _) => regex(predicate, 0, left),
        (op, Right::Constants(all)) => match op {
            Op::In | Op::Intersects => {
                (ty.is_text() || ty == ValueType::IpNet)
                    && all.iter().any(|c| is_member(ty, &stripped(left), &[c.as_value()]))
            }
            Op::Pmatch => all.iter().any(|c| is_below_any(left, &[c.as_value()])),
            op => all.first().is_some_and(|c| compare(op, left, &c.as_value())),
        },
        _ => false,
    }
}

/// A comparison of two ends: `=` if either matches, `!=` if all differ. Only the first constant
/// counts, but for `in` over ports; addresses are never `in` a list. What would end Falco
/// (`intersects` over addresses and ports) is false.
fn either_end<C: EventContext>(predicate: &Predicate, field: &Field, ctx: &C) -> bool {
    if predicate.op == Op::Exists {
        return ctx.value(field.id).is_some();
    }
    let Right::Constants(all) = &predicate.right else { return false };
    let any_end =
        |test: &dyn Fn(&Value<'_>) -> bool| ctx.candidates(field.id, &mut |end| test(end));
    let first = |op: Op, end: &Value<'_>| all.first().is_some_and(|c| compare(op, end, &c.as_value()));
    let net = field.info.ty == ValueType::IpNet;
    let address = field.info.ty == ValueType::IpAddr;
    match predicate.op {
        Op::Ne => any_end(&|_| true) && !any_end(&|end| !first(Op::Ne, end)),
        Op::In if net => any_end(&|end| first(Op::Eq, end)),
        Op::In if address => false,
        Op::In => any_end(&|end| all.iter().any(|c| compare(Op::Eq, end, &c.as_value()))),
        Op::Intersects if net => {
            // Only sockets with one end answer.
            let mut ends = 0;
            ctx.candidates(field.id, &mut |_| {
                ends += 1;
                false
            });
            ends == 1 && any_end(&|end| first(Op::Eq, end))
        }
        Op::Intersects => false,
        op => any_end(&|end| first(op, end)),
    }
}

/// A comparison with a host's name. Falco would resolve the constant through DNS when the address
/// has no name yet; nothing is resolved here, so no constant names the address.
fn host_name<C: EventContext>(predicate: &Predicate, field: &Field, ctx: &C) -> bool {
    if ctx.value(field.id).is_some() {
        return generic(predicate, ctx);
    }
    matches!(predicate.op, Op::Exists | Op::Ne) && ctx.candidates(field.id, &mut |_| true)
}

/// Whether the distance is at most the constant.
fn within<C: EventContext>(predicate: &Predicate, field: &Field, ctx: &C) -> bool {
    const NS_PER_MS: u64 = 1_000_000;
    let Some(Value::Uint(distance)) = ctx.value(field.id) else { return false };
    let Right::Constants(all) = &predicate.right else { return false };
    match all.first().map(|c| c.as_value()) {
        Some(Value::Uint(bound)) => distance <= bound.saturating_mul(NS_PER_MS),
        _ => false,
    }
}

/// Whether `left` is among `right`: networks by containment, everything else byte by byte.
fn is_member(ty: ValueType, left: &Value<'_>, right: &[Value<'_>]) -> bool {
    right.iter().any(|right| match (left, right) {
        _ if ty == ValueType::IpNet => compare(Op::Eq, left, right),
        (Value::Text(a), Value::Text(b)) | (Value::Bytes(a), Value::Bytes(b)) => a == b,
        _ => compare(Op::Eq, left, right),
    })
}

/// Text without NULs at its end; other values as they are.
fn stripped<'v>(value: &'v Value<'_>) -> Value<'v> {
    match value {
        Value::Text(text) => Value::text(without_final_nuls(text)),
        Value::Bytes(bytes) => Value::Bytes(bytes.as_ref().into()),
        Value::Bool(b) => Value::Bool(*b),
        Value::Int(n) => Value::Int(*n),
        Value::Uint(n) => Value::Uint(*n),
        Value::Double(d) => Value::Double(*d),
        Value::Ip(ip) => Value::Ip(*ip),
        Value::Net(net) => Value::Net(*net),
        Value::List(values) => Value::List(values.iter().map(stripped).collect()),
    }
}

fn is_below_any(left: &Value<'_>, right: &[Value<'_>]) -> bool {
    right.iter().any(|right| match (left, right) {
        (Value::Text(path), Value::Text(prefix)) => is_below(prefix, path),
        _ => false,
    })
}

fn regex(predicate: &Predicate, i: usize, left: &Value<'_>) -> bool {
    match (&predicate.right, left) {
        (Right::Regexes(patterns), Value::Text(text)) => {
            patterns.get(i).is_some_and(|p| p.matches(without_final_nuls(text)))
        }
        _ => false,
    }
}
