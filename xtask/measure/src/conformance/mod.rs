//! The same answers as Falco gave: on captures ([`alerts`], [`events`]), on the vectors that its unit
//! tests left ([`vectors`]), and of its probe on this kernel ([`probe`]).

mod alerts;
mod events;
mod probe;
mod vectors;

use anyhow::{Result, bail};

use crate::paths;

/// What to compare, and how much to say.
struct Options {
    /// Only captures of this name (without `.scap`).
    capture: Option<String>,
    /// All differences instead of the first ones.
    verbose: bool,
}

impl Options {
    fn wants(&self, capture: &str) -> bool {
        self.capture.as_ref().is_none_or(|only| only == capture)
    }
}

/// Runs `[alerts|events|fields|filters|rules|probe|all] [CAPTURE] [--verbose]`.
///
/// # Errors
/// If an answer is not Falco's.
pub fn run(args: &[String]) -> Result<()> {
    let mut words = args.iter().filter(|a| !a.starts_with("--")).map(String::as_str);
    let what = words.next().unwrap_or("all");
    let capture = words.next().map(|name| name.trim_end_matches(".scap").to_owned());
    let options = Options { capture, verbose: args.iter().any(|a| a == "--verbose") };

    let Some(shared) = paths::shared() else { return Ok(()) };
    let verdicts = match what {
        "alerts" => vec![alerts::compare(&shared, &options)?],
        "events" => vec![events::compare(&shared, &options)?],
        "probe" => probe::compare(&shared, &options)?.into_iter().collect(),
        "fields" | "filters" | "rules" => vectors::compare(&[what], &options)?,
        "all" => {
            let mut verdicts = vec![alerts::compare(&shared, &options)?];
            verdicts.push(events::compare(&shared, &options)?);
            verdicts.extend(vectors::compare(&["fields", "filters", "rules"], &options)?);
            verdicts.extend(probe::compare(&shared, &options)?);
            verdicts
        }
        other => bail!("no `{other}`: alerts, events, fields, filters, rules, probe or all"),
    };
    println!();
    for Verdict { name, tally } in &verdicts {
        let mark = if tally.is_perfect() { "ok" } else { "DIFFERS" };
        let Tally { equal, total } = tally;
        println!("{name:<8} {equal:>9} of {total:>9}  {:7.3} %  {mark}", tally.percent());
    }
    let equal = verdicts.iter().all(|v| v.tally.is_perfect());
    if equal { Ok(()) } else { bail!("some answers are not Falco's") }
}

/// How many of how many were equal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tally {
    equal: u64,
    total: u64,
}

impl Tally {
    fn count(&mut self, equal: bool) {
        self.equal += u64::from(equal);
        self.total += 1;
    }

    fn add(&mut self, other: Tally) {
        self.equal += other.equal;
        self.total += other.total;
    }

    /// Everything is equal. Nothing compared is nothing shown.
    fn is_perfect(self) -> bool {
        self.total > 0 && self.equal == self.total
    }

    fn percent(self) -> f64 {
        if self.total == 0 { 0.0 } else { 100.0 * self.equal as f64 / self.total as f64 }
    }
}

/// What came of one question.
struct Verdict {
    name: &'static str,
    tally: Tally,
}
