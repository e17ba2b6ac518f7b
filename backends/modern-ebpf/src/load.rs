//! From a plan to programs in the kernel: verified one by one, in the tables of their dispatchers,
//! not attached yet.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use aya_obj::copy_instructions;
use aya_obj::generated::bpf_attach_type::{
    self, BPF_TRACE_FENTRY, BPF_TRACE_FEXIT, BPF_TRACE_RAW_TP,
};

use crate::coverage::{Attachment, Call, Coverage, Refusal, Status};
use crate::kernel_btf::{Cut, Types};
use crate::object::{Maps, Probe};
use crate::plan::{Hook, Plan, Role, Step};
use crate::sys::{self, Code, Target};
use crate::{AttachMode, EbpfError};

/// How many of a verifier's last lines a refusal keeps.
const LOG_LINES: usize = 10;
/// How many programs are verified at a time, at most.
const MAX_THREADS: usize = 8;

/// A program that is to be attached.
#[derive(Debug)]
struct Loaded {
    step: usize,
    program: OwnedFd,
}

/// The programs of a plan.
#[derive(Debug)]
pub(crate) struct Programs {
    plan: Plan,
    to_attach: Vec<Loaded>,
    links: Vec<OwnedFd>,
    /// By step, what was refused.
    refusals: BTreeMap<usize, Refusal>,
}

impl Programs {
    /// Loads all programs of `plan`, and fills the tables of dispatchers.
    ///
    /// # Errors
    /// If not a single one was accepted: the first refusal, with the kernel's error.
    pub(crate) fn load(
        plan: Plan,
        probe: &Probe,
        kernel: &Cut,
        maps: &Maps,
    ) -> Result<Self, (Refusal, io::Error)> {
        let mut refusals = BTreeMap::new();
        let mut to_attach = Vec::new();
        let mut first_error = None;
        for (index, result) in load_all(&plan.steps, probe, kernel).into_iter().enumerate() {
            let step = &plan.steps[index];
            let placed = result.and_then(|program| match &step.table {
                None => {
                    to_attach.push(Loaded { step: index, program });
                    Ok(())
                }
                // The table holds the program from now on.
                Some((table, numbers)) => numbers.iter().try_for_each(|&number| {
                    let map = maps.get(table.name()).ok_or(io::ErrorKind::NotFound);
                    let set =
                        map.map_err(Into::into).and_then(|map| map.set_fd(number, program.as_fd()));
                    set.map_err(|error| refused(step, "cannot be put into its table", error, ""))
                }),
            });
            if let Err((refusal, error)) = placed {
                first_error.get_or_insert((refusal.clone(), error));
                refusals.insert(index, refusal);
            }
        }
        match first_error {
            Some(error) if refusals.len() == plan.steps.len() => Err(error),
            _ => Ok(Programs { plan, to_attach, links: Vec::new(), refusals }),
        }
    }

    /// Attaches all programs at once. What is refused is kept for the coverage.
    pub(crate) fn attach(&mut self) {
        for Loaded { step, program } in self.to_attach.drain(..) {
            match sys::attach(program.as_fd()) {
                Ok(link) => self.links.push(link),
                Err(error) => {
                    let (refusal, _) =
                        refused(&self.plan.steps[step], "cannot be attached", error, "");
                    self.refusals.insert(step, refusal);
                }
            }
        }
    }

    /// Detaches all programs. One that runs at this moment still comes to its end.
    pub(crate) fn detach(&mut self) {
        self.links.clear();
    }

    pub(crate) fn is_attached(&self) -> bool {
        !self.links.is_empty()
    }

    /// What is seen, after what was refused so far.
    pub(crate) fn coverage(
        &self,
        attachment: Attachment,
        no_per_syscall: Option<String>,
    ) -> Coverage {
        let calls = self.plan.calls.iter().map(|&id| Call { id, status: self.status(id) });
        Coverage { attachment, no_per_syscall, calls: calls.collect() }
    }

    fn status(&self, id: u16) -> Status {
        if self.plan.missing.contains(&id) {
            return Status::NotInKernel;
        }
        let refusals = || {
            let all = self.refusals.iter().map(|(&at, refusal)| (&self.plan.steps[at], refusal));
            all.filter(|(step, _)| step.calls.contains(&id))
        };
        let of_role = |role| refusals().find(|(step, _)| step.role == role);
        if let Some((_, refusal)) = of_role(Role::Events) {
            Status::Refused(refusal.clone())
        } else if let Some((_, refusal)) = of_role(Role::Form) {
            Status::Partly(refusal.clone())
        } else {
            Status::Covered
        }
    }
}

type Result1<T> = Result<T, (Refusal, io::Error)>;

/// Loads the programs of all steps, on several threads, since verifying is work that the kernel does on
/// the thread that asks for it.
fn load_all(steps: &[Step], probe: &Probe, kernel: &Cut) -> Vec<Result1<OwnedFd>> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(steps.len()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((at, step)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    steps.get(at).map(|step| (at, step))
                } {
                    let result = load_one(step, probe, kernel);
                    results
                        .lock()
                        .unwrap_or_else(|poisoned| poisoned.into_inner())
                        .push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

fn load_one(step: &Step, probe: &Probe, kernel: &Cut) -> Result1<OwnedFd> {
    let missing = |what: String| {
        let refusal = Refusal { program: step.program.clone(), error: what, log: Vec::new() };
        (refusal, io::Error::from(io::ErrorKind::NotFound))
    };
    let target = target(&step.hook, kernel)
        .ok_or_else(|| missing(format!("this kernel has no {}", name_of(&step.hook))))?;
    let function = probe
        .function(&step.program)
        .ok_or_else(|| missing("the probe has no such program".to_owned()))?;
    let code = Code::of(function, probe.license(), probe.btf());
    sys::load_program(&step.program, &code, target)
        .map_err(|(error, log)| refused(step, "is refused", error, &log))
}

fn target(hook: &Hook, kernel: &Cut) -> Option<Target> {
    let (how, btf_id): (bpf_attach_type, _) = match hook {
        Hook::Tracepoint(name) => (BPF_TRACE_RAW_TP, kernel.tracepoint(name)),
        Hook::Entry(function) => (BPF_TRACE_FENTRY, kernel.function(function)),
        Hook::Exit(function) => (BPF_TRACE_FEXIT, kernel.function(function)),
    };
    Some(Target { how, btf_id: btf_id? })
}

fn name_of(hook: &Hook) -> String {
    match hook {
        Hook::Tracepoint(name) => format!("tracepoint {name}"),
        Hook::Entry(function) | Hook::Exit(function) => format!("function {function}"),
    }
}

fn refused(step: &Step, what: &str, error: io::Error, log: &str) -> (Refusal, io::Error) {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
    let refusal = Refusal {
        program: step.program.clone(),
        error: format!("{} at {} {what}: {error}", step.program, name_of(&step.hook)),
        log: last.iter().map(|line| (*line).to_owned()).collect(),
    };
    (refusal, error)
}

/// Decides how to attach, by trying: whether a kernel takes programs at the end of functions is known
/// only once it has taken one. With the reason if it is not per system call.
///
/// # Errors
/// If per system call was demanded and does not work.
pub(crate) fn attachment(
    mode: AttachMode,
    kernel: &Types,
    functions: &[String],
) -> Result<(Attachment, Option<String>), EbpfError> {
    if mode == AttachMode::SysExit {
        return Ok((Attachment::SysExit, None));
    }
    let names = functions.iter().map(String::as_str);
    let kernel = kernel.cut(&HashSet::new(), [], names).map_err(EbpfError::Kernel)?;
    match try_function(&kernel, functions) {
        Ok(()) => Ok((Attachment::PerSyscall, None)),
        Err(why) if mode == AttachMode::Auto => Ok((Attachment::SysExit, Some(why))),
        Err(why) => Err(EbpfError::Unsupported {
            what: format!("this kernel attaches no programs to functions: {why}"),
            fix: "leave the way of attaching to the program".to_owned(),
        }),
    }
}

/// `r0 = 0; exit`.
const NOTHING: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// Attaches a program that does nothing to the end of the first of these functions that exists, and
/// detaches it again.
fn try_function(kernel: &Cut, functions: &[String]) -> Result<(), String> {
    let found = functions.iter().find_map(|name| Some((name, kernel.function(name)?)));
    let Some((name, btf_id)) = found else {
        return Err("its types name no function of a system call".to_owned());
    };
    let instructions = copy_instructions(&NOTHING).map_err(|error| error.to_string())?;
    let code = Code::plain(&instructions, c"GPL");
    let target = Target { how: BPF_TRACE_FEXIT, btf_id };
    let program = sys::load_program("trial", &code, target)
        .map_err(|(error, _)| format!("a program for the end of {name} is refused: {error}"))?;
    sys::attach(program.as_fd())
        .map(drop)
        .map_err(|error| format!("a program cannot be attached to the end of {name}: {error}"))
}
