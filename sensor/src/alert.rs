//! An event that a rule matched → Falco's alert, as a line of text or of JSON.
//!
//! What does not change from alert to alert (names, tags, the shape of the line) is made once a
//! rule. Keys stand in alphabetical order, as Falco's JSON library sorts them. `reference/
//! outputs.md` has the form in full.

use std::io::Write;

use falco_rules::catalogue::{Catalogue, EventContext};
use falco_rules::loader::{LoadedExtraField, LoadedRule};
use falco_rules::render_value::BufferFormat;
use falco_rules::template::{Template, TemplateError};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::config::Config;

/// Formats alerts as configured.
#[derive(Debug)]
pub struct AlertFormatter {
    json: bool,
    include_output: bool,
    include_message: bool,
    include_output_fields: bool,
    /// `evt.time` or `evt.time.iso8601`: the time that stands before every output.
    time_field: &'static str,
    time: Template,
    hostname: Vec<u8>,
    buffers: BufferFormat,
    rules: Vec<Prepared>,
    /// Working memory: the message and the whole output of one alert.
    message: Vec<u8>,
    output: Vec<u8>,
}

/// What is fixed of a rule's alerts.
#[derive(Debug)]
struct Prepared {
    template: Template,
    extra_fields: Vec<LoadedExtraField>,
    /// `: <Priority> `, between time and message.
    after_time: Vec<u8>,
    /// `"priority":…,"rule":…,"source":…[,"tags":…]`.
    json_middle: Vec<u8>,
}

impl AlertFormatter {
    /// Prepares alerts of `rules`, which [`Self::format`] then names by index.
    ///
    /// # Errors
    /// If `catalogue` has no event time.
    pub fn new(
        config: &Config,
        hostname: &str,
        rules: &[LoadedRule],
        catalogue: &mut dyn Catalogue,
    ) -> Result<Self, TemplateError> {
        let time_field = if config.time_format_iso_8601 { "evt.time.iso8601" } else { "evt.time" };
        Ok(AlertFormatter {
            json: config.json_output,
            include_output: config.json_include_output,
            include_message: config.json_include_message,
            include_output_fields: config.json_include_output_fields,
            time_field,
            time: Template::compile(&format!("*%{time_field}"), catalogue)?,
            hostname: json_text(hostname.as_bytes()),
            buffers: buffer_format(config),
            rules: rules.iter().map(|rule| Prepared::new(rule, config)).collect(),
            message: Vec::new(),
            output: Vec::new(),
        })
    }

    /// How data buffers look in alerts.
    pub fn buffer_format(&self) -> BufferFormat {
        self.buffers
    }

    /// Appends the alert's line, without a line end, to `line`. `rule` is the place of the rule
    /// among those of [`Self::new`], `ts` the event's time in nanoseconds since the epoch.
    pub fn format<C: EventContext>(&mut self, rule: usize, ctx: &C, ts: u64, line: &mut Vec<u8>) {
        let Some(rule) = self.rules.get(rule) else { return };
        self.message.clear();
        rule.template.render_text(ctx, &mut self.message);
        self.output.clear();
        self.time.render_text(ctx, &mut self.output);
        self.output.extend_from_slice(&rule.after_time);
        self.output.extend_from_slice(&self.message);
        if !self.json {
            // Falco escapes the text line as if it stood in JSON.
            let escaped = json_text(&self.output);
            line.extend_from_slice(&escaped[1..escaped.len() - 1]);
            return;
        }
        line.extend_from_slice(b"{\"hostname\":");
        line.extend_from_slice(&self.hostname);
        if self.include_message {
            line.extend_from_slice(b",\"message\":");
            line.append(&mut json_text(&self.message));
        }
        if self.include_output {
            line.extend_from_slice(b",\"output\":");
            line.append(&mut json_text(&self.output));
        }
        if self.include_output_fields {
            line.extend_from_slice(b",\"output_fields\":");
            let fields = Value::Object(self.output_fields(rule, ctx, ts));
            // Writing to memory does not fail.
            let _ = write!(line, "{fields}");
        }
        line.push(b',');
        line.extend_from_slice(&rule.json_middle);
        line.extend_from_slice(b",\"time\":\"");
        write_time(ts, line);
        line.extend_from_slice(b"\"}");
    }

    fn output_fields<C: EventContext>(
        &self,
        rule: &Prepared,
        ctx: &C,
        ts: u64,
    ) -> Map<String, Value> {
        let mut fields = Map::new();
        rule.template.json_values(ctx, false, &mut fields);
        fields.insert(self.time_field.to_owned(), ts.into());
        for extra in &rule.extra_fields {
            let value = if extra.raw {
                let mut own = Map::new();
                extra.template.json_values(ctx, false, &mut own);
                own.remove(&extra.key).unwrap_or(Value::Null)
            } else {
                let mut text = Vec::new();
                extra.template.render_text(ctx, &mut text);
                String::from_utf8_lossy(&text).into()
            };
            fields.insert(extra.key.clone(), value);
        }
        fields
    }
}

impl Prepared {
    fn new(rule: &LoadedRule, config: &Config) -> Self {
        let mut json_middle = Vec::new();
        let mut member = |key: &str, value: Value| {
            if !json_middle.is_empty() {
                json_middle.push(b',');
            }
            // Writing to memory does not fail.
            let _ = write!(json_middle, "\"{key}\":{value}");
        };
        member("priority", rule.priority.name().into());
        member("rule", rule.name.as_str().into());
        member("source", rule.source.as_str().into());
        if config.json_include_tags {
            member("tags", rule.tags.iter().map(String::as_str).collect());
        }
        let buffers = buffer_format(config);
        let extra = |field: &LoadedExtraField| LoadedExtraField {
            template: field.template.clone().with_buffer_format(buffers),
            ..field.clone()
        };
        Prepared {
            template: rule.template.clone().with_buffer_format(buffers),
            extra_fields: rule.extra_fields.iter().map(extra).collect(),
            after_time: format!(": {} ", rule.priority.name()).into_bytes(),
            json_middle,
        }
    }
}

/// Appends a time in nanoseconds since the epoch as UTC with nine digits of fraction.
fn write_time(ts: u64, out: &mut Vec<u8>) {
    // 64 bits of nanoseconds end in 2554, well within what a timestamp holds.
    let time = Timestamp::from_nanosecond(i128::from(ts)).unwrap_or(Timestamp::MAX);
    // Writing to memory does not fail.
    let _ = write!(out, "{}", time.strftime("%Y-%m-%dT%H:%M:%S.%9fZ"));
}

fn buffer_format(config: &Config) -> BufferFormat {
    if config.buffer_format_base64 { BufferFormat::Base64 } else { BufferFormat::Printable }
}

/// Bytes as a JSON text with its quotes; what is not UTF-8 becomes U+FFFD. (Falco writes the alert
/// itself with another library than its fields, so broken text may look different there.)
fn json_text(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let mut out = Vec::with_capacity(text.len() + 2);
    // A str is always serialisable, and writing to memory does not fail.
    let _ = serde_json::to_writer(&mut out, &text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_falcos_json_library_does() {
        let escaped = |bytes: &[u8]| String::from_utf8(json_text(bytes)).unwrap();
        assert_eq!(
            escaped(b"a\"b\\c\td\n\x07\x1b\x7f/"),
            "\"a\\\"b\\\\c\\td\\n\\u0007\\u001b\x7f/\""
        );
        assert_eq!(escaped("é\u{1F600}".as_bytes()), "\"é\u{1F600}\"");
        assert_eq!(escaped(b"\xff\xc3(x\xe2\x82"), "\"\u{FFFD}\u{FFFD}(x\u{FFFD}\"");
    }

    #[test]
    fn times_have_nine_digits() {
        let text = |ts| {
            let mut out = Vec::new();
            write_time(ts, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(1_795_408_088_620_980_300), "2026-11-23T04:28:08.620980300Z");
        assert_eq!(text(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(text(u64::MAX), "2554-07-21T23:34:33.709551615Z");
    }
}
