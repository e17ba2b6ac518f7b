//! What this machine has and allows, as far as it concerns eBPF: for reports, and to say what to do
//! when the kernel refuses.

use std::fs;
use std::io;
use std::path::Path;

use crate::EbpfError;
use crate::kernel_btf;

/// The oldest kernel that has all that is needed: ring buffers came last.
const OLDEST: (u32, u32) = (5, 8);

/// The first that takes the memory of maps from the control group, not from what may be locked.
const ACCOUNTS_TO_CGROUPS: (u32, u32) = (5, 11);

/// What a kernel, and this process's rights, have to offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The kernel's release (`uname -r`).
    pub release: String,
    /// Why the kernel's types cannot be read; `None`: they can.
    pub no_btf: Option<String>,
    /// The capabilities that this process lacks; there is another way to have each of them
    /// (`CAP_SYS_ADMIN`), which has been considered.
    pub missing_capabilities: Vec<&'static str>,
    /// The lockdown mode: `none`, `integrity` or `confidentiality`; `None` if the kernel has none.
    pub lockdown: Option<String>,
}

/// Bits of the capability sets (`include/uapi/linux/capability.h`).
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

impl Host {
    /// Looks at this machine. What cannot be read is left empty.
    pub fn inspect() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let status = read("/proc/self/status");
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        Host {
            release: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            no_btf: fs::File::open(kernel_btf::PATH).err().map(|error| error.to_string()),
            missing_capabilities: missing_capabilities(effective.unwrap_or(u64::MAX)),
            lockdown: lockdown(Path::new("/sys/kernel/security/lockdown")),
        }
    }

    /// What stands against eBPF here before it is tried.
    ///
    /// # Errors
    /// If the kernel is too old or has no BTF.
    pub fn check(&self) -> Result<(), EbpfError> {
        if let Some(version) = version(&self.release)
            && version < OLDEST
        {
            return Err(EbpfError::Unsupported {
                what: format!(
                    "kernel {} is older than 5.8 and has no BPF ring buffers",
                    self.release
                ),
                fix: "use a newer kernel, or `engine.kind: kmod`".to_owned(),
            });
        }
        if let Some(error) = &self.no_btf {
            return Err(EbpfError::Unsupported {
                what: format!(
                    "kernel {} tells no types: {}: {error}",
                    self.release,
                    kernel_btf::PATH
                ),
                fix: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y and, in a container, mount \
                      /sys into it"
                    .to_owned(),
            });
        }
        Ok(())
    }

    /// Says why the kernel may have refused everything with this error, and what to do; `what` was
    /// refused, in a sentence.
    pub(crate) fn explain(&self, what: &str, error: &io::Error) -> EbpfError {
        let permitted = error.kind() != io::ErrorKind::PermissionDenied;
        let fix = if !permitted && !self.missing_capabilities.is_empty() {
            format!(
                "run as root, or with {} (before Linux 5.8 that was CAP_SYS_ADMIN)",
                self.missing_capabilities.join(" and ")
            )
        } else if self.lockdown.as_deref() == Some("confidentiality") {
            "the kernel is locked down for confidentiality, so that eBPF may not read its memory; \
             boot with lockdown=integrity or none"
                .to_owned()
        } else if !permitted && version(&self.release).is_some_and(|v| v < ACCOUNTS_TO_CGROUPS) {
            "before Linux 5.11 maps are locked memory, of which this process may have too little: \
             raise its limit (ulimit -l unlimited, LimitMEMLOCK=infinity) or add CAP_SYS_RESOURCE"
                .to_owned()
        } else if !permitted {
            "something forbids bpf(2) to this process: a seccomp profile, a security module or a \
             container's user namespace"
                .to_owned()
        } else {
            "see the log of the verifier; please report it with the kernel's release".to_owned()
        };
        EbpfError::Unsupported { what: format!("kernel {}: {what}", self.release), fix }
    }
}

fn missing_capabilities(effective: u64) -> Vec<&'static str> {
    let has = |bit: u32| effective & (1 << bit) != 0;
    if has(CAP_SYS_ADMIN) {
        return Vec::new();
    }
    let needed = [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")];
    needed.into_iter().filter(|(bit, _)| !has(*bit)).map(|(_, name)| name).collect()
}

/// The mode in brackets: `none [integrity] confidentiality`.
fn lockdown(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// Major and minor version.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_and_those_without_types_are_refused_with_the_fix() {
        let host = |release: &str, no_btf: Option<&str>| {
            let host = Host {
                release: release.to_owned(),
                no_btf: no_btf.map(str::to_owned),
                ..Host::default()
            };
            host.check().map_err(|error| error.to_string())
        };
        assert_eq!(host("5.8.0-rc1", None), Ok(()));
        assert_eq!(host("6.18.44-fc-v509", None), Ok(()));
        assert!(host("5.4.0-42-generic", None).unwrap_err().contains("5.8"));
        assert!(host("4.19.0", None).is_err());
        assert!(host("6.1.0", Some("not found")).unwrap_err().contains("CONFIG_DEBUG_INFO_BTF"));
    }

    #[test]
    fn refusals_are_explained() {
        let eperm = io::Error::from_raw_os_error(libc::EPERM);
        let mut host = Host { missing_capabilities: missing_capabilities(0), ..Host::default() };
        let text = |host: &Host, error| host.explain("maps", error).to_string();
        assert!(text(&host, &eperm).contains("CAP_BPF and CAP_PERFMON"));
        host.missing_capabilities = missing_capabilities(1 << CAP_SYS_ADMIN);
        assert!(text(&host, &eperm).contains("seccomp"));
        host.release = "5.10.0-32-cloud-amd64".to_owned();
        assert!(text(&host, &eperm).contains("LimitMEMLOCK"));
        host.lockdown = Some("confidentiality".to_owned());
        let einval = io::Error::from_raw_os_error(libc::EINVAL);
        assert!(text(&host, &einval).contains("lockdown"));
        assert_eq!(missing_capabilities(1 << CAP_BPF), ["CAP_PERFMON"]);
    }

    #[test]
    fn the_lockdown_mode_stands_in_brackets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lockdown");
        assert_eq!(lockdown(&path), None);
        fs::write(&path, "none [integrity] confidentiality\n").unwrap();
        assert_eq!(lockdown(&path).as_deref(), Some("integrity"));
        assert!(!Host::inspect().release.is_empty());
    }
}
