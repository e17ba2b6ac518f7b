//! Exceptions of rules: their shape, and the text that they add to the condition.

use std::collections::BTreeSet;

use super::context::Context;
use super::definitions::Rule;
use super::lists::quote;
use super::result::LoadError;
use super::trace::SourceText;
use crate::ast::NodeKind;
use crate::catalogue::Catalogue;
use crate::check::check;
use crate::parser;

/// Part of an exception: fields, comparisons and values are each one text or nested lists of texts.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Text(String),
    List(Vec<Entry>),
}

impl Entry {
    /// Whether nothing was given.
    pub(super) fn is_missing(&self) -> bool {
        match self {
            Entry::Text(text) => text.is_empty(),
            Entry::List(items) => items.is_empty(),
        }
    }

    /// The text; a list has none.
    pub(super) fn text(&self) -> &str {
        match self {
            Entry::Text(text) => text,
            Entry::List(_) => "",
        }
    }
}

impl Default for Entry {
    fn default() -> Self {
        Entry::Text(String::new())
    }
}

/// An exception of a rule.
#[derive(Clone, Debug)]
pub(super) struct Exception {
    pub(super) context: Context,
    pub(super) name: String,
    pub(super) fields: Entry,
    pub(super) comps: Entry,
    pub(super) values: Vec<ExceptionValue>,
}

/// One value of an exception.
#[derive(Clone, Debug)]
pub(super) struct ExceptionValue {
    pub(super) context: Context,
    pub(super) entry: Entry,
}

impl Exception {
    /// Completes the comparisons and checks them and the fields; the latter only if the rule's
    /// source is known.
    pub(super) fn validate(
        &mut self,
        mut catalogue: Option<&mut (dyn Catalogue + '_)>,
    ) -> Result<(), LoadError> {
        let error = |message: String| Err(LoadError::definition(message, &self.context));
        let mut check_field = |field: &str| {
            let valid = catalogue.as_deref_mut().is_none_or(|c| is_left_side(field, c));
            if valid { Ok(()) } else { error(format!("'{field}' is not a supported filter field")) }
        };
        match &self.fields {
            Entry::List(fields) => {
                if self.comps.is_missing() {
                    self.comps = Entry::List(vec![Entry::Text("=".into()); fields.len()]);
                }
                let Entry::List(comps) = &mut self.comps else {
                    return error("Fields and comps lists must have equal length".into());
                };
                if comps.len() != fields.len() {
                    return error("Fields and comps lists must have equal length".into());
                }
                for comp in comps {
                    let op = trim(comp.text()).to_owned();
                    if !parser::operators().any(|o| o == op) && !parser::is_modified_operator(&op) {
                        return error(format!("'{op}' is not a supported comparison operator"));
                    }
                    *comp = Entry::Text(op);
                }
                fields.iter().try_for_each(|field| check_field(field.text()))
            }
            Entry::Text(field) => {
                if self.comps.is_missing() {
                    self.comps = Entry::Text("in".into());
                }
                let Entry::Text(comp) = &mut self.comps else {
                    return error("Fields and comps must both be strings".into());
                };
                *comp = trim(comp).to_owned();
                if !matches!(comp.as_str(), "in" | "pmatch" | "intersects")
                    && !parser::is_modified_operator(comp)
                {
                    return error(
                        "When fields is a single value, comps must be one of \
                         (in, pmatch, intersects) or a modifier operator (e.g. startswith oneof)"
                            .into(),
                    );
                }
                check_field(field)
            }
        }
    }

    /// Every comparison operator that it uses.
    pub(super) fn operators(&self) -> Vec<&str> {
        match &self.comps {
            Entry::Text(op) => vec![op],
            Entry::List(comps) => comps.iter().map(Entry::text).collect(),
        }
    }

    /// Adds ` and not …` to a condition, if it has values.
    fn add_to(&self, condition: &mut SourceText) -> Result<(), LoadError> {
        let tuples = matches!((&self.fields, &self.comps), (Entry::List(_), Entry::List(_)));
        let (joined, closed) = if tuples { (" or ", ")") } else { (", ", "))") };
        let values = self.values.iter().map(|value| self.value(value));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        if values.is_empty() {
            return Ok(());
        }
        condition.push(" and not (", &self.context);
        if !tuples {
            let comparison = format!("{} {} (", self.fields.text(), self.comps.text());
            condition.push(&comparison, &self.context);
        }
        for (i, (text, value)) in values.iter().zip(&self.values).enumerate() {
            if i > 0 {
                condition.push(joined, &value.context);
            }
            condition.push(text, &value.context);
        }
        condition.push(closed, &self.context);
        Ok(())
    }

    /// The text of one value: a tuple's comparisons, or an item.
    fn value(&self, ExceptionValue { entry, .. }: &ExceptionValue) -> Result<String, LoadError> {
        match (&self.fields, &self.comps, entry) {
            (Entry::List(fields), Entry::List(comps), Entry::List(values))
                if values.len() == fields.len() =>
            {
                Ok(tuple_condition(fields, comps, values))
            }
            (Entry::List(_), Entry::List(_), _) => {
                Err(self.error("Fields and values lists must have equal length"))
            }
            (_, _, Entry::Text(value)) => Ok(quote(value).into_owned()),
            (_, _, Entry::List(_)) => {
                Err(self.error("Expected values array to contain a list of strings"))
            }
        }
    }

    fn error(&self, message: &str) -> LoadError {
        LoadError::definition(message, &self.context)
    }
}

/// The condition of a rule with exceptions, as text: lists and macros in it are resolved later. Put
/// together as Falco does it, missing quotes included, because rule authors rely on it.
pub(super) fn apply(rule: &Rule) -> Result<SourceText, LoadError> {
    let mut out = rule.condition.clone();
    if rule.exceptions.is_empty() {
        return Ok(out);
    }
    out.prepend("(");
    out.push(")", &rule.condition_context);
    rule.exceptions.iter().try_for_each(|exception| exception.add_to(&mut out))?;
    Ok(out)
}

/// The fields that exceptions with values compare.
pub(super) fn fields(exceptions: &[Exception]) -> BTreeSet<String> {
    let compared = exceptions.iter().filter(|e| !e.values.is_empty());
    compared
        .flat_map(|exception| match &exception.fields {
            Entry::List(fields) => fields.iter().collect::<Vec<_>>(),
            field => vec![field],
        })
        .map(|field| field.text().to_owned())
        .collect()
}

/// `( f1 op1 v1 and  f2 op2 v2)`.
fn tuple_condition(fields: &[Entry], comps: &[Entry], values: &[Entry]) -> String {
    let comparisons: Vec<String> = fields
        .iter()
        .zip(comps)
        .zip(values)
        .map(|((field, comp), value)| {
            let op = comp.text();
            let value = match value {
                Entry::List(items) => {
                    let items: Vec<_> = items.iter().map(|item| quote(item.text())).collect();
                    format!("({})", items.join(", "))
                }
                Entry::Text(value) if !takes_list(op) => quote(value).into_owned(),
                Entry::Text(value) if value.starts_with('(') => value.clone(),
                Entry::Text(value) => format!("({value})"),
            };
            format!(" {} {op} {value}", field.text())
        })
        .collect();
    format!("({})", comparisons.join(" and "))
}

fn takes_list(op: &str) -> bool {
    parser::list_operators().contains(&op) || parser::is_modified_operator(op)
}

fn trim(op: &str) -> &str {
    op.trim_matches([' ', '\t', '\r', '\n'])
}

/// Whether `text` may stand left of an operator.
fn is_left_side(text: &str, catalogue: &mut dyn Catalogue) -> bool {
    let Ok(node) = parser::parse_with_depth(&format!("{text} exists"), parser::FILTER_DEPTH) else {
        return false;
    };
    match &node.kind {
        NodeKind::Unary { left, .. } => match &left.kind {
            NodeKind::Field { name, arg } => catalogue.resolve(name, arg.as_deref()).is_ok(),
            _ => check(&node, catalogue).is_ok(),
        },
        _ => false,
    }
}
