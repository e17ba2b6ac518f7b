//! `cargo xtask run`: the release binary, by default on the capture that the project ships.

use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::process;

const DEMO: &str = "sensor/demo";
const RULES: &str = "rules/default/falco_rules.yaml";

/// Builds the binary and runs it with `args` (those after `--`), or on the demo without any.
pub fn run(args: &[String]) -> Result {
    process::run(&mut process::cargo(&["build", "--locked", "--release", "--package", "falco"]))?;
    let mut falco = Command::new(built("falco")?);
    let own: Vec<&String> = args.iter().skip_while(|a| *a == "--").collect();
    if own.is_empty() {
        explain();
        falco.current_dir(process::root());
        falco.arg("-c").arg(format!("{DEMO}/falco.yaml"));
        falco.args(["-r", RULES]).arg("-e").arg(format!("{DEMO}/demo.scap"));
    } else {
        falco.args(own);
    }
    process::run(&mut falco)
}

/// Where a release build puts `program`.
pub fn built(program: &str) -> Result<PathBuf> {
    Ok(target()?.join("release").join(program))
}

/// The target folder of the build that this program is of.
pub fn target() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(|e| format!("cannot find xtask itself: {e}"))?;
    own.ancestors().nth(2).map(PathBuf::from).ok_or_else(|| "xtask lies in no target folder".into())
}

fn explain() {
    eprintln!(
        "
Replaying {DEMO}/demo.scap, a small capture that tells of two break-ins, against
{RULES}. Each line on stdout is an alert. By hand, and with files of your own:

    target/release/falco -e {DEMO}/demo.scap -r {RULES}
    target/release/falco -e YOUR.scap -r YOUR_RULES.yaml -o json_output=true
    target/release/falco events -e {DEMO}/demo.scap        (the events themselves)
"
    );
}
