//! Fields, transformers and constants of the syntax tree → [`Operand`].

use super::{FieldUse, Message};
use crate::ast::{Node, NodeKind, Text};
use crate::catalogue::{Catalogue, FieldError, FieldFlags};
use crate::operand::Operand;
use crate::transformers::Transformer;
use crate::value::ValueType;

/// One side of a comparison.
pub(crate) enum Side {
    /// Something to extract from the event.
    Operand(Operand),
    /// Constants, still text.
    Constants(Vec<Text>),
}

/// Resolves one side of a comparison, or a token of an output template; adds the fields that it
/// uses to `fields`.
///
/// # Errors
/// If a field or transformer does not exist or does not suit what it is applied to.
pub(crate) fn resolve_side(
    node: &Node,
    catalogue: &mut dyn Catalogue,
    fields: &mut Vec<FieldUse>,
) -> Result<Side, Message> {
    Ok(match &node.kind {
        NodeKind::Value(value) => Side::Constants(vec![value.clone()]),
        NodeKind::List(values) => Side::Constants(values.to_vec()),
        NodeKind::Field { name, arg } => {
            let arg = arg.as_deref();
            let field = catalogue.resolve(name, arg).map_err(|error| match error {
                FieldError::Unknown => {
                    let arg = arg.map(|arg| format!("[{arg}]")).unwrap_or_default();
                    format!("filter_check called with nonexistent field {name}{arg}")
                }
                FieldError::MissingArgument(message) | FieldError::BadArgument(message) => message,
            })?;
            fields.push(FieldUse {
                pos: node.pos,
                name: name.clone(),
                arg: arg.map(str::to_owned),
                flags: field.info.flags,
            });
            Side::Operand(Operand::Field(field))
        }
        NodeKind::TransformerList(children) => {
            let empty = "filter error: unexpected empty transformer list element";
            Side::Operand(Operand::List(arguments(children, empty, catalogue, fields)?))
        }
        NodeKind::Transformer { name, args, arg } => {
            let empty = format!("filter error: found null child node on '{name}' transformer");
            let args = arguments(args, &empty, catalogue, fields)?;
            Side::Operand(transformer(name, args, arg.as_deref())?)
        }
        _ => return Err("filter error: a condition is no value".into()),
    })
}

/// The arguments of a transformer or the elements of a list; `empty` is the message for an empty
/// list of constants.
fn arguments(
    nodes: &[Node],
    empty: &str,
    catalogue: &mut dyn Catalogue,
    fields: &mut Vec<FieldUse>,
) -> Result<Vec<Operand>, Message> {
    let text = |Text(text): Text| Operand::Text(text.into());
    nodes
        .iter()
        .map(|node| match resolve_side(node, catalogue, fields)? {
            Side::Operand(operand) => Ok(operand),
            Side::Constants(mut texts) => match (texts.len(), texts.pop()) {
                (_, None) => Err(empty.to_owned()),
                (1, Some(only)) => Ok(text(only)),
                (_, Some(last)) => {
                    texts.push(last);
                    Ok(Operand::List(texts.into_iter().map(text).collect()))
                }
            },
        })
        .collect()
}

fn transformer(
    name: &str,
    mut args: Vec<Operand>,
    selector: Option<&str>,
) -> Result<Operand, Message> {
    let no_selector = || match selector {
        None => Ok(()),
        Some(_) => {
            Err(format!("filter error: transformer '{name}' does not support field arguments"))
        }
    };
    if name == "val" {
        no_selector()?;
        return args.pop().ok_or_else(|| "expected a field within 'val' transformer".into());
    }
    if args.len() == 1
        && let Some(of) = args.pop()
    {
        no_selector()?;
        let transformer = Transformer::from_name(name)
            .ok_or_else(|| format!("unknown field transfomer '{name}'"))?;
        return transformed(transformer, of);
    }
    let operand = match name {
        "join" => join(args)?,
        "concat" => concat(args)?,
        "getopt" => return getopt(args, selector),
        _ => return Err("unknown multivalue transformer".into()),
    };
    match selector {
        None => Ok(operand),
        Some(_) => Err(format!("transformer '{name}' does not support field arguments")),
    }
}

fn transformed(transformer: Transformer, of: Operand) -> Result<Operand, Message> {
    if of.flags().contains(FieldFlags::NO_TRANSFORMER) {
        return Err(format!("field '{}' does not support transformers", of.name()));
    }
    let ty = of.result();
    if transformer.result(ty).is_none() {
        return Err(format!(
            "can't add field transformer: type '{}' is not supported by '{}' transformer applied on \
             {}field '{}'",
            ty.ty.name(),
            transformer.name(),
            if ty.list { "list " } else { "" },
            of.name(),
        ));
    }
    Ok(Operand::Transformed { transformer, of: Box::new(of) })
}

fn join(args: Vec<Operand>) -> Result<Operand, Message> {
    let Ok([separator, list]) = <[Operand; 2]>::try_from(args) else {
        return Err("join() requires exactly 2 arguments: separator and list".into());
    };
    if separator.declared().list {
        return Err("join() first argument (separator) must be a single value, not a list".into());
    }
    if !list.declared().list {
        return Err("join() second argument must be a list".into());
    }
    Ok(Operand::Join { separator: Box::new(separator), list: Box::new(list) })
}

fn concat(args: Vec<Operand>) -> Result<Operand, Message> {
    if args.len() < 2 {
        return Err("concat() requires at least 2 arguments".into());
    }
    let is_text = |of: &Operand| of.declared().ty == ValueType::CharBuf && !of.declared().list;
    if !args.iter().all(is_text) {
        return Err("concat() arguments must be strings".into());
    }
    Ok(Operand::Concat(args))
}

fn getopt(args: Vec<Operand>, selector: Option<&str>) -> Result<Operand, Message> {
    let Ok([args, options]) = <[Operand; 2]>::try_from(args) else {
        return Err("getopt() requires exactly 2 arguments: args list and optstring".into());
    };
    let (list, letters) = (args.declared(), options.declared());
    if !list.list {
        return Err("getopt() first argument must be a list".into());
    }
    if letters.list {
        return Err("getopt() second argument (optstring) must be a single value".into());
    }
    if list.ty != ValueType::CharBuf || letters.ty != ValueType::CharBuf {
        return Err("getopt() arguments must be strings".into());
    }
    let selector = match selector.map(str::as_bytes) {
        None => None,
        Some(&[letter]) => Some(letter),
        Some(_) => return Err("getopt() field argument must be a single option character".into()),
    };
    Ok(Operand::Getopt { args: Box::new(args), options: Box::new(options), selector })
}
