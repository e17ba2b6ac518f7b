//! Dumps of a sandbox's processes (`runsc trace procfs`): how those are told of that ran before we looked,
//! or that nothing announced.

use std::sync::Arc;

use falco_event::EventCode;
use falco_event::raw::DUMP_STATE_ONLY;

use super::births::{CHILD_IN_PIDNS, TERMINAL};
use super::fds::{Opened, is_terminal};
use super::tables::Image;
use super::write::Measures;
use super::{At, Mapper, texts};
use crate::proto::Credentials;
use crate::runsc;
use falco_source::events::Events;

impl Mapper {
    /// Takes a dump of the sandbox's processes (`runsc trace procfs`) that was taken at `taken_ns`. The
    /// first one tells of all that ran before the connection; later ones of processes that were asked
    /// for ([`Mapper::is_unannounced`]) and of what was missing of others.
    pub fn processes(&mut self, dump: &[runsc::Process], taken_ns: u64, out: &mut Events) {
        let ts = taken_ns.max(self.floor_ns);
        let mut oldest_first: Vec<&runsc::Process> = dump.iter().filter(|p| p.pid > 0).collect();
        oldest_first.sort_by_key(|process| (process.started_ns, process.pid));
        let is_first = !self.is_complete;
        for process in oldest_first {
            let asked = self.asked.iter().position(|&(pid, _)| pid == process.pid);
            if self.tables.processes.contains_key(&process.pid) {
                self.improve(process, ts, out);
            } else if is_first || asked.is_some() {
                let container = asked.map(|at| self.asked.swap_remove(at).1);
                self.introduce(process, container.as_deref(), is_first, ts, out);
            }
        }
        self.is_complete = true;
        self.forget_wish();
    }

    /// Tells of a process that was not known: one that ran already, or of an exec session.
    fn introduce(
        &mut self,
        process: &runsc::Process,
        container: Option<&[u8]>,
        is_first_dump: bool,
        ts: u64,
        out: &mut Events,
    ) {
        self.make_room(ts, out);
        let pid = process.pid;
        // A thread of another process that had this id: its end was lost.
        self.thread_lost(pid, ts, out);
        let started = u64::try_from(process.started_ns).unwrap_or(0);
        // A process without a parent begins with its container, which is announced, or by `runsc exec`.
        let is_session = process.ppid <= 0 && (!is_first_dump || started >= self.began_ns);
        let parent = self.tables.processes.get(&process.ppid).map(|parent| parent.container);
        let told = process.container_id.as_ref().map(String::as_bytes).or(container);
        let container = match (told, parent) {
            (Some(id), _) => self.tables.container(id),
            (None, Some(parent)) => parent,
            (None, None) => 0,
        };
        if let Some(container) = self.tables.containers.get_mut(usize::from(container))
            && container.init == 0
            && process.ppid <= 0
        {
            container.init = pid;
        }
        let vpid = self.next_vtid(container, pid);
        let image = self.image_of(process);
        self.add_process(pid, container, vpid, image, process.ppid.max(0));
        let (uid, gid) = (process.uid, process.gid);
        let credentials = Credentials {
            real_uid: uid.real,
            effective_uid: uid.effective,
            saved_uid: uid.saved,
            real_gid: gid.real,
            effective_gid: gid.effective,
            saved_gid: gid.saved,
        };
        let thread = self.new_thread(pid, vpid, process.started_ns, ts, Some(credentials));
        self.tables.insert(pid, thread);
        if let Some(known) = self.tables.processes.get_mut(&pid) {
            known.pgid = process.pgid;
        }
        let flags = if is_session { 0 } else { DUMP_STATE_ONLY };
        let at = At { ts, tid: pid, pid };
        self.push_birth(at, EventCode::SYSCALL_CLONE_20_X, 0, CHILD_IN_PIDNS, flags, out);
        self.tell_details(process, at, flags, out);
        self.stats.strangers += u64::from(is_session);
    }

    /// Tells what a dump knows better of a process than what was told.
    fn improve(&mut self, process: &runsc::Process, ts: u64, out: &mut Events) {
        let Some(known) = self.tables.processes.get(&process.pid) else { return };
        let image = &known.image;
        let is_same_program = || {
            let (exe, args) = process.args.split_first().unzip();
            *image.exe == *exe.map_or(&b""[..], |exe| exe.as_bytes())
                && *image.args == *texts::list(args.unwrap_or_default())
        };
        let is_better = known.is_stub || (image.is_path_guessed && is_same_program());
        // The tables take an execution for the end of all other threads.
        if !is_better || known.tids != [process.pid] {
            return;
        }
        let was_stub = known.is_stub;
        let image = self.image_of(process);
        if let Some(known) = self.tables.processes.get_mut(&process.pid) {
            known.image = image;
            known.is_stub = false;
            known.fds.exec();
            if was_stub {
                known.pgid = process.pgid;
            }
        }
        let at = At { ts, tid: process.pid, pid: process.pid };
        self.tell_details(process, at, DUMP_STATE_ONLY, out);
    }

    /// Tells a dumped process's directory, session, program, ids and fds.
    fn tell_details(&mut self, process: &runsc::Process, at: At, flags: u32, out: &mut Events) {
        let sid = self.tables.processes.get(&process.sid).map_or(process.sid, |leader| leader.vpid);
        self.settle(at, process.cwd.as_bytes(), sid, out);
        if !matches!(process.root.as_str(), "" | "/") {
            self.correct(out, at, EventCode::SYSCALL_CHROOT_X, |b| {
                b.i64(0).text(texts::path(process.root.as_bytes()));
            });
        }
        let stdin = process.fds.iter().find(|fd| fd.number == 0);
        let tty = stdin.map(|fd| is_terminal(fd.path.as_bytes(), fd.mode));
        let tty = tty.map(|is_terminal| if is_terminal { TERMINAL } else { 0 });
        let env = texts::list(&process.env);
        let measures = Measures {
            fd_limit: process.fd_limit,
            vm_size_kib: process.vm_size_kib,
            vm_rss_kib: process.vm_rss_kib,
        };
        let exe = process.exe.as_bytes();
        self.tell_image(at, flags, &env, tty, Some(exe), Some(measures), out);
        for fd in &process.fds {
            let num = i64::from(fd.number);
            let Some(known) = self.tables.processes.get_mut(&at.pid) else { return };
            if num < 0 || (known.fds.knows(num) && fd.number < 1024) {
                continue;
            }
            known.fds.open(num, false);
            if let Some(opened) = Opened::of(fd.path.as_bytes(), fd.mode) {
                self.correct(out, at, opened.code(), |b| opened.fill(num, b));
            }
        }
    }

    fn image_of(&self, process: &runsc::Process) -> Arc<Image> {
        let exe = process.args.first().unwrap_or(&process.exe).as_bytes();
        let keep = |text: &[u8]| self.tables.meter.keep(text);
        Arc::new(Image {
            comm: keep(texts::comm(process.comm.as_bytes())),
            exe: keep(texts::path(exe)),
            args: keep(&texts::list(process.args.get(1..).unwrap_or_default())),
            path: keep(texts::path(process.exe.as_bytes())),
            is_path_guessed: false,
        })
    }
}
