//! [`Context`]: where a finding is, as a chain of places from the whole file down to the item, and
//! the snippet of text that shows it.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use super::trace::Traced;
use crate::ast::Pos;
use crate::yaml::{Mark, Node};

/// What stands at a place. The texts are those that Falco prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemType {
    ValueFor,
    Exceptions,
    Exception,
    ExceptionValues,
    ExceptionValue,
    RulesContent,
    RulesContentItem,
    RequiredEngineVersion,
    RequiredPluginVersions,
    RequiredPluginVersionsEntry,
    RequiredPluginVersionsAlternative,
    List,
    ListItem,
    Macro,
    MacroCondition,
    Rule,
    RuleCondition,
    ConditionExpression,
    RuleOutput,
    RulePriority,
    Overrides,
}

impl ItemType {
    fn text(self) -> &'static str {
        match self {
            ItemType::ValueFor => "value for",
            ItemType::Exceptions => "exceptions",
            ItemType::Exception => "exception",
            ItemType::ExceptionValues => "exception values",
            ItemType::ExceptionValue => "exception value",
            ItemType::RulesContent => "rules content",
            ItemType::RulesContentItem => "rules content item",
            ItemType::RequiredEngineVersion => "required_engine_version",
            ItemType::RequiredPluginVersions => "required plugin versions",
            ItemType::RequiredPluginVersionsEntry => "required plugin versions entry",
            ItemType::RequiredPluginVersionsAlternative => "required plugin versions alternative",
            ItemType::List => "list",
            ItemType::ListItem => "list item",
            ItemType::Macro => "macro",
            ItemType::MacroCondition => "macro condition",
            ItemType::Rule => "rule",
            ItemType::RuleCondition => "rule condition",
            ItemType::ConditionExpression => "condition expression",
            ItemType::RuleOutput => "rule output",
            ItemType::RulePriority => "rule priority",
            ItemType::Overrides => "overrides",
        }
    }
}

/// A rules file as it was read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content: String,
}

/// A place with all that it lies in. Cheap to clone: definitions keep theirs for later findings.
#[derive(Clone, Debug)]
pub(super) struct Context(Arc<Place>);

#[derive(Debug)]
struct Place {
    parent: Option<Context>,
    file: Arc<File>,
    /// Set in a condition.
    condition: Option<Condition>,
    item_type: ItemType,
    item_name: String,
    mark: Mark,
}

/// A place in a condition.
#[derive(Debug)]
struct Condition {
    /// The text that Falco shows.
    text: Arc<str>,
    /// The place as it is, and in which text.
    pos: Pos,
    traced: Option<Arc<Traced>>,
}

impl Context {
    /// The whole file.
    pub(super) fn file(file: Arc<File>) -> Self {
        Context(Arc::new(Place {
            parent: None,
            file,
            condition: None,
            item_type: ItemType::RulesContent,
            item_name: String::new(),
            mark: Mark::default(),
        }))
    }

    /// The file's text.
    pub(super) fn content(&self) -> &str {
        &self.0.file.content
    }

    /// Offset in the file, in bytes.
    pub(super) fn offset(&self) -> usize {
        self.0.mark.offset
    }

    fn child(&self, mark: Mark, item_type: ItemType, item_name: &str) -> Self {
        Context(Arc::new(Place {
            parent: Some(self.clone()),
            file: self.0.file.clone(),
            condition: None,
            item_type,
            item_name: item_name.into(),
            mark,
        }))
    }

    /// A node in this place.
    pub(super) fn at(&self, node: Node<'_>, item_type: ItemType, item_name: &str) -> Self {
        self.child(node.mark(), item_type, item_name)
    }

    /// A position that has no node (YAML that does not parse).
    pub(super) fn at_mark(&self, mark: Mark) -> Self {
        self.child(mark, ItemType::ValueFor, "")
    }

    /// A position in a condition, whose text need not be the file's: lists and exceptions are part
    /// of it, line breaks of block scalars are not. The mark is the sum of both positions: that
    /// means little, but it is what Falco reports.
    /// `traced` is the text that `pos` is in really.
    pub(super) fn in_condition(
        &self,
        pos: Pos,
        condition: &Arc<str>,
        traced: Option<&Arc<Traced>>,
    ) -> Self {
        let base = self.0.mark;
        let traced = traced.cloned();
        Context(Arc::new(Place {
            parent: Some(self.clone()),
            file: self.0.file.clone(),
            condition: Some(Condition { text: condition.clone(), pos, traced }),
            item_type: ItemType::ConditionExpression,
            item_name: String::new(),
            mark: Mark {
                offset: base.offset + pos.index,
                line: base.line + pos.line,
                column: base.column + pos.column,
            },
        }))
    }

    /// Places from the whole file down to this one.
    fn places(&self) -> Vec<&Place> {
        let mut places = Vec::new();
        let mut next = Some(self);
        while let Some(Context(place)) = next {
            places.push(&**place);
            next = place.parent.as_ref();
        }
        places.reverse();
        places
    }

    /// The chain as text, one line a place.
    pub(super) fn to_text(&self) -> String {
        let mut out = String::new();
        for (i, place) in self.places().into_iter().enumerate() {
            out.push_str(if i == 0 { "In " } else { "    " });
            out.push_str(place.item_type.text());
            if !place.item_name.is_empty() {
                let _ = write!(out, " '{}'", place.item_name);
            }
            let Mark { line, column, .. } = place.mark;
            let _ = writeln!(out, ": ({}:{line}:{column})", place.name());
        }
        out
    }

    /// The chain and the snippet as JSON.
    pub(super) fn to_json(&self) -> Value {
        let locations: Vec<Value> = self
            .places()
            .into_iter()
            .map(|place| {
                json!({
                    "item_type": place.item_type.text(),
                    "item_name": place.item_name,
                    "position": {
                        "name": place.name(),
                        "line": place.mark.line,
                        "column": place.mark.column,
                        "offset": place.mark.offset,
                    },
                })
            })
            .collect();
        json!({ "locations": locations, "snippet": self.snippet() })
    }

    /// Falco's snippet: the line with a caret below it. In conditions Falco's caret is usually at
    /// the end, see [`Context::in_condition`]; [`Context::spot`] is exact.
    pub(super) fn snippet(&self) -> String {
        let Place { condition, file, mark, .. } = &*self.0;
        match condition {
            Some(Condition { text, .. }) if !text.is_empty() => snippet(text, mark.offset),
            _ => snippet(&file.content, mark.offset),
        }
    }

    /// The word in the file here.
    pub(super) fn word(&self) -> Option<&str> {
        let content = self.content().get(self.offset()..)?;
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        content.split(|c| !word(c)).find(|word| !word.is_empty())
    }

    /// The word at this place of a condition, behind blanks; none if something else stands there.
    pub(super) fn condition_word(&self) -> Option<&str> {
        let Condition { pos, traced, .. } = self.0.condition.as_ref()?;
        let rest = traced.as_ref()?.text.get(pos.index..)?.trim_start();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        rest.get(..end).filter(|word| !word.is_empty())
    }

    /// The list whose items stand at this place of a condition.
    pub(super) fn list(&self) -> Option<&str> {
        let Condition { pos, traced, .. } = self.0.condition.as_ref()?;
        traced.as_ref()?.list_at(pos.index)
    }

    /// The innermost place in the file.
    pub(super) fn spot(&self) -> Spot {
        if let Some(Condition { pos, traced: Some(traced), .. }) = &self.0.condition
            && let Some((place, offset)) = traced.origin(pos.index)
        {
            return Spot::new(&place.0.file, offset);
        }
        let mut in_file = &*self.0;
        while let (Some(_), Some(Context(parent))) = (&in_file.condition, &in_file.parent) {
            in_file = parent;
        }
        Spot::new(&in_file.file, in_file.mark.offset)
    }

    /// Kind and name of the definition around this place; for a place in a condition, of the one
    /// that the text there comes from.
    pub(super) fn item(&self) -> Option<(&'static str, String)> {
        if let Some(Condition { pos, traced: Some(traced), .. }) = &self.0.condition
            && let Some((place, _)) = traced.origin(pos.index)
        {
            return place.item();
        }
        let is_item = |place: &&&Place| {
            matches!(place.item_type, ItemType::Rule | ItemType::Macro | ItemType::List)
        };
        let places = self.places();
        let place = places.iter().find(is_item).filter(|place| !place.item_name.is_empty())?;
        Some((place.item_type.text(), place.item_name.clone()))
    }
}

/// A place in a file as people count.
pub(super) struct Spot {
    pub(super) file: String,
    /// In bytes.
    pub(super) offset: usize,
    /// From 1.
    pub(super) line: usize,
    /// In characters, from 1.
    pub(super) column: usize,
    /// The line and a caret below the place.
    pub(super) excerpt: String,
}

impl Spot {
    fn new(file: &File, offset: usize) -> Self {
        let text = file.content.strip_prefix('\u{feff}').unwrap_or(&file.content);
        let offset = text.floor_char_boundary(offset);
        let before = text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let before_in_line = before.get(line_start..).unwrap_or_default();
        Spot {
            file: file.name.clone(),
            offset,
            line: 1 + before.bytes().filter(|&b| b == b'\n').count(),
            column: 1 + before_in_line.chars().count(),
            excerpt: excerpt(text.get(line_start..).unwrap_or_default(), before_in_line),
        }
    }
}

/// At most this many characters before and behind the place are shown.
const EXCERPT: usize = 100;

/// The first line of `text` and a caret below the place behind `before`, which it begins with. Tabs
/// stay tabs above the caret too, so it stands right however wide they are.
fn excerpt(text: &str, before: &str) -> String {
    let after = text.get(before.len()..).unwrap_or_default();
    let after = after.split(['\n', '\r']).next().unwrap_or_default();
    let cut_at = before.char_indices().rev().nth(EXCERPT).map(|(i, c)| i + c.len_utf8());
    let (dots, before) = match cut_at {
        Some(i) => ("…", before.get(i..).unwrap_or_default()),
        None => ("", before),
    };
    let (after, more) = match after.char_indices().nth(EXCERPT) {
        Some((i, _)) => (after.get(..i).unwrap_or_default(), "…"),
        None => (after, ""),
    };
    let blank = |c| if c == '\t' { '\t' } else { ' ' };
    let indent: String = dots.chars().chain(before.chars()).map(blank).collect();
    format!("{dots}{before}{after}{more}\n{indent}^\n")
}

impl Place {
    /// What the mark counts in: the file, or the beginning of the condition, quoted.
    fn name(&self) -> String {
        let Some(Condition { text, .. }) = &self.condition else { return self.file.name.clone() };
        let quoted = if text.len() > 20 {
            format!(
                "\"{}...\"",
                String::from_utf8_lossy(text.as_bytes().get(..17).unwrap_or_default())
            )
        } else {
            format!("\"{text}\"")
        };
        quoted.replace(['\n', '\r'], " ")
    }
}

/// At most this many bytes of the text before and behind the position are shown.
const HALF_WIDTH: usize = 80;

/// The line of `text` that holds `offset`, cut if it is long, and a caret below.
fn snippet(text: &str, offset: usize) -> String {
    const NONE: &str = "<No context available>\n";
    let text = text.as_bytes();
    let Some(end) = text.len().checked_sub(1) else { return NONE.into() };
    let newline = |i: usize| text.get(i) == Some(&b'\n');

    // An empty value at the end of a line (or of the file) shows the line before.
    let mut pos = offset.min(text.len());
    while pos > 0 && (pos > end || newline(pos)) {
        pos -= 1;
    }
    let mut from = pos;
    while from > 0 && !newline(from) && pos - from < HALF_WIDTH {
        from -= 1;
    }
    let mut to = pos;
    while to < end && !newline(to) && to - pos < HALF_WIDTH {
        to += 1;
    }
    if newline(from) {
        from += 1;
    }
    if newline(to) {
        to = to.saturating_sub(1);
    }
    let mut line = text.get(from..=to).unwrap_or_default().to_vec();
    if line.is_empty() {
        return NONE.into();
    }
    let before = pos.saturating_sub(from);
    if before >= HALF_WIDTH {
        line.splice(..3.min(line.len()), *b"...");
    }
    if to.saturating_sub(pos) >= HALF_WIDTH {
        line.truncate(line.len().saturating_sub(3));
        line.extend_from_slice(b"...");
    }
    let mut out = String::from_utf8_lossy(&line).into_owned();
    out.push('\n');
    if before <= line.len() {
        let _ = writeln!(out, "{}^", " ".repeat(before));
    }
    out
}
