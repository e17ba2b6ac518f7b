//! Signals to falco are meant for the command that it runs.
//!
//! Those that somebody sends (kill(2): a supervisor, `docker stop`) are passed on. Those of the kernel
//! are not: what a terminal sends goes to its whole foreground group, so that the command has its own
//! already. Watching running processes, signals that ask to end end the watch instead.

use std::thread;

use anyhow::{Context, Result};
use falco_ptrace::Control;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::signals::Stop;

/// What is taken over. Signals of job control keep their ways.
const TAKEN: [Signal; 6] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// Which of them ask a watch to end.
const ENDING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// Where signals go.
pub enum Target {
    /// To the command at the root of the tree.
    Command(Control),
    /// They end the watch.
    Watch(Stop),
}

/// Takes signals over for the rest of this process's life. To be called after the command was made,
/// which must not inherit that they are blocked, and before other threads are, which must.
///
/// # Errors
/// If the kernel refuses.
pub fn take_over(target: Target) -> Result<()> {
    let taken: SigSet = TAKEN.into_iter().collect();
    taken.thread_block().context("cannot block signals")?;
    let signals =
        SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC).context("cannot read signals")?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || pass_on(&signals, &target))
        .context("cannot start the thread that reads signals")?;
    Ok(())
}

/// Reads signals until the process ends.
fn pass_on(signals: &SignalFd, target: &Target) {
    loop {
        let info = match signals.read_signal() {
            Ok(Some(info)) => info,
            Ok(None) | Err(nix::Error::EINTR) => continue,
            Err(_) => return,
        };
        let Some(signal) = TAKEN.into_iter().find(|taken| *taken as u32 == info.ssi_signo) else {
            continue;
        };
        match target {
            // Positive codes are the kernel's own (sigaction(2): SI_KERNEL).
            Target::Command(_) if info.ssi_code > 0 => {}
            Target::Command(command) => command.signal(signal as i32),
            Target::Watch(stop) if ENDING.contains(&signal) => stop.request(),
            Target::Watch(_) => {}
        }
    }
}
