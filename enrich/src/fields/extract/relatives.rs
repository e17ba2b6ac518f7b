//! Fields of parents and further ancestors.

use falco_rules::value::Value;

use super::process::{args, cmdline, joined, variable};
use super::{int, made, text, uint};
use crate::context::Context;
use crate::fields::Argument;
use crate::fields::table::Process;
use crate::record::ProcessRecord;
use crate::thread::Thread;

/// Generations that `proc.aenv[NAME]` climbs.
const ENV_GENERATIONS: usize = 20;

impl<'a> Context<'a> {
    pub(super) fn relative(
        &self,
        thread: &'a Thread,
        field: Process,
        arg: &'a Argument,
    ) -> Option<Value<'a>> {
        match field {
            Process::Pname => text(&self.state.parent(thread)?.record.comm),
            Process::Pexe => text(&self.state.parent(thread)?.record.exe),
            Process::Pexepath => text(&self.state.parent(thread)?.record.exepath),
            Process::Pcmdline => text(cmdline(&self.state.parent(thread)?.record)),
            Process::Ppid => self.visible_id(self.state.parent(thread)?.pid),
            Process::Pvpid => int(self.state.thread(thread.ptid)?.record.vpid),
            Process::PpidTs => uint(self.state.thread(thread.ptid)?.record.clone_ts),
            Process::PpidDuration => match self.state.parent(thread)?.record.clone_ts {
                // Falco falls through to the next field, the number of open fds.
                0 => uint(self.state.fd_open_count(thread) as u64),
                clone_ts => uint(self.event.ts().wrapping_sub(clone_ts)),
            },
            Process::Aname => self.ancestor_text(thread, arg, |r| &r.comm),
            Process::Aexe => self.ancestor_text(thread, arg, |r| &r.exe),
            Process::Aexepath => self.ancestor_text(thread, arg, |r| &r.exepath),
            Process::Acmdline => self.ancestor_text(thread, arg, cmdline),
            Process::Aargs => self.ancestor_text(thread, arg, args),
            Process::Apid => {
                let n = if let Argument::Index(n) = arg { *n } else { 0 };
                self.visible_id(self.ancestor(thread, n)?.pid)
            }
            Process::Aenv => self.ancestor_env(thread, arg),
            Process::Loginshellid => self.login_shell(thread),
            _ => None,
        }
    }

    /// Offers what a bare ancestor field compares: ancestor after ancestor, the nearest first.
    pub(super) fn any_ancestor(
        &self,
        field: Process,
        test: &mut dyn FnMut(&Value<'_>) -> bool,
    ) -> bool {
        let main = self.thread.and_then(|thread| self.state.main_thread(thread));
        let Some(main) = main else { return false };
        self.state.ancestors(main).any(|ancestor| {
            let record = &*ancestor.record;
            let value = match field {
                Process::Aname => text(&record.comm),
                Process::Aexe => text(&record.exe),
                Process::Aexepath => text(&record.exepath),
                Process::Acmdline => text(cmdline(record)),
                Process::Apid => int(ancestor.pid),
                Process::Aenv => made(joined(self.state.env(ancestor))),
                _ => None,
            };
            value.is_some_and(|value| test(&value))
        })
    }

    /// The main thread of the `n`th process upwards.
    fn ancestor(&self, thread: &'a Thread, n: i64) -> Option<&'a Thread> {
        let n = u32::try_from(n).ok()?;
        // No chain is longer than the table; parents that form a circle would be.
        if n as usize > self.state.limits().max_threads {
            return None;
        }
        self.state.ancestor(thread, n)
    }

    /// A text of ancestor `[N]`, or of all ancestors joined by blanks.
    fn ancestor_text(
        &self,
        thread: &'a Thread,
        arg: &Argument,
        part: fn(&'a ProcessRecord) -> &'a [u8],
    ) -> Option<Value<'a>> {
        if let &Argument::Index(n) = arg {
            return text(part(&self.ancestor(thread, n)?.record));
        }
        let mut all = Vec::new();
        for ancestor in self.state.ancestors(self.state.main_thread(thread)?) {
            if !all.is_empty() {
                all.push(b' ');
            }
            all.extend_from_slice(part(&ancestor.record));
        }
        if all.is_empty() { None } else { made(all) }
    }

    /// `proc.aenv`: bare or `[0]` the thread's own environment, `[N]` that of the `N`th parent,
    /// `[NAME]` the nearest ancestor's variable.
    fn ancestor_env(&self, thread: &'a Thread, arg: &Argument) -> Option<Value<'a>> {
        let own = |thread| made(joined(self.state.env(thread)));
        match arg {
            &Argument::Index(n) if n > 0 => {
                let Some(mut at) = self.state.main_thread(thread) else { return text(b"") };
                let limit = self.state.limits().max_threads as i64;
                for _ in 0..(n <= limit).then_some(n)? {
                    at = self.state.thread(at.ptid)?;
                }
                own(at)
            }
            Argument::Key(name) => {
                let Some(main) = self.state.main_thread(thread) else { return text(b"") };
                let ancestors = self.state.ancestors(main).take(ENV_GENERATIONS);
                let mut values = ancestors.map(|a| variable(self.state.env(a), name));
                text(values.find(|value| !value.is_empty()).unwrap_or_default())
            }
            _ => own(thread),
        }
    }

    /// The pid of the highest ancestor, or the process itself, whose name ends in `sh`.
    fn login_shell(&self, thread: &'a Thread) -> Option<Value<'a>> {
        let main = self.state.main_thread(thread)?;
        let family = std::iter::once(main).chain(self.state.ancestors(main));
        let shell = family.filter(|thread| thread.record.comm.ends_with(b"sh")).last()?;
        int(shell.pid)
    }
}
