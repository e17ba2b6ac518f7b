//! Runs a test and compares the alerts that were raised with those expected.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use falco_capture::CaptureReader;
use falco_enrich::context::Context;
use falco_enrich::fields::SyscallFields;
use falco_enrich::state::{Limits, State};
use falco_rules::catalogue::Catalogue;
use falco_rules::loader::{LoadedRule, Selection, SourceRules};
use falco_rules::template::Template;
use falco_source::Source;

use super::compare::{Alert, Line, compare};
use super::file::{Input, Named, Test};
use super::reader::Problem;
use super::source::Scripted;
use super::why::why;
use crate::engine::Engine;
use crate::event_loop::{EventLoop, Matches, NoHousekeeping};
use crate::preamble;
use crate::signals::Stop;
use crate::suggest;

/// What a test came to.
#[derive(Debug)]
pub struct Verdict {
    /// Expected and raised alerts side by side.
    pub lines: Vec<Line>,
    /// The events, for failures: number and text.
    pub events: Vec<(u64, String)>,
}

impl Verdict {
    /// Whether everything is as expected.
    pub fn passed(&self) -> bool {
        self.lines.iter().all(|line| matches!(line, Line::Same(_)))
    }
}

/// Why a test could not be judged.
#[derive(Debug)]
pub enum Unfit {
    /// The test names what is not there.
    Problems(Vec<Problem>),
    /// Its input cannot be read.
    Error(anyhow::Error),
}

/// More alerts than this are no test: a capture should be cut, or `expect_only` be used.
const MAX_ALERTS: usize = 10_000;

/// Rules with the program of those that are enabled: it serves all tests but the few that enable
/// more.
pub struct Loaded {
    /// The rules.
    pub engine: Engine,
    program: SourceRules,
}

impl Loaded {
    /// Compiles the rules of `engine`.
    pub fn new(engine: Engine) -> Self {
        Loaded { program: engine.compile(), engine }
    }
}

/// Runs `test` over `rules`.
///
/// # Errors
/// If the test names rules or fields that do not exist, or its capture cannot be read.
pub fn judge(test: &Test, rules: &mut Loaded, stop: &Stop) -> Result<Verdict, Unfit> {
    let Loaded { engine, program } = rules;
    let probes = probes(test, engine).map_err(Unfit::Problems)?;
    let enabled = enable(test, engine);
    let special = (!enabled.is_empty()).then(|| engine.compile());
    enabled.into_iter().for_each(|name| {
        engine.loader.select(Selection::Name(&name), false);
    });
    let mut recorder = Recorder {
        rules: engine.loader.rules(),
        only: test.only.as_deref(),
        probes: &probes,
        alerts: Vec::new(),
    };
    let program = special.as_ref().unwrap_or(program);
    replay(test, engine, program, &mut recorder, stop).map_err(Unfit::Error)?;
    let lines = compare(&test.expect, recorder.alerts);
    let mut verdict = Verdict { lines, events: Vec::new() };
    for line in &mut verdict.lines {
        let Line::Missing(name, reasons) = line else { continue };
        let rule = engine.loader.rules().iter().find(|rule| rule.name == *name).cloned();
        if let Some(rule) = rule {
            *reasons = why(test, &rule, engine, stop).map_err(Unfit::Error)?;
        }
    }
    if !verdict.passed() && matches!(test.input, Input::Script(_)) {
        verdict.events = events(test, &mut engine.fields, stop).map_err(Unfit::Error)?;
    }
    Ok(verdict)
}

/// Compiles the fields whose values the test compares.
fn probes(test: &Test, engine: &mut Engine) -> Result<BTreeMap<String, Template>, Vec<Problem>> {
    let mut problems = Vec::new();
    let names: Vec<&str> = engine.loader.rules().iter().map(|r| r.name.as_str()).collect();
    let rules = test.expect.iter().map(|e| &e.rule).chain(test.only.iter().flatten());
    for rule in rules {
        if !names.contains(&rule.name.as_str()) {
            let hint = match suggest::closest(&rule.name, names.iter().copied()) {
                Some(like) => format!(" (did you mean '{like}'?)"),
                None => format!(" among the {} rules loaded", names.len()),
            };
            problems.push(problem(rule, format!("there is no rule '{}'{hint}", rule.name)));
        }
    }
    let mut probes = BTreeMap::new();
    for (field, _) in test.expect.iter().flat_map(|e| &e.fields) {
        match Template::compile(&format!("*%{}", field.name), &mut engine.fields) {
            Ok(template) => {
                probes.insert(field.name.clone(), template);
            }
            Err(_) => {
                let known = engine.fields.fields().iter().map(|f| f.name);
                let hint = match suggest::closest(&field.name, known) {
                    Some(like) => format!("; did you mean '{like}'?"),
                    None => " (falco --list names them all)".to_owned(),
                };
                problems.push(problem(field, format!("there is no field '{}'{hint}", field.name)));
            }
        }
    }
    if problems.is_empty() { Ok(probes) } else { Err(problems) }
}

fn problem(named: &Named, message: String) -> Problem {
    Problem { mark: named.mark, length: named.name.len(), message }
}

/// Enables the disabled rules that the test names: else it could not test them. Gives their names.
fn enable(test: &Test, engine: &mut Engine) -> Vec<String> {
    let named = test.expect.iter().map(|e| &e.rule).chain(test.only.iter().flatten());
    let disabled =
        |name: &str| engine.loader.rules().iter().any(|rule| rule.name == name && !rule.enabled);
    let names: Vec<String> =
        named.filter(|rule| disabled(&rule.name)).map(|rule| rule.name.clone()).collect();
    names.iter().for_each(|name| {
        engine.loader.select(Selection::Name(name), true);
    });
    names
}

/// Sends the events of a test through state and `program`, as a replay of a capture does.
///
/// # Errors
/// If they cannot be read.
pub fn replay(
    test: &Test,
    engine: &Engine,
    program: &SourceRules,
    matches: &mut dyn Matches,
    stop: &Stop,
) -> Result<()> {
    with_source(test, |source, prepare| {
        let outcome = EventLoop {
            source,
            begun: None,
            prepare,
            state: State::new(Limits::default()),
            fields: &engine.fields,
            rules: engine.loader.rules().len(),
            program,
            matching: test.matching,
            matches,
            observers: &mut [],
            housekeeping: &mut NoHousekeeping,
            seen_until: 0,
            duration_ns: 0,
            stop,
        }
        .run();
        outcome.error.map_or(Ok(()), Err)
    })
}

fn with_source(
    test: &Test,
    run: impl FnOnce(&mut dyn Source, fn(&mut falco_source::Snapshot)) -> Result<()>,
) -> Result<()> {
    match &test.input {
        Input::Script(script) => run(&mut Scripted::new(script), |_| {}),
        Input::Capture(path) => {
            let mut source = CaptureReader::open(path)?;
            run(&mut source, preamble::as_falco_replays)
        }
    }
}

/// Keeps the alerts of a replay.
struct Recorder<'r> {
    rules: &'r [LoadedRule],
    /// Only alerts of these count.
    only: Option<&'r [Named]>,
    probes: &'r BTreeMap<String, Template>,
    alerts: Vec<Alert>,
}

impl Matches for Recorder<'_> {
    fn matched(&mut self, rule: usize, ctx: &Context<'_>, _ts: u64) -> Result<()> {
        let Some(rule) = self.rules.get(rule) else { return Ok(()) };
        if self.only.is_some_and(|only| only.iter().all(|named| named.name != rule.name)) {
            return Ok(());
        }
        if self.alerts.len() == MAX_ALERTS {
            bail!("more than {MAX_ALERTS} alerts; use a shorter capture, or expect_only");
        }
        let text = |template: &Template| {
            let mut out = Vec::new();
            template.render_text(ctx, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        self.alerts.push(Alert {
            rule: rule.name.clone(),
            event: ctx.number(),
            priority: rule.priority.name(),
            output: text(&rule.template),
            fields: self.probes.iter().map(|(name, t)| (name.clone(), text(t))).collect(),
        });
        Ok(())
    }
}

/// Every event of a test as a line.
fn events(test: &Test, fields: &mut SyscallFields, stop: &Stop) -> Result<Vec<(u64, String)>> {
    const LINE: &str = "*%proc.name (%thread.tid) %evt.type %evt.args";
    let template = Template::compile(LINE, fields).context("the line of an event")?;
    // A rule that every event matches.
    let always = crate::rules_cmd::condition("evt.num>0", fields)?;
    let mut engine = Engine::new(&crate::config::Config::default(), None);
    std::mem::swap(&mut engine.fields, fields);
    let mut lister = Lister { template, events: Vec::new() };
    let program = SourceRules { ruleset: always, rules: vec![0] };
    let result = replay(test, &engine, &program, &mut lister, stop);
    std::mem::swap(&mut engine.fields, fields);
    result.map(|()| lister.events)
}

struct Lister {
    template: Template,
    events: Vec<(u64, String)>,
}

impl Matches for Lister {
    fn matched(&mut self, _rule: usize, ctx: &Context<'_>, _ts: u64) -> Result<()> {
        let mut out = Vec::new();
        self.template.render_text(ctx, &mut out);
        self.events.push((ctx.number(), String::from_utf8_lossy(&out).trim_end().to_owned()));
        Ok(())
    }
}
