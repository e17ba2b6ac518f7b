//! `falco events`: prints the events themselves, one line each, as tcpdump prints packets.
//!
//! The filter and the fields are those of the rule language, so that what a rule sees can be
//! looked at, and the conformance tests compare it field by field.

use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::{Context as _, Result, anyhow};
use falco_capture::CaptureReader;
use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Limits, State};
use falco_rules::ast::Pos;
use falco_rules::catalogue::{Catalogue, EventContext, FieldError, FieldFlags, FieldId};
use falco_rules::check::check;
use falco_rules::parser;
use falco_rules::render_value::{to_json, write_text};
use falco_rules::ruleset::{Matching, Ruleset, RulesetBuilder};
use falco_rules::template::Template;
use falco_rules::value::{Print, ValueType};
use falco_source::{Next, Source};
use serde_json::{Map, Value};

use crate::cli::EventsOptions;
use crate::preamble;
use crate::progress::ProgressLine;
use crate::signals::Stop;
use crate::suggest;

/// What a line shows if nothing else is asked for.
const DEFAULT_FORMAT: &str =
    "%evt.num %evt.time %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.args";
/// What a JSON object shows if nothing else is asked for.
const DEFAULT_FIELDS: &str =
    "evt.rawtime,evt.cpu,proc.name,proc.pid,thread.tid,evt.dir,evt.type,evt.args";

/// Prints the events of a capture.
///
/// # Errors
/// If the filter, a field or the format is wrong, the capture cannot be read to its end, or
/// stdout fails. What was read before an error is printed all the same.
pub fn run(options: &EventsOptions) -> Result<()> {
    let mut fields = SyscallFields::new();
    let filter = options.filter.as_deref().map(|text| compile(text, &mut fields)).transpose()?;
    let printer = Printer::new(options, &mut fields)?;
    let stop = Stop::install().context("cannot handle SIGINT and SIGTERM")?;
    let mut source = CaptureReader::open(&options.capture)?;
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let result =
        print_events(&mut source, &fields, filter.as_ref(), &printer, options, &stop, &mut out);
    let flushed = out.flush().context("stdout");
    result.and(flushed)
}

fn print_events(
    source: &mut dyn Source,
    fields: &SyscallFields,
    filter: Option<&Ruleset>,
    printer: &Printer,
    options: &EventsOptions,
    stop: &Stop,
    out: &mut dyn Write,
) -> Result<()> {
    let mut state = State::new(Limits::default());
    let mut snapshot = source.start()?;
    preamble::as_falco_replays(&mut snapshot);
    state.restore(&snapshot);
    let mut scratch = filter.map(Ruleset::scratch);
    // On a terminal the events themselves show the progress.
    let mut progress = (!io::stdout().is_terminal()).then(ProgressLine::new);
    let mut line = Vec::new();
    let mut left = options.count.unwrap_or(u64::MAX);
    let mut events = 0;
    while left > 0 && !stop.requested() {
        let event = match source.next()? {
            Next::Event(event) => event,
            Next::Snapshot(mut snapshot) => {
                preamble::as_falco_replays(&mut snapshot);
                state.restore(&snapshot);
                continue;
            }
            Next::Idle => continue,
            Next::End => break,
        };
        let current = state.process(&event);
        if current.skipped {
            continue;
        }
        let ctx = Context::new(&state, &event, &current, fields);
        let wanted = match (filter, &mut scratch) {
            (Some(ruleset), Some(scratch)) => {
                let mut hit = false;
                ruleset.evaluate(&ctx, Matching::First, scratch, |_| hit = true);
                hit
            }
            _ => true,
        };
        if wanted {
            line.clear();
            printer.print(&ctx, &mut line);
            line.push(b'\n');
            out.write_all(&line).context("stdout")?;
            left -= 1;
        }
        events += 1;
        if let Some(progress) = &mut progress {
            progress.tick(events, || source.progress());
        }
    }
    Ok(())
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

fn did_you_mean(field: &str, fields: &SyscallFields) -> String {
    let names = fields.fields().iter().filter(|f| !f.flags.contains(FieldFlags::HIDDEN));
    match suggest::closest(field, names.map(|f| f.name)) {
        Some(like) => format!(" (did you mean '{like}'?)"),
        None => " (falco --list names them all)".to_owned(),
    }
}

/// Compiles `--filter`.
fn compile(text: &str, fields: &mut SyscallFields) -> Result<Ruleset> {
    let node = parser::parse(text).map_err(|e| filter_error(text, e.pos, &e.message, fields))?;
    let checked =
        check(&node, fields).map_err(|e| filter_error(text, e.pos, &e.message, fields))?;
    let mut builder = RulesetBuilder::new();
    builder.add_filter(&checked);
    Ok(builder.build())
}

/// The message, the line that is wrong with a caret, and what may have been meant.
fn filter_error(text: &str, pos: Pos, message: &str, fields: &SyscallFields) -> anyhow::Error {
    let shown = text.lines().nth(pos.line.saturating_sub(1)).unwrap_or(text);
    let caret = " ".repeat(pos.column.saturating_sub(1).min(shown.chars().count()));
    let rest = text.get(pos.index..).unwrap_or_default();
    let word = rest.split(|c: char| !(c.is_alphanumeric() || "._".contains(c))).next();
    let hint = match word {
        Some(word) if word.contains('.') && message.contains("nonexistent field") => {
            did_you_mean(word, fields)
        }
        _ => String::new(),
    };
    anyhow!("--filter: {message}{hint}\n  {shown}\n  {caret}^")
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
