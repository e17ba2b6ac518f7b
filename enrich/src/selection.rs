//! Which system calls a live source has to deliver.
//!
//! A kernel that only sends what someone looks at costs far less than one that sends everything. What
//! is looked at follows from the enabled rules (the system calls that their conditions can match,
//! [`of_condition`]), from the state that fields are read from ([`state`]), and from the user's
//! `base_syscalls` ([`BaseSyscalls`]). [`Selection::new`] puts them together as Falco does, in the
//! same order, since users tune their sensors by its result. Live sources translate the outcome into
//! what they attach to; captures ignore it.
//!
//! System calls are sets of portable ids ([`falco_event::syscalls`]).

use falco_event::syscalls::{SYSCALLS, Syscall};
use falco_event::{Category, EventCode, EventFlags};
use falco_rules::ast::Node;
use falco_rules::catalogue::EventTypes;
use falco_rules::event_types::analyse;

use crate::fields::names;

/// A set of portable system call ids (`PPM_SC_*`); the same type as sets of event types.
pub type SyscallSet = EventTypes;

/// The user's wishes: `base_syscalls` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseSyscalls {
    /// Names that replace [`state`]; those that begin with `!` are taken away instead.
    pub custom_set: Vec<String>,
    /// Keep system calls that are [`too_frequent`].
    pub all: bool,
    /// Add what the state of the selected calls needs ([`repaired`]), instead of all of [`state`].
    pub repair: bool,
}

impl BaseSyscalls {
    /// Whether the user names system calls to be watched, whoever looks at them.
    pub fn names_more(&self) -> bool {
        self.custom_set.iter().any(|name| !name.starts_with('!'))
    }
}

/// What was selected, and what users should hear about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The system calls to deliver.
    pub syscalls: SyscallSet,
    /// System calls that rules look at, but that are not delivered.
    pub undelivered: SyscallSet,
    /// Names of the custom set that no system call has, without `!`, in the order given.
    pub unknown_names: Vec<String>,
}

impl Selection {
    /// Selects for rules that look at the system calls `rules`.
    pub fn new(rules: &SyscallSet, base: &BaseSyscalls) -> Self {
        let mut unknown_names = Vec::new();
        let (mut added, mut removed) = (SyscallSet::empty(), SyscallSet::empty());
        for entry in base.custom_set.iter().filter(|name| !name.is_empty()) {
            let (name, set) = match entry.strip_prefix('!') {
                Some(name) => (name, &mut removed),
                None => (entry.as_str(), &mut added),
            };
            let calls = named(name);
            if calls.is_empty() {
                unknown_names.push(name.to_owned());
            }
            *set = std::mem::replace(set, SyscallSet::empty()).union(&calls);
        }
        let mut syscalls = match (added.is_empty(), base.repair) {
            (true, true) => repaired(rules),
            (true, false) => state().union(rules),
            (false, _) => added.union(rules),
        };
        syscalls = syscalls.difference(&removed);
        if !base.all {
            syscalls = syscalls.difference(&too_frequent());
        }
        if base.repair && !base.custom_set.is_empty() {
            syscalls = repaired(&syscalls);
        }
        // Without it the table of threads only grows.
        syscalls = syscalls.union(&ids(&["sched_process_exit"]));
        Selection { undelivered: rules.clone().difference(&syscalls), syscalls, unknown_names }
    }
}

/// The system calls that a rule's condition can match; macros must have been replaced. All, if it
/// does not say.
///
/// # Errors
/// If the condition compares the event's type with a field; such rules do not load.
pub fn of_condition(condition: &Node) -> Result<SyscallSet, String> {
    analyse(condition, &all(), &named)
}

/// Every system call.
pub fn all() -> SyscallSet {
    SYSCALLS.iter().map(|call| call.id).collect()
}

/// The system calls that send an event of this name (`evt.type`).
pub fn named(name: &str) -> SyscallSet {
    let types = names::event_types(name).unwrap_or_else(EventTypes::empty);
    let generic = types.contains(EventCode::GENERIC_X.0);
    let calls = SYSCALLS.iter().filter(|call| match call.is_generic() {
        true => generic && call.name == name,
        false => call.events.iter().any(|event| types.contains(event.0)),
    });
    calls.map(|call| call.id).collect()
}

/// The system calls that change what is known of processes, files and users.
pub fn state() -> SyscallSet {
    let changes = |code: &EventCode| code.info().flags.contains(EventFlags::STATE);
    having(changes).union(&ids(ALWAYS_KEPT))
}

/// Not flagged as changing state, but never to be dropped (`UF_NEVER_DROP` of libscap's table of
/// system calls): mounts decide what paths mean, limits how many files a process may have.
const ALWAYS_KEPT: &[&str] = &["mount", "umount", "umount2", "setrlimit", "prlimit64"];

/// The system calls of these categories.
pub fn of_categories(categories: &[Category]) -> SyscallSet {
    having(|code| categories.contains(&code.info().category))
}

/// System calls that move data: so frequent that they are only delivered on demand
/// ([`BaseSyscalls::all`]), unless state depends on them.
pub fn too_frequent() -> SyscallSet {
    of_categories(&[Category::IoRead, Category::IoWrite]).difference(&state())
}

/// `calls` and what is needed to know the processes, files and connections that they concern.
pub fn repaired(calls: &SyscallSet) -> SyscallSet {
    let meets = |set: &SyscallSet| !set.clone().intersection(calls).is_empty();
    let network = meets(&of_categories(&[Category::Net]));
    let files = [Category::File, Category::IoRead, Category::IoWrite, Category::IoOther];
    let mut out = ids(PROCESS_STATE).union(calls);
    if network {
        out = out.union(&ids(&["socket", "getsockopt"]));
    }
    if meets(&ids(&["accept", "accept4", "listen"])) {
        out = out.union(&ids(&["bind"]));
    }
    if network || meets(&of_categories(&files)) {
        out = out.union(&ids(&["close"]));
    }
    out
}

/// What processes are: how they come and go, where they are and who they run as.
const PROCESS_STATE: &[&str] = &[
    "clone",
    "clone3",
    "fork",
    "vfork",
    "execve",
    "execveat",
    "sched_process_exit",
    "chdir",
    "fchdir",
    "chroot",
    "capset",
    "prctl",
    "setpgid",
    "setsid",
    "setuid",
    "setuid32",
    "setgid",
    "setgid32",
    "setresuid",
    "setresuid32",
    "setresgid",
    "setresgid32",
];

fn ids(names: &[&str]) -> SyscallSet {
    names.iter().filter_map(|name| Syscall::by_name(name)).map(|call| call.id).collect()
}

/// The system calls with such an event.
fn having(is_wanted: impl Fn(&EventCode) -> bool) -> SyscallSet {
    let calls = SYSCALLS.iter().filter(|call| call.events.iter().any(&is_wanted));
    calls.map(|call| call.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use falco_rules::parser;

    fn names(set: &SyscallSet) -> Vec<&'static str> {
        set.iter().filter_map(Syscall::by_id).map(|call| call.name).collect()
    }

    fn select(rules: &[&str], custom: &[&str], all: bool, repair: bool) -> Selection {
        let custom_set = custom.iter().map(|&name| name.to_owned()).collect();
        Selection::new(&ids(rules), &BaseSyscalls { custom_set, all, repair })
    }

    #[test]
    fn conditions_select_the_calls_that_they_can_match() {
        let calls = |text: &str| of_condition(&parser::parse(text).unwrap()).unwrap();
        assert_eq!(names(&calls("evt.type in (open, openat) and proc.name=x")), ["open", "openat"]);
        // Calls without an event of their own are told apart by name.
        assert_eq!(names(&calls("evt.type = times")), ["times"]);
        assert_eq!(calls("proc.name=x"), all());
        assert!(of_condition(&parser::parse("evt.type=val(proc.name)").unwrap()).is_err());
    }

    #[test]
    fn wishes_change_what_is_delivered() {
        let rules = ["open", "connect", "read"];
        assert_eq!(select(&rules, &[], true, false).syscalls.len(), state().len() + 1);
        let default = select(&rules, &[], false, false);
        assert_eq!(default.syscalls, state());
        assert_eq!(names(&default.undelivered), ["read"]);
        let custom = select(&rules, &["clone", "!connect", "nosuch", "!no"], false, false);
        assert_eq!(names(&custom.syscalls), ["open", "clone", "sched_process_exit"]);
        assert_eq!(custom.unknown_names, ["nosuch", "no"]);
        // Repair brings back what was taken away, if it must.
        let repaired = select(&rules, &["!close", "!connect"], false, true).syscalls;
        assert!(repaired.contains(ids(&["close"]).iter().next().unwrap()));
        assert!(!repaired.contains(ids(&["connect"]).iter().next().unwrap()));
    }
}
