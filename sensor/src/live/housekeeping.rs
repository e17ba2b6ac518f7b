//! What is done beside events while a kernel is watched: drops, silence, signals and time limits.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use falco_rules::priority::Priority;
use falco_source::Stats;
use serde_json::Map;

use super::drops::{DropMonitor, Found};
use super::reload::{Loaded, Reloader};
use super::silence::{self, SilenceMonitor};
use super::sources::Kinds;
use super::tables::Tables;
use crate::config::{Config, LogLevel};
use crate::event_loop::{Housekeeping, Moment, Tick};
use crate::gvisor::setup;
use crate::internal_alert::{InternalAlert, InternalAlerts, now_ns};
use crate::log::Log;
use crate::outputs::QueueHandle;
use crate::signals::Requests;

/// Event time between two looks at what is to be done, in nanoseconds.
const PERIOD_NS: u64 = 10_000_000;

/// Does it.
pub struct Housekeeper {
    requests: Requests,
    queue: QueueHandle,
    internal: InternalAlerts,
    log: Log,
    drops: DropMonitor,
    /// None where silence is nothing unusual.
    silence: Option<SilenceMonitor>,
    /// When to listen next.
    listen: Instant,
    /// Events that were heard then.
    heard: u64,
    reloader: Reloader,
    /// Ready to take over.
    next: Option<Loaded>,
    /// It does take over.
    is_relieved: bool,
    started: Instant,
    tables: Tables,
    /// How long to watch; zero is for ever.
    duration: Duration,
}

impl Housekeeper {
    /// Before the first event of a source of these kinds, with its counters now.
    pub fn new(
        config: &Config,
        requests: Requests,
        (queue, internal, log): (QueueHandle, InternalAlerts, Log),
        (kinds, before): (Kinds, Vec<(&'static str, Stats)>),
        reloader: Reloader,
        duration: Duration,
    ) -> Self {
        let now = Instant::now();
        Housekeeper {
            requests,
            queue,
            internal,
            log,
            drops: DropMonitor::new(config, kinds.ebpf, before),
            silence: kinds.never_silent().then(|| SilenceMonitor::new(config.max_timeouts, now)),
            listen: now,
            heard: 0,
            reloader,
            next: None,
            is_relieved: false,
            started: now,
            tables: Tables::new(log),
            duration,
        }
    }

    /// What to print of lost events, and who takes over.
    pub fn finish(self) -> (String, Option<Loaded>) {
        (self.drops.summary(), self.next.filter(|_| self.is_relieved))
    }

    /// Listens for events of sources that always have some.
    fn check_silence(&mut self, moment: &Moment<'_>, now: Instant) -> Result<()> {
        let Some(silence) = self.silence.as_mut().filter(|_| now >= self.listen) else {
            return Ok(());
        };
        self.listen = now + silence::WAIT;
        let stats = moment.source.stats_by_source();
        let talkative = stats.iter().filter(|(name, _)| *name != setup::NAME);
        let heard = talkative.map(|(_, stats)| stats.events).sum();
        if heard != self.heard {
            self.heard = heard;
            silence.heard(now);
        }
        match silence.nothing(now, moment.latest) {
            Some(alert) => self.internal.raise(&alert, now_ns()),
            None => Ok(()),
        }
    }

    fn check_drops(
        &mut self,
        now: u64,
        stats: impl FnOnce() -> Vec<(&'static str, Stats)>,
    ) -> Result<()> {
        match self.drops.check(now, stats) {
            Found::Nothing => {}
            Found::Limited => self.log.write(
                LogLevel::Debug,
                "Syscall event drop but token bucket depleted, skipping actions",
            ),
            Found::TooMany(actions, alert) => {
                if actions.log {
                    self.log.write(LogLevel::Debug, &alert.message);
                }
                if actions.alert {
                    self.internal.raise(&alert, now)?;
                }
                if actions.exit {
                    self.log.write(LogLevel::Critical, &alert.message);
                    self.log.write(LogLevel::Critical, "Exiting.");
                    bail!("Drop manager internal error");
                }
            }
        }
        Ok(())
    }

    fn check_reload(&mut self, now: Instant) -> Result<()> {
        if self.is_relieved {
            return Ok(());
        }
        if self.requests.take_reload() {
            self.reloader.request(now);
        }
        match self.reloader.poll(now) {
            None => {}
            Some(Ok(loaded)) => self.next = Some(loaded),
            Some(Err(error)) => {
                const RULE: &str = "Falco internal: hot restart failure";
                let alert = InternalAlert {
                    rule: RULE,
                    priority: Priority::Critical,
                    message: format!("{RULE}: {}", crate::message(&error)),
                    fields: Map::new(),
                };
                self.internal.raise(&alert, now_ns())?;
            }
        }
        Ok(())
    }
}

impl Housekeeping for Housekeeper {
    fn tick(&mut self, moment: &mut Moment<'_>) -> Result<Tick> {
        let now = Instant::now();
        self.check_silence(moment, now)?;
        let clock = || now_ns().max(moment.latest.unwrap_or(0));
        let time = moment.latest.filter(|_| !moment.idle).unwrap_or_else(clock);
        // Drops that a silence follows are told in it.
        if moment.latest.is_some() {
            self.check_drops(time, || moment.source.stats_by_source())?;
        }
        self.tables.tend(moment.state, time);
        if self.requests.take_reopen() {
            self.log.info("SIGUSR1 received, reopening outputs...");
            self.queue.reopen();
        }
        self.check_reload(now)?;
        let is_over = !self.duration.is_zero() && now - self.started >= self.duration;
        if is_over && moment.idle {
            return Ok(Tick::End);
        }
        if let Some((_, opened)) = &self.next {
            self.is_relieved = true;
            return Ok(Tick::HandOver(opened.since));
        }
        Ok(Tick::At(moment.latest.map_or(0, |latest| latest.saturating_add(PERIOD_NS))))
    }
}
