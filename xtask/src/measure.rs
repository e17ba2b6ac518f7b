//! Hands over to the crate `measure`: it reads JSON and gzip, so it has dependencies.

use std::path::PathBuf;
use std::process::Command;

use crate::packages::{self, BUILD, TRACE, VALGRIND};
use crate::{Result, process, run, runsc};

/// `measure conformance`, of the release binary; everything when `args` name nothing.
pub fn conformance(args: &[String]) -> Result {
    measure("conformance", args)
}

/// Bench programs of single crates: their names here, the crates, and theirs there.
const BENCHES: [(&str, &str, &str); 2] =
    [("churn", "falco-enrich", "churn"), ("evaluate", "falco-rules", "evaluate")];

/// `measure bench`, of the release binary, or the bench program of one crate.
pub fn bench(args: &[String]) -> Result {
    if let Some((what, rest)) = args.split_first()
        && let Some((_, package, bench)) = BENCHES.iter().find(|(name, ..)| name == what)
    {
        packages::ensure(&BUILD)?;
        let mut cargo = process::cargo(&["bench", "--locked", "--package", package]);
        return process::run(cargo.args(["--bench", bench, "--"]).args(rest));
    }
    match args.first().map(String::as_str) {
        Some("replay") => packages::ensure(&[VALGRIND])?,
        Some("trace") => packages::ensure(&TRACE)?,
        Some("live") if !packages::is_root() => {
            return Err("bench live needs root: the sensor watches the kernel".into());
        }
        Some("gvisor") if !packages::is_root() => {
            return Err("bench gvisor needs root: runsc does".into());
        }
        Some("gvisor") => {
            packages::ensure(&[VALGRIND])?;
            packages::ensure_live()?;
            return measure_with("bench", args, runsc::newer());
        }
        _ => {}
    }
    measure("bench", args)
}

fn measure(what: &str, args: &[String]) -> Result {
    measure_with(what, args, None)
}

/// With the build of runsc of 2024, if it can be had.
fn measure_with(what: &str, args: &[String], newer: Option<PathBuf>) -> Result {
    packages::ensure(&BUILD)?;
    let build = ["build", "--locked", "--release", "--package", "falco", "--package", "measure"];
    process::run(&mut process::cargo(&build))?;
    let mut measure = Command::new(run::built("measure")?);
    measure.envs(newer.map(|path| (runsc::NEWER, path)));
    process::run(measure.arg(what).args(args)).map_err(|_| format!("{what} failed"))
}
