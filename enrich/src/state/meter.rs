//! [`Meter`]: how many bytes the tables of one state hold, against its limit; [`Charge`]: one
//! entry's share, given back when the entry is dropped.
//!
//! What several hold counts once where it is an fd, and once for each holder where it is a text of
//! a process or the array of an fd table: cheaply counted, and never less than there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The count of one state. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    used: AtomicUsize,
    limit: usize,
}

impl Meter {
    pub(crate) fn new(limit: usize) -> Self {
        Meter(Arc::new(Count { used: AtomicUsize::new(0), limit }))
    }

    /// Bytes held now.
    pub(crate) fn used(&self) -> usize {
        self.0.used.load(Relaxed)
    }

    /// Counts `new` bytes where there were `old`. A load and a store are enough, and quicker than
    /// one locked operation: charges live in tables that only the owner of the state changes.
    #[inline]
    fn replace(&self, old: usize, new: usize) {
        self.0.used.store(self.used().wrapping_add(new).wrapping_sub(old), Relaxed);
    }

    /// Whether so many bytes more stay within the limit.
    #[inline]
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.used().saturating_add(bytes) <= self.0.limit
    }
}

/// One entry's share. A clone counts anew.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    /// None while nothing is charged.
    meter: Option<Meter>,
    bytes: usize,
}

impl Charge {
    pub(crate) fn of(meter: &Meter, bytes: usize) -> Self {
        let mut charge = Charge::default();
        charge.set(meter, bytes);
        charge
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn meter(&self) -> Option<&Meter> {
        self.meter.as_ref()
    }

    /// Changes the share. The limit is the caller's to ask for first.
    #[inline]
    pub(crate) fn set(&mut self, meter: &Meter, bytes: usize) {
        if bytes == self.bytes {
            return;
        }
        let meter = self.meter.get_or_insert_with(|| meter.clone());
        meter.replace(self.bytes, bytes);
        self.bytes = bytes;
    }
}

impl Clone for Charge {
    fn clone(&self) -> Self {
        self.meter.as_ref().map_or_else(Charge::default, |meter| Charge::of(meter, self.bytes))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(meter) = &self.meter {
            meter.replace(self.bytes, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_come_and_go() {
        let meter = Meter::new(100);
        let mut a = Charge::of(&meter, 40);
        let b = a.clone();
        assert_eq!((meter.used(), meter.has_room(20), meter.has_room(21)), (80, true, false));
        a.set(&meter, 10);
        assert_eq!(meter.used(), 50);
        drop(b);
        assert_eq!((meter.used(), a.bytes()), (10, 10));
        drop(a);
        assert_eq!(meter.used(), 0);
        assert!(!meter.has_room(usize::MAX));
    }
}
