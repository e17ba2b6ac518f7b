//! From a plan to programs in the kernel: verified one by one, in the tables of their dispatchers,
//! not attached yet.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

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

    /// Detaches all programs. One that runs at this moment still comes to its end. Those of functions
    /// are left to a thread: kernels wait long enough for each that no program stands in its function
    /// any more.
    pub(crate) fn detach(&mut self, attachment: Attachment) {
        let links = std::mem::take(&mut self.links);
        if attachment == Attachment::PerSyscall {
            thread::spawn(move || drop(links));
        }
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
    // The longest first, so that no thread is left alone with one at the end.
    let mut queue: Vec<(usize, &Step)> = steps.iter().enumerate().collect();
    let length = |step: &Step| probe.function(&step.program).map_or(0, |it| it.instructions.len());
    queue.sort_by_key(|(_, step)| length(step));
    let queue = Mutex::new(queue);
    let results = Mutex::new(Vec::with_capacity(steps.len()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                // The guard of a `while let` would live through its body.
                loop {
                    let Some((at, step)) = lock(&queue).pop() else { break };
                    let result = load_one(step, probe, kernel);
                    lock(&results).push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// How long detaching may take in all: a process does not end before.
const LONGEST_DETACH: Duration = Duration::from_secs(5);

/// Decides how to attach, by trying: whether a kernel takes programs at the end of functions is known
/// only once it has taken one, and how long it takes to let go of them only once it has. With the
/// reason if it is not per system call.
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
    let found: Vec<&String> =
        functions.iter().filter(|name| kernel.function(name).is_some()).collect();
    let tried = match found.first() {
        Some(name) => try_function(name, &kernel),
        None => Err("its types name no function of a system call".to_owned()),
    };
    match tried {
        Err(why) if mode == AttachMode::PerSyscall => Err(EbpfError::Unsupported {
            what: format!("this kernel attaches no programs to functions: {why}"),
            fix: "leave the way of attaching to the program".to_owned(),
        }),
        Err(why) => Ok((Attachment::SysExit, Some(why))),
        Ok(detach) => {
            let detach = detach.saturating_mul(found.len().try_into().unwrap_or(u32::MAX));
            if mode == AttachMode::Auto && detach > LONGEST_DETACH {
                let why = format!(
                    "this kernel would take {:.0} s to detach from {} functions",
                    detach.as_secs_f64(),
                    found.len()
                );
                return Ok((Attachment::SysExit, Some(why)));
            }
            Ok((Attachment::PerSyscall, None))
        }
    }
}

/// `r0 = 0; exit`.
const NOTHING: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// Attaches a program that does nothing to the end of a function, and detaches it again; how long the
/// latter took.
fn try_function(name: &str, kernel: &Cut) -> Result<Duration, String> {
    let btf_id = kernel.function(name).ok_or("there is no such function")?;
    let instructions = copy_instructions(&NOTHING).map_err(|error| error.to_string())?;
    let code = Code::plain(&instructions, c"GPL");
    let target = Target { how: BPF_TRACE_FEXIT, btf_id };
    let program = sys::load_program("trial", &code, target)
        .map_err(|(error, _)| format!("a program for the end of {name} is refused: {error}"))?;
    let link = sys::attach(program.as_fd())
        .map_err(|error| format!("a program cannot be attached to the end of {name}: {error}"))?;
    let begin = Instant::now();
    drop(link);
    Ok(begin.elapsed())
}
