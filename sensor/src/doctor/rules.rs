//! What rules miss of a source that tells less than a kernel, for reading and for programs.

use serde_json::{Value, json};

use super::checks::Grade;
use super::report::line;
use crate::limits::{Limits, Miss};

/// For reading. `scope` is of what it is true, if not of everything: in parentheses, or empty.
pub fn text(limits: &Limits, scope: &str, out: &mut String) {
    let Limits { rules, blind, partly } = limits;
    let whole = rules - blind.len() - partly.len();
    let found = format!(
        "{whole} of {rules} see all that they look for, {} a part of it, {} nothing{scope}",
        partly.len(),
        blind.len()
    );
    let grade = if whole == *rules { Grade::Ok } else { Grade::Note };
    line(out, grade, "rules", &found, None);
    for miss in blind {
        line(out, Grade::Note, "cannot fire", &miss.rule, Some(&miss.texts().join("; ")));
    }
    for (reason, rules) in limits.partly_by_reason() {
        let by = format!("by {}", rules.join(", "));
        line(out, Grade::Note, "seen in part", &reason, Some(&by));
    }
}

/// For programs.
pub fn json(limits: &Limits) -> Value {
    let misses = |misses: &[Miss]| -> Value {
        let one = |miss: &Miss| json!({ "rule": miss.rule, "why": miss.texts() });
        misses.iter().map(one).collect()
    };
    json!({
        "enabled": limits.rules,
        "cannot_fire": misses(&limits.blind),
        "seen_in_part": misses(&limits.partly),
    })
}
