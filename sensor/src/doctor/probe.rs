//! The probe, tried out: which of the wanted system calls would be seen.

use std::time::{Duration, Instant};

use falco_event::Syscall;
use falco_modern_ebpf::coverage::{Coverage, Refusal, Status};
use falco_modern_ebpf::{ModernEbpf, Options};
use falco_source::Source;

/// What came of it.
#[derive(Debug)]
pub enum Trial {
    /// It watched for a moment.
    Works(Box<Watched>),
    /// It cannot be loaded or attached, and why.
    Fails(String),
}

/// A probe that watched.
#[derive(Debug)]
pub struct Watched {
    /// What it saw of what was asked for.
    pub coverage: Coverage,
    /// Bytes of each ring.
    pub ring_bytes: u64,
    /// How many CPUs share one; 0: all.
    pub cpus_per_ring: u16,
    /// How long loading and verifying took.
    pub load: Duration,
    /// How long attaching and reading `/proc` took.
    pub start: Duration,
    /// Threads that run.
    pub threads: usize,
    /// Open files and sockets that are known of them.
    pub fds: usize,
}

impl Trial {
    /// Loads and attaches the probe as a run would, and takes it away again.
    pub fn run(options: Options) -> Self {
        Self::watch(options).unwrap_or_else(|error| Trial::Fails(crate::message(&error)))
    }

    fn watch(options: Options) -> anyhow::Result<Self> {
        let (ring_bytes, cpus_per_ring) = (options.buffer_bytes, options.cpus_per_buffer);
        let begin = Instant::now();
        let mut source = ModernEbpf::open(options)?;
        let load = begin.elapsed();
        let begin = Instant::now();
        let snapshot = source.start()?;
        let start = begin.elapsed();
        let coverage = source.coverage().clone();
        source.stop_capture();
        Ok(Trial::Works(Box::new(Watched {
            coverage,
            ring_bytes,
            cpus_per_ring,
            load,
            start,
            threads: snapshot.threads.len(),
            fds: snapshot.fds.iter().map(|(_, fds)| fds.len()).sum(),
        })))
    }
}

impl Watched {
    /// Names of the calls with this status, in alphabetical order.
    pub fn names(&self, is_wanted: impl Fn(&Status) -> bool) -> Vec<&'static str> {
        let calls = self.coverage.calls.iter().filter(|call| is_wanted(&call.status));
        let mut names: Vec<_> = calls.map(|call| call.name()).collect();
        names.sort_unstable();
        names
    }

    /// Calls that are not seen, or not in every form, with the same reason together.
    pub fn refusals(&self) -> Vec<(bool, Vec<&'static str>, &Refusal)> {
        let mut out: Vec<(bool, Vec<&'static str>, &Refusal)> = Vec::new();
        for call in self.coverage.gaps() {
            let (partly, refusal) = match &call.status {
                Status::Partly(refusal) => (true, refusal),
                Status::Refused(refusal) => (false, refusal),
                Status::Covered | Status::NotInKernel => continue,
            };
            match out.iter_mut().find(|(p, _, r)| *p == partly && *r == refusal) {
                Some((_, names, _)) => names.push(call.name()),
                None => out.push((partly, vec![call.name()], refusal)),
            }
        }
        out
    }

    /// Whether each of these system calls is seen, or cannot happen in this kernel.
    pub fn sees(&self, wanted: impl Fn(u16) -> bool) -> bool {
        let mut calls = self.coverage.calls.iter().filter(|call| wanted(call.id));
        calls.all(|call| !matches!(call.status, Status::Refused(_)))
    }
}

/// The names of calls, in alphabetical order.
pub fn names_of(ids: impl Iterator<Item = u16>) -> Vec<&'static str> {
    let mut names: Vec<_> = ids.filter_map(Syscall::by_id).map(|call| call.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}
