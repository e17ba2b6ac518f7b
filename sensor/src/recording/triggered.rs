//! [`TriggeredRecorder`]: a rule that matches begins a recording, as Falco's `capture` does it.
//!
//! The event that matched is the first of its file, before which stands everything that was known
//! then; then comes every event until the deadline, which further matches put off, or until the file
//! is large enough. The next match begins the next file.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use falco_capture::Compression;
use falco_enrich::state::{Current, State};
use falco_event::RawEvent;
use falco_rules::loader::LoadedRule;
use falco_rules::priority::Priority;
use falco_source::Snapshot;
use serde_json::Map;

use super::file::{Destination, Finishing, Recording, Summary, WhenFull};
use super::{preamble, rewind};
use crate::config::{CaptureMode, Config};
use crate::internal_alert::InternalAlert;
use crate::log::Log;
use crate::observer::Observer;

const MS_NS: u64 = 1_000_000;
const MIB: u64 = 1 << 20;
/// An idle source may still be handed an event of so many nanoseconds ago.
const LATE_NS: u64 = 100 * MS_NS;

/// `capture` of the configuration, with what rules say of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What names begin with.
    pub prefix: PathBuf,
    /// Every rule begins recordings, not just those with `capture: true`.
    pub all_rules: bool,
    /// Size at which a recording ends, in MiB; 0: none.
    pub max_mb: u64,
    /// By rule number.
    pub rules: Vec<RuleSetting>,
    /// What happens when the disk is too slow.
    pub when_full: WhenFull,
}

/// What a rule asks for.
#[derive(Clone, Copy, Debug)]
pub struct RuleSetting {
    /// It begins recordings.
    pub capture: bool,
    /// How long they last after it matched, in nanoseconds.
    pub duration_ns: u64,
}

impl Settings {
    /// As configured, for these rules.
    pub fn new(config: &Config, rules: &[LoadedRule], when_full: WhenFull) -> Self {
        let rule = |rule: &LoadedRule| RuleSetting {
            capture: rule.capture,
            duration_ns: MS_NS
                * match rule.capture_duration {
                    0 => u64::from(config.capture_default_duration_ms),
                    ms => u64::from(ms),
                },
        };
        Settings {
            prefix: config.capture_path_prefix.clone(),
            all_rules: config.capture_mode == CaptureMode::AllRules,
            max_mb: config.capture_max_file_size_mb,
            rules: rules.iter().map(rule).collect(),
            when_full,
        }
    }

    fn max_bytes(&self) -> Option<u64> {
        (self.max_mb > 0).then(|| self.max_mb.saturating_mul(MIB))
    }
}

/// Takes the alerts that recordings cause.
pub type Tell = Box<dyn FnMut(InternalAlert) -> Result<()>>;

/// Begins and ends recordings.
pub struct TriggeredRecorder {
    settings: Settings,
    log: Log,
    tell: Tell,
    /// Events so far: the number of the latest.
    number: u64,
    /// When the recording ends, nanoseconds since the epoch. Matches put it off whether or not
    /// there is a recording, and whether or not their rules begin any.
    deadline: u64,
    current: Option<Recording>,
    ended: Vec<Ended>,
    failures: u64,
}

/// A recording that is being completed.
struct Ended {
    finishing: Finishing,
    /// It ended because it was large enough.
    at_limit: bool,
}

impl TriggeredRecorder {
    /// No recording yet. `tell` gets the alerts about recordings.
    pub fn new(settings: Settings, log: Log, tell: Tell) -> Self {
        TriggeredRecorder {
            settings,
            log,
            tell,
            number: 0,
            deadline: 0,
            current: None,
            ended: Vec::new(),
            failures: 0,
        }
    }

    /// Puts the deadline off; whether a recording is to begin.
    fn matched(&mut self, ts: u64, matched: &[usize]) -> bool {
        let mut wanted = self.settings.all_rules;
        for rule in matched.iter().filter_map(|&rule| self.settings.rules.get(rule)) {
            wanted |= rule.capture;
            self.deadline = self.deadline.max(ts.saturating_add(rule.duration_ns));
        }
        wanted
    }

    fn begin(&mut self, event: &RawEvent<'_>, current: &Current, state: &State) {
        let path = path(&self.settings.prefix, event.ts(), self.number);
        let mut snapshot = state.snapshot();
        rewind::before(event, current, state, &mut snapshot);
        let started = Recording::start(
            Destination::New(path),
            Compression::Gzip,
            snapshot,
            self.settings.when_full,
            self.settings.max_bytes(),
        );
        match started {
            Ok(mut recording) => {
                preamble::events(state, event, current, |event, flags| {
                    recording.event(event, flags)
                });
                self.current = Some(recording);
            }
            Err(error) => self.failed(&error),
        }
    }

    fn end(&mut self, at_limit: bool) -> Result<()> {
        let Some(recording) = self.current.take() else { return Ok(()) };
        self.deadline = 0;
        self.ended.push(Ended { finishing: recording.finish(), at_limit });
        // A replay tells of it at the same place every time.
        self.reap(self.settings.when_full == WhenFull::Wait)
    }

    /// Tells of recordings that are complete, waiting for those that are not yet if `wait`.
    fn reap(&mut self, wait: bool) -> Result<()> {
        let mut at = 0;
        while let Some(ended) = self.ended.get(at) {
            if !wait && !ended.finishing.is_finished() {
                at += 1;
                continue;
            }
            let Ended { finishing, at_limit } = self.ended.remove(at);
            match finishing.join() {
                Ok(summary) => self.completed(&summary, at_limit)?,
                Err(error) => self.failed(&error),
            }
        }
        Ok(())
    }

    fn completed(&mut self, summary: &Summary, at_limit: bool) -> Result<()> {
        let Summary { path, bytes, events, lost, refused } = summary;
        let path = path.display();
        self.log.info(&format!("Recorded {events} events ({bytes} bytes) to {path}"));
        if *lost > 0 {
            self.log.warning(&format!(
                "{lost} events are missing in {path}: the disk was too slow for them"
            ));
        }
        if *refused > 0 {
            self.log.warning(&format!("{refused} events were too long for {path}"));
        }
        if !at_limit {
            return Ok(());
        }
        const RULE: &str = "Falco internal: capture size limit reached";
        let mut fields = Map::new();
        fields.insert("max_file_size_mb".to_owned(), self.settings.max_mb.into());
        fields.insert("written_bytes".to_owned(), (*bytes).into());
        (self.tell)(InternalAlert {
            rule: RULE,
            priority: Priority::Informational,
            message: format!("{RULE}. Configured limit: {} MB.", self.settings.max_mb),
            fields,
        })
    }

    /// The first failure is told at once, how many there were at the end: what hinders one recording
    /// (a full disk, a directory that is not there) usually hinders all.
    fn failed(&mut self, error: &anyhow::Error) {
        self.failures += 1;
        if self.failures == 1 {
            self.log.warning(&format!("{error:#}; alerts go on, further failures are counted"));
        }
    }
}

impl Observer for TriggeredRecorder {
    fn restored(&mut self, snapshot: &Snapshot) -> Result<()> {
        if let Some(recording) = &mut self.current {
            recording.section(snapshot.clone());
        }
        Ok(())
    }

    #[inline]
    fn event(
        &mut self,
        event: &RawEvent<'_>,
        current: &Current,
        state: &State,
        matched: &[usize],
    ) -> Result<()> {
        self.number += 1;
        if !matched.is_empty() && self.matched(event.ts(), matched) && self.current.is_none() {
            self.begin(event, current, state);
        }
        if let Some(recording) = &mut self.current {
            recording.event(event, event.flags());
            if event.ts() >= self.deadline {
                self.end(false)?;
            } else if self.settings.max_bytes().is_some_and(|max| recording.size() >= max) {
                self.end(true)?;
            } else if recording.is_broken() {
                self.end(false)?;
            }
        }
        if !self.ended.is_empty() {
            self.reap(false)?;
        }
        Ok(())
    }

    fn idle(&mut self, now: u64) -> Result<()> {
        if let Some(recording) = &mut self.current {
            if now >= self.deadline.saturating_add(LATE_NS) {
                self.end(false)?;
            } else {
                recording.tick(now);
            }
        }
        self.reap(false)
    }

    fn finish(&mut self) -> Result<()> {
        self.end(false)?;
        self.reap(true)?;
        if self.failures > 1 {
            self.log.warning(&format!("{} recordings failed", self.failures));
        }
        Ok(())
    }
}

/// `<prefix>_<time>_<number>.scap` with 20 digits each.
fn path(prefix: &std::path::Path, ts: u64, number: u64) -> PathBuf {
    let mut path = OsString::from(prefix);
    path.push(format!("_{ts:020}_{number:020}.scap"));
    PathBuf::from(path)
}
