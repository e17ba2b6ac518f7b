//! A load of system calls, for measuring what a sensor costs: `load [open=N] [getpid=N] [pipe=N]
//! [fork=N] [file=PATH] [exec=PATH]`.
//!
//! * `open`: N times openat of `file` for reading, and close;
//! * `getpid`: N times getpid, which no rule asks for;
//! * `pipe`: N writes of 64 bytes to a pipe that a child empties with reads of 64 KiB;
//! * `fork`: N times fork, execve of `exec` in the child, and wait for it.
//!
//! The phases are those of the load on which Falco was measured (`bench live`). Each prints a line:
//! its name, the number of operations, and wall and CPU nanoseconds for one; CPU is that of this
//! process and of the children that ended. It ends by itself.
#![allow(clippy::print_stdout)] // What it prints is what it is for.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Instant;

/// What to do how often, and to what.
struct Load {
    open: u64,
    getpid: u64,
    pipe: u64,
    fork: u64,
    file: CString,
    exec: CString,
}

fn main() -> ExitCode {
    match Load::parse(std::env::args().skip(1)).and_then(|load| load.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Load {
    fn parse(args: impl Iterator<Item = String>) -> io::Result<Load> {
        let mut load = Load {
            open: 1_000_000,
            getpid: 1_000_000,
            pipe: 300_000,
            fork: 2_000,
            file: c"/etc/hostname".into(),
            exec: c"/bin/true".into(),
        };
        for arg in args {
            let bad = || io::Error::other(format!("{arg}: not an argument"));
            let (key, value) = arg.split_once('=').ok_or_else(bad)?;
            let number = || value.parse().map_err(|_| bad());
            match key {
                "open" => load.open = number()?,
                "getpid" => load.getpid = number()?,
                "pipe" => load.pipe = number()?,
                "fork" => load.fork = number()?,
                "file" => load.file = CString::new(value)?,
                "exec" => load.exec = CString::new(value)?,
                _ => return Err(bad()),
            }
        }
        Ok(load)
    }

    fn run(&self) -> io::Result<()> {
        let start = Clock::now()?;
        phase("open", self.open, || self.opens())?;
        phase("getpid", self.getpid, || {
            for _ in 0..self.getpid {
                // SAFETY: getpid takes nothing and cannot fail. Not libc::getpid: a C library may
                // remember the answer.
                unsafe { libc::syscall(libc::SYS_getpid) };
            }
            Ok(())
        })?;
        phase("pipe", self.pipe, || self.pipes())?;
        phase("fork", self.fork, || self.forks())?;
        start.print("total", 1)
    }

    fn opens(&self) -> io::Result<()> {
        for _ in 0..self.open {
            // SAFETY: the path ends with a zero byte and outlives the call.
            let fd = check(unsafe { libc::open(self.file.as_ptr(), libc::O_RDONLY) })?;
            // SAFETY: nothing else knows this file descriptor.
            check(unsafe { libc::close(fd) })?;
        }
        Ok(())
    }

    fn pipes(&self) -> io::Result<()> {
        let (mut reader, mut writer) = io::pipe()?;
        // SAFETY: this process has one thread, so the child may do what the parent may.
        let child = check(unsafe { libc::fork() })?;
        if child == 0 {
            drop(writer);
            let mut buffer = vec![0; 1 << 16];
            while matches!(reader.read(&mut buffer), Ok(n) if n > 0) {}
            std::process::exit(0);
        }
        drop(reader);
        for _ in 0..self.pipe {
            writer.write_all(&[b'x'; 64])?;
        }
        drop(writer);
        wait(child)
    }

    fn forks(&self) -> io::Result<()> {
        let argv = [self.exec.as_ptr(), std::ptr::null()];
        let environment = environment()?;
        let environment: Vec<_> = environment
            .iter()
            .map(|variable| variable.as_ptr())
            .chain(std::iter::once(std::ptr::null()))
            .collect();
        // A typing error would otherwise be N failures of the child, and fast.
        File::open(std::path::Path::new(&*self.exec.to_string_lossy()))?;
        for _ in 0..self.fork {
            // SAFETY: this process has one thread, so the child may do what the parent may.
            let child = check(unsafe { libc::fork() })?;
            if child == 0 {
                // SAFETY: path and both arrays are terminated and outlive the calls, of which the
                // first returns only to fail.
                unsafe {
                    libc::execve(argv[0], argv.as_ptr(), environment.as_ptr());
                    libc::_exit(127);
                }
            }
            wait(child)?;
        }
        Ok(())
    }
}

/// This process's environment, as execve(2) wants its lines.
fn environment() -> io::Result<Vec<CString>> {
    let lines =
        std::env::vars_os().map(|(key, value)| [key.as_bytes(), value.as_bytes()].join(&b'='));
    Ok(lines.map(CString::new).collect::<Result<_, _>>()?)
}

/// Runs `work`, which does `count` operations, and prints what they took; nothing for none.
fn phase(name: &str, count: u64, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let begin = Clock::now()?;
    work()?;
    begin.print(name, count)
}

/// A point in time and in CPU time.
struct Clock {
    wall: Instant,
    /// Seconds of user and system time, of this process and its children that ended.
    cpu: f64,
}

impl Clock {
    fn now() -> io::Result<Clock> {
        let cpu = usage(libc::RUSAGE_SELF)? + usage(libc::RUSAGE_CHILDREN)?;
        Ok(Clock { wall: Instant::now(), cpu })
    }

    fn print(&self, name: &str, count: u64) -> io::Result<()> {
        let (wall, cpu) = (self.wall.elapsed().as_secs_f64(), Clock::now()?.cpu - self.cpu);
        let (wall_ns, cpu_ns) = (wall * 1e9 / count as f64, cpu * 1e9 / count as f64);
        println!(
            "{name} ops={count} wall_s={wall:.4} cpu_s={cpu:.4} wall_ns={wall_ns:.1} cpu_ns={cpu_ns:.1}"
        );
        Ok(())
    }
}

fn usage(who: libc::c_int) -> io::Result<f64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a live local of the type that getrusage(2) writes.
    check(unsafe { libc::getrusage(who, usage.as_mut_ptr()) })?;
    // SAFETY: rusage is plain numbers, for which zeroes are a value.
    let usage = unsafe { usage.assume_init() };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    Ok(seconds(usage.ru_utime) + seconds(usage.ru_stime))
}

/// Waits for `child`, which must end with 0.
fn wait(child: libc::pid_t) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: the pointer is to a live local.
    check(unsafe { libc::waitpid(child, &raw mut status, 0) })?;
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::other(format!("a child ended with {status:#x}")))
    }
}

/// The result of a system call, or its error.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
