//! Running a command and what it uses, from the kernel's own accounts: `wait4` at the end, the
//! process's CPU clock meanwhile.

use std::process::{Child, Command, Stdio};
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
    Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()))?.wait()
}

/// A process that runs. It is killed if it is dropped before its end was waited for.
pub struct Running {
    /// For its pipes. Its `wait` would lose the usage.
    pub child: Child,
    /// When it was started.
    pub start: Instant,
    command: String,
    waited: bool,
}

impl Running {
    /// Starts `command`.
    pub fn start(command: &mut Command) -> Result<Self> {
        let start = Instant::now();
        let command_line = format!("{command:?}");
        let child = command.spawn().with_context(|| format!("cannot run {command_line}"))?;
        Ok(Running { child, start, command: command_line, waited: false })
    }

    /// The CPU seconds that it has used so far, to the nanosecond (clock_getcpuclockid(3)).
    pub fn cpu(&self) -> Result<f64> {
        let mut clock = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both pointers are to live locals of the types that the calls write.
        let failed = unsafe {
            libc::clock_getcpuclockid(self.pid()?, &raw mut clock) != 0
                || libc::clock_gettime(clock, &raw mut time) != 0
        };
        if failed {
            bail!("{} has ended too early", self.command);
        }
        Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) -> Result<()> {
        // SAFETY: a signal to a child of ours that was not waited for, so the id is still its own.
        if unsafe { libc::kill(self.pid()?, libc::SIGTERM) } != 0 {
            return Err(std::io::Error::last_os_error()).context("cannot signal the process");
        }
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it does not end with code 0.
    pub fn wait(mut self) -> Result<Usage> {
        let (status, usage) = wait(self.pid()?)?;
        self.waited = true;
        if status != 0 {
            bail!("{} ended with wait status {status:#x}", self.command);
        }
        let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
        Ok(Usage {
            cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            wall: self.start.elapsed().as_secs_f64(),
            peak: usage.ru_maxrss as f64 / 1024.0,
        })
    }

    fn pid(&self) -> Result<libc::pid_t> {
        libc::pid_t::try_from(self.child.id()).context("no process id")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.waited {
            // It may have ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits for a child of this process. `std`'s wait does not tell the usage of one child.
fn wait(pid: libc::pid_t) -> Result<(libc::c_int, libc::rusage)> {
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

    const BUSY: &str = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";

    #[test]
    fn usage_and_failure_are_seen() {
        let used = measure(Command::new("sh").args(["-c", BUSY])).unwrap();
        assert!(used.cpu > 0.0 && used.wall > 0.0 && used.peak > 0.1, "{used:?}");
        assert!(measure(&mut Command::new("false")).is_err());
    }

    #[test]
    fn cpu_time_is_seen_while_it_runs() {
        let running =
            Running::start(Command::new("sh").args(["-c", &format!("{BUSY}; exec sleep 60")]))
                .unwrap();
        while running.cpu().unwrap() < 0.001 {}
        running.terminate().unwrap();
        assert!(running.wait().is_err());
    }
}
