//! What the probe and this crate agree on: a mirror of `probe/shared.h`, held against it by a test.

use falco_source::Drops;

/// Room in the tables by system call number.
pub(crate) const SYSCALLS: u32 = 512;

/// Value of `wanted`: 64-bit calls of this number.
pub(crate) const WANTED_NATIVE: u8 = 1;
/// Value of `wanted`: 32-bit calls of this number.
pub(crate) const WANTED_COMPAT: u8 = 2;

/// Classes by which lost events are counted.
const CLASSES: usize = 9;

/// The element of map `settings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) clock_offset_ns: u64,
    pub(crate) snaplen: u32,
    pub(crate) drop_failed_exit: bool,
    /// 0: none.
    pub(crate) ignored_pid: u32,
}

impl Settings {
    pub(crate) const BYTES: usize = 24;

    pub(crate) fn to_bytes(self) -> [u8; Settings::BYTES] {
        let mut bytes = [0; Settings::BYTES];
        bytes[..8].copy_from_slice(&self.clock_offset_ns.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.snaplen.to_ne_bytes());
        bytes[12..16].copy_from_slice(&u32::from(self.drop_failed_exit).to_ne_bytes());
        bytes[16..20].copy_from_slice(&self.ignored_pid.to_ne_bytes());
        bytes
    }
}

/// An element of map `counters`, or the sum of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) seen: u64,
    pub(crate) lost_ring: [u64; CLASSES],
    pub(crate) lost_scratch: u64,
    pub(crate) lost_too_large: u64,
    pub(crate) truncated: u64,
}

impl Counters {
    pub(crate) const BYTES: usize = 128;

    /// Adds an element as it lies in the map.
    pub(crate) fn add(&mut self, bytes: &[u8; Counters::BYTES]) {
        let mut words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word));
        let mut next = || words.next().unwrap_or(0);
        self.seen += next();
        for lost in &mut self.lost_ring {
            *lost += next();
        }
        self.lost_scratch += next();
        self.lost_too_large += next();
        self.truncated += next();
    }

    /// The losses by class, as metrics have them.
    pub(crate) fn drops(&self) -> Drops {
        let [clone_fork, execve, connect, open, dir_file, other_interest, close, proc, _none] =
            self.lost_ring;
        Drops {
            clone_fork_exit: clone_fork,
            execve_exit: execve,
            connect_exit: connect,
            open_exit: open,
            dir_file_exit: dir_file,
            other_interest_exit: other_interest,
            close_exit: close,
            proc_exit: proc,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// clang checks what this module says against the header.
    #[test]
    fn the_probe_has_the_same_layouts() {
        let mut text = String::from("#include \"shared.h\"\n");
        let mut check = |what: &str, is: usize| {
            text += &format!("_Static_assert({what} == {is}, \"{what}\");\n");
        };
        check("SYSCALLS", SYSCALLS as usize);
        check("WANTED_NATIVE", WANTED_NATIVE.into());
        check("WANTED_COMPAT", WANTED_COMPAT.into());
        check("CLASSES", CLASSES);
        let classes = [
            "CLONE_FORK",
            "EXECVE",
            "CONNECT",
            "OPEN",
            "DIR_FILE",
            "OTHER_INTEREST",
            "CLOSE",
            "PROC",
        ];
        for (at, class) in classes.iter().enumerate() {
            check(&format!("CLASS_{class}"), at);
        }
        check("sizeof(struct settings)", Settings::BYTES);
        check("sizeof(struct counters)", Counters::BYTES);
        // Where a field is, is found out by setting it.
        let settings = [
            ("clock_offset_ns", Settings { clock_offset_ns: u64::MAX, ..Settings::default() }),
            ("snaplen", Settings { snaplen: u32::MAX, ..Settings::default() }),
            ("drop_failed_exit", Settings { drop_failed_exit: true, ..Settings::default() }),
            ("ignored_pid", Settings { ignored_pid: u32::MAX, ..Settings::default() }),
        ];
        for (field, settings) in settings {
            let at = settings.to_bytes().iter().position(|&byte| byte != 0).unwrap();
            check(&format!("__builtin_offsetof(struct settings, {field})"), at);
        }
        for word in 0..Counters::BYTES / 8 {
            let mut bytes = [0; Counters::BYTES];
            bytes[word * 8] = 1;
            let mut counters = Counters::default();
            counters.add(&bytes);
            let class = counters.lost_ring.iter().position(|&lost| lost == 1);
            let field = match class {
                Some(class) => format!("lost_ring[{class}]"),
                None if counters.seen == 1 => "seen".to_owned(),
                None if counters.lost_scratch == 1 => "lost_scratch".to_owned(),
                None if counters.lost_too_large == 1 => "lost_too_large".to_owned(),
                None if counters.truncated == 1 => "truncated".to_owned(),
                None => "reserved".to_owned(),
            };
            if field != "reserved" {
                check(&format!("__builtin_offsetof(struct counters, {field})"), word * 8);
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("check.c");
        std::fs::write(&file, text).unwrap();
        let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
        let include = concat!(env!("CARGO_MANIFEST_DIR"), "/probe");
        let args = ["-target", "bpf", "-fsyntax-only", "-I", include];
        let output = Command::new(clang).args(args).arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
