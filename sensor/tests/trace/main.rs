//! `falco trace`, as an ordinary user without any capability: the attacks of the live tests, programs
//! that are hard on tracers, real programs, containers.
//!
//! * [`nobody`]: running things as that user, watched and unwatched.
//! * [`command`]: the command line: exit codes, signals, outputs, running processes.
//! * [`attacks`]: the live tests' tables of attacks, with what this source cannot see or that user do.
//! * [`evasion`]: programs that want to get out of sight, or at falco.
//! * [`torture`]: what is the same watched and unwatched, and that nothing is left after kills.
//! * [`programs`]: the same for programs that people use.
//! * [`engine`]: the sensor itself, on processes that run.
//! * [`declared`]: what is said not to be seen, against what is seen.
//! * [`container`]: as process 1 of a Docker container; [`confined`]: in containers that allow less.
//! * [`sandboxed`]: in sandboxes of gVisor, whose kernel is another one.
//!
//! As root the tests become a user without an account; as somebody else they run as that user.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

#[path = "../common/actor.rs"]
mod actor;
#[path = "../common/attack.rs"]
mod attack;
#[path = "../gvisor/builds.rs"]
mod builds;
#[path = "../common/containers.rs"]
mod containers;
#[path = "../live/host/mod.rs"]
mod host;
#[path = "../common/image.rs"]
mod image;
#[path = "../common/sensor.rs"]
mod sensor;

mod attacks;
mod command;
mod confined;
mod container;
mod declared;
mod engine;
mod evasion;
mod nobody;
mod programs;
mod sandboxed;
mod torture;

use std::io::Write;

/// Past the capture of test output: who reads the log must know what was not tested.
fn ignored(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "IGNORED: {what} because {why}");
}
