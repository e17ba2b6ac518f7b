//! Hands over to the crate `measure`: it reads JSON and gzip, so it has dependencies.

use std::process::Command;

use crate::packages::{self, VALGRIND};
use crate::{Result, process, run};

/// `measure conformance`, of the release binary; everything when `args` name nothing.
pub fn conformance(args: &[String]) -> Result {
    measure("conformance", args)
}

/// `measure bench`, of the release binary.
pub fn bench(args: &[String]) -> Result {
    packages::ensure(&[VALGRIND])?;
    measure("bench", args)
}

fn measure(what: &str, args: &[String]) -> Result {
    let build = ["build", "--locked", "--release", "--package", "falco", "--package", "measure"];
    process::run(&mut process::cargo(&build))?;
    let mut measure = Command::new(run::built("measure")?);
    process::run(measure.arg(what).args(args)).map_err(|_| format!("{what} failed"))
}
