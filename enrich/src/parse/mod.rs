//! How events change the tables: one [`Parser`] an event, its methods spread over the modules by
//! kind of call. What is done to which event type stands in [`plan`].
//!
//! Parameters come from outside: one that is missing, empty or of a wrong width is taken as
//! unknown, never as a reason to stop.

mod caps;
mod clone;
mod container;
mod control;
mod creds;
mod exec;
mod fds;
pub(crate) mod fs;
mod net;
mod open;
mod path;
pub(crate) mod plan;
pub(crate) mod row;
pub(crate) mod sockname;

use falco_event::{EventCode, RawEvent};

use crate::fd::Fd;
use crate::record::ProcessFacts;
use crate::state::meter::Charge;
use crate::state::threads::Slot;
use crate::state::{Current, State};
use crate::thread::{Thread, flags};
use plan::{Action, Finds, Plan};

pub use path::concatenate_paths;
pub(crate) use path::concatenate_paths_into;

/// Longest enter event that is kept for its exit.
const MAX_ENTER: usize = 4096;

/// What a text parameter reads as when it could not be read.
const NA: &[u8] = b"<NA>";

/// One event on its way into the tables.
pub(crate) struct Parser<'s, 'e> {
    state: &'s mut State,
    event: &'e RawEvent<'e>,
    /// Its number.
    num: u64,
    plan: &'static Plan,
    /// The thread that caused it.
    thread: Option<Slot>,
    /// The fd that it is about: whose table, and number there.
    fd: Option<(Slot, i64)>,
    /// Its name changed (or it is new and has one).
    name_changed: bool,
}

impl<'s, 'e> Parser<'s, 'e> {
    /// Takes in `event`, which is number `num` of its stream.
    pub(crate) fn run(state: &'s mut State, event: &'e RawEvent<'e>, num: u64) -> Current {
        let plan = plan::of(event.code());
        let mut parser =
            Parser { state, event, num, plan, thread: None, fd: None, name_changed: false };
        parser.attach();
        parser.parse();
        parser.finish()
    }

    /// Finds the event's thread and the fd that it works on.
    fn attach(&mut self) {
        let tid = self.event.tid();
        self.thread = match self.plan.finds {
            Finds::Nothing => return,
            Finds::Existing => self.state.find_thread(tid),
            Finds::OrPlaceholder => self.state.find_or_placeholder(tid, self.event.ts()),
        };
        if self.plan.is_switch {
            return;
        }
        let (plan, code) = (self.plan, self.event.code());
        let named = if plan.fd_at < 0 { None } else { self.event.i64(plan.fd_at as usize) };
        let Some(slot) = self.thread else { return };
        let Some(thread) = self.state.threads.get_mut(slot) else { return };
        if thread.enter_is_done {
            forget_enter(thread);
        }
        if plan.finds == Finds::OrPlaceholder {
            thread.flags |= flags::ACTIVE;
        }
        if plan.enter {
            thread.enter_code = Some(code);
            thread.lastevent_fd = named.unwrap_or(-1);
        } else {
            thread.enter_matches = thread.enter_code.is_some_and(|e| is_exit_of(code, e));
            // Without its enter event, the last fd may be anything: a stale one must not stick.
            if !thread.enter_matches {
                thread.lastevent_fd = -1;
            }
            if thread.lastevent_fd == -1 {
                thread.lastevent_fd = named.unwrap_or(-1);
            }
        }
        if plan.uses_fd {
            let num = thread.lastevent_fd;
            self.fd = self.state.find_fd(slot, num).map(|owner| (owner, num));
        }
    }

    fn parse(&mut self) {
        match self.plan.action {
            Action::None => {}
            Action::StoreEnter => self.store_enter(),
            Action::Read => self.read(),
            Action::Write => self.write(),
            Action::Open => self.open(),
            Action::UnshareSetns => self.unshare_setns(),
            Action::MemfdCreate => self.memfd_create(),
            Action::Clone => self.clone_exit(),
            Action::PidfdOpen => self.pidfd_open(),
            Action::PidfdGetfd => self.pidfd_getfd(),
            Action::Exec => self.exec(),
            Action::Exit => self.exit(),
            Action::Pipe => self.pipe(),
            Action::Socket => self.socket(),
            Action::Bind => self.bind(),
            Action::Connect => self.connect(),
            Action::Accept => self.accept(),
            Action::Close => self.close(),
            Action::CloseRange => self.close_range(),
            Action::Fcntl => self.fcntl(),
            Action::Eventfd => self.eventfd(),
            Action::Chdir => self.chdir(),
            Action::Fchdir => self.fchdir(),
            Action::Getcwd => self.getcwd(),
            Action::Dup => self.dup(),
            Action::SingleFd => self.single_fd(),
            Action::Rlimit => self.rlimit(),
            Action::Prlimit => self.prlimit(),
            Action::Socketpair => self.socketpair(),
            Action::Switch => self.switch(),
            Action::Memory => self.memory(),
            Action::SetUid => self.set_uid(),
            Action::SetGid => self.set_gid(),
            Action::Chroot => self.chroot(),
            Action::Setsid => self.setsid(),
            Action::Capset => self.capset(),
            Action::User => self.user(),
            Action::Group => self.group(),
            Action::Prctl => self.prctl(),
            Action::Container => self.container(),
        }
    }

    /// Leaves the thread ready for its next event and says what was learned.
    fn finish(self) -> Current {
        let Parser { state, event, num, plan, fd, name_changed, .. } = self;
        let tid = event.tid();
        // Fields look an event's thread up by its id where the state machine has no use for it.
        let thread = match plan.finds {
            Finds::Nothing => state.find_thread(tid),
            _ => self.thread,
        };
        let mut fd_num = None;
        if let Some(thread) = thread.and_then(|slot| state.threads.get_mut(slot)) {
            fd_num = Some(thread.lastevent_fd);
            if plan.finds != Finds::Nothing {
                thread.enter_is_done |= !plan.enter && !thread.enter.is_empty();
                if !plan.is_switch {
                    thread.lastevent_ts = event.ts();
                }
            }
        }
        let (fds, fd) = fd.unzip();
        Current {
            num,
            tid,
            has_thread: thread.is_some(),
            fd_num,
            name_changed,
            skipped: state.is_skipped(event, plan),
            thread,
            fds,
            fd: fd.unwrap_or(-1),
        }
    }

    // What parsers share.

    /// The event's return value; `None` if it has none.
    fn res(&self) -> Option<i64> {
        self.event.i64(0)
    }

    /// Whether the call failed; one without a return value did not.
    fn failed(&self) -> bool {
        self.res().is_some_and(|res| res < 0)
    }

    fn u32(&self, param: usize) -> u32 {
        self.event.u64(param).unwrap_or(0) as u32
    }

    /// A text parameter; one that could not be read is `<NA>`.
    fn text(&self, param: usize) -> &'e [u8] {
        text(self.event.param(param).unwrap_or_default())
    }

    fn is_empty(&self, param: usize) -> bool {
        self.event.param(param).is_none_or(<[u8]>::is_empty)
    }

    fn thread_ref(&self) -> Option<&Thread> {
        self.state.threads.get(self.thread?)
    }

    fn thread_mut(&mut self) -> Option<&mut Thread> {
        self.state.threads.get_mut(self.thread?)
    }

    fn update(&mut self, change: impl FnOnce(&mut ProcessFacts)) {
        if let Some(slot) = self.thread {
            self.state.threads.update(slot, change);
        }
    }

    fn fd_ref(&self) -> Option<&Fd> {
        let (owner, num) = self.fd?;
        self.state.threads.get(owner)?.fds.get(num)
    }

    fn fd_mut(&mut self) -> Option<&mut Fd> {
        let (owner, num) = self.fd?;
        self.state.threads.get_mut(owner)?.fds.get_mut(num)
    }

    /// Puts a new fd into the table of the event's process; it becomes the event's fd.
    fn add_fd(&mut self, num: i64, fd: Fd) {
        self.name_changed = !fd.name.is_empty();
        self.place_fd(num, fd);
    }

    /// As [`Parser::add_fd`], for a duplicate: its name is not news.
    fn add_duplicate(&mut self, num: i64, fd: Fd) {
        self.name_changed = false;
        self.place_fd(num, fd);
    }

    fn place_fd(&mut self, num: i64, fd: Fd) {
        let Some(slot) = self.thread else { return };
        self.fd = self.state.insert_fd(slot, num, fd).map(|owner| (owner, num));
        if let Some(thread) = self.thread_mut() {
            thread.lastevent_fd = num;
        }
    }

    // Enter events.

    /// Keeps an enter event for its exit.
    fn store_enter(&mut self) {
        // An execveat or connect is kept whatever it holds, the others if they could be read.
        let always = matches!(
            self.event.code(),
            EventCode::SYSCALL_EXECVEAT_E | EventCode::SOCKET_CONNECT_E
        );
        if !always && self.is_empty(0) {
            return;
        }
        let bytes = self.event.bytes();
        let Parser { state, thread: Some(slot), .. } = self else {
            self.state.stats.n_store_evts_drops += 1;
            return;
        };
        let State { threads, meter, stats, .. } = &mut **state;
        let Some(thread) = threads.get_mut(*slot) else { return };
        if bytes.len() > MAX_ENTER {
            return;
        }
        thread.enter.clear();
        thread.enter_is_done = false;
        if thread.enter.capacity() < bytes.len() {
            if !meter.has_room(bytes.len()) {
                stats.n_store_evts_drops += 1;
                return;
            }
            thread.enter.reserve_exact(bytes.len());
            thread.enter_charge.set(meter, thread.enter.capacity());
        }
        thread.enter.extend_from_slice(bytes);
        stats.n_stored_evts += 1;
    }

    /// Calls `with` with the enter event of this exit event, if it was kept.
    fn with_enter<T>(&mut self, with: impl FnOnce(&mut Self, Option<&RawEvent<'_>>) -> T) -> T {
        let code = self.event.code();
        let kept = self.thread_mut().filter(|t| t.enter_matches && !t.enter.is_empty());
        let bytes = kept.map(|thread| std::mem::take(&mut thread.enter));
        let enter = bytes.as_deref().and_then(|bytes| RawEvent::parse(bytes, 0, 0).ok());
        let enter = enter.filter(|enter| is_exit_of(code, enter.code()));
        match enter {
            Some(_) => self.state.stats.n_retrieved_evts += 1,
            None => self.state.stats.n_retrieve_evts_drops += 1,
        }
        let result = with(self, enter.as_ref());
        if let (Some(bytes), Some(thread)) = (bytes, self.thread_mut()) {
            thread.enter = bytes;
        }
        result
    }
}

/// Whether `exit` is the exit event of `enter`. A successful execveat exits as an execve.
fn is_exit_of(exit: EventCode, enter: EventCode) -> bool {
    exit.0 == enter.0.wrapping_add(1)
        || (exit == EventCode::SYSCALL_EXECVE_19_X && enter == EventCode::SYSCALL_EXECVEAT_E)
}

/// Empties the kept enter event; its room stays unless it was uncommonly large.
fn forget_enter(thread: &mut Thread) {
    thread.enter_is_done = false;
    if thread.enter.capacity() > 512 {
        thread.enter = Vec::new();
        thread.enter_charge = Charge::default();
    } else {
        thread.enter.clear();
    }
}

/// The text of a parameter; one that could not be read (or an old probe could not) is `<NA>`.
fn text(param: &[u8]) -> &[u8] {
    if param.is_empty() || param == b"(NULL)\0" {
        return NA;
    }
    falco_event::raw::until_nul(param)
}
