//! [`Definitions`] → compiled rules.
//!
//! In this order, each over all definitions: lists, macros, rules, and then warnings about lists
//! and macros that nothing used. The first error ends it, as in Falco.

use std::collections::BTreeSet;

use super::context::Context;
use super::definitions::{self, Definitions};
use super::exceptions;
use super::lists::Lists;
use super::macros::{self, MAX_NODES};
use super::result::{ErrorCode, LoadError, LoadResult, WarningCode};
use super::{LoadedExtraField, LoadedRule, LoaderOptions, RuleMatch, SYSCALL_SOURCE, Sources};
use crate::ast::{Node, Pos};
use crate::catalogue::{Catalogue, FieldFlags};
use crate::check::{Checked, check};
use crate::details::{DEPRECATED_FIELDS, bad_practice};
use crate::parser::{self, ParseError};
use crate::template::Template;

/// More event types than this in a rule's condition deserve a warning.
const MANY_EVENT_TYPES: usize = 100;

/// A macro with its lists and macros resolved.
#[derive(Clone, Debug)]
pub(super) struct Macro {
    pub(super) condition: Node,
    pub(super) used: bool,
}

/// Everything compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct Compiled {
    pub(super) lists: Lists,
    /// As [`Definitions::macros`].
    pub(super) macros: Vec<Macro>,
    pub(super) rules: Vec<LoadedRule>,
}

/// Compiles all definitions.
pub(super) fn compile(
    definitions: &Definitions,
    options: &LoaderOptions,
    sources: &mut Sources<'_, '_>,
    result: &mut LoadResult,
) -> Result<Compiled, LoadError> {
    let mut compiler = Compiler {
        definitions,
        options,
        sources,
        result,
        out: Compiled { lists: Lists::resolve(definitions)?, ..Compiled::default() },
        nodes_left: MAX_NODES,
    };
    compiler.macros()?;
    compiler.rules()?;
    compiler.warn_unused();
    Ok(compiler.out)
}

struct Compiler<'d, 'r, 's, 'c> {
    definitions: &'d Definitions,
    options: &'d LoaderOptions,
    sources: &'r mut Sources<'s, 'c>,
    result: &'r mut LoadResult,
    out: Compiled,
    /// How many nodes conditions may still come to, macros resolved.
    nodes_left: usize,
}

impl Compiler<'_, '_, '_, '_> {
    /// Resolves lists and parses.
    fn parse(&mut self, condition: &str, context: &Context) -> Result<Node, LoadError> {
        let text = self
            .out
            .lists
            .substitute(condition)
            .map_err(|message| LoadError::definition(message, context))?;
        parser::parse(&text).map_err(|ParseError { pos, message }| {
            let context = context.in_condition(pos, &text);
            LoadError::new(ErrorCode::CompileCondition, message, &context)
        })
    }

    /// Puts in the macros that were first defined before item number `visibility`.
    fn resolve_macros(
        &mut self,
        mut node: Node,
        condition: &str,
        visibility: usize,
        context: &Context,
    ) -> Result<Node, LoadError> {
        let (names, compiled) = (&self.definitions.macros, &self.out.macros);
        let lookup = |name: &str| {
            let i = names.position(name)?;
            let definition = names.get(name).filter(|m| m.order.first < visibility)?;
            Some((definition.name.as_str(), &compiled.get(i)?.condition))
        };
        let resolution = macros::resolve(&mut node, &lookup, &mut self.nodes_left);
        let unknown = resolution
            .unknown
            .first()
            .map(|(name, pos)| (format!("Undefined macro '{name}' used in filter."), *pos));
        if let Some((message, pos)) = resolution.errors.first().cloned().or(unknown) {
            return Err(LoadError::definition(message, &context.in_condition(pos, condition)));
        }
        for (name, _) in resolution.resolved {
            let i = self.definitions.macros.position(&name);
            if let Some(used) = i.and_then(|i| self.out.macros.get_mut(i)) {
                used.used = true;
            }
        }
        Ok(node)
    }

    fn macros(&mut self) -> Result<(), LoadError> {
        let definitions = self.definitions;
        for definition in definitions.macros.iter() {
            let condition = self.parse(&definition.condition, &definition.condition_context)?;
            self.out.macros.push(Macro { condition, used: false });
        }
        for (i, definition) in definitions.macros.iter().enumerate() {
            let Some(compiled) = self.out.macros.get(i) else { continue };
            let resolved = self.resolve_macros(
                compiled.condition.clone(),
                &definition.condition,
                definition.order.last,
                &definition.context,
            )?;
            if let Some(compiled) = self.out.macros.get_mut(i) {
                compiled.condition = resolved;
            }
        }
        Ok(())
    }

    fn rules(&mut self) -> Result<(), LoadError> {
        let definitions = self.definitions;
        for rule in definitions.rules.iter().filter(|rule| !rule.unknown_source) {
            if let Some(compiled) = self.rule(rule)? {
                self.out.rules.push(compiled);
            }
        }
        Ok(())
    }

    /// None if the rule is skipped because it names what is not there and says that this is fine.
    fn rule(&mut self, rule: &definitions::Rule) -> Result<Option<LoadedRule>, LoadError> {
        let condition = match rule.exceptions.is_empty() {
            true => rule.condition.clone(),
            false => exceptions::apply(&rule.condition, &rule.exceptions)?,
        };
        let output = self.output(rule);
        let template = match self.template(rule, &output) {
            Ok(template) => template,
            Err(e) if rule.skip_if_unknown_filter && is_about_unknown_name(&e.message) => {
                self.result.warn(WarningCode::UnknownFilter, e.message, &rule.output_context);
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        self.warn_deprecated_in_output(&output, rule);
        let extra_fields = self.extra_fields(rule)?;

        let condition_context = &rule.condition_context;
        let node = self.parse(&condition, condition_context)?;
        let node = self.resolve_macros(node, &condition, usize::MAX, &rule.context)?;
        self.warn_bad_practice(&node, &condition, condition_context);
        let Some(checked) = self.check(rule, &node, &condition)? else { return Ok(None) };
        if rule.source == SYSCALL_SOURCE
            && rule.warn_evttypes
            && checked.event_types.len() > MANY_EVENT_TYPES
        {
            self.result.warn(
                WarningCode::NoEvttype,
                "Rule matches too many evt.type values. This has a significant performance \
                 penalty.",
                &rule.context,
            );
        }
        Ok(Some(LoadedRule {
            name: rule.name.clone(),
            source: rule.source.clone(),
            description: rule.description.clone(),
            priority: rule.priority,
            tags: rule.tags.clone(),
            output,
            template,
            extra_fields,
            capture: rule.capture,
            capture_duration: rule.capture_duration,
            enabled: rule.enabled && rule.priority <= self.options.min_priority,
            exception_fields: exceptions::fields(&rule.exceptions),
            condition: node,
            checked,
        }))
    }

    fn catalogue(&mut self, rule: &definitions::Rule) -> Result<&mut dyn Catalogue, LoadError> {
        self.sources.catalogue(&rule.source).ok_or_else(|| {
            let message = format!("Unknown source at compile-time{}", rule.source);
            LoadError::definition(message, &rule.context)
        })
    }

    /// The rule's output with everything that is appended to it.
    fn output(&mut self, rule: &definitions::Rule) -> String {
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
    fn template(&mut self, rule: &definitions::Rule, text: &str) -> Result<Template, LoadError> {
        Template::compile(&format!("*{text}"), self.catalogue(rule)?)
            .map_err(|e| LoadError::new(ErrorCode::CompileOutput, e.message, &rule.output_context))
    }

    fn warn_deprecated_in_output(&mut self, output: &str, rule: &definitions::Rule) {
        for field in DEPRECATED_FIELDS.iter().filter(|field| output.contains(field.name)) {
            let name = field.name;
            self.result.warn_deprecated_field(
                name,
                format!("usage of deprecated field '{name}' has been detected in the rule output"),
                &rule.output_context,
            );
        }
    }

    fn extra_fields(
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

    fn warn_bad_practice(&mut self, node: &Node, condition: &str, context: &Context) {
        let found = bad_practice(node);
        if found.deprecated_fields.is_empty() && !found.unsafe_na_check {
            return;
        }
        let context = context.in_condition(Pos::default(), condition);
        if found.unsafe_na_check {
            self.result.warn(WarningCode::UnsafeNaCheck, "", &context);
        }
        for field in found.deprecated_fields.iter().filter_map(|&i| DEPRECATED_FIELDS.get(i)) {
            self.result.warn_deprecated_field(field.name, field.message, &context);
        }
    }

    /// None if the rule is skipped, as in [`Compiler::rule`].
    fn check(
        &mut self,
        rule: &definitions::Rule,
        node: &Node,
        condition: &str,
    ) -> Result<Option<Checked>, LoadError> {
        let place = |pos| rule.condition_context.in_condition(pos, condition);
        match check(node, self.catalogue(rule)?) {
            Ok(checked) => {
                for warning in &checked.warnings {
                    let (code, message) = (WarningCode::CompileCondition, &warning.message);
                    self.result.warn(code, message, &place(warning.pos));
                }
                Ok(Some(checked))
            }
            Err(e) if rule.skip_if_unknown_filter && is_about_unknown_name(&e.message) => {
                self.result.warn(WarningCode::UnknownFilter, e.message, &place(e.pos));
                Ok(None)
            }
            Err(e) => Err(LoadError::new(ErrorCode::CompileCondition, e.message, &place(e.pos))),
        }
    }

    fn warn_unused(&mut self) {
        let macros = self.definitions.macros.iter().zip(&self.out.macros);
        for (definition, _) in macros.filter(|(_, compiled)| !compiled.used) {
            self.result.warn(
                WarningCode::UnusedMacro,
                "Macro not referred to by any other rule/macro",
                &definition.context,
            );
        }
        let lists = self.definitions.lists.iter().zip(self.out.lists.iter());
        for (definition, _) in lists.filter(|(_, compiled)| !compiled.used) {
            self.result.warn(
                WarningCode::UnusedList,
                "List not referred to by any other rule/macro",
                &definition.context,
            );
        }
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

/// Whether a message is about a field or event type that does not exist: `skip-if-unknown-filter`
/// goes by Falco's words.
fn is_about_unknown_name(message: &str) -> bool {
    ["nonexistent field", "invalid formatting token", "unknown event type", "unknown filter:"]
        .iter()
        .any(|words| message.contains(words))
}
