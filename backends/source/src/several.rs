//! [`Several`]: several sources as one, so that whoever takes events need not know how many there are.
//!
//! Sources take turns. One that has much to tell is listened to for a while and then the next one, so
//! that none can silence another; only when none has anything to tell is there a pause, and then it is
//! the first source that waits, as it would alone, while the others are asked in passing. What happens
//! in different sources at the same time is told in any order; each source keeps its own.

use std::time::Duration;

use crate::lookup::{Found, ThreadLookup};
use crate::snapshot::{Fd, Snapshot};
use crate::{Capabilities, Next, Source, SourceError, Stats};

/// Events of one source in a row, if others may have some, too.
const TURN: u32 = 128;

/// One of them.
struct Part {
    place: usize,
    source: Box<dyn Source + Send>,
    patience: Duration,
    has_ended: bool,
}

impl Part {
    /// Sets how long it may wait when it is asked next.
    fn allow(&mut self, patience: Duration) {
        if self.patience != patience {
            self.patience = patience;
            self.source.set_patience(patience);
        }
    }
}

/// Several sources. Their events must be about different threads, since they share all tables.
pub struct Several {
    parts: Vec<Part>,
    /// Whose turn it is.
    turn: usize,
    /// How many events more it may tell.
    left: u32,
    /// None had anything to tell when all were asked last.
    is_quiet: bool,
    /// The longest pause.
    patience: Duration,
}

impl std::fmt::Debug for Several {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.parts.iter().map(|part| part.source.capabilities().name);
        f.debug_list().entries(names).finish()
    }
}

impl Several {
    /// These as one. The first one decides how long a pause is when there is nothing to tell, so it
    /// should be the one that must not be left alone for long.
    pub fn new(sources: Vec<Box<dyn Source + Send>>) -> Self {
        let part =
            |(place, source)| Part { place, source, patience: Duration::MAX, has_ended: false };
        Several {
            parts: sources.into_iter().enumerate().map(part).collect(),
            turn: 0,
            left: TURN,
            is_quiet: false,
            patience: Duration::MAX,
        }
    }

    /// The source to be asked first, and how long it may take to answer.
    fn whose_turn(&mut self) -> (usize, Duration) {
        if std::mem::take(&mut self.is_quiet) {
            let waits = self.parts.iter().position(|part| !part.has_ended);
            return (waits.unwrap_or(0), self.patience);
        }
        let next = if self.left == 0 { self.turn + 1 } else { self.turn };
        (if next < self.parts.len() { next } else { 0 }, Duration::ZERO)
    }
}

impl Source for Several {
    /// The name is that of the first; live if all are.
    fn capabilities(&self) -> Capabilities {
        let all = || self.parts.iter().map(|part| part.source.capabilities());
        Capabilities {
            name: all().next().map_or("none", |first| first.name),
            live: all().all(|one| one.live),
            enter_events: all().any(|one| one.enter_events),
        }
    }

    /// Starts them in order; what they tell is [put together](Snapshot::join).
    fn start(&mut self) -> Result<Snapshot, SourceError> {
        let mut whole = Snapshot { is_live: true, ..Snapshot::default() };
        for part in &mut self.parts {
            whole.join(part.source.start()?);
        }
        Ok(whole)
    }

    /// [`Next::End`] when all have ended. A further section ([`Next::Snapshot`]) of one of them starts
    /// the tables anew for all.
    fn next(&mut self) -> Result<Next<'_>, SourceError> {
        let (first, mut patience) = self.whose_turn();
        let count = self.parts.len();
        let (before, from) = self.parts.split_at_mut(first.min(count));
        let mut is_over = true;
        for part in from.iter_mut().chain(before) {
            if part.has_ended {
                continue;
            }
            part.allow(std::mem::take(&mut patience));
            match part.source.next()? {
                Next::Idle => is_over = false,
                Next::End => part.has_ended = true,
                told => {
                    if part.place != self.turn || self.left == 0 {
                        (self.turn, self.left) = (part.place, TURN);
                    }
                    self.left -= 1;
                    return Ok(told);
                }
            }
        }
        self.is_quiet = true;
        Ok(if is_over { Next::End } else { Next::Idle })
    }

    fn set_patience(&mut self, longest: Duration) {
        self.patience = longest;
    }

    fn stop_capture(&mut self) {
        self.parts.iter_mut().for_each(|part| part.source.stop_capture());
    }

    /// The latest time of all, since each may have told more than the others.
    fn hand_over(&mut self, since: u64) -> u64 {
        let until = self.parts.iter_mut().map(|part| part.source.hand_over(since));
        until.max().unwrap_or(since)
    }

    /// Asks each that can be asked, in order.
    fn lookup(&self) -> Option<Box<dyn ThreadLookup>> {
        let all: Vec<_> = self.parts.iter().filter_map(|part| part.source.lookup()).collect();
        (!all.is_empty()).then(|| Box::new(InTurn(all)) as Box<dyn ThreadLookup>)
    }

    /// The sums.
    fn stats(&self) -> Stats {
        let all = self.parts.iter().map(|part| part.source.stats());
        all.fold(Stats::default(), |sum, one| sum.plus(&one))
    }

    fn stats_by_source(&self) -> Vec<(&'static str, Stats)> {
        self.parts.iter().flat_map(|part| part.source.stats_by_source()).collect()
    }
}

/// Several that can be asked about threads: who knows one answers.
struct InTurn(Vec<Box<dyn ThreadLookup>>);

impl ThreadLookup for InTurn {
    fn thread(&mut self, tid: i64) -> Option<Found> {
        self.0.iter_mut().find_map(|one| one.thread(tid))
    }

    fn is_alive(&mut self, pid: i64, tid: i64) -> bool {
        self.0.iter_mut().any(|one| one.is_alive(pid, tid))
    }

    fn fd(&mut self, pid: i64, num: i64) -> Option<Fd> {
        self.0.iter_mut().find_map(|one| one.fd(pid, num))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use falco_event::{EventBuilder, EventCode, RawEvent};

    use super::*;
    use crate::snapshot::{Machine, Thread, User};

    /// What a test sees of a source that it plays.
    #[derive(Default)]
    struct Seen {
        /// The patience with which it was asked, each time.
        asked: Vec<Duration>,
        is_stopped: bool,
        handed_over: Option<u64>,
    }

    /// A source that is played: each entry is the answer to one question; nothing is [`Next::Idle`].
    struct Played {
        tid: i64,
        answers: VecDeque<Answer>,
        patience: Duration,
        event: Vec<u8>,
        events: u64,
        seen: Arc<Mutex<Seen>>,
    }

    enum Answer {
        Event,
        Idle,
        Section,
        Broken,
        End,
    }

    impl Played {
        fn new(tid: i64, answers: impl IntoIterator<Item = Answer>) -> (Self, Arc<Mutex<Seen>>) {
            let seen = Arc::<Mutex<Seen>>::default();
            let mut builder = EventBuilder::new();
            builder.start(tid as u64, tid, EventCode::SYSCALL_CLOSE_X).i64(0).i64(3);
            let event = builder.finish(0, 0).unwrap().bytes().to_vec();
            let answers = answers.into_iter().collect();
            let patience = Duration::MAX;
            let played = Played { tid, answers, patience, event, events: 0, seen: seen.clone() };
            (played, seen)
        }

        fn events(tid: i64, count: usize) -> Self {
            Self::new(tid, (0..count).map(|_| Answer::Event)).0
        }
    }

    /// Knows one thread.
    struct Knows(i64);

    impl ThreadLookup for Knows {
        fn thread(&mut self, tid: i64) -> Option<Found> {
            let thread = Thread { tid, ..Thread::default() };
            (tid == self.0).then(|| Found { thread, fds: Vec::new() })
        }

        fn is_alive(&mut self, _pid: i64, tid: i64) -> bool {
            tid == self.0
        }
    }

    impl Source for Played {
        fn capabilities(&self) -> Capabilities {
            Capabilities { name: "played", live: true, enter_events: self.tid == 2 }
        }

        fn start(&mut self) -> Result<Snapshot, SourceError> {
            let machine = Machine { cpus: self.tid as u32, ..Machine::default() };
            Ok(Snapshot {
                is_live: true,
                machine: (self.tid > 1).then_some(machine),
                users: vec![User { uid: self.tid as u32, ..User::default() }],
                threads: vec![Thread { tid: self.tid, ..Thread::default() }],
                fds: vec![(self.tid, Vec::new())],
                ..Snapshot::default()
            })
        }

        fn next(&mut self) -> Result<Next<'_>, SourceError> {
            self.seen.lock().unwrap().asked.push(self.patience);
            match self.answers.pop_front() {
                Some(Answer::Event) => {
                    self.events += 1;
                    Ok(Next::Event(RawEvent::parse(&self.event, 0, 0).unwrap()))
                }
                Some(Answer::Section) => Ok(Next::Snapshot(Box::default())),
                Some(Answer::Broken) => Err(SourceError::Corrupt {
                    name: "played".to_owned(),
                    what: "broken".to_owned(),
                    offset: 0,
                }),
                Some(Answer::End) => Ok(Next::End),
                Some(Answer::Idle) | None if !self.seen.lock().unwrap().is_stopped => {
                    Ok(Next::Idle)
                }
                Some(Answer::Idle) | None => Ok(Next::End),
            }
        }

        fn set_patience(&mut self, longest: Duration) {
            self.patience = longest;
        }

        fn stop_capture(&mut self) {
            self.seen.lock().unwrap().is_stopped = true;
        }

        fn hand_over(&mut self, since: u64) -> u64 {
            self.seen.lock().unwrap().handed_over = Some(since);
            self.stop_capture();
            since + self.tid as u64
        }

        fn lookup(&self) -> Option<Box<dyn ThreadLookup>> {
            Some(Box::new(Knows(self.tid)))
        }

        fn stats(&self) -> Stats {
            Stats { events: self.events, dropped_ring: self.tid as u64, ..Stats::default() }
        }
    }

    fn several(sources: impl IntoIterator<Item = Played>) -> Several {
        Several::new(sources.into_iter().map(|one| Box::new(one) as _).collect())
    }

    /// The thread ids of events until it says something else, and what that is.
    fn told(source: &mut Several) -> (Vec<i64>, String) {
        let mut tids = Vec::new();
        loop {
            match source.next() {
                Ok(Next::Event(event)) => tids.push(event.tid()),
                Ok(Next::Idle) => return (tids, "idle".to_owned()),
                Ok(Next::End) => return (tids, "end".to_owned()),
                Ok(Next::Snapshot(_)) => return (tids, "section".to_owned()),
                Err(error) => return (tids, error.to_string()),
            }
        }
    }

    #[test]
    fn who_has_much_to_tell_does_not_silence_the_others() {
        let mut source = several([Played::events(1, 1000), Played::events(2, 3)]);
        let (tids, _) = told(&mut source);
        assert_eq!(tids.len(), 1003);
        let second = tids.iter().position(|&tid| tid == 2).unwrap();
        assert_eq!(second, TURN as usize);
        assert_eq!(tids[second..second + 4], [2, 2, 2, 1]);
        // Two that never end have equal shares.
        let mut source = several([1, 2, 3].map(|tid| Played::events(tid, 5000)));
        let mut counts = [0; 4];
        for _ in 0..TURN * 30 {
            let Ok(Next::Event(event)) = source.next() else { panic!() };
            counts[event.tid() as usize] += 1;
        }
        assert_eq!(counts, [0, 1280, 1280, 1280]);
    }

    #[test]
    fn only_the_first_waits_and_only_when_nobody_has_anything() {
        let (first, asked_first) = Played::new(1, []);
        let (second, asked_second) =
            Played::new(2, [Answer::Idle, Answer::Idle, Answer::Event, Answer::Event]);
        let mut source = several([first, second]);
        source.set_patience(Duration::from_millis(7));
        let asked = |seen: &Arc<Mutex<Seen>>| -> Vec<u128> {
            seen.lock().unwrap().asked.drain(..).map(|patience| patience.as_millis()).collect()
        };
        assert_eq!(told(&mut source), (vec![], "idle".to_owned()));
        assert_eq!((asked(&asked_first), asked(&asked_second)), (vec![0], vec![0]));
        assert_eq!(told(&mut source), (vec![], "idle".to_owned()));
        assert_eq!((asked(&asked_first), asked(&asked_second)), (vec![7], vec![0]));
        // The first one's pause is over before the second one's event, and not repeated for the next.
        assert_eq!(told(&mut source), (vec![2, 2], "idle".to_owned()));
        assert_eq!((asked(&asked_first), asked(&asked_second)), (vec![7, 0], vec![0, 0, 0]));
    }

    #[test]
    fn the_next_one_waits_when_the_first_has_ended() {
        let (first, asked_first) = Played::new(1, [Answer::End]);
        let (second, asked_second) = Played::new(2, []);
        let mut source = several([first, second]);
        (0..3).for_each(|_| assert_eq!(told(&mut source).1, "idle"));
        assert_eq!(asked_first.lock().unwrap().asked.len(), 1);
        assert_eq!(
            asked_second.lock().unwrap().asked,
            [Duration::ZERO, Duration::MAX, Duration::MAX]
        );
    }

    #[test]
    fn it_ends_when_all_have_ended() {
        let mut source = several([Played::events(1, 2), Played::events(2, 1)]);
        source.stop_capture();
        assert_eq!(told(&mut source), (vec![1, 1, 2], "end".to_owned()));
        assert_eq!(told(&mut source).1, "end");
        assert_eq!(told(&mut several([])).1, "end");
        let ((first, one), (second, two)) = (Played::new(1, []), Played::new(2, []));
        let mut source = several([first, second]);
        assert_eq!(source.hand_over(77), 79);
        assert_eq!(told(&mut source).1, "end");
        for seen in [one, two] {
            assert_eq!(seen.lock().unwrap().handed_over, Some(77));
        }
    }

    #[test]
    fn what_breaks_one_is_told() {
        let (broken, _) = Played::new(2, [Answer::Event, Answer::Broken]);
        let mut source = several([Played::events(1, 1), broken]);
        let (tids, end) = told(&mut source);
        assert_eq!(tids, [1, 2]);
        assert!(end.contains("broken"), "{end}");
    }

    #[test]
    fn what_they_tell_of_the_start_is_put_together() {
        let mut source = several([1, 2, 3].map(|tid| Played::events(tid, 0)));
        let whole = source.start().unwrap();
        assert!(whole.is_live);
        assert_eq!(whole.machine.unwrap().cpus, 2);
        assert_eq!(whole.users.len(), 3);
        assert_eq!(whole.threads.iter().map(|t| t.tid).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(whole.fds.iter().map(|(tid, _)| *tid).collect::<Vec<_>>(), [1, 2, 3]);
        let capabilities = source.capabilities();
        assert!(capabilities.live && capabilities.enter_events);
    }

    #[test]
    fn a_further_section_is_passed_on() {
        let (sections, _) = Played::new(2, [Answer::Event, Answer::Section, Answer::Event]);
        let mut source = several([Played::events(1, 0), sections]);
        assert_eq!(told(&mut source), (vec![2], "section".to_owned()));
        assert_eq!(told(&mut source), (vec![2], "idle".to_owned()));
    }

    #[test]
    fn counters_are_added_and_kept_apart() {
        let mut source = several([Played::events(1, 5), Played::events(2, 7)]);
        told(&mut source);
        let stats = source.stats();
        assert_eq!((stats.events, stats.dropped_ring, stats.dropped()), (12, 3, 3));
        let each: Vec<_> = source.stats_by_source().iter().map(|(_, s)| s.events).collect();
        assert_eq!(each, [5, 7]);
        assert_eq!(stats.since(&source.stats_by_source()[0].1).events, 7);
    }

    #[test]
    fn whoever_knows_a_thread_answers() {
        let source = several([1, 2].map(|tid| Played::events(tid, 0)));
        let mut lookup = source.lookup().unwrap();
        assert_eq!(lookup.thread(2).unwrap().thread.tid, 2);
        assert!(lookup.thread(3).is_none());
        assert!(lookup.is_alive(1, 1) && lookup.is_alive(2, 2) && !lookup.is_alive(3, 3));
        assert!(several([]).lookup().is_none());
    }
}
