//! What is told of processes that are watched by ptrace.

use falco_event::Syscall;
use falco_ptrace::coverage;
use falco_source::coverage::{Coverage, Known};

use super::Witness;

/// ptrace: nearly all that a kernel tells, seen from beside the processes, and maybe from within their
/// container.
pub struct Ptrace;

impl Witness for Ptrace {
    fn coverage_of(&self, call: &Syscall) -> Coverage {
        coverage::coverage_of(call)
    }

    fn field_gap(&self, name: &str) -> Option<&'static str> {
        coverage::field_gap(name)
    }

    fn known(&self, field: &str, _: Option<&str>, call: Option<&Syscall>) -> Option<Known> {
        coverage::known(field, call)
    }
}
