//! Items of a rules file → [`Definitions`].

use super::context::{Context, ItemType};
use super::decode::{self, Overrides};
use super::definitions::{Definitions, List, Macro, Order, PluginVersion, Rule, RuleUpdate};
use super::result::{LoadError, LoadResult, WarningCode};
use super::trace::SourceText;
use super::version::Version;
use super::{SYSCALL_SOURCE, Sources};
use crate::parser;
use crate::priority::Priority;
use crate::yaml::Node;

const APPEND_DEPRECATED: &str = "'append' key is deprecated. Add an 'append' entry (e.g. \
                                 'condition: append') under 'override' instead.";
const ENABLED_DEPRECATED: &str = "The standalone 'enabled' key usage is deprecated. The correct \
                                  approach requires also a 'replace' entry under the 'override' \
                                  key (i.e. 'enabled: replace').";
const APPEND_WITH_OVERRIDE: &str = "Keys 'override' and 'append: true' cannot be used together. \
                                    Add an 'append' entry (e.g. 'condition: append') under \
                                    'override' instead.";

const RULE_KEYS: &[&str] = &[
    "rule",
    "condition",
    "output",
    "desc",
    "priority",
    "source",
    "enabled",
    "capture",
    "capture_duration",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "tags",
    "exceptions",
    "override",
    "append",
];
/// Every key of every kind of item, for hints.
pub(super) const KEYS: &[&str] = &[
    "rule",
    "macro",
    "list",
    "condition",
    "items",
    "output",
    "desc",
    "priority",
    "source",
    "enabled",
    "capture",
    "capture_duration",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "tags",
    "exceptions",
    "override",
    "append",
    "required_engine_version",
    "required_plugin_versions",
];
const RULE_APPEND: &[&str] = &["condition", "output", "desc", "tags", "exceptions"];
const RULE_REPLACE: &[&str] = &[
    "condition",
    "output",
    "desc",
    "priority",
    "capture",
    "capture_duration",
    "tags",
    "exceptions",
    "enabled",
    "warn_evttypes",
    "skip-if-unknown-filter",
];

type Read<T = ()> = Result<T, LoadError>;

/// Reads one file's items into definitions.
pub(super) struct Reader<'r, 's, 'c> {
    pub(super) definitions: &'r mut Definitions,
    pub(super) sources: &'r mut Sources<'s, 'c>,
    pub(super) result: &'r mut LoadResult,
    /// Whether to go on behind an item that is wrong.
    pub(super) all_errors: bool,
}

impl Reader<'_, '_, '_> {
    /// Reads a document.
    pub(super) fn document(&mut self, root: Node<'_>, file: &Context) -> Read {
        if root.is_null() {
            return Ok(());
        }
        let Some(items) = root.sequence() else {
            let message = match root.map() {
                Some(_) => "Rules content is not yaml array of objects",
                None => "Rules content is not yaml",
            };
            return Err(LoadError::structure(message, file));
        };
        items.filter(|item| !item.is_null()).try_for_each(|item| match self.item(item, file) {
            Err(error) if self.all_errors => {
                self.leave_out(item, error);
                Ok(())
            }
            other => other,
        })
    }

    /// Reports an item's error, unless it changes something that is broken already, and remembers
    /// that what the item defines is broken.
    fn leave_out(&mut self, item: Node<'_>, error: LoadError) {
        let named = |key| item.get(key).and_then(|name| name.scalar()).map(str::to_owned);
        let broken = &mut self.definitions.broken;
        let new = match (named("list").or_else(|| named("macro")), named("rule")) {
            (Some(name), _) => broken.words.insert(name),
            (None, Some(name)) => broken.rules.insert(name),
            (None, None) => true,
        };
        if new || !error.is_about_missing_definition() {
            self.result.fail(error);
        }
    }

    fn item(&mut self, item: Node<'_>, file: &Context) -> Read {
        if item.map().is_none() {
            return Err(LoadError::structure(
                "Unexpected element type. Each element should be a yaml associative array.",
                &file.at(item, ItemType::RulesContentItem, ""),
            ));
        }
        if item.get("required_engine_version").is_some() {
            self.required_engine_version(item, file)
        } else if let Some(plugins) = item.get("required_plugin_versions") {
            self.required_plugin_versions(item, plugins, file)
        } else if item.get("list").is_some() {
            self.list(item, file)
        } else if item.get("macro").is_some() {
            self.define_macro(item, file)
        } else if item.get("rule").is_some() {
            self.rule(item, file)
        } else {
            let context = file.at(item, ItemType::RulesContentItem, "");
            self.result.warn(WarningCode::UnknownItem, "Unknown top level item", &context);
            Ok(())
        }
    }

    fn required_engine_version(&mut self, item: Node<'_>, file: &Context) -> Read {
        const KEY: &str = "required_engine_version";
        let context = file.at(item, ItemType::RequiredEngineVersion, "");
        let version = match decode::required::<u32>(item, KEY, &context) {
            Ok(number) => Version::of_number(number),
            Err(_) => {
                let text: String = decode::required(item, KEY, &context)?;
                Version::parse(&text).ok_or_else(|| {
                    LoadError::structure(
                        format!(
                            "Unable to parse engine version '{text}' as a semver string. \
                             Expected \"x.y.z\" semver format."
                        ),
                        &context,
                    )
                })?
            }
        };
        self.definitions.require_engine(version, &context)?;
        decode::warn_unknown_keys(item, &[KEY], &context, self.result)
    }

    fn required_plugin_versions(
        &mut self,
        item: Node<'_>,
        plugins: Node<'_>,
        file: &Context,
    ) -> Read {
        let list_context = file.at(plugins, ItemType::RequiredPluginVersions, "");
        let Some(plugins) = plugins.sequence() else {
            return Err(LoadError::structure(
                "Value of required_plugin_versions must be a sequence",
                &list_context,
            ));
        };
        for plugin in plugins {
            let (first, context) = plugin_version(
                plugin,
                &list_context,
                ItemType::RequiredPluginVersionsEntry,
                "Plugin version must be a mapping",
            )?;
            let mut requirement = vec![first];
            if let Some(alternatives) = plugin.get("alternatives") {
                let Some(alternatives) = alternatives.sequence() else {
                    return Err(LoadError::structure(
                        "Value of plugin version alternatives must be a sequence",
                        &context,
                    ));
                };
                for alternative in alternatives {
                    let (alternative, _) = plugin_version(
                        alternative,
                        &context,
                        ItemType::RequiredPluginVersionsAlternative,
                        "Plugin version alternative must be a mapping",
                    )?;
                    requirement.push(alternative);
                }
            }
            self.definitions.require_plugin(requirement, &context)?;
        }
        let context = file.at(item, ItemType::RequiredPluginVersions, "");
        decode::warn_unknown_keys(item, &["required_plugin_versions"], &context, self.result)
    }

    /// The deprecated `append` flag.
    fn append_flag(&mut self, item: Node<'_>, context: &Context) -> Read<bool> {
        let append = decode::optional(item, "append", context)?.unwrap_or(false);
        if append {
            self.result.warn(WarningCode::DeprecatedItem, APPEND_DEPRECATED, context);
        }
        Ok(append)
    }

    fn overrides(
        &mut self,
        item: Node<'_>,
        append_flag: bool,
        can_append: &[&str],
        can_replace: &[&str],
        context: &Context,
    ) -> Read<Overrides> {
        let overrides = decode::overrides(item, can_append, can_replace, context)?;
        if append_flag && !overrides.is_empty() {
            return Err(LoadError::structure(APPEND_WITH_OVERRIDE, context));
        }
        Ok(overrides)
    }

    fn list(&mut self, item: Node<'_>, file: &Context) -> Read {
        let unnamed = file.at(item, ItemType::List, "");
        let name: String = decode::required(item, "list", &unnamed)?;
        let context = file.at(item, ItemType::List, &name);
        if !parser::is_bare_string(&name) {
            self.result.warn(
                WarningCode::InvalidListName,
                "List has an invalid name. List names should match a regular expression: \
                 ([^()\"'[:space:]=,]+)",
                &context,
            );
        }
        let items = decode::items(item, &context)?;
        let append = self.append_flag(item, &context)?;
        let overrides = self.overrides(item, append, &["items"], &["items"], &context)?;
        let order = Order::default();
        let list = List { context: context.clone(), order, name, items };
        if append || overrides.append.contains("items") {
            self.definitions.append_list(list)?;
        } else {
            self.definitions.define_list(list);
        }
        let known = &["list", "items", "append", "override"];
        decode::warn_unknown_keys(item, known, &context, self.result)
    }

    fn define_macro(&mut self, item: Node<'_>, file: &Context) -> Read {
        let unnamed = file.at(item, ItemType::Macro, "");
        let name: String = decode::required(item, "macro", &unnamed)?;
        let context = file.at(item, ItemType::Macro, &name);
        if !parser::is_identifier(&name) {
            self.result.warn(
                WarningCode::InvalidMacroName,
                "Macro has an invalid name. Macro names should match a regular expression: \
                 ([a-zA-Z]+[a-zA-Z0-9_]*)",
                &context,
            );
        }
        let condition = decode::required(item, "condition", &context)?;
        let condition_context = at_key(item, "condition", ItemType::MacroCondition, "", &context);
        let condition = SourceText::scalar(condition, &condition_context);
        let append = self.append_flag(item, &context)?;
        let overrides = self.overrides(item, append, &["condition"], &["condition"], &context)?;
        let definition = Macro {
            context: context.clone(),
            condition_context,
            order: Order::default(),
            name,
            condition,
        };
        if append || overrides.append.contains("condition") {
            self.definitions.append_macro(definition)?;
        } else {
            self.definitions.define_macro(definition);
        }
        let known = &["macro", "condition", "append", "override"];
        decode::warn_unknown_keys(item, known, &context, self.result)
    }

    fn rule(&mut self, item: Node<'_>, file: &Context) -> Read {
        let unnamed = file.at(item, ItemType::Rule, "");
        let name: String = decode::required(item, "rule", &unnamed)?;
        let context = file.at(item, ItemType::Rule, &name);
        let source: Option<String> = decode::optional_or_empty(item, "source", &context)?;
        let source = source.unwrap_or_default();
        let append = self.append_flag(item, &context)?;
        let overrides = self.overrides(item, append, RULE_APPEND, RULE_REPLACE, &context)?;
        if !overrides.is_empty() {
            self.override_rule(item, &name, &source, &overrides, &context)?;
        } else if append {
            let mut update = RuleUpdate::new(&context, &name);
            update.source = source;
            update.condition = decode::optional(item, "condition", &context)?
                .map(|text| rule_condition(item, text, &context));
            if item.get("exceptions").is_some() {
                update.exceptions = Some(decode::exceptions(item, true, &context, self.result)?);
            }
            self.definitions.append_rule(update, self.sources)?;
        } else if ["condition", "output", "desc", "priority"].iter().all(|k| item.get(k).is_none())
        {
            // Nothing but its name: this switches a rule that exists.
            let enabled = decode::required(item, "enabled", &context)?;
            self.result.warn(WarningCode::DeprecatedItem, ENABLED_DEPRECATED, &context);
            self.definitions.enable_rule(&name, enabled, &context)?;
        } else {
            let rule = self.new_rule(item, name, &context)?;
            self.definitions.define_rule(rule, self.sources, self.result)?;
        }
        decode::warn_unknown_keys(item, RULE_KEYS, &context, self.result)
    }

    fn new_rule(&mut self, item: Node<'_>, name: String, context: &Context) -> Read<Rule> {
        let condition = decode::required(item, "condition", context)?;
        let output: String = decode::required(item, "output", context)?;
        let description = decode::required(item, "desc", context)?;
        let priority = priority(item, context)?;
        let or = |value: Option<bool>, default| value.unwrap_or(default);
        let source: Option<String> = decode::optional(item, "source", context)?;
        let enabled = decode::optional(item, "enabled", context)?;
        let capture = decode::optional(item, "capture", context)?;
        let capture_duration: Option<u32> = decode::optional(item, "capture_duration", context)?;
        let warn_evttypes = decode::optional(item, "warn_evttypes", context)?;
        let skip = decode::optional(item, "skip-if-unknown-filter", context)?;
        let tags = decode::tags(item, context)?;
        let exceptions = decode::exceptions(item, false, context, self.result)?;
        Ok(Rule {
            context: context.clone(),
            condition_context: at_key(item, "condition", ItemType::RuleCondition, "", context),
            output_context: at_key(item, "output", ItemType::RuleOutput, "", context),
            name,
            condition: rule_condition(item, condition, context),
            output: output.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']).into(),
            description,
            source: source.unwrap_or_else(|| SYSCALL_SOURCE.into()),
            unknown_source: false,
            priority,
            tags,
            exceptions,
            capture: or(capture, false),
            capture_duration: capture_duration.unwrap_or(0),
            enabled: or(enabled, true),
            warn_evttypes: or(warn_evttypes, true),
            skip_if_unknown_filter: or(skip, false),
        })
    }

    /// The keys that can be appended to as well as replaced, of which `take` says whether they are.
    fn either_way(
        &mut self,
        item: Node<'_>,
        name: &str,
        source: &str,
        appended: bool,
        context: &Context,
        take: &mut dyn FnMut(&str) -> Read<bool>,
    ) -> Read<RuleUpdate> {
        let mut update = RuleUpdate::new(context, name);
        if take("condition")? {
            update.source = source.into();
            let text = decode::required(item, "condition", context)?;
            update.condition = Some(rule_condition(item, text, context));
        }
        if take("exceptions")? {
            update.exceptions = Some(decode::exceptions(item, appended, context, self.result)?);
        }
        if take("output")? {
            update.output = Some(decode::required(item, "output", context)?);
        }
        if take("desc")? {
            update.description = Some(decode::required(item, "desc", context)?);
        }
        if take("tags")? {
            update.tags = Some(decode::tags(item, context)?);
        }
        Ok(update)
    }

    /// A rule with `override`: first what is appended, then what is replaced.
    fn override_rule(
        &mut self,
        item: Node<'_>,
        name: &str,
        source: &str,
        overrides: &Overrides,
        context: &Context,
    ) -> Read {
        let mut expected: Vec<&str> = RULE_REPLACE.to_vec();
        expected.sort_unstable();
        expected.retain(|key| item.get(key).is_some());
        if !overrides.append.is_empty() {
            let mut take =
                |key: &str| take(&mut expected, &overrides.append, "append", key, context);
            let update = self.either_way(item, name, source, true, context, &mut take)?;
            self.definitions.append_rule(update, self.sources)?;
        }
        if !overrides.replace.is_empty() {
            let mut take =
                |key: &str| take(&mut expected, &overrides.replace, "replace", key, context);
            let mut update = self.either_way(item, name, source, false, context, &mut take)?;
            if take("priority")? {
                update.priority = Some(priority(item, context)?);
            }
            if take("capture")? {
                update.capture = Some(decode::required(item, "capture", context)?);
            }
            if take("capture_duration")? {
                update.capture_duration =
                    Some(decode::required(item, "capture_duration", context)?);
            }
            if take("enabled")? {
                update.enabled = Some(decode::required(item, "enabled", context)?);
            }
            if take("warn_evttypes")? {
                update.warn_evttypes = Some(decode::required(item, "warn_evttypes", context)?);
            }
            if take("skip-if-unknown-filter")? {
                update.skip_if_unknown_filter =
                    Some(decode::required(item, "skip-if-unknown-filter", context)?);
            }
            self.definitions.replace_in_rule(update)?;
        }
        match expected.first() {
            None => Ok(()),
            Some(key) => Err(LoadError::structure(
                format!(
                    "Unexpected key '{key}': no corresponding entry under 'override' is defined."
                ),
                &at_key(item, key, ItemType::Overrides, key, context),
            )),
        }
    }
}

/// Whether `key` is overridden; then it must be among the keys that the item has, and is taken
/// from them.
fn take(
    expected: &mut Vec<&str>,
    overridden: &std::collections::BTreeSet<String>,
    how: &str,
    key: &str,
    context: &Context,
) -> Read<bool> {
    if !overridden.contains(key) {
        return Ok(false);
    }
    let Some(i) = expected.iter().position(|e| *e == key) else {
        return Err(LoadError::structure(
            format!("An {how} override for '{key}' was specified but '{key}' is not defined"),
            context,
        ));
    };
    expected.remove(i);
    Ok(true)
}

fn at_key(
    item: Node<'_>,
    key: &str,
    item_type: ItemType,
    item_name: &str,
    context: &Context,
) -> Context {
    match item.get(key) {
        Some(value) => context.at(value, item_type, item_name),
        None => context.clone(),
    }
}

/// The condition of a rule with its place.
fn rule_condition(item: Node<'_>, text: String, context: &Context) -> SourceText {
    let place = at_key(item, "condition", ItemType::RuleCondition, "", context);
    SourceText::scalar(text, &place)
}

fn priority(item: Node<'_>, context: &Context) -> Read<Priority> {
    let name: String = decode::required(item, "priority", context)?;
    Priority::parse(&name).ok_or_else(|| {
        let context = at_key(item, "priority", ItemType::RulePriority, "", context);
        LoadError::structure("Invalid priority", &context)
    })
}

/// Name and version of a plugin, and the place of the pair.
fn plugin_version(
    node: Node<'_>,
    parent: &Context,
    item_type: ItemType,
    not_a_map: &str,
) -> Read<(PluginVersion, Context)> {
    let unnamed = parent.at(node, item_type, "");
    if node.map().is_none() {
        return Err(LoadError::structure(not_a_map, &unnamed));
    }
    let name: String = decode::required(node, "name", &unnamed)?;
    let context = parent.at(node, item_type, &name);
    let version = decode::required(node, "version", &context)?;
    Ok((PluginVersion { name, version }, context))
}
