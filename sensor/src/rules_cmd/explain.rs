//! `falco rules explain`: what a rule matches, reads, needs and costs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use falco_rules::ast::{Node, NodeKind};
use falco_rules::catalogue::{Catalogue, Scope};
use falco_rules::check::check;
use falco_rules::event_names::event_names;
use falco_rules::loader::LoadedRule;
use falco_rules::print::print_lossy;
use serde_json::{Value, json};

use super::options::{ExplainOptions, TestFormat};
use super::{layout, needs, test};
use crate::engine::Engine;
use crate::suggest;

/// Explains a rule.
///
/// # Errors
/// If rules cannot be loaded, none has the name, or stdout fails.
pub fn run(options: &ExplainOptions) -> Result<ExitCode> {
    let mut engine = test::load(&options.rules)?;
    let rules = engine.loader.rules();
    let Some(rule) = rules.iter().find(|rule| rule.name == options.rule) else {
        let names = rules.iter().map(|rule| rule.name.as_str());
        match suggest::closest(&options.rule, names) {
            Some(like) => bail!("there is no rule '{}'; did you mean '{like}'?", options.rule),
            None => bail!("there is no rule '{}' (falco -L lists them)", options.rule),
        }
    };
    let rule = rule.clone();
    let explanation = Explanation::of(&rule, &mut engine)?;
    let text = match options.format {
        TestFormat::Text => explanation.to_text(&rule),
        TestFormat::Json => format!("{:#}\n", explanation.to_json(&rule)),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout")?;
    Ok(ExitCode::SUCCESS)
}

/// What is found out about a rule.
struct Explanation {
    /// Names of the events that it can match.
    events: BTreeSet<String>,
    /// Fields of the condition, with their arguments, by how long what they say holds.
    fields: BTreeMap<Scope, BTreeSet<String>>,
    /// Fields of the output, in order.
    output: Vec<String>,
    needs: Vec<needs::Need>,
    cost: Cost,
}

/// What evaluation comes to. Equal comparisons count once, as they are evaluated once.
#[derive(Default)]
struct Cost {
    /// Distinct comparisons by scope.
    scopes: BTreeMap<Scope, usize>,
    /// Distinct comparisons by kind.
    kinds: BTreeMap<&'static str, usize>,
    /// Of these, those that other enabled rules have, too.
    shared: usize,
    /// All comparisons as written, lists and macros replaced.
    written: usize,
    /// Weight of those that depend on the event.
    per_event: u32,
    /// Weight of those whose verdict is kept.
    cached: u32,
}

impl Explanation {
    fn of(rule: &LoadedRule, engine: &mut Engine) -> Result<Self> {
        let events = event_names(&rule.condition, &engine.fields);
        let mut fields: BTreeMap<Scope, BTreeSet<String>> = BTreeMap::new();
        for used in &rule.checked.fields {
            let found = engine.fields.resolve(&used.name, used.arg.as_deref());
            let scope = found.map_or(Scope::Event, |field| field.scope);
            let name = match &used.arg {
                Some(arg) => format!("{}[{arg}]", used.name),
                None => used.name.clone(),
            };
            fields.entry(scope).or_default().insert(name);
        }
        let output: Vec<String> = rule.template.fields().map(str::to_owned).collect();
        let all: BTreeSet<String> = fields.values().flatten().chain(&output).cloned().collect();
        let needs = needs::of(&all, &rule.checked.event_types, &events);
        let others = engine.loader.rules().iter().filter(|o| o.enabled && o.name != rule.name);
        let mut elsewhere = BTreeSet::new();
        others.for_each(|other| {
            leaves(&other.condition, &mut |leaf| {
                elsewhere.insert(print_lossy(leaf));
            })
        });
        let cost = Cost::of(&rule.condition, &elsewhere, &mut engine.fields)?;
        Ok(Explanation { events, fields, output, needs, cost })
    }
}

impl Cost {
    fn of(
        condition: &Node,
        elsewhere: &BTreeSet<String>,
        fields: &mut dyn Catalogue,
    ) -> Result<Self> {
        let mut distinct: BTreeMap<String, Node> = BTreeMap::new();
        let mut cost = Cost::default();
        leaves(condition, &mut |leaf| {
            cost.written += 1;
            distinct.entry(print_lossy(leaf)).or_insert_with(|| leaf.clone());
        });
        for (text, leaf) in distinct {
            let checked = check(&leaf, fields).map_err(|e| anyhow!("{text}: {e}"))?;
            let scope = checked.expr.scope();
            let (kind, weight) = kind(&leaf);
            *cost.scopes.entry(scope).or_default() += 1;
            *cost.kinds.entry(kind).or_default() += 1;
            cost.shared += usize::from(elsewhere.contains(&text));
            match scope {
                Scope::Event => cost.per_event += weight,
                Scope::Process | Scope::Lineage => cost.cached += weight,
            }
        }
        Ok(cost)
    }

    fn count(&self, scope: Scope) -> usize {
        self.scopes.get(&scope).copied().unwrap_or(0)
    }

    fn distinct(&self) -> usize {
        self.scopes.values().sum()
    }
}

/// Calls `with` for each comparison of a condition.
fn leaves<'n>(node: &'n Node, with: &mut dyn FnMut(&'n Node)) {
    match &node.kind {
        NodeKind::And(children) | NodeKind::Or(children) => {
            children.iter().for_each(|child| leaves(child, with));
        }
        NodeKind::Not(child) => leaves(child, with),
        _ => with(node),
    }
}

/// The kind of a comparison and its weight: 1 is a comparison of two numbers or hashes.
fn kind(leaf: &Node) -> (&'static str, u32) {
    let op = match &leaf.kind {
        NodeKind::Unary { op, .. } | NodeKind::Binary { op, .. } => op.as_str(),
        _ => "",
    };
    // The operator stands before its modifier (`startswith oneof`).
    match op.split(' ').next().unwrap_or_default() {
        "exists" => ("existence", 1),
        "<" | "<=" | ">" | ">=" => ("order", 1),
        "startswith" | "bstartswith" | "endswith" => ("prefix or suffix", 2),
        "pmatch" => ("path prefixes", 3),
        "contains" | "icontains" | "bcontains" => ("substring", 4),
        "glob" | "iglob" => ("glob", 6),
        "regex" => ("regular expression", 20),
        "intersects" => ("list", 3),
        _ => ("equality", 1),
    }
}

/// How long what is read of a scope holds.
fn scope_text(scope: Scope) -> (&'static str, &'static str) {
    match scope {
        Scope::Event => ("event", "read for every event"),
        Scope::Process => ("process", "kept until the process execs, changes user, …"),
        Scope::Lineage => ("ancestors", "kept until the process or one of its ancestors changes"),
    }
}

/// Scopes in the order of the report.
const SCOPES: [Scope; 3] = [Scope::Event, Scope::Process, Scope::Lineage];

/// Columns before the text of the report.
const MARGIN: usize = 12;
/// Columns of text.
const WIDTH: usize = 88;

impl Explanation {
    fn to_text(&self, rule: &LoadedRule) -> String {
        let mut out = String::new();
        let mut row = |title: &str, lines: &[String]| {
            for (i, line) in lines.iter().enumerate() {
                let title = if i == 0 { title } else { "" };
                // Writing to memory does not fail.
                let _ = writeln!(out, "{title:<MARGIN$}{line}");
            }
        };
        let words = |words: &mut dyn Iterator<Item = &str>| layout::wrap(words, ",", WIDTH);
        row("Rule", std::slice::from_ref(&rule.name));
        row("", &layout::wrap(rule.description.split_whitespace(), "", WIDTH));
        let state = if rule.enabled { "enabled" } else { "disabled" };
        row("Priority", &[format!("{}, source {}, {state}", rule.priority, rule.source)]);
        if !rule.tags.is_empty() {
            row("Tags", &words(&mut rule.tags.iter().map(String::as_str)));
        }
        row("Condition", &["lists, macros and exceptions written out:".to_owned()]);
        let condition = layout::condition(&rule.condition, 2);
        row("", &condition.lines().map(str::to_owned).collect::<Vec<_>>());
        let mut events = words(&mut self.events.iter().map(String::as_str));
        if let Some(first) = events.first_mut() {
            *first = format!("{} names: {first}", self.events.len());
        }
        row("Events", &events);
        for (i, scope) in SCOPES.into_iter().enumerate() {
            let Some(fields) = self.fields.get(&scope) else { continue };
            let (name, holds) = scope_text(scope);
            let title = if i == 0 || !self.fields.contains_key(&Scope::Event) && i == 1 {
                "Fields"
            } else {
                ""
            };
            row(title, &[format!("of the {name} ({holds}):")]);
            row("", &indented(words(&mut fields.iter().map(String::as_str))));
        }
        row("Output", &words(&mut self.output.iter().map(String::as_str)));
        if self.needs.is_empty() {
            row("State", &["nothing beyond its events".to_owned()]);
        }
        for (i, need) in self.needs.iter().enumerate() {
            let title = if i == 0 { "State" } else { "" };
            let fields = need.fields.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            row(
                title,
                &layout::wrap(
                    format!("{} (for {fields}), from:", need.state).split(' '),
                    "",
                    WIDTH,
                ),
            );
            row("", &indented(words(&mut need.calls.iter().copied())));
        }
        let cost = self.cost.lines();
        let cost = cost.iter().flat_map(|line| layout::wrap(line.split(' '), "", WIDTH));
        row("Cost", &cost.collect::<Vec<_>>());
        out
    }

    fn to_json(&self, rule: &LoadedRule) -> Value {
        let fields: serde_json::Map<String, Value> = SCOPES
            .into_iter()
            .map(|scope| {
                (
                    scope_text(scope).0.to_owned(),
                    json!(self.fields.get(&scope).cloned().unwrap_or_default()),
                )
            })
            .collect();
        let needs: Vec<Value> = self
            .needs
            .iter()
            .map(|need| json!({ "state": need.state, "calls": need.calls, "fields": need.fields }))
            .collect();
        let cost = &self.cost;
        json!({
            "rule": rule.name,
            "description": rule.description,
            "priority": rule.priority.name(),
            "source": rule.source,
            "enabled": rule.enabled,
            "tags": rule.tags,
            "condition": print_lossy(&rule.condition),
            "events": self.events,
            "fields": fields,
            "output_fields": self.output,
            "state": needs,
            "cost": {
                "comparisons": cost.written,
                "distinct": cost.distinct(),
                "per_event": cost.count(Scope::Event),
                "cached_per_process": cost.count(Scope::Process),
                "cached_per_ancestry": cost.count(Scope::Lineage),
                "shared_with_other_rules": cost.shared,
                "kinds": cost.kinds,
                "weight_per_event": cost.per_event,
                "weight_cached": cost.cached,
            },
        })
    }
}

impl Cost {
    fn lines(&self) -> Vec<String> {
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        let once = match self.written - self.distinct() {
            0 => String::new(),
            again => format!(" ({again} more are repetitions and cost nothing)"),
        };
        vec![
            format!("{} comparisons{once}: {}", self.distinct(), kinds.join(", ")),
            format!(
                "{} for every event of the types above, {} kept with the process, {} with its ancestry",
                self.count(Scope::Event),
                self.count(Scope::Process),
                self.count(Scope::Lineage)
            ),
            format!(
                "{} are shared with other enabled rules and evaluated once for all",
                self.shared
            ),
            format!(
                "at most {} units an event, and {} when its process is first met (1 is an equality)",
                self.per_event, self.cached
            ),
        ]
    }
}

fn indented(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| format!("  {line}")).collect()
}
