//! `bench gvisor`: what sandboxes of gVisor cost the sensor, and what the sensor costs them.
//!
//! * [`throughput`]: a recorded session, sent as often as it takes to a sensor that has one processor.
//! * [`slowdown`]: a load in a real sandbox: not traced, with the points that the rules need, and with
//!   all points there are.
//! * [`sensor`]: a sensor that waits for sandboxes.

mod sensor;
mod slowdown;
mod throughput;

use std::path::PathBuf;

use anyhow::Result;

use super::Scratch;
use crate::paths;

/// Runs `[SESSION]`: a tracereplay file.
pub fn run(args: &[String]) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("falco-bench-gvisor-{}", std::process::id()));
    let scratch = Scratch::new(folder)?;
    let shared = paths::shared();
    let rules = match &shared {
        Some(shared) => paths::official_rules(shared, false),
        None => vec![paths::root().join("rules/default/falco_rules.yaml")],
    };
    let recorded = || {
        let name = "samples/gvisor-and-runtimes/trace/sysx-runsc20240729-systrap.tracereplay";
        Some(shared.as_ref()?.join(name))
    };
    match args.first().map(PathBuf::from).or_else(recorded) {
        Some(session) => throughput::run(&session, &rules, &scratch.0)?,
        None => println!("IGNORED: throughput, because there is no recorded session"),
    }
    slowdown::run(&rules, &scratch.0)
}
