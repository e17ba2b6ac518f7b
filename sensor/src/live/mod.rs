//! Watching a running kernel.

mod drops;
mod silence;
