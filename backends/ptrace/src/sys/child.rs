//! The process of a command: what it does between fork and exec, and how it tells how far it is.

use std::ffi::{CStr, CString, c_void};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};

use super::PAGE;

/// What a child does after fork: all of it prepared, since the child may not allocate.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a CStr,
    pub(crate) argv: &'a [CString],
    pub(crate) env: &'a [CString],
    /// The seccomp program to install, if any.
    pub(crate) filter: Option<&'a [libc::sock_filter]>,
    /// Whether to give up privileges of setuid programs if a filter cannot be had otherwise.
    pub(crate) may_give_up_setuid: bool,
}

/// How far a child is. It writes here, in memory that it shares with us, since it may be traced already
/// when it fails, and nobody could read a pipe then.
#[derive(Debug)]
pub(crate) struct Progress {
    page: ptr::NonNull<Words>,
}

#[derive(Debug)]
#[repr(C)]
struct Words {
    /// 1 if the filter was installed; a negative errno if it was refused.
    filter: AtomicI32,
    /// 1 if privileges of setuid programs were given up for it.
    gave_up_setuid: AtomicI32,
    /// The errno of the failed execution.
    exec: AtomicI32,
}

// SAFETY: the mapping belongs to the process, not to a thread, and holds atomics.
unsafe impl Send for Progress {}

impl Progress {
    fn new() -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice disturbs no other memory.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                PAGE as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        match ptr::NonNull::new(page) {
            Some(page) if page.as_ptr() != libc::MAP_FAILED => Ok(Progress { page: page.cast() }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn words(&self) -> &Words {
        // SAFETY: a page that is mapped as long as `self` lives, zeroed, and only accessed through
        // atomics; it is larger than the words and aligned.
        unsafe { self.page.as_ref() }
    }

    /// Whether the filter is there: not if none was asked for, either.
    pub(crate) fn filter(&self) -> Result<bool, io::Error> {
        match self.words().filter.load(Ordering::Acquire) {
            errno if errno < 0 => Err(io::Error::from_raw_os_error(-errno)),
            done => Ok(done == 1),
        }
    }

    /// Whether setuid programs have lost their privileges.
    pub(crate) fn gave_up_setuid(&self) -> bool {
        self.words().gave_up_setuid.load(Ordering::Acquire) != 0
    }

    /// Why the program could not be executed, if so.
    pub(crate) fn refusal(&self) -> Option<io::Error> {
        let errno = self.words().exec.load(Ordering::Acquire);
        (errno != 0).then(|| io::Error::from_raw_os_error(errno))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // SAFETY: address and length are those that mmap gave, and nobody has unmapped them.
        unsafe { libc::munmap(self.page.as_ptr().cast::<c_void>(), PAGE as usize) };
    }
}

/// A child that waits to be told to go on.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: i32,
    go: OwnedFd,
    pub(crate) progress: Progress,
}

impl Child {
    /// Lets it install its filter and execute its program.
    pub(crate) fn go(&self) -> io::Result<()> {
        rustix::io::write(&self.go, &[1])?;
        Ok(())
    }
}

/// Makes a child that waits. It ends by itself if we do before [`Child::go`].
pub(crate) fn fork(program: &Program<'_>) -> io::Result<Child> {
    let pointers = |texts: &[CString]| {
        let ends = std::iter::once(ptr::null());
        texts.iter().map(|text| text.as_ptr()).chain(ends).collect::<Vec<_>>()
    };
    let (argv, env) = (pointers(program.argv), pointers(program.env));
    // `sh FILE ARGUMENTS`, for files that are no programs (execvp(3)).
    let mut shell_argv = vec![c"/bin/sh".as_ptr(), program.path.as_ptr()];
    shell_argv.extend(argv.iter().skip(1));
    let filter = program.filter.map(|code| libc::sock_fprog {
        // More than BPF_MAXINSNS is refused by the kernel.
        len: u16::try_from(code.len()).unwrap_or(u16::MAX),
        filter: code.as_ptr().cast_mut(),
    });
    let (wait, go) = pipe_with(PipeFlags::CLOEXEC)?;
    let progress = Progress::new()?;
    // SAFETY: the child calls functions alone that are safe after a fork of a process with threads
    // (signal-safety(7)): no allocation, no lock, no panic.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    if pid == 0 {
        // SAFETY: we are the child, everything is prepared, and nothing here returns.
        unsafe {
            let argv = [&argv[..], &shell_argv];
            run_child(&wait, &go, program, argv, &env, filter.as_ref(), progress.words())
        }
    }
    Ok(Child { pid, go, progress })
}

/// # Safety
/// To be called in a child that was just forked. Vectors end with a null pointer.
unsafe fn run_child(
    wait: &OwnedFd,
    go: &OwnedFd,
    program: &Program<'_>,
    [argv, shell_argv]: [&[*const libc::c_char]; 2],
    env: &[*const libc::c_char],
    filter: Option<&libc::sock_fprog>,
    words: &Words,
) -> ! {
    let mut byte = 0_u8;
    // SAFETY: all are system calls with valid pointers; `go` is never used in this process again.
    unsafe {
        // Of a parent that is private, or it could not be traced.
        libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
        // So that the end of the parent is the end of the pipe.
        libc::close(go.as_raw_fd());
        loop {
            match libc::read(wait.as_raw_fd(), (&raw mut byte).cast(), 1) {
                1 => break,
                got if got < 0
                    && io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
                _ => libc::_exit(127),
            }
        }
        // Rust's runtime ignores it, which would be inherited.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if let Some(filter) = filter {
            install(filter, program.may_give_up_setuid, words);
        }
        libc::execve(program.path.as_ptr(), argv.as_ptr(), env.as_ptr());
        let mut errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
        if errno == libc::ENOEXEC {
            libc::execve(c"/bin/sh".as_ptr(), shell_argv.as_ptr(), env.as_ptr());
            errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
        }
        words.exec.store(errno, Ordering::Release);
        libc::_exit(127)
    }
}

/// # Safety
/// The program must be valid. Safe after fork.
unsafe fn install(filter: &libc::sock_fprog, may_give_up_setuid: bool, words: &Words) {
    // SAFETY: the kernel copies and checks the program.
    let attempt = |flags: u64| unsafe {
        let mode = u64::from(libc::SECCOMP_SET_MODE_FILTER);
        match libc::syscall(libc::SYS_seccomp, mode, flags, ptr::from_ref(filter)) {
            0 => 0,
            _ => io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL),
        }
    };
    // Without the flag, kernels would slow everything down for fear of speculation (Linux 4.17).
    let tries = || match attempt(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW) {
        libc::EINVAL => attempt(0),
        result => result,
    };
    let mut errno = tries();
    if errno == libc::EACCES && may_give_up_setuid {
        // SAFETY: takes numbers alone.
        let given_up = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } == 0;
        if given_up {
            words.gave_up_setuid.store(1, Ordering::Release);
            errno = tries();
        }
    }
    words.filter.store(if errno == 0 { 1 } else { -errno }, Ordering::Release);
}
