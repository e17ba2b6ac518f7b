//! An ordinary user: no account, no capabilities, none to be gained, no terminal.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::actor::{is_installed, succeed};
use crate::common;

/// Of no account: rules make exceptions for some, and are stricter with others.
pub const UID: u32 = 61234;
/// How long a test waits for something.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a command may take.
const SECONDS: &str = "120";

/// An ordinary user with a folder, in which are the binary and whatever else a test puts there.
pub struct Nobody {
    pub dir: tempfile::TempDir,
    falco: PathBuf,
    uid: u32,
}

/// A command's end and all that it said.
#[derive(Debug, PartialEq)]
pub struct Done {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Done { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl Done {
    /// Asserts the exit code, showing what was said if it is another one.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }
}

impl Nobody {
    /// The user [`UID`] if this is root, else who this is.
    pub fn new() -> Self {
        let own = rustix::process::geteuid().as_raw();
        Self::with(own, if own == 0 { UID } else { own })
    }

    /// Who this is, root or not.
    pub fn myself() -> Self {
        let own = rustix::process::geteuid().as_raw();
        Self::with(own, own)
    }

    fn with(own: u32, uid: u32) -> Self {
        let dir = tempfile::Builder::new().prefix("trace").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        if own == 0 {
            chown(dir.path(), Some(uid), Some(uid)).unwrap();
        }
        // Where the build is may be closed to others.
        let falco = dir.path().join("falco");
        let built = PathBuf::from(common::falco().get_program());
        fs::hard_link(&built, &falco).or_else(|_| fs::copy(&built, &falco).map(drop)).unwrap();
        Nobody { dir, falco, uid }
    }

    pub fn falco(&self) -> &Path {
        &self.falco
    }

    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// A file of the user's folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        if fs::metadata(&path).unwrap().uid() != self.uid {
            chown(&path, Some(self.uid), Some(self.uid)).unwrap();
        }
        path
    }

    /// A rules file.
    pub fn rules(&self, rules: &[(&str, &str, &str)]) -> PathBuf {
        let rule = |(name, priority, condition): &(&str, &str, &str)| {
            format!(
                "- rule: {name}\n  desc: A test.\n  condition: {condition}\n  \
                 output: seen %proc.name %evt.type %fd.name\n  priority: {priority}\n"
            )
        };
        self.file("rules.yaml", &rules.iter().map(rule).collect::<String>())
    }

    /// A command as that user, in its folder; it dies with the thread that starts it.
    pub fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if rustix::process::geteuid().as_raw() != self.uid {
            let uid = self.uid.to_string();
            command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups"]);
            command.args(["--inh-caps=-all", "--bounding-set=-all"]);
            command.env("HOME", self.dir.path());
        }
        // Shells cannot trap what is ignored when they start, as SIGHUP is below nohup(1).
        command
            .args(["env", "--default-signal"])
            .args(words)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command.env("FALCO_HOSTNAME", "node1").env("TZ", "UTC");
        // Some programs ask for it, and it is set in terminals only.
        command.env("SHELL", "/bin/sh");
        command
    }

    /// The same, killed when it takes too long. What it starts stays in the terminal's foreground.
    pub fn timely<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(["timeout", "--foreground", "-s", "KILL", SECONDS]);
        command.args(words);
        command
    }

    /// `falco trace` with these arguments.
    pub fn trace<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.timely([self.falco.as_os_str(), OsStr::new("trace")]);
        command.args(args);
        command
    }
}

/// A child with lines of its stdout to wait for; killed when dropped.
pub struct Running {
    pub child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Running { child, lines }
    }

    /// The next line.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code, once it has ended.
    #[track_caller]
    pub fn code(&mut self) -> Option<i32> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().or(status.signal().map(|signal| -signal));
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs it to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Done {
    command.output().unwrap_or_else(|why| panic!("{command:?}: {why}")).into()
}

/// Runs it with something on its standard input.
#[track_caller]
pub fn run_with(command: &mut Command, input: &str) -> Done {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// Compiles one of the C programs of these tests into the folder, or says what is missing.
pub fn compile(nobody: &Nobody, source: &str) -> Result<PathBuf, String> {
    if !is_installed("cc") {
        return Err("cc is not installed".to_owned());
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(source);
    let program = nobody.dir.path().join(source.file_stem().unwrap());
    let mut cc = Command::new("cc");
    cc.args(["-static", "-O1", "-pthread", "-Wall", "-Wextra", "-Wno-unused-parameter", "-o"]);
    succeed(cc.arg(&program).arg(source));
    Ok(program)
}
