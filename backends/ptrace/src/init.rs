//! The first process of a pid namespace, as which a container starts its command.
//!
//! Whatever loses its parent there becomes its child, and it is who gets the signals of `docker stop`,
//! which do nothing by default. So it does nothing else: it makes a child that traces, reaps what ends,
//! passes signals on to the child, and ends when and as the child does. With it ends, by the kernel,
//! everything in the namespace.

use std::io;

use nix::sys::signal::SigSet;

use crate::sys::{self, Forked};

/// Makes a child to go on in, if this is the first process: returns in the child then, and at once in
/// any other process. To be called before there are threads.
///
/// # Errors
/// If no process can be made.
pub fn become_init() -> io::Result<()> {
    if std::process::id() != 1 {
        return Ok(());
    }
    // Blocked, they wait to be taken; unblocked, those without a handler would be dropped.
    let before = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
    match sys::fork_alone()? {
        Forked::Child => Ok(before.thread_set_mask()?),
        Forked::Parent(child) => std::process::exit(reap_until(child)),
    }
}

/// Reaps and passes signals on until `child` ends; with which code.
fn reap_until(child: i32) -> i32 {
    loop {
        let Ok((signal, by_kernel)) = sys::next_signal() else { continue };
        if signal != libc::SIGCHLD {
            // What a terminal sends goes to its whole foreground group: the child has it already.
            if !by_kernel {
                sys::signal(child, signal);
            }
            continue;
        }
        while let Ok(Some((pid, status))) = sys::wait(false) {
            if pid == child && libc::WIFEXITED(status) {
                return libc::WEXITSTATUS(status);
            }
            if pid == child && libc::WIFSIGNALED(status) {
                // The first process cannot be killed by a signal of its own namespace; shells say it so.
                return 128 + libc::WTERMSIG(status);
            }
        }
    }
}
