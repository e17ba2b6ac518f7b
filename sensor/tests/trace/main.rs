//! `falco trace`, as an ordinary user without any capability: the attacks of the live tests, programs
//! that are hard on tracers, real programs, containers.
//!
//! * [`nobody`]: running things as that user, watched and unwatched.
//! * [`command`]: the command line: exit codes, signals, outputs, running processes.
//! * [`attacks`]: the live tests' tables of attacks, with what this source cannot see or that user do.
//! * [`torture`]: what is the same watched and unwatched, and that nothing is left after kills.
//! * [`programs`]: the same for programs that people use.
//! * [`container`]: as process 1 of a Docker container.
//!
//! As root the tests become a user without an account; as somebody else they run as that user.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

// Those of the live tests. Each is used in part.
#[path = "../live/attack.rs"]
#[allow(dead_code)]
mod attack;
#[path = "../live/containers.rs"]
#[allow(dead_code)]
mod containers;
#[path = "../live/host/mod.rs"]
mod host;
#[path = "../live/sensor.rs"]
#[allow(dead_code)]
mod sensor;
#[path = "../live/stage.rs"]
#[allow(dead_code)]
mod stage;

mod attacks;
mod command;
mod container;
mod nobody;
mod programs;
mod torture;

use std::io::Write;

/// Past the capture of test output: who reads the log must know what was not tested.
fn ignored(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "IGNORED: {what} because {why}");
}
