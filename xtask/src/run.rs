//! `cargo xtask run`: the release binary, watching this machine or replaying the capture that the
//! project ships.

use std::path::PathBuf;
use std::process::Command;

use crate::packages::{self, BUILD};
use crate::{Result, process};

const DEMO: &str = "sensor/demo";
const RULES: &str = "rules/default/falco_rules.yaml";

/// Builds the binary and runs it: on this machine with the default rules, for ever or for
/// `--seconds N`; with `--demo` on the demo capture; or with `args` of one's own (those after `--`).
pub fn run(args: &[String]) -> Result {
    packages::ensure(&BUILD)?;
    process::run(&mut process::cargo(&["build", "--locked", "--release", "--package", "falco"]))?;
    let mut falco = Command::new(built("falco")?);
    let demo = format!("{DEMO}/falco.yaml");
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--", own @ ..] => return process::run(falco.args(own)),
        ["--demo"] => {
            eprintln!("{}", replaying());
            falco.args(["-c", &demo, "-r", RULES, "-e"]).arg(format!("{DEMO}/demo.scap"));
        }
        [] | ["--seconds", _] if !packages::is_root() => return Err(not_root()),
        rest => {
            falco.args(["-c", &demo, "-r", RULES]);
            match rest {
                [] => {}
                ["--seconds", seconds] => {
                    falco.args(["-M", seconds]);
                }
                _ => return Err("run knows --demo, --seconds N, and `-- FALCO ARGUMENTS`".into()),
            }
            eprintln!("{}", watching());
        }
    }
    process::run(falco.current_dir(process::root()))
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

fn not_root() -> String {
    format!(
        "watching the kernel needs root:\n\n    \
         sudo target/release/falco -c {DEMO}/falco.yaml -r {RULES}\n\n\
         Without it a capture can be replayed:\n\n    cargo xtask run --demo"
    )
}

fn watching() -> String {
    format!(
        "
Watching this machine with {RULES}. Each line on stdout is an alert; Ctrl-C ends it. To
provoke some, in another terminal:

    cat /etc/shadow                               (as root)
    cp /bin/true /dev/shm/x; /dev/shm/x; rm /dev/shm/x

By hand:  target/release/falco -r {RULES}      (as root)
"
    )
}

fn replaying() -> String {
    format!(
        "
Replaying {DEMO}/demo.scap, a small capture that tells of two break-ins, against
{RULES}. Each line on stdout is an alert. By hand, and with files of your own:

    target/release/falco -e {DEMO}/demo.scap -r {RULES}
    target/release/falco -e YOUR.scap -r YOUR_RULES.yaml -o json_output=true
    target/release/falco events -e {DEMO}/demo.scap        (the events themselves)
"
    )
}
