//! `--list-events` and `-i`: the event types, as Falco lists them.

use std::io::{self, Write};

use falco_event::{
    Category, EventCode, EventFlags, Origin, ParamInfo, ParamType, Syscall, syscalls,
};
use serde_json::{Map, Value, json};

use crate::cli::ListFormat;
use crate::version::DRIVER_SCHEMA;

/// One line of the list.
struct Entry {
    code: EventCode,
    name: &'static str,
}

/// The sections with their titles, in order.
fn sections() -> [(&'static str, Vec<Entry>); 4] {
    let of = |origin: Origin| -> Vec<Entry> {
        EventCode::all()
            .filter(|code| !is_generic(*code) && code.info().origin == origin)
            .filter(|code| !code.has(EventFlags::OLD | EventFlags::UNUSED))
            .map(|code| Entry { code, name: code.info().name })
            .collect()
    };
    let mut syscall_events = of(Origin::Syscall);
    // The generic pair stands once for each system call without events of its own.
    for syscall in syscalls::SYSCALLS.iter().filter(|s| s.is_generic()) {
        for code in [EventCode::GENERIC_E, EventCode::GENERIC_X] {
            syscall_events.push(Entry { code, name: syscall.name });
        }
    }
    [
        ("Syscall events", syscall_events),
        ("Tracepoint events", of(Origin::Tracepoint)),
        ("Plugin events", of(Origin::Plugin)),
        ("Metaevents", of(Origin::Metaevent)),
    ]
}

fn is_generic(code: EventCode) -> bool {
    code == EventCode::GENERIC_E || code == EventCode::GENERIC_X
}

/// Whether Falco leaves the event out unless asked: input and output that no state needs.
fn is_ignored(code: EventCode) -> bool {
    matches!(code.info().category, Category::IoRead | Category::IoWrite) && !needed_for_state(code)
}

/// Whether the system call of an event changes state, in any of its events.
fn needed_for_state(code: EventCode) -> bool {
    syscalls::SYSCALLS
        .iter()
        .filter(|s: &&Syscall| s.events.contains(&code))
        .any(|s| s.events.iter().any(|e| e.modifies_state()))
}

/// Prints the system calls that are ignored by default (`-i`).
///
/// # Errors
/// If `out` fails.
pub fn print_ignored(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Ignored syscall(s):")?;
    let (_, events) = &sections()[0];
    for event in events.iter().filter(|e| !e.code.is_enter() && is_ignored(e.code)) {
        writeln!(out, "- {}", event.name)?;
    }
    writeln!(out)
}

/// Prints all events.
///
/// # Errors
/// If `out` fails.
pub fn print(format: ListFormat, out: &mut dyn Write) -> io::Result<()> {
    if format == ListFormat::Json {
        let mut root = Map::new();
        root.insert("schema_version".to_owned(), DRIVER_SCHEMA.into());
        for (title, events) in sections() {
            root.insert(title.to_owned(), events.iter().map(to_json).collect());
        }
        return writeln!(out, "{:#}", Value::Object(root));
    }
    writeln!(out, "The events below are valid for Falco *Schema Version*: {DRIVER_SCHEMA}")?;
    for (title, events) in sections() {
        writeln!(out, "## {title}\n")?;
        if format == ListFormat::Markdown {
            writeln!(out, "Default | Dir | Name | Params \n:-------|:----|:-----|:-----")?;
        }
        for event in &events {
            let params: Vec<_> =
                event.code.info().params.iter().map(|p| param_text(p, format)).collect();
            let (dir, name, params) = (direction(event.code), event.name, params.join(", "));
            if format == ListFormat::Markdown {
                let default = if is_ignored(event.code) { "No" } else { "Yes" };
                writeln!(out, "{default} | `{dir}` | `{name}` | {params}")?;
            } else {
                writeln!(out, "{dir} {name}({params})")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn direction(code: EventCode) -> char {
    if code.is_enter() { '>' } else { '<' }
}

fn is_flags(ty: ParamType) -> bool {
    use ParamType::{EnumFlags8, EnumFlags16, EnumFlags32, Flags8, Flags16, Flags32};
    matches!(ty, Flags8 | Flags16 | Flags32 | EnumFlags8 | EnumFlags16 | EnumFlags32)
}

/// libscap's name of a type: the variant's, in capitals.
fn type_name(ty: ParamType) -> String {
    match ty {
        ParamType::Dyn => "DYNAMIC".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    }
}

fn param_text(param: &ParamInfo, format: ListFormat) -> String {
    let mut text = format!("{} **{}**", type_name(param.ty), param.name);
    if is_flags(param.ty) && !param.values.is_empty() {
        let star = if format == ListFormat::Markdown { "*" } else { "" };
        let names: Vec<_> =
            param.values.iter().map(|v| format!("{star}{}{star}", v.name)).collect();
        text += ": ";
        text += &names.join(", ");
    }
    text
}

fn to_json(event: &Entry) -> Value {
    let params = event.code.info().params.iter().map(|param| {
        let mut object = json!({ "name": param.name, "type": type_name(param.ty) });
        if is_flags(param.ty) && !param.values.is_empty() {
            object["flags"] = param.values.iter().map(|v| v.name).collect();
        }
        object
    });
    json!({
        "available": !is_ignored(event.code),
        "dir": direction(event.code).to_string(),
        "name": event.name,
        "params": params.collect::<Vec<_>>(),
    })
}
