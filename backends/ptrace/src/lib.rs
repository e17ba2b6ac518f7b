//! A process tree as a source of events, without any privilege: a seccomp filter stops the tree at
//! the system calls that somebody looks at, and ptrace(2) tells of them here.
//!
//! * [`filter`]: the seccomp program that decides in the kernel which calls stop.
//! * [`tracer`]: starting and attaching to trees, stops, signals, births and ends.
//! * [`calls`]: system calls that stopped become events.
//! * [`source`]: [`Ptrace`], which puts all of this together.
//! * [`coverage`]: what this source cannot see, and how honest each event is about races.

pub mod calls;
pub mod coverage;
pub mod filter;
pub mod source;
pub mod tracer;
