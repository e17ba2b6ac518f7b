//! `falco events`: prints the events themselves, one line each, as tcpdump prints packets.
//!
//! The filter and the fields are those of the rule language, so that what a rule sees can be
//! looked at, and the conformance tests compare it field by field.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::ops::ControlFlow;

use anyhow::{Context as _, Result, anyhow};
use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::State;
use falco_event::RawEvent;
use falco_rules::catalogue::{Catalogue, EventContext, FieldError, FieldFlags, FieldId};
use falco_rules::render_value::{to_json, write_text};
use falco_rules::template::Template;
use falco_rules::value::{Print, ValueType};
use falco_source::{Snapshot, Source};
use serde_json::{Map, Value};

use crate::cli::EventsOptions;
use crate::filter::{Filter, did_you_mean};
use crate::input::{self, Input};
use crate::progress::ProgressLine;
use crate::signals::Stop;
use crate::walk::{Walker, walk};

/// What a line shows if nothing else is asked for.
const DEFAULT_FORMAT: &str =
    "%evt.num %evt.time %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.args";
/// What a JSON object shows if nothing else is asked for.
const DEFAULT_FIELDS: &str =
    "evt.rawtime,evt.cpu,proc.name,proc.pid,thread.tid,evt.dir,evt.type,evt.args";

/// Prints the events of a capture, or of this host as they happen.
///
/// # Errors
/// If the filter, a field or the format is wrong, the source cannot be opened or read to its end, or
/// stdout fails. What was read before an error is printed all the same.
pub fn run(options: &EventsOptions) -> Result<()> {
    let mut fields = SyscallFields::new();
    let filter = input::condition(options.filter.as_deref(), &options.live)
        .map(|(option, text)| Filter::new(option, &text, &mut fields))
        .transpose()?;
    let printer = Printer::new(options, &mut fields)?;
    let stop = Stop::install().context("cannot handle SIGINT and SIGTERM")?;
    let mut input = match &options.capture {
        Some(path) => Input::capture(path)?,
        None => Input::live(filter.as_ref(), &options.live)?,
    };
    let (live, watching) = (input.is_live(), input.watching());
    let Input { source, begun, state, prepare, .. } = &mut input;
    let mut lines = Lines {
        watching,
        state,
        prepare: *prepare,
        fields: &fields,
        filter,
        printer: &printer,
        left: options.count.unwrap_or(u64::MAX),
        out: BufWriter::with_capacity(64 * 1024, io::stdout().lock()),
        line: Vec::new(),
        // On a terminal the events themselves show the progress.
        progress: (!live && !io::stdout().is_terminal()).then(ProgressLine::new),
        events: 0,
    };
    let result = match lines.left {
        0 => Ok(()),
        _ => walk(&mut **source, begun.take(), &stop, &mut lines),
    };
    let flushed = lines.out.flush().context("stdout");
    drop(lines);
    if live {
        input::close(&mut **source);
        input::tell_losses(&source.stats());
    }
    result.and(flushed)
}

/// Prints what matches.
struct Lines<'a> {
    /// What is watched, if events happen now.
    watching: Option<&'static str>,
    state: &'a mut State,
    prepare: fn(&mut Snapshot),
    fields: &'a SyscallFields,
    filter: Option<Filter>,
    printer: &'a Printer,
    /// Events still to print.
    left: u64,
    out: BufWriter<StdoutLock<'static>>,
    /// Working memory.
    line: Vec<u8>,
    progress: Option<ProgressLine>,
    events: u64,
}

impl Walker for Lines<'_> {
    fn restored(&mut self, mut snapshot: Snapshot) -> Result<()> {
        if let Some(what) = self.watching {
            input::tell_watching(what);
        }
        (self.prepare)(&mut snapshot);
        self.state.restore(&snapshot);
        Ok(())
    }

    fn event(&mut self, event: &RawEvent<'_>) -> Result<ControlFlow<()>> {
        let current = self.state.process(event);
        if current.skipped {
            return Ok(ControlFlow::Continue(()));
        }
        self.events += 1;
        let ctx = Context::new(self.state, event, &current, self.fields);
        if self.filter.as_mut().is_none_or(|filter| filter.matches(&ctx)) {
            self.line.clear();
            self.printer.print(&ctx, &mut self.line);
            self.line.push(b'\n');
            self.out.write_all(&self.line).context("stdout")?;
            self.left -= 1;
        }
        Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Whoever watches wants to see now what happened last.
    fn idle(&mut self) -> Result<ControlFlow<()>> {
        self.out.flush().context("stdout")?;
        Ok(ControlFlow::Continue(()))
    }

    fn between(&mut self, source: &dyn Source) {
        if let Some(progress) = &mut self.progress {
            progress.tick(self.events, || source.progress());
        }
    }
}

/// One field of a line.
struct Column {
    /// As asked for.
    name: String,
    kind: ColumnKind,
}

enum ColumnKind {
    Field {
        id: FieldId,
        ty: ValueType,
        print: Print,
    },
    /// A transformer, or anything else that only a template understands.
    Template(Template),
}

/// How a line is made of an event.
enum Printer {
    Template(Template),
    /// Values separated by tabs.
    Text(Vec<Column>),
    Json(Vec<Column>),
}

impl Printer {
    fn new(options: &EventsOptions, fields: &mut SyscallFields) -> Result<Self> {
        if let Some(format) = &options.format {
            return template(format, fields).with_context(|| format!("--format '{format}'"));
        }
        let columns = |names: &str, fields: &mut SyscallFields| {
            split(names)
                .into_iter()
                .map(|name| Column::new(name, fields))
                .collect::<Result<Vec<_>>>()
        };
        match &options.fields {
            Some(names) if !options.json => Ok(Printer::Text(columns(names, fields)?)),
            None if !options.json => template(DEFAULT_FORMAT, fields),
            names => {
                let names = names.as_deref().unwrap_or(DEFAULT_FIELDS);
                let mut columns = columns(names, fields)?;
                columns.retain(|c| c.name != "evt.num");
                columns.insert(0, Column::new("evt.num", fields)?);
                Ok(Printer::Json(columns))
            }
        }
    }

    fn print(&self, ctx: &impl EventContext, line: &mut Vec<u8>) {
        match self {
            Printer::Template(template) => {
                let mut text = Vec::new();
                template.render_text(ctx, &mut text);
                write_printable(&text, line);
            }
            Printer::Text(columns) => {
                for (i, column) in columns.iter().enumerate() {
                    if i > 0 {
                        line.push(b'\t');
                    }
                    let mut text = Vec::new();
                    column.text(ctx, &mut text);
                    write_printable(&text, line);
                }
            }
            Printer::Json(columns) => {
                for (i, column) in columns.iter().enumerate() {
                    line.push(if i == 0 { b'{' } else { b',' });
                    // Texts and JSON values are serialisable, and writing to memory does not fail.
                    let _ = serde_json::to_writer(&mut *line, &column.name);
                    line.push(b':');
                    let _ = write!(line, "{}", column.json(ctx));
                }
                line.push(b'}');
            }
        }
    }
}

impl Column {
    fn new(name: &str, fields: &mut SyscallFields) -> Result<Self> {
        let kind = if name.contains('(') {
            let template = Template::compile(&format!("*%{name}"), fields)
                .map_err(|e| anyhow!("--fields: '{name}': {e}"))?;
            ColumnKind::Template(template)
        } else {
            let (field, arg) = match name.split_once('[') {
                Some((field, arg)) => (field, Some(arg.strip_suffix(']').unwrap_or(arg))),
                None => (name, None),
            };
            let found =
                fields.resolve(field, arg).map_err(|e| field_error(name, field, e, fields))?;
            if found.info.flags.contains(FieldFlags::FILTER_ONLY) {
                return Err(anyhow!(
                    "--fields: '{name}' is only for filters, it cannot be printed"
                ));
            }
            ColumnKind::Field { id: found.id, ty: found.info.ty, print: found.info.print }
        };
        Ok(Column { name: name.to_owned(), kind })
    }

    fn text(&self, ctx: &impl EventContext, out: &mut Vec<u8>) {
        match &self.kind {
            ColumnKind::Field { id, ty, print } => {
                let value = ctx.value(*id);
                if !value.is_some_and(|value| write_text(&value, *ty, *print, out)) {
                    out.extend_from_slice(b"<NA>");
                }
            }
            ColumnKind::Template(template) => {
                template.render_text(ctx, out);
            }
        }
    }

    fn json(&self, ctx: &impl EventContext) -> Value {
        match &self.kind {
            ColumnKind::Field { id, ty, print } => {
                let value = || ctx.value(*id).map(|value| to_json(&value, *ty, *print));
                ctx.json_number(*id).map(Value::from).or_else(value).unwrap_or(Value::Null)
            }
            ColumnKind::Template(template) => {
                let mut values = Map::new();
                template.json_values(ctx, true, &mut values);
                template.fields().last().and_then(|key| values.remove(key)).unwrap_or(Value::Null)
            }
        }
    }
}

fn template(format: &str, fields: &mut SyscallFields) -> Result<Printer> {
    Template::compile(&format!("*{format}"), fields)
        .map(Printer::Template)
        .map_err(|e| anyhow!("{}", e.message))
}

/// The names between commas that are not inside brackets.
fn split(names: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    names
        .split(|c| {
            depth += match c {
                '[' | '(' => 1,
                ']' | ')' => -1,
                _ => 0,
            };
            c == ',' && depth <= 0
        })
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

fn field_error(
    name: &str,
    field: &str,
    error: FieldError,
    fields: &SyscallFields,
) -> anyhow::Error {
    match error {
        FieldError::MissingArgument(why) | FieldError::BadArgument(why) => {
            anyhow!("--fields: '{name}': {why}")
        }
        _ => anyhow!("--fields: there is no field '{name}'{}", did_you_mean(field, fields)),
    }
}

/// Appends text so that it stays on its line and does nothing to a terminal: control characters
/// become `\xHH`, what is not UTF-8 becomes U+FFFD.
fn write_printable(text: &[u8], line: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() {
                // Writing to memory does not fail.
                let _ = write!(line, "\\x{:02x}", u32::from(c));
            } else {
                line.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if !chunk.invalid().is_empty() {
            line.extend_from_slice("\u{FFFD}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_outside_brackets() {
        assert_eq!(
            split("a.b, c.d[x,y],join(\",\", (e.f)) ,,g"),
            ["a.b", "c.d[x,y]", "join(\",\", (e.f))", "g"]
        );
    }

    #[test]
    fn lines_stay_lines() {
        let mut line = Vec::new();
        write_printable(b"a\nb\x1b[1m\xff\xc3\xa9\"\\", &mut line);
        assert_eq!(String::from_utf8(line).unwrap(), "a\\x0ab\\x1b[1m\u{FFFD}é\"\\");
    }
}
