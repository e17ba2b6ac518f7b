//! How processes begin, become another program and end, and signals.
//!
//! What an event tells of a process is in `/proc`. An execution reads all of it, the birth of a process
//! its ids, the birth of a thread nothing: the rest is what was told of its process before.

use std::sync::Arc;

use falco_event::portable::{capabilities, clone_flags};
use falco_event::{EventBuilder, EventCode};
use falco_proc::held::{Known, Strings};
use falco_source::snapshot::Thread;

use super::Calls;
use super::params::MAX_TEXT;
use crate::memory::Memory;
use crate::stop::{Abi, Birth, End, Exec, Signal, Stop};
use falco_source::events::Events;

const CLONE_VM: u64 = 0x0000_0100;
const CLONE_PARENT: u64 = 0x0000_8000;
const CLONE_THREAD: u64 = 0x0001_0000;
const CLONE_NEWPID: u64 = 0x2000_0000;
/// Portable: the child is in another pid namespace than this process.
const CHILD_IN_PIDNS: u32 = 1 << 29;

/// Portable flags of executables.
const EXE_WRITABLE: u32 = 1;
const EXE_UPPER_LAYER: u32 = 2;
const EXE_FROM_MEMFD: u32 = 4;
const EXE_LOWER_LAYER: u32 = 8;

/// Bytes of arguments that events hold, the program's name included, and of the environment.
const MAX_ARGS: usize = 4096;
/// Strings of a vector that are looked at.
const MAX_STRINGS: usize = 64;

impl Calls {
    /// A thread that runs already.
    pub(super) fn meet(&mut self, tid: i64, pid: i64, events: &mut Events) {
        let is_known = self.processes.get(pid).is_some_and(|process| process.image.is_some());
        if !is_known && let Some(thread) = self.proc.thread_without_fds(pid) {
            let process = self.processes.entry(pid);
            process.cwd = Some(Arc::from(thread.cwd.as_slice()));
            process.parent = thread.ptid;
            let parent = thread.ptid;
            process.image = Some(Arc::new(thread));
            if let Some(parent) = self.processes.get_mut(parent) {
                parent.children += 1;
            }
        }
        let process = self.processes.entry(pid);
        process.threads.insert(tid);
        let Some(image) = process.image.clone() else { return };
        // Who has been told of it before takes this for the same thread, since it is as old.
        let is_thread = tid != pid;
        let flags = if is_thread { clone_flags((CLONE_THREAD | CLONE_VM) as u32) } else { 0 };
        let (ts, code) = (image.clone_ts, EventCode::SYSCALL_CLONE_20_X);
        let ids = match is_thread {
            true => Ids { tid, vtid: tid, ..Ids::of(&image) },
            false => Ids::of(&image),
        };
        let event = self.desk.before.start(ts, tid, code);
        put_birth(event, &image, &ids, 0, flags, self.proc.boot_ts());
        if let Ok(event) = event.finish(0, falco_event::raw::DUMP_STATE_ONLY) {
            events.append(&event);
        }
    }

    pub(super) fn tell_birth(&mut self, birth: &Birth, events: &mut Events) {
        let Birth { tid, pid, by, clone_flags: kernel_flags, ts } = *birth;
        let is_thread = tid != pid;
        let creator = by.as_ref().map(|stop| stop.pid).filter(|_| !is_thread).unwrap_or(pid);
        if let Some(by) = &by {
            // The child begins where its creator is.
            let at = (ts, by.tid, by.pid);
            if self.processes.get(by.pid).is_some_and(|process| process.cwd_is_old) {
                self.with_teller(at, events, |tell| tell.cwd());
            }
        }
        if self.processes.get(creator).is_none_or(|process| process.image.is_none()) {
            let image = self.proc.thread_without_fds(creator).map(Arc::new);
            self.processes.entry(creator).image = image;
        }
        let Some(image) = self.processes.get(creator).and_then(|p| p.image.clone()) else { return };
        let mut ids = Ids { tid, pid, ..Ids::of(&image) };
        let mut in_namespace = image.vpid != image.pid || kernel_flags & CLONE_NEWPID != 0;
        (ids.vtid, ids.vpid) = (tid, if is_thread { image.vpid } else { tid });
        if is_thread {
            self.processes.entry(pid).threads.insert(tid);
            if in_namespace && let Some(found) = self.ids(pid, tid) {
                (ids.vtid, ids.vpid) = (found.vtid, found.vpid);
            }
        } else {
            let shares_memory = kernel_flags & CLONE_VM != 0;
            self.processes.fork(creator, pid, shares_memory).threads.insert(tid);
            ids.ptid = match (kernel_flags & CLONE_PARENT, &by) {
                (0, Some(by)) => by.tid,
                _ => image.ptid,
            };
            let mut child = Thread::clone(&image);
            (child.tid, child.pid, child.clone_ts) = (tid, pid, ts);
            if let Some(found) = self.ids(pid, tid) {
                (ids.vtid, ids.vpid) = (found.vtid, found.vpid);
                (child.uid, child.gid) = (found.uid, found.gid);
                // The name of the thread that made it.
                child.comm = found.comm;
                child.vmsize_kb = found.vmsize_kb;
                child.vmrss_kb = found.vmrss_kb;
                child.vmswap_kb = found.vmswap_kb;
                if by.is_none() {
                    ids.ptid = found.ptid;
                }
            }
            // Its creator may have made the namespace before, for its children (unshare(2)).
            in_namespace |= ids.vpid != pid;
            if in_namespace && ids.vpid == 1 {
                child.pidns_init_start_ts = ts;
            }
            (child.ptid, child.vtid, child.vpid) = (ids.ptid, ids.vtid, ids.vpid);
            self.processes.entry(pid).image = Some(Arc::new(child));
        }
        let of_process = self.processes.get(pid).and_then(|process| process.image.clone());
        let of_child = of_process.as_ref().unwrap_or(&image);

        let pidns = if in_namespace { CHILD_IN_PIDNS } else { 0 };
        let code = birth_code(by.as_ref());
        // fork and vfork tell no flags, though they have some.
        let has_flags = matches!(code, EventCode::SYSCALL_CLONE_20_X | EventCode::SYSCALL_CLONE3_X);
        let flags = if has_flags { clone_flags(kernel_flags as u32) } else { 0 } | pidns;
        let boot_ts = self.proc.boot_ts();
        let event = self.desk.event.start(ts, tid, code);
        put_birth(event, of_child, &ids, 0, flags, boot_ts);
        if let Ok(event) = event.finish(0, 0) {
            events.append(&event);
        }
        if let (Some(by), true) = (&by, self.wants_clone) {
            let Some(caller) = self.processes.get(by.pid).and_then(|p| p.image.clone()) else {
                return;
            };
            // The caller gets the child's id as it sees it.
            let result = if image.vpid == image.pid { tid } else { ids.vtid };
            let own = Ids { tid: by.tid, ..Ids::of(&caller) };
            let event = self.desk.event.start(ts, by.tid, code);
            put_birth(event, &caller, &own, result, flags, boot_ts);
            if let Ok(event) = event.finish(0, 0) {
                events.append(&event);
            }
        }
    }

    fn ids(&mut self, pid: i64, tid: i64) -> Option<falco_proc::held::Ids> {
        let process = self.processes.hold(pid, &mut self.proc);
        self.proc.ids(process.held()?, tid)
    }

    pub(super) fn tell_exec(&mut self, exec: &Exec, memory: &Memory, events: &mut Events) {
        let Exec { pid, former_tid, ts, .. } = *exec;
        let path = self.entries.remove(&former_tid).and_then(|entry| entry.exec_path);
        self.entries.remove(&pid);
        let before = self.processes.get(pid).and_then(|process| process.image.clone());
        self.processes.entry(pid).executed();
        let process = self.processes.hold(pid, &mut self.proc);
        let known = before.as_ref().map_or(Known::default(), |before| Known {
            fdlimit: Some(before.fdlimit).filter(|_| !process.limits_are_old),
            // Whoever logs somebody in has set it, and changes credentials next.
            loginuid: Some(before.loginuid).filter(|_| !process.credentials_are_old),
        });
        let held = process.held().and_then(|held| self.proc.held_thread(held, known));
        let thread = held
            .and_then(|(thread, strings)| with_strings(thread, &strings, memory))
            .or_else(|| self.proc.thread_without_fds(pid));
        let Some(mut thread) = thread else { return };
        process.limits_are_old = false;
        process.credentials_are_old = false;
        if let Some(path) = thread.exepath.strip_suffix(b" (deleted)") {
            // Unless the file is called so.
            let found =
                process.held().and_then(|held| held.identity_of_path(None, &thread.exepath));
            if found.is_none_or(|found| found.ino != thread.exe_ino) {
                thread.exepath = path.to_vec();
            }
        }
        if let Some(before) = before {
            // What no execution changes.
            thread.pidns_init_start_ts = before.pidns_init_start_ts;
            thread.clone_ts = before.clone_ts;
            // /proc has the parent's process, events have the thread of it that made this one.
            let parent = self.processes.get(thread.ptid);
            if parent.is_some_and(|parent| parent.threads.contains(&before.ptid)) {
                thread.ptid = before.ptid;
            }
        }
        let process = self.processes.entry(pid);
        process.threads.clear();
        process.threads.insert(pid);
        let cwd = std::mem::take(&mut thread.cwd);
        let thread = Arc::new(thread);
        process.image = Some(Arc::clone(&thread));
        self.with_teller((ts, pid, pid), events, |tell| tell.is_at(&cwd));

        let event = self.desk.event.start(ts, pid, EventCode::SYSCALL_EXECVE_19_X);
        event.i64(0);
        put_program(event, &thread, &thread.args, &thread.env, Some(&thread.exe));
        match path {
            Some(path) => event.text(path),
            None => event.empty(),
        };
        match event.finish(0, 0) {
            Ok(event) => events.append(&event),
            Err(_) => self.desk.cut += 1,
        }
    }

    /// A failed execution is told with what the caller asked for and what it still is.
    pub(super) fn failed_exec(
        &mut self,
        stop: &Stop,
        path: Option<Vec<u8>>,
        memory: &Memory,
        events: &mut Events,
    ) {
        let is_at = stop.number == Some(EXECVEAT);
        let code = match is_at {
            true => EventCode::SYSCALL_EXECVEAT_X,
            false => EventCode::SYSCALL_EXECVE_19_X,
        };
        let [argv, envp] = if is_at { [2, 3] } else { [1, 2] }.map(|n: usize| stop.args[n]);
        let is_compat = stop.abi != Abi::X86_64;
        let Some(thread) = self.proc.thread_without_fds(stop.tid) else { return };
        let mut desk = std::mem::take(&mut self.desk);

        // Without a vector the name is "", with one that cannot be read there is none.
        let mut exe = Vec::new();
        let has_exe = argv == 0
            || string_at(memory, argv, 0, is_compat)
                .is_some_and(|address| memory.text(address, MAX_TEXT, &mut exe).is_some());
        let room = MAX_ARGS.saturating_sub(exe.len() + usize::from(has_exe));
        let args = strings(memory, argv, 1, room, is_compat, &mut desk.cut);
        let env = strings(memory, envp, 0, MAX_ARGS, is_compat, &mut desk.cut);
        let event = desk.event.start(stop.ts, stop.tid, code);
        event.i64(stop.result.unwrap_or(0));
        put_program(event, &thread, &args, &env, has_exe.then_some(&exe));
        if !is_at {
            match path {
                Some(path) => event.text(path),
                None => event.empty(),
            };
        }
        match event.finish(0, 0) {
            Ok(event) => events.append(&event),
            Err(_) => desk.cut += 1,
        }
        self.desk = desk;
    }

    pub(super) fn tell_end(&mut self, end: &End, events: &mut Events) {
        let End { tid, pid, status, ts } = *end;
        self.entries.remove(&tid);
        let mut reaper = 0;
        if let Some(process) = self.processes.get_mut(pid) {
            process.threads.remove(&tid);
            if process.children > 0 {
                // Another thread adopts its children; else some ancestor, who is not known here.
                reaper = process.threads.iter().next().copied().unwrap_or(-1);
            }
        }
        if tid == pid {
            self.processes.remove(pid);
        }
        let event = self.desk.event.start(ts, tid, EventCode::PROCEXIT_1_E);
        // As wait(2) gives it: signal, core flag, code.
        event.i64(status.into()).i64((status >> 8 & 0xff).into()).u8((status & 0x7f) as u8);
        event.u8(u8::from(status & 0x80 != 0)).i64(reaper);
        if let Ok(event) = event.finish(0, 0) {
            events.append(&event);
        }
    }
}

/// A thread with the arguments and environment that its memory holds; `None` if that cannot be read.
fn with_strings(mut thread: Thread, strings: &Strings, memory: &Memory) -> Option<Thread> {
    let len = |range: &std::ops::Range<u64>| {
        let len = range.end.checked_sub(range.start)?;
        Some(usize::try_from(len).unwrap_or(usize::MAX).min(Strings::MOST))
    };
    let mut bytes = [0; 2 * Strings::MOST];
    let (args, env) = bytes.split_at_mut(Strings::MOST);
    let args = args.get_mut(..len(&strings.args)?)?;
    let env = env.get_mut(..len(&strings.env)?)?;
    let wanted = args.len() + env.len();
    let read = memory.read_all(&mut [(strings.args.start, args), (strings.env.start, env)]);
    // A program has at least a name, unless nothing may be seen.
    if strings.args.start == 0 || read < wanted {
        return None;
    }
    Strings::set(&mut thread, args, env);
    Some(thread)
}

const EXECVEAT: u16 = 322;

/// A signal that is delivered.
pub(super) fn tell_signal(signal: &Signal, events: &mut Events) {
    let at = (signal.ts, signal.tid, EventCode::SIGNALDELIVER_E);
    // Three numbers always fit.
    let _ = events.push(at, 0, |event| {
        event.i64(signal.sender).i64(signal.tid).u8(signal.number as u8);
    });
}

/// The path of an execution as the kernel's bprm has it: as it was passed, or, from a directory's fd,
/// below `/dev/fd` (`alloc_bprm` of `fs/exec.c`).
pub(super) fn exec_path(stop: &Stop, name: &str, memory: &Memory) -> Option<Vec<u8>> {
    const AT_FDCWD: i32 = -100;
    let mut path = Vec::new();
    if name == "execve" {
        memory.text(stop.args[0], MAX_TEXT, &mut path)?;
        return Some(path);
    }
    memory.text(stop.args[1], MAX_TEXT, &mut path)?;
    let directory = stop.args[0] as i32;
    if directory == AT_FDCWD || path.first() == Some(&b'/') {
        return Some(path);
    }
    let mut below = format!("/dev/fd/{directory}").into_bytes();
    if !path.is_empty() {
        below.push(b'/');
        below.append(&mut path);
    }
    Some(below)
}

/// The address that entry `n` of a vector of pointers has; `None` at its end.
fn string_at(memory: &Memory, vector: u64, n: u64, is_compat: bool) -> Option<u64> {
    let size = if is_compat { 4 } else { 8 };
    let at = vector.checked_add(n * size)?;
    let address = if is_compat { memory.u32(at)?.into() } else { memory.u64(at)? };
    (vector != 0 && address != 0).then_some(address)
}

/// The strings of a vector, from number `first` on, each with its NUL; cut after `most` bytes.
fn strings(
    memory: &Memory,
    vector: u64,
    first: u64,
    most: usize,
    is_compat: bool,
    cut: &mut u64,
) -> Vec<u8> {
    let (mut out, mut is_full) = (Vec::new(), false);
    let addresses = pointers(memory, vector, first, is_compat);
    memory.texts(&addresses, MAX_TEXT, |text| {
        // What cannot be read is left out.
        let Some(text) = text.filter(|_| !is_full) else { return };
        out.extend_from_slice(text);
        out.push(0);
        if out.len() > most {
            (is_full, *cut) = (true, *cut + 1);
            out.truncate(most.saturating_sub(1));
            if most > 0 {
                out.push(0);
            }
        }
    });
    out
}

/// The addresses that a vector has from entry `first` on, up to its end, or as many as are looked at.
fn pointers(memory: &Memory, vector: u64, first: u64, is_compat: bool) -> Vec<u64> {
    let size = if is_compat { 4 } else { 8 };
    let Some(at) = vector.checked_add(first * size as u64).filter(|_| vector != 0) else {
        return Vec::new();
    };
    let mut bytes = vec![0; MAX_STRINGS * size];
    let got = memory.read(at, &mut bytes);
    let pointers = bytes.get(..got).unwrap_or_default().chunks_exact(size);
    let address =
        |bytes: &[u8]| bytes.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte));
    pointers.map(address).take_while(|&address| address != 0).collect()
}

fn birth_code(by: Option<&Stop>) -> EventCode {
    match by.and_then(|stop| stop.number) {
        Some(57) => EventCode::SYSCALL_FORK_20_X,
        Some(58) => EventCode::SYSCALL_VFORK_20_X,
        Some(435) => EventCode::SYSCALL_CLONE3_X,
        _ => EventCode::SYSCALL_CLONE_20_X,
    }
}

/// Ids of a thread in an event.
#[derive(Clone, Copy, Debug)]
struct Ids {
    tid: i64,
    pid: i64,
    ptid: i64,
    vtid: i64,
    vpid: i64,
}

impl Ids {
    fn of(thread: &Thread) -> Self {
        let Thread { tid, pid, ptid, vtid, vpid, .. } = *thread;
        Ids { tid, pid, ptid, vtid, vpid }
    }
}

/// Parameters tid to cgroups, which birth and execution share.
fn put_process(event: &mut EventBuilder, thread: &Thread, ids: &Ids) {
    event.i64(ids.tid).i64(ids.pid).i64(ids.ptid);
    // cwd: consumers know it.
    event.empty().u64(thread.fdlimit).u64(thread.pfmajor).u64(thread.pfminor);
    event.u32(thread.vmsize_kb).u32(thread.vmrss_kb).u32(thread.vmswap_kb);
    event.text(&thread.comm).bytes(&thread.cgroups);
}

/// All parameters of a birth's event.
fn put_birth(
    event: &mut EventBuilder,
    thread: &Thread,
    ids: &Ids,
    result: i64,
    flags: u32,
    boot_ts: u64,
) {
    event.i64(result).text(&thread.exe).bytes(&thread.args);
    put_process(event, thread, ids);
    event.u32(flags).u32(thread.uid).u32(thread.gid).i64(ids.vtid).i64(ids.vpid);
    event.u64(match result {
        0 => thread.pidns_init_start_ts.saturating_sub(boot_ts),
        _ => 0,
    });
}

/// Parameters exe to gid of an execution's event.
fn put_program(
    event: &mut EventBuilder,
    thread: &Thread,
    args: &[u8],
    env: &[u8],
    exe: Option<&Vec<u8>>,
) {
    match exe {
        Some(exe) => event.text(exe),
        None => event.empty(),
    };
    event.bytes(args);
    put_process(event, thread, &Ids::of(thread));
    let flags = [
        (thread.exe_writable, EXE_WRITABLE),
        (thread.exe_upper_layer, EXE_UPPER_LAYER),
        (thread.exe_from_memfd, EXE_FROM_MEMFD),
        (thread.exe_lower_layer, EXE_LOWER_LAYER),
    ];
    let flags = flags.iter().filter(|(is, _)| *is).fold(0, |all, (_, flag)| all | flag);
    event.bytes(env).u32(thread.tty).i64(thread.vpgid).u32(thread.loginuid).u32(flags);
    for set in [thread.cap_inheritable, thread.cap_permitted, thread.cap_effective] {
        event.u64(capabilities(set));
    }
    event.u64(thread.exe_ino).u64(thread.exe_ino_ctime).u64(thread.exe_ino_mtime);
    event.u32(thread.uid).text(&thread.exepath).i64(thread.pgid).u32(thread.gid);
}
