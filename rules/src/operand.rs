//! [`Operand`]: what stands on either side of a comparison, and its value on an event.

use std::borrow::Cow;

use crate::catalogue::{EventContext, Field, FieldFlags, Scope};
use crate::operators::compare::up_to_nul;
use crate::render_value;
use crate::transformers::{Transformer, Type, getopt, raw_bytes};
use crate::value::{Print, Value, ValueType};

/// A field, a constant, or something made of them by transformers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A field.
    Field(Field),
    /// A constant inside a transformer.
    Text(Box<[u8]>),
    /// `(a, b, …)` inside a transformer: the values of all, lists taken apart. No value if one has
    /// none.
    List(Vec<Operand>),
    /// `tolower(…)` and the like.
    Transformed {
        /// Which transformer.
        transformer: Transformer,
        /// Its operand.
        of: Box<Operand>,
    },
    /// `join(separator, list)`.
    Join {
        /// What stands between the elements.
        separator: Box<Operand>,
        /// The elements.
        list: Box<Operand>,
    },
    /// `concat(a, b, …)`.
    Concat(Vec<Operand>),
    /// `getopt(args, options)[selector]`.
    Getopt {
        /// A list of arguments.
        args: Box<Operand>,
        /// The option string.
        options: Box<Operand>,
        /// The one option that is asked for.
        selector: Option<u8>,
    },
}

const TEXT: Type = Type { ty: ValueType::CharBuf, list: false };
const TEXTS: Type = Type { ty: ValueType::CharBuf, list: true };

impl Operand {
    /// Type of the value.
    pub fn result(&self) -> Type {
        match self {
            Operand::Getopt { selector: None, .. } => TEXTS,
            Operand::Transformed { transformer, of } => {
                let of = of.result();
                transformer.result(of).unwrap_or(of)
            }
            _ => self.declared(),
        }
    }

    /// The type that transformers around take the operand to have before they run. It is the type of
    /// the value except that Falco takes `getopt`'s list for a single text.
    fn assumed(&self) -> Type {
        match self {
            Operand::Transformed { transformer, of } => {
                let of = of.assumed();
                transformer.result(of).unwrap_or(of)
            }
            _ => self.declared(),
        }
    }

    /// The type without transformers of one operand: what `join`, `concat` and `getopt` go by.
    pub fn declared(&self) -> Type {
        match self {
            Operand::Field(field) => {
                Type { ty: field.info.ty, list: field.info.flags.contains(FieldFlags::LIST) }
            }
            Operand::List(_) => TEXTS,
            Operand::Transformed { of, .. } => of.declared(),
            Operand::Text(_)
            | Operand::Join { .. }
            | Operand::Concat(_)
            | Operand::Getopt { .. } => TEXT,
        }
    }

    /// How numbers print: as the innermost field says.
    pub fn print(&self) -> Print {
        match self {
            Operand::Field(field) => field.info.print,
            Operand::Transformed { of, .. } => of.print(),
            _ => Print::Na,
        }
    }

    /// The flags of the innermost field.
    pub fn flags(&self) -> FieldFlags {
        match self {
            Operand::Field(field) => field.info.flags,
            Operand::Transformed { of, .. } => of.flags(),
            _ => FieldFlags::empty(),
        }
    }

    /// The name in messages: of the innermost field, or `NA`.
    pub fn name(&self) -> &'static str {
        match self {
            Operand::Field(field) => field.info.name,
            Operand::Transformed { of, .. } => of.name(),
            _ => "NA",
        }
    }

    /// The name in messages about the type of the value, where a list of options has its own.
    pub(crate) fn result_name(&self) -> &'static str {
        match self {
            Operand::Transformed { of, .. } => of.result_name(),
            Operand::Getopt { selector: None, .. } => "INTERNAL",
            _ => self.name(),
        }
    }

    /// The innermost field, if transformers of one operand are all that is around it.
    pub(crate) fn field(&self) -> Option<&Field> {
        match self {
            Operand::Field(field) => Some(field),
            Operand::Transformed { of, .. } => of.field(),
            _ => None,
        }
    }

    /// How long a verdict over the value holds.
    pub fn scope(&self) -> Scope {
        let widest = |operands: &[Operand]| {
            operands.iter().map(Operand::scope).max().unwrap_or(Scope::Process)
        };
        match self {
            Operand::Field(field) => field.scope,
            Operand::Text(_) => Scope::Process,
            Operand::List(operands) | Operand::Concat(operands) => widest(operands),
            Operand::Transformed { of, .. } => of.scope(),
            Operand::Join { separator: a, list: b }
            | Operand::Getopt { args: a, options: b, .. } => a.scope().max(b.scope()),
        }
    }

    /// The value on an event. Lists are [`Value::List`]; text may end in NUL ([`crate::transformers`]).
    pub fn value<'c, C: EventContext>(&'c self, ctx: &'c C) -> Option<Value<'c>> {
        match self {
            Operand::Field(field) => ctx.value(field.id),
            Operand::Text(text) => Some(Value::text(text)),
            Operand::List(operands) => {
                let mut values = Vec::with_capacity(operands.len());
                for operand in operands {
                    match operand.value(ctx)? {
                        Value::List(inner) => values.extend(inner),
                        value => values.push(operand.as_element(value)?),
                    }
                }
                Some(Value::List(values))
            }
            Operand::Transformed { transformer, of } => {
                transformer.apply(of.value(ctx)?, of.assumed())
            }
            Operand::Join { separator, list } => {
                let between = separator.value(ctx)?;
                let between = raw_bytes(&between, separator.result().ty);
                let elements = list.value(ctx)?;
                let ty = list.result().ty;
                let mut joined = Vec::new();
                for (i, element) in elements.as_elements().iter().enumerate() {
                    if i > 0 {
                        joined.extend_from_slice(&between);
                    }
                    joined.extend_from_slice(up_to_nul(&raw_bytes(element, ty)));
                }
                Some(Value::Text(Cow::Owned(joined)))
            }
            Operand::Concat(operands) => {
                let mut joined = Vec::new();
                for operand in operands {
                    let value = operand.value(ctx)?;
                    let first = value.as_elements().first()?;
                    joined.extend_from_slice(up_to_nul(&raw_bytes(first, operand.result().ty)));
                }
                Some(Value::Text(Cow::Owned(joined)))
            }
            Operand::Getopt { args, options, selector } => {
                let options_value = options.value(ctx)?;
                let letters = raw_bytes(options_value.as_elements().first()?, options.result().ty);
                let values = args.value(ctx)?;
                let ty = args.result().ty;
                let args: Vec<_> = values.as_elements().iter().map(|v| raw_bytes(v, ty)).collect();
                let mut found = getopt(&args, &letters, *selector)?;
                Some(if selector.is_some() {
                    Value::owned_text(found.pop()?)
                } else {
                    Value::List(found.into_iter().map(Value::owned_text).collect())
                })
            }
        }
    }

    /// A value of this operand as an element of `(…)`: 64-bit numbers become text.
    fn as_element<'v>(&self, value: Value<'v>) -> Option<Value<'v>> {
        let Type { ty, list: false } = self.declared() else { return Some(value) };
        if !matches!(ty, ValueType::Pid | ValueType::Int64 | ValueType::Uint64) {
            return Some(value);
        }
        let mut text = Vec::new();
        render_value::write_text(&value, ty, self.print(), &mut text)
            .then_some(Value::Text(Cow::Owned(text)))
    }
}

impl<'a> Value<'a> {
    /// The elements of a list, or the one value.
    pub fn as_elements(&self) -> &[Value<'a>] {
        match self {
            Value::List(values) => values,
            value => std::slice::from_ref(value),
        }
    }
}
