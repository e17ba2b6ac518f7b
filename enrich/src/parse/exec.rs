//! execve and execveat, and the exit of threads.

use falco_event::{EventCode, RawEvent};

use super::path::concatenate_paths;
use super::row::{Row, cgroups, exepath, list};
use super::{NA, Parser, caps, text};
use crate::container::container_id;
use crate::record::{Bytes, ProcessFacts, bytes_like};
use crate::state::Slot;
use crate::thread::{Thread, flags};

/// Portable flags of the executable.
const EXE_WRITABLE: u32 = 1;
const EXE_UPPER_LAYER: u32 = 2;
const EXE_FROM_MEMFD: u32 = 4;
const EXE_LOWER_LAYER: u32 = 8;
/// Portable `AT_EMPTY_PATH` of execveat.
const AT_EMPTY_PATH: u32 = 1;

impl<'e> Parser<'_, 'e> {
    pub(super) fn exec(&mut self) {
        let (Some(slot), false) = (self.thread, self.failed()) else { return };
        let row = Row::of(self.event);
        // A thread that execs after its main thread has exited becomes the main one.
        self.state.threads.resurrect(slot);
        let exepath = self.new_exepath(&row);
        self.replace_image(&row, exepath);

        let Some(thread) = self.thread_mut() else { return };
        thread.take_memory(&row);
        if thread.is_placeholder() {
            let (vtid, vpid) = if thread.flags & flags::CHILD_IN_PIDNS == 0 {
                (thread.tid, row.i64(4).unwrap_or(-1))
            } else {
                (thread.record.vtid, thread.record.vpid)
            };
            self.complete(slot, row.i64(4), row.i64(5), vtid, vpid);
        } else if let (Some(ptid), true) = (row.i64(5), self.state.is_live()) {
            self.correct_parent(slot, ptid);
        }

        let fds = self.state.threads.fds_of(slot);
        if let Some(owner) = fds.and_then(|owner| self.state.threads.get_mut(owner)) {
            owner.fds.retain(|_, fd| !fd.is_close_on_exec());
        }
        if let Some(thread) = self.thread_mut() {
            let kept =
                flags::PIPE_SRC | flags::PIPE_DST | flags::IS_MAIN_THREAD | flags::CLONE_INVERTED;
            thread.flags = flags::ACTIVE | flags::NAME_CHANGED | (thread.flags & kept);
        }
        // The kernel ends all other threads of the process.
        for member in self.state.threads.members(slot) {
            let others = self.state.threads.get(member).is_some_and(|t| !t.is_main());
            if others && member != slot {
                self.state.remove_thread(member);
            }
        }
        self.state.meet_container_of(slot);
    }

    /// Gives the thread the parent that the kernel says it has: the exit of the one before was lost.
    fn correct_parent(&mut self, slot: Slot, ptid: i64) {
        let threads = &mut self.state.threads;
        let Some(thread) = threads.get(slot).filter(|thread| thread.ptid != ptid) else { return };
        let pid = thread.pid;
        let parent = threads.find(ptid).filter(|&parent| {
            threads.get(parent).is_some_and(|p| !p.is_placeholder() && p.pid != pid)
        });
        if let Some(parent) = parent {
            threads.adopt(parent, slot);
            threads.bump_lineage();
        }
    }

    /// Publishes what the event says of the new program.
    fn replace_image(&mut self, row: &Row<'_>, path: Option<Bytes>) {
        let (ts, is_live) = (self.event.ts(), self.state.is_live());
        self.update(|facts| {
            if is_live {
                caps::exec(facts, row.u32(26).unwrap_or(facts.uid));
            }
            facts.exe = bytes_like(row.text(1), &facts.exe);
            facts.comm = bytes_like(row.comm(), &facts.comm);
            facts.args = list(row.get(2), &facts.args);
            facts.lastexec_ts = ts;
            facts.fdlimit = row.i64(7).unwrap_or(facts.fdlimit);
            if let Some(path) = path {
                facts.exepath = path;
            }
            if !row.get(15).is_empty() {
                facts.env = list(row.get(15), &facts.env);
            }
            if let (false, Some(new)) =
                (row.get(14).is_empty(), cgroups(row.get(14), &facts.cgroups))
            {
                facts.container_id = container_id(&new, facts);
                facts.cgroups = new;
            }
            facts.tty = row.u32(16).unwrap_or(facts.tty);
            facts.vpgid = row.i64(17).unwrap_or(facts.vpgid);
            facts.pgid = row.i64(28).unwrap_or(-1);
            replace_credentials(facts, row);
            replace_executable(facts, row);
        });
    }

    /// The path of the new program; none if it is not told.
    fn new_exepath(&mut self, row: &Row<'_>) -> Option<Bytes> {
        let like = self.thread_ref()?.record.exepath.clone();
        if !row.get(27).is_empty() {
            return Some(exepath(row.text(27), &like));
        }
        // Old captures: what the enter event asked for, seen from where the process was.
        self.with_enter(|parser, enter| {
            let enter = enter?;
            let path = match enter.code() {
                EventCode::SYSCALL_EXECVE_19_E => parser.path_of_execve(enter),
                EventCode::SYSCALL_EXECVEAT_E => parser.path_of_execveat(enter),
                _ => return None,
            };
            Some(exepath(&path, &like))
        })
    }

    fn path_of_execve(&self, enter: &RawEvent<'_>) -> Vec<u8> {
        match text(enter.param(0).unwrap_or_default()) {
            NA => NA.to_vec(),
            name => concatenate_paths(self.cwd(), name),
        }
    }

    fn path_of_execveat(&mut self, enter: &RawEvent<'_>) -> Vec<u8> {
        let dirfd = enter.i64(0).unwrap_or(-1);
        let name = text(enter.param(1).unwrap_or_default());
        let empty_path = enter.u64(2).unwrap_or(0) as u32 & AT_EMPTY_PATH != 0;
        let dir = self.directory(dirfd, name).into_owned();
        if dir != b"." && dir != b"<UNKNOWN>" {
            let slot = self.thread.and_then(|slot| self.state.find_fd(slot, dirfd));
            self.fd = slot.map(|owner| (owner, dirfd));
        }
        if dir == b"<UNKNOWN>" || (name == NA && !empty_path) {
            NA.to_vec()
        } else if empty_path {
            // The fd is the program itself.
            concatenate_paths(b"", &dir)
        } else {
            concatenate_paths(&dir, name)
        }
    }

    /// Marks the thread as exited. Its entry goes when the next event comes; rules see this one
    /// with it.
    pub(super) fn exit(&mut self) {
        let Some(slot) = self.thread else {
            if self.state.is_live() {
                // Its birth may still be told of, by who called clone: it is not to be believed then.
                self.state.pending_exit = Some(self.event.tid());
            }
            return;
        };
        self.state.threads.mark_dead(slot);
        self.state.pending_exit = Some(self.event.tid());
        let reaper = self.event.i64(4);
        if let Some(thread) = self.thread_mut().filter(|t: &&mut Thread| t.nchildren > 0) {
            thread.reaper_tid = reaper.unwrap_or(-1);
        }
    }
}

fn replace_credentials(facts: &mut ProcessFacts, row: &Row<'_>) {
    facts.loginuid = row.u32(18).unwrap_or(facts.loginuid);
    facts.uid = row.u32(26).unwrap_or(facts.uid);
    facts.gid = row.u32(29).unwrap_or(facts.gid);
    if let (Some(inheritable), Some(permitted), Some(effective)) =
        (row.u64(20), row.u64(21), row.u64(22))
    {
        facts.cap_inheritable = inheritable;
        facts.cap_permitted = permitted;
        facts.cap_effective = effective;
    }
}

fn replace_executable(facts: &mut ProcessFacts, row: &Row<'_>) {
    if let Some(of_exe) = row.u32(19) {
        facts.exe_writable = of_exe & EXE_WRITABLE != 0;
        facts.exe_upper_layer = of_exe & EXE_UPPER_LAYER != 0;
        facts.exe_from_memfd = of_exe & EXE_FROM_MEMFD != 0;
        facts.exe_lower_layer = of_exe & EXE_LOWER_LAYER != 0;
    }
    let (Some(ino), Some(ctime), Some(mtime)) = (row.u64(23), row.u64(24), row.u64(25)) else {
        return;
    };
    facts.exe_ino = ino;
    facts.exe_ino_ctime = ctime;
    facts.exe_ino_mtime = mtime;
    if facts.clone_ts != 0 {
        facts.exe_ino_ctime_duration_clone_ts = facts.clone_ts.wrapping_sub(ctime);
    }
    let pidns_start = facts.pidns_init_start_ts;
    if pidns_start != 0 && ctime > pidns_start {
        facts.exe_ino_ctime_duration_pidns_start = ctime - pidns_start;
    }
}
