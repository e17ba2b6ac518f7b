//! Process trees that are watched by ptrace(2): what the source is asked for, attaching to what runs, and
//! what to do where that is refused. `falco trace` starts its command itself.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use anyhow::{Result, anyhow, bail};
use falco_enrich::selection::{BaseSyscalls, Selection, SyscallSet};
use falco_ptrace::{OnDeath, Options, Ptrace, PtraceError, Watched};
use rustix::io::Errno;

use crate::config::{Config, IfKilled};
use crate::preamble;

/// Trees that are watched already, for a session that takes over.
#[derive(Clone)]
pub struct Trees {
    watched: Watched,
    pids: Vec<u32>,
}

/// The calls of `selection` that a tree has to stop at: those that rules look at, and what
/// `base_syscalls` names. The source keeps the tables true by itself.
pub fn wanted(rules: &SyscallSet, selection: Selection, base: &BaseSyscalls) -> SyscallSet {
    match base.names_more() {
        true => selection.syscalls,
        false => selection.syscalls.intersection(rules),
    }
}

/// What the source is asked for.
pub fn options(config: &Config, syscalls: &SyscallSet, if_killed: IfKilled) -> Options {
    let defaults = Options::default();
    Options {
        syscalls: syscalls.iter().collect(),
        snaplen: if config.snaplen == 0 { defaults.snaplen } else { config.snaplen },
        on_death: match if_killed {
            IfKilled::Kill => OnDeath::Kill,
            IfKilled::Free => OnDeath::Free,
        },
        host_root: preamble::host_root(),
        ..defaults
    }
}

/// The processes of the configuration with all that descends from them; or a source that takes over from
/// the one that watches them now.
///
/// # Errors
/// If one of them cannot be traced, saying why, or if others are watched now.
pub fn open(
    config: &Config,
    syscalls: &SyscallSet,
    kept: Option<&Trees>,
) -> Result<(Ptrace, Trees)> {
    let pids = config.ptrace_pids.clone();
    let ptrace = match kept {
        None => attach(&pids, options(config, syscalls, config.ptrace_if_killed))?,
        Some(trees) if trees.pids == pids => {
            Ptrace::succeed(trees.watched.clone(), syscalls.iter().collect())
        }
        Some(_) => bail!("engine.ptrace.pids cannot change while the program runs"),
    };
    let watched = ptrace.watched();
    Ok((ptrace, Trees { watched, pids }))
}

/// Attaches to processes that run.
///
/// # Errors
/// If one of them cannot be traced, saying why.
pub fn attach(pids: &[u32], options: Options) -> Result<Ptrace> {
    let roots: Vec<i32> = pids.iter().map(|&pid| i32::try_from(pid)).collect::<Result<_, _>>()?;
    Ptrace::attach(&roots, options).map_err(|error| {
        let why = match &error {
            PtraceError::Refused { error, .. } => why_not(pids, error),
            _ => None,
        };
        match why {
            Some(why) => anyhow!("{error}: {why}"),
            None => error.into(),
        }
    })
}

/// What stands against tracing one of these processes, if it can be told.
fn why_not(pids: &[u32], error: &io::Error) -> Option<String> {
    match Errno::from_io_error(error) {
        Some(Errno::SRCH) => {
            let gone = pids.iter().find(|pid| fs::metadata(format!("/proc/{pid}")).is_err())?;
            Some(format!("there is no process {gone}"))
        }
        Some(Errno::PERM | Errno::ACCESS) => {
            let found = pids.iter().find_map(|&pid| obstacle(pid));
            Some(found.unwrap_or_else(|| {
                "a seccomp profile or a security module may forbid it (docker run --cap-add \
                 SYS_PTRACE)"
                    .to_owned()
            }))
        }
        _ => None,
    }
}

/// What can be seen to stand against tracing a process.
pub fn obstacle(pid: u32) -> Option<String> {
    let tracer = status(&pid.to_string(), "TracerPid:").filter(|tracer| tracer != "0");
    if let Some(tracer) = tracer {
        let name = fs::read_to_string(format!("/proc/{tracer}/comm")).unwrap_or_default();
        return Some(format!("{pid} is traced already, by {tracer} ({})", name.trim()));
    }
    if may_trace_all() {
        return None;
    }
    let owner = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    let yama = yama_scope();
    if owner != rustix::process::geteuid().as_raw() {
        return Some(format!("{pid} belongs to user {owner}; run falco as that user, or as root"));
    }
    (yama > 0).then(|| {
        format!(
            "kernel.yama.ptrace_scope is {yama}, so that users may trace only what they start \
             (falco trace -- CMD); run falco as root, or set it to 0"
        )
    })
}

/// Whether this process has `CAP_SYS_PTRACE`.
pub fn may_trace_all() -> bool {
    const CAP_SYS_PTRACE: u32 = 19;
    let set = status("self", "CapEff:").and_then(|set| u64::from_str_radix(&set, 16).ok());
    set.is_some_and(|set| set >> CAP_SYS_PTRACE & 1 == 1)
}

/// How far users may trace processes that they did not start; 0 without Yama.
pub fn yama_scope() -> u32 {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    scope.trim().parse().unwrap_or(0)
}

/// A line of `/proc/PID/status`.
fn status(pid: &str, key: &str) -> Option<String> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    Some(status.lines().find_map(|line| line.strip_prefix(key))?.trim().to_owned())
}
