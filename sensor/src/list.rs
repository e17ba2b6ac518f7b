//! `--list`: the fields, by class.

use std::io::{self, Write};

use falco_rules::catalogue::{FieldFlags, FieldInfo};
use falco_rules::value::ValueType;
use serde_json::{Value, json};

use crate::cli::ListFormat;

/// Where descriptions begin, in columns.
const LEFT: usize = 30;
/// Width of the text list, in columns.
const WIDTH: usize = 120;

/// What of the fields to print, and how.
#[derive(Clone, Copy, Debug)]
pub struct ListOptions {
    /// Names only.
    pub names_only: bool,
    /// Types too (text only).
    pub verbose: bool,
    /// The form.
    pub format: ListFormat,
}

/// Prints the fields of the event source `source`. As in Falco, hidden and deprecated ones and
/// those that only output knows are left out.
///
/// # Errors
/// If `out` fails.
pub fn print(
    fields: &[FieldInfo],
    source: &str,
    options: ListOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let hidden = FieldFlags::HIDDEN | FieldFlags::DEPRECATED | FieldFlags::PRINT_ONLY;
    let fields: Vec<_> = fields.iter().filter(|f| !f.flags.intersects(hidden)).collect();
    if options.names_only {
        return print_names(&fields, options.format, out);
    }
    let classes = fields.chunk_by(|a, b| a.class == b.class);
    match options.format {
        ListFormat::Json => {
            let classes: Vec<_> = classes.map(|class| class_json(class, source)).collect();
            writeln!(out, "{:#}", json!({ "fieldclasses": classes }))
        }
        ListFormat::Markdown => {
            classes.into_iter().try_for_each(|c| class_markdown(c, source, out))
        }
        ListFormat::Text => {
            classes.into_iter().try_for_each(|c| class_text(c, source, options.verbose, out))
        }
    }
}

fn print_names(fields: &[&FieldInfo], format: ListFormat, out: &mut dyn Write) -> io::Result<()> {
    if format == ListFormat::Json {
        let names: Vec<_> = fields.iter().map(|f| f.name).collect();
        return writeln!(out, "{:#}", json!({ "fieldnames": names }));
    }
    fields.iter().try_for_each(|f| writeln!(out, "{}", f.name))
}

/// libscap's name of a type: the variant's, in capitals.
fn type_name(field: &FieldInfo) -> String {
    match field.ty {
        ValueType::Dyn => "DYNAMIC".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    }
}

fn class_text(
    class: &[&FieldInfo],
    source: &str,
    verbose: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(first) = class.first() else { return Ok(()) };
    writeln!(out, "-------------------------------")?;
    writeln!(out, "{:<LEFT$}{}", "Field Class:", first.class)?;
    writeln!(out, "{:<LEFT$}{source}\n", "Event Sources:")?;
    for field in class {
        let mut desc = field.desc.to_owned();
        let tags = tags(field);
        if !tags.is_empty() {
            desc = format!("({}) {desc}", tags.join(","));
        }
        if verbose {
            desc = format!("(Type: {}) {desc}", type_name(field));
        }
        // A name as wide as the column or wider has a line of its own.
        if field.name.len() >= LEFT {
            write!(out, "{}\n{:<LEFT$}", field.name, "")?;
        } else {
            write!(out, "{:<LEFT$}", field.name)?;
        }
        writeln!(out, "{}", wrapped(&desc))?;
    }
    writeln!(out)
}

/// `text` broken into lines that fit beside the names.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        if column + word.len() > WIDTH - LEFT && column > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(LEFT));
            column = 0;
        } else if column > 0 {
            out.push(' ');
        }
        out.push_str(word);
        column += word.len() + 1;
    }
    out
}

/// Properties as Falco's list shows them.
fn tags(field: &FieldInfo) -> Vec<&'static str> {
    [
        (FieldFlags::ARG_ALLOWED, "ARG_ALLOWED"),
        (FieldFlags::ARG_INDEX, "ARG_INDEX"),
        (FieldFlags::ARG_KEY, "ARG_KEY"),
        (FieldFlags::ARG_REQUIRED, "ARG_REQUIRED"),
        (FieldFlags::LIST, "EPF_IS_LIST"),
        (FieldFlags::NO_RHS, "EPF_NO_RHS"),
        (FieldFlags::NO_TRANSFORMER, "EPF_NO_TRANSFORMER"),
        (FieldFlags::FILTER_ONLY, "FILTER_ONLY"),
    ]
    .into_iter()
    .filter_map(|(flag, name)| field.flags.contains(flag).then_some(name))
    .collect()
}

fn class_markdown(class: &[&FieldInfo], source: &str, out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = class.first() else { return Ok(()) };
    writeln!(out, "## Field Class: {}\n\nEvent Sources: {source}\n", first.class)?;
    writeln!(out, "Name | Type | Description\n:----|:-----|:-----------")?;
    for field in class {
        let mut ty = type_name(field);
        if field.flags.contains(FieldFlags::LIST) {
            ty = format!("LIST({ty})");
        }
        writeln!(out, "`{}` | {ty} | {}", field.name, field.desc.replace('|', "\\|"))?;
    }
    writeln!(out)
}

fn class_json(class: &[&FieldInfo], source: &str) -> Value {
    let fields: Vec<_> = class.iter().map(|f| field_json(f)).collect();
    let name = class.first().map_or("", |f| f.class);
    json!({ "name": name, "event_sources": [source], "fields": fields })
}

fn field_json(field: &FieldInfo) -> Value {
    let required = field.flags.contains(FieldFlags::ARG_REQUIRED);
    let argument = if required || field.flags.contains(FieldFlags::ARG_ALLOWED) {
        let kinds: Vec<_> = [(FieldFlags::ARG_INDEX, "INDEX"), (FieldFlags::ARG_KEY, "KEY")]
            .into_iter()
            .filter_map(|(flag, name)| field.flags.contains(flag).then_some(name))
            .collect();
        json!({ "required": required, "type": kinds })
    } else {
        Value::Null
    };
    json!({
        "name": field.name,
        "type": type_name(field),
        "desc": field.desc,
        "is_list": field.flags.contains(FieldFlags::LIST),
        "argument": argument,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_descriptions_are_broken_between_words() {
        let text = wrapped(&"word ".repeat(40));
        assert!(text.lines().count() == 3 && text.lines().all(|l| l.len() <= WIDTH));
        assert!(text.lines().skip(1).all(|l| l.starts_with(&" ".repeat(LEFT))));
    }
}
