//! [`Definitions`] → compiled rules.
//!
//! In this order, each over all definitions: lists, macros, rules, and then warnings about lists
//! and macros that nothing used. The first error ends it, as in Falco, unless all are wanted.

use std::collections::HashSet;
use std::sync::Arc;

use super::context::{Context, Spot};
use super::definitions::{self, Broken, Definitions};
use super::exceptions;
use super::hints;
use super::lists::Lists;
use super::macros::{self, MAX_NODES};
use super::result::{ErrorCode, LoadError, LoadResult, WarningCode};
use super::trace::{SourceText, Traced};
use super::{LoadedRule, LoaderOptions, SYSCALL_SOURCE, Sources};
use crate::ast::{Node, NodeKind, Pos};
use crate::catalogue::Catalogue;
use crate::check::{CheckError, Checked, check};
use crate::details::{DEPRECATED_FIELDS, bad_practice};
use crate::event_types::event_types;
use crate::parser::{self, ParseError};

/// More event types than this in a rule's condition deserve a warning.
const MANY_EVENT_TYPES: usize = 100;

/// So many warnings of a rule are traced into its macros; nobody reads more.
const MAX_TRACED: usize = 100;

/// A macro with its lists and macros resolved.
#[derive(Clone, Debug)]
pub(super) struct Macro {
    pub(super) condition: Node,
    pub(super) used: bool,
    /// As written, lists resolved.
    parsed: Arc<Parsed>,
}

/// A condition with its lists resolved.
#[derive(Debug)]
struct Parsed {
    node: Node,
    traced: Arc<Traced>,
}

/// A rule's condition with everything resolved.
struct Resolved {
    node: Node,
    /// Without macros resolved.
    parsed: Parsed,
    /// The text before lists were resolved, which Falco shows.
    shown: Arc<str>,
    /// Whether it is made of more than its own text.
    has_macros: bool,
}

impl Resolved {
    fn place(&self, rule: &definitions::Rule, pos: Pos, traced: &Arc<Traced>) -> Context {
        rule.condition_context.in_condition(pos, &self.shown, Some(traced))
    }
}

/// Everything compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct Compiled {
    pub(super) lists: Lists,
    /// As [`Definitions::macros`].
    pub(super) macros: Vec<Macro>,
    pub(super) rules: Vec<LoadedRule>,
}

/// Compiles all definitions. With `all_errors`, errors go to `result`, and what has them is left out
/// and remembered as broken.
pub(super) fn compile(
    definitions: &mut Definitions,
    options: &LoaderOptions,
    all_errors: bool,
    sources: &mut Sources<'_, '_>,
    result: &mut LoadResult,
) -> Result<Compiled, LoadError> {
    let broken = definitions.broken.clone();
    let lists = Lists::resolve(definitions)?;
    let mut compiler = Compiler {
        definitions,
        options,
        sources,
        result,
        out: Compiled { lists, ..Compiled::default() },
        nodes_left: MAX_NODES,
        all_errors,
        broken,
        reported: HashSet::new(),
    };
    compiler.mark_lists_of_broken_lists();
    compiler.macros()?;
    compiler.rules()?;
    // What broken items would have used is not known.
    if compiler.result.successful() {
        compiler.warn_unused();
    }
    let Compiler { out, broken, .. } = compiler;
    definitions.broken = broken;
    Ok(out)
}

pub(super) struct Compiler<'d, 'r, 's, 'c> {
    definitions: &'d Definitions,
    pub(super) options: &'d LoaderOptions,
    pub(super) sources: &'r mut Sources<'s, 'c>,
    pub(super) result: &'r mut LoadResult,
    out: Compiled,
    /// How many nodes conditions may still come to, macros resolved.
    nodes_left: usize,
    all_errors: bool,
    broken: Broken,
    /// File, offset and message of every error so far.
    reported: HashSet<(String, usize, String)>,
}

impl Compiler<'_, '_, '_, '_> {
    /// Reports the error of an item and goes on without it, if all errors are wanted. `names_broken`
    /// says whether its condition names something broken, so that the error may be a consequence.
    fn leave_out(&mut self, error: LoadError, names_broken: bool) -> Result<(), LoadError> {
        if !self.all_errors {
            return Err(error);
        }
        if !names_broken || error.code == ErrorCode::CompileOutput {
            // Every rule that uses a macro has the macro's error.
            let Spot { file, offset, .. } = error.context.spot();
            if self.reported.insert((file, offset, error.message.clone())) {
                self.result.fail(error);
            }
        }
        Ok(())
    }

    fn mark_lists_of_broken_lists(&mut self) {
        if self.broken.words.is_empty() {
            return;
        }
        // Each pass goes one list deeper; there are few broken ones.
        loop {
            let broken = &self.broken.words;
            let names_broken = |list: &&definitions::List| {
                !broken.contains(&list.name) && list.items.iter().any(|i| broken.contains(i))
            };
            let found: Vec<String> = self
                .definitions
                .lists
                .iter()
                .filter(names_broken)
                .map(|list| list.name.clone())
                .collect();
            if found.is_empty() {
                return;
            }
            self.broken.words.extend(found);
        }
    }

    /// Resolves lists and parses.
    fn parse(&mut self, condition: &SourceText, context: &Context) -> Result<Parsed, LoadError> {
        let (text, layers) = self
            .out
            .lists
            .substitute(condition.as_str())
            .map_err(|message| LoadError::definition(message, context))?;
        let traced = Traced::new(text, layers, condition.clone());
        match parser::parse(&traced.text) {
            Ok(node) => {
                if self.all_errors {
                    let shown = Arc::from(condition.as_str());
                    let written =
                        Traced::new(condition.as_str().into(), Vec::new(), condition.clone());
                    let place = |at| {
                        let pos = Pos { index: at, ..Pos::default() };
                        context.in_condition(pos, &shown, Some(&written))
                    };
                    hints::misspelt_lists(&node, condition, self.definitions, self.result, &place);
                }
                Ok(Parsed { node, traced })
            }
            Err(ParseError { pos, message }) => {
                let shown = Arc::from(traced.text.as_str());
                let context = context.in_condition(pos, &shown, Some(&traced));
                Err(LoadError::new(ErrorCode::CompileCondition, message, &context))
            }
        }
    }

    /// Puts in the macros that were first defined before item number `visibility`. Also returns
    /// whether there were any.
    fn resolve_macros(
        &mut self,
        parsed: &Parsed,
        shown: &Arc<str>,
        visibility: usize,
        context: &Context,
    ) -> Result<(Node, bool), LoadError> {
        let mut node = parsed.node.clone();
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
            let is_it = |leaf: &Node| matches!(leaf.kind, NodeKind::Identifier(_));
            let traced = self.text_of(parsed, pos, &mut |_, leaf| is_it(leaf));
            let context = context.in_condition(pos, shown, Some(&traced));
            return Err(LoadError::definition(message, &context));
        }
        for (name, _) in &resolution.resolved {
            let i = self.definitions.macros.position(name);
            if let Some(used) = i.and_then(|i| self.out.macros.get_mut(i)) {
                used.used = true;
            }
        }
        Ok((node, !resolution.resolved.is_empty()))
    }

    /// The text that a position is in: the condition itself, or one of the macros in it. `is_it`
    /// tells of comparisons and identifiers with this position whether they are the one meant.
    fn text_of(
        &mut self,
        own: &Parsed,
        pos: Pos,
        is_it: &mut dyn FnMut(&mut Self, &Node) -> bool,
    ) -> Arc<Traced> {
        if self.holds(&own.node, pos, is_it) {
            return own.traced.clone();
        }
        for i in 0..self.out.macros.len() {
            let Some(parsed) = self.out.macros.get(i).map(|m| m.parsed.clone()) else { continue };
            if self.holds(&parsed.node, pos, is_it) {
                return parsed.traced.clone();
            }
        }
        own.traced.clone()
    }

    fn holds(
        &mut self,
        node: &Node,
        pos: Pos,
        is_it: &mut dyn FnMut(&mut Self, &Node) -> bool,
    ) -> bool {
        match &node.kind {
            NodeKind::And(children) | NodeKind::Or(children) => {
                children.iter().any(|child| self.holds(child, pos, is_it))
            }
            NodeKind::Not(child) => self.holds(child, pos, is_it),
            NodeKind::Binary { right, .. } => {
                (node.pos == pos || right.pos == pos) && is_it(self, node)
            }
            _ => node.pos == pos && is_it(self, node),
        }
    }

    fn macros(&mut self) -> Result<(), LoadError> {
        let definitions = self.definitions;
        for definition in definitions.macros.iter() {
            let parsed = match self.parse(&definition.condition, &definition.condition_context) {
                Ok(parsed) => Arc::new(parsed),
                Err(error) => {
                    let named = self.broken.is_named_in(definition.condition.as_str());
                    self.leave_out(error, named)?;
                    self.broken.words.insert(definition.name.clone());
                    // Never used: who names it is left out too.
                    Arc::new(Parsed {
                        node: Node { pos: Pos::default(), kind: NodeKind::And([].into()) },
                        traced: Traced::new(
                            String::new(),
                            Vec::new(),
                            definition.condition.clone(),
                        ),
                    })
                }
            };
            self.out.macros.push(Macro { condition: parsed.node.clone(), used: false, parsed });
        }
        for (i, definition) in definitions.macros.iter().enumerate() {
            let Some(parsed) = self.out.macros.get(i).map(|m| m.parsed.clone()) else { continue };
            let condition = definition.condition.as_str();
            let named = self.broken.is_named_in(condition);
            if self.all_errors && (named || self.broken.words.contains(&definition.name)) {
                self.broken.words.insert(definition.name.clone());
                continue;
            }
            let shown = Arc::from(condition);
            match self.resolve_macros(&parsed, &shown, definition.order.last, &definition.context) {
                Ok((resolved, _)) => {
                    if let Some(compiled) = self.out.macros.get_mut(i) {
                        compiled.condition = resolved;
                    }
                }
                Err(error) => {
                    self.leave_out(error, false)?;
                    self.broken.words.insert(definition.name.clone());
                }
            }
        }
        Ok(())
    }

    fn rules(&mut self) -> Result<(), LoadError> {
        let definitions = self.definitions;
        for rule in definitions.rules.iter().filter(|rule| !rule.unknown_source) {
            if self.broken.rules.contains(&rule.name) {
                continue;
            }
            let compiled = self.rule(rule);
            let names_broken = self.all_errors && {
                let condition = exceptions::apply(rule).unwrap_or(rule.condition.clone());
                self.broken.is_named_in(condition.as_str())
            };
            match compiled {
                Ok(compiled) if !names_broken => self.out.rules.extend(compiled),
                Ok(_) => {
                    self.broken.rules.insert(rule.name.clone());
                }
                Err(error) => {
                    self.leave_out(error, names_broken)?;
                    self.broken.rules.insert(rule.name.clone());
                }
            }
        }
        Ok(())
    }

    /// None if the rule is skipped because it names what is not there and says that this is fine.
    fn rule(&mut self, rule: &definitions::Rule) -> Result<Option<LoadedRule>, LoadError> {
        let condition = exceptions::apply(rule)?;
        let output = self.output(rule);
        let template = match self.template(rule, &output) {
            Ok(template) => template,
            Err(e) if rule.skip_if_unknown_filter && is_about_unknown_name(&e.message) => {
                self.result.warn(WarningCode::UnknownFilter, e.message, &rule.output_context);
                return Ok(None);
            }
            Err(e) if self.all_errors => {
                // The condition may be wrong as well.
                let named = self.broken.is_named_in(condition.as_str());
                let found = self.condition(rule, &condition).err();
                found.map_or(Ok(()), |error| self.leave_out(error, named))?;
                return Err(e);
            }
            Err(e) => return Err(e),
        };
        self.warn_deprecated_in_output(&output, rule);
        let extra_fields = self.extra_fields(rule)?;
        let Some((condition, checked)) = self.condition(rule, &condition)? else {
            return Ok(None);
        };
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
            condition,
            checked,
        }))
    }

    /// A rule's condition with everything resolved, and checked. None as in [`Compiler::rule`].
    fn condition(
        &mut self,
        rule: &definitions::Rule,
        written: &SourceText,
    ) -> Result<Option<(Node, Checked)>, LoadError> {
        let parsed = self.parse(written, &rule.condition_context)?;
        let shown = Arc::from(written.as_str());
        let (node, has_macros) = self.resolve_macros(&parsed, &shown, usize::MAX, &rule.context)?;
        let condition = Resolved { node, parsed, shown, has_macros };
        self.warn_bad_practice(&condition, &rule.condition_context);
        let checked = self.check(rule, &condition)?;
        Ok(checked.map(|checked| (condition.node, checked)))
    }

    pub(super) fn catalogue(
        &mut self,
        rule: &definitions::Rule,
    ) -> Result<&mut dyn Catalogue, LoadError> {
        self.sources.catalogue(&rule.source).ok_or_else(|| {
            let message = format!("Unknown source at compile-time{}", rule.source);
            LoadError::definition(message, &rule.context)
        })
    }

    fn warn_bad_practice(&mut self, condition: &Resolved, context: &Context) {
        let found = bad_practice(&condition.node);
        if found.deprecated_fields.is_empty() && !found.unsafe_na_check {
            return;
        }
        let traced = Some(&condition.parsed.traced);
        let context = context.in_condition(Pos::default(), &condition.shown, traced);
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
        condition: &Resolved,
    ) -> Result<Option<Checked>, LoadError> {
        let checked = match check(&condition.node, self.catalogue(rule)?) {
            Ok(checked) => checked,
            Err(CheckError { pos, message }) => {
                let place = self.place(rule, condition, pos, &mut |this, leaf| {
                    let checked = this.catalogue(rule).map(|catalogue| check(leaf, catalogue));
                    matches!(checked, Ok(Err(e)) if e.pos == pos && e.message == message)
                });
                if rule.skip_if_unknown_filter && is_about_unknown_name(&message) {
                    self.result.warn(WarningCode::UnknownFilter, message, &place);
                    return Ok(None);
                }
                return Err(LoadError::new(ErrorCode::CompileCondition, message, &place));
            }
        };
        for (i, warning) in checked.warnings.iter().enumerate() {
            let mut is_it = |this: &mut Self, leaf: &Node| {
                let checked = this.catalogue(rule).map(|catalogue| check(leaf, catalogue));
                matches!(checked, Ok(Ok(checked)) if checked.warnings.contains(warning))
            };
            let place = match i < MAX_TRACED {
                true => self.place(rule, condition, warning.pos, &mut is_it),
                false => condition.place(rule, warning.pos, &condition.parsed.traced),
            };
            self.result.warn(WarningCode::CompileCondition, &warning.message, &place);
        }
        // Only system calls are chosen by their types. Falco does not survive this.
        if rule.source == SYSCALL_SOURCE
            && let Some(message) = &checked.event_types_error
        {
            let pos = self.unfit_for_types(rule, &condition.node).unwrap_or(condition.node.pos);
            let place = self.place(rule, condition, pos, &mut |this, leaf| {
                this.unfit_for_types(rule, leaf).is_some()
            });
            return Err(LoadError::new(ErrorCode::CompileCondition, message, &place));
        }
        Ok(Some(checked))
    }

    /// The comparison that the analysis of event types does not understand.
    fn unfit_for_types(&mut self, rule: &definitions::Rule, node: &Node) -> Option<Pos> {
        match &node.kind {
            NodeKind::And(children) | NodeKind::Or(children) => {
                children.iter().find_map(|child| self.unfit_for_types(rule, child))
            }
            NodeKind::Not(child) => self.unfit_for_types(rule, child),
            _ => event_types(node, self.catalogue(rule).ok()?).is_err().then_some(node.pos),
        }
    }

    /// A position in a rule's condition, or in that of a macro in it.
    fn place(
        &mut self,
        rule: &definitions::Rule,
        condition: &Resolved,
        pos: Pos,
        is_it: &mut dyn FnMut(&mut Self, &Node) -> bool,
    ) -> Context {
        let parsed = &condition.parsed;
        let traced = match condition.has_macros {
            true => self.text_of(parsed, pos, is_it),
            false => parsed.traced.clone(),
        };
        condition.place(rule, pos, &traced)
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

/// Whether a message is about a field or event type that does not exist: `skip-if-unknown-filter`
/// goes by Falco's words.
fn is_about_unknown_name(message: &str) -> bool {
    ["nonexistent field", "invalid formatting token", "unknown event type", "unknown filter:"]
        .iter()
        .any(|words| message.contains(words))
}
