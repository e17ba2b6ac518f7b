//! The loop: a source's events through state and rules to alerts, on one thread.
//!
//! Nothing here allocates per event; formatting happens only for a match. Generic over
//! [`Source`], so that captures and live kernels go through the same code.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::State;
use falco_event::RawEvent;
use falco_rules::loader::SourceRules;
use falco_rules::ruleset::Matching;
use falco_source::ids::sandbox_of;
use falco_source::{Next, Snapshot, Source, Stats};

use crate::alert::AlertFormatter;
use crate::internal_alert::now_ns;
use crate::observer::Observer;
use crate::outputs::Output;
use crate::progress::ProgressLine;
use crate::signals::Stop;
use crate::stats::AlertStats;

/// What takes the matches.
pub trait Matches {
    /// The event of `ctx`, at `ts` nanoseconds since the epoch, is matched by the rule that is
    /// number `rule` of all loaded ones.
    ///
    /// # Errors
    /// If the match cannot be delivered; the loop ends then.
    fn matched(&mut self, rule: usize, ctx: &Context<'_>, ts: u64) -> Result<()>;

    /// There will be no more matches.
    ///
    /// # Errors
    /// If what was held back cannot be delivered.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Matches as lines for an output.
pub struct AlertLines<'a> {
    /// Makes lines of matches.
    formatter: AlertFormatter,
    /// Takes the lines.
    output: &'a mut dyn Output,
    /// Working memory.
    line: Vec<u8>,
}

impl<'a> AlertLines<'a> {
    /// Lines by `formatter` for `output`.
    pub fn new(formatter: AlertFormatter, output: &'a mut dyn Output) -> Self {
        AlertLines { formatter, output, line: Vec::new() }
    }
}

impl Matches for AlertLines<'_> {
    fn matched(&mut self, rule: usize, ctx: &Context<'_>, ts: u64) -> Result<()> {
        let ctx = ctx.clone().with_buffer_format(self.formatter.buffer_format());
        self.line.clear();
        self.formatter.format(rule, &ctx, ts, &mut self.line);
        self.output.alert(&self.line).context("stdout")
    }

    fn flush(&mut self) -> Result<()> {
        self.output.flush().context("stdout")
    }
}

/// What is done beside events, now and then: signals, drop statistics, time limits.
pub trait Housekeeping {
    /// Called before the first event, after events once their time has come to what the last call
    /// asked for, and whenever the source has been silent for a while.
    ///
    /// # Errors
    /// If the loop must end for it.
    fn tick(&mut self, moment: &mut Moment<'_>) -> Result<Tick>;
}

/// When a [`Housekeeping`] is called.
pub struct Moment<'a> {
    /// Time of the latest event in nanoseconds since the epoch; none before the first.
    pub latest: Option<u64>,
    /// The source has nothing to tell at present.
    pub idle: bool,
    /// Where events come from.
    pub source: &'a mut dyn Source,
    /// What is known.
    pub state: &'a mut State,
}

/// What a [`Housekeeping`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// To be called again at the first event of this time or later, in nanoseconds since the epoch.
    At(u64),
    /// To end the loop without waiting for the rest of the stream.
    End,
    /// To end the loop when all is told that happened until this time, in nanoseconds since the epoch;
    /// another one goes on from there.
    HandOver(u64),
}

/// Nothing to do beside events.
#[derive(Clone, Copy, Debug)]
pub struct NoHousekeeping;

impl Housekeeping for NoHousekeeping {
    fn tick(&mut self, _moment: &mut Moment<'_>) -> Result<Tick> {
        Ok(Tick::At(u64::MAX))
    }
}

/// What the loop works with.
pub struct EventLoop<'a> {
    /// Where events come from.
    pub source: &'a mut dyn Source,
    /// What the source told when it was started; none if that is still to be done.
    pub begun: Option<Snapshot>,
    /// Completes what the source tells of the time before its first event.
    pub prepare: fn(&mut Snapshot),
    /// Tables, empty.
    pub state: State,
    /// Fields, as the rules were compiled with.
    pub fields: &'a SyscallFields,
    /// How many rules were loaded.
    pub rules: usize,
    /// The enabled ones as a program.
    pub program: &'a SourceRules,
    /// First matching rule of an event, or all.
    pub matching: Matching,
    /// Takes the matches.
    pub matches: &'a mut dyn Matches,
    /// See every event after the rules did.
    pub observers: &'a mut [Box<dyn Observer>],
    /// What is done beside events.
    pub housekeeping: &'a mut dyn Housekeeping,
    /// Rules do not see events of this host of this time or earlier (nanoseconds since the epoch):
    /// whoever ran before did. They only bring the tables up to date.
    pub seen_until: u64,
    /// Stop when event time has advanced by so many nanoseconds; 0 is never.
    pub duration_ns: u64,
    /// Asked to stop from outside.
    pub stop: &'a Stop,
}

/// What the loop did.
#[derive(Debug)]
pub struct Outcome {
    /// Alerts by rule.
    pub alerts: AlertStats,
    /// Events that were processed.
    pub events: u64,
    /// Counters of the source.
    pub source: Stats,
    /// Wall time in seconds.
    pub seconds: f64,
    /// The time until which rules saw what the next one sees, too, in nanoseconds since the epoch, if
    /// there is a next one.
    pub told_until: Option<u64>,
    /// Why it ended before the end of its input, if something is wrong.
    pub error: Option<anyhow::Error>,
}

impl EventLoop<'_> {
    /// Processes events until the source ends, the duration is over or a stop is asked for. What
    /// was found before an error is delivered and counted all the same.
    pub fn run(mut self) -> Outcome {
        let start = Instant::now();
        let mut outcome = Outcome {
            alerts: AlertStats::new(self.rules),
            events: 0,
            source: Stats::default(),
            seconds: 0.0,
            told_until: None,
            error: None,
        };
        let mut progress = ProgressLine::new();
        let result = self.process(&mut outcome, &mut progress);
        progress.clear();
        let finished = self.observers.iter_mut().map(|o| o.finish()).fold(Ok(()), Result::and);
        let flushed = self.matches.flush();
        outcome.error = result.and(finished).and(flushed).err();
        outcome.source = self.source.stats();
        outcome.seconds = start.elapsed().as_secs_f64();
        outcome
    }

    fn process(&mut self, outcome: &mut Outcome, progress: &mut ProgressLine) -> Result<()> {
        let mut snapshot = match self.begun.take() {
            Some(snapshot) => snapshot,
            None => self.source.start()?,
        };
        (self.prepare)(&mut snapshot);
        self.restore(&snapshot)?;
        drop(snapshot);
        let ruleset = &self.program.ruleset;
        let wanted = ruleset.event_types();
        let mut scratch = ruleset.scratch();
        let mut matches: Vec<usize> = Vec::new();
        let (mut first_ts, mut latest) = (None, None);
        let mut next_tick = 0;
        let mut draining: Option<Draining> = None;
        loop {
            if let Some(draining) = &mut draining {
                if draining.is_over() {
                    break;
                }
            } else if self.stop.requested() {
                if !self.source.capabilities().live {
                    break;
                }
                // What happened before the stop was asked for is still told.
                self.source.stop_capture();
                draining = Some(Draining::new(Draining::STOP));
            }
            if latest.unwrap_or(0) >= next_tick {
                match self.tick(latest, false)? {
                    Tick::At(ts) => next_tick = ts,
                    Tick::End => break,
                    Tick::HandOver(since) => self.hand_over(since, &mut draining, outcome),
                }
            }
            let event = match self.source.next() {
                Ok(Next::Event(event)) => event,
                Ok(Next::Snapshot(mut snapshot)) => {
                    (self.prepare)(&mut snapshot);
                    self.restore(&snapshot)?;
                    continue;
                }
                Ok(Next::Idle) => {
                    if draining.as_ref().is_some_and(Draining::is_late) {
                        break;
                    }
                    let now = now_ns();
                    self.observers.iter_mut().try_for_each(|observer| observer.idle(now))?;
                    match self.tick(latest, true)? {
                        Tick::At(ts) => next_tick = ts,
                        Tick::End => break,
                        Tick::HandOver(since) => self.hand_over(since, &mut draining, outcome),
                    }
                    continue;
                }
                Ok(Next::End) => break,
                // Whoever asks to stop in the middle of a stream need not hear that it is cut.
                Err(_) if self.stop.requested() => break,
                Err(error) => return Err(error.into()),
            };
            let current = self.state.process(&event);
            latest = Some(event.ts());
            matches.clear();
            if !current.skipped && is_news(&event, self.seen_until) {
                let since_first = event.ts().saturating_sub(*first_ts.get_or_insert(event.ts()));
                if self.duration_ns > 0 && since_first >= self.duration_ns {
                    break;
                }
                outcome.events += 1;
                if wanted.contains(event.code().0) {
                    let ctx = Context::new(&self.state, &event, &current, self.fields);
                    ruleset.evaluate(&ctx, self.matching, &mut scratch, |rule| matches.push(rule));
                    matches.retain_mut(|number| match self.program.rules.get(*number) {
                        Some(&index) => {
                            *number = index;
                            true
                        }
                        None => false,
                    });
                    for &index in &matches {
                        outcome.alerts.count(index);
                        progress.clear();
                        self.matches.matched(index, &ctx, event.ts())?;
                    }
                }
            }
            for observer in self.observers.iter_mut() {
                observer.event(&event, &current, &self.state, &matches)?;
            }
            progress.tick(outcome.events, || self.source.progress());
        }
        Ok(())
    }

    fn restore(&mut self, snapshot: &Snapshot) -> Result<()> {
        self.state.restore(snapshot);
        self.observers.iter_mut().try_for_each(|observer| observer.restored(snapshot))
    }

    /// Has the source tell what only it can tell, and end.
    fn hand_over(&mut self, since: u64, draining: &mut Option<Draining>, outcome: &mut Outcome) {
        if draining.is_none() {
            outcome.told_until = Some(self.source.hand_over(since));
            *draining = Some(Draining::new(Draining::HAND_OVER));
        }
    }

    fn tick(&mut self, latest: Option<u64>, idle: bool) -> Result<Tick> {
        let source = &mut *self.source;
        self.housekeeping.tick(&mut Moment { latest, idle, source, state: &mut self.state })
    }
}

/// Whether nobody saw an event before. What happens in sandboxes comes to one alone.
#[inline]
fn is_news(event: &RawEvent<'_>, seen_until: u64) -> bool {
    event.ts() > seen_until || sandbox_of(event.tid()) != 0
}

/// The rest of a stream that will end, bounded by time.
struct Draining {
    since: Instant,
    /// Longest time for events.
    most: Duration,
    events: u32,
}

impl Draining {
    /// After a stop: whoever waits for the end does not want to wait long.
    const STOP: Duration = Duration::from_secs(2);
    /// Before another loop goes on.
    const HAND_OVER: Duration = Duration::from_secs(10);
    /// Longest time in all: sandboxes may have to be told one by one that nobody listens any more.
    const SILENT: Duration = Duration::from_secs(8);
    /// Events between two looks at the clock.
    const STRIDE: u32 = 1024;

    fn new(most: Duration) -> Self {
        Draining { since: Instant::now(), most, events: 0 }
    }

    /// Called before each event: whether it takes too long.
    fn is_over(&mut self) -> bool {
        self.events = self.events.wrapping_add(1);
        self.events.is_multiple_of(Self::STRIDE) && self.since.elapsed() > self.most
    }

    /// Called when there is no event: whether it is too late for one.
    fn is_late(&self) -> bool {
        self.since.elapsed() > Self::SILENT
    }
}
