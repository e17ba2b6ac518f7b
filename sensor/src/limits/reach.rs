//! Whether a condition can hold for an event of a system call, as a source tells it.
//!
//! Comparisons with what is never told have a known outcome: in gVisor nobody has logged in, and a path
//! of which only the pointer is told begins with nothing. All others may hold or not. So a condition is
//! false for certain, true for certain, or neither; only the first is news.

use falco_enrich::selection;
use falco_event::Syscall;
use falco_rules::ast::{Node, NodeKind, Text};
use falco_source::coverage::Known;

use super::Witness;

/// Whether `condition` can hold for an event of `call`; of any, if none is given.
pub fn can_hold(condition: &Node, witness: &dyn Witness, call: Option<&Syscall>) -> bool {
    holds(condition, witness, call) != Some(false)
}

/// The outcome, if it is certain.
fn holds(node: &Node, witness: &dyn Witness, call: Option<&Syscall>) -> Option<bool> {
    match &node.kind {
        NodeKind::And(nodes) => all(nodes.iter().map(|node| holds(node, witness, call))),
        NodeKind::Or(nodes) => {
            all(nodes.iter().map(|node| holds(node, witness, call).map(|holds| !holds)))
                .map(|none| !none)
        }
        NodeKind::Not(node) => holds(node, witness, call).map(|holds| !holds),
        NodeKind::Binary { left, op, right } => {
            about_type(node, call).or_else(|| compared(left, op, right, witness, call))
        }
        _ => None,
    }
}

/// Whether all hold.
fn all(outcomes: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut is_certain = true;
    for outcome in outcomes {
        match outcome {
            Some(false) => return Some(false),
            Some(true) => {}
            None => is_certain = false,
        }
    }
    is_certain.then_some(true)
}

/// The outcome of a comparison of the event's type.
fn about_type(node: &Node, call: Option<&Syscall>) -> Option<bool> {
    let calls = selection::of_condition(node).ok()?;
    (calls != selection::all()).then(|| call.map(|call| calls.contains(call.id)))?
}

/// The outcome of a comparison with a field.
fn compared(
    left: &Node,
    op: &str,
    right: &Node,
    witness: &dyn Witness,
    call: Option<&Syscall>,
) -> Option<bool> {
    let NodeKind::Field { name, arg } = &left.kind else { return None };
    match witness.known(name, arg.as_deref(), call)? {
        Known::Number(known) => with_number(known, op, right),
        Known::AtLeast(least) => with_at_least(least, op, right),
        Known::Text(known) => with_text(known, op, right),
        Known::AtMost("") => with_nothing(op, right),
        // It is as if it were that, but for a comparison that holds of nothing.
        Known::AtMost(known) => with_text(known, op, right).filter(|holds| !holds && op != "!="),
    }
}

fn number(text: &Text) -> Option<i64> {
    std::str::from_utf8(&text.0).ok()?.trim().parse::<i64>().ok()
}

/// A comparison of a known number.
fn with_number(known: i64, op: &str, right: &Node) -> Option<bool> {
    match &right.kind {
        NodeKind::Value(text) => {
            let right = number(text)?;
            Some(match op {
                "=" | "==" => known == right,
                "!=" => known != right,
                "<" => known < right,
                "<=" => known <= right,
                ">" => known > right,
                ">=" => known >= right,
                _ => return None,
            })
        }
        NodeKind::List(texts) if op == "in" => {
            let numbers = texts.iter().map(number).collect::<Option<Vec<_>>>()?;
            Some(numbers.contains(&known))
        }
        _ => None,
    }
}

/// A comparison of a number that is not below `least`.
fn with_at_least(least: i64, op: &str, right: &Node) -> Option<bool> {
    let is_below = |text: &Text| number(text).map(|right| right < least);
    match &right.kind {
        NodeKind::Value(text) => {
            let (right, is_below) = (number(text)?, is_below(text)?);
            match op {
                "=" | "==" | "<=" => is_below.then_some(false),
                "!=" | ">" => is_below.then_some(true),
                "<" => (right <= least).then_some(false),
                ">=" => (right <= least).then_some(true),
                _ => None,
            }
        }
        NodeKind::List(texts) if op == "in" => {
            texts.iter().all(|text| is_below(text) == Some(true)).then_some(false)
        }
        _ => None,
    }
}

/// A comparison of a known text, or value.
fn with_text(known: &str, op: &str, right: &Node) -> Option<bool> {
    let is_known = |text: &Text| text.0 == known.as_bytes();
    match (&right.kind, op) {
        (NodeKind::Value(text), "=" | "==") => Some(is_known(text)),
        (NodeKind::Value(text), "!=") => Some(!is_known(text)),
        (NodeKind::List(texts), "in") => Some(texts.iter().any(is_known)),
        _ => None,
    }
}

/// A comparison of what has no text: that it has a certain one, or a part of it, is false.
fn with_nothing(op: &str, right: &Node) -> Option<bool> {
    let is_something = match &right.kind {
        NodeKind::Value(text) => !text.0.is_empty(),
        NodeKind::List(texts) => texts.iter().all(|text| !text.0.is_empty()),
        _ => false,
    };
    let asks_for_it = matches!(
        op,
        "=" | "=="
            | "in"
            | "intersects"
            | "contains"
            | "icontains"
            | "bcontains"
            | "startswith"
            | "bstartswith"
            | "endswith"
            | "pmatch"
    );
    (is_something && asks_for_it).then_some(false)
}

#[cfg(test)]
mod tests {
    use falco_rules::parser;

    use super::*;
    use crate::limits::{Gvisor, Ptrace};

    fn can(witness: &dyn Witness, condition: &str, call: &str) -> bool {
        let node = parser::parse(condition).unwrap();
        can_hold(&node, witness, Some(Syscall::by_name(call).unwrap()))
    }

    #[test]
    fn what_fails_is_not_told_of_births() {
        for (condition, call, expected) in [
            ("evt.type = clone and evt.res != SUCCESS", "clone", false),
            ("evt.type = clone and not evt.res = SUCCESS", "clone", false),
            ("evt.type = clone and evt.res = SUCCESS", "clone", true),
            ("evt.type in (clone, fork) and evt.res in (EAGAIN, ENOMEM)", "fork", false),
            ("evt.type = clone and evt.failed = true", "clone", false),
            ("evt.type = clone and evt.rawres < 0", "clone", false),
            ("evt.type = clone and evt.rawres in (-11, -12)", "clone", false),
            ("evt.type = clone and evt.rawres in (-11, 0)", "clone", true),
            ("evt.type = clone and evt.rawres = -11", "clone", false),
            ("evt.type = clone and evt.rawres > 0", "clone", true),
            ("evt.type = clone and not evt.rawres >= 0", "clone", false),
            ("evt.type = open and evt.res != SUCCESS", "open", true),
        ] {
            assert_eq!(can(&Ptrace, condition, call), expected, "{condition} for {call}");
        }
    }

    #[test]
    fn what_only_engines_know_is_compared_in_vain() {
        for (condition, expected) in [
            ("container.image.repository = nginx", false),
            ("container.id != host and container.image.repository in (a, b)", false),
            ("container.id != host and not container.image.repository in (a, b)", true),
            ("container.image.repository != nginx", true),
            ("container.privileged = true", false),
            ("container.privileged = false", true),
            ("not container.privileged = false", true),
            ("container.privileged != true", true),
            ("not container.privileged != true", true),
            ("k8s.ns.name startswith kube", false),
            ("container.name = host", true),
        ] {
            let condition = format!("evt.type = open and {condition}");
            assert_eq!(can(&Ptrace, &condition, "open"), expected, "{condition}");
        }
    }

    #[test]
    fn what_compares_with_something_unknown_cannot_hold() {
        for (condition, call, expected) in [
            // There are no logins.
            ("evt.type = execve and user.loginuid >= 0", "execve", false),
            ("evt.type = execve and user.loginuid = -1", "execve", true),
            ("evt.type = execve and not user.loginuid != -1", "execve", true),
            ("evt.type = execve and (user.loginuid != -1 or proc.name = sh)", "execve", true),
            ("user.loginuid in (1000, 1001) and proc.name = sh", "execve", false),
            // Whether there is a terminal is told, though not which.
            ("evt.type = execve and proc.tty != 0", "execve", true),
            // Of unlink just a pointer is told, of open the path.
            ("evt.type in (unlink, open) and fs.path.name startswith /etc", "unlink", false),
            ("evt.type in (unlink, open) and fs.path.name startswith /etc", "open", true),
            ("evt.type = unlink and fs.path.name != /etc/x", "unlink", true),
            ("evt.type = unlink and fs.path.name exists", "unlink", true),
            ("evt.type = unlink and fs.path.name glob *", "unlink", true),
            ("evt.type = unlink and not fs.path.name in (/etc/x, /etc/y)", "unlink", true),
            ("evt.type = openat2 and fd.name = /etc/shadow", "openat2", false),
            ("evt.type = openat and fd.name = /etc/shadow", "openat", true),
            ("evt.type = mount and evt.arg.dir = /host", "mount", false),
            ("evt.type = mount and evt.arg.flags contains MS_BIND", "mount", true),
            // Each call by itself.
            (
                "(evt.type = open and fd.name = /a) or (evt.type = unlink and fs.path.name = /a)",
                "unlink",
                false,
            ),
            ("evt.buffer contains secret", "write", false),
            ("thread.cap_effective contains CAP_SYS_ADMIN", "execve", false),
        ] {
            assert_eq!(can(&Gvisor, condition, call), expected, "{condition} for {call}");
        }
        let any = parser::parse("user.loginuid != -1").unwrap();
        assert!(!can_hold(&any, &Gvisor, None));
        let any = parser::parse("evt.type = open and proc.name = x").unwrap();
        assert!(can_hold(&any, &Gvisor, None));
    }
}
