//! The sandboxes of this host, and what `runsc` can be told and asked about them.
//!
//! * [`roots`]: the directories in which runsc keeps what it knows, and [`state`]: what stands there.
//! * [`facts`]: what a container's specification tells of its name, image and pod.
//! * [`command`]: a program run within limits of time and output, and [`cli`]: what runsc is told.
//! * [`process`]: the processes of a sandbox; [`text`]: what else runsc prints.

pub mod process;

pub use process::Process;
