//! What evaluating a ruleset costs an event, on events made up here: `cargo bench -p falco-rules`.
//!
//! Shows the price of the engine alone: fields are a table look-up.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)] // prints its figures

use std::hint::black_box;
use std::time::Instant;

use falco_rules::catalogue::{
    Catalogue, Comparison, EventContext, EventTypes, Field, FieldError, FieldFlags, FieldId,
    FieldInfo, Scope,
};
use falco_rules::check::check;
use falco_rules::parser;
use falco_rules::ruleset::{Matching, Ruleset, RulesetBuilder};
use falco_rules::value::{Print, Value, ValueType};
use falco_rules::verdicts::Verdicts;

const OPENAT: u16 = 307;
const EXECVE: u16 = 293;
/// A type that no rule names.
const FUTEX: u16 = 133;

const FIELDS: [(&str, ValueType, Comparison, Scope); 8] = [
    ("evt.type", ValueType::CharBuf, Comparison::EventType, Scope::Event),
    ("evt.is_open_read", ValueType::Bool, Comparison::Plain, Scope::Event),
    ("evt.is_open_write", ValueType::Bool, Comparison::Plain, Scope::Event),
    ("fd.num", ValueType::Int64, Comparison::Plain, Scope::Event),
    ("fd.name", ValueType::CharBuf, Comparison::Plain, Scope::Event),
    ("proc.name", ValueType::CharBuf, Comparison::Plain, Scope::Process),
    ("proc.cmdline", ValueType::CharBuf, Comparison::Plain, Scope::Process),
    ("proc.aname", ValueType::CharBuf, Comparison::AnyCandidate, Scope::Lineage),
];

struct Fields;

impl Catalogue for Fields {
    fn fields(&self) -> &[FieldInfo] {
        &[]
    }

    fn resolve(&mut self, name: &str, _arg: Option<&str>) -> Result<Field, FieldError> {
        let at = FIELDS.iter().position(|row| row.0 == name).ok_or(FieldError::Unknown)?;
        let (name, ty, comparison, scope) = FIELDS[at];
        let (print, flags) = (Print::Dec, FieldFlags::empty());
        let info = FieldInfo { name, ty, print, flags, class: "bench", desc: "" };
        Ok(Field { id: FieldId(at as u32), info, comparison, scope })
    }

    fn field_prefix(&self, _text: &str) -> Option<usize> {
        None
    }

    fn event_types(&self, name: &str) -> Option<EventTypes> {
        let code = match name {
            "openat" => OPENAT,
            "execve" => EXECVE,
            "futex" => FUTEX,
            _ => return None,
        };
        Some(EventTypes::from_iter([code]))
    }

    fn event_name(&self, code: u16) -> Option<&str> {
        match code {
            OPENAT => Some("openat"),
            EXECVE => Some("execve"),
            FUTEX => Some("futex"),
            _ => None,
        }
    }

    fn all_event_types(&self) -> EventTypes {
        EventTypes::from_iter([OPENAT, EXECVE, FUTEX])
    }

    fn neutral_event_types(&self) -> EventTypes {
        EventTypes::empty()
    }
}

struct Event {
    code: u16,
    reads: bool,
    name: &'static [u8],
    process: &'static [u8],
    verdicts: [Verdicts; 2],
}

impl EventContext for Event {
    #[inline]
    fn event_type(&self) -> u16 {
        self.code
    }

    #[inline]
    fn value(&self, field: FieldId) -> Option<Value<'_>> {
        Some(match field.0 {
            1 => Value::Bool(self.reads),
            2 => Value::Bool(!self.reads),
            3 => Value::Int(3),
            4 => Value::text(self.name),
            5 => Value::text(self.process),
            6 => Value::text(b"program --with some arguments"),
            _ => return None,
        })
    }

    fn candidates(&self, _field: FieldId, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        [&b"bash"[..], b"sshd", b"systemd"].into_iter().any(|name| test(&Value::text(name)))
    }

    #[inline]
    fn verdicts(&self, scope: Scope) -> Option<(&Verdicts, u32)> {
        match scope {
            Scope::Process => Some((&self.verdicts[0], 1)),
            Scope::Lineage => Some((&self.verdicts[1], 1)),
            Scope::Event => None,
        }
    }
}

/// Forty rules in the manner of the official ones.
fn ruleset() -> Ruleset {
    let names = |n: usize| (0..30).map(|i| format!("tool{n}x{i}")).collect::<Vec<_>>().join(", ");
    let mut builder = RulesetBuilder::new();
    for n in 0..40 {
        let condition = match n % 4 {
            0 => format!(
                "evt.type = openat and evt.is_open_read = true and fd.num >= 0 and \
                 (fd.name startswith /etc/{n} or fd.name in (/etc/shadow{n}, /etc/sudoers)) and \
                 not proc.name in ({}) and not proc.cmdline contains apt-{n}",
                names(n)
            ),
            1 => format!(
                "evt.type = openat and evt.is_open_write = true and fd.num >= 0 and \
                 fd.name pmatch (/bin, /sbin, /usr/bin, /opt/{n}) and not proc.aname in (dpkg, {})",
                names(n)
            ),
            2 => format!(
                "evt.type = openat and proc.name in ({}) and fd.name contains ssh",
                names(n)
            ),
            _ => format!("evt.type = execve and proc.name in (nc, ncat{n}) and proc.aname = nginx"),
        };
        let node = parser::parse(&condition).unwrap();
        builder.add(&check(&node, &mut Fields).unwrap());
    }
    builder.build()
}

fn main() {
    let ruleset = ruleset();
    let mut scratch = ruleset.scratch();
    let event = |code, reads, name, process| Event {
        code,
        reads,
        name,
        process,
        verdicts: Default::default(),
    };
    for (what, event) in [
        ("a type that no rule names", event(FUTEX, true, b"", b"cat")),
        ("execve, every gate shut", event(EXECVE, true, b"", b"cat")),
        (
            "openat, reading a library",
            event(OPENAT, true, b"/usr/lib/x86_64-linux-gnu/libc.so.6", b"cat"),
        ),
        ("openat, writing a file", event(OPENAT, false, b"/tmp/some/file", b"cat")),
        ("openat, reading /etc/sudoers", event(OPENAT, true, b"/etc/sudoers", b"cat")),
    ] {
        const EVENTS: u32 = 2_000_000;
        let mut matches = 0;
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let start = Instant::now();
            for _ in 0..EVENTS {
                ruleset.evaluate(black_box(&event), Matching::All, &mut scratch, |_| matches += 1);
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        let ns = best * 1e9 / f64::from(EVENTS);
        let per_event = matches / (5 * u64::from(EVENTS));
        println!("{ns:7.1} ns  {what} ({per_event} matches)");
    }
}
