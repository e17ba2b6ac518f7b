//! [`Text`]: bytes that a sandbox told and that are kept, counted by a [`Meter`] so that they stay
//! bounded whatever it sends.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes of texts that are kept of one sandbox.
const MAX_BYTES: usize = 4 << 20;
/// What a text costs beside its bytes.
const OVERHEAD: usize = 32;

/// Counts what texts take.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(Arc<AtomicUsize>);

impl Meter {
    /// Keeps `bytes`; nothing of them if there is no more room.
    pub(super) fn keep(&self, bytes: &[u8]) -> Text {
        let cost = bytes.len() + OVERHEAD;
        // One thread uses a sandbox's meter at a time: no other can come in between.
        let fits = !bytes.is_empty() && self.used() + cost <= MAX_BYTES;
        if !fits {
            return Text { bytes: Box::default(), meter: self.clone() };
        }
        self.0.fetch_add(cost, Ordering::Relaxed);
        Text { bytes: bytes.into(), meter: self.clone() }
    }

    /// Bytes that are kept now.
    pub(super) fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes that are kept.
#[derive(Debug)]
pub(super) struct Text {
    bytes: Box<[u8]>,
    meter: Meter,
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.meter.0.fetch_sub(self.bytes.len() + OVERHEAD, Ordering::Relaxed);
        }
    }
}

/// Longest path in events (`PATH_MAX` of Linux, with its NUL).
const MAX_PATH: usize = 4096;

/// Most bytes of arguments, and of an environment, in events: as many as of any other source.
const MAX_LIST: usize = 4096;

/// The beginning of a path that fits into an event.
pub(super) fn path(path: &[u8]) -> &[u8] {
    &path[..path.len().min(MAX_PATH - 1)]
}

/// The file's name of a path, as the kernel names a thread after a program (`comm`).
pub(super) fn comm(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    &name[..name.len().min(15)]
}

/// `texts`, each followed by a NUL, as far as they fit into an event.
pub(super) fn list<T: AsRef<[u8]>>(texts: &[T]) -> Vec<u8> {
    let mut out = Vec::new();
    for text in texts {
        let text = text.as_ref();
        let room = (MAX_LIST - out.len()).saturating_sub(1);
        if room == 0 {
            break;
        }
        out.extend_from_slice(&text[..text.len().min(room)]);
        out.push(0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_given_back() {
        let meter = Meter::default();
        let kept: Vec<Text> = (0..100_000).map(|_| meter.keep(&[b'x'; 1000])).collect();
        assert!(meter.used() <= MAX_BYTES);
        assert_eq!((kept[0].len(), kept[99_999].len()), (1000, 0));
        drop(kept);
        assert_eq!(meter.used(), 0);
    }

    #[test]
    fn lists_end_with_a_nul_and_fit() {
        assert_eq!(list(&["a", "", "b"]), b"a\0\0b\0");
        assert_eq!(list::<&str>(&[]), b"");
        let long = list(&[[b'x'; 3000], [b'y'; 3000], [b'z'; 3000]]);
        assert_eq!((long.len(), long[4095]), (MAX_LIST, 0));
    }

    #[test]
    fn threads_are_named_after_files() {
        assert_eq!(comm(b"/usr/bin/a-very-long-program-name"), b"a-very-long-pro");
        assert_eq!(comm(b"sh"), b"sh");
        assert_eq!(comm(b""), b"");
    }
}
