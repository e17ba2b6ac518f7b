//! The plain evaluator: walks the tree and does what the language says, nothing else.
//!
//! It is the yardstick of the compiled [`ruleset`](crate::ruleset) (property tests compare the two),
//! and what the ruleset falls back to for comparisons that have no faster form. Where libsinsp
//! deviates from its own rules, so does this; each such corner is named here.

use crate::catalogue::{Comparison, EventContext, Field};
use crate::expr::{Expr, Predicate, Right};
use crate::literal::Constant;
use crate::operand::Operand;
use crate::operators::compare::{compare, is_below, without_final_nuls};
use crate::operators::regex::Regex;
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
        Comparison::FirstOnly => ctx.value(field.id).is_some_and(|value| {
            // Data without bytes prints as empty text but compares as if there were none.
            let is_empty = matches!(&value, Value::Bytes(bytes) if bytes.is_empty());
            !is_empty && lone(predicate, field.info.ty, &value)
        }),
        Comparison::EitherEnd => either_end(predicate, field, ctx),
        Comparison::HostName => host_name(predicate, field, ctx),
        Comparison::Within => within(predicate, field, ctx),
    }
}

/// What stands on the right of a comparison on one event.
#[derive(Clone, Copy)]
enum Values<'a> {
    Constants(&'a [Constant]),
    Regexes(&'a [Regex]),
    Extracted(&'a [Value<'a>]),
}

impl<'a> Values<'a> {
    fn len(self) -> usize {
        match self {
            Values::Constants(all) => all.len(),
            Values::Regexes(all) => all.len(),
            Values::Extracted(all) => all.len(),
        }
    }

    fn get(self, i: usize) -> Option<Value<'a>> {
        match self {
            Values::Constants(all) => all.get(i).map(Constant::as_value),
            Values::Regexes(_) => None,
            Values::Extracted(all) => all.get(i).cloned(),
        }
    }

    fn any(self, test: impl Fn(&Value<'_>) -> bool) -> bool {
        match self {
            Values::Constants(all) => all.iter().any(|c| test(&c.as_value())),
            Values::Regexes(_) => false,
            Values::Extracted(all) => all.iter().any(test),
        }
    }

    /// Whether `left` is among them: networks by containment, everything else byte by byte.
    fn have(self, ty: ValueType, left: &Value<'_>) -> bool {
        self.any(|right| match (left, right) {
            _ if ty == ValueType::IpNet => compare(Op::Eq, left, right),
            (Value::Text(a), Value::Text(b)) | (Value::Bytes(a), Value::Bytes(b)) => a == b,
            _ => compare(Op::Eq, left, right),
        })
    }

    /// Whether `left` lies at or below one of these paths.
    fn are_above(self, left: &Value<'_>) -> bool {
        self.any(|right| match (left, right) {
            (Value::Text(path), Value::Text(prefix)) => is_below(prefix, path),
            _ => false,
        })
    }

    /// Whether `left op` the value at `i`.
    fn satisfied(self, op: Op, i: usize, left: &Value<'_>) -> bool {
        match (self, left) {
            (Values::Regexes(all), Value::Text(text)) => {
                all.get(i).is_some_and(|p| p.matches(without_final_nuls(text)))
            }
            _ => self.get(i).is_some_and(|right| compare(op, left, &right)),
        }
    }
}

/// The comparison as the type says.
fn generic<C: EventContext>(predicate: &Predicate, ctx: &C) -> bool {
    let Some(left) = predicate.left.value(ctx) else { return false };
    let ty = predicate.left.result();
    let op = predicate.op;
    let extracted;
    let right = match &predicate.right {
        Right::Nothing => return op == Op::Exists,
        Right::Constants(all) => Values::Constants(all),
        Right::Regexes(all) => Values::Regexes(all),
        Right::Operand(operand) => match operand.value(ctx) {
            None => return false,
            Some(value) => {
                extracted = value;
                Values::Extracted(extracted.as_elements())
            }
        },
    };
    if ty.list {
        // Bytes are compared as they are: a transformed text's NUL makes it differ from constants.
        let mut elements = left.as_elements().iter();
        return match op {
            Op::In => elements.all(|e| right.have(ty.ty, e)),
            Op::Intersects => elements.any(|e| right.have(ty.ty, e)),
            _ => false,
        };
    }
    let Some(left) = left.as_elements().first() else { return false };
    compared(predicate, ty.ty, left, right)
}

/// The comparison of one value, with a modifier or without.
fn compared(predicate: &Predicate, ty: ValueType, left: &Value<'_>, right: Values<'_>) -> bool {
    match (predicate.modifier, predicate.op) {
        (Some(modifier), op) => modified(op, modifier, ty, left, right),
        (None, Op::In | Op::Intersects) => right.have(ty, &stripped(left)),
        (None, Op::Pmatch) => right.are_above(left),
        (None, op) => right.satisfied(op, 0, left),
    }
}

/// A comparison with a modifier.
fn modified(
    op: Op,
    modifier: Modifier,
    ty: ValueType,
    left: &Value<'_>,
    right: Values<'_>,
) -> bool {
    let count = right.len();
    if count == 0 {
        return false;
    }
    let mut each = (0..count).map(|i| right.satisfied(op, i, left));
    // `= anyof` and `!= allof` are set look-ups in Falco, and an address is never found in a set of
    // networks.
    let found = || ty != ValueType::IpNet && right.have(ty, &stripped(left));
    match (modifier, op) {
        (Modifier::AnyOf, Op::Eq) => found(),
        (Modifier::AllOf, Op::Ne) => !found(),
        (Modifier::OneOf, _) => each.filter(|&satisfied| satisfied).count() == 1,
        (Modifier::AnyOf, _) => each.any(|satisfied| satisfied),
        (Modifier::AllOf, _) => each.all(|satisfied| satisfied),
    }
}

/// A comparison of a value whose length Falco does not pass on: only the first constant counts, and
/// nothing but texts and networks is ever `in` a list.
fn lone(predicate: &Predicate, ty: ValueType, left: &Value<'_>) -> bool {
    let right = match &predicate.right {
        Right::Nothing => return predicate.op == Op::Exists,
        Right::Constants(all) => Values::Constants(all),
        Right::Regexes(all) => Values::Regexes(all),
        Right::Operand(_) => return false,
    };
    match predicate.op {
        Op::In | Op::Intersects => {
            (ty.is_text() || ty == ValueType::IpNet) && right.have(ty, &stripped(left))
        }
        Op::Pmatch => right.are_above(left),
        op => right.satisfied(op, 0, left),
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
    let first =
        |op: Op, end: &Value<'_>| all.first().is_some_and(|c| compare(op, end, &c.as_value()));
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

/// A comparison with a host's names, of which an address may have several: `=` if one of them is the
/// constant, `!=` if none is, other operators if one of them satisfies it. (Falco compares one name
/// that it happens to find, so that of two names of the same address one never matches.) A constant
/// that is an address names that address.
fn host_name<C: EventContext>(predicate: &Predicate, field: &Field, ctx: &C) -> bool {
    let any =
        |test: &dyn Fn(&Value<'_>) -> bool| ctx.candidates(field.id, &mut |value| test(value));
    let ty = field.info.ty;
    let all = match &predicate.right {
        Right::Nothing => return predicate.op == Op::Exists && any(&|_| true),
        Right::Operand(_) => return generic(predicate, ctx),
        Right::Regexes(all) => {
            let right = Values::Regexes(all);
            return any(&|name| compared(predicate, ty, name, right));
        }
        Right::Constants(all) => all,
    };
    let right = Values::Constants(all);
    match (predicate.op, predicate.modifier) {
        (Op::In | Op::Intersects, _) | (Op::Eq, Some(Modifier::AnyOf)) => {
            any(&|candidate| all.iter().any(|constant| is_named(candidate, constant)))
        }
        (op @ (Op::Eq | Op::Ne), modifier) => {
            let named = |constant| any(&|candidate| is_named(candidate, constant));
            let mut each = all.iter().map(|constant| named(constant) == (op == Op::Eq));
            any(&|_| true)
                && match modifier {
                    None => each.next() == Some(true),
                    Some(Modifier::AnyOf) => each.any(|satisfied| satisfied),
                    Some(Modifier::AllOf) => !all.is_empty() && each.all(|satisfied| satisfied),
                    Some(Modifier::OneOf) => each.filter(|&satisfied| satisfied).count() == 1,
                }
        }
        _ => any(&|candidate| {
            matches!(candidate, Value::Text(_)) && compared(predicate, ty, candidate, right)
        }),
    }
}

/// Whether a candidate, which is an address or one of its names, goes by this constant.
fn is_named(candidate: &Value<'_>, constant: &Constant) -> bool {
    match (candidate, constant) {
        (Value::Text(name), Constant::Text(text)) => **name == **text,
        (Value::Ip(ip), Constant::Text(text)) => {
            std::str::from_utf8(text).is_ok_and(|text| text.parse() == Ok(*ip))
        }
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use crate::testing::holds;
    use crate::value::Value;

    fn text(text: &'static str) -> Value<'static> {
        Value::text(text.as_bytes())
    }

    fn list(values: &[Value<'static>]) -> Value<'static> {
        Value::List(values.to_vec())
    }

    fn ip(text: &str) -> Value<'static> {
        Value::Ip(text.parse().unwrap())
    }

    #[test]
    fn without_a_value_nothing_holds() {
        for condition in [
            "proc.name exists",
            "proc.name = x",
            "proc.name != x",
            "proc.name in (x)",
            "proc.name != allof (x)",
            "proc.name = val(fd.name)",
            "proc.aname != x",
            "fd.ip != 10.0.0.1",
        ] {
            assert!(!holds(condition, &[]), "{condition}");
            assert!(holds(&format!("not {condition}"), &[]), "{condition}");
        }
        assert!(holds("proc.name exists", &[("proc.name", text(""))]));
        // A missing right side does not hold either.
        assert!(!holds("proc.name != val(fd.name)", &[("proc.name", text("a"))]));
    }

    #[test]
    fn modifiers_count() {
        let of = |condition: &str| holds(condition, &[("proc.name", text("cat"))]);
        assert!(of("proc.name = anyof (dog, cat)"));
        assert!(of("proc.name = oneof (dog, cat)"));
        assert!(!of("proc.name = oneof (cat, cat)"));
        assert!(of("proc.name startswith allof (c, ca)"));
        assert!(!of("proc.name != allof (dog, cat)"));
        assert!(of("proc.name != oneof (dog, cat)"));
        assert!(!of("proc.name != allof ()"));
        assert!(of("proc.name regex anyof ('d.*', 'c.*')"));
    }

    #[test]
    fn lists_are_compared_as_sets() {
        let of = |condition: &str, types: &[Value<'static>]| {
            holds(condition, &[("fd.types", list(types))])
        };
        assert!(of("fd.types in (file, pipe)", &[text("file"), text("pipe")]));
        assert!(!of("fd.types in (file)", &[text("file"), text("pipe")]));
        assert!(of("fd.types intersects (file)", &[text("file"), text("pipe")]));
        assert!(of("fd.types in (file)", &[]) && of("fd.types exists", &[]));
        assert!(!of("fd.types intersects (file)", &[]));
        // The NUL that transformed texts end in makes them differ from constants.
        assert!(!of("tolower(fd.types) in (file)", &[text("FILE")]));
        assert!(of("len(fd.types) = 2", &[text("a"), text("b")]));
    }

    #[test]
    fn any_ancestor_will_do_but_only_the_first_constant_counts() {
        let of = |condition: &str| {
            let names = list(&[text("bash"), text("init")]);
            let pids = list(&[Value::Int(7), Value::Int(1)]);
            holds(condition, &[("proc.aname", names), ("proc.apid", pids)])
        };
        assert!(of("proc.aname = init") && of("proc.aname != init"));
        assert!(of("proc.aname in (x, init)"));
        assert!(!of("proc.aname = anyof (x, init)") && of("proc.aname = anyof (init, x)"));
        assert!(of("proc.aname pmatch (/x, /init)"));
        assert!(of("proc.apid = 7") && of("proc.apid < 2") && !of("proc.apid in (7)"));
    }

    #[test]
    fn ends_match_if_either_does_and_differ_if_both_do() {
        let of = |condition: &str| {
            let ends = || list(&[ip("10.0.0.1"), ip("192.168.0.1")]);
            holds(condition, &[("fd.ip", ends()), ("fd.net", ends())])
        };
        assert!(of("fd.ip = 10.0.0.1") && of("fd.ip = 192.168.0.1"));
        assert!(!of("fd.ip != 10.0.0.1") && of("fd.ip != 10.0.0.2") && of("fd.ip != ::1"));
        assert!(!of("fd.ip in (10.0.0.1)") && !of("fd.ip intersects (10.0.0.1)"));
        assert!(of("fd.net = 10.0.0.0/8") && !of("fd.net != 10.0.0.0/8"));
        assert!(
            of("fd.net in (10.0.0.0/8, 1.0.0.0/8)") && !of("fd.net in (1.0.0.0/8, 10.0.0.0/8)")
        );
        assert!(of("fd.net exists") && !of("fd.net intersects (10.0.0.0/8)"));
    }

    #[test]
    fn networks_of_one_end_are_never_found_in_a_set() {
        let of = |condition: &str| holds(condition, &[("fd.snet", ip("10.0.0.1"))]);
        assert!(of("fd.snet = 10.0.0.0/8"));
        assert!(of("fd.snet in (1.0.0.0/8, 10.0.0.0/8)"));
        assert!(!of("fd.snet = anyof (10.0.0.0/8)") && of("fd.snet = oneof (10.0.0.0/8)"));
        assert!(of("fd.snet != allof (10.0.0.0/8)"));
    }

    #[test]
    fn hosts_go_by_all_their_names_and_by_their_address() {
        let host = |names: &[&'static str]| {
            let names = names.iter().map(|name| text(name));
            list(&[ip("10.0.0.1")].into_iter().chain(names).collect::<Vec<_>>())
        };
        let of = |condition: &str| holds(condition, &[("fd.host", host(&["a.org", "b.org"]))]);
        assert!(of("fd.host = a.org") && of("fd.host = b.org") && !of("fd.host = c.org"));
        assert!(!of("fd.host != a.org") && !of("fd.host != b.org") && of("fd.host != c.org"));
        assert!(of("fd.host in (c.org, b.org)") && !of("fd.host in (c.org)"));
        assert!(of("fd.host = anyof (c.org, b.org)") && of("fd.host = allof (a.org, b.org)"));
        assert!(of("fd.host = oneof (c.org, b.org)") && !of("fd.host = oneof (a.org, b.org)"));
        assert!(of("fd.host != anyof (a.org, c.org)") && !of("fd.host != allof (a.org, c.org)"));
        assert!(of("fd.host startswith b.") && !of("fd.host startswith 10."));
        assert!(of("fd.host endswith allof (.org, b.org)") && of("fd.host glob b.*"));
        assert!(of("fd.host regex 'b.*'") && !of("fd.host regex '1.*'"));
        assert!(of("fd.host = 10.0.0.1") && !of("fd.host = 10.0.0.2"));

        // Names that could not be resolved name nobody; there is no host without an address.
        let unnamed = |condition: &str| holds(condition, &[("fd.host", host(&[]))]);
        assert!(!unnamed("fd.host = a.org") && unnamed("fd.host != a.org"));
        assert!(unnamed("fd.host != allof (a.org, b.org)") && !unnamed("fd.host != allof ()"));
        assert!(unnamed("fd.host exists") && !unnamed("fd.host contains o"));
        assert!(!holds("fd.host != a.org", &[]) && !holds("fd.host exists", &[]));
    }

    #[test]
    fn raw_arguments_know_only_their_first_constant() {
        let of = |condition: &str| holds(condition, &[("evt.rawarg", Value::Int(-1))]);
        assert!(of("evt.rawarg < 0") && of("evt.rawarg = anyof (-1, 5)"));
        assert!(!of("evt.rawarg = anyof (5, -1)") && !of("evt.rawarg in (-1)"));
    }

    #[test]
    fn times_around_another_are_within_a_distance() {
        let of = |condition: &str| holds(condition, &[("evt.around", Value::Uint(2_000_000))]);
        assert!(of("evt.around = 2") && !of("evt.around = 1"));
    }

    #[test]
    fn transformers_nest_and_join() {
        let values =
            &[("proc.name", text("Cat")), ("fd.name", text("/a/B")), ("proc.pid", Value::Int(7))];
        assert!(holds("tolower(basename(fd.name)) = b", values));
        assert!(holds("tolower(proc.name) in (cat, dog)", values));
        assert!(holds("join(\"-\", (proc.name, proc.pid)) = Cat-7", values));
        assert!(holds("concat(proc.name, fd.name) startswith Cat/", values));
        assert!(holds("proc.name = b64(\"Q2F0\")", values));
        assert!(holds("proc.name != val(fd.name)", values));
        assert!(!holds("b64(proc.name) exists", values));
    }
}
