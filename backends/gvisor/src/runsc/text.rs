//! What runsc prints, other than [processes](super::process): its version, lists of containers and
//! of sessions, and the points that it has.
//!
//! Much of it is text made for people. Lines that are not understood are skipped.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Most containers, points or process ids that are read from one answer.
const MAX_ENTRIES: usize = 1 << 16;

/// The version in the output of `runsc --version`: `0.0~20221219.0`, `release-20240729.0`.
pub fn version(output: &str) -> Option<&str> {
    let rest = output.lines().find_map(|line| line.trim().strip_prefix("runsc version "))?;
    Some(rest.trim()).filter(|version| !version.is_empty())
}

/// A container, as `runsc list -format json` tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// `creating`, `created`, `running`, `stopped` or `paused`.
    pub status: String,
    /// The process of its sandbox on the host.
    pub pid: i32,
    /// Its bundle, a path on the host.
    pub bundle: String,
}

/// Reads the output of `runsc list -format json`; none if it is no such list. No container at all
/// is told as `null`.
pub fn containers(output: &[u8]) -> Option<Vec<Listed>> {
    let listed: Option<Vec<Listed>> = serde_json::from_slice(output).ok()?;
    let mut listed = listed.unwrap_or_default();
    listed.truncate(MAX_ENTRIES);
    Some(listed)
}

/// Reads the output of `runsc ps -format json`: the ids of a container's processes in the sandbox's
/// root pid namespace. None if it is no such list.
pub fn pids(output: &[u8]) -> Option<Vec<i32>> {
    let pids: Option<Vec<i32>> = serde_json::from_slice(output).ok()?;
    let mut pids = pids.unwrap_or_default();
    pids.truncate(MAX_ENTRIES);
    Some(pids)
}

/// A sink of a session, as `runsc trace list` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// Name of the session.
    pub session: String,
    /// Kind of the sink: `remote`, `null`.
    pub name: String,
    /// Messages that it could not send since the session began.
    pub dropped: u64,
}

/// Reads the output of `runsc trace list`: the sinks of all sessions.
pub fn sinks(output: &str) -> Vec<Sink> {
    let mut session = "";
    let mut out = Vec::new();
    for line in output.lines().take(MAX_ENTRIES) {
        if let Some(name) = quoted(line) {
            session = name;
        } else if let Some(rest) = line.trim().strip_prefix("Sink: ")
            && let Some((name, dropped)) = rest.split_once(", dropped: ")
            && let (Some(name), Ok(dropped)) = (quoted(name), dropped.trim().parse())
        {
            out.push(Sink { session: session.to_owned(), name: name.to_owned(), dropped });
        }
    }
    out
}

fn quoted(text: &str) -> Option<&str> {
    text.trim_end().strip_prefix('"')?.strip_suffix('"')
}

/// The fields of a point that have to be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PointFields {
    /// Fields of the point itself.
    pub optional: Vec<String>,
    /// Fields about the thread, the container and so on.
    pub context: Vec<String>,
}

/// Reads the output of `runsc trace metadata`: the points by name.
pub fn points(output: &str) -> BTreeMap<String, PointFields> {
    let point = |line: &str| {
        let rest = line.strip_prefix("Name: ")?;
        let (name, rest) = rest.split_once(", optional fields: [")?;
        let (optional, rest) = rest.split_once("], context fields: [")?;
        let list =
            |text: &str| text.split('|').filter(|f| !f.is_empty()).map(str::to_owned).collect();
        let fields = PointFields {
            optional: list(optional),
            context: list(rest.trim_end().strip_suffix(']')?),
        };
        Some((name.to_owned(), fields))
    };
    output.lines().filter_map(point).take(MAX_ENTRIES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(
            version("runsc version 0.0~20221219.0\nspec: 1.0.2-dev\n"),
            Some("0.0~20221219.0")
        );
        assert_eq!(version("runsc version release-20260817.0"), Some("release-20260817.0"));
        assert_eq!(version("runc version 1.1.5"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn lists_of_containers() {
        let output = br#"[{"ociVersion":"1.0.2-dev","id":"a","status":"running","pid":10722,"bundle":"/b"}]"#;
        let listed = containers(output).unwrap();
        assert_eq!((listed[0].id.as_str(), listed[0].pid), ("a", 10722));
        assert_eq!(containers(b"null\n"), Some(Vec::new()));
        for wrong in [&b"ID  PID"[..], b"", b"[{\"pid\":\"x\"}]", &b"[".repeat(100_000)] {
            assert_eq!(containers(wrong), None);
        }
        assert_eq!(pids(b"[1,355]\n"), Some(vec![1, 355]));
        assert_eq!(pids(b"null"), Some(vec![]));
        assert_eq!(pids(b"[1,99999999999]"), None);
    }

    #[test]
    fn lists_of_sessions() {
        let output = "SESSIONS (1)\n\"Default\"\n\tSink: \"remote\", dropped: 72\n\tSink: \"null\", dropped: 0\n";
        let sink =
            |name: &str, dropped| Sink { session: "Default".into(), name: name.into(), dropped };
        assert_eq!(sinks(output), [sink("remote", 72), sink("null", 0)]);
        assert_eq!(sinks("SESSIONS (0)\n"), []);
        assert_eq!(sinks("\tSink: \"remote\", dropped: -1\n\tSink: \"\n\"\n"), []);
    }

    #[test]
    fn lists_of_points() {
        let output = "POINTS (991)\n\
            Name: container/start, optional fields: [env], context fields: [time|thread_id]\n\
            Name: sentry/clone, optional fields: [], context fields: []\n\
            Name: broken, optional fields: [\n\nSINKS (1)\nName: null\n";
        let points = points(output);
        assert_eq!(points.len(), 2);
        assert_eq!(points["container/start"].optional, ["env"]);
        assert_eq!(points["container/start"].context, ["time", "thread_id"]);
        assert_eq!(points["sentry/clone"], PointFields::default());
    }
}
