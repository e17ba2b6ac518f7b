//! Exit codes of `falco trace`: the command's own, and those with which falco itself speaks.
//!
//! Shells give 128 plus the signal's number, `env`, `timeout` and `docker run` 125 to 127 for what is
//! their own failure; `--fail-on` takes 100 plus the number of the priority (0 to 7).

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use falco_rules::priority::Priority;

/// falco itself failed.
pub const FAILED: u8 = 125;
/// The command exists and cannot be run.
pub const CANNOT_RUN: u8 = 126;
/// There is no such command.
pub const NOT_FOUND: u8 = 127;
/// What the number of a priority is added to.
const GATE: u8 = 100;
/// What the number of a signal is added to.
const SIGNAL: i32 = 128;

/// The code of a command that has ended so.
pub fn of_command(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)
}

/// The code with which `--fail-on` `limit` speaks if `worst` is the most severe alert.
pub fn of_gate(limit: Option<Priority>, worst: Option<Priority>) -> Option<u8> {
    let worst = worst.filter(|worst| limit.is_some_and(|limit| *worst <= limit))?;
    Some(GATE + worst as u8)
}

/// How a command ended, in words.
pub fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) if status.core_dumped() => format!("signal {signal} (core dumped)"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_shells() {
        assert_eq!(of_command(ExitStatus::from_raw(0)), 0);
        assert_eq!(of_command(ExitStatus::from_raw(0xff00)), 255);
        assert_eq!(of_command(ExitStatus::from_raw(9)), 137);
        assert_eq!(of_command(ExitStatus::from_raw(0x80 | 11)), 139);
        assert_eq!(told(ExitStatus::from_raw(0x80 | 11)), "signal 11 (core dumped)");
    }

    #[test]
    fn the_gate_tells_the_most_severe_alert_that_passed_it() {
        let warning = Some(Priority::Warning);
        assert_eq!(of_gate(warning, Some(Priority::Warning)), Some(104));
        assert_eq!(of_gate(warning, Some(Priority::Critical)), Some(102));
        assert_eq!(of_gate(warning, Some(Priority::Notice)), None);
        assert_eq!(of_gate(warning, None), None);
        assert_eq!(of_gate(None, Some(Priority::Emergency)), None);
        assert_eq!(of_gate(Some(Priority::Debug), Some(Priority::Emergency)), Some(100));
    }
}
