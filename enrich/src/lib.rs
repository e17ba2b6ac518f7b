//! State and fields: what is known of processes, fds and users, and the filter fields over it.
//!
//! * [`record`], [`thread`], [`fd`]: the tables' entries; [`state`]: the tables.
//! * `parse`: how events change them.
//! * [`host_names`]: the addresses of the hosts that rules name.
//! * [`selection`]: which system calls a live source has to deliver for all this.
//! * [`openings`]: which opens rules can match, by their paths.
//! * `fields`: the catalogue of filter fields and their extraction ([`falco_rules::catalogue`]).
//!
//! This crate reads no event source and knows no rule.
#![forbid(unsafe_code)]

pub mod container;
pub mod context;
pub mod fd;
pub mod fields;
pub mod host_names;
pub mod openings;
mod parse;
pub mod record;
mod render;
pub mod selection;
pub mod state;
pub mod thread;
pub mod users;

pub use render::names;
