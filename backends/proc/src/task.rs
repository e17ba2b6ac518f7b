//! `/proc/<pid>/stat` and `/proc/<pid>/status` (proc_pid_stat(5), proc_pid_status(5)) as values.

use crate::text::{decimal, hex, signed, unescape_comm, words};

/// A kernel thread: nothing of it is a program's (Linux, `PF_KTHREAD` in `linux/sched.h`).
const PF_KTHREAD: u64 = 0x0020_0000;

/// What `stat` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    pub comm: Vec<u8>,
    pub ppid: i64,
    pub pgid: i64,
    pub sid: i64,
    /// Device of the terminal as the kernel encodes it, 0 if there is none.
    pub tty: u32,
    pub is_kernel_thread: bool,
    pub pfminor: u64,
    pub pfmajor: u64,
    /// Threads of the process.
    pub threads: u64,
    /// Start after boot, in clock ticks.
    pub start: u64,
}

impl Stat {
    /// `None` if the text is not one of this kind. A name may hold blanks and parentheses; what
    /// follows its last parenthesis are numbers.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|&b| b == b'(')?;
        let close = text.iter().rposition(|&b| b == b')').filter(|close| *close > open)?;
        let mut stat = Stat { comm: unescape_comm(&text[open + 1..close]), ..Stat::default() };
        // The first word after the name is the state, field 3 of the manual page.
        let line = text[close + 1..].split(|&b| b == b'\n').next()?;
        for (field, word) in (3..).zip(words(line)) {
            match field {
                4 => stat.ppid = signed(word)?,
                5 => stat.pgid = signed(word)?,
                6 => stat.sid = signed(word)?,
                7 => stat.tty = signed(word)? as u32,
                9 => stat.is_kernel_thread = decimal(word)? & PF_KTHREAD != 0,
                10 => stat.pfminor = decimal(word)?,
                12 => stat.pfmajor = decimal(word)?,
                20 => stat.threads = decimal(word)?,
                22 => {
                    stat.start = decimal(word)?;
                    return Some(stat);
                }
                _ => {}
            }
        }
        None
    }
}

/// What `status` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub tgid: i64,
    pub ppid: i64,
    pub ruid: u32,
    pub euid: u32,
    pub suid: u32,
    pub fsuid: u32,
    pub egid: u32,
    pub fsgid: u32,
    /// Whether the group that was asked for is among the supplementary ones.
    pub in_group: bool,
    /// Ids in the innermost pid namespace; `None` before Linux 4.1, or without namespaces.
    pub vtid: Option<i64>,
    pub vpid: Option<i64>,
    pub vpgid: Option<i64>,
    /// Whether the process is in a pid namespace below that of procfs.
    pub is_in_pid_namespace: bool,
    pub vmsize_kb: u32,
    pub vmrss_kb: u32,
    pub vmswap_kb: u32,
    pub cap_inheritable: u64,
    pub cap_permitted: u64,
    pub cap_effective: u64,
}

impl Status {
    /// `None` if the text is not one of this kind. `group` is the one to look for among the
    /// supplementary groups.
    pub(crate) fn parse(text: &[u8], group: Option<u32>) -> Option<Self> {
        let mut status = Status::default();
        let mut has_tgid = false;
        for line in text.split(|&b| b == b'\n') {
            let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
            let (key, value) = (&line[..colon], &line[colon + 1..]);
            let mut words = words(value);
            let first =
                |to: fn(&[u8]) -> Option<u64>| crate::text::words(value).next().and_then(to);
            let kb = || first(decimal).map_or(0, |kb| u32::try_from(kb).unwrap_or(u32::MAX));
            let id = |word: Option<&[u8]>| u32::try_from(decimal(word?)?).ok();
            let innermost = || signed(crate::text::words(value).last()?);
            match key {
                b"Tgid" => {
                    status.tgid = signed(words.next()?)?;
                    has_tgid = true;
                }
                b"PPid" => status.ppid = signed(words.next()?)?,
                b"Uid" => {
                    status.ruid = id(words.next())?;
                    status.euid = id(words.next())?;
                    status.suid = id(words.next())?;
                    status.fsuid = id(words.next())?;
                }
                b"Gid" => {
                    status.egid = id(words.nth(1))?;
                    status.fsgid = id(words.nth(1))?;
                }
                b"Groups" => {
                    status.in_group = group.is_some() && words.any(|word| id(Some(word)) == group);
                }
                b"NStgid" => status.vpid = innermost(),
                b"NSpid" => {
                    status.vtid = innermost();
                    status.is_in_pid_namespace = words.nth(1).is_some();
                }
                b"NSpgid" => status.vpgid = innermost(),
                b"VmSize" => status.vmsize_kb = kb(),
                b"VmRSS" => status.vmrss_kb = kb(),
                b"VmSwap" => status.vmswap_kb = kb(),
                b"CapInh" => status.cap_inheritable = first(hex).unwrap_or(0),
                b"CapPrm" => status.cap_permitted = first(hex).unwrap_or(0),
                // The last one of interest.
                b"CapEff" => {
                    status.cap_effective = first(hex).unwrap_or(0);
                    break;
                }
                _ => {}
            }
        }
        has_tgid.then_some(status)
    }
}
