//! The probe of a session: what it is asked for, and what is told of it.

use anyhow::{Result, bail};
use falco_enrich::selection::SyscallSet;
use falco_modern_ebpf::coverage::{Coverage, Status};
use falco_modern_ebpf::{AttachMode, Options};

use crate::config::{Attach, Config};
use crate::log::Log;
use crate::preamble;

/// What the probe is asked for: these system calls, and the configuration's wishes.
///
/// # Errors
/// If the size of the rings is out of range.
pub fn options(config: &Config, syscalls: &SyscallSet) -> Result<Options> {
    let preset = config.ebpf_buffer_preset;
    if !(1..=10).contains(&preset) {
        bail!("The 'buf_size_preset' value must be between '1' and '10'");
    }
    if config.ebpf_buffer_mb.is_some_and(|mb| !(1..=1024).contains(&mb)) {
        bail!("The 'buf_size_mb' value must be between '1' and '1024'");
    }
    let defaults = Options::default();
    Ok(Options {
        syscalls: syscalls.iter().collect(),
        buffer_bytes: config.ebpf_buffer_mb.map_or(1 << (19 + preset), |mb| mb << 20),
        cpus_per_buffer: config.ebpf_cpus_per_buffer,
        drop_failed_exit: config.ebpf_drop_failed_exit,
        snaplen: if config.snaplen == 0 { defaults.snaplen } else { config.snaplen },
        attach: match config.ebpf_attach {
            Attach::Auto => AttachMode::Auto,
            Attach::SysExit => AttachMode::SysExit,
            Attach::PerSyscall => AttachMode::PerSyscall,
        },
        host_root: preamble::host_root(),
    })
}

/// Logs how the probe is attached and what it does not see.
pub fn tell_coverage(coverage: &Coverage, log: &Log) {
    let is_seen = |status: &Status| matches!(status, Status::Covered | Status::Partly(_));
    let seen = coverage.calls.iter().filter(|call| is_seen(&call.status)).count();
    let absent = coverage.calls.iter().filter(|call| call.status == Status::NotInKernel).count();
    let refused = coverage.calls.len() - seen - absent;
    let why = match &coverage.no_per_syscall {
        Some(why) => format!(" (not per syscall: {why})"),
        None => String::new(),
    };
    log.info(&format!(
        "Attached: {}{why}; {seen} syscalls are seen, {refused} refused, {absent} not in this \
         kernel",
        coverage.attachment.name()
    ));
    for call in coverage.gaps() {
        let (what, refusal) = match &call.status {
            Status::Partly(refusal) => ("not seen in every form", refusal),
            Status::Refused(refusal) => ("not seen", refusal),
            Status::Covered | Status::NotInKernel => continue,
        };
        log.warning(&format!(
            "{} is {what}: {}: {} (falco doctor tells more)",
            call.name(),
            refusal.program,
            refusal.error
        ));
    }
}
