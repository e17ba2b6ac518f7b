//! `falco gvisor sessions`: the sandboxes of this host, and what the running sensor has of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::{Context, Result};
use falco_gvisor::runsc::Sandbox;
use falco_gvisor::status::{SessionInfo, Status, StatusError};
use serde_json::{Value, json};

use super::{here, setup};
use crate::cli::gvisor::SessionsOptions;
use crate::cli::input::Input;
use crate::session;

/// Prints them.
///
/// # Errors
/// If the configuration is wrong, a status is there that cannot be read, or stdout fails.
pub fn run(options: &SessionsOptions) -> Result<()> {
    let (config, overrides) = (options.config.clone(), options.overrides.clone());
    let config = session::tool_config(&Input { rules: Vec::new(), config, overrides })?;
    let socket = setup::socket(&config)?;
    let status = match Status::read(&socket) {
        Ok(status) => Some(status).filter(Status::is_current),
        Err(StatusError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let list = List::of(status, here::sandboxes(&config));
    let mut out = io::stdout().lock();
    let text = match options.json {
        true => format!("{}\n", list.json()),
        false => list.text(&socket.display().to_string()),
    };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout")
}

/// A sandbox, as the running sensor and runsc tell of it.
#[derive(Debug)]
struct Line {
    id: String,
    session: Option<SessionInfo>,
    sandbox: Option<Sandbox>,
}

/// All sandboxes in the order of their ids.
#[derive(Debug)]
struct List {
    /// The process of the running sensor, if there is one.
    sensor: Option<u32>,
    lines: Vec<Line>,
}

impl List {
    fn of(status: Option<Status>, sandboxes: Vec<Sandbox>) -> Self {
        let sensor = status.as_ref().map(|status| status.pid);
        let mut lines = BTreeMap::<String, Line>::new();
        for sandbox in sandboxes {
            let id = sandbox.id.clone();
            lines.insert(id.clone(), Line { id, session: None, sandbox: Some(sandbox) });
        }
        for session in status.map(|status| status.sessions).unwrap_or_default() {
            // Known by the first container that was heard of, which need not be the sandbox's first.
            let is_it = |line: &&mut Line| {
                line.id == session.sandbox
                    || line.sandbox.as_ref().is_some_and(|sandbox| {
                        sandbox.containers.iter().any(|one| session.containers.contains(&one.id))
                    })
            };
            let known = lines.values_mut().find(is_it);
            match known.filter(|line| line.session.is_none()) {
                Some(line) => line.session = Some(session),
                None => {
                    // Told by nobody but itself: it may be that of another host, or lie.
                    let id = session.sandbox.clone();
                    let key = format!("{id}/{}", session.number);
                    lines.insert(key, Line { id, session: Some(session), sandbox: None });
                }
            }
        }
        List { sensor, lines: lines.into_values().collect() }
    }

    fn text(&self, socket: &str) -> String {
        let mut out = match self.sensor {
            Some(pid) => format!("falco (process {pid}) receives at {socket}\n"),
            None => format!("no falco receives at {socket}\n"),
        };
        if self.lines.is_empty() {
            out += "no sandbox of gVisor runs here\n";
            return out;
        }
        let head = ["SANDBOX", "CONTAINERS", "STATE", "MESSAGES", "EVENTS", "DROPS", "LAG"];
        let rows: Vec<[String; 7]> = self.lines.iter().map(Line::columns).collect();
        let width = |column: usize| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or(0).max(head[column].len())
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        for row in std::iter::once(head.map(str::to_owned)).chain(rows) {
            let mut line = String::new();
            for (column, text) in row.iter().enumerate() {
                let width = widths.get(column).copied().unwrap_or(0);
                // Numbers stand to the right. Writing to memory does not fail.
                let _ = match column {
                    0..=2 => write!(line, "{text:<width$}  "),
                    _ => write!(line, "{text:>width$}  "),
                };
            }
            out += line.trim_end();
            out.push('\n');
        }
        out
    }

    fn json(&self) -> Value {
        let lines = self.lines.iter().map(Line::json);
        json!({ "sensor_pid": self.sensor, "sandboxes": lines.collect::<Vec<_>>() })
    }
}

impl Line {
    fn containers(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        let of_runsc = self.sandbox.iter().flat_map(|s| s.containers.iter().map(|c| &*c.id));
        let of_session = self.session.iter().flat_map(|s| s.containers.iter().map(|id| &**id));
        for id in of_runsc.chain(of_session) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    fn state(&self) -> &'static str {
        match (&self.session, &self.sandbox) {
            (Some(session), _) if session.attached => "watched (attached)",
            (Some(_), _) => "watched",
            (None, Some(sandbox)) if !sandbox.is_running => "not running",
            (None, _) => "NOT WATCHED",
        }
    }

    fn columns(&self) -> [String; 7] {
        let number = |of: fn(&SessionInfo) -> u64| match &self.session {
            Some(session) => of(session).to_string(),
            None => "-".to_owned(),
        };
        let lag = match &self.session {
            Some(session) => format!("{} ms", session.lag_ns.div_ceil(1_000_000)),
            None => "-".to_owned(),
        };
        [
            short(&self.id).to_owned(),
            self.containers().into_iter().map(short).collect::<Vec<_>>().join(","),
            self.state().to_owned(),
            number(|session| session.messages),
            number(|session| session.events),
            number(|session| session.dropped),
            lag,
        ]
    }

    fn json(&self) -> Value {
        let mut line = json!({
            "sandbox": self.id,
            "containers": self.containers(),
            "watched": self.session.is_some(),
        });
        if let Some(sandbox) = &self.sandbox {
            line["root"] = sandbox.root.display().to_string().into();
            line["pid"] = sandbox.pid.into();
            line["running"] = sandbox.is_running.into();
            line["runsc_version"] = sandbox.version.clone().into();
        }
        if let Some(session) = &self.session {
            line["session"] = json!({
                "attached": session.attached,
                "number": session.number,
                "since_ns": session.since_ns,
                "messages": session.messages,
                "events": session.events,
                "dropped": session.dropped,
                "unknown": session.unknown,
                "invalid": session.invalid,
                "queued_bytes": session.queued_bytes,
                "lag_ns": session.lag_ns,
            });
        }
        line
    }
}

/// The long ids of Docker as Docker shows them; others, which people chose, in full.
fn short(id: &str) -> &str {
    let is_hash = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    id.get(..12).filter(|_| is_hash).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use falco_gvisor::runsc::Container;

    use super::*;

    fn sandbox(id: &str, containers: &[&str]) -> Sandbox {
        let container =
            |id: &&str| Arc::new(Container { id: (*id).to_owned(), ..Default::default() });
        Sandbox {
            root: "/run/runsc".into(),
            id: id.to_owned(),
            pid: 7,
            version: None,
            is_running: true,
            containers: containers.iter().map(container).collect(),
        }
    }

    fn session(id: &str, containers: &[&str]) -> SessionInfo {
        SessionInfo {
            sandbox: id.to_owned(),
            containers: containers.iter().map(|&id| id.to_owned()).collect(),
            attached: id == "web",
            messages: 1200,
            events: 900,
            dropped: 3,
            lag_ns: 1_500_000,
            ..SessionInfo::default()
        }
    }

    #[test]
    fn what_both_tell_becomes_one_line_a_sandbox() {
        let hash = "0123456789abcdef".repeat(4);
        let status = Status {
            pid: 42,
            sessions: vec![session("web", &["web"]), session("side", &["side"]), session("x", &[])],
            ..Status::default()
        };
        let sandboxes =
            vec![sandbox("web", &["web"]), sandbox("pod", &["pod", "side"]), sandbox(&hash, &[])];
        let list = List::of(Some(status), sandboxes);
        assert_eq!(
            list.text("/run/s"),
            "falco (process 42) receives at /run/s\n\
             SANDBOX       CONTAINERS  STATE               MESSAGES  EVENTS  DROPS   LAG\n\
             0123456789ab              NOT WATCHED                -       -      -     -\n\
             pod           pod,side    watched                 1200     900      3  2 ms\n\
             web           web         watched (attached)      1200     900      3  2 ms\n\
             x                         watched                 1200     900      3  2 ms\n"
        );
        let json = list.json();
        assert_eq!(json["sandboxes"][0]["watched"], false);
        assert_eq!(json["sandboxes"][1]["session"]["dropped"], 3);
        assert_eq!(json["sandboxes"][1]["containers"], json!(["pod", "side"]));
        assert_eq!(json["sandboxes"][3].get("root"), None);
    }

    #[test]
    fn nothing_is_told_as_such() {
        let list = List::of(None, Vec::new());
        assert_eq!(
            list.text("/run/s"),
            "no falco receives at /run/s\nno sandbox of gVisor runs here\n"
        );
        assert_eq!(list.json(), json!({"sensor_pid": null, "sandboxes": []}));
    }
}
