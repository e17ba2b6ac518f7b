//! The scap event ABI, schema 4.x: what every backend sends and everything else reads.
//!
//! * [`table`]: every event type with its parameters, [`syscalls`]: the portable system call ids,
//!   [`flagsets`]: named flag values, [`types`]: the vocabulary of these tables.
//! * [`raw`]: [`RawEvent`], a borrowed and validated view over one event's bytes.
//! * [`encode`]: [`EventBuilder`], which makes such bytes.
//! * [`net`]: socket addresses and tuples inside parameters.
//! * [`portable`]: the kernel's flags and numbers as events have them.
//! * [`predicate`]: what an event type does (creates an fd, changes state, …).
//!
//! This crate holds no state and reads no files. Source of the facts: falcosecurity/libs
//! `driver/ppm_events_public.h`, `driver/event_table.c`.
#![forbid(unsafe_code)]

pub mod encode;
pub mod flagsets;
pub mod native;
pub mod net;
pub mod portable;
pub mod predicate;
pub mod raw;
pub mod syscalls;
pub mod table;
pub mod types;

pub use encode::EventBuilder;
pub use raw::{EventError, RawEvent};
pub use syscalls::Syscall;
pub use table::{EventCode, EventInfo};
pub use types::{Category, EventFlags, NamedValue, Origin, ParamInfo, ParamType, PrintFormat};
