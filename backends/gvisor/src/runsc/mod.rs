//! The sandboxes of this host, and what `runsc` can be told and asked about them.
//!
//! * [`roots`]: the directories in which runsc keeps what it knows, and [`state`]: what stands there.
//! * [`command`]: a program run within limits of time and output, and [`cli`]: what runsc is told.
//! * [`process`]: the processes of a sandbox; [`text`]: what else runsc prints.

pub mod cli;
pub mod command;
pub mod process;
pub mod roots;
pub mod state;
pub mod text;

pub use cli::Runsc;
pub use process::Process;
pub use roots::Roots;
pub use state::{Container, Sandbox};
