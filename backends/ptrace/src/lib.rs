//! A process tree as a source of events, without any privilege: a seccomp filter stops the tree at
//! the system calls that somebody looks at, and ptrace(2) tells of them here.
//!
//! * [`plan`]: which calls stop, with conditions on their arguments; [`filter`]: the seccomp program
//!   that decides so in the kernel.
//! * [`tracer`]: starting and attaching to trees, stops, signals, births and ends.
//! * [`stop`]: what the tracer tells, and [`Hooks`](stop::Hooks), who is told; [`memory`]: what stopped
//!   threads' pointers point at.
//! * [`calls`]: the hooks by which system calls that stopped become events.
//! * [`source`]: [`Ptrace`], which puts all of this together; [`command`]: what is started.
//! * [`coverage`]: what this source cannot see, and how honest each event is about races.
//! * [`init`]: being the first process of a container.
//! * `refusals`: what it means that the system refuses something.
//! * `sys`: the system calls that need `unsafe`.
#![deny(unsafe_code)]

pub mod calls;
pub mod command;
pub mod coverage;
pub mod filter;
pub mod init;
pub mod memory;
pub mod plan;
mod refusals;
pub mod source;
pub mod stop;
mod sys;
pub mod tracer;

pub use command::Command;
pub use source::{Mode, OnDeath, Openings, Options, Ptrace, PtraceError, Watched};
pub use tracer::Control;
