//! What must hold of some comparisons whenever a whole condition holds.
//!
//! Whoever knows an event only in part, before it happens, can tell by this that no condition will hold
//! on it.

use crate::expr::{Expr, Predicate};

/// A condition over known comparisons alone that holds wherever `expr` does, and maybe elsewhere.
/// `None` if nothing can be said: `expr` may hold whatever the known ones are.
pub fn weakened(expr: &Expr, is_known: &mut dyn FnMut(&Predicate) -> bool) -> Option<Expr> {
    weaken(expr, false, is_known)
}

/// The same of `expr`, or of its opposite. An unknown comparison may be either way, so where all have to
/// hold it is left out, and where one is enough nothing can be said.
fn weaken(
    expr: &Expr,
    is_negated: bool,
    is_known: &mut dyn FnMut(&Predicate) -> bool,
) -> Option<Expr> {
    match (expr, is_negated) {
        (Expr::Test(predicate), _) if !is_known(predicate) => None,
        (Expr::Test(_), false) => Some(expr.clone()),
        (Expr::Test(_), true) => Some(Expr::Not(Box::new(expr.clone()))),
        (Expr::Not(child), _) => weaken(child, !is_negated, is_known),
        (Expr::And(children), false) | (Expr::Or(children), true) => {
            let all = children.iter().filter_map(|child| weaken(child, is_negated, is_known));
            let all: Vec<Expr> = all.collect();
            (!all.is_empty()).then_some(Expr::And(all))
        }
        (Expr::Or(children), false) | (Expr::And(children), true) => {
            let any = children.iter().map(|child| weaken(child, is_negated, is_known));
            any.collect::<Option<Vec<Expr>>>().map(Expr::Or)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalogue::EventContext;
    use crate::check::check;
    use crate::oracle::evaluate;
    use crate::parser::parse;
    use crate::testing::{Event, Fields};
    use crate::value::Value;

    fn is_path(predicate: &Predicate) -> bool {
        predicate.left.name() == "fd.name"
    }

    fn of(fields: &mut Fields, condition: &str) -> Expr {
        check(&parse(condition).unwrap(), fields).unwrap().expr
    }

    /// What is left of a condition holds on a path.
    fn left(condition: &str, path: &'static str) -> Option<bool> {
        let mut fields = Fields::default();
        let expr = weakened(&of(&mut fields, condition), &mut is_path)?;
        let event = Event::new(&fields, &[("fd.name", Value::text(path.as_bytes()))]);
        Some(evaluate(&expr, &event))
    }

    #[test]
    fn only_what_is_known_is_left() {
        let etc = "fd.name startswith /etc";
        let known = format!("evt.num > 5 and {etc} and not fd.name in (/etc/a, /etc/b)");
        assert_eq!(left(&known, "/lib/a"), Some(false));
        assert_eq!(left(&known, "/etc/a"), Some(false));
        assert_eq!(left(&known, "/etc/c"), Some(true));
        assert_eq!(left(&format!("not (evt.num > 5 or {etc})"), "/etc/c"), Some(false));
        assert_eq!(left(&format!("not (evt.num > 5 or {etc})"), "/lib"), Some(true));
    }

    #[test]
    fn nothing_is_said_where_the_unknown_is_enough() {
        let etc = "fd.name startswith /etc";
        assert_eq!(left("evt.num > 5", "/lib"), None);
        assert_eq!(left(&format!("evt.num > 5 or {etc}"), "/lib"), None);
        assert_eq!(left(&format!("not (evt.num > 5 and {etc})"), "/etc/a"), None);
    }

    fn a_condition() -> impl Strategy<Value = String> {
        let test = prop_oneof![
            Just("fd.name startswith /a".to_owned()),
            Just("fd.name = /b".to_owned()),
            Just("fd.name exists".to_owned()),
            Just("evt.num > 5".to_owned()),
            Just("proc.name = x".to_owned()),
        ];
        test.prop_recursive(4, 16, 3, |inner| {
            let two = (inner.clone(), inner.clone());
            prop_oneof![
                two.clone().prop_map(|(a, b)| format!("({a} and {b})")),
                two.prop_map(|(a, b)| format!("({a} or {b})")),
                inner.prop_map(|a| format!("not ({a})")),
            ]
        })
    }

    fn implies<C: EventContext>(expr: &Expr, weak: Option<&Expr>, ctx: &C) -> bool {
        !evaluate(expr, ctx) || weak.is_none_or(|weak| evaluate(weak, ctx))
    }

    proptest! {
        #[test]
        fn what_holds_whole_holds_weakened(
            condition in a_condition(),
            path in proptest::option::of(prop_oneof![Just("/a/x"), Just("/b"), Just("/c")]),
            num in prop_oneof![Just(1_u64), Just(9)],
            name in prop_oneof![Just("x"), Just("y")],
        ) {
            let mut fields = Fields::default();
            let expr = of(&mut fields, &condition);
            let weak = weakened(&expr, &mut is_path);
            let mut values =
                vec![("evt.num", Value::Uint(num)), ("proc.name", Value::text(name.as_bytes()))];
            values.extend(path.map(|path| ("fd.name", Value::text(path.as_bytes()))));
            let event = Event::new(&fields, &values);
            prop_assert!(implies(&expr, weak.as_ref(), &event));
            // It looks at nothing that is not known.
            values.retain(|(name, _)| *name == "fd.name");
            let known = Event::new(&fields, &values);
            let answers = weak.map(|weak| (evaluate(&weak, &event), evaluate(&weak, &known)));
            prop_assert!(answers.is_none_or(|(with, without)| with == without));
        }
    }
}
