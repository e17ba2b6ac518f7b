//! The same answers as Falco gave: on captures ([`alerts`], [`events`]) and on the vectors that its
//! unit tests left ([`vectors`]).

mod alerts;
mod events;
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

/// Runs `[alerts|events|fields|filters|rules|all] [CAPTURE] [--verbose]`.
///
/// # Errors
/// If an answer is below its target.
pub fn run(args: &[String]) -> Result<()> {
    let mut words = args.iter().filter(|a| !a.starts_with("--")).map(String::as_str);
    let what = words.next().unwrap_or("all");
    let capture = words.next().map(|name| name.trim_end_matches(".scap").to_owned());
    let options = Options { capture, verbose: args.iter().any(|a| a == "--verbose") };

    let Some(shared) = paths::shared() else { return Ok(()) };
    let verdicts = match what {
        "alerts" => vec![alerts::compare(&shared, &options)?],
        "events" => vec![events::compare(&shared, &options)?],
        "fields" | "filters" | "rules" => vectors::compare(&[what], &options)?,
        "all" => {
            let mut verdicts = vec![alerts::compare(&shared, &options)?];
            verdicts.push(events::compare(&shared, &options)?);
            verdicts.extend(vectors::compare(&["fields", "filters", "rules"], &options)?);
            verdicts
        }
        other => bail!("no `{other}`: alerts, events, fields, filters, rules or all"),
    };
    println!();
    for v in &verdicts {
        let (rate, target) = (v.tally.percent(), v.target);
        let mark = if v.holds() { "ok" } else { "BELOW TARGET" };
        println!(
            "{:<8} {:>9} of {:>9}  {rate:7.3} %  (target {target} %)  {mark}",
            v.name, v.tally.equal, v.tally.total
        );
    }
    if verdicts.iter().all(Verdict::holds) { Ok(()) } else { bail!("below target") }
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

    fn percent(self) -> f64 {
        if self.total == 0 { 0.0 } else { 100.0 * self.equal as f64 / self.total as f64 }
    }
}

/// A tally held against what was promised.
struct Verdict {
    name: &'static str,
    tally: Tally,
    /// Percent that must be equal.
    target: f64,
}

impl Verdict {
    /// Nothing compared is nothing shown.
    fn holds(&self) -> bool {
        self.tally.total > 0 && self.tally.percent() >= self.target
    }
}
