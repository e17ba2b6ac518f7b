//! `/proc/<pid>/stat` and `/proc/<pid>/status` (proc_pid_stat(5), proc_pid_status(5)) as values.

use std::ops::Range;

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

    /// Where arguments and environment lie in the memory of a process, as two ranges: fields 48 to 51,
    /// 0 if they may not be seen.
    pub(crate) fn strings(text: &[u8]) -> Option<[Range<u64>; 2]> {
        let close = text.iter().rposition(|&b| b == b')')?;
        let line = text[close + 1..].split(|&b| b == b'\n').next()?;
        let mut fields = words(line).skip(48 - 3).map(decimal);
        let mut next = || fields.next().flatten();
        Some([next()?..next()?, next()?..next()?])
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
            let mut fields = words(value);
            let kb = |kb: Option<&[u8]>| {
                kb.and_then(decimal).map_or(0, |kb| u32::try_from(kb).unwrap_or(u32::MAX))
            };
            let id = |id: Option<&[u8]>| u32::try_from(decimal(id?)?).ok();
            let capabilities = |set: Option<&[u8]>| set.and_then(hex).unwrap_or(0);
            let innermost = || signed(words(value).last()?);
            match key {
                b"Tgid" => {
                    status.tgid = signed(fields.next()?)?;
                    has_tgid = true;
                }
                b"PPid" => status.ppid = signed(fields.next()?)?,
                b"Uid" => {
                    status.ruid = id(fields.next())?;
                    status.euid = id(fields.next())?;
                    status.suid = id(fields.next())?;
                    status.fsuid = id(fields.next())?;
                }
                b"Gid" => {
                    status.egid = id(fields.nth(1))?;
                    status.fsgid = id(fields.nth(1))?;
                }
                b"Groups" => {
                    status.in_group = group.is_some() && fields.any(|word| id(Some(word)) == group);
                }
                b"NStgid" => status.vpid = innermost(),
                b"NSpid" => {
                    status.vtid = innermost();
                    status.is_in_pid_namespace = fields.nth(1).is_some();
                }
                b"NSpgid" => status.vpgid = innermost(),
                b"VmSize" => status.vmsize_kb = kb(fields.next()),
                b"VmRSS" => status.vmrss_kb = kb(fields.next()),
                b"VmSwap" => status.vmswap_kb = kb(fields.next()),
                b"CapInh" => status.cap_inheritable = capabilities(fields.next()),
                b"CapPrm" => status.cap_permitted = capabilities(fields.next()),
                // The last one of interest.
                b"CapEff" => {
                    status.cap_effective = capabilities(fields.next());
                    break;
                }
                _ => {}
            }
        }
        has_tgid.then_some(status)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NUMBERS: &str =
        "S 1 20 30 34816 -1 4194304 120 5 7 0 0 0 0 0 20 0 3 0 1197294 3133440 382";

    #[test]
    fn stat_has_a_name_that_may_hold_anything() {
        for (text, comm) in [
            ("sh", "sh"),
            ("a) R 9 9 (b", "a) R 9 9 (b"),
            (":-) (-:", ":-) (-:"),
            ("x\\ny\\\\n", "x\ny\\n"),
            ("", ""),
        ] {
            let stat = Stat::parse(format!("77 ({text}) {NUMBERS}\n").as_bytes()).unwrap();
            assert_eq!(String::from_utf8_lossy(&stat.comm), comm);
            assert_eq!((stat.ppid, stat.pgid, stat.sid), (1, 20, 30));
            assert_eq!((stat.tty, stat.pfminor, stat.pfmajor), (34816, 120, 7));
            assert_eq!((stat.threads, stat.start, stat.is_kernel_thread), (3, 1_197_294, false));
        }
        let stat = Stat::parse(format!("2 (\u{0}) {NUMBERS}").as_bytes()).unwrap();
        assert_eq!(stat.comm, b"\0");
        let kernel = NUMBERS.replace("4194304", "2129984");
        assert!(Stat::parse(format!("2 (kthreadd) {kernel}").as_bytes()).unwrap().is_kernel_thread);
    }

    #[test]
    fn stat_tells_where_arguments_are() {
        let rest: Vec<String> = (23..=52).map(|field| (field * 10).to_string()).collect();
        let text =
            format!("77 (a) b) {} {}\n", NUMBERS.rsplit_once(' ').unwrap().0, rest[1..].join(" "));
        assert_eq!(Stat::strings(text.as_bytes()), Some([480..490, 500..510]));
        assert_eq!(Stat::strings(format!("77 (sh) {NUMBERS}").as_bytes()), None);
    }

    #[test]
    fn what_is_no_stat_is_nothing() {
        for text in ["", "1 (sh", "1 sh) S 1", ")(", "1 (sh) S 1 2 3 4 5", "1 (sh) S x"] {
            assert_eq!(Stat::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn status_tells_ids_of_the_innermost_namespace() {
        let text = "Name:\tTgid:\\n7\nTgid:\t20\nPPid:\t10\nUid:\t1\t2\t3\t4\n\
            Gid:\t5\t6\t7\t8\nGroups:\t100 200 \nNStgid:\t20\t5\t1\nNSpid:\t21\t6\t2\n\
            NSpgid:\t20\t5\t0\nVmSize:\t    3060 kB\nVmRSS:\t 99999999999 kB\nVmSwap:\t0 kB\n\
            CapInh:\t0000000000000001\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n";
        let status = Status::parse(text.as_bytes(), Some(200)).unwrap();
        assert_eq!((status.tgid, status.ppid), (20, 10));
        assert_eq!((status.ruid, status.euid, status.suid, status.fsuid), (1, 2, 3, 4));
        assert_eq!((status.egid, status.fsgid, status.in_group), (6, 8, true));
        assert_eq!((status.vpid, status.vtid, status.vpgid), (Some(1), Some(2), Some(0)));
        assert!(status.is_in_pid_namespace);
        assert_eq!((status.vmsize_kb, status.vmrss_kb, status.vmswap_kb), (3060, u32::MAX, 0));
        assert_eq!((status.cap_inheritable, status.cap_permitted), (1, 0xa804_25fb));
        assert_eq!(status.cap_effective, 0xa804_25fb);
        assert!(!Status::parse(text.as_bytes(), Some(20)).unwrap().in_group);
        assert!(!Status::parse(text.as_bytes(), None).unwrap().in_group);
    }

    #[test]
    fn a_host_process_has_its_own_ids() {
        let status = Status::parse(b"Tgid:\t20\nNSpid:\t20\n", None).unwrap();
        assert_eq!((status.vtid, status.vpid, status.is_in_pid_namespace), (Some(20), None, false));
        assert_eq!(Status::parse(b"PPid:\t20\n", None), None);
        assert_eq!(Status::parse(b"Tgid:\tx\n", None), None);
        assert_eq!(Status::parse(b"Tgid:\t1\nUid:\t1\t2\n", None), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (Stat::parse(&text), Status::parse(&text, Some(1)));
        }

        #[test]
        fn a_name_never_changes_the_numbers(comm in proptest::collection::vec(any::<u8>(), 0..30)) {
            let text = [b"1 (", &comm[..], b") ", NUMBERS.as_bytes(), b"\n"].concat();
            let stat = Stat::parse(&text).unwrap();
            prop_assert_eq!((stat.ppid, stat.start), (1, 1_197_294));
        }

        #[test]
        fn cut_files_are_read_without_a_panic(at in 0_usize..100) {
            let text = format!("1 (a b) {NUMBERS}\n");
            let _ = Stat::parse(&text.as_bytes()[..at.min(text.len())]);
        }
    }
}
