//! [`Host`]: where procfs is, and what it tells of the machine itself.

use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use falco_source::snapshot::{Interface, Machine};
use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};
use rustix::fd::OwnedFd;
use rustix::fs::CWD;

use crate::ProcError;
use crate::files::{Buffers, directory};
use crate::text::decimal;

/// What does not change while a sensor runs.
#[derive(Debug)]
pub(crate) struct Host {
    /// `HOST_ROOT`, or `/`.
    pub root: PathBuf,
    /// `proc` below the root.
    pub proc: OwnedFd,
    pub proc_path: PathBuf,
    /// Whether the process ids of procfs are those that system calls of this process take.
    pub has_our_pids: bool,
    /// Nanoseconds of a clock tick.
    tick: u64,
}

impl Host {
    pub(crate) fn open(root: &Path) -> Result<Self, ProcError> {
        let proc_path = root.join("proc");
        let unreadable = |error: rustix::io::Errno| ProcError::Unreadable {
            path: proc_path.clone(),
            error: error.into(),
        };
        let name = CString::new(proc_path.as_os_str().as_bytes());
        let name = name.map_err(|_| unreadable(rustix::io::Errno::INVAL))?;
        let proc = directory(CWD, &name).map_err(unreadable)?;
        let mut buffers = Buffers::default();
        let itself = buffers.link(&proc, c"self").ok().and_then(decimal);
        let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
        Ok(Host {
            root: root.to_owned(),
            proc,
            has_our_pids: itself == Some(std::process::id().into()),
            tick: 1_000_000_000 / u64::try_from(per_second).unwrap_or(100).max(1),
            proc_path,
        })
    }

    /// When the host was started, nanoseconds since the epoch, as its clock has it now. Event
    /// times count from there, too; `btime` of `/proc/stat` has whole seconds only.
    pub(crate) fn boot_ts() -> u64 {
        let now = |clock| clock_gettime(clock).map(Duration::from).unwrap_or_default();
        let since = now(ClockId::CLOCK_BOOTTIME);
        let at = now(ClockId::CLOCK_REALTIME).saturating_sub(since);
        u64::try_from(at.as_nanos()).unwrap_or(0)
    }

    /// Clock ticks after boot as nanoseconds since the epoch.
    pub(crate) fn time_of(&self, ticks: u64, boot_ts: u64) -> u64 {
        boot_ts.saturating_add(ticks.saturating_mul(self.tick))
    }

    /// What the machine is like.
    pub(crate) fn machine(&self, boot_ts: u64, buffers: &mut Buffers) -> Machine {
        let number = |var| sysconf(var).ok().flatten().and_then(|n| u64::try_from(n).ok());
        let pages = number(SysconfVar::_PHYS_PAGES).unwrap_or(0);
        let max_pid = buffers.read(&self.proc, c"sys/kernel/pid_max").ok();
        Machine {
            cpus: number(SysconfVar::_NPROCESSORS_ONLN).unwrap_or(0).try_into().unwrap_or(u32::MAX),
            memory: pages.saturating_mul(number(SysconfVar::PAGE_SIZE).unwrap_or(0)),
            max_pid: max_pid.and_then(|text| decimal(text.trim_ascii())).unwrap_or(0),
            hostname: nix::unistd::gethostname()
                .map(|name| name.as_bytes().to_vec())
                .unwrap_or_default(),
            boot_ts,
            flags: 0,
        }
    }
}

/// The addresses of this process's network namespace, IPv4 first.
pub(crate) fn interfaces() -> Vec<Interface> {
    // Without addresses, connections are known by fewer names; no reason to fail.
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let mut found: Vec<_> = all
        .filter_map(|one| {
            let addr = ip(one.address.as_ref()?)?;
            let none = match addr {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            let or_none = |a: Option<SockaddrStorage>| a.as_ref().and_then(ip).unwrap_or(none);
            Some(Interface {
                name: one.interface_name.into_bytes(),
                addr,
                netmask: or_none(one.netmask),
                broadcast: or_none(one.broadcast.or(one.destination)),
                linkspeed: 0,
            })
        })
        .collect();
    found.sort_by_key(|interface| interface.addr.is_ipv6());
    found
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    match address.family()? {
        AddressFamily::Inet => Some(IpAddr::V4(address.as_sockaddr_in()?.ip())),
        AddressFamily::Inet6 => Some(IpAddr::V6(address.as_sockaddr_in6()?.ip())),
        _ => None,
    }
}

#[cfg(test)]
impl Host {
    /// A host whose files are below a directory that a test fills.
    pub(crate) fn fake(dir: &tempfile::TempDir) -> Self {
        std::fs::create_dir_all(dir.path().join("proc")).unwrap();
        Host::open(dir.path()).unwrap()
    }
}
