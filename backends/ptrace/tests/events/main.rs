//! What this source tells of system calls, call by call: the scenarios of the eBPF probe's tests, held
//! against the same expectations but for what cannot be seen from user space.
//!
//! The thread that makes the calls is that of the test; another process, this program started again,
//! attaches to it and sends back the events. Says so and passes where that is not allowed.

#![allow(clippy::unwrap_used)] // a panic is the report

#[path = "../../../modern-ebpf/tests/events/calls.rs"]
mod calls;
#[path = "../../../modern-ebpf/tests/events/compat.rs"]
mod compat;
#[path = "../../../modern-ebpf/tests/events/expect.rs"]
mod expect;
#[path = "../../../modern-ebpf/tests/events/inet.rs"]
mod inet;
#[path = "../../../modern-ebpf/tests/events/io.rs"]
mod io;
#[path = "../../../modern-ebpf/tests/events/messages.rs"]
mod messages;
mod nobody;
#[path = "../../../modern-ebpf/tests/events/options.rs"]
mod options;
mod race;
mod trace;
#[path = "../../../modern-ebpf/tests/events/unix.rs"]
mod unix;
#[path = "../../../modern-ebpf/tests/events/waiting.rs"]
mod waiting;
