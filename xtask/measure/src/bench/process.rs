//! Running a command to its end and what it used, from the kernel's own account (`wait4`).

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// What a process used, all of its threads.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// User and system CPU time in seconds.
    pub cpu: f64,
    /// From start to end in seconds.
    pub wall: f64,
    /// Largest resident size in MiB.
    pub peak: f64,
}

/// Runs `command`, throwing away what it prints on stdout.
///
/// # Errors
/// If it cannot be run or does not end with code 0.
pub fn measure(command: &mut Command) -> Result<Usage> {
    let start = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let (status, usage) = wait(child.id())?;
    if status != 0 {
        bail!("{command:?} ended with wait status {status:#x}");
    }
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    Ok(Usage {
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        wall: start.elapsed().as_secs_f64(),
        peak: usage.ru_maxrss as f64 / 1024.0,
    })
}

/// Waits for a child of this process. `std`'s wait does not tell the usage of one child.
fn wait(pid: u32) -> Result<(libc::c_int, libc::rusage)> {
    let pid = libc::pid_t::try_from(pid).context("no process id")?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are to live locals of the types that wait4(2) writes.
        if unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) } == pid {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error).context("cannot wait for the process");
        }
    }
    // SAFETY: rusage is plain numbers, for which zeroes are a value, and wait4 has filled it in.
    Ok((status, unsafe { usage.assume_init() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_and_failure_are_seen() {
        let used = measure(
            Command::new("sh").args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]),
        )
        .unwrap();
        assert!(used.cpu > 0.0 && used.wall > 0.0 && used.peak > 0.1, "{used:?}");
        assert!(measure(&mut Command::new("false")).is_err());
    }
}
