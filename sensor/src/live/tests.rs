//! The loop with its housekeeping over a source that a test plays: drops, stops, and what another
//! session has seen already.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use falco_event::{EventBuilder, EventCode, RawEvent};
use falco_source::{Capabilities, Next, Snapshot, Source, SourceError, Stats};

use super::housekeeping::Housekeeper;
use super::live_state;
use super::reload::Reloader;
use super::sources::Kinds;
use crate::alert::AlertFormatter;
use crate::cli::{self, Command};
use crate::config::{Config, DropActions};
use crate::engine::Engine;
use crate::event_loop::{AlertLines, EventLoop, Outcome};
use crate::internal_alert::{InternalAlerts, InternalFormatter};
use crate::log::Log;
use crate::outputs::{Output, Queue};
use crate::rules_files::RulesFile;
use crate::signals::{Requests, Stop};

const T0: u64 = 1_795_408_088_000_000_000;
const MS: u64 = 1_000_000;
const RULE: &str = "- rule: Close\n  desc: d\n  condition: evt.type=close\n  output: close %evt.num\n  \
                    priority: NOTICE\n";

/// A source that is played: its events, and what is lost before each.
#[derive(Default)]
struct Played {
    events: VecDeque<Vec<u8>>,
    /// Events lost with every event.
    losses: u64,
    stats: Stats,
    /// Asked for after so many events.
    stop_after: Option<(usize, Stop)>,
    /// How many events may come after the capture was stopped; none: without end.
    rest: Option<usize>,
    stopped: bool,
    now: Vec<u8>,
}

fn event(ts: u64) -> Vec<u8> {
    let mut builder = EventBuilder::new();
    builder.start(ts, 7, EventCode::SYSCALL_CLOSE_X).i64(0).i64(3);
    builder.finish(0, 0).unwrap().bytes().to_vec()
}

impl Played {
    /// One event every 100 ms.
    fn new(events: u64, losses: u64) -> Self {
        let events = (0..events).map(|i| event(T0 + i * 100 * MS)).collect();
        Played { events, losses, rest: Some(0), ..Played::default() }
    }
}

impl Source for Played {
    fn capabilities(&self) -> Capabilities {
        Capabilities { name: "played", live: true, enter_events: false }
    }

    fn start(&mut self) -> Result<Snapshot, SourceError> {
        Ok(Snapshot::default())
    }

    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        if self.stopped {
            match &mut self.rest {
                Some(0) => return Ok(Next::End),
                Some(rest) => *rest -= 1,
                None => self.events.push_back(event(T0)),
            }
        }
        let Some(event) = self.events.pop_front() else { return Ok(Next::End) };
        self.now = event;
        self.stats.events += 1;
        self.stats.dropped_ring += self.losses;
        if let Some((after, stop)) = &self.stop_after
            && self.stats.events == *after as u64
        {
            stop.request();
        }
        Ok(Next::Event(RawEvent::parse(&self.now, 0, 0).unwrap()))
    }

    fn stop_capture(&mut self) {
        self.stopped = true;
    }

    fn stats(&self) -> Stats {
        self.stats
    }
}

/// Keeps lines.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<String>>>);

impl Output for Kept {
    fn alert(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Plays `source`; what came of it, the alerts, and the summary of drops.
fn play(
    source: &mut Played,
    config: &Config,
    stop: &Stop,
    seen_until: u64,
) -> (Outcome, Vec<String>, String) {
    let mut engine = Engine::new(config, None);
    let file = RulesFile { name: "r.yaml".to_owned(), content: RULE.into() };
    assert!(engine.load(&file).successful());
    let program = engine.compile();
    let rules = engine.loader.rules();
    let formatter = AlertFormatter::new(config, "h", rules, &mut engine.fields).unwrap();
    let kept = Kept::default();
    let output = kept.clone();
    let queue = Queue::start(0, move || output).unwrap();
    let log = Log::new(&Config { log_stderr: Some(false), ..Config::default() });
    let internal = InternalAlerts::new(InternalFormatter::new(false, "h"), queue.handle());
    let Ok(Command::Run(options)) = cli::parse(vec!["falco".into()]) else { panic!() };
    let mut housekeeper = Housekeeper::new(
        config,
        Requests::default(),
        (queue.handle(), internal, log),
        (Kinds { ebpf: true, ..Kinds::default() }, Vec::new()),
        Reloader::new(Arc::new(*options), super::sources::Kept::default()),
        Duration::ZERO,
    );
    let outcome = EventLoop {
        source,
        begun: None,
        prepare: |_| {},
        state: live_state(config, None),
        fields: &engine.fields,
        rules: engine.loader.rules().len(),
        program: &program,
        matching: falco_rules::ruleset::Matching::First,
        matches: &mut AlertLines::new(formatter, &mut queue.handle().output(log)),
        observers: &mut [],
        housekeeping: &mut housekeeper,
        seen_until,
        duration_ns: 0,
        stop,
    }
    .run();
    let (summary, next) = housekeeper.finish();
    assert!(next.is_none());
    assert_eq!(queue.finish(Duration::from_secs(10)).unwrap(), 0);
    let alerts = kept.0.lock().unwrap().clone();
    (outcome, alerts, summary)
}

fn with_actions(actions: DropActions) -> Config {
    Config { drops_actions: actions, ..Config::default() }
}

#[test]
fn lost_events_raise_an_alert_among_those_of_rules() {
    let config = with_actions(DropActions { alert: true, ..DropActions::default() });
    let (outcome, alerts, summary) = play(&mut Played::new(40, 2), &config, &Stop::default(), 0);
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    assert_eq!(outcome.source.dropped_ring, 80);
    let internal: Vec<usize> =
        (0..alerts.len()).filter(|&i| alerts[i].contains("Falco internal")).collect();
    // The second second is over with the 12th event; those after it find no token.
    assert_eq!(internal, [12], "{alerts:#?}");
    let text = &alerts[12];
    assert!(text.contains("Debug Falco internal: syscall event drop. 24 system calls dropped in last second. (ebpf_enabled=\"1\" n_drops=\"24\""), "{text}");
    assert!(text.contains("n_evts=\"36\""), "{text}");
    assert!(
        summary.contains("detected: 3 occurrences") && summary.contains("taken: 1"),
        "{summary}"
    );
    assert_eq!(alerts.len(), 41);
}

#[test]
fn lost_events_may_end_the_program() {
    let config = with_actions(DropActions { exit: true, ..DropActions::default() });
    let (outcome, alerts, _) = play(&mut Played::new(40, 2), &config, &Stop::default(), 0);
    assert_eq!(outcome.error.unwrap().to_string(), "Drop manager internal error");
    assert_eq!(alerts.len(), 12);
}

#[test]
fn what_happened_before_a_stop_is_still_told() {
    let stop = Stop::default();
    let mut source = Played::new(40, 0);
    source.stop_after = Some((10, stop.clone()));
    source.rest = Some(20);
    let (outcome, alerts, _) = play(&mut source, &Config::default(), &stop, 0);
    assert!(outcome.error.is_none());
    assert_eq!(alerts.len(), 30);
}

#[test]
fn a_source_that_does_not_stop_is_left_after_a_while() {
    let stop = Stop::default();
    let mut source = Played::new(2, 0);
    source.stop_after = Some((1, stop.clone()));
    source.rest = None;
    let start = Instant::now();
    // All is seen already, so that nothing is evaluated.
    let (outcome, alerts, _) = play(&mut source, &Config::default(), &stop, u64::MAX);
    let took = start.elapsed();
    assert!(outcome.error.is_none() && alerts.is_empty());
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn rules_do_not_see_again_what_the_session_before_saw() {
    let seen = T0 + 1000 * MS;
    let (outcome, alerts, _) =
        play(&mut Played::new(40, 0), &Config::default(), &Stop::default(), seen);
    assert_eq!((outcome.events, alerts.len()), (29, 29));
    assert!(alerts[0].ends_with("close 12"), "{}", alerts[0]);
}
