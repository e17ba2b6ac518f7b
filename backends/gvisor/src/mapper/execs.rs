//! Programs that are run.
//!
//! `sentry/execve` is the proof that a program was loaded. The call around it tells how the caller named
//! the program, and failures. Until 2025 its exit comes after the proof; since then it comes first
//! and says 0 whether or not the program can be loaded. Sessions without `sentry/execve` have only
//! the exit.

use std::sync::Arc;

use falco_event::EventCode;

use super::tables::{Exec, Image};
use super::write::{Execution, Who};
use super::{At, Mapper, Proof, result_of, texts};
use crate::message::Message;
use crate::proto::{ContextData, Credentials, Execve, ExecveInfo, MmapInfo};
use falco_source::events::Events;

/// Portable flags of the executable.
const EXE_WRITABLE: u32 = 1;
const EXE_UPPER_LAYER: u32 = 2;
const EXE_FROM_MEMFD: u32 = 4;
const EXE_LOWER_LAYER: u32 = 8;
/// Number of execveat(2) on x86-64.
const NR_EXECVEAT: u64 = 322;

/// What is told of an execution.
struct Told<'a> {
    res: i64,
    exe: &'a [u8],
    args: &'a [u8],
    env: &'a [u8],
    comm: &'a [u8],
    path: &'a [u8],
    filename: Option<&'a [u8]>,
    flags: Option<u32>,
    inode: Option<(u64, u64)>,
}

impl Mapper {
    /// A program was loaded.
    pub(super) fn executed(
        &mut self,
        exec: &ExecveInfo,
        context: &ContextData,
        at: At,
        out: &mut Events,
    ) {
        self.proof = Proof::Told;
        let asked = self.tables.threads.get_mut(&at.tid).and_then(|thread| thread.exec.take());
        let has_returned = asked.as_ref().is_some_and(|asked| asked.has_returned);
        let (argv, env) = (texts::list(&exec.argv), texts::list(&exec.env));
        let or_asked = |told: Vec<u8>, asked: Option<&[u8]>| {
            if told.is_empty() { asked.map_or(told, <[u8]>::to_vec) } else { told }
        };
        let argv = or_asked(argv, asked.as_ref().map(|asked| &*asked.argv));
        let env = or_asked(env, asked.as_ref().map(|asked| &*asked.env));
        let pathname = asked.as_ref().map(|asked| &*asked.pathname).filter(|path| !path.is_empty());
        let filename = match (pathname, &*exec.execfn) {
            (Some(path), _) => path,
            (None, []) => &exec.binary_path,
            (None, path) => path,
        };
        let name = if filename.starts_with(b"/dev/fd/") { &exec.binary_path } else { filename };
        let in_memfd = memfd_name(&exec.binary_path);
        let (comm, path) = (texts::comm(name), in_memfd.unwrap_or(&exec.binary_path));
        let (exe, args) = first_of(&argv);
        let credentials = context.credentials.or_else(|| self.credentials_of(at));
        let told = Told {
            res: 0,
            exe,
            args,
            env: &env,
            comm,
            path,
            filename: Some(filename),
            flags: executable_flags(exec, in_memfd.is_some(), credentials),
            inode: inode(exec),
        };
        self.replace_image(at, &told, has_returned, out);
    }

    /// execve or execveat begins or returns.
    pub(super) fn execve(&mut self, call: &Execve, at: At, out: &mut Events) {
        let Some(exit) = &call.exit else {
            let exec = self.exec_of(call);
            if let Some(thread) = self.tables.threads.get_mut(&at.tid) {
                thread.exec = Some(Box::new(exec));
                thread.is_executed = false;
            }
            return;
        };
        let Some(thread) = self.tables.threads.get_mut(&at.tid) else { return };
        let is_executed = std::mem::take(&mut thread.is_executed);
        let res = result_of(exit);
        if res < 0 {
            thread.exec = None;
            return self.exec_failed(call, res, at, out);
        }
        if is_executed {
            // The proof came first.
            return;
        }
        let begun = thread.exec.take();
        let mut exec = begun.map_or_else(|| self.exec_of(call), |begun| *begun);
        exec.has_returned = true;
        if self.proof == Proof::Untold {
            return self.exec_without_proof(&exec, at, out);
        }
        if let Some(thread) = self.tables.threads.get_mut(&at.tid) {
            thread.exec = Some(Box::new(exec));
        }
    }

    /// Decides on an execution that returned 0, at the thread's next message: proof, or none.
    pub(super) fn settle_exec(
        &mut self,
        message: &Message,
        context: &ContextData,
        at: At,
        out: &mut Events,
    ) {
        let Some(thread) = self.tables.threads.get_mut(&at.tid) else { return };
        if !thread.exec.as_ref().is_some_and(|exec| exec.has_returned)
            || matches!(message, Message::ExecveInfo(_))
        {
            return;
        }
        let Some(exec) = thread.exec.take() else { return };
        if self.proof == Proof::Told {
            self.stats.unproven_execs += 1;
            return;
        }
        // A session that does not ask for proofs: its thread goes on under the new name.
        let _ = context;
        self.proof = Proof::Untold;
        self.exec_without_proof(&exec, at, out);
    }

    fn exec_without_proof(&mut self, exec: &Exec, at: At, out: &mut Events) {
        let (exe, args) = first_of(&exec.argv);
        let path = if exec.pathname.starts_with(b"/") { &exec.pathname[..] } else { &[] };
        let told = Told {
            res: 0,
            exe,
            args,
            env: &exec.env,
            comm: texts::comm(&exec.pathname),
            path,
            filename: Some(&exec.pathname),
            flags: None,
            inode: None,
        };
        self.replace_image(at, &told, true, out);
    }

    /// A failed execution is told with what the caller asked for and what it still is.
    fn exec_failed(&mut self, call: &Execve, res: i64, at: At, out: &mut Events) {
        let Some(process) = self.tables.processes.get(&at.pid) else { return };
        let image = process.image.clone();
        let (argv, env) = (texts::list(&call.argv), texts::list(&call.envv));
        let (exe, args) = first_of(&argv);
        let is_at = call.sysno == NR_EXECVEAT;
        let code =
            if is_at { EventCode::SYSCALL_EXECVEAT_X } else { EventCode::SYSCALL_EXECVE_19_X };
        let told = Told {
            res,
            exe,
            args,
            env: &env,
            comm: &image.comm,
            path: &image.path,
            filename: (!is_at).then_some(&call.pathname),
            flags: None,
            inode: None,
        };
        self.tell_execution(at, code, &told, out);
    }

    /// Another program runs in the process.
    fn replace_image(&mut self, at: At, told: &Told<'_>, has_returned: bool, out: &mut Events) {
        let keep = |text: &[u8]| self.tables.meter.keep(text);
        let image = Arc::new(Image {
            comm: keep(told.comm),
            exe: keep(told.exe),
            args: keep(told.args),
            path: keep(texts::path(told.path)),
            is_path_guessed: self.proof != Proof::Told,
        });
        let credentials = self.credentials_of(at);
        let (start, vpid, siblings) = {
            let Some(process) = self.tables.processes.get_mut(&at.pid) else { return };
            process.image = image;
            process.is_stub = false;
            process.fds.exec();
            let others: Vec<i32> =
                process.tids.iter().copied().filter(|&tid| tid != at.pid).collect();
            process.is_leader_replaced = at.tid != at.pid && process.tids.contains(&at.pid);
            let start = self.tables.threads.get(&at.tid).map_or(0, |thread| thread.start_ns);
            (start, process.vpid, others)
        };
        // Whoever executes becomes the leader; the others end.
        let leader = At { tid: at.pid, ..at };
        if at.tid != at.pid || !siblings.is_empty() {
            let thread = self.new_thread(at.pid, vpid, start, at.ts, credentials);
            self.tables.insert(at.pid, thread);
            for tid in siblings {
                self.tables.remove(tid);
            }
        }
        if let Some(thread) = self.tables.threads.get_mut(&at.pid) {
            thread.is_executed = !has_returned;
            thread.exec = None;
        }
        self.tell_execution(leader, EventCode::SYSCALL_EXECVE_19_X, told, out);
    }

    fn tell_execution(&mut self, at: At, code: EventCode, told: &Told<'_>, out: &mut Events) {
        let Some(process) = self.tables.processes.get(&at.pid) else { return };
        let credentials = self.credentials_of(at);
        let container = self.tables.container_id(process.container).to_vec();
        let execution = Execution {
            who: Who {
                tid: self.id(at.tid),
                pid: self.id(at.pid),
                ptid: self.id(process.ptid),
                exe: told.exe,
                args: told.args,
                comm: told.comm,
                container_id: &container,
                uid: credentials.map(|c| c.effective_uid),
                gid: credentials.map(|c| c.effective_gid),
                measures: None,
            },
            res: told.res,
            env: told.env,
            tty: None,
            vpgid: self.vpgid(process.pgid),
            pgid: (process.pgid > 0).then(|| self.id(process.pgid)),
            flags: told.flags,
            inode: told.inode,
            path: told.path,
            filename: told.filename,
        };
        self.push(out, at, code, 0, |b| execution.write(b));
    }

    /// Something executable was mapped. Its system call tells where and how; sessions that do not ask for
    /// that learn at least of its doing. The first mappings are those of an execution.
    pub(super) fn mapped(&mut self, map: &MmapInfo, at: At, out: &mut Events) {
        const READ_EXEC: u32 = 1 | 4;
        if map.is_initial_mmap || self.sees_mmap {
            return;
        }
        self.tell(out, at, EventCode::SYSCALL_MMAP_X, |b| {
            b.i64(0).empty().empty().empty().empty().empty().u32(READ_EXEC).empty().empty().empty();
        });
    }

    fn credentials_of(&self, at: At) -> Option<Credentials> {
        self.tables.threads.get(&at.tid).and_then(|thread| thread.credentials)
    }

    fn exec_of(&self, call: &Execve) -> Exec {
        let keep = |text: &[u8]| self.tables.meter.keep(text);
        Exec {
            pathname: keep(texts::path(&call.pathname)),
            argv: keep(&texts::list(&call.argv)),
            env: keep(&texts::list(&call.envv)),
            has_returned: false,
        }
    }
}

/// The first text of a list, and the others with their NULs.
fn first_of(list: &[u8]) -> (&[u8], &[u8]) {
    let end = list.iter().position(|&b| b == 0).unwrap_or(list.len());
    (&list[..end], list.get(end + 1..).unwrap_or_default())
}

/// The name of a file that memfd_create made, as the host's kernel would have it. gVisor shows such a
/// file in the root directory, and as deleted. A file there may really have that name: who makes one
/// and executes it wants to be taken for worse than it is.
fn memfd_name(path: &[u8]) -> Option<&[u8]> {
    let name = path.strip_prefix(b"/")?.strip_suffix(b" (deleted)")?;
    (name.starts_with(b"memfd:") && !name.contains(&b'/')).then_some(name)
}

/// What is known of the executable, in the bits of events; none if that is nothing.
fn executable_flags(
    exec: &ExecveInfo,
    in_memfd: bool,
    credentials: Option<Credentials>,
) -> Option<u32> {
    let is_writable = credentials.is_some_and(|who| {
        let (uid, gid) = (who.effective_uid, who.effective_gid);
        uid == 0
            || uid == exec.binary_uid
            || exec.binary_mode & 0o002 != 0
            || (gid == exec.binary_gid && exec.binary_mode & 0o020 != 0)
    });
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    let in_memfd = in_memfd || exec.binary_in_memfd;
    (exec.binary_mode != 0 || in_memfd).then(|| {
        flag(is_writable, EXE_WRITABLE)
            | flag(exec.binary_overlayfs_upper, EXE_UPPER_LAYER)
            | flag(in_memfd, EXE_FROM_MEMFD)
            // A file in both layers is told as of the upper one, as of other sources.
            | flag(exec.binary_overlayfs_lower && !exec.binary_overlayfs_upper, EXE_LOWER_LAYER)
    })
}

fn inode(exec: &ExecveInfo) -> Option<(u64, u64)> {
    let ctime = exec.binary_ctime.map_or(0, |time| {
        let seconds = u64::try_from(time.sec).unwrap_or(0).saturating_mul(1_000_000_000);
        seconds.saturating_add(u64::try_from(time.nsec).unwrap_or(0))
    });
    (exec.binary_ino != 0).then_some((exec.binary_ino, ctime))
}
