//! Whether processes can be watched by ptrace(2): a command, tried out with `falco trace`, and what runs.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use super::checks::{Check, Grade};
use crate::config::Config;
use crate::live::trees;

/// What was found.
#[derive(Debug)]
pub struct Trees {
    /// The trial, what may be attached to, and each process that the configuration names.
    pub checks: Vec<Check>,
    /// Whether the configuration wants it; otherwise it is told as a way out.
    pub is_wanted: bool,
}

impl Trees {
    /// Looks.
    pub fn look(config: &Config, is_wanted: bool) -> Self {
        let mut checks = vec![command(is_wanted), running()];
        if is_wanted {
            checks.extend(config.ptrace_pids.iter().map(|&pid| process(pid)));
        }
        Trees { checks, is_wanted }
    }

    /// The worst grade of the checks, as far as they matter.
    pub fn worst(&self) -> Grade {
        let grades = self.checks.iter().map(|check| check.grade);
        grades.filter(|_| self.is_wanted).max().unwrap_or(Grade::Ok)
    }
}

/// Runs this program under itself.
fn command(is_wanted: bool) -> Check {
    const NAME: &str = "falco trace -- CMD";
    let tried = env::current_exe().and_then(|own| {
        let mut trace = Command::new(&own);
        trace.args(["trace", "--"]).arg(&own).arg("--page-size");
        trace.stdin(Stdio::null()).stdout(Stdio::null()).output()
    });
    let output = match tried {
        Ok(output) => output,
        Err(error) => return Check::new(NAME, Grade::Note, format!("cannot be tried: {error}")),
    };
    let told = String::from_utf8_lossy(&output.stderr);
    let line = |has: &str| told.lines().find(|line| line.contains(has)).map(str::to_owned);
    if !output.status.success() {
        let why = line("Error: ").unwrap_or_else(|| output.status.to_string());
        // A process that runs may be watched all the same.
        return Check::new(NAME, if is_wanted { Grade::Note } else { Grade::Bad }, why);
    }
    match line("every system call stops") {
        Some(slow) => Check::new(NAME, Grade::Note, format!("works; {slow}")),
        None => Check::new(NAME, Grade::Ok, "works, with a filter in the kernel (seccomp)")
            .advise("watches a command with all that it starts, without privileges"),
    }
}

/// Which processes that run may be attached to.
fn running() -> Check {
    const NAME: &str = "running processes";
    let scope = trees::yama_scope();
    if trees::may_trace_all() {
        return Check::new(NAME, Grade::Ok, "of all users (CAP_SYS_PTRACE)");
    }
    match scope {
        0 => Check::new(NAME, Grade::Ok, "of the same user"),
        _ => Check::new(NAME, Grade::Note, format!("none: kernel.yama.ptrace_scope is {scope}"))
            .advise(
                "run falco as root (CAP_SYS_PTRACE), or set it to 0, or start the command with \
                     falco trace -- CMD",
            ),
    }
}

/// One of `engine.ptrace.pids`.
fn process(pid: u32) -> Check {
    const NAME: &str = "process";
    if !Path::new(&format!("/proc/{pid}")).exists() {
        return Check::new(NAME, Grade::Bad, format!("{pid} does not exist"));
    }
    match trees::obstacle(pid) {
        Some(why) => Check::new(NAME, Grade::Bad, why),
        None => Check::new(NAME, Grade::Ok, format!("{pid} can be watched")),
    }
}
