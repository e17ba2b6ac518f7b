//! `syscall_event_drops`: what is done when too many events are lost.
//!
//! Once a second of event time the share of lost events is compared with a threshold; how often
//! something is done about it is limited by a token bucket.

use falco_rules::priority::Priority;
use falco_source::Stats;
use serde_json::{Map, Value};

use crate::config::{Config, DropActions};
use crate::internal_alert::InternalAlert;

const SECOND_NS: u64 = 1_000_000_000;

/// Watches the counters of a source.
#[derive(Debug)]
pub struct DropMonitor {
    actions: DropActions,
    threshold: f64,
    simulate: bool,
    bucket: TokenBucket,
    /// Counters of each source at the last check.
    last: Vec<(&'static str, Stats)>,
    /// Event time after which to check.
    next_check: Option<u64>,
    /// Whether eBPF is among the sources, which the alert tells.
    ebpf: bool,
    detected: u64,
    acted: u64,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Nothing, or not enough.
    Nothing,
    /// Too much, but too soon after the last time.
    Limited,
    /// Too much: these are the actions to take.
    TooMany(DropActions, InternalAlert),
}

impl DropMonitor {
    /// As configured. `before` are the counters of the sources now.
    pub fn new(config: &Config, ebpf: bool, before: Vec<(&'static str, Stats)>) -> Self {
        DropMonitor {
            actions: config.drops_actions,
            // When drops are simulated, any share is too much.
            threshold: if config.drops_simulate { 0.0 } else { config.drops_threshold },
            simulate: config.drops_simulate,
            bucket: TokenBucket::new(config.drops_rate, config.drops_max_burst),
            last: before,
            next_check: None,
            ebpf,
            detected: 0,
            acted: 0,
        }
    }

    /// Called at the time of events, `now` in nanoseconds since the epoch. `stats` is asked only
    /// when a second has gone by. One source that loses too much is enough, however much others tell.
    pub fn check(&mut self, now: u64, stats: impl FnOnce() -> Vec<(&'static str, Stats)>) -> Found {
        let next = *self.next_check.get_or_insert(now.saturating_add(SECOND_NS));
        if now <= next {
            return Found::Nothing;
        }
        self.next_check = Some(now.saturating_add(SECOND_NS));
        let stats = stats();
        let mut lost = Lost { delta: Stats::default(), events: 0, drops: 0 };
        for (name, now) in &stats {
            let before = self.last.iter().find(|(last, _)| last == name);
            let delta = now.since(&before.map_or_else(Stats::default, |(_, stats)| *stats));
            lost.add(&delta, u64::from(self.simulate), self.threshold);
        }
        self.last = stats;
        if lost.drops == 0 {
            return Found::Nothing;
        }
        self.detected += 1;
        if !self.bucket.claim(now) {
            return Found::Limited;
        }
        self.acted += 1;
        Found::TooMany(self.actions, self.alert(&lost))
    }

    fn alert(&self, lost: &Lost) -> InternalAlert {
        const RULE: &str = "Falco internal: syscall event drop";
        let Lost { delta, events, drops } = lost;
        let class = &delta.dropped_by_class;
        let counters = [
            ("n_evts", *events),
            ("n_drops", *drops),
            ("n_drops_buffer_total", delta.dropped_ring),
            ("n_drops_buffer_clone_fork_exit", class.clone_fork_exit),
            ("n_drops_buffer_execve_exit", class.execve_exit),
            ("n_drops_buffer_connect_exit", class.connect_exit),
            ("n_drops_buffer_open_exit", class.open_exit),
            ("n_drops_buffer_dir_file_exit", class.dir_file_exit),
            ("n_drops_buffer_other_interest_exit", class.other_interest_exit),
            ("n_drops_buffer_close_exit", class.close_exit),
            ("n_drops_buffer_proc_exit", class.proc_exit),
            ("n_drops_scratch_map", delta.dropped_scratch),
            ("n_drops_page_faults", delta.dropped_page_faults),
            ("n_drops_bug", delta.dropped_too_large + delta.invalid),
            ("ebpf_enabled", u64::from(self.ebpf)),
        ];
        let fields: Map<String, Value> = counters
            .into_iter()
            .map(|(key, count)| (key.to_owned(), count.to_string().into()))
            .collect();
        InternalAlert {
            rule: RULE,
            priority: Priority::Debug,
            message: format!("{RULE}. {drops} system calls dropped in last second."),
            fields,
        }
    }

    /// What Falco prints at the end of a run.
    pub fn summary(&self) -> String {
        format!(
            "Syscall event drop monitoring:\n   - event drop detected: {} occurrences\n   \
             - num times actions taken: {}\n",
            self.detected, self.acted
        )
    }
}

/// What was lost in a second by the sources that lost too much.
struct Lost {
    delta: Stats,
    /// What they saw, told or not.
    events: u64,
    /// How much of it was lost.
    drops: u64,
}

impl Lost {
    /// Adds what a source counted, if it lost a larger share than `threshold`.
    fn add(&mut self, delta: &Stats, simulated: u64, threshold: f64) {
        let drops = delta.dropped() + simulated;
        // What is sent and what is lost are counted apart.
        let events = if delta.seen > 0 { delta.seen } else { delta.events + delta.dropped() };
        if drops > 0 && drops as f64 / events as f64 > threshold {
            self.delta = self.delta.plus(delta);
            self.events += events;
            self.drops += drops;
        }
    }
}

/// Lets something happen `rate` times a second on average, `burst` times in a row.
#[derive(Debug)]
struct TokenBucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    /// Time of the last claim in nanoseconds.
    last: Option<u64>,
}

impl TokenBucket {
    /// A full bucket.
    fn new(rate: f64, burst: f64) -> Self {
        TokenBucket { rate, burst, tokens: burst, last: None }
    }

    /// Takes a token, if there is one at `now`.
    fn claim(&mut self, now: u64) -> bool {
        let since = now.saturating_sub(self.last.unwrap_or(now));
        self.last = Some(now);
        self.tokens = (self.tokens + self.rate * since as f64 / 1e9).min(self.burst);
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_700_000_000 * SECOND_NS;

    fn config() -> Config {
        Config {
            drops_actions: DropActions { log: true, alert: true, exit: false },
            ..Config::default()
        }
    }

    fn counted(events: u64, dropped: u64) -> Stats {
        Stats { events, dropped_ring: dropped, ..Stats::default() }
    }

    fn one(stats: Stats) -> Vec<(&'static str, Stats)> {
        vec![("one", stats)]
    }

    fn stats(events: u64, dropped: u64) -> Vec<(&'static str, Stats)> {
        one(counted(events, dropped))
    }

    fn none() -> Vec<(&'static str, Stats)> {
        one(Stats::default())
    }

    fn is_alert(found: &Found) -> bool {
        matches!(found, Found::TooMany(..))
    }

    #[test]
    fn a_second_with_too_many_drops_raises_falcos_alert() {
        let mut monitor = DropMonitor::new(&config(), true, stats(100, 50));
        let unasked =
            || -> Vec<(&'static str, Stats)> { panic!("asked before a second has gone by") };
        assert_eq!(monitor.check(T0, unasked), Found::Nothing);
        assert_eq!(monitor.check(T0 + SECOND_NS, unasked), Found::Nothing);
        let mut now = counted(170, 80);
        now.dropped_by_class.open_exit = 12;
        now.dropped_scratch = 1;
        let found = monitor.check(T0 + SECOND_NS + 1, || one(now));
        let Found::TooMany(actions, alert) = found else { panic!("{found:?}") };
        assert!(actions.alert && actions.log && !actions.exit);
        assert_eq!(
            alert.message,
            "Falco internal: syscall event drop. 31 system calls dropped in last second."
        );
        let fields: Vec<_> =
            alert.fields.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap())).collect();
        assert_eq!(
            fields.join(" "),
            "ebpf_enabled=1 n_drops=31 n_drops_buffer_clone_fork_exit=0 \
             n_drops_buffer_close_exit=0 n_drops_buffer_connect_exit=0 \
             n_drops_buffer_dir_file_exit=0 n_drops_buffer_execve_exit=0 \
             n_drops_buffer_open_exit=12 n_drops_buffer_other_interest_exit=0 \
             n_drops_buffer_proc_exit=0 n_drops_buffer_total=30 n_drops_bug=0 \
             n_drops_page_faults=0 n_drops_scratch_map=1 n_evts=101"
        );
        assert!(monitor.summary().contains("detected: 1 occurrences\n"));
        assert!(monitor.summary().ends_with("taken: 1\n"));
    }

    #[test]
    fn few_drops_are_no_news() {
        let mut monitor = DropMonitor::new(&config(), true, none());
        monitor.check(T0, none);
        // A tenth is the threshold.
        assert_eq!(monitor.check(T0 + 2 * SECOND_NS, || stats(90, 10)), Found::Nothing);
        assert!(is_alert(&monitor.check(T0 + 4 * SECOND_NS, || stats(179, 21))));
    }

    #[test]
    fn losses_of_one_source_do_not_vanish_among_the_events_of_another() {
        let mut monitor = DropMonitor::new(&config(), true, Vec::new());
        monitor.check(T0, Vec::new);
        let found = monitor.check(T0 + 2 * SECOND_NS, || {
            vec![("modern_ebpf", counted(100_000, 3)), ("gvisor", counted(10, 90))]
        });
        let Found::TooMany(_, alert) = found else { panic!("{found:?}") };
        assert_eq!(
            (alert.fields["n_drops"].as_str(), alert.fields["n_evts"].as_str()),
            (Some("90"), Some("100"))
        );
    }

    #[test]
    fn actions_have_a_rate() {
        let config = Config { drops_rate: 0.125, drops_max_burst: 2.0, ..config() };
        let mut monitor = DropMonitor::new(&config, true, none());
        monitor.check(T0, none);
        let found: Vec<bool> = (1..30)
            .map(|i| is_alert(&monitor.check(T0 + i * 2 * SECOND_NS, || stats(i, i * 10))))
            .collect();
        // Two at once, then one every eight seconds.
        let acted: Vec<usize> = (0..29).filter(|&i| found[i]).collect();
        assert_eq!(acted, [0, 1, 4, 8, 12, 16, 20, 24, 28]);
        assert!(monitor.summary().contains("detected: 29 occurrences"));
        assert!(monitor.summary().ends_with("taken: 9\n"));
    }

    #[test]
    fn drops_can_be_simulated_even_without_events() {
        let config = Config { drops_simulate: true, ..config() };
        let mut monitor = DropMonitor::new(&config, false, none());
        monitor.check(T0, none);
        let found = monitor.check(T0 + 2 * SECOND_NS, none);
        let Found::TooMany(_, alert) = found else { panic!("{found:?}") };
        assert_eq!(
            (alert.fields["n_drops"].as_str(), alert.fields["ebpf_enabled"].as_str()),
            (Some("1"), Some("0"))
        );
    }
}
