//! What a running source sees of what was asked for, and why not, where it does not.

use std::fmt;

use falco_event::Syscall;

/// How programs hang on system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// One dispatcher on the tracepoints `sys_enter` and `sys_exit`; every call of the host passes it.
    SysExit,
    /// A trampoline on each wanted system call's function; other calls pay nothing.
    PerSyscall,
}

impl Attachment {
    /// The name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Attachment::SysExit => "sys_exit",
            Attachment::PerSyscall => "per syscall",
        }
    }
}

/// Why an event is not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is seen.
    Covered,
    /// It is seen, but in one form less: an enter event, or 32-bit callers; and why.
    Partly(Refusal),
    /// A program that it needs was refused.
    Refused(Refusal),
    /// This machine's kernel has no such call.
    NotInKernel,
}

/// What the kernel said of a program that it would not load or attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The program's name in the probe.
    pub program: String,
    /// What was refused, with the kernel's error.
    pub error: String,
    /// The last lines of the verifier's log; empty if it was not the verifier.
    pub log: Vec<String>,
}

impl Status {
    /// What was refused, if something was.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Status::Partly(refusal) | Status::Refused(refusal) => Some(refusal),
            Status::Covered | Status::NotInKernel => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

/// One wanted system call, or tracepoint that counts as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its portable id (`PPM_SC_*`).
    pub id: u16,
    /// Whether it is seen.
    pub status: Status,
}

impl Call {
    /// Its name; `unknown` for an id that the event table does not have.
    pub fn name(&self) -> &'static str {
        Syscall::by_id(self.id).map_or("unknown", |call| call.name)
    }
}

/// What a source sees of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// How programs are attached.
    pub attachment: Attachment,
    /// Why [`Attachment::PerSyscall`] is not used, where it was tried.
    pub no_per_syscall: Option<String>,
    /// The wanted calls, by id.
    pub calls: Vec<Call>,
}

impl Coverage {
    /// The wanted calls that are not seen, or not in every form.
    pub fn gaps(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.status != Status::Covered)
    }
}
