//! A little kernel whose processes live and die as told; its events go to a world, but for those that
//! are to be lost. `follow` holds the tables against it.

mod follow;

use std::collections::{BTreeMap, BTreeSet};

use falco_event::EventCode as E;
use proptest::prelude::*;

use falco_source::lookup::Found;
use falco_source::snapshot::{Fd, FdKind, Thread};

use super::live::FakeHost;
use super::{Clone as CloneEvent, Exec, World};
use crate::state::{Limits, State};
use crate::thread::flags;

/// Ids of new tasks; a freed one is taken again at once.
const IDS: std::ops::Range<i64> = 100..112;
const CLOEXEC: u32 = 1 << 12;

#[derive(Debug, Clone)]
struct Process {
    /// Thread id of the parent.
    parent: i64,
    sid: i64,
    cwd: String,
    /// Name and close-on-exec by number.
    fds: BTreeMap<i64, (String, bool)>,
    subreaper: bool,
    /// Live threads with their names.
    threads: BTreeMap<i64, String>,
}

/// The kernel, and the world that sees its events.
struct Kernel {
    processes: BTreeMap<i64, Process>,
    world: World,
    /// For each event to come, whether it is lost; then none is.
    losses: std::vec::IntoIter<bool>,
    /// Children tell of their birth where callers would, and the other way round.
    inverted: bool,
    /// Who can be asked what runs.
    host: FakeHost,
}

/// What a task does; the numbers choose among what there is.
#[derive(Debug, Clone)]
enum Act {
    Fork { caller_first: bool },
    VforkExec,
    Thread { caller_first: bool },
    Exec,
    Exit,
    ExitGroup,
    Open { cloexec: bool },
    Dup(u8),
    Close(u8),
    Chdir(u8),
    Setsid,
    Subreaper,
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any::<bool>().prop_map(|caller_first| Act::Fork { caller_first }),
        1 => Just(Act::VforkExec),
        3 => any::<bool>().prop_map(|caller_first| Act::Thread { caller_first }),
        2 => Just(Act::Exec),
        3 => Just(Act::Exit),
        1 => Just(Act::ExitGroup),
        3 => any::<bool>().prop_map(|cloexec| Act::Open { cloexec }),
        1 => any::<u8>().prop_map(Act::Dup),
        2 => any::<u8>().prop_map(Act::Close),
        1 => any::<u8>().prop_map(Act::Chdir),
        1 => Just(Act::Setsid),
        1 => Just(Act::Subreaper),
    ]
}

impl Kernel {
    fn new(limits: Limits, losses: Vec<bool>) -> Self {
        let mut world = World::new();
        let process = |tid: i64, parent, comm: &str, fds| Process {
            parent,
            sid: tid,
            cwd: "/root/".into(),
            fds,
            subreaper: false,
            threads: BTreeMap::from([(tid, comm.into())]),
        };
        let tty = BTreeMap::from([(0, ("/dev/tty1".into(), false))]);
        let processes = BTreeMap::from([
            (1, process(1, 0, "init", BTreeMap::new())),
            (10, process(10, 1, "sh", tty)),
        ]);
        if limits != Limits::default() {
            world.state = State::new(limits);
        }
        let (losses, host) = (losses.into_iter(), FakeHost::default());
        Kernel { processes, world, losses, inverted: false, host }
    }

    /// The same, seen as it happens, with a host that can be asked.
    fn live(losses: Vec<bool>) -> Self {
        let mut kernel = Kernel::new(Limits::default(), losses);
        kernel.world.state.set_live(true);
        kernel.world.state.set_lookup(Box::new(kernel.host.clone()));
        kernel.tell_host();
        kernel
    }

    /// Lets the host know what runs now.
    fn tell_host(&self) {
        let mut known = self.host.known();
        known.threads.clear();
        for (&pid, process) in &self.processes {
            for (&tid, comm) in &process.threads {
                let is_main = tid == pid;
                let thread = Thread {
                    tid,
                    pid,
                    ptid: process.parent,
                    sid: process.sid,
                    vtid: tid,
                    vpid: pid,
                    comm: comm.clone().into(),
                    exe: comm.clone().into(),
                    cwd: process.cwd.clone().into(),
                    flags: if is_main { 0 } else { flags::CLONE_THREAD | flags::CLONE_FILES },
                    clone_ts: 1,
                    ..Thread::default()
                };
                let file = |(&num, (name, cloexec)): (&i64, &(String, bool))| Fd {
                    num,
                    ino: 1,
                    kind: FdKind::File {
                        name: name.clone().into(),
                        open_flags: 1 | if *cloexec { CLOEXEC } else { 0 },
                        dev: 1,
                    },
                };
                let fds = if is_main { process.fds.iter().map(file).collect() } else { vec![] };
                known.threads.insert(tid, Found { thread, fds });
            }
        }
    }

    /// Lets the world see an event unless it is lost.
    fn tell(&mut self, event: impl FnOnce(&mut World)) -> bool {
        let arrives = !self.losses.next().unwrap_or(false);
        if arrives {
            event(&mut self.world);
        }
        arrives
    }

    fn tasks(&self) -> Vec<(i64, i64)> {
        let tids = |(&pid, p): (&i64, &Process)| {
            p.threads.keys().map(|&tid| (pid, tid)).collect::<Vec<_>>()
        };
        self.processes.iter().flat_map(tids).collect()
    }

    fn free_id(&self) -> Option<i64> {
        let taken: BTreeSet<i64> =
            self.tasks().into_iter().flat_map(|(pid, tid)| [pid, tid]).collect();
        IDS.into_iter().find(|id| !taken.contains(id))
    }

    fn act(&mut self, chosen: u16, act: &Act) {
        let tasks = self.tasks();
        let (pid, tid) = tasks[chosen as usize % tasks.len()];
        let inverted = self.inverted;
        match *act {
            Act::Fork { caller_first } => self.fork(pid, tid, caller_first != inverted),
            Act::VforkExec => self.vfork_exec(pid, tid),
            Act::Thread { caller_first } => self.thread(pid, tid, caller_first != inverted),
            Act::Exec => self.exec(pid, tid),
            Act::Exit if tid != 1 => self.exit(pid, tid),
            Act::ExitGroup if pid != 1 => {
                let threads: Vec<i64> = self.processes[&pid].threads.keys().copied().collect();
                threads.into_iter().for_each(|tid| self.exit(pid, tid));
            }
            Act::Exit | Act::ExitGroup => {}
            Act::Open { cloexec } => self.open(pid, tid, cloexec),
            Act::Dup(which) => self.dup(pid, tid, which),
            Act::Close(which) => self.close(pid, tid, which),
            Act::Chdir(to) => {
                let to = format!("/dir{to}");
                self.tell(|w| {
                    w.event(tid, E::SYSCALL_CHDIR_X, |b| {
                        b.i64(0).text(&to);
                    });
                });
                self.process(pid).cwd = format!("{to}/");
            }
            // The tables know sessions by thread, as Falco's do; the kernel knows them by process.
            Act::Setsid if self.process(pid).threads.len() == 1 && tid == pid => {
                self.tell(|w| {
                    w.event(tid, E::SYSCALL_SETSID_X, |b| {
                        b.i64(pid);
                    });
                });
                self.process(pid).sid = pid;
            }
            Act::Setsid => {}
            Act::Subreaper => {
                self.tell(|w| {
                    w.event(tid, E::SYSCALL_PRCTL_X, |b| {
                        b.i64(0).u32(36).text("").i64(1);
                    });
                });
                self.process(pid).subreaper = true;
            }
        }
    }

    fn process(&mut self, pid: i64) -> &mut Process {
        self.processes.get_mut(&pid).unwrap()
    }

    /// The clone events of a caller and of its child.
    fn tell_clone(&mut self, code: E, of: (i64, i64), child: (i64, i64), order: [bool; 2]) {
        let ((pid, tid), (child_pid, child_tid)) = (of, child);
        let caller = &self.processes[&pid];
        let (comm, parent) = (caller.threads[&tid].clone(), caller.parent);
        let is_thread = child_pid == pid;
        let flags = if is_thread { flags::CLONE_THREAD | flags::CLONE_FILES } else { 0 };
        let (comm, ptid) = (&*comm, if is_thread { parent } else { tid });
        for of_caller in order {
            let both = CloneEvent { code, comm, flags, ..CloneEvent::default() };
            self.tell(|w| {
                if of_caller {
                    w.clone(tid, child_tid, CloneEvent { tid, pid, ptid: parent, ..both });
                } else {
                    let ids = CloneEvent { tid: child_tid, pid: child_pid, ptid, ..both };
                    w.clone(child_tid, 0, ids);
                }
            });
        }
    }

    fn fork(&mut self, pid: i64, tid: i64, caller_first: bool) {
        let Some(id) = self.free_id() else { return };
        let order = [caller_first, !caller_first];
        self.tell_clone(E::SYSCALL_CLONE_20_X, (pid, tid), (id, id), order);
        self.add_process(pid, tid, id);
    }

    fn add_process(&mut self, pid: i64, tid: i64, id: i64) {
        let parent = self.processes[&pid].clone();
        let threads = BTreeMap::from([(id, parent.threads[&tid].clone())]);
        let child = Process { parent: tid, subreaper: false, threads, ..parent };
        self.processes.insert(id, child);
    }

    /// The caller sleeps until its child has another program, so that its event comes last.
    fn vfork_exec(&mut self, pid: i64, tid: i64) {
        let Some(id) = self.free_id() else { return };
        let ids = ((pid, tid), (id, id));
        let child_only = [false, false];
        self.tell_clone(E::SYSCALL_VFORK_20_X, ids.0, ids.1, child_only);
        self.add_process(pid, tid, id);
        self.exec(id, id);
        let comm = self.processes[&pid].threads[&tid].clone();
        let ptid = self.processes[&pid].parent;
        self.tell(|w| {
            let code = E::SYSCALL_VFORK_20_X;
            w.clone(
                tid,
                id,
                CloneEvent { code, comm: &comm, tid, pid, ptid, ..Default::default() },
            );
        });
    }

    fn thread(&mut self, pid: i64, tid: i64, caller_first: bool) {
        let Some(id) = self.free_id() else { return };
        let order = [caller_first, !caller_first];
        self.tell_clone(E::SYSCALL_CLONE3_X, (pid, tid), (pid, id), order);
        let process = self.process(pid);
        let comm = process.threads[&tid].clone();
        process.threads.insert(id, comm);
    }

    /// All other threads end; whoever called goes on under the id of the process.
    fn exec(&mut self, pid: i64, tid: i64) {
        let others: Vec<i64> =
            self.processes[&pid].threads.keys().copied().filter(|&other| other != tid).collect();
        for other in others {
            self.exit_to(pid, other, tid);
        }
        let process = self.process(pid);
        let comm = format!("p{}", process.fds.len() + process.threads.len() + pid as usize);
        process.threads = BTreeMap::from([(pid, comm.clone())]);
        process.fds.retain(|_, (_, cloexec)| !*cloexec);
        let ptid = process.parent;
        self.reparent(tid, pid);
        let arrived = self.tell(|w| {
            w.exec(Exec { tid: pid, ptid, exe: &comm, ..Exec::default() });
        });
        // Whatever was lost before: who tells of itself is known.
        if let (true, Some(thread)) = (arrived, self.world.get(pid)) {
            assert_eq!(*thread.record.comm, *comm.as_bytes());
        }
    }

    fn reparent(&mut self, from: i64, to: i64) {
        for process in self.processes.values_mut().filter(|p| p.parent == from) {
            process.parent = to;
        }
    }

    fn exit(&mut self, pid: i64, tid: i64) {
        let reaper = self.reaper(pid, tid);
        self.exit_to(pid, tid, reaper);
    }

    fn exit_to(&mut self, pid: i64, tid: i64, reaper: i64) {
        let has_children = self.processes.values().any(|p| p.parent == tid);
        self.tell(|w| {
            w.exit(tid, if has_children { reaper } else { 0 });
        });
        self.reparent(tid, reaper);
        let process = self.process(pid);
        process.threads.remove(&tid);
        if process.threads.is_empty() {
            self.processes.remove(&pid);
        }
    }

    /// Who inherits a task's children: its process, else the next subreaper upwards, else init.
    fn reaper(&self, pid: i64, tid: i64) -> i64 {
        let live = |pid: i64, not: i64| {
            let threads = &self.processes.get(&pid)?.threads;
            threads.keys().copied().find(|&tid| tid != not)
        };
        if let Some(other) = live(pid, tid) {
            return other;
        }
        let mut at = self.processes[&pid].parent;
        while at > 1 {
            let Some((owner, process)) =
                self.processes.iter().find(|(_, p)| p.threads.contains_key(&at))
            else {
                break;
            };
            if process.subreaper {
                return live(*owner, 0).unwrap();
            }
            at = process.parent;
        }
        1
    }

    fn open(&mut self, pid: i64, tid: i64, cloexec: bool) {
        let fds = &self.processes[&pid].fds;
        let num = (0..).find(|num| !fds.contains_key(num)).unwrap();
        let name = format!("/file{}", self.world.ts % 1_000_003);
        self.tell(|w| {
            w.open(tid, num, &name, 1 | if cloexec { CLOEXEC } else { 0 });
        });
        self.process(pid).fds.insert(num, (name, cloexec));
    }

    /// One of the process's fds.
    fn any_fd(&self, pid: i64, which: u8) -> Option<i64> {
        let fds = &self.processes[&pid].fds;
        fds.keys().copied().nth(which as usize % fds.len().max(1))
    }

    fn dup(&mut self, pid: i64, tid: i64, which: u8) {
        let Some(from) = self.any_fd(pid, which) else { return };
        let to = from + 1;
        self.tell(|w| {
            w.event(tid, E::SYSCALL_DUP2_X, |b| {
                b.i64(to).i64(from).i64(to);
            });
        });
        let fds = &mut self.process(pid).fds;
        let name = fds[&from].0.clone();
        fds.insert(to, (name, false));
    }

    fn close(&mut self, pid: i64, tid: i64, which: u8) {
        let Some(num) = self.any_fd(pid, which) else { return };
        self.tell(|w| {
            w.close(tid, num);
        });
        self.process(pid).fds.remove(&num);
    }

    /// The tables tell what the kernel knows, and nothing else.
    fn compare(&mut self) {
        self.world.pause();
        let w = &self.world;
        let mut known = BTreeSet::new();
        for (&pid, process) in &self.processes {
            known.insert(pid);
            for (&tid, comm) in &process.threads {
                known.insert(tid);
                let t = w.thread(tid);
                assert_eq!((t.pid, t.is_main()), (pid, tid == pid), "{tid}");
                assert_eq!((t.ptid.max(0), t.record.sid), (process.parent, process.sid), "{tid}");
                assert_eq!(*t.record.comm, *comm.as_bytes(), "{tid}");
                assert_eq!(w.cwd(tid), process.cwd, "{tid}");
                assert_eq!(w.state.nthreads(t), process.threads.len() as u64, "{tid}");
                let mut fds: Vec<_> = w
                    .state
                    .fds(t)
                    .unwrap()
                    .iter()
                    .map(|(num, fd)| {
                        (num, String::from_utf8_lossy(&fd.name).into(), fd.is_close_on_exec())
                    })
                    .collect();
                fds.sort();
                let wanted = process.fds.iter().map(|(&n, (name, c))| (n, name.clone(), *c));
                assert_eq!(fds, wanted.collect::<Vec<_>>(), "{tid}");
            }
            if !process.threads.contains_key(&pid) {
                assert!(w.thread(pid).is_dead(), "{pid}");
            }
        }
        let tabled: BTreeSet<i64> = w.state.threads().map(|t| t.tid).collect();
        assert_eq!(tabled, known);
    }

    /// What holds whatever was lost (beside what [`super::super::threads::Threads::check`] asks
    /// after every event).
    fn check_soundness(&self) {
        let state = &self.world.state;
        for thread in state.threads().filter(|t| !t.is_placeholder()) {
            let parent = state.thread(thread.ptid);
            let orphan = thread.ptid <= 0 || thread.pid == 1;
            assert!(parent.is_some() || orphan, "{} without {}", thread.tid, thread.ptid);
            // Who shares fds shares them with its own process.
            if thread.flags & flags::CLONE_FILES != 0 {
                let main = state.main_thread(thread);
                assert!(main.is_none_or(|main| main.pid == thread.pid), "{}", thread.tid);
                assert!(thread.fds.is_empty() || thread.is_main(), "{}", thread.tid);
            }
        }
        // Besides those of the kernel there are placeholders for callers and parents.
        assert!(state.threads().count() <= IDS.count() + 3);
        assert!(state.stats().n_bytes as usize <= state.limits().max_bytes);
    }
}
