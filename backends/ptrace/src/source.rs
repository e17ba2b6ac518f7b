//! [`Ptrace`]: the source.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use falco_source::{Capabilities, Next, Snapshot, Source, SourceError, Stats};
use thiserror::Error;

use crate::command::Command;

/// Why a tree cannot be watched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PtraceError {
    /// The operating system refused.
    #[error("cannot {what}: {error}")]
    Refused {
        /// What was tried.
        what: String,
        /// The refusal.
        #[source]
        error: io::Error,
    },
}

/// What becomes of a tree when whoever watches it dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDeath {
    /// It is killed (`PTRACE_O_EXITKILL`): nothing ever runs unwatched.
    #[default]
    Kill,
    /// It goes on unwatched. A seccomp filter cannot be taken off, and calls that it stops fail with
    /// ENOSYS when nobody traces; so there is none then, and every call costs two stops.
    Free,
}

/// How a tree is watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// The wanted system calls, as portable ids.
    pub syscalls: Vec<u16>,
    /// Most bytes of data that an event shows.
    pub snaplen: u32,
    /// What becomes of the tree when this process dies.
    pub on_death: OnDeath,
    /// Whether to stop at the wanted calls alone, through a seccomp filter, if the kernel lets us.
    pub seccomp: bool,
    /// Whether setuid programs may lose their privileges for that (`PR_SET_NO_NEW_PRIVS`), where a
    /// filter cannot be had otherwise: that is, without `CAP_SYS_ADMIN`. Traced, they have none
    /// anyway if the tracer lacks `CAP_SYS_PTRACE` (ptrace(2)).
    pub no_new_privs: bool,
    /// Whether a single busy thread may be kept on the tracer's CPU.
    pub pin: bool,
    /// Most bytes of events that wait; the tree is slowed down beyond.
    pub queue_bytes: usize,
    /// Below which `/proc` and `/etc` are read.
    pub host_root: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            syscalls: Vec::new(),
            snaplen: 80,
            on_death: OnDeath::default(),
            seccomp: true,
            no_new_privs: true,
            pin: true,
            queue_bytes: 8 << 20,
            host_root: PathBuf::from("/"),
        }
    }
}

/// How calls are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The wanted ones alone, by a seccomp filter.
    Seccomp,
    /// All of them, at entry and exit (`PTRACE_SYSCALL`): there is no filter.
    AllCalls,
}

/// A process tree.
#[derive(Debug)]
pub struct Ptrace {}

/// Steers a tree from other threads.
#[derive(Clone, Debug)]
pub struct Control {}

impl Control {
    /// Sends a signal to the root command.
    pub fn signal(&self, signal: i32) {
        let _ = signal;
    }

    /// Kills everything that is traced.
    pub fn kill_tree(&self) {}

    /// Lets everything go, if there is no filter; else kills it.
    pub fn detach(&self) {}
}

impl Ptrace {
    /// Starts a command. It executes when the source [starts](Source::start).
    ///
    /// # Errors
    /// If no process can be made or traced.
    pub fn spawn(command: &Command, options: Options) -> Result<Self, PtraceError> {
        let _ = (command, options);
        Ok(Ptrace {})
    }

    /// Attaches to processes that run, with all their threads and descendants.
    ///
    /// # Errors
    /// If one of them is no process or may not be traced.
    pub fn attach(roots: &[i32], options: Options) -> Result<Self, PtraceError> {
        let _ = (roots, options);
        Ok(Ptrace {})
    }

    /// Steers the tree from other threads.
    pub fn control(&self) -> Control {
        Control {}
    }

    /// How the root command ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        None
    }

    /// How calls are stopped.
    pub fn mode(&self) -> Mode {
        Mode::Seccomp
    }
}

impl Source for Ptrace {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "ptrace", live: true, enter_events: false }
    }

    fn start(&mut self) -> Result<Snapshot, SourceError> {
        Ok(Snapshot { is_live: true, ..Snapshot::default() })
    }

    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        Ok(Next::Idle)
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}
