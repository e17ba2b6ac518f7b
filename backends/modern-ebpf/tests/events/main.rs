//! What the probe tells of system calls, call by call: each test makes calls itself, with all that is odd
//! about them, and compares every parameter of every event with what it knows.
//!
//! Needs a kernel with BTF and the rights to load eBPF programs; says so and passes where they are missing.

#![allow(clippy::unwrap_used)] // a panic is the report

mod calls;
mod compat;
mod expect;
mod inet;
mod io;
mod messages;
mod options;
mod trace;
mod unix;
mod waiting;
