//! What this host and this process tell of themselves: kernel, BTF, privileges and limits.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// The types of the running kernel, to which the probe is fitted.
pub const BTF: &str = "/sys/kernel/btf/vmlinux";

/// What was found. Values that cannot be read are none.
#[derive(Clone, Debug)]
pub struct Host {
    /// `uname -r`.
    pub release: String,
    /// `uname -m`.
    pub machine: String,
    /// Size of the kernel's type information in bytes, or why it cannot be read.
    pub btf: Result<u64, String>,
    /// CPUs that are online.
    pub cpus: Option<usize>,
    /// Effective user id.
    pub uid: u32,
    /// Effective capabilities, one bit each.
    pub capabilities: Option<u64>,
    /// The mode in brackets of `lockdown`; none if the kernel has no lockdown.
    pub lockdown: Option<String>,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Option<i64>,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: Option<i64>,
    /// `net.core.bpf_jit_enable`.
    pub jit: Option<i64>,
    /// Soft and hard RLIMIT_MEMLOCK in bytes; none is no limit.
    pub memlock: (Option<u64>, Option<u64>),
}

impl Host {
    /// Looks.
    pub fn look() -> Self {
        let uname = rustix::system::uname();
        let memlock = getrlimit(Resource::Memlock);
        Host {
            release: uname.release().to_string_lossy().into_owned(),
            machine: uname.machine().to_string_lossy().into_owned(),
            btf: size(BTF),
            cpus: std::thread::available_parallelism().ok().map(usize::from),
            uid: rustix::process::geteuid().as_raw(),
            capabilities: effective_capabilities(&read("/proc/self/status").unwrap_or_default()),
            lockdown: read("/sys/kernel/security/lockdown").as_deref().and_then(in_brackets),
            unprivileged_bpf_disabled: number("/proc/sys/kernel/unprivileged_bpf_disabled"),
            perf_event_paranoid: number("/proc/sys/kernel/perf_event_paranoid"),
            jit: number("/proc/sys/net/core/bpf_jit_enable"),
            memlock: (memlock.current, memlock.maximum),
        }
    }

    /// Major and minor number of the kernel's release.
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }

    /// Whether this process has a capability, by its number.
    pub fn has(&self, capability: u32) -> bool {
        self.capabilities.is_some_and(|set| set >> capability & 1 == 1)
    }
}

/// The size of a file that can be opened, as a run has to.
fn size(path: &str) -> Result<u64, String> {
    fs::File::open(path)
        .and_then(|file| file.metadata())
        .map(|metadata| metadata.len())
        .map_err(|error| error.to_string())
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn number(path: &str) -> Option<i64> {
    read(path)?.trim().parse().ok()
}

/// `none [integrity] confidentiality` → `integrity`.
fn in_brackets(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// The set `CapEff` of `/proc/PID/status`.
fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_the_kernel_writes_them() {
        assert_eq!(in_brackets("none [integrity] confidentiality\n").as_deref(), Some("integrity"));
        assert_eq!(in_brackets("none\n"), None);
        assert_eq!(
            effective_capabilities("CapPrm:\t0\nCapEff:\t000001fffeffffff\n"),
            Some(0x1ff_feff_ffff)
        );
        assert_eq!(effective_capabilities("Name:\tx\n"), None);
    }

    #[test]
    fn this_host_has_a_version() {
        let host = Host::look();
        assert!(host.version().is_some_and(|version| version >= (3, 0)), "{host:?}");
        let host = |release: &str| Host { release: release.to_owned(), ..Host::look() };
        assert_eq!(host("5.10.0-28-cloud-amd64").version(), Some((5, 10)));
        assert_eq!(host("7").version(), None);
    }
}
