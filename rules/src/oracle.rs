//! The plain evaluator: walks the tree and does what the language says, nothing else. It is the
//! yardstick of the compiled [`ruleset`](crate::ruleset), not the way to run rules.

use crate::catalogue::EventContext;
use crate::expr::Expr;

/// Whether `expr` holds on the event.
pub fn evaluate<C: EventContext>(expr: &Expr, ctx: &C) -> bool {
    let _ = ctx;
    match expr {
        Expr::And(all) => all.iter().all(|e| evaluate(e, ctx)),
        Expr::Or(any) => any.iter().any(|e| evaluate(e, ctx)),
        Expr::Not(e) => !evaluate(e, ctx),
    }
}
