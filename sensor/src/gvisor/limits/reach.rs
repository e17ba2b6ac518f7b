//! Whether a condition can hold for an event of a system call, as gVisor tells it.
//!
//! Comparisons with what is never told have a known outcome: nobody has logged in, and a path of which
//! only the pointer is told begins with nothing. All others may hold or not. So a condition is
//! false for certain, true for certain, or neither; only the first is news.

use falco_enrich::selection;
use falco_event::{EventFlags, ParamType, Syscall};
use falco_gvisor::points::{Told, Version, told};
use falco_rules::ast::{Node, NodeKind, Text};

/// Whether `condition` can hold for an event of `call`; of any, if none is given.
pub fn can_hold(condition: &Node, call: Option<&Syscall>) -> bool {
    let raw = call.filter(|call| matches!(told(call, Version::V2024), Told::Raw(_)));
    holds(condition, call, raw) != Some(false)
}

/// The outcome, if it is certain. `raw` is the call if only its numbers are told.
fn holds(node: &Node, call: Option<&Syscall>, raw: Option<&Syscall>) -> Option<bool> {
    match &node.kind {
        NodeKind::And(nodes) => all(nodes.iter().map(|node| holds(node, call, raw))),
        NodeKind::Or(nodes) => {
            all(nodes.iter().map(|node| holds(node, call, raw).map(|holds| !holds)))
                .map(|none| !none)
        }
        NodeKind::Not(node) => holds(node, call, raw).map(|holds| !holds),
        NodeKind::Binary { left, op, right } => {
            about_type(node, call).or_else(|| compared(left, op, right, raw))
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
fn compared(left: &Node, op: &str, right: &Node, raw: Option<&Syscall>) -> Option<bool> {
    let NodeKind::Field { name, arg } = &left.kind else { return None };
    match name.as_str() {
        "user.loginuid" => with_number(-1, op, right),
        _ if is_empty(name, arg.as_deref(), raw) => with_nothing(op, right),
        _ => None,
    }
}

/// Whether a field has no text, or an empty one.
fn is_empty(name: &str, arg: Option<&str>, raw: Option<&Syscall>) -> bool {
    if matches!(
        name,
        "evt.buffer" | "thread.cap_permitted" | "thread.cap_inheritable" | "thread.cap_effective"
    ) {
        return true;
    }
    // What other sources send today at the call's exit.
    let event = raw.and_then(|call| call.events.iter().rev().find(|code| !code.is_enter()));
    let Some(event) = event else { return false };
    let text = |ty| matches!(ty, ParamType::CharBuf | ParamType::FsPath | ParamType::FsRelPath);
    let mut texts = event.info().params.iter().filter(|param| text(param.ty));
    let asked = ["evt.arg", "evt.rawarg"].into_iter().find_map(|class| match arg {
        Some(arg) if name == class => Some(arg),
        _ => name.strip_prefix(class)?.strip_prefix('.'),
    });
    match (asked, name) {
        (Some(asked), _) => texts.any(|param| param.name == asked),
        (None, "fd.name" | "fd.nameraw" | "fd.directory" | "fd.filename") => {
            event.has(EventFlags::CREATES_FD) && texts.next().is_some()
        }
        (None, name) => name.starts_with("fs.path.") && texts.next().is_some(),
    }
}

/// A comparison of a known number.
fn with_number(known: i64, op: &str, right: &Node) -> Option<bool> {
    let number = |text: &Text| std::str::from_utf8(&text.0).ok()?.trim().parse::<i64>().ok();
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

    fn can(condition: &str, call: &str) -> bool {
        let node = parser::parse(condition).unwrap();
        can_hold(&node, Some(Syscall::by_name(call).unwrap()))
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
            assert_eq!(can(condition, call), expected, "{condition} for {call}");
        }
        let any = parser::parse("user.loginuid != -1").unwrap();
        assert!(!can_hold(&any, None));
        let any = parser::parse("evt.type = open and proc.name = x").unwrap();
        assert!(can_hold(&any, None));
    }
}
