//! [`Resolver`]: looks up the addresses of the hosts that rules name (`fd.sip.name = example.org`), as
//! any program of this machine would (`/etc/hosts`, name servers), on a thread of its own.
//!
//! Only names that stand in conditions are looked up, never what events tell. All at the start, and
//! each again after 10 seconds, twice as long after each time that nothing has changed, up to 320: the
//! intervals of Falco, which however begins in the middle of the first event that needs the name.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use falco_enrich::host_names::HostNames;

use crate::config::LogLevel;
use crate::log::Log;

/// How soon a name is looked up again.
const SOON: Duration = Duration::from_secs(10);
/// How soon one that has not changed for a while is.
const LATE: Duration = Duration::from_secs(320);
/// Names that are looked up; further ones have no address. Lists of mining pools have a hundred.
const MOST_NAMES: usize = 1024;
/// Addresses of one name that count.
const MOST_ADDRESSES: usize = 256;

/// Keeps addresses up to date while it lives.
#[derive(Debug)]
pub struct Resolver {
    names: Arc<HostNames>,
    /// The thread ends when this is gone. Nobody waits for it: a look-up may take many seconds.
    _lives: mpsc::Sender<Infallible>,
}

impl Resolver {
    /// Begins to look up `names`; none if there is nothing to do. What it cannot do goes to `log`.
    pub fn start(names: &[Box<[u8]>], log: Log) -> Option<Self> {
        let (names, left_out) = names.split_at(names.len().min(MOST_NAMES));
        if !left_out.is_empty() {
            log.warning(&format!(
                "conditions name {} hosts; only the first {MOST_NAMES} are looked up",
                MOST_NAMES + left_out.len()
            ));
        }
        if names.is_empty() {
            return None;
        }
        let names = Arc::new(HostNames::new(names.iter().cloned()));
        let (lives, ended) = mpsc::channel();
        let table = Arc::clone(&names);
        let thread = thread::Builder::new().name("resolver".to_owned());
        let started = thread.spawn(move || keep_current(&table, &ended, log));
        if let Err(error) = started {
            log.warning(&format!("names of hosts are not looked up: {error}"));
            return None;
        }
        Some(Resolver { names, _lives: lives })
    }

    /// The names with what was found.
    pub fn names(&self) -> Arc<HostNames> {
        Arc::clone(&self.names)
    }
}

/// Looks up names until `ended` hangs up.
fn keep_current(names: &HostNames, ended: &mpsc::Receiver<Infallible>, log: Log) {
    let mut schedule = Schedule::new(names.names().len(), Instant::now());
    loop {
        let Some((index, due)) = schedule.next() else { return };
        match ended.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
        }
        let changed = names.names().get(index).is_some_and(|name| {
            let name = String::from_utf8_lossy(name);
            // An outage of the name server does not move hosts: what was known stays.
            let (changed, told) = match look_up(&name) {
                Ok(found) => (names.set(index, &found), format!("{found:?}")),
                Err(error) => (false, error.to_string()),
            };
            log.write(LogLevel::Debug, &format!("addresses of {name}: {told}"));
            changed
        });
        schedule.done(index, Instant::now(), changed);
    }
}

/// The addresses of a host, at least one.
fn look_up(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = (name, 0).to_socket_addrs()?;
    let addresses: Vec<IpAddr> = found.map(|end| end.ip()).take(MOST_ADDRESSES).collect();
    match addresses.is_empty() {
        true => Err(io::Error::other("it has none")),
        false => Ok(addresses),
    }
}

/// When each name is to be looked up.
#[derive(Debug)]
struct Schedule(Vec<Turn>);

#[derive(Clone, Copy, Debug)]
struct Turn {
    due: Instant,
    interval: Duration,
}

impl Schedule {
    /// All now.
    fn new(names: usize, now: Instant) -> Self {
        Schedule(vec![Turn { due: now, interval: SOON }; names])
    }

    /// The name whose turn comes first, and when.
    fn next(&self) -> Option<(usize, Instant)> {
        let turns = self.0.iter().map(|turn| turn.due).enumerate();
        turns.min_by_key(|(_, due)| *due)
    }

    /// A name was looked up and has the same addresses as before, or others.
    fn done(&mut self, index: usize, now: Instant, changed: bool) {
        let Some(turn) = self.0.get_mut(index) else { return };
        if changed {
            turn.interval = SOON;
        }
        turn.due = now + turn.interval;
        turn.interval = (turn.interval * 2).min(LATE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn names_have_their_turns_ever_later_until_something_changes() {
        let start = Instant::now();
        let mut one = Schedule::new(1, start);
        let waits = [false, false, false, false, false, false, false, true, false].map(|changed| {
            let (index, due) = one.next().unwrap();
            one.done(index, due, changed);
            (one.next().unwrap().1 - due).as_secs()
        });
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 320, 10, 20]);

        let mut two = Schedule::new(2, start);
        assert_eq!(two.next(), Some((0, start)));
        two.done(0, start, false);
        assert_eq!(two.next(), Some((1, start)));
        two.done(1, start + SOON, false);
        assert_eq!(two.next(), Some((0, start + SOON)));
        assert_eq!(Schedule::new(0, start).next(), None);
    }

    /// An address is its own name, for which nobody is asked.
    #[test]
    fn what_is_found_gets_into_the_table() {
        let log = Log::new(&Config::default());
        let names = ["127.0.0.7", "::7"].map(|name| name.as_bytes().into());
        let resolver = Resolver::start(&names, log).unwrap();
        let table = resolver.names();
        let begin = Instant::now();
        let name = |address: &str| table.first_of(address.parse().unwrap());
        while name("127.0.0.7").is_none() || name("::7").is_none() {
            assert!(begin.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(1));
        }
        // The thread lets go of the table when nobody wants it any more.
        drop(resolver);
        while Arc::strong_count(&table) > 1 {
            assert!(begin.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(1));
        }
        assert!(Resolver::start(&[], log).is_none());
    }
}
