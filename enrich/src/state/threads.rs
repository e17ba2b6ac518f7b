//! The thread table: slots of threads, their groups and the tree that parents and children form.

use hashbrown::HashMap;

use crate::thread::Thread;

/// A thread's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub(crate) u32);

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    slots: Vec<Option<Box<Thread>>>,
    by_tid: HashMap<i64, Slot>,
    lineage_generation: u32,
}

impl Threads {
    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&Thread> {
        self.slots.get(slot.0 as usize)?.as_deref()
    }

    #[inline]
    pub(crate) fn find(&self, tid: i64) -> Option<Slot> {
        self.by_tid.get(&tid).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_tid.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Thread> {
        self.slots.iter().filter_map(|t| t.as_deref())
    }

    #[inline]
    pub(crate) fn lineage_generation(&self) -> u32 {
        self.lineage_generation
    }
}
