//! `cargo xtask run`: the release binary, by default on the capture that the project ships.

use crate::Result;
use crate::process;

const DEMO: &str = "sensor/demo";

/// Builds the binary and runs it with `args` (those after `--`), or on the demo without any.
pub fn run(args: &[String]) -> Result {
    process::run(&mut process::cargo(&["build", "--release", "--package", "falco"]))?;
    let own: Vec<&str> = args.iter().map(String::as_str).skip_while(|a| *a == "--").collect();
    let mut falco = process::cargo(&["run", "--quiet", "--release", "--package", "falco", "--"]);
    if own.is_empty() {
        explain();
        let file = |name: &str| format!("{DEMO}/{name}");
        falco.args([
            "-c",
            &file("falco.yaml"),
            "-r",
            &file("rules.yaml"),
            "-e",
            &file("demo.scap"),
        ]);
    } else {
        // Paths that the user typed are relative to where the user is.
        let manifest = process::root().join("Cargo.toml");
        falco = process::cargo(&["run", "--quiet", "--release", "--package", "falco"]);
        falco.arg("--manifest-path").arg(manifest).arg("--").args(own);
        falco.current_dir(std::env::current_dir().map_err(|e| format!("no current folder: {e}"))?);
    }
    process::run(&mut falco)
}

fn explain() {
    eprintln!(
        "
Replaying {DEMO}/demo.scap, a recording of system calls, against {DEMO}/rules.yaml.
Each line on stdout is an alert. The same by hand, and with your own files:

    target/release/falco -e {DEMO}/demo.scap -r {DEMO}/rules.yaml
    target/release/falco -e YOUR.scap -r YOUR_RULES.yaml -o json_output=true
    target/release/falco events -e {DEMO}/demo.scap        (the events themselves)
"
    );
}
