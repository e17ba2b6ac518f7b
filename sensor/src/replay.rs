//! The loop: a source's events through state and rules to alerts, on one thread.
//!
//! Nothing here allocates per event; formatting happens only for a match. Generic over
//! [`Source`], so that captures and live kernels go through the same code.

use std::time::Instant;

use anyhow::{Context as _, Result};
use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Limits, State};
use falco_rules::loader::SourceRules;
use falco_rules::ruleset::Matching;
use falco_source::{Next, Snapshot, Source, Stats};

use crate::alert::AlertFormatter;
use crate::outputs::Output;
use crate::progress::ProgressLine;
use crate::signals::Stop;
use crate::stats::AlertStats;

/// What takes the matches of a replay.
pub trait Matches {
    /// The event of `ctx`, at `ts` nanoseconds since the epoch, is matched by the rule that is
    /// number `rule` of all loaded ones.
    ///
    /// # Errors
    /// If the match cannot be delivered; the replay ends then.
    fn matched(&mut self, rule: usize, ctx: &Context<'_>, ts: u64) -> Result<()>;

    /// The replay is over.
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

/// What the loop works with.
pub struct Replay<'a> {
    /// Where events come from.
    pub source: &'a mut dyn Source,
    /// Completes what the source tells of the time before its first event.
    pub prepare: fn(&mut Snapshot),
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
    /// Stop when event time has advanced by so many nanoseconds; 0 is never.
    pub duration_ns: u64,
    /// Asked to stop from outside.
    pub stop: &'a Stop,
    /// Bounds of the state tables.
    pub limits: Limits,
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
    /// Why it ended before the end of its input, if something is wrong.
    pub error: Option<anyhow::Error>,
}

impl Replay<'_> {
    /// Processes events until the source ends, the duration is over or a stop is asked for. What
    /// was found before an error is delivered and counted all the same.
    pub fn run(mut self) -> Outcome {
        let start = Instant::now();
        let mut outcome = Outcome {
            alerts: AlertStats::new(self.rules),
            events: 0,
            source: Stats::default(),
            seconds: 0.0,
            error: None,
        };
        let mut progress = ProgressLine::new();
        let result = self.process(&mut outcome, &mut progress);
        progress.clear();
        let flushed = self.matches.flush();
        outcome.error = result.and(flushed).err();
        outcome.source = self.source.stats();
        outcome.seconds = start.elapsed().as_secs_f64();
        outcome
    }

    fn process(&mut self, outcome: &mut Outcome, progress: &mut ProgressLine) -> Result<()> {
        let mut state = State::new(self.limits);
        let mut snapshot = self.source.start()?;
        (self.prepare)(&mut snapshot);
        state.restore(&snapshot);
        let ruleset = &self.program.ruleset;
        let wanted = ruleset.event_types();
        let mut scratch = ruleset.scratch();
        let mut matches: Vec<usize> = Vec::new();
        let mut first_ts = None;
        while !self.stop.requested() {
            let event = match self.source.next() {
                Ok(Next::Event(event)) => event,
                Ok(Next::Snapshot(mut snapshot)) => {
                    (self.prepare)(&mut snapshot);
                    state.restore(&snapshot);
                    continue;
                }
                Ok(Next::Idle) => continue,
                Ok(Next::End) => break,
                // Whoever asks to stop in the middle of a stream need not hear that it is cut.
                Err(_) if self.stop.requested() => break,
                Err(error) => return Err(error.into()),
            };
            let current = state.process(&event);
            if current.skipped {
                continue;
            }
            let since_first = event.ts().saturating_sub(*first_ts.get_or_insert(event.ts()));
            if self.duration_ns > 0 && since_first >= self.duration_ns {
                break;
            }
            outcome.events += 1;
            if wanted.contains(event.code().0) {
                let ctx = Context::new(&state, &event, &current, self.fields);
                ruleset.evaluate(&ctx, self.matching, &mut scratch, |rule| matches.push(rule));
                for number in matches.drain(..) {
                    let Some(&index) = self.program.rules.get(number) else { continue };
                    outcome.alerts.count(index);
                    progress.clear();
                    self.matches.matched(index, &ctx, event.ts())?;
                }
            }
            progress.tick(outcome.events, || self.source.progress());
        }
        Ok(())
    }
}
