//! [`Calls`]: the hooks by which system calls that stopped, births, executions and ends of threads
//! become events, as the eBPF probe sends them.
//!
//! * `decode`: what the event of each call holds; `params`: the words for that; `tuple`: addresses.
//! * `lifecycle`: births, executions, ends and signals.
//! * `processes`: what is remembered of each process; `tell`: fds and directories that changed without
//!   a stop, told before the event that needs them.
//! * `pages`: whether somebody else could write to memory of a process.
//!
//! Only calls that somebody asks for stop, executions (their path is gone afterwards), and what changes
//! credentials. Everything else that consumers' tables need is looked up in `/proc` when an event is
//! about it.

mod decode;
mod lifecycle;
mod pages;
mod params;
mod processes;
mod tell;
mod tuple;

use std::collections::HashMap;

use falco_event::{EventCode, Syscall};
use falco_proc::Proc;

use crate::memory::Memory;
use crate::plan::{Check, NUMBERS, Plan, Test};
use crate::source::{Openings, Options};
use crate::stop::{Birth, End, Exec, Hooks, Signal, Stop, Until};
use decode::Decoder;
use falco_source::events::Events;
use params::{Call, Desk, Fds, MAX_TEXT, Params};
use processes::Processes;
use tell::Teller;

/// Calls that change credentials, or what becomes of orphans: consumers' tables follow their events,
/// whoever asked for them. They are rare.
const CREDENTIALS: [&str; 8] =
    ["setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setsid", "capset"];

/// Options of prctl(2) that matter likewise: `PR_SET_KEEPCAPS`, `PR_SET_SECUREBITS`,
/// `PR_SET_CHILD_SUBREAPER`.
const PRCTL_OPTIONS: [u32; 3] = [8, 28, 36];

/// Another user namespace gives all capabilities in it.
const CLONE_NEWUSER: u32 = 0x1000_0000;

/// Calls after which a process may be elsewhere.
const MOVES: [&str; 5] = ["chdir", "fchdir", "chroot", "pivot_root", "setns"];

/// openat(2), by which nearly all programs open.
const OPENAT: u16 = 257;

/// Calls that end the thread that makes them: there is no exit that could be told.
const NEVER_RETURN: [&str; 2] = ["exit", "exit_group"];

/// What was read at the entry of a call that a thread is in, for its exit.
#[derive(Debug, Default)]
struct Entry {
    /// The path of an execution, as bprm has it; `None` if it cannot be read.
    exec_path: Option<Vec<u8>>,
    /// Whether the file that is to be made was there.
    existed: Option<bool>,
}

/// What is done at the stops of one call.
#[derive(Clone, Copy, Default)]
struct Treatment {
    /// Its portable id; 0 if events have none.
    id: u16,
    name: &'static str,
    decoder: Option<&'static Decoder>,
    /// Somebody asked for its events.
    is_wanted: bool,
    /// Consumers' tables need its events.
    is_needed: bool,
    at_entry: AtEntry,
}

/// What is done at the entry of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum AtEntry {
    #[default]
    Nothing,
    /// The path is kept.
    Exec,
    /// The process may be elsewhere afterwards.
    Move,
    /// Its limits may be others afterwards.
    Limit,
    /// Whether the file is there already is asked.
    Open,
    /// The fd is told, which is gone afterwards.
    Close,
}

/// What was told and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Texts and data that were cut at the longest that events hold, and events that were too long.
    pub cut: u64,
    /// Opens whose path had been changed by another thread when it was read: the path of the file that
    /// was opened was told instead.
    pub races: u64,
}

/// The hooks.
pub struct Calls {
    treatments: Box<[Treatment]>,
    wants_clone: bool,
    wants_signals: bool,
    snaplen: usize,
    proc: Proc,
    processes: Processes,
    entries: HashMap<i64, Entry>,
    desk: Desk,
    races: u64,
    openings: Option<Openings>,
    /// The path of the last openat(2).
    path: Vec<u8>,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

impl Calls {
    /// Hooks that tell of the calls that `options` asks for, and of what tables need.
    pub fn new(options: &Options) -> Self {
        let mut calls = Calls {
            treatments: Box::default(),
            wants_clone: false,
            wants_signals: false,
            snaplen: options.snaplen as usize,
            proc: Proc::new(&options.host_root).naming_own_container(),
            processes: Processes::default(),
            entries: HashMap::new(),
            desk: Desk::default(),
            races: 0,
            openings: options.openings.clone(),
            path: Vec::new(),
        };
        calls.want(&options.syscalls);
        calls
    }

    /// Has it tell of these calls (portable ids), and no others.
    fn want(&mut self, syscalls: &[u16]) {
        let wants =
            |name: &str| Syscall::by_name(name).is_some_and(|call| syscalls.contains(&call.id));
        let treatments = (0..NUMBERS as u16).map(|number| {
            let Some(call) = Syscall::by_x86_64_number(number) else { return Treatment::default() };
            Treatment {
                id: call.id,
                name: call.name,
                decoder: decode::decoder(call.name),
                is_wanted: syscalls.contains(&call.id) && !NEVER_RETURN.contains(&call.name),
                is_needed: CREDENTIALS.contains(&call.name)
                    || matches!(call.name, "prctl" | "unshare" | "setns"),
                at_entry: at_entry(call.name),
            }
        });
        self.treatments = treatments.collect();
        self.wants_clone = ["clone", "clone3", "fork", "vfork"].into_iter().any(wants);
        self.wants_signals = wants("signal_deliver");
    }

    /// At which calls threads have to stop.
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::new();
        for (treatment, number) in self.treatments.iter().zip(0..) {
            // Births are told without a stop of the call.
            let is_birth = matches!(treatment.name, "clone" | "clone3" | "fork" | "vfork");
            if treatment.is_wanted && !is_birth {
                plan.stop(number, Check::always());
            }
            if treatment.at_entry == AtEntry::Exec || treatment.at_entry == AtEntry::Move {
                plan.stop(number, Check::always());
            }
            match treatment.name {
                "prctl" => plan.stop(number, Check::one_of(0, PRCTL_OPTIONS)),
                "setrlimit" => plan.stop(number, Check::always()),
                // Most only ask. A new limit has an address, of which the lower half is hardly 0.
                "prlimit64" => plan.stop(number, Check::all([Test::any_bit(2, u32::MAX)])),
                "unshare" => plan.stop(number, Check::all([Test::any_bit(0, CLONE_NEWUSER)])),
                _ if treatment.is_needed => plan.stop(number, Check::always()),
                _ => {}
            }
        }
        plan
    }

    /// What was told and what was not, so far.
    pub fn counters(&self) -> Counters {
        Counters { cut: self.desk.cut, races: self.races }
    }

    /// Whether this is an openat(2) of which nobody wants to hear, whatever comes out. Consumers' tables
    /// are told of its fd when an event is about that, as of all that is made without a stop.
    ///
    /// What the kernel opens is what was read here, as nobody can change it in between; else every open
    /// is told, so that none is hidden by that.
    fn is_idle_open(&mut self, stop: &Stop, memory: &Memory) -> bool {
        let Some(openings) = self.openings.as_ref().filter(|_| stop.number == Some(OPENAT)) else {
            return false;
        };
        let path = stop.args[1];
        self.path.clear();
        let len = memory.text(path, MAX_TEXT, &mut self.path).filter(|&len| len < MAX_TEXT);
        let Some(len) = len.filter(|_| self.path.first() == Some(&b'/')) else { return false };
        !openings.matter(&self.path)
            && !self.processes.hold(stop.pid, &mut self.proc).can_change(path, len + 1)
    }

    fn treatment(&self, stop: &Stop) -> Option<Treatment> {
        self.treatments.get(usize::from(stop.number?)).copied()
    }

    /// Calls `with` with what a decoder needs.
    fn with_params<T>(
        &mut self,
        stop: &Stop,
        memory: &Memory,
        events: &mut Events,
        code: EventCode,
        with: impl FnOnce(&mut Params<'_>) -> T,
    ) -> T {
        let process = self.processes.hold(stop.pid, &mut self.proc);
        self.desk.event.start(stop.ts, stop.tid, code);
        with(&mut Params {
            call: Call { stop, memory },
            desk: &mut self.desk,
            events,
            proc: &mut self.proc,
            process,
            code,
            snaplen: self.snaplen,
            uses: Fds::default(),
            gives: Fds::default(),
            ends: None,
            opened: None,
            existed: None,
            races: &mut self.races,
        })
    }

    /// Calls `tell` with what events before others need, in the name of a thread.
    fn with_teller(
        &mut self,
        (ts, tid, pid): (u64, i64, i64),
        events: &mut Events,
        tell: impl FnOnce(&mut Teller<'_>),
    ) {
        let process = self.processes.hold(pid, &mut self.proc);
        let Calls { proc, desk, .. } = self;
        tell(&mut Teller { at: (ts, tid), event: &mut desk.before, events, proc, process });
    }

    fn entered(
        &mut self,
        stop: &Stop,
        treatment: &Treatment,
        memory: &Memory,
        events: &mut Events,
    ) {
        match treatment.at_entry {
            AtEntry::Nothing => {}
            AtEntry::Move => self.processes.entry(stop.pid).cwd_is_old = true,
            AtEntry::Limit => {
                // prlimit64(2) names the process, 0 being the caller.
                let named = if treatment.name == "prlimit64" { stop.args[0] as i32 } else { 0 };
                let pid = if named == 0 { stop.pid } else { named.into() };
                if let Some(process) = self.processes.get_mut(pid) {
                    process.limits_are_old = true;
                }
            }
            AtEntry::Close => {
                let fd = i64::from(stop.args[0] as i32);
                self.with_teller((stop.ts, stop.tid, stop.pid), events, |tell| {
                    tell.fd(fd, false);
                });
            }
            AtEntry::Exec => {
                let exec_path = lifecycle::exec_path(stop, treatment.name, memory);
                self.entries.insert(stop.tid, Entry { exec_path, existed: None });
            }
            AtEntry::Open => {
                let code = EventCode::GENERIC_X;
                let existed = self.with_params(stop, memory, events, code, |params| {
                    decode::existed(params.call, params, treatment.name)
                });
                if existed.is_some() {
                    self.entries.insert(stop.tid, Entry { exec_path: None, existed });
                }
            }
        }
    }
}

fn at_entry(name: &str) -> AtEntry {
    match name {
        "execve" | "execveat" => AtEntry::Exec,
        "open" | "openat" | "openat2" => AtEntry::Open,
        "close" => AtEntry::Close,
        "setrlimit" | "prlimit64" => AtEntry::Limit,
        _ if MOVES.contains(&name) => AtEntry::Move,
        _ => AtEntry::Nothing,
    }
}

impl Hooks for Calls {
    fn attached(&mut self, tid: i64, pid: i64, events: &mut Events) {
        self.meet(tid, pid, events);
    }

    fn enter(&mut self, stop: &Stop, memory: &Memory, events: &mut Events) -> Until {
        let Some(treatment) = self.treatment(stop) else { return Until::Next };
        if self.is_idle_open(stop, memory) {
            return Until::Next;
        }
        self.entered(stop, &treatment, memory, events);
        // An exit of exec that comes at all is a failure.
        match treatment.is_wanted || treatment.is_needed {
            true => Until::Exit,
            false => Until::Next,
        }
    }

    fn exit(&mut self, stop: &Stop, memory: &Memory, events: &mut Events) {
        let Some(treatment) = self.treatment(stop) else { return };
        let entry = match treatment.at_entry {
            AtEntry::Exec | AtEntry::Open => self.entries.remove(&stop.tid).unwrap_or_default(),
            _ => Entry::default(),
        };
        if treatment.at_entry == AtEntry::Exec {
            return self.failed_exec(stop, entry.exec_path, memory, events);
        }
        let Some(decoder) = treatment.decoder else {
            let number = stop.number.unwrap_or(0);
            return self.with_params(stop, memory, events, EventCode::GENERIC_X, |params| {
                params.u16(treatment.id).u16(number).finish();
            });
        };
        self.with_params(stop, memory, events, decoder.code, |params| {
            params.existed = entry.existed;
            (decoder.fill)(params.call, params);
            params.finish();
        });
        if treatment.is_needed {
            self.processes.entry(stop.pid).credentials_are_old = true;
        }
        if treatment.at_entry == AtEntry::Move {
            // The event says so, but by the text of the path.
            self.processes.entry(stop.pid).cwd_is_old = true;
        }
    }

    fn born(&mut self, birth: &Birth, _: &Memory, events: &mut Events) {
        self.tell_birth(birth, events);
    }

    fn executed(&mut self, exec: &Exec, memory: &Memory, events: &mut Events) {
        self.tell_exec(exec, memory, events);
    }

    fn ended(&mut self, end: &End, events: &mut Events) {
        self.tell_end(end, events);
    }

    fn select(&mut self, syscalls: &[u16]) -> Option<Plan> {
        // Whoever asks for others may care about other opens.
        self.openings = None;
        self.want(syscalls);
        Some(self.plan())
    }

    fn wants_signals(&self) -> bool {
        self.wants_signals
    }

    fn signalled(&mut self, signal: &Signal, events: &mut Events) {
        if self.wants_signals {
            lifecycle::tell_signal(signal, events);
        }
    }
}

#[cfg(test)]
mod tests;
