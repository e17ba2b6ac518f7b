//! Why an expected alert is missing: the event that came nearest to it, and the parts of the rule's
//! condition that did not hold there, with the values that they saw.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use falco_enrich::context::Context;
use falco_rules::ast::{Node, NodeKind};
use falco_rules::catalogue::{Catalogue, EventContext, EventTypes};
use falco_rules::check::{FieldUse, check};
use falco_rules::event_names::event_names;
use falco_rules::loader::{LoadedRule, SourceRules};
use falco_rules::parser::parse;
use falco_rules::print::print_lossy;
use falco_rules::ruleset::RulesetBuilder;
use falco_rules::template::Template;

use super::file::Test;
use super::judge::replay;
use crate::engine::Engine;
use crate::event_loop::Matches;
use crate::rules_cmd::layout::flatten;
use crate::signals::Stop;

/// Longest part of a condition that is shown, in characters.
const SHOWN: usize = 120;

/// Most names of events that are shown.
const NAMES: usize = 8;

/// One part of the condition's conjunction.
struct Part {
    text: String,
    /// Its fields, to show their values.
    fields: Vec<(String, Template)>,
}

/// Lines that tell why `rule` raises no alert in `test`.
///
/// # Errors
/// If the events cannot be read (again).
pub fn why(
    test: &Test,
    rule: &LoadedRule,
    engine: &mut Engine,
    stop: &Stop,
) -> Result<Vec<String>> {
    let condition = flatten(&rule.condition);
    let nodes = match &condition.kind {
        NodeKind::And(nodes) => nodes,
        _ => std::slice::from_ref(&condition),
    };
    let mut builder = RulesetBuilder::new();
    let mut parts = Vec::new();
    for node in nodes {
        let checked = check(node, &mut engine.fields).map_err(|e| anyhow!("{e}"))?;
        builder.add(&checked);
        parts.push(Part::of(node, &checked.fields, &mut engine.fields));
    }
    // A last part that holds for every event ends each one's list.
    let always = parse("evt.num exists").map_err(|e| anyhow!("{}", e.message))?;
    builder.add(&check(&always, &mut engine.fields).map_err(|e| anyhow!("{e}"))?);
    let program = SourceRules { ruleset: builder.build(), rules: (0..=parts.len()).collect() };
    let mut nearest =
        Nearest { types: &rule.checked.event_types, parts: &parts, held: Vec::new(), best: None };
    replay(test, engine, &program, &mut nearest, stop)?;
    Ok(match nearest.best {
        Some(best) => best.lines(&parts),
        None => {
            let names = event_names(&rule.condition, &engine.fields);
            // Asynchronous events reach every rule, so they say nothing.
            let mut names: Vec<&str> =
                names.iter().map(String::as_str).filter(|name| *name != "asyncevent").collect();
            if names.len() > NAMES {
                names.truncate(NAMES);
                names.push("…");
            }
            vec![format!("there is no event that it could match ({})", names.join(", "))]
        }
    })
}

impl Part {
    fn of(node: &Node, fields: &[FieldUse], catalogue: &mut dyn Catalogue) -> Self {
        let mut templates = BTreeMap::new();
        for field in fields {
            let name = match &field.arg {
                Some(arg) => format!("{}[{arg}]", field.name),
                None => field.name.clone(),
            };
            // Fields that are only for conditions have no text.
            if let Ok(template) = Template::compile(&format!("*%{name}"), catalogue) {
                templates.insert(name, template);
            }
        }
        Part { text: print_lossy(node), fields: templates.into_iter().collect() }
    }
}

/// Finds the event of the rule's types for which most parts hold; the latest of equals.
struct Nearest<'p> {
    types: &'p EventTypes,
    parts: &'p [Part],
    /// Parts that hold for the present event.
    held: Vec<usize>,
    best: Option<Best>,
}

struct Best {
    event: u64,
    held: Vec<usize>,
    /// Values by part that does not hold.
    values: BTreeMap<usize, Vec<String>>,
}

impl Matches for Nearest<'_> {
    fn matched(&mut self, part: usize, ctx: &Context<'_>, _ts: u64) -> Result<()> {
        if part < self.parts.len() {
            self.held.push(part);
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        let nearer = self.best.as_ref().is_none_or(|best| held.len() >= best.held.len());
        if self.types.contains(ctx.event_type()) && nearer {
            let failed = (0..self.parts.len()).filter(|part| !held.contains(part));
            let values = failed.filter_map(|at| Some((at, values(self.parts.get(at)?, ctx))));
            self.best = Some(Best { event: ctx.number(), values: values.collect(), held });
        }
        Ok(())
    }
}

fn values(part: &Part, ctx: &Context<'_>) -> Vec<String> {
    let value = |(name, template): &(String, Template)| {
        let mut out = Vec::new();
        template.render_text(ctx, &mut out);
        format!("{name}={}", String::from_utf8_lossy(&out))
    };
    part.fields.iter().map(value).collect()
}

impl Best {
    fn lines(self, parts: &[Part]) -> Vec<String> {
        if self.values.is_empty() {
            // It does match there, only not as often as expected.
            return Vec::new();
        }
        let mut lines =
            vec![format!("event {} came nearest, but there it does not hold that", self.event)];
        for (at, values) in self.values {
            let Some(part) = parts.get(at) else { continue };
            let text: String = part.text.chars().take(SHOWN).collect();
            let more = if part.text.chars().count() > SHOWN { "…" } else { "" };
            lines.push(format!("  {text}{more}"));
            lines.push(format!("    where {}", values.join(", ")));
        }
        lines
    }
}
