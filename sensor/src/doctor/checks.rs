//! From what the host tells to what it means for watching it.

use super::host::{BTF, Host};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// Watching works, but something is less than it could be.
    Note,
    /// Watching does not work, or misses what rules need.
    Bad,
}

impl Grade {
    /// The word that reports use.
    pub fn word(self) -> &'static str {
        match self {
            Grade::Ok => "ok",
            Grade::Note => "note",
            Grade::Bad => "BAD",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Check {
    /// What it is.
    pub name: &'static str,
    /// How it came out.
    pub grade: Grade,
    /// What was found.
    pub found: String,
    /// What that costs, and what to do about it.
    pub advice: Option<String>,
}

impl Check {
    /// Without advice.
    pub fn new(name: &'static str, grade: Grade, found: impl Into<String>) -> Self {
        Check { name, grade, found: found.into(), advice: None }
    }

    /// With advice.
    pub fn advise(self, advice: impl Into<String>) -> Self {
        Check { advice: Some(advice.into()), ..self }
    }
}

/// The first kernel with BPF ring buffers, which the probe needs.
const FIRST_KERNEL: (u32, u32) = (5, 8);
/// The first kernel that charges BPF memory to cgroups, not to RLIMIT_MEMLOCK.
const NO_MEMLOCK: (u32, u32) = (5, 11);
/// CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON.
const CAP_SYS_ADMIN: u32 = 21;

/// A capability that watching uses.
struct Capability {
    number: u32,
    name: &'static str,
    /// Whether CAP_SYS_ADMIN does as well.
    by_admin: bool,
    /// Whether nothing works without.
    needed: bool,
    /// What is missing without it.
    cost: &'static str,
}

const CAPABILITIES: [Capability; 5] = [
    Capability {
        number: 39,
        name: "CAP_BPF",
        by_admin: true,
        needed: true,
        cost: "no program can be loaded into the kernel",
    },
    Capability {
        number: 38,
        name: "CAP_PERFMON",
        by_admin: true,
        needed: true,
        cost: "programs cannot be attached to the kernel's tracepoints, nor read its memory",
    },
    Capability {
        number: 19,
        name: "CAP_SYS_PTRACE",
        by_admin: false,
        needed: false,
        cost: "of other users' processes that run already, program path, directory, environment \
               and open files are unknown",
    },
    Capability {
        number: 2,
        name: "CAP_DAC_READ_SEARCH",
        by_admin: false,
        needed: false,
        cost: "of other users' processes that run already, environment and open files are \
               unknown, and so are users of containers whose files only their root may read",
    },
    Capability {
        number: 24,
        name: "CAP_SYS_RESOURCE",
        by_admin: false,
        needed: false,
        cost: "RLIMIT_MEMLOCK cannot be raised, which kernels before 5.11 want for large rings",
    },
];

/// What to do if one is missing.
pub const GRANT: &str = "to have them, run as root, or once as root: \
    setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search=ep FALCO";

/// The kernel and its settings.
pub fn kernel(host: &Host) -> Vec<Check> {
    let version = host.version();
    let found = format!("{} on {}", host.release, host.machine);
    let kernel = if version.is_some_and(|version| version >= FIRST_KERNEL) {
        Check::new("kernel", Grade::Ok, found)
    } else {
        Check::new("kernel", Grade::Bad, found)
            .advise("the eBPF probe needs Linux 5.8 or later, for ring buffers")
    };
    let btf = match &host.btf {
        Ok(size) => Check::new("BTF", Grade::Ok, format!("{BTF}, {}", mebibytes(*size))),
        Err(error) => Check::new("BTF", Grade::Bad, format!("{BTF}: {error}")).advise(
            "the probe is fitted to the kernel by its type information: boot a kernel that was \
             built with CONFIG_DEBUG_INFO_BTF=y",
        ),
    };
    let lockdown = match host.lockdown.as_deref() {
        None => Check::new("lockdown", Grade::Ok, "not in this kernel"),
        Some("confidentiality") => Check::new("lockdown", Grade::Bad, "confidentiality").advise(
            "in this mode BPF programs may not read kernel memory: boot with lockdown=integrity \
             or none",
        ),
        Some(mode) => Check::new("lockdown", Grade::Ok, mode),
    };
    vec![kernel, btf, lockdown, jit(host), unprivileged(host), paranoid(host)]
}

fn jit(host: &Host) -> Check {
    const NAME: &str = "BPF JIT";
    match host.jit {
        Some(0) => Check::new(NAME, Grade::Note, "off").advise(
            "programs are interpreted, several times slower: sysctl net.core.bpf_jit_enable=1",
        ),
        Some(2) => Check::new(NAME, Grade::Note, "on, for debugging").advise(
            "every program is written to the kernel's log: sysctl net.core.bpf_jit_enable=1",
        ),
        Some(_) => Check::new(NAME, Grade::Ok, "on"),
        None => Check::new(NAME, Grade::Ok, "unknown (net.core.bpf_jit_enable cannot be read)"),
    }
}

fn unprivileged(host: &Host) -> Check {
    let found = match host.unprivileged_bpf_disabled {
        Some(0) => "0: anyone may load BPF programs".to_owned(),
        Some(value) => format!("{value}: only with CAP_BPF"),
        None => "unknown".to_owned(),
    };
    Check::new("unprivileged_bpf_disabled", Grade::Ok, found)
}

fn paranoid(host: &Host) -> Check {
    let found = host.perf_event_paranoid.map_or("unknown".to_owned(), |v| v.to_string());
    Check::new("perf_event_paranoid", Grade::Ok, format!("{found} (CAP_PERFMON is above it)"))
}

/// What this process may do.
pub fn privileges(host: &Host) -> Vec<Check> {
    let admin = host.has(CAP_SYS_ADMIN);
    let mut checks: Vec<_> = CAPABILITIES
        .iter()
        .map(|capability| {
            let Capability { number, name, by_admin, needed, cost } = *capability;
            if host.has(number) {
                Check::new(name, Grade::Ok, "there")
            } else if by_admin && admin {
                Check::new(name, Grade::Ok, "missing, but CAP_SYS_ADMIN stands for it")
            } else if number == 24 && host.version().is_some_and(|v| v >= NO_MEMLOCK) {
                Check::new(name, Grade::Ok, "missing, and not needed from Linux 5.11 on")
            } else {
                let grade = if needed { Grade::Bad } else { Grade::Note };
                Check::new(name, grade, "missing").advise(cost)
            }
        })
        .collect();
    let found = if admin { "there" } else { "missing, and not needed from Linux 5.8 on" };
    checks.push(Check::new("CAP_SYS_ADMIN", Grade::Ok, found));
    checks.push(memlock(host));
    checks
}

fn memlock(host: &Host) -> Check {
    let limit = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), mebibytes);
    let (soft, hard) = host.memlock;
    let found = format!("{} (at most {})", limit(soft), limit(hard));
    let counts = host.version().is_some_and(|version| version < NO_MEMLOCK);
    let check = Check::new("RLIMIT_MEMLOCK", Grade::Ok, found);
    if counts && hard.is_some() && !host.has(24) {
        let advice = "kernels before 5.11 count rings and maps here: ulimit -l unlimited, or \
                      smaller rings (engine.modern_ebpf.buf_size_preset)";
        return Check { grade: Grade::Note, ..check }.advise(advice);
    }
    check
}

/// Bytes in MiB with one digit of fraction.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            release: "6.1.0".to_owned(),
            machine: "x86_64".to_owned(),
            btf: Ok(5 << 20),
            cpus: Some(2),
            uid: 0,
            capabilities: Some(u64::MAX),
            lockdown: None,
            unprivileged_bpf_disabled: Some(2),
            perf_event_paranoid: Some(2),
            jit: Some(1),
            memlock: (Some(8 << 20), Some(8 << 20)),
        }
    }

    fn not_ok(checks: Vec<Check>) -> Vec<(&'static str, Grade)> {
        checks.into_iter().filter(|c| c.grade != Grade::Ok).map(|c| (c.name, c.grade)).collect()
    }

    #[test]
    fn a_modern_host_as_root_is_fine() {
        assert!(not_ok(kernel(&host())).is_empty());
        assert!(not_ok(privileges(&host())).is_empty());
    }

    #[test]
    fn what_is_missing_is_graded_by_what_it_costs() {
        let old = Host {
            release: "5.4.0-42".to_owned(),
            btf: Err("No such file or directory".to_owned()),
            lockdown: Some("confidentiality".to_owned()),
            jit: Some(0),
            ..host()
        };
        assert_eq!(
            not_ok(kernel(&old)),
            [
                ("kernel", Grade::Bad),
                ("BTF", Grade::Bad),
                ("lockdown", Grade::Bad),
                ("BPF JIT", Grade::Note)
            ]
        );
        let user = Host { uid: 1000, capabilities: Some(0), ..host() };
        assert_eq!(
            not_ok(privileges(&user)),
            [
                ("CAP_BPF", Grade::Bad),
                ("CAP_PERFMON", Grade::Bad),
                ("CAP_SYS_PTRACE", Grade::Note),
                ("CAP_DAC_READ_SEARCH", Grade::Note)
            ]
        );
        // Before 5.11 the limit counts.
        let user = Host { release: "5.10.0".to_owned(), ..user };
        let names: Vec<_> = not_ok(privileges(&user)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names[4..], ["CAP_SYS_RESOURCE", "RLIMIT_MEMLOCK"]);
    }

    #[test]
    fn sys_admin_stands_for_bpf_and_perfmon() {
        let admin = Host { capabilities: Some(1 << CAP_SYS_ADMIN | 1 << 19 | 1 << 2), ..host() };
        assert!(not_ok(privileges(&admin)).is_empty());
    }
}
