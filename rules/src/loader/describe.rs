//! The JSON of `-L` and `-l`: every list, macro and rule as it is written and as it was compiled.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use super::compile::{self, Compiled};
use super::definitions::{self, Definitions, PluginVersion};
use super::lists::List;
use super::{LoadedRule, SYSCALL_SOURCE, Sources, UnknownRule};
use crate::catalogue::Catalogue;
use crate::details::{Details, details};
use crate::event_names::event_names;
use crate::parser;
use crate::print::print_lossy;

pub(super) fn describe(
    definitions: &Definitions,
    compiled: &Compiled,
    rule: Option<&str>,
    sources: &mut Sources<'_, '_>,
) -> Result<Value, UnknownRule> {
    let known = Known {
        macros: definitions.macros.iter().map(|m| m.name.as_str()).collect(),
        lists: definitions.lists.iter().map(|l| l.name.as_str()).collect(),
    };
    let describe_rule = |rule: &LoadedRule, sources: &mut Sources<'_, '_>| {
        let definition = definitions.rules.get(&rule.name)?;
        Some(known.rule(rule, definition, sources.catalogue(&rule.source)?))
    };
    if let Some(name) = rule {
        let rule = compiled.rules.iter().find(|rule| rule.name == name);
        let described = rule.and_then(|rule| describe_rule(rule, sources));
        let described = described.ok_or_else(|| UnknownRule(name.into()))?;
        return Ok(json!({ "rules": [described] }));
    }
    let rules: Vec<Value> =
        compiled.rules.iter().filter_map(|rule| describe_rule(rule, sources)).collect();
    let macros = definitions.macros.iter().zip(&compiled.macros);
    let macros: Vec<Value> =
        macros.map(|(m, compiled)| known.define_macro(m, compiled, sources)).collect();
    let lists = definitions.lists.iter().zip(compiled.lists.iter());
    let lists: Vec<Value> = lists.map(|(l, compiled)| list(l, compiled)).collect();
    Ok(json!({
        "required_engine_version": definitions.engine_version.to_string(),
        "required_plugin_versions": definitions.plugins.iter().filter_map(|plugins| requirement(plugins)).collect::<Vec<_>>(),
        "rules": rules,
        "macros": macros,
        "lists": lists,
    }))
}

fn requirement(plugins: &[PluginVersion]) -> Option<Value> {
    let plugin = |p: &PluginVersion| json!({ "name": p.name, "version": p.version });
    let (first, alternatives) = plugins.split_first()?;
    let mut out = plugin(first);
    out["alternatives"] = alternatives.iter().map(plugin).collect();
    Some(out)
}

/// The names that conditions may refer to.
struct Known<'d> {
    macros: HashSet<&'d str>,
    lists: HashSet<&'d str>,
}

impl Known<'_> {
    /// What a condition refers to as it is written. It compiled, so it parses, unless a list's
    /// substitution made it a condition.
    fn written(&self, condition: &str) -> Details {
        parser::parse(condition)
            .map(|node| details(&node, &self.macros, &self.lists))
            .unwrap_or_default()
    }

    fn rule(
        &self,
        rule: &LoadedRule,
        definition: &definitions::Rule,
        catalogue: &mut dyn Catalogue,
    ) -> Value {
        let written = self.written(definition.condition.as_str());
        let compiled = details(&rule.condition, &self.macros, &self.lists);
        let fields = rule.extra_fields.iter().map(|extra| extra.text.as_str());
        let fields: Vec<&str> = fields.chain(rule.template.fields()).collect();
        let exceptions = &definition.exceptions;
        let operators: BTreeSet<&str> = exceptions.iter().flat_map(|e| e.operators()).collect();
        let events = if rule.source == SYSCALL_SOURCE {
            event_names(&rule.condition, catalogue)
        } else {
            ["asyncevent".to_owned(), "pluginevent".to_owned()].into()
        };
        // Arguments in brackets do not belong to the name.
        let names = compiled.fields.iter().map(String::as_str).chain(fields.iter().copied());
        let names = names.map(|field| field.split('[').next().unwrap_or_default());
        let plugins: BTreeSet<&str> = names.filter_map(|name| catalogue.plugin_of(name)).collect();
        let mut details = json!({
            "macros": written.macros,
            "lists": written.lists,
            "condition_operators": compiled.operators,
            "condition_fields": compiled.fields,
            "output_fields": fields,
            "exception_fields": rule.exception_fields,
            "exception_names": exceptions.iter().map(|e| &e.name).collect::<BTreeSet<_>>(),
            "exception_operators": operators,
            "events": events,
            "condition_compiled": print_lossy(&rule.condition),
            "output_compiled": rule.output,
            "plugins": plugins,
        });
        let formatted: BTreeMap<&str, &str> = rule
            .extra_fields
            .iter()
            .filter(|extra| !extra.raw)
            .map(|extra| (extra.key.as_str(), extra.text.as_str()))
            .collect();
        if !formatted.is_empty() {
            details["extra_output_formatted_fields"] = json!(formatted);
        }
        json!({
            "info": {
                "name": rule.name,
                "condition": definition.condition.as_str(),
                "description": rule.description,
                "output": definition.output,
                "enabled": definition.enabled,
                "source": rule.source,
                "priority": rule.priority.name(),
                "tags": rule.tags,
                "capture": rule.capture,
                "capture_duration": rule.capture_duration,
            },
            "details": details,
        })
    }

    fn define_macro(
        &self,
        definition: &definitions::Macro,
        compiled: &compile::Macro,
        sources: &mut Sources<'_, '_>,
    ) -> Value {
        let written = self.written(definition.condition.as_str());
        let details = details(&compiled.condition, &self.macros, &self.lists);
        // A macro has no source; Falco takes it for one of system calls.
        let catalogue = sources.catalogue(SYSCALL_SOURCE);
        let events = catalogue.map(|c| event_names(&compiled.condition, c)).unwrap_or_default();
        json!({
            "info": { "name": definition.name, "condition": definition.condition.as_str() },
            "details": {
                "used": compiled.used,
                "macros": written.macros,
                "lists": written.lists,
                "condition_operators": details.operators,
                "condition_fields": details.fields,
                "events": events,
                "condition_compiled": print_lossy(&compiled.condition),
                "plugins": [],
            },
        })
    }
}

fn list(definition: &definitions::List, compiled: &List) -> Value {
    let items: HashSet<&str> = compiled.items.iter().map(String::as_str).collect();
    // An item that resolving took away was a list.
    let (items, lists): (Vec<&str>, Vec<&str>) =
        definition.items.iter().map(String::as_str).partition(|item| items.contains(item));
    json!({
        "info": { "name": definition.name, "items": items },
        "details": {
            "used": compiled.used,
            "lists": lists.into_iter().collect::<BTreeSet<_>>(),
            "items_compiled": compiled.items,
            "plugins": [],
        },
    })
}
