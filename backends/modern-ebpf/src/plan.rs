//! What must be loaded, and hung on what, so that the wanted calls are seen. Nothing here touches the
//! kernel.

use std::collections::BTreeSet;

use falco_event::Syscall;
use falco_event::native::x86_64_number_of_compat;

use crate::coverage::Attachment;
use crate::shared::{SYSCALLS, WANTED_COMPAT, WANTED_NATIVE};

/// The program for calls that have none of their own.
const GENERIC: &str = "generic_exit";

/// The number of `socketcall(2)`, the one call for all that is about sockets that old 32-bit programs
/// make.
const COMPAT_SOCKETCALL: usize = 102;

/// Where a program is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Tracepoint(&'static str),
    Entry(String),
    Exit(String),
}

/// A table of programs that a dispatcher jumps through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Exits,
    Enters,
}

impl Table {
    /// The name of the map.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Table::Exits => "exits",
            Table::Enters => "enters",
        }
    }
}

/// What is missing without a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The events of its calls.
    Events,
    /// A form of them: enter events, or calls of 32-bit programs.
    Form,
}

/// One program to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its name in the probe.
    pub(crate) program: String,
    pub(crate) hook: Hook,
    /// Where a dispatcher finds it, by system call number; it is attached itself if nowhere.
    pub(crate) table: Option<(Table, Vec<u32>)>,
    /// The calls that it is for, by portable id.
    pub(crate) calls: Vec<u16>,
    pub(crate) role: Role,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Values of the map `wanted`, by number.
    pub(crate) wanted: Vec<u8>,
    /// Every wanted call that this architecture has, by id.
    pub(crate) calls: BTreeSet<u16>,
    /// Those of them that this kernel has not.
    pub(crate) missing: BTreeSet<u16>,
}

/// The tracepoints that have programs of their own, with the calls for whose sake they are attached.
const TRACEPOINTS: [(&str, &[&str]); 7] = [
    ("sched_process_exec", &["execve", "execveat"]),
    ("sched_process_fork", &["clone", "clone3", "fork", "vfork"]),
    ("sched_process_exit", &["sched_process_exit"]),
    ("sched_switch", &["sched_switch"]),
    ("page_fault_user", &["page_fault_user"]),
    ("page_fault_kernel", &["page_fault_kernel"]),
    ("signal_deliver", &["signal_deliver"]),
];

/// The tracepoints that programs can be attached to.
pub(crate) fn tracepoints() -> impl Iterator<Item = &'static str> {
    TRACEPOINTS.iter().map(|(name, _)| *name).chain(["sys_exit", "sys_enter"])
}

/// The names of all functions that the wanted calls can have; a kernel has some of them.
pub(crate) fn functions(wanted: &[u16]) -> Vec<String> {
    let calls = calls(&wanted.iter().copied().collect());
    let native = calls.iter().flat_map(|call| native_functions(call.name));
    let shared = compat_numbers();
    let compat = calls.iter().filter(|call| shared.contains(&call.number));
    let compat = compat.flat_map(|call| compat_functions(call.name));
    native.chain(compat).collect()
}

/// A wanted call of this architecture.
struct Call {
    number: u32,
    id: u16,
    name: &'static str,
}

impl Plan {
    /// Plans for `wanted` calls. `has_program` tells what the probe has, `has_function` what the
    /// kernel has.
    pub(crate) fn new(
        wanted: &[u16],
        attachment: Attachment,
        has_program: impl Fn(&str) -> bool,
        has_function: impl Fn(&str) -> bool,
    ) -> Self {
        let wanted: BTreeSet<u16> = wanted.iter().copied().collect();
        let mut plan = Plan { wanted: vec![0; SYSCALLS as usize], ..Plan::default() };
        let calls = calls(&wanted);
        plan.want(&calls);
        match attachment {
            Attachment::SysExit => plan.dispatch(&calls, &has_program),
            Attachment::PerSyscall => plan.hang_on_functions(&calls, &has_program, &has_function),
        }
        plan.add_tracepoints(&wanted, &has_program);
        plan
    }

    /// Fills the table of wanted numbers.
    fn want(&mut self, calls: &[Call]) {
        let socket = calls.iter().any(|call| SOCKET_CALLS.contains(&call.name));
        for call in calls {
            self.calls.insert(call.id);
            self.wanted[call.number as usize] |= WANTED_NATIVE;
        }
        for number in 0..SYSCALLS as u16 {
            let native = x86_64_number_of_compat(number);
            if native.is_some_and(|native| calls.iter().any(|call| call.number == native.into())) {
                self.wanted[usize::from(number)] |= WANTED_COMPAT;
            }
        }
        if socket {
            self.wanted[COMPAT_SOCKETCALL] |= WANTED_COMPAT;
        }
    }

    /// One dispatcher for all exits, and one for the few enters, if there are any.
    fn dispatch(&mut self, calls: &[Call], has_program: &impl Fn(&str) -> bool) {
        let (mut exits, mut enters, mut generic) = (Vec::new(), Vec::new(), Vec::new());
        for call in calls {
            let exit = format!("{}_exit", call.name);
            if has_program(&exit) {
                exits.push(entry(exit, Table::Exits, &[call], Role::Events));
            } else {
                generic.push(call);
            }
            let enter = format!("{}_enter", call.name);
            if has_program(&enter) {
                enters.push(entry(enter, Table::Enters, &[call], Role::Form));
            }
        }
        if !generic.is_empty() {
            exits.push(entry(GENERIC.to_owned(), Table::Exits, &generic, Role::Events));
        }
        for (dispatcher, entries) in [("sys_exit", exits), ("sys_enter", enters)] {
            let Some(first) = entries.first() else { continue };
            self.steps.push(Step {
                program: dispatcher.to_owned(),
                hook: first.hook.clone(),
                table: None,
                calls: entries.iter().flat_map(|step| step.calls.clone()).collect(),
                role: first.role,
            });
            self.steps.extend(entries);
        }
    }

    /// A program at the function of each call.
    fn hang_on_functions(
        &mut self,
        calls: &[Call],
        has_program: &impl Fn(&str) -> bool,
        has_function: &impl Fn(&str) -> bool,
    ) {
        let shared = compat_numbers();
        for call in calls {
            // Nothing can hang at the end of a function that has none, and nothing is missed there.
            if NEVER_RETURN.contains(&call.name) {
                continue;
            }
            let Some(function) = native_functions(call.name).into_iter().find(|f| has_function(f))
            else {
                self.missing.insert(call.id);
                continue;
            };
            let compat = match shared.contains(&call.number) {
                true => compat_functions(call.name),
                false => Vec::new(),
            };
            let compat = compat.into_iter().filter(|function| has_function(function));
            let exit = format!("{}_exit", call.name);
            let exit = if has_program(&exit) { exit } else { GENERIC.to_owned() };
            let enter = Some(format!("{}_enter", call.name)).filter(|enter| has_program(enter));
            let hooks = std::iter::once((function, Role::Events))
                .chain(compat.map(|function| (function, Role::Form)));
            for (function, role) in hooks {
                let step = |program: &str, hook, role| Step {
                    program: program.to_owned(),
                    hook,
                    table: None,
                    calls: vec![call.id],
                    role,
                };
                self.steps.push(step(&exit, Hook::Exit(function.clone()), role));
                if let Some(enter) = &enter {
                    self.steps.push(step(enter, Hook::Entry(function), Role::Form));
                }
            }
        }
    }

    fn add_tracepoints(&mut self, wanted: &BTreeSet<u16>, has_program: &impl Fn(&str) -> bool) {
        for (tracepoint, calls) in TRACEPOINTS {
            let ids = calls.iter().filter_map(|name| Syscall::by_name(name)).map(|call| call.id);
            let calls: Vec<u16> = ids.filter(|id| wanted.contains(id)).collect();
            if calls.is_empty() || !has_program(tracepoint) {
                continue;
            }
            self.calls.extend(&calls);
            self.steps.push(Step {
                program: tracepoint.to_owned(),
                hook: Hook::Tracepoint(tracepoint),
                table: None,
                calls,
                role: Role::Events,
            });
        }
    }
}

fn entry(program: String, table: Table, calls: &[&Call], role: Role) -> Step {
    let hook = match table {
        Table::Exits => Hook::Tracepoint("sys_exit"),
        Table::Enters => Hook::Tracepoint("sys_enter"),
    };
    Step {
        program,
        hook,
        table: Some((table, calls.iter().map(|call| call.number).collect())),
        calls: calls.iter().map(|call| call.id).collect(),
        role,
    }
}

/// The calls of x86_64 that are wanted, by number.
fn calls(wanted: &BTreeSet<u16>) -> Vec<Call> {
    let all = (0..SYSCALLS as u16).filter_map(|number| {
        let call = Syscall::by_x86_64_number(number)?;
        Some(Call { number: number.into(), id: call.id, name: call.name })
    });
    all.filter(|call| wanted.contains(&call.id)).collect()
}

/// The calls, by 64-bit number, that 32-bit programs can make, too. A kernel has functions for more,
/// which nobody calls.
fn compat_numbers() -> BTreeSet<u32> {
    let numbers = (0..SYSCALLS as u16).filter_map(x86_64_number_of_compat).map(u32::from);
    let sockets = SOCKET_CALLS.iter().filter_map(|name| {
        let number = |number| Syscall::by_x86_64_number(number).is_some_and(|c| c.name == *name);
        (0..SYSCALLS as u16).find(|&n| number(n)).map(u32::from)
    });
    numbers.chain(sockets).collect()
}

/// The calls that end the thread that makes them: no exit of theirs is ever seen, however one looks.
const NEVER_RETURN: [&str; 2] = ["exit", "exit_group"];

/// The calls that `socketcall(2)` makes.
const SOCKET_CALLS: [&str; 18] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// The kernel's function of a call, without its prefix (Linux `syscall_64.tbl`, last column).
fn function_of(call: &str) -> &str {
    match call {
        "stat" => "newstat",
        "fstat" => "newfstat",
        "lstat" => "newlstat",
        "uname" => "newuname",
        "umount2" => "umount",
        "sendfile" => "sendfile64",
        _ => call,
    }
}

/// What the function of a call by 64-bit programs can be called; the first that exists is it.
fn native_functions(call: &str) -> Vec<String> {
    let mut names = vec![format!("__x64_sys_{}", function_of(call))];
    if WITHOUT_ARGUMENTS.contains(&call) {
        names.push(format!("__do_sys_{call}"));
    }
    names
}

/// Calls without arguments. One function serves all callers, under several names of which BTF may tell
/// the innermost alone (Linux `arch/x86/include/asm/syscall_wrapper.h`, `SYSCALL_DEFINE0`).
const WITHOUT_ARGUMENTS: [&str; 18] = [
    "fork",
    "getegid",
    "geteuid",
    "getgid",
    "getpgrp",
    "getpid",
    "getppid",
    "gettid",
    "getuid",
    "inotify_init",
    "munlockall",
    "pause",
    "restart_syscall",
    "sched_yield",
    "setsid",
    "sync",
    "vfork",
    "vhangup",
];

/// What the functions of the same call for 32-bit programs can be called; a kernel has one or two of
/// them, or none (Linux `syscall_32.tbl`).
fn compat_functions(call: &str) -> Vec<String> {
    let function = function_of(call);
    let mut names = Vec::new();
    if WITHOUT_ARGUMENTS.contains(&call) {
        return names;
    }
    for prefix in
        ["__ia32_sys_", "__ia32_compat_sys_", "__ia32_sys_ia32_", "__ia32_compat_sys_ia32_"]
    {
        for suffix in ["", "16", "64", "_time32", "_time64"] {
            names.push(format!("{prefix}{call}{suffix}"));
            if function != call {
                names.push(format!("{prefix}{function}{suffix}"));
            }
        }
    }
    if SOCKET_CALLS.contains(&call) {
        names.push("__ia32_compat_sys_socketcall".to_owned());
    }
    if call == "mmap" {
        names.push("__ia32_sys_mmap_pgoff".to_owned());
        // This one takes a pointer to its arguments.
        names.retain(|name| !name.ends_with("ia32_mmap"));
    }
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<u16> {
        names.iter().map(|name| Syscall::by_name(name).unwrap().id).collect()
    }

    fn plan(names: &[&str], attachment: Attachment, functions: &[&str]) -> Plan {
        let programs = [
            "sys_exit",
            "sys_enter",
            "generic_exit",
            "openat_exit",
            "openat_enter",
            "connect_exit",
            "execve_exit",
            "stat_exit",
            "sched_process_exec",
            "sched_process_exit",
        ];
        Plan::new(
            &ids(names),
            attachment,
            |program| programs.contains(&program),
            |function| functions.contains(&function),
        )
    }

    fn programs(plan: &Plan) -> Vec<&str> {
        plan.steps.iter().map(|step| step.program.as_str()).collect()
    }

    #[test]
    fn a_dispatcher_leads_to_the_wanted_programs_alone() {
        let names = ["openat", "getppid", "getpid", "execve", "sched_process_exit", "sched_switch"];
        let plan = plan(&names, Attachment::SysExit, &[]);
        assert_eq!(
            programs(&plan),
            [
                "sys_exit",
                "execve_exit",
                "openat_exit",
                "generic_exit",
                "sys_enter",
                "openat_enter",
                "sched_process_exec",
                "sched_process_exit",
            ]
        );
        let step = |name: &str| plan.steps.iter().find(|step| step.program == name).unwrap();
        assert_eq!(step("openat_exit").table, Some((Table::Exits, vec![257])));
        assert_eq!(step("generic_exit").table, Some((Table::Exits, vec![39, 110])));
        assert_eq!(step("openat_enter").table, Some((Table::Enters, vec![257])));
        assert_eq!(step("openat_enter").role, Role::Form);
        assert_eq!(step("sys_exit").calls.len(), 4);
        assert_eq!(step("sched_process_exec").calls, ids(&["execve"]));
        // The probe of this test has nothing for sched_switch.
        assert!(!plan.calls.contains(&ids(&["sched_switch"])[0]));
        // openat is 257, and 295 for 32-bit programs.
        assert_eq!(plan.wanted[257], WANTED_NATIVE);
        assert_eq!(plan.wanted[295], WANTED_COMPAT);
        // 39 is getpid for the ones, mkdir for the others; nobody wants mkdir.
        assert_eq!((plan.wanted[39], plan.wanted[20]), (WANTED_NATIVE, WANTED_COMPAT));
        assert_eq!((plan.wanted[0], plan.wanted[COMPAT_SOCKETCALL]), (0, 0));
    }

    #[test]
    fn socketcall_is_wanted_with_any_call_about_sockets() {
        let plan = plan(&["connect"], Attachment::SysExit, &[]);
        assert_eq!(plan.wanted[COMPAT_SOCKETCALL], WANTED_COMPAT);
    }

    #[test]
    fn programs_about_sockets_hang_on_socketcall_too() {
        let functions = ["__x64_sys_connect", "__ia32_sys_connect", "__ia32_compat_sys_socketcall"];
        let plan = plan(&["connect"], Attachment::PerSyscall, &functions);
        let hooks: Vec<_> = plan.steps.iter().map(|step| &step.hook).collect();
        let exit = |name: &str| Hook::Exit(name.to_owned());
        let [native, compat, socketcall] = functions.map(exit);
        // In the order of names.
        assert_eq!(hooks, [&native, &socketcall, &compat]);
    }

    #[test]
    fn programs_hang_on_the_functions_that_there_are() {
        let functions = [
            "__x64_sys_openat",
            "__ia32_compat_sys_openat",
            "__x64_sys_newstat",
            "__ia32_sys_newstat",
            "__do_sys_getppid",
            "__ia32_sys_getppid",
            "__do_sys_execve",
        ];
        let names = ["openat", "stat", "getppid", "execve", "sched_process_exit"];
        let plan = plan(&names, Attachment::PerSyscall, &functions);
        let hooks: Vec<_> =
            plan.steps.iter().map(|step| (step.program.as_str(), &step.hook, step.role)).collect();
        let exit = |name: &str| Hook::Exit(name.to_owned());
        let enter = |name: &str| Hook::Entry(name.to_owned());
        assert_eq!(
            hooks,
            [
                ("stat_exit", &exit("__x64_sys_newstat"), Role::Events),
                ("stat_exit", &exit("__ia32_sys_newstat"), Role::Form),
                ("generic_exit", &exit("__do_sys_getppid"), Role::Events),
                ("openat_exit", &exit("__x64_sys_openat"), Role::Events),
                ("openat_enter", &enter("__x64_sys_openat"), Role::Form),
                ("openat_exit", &exit("__ia32_compat_sys_openat"), Role::Form),
                ("openat_enter", &enter("__ia32_compat_sys_openat"), Role::Form),
                ("sched_process_exec", &Hook::Tracepoint("sched_process_exec"), Role::Events),
                ("sched_process_exit", &Hook::Tracepoint("sched_process_exit"), Role::Events),
            ]
            .map(|hook| (hook.0, hook.1, hook.2))
        );
        // With arguments, the innermost function is no substitute.
        assert_eq!(plan.missing.iter().copied().collect::<Vec<_>>(), ids(&["execve"]));
    }
}
