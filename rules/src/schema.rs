//! The JSON schema of rule files, and checking YAML against a schema.
//!
//! Scalars in YAML have no types, so a schema's types are checked weakly: a boolean is `true` or
//! `false`, an integer is decimal digits, a string is any scalar. Findings have the words of the
//! library that Falco uses (valijson), most specific first.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::yaml::Node;

/// What a value may be: as much of JSON schema as Falco's schemas use.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Schema {
    /// Anything.
    Any,
    /// A scalar.
    String,
    /// `true` or `false`.
    Boolean,
    /// Decimal digits with an optional sign.
    Integer,
    /// One of these scalars.
    Enum(&'static [&'static str]),
    /// What at least one of these allows.
    AnyOf(Vec<Schema>),
    /// A sequence whose elements are all like this.
    Array(Box<Schema>),
    /// A map with no other keys than these.
    Object {
        /// Keys and their values, sorted by key.
        properties: Vec<(&'static str, Schema)>,
        /// Keys that must be there.
        required: &'static [&'static str],
        /// How many keys there must be at least.
        min_properties: usize,
    },
    /// Another schema, which `$ref` refers to by this name.
    Named(&'static str, Box<Schema>),
}

const WRONG_TYPE: &str = "Value type not permitted by 'type' constraint.";

impl Schema {
    fn object(
        required: &'static [&'static str],
        properties: impl IntoIterator<Item = (&'static str, Schema)>,
    ) -> Self {
        let mut properties: Vec<_> = properties.into_iter().collect();
        properties.sort_unstable_by_key(|(key, _)| *key);
        Schema::Object { properties, required, min_properties: 0 }
    }

    fn array(items: Schema) -> Self {
        Schema::Array(Box::new(items))
    }

    fn named(self, name: &'static str) -> Self {
        Schema::Named(name, Box::new(self))
    }

    /// What is wrong with a document; nothing if it is valid.
    pub fn validate(&self, root: Node<'_>) -> Vec<String> {
        let mut findings = Vec::new();
        self.check(root, "<root>", &mut findings);
        findings
    }

    /// Whether the node is valid; adds what is wrong with it.
    fn check(&self, node: Node<'_>, path: &str, findings: &mut Vec<String>) -> bool {
        let before = findings.len();
        let mut finding = |message: &str| findings.push(format!("failed for {path}: {message}"));
        match self {
            Schema::Any => {}
            Schema::Named(_, schema) => return schema.check(node, path, findings),
            Schema::String if is_scalar(node) => {}
            Schema::Boolean if matches!(node.scalar(), Some("true" | "false")) => {}
            Schema::Integer if node.scalar().is_some_and(is_integer) => {}
            Schema::String | Schema::Boolean | Schema::Integer => finding(WRONG_TYPE),
            Schema::Enum(values) => {
                if !node.scalar().is_some_and(|text| values.contains(&text)) {
                    finding("Failed to match against any enum values.");
                }
                if !is_scalar(node) {
                    finding(WRONG_TYPE);
                }
            }
            Schema::AnyOf(schemas) => {
                let mut inner = Vec::new();
                if !schemas.iter().any(|schema| schema.check(node, path, &mut inner)) {
                    findings.append(&mut inner);
                    findings.push(format!(
                        "failed for {path}: Failed to validate against any schemas allowed by \
                         anyOf constraint."
                    ));
                }
            }
            Schema::Array(items) => match node.sequence() {
                Some(elements) => {
                    for (i, element) in elements.enumerate() {
                        if !items.check(element, &format!("{path}[{i}]"), findings) {
                            findings.push(format!(
                                "failed for {path}: Failed to validate item #{i} in array."
                            ));
                        }
                    }
                }
                None if node.map().is_some_and(|pairs| pairs.len() == 0) => {}
                None => finding(WRONG_TYPE),
            },
            Schema::Object { properties, required, min_properties } => {
                check_object(node, properties, required, *min_properties, path, findings);
            }
        }
        findings.len() == before
    }

    /// As a schema document; definitions that [`Schema::Named`] refers to go into `definitions`.
    fn to_json(&self, definitions: &mut Map<String, Value>) -> Value {
        match self {
            Schema::Any => json!({}),
            Schema::String => json!({ "type": "string" }),
            Schema::Boolean => json!({ "type": "boolean" }),
            Schema::Integer => json!({ "type": "integer" }),
            Schema::Enum(values) => json!({ "type": "string", "enum": values }),
            Schema::AnyOf(schemas) => {
                let schemas: Vec<Value> = schemas.iter().map(|s| s.to_json(definitions)).collect();
                json!({ "anyOf": schemas })
            }
            Schema::Array(items) => {
                json!({ "type": "array", "items": items.to_json(definitions) })
            }
            Schema::Object { properties, required, min_properties } => {
                let properties: Map<String, Value> = properties
                    .iter()
                    .map(|(key, schema)| ((*key).to_owned(), schema.to_json(definitions)))
                    .collect();
                let mut out = json!({
                    "type": "object",
                    "additionalProperties": false,
                    "properties": properties,
                });
                if *min_properties > 0 {
                    out["minProperties"] = json!(min_properties);
                } else {
                    out["required"] = json!(required);
                }
                out
            }
            Schema::Named(name, schema) => {
                let mut definition = schema.to_json(definitions);
                definition["title"] = json!(name);
                definitions.insert((*name).to_owned(), definition);
                json!({ "$ref": format!("#/definitions/{name}") })
            }
        }
    }
}

fn check_object(
    node: Node<'_>,
    properties: &[(&'static str, Schema)],
    required: &[&str],
    min_properties: usize,
    path: &str,
    findings: &mut Vec<String>,
) {
    let empty_sequence = node.sequence().is_some_and(|items| items.len() == 0);
    let Some(pairs) = node.map() else {
        if !empty_sequence {
            findings.push(format!("failed for {path}: {WRONG_TYPE}"));
        }
        return;
    };
    let mut finding = |message: String| findings.push(format!("failed for {path}: {message}"));
    if pairs.len() < min_properties {
        finding(format!("Object should have no fewer than {min_properties} properties."));
    }
    for (key, schema) in properties {
        let Some(value) = node.get(key) else { continue };
        if !schema.check(value, &format!("{path}[{key}]"), findings) {
            findings.push(format!(
                "failed for {path}: Failed to validate against schema associated with property \
                 name '{key}'."
            ));
        }
    }
    let known = |key: &str| properties.binary_search_by_key(&key, |(k, _)| *k).is_ok();
    if let Some((key, _)) = pairs.into_iter().find(|(key, _)| !key.scalar().is_some_and(known)) {
        let key = key.scalar().unwrap_or("null");
        findings.push(format!(
            "failed for {path}: Object contains a property that could not be validated using \
             'properties' or 'additionalProperties' constraints: '{key}'."
        ));
    }
    for key in required.iter().filter(|key| node.get(key).is_none()) {
        findings.push(format!("failed for {path}: Missing required property '{key}'."));
    }
}

/// Empty collections pass for empty strings.
fn is_scalar(node: Node<'_>) -> bool {
    node.scalar().is_some()
        || node.sequence().is_some_and(|items| items.len() == 0)
        || node.map().is_some_and(|pairs| pairs.len() == 0)
}

fn is_integer(text: &str) -> bool {
    let text = text.trim_ascii_start();
    text.strip_prefix('+').unwrap_or(text).parse::<i64>().is_ok()
}

/// The schema of rule files.
pub fn rules_file() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        use Schema::{Any, Boolean, Integer, String};
        let exception = Schema::object(
            &["name"],
            [("name", String), ("fields", Any), ("comps", Any), ("values", Any)],
        );
        let plugin = || [("name", String), ("version", String)];
        let alternative = Schema::object(&["name", "version"], plugin()).named("Alternative");
        let plugins = plugin().into_iter().chain([("alternatives", Schema::array(alternative))]);
        let overrides = Schema::Object {
            properties: [
                "capture",
                "capture_duration",
                "condition",
                "desc",
                "enabled",
                "exceptions",
                "items",
                "output",
                "priority",
                "skip-if-unknown-filter",
                "tags",
                "warn_evttypes",
            ]
            .map(|key| (key, Schema::Enum(&["append", "replace"]).named("OverriddenItem")))
            .into(),
            required: &[],
            min_properties: 1,
        };
        let priority = Schema::Enum(&[
            "EMERGENCY",
            "ALERT",
            "CRITICAL",
            "ERROR",
            "WARNING",
            "NOTICE",
            "INFO",
            "INFORMATIONAL",
            "DEBUG",
        ]);
        let item = Schema::AnyOf(vec![Integer, String]);
        let rule = Schema::object(
            &[],
            [
                ("append", Boolean),
                ("capture", Boolean),
                ("capture_duration", Integer),
                ("condition", String),
                ("desc", String),
                ("enabled", Boolean),
                ("exceptions", Schema::array(exception.named("Exception"))),
                ("items", Schema::array(item.named("Item"))),
                ("list", String),
                ("macro", String),
                ("output", String),
                ("override", overrides.named("Override")),
                ("priority", priority.named("Priority")),
                ("required_engine_version", String),
                (
                    "required_plugin_versions",
                    Schema::array(
                        Schema::object(&["name", "version"], plugins)
                            .named("RequiredPluginVersion"),
                    ),
                ),
                ("rule", String),
                ("skip-if-unknown-filter", Boolean),
                ("source", String),
                ("tags", Schema::array(String)),
                ("warn_evttypes", Boolean),
            ],
        );
        Schema::array(rule.named("FalcoRule"))
    });
    &SCHEMA
}

/// The schema of rule files as `--rule-schema` prints it.
pub fn rules_file_json() -> Value {
    let mut definitions = Map::new();
    let mut out = rules_file().to_json(&mut definitions);
    out["$schema"] = json!("http://json-schema.org/draft-06/schema#");
    out["definitions"] = Value::Object(definitions);
    out
}
