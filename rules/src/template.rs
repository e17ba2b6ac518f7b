//! Output templates: `Opened %fd.name (user=%user.name)`.

use thiserror::Error;

use crate::catalogue::{Catalogue, EventContext};

/// Why a template does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Falco's message.
    pub message: String,
}

/// A compiled template.
#[derive(Clone, Debug)]
pub struct Template {}

impl Template {
    /// Compiles a template. A leading `*` means that missing values print as `<NA>`; without it a
    /// missing value ends the text (Falco adds it to every rule's output).
    ///
    /// # Errors
    /// If a token is no field or transformer, the field is only for filters, …
    pub fn compile(text: &str, catalogue: &mut dyn Catalogue) -> Result<Self, TemplateError> {
        let _ = (text, catalogue);
        Ok(Template {})
    }

    /// The keys of [`Self::json_values`] in reading order, transformed ones included: field with
    /// argument (`proc.aname[2]`) or transformer as written in canonical form.
    pub fn fields(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Appends the text to `out`. Returns false if a value was missing and the template does not
    /// begin with `*`; what came before the missing value has then been written.
    pub fn render_text<C: EventContext>(&self, ctx: &C, out: &mut Vec<u8>) -> bool {
        let _ = (ctx, out);
        true
    }

    /// Inserts the values of the fields under their names: numbers, booleans, arrays, text, or null
    /// for no value. A transformer token contributes the untransformed field under its own name,
    /// and itself too if `transformed`. Returns false if a value was missing and the template does
    /// not begin with `*`.
    pub fn json_values<C: EventContext>(
        &self,
        ctx: &C,
        transformed: bool,
        out: &mut serde_json::Map<String, serde_json::Value>,
    ) -> bool {
        let _ = (ctx, transformed, out);
        true
    }
}
