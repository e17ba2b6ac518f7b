//! The scenario's processes in a stream of events, named by how they descend from the first one, so
//! that those of two recordings can be told to be the same: `edge.3.1` is the first child of the
//! third child of `edge`, a thread being a child, too.

use std::collections::{BTreeSet, HashMap};
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::paths;

/// The programs of the scenario. What others do on their own, between their execution and their end,
/// is up to their version and that of their libraries.
const PROGRAMS: [&str; 2] = ["/opt/lab/edge", "/opt/lab/thexec"];

/// Events whose result is a new process or thread.
const BIRTHS: [&str; 4] = ["clone", "clone3", "fork", "vfork"];

/// An event as printed: field names and values.
pub struct Event(Map<String, Value>);

impl Event {
    /// The text of a field, none if it has no value or is no text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_str()
    }

    /// The number in a field.
    pub fn number(&self, field: &str) -> Option<i64> {
        self.0.get(field)?.as_i64()
    }

    /// All fields and their values.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(field, value)| (field.as_str(), value))
    }

    /// `evt.type`.
    pub fn kind(&self) -> &str {
        self.text("evt.type").unwrap_or_default()
    }

    fn tid(&self) -> i64 {
        self.number("thread.tid").unwrap_or(-1)
    }

    /// Its result is a new process or thread.
    pub fn is_birth(&self) -> bool {
        BIRTHS.contains(&self.kind()) && self.text("evt.dir") == Some("<")
    }

    /// One of the scenario's own doings.
    fn is_own(&self) -> bool {
        matches!(self.kind(), "execve" | "execveat" | "procexit")
            || self.text("proc.exepath").is_some_and(|path| PROGRAMS.contains(&path))
    }
}

/// Reads JSON objects, one a line; other lines are let pass.
pub fn read(lines: impl BufRead) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for line in lines.lines() {
        let line = line.context("cannot read events")?;
        if line.starts_with('{') {
            let event = serde_json::from_str(&line);
            events.push(Event(event.with_context(|| format!("no JSON object: {line}"))?));
        }
    }
    Ok(events)
}

/// Falco's recording of the scenario.
pub struct Falcos {
    /// The scenario's part.
    pub family: Family,
    /// The fields that are known of every event.
    pub fields: Vec<String>,
    /// All names that its processes have.
    pub names: BTreeSet<String>,
}

impl Falcos {
    /// Reads what Falco printed.
    pub fn read(shared: &Path) -> Result<Self> {
        let golden = shared.join("captures/golden/edge.events.jsonl.gz");
        let events = read(paths::open(&golden)?)?;
        let first = events.first().with_context(|| format!("{} is empty", golden.display()))?;
        let fields = first.0.keys().cloned().collect();
        let family = Family::of(events).with_context(|| format!("in {}", golden.display()))?;
        let names = family.events.iter().filter_map(|(_, event)| event.text("proc.name"));
        let names = names.map(str::to_owned).collect();
        Ok(Falcos { family, fields, names })
    }
}

/// The events of the scenario.
pub struct Family {
    /// With the name of the process or thread, in their order.
    pub events: Vec<(String, Event)>,
    /// The names of processes and threads, by id.
    pub ids: HashMap<i64, String>,
}

impl Family {
    /// Picks them out.
    ///
    /// # Errors
    /// If the scenario was not started in it.
    pub fn of(mut events: Vec<Event>) -> Result<Self> {
        let start = events.iter().position(|event| {
            event.kind() == "execve"
                && event.text("evt.res") == Some("SUCCESS")
                && event.text("proc.exepath") == Some(PROGRAMS[0])
        });
        let events = events.split_off(start.context("the scenario was not started in it")?);
        let first = events.first().context("the scenario was not started in it")?;
        let mut ids = HashMap::from([(first.tid(), "edge".to_owned())]);
        let mut children: HashMap<String, u32> = HashMap::new();
        // All of them before any event is looked at: a child may run before its parent knows its id.
        for birth in events.iter().filter(|event| event.is_birth()) {
            let child = birth.number("evt.rawres").unwrap_or(-1);
            let Some(parent) = ids.get(&birth.tid()).filter(|_| child > 0) else { continue };
            let count = children.entry(parent.clone()).or_default();
            *count += 1;
            let name = format!("{parent}.{count}");
            ids.entry(child).or_insert(name);
        }
        // Those above it are no part of it, and yet named in its events.
        for (field, name) in [("proc.ppid", "shell"), ("proc.vpgid", "starter")] {
            let id = first.number(field).with_context(|| format!("no {field}"))?;
            ids.entry(id).or_insert_with(|| name.to_owned());
        }
        let own = events.into_iter().filter(Event::is_own).filter_map(|event| {
            let name = ids.get(&event.tid()).filter(|name| name.starts_with("edge"))?;
            Some((name.clone(), event))
        });
        Ok(Family { events: own.collect(), ids })
    }
}
