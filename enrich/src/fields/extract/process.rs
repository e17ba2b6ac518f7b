//! Class `process`: the thread's own record. Ancestors and leaders are in `relatives`.

use falco_event::EventCode;
use falco_rules::value::Value;

use super::{boolean, int, made, text, uint, unless_zero};
use crate::context::Context;
use crate::fields::Argument;
use crate::fields::extract::fd;
use crate::fields::table::Process;
use crate::record::ProcessRecord;
use crate::render::names;
use crate::state::LeaderOf;
use crate::thread::Thread;

impl<'a> Context<'a> {
    #[inline]
    pub(super) fn process(&self, field: Process, arg: &'a Argument) -> Option<Value<'a>> {
        match field {
            Process::Name => text(&self.thread?.record.comm),
            Process::Exe => text(&self.thread?.record.exe),
            Process::Exepath => text(&self.thread?.record.exepath),
            Process::Cmdline => text(cmdline(&self.thread?.record)),
            Process::Args => text(match arg {
                &Argument::Index(n) => one_arg(&self.thread?.record, n),
                _ => args(&self.thread?.record),
            }),
            Process::Tty => uint(self.thread?.record.tty),
            Process::ThreadTid => self.visible_id(self.event.tid()),
            Process::ThreadExectime | Process::ThreadTotexectime => self.exec_time(field, arg),
            _ => self.rarer_process_field(self.thread?, field, arg),
        }
    }

    /// The others, out of line so that the common ones stay small where they are inlined.
    #[inline(never)]
    fn rarer_process_field(
        &self,
        thread: &'a Thread,
        field: Process,
        arg: &'a Argument,
    ) -> Option<Value<'a>> {
        let record = &*thread.record;
        let own_if_main = |n: u32| if thread.is_main() { u64::from(n) } else { 0 };
        match field {
            Process::Name
            | Process::Exe
            | Process::Exepath
            | Process::Cmdline
            | Process::Args
            | Process::Tty
            | Process::ThreadTid
            | Process::ThreadExectime
            | Process::ThreadTotexectime => self.process(field, arg),

            Process::Cmdnargs => uint(each_arg(record).count() as u64),
            Process::Cmdlenargs => uint(each_arg(record).map(|arg| arg.len() as u64).sum::<u64>()),
            Process::Exeline => made([&record.exe[..], b" ", args(record)].concat()),
            Process::Env => match arg {
                Argument::Key(name) => text(variable(self.state.env(thread), name)),
                _ => made(joined(self.state.env(thread))),
            },
            Process::Cwd => text(self.state.cwd(thread)),
            Process::Pid => self.visible_id(thread.pid),
            Process::Vpid => (record.vpid != -1).then_some(Value::Int(record.vpid)),
            Process::ThreadVtid => (record.vtid != -1).then_some(Value::Int(record.vtid)),
            Process::Sid => int(record.sid),
            Process::Vpgid => int(record.vpgid),
            Process::Pgid => int(record.pgid),
            Process::IsSidLeader => boolean(record.sid == record.vpid),
            Process::IsVpgidLeader => boolean(record.vpgid == record.vpid),
            Process::IsPgidLeader => boolean(record.pgid == thread.pid),
            Process::ThreadIsmain => boolean(thread.is_main()),
            Process::ThreadNametid => {
                made([&record.comm[..], self.event.tid().to_string().as_bytes()].concat())
            }

            Process::Duration => match record.clone_ts {
                0 => None,
                clone_ts => uint(self.event.ts().wrapping_sub(clone_ts)),
            },
            Process::PidTs => unless_zero(record.clone_ts),
            Process::PidnsInitStartTs => unless_zero(record.pidns_init_start_ts),
            Process::ExeIno => (record.exe_ino != 0).then_some(Value::Int(record.exe_ino as i64)),
            Process::ExeInoCtime => unless_zero(record.exe_ino_ctime),
            Process::ExeInoMtime => unless_zero(record.exe_ino_mtime),
            Process::ExeInoCtimeDurationProcStart => {
                unless_zero(record.exe_ino_ctime_duration_clone_ts)
            }
            Process::ExeInoCtimeDurationPidnsStart => {
                unless_zero(record.exe_ino_ctime_duration_pidns_start)
            }
            Process::IsExeWritable => boolean(record.exe_writable),
            Process::IsExeUpperLayer => boolean(record.exe_upper_layer),
            Process::IsExeLowerLayer => boolean(record.exe_lower_layer),
            Process::IsExeFromMemfd => boolean(record.exe_from_memfd),
            Process::ThreadCapPermitted => made(names::capabilities(record.cap_permitted)),
            Process::ThreadCapInheritable => made(names::capabilities(record.cap_inheritable)),
            Process::ThreadCapEffective => made(names::capabilities(record.cap_effective)),

            Process::Fdopencount => uint(self.state.fd_open_count(thread) as u64),
            Process::Fdlimit => int(self.state.fd_limit(thread)),
            Process::Fdusage => Some(Value::Double(self.fd_usage(thread))),
            Process::StdinType => fd_type(self, thread, 0),
            Process::StdoutType => fd_type(self, thread, 1),
            Process::StderrType => fd_type(self, thread, 2),
            Process::StdinName => fd_name(self, thread, 0),
            Process::StdoutName => fd_name(self, thread, 1),
            Process::StderrName => fd_name(self, thread, 2),

            Process::Vmsize => uint(thread.vmsize_kb),
            Process::Vmrss => uint(thread.vmrss_kb),
            Process::Vmswap => uint(thread.vmswap_kb),
            Process::ThreadVmsize => uint(own_if_main(thread.vmsize_kb)),
            Process::ThreadVmrss => uint(own_if_main(thread.vmrss_kb)),
            Process::ThreadVmsizeB => uint(own_if_main(thread.vmsize_kb) * 1024),
            Process::ThreadVmrssB => uint(own_if_main(thread.vmrss_kb) * 1024),
            Process::ThreadPfmajor => uint(thread.pfmajor),
            Process::ThreadPfminor => uint(thread.pfminor),
            Process::Nthreads => uint(self.state.nthreads(thread)),
            Process::Nchilds => uint(self.state.nchilds(thread)),
            Process::ThreadCpu | Process::ThreadCpuUser | Process::ThreadCpuSystem => {
                self.cpu_usage(thread, field, arg)
            }
            Process::ThreadCgroups => match &*record.cgroups {
                [] => None,
                cgroups => made(joined(cgroups)),
            },
            Process::ThreadCgroup => {
                let Argument::Key(subsystem) = arg else { return None };
                let path = entries(&record.cgroups)
                    .find_map(|cgroup| cgroup.strip_prefix(&**subsystem)?.strip_prefix(b"="));
                text(path?)
            }

            Process::Sname => text(self.leader_record(LeaderOf::Session, |r| &r.comm)),
            Process::SidExe => text(self.leader_record(LeaderOf::Session, |r| &r.exe)),
            Process::SidExepath => text(self.leader_record(LeaderOf::Session, |r| &r.exepath)),
            Process::VpgidName => {
                text(self.leader_record(LeaderOf::VirtualProcessGroup, |r| &r.comm))
            }
            Process::VpgidExe => {
                text(self.leader_record(LeaderOf::VirtualProcessGroup, |r| &r.exe))
            }
            Process::VpgidExepath => {
                text(self.leader_record(LeaderOf::VirtualProcessGroup, |r| &r.exepath))
            }
            Process::PgidName => text(self.leader_record(LeaderOf::ProcessGroup, |r| &r.comm)),
            Process::PgidExe => text(self.leader_record(LeaderOf::ProcessGroup, |r| &r.exe)),
            Process::PgidExepath => {
                text(self.leader_record(LeaderOf::ProcessGroup, |r| &r.exepath))
            }

            Process::Pexe
            | Process::Aexe
            | Process::Pexepath
            | Process::Aexepath
            | Process::Pname
            | Process::Aname
            | Process::Aargs
            | Process::Pcmdline
            | Process::Acmdline
            | Process::Aenv
            | Process::Loginshellid
            | Process::Ppid
            | Process::Apid
            | Process::Pvpid
            | Process::PpidDuration
            | Process::PpidTs => self.relative(thread, field, arg),
        }
    }

    /// Ids that a source made up for want of real ones are not shown.
    pub(super) fn visible_id(&self, id: i64) -> Option<Value<'a>> {
        (-1..=i64::from(u32::MAX)).contains(&id).then_some(Value::Int(id))
    }

    fn fd_usage(&self, thread: &Thread) -> f64 {
        let open = self.state.fd_open_count(thread) as u64;
        match u64::try_from(self.state.fd_limit(thread)) {
            Err(_) | Ok(0) => 0.0,
            Ok(limit) if open > limit => 100.0,
            Ok(limit) => (open as f64 * 100.0) / limit as f64,
        }
    }

    /// `thread.exectime`, `thread.totexectime`: time since the CPU's last switch.
    fn exec_time(&self, field: Process, arg: &Argument) -> Option<Value<'a>> {
        let Argument::Memory(memory) = arg else { return None };
        let is_switch = self.event.code() == EventCode::SCHEDSWITCH_6_E;
        let answer = memory.answer(self.current.num, |m| {
            let mut time = 0;
            if is_switch {
                time = m.since_switch(self.event.cpu(), self.event.ts());
            }
            if field == Process::ThreadTotexectime {
                time = m.add(self.thread?.tid, time);
            }
            Some(time)
        });
        answer.map(Value::Uint)
    }

    /// `thread.cpu*`: what process information events tell, at most 100.
    fn cpu_usage(&self, thread: &Thread, field: Process, arg: &Argument) -> Option<Value<'a>> {
        let Argument::Memory(memory) = arg else { return None };
        if self.event.code() != EventCode::PROCINFO_E {
            return None;
        }
        let (user, system) = (self.event.u64(0).unwrap_or(0), self.event.u64(1).unwrap_or(0));
        let now = match field {
            Process::ThreadCpuUser => user,
            Process::ThreadCpuSystem => system,
            _ => user.wrapping_add(system),
        };
        let used = memory.answer(self.current.num, |m| {
            let last = m.replace(thread.tid, now);
            Some(if last == 0 { 0 } else { now.wrapping_sub(last).min(100) })
        });
        used.map(|used| Value::Double(used as f64))
    }

    /// A text of the record of a session's or group's leader; empty if the leader is not known.
    fn leader_record(&self, of: LeaderOf, part: fn(&'a ProcessRecord) -> &'a [u8]) -> &'a [u8] {
        let leader = self.thread.and_then(|thread| self.state.leader(thread, of));
        leader.map_or(b"", |leader| part(&leader.record))
    }
}

/// `comm` and arguments, joined once a record.
pub(super) fn cmdline(record: &ProcessRecord) -> &[u8] {
    record.cmdline.get_or_init(|| {
        let mut line = record.comm.to_vec();
        for arg in each_arg(record) {
            line.push(b' ');
            line.extend_from_slice(arg);
        }
        line.into()
    })
}

/// The arguments joined by blanks: the tail of the command line.
pub(super) fn args(record: &ProcessRecord) -> &[u8] {
    let line = cmdline(record);
    let joined = record.args.strip_suffix(b"\0").unwrap_or(&record.args);
    line.get(line.len().saturating_sub(joined.len())..).unwrap_or_default()
}

fn each_arg(record: &ProcessRecord) -> impl Iterator<Item = &[u8]> {
    entries(&record.args)
}

/// One argument, counted from `argv[1]`; empty if there is no such one.
fn one_arg(record: &ProcessRecord, n: i64) -> &[u8] {
    let n = usize::try_from(n).ok();
    n.and_then(|n| each_arg(record).nth(n)).unwrap_or_default()
}

/// The entries of a list in which each is followed by a NUL.
pub(super) fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let list = list.strip_suffix(b"\0").map_or((!list.is_empty()).then_some(list), Some);
    list.into_iter().flat_map(|list| list.split(|&b| b == 0))
}

/// The entries of such a list, joined by blanks.
pub(super) fn joined(list: &[u8]) -> Vec<u8> {
    let list = list.strip_suffix(b"\0").unwrap_or(list);
    list.iter().map(|&b| if b == 0 { b' ' } else { b }).collect()
}

/// The value of an environment variable without the blanks around it; empty if it is not set.
pub(super) fn variable<'e>(env: &'e [u8], name: &[u8]) -> &'e [u8] {
    let value = |entry: &'e [u8]| entry.strip_prefix(name)?.strip_prefix(b"=");
    let value = entries(env).filter_map(value).find(|value| !value.is_empty()).unwrap_or_default();
    let start = value.iter().position(|&b| b != b' ').unwrap_or(value.len());
    let end = value.iter().rposition(|&b| b != b' ').map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

fn fd_type<'a>(ctx: &Context<'a>, thread: &'a Thread, num: i64) -> Option<Value<'a>> {
    text(fd::type_name(ctx.state.fd(thread, num)?.ty))
}

fn fd_name<'a>(ctx: &Context<'a>, thread: &'a Thread, num: i64) -> Option<Value<'a>> {
    text(&ctx.state.fd(thread, num)?.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_their_empty_entries() {
        let count = |list: &[u8]| entries(list).count();
        assert_eq!((count(b""), count(b"\0"), count(b"a\0"), count(b"a\0\0b\0")), (0, 1, 1, 3));
        assert_eq!(joined(b"a\0\0b\0"), b"a  b");
    }

    #[test]
    fn variables_are_trimmed_and_unset_ones_empty() {
        let env = b"PATH=/bin\0A= x y \0EMPTY=\0BLANK=  \0PATHX=no\0";
        assert_eq!(variable(env, b"PATH"), b"/bin");
        assert_eq!(variable(env, b"A"), b"x y");
        for unset in [&b"EMPTY"[..], b"BLANK", b"NONE", b"PAT"] {
            assert_eq!(variable(env, unset), b"");
        }
    }
}
