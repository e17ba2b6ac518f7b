//! What an event type does, by its number: cheap questions that the hot path asks.

use std::fmt;

use crate::table::{EVENTS, EventCode, EventInfo};
use crate::types::{EventFlags, Origin};

static UNKNOWN: EventInfo = EventInfo {
    id: "UNKNOWN",
    name: "NA",
    category: crate::types::Category::Unknown,
    origin: Origin::None,
    flags: EventFlags::UNUSED,
    params: &[],
};

impl EventCode {
    /// The table entry; numbers beyond the table give an unused one without parameters.
    #[inline]
    pub fn info(self) -> &'static EventInfo {
        EVENTS.get(self.0 as usize).unwrap_or(&UNKNOWN)
    }

    /// Whether the number is in the table.
    #[inline]
    pub fn is_known(self) -> bool {
        (self.0 as usize) < Self::COUNT
    }

    /// Whether any of `flags` is set for this type.
    #[inline]
    pub fn has(self, flags: EventFlags) -> bool {
        self.info().flags.intersects(flags)
    }

    /// Whether the number stands in an enter slot (even). Meta events and tracepoints do, too.
    #[inline]
    pub fn is_enter(self) -> bool {
        self.0 & 1 == 0
    }

    /// Whether it creates a file descriptor.
    #[inline]
    pub fn creates_fd(self) -> bool {
        self.has(EventFlags::CREATES_FD)
    }

    /// Whether it works on an existing file descriptor.
    #[inline]
    pub fn uses_fd(self) -> bool {
        self.has(EventFlags::USES_FD)
    }

    /// Whether it closes a file descriptor.
    #[inline]
    pub fn destroys_fd(self) -> bool {
        self.has(EventFlags::DESTROYS_FD)
    }

    /// Whether it changes process or fd state, so that it must be seen even if no rule asks.
    #[inline]
    pub fn modifies_state(self) -> bool {
        self.has(EventFlags::STATE)
    }

    /// Whether it is a system call (generic ones included).
    #[inline]
    pub fn is_syscall(self) -> bool {
        self.info().origin == Origin::Syscall
    }

    /// All known numbers.
    pub fn all() -> impl Iterator<Item = EventCode> {
        (0..Self::COUNT as u16).map(EventCode)
    }
}

impl fmt::Debug for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.info().id, self.0)
    }
}

impl EventInfo {
    /// The index of the parameter of this name.
    pub fn param_index(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|p| p.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predicates_follow_the_table() {
        assert!(EventCode::SYSCALL_OPENAT_2_X.creates_fd());
        assert!(EventCode::SYSCALL_CLOSE_X.destroys_fd());
        assert!(EventCode::SYSCALL_READ_X.uses_fd());
        assert!(!EventCode::SYSCALL_READ_X.modifies_state());
        assert!(EventCode::PROCEXIT_1_E.modifies_state());
        assert!(!EventCode(9999).is_known());
        assert_eq!(EventCode(9999).info().params.len(), 0);
        assert_eq!(EventCode::COUNT, 454);
    }

    #[test]
    fn dirfd_of_relative_paths_names_an_fd_parameter() {
        use crate::types::ParamType;
        for code in EventCode::all() {
            let params = code.info().params;
            for p in params {
                assert_eq!(p.ty == ParamType::FsRelPath, p.dirfd.is_some(), "{code:?} {}", p.name);
                if let Some(d) = p.dirfd {
                    assert_eq!(params[d as usize].ty, ParamType::Fd, "{code:?} {}", p.name);
                }
            }
        }
    }
}
