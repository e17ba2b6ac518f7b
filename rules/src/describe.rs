//! The text of `-L` and `-l` without `json_output`; [`crate::loader::Loader::describe`] gives the
//! JSON.

use std::fmt::Write;

/// Columns before the description.
const INDENT: usize = 51;

/// Columns of a line.
const WIDTH: usize = 110;

/// Two columns, "Rule" and "Description", of what [`crate::loader::Loader::describe`] returned.
pub fn to_text(described: &serde_json::Value) -> String {
    let mut out = String::new();
    row("Rule", "Description", &mut out);
    row("----", "-----------", &mut out);
    for rule in described["rules"].as_array().into_iter().flatten() {
        let info = &rule["info"];
        let text = |key: &str| info[key].as_str().unwrap_or_default();
        row(text("name"), &(wrap(text("description")) + "\n"), &mut out);
    }
    out
}

fn row(left: &str, right: &str, out: &mut String) {
    // Falco pads by bytes.
    let padding = (INDENT - 1).saturating_sub(left.len());
    let _ = writeln!(out, "{left}{} {right}", " ".repeat(padding));
}

/// The words of `text`, a blank behind each, in lines that fit beside the first column.
fn wrap(text: &str) -> String {
    let mut out = String::new();
    let mut len = 0;
    for word in text.split_ascii_whitespace() {
        len += word.len() + 1;
        if len > WIDTH - INDENT {
            let _ = write!(out, "\n{}", " ".repeat(INDENT));
            len = word.len() + 1;
        }
        out.push_str(word);
        out.push(' ');
    }
    out
}
