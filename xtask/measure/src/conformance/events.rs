//! Field values of every event: `falco events` against what Falco printed for some 40 fields.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::{Options, Tally, Verdict};
use crate::paths;

/// Causes shown per capture, unless all are asked for.
const SHOWN: usize = 12;

/// Replays every capture that has an event golden and compares pair by pair.
pub fn compare(shared: &Path, options: &Options) -> Result<Verdict> {
    println!("events: (event, field) pairs");
    let folder = shared.join("captures/golden");
    let mut names = Vec::new();
    for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        names.extend(file.strip_suffix(".events.jsonl.gz").map(str::to_owned));
    }
    names.sort();
    let mut tally = Tally::default();
    for name in names.iter().filter(|n| options.wants(n)) {
        let comparison = compare_capture(shared, name)?;
        tally.add(comparison.tally);
        comparison.print(name, options.verbose);
    }
    Ok(Verdict { name: "events", tally })
}

fn compare_capture(shared: &Path, name: &str) -> Result<Comparison> {
    let golden = shared.join("captures/golden").join(format!("{name}.events.jsonl.gz"));
    let mut golden = objects(paths::open(&golden)?).peekable();
    let fields: Vec<String> = match golden.peek() {
        Some(Ok(first)) => first.keys().cloned().collect(),
        _ => bail!("the events golden of {name} is empty or unreadable"),
    };
    let capture = shared.join("captures").join(format!("{name}.scap"));
    let mut falco = start(&capture, &fields)?;
    let stdout = falco.0.stdout.take().context("falco events has no stdout")?;
    let mut ours = objects(BufReader::new(stdout)).peekable();

    let mut comparison = Comparison::default();
    for theirs in golden {
        let theirs = theirs?;
        let num = number(&theirs);
        // Events that Falco did not list (its golden leaves some types out) are let pass.
        while let Some(Ok(next)) = ours.peek()
            && number(next) < num
        {
            ours.next();
        }
        match ours.next_if(|o| o.as_ref().is_ok_and(|o| number(o) == num)) {
            Some(event) => comparison.event(&fields, &theirs, &event?),
            None => comparison.missing(&fields, &theirs),
        }
    }
    if let Some(Err(why)) = ours.next() {
        return Err(why);
    }
    Ok(comparison)
}

/// `falco events`, ended when this goes.
struct Falco(Child);

impl Drop for Falco {
    fn drop(&mut self) {
        // Goldens end before long captures do. A process that has ended by itself is no error.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(capture: &Path, fields: &[String]) -> Result<Falco> {
    let mut falco = Command::new(paths::falco()?);
    falco.env("FALCO_HOSTNAME", "node1").env("TZ", "UTC").stdin(Stdio::null());
    falco.env("HOST_ROOT", paths::root().join("sensor/tests/golden_host"));
    falco.args(["events", "--json", "--fields", &fields.join(","), "-e"]).arg(capture);
    falco.stdout(Stdio::piped());
    Ok(Falco(falco.spawn().context("cannot run falco events")?))
}

/// One JSON object a line.
fn objects(stream: impl BufRead) -> impl Iterator<Item = Result<Map<String, Value>>> {
    stream.lines().filter(|l| l.as_ref().map_or(true, |l| l.starts_with('{'))).map(|line| {
        let line = line.context("cannot read events")?;
        serde_json::from_str(&line).with_context(|| format!("no JSON object: {line}"))
    })
}

fn number(event: &Map<String, Value>) -> i64 {
    event.get("evt.num").and_then(Value::as_i64).unwrap_or(i64::MAX)
}

/// Why pairs differ: the same cause usually hits a field on one type of event in one way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    field: String,
    event_type: String,
    kind: &'static str,
}

/// What became of a capture.
#[derive(Default)]
struct Comparison {
    tally: Tally,
    /// How many pairs, and the first of them.
    causes: BTreeMap<Cause, (u64, String)>,
}

impl Comparison {
    fn event(&mut self, fields: &[String], theirs: &Map<String, Value>, ours: &Map<String, Value>) {
        let null = Value::Null;
        for field in fields {
            let t = theirs.get(field).unwrap_or(&null);
            let o = ours.get(field).unwrap_or(&null);
            self.tally.count(t == o);
            if t != o {
                let kind = match (t, o) {
                    (Value::Null, _) => "Falco has no value",
                    (_, Value::Null) => "we have no value",
                    _ => "value differs",
                };
                self.blame(field, theirs, kind, || format!("- {t}\n             + {o}"));
            }
        }
    }

    fn missing(&mut self, fields: &[String], theirs: &Map<String, Value>) {
        self.tally.total += fields.len() as u64;
        self.blame("(all)", theirs, "event missing", String::new);
    }

    fn blame(
        &mut self,
        field: &str,
        theirs: &Map<String, Value>,
        kind: &'static str,
        example: impl FnOnce() -> String,
    ) {
        let event_type = theirs.get("evt.type").and_then(Value::as_str).unwrap_or("?").to_owned();
        let cause = Cause { field: field.to_owned(), event_type, kind };
        let entry = self.causes.entry(cause);
        entry.or_insert_with(|| (0, format!("evt {} {}", number(theirs), example()))).0 += 1;
    }

    fn print(&self, name: &str, verbose: bool) {
        let Tally { equal, total } = self.tally;
        println!("  {name:<18} {equal:>9} of {total:>9}  {:7.3} %", self.tally.percent());
        let mut causes: Vec<_> = self.causes.iter().collect();
        causes.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let shown = if verbose { causes.len() } else { SHOWN };
        for (cause, (count, example)) in causes.iter().take(shown) {
            let Cause { field, event_type, kind } = cause;
            println!("    {count:>7} × {field} of {event_type}: {kind}\n           {example}");
        }
        if causes.len() > shown {
            println!("    … {} more causes (--verbose shows all)", causes.len() - shown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_and_grouped() {
        let object = |text: &str| objects(text.as_bytes()).next().unwrap().unwrap();
        let fields = ["evt.num", "evt.type", "fd.num"].map(str::to_owned);
        let theirs = object(r#"{"evt.num":7,"evt.type":"open","fd.num":3}"#);
        let mut comparison = Comparison::default();
        comparison.event(&fields, &theirs, &theirs);
        comparison.event(
            &fields,
            &theirs,
            &object(r#"{"evt.num":7,"evt.type":"open","fd.num":null}"#),
        );
        comparison.event(&fields, &theirs, &object(r#"{"evt.num":7,"evt.type":"open"}"#));
        comparison.missing(&fields, &theirs);
        assert_eq!(comparison.tally, Tally { equal: 7, total: 12 });
        let causes: Vec<_> = comparison.causes.iter().map(|(c, (n, _))| (c.kind, *n)).collect();
        assert_eq!(causes, [("event missing", 1), ("we have no value", 2)]);
    }
}
