//! On which CPU tracer and tracee are.
//!
//! Of a tracee that stops all the time and its tracer, one runs and the other waits. On two CPUs, each
//! wakes the other's from its sleep, stop by stop, which takes several times as long as the stop itself;
//! on one, the kernel just switches. The scheduler prefers an idle CPU to the one that is about to be
//! left, so both are told to stay where they are, as long as nobody else stops in between. Whether that
//! is any faster depends on the machine and on what else runs there: it is measured, and tried again now
//! and then.
//!
//! The thread must not notice: its affinity is given back before it, or anybody, asks for it or changes
//! it (these calls stop), before it makes a child, and when it stops less often.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::sys;

/// So many stops in a row by one thread make it stay.
const ROW: u32 = 100;
/// A try that was of no use makes the next one wait for so many times as many stops, up to a limit.
const PATIENCE: u32 = 4;
const MOST_ROW: u32 = 100_000;
/// Stops after which a thread that stays has settled, and is measured.
const SETTLED: u32 = 20;
/// Stops after which one that stays is tried without.
const AGAIN: u32 = 20_000;
/// The reader looks this often, in nanoseconds, and expects so many stops of a thread that stays.
pub(super) const LOOK_NS: u64 = 10_000_000;
pub(super) const BUSY: u64 = 50;

/// Who stays where.
#[derive(Debug)]
pub(super) struct Place {
    is_allowed: bool,
    /// The thread that stopped last, and how often in a row.
    last: i32,
    row: u32,
    row_wanted: u32,
    /// When the row, or its part that is measured, began.
    since: u64,
    staying: Option<Staying>,
}

#[derive(Debug)]
struct Staying {
    tid: i32,
    here: CpuSet,
    tracee: CpuSet,
    tracer: CpuSet,
    /// From one stop to the next without, in nanoseconds.
    without_ns: u64,
}

impl Place {
    pub(super) fn new(is_allowed: bool) -> Self {
        Place { is_allowed, last: 0, row: 0, row_wanted: ROW, since: 0, staying: None }
    }

    /// Whether a thread is kept where it is.
    pub(super) fn is_kept(&self) -> bool {
        self.staying.is_some()
    }

    /// Thread `tid` stopped.
    pub(super) fn stopped(&mut self, tid: i32) {
        if !self.is_allowed {
            return;
        }
        if tid != self.last {
            if self.staying.is_some() {
                self.give_up();
            }
            (self.last, self.row) = (tid, 0);
            return;
        }
        self.row += 1;
        match &self.staying {
            None if self.row == 1 => self.since = sys::now(),
            None if self.row >= self.row_wanted => {
                let without_ns = self.since_per_stop(self.row - 1);
                self.staying = stay(tid, without_ns);
                self.row = 0;
            }
            Some(_) if self.row == SETTLED => self.since = sys::now(),
            Some(staying) if self.row == SETTLED + ROW => {
                let without_ns = staying.without_ns;
                // A gain that cannot be told from chance is none.
                if self.since_per_stop(ROW) > without_ns - without_ns / 16 {
                    self.give_up();
                } else {
                    self.row_wanted = ROW;
                }
            }
            Some(_) if self.row == AGAIN => self.give_back(),
            _ => {}
        }
    }

    fn since_per_stop(&self, stops: u32) -> u64 {
        sys::now().saturating_sub(self.since) / u64::from(stops.max(1))
    }

    /// It was of no use, or not for long.
    fn give_up(&mut self) {
        self.give_back();
        self.row_wanted = (self.row_wanted * PATIENCE).min(MOST_ROW);
    }

    /// Gives the thread that stays its affinity back, and the tracer its own.
    pub(super) fn give_back(&mut self) {
        let Some(Staying { tid, here, tracee, tracer, .. }) = self.staying.take() else { return };
        // Refused only if the thread has ended, or nothing of it is left to this process.
        let is_ours = sched_getaffinity(Pid::from_raw(tid)) == Ok(here);
        if is_ours {
            let _ended = sched_setaffinity(Pid::from_raw(tid), &tracee);
        }
        let _cpus_are_gone = sched_setaffinity(Pid::from_raw(0), &tracer);
        self.row = 0;
    }

    /// `parent` made `child`, which has got its affinity.
    pub(super) fn gave_birth(&mut self, parent: i32, child: i32) {
        let Some(staying) = self.staying.as_ref().filter(|staying| staying.tid == parent) else {
            return;
        };
        let _ended = sched_setaffinity(Pid::from_raw(child), &staying.tracee);
        self.give_back();
    }
}

/// Keeps `tid` on the CPU where the calling thread is. Nothing changes if that is not allowed, or
/// useless since one of both has no choice.
fn stay(tid: i32, without_ns: u64) -> Option<Staying> {
    let tracee = sched_getaffinity(Pid::from_raw(tid)).ok()?;
    let tracer = sched_getaffinity(Pid::from_raw(0)).ok()?;
    let count = |set: &CpuSet| {
        (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu) == Ok(true)).take(2).count()
    };
    let cpu = rustix::thread::sched_getcpu();
    if count(&tracee) < 2 || count(&tracer) < 2 || tracee.is_set(cpu) != Ok(true) {
        return None;
    }
    let mut here = CpuSet::new();
    here.set(cpu).ok()?;
    sched_setaffinity(Pid::from_raw(0), &here).ok()?;
    if sched_setaffinity(Pid::from_raw(tid), &here).is_err() {
        let _cpus_are_gone = sched_setaffinity(Pid::from_raw(0), &tracer);
        return None;
    }
    Some(Staying { tid, here, tracee, tracer, without_ns })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn cpus(tid: i32) -> CpuSet {
        sched_getaffinity(Pid::from_raw(tid)).unwrap()
    }

    fn is_one(set: &CpuSet) -> bool {
        (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu) == Ok(true)).count() == 1
    }

    /// A thread that waits, and its id.
    fn waiting() -> (mpsc::Sender<()>, i32) {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        std::thread::spawn(move || {
            tell.send(sys::gettid()).unwrap();
            let _told = stopped.recv();
        });
        (stop, told.recv().unwrap())
    }

    #[test]
    fn affinities_are_given_back() {
        let (_first, one) = waiting();
        let (_second, two) = waiting();
        let (before, ours) = (cpus(one), cpus(0));
        if is_one(&before) || is_one(&ours) {
            return;
        }
        let mut place = Place::new(true);
        let stay = |place: &mut Place| {
            place.row_wanted = ROW;
            (0..=ROW).for_each(|_| place.stopped(one));
            assert!(place.is_kept());
            assert!(is_one(&cpus(one)) && cpus(one) == cpus(0));
        };
        stay(&mut place);
        place.give_back();
        assert_eq!((cpus(one), cpus(0), place.is_kept()), (before, ours, false));

        // Somebody else stops; the next try comes later.
        stay(&mut place);
        place.stopped(two);
        assert_eq!((cpus(one), cpus(0), place.row_wanted), (before, ours, ROW * PATIENCE));

        // A child has got it, and loses it.
        stay(&mut place);
        sched_setaffinity(Pid::from_raw(two), &cpus(one)).unwrap();
        place.gave_birth(one, two);
        assert_eq!((cpus(one), cpus(two), cpus(0)), (before, before, ours));

        // What somebody else has set since is left alone.
        stay(&mut place);
        sched_setaffinity(Pid::from_raw(one), &before).unwrap();
        place.give_back();
        assert_eq!((cpus(one), cpus(0)), (before, ours));
    }

    #[test]
    fn nobody_stays_if_that_is_not_allowed() {
        let (_first, one) = waiting();
        let mut place = Place::new(false);
        (0..10 * ROW).for_each(|_| place.stopped(one));
        assert!(!place.is_kept());
    }
}
