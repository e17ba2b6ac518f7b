//! [`Mapper`]: the messages of one sandbox become events, the same that any source sends.
//!
//! * `births`: containers, threads and processes that begin and end; `dumps`: those that ran already.
//! * `execs`: programs that are run.
//! * `calls`, `sockets`: system calls that gVisor tells with their paths and addresses.
//! * `raw`: all others, by their numbers and arguments.
//! * `write`: the long parameter lists of births and executions.
//! * `tables`, `fds`, `texts`: what is remembered in between, and its bounds.
//!
//! A thread's id is `sandbox number << 32 | its id in the sandbox`. What only corrects the tables
//! (where a process is, which users it has, fds that were opened before we looked) are events with the
//! flag [`DUMP_STATE_ONLY`], which no rule sees.

mod addresses;
mod births;
mod calls;
mod dumps;
mod execs;
mod fds;
mod raw;
mod sockets;
mod tables;
mod texts;
mod write;

use falco_event::raw::DUMP_STATE_ONLY;
use falco_event::{EventBuilder, EventCode};
use falco_source::ids::in_sandbox;

use crate::message::Message;
use crate::proto::{ContextData, Credentials, Exit};
use falco_source::events::Events;
use tables::{Container, PidNamespace, Tables};

/// How far in the past, of the time of its receipt, a message may say that it happened.
const MAX_LATE_NS: u64 = 60_000_000_000;
/// Most processes that a dump was asked for at a time.
const MAX_ASKED: usize = 64;

/// What came of a sandbox's messages, besides events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapperStats {
    /// Messages that say nothing of who caused them.
    pub unattributed: u64,
    /// Processes that were met unannounced: those of `runsc exec`, or whose birth was lost.
    pub strangers: u64,
    /// Threads that were forgotten for want of room.
    pub evicted: u64,
    /// Executions that the sandbox called successful before it knew, and that no proof followed.
    pub unproven_execs: u64,
    /// Events that were too long.
    pub refused: u64,
}

/// Turns messages into events.
#[derive(Debug)]
pub struct Mapper {
    /// The upper half of thread ids.
    number: u32,
    /// No event is told as earlier than this.
    floor_ns: u64,
    /// When the connection began.
    began_ns: u64,
    tables: Tables,
    /// All that ran when the connection began is known.
    is_complete: bool,
    /// A dump of processes would improve something.
    wants_processes: bool,
    /// Processes that a dump was asked for, and their containers.
    asked: Vec<(i32, Vec<u8>)>,
    /// Executions are proven by messages of the Sentry, or have shown not to be.
    proof: Proof,
    /// mmap is told by its system call.
    sees_mmap: bool,
    /// Calls that are told in full.
    spoken: calls::Spoken,
    stats: MapperStats,
}

/// Whether `sentry/execve` tells which executions succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Not known yet.
    Unknown,
    /// It does.
    Told,
    /// The session does not ask for it: what a call returns has to do.
    Untold,
}

/// Who did something, and when.
#[derive(Clone, Copy, Debug)]
struct At {
    ts: u64,
    tid: i32,
    pid: i32,
}

/// A number for a sandbox by the id of its container, as Falco numbers them: the first seven digits if
/// they are hexadecimal (all of an id of up to eight), else its first four bytes; the next that is
/// not taken if that is. Never 0 and at most 31 bits, so that no thread id is negative.
pub fn sandbox_number(container_id: &[u8], is_taken: impl Fn(u32) -> bool) -> u32 {
    let digits = if container_id.len() <= 8 { container_id } else { &container_id[..7] };
    let hex = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
    let number = hex.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or_else(|| {
        let mut first = [b'0'; 4];
        first.iter_mut().zip(container_id).for_each(|(to, &from)| *to = from);
        u32::from_be_bytes(first)
    });
    let mut number = (number & i32::MAX as u32).max(1);
    // There are far fewer sandboxes than numbers.
    while is_taken(number) {
        number = if number == i32::MAX as u32 { 1 } else { number + 1 };
    }
    number
}

impl Mapper {
    /// A mapper for the sandbox whose first container is `sandbox_id`, with `number` for its threads
    /// ([`sandbox_number`]; of its 32 bits the upper one is not used). Times are nanoseconds since
    /// the epoch: `floor_ns` is the earliest of an event, `now_ns` when the connection began.
    pub fn new(number: u32, sandbox_id: &[u8], floor_ns: u64, now_ns: u64) -> Self {
        let mut tables = Tables::default();
        if tables.container(sandbox_id) == 0 && tables.containers.is_empty() {
            // One without a name stands in for it.
            let pids = PidNamespace::Sandbox;
            tables.containers.push(Container { id: Vec::new(), init: 0, pids });
        }
        Mapper {
            number: number & i32::MAX as u32,
            floor_ns,
            began_ns: now_ns,
            tables,
            is_complete: false,
            wants_processes: false,
            asked: Vec::new(),
            proof: Proof::Unknown,
            sees_mmap: false,
            spoken: calls::Spoken::default(),
            stats: MapperStats::default(),
        }
    }

    /// Takes a message that was received at `now_ns`; its events are appended to `out`.
    pub fn message(&mut self, message: &Message, now_ns: u64, out: &mut Events) {
        let Some(context) = message.context() else {
            // The exit of a raw call whose enter the session does not ask for, for one.
            self.stats.unattributed += 1;
            return;
        };
        let ts = self.time(context, now_ns);
        match message {
            Message::Start(start) => return self.container_start(start, context, ts, out),
            Message::TaskExit(exit) => {
                return self.thread_exit(context.thread_id, exit.exit_status, ts, out);
            }
            Message::ExitNotifyParentInfo(exit) => {
                return self.process_exit(context, exit.exit_status, ts, out);
            }
            _ => {}
        }
        if context.thread_id <= 0 {
            self.stats.unattributed += 1;
            return;
        }
        let Some(at) = self.meet(message, context, ts, out) else { return };
        match message {
            Message::CloneInfo(clone) => self.birth(clone, context, at, out),
            Message::ExecveInfo(exec) => self.executed(exec, context, at, out),
            Message::MmapInfo(map) => self.mapped(map, at, out),
            Message::Execve(exec) => self.execve(exec, at, out),
            _ => self.system_call(message, context, at, out),
        }
    }

    /// Whether a message comes from a process that nobody has told of, so that a dump of processes
    /// should be had and taken ([`Mapper::processes`]) before it. If there is none, [`Mapper::message`]
    /// makes do with what the message says.
    pub fn is_unannounced(&mut self, message: &Message) -> bool {
        let Some(context) = message.context() else { return false };
        let (tid, tables) = (context.thread_id, &self.tables);
        if tid <= 0 || tables.threads.contains_key(&tid) {
            return false;
        }
        let ends = matches!(
            message,
            Message::Start(_) | Message::TaskExit(_) | Message::ExitNotifyParentInfo(_)
        );
        let pid = process_of(context);
        if ends
            || tables.processes.contains_key(&pid)
            || tables.has_ended(tid, context.thread_start_time_ns)
        {
            return false;
        }
        if self.asked.len() < MAX_ASKED && self.asked.iter().all(|&(asked, _)| asked != pid) {
            let id = &context.container_id;
            self.asked.push((pid, id[..id.len().min(256)].to_vec()));
        }
        true
    }

    /// Whether a dump of processes would tell something that is missing. No message has to wait for it.
    pub fn wants_processes(&self) -> bool {
        self.wants_processes
    }

    /// There will be no dump: [`Mapper::wants_processes`] says no until something new is missing.
    pub fn forget_wish(&mut self) {
        self.wants_processes = false;
        self.asked.clear();
    }

    /// The containers that were seen, the sandbox's own first.
    pub fn containers(&self) -> impl Iterator<Item = &[u8]> {
        self.tables.containers.iter().map(|container| &*container.id)
    }

    /// How many threads are known.
    pub fn thread_count(&self) -> usize {
        self.tables.threads.len()
    }

    /// Counters since the beginning.
    pub fn stats(&self) -> MapperStats {
        self.stats
    }

    /// When a message happened. A sandbox's clock is its own: not after it was received, nor long
    /// before.
    fn time(&self, context: &ContextData, now_ns: u64) -> u64 {
        let told = u64::try_from(context.time_ns).unwrap_or(0);
        let told = if told == 0 { now_ns } else { told };
        told.clamp(now_ns.saturating_sub(MAX_LATE_NS), now_ns).max(self.floor_ns)
    }

    /// The id of a thread in events.
    fn id(&self, tid: i32) -> i64 {
        in_sandbox(self.number, tid.max(0) as u32)
    }

    /// Appends an event that rules see.
    fn tell(
        &mut self,
        out: &mut Events,
        at: At,
        code: EventCode,
        fill: impl FnOnce(&mut EventBuilder),
    ) {
        self.push(out, at, code, 0, fill);
    }

    /// Appends one that only changes the tables.
    fn correct(
        &mut self,
        out: &mut Events,
        at: At,
        code: EventCode,
        fill: impl FnOnce(&mut EventBuilder),
    ) {
        self.push(out, at, code, DUMP_STATE_ONLY, fill);
    }

    fn push(
        &mut self,
        out: &mut Events,
        at: At,
        code: EventCode,
        flags: u32,
        fill: impl FnOnce(&mut EventBuilder),
    ) {
        let refused = out.push((at.ts, self.id(at.tid), code), flags, fill).is_err();
        self.stats.refused += u64::from(refused);
    }

    /// Finds the thread of a message, or makes its acquaintance, and corrects what the tables believe
    /// of it. None if it has ended.
    fn meet(
        &mut self,
        message: &Message,
        context: &ContextData,
        ts: u64,
        out: &mut Events,
    ) -> Option<At> {
        let tid = context.thread_id;
        let start = context.thread_start_time_ns;
        let known = self.tables.threads.get_mut(&tid).map(|thread| {
            thread.seen_ns = ts;
            let is_same = start == 0 || thread.start_ns == 0 || thread.start_ns == start;
            (is_same, thread.pid)
        });
        let pid = match known {
            Some((true, pid)) => pid,
            Some((false, _)) => {
                // Its id has been given to another: its end was lost.
                self.thread_lost(tid, ts, out);
                self.meet_stranger(context, ts, out)
            }
            None if self.tables.has_ended(tid, start) => return None,
            None => self.meet_stranger(context, ts, out),
        };
        let at = At { ts, tid, pid };
        self.correct_container(context, at, out);
        // These change it themselves, and the context tells of afterwards.
        if !matches!(message, Message::Chdir(_)) {
            self.correct_cwd(context, at, out);
        }
        if !matches!(message, Message::Setid(_) | Message::Setresid(_)) {
            self.correct_credentials(context, at, out);
        }
        self.settle_exec(message, context, at, out);
        Some(at)
    }

    /// Tells where the process is, if that is news.
    fn correct_cwd(&mut self, context: &ContextData, at: At, out: &mut Events) {
        if context.cwd.is_empty() {
            return;
        }
        let now = tables::hash(&context.cwd);
        let Some(process) = self.tables.processes.get_mut(&at.pid) else { return };
        if process.cwd == now {
            return;
        }
        process.cwd = now;
        self.correct(out, at, EventCode::SYSCALL_CHDIR_X, |b| {
            b.i64(0).text(texts::path(&context.cwd));
        });
    }

    /// Tells which users and groups the thread has, if that is news.
    fn correct_credentials(&mut self, context: &ContextData, at: At, out: &mut Events) {
        let Some(new) = context.credentials else { return };
        let Some(thread) = self.tables.threads.get_mut(&at.tid) else { return };
        let old = thread.credentials.replace(new);
        if old == Some(new) {
            return;
        }
        self.tell_credentials(old, new, at, out);
    }

    fn tell_credentials(
        &mut self,
        old: Option<Credentials>,
        new: Credentials,
        at: At,
        out: &mut Events,
    ) {
        let uids = |c: Credentials| [c.real_uid, c.effective_uid, c.saved_uid];
        let gids = |c: Credentials| [c.real_gid, c.effective_gid, c.saved_gid];
        for (code, old, new) in [
            (EventCode::SYSCALL_SETRESUID_X, old.map(uids), uids(new)),
            (EventCode::SYSCALL_SETRESGID_X, old.map(gids), gids(new)),
        ] {
            if old != Some(new) {
                self.correct(out, at, code, |b| {
                    b.i64(0).u32(new[0]).u32(new[1]).u32(new[2]);
                });
            }
        }
    }

    /// Tells of an fd that the tables do not know, by its path, before something is done with it.
    fn use_fd(&mut self, fd: i64, path: &[u8], at: At, out: &mut Events) {
        if path.is_empty() {
            return;
        }
        let Some(process) = self.tables.processes.get_mut(&at.pid) else { return };
        if process.fds.knows(fd) || path.starts_with(b"[err: ") || path.starts_with(b"socket:") {
            return;
        }
        process.fds.open(fd, false);
        if let Some(opened) = fds::Opened::of(path, 0) {
            self.correct(out, at, opened.code(), |b| opened.fill(fd, b));
        }
    }
}

/// The process of whoever sent a message.
fn process_of(context: &ContextData) -> i32 {
    if context.thread_group_id > 0 { context.thread_group_id } else { context.thread_id }
}

/// What a call returned, as events have it: below zero a negated `errno`. gVisor tells 0 for the result
/// of one that failed.
fn result_of(exit: &Exit) -> i64 {
    // Not more than what errors can be (`MAX_ERRNO` of Linux).
    if exit.errorno > 0 { -exit.errorno.min(4095) } else { exit.result }
}

#[cfg(test)]
mod tests;
