//! Names of numbers that no event table holds: error codes, signals and capabilities.
//!
//! The numbers are Linux's, the same on every architecture that captures come from. Source of the
//! facts: `errno(3)`, `signal(7)`, `capabilities(7)`; the kernel's own codes from 512 upwards are
//! those of `include/linux/errno.h`.

/// Names by code; empty where Linux has none.
#[rustfmt::skip]
static ERRORS: [&str; 126] = [
    "", "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF",
    "ECHILD", "EAGAIN", "ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV",
    "ENODEV", "ENOTDIR", "EISDIR", "EINVAL", "ENFILE", "EMFILE", "ENOTTY", "ETXTBSY", "EFBIG",
    "ENOSPC", "ESPIPE", "EROFS", "EMLINK", "EPIPE", "EDOM", "ERANGE", "EDEADLK", "ENAMETOOLONG",
    "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP", "", "ENOMSG", "EIDRM", "ECHRNG", "EL2NSYNC",
    "EL3HLT", "EL3RST", "ELNRNG", "EUNATCH", "ENOCSI", "EL2HLT", "EBADE", "EBADR", "EXFULL",
    "ENOANO", "EBADRQC", "EBADSLT", "", "EBFONT", "ENOSTR", "ENODATA", "ETIME", "ENOSR",
    "ENONET", "ENOPKG", "EREMOTE", "ENOLINK", "EADV", "ESRMNT", "ECOMM", "EPROTO", "EMULTIHOP",
    "EDOTDOT", "EBADMSG", "EOVERFLOW", "ENOTUNIQ", "EBADFD", "EREMCHG", "ELIBACC", "ELIBBAD",
    "ELIBSCN", "ELIBMAX", "ELIBEXEC", "EILSEQ", "ERESTART", "ESTRPIPE", "EUSERS", "ENOTSOCK",
    "EDESTADDRREQ", "EMSGSIZE", "EPROTOTYPE", "ENOPROTOOPT", "EPROTONOSUPPORT",
    "ESOCKTNOSUPPORT", "EOPNOTSUPP", "EPFNOSUPPORT", "EAFNOSUPPORT", "EADDRINUSE",
    "EADDRNOTAVAIL", "ENETDOWN", "ENETUNREACH", "ENETRESET", "ECONNABORTED", "ECONNRESET",
    "ENOBUFS", "EISCONN", "ENOTCONN", "ESHUTDOWN", "ETOOMANYREFS", "ETIMEDOUT", "ECONNREFUSED",
    "EHOSTDOWN", "EHOSTUNREACH", "EALREADY", "EINPROGRESS", "ESTALE", "EUCLEAN", "ENOTNAM",
    "ENAVAIL", "EISNAM", "EREMOTEIO", "EDQUOT", "ENOMEDIUM", "EMEDIUMTYPE", "ECANCELED",
];

/// Codes that only the kernel sees, unless a tracer shows them.
#[rustfmt::skip]
static KERNEL_ERRORS: &[(i64, &str)] = &[
    (512, "ERESTARTSYS"), (513, "ERESTARTNOINTR"), (514, "ERESTARTNOHAND"), (515, "ENOIOCTLCMD"),
    (516, "ERESTART_RESTARTBLOCK"), (521, "EBADHANDLE"), (522, "ENOTSYNC"), (523, "EBADCOOKIE"),
    (524, "ENOTSUPP"), (525, "ETOOSMALL"), (526, "ESERVERFAULT"), (527, "EBADTYPE"),
    (528, "EJUKEBOX"), (529, "EIOCBQUEUED"), (530, "EIOCBRETRY"),
];

/// Names by number, from 1.
#[rustfmt::skip]
static SIGNALS: [&str; 31] = [
    "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL",
    "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD",
    "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ",
    "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
];

/// Names by bit.
#[rustfmt::skip]
static CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
    "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
];

/// The name of a negated error code (`-2` is `ENOENT`), as system calls return it.
pub fn error(result: i64) -> Option<&'static str> {
    // Falco keeps the low word only.
    let code = -i64::from(result as i32);
    let name = match usize::try_from(code).ok().and_then(|code| ERRORS.get(code)) {
        Some(name) => name,
        None => KERNEL_ERRORS.iter().find(|(n, _)| *n == code).map(|(_, name)| name)?,
    };
    (!name.is_empty()).then_some(name)
}

/// The name of a signal; real-time signals have none.
pub fn signal(number: u8) -> Option<&'static str> {
    SIGNALS.get(usize::from(number).checked_sub(1)?).copied()
}

/// The names of a set of capabilities, joined by blanks.
pub fn capabilities(set: u64) -> String {
    let held = CAPABILITIES.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0);
    held.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

/// The names of a set of signals (bit 0 is signal 1), joined by blanks.
pub fn signals(set: u32) -> String {
    let held = SIGNALS.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0);
    held.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_names() {
        assert_eq!(error(-2), Some("ENOENT"));
        assert_eq!(error(-115), Some("EINPROGRESS"));
        assert_eq!(error(-512), Some("ERESTARTSYS"));
        assert_eq!([error(0), error(-41), error(-600), error(5), error(i64::MIN)], [None; 5]);
        assert_eq!((signal(9), signal(0), signal(64)), (Some("SIGKILL"), None, None));
        assert_eq!(capabilities(0b101), "CAP_CHOWN CAP_DAC_READ_SEARCH");
        assert_eq!(capabilities(0), "");
        assert_eq!(signals(1 << 8 | 1), "SIGHUP SIGKILL");
    }
}
