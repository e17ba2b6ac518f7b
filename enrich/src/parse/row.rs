//! [`Row`]: the many parameters of clone and exec events, walked once.

use falco_event::RawEvent;
use falco_event::raw::{read_int, read_uint};

use super::text;
use crate::record::{Bytes, bytes, bytes_like};

/// Most parameters of any event type.
const MAX: usize = 32;

/// The parameters of one event; missing ones are empty.
pub(super) struct Row<'e> {
    params: [&'e [u8]; MAX],
}

impl<'e> Row<'e> {
    pub(super) fn of(event: &RawEvent<'e>) -> Self {
        let mut params = [&[][..]; MAX];
        params.iter_mut().zip(event.params()).for_each(|(to, from)| *to = from);
        Row { params }
    }

    pub(super) fn get(&self, at: usize) -> &'e [u8] {
        self.params.get(at).copied().unwrap_or_default()
    }

    pub(super) fn i64(&self, at: usize) -> Option<i64> {
        read_int(self.get(at))
    }

    pub(super) fn u64(&self, at: usize) -> Option<u64> {
        read_uint(self.get(at))
    }

    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        Some(self.u64(at)? as u32)
    }

    /// A text; `<NA>` if it could not be read.
    pub(super) fn text(&self, at: usize) -> &'e [u8] {
        text(self.get(at))
    }

    /// `comm`, or what stands for it in events that have none.
    pub(super) fn comm(&self) -> &'e [u8] {
        text(if self.get(13).is_empty() { self.get(1) } else { self.get(13) })
    }
}

/// A list of texts, each followed by a NUL, from a parameter whose last NUL may be cut off.
/// Shares `like` if that is the same.
pub(crate) fn list(param: &[u8], like: &Bytes) -> Bytes {
    match param {
        [] | [0] => bytes(&[]),
        [.., 0] => bytes_like(param, like),
        _ => bytes(&[param, &[0]].concat()),
    }
}

/// cgroups as `subsys=path`, each followed by a NUL, subsystems by their common names. None if an
/// entry is not of this form.
pub(crate) fn cgroups(param: &[u8], like: &Bytes) -> Option<Bytes> {
    let param = param.strip_suffix(&[0]).unwrap_or(param);
    let mut out = Vec::with_capacity(param.len() + 16);
    if param.is_empty() {
        return Some(bytes(&[]));
    }
    for entry in param.split(|&b| b == 0) {
        let at = entry.iter().position(|&b| b == b'=')?;
        let (subsys, path) = (&entry[..at], &entry[at + 1..]);
        push_subsys(&mut out, subsys);
        out.push(b'=');
        out.extend_from_slice(path);
        out.push(0);
    }
    Some(bytes_like(&out, like))
}

/// Probes tell the kernel's names of subsystems; people know those of /proc.
fn push_subsys(out: &mut Vec<u8>, subsys: &[u8]) {
    const SUFFIX: &[u8] = b"_cgroup";
    let start = out.len();
    match subsys.windows(SUFFIX.len()).position(|w| w == SUFFIX) {
        Some(at) => {
            out.extend_from_slice(&subsys[..at]);
            out.extend_from_slice(&subsys[at + SUFFIX.len()..]);
        }
        None => out.extend_from_slice(subsys),
    }
    let common: &[u8] = match &out[start..] {
        b"perf" => b"perf_event",
        b"mem" => b"memory",
        b"io" => b"blkio",
        _ => return,
    };
    out.truncate(start);
    out.extend_from_slice(common);
}

/// The path of an executable, without the mark of a deleted one.
pub(crate) fn exepath(path: &[u8], like: &Bytes) -> Bytes {
    bytes_like(
        match path.strip_suffix(b" (deleted)") {
            Some(path) if !path.is_empty() => path,
            _ => path,
        },
        like,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::empty;

    #[test]
    fn lists_end_with_a_nul() {
        for (param, want) in
            [("", ""), ("\0", ""), ("a", "a\0"), ("a\0b", "a\0b\0"), ("a\0\0", "a\0\0")]
        {
            assert_eq!(*list(param.as_bytes(), &empty()), *want.as_bytes(), "{param:?}");
        }
    }

    #[test]
    fn cgroups_get_common_names() {
        let got = cgroups(b"cpu=/a\0io=/b\0mem_cgroup=/c\0perf_event=/d\0", &empty()).unwrap();
        assert_eq!(*got, b"cpu=/a\0blkio=/b\0memory=/c\0perf_event=/d\0"[..]);
        assert_eq!(cgroups(b"cpu=/a\0nonsense\0", &empty()), None);
        assert_eq!(cgroups(b"", &empty()).as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_deleted_executable_keeps_its_path() {
        assert_eq!(*exepath(b"/bin/x (deleted)", &empty()), b"/bin/x"[..]);
        assert_eq!(*exepath(b" (deleted)", &empty()), b" (deleted)"[..]);
    }
}
