//! The load and what it tells of itself.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::paths;

/// The load on which Falco was measured.
pub const FALCOS: [&str; 4] = ["open=1000000", "getpid=1000000", "pipe=300000", "fork=2000"];

/// The phases, as the load names them; the last is all of them together.
pub const PHASES: [&str; 5] = ["open", "getpid", "pipe", "fork", "total"];

/// What each phase took.
pub struct Load(BTreeMap<String, Phase>);

/// One phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Nanoseconds for an operation.
    pub wall: f64,
    /// CPU nanoseconds of the load for an operation.
    pub cpu: f64,
}

impl Load {
    /// Runs the load with `arguments`.
    pub fn run(arguments: &[String]) -> Result<Load> {
        let mut command = Command::new(paths::built("load")?);
        let output = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("cannot run {command:?}"))?;
        ensure!(output.status.success(), "{command:?} ended with {}", output.status);
        Ok(Load::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Reads lines like `open ops=1000 … wall_ns=1571.6 cpu_ns=1571.3`.
    pub fn parse(text: &str) -> Load {
        let phase = |line: &str| {
            let (name, rest) = line.split_once(' ')?;
            let figure =
                |key: &str| rest.split(' ').find_map(|w| w.strip_prefix(key)?.parse().ok());
            Some((name.to_owned(), Phase { wall: figure("wall_ns=")?, cpu: figure("cpu_ns=")? }))
        };
        Load(text.lines().filter_map(phase).collect())
    }

    /// What the phase `name` took, if it was asked for.
    pub fn phase(&self, name: &str) -> Option<Phase> {
        self.0.get(name).copied()
    }

    /// All phases.
    pub fn json(&self) -> Value {
        let phases = self.0.iter();
        phases
            .map(|(name, p)| (name.clone(), json!({"wall_ns": p.wall, "cpu_ns": p.cpu})))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read() {
        let load = Load::parse(
            "open ops=10 wall_s=1.5540 cpu_s=1.5535 wall_ns=1554.0 cpu_ns=1553.5\n\
             total ops=1 wall_s=2.8 cpu_s=2.9 wall_ns=2800000000.0 cpu_ns=2900000000.0\n",
        );
        assert_eq!(load.phase("open"), Some(Phase { wall: 1554.0, cpu: 1553.5 }));
        assert_eq!(load.phase("total").map(|p| p.wall), Some(2.8e9));
        assert_eq!(load.phase("pipe"), None);
    }
}
