//! The thread table: slots of threads, their groups (processes) and the tree of parents and
//! children. It knows nothing of events.
//!
//! Lists run through the threads themselves ([`crate::thread::Links`]), so that joining, leaving
//! and inheriting children allocate nothing. Invariants: a thread in the table is in at most one
//! group and one parent's list of children; `ptid` of a thread with a parent is the parent's tid;
//! `nchildren` counts that list; a placeholder has no group, no parent and no children.

use hashbrown::HashMap;

use crate::record::{ProcessFacts, ProcessRecord};
use crate::state::meter::Meter;
use crate::thread::{Links, Thread, flags};

/// A thread's place in the table; true until the thread is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u32);

impl Slot {
    /// Place number `at`, which need not be taken.
    pub(crate) fn at(at: u32) -> Self {
        Slot(at)
    }
}

/// A group's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupSlot(u32);

/// The threads of one process.
#[derive(Debug)]
pub(crate) struct Group {
    pid: i64,
    /// Members that have not exited.
    pub(crate) alive: u32,
    /// Members in the table.
    len: u32,
    /// Orphans of its descendants become its children: init of a pid namespace or a subreaper.
    pub(crate) reaper: bool,
    /// The main thread stands first if it is there.
    pub(crate) first: Option<Slot>,
    last: Option<Slot>,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    slots: Vec<Option<Box<Thread>>>,
    free: Vec<Slot>,
    by_tid: HashMap<i64, Slot>,
    groups: Vec<Option<Group>>,
    free_groups: Vec<GroupSlot>,
    by_pid: HashMap<i64, GroupSlot>,
    generation: u32,
    lineage_generation: u32,
    meter: Meter,
    /// Records whose texts were cut for want of memory.
    pub(crate) n_cut: u64,
}

impl Threads {
    /// An empty table that counts its bytes by `meter`.
    pub(crate) fn new(meter: Meter) -> Self {
        Threads { meter, ..Threads::default() }
    }

    /// An empty table whose generations go on from another's, so that no verdict survives.
    pub(crate) fn succeeding(before: &Threads) -> Self {
        Threads {
            meter: before.meter.clone(),
            n_cut: before.n_cut,
            generation: before.generation.wrapping_add(1),
            lineage_generation: before.lineage_generation.wrapping_add(1),
            ..Threads::default()
        }
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&Thread> {
        self.slots.get(slot.0 as usize)?.as_deref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Thread> {
        self.slots.get_mut(slot.0 as usize)?.as_deref_mut()
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

    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        let taken = self.slots.iter().enumerate().filter(|(_, t)| t.is_some());
        taken.map(|(at, _)| Slot(at as u32))
    }

    #[inline]
    pub(crate) fn lineage_generation(&self) -> u32 {
        self.lineage_generation
    }

    pub(crate) fn bump_lineage(&mut self) {
        self.lineage_generation = self.lineage_generation.wrapping_add(1);
    }

    fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        self.generation
    }

    pub(crate) fn group_of(&self, thread: &Thread) -> Option<&Group> {
        self.groups.get(thread.links.group?.0 as usize)?.as_ref()
    }

    fn group_mut(&mut self, group: GroupSlot) -> Option<&mut Group> {
        self.groups.get_mut(group.0 as usize)?.as_mut()
    }

    pub(crate) fn group_of_mut(&mut self, slot: Slot) -> Option<&mut Group> {
        let group = self.get(slot)?.links.group?;
        self.group_mut(group)
    }

    /// The main thread of a thread's process: itself if it is one; none if it was lost.
    #[inline]
    pub(crate) fn main_of(&self, slot: Slot) -> Option<Slot> {
        let thread = self.get(slot)?;
        if thread.is_main() {
            return Some(slot);
        }
        let first = self.group_of(thread)?.first?;
        self.get(first)?.is_main().then_some(first)
    }

    /// The thread whose fd table a thread uses: the main one, or itself while it shares none.
    #[inline]
    pub(crate) fn fds_of(&self, slot: Slot) -> Option<Slot> {
        let thread = self.get(slot)?;
        if thread.flags & flags::CLONE_FILES == 0 { Some(slot) } else { self.main_of(slot) }
    }

    /// The members of a thread's group, the main thread first.
    pub(crate) fn members(&self, slot: Slot) -> Vec<Slot> {
        self.listed(self.get(slot).and_then(|t| self.group_of(t)))
    }

    /// The threads of process `pid`, the main thread first.
    pub(crate) fn members_of(&self, pid: i64) -> Vec<Slot> {
        let group = self.by_pid.get(&pid);
        self.listed(group.and_then(|group| self.groups.get(group.0 as usize)?.as_ref()))
    }

    fn listed(&self, group: Option<&Group>) -> Vec<Slot> {
        let first = group.and_then(|group| group.first);
        std::iter::successors(first, |&at| self.get(at)?.links.next_member).collect()
    }

    /// The children of a thread.
    pub(crate) fn children(&self, slot: Slot) -> Vec<Slot> {
        let first = self.get(slot).and_then(|t| t.links.first_child);
        std::iter::successors(first, |&at| self.get(at)?.links.next_sibling).collect()
    }

    /// Publishes a new version of a thread's record. The one way in which facts change.
    pub(crate) fn update(&mut self, slot: Slot, change: impl FnOnce(&mut ProcessFacts)) {
        let generation = self.next_generation();
        let Threads { slots, meter, n_cut, .. } = self;
        let Some(Some(thread)) = slots.get_mut(slot.0 as usize) else { return };
        ProcessRecord::publish(&mut thread.record, generation, change);
        let growth = thread.bytes().saturating_sub(thread.charge.bytes());
        if growth > 0 && !meter.has_room(growth) {
            ProcessRecord::publish(&mut thread.record, generation, ProcessFacts::cut);
            *n_cut += 1;
        }
        thread.charge.set(meter, thread.bytes());
        let (has_children, is_main) = (thread.nchildren > 0, thread.is_main());
        let has_threads = self.get(slot).and_then(|t| self.group_of(t)).is_some_and(|g| g.len > 1);
        if has_children || has_threads {
            self.bump_lineage();
        }
        if is_main && has_threads {
            self.touch_threads(slot);
        }
    }

    /// Kills the verdicts over the other threads of a main thread's process: they answer questions
    /// on environment, working directory and ancestors with the main one's.
    fn touch_threads(&mut self, main: Slot) {
        for member in self.members(main) {
            if member != main {
                self.touch(member);
                self.bump_lineage();
            }
        }
    }

    /// Kills the verdicts over a thread, as if its record had changed.
    pub(crate) fn touch(&mut self, slot: Slot) {
        let generation = self.next_generation();
        if let Some(thread) = self.get_mut(slot) {
            ProcessRecord::publish(&mut thread.record, generation, |_| ());
        }
    }

    /// Kills all verdicts: something outside the records changed that fields read (users).
    pub(crate) fn touch_all(&mut self) {
        for at in 0..self.slots.len() {
            self.touch(Slot(at as u32));
        }
        self.bump_lineage();
    }

    /// Kills the verdicts over all threads of a container (empty id: the host).
    pub(crate) fn touch_container(&mut self, id: &[u8]) {
        for at in 0..self.room() {
            if self.get(Slot(at)).is_some_and(|thread| *thread.record.container_id == *id) {
                self.touch(Slot(at));
            }
        }
        self.bump_lineage();
    }

    /// Puts a thread into the table. One with the same id is replaced; it was the same thread
    /// seen from elsewhere, so its children stay.
    pub(crate) fn insert(&mut self, mut thread: Thread) -> Slot {
        let old = self.find(thread.tid);
        let children = old.map(|old| self.children(old)).unwrap_or_default();
        if let Some(old) = old {
            self.take_out(old);
        }
        thread.links = Links::default();
        thread.nchildren = 0;
        thread.charge.set(&self.meter, thread.bytes());
        let tid = thread.tid;
        let thread = Some(Box::new(thread));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot.0 as usize] = thread;
                slot
            }
            None => {
                self.slots.push(thread);
                Slot(self.slots.len() as u32 - 1)
            }
        };
        self.by_tid.insert(tid, slot);
        self.touch(slot);
        if tid == 0 {
            // Those without a parent have this one for it.
            self.bump_lineage();
        }
        for child in children {
            self.adopt(slot, child);
        }
        slot
    }

    /// Joins a thread to its group and its parent, once it is known to which. A placeholder stays
    /// alone.
    pub(crate) fn link(&mut self, slot: Slot) {
        let Some(thread) = self.get(slot) else { return };
        if thread.is_placeholder() || thread.links.group.is_some() {
            return;
        }
        let (pid, ptid, is_main) = (thread.pid, thread.ptid, thread.is_main());
        self.join_group(slot, pid, is_main);
        if is_main {
            // Threads whose main thread was unknown have one now.
            self.touch_threads(slot);
        }
        if pid == 1 {
            return;
        }
        match self.find(ptid).filter(|&p| p != slot) {
            Some(parent) if self.get(parent).is_some_and(|p| !p.is_placeholder()) => {
                self.adopt(parent, slot);
            }
            _ => {
                if let Some(thread) = self.get_mut(slot) {
                    thread.ptid = 0;
                }
            }
        }
    }

    fn join_group(&mut self, slot: Slot, pid: i64, is_main: bool) {
        let Some(thread) = self.get(slot) else { return };
        let (is_init, lives) = (pid == 1 || thread.record.vpid == 1, !thread.is_dead());
        let group = match self.by_pid.get(&pid) {
            Some(&group) => group,
            None => self.new_group(pid, is_init),
        };
        let Some(entry) = self.group_mut(group) else { return };
        entry.alive += u32::from(lives);
        entry.len += 1;
        let (first, last) = (entry.first, entry.last);
        if is_main {
            entry.first = Some(slot);
            entry.last = last.or(Some(slot));
        } else {
            entry.last = Some(slot);
            entry.first = first.or(Some(slot));
        }
        let (next, prev) = if is_main { (first, None) } else { (None, last) };
        if let Some(next) = next.and_then(|s| self.get_mut(s)) {
            next.links.prev_member = Some(slot);
        }
        if let Some(prev) = prev.and_then(|s| self.get_mut(s)) {
            prev.links.next_member = Some(slot);
        }
        if let Some(thread) = self.get_mut(slot) {
            thread.links.group = Some(group);
            thread.links.next_member = next;
            thread.links.prev_member = prev;
        }
    }

    fn new_group(&mut self, pid: i64, reaper: bool) -> GroupSlot {
        let group = Some(Group { pid, alive: 0, len: 0, reaper, first: None, last: None });
        let slot = match self.free_groups.pop() {
            Some(slot) => {
                self.groups[slot.0 as usize] = group;
                slot
            }
            None => {
                self.groups.push(group);
                GroupSlot(self.groups.len() as u32 - 1)
            }
        };
        self.by_pid.insert(pid, slot);
        slot
    }

    fn leave_group(&mut self, slot: Slot) {
        let Some(thread) = self.get_mut(slot) else { return };
        let was_alive = !thread.is_dead();
        let links = &mut thread.links;
        let (next, prev) = (links.next_member.take(), links.prev_member.take());
        let Some(group) = links.group.take() else { return };
        if let Some(next) = next.and_then(|s| self.get_mut(s)) {
            next.links.prev_member = prev;
        }
        if let Some(prev) = prev.and_then(|s| self.get_mut(s)) {
            prev.links.next_member = next;
        }
        let Some(entry) = self.group_mut(group) else { return };
        if entry.first == Some(slot) {
            entry.first = next;
        }
        if entry.last == Some(slot) {
            entry.last = prev;
        }
        entry.len -= 1;
        entry.alive -= u32::from(was_alive);
        if entry.len == 0 {
            let pid = entry.pid;
            self.by_pid.remove(&pid);
            self.groups[group.0 as usize] = None;
            self.free_groups.push(group);
        }
    }

    /// Makes `child` a child of `parent`.
    pub(crate) fn adopt(&mut self, parent: Slot, child: Slot) {
        self.abandon(child);
        let Some(entry) = self.get_mut(parent) else { return };
        entry.nchildren += 1;
        let ptid = entry.tid;
        let next = entry.links.first_child.replace(child);
        if let Some(next) = next.and_then(|s| self.get_mut(s)) {
            next.links.prev_sibling = Some(child);
        }
        if let Some(thread) = self.get_mut(child) {
            thread.ptid = ptid;
            thread.links.parent = Some(parent);
            thread.links.next_sibling = next;
            thread.links.prev_sibling = None;
        }
    }

    /// Takes `child` out of its parent's list. Its `ptid` stays.
    fn abandon(&mut self, child: Slot) {
        let Some(thread) = self.get_mut(child) else { return };
        let links = &mut thread.links;
        let (next, prev) = (links.next_sibling.take(), links.prev_sibling.take());
        let Some(parent) = links.parent.take() else { return };
        if let Some(next) = next.and_then(|s| self.get_mut(s)) {
            next.links.prev_sibling = prev;
        }
        if let Some(prev) = prev.and_then(|s| self.get_mut(s)) {
            prev.links.next_sibling = next;
        }
        if let Some(parent) = self.get_mut(parent) {
            parent.nchildren -= 1;
            if parent.links.first_child == Some(child) {
                parent.links.first_child = next;
            }
        }
    }

    /// Gives the children of `slot` to `heir`, or to nobody (`ptid` 0).
    fn bequeath(&mut self, slot: Slot, heir: Option<Slot>) {
        for child in self.children(slot) {
            match heir {
                Some(heir) if heir != child => self.adopt(heir, child),
                _ => {
                    self.abandon(child);
                    if let Some(thread) = self.get_mut(child) {
                        thread.ptid = 0;
                    }
                }
            }
        }
    }

    /// Marks a thread as exited.
    pub(crate) fn mark_dead(&mut self, slot: Slot) {
        let Some(thread) = self.get_mut(slot) else { return };
        if thread.is_dead() {
            return;
        }
        thread.flags |= flags::CLOSED;
        if let Some(group) = self.group_of_mut(slot) {
            group.alive -= 1;
        }
    }

    /// Takes back [`Threads::mark_dead`]: another thread of the process, that had survived its
    /// main thread, has become the main thread by exec.
    pub(crate) fn resurrect(&mut self, slot: Slot) {
        let Some(thread) = self.get_mut(slot) else { return };
        if !thread.is_dead() {
            return;
        }
        thread.flags &= !flags::CLOSED;
        if let Some(group) = self.group_of_mut(slot) {
            group.alive += 1;
        }
    }

    /// Removes an exited (or replaced) thread. Its children go to `reaper` if that is known, else
    /// to whom the kernel would give them. A main thread stays, marked as dead, while its process
    /// has other threads: they use its fds. Returns how many threads left the table.
    pub(crate) fn remove(&mut self, slot: Slot, reaper: Option<Slot>) -> usize {
        let Some(thread) = self.get(slot) else { return 0 };
        if thread.is_placeholder() || thread.links.group.is_none() {
            self.take_out(slot);
            return 1;
        }
        self.mark_dead(slot);
        if self.get(slot).is_some_and(|t| t.nchildren > 0) {
            self.bump_lineage();
            let known =
                reaper.filter(|&r| r != slot && self.get(r).is_some_and(|t| !t.is_placeholder()));
            let heir = known.or_else(|| self.find_reaper(slot));
            self.become_reaper(slot, heir);
            self.bequeath(slot, heir);
        }
        let is_main = self.get(slot).is_some_and(Thread::is_main);
        let main = self.main_of(slot);
        let mut removed = 0;
        let is_over = self.group_of_mut(slot).is_some_and(|group| group.alive == 0);
        if let (true, Some(main)) = (is_over, main) {
            self.take_out(main);
            removed += 1;
        }
        if !is_main {
            self.take_out(slot);
            removed += 1;
        }
        removed
    }

    /// An heir outside the process is a reaper from now on.
    fn become_reaper(&mut self, slot: Slot, heir: Option<Slot>) {
        let Some(heir) = heir else { return };
        let (Some(thread), Some(to)) = (self.get(slot), self.get(heir)) else { return };
        if thread.pid != to.pid
            && let Some(group) = self.group_of_mut(heir)
        {
            group.reaper = true;
        }
    }

    /// Who inherits the children of a dying thread: a live thread of its process, else one of the
    /// nearest ancestor that is a reaper in the same pid namespace, else nobody.
    fn find_reaper(&self, slot: Slot) -> Option<Slot> {
        let lives = |&at: &Slot| at != slot && self.get(at).is_some_and(|t| !t.is_dead());
        if let Some(heir) = self.members(slot).into_iter().find(lives) {
            return Some(heir);
        }
        let thread = self.get(slot)?;
        let namespaced = thread.is_in_pid_namespace();
        let mut at = self.find(thread.ptid)?;
        // A circle of parents cannot be longer than the table.
        for _ in 0..self.len() {
            let ancestor = self.get(at)?;
            if ancestor.is_in_pid_namespace() != namespaced {
                return None;
            }
            if self.group_of(ancestor).is_some_and(|group| group.reaper)
                && let Some(heir) = self.members(at).into_iter().find(lives)
            {
                return Some(heir);
            }
            at = self.find(ancestor.ptid)?;
        }
        None
    }

    /// Takes a thread out of the table and of all lists.
    fn take_out(&mut self, slot: Slot) {
        if self.get(slot).is_some_and(|t| t.nchildren > 0) {
            self.bump_lineage();
            self.bequeath(slot, None);
        }
        self.leave_group(slot);
        self.abandon(slot);
        if let Some(thread) = self.slots.get_mut(slot.0 as usize).and_then(Option::take) {
            if self.find(thread.tid) == Some(slot) {
                self.by_tid.remove(&thread.tid);
            }
            self.free.push(slot);
        }
    }

    /// Takes out the placeholders that have been silent longest, half of them at least; returns
    /// how many. Of all threads they are the ones of which least is lost: all that is known of
    /// them is their id and some fds.
    pub(crate) fn evict_placeholders(&mut self) -> usize {
        let placeholder = |&slot: &Slot| self.get(slot).is_some_and(Thread::is_placeholder);
        let mut candidates: Vec<Slot> = self.slots().filter(placeholder).collect();
        candidates.sort_by_key(|&slot| self.get(slot).map(|thread| thread.lastevent_ts));
        candidates.truncate(candidates.len().div_ceil(2));
        candidates.iter().for_each(|&slot| self.take_out(slot));
        candidates.len()
    }

    /// How many slots there are, used or not.
    pub(crate) fn room(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Checks the invariants that the module's comment names.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        assert_eq!(self.by_tid.len(), self.iter().count());
        assert_eq!(self.by_tid.len() + self.free.len(), self.slots.len());
        assert_eq!(self.by_pid.len() + self.free_groups.len(), self.groups.len());
        for slot in self.slots() {
            let thread = self.get(slot).unwrap();
            assert_eq!(self.find(thread.tid), Some(slot));
            let children = self.children(slot);
            assert_eq!(children.len(), thread.nchildren as usize, "children of {}", thread.tid);
            for child in children {
                let child = self.get(child).unwrap();
                assert_eq!((child.ptid, child.links.parent), (thread.tid, Some(slot)));
            }
            if let Some(parent) = thread.links.parent {
                assert!(self.children(parent).contains(&slot));
            }
            assert_eq!(thread.charge.bytes(), thread.bytes(), "bytes of {}", thread.tid);
            if thread.is_placeholder() {
                assert!(thread.links.group.is_none() && thread.links.parent.is_none());
            }
        }
        for group in self.groups.iter().flatten() {
            let first = group.first.unwrap();
            let members = self.members(first);
            assert_eq!(members.len(), group.len as usize, "members of {}", group.pid);
            assert_eq!(members.last().copied(), group.last);
            let alive = members.iter().filter(|&&m| !self.get(m).unwrap().is_dead()).count();
            assert_eq!(alive, group.alive as usize, "live members of {}", group.pid);
        }
    }
}
