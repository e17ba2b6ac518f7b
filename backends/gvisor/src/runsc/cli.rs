//! [`Runsc`]: the program, and what it is told and asked.
//!
//! Each call runs it once, within limits. Everything but [`version`](Runsc::version) and
//! [`points`](Runsc::points) needs the directory in which runsc keeps its state.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use serde_json::Value;
use thiserror::Error;

use super::command::{CommandError, Limits, run};
use super::process::{self, Processes};
use super::text::{self, Listed, PointFields, Sink};

/// Name of a session; there can be no other (gVisor: `seccheck.DefaultSessionName`).
pub const SESSION: &str = "Default";

/// How long runsc may take. Each command takes about 0.05 s, as long as the sandbox answers.
const TIME: Duration = Duration::from_secs(10);
/// Bytes that it may print, but for processes.
const OUTPUT: usize = 4 << 20;
/// Bytes of processes. One takes about 3,000, most of which are mappings.
const PROCESSES: usize = 64 << 20;

/// Why runsc could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunscError {
    /// The command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The command printed something else than expected.
    #[error("{command}: its output was not understood")]
    Output {
        /// What was run.
        command: String,
    },
    /// The program must not be run.
    #[error("{}: not run as runsc: {why}", path.display())]
    Untrusted {
        /// The program.
        path: PathBuf,
        /// Why it must not be run.
        why: String,
    },
}

/// The program `runsc`.
#[derive(Clone, Debug)]
pub struct Runsc {
    /// Where it is, for messages.
    path: PathBuf,
    /// Held open where the path could mean something else by the time it is run.
    file: Option<Arc<File>>,
}

/// A program that was started ([`Runsc::trace_create`]).
pub type Start<'a> = &'a mut dyn FnMut(&mut Command) -> io::Result<Child>;

impl Runsc {
    /// The program at `path`; a name without `/` is looked for in `PATH`, as a shell does.
    pub fn at(path: &Path) -> Self {
        let is_name = !path.as_os_str().as_encoded_bytes().contains(&b'/');
        let search = std::env::var_os("PATH").filter(|_| is_name).unwrap_or_default();
        let found = search.to_str().and_then(|search| find(path, search));
        Runsc { path: found.unwrap_or_else(|| path.to_owned()), file: None }
    }

    /// The program that this `PATH` has: directories with `:` between them.
    pub fn in_path(path: &str) -> Option<Self> {
        find(Path::new("runsc"), path).map(|path| Runsc { path, file: None })
    }

    /// The program that runs as the sandbox `id` with the process `pid`, so that what is asked comes
    /// from the version that is asked. `proc` is where the host's processes are (`/proc`).
    ///
    /// State files can be old or made up, and a process can have ended since they were written; so
    /// it has to be one that was started as this sandbox, from a file that only root, or whoever
    /// runs this, can change.
    ///
    /// # Errors
    /// If there is no such process, or it is something else.
    pub fn of_sandbox(proc: &Path, pid: i32, id: &str) -> Result<Self, RunscError> {
        let path = proc.join(pid.to_string()).join("exe");
        let untrusted = |why: String| RunscError::Untrusted { path: path.clone(), why };
        if !is_sandbox(proc, pid, id) {
            return Err(untrusted(format!("no sandbox {id} is running there")));
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = open(&path, flags, Mode::empty()).map(File::from);
        let file = file.map_err(|error| untrusted(error.to_string()))?;
        let about = file.metadata().map_err(|error| untrusted(error.to_string()))?;
        let me = rustix::process::geteuid().as_raw();
        if !about.is_file() || (about.uid() != 0 && about.uid() != me) || about.mode() & 0o022 != 0
        {
            return Err(untrusted("others than root can change it".to_owned()));
        }
        let path = fs::read_link(&path).unwrap_or(path);
        Ok(Runsc { path, file: Some(Arc::new(file)) })
    }

    /// Where it is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode of the file: equal for equal programs.
    pub fn identity(&self) -> Option<(u64, u64)> {
        let about = match &self.file {
            Some(file) => file.metadata(),
            None => fs::metadata(&self.path),
        };
        about.ok().map(|about| (about.dev(), about.ino()))
    }

    /// Its version: `0.0~20221219.0`, `release-20240729.0`.
    ///
    /// # Errors
    /// If it cannot be run or says something else.
    pub fn version(&self, cancelled: &AtomicBool) -> Result<String, RunscError> {
        let call = Call::new(self, None, &["--version"]);
        let output = call.text(cancelled)?;
        text::version(&output).map(str::to_owned).ok_or_else(|| call.not_understood())
    }

    /// The points that it has, by name.
    ///
    /// # Errors
    /// If it cannot be run or names none.
    pub fn points(
        &self,
        cancelled: &AtomicBool,
    ) -> Result<BTreeMap<String, PointFields>, RunscError> {
        let call = Call::new(self, None, &["trace", "metadata"]);
        let points = text::points(&call.text(cancelled)?);
        if points.is_empty() { Err(call.not_understood()) } else { Ok(points) }
    }

    /// The containers in `root`.
    ///
    /// # Errors
    /// If it cannot be run or fails.
    pub fn list(&self, root: &Path, cancelled: &AtomicBool) -> Result<Vec<Listed>, RunscError> {
        let call = Call::new(self, Some(root), &["list", "-format", "json"]);
        text::containers(&call.output(OUTPUT, cancelled)?).ok_or_else(|| call.not_understood())
    }

    /// The ids of a container's processes in the root pid namespace of its sandbox.
    ///
    /// # Errors
    /// If it cannot be run or fails: there is no such container, its sandbox does not answer.
    pub fn ps(
        &self,
        root: &Path,
        container: &str,
        cancelled: &AtomicBool,
    ) -> Result<Vec<i32>, RunscError> {
        let args = ["ps", "-format", "json", container];
        let call = Call::new(self, Some(root), &args);
        text::pids(&call.output(OUTPUT, cancelled)?).ok_or_else(|| call.not_understood())
    }

    /// The processes of a sandbox. They do not say which container they belong to.
    ///
    /// # Errors
    /// If it cannot be run or fails.
    pub fn procfs(
        &self,
        root: &Path,
        sandbox: &str,
        cancelled: &AtomicBool,
    ) -> Result<Processes, RunscError> {
        let args = ["trace", "procfs", sandbox];
        let output = Call::new(self, Some(root), &args).output(PROCESSES, cancelled)?;
        Ok(process::parse(&output))
    }

    /// The sinks of a sandbox's sessions, with what they lost.
    ///
    /// # Errors
    /// If it cannot be run or fails.
    pub fn trace_list(
        &self,
        root: &Path,
        sandbox: &str,
        cancelled: &AtomicBool,
    ) -> Result<Vec<Sink>, RunscError> {
        Ok(text::sinks(&Call::new(self, Some(root), &["trace", "list", sandbox]).text(cancelled)?))
    }

    /// Begins the session `config` (JSON as of `--pod-init-config`) in a sandbox, in place of the
    /// one that it has. The process that `start` starts is the one that connects to the session's
    /// socket, and ends once the connection stands.
    ///
    /// # Errors
    /// If it cannot be run or fails: nobody answers at the socket, or the sandbox does not.
    pub fn trace_create(
        &self,
        root: &Path,
        sandbox: &str,
        config: &Value,
        start: Start<'_>,
        cancelled: &AtomicBool,
    ) -> Result<(), RunscError> {
        // The session by itself: runsc reads the same file twice if it is wrapped.
        let session = config.get("trace_session").unwrap_or(config).to_string();
        let args = ["trace", "create", "--force", "--config=/proc/self/fd/0", sandbox];
        let mut call = Call::new(self, Some(root), &args);
        call.input = Some(session.as_bytes());
        let name = format!("{} trace create {sandbox}", self.path.display());
        run(&mut call.command(), &name, call.input, call.limits(OUTPUT, cancelled), |c| start(c))?;
        Ok(())
    }

    /// Ends the session of a sandbox.
    ///
    /// # Errors
    /// If it cannot be run or fails: there is no session.
    pub fn trace_delete(
        &self,
        root: &Path,
        sandbox: &str,
        cancelled: &AtomicBool,
    ) -> Result<(), RunscError> {
        let args = ["trace", "delete", "--name", SESSION, sandbox];
        Call::new(self, Some(root), &args).output(OUTPUT, cancelled)?;
        Ok(())
    }
}

/// Where a program is in directories with `:` between them.
fn find(name: &Path, directories: &str) -> Option<PathBuf> {
    let mut programs = directories.split(':').map(|directory| Path::new(directory).join(name));
    programs.find(|program| program.is_absolute() && program.is_file())
}

/// Whether `pid` was started as the sandbox `id` of runsc.
pub fn is_sandbox(proc: &Path, pid: i32, id: &str) -> bool {
    if pid <= 0 {
        return false;
    }
    // `runsc-sandbox OPTIONS boot OPTIONS ID`
    let Ok(line) = fs::read(proc.join(pid.to_string()).join("cmdline")) else { return false };
    let mut args = line.split(|&b| b == 0).filter(|arg| !arg.is_empty());
    let last = args.clone().next_back();
    args.any(|arg| arg == b"boot") && last == Some(id.as_bytes())
}

/// One run of the program.
struct Call<'a> {
    runsc: &'a Runsc,
    root: Option<&'a Path>,
    args: &'a [&'a str],
    input: Option<&'a [u8]>,
}

impl<'a> Call<'a> {
    fn new(runsc: &'a Runsc, root: Option<&'a Path>, args: &'a [&'a str]) -> Self {
        Call { runsc, root, args, input: None }
    }

    fn command(&self) -> Command {
        let mut command = match &self.runsc.file {
            // The kernel looks this up before it closes what the program is not to inherit.
            Some(file) => Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())),
            None => Command::new(&self.runsc.path),
        };
        command.arg0("runsc");
        if let Some(root) = self.root {
            command.arg("--root").arg(root);
        }
        command.args(self.args);
        command
    }

    /// The command in messages.
    fn name(&self) -> String {
        format!("{} {}", self.runsc.path.display(), self.args.join(" "))
    }

    fn limits<'c>(&self, output: usize, cancelled: &'c AtomicBool) -> Limits<'c> {
        Limits { time: TIME, output, cancelled }
    }

    fn output(&self, max: usize, cancelled: &AtomicBool) -> Result<Vec<u8>, RunscError> {
        let limits = self.limits(max, cancelled);
        Ok(run(&mut self.command(), &self.name(), self.input, limits, Command::spawn)?)
    }

    fn text(&self, cancelled: &AtomicBool) -> Result<String, RunscError> {
        Ok(String::from_utf8_lossy(&self.output(OUTPUT, cancelled)?).into_owned())
    }

    fn not_understood(&self) -> RunscError {
        RunscError::Output { command: self.name() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sandbox_of_that_name_is_taken_for_it() {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir(proc.path().join("7")).unwrap();
        let is = |line: &[u8], id: &str| {
            fs::write(proc.path().join("7/cmdline"), line).unwrap();
            is_sandbox(proc.path(), 7, id)
        };
        let line = b"runsc-sandbox\0--root=/r\0boot\0--spec-fd=7\0box\0";
        assert!(is(line, "box"));
        assert!(!is(line, "bo") && !is(b"sleep\0box\0", "box") && !is(b"", "box"));
        assert!(!is_sandbox(proc.path(), 8, "box") && !is_sandbox(proc.path(), -1, "box"));
    }

    #[test]
    fn names_are_looked_for() {
        assert!(Runsc::at(Path::new("sh")).path().is_absolute());
        assert_eq!(Runsc::at(Path::new("./sh")).path(), Path::new("./sh"));
        assert_eq!(Runsc::at(Path::new("nobody-has-it")).path(), Path::new("nobody-has-it"));
        assert!(Runsc::in_path("::relative:/nowhere").is_none());
    }

    #[test]
    fn a_program_that_others_can_change_is_not_run() {
        use std::os::unix::fs::PermissionsExt;
        let proc = tempfile::tempdir().unwrap();
        let process = proc.path().join("7");
        fs::create_dir(&process).unwrap();
        fs::write(process.join("cmdline"), b"runsc-sandbox\0boot\0box\0").unwrap();
        let program = proc.path().join("runsc");
        let set = |mode| fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        fs::write(&program, "#!/bin/sh\n").unwrap();
        std::os::unix::fs::symlink(&program, process.join("exe")).unwrap();
        set(0o755);
        assert_eq!(Runsc::of_sandbox(proc.path(), 7, "box").unwrap().path(), program);
        assert!(Runsc::of_sandbox(proc.path(), 7, "other").is_err());
        set(0o777);
        assert!(Runsc::of_sandbox(proc.path(), 7, "box").is_err());
    }
}
