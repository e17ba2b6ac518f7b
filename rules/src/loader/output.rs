//! Outputs of rules: what is appended to them, and their templates.

use std::collections::BTreeSet;

use super::compile::Compiler;
use super::definitions;
use super::hints;
use super::result::{ErrorCode, LoadError, WarningCode};
use super::{LoadedExtraField, RuleMatch};
use crate::catalogue::FieldFlags;
use crate::details::DEPRECATED_FIELDS;
use crate::template::Template;

impl Compiler<'_, '_, '_, '_> {
    /// The rule's output with everything that is appended to it.
    pub(super) fn output(&mut self, rule: &definitions::Rule) -> String {
        let mut output = rule.output.clone();
        for extra in &self.options.extra_outputs {
            if !applies(&extra.applies, rule) {
                continue;
            }
            if let Some(format) = &extra.format {
                output.push(' ');
                output.push_str(format);
            }
            if extra.suggested_output {
                let fields = self.sources.catalogue(&rule.source).map(|c| c.fields().to_vec());
                for field in fields.into_iter().flatten() {
                    if field.flags.contains(FieldFlags::SUGGESTED) {
                        let name = field.name;
                        output.push_str(&format!(" {}=%{name}", name.replace('.', "_")));
                    }
                }
            }
        }
        const CONTAINER_INFO: &str = "%container.info";
        if output.contains(CONTAINER_INFO) {
            self.result.warn(
                WarningCode::DeprecatedItem,
                "%container.info is deprecated and no more useful, and will be dropped by Falco \
                 1.0.0. The container plugin will automatically add required fields to the output \
                 message.",
                &rule.context,
            );
            output = output.replace(CONTAINER_INFO, "");
        }
        output
    }

    /// Compiles the text of an output. Missing values shall print as `<NA>`, hence the `*`.
    pub(super) fn template(
        &mut self,
        rule: &definitions::Rule,
        text: &str,
    ) -> Result<Template, LoadError> {
        let catalogue = self.catalogue(rule)?;
        Template::compile(&format!("*{text}"), catalogue).map_err(|e| LoadError {
            hint: hints::of_template(text, catalogue),
            ..LoadError::new(ErrorCode::CompileOutput, e.message, &rule.output_context)
        })
    }

    pub(super) fn warn_deprecated_in_output(&mut self, output: &str, rule: &definitions::Rule) {
        for field in DEPRECATED_FIELDS.iter().filter(|field| output.contains(field.name)) {
            let name = field.name;
            self.result.warn_deprecated_field(
                name,
                format!("usage of deprecated field '{name}' has been detected in the rule output"),
                &rule.output_context,
            );
        }
    }

    pub(super) fn extra_fields(
        &mut self,
        rule: &definitions::Rule,
    ) -> Result<Vec<LoadedExtraField>, LoadError> {
        let options = self.options;
        let mut fields = std::collections::BTreeMap::new();
        for extra in options.extra_fields.iter().filter(|extra| applies(&extra.applies, rule)) {
            fields.insert(extra.key.as_str(), extra.format.as_deref());
        }
        let mut out = Vec::new();
        for (key, format) in fields {
            let text = format.map_or_else(|| format!("%{key}"), str::to_owned);
            let template = self.template(rule, &text)?;
            self.warn_deprecated_in_output(&text, rule);
            out.push(LoadedExtraField { key: key.into(), text, template, raw: format.is_none() });
        }
        Ok(out)
    }
}

/// Whether an addition to outputs is for this rule.
fn applies(to: &RuleMatch, rule: &definitions::Rule) -> bool {
    let is = |wanted: &Option<String>, value: &str| {
        wanted.as_deref().is_none_or(|w| w.is_empty() || w == value)
    };
    is(&to.source, &rule.source) && is(&to.rule, &rule.name) && has_all(&rule.tags, &to.tags)
}

fn has_all(tags: &BTreeSet<String>, wanted: &BTreeSet<String>) -> bool {
    wanted.is_subset(tags)
}
