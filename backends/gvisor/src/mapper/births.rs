//! Containers, processes and threads: how they begin, how those are met that nobody announced, and how
//! they end.

use std::sync::Arc;

use falco_event::EventCode;
use falco_event::portable::clone_flags;

use super::fds::Fds;
use super::tables::{Image, PidNamespace, Process, Thread, hash};
use super::write::{Birth, Execution, Measures, Who};
use super::{At, Mapper, process_of, texts};
use crate::proto::{CloneInfo, ContextData, Credentials, Start};
use falco_source::events::Events;

/// Portable clone flags.
const CLONE_FILES: u32 = 1;
const CLONE_PARENT: u32 = 1 << 8;
const CLONE_THREAD: u32 = 1 << 13;
pub(super) const CHILD_IN_PIDNS: u32 = 1 << 29;

/// Device number of a terminal (`/dev/pts/0`): which one it is, gVisor does not tell.
pub(super) const TERMINAL: u32 = 136 << 8;

impl Mapper {
    /// A container's first process.
    pub(super) fn container_start(
        &mut self,
        start: &Start,
        context: &ContextData,
        ts: u64,
        out: &mut Events,
    ) {
        let tid = context.thread_id.max(1);
        let pid = if context.thread_group_id > 0 { context.thread_group_id } else { tid };
        let began = context.thread_start_time_ns;
        self.is_complete |= self.tables.threads.is_empty();
        if let Some(thread) = self.tables.threads.get(&tid)
            && thread.start_ns == began
            && began != 0
        {
            // A dump has told of it.
            return;
        }
        // Whoever had its ids: their ends were lost.
        let before = self.tables.processes.get(&pid).map_or(Vec::new(), |p| p.tids.clone());
        for tid in before.into_iter().chain([tid]) {
            self.thread_lost(tid, ts, out);
        }
        self.make_room(ts, out);

        let id = if start.id.is_empty() { &context.container_id } else { &start.id };
        let container = self.tables.container(id);
        let is_first = container == 0;
        if let Some(container) = self.tables.containers.get_mut(usize::from(container)) {
            container.init = pid;
            container.pids = if is_first { PidNamespace::Sandbox } else { PidNamespace::Own(1) };
        }
        let vpid = if is_first { pid } else { 1 };
        let exe = start.args.first().map_or(&[][..], |exe| exe);
        let name = if context.process_name.is_empty() { exe } else { &context.process_name };
        let path = if exe.starts_with(b"/") { exe } else { &[] };
        let image =
            self.image(texts::comm(name), exe, start.args.get(1..).unwrap_or_default(), path);
        self.add_process(pid, container, vpid, image, 0);
        let thread = self.new_thread(pid, vpid, began, ts, context.credentials);
        self.tables.insert(tid, thread);
        let at = At { ts, tid, pid };
        self.tell_birth(at, EventCode::SYSCALL_CLONE_20_X, 0, CHILD_IN_PIDNS, out);
        let cwd = if start.cwd.is_empty() { &context.cwd } else { &start.cwd };
        self.settle(at, cwd, vpid, out);
        if let Some(process) = self.tables.processes.get_mut(&pid) {
            process.pgid = pid;
        }
        let env = texts::list(&start.env);
        let tty = if start.terminal { TERMINAL } else { 0 };
        self.tell_image(at, 0, &env, Some(tty), Some(exe), None, out);
        // Where it is named by PATH or through links, a dump knows the file.
        self.wants_processes = true;
    }

    /// A thread made another, or a process.
    pub(super) fn birth(
        &mut self,
        clone: &CloneInfo,
        context: &ContextData,
        at: At,
        out: &mut Events,
    ) {
        let tid = clone.created_thread_id;
        if tid <= 0 || tid == at.tid {
            return;
        }
        let pid =
            if clone.created_thread_group_id > 0 { clone.created_thread_group_id } else { tid };
        let start = clone.created_thread_start_time_ns;
        let is_thread = pid == at.pid;
        let mut flags = clone_flags(clone.flags as u32) & !CLONE_THREAD | CHILD_IN_PIDNS;
        if is_thread {
            flags |= CLONE_THREAD;
        }
        match self.tables.threads.get(&tid) {
            // A dump has told of it, or the parent twice.
            Some(thread) if thread.start_ns == start && thread.pid == pid => {
                let at = At { tid, pid, ..at };
                return self.tell_birth(at, EventCode::SYSCALL_CLONE_20_X, 0, flags, out);
            }
            Some(_) => self.thread_lost(tid, at.ts, out),
            None => {}
        }
        self.make_room(at.ts, out);
        let (Some(parent), Some(caller)) =
            (self.tables.processes.get(&at.pid), self.tables.threads.get(&at.tid))
        else {
            return;
        };
        let credentials = context.credentials.or(caller.credentials);
        let container = parent.container;
        let parts = (parent.image.clone(), parent.fds.clone(), parent.bound.clone());
        let (cwd, pgid) = (parent.cwd, parent.pgid);
        let ptid = if flags & CLONE_PARENT != 0 { parent.ptid } else { at.tid };
        let own_vpid = parent.vpid;
        let vtid = self.next_vtid(container, tid);
        let vpid = if is_thread { own_vpid } else { vtid };
        if !is_thread && !self.tables.processes.contains_key(&pid) {
            let (mut image, fds, bound) = parts;
            if !context.process_name.is_empty() && *image.comm != *context.process_name {
                // It has named itself since it was executed.
                image = Arc::new(self.renamed(&image, &context.process_name));
            }
            self.add_process(pid, container, vpid, image, ptid);
            if let Some(process) = self.tables.processes.get_mut(&pid) {
                (process.fds, process.bound, process.cwd, process.pgid) = (fds, bound, cwd, pgid);
            }
        }
        let thread = self.new_thread(pid, vtid, start, at.ts, credentials);
        self.tables.insert(tid, thread);
        if let Some(caller) = self.tables.threads.get_mut(&at.tid) {
            caller.child = Some(tid);
        }
        let at = At { tid, pid, ..at };
        self.tell_birth(at, EventCode::SYSCALL_CLONE_20_X, 0, flags, out);
    }

    /// The call that made a thread has returned to its caller, or failed. `flags` are those of events.
    pub(super) fn clone_returned(
        &mut self,
        code: EventCode,
        flags: u32,
        at: At,
        res: i64,
        out: &mut Events,
    ) {
        let child = self.tables.threads.get_mut(&at.tid).and_then(|caller| caller.child.take());
        if let (Some(child), Ok(vtid)) = (child, i32::try_from(res))
            && vtid > 0
        {
            self.learn_vtid(child, vtid);
        }
        self.tell_birth(at, code, res, flags | CHILD_IN_PIDNS, out);
    }

    /// A thread has ended. `status` is that of wait(2).
    pub(super) fn thread_exit(&mut self, tid: i32, status: i32, ts: u64, out: &mut Events) {
        if let Some(process) = self.tables.processes.get_mut(&tid)
            && std::mem::take(&mut process.is_leader_replaced)
        {
            // Another has its id already.
            return;
        }
        self.end(tid, status, 0, ts, out);
    }

    /// A process has ended, and whatever threads it had.
    pub(super) fn process_exit(
        &mut self,
        context: &ContextData,
        status: i32,
        ts: u64,
        out: &mut Events,
    ) {
        let pid = process_of(context);
        let mut left = self.tables.processes.get(&pid).map_or(Vec::new(), |p| p.tids.clone());
        left.sort_by_key(|&tid| tid == pid);
        for tid in left {
            self.end(tid, status, 0, ts, out);
        }
    }

    /// A thread's end was lost, or there is no room for it.
    pub(super) fn thread_lost(&mut self, tid: i32, ts: u64, out: &mut Events) {
        self.end(tid, 0, falco_event::raw::DUMP_STATE_ONLY, ts, out);
    }

    fn end(&mut self, tid: i32, status: i32, flags: u32, ts: u64, out: &mut Events) {
        let pid = self.tables.threads.get(&tid).map_or(tid, |thread| thread.pid);
        let container = self.tables.processes.get(&pid).map_or(0, |process| process.container);
        if self.tables.remove(tid).is_none() {
            return;
        }
        let init = self.tables.containers.get(usize::from(container)).map_or(0, |c| c.init);
        let heir = if tid != pid {
            0
        } else if init > 0 && init != pid {
            self.id(init)
        } else {
            -1
        };
        self.push(out, At { ts, tid, pid }, EventCode::PROCEXIT_1_E, flags, |b| {
            b.i64(status.into()).i64(((status >> 8) & 0xff).into());
            b.u8((status & 0x7f) as u8).u8(u8::from(status & 0x80 != 0)).i64(heir);
        });
    }

    /// The sandbox has gone, or is watched no more: so are its threads.
    pub fn close(&mut self, now_ns: u64, out: &mut Events) {
        let ts = now_ns.max(self.floor_ns);
        let mut tids: Vec<i32> = self.tables.threads.keys().copied().collect();
        tids.sort_unstable_by_key(|tid| (self.tables.processes.contains_key(tid), *tid));
        for tid in tids {
            self.thread_lost(tid, ts, out);
        }
        // What stands for whoever made the first process.
        self.push(
            out,
            At { ts, tid: 0, pid: 0 },
            EventCode::PROCEXIT_1_E,
            falco_event::raw::DUMP_STATE_ONLY,
            |b| {
                b.i64(0).i64(0).u8(0).u8(0).i64(0);
            },
        );
    }

    /// Makes the acquaintance of a thread that nobody told of; its process.
    pub(super) fn meet_stranger(
        &mut self,
        context: &ContextData,
        ts: u64,
        out: &mut Events,
    ) -> i32 {
        self.make_room(ts, out);
        let (tid, pid) = (context.thread_id, process_of(context));
        if !self.tables.processes.contains_key(&pid) {
            self.meet_process(context, pid, ts, out);
        }
        if tid != pid || !self.tables.threads.contains_key(&tid) {
            let of = self.tables.processes.get(&pid).map_or((0, 0), |p| (p.container, p.vpid));
            let vtid = if tid == pid { of.1 } else { self.next_vtid(of.0, tid) };
            let start = context.thread_start_time_ns;
            let thread = self.new_thread(pid, vtid, start, ts, context.credentials);
            self.tables.insert(tid, thread);
            let at = At { ts, tid, pid };
            let flags = CLONE_THREAD | CLONE_FILES | CHILD_IN_PIDNS;
            let dump = falco_event::raw::DUMP_STATE_ONLY;
            self.push_birth(at, EventCode::SYSCALL_CLONE_20_X, 0, flags, dump, out);
        }
        pid
    }

    /// Makes do with what a message says of its process.
    fn meet_process(&mut self, context: &ContextData, pid: i32, ts: u64, out: &mut Events) {
        let started = u64::try_from(context.thread_group_start_time_ns).unwrap_or(0);
        let is_new = if started == 0 { self.is_complete } else { started >= self.began_ns };
        let is_session = context.is_exec_session || (is_new && context.parent_thread_group_id <= 0);
        self.stats.strangers += 1;
        self.wants_processes = true;
        // A thread of another process that had this id: its end was lost.
        self.thread_lost(pid, ts, out);
        let container = self.tables.container(&context.container_id);
        let vpid = self.next_vtid(container, pid);
        let image = Image::named(&self.tables.meter, texts::comm(&context.process_name));
        self.add_process(pid, container, vpid, image, context.parent_thread_group_id.max(0));
        if let Some(process) = self.tables.processes.get_mut(&pid) {
            process.is_stub = true;
        }
        let start = context.thread_group_start_time_ns;
        let thread = self.new_thread(pid, vpid, start, ts, context.credentials);
        self.tables.insert(pid, thread);
        let flags = if is_session { 0 } else { falco_event::raw::DUMP_STATE_ONLY };
        let at = At { ts, tid: pid, pid };
        self.push_birth(at, EventCode::SYSCALL_CLONE_20_X, 0, CHILD_IN_PIDNS, flags, out);
        self.settle(at, &context.cwd, vpid, out);
        self.tell_image(at, flags, &[], None, None, None, out);
    }

    /// Tells that a thread belongs to another container than was believed.
    pub(super) fn correct_container(&mut self, context: &ContextData, at: At, out: &mut Events) {
        let id = &context.container_id;
        let Some(process) = self.tables.processes.get(&at.pid) else { return };
        if id.is_empty() || *self.tables.container_id(process.container) == **id {
            return;
        }
        let (before, tids) = (process.container, process.tids.len());
        let container = self.tables.container(id);
        if container == before {
            return;
        }
        if let Some(process) = self.tables.processes.get_mut(&at.pid) {
            process.container = container;
        }
        // The tables take an execution for the end of all other threads.
        if tids == 1 && at.tid == at.pid {
            self.tell_image(at, falco_event::raw::DUMP_STATE_ONLY, &[], None, None, None, out);
        }
    }

    /// Tells where a process that has begun is, its session and its ids other than the effective ones.
    pub(super) fn settle(&mut self, at: At, cwd: &[u8], sid: i32, out: &mut Events) {
        if !cwd.is_empty() {
            if let Some(process) = self.tables.processes.get_mut(&at.pid) {
                process.cwd = hash(cwd);
            }
            self.correct(out, at, EventCode::SYSCALL_CHDIR_X, |b| {
                b.i64(0).text(texts::path(cwd));
            });
        }
        if sid > 0 {
            self.correct(out, at, EventCode::SYSCALL_SETSID_X, |b| {
                b.i64(sid.into());
            });
        }
        let told = self.tables.threads.get(&at.tid).and_then(|thread| thread.credentials);
        if let Some(ids) = told
            && [ids.real_uid, ids.saved_uid, ids.real_gid, ids.saved_gid]
                != [ids.effective_uid, ids.effective_uid, ids.effective_gid, ids.effective_gid]
        {
            self.tell_credentials(None, ids, at, out);
        }
    }

    /// Appends the event of a birth that rules see.
    fn tell_birth(&mut self, at: At, code: EventCode, res: i64, flags: u32, out: &mut Events) {
        self.push_birth(at, code, res, flags, 0, out);
    }

    /// Appends the event of a birth: of a known thread and its process, as they are now.
    pub(super) fn push_birth(
        &mut self,
        at: At,
        code: EventCode,
        res: i64,
        flags: u32,
        dump_flags: u32,
        out: &mut Events,
    ) {
        let (Some(process), Some(thread)) =
            (self.tables.processes.get(&at.pid), self.tables.threads.get(&at.tid))
        else {
            return;
        };
        let (image, vtid, vpid) = (process.image.clone(), thread.vtid, process.vpid);
        let container = self.tables.container_id(process.container).to_vec();
        // As the kernel's caller of a clone that failed.
        let shown = res >= 0;
        let birth = Birth {
            who: Who {
                tid: self.id(at.tid),
                pid: self.id(at.pid),
                ptid: self.id(process.ptid),
                exe: if shown { &image.exe } else { &[] },
                args: if shown { &image.args } else { &[] },
                comm: &image.comm,
                container_id: &container,
                uid: thread.credentials.map(|c| c.effective_uid),
                gid: thread.credentials.map(|c| c.effective_gid),
                measures: None,
            },
            res,
            flags,
            vtid,
            vpid,
        };
        self.push(out, at, code, dump_flags, |b| birth.write(b));
    }

    /// Appends the event of an execution of the program that the process has now.
    #[allow(clippy::too_many_arguments)] // all that differs between dumps, starts and corrections
    pub(super) fn tell_image(
        &mut self,
        at: At,
        dump_flags: u32,
        env: &[u8],
        tty: Option<u32>,
        filename: Option<&[u8]>,
        measures: Option<Measures>,
        out: &mut Events,
    ) {
        let (Some(process), Some(thread)) =
            (self.tables.processes.get(&at.pid), self.tables.threads.get(&at.tid))
        else {
            return;
        };
        let image = process.image.clone();
        let container = self.tables.container_id(process.container).to_vec();
        let execution = Execution {
            who: Who {
                tid: self.id(at.tid),
                pid: self.id(at.pid),
                ptid: self.id(process.ptid),
                exe: &image.exe,
                args: &image.args,
                comm: &image.comm,
                container_id: &container,
                uid: thread.credentials.map(|c| c.effective_uid),
                gid: thread.credentials.map(|c| c.effective_gid),
                measures,
            },
            res: 0,
            env,
            tty,
            vpgid: self.vpgid(process.pgid),
            pgid: (process.pgid > 0).then(|| self.id(process.pgid)),
            flags: None,
            inode: None,
            path: &image.path,
            filename: Some(filename.unwrap_or(&image.path)),
        };
        self.push(out, at, EventCode::SYSCALL_EXECVE_19_X, dump_flags, |b| execution.write(b));
    }

    /// The id that the leader of a process group has in its container.
    pub(super) fn vpgid(&self, pgid: i32) -> Option<i32> {
        self.tables.processes.get(&pgid).map(|leader| leader.vpid)
    }

    /// The id that a new thread has in its container, as far as can be told.
    pub(super) fn next_vtid(&mut self, container: u16, tid: i32) -> i32 {
        let container = self.tables.containers.get_mut(usize::from(container));
        match container.map(|container| &mut container.pids) {
            Some(PidNamespace::Own(last)) => {
                *last = last.saturating_add(1);
                *last
            }
            Some(PidNamespace::Sandbox) | None => tid,
        }
    }

    /// The id of a child as the call of its parent told it.
    fn learn_vtid(&mut self, child: i32, vtid: i32) {
        let Some(thread) = self.tables.threads.get_mut(&child) else { return };
        if thread.vtid == vtid {
            return;
        }
        thread.vtid = vtid;
        let Some(process) = self.tables.processes.get_mut(&thread.pid) else { return };
        if thread.pid == child {
            process.vpid = vtid;
        }
        let container = self.tables.containers.get_mut(usize::from(process.container));
        if let Some(container) = container {
            container.pids =
                if vtid == child { PidNamespace::Sandbox } else { PidNamespace::Own(vtid) };
        }
    }

    pub(super) fn make_room(&mut self, ts: u64, out: &mut Events) {
        for tid in self.tables.to_evict() {
            self.thread_lost(tid, ts, out);
            self.stats.evicted += 1;
        }
    }

    pub(super) fn new_thread(
        &self,
        pid: i32,
        vtid: i32,
        start_ns: i64,
        seen_ns: u64,
        credentials: Option<Credentials>,
    ) -> Thread {
        Thread {
            pid,
            vtid,
            start_ns,
            seen_ns,
            credentials,
            child: None,
            asked: None,
            exec: None,
            is_executed: false,
        }
    }

    pub(super) fn add_process(
        &mut self,
        pid: i32,
        container: u16,
        vpid: i32,
        image: Arc<Image>,
        ptid: i32,
    ) {
        let process = Process {
            tids: Vec::new(),
            ptid,
            vpid,
            pgid: 0,
            container,
            image,
            cwd: 0,
            fds: Fds::default(),
            bound: Vec::new(),
            is_stub: false,
            is_leader_replaced: false,
        };
        self.tables.processes.insert(pid, process);
    }

    /// A program as its caller named it; `path` may lead to it through links.
    fn image<T: AsRef<[u8]>>(
        &self,
        comm: &[u8],
        exe: &[u8],
        args: &[T],
        path: &[u8],
    ) -> Arc<Image> {
        let keep = |text: &[u8]| self.tables.meter.keep(text);
        Arc::new(Image {
            comm: keep(comm),
            exe: keep(texts::path(exe)),
            args: keep(&texts::list(args)),
            path: keep(texts::path(path)),
            is_path_guessed: true,
        })
    }

    fn renamed(&self, image: &Image, comm: &[u8]) -> Image {
        let keep = |text: &[u8]| self.tables.meter.keep(text);
        Image {
            comm: keep(texts::comm(comm)),
            exe: keep(&image.exe),
            args: keep(&image.args),
            path: keep(&image.path),
            is_path_guessed: image.is_path_guessed,
        }
    }
}
