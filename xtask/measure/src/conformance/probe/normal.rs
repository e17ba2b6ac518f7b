//! Values without what is different every time or on every machine: ids of processes, inodes,
//! addresses of memory and of the kernel, times, sizes, ephemeral ports.
//!
//! Ids of the scenario's own processes and threads become their names ([`super::family`]), so they are
//! compared, too. Errors stay, and so does what is 0 for a reason.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::family::{Event, Family};

/// Fields that are different every time; and the result as a number, which is also a parameter.
const FLEETING: [&str; 5] = ["evt.num", "evt.cpu", "evt.rawtime", "evt.time.iso8601", "evt.rawres"];

/// Fields about which the tables know more while they watch than Falco's do: who a process's parents
/// are, as whom it runs and with which capabilities. They are no probe's.
const OF_TABLES: [&str; 8] = [
    "proc.aname[2]",
    "proc.pname",
    "proc.ppid",
    "proc.sid",
    "user.name",
    "user.uid",
    "user.loginuid",
    "thread.cap_effective",
];

/// Parameters and fields that are ids of processes, threads, groups or sessions.
const IDS: [&str; 14] = [
    "tid",
    "pid",
    "ptid",
    "vtid",
    "vpid",
    "pgid",
    "vpgid",
    "reaper_tid",
    "who",
    "dpid",
    "proc.pid",
    "proc.vpid",
    "proc.vpgid",
    "thread.tid",
];

/// Parameters that are inodes, devices, kernel addresses or times. Whether they are 0 is not fleeting.
const OPAQUE: [&str; 8] = [
    "ino",
    "dev",
    "source",
    "peer",
    "pidns_init_start_ts",
    "exe_ino",
    "exe_ino_ctime",
    "exe_ino_mtime",
];

/// Parameters that are sizes of memory and counts of page faults, 0 among others.
const SIZES: [&str; 5] = ["vm_size", "vm_rss", "vm_swap", "pgft_maj", "pgft_min"];

/// Parameters that may be addresses of memory, in hexadecimal digits.
const POINTERS: [&str; 6] = ["addr", "next", "argument", "arg", "uargs", "offset"];

/// Calls whose result is an address of memory.
const MAPPERS: [&str; 3] = ["brk", "mmap", "mremap"];

/// Where Linux takes ports from that nobody asked for (ip_local_port_range).
const EPHEMERAL: std::ops::RangeInclusive<u32> = 32768..=60999;

/// An event in words that two recordings have in common.
pub struct Normal {
    /// Whose it is.
    pub who: String,
    /// `evt.type`.
    pub kind: String,
    /// Its fields, and its parameters as `arg.NAME`.
    pub values: BTreeMap<String, String>,
    /// Of a thread other than its process's first.
    pub is_thread: bool,
    /// Descriptors have other numbers, since a socket was made that Falco's machine could not make.
    pub is_shifted: bool,
}

impl Normal {
    /// The parameter `name`, empty if there is none.
    pub fn arg(&self, name: &str) -> &str {
        self.values.get(&format!("arg.{name}")).map_or("", |value| value)
    }

    /// An AF_VSOCK socket, successfully or not. Captures have no name for the family.
    pub fn is_vsock(&self) -> bool {
        self.kind == "socket" && self.arg("domain") == "0(AF_UNSPEC)"
    }
}

/// What is the recording machine's own.
pub struct Own {
    /// Capabilities that root has.
    capabilities: u64,
    login: Option<i64>,
    /// Cgroups in which all of it happened, by subsystem.
    cgroups: Vec<(String, String)>,
}

impl Own {
    /// Takes it from the execution of the scenario.
    pub fn of(family: &Family) -> Result<Self> {
        let (_, root) = family.events.first().context("no events")?;
        let arguments = parameters(root.text("evt.args").unwrap_or_default());
        let argument =
            |name: &str| arguments.iter().find(|(n, _)| *n == name).map(|(_, value)| &**value);
        let capabilities = argument("cap_permitted").context("no cap_permitted")?;
        Ok(Own {
            capabilities: u64::from_str_radix(capabilities, 16).context("cap_permitted")?,
            login: root.number("user.loginuid"),
            cgroups: cgroups(argument("cgroups").unwrap_or_default()).collect(),
        })
    }

    /// The capabilities that root has on both machines.
    pub fn share_capabilities(&mut self, other: &mut Own) {
        self.capabilities &= other.capabilities;
        other.capabilities = self.capabilities;
    }

    /// All events of `family`.
    pub fn normal(&self, family: &Family) -> Vec<Normal> {
        let mut shifted = false;
        let event = |(who, event): &(String, _)| {
            let mut event = self.event(family, who, event);
            if event.is_vsock() && !event.arg("fd").starts_with('-') {
                shifted = true;
            } else if event.kind == "close_range" && who == "edge" {
                shifted = false;
            }
            event.is_shifted = shifted;
            event
        };
        family.events.iter().map(event).collect()
    }

    fn event(&self, family: &Family, who: &str, event: &Event) -> Normal {
        let kind = event.kind().to_owned();
        let mut values = BTreeMap::new();
        for (field, value) in
            event.fields().filter(|(f, _)| !FLEETING.contains(f) && !OF_TABLES.contains(f))
        {
            if field != "evt.args" {
                values.insert(field.to_owned(), of_field(family, field, value));
            }
        }
        let arguments = event.text("evt.args").unwrap_or_default();
        let value_is_credentials = arguments.contains("optname=17(SO_PEERCRED)");
        for (name, value) in parameters(arguments) {
            let value = if name == "res" && (event.is_birth() || kind == "setsid") {
                // Whether the other one's name is known already is up to who runs first.
                name_of(family, value.split('(').next().unwrap_or_default())
            } else if name == "res" && MAPPERS.contains(&&*kind) {
                pointer(&value)
            } else if name == "val" && kind == "futex" {
                // What a thread that ends is waited for with.
                name_of(family, &value)
            } else if name == "val" && value_is_credentials {
                // The id of a process, in bytes, is the first part.
                value.chars().skip(4).collect()
            } else {
                self.parameter(family, name, &value)
            };
            values.insert(format!("arg.{name}"), value);
        }
        let is_thread = event.number("proc.pid") != event.number("thread.tid");
        Normal { who: who.to_owned(), kind, values, is_thread, is_shifted: false }
    }

    fn parameter(&self, family: &Family, name: &str, value: &str) -> String {
        match name {
            "loginuid" if value.split('(').next().and_then(|v| v.parse().ok()) == self.login => {
                "its login".into()
            }
            "cap_inheritable" | "cap_permitted" | "cap_effective" => u64::from_str_radix(value, 16)
                .map_or_else(
                    |_| value.to_owned(),
                    |bits| format!("{:X}", bits & self.capabilities),
                ),
            "cgroups" => {
                let inside = |(subsystem, path): (String, String)| {
                    let own = self.cgroups.iter().find(|(s, _)| *s == subsystem);
                    let path = own.and_then(|(_, own)| path.strip_prefix(&**own)).unwrap_or(&path);
                    format!("{subsystem}=/{}", path.trim_start_matches('/'))
                };
                cgroups(value).map(inside).collect::<Vec<_>>().join(" ")
            }
            _ if IDS.contains(&name) => name_of(family, value),
            _ if OPAQUE.contains(&name) => if value == "0" { "0" } else { "…" }.to_owned(),
            _ if SIZES.contains(&name) => "…".into(),
            _ if POINTERS.contains(&name) && value.len() > 4 => pointer(value),
            _ => text(family, value),
        }
    }
}

fn of_field(family: &Family, field: &str, value: &Value) -> String {
    match (field, value) {
        ("fd.sport" | "fd.lport" | "fd.rport" | "fd.cport", Value::Number(port)) => {
            text(family, &format!(":{port}"))
        }
        (_, Value::Number(number)) if IDS.contains(&field) => name_of(family, &number.to_string()),
        (_, Value::String(string)) => text(family, string),
        (_, other) => other.to_string(),
    }
}

/// Splits `evt.args`. Values may hold spaces, and words that look like a parameter; then both sides
/// are split alike.
fn parameters(args: &str) -> Vec<(&str, String)> {
    let mut all: Vec<(&str, String)> = Vec::new();
    for word in args.split(' ') {
        let name = word.split_once('=').filter(|(name, _)| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        });
        match (name, all.last_mut()) {
            (Some((name, value)), _) => all.push((name, value.to_owned())),
            (None, Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (None, None) => {}
        }
    }
    all
}

/// `cpu=/a.io=/.` as subsystems and paths. A dot ends a path where the next subsystem begins.
fn cgroups(value: &str) -> impl Iterator<Item = (String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for part in value.trim_end_matches('.').split('.') {
        match (part.split_once("=/"), all.last_mut()) {
            (Some((subsystem, path)), _) => all.push((subsystem.into(), format!("/{path}"))),
            (None, Some((_, path))) => {
                path.push('.');
                path.push_str(part);
            }
            (None, None) => {}
        }
    }
    all.into_iter()
}

/// The name of an id, behind which a comm may stand.
fn name_of(family: &Family, value: &str) -> String {
    let (id, comm) = value.find('(').map_or((value, ""), |at| value.split_at(at));
    match id.parse::<i64>() {
        // The first process of the machine is called as it likes.
        Ok(1) => "1".into(),
        Ok(id) => match family.ids.get(&id) {
            Some(name) => format!("{name}{comm}"),
            None => value.to_owned(),
        },
        Err(_) => value.to_owned(),
    }
}

/// An address of memory becomes a dot; errors and what is no address stay.
fn pointer(value: &str) -> String {
    let is_address = value.len() > 4 && value.bytes().all(|b| b.is_ascii_hexdigit());
    if is_address { "…".into() } else { value.to_owned() }
}

/// Replaces addresses of the kernel, ephemeral ports and the ids in `/proc`.
fn text(family: &Family, value: &str) -> String {
    // Where what the scenario prints goes is elsewhere here.
    let value = value.replace("/opt/scratch/", "/scratch/");
    let mut out = String::with_capacity(value.len());
    let mut rest = &*value;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if end == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let word = &rest[..end];
        rest = &rest[end..];
        let is_address = word.len() == 16
            && word.starts_with("ff")
            && word.bytes().all(|b| b.is_ascii_hexdigit());
        if is_address {
            out.push('…');
        } else if out.ends_with(':') && word.parse().is_ok_and(|port| EPHEMERAL.contains(&port)) {
            out.push('*');
        } else if out.ends_with("/proc/") {
            out.push_str(&name_of(family, word));
        } else {
            out.push_str(word);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family() -> Family {
        let ids = [(370, "edge"), (371, "edge.1")].map(|(id, name)| (id, name.to_owned()));
        Family { events: Vec::new(), ids: ids.into_iter().collect() }
    }

    #[test]
    fn parameters_are_split_at_names() {
        let split =
            parameters("res=0 data=a b=c D=e exe_ino_ctime=2026-11-23 04:47:11.0 addr=NULL");
        let expected = [
            ("res", "0"),
            ("data", "a"),
            ("b", "c D=e"),
            ("exe_ino_ctime", "2026-11-23 04:47:11.0"),
        ];
        let expected = expected.iter().chain(&[("addr", "NULL")]);
        assert!(split.iter().map(|(n, v)| (*n, &**v)).eq(expected.copied()), "{split:?}");
        assert!(parameters("").is_empty());
    }

    #[test]
    fn ids_become_names() {
        assert_eq!(name_of(&family(), "371(true)"), "edge.1(true)");
        assert_eq!(name_of(&family(), "1(systemd)"), "1");
        assert_eq!(name_of(&family(), "-1(EPERM)"), "-1(EPERM)");
        assert_eq!(name_of(&family(), "999"), "999");
    }

    #[test]
    fn what_is_different_every_time_goes() {
        let text = |value| text(&family(), value);
        assert_eq!(
            text("3(<4t>127.0.0.1:51712->127.0.0.1:7000)"),
            "3(<4t>127.0.0.1:*->127.0.0.1:7000)"
        );
        assert_eq!(text("ff11000101ec2800->0 /a"), "…->0 /a");
        assert_eq!(text("3(<P>/proc/371) /proc/1/ns"), "3(<P>/proc/edge.1) /proc/1/ns");
        assert_eq!(text("€ff"), "€ff");
        assert_eq!(pointer("108A8D40"), "…");
        assert_eq!(pointer("-22(EINVAL)"), "-22(EINVAL)");
        assert_eq!(pointer("127.0.0.1:80"), "127.0.0.1:80");
    }

    #[test]
    fn cgroups_are_told_apart() {
        let split: Vec<_> = cgroups("cpu=/a.slice/b.scope.io=/.").collect();
        let expected = [("cpu", "/a.slice/b.scope"), ("io", "/")];
        assert!(split.iter().map(|(s, p)| (&**s, &**p)).eq(expected), "{split:?}");
    }
}
