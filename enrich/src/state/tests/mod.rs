//! Stories: sequences of events and what they must leave behind.

mod calls;
mod churn;
mod creds;
mod files;
mod kernel;
mod live;
mod network;
mod process;
mod random;

use falco_event::{EventBuilder, EventCode};
use falco_source::Snapshot;
use falco_source::snapshot;

use super::{Current, Limits, State};
use crate::fd::Fd;
use crate::thread::{Thread, flags};

/// A machine on which things happen, one each millisecond.
struct World {
    state: State,
    builder: EventBuilder,
    ts: u64,
    last: Option<Current>,
}

/// What a clone event says, apart from its result.
#[derive(Clone, Copy)]
struct Clone<'a> {
    code: EventCode,
    tid: i64,
    pid: i64,
    ptid: i64,
    vtid: i64,
    vpid: i64,
    comm: &'a str,
    args: &'a str,
    cgroups: &'a str,
    flags: u32,
}

impl Default for Clone<'_> {
    fn default() -> Self {
        Clone {
            code: EventCode::SYSCALL_CLONE_20_X,
            tid: 0,
            pid: 0,
            ptid: 1,
            vtid: -2,
            vpid: -2,
            comm: "sh",
            args: "",
            cgroups: "cpu=/\0",
            flags: 0,
        }
    }
}

/// What an exec event says.
#[derive(Clone, Copy)]
struct Exec<'a> {
    tid: i64,
    ptid: i64,
    exe: &'a str,
    args: &'a str,
    env: &'a str,
    cgroups: &'a str,
    path: &'a str,
}

impl Default for Exec<'_> {
    fn default() -> Self {
        Exec { tid: 0, ptid: 1, exe: "true", args: "", env: "", cgroups: "cpu=/\0", path: "" }
    }
}

impl World {
    /// A host with an init (1) and a shell (10) in /root.
    fn new() -> Self {
        let mut state = State::new(Limits::default());
        let thread = |tid, ptid, comm: &str| snapshot::Thread {
            tid,
            pid: tid,
            ptid,
            vtid: tid,
            vpid: tid,
            sid: tid,
            comm: comm.into(),
            exe: comm.into(),
            exepath: format!("/bin/{comm}").into(),
            cwd: b"/root".to_vec(),
            env: b"HOME=/root\0".to_vec(),
            fdlimit: 1024,
            ..snapshot::Thread::default()
        };
        state.restore(&Snapshot {
            machine: Some(snapshot::Machine { boot_ts: 1000, ..Default::default() }),
            threads: vec![thread(10, 1, "sh"), thread(1, 0, "init")],
            fds: vec![(
                10,
                vec![snapshot::Fd {
                    num: 0,
                    ino: 5,
                    kind: snapshot::FdKind::File {
                        name: b"/dev/tty1".to_vec(),
                        open_flags: 3,
                        dev: 7,
                    },
                }],
            )],
            ..Snapshot::default()
        });
        World { state, builder: EventBuilder::new(), ts: 1_000_000_000, last: None }
    }

    /// Lets an event happen whose parameters `fill` appends.
    fn event(
        &mut self,
        tid: i64,
        code: EventCode,
        fill: impl FnOnce(&mut EventBuilder),
    ) -> Current {
        self.ts += 1_000_000;
        self.builder.start(self.ts, tid, code);
        fill(&mut self.builder);
        let event = self.builder.finish(0, 0).unwrap();
        let current = self.state.process(&event);
        self.state.threads.check();
        self.last = Some(current);
        current
    }

    /// An event that changes nothing but lets the one before take its full effect.
    fn pause(&mut self) {
        self.event(1, EventCode::GENERIC_X, |b| {
            b.u16(1).u16(1);
        });
    }

    fn clone(&mut self, event_tid: i64, res: i64, c: Clone<'_>) -> Current {
        let or = |v: i64, default: i64| if v == -2 { default } else { v };
        self.event(event_tid, c.code, |b| {
            b.i64(res).text(c.comm).bytes(c.args.as_bytes());
            b.i64(c.tid).i64(c.pid).i64(c.ptid).text("").i64(1024);
            b.u64(0).u64(0).u32(100).u32(50).u32(0).text(c.comm).bytes(c.cgroups.as_bytes());
            b.u32(c.flags).u32(0).u32(0);
            b.i64(or(c.vtid, c.tid)).i64(or(c.vpid, c.pid)).u64(77);
        })
    }

    /// A process forks, as the caller and then the child tell it.
    fn fork(&mut self, parent: i64, child: i64) {
        let pid = self.thread(parent).pid;
        self.clone(parent, child, Clone { tid: parent, pid, ..Clone::default() });
        self.clone(child, 0, Clone { tid: child, pid: child, ptid: parent, ..Clone::default() });
    }

    /// A process makes a thread.
    fn thread_of(&mut self, pid: i64, tid: i64) {
        let flags = flags::CLONE_THREAD | flags::CLONE_FILES;
        self.clone(pid, tid, Clone { tid: pid, pid, flags, ..Clone::default() });
    }

    fn exec(&mut self, e: Exec<'_>) -> Current {
        self.event(e.tid, EventCode::SYSCALL_EXECVE_19_X, |b| {
            b.i64(0).text(e.exe).bytes(e.args.as_bytes());
            b.i64(e.tid).i64(e.tid).i64(e.ptid).text("").u64(1024);
            b.u64(0).u64(0).u32(200).u32(150).u32(0).text(e.exe).bytes(e.cgroups.as_bytes());
            b.bytes(e.env.as_bytes()).u32(34816).i64(e.tid).u32(1000).u32(1 | 4);
            b.u64(0).u64(3).u64(7).u64(99).u64(5_000).u64(6_000).u32(0);
            b.text(e.path).i64(e.tid).u32(0).text("f");
        })
    }

    fn exit(&mut self, tid: i64, reaper: i64) -> Current {
        self.event(tid, EventCode::PROCEXIT_1_E, |b| {
            b.i64(0).i64(0).u8(0).u8(0).i64(reaper);
        })
    }

    fn open(&mut self, tid: i64, fd: i64, name: &str, flags: u32) -> Current {
        self.event(tid, EventCode::SYSCALL_OPEN_X, |b| {
            b.i64(fd).text(name).u32(flags).u32(0).u32(9).u64(44);
        })
    }

    fn close(&mut self, tid: i64, fd: i64) -> Current {
        self.event(tid, EventCode::SYSCALL_CLOSE_X, |b| {
            b.i64(0).i64(fd);
        })
    }

    fn get(&self, tid: i64) -> Option<&Thread> {
        self.state.thread(tid)
    }

    fn thread(&self, tid: i64) -> &Thread {
        self.get(tid).unwrap_or_else(|| panic!("no thread {tid}"))
    }

    fn fd(&self, tid: i64, num: i64) -> Option<&Fd> {
        self.state.fd(self.thread(tid), num)
    }

    fn fd_name(&self, tid: i64, num: i64) -> Option<String> {
        Some(String::from_utf8_lossy(&self.fd(tid, num)?.name).into())
    }

    /// Name of the fd that the last event is about.
    fn event_fd_name(&self) -> Option<String> {
        let fd = self.state.event_fd(&self.last?)?;
        Some(String::from_utf8_lossy(&fd.name).into())
    }

    fn cwd(&self, tid: i64) -> String {
        String::from_utf8_lossy(self.state.cwd(self.thread(tid))).into()
    }
}
