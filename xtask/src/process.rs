//! Running other programs: from the workspace root, with failures that name the command.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// The workspace root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The workspaces (`fuzz` is one of its own, as cargo-fuzz wants it), each as the arguments that
/// name its manifest. Ours is `--locked`; the lock file of `fuzz` may follow its changes by itself.
pub const WORKSPACES: [&[&str]; 2] =
    [&["--manifest-path", "Cargo.toml", "--locked"], &["--manifest-path", "fuzz/Cargo.toml"]];

/// `program` with `args`, in the workspace root.
pub fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// The cargo that runs this, with `args`.
pub fn cargo(args: &[&str]) -> Command {
    command(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), args)
}

/// Runs to the end, its output going where ours goes.
pub fn run(command: &mut Command) -> Result {
    let status = command.status().map_err(|e| refused(command, &e))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed ({status})", line(command))) }
}

/// Runs to the end and returns what it printed on stdout. What it printed on stderr is part of the
/// error, if there is one.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| refused(command, &e))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed ({})\n{}", line(command), output.status, stderr.trim_end()))
}

/// Where `program` is, looked for as a shell does.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|p| p.is_file())
}

/// Why `command` could not even be started.
pub fn refused(command: &Command, error: &std::io::Error) -> String {
    format!("cannot run {}: {error}", command.get_program().to_string_lossy())
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
