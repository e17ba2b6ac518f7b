//! Our probe fills the parameters of events as Falco's does: the scenario of system calls that Falco
//! recorded as `edge.scap` is carried out here under a recording of our own, and what both say of it is
//! compared event by event.
//!
//! * [`stage`]: compiles, carries out and records; [`family`]: picks the scenario's events out and
//!   names its processes; [`normal`]: takes out of values what is different every time.
//! * [`accepted`]: the differences that are not the probe's, each with its reason.

mod accepted;
mod family;
mod normal;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, bail};

use self::accepted::{Difference, EVENT, ROWS, Row};
use self::family::{Falcos, Family};
use self::normal::{Normal, Own};
use self::stage::Stage;
use super::{Options, Tally, Verdict};

/// Sizes of the rings in MiB, one after the other while events are lost.
const SIZES: [u64; 3] = [8, 64, 512];

/// The scenario waits, say, 50 ms for another process to be ready, and goes on if it is not. What our
/// probe does wrong it does every time.
const ATTEMPTS: usize = 3;

/// Stands for the value that one of two events does not have.
const ABSENT: &str = "(absent)";

/// Events shown that differ, unless all are asked for.
const SHOWN: usize = 12;

/// Records the scenario and compares; none if it cannot be recorded here.
pub fn compare(shared: &Path, options: &Options) -> Result<Option<Verdict>> {
    println!("probe: events of the scenario `edge`, recorded here and by Falco");
    if let Some(why) = stage::obstacle() {
        println!("  IGNORED: our probe is not compared with Falco's because {why}");
        return Ok(None);
    }
    let falcos = Falcos::read(shared)?;
    let stage = Stage::build(shared)?;
    let mut last = record(&stage, &falcos)?;
    for _ in 1..ATTEMPTS {
        if last.tally.is_perfect() {
            break;
        }
        last.print_differing(options);
        println!("  once more: where this machine is busy, the scenario's waits can be too short");
        last = record(&stage, &falcos)?;
    }
    last.print(options);
    Ok(Some(Verdict { name: "probe", tally: last.tally }))
}

/// Records with rings as large as needed and compares.
fn record(stage: &Stage, falcos: &Falcos) -> Result<Comparison> {
    for size in SIZES {
        let recorded = stage.record(size)?;
        match &recorded.lost {
            Some(lost) => {
                println!("  with rings of {size} MiB: {lost}; once more with larger ones")
            }
            None => {
                let ours = Family::of(recorded.events(falcos)?)?;
                return Comparison::of(&falcos.family, &ours);
            }
        }
    }
    bail!("events were lost with rings of any size: this machine is too busy")
}

/// Of two values the part where they begin to differ, if they are long.
fn excerpts(a: &str, b: &str) -> [String; 2] {
    const BEFORE: usize = 30;
    const LENGTH: usize = 120;
    let common = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let skipped = common.saturating_sub(BEFORE);
    [a, b].map(|text| {
        let length = text.chars().count();
        let part: String = text.chars().skip(skipped).take(LENGTH).collect();
        let before = if skipped > 0 { format!("({skipped} more) ") } else { String::new() };
        let after = length.saturating_sub(skipped + LENGTH);
        let after = if after > 0 { format!(" ({after} more)") } else { String::new() };
        format!("{before}{part}{after}")
    })
}

/// What became of the events.
#[derive(Default)]
struct Comparison {
    tally: Tally,
    /// How often each of the [`ROWS`] was needed.
    accepted: BTreeMap<usize, u64>,
    /// Events that differ otherwise, ready to print.
    differing: Vec<String>,
}

impl Comparison {
    fn of(golden: &Family, ours: &Family) -> Result<Self> {
        let mut owns = [Own::of(golden)?, Own::of(ours)?];
        let [theirs, own] = &mut owns;
        theirs.share_capabilities(own);
        let (golden, ours) = (theirs.normal(golden), own.normal(ours));
        let mut comparison = Comparison::default();
        let mut groups: BTreeMap<(&str, &str), [Vec<&Normal>; 2]> = BTreeMap::new();
        for (side, events) in [&golden, &ours].into_iter().enumerate() {
            for event in events {
                groups.entry((&event.who, &event.kind)).or_default()[side].push(event);
            }
        }
        for [golden, ours] in groups.into_values() {
            comparison.group(golden, ours);
        }
        Ok(comparison)
    }

    /// Compares the events of one type of one thread, in their order.
    fn group(&mut self, mut golden: Vec<&Normal>, mut ours: Vec<&Normal>) {
        if golden.len() != ours.len() {
            // What is left when equal ones are taken away tells best which are missing.
            ours.retain(|event| {
                let equal = golden.iter().position(|g| g.values == event.values);
                self.tally.equal += u64::from(equal.is_some());
                self.tally.total += u64::from(equal.is_some());
                equal.map(|at| golden.remove(at)).is_none()
            });
        }
        let both = golden.len().min(ours.len());
        for (golden, ours) in golden.iter().zip(&ours) {
            self.pair(golden, ours);
        }
        for missing in &golden[both..] {
            self.lonely('-', missing);
        }
        for extra in &ours[both..] {
            self.lonely('+', extra);
        }
    }

    fn pair(&mut self, golden: &Normal, ours: &Normal) {
        let mut names: Vec<&String> = golden.values.keys().chain(ours.values.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let mut lines = String::new();
        let mut rows = BTreeSet::new();
        for name in names {
            let value = |event: &Normal| event.values.get(name).map_or(ABSENT, |v| v).to_owned();
            let (theirs, own) = (value(golden), value(ours));
            if theirs == own {
                continue;
            }
            match self.row(&Difference { golden, ours, name, theirs: &theirs, own: &own }) {
                Some(row) => {
                    rows.insert(row);
                }
                None => {
                    let [theirs, own] = excerpts(&theirs, &own);
                    lines += &format!("\n        {name}\n          - {theirs}\n          + {own}");
                }
            }
        }
        self.judge(
            rows,
            || format!("    ~ {} of {}{lines}", golden.kind, golden.who),
            lines.is_empty(),
        );
    }

    /// An event that only one of the two recordings has.
    fn lonely(&mut self, sign: char, event: &Normal) {
        let (theirs, own) = if sign == '-' { ("", ABSENT) } else { (ABSENT, "") };
        let row = self.row(&Difference { golden: event, ours: event, name: EVENT, theirs, own });
        let values = event.values.iter().filter(|(name, _)| name.starts_with("arg."));
        let values: Vec<_> = values.map(|(n, v)| format!("{}={v}", &n["arg.".len()..])).collect();
        let (kind, who) = (&event.kind, &event.who);
        let is_accepted = row.is_some();
        let line = || format!("    {sign} {kind} of {who}: {}", values.join(" "));
        self.judge(row.into_iter().collect(), line, is_accepted);
    }

    /// Why a difference is accepted, as a number of [`ROWS`].
    fn row(&self, difference: &Difference<'_>) -> Option<usize> {
        let used = |row: usize| self.accepted.get(&row).copied().unwrap_or_default();
        let is = |(n, row): (usize, &Row)| (row.is)(difference) && used(n) < row.most;
        ROWS.iter().enumerate().position(is)
    }

    /// Counts an event that is equal but for `rows`, or else differs.
    fn judge(&mut self, rows: BTreeSet<usize>, line: impl FnOnce() -> String, is_accepted: bool) {
        self.tally.count(is_accepted);
        if is_accepted {
            for row in rows {
                *self.accepted.entry(row).or_default() += 1;
            }
        } else {
            self.differing.push(line());
        }
    }

    fn print(&self, options: &Options) {
        let Tally { equal, total } = self.tally;
        let but = if self.accepted.is_empty() { "" } else { "; of these equal but for" };
        println!("  {equal} of {total} events{but}");
        for (row, count) in &self.accepted {
            println!("    {count:>4} × {}", ROWS[*row].why);
        }
        self.print_differing(options);
    }

    fn print_differing(&self, options: &Options) {
        let shown = if options.verbose { self.differing.len() } else { SHOWN };
        for event in self.differing.iter().take(shown) {
            println!("{event}");
        }
        if self.differing.len() > shown {
            println!("    … {} more (--verbose shows all)", self.differing.len() - shown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(who: &str, kind: &str, values: &[(&str, &str)]) -> Normal {
        let values = values.iter().map(|(name, value)| (format!("arg.{name}"), (*value).into()));
        Normal {
            who: who.into(),
            kind: kind.into(),
            values: values.collect(),
            is_thread: false,
            is_shifted: false,
        }
    }

    fn compare(golden: &[Normal], ours: &[Normal]) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.group(golden.iter().collect(), ours.iter().collect());
        comparison
    }

    #[test]
    fn equal_events_are_equal_in_their_order() {
        let [a, b] = ["a", "b"].map(|name| event("edge", "open", &[("name", name)]));
        let [x, y] = ["a", "b"].map(|name| event("edge", "open", &[("name", name)]));
        let golden = [a, b];
        assert!(compare(&golden, &[x, y]).tally.is_perfect());
        let [x, y] = ["b", "a"].map(|name| event("edge", "open", &[("name", name)]));
        assert_eq!(compare(&golden, &[x, y]).tally, Tally { equal: 0, total: 2 });
    }

    #[test]
    fn what_only_one_has_differs() {
        let [a, b] = ["a", "b"].map(|name| event("edge", "open", &[("name", name)]));
        let only = [event("edge", "open", &[("name", "b")])];
        let missing = compare(&[a, b], &only);
        assert_eq!(missing.tally, Tally { equal: 1, total: 2 });
        assert_eq!(missing.differing, ["    - open of edge: name=a"]);
        let extra = compare(&[], &only);
        assert_eq!(extra.differing, ["    + open of edge: name=b"]);
        let more = compare(&only, &[event("edge", "open", &[("name", "b"), ("mode", "0")])]);
        assert!(more.differing[0].contains("mode\n          - (absent)\n          + 0"));
    }

    #[test]
    fn differences_are_accepted_for_a_reason_and_not_too_often() {
        let keyctl = |res| event("edge", "keyctl", &[("operation", "0(A)"), ("res", res)]);
        let accepted = compare(&[keyctl("1")], &[keyctl("2")]);
        assert!(accepted.tally.is_perfect() && accepted.accepted.len() == 1);
        let often = compare(&[keyctl("1"), keyctl("1")], &[keyctl("2"), keyctl("3")]);
        assert_eq!(often.tally, Tally { equal: 1, total: 2 });
        let other = |res| event("edge", "keyctl", &[("operation", "1(B)"), ("res", res)]);
        assert!(!compare(&[other("1")], &[other("2")]).tally.is_perfect());
    }

    #[test]
    fn long_values_are_shown_where_they_differ() {
        let long = "a".repeat(200);
        let [a, b] = excerpts(&format!("{long}b"), &format!("{long}c"));
        assert_eq!(a, format!("(170 more) {}b", "a".repeat(30)));
        assert_eq!(b, format!("(170 more) {}c", "a".repeat(30)));
        assert_eq!(excerpts("é", "x"), ["é", "x"]);
    }
}
