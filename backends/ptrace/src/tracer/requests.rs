//! What other threads ask of the tracer's: to let the tree go, to kill it, to tell of other calls.

use std::sync::atomic::Ordering;

use super::stops::Tracer;
use super::{Request, sys};
use crate::source::Mode;
use crate::stop::Hooks;

impl<H: Hooks> Tracer<H> {
    /// Begins what was asked for since the last look.
    pub(super) fn look_for_requests(&mut self) {
        if self.shared.has_selection.load(Ordering::Relaxed) {
            self.select();
        }
        let asked = match self.shared.request.load(Ordering::Relaxed) {
            0 => return,
            1 => Request::Detach,
            _ => Request::Kill,
        };
        if self.request.is_none_or(|request| request < asked) {
            self.request = Some(asked);
            // Whom one user may not signal, another may.
            self.drop_guise();
            match asked {
                Request::Detach => self.interrupt_all(),
                Request::Kill => {
                    self.threads.processes().into_iter().for_each(|pid| self.kill(pid))
                }
            }
        }
        let mut state = self.shared.lock();
        if state.obeyed < asked as u8 {
            state.obeyed = asked as u8;
            self.shared.changed.notify_all();
        }
    }

    /// Other calls are asked for.
    fn select(&mut self) {
        self.shared.has_selection.store(false, Ordering::SeqCst);
        let selection = self.shared.lock().selection.clone();
        let can_change = self.mode == Mode::AllCalls;
        if let Some(syscalls) = selection.filter(|_| can_change)
            && let Some(Some(plan)) = self.tell(|hooks, _| hooks.select(&syscalls))
        {
            self.plan = plan;
        }
        let mut state = self.shared.lock();
        state.selection = None;
        state.processes = self.threads.processes();
        self.shared.changed.notify_all();
    }

    /// Makes every thread stop, so that it can be let go. Those that have ended and wait for others of
    /// their process cannot be; the kernel lets go of them when this thread ends.
    fn interrupt_all(&mut self) {
        self.place.give_back();
        self.adopt();
        self.threads.known.retain(|tid, _| sys::interrupt(*tid).is_ok());
    }

    /// Kills the process of a thread.
    pub(super) fn kill(&self, tid: i32) {
        // If it has ended, wait tells.
        let pid = self.threads.known.get(&tid).map_or(tid, |thread| thread.pid);
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _ended = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
