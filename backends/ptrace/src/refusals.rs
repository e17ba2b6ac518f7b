//! What it means that something is refused, and what to do about it: for people in containers, where the
//! kernel allows all that this source needs and the engine may not.

use std::fs;
use std::io::{self, ErrorKind};

/// Which processes yama lets an ordinary user trace (Linux, `Documentation/admin-guide/LSM/Yama.rst`).
const YAMA: &str = "/proc/sys/kernel/yama/ptrace_scope";

/// Why this process may not trace its own child, as the end of a sentence; empty if nobody can tell.
pub(crate) fn of_tracing(error: &io::Error) -> &'static str {
    own_child(error, yama())
}

fn own_child(error: &io::Error, yama: u8) -> &'static str {
    match yama {
        _ if !is_refusal(error) => "",
        3.. => {
            "; kernel.yama.ptrace_scope=3 forbids ptrace(2) to everybody, until the host is booted"
        }
        2 => {
            "; kernel.yama.ptrace_scope=2 allows ptrace(2) with CAP_SYS_PTRACE only: run falco as root, \
             in a container also with --cap-add SYS_PTRACE"
        }
        _ => {
            "; ptrace(2) is refused here. In a container that is the engine's seccomp profile: \
             --cap-add SYS_PTRACE lifts that (Kubernetes: securityContext.capabilities.add, ECS: \
             linuxParameters.capabilities.add), or a profile that allows ptrace (--security-opt \
             seccomp=FILE)"
        }
    }
}

/// Why this process may not look at files.
pub(crate) fn of_looking(error: &io::Error) -> &'static str {
    match is_refusal(error) {
        true => {
            "; kernels have it since 4.11, and the seccomp profile of a container must allow it, as all \
             have since 2018"
        }
        false => "",
    }
}

/// Why there is no seccomp filter.
pub(crate) fn of_filter(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::ENOSYS) => format!(
            "seccomp(2) is refused ({error}); the seccomp profile of a container may allow it"
        ),
        // Programs of a user who may not give up setuid, which was not allowed either.
        Some(libc::EACCES) => format!("seccomp(2) needs no_new_privs or CAP_SYS_ADMIN ({error})"),
        _ => format!("seccomp(2) failed: {error}"),
    }
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied || error.raw_os_error() == Some(libc::ENOSYS)
}

/// 0 if there is no yama.
fn yama() -> u8 {
    fs::read_to_string(YAMA).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_the_refusal() {
        let eperm = io::Error::from_raw_os_error(libc::EPERM);
        assert!(own_child(&eperm, 0).contains("--cap-add SYS_PTRACE"));
        assert!(own_child(&eperm, 2).contains("ptrace_scope=2"));
        assert!(own_child(&eperm, 3).contains("ptrace_scope=3"));
        assert!(own_child(&io::Error::from_raw_os_error(libc::ENOSYS), 1).contains("seccomp"));
        assert_eq!(own_child(&io::Error::from_raw_os_error(libc::EAGAIN), 0), "");
        assert!(of_filter(&eperm).contains("profile of a container"));
    }
}
