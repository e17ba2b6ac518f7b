//! [`Definitions`]: the lists, macros and rules of all files as they stand after redefinition,
//! appending and replacing. Texts only; nothing is parsed here but exceptions' fields.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::context::Context;
use super::exceptions::Exception;
use super::lists::words;
use super::result::{LoadError, LoadResult, WarningCode};
use super::trace::SourceText;
use super::version::Version;
use super::{ENGINE_VERSION, Sources};
use crate::priority::Priority;

/// A list.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) context: Context,
    pub(super) order: Order,
    pub(super) name: String,
    pub(super) items: Vec<String>,
}

/// A macro.
#[derive(Clone, Debug)]
pub(super) struct Macro {
    pub(super) context: Context,
    pub(super) condition_context: Context,
    pub(super) order: Order,
    pub(super) name: String,
    pub(super) condition: SourceText,
}

/// A rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) context: Context,
    pub(super) condition_context: Context,
    pub(super) output_context: Context,
    pub(super) name: String,
    pub(super) condition: SourceText,
    pub(super) output: String,
    pub(super) description: String,
    pub(super) source: String,
    /// No such source: the rule is kept, but not compiled.
    pub(super) unknown_source: bool,
    pub(super) priority: Priority,
    pub(super) tags: BTreeSet<String>,
    pub(super) exceptions: Vec<Exception>,
    pub(super) capture: bool,
    pub(super) capture_duration: u32,
    pub(super) enabled: bool,
    pub(super) warn_evttypes: bool,
    pub(super) skip_if_unknown_filter: bool,
}

/// Changes to a rule that exists; what is None stays.
#[derive(Clone, Debug)]
pub(super) struct RuleUpdate {
    pub(super) context: Context,
    pub(super) name: String,
    /// Compared with the rule's source if it is not empty.
    pub(super) source: String,
    pub(super) condition: Option<SourceText>,
    pub(super) output: Option<String>,
    pub(super) description: Option<String>,
    pub(super) tags: Option<BTreeSet<String>>,
    pub(super) exceptions: Option<Vec<Exception>>,
    pub(super) priority: Option<Priority>,
    pub(super) capture: Option<bool>,
    pub(super) capture_duration: Option<u32>,
    pub(super) enabled: Option<bool>,
    pub(super) warn_evttypes: Option<bool>,
    pub(super) skip_if_unknown_filter: Option<bool>,
}

impl RuleUpdate {
    pub(super) fn new(context: &Context, name: &str) -> Self {
        RuleUpdate {
            context: context.clone(),
            name: name.into(),
            source: String::new(),
            condition: None,
            output: None,
            description: None,
            tags: None,
            exceptions: None,
            priority: None,
            capture: None,
            capture_duration: None,
            enabled: None,
            warn_evttypes: None,
            skip_if_unknown_filter: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.condition.is_none()
            && self.output.is_none()
            && self.description.is_none()
            && self.tags.is_none()
            && self.exceptions.is_none()
            && self.priority.is_none()
            && self.capture.is_none()
            && self.capture_duration.is_none()
            && self.enabled.is_none()
            && self.warn_evttypes.is_none()
            && self.skip_if_unknown_filter.is_none()
    }
}

/// When something was defined, counted in items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    /// Its first definition.
    pub(super) first: usize,
    /// Its last definition or change: it sees what was first defined before.
    pub(super) last: usize,
}

/// A plugin and its alternatives; one of them is required.
pub(super) type PluginRequirement = Vec<PluginVersion>;

/// A plugin in a version.
#[derive(Clone, Debug)]
pub(super) struct PluginVersion {
    pub(super) name: String,
    pub(super) version: String,
}

/// Things with names, in the order in which the names first came.
#[derive(Clone, Debug)]
pub(super) struct Named<T> {
    items: Vec<T>,
    index: HashMap<String, usize>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named { items: Vec::new(), index: HashMap::new() }
    }
}

impl<T> Named<T> {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.items.get(self.position(name)?)
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let i = self.position(name)?;
        self.items.get_mut(i)
    }

    fn set(&mut self, name: &str, item: T) {
        match self.get_mut(name) {
            Some(old) => *old = item,
            None => {
                self.index.insert(name.into(), self.items.len());
                self.items.push(item);
            }
        }
    }
}

/// Names of definitions that are left out because they are wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Broken {
    /// Conditions name lists and macros in the same way.
    pub(super) words: HashSet<String>,
    pub(super) rules: HashSet<String>,
}

impl Broken {
    /// Whether a condition names something broken, so that its errors may only be consequences.
    pub(super) fn is_named_in(&self, condition: &str) -> bool {
        !self.words.is_empty() && words(condition).any(|word| self.words.contains(word))
    }
}

/// All definitions.
#[derive(Clone, Debug, Default)]
pub(super) struct Definitions {
    pub(super) lists: Named<List>,
    pub(super) macros: Named<Macro>,
    pub(super) rules: Named<Rule>,
    /// The highest that a file asks for.
    pub(super) engine_version: Version,
    pub(super) plugins: Vec<PluginRequirement>,
    /// What was left out because it is wrong, see [`super::Loader::report_all_errors`].
    pub(super) broken: Broken,
    /// How many items were defined or changed so far.
    items: usize,
}

const NO_LIST: &str =
    "List uses 'append' or 'override.items: append' but no list by that name already exists";
const NO_MACRO: &str =
    "Macro uses 'append' or 'override.condition: append' but no macro by that name already exists";
const NO_RULE_TO_APPEND: &str =
    "Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists";
const NO_RULE_TO_REPLACE: &str =
    "An 'override.<key>: replace' to a rule was requested but no rule by that name already exists";

impl Definitions {
    fn next_item(&mut self) -> usize {
        self.items += 1;
        self.items - 1
    }

    /// The order of an item that is defined now, possibly again.
    fn define(&mut self, before: Option<Order>) -> Order {
        let now = self.next_item();
        Order { first: before.map_or(now, |o| o.first), last: now }
    }

    pub(super) fn require_engine(
        &mut self,
        version: Version,
        context: &Context,
    ) -> Result<(), LoadError> {
        let ours = Version::parse(ENGINE_VERSION).unwrap_or_default();
        if !ours.satisfies(version) {
            return Err(LoadError::definition(
                format!("Rules require engine version {version}, but engine version is {ours}"),
                context,
            ));
        }
        self.engine_version = self.engine_version.max(version);
        Ok(())
    }

    pub(super) fn require_plugin(
        &mut self,
        requirement: PluginRequirement,
        context: &Context,
    ) -> Result<(), LoadError> {
        let mut names = BTreeSet::new();
        for PluginVersion { name, version } in &requirement {
            if Version::parse(version).is_none() {
                return Err(LoadError::definition(
                    format!("Invalid required version '{version}' for plugin '{name}'"),
                    context,
                ));
            }
            if !names.insert(name) {
                return Err(LoadError::definition(
                    format!(
                        "Defined multiple alternative version requirements for plugin '{name}'"
                    ),
                    context,
                ));
            }
        }
        self.plugins.push(requirement);
        Ok(())
    }

    pub(super) fn define_list(&mut self, mut list: List) {
        list.order = self.define(self.lists.get(&list.name).map(|l| l.order));
        let name = list.name.clone();
        self.broken.words.remove(&name);
        self.lists.set(&name, list);
    }

    pub(super) fn append_list(&mut self, list: List) -> Result<(), LoadError> {
        let now = self.items;
        let Some(before) = self.lists.get_mut(&list.name) else {
            return Err(LoadError::definition(NO_LIST, &list.context));
        };
        before.items.extend(list.items);
        before.order.last = now;
        self.next_item();
        Ok(())
    }

    pub(super) fn define_macro(&mut self, mut definition: Macro) {
        definition.order = self.define(self.macros.get(&definition.name).map(|m| m.order));
        let name = definition.name.clone();
        self.broken.words.remove(&name);
        self.macros.set(&name, definition);
    }

    pub(super) fn append_macro(&mut self, definition: Macro) -> Result<(), LoadError> {
        let now = self.items;
        let Some(before) = self.macros.get_mut(&definition.name) else {
            return Err(LoadError::definition(NO_MACRO, &definition.context));
        };
        before.condition.append(definition.condition);
        before.order.last = now;
        self.next_item();
        Ok(())
    }

    /// The rule of this name, if there is one; it must not have another source.
    fn rule_before(
        &mut self,
        name: &str,
        source: &str,
        context: &Context,
    ) -> Result<Option<&mut Rule>, LoadError> {
        let before = self.rules.get_mut(name);
        match &before {
            Some(rule)
                if !rule.source.is_empty() && !source.is_empty() && rule.source != source =>
            {
                Err(LoadError::definition(
                    "Rule has been re-defined with a different source",
                    context,
                ))
            }
            _ => Ok(before),
        }
    }

    pub(super) fn define_rule(
        &mut self,
        mut rule: Rule,
        sources: &mut Sources<'_, '_>,
        result: &mut LoadResult,
    ) -> Result<(), LoadError> {
        self.rule_before(&rule.name, &rule.source, &rule.context)?;
        rule.unknown_source = !sources.contains(&rule.source);
        if rule.unknown_source {
            result.warn(
                WarningCode::UnknownSource,
                format!("Unknown source {}, skipping", rule.source),
                &rule.context,
            );
        }
        for exception in &mut rule.exceptions {
            if exception.fields.is_missing() {
                return Err(LoadError::definition(
                    "Rule exception item must have fields property with a list of fields",
                    &exception.context,
                ));
            }
            exception.validate(sources.catalogue(&rule.source))?;
        }
        let name = rule.name.clone();
        self.broken.rules.remove(&name);
        self.rules.set(&name, rule);
        self.next_item();
        Ok(())
    }

    /// The rule that an update changes.
    fn rule_to_update(
        &mut self,
        update: &RuleUpdate,
        no_rule: &str,
        no_value: &str,
    ) -> Result<&mut Rule, LoadError> {
        let context = &update.context;
        let rule = self
            .rule_before(&update.name, &update.source, context)?
            .ok_or_else(|| LoadError::definition(no_rule, context))?;
        if update.is_empty() {
            return Err(LoadError::definition(no_value, context));
        }
        Ok(rule)
    }

    pub(super) fn append_rule(
        &mut self,
        update: RuleUpdate,
        sources: &mut Sources<'_, '_>,
    ) -> Result<(), LoadError> {
        let rule = self.rule_to_update(
            &update,
            NO_RULE_TO_APPEND,
            "Appended rule must have exceptions or condition property",
        )?;
        if let Some(more) = update.condition {
            rule.condition.append(more);
        }
        for (text, more) in
            [(&mut rule.output, &update.output), (&mut rule.description, &update.description)]
        {
            if let Some(more) = more.as_deref().filter(|t| !t.is_empty()) {
                append_text(text, more);
            }
        }
        rule.tags.extend(update.tags.into_iter().flatten());
        for mut exception in update.exceptions.into_iter().flatten() {
            let error = |message| Err(LoadError::definition(message, &exception.context));
            match rule.exceptions.iter_mut().find(|e| e.name == exception.name) {
                None if exception.fields.is_missing() => {
                    return error("Rule exception must have fields property with a list of fields");
                }
                None if exception.values.is_empty() => {
                    return error("Rule exception must have values property with a list of values");
                }
                None => {
                    let catalogue = match rule.unknown_source {
                        true => None,
                        false => sources.catalogue(&rule.source),
                    };
                    exception.validate(catalogue)?;
                    rule.exceptions.push(exception);
                }
                Some(_) if !exception.fields.is_missing() => {
                    return error(
                        "Can not append exception fields to existing exception, only values",
                    );
                }
                Some(_) if !exception.comps.is_missing() => {
                    return error(
                        "Can not append exception comps to existing exception, only values",
                    );
                }
                Some(before) => before.values.append(&mut exception.values),
            }
        }
        self.next_item();
        Ok(())
    }

    pub(super) fn replace_in_rule(&mut self, update: RuleUpdate) -> Result<(), LoadError> {
        let rule = self.rule_to_update(
            &update,
            NO_RULE_TO_REPLACE,
            "The rule must have at least one field that can be replaced",
        )?;
        fn replace<T>(target: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *target = value;
            }
        }
        replace(&mut rule.condition, update.condition);
        replace(&mut rule.output, update.output);
        replace(&mut rule.description, update.description);
        replace(&mut rule.tags, update.tags);
        replace(&mut rule.exceptions, update.exceptions);
        replace(&mut rule.priority, update.priority);
        replace(&mut rule.capture, update.capture);
        replace(&mut rule.capture_duration, update.capture_duration);
        replace(&mut rule.enabled, update.enabled);
        replace(&mut rule.warn_evttypes, update.warn_evttypes);
        replace(&mut rule.skip_if_unknown_filter, update.skip_if_unknown_filter);
        self.next_item();
        Ok(())
    }

    pub(super) fn enable_rule(
        &mut self,
        name: &str,
        enabled: bool,
        context: &Context,
    ) -> Result<(), LoadError> {
        let Some(rule) = self.rules.get_mut(name) else {
            return Err(LoadError::definition(
                "Rule has 'enabled' key but no rule by that name already exists",
                context,
            ));
        };
        rule.enabled = enabled;
        Ok(())
    }
}

/// Appended outputs and descriptions follow after a blank; nothing else is put between.
fn append_text(text: &mut String, more: &str) {
    text.push(' ');
    text.push_str(more);
}
