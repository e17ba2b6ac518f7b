//! What gVisor tells of sandboxes.

use falco_event::{EventFlags, ParamType, Syscall};
use falco_gvisor::coverage;
use falco_gvisor::points::{Told, Version, told};
use falco_source::coverage::{Coverage, Known};

use super::Witness;

/// gVisor: fewer system calls than a kernel's, and less of each.
pub struct Gvisor;

impl Witness for Gvisor {
    fn coverage_of(&self, call: &Syscall) -> Coverage {
        coverage::coverage_of(call)
    }

    fn field_gap(&self, name: &str) -> Option<&'static str> {
        coverage::field_gap(name)
    }

    fn known(&self, field: &str, arg: Option<&str>, call: Option<&Syscall>) -> Option<Known> {
        // If only its numbers are told.
        let raw = call.filter(|call| matches!(told(call, Version::V2024), Told::Raw(_)));
        match field {
            "user.loginuid" => Some(Known::Number(-1)),
            _ => is_empty(field, arg, raw).then_some(Known::AtMost("")),
        }
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
