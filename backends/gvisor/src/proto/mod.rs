//! Messages as gVisor sends them, one struct each: generated from the `.proto` files in `proto/` by
//! `cargo xtask proto`, which is to be run when those change. Nothing here interprets them.
#![allow(missing_docs)] // The `.proto` files say what the fields are.

include!("gvisor.rs");
