//! A program run within limits: of time, of what it may print, and until somebody wants to stop.
//!
//! The program gets no input but what it is given, no environment but a `PATH`, and a process group
//! of its own, so that it can be ended with all that it started and no signal of a terminal reaches
//! it. It is never waited for longer than it is allowed to run, even if it cannot be killed.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use thiserror::Error;

/// Longest time between two looks at whether somebody wants to stop.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a program that was killed is waited for.
const FUNERAL: Duration = Duration::from_millis(500);
/// Bytes of what a program says on stderr that are kept: its end.
const MAX_SAID: usize = 4096;

/// What a program may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// How long it may run.
    pub time: Duration,
    /// Bytes that it may print.
    pub output: usize,
    /// Becomes true when it is to be given up.
    pub cancelled: &'a AtomicBool,
}

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// It could not be started.
    #[error("{command}: cannot be started: {error}")]
    Start {
        /// What was to be run.
        command: String,
        /// Why not.
        error: io::Error,
    },
    /// It failed.
    #[error("{command}: {said} ({status})")]
    Failed {
        /// What was run.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last line that it said on stderr, or on stdout if there is none.
        said: String,
    },
    /// It did not end in time and was killed.
    #[error("{command}: killed because it took longer than {} s", limit.as_secs_f32())]
    TimedOut {
        /// What was run.
        command: String,
        /// How long it might run.
        limit: Duration,
    },
    /// It printed too much and was killed.
    #[error("{command}: killed because it printed more than {limit} bytes")]
    TooMuch {
        /// What was run.
        command: String,
        /// Bytes that it might print.
        limit: usize,
    },
    /// It was killed because its answer is not wanted any more.
    #[error("{command}: given up")]
    Cancelled {
        /// What was run.
        command: String,
    },
    /// Its output could not be read.
    #[error("{command}: {error}")]
    Io {
        /// What was run.
        command: String,
        /// What went wrong.
        error: io::Error,
    },
}

/// Runs `command`, which errors call `name`, to its end and gives what it printed. It finds `input`
/// on stdin, in a file in memory that can be read again. `start` starts it ([`Command::spawn`], with
/// whatever has to happen beside that).
///
/// # Errors
/// If it cannot be started, fails, or leaves its limits.
pub fn run(
    command: &mut Command,
    name: &str,
    input: Option<&[u8]>,
    limits: Limits<'_>,
    start: impl FnOnce(&mut Command) -> io::Result<Child>,
) -> Result<Vec<u8>, CommandError> {
    let io = |error: io::Error| CommandError::Io { command: name.to_owned(), error };
    command
        .stdin(match input {
            Some(input) => Stdio::from(in_memory(input).map_err(io)?),
            None => Stdio::null(),
        })
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let end = Instant::now() + limits.time;
    let child =
        start(command).map_err(|error| CommandError::Start { command: name.to_owned(), error })?;
    let mut running = Running::new(child);
    match running.finish(name, limits, end) {
        Ok((status, stdout, _)) if status.success() => Ok(stdout),
        Ok((status, stdout, stderr)) => {
            let said = last_line(&stderr).or_else(|| last_line(&stdout));
            let said = said.unwrap_or_else(|| "it says nothing".to_owned());
            Err(CommandError::Failed { command: name.to_owned(), status, said })
        }
        Err(error) => {
            running.kill();
            Err(error)
        }
    }
}

/// A file that has these bytes and no name.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"falco-session", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// A program that runs.
struct Running {
    /// None once it has ended and been waited for.
    child: Option<Child>,
}

impl Drop for Running {
    /// Whatever happened, nothing is left running.
    fn drop(&mut self) {
        self.kill();
    }
}

impl Running {
    fn new(child: Child) -> Self {
        Running { child: Some(child) }
    }

    /// Its end, and what it printed until then on stdout and stderr.
    fn finish(
        &mut self,
        name: &str,
        limits: Limits<'_>,
        end: Instant,
    ) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), CommandError> {
        let io = |error: io::Error| CommandError::Io { command: name.to_owned(), error };
        let Some(child) = self.child.as_mut() else {
            return Err(io(io::Error::other("it has ended")));
        };
        let mut stdout = Pipe::new(child.stdout.take()).map_err(io)?;
        let mut stderr = Pipe::new(child.stderr.take()).map_err(io)?;
        // Its end can only be waited for together with its output by a handle, which Linux before
        // 5.3 does not have: then it is looked at now and then.
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let handle = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut waits = Vec::with_capacity(3);
            let pipes =
                [stdout.source.as_ref().map(AsFd::as_fd), stderr.source.as_ref().map(AsFd::as_fd)];
            for fd in pipes.into_iter().flatten() {
                waits.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
            }
            if let Some(handle) = &handle {
                waits.push(PollFd::new(handle, PollFlags::IN));
            }
            let pause =
                Timespec::try_from(left.min(PATIENCE)).map_err(|e| io(io::Error::other(e)))?;
            match poll(&mut waits, Some(&pause)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io(error.into())),
            }
            // Looked at before the last of its output is read: nothing is printed after the end.
            let ended = child.try_wait().map_err(io)?;
            stdout.read(limits.output.saturating_add(1), false).map_err(io)?;
            stderr.read(MAX_SAID, true).map_err(io)?;
            if stdout.bytes.len() > limits.output {
                return Err(CommandError::TooMuch {
                    command: name.to_owned(),
                    limit: limits.output,
                });
            }
            if let Some(status) = ended {
                self.child = None;
                return Ok((status, stdout.bytes, stderr.bytes));
            }
            if limits.cancelled.load(Ordering::Relaxed) {
                return Err(CommandError::Cancelled { command: name.to_owned() });
            }
            if left.is_zero() {
                return Err(CommandError::TimedOut {
                    command: name.to_owned(),
                    limit: limits.time,
                });
            }
        }
    }

    /// Ends it and all that it started.
    fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // It has not been waited for, so the id is still its own.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let end = Instant::now() + FUNERAL;
        while Instant::now() < end {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // It hangs in the kernel. Somebody has to wait for it, but not here.
        let _ = std::thread::Builder::new().name("runsc-reaper".into()).spawn(move || child.wait());
    }
}

/// One end of a pipe that is read without waiting.
struct Pipe<R> {
    /// None once it has ended.
    source: Option<R>,
    bytes: Vec<u8>,
}

impl<R: Read + AsFd> Pipe<R> {
    fn new(source: Option<R>) -> io::Result<Self> {
        if let Some(source) = &source {
            rustix::io::ioctl_fionbio(source, true)?;
        }
        Ok(Pipe { source, bytes: Vec::new() })
    }

    /// Reads what is there, and keeps the first `max` bytes of it all, or the last.
    fn read(&mut self, max: usize, keep_last: bool) -> io::Result<()> {
        let mut buffer = [0; 1 << 14];
        // Bounded: whoever prints faster than this reads cannot keep it here.
        for _ in 0..256 {
            let Some(source) = &mut self.source else { break };
            match source.read(&mut buffer) {
                Ok(0) => self.source = None,
                Ok(n) => {
                    let read = buffer.get(..n).unwrap_or_default();
                    if keep_last {
                        self.bytes.extend_from_slice(read);
                        self.bytes.drain(..self.bytes.len().saturating_sub(max));
                    } else {
                        let room = max.saturating_sub(self.bytes.len());
                        self.bytes.extend_from_slice(read.get(..n.min(room)).unwrap_or_default());
                        if room <= n {
                            break;
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The last line with something in it, without characters that would disturb a log.
fn last_line(said: &[u8]) -> Option<String> {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(500).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, time_ms: u64, output: usize) -> Result<Vec<u8>, CommandError> {
        let cancelled = AtomicBool::new(false);
        let limits = Limits { time: Duration::from_millis(time_ms), output, cancelled: &cancelled };
        run(Command::new("/bin/sh").args(["-c", script]), "sh", Some(b"in"), limits, Command::spawn)
    }

    #[test]
    fn answers_and_failures() {
        assert_eq!(sh("echo a; echo b >&2", 5000, 100).unwrap(), b"a\n");
        assert_eq!(
            sh("exit 3", 5000, 9).unwrap_err().to_string(),
            "sh: it says nothing (exit status: 3)"
        );
        let error = sh("echo x >&2; echo the end >&2; echo >&2; exit 128", 5000, 100).unwrap_err();
        assert_eq!(error.to_string(), "sh: the end (exit status: 128)");
        assert_eq!(
            sh("echo no; exit 1", 5000, 9).unwrap_err().to_string(),
            "sh: no (exit status: 1)"
        );
        // stderr is read, however much it is.
        assert_eq!(sh("head -c 300000 /dev/zero >&2; echo a", 5000, 9).unwrap(), b"a\n");
        let all = sh("head -c 300000 /dev/zero", 5000, 300_000).unwrap();
        assert_eq!(all.len(), 300_000);
        let nothing = Command::new("/nowhere").spawn().unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn nothing_but_a_path_is_in_the_environment_and_nothing_but_the_input_on_stdin() {
        let output =
            sh("env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= ; pwd", 5000, 999).unwrap();
        let output = String::from_utf8(output).unwrap();
        assert!(output.starts_with("PATH=/usr/local/sbin:"), "{output}");
        assert_eq!(output.lines().count(), 2, "{output}");
        assert!(output.ends_with("\n/\n"), "{output}");
    }

    #[test]
    fn limits_hold() {
        let begin = Instant::now();
        assert!(matches!(sh("sleep 30 & sleep 30", 200, 9), Err(CommandError::TimedOut { .. })));
        assert!(matches!(
            sh("trap '' TERM INT; yes", 5000, 100),
            Err(CommandError::TooMuch { .. })
        ));
        let cancelled = AtomicBool::new(true);
        let limits = Limits { time: Duration::from_secs(30), output: 9, cancelled: &cancelled };
        let error =
            run(Command::new("/bin/sleep").arg("30"), "sleep", None, limits, Command::spawn);
        assert!(matches!(error, Err(CommandError::Cancelled { .. })));
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    }

    #[test]
    fn whoever_inherits_the_pipe_is_not_waited_for() {
        let begin = Instant::now();
        assert_eq!(sh("sleep 3 & echo a", 2000, 100).unwrap(), b"a\n");
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
}
