//! What is done beside events while a kernel is watched: drops, silence, signals and time limits.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use falco_enrich::state::State;
use falco_rules::priority::Priority;
use falco_source::Stats;
use serde_json::Map;

use super::Watch;
use super::drops::{DropMonitor, Found};
use super::reload::{Loaded, Reloader};
use super::silence::SilenceMonitor;
use crate::config::{Config, LogLevel};
use crate::event_loop::{Housekeeping, Moment, Tick};
use crate::internal_alert::{InternalAlert, InternalAlerts, now_ns};
use crate::log::Log;
use crate::outputs::QueueHandle;
use crate::preamble;
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
    silence: SilenceMonitor,
    reloader: Reloader,
    /// Ready to take over.
    next: Option<Loaded>,
    /// It does take over.
    is_relieved: bool,
    /// Rules saw the events until then.
    latest: Option<u64>,
    started: Instant,
    /// Whether the files of users and groups are followed already.
    follows_accounts: bool,
    /// How long to watch; zero is for ever.
    duration: Duration,
}

impl Housekeeper {
    /// Before the first event. `source` says whether it is eBPF, with its counters now.
    pub fn new(
        config: &Config,
        requests: Requests,
        (queue, internal, log): (QueueHandle, InternalAlerts, Log),
        (is_ebpf, before): (bool, Stats),
        reloader: Reloader,
        duration: Duration,
    ) -> Self {
        let now = Instant::now();
        Housekeeper {
            requests,
            queue,
            internal,
            log,
            drops: DropMonitor::new(config, is_ebpf, before),
            silence: SilenceMonitor::new(config.max_timeouts, now),
            reloader,
            next: None,
            is_relieved: false,
            latest: None,
            started: now,
            follows_accounts: false,
            duration,
        }
    }

    /// What to print of lost events, and who takes over.
    pub fn finish(self) -> (String, Option<Watch>) {
        let seen_until = self.latest.unwrap_or(0);
        let next = self.next.filter(|_| self.is_relieved).map(|(session, source)| Watch {
            session,
            source,
            seen_until,
        });
        (self.drops.summary(), next)
    }

    fn check_drops(&mut self, now: u64, stats: impl FnOnce() -> Stats) -> Result<()> {
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

    /// Keeps the tables true where events cannot. `now` is in nanoseconds since the epoch.
    fn tend(&mut self, state: &mut State, now: u64) {
        if !self.follows_accounts {
            self.follows_accounts = true;
            if let Err(error) = state.watch_accounts(preamble::host_root()) {
                self.log.warning(&format!("users and groups are not followed: {error}"));
            }
        }
        // Both know themselves when there is something to do.
        state.refresh_accounts(now);
        state.purge(now);
    }

    /// Whether the next session can take over without missing anything: all that happened before it
    /// began to watch was seen.
    fn can_be_relieved(&self, moment: &Moment<'_>) -> bool {
        self.next.as_ref().is_some_and(|(_, opened)| {
            moment.idle || moment.latest.is_some_and(|latest| latest >= opened.since)
        })
    }
}

impl Housekeeping for Housekeeper {
    fn tick(&mut self, moment: &mut Moment<'_>) -> Result<Tick> {
        let now = Instant::now();
        if moment.latest != self.latest {
            self.latest = moment.latest;
            self.silence.heard(now);
        } else if moment.idle
            && let Some(alert) = self.silence.nothing(now, moment.latest)
        {
            self.internal.raise(&alert, now_ns())?;
        }
        let clock = || now_ns().max(moment.latest.unwrap_or(0));
        let time = moment.latest.filter(|_| !moment.idle).unwrap_or_else(clock);
        // Drops that a silence follows are told in it.
        if moment.latest.is_some() {
            self.check_drops(time, || moment.source.stats())?;
        }
        self.tend(moment.state, time);
        if self.requests.take_reopen() {
            self.log.info("SIGUSR1 received, reopening outputs...");
            self.queue.reopen();
        }
        self.check_reload(now)?;
        let is_over = !self.duration.is_zero() && now - self.started >= self.duration;
        if is_over && moment.idle {
            return Ok(Tick::End);
        }
        if self.can_be_relieved(moment) {
            self.is_relieved = true;
            return Ok(Tick::End);
        }
        Ok(Tick::At(moment.latest.map_or(0, |latest| latest.saturating_add(PERIOD_NS))))
    }
}
