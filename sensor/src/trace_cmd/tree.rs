//! [`Tree`]: the source, and what is done about processes that outlive the command.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use falco_ptrace::{Mode, Ptrace};
use falco_source::{Capabilities, Next, Snapshot, Source, SourceError, Stats, ThreadLookup};

use super::options::{Rest, TraceOptions};
use super::{CannotRun, exit, tell};

/// Events between two looks at the command while there is no pause.
const STRIDE: u32 = 1024;

/// How long what the command started may take to end with it.
const A_MOMENT: Duration = Duration::from_millis(200);

/// A process tree.
pub struct Tree {
    ptrace: Ptrace,
    rest: Rest,
    quiet: bool,
    /// The program that could not be executed, if that is what kept the source from starting.
    command: Option<String>,
    started: bool,
    /// What the source said when it did not start.
    refusal: Option<io::Error>,
    /// When the command was seen to have ended.
    ended: Option<Instant>,
    /// That was dealt with.
    dealt_with: bool,
    /// Counts calls of `next` up to [`STRIDE`].
    calls: u32,
}

impl Tree {
    /// What `ptrace` watches; `rest` is for what outlives the command.
    pub fn new(ptrace: Ptrace, options: &TraceOptions, rest: Rest) -> Self {
        Tree {
            ptrace,
            rest,
            quiet: options.quiet,
            command: options.command.first().map(|name| name.to_string_lossy().into_owned()),
            started: false,
            refusal: None,
            ended: None,
            dealt_with: false,
            calls: 0,
        }
    }

    /// How the command ended, once it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.ptrace.exit_status()
    }

    /// Whether a filter in the kernel chooses what stops.
    pub fn is_filtered(&self) -> bool {
        self.ptrace.mode() == Mode::Seccomp
    }

    /// Whether setuid programs lost their privileges for it.
    pub fn gave_up_setuid(&self) -> bool {
        self.ptrace.gave_up_setuid()
    }

    /// The error of a run; that the command cannot be executed has a code of its own.
    pub fn explain(self, error: anyhow::Error) -> anyhow::Error {
        match (self.refusal, self.command) {
            (Some(error), Some(program)) if !self.started => CannotRun { program, error }.into(),
            _ => error,
        }
    }

    /// Looks whether the command has ended while others go on.
    fn look_at_command(&mut self) {
        let Some(status) = self.ptrace.exit_status() else { return };
        let ended = *self.ended.get_or_insert_with(Instant::now);
        match self.rest {
            Rest::Kill => self.ptrace.control().kill_tree(),
            // Most trees end together, in a moment.
            Rest::Wait if ended.elapsed() < A_MOMENT => return,
            Rest::Wait if self.quiet => {}
            Rest::Wait => {
                let what = match self.ptrace.control().processes() {
                    0 => return,
                    1 => "1 process that it started goes on and is watched".to_owned(),
                    n => format!("{n} processes that it started go on and are watched"),
                };
                let told = exit::told(status);
                tell(&format!("the command ended with {told}; {what} (--rest kill ends the rest)"));
            }
        }
        self.dealt_with = true;
    }
}

impl Source for Tree {
    fn capabilities(&self) -> Capabilities {
        self.ptrace.capabilities()
    }

    fn start(&mut self) -> Result<Snapshot, SourceError> {
        let started = self.ptrace.start();
        match &started {
            Ok(_) => {
                self.started = true;
                if let Some(why) = self.ptrace.no_filter() {
                    tell(&format!(
                        "every system call stops, which is slow: there is no filter, since {why}"
                    ));
                }
            }
            Err(SourceError::Io { error, .. }) => {
                self.refusal = error.raw_os_error().map(io::Error::from_raw_os_error);
            }
            Err(_) => {}
        }
        started
    }

    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        self.calls += 1;
        if self.calls >= STRIDE {
            self.calls = 0;
            if !self.dealt_with {
                self.look_at_command();
            }
        }
        let next = self.ptrace.next()?;
        if matches!(next, Next::Idle) {
            // The next call looks at the command.
            self.calls = STRIDE;
        }
        Ok(next)
    }

    fn set_patience(&mut self, longest: Duration) {
        self.ptrace.set_patience(longest);
    }

    fn lookup(&self) -> Option<Box<dyn ThreadLookup>> {
        self.ptrace.lookup()
    }

    fn stop_capture(&mut self) {
        self.ptrace.stop_capture();
    }

    fn stats(&self) -> Stats {
        self.ptrace.stats()
    }
}
