//! The source: programs, rings and clocks together.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use falco_event::RawEvent;
use falco_proc::Proc;
use falco_source::{Capabilities, Next, Snapshot, Source, SourceError, Stats, ThreadLookup};

use crate::clock::{Clock, boot_ns};
use crate::coverage::Coverage;
use crate::load::Programs;
use crate::merge::{Merge, SETTLED_NS};
use crate::object::Maps;
use crate::pace::Pace;
use crate::parts::{self, Parts};
use crate::ring::Ring;
use crate::shared::{Counters, Settings};
use crate::{EbpfError, Options};

/// Programs that had begun when all were detached have ended after this time.
const LAST_EVENTS: Duration = Duration::from_millis(5);
/// Events between two looks at whether something is due, when there is no pause.
const EVENTS_A_LOOK: u32 = 1 << 14;
/// Counters of the kernel are read again after this time, in nanoseconds.
const COUNTERS_NS: u64 = 1_000_000_000;

/// How far a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Loaded,
    Running,
    /// Told to stop at this time. What is newer is nobody's business any more.
    Stopping(u64),
    /// All that was sent before the end is in the rings.
    Stopped(u64),
}

/// The system calls of this host through eBPF, live.
#[derive(Debug)]
pub struct ModernEbpf {
    // Before the maps: programs are detached first.
    programs: Programs,
    rings: Merge<Ring>,
    maps: Maps,
    clock: Clock,
    pace: Pace,
    settings: Settings,
    phase: Phase,
    /// The time of the latest event that was told (nanoseconds since the epoch).
    latest: u64,
    /// Events later than this are told by another source.
    until: u64,
    /// The longest pause that is allowed.
    patience: Duration,
    coverage: Coverage,
    host_root: PathBuf,
    cpus: u32,
    until_look: u32,
    events: u64,
    invalid: u64,
    /// Counters of the kernel, and when they were read.
    counters: Cell<(u64, Counters)>,
}

impl ModernEbpf {
    /// Loads and verifies the programs; nothing is attached yet.
    ///
    /// # Errors
    /// If the kernel has no BTF or ring buffers, or this process may not use them; if no program is
    /// accepted. A program that is refused alone costs only its events ([`ModernEbpf::coverage`]).
    pub fn open(options: Options) -> Result<Self, EbpfError> {
        let Parts { programs, coverage, rings, maps, clock, settings, cpus } =
            Parts::new(&options)?;
        let smallest = rings.iter().map(Ring::size).min().unwrap_or_default();
        Ok(ModernEbpf {
            programs,
            rings: Merge::new(rings),
            maps,
            clock,
            pace: Pace::new(smallest),
            settings,
            phase: Phase::Loaded,
            latest: 0,
            until: u64::MAX,
            patience: Duration::MAX,
            coverage,
            host_root: options.host_root,
            cpus,
            until_look: EVENTS_A_LOOK,
            events: 0,
            invalid: 0,
            counters: Cell::default(),
        })
    }

    /// What is seen of what was asked for. Programs that cannot be attached are known after
    /// [`Source::start`].
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Waits for events once; whether there is one now.
    fn wait(&mut self) -> bool {
        let pause = match self.phase {
            Phase::Stopped(_) => return false,
            Phase::Stopping(end) => {
                self.phase = Phase::Stopped(end);
                LAST_EVENTS
            }
            Phase::Loaded | Phase::Running if self.patience.is_zero() => return false,
            Phase::Loaded | Phase::Running => self.pace.pause(),
        };
        thread::sleep(pause.min(self.patience));
        // A pause that was cut short teaches nothing.
        if pause <= self.patience {
            let fullest = self.rings.queues().iter().map(|ring| (ring.fill(), ring.size()));
            let fullest = fullest.max_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)));
            let (fill, size) = fullest.unwrap_or((0, 1));
            self.pace.woke(fill, size);
        }
        self.look();
        self.advance()
    }

    fn advance(&mut self) -> bool {
        let (clock, phase) = (&self.clock, self.phase);
        self.rings.advance(|| match phase {
            Phase::Stopping(end) | Phase::Stopped(end) => end + SETTLED_NS,
            Phase::Loaded | Phase::Running => clock.now(),
        })
    }

    /// Whether another source tells what comes now, and all that happened before was told.
    fn is_relieved(&self) -> bool {
        let late = LAST_EVENTS.as_nanos() as u64;
        self.until != u64::MAX && self.clock.now() > self.until.saturating_add(late)
    }

    /// Does what is due now and then.
    fn look(&mut self) {
        self.until_look = EVENTS_A_LOOK;
        if self.clock.has_changed() {
            self.settings.clock_offset_ns = self.clock.offset_ns();
            self.write_settings();
        }
    }

    fn write_settings(&self) {
        // The map was written when it was made, so that nothing can be wrong with it.
        let _written = parts::write_settings(&self.maps, &self.settings);
    }

    /// The counters of all CPUs, read at most once a second.
    fn counters(&self) -> Counters {
        let (read_at, counters) = self.counters.get();
        let now = boot_ns();
        let is_fresh = read_at != 0 && now.saturating_sub(read_at) < COUNTERS_NS;
        if is_fresh && matches!(self.phase, Phase::Running) {
            return counters;
        }
        let mut sum = Counters::default();
        let Some(map) = self.maps.get("counters") else { return sum };
        for cpu in 0..self.cpus {
            let mut bytes = [0; Counters::BYTES];
            if map.lookup(cpu, &mut bytes).is_ok() {
                sum.add(&bytes);
            }
        }
        self.counters.set((now, sum));
        sum
    }
}

impl Source for ModernEbpf {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "modern_ebpf", live: true, enter_events: true }
    }

    /// Attaches the programs, then reads `/proc`: what happens meanwhile waits in the rings, so that
    /// nothing is missed in between.
    fn start(&mut self) -> Result<Snapshot, SourceError> {
        self.look();
        // Reading `/proc` makes a hundred events for every process: of these, rings would be full.
        self.settings.ignored_pid = own_pid(&self.host_root);
        self.write_settings();
        self.programs.attach();
        let no_per_syscall = self.coverage.no_per_syscall.take();
        self.coverage = self.programs.coverage(self.coverage.attachment, no_per_syscall);
        if !self.programs.is_attached() {
            let why = self.coverage.gaps().find_map(|call| call.status.refusal());
            let error =
                io::Error::other(why.map_or("no call is wanted".into(), ToString::to_string));
            return Err(SourceError::Io { what: "cannot attach eBPF programs".to_owned(), error });
        }
        self.phase = Phase::Running;
        let snapshot = Proc::new(&self.host_root).snapshot();
        self.settings.ignored_pid = 0;
        self.write_settings();
        snapshot.map_err(|error| SourceError::Io {
            what: "cannot read the processes of this host".to_owned(),
            error: io::Error::other(error),
        })
    }

    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        if self.until_look == 0 {
            self.look();
        }
        self.until_look -= 1;
        if !self.advance() && !self.wait() {
            return Ok(match self.phase {
                Phase::Stopped(_) => Next::End,
                Phase::Running if self.is_relieved() => Next::End,
                Phase::Loaded | Phase::Running | Phase::Stopping(_) => Next::Idle,
            });
        }
        let Some(ring) = self.rings.current() else { return Ok(Next::Idle) };
        match RawEvent::parse(ring.record(), ring.cpu(), 0) {
            Ok(event) if event.ts() > self.until => Ok(Next::End),
            Ok(event) => {
                self.events += 1;
                self.latest = event.ts();
                Ok(Next::Event(event))
            }
            Err(_) => {
                self.invalid += 1;
                Ok(Next::Idle)
            }
        }
    }

    fn set_patience(&mut self, longest: Duration) {
        self.patience = longest;
    }

    /// Both see everything, so the time of an event says whose it is.
    fn hand_over(&mut self, since: u64) -> u64 {
        self.until = since.max(self.latest);
        self.until
    }

    /// `/proc`.
    fn lookup(&self) -> Option<Box<dyn ThreadLookup>> {
        Some(Box::new(Proc::new(&self.host_root)))
    }

    /// Programs are detached at once; those that hang on single system calls some seconds later, since
    /// that is how long kernels take for it.
    fn stop_capture(&mut self) {
        if !matches!(self.phase, Phase::Stopping(_) | Phase::Stopped(_)) {
            self.phase = Phase::Stopping(self.clock.now());
            self.programs.detach(self.coverage.attachment);
        }
    }

    fn stats(&self) -> Stats {
        let counters = self.counters();
        let invalid: u64 = self.rings.queues().iter().map(Ring::invalid).sum();
        Stats {
            events: self.events,
            seen: counters.seen,
            dropped_ring: counters.lost_ring.iter().sum(),
            dropped_by_class: counters.drops(),
            dropped_scratch: counters.lost_scratch,
            dropped_too_large: counters.lost_too_large,
            invalid: self.invalid + invalid,
            ..Stats::default()
        }
    }
}

/// The number of this process as the kernel sees it: below `host_root` there is the `/proc` of the
/// host, where `self` is this process. 0 if it cannot be told.
fn own_pid(host_root: &Path) -> u32 {
    let link = std::fs::read_link(host_root.join("proc/self")).ok();
    link.and_then(|pid| pid.to_str()?.parse().ok()).unwrap_or(0)
}
