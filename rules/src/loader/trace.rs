//! Where in the files a position in a condition comes from.
//!
//! A condition's text is made in steps: YAML scalars are decoded, appended to each other, wrapped in
//! exceptions, and lists are substituted. Each step remembers where it put what, so that a position
//! in the final text can be followed back to the byte of the file that a person has to look at.
//! Nothing here decides anything about rules; it only serves messages.

use std::sync::Arc;

use super::context::Context;
use super::lists::words;
use crate::yaml;

/// A text with the places that its parts come from.
#[derive(Clone, Debug)]
pub(super) struct SourceText {
    text: String,
    /// In order; each reaches to the next.
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    start: usize,
    /// The scalar that it is the text of, or else the place that it was made for.
    context: Context,
    is_scalar: bool,
}

impl SourceText {
    /// The text of the scalar at `context`.
    pub(super) fn scalar(text: String, context: &Context) -> Self {
        let part = Part { start: 0, context: context.clone(), is_scalar: true };
        SourceText { text, parts: vec![part] }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Appends text that stands in no file as it is, but was made for `context`.
    pub(super) fn push(&mut self, text: &str, context: &Context) {
        let context = context.clone();
        self.parts.push(Part { start: self.text.len(), context, is_scalar: false });
        self.text.push_str(text);
    }

    /// Puts `text` before everything else.
    pub(super) fn prepend(&mut self, text: &str) {
        self.text.insert_str(0, text);
        self.parts.iter_mut().for_each(|part| part.start += text.len());
    }

    /// Appended conditions follow after a blank; nothing else is put between.
    pub(super) fn append(&mut self, more: SourceText) {
        self.text.push(' ');
        let from = self.text.len();
        let parts = more.parts.into_iter();
        self.parts.extend(parts.map(|part| Part { start: part.start + from, ..part }));
        self.text.push_str(&more.text);
    }

    /// The place of a byte: the scalar (or other place) and the offset in the file.
    fn origin(&self, at: usize) -> Option<(&Context, usize)> {
        let i = self.parts.partition_point(|part| part.start <= at).saturating_sub(1);
        let part = self.parts.get(i)?;
        let (content, offset) = (part.context.content(), part.context.offset());
        if !part.is_scalar {
            return Some((&part.context, offset));
        }
        let end = self.parts.get(i + 1).map_or(self.text.len(), |next| next.start);
        let decoded = self.text.get(part.start..end)?;
        let offset = yaml::source_offset(content, offset, decoded, at.saturating_sub(part.start));
        Some((&part.context, offset))
    }
}

/// One step that replaced parts of a text: stretches of the new text, in order.
pub(super) type Layer = Vec<Stretch>;

/// A stretch of a new text that reaches to the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// Where it begins in the new text.
    pub(super) start: usize,
    /// Where it was in the old text, or what it replaced.
    pub(super) from: usize,
    /// Whether it is the old text, byte for byte.
    pub(super) kept: bool,
}

/// A condition's final text with its whole descent.
#[derive(Debug)]
pub(super) struct Traced {
    /// The text that positions count in.
    pub(super) text: String,
    /// The steps from [`Self::source`] to `text`.
    layers: Vec<Layer>,
    source: SourceText,
}

impl Traced {
    pub(super) fn new(text: String, layers: Vec<Layer>, source: SourceText) -> Arc<Self> {
        Arc::new(Traced { text, layers, source })
    }

    /// The place of the token at or behind a byte of the text.
    pub(super) fn origin(&self, at: usize) -> Option<(&Context, usize)> {
        let (at, _) = self.follow(at);
        self.source.origin(skip_blanks(self.source.as_str(), at))
    }

    /// The list whose items stand at a byte of the text (or behind blanks), as the source names it.
    pub(super) fn list_at(&self, at: usize) -> Option<&str> {
        let (at, replaced) = self.follow(at);
        let rest = self.source.as_str().get(at..).filter(|_| replaced)?;
        words(rest).next()
    }

    /// The byte of the source that a byte of the text (or what is behind blanks there) comes from,
    /// and whether it is the name of a list that was replaced.
    fn follow(&self, at: usize) -> (usize, bool) {
        let mut at = skip_blanks(&self.text, at);
        let mut replaced = false;
        for layer in self.layers.iter().rev() {
            let i = layer.partition_point(|stretch| stretch.start <= at).saturating_sub(1);
            let Some(stretch) = layer.get(i) else { continue };
            replaced |= !stretch.kept;
            at = stretch.from + if stretch.kept { at.saturating_sub(stretch.start) } else { 0 };
        }
        (at, replaced)
    }
}

/// The first byte at or behind `at` that is not blank; the end of the text without trailing blanks
/// if there is none.
fn skip_blanks(text: &str, at: usize) -> usize {
    let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
    let behind = text.as_bytes().get(at..).unwrap_or_default();
    let blanks = behind.iter().take_while(blank).count();
    if blanks == behind.len() { text.trim_end().len() } else { at + blanks }
}
