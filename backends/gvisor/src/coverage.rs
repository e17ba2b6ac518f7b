//! What gVisor tells of each system call, and what it does not, so that nobody trusts a rule that
//! cannot fire.
//!
//! This follows from the points that sessions ask for ([`crate::points`]) and from what becomes of
//! their messages ([`crate::mapper`]), for builds of 2024; where newer ones tell more, it says so.

use falco_event::{ParamType, Syscall};

use crate::points::{Told, Version, told};

pub use falco_source::coverage::Coverage;

const PATHS: &str = "its numbers and flags are told, but no path or other text";
const DATA: &str = "its numbers are told, but no data";
const ADDRESSES: &str = "its numbers are told, but neither data nor addresses: of a connected socket \
                         both ends are known from the connection, of others none";
const STRUCTURES: &str =
    "that it happened and its numbers are told, but not what it passes in memory";
const LOCAL_END: &str =
    "the local address is known only if the socket was bound while it was watched";

/// How much gVisor tells of `call`.
pub fn coverage_of(call: &Syscall) -> Coverage {
    match told(call, Version::V2024) {
        Told::Anyway => Coverage::Full,
        Told::Schematized => match call.name {
            "accept" | "accept4" => Coverage::Partly(LOCAL_END),
            _ => Coverage::Full,
        },
        Told::Raw(_) => missing(call).map_or(Coverage::Full, Coverage::Partly),
        Told::Not => Coverage::NotAtAll(why_not(call)),
    }
}

/// What a message with nothing but registers lacks of a call's event: whatever is passed by pointer.
fn missing(call: &Syscall) -> Option<&'static str> {
    match call.name {
        // sentry/clone tells the flags.
        "clone3" => return None,
        // Memory figures of the whole process; the call's own numbers are all there.
        "mmap" | "munmap" | "brk" => return None,
        // Told by name and number only, as what they pass is.
        "capset" => return Some(STRUCTURES),
        _ => {}
    }
    // What other sources send today at the call's exit.
    let event = call.events.iter().rev().find(|code| !code.is_enter())?;
    let mut found = None;
    for param in event.info().params {
        found = found.max(match param.ty {
            ParamType::FsPath | ParamType::FsRelPath | ParamType::CharBuf => Some(Missing::Paths),
            ParamType::SockAddr | ParamType::SockTuple => Some(Missing::Addresses),
            ParamType::ByteBuf => Some(Missing::Data),
            _ => None,
        });
    }
    match found {
        Some(Missing::Data) => Some(DATA),
        Some(Missing::Paths) => Some(PATHS),
        Some(Missing::Addresses) => Some(ADDRESSES),
        None => PASSES_STRUCTURES.contains(&call.name).then_some(STRUCTURES),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    Data,
    Paths,
    Addresses,
}

/// Calls whose events have numbers that are passed in memory.
const PASSES_STRUCTURES: &[&str] = &[
    "ptrace",
    "setrlimit",
    "getrlimit",
    "getresuid",
    "getresgid",
    "nanosleep",
    "poll",
    "ppoll",
    "sendfile",
    "keyctl",
    "setsockopt",
    "semop",
    "semctl",
    "io_uring_setup",
];

/// Why a call is not told at all.
fn why_not(call: &Syscall) -> &'static str {
    match call.name {
        "recvfrom" | "recvmsg" | "recvmmsg" | "sendmmsg" | "getsockopt" => {
            "gVisor tells no addresses or data of it, and the rest is not worth what it would cost \
             every server"
        }
        "sched_switch" | "page_fault_user" | "page_fault_kernel" | "signal_deliver" => {
            "gVisor tells of no such events of its kernel"
        }
        _ => "gVisor has no trace point for it",
    }
}

/// Why a filter field is unknown in sandboxes, or known only in part; none if nothing is wrong with it.
/// Names are without argument: `thread.cgroup`, `evt.arg`.
pub fn field_gap(name: &str) -> Option<&'static str> {
    Some(match name {
        "proc.tty" => {
            "which terminal is not told, only whether one is there when a container's or an exec \
             session's first process begins"
        }
        "proc.pid" | "proc.ppid" | "proc.apid" => {
            "processes of a sandbox have no id on the host: proc.vpid is theirs"
        }
        "user.loginuid" | "user.loginname" => "there are no login sessions in a sandbox",
        "thread.cap_permitted" | "thread.cap_inheritable" | "thread.cap_effective" => {
            "gVisor does not tell capabilities"
        }
        "evt.buffer" | "evt.buflen" => "gVisor does not tell what is read or written",
        "fd.lip" | "fd.lport" | "fd.lproto" | "fd.lnet" | "fd.lip.name" => {
            "gVisor tells the local end of a socket only where it was bound"
        }
        "fd.cip" | "fd.cport" | "fd.cproto" | "fd.cnet" | "fd.cip.name" => {
            "gVisor does not tell the client's end of connections that a sandbox makes, only of those \
             that it accepts"
        }
        "fd.dev" | "fd.dev.major" | "fd.dev.minor" | "fd.ino" => {
            "gVisor does not tell device and inode of files"
        }
        "fd.is_upper_layer" | "fd.is_lower_layer" => "gVisor does not tell layers of open files",
        "proc.is_exe_upper_layer" | "proc.is_exe_lower_layer" | "proc.is_exe_from_memfd" => {
            "only gVisor of 2026 and later tells where an executable comes from"
        }
        "proc.exe_ino"
        | "proc.exe_ino.ctime"
        | "proc.exe_ino.ctime_duration_proc_start"
        | "proc.exe_ino.ctime_duration_pidns_start" => {
            "only gVisor of 2026 and later tells inodes of executables"
        }
        "proc.exe_ino.mtime" => "gVisor does not tell when an executable was written",
        "proc.vmsize" | "proc.vmrss" | "proc.vmswap" | "thread.vmsize" | "thread.vmrss" => {
            "gVisor tells memory only of processes that ran when their sandbox was attached"
        }
        "thread.pfmajor" | "thread.pfminor" => "gVisor does not tell page faults",
        "proc.fdlimit" | "proc.fdusage" => {
            "gVisor tells limits of open files only of processes that ran when their sandbox was \
             attached, and where they are changed"
        }
        "thread.cgroups" | "thread.cgroup" => {
            "control groups in a sandbox are not the host's: only the container's id is told"
        }
        "thread.cpu" | "thread.cpu.user" | "thread.cpu.system" | "thread.exectime"
        | "thread.totexectime" => "gVisor does not tell processor times",
        "evt.cpu" => "a sandbox does not tell processors: it is 0",
        "container.ip" | "container.cni.json" | "k8s.pod.ip" | "k8s.pod.cni.json" => {
            "runsc is not told a container's network"
        }
        "container.healthcheck"
        | "container.liveness_probe"
        | "container.readiness_probe"
        | "proc.is_container_healthcheck"
        | "proc.is_container_liveness_probe"
        | "proc.is_container_readiness_probe" => "runsc is not told a container's probes",
        "container.name"
        | "container.image"
        | "container.image.repository"
        | "container.image.tag"
        | "container.image.digest" => {
            "containerd and CRI-O tell runsc a container's name and image, but Docker does not"
        }
        "container.image.id" => "runsc is not told the image's id",
        "container.label" | "container.labels" | "k8s.pod.label" | "k8s.pod.labels" => {
            "runsc is told the names that Kubernetes gives, but no other labels"
        }
        "container.start_ts" | "container.duration" => {
            "gVisor does not tell when a container began that ran already"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
