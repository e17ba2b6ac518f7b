//! Programs that are traced behave as they do untraced, and the tracer is told of all they do. Needs no
//! privilege, but a C compiler.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod attaching;
mod ends;
mod recorder;
mod told;
mod transparent;
